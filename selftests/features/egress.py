# SPDX-License-Identifier: GPL-2.0
"""A cgroup cannot use the proxy to reach what it may not connect to."""

import contextlib
import os
import select

import bpf
from peer import (FRONT, PROXY, Failed, accept, connect, expect, expect_alive,
                  knock, kp, limit, listen, main, read_exactly, run, scene,
                  send_for_reset, show, stats, wait_for, wait_gone)

JAIL = "/sys/fs/cgroup/kp-jail"
PORT = 7000
SERVER = ("10.2.0.2", PORT)
CPUS = os.cpu_count()
# Which cgroup makes what, and where its listener is. "across" is the jail's,
# and leads to the upstream of the other cgroup.
LISTENERS = {"jail": 8001, "free": 8002, "across": 8003}
OWNER = {"jail": "jail", "free": "free", "across": "jail"}


def jailed(command, check=True):
    """A command in a process of the jail."""
    return run("sh", "-c", f"echo $$ >{JAIL}/cgroup.procs && "
               f"exec kproxy -n {PROXY} {command}", check=check)


MAKES = {"jail": jailed, "free": kp}


@contextlib.contextmanager
def configured():
    """The same configuration by two owners, and the listening socket of their
    server."""
    for owner, make in MAKES.items():
        make(f"upstream add {owner} retries 0")
        make(f"server add {owner} {SERVER[0]}:{PORT}")
    for name, port in LISTENERS.items():
        up = "free" if name == "across" else name
        MAKES[OWNER[name]](f"listener add {name} {FRONT[0]}:{port} "
                           f"upstream {up} "
                           f"connect-timeout {limit(1500)}ms")
    try:
        with listen(SERVER) as listener:
            yield listener
    finally:
        for name in LISTENERS:
            kp(f"listener del {name} kill")
        for owner in MAKES:
            kp(f"upstream del {owner}")
        wait_gone()


def expect_served(listener, name):
    """And by whichever connection: some are idle ones."""
    client = connect((FRONT[0], LISTENERS[name]))
    client.sendall(b"hello")
    waiting = []
    while True:
        waiting.append(accept(listener))
        ready, _, _ = select.select(waiting, [], [], 0.2)
        if ready:
            break
    expect(read_exactly(ready[0], 5), b"hello", f"what came of {name}")
    expect_alive(client, ready[0])
    for sock in waiting + [client]:
        sock.close()


def expect_barred(name):
    before = stats()["connect_failures"]
    client = knock((FRONT[0], LISTENERS[name]))
    if client:
        send_for_reset(client, b"hello", f"a client of {name}")
    expect(stats()["connect_failures"] - before, 1, "failed connects")


def server_of(owner):
    return show(f"server show {owner}")[0]


def drain(listener):
    """Forget everything received."""
    listener.settimeout(limit(0.3))
    with contextlib.suppress(TimeoutError):
        while True:
            accept(listener).close()
    listener.settimeout(limit(20))


def nothing_came(listener):
    listener.settimeout(limit(1))
    try:
        accept(listener)
    except TimeoutError:
        return
    finally:
        listener.settimeout(limit(20))
    raise Failed("the server was connected to")


def holds(policy):
    """The rule holds for its cgroup and everything that it causes, and for no
    other."""
    with configured() as listener:
        for name in LISTENERS:
            expect_served(listener, name)
        wait_gone()
        with policy():
            # Sessions.
            for name, owner in OWNER.items():
                if owner == "jail":
                    expect_barred(name)
            nothing_came(listener)
            expect_served(listener, "free")
            # Checks.
            jailed("upstream set jail check tcp interval 200ms timeout 200ms "
                   "fall 1")
            nothing_came(listener)
            expect(server_of("jail")["health"] in ("down", "unknown"), True,
                   "the health of what can't be reached")
            jailed("upstream set jail check off")
            kp("upstream set free check tcp interval 200ms")
            wait_for(lambda: server_of("free")["health"] == "up",
                     "it is up for others")
            kp("upstream set free check off")
            drain(listener)
            # Idle connections.
            jailed("upstream set jail preconnect 2")
            nothing_came(listener)
            expect(server_of("jail")["preconnect"]["ready"], 0, "ready")
            jailed("upstream set jail preconnect 0")
            kp("upstream set free preconnect 2")
            wait_for(lambda: server_of("free")["preconnect"]["ready"] ==
                     2 * CPUS, "those of others are ready")
            # The jail's clients do not get them.
            used = server_of("free")["preconnect"]["used"]
            expect_barred("across")
            expect(server_of("free")["preconnect"]["used"], used, "used")
            expect_served(listener, "free")
            expect(server_of("free")["preconnect"]["used"], used + 1, "used")
            kp("upstream set free preconnect 0")
            drain(listener)
            wait_gone()
        for name in LISTENERS:
            expect_served(listener, name)


@contextlib.contextmanager
def nft_rule():
    # In a mount namespace with the cgroups, which "ip netns exec" hides.
    nft = ("nsenter", f"--net=/run/netns/{PROXY}", "nft")
    run(*nft, "-f", "-", text=f"""
        table inet jail {{
            chain out {{
                type filter hook output priority 0
                socket cgroupv2 level 1 "kp-jail" tcp dport {PORT} drop
            }}
        }}""")
    try:
        yield
    finally:
        run(*nft, "delete", "table", "inet", "jail")


@scene("a rule of nftables for a cgroup")
def rule():
    holds(nft_rule)


@scene("a program that drops packets of a cgroup")
def egress():
    holds(lambda: bpf.attached(JAIL, bpf.EGRESS, bpf.drop_port(PORT)))


@scene("a program that refuses what a cgroup connects to")
def connect4():
    holds(lambda: bpf.attached(JAIL, bpf.CONNECT4, bpf.refuse_lsock(PORT)))


@scene("a cgroup that may not make sockets cannot have them made")
def create():
    jailed("upstream add before")
    with bpf.attached(JAIL, bpf.SOCK_CREATE, bpf.returns(0)):
        done = jailed("upstream add denied", check=False)
        expect((done.returncode, "not permitted to create TCP sockets" in done.stderr),
               (2, True), f"an upstream: {done.stderr.strip()}")
        done = jailed(f"listener add denied {FRONT[0]}:8009 upstream before",
                      check=False)
        expect((done.returncode, "is denied by the cgroup" in done.stderr),
               (2, True), f"a listener: {done.stderr.strip()}")
        kp("upstream add allowed")
        kp(f"listener add allowed {FRONT[0]}:8009 upstream allowed")
    expect([o["name"] for o in show("listener show")], ["allowed"],
           "listeners")
    expect(sorted(u["name"] for u in show("upstream show")),
           ["allowed", "before"], "upstreams")
    kp("listener del allowed")
    for name in "allowed", "before":
        kp(f"upstream del {name}")


@scene("an address that another cgroup adds belongs to the listener's owner")
def added():
    with configured() as listener:
        kp(f"listener set jail listen {FRONT[0]}:8001,{FRONT[0]}:8004")
        jailed(f"listener set free listen {FRONT[0]}:8002,{FRONT[0]}:8005")
        LISTENERS.update(jail2=8004, free2=8005)
        try:
            for name in "jail2", "free2":
                expect_served(listener, name)
            with bpf.attached(JAIL, bpf.CONNECT4, bpf.refuse_lsock(PORT)):
                expect_barred("jail2")
                expect_served(listener, "free2")
        finally:
            del LISTENERS["jail2"], LISTENERS["free2"]


main()
