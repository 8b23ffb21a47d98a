#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The text of "kproxy metrics", and that its numbers are those of "show"."""

import json
import pathlib
import re
import shutil

from peer import (EchoServer, connect, expect, expect_between, Failed, kp, main,
                  pair, read_exactly, run, scene, show, stats, wait_for,
                  wait_gone)

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="[^"]*",?)+)\})? '
                    r'(\d+(?:\.\d{6})?)$')
DASHBOARD = (pathlib.Path(__file__).parent.parent /
             "tools/packaging/grafana/kproxy.json")


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
                histogram = word[2].endswith("_time_seconds")
                expect((word[1], word[3]),
                       ("TYPE", "histogram" if histogram else "gauge"), line)
                expect(word[2].endswith("_total"), False, line)
            continue
        match = SAMPLE.match(line)
        if not match:
            raise Failed(f"no sample: {line}")
        name, labels, value = match.groups()
        if family.endswith("_time_seconds"):
            expect(re.sub("_(bucket|sum|count)$", "", name), family, line)
        else:
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


@scene("the times of each server are histograms")
def histograms():
    for sock in traffic():
        sock.close()
    wait_gone()
    found = metrics()
    labels = 'upstream="app",server="10.2.0.2:9000"'
    shown = show("server show app")[0]
    for key in ("connect_time", "session_time"):
        name = f"kproxy_server_{key}_seconds"
        buckets = [(float(re.search('le="([^"]*)"', where)[1]), value)
                   for (what, where), value in found.items()
                   if what == f"{name}_bucket" and where.startswith(labels)]
        count = found[f"{name}_count", labels]
        expect(count, shown[key]["count"], f"{key}: count")
        expect(count, shown["stats"]["sessions_total"], f"{key}: sessions")
        expect(buckets, sorted(buckets), f"{key}: in order")
        expect([n for _, n in buckets], sorted(n for _, n in buckets),
               f"{key}: each has all before it")
        expect(buckets[-1], (float("inf"), count), f"{key}: the last")
        expect(round(found[f"{name}_sum", labels] * 1e6),
               shown[key]["sum_us"], f"{key}: sum")
        expect_between(shown[key]["p50_us"], 0, shown[key]["p99_us"],
                       f"{key}: half of them")
        expect(sum(part["count"] for part in shown[key]["buckets"]), count,
               f"{key}: all buckets")


@scene("connections made ahead are counted, where there are any")
def preconnect():
    expect([name for name, _ in metrics() if "preconnect" in name], [],
           "without them")
    echo = EchoServer()
    kp("upstream set app preconnect 2")
    wait_for(lambda: show("server show app")[0]["preconnect"]["ready"],
             "some are ready")
    client = connect()
    client.sendall(b"a")
    read_exactly(client, 1)
    found = metrics()
    labels = 'upstream="app",server="10.2.0.2:9000"'
    expect(found["kproxy_server_preconnect_used_total", labels] +
           found["kproxy_server_preconnect_missed_total", labels], 1,
           "used or missed")
    expect("kproxy_server_preconnect_ready" in {name for name, _ in found},
           True, "ready")
    client.close()
    check_dashboard(found)
    kp("upstream set app preconnect 0")
    echo.close()
    wait_gone()


def check_dashboard(found):
    """Each metric that it has exists, and is broken down by what it has."""
    names = {name for name, _ in found}
    labels = {name: set(re.findall('([a-z]+)="', where))
              for name, where in found}
    used = 0
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expr = target["expr"]
            for name in re.findall(r"\bkproxy_[a-z_]+", expr):
                used += 1
                expect(name in names, True, f"{name} of {panel['title']}")
                by = re.search(r"by \(([a-z, ]+)\)", expr)
                words = set(by[1].split(", ")) if by else set()
                expect(words - labels[name] - {"instance"}, set(),
                       f"labels of {name}")
    expect_between(used, 20, 1000, "metrics of the dashboard")


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
