# SPDX-License-Identifier: GPL-2.0
"""Counters of end reasons and of which side is slow."""

import contextlib
import json
import pathlib
import re
import time

from peer import (BACK, FRONT, MB, SERVER, TRACING, Failed, Stream, Threads,
                  accept, connect, expect, expect_alive, expect_between,
                  expect_eof, expect_reset, fill_quickly, keep, kp, limit,
                  listen, main, netem, pair, receive_stream, reset, run, scene,
                  sessions, show, stats, traced, wait_acked, wait_for,
                  wait_gone)

SIDES = ("client", "server")
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/observability.md"
EVENTS = TRACING / "events/kproxy"


def counted():
    """The counters of the listener, the server, and the namespace."""
    return {"listener": show("listener show web")[0]["stats"],
            "server": show("server show app")[0]["stats"],
            "totals": stats()}


def reasons(rows):
    """Sessions that have ended, by reason, without zeros."""
    return {of: {why: n for why, n in row["end_reasons"].items() if n}
            for of, row in rows.items()}


@contextlib.contextmanager
def ends_as(reason, server=True):
    """The body ends one session, for this reason alone."""
    before = reasons(counted())
    yield
    wait_gone()
    after = reasons(counted())
    for of, ends in before.items():
        if of != "server" or server:
            ends[reason] = ends.get(reason, 0) + 1
        expect(after[of], ends, f"{reason}: end reasons of the {of}")


@scene("before a session has ended, no end is counted for any reason")
def none():
    for of, row in counted().items():
        expect(set(row["end_reasons"].values()), {0}, f"end reasons of the {of}")
        expect("none" in row["end_reasons"], False, "what goes on is no end")
        for side in SIDES:
            expect(row[f"stall_{side}_us"], 0, f"stall of the {of}")


@scene("each end is counted once, for its reason")
def ends():
    for closed, why in enumerate(("client_fin", "server_fin")):
        with ends_as(why):
            first, second = pair()[::1 - 2 * closed]
            first.close()
            expect_eof(second, "the other side")
            second.close()
    for closed, why in enumerate(("client_reset", "server_reset")):
        with ends_as(why):
            client, server = pair()
            expect_alive(client, server)
            first, second = (client, server)[::1 - 2 * closed]
            reset(first)
            expect_reset(second, "the other side")
    with ends_as("killed"):
        client, server = pair()
        kp("session kill listener web")
    with ends_as("idle_timeout"):
        kp("listener set web idle-timeout 200ms")
        client, server = pair()
        expect_reset(client, "a silent client")
        kp("listener set web idle-timeout 10m")
    with ends_as("server_down"):
        client, server = pair()
        kp("server set app 10.2.0.2:9000 state down")
        expect_reset(client, "the client")
        kp("server set app 10.2.0.2:9000 state up")
    with ends_as("unreachable"):
        with contextlib.suppress(ConnectionResetError):
            expect_reset(keep(connect(FRONT)), "nobody listens")


@scene("a listener's reasons add up to its sessions")
def sum_of_ends():
    row = counted()["listener"]
    expect(sum(row["end_reasons"].values()), row["sessions_total"], "all ends")


@scene("metrics have each reason of each listener and server")
def metrics():
    lines = kp("metrics").stdout.splitlines()
    rows = counted()
    labels = {"listener": 'listener="web",',
              "server": 'upstream="app",server="10.2.0.2:9000",',
              "totals": ""}
    for of, row in rows.items():
        prefix = "kproxy_" if of == "totals" else f"kproxy_{of}_"
        for why, n in row["end_reasons"].items():
            line = (f'{prefix}sessions_ended_total{{{labels[of]}reason="{why}"}} {n}')
            expect(line in lines, True, line)


def moving(side):
    """The other side has written until no more is accepted; says which side
    reads, and how."""
    client, server = pair()
    writer, reader = (server, client) if side == "client" else (client, server)
    return writer, reader, fill_quickly(writer, Stream(3))


def stalls(row):
    return {side: row[f"stall_{side}_us"] for side in SIDES}


