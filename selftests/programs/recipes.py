# SPDX-License-Identifier: GPL-2.0
"""Two hosts with the same servers, as seen by their clients."""

import contextlib
import json
import pathlib
import threading
import time

from peer import (CLIENT, KB, PROXY, QUICK, EchoServer, Stream, Threads,
                  expect, expect_between, expect_reset, limit, main,
                  new_socket, read_exactly, run, say, scene, wait_for)

ROUTER, SECOND = "kp-router", "kp-second"
HOSTS = {"10.3.0.2": PROXY, "10.3.0.3": SECOND}
LIVES, DIES = HOSTS
PORTS = {"10.3.0.2": "port2", "10.3.0.3": "port3"}
ANYCAST, MOVING = ("10.9.0.1", 80), ("10.3.0.100", 80)
SERVERS = [f"10.2.0.{n}" for n in (2, 3, 4)]
CLIENTS = [f"10.1.0.{n}" for n in range(100, 150)]
MOVING_YAML = (pathlib.Path(__file__).parents[2] /
               "docs/recipes/moving-address/kproxy.yaml")

# Which server a client has; filled by the first scene that looks.
homes = {}


class NamedServer(EchoServer):
    """Sends its own name first, and that of its client."""

    def _echo(self, sock):
        with contextlib.suppress(OSError):
            sock.sendall(f"{sock.getsockname()[0]} {sock.getpeername()[0]}\n"
                         .encode())
            super()._echo(sock)


class Visit:
    """A client of the service: which host it came by, and to which server."""

    def __init__(self, client, to=ANYCAST, seconds=30):
        self.client = client
        self.sock = new_socket(CLIENT, to)
        self.sock.bind((client, 0))
        self.sock.settimeout(limit(seconds))
        self.sock.connect(to)
        line = b""
        while not line.endswith(b"\n"):
            line += read_exactly(self.sock, 1)
        self.server, self.host = line.decode().split()
        expect(self.server, homes.setdefault(client, self.server),
               f"the server of {client} by way of {self.host}")

    def use(self, stream, size):
        self.sock.sendall(stream.take(size))
        stream.position -= size
        stream.check(read_exactly(self.sock, size))


class Load:
    """Sessions that all echo, one after the other, without a pause."""

    def __init__(self, visits):
        self.rounds = 0
        self._visits = [(visit, Stream(n)) for n, visit in enumerate(visits)]
        self._over = threading.Event()
        self._threads = Threads()
        self._threads.go(self._run)

    def _run(self):
        try:
            while not self._over.is_set():
                for visit, stream in self._visits:
                    visit.use(stream, 16 * KB)
                self.rounds += 1
        finally:
            self._over.set()

    def more(self, rounds=3):
        """Wait until each has echoed again, this often."""
        want = self.rounds + rounds + 1
        wait_for(lambda: self.rounds >= want or self._over.is_set(),
                 "the sessions go on", 60)
        if self._over.is_set():
            self.end()

    def end(self):
        self._over.set()
        self._threads.join()


def servers_up(host):
    found = json.loads(run("kproxy", "-n", HOSTS[host], "-j", "server", "show",
                           "app").stdout)
    return [server["health"] for server in found] == ["up"] * len(SERVERS)


@contextlib.contextmanager
def farm():
    """Servers, and both hosts know that they are there."""
    named = [NamedServer((server, 9000)) for server in SERVERS]
    try:
        for host in HOSTS:
            wait_for(lambda: servers_up(host), "the servers are up", 60)
        yield
    finally:
        for server in named:
            server.close()


def visits(times, to=ANYCAST):
    return [Visit(client, to) for _ in range(times) for client in CLIENTS]


def next_hops():
    """The hosts that the router knows for the service."""
    routes = json.loads(run("ip", "-n", ROUTER, "-j", "route", "show",
                            f"{ANYCAST[0]}/32").stdout or "[]")
    return sorted(hop["gateway"] for route in routes
                  for hop in route.get("nexthops", [route]))


def wait_routed(*hosts):
    """Sooner than BGP alone, for which a silent peer is dead after 240 s."""
    wait_for(lambda: next_hops() == sorted(hosts),
             f"the router knows {' and '.join(hosts)}", 30)


def cable(host, state):
    """Of the host to its switch; the router does not see it."""
    run("ip", "-n", ROUTER, "link", "set", PORTS[host], state)


@contextlib.contextmanager
def dead(host):
    cable(host, "down")
    try:
        yield
    finally:
        cable(host, "up")
        # Its clients have gone, and it was not told.
        run("kproxy", "-n", HOSTS[host], "session", "kill", "client",
            "0.0.0.0/0", check=False)


