# SPDX-License-Identifier: GPL-2.0
"""
Changes of the configuration never touch live sessions, unless they are asked
to.
"""

import contextlib
import random
import socket
import threading

from peer import (CLIENT, FRONT, FRONT6, KB, EchoServer, Failed, Stream,
                  Threads, accept, both_ways, connect, expect, expect_alive,
                  expect_eof, expect_reset, fill_quickly, kp, limit, listen,
                  main, netem, pair, read_exactly, receive_stream, scaled,
                  scene, sessions, show, wait_gone)

SET_UP = """
load
topology
modprobe -q sch_netem || true
simple_proxy
"""


class Live:
    """Sessions of all kinds, which must survive."""

    def __init__(self, to=FRONT):
        self.busy = [pair(to=to) for _ in range(4)]
        self.half = pair(to=to)
        self.half[0].shutdown(socket.SHUT_WR)
        expect_eof(self.half[1], "the half-close")
        self.stalled = pair(to=to)
        self.stream = Stream(9)
        self.sent = fill_quickly(self.stalled[0], self.stream)
        self.numbers = {s["id"] for s in sessions()}

    def check(self, after):
        try:
            expect({s["id"] for s in sessions()} >= self.numbers, True,
                   "the sessions are there")
            for ends in self.busy:
                expect_alive(*ends)
            self.half[1].sendall(b"on")
            expect(read_exactly(self.half[0], 2), b"on", "half-closed")
        except (OSError, Failed) as error:
            raise Failed(f"after \"{after}\": {error!r}") from None

    def finish(self):
        """The stalled one has lost nothing meanwhile."""

        receive_stream(self.stalled[1], Stream(9), self.sent, end=False)
        for ends in (*self.busy, self.half, self.stalled):
            for sock in ends:
                sock.close()
        wait_gone()


@scene("adding, changing and deleting objects beside a live session")
def around():
    live = Live()
    for command in ("upstream add other retries 1",
                    "upstream set other retries 3",
                    "server add other 10.2.0.3:9000",
                    "server add app 10.2.0.3:9000 weight 5",
                    "listener add second 10.1.0.1:8001 upstream other",
                    "listener set second upstream app maxconn 7",
                    "server set app 10.2.0.3:9000 weight 9 state drain",
                    "server set app 10.2.0.3:9000 state down",
                    "server del app 10.2.0.3:9000",
                    "listener del second kill",
                    "upstream del other",
                    "stats show reset"):
        kp(command)
        live.check(command)
    live.finish()


@scene("changing the objects of a live session")
def own():
    kp("upstream add other")
    kp("server add other 10.2.0.3:9000")
    live = Live()
    for command in ("upstream set app retries 5",
                    "server set app 10.2.0.2:9000 weight 0",
                    "server set app 10.2.0.2:9000 weight 7 state drain",
                    "server set app 10.2.0.2:9000 state up weight 1",
                    "listener set web maxconn 1",
                    "listener set web maxconn 0 backlog 100 max-age 1ms",
                    "listener set web idle-timeout 1ms fin-timeout 1ms",
                    "listener set web connect-timeout 1ms",
                    "listener set web idle-timeout 10m fin-timeout 60s "
                    "connect-timeout 5s max-age 0 backlog 4096",
                    "listener set web upstream other",
                    "server del app 10.2.0.2:9000",
                    "server add app 10.2.0.2:9000",
                    "listener set web upstream app",
                    "upstream del other"):
        kp(command)
        live.check(command)
    live.finish()


@scene("a deleted listener stops accepting, its sessions go on")
def listener_del():
    kp("listener add second 10.1.0.1:8001 upstream app")
    live = Live((FRONT[0], 8001))
    kp("listener del second")
    live.check("listener del second")
    try:
        connect((FRONT[0], 8001))
    except ConnectionRefusedError:
        pass
    else:
        raise Failed("somebody accepts there")
    expect({s["listener"] for s in sessions()}, {"second"},
           "the listener of its sessions")
    # The name and the port are free again.
    kp("listener add second 10.1.0.1:8001 upstream app")
    live.check("listener add second")
    kp("listener del second")
    live.finish()


