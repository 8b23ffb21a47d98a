# SPDX-License-Identifier: GPL-2.0
""""kproxy metrics" prints metrics that Prometheus reads."""

import json
import pathlib
import re
import shutil
import tempfile

from peer import (EchoServer, Failed, connect, expect, expect_between, kp,
                  main, pair, read_exactly, run, scene, show, stats, wait_for,
                  wait_gone)

SET_UP = """
load
topology
simple_proxy
"""

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="[^"]*",?)+)\})? '
                    r'(\d+(?:\.\d{6})?)$')
DASHBOARD = (pathlib.Path(__file__).parents[2] /
             "tools/packaging/grafana/kproxy.json")


class Family:
    """A family, as a strict reader of either format takes it."""

    # What its samples are called beyond the family's name.
    SUFFIXES = {
        "openmetrics": {"counter": {"_total"}, "gauge": {""},
                        "info": {"_info"},
                        "histogram": {"_bucket", "_sum", "_count"}},
        "prometheus": {"counter": {""}, "gauge": {""},
                       "histogram": {"_bucket", "_sum", "_count"}},
    }

    def __init__(self, name):
        self.name = name
        self.type = self.help = self.unit = None
        self.samples = 0

    def describe(self, kind, text):
        expect(self.samples, 0, f"samples before {kind} of {self.name}")
        expect(getattr(self, kind.lower()), None, f"{kind} of {self.name}")
        setattr(self, kind.lower(), text)

    def check(self, how):
        """Checks before its first sample."""

        expect(self.type in self.SUFFIXES[how], True,
               f"{self.type}, the type of {self.name}")
        expect((self.help or "").endswith("."), True, f"help of {self.name}")
        if how == "prometheus":
            expect(self.type != "counter" or self.name.endswith("_total"),
                   True, f"the name of the counter {self.name}")
            expect(self.unit, None, "there are no units")
            return
        expect(bool(re.search("_(total|info|bucket|sum|count)$", self.name)),
               False, f"{self.name} is the name of a sample")
        unit = re.search("_(seconds|bytes)$", self.name)
        expect(self.unit, unit and unit[1], f"unit of {self.name}")
        expect(bool(unit), bool(re.search("bytes|seconds", self.name)),
               f"{self.name} ends in its unit")

    def take(self, name, how):
        if not self.samples:
            self.check(how)
        self.samples += 1
        suffixes = self.SUFFIXES[how][self.type]
        expect(name in {self.name + suffix for suffix in suffixes}, True,
               f"{name}, a sample of the {self.type} {self.name}")


def metrics(how="openmetrics"):
    """Values by name and labels; the text is checked on the way."""
    text = kp(f"metrics format {how}").stdout
    expect(text.endswith("\n"), True, "a last line that ends")
    lines = text.splitlines()
    expect(lines.count("# EOF"), int(how == "openmetrics"), "end_reasons")
    if how == "openmetrics":
        expect(lines.pop(), "# EOF", "the last line")
    found, families, family = {}, set(), Family("")
    for line in lines:
        word = line.split(" ", 3)
        if word[0] == "#":
            if word[2] != family.name:
                expect(word[2] in families, False, f"again: {line}")
                families.add(word[2])
                family = Family(word[2])
            expect(word[1] in {"TYPE", "UNIT", "HELP"}, True, line)
            family.describe(word[1], word[3])
            continue
        match = SAMPLE.match(line)
        if not match:
            raise Failed(f"no sample: {line}")
        name, labels, value = match.groups()
        family.take(name, how)
        key = (name, labels or "")
        expect(key in found, False, f"twice: {key}")
        found[key] = float(value) if "." in value else int(value)
    return found


def traffic():
    client, server = pair()
    client.sendall(b"a" * 1000)
    read_exactly(server, 1000)
    server.sendall(b"b" * 20000)
    read_exactly(client, 20000)
    return client, server


@scene("the totals are those of the namespace")
def totals():
    ends = traffic()
    found, want = metrics(), stats()
    expect(found["kproxy_active_sessions", ""], 1, "live sessions")
    for key in ("sessions_total", "refused", "connect_failures", "bytes_in",
                "bytes_out", "bytes_spliced", "bytes_copied"):
        name = re.sub("^bytes_(.*)", r"\1_bytes", key.removesuffix("_total"))
        expect(found[f"kproxy_{name}_total", ""], want[key], key)
    for sock in ends:
        sock.close()
    wait_gone()


@scene("each listener, server and pool has its own")
def objects():
    kp("server add app [fd02::2]:9000 weight 7 state drain")
    found = metrics()
    listener = show("listener show web")[0]["stats"]
    expect(found["kproxy_listener_in_bytes_total", 'listener="web"'],
           listener["bytes_in"], "bytes of the listener")
    for row in show("server show app"):
        labels = f'upstream="app",server="{row["address"]}"'
        expect(found["kproxy_server_sessions_total", labels],
               row["stats"]["sessions_total"], f"sessions of {labels}")
        expect(found["kproxy_server_weight", labels], row["weight"], "weight")
        expect(found["kproxy_server_up", labels], int(row["state"] == "up"),
               "whether it is up")
    for row in show("pool show"):
        expect(found["kproxy_pool_pages", f'cpu="{row["cpu"]}"'],
               row["pages"], "pages")
    kp("server del app [fd02::2]:9000")


