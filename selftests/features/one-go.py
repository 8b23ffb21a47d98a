# SPDX-License-Identifier: GPL-2.0
"""
"kproxy run" makes a listener and its upstream, shows their counters, and
leaves nothing behind.
"""

import contextlib
import json
import os
import pty
import signal
import subprocess
import threading
import time

from peer import (BACK, FRONT, PROXY, EchoServer, connect, expect,
                  expect_reset, kp, limit, listen, main, read_exactly, scene,
                  show, wait_for, wait_gone)

SET_UP = """
load
topology
"""

HERE = (FRONT[0], 8080)


@contextlib.contextmanager
def running(*words, options=(), before=(), read=True):
    """The command, and the lines that it has printed."""

    lines = []
    process = subprocess.Popen(
        (*before, "kproxy", "-n", PROXY, *options, "run", *words), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    reader = threading.Thread(
        target=lambda: lines.extend(iter(process.stdout.readline, "")),
        daemon=True)
    if read:
        reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        if read:
            reader.join(limit(5))


def expect_nothing():
    expect((show("listener show"), show("upstream show")), ([], []),
           "what is left")


def refused(words, status, says):
    done = kp(f"run {words}", check=False)
    expect((done.returncode, done.stderr), (status, f"kproxy: {says}\n"),
           words)
    expect_nothing()


@scene("it proxies until interrupted, and then nothing is left")
def until_interrupted():
    echo = EchoServer()
    for number in (signal.SIGINT, signal.SIGTERM):
        with running("8080", "10.2.0.2:9000") as (process, _):
            wait_for(lambda: show("listener show"), "it listens")
            client = connect(HERE)
            client.sendall(b"hello")
            expect(read_exactly(client, 5), b"hello", "what came back")
            process.send_signal(number)
            expect(process.wait(limit(10)), 0, "status")
            expect_reset(client, "the client")
            expect_nothing()
            wait_gone()
    echo.close()


@scene("several servers, and an address of its own")
def servers():
    with running("10.1.0.1:8080", "10.2.0.2:9000", "10.2.0.3:9000"):
        wait_for(lambda: show("listener show"), "it listens")
        row = show("listener show")[0]
        expect((row["name"], row["addresses"], row["upstream"]),
               ("run-8080", ["10.1.0.1:8080"], "run-8080"), "the listener")
        expect([s["address"] for s in show("server show run-8080")],
               ["10.2.0.2:9000", "10.2.0.3:9000"], "servers")
    kp("listener del run-8080")
    kp("upstream del run-8080")


@scene("it shows counters, as text and as JSON")
def counters():
    echo = EchoServer()
    for options in ((), ("-j",)):
        with running("8080", "10.2.0.2:9000", options=options) as (it, lines):
            wait_for(lambda: show("listener show"), "it listens")
            client = connect(HERE)
            client.sendall(b"z" * 1000)
            read_exactly(client, 1000)
            old = len(lines)
            wait_for(lambda: len(lines) > old + 1, "it shows more", 20)
            if options:
                last = json.loads(lines[-1])
                expect((last["sessions"], last["bytes_in"],
                        last["bytes_out"]), (1, 1000, 1000), "counters")
            else:
                expect(lines[-1].startswith("1 sessions, 1 begun, "), True,
                       f"a line: {lines[-1]}")
            it.send_signal(signal.SIGINT)
            expect(it.wait(limit(10)), 0, "status")
            client.close()
            wait_gone()
    echo.close()


@scene("a refusal leaves nothing behind")
def refusals():
    refused("", 1, 'run: PORT is missing, try "kproxy help"')
    refused("8080", 1, 'run: SERVER is missing, try "kproxy help"')
    refused("0 10.2.0.2:9000", 1, 'run: "0": port must be 1 to 65535')
    refused("8080 10.2.0.2:9000 10.2.0.2", 1,
            'server "10.2.0.2": a port is missing, write ADDR:PORT')
    refused("10.9.0.1:8080 10.2.0.2:9000", 2,
            'listener "run-8080": address 10.9.0.1:8080 is not local')
    holder = listen(HERE, ns=PROXY)
    refused("8080 10.2.0.2:9000", 2,
            'listener "run-8080": address *:8080 is already in use')
    holder.close()


@scene("two on one port: the second is refused, the first goes on")
def twice():
    echo = EchoServer()
    with running("8080", "10.2.0.2:9000"):
        wait_for(lambda: show("listener show"), "it listens")
        done = kp("run 8080 10.2.0.3:9000", check=False)
        expect((done.returncode, done.stderr),
               (2, 'kproxy: upstream "run-8080": an upstream of this name '
                   'exists\n'), "the second")
        client = connect(HERE)
        client.sendall(b"hello")
        expect(read_exactly(client, 5), b"hello", "what came back")
        client.close()
    kp("listener del run-8080 kill")
    kp("upstream del run-8080")
    echo.close()
    wait_gone()


@scene("it ends when its objects are deleted")
def deleted():
    with running("8080", "%s:%d" % BACK) as (process, _):
        wait_for(lambda: show("listener show"), "it listens")
        kp("listener del run-8080")
        expect(process.wait(limit(10)), 2, "status")
        says = process.stderr.read().splitlines()[0]
        expect(says, 'kproxy: run "run-8080": it was deleted meanwhile',
               "what it says")
    kp("upstream del run-8080", check=False)


@scene("however it ends, nothing is left")
def ends():
    for number in signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE:
        with running("8080", "10.2.0.2:9000") as (process, _):
            wait_for(lambda: show("listener show"), "it listens")
            process.send_signal(number)
            if number == signal.SIGPIPE:
                # It comes from another process: the reader has not stopped.
                time.sleep(limit(1))
                expect(process.poll(), None, "status")
                process.send_signal(signal.SIGTERM)
            expect(process.wait(limit(10)), 0, f"status of {number!r}")
            expect_nothing()


@scene("when its output is closed, it ends, and nothing is left")
def unread():
    for options in (), ("-j",):
        with running("8080", "10.2.0.2:9000", options=options,
                     read=False) as (process, _):
            wait_for(lambda: show("listener show"), "it listens")
            process.stdout.close()
            expect(process.wait(limit(20)), 1, "status")
            expect(process.stderr.read(), "", "complaints")
            expect_nothing()


@scene("without a terminal it goes on under nohup")
def nohup():
    with running("8080", "10.2.0.2:9000", before=("nohup",)) as (process, _):
        wait_for(lambda: show("listener show"), "it listens")
        process.send_signal(signal.SIGHUP)
        time.sleep(limit(1))
        expect((process.poll(), len(show("listener show"))), (None, 1),
               "it goes on")
        process.send_signal(signal.SIGTERM)
        expect(process.wait(limit(10)), 0, "status")
        expect_nothing()


@scene("when its terminal goes away, nothing is left")
def terminal():
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ("setsid", "--ctty", "kproxy", "-n", PROXY, "run", "8080",
         "10.2.0.2:9000"), stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        wait_for(lambda: show("listener show"), "it listens")
        os.close(master)
        process.wait(limit(20))
        expect_nothing()
    finally:
        process.kill()
        process.wait()


main()
