#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Where the instructions went: profile.py DIR [N]

DIR has PEER.WORK.insns of the plugin (insns.c), the kernel's symbols as
PEER.symbols, and the results. For each, the N symbols with the most instructions,
in all, for each unit of work, and how often each was entered for one: a round
trip, a connection, a request, or 65160 bytes, the largest packet.
"""

import bisect
import collections
import glob
import json
import os
import sys

import results

PACKET = 65160


def load_symbols(path):
    addresses, names = [], []
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[1] in "tTwW":
                rows.append((int(words[0], 16), words[2]))
    rows.sort()
    for address, name in rows:
        addresses.append(address)
        names.append(name)
    return addresses, names


def units(row):
    """How many units of work were done."""
    if "bytes" in row:
        return row["bytes"] / PACKET
    if row["work"] == "wrk":
        return row["count"]
    # The warm-up, a tenth of the time, is in the profile.
    return row["count"] * 1.1


def profile(path, symbols):
    addresses, names = symbols
    insns, calls = collections.Counter(), collections.Counter()
    with open(path, encoding="utf-8") as file:
        for line in file:
            word, length, runs = line.split()
            address, runs = int(word, 16), int(runs)
            if address < 1 << 63:
                name = "(programs)"
            else:
                at = bisect.bisect_right(addresses, address) - 1
                name = names[at]
                if addresses[at] == address:
                    calls[name] += runs
            insns[name] += int(length) * runs
    return insns, calls


def main(argv):
    folder, top = argv[1], int(argv[2]) if len(argv) > 2 else 60
    rows = results.load(os.path.join(folder, "results"))
    for path in sorted(glob.glob(os.path.join(folder, "*.insns"))):
        peer, work = os.path.basename(path).split(".")[:2]
        row = next((row for (_, p, w), row in rows.items()
                    if (p, w) == (peer, work)), None)
        if not row:
            continue
        n = units(row)
        symbols = load_symbols(os.path.join(folder, f"{peer}.symbols"))
        insns, calls = profile(path, symbols)
        print(f"{peer} {work}: {sum(insns.values()) / n:.0f} instructions "
              f"each of {n:.0f}")
        for name, count in insns.most_common(top):
            print(f"{count / n:10.1f} {calls[name] / n:8.2f}  {name}")
        with open(path.replace(".insns", ".json"), "w",
                  encoding="utf-8") as file:
            json.dump({name: [count / n, calls[name] / n]
                       for name, count in insns.items()}, file)


main(sys.argv)
