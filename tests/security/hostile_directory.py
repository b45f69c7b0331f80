"""A directory where every name that a Python or a shell might look for is a trap, and an environment that leads there.

A trap that is executed leaves its name in a file, and lets the caller go on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("cni_ptp", "cni_ptp/console", "cni_ptp/netlink", "encodings", "importlib", "json", "collections", "ctypes")
_PYTHON_TRAP = """\
import posix
fd = posix.open({mark!r}, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o644)
posix.write(fd, {name!r}.encode() + b"\\n")
posix.close(fd)
"""
_C_TRAP = """\
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void trap(void) {
    int fd = open(MARK, O_WRONLY | O_CREAT | O_APPEND, 0644);
    write(fd, "a C module\\n", 11);
    close(fd);
}
"""
PROGRAMS = ("python3", "ip", "mount", "unshare", "iptables", "iptables-restore", "git", "sh", "env", "nft", "modprobe")


class HostileDirectory:
    """path: the directory.  environ: variables that lead Python and programs there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = path.parent / "executed"
        self._modules()
        self._c_modules()
        self._programs()
        self.environ = self._environ()

    def executed(self) -> list[str]:
        """Return the names of the traps that somebody executed since the last question."""
        if not self.mark.exists():
            return []
        names = self.mark.read_text().split("\n")
        self.mark.unlink()
        return [name for name in names if name]

    def _trap(self, name: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_PYTHON_TRAP.format(mark=str(self.mark), name=name))

    def _modules(self) -> None:
        ours = [path.stem for path in (ROOT / "cni_ptp").rglob("*.py")]
        ours += [path.stem for path in (ROOT / "tools").glob("*.py")]
        customised = ["site", "sitecustomize", "usercustomize", "startup", "antigravity", "__main__"]
        for name in {*_standard_library(), *ours, *customised}:
            self._trap(f"{name}.py")
        for package in _PACKAGES:
            self._trap(f"{package}/__init__.py")
        (self.path / "trap.pth").write_text("import startup\n")
        (self.path / "pyvenv.cfg").write_text(f"home = {self.path}\ninclude-system-site-packages = true\n")

    def _c_modules(self) -> None:
        source = self.path.parent / "trap.c"
        source.write_text(_C_TRAP)
        library = self.path.parent / "trap.so"
        argv = ["gcc", "-shared", "-fPIC", f'-DMARK="{self.mark}"', "-w", "-o", str(library), str(source)]
        subprocess.run(argv, check=True)
        for name in ("_json", "_socket", "_struct", "fcntl", "_sha512", "_sha2", "_ctypes", "zlib"):
            for ending in (
                ".so",
                ".abi3.so",
                f".cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu.so",
            ):
                os.link(library, self.path / f"{name}{ending}")

    def _programs(self) -> None:
        for name in PROGRAMS:
            program = self.path / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(
                f"#!/bin/sh\necho 'program {name}' >>{self.mark}\nPATH=/usr/sbin:/usr/bin exec {name} \"$@\"\n"
            )
            program.chmod(0o755)

    def _environ(self) -> dict[str, str]:
        home = self.path.parent / "home"
        site = home / ".local/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        site.mkdir(parents=True)
        for name in ("usercustomize.py", "sitecustomize.py"):
            (site / name).write_text(_PYTHON_TRAP.format(mark=str(self.mark), name=f"user's {name}"))
        (site / "trap.pth").write_text("import usercustomize\n")
        here = str(self.path)
        return {
            "HOME": str(home),
            "PATH": f":.:{here}/bin:/usr/sbin:/usr/bin",
            "PYTHONPATH": here,
            "PYTHONSTARTUP": f"{here}/startup.py",
            "PYTHONHOME": here,
            "PYTHONINSPECT": "1",
            "PYTHONUSERBASE": str(home / ".local"),
            "PYTHONPYCACHEPREFIX": f"{here}/pycache",
            "PYTHONBREAKPOINT": "startup.breakpoint",
            "PYTHONWARNINGS": "error::startup.Warning",
            "PYTHONHASHSEED": "7",
            "PYTHONOPTIMIZE": "2",
        }


def _standard_library() -> set[str]:
    """Return the names of the modules of the standard library."""
    if sys.version_info >= (3, 10):
        return {name for name in sys.stdlib_module_names if name.isidentifier()}
    return {path.stem for path in Path(os.__file__).parent.iterdir() if path.stem.isidentifier()}
