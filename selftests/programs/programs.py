# SPDX-License-Identifier: GPL-2.0
"""Many sessions at once."""

from peer import (EchoServer, connect, expect, main, read_exactly, scaled,
                  scene, sessions, wait_gone)

COUNT = max(scaled(500), 60)


@scene("500 sessions at once, all alive")
def concurrent():
    echo = EchoServer()
    clients = [connect() for _ in range(COUNT)]
    for n, client in enumerate(clients):
        client.sendall(b"%06d" % n)
    for n, client in enumerate(clients):
        expect(read_exactly(client, 6), b"%06d" % n, "the echo")
    expect(len(sessions()), COUNT, "sessions shown")
    expect(len({s["client"] for s in sessions()}), COUNT, "clients shown")
    for n, client in reversed(list(enumerate(clients))):
        client.sendall(b"%06d" % n)
        expect(read_exactly(client, 6), b"%06d" % n, "the echo")
    for client in clients:
        client.close()
    echo.close()
    wait_gone()


main()
