# SPDX-License-Identifier: GPL-2.0
"""Socket options, checked on the sockets, on the wire, and in effect."""

import contextlib
import re
import select
import socket
import struct
import time

from peer import (BACK, BACK6, CLIENT, FRONT, FRONT6, KB, MB, PROXY, SERVER,
                  SLOW, Failed, Stream, Threads, accept, connect, expect,
                  expect_alive, expect_between, expect_eof, fill_quickly, knock,
                  kp, limit, listen, main, netem, netns, new_socket, pair,
                  read_exactly, receive_stream, reset, run, run_in, say, scaled,
                  scene, send_for_reset, send_stream, sessions, show, sysctl,
                  wait_acked, wait_for, wait_gone)

SIDES = ("listener set web", "upstream set app")
# Where the sockets of each side are found.
FILTERS = ("sport = :8000", "dport = :9000")

DEFAULTS = {"nodelay": "on", "keepalive": "60s,10s,6", "rcvbuf": "0",
            "sndbuf": "0", "congestion": "default", "user-timeout": "0",
            "notsent-lowat": "0", "dscp": "0", "mark": "0", "fastopen": "off",
            "pacing": "0"}


@contextlib.contextmanager
def options(side, words):
    """Options of one side for a while."""
    kp(f"{SIDES[side]} {words}")
    try:
        yield
    finally:
        names = [w for w in words.split() if w in DEFAULTS]
        kp(f"{SIDES[side]} " + " ".join(f"{n} {DEFAULTS[n]}" for n in names))


def sockets_of(side):
    """The live sockets of one side, from ss."""
    return run_in(PROXY, "ss", "-HOtnimoe", "--tos",
                  "state", "established", FILTERS[side]).stdout.splitlines()


def settled(side, count=1):
    """The same, when nothing is in flight any more."""
    def look_again():
        found = sockets_of(side)
        quiet = not any("timer:(on," in line or " unacked:" in line
                        for line in found)
        return found if len(found) == count and quiet else None

    return wait_for(look_again, f"{count} sockets of side {side} are quiet")


def socket_of(side):
    found = sockets_of(side)
    expect(len(found), 1, f"sockets of side {side}")
    return found[0]


def value(line, pattern):
    found = re.search(pattern, line)
    return found.group(1) if found else None


def number(line, pattern):
    return int(value(line, pattern) or 0)


def counter(ns, name):
    out = run_in(ns, "nstat", "-asz", name).stdout
    return int(re.search(rf"^{name}\s+(\d+)", out, re.M).group(1))


def close_both(ends):
    for sock in ends:
        sock.close()
    wait_gone()


def keepalive_of(line):
    """The seconds that are left, roughly."""
    found = re.search(r"timer:\(keepalive,(?:(\d+)min)?(?:(\d+)(?:sec|\.))?",
                      line)
    if not found:
        return "none"
    left = int(found.group(1) or 0) * 60 + int(found.group(2) or 0)
    return "a minute" if left <= 60 else "an hour" if left > 1800 else left


def buffer_of(kind):
    """Ours, or one that the kernel has chosen and may change."""
    def look(line):
        size = number(line, rf"skmem:\(.*?,{kind}(\d+)")
        return size if size in OURS else "tuned"

    return look


def pattern(regex):
    return lambda line: value(line, regex)


# The kernel doubles them.
OURS = {96 * KB: "48k", 160 * KB: "80k"}

# Visible options: a value for each side, how to read it, and the expected
# result.
LOOKS = {
    "congestion": (("reno", "bbr"), pattern(r" (cubic|reno|bbr) "),
                   ("reno", "bbr")),
    "mark": (("7", "9"), pattern(r" fwmark:(0x\w+)"), ("0x7", "0x9")),
    "dscp": (("46", "10"), pattern(r" tos:(0x\w+)"), ("0xb8", "0x28")),
    "rcvbuf": (("48k", "80k"), buffer_of("rb"), tuple(OURS)),
    "sndbuf": (("48k", "80k"), buffer_of("tb"), tuple(OURS)),
    "pacing": (("40mbit", "80mbit"), pattern(r"pacing_rate \d+bps/(\d+)bps"),
               ("40000000", "80000000")),
    "keepalive": (("off", "3600s,10s,6"), keepalive_of, ("none", "an hour")),
}
UNSET = {"congestion": "cubic", "rcvbuf": "tuned", "sndbuf": "tuned",
         "keepalive": "a minute"}


