#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare runs with the baseline: gate.py BASELINE RESULTS... [--update]

The measure is kproxy's cost in units of the direct connection of the same boot,
so that another version of the kernel or of iperf3 changes little; of several
boots the cheapest counts. Prints one result per line, "ok" or "not ok"; it
fails beyond LIMIT more than the baseline.
"""

import json
import sys

import results

LIMIT = 0.03


def measured(path):
    rows = results.load(path)
    costs = {}
    for (_, peer, work), row in rows.items():
        if peer == "kproxy" and results.quoted(row):
            direct = rows["veth", "direct", work]
            costs[work] = {
                "cost": round(results.cost(row) / results.cost(direct), 4),
                "kproxy": results.value(row),
                "direct": results.value(direct),
            }
    return costs


def main(argv):
    update = "--update" in argv
    baseline_path, *runs = [arg for arg in argv[1:] if arg != "--update"]
    costs = {}
    for run in runs:
        for work, now in measured(run).items():
            if work not in costs or now["cost"] < costs[work]["cost"]:
                costs[work] = now
    if update:
        with open(baseline_path, "w", encoding="utf-8") as file:
            json.dump(costs, file, indent=1)
            file.write("\n")
        print(f"wrote {baseline_path}")
        return 0
    with open(baseline_path, encoding="utf-8") as file:
        baseline = json.load(file)
    failed = 0
    for work, before in baseline.items():
        now = costs.get(work)
        if not now:
            print(f"not ok {work}: was not measured")
            failed += 1
            continue
        change = now["cost"] / before["cost"] - 1
        word = "ok" if change <= LIMIT else "not ok"
        failed += change > LIMIT
        print(f"{word} {work}: kproxy {now['kproxy']:.1f} "
              f"(baseline {before['kproxy']:.1f}), direct "
              f"{now['direct']:.1f} ({before['direct']:.1f}), cost "
              f"{now['cost']:.3f} of direct, {100 * change:+.1f} %")
    print(f"{len(baseline) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv))
