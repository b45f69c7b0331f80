"""Checkouts of the sources, and the files that the Pythons of this machine build of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


def interpreters() -> Iterator[str]:
    """The real path of each supported Python that PATH finds, and of the one that runs this test."""
    seen = set()
    for name in [sys.executable, "/usr/bin/python3", *[f"python{minor}" for minor in MINORS]]:
        asked = [name, "-c", "import os, sys; print(os.path.realpath(sys.executable))"]
        if shutil.which(name):
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout not in seen:  # pyenv has names for what it cannot run
                seen.add(done.stdout)
                yield done.stdout.strip()


def built_by(python: str, directory: Path, root: Path = ROOT, **environ: str) -> Path:
    """The file that `python` builds from the sources under `root`."""
    command = [python, str(root / "tools/build_ptp.py"), "build", "--interpreter", python, "--to", str(directory)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environ})
    return directory / "ptp"


def checkout(directory: Path) -> Path:
    """A copy of the sources, that nobody edits meanwhile."""
    for name in ("cni_ptp", "tools"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "LICENSE", directory)
    return directory


def launch_code(built: Path) -> str:
    """What the shebang line has Python do."""
    return built.read_bytes().split(b"\n", 1)[0].split(b" -ISc", 1)[1].decode()
