# SPDX-License-Identifier: GPL-2.0
"""
Walk the races: delay a CPU at each point of module/fault.h in a session's life,
and let each event happen meanwhile. Whatever the event, no client gets a byte
that is not its own, each comes to an end, and no session is left.

The lives are told below as generators; which points each of them comes to is
found out first, by playing it once. Then each pair of a point and an event is
played in one of the lives with that point. One thread plays the clients and the
servers (wire.py), bound to one CPU, since what it sends may be delayed in its own
context; another waits for the delay, lets the event happen, and ends the delay.
"""

import contextlib
import ctypes
import errno
import os
import pathlib
import random
import select
import socket
import struct
import sys
import threading
import time
import traceback

from netlink_raw import DUMP, REQUEST, Netlink, attr
from netlink_spec import ATTR, COMMAND, SETS
from peer import (CLIENT, KB, PROXY, SERVER, Failed, diagnose, limit, netns,
                  run, run_in, say, wait_for)
from wire import Wire

LIB = ctypes.CDLL(str(pathlib.Path(__file__).parents[2] / "lib/libkproxy.so.1"),
                  use_errno=True)
DEBUG = pathlib.Path("/sys/kernel/debug")
POINTS = DEBUG / "fail_kproxy_point"
SENDS = DEBUG / "fail_kproxy_send"
# Longest delays, in seconds; where it may not sleep a CPU spins for less.
HOLD = 0.3
# A client that has not come to its end by then hangs.
HANGS = 12
UP, DRAIN, DOWN = range(3)
CPUS = sorted(os.sched_getaffinity(0))

# What an emulated processor is too slow for: nothing is coalesced there.
NEVER = {"coalesce", "coalesce_timer"}
# Two CPUs must meet by chance, or a program's exit a worker's look at its sockets,
# which a short walk may miss.
RARE = {"data_busy", "pump_owned", "life_owner", "start_handed", "sock_uncount",
        "sock_uncounted"}


# The configuration, by netlink: a command takes too long to start.


def encode(kind, values):
    """Attributes of a set, by name; _ stands for a dash."""
    types = {a["name"]: a["type"] for a in SETS[kind]}
    words = []
    for name, value in values.items():
        name = name.replace("_", "-")
        number = ATTR[kind][name]
        if types[name] == "nest":
            host, port = value
            value = [attr(ATTR["endpoint"]["ipv4"], socket.inet_aton(host)),
                     attr(ATTR["endpoint"]["port"], struct.pack("=H", port))]
        elif types[name] == "uint":
            value = struct.pack("=Q", value)
        elif types[name] == "u8":
            value = struct.pack("=B", value)
        elif types[name] == "flag":
            value = b""
        words.append(attr(number, value))
    return words


class Control:
    """Requests of one thread."""

    def __init__(self):
        self._nl = Netlink()
        self._nl.socket.settimeout(limit(30))
        self._nl.find_family()

    def ask(self, command, **values):
        """The errno of the answer; with a namespace that goes, whatever."""
        kind = command.split("-")[0]
        return self._nl.ask(COMMAND[command],
                            *encode(kind, values) if values else ()).errno

    def must(self, command, **values):
        error = self.ask(command, **values)
        if error:
            raise Failed(f"{command} {values}: {os.strerror(error)}")

    def sessions(self):
        return self._nl.ask(COMMAND["session-get"],
                            flags=REQUEST | DUMP).replies

    def close(self):
        self._nl.close()


class Service:
    """A listener and its upstream: one for each life."""

    def __init__(self, number, name, listener=None, upstream=None, servers=()):
        self.name = name
        self.address = "10.1.0.1", 8000 + number
        self.servers = [(f"10.9.{number}.{n + 2}", 9000)
                        for n in range(max(len(servers), 1))]
        self._server_options = servers or ({},)
        self._listener = listener or {}
        self._upstream = upstream or {}

    def configure(self, control):
        """All of it that is not there, or not as it should be."""
        name = self.name
        if control.ask("upstream-add", name=name, **self._upstream):
            control.must("upstream-set", name=name, preconnect=0, check=0,
                         **self._upstream)
        for address, options in zip(self.servers, self._server_options):
            words = {"upstream": name, "address": address, "state": UP,
                     **options}
            if control.ask("server-add", **words):
                control.must("server-set", **words)
        self.listen(control)

    def listen(self, control):
        times = {"connect_timeout": 5000, "idle_timeout": 0, "fin_timeout": 0}
        times.update(self._listener)
        words = {"name": self.name, "address": self.address,
                 "upstream": self.name, **times}
        if control.ask("listener-add", **words):
            control.must("listener-set", **words)


# Clients, and the servers' side of them


HEAD = struct.Struct("!2sIIB")
_block = random.Random(2).randbytes(1 << 20)


