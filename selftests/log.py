#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What "kproxy log" shows."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

from peer import (BACK, BACK6, PROXY, EchoServer, Failed,
                  connect, expect, expect_alive, expect_between, expect_eof,
                  expect_reset, knock, kp, limit, main, pair, read_exactly,
                  reset, run, scene, wait_for, wait_gone)

FRONT6 = ("fd01::1", 8010)

KEYS = {"id", "listener", "upstream", "client", "server", "start_ms",
        "duration_ms", "connect_us", "bytes_in", "bytes_out",
        "stall_client_us", "stall_server_us", "reason"}


def log():
    return json.loads(kp("-j log").stdout)


def one_session(sent=100):
    client, server = pair()
    client.sendall(b"a" * sent)
    read_exactly(server, sent)
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()


@contextlib.contextmanager
def follower():
    """The lines of "log -f", and its process."""
    lines = []
    process = subprocess.Popen(
        ("kproxy", "-n", PROXY, "-j", "log", "-f"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    reader = threading.Thread(
        target=lambda: lines.extend(iter(process.stdout.readline, "")),
        daemon=True)
    reader.start()
    try:
        yield lines, process
    finally:
        process.kill()
        reader.join(limit(5))


@scene("before a session has ended there is none")
def empty():
    expect(log(), [], "the log")
    client, server = pair()
    expect_alive(client, server)
    expect(log(), [], "the log while a session lives")
    client.close()
    server.close()
    wait_gone()
    expect(len(log()), 1, "records after it")


@scene("a record says who, where, how long, how much and why")
def record():
    client, server = pair()
    here = "%s:%d" % client.getsockname()
    before = time.time() * 1000
    client.sendall(b"a" * 5000)
    read_exactly(server, 5000)
    server.sendall(b"b" * 70000)
    read_exactly(client, 70000)
    time.sleep(0.5)
    reset(server)
    expect_reset(client, "the client")
    wait_gone()
    last = log()[-1]
    expect(set(last), KEYS, "keys")
    expect((last["listener"], last["upstream"], last["client"],
            last["server"]), ("web", "app", here, "%s:%d" % BACK), "who")
    expect((last["bytes_in"], last["bytes_out"]), (5000, 70000), "bytes")
    expect(last["reason"], "server_reset", "the reason")
    expect_between(last["duration_ms"], 500, limit(30000), "duration_ms")
    expect_between(last["connect_us"], 1, limit(10000000), "connect_us")
    expect_between(last["start_ms"], before - limit(10000), before + 100,
                   "start_ms")


@scene("IPv6, and a server that nobody could reach")
def addresses():
    kp("upstream add six")
    kp("server add six [fd02::2]:9000")
    kp("listener add six [fd01::1]:8010 upstream six")
    client, server = pair(to=FRONT6, at=BACK6)
    port = client.getsockname()[1]
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()
    last = log()[-1]
    expect((last["client"], last["server"]),
           (f"[fd01::2]:{port}", "[fd02::2]:9000"), "addresses")
    client = knock(FRONT6)
    if client:
        expect_reset(client, "the client")
    wait_gone()
    last = log()[-1]
    expect((last["reason"], last["connect_us"]), ("unreachable", 0),
           "how it ended")
    kp("listener del six")
    kp("upstream del six")


@scene("looking takes nothing away, and the order is that of the ends")
def twice():
    first = pair()
    second = pair()
    for ends in (second, first):
        time.sleep(0.1)
        for sock in ends:
            sock.close()
        time.sleep(limit(0.2))
    wait_gone()
    once, again = log(), log()
    expect(once, again, "the log, read twice")
    expect(once[-1]["id"] < once[-2]["id"], True,
           "the session that began first ended last")
    ends = [row["start_ms"] + row["duration_ms"] for row in once]
    expect(all(a <= b + 1 for a, b in zip(ends, ends[1:])), True,
           f"sorted: {ends}")


@scene("a full ring forgets the oldest and nothing else")
def wraps():
    echo = EchoServer()
    count = 64 * os.cpu_count() + 70
    for n in range(count):
        client = connect()
        client.sendall(b"z" * (n + 1))
        read_exactly(client, n + 1)
        client.close()
    echo.close()
    wait_gone()
    rows = log()
    expect_between(len(rows), 64, 64 * os.cpu_count(), "records")
    expect(rows[-1]["bytes_in"], count, "bytes of the last")
    numbers = [row["id"] for row in rows]
    expect(len(set(numbers)), len(numbers), "different sessions")
    expect(all(row["bytes_in"] == row["bytes_out"] for row in rows
               if row["reason"] == "client_fin"), True, "whole records")


@scene("who follows gets each session when it has ended")
def follow():
    with follower() as (lines, process):
        time.sleep(limit(0.5))
        old = len(lines)
        for n in range(5):
            one_session(10 + n)
        wait_for(lambda: len(lines) == old + 5, "five more")
        expect([json.loads(line)["bytes_in"] for line in lines[old:]],
               [10, 11, 12, 13, 14], "bytes")
        process.send_signal(signal.SIGINT)
        expect(process.wait(limit(5)), 0, "status")


@scene("who follows too slowly is told how many were lost")
def follow_slowly():
    echo = EchoServer()
    with follower() as (lines, process):
        time.sleep(limit(0.5))
        old = len(lines)
        process.send_signal(signal.SIGSTOP)
        count = 64 * os.cpu_count() + 100
        for _ in range(count):
            client = connect()
            client.sendall(b"z")
            read_exactly(client, 1)
            client.close()
        wait_gone()
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(lines) >= old + 64, "it goes on")
        time.sleep(limit(0.5))
        process.send_signal(signal.SIGTERM)
        expect(process.wait(limit(5)), 0, "status")
        errors = process.stderr.read().split()
    echo.close()
    numbers = [int(word) for word in errors if word.isdigit()]
    expect(sum(numbers) + len(lines) - old, count, "read and lost")


@scene("it is for root, and each namespace has its own")
def private():
    done = run("ip", "netns", "exec", PROXY, "setpriv", "--reuid", "65534",
               "--regid", "65534", "--clear-groups", "kproxy", "log",
               check=False)
    expect(done.returncode, 2, "status")
    if not done.stderr.startswith("kproxy: log: "):
        raise Failed(f"it says: {done.stderr}")
    run("ip", "netns", "add", "kp-other")
    try:
        done = run("kproxy", "-n", "kp-other", "-j", "log")
        expect(json.loads(done.stdout), [], "the log of another namespace")
    finally:
        run("ip", "netns", "del", "kp-other")


main()
