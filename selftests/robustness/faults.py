# SPDX-License-Identifier: GPL-2.0
"""
Failures on purpose, by the kernel's fault injection: allocations, by any code
that the module has called, and sends. A kernel without fault injection has none
of this.
"""

import collections
import contextlib
import ctypes
import errno
import itertools
import json
import os
import pathlib
import random
import socket
import struct
import threading
import time

from netlink_raw import DUMP, REQUEST, Netlink, attr, configuration
from netlink_spec import COMMAND, E, L, R, S, U, endpoint, open_netlink
from peer import (BACK, KB, Failed, Hurt, Stream, Threads, accept, both_ways,
                  connect, expect, expect_alive, expect_between, expect_reset,
                  knock, kp, listen, main, pair, read_exactly, reset, run, say,
                  scaled, scene, send_stream, sessions, show, stats, traced,
                  wait_acked, wait_for, wait_gone)

DEBUG = pathlib.Path("/sys/kernel/debug")
SIZE = scaled(256 * KB, 20 * KB)

SLAB, PAGES, SEND = "failslab", "fail_page_alloc", "fail_kproxy_send"
INSERT = "fail_kproxy_insert"
POINT = DEBUG / "fail_kproxy_point"
# The sizes of writes. Copied bytes take pages.
PIECES = {SLAB: 5000, PAGES: 400}


def function(name):
    """Where a function of the kernel begins and ends."""
    found, symbols = None, []
    for line in pathlib.Path("/proc/kallsyms").read_text().splitlines():
        address, _, symbol = line.split()[:3]
        symbols.append(int(address, 16))
        found = symbols[-1] if symbol == name else found
    return (found, min(a for a in symbols if a > found)) if found else (0, 0)


# Modules are above the kernel's own code, and there is none but ours.
MODULES = function("_etext")[0], (1 << 64) - 1
# Each allocation is noted by kmemleak, which allocates for that.
NOTES = function("kmemleak_alloc")

# How many attributes name an object.
KEYS = {"upstream": 1, "listener": 1, "server": 2, "route": 2}
# balance
MAGLEV = 3
NETWORKS = b"".join(socket.inet_pton(socket.AF_INET6, f"fd0{n}::") + b"\x10"
                    for n in range(5))

# Failures so far, by kind.
failed = collections.Counter()


class Failing:
    """
    Every n-th call of this kind fails, a number of times, for a while. Of
    allocations those that the module's code has caused; if all is set, those of
    any code that may not sleep.
    """

    def __init__(self, kind, every, times, probability=100, everywhere=False):
        self._where = DEBUG / kind
        self.kind, self.every, self._times = kind, every, times
        self._probability = probability
        self.count = 0
        start, end = (0, (1 << 64) - 1) if everywhere else MODULES
        self._settings = {
            "probability": 0, "interval": every, "times": times, "space": 0,
            "verbose": 0, "task-filter": "N", "stacktrace-depth": 32,
            "require-start": hex(start), "require-end": hex(end),
            "reject-start": hex(NOTES[0]), "reject-end": hex(NOTES[1])}
        if kind in (SLAB, PAGES):
            self._settings["ignore-gfp-wait"] = "Y" if everywhere else "N"
        if kind == PAGES:
            self._settings["min-order"] = 0

    def _set(self, key, value):
        (self._where / key).write_text(str(value))

    def __enter__(self):
        for key, value in self._settings.items():
            self._set(key, value)
        self._set("probability", self._probability)
        return self

    def _left(self):
        return int((self._where / "times").read_text())

    def all_done(self):
        return self._left() == 0

    def __exit__(self, *_):
        self._set("probability", 0)
        self.count = self._times - self._left()
        failed[self.kind] += self.count


def tell(*kinds):
    for kind in kinds:
        say(f"# {kind}: {failed[kind]} failed on purpose")
        if not failed[kind]:
            raise Failed(f"{kind}: nothing has failed")


# Allocations


def no_session():
    """Asked here, because it takes a second to start a command."""
    with contextlib.closing(open_netlink()) as nl:
        return not nl.ask(COMMAND["session-get"],
                          flags=REQUEST | DUMP).replies


def life(failing):
    """
    A session from its beginning to its end during failures, and two older ones.
    No more of them may be lost than there were failures.
    """
    over = threading.Event()
    listener = listen(nodelay=True)
    options = {"piece": PIECES[failing.kind], "nodelay": True}
    hurts = [Hurt(listener, 0, over, **options) for _ in range(2)]
    with failing:
        hurts.append(Hurt(listener, SIZE, **options))
        hurts[-1].join()
        over.set()
        broken = sum(hurt.join() for hurt in hurts)
    listener.close()
    say(f"# every {failing.every}: {failing.count} failures, {broken} lost")
    if broken > failing.count:
        raise Failed(f"{broken} sessions are lost by {failing.count} failures")
    wait_for(no_session, "no session is left")
    return broken


