# SPDX-License-Identifier: GPL-2.0
"""
No message to the netlink family harms the kernel, a refused one changes
nothing, and an accepted one makes exactly its change. MESSAGES=N, SEED=N.

Netlink messages made from the specification, valid, almost valid and not at
all, by two processes at once, while clients come and a session goes on. A model
predicts the kernel's answer to each message, and the configuration after it.

Environment: MESSAGES, their number (5000); SEED, to repeat them.
"""

import collections
import contextlib
import ctypes
import errno
import itertools
import json
import os
import random
import select
import signal
import socket
import struct
import time
import traceback

from netlink_model import BY_NUMBER, REFUSABLE, Model
from netlink_raw import (ACK, DUMP, NESTED, REQUEST, Answer, Netlink, attr,
                         message, messages)
from netlink_spec import (COMMAND, HEADERS, OPERATIONS, WIDTH, E, bounds,
                          open_netlink, requested)
from peer import (CLIENT, EchoServer, Failed, connect, expect, expect_alive,
                  limit, main, new_socket, pair, read_exactly, say, scene,
                  show, wait_gone)

SET_UP = """
load
topology
simple_proxy
"""

MESSAGES = int(os.environ.get("MESSAGES") or 5000)
SEED = int(os.environ.get("SEED") or 0) or random.randrange(1, 1 << 30)
WORKERS = 2
BATCH = 100  # messages in one sendmsg
COMPARE = 8  # batches between two looks at the configuration
SOCKETS = 4

LOCAL = ("10.1.0.1", "10.1.0.1", "10.2.0.1", "127.0.0.1", "127.9.9.9", "fd01::1",
         "fd02::1", "::1")
# Addresses that cannot be listened on, for various reasons.
ELSEWHERE = ("10.9.9.9", "fd01::99", "::ffff:10.1.0.1", "ff02::1", "fe80::1")
SERVERS = ("10.2.0.2", "10.2.0.2", "10.2.0.3", "10.2.0.99", "fd02::2", "10.1.0.1")
# Addresses that no server can have.
NOWHERE = ("0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1",
           "::ffff:10.2.0.2")
SERVER_NAMES = (b"a.example", b"A.Example", b"*.example", b"*.a.example",
                b"b", b"b", b"_-9." + b"n" * 200, b"*", b"a..b", b"a.", b"")
# Commands that a transaction stages.
STAGED = [n for name, n in COMMAND.items()
          if name.split("-")[0] in ("listener", "upstream", "server", "route") and
          name.split("-")[-1] in ("add", "set", "del")]
WEIGHTS = {"listener-add": 6, "upstream-add": 4, "server-add": 8,
           "listener-set": 3, "server-set": 4, "listener-del": 3,
           "server-del": 3, "route-add": 4, "route-del": 2}


def binary(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address)


