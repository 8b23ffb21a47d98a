# SPDX-License-Identifier: GPL-2.0
"""Charges for waiting data; many stalled sessions; windows that must grow."""

import contextlib
import pathlib
import re
import statistics
import time

from peer import (BACK, CLIENT, FRONT, KB, MB, PROXY, SERVER, SLOW, Failed,
                  Stream, Threads, accept, both_ways, close_all, connect,
                  expect, expect_alive, expect_between, expect_reset,
                  fill_quickly, knock, kp, listen, main, netem, pair, run,
                  run_in, scaled, scene, sessions, stats, sysctl, wait_acked,
                  wait_for, wait_gone)

CGROUPS = pathlib.Path("/sys/fs/cgroup")


# Memory cgroups. We are in the root's, so that our own sockets are in none.


class Group:
    def __init__(self, name):
        self.path = CGROUPS / name
        self.path.mkdir()

    def kp(self, command):
        """A command in a process of the group."""
        run("sh", "-c", f"echo $$ >{self.path}/cgroup.procs && "
            f"exec kproxy -n {PROXY} {command}")

    def sock(self):
        """Bytes of sockets that are charged to it."""
        text = (self.path / "memory.stat").read_text()
        return int(re.search(r"^sock (\d+)$", text, re.M).group(1))

    def limit(self, size):
        (self.path / "memory.max").write_text(str(size))

    def over(self):
        """How often it was at its limit."""
        text = (self.path / "memory.events").read_text()
        return int(re.search(r"^max (\d+)$", text, re.M).group(1))


@contextlib.contextmanager
def listening(name, port):
    """A listener of that name, in a group of that name."""
    group = Group(f"kp-{name}")
    try:
        group.kp(f"listener add {name} {FRONT[0]}:{port} upstream app")
        yield group
    finally:
        kp(f"listener del {name} kill", check=False)
        close_all()
        wait_gone()
        group.path.rmdir()


def allocated(port=0):
    """Bytes that TCP has for the proxy's sockets, or those of a port."""
    ours = {session["source"] for session in sessions()
            if session["local"].endswith(f":{port}")}
    out = run_in(PROXY, "ss", "-Htnm").stdout
    total = 0
    for head, memory in re.findall(r"^(\S.*)\n\s+skmem:\((.*)\)", out, re.M):
        local = head.split()[3]
        if not port or local.endswith(f":{port}") or local in ours:
            total += sum(int(n) for n in re.findall(r"\b[rfw](\d+)", memory))
    return total


def expect_charged(group, least, port=0):
    """The group is charged for the memory of the sockets, and nothing else."""
    def equal():
        held = allocated(port)
        return held >= least and group.sock() == held

    try:
        wait_for(equal, "it is charged")
    except Failed:
        expect(group.sock(), allocated(port), "bytes charged to the group")
        raise


@scene("the memory of a stalled session is charged to its listener's cgroup")
def charged():
    with listening("one", 8005) as group:
        expect(group.sock(), 0, "bytes charged before")
        for side in 0, 1:
            ends = pair(to=(FRONT[0], 8005))
            fill_quickly(ends[side], Stream(side))
            wait_for(lambda: session_is_full(8005, side), "it is stalled")
            expect_charged(group, 32 * KB)
            for sock in ends:
                sock.close()
            wait_gone()
            wait_for(lambda: not group.sock(), "nothing is charged")


def session_is_full(port, side):
    session = next(s for s in sessions() if s["local"].endswith(f":{port}"))
    tcp = session["server_tcp" if side else "client_tcp"]
    return tcp["rcvq"] > 0


