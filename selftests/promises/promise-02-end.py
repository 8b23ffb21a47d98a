# SPDX-License-Identifier: GPL-2.0
"""
The end of a stream is passed on after its last byte, and the other direction
goes on. A reset is passed on as a reset, in both directions, after the data
that came before it.
"""

import random
import socket
import time

from peer import (KB, MB, Failed, Stream, Threads, accept, connect, expect,
                  expect_eof, expect_reset, limit, listen, main, pair,
                  read_all, read_exactly, read_until_reset, receive_stream,
                  reset, scaled, scene, send_stream, sessions, unread, unsent,
                  wait_acked, wait_for, wait_gone)

SET_UP = """
load
topology
simple_proxy
"""

SIDES = ("client", "server")


def ends(first, **options):
    """A session's sockets, beginning with the given side's."""

    client, server = pair(**options)
    return (client, server) if first == "client" else (server, client)


def half_close(side):
    closer, other = ends(side)
    closer.sendall(b"question")
    closer.shutdown(socket.SHUT_WR)
    expect(read_all(other), b"question", "before the half-close")
    size = scaled(2 * MB)
    threads = Threads()
    threads.go(send_stream, other, Stream(3), size)
    threads.go(receive_stream, closer, Stream(3), size)
    threads.join(60)
    wait_gone()


@scene("the client half-closes, the server goes on")
def client_half_close():
    half_close("client")


@scene("the server half-closes, the client goes on")
def server_half_close():
    half_close("server")


@scene("a half-closed session is shown as closing and stays")
def half_closed_stays():
    client, server = pair()
    client.shutdown(socket.SHUT_WR)
    expect_eof(server, "at the server")
    wait_for(lambda: sessions()[0]["state"] == "closing", "it is closing")
    for n in range(20):
        server.sendall(b"%d" % (n % 10))
        expect(client.recv(10), b"%d" % (n % 10), "from the server")
    server.close()
    expect_eof(client, "at the client")
    wait_gone()


def last_bytes(side):
    listener = listen()
    for n in range(max(scaled(100), 20)):
        client = connect()
        server = accept(listener)
        source, sink = ((client, server) if side == "client" else
                        (server, client))
        size = random.choice([1, 100, 511, 513, 1448, 5000, 70000, 300000])
        word = Stream(n).take(size)
        # The FIN rides on the last segment.
        threads = Threads()
        threads.go(lambda: (source.sendall(word), source.close()))
        expect(read_all(sink) == word, True, f"{size} bytes, then the end")
        threads.join()
        sink.close()


@scene("the client closes right after its last byte, many times")
def client_last_bytes():
    last_bytes("client")


@scene("the server closes right after its last byte, many times")
def server_last_bytes():
    last_bytes("server")


@scene("both send and close at the same time")
def both_close():
    listener = listen()
    for n in range(max(scaled(60), 10)):
        client = connect()
        server = accept(listener)
        size = random.randint(1, 20000)
        threads = Threads()
        for sock, seed in ((client, 2 * n), (server, 2 * n + 1)):
            threads.go(send_stream, sock, Stream(seed), size)
        threads.join()
        for sock, seed in ((server, 2 * n), (client, 2 * n + 1)):
            receive_stream(sock, Stream(seed), size)
        client.close()
        server.close()
    wait_gone()


@scene("a client that closes without data is an end of stream")
def silent_close():
    client, server = pair()
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()


@scene("a reset is passed on as a reset, from either side")
def plain_reset():
    for side in SIDES:
        source, sink = ends(side)
        source.sendall(b"hello")
        expect(read_exactly(sink, 5), b"hello", "before the reset")
        reset(source)
        expect_reset(sink, f"reset by the {side}")
        wait_gone()


@scene("a socket closed with data unread is a reset for the other side")
def unread_reset():
    for side in SIDES:
        source, sink = ends(side)
        sink.sendall(b"never read")
        wait_for(lambda: unread(source) == 10, "it has come")
        source.close()
        expect_reset(sink, f"closed by the {side}")
        wait_gone()


@scene("data sent before a reset arrives, then the reset")
def data_then_reset():
    for side in SIDES:
        for size in 1, 1000, 10000, 100 * KB:
            source, sink = ends(side)
            word = Stream(size).take(size)
            source.sendall(word)
            wait_acked(source)
            reset(source)
            got = read_until_reset(sink)
            expect(got == word, True, f"{len(got)} of {size} bytes from the "
                   f"{side} before its reset")
    wait_gone()