class Generator:
    """Messages; a word is [attribute, flag of nests, bytes or words]."""

    def __init__(self, number, rng):
        self.rng = rng
        self.prefix = f"w{number}."
        self.ports = range(8100 + 50 * number, 8104 + 50 * number)
        self.names = [self.prefix + tail for tail in
                      ("a", "b", "c", "d", "e_-.", "F9", "x" * 60)]
        self.operations = [
            (COMMAND[op["name"]], mode, op)
            for op in OPERATIONS for mode in ("do", "dump") if mode in op
            for _ in range(WEIGHTS.get(op["name"], 1))]
        self.requests = {(n, mode): requested(op, mode)
                         for n, mode, op in self.operations}

    # Values that are right

    def name(self):
        return self.rng.choice(self.names).encode() + b"\0"

    def endpoint(self, addresses, others, ports):
        rng = self.rng
        address = rng.choice(others if rng.random() < 0.08 else addresses)
        words = [[E["port"], 0, struct.pack("=H", rng.choice(ports))]]
        if address != "*":
            octets = binary(address)
            kind = E["ipv4"] if len(octets) == 4 else E["ipv6"]
            words.append([kind, 0, octets])
            if kind == E["ipv6"] and rng.random() < 0.1:
                words.append([E["scope"], 0, struct.pack("=I", 77)])
        return words

    def networks(self):
        """A list of some, seldom with a duplicate or an invalid one."""

        rng = self.rng
        return b"".join(binary(rng.choice(("::ffff:10.1.0.2", "fd01::", "::")))
                        + bytes([rng.choice((0, 8, 64, 96, 104, 127, 128, 128,
                                             rng.randrange(132)))])
                        for _ in range(rng.choice((0, 1, 1, 2, 3))))

    def value(self, op, attribute):
        rng, kind = self.rng, attribute["type"]
        if kind == "binary":
            return self.networks()
        if attribute["name"] == "sni":
            return rng.choice(SERVER_NAMES) + b"\0"
        if kind == "string":
            return self.name()
        if kind == "flag":
            return b""
        if kind == "nest":
            if op["attribute-set"] == "listener":
                return self.endpoint((*LOCAL, "0.0.0.0", "::", "*"), ELSEWHERE,
                                     self.ports)
            if op["attribute-set"] == "route":
                return self.endpoint(SERVERS, NOWHERE, (0, 0, 0, 1))
            return self.endpoint(SERVERS, NOWHERE, (9000, 9001))
        low, high = bounds(attribute)
        value = (rng.choice((low, high)) if rng.random() < 0.4 else
                 rng.randint(low, min(high, low + 9999)))
        if attribute["name"] == "id":
            value = rng.getrandbits(62) | 1 << 61
        size = WIDTH[kind]
        if kind == "uint" and value < 1 << 32 and rng.random() < 0.5:
            size = 4
        return value.to_bytes(size, "little")

    def words(self, command, mode, op):
        words = []
        for kind, attribute in self.requests[command, mode].items():
            many = 1
            if (attribute["name"] not in ("name", "address", "upstream") and
                    op["attribute-set"] != "route"):
                rare = attribute["name"] in REFUSABLE
                many = self.rng.random() < (0.03 if rare else 0.35)
            elif attribute.get("multi-attr") and self.rng.random() < 0.2:
                many = self.rng.randint(2, 3)
            for _ in range(many):
                nest = attribute["type"] == "nest"
                words.append([kind, NESTED if nest else 0,
                              self.value(op, attribute)])
        return words

    # Faults. A breaker of words gets the operation's words, and the attributes
    # that it may have.

    def some_word(self, words):
        word = self.rng.choice(words)
        if isinstance(word[2], list) and word[2] and self.rng.random() < 0.6:
            return self.some_word(word[2])
        return word

    def break_number(self, words, attributes):
        numbers = [w for w in words if w[0] in attributes and
                   attributes[w[0]]["type"] in WIDTH]
        if numbers:
            word = self.rng.choice(numbers)
            low, high = bounds(attributes[word[0]])
            size = WIDTH[attributes[word[0]]["type"]]
            most = (1 << 8 * size) - 1
            if attributes[word[0]]["name"] == "id":
                low = most
            value = self.rng.choice((low - 1, low, high, high + 1, most))
            word[2] = (value & most).to_bytes(size, "little")

    def break_size(self, words, _):
        word = self.some_word(words)
        size = self.rng.choice((0, 1, 2, 3, 4, 5, 8, 16, 17, 100, 4000))
        old = encode(word[2]) if isinstance(word[2], list) else word[2]
        word[2] = (old + self.rng.randbytes(size))[-size:] if size else b""

    def break_name(self, words, _):
        self.some_word(words)[2] = self.rng.choice((
            b"", b"\0", b"a b\0", b"w0./\0", b"w0.\xc3\xa4\0", b"unended",
            b"y" * 63, b"z" * 63 + b"\0", b"z" * 64, b"z" * 64 + b"\0",
            self.name() + b"behind\0", self.name() + b"\0" * 64,
            self.name()[:-1]))

    def break_missing(self, words, _):
        del words[self.rng.randrange(len(words))]

    def break_twice(self, words, _):
        word = self.rng.choice(words)
        words.insert(self.rng.randrange(len(words) + 1), list(word))

    def break_order(self, words, _):
        self.rng.shuffle(words)

    def break_unknown(self, words, _):
        words.insert(self.rng.randrange(len(words) + 1),
                     [self.rng.choice((0, 1, 2, 12, 18, 19, 60, 255, 0x3fff)),
                      self.rng.choice((0, NESTED)),
                      self.rng.randbytes(self.rng.choice((0, 1, 4, 8, 100)))])

    def break_flag(self, words, _):
        self.some_word(words)[1] ^= self.rng.choice((NESTED, 0x4000))

    def break_kind(self, words, _):
        self.some_word(words)[0] = self.rng.randrange(20)

    def break_depth(self, words, _):
        word = self.rng.choice(words)
        kind = self.rng.choice((word[0], E["ipv4"], E["port"]))
        for _ in range(self.rng.choice((1, 2, 12, 200))):
            word[2] = [[kind, NESTED, word[2]]]
        word[1] = NESTED

    def break_many(self, words, _):
        word = self.rng.choice(words)
        words += [[word[0], word[1], self.endpoint(("127.0.0.1",), ELSEWHERE,
                                                   self.ports)]
                  for _ in range(70)]

    # Breakers of bytes

    def cut(self, body):
        return body[:self.rng.randrange(len(body) + 1)]

    def append(self, body):
        return body + self.rng.randbytes(self.rng.randint(1, 9))

    def flip(self, body):
        body = bytearray(body)
        for _ in range(self.rng.randint(1, 3)):
            if body:
                at = self.rng.randrange(len(body))
                body[at] ^= 1 << self.rng.randrange(8)
        return bytes(body)

    def lie(self, body):
        """The length of the first attribute."""
        length = self.rng.choice((0, 1, 3, 4, 5, len(body), len(body) + 1,
                                  0x7fff, 0xffff))
        return struct.pack("=H", length) + body[2:] if body else body

    def noise(self, _):
        return self.rng.randbytes(self.rng.choice((1, 3, 4, 20, 200, 3000)))

    BREAK_WORDS = (break_number, break_number, break_size, break_name,
                   break_missing, break_twice, break_order, break_unknown,
                   break_flag, break_kind, break_depth, break_many)
    BREAK_BYTES = (cut, append, flip, flip, lie, noise)

    def next(self):
        """Command, flags of netlink, reserved field, body."""
        rng = self.rng
        command, mode, op = rng.choice(self.operations)
        if mode == "dump" and rng.random() < 0.8:
            # Rarely: each reads the whole configuration.
            command, mode, op = rng.choice(self.operations)
        flags = REQUEST | (DUMP if mode == "dump" else 0)
        flags |= ACK if rng.random() < 0.9 else 0
        reserved = 0
        words = self.words(command, mode, op)
        attributes = self.requests[command, mode]
        roll = rng.random()
        if roll > 0.5:
            for _ in range(rng.choice((1, 1, 2))):
                if words:
                    rng.choice(self.BREAK_WORDS)(self, words, attributes)
        body = encode(words)
        if roll > 0.85:
            body = rng.choice(self.BREAK_BYTES)(self, body)
        if roll > 0.97:
            which = rng.randrange(4)
            if which == 0:
                command = rng.choice((0, rng.randrange(256),
                                      len(COMMAND) + 1, 255))
            elif which == 1:
                flags ^= 1 << rng.randrange(16)
            elif which == 2:
                flags ^= DUMP
            else:
                reserved = rng.randrange(65536)
        return command, flags, reserved, body


