# SPDX-License-Identifier: GPL-2.0
"""
Routes: the upstream by the server name that a TLS client requests, however
its first message is split, while routes and files change.
"""

import contextlib
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import threading
import time

from peer import (BACK, CLIENT, FRONT, FRONT6, PROXY, Failed, Threads, accept,
                  both_ways, close_all, connect, expect, expect_alive,
                  expect_between, expect_eof, expect_reset, knock, kp, limit,
                  listen, main, read_all, read_exactly, reset, run_in, scaled,
                  scene, sessions, show, stats, wait_acked, wait_for, wait_gone,
                  written)

SET_UP = r"""
load
topology
simple_proxy
for n in 3 4; do
    name=$([[ $n == 3 ]] && echo exact || echo wild)
    kp upstream add "$name"
    kp server add "$name" "10.2.0.$n:9000"
done
export CERT=$tmp/cert
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj /CN=example.com -keyout "$CERT" -out "$tmp/x509" 2>"$tmp/openssl"
cat "$tmp/x509" >>"$CERT"
"""

EXACT, WILD = ("10.2.0.3", 9000), ("10.2.0.4", 9000)
# Upstreams, and where their servers are. That of the listener itself is app.
AT = {"app": BACK, "exact": EXACT, "wild": WILD}

ROUTES = (("www.example.com", "exact"), ("*.example.com", "wild"),
          ("*.deep.example.com", "exact"), ("example.com", "wild"))


def hello(name=b"www.example.com", size=0):
    """A ClientHello, without records, padded to this many bytes."""

    extensions = b"\0\x17\0\0"
    naming = b""
    if name is not None:
        naming = b"\0\0" + struct.pack(">HHBH", len(name) + 5, len(name) + 3, 0,
                                       len(name)) + name
    head = (b"\3\3" + bytes(range(32)) + b"\x20" + bytes(32) +
            b"\0\4\x13\1\x13\2" + b"\1\0")
    padding = size - 4 - len(head) - 2 - len(extensions) - len(naming) - 4
    if padding >= 0:
        extensions += struct.pack(">HH", 21, padding) + bytes(padding)
    extensions += naming
    body = head + struct.pack(">H", len(extensions)) + extensions
    return b"\1" + struct.pack(">I", len(body))[1:] + body


def records(message, size=16384):
    """In records of this many bytes each."""
    return b"".join(
        b"\x16\3\1" + struct.pack(">H", len(message[at:at + size])) +
        message[at:at + size] for at in range(0, len(message), size))


HELLO = records(hello())


