# SPDX-License-Identifier: GPL-2.0
"""
"kproxy exporter" serves what Prometheus, programs and people want to know, and
nothing that one of them sends or fails to take changes that.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

from peer import (PROXY, QUICK, EchoServer, Skipped, connect, expect,
                  expect_between, kp, limit, main, pair, read_exactly, run,
                  run_in, scene, show, stats, wait_for, wait_gone)

# The exporter listens where it is started, which is not the proxy's namespace.
SET_UP = """
ip link set lo up
load
topology
simple_proxy
"""

TOOLS = pathlib.Path(__file__).parents[2] / "tools"
HERE = ("127.0.0.1", 9816)
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Documents are sent again for so long.
FRESH = 0.3
CONNECTIONS = 256


@contextlib.contextmanager
def exporter(*words, ns=PROXY, at=HERE):
    process = subprocess.Popen(("kproxy", "-n", ns, "exporter", *words),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    try:
        wait_for(lambda: listens(at) or process.poll() is not None,
                 "it listens")
        expect(process.poll(), None, "status")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        expect(process.wait(limit(10)), 0, "status at the end")
        expect(process.stderr.read(), "", "complaints")


def listens(at):
    with contextlib.suppress(OSError), socket.create_connection(at):
        return True
    return False


def get(path, method="GET", at=HERE, **headers):
    """Status, headers, and body of a request; _ stands for - in a header."""
    link = http.client.HTTPConnection(*at, timeout=limit(20))
    try:
        link.request(method, path, headers={
            name.replace("_", "-"): value for name, value in headers.items()})
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        link.close()


def talk(data, at=HERE):
    """Send these bytes and read until the end."""
    with socket.create_connection(at, limit(20)) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while part := sock.recv(1 << 16):
                answer += part
        return answer


def settle():
    """Wait until documents of the past are not sent again."""
    time.sleep(limit(FRESH))


def samples(text):
    """Lines without what changes by itself."""
    return [line for line in text.splitlines() if "_pool_" not in line]


@scene("metrics are those of the command, in the format that Accept prefers")
def formats():
    client, server = pair()
    client.sendall(b"a" * 1000)
    read_exactly(server, 1000)
    with exporter():
        settle()
        for accept, kind, how in (
                ("application/openmetrics-text;version=1.0.0;q=0.5,"
                 "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPEN,
                 "openmetrics"),
                ("text/plain;version=0.0.4,application/openmetrics-text;"
                 "version=1.0.0;q=0.5", TEXT, "prometheus"),
                ("*/*", TEXT, "prometheus")):
            status, headers, body = get("/metrics", Accept=accept)
            expect((status, headers["Content-Type"]), (200, kind), accept)
            expect(samples(body),
                   samples(kp(f"metrics format {how}").stdout), how)
            expect(headers["Vary"], "Accept", "Vary")
        status, headers, body = get("/metrics")
        expect(headers["Content-Type"], TEXT, "without Accept")
        if shutil.which("promtool"):
            done = run("promtool", "check", "metrics", check=False, text=body)
            expect((done.returncode, done.stdout + done.stderr), (0, ""),
                   "promtool")
        client.close()
        server.close()
        wait_gone()


@scene("the API has the JSON of the command")
def api():
    kp("server add app [fd02::2]:9000 weight 7 state drain")
    with exporter():
        settle()
        for name in "listener", "upstream", "session", "stats", "pool":
            status, headers, body = get(
                f"/api/v1/{name if name == 'stats' else name + 's'}")
            expect((status, headers["Content-Type"]),
                   (200, "application/json"), name)
            found, want = json.loads(body), show(f"{name} show")
            if name == "pool":
                found, want = [set(row) for row in found], [
                    set(row) for row in want]
            expect(found, want, name)
        client, server = pair()
        settle()
        row = json.loads(get("/api/v1/sessions")[2])[0]
        expect((row["client"], row["server"]),
               ("%s:%d" % client.getsockname(), "10.2.0.2:9000"), "a session")
        client.close()
        server.close()
        wait_gone()
    kp("server del app [fd02::2]:9000")


@scene("it is read only, and each answer forbids what a browser might do")
def read_only():
    with exporter():
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
                       "CONNECT", "NONSENSE"):
            status, headers, _ = get("/api/v1/listeners", method)
            expect((status, headers["Allow"]), (405, "GET, HEAD"), method)
        status, headers, body = get("/metrics", "HEAD")
        expect((status, body), (200, ""), "HEAD")
        expect(int(headers["Content-Length"]) > 1000, True, "its length")
        for path, want in (("/", 200), ("/metrics", 200), ("/x", 404),
                           ("/api/v1/", 404), ("/api/v1/listeners/", 404),
                           ("//metrics", 404), ("/../etc/passwd", 404),
                           ("/api/v1/stats?x=y", 200)):
            status, headers, _ = get(path)
            expect(status, want, path)
            policy = headers["Content-Security-Policy"]
            expect("default-src 'none'" in policy, True, f"{path}: {policy}")
            expect((headers["X-Content-Type-Options"],
                    headers["X-Frame-Options"], headers["Cache-Control"],
                    headers["Cross-Origin-Resource-Policy"],
                    headers["Access-Control-Allow-Origin"]),
                   ("nosniff", "DENY", "no-store", "same-origin", None), path)
        expect(len(show("listener show")), 1, "listeners")


@scene("a name of another site is refused, and so a page of that site")
def hosts():
    with exporter("host", "proxy1.example", "host", "proxy2.example"):
        for host, want in (
                ("127.0.0.1:9816", 200), ("[::1]", 200), ("localhost", 200),
                ("proxy1.example:9816", 200), ("proxy2.example", 200),
                (socket.gethostname(), 200), ("evil.example", 421),
                ("127.0.0.1.evil.example", 421), ("x" * 5000, 421), ("", 421)):
            expect(get("/metrics", Host=host)[0], want, f"Host {host[:40]}")
        answer = talk(b"GET /metrics HTTP/1.0\r\n\r\n")
        expect(answer.split(b"\r\n")[0][-6:], b"200 OK", "without a host")


@scene("clients are named to this machine only, unless that is wanted")
def who():
    at = ("10.1.0.1", 9816)

    def status(*words):
        with in_proxy(*words, at=at):
            out = run_in(PROXY, "curl", "-s", "-o",
                         "/dev/null", "-w", "%{http_code}",
                         f"http://{at[0]}:{at[1]}/api/v1/sessions")
            return out.stdout

    expect(status("10.1.0.1:9816"), "403", "another address")
    expect(status("10.1.0.1:9816", "sessions", "on"), "200", "sessions on")
    with exporter("sessions", "off"):
        status, headers, body = get("/api/v1/sessions")
        expect((status, headers["Content-Type"]), (403, "application/json"),
               "sessions off")
        expect("sessions on" in json.loads(body)["error"], True, body)


@contextlib.contextmanager
def in_proxy(*words, at):
    process = subprocess.Popen(("ip", "netns", "exec", PROXY, "kproxy",
                                "exporter", *words))
    try:
        wait_for(lambda: f"{at[0]}:{at[1]}" in run(
            "ip", "netns", "exec", PROXY, "ss", "-Htln").stdout, "it listens")
        yield
    finally:
        process.terminate()
        process.wait(limit(10))


@scene("words that are wrong are refused")
def refused():
    with socket.create_server(HERE):
        for words, says in (
                ("", "address 127.0.0.1:9816: cannot listen: Address already "
                 "in use"),
                ("10.9.9.9:9816", "address 10.9.9.9:9816: cannot listen: "
                 "Cannot assign requested address"),
                ("127.0.0.1:0", None), ("1.2.3:80", None), ("now", None),
                ("host", "host needs a value"),
                ("host a/b", 'host "a/b": not a host name'),
                ("sessions", "sessions needs a value"),
                ("sessions yes", 'sessions "yes": must be on or off')):
            done = kp(f"exporter {words}", check=False)
            expect((done.returncode, done.stdout), (1, ""), words)
            expect(done.stderr.startswith("kproxy: exporter: ") and
                   done.stderr.count("\n") == 1, True, done.stderr)
            if says:
                expect(done.stderr, f"kproxy: exporter: {says}\n", words)


@scene("a socket of systemd's is taken, by TCP or in the file system")
def activation():
    start = ('LISTEN_PID=$$ LISTEN_FDS=${FDS:-1} exec kproxy -n kp-proxy '
             'exporter "$@"')

    def activated(server, *words, **variables):
        return subprocess.Popen(
            ("bash", "-c", f"exec 3<&{server.fileno()}; {start}", "bash", *words),
            pass_fds=(server.fileno(),), stderr=subprocess.PIPE, text=True,
            env={**os.environ, **variables})

    with socket.create_server(("127.0.0.1", 9817)) as server:
        process = activated(server)
        expect(get("/metrics", at=("127.0.0.1", 9817))[0], 200, "TCP")
        process.terminate()
        expect(process.wait(limit(10)), 0, "status")
        for words, variables, says in (
                (["127.0.0.1:1"], {}, "systemd has passed a socket already"),
                ([], {"FDS": "2"}, "one socket is needed")):
            process = activated(server, *words, **variables)
            expect(process.wait(limit(10)), 1, says)
            expect(says in process.stderr.read(), True, says)
    if shutil.which("systemd-socket-activate"):
        at = ("127.0.0.1", 9818)
        process = subprocess.Popen(
            ("systemd-socket-activate", "-l", "%s:%d" % at, "kproxy", "-n",
             PROXY, "exporter"), stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(at), "systemd's own program listens")
        expect(get("/metrics", at=at)[0], 200, "by systemd's own program")
        process.terminate()
        expect(process.wait(limit(10)), 0, "status")
    with socket.socket() as nothing:
        process = activated(nothing)
        expect(process.wait(limit(10)), 1, "a socket that does not listen")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            process = activated(server)
            out = run("curl", "-s", "--unix-socket", path,
                      "http://kproxy/api/v1/sessions").stdout
            expect(json.loads(out), [], "by a socket in the file system")
            process.terminate()
            expect(process.wait(limit(10)), 0, "status")


@scene("bytes that are no request change nothing")
def garbage():
    with exporter() as process:
        for data in (b"", b"\r\n" * 100, b"\0" * 70000, os.urandom(70000),
                     b"GET", b"GET /metrics", b"GET /metrics HTTP/1.1\r\n",
                     b"GET /metrics HTTP/9.9\r\n\r\n",
                     b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20000 + b"\r\n",
                     b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 1000000000\r\n\r\n" + b"x" * 100000,
                     b"POST / HTTP/1.1\r\nHost: localhost\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            answer = talk(data)
            expect(b" 200 " in answer.split(b"\r\n")[0], False,
                   f"an answer to {data[:40]}")
        expect(process.poll(), None, "status")
        expect(get("/metrics")[0], 200, "afterwards")


def hold(count, first=b""):
    """Connections that send little and read nothing."""
    held = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        sock.connect_ex(HERE)
        held.append(sock)
    time.sleep(0.2)
    for sock in held:
        with contextlib.suppress(OSError):
            sock.send(first)
    return held


def memory(process):
    """Resident kilobytes."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


