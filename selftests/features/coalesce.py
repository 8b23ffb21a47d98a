# SPDX-License-Identifier: GPL-2.0
"""A fast stream is coalesced for moments, and nothing of it waits for longer."""

import collections
import time

from peer import (MB, Failed, Stream, Threads, expect, expect_alive,
                  expect_eof, kp, limit, main, pair, read_until_reset, reset,
                  say, scene, sessions, traced, wait_acked, wait_gone)

SET_UP = """
load
topology
simple_proxy
mount_tracefs
"""

# More than a stream must have moved before it is coalesced.
BURST = 16 * MB
# Of one piece, so that checking it is one comparison.
PIECE = 1 * MB
# Bits per second from which a stream is coalesced, and with which it surely is.
FAST = 524288 * 8 / 0.008


def send_burst(sock, stream, size=BURST):
    while size:
        sock.sendall(stream.take(PIECE))
        size -= PIECE


def receive_burst(sock, stream, size=BURST):
    """To its last byte; returns the speed."""

    begun, buffer = time.monotonic(), bytearray(PIECE)
    view = memoryview(buffer)
    for _ in range(size // PIECE):
        got = 0
        while got < PIECE:
            n = sock.recv_into(view[got:])
            if not n:
                raise Failed("the stream ended early")
            got += n
        stream.check(bytes(buffer))
    return 8 * size / (time.monotonic() - begun)


def burst(source, sink, streams):
    """A burst followed by a pause, without an end of stream."""
    speeds, threads = [], Threads()
    threads.go(send_burst, source, streams[0])
    threads.go(lambda: speeds.append(receive_burst(sink, streams[1])))
    threads.join(60)
    return speeds[0]


def told_of(told):
    return collections.Counter(name for name, _, _ in told)


def coalesced(direction):
    """Bursts, until some of them were coalesced and arrived all the same."""
    client, server = pair()
    source, sink = ((client, server) if direction == "client" else
                    (server, client))
    streams, fastest = (Stream(5), Stream(5)), 0
    for _ in range(8):
        with traced() as told:
            fastest = max(fastest, burst(source, sink, streams))
        told = [words for words in told if f"from={direction} " in words[2]]
        # If it is that slow, the next one is not coalesced, either.
        if told_of(told)["coalesce"] or fastest < FAST / 8:
            break
    if not told_of(told)["coalesce"]:
        # Half of it may be gone for comparing the bytes.
        if fastest > 4 * FAST:
            raise Failed(f"{fastest / 1e6:.0f} Mbit/s, and never coalesced")
        say(f"# {fastest / 1e6:.0f} Mbit/s are too slow to be coalesced")
    expect_alive(client, server)
    source.close()
    expect_eof(sink, "after the last burst")
    sink.close()
    wait_gone()


@scene("bursts of a client arrive to their last byte, coalesced or not")
def client_bursts():
    coalesced("client")


@scene("bursts of a server do, too")
def server_bursts():
    coalesced("server")


@scene("small messages are never coalesced, also on a connection that was fast")
def small():
    client, server = pair()
    streams = Stream(6), Stream(6)
    burst(client, server, streams)
    # The first of them ends the wait that the burst has left behind.
    expect_alive(client, server)
    time.sleep(0.1)
    with traced() as told:
        for _ in range(200):
            expect_alive(client, server)
    expect(told_of(told)["coalesce"], 0, "times that a message was coalesced")


@scene("a reset behind a burst comes after its last byte")
def reset_behind():
    client, server = pair()
    stream, got = Stream(7), []
    threads = Threads()

    def send():
        send_burst(client, stream)
        wait_acked(client, seconds=60)
        reset(client)

    threads.go(send)
    threads.go(lambda: got.append(read_until_reset(server)))
    threads.join(60)
    Stream(7).check(got[0])
    expect(len(got[0]), BURST, "bytes before the reset")
    server.close()
    wait_gone()


@scene("a session that is coalesced can be killed, and is gone at once")
def killed():
    for _ in range(3):
        client, server = pair()
        threads = Threads()

        def send():
            try:
                while True:
                    client.sendall(b"k" * PIECE)
            except ConnectionResetError:
                pass

        def receive():
            try:
                while server.recv(PIECE):
                    pass
            except ConnectionResetError:
                pass

        threads.go(send)
        threads.go(receive)
        time.sleep(0.5)
        begun = time.monotonic()
        kp(f"session kill {sessions()[0]['id']}")
        threads.join(30)
        took = time.monotonic() - begun
        if took > limit(2):
            raise Failed(f"it took {took:.1f} s")
        client.close()
        server.close()
        wait_gone()


main()
