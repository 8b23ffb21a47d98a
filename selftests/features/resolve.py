# SPDX-License-Identifier: GPL-2.0
"""
Servers that are names: "kproxy resolve" follows what a name server says, whatever
that is, and keeps what it has when nobody says anything sensible.
"""

import contextlib
import itertools
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from peer import (PROXY, SERVER, EchoServer, Failed, connect, expect, kp, limit,
                  main, netns, read_exactly, scene, show, wait_for)

SET_UP = r"""
load
topology
kp upstream add app
kp listener add web '10.1.0.1:8000,[fd01::1]:8000' upstream app
"""

NAME = "api.example.com:9000"
A, AAAA, SRV, CNAME = 1, 28, 33, 5
TMP = pathlib.Path(tempfile.mkdtemp())


# A name server that says what a scene wants


def label(name):
    return b"".join(bytes([len(part)]) + part.encode()
                    for part in name.split(".") if part) + b"\0"


def record(name, kind, data, ttl=1):
    return label(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def address(name, text, ttl=1):
    v6 = ":" in text
    return record(name, AAAA if v6 else A,
                  socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET,
                                   text), ttl)


class NameServer:
    """Answers by self.say(name, kind), of which see reply()."""

    ports = itertools.count(5300)

    def __init__(self):
        port = next(self.ports)
        self.addresses = {}
        self.mode = None
        self.asked = 0
        with netns(SERVER):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.tcp = socket.create_server(("10.2.0.2", port))
        self.udp.bind(("10.2.0.2", port))
        self.at = f"10.2.0.2:{port}"
        for serve in self._serve_udp, self._serve_tcp:
            threading.Thread(target=serve, daemon=True).start()

    def _serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.udp.recvfrom(4096)
                for reply in self.reply(query, False):
                    self.udp.sendto(reply, peer)

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.tcp.accept()
                threading.Thread(target=self._serve_one, args=(sock,),
                                 daemon=True).start()

    def _serve_one(self, sock):
        with contextlib.suppress(OSError, Failed), sock:
            while True:
                size = struct.unpack(">H", read_exactly(sock, 2))[0]
                for reply in self.reply(read_exactly(sock, size), True):
                    sock.sendall(struct.pack(">H", len(reply)) + reply)

    def reply(self, query, tcp):
        self.asked += 1
        ident = query[:2]
        at, parts = 12, []
        while query[at]:
            parts.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, question = ".".join(parts).lower(), query[12:at + 5]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        good = [address(name, text) for text in self.addresses.get(name, ())
                if (":" in text) == (kind == AAAA) and kind in (A, AAAA)]

        def message(records=(), code=0, flags=0x8180, extra=(),
                    number=ident, asked=question):
            return (number + struct.pack(">HHHHH", flags | code, 1,
                                         len(records), 0, len(extra)) +
                    asked + b"".join(records) + b"".join(extra))

        mode = self.mode
        if isinstance(mode, dict):
            mode = mode.get(kind)
        if mode == "silent":
            return
        if mode == "servfail":
            yield message(code=2)
        elif mode == "nxdomain":
            yield message(code=3)
        elif mode == "nothing":
            yield message()
        elif mode == "id":
            yield message([address(name, "10.2.0.4")],
                          number=bytes(b ^ 0x55 for b in ident))
        elif mode == "question":
            yield message([address(name, "10.2.0.4")],
                          asked=label("other.example.com") + question[-4:])
        elif mode == "section":
            yield message(extra=[address(name, "10.2.0.4")])
        elif mode == "owner":
            yield message([address("other.example.com", "10.2.0.4")])
        elif mode == "loop":
            yield message([record(name, CNAME, label("b.example.com")),
                           record("b.example.com", CNAME, label(name))])
        elif mode == "unusable":
            yield message([address(name, text) for text in
                           (("0.0.0.0", "224.0.0.1") if kind == A else
                            ("::", "fe80::1", "ff02::1"))])
        elif mode == "garbage":
            yield ident + b"\x81\x80\0\1\xff\xff\0\0\0\0" + question + \
                b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4"
        elif mode == "short":
            yield query[:7]
        elif mode == "truncated" and not tcp:
            yield message(flags=0x8380)
        elif mode == "truncated forever":
            yield message(flags=0x8380)
        else:
            yield message(good)

    def close(self):
        self.udp.close()
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()


class Resolver:
    """The command, until it is stopped."""

    def __init__(self, *options):
        self.log = open(TMP / "log", "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", PROXY, "kproxy", "resolve", *options],
            stderr=self.log)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(limit(10))


