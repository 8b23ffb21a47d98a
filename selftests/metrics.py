#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The text of "kproxy metrics", and that its numbers are those of "show"."""

import re
import shutil

from peer import (Failed, expect, kp, main, pair, read_exactly, run, scene,
                  show, stats, wait_gone)

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="[^"]*",?)+)\})? (\d+(?:\.\d{6})?)$')


def metrics():
    """Values by name and labels; the text is checked on the way."""
    lines = kp("metrics").stdout.splitlines()
    expect(lines[-1], "# EOF", "the last line")
    found, family = {}, None
    for line in lines[:-1]:
        word = line.split(" ", 3)
        if word[0] == "#":
            if word[1] == "HELP":
                expect(word[3].endswith("."), True, f"a sentence: {line}")
                family = word[2]
            else:
                expect((word[1], word[3]), ("TYPE", "gauge"), line)
                expect(word[2].endswith("_total"), False, line)
            continue
        match = SAMPLE.match(line)
        if not match:
            raise Failed(f"no sample: {line}")
        name, labels, value = match.groups()
        expect(name, family, "the name of a sample")
        key = (name, labels or "")
        expect(key in found, False, f"twice: {key}")
        found[key] = float(value) if "." in value else int(value)
    return found


def traffic():
    client, server = pair()
    client.sendall(b"a" * 1000)
    read_exactly(server, 1000)
    server.sendall(b"b" * 20000)
    read_exactly(client, 20000)
    return client, server


@scene("the totals are those of the namespace")
def totals():
    ends = traffic()
    found, want = metrics(), stats()
    expect(found["kproxy_active_sessions", ""], 1, "live sessions")
    for key in ("sessions_total", "refused", "connect_failures", "bytes_in",
                "bytes_out", "bytes_spliced", "bytes_copied"):
        name = key if key.endswith("_total") else key + "_total"
        expect(found["kproxy_" + name, ""], want[key], key)
    for sock in ends:
        sock.close()
    wait_gone()


@scene("each listener, server and pool has its own")
def objects():
    kp("server add app [fd02::2]:9000 weight 7 state drain")
    found = metrics()
    listener = show("listener show web")[0]["stats"]
    expect(found["kproxy_listener_bytes_in_total", 'listener="web"'],
           listener["bytes_in"], "bytes of the listener")
    for row in show("server show app"):
        labels = f'upstream="app",server="{row["address"]}"'
        expect(found["kproxy_server_sessions_total", labels],
               row["stats"]["sessions_total"], f"sessions of {labels}")
        expect(found["kproxy_server_weight", labels], row["weight"], "weight")
        expect(found["kproxy_server_up", labels], int(row["state"] == "up"),
               "whether it is up")
    for row in show("pool show"):
        expect(found["kproxy_pool_pages", f'cpu="{row["cpu"]}"'],
               row["pages"], "pages")
    kp("server del app [fd02::2]:9000")


@scene("counters only grow")
def grow():
    before = metrics()
    for sock in traffic():
        sock.close()
    wait_gone()
    after = metrics()
    for key, value in before.items():
        if key[0].endswith("_total") and after[key] < value:
            raise Failed(f"{key}: {value}, then {after[key]}")
    expect(after["kproxy_sessions_total", ""],
           before["kproxy_sessions_total", ""] + 1, "sessions")


@scene("a namespace in which nothing is has metrics too")
def nothing():
    run("ip", "netns", "add", "kp-other")
    try:
        text = run("kproxy", "-n", "kp-other", "metrics").stdout
    finally:
        run("ip", "netns", "del", "kp-other")
    expect("kproxy_sessions_total 0\n" in text, True, "no session yet")
    expect("kproxy_listener" in text, False, "no listener")


@scene("promtool finds nothing to complain of")
def promtool():
    if not shutil.which("promtool"):
        raise Failed("there is no promtool")
    done = run("promtool", "check", "metrics", check=False,
               text=kp("metrics").stdout)
    expect((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")


main()
