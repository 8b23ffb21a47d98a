# SPDX-License-Identifier: GPL-2.0
"""
The netlink family: its refusals, and that the kernel's policies are those of
docs/netlink/kproxy.yaml.
"""

import errno
import os
import socket
import struct

from netlink_raw import (ACK, CTRL_GETPOLICY, DUMP, DUMP_INTERRUPTED,
                         GENL_CTRL, NLMSG_DONE, REQUEST, Netlink, attr, attrs,
                         configuration, messages, opened_by_nobody)
from netlink_spec import (ATTR, COMMAND, CONSTANT, HEADERS, OPERATIONS, SETS,
                          SPEC, WIDTH, E, L, R, S, U, bounds, constant,
                          endpoint, open_netlink, requested)
from peer import (PROXY, Failed, expect, expect_alive, expect_between, kp, main,
                  pair, run, run_in, scene, sessions, show, wait_gone)

SET_UP = """
load
topology
simple_proxy
"""

SESSION, SOURCE = ATTR["session"], ATTR["source"]
# source-mode
ADDRESSES, CLIENTS = 1, 2


def expect_refused(answer, number, what, message=None, offset=None,
                   missing=None):
    if answer.errno != number:
        raise Failed(f"{what}: got {answer}, want "
                     f"{errno.errorcode.get(number)}")
    if message and message not in (answer.message or ""):
        raise Failed(f"{what}: got {answer}, want the message \"{message}\"")
    if offset is not None and answer.offset != offset:
        raise Failed(f"{what}: got {answer}, want offset {offset}")
    if missing is not None and answer.missing != missing:
        raise Failed(f"{what}: got {answer}, want missing {missing}")


# The specification


def family_operations():
    """Command: (flags, has do, has dump), as the kernel has them."""

    with_ops = Netlink().find_family()
    found = {}
    for _, op in attrs(with_ops[6]):
        op = dict(attrs(op))
        number, flags = (struct.unpack("=I", op[n])[0] for n in (1, 2))
        found[number] = flags
    return found


@scene("the kernel has the commands of the specification, with their flags")
def commands():
    found = family_operations()
    want = {}
    for op in OPERATIONS:
        flags = 0x10 if "uns-admin-perm" in op.get("flags", []) else 0
        flags |= 1 if "admin-perm" in op.get("flags", []) else 0
        flags |= 2 if "do" in op else 0
        flags |= 4 if "dump" in op else 0
        want[COMMAND[op["name"]]] = flags
    # Whether a command has a policy is looked at below.
    expect({n: flags & ~8 for n, flags in found.items()}, want,
           "flags of the commands")


@scene("the kernel has the multicast groups of the specification")
def groups():
    found = {dict(attrs(group))[1].rstrip(b"\0").decode()
             for _, group in attrs(Netlink().find_family()[7])}
    expect(found, {g["name"] for g in SPEC["mcast-groups"]["list"]}, "groups")


def kernel_policies():
    """(command, "do" or "dump"): {attribute: its policy}."""
    nl = open_netlink()
    answer = nl.ask(CTRL_GETPOLICY, attr(1, struct.pack("=H", nl.family)),
                    family=GENL_CTRL, flags=REQUEST | DUMP)
    policies, uses = {}, {}
    for reply in answer.replies:
        for kind, value in attrs(reply[4:]):
            if kind == 8:
                for number, policy in attrs(value):
                    for attribute, body in attrs(policy):
                        policies.setdefault(number, {})[attribute] = (
                            dict(attrs(body)))
            elif kind == 9:
                for command, body in attrs(value):
                    for what, number in attrs(body):
                        name = {1: "do", 2: "dump"}[what]
                        uses[command, name] = struct.unpack("=I", number)[0]
    return policies, uses


def number(body, key):
    """A value of a policy's attribute, of any width."""
    value = body.get(key)
    return None if value is None else int.from_bytes(value, "little")


KINDS = {"flag": 1, "u8": 2, "u16": 3, "u32": 4, "u64": 5, "binary": 10,
         "string": 12, "nest": 13, "uint": 17}


