# SPDX-License-Identifier: GPL-2.0
"""
The command accepts messages from the kernel only, and prints no control
characters, whatever another process of the namespace sends or names.
"""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from netlink_raw import (MULTI, NETLINK_GENERIC, NLMSG_DONE, NLMSG_ERROR,
                         attr, attrs, message, opened_by_nobody)
from netlink_spec import ATTR, COMMAND, endpoint, open_netlink
from peer import (PROXY, expect, kp, limit, main, netns, run, scene, wait_for)

SET_UP = """
load
topology
simple_proxy
"""

OWNED = "\x1b[31mowned"
S, L = ATTR["session"], ATTR["listener"]


class Command:
    """The command, its output, and where messages reach it."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            ("kproxy", "-n", PROXY, *words), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.out, self.errors = [], []
        for pipe, lines in ((self.process.stdout, self.out),
                            (self.process.stderr, self.errors)):
            threading.Thread(target=self._read, args=(pipe, lines),
                             daemon=True).start()

    @staticmethod
    def _read(pipe, lines):
        for line in pipe:
            lines.append(line)

    def port(self):
        """Of its netlink socket, once it has one."""

        def find():
            folder = f"/proc/{self.process.pid}/fd"
            inodes = set()
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    inodes.update(re.findall(
                        r"socket:\[(\d+)\]", os.readlink(f"{folder}/{name}")))
            with netns(PROXY), open("/proc/thread-self/net/netlink") as table:
                rows = [line.split() for line in table]
            return [int(row[2]) for row in rows
                    if row[1] == str(NETLINK_GENERIC) and row[-1] in inodes]
        wait_for(find, "it has a netlink socket")
        return find()[0]

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(limit(10))


def unread(port):
    """Bytes that wait in the socket of this port, with their overhead."""
    with netns(PROXY), open("/proc/thread-self/net/netlink") as table:
        rows = [line.split() for line in table]
    return sum(int(row[4]) for row in rows
               if row[1] == str(NETLINK_GENERIC) and row[2] == str(port))


class Forger:
    """A process with CAP_NET_ADMIN in the proxy's namespace."""

    def __init__(self):
        nl = open_netlink()
        self.family = nl.family
        groups = (dict(attrs(entry)) for _, entry in
                  attrs(nl.find_family()[7]))
        self.groups = [struct.unpack("=I", entry[2])[0] for entry in groups]
        nl.close()
        with netns(PROXY):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                        NETLINK_GENERIC)
        self.refused = 0

    def send(self, port, kind, payload, sequence=0, flags=0):
        """To the port, and to all subscribers of a group."""
        data = message(kind, flags, sequence, payload)
        try:
            self.socket.sendto(data, (port, 0))
        except ConnectionRefusedError:
            self.refused += 1
        for group in self.groups:
            with contextlib.suppress(ConnectionRefusedError):
                self.socket.sendto(data, (0, 1 << group - 1))

    def event(self, port, name, *words):
        head = struct.pack("=BBH", COMMAND[name], 1, 0)
        self.send(port, self.family, head + b"".join(words))


def expect_real(monitor):
    """It reports what the kernel sends, and nothing else."""
    monitor.out.clear()

    def heard():
        kp("upstream set app retries 2")
        time.sleep(0.2)
        return monitor.out
    wait_for(heard, "it tells of a real event")
    expect([line for line in monitor.out if "owned" in line or
            "\x1b" in line or "server" in line], [], "what is not real")


def start_monitor(*options):
    monitor = Command(*options, "monitor")
    monitor.port()
    expect_real(monitor)
    return monitor


@scene("events of another process are not shown, and the real ones are")
def events():
    for options in (), ("-j",):
        monitor = start_monitor(*options)
        forger, port = Forger(), monitor.port()
        for _ in range(20):
            forger.event(port, "session-begin-ntf", attr(S["listener"], OWNED),
                         attr(S["upstream"], OWNED))
            forger.event(port, "listener-add-ntf", attr(L["name"], OWNED),
                         endpoint(L["address"]))
            # Neither the end of a dump nor an error ends it.
            forger.send(port, NLMSG_DONE, struct.pack("=i", 0), flags=MULTI)
            forger.send(port, NLMSG_ERROR, struct.pack("=i", -1) + bytes(16))
            # Nor an invalid message.
            forger.send(port, forger.family, b"")
            forger.send(port, forger.family, bytes(60000))
            # What exceeds its buffer would be lost, and it would say so.
            wait_for(lambda port=port: not unread(port), "they are read")
        expect(forger.refused, 6 * 20, "messages that did not even arrive")
        expect_real(monitor)
        expect((monitor.stop(), monitor.errors), (0, []), "its end")


