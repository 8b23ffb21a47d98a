# SPDX-License-Identifier: GPL-2.0
"""
The byte stream arrives whole, in order, once, in both directions at the same
time, whatever the sizes, pauses and buffer limits.
"""

import hashlib
import random
import socket
import time

from peer import (BACK6, CLIENT, FRONT6, KB, MB, PROXY, SERVER, EchoServer,
                  Failed, Stream, Threads, accept, both_ways, connect, expect,
                  expect_alive, expect_eof, kp, limit, listen, main, netem,
                  pair, read_exactly, receive_stream, run_in, scaled, scene,
                  sessions, show, stats, wait_for, wait_gone)

SET_UP = """
load
topology
modprobe -q sch_netem || true
simple_proxy
"""

BULK = scaled(100 * MB)


def send_hashed(sock, seed, total, digests):
    block = random.Random(seed).randbytes(MB + 7)
    digest = hashlib.sha256()
    while total:
        part = block[:min(len(block), total)]
        sock.sendall(part)
        digest.update(part)
        total -= len(part)
    sock.shutdown(socket.SHUT_WR)
    digests["sent", seed] = digest.hexdigest()


def receive_hashed(sock, seed, digests):
    digest = hashlib.sha256()
    buffer = bytearray(MB)
    view = memoryview(buffer)
    total = 0
    while n := sock.recv_into(buffer):
        digest.update(view[:n])
        total += n
    digests["received", seed] = digest.hexdigest()
    digests["bytes", seed] = total


@scene("bulk each way at once arrives with the same SHA-256")
def bulk():
    client, server = pair()
    digests = {}
    threads = Threads()
    threads.go(send_hashed, client, 1, BULK, digests)
    threads.go(send_hashed, server, 2, BULK, digests)
    threads.go(receive_hashed, server, 1, digests)
    threads.go(receive_hashed, client, 2, digests)
    threads.join(150)
    for seed in 1, 2:
        expect(digests["bytes", seed], BULK, "bytes")
        expect(digests["received", seed], digests["sent", seed], "SHA-256")


@scene("the counters include every byte, and most bytes were not copied")
def counters():
    before = stats()
    client, server = pair()
    size = scaled(4 * MB)
    both_ways(client, server, size)
    for sock in client, server:
        sock.close()
    wait_gone()
    after = stats()
    gained = {key: after[key] - before[key] for key in after
              if key != "end_reasons"}
    expect(gained["bytes_in"], size, "bytes_in")
    expect(gained["bytes_out"], size, "bytes_out")
    expect(gained["bytes_spliced"] + gained["bytes_copied"], 2 * size,
           "spliced and copied")
    if gained["bytes_copied"] > size / 50:
        raise Failed(f"{gained['bytes_copied']} of {2 * size} were copied")
    server = show("server show app")[0]["stats"]
    listener = show("listener show web")[0]["stats"]
    for key in "sessions_total", "bytes_in", "bytes_out":
        expect(listener[key], after[key], f"the listener's {key}")
        expect(server[key], after[key], f"the server's {key}")


def random_sizes(low, high):
    return lambda: random.randint(low, high)


@scene("sends and reads of random sizes, both ways")
def random_both():
    client, server = pair()
    both_ways(client, server, scaled(8 * MB), sizes=random_sizes(1, 100000),
              reads=random_sizes(1, 200000))


@scene("small sends with pauses, both ways")
def pauses():
    def sizes():
        if random.random() < 0.05:
            time.sleep(random.random() / 50)
        return random.randint(1, 3000)

    client, server = pair({"nodelay": True}, {"nodelay": True})
    both_ways(client, server, scaled(1 * MB), sizes=sizes)


@scene("one byte at a time goes there and back")
def one_byte():
    client, server = pair({"nodelay": True}, {"nodelay": True})
    for i in range(scaled(400, 20)):
        byte = bytes([i % 256])
        client.sendall(byte)
        expect(server.recv(9), byte, "from the client")
        server.sendall(byte)
        expect(client.recv(9), byte, "from the server")


@scene("messages of sizes around every boundary are answered")
def boundaries():
    client, server = pair()
    out, back = Stream(5), Stream(6)
    check_out, check_back = Stream(5), Stream(6)
    edges = [1, 64, 128, 512, 1024, 1448, 2896, 4096, 8192, 16384, 32768,
             65536, 64 * 1448]
    for size in (s + d for s in edges for d in (-1, 0, 1) if s + d):
        client.sendall(out.take(size))
        check_out.check(read_exactly(server, size))
        server.sendall(back.take(size))
        check_back.check(read_exactly(client, size))


@scene("the smallest buffers at both ends")
def small_buffers():
    tiny = {"rcvbuf": 1, "sndbuf": 1}
    client, server = pair(tiny, tiny)
    both_ways(client, server, scaled(256 * KB), sizes=random_sizes(1, 9000))


@scene("a large writer and a reader with the smallest buffer, each way")
def small_reader():
    for big, small in ((0, 1), (1, 0)):
        options = [{}, {}]
        options[small] = {"rcvbuf": 1, "sndbuf": 1}
        ends = pair(*options)
        threads = Threads()
        size = scaled(512 * KB)

        def write():
            ends[big].sendall(Stream(1).take(size))
            ends[big].shutdown(socket.SHUT_WR)

        def read():
            stream, left = Stream(1), size
            while left:
                data = ends[small].recv(random.randint(1, 5000))
                stream.check(data)
                left -= len(data)
            expect_eof(ends[small], "after the last byte")

        threads.go(write)
        threads.go(read)
        threads.join(60)


