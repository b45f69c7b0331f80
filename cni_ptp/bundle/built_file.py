"""The file this program was started from, and how one for a given Python is made, or verified, by a Python.

Needed as long as a built file has bytecode, which is bound to one version of Python: see launch.
"""

from __future__ import annotations

import marshal
import os
import sys
import zipfile

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from ..system import spawn
from . import comparison, manifest, pack

_MAIN = pack.PACKAGE + "/main.py"
# Runs in the Python that the file is for: bytecode is bound to one version.  argv: the sources' root, the interpreter.
# The root comes last: the standard library is never looked for in it.  Up to 3.10 marshalled code also depends on what
# strings the process holds, so that every built file is made by these very lines and modules.
_PACKER = """\
import marshal, sys
root, interpreter = sys.argv[1:]
sys.path.append(root)
from cni_ptp.bundle import pack
sources = marshal.loads(sys.stdin.buffer.read())
sys.stdout.buffer.write(pack.pack(sources, interpreter, "{}.{}".format(*sys.version_info)))
"""
_COMPARER = """\
import marshal, sys
sys.path.append(sys.argv[1])
from cni_ptp.bundle import comparison
print("\\n".join([ascii(line)[1:-1] for line in comparison.compared(*marshal.loads(sys.stdin.buffer.read()))]))
"""
_PLAIN = 0  # the version of marshal's format that every Python reads, and in which no string is interned
_PACKING_S = 120.0
MOST_SIZE = 16 << 20  # bytes of a built file


def path() -> str | None:
    """Return the absolute path of the built file we run from; None if we run from sources."""
    name = os.path.abspath(sys.argv[0])
    return name if is_ours(name) else None


def is_ours(name: str) -> bool:
    """Return whether the file at that path is one that `make` or `ptp install` built, of whatever version."""
    try:
        with zipfile.ZipFile(name) as archive:
            return _MAIN in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def interpreter_of(content: bytes) -> str:
    """Return what the shebang line of a file names; "" if it has none."""
    line = content[:256].partition(b"\n")[0]
    return line[2:].split(b" ")[0].decode("utf-8", "replace") if line.startswith(b"#!") else ""


def built(interpreter: str) -> bytes:
    """Return the one file that `interpreter`, an absolute path, runs fastest.  CniError 4 if that is no Python 3.9+."""
    root = _root()
    if os.path.isdir(root):
        sources = pack.sources_in(root, manifest.FILES)
    else:
        with open(root, "rb") as f:
            sources = pack.sources_of(f.read())
    return packed(sources, interpreter, interpreter)


def packed(sources: dict[str, bytes], interpreter: str, packer: str) -> bytes:
    """Return the one file made of these sources by the Python `packer`, for `interpreter`.

    CniError 4 if that fails.
    """
    stdin = marshal.dumps(dict(sorted(sources.items())), _PLAIN)
    return _printed(packer, _PACKER, [_root(), interpreter], stdin, f"build the plugin for {interpreter}")


def differences(content: bytes, interpreter: str) -> list[str]:
    """Return where a built file differs from what its own sources make for `interpreter`, in the running Python."""
    try:
        sources = pack.sources_of(content)
    except comparison.UNREADABLE as e:
        return [f"its archive cannot be read: {e}"]
    found = comparison.unlisted(sources)
    try:
        expected = packed(sources, interpreter, sys.executable)
    except CniError as e:
        return [*found, f"its sources cannot be packed: {e.details}"]
    if expected != content:
        stdin = marshal.dumps((content, expected), _PLAIN)
        found += (
            _printed(sys.executable, _COMPARER, [_root()], stdin, "compare").decode("ascii", "replace").splitlines()
        )
        if sources.get(comparison.PACK) != _own(comparison.PACK):
            found.append(f"{comparison.PACK} is not ours: a file is verified by the ptp of its own version")
    return found


def _own(name: str) -> bytes | None:
    """Return one of the sources that we run from."""
    root = _root()
    if os.path.isdir(root):
        with open(os.path.join(root, name), "rb") as f:
            return f.read()
    with zipfile.ZipFile(root) as archive:
        return archive.read(name)


def _printed(interpreter: str, code: str, argv: list[str], stdin: bytes, about: str) -> bytes:
    """Return what `code` printed, run by that Python with the options for packing.  CniError 4 if it failed."""
    try:
        done = spawn.python(
            interpreter, code, argv, stdin, options=pack.OPTIONS, time_s=_PACKING_S, most_output=MOST_SIZE
        )
    except PermissionError as e:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, e.strerror or str(e)) from None
    except (OSError, spawn.LimitExceeded) as e:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, str(e)) from None
    if done.status or not done.out:
        words = done.err.decode("utf-8", "replace").strip().splitlines()
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, words[-1] if words else f"{interpreter} is no Python 3")
    return done.out


def _root() -> str:
    """Return where our own sources are: the built file we run from, or the directory of the package."""
    return path() or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def own_interpreter() -> str:
    """Return the Python for files built here.

    The one of the file we run from, else the system's, else the running one.
    """
    name = path()
    if name is not None:
        with open(name, "rb") as f:
            found = interpreter_of(f.read(256))
        if os.access(found, os.X_OK):
            return found
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else os.path.realpath(sys.executable)
