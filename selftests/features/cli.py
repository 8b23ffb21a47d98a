# SPDX-License-Identifier: GPL-2.0
"""What the command shows of live objects."""

import json

from peer import (PROXY, Failed, accept, connect, expect, expect_alive, kp,
                  listen, main, pair, read_exactly, run, scaled, scene,
                  sessions, show)

COUNT = max(scaled(1030), 150)

# The keys that users rely on, written down here and not taken from the command:
# a new counter, field or option that is always shown is added here too.
STATS = {"sessions", "sessions_total", "refused", "connect_failures",
         "bytes_in", "bytes_out", "stall_client_us", "stall_server_us",
         "end_reasons", "unlogged"}
NOT_OF_SERVERS = {"refused", "unlogged"}
KEYS = {
    "listener": {"name", "addresses", "upstream", "stats"},
    "upstream": {"name", "balance", "servers"},
    "server": {"upstream", "address", "weight", "state", "health", "stats",
               "connect_time"},
    "session": {"id", "listener", "upstream", "client", "local", "source",
                "server", "state", "age_ms", "idle_ms", "cpu", "bytes_in",
                "bytes_out", "bytes_spliced", "bytes_copied", "client_tcp",
                "server_tcp", "stall_client_us", "stall_server_us", "sni",
                "server_name"},
    "pool": {"cpu", "pages", "pages_free", "sessions", "sessions_free",
             "page_refills", "session_refills", "fallbacks"},
    "stats": STATS | {"bytes_spliced", "bytes_copied", "pumps_inline",
                      "pumps_deferred"},
}
TCP = {"rtt_us", "cwnd", "retrans", "unacked", "rcvq", "sndq"}


def numbers_in(row):
    for value in row.values():
        if isinstance(value, dict):
            yield from numbers_in(value)
        elif not isinstance(value, (str, list)):
            yield value


@scene("the keys of every object are those of the contract, numbers are whole")
def keys():
    client, server = pair()
    expect_alive(client, server)
    for object_, want in KEYS.items():
        rows = show(f"{object_} show")
        if not rows:
            raise Failed(f"no {object_} is shown")
        for row in rows:
            # An upstream may show options that differ from their default.
            expect(set(row), want, f"keys of a {object_}")
            for number in numbers_in(row):
                expect(type(number), int, f"a number of a {object_}")
    expect(set(show("listener show web")[0]["stats"]), STATS,
           "keys of a listener's stats")
    expect(set(show("server show app")[0]["stats"]), STATS - NOT_OF_SERVERS,
           "keys of a server's stats")
    expect(show("upstream show app")[0]["servers"], show("server show app"),
           "servers of an upstream")
    for side in "client_tcp", "server_tcp":
        expect(set(sessions()[0][side]), TCP, f"keys of {side}")
    for object_ in "listener", "server":
        row = json.loads(kp(f"-j {object_} show").stdout)[0]
        expect("stats" in row, False, f"stats of a {object_} without -s")


@scene("the values of a session are right")
def values():
    client, server = pair()
    client.sendall(b"four")
    read_exactly(server, 4)
    server.sendall(b"seven77")
    read_exactly(client, 7)
    session = sessions()[0]
    want = {"listener": "web", "upstream": "app", "local": "10.1.0.1:8000",
            "client": "10.1.0.2:%d" % client.getsockname()[1],
            "source": "10.2.0.1:%d" % server.getpeername()[1],
            "server": "10.2.0.2:9000", "state": "established",
            "bytes_in": 4, "bytes_out": 7}
    expect({key: session[key] for key in want}, want, "the session")
    expect(session["bytes_spliced"] + session["bytes_copied"], 11, "bytes")
    if not 0 <= session["idle_ms"] <= session["age_ms"] < 60000:
        raise Failed(f"age {session['age_ms']}, idle {session['idle_ms']}")
    expect([s["id"] for s in sessions(str(session["id"]))], [session["id"]],
           "sessions of that number")


@scene("more than 1,000 sessions are all shown, each once")
def many():
    listener = listen()
    clients, servers = [], []
    for _ in range(COUNT):
        clients.append(connect())
        servers.append(accept(listener))
    shown = sessions()
    expect(len(shown), COUNT, "sessions shown")
    expect({s["client"] for s in shown},
           {"10.1.0.2:%d" % c.getsockname()[1] for c in clients}, "clients")
    expect(len(sessions("client 10.1.0.2/32 listener web upstream app")),
           COUNT, "sessions that match a filter")
    killed = kp("session kill listener web").stdout
    if str(COUNT) not in killed:
        raise Failed(f"killed: {killed}")


@scene("text, JSON and indented JSON say the same")
def formats():
    plain = run("kproxy", "-n", PROXY, "listener", "show").stdout
    for word in "web", "10.1.0.1:8000", "app":
        if word not in plain:
            raise Failed(f"{word} is not in {plain}")
    compact = kp("-j listener show").stdout
    pretty = kp("-j -p listener show").stdout
    expect(json.loads(pretty), json.loads(compact), "indented")
    expect(pretty.count("\n") > compact.count("\n"), True, "indented at all")


main()
