# SPDX-License-Identifier: GPL-2.0
"""
TCP peers that behave exactly as a test wants, and the proxy between them. One
process is both the client and the server: a socket stays in the network
namespace in which it was made, so that a scene reads from top to bottom like a
story.

A test has its scenes in NAME.py: functions with a sentence above,

    @scene("a server that speaks first is heard")
    def server_first():
        client, server = pair()
        ...

run by main() in this order. A scene that returns has passed; one that raises
has failed, and its exception says why. SET_UP is a string of several lines of
bash, in the words of lib.sh, that sets up the module and the network before;
"play NAME.py" runs both. A test that does more has a NAME.sh, which calls
"scenes N".
"""

import contextlib
import ctypes
import errno
import fcntl
import itertools
import json
import os
import pathlib
import random
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import traceback

SCALE = int(os.environ.get("SCALE", "1"))
PATIENCE = int(os.environ.get("PATIENCE", "1"))
# Divides payloads; SCALE is set by the runner of the tests.
QUICK = SCALE > 1
# And by this only for the debug kernels.
SLOW = SCALE >= 16

CLIENT, PROXY, SERVER = "kp-client", "kp-proxy", "kp-server"
FRONT, FRONT6 = ("10.1.0.1", 8000), ("fd01::1", 8000)
BACK, BACK6 = ("10.2.0.2", 9000), ("fd02::2", 9000)

# Seconds without progress after which a socket has stalled; a test that looks
# for stalls may have less patience.
STALL = 20

SIOCOUTQ = 0x5411

KB, MB = 1024, 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)
_opened = []
_echoes = []


def limit(seconds):
    """A time limit, longer on slow kernels."""
    return seconds * PATIENCE


