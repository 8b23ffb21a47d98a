# SPDX-License-Identifier: GPL-2.0
"""
When no server can be reached, the client is reset within connect-timeout x
tries. Nothing hangs.
"""

import contextlib
import time

from peer import (FRONT, FRONT6, KB, PROXY, SERVER, EchoServer, Failed, accept,
                  connect, expect, expect_alive, expect_between, expect_reset,
                  kp, limit, listen, main, netem, pair, read_exactly, reset,
                  run, scaled, scene, sessions, show, stats, wait_for,
                  wait_gone)

SET_UP = """
load
topology
modprobe -q sch_netem || true
simple_proxy connect-timeout 400ms
"""

TIMEOUT = 0.4
RETRIES = 2


def time_to_reset(address=FRONT, word=b"hello?"):
    """How long it takes until a new client is reset, in seconds."""

    begun = time.monotonic()
    try:
        client = connect(address)
        client.sendall(word)
        expect_reset(client, "the client", 10)
    except (ConnectionResetError, BrokenPipeError):
        # So soon that connecting or sending reports it.
        pass
    return time.monotonic() - begun


@contextlib.contextmanager
def servers(*options):
    """Other servers for a while; each an address and its options."""
    kp("server del app 10.2.0.2:9000")
    for server in options:
        kp("server add app " + server)
    try:
        yield
    finally:
        for server in options:
            kp("server del app " + server.split()[0])
        kp("server add app 10.2.0.2:9000")


@contextlib.contextmanager
def route(*words):
    run("ip", "-n", PROXY, "route", "add", *words)
    try:
        yield
    finally:
        run("ip", "-n", PROXY, "route", "del", *words)


@scene("no listener there: the client is reset at once")
def nobody_listens():
    before = stats()["connect_failures"]
    # Far sooner than the time-outs, which could hide a hang.
    expect_between(time_to_reset(), 0, limit(TIMEOUT * 3), "seconds")
    expect(stats()["connect_failures"] - before, RETRIES + 1,
           "failed connects counted")
    wait_gone()


@scene("no answer: the client is reset after connect-timeout x tries")
def nobody_answers():
    for retries in 0, 2:
        kp(f"upstream set app retries {retries}")
        with netem(SERVER, "eth0", "loss", "100%"):
            least = TIMEOUT * (retries + 1)
            expect_between(time_to_reset(), least * 0.9,
                           least + limit(1), f"seconds at {retries} retries")
        wait_gone()


@scene("no such neighbour: the client is reset")
def no_neighbour():
    with servers("10.2.0.99:9000"):
        expect_between(time_to_reset(), 0,
                       TIMEOUT * (RETRIES + 1) + limit(1), "seconds")
    wait_gone()


@scene("no route: the client is reset at once")
def no_route():
    for kind in "blackhole", "unreachable", "prohibit":
        with route(kind, "10.9.0.0/24"), servers("10.9.0.1:9000"):
            expect_between(time_to_reset(), 0, limit(TIMEOUT * 3),
                           f"seconds ({kind})")
    wait_gone()


@scene("no server in the upstream: the client is reset and counted as refused")
def no_server():
    with servers():
        before = stats()["refused"]
        for to in FRONT, FRONT6:
            expect_between(time_to_reset(to), 0,
                           limit(TIMEOUT * 3), "seconds")
        expect(stats()["refused"] - before, 2, "refused")
        expect(show("listener show web")[0]["stats"]["refused"],
               stats()["refused"], "refused by the listener")
    expect(sessions(), [], "sessions")


@scene("servers that are down, draining or without weight: likewise")
def no_server_up():
    listener = listen()
    for option in "state down", "state drain", "weight 0":
        kp(f"server set app 10.2.0.2:9000 {option}")
        expect_between(time_to_reset(), 0, limit(TIMEOUT * 3),
                       f"seconds ({option})")
        kp("server set app 10.2.0.2:9000 state up weight 1")
    client = connect()
    expect_alive(client, accept(listener))


@scene("another server is tried, and every client is served")
def retry():
    with servers("10.2.0.3:9000", "10.2.0.4:9000"):
        echo = EchoServer(("10.2.0.4", 9000))
        for n in range(20):
            client = connect()
            client.sendall(b"%04d" % n)
            expect(read_exactly(client, 4), b"%04d" % n, "the echo")
            client.close()
        expect(echo.clients, 20, "clients of the server that answers")
        counted = {s["address"]: s["stats"]["connect_failures"]
                   for s in show("server show app")}
        expect(counted["10.2.0.4:9000"], 0, "failures of the one that answers")
        if not counted["10.2.0.3:9000"]:
            raise Failed("the server that does not answer was never tried")
        echo.close()
    wait_gone()


@scene("another server is tried after a time-out, too")
def retry_after_timeout():
    with route("10.8.0.0/24", "via", "10.2.0.2"), \
            servers("10.8.0.1:9000", "10.2.0.4:9000"):
        # No host has 10.8.0.1, and no answer comes back.
        run("ip", "-n", SERVER, "route", "add", "blackhole", "10.8.0.0/24")
        echo = EchoServer(("10.2.0.4", 9000))
        for n in range(4):
            client = connect()
            client.sendall(b"%04d" % n)
            expect(read_exactly(client, 4), b"%04d" % n, "the echo")
            client.close()
        echo.close()
        run("ip", "-n", SERVER, "route", "del", "blackhole", "10.8.0.0/24")
    wait_gone()


@scene("without retries the first failure is the last")
def no_retries():
    kp("upstream set app retries 0")
    with servers("10.2.0.3:9000", "10.2.0.4:9000"):
        echo = EchoServer(("10.2.0.4", 9000))
        served = 0
        for n in range(10):
            with contextlib.suppress(ConnectionResetError, BrokenPipeError), \
                    connect() as client:
                client.sendall(b"%04d" % n)
                served += client.recv(4) == b"%04d" % n
        expect(served, 5, "of ten clients served")
        echo.close()
    kp("upstream set app retries 2")
    wait_gone()


@scene("a client that gives up while the proxy connects leaves nothing")
def client_gives_up():
    kp("listener set web connect-timeout 60s")
    with netem(SERVER, "eth0", "loss", "100%"):
        clients = [connect() for _ in range(10)]
        wait_for(lambda: len(sessions()) == 10, "all are connecting")
        for client in clients:
            client.sendall(b"x")
            reset(client)
        wait_gone(5)
    kp("listener set web connect-timeout 400ms")


@scene("many clients that cannot be served are all reset")
def many():
    count = max(scaled(200), 20)
    with netem(SERVER, "eth0", "loss", "100%"):
        clients = []
        for _ in range(count):
            # Where connecting takes long, the first are reset before the last
            # are there; each must have sent by then.
            clients.append(connect())
            clients[-1].sendall(b"y" * KB)
        begun = time.monotonic()
        for client in clients:
            expect_reset(client, "a client", 10)
        expect_between(time.monotonic() - begun, 0,
                       TIMEOUT * (RETRIES + 1) + limit(3), "seconds")
    wait_gone()


@scene("afterwards everything works")
def afterwards():
    client, server = pair()
    expect_alive(client, server)


main()