def encode(words):
    """The bytes of words; nests that are too large are cut."""
    parts = []
    for kind, nested, payload in words:
        if isinstance(payload, list):
            payload = encode(payload)
        payload = payload[:60000]
        parts.append(struct.pack("=HH", 4 + len(payload), kind | nested) +
                     payload + b"\0" * (-len(payload) % 4))
    return b"".join(parts)


class Channel:
    """A socket, and the answers that must come on it."""

    def __init__(self):
        self.nl = open_netlink()
        # A thousand answers wait here.
        self.nl.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        self.parts, self.expected, self.last = [], {}, 0

    def add(self, flags, body, wanted, name):
        self.nl.sequence += 1
        data = message(self.nl.family, flags, self.nl.sequence, body)
        self.parts.append(data + b"\0" * (-len(data) % 4))
        self.expected[self.nl.sequence] = flags, wanted, name, body
        if answered(flags, wanted):
            self.last = self.nl.sequence

    def send(self):
        if self.parts:
            self.nl.socket.send(b"".join(self.parts))
        self.parts = []

    def collect(self):
        """Read all answers, and compare each with the expected one."""
        answers = {}
        while self.last and (self.last not in answers or
                             answers[self.last].errno is None):
            data = self.nl.socket.recv(1 << 16)
            for kind, flags, sequence, payload in messages(data):
                answers.setdefault(sequence, Answer()).take(kind, flags,
                                                            payload)
        for sequence, sent in self.expected.items():
            judge(answers.pop(sequence, Answer()), *sent)
        if answers:
            raise Failed(f"answers that nobody asked for: {answers}")
        self.expected, self.last = {}, 0


def answered(flags, wanted):
    """Success is silent unless an acknowledgement or a dump is requested."""
    return flags & ACK or wanted != {0} or (flags & REQUEST and
                                            flags & DUMP == DUMP)