def wanted(attribute):
    """The policy that the kernel should have for an attribute of the
    specification."""
    kind, checks = attribute["type"], attribute.get("checks", {})
    want = {"type": KINDS[kind]}
    if attribute.get("enum-as-flags"):
        want["mask"] = bounds(attribute)[1]
    elif kind in WIDTH:
        want["min"], want["max"] = bounds(attribute)
    elif "exact-len" in checks:
        want["min-len"] = want["max-len"] = constant(checks["exact-len"])
    elif kind == "string":
        want["max-len"] = constant(checks["max-len"])
    return want


def given(body):
    kind = number(body, 1)
    got = {"type": kind}
    if body.get(12) is not None:
        got["mask"] = number(body, 12)
    elif kind in (2, 3, 4, 5, 17):
        got["min"], got["max"] = number(body, 4), number(body, 5)
    for key, name in ((6, "min-len"), (7, "max-len")):
        if body.get(key) is not None:
            got[name] = number(body, key)
    return got


@scene("the kernel's policies are those of the specification")
def same_policies():
    policies, uses = kernel_policies()
    compared = 0
    for op in OPERATIONS:
        for mode in "do", "dump":
            attributes = requested(op, mode) if mode in op else {}
            use = uses.get((COMMAND[op["name"]], mode))
            where = f"{op['name']} {mode}"
            if not attributes:
                # A policy that rejects everything shows nothing.
                expect(policies.get(use, {}), {}, f"{where}: policy of none")
                continue
            got = policies[use]
            expect(sorted(got), sorted(attributes), f"{where}: attributes")
            for kind, attribute in attributes.items():
                name, body = attribute["name"], got[kind]
                expect(given(body), wanted(attribute), f"{where}: {name}")
                compared += 1
                if attribute["type"] != "nest":
                    continue
                inner = policies[number(body, 8)]
                nested = attribute["nested-attributes"]
                for one in SETS[nested]:
                    expect(given(inner[ATTR[nested][one["name"]]]),
                           wanted(one), f"{where}: {name}.{one['name']}")
    if compared < 50:
        raise Failed(f"only {compared} attributes were compared")


# Of an ejected server and of a client of TLS; "servers" and "route" look at them.
SOMETIMES = {"server-get": ("failures", "eject-left-ms"),
             "session-get": ("sni", "label")}


@scene("replies have only attributes of the specification")
def replies():
    # Session times are missing until a session has ended.
    for sock in pair():
        sock.close()
    wait_gone()
    ends = pair()
    expect_alive(*ends)
    # Without it, replies have nothing about idle connections.
    kp("upstream set app preconnect 1")
    # Nor about what is not set.
    kp("upstream set app check send check-send x check-expect y interval 1h")
    kp("server set app 10.2.0.2:9000 name first")
    kp("route add web sni a.example alpn h2 from 10.0.0.0/8 port 1 "
       "upstream app")
    # Nor about dead addresses.
    run_in(PROXY, "ss", "-K", "-tln", "src", "[fd01::1]")
    nl = open_netlink()
    for op in OPERATIONS:
        reply = op.get("dump", {}).get("reply")
        if not reply:
            continue
        answer = nl.ask(COMMAND[op["name"]], flags=REQUEST | DUMP)
        expect(answer.errno, 0, op["name"])
        if not answer.replies:
            raise Failed(f"{op['name']}: nothing to look at")
        numbers = ATTR[op["attribute-set"]]
        want = {numbers[n] for n in reply["attributes"]}
        maybe = {numbers[n] for n in SOMETIMES.get(op["name"], ())}
        for message in answer.replies:
            expect({kind for kind, _ in attrs(message[4:])} - maybe,
                   want - maybe, f"attributes of {op['name']}")
    kp("upstream set app preconnect 0 check off interval default")
    kp("server set app 10.2.0.2:9000 name default")
    kp("route del web sni a.example alpn h2 from 10.0.0.0/8 port 1")
    kp("listener set web listen 10.1.0.1:8000,[fd01::1]:8000")


# Bad input