def words(side):
    """All of them, with the values of one side."""
    return " ".join(f"{name} {look[0][side]}" for name, look in LOOKS.items())


def expect_look(line, name, want):
    got = LOOKS[name][1](line)
    if got != want:
        raise Failed(f"{name}: got {got}, want {want}, in {line}")


def expect_side(line, side):
    for name, look in LOOKS.items():
        expect_look(line, name, look[2][side])


def expect_unset(line, but=None):
    for name in LOOKS:
        if name != but:
            expect_look(line, name, UNSET.get(name))


@scene("each option is in force on its side, and only there")
def each_in_force():
    ends = pair()
    expect_alive(*ends)
    for side in (0, 1):
        expect_unset(settled(side)[0])
    close_both(ends)
    for name, look in LOOKS.items():
        for side in (0, 1):
            with options(side, f"{name} {look[0][side]}"):
                ends = pair()
                expect_alive(*ends)
                line = settled(side)[0]
                expect_look(line, name, look[2][side])
                # BBR enables pacing, without a limit.
                expect_unset(line, name)
                expect_unset(settled(1 - side)[0])
                close_both(ends)


@scene("both sides have their own values at the same time, IPv6 too")
def both_sides():
    kp("server add app [fd02::2]:9000")
    kp("server set app 10.2.0.2:9000 weight 0")
    with options(0, words(0)), options(1, words(1)):
        ends = pair(to=FRONT6, at=BACK6)
        expect_alive(*ends)
        for side, tclass in ((0, "0xb8"), (1, "0x28")):
            line = settled(side)[0]
            expect_side(line, side)
            expect(value(line, r"tclass:(0x\w+)"), tclass, "traffic class")
        close_both(ends)
    kp("server set app 10.2.0.2:9000 weight 1")
    kp("server del app [fd02::2]:9000")


@scene("a change applies to new sessions, live ones keep their values")
def run_time():
    old = pair()
    expect_alive(*old)
    with options(0, words(0)), options(1, words(1)):
        new = pair()
        expect_alive(*new)
        expect_alive(*old)
        ports = (old[0].getsockname()[1], old[1].getpeername()[1])
        for side in (0, 1):
            for line in settled(side, 2):
                if re.search(rf":{ports[side]} ", line):
                    expect_unset(line)
                else:
                    expect_side(line, side)
    for sock in old + new:
        sock.close()
    wait_gone()
    again = pair()
    expect_alive(*again)
    for side in (0, 1):
        expect_unset(settled(side)[0])


@scene("a congestion control that is a module is loaded when it is set, and "
       "again when it must")
def congestion_module():
    if run("modinfo", "tcp_vegas", check=False).returncode:
        say("# this kernel has no such module")
        return
    for side in (0, 1):
        with options(side, "congestion vegas"):
            ends = pair()
            expect_alive(*ends)
            expect(value(socket_of(side), r" (vegas) "), "vegas",
                   "congestion control")
            close_both(ends)
    with options(1, "congestion vegas"):
        run("rmmod", "tcp_vegas")
        ends = pair()
        expect_alive(*ends)
        expect(value(socket_of(1), r" (vegas) "), "vegas", "after rmmod")
        close_both(ends)


@scene("without a congestion control it is the namespace's, as it is then")
def congestion_default():
    for side in (0, 1):
        kp(f"{SIDES[side]} congestion bbr")
        kp(f"{SIDES[side]} congestion default")
    with sysctl(PROXY, net__ipv4__tcp_congestion_control="reno"):
        ends = pair()
        expect_alive(*ends)
        for side in (0, 1):
            expect_look(socket_of(side), "congestion", "reno")
        close_both(ends)


