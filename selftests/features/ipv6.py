# SPDX-License-Identifier: GPL-2.0
"""IPv6, and both families at once."""

import contextlib
import json
import socket

from peer import (BACK, BACK6, CLIENT, FRONT, FRONT6, KB, PROXY, SERVER,
                  Failed, both_ways, connect, expect, expect_alive, kp, listen,
                  main, netns, pair, run, scaled, scene, sessions, show,
                  wait_for, wait_gone)

SET_UP = """
load
topology
"""


@contextlib.contextmanager
def proxy(listener, *servers):
    kp("upstream add u")
    for server in servers:
        kp("server add u " + server)
    kp(f"listener add l {listener} upstream u")
    try:
        yield
    finally:
        kp("listener del l kill")
        kp("upstream del u")
        wait_gone()


def expect_shown(**want):
    session = sessions()[0]
    for key, value in want.items():
        expect(session[key].rpartition(":")[0], value, f"{key} shown")


def run_through(to, at, **shown):
    client, server = pair(to=to, at=at)
    expect_alive(client, server)
    expect_shown(**shown)
    both_ways(client, server, scaled(512 * KB))
    for sock in client, server:
        sock.close()
    wait_gone()


@scene("IPv6 to IPv6")
def v6_v6():
    with proxy("[fd01::1]:8000", "[fd02::2]:9000"):
        run_through(FRONT6, BACK6, client="[fd01::2]", local="[fd01::1]",
                    source="[fd02::1]", server="[fd02::2]")


@scene("IPv4 to IPv6")
def v4_v6():
    with proxy("10.1.0.1:8000", "[fd02::2]:9000"):
        run_through(FRONT, BACK6, client="10.1.0.2", local="10.1.0.1",
                    source="[fd02::1]", server="[fd02::2]")


@scene("IPv6 to IPv4")
def v6_v4():
    with proxy("[fd01::1]:8000", "10.2.0.2:9000"):
        run_through(FRONT6, BACK, client="[fd01::2]", local="[fd01::1]",
                    source="10.2.0.1", server="10.2.0.2")


@scene("* accepts both, and shows IPv4 clients as such")
def dual():
    with proxy("*:8000", "10.2.0.2:9000"):
        expect(show("listener show l")[0]["addresses"], ["*:8000"],
               "addresses shown")
        run_through(FRONT, BACK, client="10.1.0.2", local="10.1.0.1")
        run_through(FRONT6, BACK, client="[fd01::2]", local="[fd01::1]")
        client, server = pair()
        expect_alive(client, server)
        expect(len(sessions("client 10.1.0.0/24")), 1,
               "sessions of IPv4 clients")
        expect(len(sessions("client fd01::/64")), 0,
               "sessions of IPv6 clients")


@scene("[::] accepts IPv6 only, beside 0.0.0.0 on the same port")
def v6_only():
    with proxy("[::]:8000", "10.2.0.2:9000"):
        run_through(FRONT6, BACK)
        try:
            connect(FRONT)
        except ConnectionRefusedError:
            pass
        else:
            raise Failed("IPv4 was accepted")
        kp("listener add l4 0.0.0.0:8000 upstream u")
        run_through(FRONT, BACK)
        kp("listener del l4")


def link_local(ns, device):
    """A link-local address, once it may be used."""

    def ready():
        out = run("ip", "-n", ns, "-j", "-6", "addr", "show", "dev", device,
                  "scope", "link").stdout
        infos = [info for link in json.loads(out or "[]")
                 for info in link.get("addr_info", [])
                 if "local" in info and not info.get("tentative")]
        return infos and infos[0]["local"]

    return wait_for(ready, f"{device} has a link-local address", 15)


def index(ns, device):
    with netns(ns):
        return socket.if_nametoindex(device)


@scene("link-local addresses, of the listener and of the server")
def scoped():
    front = link_local(PROXY, "front")
    back = link_local(SERVER, "eth0")
    link_local(CLIENT, "eth0")
    link_local(PROXY, "back")
    with proxy(f"[{front}%front]:8000", f"[{back}%back]:9000"):
        expect(show("listener show l")[0]["addresses"],
               [f"[{front}%front]:8000"], "addresses shown")
        expect(show("server show u")[0]["address"], f"[{back}%back]:9000",
               "server shown")
        run_through((front, 8000, 0, index(CLIENT, "eth0")),
                    (back, 9000, 0, index(SERVER, "eth0")),
                    local=f"[{front}%front]", server=f"[{back}%back]")
        kp(f"server del u [{back}%back]:9000")


@scene("addresses of both families in one listener, and servers of both")
def mixed():
    with proxy("10.1.0.1:8000,[fd01::1]:8000,10.1.0.1:8001", "[fd02::2]:9000",
               "10.2.0.2:9000"):
        listeners = listen(BACK), listen(BACK6)
        for to in FRONT, FRONT6, (FRONT[0], 8001), FRONT:
            connect(to).sendall(b"hello")
        for listener in listeners:
            for _ in range(2):
                sock, _ = listener.accept()
                expect(sock.recv(5), b"hello", "what came")
                sock.close()


main()
