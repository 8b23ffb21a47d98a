#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A SOCKS5 proxy (RFC 1928, CONNECT without a password) on a page:
socks5-proxy.py [PORT].

A thread for each client reads the request and connects; the kernel moves the
bytes. Try: curl -x socks5h://localhost:1080 http://example.com
"""
import os
import socket
import socketserver
import struct
import sys

from kproxy_splice import splice, wait

OK, UNREACHABLE, NO_COMMAND, NO_ADDRESS = 0, 4, 7, 8


class Client(socketserver.BaseRequestHandler):
    def read(self, size):
        """So many bytes, and not one more: those are the tunnel's."""
        data = self.request.recv(size, socket.MSG_WAITALL)
        if len(data) < size:
            raise ConnectionError
        return data

    def reply(self, code):
        self.request.sendall(struct.pack("!BBBB4sH", 5, code, 0, 1, bytes(4),
                                         0))

    def read_host(self, kind):
        if kind == 1:
            return socket.inet_ntop(socket.AF_INET, self.read(4))
        if kind == 3:
            return self.read(self.read(1)[0]).decode("ascii", "replace")
        if kind == 4:
            return socket.inet_ntop(socket.AF_INET6, self.read(16))
        return None

    def connect(self):
        """A socket, or None after a reply that says why not."""
        version, methods = self.read(2)
        self.read(methods)
        if version != 5:
            return None
        self.request.sendall(b"\5\0")
        _, command, _, kind = self.read(4)
        host = self.read_host(kind)
        if host is None or command != 1:
            self.reply(NO_ADDRESS if host is None else NO_COMMAND)
            return None
        [port] = struct.unpack("!H", self.read(2))
        try:
            return socket.create_connection((host, port))
        except (OSError, UnicodeError):
            self.reply(UNREACHABLE)
            return None

    def handle(self):
        try:
            server = self.connect()
        except ConnectionError:
            return
        if not server:
            return
        with server:
            for sock in self.request, server:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.reply(OK)
            descriptor = splice(self.request, server, label="socks5-proxy",
                                idle_ms=600000)
            result = wait(descriptor)
            os.close(descriptor)
            print(f"{result.bytes[0]} bytes sent, {result.bytes[1]} received",
                  flush=True)


class Proxy(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


Proxy(("::", int(sys.argv[1]) if len(sys.argv) > 1 else 1080),
      Client).serve_forever()