@scene("a missing attribute is named")
def missing():
    nl = open_netlink()
    before = configuration()
    for words, lacks in (
            ([endpoint(L["address"]), attr(L["upstream"], "app")], "name"),
            ([attr(L["name"], "x"), attr(L["upstream"], "app")], "address"),
            ([attr(L["name"], "x"), endpoint(L["address"])], "upstream")):
        expect_refused(nl.ask(COMMAND["listener-add"], *words), errno.EINVAL,
                       f"without {lacks}", missing=L[lacks])
    for op in ("listener-set", "listener-del", "listener-get"):
        expect_refused(nl.ask(COMMAND[op]), errno.EINVAL, op,
                       missing=L["name"])
    for op in ("upstream-add", "upstream-set", "upstream-del", "upstream-get"):
        expect_refused(nl.ask(COMMAND[op]), errno.EINVAL, op,
                       missing=U["name"])
    for op in ("server-add", "server-set", "server-del", "server-get"):
        expect_refused(nl.ask(COMMAND[op]), errno.EINVAL, op,
                       missing=S["upstream"])
        expect_refused(nl.ask(COMMAND[op], attr(S["upstream"], "app")),
                       errno.EINVAL, op, missing=S["address"])
    web, sni = attr(R["listener"], "web"), attr(R["sni"], "a.example")
    for op in "route-add", "route-del", "route-get":
        expect_refused(nl.ask(COMMAND[op]), errno.EINVAL, op,
                       missing=R["listener"])
        expect_refused(nl.ask(COMMAND[op], web), errno.EINVAL, op,
                       missing=R["sni"])
    expect_refused(nl.ask(COMMAND["route-add"], web, sni), errno.EINVAL,
                   "route-add", missing=R["upstream"])
    expect_refused(nl.ask(COMMAND["session-kill"]), errno.EINVAL,
                   "session-kill of all", "at least one filter")
    expect(configuration(), before, "the configuration")


@scene("unknown attributes are refused, and pointed at")
def unknown():
    nl = open_netlink()
    before = configuration()
    name = attr(U["name"], "new")
    for kind in 60, 200, 0x3fff:
        answer = nl.ask(COMMAND["upstream-add"], name, attr(kind, 1))
        expect_refused(answer, errno.EINVAL, f"attribute {kind}",
                       offset=HEADERS + len(name))
        if not answer.message:
            raise Failed("no message")
    # One of the set, but not of this command.
    answer = nl.ask(COMMAND["upstream-del"], attr(U["name"], "app"),
                    attr(U["retries"], 1))
    expect_refused(answer, errno.EINVAL, "an attribute of another command")
    # Inside of a nest.
    where = attr(L["address"], [attr(E["port"], struct.pack("=H", 8100)),
                                attr(99, 1)])
    answer = nl.ask(COMMAND["listener-add"], attr(L["name"], "x"), where,
                    attr(L["upstream"], "app"))
    expect_refused(answer, errno.EINVAL, "an attribute in an endpoint")
    expect(configuration(), before, "the configuration")


