#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tables, JSON and plots of one clock: report.py FOLDER CLOCK

Reads FOLDER/CLOCK/results; writes FOLDER/CLOCK.json, CLOCK.md and, for each plot,
CLOCK-NAME.svg. Prints the tables.
"""

import json
import os
import sys

import plots
import results

GIB = 1 << 30


def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


class Report:
    """The rows of one topology."""

    def __init__(self, rows, topology):
        self.rows = {key[1:]: row for key, row in rows.items()
                     if key[0] == topology}
        self.peers = list(dict.fromkeys(peer for peer, _ in self.rows))
        self.works = list(dict.fromkeys(work for _, work in self.rows))

    def get(self, peer, work, what):
        row = self.rows.get((peer, work))
        try:
            return what(row) if row else None
        except (KeyError, ZeroDivisionError):
            return None

    def cell(self, peer, work, what, ratio=True, spread=False):
        value = self.get(peer, work, what)
        if value is None:
            return ""
        text = number(value)
        direct = self.get("direct", work, what)
        repeats = self.rows[peer, work].get("repeats", [])
        if spread and len(repeats) > 1:
            text += f" [{number(min(repeats))}-{number(max(repeats))}]"
        if ratio and direct and peer != "direct":
            text += f" ({value / direct:.2f})"
        return text

    def table(self, title, columns):
        """COLUMNS: (heading, work, what, with ratio). Without data, nothing."""
        columns = [c for c in columns if c[1] in self.works]
        if not columns:
            return ""
        lines = [f"### {title}", "",
                 "| | " + " | ".join(c[0] for c in columns) + " |",
                 "|---" + "|---:" * len(columns) + "|"]
        for peer in self.peers:
            cells = [self.cell(peer, c[1], c[2], c[3], c[2] is results.value)
                     for c in columns]
            if any(cells):
                lines.append(f"| {peer} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def per_gib(row):
    """Milliseconds of processor time."""
    return 1e3 * row["cpu_seconds"] / (row["bytes"] / GIB)


def per_operation(row):
    """Microseconds of processor time."""
    return 1e6 * row["cpu_seconds"] / row["count"]


def field(name):
    return lambda row: row[name]


def tables(report, where):
    value = results.value
    yield report.table(f"Headline, {where}", [
        ("bulk, Mbit/s", "bulk-1", value, True),
        ("1 byte there and back, p50 us", "rr-1b-1", value, True),
        ("connections/s", "crr-1", value, True),
        ("HTTP keep-alive, requests/s", "wrk", value, True)])
    yield report.table(f"Bulk, {where}", [
        ("1 stream, Mbit/s", "bulk-1", value, True),
        ("8 streams, Mbit/s", "bulk-8", value, True),
        ("1 stream, 50 ms away, Mbit/s", "far-1", value, True),
        ("CPU ms/GiB, 1 stream", "bulk-1", per_gib, True),
        ("CPU ms/GiB, 8 streams", "bulk-8", per_gib, True)])
    yield report.table(f"Request and reply, one connection, us, {where}", [
        (f"{size} {q}", f"rr-{work}-1", field(f"{q}_us"), q == "p50")
        for size, work in (("1 B", "1b"), ("1 KiB", "1k"), ("16 KiB", "16k"))
        for q in ("p50", "p99")])
    yield report.table(f"Request and reply, 64 connections, {where}", [
        column for size, work in
        (("1 B", "1b"), ("1 KiB", "1k"), ("16 KiB", "16k"))
        for column in (
            (f"{size}, 1/s", f"rr-{work}-64", value, True),
            (f"{size} p99 us", f"rr-{work}-64", field("p99_us"), False))])
    yield report.table(f"Connections and mixed load, {where}", [
        ("connect, request, close; 1 at a time, 1/s", "crr-1", value, True),
        ("CPU us each", "crr-1", per_operation, True),
        ("64 at a time, 1/s", "crr-64", value, True),
        ("p99 us", "crr-64", field("p99_us"), False),
        ("1 KiB beside two bulk streams, p50 us", "mixed", field("p50_us"),
         True),
        ("p99 us", "mixed", field("p99_us"), False)])
    yield idle_table(report, where)
    yield pool_table(report, where)


def counted(row):
    """kproxy's counters of a work: sessions, bytes, its pools."""
    before, after = row["counters"]

    def grown(what, name):
        return (sum(r[name] for r in after[what]) -
                sum(r[name] for r in before[what]))

    found = {name: grown("stats", name) for name in
             ("sessions_total", "bytes_spliced", "bytes_copied")}
    found.update({name: grown("pool", name) for name in
                  ("page_refills", "fallbacks")})
    return found