def sweep(kind, last, times):
    lost = sum(life(Failing(kind, every, times))
               for every in range(1, last + 1))
    say(f"# {kind}: {lost} of {3 * last} sessions lost")
    tell(kind)
    wait_gone()


@scene("one allocation of the slab fails, the first, the second, and so on")
def one_object():
    sweep(SLAB, max(scaled(480), 30), 1)


@scene("every n-th allocation of the slab fails, for n from 1 on")
def every_nth_object():
    sweep(SLAB, 12, 60)


@scene("every n-th allocation of pages fails, once and repeatedly")
def every_nth_page():
    sweep(PAGES, 8, 1)
    sweep(PAGES, 4, 60)


def one_end(side, how, size, nth):
    """
    One side, or each, ends its stream or resets it after some bytes, while the
    n-th allocation fails; returns the number of failures. The other side must
    see that: an end only after the last byte, and a reset as nothing but a
    reset.
    """
    client, server = (Hurt.watched(sock) for sock in pair())
    source, sink = (client, server) if side == "client" else (server, client)
    what = f"{how} of the {side} behind {size} bytes, failure {nth}"
    stream, fin = Stream(nth), False
    with Failing(SLAB, nth, 1) as failing:
        source.sendall(Stream(nth).take(size))
        if how == "both end":
            sink.shutdown(socket.SHUT_WR)
        if how == "reset":
            reset(source)
        else:
            source.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while data := sink.recv(1 << 16):
                stream.check(data)
            fin = True
        sink.close()
        if how != "reset":
            with contextlib.suppress(ConnectionResetError):
                expect(source.recv(1), b"", what)
        wait_for(no_session, f"no session is left: {what}")
    if fin:
        expect(stream.position, size, what)
        if how == "reset":
            raise Failed(f"was not reset: {what}")
    elif how != "reset" and not failing.count:
        raise Failed(f"reset for nothing: {what}")
    source.close()
    return failing.count


@scene("a session ends, each way, while an allocation fails: no peer is misled")
def ends():
    for side, how, size in itertools.product(("client", "server"),
                                             ("end", "both end", "reset"),
                                             (0, 20000)):
        nth = 1
        while one_end(side, how, size, nth):
            nth += 1
            if nth == 100:
                raise Failed("there is no end of allocations")
        say(f"# {how} of the {side} behind {size} bytes: {nth - 1} failures")
    tell(SLAB)
    wait_gone()


@scene("memory is short while more fragments wait than one send takes")
def fragments():
    kp("upstream set app sndbuf 16k")
    kp("listener set web rcvbuf 1m")
    size = 200 * 700
    for kind, every in itertools.product((SLAB, PAGES), (1, 2, 5)):
        client, server = (Hurt.watched(sock) for sock in
                          pair({"nodelay": True}, {"rcvbuf": 4096}))
        threads = Threads()
        threads.go(send_stream, client, Stream(every), size, lambda: 700)
        wait_for(lambda: sessions()[0]["stall_server_us"], "it stalls")
        threads.join()
        wait_acked(client)
        stream = Stream(every)
        with Failing(kind, every, 60) as failing:
            with contextlib.suppress(ConnectionResetError):
                while data := server.recv(1 << 16):
                    stream.check(data)
                expect(stream.position, size, "bytes before the end")
        if stream.position < size and not failing.count:
            raise Failed("reset for nothing")
        say(f"# {kind}, every {every}: {failing.count} failures, "
            f"{stream.position} of {size} bytes")
        client.close()
        server.close()
        wait_gone()
    kp("upstream set app sndbuf default")
    kp("listener set web rcvbuf default")


@scene("allocations in softirq fail for all code on this machine")
def everywhere():
    # Pages are seldom asked for in softirq.
    for kind, times in (SLAB, 300), (PAGES, 30):
        for every in 3, 7, 31:
            over = threading.Event()
            listener = listen(nodelay=True)
            hurts = [Hurt(listener, SIZE, over, PIECES[kind], nodelay=True)
                     for _ in range(4)]
            # Not at the ends of the streams: the peers' TCP forgets a FIN for
            # which it has no memory.
            with Failing(kind, every, times, everywhere=True) as failing:
                wait_for(failing.all_done, "all failures have come", 60)
            over.set()
            broken = sum(hurt.join() for hurt in hurts)
            listener.close()
            if broken > failing.count:
                raise Failed(f"{broken} sessions are lost by "
                             f"{failing.count} failures")
            wait_gone()
    tell(SLAB, PAGES)


