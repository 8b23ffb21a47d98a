# SPDX-License-Identifier: GPL-2.0
"""
Time-outs and limits of a listener: in time and not early, for sessions that
begin after they were set, and cheap for any number of sessions.
"""

import contextlib
import pathlib
import re
import socket
import time

from peer import (CLIENT, FRONT, KB, PROXY, QUICK, SERVER, Failed, Stream,
                  accept, connect, expect, expect_alive, expect_between,
                  expect_eof, expect_reset, kp, limit, listen, main, netem,
                  new_socket, pair, read_exactly, read_until_reset, run_in, say,
                  scaled, scene, sessions, wait_acked, wait_for, wait_gone)

SET_UP = """
# Both ends of ten thousand sessions.
ulimit -n 40000

load
topology
simple_proxy
kp upstream set app retries 0
mount_tracefs
"""

DEFAULTS = {"connect-timeout": "5s", "idle-timeout": "10m",
            "fin-timeout": "60s", "max-age": "0", "maxconn": "0",
            "backlog": "4096"}

TRACING = pathlib.Path("/sys/kernel/tracing")


@contextlib.contextmanager
def options(words):
    """Options of the listener for a while."""

    kp(f"listener set web {words}")
    try:
        yield
    finally:
        names = [w for w in words.split() if w in DEFAULTS]
        kp("listener set web " +
           " ".join(f"{n} {DEFAULTS[n]}" for n in names))


@contextlib.contextmanager
def large_buffers():
    """The proxy accepts much more than a peer with a small window."""
    sides = "listener set web", "upstream set app"
    for side in sides:
        kp(f"{side} sndbuf 1m")
    try:
        yield
    finally:
        for side in sides:
            kp(f"{side} sndbuf default")


def expect_time(begun, seconds, what):
    """It has taken this long, and at most a tick less."""
    expect_between(time.monotonic() - begun, seconds - 0.05,
                   seconds + limit(1.5), what)


def expect_reset_after(sock, begun, seconds, what):
    expect_reset(sock, what, seconds + 10)
    expect_time(begun, seconds, f"seconds until {what} was reset")


@scene("connect-timeout: neither early nor late, whatever it is set to")
def connect_timeout():
    with netem(SERVER, "eth0", "loss", "100%"):
        for ms in 300, 1200, 2500:
            with options(f"connect-timeout {ms}ms"):
                begun = time.monotonic()
                client = connect()
                expect_reset_after(client, begun, ms / 1000, "the client")
                wait_gone()


@scene("idle-timeout counts from the last byte in either direction")
def idle_timeout():
    with options("idle-timeout 2s"):
        for way in (0, 1):
            ends = pair()
            expect_alive(*ends)
            for _ in range(3):
                time.sleep(1.2)
                begun = time.monotonic()
                ends[way].sendall(b".")
                expect(ends[1 - way].recv(9), b".", "a byte")
            expect_reset_after(ends[way], begun, 2, "who has sent")
            expect_reset(ends[1 - way], "who has received")
            wait_gone()


@scene("fin-timeout counts from the last byte after one end has closed")
def fin_timeout():
    # The other one no longer counts.
    with options("fin-timeout 2s idle-timeout 1s"):
        for way in (0, 1):
            ends = pair()
            ends[way].shutdown(socket.SHUT_WR)
            expect_eof(ends[1 - way], "at the other end")
            for _ in range(3):
                time.sleep(1.2)
                begun = time.monotonic()
                ends[1 - way].sendall(b".")
                expect(ends[way].recv(9), b".", "a byte")
            expect_reset_after(ends[way], begun, 2, "who has closed")
            wait_gone()


@scene("bytes that a slow reader acknowledges are progress, in each state and "
       "both directions")
