# SPDX-License-Identifier: GPL-2.0
"""
The answer that the kernel must give to a netlink message, and its configuration
afterwards: the policies of docs/netlink/kproxy.yaml and the rules of the
objects, in Python. A Model follows every message that is sent and has the
configuration that the kernel must show then.
"""

import errno
import ipaddress
import re
import struct

from netlink_raw import ACK, DUMP, NESTED, REQUEST, attrs
from netlink_spec import (ATTR, COMMAND, CONSTANT, OPERATIONS, SETS, WIDTH, E,
                          L, R, S, U, bounds, constant, requested)

ECHO = 8
# Refused by the policies or the headers: netlink chooses the errno.
MALFORMED = frozenset((errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP))

X = ATTR["session"]
NUMBERS = [L[n] for n in ("maxconn", "backlog", "connect-timeout",
                          "idle-timeout", "fin-timeout", "max-age", "rate",
                          "client-maxconn", "client-rate", "accept-proxy",
                          "transparent", "log-sample")]
DEFAULTS = (0, 4096, 5000, 600000, 60000, 0, 0, 0, 0, 0, 0, 1)
NETWORKS = L["allow"], L["deny"]
# Of upstreams, with their defaults.
CHOICES = {"retries": 2, "send-proxy": 0, "check-port": 0, "failback": 1,
           "on-down": 0, "slow-start": 0, "fail-open": 0}
CHECK = {"check": 0, "check-send": b"", "check-expect": b""}
CHECK_SEND = 2
# Of servers, with their defaults.
SERVER_CHOICES = {"weight": 1, "state": 0, "priority": 0, "health-set": 0}
# Options that the kernel's sockets may refuse, for reasons of their own, and one
# that connects to all addresses there are.
REFUSABLE = ("congestion", "rcvbuf", "sndbuf", "fastopen", "keepalive", "mark",
             "source", "preconnect")