@scene("counters only grow")
def grow():
    before = metrics()
    for sock in traffic():
        sock.close()
    wait_gone()
    after = metrics()
    for key, value in before.items():
        if key[0].endswith("_total") and after[key] < value:
            raise Failed(f"{key}: {value}, then {after[key]}")
    expect(after["kproxy_sessions_total", ""],
           before["kproxy_sessions_total", ""] + 1, "sessions")


@scene("the times of each server are histograms")
def histograms():
    for sock in traffic():
        sock.close()
    wait_gone()
    found = metrics()
    labels = 'upstream="app",server="10.2.0.2:9000"'
    shown = show("server show app")[0]
    for key in ("connect_time", "session_time"):
        name = f"kproxy_server_{key}_seconds"
        buckets = [(float(re.search('le="([^"]*)"', where)[1]), value)
                   for (what, where), value in found.items()
                   if what == f"{name}_bucket" and where.startswith(labels)]
        count = found[f"{name}_count", labels]
        expect(count, shown[key]["count"], f"{key}: count")
        expect(count, shown["stats"]["sessions_total"], f"{key}: sessions")
        expect(buckets, sorted(buckets), f"{key}: in order")
        expect([n for _, n in buckets], sorted(n for _, n in buckets),
               f"{key}: each has all before it")
        expect(buckets[-1], (float("inf"), count), f"{key}: the last")
        expect(round(found[f"{name}_sum", labels] * 1e6),
               shown[key]["sum_us"], f"{key}: sum")
        expect_between(shown[key]["p50_us"], 0, shown[key]["p99_us"],
                       f"{key}: half of them")
        expect(sum(part["count"] for part in shown[key]["buckets"]), count,
               f"{key}: all buckets")


@scene("idle connections are counted, where there are any")
def preconnect():
    expect([name for name, _ in metrics() if "preconnect" in name], [],
           "without them")
    echo = EchoServer()
    kp("upstream set app preconnect 2")
    wait_for(lambda: show("server show app")[0]["preconnect"]["ready"],
             "some are ready")
    client = connect()
    client.sendall(b"a")
    read_exactly(client, 1)
    found = metrics()
    labels = 'upstream="app",server="10.2.0.2:9000"'
    expect(found["kproxy_server_preconnect_used_total", labels] +
           found["kproxy_server_preconnect_missed_total", labels], 1,
           "used or missed")
    expect("kproxy_server_preconnect_ready" in {name for name, _ in found},
           True, "ready")
    client.close()
    check_dashboard(found)
    kp("upstream set app preconnect 0")
    echo.close()
    wait_gone()


def check_dashboard(found):
    """Each metric of the dashboard exists, with the labels that it uses."""
    names = {name for name, _ in found}
    labels = {name: set(re.findall('([a-z]+)="', where))
              for name, where in found}
    used = 0
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expr = target["expr"]
            for name in re.findall(r"\bkproxy_[a-z_]+", expr):
                used += 1
                expect(name in names, True, f"{name} of {panel['title']}")
                by = re.search(r"by \(([a-z, ]+)\)", expr)
                words = set(by[1].split(", ")) if by else set()
                expect(words - labels[name] - {"instance"}, set(),
                       f"labels of {name}")
    expect_between(used, 20, 1000, "metrics of the dashboard")


@scene("an empty namespace has metrics, too")
def nothing():
    run("ip", "netns", "add", "kp-other")
    try:
        text = run("kproxy", "-n", "kp-other", "metrics").stdout
    finally:
        run("ip", "netns", "del", "kp-other")
    expect("kproxy_sessions_total 0\n" in text, True, "no session yet")
    expect("kproxy_listener" in text, False, "no listener")


@scene("both formats have the same samples, OpenMetrics is the default")
def formats():
    for sock in traffic():
        sock.close()
    wait_gone()
    same = [dict(metrics(how)) for how in ("openmetrics", "prometheus")]
    for found in same:
        # A pool may take objects at any time.
        for key in [key for key in found if "_pool_" in key[0]]:
            del found[key]
    expect(same[0], same[1], "samples")
    expect(kp("metrics").stdout.splitlines()[-1], "# EOF", "the last line")
    for words, says in (("format", "format needs a value"),
                        ("format text", "format text: must be openmetrics or "
                         "prometheus"),
                        ("text", 'unexpected "text"'),
                        ("format prometheus now", 'unexpected "now"')):
        done = kp(f"metrics {words}", check=False)
        expect((done.returncode, done.stdout, done.stderr),
               (1, "", f"kproxy: metrics: {says}\n"), words)


@scene("promtool accepts the Prometheus format")
def promtool():
    if not shutil.which("promtool"):
        raise Failed("there is no promtool")
    done = run("promtool", "check", "metrics", check=False,
               text=kp("metrics format prometheus").stdout)
    expect((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")


@scene("Prometheus reads all of the OpenMetrics text")
def openmetrics():
    text = kp("metrics").stdout
    with tempfile.TemporaryDirectory() as folder:
        def read(text):
            source = pathlib.Path(folder) / "metrics"
            # In a file each sample needs a time stamp.
            source.write_text(re.sub(r"(?m)^([^#].*)$", r"\1 1700000000",
                                     text))
            return run("promtool", "tsdb", "create-blocks-from",
                       "openmetrics", str(source), f"{folder}/data",
                       check=False)

        # It is strict, or this would prove nothing.
        expect(read(text.replace("# EOF\n", "")).returncode != 0, True,
               "a text without an end is refused")
        done = read(text)
        expect(done.returncode, 0, f"promtool says {done.stderr}")


main()
