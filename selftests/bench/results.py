# SPDX-License-Identifier: GPL-2.0
"""Results of the benchmark, as "guest" wrote them: one JSON object a line."""

import json
import statistics


def latency_work(work):
    """One connection: what counts is how long, not how many."""
    return work.startswith("rr-") and work.endswith("-1")


def value(row):
    """The number that a row is quoted with."""
    if latency_work(row["work"]):
        return row["p50_us"]
    return row["mbit"] if "mbit" in row else row["per_s"]


def unit(row):
    if latency_work(row["work"]):
        return "us"
    return "Mbit/s" if "mbit" in row else "1/s"


def cost(row):
    """Less is better: time for each byte or operation."""
    return value(row) if latency_work(row["work"]) else 1 / value(row)


def load(path):
    """Rows by (topology, peer, work); of repeats, the median one, with all
    their values in "repeats"."""
    groups = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            key = row["topology"], row["peer"], row["work"]
            groups.setdefault(key, []).append(row)
    return {key: median(rows) for key, rows in groups.items()}


def median(rows):
    if "mbit" not in rows[0] and "per_s" not in rows[0]:
        return rows[-1]
    values = [value(row) for row in rows]
    middle = statistics.median_low(values)
    row = dict(rows[values.index(middle)])
    row["repeats"] = values
    return row
