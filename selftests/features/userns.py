# SPDX-License-Identifier: GPL-2.0
"""What an unprivileged user can do with thousands of namespaces."""

import ctypes
import errno
import os
import time
import traceback

from netlink_raw import Netlink, attr
from netlink_spec import COMMAND, U
from peer import QUICK, Failed, expect, limit, main, run, scene, show, wait_for

NOBODY = 65534
NEWUSER, NEWNET = 0x10000000, 0x40000000
# The parameters that the script has loaded the module with.
OBJECTS, SHARE = 12, 16

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(what):
    if _libc.unshare(what):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_root():
    """Of the user namespace that this process has just made."""
    for file, text in (("uid_map", f"0 {NOBODY} 1"),
                       ("setgroups", "deny"),
                       ("gid_map", f"0 {NOBODY} 1")):
        with open(f"/proc/self/{file}", "w") as opened:
            opened.write(text)


def as_nobody(function):
    """Run it in a process of an unprivileged user; returns its exception."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            # PR_SET_DUMPABLE: its files in /proc are its own again.
            _libc.prctl(4, 1, 0, 0, 0)
            unshare(NEWUSER)
            become_root()
            function()
            said = ""
        except BaseException:
            said = traceback.format_exc()
        os.write(write, said.encode()[-4000:])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if said:
        raise Failed(said)


def new_namespace():
    """Enter it, and keep it."""
    unshare(NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def here():
    nl = Netlink(None)
    nl.find_family()
    return nl


def add(nl, name):
    return nl.ask(COMMAND["upstream-add"], attr(U["name"], name))


def kernel_objects():
    """Bytes of the kernel in slabs by size, and per CPU."""
    total = 0
    for line in open("/proc/slabinfo"):
        words = line.split()
        if words[0].startswith("kmalloc-") and not words[0].startswith(
                "kmalloc-rcl"):
            total += int(words[1]) * int(words[3])
    return total


def settle():
    """Wait until namespaces are freed, and free per-CPU caches."""
    time.sleep(1)
    for name in os.listdir("/sys/kernel/slab"):
        if name.startswith((":", "kmalloc")):
            try:
                with open(f"/sys/kernel/slab/{name}/shrink", "w") as file:
                    file.write("1")
            except OSError:
                pass


def cost(count):
    """Bytes per namespace without a configuration."""
    def hold():
        kept = [new_namespace() for _ in range(count)]
        os.write(ready, b"x")
        os.read(go, len(kept))

    settle()
    before = kernel_objects()
    reached, ready = os.pipe()
    go, let_go = os.pipe()
    child = os.fork()
    if not child:
        try:
            as_nobody(hold)
        except Failed as failed:
            print(f"# {failed}", flush=True)
        os._exit(0)
    os.close(ready)
    if os.read(reached, 1) != b"x":
        raise Failed("the namespaces were not made")
    settle()
    held = kernel_objects()
    os.write(let_go, b"x")
    os.waitpid(child, 0)
    for pipe in reached, go, let_go:
        os.close(pipe)
    return (held - before) / count


@scene("a namespace costs next to nothing before something is configured there")
def unused():
    count = 200
    ko = os.environ["KPROXY_KO"]
    # Locks and works are larger in kernels that check them, and may push the root
    # into the next size of the allocator.
    most = 8000 if os.path.exists("/sys/kernel/debug/failslab") else 2600
    # A busy kernel frees late, and that is counted with the namespaces.
    for _ in range(3):
        with_module = cost(count)
        run("rmmod", "kproxy")
        without = cost(count)
        run("insmod", ko, "userns=1", f"userns_objects={OBJECTS}")
        print(f"# {with_module:.0f} bytes with the module, {without:.0f} "
              f"without", flush=True)
        if with_module - without <= most:
            return
    raise Failed(f"{with_module - without:.0f} bytes for each")


@scene("a user's namespaces share a limit, and give back what they free")
def owner_limit():
    def fill():
        kept = []
        for number in range(SHARE):
            kept.append(new_namespace())
            nl = here()
            for i in range(OBJECTS):
                expect(add(nl, f"u{i}").errno, 0, f"upstream {i} of {number}")
            nl.close()
        kept.append(new_namespace())
        nl = here()
        answer = add(nl, "more")
        expect(answer.errno, errno.EDQUOT, "one more")
        if "a user's namespaces have at most 192 objects" not in answer.message:
            raise Failed(f"it said {answer}")
        # A nested user counts as the same user, because there could be any
        # number of them.
        unshare(NEWUSER)
        kept.append(new_namespace())
        expect(add(here(), "more").errno, errno.EDQUOT, "of one below")
        # What one of them frees is available to another.
        for fd in kept[:1]:
            os.close(fd)

    as_nobody(fill)
    begun = time.monotonic()
    pause = 0.5
    # Namespaces go away a while after their last process; those of a try that was
    # too early have to go away, too.
    while True:
        time.sleep(pause)
        try:
            as_nobody(fill)
            return
        except Failed:
            if time.monotonic() > begun + limit(30):
                raise
        pause *= 2


def come_and_go(count, configure):
    def run_through():
        for number in range(count):
            unshare(NEWNET)
            if not configure:
                continue
            nl = here()
            begun = time.monotonic()
            # Deleted ones count until the kernel has taken them down.
            while True:
                answer = add(nl, "app")
                if answer.errno != errno.EDQUOT:
                    break
                if time.monotonic() > begun + limit(30):
                    raise Failed("what is gone is counted still")
                time.sleep(0.02)
            expect(answer.errno, 0, f"the upstream of namespace {number}")
            nl.close()

    settle()
    before = kernel_objects()
    begun = time.monotonic()
    as_nobody(run_through)
    took = time.monotonic() - begun
    # Meanwhile the host's own configuration goes on.
    expect(show("upstream show"), [], "upstreams of the proxy")
    print(f"# {count} in {took:.1f} s", flush=True)

    def back():
        settle()
        return kernel_objects() - before < 2 << 20

    wait_for(back, "the memory is back", 60)
    if took > limit(120):
        raise Failed(f"it took {took:.0f} s")


@scene("a thousand namespaces of a user come and go")
def thousand_unused():
    come_and_go(250 if QUICK else 1000, False)


@scene("a thousand in which something is configured")
def thousand_used():
    come_and_go(250 if QUICK else 1000, True)


main()