@scene("a deleted upstream and its servers: sessions go on")
def upstream_del():
    kp("upstream add other")
    kp("server add other 10.2.0.2:9000")
    kp("listener add second 10.1.0.1:8001 upstream other")
    live = Live((FRONT[0], 8001))
    expect(kp("upstream del other", check=False).returncode, 2,
           "status of deleting an upstream in use")
    live.check("upstream del, refused")
    kp("listener del second")
    kp("upstream del other")
    live.check("upstream del other")
    expect({s["upstream"] for s in sessions()}, {"other"},
           "the upstream of its sessions")
    live.finish()


@scene("\"del kill\" resets its sessions and nothing else")
def del_kill():
    kp("listener add second 10.1.0.1:8001 upstream app")
    live = Live()
    doomed = [pair(to=(FRONT[0], 8001)) for _ in range(5)]
    kp("listener del second kill")
    for ends in doomed:
        for sock in ends:
            expect_reset(sock, "an end")
    live.check("listener del second kill")
    live.finish()


@scene("\"state down\" resets the sessions of that server and no others")
def state_down():
    kp("upstream add other")
    kp("server add other 10.2.0.3:9000")
    kp("server add other 10.2.0.2:9000 weight 0")
    kp("listener add second 10.1.0.1:8001 upstream other")
    live = Live()
    doomed = [pair(to=(FRONT[0], 8001), at=("10.2.0.3", 9000))
              for _ in range(5)]
    kp("server set other 10.2.0.3:9000 state down")
    for ends in doomed:
        for sock in ends:
            expect_reset(sock, "an end")
    live.check("server set state down")
    kp("listener del second")
    kp("upstream del other")
    live.finish()


@scene("\"state drain\" lets live sessions go on and takes no new ones")
def state_drain():
    kp("server add app 10.2.0.3:9000")
    kp("server set app 10.2.0.2:9000 weight 0")
    old = pair(at=("10.2.0.3", 9000))
    kp("server set app 10.2.0.3:9000 state drain")
    kp("server set app 10.2.0.2:9000 weight 1")
    new = [pair() for _ in range(6)]
    expect_alive(*old)
    for ends in new:
        expect_alive(*ends)
    expect({s["address"]: s["stats"]["sessions"]
            for s in show("server show app")},
           {"10.2.0.2:9000": 6, "10.2.0.3:9000": 1}, "sessions")
    for ends in (old, *new):
        for sock in ends:
            sock.close()
    kp("server del app 10.2.0.3:9000")
    wait_gone()


@scene("a listener that is deleted during handshakes: every client is reset")
def handshakes():
    address = FRONT[0], 8001
    for again in False, True:
        kp("listener add second 10.1.0.1:8001 upstream app")
        clients, threads = [], Threads()
        # The reset of a handshake comes this late after the client's connect().
        with netem(CLIENT, "eth0", "delay", f"{limit(1)}s"):
            for _ in range(8):
                threads.go(lambda: clients.append(connect(address)))
            threads.join(20)
            kp("listener del second")
            if again:
                kp("listener add second 10.1.0.1:8001 upstream app")
            for client in clients:
                expect_reset(client, "a client of the one that is gone", 20)
        if again:
            live = pair(to=address)
            expect_alive(*live)
            kp("listener del second")
            for sock in live:
                sock.close()
    wait_gone()


@scene("another upstream gets the next session, not the live one")
def other_upstream():
    kp("upstream add other")
    kp("server add other 10.2.0.3:9000")
    old = pair()
    kp("listener set web upstream other")
    new = pair(at=("10.2.0.3", 9000))
    expect_alive(*old)
    expect_alive(*new)
    kp("listener set web upstream app")
    kp("upstream del other")
    expect_alive(*new)
    expect({s["server"] for s in sessions()},
           {"10.2.0.2:9000", "10.2.0.3:9000"}, "servers")
    for sock in (*old, *new):
        sock.close()
    wait_gone()


