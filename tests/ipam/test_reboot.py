"""Leases from before the boot are void; those of this boot, and those of addresses in use, are not.

The boot is faked: a boot id of our own is mounted over the kernel's, and leases are given times.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_ptp.ipam import reboot as boot
from tests.ipam.calls import addresses, go, host_local, leases, ours, refused
from tests.namespaces import MNT_DETACH, Host, _call

BOOT_ID = b"/proc/sys/kernel/random/boot_id"
LONG_AGO = 86400 * 365


@pytest.fixture
def reboot(host: Host, tmp_path: Path) -> Iterator[None]:
    """From now on the kernel's boot id is another one; undone at the end."""
    fake = tmp_path / "boot_id"
    fake.write_text(f"{uuid.uuid4()}\n")
    _call("mount", str(fake).encode(), BOOT_ID, None, 4096, None)  # MS_BIND
    yield
    _call("umount2", BOOT_ID, MNT_DETACH)


def age(data_dir: Path, *names: str) -> None:
    """The leases are from long before the boot."""
    for name in names or leases(data_dir):
        path = data_dir / "net1" / name
        then = path.stat().st_mtime - LONG_AGO
        os.utime(path, (then, then))


def test_a_full_range_is_usable_again_after_a_reboot(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    conf = host_local(tmp_path / "d", "10.1.2.0/29")
    for name in "abcde":
        ours("host-local", "ADD", conf, name)
    assert refused("host-local", "ADD", conf, "f").code == 103
    age(tmp_path / "d")
    request.getfixturevalue("reboot")
    assert addresses(ours("host-local", "ADD", conf, "f")) == ["10.1.2.2/29"]
    assert leases(tmp_path / "d") == {"10.1.2.2": b"f\r\neth0"}


def test_an_address_in_use_is_never_handed_out(host: Host, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Its lease looks old, but the host has a route to it: kept, whoever holds it."""
    conf = host_local(tmp_path / "d", "10.1.2.0/29")
    for name in "abcde":
        ours("host-local", "ADD", conf, name)
    age(tmp_path / "d")
    host.run("ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1")
    host.run("ip", "link", "set", "d0", "up")
    host.run("ip", "route", "add", "10.1.2.2/32", "dev", "d0")
    host.run("ip", "address", "add", "10.1.2.5/32", "dev", "d0")
    request.getfixturevalue("reboot")
    given = [addresses(ours("host-local", "ADD", conf, name))[0] for name in "fgh"]
    assert sorted(given) == ["10.1.2.3/29", "10.1.2.4/29", "10.1.2.6/29"]
    assert refused("host-local", "ADD", conf, "i").code == 103


def test_a_default_route_does_not_mean_in_use(host: Host, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    conf = host_local(tmp_path / "d", "10.1.2.0/30")
    ours("host-local", "ADD", conf, "a")
    age(tmp_path / "d")
    host.run("ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1")
    host.run("ip", "link", "set", "d0", "up")
    host.run("ip", "route", "add", "default", "dev", "d0")
    request.getfixturevalue("reboot")
    assert addresses(ours("host-local", "ADD", conf, "b")) == ["10.1.2.2/30"]


def test_what_go_leased_since_the_boot_stays(
    go_plugins: str, host: Host, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    conf = host_local(tmp_path / "d", "10.1.2.0/29")
    ours("host-local", "ADD", conf, "a")
    age(tmp_path / "d")
    request.getfixturevalue("reboot")
    assert go("host-local", "ADD", conf, "b")[0]  # before our first call of this boot
    assert addresses(ours("host-local", "ADD", conf, "c")) == ["10.1.2.4/29"]
    assert set(leases(tmp_path / "d").values()) == {b"b\r\neth0", b"c\r\neth0"}


def test_leases_of_this_boot_outlive_a_lost_index(host: Host, tmp_path: Path, reboot: None) -> None:
    conf = host_local(tmp_path / "d", "10.1.2.0/29")
    ours("host-local", "ADD", conf, "a")
    ours("host-local", "ADD", conf, "b")
    for path in sorted((tmp_path / "d" / ".cni-ptp").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    ours("host-local", "ADD", conf, "c")
    assert len(leases(tmp_path / "d")) == 3


def test_only_this_boots_index_is_kept(host: Host, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    conf = host_local(tmp_path / "d", "10.1.2.0/29")
    ours("host-local", "ADD", conf, "a")
    ours("host-local", "ADD", {**conf, "name": "net1b"}, "a")
    request.getfixturevalue("reboot")
    ours("host-local", "ADD", conf, "b")
    names = sorted(p.name.partition("@")[0] for p in (tmp_path / "d" / ".cni-ptp").iterdir())
    assert names == ["net1", "net1b"]


def test_a_clock_set_forward_after_the_boot_voids_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """btime moves with the clock; the kernel's own files show what it said at boot."""
    made = os.stat("/dev/full").st_mtime_ns
    assert 0 < boot.began_ns() < made
    monkeypatch.setattr(boot, "_MADE_AT_BOOT", "/proc/self/no-such-file")
    assert boot.began_ns() == 0
