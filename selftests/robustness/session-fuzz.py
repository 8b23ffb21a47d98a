# SPDX-License-Identifier: GPL-2.0
"""
Disturbs session-traffic.c's sessions: the configuration changes, sessions and
sockets are killed, time-outs pass, and a CPU is delayed at any point. It runs
until the traffic ends.
"""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time

from netlink_raw import attrs
from netlink_spec import ATTR, ENUM
from peer import KB, PATIENCE, PROXY, diagnose, run_in, say
from races import DOWN, DRAIN, POINTS, SENDS, UP, Control, write

SERVERS = [(f"10.2.0.{n}", 9000 + m) for m in (0, 1) for n in (2, 3, 4)]
SAFE_SERVERS = [("10.2.0.2", 9100), ("10.2.0.3", 9100)]
# Listeners whose sessions may be hit by every action; the letters are for
# session-traffic.
FRONTS = {"web": ("10.1.0.1", 8000), "short": ("10.1.0.1", 8001),
          "greet": ("10.1.0.1", 8002)}
SAFE = {"safe": ("10.1.0.1", 8010), "safe2": ("10.1.0.1", 8011)}
LISTENERS = {
    "web": {},
    "short": {"connect_timeout": 200, "idle_timeout": 100, "fin_timeout": 100,
              "max_age": 2000},
    "greet": {"accept_proxy": 1},
}


class Chaos:
    def __init__(self):
        self.control = Control()
        self.counts = {}
        self.points = POINTS.exists()

    def ask(self, command, **values):
        with contextlib.suppress(TimeoutError):
            return self.control.ask(command, **values)

    # The configuration at its beginning

    def begin(self):
        must = self.control.must
        for upstream, servers in (("app", SERVERS), ("calm", SAFE_SERVERS)):
            must("upstream-add", name=upstream)
            for address in servers:
                must("server-add", upstream=upstream, address=address)
        for name in FRONTS:
            self.add_listener(name)
        for name, address in SAFE.items():
            must("listener-add", name=name, address=address, upstream="calm",
                 connect_timeout=600000, idle_timeout=0, fin_timeout=0)

    def add_listener(self, name):
        self.ask("listener-add", name=name, address=FRONTS[name],
                 upstream="app", **LISTENERS[name])

    def restore(self):
        for name in FRONTS:
            self.add_listener(name)
            self.ask("listener-set", name=name, maxconn=0, backlog=4096, rate=0,
                     client_maxconn=0)
        for address in SERVERS:
            self.ask("server-add", upstream="app", address=address)
            self.ask("server-set", upstream="app", address=address, state=UP,
                     weight=1, maxconn=0, backup=0)
        self.ask("upstream-set", name="app", check=0, preconnect=0, eject=0)

    # Actions

    def server(self):
        return {"upstream": "app", "address": random.choice(SERVERS)}

    def server_state(self):
        self.ask("server-set", **self.server(),
                 state=random.choice((UP, DRAIN, DOWN)))

    def server_options(self):
        self.ask("server-set", **self.server(), state=UP,
                 weight=random.randrange(257),
                 maxconn=random.choice((0, 0, 1, 5)),
                 backup=random.randrange(2))

    def server_del(self):
        self.ask("server-del", **self.server())

    def server_add(self):
        self.ask("server-add", **self.server())

    def upstream(self):
        option, value = random.choice((
            ("balance", random.randrange(ENUM["balance"])),
            ("retries", random.randrange(4)),
            ("preconnect", random.choice((0, 0, 1, 3))),
            ("fastopen", random.randrange(2)),
            ("nodelay", random.randrange(2)),
            ("sndbuf", random.choice((0, 8 * KB))),
            ("rcvbuf", random.choice((0, 8 * KB))),
            ("eject", random.randrange(3)),
            ("eject_time", 50),
            ("check", random.randrange(2)),
            ("interval", random.choice((20, 200))),
            ("timeout", random.choice((10, 100)))))
        self.ask("upstream-set", name="app", **{option: value})

    def calm(self):
        """Options that harm no session."""
        option, value = random.choice((
            ("balance", random.randrange(ENUM["balance"])),
            ("preconnect", random.choice((0, 1, 3))),
            ("sndbuf", random.choice((0, 8 * KB))),
            ("rcvbuf", random.choice((0, 8 * KB)))))
        self.ask("upstream-set", name="calm", **{option: value})
        self.ask("server-set", upstream="calm",
                 address=random.choice(SAFE_SERVERS), state=UP,
                 weight=1 + random.randrange(9))

    def listener(self):
        option, value = random.choice((
            ("maxconn", random.choice((0, 3, 50))),
            ("backlog", random.choice((1, 4096))),
            ("connect_timeout", random.choice((50, 5000))),
            ("idle_timeout", random.choice((0, 50, 5000))),
            ("fin_timeout", random.choice((0, 50, 5000))),
            ("rate", random.choice((0, 0, 20))),
            ("client_maxconn", random.choice((0, 0, 5))),
            ("sndbuf", random.choice((0, 8 * KB))),
            ("rcvbuf", random.choice((0, 8 * KB)))))
        self.ask("listener-set", name=random.choice(list(FRONTS)),
                 **{option: value})

    def listener_del(self):
        name = random.choice(list(FRONTS))
        words = {"kill": True} if random.random() < 0.5 else {}
        self.ask("listener-del", name=name, **words)
        time.sleep(random.random() / 20)
        self.add_listener(name)

    def listener_drain(self):
        name = random.choice(list(FRONTS))
        self.ask("listener-drain", name=name,
                 drain_rate=random.choice((20, 1000)))
        self.add_listener(name)

    def kill(self):
        words = random.choice((
            {"listener": random.choice(list(FRONTS))},
            {"upstream": "app", "server": random.choice(SERVERS)}, {}))
        if not words:
            there = [self.identity(row) for row in self.control.sessions()]
            there = [number for number, name in there if name in FRONTS]
            if not there:
                return
            words = {"id": random.choice(there)}
        self.ask("session-kill", **words)

    @staticmethod
    def identity(row):
        """A session's number and its listener, of a dump."""
        found = dict(attrs(row[4:]))
        number = found[ATTR["session"]["id"]]
        return (int.from_bytes(number, sys.byteorder),
                found[ATTR["session"]["listener"]].rstrip(b"\0").decode())

    def kill_socket(self):
        """Destroy one of the proxy's sockets under it."""
        words = random.choice((
            f"sport = :{random.choice(list(FRONTS.values()))[1]}",
            f"dport = :{random.choice(SERVERS)[1]}"))
        run_in(PROXY, "ss", "-K", "-Htn", "state",
               random.choice(("established", "close-wait", "fin-wait-1",
                              "syn-sent")), *words.split(), check=False)

    def delays(self):
        if self.points:
            write(POINTS / "delay", random.choice((50, 500, 3000, 20000)))
            write(POINTS / "probability", random.choice((0, 1, 3, 10)))
            write(POINTS / "cpu", random.choice((-1, 0, 1)))

    def sends(self):
        if SENDS.exists():
            write(SENDS / "probability", random.choice((0, 0, 5, 30)))

    ACTIONS = ((server_state, 4), (server_options, 3), (server_del, 1),
               (server_add, 2), (upstream, 5), (calm, 2), (listener, 4),
               (listener_del, 2), (listener_drain, 1), (kill, 3),
               (kill_socket, 1), (delays, 4), (sends, 1), (restore, 4))

    def act(self):
        actions, weights = zip(*self.ACTIONS)
        action = random.choices(actions, weights)[0]
        self.counts[action.__name__] = self.counts.get(action.__name__, 0) + 1
        action(self)

    def start_delays(self):
        if not self.points:
            return
        for where in POINTS, SENDS:
            for name, value in (("verbose", 0), ("times", -1),
                                ("probability", 0), ("space", 0)):
                write(where / name, value)
        write(POINTS / "random", "Y")
        write(POINTS / "points", "all")

    def end(self):
        if self.points:
            reached = dict()
            for line in (POINTS / "hits").read_text().splitlines():
                name, _, delayed = line.split()
                reached[name] = int(delayed)
            say(f"# {sum(reached.values())} delays at "
                f"{sum(1 for n in reached.values() if n)} of {len(reached)} "
                f"points")
            write(POINTS / "probability", 0)
            write(POINTS / "release", 1)
            write(POINTS / "points", "none")
            write(POINTS / "random", "N")
            write(SENDS / "probability", 0)
        self.restore()
        say("# " + ", ".join(f"{name} {n}" for name, n in
                             sorted(self.counts.items())))