@scene("many of them neither end a monitor nor keep it from being interrupted")
def flood():
    monitor = start_monitor()
    forger, port = Forger(), monitor.port()
    over = threading.Event()

    def forge():
        while not over.is_set():
            with contextlib.suppress(OSError):
                forger.event(port, "session-begin-ntf",
                             attr(S["listener"], OWNED))

    thread = threading.Thread(target=forge)
    thread.start()
    try:
        time.sleep(limit(1))
        expect(monitor.process.poll(), None, "status")
        expect([line for line in monitor.out if "owned" in line], [],
               "forged lines")
        expect(monitor.stop(), 0, "status when interrupted")
    finally:
        over.set()
        thread.join()


@scene("an answer of another process is not taken for the kernel's")
def answers():
    batch = Command("-j", "-b", "-")
    batch.say("session show")
    wait_for(lambda: batch.out, "the first answer")
    forger, port = Forger(), batch.port()
    head = struct.pack("=BBH", COMMAND["session-get"], 1, 0)
    # Sequence numbers begin with the time.
    now = int(time.time())
    for sequence in range(now - 20, now + 20):
        forger.send(port, forger.family, head + attr(S["id"], 4711) +
                    attr(S["listener"], OWNED), sequence, MULTI)
        forger.send(port, NLMSG_DONE, struct.pack("=i", 0), sequence, MULTI)
        forger.send(port, NLMSG_ERROR, struct.pack("=i", 0) + bytes(16),
                    sequence)
    batch.say("session show")
    wait_for(lambda: len(batch.out) == 2, "the second answer")
    expect((batch.out, batch.errors), (["[]\n"] * 2, []), "both")
    # A forged acknowledgement would report success that did not happen.
    batch.say("upstream del nobody")
    expect(batch.process.wait(limit(10)), 2, "status")
    # Another thread reads it.
    wait_for(lambda: batch.errors, "it says why")
    expect(batch.errors, ['kproxy: -:3: upstream "nobody": no such upstream\n'],
           "the refusal")


@scene("without CAP_NET_ADMIN nothing is sent at all")
def unprivileged():
    monitor = start_monitor()
    port, forger = monitor.port(), Forger()
    nl = opened_by_nobody()
    nl.find_family()
    os.seteuid(65534)
    try:
        for where in ((port, 0), (0, 1 << forger.groups[0] - 1)):
            try:
                nl.socket.sendto(message(nl.family, 0, 0, bytes(4)), where)
            except PermissionError:
                continue
            expect("sent", "refused", f"a message to {where}")
    finally:
        os.seteuid(0)
        nl.close()
    expect_real(monitor)
    expect((monitor.stop(), monitor.errors), (0, []), "its end")


@scene("an interface whose name is a command to a terminal is shown by number")
def interface():
    for name in b"e\x1b[31m", b"e\xff\xc2\x9b":
        run("ip", "-n", PROXY, "link", "add", os.fsdecode(name), "type",
            "dummy")
        try:
            with netns(PROXY):
                number = socket.if_nametoindex(name)
            run("ip", "-n", PROXY, "link", "set", os.fsdecode(name), "up")
            run("ip", "-n", PROXY, "addr", "add", "fe80::1/64", "dev",
                os.fsdecode(name), "nodad")
            address = f"[fe80::1%{number}]:8099"
            kp(f"listener add odd {address} upstream app")
            row = json.loads(kp("-j listener show odd").stdout)[0]
            expect(row["addresses"], [address], "as JSON")
            text = kp("listener show odd").stdout
            expect((address in text, text.isprintable() or
                    text.replace("\n", "").isprintable()), (True, True),
                   f"as text: {text!r}")
            text = kp("config save").stdout
            expect(kp("config apply --dry-run -", text=text).stdout, "",
                   "what applying what was saved changes")
        finally:
            kp("listener del odd", check=False)
            run("ip", "-n", PROXY, "link", "del", os.fsdecode(name))


@scene("typed words are repeated without control characters")
def typed():
    done = run("kproxy", "-n", PROXY, "listener", "add", OWNED + "\n",
               "10.1.0.1:8001", "upstream", "app", check=False)
    expect((done.returncode, done.stderr.count("\n"), "\x1b" in done.stderr),
           (1, 1, False), f"{done.stderr!r}")
    expect("\\x1b[31mowned\\x0a" in done.stderr, True, f"{done.stderr!r}")


main()