@scene("wrong types, lengths and ranges are refused, and pointed at")
def wrong():
    nl = open_netlink()
    before = configuration()
    name = attr(L["name"], "web")
    at = HEADERS + len(name)
    for what, bad, number_ in (
            ("backlog of 0", attr(L["backlog"], 0), errno.ERANGE),
            ("backlog of 65536", attr(L["backlog"], 65536), errno.ERANGE),
            ("connect-timeout of 0", attr(L["connect-timeout"], 0),
             errno.ERANGE),
            ("idle-timeout of 8 days", attr(L["idle-timeout"], 691200000),
             errno.ERANGE),
            ("maxconn of 2 bytes", attr(L["maxconn"], b"xx"), errno.EINVAL),
            ("maxconn of 8 bytes", attr(L["maxconn"], b"x" * 8),
             errno.EINVAL),
            ("maxconn without a byte", attr(L["maxconn"], b""),
             errno.ERANGE),
            ("upstream without its end", attr(L["upstream"], b"app"),
             errno.EINVAL),
            ("upstream of 64 bytes", attr(L["upstream"], "u" * 64),
             errno.ERANGE),
            ("nodelay of 2", attr(L["nodelay"], 2), errno.ERANGE),
            ("dscp of 64", attr(L["dscp"], 64), errno.ERANGE),
            ("rcvbuf of 1 GiB", attr(L["rcvbuf"], 1 << 30), errno.ERANGE),
            ("congestion of 16 bytes", attr(L["congestion"], "c" * 16),
             errno.ERANGE),
            ("pacing beyond all links", attr(L["pacing"], b"\xff" * 8),
             errno.ERANGE)):
        answer = nl.ask(COMMAND["listener-set"], name, bad)
        if answer.errno not in (number_, errno.EINVAL, errno.ERANGE):
            raise Failed(f"{what}: got {answer}")
        expect(answer.offset, at, f"offset of {what}")
    upstream = attr(S["upstream"], "app")
    server = endpoint(S["address"], "10.2.0.2", 9000)
    for what, bad in (("weight of 257", attr(S["weight"], 257)),
                      ("state of 3", attr(S["state"], 3))):
        answer = nl.ask(COMMAND["server-set"], upstream, server, bad)
        expect(answer.offset, HEADERS + len(upstream) + len(server),
               f"offset of {what}: {answer}")
    for what, bad in (
            ("no nest", attr(S["address"], 5)),
            ("a nest without its flag",
             bytes([endpoint(S["address"])[0], endpoint(S["address"])[1],
                    S["address"], 0]) + endpoint(S["address"])[4:]),
            ("IPv6 of 4 bytes", attr(S["address"], [
                attr(E["ipv6"], b"abcd"),
                attr(E["port"], struct.pack("=H", 1))])),
            ("both addresses", attr(S["address"], [
                attr(E["ipv4"], b"abcd"), attr(E["ipv6"], b"a" * 16),
                attr(E["port"], struct.pack("=H", 1))])),
            ("an IPv4 address with a scope", attr(S["address"], [
                attr(E["ipv4"], b"abcd"), attr(E["scope"], 1),
                attr(E["port"], struct.pack("=H", 1))])),
            ("no port", attr(S["address"], [attr(E["ipv4"], b"abcd")])),
            ("no address", attr(S["address"], [
                attr(E["port"], struct.pack("=H", 1))])),
            ("multicast", endpoint(S["address"], "224.0.0.1", 1))):
        answer = nl.ask(COMMAND["server-add"], upstream, bad)
        if answer.errno not in (errno.EINVAL, errno.ERANGE):
            raise Failed(f"{what}: got {answer}")
    expect(configuration(), before, "the configuration")


@scene("refusals have a message and the faulty attribute")
def refusals():
    nl = open_netlink()
    before = configuration()
    name, other = attr(L["name"], "x"), attr(L["upstream"], "nowhere")
    where = endpoint(L["address"])
    expect_refused(nl.ask(COMMAND["listener-add"], name, where, other),
                   errno.ENOENT, "an unknown upstream", "no such upstream",
                   HEADERS + len(name) + len(where))
    taken = endpoint(L["address"], "10.1.0.1", 8000)
    expect_refused(nl.ask(COMMAND["listener-add"], name, where, taken,
                          attr(L["upstream"], "app")),
                   errno.EADDRINUSE, "a port in use", "10.1.0.1:8000",
                   HEADERS + len(name) + len(where))
    mapped = attr(L["address"], [
        attr(E["ipv6"], bytes(10) + b"\xff\xff" + bytes((10, 1, 0, 1))),
        attr(E["port"], struct.pack("=H", 8001))])
    expect_refused(nl.ask(COMMAND["listener-add"], name, mapped,
                          attr(L["upstream"], "app")),
                   errno.EINVAL, "a mapped address", "cannot be listened on",
                   HEADERS + len(name))
    expect_refused(nl.ask(COMMAND["listener-add"], attr(L["name"], "web"),
                          where, attr(L["upstream"], "app")),
                   errno.EEXIST, "a name in use", "exists", HEADERS)
    web, unheard_of = attr(L["name"], "web"), attr(L["congestion"], "nonesuch")
    expect_refused(nl.ask(COMMAND["listener-set"], web, unheard_of),
                   errno.ENOENT, "an unknown congestion control",
                   "no such congestion control", HEADERS + len(web))
    expect_refused(nl.ask(COMMAND["upstream-add"], attr(U["name"], "a b")),
                   errno.EINVAL, "a name that is none", "a name is", HEADERS)
    expect_refused(nl.ask(COMMAND["upstream-add"], attr(U["name"], "")),
                   errno.EINVAL, "an empty name", None, HEADERS)
    expect_refused(nl.ask(COMMAND["upstream-del"], attr(U["name"], "app")),
                   errno.EBUSY, "an upstream in use", "use", HEADERS)
    web, sni = attr(R["listener"], "web"), attr(R["sni"], "a.example")
    for listener, pattern, upstream, number_, message, at in (
            (web, sni, "none", errno.ENOENT, "no such upstream",
             len(web) + len(sni)),
            (attr(R["listener"], "none"), sni, "app", errno.ENOENT,
             "no such listener", 0),
            (web, attr(R["sni"], "a..b"), "app", errno.EINVAL,
             "a server name is", len(web)),
            (web, attr(R["sni"], "s" * 256), "app", errno.EINVAL, None,
             len(web))):
        expect_refused(nl.ask(COMMAND["route-add"], listener, pattern,
                              attr(R["upstream"], upstream)),
                       number_, f"a route of {pattern}", message, HEADERS + at)
    for op in "route-del", "route-get":
        expect_refused(nl.ask(COMMAND[op], web, sni), errno.ENOENT, op,
                       "no route", HEADERS + len(web))
    expect(configuration(), before, "the configuration")


