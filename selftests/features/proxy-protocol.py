# SPDX-License-Identifier: GPL-2.0
"""The PROXY protocol, both ways."""

import contextlib
import os
import select
import socket
import struct
import time

from peer import (FRONT, FRONT6, KB, SERVER, EchoServer, Failed, Stream,
                  Threads, accept, both_ways, connect, expect, expect_alive,
                  expect_between, expect_eof, expect_reset, knock, kp, limit,
                  listen, main, netem, pair, read_all, read_exactly,
                  receive_stream, reset, scaled, scene, send_for_reset,
                  send_stream, sessions, show, stats, wait_acked, wait_for,
                  wait_gone)

MAGIC = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source, destination, sport=4711, dport=443):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {sport} {dport}\r\n".encode()


def v2(source, destination, sport=4711, dport=443, behind=b"", command=1):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    addrs = (socket.inet_pton(family, source) +
             socket.inet_pton(family, destination) +
             struct.pack(">HH", sport, dport) + behind)
    return (MAGIC + bytes([0x20 | command,
                           0x21 if family == socket.AF_INET6 else 0x11]) +
            struct.pack(">H", len(addrs)) + addrs)


V1 = v1("192.0.2.1", "198.51.100.2")
V2 = v2("2001:db8::1", "2001:db8::2")
EXTENSION = b"\x04" + struct.pack(">H", 5) + b"hello"

# A header, and what is shown of its client; None: the real one.
HEADERS = (
    (V1, "192.0.2.1:4711"),
    (v1("2001:db8::1", "::1"), "[2001:db8::1]:4711"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n", None),
    (v2("192.0.2.1", "198.51.100.2"), "192.0.2.1:4711"),
    (V2, "[2001:db8::1]:4711"),
    (v2("::ffff:192.0.2.9", "::ffff:192.0.2.8"), "192.0.2.9:4711"),
    (v2("192.0.2.1", "198.51.100.2", behind=EXTENSION * 3), "192.0.2.1:4711"),
    (v2("192.0.2.1", "198.51.100.2", command=0), None),
    (MAGIC + b"\x20\0\0\0", None),
    (MAGIC + b"\x21\0" + struct.pack(">H", len(EXTENSION)) + EXTENSION, None),
)

MALFORMED = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01",
    b"PROXY\r\n", b"PROXY TCP4 1.2.3.4\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n", b"PROXY " + b"x" * 200,
    MAGIC + b"\x31\x11\0\x0c" + b"a" * 12,
    MAGIC + b"\x22\x11\0\x0c" + b"a" * 12,
    MAGIC + b"\x21\x11\0\x0b" + b"a" * 12,
    MAGIC + b"\x21\x51\0\x0c" + b"a" * 12,
    MAGIC[:-1] + b"x" * 20,
)


@contextlib.contextmanager
def options(listener="", upstream=""):
    """Options of both for a while; afterwards they have none of them."""
    if listener:
        kp("listener set web " + listener)
    if upstream:
        kp("upstream set app " + upstream)
    try:
        yield
    finally:
        kp("listener set web accept-proxy off connect-timeout 5s "
           "client-maxconn 0 allow all deny none")
        kp("upstream set app send-proxy off")


def accepting(**more):
    """A listener that requires a header, and its server."""
    words = "accept-proxy on connect-timeout 60s"
    for key, value in more.items():
        words += f" {key.replace('_', '-')} {value}"
    return options(words)


def refused():
    return stats()["refused"]


def name_of(sock):
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def expect_refused(client, what):
    if client is None:
        return
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        expect_reset(client, what)


@scene("in: each kind of header, data in the same segment, the client shown")
def kinds():
    listener = listen()
    with accepting():
        for to in FRONT, FRONT6:
            for header, shown in HEADERS:
                client = connect(to, nodelay=True)
                client.sendall(header + b"data")
                server = accept(listener)
                expect(read_exactly(server, 4), b"data", "behind the header")
                expect_alive(client, server)
                session = sessions()[0]
                expect(session["client"], shown or name_of(client),
                       f"client of {header[:40]}")
                expect(session["bytes_in"], 8, "bytes_in")
                for sock in client, server:
                    sock.close()
                wait_gone()


