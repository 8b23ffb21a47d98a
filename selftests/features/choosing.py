# SPDX-License-Identifier: GPL-2.0
"""Which servers are used when some are down, have come back, or are slow."""

import contextlib
import time

from peer import (PATIENCE, SERVER, EchoServer, Failed, Skipped, connect,
                  expect, expect_between, expect_reset, knock, kp, limit, main,
                  read_exactly, run, say, scaled, scene, show, wait_for,
                  wait_gone)

SET_UP = r"""
load
topology
modprobe -q -a sch_netem sch_prio cls_u32 || true
kp upstream add app
kp listener add web 10.1.0.1:8000 upstream app connect-timeout 2s
"""

ONE, TWO, THREE = (("10.2.0.2", 9001), ("10.2.0.3", 9002), ("10.2.0.2", 9003))
INTERVAL = f"{100 * PATIENCE}ms"
OPTIONS = ("balance", "check", "interval", "timeout", "rise", "fall",
           "failback", "on-down", "fail-open", "slow-start", "retries")


def name(address):
    return f"{address[0]}:{address[1]}"


@contextlib.contextmanager
def upstream(options, *servers):
    """Servers of the upstream, for a while: an address and options each."""
    kp("upstream set app retries default")
    if options:
        kp(f"upstream set app {options}")
    for address, words in servers:
        kp(f"server add app {name(address)} {words}")
    try:
        yield
    finally:
        for server in show("server show app"):
            kp(f"server del app {server['address']}")
        kp("upstream set app " + " ".join(f"{o} default" for o in OPTIONS))
    wait_gone()


@contextlib.contextmanager
def answering(*addresses):
    """Servers that send their port when a client connects, by address."""
    echoes = {address: EchoServer(address, b"%05d" % address[1])
              for address in addresses}
    try:
        yield echoes
    finally:
        for echo in echoes.values():
            echo.close()


def who(sock):
    port = int(read_exactly(sock, 5))
    return next(a for a in (ONE, TWO, THREE) if a[1] == port)


def visit():
    with connect() as sock:
        return who(sock)


def visits(n=8):
    return {visit() for _ in range(n)}


def row(address):
    return next(s for s in show("server show app")
                if s["address"] == name(address))


def wait_health(want, *addresses):
    for address in addresses:
        wait_for(lambda a=address: row(a)["health"] == want,
                 f"{name(address)} is {want}", 20)


def counts(n):
    """How many of N sessions each server gets that stay until the last came."""
    socks = [connect() for _ in range(n)]
    found = {a: 0 for a in (ONE, TWO, THREE)}
    for sock in socks:
        found[who(sock)] += 1
    for sock in socks:
        sock.close()
    wait_gone()
    return found


CHECKED = f"check tcp interval {INTERVAL} timeout {INTERVAL} rise 1 fall 1"


def expect_refused(what):
    """The reset may come before connect() has returned."""
    sock = knock()
    if sock:
        with sock:
            expect_reset(sock, what)


@scene("a name is shown, saved, and a label of metrics")
def names():
    with upstream("", (ONE, "name first"), (TWO, "")):
        expect((row(ONE).get("name"), row(TWO).get("name")), ("first", None),
               "the names")
        if 'name="first"' not in kp("metrics").stdout:
            raise Failed("no label")
        saved = kp("config save").stdout
        if "name: first" not in saved:
            raise Failed(saved)
        kp("config apply -", text=saved)
        kp(f"server set app {name(ONE)} name default")
        expect("name" in row(ONE), False, "a name that was removed")
        done = kp(f"server set app {name(ONE)} name a/b", check=False)
        expect(done.returncode, 1, "status of an invalid name")


@scene("servers of the lowest priority that are up take all sessions")
def priority():
    with answering(ONE, TWO, THREE) as echoes, \
            upstream(CHECKED, (ONE, "priority 7"), (TWO, "priority 3"),
                     (THREE, "priority 255")):
        wait_health("up", ONE, TWO, THREE)
        expect(visits(), {TWO}, "who serves")
        echoes[TWO].close()
        wait_health("down", TWO)
        expect(visits(), {ONE}, "who serves then")
        kp(f"server set app {name(ONE)} state drain")
        expect(visits(), {THREE}, "the last")
        kp(f"server set app {name(THREE)} priority 0 backup on")
        kp(f"server set app {name(ONE)} state up priority 1")
        expect(visits(), {ONE, THREE}, "backup is priority 1")
        done = kp(f"server set app {name(ONE)} priority 256", check=False)
        expect(done.returncode, 1, "status of a priority too large")


