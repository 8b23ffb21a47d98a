# SPDX-License-Identifier: GPL-2.0
"""
Active checks: a server that answers is up, one that does not is down, and
both are announced.
"""

import contextlib
import pathlib
import socket
import struct
import time

import yaml

from netlink_raw import Netlink
from peer import (BACK, BACK6, PATIENCE, PROXY, SERVER, EchoServer, Failed,
                  connect, expect, expect_between, kp, limit, listen, main,
                  netem, read_exactly, run, scene, show, tcp_sockets,
                  unreachable, wait_for, wait_gone, written)

SET_UP = r"""
load
topology
modprobe -q sch_netem || true
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app \
    connect-timeout 2s
"""

SPEC = yaml.safe_load((pathlib.Path(__file__).parents[2] / "docs" /
                       "netlink" / "kproxy.yaml").read_text())
EVENT = next(n for n, op in enumerate(SPEC["operations"]["list"], 1)
             if op["name"] == "server-health")
ATTR = {a["name"]: n for s in SPEC["attribute-sets"] if s["name"] == "server"
        for n, a in enumerate(s["attributes"], 1)}
HEALTH = [e["name"] for d in SPEC["definitions"] if d["name"] == "health"
          for e in d["entries"]]

# Long enough for a slow machine to roughly keep to it.
INTERVAL = 0.2 * PATIENCE
OTHER = ("10.2.0.3", 9000)


def ms(seconds):
    return f"{round(seconds * 1000)}ms"


def health(address=BACK):
    return next(s["health"] for s in show("server show app")
                if s["address"] == written(address))


def wait_health(want, address=BACK, seconds=20):
    wait_for(lambda: health(address) == want,
             f"{written(address)} is {want}",
             seconds)


@contextlib.contextmanager
def checked(*servers, options=""):
    """These servers are checked, for a while."""

    kp(f"upstream set app check tcp interval {ms(INTERVAL)} "
       f"timeout {ms(INTERVAL)} {options}")
    for server in servers:
        kp(f"server add app {written(server)}")
    try:
        yield
    finally:
        for server in show("server show app"):
            kp(f"server del app {server['address']}")
        kp("upstream set app check off interval 2s timeout 1s rise 2 fall 3")


@scene("a server that answers is up, one that refuses is down, in both families")
def up_and_down():
    echo = EchoServer()
    echo6 = EchoServer(BACK6)
    with checked(BACK, BACK6, OTHER):
        wait_health("up")
        wait_health("up", BACK6)
        wait_health("down", OTHER)
        shown = show("upstream show app")[0]
        expect({k: shown[k] for k in ("check", "interval", "timeout")},
               {"check": "tcp", "interval": shown["interval"],
                "timeout": shown["timeout"]}, "options as they are shown")
    echo.close()
    echo6.close()
    wait_gone()


@scene("a server that is down gets no client until it is up again")
def passed_over():
    echo = EchoServer(BACK, b"one")
    with checked(BACK, OTHER):
        wait_health("down", OTHER)
        wait_health("up")
        before = show("stats show")[0]["connect_failures"]
        for _ in range(6):
            with connect() as sock:
                expect(read_exactly(sock, 3), b"one", "who serves")
        expect(show("stats show")[0]["connect_failures"], before,
               "connects that failed")
        other = EchoServer(OTHER, b"two")
        wait_health("up", OTHER)
        served = set()

        def both():
            with connect() as sock:
                served.add(read_exactly(sock, 3))
            return len(served) == 2

        wait_for(both, "both serve")
        other.close()
    echo.close()
    wait_gone()


@scene("it takes fall failures in a row, and rise successes")
def rise_and_fall():
    echo = EchoServer()
    with checked(BACK, options="rise 4 fall 6"):
        wait_health("up")
        echo.close()
        begun = time.monotonic()
        wait_health("down")
        # Not before the sixth check, whenever the first one came.
        expect_between(time.monotonic() - begun, INTERVAL * 4.9,
                       INTERVAL * 7 + limit(2), "seconds until it fell")
        echo = EchoServer()
        begun = time.monotonic()
        wait_health("up")
        expect_between(time.monotonic() - begun, INTERVAL * 2.9,
                       INTERVAL * 5 + limit(2), "seconds until it rose")
    echo.close()
    wait_gone()


@scene("a server that does not answer within the timeout is down")
def timeout():
    echo = EchoServer()
    with checked(BACK, options="fall 1"):
        wait_health("up")
        with netem(SERVER, "eth0", "loss", "100%"):
            wait_health("down")
        wait_health("up")
    echo.close()
    wait_gone()


@scene("an unreachable server is down, and up once it is reachable")
def no_route():
    echo = EchoServer()
    with checked(BACK, options="rise 1 fall 2"):
        wait_health("up")
        with unreachable(BACK[0]):
            wait_health("down")
        wait_health("up")
    echo.close()
    wait_gone()