def slow_reader():
    total, piece = 400 * KB, 16 * KB
    with options("fin-timeout 2s idle-timeout 2s"), large_buffers():
        # Small buffers, so that most waits in the proxy's socket.
        small = {"rcvbuf": 8 * KB}
        readers = []
        for way, half_close in ((0, True), (1, True), (0, False), (1, False)):
            ends = pair(client={} if way else small,
                        server=small if way else {})
            reader, writer = ends[way], ends[1 - way]
            writer.sendall(Stream(way).take(total))
            wait_acked(writer)
            if half_close:
                writer.shutdown(socket.SHUT_WR)
            readers.append((reader, writer, Stream(way), half_close))
        # The proxy has everything, and no longer passes anything on.
        for _ in range(total // piece):
            time.sleep(0.2)
            for reader, _, stream, _ in readers:
                stream.check(read_exactly(reader, piece))
        for reader, writer, _, half_close in readers:
            if half_close:
                expect_eof(reader, "behind the last byte")
                reader.sendall(b"thanks")
                expect(read_exactly(writer, 6), b"thanks", "the answer")
            else:
                expect_alive(reader, writer)
            reader.close()
            writer.close()
        wait_gone()


@scene("a stopped reader is not waited for, whatever it is sent")
def stopped_reader():
    with options("fin-timeout 2s idle-timeout 2s"), large_buffers():
        for half_close in True, False:
            client, server = pair(client={"rcvbuf": 8 * KB})
            server.sendall(b"x" * (400 * KB))
            wait_acked(server)
            if half_close:
                server.shutdown(socket.SHUT_WR)
            begun = time.monotonic()
            wait_for(lambda: not sessions(), "it was given up", 20)
            expect_between(time.monotonic() - begun, 1.5, 2 + limit(1.5),
                           "seconds until it was given up")
            expect(len(read_until_reset(client)) < 400 * KB, True,
                   "the client lacks the end")
        wait_gone()


@scene("max-age counts from the accept, whether the session is busy, idle, "
       "half-closed or still connecting")
def max_age():
    with options("max-age 2s"):
        begun = time.monotonic()
        busy, half = pair(), pair()
        half[0].shutdown(socket.SHUT_WR)
        expect_eof(half[1], "at the other end")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() < begun + limit(10):
                expect_alive(*busy)
            raise Failed("it lives for ever")
        expect_time(begun, 2, "seconds of the busy one")
        expect_reset(half[0], "the half-closed one", 10)
        expect_time(begun, 2, "seconds of the half-closed one")
        wait_gone()
        with netem(SERVER, "eth0", "loss", "100%"), \
                options("connect-timeout 1h"):
            begun = time.monotonic()
            client = connect()
            expect_reset_after(client, begun, 2, "one that is connecting")
            wait_gone()


@scene("0 disables idle-timeout and fin-timeout")
def zero():
    with options("idle-timeout 0 fin-timeout 0"):
        idle, half = pair(), pair()
        half[0].shutdown(socket.SHUT_WR)
        expect_eof(half[1], "at the other end")
        with options("idle-timeout 1500ms fin-timeout 1500ms"):
            begun = time.monotonic()
            other = pair()
            expect_reset_after(other[0], begun, 1.5, "one with a time-out")
        time.sleep(2)
        expect(len(sessions()), 2, "sessions")
        expect_alive(*idle)
        half[1].sendall(b"on")
        expect(half[0].recv(9), b"on", "bytes to the side that has closed")


@scene("a changed time-out applies to new sessions, live ones keep theirs")
def run_time():
    old = pair()
    expect_alive(*old)
    with options("idle-timeout 1s"):
        begun = time.monotonic()
        new = pair()
        expect_reset_after(new[0], begun, 1, "the new one")
        short = pair()
        kp("listener set web idle-timeout 1h")
        begun = time.monotonic()
        expect_reset(short[0], "one from before it was set again")
        expect_between(time.monotonic() - begun, 0, 1 + limit(1.5), "seconds")
        expect_alive(*old)


@scene("maxconn: who is too many waits, and is served when another has ended")
def maxconn():
    listener = listen()
    with options("maxconn 3"):
        clients = [connect() for _ in range(10)]
        for n, client in enumerate(clients):
            client.sendall(b"%d" % n)
        for client in clients:
            wait_acked(client, "the bytes are with the proxy")
        live = [accept(listener) for _ in range(3)]
        seen = set()
        for left in range(10, 0, -1):
            wait_for(lambda: len(sessions()) == min(3, left),
                     f"{min(3, left)} sessions live")
            server = live.pop(0)
            n = int(server.recv(9))
            expect_alive(clients[n], server)
            server.close()
            clients[n].close()
            seen.add(n)
            if left > 3:
                live.append(accept(listener))
        expect(seen, set(range(10)), "clients that were served")
        wait_gone()


def expect_served(clients, listener):
    """Each has a session, in whatever order these begin."""
    for n, client in enumerate(clients):
        client.sendall(b"%d" % n)
    for _ in clients:
        server = accept(listener)
        expect_alive(clients[int(read_exactly(server, 1))], server)


@scene("maxconn that is lowered touches nobody, one that is raised lets "
       "clients in at once")
def maxconn_change():
    listener = listen()
    ends = [(connect(), accept(listener)) for _ in range(4)]
    with options("maxconn 2"):
        for one in ends:
            expect_alive(*one)
        waiting = [connect() for _ in range(3)]
        # The next has room only when three of the four have ended.
        for one in ends[:2]:
            for sock in one:
                sock.close()
        wait_for(lambda: len(sessions()) == 2, "two have ended")
        listener.settimeout(1)
        with contextlib.suppress(TimeoutError):
            accept(listener)
            raise Failed("a third session began")
        listener.settimeout(limit(20))
        kp("listener set web maxconn 4")
        expect_served(waiting[:2], listener)
        expect(len(sessions()), 4, "live sessions")
        kp("listener set web maxconn 0")
        expect_alive(waiting[2], accept(listener))


def queue():
    """Waiting clients and their limit, from the kernel."""
    line = run_in(PROXY, "ss", "-Hltn", "src 10.1.0.1:8000").stdout.split()
    return int(line[1]), int(line[2])


@scene("backlog: so many clients wait, the next is not answered until there "
       "is room")
def backlog():
    listener = listen()
    expect(queue()[1], 4096, "the default")
    with options("maxconn 1 backlog 3"):
        expect(queue(), (0, 3), "clients that may wait")
        first = connect(), accept(listener)
        # The kernel admits one more than configured.
        waiting = [connect() for _ in range(4)]
        wait_for(lambda: queue() == (4, 3), "all wait")
        late = new_socket(CLIENT, FRONT)
        late.settimeout(1.5)
        with contextlib.suppress(TimeoutError):
            late.connect(FRONT)
            raise Failed("a fifth may wait")
        late.close()
        expect(queue(), (4, 3), "clients that wait")
        kp("listener set web backlog 10")
        expect(queue()[1], 10, "after a change")
        late = connect()
        wait_for(lambda: queue()[0] >= 5, "it waits, too")
        kp("listener set web maxconn 0")
        expect_served([*waiting, late], listener)
        expect_alive(*first)


# The cost of timers


def function_address(name):
    symbols = pathlib.Path("/proc/kallsyms").read_text()
    return re.search(rf"^(\w+) t {name}\t\[kproxy\]", symbols, re.M).group(1)


@contextlib.contextmanager
def timer_events(name):
    """
    A function that returns how often something has happened to the timers of
    sessions since then; None when the kernel can't tell.
    """
    if not (TRACING / "instances").is_dir():
        say("# this kernel has no tracing")
        yield None
        return
    instance = TRACING / "instances" / f"kproxy-{name}"
    instance.mkdir()
    event = instance / "events" / "timer" / name

    def count():
        total = 0
        for stats in instance.glob("per_cpu/cpu*/stats"):
            text = stats.read_text()
            for key in "entries", "overrun":
                total += int(re.search(rf"^{key}: (\d+)", text, re.M).group(1))
        return total

    try:
        (event / "filter").write_text(
            f"function == 0x{function_address('session_timer')}")
        (event / "enable").write_text("1")
        yield count
    finally:
        (event / "enable").write_text("0")
        instance.rmdir()


@scene("a busy session's timer is set again when it expires, not by its bytes")
def lazily():
    with options("idle-timeout 2s connect-timeout 1s"), \
            timer_events("timer_start") as started:
        ends = pair()
        trips, begun = 0, time.monotonic()
        while time.monotonic() < begun + 7 or trips < 50:
            expect_alive(*ends)
            trips += 1
        took = time.monotonic() - begun
        if started:
            say(f"# {trips} round trips in {took:.1f} s, "
                f"timer set {started()} times")
            # For the connect, after it, and then every two seconds.
            expect_between(started(), 2, 4 + took / 1.9, "times it was set")
        for sock in ends:
            sock.close()
        wait_gone()


COUNT = scaled(10000, 500)


def busy_ticks():
    """Ticks in which some CPU was not idle."""
    words = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
    ticks = [int(word) for word in words[1:9]]
    return sum(ticks) - ticks[3] - ticks[4]


@scene("ten thousand idle sessions have no timer that expires, nor do their "
       "bytes set one")
def ten_thousand():
    listener = listen()
    ends = []
    with timer_events("timer_expire_entry") as expired, \
            timer_events("timer_start") as started:
        begun = time.monotonic()
        for _ in range(COUNT):
            client = connect()
            ends.append((client, accept(listener)))
        say(f"# {COUNT} sessions in {time.monotonic() - begun:.1f} s")
        if expired:
            # Each was set for the connect, expires once, and is set again.
            wait_for(lambda: expired() >= COUNT, "the connects are over", 30)
            ticks = busy_ticks()
            time.sleep(10)
            say(f"# {busy_ticks() - ticks} busy ticks in ten idle seconds")
            expect(expired(), COUNT, "expirations after ten idle seconds")
            before = started()
            expect_between(before, COUNT, 3 * COUNT, "times they were set")
        for client, server in ends:
            expect_alive(client, server, b"x")
        if expired:
            expect(expired(), COUNT, "expirations after a round trip of each")
            expect(started() - before, 0, "times that bytes have set one")
    expect(len(sessions()), COUNT, "sessions")
    kp("session kill listener web")
    wait_gone(60)
    for one in ends[:: max(COUNT // 100, 1)]:
        for sock in one:
            expect_reset(sock, "an end of a killed session")


@scene("sessions that time out at the same time are all reset")
def together():
    seconds = 6 if QUICK else 15
    with options(f"idle-timeout {seconds}s"):
        listener = listen()
        ends = []
        begun = time.monotonic()
        for _ in range(COUNT // 5):
            client = connect()
            ends.append((client, accept(listener)))
        wait_for(lambda: not sessions(), "all have ended", 60)
        if time.monotonic() - begun < seconds - 0.1:
            raise Failed("they have ended early")
        for one in ends:
            for sock in one:
                expect_reset(sock, "an end")


main()