@contextlib.contextmanager
def following(*addresses, name="api.example.com", options=()):
    names = NameServer()
    names.addresses[name] = list(addresses)
    resolver = Resolver("nameserver", names.at, *options)
    try:
        yield names
    finally:
        if resolver.process.poll() is None:
            expect(resolver.stop(), 0, "exit status of the resolver")
        names.close()
        kp("config apply -", text=BASE)


BASE = """
upstreams: {app: }
listeners: {web: {listen: ["10.1.0.1:8000", "[fd01::1]:8000"], upstream: app}}
"""


def servers(upstream="app"):
    return {row["address"]: row for row in show(f"server show {upstream}")}


def states(upstream="app"):
    return {address: row["state"] for address, row in servers(upstream).items()}


def up(*addresses):
    return {address: "up" for address in addresses}


def wait_states(want, upstream="app", seconds=20):
    wait_for(lambda: states(upstream) == want,
             f"servers are {want}, not {states(upstream)}", seconds)


def follow(name=NAME, options=""):
    return kp(f"server add app {name} resolve on {options}")


def wait_asked(names, times=4):
    """The name server was asked this often from now on."""
    before = names.asked
    wait_for(lambda: names.asked >= before + times,
             f"it is asked {times} times", 60)


@scene("a name becomes servers, and they change with it")
def changes():
    with following("10.2.0.2", "fd02::2") as names:
        echo = EchoServer()
        follow(options="weight 3 maxconn 7")
        wait_states(up("10.2.0.2:9000", "[fd02::2]:9000"))
        expect({(r["weight"], r["maxconn"]) for r in servers().values()},
               {(3, 7)}, "their options")
        names.addresses["api.example.com"] = ["10.2.0.2"]
        wait_states(up("10.2.0.2:9000"))
        client = connect()
        client.sendall(b"hello")
        expect(read_exactly(client, 5), b"hello", "what comes back")
        names.addresses["api.example.com"] = ["10.2.0.3", "10.2.0.4"]
        want = up("10.2.0.3:9000", "10.2.0.4:9000")
        wait_states(want | {"10.2.0.2:9000": "drain"})
        # The session lives, and its server with it.
        wait_asked(names)
        client.sendall(b"again")
        expect(read_exactly(client, 5), b"again", "what comes back")
        expect(states()["10.2.0.2:9000"], "drain", "its state")
        client.close()
        wait_states(want)
        # One that comes back while it is drained is used again.
        kp("server set app api.example.com:9000 weight 9")
        wait_for(lambda: {r["weight"] for r in servers().values()} == {9},
                 "the weight is 9")
        kp("server del app api.example.com:9000")
        wait_states({})
        echo.close()


@scene("a server that is drained comes back")
def comes_back():
    with following("10.2.0.2") as names:
        echo = EchoServer()
        follow()
        wait_states(up("10.2.0.2:9000"))
        client = connect()
        client.sendall(b"hello")
        expect(read_exactly(client, 5), b"hello", "what comes back")
        names.addresses["api.example.com"] = ["10.2.0.3"]
        wait_states({"10.2.0.2:9000": "drain", "10.2.0.3:9000": "up"})
        names.addresses["api.example.com"] = ["10.2.0.2"]
        wait_states(up("10.2.0.2:9000"))
        client.sendall(b"again")
        expect(read_exactly(client, 5), b"again", "what comes back")
        client.close()
        echo.close()


@scene("what cannot be an answer changes nothing")
def lies():
    with following("10.2.0.2", "10.2.0.3") as names:
        follow()
        want = up("10.2.0.2:9000", "10.2.0.3:9000")
        wait_states(want)
        for mode in ("nxdomain", "nothing", "servfail", "id", "question",
                     "section", "owner", "loop", "unusable", "garbage", "short",
                     "truncated forever", "silent"):
            names.mode = mode
            wait_asked(names, 2)
            expect(states(), want, f"servers after {mode!r}")
            names.mode = None
            wait_asked(names, 2)
            expect(states(), want, f"servers after {mode!r} and the truth")
        # And after all that it still listens.
        names.addresses["api.example.com"] = ["10.2.0.4"]
        wait_states(up("10.2.0.4:9000"), seconds=120)


@scene("one family that cannot be looked up keeps its servers")
def families():
    with following("10.2.0.2", "fd02::2") as names:
        follow()
        wait_states(up("10.2.0.2:9000", "[fd02::2]:9000"))
        names.mode = {AAAA: "servfail"}
        names.addresses["api.example.com"] = ["10.2.0.3"]
        wait_states(up("10.2.0.3:9000", "[fd02::2]:9000"))
        # There is none: that is an answer.
        names.mode = {AAAA: "nothing"}
        wait_states(up("10.2.0.3:9000"), seconds=90)