@scene("truncated messages are refused")
def truncated():
    nl = open_netlink()
    before = configuration()
    whole = (attr(L["name"], "cut") + endpoint(L["address"]) +
             attr(L["upstream"], "app") + attr(L["maxconn"], 7))
    for length in range(1, len(whole)):
        answer = nl.ask(COMMAND["listener-add"], raw=whole[:length])
        if not answer.errno:
            # Cut between attributes it may be a whole request.
            if length < len(whole) - 8:
                raise Failed(f"{length} bytes of {len(whole)} were taken")
            kp("listener del cut")
    # An attribute whose length exceeds the message, or is less than its own
    # header.
    for length in 3, 0, 200, 65535:
        bad = struct.pack("=HH", length, U["name"]) + b"abc\0"
        answer = nl.ask(COMMAND["upstream-add"], raw=bad)
        if not answer.errno:
            raise Failed(f"an attribute of length {length} was taken")
    # A message without the generic header.
    nl.send(nl.family, b"")
    if not nl.receive().errno:
        raise Failed("a message without a header was taken")
    expect(configuration(), before, "the configuration")


@scene("unknown commands and forms of commands are refused")
def unknown_commands():
    nl = open_netlink()
    for command in 0, COMMAND["server-health"], len(COMMAND) + 1, 255:
        expect_refused(nl.ask(command), errno.EOPNOTSUPP, f"command {command}")
    name = attr(L["name"], "web")
    expect_refused(nl.ask(COMMAND["listener-add"], name,
                          flags=REQUEST | DUMP),
                   errno.EOPNOTSUPP, "a dump of listener-add")
    expect_refused(nl.ask(COMMAND["session-get"]), errno.EOPNOTSUPP,
                   "a do of session-get")
    expect_refused(nl.ask(COMMAND["server-get"], attr(S["upstream"], "none"),
                          flags=REQUEST | DUMP),
                   errno.ENOENT, "the servers of no upstream")


@scene("reserved bits, and attributes where there are none, are refused")
def reserved():
    nl = open_netlink()
    for op in OPERATIONS:
        mode = "do" if "do" in op else "dump"
        flags = REQUEST | (ACK if mode == "do" else DUMP)
        for what, header, extra in (
                ("the header's reserved field", (1, 1), 0),
                ("a reserved flag", (1, 0), 0x800),
                ("an old flag", (1, 0), 0x100 if mode == "do" else 0x400)):
            nl.send(nl.family, struct.pack("=BBH", COMMAND[op["name"]],
                                           *header), flags | extra)
            expect_refused(nl.receive(), errno.EINVAL, f"{op['name']}, {what}",
                           "reserved" if extra == 0 else "flags")
        if not op[mode].get("request"):
            expect_refused(nl.ask(COMMAND[op["name"]], attr(1, 1),
                                  flags=flags),
                           errno.EINVAL, f"{op['name']} with an attribute")