@scene("maxconn makes further clients wait until a session ends")
def maxconn():
    kp("listener set web maxconn 2")
    listener = listen()
    clients = [connect() for _ in range(5)]
    for n, client in enumerate(clients):
        client.sendall(b"%d" % n)
    servers = [accept(listener), accept(listener)]
    # The others are in the backlog; a third could only come with time.
    expect(len(sessions()), 2, "sessions")
    served = {read_exactly(server, 1) for server in servers}
    expect(served, {b"0", b"1"}, "clients served first")
    clients[0].close()
    for server in servers:
        server.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            if not server.recv(1):
                server.close()
    third = accept(listener)
    expect(read_exactly(third, 1), b"2", "who comes next")
    expect(len(sessions()), 2, "sessions")
    kp("listener set web maxconn 0")
    rest = {read_exactly(accept(listener), 1) for _ in range(2)}
    expect(rest, {b"3", b"4"}, "who comes when the limit is gone")


@scene("weights divide new sessions exactly")
def weights():
    echoes = [EchoServer((f"10.2.0.{n}", 9000)) for n in (2, 3, 4)]
    kp("server set app 10.2.0.2:9000 weight 1")
    kp("server add app 10.2.0.3:9000 weight 2")
    kp("server add app 10.2.0.4:9000 weight 3")
    clients = [connect() for _ in range(60)]
    for client in clients:
        client.sendall(b"x")
        read_exactly(client, 1)
    expect([echo.clients for echo in echoes], [10, 20, 30],
           "clients of each server")
    for echo in echoes:
        echo.close()
    kp("server del app 10.2.0.3:9000")
    kp("server del app 10.2.0.4:9000")
    for client in clients:
        client.close()
    wait_gone()


@scene("a storm of changes, and undisturbed streams")
def storm():
    kp("upstream add other")
    over = threading.Event()
    errors = []

    def change():
        commands = ("server add other 10.2.0.3:9000",
                    "server set other 10.2.0.3:9000 weight %d" %
                    random.randint(0, 256),
                    "server del other 10.2.0.3:9000",
                    "listener add third [fd01::1]:8004 upstream other",
                    "listener set third maxconn %d" % random.randint(0, 9),
                    "listener del third",
                    "upstream add fourth", "upstream del fourth",
                    "listener set web backlog %d" % random.randint(1, 9999),
                    "server set app 10.2.0.2:9000 weight 2")
        while not over.is_set():
            done = kp(random.choice(commands), check=False)
            # Most of them are rightly refused, most of the time.
            if done.returncode not in (0, 2):
                errors.append(done.stderr)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for seed in range(max(scaled(6), 2)):
            both_ways(*pair(), scaled(2048 * KB), seed)
    finally:
        over.set()
        changer.join()
    expect(errors, [], "unexpected answers")
    for name in "third", "fourth", "other":
        for object_ in "listener", "upstream":
            kp(f"{object_} del {name}", check=False)


@scene("a listener that changes its upstream while clients keep coming")
def switch():
    kp("upstream add other")
    kp("server add other 10.2.0.3:9000")
    echoes = [EchoServer(), EchoServer(("10.2.0.3", 9000))]
    over = threading.Event()

    def change():
        while not over.is_set():
            for name in "other", "app":
                kp(f"listener set web upstream {name}")

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for n in range(max(scaled(200), 40)):
            client = connect(FRONT6 if n % 2 else FRONT)
            client.sendall(b"%05d" % n)
            expect(read_exactly(client, 5), b"%05d" % n, "the echo")
            client.close()
    finally:
        over.set()
        changer.join()
    for echo in echoes:
        if not echo.clients:
            raise Failed("one upstream got no client")
        echo.close()
    wait_gone()
    kp("listener set web upstream app")
    kp("upstream del other")


main()
