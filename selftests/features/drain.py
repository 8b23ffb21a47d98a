# SPDX-License-Identifier: GPL-2.0
"""
A drained listener stops accepting, and its sessions end at a steady rate,
while others come and go.
"""

import contextlib
import os
import pathlib
import time

from peer import (BACK, PROXY, QUICK, TRACING, Failed, accept, close_all,
                  connect, expect, expect_alive, expect_between, expect_reset,
                  idle_sessions, kp, limit, listen, main, pair, run, run_in,
                  scene, sessions, show, stats, wait_for)

SET_UP = """
load
topology
simple_proxy
mount_tracefs
"""

KO = os.environ.get("KPROXY_KO", str(pathlib.Path(__file__).parents[2] /
                                     "module" / "kproxy.ko"))
SECOND = ("10.1.0.1", 8001)
SCRIPT = str(pathlib.Path(__file__).parents[2] / "tools/packaging/drain")


def open_sessions(count, to=SECOND):
    """Sessions of a second listener."""

    kp("listener add second 10.1.0.1:8001 upstream app")
    listener = listen(BACK)
    ends = [(connect(to), accept(listener)) for _ in range(count)]
    listener.close()
    wait_for(lambda: len(sessions("listener second")) == count, "all live")
    return ends


def left():
    return len(sessions("listener second"))


def seconds_until_gone(seconds):
    begun = time.monotonic()
    wait_for(lambda: not left(), "all are ended", seconds)
    return time.monotonic() - begun


@scene("sessions end at the requested rate, by a reset")
def rate():
    ends = open_sessions(30)
    other = pair()
    begun = time.monotonic()
    kp("listener drain second rate 3/s")
    expect(show("listener show")[0]["name"], "web", "the listener left")
    # Never sooner than the rate allows; how much later depends on the machine.
    while left():
        # Counted before the clock is read.
        ended = 30 - left()
        if ended > 3 * (time.monotonic() - begun) + 1:
            raise Failed(f"{ended} ended after "
                         f"{time.monotonic() - begun:.1f} s")
    took = time.monotonic() - begun
    expect_between(took, 9, 10 + limit(5), "seconds that it took")
    for pair_ in ends:
        for sock in pair_:
            expect_reset(sock, "an end")
    expect_alive(*other)


@scene("no client is accepted, and the name and the address are free at once")
def free():
    ends = open_sessions(3)
    kp("listener drain second rate 1/s deadline 1h")
    try:
        connect(SECOND)
    except ConnectionRefusedError:
        pass
    else:
        raise Failed("somebody accepts there")
    kp("listener add second 10.1.0.1:8001 upstream app")
    fresh = pair(to=SECOND)
    for pair_ in ends:
        expect_reset(pair_[0], "an old one")
    expect_alive(*fresh)
    kp("listener del second kill")
    expect_reset(fresh[0], "the new one")


@scene("without a rate, sessions are spread over the time to the deadline")
def deadline():
    seconds = max(8, limit(3))
    open_sessions(20)
    begun = time.monotonic()
    kp(f"listener drain second deadline {seconds}s")
    seen = set()
    while left():
        seen.add(left())
    expect_between(time.monotonic() - begun, seconds - 1, seconds + limit(5),
                   "seconds")
    # Not all at once, at whichever end.
    if len(seen) < 4:
        raise Failed(f"numbers of sessions seen: {sorted(seen)}")


@scene("what is left at the deadline ends then")
def late():
    open_sessions(20)
    kp("listener drain second rate 1/s deadline 3s")
    expect_between(seconds_until_gone(15), 0, 3 + limit(5), "seconds")


@scene("sessions that end by themselves end the drain")
def themselves():
    ends = open_sessions(5)
    kp("listener drain second deadline 1h")
    for pair_ in ends:
        for sock in pair_:
            sock.close()
    wait_for(lambda: not left(), "all have ended")
    expect_alive(*pair())


@scene("the service's stop takes its time and no longer, with any sessions")
def service_stop():
    ends = open_sessions(4) + [pair()]
    kp("listener del second")
    begun = time.monotonic()
    run_in(PROXY, SCRIPT, "2s")
    expect_between(time.monotonic() - begun, 2, 4 + limit(5),
                   "seconds that it took")
    expect(show("listener show"), [], "listeners left")
    for pair_ in ends:
        for sock in pair_:
            expect_reset(sock, "an end")
    kp("listener add web 10.1.0.1:8000,[fd01::1]:8000 upstream app")
    expect(run_in(PROXY, SCRIPT, "2",
                  check=False).returncode, 1, "status of a time without a unit")


@contextlib.contextmanager
def calls(function):
    """
    How often a function of the kernel is called; a list of one number. A kernel
    that cannot say that says 0.
    """
    if not (TRACING / "kprobe_events").exists():
        yield [0]
        return
    (TRACING / "kprobe_events").write_text(f"p:kproxytest/calls {function}\n")
    enable = TRACING / "events/kproxytest/calls/enable"
    counted = []
    try:
        enable.write_text("1")
        yield counted
        for line in (TRACING / "kprobe_profile").read_text().splitlines():
            if line.split()[0] == "calls":
                counted.append(sum(int(n) for n in line.split()[1:3]))
    finally:
        enable.write_text("0")
        (TRACING / "kprobe_events").write_text("")


@scene("all steps of a drain together look at each session about once")
def steps():
    others, count, rate_ = (1000 if QUICK else 3000), 100, 25
    listener = listen(BACK)
    idle_sessions(others)
    kp("listener add second 10.1.0.1:8001 upstream app")
    idle_sessions(count, SECOND)
    # One for each session that a walk looks at. Reading counters walks as well.
    with calls("kproxy:kproxy_session_walk_next") as counted:
        kp(f"listener drain second rate {rate_}/s")
        time.sleep(count / rate_)
    left_ = stats()["sessions"] - others
    expect_between(left_, 0, count / 2, "sessions left")
    wait_for(lambda: stats()["sessions"] == others, "all are ended", 20)
    listener.close()
    kp("session kill listener web")
    wait_for(lambda: not stats()["sessions"], "all are gone", 30)
    print(f"# {counted[0]} looks at {others + count} sessions", flush=True)
    if counted[0] > 3 * (others + count):
        raise Failed("each step begins at the beginning")


@scene("a namespace and the module go away while a listener drains")
def gone():
    open_sessions(5)
    kp("listener drain second deadline 1h")
    run("rmmod", "kproxy")
    close_all()
    run("insmod", KO)
    expect(show("listener show"), [], "listeners")
    kp("upstream add app")
    kp("server add app 10.2.0.2:9000")
    open_sessions(5)
    kp("listener drain second deadline 1h")
    run("ip", "netns", "del", PROXY)
    close_all()


main()
