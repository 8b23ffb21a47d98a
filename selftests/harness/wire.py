# SPDX-License-Identifier: GPL-2.0
"""
Servers that answer when a test says so. They are no sockets: each packet comes
from the proxy by a TUN device, and what is sent back is made here, so that the
answer to a SYN, a reset or the end of a stream comes at the very moment that a
race wants.
"""

import fcntl
import os
import socket
import struct
import threading

from peer import SERVER, netns, run, run_in

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 1, 0x1000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS = 1400
WINDOW = 65535


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def packet(src, dst, sport, dport, seq, ack, flags, window, data=b""):
    options = struct.pack("!BBH", 2, 4, MSS) if flags & SYN else b""
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff,
                      ack & 0xffffffff, (20 + len(options)) << 2, flags,
                      window, 0, 0) + options + data
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6,
                     0, src, dst)
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


class Connection:
    """One that the proxy has asked for; it is answered by answer()."""

    def __init__(self, wire, key, seq, data):
        self._wire, self.key = wire, key
        self._src, self._dst, self._sport, self._dport = key
        self._una = self._seq = 0x10000
        self.next = seq + 1
        self._early = data
        self.answered = self.fin_sent = self.fin = self.reset = False
        # The answer is out; what is sent before it would be dropped.
        self.ready = False
        # Held while a packet is made and written, so that they go in order.
        self._out = threading.RLock()
        self.window = WINDOW
        self.received = bytearray()
        self.sent = bytearray()

    @property
    def server(self):
        return socket.inet_ntoa(self._dst)

    @property
    def over(self):
        return self.reset or (self.fin and self.fin_sent)

    def _send(self, flags, data=b"", seq=None):
        self._wire.write(packet(self._dst, self._src, self._dport, self._sport,
                                self._seq if seq is None else seq, self.next,
                                flags, self.window, data))

    def answer(self, take_early=True):
        with self._out:
            with self._wire.lock:
                if self.answered or self.reset:
                    return
                self.answered = True
                if take_early and self._early:
                    self.received += self._early
                    self.next += len(self._early)
                seq, self._seq = self._seq, self._seq + 1
            self._send(SYN | ACK, seq=seq)
            self.ready = True

    def send(self, data):
        """All of it; the caller minds the proxy's window."""
        with self._out:
            for at in range(0, len(data), MSS):
                part = bytes(data[at:at + MSS])
                with self._wire.lock:
                    if not self.ready or self.fin_sent or self.reset:
                        return
                    seq, self._seq = self._seq, self._seq + len(part)
                    self.sent += part
                self._send(ACK | PSH, part, seq)

    def end(self):
        with self._out:
            with self._wire.lock:
                if not self.ready or self.fin_sent or self.reset:
                    return
                self.fin_sent = True
                seq, self._seq = self._seq, self._seq + 1
            self._send(ACK | FIN, seq=seq)

    def abort(self):
        with self._out:
            with self._wire.lock:
                if self.reset:
                    return
                self.reset = True
                seq = self._seq if self.answered else 0
            self._send(RST | ACK, seq=seq)

    def open_window(self, window=WINDOW):
        with self._out:
            self.window = window
            self._send(ACK)

    def take(self, seq, flags, data):
        """What the proxy has sent."""
        if flags & RST:
            self.reset = True
            return
        if flags & SYN:
            # Asked again.
            if self.answered:
                self._send(SYN | ACK, seq=0x10000)
            return
        if not self.answered or self.reset:
            return
        with self._wire.lock:
            skip = (self.next - seq) & 0xffffffff
            fresh = skip <= len(data) and not self.fin
            if fresh and self.window:
                self.received += data[skip:]
                self.next += len(data) - skip
                if flags & FIN:
                    self.fin = True
                    self.next += 1
        if data or flags & FIN:
            self._send(ACK)


class Wire:
    """All servers of 10.9.0.0/16, and the connections to them."""

    def __init__(self):
        with netns(SERVER):
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.fd, TUNSETIFF,
                        struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
        run("ip", "-n", SERVER, "addr", "add", "10.9.255.254/16", "dev", "wire")
        run("ip", "-n", SERVER, "link", "set", "wire", "up")
        run_in(SERVER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        """Forget all connections; new ones are answered at once."""
        self._by_key = {}
        self.connections = []
        # By server: "answer", "silent" or "refuse".
        self.policies = {}
        self.window = WINDOW
        self.take_early = True

    def write(self, data):
        try:
            os.write(self.fd, data)
        except OSError:
            # The device is down while namespaces go.
            pass

    def pump(self):
        """Hear what has come; whether there was anything."""
        for count in range(256):
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return count > 0
            self._hear(data)
        return True

    def _hear(self, data):
        head = (data[0] & 15) * 4
        if data[0] >> 4 != 4 or data[9] != 6:
            return
        src, dst = data[12:16], data[16:20]
        length = struct.unpack_from("!H", data, 2)[0]
        sport, dport, seq, _, offset, flags = struct.unpack_from("!HHIIBB",
                                                                 data, head)
        payload = data[head + (offset >> 4) * 4:length]
        key = src, dst, sport, dport
        conn = self._by_key.get(key)
        if flags & SYN and (not conn or conn.over):
            self._new(key, seq, payload)
        elif conn:
            conn.take(seq, flags, payload)
        elif not flags & RST:
            self.write(packet(dst, src, dport, sport,
                              struct.unpack_from("!I", data, head + 8)[0], 0,
                              RST, 0))

    def _new(self, key, seq, payload):
        conn = Connection(self, key, seq, payload)
        conn.window = self.window
        self._by_key[key] = conn
        self.connections.append(conn)
        policy = self.policies.get(conn.server, "answer")
        if policy == "answer":
            conn.answer(self.take_early)
        elif policy == "refuse":
            conn.abort()