@contextlib.contextmanager
def capture(ns, device="eth0"):
    """A function that returns the IP packets received there so far."""
    with netns(ns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                             socket.htons(3))
    sock.bind((device, 0))
    sock.setblocking(False)
    seen = []

    def packets():
        with contextlib.suppress(BlockingIOError):
            while True:
                data, where = sock.recvfrom(1 << 16)
                if where[2] != 4:  # without packets that the host itself sends
                    seen.append(data)
        return seen

    with sock:
        yield packets


def classes_from(packets, source):
    """DSCP of the TCP packets from an address, SYN+ACKs and others."""
    found = set()
    for data in packets:
        if data[0] >> 4 == 4 and data[9] == 6:
            if data[12:16] == socket.inet_aton(source[0]):
                found.add(data[1] >> 2)
        elif data[0] >> 4 == 6 and data[6] == 6:
            if data[8:24] == socket.inet_pton(socket.AF_INET6, source[0]):
                found.add((struct.unpack("!H", data[:2])[0] >> 6) & 63)
    return found


@scene("dscp is on every packet to that side's peer, from the first one on")
def dscp_on_wire():
    for to in FRONT, FRONT6:
        with options(0, "dscp 46"), options(1, "dscp 10"), \
                capture(CLIENT) as to_client, capture(SERVER) as to_server:
            ends = pair(to=to)
            expect_alive(*ends)
            close_both(ends)
            expect(classes_from(to_client(), to), {46}, "to the client")
            expect(classes_from(to_server(), ("10.2.0.1", 0)), {10},
                   "to the server")
    with capture(CLIENT) as to_client, capture(SERVER) as to_server:
        ends = pair()
        expect_alive(*ends)
        expect(classes_from(to_client(), FRONT), {0}, "to the client")
        expect(classes_from(to_server(), ("10.2.0.1", 0)), {0},
               "to the server")


@scene("dscp of a dual-stack listener reaches IPv4 clients and IPv6 clients")
def dscp_dual_stack():
    kp("listener add dual *:8002 upstream app dscp 20")
    try:
        for to in (FRONT[0], 8002), (FRONT6[0], 8002):
            with capture(CLIENT) as to_client:
                ends = pair(to=to)
                expect_alive(*ends)
                close_both(ends)
                expect(classes_from(to_client(), to), {20}, f"to {to[0]}")
    finally:
        kp("listener del dual")


@scene("mark steers the packets of its side")
def mark_steers():
    rule = ("ip", "-n", PROXY, "rule")
    run(*rule, "add", "fwmark", "7", "prohibit")
    try:
        ends = pair()
        expect_alive(*ends)
        close_both(ends)
        with options(1, "mark 7"):
            client = knock()
            if client:
                send_for_reset(client, b"hello?", "the client")
            wait_gone()
        with options(0, "mark 7"):
            client = new_socket(CLIENT, FRONT)
            client.settimeout(1.5)
            with contextlib.suppress(TimeoutError):
                client.connect(FRONT)
                raise Failed("the client was answered")
    finally:
        run(*rule, "del", "fwmark", "7", "prohibit")
    ends = pair()
    expect_alive(*ends)


@contextlib.contextmanager
def nothing_twice():
    """The proxy retransmits nothing, nor sends more because of that."""
    def change(*words):
        for device, net in (("front", 1), ("back", 2)):
            run("ip", "-n", PROXY, "route", "change", f"10.{net}.0.0/24",
                "dev", device, "proto", "kernel", "scope", "link", "src",
                f"10.{net}.0.1", *words)

    with sysctl(PROXY, net__ipv4__tcp_early_retrans=0):
        change("rto_min", "100s")
        try:
            yield
        finally:
            change()


def waiting_bytes(side):
    """How many of three pieces wait while nothing is acknowledged."""
    ends = pair({"nodelay": True}, {"nodelay": True})
    expect_alive(*ends)
    settled(side)
    source = ends[0] if side else ends[1]
    with netem(SERVER if side else CLIENT, "eth0", "loss", "100%"):
        for n in range(3):
            source.sendall(b"%d" % n)
            wait_acked(source, f"piece {n} is at the proxy")
        line = wait_for(lambda: next((line for line in sockets_of(side)
                                      if " unacked:" in line), None),
                        "something is in flight")
    kp("session kill listener web")
    wait_gone()
    return number(line, r"notsent:(\d+)")


