# SPDX-License-Identifier: GPL-2.0
"""Which clients are admitted."""

import time

from peer import (CLIENT, FRONT, FRONT6, EchoServer, Failed, connect, expect,
                  expect_alive, expect_between, expect_reset, knock, kp, limit,
                  listener_options, main, new_socket, pair, read_exactly, scene,
                  sessions, show, stats, wait_for, wait_gone)

SECOND = ("10.1.0.3", 0)
SECOND6 = ("fd01::3", 0)
ELSEWHERE6 = ("fd0a::2", 0)


def connect_from(address, to=FRONT):
    """
    A client that connects from one of its addresses; None if the reset came
    before connect() returned.
    """
    sock = new_socket(CLIENT, address)
    sock.bind(address)
    try:
        sock.connect(to)
    except ConnectionResetError:
        return None
    return sock


def options(words):
    return listener_options(words, "rate 0 client-maxconn 0 client-rate 0 "
                            "allow all deny none")


def served(client, seconds=10):
    """Whether a client is served; if not, it must be reset."""
    if client is None:
        return False
    client.settimeout(limit(seconds))
    try:
        client.sendall(b"hello")
        return read_exactly(client, 5) == b"hello"
    except (ConnectionResetError, BrokenPipeError):
        return False


def expect_served(client, what):
    if not served(client):
        raise Failed(f"{what} was reset")


def expect_refused(client, what):
    if client is None:
        return
    try:
        expect_reset(client, what)
    except (ConnectionResetError, BrokenPipeError):
        pass


def refused():
    """By this listener; the namespace counts those of all listeners, deleted
    ones too."""
    count = show("listener show web")[0]["stats"]["refused"]
    expect_between(count, 0, stats()["refused"], "refused by the listener")
    return count


@scene("rate: clients that come too early wait, and all are served")
def rate():
    rate, count = 20, 60
    echo, before = EchoServer(), refused()
    with options(f"rate {rate}"):
        # Earlier clients are out of the window.
        time.sleep(2.1)
        begun = time.monotonic()
        clients = [connect() for _ in range(count)]
        for client in clients:
            client.sendall(b"x")
        times = []
        for client in clients:
            read_exactly(client, 1)
            times.append(time.monotonic() - begun)
        # A second's worth at once, then evenly.
        expect_between(times[-1], (count - rate) / rate * 0.9,
                       limit(20), "seconds until the last")
        early = sum(when < 0.9 for when in times)
        expect_between(early, 0, rate, "served in the first second")
    expect(refused() - before, 0, "refused")
    echo.close()
    for client in clients:
        client.close()
    wait_gone()


@scene("rate: waiting clients are served at once when it is lifted")
def rate_lifted():
    echo = EchoServer()
    with options("rate 1"):
        clients = [connect() for _ in range(30)]
        for client in clients:
            client.sendall(b"x")
        read_exactly(clients[0], 1)
        begun = time.monotonic()
    for client in clients[1:]:
        read_exactly(client, 1)
    # It would have taken half a minute.
    expect_between(time.monotonic() - begun, 0, 25, "seconds")
    echo.close()


@scene("rate: refused clients do not use it up")
def rate_and_deny():
    echo = EchoServer()
    with options("rate 1 deny 10.1.0.3/32"):
        begun = time.monotonic()
        for _ in range(90):
            expect_refused(connect_from(SECOND), "a denied client")
        expect_served(connect(), "the first one")
        # Not ninety at one a second.
        expect_between(time.monotonic() - begun, 0, 80, "seconds")
    echo.close()


@scene("client-maxconn: the next session of a client is reset, not another's")
def client_maxconn():
    echo, before = EchoServer(), refused()
    with options("client-maxconn 2"):
        first = [connect() for _ in range(2)]
        for client in first:
            expect_served(client, "one within the limit")
        for _ in range(3):
            expect_refused(knock(), "one over the limit")
        expect(refused() - before, 3, "refused")
        expect_served(connect_from(SECOND), "another client")
        first.pop().close()
        wait_for(lambda: len(sessions()) == 2, "the session is gone")
        expect_served(connect(), "the next one")
        expect_refused(knock(), "one over the limit again")
    expect_served(connect(), "one without a limit")
    echo.close()


@scene("client-maxconn: an IPv6 client is a network of 64 bits")
def client_maxconn_ipv6():
    echo = EchoServer()
    with options("client-maxconn 1"):
        expect_served(connect(FRONT6), "the first")
        expect_refused(connect_from(SECOND6, FRONT6), "its neighbour")
        expect_served(connect_from(ELSEWHERE6, FRONT6), "of another network")
        expect_served(connect(), "one of IPv4")
    echo.close()


@scene("client-maxconn: a listener of both families counts IPv4 by address")
def client_maxconn_mapped():
    echo = EchoServer()
    kp("listener add both *:8010 upstream app client-maxconn 1")
    to, before = ("10.1.0.1", 8010), stats()["refused"]
    expect_served(connect(to), "the first")
    expect_refused(knock(to), "its second")
    expect(stats()["refused"] - before, 1, "refused")
    expect_served(connect_from(SECOND, to), "another address")
    kp("listener del both kill")
    echo.close()


