# SPDX-License-Identifier: GPL-2.0
"""
Nobody is refused in silence: each client that is accepted and then refused has a
record and an event that say why; a flood of them has some, and the others are
counted.
"""

import contextlib
import itertools
import json
import os
import subprocess
import threading
import time

from peer import (BACK, CLIENT, FRONT, PROXY, EchoServer, Failed, connect,
                  expect, expect_between, expect_reset, knock, kp, limit,
                  listener_options, main, new_socket, pair, read_exactly, reset,
                  scaled, scene, sessions, show, stats, wait_for, wait_gone)

SET_UP = """
load log_records=512
topology
add_addr kp-client eth0 10.1.0.3/24
simple_proxy
"""

# Of module/sample.h: at once, and within a second.
BURST, PER_SECOND = 16, 2

DEFAULTS = ("client-maxconn 0 client-rate 0 allow all deny none "
            "accept-proxy off connect-timeout 5s")


def options(words):
    return listener_options(words, DEFAULTS)


@contextlib.contextmanager
def monitor():
    """The events about sessions so far, as a function that returns them."""
    rows = []
    process = subprocess.Popen(("kproxy", "-n", PROXY, "-j", "monitor"),
                               text=True, stdout=subprocess.PIPE)
    reader = threading.Thread(
        target=lambda: rows.extend(json.loads(line)
                                   for line in process.stdout), daemon=True)
    reader.start()
    try:
        # It listens once it tells of a change.
        wait_for(lambda: kp("upstream set app retries 2") and rows,
                 "the monitor listens")
        yield lambda: [row for row in list(rows)
                       if row["event"].startswith("session_")]
    finally:
        process.kill()
        process.wait()
        reader.join(limit(5))


def log(reason=None):
    return [row for row in json.loads(kp("-j log").stdout)
            if not reason or row["reason"] == reason]


def reasons(of):
    return {why: n for why, n in of["end_reasons"].items() if n}


def counted():
    return {"listener": show("listener show web")[0]["stats"],
            "totals": stats()}


def refuse(client=None):
    """Whoever it is, it is reset; returns its address, if it had one."""
    client = client or knock()
    if not client:
        return None
    name = client.getsockname()
    try:
        expect_reset(client, "the client")
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()
    return "%s:%d" % name


@contextlib.contextmanager
def refuses(reason, begun=False):
    """
    The body has one client refused for this reason, and yields what the record
    must have in the dictionary that it gets.
    """
    before, old, want = counted(), len(log(reason)), {}
    with monitor() as events:
        yield want
        wait_for(lambda: len(log(reason)) > old, f"{reason} is in the log")
        kind = "session_end" if begun else "session_refused"
        wait_for(lambda: [e for e in events() if e["event"] == kind],
                 f"{reason} is an event")
        told = [e for e in events()
                if e.get("reason", "").startswith("refused_")]
        expect([(e["event"], e["reason"]) for e in told], [(kind, reason)],
               "events")
    rows = log(reason)[old:]
    expect(len(rows), 1, f"records of {reason}")
    for row in rows[0], told[0]:
        expect((row["server"], row["listener"], row["upstream"]),
               ("", "web", "app"), f"{reason}: server, listener, upstream")
        for key, value in want.items():
            if value:
                expect(row[key], value, f"{reason}: {key}")
    expect(rows[0]["id"], told[0]["id"], "the number")
    expect(rows[0]["omitted"], 0, "left out before it")
    after = counted()
    for of, then in before.items():
        expect(after[of]["refused"] - then["refused"], 1, f"refused of {of}")
        ends = reasons(then)
        ends[reason] = ends.get(reason, 0) + 1
        expect(reasons(after[of]), ends, f"reasons of {of}")
        expect(after[of]["unlogged"], then["unlogged"], f"unlogged of {of}")


@scene("a network that is denied: refused_network")
def network():
    with options("deny 10.1.0.0/24"), refuses("refused_network") as want:
        want["client"] = refuse()


