# SPDX-License-Identifier: GPL-2.0
"""The life of a server: its limit and its queue, backups, ejection."""

import contextlib
import json
import re
import socket
import threading
import time

from peer import (PATIENCE, EchoServer, Failed, Threads, connect, expect,
                  expect_between, expect_reset, kp, limit, listen, main,
                  read_exactly, reset, scaled, scene, sessions, show, stats,
                  wait_for, wait_gone)

SET_UP = r"""
load
topology
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app \
    connect-timeout 10m
"""

ONE, TWO, THREE = (("10.2.0.2", 9001), ("10.2.0.2", 9002), ("10.2.0.2", 9003))


def name(address):
    return f"{address[0]}:{address[1]}"


@contextlib.contextmanager
def servers(*options):
    """

    Servers of the upstream, for a while: an address and options each.
    EchoServers send their name when a client connects.
    """
    for address, words in options:
        kp(f"server add app {name(address)} {words}")
    try:
        yield
    finally:
        for server in show("server show app"):
            kp(f"server del app {server['address']}")


@contextlib.contextmanager
def answering(*addresses):
    echoes = [EchoServer(address, b"%05d" % address[1])
              for address in addresses]
    try:
        yield echoes
    finally:
        for echo in echoes:
            echo.close()


def who(sock):
    """The server of a client."""
    return ("10.2.0.2", int(read_exactly(sock, 5)))


def visit():
    with connect() as sock:
        return who(sock)


def state_of(address):
    return next(s for s in show("server show app")
                if s["address"] == name(address))


def waiting():
    return [s for s in sessions("upstream app") if not s["server"]]


def wait_waiting(n):
    wait_for(lambda: len(waiting()) == n, f"{n} clients wait")


def served(sock):
    """Whether a client has received something, without reading it."""
    sock.setblocking(False)
    try:
        return bool(sock.recv(1, 2))  # MSG_PEEK
    except BlockingIOError:
        return False
    finally:
        sock.settimeout(limit(20))


@scene("maxconn: further clients wait, and are served in their order")
def in_order():
    with answering(ONE), servers((ONE, "maxconn 2")):
        expect(state_of(ONE)["maxconn"], 2, "maxconn as it is shown")
        inside = [connect(), connect()]
        for sock in inside:
            expect(who(sock), ONE, "the server")
        queue = []
        for n in range(1, 5):
            queue.append(connect())
            wait_waiting(n)
        expect({s["state"] for s in waiting()}, {"connecting"},
               "the state of a waiting client")
        expect(state_of(ONE)["stats"]["sessions"], 2, "sessions of the server")
        while queue:
            inside.pop(0).close()
            first = queue.pop(0)
            expect(who(first), ONE, "the server of the first in the queue")
            expect([sock for sock in queue if served(sock)], [],
                   "others that were served")
            inside.append(first)
        expect(state_of(ONE)["stats"]["sessions"], 2, "sessions of the server")
        for sock in inside:
            sock.close()
    wait_gone()


@scene("a client that has waited for connect-timeout is reset, and counted")
def waits_in_vain():
    kp(f"listener set web connect-timeout {PATIENCE * 300}ms")
    with answering(ONE), servers((ONE, "maxconn 1")):
        inside = connect()
        who(inside)
        before = stats()
        begun = time.monotonic()
        outside = connect()
        expect_reset(outside, "who waits")
        expect_between(time.monotonic() - begun, PATIENCE * 0.25,
                       PATIENCE * 0.3 + limit(1), "seconds")
        after = stats()
        expect(after["refused"] - before["refused"], 1, "refused")
        expect(after["connect_failures"], before["connect_failures"],
               "connects that failed")
        inside.close()
        wait_gone()
        expect(visit(), ONE, "the server of the next one")
    kp("listener set web connect-timeout 10m")
    wait_gone()


@scene("a client with a PROXY header waits after its header")
def greets_and_waits():
    kp("listener set web accept-proxy on")
    hello = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    with answering(ONE), servers((ONE, "maxconn 1")):
        inside, outside = connect(), connect()
        inside.sendall(hello)
        expect(who(inside), ONE, "the server of the first")
        outside.sendall(hello + b"early")
        wait_for(lambda: [s["state"] for s in waiting()] == ["connecting"],
                 "the second waits")
        inside.close()
        expect(who(outside), ONE, "the server of the second")
        expect(read_exactly(outside, 5), b"early", "what it has sent")
        outside.close()
    kp("listener set web accept-proxy off")
    wait_gone()


@scene("after one server has failed, a client waits for the full one")
def fails_and_waits():
    with answering(TWO), servers((TWO, "maxconn 1")):
        inside = connect()
        expect(who(inside), TWO, "the server of the first")
        kp(f"server add app {name(ONE)}")
        outside = connect()
        wait_for(lambda: state_of(ONE)["stats"]["connect_failures"] == 1,
                 "a server has failed")
        wait_waiting(1)
        inside.close()
        expect(who(outside), TWO, "the server of the second")
        outside.close()
    wait_gone()


