# SPDX-License-Identifier: GPL-2.0
"""
A session ends when both directions ended, on reset, on a time-out, or when it
is killed; then both its sockets, its timers and its memory are gone.
"""

import contextlib
import re
import socket
import time

from peer import (FRONT, KB, PROXY, EchoServer, Failed, Stream, accept, connect,
                  expect, expect_alive, expect_between, expect_eof,
                  expect_reset, fill_quickly, kp, limit, listen, main, pair,
                  read_exactly, read_until_reset, reset, run_in, scaled, scene,
                  sessions, show, tcp_sockets, wait_for, wait_gone)

SET_UP = """
load pool_sessions=64
topology
simple_proxy
"""


def pools():
    return [(p["sessions"], p["sessions_free"]) for p in show("pool show")]


def expect_pool_whole():
    wait_for(lambda: all(all_ == free for all_, free in pools()),
             "the pool has all its sessions")


def tcp_count():
    """TCP sockets of all kinds in the proxy's namespace."""

    out = run_in(PROXY, "cat", "/proc/net/sockstat").stdout
    return int(re.search(r"^TCP: inuse (\d+)", out, re.M).group(1))


@contextlib.contextmanager
def listener_options(words, default):
    kp(f"listener set web {words}")
    try:
        yield
    finally:
        kp(f"listener set web {default}")


@scene("after both directions ended nothing is left")
def ended():
    base = tcp_count()
    for first in (0, 1):
        ends = pair()
        expect_alive(*ends)
        ends[first].close()
        expect_eof(ends[1 - first], "at the other end")
        ends[1 - first].close()
        wait_gone()
    expect(tcp_count(), base, "TCP sockets")
    expect_pool_whole()


@scene("after a reset nothing is left")
def was_reset():
    base = tcp_count()
    for first in (0, 1):
        ends = pair()
        expect_alive(*ends)
        reset(ends[first])
        expect_reset(ends[1 - first], "the other end")
        wait_gone()
    expect(tcp_count(), base, "TCP sockets")
    expect_pool_whole()


@scene("many successive sessions are served by one pool")
def reuse():
    echo = EchoServer()
    before = show("pool show")
    for n in range(max(scaled(300), 50)):
        client = connect()
        client.sendall(b"z" * (n + 1))
        read_exactly(client, n + 1)
        reset(client) if n % 3 == 0 else client.close()
    echo.close()
    wait_gone()
    expect_pool_whole()
    after = show("pool show")
    expect([p["fallbacks"] for p in after], [p["fallbacks"] for p in before],
           "fallbacks")


@scene("clients that close before they are answered leave nothing")
def no_answer():
    echo = EchoServer()
    for n in range(max(scaled(200), 50)):
        client = connect()
        client.sendall(b"z" * (n + 1))
        client.close()
    echo.close()
    wait_gone(5)
    expect_pool_whole()


@scene("idle-timeout resets both ends of an idle session, and in time")
def idle():
    with listener_options("idle-timeout 1s", "idle-timeout 10m"):
        client, server = pair()
        expect_alive(client, server)
        begun = time.monotonic()
        expect_reset(client, "the client")
        expect_between(time.monotonic() - begun, 0.8, 1 + limit(1.5),
                       "seconds")
        expect_reset(server, "the server")
        wait_gone()


@scene("idle-timeout spares a session with a byte in one direction")
def not_idle():
    with listener_options("idle-timeout 1s", "idle-timeout 10m"):
        for one in (0, 1):
            ends = pair()
            end = time.monotonic() + 2.5
            while time.monotonic() < end:
                ends[one].sendall(b".")
                expect(ends[1 - one].recv(9), b".", "a byte")
                time.sleep(0.2)
            expect(len(sessions()), 1, "sessions")
            for sock in ends:
                sock.close()
            wait_gone()


@scene("fin-timeout resets what is half-closed and idle")
def fin():
    with listener_options("fin-timeout 1s", "fin-timeout 60s"):
        for one in (0, 1):
            ends = pair()
            expect_alive(*ends)
            ends[one].shutdown(socket.SHUT_WR)
            expect_eof(ends[1 - one], "at the other end")
            begun = time.monotonic()
            expect_reset(ends[one], "who has half-closed")
            expect_between(time.monotonic() - begun, 0.8, 1 + limit(1.5),
                           "seconds")
            wait_gone()


@scene("fin-timeout spares what is half-closed and busy")
def fin_busy():
    with listener_options("fin-timeout 1s", "fin-timeout 60s"):
        client, server = pair()
        client.shutdown(socket.SHUT_WR)
        expect_eof(server, "at the server")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            server.sendall(b".")
            expect(client.recv(9), b".", "a byte")
            time.sleep(0.2)
        server.close()
        expect_eof(client, "at the client")
        wait_gone()


