# SPDX-License-Identifier: GPL-2.0
""""kproxy top" shows rates and the slowest peers, on a terminal and elsewhere."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading

from peer import (BACK, PROXY, EchoServer, Stream, Threads, close_all, connect,
                  expect, expect_between, fill_quickly, kp, limit, main, pair,
                  read_exactly, scene, sessions, wait_for, wait_gone)

SET_UP = """
load
topology
simple_proxy
"""


class Traffic:
    """An echo that continues until it is told to stop."""

    def __init__(self):
        self.echo = EchoServer()
        self.client = connect()
        self._going = True
        self._threads = Threads()
        self._threads.go(self._run)

    def _run(self):
        while self._going:
            self.client.sendall(b"x" * 5000)
            read_exactly(self.client, 5000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._going = False
        self._threads.join()
        self.client.close()
        self.echo.close()
        wait_gone()


def top(words="", options="-j"):
    """One sample."""

    return kp(f"{options} top {words} interval 500ms count 1").stdout


@scene("rates, totals, pools and sessions, as JSON")
def document():
    with Traffic():
        now = json.loads(top())
        expect(sorted(now), ["away", "pools", "rates", "sessions", "totals"], "keys")
        expect(now["totals"]["sessions"], 1, "live sessions")
        expect(len(now["pools"]), os.cpu_count(), "pools")
        row, = now["sessions"]
        shown, = sessions()
        expect([row[key] for key in ("id", "client", "server", "state")],
               [shown[key] for key in ("id", "client", "server", "state")],
               "the session")
        for key in ("in_per_s", "out_per_s"):
            expect_between(row[key], 1, 1 << 40, key)
        expect(row["rate"], row["in_per_s"] + row["out_per_s"], "rate")
        for key in ("bytes_in", "bytes_out", "pumps_inline"):
            expect_between(now["rates"][key], 1, 1 << 40, key)


@scene("an idle session has a rate of 0")
def idle():
    client, server = pair()
    row, = json.loads(top())["sessions"]
    expect((row["rate"], row["in_per_s"], row["out_per_s"]), (0, 0, 0),
           "rates")
    client.close()
    server.close()
    wait_gone()


@scene("servers and clients: totals of their sessions")
def peers():
    pairs = [pair() for _ in range(3)]
    for subject, tcp, peer in (("servers", "server_tcp", "%s:%d" % BACK),
                               ("clients", "client_tcp", "10.1.0.2")):
        row, = json.loads(top(subject))[subject]
        rows = sessions()
        expect((row["peer"], row["sessions"]), (peer, 3), subject)
        expect(row["rtt_us"], max(r[tcp]["rtt_us"] for r in rows),
               "the round trip is that of the slowest")
    for one in pairs:
        for sock in one:
            sock.close()
    wait_gone()


@scene("sorted by waiting data, the side that does not read comes first")
def slow():
    pairs = [pair(server={"rcvbuf": 4096}) for _ in range(3)]
    client, _ = pairs[1]
    fill_quickly(client, Stream(1))
    rows = json.loads(top("sort server_tcp.sndq"))["sessions"]
    expect(rows[0]["client"], "%s:%d" % client.getsockname(), "the slow one")
    expect_between(rows[0]["server_tcp"]["sndq"], 1, 1 << 30, "unsent")
    ids = [r["id"] for r in json.loads(top("sort id"))["sessions"]]
    expect(ids, sorted(ids, reverse=True), "sorted by number")
    names = [r["client"] for r in json.loads(top("sort client"))["sessions"]]
    expect(names, sorted(names), "sorted by client")
    close_all()
    wait_gone()


@scene("the side that is waited for is called slow")
def slow_side():
    idle = pair()
    for fast, side in ((0, "server"), (1, "client")):
        ends = pair(client={"rcvbuf": 4096}, server={"rcvbuf": 4096})
        # A session that does not move is the same in two samples.
        fill_quickly(ends[fast], Stream(1))
        row = json.loads(top("sort wait"))["sessions"][0]
        expect((row["client"], row["slow"]),
               ("%s:%d" % ends[0].getsockname(), side), "the slow side")
        expect_between(row["wait"], 90, 100, "percent")
        row = json.loads(top("sort wait"))["sessions"][1]
        expect((row["client"], row["slow"], row["wait"]),
               ("%s:%d" % idle[0].getsockname(), "", 0), "an idle one")
        for sock in ends:
            sock.close()
        wait_for(lambda: len(sessions()) == 1, "that session is gone")
    close_all()
    wait_gone()


@scene("as text, when it is not on a terminal")
def text():
    with Traffic():
        lines = top(options="").splitlines()
        expect(lines[0].endswith(f", namespace {PROXY}, sessions by rate"),
               True, f"the first line: {lines[0]}")
        expect(lines[1].startswith("sessions 1, begun "), True,
               f"the second line: {lines[1]}")
        titles = next(i for i, line in enumerate(lines)
                      if line.split()[:2] == ["ID", "LISTENER"])
        expect("%s:%d" % BACK in lines[titles + 1], True,
               f"a session: {lines[titles + 1]}")


class Screen:
    """The command on a terminal, and everything that it has drawn."""

    def __init__(self, *words, term="xterm", rows=24, columns=120):
        master, slave = pty.openpty()
        self._master = master
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self._resize(rows, columns)
        self.process = subprocess.Popen(
            ("kproxy", "-n", PROXY, "top", "interval", "200ms", *words),
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env=dict(os.environ, TERM=term))
        self.drawn = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while True:
                # Not in one step: output is forgotten in between.
                data = os.read(self._master, 1 << 16)
                self.drawn += data

    def _resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self._resize(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys):
        """Press them; from then on the whole screen is redrawn."""
        self.drawn = b""
        os.write(self._master, keys + b"\x0c")

    def wait_for(self, word):
        wait_for(lambda: word in self.drawn, f"{word} on the screen", 20)

    def wait_narrow(self):
        """Earlier output may still be on its way."""
        def narrow():
            self.press(b"")
            self.wait_for(b"sessions 1, ")
            return b"RETRANS" not in self.drawn

        wait_for(narrow, "nothing is beyond the edge")

    def end(self):
        status = self.process.wait(limit(10))
        expect(termios.tcgetattr(self.slave)[:4], self.before[:4],
               "the terminal is as it was")
        os.close(self.slave)
        self._reader.join(limit(5))
        return status


@scene("a screen: keys choose, sort and leave, and it follows its size")
def screen():
    with Traffic():
        shown = Screen()
        shown.wait_for(b"LISTENER")
        shown.wait_for(b"%s:%d" % (BACK[0].encode(), BACK[1]))
        shown.press(b"v")
        shown.wait_for(b"servers by rtt_us")
        shown.wait_for(b"PEER")
        shown.press(b"<")
        shown.wait_for(b"servers by out_per_s")
        shown.press(b"r")
        shown.wait_for(b"servers by out_per_s reversed")
        shown.press(b"c")
        shown.wait_for(b"clients by rtt_us")
        shown.press(b"s")
        shown.wait_for(b"sessions by rate")
        shown.wait_for(b"FALLBACKS")
        shown.resize(10, 40)
        shown.wait_narrow()
        shown.press(b"\x1b[B")
        shown.wait_for(b"sessions 1, ")
        shown.press(b"q")
        expect(shown.end(), 0, "status after q")
        for number in signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
            shown = Screen("servers")
            shown.wait_for(b"PEER")
            shown.process.send_signal(number)
            expect(shown.end(), 0, f"status after {number!r}")
        shown = Screen("count", "1", term="of-no-kind")
        shown.wait_for(b"LISTENER")
        expect(shown.end(), 0, "status without a screen")


@scene("a wrong command line changes nothing")
def refused():
    for words, says in (
            ("sort colour",
             'sort "colour": sessions have no such value'),
            ("clients sort id", 'sort "id": clients have no such value'),
            ("interval 5", 'interval "5": '),
            ("interval 10ms", 'interval "10ms": must be 100ms to 1h'),
            ("count x", 'count "x": '),
            ("count", "count needs a value"),
            ("everything",
             'unknown option "everything", try "kproxy help"')):
        done = kp(f"top {words}", check=False)
        expect(done.returncode, 1, words)
        expect(done.stderr.startswith(f"kproxy: top: {says}"), True,
               f"{words}: {done.stderr}")


main()
