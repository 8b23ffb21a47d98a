# SPDX-License-Identifier: GPL-2.0
"""Checks that send a text and compare the reply with a pattern."""

import contextlib
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from peer import (BACK, PATIENCE, PROXY, SERVER, Failed, Server, Skipped, expect,
                  kp, limit, main, run, scene, show, tcp_sockets,
                  wait_for, wait_gone, written)

SET_UP = r"""
load
topology
kp upstream add app
kp listener add web 10.1.0.1:8000 upstream app connect-timeout 2s
"""

INTERVAL = 0.3 * PATIENCE
SEND = "PING\\r\\n"
GOOD = b"+PONG\r\n"


def ms(seconds):
    return f"{round(seconds * 1000)}ms"


def upstream(*words, check=True):
    """Options whose values may have blanks."""
    return run("kproxy", "-n", PROXY, "upstream", "set", "app", *words,
               check=check)


def health(address=BACK):
    return next(s["health"] for s in show("server show app")
                if s["address"] == written(address))


def wait_health(want, address=BACK, seconds=20):
    wait_for(lambda: health(address) == want,
             f"{written(address)} is {want}", seconds)


def linger(sock):
    """Until the client has closed."""
    with contextlib.suppress(OSError):
        while sock.recv(1 << 16):
            pass


def replies(*pieces, pause=0.0):
    def answer(sock):
        sock.recv(1 << 16)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        linger(sock)
    return answer


@contextlib.contextmanager
def checked(answer, *options, timeout=INTERVAL, address=BACK):
    """A server of this kind is checked, for a while."""
    def serve(sock):
        sock.settimeout(limit(20))
        answer(sock)

    server = Server(serve, address)
    upstream("interval", ms(INTERVAL), "timeout", ms(timeout), "fall", "1",
             "rise", "1", *(options or ("check", "send", "check-send", SEND,
                                        "check-expect", "+PONG")))
    kp(f"server add app {written(BACK)}")
    try:
        yield server
    finally:
        kp(f"server del app {written(BACK)}")
        upstream("check", "off", "interval", "2s", "timeout", "1s", "fall",
                 "3", "rise", "2", "check-port", "0", "send-proxy", "off")
        server.close()
    wait_for(lambda: not tcp_sockets(), "no socket is left")


@scene("a server that replies as expected is up, however it cuts the reply")
def good():
    def early(sock):
        sock.sendall(GOOD)
        linger(sock)

    def hangs_up(sock):
        sock.recv(1 << 16)
        sock.sendall(GOOD)

    for answer in (replies(GOOD), early, hangs_up,
                   replies(*(bytes([b]) for b in GOOD), pause=0.01),
                   replies(GOOD + b"x" * (1 << 20))):
        with checked(answer, timeout=INTERVAL * 5):
            wait_health("up")


@scene("a server that replies otherwise, or not at all, is down")
def bad():
    def closes(sock):
        sock.recv(1 << 16)

    def resets(sock):
        sock.recv(1 << 16)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))

    for answer in (linger, closes, resets, replies(b"-ERR\r\n"),
                   replies(b"+PON"), replies(b"x" + GOOD),
                   replies(*[b"x"] * 40, pause=0.01)):
        with checked(answer):
            wait_health("down")


@scene("a reply that never ends is not read")
def flood():
    sent = []

    def answer(sock):
        sock.settimeout(limit(5))
        sock.recv(1 << 16)
        total = 0
        try:
            while total < 64 << 20:
                total += sock.send(b"x" * (1 << 16))
        except OSError:
            pass
        sent.append(total)

    # Nothing matches, and the timeout is far away: the check ends all the same.
    with checked(answer, timeout=INTERVAL * 20):
        wait_health("down")
        wait_for(lambda: sent, "the first check has ended")
    if max(sent) > 8 << 20:
        raise Failed(f"{max(sent)} bytes were sent to a check")


@scene("a server that becomes good comes up, and falls when it hangs")
def changes():
    now = [linger]
    with checked(lambda sock: now[0](sock)) as server:
        wait_health("down")
        now[0] = replies(GOOD)
        wait_health("up")
        now[0] = linger
        wait_health("down")
        count = server.clients
        wait_for(lambda: server.clients > count + 2, "checks go on")