@scene("refusals of requests that the command would not send")
def refusals_of_others():
    nl = open_netlink()
    kp("upstream add other")
    before = configuration()
    web, app = attr(L["name"], "web"), attr(U["name"], "other")
    new = attr(L["name"], "x"), attr(L["upstream"], "app")
    ports = [endpoint(L["address"], port=8100 + n)
             for n in range(CONSTANT["addresses-max"] + 1)]
    expect_refused(nl.ask(COMMAND["listener-add"], *new, *ports),
                   errno.E2BIG, "many addresses", "at most 64 addresses")
    nowhere = attr(L["address"], [attr(E["ipv4"], bytes((10, 1, 0, 1)))])
    expect_refused(nl.ask(COMMAND["listener-add"], *new, nowhere),
                   errno.EINVAL, "an address without a port", "needs a port")
    long = attr(L["allow"], bytes(16) + bytes((129,)))
    expect_refused(nl.ask(COMMAND["listener-set"], web, long),
                   errno.EINVAL, "a long prefix", "at most 128 bits")

    def source(*words):
        return nl.ask(COMMAND["upstream-set"], app, attr(U["source"], words))

    here = attr(SOURCE["address"], [attr(E["ipv4"], bytes((10, 2, 0, 1)))])
    expect_refused(source(endpoint(SOURCE["address"], "10.2.0.1")),
                   errno.EINVAL, "a source with a port", "has no port")
    expect_refused(source(here, here), errno.EINVAL, "a source twice", "duplicate")
    expect_refused(source(*[attr(SOURCE["address"], [
        attr(E["ipv4"], bytes((127, 0, 0, 1 + n)))])
        for n in range(CONSTANT["sources-max"] + 1)]),
                   errno.E2BIG, "many sources", "at most 16 addresses")
    expect_refused(source(here, attr(SOURCE["mode"], CLIENTS)), errno.EINVAL,
                   "a client's address, and one", "no addresses")
    expect_refused(source(attr(SOURCE["mode"], ADDRESSES)), errno.EINVAL,
                   "addresses, and none", "missing")
    expect_refused(nl.ask(COMMAND["upstream-set"], app,
                          attr(U["preconnect"], 1),
                          attr(U["source"], [attr(SOURCE["mode"], CLIENTS)])),
                   errno.EINVAL, "an address without a client",
                   "source client", HEADERS + len(app))
    port = attr(SESSION["client"], [attr(E["port"], struct.pack("=H", 80))])
    for flags in REQUEST | ACK, REQUEST | DUMP:
        op = "session-get" if flags & DUMP else "session-kill"
        expect_refused(nl.ask(COMMAND[op], port, flags=flags), errno.EINVAL,
                       f"{op}: a client without an address", "address is required")
    expect(configuration(), before, "the configuration")
    kp("upstream del other")


@scene("a route is shown, its upstream stays, and their number is limited")
def routes():
    nl = open_netlink()
    kp("upstream add other")
    web, upstream = attr(R["listener"], "web"), attr(R["upstream"], "other")

    def add(n):
        return nl.ask(COMMAND["route-add"], web,
                      attr(R["sni"], f"{n}.example"), upstream)

    expect(add(0).errno, 0, "errno of the first route")
    answer = nl.ask(COMMAND["route-get"], web, attr(R["sni"], "0.example"))
    expect(dict(attrs(answer.replies[0][4:]))[R["upstream"]], b"other\0",
           "the route's upstream")
    expect_refused(nl.ask(COMMAND["upstream-del"], attr(U["name"], "other")),
                   errno.EBUSY, "the upstream of a route", "still uses it")
    expect(nl.ask(COMMAND["transaction-begin"]).errno, 0, "a transaction")
    for n in range(1, CONSTANT["routes-max"]):
        expect(add(n).errno, 0, f"errno of route {n}")
    expect_refused(add("last"), errno.ENOSPC, "a route more", "at most 4096")
    expect(nl.ask(COMMAND["transaction-commit"]).errno, 0, "the commit")
    expect(len(show("route show")), CONSTANT["routes-max"], "routes shown")
    expect(nl.ask(COMMAND["transaction-begin"]).errno, 0, "a transaction")
    expect(nl.ask(COMMAND["listener-del"], attr(L["name"], "web")).errno, 0,
           "errno of the deletion")
    for answer in add("late"), nl.ask(COMMAND["route-del"], web,
                                      attr(R["sni"], "0.example")):
        expect_refused(answer, errno.EBUSY, "a route of what goes", "")
    nl.close()
    kp("-b -", text="".join(f"route del web sni {n}.example\n"
                            for n in range(CONSTANT["routes-max"])))
    kp("upstream del other")
    expect_alive(*pair())


def dumped(family, command, room):
    """A dump into messages of this size: kinds and names of its objects."""
    nl = Netlink()
    nl.family, nl.room = family, room
    answer = nl.ask(COMMAND[command], flags=REQUEST | DUMP)
    expect(answer.errno, 0, f"errno of {command} by {room} bytes")
    nl.close()
    found = [attrs(reply[4:]) for reply in answer.replies]
    return sorted([kind for kind, _ in one] + [one[0][1]] for one in found)


