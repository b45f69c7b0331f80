"""What a call of the built file touches, out of a trace of its system calls by strace.

Not counted is what the interpreter does before it opens the plugin's file, and what the standard library and the C
library read of themselves: that is the interpreter's affair.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tests.namespaces import Host, Reply

_LINE = re.compile(r"^\d+ +([a-z0-9_]+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. [a-z0-9_]+ resumed>(.*)$")
_STARTED = re.compile(r'"([^"]*)"')
_DIR_FD = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>, \"([^\"]*)\"")
_LINKED = re.compile(r'^"[^"]*", (?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"')
# fork reads /proc/self/stat since Python 3.12, for the number of threads.
_INTERPRETER = re.compile(r"/lib(64)?/python3(\.\d+|\d*\.zip)?(/|$)|\.so(\.\d+)*$|^/etc/ld\.so|^/proc/self/stat$")
_BOTH_LINKED = re.compile(r'^(?:AT_FDCWD|\d+)<[^>]*>, "[^"]*", (?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"')
_FILE_CALLS = {
    "mkdir": "create",
    "mkdirat": "create",
    "unlink": "delete",
    "unlinkat": "delete",
    "rmdir": "delete",
    "symlinkat": "create",
    "linkat": "create",
    "readlinkat": "read",
    "readlink": "read",
    "newfstatat": "look",
    "stat": "look",
    "lstat": "look",
    "access": "look",
    "utimensat": "touch",
    "execve": "execute",
}


class Traced:
    """One call.  touched: pairs of a way (read, write, create, delete ...) and a name; calls: names of system calls."""

    def __init__(self, reply: Reply, text: str, names: dict[str, str]) -> None:
        self.reply = reply
        self.touched: set[tuple[str, str]] = set()
        self.calls: set[str] = set()
        self.names = names
        lines = whole(text)
        begin = next(i for i, line in enumerate(lines) if "openat(" in line and "/dist/ptp" in line)
        for line in lines[begin + 1 :]:
            self._line(line)

    def _line(self, text: str) -> None:
        match = _LINE.match(text)
        if match is None:
            return
        call, rest = match.groups()
        self.calls.add(call)
        if call == "openat":
            self._opened(rest)
        elif call == "socket":
            self.touched.add(("socket", " ".join(re.sub(r"\|SOCK_CLOEXEC", "", rest.split(")")[0]).split(", "))))
        elif call == "setns":
            self.touched.add(("enter", self._named(rest.split("<", 1)[1].split(">")[0])))
        elif call in ("clone", "clone3", "fork", "vfork"):
            self.touched.add(("start", "thread" if "CLONE_THREAD" in rest else "process"))
        elif call in _FILE_CALLS:
            path = self._path(rest)
            if path:
                self._note(_FILE_CALLS[call], path)

    def _opened(self, rest: str) -> None:
        path = self._path(rest)
        if "O_TMPFILE" in rest:
            way, path = "create", path + "/(a lease)"
        elif "O_CREAT" in rest:
            way = "create"
        elif "O_WRONLY" in rest or "O_RDWR" in rest:
            way = "write"
        else:
            way = "read"
        self._note(way, path)

    def _path(self, rest: str) -> str:
        """The path of a call, absolute; "" for none: a descriptor was meant."""
        linked = _LINKED.match(rest) or _BOTH_LINKED.match(rest)
        at = linked or _DIR_FD.match(rest)
        if at is not None:
            directory, name = at.groups()
            return os.path.normpath(os.path.join(directory, name)) if name else ""
        plain = _STARTED.match(rest)
        if plain is not None:
            return plain.group(1)
        fd = re.match(r"^\d+<([^>]*)>, NULL", rest)  # utimensat of a descriptor
        return fd.group(1) if fd is not None else ""

    def _note(self, way: str, path: str) -> None:
        if path and not _INTERPRETER.search(path):
            self.touched.add((way, self._named(path)))

    def _named(self, path: str) -> str:
        """The path in the document's words."""
        for pattern, word in self.names.items():
            path = re.sub(pattern, word, path)
        return path


def whole(text: str) -> list[str]:
    """The lines of a trace; a call that strace cut in two, because another thread made one meanwhile, in one piece."""
    lines = []
    begun: dict[str, str] = {}
    for line in text.splitlines():
        resumed = _RESUMED.match(line)
        if resumed is not None:
            line = begun.pop(resumed.group(1), "") + resumed.group(2)
        if line.endswith("<unfinished ...>"):
            begun[line.split(" ", 1)[0]] = line[: -len("<unfinished ...>")].rstrip()
        else:
            lines.append(line)
    return lines + list(begun.values())


def traced(host: Host, command: str, conf: dict[str, Any], scratch: Path, names: dict[str, str]) -> Traced:
    """The finished call and what it touched."""
    out = scratch / f"trace.{command}"
    wrapper = scratch / "traced"
    wrapper.write_text(f"#!/bin/sh\nexec strace -f -y -s 4096 -e signal=none -o {out} {host.plugin_file}\n")
    wrapper.chmod(0o755)
    reply = host.plugin(command, conf, exe=wrapper)
    return Traced(reply, out.read_text(errors="replace"), names)