@scene("in: filters match the client of the header")
def filtered():
    listener = listen()
    with accepting():
        client = connect()
        client.sendall(V1)
        server = accept(listener)
        expect(len(sessions("client 192.0.2.0/24")), 1, "its client's")
        expect(len(sessions("client 10.1.0.0/24")), 0, "its peer's")
        expect(sessions()[0]["local"], "198.51.100.2:443", "local")
        expect_alive(client, server)


@scene("in: a header that is split anywhere")
def split():
    echo = EchoServer()
    with accepting():
        for header, _ in HEADERS[0], HEADERS[7]:
            for at in range(1, len(header)):
                client = connect(nodelay=True)
                client.sendall(header[:at])
                wait_acked(client)
                client.sendall(header[at:] + b"data")
                expect(read_exactly(client, 4), b"data", f"split at {at}")
                client.close()
    echo.close()
    wait_gone()


@scene("in: a header that comes byte by byte, and a server that speaks first")
def bytewise():
    echo = EchoServer(greeting=b"220 ready")
    with accepting():
        for header in V1, V2, v2("192.0.2.1", "1.2.3.4", behind=EXTENSION * 9):
            client = connect(nodelay=True)
            for at in range(len(header)):
                client.sendall(header[at:at + 1])
                if at % 8 == 0:
                    wait_acked(client)
            expect(read_exactly(client, 9), b"220 ready", "the greeting")
            client.sendall(b"data")
            expect(read_exactly(client, 4), b"data", "the echo")
            client.close()
    echo.close()
    wait_gone()


@scene("in: 65,535 bytes of extensions are skipped")
def long_header():
    listener = listen()
    with accepting():
        client = connect(rcvbuf=4096)
        client.sendall(v2("192.0.2.1", "1.2.3.4", behind=b"z" * (65535 - 12)))
        client.sendall(b"data")
        server = accept(listener)
        expect(read_exactly(server, 4), b"data", "behind the header")
        expect_alive(client, server)


@scene("in: a stream behind the header is whole, and goes by reference")
def stream_behind():
    size = scaled(4096 * KB, 256 * KB)
    listener = listen()
    with accepting():
        client = connect()
        client.sendall(V1)
        threads = Threads()
        threads.go(send_stream, client, Stream(1), size)
        server = accept(listener)
        receive_stream(server, Stream(1), size)
        threads.join()
        session = sessions()[0]
        expect(session["bytes_in"], size, "bytes_in")
        expect_between(session["bytes_spliced"], 0.9 * size, size, "spliced")


@scene("in: header, data and the end in one go")
def whole_in_one():
    listener = listen()
    with accepting():
        for data in b"", b"question":
            client = connect()
            client.sendall(V2 + data)
            client.shutdown(socket.SHUT_WR)
            server = accept(listener)
            expect(read_all(server), data, "what the server gets")
            server.sendall(b"answer")
            server.close()
            expect(read_all(client), b"answer", "the answer")
    wait_gone()


@scene("in: an invalid header is reset and counted, no server is contacted")
def malformed():
    listener = listen()
    listener.setblocking(False)
    with accepting():
        total = stats()["sessions_total"]
        for data in MALFORMED:
            before = refused()
            client = connect()
            send_for_reset(client, data, repr(data[:20]))
            expect(refused() - before, 1, f"refused for {data[:20]}")
        expect(show("listener show web")[0]["stats"]["refused"], refused(),
               "refused by the listener")
        expect(stats()["sessions_total"], total, "sessions begun")
    wait_gone()
    with contextlib.suppress(BlockingIOError):
        listener.accept()
        raise Failed("the server has a client")


@scene("in: a header that is late or never comes is reset and counted")
def late():
    listen()
    for part in b"", V1[:10], V2[:20], v2("1.2.3.4", "1.2.3.4",
                                          behind=EXTENSION)[:-1]:
        with options("accept-proxy on connect-timeout 400ms"):
            before, begun = refused(), time.monotonic()
            client = connect()
            if part:
                client.sendall(part)
            expect_refused(client, f"after {len(part)} bytes")
            expect_between(time.monotonic() - begun, 0.3, limit(2), "seconds")
            expect(refused() - before, 1, "refused")
    wait_gone()


@scene("in: a client that closes before its header is whole")
def closes_early():
    listen()
    with accepting():
        for part in b"", V1[:10], V2[:20], v2("1.2.3.4", "1.2.3.4",
                                              behind=EXTENSION)[:-1]:
            before = refused()
            client = connect()
            if part:
                client.sendall(part)
            client.shutdown(socket.SHUT_WR)
            expect_refused(client, f"after {len(part)} bytes")
            expect(refused() - before, 1, "refused")
            client = connect()
            if part:
                client.sendall(part)
                wait_acked(client)
            reset(client)
            wait_gone()