# Sends


@scene("a session that finds no place in the table is refused, and what it held "
       "is given back")
def full_table():
    before = stats()
    listener = listen()
    with Failing(INSERT, 1, 5):
        for _ in range(5):
            client = knock()
            if client:
                expect_reset(client, "a client without a session")
    expect(stats()["refused"], before["refused"] + 5, "refused")
    expect(stats()["end_reasons"]["refused_memory"],
           before["end_reasons"]["refused_memory"] + 5, "for lack of memory")
    rows = [row for row in json.loads(kp("-j log").stdout)
            if row["reason"] == "refused_memory"]
    expect([row["server"] for row in rows[-5:]], [""] * 5, "their records")
    expect(show("server show")[0]["stats"]["sessions"], 0, "with the server")
    client = connect()
    server = accept(listener)
    expect_alive(client, server)
    for sock in client, server, listener:
        sock.close()
    wait_gone()
    tell(INSERT)
    # References dropped too often would free these too early.
    kp("listener del web")
    kp("upstream del app")
    kp("upstream add app")
    kp("server add app {}:{}".format(*BACK))
    kp("listener add web 10.1.0.1:8000,[fd01::1]:8000 upstream app")
    expect_alive(*pair())


@scene("sends that are refused or cut short: every byte arrives, once")
def short_sends():
    def sizes():
        return random.choice((random.randint(1, 600),
                              random.randint(1, 100000)))

    small = {"rcvbuf": 4096, "sndbuf": 4096}
    for probability, client, server in (
            (10, {}, {}), (50, {"nodelay": True}, {"nodelay": True}),
            (90, {}, {}), (50, small, {}), (50, {}, small)):
        with Failing(SEND, 1, 1 << 30, probability):
            listener = listen(**server)
            threads = Threads()
            for seed in range(3):
                here = connect(**client)
                threads.go(both_ways, here, accept(listener), SIZE * 4, seed,
                           120, sizes)
            threads.join(120)
            listener.close()
    wait_gone()
    tell(SEND)


@scene("while memory is short a session tries again, but not in every tick")
def retries_apart():
    client, server = pair()
    expect_alive(client, server)
    with traced() as told:
        with Failing(SEND, 1, 1 << 30, 100):
            client.sendall(b"late")
            time.sleep(2)
        expect(read_exactly(server, 4), b"late", "what came in the end")
    tries = [text for name, _, text in told
             if name == "pump" and "result=retry" in text]
    # A tick is 4 ms at most.
    expect_between(len(tries), 5, 60, "tries in two seconds")


@scene("while a step of a drain takes its time, others configure")
def drain_step():
    kp("listener add second 10.1.0.1:8001 upstream app")
    pair(to=("10.1.0.1", 8001))

    def delaying():
        return int((POINT / "delaying").read_text())

    with contextlib.closing(open_netlink()) as nl:
        for key, value in {"verbose": 0, "times": 1, "space": 0, "cpu": -1,
                           "delay": 2000000, "points": "drain_step",
                           "probability": 100}.items():
            (POINT / key).write_text(str(value))
        try:
            kp("listener drain second rate 1/s")
            wait_for(delaying, "the drain is in a step")
            answer = nl.ask(COMMAND["upstream-set"], attr(U["name"], "app"),
                            attr(U["retries"], 2))
            expect((answer.errno, delaying()), (0, 1),
                   "errno, and whether the step goes on")
        finally:
            (POINT / "release").write_text("1")
            (POINT / "points").write_text("none")
            (POINT / "probability").write_text("0")
    wait_for(no_session, "no session is left")


@scene("a reset after such sends does not overtake the bytes before it")
def reset_behind():
    for seed in range(10):
        client, server = pair()
        with Failing(SEND, 1, 1 << 30, 70):
            server.sendall(Stream(seed).take(SIZE))
            reset(server)
            stream = Stream(seed)
            try:
                while data := client.recv(1 << 16):
                    stream.check(data)
                raise Failed("the end of the stream came, not a reset")
            except ConnectionResetError:
                pass
        client.close()
        wait_gone()


# Without sessions


@contextlib.contextmanager
def nth_fails(nth):
    """The n-th allocation of this thread for the module fails."""
    with Failing(SLAB, 1, 0), Failing(PAGES, 1, 0):
        file = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
        os.write(file, str(nth).encode())
        try:
            yield lambda: int(os.pread(file, 20, 0).rstrip(b"\0\n")) == 0
        finally:
            os.write(file, b"0")
            os.close(file)