@scene("nodelay: small pieces leave at once, without it they wait")
def nodelay():
    with nothing_twice():
        for side in (0, 1):
            expect(waiting_bytes(side), 0, f"bytes that wait, side {side}")
            with options(side, "nodelay off"):
                expect(waiting_bytes(side), 2, f"bytes that wait, side {side}")
            with options(1 - side, "nodelay off"):
                expect(waiting_bytes(side), 0, f"bytes that wait, side {side}")


@scene("keepalive finds a dead peer in time; off, no probe is sent")
def keepalive():
    for side in (0, 1):
        ns = SERVER if side else CLIENT
        with options(side, "keepalive 1s,1s,2"):
            ends = pair()
            expect_alive(*ends)
            begun = time.monotonic()
            # Its packets are lost, so that no answer comes.
            with netem(ns, "eth0", "loss", "100%"):
                wait_for(lambda: not sessions(), "the session is gone", 10)
            expect_between(time.monotonic() - begun, 1.9, 4 + limit(2),
                           f"seconds, side {side}")
            wait_gone()
        with options(side, "keepalive off"):
            ends = pair()
            expect_alive(*ends)
            expect_look(settled(side)[0], "keepalive", "none")
            close_both(ends)


@scene("user-timeout ends a session whose bytes are not acknowledged")
def user_timeout():
    for side in (0, 1):
        ns = SERVER if side else CLIENT
        with options(side, "user-timeout 2s"):
            ends = pair()
            expect_alive(*ends)
            source = ends[0] if side else ends[1]
            with netem(ns, "eth0", "loss", "100%"):
                begun = time.monotonic()
                source.sendall(b"into the void")
                wait_for(lambda: not sessions(), "the session is gone", 15)
            expect_between(time.monotonic() - begun, 1.9, 4 + limit(4),
                           f"seconds, side {side}")
            wait_gone()
        # The other side's time-out is not this one's.
        with options(1 - side, "user-timeout 1s"):
            ends = pair()
            expect_alive(*ends)
            source = ends[0] if side else ends[1]
            with netem(ns, "eth0", "loss", "100%"):
                source.sendall(b"later")
                time.sleep(3)
                expect(len(sessions()), 1, "sessions")
            sink = ends[1] if side else ends[0]
            expect(read_exactly(sink, 5), b"later", "what was sent")
            close_both(ends)


@scene("notsent-lowat bounds unsent data in the socket, and the stream is whole")
def notsent_lowat():
    for side in (0, 1):
        for words, low, high in (("notsent-lowat 0", 256 * KB, 1 << 30),
                                 ("notsent-lowat 16k", 1, 160 * KB)):
            with options(side, words + " sndbuf 4m"):
                ends = pair()
                expect_alive(*ends)
                source, sink = ends if side else ends[::-1]
                stream = Stream(11)
                total = fill_quickly(source, stream)
                line = socket_of(side)
                expect_between(number(line, r"notsent:(\d+)"), low, high,
                               f"bytes not sent, {words}, side {side}")
                receive_stream(sink, Stream(11), total, end=False)
                close_both(ends)


@scene("small batches and a tiny notsent-lowat do not stall the stream")
def lowat_no_stall():
    total = scaled(2 * MB, 128 * KB)
    with options(0, "notsent-lowat 1"), options(1, "notsent-lowat 1"):
        listener = listen()
        begun = time.monotonic()
        client = connect(nodelay=True)
        server = accept(listener)
        # Pieces that are spliced and fill the array of fragments.
        threads = Threads()
        threads.go(send_stream, client, Stream(12), total, lambda: 700)
        receive_stream(server, Stream(12), total)
        threads.join()
        expect_between(time.monotonic() - begun, 0, limit(20), "seconds")
        server.close()
        expect_eof(client, "at the client")
        wait_gone()


