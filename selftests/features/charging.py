# SPDX-License-Identifier: GPL-2.0
"""Ways to make the proxy take memory, and which cgroup pays."""

import contextlib
import os
import pathlib
import re
import subprocess
import time

from peer import (FRONT, KB, MB, PROXY, SLOW, Failed, accept, close_all,
                  connect, expect, expect_alive, expect_between, expect_reset,
                  knock, kp, limit, listen, main, run, say, scaled, scene,
                  sessions, show, stats, tcp_sockets, wait_for, wait_gone)

CGROUPS = pathlib.Path("/sys/fs/cgroup")
CPUS = os.cpu_count()
DOOR = FRONT[0], 8005
# Least bytes of a connection: struct sock, its inode.
SOCKET = 2800
COUNT = max(scaled(256), 64)


class Group:
    def __init__(self, name):
        self.path = CGROUPS / name
        self.path.mkdir()
        # A process that would be killed if the group ran out of memory.
        self.witness = subprocess.Popen(
            ["sh", "-c", f"echo $$ >{self.path}/cgroup.procs; "
             "exec sleep 100000"])
        wait_for(lambda: (self.path / "cgroup.procs").read_text().strip(),
                 "the witness is there")

    def kp(self, command, check=True):
        """A command in a process of the group."""
        return run("sh", "-c", f"echo $$ >{self.path}/cgroup.procs && "
                   f"exec kproxy -n {PROXY} {command}", check=check)

    def stat(self, *names):
        text = (self.path / "memory.stat").read_text()
        return sum(int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))
                   for name in names)

    def kernel(self):
        """Bytes of the kernel that are charged to it, sockets included."""
        return self.stat("kernel", "sock")

    def now(self):
        return int((self.path / "memory.current").read_text())

    def limit(self, size):
        (self.path / "memory.max").write_text(str(size))

    def close(self):
        expect(self.witness.poll(), None, "the process in the group")
        events = (self.path / "memory.events").read_text()
        expect(int(re.search(r"^oom_kill (\d+)$", events, re.M).group(1)), 0,
               "processes killed")
        self.remove()

    def remove(self):
        self.witness.kill()
        self.witness.wait()
        wait_for(lambda: not (self.path / "cgroup.procs").read_text().strip(),
                 "the group is empty")
        self.path.rmdir()


@contextlib.contextmanager
def group(name="kp-escape"):
    found = Group(name)
    try:
        yield found
        found.close()
    except BaseException:
        close_all()
        for what in "listener", "upstream":
            for each in show(f"{what} show"):
                kp(f"{what} del {each['name']}" +
                   (" kill" if what == "listener" else ""), check=False)
        with contextlib.suppress(OSError, Failed):
            found.remove()
        raise