def openssl_hello(name, *protocols):
    """As a program sends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(protocols)
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def delete_routes():
    for row in show("route show web"):
        kp("route del web " + " ".join(
            f"{key} {row[key]}" for key in ("sni", "alpn", "from", "port")
            if key in row))


@contextlib.contextmanager
def routed(*routes, options="connect-timeout 60s"):
    """These routes for a while, and their servers."""
    listeners = {name: listen(at) for name, at in AT.items()}
    kp(f"listener set web {options}")
    for sni, upstream in routes or ROUTES:
        kp(f"route add web sni {sni} upstream {upstream}")
    try:
        yield listeners
    finally:
        delete_routes()
        kp("listener set web connect-timeout 5s accept-proxy off rcvbuf 0")
        for listener in listeners.values():
            listener.close()


def expect_at(client, listeners, upstream, data, what):
    """The client's bytes are at that upstream's server, whole."""
    listener = listeners[upstream]
    listener.settimeout(limit(10))
    try:
        server = accept(listener)
    except TimeoutError:
        raise Failed(f"{what}: not at {upstream}") from None
    expect(read_exactly(server, len(data)), data, what)
    expect_alive(client, server)
    return server


def expect_led(listeners, upstream, data, to=FRONT, what=None):
    client = connect(to, nodelay=True)
    client.sendall(data)
    server = expect_at(client, listeners, upstream, data, what or data[:60])
    session = sessions()[0]
    expect(session["upstream"], upstream, "the session's upstream")
    expect(session["server"], written(AT[upstream]), "its server")
    expect(session["bytes_in"], len(data) + 4, "bytes_in")
    for sock in client, server:
        sock.close()
    wait_gone()


def expect_refused(client, what):
    if client is None:
        return
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        expect_reset(client, what)


def end(*sockets):
    for sock in sockets:
        sock.close()


def gone():
    """Everything is closed here, and nothing is left there."""
    close_all()
    wait_gone()


def partly(data, size):
    """A client that has sent this much, and the proxy has received it."""
    client = connect(nodelay=True)
    client.sendall(data[:size])
    wait_acked(client)
    return client


@scene("routes are shown, listed in order, and refused with the fault")
def shown():
    with routed(("B.example", "exact"), ("*.example", "wild"),
                ("a.example", "app")):
        rows = [("web", "*.example", "wild"), ("web", "a.example", "app"),
                ("web", "b.example", "exact")]
        for words in "route show", "route show web":
            expect([(r["listener"], r["sni"], r["upstream"])
                    for r in show(words)], rows, words)
        expect(kp("route show web").stdout.split()[:3],
               ["LISTENER", "SNI", "UPSTREAM"], "titles")
        for words, status, line in (
                ("add web sni b.example upstream app", 2,
                 'route "web": sni b.example: the listener has a route for '
                 'this name'),
                ("add web sni B.Example upstream app", 2,
                 'route "web": sni B.Example: the listener has a route for '
                 'this name'),
                ("add none sni c.example upstream app", 2,
                 'route "none": no such listener'),
                ("add web sni c.example upstream none", 2,
                 'route "web": upstream none: no such upstream'),
                ("del web sni c.example", 2,
                 'route "web": sni c.example: the listener has no route for '
                 'this name'),
                ("del none sni b.example", 2,
                 'route "none": no such listener'),
                ("show none", 2, 'route "none": no such listener'),
                ("add web sni a..b upstream app", 1,
                 'route "web": sni a..b: a server name is letters, digits, - '
                 'and _ with dots between, perhaps after "*."')):
            done = kp(f"route {words}", check=False)
            expect((done.returncode, done.stderr),
                   (status, f"kproxy: {line}\n"), words)
        expect(len(show("route show")), 3, "routes")


@scene("an upstream that a route leads to stays, a deleted listener has none")
def in_use():
    kp("upstream add spare")
    with routed(("a.example", "spare")):
        done = kp("upstream del spare", check=False)
        expect((done.returncode, done.stderr),
               (2, 'kproxy: upstream "spare": a route of listener "web" still '
                   'uses it\n'), "deleting it")
        kp("listener add more 10.1.0.1:8001 upstream app")
        kp("route add more sni a.example upstream spare")
        kp("route del web sni a.example")
        expect(kp("upstream del spare", check=False).returncode, 2,
               "deleting what another route leads to")
        kp("listener del more")
        expect(show("route show"), [], "routes")
        kp("upstream del spare")


@scene("an exact name precedes a suffix, a longer suffix a shorter one")
def names():
    with routed() as listeners:
        for name, upstream in (
                (b"www.example.com", "exact"), (b"WWW.Example.COM", "exact"),
                (b"a.example.com", "wild"), (b"a.b.example.com", "wild"),
                (b"x.deep.example.com", "exact"),
                (b"deep.example.com", "wild"), (b"example.com", "wild"),
                (b"xexample.com", "app"), (b"com", "app"), (b"a.org", "app"),
                (b"n" * 255, "app"), (b"n" * 243 + b".example.com", "wild")):
            expect_led(listeners, upstream, records(hello(name)))
        expect_led(listeners, "exact", HELLO, FRONT6)
        expect_led(listeners, "wild", openssl_hello("a.example.com"))


@scene("without TLS or a server name, clients go to the listener's own")
def nameless():
    with routed() as listeners:
        for data in (records(hello(None)), openssl_hello(None),
                     b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
                     b"S", b"\x16\2\0", b"\x15\3\1\0\2\1\0",
                     b"\x16\3\1\0\5\2", b"\x16\3\1\0\0",
                     records(hello(b"a\0www.example.com")),
                     records(hello(b"")), records(hello(size=16389))):
            expect_led(listeners, "app", data)


@scene("a ClientHello that is split anywhere")
def split():
    with routed() as listeners:
        at = sorted({1, 2, 3, 4, 5, 6, 9, len(HELLO) - 1,
                     *random.sample(range(1, len(HELLO)), 20)})
        for n in at:
            client = partly(HELLO, n)
            client.sendall(HELLO[n:])
            end(client, expect_at(client, listeners, "exact", HELLO,
                                  f"split at {n}"))
    gone()


@scene("one that comes byte by byte, in records of a few bytes each")
def bytewise():
    with routed() as listeners:
        for data in HELLO, records(hello(), 40):
            client = connect(nodelay=True)
            for n in range(len(data)):
                client.sendall(data[n:n + 1])
                if n % 8 == 0:
                    wait_acked(client)
            end(client, expect_at(client, listeners, "exact", data,
                                  "byte by byte"))
        wait_gone()
        for size in 1, 2, 5, 63:
            expect_led(listeners, "exact", records(hello(), size))
    gone()


@scene("16 KiB of ClientHello, in one record and in many")
def large():
    message = hello(b"a.example.com", 16388)
    expect(len(message), 16384 + 4, "its size")
    with routed() as listeners:
        for size in 16384, 1000:
            expect_led(listeners, "wild", records(message, size),
                       what=f"records of {size}")
        # In small segments, which the proxy does not take before the last.
        data = records(message, 1000)
        client = connect(nodelay=True, mss=500)
        for n in range(0, len(data), 1400):
            client.sendall(data[n:n + 1400])
        expect_at(client, listeners, "wild", data, "small segments")
    gone()


@scene("streams behind a ClientHello are whole, and go by reference")
def stream_behind():
    size = scaled(2 << 20, 1 << 18)
    with routed() as listeners:
        client = connect()
        client.sendall(HELLO)
        server = expect_at(client, listeners, "exact", HELLO, "the hello")
        before = stats()
        both_ways(client, server, size)
        moved = {key: value - before[key] for key, value in stats().items()
                 if key != "end_reasons"}
        expect_between(moved["bytes_spliced"], 1.8 * size, 2 * size, "spliced")
    gone()


@scene("ClientHello, data and the end in one go")
def whole_in_one():
    with routed() as listeners:
        client = connect()
        client.sendall(HELLO + b"question")
        client.shutdown(socket.SHUT_WR)
        server = accept(listeners["exact"])
        expect(read_all(server), HELLO + b"question", "what the server gets")
        server.sendall(b"answer")
        server.close()
        expect(read_all(client), b"answer", "the answer")
    gone()


@scene("a client that ends early goes to the listener's own with what it sent")
def ends_early():
    with routed() as listeners:
        for size in 0, 1, 5, 60, len(HELLO) - 1:
            client = partly(HELLO, size)
            client.shutdown(socket.SHUT_WR)
            server = accept(listeners["app"])
            expect(read_all(server), HELLO[:size], f"{size} bytes")
            server.sendall(b"answer")
            server.close()
            expect(read_all(client), b"answer", "the answer")
    gone()


@scene("a client that resets while greeting leaves nothing")
def reset_early():
    with routed() as listeners:
        total = stats()["sessions_total"]
        for size in 0, 1, 60, len(HELLO) - 1:
            client = partly(HELLO, size)
            wait_for(lambda: len(sessions()) == 1, "it is there")
            expect(sessions()[0]["state"], "connecting", "its state")
            reset(client)
            wait_gone()
        expect(stats()["sessions_total"], total, "sessions begun")
        for listener in listeners.values():
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                listener.accept()
                raise Failed("a server has a client")


@scene("one that trickles is reset at connect-timeout, and counted")
def trickles():
    with routed(options="connect-timeout 600ms"):
        for data in HELLO, b"":
            before, begun = stats()["refused"], time.monotonic()
            client = connect(nodelay=True)
            try:
                for n in range(len(data)):
                    client.sendall(data[n:n + 1])
                    time.sleep(0.1)
            except (ConnectionResetError, BrokenPipeError):
                pass
            else:
                expect_refused(client, "a client that says nothing")
            expect_between(time.monotonic() - begun, 0.5, limit(8), "seconds")
            expect(stats()["refused"] - before, 1, "refused")
    gone()


@scene("a buffer that is too small for the ClientHello ends its client, too")
def small_buffer():
    with routed(options="rcvbuf 2k connect-timeout 2s"):
        client = connect()
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.sendall(records(hello(size=16000)))
        client.setblocking(True)
        expect_refused(client, "a client whose name does not fit")
    gone()


@scene("routes change for new clients, and for those that are still greeting")
def changes():
    with routed(("a.example", "exact")) as listeners:
        data = records(hello(b"a.example"))
        live = connect()
        live.sendall(data)
        there = expect_at(live, listeners, "exact", data, "the first")
        waits, waits_too = partly(data, 30), partly(data, 30)
        kp("route del web sni a.example")
        waits.sendall(data[30:])
        expect_at(waits, listeners, "app", data, "one that greets, no route")
        kp("route add web sni *.example upstream wild")
        waits_too.sendall(data[30:])
        expect_at(waits_too, listeners, "wild", data, "another, a new route")
        expect_alive(live, there)
        # Without routes a client need not send anything.
        waits = partly(data, 30)
        kp("route del web sni *.example")
        quiet = connect()
        expect_alive(quiet, accept(listeners["app"]))
        waits.sendall(data[30:])
        expect_at(waits, listeners, "app", data, "one that began before")
        expect_alive(live, there)
    gone()


@scene("a deleted listener's waiting clients are routed, and no others")
def deleted():
    with routed() as listeners:
        kp("listener add more 10.1.0.1:8001 upstream app connect-timeout 60s")
        kp("route add more sni www.example.com upstream exact")
        client = connect(("10.1.0.1", 8001), nodelay=True)
        client.sendall(HELLO[:50])
        wait_acked(client)
        wait_for(lambda: len(sessions("listener more")) == 1, "it is there")
        kp("listener del more")
        expect(len(show("route show")), len(ROUTES), "routes")
        client.sendall(HELLO[50:])
        expect_at(client, listeners, "exact", HELLO, "after the end")
    gone()


@scene("an upstream without servers refuses its clients, no other takes them")
def no_server():
    kp("upstream add empty")
    with routed(("a.example", "empty")) as listeners:
        before = stats()["refused"]
        client = connect()
        client.sendall(records(hello(b"a.example")))
        expect_refused(client, "a client for nobody")
        expect(stats()["refused"] - before, 1, "refused")
        expect_led(listeners, "app", records(hello(b"b.example")))
    kp("upstream del empty")


@scene("with PROXY headers in and out, retries, a source and preconnect")
def together():
    header = b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n"
    kp("server add exact 10.2.0.2:9999")
    kp("upstream set exact send-proxy v1 source 10.2.0.1")
    with routed(options="accept-proxy on connect-timeout 60s") as listeners:
        for n in 1, len(header), len(header) + 20, len(header + HELLO):
            client = partly(header + HELLO, n)
            client.sendall((header + HELLO)[n:])
            server = expect_at(client, listeners, "exact", header + HELLO,
                               f"at {n}")
            expect(sessions()[0]["client"], "192.0.2.1:4711", "client")
            end(client, server)
            wait_gone()
        client = connect()
        client.sendall(HELLO)
        expect_refused(client, "one without a header")
    kp("upstream set exact send-proxy off source default")
    kp("server del exact 10.2.0.2:9999")
    kp("upstream set wild preconnect 2")
    with routed() as listeners:
        wait_for(lambda: show("server show wild")[0]["preconnect"]["ready"],
                 "a connection is ready")
        data = records(hello(b"a.example.com"))
        client = connect()
        client.sendall(data)
        # It may be any of the idle connections.
        listeners["wild"].setblocking(False)
        found = []

        def arrived():
            with contextlib.suppress(BlockingIOError):
                found.append(accept(listeners["wild"]))
                found[-1].setblocking(False)
            for sock in found:
                with contextlib.suppress(BlockingIOError):
                    if sock.recv(1 << 16, socket.MSG_PEEK) == data:
                        return sock
            return None
        wait_for(arrived, "the hello arrives")
        server = arrived()
        server.settimeout(limit(20))
        expect(read_exactly(server, len(data)), data, "the hello")
        expect_alive(client, server)
        kp("upstream set wild preconnect 0")
    gone()


def serve_tls(listener, word):
    """Send this word to each client, by TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERT"])
    listener.settimeout(None)

    def one(sock):
        sock.settimeout(limit(60))
        with contextlib.suppress(OSError), \
                context.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(word.encode())
            tls.unwrap()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],),
                                 daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()