@scene("an answer that is too large for a datagram comes by TCP")
def truncated():
    many = [f"10.3.{n // 200}.{n % 200 + 1}" for n in range(1500)]
    with following("10.2.0.2") as names:
        names.mode = "truncated"
        names.addresses["api.example.com"] = many[:300]
        follow()
        wait_states(up(*(f"{a}:9000" for a in many[:300])), seconds=60)
        names.addresses["api.example.com"] = many
        wait_for(lambda: len(servers()) == 1024,
                 "as many servers as are taken of one name", 60)


@scene("names in a file: applied, saved, kept and taken away")
def files():
    text = """
upstreams:
  app:
    servers:
      - name: api.example.com:9000
        weight: 2
      - address: 10.2.0.4:9000
  other:
    servers: [{name: api.example.com:9001, resolve: yes}]
listeners: {web: {listen: ["10.1.0.1:8000", "[fd01::1]:8000"], upstream: app}}
"""
    with following("10.2.0.2", "10.2.0.3") as names:
        kp("config apply -", text=text)
        app = up("10.2.0.2:9000", "10.2.0.3:9000", "10.2.0.4:9000")
        wait_states(app)
        wait_states(up("10.2.0.2:9001", "10.2.0.3:9001"), "other")
        saved = kp("-j config save").stdout
        got = json.loads(saved)["upstreams"]
        expect(got["app"]["servers"],
               [{"address": "10.2.0.4:9000"},
                {"name": "api.example.com:9000", "weight": "2"}], "what is saved")
        expect(got["other"]["servers"], [{"name": "api.example.com:9001"}],
               "what is saved")
        for again in saved, text:
            expect(kp("config apply --dry-run -", text=again).stdout, "",
                   "the difference")
            kp("config apply -", text=again)
            expect(states(), app, "servers")
        rows = json.loads(kp("-j resolve show").stdout)
        expect({r["name"]: sorted(r["servers"]) for r in rows},
               {"api.example.com:9000": ["10.2.0.2:9000", "10.2.0.3:9000"],
                "api.example.com:9001": ["10.2.0.2:9001", "10.2.0.3:9001"]},
               "what is followed")
        # A person's own is nobody else's, also if the name has it.
        names.addresses["api.example.com"] = ["10.2.0.4"]
        wait_states(up("10.2.0.4:9000"))
        names.addresses["api.example.com"] = ["10.2.0.3"]
        wait_states(up("10.2.0.3:9000", "10.2.0.4:9000"))
        kp("config apply -", text=text.replace("name: api.example.com:9000",
                                               "address: 10.2.0.3:9000"))
        expect(states(), up("10.2.0.3:9000", "10.2.0.4:9000"), "servers")
        names.addresses["api.example.com"] = ["10.2.0.2"]
        wait_states(up("10.2.0.2:9001"), "other")
        expect(states(), up("10.2.0.3:9000", "10.2.0.4:9000"), "servers")
        kp("config flush")
        expect(json.loads(kp("-j resolve show").stdout), [], "what is followed")


@scene("another resolver is refused; one that was killed is replaced")
def killed():
    with following("10.2.0.2") as names:
        follow()
        wait_states(up("10.2.0.2:9000"))
        second = Resolver("nameserver", names.at)
        expect(second.process.wait(limit(10)), 2, "exit status of a second one")
        third = None
        for n, way in enumerate((signal.SIGKILL, signal.SIGTERM)):
            victim = third or find_resolver()
            os.kill(victim, way)
            wait_for(lambda victim=victim: not is_alive(victim), "it has ended")
            names.addresses["api.example.com"] = [f"10.2.0.{3 + n}"]
            third = Resolver("nameserver", names.at).process.pid
            wait_states(up(f"10.2.0.{3 + n}:9000"))
        os.kill(third, signal.SIGTERM)
        wait_for(lambda: not is_alive(third), "it has ended")


def find_resolver():
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().startswith(b"kproxy\0resolve\0nameserver"):
                return int(path.parent.name)
    raise Failed("there is no resolver")


def is_alive(pid):
    with contextlib.suppress(OSError):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    return False


@scene("a resolver that starts while a name is added follows it")
def starts_among_commands():
    names = NameServer()
    names.addresses["api.example.com"] = ["10.2.0.2"]
    try:
        for delay in range(25):
            resolver = Resolver("nameserver", names.at)
            time.sleep(delay / 1000)
            follow()
            wait_states(up("10.2.0.2:9000"))
            expect(resolver.stop(), 0, "exit status of the resolver")
            kp("config apply -", text=BASE)
    finally:
        names.close()
        kp("config apply -", text=BASE)


