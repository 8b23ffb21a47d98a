#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sockets of a program that are spliced and given back (libkproxy)."""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import http.client
import http.server
import itertools
import json
import mmap
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from netlink_raw import Netlink, attr, opened_by_nobody
from netlink_spec import ATTR, COMMAND
from peer import (BACK, CLIENT, FRONT, MB, PROXY, SERVER, Failed, Skipped,
                  accept, connect, expect, expect_eof, expect_reset, keep, kp,
                  limit, listen, main, netns, read_exactly, reset, run, scaled,
                  scene, sessions, stats, wait_for)

TOP = pathlib.Path(__file__).parents[2]
LIBRARY = str(TOP / "lib" / "libkproxy.so.1")
LIB = ctypes.CDLL(LIBRARY, use_errno=True)
A = ATTR["splice"]
NOBODY = 65534
# The parameter that the script has loaded the module with.
USER_SPLICES = 8
DETACH = 1
(CLIENT_FIN, SERVER_FIN, CLIENT_RESET, SERVER_RESET, IDLE_TIMEOUT, KILLED,
 SHUTDOWN, LIMIT, UNSPLICED) = (1, 2, 3, 4, 6, 9, 12, 13, 14)


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("label", ctypes.c_char_p),
                ("bytes", ctypes.c_uint64 * 2), ("idle_ms", ctypes.c_uint32),
                ("flags", ctypes.c_uint32)]


class Result(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("bytes", ctypes.c_uint64 * 2),
                ("spliced", ctypes.c_uint64), ("copied", ctypes.c_uint64),
                ("reason", ctypes.c_uint32), ("eof", ctypes.c_uint32)]


def fd_of(sock):
    return sock if isinstance(sock, int) else sock.fileno()


def splice(a, b, ns=PROXY, **options):
    """A descriptor; OSError when it is refused."""
    limits = options.pop("bytes", (0, 0))
    wanted = Options(size=ctypes.sizeof(Options),
                     bytes=(ctypes.c_uint64 * 2)(*limits), **options)
    with netns(ns):
        fd = LIB.kproxy_splice(fd_of(a), fd_of(b), ctypes.byref(wanted))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "kproxy_splice")
    return fd


def splice_here(a, b, label):
    """Without a namespace to enter, which an unprivileged process may not."""
    options = Options(size=ctypes.sizeof(Options), label=label)
    fd = LIB.kproxy_splice(a.fileno(), b.fileno(), ctypes.byref(options))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "kproxy_splice")
    return fd


def ended(fd, seconds=20):
    if not select.select([fd], [], [], limit(seconds))[0]:
        raise Failed("the splice has not ended")


def result_of(fd, call=None):
    result = Result(size=ctypes.sizeof(Result))
    if (call or LIB.kproxy_splice_wait)(fd, ctypes.byref(result)):
        raise OSError(ctypes.get_errno(), "no result")
    return result


def wait(fd):
    """The result; closes the descriptor."""
    ended(fd)
    result = result_of(fd)
    os.close(fd)
    return result


def unsplice(fd):
    result = result_of(fd, LIB.kproxy_unsplice)
    os.close(fd)
    return result


def quartet(**options):
    """A client, the program's two sockets, and a server."""
    front = listen(FRONT, ns=PROXY, **options)
    back = listen(BACK)
    client = connect()
    a = accept(front)
    b = connect(BACK, ns=PROXY, **options)
    server = accept(back)
    front.close()
    back.close()
    return client, a, b, server


def expect_usable(client, a, b, server):
    """Each socket still does what it did before."""
    for one, other in ((client, a), (b, server)):
        for here, there in ((one, other), (other, one)):
            here.sendall(b"usable")
            expect(read_exactly(there, 6), b"usable", "on a socket given back")


def refused(number, a, b, reason="", ns=PROXY, **options):
    try:
        fd = splice(a, b, ns=ns, **options)
    except OSError as err:
        expect(errno.errorcode[err.errno], errno.errorcode[number], "the errno")
    else:
        os.close(fd)
        raise Failed("it was not refused")
    if reason:
        answer = ask(a, b)
        if reason not in (answer.message or ""):
            raise Failed(f"the reason is {answer.message!r}")


def ask(a, b, *more, nl=None):
    nl = nl or Netlink()
    nl.find_family()
    return nl.ask(COMMAND["splice"], attr(A["a"], fd_of(a)),
                  attr(A["b"], fd_of(b)), *more)


def hung_up(fd):
    poll = select.poll()
    poll.register(fd, 0)
    return poll.poll(0)


def wait_none(seconds=10):
    wait_for(lambda: not sessions(), "no splice is left", seconds)


@scene("bytes pass both ways, and the sockets come back with their streams")
def passes():
    client, a, b, server = quartet()
    fd = splice(a, b)
    client.sendall(b"x" * 3000)
    server.sendall(b"y" * 70000)
    expect(read_exactly(server, 3000), b"x" * 3000, "to the server")
    expect(read_exactly(client, 70000), b"y" * 70000, "to the client")
    result = unsplice(fd)
    expect(list(result.bytes), [3000, 70000], "bytes")
    expect(result.spliced + result.copied, 73000, "spliced and copied")
    expect((result.reason, result.eof), (UNSPLICED, 0), "reason, eof")
    expect_usable(client, a, b, server)


