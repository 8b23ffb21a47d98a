# SPDX-License-Identifier: GPL-2.0
"""Configuration files and transactions under live sessions."""

import errno
import json
import os
import pathlib
import re
import select
import signal
import struct
import subprocess
import tempfile
import time

import yaml

from netlink_raw import Netlink, attr, attrs
from netlink_spec import COMMAND, L, S, U, endpoint, open_netlink
from peer import (PROXY, Failed, accept, connect, expect, expect_alive, kp,
                  limit, listen, main, new_socket, pair, run, run_in, scaled,
                  scene, sessions, show, stats, wait_for, wait_gone)

KO = os.environ.get("KPROXY_KO", str(pathlib.Path(__file__).parents[2] /
                                     "module" / "kproxy.ko"))
SERVERS = max(scaled(10000), 1000)
# For an emulated processor that three others compete with.
SECONDS = 60


def config(command, text=None, check=True):
    return kp(f"config {command}", check=check, text=text)


def apply(text):
    config("apply -", text=text)


def apply_later(text):
    """Apply it in a process of its own, for which the caller waits."""
    process = subprocess.Popen(
        ["kproxy", "-n", PROXY, "config", "apply", "-"],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    process.stdin.write(text)
    process.stdin.close()
    return process


def saved():
    return config("save").stdout


def refused(text, pattern, status=2):
    """Applying it is refused for this reason, and changes nothing."""
    before, generation, ports = saved(), generation_now(), listening()
    done = config("apply -", text=text, check=False)
    expect(done.returncode, status, "exit status")
    expect(done.stderr.count("\n"), 1, f"lines of {done.stderr!r}")
    if not re.search(pattern, done.stderr):
        raise Failed(f"got {done.stderr!r}, want {pattern!r}")
    expect(saved(), before, "the configuration after a refusal")
    expect(generation_now(), generation, "its generation")
    expect(listening(), ports, "what listens")


def listening():
    """Address: inode of the socket, of all that listens in the proxy."""
    out = run_in(PROXY, "ss", "-Hltne").stdout
    return {line.split()[3]: re.search(r"ino:(\d+)", line)[1]
            for line in out.splitlines()}


def begin(nl, *words):
    return nl.ask(COMMAND["transaction-begin"], *words)


def generation_of(answer):
    return struct.unpack("=I", dict(attrs(answer.replies[0][4:]))[1])[0]


def generation_now():
    nl = open_netlink()
    answer = begin(nl)
    nl.close()
    expect(answer.errno, 0, "begin")
    return generation_of(answer)


def done(answer, what):
    expect(answer.errno, 0, f"{what}: {answer}")


def denied(answer, number, message):
    expect(answer.errno, number, f"errno of {answer}")
    if message not in answer.message:
        raise Failed(f"got {answer}, want {message!r}")


def stage_listener(nl, name, address, port, upstream="app"):
    return nl.ask(COMMAND["listener-add"], attr(L["name"], name),
                  endpoint(L["address"], address, port),
                  attr(L["upstream"], upstream))


def stage_upstream(nl, name):
    return nl.ask(COMMAND["upstream-add"], attr(U["name"], name))


BASE = """
upstreams:
  app:
    servers:
      - address: 10.2.0.2:9000
listeners:
  web:
    listen: ["10.1.0.1:8000", "[fd01::1]:8000"]
    upstream: app
"""

CHANGED = """
upstreams:
  app:
    retries: 5
    servers:
      - address: 10.2.0.3:9000
        weight: 7
      - address: 10.2.0.2:9000
  spare:
listeners:
  web:
    listen: ["10.1.0.1:8000", "10.1.0.1:8003", "[fd01::1]:8000"]
    upstream: app
    idle-timeout: 5m
    backlog: 77
  more:
    listen: ["10.1.0.1:8004"]
    upstream: spare
"""


@scene("a change leaves sockets, sessions and counters as they are")
def keeps():
    apply(BASE)
    before = listening()
    ends = pair()
    expect_alive(*ends)
    apply(CHANGED)
    after = listening()
    for address in "10.1.0.1:8000", "[fd01::1]:8000":
        expect(after[address], before[address], f"the socket of {address}")
    for address in "10.1.0.1:8003", "10.1.0.1:8004":
        if address not in after:
            raise Failed(f"nobody listens on {address}")
    expect_alive(*ends)
    counters = show("listener show web")[0]["stats"]
    expect(counters["sessions_total"], 1, "sessions of the listener")
    expect(counters["bytes_in"], 8, "bytes of the listener")
    servers = {s["address"]: s for s in show("server show app")}
    expect(servers["10.2.0.2:9000"]["stats"]["bytes_in"], 8, "of the server")
    expect(servers["10.2.0.3:9000"]["weight"], 7, "weight of the new one")
    row = show("listener show web")[0]
    expect((row["idle-timeout"], row["backlog"]), ("5m", 77), "its options")
    # And back: an option that is not in the file has its default.
    apply(BASE)
    after = listening()
    expect(after, before, "what listens")
    expect_alive(*ends)
    expect("idle-timeout" in show("listener show web")[0], False,
           "an option that the file has not")
    expect([u["name"] for u in show("upstream show")], ["app"], "upstreams")
    expect(show("listener show web")[0]["stats"]["sessions_total"], 1,
           "sessions of the listener")
    expect_alive(*pair())


@scene("a server's state that was set at run time stays")
def state_stays():
    apply(BASE)
    address = show("server")[0]["address"]
    upstream = show("server")[0]["upstream"]
    kp(f"server set {upstream} {address} state drain")
    done = config("apply -", text=BASE)
    expect(show("server")[0]["state"], "drain", "its state")
    if not re.fullmatch(r"kproxy: -:\d+:\d+: server \"" + re.escape(address) +
                        r"\": state drain is kept, the file does not "
                        r"name it\n", done.stderr):
        raise Failed(f"got {done.stderr!r}")
    expect(config("apply --dry-run -", text=BASE).stdout, "", "the difference")
    # A saved file names the state; a file that names another changes it.
    done = config("apply -", text=saved())
    expect(done.stderr, "", "what is said about a file that names it")
    expect(show("server")[0]["state"], "drain", "its state")
    apply(saved().replace("state: drain", "state: up"))
    expect(show("server")[0]["state"], "up", "its state")


@scene("a saved file that is applied changes nothing")
def save_apply():
    for text in BASE, CHANGED, "{}":
        apply(text)
        first, generation, ports = saved(), generation_now(), listening()
        apply(first)
        expect(saved(), first, "the configuration")
        expect(generation_now(), generation, "its generation")
        expect(listening(), ports, "what listens")
        expect(config("apply --dry-run -", text=first).stdout, "",
               "the difference")
        as_json = kp("-j config save").stdout
        apply(as_json)
        expect(generation_now(), generation, "its generation")
        expect(json.loads(as_json), yaml.safe_load(first), "JSON and YAML")


@scene("a file saved over another is replaced, and a device written to")
def save_file():
    apply(CHANGED)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "saved.yaml"
        path.write_text("old")
        path.chmod(0o640)
        config(f"save {path}")
        expect(path.read_text(), saved(), "the file")
        expect(path.stat().st_mode & 0o777, 0o640, "its mode")
        expect(os.listdir(folder), ["saved.yaml"], "files")
        done = config(f"save {folder}/none/x", check=False)
        expect(done.returncode, 1, "status where it can't be written")
    config("save /dev/null")
    expect(pathlib.Path("/dev/null").is_char_device(), True, "/dev/null")
    expect(config("save /dev/full", check=False).returncode, 1,
           "status when the device is full")


@scene("\"apply --dry-run\" prints the commands, and makes no change")
def dry_run():
    apply(BASE)
    generation = generation_now()
    out = config("apply --dry-run -", text=CHANGED).stdout
    for line in ("upstream add spare",
                 "server add app 10.2.0.3:9000 weight 7",
                 "upstream set app retries 5  # was retries 2",
                 "listener add more 10.1.0.1:8004 upstream spare",
                 "listener set web listen 10.1.0.1:8000,10.1.0.1:8003,"
                 "[fd01::1]:8000 backlog 77 idle-timeout 5m  # was listen "
                 "10.1.0.1:8000,[fd01::1]:8000 backlog 4096 idle-timeout 10m"):
        if line not in out.splitlines():
            raise Failed(f"no line {line!r} in {out!r}")
    expect(len(out.splitlines()), 5, "changes")
    rows = json.loads(kp("-j config apply --dry-run -", text=CHANGED).stdout)
    expect(len(rows), 5, "changes in JSON")
    expect(generation_now(), generation, "the generation")
    # They work as a batch, one by one.
    kp("-b -", text=out)
    expect(config("apply --dry-run -", text=CHANGED).stdout, "", "the rest")
    out = config("apply --dry-run -", text=BASE).stdout
    for line in ("listener delete more", "upstream delete spare",
                 "server delete app 10.2.0.3:9000"):
        if line not in out.splitlines():
            raise Failed(f"no line {line!r} in {out!r}")


def two_listeners(one, two):
    return f"""
upstreams: {{app: {{servers: [{{address: "10.2.0.2:9000"}}]}}}}
listeners:
  one: {{listen: [{one}], upstream: app}}
  two: {{listen: [{two}], upstream: app}}
"""


@scene("an address that moves to another listener keeps its socket")
def moves():
    x, y = "10.1.0.1:8000", "10.1.0.1:8001"
    apply(two_listeners(f'"{x}", "10.1.0.1:8002"', f'"{y}"'))
    before = listening()
    # Swapped: neither could be bound while the other one has it.
    apply(two_listeners(f'"{y}", "10.1.0.1:8002"', f'"{x}"'))
    expect(listening(), before, "what listens")
    ends = pair(to=("10.1.0.1", 8000))
    expect(sessions()[0]["listener"], "two", "whose session it is")
    expect_alive(*ends)
    expect(show("listener show two")[0]["addresses"], [x], "its address")
    # A new name for both, which deletes two listeners.
    apply(two_listeners(f'"{y}", "{x}"', '"10.1.0.1:8002"')
          .replace("one:", "three:").replace("two:", "four:"))
    expect(listening(), before, "what listens")
    expect_alive(*ends)
    ends = pair(to=("10.1.0.1", 8000))
    expect_alive(*ends)
    expect({s["listener"] for s in sessions()}, {"two", "three"},
           "whose sessions they are")


@scene("a client that waits in an address that moves is served")
def waiting():
    text = two_listeners('"10.1.0.1:8000"', '"10.1.0.1:8001"')
    apply(text.replace("one: {", "one: {maxconn: 1, "))
    listener = listen()
    first, second = connect(), connect()
    held = accept(listener)
    wait_for(lambda: len(sessions()) == 1, "one is served")
    apply(two_listeners('"10.1.0.1:8002"',
                        '"10.1.0.1:8001", "10.1.0.1:8000"'))
    expect_alive(second, accept(listener))
    expect_alive(first, held)
    expect({s["listener"] for s in sessions()}, {"one", "two"}, "listeners")
    listener.close()


@scene("listeners that swap addresses while clients keep coming")
def trade():
    texts = [two_listeners('"10.1.0.1:8000"', '"10.1.0.1:8001"'),
             two_listeners('"10.1.0.1:8001"', '"10.1.0.1:8000"')]
    apply(texts[0])
    before = listening()
    listener = listen()
    for n in range(16):
        applying = apply_later(texts[1 - n % 2])
        while applying.poll() is None:
            client = connect()
            server = accept(listener)
            expect_alive(client, server)
            client.close()
            server.close()
        expect(applying.returncode, 0, "status of apply")
    expect(listening(), before, "what listens")
    listener.close()


@scene("an upstream that is replaced while clients keep coming")
def replaced():
    text = two_listeners('"10.1.0.1:8000"', '"10.1.0.1:8001"')
    other = text.replace("app", "other").replace("10.2.0.2", "10.2.0.3")
    apply(text)
    kp("stats show reset")
    listeners = listen(), listen(("10.2.0.3", 9000))
    echoed = 0
    for n in range(12):
        applying = apply_later(text if n % 2 else other)
        while applying.poll() is None:
            connect().close()
            echoed += 1
        expect(applying.returncode, 0, "status of apply")
    expect(stats()["refused"], 0, f"clients refused of {echoed}")
    for listener in listeners:
        listener.close()


def foreign(port):
    """A program that listens in the proxy's namespace."""
    return listen(("10.1.0.1", port), ns=PROXY)


@scene("another program has a port in the middle of a file: nothing changes")
def port_in_use():
    apply(BASE)
    ends = pair()
    program = foreign(8005)
    text = CHANGED + """  bad:
    listen:
      - "10.1.0.1:8006"
      - "10.1.0.1:8005"
    upstream: spare
  last:
    listen: ["10.1.0.1:8007"]
    upstream: spare
"""
    line = text.splitlines().index('      - "10.1.0.1:8005"') + 1
    refused(text, rf'^kproxy: -:{line}:9: listener "bad": '
                  r"address 10.1.0.1:8005 is already in use$")
    expect_alive(*ends)
    # An existing listener, which keeps other addresses.
    refused(BASE.replace('"10.1.0.1:8000"', '"10.1.0.1:8000", "10.1.0.1:8005"'),
            r'^kproxy: -:\d+:\d+: listener "web": '
            r"address 10.1.0.1:8005 is already in use$")
    refused(BASE.replace('"10.1.0.1:8000"', '"10.1.0.1:8000", "10.9.9.9:8005"'),
            r"address 10.9.9.9:8005 is not local$")
    program.close()
    expect_alive(*pair())
    wait_for(lambda: not config("apply -", text=text, check=False).returncode,
             "the port is free")
    expect_alive(*ends)


@scene("a port that another program has bound by the time of the commit")
def port_lost():
    apply(BASE)
    before, ports = saved(), listening()
    nl = open_netlink()
    done(begin(nl), "begin")
    done(nl.ask(COMMAND["upstream-set"], attr(U["name"], "app"),
                attr(U["retries"], 9)), "set")
    # An address that would move.
    done(nl.ask(COMMAND["listener-set"], attr(L["name"], "web"),
                endpoint(L["address"], "10.1.0.1", 8009)), "set")
    done(stage_listener(nl, "heir", "10.1.0.1", 8000), "add")
    # Bound and not yet listening, which another socket can do as well.
    done(stage_listener(nl, "late", "10.1.0.1", 8008), "add")
    program = foreign(8008)
    ports["10.1.0.1:8008"] = listening()["10.1.0.1:8008"]
    denied(nl.ask(COMMAND["transaction-commit"]), errno.EADDRINUSE,
           'listener "late": address 10.1.0.1:8008 is already in use')
    expect(saved(), before, "the configuration")
    expect(listening(), ports, "what listens")
    nl.close()
    program.close()
    # It can, as if the first attempt had not been made.
    apply(BASE.replace('"10.1.0.1:8000", "[fd01::1]:8000"', '"10.1.0.1:8009"') +
          '  heir: {listen: ["10.1.0.1:8000"], upstream: app}\n')
    expect(listening()["10.1.0.1:8000"], ports["10.1.0.1:8000"],
           "the socket that has changed hands")
    expect_alive(*pair())


@scene("a transaction is not seen before it is committed")
def invisible():
    apply(BASE)
    before = saved()
    nl = open_netlink()
    generation = generation_of(begin(nl))
    done(stage_upstream(nl, "new"), "upstream")
    done(nl.ask(COMMAND["server-add"], attr(S["upstream"], "new"),
                endpoint(S["address"], "10.2.0.3", 9000)), "server")
    done(nl.ask(COMMAND["server-add"], attr(S["upstream"], "app"),
                endpoint(S["address"], "10.2.0.3", 9000)), "server")
    done(stage_listener(nl, "second", "10.1.0.1", 8001, "new"), "listener")
    done(nl.ask(COMMAND["listener-set"], attr(L["name"], "web"),
                attr(L["upstream"], "new")), "listener-set")
    expect(saved(), before, "the configuration")
    expect("10.1.0.1:8001" in listening(), False, "a staged address listens")
    expect(kp("upstream show new", check=False).returncode, 2, "show new")
    denied(begin(open_netlink()), errno.EBUSY, "another transaction")
    denied(begin(nl), errno.EBUSY, "already")
    done(nl.ask(COMMAND["transaction-commit"]), "commit")
    expect("10.1.0.1:8001" in listening(), True, "a new address listens")
    expect(len(show("server show app")), 2, "servers")
    expect([row["upstream"] for row in show("listener show")], ["new"] * 2,
           "upstreams of the listeners")
    ends = pair(to=("10.1.0.1", 8001), at=("10.2.0.3", 9000))
    expect_alive(*ends)
    expect(generation_now() != generation, True, "a generation of its own")
    denied(nl.ask(COMMAND["transaction-commit"]), errno.ENOENT,
           "no transaction")
    denied(nl.ask(COMMAND["transaction-abort"]), errno.ENOENT,
           "no transaction")


@scene("no commit over another process's change")
def conflict():
    apply(BASE)
    nl = open_netlink()
    generation = generation_of(begin(nl))
    done(stage_upstream(nl, "mine"), "upstream")
    done(stage_listener(nl, "mine", "10.1.0.1", 8001), "listener")
    done(nl.ask(COMMAND["server-set"], attr(S["upstream"], "app"),
                endpoint(S["address"], "10.2.0.2", 9000),
                attr(S["weight"], 3)), "server")
    done(nl.ask(COMMAND["listener-set"], attr(L["name"], "web"),
                endpoint(L["address"], "10.1.0.1", 8000)), "listener")
    # Its object is gone meanwhile.
    kp("listener del web")
    kp("server del app 10.2.0.2:9000")
    kp("upstream del app")
    kp("upstream add yours")
    denied(stage_upstream(nl, "more"), errno.ESTALE, "the configuration has changed")
    before = saved()
    denied(nl.ask(COMMAND["transaction-commit"]), errno.ESTALE,
           "the configuration has changed")
    expect(saved(), before, "the configuration")
    expect(listening(), {}, "what listens")
    denied(begin(nl, attr(1, generation)), errno.ESTALE, "the configuration has changed")
    done(begin(nl, attr(1, generation_of(begin_elsewhere()))), "begin")
    done(stage_upstream(nl, "more"), "upstream")
    done(nl.ask(COMMAND["transaction-abort"]), "abort")
    expect(saved(), before, "the configuration")


def begin_elsewhere():
    nl = open_netlink()
    answer = begin(nl)
    nl.close()
    return answer


@scene("each object is changed once in a transaction")
def once():
    apply(BASE)
    before = saved()
    nl = open_netlink()
    done(begin(nl), "begin")
    server = (attr(S["upstream"], "app"),
              endpoint(S["address"], "10.2.0.2", 9000))
    for command in "server-set", "server-del":
        words = (attr(S["weight"], 3),) if command == "server-set" else ()
        answer = nl.ask(COMMAND[command], *server, *words)
        if command == "server-set":
            done(answer, command)
        else:
            denied(answer, errno.EBUSY, "twice")
    done(nl.ask(COMMAND["listener-del"], attr(L["name"], "web")), "del")
    denied(nl.ask(COMMAND["listener-set"], attr(L["name"], "web")),
           errno.EBUSY, "twice")
    done(stage_upstream(nl, "new"), "upstream")
    denied(stage_upstream(nl, "new"), errno.EEXIST, "exists")
    denied(nl.ask(COMMAND["upstream-del"], attr(U["name"], "new")),
           errno.EBUSY, "twice")
    denied(nl.ask(COMMAND["upstream-set"], attr(U["name"], "new"),
                  attr(U["retries"], 1)), errno.EBUSY, "twice")
    fresh = (attr(S["upstream"], "new"),
             endpoint(S["address"], "10.2.0.3", 9000))
    done(nl.ask(COMMAND["server-add"], *fresh), "server of a new one")
    denied(nl.ask(COMMAND["server-add"], *fresh), errno.EEXIST, "already")
    denied(nl.ask(COMMAND["server-set"], *fresh, attr(S["weight"], 3)),
           errno.EBUSY, "twice")
    denied(stage_listener(nl, "new", "10.1.0.1", 8001, "none"),
           errno.ENOENT, "no such upstream")
    denied(nl.ask(COMMAND["upstream-del"], attr(U["name"], "app")),
           errno.EBUSY, "twice")
    nl.close()
    nl = open_netlink()
    wait_for(lambda: not begin(nl).errno, "the other one is gone")
    done(nl.ask(COMMAND["upstream-del"], attr(U["name"], "app")), "del")
    denied(nl.ask(COMMAND["server-add"], attr(S["upstream"], "app"),
                  endpoint(S["address"], "10.2.0.3", 9000)),
           errno.EBUSY, "twice")
    done(nl.ask(COMMAND["listener-del"], attr(L["name"], "web")), "del")
    done(stage_listener(nl, "new", "10.1.0.1", 8001), "listener")
    denied(nl.ask(COMMAND["transaction-commit"]), errno.EBUSY,
           'upstream "app": 1 listener still uses it')
    expect(saved(), before, "the configuration")
    expect_alive(*pair())


@scene("refused requests of others leave a transaction as it is")
def beside():
    apply(BASE)
    before, ports = saved(), listening()
    nl = open_netlink()
    done(begin(nl), "begin")
    done(stage_upstream(nl, "new"), "upstream")
    done(nl.ask(COMMAND["listener-set"], attr(L["name"], "web"),
                attr(L["upstream"], "new")), "set")
    program = foreign(8009)
    expect(kp("listener set web listen 10.1.0.1:8000,10.1.0.1:8009",
              check=False).returncode, 2, "status of a refused change")
    program.close()
    expect((saved(), listening()), (before, ports), "the configuration")
    denied(nl.ask(COMMAND["listener-set"], attr(L["name"], "web"),
                  attr(L["backlog"], 5)), errno.EBUSY, "twice")
    done(nl.ask(COMMAND["upstream-del"], attr(U["name"], "app")), "del")
    done(nl.ask(COMMAND["transaction-commit"]), "commit")
    expect(show("listener show")[0]["upstream"], "new", "upstream")
    expect([u["name"] for u in show("upstream show")], ["new"], "upstreams")


EVERYTHING = """
upstreams:
  app:
    balance: maglev
    retries: 1
    check: tcp
    interval: 10m
    timeout: 500ms
    rise: 3
    fall: 4
    eject: 3
    eject-time: 10s
    nodelay: "off"
    keepalive: [30s, 5s, 3]
    congestion: reno
    dscp: 10
    pacing: 10mbit
    source: 10.2.0.1
    servers:
      - {address: "10.2.0.2:9000", weight: 3, maxconn: 10}
      - {address: "10.2.0.3:9000", backup: "on", state: drain}
listeners:
  web:
    listen: ["10.1.0.1:8000", "[fd01::1]:8000"]
    upstream: app
    maxconn: 9
    max-age: 1h
    keepalive: "off"
    sndbuf: 64k
    rcvbuf: 32k
    user-timeout: 30s
    notsent-lowat: 16k
    mark: 7
"""


def buffers():
    """The options of listening sockets, from ss."""
    out = run_in(PROXY, "ss", "-Hltnm").stdout
    return {line.split()[3]: re.search(r"rb(\d+)", line)[1]
            for line in out.replace("\n\t", " ").splitlines()}


@scene("every option can be set, kept, and taken back")
def options():
    apply(BASE)
    ports, normal = listening(), buffers()
    apply(EVERYTHING)
    first, generation = saved(), generation_now()
    wanted = yaml.safe_load(EVERYTHING)
    got = json.loads(kp("-j config save").stdout)
    for text in (wanted, got):
        for section in "upstreams", "listeners":
            for row in text[section].values():
                for key, value in row.items():
                    if key == "keepalive" and isinstance(value, list):
                        row[key] = ",".join(map(str, value))
    expect(got, wanted, "what is saved")
    apply(first)
    apply(EVERYTHING)
    expect(generation_now(), generation, "its generation")
    expect(listening(), ports, "what listens")
    expect(set(buffers().values()), {str(2 * 32768)}, "receive buffers")
    expect_alive(*pair())
    # An address that moves to a listener with other options takes those.
    apply(EVERYTHING.replace(', "[fd01::1]:8000"', "") + """  six:
    listen: ["[fd01::1]:8000"]
    upstream: app
""")
    expect(listening(), ports, "what listens")
    expect(buffers()["[fd01::1]:8000"], normal["[fd01::1]:8000"], "its buffer")
    apply(BASE)
    expect(buffers(), normal, "receive buffers")
    expect(listening(), ports, "what listens")
    expect(config("apply --dry-run -", text=BASE).stdout, "", "the difference")


@scene("options of sockets are as they were after a refused commit")
def options_refused():
    apply(BASE)
    normal, before = buffers(), saved()
    nl = open_netlink()
    done(begin(nl), "begin")
    done(nl.ask(COMMAND["listener-set"], attr(L["name"], "web"),
                attr(L["rcvbuf"], 32768)), "set")
    done(stage_listener(nl, "late", "10.1.0.1", 8010), "add")
    expect(buffers()["10.1.0.1:8000"], normal["10.1.0.1:8000"],
           "the buffer of what is staged")
    program = foreign(8010)
    denied(nl.ask(COMMAND["transaction-commit"]), errno.EADDRINUSE,
           "10.1.0.1:8010 is already in use")
    program.close()
    expect(buffers()["10.1.0.1:8000"], normal["10.1.0.1:8000"], "the buffer")
    expect(saved(), before, "the configuration")


@scene("each change of a transaction is announced once, at the commit")
def announced():
    apply(BASE)
    events = open_netlink()
    events.join("events")
    nl = open_netlink()
    done(begin(nl), "begin")
    done(stage_upstream(nl, "new"), "upstream")
    done(nl.ask(COMMAND["server-add"], attr(S["upstream"], "new"),
                endpoint(S["address"], "10.2.0.3", 9000)), "server")
    done(stage_listener(nl, "second", "10.1.0.1", 8001, "new"), "listener")
    done(nl.ask(COMMAND["listener-del"], attr(L["name"], "web")), "del")
    done(nl.ask(COMMAND["upstream-del"], attr(U["name"], "app")), "del")
    if select.select([events.socket], [], [], 0)[0]:
        raise Failed(f"announced before the commit: {events.event()}")
    done(nl.ask(COMMAND["transaction-commit"]), "commit")
    kp("upstream add last")
    names = {number: name for name, number in COMMAND.items()}
    got = []
    while "last" not in got:
        command, words = events.event()
        name = dict(words).get(1, b"").rstrip(b"\0").decode()
        got += [name] if name == "last" else [(names[command], name)]
    expect(sorted(got[:-1]), [
        ("listener-add-ntf", "second"), ("listener-del-ntf", "web"),
        ("server-add-ntf", "new"), ("upstream-add-ntf", "new"),
        ("upstream-del-ntf", "app")], "events")


@scene("a killed owner leaves nothing behind")
def killed_owner():
    apply(BASE)
    before, ports = saved(), listening()
    generation = generation_now()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        nl = open_netlink()
        begin(nl)
        stage_upstream(nl, "new")
        stage_listener(nl, "new", "10.1.0.1", 8011, "new")
        nl.ask(COMMAND["listener-del"], attr(L["name"], "web"))
        os.write(writer, b"staged")
        time.sleep(1000)
    os.read(reader, 6)
    denied(begin(open_netlink()), errno.EBUSY, "another transaction")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    wait_for(lambda: not begin_elsewhere().errno, "the transaction is gone")
    expect(saved(), before, "the configuration")
    expect(generation_now(), generation, "its generation")
    expect(listening(), ports, "what listens")
    # The address it had bound is free, which no other scene has used.
    sock = new_socket(PROXY, ("10.1.0.1", 8011))
    sock.bind(("10.1.0.1", 8011))
    sock.close()


def many_servers(n, weight=1, each=4000):
    lines = ["upstreams:"]
    for i in range(n):
        if i % each == 0:
            lines += [f"  u{i // each}:", "    servers:"]
        lines.append(f"      - {{address: 10.3.{i // 250}.{i % 250 + 1}:80, "
                     f"weight: {weight}}}")
    lines += ["listeners:", "  web:", '    listen: ["10.1.0.1:8000"]',
              "    upstream: u0"]
    return "\n".join(lines) + "\n"


def kill_commands(servers):
    """Kill eight commands, and return how many had not finished by then."""
    apply("{}")
    texts = many_servers(servers), many_servers(servers, 2)
    states = {saved()}
    for text in texts:
        apply(text)
        states.add(saved())
    half = 0
    for n in range(8):
        process = apply_later(texts[n % 2] if n % 3 else "{}")
        # Until it has begun, which others notice, and a little longer.
        while process.poll() is None and not begin_elsewhere().errno:
            pass
        time.sleep(0.02 * n)
        half += process.poll() is None
        process.kill()
        process.wait()
        wait_for(lambda: not begin_elsewhere().errno, "nobody is at it")
        if saved() not in states:
            raise Failed("a part of a change was made")
    return half


@scene("a killed command has made all of its changes or none")
def killed_command():
    servers = max(scaled(1500), 300)
    # A fast machine has made a small change before anybody sees its beginning.
    while not kill_commands(servers):
        servers *= 2
        if servers > 20000:
            raise Failed("no command was killed in time")


@scene("ten thousand servers in seconds, and in bounded memory")
def ten_thousand():
    apply("{}")
    sizes = []
    for what, text in (("nothing changed to", many_servers(SERVERS)),
                       ("all changed", many_servers(SERVERS, 2)),
                       ("no change", many_servers(SERVERS, 2)),
                       ("all to one upstream",
                        many_servers(SERVERS, 3, SERVERS)),
                       ("each to its own", many_servers(SERVERS, 3, 1))):
        begun = time.monotonic()
        process = apply_later(text)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        expect(process.returncode, 0, f"status of {what}")
        print(f"# {what} {SERVERS} servers: {seconds:.1f} s, "
              f"{usage.ru_utime + usage.ru_stime:.1f} s of CPU, "
              f"{usage.ru_maxrss} KiB")
        sizes.append(usage.ru_maxrss)
        if seconds > limit(SECONDS):
            raise Failed(f"{what}: {seconds:.1f} s")
    expect(len(show("server show")), SERVERS, "servers")
    if max(sizes) > 64 << 10:
        raise Failed(f"the command took {max(sizes)} KiB")
    begun = time.monotonic()
    config("flush")
    print(f"# flush: {time.monotonic() - begun:.1f} s")
    expect(saved(), "upstreams: {}\nlisteners: {}\n", "after a flush")


@scene("\"config flush\" removes everything but sessions")
def flush():
    apply(CHANGED)
    ends = pair()
    config("flush")
    expect(show("listener show"), [], "listeners")
    expect(show("upstream show"), [], "upstreams")
    expect(listening(), {}, "what listens")
    expect_alive(*ends)
    generation = generation_now()
    config("flush")
    expect(generation_now(), generation, "the generation after another")


@scene("a namespace that goes away with a transaction under way")
def netns_gone():
    run("ip", "netns", "add", "kp-gone")
    run("ip", "-n", "kp-gone", "link", "set", "lo", "up")
    nl = Netlink("kp-gone")
    nl.find_family()
    done(begin(nl), "begin")
    done(stage_upstream(nl, "app"), "upstream")
    done(stage_listener(nl, "web", "127.0.0.1", 8000), "listener")
    run("ip", "netns", "del", "kp-gone")
    nl.close()
    apply(BASE)
    expect_alive(*pair())


@scene("the module unloads with a transaction under way")
def unload():
    apply(BASE)
    nl = open_netlink()
    done(begin(nl), "begin")
    done(stage_upstream(nl, "new"), "upstream")
    done(stage_listener(nl, "new", "10.1.0.1", 8001, "new"), "listener")
    done(nl.ask(COMMAND["listener-del"], attr(L["name"], "web")), "del")
    wait_gone()
    run("rmmod", "kproxy")
    expect(listening(), {}, "what listens")
    run("insmod", KO)
    apply(BASE)
    expect_alive(*pair())


main()
