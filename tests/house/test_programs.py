"""Whatever program a test, a tool, the Makefile or CI starts is in a package that `make` installs before."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.started import ROOT, files, packages, programs

pytestmark = pytest.mark.skipif(
    not shutil.which("dpkg-query"),
    reason="needs dpkg-query: only Debian and its kin know which package a program is in",
)
DIRECTORIES = "/usr/sbin:/usr/bin:/sbin:/bin"
FIRST = {"git", "make", "python3", "ca-certificates"}  # README: what there must be before
# Programs that `make test` does without; where they are installed, this is compared as well.
ELSEWHERE = {
    "containerd": "containerd", "ctr": "containerd", "podman": "podman", "curl": "curl", "busybox": "busybox-static",
    "debootstrap": "debootstrap", "qemu-system-x86_64": "qemu-system-x86", "cpio": "cpio", "depmod": "kmod",
    "pivot_root": "util-linux", "update-ca-certificates": "ca-certificates",
}  # fmt: skip
# Of an installation of Python versions, used where it is found.
OPTIONAL = {"pyenv"}
# Words of tests that are no programs there, though some package has a program of that name.
WORDS = {"?host", "?route", "?pytest", "?file"}
# The target that runs a file, where `make test` does not, and the packages of the Debian that it runs it in.
TARGETS = {
    "tests/e2e/": "e2e", "tools/busybox_image.py": "e2e", "tests/hosts/": "hosts", "tools/debian_root.sh": "hosts",
    "tests/vm/": "vm",
}  # fmt: skip
INSIDE = {"tests/vm/run.sh": {"kmod"}, "tests/vm/init.sh": {"iproute2", "nftables", "kmod"}}


def query(*argv: str) -> str:
    """What dpkg-query prints; of a package or file that it does not know, nothing."""
    environ = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(["dpkg-query", *argv], capture_output=True, text=True, check=False, env=environ).stdout


@functools.cache
def owner(program: str) -> str:
    """The package that an installed program is of; "" if there is none, or it is not installed."""
    path = shutil.which(program, path=DIRECTORIES)
    if path is None:
        return ""
    for one in (path, os.path.realpath(path)):
        # The package may have it in /bin, where /bin is /usr/bin.
        other = one[len("/usr") :] if one.startswith("/usr/") else "/usr" + one
        lines = [line for line in query("-S", one, other).splitlines() if not line.startswith("diversion ")]
        if lines:
            return lines[0].split(":")[0].split(",")[0]
    return ""


@pytest.fixture(scope="module")
def installed() -> dict[str, tuple[bool, set[str], set[str]]]:
    """Of each installed package: whether every Debian has it, what it depends on, what else it is called."""
    form = "${Package}\t${Essential}\t${Priority}\t${Pre-Depends},${Depends}\t${Provides}\n"
    found = {}
    for line in query("-W", f"-f={form}").splitlines():
        name, essential, priority, needs, provides = line.split("\t")
        always = essential == "yes" or priority == "required" or name == "apt"
        found[name] = (always, set(re.findall(r"(?:^|[,|])\s*([a-z0-9+.-]+)", needs)),
                       set(re.findall(r"(?:^|,)\s*([a-z0-9+.-]+)", provides)))  # fmt: skip
    return found


def closure(wanted: set[str], installed: dict[str, tuple[bool, set[str], set[str]]]) -> set[str]:
    """What is there when these packages are installed in a minimal Debian."""
    names = wanted | {name for name, (always, _, _) in installed.items() if always}
    while True:
        needs = set().union(*[installed[name][1] for name in names if name in installed])
        more = {name for name, (_, _, called) in installed.items() if name in needs or called & needs} - names
        if not more:
            return names
        names |= more


def allowed(path: str, installed: dict[str, tuple[bool, set[str], set[str]]]) -> set[str]:
    """The packages whose programs the file may start."""
    of_target = packages()
    wanted = set(of_target[next((target for start, target in TARGETS.items() if path.startswith(start)), "test")])
    return closure(wanted | FIRST | INSIDE.get(path, set()), installed)


@pytest.mark.parametrize("path", [str(path.relative_to(ROOT)) for path in files()])
def test_every_program_is_in_a_package_that_make_installs(
    path: str, installed: dict[str, tuple[bool, set[str], set[str]]]
) -> None:
    may = allowed(path, installed)
    problems = []
    for name in sorted(programs(ROOT / path) - WORDS):
        program = name.lstrip("?")
        if program in OPTIONAL:
            continue
        package = ELSEWHERE.get(program) or owner(program)
        if (package or name == program) and package not in may:
            problems.append(f"{program} is in {package or 'no package that is installed here'}")
    assert problems == []


@pytest.mark.parametrize("program", list(ELSEWHERE))
def test_a_program_that_is_listed_is_in_its_package(program: str) -> None:
    assert owner(program) in ("", ELSEWHERE[program])


def test_the_programs_of_scripts_python_and_the_makefile_are_found(tmp_path: Path) -> None:
    script = tmp_path / "a.sh"
    script.write_text(
        "x=$(tr a b) || one | two >three & sh -c 'four; \"five\"'\nf() { six; }\nf\ncase $x in seven) ;; esac\n"
    )
    assert programs(script) == {"tr", "one", "two", "sh", "four", "five", "six"}
    python = tmp_path / "a.py"
    python.write_text(
        'S = "seven"\nargv = ["one", "x"]\nhost.run("two", "x")\nhost.run("sh", "-c", S)\nx.other("three")\n'
    )
    assert programs(python) == {"?one", "two", "sh", "seven"}
    assert {"sed", "id", "nproc"} <= programs(ROOT / "Makefile")
    assert "procps" in packages()["test"] and "podman" in packages()["e2e"]
