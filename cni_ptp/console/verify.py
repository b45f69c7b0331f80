"""ptp verify: whether a built file is what the sources inside it make, without a checkout."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import stat
import sys
from importlib.util import MAGIC_NUMBER

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from ..bundle import built_file, pack
from .terminal import Terminal

ABOUT = """\
Compiles the sources inside a built file again and compares the whole file with
what they make, byte for byte: first line, launch code, index, the bytecode of
each module, the archive. Executes nothing of the file, neither its code nor the
Python that it names. What then is left to judge are the sources: --verbose
prints their hashes, and `unzip` takes them out.
The judge is the ptp that you call: take one that you trust. The bytecode of one
version of Python can be compared by that version only.
Exit status: 0 if the file is what its sources make; 1 if not; 3 if that
cannot be told: another version of Python is needed, or it cannot be read.
"""
EXAMPLES = """\
examples:
  ptp verify /opt/cni/bin/ptp             one line, and the exit status
  ptp verify --verbose /opt/cni/bin/ptp   also the SHA-256 of each source
"""
_OTHER_PYTHON = 3
_BUILT_FOR = re.compile(rb"^# Python (3\.\d{1,2}), then a zip archive of the sources,", re.MULTILINE)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="the built file")
    parser.add_argument(
        "--python", metavar="PATH", help="the Python that its first line must name (the one that this ptp is for)"
    )
    parser.add_argument("--verbose", action="store_true", help="print SHA-256 sums, and every difference")


def run(options: argparse.Namespace) -> int:
    """Print the verdict and return the exit status."""
    terminal = Terminal()
    path = options.file
    content = _content(path)
    needed = _needed_python(content)
    running = "{}.{}".format(*sys.version_info)
    if needed not in ("", running):
        command = f"python{needed} -I -S {built_file.path() or 'ptp'} verify {path}"
        terminal.say(f"not compared: {path} was built for Python {needed}, and this is Python {running}: {command}")
        return _OTHER_PYTHON
    interpreter = options.python or built_file.own_interpreter()
    named = built_file.interpreter_of(content)
    found = [] if named == interpreter else [f"its first line names {ascii(named)}, not {interpreter} (--python)"]
    found += built_file.differences(content, interpreter if not found else named)
    if found:
        terminal.say(f"NOT verified: {path}: {found[0]}")
        for difference in found[1:] if options.verbose else ():
            terminal.say(f"  {difference}")
        return 1
    sources = pack.sources_of(content)
    if options.verbose:
        for name, source in sorted(sources.items()):
            terminal.say(f"{hashlib.sha256(source).hexdigest()}  {name}")
        terminal.say(f"{hashlib.sha256(content).hexdigest()}  {path}")
    made = f"what the {len(sources)} files in it make for {interpreter}, Python {running}"
    terminal.say(f"verified: {path} is {made}, byte for byte")
    return 0


def _content(path: str) -> bytes:
    """Return the bytes of the file.  CniError 4 if it is none, or larger than any of ours; OSError."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as f:
        status = os.fstat(f.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > built_file.MOST_SIZE:
            details = f"it is not a regular file of at most {built_file.MOST_SIZE} bytes"
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"verify {path}", details)
        return f.read(built_file.MOST_SIZE)


def _needed_python(content: bytes) -> str:
    """Return the version of Python whose bytecode the file has, "" if it is ours, or if the head does not tell.

    The head may lie: then the comparison finds it.
    """
    head = content[: pack.HEAD_SIZE]
    version = _BUILT_FOR.search(head)
    if version is None or f"MAGIC_NUMBER == {MAGIC_NUMBER!r}:".encode() in head:
        return ""
    return version[1].decode()
