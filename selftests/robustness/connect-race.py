# SPDX-License-Identifier: GPL-2.0
"""
A connect either succeeds or is given up, never both: with servers that answer
just when the time for it is over, every client gets its own bytes or a reset.

Environment:
  CONNECTS   clients in all (2000); 100000 by hand, with LIMIT=3000
"""

import collections
import os
import select
import time

from peer import (BACK, CLIENT, FRONT, QUICK, SERVER, Failed, kp, limit,
                  listen, main, netem, new_socket, say, scene, stats, tc,
                  wait_gone)

SET_UP = """
ulimit -n 8192

load
topology
"""

CONNECTS = int(os.environ.get("CONNECTS") or (1500 if QUICK else 2000))
AT_ONCE = 64
SIZE = 64
# Clients after which the delay is adjusted.
ROUND = 128
BACKS = BACK, (BACK[0], BACK[1] + 1)


class Client:
    """Sends its own bytes at once, and expects them back."""

    def __init__(self, play, number):
        self.play = play
        self.sent = number.to_bytes(8, "big") * (SIZE // 8)
        self.got = b""
        self.begun = time.monotonic()
        self.sock = new_socket(CLIENT, FRONT)
        self.sock.setblocking(False)
        self.sock.connect_ex(FRONT)
        play.add(self, select.EPOLLOUT)

    def ready(self, events):
        try:
            if events & select.EPOLLOUT:
                self.sock.sendall(self.sent)
                self.play.epoll.modify(self.sock, select.EPOLLIN)
                return
            data = self.sock.recv(4096)
        except ConnectionResetError:
            self.end("reset")
            return
        self.got += data
        if not data:
            self.end("end of stream")
        elif self.got == self.sent:
            self.end("served")
        elif not self.sent.startswith(self.got):
            self.end(f"wrong bytes: sent {self.sent.hex()}, got "
                     f"{self.got.hex()}")

    def end(self, how):
        self.play.drop(self)
        self.play.clients.discard(self)
        self.play.ended[how] += 1


class Echo:
    """The server's end of a connection."""

    def __init__(self, play, sock):
        self.play = play
        self.sock = sock
        sock.setblocking(False)
        play.add(self, select.EPOLLIN)

    def ready(self, _):
        try:
            data = self.sock.recv(4096)
            if data:
                self.sock.sendall(data)
                return
        except OSError:
            pass
        self.play.drop(self)


class Server:
    """A socket that listens."""

    def __init__(self, play, address):
        self.play = play
        self.sock = listen(address)
        self.sock.setblocking(False)
        play.add(self, select.EPOLLIN)

    def ready(self, _):
        try:
            while True:
                Echo(self.play, self.sock.accept()[0])
        except BlockingIOError:
            pass


class Play:
    """All sockets of both sides, in one loop."""

    def __init__(self):
        self.epoll = select.epoll()
        self.peers = {}
        self.clients = set()
        self.ended = collections.Counter()
        for address in BACKS:
            Server(self, address)

    def add(self, peer, events):
        self.peers[peer.sock.fileno()] = peer
        self.epoll.register(peer.sock, events)

    def drop(self, peer):
        del self.peers[peer.sock.fileno()]
        self.epoll.unregister(peer.sock)
        peer.sock.close()

    def busy(self):
        """Anything but the sockets that listen."""

        return len(self.peers) > len(BACKS)

    def turn(self):
        for fd, events in self.epoll.poll(0.1):
            if fd in self.peers:
                self.peers[fd].ready(events)
        now = time.monotonic()
        for client in [c for c in self.clients
                       if now - c.begun > limit(20)]:
            client.end("hung")


def set_delay(delay):
    tc(SERVER, "eth0", "netem", "delay", f"{delay}ms", "4ms", "limit", "10000")


@scene("a connect succeeds or is given up: no client gets another's bytes")
def connect_or_time_out():
    kp("upstream add app retries 1")
    for host, port in BACKS:
        kp(f"server add app {host}:{port}")
    kp("listener add web {}:{} upstream app connect-timeout 50ms".format(*FRONT))
    play = Play()
    delay, served, begun = 50, 0, 0
    with netem(SERVER, "eth0", "delay", "50ms", "4ms", "limit", "10000"):
        while begun < CONNECTS or play.busy():
            while len(play.clients) < AT_ONCE and begun < CONNECTS:
                begun += 1
                play.clients.add(Client(play, begun))
                if begun % ROUND:
                    continue
                # About as many answers must come in time as too late, however
                # slow this machine is.
                share = (play.ended["served"] - served) / ROUND
                served = play.ended["served"]
                delay = max(delay + (share > 0.7) - (share < 0.4), 1)
                set_delay(delay)
            play.turn()
    say(f"{dict(play.ended)}, the last delay {delay} ms")
    bad = [how for how in play.ended if how not in ("served", "reset")]
    if bad:
        raise Failed(f"{bad}")
    for how in "served", "reset":
        if play.ended[how] < CONNECTS / 20:
            raise Failed(f"only {play.ended[how]} clients were {how}")
    if not stats()["connect_failures"]:
        raise Failed("no connect was given up")
    wait_gone()
    kp("listener del web")
    kp("upstream del app")


main()