@scene("in: a client that has sent nothing yet is shown and can be killed")
def killed():
    listen()
    with accepting():
        first, second, third = connect(), connect(), connect()
        first.sendall(V1[:10])
        wait_for(lambda: len(sessions()) == 3, "all are there")
        for session in sessions():
            expect(session["state"], "connecting", "state")
            expect(session["server"], "", "server")
        expect(len(sessions("upstream app")), 3, "those of the upstream")
        expect(len(sessions("server 10.2.0.2:9000")), 0,
               "those that have a server")
        expect(len(sessions("client 10.1.0.2")), 3, "those of the client")
        victim = next(s["id"] for s in sessions()
                      if s["client"] == name_of(first))
        kp(f"session kill {victim}")
        expect_reset(first, "the one that was killed")
        kp("session kill listener web")
        expect_reset(second, "another")
        expect_reset(third, "the last")
    wait_gone()


@scene("in: limits apply to the client in the header, deny to the peer")
def limits():
    echo = EchoServer()
    with accepting(client_maxconn=1, deny="192.0.2.0/24"):
        first = connect()
        first.sendall(V1 + b"data")
        expect(read_exactly(first, 4), b"data", "the first of 192.0.2.1")
        before = refused()
        second = connect()
        second.sendall(V1 + b"data")
        expect_refused(second, "the second of 192.0.2.1")
        expect(refused() - before, 1, "refused")
        other = connect()
        other.sendall(v1("192.0.2.2", "1.2.3.4") + b"data")
        expect(read_exactly(other, 4), b"data", "the first of 192.0.2.2")
        kp("listener set web deny 10.1.0.2/32")
        expect_refused(knock(), "one whose peer is denied")
    echo.close()


def expect_header(server, client, version, to):
    source = client.getsockname()[:2]
    words = source[0], to[0], source[1], to[1]
    want = (v1 if version == "v1" else v2)(*words)
    expect(read_exactly(server, len(want)), want, "the header")


@scene("out: the header comes first, also when the client sends nothing")
def out():
    for version in "v1", "v2":
        with options(upstream=f"send-proxy {version}"):
            for to in FRONT, FRONT6:
                client, server = pair(to=to)
                expect_header(server, client, version, to)
                server.sendall(b"220 ready")
                expect(read_exactly(client, 9), b"220 ready", "the greeting")
                expect_alive(client, server)
                session = sessions()[0]
                expect(session["bytes_in"], 4, "bytes_in")
                for sock in client, server:
                    sock.close()
                wait_gone()