@scene("servers get exactly the text, behind a PROXY header where there is one")
def sent():
    got = []

    def answer(sock):
        sock.settimeout(INTERVAL / 2)
        data = b""
        with contextlib.suppress(OSError):
            while piece := sock.recv(1 << 16):
                data += piece
        got.append(data)

    text = "a\\0\\xff\\r\\n\\\\\\\"" + "x" * 1000
    data = b"a\0\xff\r\n\\\"" + b"x" * 1000
    for version, header in (("off", b""), ("v1", b"PROXY UNKNOWN\r\n"),
                            ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")):
        got.clear()
        with checked(answer, "check", "send", "check-send", text,
                     "send-proxy", version):
            wait_for(lambda: len(got) > 1, "checks have come")
        expect(got[0], header + data, "what a server got")


@scene("presets are shown as typed, and are saved and applied")
def presets():
    for check in ("http", "http example.com", "http /health?a=b",
                  "http example.com:81/health", "redis", "smtp", "mysql",
                  "postgres", "tcp"):
        upstream("check", *check.split())
        row = show("upstream show app")[0]
        expect(row["check"], check, "the check")
        expect([k for k in row if k.startswith("check-")], [],
               "other options")
        saved = kp("config save").stdout
        upstream("check", "off")
        kp("config apply -", text=saved)
        expect(show("upstream show app")[0]["check"], check, "after apply")
        expect(kp("config save").stdout, saved, "saved again")
    upstream("check", "send", "check-send", "a\\0*\\x1b",
             "check-expect", "[ab]?\\*\\n*")
    row = show("upstream show app")[0]
    expect([row.get(k) for k in ("check", "check-send", "check-expect")],
           ["send", "a\\x00*\\e", "[ab]?\\*\\n*"], "a text of one's own")
    saved = kp("config save").stdout
    upstream("check", "http")
    kp("config apply -", text=saved)
    expect(kp("config save").stdout, saved, "saved again")
    upstream("check", "off")


@scene("what does not go together is refused, and nothing changes")
def refused():
    def refuse(reason, *words):
        before = show("upstream show app")
        done = upstream(*words, check=False)
        if not done.returncode or reason not in done.stderr:
            raise Failed(f"{words}: {done.stderr}")
        expect(show("upstream show app"), before, "the upstream")

    refuse("check send needs", "check", "send")
    refuse("need check send", "check-send", "x")
    refuse("check send", "check", "tcp", "check-expect", "x")
    refuse("check send", "check", "redis", "check-expect", "x")
    refuse("255 bytes", "check", "send", "check-expect", "x" * 10000)
    refuse("1024 bytes", "check", "send", "check-send", "x" * 1025)
    refuse("1024 bytes", "check", "http", "/" + "x" * 1024)
    refuse("backslash", "check", "send", "check-send", "\\q")
    refuse("http", "check", "http a\tb")
    refuse("65535", "check-port", "65536")
    upstream("check", "send", "check-send", "x" * 1024, "check-expect",
             "y" * 255)
    upstream("check-send", "z")
    row = show("upstream show app")[0]
    expect((row["check-send"], row["check-expect"]), ("z", "y" * 255),
           "texts set one at a time")
    upstream("check", "tcp")
    expect([k for k in show("upstream show app")[0]
            if k.startswith("check-")], [], "texts after check tcp")
    upstream("check", "off")


@scene("checks connect to check-port")
def port():
    with checked(replies(GOOD), "check", "send", "check-send", SEND,
                 "check-expect", "+PONG", "check-port", "9099",
                 address=(BACK[0], 9099)):
        wait_health("up")
        upstream("check-port", "0")
        wait_health("down")
        upstream("check-port", "9099", "check", "tcp")
        wait_health("up")


@scene("changes of the text under checks of every kind")
def storm():
    end = time.monotonic() + limit(3)
    with checked(replies(GOOD), "check", "tcp"):
        upstream("interval", "10ms", "timeout", "10ms")
        n = 0
        while time.monotonic() < end:
            n += 1
            upstream(*(("check", "http"), ("check", "redis"),
                       ("check", "send", "check-expect", "x" * (n % 200 + 1)),
                       ("check-expect", "+PONG"), ("check", "tcp"),
                       ("check", "off"))[n % 6])
            if n % 10 == 0:
                kp(f"server del app {written(BACK)}")
                kp(f"server add app {written(BACK)}")
        upstream("check", "redis", "timeout", ms(INTERVAL))
        wait_health("up")
    wait_gone()


@contextlib.contextmanager
def daemon(*words):
    program = shutil.which(words[0], path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        raise Skipped(f"no {words[0]} here")
    process = subprocess.Popen(
        ["ip", "netns", "exec", SERVER, program, *words[1:]],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def real(process, preset, other):
    """A server of this kind is up by its preset, and down by another one."""
    with process as running:
        upstream("interval", ms(INTERVAL), "timeout", ms(INTERVAL * 4),
                 "fall", "1", "rise", "1", "check", *preset.split())
        kp(f"server add app {written(BACK)}")
        try:
            wait_health("up", seconds=60)
            upstream("check", *other.split())
            wait_health("down")
            upstream("check", *preset.split())
            wait_health("up")
            running.send_signal(19)
            wait_health("down")
            running.send_signal(18)
            wait_health("up")
        finally:
            kp(f"server del app {written(BACK)}")
            upstream("check", "off")


@scene("nginx is up by its answer, and down when it is stopped")
def nginx():
    with tempfile.TemporaryDirectory() as place:
        conf = pathlib.Path(place, "conf")
        conf.write_text(
            f"daemon off; master_process off; pid {place}/pid;\n"
            f"error_log {place}/log; events {{}}\n"
            f"http {{ access_log off; server {{ listen {written(BACK)};\n"
            "location = /health { return 204; }\n"
            "location / { return 503; } } }\n")
        real(daemon("nginx", "-c", str(conf), "-e", f"{place}/log"),
             "http example.com/health", "http example.com/")


@scene("Redis is up by its answer, and down when it is stopped")
def redis():
    real(daemon("redis-server", "--bind", BACK[0], "--port", str(BACK[1]),
                "--save", "", "--protected-mode", "no"), "redis", "smtp")


@scene("PostgreSQL is up by its answer, and down when it is stopped")
def postgres():
    program = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not program:
        raise Skipped("no PostgreSQL here")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        data = f"{place}/data"
        user = ["setpriv", "--reuid", "65534", "--regid", "65534",
                "--clear-groups"]
        run(*user, str(program[0].parent / "initdb"), "-D", data, "-N", "-A",
            "trust")
        real(daemon(*user, str(program[0]), "-D", data, "-h", BACK[0], "-p",
                    str(BACK[1]), "-k", place), "postgres", "redis")


main()