@scene("TLS programs reach the server of their name")
def programs():
    with routed() as listeners:
        for upstream, listener in listeners.items():
            serve_tls(listener, f"this is {upstream}")
        for name, upstream in (("www.example.com", "exact"),
                               ("a.example.com", "wild"),
                               ("a.example.org", "app")):
            out = run_in(CLIENT, "openssl", "s_client",
                         "-quiet", "-connect", "10.1.0.1:8000", "-servername",
                         name, check=False).stdout
            expect(out, f"this is {upstream}", f"openssl for {name}")
        out = run_in(CLIENT, "openssl", "s_client",
                     "-quiet", "-connect", "10.1.0.1:8000", "-noservername",
                     check=False).stdout
        expect(out, "this is app", "openssl without a name")
        for listener in listeners.values():
            listener.shutdown(socket.SHUT_RDWR)
    gone()


CONFIG = """
upstreams:
  app: {servers: [{address: "10.2.0.2:9000"}]}
  exact: {servers: [{address: "10.2.0.3:9000"}]}
  wild: {servers: [{address: "10.2.0.4:9000"}]}
listeners:
  web:
    listen: ["10.1.0.1:8000", "[fd01::1]:8000"]
    upstream: app
    ROUTES
"""


def config(*routes, more=""):
    words = ", ".join(f'{{sni: "{sni}", upstream: {upstream}}}'
                      for sni, upstream in routes)
    return CONFIG.replace("ROUTES", f"routes: [{words}]" if words else
                          "") + more


