# SPDX-License-Identifier: GPL-2.0
"""
A connection of a socket to itself is a failed connect: for a session, a
check, and an idle connection.
"""

import contextlib
import socket
import time

from peer import (PROXY, SERVER, expect, expect_alive, expect_reset, keep,
                  knock, kp, limit, listen, main, netns, reset, run_in, scaled,
                  scene, show, sysctl, wait_for, wait_gone, written)

SET_UP = """
load
topology
# Every connection gets its server's port.
proxy sysctl -qw net.ipv4.ip_local_port_range="40000 40000"
kp upstream add app retries 0
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app
"""

LOCAL, LOCAL6 = ("127.0.0.1", 40000), ("::1", 40000)
TRIES = scaled(10, 4)


@contextlib.contextmanager
def server(address, **options):
    """Of the upstream, for a while."""

    words = " ".join(f"{key} {value}" for key, value in options.items())
    if words:
        kp(f"upstream set app {words}")
    kp(f"server add app {written(address)}")
    try:
        yield
    finally:
        kp(f"server del app {written(address)}")
        kp("upstream set app check off preconnect 0 send-proxy off")


def failures():
    return show("server show app")[0]["stats"]["connect_failures"]


def health():
    return show("server show app")[0]["health"]


def connects_alone(address):
    """
    TCP's behaviour without a proxy: it connects a socket to itself. The scenes
    rely on that.
    """
    with netns(PROXY):
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else
                             socket.AF_INET)
    keep(sock)
    sock.settimeout(limit(5))
    sock.connect(address)
    expect(sock.getsockname(), sock.getpeername(), "both ends")
    # Not by an orderly end, which would keep the port for a minute.
    reset(sock)


def expect_free(address):
    """A server can have the port, now or soon; returns that server."""
    def bind():
        try:
            return listen(address, ns=PROXY)
        except OSError:
            return None
    return wait_for(bind, "the server's port is free")


def expect_refused(count):
    before = failures()
    for _ in range(count):
        client = knock()
        if client:
            # The reset may be there before it is sent.
            try:
                client.sendall(b"do I hear myself?")
            except ConnectionResetError:
                continue
            expect_reset(client, "a client without a server")
            client.close()
    expect(failures() - before, count, "failed connects")
    wait_gone()


@scene("a client does not receive its own bytes, and is reset")
def session():
    connects_alone(LOCAL)
    with server(LOCAL):
        expect_refused(TRIES)


@scene("nor by IPv6")
def session6():
    connects_alone(LOCAL6)
    with server(LOCAL6):
        expect_refused(TRIES)


@scene("nor behind a header of the PROXY protocol")
def header():
    connects_alone(LOCAL)
    with server(LOCAL, **{"send-proxy": "v1"}):
        expect_refused(TRIES)


@scene("a check does not mistake itself for the server")
def check():
    for address in LOCAL, LOCAL6:
        with server(address, check="tcp", interval="50ms", rise=1, fall=1):
            wait_for(lambda: health() == "down", "the server is down")
            end = time.monotonic() + limit(1)
            while time.monotonic() < end:
                expect(health(), "down", "health")
            listener = expect_free(address)
            # One that listens leaves no port to connect from.
            with sysctl(PROXY, net__ipv4__ip_local_port_range="40001 40100"):
                wait_for(lambda: health() == "up", "the server is up")
            listener.close()
            wait_for(lambda: health() == "down", "and down again")


@scene("an idle connection to itself is dropped, and frees the server's port")
def ahead():
    with server(LOCAL, preconnect=2):
        end = time.monotonic() + limit(1)
        while time.monotonic() < end:
            expect(show("server show app")[0]["preconnect"]["ready"], 0,
                   "connections that are ready")
        expect_refused(TRIES)
        listener = expect_free(LOCAL)
        listener.close()


@scene("a simultaneous open of two sockets is not a self-connection")
def crossed():
    """
    Simultaneous open: the server's side connects to the proxy's port while the
    proxy connects to it, which is the only port that it can have.
    """
    peer = ("10.2.0.2", 40000)
    with server(peer):
        run_in(PROXY, "tc", "qdisc", "add", "dev", "back",
               "root", "netem", "delay", f"{300 * limit(1):.0f}ms")
        try:
            with netns(SERVER):
                there = keep(socket.socket())
            there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            there.bind(peer)
            there.setblocking(False)
            client = knock()
            wait_for(lambda: run_in(PROXY, "ss", "-Htn",
                                    "state", "syn-sent").stdout,
                     "the proxy connects")
            with contextlib.suppress(BlockingIOError):
                there.connect(("10.2.0.1", 40000))
            there.setblocking(True)
            there.settimeout(limit(20))
            expect_alive(client, there)
            client.close()
            there.close()
        finally:
            run_in(PROXY, "tc", "qdisc", "del", "dev", "back", "root")
    wait_gone()


main()
