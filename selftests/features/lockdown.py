# SPDX-License-Identifier: GPL-2.0
"""What works under lockdown."""

import json
import signal
import subprocess

from peer import (PROXY, expect, expect_eof, kp, limit, main, pair,
                  read_exactly, scene, wait_gone)


def session():
    client, server = pair()
    client.sendall(b"a" * 100)
    read_exactly(server, 100)
    client.close()
    expect_eof(server, "at the server")
    server.close()
    wait_gone()


@scene("the log is read")
def log():
    session()
    rows = json.loads(kp("-j log").stdout)
    expect([row["bytes_in"] for row in rows], [100], "bytes of each session")


@scene("the log is followed")
def follow():
    process = subprocess.Popen(
        ("kproxy", "-n", PROXY, "-j", "log", "-f"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.stdout.readline()
        session()
        expect(json.loads(process.stdout.readline())["bytes_in"], 100,
               "bytes of one more")
        process.send_signal(signal.SIGINT)
        expect((process.wait(limit(5)), process.stderr.read()), (0, ""),
               "status and complaints")
    finally:
        process.kill()


main()