def apply(text, check=True):
    return kp("config apply -", text=text, check=check)


def pairs():
    return [(r["sni"], r["upstream"]) for r in show("route show web")]


@scene("a file has routes, and a saved file that is applied changes nothing")
def files():
    first = (("*.example", "wild"), ("a.example", "exact"))
    second = (("*.example", "exact"), ("b.example", "exact"))
    for routes in (), first, second, (), second:
        apply(config(*routes))
        expect(pairs(), list(routes), "routes")
        saved = kp("config save").stdout
        expect("routes" in saved, bool(routes), "saved routes")
        expect(kp("config apply --dry-run -", text=saved).stdout, "",
               "the difference")
    out = kp("config apply --dry-run -", text=config(*first)).stdout
    expect(out.splitlines(), [
        "route delete web sni *.example",
        "route delete web sni b.example",
        "route add web sni *.example upstream wild  # was upstream exact",
        "route add web sni a.example upstream exact"], "the commands")
    kp("-b -", text=out)
    expect(kp("config apply --dry-run -", text=config(*first)).stdout, "",
           "what is left to do")
    # A new listener with routes to a new upstream, and its end.
    more = ("  more: {listen: [\"10.1.0.1:8001\"], upstream: app, routes: "
            "[{upstream: exact, sni: C.example}]}\n")
    apply(config(*first, more=more))
    expect([r["sni"] for r in show("route show more")], ["c.example"],
           "those of a new listener")
    apply(config(*first).replace("exact", "other"))
    expect(pairs(), [("*.example", "wild"), ("a.example", "other")],
           "those of another upstream")
    apply(config())
    expect(show("route show"), [], "routes")