@scene("clients that send and read slowly do not keep others out")
def slow():
    with exporter() as process:
        before = memory(process)
        for first in (b"", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n",
                      b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            held = hold(2 * CONNECTIONS, first)
            begun = time.monotonic()
            expect(get("/metrics")[0], 200, "beside slow clients")
            expect_between(time.monotonic() - begun, 0, limit(15), "seconds")
            for sock in held:
                sock.close()
        expect_between(memory(process) - before, -10**6, 64 << 10, "kilobytes")


@scene("a thousand clients at once are all served")
def crowd():
    count = 200 if QUICK else 1000
    failures = []

    def one():
        try:
            if get("/metrics")[0] != 200:
                failures.append("status")
        except OSError as error:
            failures.append(str(error))

    with exporter():
        threads = [threading.Thread(target=one) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(limit(60))
        expect(failures, [], "failures")


@scene("a thousand servers fit, and are listed in time")
def many():
    count = 200 if QUICK else 1000
    text = "".join(f"server add many 10.2.{n // 250}.{n % 250 + 1}:9000\n"
                   for n in range(count))
    run("kproxy", "-n", PROXY, "-b", "-",
        text="upstream add many\n" + text)
    try:
        with exporter():
            begun = time.monotonic()
            body = get("/metrics")[2]
            rows = json.loads(get("/api/v1/upstreams")[2])
            expect_between(time.monotonic() - begun, 0, limit(10), "seconds")
        expect(sum(len(row["servers"]) for row in rows), count + 1, "servers")
        expect(len(re.findall("^kproxy_server_weight{", body, re.M)),
               count + 1, "their weights")
    finally:
        kp("upstream del many")


@scene("without the module it says how to load it, and goes on when it is back")
def unloaded():
    with exporter():
        run("rmmod", "kproxy")
        settle()
        for path, kind in (("/metrics", "text/plain; charset=utf-8"),
                           ("/api/v1/stats", "application/json")):
            status, headers, body = get(path)
            expect((status, headers["Content-Type"]), (503, kind), path)
            expect("modprobe kproxy" in body, True, body)
        expect(get("/")[0], 200, "the page")
        run("insmod", os.environ["KPROXY_KO"])
        for words in ("upstream add app", "server add app 10.2.0.2:9000",
                      "listener add web 10.1.0.1:8000,[fd01::1]:8000 "
                      "upstream app"):
            kp(words)
        settle()
        expect(get("/metrics")[0], 200, "with the module")
        expect(len(json.loads(get("/api/v1/listeners")[2])), 1, "listeners")


class Prometheus:
    """The real one, which scrapes the exporter each second."""

    AT = ("127.0.0.1", 9090)

    def __init__(self, folder):
        config = pathlib.Path(folder) / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "- job_name: kproxy\n"
            "  static_configs: [{targets: ['127.0.0.1:9816']}]\n")
        self.log = open(f"{folder}/log", "w+")
        self.process = subprocess.Popen(
            ("prometheus", f"--config.file={config}",
             f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={self.AT[0]}:{self.AT[1]}",
             "--web.console.templates=/", "--web.console.libraries=/"),
            stdout=self.log, stderr=self.log)

    def query(self, words):
        words = urllib.parse.quote(words)
        with contextlib.suppress(OSError):
            status, _, body = get(f"/api/v1/query?query={words}", at=self.AT)
            if status != 503:
                return json.loads(body)
        return {"status": "none", "data": {"result": []}}

    def values(self, words):
        return [float(row["value"][1])
                for row in self.query(words)["data"]["result"]]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@scene("Prometheus scrapes it, and each query of the dashboard has an answer")
def prometheus():
    if not shutil.which("prometheus"):
        raise Skipped("there is no prometheus")
    kp("upstream set app preconnect 1")
    echo = EchoServer()
    with exporter(), tempfile.TemporaryDirectory() as folder:
        server = Prometheus(folder)
        try:
            wait_for(lambda: server.values("up") == [1], "it is scraped", 60)
            for _ in range(10):
                client = connect()
                client.sendall(b"a")
                read_exactly(client, 1)
                client.close()
            want = stats()["sessions_total"]
            wait_for(lambda: server.values("kproxy_sessions_total") == [want],
                     "it knows all sessions")
            # A rate needs two samples.
            wait_for(lambda: server.values(
                "count_over_time(kproxy_sessions_total[1m]) > 3"), "samples")
            dashboard = json.loads((TOOLS / "packaging/grafana/kproxy.json")
                                   .read_text())
            for panel in dashboard["panels"]:
                for target in panel["targets"]:
                    expr = (target["expr"].replace("$instance", ".*")
                            .replace("$__rate_interval", "1m"))
                    answer = server.query(expr)
                    expect(answer["status"], "success", expr)
                    expect(bool(answer["data"]["result"]), True,
                           f"{panel['title']}: an answer to {expr}")
        finally:
            server.close()
    kp("upstream set app preconnect 0")
    echo.close()
    wait_gone()


@scene("the page is one file, and shows in a browser what there is")
def page():
    with exporter():
        status, headers, body = get("/")
        expect((status, headers["Content-Type"]),
               (200, "text/html; charset=utf-8"), "the page")
        numbers = set(re.findall(r'nonce="?-?([0-9a-f]{32})', body))
        expect(len(numbers), 1, "numbers of its scripts and styles")
        expect(headers["Content-Security-Policy"].count(*numbers), 2,
               "the number in the policy")
        expect(re.findall(r"(?:src|href)=\"(?!#|data:|metrics)[^\"]*", body),
               [], "what it loads")
        expect(get("/")[2] == body, False, "the number is another each time")
        browser = (shutil.which("chromium-headless-shell") or
                   shutil.which("chromium"))
        if not browser:
            return
        with tempfile.TemporaryDirectory() as folder:
            done = run("timeout", str(limit(60)), browser, "--headless",
                       "--no-sandbox", "--disable-gpu",
                       f"--user-data-dir={folder}",
                       "--virtual-time-budget=3000", "--dump-dom",
                       "http://127.0.0.1:9816/", check=False)
        if not done.stdout:
            raise Skipped("the browser does not run here")
        for word in "10.1.0.1:8000", "10.2.0.2:9000", ">web<", ">app<":
            expect(word in done.stdout, True, f"{word} in the page")


main()