def stall_of(side):
    """A side that does not read, then reads."""
    other = SIDES[side == "client"]
    key = f"stall_{side}_us"
    start = counted()
    writer, reader, sent = moving(side)
    began = time.monotonic()
    first = sessions()[0]
    wait_for(lambda: sessions()[0][key] > first[key] + 300_000,
             "the stall goes on")
    took = (time.monotonic() - began) * 1e6
    expect_between(sessions()[0][key], 300_000,
                   sessions()[0]["age_ms"] * 1000 + 1000, "microseconds")
    expect_between(took, 300_000 * 0.9, 1e12, "time that has passed")
    # It is counted while it goes on, and nothing of it twice.
    last = start
    for _ in range(5):
        now = counted()
        for of, row in now.items():
            grown = row[key] - start[of][key]
            expect_between(grown, 300_000, sessions()[0][key],
                           f"{key} of the {of}")
            expect_between(row[key], last[of][key], 1 << 60, "only grows")
        last = now
    expect(sessions()[0][f"stall_{other}_us"], 0, "of the other side")
    threads = Threads()
    threads.go(writer.shutdown, 1)
    threads.go(receive_stream, reader, Stream(3), sent)
    threads.join(60)
    # All is passed on, so that it is over.
    whole = sessions()[0][key]
    time.sleep(0.5)
    expect(sessions()[0][key], whole, "when it is over")
    for of, row in counted().items():
        expect_between(row[key] - start[of][key], whole - 1, whole + 1,
                       f"{key} of the {of} when it is over")
    writer.close()
    reader.close()
    wait_gone()
    record = json.loads(kp("-j log").stdout)[-1]
    expect(record[key], whole, "in the log")
    expect(record[f"stall_{other}_us"], 0, "of the other side in the log")


@scene("the side that does not read is the one that is waited for")
def waited_for():
    for side in SIDES:
        stall_of(side)


@scene("a session that ends during a stall has counted it")
def ends_stalled():
    start = counted()
    _, reader, _ = moving("server")
    wait_for(lambda: sessions()[0]["stall_server_us"] > 200_000, "it stalls")
    kp("session kill listener web")
    expect(len(sessions()), 0, "sessions") if not sessions() else wait_gone()
    reset(reader)
    wait_gone()
    record = json.loads(kp("-j log").stdout)[-1]
    expect(record["reason"], "killed", "the reason")
    if record["stall_server_us"] < 200_000:
        raise Failed(f"the log has {record['stall_server_us']} us")
    for of, row in counted().items():
        expect_between(row["stall_server_us"] - start[of]["stall_server_us"],
                       record["stall_server_us"] - 1,
                       record["stall_server_us"] + 1, f"of the {of}")


@scene("times are in the bucket that they belong to")
def times():
    # Counted afresh.
    kp("server add app 10.2.0.3:9000")
    kp("server set app 10.2.0.2:9000 weight 0")
    expect("connect_time" in show("server show app")[1], False, "before")
    with netem("kp-server", "eth0", "delay", "60ms"):
        client, server = pair(at=("10.2.0.3", 9000))
        row = show("server show app")[1]
        expect("session_time" in row, False, "while it lives")
        bucket, = row["connect_time"]["buckets"]
        spent = row["connect_time"]["sum_us"]
        expect_between(spent, 60_000, 1e9, "time to connect")
        expect_between(bucket["below_us"], spent + 1, spent * 1.5 + 1,
                       "end of its bucket")
        time.sleep(0.3)
        client.close()
        expect_eof(server, "the server")
        server.close()
        wait_gone()
    life = show("server show app")[1]["session_time"]
    record = json.loads(kp("-j log").stdout)[-1]
    expect_between(life["sum_us"] / 1000, record["duration_ms"] - 50,
                   record["duration_ms"] + 1, "as in the log")
    bucket, = life["buckets"]
    for part in ("p50_us", "p99_us"):
        expect_between(life[part], bucket["below_us"] / 2, bucket["below_us"],
                       part)
    kp("server del app 10.2.0.3:9000")
    kp("server set app 10.2.0.2:9000 weight 1")


@scene("trace points follow the life of a session")
def story():
    with traced() as told:
        writer, reader, sent = moving("server")
        number = sessions()[0]["id"]
        here = "%s:%d" % writer.getsockname()
        wait_for(lambda: sessions()[0]["stall_server_us"], "it stalls")
        threads = Threads()
        threads.go(writer.shutdown, 1)
        threads.go(receive_stream, reader, Stream(3), sent)
        threads.join(60)
        reader.close()
        expect_eof(writer, "the client")
        writer.close()
        wait_gone()
    expect({who for _, who, _ in told}, {number}, "sessions")
    names = [name for name, _, _ in told]
    for first, then in zip(("accept", "connect", "pump", "stall", "resume"),
                           ("connect", "pump", "stall", "resume", "close")):
        expect(names.index(first) < names.index(then), True,
               f"{first} before {then}: {names[:50]}")
    expect("state" in names, True, "states")
    expect(names.count("stall"), names.count("resume"), "ends of stalls")
    expect((names.count("accept"), names[-1]), (1, "close"), "begin and end")
    words = {name: text for name, _, text in told}
    expect(words["accept"], f"listener=web client={here}", "accept")
    expect(re.fullmatch(r"upstream=app server=%s:%d us=\d+ error=0" % BACK,
                        words["connect"]) is not None, True,
           words["connect"])
    moved = sum(int(n) for name, _, text in told if name == "pump" and
                "from=client" in text
                for n in re.findall(r"(?:spliced|copied)=(\d+)", text))
    expect(moved, sent, "bytes of all runs")
    expect(words["resume"].startswith("waited_for=server "), True,
           words["resume"])
    record = json.loads(kp("-j log").stdout)[-1]
    for word in (f"bytes_in={sent}", f"reason={record['reason']}",
                 f"stall_server_us={record['stall_server_us']}",
                 "stall_client_us=0", "listener=web"):
        expect(word in words["close"].split(), True,
               f"{word}: {words['close']}")