def judge(answer, flags, wanted, name, body):
    got = answer.errno
    what = f"{name}, flags {flags:#x}, body {body.hex()}"
    if got is None:
        if answered(flags, wanted):
            raise Failed(f"no answer: {what}")
        return
    if got not in wanted:
        names = [errno.errorcode.get(n, "success") for n in sorted(wanted)]
        raise Failed(f"got {answer}, want {' or '.join(names)}: {what}")
    if (got and got != errno.EOPNOTSUPP and not answer.message and
            answer.missing is None and flags & DUMP != DUMP):
        raise Failed(f"a refusal without a word, {answer}: {what}")
    if not got and name.endswith("-get") and not answer.replies and (
            flags & REQUEST and flags & DUMP != DUMP):
        raise Failed(f"a reply is missing: {what}")
    if answer.offset is not None and not (
            HEADERS <= answer.offset < HEADERS - 4 + len(body)):
        raise Failed(f"the blame is outside of the message, {answer}: {what}")


class Worker:
    def __init__(self, number, count):
        self.rng = random.Random(SEED * WORKERS + number)
        self.generator = Generator(number, self.rng)
        self.model = Model(self.generator.prefix, self.generator.ports, LOCAL)
        self.channels = [Channel() for _ in range(SOCKETS)]
        self.looker, self.stager = open_netlink(), open_netlink()
        self.dump = None
        self.count = count
        self.done = self.accepted = self.changed = self.dumps = 0
        self.staged = 0

    def next(self):
        """A message, and the expected answer."""
        while True:
            command, flags, reserved, body = self.generator.next()
            if self.model.mine(command, flags, body):
                break
        wanted, effect = self.model.judge(command, flags, reserved, body)
        if effect:
            effect()
            self.changed += 1
        self.accepted += wanted == {0}
        name = (BY_NUMBER[command]["name"] if command in BY_NUMBER else
                f"command {command}")
        if name.startswith(("stats-", "session-kill")) or "-get" in name:
            flags |= ACK  # so that the reply is not the last to come
        version = self.rng.choice((0, 1, 1, 1, 255))
        return flags, struct.pack("=BBH", command, version,
                                  reserved) + body, wanted, name

    def batch(self, channel):
        """Messages in one piece, the last one perhaps a dump."""
        for _ in range(self.rng.randint(1, BATCH)):
            flags, body, wanted, name = self.next()
            channel.add(flags, body, wanted, name)
            self.done += 1
            if flags & DUMP == DUMP:
                self.dumps += 1
                break
        channel.send()
        # One socket has one dump at a time.
        if flags & DUMP == DUMP or self.rng.random() < 0.3:
            channel.collect()

    def slow_dump(self):
        """Read one more part of a dump that continues between changes."""
        if self.dump is None:
            # A socket that has never read more gets parts of this size.
            self.dump = Netlink()
            self.dump.family = self.looker.family
            name = self.rng.choice(("listener-get", "upstream-get",
                                    "server-get", "route-get",
                                    "session-get"))
            self.dump.send(self.dump.family,
                           struct.pack("=BBH", COMMAND[name], 1, 0),
                           REQUEST | DUMP)
            self.part = Answer()
        for kind, flags, _, payload in messages(self.dump.socket.recv(8192)):
            self.part.take(kind, flags, payload)
        if self.part.errno is not None or self.rng.random() < 0.1:
            # Done, or given up halfway.
            expect(self.part.errno or 0, 0, "the end of a dump")
            self.dump.close()
            self.dump = None

    def give_up(self):
        """A transaction that must leave nothing behind."""
        if self.stager.ask(COMMAND["transaction-begin"]).errno:
            return  # another worker has one
        for _ in range(self.rng.randint(1, 40)):
            command, _, _, body = self.generator.next()
            if command in STAGED:
                answer = self.stager.ask(command, raw=body)
                self.staged += not answer.errno
        expect(self.stager.ask(COMMAND["transaction-abort"]).errno, 0, "abort")

    def look(self):
        rows = []
        for name in ("listener-get", "upstream-get", "server-get",
                     "route-get"):
            answer = self.looker.ask(COMMAND[name], flags=REQUEST | DUMP)
            expect(answer.errno, 0, name)
            rows.append(answer.replies)
        wrong = self.model.compare(*rows)
        if wrong:
            raise Failed(wrong)

    def run(self):
        while self.done < self.count:
            for _ in range(COMPARE):
                self.batch(self.rng.choice(self.channels))
                self.slow_dump()
            for channel in self.channels:
                channel.collect()
            self.give_up()
            self.look()
        self.empty()
        return {"messages": self.done, "accepted": self.accepted,
                "changes": self.changed, "dumps": self.dumps,
                "staged": self.staged}

    def empty(self):
        for object_, names in (("listener", self.model.listeners),
                               ("upstream", self.model.upstreams)):
            for name in list(names):
                answer = self.looker.ask(COMMAND[f"{object_}-del"],
                                         attr(1, name + b"\0"))
                expect(answer.errno, 0, f"the end of {name}")
                del names[name]
        self.look()


