# SPDX-License-Identifier: GPL-2.0
"""
BPF programs by hand, through bpf(2) alone: no compiler and no library. Enough
for programs that put sockets into a sockmap and count the results, and for the
rules of a cgroup.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]

MAP_CREATE, MAP_LOOKUP, PROG_LOAD, PROG_ATTACH, PROG_DETACH = 0, 1, 5, 8, 9
LINK_CREATE = 28
ARRAY, SOCKHASH = 2, 18
SCHED_CLS, SOCK_OPS = 3, 13
CGROUP_SOCK_OPS, TCX_INGRESS = 3, 46

# Rules of a cgroup: the type of the program, and where it is attached.
EGRESS = 8, 1           # CGROUP_SKB, CGROUP_INET_EGRESS
SOCK_CREATE = 9, 2      # CGROUP_SOCK, CGROUP_INET_SOCK_CREATE
CONNECT4 = 18, 10       # CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT
SKB_LOAD_BYTES = 26

# enum of linux/bpf.h: what a sock_ops program is called for.
ACTIVE, PASSIVE, LISTEN = 4, 5, 11

TCP_LISTEN = 10

# Registers.
R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)


class Error(OSError):
    """bpf(2) has failed; the text has the program's log."""


def bpf(command, attr, log=None):
    buffer = ctypes.create_string_buffer(attr, 144)
    got = _libc.syscall(_SYS_BPF, command, buffer, 144)
    if got < 0:
        number = ctypes.get_errno()
        text = log.value.decode(errors="replace") if log else ""
        raise Error(number, f"bpf({command}): {os.strerror(number)}\n{text}")
    return got


def new_map(kind, key, value, entries):
    return bpf(MAP_CREATE, struct.pack("5I", kind, key, value, entries, 0))


def read_map(fd, key):
    """The 64 bits of an array's element."""
    index = ctypes.c_uint32(key)
    value = ctypes.c_uint64()
    bpf(MAP_LOOKUP, struct.pack("IxxxxQQQ", fd, ctypes.addressof(index),
                                ctypes.addressof(value), 0))
    return value.value


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, dst | src << 4, off, imm)


def mov(dst, src):
    return insn(0xbf, dst, src)


def mov_imm(dst, value):
    return insn(0xb7, dst, imm=value)


def add_imm(dst, value):
    return insn(0x07, dst, imm=value)


def multiply_imm(dst, value):
    return insn(0x27, dst, imm=value)


def sign_extend(dst):
    """What a helper returns as an int."""
    return insn(0x67, dst, imm=32) + insn(0xc7, dst, imm=32)


def load(size, dst, src, off):
    """dst = *(uSIZE *)(src + off), the size in bytes."""
    return insn({1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}[size], dst, src, off)


def store(size, dst, off, src):
    """*(uSIZE *)(dst + off) = src"""
    return insn({4: 0x63, 8: 0x7b}[size], dst, src, off)


def map_address(dst, fd):
    """The address of a map takes two instructions."""
    return insn(0x18, dst, 1, imm=fd) + insn(0)


def atomic_add(dst, off, src):
    return insn(0xdb, dst, src, off)


def call(helper):
    return insn(0x85, imm=helper)


def leave():
    return insn(0x95)


JUMPS = {"==": 0x15, "!=": 0x55, ">": 0x2d, "always": 0x05}


class Label(str):
    """A place in a program."""


class Jump:
    """Jump to a label, if a register and a number meet the condition."""

    def __init__(self, condition, label, dst=0, imm=0, src=0):
        self.code = JUMPS[condition]
        self.label, self.dst, self.imm, self.src = label, dst, imm, src