def pattern(number, salt, size):
    """Bytes of one client only."""
    at = (number * 2 + salt) * 7919 % (len(_block) // 2)
    return (struct.pack("!II", number, salt) + _block[at:at + size])[:size]


class Client:
    """One that asks, and is answered with bytes of its own."""

    _count = 0

    def __init__(self, address, size=3 * KB, answer=5 * KB, head=b"",
                 rcvbuf=0, at_once=None, close=True):
        Client._count += 1
        self.number = Client._count
        self.sent = 0
        self.got = bytearray()
        self.end = None
        self.ended = False
        self.reading = True
        self.cut = False
        self._close = close
        self._busy = threading.Lock()
        self._head = head
        body = pattern(self.number, 0, size)
        self.request = HEAD.pack(b"KP", self.number, size, 0) + body
        self.answer = pattern(self.number, 1, answer)
        self._out = head + self.request
        # How much may be sent before feed() is called.
        self._most = len(self._out) if at_once is None else at_once
        with netns(CLIENT):
            self.sock = socket.socket()
        self.sock.setblocking(False)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._address = address
        try:
            self.sock.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            # The proxy's namespace is gone, and its cable with it.
            if error.errno != errno.ENETUNREACH:
                raise
            self.end = os.strerror(error.errno)

    @property
    def over(self):
        return self.end is not None

    @property
    def asked(self):
        """Bytes that a server may have got."""
        return max(self.sent - len(self._head), 0)

    def feed(self):
        """Send the rest."""
        self._most = len(self._out)

    def finish(self):
        """No more is sent."""
        if self.ended or self.over:
            return
        self.ended = True
        self.cut = self.sent < len(self._out)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def abort(self):
        if self.over:
            return
        self.end = "abort"
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def turn(self):
        """Send and receive what can be, unless another thread does."""
        if self.over or not self._busy.acquire(blocking=False):
            return
        try:
            self._turn()
        except BlockingIOError:
            pass
        except OSError as error:
            if self.over:
                return
            if error.errno in (errno.ECONNRESET, errno.EPIPE,
                               errno.ECONNREFUSED, errno.EHOSTUNREACH,
                               errno.ENETUNREACH, errno.ETIMEDOUT):
                self.end = os.strerror(error.errno)
                self.sock.close()
            elif error.errno != errno.ENOTCONN:
                raise
        finally:
            self._busy.release()

    def _turn(self):
        try:
            while not self.ended and self.sent < self._most:
                self.sent += self.sock.send(
                    self._out[self.sent:self._most][:8 * KB])
        except BlockingIOError:
            pass
        while self.reading:
            data = self.sock.recv(64 * KB)
            if not data:
                self.end = "fin"
                self.sock.close()
                return
            self.got += data
            if (self._close and len(self.got) == len(self.answer) and
                    not self.ended):
                self.finish()


class Application:
    """What the servers do with what they are asked."""

    def __init__(self, trial):
        self._trial = trial
        self._served = {}
        self._busy = threading.Lock()

    def turn(self):
        """As a client's."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            for conn in self._trial.wire.connections:
                if conn.ready and not conn.reset and not conn.fin_sent:
                    self._serve(conn)
        finally:
            self._busy.release()

    def client_of(self, conn):
        if len(conn.received) < HEAD.size:
            return None
        magic, number, size, _ = HEAD.unpack_from(conn.received)
        client = self._trial.by_number.get(number)
        if magic != b"KP" or not client:
            raise Failed(f"a server got {bytes(conn.received[:32])!r}, which "
                         f"no client of this trial has sent at its beginning")
        return client

    def _serve(self, conn):
        client = self.client_of(conn)
        if (client and conn not in self._served and
                len(conn.received) >= len(client.request)):
            self._served[conn] = client
            conn.send(client.answer)
        if conn.fin:
            conn.end()

    def check(self):
        """Each server has got bytes of one client, from its first on."""
        for conn in self._trial.wire.connections:
            client = self.client_of(conn)
            if not client:
                want = b""
                if conn.received and not any(
                        c.request.startswith(bytes(conn.received))
                        for c in self._trial.clients):
                    raise Failed(f"a server got {bytes(conn.received)!r}")
                continue
            want = client.request[:len(conn.received)]
            same(conn.received, want, f"client {client.number} to its server")
            if len(conn.received) > client.asked:
                raise Failed("a server got more than was sent")
            if (conn.fin and len(conn.received) != client.asked and
                    not self._trial.may_cut()):
                raise Failed(f"the stream of client {client.number} ended "
                             f"after {len(conn.received)} of {client.asked} "
                             f"bytes")

    def answers(self, client):
        """What was sent to a client, by each server that ended its stream."""
        found = [conn for conn in self._trial.wire.connections
                 if len(conn.received) >= HEAD.size and
                 self.client_of(conn) is client]
        return [bytes(conn.sent) for conn in found if conn.fin_sent]


def same(got, want, what):
    if got == want:
        return
    bad = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
               min(len(got), len(want)))
    raise Failed(f"{what}: byte {bad} of {len(got)} is wrong: "
                 f"{bytes(got[bad:bad + 16]).hex()}, not "
                 f"{bytes(want[bad:bad + 16]).hex()}")


# Delays


def write(path, value):
    path.write_text(str(value))


class Delays:
    """The attributes in debugfs, and how often each point was reached."""

    def __init__(self):
        self.total = {}
        self.restart()

    def restart(self):
        """After the module was loaded."""
        for name, value in (("verbose", 0), ("times", -1), ("probability", 0)):
            write(POINTS / name, value)
        if SENDS.exists():
            for name, value in (("verbose", 0), ("times", -1)):
                write(SENDS / name, value)
        for point in self._hits():
            self.total.setdefault(point, 0)

    @staticmethod
    def _hits():
        lines = (POINTS / "hits").read_text().splitlines()
        return {name: (int(reached), int(delayed)) for name, reached, delayed
                in (line.split() for line in lines)}

    def arm(self, points, skip=0, cpu=-1):
        """Delay the first time, or a later one, that a point is reached."""
        write(POINTS / "hits", 0)
        write(POINTS / "times", 1)
        write(POINTS / "space", skip + 1 if skip else 0)
        write(POINTS / "cpu", cpu)
        write(POINTS / "delay", int(HOLD * 1e6))
        write(POINTS / "points", points)
        write(POINTS / "probability", 100 if points != "all" else 0)

    def disarm(self):
        """What was reached."""
        if not POINTS.exists():
            return {}
        write(POINTS / "probability", 0)
        write(POINTS / "release", 1)
        hits = self._hits()
        write(POINTS / "points", "none")
        for point, (reached, _) in hits.items():
            self.total[point] = self.total.get(point, 0) + reached
        return hits

    @staticmethod
    def now():
        """Whether somebody is delayed."""
        try:
            return int((POINTS / "delaying").read_text()) > 0
        except OSError:
            return False

    @staticmethod
    def release():
        with contextlib.suppress(OSError):
            write(POINTS / "release", 1)


# Events


class Event:
    """Something that happens to a life; what it may do to its clients."""

    def __init__(self, name, act, gentle=False, short=False, restore=None):
        self.name, self.act = name, act
        # Every client is served all the same.
        self.gentle = gentle
        # With time-outs that pass during the delay.
        self.short = short
        self.restore = restore


def answer(trial):
    trial.wire.policies.clear()
    for conn in list(trial.wire.connections):
        conn.answer()


def server_speaks(trial):
    answer(trial)
    trial.application.turn()


def server_ends(trial):
    answer(trial)
    for conn in list(trial.wire.connections):
        conn.end()


def server_resets(trial):
    for conn in list(trial.wire.connections):
        conn.abort()


def client_speaks(trial):
    for client in trial.clients:
        client.feed()
        client.turn()


def client_ends(trial):
    for client in trial.clients:
        client.finish()


def client_resets(trial):
    for client in trial.clients:
        client.abort()


def time_out(trial):
    time.sleep(0.12)


def asks(command, **fixed):
    """A request about the service of the trial."""
    def act(trial):
        name = trial.service.name
        values = dict(fixed)
        if command == "session-kill":
            values["listener"] = "-" if trial.story.splices else name
        elif command.startswith("listener"):
            values["name"] = name
        else:
            values.update(upstream=name, address=trial.service.servers[0])
        trial.event_control.ask(command, **values)
    return act


def module_goes(trial):
    trial.walk.unload()


def namespace_goes(trial):
    trial.walk.close_controls()
    run("ip", "netns", "del", PROXY)
    trial.walk.namespace = False


EVENTS = [
    Event("answer", answer, gentle=True),
    Event("server_data", server_speaks, gentle=True),
    Event("client_data", client_speaks, gentle=True),
    Event("server_fin", server_ends),
    Event("server_rst", server_resets),
    Event("client_fin", client_ends),
    Event("client_rst", client_resets),
    Event("timeout", time_out, short=True),
    Event("kill", asks("session-kill")),
    Event("server_down", asks("server-set", state=DOWN)),
    Event("server_del", asks("server-del")),
    Event("listener_del", asks("listener-del")),
    Event("listener_kill", asks("listener-del", kill=True)),
    Event("drain", asks("listener-drain", drain_rate=1000)),
    Event("module", module_goes),
    Event("namespace", namespace_goes),
]
# The answer to a connect that is being given up.
FIRST = {(point, "answer") for point in
         ("timer_connect", "life_connect", "reconnect", "disconnect",
          "next_server")}
# Some points are only reached when all ends.
FIRST.add(("end_detach", "namespace"))
# They take a second each.
HEAVY = {"module", "namespace"}


# Lives


LIVES = {}


class Life:
    def __init__(self, function, fails, splices, cuts, service):
        self.name = function.__name__
        self.play = function
        # Its clients may be reset without any event.
        self.fails = fails
        # Its sessions are splices.
        self.splices = splices
        # An event may make a program close its sockets within a stream.
        self.cuts = cuts
        self.service = Service(len(LIVES), self.name, **service)


def life(fails=False, splices=False, cuts=False, **service):
    def add(function):
        LIVES[function.__name__] = Life(function, fails, splices, cuts, service)
        return function
    return add


@life()
def plain(trial):
    """Ask in two pieces, be answered, end."""
    client = trial.client(at_once=1 * KB)
    yield lambda: client.asked >= 1 * KB
    yield trial.after(0.01)
    client.feed()
    yield lambda: client.over


@life()
def late(trial):
    """The answer to the SYN comes after the client's bytes."""
    trial.wire.policies[trial.server(0)] = "silent"
    clients = [trial.client() for _ in range(2)]
    yield lambda: (len(trial.wire.connections) >= 2 or
                   any(client.over for client in clients))
    yield trial.after(0.02)
    answer(trial)
    yield lambda: all(client.over for client in clients)


@life(listener={"accept_proxy": 1})
def greeting(trial):
    """The header of the PROXY protocol comes in two pieces."""
    head = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n"
    client = trial.client(head=head, at_once=12)
    yield lambda: client.sent >= 12
    yield trial.after(0.01)
    client.feed()
    yield lambda: client.over


@life(listener={"connect_timeout": 60}, upstream={"retries": 1},
      servers=({}, {"backup": 1}), fails=True)
def timeout(trial):
    """The first server does not answer, the second one does."""
    trial.wire.policies[trial.server(0)] = "silent"
    client = trial.client(at_once=2 * KB)
    yield lambda: (len(trial.wire.connections) > 1 or client.over or
                   any(conn.answered for conn in trial.wire.connections))
    client.feed()
    yield lambda: client.over


@life(upstream={"retries": 2, "eject": 1, "eject_time": 50},
      servers=({}, {"backup": 1}))
def refused(trial):
    """The first server refuses and is ejected, the second one answers."""
    trial.wire.policies[trial.server(0)] = "refuse"
    clients = [trial.client() for _ in range(2)]
    yield lambda: all(client.over for client in clients)


@life(servers=({"maxconn": 1},))
def queue(trial):
    """The second client waits until the first one is through."""
    clients = [trial.client(close=False) for _ in range(2)]
    yield lambda: any(client.got for client in clients)
    yield trial.after(0.01)
    for client in clients:
        if client.got:
            client.finish()
    yield lambda: any(client.over for client in clients)
    yield lambda: all(client.got or client.over for client in clients)
    for client in clients:
        client.finish()
    yield lambda: all(client.over for client in clients)


@life(servers=({"maxconn": 1},), listener={"connect_timeout": 60}, fails=True)
def queue_timeout(trial):
    """The second client waits in vain."""
    clients = [trial.client(close=False) for _ in range(2)]
    yield lambda: any(client.over for client in clients)
    for client in clients:
        client.finish()
    yield lambda: all(client.over for client in clients)


@life()
def preconnect(trial):
    """Clients take connections that were made before, or have died."""
    trial.config("upstream-set", name=trial.service.name, preconnect=1)
    yield lambda: len(trial.wire.connections) >= len(CPUS) or trial.late(0.3)
    yield trial.after(0.01)
    trial.client()
    yield lambda: trial.clients[-1].over
    for conn in list(trial.wire.connections)[:1]:
        conn.abort()
    trial.client()
    yield lambda: trial.clients[-1].over
    trial.config("upstream-set", name=trial.service.name, preconnect=0)
    yield trial.after(0.01)


@life(upstream={"fastopen": 1})
def fastopen(trial):
    """The first bytes travel with the SYN, and are taken or not."""
    for trial.wire.take_early in (True, False):
        trial.client()
        yield lambda: trial.clients[-1].over


@life(upstream={"interval": 20, "timeout": 40, "rise": 1, "fall": 1},
      fails=True)
def check(trial):
    """The server is checked, and goes down and up."""
    trial.config("upstream-set", name=trial.service.name, check=1)
    yield trial.after(0.05)
    trial.client()
    yield lambda: trial.clients[-1].over
    trial.wire.policies[trial.server(0)] = "refuse"
    yield trial.after(0.05)
    trial.wire.policies.clear()
    trial.config("upstream-set", name=trial.service.name, check=0)


@life(upstream={"sndbuf": 16 * KB}, listener={"rcvbuf": 16 * KB})
def stall(trial):
    """A server that reads nothing for a while, then a client."""
    trial.wire.window = 0
    client = trial.client(size=80 * KB)
    yield lambda: trial.wire.connections
    yield trial.after(0.05)
    trial.wire.connections[-1].open_window()
    yield lambda: client.over
    trial.wire.window = 65535
    client = trial.client(answer=40 * KB, rcvbuf=2048)
    client.reading = False
    yield trial.after(0.05)
    client.reading = True
    yield lambda: client.over


@life(upstream={"sndbuf": 16 * KB}, listener={"fin_timeout": 2000}, fails=True)
def resets(trial):
    """Each peer resets behind bytes that the other has not taken yet."""
    trial.wire.window = 0
    client = trial.client(size=20 * KB)
    yield lambda: trial.wire.connections
    yield trial.after(0.03)
    client.abort()
    yield trial.after(0.02)
    for conn in list(trial.wire.connections):
        conn.open_window()
    trial.wire.window = 65535
    client = trial.client(answer=30 * KB, rcvbuf=2048)
    client.reading = False
    yield trial.after(0.03)
    for conn in list(trial.wire.connections):
        if not conn.over:
            conn.abort()
    yield trial.after(0.02)
    client.reading = True
    yield lambda: client.over


@life()
def short_sends(trial):
    """Sends are refused or cut short."""
    write(SENDS / "probability", 60)
    clients = [trial.client(answer=20 * KB) for _ in range(2)]
    yield lambda: all(client.over for client in clients)
    with contextlib.suppress(OSError):
        write(SENDS / "probability", 0)


@life(listener={"maxconn": 1})
def handed(trial):
    """A client is accepted where the one before has ended, and handed over."""
    clients, cpus = [], os.sched_getaffinity(0)
    for cpu in cpus:
        os.sched_setaffinity(0, {cpu})
        clients.append(trial.client())
    os.sched_setaffinity(0, cpus)
    yield lambda: all(client.over for client in clients)


@life()
def ends(trial):
    """Both sides end at the same time, or the server first."""
    client = trial.client(close=False)
    yield lambda: len(client.got) == len(client.answer) or client.over
    for conn in list(trial.wire.connections):
        conn.end()
    client.finish()
    yield lambda: client.over
    client = trial.client(close=False)
    yield lambda: len(client.got) == len(client.answer) or client.over
    for conn in list(trial.wire.connections):
        conn.end()
    yield trial.after(0.02)
    client.finish()
    yield lambda: client.over


@life(listener={"fin_timeout": 40}, fails=True)
def fin_timeout(trial):
    """One stream has ended, the other goes nowhere."""
    client = trial.client(size=1, close=False)
    yield lambda: len(client.got) == len(client.answer) or client.over
    for conn in list(trial.wire.connections):
        conn.end()
    yield lambda: client.over


@life(fails=True)
def killed(trial):
    """Sessions are killed: all, those of a server, of a listener."""
    name, server = trial.service.name, trial.service.servers[0]
    requests = (("session-kill", {"listener": name}),
                ("server-set", {"upstream": name, "address": server,
                                "state": DOWN}),
                ("server-del", {"upstream": name, "address": server}))
    for command, values in requests:
        trial.client(close=False)
        yield lambda: trial.clients[-1].got or trial.clients[-1].over
        trial.config(command, **values)
        yield lambda: not trial.busy()
        if command == "server-del":
            trial.config("session-kill", listener=name)
        yield lambda: trial.clients[-1].over
        trial.config("server-add", upstream=name, address=server)
        trial.config("server-set", upstream=name, address=server, state=UP)
        yield lambda: not trial.busy()


@life(fails=True)
def deleted(trial):
    """A listener goes, and another one takes its address."""
    name, address = trial.service.name, trial.service.address
    trial.client(close=False)
    yield lambda: trial.clients[-1].got or trial.clients[-1].over
    trial.config("transaction-begin")
    trial.config("listener-del", name=name, kill=True)
    trial.config("listener-add", name="heir", address=address, upstream=name)
    trial.config("transaction-commit")
    trial.client()
    yield lambda: all(client.over for client in trial.clients)
    yield lambda: not trial.busy()
    trial.client(close=False)
    yield lambda: trial.clients[-1].got or trial.clients[-1].over
    trial.config("listener-drain", name="heir", drain_rate=100)
    yield lambda: all(client.over for client in trial.clients)


class SpliceOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("label", ctypes.c_char_p),
                ("bytes", ctypes.c_uint64 * 2), ("idle_ms", ctypes.c_uint32),
                ("flags", ctypes.c_uint32)]