@scene("client-maxconn: each listener counts separately, and from now on")
def client_maxconn_listeners():
    echo = EchoServer()
    old = connect()
    expect_served(old, "one before the limit")
    kp("listener add other 10.1.0.1:8011 upstream app client-maxconn 1")
    with options("client-maxconn 1"):
        expect_served(connect(), "the first at one")
        expect_served(connect(("10.1.0.1", 8011)), "the first at the other")
        expect_refused(knock(), "the second at one")
        expect_served(old, "one before the limit, still")
    kp("listener del other kill")
    echo.close()


@scene("client-rate: a second's worth is served, the rest is reset")
def client_rate():
    echo, rate, count = EchoServer(), 5, 25
    with options(f"client-rate {rate}"):
        before, begun = refused(), time.monotonic()
        good = sum(served(knock()) for _ in range(count))
        took = time.monotonic() - begun
        expect_between(good, rate, rate * (1 + took) + 1, "served")
        expect(refused() - before, count - good, "refused")
        expect_served(connect_from(SECOND), "another client")
        time.sleep(2.1)
        expect_served(connect(), "one after a while")
    echo.close()


@scene("deny: the client is reset and counted, others are served")
def deny():
    echo, before = EchoServer(), refused()
    with options("deny 10.1.0.3/32,fd0a::/64"):
        for address, to in ((SECOND, FRONT), (ELSEWHERE6, FRONT6)):
            expect_refused(connect_from(address, to), address[0])
        expect_served(connect(), "another of IPv4")
        expect_served(connect(FRONT6), "another of IPv6")
        expect(refused() - before, 2, "refused")
        total = show("listener show web")[0]["stats"]["sessions_total"]
        expect_refused(connect_from(SECOND), "one more")
        expect(show("listener show web")[0]["stats"]["sessions_total"], total,
               "sessions begun")
    expect_served(connect_from(SECOND), "one that is no longer denied")
    echo.close()


@scene("allow: only these are served, of both families")
def allow():
    echo = EchoServer()
    with options("allow 10.1.0.3/32"):
        expect_refused(knock(), "another address")
        expect_refused(knock(FRONT6), "the other family")
        expect_served(connect_from(SECOND), "the one that is allowed")
        kp("listener set web allow fd01::/64")
        expect_served(connect(FRONT6), "the network that is allowed")
        expect_refused(connect_from(ELSEWHERE6, FRONT6), "another network")
        expect_refused(knock(), "the other family")
    echo.close()


@scene("the longest prefix wins, allowed or denied, whatever the order")
def longest():
    echo = EchoServer()
    for words in ("deny 10.1.0.0/16,10.1.0.2/32 allow 0.0.0.0/0,10.1.0.2/31",
                  "allow 10.1.0.2/31,0.0.0.0/0 deny 10.1.0.2/32,10.1.0.0/16"):
        with options(words):
            expect_refused(knock(), "10.1.0.2, denied by 32 bits")
            expect_served(connect_from(SECOND), "10.1.0.3, by 31 bits")
            kp("listener set web deny 10.1.0.3/32")
            expect_served(connect(), "10.1.0.2, by 31 bits")
            expect_refused(connect_from(SECOND), "10.1.0.3, by 32 bits")
    echo.close()


@scene("a live session goes on when its client is denied")
def live():
    client, server = pair()
    with options("deny 0.0.0.0/0,::/0"):
        expect_alive(client, server)
        for to in FRONT, FRONT6:
            expect_refused(knock(to), "a new one")
        expect_alive(client, server)


@scene("a thousand networks do not slow accepts down")
def thousand():
    echo, took = EchoServer(), {}
    many = ",".join([f"172.{16 + n // 256}.{n % 256}.0/24"
                     for n in range(500)] +
                    [f"10.{n}.0.0/{16 + n % 16}" for n in range(2, 252)] +
                    [f"10.1.{n}.{n}/32" for n in range(1, 251)])
    for name, words in (("none", "deny none"), ("all", "deny " + many)) * 2:
        with options(words):
            begun = time.monotonic()
            for _ in range(100):
                client = connect()
                expect_served(client, "a client")
                client.close()
            took.setdefault(name, []).append(time.monotonic() - begun)
    print(f"# 100 sessions: {min(took['none']):.2f} s without, "
          f"{min(took['all']):.2f} s with", flush=True)
    expect_between(min(took["all"]), 0, 2 * min(took["none"]) + 0.5,
                   "seconds")
    echo.close()


@scene("clients from many addresses come and go while limits change")
def churn():
    echo = EchoServer()
    with options("client-maxconn 3 client-rate 1000"):
        for n in range(200):
            client = connect_from(SECOND if n % 2 else ("10.1.0.2", 0))
            served(client)
            if client:
                client.close()
            if n % 20 == 0:
                kp(f"listener set web client-maxconn {n % 3} "
                   f"client-rate {n % 7 * 50} deny 10.9.{n}.0/24")
    expect_served(connect(), "one at the end")
    echo.close()


main()