@scene("what came before the splice is passed on; half-close works each way")
def half_close():
    client, a, b, server = quartet()
    client.sendall(b"before")
    client.shutdown(socket.SHUT_WR)
    fd = splice(a, b)
    expect(read_exactly(server, 6), b"before", "early bytes")
    expect_eof(server, "at the server")
    server.sendall(b"later")
    expect(read_exactly(client, 5), b"later", "after the half-close")
    server.shutdown(socket.SHUT_WR)
    expect_eof(client, "at the client")
    result = wait(fd)
    expect((result.reason, result.eof, list(result.bytes)),
           (CLIENT_FIN, 3, [6, 5]), "result")
    expect(a.recv(1), b"", "the end of stream at a")


@scene("a limit is exact, each way, and the rest stays in the socket")
def limits():
    for size in 1, 511, 4096, 100001:
        client, a, b, server = quartet()
        client.sendall(b"h" * size + b"rest")
        fd = splice(a, b, bytes=(size, 0))
        expect(read_exactly(server, size), b"h" * size, "the body")
        result = wait(fd)
        expect((result.reason, result.bytes[0], result.eof), (LIMIT, size, 0),
               "result")
        expect(read_exactly(a, 4), b"rest", "the rest")
        expect_usable(client, a, b, server)


@scene("with two limits, both are reached before the splice ends")
def two_limits():
    client, a, b, server = quartet()
    fd = splice(a, b, bytes=(5, 7))
    client.sendall(b"12345more")
    expect(read_exactly(server, 5), b"12345", "to the server")
    time.sleep(0.2)
    expect(select.select([fd], [], [], 0)[0], [], "it goes on")
    server.sendall(b"1234567more")
    expect(read_exactly(client, 7), b"1234567", "to the client")
    result = wait(fd)
    expect((result.reason, list(result.bytes)), (LIMIT, [5, 7]), "result")
    expect((read_exactly(a, 4), read_exactly(b, 4)), (b"more", b"more"),
           "the rest")


@scene("a limit is exact in a fast stream, many times on one connection")
def limits_fast():
    total = scaled(64 * MB, 4 * MB)
    client, a, b, server = quartet()
    data = os.urandom(MB)
    sent = threading.Thread(
        target=lambda: [client.sendall(data) for _ in range(total // MB)])
    got = hashlib.sha256()
    sent.start()
    part, left = 1234567, total
    while left:
        size = min(part, left)
        fd = splice(a, b, bytes=(size, 0))
        got.update(read_exactly(server, size))
        result = wait(fd)
        expect((result.reason, result.bytes[0]), (LIMIT, size), "a part")
        left -= size
    sent.join()
    want = hashlib.sha256()
    for _ in range(total // MB):
        want.update(data)
    expect(got.hexdigest(), want.hexdigest(), "the stream")
    expect_usable(client, a, b, server)


@scene("a gibibyte each way at the same time arrives as it was sent")
def gibibyte():
    count = scaled(1024, 16)
    client, a, b, server = quartet()
    fd = splice(a, b)
    # Each piece differs from the one before.
    pieces = {sock: os.urandom(MB + 17) for sock in (client, server)}
    got = {client: hashlib.sha256(), server: hashlib.sha256()}

    def piece(sock, n):
        return pieces[sock][n % 17:][:MB]

    def send(sock):
        for n in range(count):
            sock.sendall(piece(sock, n))
        sock.shutdown(socket.SHUT_WR)

    def receive(sock):
        while data := sock.recv(MB):
            got[sock].update(data)

    threads = [threading.Thread(target=act, args=(sock,))
               for act in (send, receive) for sock in (client, server)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for here, there in (client, server), (server, client):
        want = hashlib.sha256()
        for n in range(count):
            want.update(piece(here, n))
        expect(got[there].hexdigest(), want.hexdigest(), "the stream")
    result = wait(fd)
    expect((list(result.bytes), result.eof), ([count * MB] * 2, 3), "result")


@scene("idle_ms ends it; the sockets stay connected")
def idle():
    client, a, b, server = quartet()
    fd = splice(a, b, idle_ms=300)
    client.sendall(b"1")
    read_exactly(server, 1)
    expect(wait(fd).reason, IDLE_TIMEOUT, "reason")
    expect_usable(client, a, b, server)


@scene("closing the last copy of the descriptor ends it, not the sockets")
def close_ends():
    client, a, b, server = quartet()
    fd = splice(a, b)
    copy = os.dup(fd)
    os.close(fd)
    client.sendall(b"1")
    read_exactly(server, 1)
    expect(len(sessions()), 1, "splices with one copy left")
    os.close(copy)
    wait_none()
    expect_usable(client, a, b, server)


@scene("options of the sockets are what they were")
def options():
    client, a, b, server = quartet()
    settings = ((socket.SOL_SOCKET, socket.SO_RCVLOWAT, 5000),
                (socket.SOL_SOCKET, socket.SO_OOBINLINE, 0),
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 0),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0),
                (socket.SOL_SOCKET, 42, 100))  # SO_PEEK_OFF
    for sock in a, b:
        for level, option, value in settings:
            sock.setsockopt(level, option, value)
    fd = splice(a, b)
    client.sendall(b"x" * 60)
    expect(read_exactly(server, 60), b"x" * 60, "in spite of SO_RCVLOWAT")
    unsplice(fd)
    for level, option, value in settings[:-1]:
        expect(a.getsockopt(level, option), value, f"option {option}")
    expect(a.getsockopt(*settings[-1][:2]), 40, "SO_PEEK_OFF")


@scene("nobody waits for SO_LINGER when the splice is the last to close")
def linger():
    value = struct.pack("ii", 1, 3600)
    for detach in 0, DETACH:
        client, a, b, server = quartet(sndbuf=16384)
        for sock in a, b:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, value)
        client.setblocking(False)
        fd = splice(a, b, flags=detach)
        # More than the server's socket takes, so that b cannot be closed soon.
        with contextlib.suppress(BlockingIOError):
            while True:
                client.send(b"x" * 65536)
        if detach:
            a.close()
            b.close()
            client.close()
        else:
            expect(unsplice(fd).reason, UNSPLICED, "reason")
            expect([s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
                    for s in (a, b)], [value] * 2, "SO_LINGER afterwards")
            for sock in a, b:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 0, 0))
            continue
        result = result_of(fd, LIB.kproxy_unsplice)
        expect(result.reason, UNSPLICED, "reason")
        os.close(fd)
        wait_none(5)


