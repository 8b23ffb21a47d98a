# SPDX-License-Identifier: GPL-2.0
"""
Sessions of every kind, for the moment in which the proxy is removed.

usage: promise-08-teardown.py READY KIND

READY is a file that is made once everything is under way. KIND mix: then wait
until every client has seen the end of its session, and fail if one does not.
orphan: a session that has ended, whose client does not read. storm: clients
that come as fast as they can. works: is there a proxy?
"""

import contextlib
import pathlib
import socket
import sys
import threading
import time

from peer import (SERVER, EchoServer, Failed, Stream, connect, expect,
                  expect_alive, fill_quickly, limit, listen, netem, pair,
                  receive_stream, sessions, wait_for)

READY = pathlib.Path(sys.argv[1])


def pump(sock, moved):
    """Send and receive until it is over; the first bytes set the event."""
    def send():
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"l" * 50000)

    threading.Thread(target=send, daemon=True).start()
    with contextlib.suppress(OSError):
        while sock.recv(1 << 16):
            moved.set()


def told(sock, kind, failures):
    """Wait until the socket learns that its session is over."""
    sock.settimeout(limit(20))
    try:
        while sock.recv(1 << 16):
            pass
    except TimeoutError:
        failures.append(kind)
    except OSError:
        pass


def mix():
    busy = [pair() for _ in range(6)]
    half = [pair() for _ in range(3)]
    stalled = [pair() for _ in range(3)]
    idle = [pair() for _ in range(10)]
    for client, _ in half:
        client.shutdown(socket.SHUT_WR)
    for client, _ in stalled:
        fill_quickly(client, Stream(1))
    echo = EchoServer()
    over = threading.Event()

    def storm():
        # Once there is nobody, they would be all that this program does.
        while not over.wait(0.005):
            with contextlib.suppress(OSError), connect() as sock:
                sock.settimeout(1)
                sock.sendall(b"quick")

    for _ in range(2):
        threading.Thread(target=storm, daemon=True).start()
    wait_for(lambda: echo.clients > 20, "clients come", 20)
    echo.close()
    # Late, because they take all the time that there is.
    moved = [threading.Event() for ends in busy for _ in ends]
    for sock, event in zip((sock for ends in busy for sock in ends), moved):
        threading.Thread(target=pump, args=(sock, event), daemon=True).start()
    for event in moved:
        if not event.wait(limit(20)):
            raise Failed("a busy session moves nothing")
    with netem(SERVER, "eth0", "loss", "100%"):
        connecting = [connect() for _ in range(5)]
    READY.touch()
    failures = []
    waiters = []
    kinds = (("busy", busy), ("half-closed", half), ("stalled", stalled),
             ("idle", idle), ("connecting", [(c,) for c in connecting]))
    for kind, all_ends in kinds:
        for ends in all_ends:
            for n, sock in enumerate(ends):
                waiter = threading.Thread(
                    target=told, args=(sock, (kind, n), failures))
                waiter.start()
                waiters.append(waiter)
    for waiter in waiters:
        waiter.join()
    over.set()
    expect(failures, [], "sockets that nobody told (kind, 0 for client)")


def orphan():
    client, server = pair({"rcvbuf": 4096}, {})
    client.shutdown(socket.SHUT_WR)
    expect(server.recv(1), b"", "the half-close")
    sent = 0
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sent < 30000:
            sent += server.send(b"o" * 1000)
    server.close()
    wait_for(lambda: [(session["bytes_out"], session["state"])
                      for session in sessions()] == [(sent, "closing")],
             "all is passed on, with the ends of both streams")
    if not sessions()[0]["client_tcp"]["sndq"]:
        raise Failed("nothing is left to send, this test is blind")
    READY.touch()
    time.sleep(limit(60))


def storm():
    def server():
        listener = listen()
        while True:
            with contextlib.suppress(OSError):
                listener.accept()[0].close()

    def visit():
        while True:
            with contextlib.suppress(OSError), connect() as sock:
                sock.settimeout(0.5)
                sock.sendall(b"knock")
                sock.recv(1)

    threading.Thread(target=server, daemon=True).start()
    for _ in range(4):
        threading.Thread(target=visit, daemon=True).start()
    READY.touch()
    time.sleep(limit(120))


def works():
    client, server = pair()
    expect_alive(client, server)
    client.sendall(Stream(1).take(300000))
    client.shutdown(socket.SHUT_WR)
    receive_stream(server, Stream(1), 300000)


globals()[sys.argv[2]]()
sys.exit(0)