def until_it_works(what, attempt):
    """One allocation fails, the first, the second, until none is left."""
    for nth in range(1, 1000):
        with nth_fails(nth) as has_failed:
            error = attempt()
            hit = has_failed()
        if not hit:
            expect(error, 0, f"errno of {what}, nothing having failed")
            say(f"# {what}: {nth - 1} allocations failed, one by one")
            return
        failed["one by one"] += 1
        yield error


def load_module():
    """Like insmod, but in this thread; its errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open(os.environ["KPROXY_KO"], os.O_RDONLY)
    try:
        # finit_module
        done = libc.syscall(313, file, b"pool_pages=2 pool_sessions=2", 0)
        return ctypes.get_errno() if done else 0
    finally:
        os.close(file)


@scene("a module that does not get its memory is not loaded")
def loading():
    for error in until_it_works("the module", load_module):
        if error:
            expect(error, errno.ENOMEM, "errno")
            if pathlib.Path("/sys/module/kproxy").exists():
                raise Failed("it is there")
        else:
            run("rmmod", "kproxy")
    run("rmmod", "kproxy")
    tell("one by one")


@scene("a configuration without its memory is refused, and changes nothing")
def configure():
    nl = open_netlink()
    up, name = attr(U["name"], "faults"), attr(L["name"], "faults")
    server = (attr(S["upstream"], "faults"),
              endpoint(S["address"], "10.2.0.2", 9001))
    for command, undo, words in (
            ("upstream-add", "upstream-del", [up]),
            ("server-add", "server-del", server),
            ("listener-add", "listener-del",
             [name, endpoint(L["address"], port=8100),
              endpoint(L["address"], port=8101),
              attr(L["upstream"], "faults")]),
            ("listener-set", None, [name, attr(L["backlog"], 7)]),
            ("server-set", None, [*server, attr(S["weight"], 7)]),
            ("upstream-set", None, [up, attr(U["retries"], 7)]),
            ("upstream-set", None, [up, attr(U["balance"], MAGLEV)]),
            ("server-add", "server-del",
             [server[0], endpoint(S["address"], "10.2.0.3", 9001)]),
            ("listener-set", None, [name, attr(L["deny"], NETWORKS)]),
            ("route-add", "route-del",
             [attr(R["listener"], "faults"), attr(R["sni"], "a.example"),
              attr(R["upstream"], "faults")]),
            ("transaction-begin", "transaction-commit", [])):
        before = configuration()
        key = KEYS.get(command.split("-")[0], 0)
        for error in until_it_works(
                command, lambda: nl.ask(COMMAND[command], *words).errno):
            # The kernel reports missing memory for a socket as ENFILE, for its
            # port as EADDRINUSE.
            if error not in (0, errno.ENOMEM, errno.ENOBUFS, errno.ENFILE,
                             errno.EADDRINUSE):
                raise Failed(f"{command}: {os.strerror(error)}")
            if error:
                expect(configuration(), before, "the configuration")
            elif undo:
                expect(nl.ask(COMMAND[undo], *words[:key]).errno, 0, undo)
            else:
                # It did without that memory.
                before = configuration()
    tell("one by one")
    for line in "listener del faults", "upstream del faults":
        kp(line)


@scene("a namespace's first listener exists without its log, or not at all")
def first_listener():
    run("ip", "netns", "add", "kp-faults")
    nl = Netlink("kp-faults")
    nl.find_family()
    where = attr(L["address"], [attr(E["port"], struct.pack("=H", 8100))])
    words = attr(L["name"], "first"), where, attr(L["upstream"], "first")
    expect(nl.ask(COMMAND["upstream-add"], attr(U["name"], "first")).errno, 0,
           "errno of the upstream")
    for error in until_it_works(
            "first listener-add",
            lambda: nl.ask(COMMAND["listener-add"], *words).errno):
        expect(nl.ask(COMMAND["listener-del"], words[0]).errno,
               errno.ENOENT if error else 0, f"errno of listener-del: {error}")
    nl.close()
    run("ip", "netns", "del", "kp-faults")


@scene("afterwards everything works, and nothing is missing")
def afterwards():
    client, server = pair()
    expect_alive(client, server)
    both_ways(client, server, SIZE)
    client.close()
    server.close()
    wait_gone()
    if not sum(p["fallbacks"] for p in show("pool show")):
        raise Failed("no fallback was counted")
    wait_for(lambda: all(p["sessions"] == p["sessions_free"]
                         for p in show("pool show")), "the pool is whole")


main()
