#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare a run with the committed baseline: gate.py RESULTS BASELINE [--update]

What is compared is what kproxy costs in units of the direct connection of the
same boot, so that another version of the kernel or of iperf3 changes little.
One result a line, "ok" or "not ok"; past LIMIT more than the baseline it fails.
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
    costs = measured(argv[1])
    if "--update" in argv:
        with open(argv[2], "w", encoding="utf-8") as file:
            json.dump(costs, file, indent=1)
            file.write("\n")
        print(f"wrote {argv[2]}")
        return 0
    with open(argv[2], encoding="utf-8") as file:
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
