# SPDX-License-Identifier: GPL-2.0
"""
Generic netlink byte by byte: messages as a test wants them, right or wrong, and
the kernel's answers, with the extended acknowledgement.
"""

import contextlib
import itertools
import os
import socket
import struct

from peer import PROXY, limit, netns, show

NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT = (
    270, 10, 11, 12)
NETLINK_ADD_MEMBERSHIP, NETLINK_LIST_MEMBERSHIPS = 1, 9
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, MULTI, ACK, DUMP = 1, 2, 4, 0x300
ACK_TLVS = 0x200
# Flag of a part of a dump: there was a change meanwhile.
DUMP_INTERRUPTED = 0x10
NESTED = 0x8000

GENL_CTRL = 16
CTRL_GETFAMILY, CTRL_GETPOLICY = 3, 10


def attr(kind, payload=b"", nested=False):
    """One attribute; a number is a u32, a string ends in a zero byte."""
    if isinstance(payload, int):
        payload = struct.pack("=I", payload)
    elif isinstance(payload, str):
        payload = payload.encode() + b"\0"
    elif isinstance(payload, (list, tuple)):
        payload, nested = b"".join(payload), True
    head = struct.pack("=HH", 4 + len(payload),
                       kind | (NESTED if nested else 0))
    return pad(head + payload)


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def attrs(data):
    """Attributes by kind; duplicates as a list."""
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found.append((kind & 0x3fff, data[4:length]))
        data = data[(length + 3) & ~3:]
    return found


def message(family, flags, sequence, body, length=None):
    """One message; its length may be wrong."""
    return struct.pack("=IHHII", 16 + len(body) if length is None else length,
                       family, flags, sequence, 0) + body


def messages(data):
    """The messages of what was received: kind, flags, sequence, payload."""
    while len(data) >= 16:
        length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", data)
        yield kind, flags, sequence, data[16:length]
        data = data[(length + 3) & ~3:]


class Answer:
    """An errno (0 for success), the reason, and the answer."""

    def __init__(self):
        self.errno = None
        self.message = None
        self.offset = None
        self.missing = None
        self.replies = []

    def take(self, kind, flags, payload):
        """One message of it; with the last one it has an errno."""
        if kind == NLMSG_ERROR:
            self.take_ack(payload, flags)
        elif kind == NLMSG_DONE:
            self.errno = -struct.unpack_from("=i", payload)[0]
        else:
            self.replies.append(payload)

    def take_ack(self, payload, flags):
        self.errno = -struct.unpack_from("=i", payload)[0]
        if not flags & ACK_TLVS:
            return
        # An error repeats the request, unless it was capped.
        for kind, value in attrs(payload[20:]):
            if kind == 1:
                self.message = value.rstrip(b"\0").decode()
            elif kind == 2:
                self.offset = struct.unpack("=I", value)[0]
            elif kind == 5:
                self.missing = struct.unpack("=I", value)[0]

    def __repr__(self):
        name = os.strerror(self.errno) if self.errno else self.errno
        return (f"<{name}, {self.message!r}, offset {self.offset}, "
                f"missing {self.missing}, {len(self.replies)} replies>")


class Netlink:
    def __init__(self, ns=PROXY, port=0):
        """Of a namespace; None: the present one."""
        with netns(ns) if ns else contextlib.nullcontext():
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                        NETLINK_GENERIC)
        self.socket.settimeout(limit(20))
        self.socket.bind((port, 0))
        # The most that the kernel may put into one message of a dump.
        self.room = 1 << 17
        for option in NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT:
            self.socket.setsockopt(SOL_NETLINK, option, 1)
        self.sequence = 0
        self.family = None

    def send(self, family, body, flags=REQUEST | ACK):
        self.sequence += 1
        self.socket.send(message(family, flags, self.sequence, body))

    def receive(self):
        """Everything up to the acknowledgement or the end of the dump."""
        answer = Answer()
        while answer.errno is None:
            for kind, flags, _, payload in messages(self.socket.recv(self.room)):
                answer.take(kind, flags, payload)
        return answer

    def ask(self, command, *words, flags=REQUEST | ACK, version=1,
            family=None, raw=None):
        body = struct.pack("=BBH", command, version, 0)
        body += b"".join(words) if raw is None else raw
        self.send(self.family if family is None else family, body, flags)
        return self.receive()

    def find_family(self, name="kproxy"):
        answer = self.ask(CTRL_GETFAMILY, attr(2, name), family=GENL_CTRL)
        found = dict(attrs(answer.replies[0][4:]))
        self.family = struct.unpack("=H", found[1])[0]
        return found

    def group(self, name):
        """The number of one of the family's groups."""
        found = (dict(attrs(entry)) for _, entry in
                 attrs(self.find_family()[7]))
        return struct.unpack("=I", next(
            entry[2] for entry in found
            if entry[1] == name.encode() + b"\0"))[0]

    def join(self, group):
        """Get the family's events of this group."""
        self._join(self.group(group))

    def _join(self, number):
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number)

    def join_all(self):
        """Join every group, also those that no family has yet."""
        for number in itertools.count(1):
            try:
                self._join(number)
            except PermissionError:
                pass
            except OSError:
                # There are no more.
                return

    def is_member(self, number):
        words = self.socket.getsockopt(SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS,
                                       256)
        return bool(int.from_bytes(words, "little") >> (number - 1) & 1)

    def event(self):
        """The next event: its command and its attributes."""
        payload = self.socket.recv(1 << 17)[16:]
        return payload[0], dict(attrs(payload[4:]))

    def close(self):
        self.socket.close()


def opened_by_nobody(act=None):
    """A socket of the proxy's namespace that an unprivileged user has
    opened and done something with."""
    with netns(PROXY):
        os.seteuid(65534)
        try:
            nl = Netlink(ns=None)
            if act:
                act(nl)
            return nl
        finally:
            os.seteuid(0)


def configuration():
    """The proxy's configuration, without counters."""
    rows = [show("upstream show"), show("listener show")]
    for row in rows[1]:
        del row["stats"]
    for row in rows[0]:
        for server in row["servers"]:
            del server["stats"]
    return rows