@scene("data that a client sent before it was accepted is charged to it, too")
def charged_early():
    with listening("early", 8005) as group:
        group.kp("listener set early maxconn 1")
        first, _ = pair(to=(FRONT[0], 8005))
        clients = [connect((FRONT[0], 8005)) for _ in range(4)]
        for client in clients:
            client.sendall(Stream(1).take(30000))
            wait_acked(client)
        expect(len(sessions()), 1, "sessions")
        listener = listen()
        kp("listener set early maxconn 0")
        servers = [accept(listener) for _ in clients]
        expect_charged(group, 0)
        for sock in servers:
            data = b""
            while len(data) < 30000:
                data += sock.recv(30000)
            expect(data == Stream(1).take(30000), True, "what was sent early")
        listener.close()
        # A session that is killed before it can pass data on: to an unused
        # address with a neighbour entry.
        run("ip", "-n", PROXY, "neigh", "replace", "10.2.0.99", "lladdr",
            "02:00:00:00:00:99", "dev", "back")
        kp("upstream add dead")
        kp("server add dead 10.2.0.99:9000")
        kp("listener set early upstream dead connect-timeout 10m")
        late = connect((FRONT[0], 8005))
        late.sendall(Stream(2).take(30000))
        wait_acked(late)
        expect_charged(group, 30000)
        kp("session kill upstream dead")
        first.close()
        close_all()
        wait_gone()
        wait_for(lambda: not group.sock(), "nothing is charged")
    kp("upstream del dead")


@scene("each listener's sessions are charged to its own cgroup")
def charged_each():
    with listening("one", 8005) as one, listening("two", 8006) as two:
        full = [pair(to=(FRONT[0], port)) for port in (8005, 8006, 8006)]
        for client, _ in full:
            fill_quickly(client, Stream(3))
        expect_charged(one, 32 * KB, 8005)
        expect_charged(two, 64 * KB, 8006)


@scene("a listener of the root's cgroup charges nobody")
def not_charged():
    with listening("one", 8005) as group:
        client, _ = pair()
        fill_quickly(client, Stream(4))
        expect(group.sock(), 0, "bytes charged to another group")


def turned_away():
    """Clients that got no session, or one for which no server was reached."""
    now = stats()
    return now["refused"] + now["end_reasons"]["unreachable"]


@scene("sessions whose cgroup is over its limit lose nothing")
def over_limit():
    with listening("small", 8005) as group:
        group.limit(1 * MB)
        full = [pair(to=(FRONT[0], 8005)) for _ in range(8)]
        sent = []
        for client, _ in full:
            stream = Stream(5)
            sent.append(fill_quickly(client, stream))
        wait_for(group.over, "the limit is reached")
        # The kernel's memory for the sockets counts, too.
        expect_charged(group, 512 * KB)
        # There is no room for another session until some data has been read.
        before = turned_away()
        if client := knock((FRONT[0], 8005)):
            expect_reset(client, "a client that is too much")
        expect(turned_away() - before, 1, "refused")
        for (_, server), size in zip(full, sent):
            stream = Stream(5)
            while stream.position < size:
                stream.check(server.recv(min(size - stream.position, 1 << 16)))
        client, server = pair(to=(FRONT[0], 8005))
        both_ways(client, server, scaled(1 * MB))


# Very many sessions


def speed():
    """Seconds of a round trip and of some bulk, through the proxy."""
    client, server = pair()
    trips = []
    for _ in range(scaled(200, 20)):
        begun = time.monotonic()
        expect_alive(client, server)
        trips.append(time.monotonic() - begun)
    begun = time.monotonic()
    both_ways(client, server, scaled(4 * MB))
    took = time.monotonic() - begun
    client.close()
    server.close()
    return statistics.median(trips), took


def best_speed():
    return [min(times) for times in zip(*(speed() for _ in range(3)))]


def fill_all(writers):
    """Write to all until none accepts more."""
    data = Stream(6).take(4 * KB)
    for sock in writers:
        sock.setblocking(False)
    while True:
        sent = 0
        for sock in writers:
            with contextlib.suppress(BlockingIOError):
                sent += sock.send(data)
        if not sent:
            return


def stalled_now():
    return sum(session["client_tcp"]["rcvq"] > 0 for session in sessions())