@scene("failback off: one that comes back waits until the other fails")
def failback():
    with answering(ONE, TWO) as echoes, \
            upstream(CHECKED + " failback off", (ONE, ""),
                     (TWO, "priority 1")):
        wait_health("up", ONE, TWO)
        expect(visits(), {ONE}, "who serves first")
        echoes[ONE].close()
        wait_health("down", ONE)
        expect(visits(), {TWO}, "who takes over")
        echoes[ONE] = EchoServer(ONE, b"%05d" % ONE[1])
        wait_health("up", ONE)
        time.sleep(0.3)
        expect(visits(), {TWO}, "who serves when the first is back")
        echoes[TWO].close()
        wait_health("down", TWO)
        expect(visits(), {ONE}, "who serves when the second fails")
        echoes[TWO] = EchoServer(TWO, b"%05d" % TWO[1])
        wait_health("up", TWO)
        expect(visits(), {ONE}, "who goes on")
        kp(f"server set app {name(ONE)} state drain")
        expect(visits(), {TWO}, "who serves when the first is drained")
        kp(f"server set app {name(ONE)} state up")
        expect(visits(), {ONE}, "who serves when it is set up by hand")
        # A connect that fails is no reason to change over.
        kp("upstream set app check off")
        echoes[ONE].close()
        expect_refused("a client of the server in use")
        kp("upstream set app failback on")
        expect(visits(), {TWO}, "who serves with failback")


@scene("health down takes a server out, up keeps it in, auto leaves it to checks")
def health_set():
    with answering(ONE, TWO) as echoes, \
            upstream(CHECKED, (ONE, ""), (TWO, "")):
        wait_health("up", ONE, TWO)
        kp(f"server set app {name(ONE)} health down")
        expect((row(ONE)["health"], row(ONE)["health-set"]), ("down", "down"),
               "health and how it was set")
        expect(visits(), {TWO}, "who serves")
        kp(f"server set app {name(ONE)} health auto")
        expect((row(ONE)["health"], "health-set" in row(ONE)), ("up", False),
               "health by checks")
        expect(visits(), {ONE, TWO}, "who serves then")
        echoes[ONE].close()
        wait_health("down", ONE)
        kp(f"server set app {name(ONE)} health up")
        expect(row(ONE)["health"], "up", "health that was set up")
        expect(visits(), {TWO}, "clients that it fails get another")
        kp(f"server set app {name(ONE)} health auto")
        expect(row(ONE)["health"], "down", "health by checks")


@scene("on-down reset: sessions of a server that is found or set down are reset")
def on_down():
    with answering(ONE, TWO) as echoes, \
            upstream(CHECKED, (ONE, ""), (TWO, "priority 1")):
        wait_health("up", ONE, TWO)
        with connect() as kept:
            expect(who(kept), ONE, "the server")
            echoes[ONE].close()
            wait_health("down", ONE)
            kept.sendall(b"x")
            expect(read_exactly(kept, 1), b"x", "a session that is kept")
            echoes[ONE] = EchoServer(ONE, b"%05d" % ONE[1])
            wait_health("up", ONE)
            kp("upstream set app on-down reset")
            expect(who(other := connect()), ONE, "the server again")
            echoes[ONE].close()
            expect_reset(kept, "a session of a server that falls")
            expect_reset(other, "another session of it")
        wait_health("down", ONE)
        with connect() as sock:
            expect(who(sock), TWO, "the server now")
            kp(f"server set app {name(TWO)} health down")
            expect_reset(sock, "a session of a server that is set down")


@scene("fail-open: all servers are used when checks find all down")
def fail_open():
    with answering(ONE, TWO), \
            upstream(CHECKED + " check-port 9", (ONE, ""), (TWO, "")):
        wait_health("down", ONE, TWO)
        expect_refused("a client without fail-open")
        kp("upstream set app fail-open on")
        expect(visits(), {ONE, TWO}, "who serves with fail-open")
        kp(f"server set app {name(ONE)} health up")
        expect(visits(), {ONE}, "who serves when one is up")
        kp(f"server set app {name(ONE)} health auto state drain")
        expect(visits(), {TWO}, "who serves when one is drained")
        kp("upstream set app fail-open off")
        expect_refused("a client without fail-open")
    kp("upstream set app check-port 0")


@scene("slow-start: the share of one that comes back grows")
def slow_start():
    seconds = 8 * PATIENCE
    with answering(ONE, TWO), \
            upstream(f"slow-start {seconds}s", (ONE, ""), (TWO, "")):
        first = counts(scaled(320, 64))
        expect_between(first[ONE], sum(first.values()) * 0.45,
                       sum(first.values()) * 0.55, "sessions of a new server")
        kp(f"server set app {name(ONE)} state drain")
        expect(visits(4), {TWO}, "who serves")
        kp(f"server set app {name(ONE)} state up")
        begun = time.monotonic()
        shares = []
        while time.monotonic() - begun < seconds * 1.2:
            found = counts(scaled(160, 34))
            age = (time.monotonic() - begun) / seconds
            shares.append((age, found[ONE] / sum(found.values())))
        say("share by time: " + ", ".join(f"{a:.2f} {s:.2f}"
                                          for a, s in shares))
        for age, share in shares:
            # Of an age of the growth: as much of 1, against the other's 1.
            due = min(age, 1) / (1 + min(age, 1))
            expect_between(share, max(due - 0.2, 0.0), due + 0.1,
                           f"the share at {age:.2f}")
        expect_between(shares[0][1], 0, 0.25, "the first share")
        expect_between(shares[-1][1], 0.4, 0.6, "the last share")