@contextlib.contextmanager
def all_well():
    """Servers, and the router has a way to both hosts."""
    with farm():
        wait_routed(*HOSTS)
        yield


@scene("BGP: the router knows both hosts, and each has clients")
def both_hosts():
    with all_well():
        came = [visit.host for visit in visits(2)]
    for host in HOSTS:
        expect_between(came.count(host), 20, 80, f"clients by way of {host}")


@scene("a client has the same server through either host")
def same_server():
    with all_well():
        came = visits(6)
        ways = {client: set() for client in CLIENTS}
        for visit in came:
            ways[visit.client].add(visit.host)
        both = sum(len(hosts) == 2 for hosts in ways.values())
        say(f"# {len(came)} sessions, {both} of {len(CLIENTS)} clients by "
            f"both hosts")
        expect_between(both, 40, 50, "clients that came by both hosts")
        for visit in came:
            expect(visit.server, homes[visit.client], visit.client)
        expect(sorted(set(homes.values())), SERVERS, "servers that have some")


@scene("a host dies under load: the other's clients notice nothing, its own "
       "find their servers again")
def host_dies():
    with all_well():
        came = visits(2 if QUICK else 6)
        load = Load([visit for visit in came if visit.host == LIVES])
        others = [visit for visit in came if visit.host == DIES]
        load.more()
        with dead(DIES):
            begun = time.monotonic()
            wait_routed(LIVES)
            say(f"# noticed after {time.monotonic() - begun:.1f} s")
            load.more()
            for visit in others:
                visit.sock.sendall(b"are you there?")
                expect_reset(visit.sock, "a client of the host that is dead",
                             60)
                again = Visit(visit.client)
                expect(again.host, LIVES, "its new host")
                expect(again.server, visit.server, "its server")
            load.more()
            load.end()
            say(f"# {len(came) - len(others)} sessions lived through it in "
                f"{load.rounds} rounds, {len(others)} came again")


@scene("new clients of a host whose death is not noticed yet wait and are "
       "served by the other")
def meanwhile():
    with all_well():
        known = {visit.client: visit.server for visit in visits(1)}
        with dead(DIES):
            expect(next_hops(), sorted(HOSTS), "what the router still thinks")
            threads, came = Threads(), []
            for client in CLIENTS:
                threads.go(lambda client: came.append(Visit(client)), client)
            threads.join()
            expect({visit.host for visit in came}, {LIVES}, "hosts")
            expect({visit.client: visit.server for visit in came}, known,
                   "servers of the clients")


@scene("a host that comes back gets clients again, with the same servers")
def host_returns():
    with all_well():
        with dead(DIES):
            wait_routed(LIVES)
        wait_routed(*HOSTS)
        wait_for(lambda: servers_up(DIES), "it sees the servers", 60)
        expect({visit.host for visit in visits(2)}, set(HOSTS), "hosts")


def holders():
    """The hosts that have the address."""
    return [host for host, ns in HOSTS.items()
            if MOVING[0] in run("ip", "-n", ns, "-4", "addr", "show", "dev",
                                "eth0").stdout]


def wait_holder(*hosts):
    """Until one of these alone has the address; which."""
    def alone():
        have = holders()
        return have[0] if len(have) == 1 and have[0] in hosts else None

    return wait_for(alone, f"{' or '.join(hosts)} has the address", 60)


def other(host):
    return next(one for one in HOSTS if one != host)


def expect_served(host):
    for visit in visits(1, MOVING):
        expect(visit.host, host, "the host that has the address")


@scene("VRRP: one host has the address, and serves")
def one_has_it():
    with farm():
        expect_served(wait_holder(*HOSTS))


@scene("the address leaves a host whose listener is gone; clients have the "
       "same servers")
def service_ends():
    with farm():
        was = wait_holder(*HOSTS)
        run("kproxy", "-n", HOSTS[was], "listener", "del", "web")
        try:
            expect_served(wait_holder(other(was)))
        finally:
            run("kproxy", "-n", HOSTS[was], "config", "apply",
                str(MOVING_YAML))


@scene("the address leaves a host whose cable is pulled, and its clients are "
       "reset")
def cable_pulled():
    with farm():
        was = wait_holder(*HOSTS)
        old = visits(1, MOVING)
        with dead(was):
            expect_served(wait_holder(other(was)))
            for visit in old:
                visit.sock.sendall(b"are you there?")
                expect_reset(visit.sock, "a client of the host before", 60)


main()
