# SPDX-License-Identifier: GPL-2.0
"""Servers are connected to from an upstream's source addresses."""

import contextlib
import time
from collections import Counter

from peer import (BACK, BACK6, PROXY, accept, connect, expect, expect_alive,
                  expect_between, expect_reset, knock, kp, listen, main, run,
                  say, scaled, scene, servers, sessions, show, stats, sysctl,
                  wait_for, wait_gone, written)

SET_UP = """
load
topology
add_addr kp-proxy back 10.2.0.11/24 10.2.0.12/24 fd02::11/64
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app
"""

ELEVEN, TWELVE, SIX = "10.2.0.11", "10.2.0.12", "fd02::11"
OTHER = ("10.2.0.3", 9000)


@contextlib.contextmanager
def source(words, *addresses):
    """Connect from these addresses to these servers, for a while."""

    kp(f"upstream set app source {words}")
    try:
        with servers(*addresses) as listeners:
            yield listeners
    finally:
        kp("upstream set app source default")


def come(listener):
    """A client, a server's socket, and the address that it was connected
    from."""
    client = connect()
    server = accept(listener)
    return client, server, server.getpeername()[0]


def turned_away():
    """A client that is reset, perhaps before connect() returns."""
    client = knock()
    if client:
        expect_reset(client, "a client")


def shown():
    return show("upstream show app")[0].get("source")


@scene("an unusable address is refused with the reason")
def refused():
    kp(f"upstream set app source {ELEVEN}")
    for words, why in (("10.9.9.9", "not local"),
                       (f"{TWELVE},10.9.9.9", "10.9.9.9"),
                       ("fd09::9", "not local"),
                       (f"{ELEVEN},{ELEVEN}", "duplicate"),
                       ("0.0.0.0", "cannot connect from"),
                       ("224.0.0.1", "cannot connect from"),
                       ("::", "cannot connect from"),
                       (",".join(f"127.0.0.{n}" for n in range(1, 18)),
                        "at most 16"),
                       (f"{ELEVEN}/24", "without a length"),
                       (f"{ELEVEN}:80", "IPv6"),
                       (f"{ELEVEN},", "empty")):
        for command in ("set app", "add new"):
            done = kp(f"upstream {command} source {words}", check=False)
            expect(why in done.stderr and done.returncode in (1, 2), True,
                   f"{words}: {done.stderr.strip()}")
    expect(shown(), ELEVEN, "what it was")
    expect([u["name"] for u in show("upstream show")], ["app"], "upstreams")
    most = ",".join(f"127.0.0.{n}" for n in range(1, 17))
    kp(f"upstream set app source {most}")
    expect(shown(), most, "sixteen")
    kp("upstream set app retries 2")
    expect(shown(), most, "after another option was set")
    kp("upstream set app source default")
    expect(shown(), None, "the default")


@scene("addresses are taken in turn, separately for each server")
def in_turn():
    with source(f"{ELEVEN},{TWELVE},{SIX}", BACK, OTHER) as listeners:
        expect(shown(), f"{ELEVEN},{TWELVE},{SIX}", "source as it is shown")
        seen, kept = Counter(), []
        for _ in range(4):
            for listener in listeners:
                client, server, peer = come(listener)
                expect_alive(client, server)
                seen[server.getsockname()[0], peer] += 1
                kept += [client, server]
        expect(sorted(seen.items()),
               [((at[0], peer), 2) for at in (BACK, OTHER)
                for peer in (ELEVEN, TWELVE)], "who came from where")
        expect({s["source"].rsplit(":", 1)[0] for s in sessions()},
               {ELEVEN, TWELVE}, "source as sessions show it")
        for sock in kept:
            sock.close()
    wait_gone()


@scene("a server is connected to from an address of its family")
def families():
    for words, at, want in ((f"{ELEVEN},{SIX}", BACK6, SIX),
                            (f"{SIX},{TWELVE}", BACK, TWELVE),
                            (SIX, BACK, "10.2.0.1"),
                            (ELEVEN, BACK6, None)):
        with source(words, at) as (listener,):
            client, server, peer = come(listener)
            if want:
                expect(peer, want, f"source {words} to {at[0]}")
            else:
                expect(peer != SIX or ":" in peer, True, "the kernel's choice")
            expect_alive(client, server)
            client.close()
            server.close()
        wait_gone()