def host():
    """Bytes that only the kernel can give back."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return sum(int(re.search(rf"^{name}: *(\d+)", text, re.M).group(1)) * KB
               for name in ("SUnreclaim", "SReclaimable", "Percpu"))


@contextlib.contextmanager
def charged(group, least, what, share=4):
    """
    At least so much more is the group's afterwards; and of what the host has
    lost meanwhile, the other ends of connections being there too, a good part.
    """
    # The kernel adds up small charges every two seconds.
    time.sleep(2.1)
    before, lost = group.kernel(), host()
    yield
    with contextlib.suppress(Failed):
        wait_for(lambda: group.kernel() - before >= least, "charged", 3)
    grown, lost = group.kernel() - before, host() - lost
    say(f"# {what}: {grown // KB} KiB charged of {lost // KB} KiB, "
        f"{least // KB} expected")
    expect_between(grown, least, 1 << 40, f"bytes charged for {what}")
    # Debug kernels keep what others have freed, and give it back at any time.
    expect(SLOW or grown * share >= lost, True,
           f"{grown} bytes charged for {what}, {lost} lost")


def open_door(group, options=""):
    group.kp("upstream add app")
    group.kp("server add app 10.2.0.2:9000")
    group.kp(f"listener add door {DOOR[0]}:{DOOR[1]} upstream app {options}")


def close_door():
    close_all()
    kp("listener del door kill")
    kp("upstream del app")
    wait_gone(30)


@scene("idle sessions, and what they consist of")
def idle_sessions():
    with group() as g:
        open_door(g)
        listener = listen()
        ends = [pair_at(listener)]
        # Two sockets and the session itself.
        with charged(g, COUNT * (2 * SOCKET + 1000), f"{COUNT} sessions"):
            ends += [pair_at(listener) for _ in range(COUNT)]
        before = g.kernel()
        for sock in [sock for pair in ends for sock in pair]:
            sock.close()
        wait_gone(30)
        # Some sockets are kept for its next clients.
        wait_for(lambda: before - g.kernel() > COUNT * 5000,
                 "it is given back")
        close_door()


def pair_at(listener):
    client = connect(DOOR)
    return client, accept(listener)


@scene("each cgroup pays for its own sessions, in any order")
def each():
    with group("kp-first") as first, group("kp-second") as second:
        kp("upstream add app")
        kp("server add app 10.2.0.2:9000")
        for n, g in enumerate((first, second)):
            g.kp(f"listener add door{n} {DOOR[0]}:{DOOR[1] + n} upstream app")
        listener = listen()
        for turn in range(4):
            paying, other = (first, second)[::1 if turn % 2 else -1]
            port = DOOR[1] + (paying is second)
            before = other.kernel()
            with charged(paying, COUNT * (2 * SOCKET + 1000),
                         f"{COUNT} sessions"):
                ends = [(connect((DOOR[0], port)), accept(listener))
                        for _ in range(COUNT)]
            expect_between(other.kernel() - before, -1 << 40, 64 * KB,
                           "bytes charged to the other")
            for sock in [sock for pair in ends for sock in pair]:
                sock.close()
            wait_gone(30)
        for n in range(2):
            kp(f"listener del door{n} kill")
        kp("upstream del app")


@scene("idle connections")
def ahead():
    servers, each_cpu = 4, COUNT // 8
    with group() as g:
        g.kp("upstream add app")
        listeners = [listen(("10.2.0.2", 9100 + n)) for n in range(servers)]
        for n in range(servers):
            g.kp(f"server add app 10.2.0.2:{9100 + n}")
        count = servers * each_cpu * CPUS
        with charged(g, count * (SOCKET + 200), f"{count} connections"):
            # Also when another cgroup asks for more of them.
            kp(f"upstream set app preconnect {each_cpu}")
            wait_for(lambda: ready() == count, "all are ready", 60)
        kp("upstream del app")
        for sock in listeners:
            sock.close()
        wait_gone(30)


def ready():
    return sum(s["preconnect"]["ready"] for s in show("server show app"))


@scene("checks of servers that do not answer")
def checks():
    # An unused address with a neighbour entry.
    run("ip", "-n", PROXY, "neigh", "replace", "10.2.0.99", "lladdr",
        "02:00:00:00:00:99", "dev", "back")
    run("ip", "-n", PROXY, "route", "add", "10.2.8.0/22", "via", "10.2.0.99")
    with group() as g:
        g.kp("upstream add app")
        batch = "\n".join(f"server add app 10.2.{8 + n // 250}.{1 + n % 250}:1"
                          for n in range(COUNT))
        kp("-b -", text=batch)
        with charged(g, COUNT * SOCKET, f"{COUNT} checks"):
            kp("upstream set app check tcp interval 10ms timeout 1m")
            wait_for(lambda: len(tcp_sockets()) >= COUNT,
                     "all are being checked", 30)
        kp("upstream del app")
    run("ip", "-n", PROXY, "route", "del", "10.2.8.0/22")
    wait_gone(30)


@scene("balancers, which workers build")
def tables():
    count = 16
    with group() as g:
        for n in range(count):
            g.kp(f"upstream add u{n}")
            g.kp(f"server add u{n} 10.2.0.2:9000")
        time.sleep(0.5)
        with charged(g, count * 128 * KB, f"{count} tables"):
            for n in range(count):
                kp(f"upstream set u{n} balance maglev")
            time.sleep(2)
        for n in range(count):
            kp(f"upstream del u{n}")


@scene("clients that are counted")
def clients():
    with group() as g:
        open_door(g, "accept-proxy on client-rate 1")
        listener = listen()
        come_from(listener, 0)
        time.sleep(0.2)
        with charged(g, COUNT * 64, f"{COUNT} clients", share=1 << 20):
            for n in range(COUNT):
                for sock in come_from(listener, 1 + n):
                    sock.close()
            wait_for(lambda: len(sessions()) == 1, "the others have ended")
        close_door()


def come_from(listener, n):
    client = connect(DOOR)
    client.sendall(f"PROXY TCP4 192.0.{n >> 8}.{n & 255} 10.1.0.1 1 2\r\n"
                   .encode())
    return client, accept(listener)


@scene("at its limit a cgroup has no more sessions, loses none, and is not hurt")
def session_limit():
    with group() as g:
        open_door(g, "connect-timeout 2s")
        kp("upstream set app retries 0")
        listener = listen()
        listener.settimeout(1)
        first = pair_at(listener)
        g.limit(g.now() + 1 * MB)
        most = g.now() + 1 * MB
        turned_away, before = 0, stats()["refused"]
        failures = stats()["connect_failures"]
        ends = []
        for _ in range(4 * COUNT):
            try:
                client = connect(DOOR)
            except OSError:
                turned_away += 1
                continue
            try:
                ends.append((client, accept(listener)))
            except TimeoutError:
                client.close()
                turned_away += 1
            if turned_away >= 20:
                break
            expect_between(g.now(), 0, most + 128 * KB, "bytes charged")
        say(f"# {len(ends)} sessions in 1 MiB, {turned_away} refused")
        expect_between(turned_away, 20, 4 * COUNT, "clients refused")
        now = stats()
        expect_between(now["refused"] - before +
                       now["connect_failures"] - failures, turned_away,
                       2 * turned_away, "refused and failed, as it is counted")
        for client, server in [first] + ends[::8]:
            expect_alive(client, server)
        g.limit("max")
        for _ in range(8):
            expect_alive(*pair_at(listener))
        close_door()


@scene("nor idle connections, and it is not tried all the time")
def ahead_limit():
    with group() as g:
        g.kp("upstream add app")
        listener = listen()
        g.kp("server add app 10.2.0.2:9000")
        g.limit(g.now() + 512 * KB)
        most = g.now() + 512 * KB
        kp("upstream set app preconnect 256")
        for _ in range(30):
            time.sleep(0.1)
            expect_between(g.now(), 0, most + 128 * KB, "bytes charged")
        some = ready()
        say(f"# {some} connections in 512 KiB")
        expect_between(some, 8, 256 * CPUS - 1, "connections")
        events = g.path / "memory.events"
        tried = int(re.search(r"^max (\d+)$", events.read_text(),
                              re.M).group(1))
        time.sleep(3)
        again = int(re.search(r"^max (\d+)$", events.read_text(),
                              re.M).group(1))
        expect_between(again - tried, 0, 60, "times that it was at its limit")
        g.limit("max")
        wait_for(lambda: ready() == 256 * CPUS, "all are ready", 60)
        kp("upstream del app")
        listener.close()
        wait_gone(30)


@scene("far above memory.high nothing more is made, and no worker is delayed")
def high():
    with group() as g:
        open_door(g, "connect-timeout 2s")
        kp("upstream add other")
        kp("server add other 10.2.0.3:9000")
        kp(f"listener add other {DOOR[0]}:8006 upstream other")
        with listen() as listener, listen(("10.2.0.3", 9000)) as others:
            first = pair_at(listener)
            (g.path / "memory.high").write_text("0")
            before = stats()["refused"]
            begun = time.monotonic()
            for _ in range(20):
                if client := knock(DOOR):
                    expect_reset(client, "a client of the cgroup")
                client = connect((DOOR[0], 8006))
                expect_alive(client, accept(others))
                client.close()
            took = time.monotonic() - begun
            say(f"# {took:.2f} s")
            expect_between(took, 0, limit(5), "seconds for forty clients")
            expect(stats()["refused"] - before, 20, "refused")
            # Nor for checks.
            kp("upstream set app check tcp interval 10ms timeout 10ms")
            kp("upstream set other check tcp interval 100ms")
            wait_for(lambda: show("server show other")[0]["health"] == "up",
                     "another one is up")
            expect(show("server show app")[0]["health"], "unknown", "health")
            kp("upstream set app check off")
            expect_alive(*first)
            (g.path / "memory.high").write_text("max")
            expect_alive(*pair_at(listener))
        kp("listener del other kill")
        kp("upstream del other")
        close_door()


main()