def child(function, *words):
    """Run in a process of its own; returns where its result or error is
    read."""
    result, pipe = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            done = {"result": function(*words)}
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-3:]
            done = {"error": f"{type(error).__name__} {error} in " +
                             ", ".join(f"{f.name}:{f.lineno}" for f in where)}
        os.write(pipe, json.dumps(done).encode()[:60000])
        os._exit(0)
    os.close(pipe)
    return pid, os.fdopen(result)


def visitor():
    """Clients of the present listeners."""
    rng = random.Random(SEED)
    ports = [port for n in range(WORKERS)
             for port in Generator(n, rng).ports]
    for _ in itertools.count():
        with contextlib.suppress(OSError):
            sock = new_socket(CLIENT, ("10.1.0.1", 0))
            sock.settimeout(limit(0.2))
            sock.connect(("10.1.0.1", rng.choice(ports)))
            sock.send(b"knock")
            if rng.random() < 0.5:
                sock.recv(5)
        sock.close()
        time.sleep(0.1)


@scene("the kernel answers each message as the specification says")
def fuzz():
    say(f"# SEED={SEED} MESSAGES={MESSAGES}")
    echo = EchoServer()
    client = connect()
    visits = child(visitor)
    begun = time.monotonic()
    workers = [child(lambda n=n: Worker(n, MESSAGES // WORKERS).run())
               for n in range(WORKERS)]
    words = staged = 0
    try:
        for pid, pipe in workers:
            while not select.select([pipe], [], [], 0.05)[0]:
                word = b"%d" % words
                client.sendall(word)
                expect(read_exactly(client, len(word)), word, "the echo")
                words += 1
            done = json.loads(pipe.read())
            os.waitpid(pid, 0)
            if "error" in done:
                raise Failed(done["error"])
            say(f"# {done['result']}")
            for what, least in (("accepted", 0.1), ("changes", 0.05)):
                if done["result"][what] < least * done["result"]["messages"]:
                    raise Failed(f"few {what}: this test is blind")
            staged += done["result"]["staged"]
    finally:
        for pid, _ in (visits, *workers):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    took = time.monotonic() - begun
    say(f"# {MESSAGES / took:.0f} messages a second, {words} words of the "
        f"session, {echo.clients} clients")
    if not staged:
        raise Failed("nothing was staged: this test is blind")
    if not words:
        raise Failed("nothing went through a session: this test is blind")
    echo.close()


NOBODY = 65534
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
ADMIN = {COMMAND[op["name"]]: op["name"] for op in OPERATIONS
         if "uns-admin-perm" in op.get("flags", [])}


def stranger(count):
    """An unprivileged user, as root of a user namespace of its own."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    nl, generator = Netlink(ns=None), Generator(9, random.Random(SEED))
    nl.find_family()
    refused = collections.Counter()
    for _ in range(count):
        command, flags, _, body = generator.next()
        answer = nl.ask(command, raw=body, flags=REQUEST | ACK | flags & DUMP)
        if command not in ADMIN:
            continue
        refused[errno.errorcode.get(answer.errno, "nothing")] += 1
        if not answer.errno:
            raise Failed(f"{ADMIN[command]} was not refused: {body.hex()}")
    for what in "upstream", "listener":
        found = nl.ask(COMMAND[f"{what}-get"], flags=REQUEST | DUMP).replies
        expect(len(found), 0, f"what there is of {what}s")
    return refused


@scene("root of a user namespace changes nothing by any of them")
def user_namespace():
    pid, pipe = child(stranger, MESSAGES // 2)
    done = json.loads(pipe.read())
    os.waitpid(pid, 0)
    if "Operation not permitted in stranger" in done.get("error", ""):
        say("# there are no user namespaces for ordinary users here")
        return
    if "error" in done:
        raise Failed(done["error"])
    say(f"# refused: {done['result']}")
    # The others are refused for their own faults.
    if done["result"].get("EPERM", 0) < MESSAGES / 10:
        raise Failed("few were refused for want of rights: this test is blind")


@scene("afterwards nothing is left, and everything works")
def afterwards():
    wait_gone(20)
    expect([row["name"] for row in show("listener show")], ["web"],
           "listeners")
    expect([row["name"] for row in show("upstream show")], ["app"],
           "upstreams")
    expect_alive(*pair())


main()
