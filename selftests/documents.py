#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
The commands of the documents. In a block of the kind "console" a line that
begins with "# " is typed into one shell, the lines below it are what it prints;
"…" stands for anything, and blanks for any number of blanks.
"""

import contextlib
import pathlib
import re
import subprocess
import tempfile

from peer import Failed, limit, main, scene

DOCS = pathlib.Path(__file__).parent.parent / "docs"
END = "-- end of it"


def blocks(name, kind):
    """The contents of all blocks of this kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (DOCS / name).read_text(),
                      re.MULTILINE | re.DOTALL)


def typed(block):
    """Commands, and what each must print."""
    for part in re.split(r"^# ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def pattern(output):
    """
    One for all of the output. An ellipsis that is a line of its own stands for
    any number of lines.
    """
    lines = []
    for line in output.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
            continue
        words = re.split(r"\s+", line.strip())
        lines.append(r"\s*" + r"[ \t]+".join(
            ".*".join(re.escape(part) for part in word.split("…"))
            for word in words) + r"[ \t]*\n")
    return "".join(lines)


class Shell:
    """One that all commands of a document are typed into."""

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


def run_document(name):
    shell = Shell()
    with contextlib.closing(shell):
        count = 0
        for block in blocks(name, "console"):
            for command, output in typed(block):
                came = shell.type(command)
                count += 1
                if not re.fullmatch(pattern(output), came):
                    raise Failed(f"{name}: # {command}\nprinted\n{came}\n"
                                 f"and not\n{output}")
        if not count:
            raise Failed(f"{name} has no command")


@scene("the tutorial, command by command")
def tutorial():
    run_document("tutorial.md")


# What reads each kind of block, given the file.
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
