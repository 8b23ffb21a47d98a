# SPDX-License-Identifier: GPL-2.0
"""Too little memory, in the pools and in the kernel."""

import contextlib
import threading
import time

from peer import (KB, Failed, Hurt, Threads, accept, both_ways, connect,
                  expect, expect_alive, expect_between, kp, listen, main, pair,
                  run, scaled, scene, show, wait_for, wait_gone)


def fallbacks():
    return sum(p["fallbacks"] for p in show("pool show"))


@scene("more sessions and small messages than fit into the pool")
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


@scene("each session that finds its pool empty is counted")
def objects():
    count = 8
    before = fallbacks()
    ends = [pair() for _ in range(count)]
    expect_between(fallbacks() - before, count - len(show("pool show")), count,
                   "fallbacks")
    for both in ends:
        for sock in both:
            sock.close()
    wait_gone()


@scene("unread messages use up the pages, and the pages come back")
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


@contextlib.contextmanager
def tcp_memory(pages):
    """Very little memory for all of TCP together."""
    old = run("sysctl", "-n", "net.ipv4.tcp_mem").stdout.split()
    run("sysctl", "-qw", f"net.ipv4.tcp_mem={pages} {pages} {pages}")
    try:
        yield
    finally:
        run("sysctl", "-qw", f"net.ipv4.tcp_mem={' '.join(old)}")


@scene("little memory for TCP: no wrong byte, no hang")
def little_tcp_memory():
    for pages in 64, 600:
        over = threading.Event()
        listener = listen()
        hurts = [Hurt(listener, 200000, over) for _ in range(4)]
        # They may stand still as long as memory is short.
        with tcp_memory(pages):
            time.sleep(2)
            with contextlib.suppress(OSError):
                connect().close()
        over.set()
        for hurt in hurts:
            hurt.join()
        listener.close()
        kp("session kill listener web")
        wait_gone()


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
