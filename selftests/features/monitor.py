# SPDX-License-Identifier: GPL-2.0
"""
"kproxy monitor" reports every change of the configuration, and every session
that begins or ends, with its end reason.
"""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time

from peer import (BACK, FRONT, PROXY, Failed, Threads, expect, expect_alive,
                  expect_between, expect_eof, expect_reset, knock, kp, limit,
                  main, pair, reset, run_in, scene, sessions, wait_for,
                  wait_gone)

SET_UP = """
load
topology
simple_proxy
"""


class Monitor:
    """Runs the command; its list has the events so far."""

    def __init__(self, *options, probe=True):
        self.lines = []
        self._process = subprocess.Popen(
            ("kproxy", "-n", PROXY, *options, "monitor"), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if probe:
            self._probe()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _probe(self):
        """It is subscribed once it reports this."""

        def heard():
            kp("upstream set app retries 2")
            time.sleep(0.1)
            if self.status() is not None:
                raise Failed("the monitor has ended: " +
                             self._process.stderr.read())
            return self.lines
        wait_for(heard, "the monitor tells of a change")
        time.sleep(0.3)
        self.lines.clear()

    def status(self):
        """None while it runs."""
        return self._process.poll()

    def stop(self, number=signal.SIGINT):
        """Its exit status and error output."""
        self._process.send_signal(number)
        status = self._process.wait(limit(5))
        self._reader.join(limit(5))
        return status, self._process.stderr.read()

    def events(self, *names):
        rows = [json.loads(line) for line in self.lines]
        return [row for row in rows if not names or row["event"] in names]


@contextlib.contextmanager
def monitor(*options):
    it = Monitor(*options)
    try:
        yield it
    finally:
        status, errors = it.stop()
        expect((status, errors), (0, ""), "the monitor's end")


def ended(it):
    return it.events("session_end")


def expect_reason(it, number, reason):
    """The last of this number of sessions has ended for this reason."""
    wait_for(lambda: len(ended(it)) == number, f"{number} sessions ended")
    expect(ended(it)[-1]["reason"], reason, "the reason")


@scene("each change of the configuration is reported, with the result")
def configuration():
    with monitor("-j") as it:
        kp("upstream add u retries 7")
        kp("upstream set u retries 5")
        kp("server add u 10.2.0.3:81 weight 9")
        kp("server set u 10.2.0.3:81 state drain")
        kp("listener add l 10.1.0.1:81 upstream u maxconn 5")
        kp("listener set l maxconn 6")
        kp("listener del l")
        kp("server del u 10.2.0.3:81")
        kp("upstream del u")
        names = ["upstream_add", "upstream_set", "server_add", "server_set",
                 "listener_add", "listener_set", "listener_del", "server_del",
                 "upstream_del"]
        wait_for(lambda: len(it.lines) >= len(names), "everything is told")
        told = it.events()
        expect([row["event"] for row in told], names, "events")
        expect([row.get("retries") for row in told[:2]], [7, 5], "retries")
        expect((told[2]["upstream"], told[2]["address"], told[2]["weight"]),
               ("u", "10.2.0.3:81", 9), "the server")
        expect(told[3]["state"], "drain", "the server's state")
        expect((told[4]["name"], told[4]["addresses"], told[4]["upstream"]),
               ("l", ["10.1.0.1:81"], "u"), "the listener")
        expect([row["maxconn"] for row in told[4:6]], [5, 6], "maxconn")
        now = time.time() * 1000
        expect_between(told[0]["time_ms"], now - limit(60000), now, "time_ms")


@scene("changes of a server's health are reported")
def health():
    kp("upstream add u")
    kp("server add u 10.2.0.3:81")
    with monitor("-s") as text, monitor("-j") as it:
        text.lines.clear()
        for n, words in enumerate(("check tcp interval 100ms", "check off")):
            kp(f"upstream set u {words}")
            wait_for(lambda: len(it.lines) >= 2 * n + 2, words)
        told = it.events()
        expect([row["event"] for row in told],
               ["upstream_set", "server_health"] * 2, "events")
        expect([(row["upstream"], row["address"], row["health"])
                for row in told[1::2]],
               [("u", "10.2.0.3:81", "down"), ("u", "10.2.0.3:81", "unknown")],
               "the health")
        wait_for(lambda: len(text.lines) >= 4, "the text of it")
        expect(text.lines[1].split()[1:],
               ["server_health", "upstream=u", "address=10.2.0.3:81",
                "health=down"], "the text")
    kp("upstream del u")


@scene("refused changes are not reported")
def refused():
    with monitor("-j") as it:
        for words in ("upstream add app", "upstream del app",
                      "server add app 10.2.0.2:9000", "listener del nobody",
                      "listener add web 10.1.0.1:99 upstream app"):
            expect(kp(words, check=False).returncode, 2, f"status of {words}")
        kp("upstream set app retries 2")
        wait_for(lambda: it.lines, "the last is told")
        expect([row["event"] for row in it.events()], ["upstream_set"],
               "events")


@scene("a session's begin and end are reported, with its bytes")
def session():
    with monitor("-j") as it:
        client, server = pair()
        here = "%s:%d" % client.getsockname()
        client.sendall(b"a" * 1000)
        server.recv(1000, socket.MSG_WAITALL)
        server.sendall(b"b" * 30000)
        client.recv(30000, socket.MSG_WAITALL)
        shown = sessions()[0]
        time.sleep(0.5)
        client.close()
        expect_eof(server, "at the server")
        server.close()
        wait_gone()
        wait_for(lambda: ended(it), "its end is told")
        begin, end = it.events()
        expect((begin["event"], end["event"]), ("session_begin", "session_end"),
               "events")
        for row in (begin, end):
            expect({key: row[key] for key in ("id", "listener", "upstream",
                                              "client", "local", "server")},
                   {"id": shown["id"], "listener": "web", "upstream": "app",
                    "client": here, "local": "%s:%d" % FRONT,
                    "server": "%s:%d" % BACK}, "who it was")
        expect(end["source"], shown["source"], "source")
        expect((end["bytes_in"], end["bytes_out"]), (1000, 30000), "bytes")
        expect(end["reason"], "client_fin", "the reason")
        expect_between(end["duration_ms"], 500, limit(30000), "duration_ms")
        expect_between(end["connect_us"], 1, limit(10000000), "connect_us")
        expect_between(end["start_ms"] + end["duration_ms"],
                       end["time_ms"] - limit(5000), end["time_ms"] + 50,
                       "when it ended")


@scene("why a session ended: its ends")
def reasons_peers():
    with monitor("-j") as it:
        client, server = pair()
        expect_alive(client, server)
        server.close()
        expect_eof(client, "at the client")
        client.close()
        expect_reason(it, 1, "server_fin")
        for n, reason in ((0, "client_reset"), (1, "server_reset")):
            ends = pair()
            expect_alive(*ends)
            reset(ends[n])
            expect_reset(ends[1 - n], "the other end")
            expect_reason(it, 2 + n, reason)
        # Nobody listens there.
        client = knock()
        if client:
            expect_reset(client, "the client")
        expect_reason(it, 4, "unreachable")
        expect(ended(it)[-1]["connect_us"], 0, "connect_us")
        wait_gone()


@scene("why a session ended: a time-out")
def reasons_times():
    with monitor("-j") as it:
        kp("listener set web idle-timeout 500ms")
        expect_reset(pair()[0], "the idle client")
        expect_reason(it, 1, "idle_timeout")
        kp("listener set web idle-timeout 10m fin-timeout 500ms")
        client, server = pair()
        client.shutdown(socket.SHUT_WR)
        expect_eof(server, "at the server")
        expect_reset(client, "the half-closed client")
        expect_reason(it, 2, "fin_timeout")
        kp("listener set web fin-timeout 60s max-age 500ms")
        expect_reset(pair()[0], "the old client")
        expect_reason(it, 3, "max_age")
        kp("listener set web max-age 0")
        wait_gone()


@scene("why a session ended: by request")
def reasons_wanted():
    with monitor("-j") as it:
        client, _ = pair()
        kp("session kill client 10.1.0.0/16")
        expect_reset(client, "the client that was killed")
        expect_reason(it, 1, "killed")
        client, _ = pair()
        kp("server set app 10.2.0.2:9000 state down")
        expect_reset(client, "the client of the server")
        kp("server set app 10.2.0.2:9000 state up")
        expect_reason(it, 2, "server_down")
        kp("listener add brief 10.1.0.1:8003 upstream app")
        client, _ = pair(to=(FRONT[0], 8003))
        kp("listener del brief kill")
        expect_reset(client, "the client of the listener")
        expect_reason(it, 3, "listener_deleted")
        wait_gone()


@scene("as text an event is one line that begins with the time")
def text():
    it = Monitor()
    client, server = pair()
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()
    wait_for(lambda: len(it.lines) == 2, "both events are told")
    expect(it.stop(signal.SIGTERM), (0, ""), "the monitor's end")
    begin, end = it.lines
    expect(begin.split()[1], "session_begin", "the first event")
    expect(end.split()[1], "session_end", "the second event")
    words = dict(word.split("=", 1) for word in end.split()[2:])
    expect((words["listener"], words["reason"]), ("web", "client_fin"),
           "some of its words")


@scene("a user who may not list sessions gets no events of them")
def privilege():
    done = run_in(PROXY, "setpriv", "--reuid", "65534",
                  "--regid", "65534", "--clear-groups", "kproxy", "monitor",
                  check=False)
    expect(done.returncode, 2, "status")
    if "group session" not in done.stderr:
        raise Failed(f"it says: {done.stderr}")


@scene("a subscription among many events is not confused by one")
def begins():
    over = threading.Event()

    def change():
        while not over.is_set():
            kp("-b -", text="upstream set app retries 2\n" * 500)

    threads = Threads()
    threads.go(change)
    threads.go(change)
    try:
        for _ in range(20):
            it = Monitor("-j", probe=False)
            wait_for(lambda: it.lines or it.status() is not None,
                     "it tells, or ends")
            status, errors = it.stop()
            # It may lose events, and says so.
            expect(status, 0, f"status of one that says {errors!r}")
    finally:
        over.set()
        threads.join()


@scene("a monitor that does not read loses events and says so, nothing waits")
def overrun():
    it = Monitor("-j")
    it._process.send_signal(signal.SIGSTOP)
    lines = "".join(f"upstream set app retries {n % 9}\n"
                    for n in range(20000))
    begun = time.monotonic()
    kp("-b -", text=lines)
    took = time.monotonic() - begun
    client, server = pair()
    expect_alive(client, server)
    client.close()
    server.close()
    wait_gone()
    it._process.send_signal(signal.SIGCONT)
    wait_for(lambda: len(it.lines) > 100, "it reads on")
    time.sleep(1)
    status, errors = it.stop()
    expect(status, 0, "status")
    if "events were lost" not in errors:
        raise Failed(f"{len(it.lines)} events came in {took:.1f} s, and it "
                     f"says: {errors}")


main()