@scene("every change is announced, once")
def events():
    nl = Netlink()
    nl.join("events")
    nl.socket.settimeout(limit(20))

    def next_health():
        # The group tells of changes of the configuration too.
        command, found = nl.event()
        while command != EVENT:
            command, found = nl.event()
        word = HEALTH[struct.unpack("=I", found[ATTR["health"]])[0]]
        names = {"upstream", "address", "health"}
        if word == "ejected":
            names |= {"failures", "eject-left-ms"}
        expect(set(found), {ATTR[n] for n in names}, "attributes")
        expect(found[ATTR["upstream"]], b"app\0", "the upstream")
        return word

    with checked(BACK, options="fall 2 rise 2"):
        expect(next_health(), "down", "the first event")
        echo = EchoServer()
        expect(next_health(), "up", "the second event")
        echo.close()
        expect(next_health(), "down", "the third event")
        kp("upstream set app check off")
        expect(next_health(), "unknown", "when nothing checks it any more")
        kp("upstream set app eject 1 retries 0 eject-time 100ms")
        with contextlib.suppress(ConnectionResetError):
            connect().recv(1)
        expect(next_health(), "ejected", "after a failed connect")
        expect(next_health(), "unknown", "when it is back")
    nl.socket.settimeout(0.5)
    with contextlib.suppress(TimeoutError, socket.timeout):
        while True:
            command, found = nl.event()
            if command == EVENT:
                raise Failed(f"another event: {found}")
    nl.close()
    kp("upstream set app eject 0 retries 2 eject-time 30s")
    wait_gone()


@scene("checks can be switched at run time, and leave nothing behind")
def on_and_off():
    echo = EchoServer()
    kp(f"server add app {written(BACK)}")
    expect(health(), "unknown", "health without checks")
    for _ in range(5):
        kp(f"upstream set app check tcp interval {ms(INTERVAL)}")
        wait_health("up")
        kp("upstream set app interval 1h")
        expect(health(), "up", "health after the interval was changed")
        kp("upstream set app check off interval 2s")
        expect(health(), "unknown", "health after checks went off")
    wait_for(lambda: not tcp_sockets(), "no socket is left")
    count = echo.clients
    time.sleep(INTERVAL * 3)
    expect(echo.clients, count, "checks after they went off")
    kp(f"server del app {written(BACK)}")
    echo.close()


@scene("a server that is drained is checked, one that is deleted is not")
def drained():
    echo = EchoServer()
    with checked(BACK):
        kp(f"server set app {written(BACK)} state drain")
        wait_health("up")
        kp(f"server del app {written(BACK)}")
        wait_for(lambda: not tcp_sockets(), "no socket is left")
        count = echo.clients
        time.sleep(INTERVAL * 3)
        expect(echo.clients, count, "checks of a deleted server")
    echo.close()


@scene("checks of many servers are spread over the interval")
def spread():
    count, interval = 1000, 4 * PATIENCE
    arrivals = []
    run("ip", "-n", SERVER, "route", "add", "local", "10.2.8.0/22", "dev",
        "lo")
    run("ip", "-n", PROXY, "route", "add", "10.2.8.0/22", "via", BACK[0])
    everywhere = listen(("0.0.0.0", 9009), backlog=65535)
    everywhere.settimeout(limit(60))
    lines = [f"server add app 10.2.{8 + n // 250}.{1 + n % 250}:9009"
             for n in range(count)]
    kp("-b -", text="\n".join(lines))
    try:
        kp(f"upstream set app check tcp interval {ms(interval)} "
           f"timeout {ms(interval)}")
        seen = set()
        begun = time.monotonic()
        while len(seen) < count:
            sock, _ = everywhere.accept()
            seen.add(sock.getsockname())
            arrivals.append(time.monotonic() - begun)
            sock.close()
        # Tenths of an interval: none has much more than a tenth of the checks.
        first = [t for t in arrivals if t < interval]
        parts = [0] * 10
        for t in first:
            parts[int(t * 10 / interval)] += 1
        expect_between(max(parts), 50, count / 10 * 2.5,
                       f"checks in a tenth of the interval, of {parts}")
        wait_for(lambda: {s["health"] for s in show("server show app")} ==
                 {"up"}, "all are up", 30)
    finally:
        kp("upstream set app check off interval 2s timeout 1s")
        kp("-b -", text="\n".join(f"server del app {s['address']}"
                                  for s in show("server show app")))
    everywhere.close()
    wait_gone()


@scene("changes under checks that fail and succeed all the time")
def storm():
    kp("upstream set app check tcp interval 10ms timeout 10ms rise 1 fall 1")
    end = time.monotonic() + limit(3)
    balances = ["leastconn", "random", "maglev", "roundrobin"]
    n = 0
    while time.monotonic() < end:
        n += 1
        kp(f"server add app {written(BACK)} weight {1 + n % 256}")
        kp(f"server add app {written(OTHER)}")
        kp(f"upstream set app balance {balances[n % 4]}")
        with contextlib.closing(EchoServer()):
            with contextlib.suppress(OSError), connect() as sock:
                sock.sendall(b"x")
                sock.recv(1)
        kp(f"upstream set app check {'off' if n % 3 == 0 else 'tcp'}")
        kp(f"server del app {written(BACK)}")
        kp(f"server del app {written(OTHER)}")
    kp("upstream set app check off balance roundrobin interval 2s "
       "timeout 1s rise 2 fall 3")
    wait_gone()


main()
