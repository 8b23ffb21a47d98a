# SPDX-License-Identifier: GPL-2.0
"""
What one request, one reader or one namespace can cost the others is bounded.

Environment:
  SESSIONS   sessions beside the reader of counters (4000, or 1000 to be quick);
             100000 by hand, in a machine of MEM=6G
"""

import contextlib
import errno
import os
import resource
import socket
import struct
import subprocess
import threading
import time

from netlink_raw import (ACK, DUMP, DUMP_INTERRUPTED, NETLINK_CAP_ACK,
                         NETLINK_EXT_ACK, NETLINK_GENERIC, NLMSG_DONE,
                         NLMSG_ERROR, REQUEST, SOL_NETLINK, Netlink, attr,
                         attrs, message, messages)
from netlink_spec import (ATTR, COMMAND, CONSTANT, L, R, S, U, endpoint,
                          open_netlink)
from peer import (CLIENT, FRONT, PROXY, QUICK, SERVER, Failed, accept, connect,
                  expect, idle_sessions, kp, limit, listen, main, netns, pair,
                  run_in, scene, sessions, show, stats, wait_for)

SET_UP = """
load
topology
simple_proxy
"""

SESSION = ATTR["session"]
SESSIONS = int(os.environ.get("SESSIONS") or (1000 if QUICK else 4000))
# Requests that are sent in one go.
BATCH = 200


def many(nl, command, requests, refused=False):
    """Send requests in batches; how many were refused."""

    refusals = 0
    requests = list(requests)
    for at in range(0, len(requests), BATCH):
        batch, data = requests[at:at + BATCH], b""
        for words in batch:
            nl.sequence += 1
            body = struct.pack("=BBH", COMMAND[command], 1, 0)
            # Only the last one is acknowledged, and what is refused.
            last = words is batch[-1]
            data += message(nl.family, REQUEST | (ACK if last else 0),
                            nl.sequence, body + b"".join(words))
        nl.socket.send(data)
        while True:
            done = False
            for kind, _, sequence, payload in messages(
                    nl.socket.recv(1 << 17)):
                if kind != NLMSG_ERROR:
                    continue
                error = struct.unpack_from("=i", payload)[0]
                if error and not refused:
                    raise Failed(f"{command}: {os.strerror(-error)}")
                refusals += bool(error)
                done |= sequence == nl.sequence
            if done:
                break
    return refusals


def big_netlink(ns=PROXY, port=0):
    nl = Netlink(ns, port)
    nl.find_family()
    # SO_RCVBUFFORCE: acknowledgements of a batch.
    nl.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    return nl


def commit(nl):
    """How long it took, in seconds."""
    begun = time.monotonic()
    answer = nl.ask(COMMAND["transaction-commit"])
    took = time.monotonic() - begun
    expect(answer.errno, 0, "the commit")
    return took


def begin(nl):
    expect(nl.ask(COMMAND["transaction-begin"]).errno, 0, "the begin")


def name(kind, n):
    return [attr(kind["name"], f"u{n}")]


def delete_upstreams(nl, count):
    """Add so many, and delete them in one transaction: how long it took."""
    many(nl, "upstream-add", (name(U, n) for n in range(count)))
    begin(nl)
    many(nl, "upstream-del", (name(U, n) for n in range(count)))
    return commit(nl)


ROUTED = 2 if QUICK else 4


def add_routes(nl):
    for i in range(ROUTED):
        kp(f"listener add l{i} 10.1.0.1:{8100 + i} upstream app")
        begin(nl)
        many(nl, "route-add",
             ([attr(R["listener"], f"l{i}"), attr(R["sni"], f"n{n}.example"),
               attr(R["upstream"], "app")]
              for n in range(CONSTANT["routes-max"])))
        commit(nl)


def remove_routes():
    for i in range(ROUTED):
        kp(f"listener del l{i}")