def traffic(program, seed, sessions, at_once, output):
    fronts = [f"{host}:{port}" + ("p" if LISTENERS[name].get("accept_proxy")
                                  else "")
              for name, (host, port) in FRONTS.items()]
    fronts += [f"{host}:{port}s" for host, port in SAFE.values()]
    backs = [f"{host}:{port}" for host, port in SERVERS + SAFE_SERVERS]
    return subprocess.Popen(
        [program, str(seed), str(sessions), str(at_once), str(PATIENCE),
         *fronts, "--", *backs], stdout=output, stderr=subprocess.STDOUT)


def main():
    """session-fuzz.py PROGRAM SESSIONS SECONDS"""
    seed = int(os.environ["SEED"])
    random.seed(seed)
    program, sessions, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chaos = Chaos()
    chaos.begin()
    chaos.start_delays()
    begun = time.monotonic()
    output, late = tempfile.TemporaryFile(), False
    process = traffic(program, seed, sessions, 48, output)
    while process.poll() is None:
        chaos.act()
        time.sleep(random.random() * 0.1)
        if time.monotonic() - begun > seconds * PATIENCE:
            late = True
            process.kill()
            break
    process.wait()
    chaos.end()
    output.seek(0)
    for line in output.read().decode(errors="replace").splitlines():
        say(line if line.startswith("#") else f"# {line}")
    took = time.monotonic() - begun
    say(f"# {took:.0f} s, {sessions / took:.0f} sessions a second")
    good = not late and process.returncode == 0
    say(f"{'ok' if good else 'not ok'} random sessions: every byte is where it "
        f"belongs, every end is one that was sent")
    if not good:
        say(f"# SEED={seed}, status {process.returncode}"
            f"{', out of time' if late else ''}")
        diagnose()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
