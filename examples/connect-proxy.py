#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""An HTTP CONNECT proxy on a page: connect-proxy.py [PORT].

A thread for each client reads the request and connects; the kernel moves the
bytes. Try: curl -p -x http://localhost:3128 http://example.com
"""
import os
import socket
import socketserver
import sys

from kproxy_splice import splice, wait


class Client(socketserver.BaseRequestHandler):
    def read_request(self):
        """Up to the empty line, and not a byte more: those are the tunnel's."""
        text = b""
        while not text.endswith(b"\r\n\r\n") and len(text) < 8192:
            byte = self.request.recv(1)
            if not byte:
                break
            text += byte
        return text.decode("latin-1")

    def handle(self):
        words = self.read_request().split()
        if len(words) < 2 or words[0] != "CONNECT" or ":" not in words[1]:
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        host, port = words[1].rsplit(":", 1)
        try:
            server = socket.create_connection((host.strip("[]"), int(port)))
        except (OSError, ValueError):
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        with server:
            for sock in self.request, server:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            descriptor = splice(self.request, server, label="connect-proxy",
                                idle_ms=600000)
            result = wait(descriptor)
            os.close(descriptor)
            print(f"{words[1]} {result.bytes[0]} bytes sent, "
                  f"{result.bytes[1]} received", flush=True)


class Proxy(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


Proxy(("::", int(sys.argv[1]) if len(sys.argv) > 1 else 3128),
      Client).serve_forever()
