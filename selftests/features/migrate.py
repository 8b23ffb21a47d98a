# SPDX-License-Identifier: GPL-2.0
"""
The same traffic through HAProxy or nginx, through kproxy with what "config import"
makes of their configuration, and through HAProxy with what "config export" makes
of that. Each client must be served by the same server.
"""

import collections
import contextlib
import pathlib
import ssl
import subprocess
import tempfile

from peer import (CLIENT, PROXY, EchoServer, expect, kp, limit, main,
                  new_socket, scene, wait_for)

SET_UP = r"""
load
topology
ip -n kp-client addr add 10.1.0.9/32 dev lo
"""

TMP = pathlib.Path(tempfile.mkdtemp())

HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
    retries 3
    option redispatch 1
frontend weights
    bind 10.1.0.1:8001
    default_backend two
frontend rules
    bind 10.1.0.1:8002
    acl bad src 10.1.0.9
    tcp-request connection accept if { src 10.1.0.2 }
    tcp-request connection reject if bad or { src 10.1.0.0/24 }
    default_backend one
frontend names
    bind 10.1.0.1:8003
    tcp-request inspect-delay 5s
    tcp-request content accept if { req.ssl_hello_type 1 }
    use_backend one if { req.ssl_sni -i www.example.com }
    use_backend three if { req.ssl_sni -i -m end .example.com }
    default_backend two
listen spare
    bind 10.1.0.1:8004
    option tcp-check
    default-server check inter 300ms fall 2 rise 1
    server dead 10.2.0.2:9999
    server c 10.2.0.4:9000 backup
backend one
    server a 10.2.0.2:9000
backend two
    server a 10.2.0.2:9000 weight 2
    server b 10.2.0.3:9000 weight 1
backend three
    server c 10.2.0.4:9000
"""

NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid /tmp/nginx-migrate.pid;
error_log stderr;
events {}
stream {
    upstream two {
        server 10.2.0.2:9000 weight=2;
        server 10.2.0.3:9000;
    }
    map $ssl_preread_server_name $upstream {
        hostnames;
        www.example.com 10.2.0.2:9000;
        *.example.com 10.2.0.4:9000;
        default two;
    }
    server { listen 10.1.0.1:8001; proxy_pass two; }
    server {
        listen 10.1.0.1:8002;
        allow 10.1.0.2;
        deny 10.1.0.0/24;
        proxy_pass 10.2.0.2:9000;
    }
    server { listen 10.1.0.1:8003; ssl_preread on; proxy_pass $upstream; }
    server { listen 10.1.0.1:8004; proxy_pass spare; }
    upstream spare { server 10.2.0.2:9999; server 10.2.0.4:9000 backup; }
}
"""

WANT = {
    "weights": {"2": 20, "3": 10},
    "admitted": "2",
    "refused": "",
    "www.example.com": "2",
    "a.b.example.com": "4",
    "example.com": {"2", "3"},
    "spare": "4",
}


def hello(name):
    """What a TLS client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def who(port, source="10.1.0.2", name=None):
    """The last digit of the server's address, empty if there is none."""
    sock = new_socket(CLIENT, ("10.1.0.1", port))
    with sock:
        sock.bind((source, 0))
        try:
            sock.connect(("10.1.0.1", port))
            if name:
                sock.sendall(hello(name))
            return sock.recv(1).decode()
        except ConnectionError:
            return ""


def served():
    got = {
        "weights": dict(collections.Counter(who(8001) for _ in range(30))),
        "admitted": who(8002),
        "refused": who(8002, "10.1.0.9"),
        "spare": who(8004),
    }
    for name in "www.example.com", "a.b.example.com":
        got[name] = who(8003, name=name)
    got["example.com"] = {who(8003, name="example.com") for _ in range(6)}
    return got


def listens():
    with contextlib.suppress(OSError):
        sock = new_socket(CLIENT, ("10.1.0.1", 8004))
        with sock:
            sock.connect(("10.1.0.1", 8004))
            return True
    return False


@contextlib.contextmanager
def program(*words):
    process = subprocess.Popen(["ip", "netns", "exec", PROXY, *words],
                               stderr=subprocess.DEVNULL)
    try:
        wait_for(listens, f"{words[0]} listens", 30)
        yield
    finally:
        process.terminate()
        process.wait(limit(20))


@contextlib.contextmanager
def three_servers():
    servers = [EchoServer((f"10.2.0.{n}", 9000), str(n).encode())
               for n in (2, 3, 4)]
    try:
        yield
    finally:
        for server in servers:
            server.close()


def expect_served(what):
    # Until checks have found the dead one.
    wait_for(lambda: who(8004) == "4", f"{what}: the spare server is used", 30)
    expect(served(), WANT, f"who is served by whom: {what}")


def convert(kind, text, ignored):
    path = TMP / f"{kind}.conf"
    path.write_text(text)
    done = kp(f"config import {kind} {path}")
    said = [line for line in done.stderr.splitlines()
            if not any(word in line for word in ignored)]
    expect(said, [], "what is not carried over")
    (TMP / "yaml").write_text(done.stdout)
    kp(f"config check {TMP}/yaml")
    return path


def there_and_back(kind, text, ignored, *words):
    with three_servers():
        path = convert(kind, text, ignored)
        with program(*words, str(path)):
            expect_served(kind)
        kp(f"config apply {TMP}/yaml")
        expect_served("kproxy")
        expect(kp(f"config apply --dry-run {TMP}/yaml").stdout, "",
               "the difference")
        exported = kp("config export haproxy").stdout
        expect(kp(f"config export haproxy {TMP}/yaml").stdout, exported,
               "what is exported of the file")
        kp("config flush")
        (TMP / "back").write_text(exported)
        with program("haproxy", "-db", "-f", str(TMP / "back")):
            expect_served("HAProxy again")


@scene("HAProxy, kproxy, and HAProxy again")
def haproxy():
    there_and_back("haproxy", HAPROXY, [], "haproxy", "-db", "-f")


@scene("nginx, kproxy, and HAProxy")
def nginx():
    there_and_back("nginx", NGINX, [], "nginx", "-c")


main()