@scene("a reset is passed on, after what came before it")
def resets():
    for which in 0, 3:
        socks = quartet()
        fd = splice(socks[1], socks[2])
        far = socks[3 - which]
        socks[which].sendall(b"last")
        expect(read_exactly(far, 4), b"last", "before the reset")
        reset(socks[which])
        expect(wait(fd).reason, SERVER_RESET if which else CLIENT_RESET,
               "reason")
        expect_reset(far, "at the other end")


@scene("what is no TCP socket, not open or the same twice is refused")
def refuse_kinds():
    client, a, b, server = quartet()
    with netns(PROXY):
        udp = keep(socket.socket(type=socket.SOCK_DGRAM))
        fresh = keep(socket.socket())
    unix, other = socket.socketpair()
    keep(unix), keep(other)
    refused(errno.EBADF, a, 9999, "not open")
    refused(errno.EBADF, -1, b)
    with open("/dev/null") as null:
        refused(errno.ENOTSOCK, null, b, "not a socket")
    refused(errno.EOPNOTSUPP, udp, b, "not TCP")
    refused(errno.EOPNOTSUPP, a, unix, "not TCP")
    refused(errno.ENOTCONN, a, fresh, "not connected")
    refused(errno.ENOTCONN, listen(("10.1.0.1", 8077), ns=PROXY), b,
            "not connected")
    refused(errno.EINVAL, a, a, "same socket")
    refused(errno.EINVAL, a, os.dup(a.fileno()), "same socket")
    refused(errno.EXDEV, a, server, "another network namespace")
    refused(errno.EINVAL, a, b, label=b"")
    refused(errno.EINVAL, a, b, label=b"new\nline")
    refused(errno.EINVAL, a, b, label=b"x" * 64)
    refused(errno.EINVAL, a, b, flags=2)
    expect_usable(client, a, b, server)
    expect(sessions(), [], "splices")


