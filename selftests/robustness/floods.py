# SPDX-License-Identifier: GPL-2.0
"""More packets and connections than can be served."""

import contextlib
import errno
import random
import socket
import struct
import threading
import time

from peer import (BACK, CLIENT, FRONT, PROXY, EchoServer, Failed, accept,
                  connect, expect, expect_alive, expect_between, expect_reset,
                  knock, kp, limit, listen, main, netns, new_socket, pair,
                  read_exactly, reset, run_in, say, scaled, scene, sessions,
                  show, sysctl, tcp_sockets, wait_for, wait_gone)


def listener_stats(name="web"):
    return next(row["stats"] for row in show("listener show")
                if row["name"] == name)


def tcp_counter(name):
    """One of the proxy's own, of TCP."""
    out = run_in(PROXY, "cat", "/proc/net/netstat").stdout
    names, values = (line.split() for line in out.splitlines()[:2])
    return int(values[names.index(name)])


@contextlib.contextmanager
def bystander():
    """A session that is older than the flood, and works all through it."""
    echo = EchoServer((BACK[0][:-1] + "3", 9000))
    kp("-b -", text="upstream add calm\nserver add calm 10.2.0.3:9000\n"
                    "listener add calm 10.1.0.1:8002 upstream calm\n")
    sock = connect((FRONT[0], 8002))
    over, errors, words = threading.Event(), [], [0]

    def talk():
        try:
            while not over.is_set() or not words[0]:
                word = b"%d" % words[0] * 100
                sock.sendall(word)
                expect(read_exactly(sock, len(word)), word, "the echo")
                words[0] += 1
                time.sleep(0.02)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(limit(20))
        sock.close()
        echo.close()
        kp("listener del calm kill")
        kp("upstream del calm")
    if errors:
        raise errors[0]
    say(f"# {words[0]} words of the session beside it")


def checksum(total):
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syns(count, to):
    """SYNs of a number of clients that do not exist."""
    rng = random.Random(1)
    target = socket.inet_aton(to[0])
    fixed = sum(struct.unpack("!2H", target)) + to[1] + 6 + 20 + 0x5002 + 8192
    for _ in range(count):
        source = bytes((10, 1, 0, rng.randrange(3, 255)))
        port, sequence = rng.randrange(1024, 65536), rng.getrandbits(32)
        total = fixed + port + sum(struct.unpack("!2H", source)) + (
            sequence >> 16) + (sequence & 0xffff)
        yield (struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0,
                           source, target) +
               struct.pack("!HHIIHHHH", port, to[1], sequence, 0, 0x5002,
                           8192, checksum(total), 0))


@scene("a flood of SYNs makes no session, and real clients get through")
def syn_flood():
    kp("listener set web backlog 16")
    before = listener_stats()["sessions_total"]
    cookies = tcp_counter("SyncookiesSent")
    server = listen()
    with bystander(), sysctl(PROXY, net__ipv4__tcp_synack_retries=1):
        with netns(CLIENT):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                socket.IPPROTO_RAW)
        true, live = 0, []
        for n, packet in enumerate(syns(scaled(10000, 1000), FRONT)):
            with contextlib.suppress(BlockingIOError):
                raw.sendto(packet, (FRONT[0], 0))
            if n % 500 == 400:
                live.append(connect())
                live.append(accept(server))
                true += 1
        raw.close()
        for client, there in zip(live[::2], live[1::2]):
            expect_alive(client, there)
            client.close()
            there.close()
        expect(listener_stats()["sessions_total"] - before, true, "sessions")
        if tcp_counter("SyncookiesSent") == cookies:
            raise Failed("the queue was never full, this test is blind")
        wait_for(lambda: not [s for s in tcp_sockets() if "SYN-RECV" in s],
                 "the half-open ones are gone", 30)
    server.close()
    kp("listener set web backlog 4096")
    wait_gone()