def scaled(size, least=1):
    """The size of a payload, smaller on slow kernels."""
    return max(size // SCALE, least)


# Assertions


class Failed(AssertionError):
    pass


class Skipped(Exception):
    """This kernel cannot do what the scene needs."""


def expect(got, want, what):
    if got != want:
        raise Failed(f"{what}: {difference(got, want)}")


def difference(got, want):
    """Only what differs, because long values are cut off when printed."""
    if isinstance(got, (set, frozenset)) and isinstance(want, (set, frozenset)):
        return (f"missing {shorten(sorted(want - got, key=repr))}, "
                f"unexpected {shorten(sorted(got - want, key=repr))}")
    if isinstance(got, dict) and isinstance(want, dict):
        return "; ".join(
            f"{key!r}: got {shorten(got.get(key, '(none)'))}, "
            f"want {shorten(want.get(key, '(none)'))}"
            for key in dict.fromkeys((*want, *got))
            if key not in got or key not in want or got[key] != want[key])
    return f"got {shorten(got)}, want {shorten(want)}"


def expect_between(got, low, high, what):
    if not low <= got <= high:
        raise Failed(f"{what}: got {got:g}, want {low:g} to {high:g}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 120 else f"{text[:100]}... ({len(text)} long)"


def wait_for(condition, what, seconds=10):
    """Wait until the condition is true; returns its value. To look takes a third of
    a processor's time at most."""
    end = time.monotonic() + limit(seconds)
    while True:
        begun = time.monotonic()
        value = condition()
        if value:
            return value
        looked = time.monotonic()
        if looked > end:
            raise Failed(f"waited in vain until {what}")
        time.sleep(max(0.01, min(2 * (looked - begun), 0.3)))


# Namespaces, the command


@contextlib.contextmanager
def netns(name):
    """Make sockets in another network namespace; for this thread only."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if _libc.setns(there, 0x40000000):
            raise OSError(ctypes.get_errno(), f"setns {name}")
        yield
    finally:
        _libc.setns(home, 0x40000000)
        os.close(home)
        os.close(there)


def run(*words, check=True, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if check and done.returncode:
        raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
    return done


def run_in(ns, *words, check=True, text=None):
    """The same in a network namespace. "ip netns exec" would also mount /sys."""
    with netns(ns):
        return run(*words, check=check, text=text)


def kp(command, check=True, text=None):
    """Run one command; the text is its input."""
    return run("kproxy", "-n", PROXY, *command.split(), check=check,
               text=text)


def show(command):
    """The JSON of a show command, decoded."""
    return json.loads(kp("-j -s " + command).stdout)


@contextlib.contextmanager
def listener_options(words, normal):
    """Options of the listener for a while; afterwards it has the normal ones."""
    kp("listener set web " + words)
    try:
        yield
    finally:
        kp("listener set web " + normal)


def sessions(filter_words=""):
    return show(f"session show {filter_words}")


def stats():
    return show("stats show")[0]


def tc(ns, device, *words):
    run("tc", "-n", ns, "qdisc", "replace", "dev", device, "root", *words)


@contextlib.contextmanager
def netem(ns, device, *words):
    """A link that is worse than it was, for a while."""
    tc(ns, device, "netem", *words)
    try:
        yield
    finally:
        run("tc", "-n", ns, "qdisc", "del", "dev", device, "root")


@contextlib.contextmanager
def sysctl(ns, **values):
    """Settings of a namespace, for a while; __ stands for a dot."""
    old = {}
    try:
        for key, value in values.items():
            path = pathlib.Path("/proc/sys", key.replace("__", "/"))
            with netns(ns):
                old[path] = path.read_text()
                path.write_text(str(value))
        yield
    finally:
        for path, value in old.items():
            with netns(ns):
                path.write_text(value)


TRACING = pathlib.Path("/sys/kernel/tracing")


@contextlib.contextmanager
def traced():
    """A list that has the trace points' lines when this is over."""
    ours = TRACING / "instances/kproxy-test"
    ours.mkdir()
    try:
        (ours / "events/kproxy/enable").write_text("1")
        told = []
        yield told
        (ours / "events/kproxy/enable").write_text("0")
        for line in (ours / "trace").read_text().splitlines():
            match = re.search(r": kproxy_([a-z]+): session=(\d+) (.*)", line)
            if match:
                told.append((match[1], int(match[2]), match[3]))
    finally:
        ours.rmdir()


# Sockets


def keep(sock):
    """Close it when the scene ends, whatever happens."""
    _opened.append(sock)
    if len(_opened) % 1024 == 0:
        _opened[:] = [old for old in _opened if old.fileno() >= 0]
    return sock


def new_socket(ns, address, rcvbuf=0, sndbuf=0, nodelay=False, mss=0):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with netns(ns):
        sock = socket.socket(family, socket.SOCK_STREAM)
    keep(sock)
    sock.settimeout(limit(STALL))
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if sndbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    if mss:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    if nodelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def listen(address=BACK, backlog=4096, ns=SERVER, **options):
    sock = new_socket(ns, address, **options)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(backlog)
    return sock


def connect(address=FRONT, ns=CLIENT, **options):
    sock = new_socket(ns, address, **options)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def knock(address=FRONT, **options):
    """Connect; None if the reset came before connect() returned."""
    try:
        return connect(address, **options)
    except ConnectionResetError:
        return None


def accept(listener):
    sock, _ = listener.accept()
    keep(sock)
    sock.settimeout(limit(STALL))
    return sock


def pair(client=None, server=None, to=FRONT, at=BACK):
    """A session: the client's and the server's socket; options for each."""
    listener = listen(at, **(server or {}))
    here = connect(to, **(client or {}))
    there = accept(listener)
    listener.close()
    return here, there


def idle_sessions(count, to=FRONT):
    """Sessions on which nothing happens; a server listens and accepts none."""
    there = stats()["sessions"]
    while count:
        with netns(CLIENT):
            socks = [keep(socket.socket()) for _ in range(min(count, 4000))]
        for sock in socks:
            sock.setblocking(False)
            sock.connect_ex(to)
        there, count = there + len(socks), count - len(socks)
        wait_for(lambda there=there: stats()["sessions"] == there,
                 f"{there} are there", 60)


def close_all():
    while _echoes:
        _echoes.pop().close()
    while _opened:
        sock = _opened.pop()
        with contextlib.suppress(OSError):
            sock.close()


def reset(sock):
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def read_all(sock, size=1 << 16):
    """Everything up to the end of the stream."""
    parts = []
    while True:
        part = sock.recv(size)
        if not part:
            return b"".join(parts)
        parts.append(part)


def read_exactly(sock, size):
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 18))
        if not part:
            raise Failed(f"the stream ended {size} bytes early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_until_reset(sock):
    """Everything up to a reset; an end of the stream is a failure."""
    parts = []
    try:
        while True:
            part = sock.recv(1 << 16)
            if not part:
                raise Failed(f"got the end of the stream after "
                             f"{sum(map(len, parts))} bytes, not a reset")
            parts.append(part)
    except ConnectionResetError:
        return b"".join(parts)


def expect_eof(sock, what):
    expect(sock.recv(1 << 16), b"", f"{what}: end of stream")


def expect_reset(sock, what, seconds=10):
    sock.settimeout(limit(seconds))
    try:
        data = read_until_reset(sock)
    except TimeoutError:
        raise Failed(f"{what}: no reset within {seconds} s") from None
    expect(data, b"", f"{what}: bytes before the reset")


def send_for_reset(sock, data, what):
    """A reset may come before the bytes have left; who calls next is told of it,
    and nobody afterwards."""
    with contextlib.suppress(ConnectionResetError):
        sock.sendall(data)
        expect_reset(sock, what)


def expect_alive(client, server, word=b"ping"):
    """Both directions work."""
    client.sendall(word)
    expect(read_exactly(server, len(word)), word, "from the client")
    server.sendall(word[::-1])
    expect(read_exactly(client, len(word)), word[::-1], "from the server")


def unsent(sock):
    """Bytes that the peer's TCP has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(sock, SIOCOUTQ, b"\0" * 4))[0]


def unread(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD,
                                          b"\0" * 4))[0]


def wait_acked(sock, what="the proxy has everything", seconds=10):
    wait_for(lambda: unsent(sock) == 0, what, seconds)


@contextlib.contextmanager
def unreachable(address):
    """The proxy has no route to there; returns a function that restores it."""
    route = "unreachable", address
    run("ip", "-n", PROXY, "route", "add", *route)
    try:
        yield lambda: run("ip", "-n", PROXY, "route", "del", *route)
    finally:
        run("ip", "-n", PROXY, "route", "del", *route, check=False)


def tcp_sockets(ns=PROXY):
    """Live sockets: not listening, not in TIME-WAIT."""
    out = run_in(ns, "ss", "-Htan").stdout
    return [line for line in out.splitlines()
            if line.split()[0] not in ("LISTEN", "TIME-WAIT")]


def wait_gone(seconds=10):
    """No session is left, and no socket of the proxy's."""
    wait_for(lambda: not sessions(), "no session is left", seconds)
    wait_for(lambda: not tcp_sockets(), "the proxy has no socket", seconds)


# Streams


class Stream:
    """
    Bytes that differ everywhere, so that loss, duplication and reordering are
    found, and where.
    """

    # A prime, so that no buffer size fits into it.
    PERIOD = 1000003
    _block = random.Random(0).randbytes(PERIOD) * 2

    def __init__(self, seed):
        """Streams of different seeds are different."""
        self._shift = seed * 7907 % self.PERIOD
        self.position = 0

    def take(self, size):
        """The next bytes."""
        start = (self._shift + self.position) % self.PERIOD
        self.position += size
        parts = []
        while size:
            part = self._block[start:start + size][:self.PERIOD]
            parts.append(part)
            size -= len(part)
            start = (start + len(part)) % self.PERIOD
        return b"".join(parts)

    def check(self, data):
        """These must be the next bytes."""
        at = self.position
        want = self.take(len(data))
        if data == want:
            return
        bad = next(i for i, (a, b) in enumerate(zip(data, want)) if a != b)
        found = self._block.find(data[bad:bad + 32])
        if found >= 0:
            found = (found - self._shift) % self.PERIOD
        raise Failed(f"byte {at + bad} is wrong; what came stands at "
                     f"{found} (modulo {self.PERIOD}) of this stream")


def send_stream(sock, stream, total, sizes=lambda: 1 << 16, end=True):
    """Send this many bytes in pieces of these sizes, then the end."""
    while total:
        size = min(sizes(), total)
        sock.sendall(stream.take(size))
        total -= size
    if end:
        sock.shutdown(socket.SHUT_WR)


def receive_stream(sock, stream, total, sizes=lambda: 1 << 16, end=True):
    """Receive exactly these bytes, and then the end."""
    while total:
        data = sock.recv(min(sizes(), total))
        if not data:
            raise Failed(f"the stream ended {total} bytes early")
        stream.check(data)
        total -= len(data)
    if end:
        expect_eof(sock, "after the last byte")


def fill_quickly(sock, stream):
    """Write as much as is accepted at once, and a little more; returns how
    much."""
    sock.setblocking(False)
    total, end = 0, time.monotonic() + limit(0.5)
    while time.monotonic() < end:
        data = stream.take(1 << 16)
        try:
            sent = sock.send(data)
        except BlockingIOError:
            sent = 0
            time.sleep(0.01)
        stream.position -= len(data) - sent
        total += sent
    sock.settimeout(limit(STALL))
    return total


class Threads:
    """Concurrent actions; an exception in one is raised here."""

    def __init__(self):
        self._threads = []
        self._errors = []

    def go(self, function, *words, **named):
        def body():
            try:
                function(*words, **named)
            except BaseException as error:
                self._errors.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        self._threads.append(thread)

    def join(self, seconds=120):
        end = time.monotonic() + limit(seconds)
        for thread in self._threads:
            while thread.is_alive() and not self._errors:
                thread.join(0.1)
                if time.monotonic() > end:
                    raise Failed(f"not finished after {seconds} s")
        if self._errors:
            raise self._errors[0]


def both_ways(client, server, total, seed=1, seconds=120, sizes=None,
              reads=None):
    """A stream each way at once, whole and in order."""
    threads = Threads()
    sizes = sizes or (lambda: 1 << 16)
    reads = reads or (lambda: 1 << 18)
    for source, sink, salt in ((client, server, 0), (server, client, 1)):
        key = seed * 2 + salt
        threads.go(send_stream, source, Stream(key), total, sizes)
        threads.go(receive_stream, sink, Stream(key), total, reads)
    threads.join(seconds)


class Hurt:
    """
    A session with a stream each way during failures. It may be reset; but up to
    there the bytes are right, no stream ends early, and nothing hangs.
    """

    HELLO = b"hello"
    _count = itertools.count(1)

    def __init__(self, listener, size, over=None, piece=5000, **options):
        """
        Begin. The streams have this size, are written in pieces, and continue
        until over is set.
        """
        self.broken = False
        self._size, self._over, self._piece = size, over, piece
        self._sent, self._received = {}, {}
        self._threads = Threads()
        self._ends = ()
        try:
            client = self.watched(connect(**options))
            server = self._reach(listener, client)
        except ConnectionError:
            self.broken = True
            return
        self._ends = client, server
        key = 2 * next(self._count)
        for n, (source, sink) in enumerate(((client, server),
                                            (server, client))):
            self._threads.go(self._send, source, key + n)
            self._threads.go(self._receive, sink, key + n)

    @staticmethod
    def watched(sock):
        """There may have been no memory for the reset of a peer, either."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 1),
                              (socket.TCP_KEEPINTVL, 1),
                              (socket.TCP_KEEPCNT, 5 * PATIENCE)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.settimeout(limit(60))
        return sock

    def _reach(self, listener, client):
        """The server's end; one may have been reset before it."""
        client.sendall(self.HELLO)
        while True:
            ready, _, _ = select.select([listener, client], [], [], limit(30))
            if listener in ready:
                server = self.watched(accept(listener))
                with contextlib.suppress(ConnectionError):
                    if read_exactly(server, len(self.HELLO)) == self.HELLO:
                        return server
                server.close()
            elif client in ready:
                expect_reset(client, "a client without a server")
                raise ConnectionResetError
            else:
                raise Failed("a client has no server and is not reset")

    def _send(self, sock, key):
        stream = Stream(key)
        try:
            while stream.position < self._size:
                sock.sendall(stream.take(self._piece))
            while self._over and not self._over.wait(0.005):
                for _ in range(5000 // self._piece):
                    sock.sendall(stream.take(self._piece))
            sock.shutdown(socket.SHUT_WR)
            self._sent[key] = stream.position
        except OSError as error:
            if error.errno not in (errno.ECONNRESET, errno.EPIPE,
                                   errno.ENOTCONN):
                raise
            self.broken = True

    def _receive(self, sock, key):
        stream = Stream(key)
        try:
            while data := sock.recv(1 << 16):
                stream.check(data)
            self._received[key] = stream.position
        except ConnectionResetError:
            self.broken = True

    def join(self, seconds=60):
        """Run to the end of both streams; returns whether it was reset."""
        self._threads.join(seconds)
        for sock in self._ends:
            sock.close()
        for key, size in self._received.items():
            expect(size, self._sent.get(key), "bytes before an end of stream")
        if not self.broken:
            expect(len(self._received), 2, "streams that have ended")
        return self.broken


def written(address):
    """An address in the command's notation."""
    return ("[%s]:%d" if ":" in address[0] else "%s:%d") % address[:2]


@contextlib.contextmanager
def servers(*addresses):
    """Listeners that are servers of the upstream, for a while."""
    listeners = [listen(address) for address in addresses]
    for address in addresses:
        kp(f"server add app {written(address)}")
    try:
        yield listeners
    finally:
        for address, listener in zip(addresses, listeners):
            kp(f"server del app {written(address)}")
            listener.close()


class Server:
    """
    Until it is closed, ANSWER gets each client's socket, in a thread of its own;
    counts its clients.
    """

    def __init__(self, answer, address=BACK):
        self.socket = listen(address)
        self.socket.settimeout(None)
        self.clients = 0
        self._answer = answer
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.socket.accept()
                self.clients += 1
                threading.Thread(target=self._serve, args=(sock,),
                                 daemon=True).start()

    def _serve(self, sock):
        with contextlib.suppress(OSError), sock:
            self._answer(sock)

    def close(self):
        # Closing alone does not wake a thread in accept().
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class EchoServer(Server):
    """Sends a greeting, then echoes."""

    def __init__(self, address=BACK, greeting=b""):
        self._greeting = greeting
        super().__init__(self._echo, address)
        # The leftover of a failed scene must not fail the next one.
        _echoes.append(self)

    def _echo(self, sock):
        sock.sendall(self._greeting)
        while data := sock.recv(1 << 16):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


# Scenes


_scenes = []


def scene(sentence):
    def add(function):
        _scenes.append((sentence, function))
        return function
    return add


def say(line):
    print(line, flush=True)


def diagnose():
    for words in (("kproxy", "-n", PROXY, "-j", "session", "show"),
                  ("kproxy", "-n", PROXY, "-j", "stats", "show"),
                  ("ip", "netns", "exec", PROXY, "ss", "-Htinp"),
                  ("ip", "netns", "exec", CLIENT, "ss", "-Htino"),
                  ("ip", "netns", "exec", SERVER, "ss", "-Htino"),
                  ("dmesg",)):
        done = run(*words, check=False)
        text = (done.stdout + done.stderr).splitlines()
        say(f"# -- {' '.join(words)}")
        for line in text[-15:] if words == ("dmesg",) else text[:24]:
            say(f"# {line[:1000]}")


def play(sentence, function):
    begun = time.monotonic()
    try:
        function()
        error = None
    except Skipped as reason:
        error = None
        sentence += f" # SKIP {reason}"
    except Exception as caught:
        error = caught
    took = time.monotonic() - begun
    if error is None:
        say(f"ok {sentence}")
        say(f"# {took:.1f} s")
    else:
        say(f"not ok {sentence}")
        for line in "".join(traceback.format_exception(error)).splitlines():
            say(f"# {line[:300]}")
        diagnose()
    close_all()
    if error:
        # Leftovers of this scene must not fail the next one.
        for family in "0.0.0.0/0", "::/0":
            kp(f"session kill client {family}", check=False)


def main():
    """Run all scenes, or those whose functions are named."""
    wanted = sys.argv[1:]
    random.seed(int(os.environ.get("SEED") or 1))
    for sentence, function in _scenes:
        if not wanted or function.__name__ in wanted:
            play(sentence, function)
    # Threads may still wait for something that will not come.
    sys.stdout.flush()
    os._exit(0)