@scene("the same when the reader's buffer is full when the reset comes")
def data_then_reset_slow():
    for side in SIDES:
        source, sink = ends(side, client={"rcvbuf": 4096},
                            server={"rcvbuf": 4096})
        # More than fits into the reader and the proxy's socket to it, less than
        # fits into the proxy's other socket, too.
        size = 96 * KB
        word = Stream(7).take(size)
        source.sendall(word)
        wait_acked(source)
        if unread(sink) >= size:
            raise Failed("the reader's buffer took everything")
        reset(source)
        # The session has seen it when its socket on that side is gone.
        wait_for(lambda: sessions()[0]["state"] != "connecting", "shown")
        got = read_until_reset(sink)
        expect(got == word, True, f"{len(got)} of {size} bytes from the "
               f"{side} before its reset")
    wait_gone()


@scene("both reset, and the proxy had bytes that it could not send yet")
def both_reset_stalled():
    for side in SIDES:
        source, sink = ends(side, client={"rcvbuf": 4096},
                            server={"rcvbuf": 4096})
        size = 32 * KB
        source.sendall(Stream(9).take(size))
        wait_acked(source)
        # All of it is in the proxy's socket towards the sink, whose window
        # is closed.
        towards = "server_tcp" if side == "client" else "client_tcp"
        wait_for(lambda: sessions()[0][towards]["sndq"] >= size - 8 * KB,
                 "it waits there")
        reset(source)
        time.sleep(0.2)
        reset(sink)
        wait_gone()


@scene("a reset by a side that has half-closed, or after the other has")
def reset_half_closed():
    for side in SIDES:
        source, sink = ends(side)
        sink.shutdown(socket.SHUT_WR)
        expect_eof(source, "the half-close")
        reset(source)
        expect_reset(sink, f"{side} resets who has half-closed")
        source, sink = ends(side)
        source.shutdown(socket.SHUT_WR)
        expect_eof(sink, "the half-close")
        sink.sendall(b"x")
        wait_for(lambda: unread(source) == 1, "it has come")
        reset(source)
        sink.settimeout(limit(10))
        try:
            while True:
                # The end of the stream was read; the reset shows in sending.
                sink.sendall(b"y" * 1000)
        except (ConnectionResetError, BrokenPipeError):
            pass
    wait_gone()


@scene("a reset during heavy traffic both ways ends both")
def reset_in_traffic():
    for side in SIDES:
        for n in range(max(scaled(8), 2)):
            source, sink = ends(side)
            threads = Threads()
            stop = 50 * KB * (n + 1)

            resets = []

            def until_broken():
                stream = Stream(2)
                try:
                    while True:
                        sink.sendall(stream.take(30000))
                except ConnectionResetError:
                    resets.append("send")
                except BrokenPipeError:
                    pass

            def read_and_reset():
                stream = Stream(2)
                while stream.position < stop:
                    stream.check(source.recv(20000))
                reset(source)

            def read_prefix():
                stream = Stream(1)
                try:
                    while data := sink.recv(1 << 16):
                        stream.check(data)
                except ConnectionResetError:
                    resets.append("recv")

            # Before another thread may have closed it.
            source.sendall(Stream(1).take(20000))
            threads.go(until_broken)
            threads.go(read_and_reset)
            threads.go(read_prefix)
            threads.join(30)
            # The kernel tells one of the two, the other gets a plain end.
            expect(len(resets), 1, "resets seen")
    wait_gone()


@scene("a side that sends to one that is gone is reset")
def send_to_gone():
    for side in SIDES:
        source, sink = ends(side)
        source.close()
        expect_eof(sink, "at the other side")
        try:
            for _ in range(10000):
                sink.sendall(b"z" * 1000)
        except (ConnectionResetError, BrokenPipeError):
            continue
        raise Failed(f"the {side} is gone, but sending to it goes on: "
                     f"{unsent(sink)} bytes unsent")
    wait_gone()


@scene("an end after data that the other side reads slowly")
def slow_end():
    for side in SIDES:
        source, sink = ends(side, client={"rcvbuf": 4096},
                            server={"rcvbuf": 4096})
        size = scaled(1 * MB, 128 * KB)
        threads = Threads()
        threads.go(lambda: (source.sendall(Stream(4).take(size)),
                            source.close()))
        # Not joined before: unread data need not fit into the buffers.
        receive_stream(sink, Stream(4), size, lambda: 3000)
        threads.join()
        sink.close()
    wait_gone()


main()