@scene("a client with too many sessions: refused_limit")
def maxconn():
    echo = EchoServer()
    with options("client-maxconn 1"):
        first = connect()
        first.sendall(b"x")
        read_exactly(first, 1)
        with refuses("refused_limit") as want:
            want["client"] = refuse()
        first.close()
        wait_gone()
    echo.close()


def is_served(client):
    if not client:
        return False
    try:
        client.sendall(b"x")
        return client.recv(1) == b"x"
    except (ConnectionResetError, BrokenPipeError):
        return False
    finally:
        client.close()


@scene("a client that comes too often: refused_rate")
def rate():
    echo = EchoServer()
    before = log("refused_rate")
    with options("client-rate 1"):
        served = 0
        # The second may be over between two of them.
        while len(log("refused_rate")) == len(before):
            clients = [knock() for _ in range(4)]
            served += sum(is_served(client) for client in clients)
    expect(served > 0, True, "the first was served")
    row = log("refused_rate")[-1]
    expect((row["server"], row["bytes_in"]), ("", 0), "the record")
    wait_gone()
    echo.close()


@scene("no server takes sessions: refused_no_server")
def drained():
    kp("server set app %s:%d state drain" % BACK)
    with refuses("refused_no_server") as want:
        want["client"] = refuse()
    kp("server set app %s:%d state up" % BACK)


@scene("no server had room in time: refused_no_server, at the end of a session")
def crowded():
    client, server = pair()
    kp("server set app %s:%d maxconn 1" % BACK)
    with options("connect-timeout 300ms"), \
            refuses("refused_no_server", begun=True) as want:
        want["client"] = refuse(connect())
    kp("server set app %s:%d maxconn 0" % BACK)
    for sock in client, server:
        sock.close()
    wait_gone()


@scene("no PROXY header, or another one: refused_header")
def header():
    with options("accept-proxy on"), refuses("refused_header") as want:
        client = connect()
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        want["client"] = refuse(client)
    with options("accept-proxy on connect-timeout 300ms"), \
            refuses("refused_header") as want:
        want["client"] = refuse(connect())
    with options("accept-proxy on"), refuses("refused_header"):
        client = connect()
        client.sendall(b"PROXY TCP4 10.9.0.1 10.1.0.1 1 80 \n")
        refuse(client)


@scene("a client without a server is logged with the address of its header")
def header_and_no_server():
    kp("server set app %s:%d state drain" % BACK)
    with options("accept-proxy on"), refuses("refused_no_server") as want:
        client = connect()
        client.sendall(b"PROXY TCP4 10.9.0.1 10.8.0.1 77 80\r\n")
        refuse(client)
        want["client"] = "10.9.0.1:77"
    kp("server set app %s:%d state up" % BACK)


@scene("a loop of listeners: refused_loop")
def loop():
    kp("upstream add ring retries 0")
    kp("server add ring 10.1.0.1:8100")
    kp("listener add ring 10.1.0.1:8100 upstream ring")
    refuse(knock(("10.1.0.1", 8100)))
    wait_for(lambda: log("refused_loop"), "it is in the log")
    row = log("refused_loop")[-1]
    expect((row["listener"], row["server"]), ("ring", ""), "the record")
    wait_gone()
    kp("listener del ring kill")
    kp("upstream del ring")


@scene("a client that leaves before its header came is not refused")
def leaves():
    with options("accept-proxy on"):
        before, old = counted(), len(log())
        client = connect()
        wait_for(sessions, "it is accepted")
        reset(client)
        wait_gone()
        expect(len(log()), old, "records")
        expect(counted()["listener"]["refused"],
               before["listener"]["refused"], "refused")


def serve(count):
    echo = EchoServer()
    for _ in range(count):
        client = connect()
        client.sendall(b"x")
        read_exactly(client, 1)
        client.close()
    echo.close()
    wait_gone()


