# SPDX-License-Identifier: GPL-2.0
"""Results of the benchmark, as "guest" wrote them: one JSON object a line."""

import json
import statistics


def latency_work(work):
    """One connection: latency counts, not the rate."""
    return work.startswith("rr-") and work.endswith("-1")


def quoted(row):
    return "per_s" in row or "mbit" in row


def value(row):
    """The number that a row is quoted with."""
    if latency_work(row["work"]):
        return row["p50_us"]
    return row["per_s"] if "per_s" in row else row["mbit"]


def cost(row):
    """Less is better: time for each byte or operation."""
    return value(row) if latency_work(row["work"]) else 1 / value(row)


def load(path):
    """Rows by (topology, peer, work); of repeats, the median one, with all
    their values in "repeats"."""
    groups = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = flat(json.loads(line))
            key = row["topology"], row["peer"], row["work"]
            groups.setdefault(key, []).append(row)
    return {key: median(rows) for key, rows in groups.items()}


def flat(row):
    """The program's own findings, beside what was measured around it."""
    found = row.pop("found")
    for part in (found, found.pop("rr", {}), found.pop("bulk", {})):
        row.update(iperf(part) if "end" in part else part)
    row["cpu_seconds"] = row.pop("busy") / 100
    return row


def iperf(found):
    """By the sender's time: the clock may jump before the receiver, which by
    then only has its report to write, looks at it."""
    size = found["end"]["sum_received"]["bytes"]
    seconds = found["end"]["sum_sent"]["seconds"]
    return {"mbit": 8 * size / seconds / 1e6, "bytes": size}


def median(rows):
    if not quoted(rows[0]):
        return rows[-1]
    values = [value(row) for row in rows]
    middle = statistics.median_low(values)
    row = dict(rows[values.index(middle)])
    row["repeats"] = values
    return row
