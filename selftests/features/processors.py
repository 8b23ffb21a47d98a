# SPDX-License-Identifier: GPL-2.0
"""
Many processors: where a session begins, whoever has accepted its client.
"""

import os
import socket
import threading
import time

from peer import (BACK, EchoServer, Skipped, accept, connect, expect,
                  expect_between, kp, limit, listen, main, read_exactly,
                  scene, sessions, show, wait_for, wait_gone)

SET_UP = """
load
topology
simple_proxy
"""

CLIENTS = 24


def need_two():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skipped("one processor only")
    return cpus


def connect_on(cpu):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        return connect()
    finally:
        os.sched_setaffinity(0, before)


@scene("a session begins on the processor that receives from its client")
def where():
    """
    One work accepts all clients, because of the rate. Nothing was sent, so
    the server's socket has its packets where the session connected.
    """

    cpus = need_two()
    listener = listen(BACK)
    kp("listener set web rate 40")
    clients = {}
    for n in range(CLIENTS):
        client = connect_on(cpus[n % len(cpus)])
        clients[client.getsockname()[1]] = (client, cpus[n % len(cpus)])
    came = [accept(listener) for _ in clients]
    wait_for(lambda: all(s["state"] == "established" for s in sessions()),
             "all sessions are established")
    client_of = {s["source"]: int(s["client"].rsplit(":", 1)[1])
                 for s in sessions()}
    there = []
    for server in came:
        source = "{}:{}".format(*server.getpeername())
        cpu = server.getsockopt(socket.SOL_SOCKET, socket.SO_INCOMING_CPU)
        there.append(cpu == clients[client_of[source]][1])
    # A packet may be left to another processor now and then.
    expect_between(sum(there), CLIENTS - 2, CLIENTS, "where their clients are")
    kp("listener set web rate 0")
    for server in came:
        server.close()
    for client, _ in clients.values():
        client.close()
    listener.close()
    wait_gone()


@scene("clients of all processors have sessions of their own, within maxconn")
def within():
    cpus = need_two()
    echo = EchoServer()
    kp("listener set web maxconn 3")
    over = time.monotonic() + limit(2)
    served = [0] * len(cpus)
    most = [0]

    def lane(number):
        os.sched_setaffinity(0, {cpus[number]})
        while time.monotonic() < over:
            clients = [connect() for _ in range(4)]
            for client in clients:
                client.sendall(b"%d" % number)
            for client in clients:
                read_exactly(client, 1)
                client.close()
                served[number] += 1

    lanes = [threading.Thread(target=lane, args=(n,))
             for n in range(len(cpus))]
    for thread in lanes:
        thread.start()
    while time.monotonic() < over:
        most[0] = max(most[0], show("listener show web")[0]["stats"]["sessions"])
    for thread in lanes:
        thread.join()
    expect_between(most[0], 1, 3, "sessions at once")
    expect(all(served), True, f"every processor was served: {served}")
    expect(echo.clients, sum(served), "sessions of the server")
    kp("listener set web maxconn 0")
    echo.close()
    wait_gone()
    expect(show("listener show web")[0]["stats"]["sessions"], 0, "sessions left")


main()
