# SPDX-License-Identifier: GPL-2.0
"""Idle connections, which are made before a client comes."""

import contextlib
import os
import select
import socket
import threading
import time

from peer import (BACK, KB, SERVER, EchoServer, Stream, Threads, accept,
                  connect, expect, expect_alive, expect_between, expect_reset,
                  knock, kp, limit, listen, main, netem, read_exactly,
                  receive_stream, reset, scaled, scene, sessions, show, stats,
                  tcp_sockets, unreachable, wait_for, wait_gone)

CPUS = os.cpu_count()
NAME = f"{BACK[0]}:{BACK[1]}"


def counts():
    return show("server show app")[0]["preconnect"]


def wait_ready(n, seconds=20):
    wait_for(lambda: counts()["ready"] == n, f"{n} are ready", seconds)


@contextlib.contextmanager
def preconnect(n, words=""):
    """This many for each CPU, for a while."""
    kp(f"upstream set app preconnect {n}")
    kp(f"server add app {NAME} {words}")
    try:
        yield n * CPUS
    finally:
        kp(f"server del app {NAME}")
        kp("upstream set app preconnect 0")


def accept_all(listener, n):
    return [accept(listener) for _ in range(n)]


def addressed(socks):
    """The connection that has received something."""
    found, _, _ = select.select(socks, [], [], limit(20))
    expect(len(found), 1, "sockets to which something came")
    return found[0]


@scene("idle connections are made, nothing is sent on them, one is used")
def used():
    with listen() as listener, preconnect(2) as n:
        socks = accept_all(listener, n)
        wait_ready(n)
        expect(show("upstream show app")[0]["preconnect"], 2,
               "preconnect as it is shown")
        expect(select.select(socks, [], [], 0.5)[0], [], "sockets with bytes")
        before = counts()
        client = connect()
        wait_for(lambda: [s["state"] for s in sessions()] == ["established"],
                 "the session is established")
        expect(select.select(socks, [], [], 0.2)[0], [], "sockets with bytes")
        client.sendall(b"hello")
        server = addressed(socks)
        expect(read_exactly(server, 5), b"hello", "what came")
        expect_alive(client, server)
        expect(sessions()[0]["source"], "%s:%d" % server.getpeername(),
               "source of the session")
        expect(counts()["used"] - before["used"], 1, "used")
        expect(counts()["missed"], before["missed"], "missed")
        # It is replaced.
        accept(listener)
        wait_ready(n)
        client.shutdown(socket.SHUT_WR)
        expect(server.recv(1), b"", "the end")
        server.sendall(b"late")
        server.close()
        expect(read_exactly(client, 4), b"late", "what came after that")
        expect(client.recv(1), b"", "the end")
    wait_gone()


@scene("a banner that came early is delivered")
def banner():
    size = scaled(64 * KB, 4 * KB)
    with listen() as listener, preconnect(1) as n:
        socks = accept_all(listener, n)
        for sock in socks:
            sock.sendall(Stream(1).take(size))
        wait_ready(n)
        client = connect()
        expect_between(counts()["used"], 1, 1, "used")
        receive_stream(client, Stream(1), size, end=False)
        client.close()
        for sock in socks:
            sock.close()
    wait_gone()