@scene("clients beyond maxconn and backlog wait outside")
def beyond_backlog():
    most, waiting = 20, 8
    kp(f"listener set web maxconn {most} backlog {waiting}")
    server = listen()
    with bystander():
        overflows = tcp_counter("ListenOverflows") + tcp_counter("ListenDrops")
        clients = []
        for _ in range(scaled(300, 100)):
            sock = new_socket(CLIENT, FRONT)
            sock.setblocking(False)
            sock.connect_ex(FRONT)
            clients.append(sock)
        wait_for(lambda: listener_stats()["sessions"] == most,
                 "the listener is full")
        wait_for(lambda: tcp_counter("ListenOverflows") +
                 tcp_counter("ListenDrops") > overflows,
                 "TCP turns clients away")
        expect(listener_stats()["sessions"], most, "sessions")
        queued = run_in(PROXY, "ss", "-Hltn",
                        f"src {FRONT[0]}:{FRONT[1]}").stdout.split()[1]
        expect_between(int(queued), 1, waiting + 1, "clients in the backlog")
        expect(listener_stats()["refused"], 0, "refused")
        # A client that leaves makes room for one that waits.
        first = [accept(server) for _ in range(most)]
        for sock in first:
            reset(sock)
        for _ in range(waiting):
            reset(accept(server))
        for sock in clients:
            sock.close()
        server.close()
    kp("listener set web maxconn 0 backlog 4096")
    wait_gone(30)


@scene("clients of an upstream without a server are refused, and counted")
def no_server():
    kp("upstream add none")
    kp("listener add none 10.1.0.1:8001 upstream none")
    number = scaled(1000, 100)
    with bystander():
        for _ in range(number):
            sock = knock((FRONT[0], 8001))
            if sock:
                expect_reset(sock, "a client of nobody")
    got = listener_stats("none")
    expect((got["refused"], got["sessions_total"]), (number, 0),
           "refused, sessions")
    kp("listener del none")
    kp("upstream del none")
    wait_gone()


@scene("clients of a server that refuses are reset, each try is counted")
def refusing():
    number = scaled(500, 50)
    before = listener_stats()
    with bystander():
        clients = [knock() for _ in range(number)]
        for sock in filter(None, clients):
            expect_reset(sock, "a client of a server that refuses")
            sock.close()
    wait_gone()
    after = listener_stats()
    expect((after["sessions_total"] - before["sessions_total"],
            after["connect_failures"] - before["connect_failures"]),
           (number, number * 3), "sessions, tries that failed")


@scene("clients beyond the source ports are reset, and counted")
def no_ports():
    ports = 60
    before = listener_stats()
    server = listen()
    with bystander(), sysctl(PROXY, net__ipv4__ip_local_port_range=(
            f"40000 {40000 + ports - 1}")):
        clients = [knock() for _ in range(ports * 3)]
        wait_for(lambda: listener_stats()["sessions_total"] -
                 before["sessions_total"] == ports * 3, "all were accepted")
        wait_for(lambda: len(sessions("listener web")) <= ports,
                 "those without a port are gone")
        live = len(sessions("listener web"))
        expect_between(live, ports / 2, ports, "sessions with a port")
        failures = (listener_stats()["connect_failures"] -
                    before["connect_failures"])
        expect(failures, (ports * 3 - live) * 3, "tries that failed")
        for _ in range(live):
            accept(server).sendall(b"yes")
        served, refused = 0, clients.count(None)
        for sock in filter(None, clients):
            try:
                expect(sock.recv(10), b"yes", "the answer")
                served += 1
            except OSError as error:
                expect(error.errno, errno.ECONNRESET, "who was refused")
                refused += 1
            reset(sock)
        expect((served, refused), (live, ports * 3 - live),
               "clients served, and refused")
        server.close()
    wait_gone()


@scene("thousands of clients that connect and reset at once leave nothing")
def hit_and_run():
    number = scaled(10000, 1000)
    before = listener_stats()
    echo = EchoServer()
    with bystander():
        for _ in range(number):
            reset(connect())
        wait_for(lambda: listener_stats()["sessions_total"] -
                 before["sessions_total"] == number, "all were accepted")
        wait_for(lambda: not sessions("listener web"), "they are gone")
    echo.close()
    wait_gone()
    expect(listener_stats()["refused"], before["refused"], "refused")


@scene("a server that accepts and resets at once: the reset is passed on")
def resetting():
    number = scaled(1000, 100)
    before = listener_stats()
    server = listen()
    over = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            while not over.is_set():
                reset(server.accept()[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with bystander():
        for _ in range(number):
            sock = knock()
            if sock:
                expect_reset(sock, "the client of such a server")
                sock.close()
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    wait_gone()
    after = listener_stats()
    expect((after["sessions_total"] - before["sessions_total"],
            after["connect_failures"] - before["connect_failures"],
            after["refused"] - before["refused"]), (number, 0, 0),
           "sessions, tries that failed, refused")


@scene("afterwards everything works")
def afterwards():
    expect_alive(*pair())


main()
