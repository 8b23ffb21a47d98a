# SPDX-License-Identifier: GPL-2.0
"""Transparent listeners and source client."""

import contextlib
import errno
import socket

from peer import (BACK, BACK6, CLIENT, MB, accept, both_ways, connect, expect,
                  expect_alive, expect_reset, knock, kp, limit, main,
                  new_socket, read_exactly, scaled, scene, servers, sessions,
                  show, stats, wait_for, wait_gone, written)

NOBODY, NOBODY6 = ("10.9.0.7", 80), ("fd09::7", 80)
HERE, HERE6 = "10.1.0.2", "fd01::2"
# The address that a client connects to, a server of the same family, the
# client's address.
FAMILIES = ((NOBODY, BACK, HERE), (NOBODY6, BACK6, HERE6))


@contextlib.contextmanager
def as_client():
    kp("upstream set app source client")
    try:
        yield
    finally:
        kp("upstream set app source default")


@scene("a client of an address that no host has is accepted")
def nobody():
    for to, at, _ in FAMILIES:
        with servers(at) as (listener,):
            client = connect(to)
            server = accept(listener)
            expect(client.getpeername()[:2], to, "whom the client sees")
            expect(sessions()[0]["local"], written(to), "local")
            expect(show("listener show web")[0]["transparent"], "on",
                   "transparent as it is shown")
            both_ways(client, server, scaled(1 * MB))
            client.close()
            server.close()
            wait_gone()


def turned_away(to):
    """A client that is reset, perhaps before connect() returns."""
    client = knock(to)
    if client:
        expect_reset(client, "a client")


def is_accepted():
    sock = new_socket(CLIENT, NOBODY)
    sock.settimeout(limit(1))
    try:
        sock.connect(NOBODY)
        return True
    except TimeoutError:
        return False
    except OSError as error:
        if error.errno not in (errno.EHOSTUNREACH, errno.ENETUNREACH,
                               errno.ECONNREFUSED):
            raise
        return False
    finally:
        sock.close()


@scene("only while the listener is transparent")
def switched():
    with servers(BACK):
        expect(is_accepted(), True, "at first")
        kp("listener set web transparent off")
        expect(is_accepted(), False, "when it is off")
        kp("listener set web transparent on")
        expect(is_accepted(), True, "when it is on again")
    wait_gone()


@scene("a transparent listener may have an address that no host has")
def bound():
    for address in (("10.9.0.8", 80), ("fd09::8", 80)):
        words = f"listener add other {written(address)} upstream app"
        done = kp(words, check=False)
        expect("is not local" in done.stderr, True, done.stderr.strip())
        kp(f"{words} transparent on")
        at = BACK6 if ":" in address[0] else BACK
        with servers(at) as (listener,):
            client = connect(address)
            server = accept(listener)
            expect(sessions()[0]["listener"], "other", "its listener")
            expect_alive(client, server)
            done = kp("listener set other transparent off", check=False)
            expect("is not local" in done.stderr, True, done.stderr.strip())
            expect(show("listener show other")[0]["transparent"], "on",
                   "transparent after that")
            client.close()
            server.close()
        kp("listener del other")
    wait_gone()


@scene("source client: the server sees the client's address and port")
def client_address():
    for to, at, here in ((("10.1.0.1", 8000), BACK, HERE),
                         (("fd01::1", 8000), BACK6, HERE6)):
        with as_client(), servers(at) as (listener,):
            client = connect(to)
            server = accept(listener)
            expect(show("upstream show app")[0]["source"], "client",
                   "source as it is shown")
            expect(server.getpeername()[:2], client.getsockname()[:2],
                   "whom the server sees")
            expect(server.getpeername()[0], here, "its address")
            expect(sessions()[0]["source"], written(client.getsockname()),
                   "source of the session")
            both_ways(client, server, scaled(1 * MB), seed=2)
            client.close()
            server.close()
            wait_gone()


@scene("both together: neither sees the proxy")
def both():
    for to, at, _ in FAMILIES:
        with as_client(), servers(at) as (listener,):
            client = connect(to)
            server = accept(listener)
            expect(client.getpeername()[:2], to, "whom the client sees")
            expect(server.getpeername()[:2], client.getsockname()[:2],
                   "whom the server sees")
            both_ways(client, server, scaled(1 * MB), seed=3)
            client.close()
            server.close()
            wait_gone()


def from_port(port, to):
    sock = new_socket(CLIENT, to)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HERE, port))
    sock.connect(to)
    return sock


@scene("a client's port that is in use or out of range is replaced")
def port_taken():
    with as_client(), servers(BACK) as (listener,):
        pairs = []
        for port, to in ((40000, NOBODY), (40000, ("10.9.0.9", 80)),
                         (1000, NOBODY)):
            client = from_port(port, to)
            pairs.append((client, accept(listener)))
        peers = [server.getpeername() for _, server in pairs]
        expect(peers[0], (HERE, 40000), "the first")
        expect([host for host, _ in peers], [HERE] * 3, "addresses")
        expect(len(set(peers)), 3, "different ones")
        expect(peers[2][1] >= 32768, True, f"a port of the range: {peers[2]}")
        for client, server in pairs:
            expect_alive(client, server)
            client.close()
            server.close()
    wait_gone()


@scene("a client has no address for a server of the other family")
def other_family():
    kp("upstream set app eject 1")
    with as_client(), servers(BACK):
        before = stats()["connect_failures"]
        turned_away(NOBODY6)
        expect(stats()["connect_failures"] > before, True, "it is counted")
        expect(show("server show app")[0]["health"], "unknown",
               "the health of a server that is not to blame")
    wait_gone()
    with as_client(), servers(BACK, BACK6) as (_, listener):
        for _ in range(3):
            client = connect(NOBODY6)
            server = accept(listener)
            expect(server.getpeername()[0], HERE6, "whom the server sees")
            client.close()
            server.close()
    kp("upstream set app eject 0")
    wait_gone()


@scene("a server's reset or refusal reaches such a client")
def resets():
    with as_client():
        kp(f"server add app {written(BACK)}")
        turned_away(NOBODY)
        kp(f"server del app {written(BACK)}")
        with servers(BACK) as (listener,):
            client = connect(NOBODY)
            server = accept(listener)
            client.sendall(b"here")
            expect(read_exactly(server, 4), b"here", "what the server got")
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b"\1\0\0\0\0\0\0\0")
            server.close()
            expect_reset(client, "a client whose server resets")
    wait_for(lambda: not sessions(), "no session is left")
    wait_gone()


main()