@scene("a file is refused as a whole, and the error says where")
def refused_files():
    first = (("*.example", "wild"), ("a.example", "exact"))
    apply(config(*first))
    for text, pattern in (
            (config(("a.example", "none")),
             'route "web": upstream none: the file has no such upstream'),
            (config(("a.example", "app"), ("A.example", "app")),
             'route "web": sni A.example: the listener already has a route for '
             'it'),
            (config(("a..b", "app")), 'route "web": sni a..b: a server name'),
            (CONFIG.replace("ROUTES", "routes: [{sni: a.b}]"),
             'route "web": upstream NAME is missing'),
            (CONFIG.replace("ROUTES", "routes: {sni: a.b}"),
             '"routes" must be a list')):
        done = apply(text, check=False)
        expect(done.returncode, 1, f"status of {done.stderr}")
        if "-:10:" not in done.stderr or pattern not in done.stderr:
            raise Failed(f"got {done.stderr!r}, want {pattern!r}")
    # The kernel refuses the last of many changes: none is made.
    taken = listen(("10.1.0.1", 8009), ns=PROXY)
    more = "  more: {listen: [\"10.1.0.1:8009\"], upstream: app}\n"
    done = apply(config(("b.example", "app"), more=more), check=False)
    expect(done.returncode, 2, "status")
    taken.close()
    expect(pairs(), list(first), "routes after a refusal")
    apply(config())


