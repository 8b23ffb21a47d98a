#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Too little memory, in the pools and in the kernel."""

import contextlib
import pathlib
import socket

from peer import (KB, Failed, Stream, Threads, accept, both_ways, connect,
                  expect, expect_alive, kp, limit, listen, main, pair, run,
                  scaled, scene, sessions, show, wait_for, wait_gone)

DEBUG = pathlib.Path("/sys/kernel/debug")
MODULE = pathlib.Path("/sys/module/kproxy")


def fallbacks():
    return sum(p["fallbacks"] for p in show("pool show"))


@scene("more sessions and small messages than the pool has room for")
def tiny_pool():
    expect([(p["pages"], p["sessions"]) for p in show("pool show")],
           [(1, 1)] * len(show("pool show")), "pages and sessions of the pools")
    before = fallbacks()
    threads = Threads()
    listener = listen()
    for seed in range(max(scaled(20), 6)):
        client = connect(nodelay=True)
        server = accept(listener)
        threads.go(both_ways, client, server, scaled(64 * KB), seed, 120,
                   lambda: 100)
    threads.join(120)
    if fallbacks() <= before:
        raise Failed("no fallback was counted")


@scene("messages that nobody reads use up the pages, and they come back")
def pool_refills():
    before = fallbacks()
    ends = [pair({"nodelay": True}) for _ in range(8)]
    for client, _ in ends:
        for _ in range(100):
            client.sendall(b"m" * 300)
    for client, server in ends:
        got = 0
        while got < 30000:
            data = server.recv(1000)
            expect(data, b"m" * len(data), "bytes")
            got += len(data)
    if fallbacks() <= before:
        raise Failed("no fallback was counted")
    for both in ends:
        for sock in both:
            sock.close()
    wait_gone()


class Hurt:
    """
    A stream each way while memory is short: it may end by a reset, but what
    comes is right, and it does not hang.
    """

    def __init__(self, seed, size):
        self.broken = 0
        self._threads = Threads()
        self._size = size
        self._seed = seed

    def start(self, listener):
        try:
            client = connect()
            server = accept(listener)
        except (ConnectionResetError, TimeoutError):
            self.broken += 1
            return
        for source, sink, salt in ((client, server, 0), (server, client, 1)):
            self._threads.go(self._send, source, salt)
            self._threads.go(self._receive, sink, salt)

    def _send(self, sock, salt):
        sock.settimeout(limit(60))
        stream = Stream(2 * self._seed + salt)
        try:
            for _ in range(self._size // 5000):
                sock.sendall(stream.take(5000))
            sock.shutdown(socket.SHUT_WR)
        except (ConnectionResetError, BrokenPipeError):
            self.broken += 1
        except OSError as error:
            # What our own sockets say when they were reset before.
            if sock.fileno() >= 0 and error.errno != 107:
                raise

    def _receive(self, sock, salt):
        sock.settimeout(limit(60))
        stream = Stream(2 * self._seed + salt)
        try:
            while data := sock.recv(1 << 16):
                stream.check(data)
        except ConnectionResetError:
            self.broken += 1
            return
        if not self.broken:
            expect(stream.position, self._size // 5000 * 5000,
                   "bytes before the end of the stream")

    def join(self):
        self._threads.join(70)


def transfer(count, size, while_it_runs=lambda: None):
    """Many at once; how many of them broke."""
    listener = listen()
    listener.settimeout(limit(3))
    all_ = []
    for seed in range(count):
        hurt = Hurt(seed, size)
        hurt.start(listener)
        all_.append(hurt)
    while_it_runs()
    for hurt in all_:
        hurt.join()
    kp("session kill listener web")
    wait_gone(10)
    return sum(1 for hurt in all_ if hurt.broken)


@contextlib.contextmanager
def tcp_memory(pages):
    """Very little memory for all of TCP together."""
    old = run("sysctl", "-n", "net.ipv4.tcp_mem").stdout.split()
    run("sysctl", "-qw", f"net.ipv4.tcp_mem={pages} {pages} {pages}")
    try:
        yield
    finally:
        run("sysctl", "-qw", f"net.ipv4.tcp_mem={' '.join(old)}")


@scene("little memory for TCP: nothing is wrong, nothing hangs")
def little_tcp_memory():
    for pages in 64, 600:
        with tcp_memory(pages):
            listener = listen()
            ends = []
            for _ in range(4):
                with contextlib.suppress(OSError):
                    client = connect()
                    ends.append((client, accept(listener)))
            threads = Threads()
            hurts = []
            for n, (client, server) in enumerate(ends):
                hurt = Hurt(n, 200000)
                hurts.append(hurt)
                threads.go(hurt._send, client, 0)
                threads.go(hurt._receive, server, 0)
            listener.close()
            # It may stand still as long as memory is short.
            with contextlib.suppress(Failed):
                threads.join(2)
        threads.join(60)
        for hurt in hurts:
            expect(hurt.broken in (0, 1, 2), True, "broken or not")
        kp("session kill listener web")
        wait_gone()


@contextlib.contextmanager
def failing(name, **settings):
    """Allocations below the module's code fail now and then."""
    where = DEBUG / name
    text = int((MODULE / "sections" / ".text").read_text(), 16)
    size = int((MODULE / "coresize").read_text())
    settings = {"interval": 1, "times": -1, "space": 0, "verbose": 0,
                "task-filter": "N", "require-start": hex(text),
                "require-end": hex(text + size), "stacktrace-depth": 32,
                **settings}
    probability = settings.pop("probability")
    for key, value in settings.items():
        with contextlib.suppress(FileNotFoundError):
            (where / key).write_text(str(value))
    (where / "probability").write_text(str(probability))
    try:
        yield
    finally:
        (where / "probability").write_text("0")


def hurt_while(*failures):
    with contextlib.ExitStack() as stack:
        for failure in failures:
            stack.enter_context(failure)
        return transfer(max(scaled(24), 12), scaled(400 * KB, 50 * KB))


@scene("allocations that fail in softirq")
def softirq_failures():
    for probability in 2, 20:
        hurt_while(failing("failslab", probability=probability,
                           **{"ignore-gfp-wait": "Y"}),
                   failing("fail_page_alloc", probability=probability,
                           **{"ignore-gfp-wait": "Y", "min-order": 0}))
        expect(sessions(), [], "sessions")


@scene("allocations that fail anywhere")
def all_failures():
    for probability in 5, 30:
        hurt_while(failing("failslab", probability=probability,
                           **{"ignore-gfp-wait": "N"}),
                   failing("fail_page_alloc", probability=probability,
                           **{"ignore-gfp-wait": "N", "min-order": 0}))
        expect(sessions(), [], "sessions")


@scene("afterwards everything works")
def afterwards():
    client, server = pair()
    expect_alive(client, server)
    both_ways(client, server, scaled(512 * KB))
    client.close()
    server.close()
    wait_gone()
    wait_for(lambda: all(p["sessions"] == p["sessions_free"]
                         for p in show("pool show")), "the pool is whole")


main()
