# SPDX-License-Identifier: GPL-2.0
"""Listening sockets that are destroyed from outside, for example by "ss -K"."""

import contextlib
import json
import signal
import subprocess
import threading

from peer import (FRONT, FRONT6, PROXY, Failed, connect, expect, expect_alive,
                  expect_reset, kp, limit, main, pair, run, run_in, scene, show,
                  wait_for, wait_gone)

BOTH = ["10.1.0.1:8000", "[fd01::1]:8000"]


def config(**listeners):
    """A file with these listeners, given by their addresses."""
    return json.dumps({
        "upstreams": {"app": {"servers": [{"address": "10.2.0.2:9000"}]}},
        "listeners": {name: {"listen": addresses, "upstream": "app"}
                      for name, addresses in listeners.items()},
    })


def apply(text, *options):
    """What it prints."""
    return run("kproxy", "-n", PROXY, "config", "apply", *options, "-",
               text=text).stdout


def destroy(*words):
    out = run_in(PROXY, "ss", "-K", "-Htln", *words).stdout
    if not out:
        raise Failed("ss has destroyed nothing")


def dead(name="web"):
    return show(f"listener show {name}")[0].get("dead")


def cookies():
    """The kernel's names of the sockets that listen, by address."""
    out = run_in(PROXY, "ss", "-Htlne").stdout
    return {line.split()[3]:
            next(word for word in line.split() if word.startswith("sk:"))
            for line in out.splitlines()}


def expect_served(address=FRONT):
    here, there = pair(to=address)
    expect_alive(here, there)
    here.close()
    there.close()


def expect_closed(address=FRONT):
    try:
        connect(address)
    except ConnectionRefusedError:
        return
    raise Failed("a dead listener takes a client")


@contextlib.contextmanager
def monitor():
    """The listener_down events until the end of the block."""
    process = subprocess.Popen(("kproxy", "-n", PROXY, "-j", "monitor"),
                               text=True, stdout=subprocess.PIPE)
    told = []

    def read():
        for line in process.stdout:
            told.append(json.loads(line))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def heard():
        kp("upstream set app retries 2")
        return told

    try:
        wait_for(heard, "the monitor tells of a change")
        yield lambda: [row for row in told if row["event"] == "listener_down"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(limit(5))


def begin(**listeners):
    """Configure these, from nothing."""
    apply(config())
    apply(config(**(listeners or {"web": BOTH})))


@scene("it is shown as dead, and other addresses and their clients go on")
def shown():
    begin()
    expect(dead(), None, "dead before")
    here, there = pair()
    destroy("src", "10.1.0.1")
    wait_for(lambda: dead() == BOTH[:1], "it is shown as dead")
    text = kp("listener show").stdout
    if "10.1.0.1:8000(dead),[fd01::1]:8000 " not in text:
        raise Failed(f"the text does not say so: {text}")
    expect_closed()
    expect_served(FRONT6)
    expect_alive(here, there)
    here.close()
    there.close()
    wait_gone()


@scene("it is announced, once for each")
def announced():
    begin()
    with monitor() as told:
        destroy("src", "10.1.0.1")
        wait_for(lambda: len(told()) == 1, "it is told")
        expect((told()[0]["name"], told()[0]["dead"]), ("web", BOTH[:1]),
               "the event")
        # Check it again, by a change that makes all ports check.
        kp("listener set web maxconn 7")
        kp("listener set web maxconn 0")
        destroy()
        wait_for(lambda: len(told()) == 2, "the other is told")
        expect(told()[1]["dead"], BOTH, "the other event")


@scene("the file that it came from, unchanged, opens it again")
def applied():
    begin()
    here, there = pair()
    before = cookies()
    text = config(web=BOTH)
    expect(apply(text, "--dry-run"), "", "what there is to do before")
    destroy("src", "10.1.0.1")
    expect(apply(text, "--dry-run"),
           "listener set web listen 10.1.0.1:8000,[fd01::1]:8000"
           "  # was dead 10.1.0.1:8000\n", "what there is to do")
    apply(text)
    expect(dead(), None, "dead addresses")
    expect_served()
    expect_served(FRONT6)
    after = cookies()
    expect(after[BOTH[1]], before[BOTH[1]], "the socket that was not dead")
    if after[BOTH[0]] == before[BOTH[0]]:
        raise Failed("the dead socket is still there")
    expect(apply(text, "--dry-run"), "", "what there is to do after that")
    expect_alive(here, there)
    here.close()
    there.close()
    wait_gone()


@scene("its addresses, given again by a command, open it too")
def given():
    begin()
    destroy()
    kp(f"listener set web listen {','.join(BOTH)}")
    expect(dead(), None, "dead addresses")
    expect_served()
    expect_served(FRONT6)


@scene("a change of another option leaves it dead")
def option():
    begin()
    destroy("src", "10.1.0.1")
    kp("listener set web maxconn 100 backlog 77")
    expect(dead(), BOTH[:1], "dead addresses")
    expect_closed()
    expect_served(FRONT6)
    queue = run_in(PROXY, "ss", "-Htln").stdout.split()[2]
    expect(queue, "77", "the other's backlog")
    saved = kp("config save").stdout
    if "dead" in saved:
        raise Failed("a saved file says what is dead")


@scene("another listener gets its address")
def other():
    begin()
    destroy("src", "10.1.0.1")
    apply(config(new=BOTH))
    expect(dead("new"), None, "dead addresses")
    expect_served()
    expect_served(FRONT6)


@scene("clients that wait there are reset, sessions go on")
def waiting():
    begin()
    kp("listener set web maxconn 1")
    here, there = pair()
    socks = [connect() for _ in range(5)]
    destroy("src", "10.1.0.1")
    for sock in socks:
        expect_reset(sock, "a client that waits")
    expect_alive(here, there)
    here.close()
    there.close()
    wait_gone()
    apply(config(web=BOTH))
    expect_served()


@scene("one that is dead is deleted, and drained")
def deleted():
    for command in "listener del web kill", "listener drain web":
        begin()
        destroy()
        kp(command)
        expect(show("listener show"), [], "listeners")


@scene("a listener with as many addresses as it can have, all of them dead")
def many():
    addresses = [f"10.1.0.1:{port}" for port in range(8000, 8064)]
    begin(web=addresses)
    destroy()
    wait_for(lambda: dead() == addresses, "all are dead")
    expect(show("listener show")[0]["dead"], addresses, "all in a list")
    apply(config(web=addresses))
    expect(dead(), None, "dead addresses")
    expect_served(("10.1.0.1", 8063))
    apply(config())


main()
