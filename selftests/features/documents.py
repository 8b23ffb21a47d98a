# SPDX-License-Identifier: GPL-2.0
"""
The commands of the documents work, and print what the documents say.

The commands of the documents. In a block of the kind "console" a line that
begins with "# " is typed into one shell, and the lines below it are its output;
"…" matches anything, and blanks match any number of blanks. In a block of the
kind "terminal" a number matches any other.
"""

import contextlib
import pathlib
import re
import subprocess
import tempfile

from peer import MB, Failed, limit, main, run, scene, wait_for

SET_UP = """
load
ip link set lo up
"""

DOCS = pathlib.Path(__file__).parents[2] / "docs"
END = "-- end of it"


def blocks(name, kind):
    """The contents of all blocks of this kind."""

    return re.findall(rf"^```{kind}\n(.*?)^```$", (DOCS / name).read_text(),
                      re.MULTILINE | re.DOTALL)


def typed(block):
    """Commands, and the output that each must have."""
    for part in re.split(r"^# ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def word_pattern(word, kind):
    found = ".*".join(re.escape(part) for part in word.split("…"))
    if kind == "terminal":
        found = re.sub(r"\d+", r"\\d+", found)
    return found


def pattern(output, kind):
    """
    A pattern for all of the output. A line with only an ellipsis matches any
    number of lines.
    """
    lines = []
    for line in output.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
            continue
        words = re.split(r"\s+", line.strip())
        lines.append(r"\s*" + r"[ \t]+".join(
            word_pattern(word, kind) for word in words) + r"[ \t]*\n")
    return "".join(lines)


class Shell:
    """All commands of a document are typed into it."""

    def __init__(self):
        self._shell = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1)

    def type(self, command):
        self._shell.stdin.write(f"{command}\necho; echo '{END}'\n")
        lines = []
        while True:
            line = self._shell.stdout.readline()
            if not line:
                raise Failed(f"{command}: the shell has ended")
            if line.rstrip() == END:
                return "".join(lines).removesuffix("\n")
            lines.append(line)

    def close(self):
        self._shell.stdin.close()
        self._shell.wait(limit(30))


def run_document(name, kind="console"):
    shell = Shell()
    with contextlib.closing(shell):
        count = 0
        for block in blocks(name, kind):
            for command, output in typed(block):
                came = shell.type(command)
                count += 1
                if not re.fullmatch(pattern(output, kind), came):
                    raise Failed(f"{name}: # {command}\nprinted\n{came}\n"
                                 f"and not\n{output}")
        if not count:
            raise Failed(f"{name} has no command")


@scene("the tutorial, command by command")
def tutorial():
    run_document("tutorial.md")


@contextlib.contextmanager
def web_servers(*ports):
    """Web servers with a file of 16 MiB."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/disk.img", "wb") as file:
            file.truncate(16 * MB)
        servers = [subprocess.Popen(
            ["python3", "-m", "http.server", "-b", "127.0.0.1", "-d", folder,
             str(port)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) for port in ports]
        try:
            for port in ports:
                wait_for(lambda port=port: not run(
                    "curl", "-sI", f"127.0.0.1:{port}",
                    check=False).returncode, "the server answers", 30)
            yield
        finally:
            for server in servers:
                server.kill()
                server.wait()


@scene("the terminal in the README")
def readme():
    with web_servers(8001, 8002):
        try:
            run_document("../README.md", "terminal")
        finally:
            run("kproxy", "config", "flush")


# The program that checks each kind of block, given the file.
CHECKERS = {
    "yaml": ("kproxy", "config", "check"),
    "haproxy": ("haproxy", "-c", "-f"),
    "nginx": ("nginx", "-t", "-q", "-c"),
}


def check_block(kind, text):
    with tempfile.NamedTemporaryFile("w", suffix=f".{kind}") as file:
        if kind == "nginx":
            text = ("load_module /usr/lib/nginx/modules/"
                    "ngx_stream_module.so;\n" + text)
        file.write(text)
        file.flush()
        done = subprocess.run((*CHECKERS[kind], file.name), text=True,
                              capture_output=True, timeout=limit(60))
    if done.returncode:
        raise Failed(f"{kind}: {done.stdout}{done.stderr}")


@scene("the configurations side by side are accepted by their programs")
def migration():
    for kind in CHECKERS:
        found = blocks("migration.md", kind)
        if not found:
            raise Failed(f"migration.md has no block of {kind}")
        for text in found:
            check_block(kind, text)


main()