@scene("a large backlog of small packets is moved in more than one run")
def bounded_runs():
    delay = limit(1)
    kp(f"listener set web rcvbuf 8m connect-timeout {5 * delay}s")
    kp("upstream set app sndbuf 8m")
    large, small, count = 1 * MB, 600, 3000
    total = large + small * count
    stream, listener = Stream(1), listen(rcvbuf=16 * MB)
    with netem(SERVER, "eth0", "delay", f"{delay}s"), traced() as told:
        client = connect(nodelay=True, sndbuf=16 * MB)
        # These open the window for single packets.
        client.sendall(stream.take(large))
        for _ in range(count):
            client.sendall(stream.take(small))
        wait_acked(client)
        expect(sessions()[0]["state"], "connecting", "the session")
        server = accept(listener)
        stream = Stream(1)
        receive_stream(server, stream, total, end=False)
    results = [text.split("result=")[1] for name, _, text in told
               if name == "pump"]
    if "yield" not in results:
        raise Failed(f"no run has ended by itself: {results}")
    for sock in client, server, listener:
        sock.close()
    wait_gone()
    kp("listener set web rcvbuf default connect-timeout 5s")
    kp("upstream set app sndbuf default")


@scene("a connect that fails is traced with its error")
def refused():
    with traced() as told:
        with contextlib.suppress(ConnectionResetError):
            expect_reset(keep(connect(FRONT)), "nobody listens")
        wait_gone()
    errors = [text for name, _, text in told if name == "connect"]
    expect(bool(errors) and all("error=-111" in text for text in errors), True,
           f"connects: {errors}")
    expect("reason=unreachable" in told[-1][2], True, told[-1])


def fields(event):
    """The fields of a trace point, without those that all have."""
    text = (EVENTS / event / "format").read_text().split("\n\n")[1]
    return set(re.findall(r"(\w+)(?:\[\d*\])?;\toffset", text))


@scene("the document has each trace point, with its fields")
def documented():
    rows = {}
    for line in DOCUMENT.read_text().splitlines():
        match = re.match(r"\| `(kproxy_[a-z]+)` \|.*\| (.*) \|", line)
        if match:
            rows[match[1]] = set(re.findall(r"`([a-z_]+)`", match[2]))
    expect(set(rows), {path.name for path in EVENTS.iterdir()
                       if path.is_dir()}, "trace points")
    for event, told in rows.items():
        expect(told, fields(event), f"fields of {event}")


@scene("the commands of the document show what it says")
def typed():
    blocks = re.findall(r"^```sh\n(cd /sys.*?)^```$", DOCUMENT.read_text(),
                        re.M | re.S)
    expect(len(blocks), 2, "histograms")
    for block, want in zip(blocks, (r"upstream: app +, error: +0 ",
                                    r"listener: web +, us: ~ 2\^\d+ ")):
        home, order, show_it = block.splitlines()
        run("bash", "-ec", f"{home}\n{order}")
        client, server = pair()
        client.close()
        expect_eof(server, "the server")
        server.close()
        wait_gone()
        shown = run("bash", "-ec", f"{home}\n{show_it}").stdout
        run("bash", "-ec", f"{home}\n{order.replace('hist', '!hist', 1)}")
        expect(re.search(want, shown) is not None, True, shown)
    text = DOCUMENT.read_text()
    for event, program in re.findall(r"tracepoint:kproxy:(\w+) (\{.*\})",
                                     text):
        told = set(re.findall(r"args->(\w+)", program))
        expect(told - fields(event), set(), f"fields of {event}")
    for event in re.findall(r"kproxy:(kproxy_\w+)", text):
        expect((EVENTS / event).is_dir(), True, event)


main()