@scene("routes are swapped by files while clients keep coming")
def under_load():
    texts = [config(("a.example", "exact"), ("*.b.example", "wild")),
             config(("a.example", "wild"), ("*.b.example", "exact"))]
    # Whatever file there is, none of these goes to the listener's own.
    data = records(hello(b"a.example")), records(hello(b"x.b.example"))
    apply(texts[0])
    before = stats()
    listeners = {name: listen(at) for name, at in AT.items()}
    stop, counts = threading.Event(), {"exact": 0, "wild": 0}

    def serve(upstream):
        while True:
            try:
                sock, _ = listeners[upstream].accept()
            except OSError:
                return
            sock.settimeout(limit(20))
            head = read_exactly(sock, 5)
            read_exactly(sock, struct.unpack(">H", head[3:])[0])
            sock.sendall(b"heard")
            sock.close()
            counts[upstream] += 1

    def ask(n):
        while not stop.is_set():
            client = connect(nodelay=True)
            client.sendall(data[n][:30])
            client.sendall(data[n][30:])
            expect(read_exactly(client, 5), b"heard", "the answer")
            client.close()
    for listener in listeners.values():
        listener.settimeout(None)
    for upstream in counts:
        threading.Thread(target=serve, args=(upstream,), daemon=True).start()
    threads = Threads()
    for n in 0, 1:
        threads.go(ask, n)
    for n in range(16):
        apply(texts[1 - n % 2])
    stop.set()
    threads.join()
    expect(stats()["refused"] - before["refused"], 0, "clients refused")
    for upstream, count in counts.items():
        if not count:
            raise Failed(f"no client was led to {upstream}")
    for listener in listeners.values():
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    apply(config())
    gone()


@scene("many routes, and many clients of which some never send")
def many():
    count = max(scaled(1000), 100)
    kp("-b -", text="".join(
        f"route add web sni n{n}.example upstream {'exact' if n % 2 else 'wild'}\n"
        for n in range(count)))
    expect(len(show("route show")), count, "routes")
    kp("listener set web connect-timeout 60s")
    listeners = {name: listen(at) for name, at in AT.items()}
    for n in 0, 1, count - 2, count - 1:
        expect_led(listeners, "exact" if n % 2 else "wild",
                   records(hello(b"n%d.example" % n)))
    clients = [partly(HELLO, n) for n in range(1, len(HELLO) - 1, 3)]
    saved = kp("config save").stdout
    kp("listener del web kill")
    for client in clients:
        expect_refused(client, "one that was killed")
    gone()
    expect(show("route show"), [], "routes")
    apply(saved)
    expect(len(show("route show")), count, "routes of the file")
    apply(config())