@scene("a dump is the same with messages of any size")
def room():
    family = open_netlink().family
    ends = [pair() for _ in range(24)]
    for n in range(24):
        words = ("preconnect 1 source 10.2.0.1 balance maglev"
                 if n % 3 else "check tcp interval 1h")
        kp(f"upstream add room{n} {words}")
        kp(f"server add room{n} 10.2.0.2:{9100 + n}")
        kp(f"listener add room{n} 10.1.0.1:{8100 + n} upstream room{n} "
           "sndbuf 64k max-age 1h")
        kp(f"route add room{n} sni room{n}.example upstream room{n}")
    for command in ("listener-get", "upstream-get", "server-get", "route-get",
                    "session-get"):
        whole = dumped(family, command, 1 << 17)
        expect_between(len(whole), 24, 26, f"objects of {command}")
        for size in range(3900, 5200, 24):
            expect(dumped(family, command, size), whole,
                   f"{command} by {size} bytes")
    for n in range(24):
        kp(f"listener del room{n}")
        kp(f"upstream del room{n}")
    for client, server in ends:
        client.close()
        server.close()
    wait_gone()


def dump_by_parts(command, between):
    """
    What a dump gives, and whether it says that there were changes. After each
    part something is done; the kernel has the next one ready by then.
    """
    nl = Netlink()
    nl.room = 4096
    nl.find_family()
    nl.send(nl.family, struct.pack("=BBH", COMMAND[command], 1, 0),
            REQUEST | DUMP)
    found, told, part, over = [], False, 0, False
    while not over:
        for kind, flags, _, payload in messages(nl.socket.recv(nl.room)):
            over |= kind == NLMSG_DONE
            told |= bool(flags & DUMP_INTERRUPTED)
            if kind == nl.family:
                found.append(dict(attrs(payload[4:])))
        if not over:
            between(part)
            part += 1
    nl.close()
    if part < 5:
        raise Failed(f"{command} came in {part + 1} parts")
    print(f"# {command}: {len(found)} in {part + 1} parts", flush=True)
    return found, told


def text(number):
    return lambda row: row[number].rstrip(b"\0").decode()


def server_address(row):
    address = dict(attrs(row[S["address"]]))
    return "%s:%d" % (socket.inet_ntoa(address[E["ipv4"]]),
                      struct.unpack("=H", address[E["port"]])[0])


# Of each kind: the dump, how many, the names, how to add one and to delete it,
# and its name in the dump. Those above 1000 come while it goes on.
CHANGING = (
    ("upstream-get", 160, lambda n: f"d{n}", "upstream add {}",
     "upstream del {}", text(U["name"])),
    ("listener-get", 120, lambda n: f"d{n}",
     "listener add {0} 10.1.0.1:{1} upstream app", "listener del {}",
     text(L["name"])),
    ("server-get", 120, lambda n: f"10.2.{100 + n // 100}.{n % 100}:80",
     "server add app {} state down", "server del app {}", server_address),
    ("route-get", 600, lambda n: f"{'m' if n < 1000 else 'az'[n % 2]}{n}.x",
     "route add web sni {} upstream app", "route del web sni {}",
     text(R["sni"])))


def batch(lines):
    kp("-b -", text="".join(f"{line}\n" for line in lines))


