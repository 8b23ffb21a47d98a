# SPDX-License-Identifier: GPL-2.0
"""The output of "kproxy log"."""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from netlink_raw import attrs, opened_by_nobody
from netlink_spec import COMMAND, open_netlink
from peer import (BACK, BACK6, KB, PROXY, EchoServer, Failed, Skipped, connect,
                  expect, expect_alive, expect_between, expect_eof,
                  expect_reset, knock, kp, limit, main, pair, read_exactly,
                  reset, run, run_in, scene, wait_acked, wait_for, wait_gone)

FRONT6 = ("fd01::1", 8010)

KEYS = {"id", "listener", "upstream", "client", "server", "start_ms",
        "duration_ms", "connect_us", "bytes_in", "bytes_out",
        "stall_client_us", "stall_server_us", "unacked_in", "unacked_out",
        "omitted", "sni", "server_name", "reason"}


# struct kproxy_log_record, kproxy_log_header
RECORD = 584
HEADER = struct.Struct("=IIIIQII")
MAGIC = 0x474f4c4b
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CPU1 = pathlib.Path("/sys/devices/system/cpu/cpu1/online")


def log():
    return json.loads(kp("-j log").stdout)


def one_session(sent=100):
    client, server = pair()
    client.sendall(b"a" * sent)
    read_exactly(server, sent)
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()