class Probe:
    """How late a thread wakes up that goes before all others on its CPU."""

    def __init__(self, cpu):
        self.cpu, self.latest, self.over = cpu, 0, False
        self.thread = threading.Thread(target=self._run)
        self.ready = threading.Event()

    def _run(self):
        os.sched_setaffinity(0, {self.cpu})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        self.ready.set()
        while not self.over:
            begun = time.monotonic()
            time.sleep(0.002)
            self.latest = max(self.latest, time.monotonic() - begun - 0.002)

    def __enter__(self):
        self.thread.start()
        self.ready.wait()
        self.latest = 0
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


@scene("deleting upstreams costs the same, however many routes there are")
def deletions():
    count = 500 if QUICK else 2000
    nl = big_netlink()
    without = min(delete_upstreams(nl, count) for _ in range(3))
    add_routes(nl)
    routes = ROUTED * CONSTANT["routes-max"]
    with_routes = min(delete_upstreams(nl, count) for _ in range(3))
    half = min(delete_upstreams(nl, count // 2) for _ in range(3))
    nl.close()
    print(f"# {count} deletions: {without * 1000:.0f} ms, beside {routes} "
          f"routes {with_routes * 1000:.0f} ms, half of them "
          f"{half * 1000:.0f} ms", flush=True)
    if with_routes > 2 * without + 0.02:
        raise Failed("the routes make it slow")
    if with_routes > 3 * half + 0.02:
        raise Failed("twice as many cost more than thrice as much")


@scene("and a commit of them lets others run in between")
def reschedules():
    """With the routes of the scene before."""
    count = 1000 if QUICK else 4000
    nl = big_netlink()
    many(nl, "upstream-add", (name(U, n) for n in range(count)))
    begin(nl)
    many(nl, "upstream-del", (name(U, n) for n in range(count)))
    os.sched_setaffinity(0, {0})
    try:
        with Probe(0) as probe:
            took = commit(nl)
    finally:
        os.sched_setaffinity(0, set(range(os.cpu_count())))
    remove_routes()
    nl.close()
    print(f"# a commit of {took * 1000:.0f} ms, others waited "
          f"{probe.latest * 1000:.0f} ms at most", flush=True)
    if probe.latest > took / 2 + 0.05:
        raise Failed("it let nobody run")


@scene("an upstream that a transaction leaves unused can be deleted by it")
def staged_uses():
    """And one that it uses cannot, whatever there was before."""
    nl = big_netlink()
    delete = [attr(U["name"], "old")]

    def stage(command, *words):
        expect(nl.ask(COMMAND[command], *words).errno, 0, command)

    def try_commit():
        answer = nl.ask(COMMAND["transaction-commit"])
        return answer.errno, answer.message

    for upstream in "old", "new":
        kp(f"upstream add {upstream}")
    kp("listener add l0 10.1.0.1:8100 upstream old")
    kp("listener add l1 10.1.0.1:8101 upstream new")
    kp("route add l1 sni a.example upstream old")
    route = [attr(R["listener"], "l1"), attr(R["sni"], "a.example")]
    # The listener goes elsewhere, the route stays.
    begin(nl)
    stage("listener-set", attr(L["name"], "l0"), attr(L["upstream"], "new"))
    stage("upstream-del", *delete)
    expect(try_commit()[1], 'upstream "old": a route of listener "l1" still uses it',
           "the refusal")
    # An aborted one is forgotten.
    begin(nl)
    stage("route-del", *route)
    expect(nl.ask(COMMAND["transaction-abort"]).errno, 0, "the abort")
    begin(nl)
    stage("listener-set", attr(L["name"], "l0"), attr(L["upstream"], "new"))
    stage("upstream-del", *delete)
    expect(try_commit()[1], 'upstream "old": a route of listener "l1" still uses it',
           "the refusal after an abort")
    # The route goes, the listener stays; and comes back.
    begin(nl)
    stage("route-del", *route)
    stage("upstream-del", *delete)
    expect(try_commit()[1], 'upstream "old": 1 listener still uses it',
           "the refusal")
    begin(nl)
    stage("listener-del", attr(L["name"], "l0"))
    stage("route-del", *route)
    stage("route-add", *route, attr(R["upstream"], "old"))
    stage("upstream-del", *delete)
    expect(try_commit()[1], 'upstream "old": a route of listener "l1" still uses it',
           "the refusal")
    # A refused request leaves nothing behind.
    begin(nl)
    if not nl.ask(COMMAND["route-add"], *route,
                  attr(R["upstream"], "new")).errno:
        raise Failed("a route twice")
    stage("listener-set", attr(L["name"], "l0"), attr(L["upstream"], "new"))
    # The listener of the route goes with it.
    if not nl.ask(COMMAND["upstream-del"], attr(U["name"], "none")).errno:
        raise Failed("an upstream that is none")
    stage("listener-del", attr(L["name"], "l1"))
    stage("upstream-del", *delete)
    expect(try_commit(), (0, None), "the commit")
    expect({u["name"] for u in show("upstream show")}, {"app", "new"},
           "upstreams left")
    kp("listener del l0")
    kp("upstream del new")
    nl.close()


@scene("a transaction has an end, which is told")
def staged_max():
    nl = big_netlink()
    most = CONSTANT["staged-max"]
    begin(nl)
    # The first changes it, the others are refused, and count as well.
    words = [attr(U["name"], "app"), attr(U["retries"], 3)]
    if QUICK:
        # As many as that takes minutes here.
        most = 2000
    refusals = many(nl, "upstream-set", [words] * most, refused=True)
    expect(refusals, most - 1, "refusals")
    answer = nl.ask(COMMAND["upstream-set"], *words)
    want = "changed twice" if QUICK else \
        f"a transaction has at most {most} requests"
    if want not in (answer.message or ""):
        raise Failed(f"it said {answer}")
    expect(nl.ask(COMMAND["transaction-commit"]).errno, 0, "the commit")
    expect(show("upstream show app")[0]["retries"], 3, "retries")
    kp("upstream set app retries 2")
    nl.close()


def open_sessions(count):
    """Sessions through the proxy; the server's ends are the caller's."""
    listener = listen()
    ends = []
    for _ in range(count):
        ends.append((connect(), accept(listener)))
    listener.close()
    return ends


def reuse_port(port, before, after):
    """
    A socket with this port does the first, and is closed while another waits for
    the port and then does the second at once. The kernel gives up the port first,
    then leaves the groups one by one, then tells that the socket is closed.
    """
    first = big_netlink(port=port)
    first.join_all()
    before(first)
    second = big_netlink()
    # One that is not bound yet.
    with netns(PROXY):
        second.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                      NETLINK_GENERIC)
    second.socket.settimeout(limit(20))
    for option in NETLINK_CAP_ACK, NETLINK_EXT_ACK:
        second.socket.setsockopt(SOL_NETLINK, option, 1)
    closer = threading.Thread(target=first.close)
    closer.start()
    while True:
        try:
            second.socket.bind((port, 0))
            break
        except OSError as caught:
            if caught.errno != errno.EADDRINUSE:
                raise
    after(second)
    second.close()
    closer.join()


@scene("a transaction is its socket's, not that of the next with its port")
def port_again():
    add, commit_ = COMMAND["upstream-add"], COMMAND["transaction-commit"]

    def stages(nl):
        begin(nl)
        expect(nl.ask(add, attr(U["name"], "left")).errno, 0, "the first's")

    def commits(nl):
        expect(nl.ask(commit_).errno, errno.ENOENT, "the second's commit")

    def nothing(nl):
        begin(nl)
        expect(nl.ask(COMMAND["transaction-abort"]).errno, 0, "the abort")

    def makes(nl):
        begin(nl)
        expect(nl.ask(add, attr(U["name"], "made")).errno, 0, "the second's")
        expect(nl.ask(commit_).errno, 0, "the second's commit")

    nl = open_netlink()
    for i in range(50 if QUICK else 200):
        reuse_port(70000 + i, stages, commits)
        expect(nl.ask(COMMAND["upstream-get"], attr(U["name"], "left")).errno,
               errno.ENOENT, "what the first has staged")
        reuse_port(80000 + i, nothing, makes)
        expect(nl.ask(COMMAND["upstream-del"],
                      attr(U["name"], "made")).errno, 0, "the deletion")
    nl.close()


@scene("a list of sessions that has a session twice says that it may")
def resized():
    """The table grows while a slow reader gets one part after the other."""
    # A part has about 40. The table has room for 192 then.
    kept = open_sessions(180)
    ids = {s["id"] for s in sessions()}
    expect(len(ids), 180, "sessions")
    # The kernel makes parts as large as the largest that was ever asked for.
    nl = Netlink()
    nl.room = 8192
    nl.find_family()
    nl.sequence += 1
    nl.socket.send(message(nl.family, REQUEST | DUMP, nl.sequence,
                           struct.pack("=BBH", COMMAND["session-get"], 1, 0)))
    found, interrupted, parts, over = [], False, 0, False
    while not over:
        for kind, flags, _, payload in messages(nl.socket.recv(nl.room)):
            interrupted |= bool(flags & DUMP_INTERRUPTED)
            if kind == NLMSG_DONE:
                over = True
            elif kind == nl.family:
                number = dict(attrs(payload[4:]))[SESSION["id"]]
                found.append(int.from_bytes(number, "little"))
        parts += 1
        if parts == 1:
            kept += open_sessions(320)
    nl.close()
    print(f"# {parts} parts, {len(found)} found, {len(set(found))} different",
          flush=True)
    if parts < 4:
        raise Failed("the list came at once")
    if not ids <= set(found):
        raise Failed(f"{len(ids - set(found))} are missing")
    if len(set(found)) == len(found):
        raise Failed("nothing came twice: the table was not resized in time")
    if not interrupted:
        raise Failed("some came twice, and no message says so")
    # The command asks once more.
    expect(len({s["id"] for s in sessions()}), 500, "sessions of the command")
    expect(len(sessions()), 500, "rows of the command")
    one = next(iter(ids))
    expect([s["id"] for s in sessions(f"{one}")], [one], "the one session")
    nl = open_netlink()
    number = attr(SESSION["id"], one)
    answer = nl.ask(COMMAND["session-kill"], number,
                    attr(SESSION["listener"], "none"))
    expect(answer.errno, errno.ENOENT, "a kill that hits none")
    expect(nl.ask(COMMAND["session-kill"], number).errno, 0, "the kill")
    nl.close()
    wait_for(lambda: not sessions(f"{one}"), "it is gone")
    kp("session kill listener web")
    wait_for(lambda: not sessions(), "all are gone")


def cost(one, other, seconds=1):
    """What it costs to read the counters of one, compared to another's."""
    spent, begun = [0, 0], time.monotonic()
    while time.monotonic() - begun < seconds:
        for i, nl in enumerate((one, other)):
            before = time.monotonic()
            expect(nl.ask(COMMAND["stats-get"]).errno, 0, "the counters")
            spent[i] += time.monotonic() - before
    return spent[0] / spent[1]


def percentiles(client, server, seconds=4):
    """Milliseconds there and back, of half and of 99 % of the messages."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        client.sendall(b"x")
        server.sendall(server.recv(1))
        client.recv(1)
        times.append(time.monotonic() - begun)
    times.sort()
    return "%.2f and %.2f ms" % (times[len(times) // 2] * 1000,
                                 times[len(times) * 99 // 100] * 1000)


@contextlib.contextmanager
def read_in_a_loop(ns):
    """A user without rights reads the counters of a namespace."""
    process = subprocess.Popen(
        ("ip", "netns", "exec", ns, "setpriv", "--reuid", "65534", "--regid",
         "65534", "--clear-groups", "sh", "-c",
         "while kproxy stats show >/dev/null; do :; done"))
    try:
        yield
        expect(process.poll(), None, "status of the loop")
    finally:
        process.kill()
        process.wait()


def many_sessions(count):
    """With ports and files for as many as are wanted."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 10000, count + 10000))
    shares = 1 + count // 50000
    for ns in CLIENT, PROXY:
        run_in(ns, "sysctl", "-qw", "net.ipv4.ip_local_port_range=2048 65000")
    run_in(SERVER, "sysctl", "-qw", f"net.core.somaxconn={count + 4096}")
    listen(backlog=count + 4096)
    for n in range(1, shares):
        listen(("10.2.0.2", 9030 + n), backlog=count + 4096)
        kp(f"server add app 10.2.0.2:{9030 + n}")
        kp(f"listener add web{n} 10.1.0.1:{8030 + n} upstream app")
    for n in range(shares):
        idle_sessions(count // shares, ("10.1.0.1", 8030 + n) if n else FRONT)


@scene("reading counters in a loop looks at the sessions now and then only")
def readers():
    """The latency of others is printed only: a busy machine does more to it."""
    with_sessions, without = open_netlink(), big_netlink(SERVER)
    add = without.ask(COMMAND["upstream-add"], attr(U["name"], "x"))
    expect(add.errno, 0, "the upstream")
    echo = pair(client={"nodelay": True}, server={"nodelay": True})
    many_sessions(SESSIONS)
    ratio = min(cost(with_sessions, without) for _ in range(4))
    print(f"# with {stats()['sessions']} sessions {ratio:.2f} of what it is "
          "without", flush=True)
    print(f"# an echo: {percentiles(*echo)}", flush=True)
    for ns in SERVER, PROXY:
        with read_in_a_loop(ns):
            print(f"# while counters of {ns} are read: {percentiles(*echo)}",
                  flush=True)
    without.ask(COMMAND["upstream-del"], attr(U["name"], "x"))
    with_sessions.close()
    without.close()
    kp("session kill upstream app")
    wait_for(lambda: not stats()["sessions"], "all are gone", 60)
    for row in show("listener show"):
        if row["name"] != "web":
            kp(f"listener del {row['name']}")
    for row in show("server show app"):
        if row["address"] != "10.2.0.2:9000":
            kp(f"server del app {row['address']}")
    if ratio > 1.3:
        raise Failed("the sessions make it slow")


@scene("the checks of one namespace do not delay another's")
def check_fairness():
    interval, count = 0.5, 1000 if QUICK else 8000
    seen = []
    listener = listen(("10.2.0.2", 9010))
    listener.settimeout(None)

    def watch():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                seen.append(time.monotonic())
                sock.close()

    threading.Thread(target=watch, daemon=True).start()
    nl = big_netlink(SERVER)
    # A name of its own: the address is refused at once.
    many(nl, "upstream-add", [[attr(U["name"], "flood"),
                               attr(U["check"], 1),
                               attr(U["interval"], 10),
                               attr(U["timeout"], 10)]])
    kp("upstream add watched check tcp interval 500ms timeout 400ms")
    kp("server add watched 10.2.0.2:9010")
    wait_for(lambda: len(seen) > 4, "checks come", 20)
    before = [b - a for a, b in zip(seen[1:], seen[2:])]
    many(nl, "server-add", ([attr(S["upstream"], "flood"),
                             endpoint(S["address"], "127.0.0.1", 1 + n)]
                            for n in range(count)))
    time.sleep(1)
    # This process itself may be late, but not each time.
    for _ in range(3):
        del seen[:]
        time.sleep(8 * interval)
        during = [b - a for a, b in zip(seen, seen[1:])]
        in_time = len(during) >= 4 and max(during) <= 3 * interval
        if in_time:
            break
    answer = nl.ask(COMMAND["upstream-del"], attr(U["name"], "flood"))
    expect(answer.errno, 0, "the deletion")
    nl.close()
    kp("upstream del watched")
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    print(f"# {max(before):.2f} s between two, beside {count} others "
          f"{max(during, default=0):.2f} s, {len(during)} times", flush=True)
    if not in_time:
        raise Failed("they come too late")


def established_at(sock):
    """When the kernel had the handshake's last ACK; no process is late for it."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return time.monotonic() - struct.unpack_from("I", info, 56)[0] / 1000


@scene("idle connections of one namespace do not delay another's")
def preconnect_fairness():
    """All of the first are asked for before the one of the second."""
    count, ports = 1000 if QUICK else 4000, 8
    home = listen(("10.2.0.2", 9020))
    floods = [listen(("0.0.0.0", 9600 + n), backlog=4 * count)
              for n in range(ports)]
    nl, ours = big_netlink(SERVER), open_netlink()
    many(nl, "upstream-add", [[attr(U["name"], "flood")]])
    many(nl, "server-add",
         ([attr(S["upstream"], "flood"),
           endpoint(S["address"], f"127.1.{n // 200}.{1 + n % 200}",
                    9600 + n % ports)] for n in range(count)))
    kp("upstream add watched")
    kp("server add watched 10.2.0.2:9020")
    for which, name in (nl, "flood"), (ours, "watched"):
        answer = which.ask(COMMAND["upstream-set"], attr(U["name"], name),
                           attr(U["preconnect"], 1))
        expect(answer.errno, 0, f"preconnect of {name}")
    mine = established_at(accept(home))
    # One port's are an eighth of all.
    theirs = [established_at(accept(floods[0]))
              for _ in range(count // ports * os.cpu_count())]
    earlier = sum(at < mine for at in theirs)
    print(f"# {earlier} of {len(theirs)} came earlier, all within "
          f"{max(theirs) - min(theirs):.2f} s", flush=True)
    for which, name in (nl, "flood"), (ours, "watched"):
        answer = which.ask(COMMAND["upstream-del"], attr(U["name"], name))
        expect(answer.errno, 0, "the deletion")
        which.close()
    if earlier > len(theirs) / 2:
        raise Failed("it came too late")


class Crowd:
    """A process on one CPU that connects to many addresses when it is told."""

    def __init__(self, cpu, addresses):
        mine, other = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            mine.close()
            os.sched_setaffinity(0, {cpu})
            with contextlib.suppress(OSError):
                while other.recv(1) == b"c":
                    self._come(addresses, other)
            os._exit(0)
        other.close()
        self.pipe = mine

    def _come(self, addresses, pipe):
        with netns(CLIENT):
            socks = [socket.socket() for _ in addresses]
        for sock, address in zip(socks, addresses):
            sock.setblocking(False)
            sock.connect_ex(address)
        pipe.recv(1)
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
            sock.close()
        pipe.send(b"g")

    def come(self):
        self.pipe.send(b"c")

    def go(self):
        self.pipe.send(b"g")
        self.pipe.recv(1)

    def close(self):
        # Others have the pipe as well, so that closing it says nothing.
        self.pipe.send(b"q")
        os.waitpid(self.pid, 0)
        self.pipe.close()


@scene("maxconn is kept by a listener of many addresses")
def overshoot():
    """
    They accept at the same time. To choose among servers that were just changed
    takes the first one some milliseconds, in which the others come.
    """
    addresses = [("10.1.0.1", 8200 + i) for i in range(8)]
    words = ",".join(f"{a}:{p}" for a, p in addresses)
    kp("upstream add slow balance maglev")
    places = [("10.2.0.2", 9100 + i) for i in range(16)]
    for place in places:
        listen(place)
        kp(f"server add slow {place[0]}:{place[1]}")
    kp(f"listener add many {words} upstream slow maxconn 1")
    crowds = [Crowd(cpu, addresses[cpu::2]) for cpu in range(2)]
    nl = open_netlink()
    dump = REQUEST | DUMP
    only = attr(SESSION["listener"], "many")

    def live():
        return len(nl.ask(COMMAND["session-get"], only, flags=dump).replies)

    counts = []
    for i in range(20 if QUICK else 40):
        answer = nl.ask(COMMAND["server-set"], attr(S["upstream"], "slow"),
                        endpoint(S["address"], *places[0]),
                        attr(S["weight"], 1 + i % 2))
        expect(answer.errno, 0, "the change")
        for crowd in crowds:
            crowd.come()
        wait_for(live, "one is served")
        time.sleep(0.03)
        counts.append(live())
        for crowd in crowds:
            crowd.go()
        wait_for(lambda: not live(), "all have ended")
    for crowd in crowds:
        crowd.close()
    nl.close()
    # Somebody had the place each time, and it was given back.
    kp("listener set many maxconn 0")
    kp("listener del many kill")
    kp("upstream del slow")
    expect(set(counts), {1}, "sessions at the same time")


main()
