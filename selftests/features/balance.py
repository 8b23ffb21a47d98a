# SPDX-License-Identifier: GPL-2.0
"""Each balance method chooses as documented."""

import contextlib
import threading
from collections import Counter

from peer import (BACK, CLIENT, FRONT, EchoServer, Failed, Threads, connect,
                  expect, expect_between, kp, main, new_socket, read_exactly,
                  scaled, scene, show, wait_for, wait_gone)

SET_UP = r"""
load
topology
# Clients with many addresses.
for n in $(seq 100 149); do
    ip -n kp-client addr add "10.1.0.$n/24" dev eth0
done
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app \
    connect-timeout 2s
"""

HOST = BACK[0]


def address(port):
    return f"{HOST}:{port}"


@contextlib.contextmanager
def farm(balance, weights, options=""):
    """

    Servers at ports from 9001 on, which name themselves, for a while; a weight
    of None is a server that does not answer.
    """
    echoes = {}
    lines = [f"upstream set app balance {balance}"]
    for port, weight in enumerate(weights, 9001):
        if weight is not None:
            echoes[port] = EchoServer((HOST, port), b"%05d" % port)
        lines.append(f"server add app {address(port)} "
                     f"weight {weight or 1} {options}")
    kp("-b -", text="\n".join(lines))
    try:
        yield echoes
    finally:
        kp("-b -", text="\n".join(f"server del app {s['address']}"
                                  for s in show("server show app")))
        for echo in echoes.values():
            echo.close()


def visit(source=None):
    """A client that has been answered, and the port of its server."""
    if source:
        sock = new_socket(CLIENT, FRONT)
        sock.bind((source, 0))
        sock.connect(FRONT)
    else:
        sock = connect()
    return sock, int(read_exactly(sock, 5))


def visit_once(source=None):
    sock, port = visit(source)
    sock.close()
    return port


def visits(n):
    return Counter(visit_once() for _ in range(n))


def hold(n):
    """Clients that stay, and how many of them each server has."""
    held = [visit() for _ in range(n)]
    return held, Counter(port for _, port in held)


def release(held):
    for sock, _ in held:
        sock.close()
    wait_gone()


@scene("roundrobin: equal servers in the order in which they were added")
def roundrobin_order():
    with farm("roundrobin", [1, 1, 1]):
        first = visit_once()
        for n in range(1, 12):
            expect(visit_once(), 9001 + (first - 9001 + n) % 3,
                   f"the server of client {n}")


@scene("roundrobin: each as often as its weight says, and not in a row")
def roundrobin_weights():
    with farm("roundrobin", [5, 1, 2]):
        got = [visit_once() for _ in range(40)]
        expect(Counter(got), {9001: 25, 9002: 5, 9003: 10}, "clients")
        longest = max(len(run) for run in
                      "".join("x" if port == 9001 else " "
                              for port in got).split())
        expect_between(longest, 1, 4, "turns of the heaviest at a stretch")


@scene("a change counts for the very next client")
def at_once():
    with farm("roundrobin", [1, 1]):
        for change, want in (("weight 0", {9002}), ("weight 1", {9001, 9002}),
                             ("state drain", {9002}),
                             ("state up", {9001, 9002}),
                             ("state down", {9002}),
                             ("state up weight 256", {9001})):
            kp(f"server set app {address(9001)} {change}")
            expect({visit_once(), visit_once()}, want, f"who after {change}")
        kp(f"server del app {address(9001)}")
        expect(visits(4), {9002: 4}, "after a server was deleted")
        kp(f"server add app {address(9001)}")
        expect({visit_once(), visit_once()}, {9001, 9002},
               "after it was added")


@scene("leastconn: sessions that stay are spread by weight")
def leastconn_weights():
    with farm("leastconn", [1, 2, 3]):
        held, got = hold(30)
        expect(got, {9001: 5, 9002: 10, 9003: 15}, "sessions")
        release(held)


@scene("leastconn: a server that has lost its sessions gets the next ones")
def leastconn_catches_up():
    with farm("leastconn", [1, 1, 1]):
        held, _ = hold(30)
        mine = [one for one in held if one[1] == 9002]
        for sock, _ in mine:
            sock.close()
        wait_for(lambda: [s["stats"]["sessions"]
                          for s in show("server show app")] == [10, 0, 10],
                 "the sessions of 9002 are gone")
        more, got = hold(10)
        expect(got, {9002: 10}, "the next ten")
        release(held + more)


@scene("leastconn: clients that come one by one are spread by weight")
def leastconn_idle():
    with farm("leastconn", [1, 3]):
        got = Counter()
        for _ in range(8):
            got[visit_once()] += 1
            wait_gone()
        expect(got, {9001: 2, 9002: 6}, "clients")


@scene("random: sessions that stay are spread nearly evenly")
def random_spread():
    with farm("random", [1] * 4):
        held, got = hold(60)
        expect_between(min(got.values()), 11, 15, "the fewest of a server")
        expect_between(max(got.values()), 15, 19, "the most of a server")
        release(held)


def clients():
    """The server of each of fifty client addresses."""
    return {n: visit_once(f"10.1.0.{n}") for n in range(100, 150)}


@scene("maglev: a client keeps its server, whatever the order of servers")
def maglev_same():
    with farm("maglev", [1, 1, 2, 1]):
        before = clients()
        expect_between(min(Counter(before.values()).values()), 1, 20,
                       "clients of the server with the fewest")
        lines = [f"server del app {address(port)}" for port in (9001, 9003)]
        lines += [f"server add app {address(9003)} weight 2",
                  f"server add app {address(9001)}"]
        kp("-b -", text="\n".join(lines))
        expect(clients(), before, "who serves whom after they came back")


@scene("maglev: without one server of ten, the others keep their clients")
def maglev_moves():
    with farm("maglev", [1] * 10):
        before = clients()
        kp(f"server set app {address(9004)} state drain")
        after = clients()
        others = [n for n in before if before[n] != 9004]
        if 9004 in after.values():
            raise Failed("a server that is drained gets clients")
        moved = sum(before[n] != after[n] for n in others)
        expect_between(100 * moved / len(others), 0, 15, "per cent moved")
        kp(f"server set app {address(9004)} state up")
        expect(clients(), before, "who serves whom when it is back")


@scene("with each method, no server that has failed a client is tried twice")
def retries():
    kp("upstream set app retries 3")
    for balance in "roundrobin", "leastconn", "random", "maglev":
        with farm(balance, [None, None, 1, None]):
            expect(visits(12), {9003: 12}, f"clients by {balance}")
    kp("upstream set app retries 2")


@scene("choices under changes of servers and of the method")
def storm():
    with farm("roundrobin", [1] * 8):
        threads = Threads()
        lines = []
        for n in range(40):
            for balance in "leastconn", "random", "maglev", "roundrobin":
                server = address(9001 + n % 8)
                lines += [f"upstream set app balance {balance}",
                          f"server del app {server}",
                          f"server add app {server} weight {1 + n % 256}"]
        over = threading.Event()

        def come():
            while not over.is_set():
                visit_once()

        for _ in range(3):
            threads.go(come)
        try:
            for _ in range(max(scaled(4), 2)):
                kp("-b -", text="\n".join(lines))
        finally:
            over.set()
        threads.join()
        wait_gone()


main()
