# SPDX-License-Identifier: GPL-2.0
"""
Streams are whole even if others claim the proxy's sockets: BPF programs that
put each socket into a sockmap, MPTCP on the other end.
"""

import contextlib
import socket
import time

import bpf
from peer import (BACK, CLIENT, FRONT, FRONT6, KB, PROXY, SERVER, Failed,
                  Threads, accept, both_ways, connect, expect, expect_alive,
                  expect_reset, keep, kp, limit, listen, main, netns, pair,
                  read_exactly, run_in, say, scaled, scene, servers, show,
                  stats, wait_for, wait_gone)

SET_UP = """
load
topology
simple_proxy

if [[ ! -e /sys/fs/cgroup/cgroup.procs ]]; then
    mount -t cgroup2 none /sys/fs/cgroup
    defer umount /sys/fs/cgroup
fi
"""

CLIENTS = scaled(24, 6)
IPPROTO_SMC, IPPROTO_MPTCP = 256, 262


class Taken:
    """How often a program could and could not add a socket to its map."""

    def __init__(self, counters, able=True):
        self._counters = counters
        self.able = able

    def __call__(self, kind, result):
        return bpf.read_map(self._counters, 3 * kind + result)

    def expect_ours_kept(self, kind=bpf.OURS, least=1):
        if not self.able:
            return
        expect(self(kind, bpf.ADDED), 0, "our sockets in the map")
        if self(kind, bpf.OWNED) < least:
            raise Failed(f"the program saw {self(kind, bpf.OWNED)} of our "
                         f"sockets, want at least {least}")


@contextlib.contextmanager
def taker(*ops):
    """A program on the root's cgroup adds sockets to a map."""

    sockets = bpf.new_map(bpf.SOCKHASH, 8, 4, 4096)
    counters = bpf.new_map(bpf.ARRAY, 4, 8, 3 * bpf.KINDS)
    program = bpf.sock_ops(sockets, counters, ops, FRONT[1], BACK[1])
    with bpf.closing(sockets, counters, program):
        with bpf.on_cgroup(program, "/sys/fs/cgroup"):
            yield Taken(counters)


@contextlib.contextmanager
def looker():
    """
    A program on each of the proxy's devices looks up the socket that a packet
    is for and adds it to a map, also a listening one or one that waits to be
    accepted.
    """
    sockets = bpf.new_map(bpf.SOCKHASH, 8, 4, 4096)
    counters = bpf.new_map(bpf.ARRAY, 4, 8, 3 * bpf.KINDS)
    try:
        program = bpf.classifier(sockets, counters)
    except bpf.Error as error:
        if "cannot update sockmap in this context" not in str(error):
            raise
        say("# this kernel lets no classifier do that")
        with bpf.closing(sockets, counters):
            yield Taken(counters, able=False)
        return
    with bpf.closing(sockets, counters, program), \
            contextlib.ExitStack() as stack:
        with netns(PROXY):
            for name in "front", "back":
                stack.enter_context(
                    bpf.on_device(program, socket.if_nametoindex(name)))
        yield Taken(counters)


def serve_all(size=scaled(256 * KB, 8 * KB), **options):
    """Concurrent clients, each with a stream each way and its own end."""
    listener = listen()
    clients = [connect(**options) for _ in range(CLIENTS)]
    threads = Threads()
    try:
        for client in clients:
            client.sendall(b"%5d" % client.getsockname()[1])
        by_port = {client.getsockname()[1]: client for client in clients}
        for seed in range(CLIENTS):
            there = accept(listener)
            here = by_port.pop(int(read_exactly(there, 5)))
            threads.go(both_ways, here, there, size, seed)
        threads.join()
    finally:
        listener.close()
        for client in clients:
            client.close()
    wait_gone()


def refusals():
    return stats()["refused"]


@scene("a program takes each connection that is accepted")
def passive():
    before = refusals()
    with taker(bpf.PASSIVE) as taken:
        serve_all()
        taken.expect_ours_kept(least=CLIENTS)
    expect(refusals(), before, "clients refused")


@scene("a program takes each connection that is made, also idle ones")
def active():
    with taker(bpf.ACTIVE) as taken:
        serve_all()
        taken.expect_ours_kept(least=CLIENTS)
        with servers(("10.2.0.3", BACK[1])) as (listener,):
            kp("upstream set app preconnect 4")
            kp("server set app 10.2.0.2:9000 weight 0")
            try:
                waiting = []
                for n in range(CLIENTS):
                    wait_for(ready, "there are idle connections")
                    here = connect()
                    here.sendall(b"who")
                    there = with_word(listener, waiting, b"who")
                    both_ways(here, there, 20 * KB, n)
                    here.close()
                    there.close()
                row = show("server show app")[1]["preconnect"]
                if not row["used"]:
                    raise Failed("no idle connection was used")
            finally:
                kp("server set app 10.2.0.2:9000 weight 1")
                kp("upstream set app preconnect 0")
        taken.expect_ours_kept(least=2 * CLIENTS)
    wait_gone()


def ready():
    return show("server show app")[1]["preconnect"]["ready"]


def with_word(listener, waiting, word):
    """The connection on which this arrives; the others are idle ones."""
    end = time.monotonic() + limit(20)
    listener.settimeout(0.02)
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            waiting.append(accept(listener))
        for sock in waiting:
            sock.settimeout(0)
            try:
                data = sock.recv(len(word))
            except BlockingIOError:
                continue
            sock.settimeout(limit(20))
            if data:
                waiting.remove(sock)
                expect(data + read_exactly(sock, len(word) - len(data)), word,
                       "the first word")
                return sock
    raise Failed("no server got the client's word")