@scene("a socket that has an owner is refused: a splice, TLS, MPTCP")
def refuse_owners():
    client, a, b, server = quartet()
    client2, a2, b2, server2 = quartet()
    fd = splice(a, b)
    refused(errno.EBUSY, a, b2, "spliced already")
    refused(errno.EBUSY, a2, b, "spliced already")
    expect_usable(client2, a2, b2, server2)
    unsplice(fd)
    try:
        a2.setsockopt(socket.IPPROTO_TCP, 31, b"tls")  # TCP_ULP
    except OSError:
        pass
    else:
        refused(errno.EBUSY, a2, b, "TLS")
        refused(errno.EBUSY, b, a2, "TLS")
    try:
        with netns(PROXY):
            mptcp = keep(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
    except OSError:
        pass
    else:
        refused(errno.EOPNOTSUPP, mptcp, b, "MPTCP")
    expect_usable(client, a, b, server)


@scene("a loop of splices is refused")
def loops():
    # A lookup finds a socket that is bound to a device by that device only.
    for port, device, address in ((8078, b"", "127.0.0.1"),
                                  (8079, b"lo", "127.0.0.1"),
                                  (8080, b"front", "10.1.0.1"),
                                  (8081, b"lo", "::1")):
        front = listen((address, port), ns=PROXY)
        front.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        with netns(PROXY):
            one, two = (keep(socket.socket(front.family)) for _ in range(2))
        one.connect((address, port))
        one2 = accept(front)
        two.connect((address, port))
        two2 = accept(front)
        refused(errno.ELOOP, one, one2, "come back")
        fd = splice(one2, two)
        refused(errno.ELOOP, two2, one, "come back")
        refused(errno.ELOOP, one, two2, "come back")
        one.sendall(b"once")
        expect(read_exactly(two2, 4), b"once", "through the splice")
        unsplice(fd)


class Userfaults:
    """Memory of which whoever reads it waits, until it is given."""

    SYSCALL = 323
    API, REGISTER, ZEROPAGE = 0xc018aa3f, 0xc020aa00, 0xc020aa04

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.syscall(self.SYSCALL, os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            raise Skipped("no userfaultfd in this kernel")
        self.memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.at = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        fcntl.ioctl(self.fd, self.API, struct.pack("QQQ", 0xaa, 0, 0))
        fcntl.ioctl(self.fd, self.REGISTER,
                    struct.pack("QQQQ", self.at, mmap.PAGESIZE, 1, 0))

    def wait(self):
        """Until somebody waits for it."""
        if not select.select([self.fd], [], [], limit(10))[0]:
            raise Failed("nobody reads the memory")

    def give(self):
        fcntl.ioctl(self.fd, self.ZEROPAGE,
                    struct.pack("QQQq", self.at, mmap.PAGESIZE, 0, 0))
        os.close(self.fd)


@scene("a socket that a program keeps locked is refused, soon")
def kept_locked():
    client, a, b, server = quartet()
    faults = Userfaults()
    sender = threading.Thread(target=a.send, args=(faults.memory,))
    sender.start()
    try:
        faults.wait()
        begun = time.monotonic()
        refused(errno.EBUSY, a, b, "in use")
        refused(errno.EBUSY, b, a, "in use")
        expect(time.monotonic() - begun < limit(3), True, "at once")
    finally:
        faults.give()
        sender.join()
    read_exactly(client, mmap.PAGESIZE)
    expect_usable(client, a, b, server)


@scene("a user who splices all the time does not fill the log")
def unlogged():
    count = 40
    _, a, b, _ = quartet()
    before = stats()["unlogged"]

    def act():
        for _ in range(count):
            unsplice(splice_here(a, b, b"flood"))
        return 0

    with netns(PROXY):
        expect(as_nobody(act), 0, "the process")
    wait_none()
    wait_for(lambda: stats()["unlogged"] - before >= count / 4, "some are not")
    rows = [r for r in json.loads(kp("-j log").stdout)
            if r.get("label") == "flood"]
    left_out = stats()["unlogged"] - before
    expect(len(rows) + left_out, count, f"{len(rows)} and {left_out}")


@scene("a netlink socket of another user's is refused")
def other_user():
    client, a, b, server = quartet()
    answer = ask(a, b, nl=opened_by_nobody())
    expect(answer.errno, errno.EPERM, "errno")
    expect_usable(client, a, b, server)


def as_nobody(function):
    """In a process of an unprivileged user; its exit status is its result."""
    child = os.fork()
    if not child:
        status = 99
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            status = function()
        except BaseException as err:
            print(f"# {err!r}", flush=True)
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@scene("an unprivileged user splices, up to a limit, and gets the room back")
def user_limit():
    quartets = [quartet() for _ in range(USER_SPLICES + 1)]
    # setns() needs a capability, so the process is there before.

    def act():
        fds = []
        for _, a, b, _ in quartets[:USER_SPLICES]:
            fds.append(LIB.kproxy_splice(a.fileno(), b.fileno(), None))
        if min(fds) < 0:
            return 1
        _, a, b, _ = quartets[-1]
        if (LIB.kproxy_splice(a.fileno(), b.fileno(), None) != -1 or
                ctypes.get_errno() != errno.EDQUOT):
            return 2
        unsplice(fds[0])
        return 3 if LIB.kproxy_splice(a.fileno(), b.fileno(), None) < 0 else 0

    with netns(PROXY):
        expect(as_nobody(act), 0, "the process")
    wait_none()
    for four in quartets:
        expect_usable(*four)


@scene("it is a session: listed with listener - and its label, killed, logged")
def listed():
    client, a, b, server = quartet()
    fd = splice(a, b, label=b"a label, 1")
    client.sendall(b"abc")
    read_exactly(server, 3)
    [session] = sessions()
    expect((session["listener"], session["label"], session["state"],
            session["bytes_in"]), ("-", "a label, 1", "established", 3),
           "the session")
    expect(session["client"], "%s:%d" % client.getsockname(), "client")
    expect(session["server"], "%s:%d" % BACK, "server")
    expect(len(sessions("listener -")), 1, "by the listener")
    expect(len(sessions("server %s:%d" % BACK)), 1, "by the server")
    for form in "openmetrics", "prometheus":
        lines = kp(f"metrics format {form}").stdout.splitlines()
        expect([line for line in lines if line.startswith("kproxy_splices{")],
               ['kproxy_splices{label="a label, 1"} 1'], form)
    kp(f"session kill {session['id']}")
    expect(wait(fd).reason, KILLED, "reason")
    expect_usable(client, a, b, server)
    record = [r for r in json.loads(kp("-j log").stdout)
              if r["id"] == session["id"]][0]
    expect((record["listener"], record["label"], record["reason"],
            record["bytes_in"]), ("-", "a label, 1", "killed", 3), "the record")


@scene("without a label it has the program's name")
def comm():
    client, a, b, server = quartet()
    fd = splice(a, b)
    [session] = sessions()
    expect(session["label"], pathlib.Path("/proc/self/comm").read_text()[:-1],
           "label")
    unsplice(fd)


@scene("the result is there for every reader, and again")
def again():
    client, a, b, server = quartet()
    fd = splice(a, b)
    os.set_blocking(fd, False)
    try:
        result_of(fd)
        raise Failed("it has a result")
    except BlockingIOError:
        pass
    poll = select.epoll()
    poll.register(fd, select.EPOLLIN | select.EPOLLET)
    client.close()
    server.close()
    if not poll.poll(limit(10)):
        raise Failed("epoll does not tell")
    for _ in range(3):
        expect(result_of(fd).eof, 3, "eof")
    expect(result_of(fd, LIB.kproxy_unsplice).eof, 3, "after the end")
    record = os.read(fd, 100)
    expect(len(record), 48, "a report that was read")
    wait_for(lambda: hung_up(fd), "there is no more")
    expect(os.read(fd, 100), b"", "the end of file")
    os.close(fd)


@scene("a process that is killed ends its splice, unless it is detached")
def death():
    for flags in 0, DETACH:
        client, a, b, server = quartet()
        child = os.fork()
        if not child:
            try:
                splice(a, b, flags=flags)
                signal.pause()
            finally:
                os._exit(1)
        a.close()
        b.close()
        wait_for(sessions, "it is there")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if flags:
            client.sendall(b"on")
            expect(read_exactly(server, 2), b"on", "after the death")
            client.close()
            expect_eof(server, "at the server")
            server.close()
        else:
            expect_eof(server, "at the server")
            expect_eof(client, "at the client")
        wait_none()


@scene("a descriptor that was sent to another process keeps the splice")
def passed_on():
    client, a, b, server = quartet()
    fd = splice(a, b)
    left, right = socket.socketpair()
    socket.send_fds(left, [b"x"], [fd])
    os.close(fd)
    client.sendall(b"in flight")
    expect(read_exactly(server, 9), b"in flight", "while it is in flight")
    [fd] = socket.recv_fds(right, 1, 1)[1]
    client.sendall(b"there")
    expect(read_exactly(server, 5), b"there", "when it has arrived")
    # Nothing can be sent into it, least of all itself.
    try:
        with socket.socket(fileno=os.dup(fd)) as end:
            socket.send_fds(end, [b"x"], [fd])
        raise Failed("it was sent to itself")
    except BrokenPipeError:
        pass
    expect(unsplice(fd).reason, UNSPLICED, "reason")
    left.close(), right.close()


@scene("a program may close its sockets meanwhile")
def closed_meanwhile():
    client, a, b, server = quartet()
    fd = splice(a, b)
    a.close()
    b.close()
    client.sendall(b"abc")
    expect(read_exactly(server, 3), b"abc", "bytes")
    unsplice(fd)
    expect_eof(client, "at the client")
    expect_eof(server, "at the server")


@scene("a program may read, write and shut down its sockets meanwhile")
def used_meanwhile():
    client, a, b, server = quartet()
    fd = splice(a, b)
    over = threading.Event()

    def mess():
        for sock in a, b:
            sock.setblocking(False)
        while not over.is_set():
            for sock in a, b:
                for call in (lambda: sock.recv(100), lambda: sock.send(b"zz"),
                             lambda: sock.recv(10, socket.MSG_PEEK)):
                    try:
                        call()
                    except OSError:
                        pass

    def sink(sock):
        try:
            while sock.recv(1 << 16):
                pass
        except OSError:
            pass

    threads = [threading.Thread(target=mess) for _ in range(2)]
    threads += [threading.Thread(target=sink, args=(s,))
                for s in (client, server)]
    for thread in threads:
        thread.start()
    for _ in range(scaled(2000, 100)):
        client.sendall(b"c" * 1000)
        server.sendall(b"s" * 1000)
    over.set()
    for thread in threads[:2]:
        thread.join()
    a.shutdown(socket.SHUT_WR)
    b.shutdown(socket.SHUT_WR)
    client.sendall(b"1")
    server.sendall(b"1")
    unsplice(fd)
    for sock in client, a, b, server:
        sock.close()
    for thread in threads:
        thread.join()


@scene("a socket that the program disconnects leaves, and may listen")
def disconnected():
    for which in 0, 1:
        client, a, b, server = quartet()
        fd = splice(a, b)
        sock = (a, b)[which]
        # connect(AF_UNSPEC)
        address = ctypes.create_string_buffer(16)
        expect(ctypes.CDLL(None).connect(sock.fileno(), address, 16), 0,
               "connect()")
        sock.listen()
        result = wait(fd)
        expect(result.reason, UNSPLICED, "reason")
        with netns(PROXY):
            near = keep(socket.socket())
        address, port = sock.getsockname()
        if address == "0.0.0.0":
            address = "127.0.0.1"
        near.connect((address, port))
        far = accept(sock)
        near.sendall(b"new")
        expect(read_exactly(far, 3), b"new", "on the new connection")
        one, other = (b, server) if which == 0 else (a, client)
        one.sendall(b"old")
        expect(read_exactly(other, 3), b"old", "on the other socket")


@scene("a program that turns on TLS ends the splice")
def tls_meanwhile():
    client, a, b, server = quartet()
    fd = splice(a, b)
    try:
        a.setsockopt(socket.IPPROTO_TCP, 31, b"tls")
    except OSError as err:
        unsplice(fd)
        raise Skipped("the kernel has no TLS") from err
    # TLS 1.2, AES-GCM-128
    key = struct.pack("=HH", 0x0303, 51) + bytes(8 + 16 + 4 + 8)
    for direction in 1, 2:
        a.setsockopt(282, direction, key)
    client.sendall(b"x" * 100)
    expect(wait(fd).reason, UNSPLICED, "reason")
    client.sendall(b"x" * 100)
    a.settimeout(1)
    try:
        a.recv(100)
    except OSError:
        pass
    a.close()
    expect(b.send(b"y"), 1, "bytes on the other socket")
    expect(read_exactly(server, 1), b"y", "the byte")


@scene("packets that the program sends by MSG_ZEROCOPY are left alone")
def zerocopy():
    client, a, b, server = quartet()
    b.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
    fd = splice(a, b)
    got, sent = bytearray(), 0

    def read():
        while data := server.recv(1 << 16):
            got.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    # A blocked write would sleep until the end of the splice.
    b.setblocking(False)
    for _ in range(200):
        try:
            sent += b.send(b"z" * 2000, 0x4000000)
        except BlockingIOError:
            time.sleep(0.01)
        client.sendall(b"c" * 1000)
        try:
            b.recvmsg(1, 1000, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            pass
    client.shutdown(socket.SHUT_WR)
    reader.join()
    if not sent:
        raise Failed("nothing was sent by MSG_ZEROCOPY")
    expect((got.count(b"z"), got.count(b"c")), (sent, 200000), "bytes")
    unsplice(fd)


@scene("a reader that slept through the splice is woken by its end")
def sleeper():
    client, a, b, server = quartet()
    read = []
    a.settimeout(None)
    thread = threading.Thread(target=lambda: read.append(a.recv(100)))
    poll = select.epoll()
    poll.register(b.fileno(), select.EPOLLIN | select.EPOLLET)
    thread.start()
    time.sleep(0.2)
    fd = splice(a, b, bytes=(2, 2))
    client.sendall(b"12client")
    server.sendall(b"12server")
    wait(fd)
    thread.join(limit(10))
    expect(read, [b"client"], "what the reader got")
    if not poll.poll(limit(10)):
        raise Failed("epoll does not tell")


@scene("1,000 at a time")
def thousand():
    count = scaled(1000, 200)
    front, back = listen(FRONT, ns=PROXY), listen(BACK)
    fours, fds = [], []
    for _ in range(count):
        client = connect()
        a = accept(front)
        b = connect(BACK, ns=PROXY)
        fours.append((client, a, b, accept(back)))
    for _, a, b, _ in fours:
        fds.append(splice(a, b))
    expect(len(sessions()), count, "splices")
    for n, (client, a, b, server) in enumerate(fours):
        client.sendall(b"%08d" % n)
    for n, (client, a, b, server) in enumerate(fours):
        expect(read_exactly(server, 8), b"%08d" % n, "a number")
    for fd in fds:
        os.close(fd)
    wait_none(30)
    expect_usable(*fours[0])
    expect_usable(*fours[-1])


@scene("the command does the same with inherited descriptors")
def command():
    client, a, b, server = quartet()
    words = ["kproxy", "-n", PROXY, "-j", "splice", str(a.fileno()),
             str(b.fileno()), "label", "cli", "bytes", "4"]
    done = subprocess.Popen(words, pass_fds=(a.fileno(), b.fileno()),
                            stdout=subprocess.PIPE)
    client.sendall(b"1234567")
    expect(read_exactly(server, 4), b"1234", "bytes")
    result = json.loads(done.communicate(timeout=limit(20))[0])
    expect(done.returncode, 0, "exit status")
    expect((result["reason"], result["bytes"]), ("limit", [4, 0]), "result")
    expect(read_exactly(a, 3), b"567", "the rest")
    done = subprocess.run(["kproxy", "-n", PROXY, "splice", "0", "1"],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    expect(done.returncode, 2, "exit status of a refusal")
    if "not a socket" not in done.stderr:
        raise Failed(done.stderr)


@contextlib.contextmanager
def example(name, port, directory, *more):
    """One of the example proxies, in the proxy's namespace."""
    source = TOP / "examples" / name
    words = ["python3", str(source)]
    if name.endswith(".c"):
        program = pathlib.Path(directory) / name[:-2]
        run("cc", f"-I{TOP}/lib", str(source), str(TOP / "lib/libkproxy.a"),
            "-o", str(program))
        words = [str(program)]
    proxy = subprocess.Popen(["ip", "netns", "exec", PROXY, *words, str(port),
                              *more],
                             env={**os.environ, "LIBKPROXY": LIBRARY},
                             stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: f":{port} " in run(
            "ip", "netns", "exec", PROXY, "ss", "-Htln").stdout, name)
        yield
    finally:
        proxy.kill()
        proxy.wait()


@scene("the examples serve curl, both ways")
def examples():
    if not shutil.which("curl"):
        raise Skipped("there is no curl")
    size = scaled(64 * MB, MB)
    with tempfile.TemporaryDirectory() as directory:
        file, got = (pathlib.Path(directory) / n for n in ("file", "got"))
        file.write_bytes(os.urandom(size))
        server = subprocess.Popen(
            ["ip", "netns", "exec", SERVER, "python3", "-m", "http.server",
             "--bind", BACK[0], str(BACK[1])], cwd=directory,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: f":{BACK[1]} " in run(
                "ip", "netns", "exec", SERVER, "ss", "-Htln").stdout, "server")
            for n, (kind, words) in enumerate((
                    ("connect", ("-p", "-x", "http://")),
                    ("socks5", ("-x", "socks5h://"))) * 2):
                name = f"{kind}-proxy.{'c' if n < 2 else 'py'}"
                if name.endswith(".c") and not shutil.which("cc"):
                    continue
                port = 8100 + n
                with example(name, port, directory):
                    run("ip", "netns", "exec", CLIENT, "curl", "-sSf", "-o",
                        str(got), *words[:-1],
                        f"{words[-1]}{FRONT[0]}:{port}",
                        f"http://{BACK[0]}:{BACK[1]}/file")
                if got.read_bytes() != file.read_bytes():
                    raise Failed(f"{name}: another file")
        finally:
            server.kill()
            server.wait()
    wait_none()


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers a request with its body."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self):
        super().setup()
        Echo.connections += 1

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@scene("a reverse proxy splices bodies only, and keeps the connections")
def http_bodies():
    with netns(SERVER):
        server = http.server.ThreadingHTTPServer(BACK, Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with example("http-proxy.py", 8110, None, BACK[0], str(BACK[1])):
            client = http.client.HTTPConnection(FRONT[0], 8110)
            client.sock = connect((FRONT[0], 8110))
            for size in (0, 1, 1000, 65536, scaled(8 * MB, MB), 3):
                body = os.urandom(size)
                client.request("PUT", "/", body)
                response = client.getresponse()
                expect(response.status, 200, "status")
                got = response.read()
                expect((len(got), got == body), (size, True), "the body")
            client.close()
        expect(Echo.connections, 1, "connections to the server")
    finally:
        server.shutdown()
        server.server_close()
    wait_none()


@scene("totals and reasons count splices")
def counted():
    before = stats()
    client, a, b, server = quartet()
    fd = splice(a, b, bytes=(10, 0))
    client.sendall(b"x" * 10)
    read_exactly(server, 10)
    wait(fd)
    after = stats()
    ends = [row["end_reasons"]["limit"] for row in (before, after)]
    expect((after["sessions_total"] - before["sessions_total"],
            after["bytes_in"] - before["bytes_in"], ends[1] - ends[0]),
           (1, 10, 1), "totals")


@scene("splices begin and end at once, while sessions are listed and killed")
def churn():
    fours = [quartet() for _ in range(8)]
    over, closes = threading.Event(), itertools.count()

    def work(four):
        _, a, b, _ = four
        while not over.is_set():
            try:
                fd = splice(a, b)
            except OSError as err:
                # A close() does not wait until they are back.
                expect(errno.errorcode[err.errno], "EBUSY", "the errno")
                continue
            if next(closes) % 2:
                os.close(fd)
            else:
                unsplice(fd)

    def kill():
        while not over.is_set():
            kp("session kill listener -")
            kp("-j session show")

    threads = [threading.Thread(target=work, args=(f,)) for f in fours]
    threads.append(threading.Thread(target=kill))
    for thread in threads:
        thread.start()
    time.sleep(limit(3))
    over.set()
    for thread in threads:
        thread.join()
    wait_none()
    for four in fours:
        expect_usable(*four)


PASSING = "kp-passing"


@contextlib.contextmanager
def passing_quartet():
    """As quartet(), in a network namespace that is to go away."""
    run("ip", "netns", "add", PASSING)
    try:
        run("ip", "-n", CLIENT, "link", "add", "passing", "type", "veth",
            "peer", "name", "passing", "netns", PASSING)
        for ns, address in (CLIENT, "10.8.0.1/24"), (PASSING, "10.8.0.2/24"):
            run("ip", "-n", ns, "addr", "add", address, "dev", "passing")
            run("ip", "-n", ns, "link", "set", "passing", "up")
        front = listen(("10.8.0.2", 80), ns=PASSING)
        back = listen(("10.8.0.1", 81), ns=CLIENT)
        client = connect(("10.8.0.2", 80))
        a = accept(front)
        b = connect(("10.8.0.1", 81), ns=PASSING)
        server = accept(back)
        front.close()
        yield client, a, b, server
    finally:
        run("ip", "netns", "del", PASSING, check=False)
        wait_for(gone, "the namespace is gone", 30)


def gone():
    """Its cable goes with the last reference to it."""
    return run("ip", "-n", CLIENT, "link", "show", "passing",
               check=False).returncode


def expect_both_reset(client, server):
    expect_reset(client, "at the client", 20)
    expect_reset(server, "at the server", 20)


def expect_passes(client, server):
    for one, other in (client, server), (server, client):
        one.sendall(b"passes")
        expect(read_exactly(other, 6), b"passes", "through the splice")


@scene("a detached splice does not keep its network namespace alive")
def namespace_goes():
    with passing_quartet() as (client, a, b, server):
        fd = splice(a, b, ns=PASSING, flags=DETACH)
        a.close()
        b.close()
        os.close(fd)
        expect_passes(client, server)
        run("ip", "netns", "del", PASSING)
        expect_both_reset(client, server)


@scene("a program's sockets do; when it closes them, they are reset")
def namespace_kept():
    with passing_quartet() as (client, a, b, server):
        fd = splice(a, b, ns=PASSING, flags=DETACH)
        a.close()
        run("ip", "netns", "del", PASSING)
        time.sleep(1)
        expect_passes(client, server)
        os.close(fd)
        time.sleep(1)
        expect_passes(client, server)
        b.close()
        expect_both_reset(client, server)


@scene("so does an epoll that watches a socket")
def namespace_epoll():
    with passing_quartet() as (client, a, b, server):
        poll = select.epoll()
        for sock in a, b:
            poll.register(sock, select.EPOLLIN)
        fd = splice(a, b, ns=PASSING, flags=DETACH)
        a.close()
        b.close()
        os.close(fd)
        run("ip", "netns", "del", PASSING)
        for _ in range(20):
            poll.poll(0.1)
            expect_passes(client, server)
        poll.close()
        expect_both_reset(client, server)


@scene("an attached splice in a namespace without processes ends by close()")
def namespace_attached():
    with passing_quartet() as (client, a, b, server):
        fd = splice(a, b, ns=PASSING)
        a.close()
        b.close()
        run("ip", "netns", "del", PASSING)
        time.sleep(1)
        expect_passes(client, server)
        os.close(fd)
        expect_eof(client, "at the client")
        expect_eof(server, "at the server")


@scene("streams that end after the program is gone end well, and are sent again")
def namespace_ends():
    with passing_quartet() as (client, a, b, server):
        fd = splice(a, b, ns=PASSING, flags=DETACH)
        a.close()
        b.close()
        os.close(fd)
        expect_passes(client, server)
        # By now they are not counted.
        time.sleep(1)
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        expect(read_exactly(server, 4), b"last", "the last bytes")
        expect_eof(server, "at the server")
        server.sendall(b"words")
        server.close()
        expect(read_exactly(client, 5), b"words", "after the half-close")
        expect_eof(client, "at the client")
        wait_for(lambda: not json.loads(run(
            "kproxy", "-n", PASSING, "-j", "session", "show").stdout),
            "no splice is left")


@scene("a detached splice whose program is gone is reset when it is killed")
def detached_killed():
    for seconds in 0, 1:
        client, a, b, server = quartet()
        fd = splice(a, b, flags=DETACH)
        a.close()
        b.close()
        os.close(fd)
        expect_passes(client, server)
        time.sleep(seconds)
        kp("session kill listener -")
        expect_reset(client, "at the client")
        expect_reset(server, "at the server")
        wait_none()


@scene("rmmod gives the sockets back, with open descriptors and under load")
def unload():
    fours = [quartet() for _ in range(6)]
    fds = [splice(a, b, flags=DETACH * (n % 2))
           for n, (_, a, b, _) in enumerate(fours)]
    for client, _, _, server in fours:
        client.sendall(b"x")
        read_exactly(server, 1)
    run("rmmod", "kproxy")
    try:
        for fd in fds:
            expect(wait(fd).reason, SHUTDOWN, "reason")
        for four in fours:
            expect_usable(*four)
    finally:
        run("insmod", os.environ["KPROXY_KO"], f"user_splices={USER_SPLICES}")


if __name__ == "__main__":
    main()
