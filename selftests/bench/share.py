#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The host's half of the count of shared cache lines (share.c).

usage: share.py layout VMLINUX           what the plugin must know of structures
       share.py check DIR LANES          the scene has the result that it must have
       share.py report VMLINUX BTF MODULE SOURCE DIR
                                         BTF and SOURCE are the module's; DIR/N has
                                         what was counted on N processors
"""

import bisect
import collections
import glob
import os
import re
import subprocess
import sys

import btf

LINE = 64
PEERS = ("kproxy", "haproxy-splice", "relay-splice")
WORKS = (("crr", "session"), ("rr", "1-byte request"), ("bulk", "64 KiB of bulk"))

# What a path to a field begins and ends with and is not worth reading.
WRAPPED = re.compile(r"^(inet_conn\.)?(icsk_inet\.)?(sk\.)?(__sk_common\.)?|"
                     r"((\.rlock)?\.raw_lock)?(\.cnts|\.refs|\.val)?\.counter$|"
                     r"\.seqcount\.sequence$")
# The structure in the objects of a cache, unless the cache has its name, as
# kproxy's have.
CACHES = {
    "TCP": "tcp_sock", "TCPv6": "tcp6_sock", "tw_sock_TCP": "tcp_timewait_sock",
    "request_sock_TCP": "tcp_request_sock", "sock_inode_cache": "socket_alloc",
    "filp": "file", "skbuff_head_cache": "sk_buff",
    "skbuff_fclone_cache": "sk_buff_fclones", "eventpoll_epi": "epitem",
    "eventpoll_pwq": "eppoll_entry", "net_namespace": "net",
    "inode_cache": "inode", "signal_cache": "signal_struct",
    "sighand_cache": "sighand_struct", "files_cache": "files_struct",
    "cred_jar": "cred", "tcp_bind_bucket": "inet_bind_bucket",
    "tcp_bind2_bucket": "inet_bind2_bucket", "ip_dst_cache": "rtable",
    "shmem_inode_cache": "shmem_inode_info", "proc_inode_cache": "proc_inode",
}
# The structure that a function of the kernel allocates.
CALLERS = {
    "do_eventfd": "eventfd_ctx", "neigh_create": "neighbour",
    "___neigh_create": "neighbour", "fib_create_info": "fib_info",
    "alloc_workqueue": "workqueue_struct", "do_epoll_create": "eventpoll",
    "alloc_pipe_info": "pipe_inode_info", "mem_cgroup_css_alloc": "mem_cgroup",
    "reuseport_alloc": "sock_reuseport", "alloc_netdev_mqs": "net_device",
}
# The type of a variable, where the symbol does not tell.
VARIABLES = {
    "init_net": "net", "tcp_hashinfo": "inet_hashinfo", "init_task": "task_struct",
    "root_mem_cgroup": "mem_cgroup", "init_user_ns": "user_namespace",
}


def print_layout(vmlinux):
    types = btf.Btf(btf.section(vmlinux, ".BTF"))
    print("page_size", types.size(types.structs["page"]))
    print("page_head", types.offset("page", "compound_head"))
    print("page_type", types.offset("page", "page_type"))
    print("slab_type", types.constant("PGTY_slab"))
    print("slab_cache", types.offset("slab", "slab_cache"))
    print("cache_size", types.offset("kmem_cache", "size"))
    print("cache_name", types.offset("kmem_cache", "name"))


class Symbols:
    """What /proc/kallsyms says."""

    def __init__(self, path):
        self.text, self.data, self.percpu, self.module = [], [], [], {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split()
                address, kind, name = int(words[0], 16), words[1], words[2]
                if address < 1 << 32:
                    self.percpu.append((address, name))
                elif kind in "tTwW":
                    self.text.append((address, name))
                    if words[-1] == "[kproxy]":
                        self.module[name] = address
                else:
                    self.data.append((address, name))
        for symbols in self.text, self.data, self.percpu:
            symbols.sort()

    @staticmethod
    def find(symbols, address):
        at = bisect.bisect_right(symbols, (address, "\x7f")) - 1
        # Of several names the first.
        while at > 0 and symbols[at - 1][0] == symbols[at][0]:
            at -= 1
        return symbols[at] if at >= 0 else (0, "?")

    def function(self, address):
        if address < 1 << 63:
            return "(program)"
        return self.find(self.text, address)[1].split(".")[0]


class Module:
    """The module's calls of allocators, by its debug information."""

    def __init__(self, path, source):
        self.path, self.source = path, source
        self.types = {}
        listing = subprocess.run(["nm", path], check=True, capture_output=True,
                                 text=True).stdout
        self.offsets = {row.split()[2]: int(row.split()[0], 16)
                        for row in listing.splitlines() if " T " in row}

    def base(self, symbols):
        """Where .text of the module was."""
        for name, address in symbols.module.items():
            if name in self.offsets:
                return address - self.offsets[name]
        return None

    def allocated(self, symbols, caller):
        """The type of the object that the call before this address returned."""
        base = self.base(symbols)
        if base is None or not 0 <= caller - base < 1 << 24:
            return None
        if caller - base not in self.types:
            self.types[caller - base] = self.look(caller - base - 1)
        return self.types[caller - base]

    def look(self, offset):
        """Inlined functions come first, the kernel's before the module's."""
        lines = subprocess.run(
            ["addr2line", "-i", "-j", ".text", "-e", self.path, hex(offset)],
            check=True, capture_output=True, text=True).stdout
        for name, line in re.findall(r"([\w-]+\.c):(\d+)", lines):
            found = self.type_at(name, int(line))
            if found:
                return found
        return None

    def type_at(self, name, line):
        try:
            with open(os.path.join(self.source, name), encoding="utf-8") as file:
                rows = file.readlines()[:line + 2]
        except FileNotFoundError:
            return None
        text = "".join(rows[line - 2:])
        found = re.search(r"sizeof\(\*(\w+)|struct_size\((\w+)|"
                          r"alloc_percpu\w*\(struct (\w+)", text)
        if not found or found[3]:
            return found and found[3]
        variable = found[1] or found[2]
        types = re.findall(rf"struct (\w+) \*{variable}\b", "".join(rows))
        return types[-1] if types else None