@scene("a client that leaves the queue, or is killed in it, blocks no other")
def leaves():
    with answering(ONE), servers((ONE, "maxconn 1")):
        inside = connect()
        who(inside)
        queue = []
        for n in range(1, 5):
            queue.append(connect())
            wait_waiting(n)
        reset(queue[0])
        wait_waiting(3)
        second = min(s["id"] for s in waiting())
        kp(f"session kill {second}")
        expect_reset(queue[1], "who was killed")
        inside.close()
        expect(who(queue[2]), ONE, "the server of the third")
        queue[2].close()
        expect(who(queue[3]), ONE, "the server of the fourth")
        queue[3].close()
    wait_gone()


@scene("more room, or another server, serves waiting clients")
def more_room():
    with answering(ONE, TWO), servers((ONE, "maxconn 1")):
        socks = [connect()]
        who(socks[0])
        for n in range(1, 4):
            socks.append(connect())
            wait_waiting(n)
        kp(f"server set app {name(ONE)} maxconn 2")
        expect(who(socks[1]), ONE, "after more room")
        kp(f"server add app {name(TWO)} maxconn 1")
        expect(who(socks[2]), TWO, "after another server came")
        kp(f"server set app {name(TWO)} maxconn 0")
        expect(who(socks[3]), TWO, "after the limit was taken away")
        for sock in socks:
            sock.close()
    wait_gone()


@scene("when the last server goes, waiting clients are reset")
def server_goes():
    with answering(ONE), servers((ONE, "maxconn 1")):
        inside = connect()
        who(inside)
        queue = [connect(), connect()]
        wait_waiting(2)
        kp(f"server set app {name(ONE)} state drain")
        for sock in queue:
            expect_reset(sock, "who waited")
        expect(len(sessions()), 1, "live sessions")
        inside.close()
    wait_gone()


class Counting:
    """A server that counts its concurrent clients."""

    def __init__(self, address):
        self.now = self.most = self.total = 0
        self._lock = threading.Lock()
        self._socket = listen(address)
        self._socket.settimeout(None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                with self._lock:
                    self.now += 1
                    self.total += 1
                    self.most = max(self.most, self.now)
                threading.Thread(target=self._serve, args=(sock,),
                                 daemon=True).start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError):
            sock.sendall(b"hello")
            sock.recv(5)
            # A session ends only after this side has closed.
            with self._lock:
                self.now -= 1

    def close(self):
        # Closing alone does not wake a thread in accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@scene("a crowd: never more than maxconn at a server, and all are served")
def crowd():
    one, two = Counting(ONE), Counting(TWO)
    rounds = max(scaled(20), 5)
    with servers((ONE, "maxconn 3"), (TWO, "maxconn 2")):
        threads = Threads()

        def come():
            for _ in range(rounds):
                with connect() as sock:
                    expect(read_exactly(sock, 5), b"hello", "the greeting")
                    sock.sendall(b"bye..")
                    expect(sock.recv(1), b"", "the end")

        for _ in range(12):
            threads.go(come)
        threads.join()
        wait_gone()
        expect_between(one.most, 2, 3, "clients at once at the first")
        expect_between(two.most, 1, 2, "clients at once at the second")
        expect(one.total + two.total, rounds * 12, "clients served")
    one.close()
    two.close()


@scene("a backup is used while no other server takes sessions, and only then")
def backup():
    with answering(ONE, TWO, THREE), \
            servers((ONE, ""), (TWO, ""), (THREE, "backup on")):
        expect(state_of(THREE)["backup"], "on", "backup as it is shown")
        expect({visit() for _ in range(6)}, {ONE, TWO}, "who serves")
        kp(f"server set app {name(ONE)} state drain")
        expect({visit() for _ in range(4)}, {TWO}, "who serves without one")
        kp(f"server set app {name(TWO)} weight 0")
        expect({visit() for _ in range(4)}, {THREE}, "who serves without both")
        kp(f"server set app {name(ONE)} state up")
        expect({visit() for _ in range(4)}, {ONE}, "who serves with one again")
        kp(f"server set app {name(THREE)} backup off")
        expect({visit() for _ in range(4)}, {ONE, THREE},
               "who serves when it is no backup any more")
    wait_gone()


@scene("a full server is waited for, though there is a backup")
def full_is_up():
    with answering(ONE, TWO), servers((ONE, "maxconn 1"), (TWO, "backup on")):
        inside = connect()
        who(inside)
        outside = connect()
        wait_waiting(1)
        inside.close()
        expect(who(outside), ONE, "the server of the client that waited")
        outside.close()
    wait_gone()


@scene("a client that all servers have failed gets the backup")
def backup_after_failures():
    with answering(THREE), \
            servers((ONE, ""), (TWO, ""), (THREE, "backup on")):
        expect([visit() for _ in range(4)], [THREE] * 4, "who serves")
    wait_gone()


def fail(n):
    """A number of clients whose only connect fails."""
    for _ in range(n):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            with connect() as sock:
                sock.sendall(b"?")
                expect_reset(sock, "a client that can't be served")