@scene("a connection that the server closes or resets is replaced, not used")
def dead():
    with listen() as listener, preconnect(2) as n:
        socks = accept_all(listener, n)
        wait_ready(n)
        for end in (reset, socket.socket.close):
            for sock in socks[:n // 2]:
                end(sock)
            socks = socks[n // 2:] + accept_all(listener, n // 2)
            wait_ready(n)
            before = stats()["connect_failures"]
            for _ in range(3):
                client = connect()
                client.sendall(b"x")
                server = addressed(socks)
                socks.remove(server)
                expect(read_exactly(server, 1), b"x", "what came")
                expect_alive(client, server)
                client.close()
                server.close()
                socks.append(accept(listener))
                wait_ready(n)
            expect(stats()["connect_failures"], before, "failures")
    wait_gone()


class Closing:
    """A server that closes all connections at once."""

    def __init__(self):
        self.accepted = 0
        self._socket = listen()
        self._socket.settimeout(None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self._socket.accept()[0].close()
                self.accepted += 1

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@scene("a server that refuses them is not stormed, nor ejected")
def no_storm():
    kp("upstream set app eject 1")
    with contextlib.closing(Closing()) as server, preconnect(4) as n:
        wait_for(lambda: server.accepted >= n, "it has closed the first")
        begun, first = time.monotonic(), server.accepted
        time.sleep(3)
        # After 0.1 s, 0.2 s, 0.4 s and so on.
        rounds, spent = 1, 0
        while spent < time.monotonic() - begun:
            spent += 0.1 * 2 ** rounds
            rounds += 1
        expect_between(server.accepted - first, 0, n * (rounds + 1),
                       "connections")
        server.close()
        before = stats()["connect_failures"]
        # Refused now. A client's failure counts, theirs do not.
        time.sleep(1)
        expect(stats()["connect_failures"], before, "failures")
        expect(show("server show app")[0]["health"], "unknown", "health")
        with listen():
            wait_ready(n, 30)
    kp("upstream set app eject 0")
    wait_gone()


@scene("their number follows the option: more, fewer, or none")
def trimmed():
    with listen() as listener, preconnect(3) as n:
        wait_ready(n)
        kp("upstream set app preconnect 1")
        wait_ready(CPUS)
        kp("upstream set app preconnect 2")
        wait_ready(2 * CPUS)
        for off, on in (("state drain", "state up"),
                        ("state down", "state up"),
                        ("weight 0", "weight 1")):
            kp(f"server set app {NAME} {off}")
            wait_ready(0)
            wait_for(lambda: not tcp_sockets(), "the proxy has no socket")
            kp(f"server set app {NAME} {on}")
            wait_ready(2 * CPUS)
        kp(f"server set app {NAME} maxconn 1")
        wait_ready(1)
        client = connect()
        wait_for(lambda: len(sessions()) == 1, "a session")
        wait_ready(0)
        client.close()
        for sock in iter(lambda: acceptable(listener), None):
            sock.close()
        wait_ready(1)
        kp(f"server set app {NAME} maxconn 0")
        wait_ready(2 * CPUS)
        kp("upstream set app preconnect 0")
        wait_gone()


def acceptable(listener):
    listener.settimeout(limit(0.2))
    try:
        return accept(listener)
    except TimeoutError:
        return None


@scene("a change of socket options replaces them")
def other_options():
    with listen() as listener, preconnect(1) as n:
        socks = accept_all(listener, n)
        wait_ready(n)
        for words, host in (("source 10.2.0.11", "10.2.0.11"),
                            ("dscp 10", "10.2.0.11"),
                            ("source default dscp 0", "10.2.0.1")):
            kp(f"upstream set app {words}")
            for sock in socks:
                expect_reset(sock, f"one from before {words}")
            socks = accept_all(listener, n)
            expect({sock.getpeername()[0] for sock in socks}, {host},
                   f"from where after {words}")
            wait_ready(n)
            client = connect()
            client.sendall(b"x")
            server = addressed(socks)
            socks.remove(server)
            client.close()
            server.close()
            socks.append(accept(listener))
            wait_ready(n)
    wait_gone()


@scene("more than are made in one go")
def many():
    with listen() as listener, preconnect(20) as n:
        accept_all(listener, n)
        wait_ready(n)


@scene("an unreachable server is tried again, and not waited for")
def no_route():
    with listen() as listener, unreachable(BACK[0]) as no_more, \
            preconnect(2) as n:
        if client := knock():
            expect_reset(client, "a client without a server")
        expect(counts()["ready"], 0, "ready")
        # It is tried again by the session, too.
        expect_between(counts()["missed"], 1, 3, "missed")
        no_more()
        wait_ready(n, 60)
        accept_all(listener, n)
    wait_gone()


@scene("a connect without an answer is given up, and tried again")
def silent():
    with listen(backlog=0) as listener:
        first = connect(BACK, ns=SERVER)
        with preconnect(1):
            asked = set()

            def another():
                asked.update(line.split()[3] for line in tcp_sockets()
                             if line.startswith("SYN-SENT"))
                return len(asked) > CPUS

            # TCP itself gives up after 127 seconds.
            wait_for(another, "other connections are tried", 20)
            accept(listener).close()
            first.close()

            def all_ready():
                # Its queue has room for one. Another connection that comes at
                # the same time is connected, too, because the last ACK is not
                # answered; a later one is connected when there is room again.
                if select.select([listener], [], [], 0)[0]:
                    accept(listener)
                return counts()["ready"] == CPUS

            wait_for(all_ready, f"{CPUS} are ready", 60)


@scene("it cannot be combined with source client")
def refused():
    for first, second in (("preconnect 1", "source client"),
                          ("source client", "preconnect 1")):
        kp(f"upstream set app {first}")
        done = kp(f"upstream set app {second}", check=False)
        expect("cannot be combined" in done.stderr and done.returncode, 2,
               f"{second}: {done.stderr.strip()}")
        kp("upstream set app preconnect 0 source default")
    done = kp("upstream set app preconnect 257", check=False)
    expect(done.returncode, 1, "257")


@scene("a crowd: every client is served, by idle connections and by new ones")
def crowd():
    echo = EchoServer(greeting=b"220")
    rounds = scaled(16, 4)
    with preconnect(2) as n:
        wait_ready(n)
        before = counts()
        threads = Threads()

        def come(k):
            for i in range(rounds):
                with connect() as sock:
                    word = b"%03d %03d" % (k, i)
                    sock.sendall(word)
                    expect(read_exactly(sock, 10), b"220" + word, "the echo")

        for k in range(12):
            threads.go(come, k)
        threads.join()
        after = counts()
        total = (after["used"] + after["missed"] - before["used"] -
                 before["missed"])
        expect(total, 12 * rounds, "clients")
        expect(after["used"] - before["used"] >= n, True, f"used: {after}")
        kp(f"session kill server {NAME}", check=False)
        wait_ready(n)
    echo.close()
    wait_gone(30)


@scene("a used one is replaced soon, also when all were just made")
def replaced():
    """The work waits for answers then, which come later."""
    with netem(SERVER, "eth0", "delay", "50ms"), listen() as listener:
        with preconnect(4) as n:
            socks = accept_all(listener, n)
            wait_ready(n)
            client = connect()
            client.sendall(b"x")
            server = addressed(socks)
            begun = time.monotonic()
            accept(listener)
            took = time.monotonic() - begun
            expect_between(took, 0, 2.5, "seconds until the next one came")
            expect(read_exactly(server, 1), b"x", "what came")
            client.close()
            server.close()
    wait_gone()


@scene("a listener that leads to itself makes no storm")
def circle():
    kp("upstream add loop preconnect 1 retries 0")
    kp("listener add loop 10.1.0.1:8002 upstream loop")
    kp("server add loop 10.1.0.1:8002")
    time.sleep(2)
    expect_between(len(sessions()), 0, 10 * CPUS, "sessions")
    begun = stats()["sessions_total"]
    time.sleep(1)
    expect_between(stats()["sessions_total"] - begun, 0, 100 * CPUS,
                   "sessions in a second")
    kp("upstream set loop preconnect 0")
    kp("listener del loop kill")
    kp("upstream del loop")
    wait_gone(30)


@scene("when a server is deleted, idle ones end and sessions go on")
def deleted():
    with listen() as listener:
        with preconnect(2) as n:
            socks = accept_all(listener, n)
            wait_ready(n)
            client = connect()
            client.sendall(b"x")
            server = addressed(socks)
            expect(read_exactly(server, 1), b"x", "what came")
            socks.remove(server)
        for sock in socks:
            expect_reset(sock, "an idle one")
        expect_alive(client, server)
        client.close()
        server.close()
    wait_gone()


main()
