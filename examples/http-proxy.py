#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A reverse proxy for HTTP/1.1 on a page: http-proxy.py PORT SERVER PORT.

A thread for each client reads the heads of requests and responses, where it could
check, route or change them. The kernel moves the bodies, exactly as many bytes as
Content-Length says, and both connections are kept for the next request.
"""
import os
import socket
import socketserver
import sys

from kproxy_splice import splice, wait

HEAD_MAX = 65536


def read_head(sock):
    """Up to the empty line, and not a byte more; b"" at the end of the stream."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        seen = sock.recv(HEAD_MAX, socket.MSG_PEEK)
        if not seen or len(head) > HEAD_MAX:
            return b""
        # The empty line may have begun in the piece before.
        end = (head[-3:] + seen).find(b"\r\n\r\n")
        size = len(seen) if end < 0 else end + 4 - len(head[-3:])
        head += sock.recv(size)
    return head


def fields(head):
    """The fields of a head, by lower-case name."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {name.strip().lower(): value.strip() for name, _, value in
            (line.partition(":") for line in lines)}


def pass_body(source, sink, size):
    if size:
        descriptor = splice(source, sink, label="http-proxy", limits=(size, 0))
        result = wait(descriptor)
        os.close(descriptor)
        if result.bytes[0] < size:
            raise ConnectionError("the body was cut short")


class Client(socketserver.BaseRequestHandler):
    def exchange(self, server):
        """One request and its response; whether another may follow."""
        request = read_head(self.request)
        if not request:
            return False
        asked = fields(request)
        if "transfer-encoding" in asked or "expect" in asked:
            self.request.sendall(b"HTTP/1.1 501 Not Implemented\r\n"
                                 b"Connection: close\r\n\r\n")
            return False
        server.sendall(request)
        pass_body(self.request, server, int(asked.get("content-length", 0)))
        response = read_head(server)
        answered = fields(response)
        self.request.sendall(response)
        status = response.split()[1:2]
        if request.startswith(b"HEAD ") or status in ([b"204"], [b"304"]):
            return True
        if "content-length" in answered:
            pass_body(server, self.request, int(answered["content-length"]))
            return answered.get("connection", "").lower() != "close"
        # The body ends with the connection.
        descriptor = splice(server, self.request, label="http-proxy")
        wait(descriptor)
        os.close(descriptor)
        return False

    def handle(self):
        with socket.create_connection((sys.argv[2], int(sys.argv[3]))) as server:
            for sock in self.request, server:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while self.exchange(server):
                    pass
            except ConnectionError as error:
                print(error, file=sys.stderr)


class Proxy(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


Proxy(("::", int(sys.argv[1])), Client).serve_forever()