@scene("log-sample N: one in N sessions has a record, refused clients have all")
def log_sample():
    count, every = 100, 10
    before, old = counted(), len(log())
    kp(f"listener set web log-sample {every}")
    with monitor() as events:
        serve(count)
        wait_for(lambda: len([e for e in events()
                              if e["event"] == "session_end"]) == count,
                 "an event of each")
    rows = log()[old:]
    # Each processor keeps those that are not ten yet.
    expect_between(len(rows), count // every - os.cpu_count(), count // every,
                   "records")
    expect({row["omitted"] for row in rows}, {every - 1}, "omitted")
    for of, then in before.items():
        after = counted()[of]
        expect(after["unlogged"] - then["unlogged"], count - len(rows),
               f"unlogged of {of}")
        expect(after["sessions_total"] - then["sessions_total"], count,
               f"sessions of {of}")
    with options("deny 10.1.0.0/24"), refuses("refused_network"):
        refuse()
    kp("listener set web log-sample default")
    old = len(log())
    serve(5)
    wait_for(lambda: len(log()) == old + 5, "a record of each")


@scene("as text, and from an address of its own")
def text():
    with options("deny 10.1.0.3/32"):
        client = new_socket(CLIENT, ("10.1.0.3", 0))
        client.bind(("10.1.0.3", 0))
        with contextlib.suppress(ConnectionResetError):
            client.connect(FRONT)
            refuse(client)
        wait_for(lambda: "client=10.1.0.3:" in kp("log").stdout, "a line")
    lines = [line for line in kp("log").stdout.splitlines()
             if "client=10.1.0.3:" in line]
    expect(len(lines), 1, "lines")
    words = lines[0].split()
    if "reason=refused_network" not in words or "listener=web" not in words:
        raise Failed(lines[0])


def flood(count):
    for _ in range(count):
        refuse()


@scene("a flood: some are logged, the others counted, and no session is lost")
def floods():
    echo, count = EchoServer(), scaled(2000, 200)
    for _ in range(5):
        client = connect()
        client.sendall(b"kept")
        read_exactly(client, 4)
        client.close()
    echo.close()
    wait_gone()
    kept = [row["id"] for row in log("client_fin")[-5:]]
    expect(len(kept), 5, "sessions in the log")
    before, old = counted()["listener"], len(log("refused_network"))
    with options("deny 10.1.0.0/24"), monitor() as events:
        flood(count)
        wait_for(lambda: counted()["listener"]["refused"] -
                 before["refused"] == count, "all are counted")
        rows = log("refused_network")[old:]
        after = counted()["listener"]
        wait_for(lambda: len(events()) == len(rows), "an event for each record")
    out = after["unlogged"] - before["unlogged"]
    expect(len(rows) + out, count, "records, and those without one")
    expect(reasons(after)["refused_network"] -
           reasons(before).get("refused_network", 0), count, "by reason")
    seconds = (rows[-1]["start_ms"] - rows[0]["start_ms"]) / 1000
    # Scenes before this one have used some.
    expect_between(len(rows), BURST // 2,
                   os.cpu_count() * (BURST + 1 + PER_SECOND * (seconds + 1)),
                   "records")
    expect_between(sum(row["omitted"] for row in rows), 0, out, "omitted")
    known = {row["id"] for row in log()}
    expect(known.issuperset(kept), True, "the sessions are still there")
    # The next record has the number of those that were left out last.
    with options("deny 10.1.0.0/24"):
        old = len(log("refused_network"))
        told = sum(row["omitted"] for row in rows)
        everywhere = os.sched_getaffinity(0)
        processors = itertools.cycle(everywhere)

        def all_told():
            # Each processor tells of its own, and has a record each half second.
            os.sched_setaffinity(0, {next(processors)})
            time.sleep(0.6 / len(everywhere))
            refuse()
            fresh = log("refused_network")[old:]
            missing = counted()["listener"]["unlogged"] - before["unlogged"]
            return told + sum(row["omitted"] for row in fresh) == missing
        wait_for(all_told, "each that was left out is told of", 60)
        os.sched_setaffinity(0, everywhere)


@scene("a flood at one listener hides nobody who is refused at another")
def separate():
    kp("listener add other 10.1.0.1:8011 upstream app deny 10.1.0.0/24")
    with options("deny 10.1.0.0/24"):
        flood(scaled(500, 100))
        refuse(knock(("10.1.0.1", 8011)))
        wait_for(lambda: [row for row in log("refused_network")
                          if row["listener"] == "other"], "it is in the log")
    kp("listener del other kill")


main()