class Names:
    """From what the plugin prints to names of structures and fields."""

    def __init__(self, btfs, module):
        self.btfs, self.module = btfs, module
        self.own = set()        # structures that the module alone has

    def field(self, kind, offset):
        for types in self.btfs:
            if kind in types.structs:
                return types.field(types.structs[kind], offset)
        return ""

    def typed(self, what, kind, offset):
        if not any(kind in types.structs for types in self.btfs):
            return what, offset // LINE, f"+{offset}"
        if kind not in self.btfs[-1].structs:
            self.own.add(f"struct {kind}")
        field = WRAPPED.sub("", self.field(kind, offset))
        return f"struct {kind}", offset // LINE, field or f"+{offset}"

    def name(self, symbols, words, function):
        """(structure, line, field) of one line of the plugin's."""
        kind = words[0]
        if kind == "slab":
            cache, offset = words[1], int(words[2])
            if cache.startswith("kmalloc-"):
                return f"{cache} used by {function}", offset // LINE, f"+{offset}"
            return self.typed(cache, CACHES.get(cache, cache), offset)
        if kind in ("kmalloc", "dynamic", "vmalloc"):
            address, offset = int(words[1], 16), int(words[-1])
            caller = symbols.function(address)
            what = f"{kind} by {caller}"
            if kind == "vmalloc":
                stack = caller in ("copy_process", "dup_task_struct")
                return "kernel stack" if stack else what, 0, ""
            known = self.module.allocated(symbols, address)
            return self.typed(what, known or CALLERS.get(caller), offset)
        if kind == "percpu":
            begin, symbol = symbols.find(symbols.percpu, int(words[1]))
            return self.variable(f"per-CPU {symbol}", symbol,
                                 int(words[1]) - begin)
        if kind == "symbol":
            begin, symbol = symbols.find(symbols.data, int(words[1], 16))
            return self.variable(symbol, symbol, int(words[1], 16) - begin)
        if kind == "struct-page":
            return self.typed("struct page", "page", int(words[1]))
        if kind == "page":
            caller = int(words[1], 16)
            caller = symbols.function(caller) if caller else "?"
            return f"page of {caller}, used by {function}", 0, ""
        if kind == "other":
            return f"memory used by {function}", 0, ""
        return "memory of programs", 0, ""

    def variable(self, what, symbol, offset):
        for types in self.btfs:
            number = types.variables.get(symbol)
            if number is None:
                number = types.structs.get(VARIABLES.get(symbol))
            if number is not None:
                field = WRAPPED.sub("", types.field(number, offset))
                if field:
                    return what, offset // LINE, field
        return what, offset // LINE, f"+{offset}" if offset else ""


Line = collections.namedtuple("Line", "count fields functions")


class Count:
    """The transfers of one peer, work and number of processors."""

    def __init__(self, path, symbols, names, units):
        self.total = 0.0
        self.lines = {}
        self.functions = collections.Counter()
        with open(path, encoding="utf-8") as file:
            for row in file:
                words = row.split()
                count = int(words[0]) / units
                function = symbols.function(int(words[2], 16))
                what, line, field = names.name(symbols, words[3:], function)
                entry = self.lines.setdefault(
                    (what, line), [0.0, collections.Counter(),
                                   collections.Counter()])
                entry[0] += count
                entry[1][field] += count
                entry[2][function] += count
                self.functions[function] += count
                self.total += count