@contextlib.contextmanager
def follower(ns=PROXY):
    """The lines of "log -f", and its process."""
    lines = []
    process = subprocess.Popen(
        ("kproxy", "-n", ns, "-j", "log", "-f"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    reader = threading.Thread(
        target=lambda: lines.extend(iter(process.stdout.readline, "")),
        daemon=True)
    reader.start()
    try:
        yield lines, process
    finally:
        process.kill()
        reader.join(limit(5))


@scene("before a session has ended there is none")
def empty():
    expect(log(), [], "the log")
    client, server = pair()
    expect_alive(client, server)
    expect(log(), [], "the log while a session lives")
    client.close()
    server.close()
    wait_gone()
    expect(len(log()), 1, "records after it")


@scene("a record has client, server, duration, bytes and reason")
def record():
    client, server = pair()
    here = "%s:%d" % client.getsockname()
    before = time.time() * 1000
    client.sendall(b"a" * 5000)
    read_exactly(server, 5000)
    server.sendall(b"b" * 70000)
    read_exactly(client, 70000)
    time.sleep(0.5)
    reset(server)
    expect_reset(client, "the client")
    wait_gone()
    last = log()[-1]
    expect(set(last), KEYS, "keys")
    expect((last["listener"], last["upstream"], last["client"],
            last["server"]), ("web", "app", here, "%s:%d" % BACK), "who")
    expect((last["bytes_in"], last["bytes_out"]), (5000, 70000), "bytes")
    expect(last["reason"], "server_reset", "the reason")
    expect_between(last["duration_ms"], 500, limit(30000), "duration_ms")
    expect_between(last["connect_us"], 1, limit(10000000), "connect_us")
    expect_between(last["start_ms"], before - limit(10000), before + 100,
                   "start_ms")


@scene("bytes that a client did not receive are reported, with the reason")
def tail_is_lost():
    kp("listener set web sndbuf 1m fin-timeout 2s")
    for ends_too in False, True:
        client, server = pair(client={"rcvbuf": 8 * KB})
        server.sendall(b"x" * (400 * KB))
        wait_acked(server)
        server.shutdown(socket.SHUT_WR)
        if ends_too:
            # Both ends of stream are passed on, and then it fails.
            client.shutdown(socket.SHUT_WR)
            expect_eof(server, "behind the client's end")
            server.close()
            reset(client)
        wait_gone()
        last = log()[-1]
        expect(last["reason"], "client_reset" if ends_too else "fin_timeout",
               "the reason")
        expect(last["bytes_out"] + last["unacked_out"], 400 * KB, "bytes sent")
        # The client had room for a little more than its buffer.
        expect_between(last["bytes_out"], 1, 100 * KB, "bytes acknowledged")
        expect(last["unacked_in"], 0, "bytes that the server lacks")
    kp("listener set web sndbuf default fin-timeout 60s")


@scene("IPv6, and an unreachable server")
def addresses():
    kp("upstream add six")
    kp("server add six [fd02::2]:9000")
    kp("listener add six [fd01::1]:8010 upstream six")
    client, server = pair(to=FRONT6, at=BACK6)
    port = client.getsockname()[1]
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()
    last = log()[-1]
    expect((last["client"], last["server"]),
           (f"[fd01::2]:{port}", "[fd02::2]:9000"), "addresses")
    client = knock(FRONT6)
    if client:
        expect_reset(client, "the client")
    wait_gone()
    last = log()[-1]
    expect((last["reason"], last["connect_us"]), ("unreachable", 0),
           "how it ended")
    kp("listener del six")
    kp("upstream del six")


@scene("reading removes nothing, and records come in the order of the ends")
def twice():
    first = pair()
    second = pair()
    for ends in (second, first):
        time.sleep(0.1)
        for sock in ends:
            sock.close()
        time.sleep(limit(0.2))
    wait_gone()
    once, again = log(), log()
    expect(once, again, "the log, read twice")
    expect(once[-1]["duration_ms"] > once[-2]["duration_ms"], True,
           "the session that began first ended last")
    ends = [row["start_ms"] + row["duration_ms"] for row in once]
    expect(all(a <= b + 1 for a, b in zip(ends, ends[1:])), True,
           f"sorted: {ends}")


@scene("a full ring forgets the oldest and nothing else")
def wraps():
    echo = EchoServer()
    count = 64 * os.cpu_count() + 70
    for n in range(count):
        client = connect()
        client.sendall(b"z" * (n + 1))
        read_exactly(client, n + 1)
        client.close()
    echo.close()
    wait_gone()
    # A session leaves the list before its record is written, and two that follow
    # each other may end on two CPUs.
    wait_for(lambda: count in {row["bytes_in"] for row in log()},
             "the newest is written")
    rows = log()
    expect_between(len(rows), 64, 64 * os.cpu_count(), "records")
    numbers = [row["id"] for row in rows]
    expect(len(set(numbers)), len(numbers), "different sessions")
    expect(all(row["bytes_in"] == row["bytes_out"] for row in rows
               if row["reason"] == "client_fin"), True, "whole records")


@scene("a follower gets each session when it has ended")
def follow():
    with follower() as (lines, process):
        time.sleep(limit(0.5))
        old = len(lines)
        for n in range(5):
            one_session(10 + n)
        wait_for(lambda: len(lines) == old + 5, "five more")
        expect([json.loads(line)["bytes_in"] for line in lines[old:]],
               [10, 11, 12, 13, 14], "bytes")
        process.send_signal(signal.SIGINT)
        expect(process.wait(limit(5)), 0, "status")


@scene("a follower that is too slow is told how many records it lost")
def follow_slowly():
    echo = EchoServer()
    with follower() as (lines, process):
        time.sleep(limit(0.5))
        old = len(lines)
        process.send_signal(signal.SIGSTOP)
        count = 64 * os.cpu_count() + 100
        for _ in range(count):
            client = connect()
            client.sendall(b"z")
            read_exactly(client, 1)
            client.close()
        wait_gone()
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(lines) >= old + 64, "it goes on")
        time.sleep(limit(0.5))
        process.send_signal(signal.SIGTERM)
        expect(process.wait(limit(5)), 0, "status")
        errors = process.stderr.read().split()
    echo.close()
    numbers = [int(word) for word in errors if word.isdigit()]
    expect(sum(numbers) + len(lines) - old, count, "read and lost")


@contextlib.contextmanager
def descriptor():
    """A descriptor of the log, straight from the kernel."""
    nl = open_netlink()
    answer = nl.ask(COMMAND["log-get"])
    nl.close()
    expect(answer.errno, 0, f"log-get: {answer}")
    fd = struct.unpack("=I", dict(attrs(answer.replies[0][4:]))[1])[0]
    try:
        yield fd
    finally:
        os.close(fd)


def rings(fd):
    """Which rings have memory; 0 is the shared one, then that of CPU 0."""
    data = os.pread(fd, mmap.PAGESIZE, 0)
    magic, size, _, records, _, count, ended = HEADER.unpack_from(data)
    expect((magic, size, records, ended), (MAGIC, mmap.PAGESIZE, 64, 0),
           "the header")
    words = struct.unpack_from(f"={(count + 63) // 64}Q", data, HEADER.size)
    return {n for n in range(count) if words[n // 64] >> n % 64 & 1}


def burst(count, cpu=None):
    """A number of sessions, whose packets are all handled by one CPU."""
    before = os.sched_getaffinity(0)
    echo = EchoServer()
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        for _ in range(count):
            client = connect()
            client.sendall(b"z")
            read_exactly(client, 1)
            client.close()
    finally:
        os.sched_setaffinity(0, before)
    echo.close()
    wait_gone()


def expect_refused(what, function, *errors):
    try:
        function()
    except OSError as error:
        if not errors or error.errno in errors:
            return
        raise Failed(f"{what}: {error}") from error
    raise Failed(f"{what} has worked")


def map_writable(fd):
    mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED,
              mmap.PROT_READ | mmap.PROT_WRITE).close()


def map_executable(fd, how):
    mmap.mmap(fd, mmap.PAGESIZE, how, mmap.PROT_READ | mmap.PROT_EXEC).close()


def make_executable(fd):
    """A mapping that is readable so far."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    size = ctypes.c_size_t(mmap.PAGESIZE)
    at = ctypes.c_void_p(libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED,
                                   fd, ctypes.c_long(0)))
    failed = libc.mprotect(at, size, mmap.PROT_READ | mmap.PROT_EXEC)
    number = ctypes.get_errno()
    libc.munmap(at, size)
    if failed:
        raise OSError(number, "mprotect")


def punch(fd):
    """A hole where the header is."""
    keep_size, punch_hole = 1, 2
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, keep_size | punch_hole, ctypes.c_long(0),
                      ctypes.c_long(mmap.PAGESIZE)):
        raise OSError(ctypes.get_errno(), "fallocate")


@scene("a descriptor of it reads and maps, and changes nothing, in any way")
def read_only():
    one_session()
    with descriptor() as fd:
        expect(fcntl.fcntl(fd, fcntl.F_GETFD), fcntl.FD_CLOEXEC, "flags")
        size = os.fstat(fd).st_size
        shown = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        expect(struct.unpack_from("=I", shown)[0], MAGIC, "what is mapped")
        shown.close()
        expect_refused("a writable mapping", lambda: map_writable(fd))
        for how in mmap.MAP_SHARED, mmap.MAP_PRIVATE:
            expect_refused("an executable mapping",
                           lambda how=how: map_executable(fd, how),
                           errno.EPERM)
        expect_refused("an executable mapping later",
                       lambda: make_executable(fd), errno.EACCES)
        expect_refused("a write", lambda: os.pwrite(fd, b"x", 0))
        expect_refused("a smaller size", lambda: os.ftruncate(fd, 0))
        expect_refused("another mode", lambda: os.fchmod(fd, 0o666))
        expect_refused("opening it for writing",
                       lambda: os.close(os.open(f"/proc/self/fd/{fd}",
                                                os.O_RDWR)))
        # Even if the first barrier is removed.
        run("chattr", "-i", f"/proc/{os.getpid()}/fd/{fd}", check=False)
        with contextlib.suppress(OSError):
            again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
            expect_refused("a writable mapping of it", lambda: map_writable(again))
            expect_refused("a write to it", lambda: os.pwrite(again, b"x", 0))
            expect_refused("a smaller size of it",
                           lambda: os.ftruncate(again, 0))
            expect_refused("a hole in it", lambda: punch(again))
            expect_refused("the right to execute it",
                           lambda: os.fchmod(again, 0o755))
            os.close(again)
        expect_refused("fewer seals", lambda: fcntl.fcntl(
            fd, fcntl.F_ADD_SEALS, 0))
        expect(struct.unpack("=I", os.pread(fd, 4, 0))[0], MAGIC,
               "what is there afterwards")


@scene("it needs the capability in the namespace's own user namespace")
def private():
    one_session()
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534",
              "--clear-groups")
    for user in nobody, ("unshare", "--user", "--map-root-user"):
        done = run_in(PROXY, *user, "kproxy", "log", check=False)
        expect(done.returncode, 2, f"status as {user[0]}")
        if not done.stderr.startswith("kproxy: log: operation not permitted"):
            raise Failed(f"it says: {done.stderr}")
    # A request that root sends through another user's socket has that user's
    # rights.
    nl = opened_by_nobody()
    nl.find_family()
    expect(nl.ask(COMMAND["log-get"]).errno, errno.EPERM, "root's message")
    nl.close()
    run("ip", "netns", "add", "kp-other")
    try:
        done = run("kproxy", "-n", "kp-other", "-j", "log")
        expect(json.loads(done.stdout), [], "the log of another namespace")
    finally:
        run("ip", "netns", "del", "kp-other")


@scene("without a free descriptor it is refused, and none is leaked")
def descriptors():
    nl = open_netlink()
    before = os.listdir("/proc/self/fd")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        answer = nl.ask(COMMAND["log-get"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    expect((answer.errno, answer.message),
           (errno.EMFILE, "no file descriptor is left"), "the refusal")
    expect(os.listdir("/proc/self/fd"), before, "descriptors")
    nl.close()


@scene("a CPU has a ring once a session has ended on it")
def on_demand():
    with descriptor() as fd:
        had = rings(fd)
        expect(0 in had, True, f"the shared ring: {had}")
        expect(had - {0} <= {cpu + 1 for cpu in range(os.cpu_count())}, True,
               f"rings of CPUs: {had}")
        # Those of CPUs that there are not take no memory.
        used = os.fstat(fd).st_blocks * 512
        ring = -(-64 * RECORD // mmap.PAGESIZE) * mmap.PAGESIZE + mmap.PAGESIZE
        expect_between(used, 1, mmap.PAGESIZE + len(had) * ring, "its memory")


def need_hotplug():
    if not CPU1.exists():
        raise Skipped("CPU 1 cannot be taken offline")


@scene("while CPUs come and go each session has its record")
def hotplug():
    need_hotplug()
    over = threading.Event()

    def plug():
        while not over.is_set():
            for state in "0", "1":
                CPU1.write_text(state)
                time.sleep(0.1)

    with follower() as (lines, process):
        time.sleep(limit(0.5))
        old = len(lines)
        plugger = threading.Thread(target=plug)
        plugger.start()
        try:
            for _ in range(6):
                burst(20)
        finally:
            over.set()
            plugger.join()
            CPU1.write_text("1")
        wait_for(lambda: len(lines) >= old + 120, "all of them")
        process.send_signal(signal.SIGINT)
        expect(process.wait(limit(5)), 0, "status")
        expect(process.stderr.read(), "", "complaints")
        ids = [json.loads(line)["id"] for line in lines[old:]]
        expect(len(set(ids)), 120, "sessions")


@scene("a follower reads a CPU that comes online later")
def late_cpu():
    need_hotplug()
    run("ip", "netns", "add", "kp-late")
    CPU1.write_text("0")
    try:
        run("ip", "-n", "kp-late", "link", "set", "lo", "up")
        for words in ("upstream add app", "server add app 127.0.0.1:9000",
                      "listener add web 127.0.0.1:8000 upstream app"):
            run("kproxy", "-n", "kp-late", *words.split())
        with follower("kp-late") as (lines, _):
            refused("kp-late", 5)
            wait_for(lambda: len(lines) == 5, "those of CPU 0")
            CPU1.write_text("1")
            refused("kp-late", 20, cpu=1)
            wait_for(lambda: len(lines) == 25, "those of CPU 1")
    finally:
        CPU1.write_text("1")
        run("ip", "netns", "del", "kp-late")


def refused(ns, count, cpu=0):
    """Clients that no server accepts, all on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        for _ in range(count):
            client = knock(("127.0.0.1", 8000), ns=ns)
            if client:
                expect_reset(client, "the client")
                client.close()
    finally:
        os.sched_setaffinity(0, before)


@scene("its memory is charged to the task that adds the first listener")
def charged():
    if "memory" not in (CGROUPS / "cgroup.controllers").read_text():
        return
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    group = CGROUPS / "kp-log"
    group.mkdir()
    run("ip", "netns", "add", "kp-paying")

    def shmem():
        text = (group / "memory.stat").read_text()
        return int(re.search(r"^shmem (\d+)$", text, re.M)[1])

    def expect_charged(least, most):
        with contextlib.suppress(Failed):
            wait_for(lambda: least <= shmem() - base <= most, "it is charged")
        expect_between(shmem() - base, least, most, "bytes that are charged")

    def configure(words):
        run("sh", "-c", f"echo $$ >{group}/cgroup.procs && "
            f"exec kproxy -n kp-paying {words}")

    ring = -(-64 * RECORD // mmap.PAGESIZE) * mmap.PAGESIZE
    shared = mmap.PAGESIZE + ring
    try:
        run("ip", "-n", "kp-paying", "link", "set", "lo", "up")
        configure("upstream add app")
        configure("server add app 127.0.0.1:9000")
        # The kernel adds up charges every two seconds.
        time.sleep(3)
        base = shmem()
        configure("listener add web 127.0.0.1:8000 upstream app")
        expect_charged(shared, shared)
        # The ring of a CPU is made by a worker.
        refused("kp-paying", 10)
        expect_charged(shared + ring, shared + os.cpu_count() * ring)
    finally:
        run("ip", "netns", "del", "kp-paying")
    expect_charged(0, 0)
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "it is empty")
    group.rmdir()


class Journal:
    """A socket where systemd's journal would have one."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = f"{self.folder.name}/socket"
        self.open()

    def open(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(limit(20))

    def entry(self):
        """The fields of the next entry, by the native protocol."""
        data, fields = self.sock.recv(1 << 20), {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                size, = struct.unpack_from("<Q", data)
                value, data = data[8:8 + size], data[8 + size + 1:]
            expect(bool(re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name)), True,
                   f"the name of a field, {name}")
            expect(name in fields, False, f"{name} twice")
            fields[name.decode()] = value.decode()
        return fields

    def close(self):
        self.sock.close()
        os.unlink(self.path)

    def start(self, *words):
        return subprocess.Popen(
            ("kproxy", "-n", PROXY, "log", *words, "journal"),
            env={**os.environ, "KPROXY_JOURNAL": self.path},
            stderr=subprocess.PIPE, text=True)


@scene("the journal gets each record as fields")
def journal():
    one_session(33)
    journal = Journal()
    process = journal.start("-f")
    for _ in log():
        last = journal.entry()
    row = log()[-1]
    expect({name: value for name, value in last.items()
            if name.startswith("KPROXY_")},
           {f"KPROXY_{key.upper()}": str(value) for key, value in row.items()
            if value != ""}, "fields")
    expect((last["PRIORITY"], last["SYSLOG_IDENTIFIER"]), ("6", "kproxy"),
           "how it is filed")
    expect(last["MESSAGE"],
           f"web: {row['client']} to 10.2.0.2:9000, client_fin after "
           f"{row['duration_ms']} ms, 33 bytes in, 0 out", "the message")
    one_session(34)
    expect(journal.entry()["KPROXY_BYTES_IN"], "34", "the next")
    # It is started again, and comes back.
    journal.close()
    one_session(35)
    time.sleep(limit(0.3))
    expect(process.poll(), None, "status without a journal")
    journal.open()
    expect(journal.entry()["KPROXY_BYTES_IN"], "35", "what it has missed")
    process.terminate()
    expect((process.wait(limit(10)), process.stderr.read()), (0, ""), "its end")
    process = journal.start()
    for _ in log():
        last = journal.entry()
    expect((last["KPROXY_BYTES_IN"], process.wait(limit(10))), ("35", 0),
           "without -f")
    journal.close()
    process = journal.start()
    expect((process.wait(limit(20)), process.stderr.read()),
           (2, "kproxy: log: cannot write to the journal: No such file or "
            "directory\n"), "where there is none")


@scene("the journal is told how many records were lost")
def journal_lost():
    journal = Journal()
    process = journal.start("-f")
    for _ in log():
        journal.entry()
    process.send_signal(signal.SIGSTOP)
    burst(64 * os.cpu_count() + 70)
    process.send_signal(signal.SIGCONT)
    last = journal.entry()
    while "KPROXY_LOST" not in last:
        last = journal.entry()
    expect(last["PRIORITY"], "4", "its priority")
    expect(last["MESSAGE"], f"{last['KPROXY_LOST']} records were lost",
           "the message")
    process.kill()
    process.wait()
    journal.close()


@scene("the module unloads under a reader, which goes on with the next one")
def reloaded():
    with follower() as (lines, process):
        time.sleep(limit(0.5))
        old = len(lines)
        one_session(11)
        with descriptor() as fd:
            run("rmmod", "kproxy")
            data = os.pread(fd, HEADER.size, 0)
            expect(HEADER.unpack(data)[6], 1, "ended")
        wait_for(lambda: len(lines) == old + 1, "what came before")
        expect(process.poll(), None, "status while there is no module")
        run("insmod", os.environ["KPROXY_KO"], "log_records=64")
        kp("upstream add app")
        kp("server add app 10.2.0.2:9000")
        kp("listener add web 10.1.0.1:8000 upstream app")
        one_session(12)
        wait_for(lambda: len(lines) == old + 2, "what came afterwards")
        process.send_signal(signal.SIGINT)
        expect(process.wait(limit(5)), 0, "status")
        expect([json.loads(line)["bytes_in"] for line in lines[old:]],
               [11, 12], "bytes")
        expect(process.stderr.read(),
               "kproxy: log: the module was unloaded, waiting for it to come "
               "back\n", "what it says")


main()