@scene("pacing: data is sent no faster, on its side alone")
def pacing():
    # Slower than a debug kernel is without pacing.
    size, seconds = (128 * KB, 4) if SLOW else (MB, 1)
    rate = size * 8 // 1000 // seconds
    for side in (0, 1):
        with options(side, f"pacing {rate}kbit"):
            ends = pair()
            expect_alive(*ends)
            took = [0, 0]
            for way in (0, 1):
                begun = time.monotonic()
                threads = Threads()
                threads.go(send_stream, ends[way], Stream(13), size,
                           end=False)
                receive_stream(ends[1 - way], Stream(13), size, end=False)
                threads.join()
                took[way] = time.monotonic() - begun
            # The socket to the server sends as the client does.
            slow, fast = took[1 - side], took[side]
            say(f"# paced {slow:.2f} s, not paced {fast:.2f} s")
            # But for the first burst.
            expect_between(slow, 0.7 * seconds, 1.2 * seconds + limit(5),
                           f"seconds, side {side}")
            expect_between(fast, 0, slow, "seconds the other way")
            close_both(ends)


# Fast open


SPARE = ("10.2.0.3", 9000)


def cookies():
    """A session that gives the proxy a cookie of the server."""
    ends = fast_pair()
    expect_alive(*ends)
    close_both(ends)


def fast_listen(address=BACK):
    sock = new_socket(SERVER, address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 100)
    sock.bind(address)
    sock.listen(100)
    return sock


def fast_pair():
    listener = fast_listen()
    here = connect()
    there = accept(listener)
    listener.close()
    return here, there


def forget_cookies():
    for ns in CLIENT, PROXY:
        run("ip", "-n", ns, "tcp_metrics", "flush")


@contextlib.contextmanager
def one_at_a_time():
    """Clients wait in the backlog, with their data."""
    kp("listener set web maxconn 1")
    try:
        yield
    finally:
        kp("listener set web maxconn 0")


def held_up(word):
    """A session, and a client behind it whose bytes are in the backlog."""
    first = fast_pair()
    expect_alive(*first)
    waiting = connect()
    waiting.sendall(word)
    wait_acked(waiting)
    return first, waiting


def let_on(first):
    """The client behind that session continues, to a server that listens
    now."""
    listener = fast_listen()
    for sock in first:
        sock.close()
    server = accept(listener)
    listener.close()
    return server


def data_in_syn(packets):
    """TCP payload of SYNs, as captured."""
    found = b""
    for data in packets:
        if data[0] >> 4 != 4 or data[9] != 6:
            continue
        tcp = data[(data[0] & 15) * 4:struct.unpack("!H", data[2:4])[0]]
        if tcp[13] & 0x12 == 0x02:
            found += tcp[(tcp[12] >> 4) * 4:]
    return found


@scene("fastopen of an upstream: the client's first bytes go with the SYN")
def fastopen_connect():
    forget_cookies()
    with options(1, "fastopen on"):
        cookies()
        word = b"data that came before the server was asked"
        with one_at_a_time(), capture(SERVER) as to_server:
            first, waiting = held_up(word)
            active = counter(PROXY, "TcpExtTCPFastOpenActive")
            passive = counter(SERVER, "TcpExtTCPFastOpenPassive")
            server = let_on(first)
            expect(read_exactly(server, len(word)), word, "the bytes")
            expect(data_in_syn(to_server()), word, "bytes in a SYN")
            expect(counter(PROXY, "TcpExtTCPFastOpenActive") - active, 1,
                   "connects with data")
            expect(counter(SERVER, "TcpExtTCPFastOpenPassive") - passive, 1,
                   "accepted with data")
            expect_alive(waiting, server)
            session = sessions()[0]
            expect(session["bytes_in"], len(word) + 4, "bytes in")
            close_both((waiting, server))
    with one_at_a_time(), capture(SERVER) as to_server:
        first, waiting = held_up(b"not early")
        server = let_on(first)
        expect(read_exactly(server, 9), b"not early", "the bytes")
        expect(data_in_syn(to_server()), b"", "bytes in a SYN without it")