def load(folder, names):
    """{(processors, peer, work): Count}"""
    counts, symbols = {}, {}
    for path in glob.glob(os.path.join(folder, "*", "*.share")):
        cpus = int(os.path.basename(os.path.dirname(path)))
        peer, work, n = os.path.basename(path).split(".")[:3]
        if peer == "scene":
            continue
        known = os.path.join(os.path.dirname(path), f"{peer}.symbols")
        if known not in symbols:
            symbols[known] = Symbols(known)
        counts[cpus, peer, work] = Count(path, symbols[known], names,
                                         int(n) * cpus)
    return counts


def names_of(counter, n):
    return ", ".join(name for name, _ in counter.most_common(n) if name)


def print_worst(count, direct, only=None, n=10):
    """The lines that move most beyond what they do in a direct connection."""
    rows = []
    for key, (total, fields, functions) in count.lines.items():
        if only is not None and key[0] not in only:
            continue
        own = total - (direct.lines[key][0] if key in direct.lines else 0)
        rows.append((own, key, fields, functions))
    rows = [row for row in rows if row[0] >= 0.005]
    if not rows:
        print("None.\n")
        return
    rows.sort(key=lambda row: (-row[0], row[1]))
    print("| transfers | structure | fields | functions |")
    print("| ---: | --- | --- | --- |")
    for own, (what, line, *_), fields, functions in rows[:n]:
        where = f", line {line}" if line else ""
        print(f"| {own:.2f} | {what}{where} | {names_of(fields, 4)} "
              f"| {names_of(functions, 4)} |")
    print()


def print_table(counts, cpus, work, unit):
    print(f"## Transfers for each {unit}\n")
    print("| processors | " + " | ".join(map(str, cpus)) + " |")
    print("| --- |" + " ---: |" * len(cpus))
    for peer in ("direct", *PEERS):
        cells = []
        for n in cpus:
            count, base = counts.get((n, peer, work)), counts.get(
                (n, "direct", work))
            if not count or not base:
                cells.append("-")
            elif peer == "direct":
                cells.append(f"{count.total:.2f}")
            else:
                cells.append(f"{count.total - base.total:.2f}")
        name = peer if peer == "direct" else f"{peer}, beyond that"
        print(f"| {name} | " + " | ".join(cells) + " |")
    print()


def print_report(vmlinux, types, module, source, folder):
    with open(types, "rb") as file:
        btfs = [btf.Btf(file.read()), btf.Btf(btf.section(vmlinux, ".BTF"))]
    names = Names(btfs, Module(module, source))
    counts = load(folder, names)
    if not counts:
        sys.exit(f"share.py: nothing was counted in {folder}")
    cpus = sorted({key[0] for key in counts})
    for work, unit in WORKS:
        print_table(counts, cpus, work, unit)
    for work, unit in WORKS:
        for peer in PEERS:
            count = counts.get((cpus[-1], peer, work))
            direct = counts.get((cpus[-1], "direct", work))
            if count and direct:
                print(f"## {peer}, {unit}, {cpus[-1]} processors\n")
                print_worst(count, direct)
            if count and direct and peer == "kproxy":
                print("Of these, structures that are the module's own:\n")
                print_worst(count, direct, names.own)


def functions_of(program):
    """[(address, size, name)] of a program's functions."""
    listing = subprocess.run(["nm", "-S", program], check=True,
                             capture_output=True, text=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [(int(row[0], 16), int(row[1], 16), row[3]) for row in rows
            if len(row) == 4 and row[2] in "tT"]


def check_scene(folder, program):
    """Each thread did ROUNDS turns; the first finds nobody's copy."""
    failures = 0
    functions = functions_of(program)
    path, = glob.glob(os.path.join(folder, "scene.*.share"))
    _, lanes, rounds, _ = os.path.basename(path).split(".")
    lanes, rounds = int(lanes), int(rounds)
    symbols = Symbols(os.path.join(folder, "scene.symbols"))
    got = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for row in file:
            words = row.split()
            pc = int(words[2], 16)
            for address, size, name in functions:
                if address <= pc < address + size:
                    got[name] += int(words[0])
            if words[3] == "kmalloc" and \
                    symbols.function(int(words[4], 16)) == "do_eventfd":
                got["eventfd_ctx"] += int(words[0])
    turns = lanes * rounds
    for name, want in (("scene_add_shared", turns),
                       ("scene_add_private", 0),
                       ("scene_add_neighbour", turns),
                       ("scene_produce", rounds),
                       ("scene_consume", turns - rounds),
                       ("eventfd_ctx", turns)):
        right = abs(got[name] - want) <= max(lanes, want // 50)
        print(f"{'ok' if right else 'not ok'} {name}: {got[name]} transfers, "
              f"{want} expected")
        failures += not right
    return failures


def main(argv):
    if argv[1:2] == ["layout"] and len(argv) == 3:
        print_layout(argv[2])
    elif argv[1:2] == ["check"] and len(argv) == 4:
        return 1 if check_scene(argv[2], argv[3]) else 0
    elif argv[1:2] == ["report"] and len(argv) == 7:
        print_report(*argv[2:])
    else:
        sys.exit(__doc__)
    return 0


sys.exit(main(sys.argv))