@contextlib.contextmanager
def more_routes(*routes):
    """Routes by anything, each a line, for a while."""
    with routed() as listeners:
        delete_routes()
        for words in routes:
            kp(f"route add web {words}")
        yield listeners


@scene("the protocol that a client offers leads it, alone and with a name")
def by_protocol():
    with more_routes("alpn h2 upstream exact", "alpn http/1.1 upstream wild",
                     "sni www.example.com alpn h2 upstream wild",
                     "sni plain.example.com upstream wild") as listeners:
        for name, protocols, upstream in (
                ("a.example.com", ("h2",), "exact"),
                ("a.example.com", ("http/1.1",), "wild"),
                # Of several, the one that the client prefers.
                ("a.example.com", ("h2", "http/1.1"), "exact"),
                ("a.example.com", ("http/1.1", "h2"), "wild"),
                ("a.example.com", ("h3",), "app"),
                ("a.example.com", (), "app"),
                ("www.example.com", ("h2",), "wild"),
                ("www.example.com", ("http/1.1",), "wild"),
                ("www.example.com", (), "app"),
                # The name comes before the protocol.
                ("plain.example.com", ("h2",), "wild"),
                (None, ("h2",), "exact")):
            expect_led(listeners, upstream, openssl_hello(name, *protocols),
                       what=f"{name} {protocols}")


@scene("a protocol is found however the message is split")
def split_protocol():
    data = openssl_hello("a.example.com", "h2")
    with more_routes("alpn h2 upstream exact",
                     "sni a.example.com alpn h3 upstream wild") as listeners:
        client = connect(nodelay=True)
        for byte in data[:-1]:
            client.sendall(bytes([byte]))
        client.sendall(data[-1:])
        end(client, expect_at(client, listeners, "exact", data,
                              "byte by byte"))
        gone()


@scene("network and port lead a client, who need not speak first then")
def by_network():
    def greeted(to, upstream):
        client = knock(to)
        server = accept(listeners[upstream])
        server.sendall(b"first")
        expect(read_exactly(client, 5), b"first", "a server's greeting")
        end(client, server)

    with more_routes("from fd01::/64 upstream exact",
                     "from fd01::/16 port 8000 upstream wild",
                     "from 10.1.0.0/16 port 8000 upstream exact",
                     "port 8000 upstream wild",
                     "sni www.example.com from 10.9.0.0/16 upstream app"
                     ) as listeners:
        greeted(FRONT, "exact")
        greeted(FRONT6, "exact")
        kp("route del web from 10.1.0.0/16 port 8000")
        greeted(FRONT, "wild")
        kp("route del web port 8000")
        greeted(FRONT, "app")
        # Only these clients must say which server they mean.
        kp("route add web sni www.example.com from 10.1.0.0/16 upstream wild")
        expect_led(listeners, "wild", HELLO)
        greeted(FRONT6, "exact")
        gone()