@scene("names and options that cannot be followed are refused")
def refused():
    for words, why in (
            ("add app 10.2.0.2:80 resolve on", "not a host name"),
            ("add app api.example.com resolve on", "a port is missing"),
            ("add app api.example.com:80 resolve maybe", "must be off or on"),
            ("add app api.example.com:80 resolve on weight 999",
             'server "api.example.com:80": weight 999'),
            ("add nowhere api.example.com:80 resolve on", 'upstream "nowhere"'),
            ("add app _http._tcp.api.example.com:80 resolve on", "no port"),
            ("add app _http resolve on", "_SERVICE._PROTO.DOMAIN")):
        done = kp(f"server {words}", check=False)
        if not done.returncode or why not in done.stderr:
            raise Failed(f"{words}: got {done.stderr!r}, want {why!r}")
    expect(json.loads(kp("-j resolve show").stdout), [], "what is followed")
    follow()
    done = kp("server add app api.example.com:9000 resolve on", check=False)
    expect(done.returncode, 2, "exit status for the same again")
    kp("config flush")
    kp("config apply -", text=BASE)


# A real name server


@contextlib.contextmanager
def dnsmasq(hosts, *options):
    path = TMP / "hosts"
    path.write_text(hosts)
    process = subprocess.Popen(
        ["ip", "netns", "exec", SERVER, "dnsmasq", "-k", "-C", "/dev/null",
         "-a", "10.2.0.2", "--bind-interfaces", "-R", "-h", "-H", str(path),
         "--local-ttl=1", "-u", "root", "--pid-file",
         # It knows all of these: others do not exist. A refusal would be no
         # answer, after which the addresses of one family stay.
         "--local=/example.com/", "--local=/example.net/", "--local=/api/",
         *options])

    def change(text):
        path.write_text(text)
        process.send_signal(signal.SIGHUP)

    try:
        yield change
    finally:
        process.terminate()
        process.wait(limit(10))


@scene("dnsmasq: addresses, a search list, and its end")
def real():
    conf = pathlib.Path(f"/etc/netns/{PROXY}/resolv.conf")
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text("nameserver 10.2.0.2\nsearch example.net example.com\n")
    resolver = Resolver()
    try:
        with dnsmasq("10.2.0.2 api.example.com\n") as change:
            follow("api:9000")
            wait_states(up("10.2.0.2:9000"), seconds=30)
            change("10.2.0.3 api.example.com\nfd02::3 api.example.com\n")
            wait_states(up("10.2.0.3:9000", "[fd02::3]:9000"), seconds=30)
            # Nobody has it: the last ones stay.
            change("10.2.0.9 other.example.com\n")
            expect_stays(up("10.2.0.3:9000", "[fd02::3]:9000"))
            change("10.2.0.4 api.example.com\n")
            wait_states(up("10.2.0.4:9000"), seconds=90)
        expect_stays(up("10.2.0.4:9000"))
        with dnsmasq("10.2.0.2 api.example.com\n"):
            wait_states(up("10.2.0.2:9000"), seconds=120)
    finally:
        resolver.stop()
        conf.unlink()
        kp("config apply -", text=BASE)


def expect_stays(want, seconds=3):
    with contextlib.suppress(Failed):
        wait_for(lambda: states() != want, "a change", seconds)
    expect(states(), want, "servers")


@scene("dnsmasq: a service, with priorities and weights")
def services():
    service = "_http._tcp.api.example.com"
    resolver = Resolver("nameserver", "10.2.0.2:53")
    try:
        with dnsmasq("10.2.0.2 a.example.com\n10.2.0.3 b.example.com\n"
                     "10.2.0.4 c.example.com\n",
                     f"--srv-host={service},a.example.com,9000,10,30",
                     f"--srv-host={service},b.example.com,9001,10,10",
                     f"--srv-host={service},c.example.com,9002,20,0"):
            follow(service)
            wait_states(up("10.2.0.2:9000", "10.2.0.3:9001", "10.2.0.4:9002"),
                        seconds=30)
            rows = servers()
            expect([rows[a]["weight"] for a in sorted(rows)], [30, 10, 1],
                   "weights")
            expect([bool(rows[a].get("backup") or rows[a].get("priority"))
                    for a in sorted(rows)], [False, False, True],
                   "which are used last")
    finally:
        resolver.stop()
        kp("config apply -", text=BASE)


main()