def splice_program(trial, detach):
    """A program between a client and a server: accept, connect, splice."""
    address = trial.service.address[0], trial.service.address[1] + 100
    socks, fds = [], []

    def new():
        with netns(PROXY):
            socks.append(socket.socket())
        socks[-1].setblocking(False)
        return socks[-1]

    def readable(what):
        return lambda: select.select([what], [], [], 0)[0]

    def close(graceful):
        for fd in fds:
            os.close(fd)
        for sock in socks:
            if not graceful and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
            sock.close()
        fds.clear()

    try:
        front = new()
        front.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        front.bind(address)
        front.listen()
        client = trial.client(to=address, at_once=1 * KB)
        yield readable(front)
        a, _ = front.accept()
        socks.append(a)
        front.close()
        b = new()
        b.connect_ex((trial.server(0), trial.service.servers[0][1]))
        yield lambda: select.select([], [b], [], 0)[1]
        options = SpliceOptions(
            size=ctypes.sizeof(SpliceOptions), flags=detach,
            idle_ms=60 if trial.event and trial.event.short else 0)
        with netns(PROXY):
            fd = LIB.kproxy_splice(a.fileno(), b.fileno(),
                                   ctypes.byref(options))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "kproxy_splice")
        fds.append(fd)
        if detach:
            close(graceful=True)
        client.feed()
        yield lambda: client.over
        if not detach:
            yield readable(fd)
            close(graceful=True)
    except OSError:
        if not trial.fired:
            raise
    finally:
        close(graceful=False)