@scene("routes of every kind are shown, saved, applied, and refused")
def more_rows():
    with more_routes("sni a.b alpn h2 from 10.1.2.3/8 port 8000 upstream exact",
                     "from fd01::1/64 upstream wild", "alpn x upstream wild"):
        rows = show("route show web")
        expect(rows, [
            {"listener": "web", "alpn": "x", "upstream": "wild"},
            {"listener": "web", "from": "fd01::/64", "upstream": "wild"},
            {"listener": "web", "sni": "a.b", "alpn": "h2",
             "from": "10.0.0.0/8", "port": 8000, "upstream": "exact"}],
            "the routes")
        saved = kp("config save").stdout
        apply(saved)
        expect(show("route show web"), rows, "the routes after apply")
        kp("route del web alpn x")
        kp("route add web port 1 upstream exact")
        apply(saved)
        expect(show("route show web"), rows, "the routes after a change")
        for words, reason in (
                ("add web upstream app", "missing"),
                ("add web alpn x upstream wild", "alpn x: the listener has"),
                ("add web from 10.0.0.0/33 upstream wild", "from"),
                ("add web port 65536 upstream wild", "port"),
                ("add web alpn " + "x" * 64 + " upstream wild", "63"),
                ("del web alpn x port 1", "alpn x: the listener has no"),
                ("del web", "missing")):
            done = kp(f"route {words}", check=False)
            if not done.returncode or reason not in done.stderr:
                raise Failed(f"{words}: {done.stderr}")
        expect(show("route show web"), rows, "the routes at the end")


@scene("without routes a client need not send anything")
def afterwards():
    expect(show("route show"), [], "routes")
    listener = listen()
    client = connect()
    expect_alive(client, accept(listener))
    client.close()
    quiet = knock()
    server = accept(listener)
    server.sendall(b"220")
    expect(read_exactly(quiet, 3), b"220", "a server that speaks first")
    server.close()
    expect_eof(quiet, "the client")


def log():
    return json.loads(kp("-j log").stdout)


# What a client asks for, and what of it is shown.
NAMES = ((b"www.example.com", "www.example.com", "exact"),
         (b"Other.Example.COM", "other.example.com", "wild"),
         (b"a\nb reason=none \x1b[2J\xff\"\\\r", "a?b?reason?none???2j????", "app"),
         (b"n" * 255, "n" * 255, "app"),
         (None, "", "app"))


@scene("the server name is in lists, records and events, and ends no line")
def names_shown():
    events = subprocess.Popen(("kproxy", "-n", PROXY, "-j", "monitor"),
                              text=True, stdout=subprocess.PIPE)
    told = []
    threading.Thread(target=lambda: told.extend(events.stdout),
                     daemon=True).start()
    with routed() as listeners:
        wait_for(lambda: kp("upstream set app retries 2") and told,
                 "the monitor listens")
        for name, want, upstream in NAMES:
            before = len(log())
            client = connect(nodelay=True)
            client.sendall(records(hello(name)))
            server = expect_at(client, listeners, upstream,
                               records(hello(name)), want)
            expect(sessions()[0]["sni"], want, "of the session")
            end(client, server)
            wait_for(lambda: len(log()) > before, "its record")
            expect(log()[-1]["sni"], want, "of the record")
        lines = kp("log").stdout.splitlines()
        expect(len(lines), len(log()), "lines for records")
        expect("sni=" + NAMES[2][1] in lines[-3].split(), True, lines[-3])
        expect(lines[-3].split()[-1] == "reason=none", False, lines[-3])
        ends = [json.loads(line) for line in list(told)
                if '"session_end"' in line]
        expect([row["sni"] for row in ends], [want for _, want, _ in NAMES],
               "of the events")
    events.kill()
    events.wait()


@scene("a client that a name leads to no server is refused with the name")
def name_refused():
    with routed():
        kp(f"server set exact {written(EXACT)} state drain")
        before = len(log())
        client = connect(nodelay=True)
        client.sendall(HELLO)
        expect_refused(client, "the client")
        wait_for(lambda: len(log()) > before, "its record")
        kp(f"server set exact {written(EXACT)} state up")
    last = log()[-1]
    expect((last["reason"], last["sni"], last["upstream"], last["server"]),
           ("refused_no_server", "www.example.com", "exact", ""), "the record")


@scene("without routes by name, nobody looks for one")
def no_names():
    listener = listen(BACK)
    client = connect(nodelay=True)
    client.sendall(HELLO)
    server = accept(listener)
    expect(sessions()[0]["sni"], "", "the name")
    end(client, server)
    listener.close()
    wait_gone()


main()