@contextlib.contextmanager
def slow(address, delay):
    """Delay packets from an address of the servers."""
    tc = ["ip", "netns", "exec", SERVER, "tc"]
    run(*tc, "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "prio")
    try:
        run(*tc, "qdisc", "add", "dev", "eth0", "parent", "1:3", "handle",
            "30:", "netem", "delay", delay)
        run(*tc, "filter", "add", "dev", "eth0", "parent", "1:", "protocol",
            "ip", "prio", "1", "u32", "match", "ip", "src", address[0],
            "flowid", "1:3")
        yield
    finally:
        run(*tc, "qdisc", "del", "dev", "eth0", "root")


@scene("balance latency: the server that is further away gets fewer sessions")
def latency():
    with answering(ONE, TWO), upstream("balance latency", (ONE, ""),
                                       (TWO, "")):
        try:
            hold = contextlib.ExitStack()
            hold.enter_context(slow(TWO, "40ms"))
        except Failed as failed:
            raise Skipped(str(failed)) from failed
        with hold:
            # Both are known after some.
            for _ in range(10):
                visit()
            found = counts(scaled(200, 60))
        say(f"40 ms further away: {found[TWO]} of {sum(found.values())}")
        expect_between(found[TWO], 0, sum(found.values()) * 0.35,
                       "sessions of the server that is further away")


@scene("few clients try a server first that refuses, and it is found again")
def dead_first():
    for method in ("roundrobin", "leastconn", "random", "maglev", "latency"):
        with answering(ONE), upstream(f"balance {method}", (ONE, ""),
                                      (TWO, "")):
            before = show("stats show")[0]["connect_failures"]
            begun = time.monotonic()
            expect(visits(60), {ONE}, "who serves")
            failed = show("stats show")[0]["connect_failures"] - before
            expect_between(failed, 0, time.monotonic() - begun + 2,
                           f"clients that tried it, {method}")
            if method == "maglev":
                continue
            with answering(TWO):
                wait_for(lambda: visit() == TWO, "it serves again", 20)
                expect(visits(20), {ONE, TWO}, "both serve")


@scene("the only server is tried by each client")
def dead_only():
    with upstream("retries 0", (ONE, "")):
        before = show("stats show")[0]["connect_failures"]
        for _ in range(5):
            expect_refused("a client")
        expect(show("stats show")[0]["connect_failures"] - before, 5,
               "connects that failed")


@scene("what was set at run time stays, unless the file says otherwise")
def kept():
    file = """
upstreams:
  app: {servers: [{address: "%s"}, {address: "%s", state: up}]}
listeners: {web: {listen: "10.1.0.1:8000", upstream: app, connect-timeout: 2s}}
""" % (name(ONE), name(TWO))
    with upstream("", (ONE, ""), (TWO, "")):
        kp(f"server set app {name(ONE)} state drain health down")
        kp(f"server set app {name(TWO)} state drain")
        done = kp("config apply -", text=file)
        expect((row(ONE)["state"], row(ONE)["health-set"]),
               ("drain", "down"), "what was set")
        expect(row(TWO)["state"], "up", "what the file names")
        for word in ("state drain", "health down", name(ONE)):
            if word not in done.stderr:
                raise Failed(f"{word} is not told: {done.stderr}")


@scene("changes of everything under traffic")
def storm():
    end = time.monotonic() + limit(4)
    with answering(ONE, TWO), \
            upstream("check tcp interval 10ms timeout 10ms rise 1 fall 1 "
                     "slow-start 200ms", (ONE, ""), (TWO, "priority 1")):
        n = 0
        while time.monotonic() < end:
            n += 1
            kp("upstream set app failback %s fail-open %s on-down %s "
               "balance %s" % (("on", "off")[n % 2], ("on", "off")[n % 3 > 0],
                               ("keep", "reset")[n % 5 > 2],
                               ("latency", "random", "maglev")[n % 3]))
            kp(f"server set app {name(ONE)} priority {n % 7 * 40} "
               f"health {('up', 'down', 'auto')[n % 3]}")
            with contextlib.suppress(OSError, EOFError, Failed), \
                    connect() as sock:
                sock.settimeout(1)
                sock.recv(5)


main()
