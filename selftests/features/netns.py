# SPDX-License-Identifier: GPL-2.0
"""Sessions of two namespaces."""

import json

from peer import (SERVER, accept, connect, expect, expect_alive, kp, listen,
                  main, pair, run, scene, sessions)


def there(command):
    return json.loads(run("kproxy", "-n", SERVER, "-j", "-s",
                          *command.split()).stdout or "[]")


@scene("sessions and totals of a namespace are its own")
def own():
    kp("upstream add app")
    kp("server add app 10.2.0.2:9000")
    kp("listener add web 10.1.0.1:8000 upstream app")
    for command in ("upstream add app", "server add app 10.2.0.3:9000",
                    "listener add web 10.2.0.4:8000 upstream app"):
        run("kproxy", "-n", SERVER, *command.split())
    here = pair()
    listener = listen(("10.2.0.3", 9000))
    other = connect(("10.2.0.4", 8000), ns=SERVER)
    server = accept(listener)
    expect_alive(other, server)
    expect_alive(*here)
    expect([s["server"] for s in sessions()], ["10.2.0.2:9000"],
           "sessions here")
    expect([s["server"] for s in there("session show")], ["10.2.0.3:9000"],
           "sessions there")
    run("kproxy", "-n", SERVER, "session", "kill", "listener", "web")
    expect_alive(*here)
    expect(there("stats show")[0]["sessions_total"], 1, "sessions_total there")
    run("kproxy", "-n", SERVER, "listener", "del", "web")
    run("kproxy", "-n", SERVER, "upstream", "del", "app")
    expect_alive(*here)


main()
