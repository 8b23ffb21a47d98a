# SPDX-License-Identifier: GPL-2.0
"""
A listener whose server leads back to itself stops after eight sessions in a
row: its clients are reset and counted, nothing grows, and all others go on.
"""

import contextlib

from peer import (PROXY, EchoServer, Failed, accept, both_ways, connect,
                  expect, expect_alive, expect_reset, knock, kp, listen, main,
                  pair, read_exactly, reset, run, scaled, scene, send_for_reset,
                  show, wait_for, wait_gone)

SET_UP = """
load
topology
simple_proxy
"""

# Most chained sessions, as module/session.c has it.
HOPS = 8


@contextlib.contextmanager
def listeners(*rows):
    """Listeners (name, addresses, servers), each with an upstream, retry 0."""

    commands = []
    for name, addresses, servers in rows:
        commands.append(f"upstream add {name} retries 0")
        commands += [f"server add {name} {s}" for s in servers]
        commands.append(f"listener add {name} {addresses} upstream {name}")
    kp("-b -", text="\n".join(commands) + "\n")
    try:
        yield
    finally:
        kp("-b -", text="\n".join(
            f"listener del {name} kill\nupstream del {name}"
            for name, _, _ in rows) + "\n")


def counted(*names):
    """Sessions and refusals of these listeners so far."""
    rows = [row["stats"] for row in show("listener show")
            if row["name"] in names]
    return (sum(row["sessions_total"] for row in rows),
            sum(row["refused"] for row in rows))


def hit_and_run(to):
    sock = knock(to)
    if sock:
        reset(sock)


def expect_bounded(names, to, clients=1, **options):
    """Clients are reset, at the cost of this number of sessions."""
    before = counted(*names)
    socks = [knock(to, **options) for _ in range(clients)]
    for sock in filter(None, socks):
        expect_reset(sock, "the client of a loop")
        sock.close()
    wait_gone()
    after = counted(*names)
    expect((after[0] - before[0], after[1] - before[1]),
           (HOPS * clients, clients), "sessions and refusals of a loop")


@scene("a listener that is its own server")
def itself():
    with listeners(("a", "10.1.0.1:8100", ["10.1.0.1:8100"])):
        expect_bounded(["a"], ("10.1.0.1", 8100))
        expect_bounded(["a"], ("10.1.0.1", 8100), clients=scaled(50, 5))


@scene("two listeners that are each other's")
def each_other():
    with listeners(("a", "10.1.0.1:8100", ["10.2.0.1:8101"]),
                   ("b", "10.2.0.1:8101", ["10.1.0.1:8100"])):
        expect_bounded(["a", "b"], ("10.1.0.1", 8100))
        expect_bounded(["a", "b"], ("10.2.0.1", 8101), clients=3, ns=PROXY)


@scene("the same by IPv6, and by any address of both families")
def families():
    with listeners(("a", "[fd01::1]:8100", ["[fd01::1]:8100"])):
        expect_bounded(["a"], ("fd01::1", 8100))
    for server in "10.2.0.1:8100", "127.0.0.1:8100", "[fd02::1]:8100":
        with listeners(("a", "*:8100", [server])):
            expect_bounded(["a"], ("10.1.0.1", 8100))
            expect_bounded(["a"], ("fd01::1", 8100))
    with listeners(("a", "0.0.0.0:8100", ["[::1]:8101"]),
                   ("b", "[::]:8101", ["10.1.0.1:8100"])):
        expect_bounded(["a", "b"], ("10.1.0.1", 8100))


@scene("a link-local address, which names its interface")
def link_local():
    run("ip", "-n", PROXY, "addr", "add", "fe80::77/64", "dev", "front",
        "nodad")
    try:
        with listeners(("a", "[fe80::77%front]:8100,10.1.0.1:8100",
                        ["[fe80::77%front]:8100"])):
            expect_bounded(["a"], ("10.1.0.1", 8100))
    finally:
        run("ip", "-n", PROXY, "addr", "del", "fe80::77/64", "dev", "front")


@scene("bytes that were sent into it change nothing")
def early_bytes():
    with listeners(("a", "10.1.0.1:8100", ["10.1.0.1:8100"])):
        before = counted("a")
        for _ in range(5):
            sock = knock(("10.1.0.1", 8100))
            if sock:
                send_for_reset(sock, b"round" * 1000, "the client of a loop")
            # And a client that does not wait for it.
            hit_and_run(("10.1.0.1", 8100))
        wait_gone()
        total, refused = (a - b for a, b in zip(counted("a"), before))
        # If a client does not wait, its session may be reset before the next
        # one is accepted, which then cannot tell: the row starts over, once.
        if total > 5 * HOPS + 5 * 2 * HOPS or refused > 10 or not refused:
            raise Failed(f"10 clients: {total} sessions, {refused} refused")


@scene("a row of eight listeners works, one of nine is too long")
def row():
    def chain(length):
        """The first accepts on port 8100, the last leads to the server."""
        ports = [8100 + n for n in range(length)]
        servers = [f"10.1.0.1:{port}" for port in ports[1:]]
        return [(f"row{n}", f"10.1.0.1:{port}", [server]) for n, port, server
                in zip(range(length), ports, [*servers, "10.2.0.2:9000"])]

    with listeners(*chain(HOPS)):
        client, server = pair(to=("10.1.0.1", 8100))
        expect(len(show("session show")), HOPS, "sessions")
        expect_alive(client, server)
        both_ways(client, server, scaled(300000, 50000))
        expect((client.recv(1), server.recv(1)), (b"", b""), "the ends")
        client.close()
        server.close()
        wait_gone()
    with listeners(*chain(HOPS + 1)):
        server = listen()
        client = knock(("10.1.0.1", 8100))
        if client:
            expect_reset(client, "the client of a long row")
        wait_gone()
        expect(counted(f"row{HOPS}"), (0, 1), "sessions and refusals of it")
        server.close()


@scene("a loop with an exit is left")
def way_out():
    with listeners(("a", "10.1.0.1:8100", ["10.1.0.1:8100",
                                           "10.2.0.2:9000"])):
        server = listen()
        for _ in range(4):
            client = connect(("10.1.0.1", 8100))
            there = accept(server)
            expect_alive(client, there)
            client.close()
            there.close()
        wait_gone()
        expect(counted("a")[1], 0, "refused")


def expect_echo(client, word):
    client.sendall(word)
    expect(read_exactly(client, len(word)), word, "the echo")


@scene("other sessions go on while clients enter a loop")
def others():
    echo = EchoServer()
    client = connect()
    with listeners(("a", "10.1.0.1:8100", ["10.1.0.1:8100"])):
        most = 0
        for n in range(scaled(300, 40)):
            hit_and_run(("10.1.0.1", 8100))
            if n % 10 == 0:
                expect_echo(client, b"%d" % n)
                most = max(most, len(show("session show")))
        # Ten clients may be on their way, and the one that goes on.
        if most > 1 + 11 * HOPS:
            raise Failed(f"{most} sessions at once: they pile up")
        wait_for(lambda: len(show("session show")) == 1,
                 "the loop is empty")
    expect_echo(client, b"still here")
    client.close()
    echo.close()
    wait_gone()


main()