@scene("eject: N failures in a row take a server out, for eject-time")
def eject():
    kp(f"upstream set app eject 3 eject-time {PATIENCE * 1500}ms retries 0")
    with servers((ONE, "")):
        fail(2)
        with answering(ONE):
            expect(visit(), ONE, "one that was answered")
        fail(2)
        expect(state_of(ONE)["health"], "unknown",
               "health before three in a row")
        begun = time.monotonic()
        fail(1)
        expect(state_of(ONE)["health"], "ejected", "health after three")
        failures = state_of(ONE)["stats"]["connect_failures"]
        refused = stats()["refused"]
        fail(2)
        expect(stats()["refused"] - refused, 2, "refused")
        expect(state_of(ONE)["stats"]["connect_failures"], failures,
               "connects while it is out")
        with answering(ONE):
            wait_for(lambda: state_of(ONE)["health"] == "unknown",
                     "it is back")
            expect_between(time.monotonic() - begun, PATIENCE * 1.4,
                           PATIENCE * 1.5 + limit(2), "seconds until then")
            wait_for(lambda: not fail_or_visit(), "it is used again")
    kp("upstream set app eject 0 eject-time 30s retries 2")
    wait_gone()


def fail_or_visit():
    try:
        return visit() != ONE
    except (ConnectionResetError, BrokenPipeError, Failed):
        return True


@scene("eject: the others serve, and no client needs a retry")
def eject_others():
    kp("upstream set app eject 2 balance leastconn")
    with answering(TWO), servers((ONE, ""), (TWO, "")):
        for _ in range(10):
            expect(visit(), TWO, "who serves")
        expect(state_of(ONE)["health"], "ejected", "health of the other")
        failures = state_of(ONE)["stats"]["connect_failures"]
        expect(failures, 2, "connects that failed")
        shown = show("upstream show app")[0]
        expect(shown["eject"], 2, "eject as it is shown")
    kp("upstream set app eject 0 balance roundrobin")
    wait_gone()


@scene("eject 0 brings ejected servers back")
def eject_off():
    kp("upstream set app eject 1 eject-time 1h retries 0")
    with servers((ONE, "")):
        fail(1)
        expect(state_of(ONE)["health"], "ejected", "health")
        kp("upstream set app eject 0")
        with answering(ONE):
            wait_for(lambda: not fail_or_visit(), "it is used")
        expect(state_of(ONE)["health"], "unknown", "health")
    kp("upstream set app eject-time 30s retries 2")
    wait_gone()


@scene("why a server is ejected, and for how long, is shown")
def why_ejected():
    kp("upstream set app eject 3 eject-time 1h retries 0")
    with servers((ONE, "name first"), (TWO, "state down")):
        fail(3)
        row = state_of(ONE)
        expect((row["health"], row["failures"]), ("ejected", 3), "why")
        expect_between(row["eject_left_ms"], 3000000, 3600000, "how long")
        expect("failures" in state_of(TWO), False, "of the other server")
        for words in "server show app", "upstream show app", \
                "top interval 100ms count 1":
            if not re.search(r"ejected: 3 failures, \S+ left",
                             kp(words).stdout):
                raise Failed(f"{words}: {kp(words).stdout}")
        away = json.loads(kp("-j top interval 100ms count 1").stdout)["away"]
        expect([(r["address"], r["name"]) for r in away],
               [(name(ONE), "first")], "servers that top lists")
        kp("upstream set app eject 0")
        wait_for(lambda: "failures" not in state_of(ONE), "it is back")
    kp("upstream set app eject-time 30s retries 2")
    wait_gone()


@scene("the name of a server is in sessions, records and events")
def named():
    with servers((ONE, "name first")), answering(ONE):
        client = connect()
        expect(who(client), ONE, "the server")
        expect(sessions()[0]["server_name"], "first", "of the session")
        kp(f"server set app {name(ONE)} name second")
        expect(sessions()[0]["server_name"], "second", "after a change")
        client.close()
        wait_gone()
        wait_for(lambda: json.loads(kp("-j log").stdout)[-1]["server_name"] ==
                 "second", "of the record")
        kp(f"server set app {name(ONE)} name default")
        expect(visit(), ONE, "the server")
        wait_gone()
        wait_for(lambda: json.loads(kp("-j log").stdout)[-1]["server_name"] ==
                 "", "of one without")


@scene("waiting clients and ejected servers end with their upstream")
def teardown():
    kp("upstream add other eject 1 eject-time 1h retries 0")
    kp("listener add second 10.1.0.1:8001 upstream other connect-timeout 10m")
    kp(f"server add other {name(ONE)}")
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        expect_reset(connect(("10.1.0.1", 8001)), "a client")
    wait_for(lambda: show("server show other")[0]["health"] == "ejected",
             "it is ejected")
    kp(f"server add other {name(TWO)} maxconn 1")
    with answering(TWO):
        inside = connect(("10.1.0.1", 8001))
        who(inside)
        outside = connect(("10.1.0.1", 8001))
        wait_for(lambda: len(sessions("upstream other")) == 2, "one waits")
        kp("listener del second")
        kp("upstream del other")
        expect_reset(outside, "who waited")
        inside.sendall(b"on")
        expect(read_exactly(inside, 2), b"on", "who was there")
        inside.close()
    wait_gone()


main()