@life(splices=True)
def spliced(trial):
    """A program splices its sockets, and has them until the end."""
    return splice_program(trial, 0)


@life(splices=True, cuts=True)
def spliced_detached(trial):
    """A program splices its sockets and closes all it has."""
    return splice_program(trial, 1)


# Trials


class Doer:
    """A thread that does one thing after the other."""

    def __init__(self, act):
        self._act = act
        self._work = []
        self._wake = threading.Condition()
        self.busy = False
        self.error = None
        threading.Thread(target=self._body, daemon=True).start()

    def go(self, *words):
        with self._wake:
            self._work.append(words)
            self.busy = True
            self._wake.notify()

    def _body(self):
        while True:
            with self._wake:
                while not self._work:
                    self.busy = False
                    self._wake.wait()
                words = self._work.pop(0)
            try:
                self._act(*words)
            except BaseException as error:
                self.error = error


class Trial:
    """A life, a point in it, and what happens when somebody is there."""

    def __init__(self, walk, story, point="all", event=None, skip=0):
        self.walk, self.story, self.event = walk, story, event
        self.point, self._skip = point, skip
        self.wire = walk.wire
        self.service = story.service
        self.clients, self.by_number = [], {}
        self.application = Application(self)
        self._begun = self._since = time.monotonic()
        self.fired = False
        self._strikes = event is not None
        self._stop = False

    @property
    def event_control(self):
        return self.walk.controls["event"]

    # For the lives

    def client(self, to=None, **options):
        client = Client(to or self.service.address, **options)
        self.by_number[client.number] = client
        self.clients.append(client)
        return client

    def server(self, n):
        return self.service.servers[n][0]

    def after(self, seconds):
        then = time.monotonic() + seconds
        return lambda: time.monotonic() >= then

    def late(self, seconds):
        """Since the step of the life began."""
        return time.monotonic() - self._since > seconds

    def config(self, command, **values):
        """A request that need not succeed, and may take until the delay ends."""
        self.walk.configurer.go(command, values)

    def busy(self):
        return self.walk.configurer.busy

    # Playing

    def play(self):
        walk = self.walk
        self.wire.reset()
        walk.before(self)
        walk.delays.arm(self.point, self._skip)
        striker = threading.Thread(target=self._strike, daemon=True)
        walk.bind(0)
        if self._strikes:
            striker.start()
        try:
            self._life()
        finally:
            self._stop = True
            if self._strikes:
                striker.join(limit(30))
            self.hits = walk.after(self)
        if self._strikes and striker.is_alive():
            raise Failed("the event did not come to its end")
        if walk.striker.error:
            error, walk.striker.error = walk.striker.error, None
            raise error
        walk.healthy()
        self._judge()
        walk.no_session()

    def _life(self):
        steps = self.story.play(self)
        condition = next(steps)
        end = time.monotonic() + limit(HANGS)
        gone = None
        while condition:
            self._turn()
            if condition():
                self._since = time.monotonic()
                condition = next(steps, None)
            elif time.monotonic() > end:
                raise Failed(f"hangs: {self._where()}")
            # After an event a life may never come to its next step.
            if self.fired and not self.event.gentle:
                gone = gone or time.monotonic()
                if time.monotonic() - gone > 0.15 or (
                        self.clients and all(c.over for c in self.clients)):
                    break
        steps.close()
        for client in self.clients:
            client.reading = True
            client.feed()
            if not client.sent < len(client._out) or self.fired:
                client.finish()
        while not all(client.over for client in self.clients):
            for conn in self.wire.connections:
                if not conn.window and not conn.over:
                    conn.open_window()
                if not conn.answered and not conn.reset:
                    conn.answer()
            for client in self.clients:
                if client.sent == len(client._out):
                    client.finish()
            self._turn()
            if time.monotonic() > end:
                raise Failed(f"hangs: {self._where()}")
        while self.busy() and time.monotonic() < end:
            self._turn()

    def _turn(self):
        poll = select.poll()
        poll.register(self.wire.fd, select.POLLIN)
        for client in self.clients:
            if not client.over and client.reading:
                with contextlib.suppress(OSError):
                    poll.register(client.sock, select.POLLIN)
        poll.poll(2)
        self.wire.pump()
        self.application.turn()
        for client in self.clients:
            client.turn()

    def may_cut(self):
        return self.story.cuts and self.fired and not self.event.gentle

    def _where(self):
        return ", ".join(
            f"client {c.number}: sent {c.sent} of {len(c._out)}, got "
            f"{len(c.got)} of {len(c.answer)}, {c.end}" for c in self.clients)

    def _strike(self):
        """Wait for the delay; then the event, and the end of the delay."""
        walk = self.walk
        walk.bind(1)
        while not walk.delays.now():
            if self._stop:
                return
        self.fired = True
        walk.striker.go(self.event.act, self)
        # What waits for the one that is delayed must not have it wait.
        end = time.monotonic() + (0.15 if self.event.short else 0.03)
        while walk.striker.busy and time.monotonic() < end:
            time.sleep(0.0002)
        walk.delays.release()
        while walk.striker.busy:
            time.sleep(0.001)

    def _judge(self):
        self.application.check()
        # Short time-outs hit also when the event did not come.
        gentle = not self.story.fails and (
            not self.event or not self.event.short) and (
            not self.fired or self.event.gentle)
        for client in self.clients:
            what = f"to client {client.number} ({client.end})"
            same(client.got, client.answer[:len(client.got)], what)
            if client.end == "fin" and not self.may_cut():
                answers = self.application.answers(client)
                if bytes(client.got) not in (answers or [b""]):
                    raise Failed(f"{what}: the end of the stream came after "
                                 f"{len(client.got)} bytes; servers ended it "
                                 f"after {[len(a) for a in answers]}")
            if gentle and client.end != "abort" and (
                    client.end != "fin" or
                    len(client.got) < len(client.answer)):
                raise Failed(f"{what}: not served, got {len(client.got)} of "
                             f"{len(client.answer)} bytes")


