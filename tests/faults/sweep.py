"""Faults injected at each system call of a call, by strace on the built file, and what must be true afterwards."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.faults.no_tmpfile import wrapped
from tests.namespaces import Host

# What each system call may be refused with; where several, the first is the one of the short sweep.
ERRNOS: dict[str, tuple[str, ...]] = {
    "openat": ("EIO", "EMFILE", "EACCES", "ENOSPC"),
    "read": ("EIO",),
    "write": ("ENOSPC", "EIO"),
    "sendto": ("ENOBUFS", "EPERM", "EINTR"),
    "recvmsg": ("ENOBUFS", "EINTR", "EAGAIN", "ENOMEM"),
    "socket": ("EMFILE", "EPERM"),
    "setsockopt": ("ENOPROTOOPT", "EPERM"),
    "setns": ("EPERM", "ENOMEM"),
    "ioctl": ("EPERM",),
    "fcntl": ("ENOLCK",),
    "flock": ("EINTR", "ENOLCK"),
    "renameat": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO",),
    "linkat": ("ENOSPC", "EIO", "EPERM"),
    "symlinkat": ("ENOSPC",),
    "readlinkat": ("EIO",),
    "mkdir": ("ENOSPC", "EROFS"),
    "unlinkat": ("EIO", "EROFS"),
    "utimensat": ("EPERM",),
    "pwrite64": ("ENOSPC",),
    "pread64": ("EIO",),
    "newfstatat": ("EIO",),
    "memfd_create": ("EMFILE",),
    "pipe2": ("EMFILE",),
    "vfork": ("EAGAIN",),
    "clone3": ("ENOSYS",),
    "clone": ("EAGAIN",),
}
_LINE = re.compile(r"^\d+ +(\w+)\((.*)$")


# Calls that may also return with nothing done.
SHORT = ("recvmsg", "write")
ECONNREFUSED = 111


class Point:
    """The n-th invocation of a system call by one of the plugin's threads."""

    def __init__(self, name: str, when: int) -> None:
        self.name = name
        # Up to Python 3.11 a setns that is refused is asked for once more: by what tells why.
        self.when = f"{when}..{when + 1}" if name == "setns" else str(when)

    def __str__(self) -> str:
        return f"{self.name} {self.when}"


class Call:
    """A plugin call that can be made again and again in the same state of the host.

    path: CNI_PATH.  no_tmpfile: the errno that the kernel refuses a nameless file with, if it does.
    exe: the built file, or a link to it.
    """

    def __init__(
        self, host: Host, configuration: dict[str, Any], path: str = "", no_tmpfile: str = "", exe: Path | None = None
    ) -> None:
        self.host = host
        self.configuration = configuration
        self.path = path
        self.no_tmpfile = no_tmpfile
        self.exe = exe or host.plugin_file

    def run(
        self, command: str, inject: str = "", trace: str = "", netns: str = "/run/netns/c1"
    ) -> subprocess.CompletedProcess[bytes]:
        """One call, under strace if something is to be injected or traced."""
        environ = self.host.environment(command, "c1", netns, "eth0", self.path, "")
        argv = [str(self.exe)]
        if inject or trace:
            output = trace or "/dev/null"
            # A delegate has counts of its own, and faults of its own are its own business.
            follow = [] if inject and self.path else ["-f"]
            argv = [
                str(shutil.which("strace")),
                *follow,
                "-qq",
                "-o",
                output,
                *([f"--inject={inject}"] if inject else []),
                *argv,
            ]
        if self.no_tmpfile:
            argv = wrapped(self.no_tmpfile, argv)
        stdin = json.dumps(self.configuration).encode()
        return subprocess.run(argv, input=stdin, env=environ, capture_output=True, timeout=120)

    def points(self, command: str) -> list[Point]:
        """Every system call from the first that depends on the call on, of those in ERRNOS; not of its children."""
        done = self.run(command, trace="/run/trace")
        assert done.returncode == 0, done.stdout
        lines = Path("/run/trace").read_text(errors="replace").splitlines()
        main = lines[0].split()[0]
        children = {line.split()[0] for line in lines[1:] if " execve(" in line}
        counts: dict[tuple[str, str], int] = {}
        points: dict[tuple[str, int], Point] = {}
        begun = False
        for line in lines:
            match = _LINE.match(line)
            thread = line.split()[0]
            # A delegate of Go has threads of its own, so there only our first one is sure to be ours.
            if match is None or (thread != main and (self.path or thread in children)):
                continue
            name, arguments = match.groups()
            counts[thread, name] = counts.get((thread, name), 0) + 1
            begun = begun or "/run/cni-ptp" in arguments or "/run/netns/c1" in arguments
            if begun and name in ERRNOS and "resumed>" not in line and "python3" not in arguments:
                place = (name, counts[thread, name])
                points.setdefault(place, Point(*place))
        return list(points.values())


def judged(call: Call, done: subprocess.CompletedProcess[bytes], before: dict[str, Any]) -> str:
    """What is wrong after an ADD with a fault; "" if it failed and left nothing, or succeeded and works."""
    if done.returncode == 0:
        result = json.loads(done.stdout)
        checking = Call(call.host, {**call.configuration, "prevResult": result}, call.path, call.no_tmpfile)
        checked = checking.run("CHECK")
        if checked.returncode:
            return f"ADD succeeded, CHECK does not: {checked.stdout.decode()}"
        for ip in result["ips"]:
            if not is_reachable(ip["address"].split("/")[0]):
                return f"ADD succeeded, {ip['address']} cannot be reached"
        call.run("DEL")
        if call.host.snapshot() != before:
            return "ADD succeeded, DEL left something"
        return ""
    if done.returncode != 1:
        return f"exit status {done.returncode}: {done.stderr.decode()[-300:]}"
    words = answer_of(done)
    if words:
        return words
    if call.host.snapshot() != before:
        return f"left after {done.stdout.decode()[:300]}: {difference(before, call.host.snapshot())}"
    return ""


def is_reachable(address: str) -> bool:
    """Whether packets get to the address and back: a closed port says so."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.settimeout(60)
        return probe.connect_ex((address, 9)) == ECONNREFUSED


def answer_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """What is wrong with a failed call's answer; "" if it is one error document, or none as stdout was refused."""
    if b"Traceback" in done.stderr:
        return done.stderr.decode()[-500:]
    if not done.stdout:
        return ""
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return "" if done.stdout.startswith(b"{") else f"no document: {done.stdout.decode()[:200]}"
    if document.get("code") == 999:
        return f"internal error: {document}"
    return "" if {"code", "msg", "cniVersion"} <= document.keys() else f"no error document: {document}"


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What two snapshots differ in."""
    return {key: after[key] for key in after if after[key] != before[key]}
