# SPDX-License-Identifier: GPL-2.0
"""
Layouts of packets, which decide how a pump takes their bytes.

usage: packets.py BPF, a folder that a BPF file system is mounted on
"""

import contextlib
import ctypes
import os
import re
import struct
import sys

from peer import (BACK6, CLIENT, FRONT6, KB, MB, PROXY, SERVER, Failed, Stream,
                  both_ways, expect_between, fill_quickly, kp, main, pair,
                  receive_stream, run, run_in, say, scaled, scene, show, sysctl,
                  wait_gone)

BPF = sys.argv.pop(1)

LINKS = ((CLIENT, "eth0"), (PROXY, "front"), (PROXY, "back"), (SERVER, "eth0"))


@contextlib.contextmanager
def links(after, *words):
    """Settings of all devices for a while, each as words of ip link."""
    try:
        for line in words:
            for ns, device in LINKS:
                run("ip", "-n", ns, "link", "set", device, *line.split())
        yield
    finally:
        for line in after:
            for ns, device in LINKS:
                run("ip", "-n", ns, "link", "set", device, *line.split())


@contextlib.contextmanager
def offload(**settings):
    """Features of all devices for a while, those of ethtool."""
    def switch(on):
        words = [word for name, value in settings.items()
                 for word in (name, "on" if value == on else "off")]
        for ns, device in LINKS:
            run_in(ns, "ethtool", "-K", device, *words)

    switch(True)
    try:
        yield
    finally:
        switch(False)


def counter(ns, device, name):
    out = run_in(ns, "ethtool", "-S", device).stdout
    return sum(int(n) for n in re.findall(rf"{name}: (\d+)", out))


@contextlib.contextmanager
def large_packets():
    """A function that returns how many packets of more than 64 KB the proxy has
    received."""
    def nft(text):
        return run_in(PROXY, "nft", "-f", "-", text=text).stdout

    nft("table ip6 large { chain in { type filter hook prerouting priority 0; "
        "meta length > 66000 counter; }; }")
    try:
        yield lambda: int(re.search(r"counter packets (\d+)",
                                    nft("list table ip6 large")).group(1))
    finally:
        nft("delete table ip6 large")


def stalled_stream(size):
    """Data that waits in packets of any kind is taken when the reader
    continues."""
    client, server = pair()
    stream = Stream(3)
    sent = fill_quickly(client, stream)
    if sent < size:
        raise Failed(f"only {sent} bytes were taken, this test is blind")
    return client, server, sent


@scene("jumbo frames")
def jumbo():
    with links(["mtu 1500"], "mtu 9000"):
        for features in {"tso": False, "gso": False}, {"gro": True}:
            with offload(**features):
                client, server = pair()
                both_ways(client, server, scaled(2 * MB))


@scene("heads of up to 64 KB, from the slab")
def large_heads():
    # A packet that cannot be sent in parts is copied into one.
    with links(["mtu 1500"], "mtu 65535"), \
            offload(sg=False, tso=False, gso=False):
        before = show("stats show")[0]["bytes_copied"]
        client, server = pair()
        size = scaled(2 * MB)
        both_ways(client, server, size)
        copied = show("stats show")[0]["bytes_copied"] - before
        expect_between(copied, 2 * size, 2 * size, "bytes that were copied")


def initial_window(packets):
    """No packet is larger than half of the congestion window."""
    for ns, device, net in ((CLIENT, "eth0", 1), (PROXY, "front", 1),
                            (PROXY, "back", 2), (SERVER, "eth0", 2)):
        run("ip", "-n", ns, "-6", "route", "change", f"fd0{net}::/64", "dev",
            device, "proto", "kernel", "metric", "256", "initcwnd",
            str(packets))


@scene("packets of more than 64 KB")
def big_tcp():
    with links(["gso_max_size 65536 gro_max_size 65536"],
               "gso_max_size 200000 gro_max_size 200000"), offload(gro=True):
        kp("server set app 10.2.0.2:9000 weight 0")
        kp("server set app [fd02::2]:9000 weight 1")
        initial_window(400)
        try:
            # Not smaller because pacing or window have not grown yet.
            large = {"net__ipv4__tcp_min_tso_segs": 140,
                     "net__ipv4__tcp_rmem": "4096 4194304 6291456"}
            with sysctl(CLIENT, **large), sysctl(PROXY, **large), \
                    sysctl(SERVER, **large), large_packets() as count:
                client, server = pair(to=FRONT6, at=BACK6)
                both_ways(client, server, max(scaled(16 * MB), 4 * MB),
                          sizes=lambda: 1 * MB)
                say(f"# {count()} packets of more than 64 KB")
                if count() < 3:
                    raise Failed("not enough packets are so large")
        finally:
            initial_window(10)
            kp("server set app [fd02::2]:9000 weight 0")
            kp("server set app 10.2.0.2:9000 weight 1")


def xdp_pass():
    """A program that lets every packet pass, pinned; its path."""
    path = f"{BPF}/pass"
    if os.path.exists(path):
        return path
    libc = ctypes.CDLL(None, use_errno=True)
    # r0 = XDP_PASS; exit
    code = ctypes.create_string_buffer(
        struct.pack("<BBhiBBhi", 0xb7, 0, 0, 2, 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"GPL")
    name = ctypes.create_string_buffer(path.encode())

    def bpf(command, attributes):
        buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
        done = libc.syscall(321, command, buffer, 128)
        if done < 0:
            raise OSError(ctypes.get_errno(), f"bpf command {command}")
        return done

    # BPF_PROG_LOAD, of type XDP; BPF_OBJ_PIN
    prog = bpf(5, struct.pack("<IIQQ", 6, 2, ctypes.addressof(code),
                              ctypes.addressof(licence)))
    bpf(6, struct.pack("<QI", ctypes.addressof(name), prog))
    os.close(prog)
    return path


@contextlib.contextmanager
def page_pools():
    """
    The proxy's devices receive into pages of their own pool: for XDP, a veth
    copies each shared packet there, and TCP's are shared.
    """
    ends = [link for link in LINKS if link[0] == PROXY]

    def switch(*words):
        for ns, device in ends:
            run("ip", "-n", ns, "link", "set", device, "xdp", *words)

    before = [counter(*end, "xdp_packets") for end in ends]
    switch("pinned", xdp_pass())
    try:
        yield
    finally:
        switch("off")
    for end, old in zip(ends, before):
        if counter(*end, "xdp_packets") - old < 10:
            raise Failed(f"{end[1]}: XDP has seen no packets")


@scene("pages of a driver's pool, merged with one another")
def pooled():
    with page_pools(), offload(gro=True):
        client, server = pair()
        both_ways(client, server, scaled(4 * MB))
        client, server = pair({"nodelay": True}, {"nodelay": True})
        both_ways(client, server, scaled(512 * KB), sizes=lambda: 700)


@scene("pages of a pool that is gone when they are sent")
def pool_gone():
    with page_pools(), offload(gro=True):
        client, server, sent = stalled_stream(64 * KB)
    receive_stream(server, Stream(3), sent, end=False)
    client.close()
    server.close()
    wait_gone()


main()
