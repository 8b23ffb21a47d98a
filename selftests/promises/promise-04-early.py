# SPDX-License-Identifier: GPL-2.0
"""
Bytes that came before the server side was connected are delivered; a server
that speaks first is heard.
"""

import socket
import threading

from peer import (BACK, KB, SERVER, EchoServer, Stream, Threads, accept,
                  connect, expect, listen, main, netem, pair, read_all,
                  read_exactly, receive_stream, reset, scaled, scene, sessions,
                  wait_for, wait_gone)

SET_UP = """
load
topology
modprobe -q sch_netem || true
# For servers that answer when they are told to.
simple_proxy connect-timeout 60s
"""


def expect_connecting():
    wait_for(lambda: [s for s in sessions() if s["state"] == "connecting"],
             "a session is connecting")


class BusyServer:
    """Its queue is full: it answers no connect before it is told to."""

    def __init__(self):
        self._listener = listen(backlog=0)
        self._first = connect(BACK, ns=SERVER)

    def answer(self):
        """Wait until a session waits for it; returns its end of that one."""

        expect_connecting()
        accept(self._listener).close()
        self._first.close()
        return accept(self._listener)


@scene("a client that sends once, before the server answered, and is silent")
def sends_once():
    busy = BusyServer()
    client = connect()
    client.sendall(b"early bird")
    server = busy.answer()
    expect(read_exactly(server, 10), b"early bird", "what came early")
    server.sendall(b"answer")
    expect(read_exactly(client, 6), b"answer", "the answer")


@scene("as much as the buffers take, before the server answered")
def sends_much():
    size = scaled(1024 * KB, 128 * KB)
    busy = BusyServer()
    client = connect()
    threads = Threads()
    threads.go(lambda: (client.sendall(Stream(1).take(size)),
                        client.shutdown(socket.SHUT_WR)))
    server = busy.answer()
    receive_stream(server, Stream(1), size)
    threads.join()


@scene("a client that sends and half-closes before the server answered")
def half_closes():
    busy = BusyServer()
    client = connect()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    server = busy.answer()
    expect(read_all(server), b"question", "what came early")
    server.sendall(b"answer")
    server.close()
    expect(read_all(client), b"answer", "the answer")
    wait_gone()


@scene("a client that sends and closes before the server answered")
def closes():
    busy = BusyServer()
    client = connect()
    client.sendall(b"x" * 50000)
    client.close()
    server = busy.answer()
    expect(len(read_all(server)), 50000, "bytes that came early")
    server.close()
    wait_gone()


@scene("a client that resets before the server answered leaves nothing")
def resets():
    BusyServer()
    client = connect()
    client.sendall(b"never mind")
    expect_connecting()
    reset(client)
    wait_gone(3)


@scene("a server that accepts late finds all that was sent")
def late_accept():
    listener = listen()
    clients = [connect() for _ in range(10)]
    for client in clients:
        client.sendall(b"request")
    wait_for(lambda: sum(s["bytes_in"] for s in sessions()) == 70,
             "the proxy has passed on all requests")
    for _ in clients:
        server = accept(listener)
        expect(read_exactly(server, 7), b"request", "the request")
        server.sendall(b"reply")
    for client in clients:
        expect(read_exactly(client, 5), b"reply", "the reply")


@scene("a server that speaks first is heard")
def speaks_first():
    client, server = pair()
    server.sendall(b"220 ready\r\n")
    expect(read_exactly(client, 11), b"220 ready\r\n", "the greeting")
    client.sendall(b"HELO\r\n")
    expect(read_exactly(server, 6), b"HELO\r\n", "the answer")


@scene("servers that speak at once and close, to clients that only listen")
def speaks_and_closes():
    listener = listen()
    count = max(scaled(100), 10)

    def serve():
        for n in range(count):
            server = accept(listener)
            server.sendall(b"%8d" % n)
            server.close()

    threads = Threads()
    threads.go(serve)
    got = set()
    for _ in range(count):
        client = connect()
        got.add(int(read_all(client)))
        client.close()
    threads.join()
    expect(got, set(range(count)), "greetings heard")


@scene("a server whose SYN+ACK is lost at first")
def lost_syn():
    with netem(SERVER, "eth0", "loss", "100%"):
        listener = listen()
        client = connect()
        client.sendall(b"patience")
        expect_connecting()
    server = accept(listener)
    expect(read_exactly(server, 8), b"patience", "what came early")


@scene("clients that send with their first packets, at the same time")
def crowd():
    echo = EchoServer()
    failures = []

    def visit(n):
        try:
            client = connect()
            word = Stream(n).take(1 + n * 271)
            client.sendall(word)
            client.shutdown(socket.SHUT_WR)
            if read_all(client) != word:
                failures.append(n)
            client.close()
        except OSError as error:
            failures.append((n, error))

    visitors = [threading.Thread(target=visit, args=(n,))
                for n in range(max(scaled(100), 10))]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    echo.close()
    expect(failures, [], "clients without their echo")
    wait_gone()


main()