@scene("a dump gives each object once, whatever comes and goes meanwhile")
def changed_meanwhile():
    for command, count, name, add, remove, key in CHANGING:
        there, fresh = set(range(count)), iter(range(1000, 2000))
        # In each part some that were dumped already, and some that were not.
        goes = [n for at in range(0, count // 4, 2)
                for n in (at + 1, count - 1 - at)]
        stay = {name(n) for n in there - set(goes)}

        def between(part):
            gone, goes[:4] = set(goes[:4]), []
            more = {next(fresh) for _ in range(4)}
            batch([remove.format(name(n)) for n in gone] +
                  [add.format(name(n), 10000 + n) for n in more])
            there.difference_update(gone)
            there.update(more)

        batch(add.format(name(n), 10000 + n) for n in sorted(there))
        rows, told = dump_by_parts(command, between)
        found = [key(row) for row in rows]
        twice = {one for one in found if found.count(one) > 1}
        expect((stay - set(found), twice), (set(), set()),
               f"{command}: what is missing, and what came twice")
        expect(told, True, f"{command}: whether it says that all this was")
        batch(remove.format(name(n)) for n in there)


@scene("a list of sessions has each once, whoever comes and goes meanwhile")
def sessions_meanwhile():
    """Or the list says that it may not, when the table was resized."""
    stay = [pair() for _ in range(60)]
    goes = [pair() for _ in range(60)]
    ids = {s["id"] for s in sessions()}
    ports = {client.getsockname()[1] for client, _ in stay}
    want = {s["id"] for s in sessions()
            if int(s["client"].rsplit(":", 1)[1]) in ports}
    expect((len(ids), len(want)), (120, 60), "sessions")
    fresh = []

    def between(part):
        for sock in goes.pop() if goes else ():
            sock.close()
        if part % 2:
            fresh.append(pair())

    rows, told = dump_by_parts("session-get", between)
    found = [int.from_bytes(row[SESSION["id"]], "little") for row in rows]
    expect(want - set(found), set(), "what is missing")
    if len(set(found)) < len(found) and not told:
        raise Failed("some came twice, and no message says so")
    for ends in stay + goes + fresh:
        for sock in ends:
            sock.close()
    wait_gone()


@scene("an unfinished dump, and many at once, leave nothing behind")
def dumps():
    kp("upstream add many")
    kp("-b -", text="".join(f"server add many 10.2.9.{n}:80\n"
                            for n in range(1, 120)))
    left = []
    for _ in range(20):
        nl = open_netlink()
        nl.send(nl.family, struct.pack("=BBH", COMMAND["server-get"], 1, 0),
                REQUEST | DUMP)
        nl.send(nl.family, struct.pack("=BBH", COMMAND["session-get"], 1, 0),
                REQUEST | DUMP)
        left.append(nl)
    for nl in left:
        nl.close()
    expect(len(show("server show many")), 119, "servers shown")
    kp("upstream del many")


@scene("without privileges nothing is changed and no session is seen")
def unprivileged():
    child = os.fork()
    if child == 0:
        status = 1
        try:
            nl = open_netlink()
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            status = 0
            for op in OPERATIONS:
                needs = "uns-admin-perm" in op.get("flags", [])
                flags = REQUEST | (ACK if "do" in op else DUMP)
                got = nl.ask(COMMAND[op["name"]], flags=flags).errno
                # Another user's netlink socket; splice.py has the reason.
                needs = needs or op["name"] == "splice"
                if (got == errno.EPERM) != needs:
                    print(f"# {op['name']}: {os.strerror(got)}", flush=True)
                    status = 1
        finally:
            os._exit(status)
    expect(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0,
           "the child's verdict")


def told(nl, family, last):
    """The commands of the family's events, up to the last one."""
    commands = []
    while last not in commands:
        for kind, _, _, payload in messages(nl.socket.recv(1 << 17)):
            if kind == family:
                commands.append(payload[0])
    return commands


@scene("a number joined before the module had it tells of no session")
def joined_before():
    """Which generic netlink lets anybody do."""
    begin, last = COMMAND["session-begin-ntf"], COMMAND["upstream-set-ntf"]
    run("rmmod", "kproxy")
    try:
        stranger, admin = opened_by_nobody(Netlink.join_all), Netlink()
        admin.join_all()
    finally:
        run("insmod", os.environ["KPROXY_KO"])
    kp("upstream add app")
    kp("server add app 10.2.0.2:9000")
    kp("listener add web 10.1.0.1:8000,[fd01::1]:8000 upstream app")
    family = open_netlink()
    for nl in stranger, admin:
        for group in "events", "session":
            if not nl.is_member(family.group(group)):
                raise Failed(f"the number of {group} was not to be had")
    for sock in pair():
        sock.close()
    wait_gone()
    kp("upstream set app retries 2")
    if begin not in told(admin, family.family, last):
        raise Failed("the administrator is told of no session")
    expect(set(told(stranger, family.family, last)) &
           {begin, COMMAND["session-end-ntf"]}, set(), "what a stranger is told")
    for nl in stranger, admin, family:
        nl.close()


@scene("afterwards everything works")
def afterwards():
    expect_alive(*pair())


main()
