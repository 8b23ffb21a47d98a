# SPDX-License-Identifier: GPL-2.0
"""
A slow reader slows its writer down through TCP's own window. The proxy queues
nothing of its own: memory is bounded by the sockets' buffers, and charged to
them.
"""

import re
import socket
import time

import peer
from peer import (KB, MB, PROXY, Failed, Stream, Threads, both_ways, expect,
                  expect_alive, expect_between, expect_eof, fill_quickly, limit,
                  main, pair, receive_stream, reset, run_in, scaled, scene,
                  sessions, sysctl, unread, unsent, wait_for, wait_gone)

SET_UP = r"""
load
topology
# Small enough that it is quick to fill them.
for ns in kp-client kp-proxy kp-server; do
    ip netns exec "$ns" sysctl -qw net.ipv4.tcp_rmem="4096 131072 262144" \
        net.ipv4.tcp_wmem="4096 16384 262144"
done
simple_proxy
"""

# Four sockets' buffers of 256 KB each; TCP counts its own overhead there too.
BUFFERS = 4 * 256 * KB
PAGE = 4 * KB

# A stall here must show before the script runs out of time.
peer.STALL = 5


def fill(writer, stream, size=1 << 16):
    """Write until no more is accepted; returns how much was."""

    writer.setblocking(False)
    total, quiet = 0, time.monotonic()
    while time.monotonic() < quiet + limit(1):
        try:
            data = stream.take(size)
            sent = writer.send(data)
            stream.position -= len(data) - sent
            total += sent
            quiet = time.monotonic()
        except BlockingIOError:
            stream.position -= len(data)
            time.sleep(0.01)
        if total > 4 * BUFFERS:
            raise Failed(f"{total} bytes were taken, and nobody reads")
    writer.settimeout(limit(peer.STALL))
    return total


def in_proxy(session, source):
    """Bytes that wait in the proxy's sockets of a session, by its own
    account."""
    sides = ("client_tcp", "server_tcp")
    if source != "client":
        sides = sides[::-1]
    return session[sides[0]]["rcvq"] + session[sides[1]]["sndq"]


def charged():
    """Bytes of memory that are charged to the proxy's sockets."""
    out = run_in(PROXY, "ss", "-Htnm").stdout
    return sum(int(n) for n in re.findall(r"skmem:\(r(\d+)", out) +
               re.findall(r"skmem:.*?,w(\d+)", out))


def tcp_memory():
    """Pages that all TCP sockets together have."""
    with open("/proc/net/sockstat") as file:
        return int(re.search(r"^TCP:.* mem (\d+)", file.read(),
                             re.M).group(1))


def stall(side):
    client, server = pair()
    writer, reader = (client, server) if side == "client" else (server, client)
    before = tcp_memory()
    stream = Stream(8)
    total = fill(writer, stream)
    expect_between(total, 64 * KB, BUFFERS * 1.25, "bytes taken")
    # Every byte is in one of the four sockets, and nowhere else. What the
    # proxy has sent and the reader has not acknowledged may count twice.
    for _ in range(5):
        session = sessions()[0]
        there = unsent(writer) + in_proxy(session, side) + unread(reader)
        if there == total:
            break
        time.sleep(0.2)
    expect(there, total, "bytes in the four sockets")
    if in_proxy(session, side) == 0:
        raise Failed("nothing waits in the proxy, this test is blind")
    expect_between(charged(), in_proxy(session, side), 2 * BUFFERS,
                   "bytes charged to the proxy's sockets")
    # Each CPU may have a reserve of 256 pages.
    expect_between((tcp_memory() - before) * PAGE, -BUFFERS, 3 * BUFFERS,
                   "growth of TCP's memory")
    threads = Threads()
    more = scaled(1 * MB)

    def rest():
        writer.sendall(stream.take(more))
        writer.shutdown(socket.SHUT_WR)

    threads.go(rest)
    threads.go(receive_stream, reader, Stream(8), total + more)
    threads.join(60)
    return reader


@scene("a server that stops reading stalls the client, then everything arrives")
def client_stalls():
    stall("client")


@scene("a client that stops reading stalls the server, then everything arrives")
def server_stalls():
    stall("server")


@scene("both stalled at once, and both wake up")
def both_stall():
    client, server = pair()
    streams = Stream(1), Stream(2)
    totals = fill(client, streams[0]), fill(server, streams[1])
    threads = Threads()
    threads.go(receive_stream, server, Stream(1), totals[0], end=False)
    threads.go(receive_stream, client, Stream(2), totals[1], end=False)
    threads.join(30)
    expect_alive(client, server)


@scene("stalled sessions do not slow others down")
def others():
    stalled = [pair() for _ in range(max(scaled(16), 4))]
    for client, _ in stalled:
        fill_quickly(client, Stream(6))
    client, server = pair()
    both_ways(client, server, scaled(2 * MB), seconds=60)
    client, server = pair()
    for _ in range(scaled(100, 10)):
        expect_alive(client, server)
    for ends in (*stalled, (client, server)):
        for sock in ends:
            reset(sock)
    wait_gone()


def available():
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable: +(\d+)", file.read()).group(1))


@scene("tiny messages to a stopped reader pin no unaccounted memory")
def tiny():
    before, pages = available(), tcp_memory()
    ends = [pair({"nodelay": True}) for _ in range(max(scaled(16), 4))]
    for client, _ in ends:
        client.setblocking(False)
        for n in range(scaled(3000, 300)):
            try:
                client.send(b"t" * 20)
            except BlockingIOError:
                break
    grown = (available() - before) * -KB
    counted = (tcp_memory() - pages) * PAGE
    # Four sockets each, with the kernel's own overhead.
    if grown > counted + 48 * MB:
        raise Failed(f"{grown >> 10} KB are gone, TCP knows of "
                     f"{counted >> 10} KB")
    for client, server in ends:
        reset(client)
        reset(server)
    wait_gone()


@scene("the smallest buffers in the proxy, and a reader in bursts")
def small_proxy():
    with sysctl(PROXY, net__ipv4__tcp_rmem="4096 4096 4096",
                net__ipv4__tcp_wmem="4096 4096 4096"):
        client, server = pair()
        size = scaled(256 * KB)
        threads = Threads()
        threads.go(lambda: (client.sendall(Stream(5).take(size)),
                            client.shutdown(socket.SHUT_WR)))

        def bursts():
            stream, left = Stream(5), size
            while left:
                part = min(left, 40000)
                # Full before it is read again: the next burst must wake it.
                wait_for(lambda: unread(server) >= min(part, 2000) or
                         unread(server) == left, "more has come")
                data = server.recv(part)
                stream.check(data)
                left -= len(data)
            expect_eof(server, "after the last byte")

        threads.go(bursts)
        threads.join(60)
        server.close()
        client.close()
    wait_gone()


main()