@scene("a program takes everything that it sees, listening sockets as well")
def everything():
    with taker(bpf.PASSIVE, bpf.ACTIVE, bpf.LISTEN) as taken:
        kp("listener set web listen 10.1.0.1:8000")
        kp("listener set web listen 10.1.0.1:8000,[fd01::1]:8000")
        taken.expect_ours_kept(bpf.OUR_LISTENER)
        serve_all()
        taken.expect_ours_kept(least=2 * CLIENTS)
        here, there = pair(to=FRONT6)
        both_ways(here, there, 20 * KB)
        here.close()
        there.close()
        if not taken(bpf.OTHERS, bpf.ADDED):
            raise Failed("the program could add nothing at all")
    wait_gone()


@scene("a program takes the socket that a packet is for, at any moment")
def any_moment():
    before = refusals()
    with looker() as taken:
        serve_all()
        taken.expect_ours_kept(least=2 * CLIENTS)
        taken.expect_ours_kept(bpf.OUR_LISTENER, CLIENTS)
    expect(refusals(), before, "clients refused")


@scene("clients that wait to be accepted are not taken, and are served")
def waiting():
    with looker() as taken, taker(bpf.PASSIVE) as other:
        kp("listener set web maxconn 1")
        try:
            first, there = pair()
            expect_alive(first, there)
            listener = listen()
            socks = [connect() for _ in range(CLIENTS)]
            # Packets for sockets that are not accepted yet.
            for sock in socks:
                sock.sendall(b"word")
            wait_for(lambda: taken(bpf.OURS, bpf.OWNED) >= CLIENTS or
                     not taken.able, "the program has seen them")
            expect_alive(first, there)
            first.close()
            there.close()
            for sock in socks:
                there = accept(listener)
                expect(read_exactly(there, 4), b"word", "what came early")
                there.close()
                expect(sock.recv(1), b"", "the end")
                sock.close()
        finally:
            kp("listener set web maxconn 0")
        taken.expect_ours_kept()
        other.expect_ours_kept(least=CLIENTS)
    wait_gone()


@scene("waiting clients stay with the socket when another port gets it")
def moved():
    both = "10.1.0.1:8000,[fd01::1]:8000"
    with looker() as taken:
        kp("listener set web maxconn 1")
        try:
            first, there = pair()
            listener = listen()
            socks = [connect() for _ in range(CLIENTS)]
            for n in range(3):
                kp(f"listener set web listen {both},10.1.0.1:8001")
                for sock in socks:
                    sock.sendall(b"w")
                kp(f"listener set web listen {both}")
        finally:
            kp("listener set web maxconn 0")
        for _ in socks:
            accepted = accept(listener)
            expect(read_exactly(accepted, 3), b"www", "what came early")
            accepted.close()
        for sock in socks:
            expect(sock.recv(1), b"", "the end")
            sock.close()
        listener.close()
        expect_alive(first, there)
        first.close()
        there.close()
        taken.expect_ours_kept()
    wait_gone()


@scene("sockets that are destroyed while a program takes them")
def destroyed():
    def kill(*words):
        run_in(PROXY, "ss", "-K", "-tn", *words, check=False)

    with looker() as taken, taker(bpf.PASSIVE, bpf.ACTIVE):
        kp("listener set web maxconn 1")
        try:
            first, there = pair()
            listener = listen()
            socks = [connect() for _ in range(CLIENTS)]
            for sock in socks:
                sock.sendall(b"word")
            kill("state", "established", "dport", "=",
                 f":{socks[0].getsockname()[1]}")
            expect_reset(socks.pop(0), "one that waits and is destroyed")
            kill("state", "established", "sport", "=", ":8000")
            for sock in socks:
                expect_reset(sock, "the others")
            expect_reset(first, "the first client")
            expect_reset(there, "its server")
            listener.close()
        finally:
            kp("listener set web maxconn 0")
        taken.expect_ours_kept()
    wait_gone()


def peer_of(protocol, ns):
    with netns(ns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    keep(sock)
    sock.settimeout(limit(20))
    return sock


def fall_back(protocol):
    """A server and clients of this protocol have a session by plain TCP."""
    server = peer_of(protocol, SERVER)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(BACK)
    server.listen()
    with taker(bpf.PASSIVE, bpf.ACTIVE) as taken:
        for n in range(4):
            client = peer_of(protocol, CLIENT)
            client.connect(FRONT)
            client.sendall(b"hello")
            there = accept(server)
            expect(read_exactly(there, 5), b"hello", "the first word")
            both_ways(client, there, scaled(1024 * KB, 64 * KB), n)
            client.close()
            there.close()
        taken.expect_ours_kept(least=8)
    server.close()
    wait_gone()


@scene("MPTCP clients and servers fall back to TCP")
def multipath():
    fall_back(IPPROTO_MPTCP)


@scene("and so do those of SMC")
def shared_memory():
    try:
        peer_of(IPPROTO_SMC, CLIENT).close()
    except OSError as error:
        say(f"# no SMC in this kernel: {error}")
        return
    fall_back(IPPROTO_SMC)


@scene("the proxy's own sockets are whole again when the programs are gone")
def after():
    expect(refusals(), 0, "clients refused")
    serve_all()


main()