def pool_table(report, where):
    """How often the pools could serve: a session for each client, and a page
    for copies whenever the one before is full."""
    lines = []
    for (peer, work), row in report.rows.items():
        if "counters" not in row:
            continue
        n = counted(row)
        wanted = n["sessions_total"] + n["page_refills"] + n["fallbacks"]
        moved = n["bytes_spliced"] + n["bytes_copied"]
        lines.append(f"| {peer} | {work} | {n['sessions_total']} | "
                     f"{n['page_refills']} | {n['fallbacks']} | "
                     f"{100 * n['fallbacks'] / max(wanted, 1):.2f} | "
                     f"{100 * n['bytes_copied'] / max(moved, 1):.2f} |")
    if not lines:
        return ""
    return "\n".join([f"### Pools, {where}", "",
                      "| | | sessions | pages | from the kernel | % | "
                      "bytes copied, % |",
                      "|---|---|---:|---:|---:|---:|---:|", *lines]) + "\n"


def idle_sessions(report):
    return sorted(int(w[5:]) for w in report.works if w.startswith("idle-"))


def per_session(report, peer, sessions, what="kernel"):
    """Bytes of kernel memory that the proxy adds to the two ends' own."""
    work = f"idle-{sessions}"
    own = report.get(peer, work, field(what))
    ends = report.get("direct", work, field(what))
    if own is None or ends is None or not sessions:
        return None
    return (own if peer == "direct" else own - ends) / sessions


def idle_table(report, where):
    counts = [n for n in idle_sessions(report) if n]
    if not counts:
        return ""
    lines = [f"### Idle sessions, {where}", "",
             "| | idle | kernel memory, bytes each | 1 byte, 16 connections, 1/s"
             " | of none idle | bulk, Mbit/s | of none idle |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for peer in report.peers:
        for n in counts:
            if (peer, f"idle-{n}") in report.rows:
                lines.append(idle_line(report, peer, n))
    return "\n".join(lines) + "\n"


def idle_line(report, peer, sessions):
    cells = [peer, str(sessions)]
    memory = per_session(report, peer, sessions)
    cells.append("" if memory is None else f"{memory:.0f}")
    for what in ("per_s", "mbit"):
        value = report.get(peer, f"idle-{sessions}", field(what))
        alone = report.get(peer, "idle-0", field(what))
        cells += [number(value), f"{value / alone:.2f}" if alone else ""]
    return "| " + " | ".join(cells) + " |"


def draw(report, stem):
    peers = report.peers

    def bars(name, title, unit, works, what):
        series = {label: [report.get(p, work, what) for p in peers]
                  for label, work in works if work in report.works}
        if series:
            plots.bars(f"{stem}-{name}.svg", title, unit, peers, series)

    streams = [("1 stream", "bulk-1"), ("8 streams", "bulk-8")]
    bars("throughput", "Bulk throughput", "Mbit/s", streams, results.value)
    bars("cpu", "Processor time for each GiB", "ms/GiB", streams, per_gib)
    for work, title in (("rr-1b-1", "1 byte there and back, one connection"),
                        ("rr-1b-64", "1 byte there and back, 64 connections")):
        lines = {p: report.get(p, work, field("quantiles")) for p in peers}
        lines = {p: [(100 * q, us) for q, us in line]
                 for p, line in lines.items() if line}
        if lines:
            plots.lines(f"{stem}-latency-{work}.svg", title, "percentile",
                        "us", lines, log_y=True)
    draw_idle(report, stem)


def draw_idle(report, stem):
    counts = idle_sessions(report)
    memory, speed = {}, {}
    for peer in report.peers:
        points = [(n, per_session(report, peer, n)) for n in counts]
        memory[peer] = [(n, y) for n, y in points if y is not None]
        alone = report.get(peer, "idle-0", field("per_s"))
        points = [(n, report.get(peer, f"idle-{n}", field("per_s")))
                  for n in counts]
        speed[peer] = [(n, y / alone) for n, y in points if y and alone]
    memory = {p: line for p, line in memory.items() if line}
    speed = {p: line for p, line in speed.items() if len(line) > 1}
    if memory:
        plots.lines(f"{stem}-sessions-memory.svg",
                    "Kernel memory of an idle session: direct, and what "
                    "others add", "idle sessions", "bytes", memory)
    if speed:
        plots.lines(f"{stem}-sessions-speed.svg",
                    "1-byte requests beside idle sessions",
                    "idle sessions", "of the rate without", speed)


def main(folder, clock):
    rows = results.load(os.path.join(folder, clock, "results"))
    stem = os.path.join(folder, clock)
    with open(f"{stem}.json", "w", encoding="utf-8") as file:
        json.dump(list(rows.values()), file, indent=1)
    text = []
    for topology in dict.fromkeys(key[0] for key in rows):
        report = Report(rows, topology)
        text += [t for t in tables(report, f"{topology}, {clock}") if t]
        draw(report, f"{stem}-{topology}")
    with open(f"{stem}.md", "w", encoding="utf-8") as file:
        file.write("\n".join(text))
    print("\n".join(text))


main(*sys.argv[1:])
