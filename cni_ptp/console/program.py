"""The file this program was started from, and how one for a given Python is made of the sources it carries."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

from ..errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from . import pack

_MAIN = pack.PACKAGE + "/main.py"
# Runs in the Python that the file is for: bytecode is bound to one version.  argv: the sources' root, the interpreter.
_PACKER = """\
import os, sys
root, interpreter = sys.argv[1:]
sys.path.insert(0, root)
from cni_ptp.console import pack
if os.path.isdir(root):
    sources = pack.sources_in(root)
else:
    with open(root, "rb") as f:
        sources = pack.sources_of(f.read())
sys.stdout.buffer.write(pack.pack(sources, interpreter, "{}.{}".format(*sys.version_info)))
"""
_PACKING_S = 120


def path() -> str | None:
    """The absolute path of the built file we run from; None if we run from sources."""
    name = os.path.abspath(sys.argv[0])
    return name if is_ours(name) else None


def is_ours(name: str) -> bool:
    """Whether the file at that path is one that `make` or `ptp install` built, of whatever version."""
    try:
        with zipfile.ZipFile(name) as archive:
            return _MAIN in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def interpreter_of(content: bytes) -> str:
    """What the shebang line of a file names; "" if it has none."""
    line = content[:256].partition(b"\n")[0]
    return line[2:].split(b" ")[0].decode("utf-8", "replace") if line.startswith(b"#!") else ""


def built(interpreter: str) -> bytes:
    """The one file that `interpreter`, an absolute path, runs fastest.  CniError 4 if that is no Python 3.9+."""
    root = path()
    if root is None:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # Hash seed and options as tools/build_ptp.py has them: the same bytes as `make` builds.
    argv = [interpreter, *pack.OPTIONS, "-c", _PACKER, root, interpreter]
    environ = {"PYTHONHASHSEED": "0", "PATH": os.defpath}
    about = f"build the plugin for {interpreter}"
    try:
        done = subprocess.run(  # noqa: S603  the interpreter that root names
            argv, env=environ, capture_output=True, check=False, timeout=_PACKING_S
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, str(e)) from None
    if done.returncode or not done.stdout:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, words[-1] if words else "it is no Python 3")
    return done.stdout


def own_interpreter() -> str:
    """The Python for files built here: the one of the file we run from, else the system's, else the one running."""
    name = path()
    if name is not None:
        with open(name, "rb") as f:
            found = interpreter_of(f.read(256))
        if os.access(found, os.X_OK):
            return found
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else os.path.realpath(sys.executable)