def segments_in(sock):
    """Segments with data that it has received."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    # tcpi_data_segs_in
    return struct.unpack_from("=I", info, 152)[0]


@scene("out: header and data that has come are one segment, and the end follows")
def out_with_data():
    listener = listen()
    with options(upstream="send-proxy v2"), \
            netem(SERVER, "eth0", "delay", "400ms"):
        client = connect()
        client.sendall(b"question")
        wait_acked(client)
        client.shutdown(socket.SHUT_WR)
        server = accept(listener)
        expect_header(server, client, "v2", FRONT)
        expect(read_all(server), b"question", "the data")
        expect(segments_in(server), 1, "segments with data")
        server.sendall(b"answer")
        server.close()
        expect(read_all(client), b"answer", "the answer")
    wait_gone()


@scene("out: streams behind the header are whole, and go by reference")
def out_stream():
    size = scaled(4096 * KB, 256 * KB)
    for version in "v1", "v2":
        with options(upstream=f"send-proxy {version}"):
            client, server = pair()
            expect_header(server, client, version, FRONT)
            before = stats()
            both_ways(client, server, size)
            for sock in client, server:
                sock.close()
            wait_gone()
            counted = {key: value - before[key]
                       for key, value in stats().items() if key != "end_reasons"}
            expect(counted["bytes_in"], size, "bytes_in")
            expect(counted["bytes_out"], size, "bytes_out")
            expect_between(counted["bytes_spliced"], 1.8 * size, 2 * size,
                           "spliced")


@scene("out: after a failed connect the next server gets the whole header")
def out_retry():
    kp("server add app 10.2.0.3:9000")
    with options(upstream="send-proxy v1"):
        for _ in range(4):
            client, server = pair(at=("10.2.0.3", 9000))
            expect_header(server, client, "v1", FRONT)
            expect_alive(client, server)
            client.close()
            server.close()
        # And one that no server gets.
        expect_refused(knock(), "a client without a server")
    kp("server del app 10.2.0.3:9000")
    wait_gone()


@contextlib.contextmanager
def made_ahead(listener):
    """A connection for each CPU, and what the server has of them."""
    kp("upstream set app preconnect 1")
    socks = [accept(listener) for _ in range(os.cpu_count())]
    wait_for(lambda: counts()["ready"] == len(socks), "all are ready")
    try:
        yield socks
    finally:
        kp("upstream set app preconnect 0")
        for sock in socks:
            sock.close()


def counts():
    return show("server show app")[0]["preconnect"]


@scene("out: on an idle connection, when a client takes it")
def out_ready():
    for version in "v1", "v2":
        for to in FRONT, FRONT6:
            with options(upstream=f"send-proxy {version}"), \
                    listen() as listener, made_ahead(listener) as socks:
                expect(select.select(socks, [], [], 0.3)[0], [],
                       "those that were told of a client before there is one")
                used = counts()["used"]
                client = connect(to)
                server = first_of(socks)
                expect_header(server, client, version, to)
                expect(counts()["used"] - used, 1, "used")
                both_ways(client, server, scaled(256 * KB))
                client.close()
                server.close()
            wait_gone()


@scene("out: also when the server has sent already, or dies at that moment")
def out_ready_greeted():
    for version in "v1", "v2":
        with options(upstream=f"send-proxy {version}"), \
                listen() as listener, made_ahead(listener) as socks:
            for sock in socks:
                sock.sendall(b"220 ready")
            client = connect()
            expect(read_exactly(client, 9), b"220 ready", "the greeting")
            server = first_of(socks)
            expect_header(server, client, version, FRONT)
            expect_alive(client, server)
            client.close()
            server.close()
            # The next server gets a whole header, and only one.
            for _ in range(8):
                for sock in socks:
                    sock.close()
                client = connect()
                client.sendall(b"question")
                server = None
                while not server:
                    socks.append(accept(listener))
                    server = first_of(socks[-1:], 0.3)
                expect_header(server, client, version, FRONT)
                expect(read_exactly(server, 8), b"question", "what followed")
                client.close()
        wait_gone()


def first_of(socks, seconds=20):
    """The connection that has received something, or None."""
    found, _, _ = select.select([s for s in socks if s.fileno() >= 0], [], [],
                                limit(seconds))
    return found[0] if found else None


@scene("in and out: one proxy's header reaches the next")
def both():
    with options("accept-proxy on", "send-proxy v2"):
        for said in (("192.0.2.1", "198.51.100.2", 1, 2),
                     ("2001:db8::1", "2001:db8::2", 3, 4)):
            listener, client = listen(), connect()
            client.sendall(v1(*said) + b"data")
            server = accept(listener)
            want = v2(*said) + b"data"
            expect(read_exactly(server, len(want)), want, "what is said")
            expect_alive(client, server)
            listener.close()
        # Without addresses in the header: those of the connection.
        listener, client = listen(), connect()
        client.sendall(MAGIC + b"\x20\0\0\0")
        server = accept(listener)
        expect_header(server, client, "v2", FRONT)
        expect_alive(client, server)


@scene("in and out: many clients come and go, and some never send")
def many():
    echo, count = EchoServer(), max(scaled(200), 40)
    with options("accept-proxy on connect-timeout 60s"):
        clients = []
        for n in range(count):
            client = connect(nodelay=True)
            header = HEADERS[n % len(HEADERS)][0]
            if n % 5 == 0:
                client.sendall(header[:n % len(header)])
            elif n % 5 == 1:
                client.sendall(MALFORMED[n % len(MALFORMED)])
            else:
                client.sendall(header + b"data")
                clients.append(client)
        for client in clients:
            expect(read_exactly(client, 4), b"data", "the echo")
    kp("session kill listener web")
    echo.close()
    wait_gone()


@scene("without the options no header is read or sent")
def without():
    client, server = pair()
    client.sendall(V1)
    expect(read_exactly(server, len(V1)), V1, "a header is data")
    server.close()
    expect_eof(client, "the client")


main()