@scene("a thousand stalled sessions do not slow down others")
def stalled():
    count = max(scaled(1000), 100)
    before = best_speed()
    # Together they would use up TCP's memory, and that slows down everybody.
    kp(f"listener add small {FRONT[0]}:8007 upstream app rcvbuf 8192")
    listener = listen(rcvbuf=4 * KB)
    small = {"net__ipv4__tcp_rmem": "4096 8192 8192",
             "net__ipv4__tcp_wmem": "4096 8192 8192"}
    with contextlib.ExitStack() as stack:
        for ns in CLIENT, PROXY, SERVER:
            stack.enter_context(sysctl(ns, **small))
        clients, servers = [], []
        for _ in range(count):
            clients.append(connect((FRONT[0], 8007)))
            servers.append(accept(listener))
        wait_for(lambda: fill_all(clients) or stalled_now() > 0.95 * count,
                 "they are stalled", 60)
    listener.close()
    during = best_speed()
    for _ in range(2):
        during = [min(times) for times in zip(during, best_speed())]
    for sock in clients + servers:
        sock.close()
    wait_gone(60)
    kp("listener del small")
    after = best_speed()
    for what, *times in zip(("round trip", "bulk"), before, during, after):
        print(f"# {what}: {' '.join(f'{t * 1000:.2f}' for t in times)} ms "
              "before, with and after", flush=True)
        expect_between(times[1], 0, 3 * max(times[0], times[2]),
                       f"seconds of a {what} beside {count} stalled sessions")


# A long path


# Mbit/s, ms, bytes: where it is not slow, four times what a window is that does
# not grow; no more than what even a machine that is emulated keeps up with.
RATE, DELAY, SIZE = (1, 100, 400 * KB) if SLOW else (10, 100, 3 * MB)


def throughput(connection, way):
    """Mbit/s of bulk from the client to the server, or back."""
    ends = connection()
    source, sink = ends if way == "in" else ends[::-1]
    threads = Threads()
    begun = time.monotonic()
    threads.go(source.sendall, Stream(7).take(SIZE))
    left = SIZE
    while left:
        left -= len(sink.recv(1 << 18))
    took = time.monotonic() - begun
    threads.join()
    for sock in ends:
        sock.close()
    return SIZE * 8 / took / 1e6


def direct():
    return pair(to=BACK)


def long_path(near, far, way):
    """
    Bytes go one way over a link of much delay: through the proxy as fast as by
    a connection over the same links that goes around it.
    """
    shape = ("rate", f"{RATE}mbit", "delay", f"{DELAY}ms", "limit", "10000")
    with netem(*near, *shape), netem(*far, *shape):
        best = {direct: 0, pair: 0}
        # A busy machine may be slower than the link.
        for _ in range(8):
            for connection in best:
                best[connection] = max(best[connection],
                                       throughput(connection, way))
            if best[direct] > 0.5 * RATE and best[pair] > 0.9 * best[direct]:
                break
    print(f"# {best[direct]:.1f} Mbit/s direct, {best[pair]:.1f} by the proxy",
          flush=True)
    expect_between(best[pair], 0.9 * best[direct], 2 * RATE,
                   f"Mbit/s by the proxy ({best[direct]:.1f} direct)")
    expect_between(best[direct], 0.5 * RATE, RATE, "Mbit/s direct")
    wait_gone()


CLIENT_LINK = (CLIENT, "eth0"), (PROXY, "front")
SERVER_LINK = (SERVER, "eth0"), (PROXY, "back")


@scene("far from its client a session receives as fast as a direct connection")
def client_path_in():
    long_path(*CLIENT_LINK, "in")


@scene("far from its client it sends as fast as a direct connection")
def client_path_out():
    long_path(*CLIENT_LINK, "out")


@scene("far from its server it sends as fast as a direct connection")
def server_path_in():
    long_path(*SERVER_LINK, "in")


@scene("far from its server it receives as fast as a direct connection")
def server_path_out():
    long_path(*SERVER_LINK, "out")


main()