def tainted():
    return int(pathlib.Path("/proc/sys/kernel/tainted").read_text())


class Walk:
    def __init__(self):
        self.wire = Wire()
        self.namespace = True
        self.controls = {}
        self.delays = Delays()
        self.configurer = Doer(self._config)
        self.striker = Doer(lambda act, *words: act(*words))
        self.swap = False
        self.taint = tainted()
        self.open_controls()
        self.configure()

    def open_controls(self):
        for name in "main", "event", "config":
            self.controls[name] = Control()

    def close_controls(self):
        while self.controls:
            self.controls.popitem()[1].close()

    def configure(self):
        for story in LIVES.values():
            story.service.configure(self.controls["main"])

    def _config(self, command, values):
        with contextlib.suppress(OSError, KeyError):
            self.controls["config"].ask(command, **values)

    def bind(self, n):
        """This thread to one of the two CPUs."""
        if len(CPUS) > 1:
            os.sched_setaffinity(0, {CPUS[(n + self.swap) % 2]})

    def unload(self):
        self.close_controls()
        # A file of debugfs that is read just now holds it.
        for _ in range(100):
            if not run("rmmod", "kproxy", check=False).returncode:
                return
            time.sleep(0.01)
        raise Failed("the module does not unload")

    def before(self, trial):
        self.swap = random.random() < 0.5
        if trial.event and trial.event.short:
            self.controls["main"].must(
                "listener-set", name=trial.service.name, connect_timeout=50,
                idle_timeout=60, fin_timeout=60, max_age=400)

    def after(self, trial):
        """Everything as it was; the hits."""
        loaded = POINTS.exists()
        hits = self.delays.disarm()
        if not loaded:
            run("insmod", os.environ["KPROXY_KO"])
            self.delays.restart()
        if not self.namespace:
            # The cables go with the last reference to the namespace.
            for name in CLIENT, SERVER:
                wait_for(lambda name=name: run(
                    "ip", "-n", name, "link", "show", "eth0",
                    check=False).returncode, "the namespace is gone", 20)
            run(sys.argv[1], "add_proxy")
            prepare()
            self.namespace = True
        if not self.controls:
            self.open_controls()
            self.configure()
        elif trial.event or trial.story.fails:
            control = self.controls["main"]
            control.ask("listener-del", name="heir", kill=True)
            trial.service.configure(control)
            if trial.event and trial.event.short:
                control.must("listener-set", name=trial.service.name,
                             max_age=0)
        if SENDS.exists():
            write(SENDS / "probability", 0)
        return hits

    def healthy(self):
        """The kernel marks itself when it has found something wrong."""
        now = tainted()
        if now != self.taint:
            self.taint = now
            raise Failed("the kernel has complained")

    def no_session(self):
        """Once both peers are gone, whatever they had left undone."""
        for conn in list(self.wire.connections):
            conn.abort()
        end = time.monotonic() + limit(10)
        while self.controls["main"].sessions():
            self.wire.pump()
            if time.monotonic() > end:
                raise Failed("a session is left")