@scene("max-age ends a session however busy it is")
def max_age():
    with listener_options("max-age 1s", "max-age 0"):
        client, server = pair()
        begun = time.monotonic()
        try:
            while time.monotonic() < begun + limit(5):
                expect_alive(client, server)
            raise Failed("it lives for ever")
        except (ConnectionResetError, BrokenPipeError):
            pass
        expect_between(time.monotonic() - begun, 0.8, 1 + limit(1.5),
                       "seconds")
        wait_gone()


@scene("a time-out ends a session whose reader has stopped")
def stalled():
    # Longer than it takes to fill it.
    idle = int(limit(1) * 1000)
    with listener_options(f"idle-timeout {idle}ms", "idle-timeout 10m"):
        client, server = pair({}, {"rcvbuf": 4096})
        fill_quickly(client, Stream(6))
        expect_reset(client, "the client")
        wait_gone()
    expect_pool_whole()


@scene("kill by number resets both ends, and only those")
def kill_id():
    one, other = pair(), pair()
    expect_alive(*one)
    expect_alive(*other)
    port = one[0].getsockname()[1]
    number = next(s["id"] for s in sessions()
                  if s["client"] == f"10.1.0.2:{port}")
    kp(f"session kill {number}")
    for sock in one:
        expect_reset(sock, "an end of it")
    expect_alive(*other)
    expect([s["id"] for s in sessions() if s["id"] == number], [],
           "what is shown of it")
    expect(kp(f"session kill {number}", check=False).returncode, 2,
           "status of killing it again")
    for sock in other:
        sock.close()
    wait_gone()


@scene("kill by filter: listener, upstream, server, client")
def kill_filter():
    kp("upstream add other")
    kp("server add other 10.2.0.3:9000")
    kp("listener add second 10.1.0.1:8001 upstream other")
    filters = {
        "listener second": (1,),
        "upstream app": (0,),
        "server 10.2.0.3:9000": (1,),
        "client 10.1.0.0/24": (0, 1),
        "client 10.1.0.2": (0, 1),
        "client 10.7.0.0/16": (),
        "listener web server 10.2.0.3:9000": (),
        "listener web client 10.0.0.0/8": (0,),
    }
    for words, hit in filters.items():
        all_ = (pair(), pair(to=(FRONT[0], 8001), at=("10.2.0.3", 9000)))
        for ends in all_:
            expect_alive(*ends)
        expect(len(sessions(words)), len(hit), f"sessions shown by {words}")
        kp(f"session kill {words}")
        for n, ends in enumerate(all_):
            if n in hit:
                for sock in ends:
                    expect_reset(sock, f"killed by {words}")
            else:
                expect_alive(*ends)
        for ends in all_:
            for sock in ends:
                sock.close()
        wait_gone()
    kp("listener del second")
    kp("upstream del other")


@scene("kill hits sessions that are stalled, half-closed or connecting")
def kill_any_state():
    stalled = pair({}, {"rcvbuf": 4096})
    fill_quickly(stalled[0], Stream(6))
    half = pair()
    half[1].shutdown(socket.SHUT_WR)
    expect_eof(half[0], "the half-close")
    kp("server add app 10.2.0.99:9000")
    kp("server set app 10.2.0.2:9000 weight 0")
    connecting = connect()
    wait_for(lambda: len([s for s in sessions()
                          if s["state"] == "connecting"]) == 1,
             "one is connecting")
    kp("session kill listener web")
    expect_reset(stalled[0], "the stalled one")
    expect_reset(connecting, "the one that was connecting")
    half[0].settimeout(limit(10))
    wait_gone()
    kp("server set app 10.2.0.2:9000 weight 1")
    kp("server del app 10.2.0.99:9000")
    expect_pool_whole()


@scene("a peer that vanishes with data on its way is reset after fin-timeout")
def vanished():
    with listener_options("fin-timeout 1s", "fin-timeout 60s"):
        client, server = pair({}, {"rcvbuf": 4096})
        word = Stream(3).take(64 * KB)
        client.sendall(word)
        reset(client)
        # The server never reads: what it was sent cannot be flushed.
        wait_gone(4)
        data = read_until_reset(server)
        if data != word[:len(data)]:
            raise Failed("what came is no prefix of what was sent")


@scene("a listener that is deleted under load leaves nothing either")
def deleted():
    kp("listener add brief 10.1.0.1:8003 upstream app")
    listener = listen()
    clients = [connect((FRONT[0], 8003)) for _ in range(20)]
    servers = [accept(listener) for _ in clients]
    kp("listener del brief")
    for sock in servers + clients:
        sock.close()
    wait_gone()
    expect(tcp_sockets(), [], "sockets")
    expect_pool_whole()


main()
