# SPDX-License-Identifier: GPL-2.0
"""Files that are sent through the proxy without a copy."""

import contextlib
import errno
import hashlib
import itertools
import os
import random
import re
import select
import socket
import struct
import tempfile

from peer import (BACK, KB, MB, PROXY, SERVER, SLOW, Failed, Skipped, Threads,
                  accept, connect, expect, limit, listen, main, pair, read_all,
                  read_exactly, run, run_in, say, scaled, scene, sessions,
                  wait_for, wait_gone)

SIZE = scaled(8 * MB, 256 * KB)

TCP_ULP, SOL_TLS, TLS_TX, TLS_RX = 31, 282, 1, 2
TLS_1_2, AES_GCM_128 = 0x0303, 51
CRYPTO = struct.pack("HH8s16s4s8s", TLS_1_2, AES_GCM_128, b"i" * 8, b"k" * 16,
                     b"salt", bytes(8))
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000


def digest(data):
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def file_of(data):
    """A file in the page cache: a later read returns what is in the cache
    then."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file


def content(file):
    return os.pread(file.fileno(), 1 << 30, 0)


def send_file(sock, file, size):
    """Another thread may read from the socket, whose mode must not change."""
    offset = 0
    while offset < size:
        try:
            offset += os.sendfile(sock.fileno(), file.fileno(), offset,
                                  size - offset)
        except BlockingIOError:
            select.select([], [sock], [], limit(20))
    sock.shutdown(socket.SHUT_WR)


def random_data(size=SIZE):
    return random.Random(10).randbytes(size)


@scene("sendfile, both ways at once, and the file is what it was")
def plain():
    data = random_data()
    with file_of(data) as file:
        client, server = pair()
        threads = Threads()
        for source, sink in ((client, server), (server, client)):
            threads.go(send_file, source, file, len(data))
            threads.go(lambda sink=sink: expect(digest(read_all(sink)),
                                                digest(data), "SHA-256"))
        threads.join(60)
        expect(digest(content(file)), digest(data), "the file's SHA-256")


@scene("MSG_ZEROCOPY: the sender may reuse its buffer after the notification")
def zerocopy():
    client, server = pair()
    client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    rounds = 8
    for n in range(rounds):
        buffer = bytearray(random_data(256 * KB))
        want = digest(buffer)
        received = []
        threads = Threads()
        threads.go(lambda: received.append(read_exactly(server, 256 * KB)))
        sent = 0
        view = memoryview(buffer)
        while sent < len(buffer):
            sent += client.send(view[sent:], MSG_ZEROCOPY)
        threads.join(30)
        expect(digest(received[0]), want, f"SHA-256 in round {n}")
        view.release()


def send_spliced(sock, file, size):
    """From the file through a pipe."""
    out, into = os.pipe()
    sock.settimeout(None)
    for offset in range(0, size, 64 * KB):
        left = os.splice(file.fileno(), into, 64 * KB, offset_src=offset)
        while left:
            left -= os.splice(out, sock.fileno(), left)
    os.close(out)
    os.close(into)
    sock.shutdown(socket.SHUT_WR)


def send_written(sock, file, size, flags=0):
    view = memoryview(content(file))
    if flags:
        sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    sent = 0
    while sent < size:
        sent += sock.send(view[sent:sent + 128 * KB], flags)
    sock.shutdown(socket.SHUT_WR)


def receive_spliced(sock):
    """Into a pipe, and from there to a file."""
    out, into = os.pipe()
    sock.settimeout(None)
    with tempfile.TemporaryFile() as file:
        while size := os.splice(sock.fileno(), into, 64 * KB):
            while size:
                size -= os.splice(out, file.fileno(), size)
        os.close(out)
        os.close(into)
        return content(file)


@scene("a file is passed on by reference, whatever call sends and receives it")
def by_reference():
    data = random_data()
    senders = {"write": send_written, "sendfile": send_file,
               "splice": send_spliced,
               "MSG_ZEROCOPY": lambda *words: send_written(*words, MSG_ZEROCOPY)}
    receivers = {"read": read_all, "splice": receive_spliced}
    with file_of(data) as file:
        for (sender, send), (receiver, receive) in itertools.product(
                senders.items(), receivers.items()):
            client, server = pair()
            threads = Threads()
            threads.go(send, server, file, len(data))
            expect(digest(receive(client)), digest(data),
                   f"SHA-256, {sender} to {receiver}")
            threads.join()
            (session,) = sessions()
            copied = session["bytes_copied"]
            say(f"# {sender} to {receiver}: {session['bytes_spliced']} bytes "
                f"spliced, {copied} copied")
            # A debug kernel is too slow to merge a new connection's segments,
            # whose fragments are small.
            if copied > len(data) // 100 + (16 * KB if SLOW else 0):
                raise Failed(f"{sender} to {receiver}: {copied} bytes of "
                             f"{len(data)} are copied")
            client.close()
            server.close()
            wait_gone()


def encrypted(data):
    """The TLS records that the kernel makes of this."""
    listener = listen(("127.0.0.1", 9999))
    sender = connect(("127.0.0.1", 9999), ns=SERVER)
    receiver = accept(listener)
    listener.close()
    sender.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
    sender.setsockopt(SOL_TLS, TLS_TX, CRYPTO)
    records = []
    threads = Threads()
    threads.go(lambda: records.append(read_all(receiver)))
    sender.sendall(data)
    sender.close()
    threads.join(60)
    # close() adds an alert, which the receiver sees as the end.
    return records[0]


@scene("ciphertext out of a file, to a receiver that decrypts in the kernel")
def ktls_receiver():
    data = random_data(scaled(2 * MB, 128 * KB))
    records = encrypted(data)
    if records[:100].find(data[:50]) >= 0 or len(records) <= len(data):
        raise Failed("this is not encrypted")
    with file_of(records) as file:
        client, server = pair()
        server.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        server.setsockopt(SOL_TLS, TLS_RX, CRYPTO)
        threads = Threads()
        threads.go(send_file, client, file, len(records))
        got = bytearray()
        try:
            while part := server.recv(1 << 16):
                got += part
        except OSError as error:
            # An alert can't be received by a plain recv().
            if error.errno != errno.EIO:
                raise
        threads.join(30)
        expect(digest(got), digest(data), "SHA-256 of what was decrypted")
        expect(digest(content(file)), digest(records), "the file's SHA-256")


def arrives(file, data):
    """The file comes whole from a client to a server, which do not close."""
    client, server = pair()
    threads = Threads()
    threads.go(send_file, client, file, len(data))
    threads.go(lambda: expect(digest(read_all(server)), digest(data),
                              "SHA-256"))
    threads.join(60)


@scene("a file's pages through IPsec")
def ipsec():
    data = random_data(scaled(2 * MB, 128 * KB))
    with file_of(data) as file:
        arrives(file, data)
        expect(digest(content(file)), digest(data), "the file's SHA-256")


@scene("a file's pages where the outgoing device accepts none")
def copied():
    # TCP does without scatter-gather only when IPsec keeps it from segments.
    device = "ip", "netns", "exec", PROXY, "ethtool", "-K", "back", "sg"
    run(*device, "off")
    try:
        data = random_data(scaled(2 * MB, 128 * KB))
        with file_of(data) as file:
            arrives(file, data)
            session = sessions()[0]
            expect((session["bytes_in"], session["bytes_spliced"],
                    session["bytes_copied"]), (len(data), 0, len(data)),
                   "bytes, spliced and copied")
    finally:
        run(*device, "on")


@contextlib.contextmanager
def taken_for_esp(session):
    """
    Decrypt everything that the server receives of a session, in place if
    possible; returns a function that says how many packets were.

    What decrypts in place is ESP, and a stream does not get there in a kernel
    without ESP in TCP. So the packets' protocol is changed: the ports are the
    SPI then. Their last byte that is changed lies in the data, so that the
    packet gets a head of its own, as it would by a router; what is behind it
    are the pages that were sent. There is nothing to authenticate, so that
    decrypting succeeds.
    """
    source, port = session["source"].split(":")
    words = ("src", source, "dst", BACK[0], "proto", "esp",
             "spi", hex(int(port) << 16 | BACK[1]))

    def server(*command):
        return run_in(SERVER, *command).stdout

    def packets():
        out = server("ip", "-s", "xfrm", "state", "get", *words)
        return int(re.search(r"lifetime current:\s+\d+\(bytes\), "
                             r"(\d+)\(packets\)", out).group(1))

    def add_state():
        done = run("ip", "-n", SERVER, "xfrm", "state", "add", *words, "mode",
                   "transport", "enc", "rfc3686(ctr(aes))", "0x" + "5a" * 20,
                   check=False)
        return not done.returncode

    # A kernel of the smallest configuration may be unable to encrypt without a
    # digest; others give up for a while on a cipher that is slow to load.
    if not add_state():
        if "-um" in os.uname().release:
            raise Skipped("no ESP without authentication")
        wait_for(add_state, "there is a state", 30)
    server("tc", "qdisc", "add", "dev", "eth0", "clsact")
    try:
        server(*"tc filter add dev eth0 ingress protocol ip matchall "
               "action pedit munge offset 9 u8 set 50 "
               "munge offset 80 u8 set 0 pipe action csum ip".split())
        yield packets
    finally:
        server("tc", "qdisc", "del", "dev", "eth0", "clsact")
        server("ip", "xfrm", "state", "del", *words)


@scene("code that decrypts in place copies a file's pages first")
def in_place():
    data = random_data(64 * KB)
    wait_gone()
    with file_of(data) as file:
        client, server = pair()
        threads = Threads()
        with taken_for_esp(sessions()[0]) as packets:
            threads.go(send_file, client, file, len(data))
            wait_for(lambda: packets() >= 5, "packets were decrypted")
        expect(digest(content(file)), digest(data), "the file's SHA-256")
        # The dropped packets are sent again.
        expect(digest(read_all(server)), digest(data), "SHA-256")
        threads.join(60)


main()