@scene("fastopen of an upstream: a PROXY header goes first, with the SYN")
def fastopen_header():
    forget_cookies()
    with options(1, "fastopen on"):
        cookies()
        word = b"data that came before the server was asked"
        with one_at_a_time(), capture(SERVER) as to_server:
            first, waiting = held_up(word)
            kp("upstream set app send-proxy v1")
            server = let_on(first)
            kp("upstream set app send-proxy off")
            want = b"PROXY TCP4 10.1.0.2 10.1.0.1 %d 8000\r\n%s" % (
                waiting.getsockname()[1], word)
            expect(read_exactly(server, len(want)), want, "the bytes")
            expect(data_in_syn(to_server()), want, "bytes in a SYN")
            expect(sessions()[0]["bytes_in"], len(word), "bytes in")
            expect_alive(waiting, server)
            close_both((waiting, server))


@scene("fastopen of an upstream: data larger than a SYN arrives whole")
def fastopen_large():
    total = scaled(256 * KB, 32 * KB)
    with options(1, "fastopen on"), one_at_a_time():
        cookies()
        stream = Stream(14)
        first, waiting = held_up(stream.take(30000))
        server = let_on(first)
        threads = Threads()
        threads.go(send_stream, waiting, stream, total)
        receive_stream(server, Stream(14), 30000 + total)
        threads.join()
        server.close()
        expect_eof(waiting, "at the client")
        wait_gone()


@scene("fastopen of an upstream: a server that speaks first is heard, and so "
       "is a client that says nothing at all")
def fastopen_server_first():
    with options(1, "fastopen on"):
        cookies()
        listener = fast_listen()
        client = connect()
        server = accept(listener)
        server.sendall(b"220 ready")
        expect(read_exactly(client, 9), b"220 ready", "the greeting")
        expect_alive(client, server)
        close_both((client, server))
        # The end of a stream, and nothing else.
        client = connect()
        server = accept(listener)
        client.shutdown(socket.SHUT_WR)
        expect_eof(server, "at the server")
        server.close()
        expect_eof(client, "at the client")
        wait_gone()


@contextlib.contextmanager
def silent(address):
    """Nothing comes back from this address."""
    rule = ("from", address[0], "blackhole")
    run("ip", "-n", SERVER, "rule", "add", *rule)
    try:
        yield
    finally:
        run("ip", "-n", SERVER, "rule", "del", *rule)


def second_gets(word, answer):
    """The first server does not accept the bytes, so that a backup must."""
    first, waiting = held_up(word)
    listener = listen(SPARE)
    before = show("server show app")[0]["stats"]["connect_failures"]
    with answer:
        # Not closed: the session would wait for a silent server's end.
        for sock in first:
            reset(sock)
        server = accept(listener)
        expect(read_exactly(server, len(word)), word, "the bytes")
        expect_alive(waiting, server)
    listener.close()
    failed = show("server show app")[0]["stats"]["connect_failures"]
    expect(failed - before, 1, "connects to the first that failed")
    close_both((waiting, server))


@scene("fastopen of an upstream: another server gets the bytes of a SYN that "
       "was not answered")
def fastopen_retry():
    kp("listener set web connect-timeout 1s")
    kp("server add app %s:%d backup on" % SPARE)
    with options(1, "fastopen on"), one_at_a_time():
        for answer in (contextlib.nullcontext(), silent(BACK)):
            cookies()
            second_gets(Stream(15).take(900), answer)
    kp("server del app %s:%d" % SPARE)
    kp("listener set web connect-timeout 5s")


def fast_connect(word):
    client = new_socket(CLIENT, FRONT)
    client.settimeout(None)
    client.sendto(word, socket.MSG_FASTOPEN, FRONT)
    client.settimeout(limit(20))
    return client


@scene("fastopen of a listener: a client's SYN with data begins a session")
def fastopen_accept():
    forget_cookies()
    with options(0, "fastopen on"):
        listener = listen()
        for n in (0, 1):
            before = counter(PROXY, "TcpExtTCPFastOpenPassive")
            with capture(PROXY, "front") as to_proxy:
                client = fast_connect(b"early")
                server = accept(listener)
                expect(read_exactly(server, 5), b"early", "the bytes")
                expect(counter(PROXY, "TcpExtTCPFastOpenPassive") - before, n,
                       "accepted with data")
                expect(data_in_syn(to_proxy()), b"early" * n,
                       "bytes in a SYN")
            expect_alive(client, server)
            close_both((client, server))
        # An end of stream that overtakes the client's handshake.
        with netem(CLIENT, "eth0", "delay", "300ms"):
            client = fast_connect(b"quick")
            server = accept(listener)
            expect(read_exactly(server, 5), b"quick", "the bytes")
            server.sendall(b"and gone")
            server.close()
            expect(read_exactly(client, 8), b"and gone", "the answer")
            expect_eof(client, "after the answer")
            client.close()
        wait_gone()
    before = counter(PROXY, "TcpExtTCPFastOpenPassive")
    client = fast_connect(b"early")
    server = accept(listener)
    expect(read_exactly(server, 5), b"early", "the bytes")
    expect(counter(PROXY, "TcpExtTCPFastOpenPassive") - before, 0,
           "accepted with data without it")


