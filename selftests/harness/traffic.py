# SPDX-License-Identifier: GPL-2.0
"""
Traffic for churn.bash, until SIGTERM: clients of every kind, whose sessions may
be reset at any time, but never have a wrong byte or an early end of stream.
Prints how much got through.
"""

import collections
import json
import os
import random
import signal
import socket
import sys
import threading
import time

from peer import (FRONT, FRONT6, EchoServer, Failed, Stream, connect, limit,
                  reset, scaled)

SEED = int(os.environ.get("SEED") or 1)
CLIENTS = 8

counts = collections.Counter()
wrong = []
over = threading.Event()


class Ended(Failed):
    """The stream ended early."""


def receive(sock, stream, size):
    while size:
        data = sock.recv(min(size, 1 << 16))
        if not data:
            raise Ended(f"the stream ended {size} bytes early")
        stream.check(data)
        size -= len(data)
        counts["bytes"] += len(data)


def talk(sock, rng, out, back):
    """Words, each answered."""
    for _ in range(rng.randrange(1, 30)):
        size = rng.choice((1, 100, 5000, scaled(60000, 5000)))
        sock.sendall(out.take(size))
        receive(sock, back, size)


def bulk(sock, rng, out, back):
    """Bulk, and an end of stream."""
    size = scaled(1 << rng.randrange(16, 22), 1 << 14)
    broken = []
    sender = threading.Thread(target=send_all, args=(sock, out, size, broken))
    sender.start()
    try:
        receive(sock, back, size)
        if sock.recv(1):
            raise Failed("a byte came after the last one")
    except Ended:
        # The kernel reports a reset once: to the sending thread, and then the
        # receiving one only sees the end.
        sender.join()
        if broken:
            raise broken[0]
        raise
    finally:
        sock.settimeout(0.1)
        sender.join()


def send_all(sock, out, size, broken):
    try:
        while size:
            part = min(size, 1 << 15)
            sock.sendall(out.take(part))
            size -= part
        sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        broken.append(error)


def idle(sock, rng, out, back):
    """A word, and silence until the session is ended."""
    sock.sendall(out.take(10))
    receive(sock, back, 10)
    sock.settimeout(rng.uniform(0.2, 3))
    if not sock.recv(1):
        raise Failed("an end of stream, and not a reset")


def stalled(sock, rng, out, _):
    """The echo is not read."""
    sock.settimeout(rng.uniform(0.2, 1))
    while True:
        sock.sendall(out.take(1 << 15))


KINDS = (talk, talk, bulk, bulk, idle, stalled)


def client(number):
    rng = random.Random(SEED * CLIENTS + number)
    while not over.is_set():
        kind = rng.choice(KINDS)
        try:
            sock = connect(rng.choice((FRONT, FRONT, FRONT6)))
        except OSError:
            counts["refused"] += 1
            time.sleep(0.05)
            continue
        try:
            sock.settimeout(limit(3))
            seed = rng.randrange(1000)
            kind(sock, rng, Stream(seed), Stream(seed))
            counts[kind.__name__] += 1
        except OSError:
            counts["broken"] += 1
        except Failed as error:
            wrong.append(f"{kind.__name__}: {error}")
        (reset if rng.random() < 0.4 else socket.socket.close)(sock)


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    servers = [EchoServer((f"10.2.0.{n}", 9000)) for n in (2, 3, 4)]
    threads = [threading.Thread(target=client, args=(n,))
               for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    signal.sigwait([signal.SIGTERM])
    over.set()
    for thread in threads:
        thread.join()
    for server in servers:
        server.close()
    print(json.dumps(counts))
    for line in wrong[:10]:
        print("wrong:", line)
    sys.stdout.flush()
    os._exit(bool(wrong))


main()