def assemble(parts):
    """Instructions, labels and jumps as one program."""
    at, places = 0, {}
    for part in parts:
        if isinstance(part, Label):
            places[str(part)] = at
        else:
            at += 1 if isinstance(part, Jump) else len(part) // 8
    code = b""
    for part in parts:
        if isinstance(part, Jump):
            code += insn(part.code, part.dst, part.src,
                         places[part.label] - len(code) // 8 - 1, part.imm)
        elif not isinstance(part, Label):
            code += part
    return code


def load_program(kind, parts, attach=0):
    code = assemble(parts)
    text = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(1 << 16)
    return bpf(PROG_LOAD, struct.pack(
        "IIQQIIQII16sII", kind, len(code) // 8, ctypes.addressof(text),
        ctypes.addressof(licence), 1, len(log), ctypes.addressof(log), 0, 0,
        b"kproxy_test", 0, attach), log)


@contextlib.contextmanager
def closing(*fds):
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def on_cgroup(program, path, attach=CGROUP_SOCK_OPS):
    """Run a program for the sockets of a cgroup, for a while."""
    where = struct.pack("4I", group := os.open(path, os.O_RDONLY), program,
                        attach, 0)
    with closing(group):
        bpf(PROG_ATTACH, where)
        try:
            yield
        finally:
            bpf(PROG_DETACH, where)


@contextlib.contextmanager
def on_device(program, index):
    """Run a classifier for what a device of this namespace receives."""
    link = bpf(LINK_CREATE, struct.pack("4I", program, index, TCX_INGRESS, 0))
    with closing(link):
        yield


# The results, in an array of 64-bit numbers: at the kind of socket times three,
# the numbers of sockets that were added, that were refused because they have an
# owner, and that were refused for another reason.
ADDED, OWNED, REFUSED = range(3)


def count(counters, kind):
    """Count by the kind in a register and by the result, in R0."""
    return [
        multiply_imm(kind, 3),
        Jump("==", "counted", R0, 0),
        add_imm(kind, 1),
        Jump("==", "counted", R0, -errno.EBUSY),
        add_imm(kind, 1),
        Label("counted"),
        store(4, R10, -4, kind),
        map_address(R1, counters),
        mov(R2, R10), add_imm(R2, -4),
        call(1),  # bpf_map_lookup_elem
        Jump("==", "out", R0, 0),
        mov_imm(R1, 1),
        atomic_add(R0, 0, R1),
    ]


# Kinds of sockets, as the programs report them.
OTHERS, OURS, OUR_LISTENER = range(3)
KINDS = 3


def sock_ops(sockets, counters, ops, listens, connects):
    """
    Add every socket that one of these ops is called for. Ours are those that
    listen on one port, or connect to the other.
    """
    network = int.from_bytes(connects.to_bytes(4, "big"), "little")
    parts = [mov(R6, R1), load(4, R7, R6, 0)]
    parts += [Jump("==", "add", R7, op) for op in ops]
    parts += [
        Jump("always", "out"),
        Label("add"),
        load(4, R8, R6, 68),  # local_port
        load(4, R9, R6, 64),  # remote_port
        store(4, R10, -16, R8),
        store(4, R10, -12, R9),
        mov(R1, R6),
        map_address(R2, sockets),
        mov(R3, R10), add_imm(R3, -16),
        mov_imm(R4, 0),
        call(70),  # bpf_sock_hash_update
        sign_extend(R0),
        Jump("==", "listener", R7, LISTEN),
        Jump("==", "active", R7, ACTIVE),
        mov_imm(R7, OURS),
        Jump("==", "count", R8, listens),
        Jump("always", "other"),
        Label("active"),
        mov_imm(R7, OURS),
        Jump("==", "count", R9, network),
        Jump("always", "other"),
        Label("listener"),
        mov_imm(R7, OUR_LISTENER),
        Jump("==", "count", R8, listens),
        Label("other"),
        mov_imm(R7, OTHERS),
        Label("count"),
        *count(counters, R7),
        Label("out"),
        mov_imm(R0, 1),
        leave(),
    ]
    return load_program(SOCK_OPS, parts, CGROUP_SOCK_OPS)


def classifier(sockets, counters):
    """
    Look up the socket that a TCP packet is for, in any state, and add it. Only
    IPv4 without options.
    """
    parts = [
        mov(R6, R1),
        load(4, R7, R6, 76),  # data
        load(4, R8, R6, 80),  # data_end
        mov(R1, R7), add_imm(R1, 54),
        Jump(">", "out", R1, src=R8),
        load(2, R1, R7, 12),
        Jump("!=", "out", R1, int.from_bytes(b"\x08\x00", "little")),
        load(1, R1, R7, 23),
        Jump("!=", "out", R1, socket.IPPROTO_TCP),
        load(4, R1, R7, 26), store(4, R10, -32, R1),
        load(4, R1, R7, 30), store(4, R10, -28, R1),
        load(4, R1, R7, 34), store(4, R10, -24, R1),
        # The key: both ports.
        store(4, R10, -16, R1),
        mov_imm(R1, 0), store(4, R10, -12, R1),
        mov(R1, R6),
        mov(R2, R10), add_imm(R2, -32),
        mov_imm(R3, 12),
        mov_imm(R4, -1),
        mov_imm(R5, 0),
        call(84),  # bpf_sk_lookup_tcp
        Jump("==", "out", R0, 0),
        mov(R9, R0),
        load(4, R8, R9, 72),  # state
        map_address(R1, sockets),
        mov(R2, R10), add_imm(R2, -16),
        mov(R3, R9),
        mov_imm(R4, 0),
        call(2),  # bpf_map_update_elem
        mov(R7, R0),
        mov(R1, R9),
        call(86),  # bpf_sk_release
        mov(R0, R7),
        sign_extend(R0),
        mov_imm(R7, OUR_LISTENER),
        Jump("==", "count", R8, TCP_LISTEN),
        mov_imm(R7, OURS),
        Label("count"),
        *count(counters, R7),
        Label("out"),
        mov_imm(R0, -1),  # TC_ACT_UNSPEC
        leave(),
    ]
    return load_program(SCHED_CLS, parts, TCX_INGRESS)


# Rules of a cgroup.


def returns(value):
    return [mov_imm(R0, value), leave()]


def drop_port(port):
    """Of a packet: 0 if it is IPv4's and goes to the port, 1 otherwise."""
    return [mov_imm(R2, 0), mov(R3, R10), add_imm(R3, -24), mov_imm(R4, 24),
            call(SKB_LOAD_BYTES), Jump("!=", "pass", R0, 0),
            load(2, R1, R10, -2),
            Jump("==", "drop", R1, socket.htons(port)),
            Label("pass"), *returns(1), Label("drop"), *returns(0)]


def refuse_lsock(port):
    """Of a connect(): 0 if it is to the port, 1 otherwise."""
    return [load(4, R1, R1, 24),                # user_port
            Jump("==", "refuse", R1, socket.htons(port)),
            *returns(1), Label("refuse"), *returns(0)]


@contextlib.contextmanager
def attached(path, kind, parts):
    """A rule holds for a cgroup, for a while."""
    with closing(program := load_program(kind[0], parts, kind[1])), \
            on_cgroup(program, path, kind[1]):
        yield