def prepare():
    """What the proxy's namespace needs besides its cables."""
    run("ip", "-n", PROXY, "route", "add", "10.9.0.0/16", "via", "10.2.0.2")
    # Bytes in a SYN without a cookie.
    run_in(PROXY, "sysctl", "-qw", "net.ipv4.tcp_fastopen=5")


def survey(walk):
    """Play each life once: which points there are in which."""
    lives = {}
    for story in LIVES.values():
        begun = time.monotonic()
        try:
            trial = Trial(walk, story)
            trial.play()
        except Exception as error:
            raise Failed(f"life {story.name}: {error}") from error
        took = time.monotonic() - begun
        say(f"# {story.name}: {took:.2f} s, "
            f"{sum(n for n, _ in trial.hits.values())} points")
        for point, (reached, _) in trial.hits.items():
            if reached:
                lives.setdefault(point, []).append((story, reached))
    return lives


def pairs(lives, names):
    """
    The pairs of points and events, those that once went wrong first, the others
    in an order of chance.
    """
    events = [event for event in EVENTS if event.name in names] or EVENTS
    points = [point for point in sorted(lives) if point in names] or lives
    chosen = [(point, event) for point in sorted(points) for event in events]
    random.shuffle(chosen)
    return sorted(chosen, key=lambda pair: (pair[0], pair[1].name) not in FIRST)