NAME = re.compile(rb"[A-Za-z0-9._-]{1,63}")
SERVER_NAME = re.compile(rb"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class Refused(Exception):
    """Refused with one of these errnos."""

    def __init__(self, *numbers):
        self.numbers = frozenset(numbers) or MALFORMED


# Policies


def number_rule(attribute):
    low, high = bounds(attribute)
    sizes = {WIDTH[attribute["type"]]}
    if attribute["type"] == "uint":
        sizes = {4, 8}
    order = "big" if attribute.get("byte-order") == "big-endian" else "little"

    def rule(payload, nested):
        if len(payload) not in sizes or nested:
            raise Refused
        value = int.from_bytes(payload, order)
        if not low <= value <= high:
            raise Refused
        return value
    return rule


def string_rule(attribute):
    most = constant(attribute["checks"]["max-len"])

    def rule(payload, nested):
        end = payload.find(b"\0", 0, most + 1)
        if nested or end < 0:
            raise Refused
        if len(payload) - (payload[-1] == 0) > most:
            raise Refused
        return payload[:end]
    return rule


def binary_rule(attribute):
    size = attribute.get("checks", {}).get("exact-len")

    def rule(payload, nested):
        if nested or size not in (None, len(payload)):
            raise Refused
        return payload
    return rule


def flag_rule(_):
    def rule(payload, nested):
        if nested or payload:
            raise Refused
        return True
    return rule


def nest_rule(attribute):
    inner = rules_of(dict(enumerate(SETS[attribute["nested-attributes"]], 1)))

    def rule(payload, nested):
        if not nested or 0 < len(payload) < 4:
            raise Refused
        return last(parse(payload, inner))
    return rule


def rules_of(attributes):
    kinds = {"string": string_rule, "binary": binary_rule, "flag": flag_rule,
             "nest": nest_rule}
    return {kind: kinds.get(attribute["type"], number_rule)(attribute)
            for kind, attribute in attributes.items()}


def parse(data, rules):
    """Values by attribute, each a list, as strict policies take them."""
    found, at, end = {}, 0, len(data)
    while end - at >= 4:
        length, kind = struct.unpack_from("=HH", data, at)
        if not 4 <= length <= end - at:
            break
        rule = rules.get(kind & 0x3fff)
        if not rule:
            raise Refused
        found.setdefault(kind & 0x3fff, []).append(
            rule(data[at + 4:at + length], kind & NESTED))
        at += (length + 3) & ~3
    if at < end:
        raise Refused
    return found


def last(found):
    """Of duplicate attributes, the last one counts."""
    return {kind: values[-1] for kind, values in found.items()}


BY_NUMBER = {COMMAND[op["name"]]: op for op in OPERATIONS}
RULES = {(n, mode): rules_of(requested(op, mode))
         for n, op in BY_NUMBER.items()
         for mode in ("do", "dump") if mode in op}


# Addresses are (bits, address, port, scope); of any of both families the first
# three are 0, None and the port.


def address_of(nest):
    """The address of an endpoint's attributes."""
    four, six = nest.get(E["ipv4"]), nest.get(E["ipv6"])
    port, scope = nest.get(E["port"], 0), nest.get(E["scope"])
    if (four is not None and six is not None or
            scope is not None and six is None):
        raise Refused(errno.EINVAL)
    if four is not None:
        return 32, ipaddress.IPv4Address(four), port, 0
    if six is not None:
        return 128, ipaddress.IPv6Address(six), port, scope or 0
    return 0, None, port, 0


def networks_of(payload):
    """The networks of a list as (address, bits), up to the first invalid
    one."""
    size = CONSTANT["prefix-size"]
    for at in range(0, len(payload), size):
        bits = payload[at + size - 1]
        if bits > 128:
            raise Refused(errno.EINVAL)
        mask = (1 << 128) - (1 << 128 - bits)
        yield int.from_bytes(payload[at:at + size - 1], "big") & mask, bits


def networks(word, old):
    """The networks of a listener after a message, by attribute."""
    new = {kind: old[kind] for kind in NETWORKS if kind not in word}
    left = CONSTANT["prefixes-max"] - sum(map(len, new.values()))
    for kind in NETWORKS:
        if kind in new:
            continue
        if len(word[kind]) % CONSTANT["prefix-size"]:
            raise Refused(errno.EINVAL)
        new[kind] = []
        for network in networks_of(word[kind]):
            if not left:
                raise Refused(errno.E2BIG)
            left -= 1
            new[kind].append(network)
    both = new[L["allow"]] + new[L["deny"]]
    if len(set(both)) < len(both):
        raise Refused(errno.EEXIST)
    return new


def connectable(address):
    _, ip, port, _ = address
    if not port or ip is None or ip.is_multicast or ip.is_unspecified:
        return False
    if ip.version == 4:
        return ip.packed != b"\xff" * 4
    return not ip.ipv4_mapped


def overlap(a, b):
    """Whether two listening addresses exclude each other."""
    if a[2] != b[2]:
        return False
    if not a[0] or not b[0]:
        return True
    return a[0] == b[0] and (a[1] == b[1] or a[1].is_unspecified or
                             b[1].is_unspecified)


class Model:
    """
    The objects whose names have a prefix, and these listening ports, in a
    namespace where nothing else uses either. LOCAL are its addresses.
    """

    def __init__(self, prefix, ports, local):
        self.prefix, self.ports = prefix.encode(), ports
        self.local = {ipaddress.ip_address(a) for a in local}
        self.listeners, self.upstreams = {}, {}

    def judge(self, command, flags, reserved, body):
        """
        The errnos of which the kernel must return one, 0 for success, and the
        change of the model then.
        """
        if not flags & REQUEST:
            return frozenset([0]), None
        mode = "dump" if flags & DUMP == DUMP else "do"
        if mode == "dump":
            flags &= ~DUMP
        rules = RULES.get((command, mode))
        try:
            if reserved or flags & ~(REQUEST | ACK | ECHO) or rules is None:
                raise Refused
            found = parse(body, rules)
            name = BY_NUMBER[command]["name"].replace("-", "_")
            act = getattr(self, f"{name}_{mode}", None)
            return frozenset([0]), act(last(found), found) if act else None
        except Refused as refused:
            return refused.numbers, None

    def name(self, word, kind):
        if kind not in word or not NAME.fullmatch(word[kind]):
            raise Refused(errno.EINVAL)
        return word[kind]

    # Listeners

    def find_listener(self, word):
        name = self.name(word, L["name"])
        if name not in self.listeners:
            raise Refused(errno.ENOENT)
        return name

    def addresses(self, nests):
        addresses = []
        for nest in nests:
            if len(addresses) == CONSTANT["addresses-max"]:
                raise Refused(errno.E2BIG)
            address = address_of(nest)
            if not address[2] or address in addresses:
                raise Refused(errno.EINVAL)
            addresses.append(address)
        return addresses

    def is_local(self, address):
        ip = address[1]
        # All of 127.0.0.0/8 is lo's.
        return (ip is None or ip.is_unspecified or ip in self.local or
                ip.version == 4 and ip.is_loopback)

    def bind(self, address, taken, transparent):
        _, ip, _, scope = address
        if ip is not None and ip.version == 6:
            if ip.ipv4_mapped or ip.is_multicast or (ip.is_link_local and
                                                     not scope):
                raise Refused(errno.EINVAL)
            if ip.is_link_local:
                raise Refused(errno.ENODEV, errno.EADDRNOTAVAIL)
        if not transparent and not self.is_local(address):
            raise Refused(errno.EADDRNOTAVAIL)
        if any(overlap(address, other) for other in taken):
            raise Refused(errno.EADDRINUSE)

    def bind_all(self, addresses, transparent, own=()):
        """OWN are the addresses that a listener has already."""
        taken = [address for listener in self.listeners.values()
                 for address in listener["addresses"]]
        fresh = [a for a in addresses if a not in own]
        for address in fresh:
            self.bind(address, taken, transparent)
        # Sockets of one listener meet when they listen, after the last was
        # bound.
        if any(overlap(a, b) for a in fresh for b in fresh if a is not b):
            raise Refused(errno.EADDRINUSE)

    def listener_add_do(self, word, found):
        name = self.name(word, L["name"])
        if L["address"] not in word or L["upstream"] not in word:
            raise Refused(errno.EINVAL)
        addresses = self.addresses(found[L["address"]])
        if word[L["upstream"]] not in self.upstreams:
            raise Refused(errno.ENOENT)
        lists = networks(word, {kind: [] for kind in NETWORKS})
        if name in self.listeners:
            raise Refused(errno.EEXIST)
        self.bind_all(addresses, word.get(L["transparent"]))
        options = {kind: word.get(kind, default) for kind, default in zip(
            NUMBERS, DEFAULTS)}
        new = {"addresses": addresses, "upstream": word[L["upstream"]],
               "routes": {}, **options, **lists}
        return lambda: self.listeners.update({name: new})

    def listener_set_do(self, word, found):
        name = self.find_listener(word)
        new = {kind: word[kind] for kind in NUMBERS if kind in word}
        if L["upstream"] in word:
            if word[L["upstream"]] not in self.upstreams:
                raise Refused(errno.ENOENT)
            new["upstream"] = word[L["upstream"]]
        if L["address"] in word:
            new["addresses"] = self.addresses(found[L["address"]])
        old = self.listeners[name]
        new.update(networks(word, old))
        transparent = new.get(L["transparent"], old[L["transparent"]])
        if L["address"] in word:
            self.bind_all(new["addresses"], transparent, old["addresses"])
        if (old[L["transparent"]] and not transparent and
                not all(map(self.is_local,
                            new.get("addresses", old["addresses"])))):
            raise Refused(errno.EADDRNOTAVAIL)
        return lambda: old.update(new)

    def listener_del_do(self, word, _):
        name = self.find_listener(word)
        return lambda: self.listeners.pop(name)

    def listener_drain_do(self, word, found):
        return self.listener_del_do(word, found)

    def listener_get_do(self, word, _):
        self.find_listener(word)

    # Upstreams

    def find_upstream(self, word, kind):
        name = self.name(word, kind)
        if name not in self.upstreams:
            raise Refused(errno.ENOENT)
        return name

    @staticmethod
    def check(word, old):
        """How servers are checked, and what is sent and expected then, after a
        message."""
        if not any(U[option] in word for option in CHECK):
            return old
        if U["check"] in word:
            old = {**old, **CHECK, "check": word[U["check"]]}
        new = {option: word.get(U[option], old[option]) for option in CHECK}
        send, expect = new["check-send"], new["check-expect"]
        if (len(send) > CONSTANT["check-send-max"] or
                len(expect) > CONSTANT["check-expect-max"]):
            raise Refused(errno.E2BIG)
        if bool(send or expect) != (new["check"] == CHECK_SEND):
            raise Refused(errno.EINVAL)
        if (len(expect) - len(expect.rstrip(b"\\"))) % 2:
            raise Refused(errno.EINVAL)
        return new

    def upstream_add_do(self, word, _):
        name = self.name(word, U["name"])
        check = self.check(word, CHECK)
        if name in self.upstreams:
            raise Refused(errno.EEXIST)
        new = {option: word.get(U[option], default)
               for option, default in CHOICES.items()}
        new.update(check)
        new["servers"] = {}
        return lambda: self.upstreams.update({name: new})

    def upstream_set_do(self, word, _):
        name = self.find_upstream(word, U["name"])
        new = {option: word[U[option]] for option in CHOICES
               if U[option] in word}
        new.update(self.check(word, {option: self.upstreams[name][option]
                                     for option in CHECK}))
        return lambda: self.upstreams[name].update(new)

    def upstream_del_do(self, word, _):
        name = self.find_upstream(word, U["name"])
        if any(name in (listener["upstream"], *listener["routes"].values())
               for listener in self.listeners.values()):
            raise Refused(errno.EBUSY)
        return lambda: self.upstreams.pop(name)

    def upstream_get_do(self, word, _):
        self.find_upstream(word, U["name"])

    # Servers

    def find_server(self, word):
        self.name(word, S["upstream"])
        if S["address"] not in word:
            raise Refused(errno.EINVAL)
        address = address_of(word[S["address"]])
        servers = self.upstreams[
            self.find_upstream(word, S["upstream"])]["servers"]
        if address not in servers:
            raise Refused(errno.ENOENT)
        return servers, address

    @staticmethod
    def label(word, old):
        name = word.get(S["name"], old)
        if name and not NAME.fullmatch(name):
            raise Refused(errno.EINVAL)
        return name

    def server_add_do(self, word, _):
        self.name(word, S["upstream"])
        if S["address"] not in word:
            raise Refused(errno.EINVAL)
        address = address_of(word[S["address"]])
        if not connectable(address):
            raise Refused(errno.EINVAL)
        servers = self.upstreams[
            self.find_upstream(word, S["upstream"])]["servers"]
        label = self.label(word, b"")
        if len(servers) >= CONSTANT["servers-max"]:
            raise Refused(errno.ENOSPC)
        if address in servers:
            raise Refused(errno.EEXIST)
        new = {option: word.get(S[option], default)
               for option, default in SERVER_CHOICES.items()}
        new["name"] = label
        return lambda: servers.update({address: new})

    def server_set_do(self, word, _):
        servers, address = self.find_server(word)
        new = {option: word[S[option]] for option in SERVER_CHOICES
               if S[option] in word}
        new["name"] = self.label(word, servers[address]["name"])
        return lambda: servers[address].update(new)

    def server_del_do(self, word, _):
        servers, address = self.find_server(word)
        return lambda: servers.pop(address)

    def server_get_do(self, word, _):
        self.find_server(word)

    def server_get_dump(self, word, _):
        if S["upstream"] in word and word[S["upstream"]] not in self.upstreams:
            raise Refused(errno.ENOENT)

    # Routes

    def route_key(self, word):
        """The listener, and what tells the route from its others."""
        name = self.name(word, R["listener"])
        sni, alpn = word.get(R["sni"], b""), word.get(R["alpn"], b"")
        if R["sni"] in word and not SERVER_NAME.fullmatch(sni):
            raise Refused(errno.EINVAL)
        if R["alpn"] in word and not alpn:
            raise Refused(errno.EINVAL)
        network = self.network(word)
        key = sni.lower(), alpn, network, word.get(R["port"], 0)
        if key == (b"", b"", (0, 0), 0):
            raise Refused(errno.EINVAL)
        return name, key

    @staticmethod
    def network(word):
        """An IPv6 network as a number and its length; of length 0 for none."""
        if R["from"] not in word:
            if R["from-prefix"] in word:
                raise Refused(errno.EINVAL)
            return 0, 0
        most, ip, port, _ = address_of(word[R["from"]])
        bits = word.get(R["from-prefix"], most)
        if ip is None or port or bits > most:
            raise Refused(errno.EINVAL)
        number = int(ip)
        if most == 32:
            number, bits = number | 0xffff << 32, bits + 96
        return number & (1 << 128) - (1 << 128 - bits), bits

    def find_route(self, word):
        name, key = self.route_key(word)
        if name not in self.listeners:
            raise Refused(errno.ENOENT)
        routes = self.listeners[name]["routes"]
        if key not in routes:
            raise Refused(errno.ENOENT)
        return routes, key

    def route_add_do(self, word, _):
        name, key = self.route_key(word)
        if R["upstream"] not in word:
            raise Refused(errno.EINVAL)
        upstream = word[R["upstream"]]
        if name not in self.listeners or upstream not in self.upstreams:
            raise Refused(errno.ENOENT)
        routes = self.listeners[name]["routes"]
        if key in routes:
            raise Refused(errno.EEXIST)
        return lambda: routes.update({key: upstream})

    def route_del_do(self, word, _):
        routes, key = self.find_route(word)
        return lambda: routes.pop(key)

    def route_get_do(self, word, _):
        self.find_route(word)

    def route_get_dump(self, word, _):
        if word.get(R["listener"]) not in (None, *self.listeners):
            raise Refused(errno.ENOENT)

    # Transactions: none has begun.

    def transaction_commit_do(self, *_):
        raise Refused(errno.ENOENT)

    transaction_abort_do = transaction_commit_do

    # Sessions: none of those that live has a number this large.

    def session_filter(self, word):
        if X["server"] in word:
            address_of(word[X["server"]])
        if X["client"] in word:
            bits = address_of(word[X["client"]])[0]
            if not bits or word.get(X["client-prefix"], 0) > bits:
                raise Refused(errno.EINVAL)

    def session_get_dump(self, word, _):
        self.session_filter(word)

    def session_kill_do(self, word, _):
        self.session_filter(word)
        if not set(word) - {X["client-prefix"]}:
            raise Refused(errno.EINVAL)
        if X["id"] in word:
            raise Refused(errno.ENOENT)

    def mine(self, command, flags, body):
        """
        Whether a valid message names only objects of this model, which knows no
        others.
        """
        mode = "dump" if flags & DUMP == DUMP else "do"
        if (command, mode) not in RULES:
            return True
        try:
            found = parse(body, RULES[command, mode])
        except Refused:
            return True
        set_ = BY_NUMBER[command]["attribute-set"]
        if set_ == "transaction":
            # Staged changes are invisible; the model is told of none.
            return BY_NUMBER[command]["name"] != "transaction-begin"
        if any(ATTR[set_].get(name) in found for name in REFUSABLE):
            return False
        if set_ == "session":
            return (mode == "dump" or found.get(X["id"], [0])[-1] > 1 << 30 or
                    any(found[X[n]][-1].startswith(self.prefix)
                        for n in ("listener", "upstream") if X[n] in found))
        if set_ == "route":
            return all(name.startswith(self.prefix)
                       for kind in (R["listener"], R["upstream"])
                       for name in found.get(kind, []))
        names = found.get(L["name"], []) if set_ != "totals" else []
        if set_ == "listener":
            names = names + found.get(L["upstream"], [])
            nests = found.get(L["address"], [])
            if any(nest.get(E["port"], 0) not in self.ports for nest in nests):
                return False
            # Whether an interface of that number exists is not known here.
            if L["transparent"] in found and any(E["scope"] in nest
                                                 for nest in nests):
                return False
        return all(name.startswith(self.prefix) for name in names)

    # The kernel's state, in the model's words

    def compare(self, listeners, upstreams, servers, routes):
        """The difference between these dumps and the model; None if there is
        none."""
        got = {"listeners": {}, "upstreams": {}}
        for word, found in map(self.shown, listeners):
            got["listeners"][word[L["name"]][:-1]] = {
                "addresses": [self.shown_address(a)
                              for a in found[L["address"]]],
                "upstream": word[L["upstream"]][:-1],
                "routes": {},
                **{kind: int.from_bytes(word[kind], "little")
                   for kind in NUMBERS},
                **{kind: list(networks_of(word[kind])) for kind in NETWORKS}}
        for word, _ in map(self.shown, upstreams):
            got["upstreams"][word[U["name"]][:-1]] = {
                **{option: int.from_bytes(word[U[option]], "little")
                   for option in CHOICES},
                "check": int.from_bytes(word[U["check"]], "little"),
                **{option: word.get(U[option], b"")
                   for option in ("check-send", "check-expect")},
                "servers": {}}
        for word, _ in map(self.shown, servers):
            if not word[S["upstream"]].startswith(self.prefix):
                continue
            got["upstreams"][word[S["upstream"]][:-1]]["servers"][
                self.shown_address(word[S["address"]])] = {
                    "name": word.get(S["name"], b"\0")[:-1],
                    **{option: int.from_bytes(word[S[option]], "little")
                       for option in SERVER_CHOICES}}
        for word, _ in map(self.shown, routes):
            if word[R["listener"]].startswith(self.prefix):
                got["listeners"][word[R["listener"]][:-1]]["routes"][
                    self.shown_key(word)] = word[R["upstream"]][:-1]
        want = {"listeners": self.listeners, "upstreams": self.upstreams}
        for kind, objects in want.items():
            shown = {name: value for name, value in got[kind].items()
                     if name.startswith(self.prefix)}
            for name in sorted(objects.keys() | shown.keys()):
                if objects.get(name) != shown.get(name):
                    return (f"{kind} {name}: the kernel has "
                            f"{shown.get(name)}, not {objects.get(name)}")
        return None

    @staticmethod
    def shown(reply):
        found = {}
        for kind, value in attrs(reply[4:]):
            found.setdefault(kind, []).append(value)
        return last(found), found

    @classmethod
    def shown_key(cls, word):
        network = 0, 0
        if R["from"] in word:
            bits, ip, _, _ = cls.shown_address(word[R["from"]])
            number = int(ip) | (0xffff << 32 if bits == 32 else 0)
            network = number, 128 - bits + int.from_bytes(
                word[R["from-prefix"]], "little")
        return (word.get(R["sni"], b"\0")[:-1],
                word.get(R["alpn"], b"\0")[:-1], network,
                int.from_bytes(word.get(R["port"], b""), "little"))

    @staticmethod
    def shown_address(nest):
        order = {E["ipv4"]: "big"}
        word = {kind: value if kind == E["ipv6"] else
                int.from_bytes(value, order.get(kind, "little"))
                for kind, value in attrs(nest)}
        return address_of(word)