@scene("the next free port is taken, even or odd, up to the last")
def even_and_odd():
    first, last = 40000, 40015
    with source("default", BACK) as (listener,), \
            sysctl(PROXY, net__ipv4__ip_local_port_range=f"{first} {last}"):
        ends = [come(listener) for _ in range(first, last + 1)]
        taken = [server.getpeername()[1] for _, server, _ in ends]
        expect(sorted(taken), list(range(first, last + 1)), "ports")
        expect({port % 2 for port in taken[:8]}, {0, 1},
               f"even and odd ones of the first eight of {taken}")
        turned_away()
        for client, server, _ in ends:
            client.close()
            server.close()
    wait_gone()


@scene("a change applies to the next session")
def change():
    with source(ELEVEN, BACK) as (listener,):
        first = come(listener)
        kp(f"upstream set app source {TWELVE}")
        second = come(listener)
        kp("upstream set app source default")
        third = come(listener)
        expect([one[2] for one in (first, second, third)],
               [ELEVEN, TWELVE, "10.2.0.1"], "where they came from")
        for client, server, _ in (first, second, third):
            expect_alive(client, server)
            client.close()
            server.close()
    wait_gone()


@scene("health checks come from these addresses, too")
def checks():
    with source(ELEVEN, BACK) as (listener,):
        kp("upstream set app check tcp interval 50ms")
        try:
            # It may have been reset by now.
            sock, peer = listener.accept()
            sock.close()
            expect(peer[0], ELEVEN, "who checks")
            wait_for(lambda: show("server show app")[0]["health"] == "up",
                     "the server is up")
        finally:
            kp("upstream set app check off interval 2s")
    wait_gone()


@scene("an address that the host has lost is skipped")
def lost():
    with source(f"{ELEVEN},{TWELVE}", BACK) as (listener,):
        before = stats()["connect_failures"]
        run("ip", "-n", PROXY, "addr", "del", f"{TWELVE}/24", "dev", "back")
        try:
            for _ in range(4):
                client, server, peer = come(listener)
                expect(peer, ELEVEN, "where it came from")
                client.close()
                server.close()
        finally:
            run("ip", "-n", PROXY, "addr", "add", f"{TWELVE}/24", "dev",
                "back")
        expect(stats()["connect_failures"], before, "failures")
    wait_gone()


# Few ports, so that all can be used.
PORTS = scaled(400, 25)


@scene("two addresses have twice the ports, for each server")
def ports():
    kp("upstream set app eject 1 retries 0")
    low = 20000
    ports = f"{low} {low + PORTS - 1}"
    with sysctl(PROXY, net__ipv4__ip_local_port_range=ports), \
            source(f"{ELEVEN},{TWELVE}", BACK) as (listener,):
        kept, seen = [], set()

        def fill(at):
            for _ in range(2 * PORTS):
                client = connect()
                server = accept(at)
                kept.extend((client, server))
                seen.add((server.getsockname()[0], server.getpeername()))

        begun = time.monotonic()
        fill(listener)
        expect(len(seen), 2 * PORTS, "different addresses and ports")
        expect(Counter(peer[0] for _, peer in seen),
               {ELEVEN: PORTS, TWELVE: PORTS}, "sessions of each address")
        say(f"# {2 * PORTS} sessions in {time.monotonic() - begun:.1f} s")
        turned_away()
        expect(show("server show app")[0]["health"], "unknown",
               "the health of a server that is not to blame")
        # The same ports, to another server.
        kp(f"server set app {written(BACK)} state drain")
        kp(f"server add app {written(OTHER)}")
        with listen(OTHER) as other:
            fill(other)
        expect(len(seen), 4 * PORTS, "of two servers")
        expect_between(len(sessions()), 4 * PORTS, 4 * PORTS, "live sessions")
        expect_alive(kept[0], kept[1])
        expect_alive(kept[-2], kept[-1])
        for sock in kept:
            sock.close()
        kp(f"server del app {written(OTHER)}")
    kp("upstream set app eject 0 retries 2")
    wait_gone(60)


@scene("a source that cannot reach a server fails as a connect does")
def unreachable():
    kp("upstream set app source 127.0.0.1 retries 0")
    kp(f"server add app {written(BACK)}")
    kp("listener set web connect-timeout 500ms")
    before = stats()["connect_failures"]
    turned_away()
    expect(stats()["connect_failures"] - before, 1, "failures")
    kp(f"server del app {written(BACK)}")
    kp("listener set web connect-timeout 5s")
    kp("upstream set app source default retries 2")
    wait_gone()


main()