def walk_all(walk, lives, names, seconds):
    fired, tried, begun = 0, 0, time.monotonic()
    heavy = 0
    for point, event in pairs(lives, names):
        if seconds and time.monotonic() - begun > seconds:
            break
        if event.name in HEAVY:
            # In a short walk only a few.
            if seconds and heavy * 12 > tried:
                continue
            heavy += 1
        story, reached = random.choice(lives[point])
        skip = random.randrange(min(reached, 4))
        trial = Trial(walk, story, point, event, skip)
        tried += 1
        try:
            trial.play()
        except Exception as error:
            raise Failed(f"pair {tried}: {point}, {event.name}, life "
                         f"{story.name}, skip {skip}: {error}") from error
        fired += trial.fired
    say(f"# {tried} pairs played, in {fired} the event met the delay, "
        f"{time.monotonic() - begun:.0f} s")
    if fired < tried / 3:
        raise Failed("too few events have met a delay")


def result(good, sentence):
    say(f"{'ok' if good else 'not ok'} {sentence}")
    return good


def main():
    """races.py TOPOLOGY SECONDS [POINT | EVENT,...]"""
    seed = int(os.environ["SEED"])
    random.seed(seed)
    seconds = float(sys.argv[2])
    names = " ".join(sys.argv[3:]).split(",")
    sentence = "whatever happens while a CPU is delayed, nobody is misled"
    walk = None
    try:
        prepare()
        walk = Walk()
        lives = survey(walk)
        walk_all(walk, lives, names, seconds)
        result(True, sentence)
    except Exception as error:
        result(False, f"{sentence}")
        say(f"# SEED={seed}: {error}")
        if not isinstance(error, Failed) or error.__cause__:
            for line in traceback.format_exc().splitlines()[-12:]:
                say(f"# {line}")
        if walk and walk.controls:
            diagnose()
            walk.delays.disarm()
            for name in LIVES:
                walk.controls["main"].ask("session-kill", listener=name)
    if walk:
        excused = NEVER | RARE if seconds else NEVER
        dead = sorted(p for p, n in walk.delays.total.items()
                      if not n and p not in excused)
        result(not dead, "every point was reached")
        if dead:
            say(f"# never reached: {' '.join(dead)}")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
