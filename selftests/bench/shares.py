#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The share of each function of a kernel in User Mode Linux: shares.py SYMBOLS N

Standard input is what "perf script -F comm,ip" prints, SYMBOLS the guest's
/proc/kallsyms. Prints the N functions with the most samples: of the module, of
TCP and IP, and of all else. 100 percent is what the guest's kernel took; what
its programs and this machine's kernel took is named apart.
"""

import bisect
import collections
import re
import sys

# By their names; kallsyms does not know files.
NETWORK = re.compile(r"_*(tcp|inet|ip6?|ipv6|skb?|sock|napi|netif|dev|qdisc|veth)_")
KINDS = "module", "TCP, IP and below", "all else"


def load_symbols(path):
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            address, kind, name, *module = line.split()
            if kind in "tTwW":
                rows.append((int(address, 16), name, bool(module)))
    return sorted(rows)


def kind_of(name, module):
    if module:
        return KINDS[0]
    return KINDS[1] if NETWORK.match(name) else KINDS[2]


def count(lines, symbols):
    addresses = [row[0] for row in symbols]
    kinds = {kind: collections.Counter() for kind in KINDS}
    others = collections.Counter()
    for line in lines:
        comm, ip = line.rsplit(None, 1)
        address = int(ip, 16)
        at = bisect.bisect_right(addresses, address) - 1
        if address >> 63:
            others["this machine's kernel"] += 1
        elif "uml-userspace" in comm or at < 0 or address >> 44:
            others["programs and C library"] += 1
        else:
            _, name, module = symbols[at]
            kinds[kind_of(name, module)][name] += 1
    return kinds, others


def main(argv):
    kinds, others = count(sys.stdin, load_symbols(argv[1]))
    total = sum(sum(names.values()) for names in kinds.values())
    if not total or not kinds[KINDS[0]]:
        sys.exit("shares: no samples of the module")
    print(f"{total} samples in the guest's kernel")
    for what, samples in others.most_common():
        print(f"{samples} in {what}")
    for kind, names in kinds.items():
        print(f"\n{100 * sum(names.values()) / total:6.2f} %  {kind}")
        for name, samples in names.most_common(int(argv[2])):
            print(f"{100 * samples / total:6.2f} %    {name}")


if __name__ == "__main__":
    main(sys.argv)