# Connections without a client


FAR = ("10.9.0.2", 9000)


@contextlib.contextmanager
def far_server():
    """A server to which only packets with mark 7 find the way."""
    rule = ("ip", "-n", PROXY, "rule")
    run("ip", "-n", SERVER, "addr", "add", FAR[0], "dev", "lo")
    run("ip", "-n", PROXY, "route", "add", FAR[0], "via", BACK[0], "table",
        "77")
    run(*rule, "add", "fwmark", "7", "lookup", "77")
    kp("upstream add far")
    kp(f"server add far {FAR[0]}:{FAR[1]}")
    try:
        yield
    finally:
        kp("listener set web upstream app", check=False)
        kp("upstream del far")
        run(*rule, "del", "fwmark", "7", "lookup", "77")
        run("ip", "-n", PROXY, "route", "flush", "table", "77")
        run("ip", "-n", SERVER, "addr", "del", FAR[0], "dev", "lo")


def far_health():
    return show("server show far")[0]["health"]


@scene("a session, a check and an idle connection have the same options")
def all_kinds():
    words = "mark 7 dscp 10 source 10.2.0.11 fastopen on"
    run("ip", "-n", PROXY, "addr", "add", "10.2.0.11/24", "dev", "back")
    with far_server(), listen(FAR) as listener:
        with capture(SERVER) as to_server:
            kp(f"upstream set far {words} check tcp interval 100ms")
            # It is reset at once, so its options cannot be read.
            check, peer = listener.accept()
            expect(peer[0], "10.2.0.11", "where it came from")
            wait_for(lambda: far_health() == "up", "the server is up")
            expect(classes_from(to_server(), ("10.2.0.11", 0)), {10},
                   "DSCP of a check")
            expect(classes_from(to_server(), ("10.2.0.1", 0)), set(),
                   "DSCP from elsewhere")
        check.close()
        # Without the mark it is unreachable, and the checks fail.
        kp("upstream set far mark 0 timeout 100ms fall 1")
        wait_for(lambda: far_health() == "down", "the server is down")
        kp("upstream set far mark 7 rise 1 timeout 1s")
        wait_for(lambda: far_health() == "up", "the server is up again")
        kp("upstream set far check off")
        kp("listener set web upstream far")
        for sock in iter(lambda: accepted_now(listener), None):
            sock.close()
        for ahead in (0, 1):
            kp(f"upstream set far preconnect {ahead}")
            if ahead:
                wait_for(lambda: show("server show far")[0]["preconnect"]
                         ["ready"], "one is ready")
            client = connect()
            client.sendall(b"hello")
            server = with_data(listener)
            expect(server.getpeername()[0], "10.2.0.11", "where it came from")
            expect_alive(client, server)
            client.close()
            server.close()
            wait_for(lambda: not sessions(), "the session has ended")
    run("ip", "-n", PROXY, "addr", "del", "10.2.0.11/24", "dev", "back")
    wait_gone()


def accepted_now(listener):
    listener.settimeout(limit(0.3))
    try:
        return accept(listener)
    except TimeoutError:
        return None
    finally:
        listener.settimeout(limit(20))


def with_data(listener):
    """The first one with data, which is read; others are kept."""
    waiting = []
    while True:
        waiting.append(accept(listener))
        ready, _, _ = select.select(waiting, [], [], 0.3)
        if ready:
            expect(read_exactly(ready[0], 5), b"hello", "what came")
            return ready[0]


main()
