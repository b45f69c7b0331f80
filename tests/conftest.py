"""Fixtures for tests on a real kernel."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.another_user import pytest_collection_modifyitems  # noqa: F401  hook
from tests.namespaces import (
    REFERENCE,
    Host,
    empty_directory,
    new_mount_namespace,
    new_network_namespace,
    release_directory,
)
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401  hooks

ROOT = Path(__file__).resolve().parent.parent
# What tests make is not for the group to write, whatever the user's umask: such programs are not executed.
os.umask(0o022)


@pytest.fixture(scope="session")
def plugin_file() -> Path:
    """The built file; by whichever worker comes first, unless `make` has just done it.  PTP names another to test."""
    if "PTP" in os.environ:
        return Path(os.environ["PTP"])
    built = ROOT / "dist" / "ptp"
    with open(Path(tempfile.gettempdir()) / f"cni-ptp-build-{getpass.getuser()}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(p.stat().st_mtime for p in (ROOT / "cni_ptp").rglob("*.py"))
        if not built.exists() or built.stat().st_mtime < newest:
            subprocess.run(["make", "-s", "-C", str(ROOT), "build"], check=True, stdout=sys.stderr)
    return built


@pytest.fixture(scope="session")
def _mounts() -> None:
    new_mount_namespace()


@pytest.fixture
def go_plugins() -> str:
    """The directory of the Go plugins, the reference."""
    if not (REFERENCE / "ptp").exists():
        pytest.skip(f"needs the Go plugins in {REFERENCE} (Debian: containernetworking-plugins)")
    return str(REFERENCE)


@pytest.fixture
def host(_mounts: None, plugin_file: Path) -> Iterator[Host]:
    """A fresh host: an empty network namespace with its loopback up, empty /run and /var/lib/cni."""
    new_network_namespace()
    empty_directory("/run")
    empty_directory("/var/lib/cni")
    os.makedirs("/run/netns")
    made = Host(plugin_file)
    made.run("ip", "link", "set", "lo", "up")
    yield made
    for path in ("/run", "/var/lib/cni"):
        release_directory(path)


@contextlib.contextmanager
def iptables_of(host: Host, flavour: str) -> Iterator[None]:
    """The host's iptables works on that kernel interface."""
    directory = "/run/alternatives"
    os.mkdir(directory)
    for program in [f"ip{six}tables{verb}" for six in ("", "6") for verb in ("", "-restore", "-save")]:
        name, dash, verb = program.partition("-")
        os.symlink(f"/usr/sbin/{name}-{flavour}{dash}{verb}", f"{directory}/{program}")
    host.run("mount", "--bind", directory, "/etc/alternatives")
    try:
        yield
    finally:
        host.run("umount", "/etc/alternatives")


@pytest.fixture(params=["nft", "legacy"])
def iptables_flavour(request: pytest.FixtureRequest, host: Host) -> Iterator[str]:
    """Which kernel interface the host's iptables works on."""
    with iptables_of(host, request.param):
        yield str(request.param)


@pytest.fixture(params=["nftables", "iptables-nft", "iptables-legacy"])
def masquerader(request: pytest.FixtureRequest, host: Host) -> Iterator[str]:
    """What masquerades, as a value of "ipMasqBackend": nf_tables, or iptables of either flavour."""
    backend, _, flavour = str(request.param).partition("-")
    with iptables_of(host, flavour) if flavour else contextlib.nullcontext():
        yield backend