def links(words):
    for ns, device in ((CLIENT, "eth0"), (PROXY, "front"), (PROXY, "back"),
                       (SERVER, "eth0")):
        run_in(ns, "ethtool", "-K", device, *words)


@scene("segments of one packet each (no segmentation offload)")
def no_offload():
    links(["tso", "off", "gso", "off", "gro", "off", "sg", "off"])
    try:
        client, server = pair()
        both_ways(client, server, scaled(4 * MB))
    finally:
        links(["sg", "on", "tso", "on", "gso", "on"])


@scene("packets that the receiver has merged (GRO)")
def merged():
    links(["tso", "off", "gso", "off", "gro", "on"])
    try:
        client, server = pair()
        both_ways(client, server, scaled(4 * MB))
    finally:
        links(["gro", "off", "tso", "on", "gso", "on"])


@scene("packets lost, doubled and out of order on both links")
def lossy():
    bad = ("delay", "1ms", "1ms", "loss", "2%", "duplicate", "1%")
    with netem(CLIENT, "eth0", *bad), netem(PROXY, "front", *bad), \
            netem(PROXY, "back", *bad), netem(SERVER, "eth0", *bad):
        client, server = pair()
        both_ways(client, server, scaled(1 * MB), seconds=90)


@scene("the smallest segments")
def small_segments():
    mss = {"mss": 120}
    client, server = pair(mss, mss)
    both_ways(client, server, scaled(256 * KB))


@scene("alternating small messages of two sessions, to readers that wait")
def by_turns():
    # Their copies alternate in the page, so that none extends the one before
    # it, and packets run out of room for fragments.
    count, size = 800, 50
    ends = [pair({"nodelay": True}, {"rcvbuf": 4096}) for _ in range(2)]
    streams = [Stream(n) for n in range(2)]
    for _ in range(count):
        for (client, _), stream in zip(ends, streams):
            client.sendall(stream.take(size))
    for n, (client, server) in enumerate(ends):
        receive_stream(server, Stream(n), count * size, end=False)
        expect_alive(client, server)
        client.close()
        server.close()
    wait_gone()


@scene("an urgent byte stops nothing, either way")
def urgent():
    for ends in (pair(), reversed(pair())):
        source, sink = ends
        source.sendall(b"before")
        source.send(b"!", socket.MSG_OOB)
        source.sendall(b"after" * 20000)
        source.shutdown(socket.SHUT_WR)
        got = b""
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        while data := sink.recv(1 << 16):
            got += data
        # An urgent byte may be passed on as urgent or as an ordinary byte.
        expect(got.replace(b"!", b""), b"before" + b"after" * 20000,
               "the other bytes")


@scene("urgent bytes that come before anything is read are all passed on")
def urgent_early():
    listener = listen()
    with netem(SERVER, "eth0", "delay", "300ms"):
        client = connect(nodelay=True)
        for byte in b"ABC":
            client.send(bytes([byte]), socket.MSG_OOB)
        client.sendall(b"rest")
        server = accept(listener)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        expect(read_exactly(server, 7), b"ABCrest", "what the server got")
        expect_alive(client, server)
    listener.close()


@scene("many sessions at once, each its own stream")
def many():
    threads = Threads()
    listener = listen()
    for seed in range(10, 10 + max(scaled(40), 8)):
        client = connect()
        server = accept(listener)
        threads.go(both_ways, client, server, scaled(256 * KB), seed)
    threads.join(120)


@scene("IPv6 on both sides, and clients that come one after the other")
def v6_echo():
    kp("server add app [fd02::2]:9000")
    kp("server set app 10.2.0.2:9000 weight 0")
    echo = EchoServer(BACK6)
    try:
        for n in range(scaled(40, 5)):
            client = connect(FRONT6)
            word = Stream(n).take(n * 997 + 1)
            client.sendall(word)
            client.shutdown(socket.SHUT_WR)
            expect(read_exactly(client, len(word)), word, "the echo")
            expect_eof(client, "after the echo")
            client.close()
        expect(echo.clients, scaled(40, 5), "clients of the server")
    finally:
        echo.close()
        kp("server set app 10.2.0.2:9000 weight 1")
        kp("server del app [fd02::2]:9000")


@scene("a small last segment leaves at once")
def no_cork():
    client, server = pair()
    slowest = 0
    for n in range(scaled(60, 10)):
        size = 65536 * 3 + 1 + n
        client.sendall(b"x" * size)
        begun = time.monotonic()
        read_exactly(server, size)
        slowest = max(slowest, time.monotonic() - begun)
        server.sendall(b"y")
        read_exactly(client, 1)
    # A cork, or a wait for an ACK, would cost 40 or 200 ms each time.
    if slowest > limit(2):
        raise Failed(f"a message took {slowest:.3f} s")
    wait_for(lambda: sessions()[0]["server_tcp"]["sndq"] == 0, "all is sent")


main()
