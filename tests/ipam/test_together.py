"""Ours and Go's in one network: each other's leases, and many processes at once."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cni_ptp.base.errors import CniError
from tests.ipam.calls import GO, addresses, environment, go, host_local, leases, ours, process, refused

PROCESSES = 64


def test_each_releases_the_others_lease(go_plugins: str, tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", "2001:db8:1::/64")
    ours("host-local", "ADD", conf, "a")
    assert go("host-local", "ADD", conf, "b")[0]
    assert go("host-local", "DEL", conf, "a")[0]
    assert set(leases(tmp_path)) == {"10.1.2.3", "2001:db8:1::3"}
    ours("host-local", "DEL", conf, "b")
    assert leases(tmp_path) == {}


def test_the_index_is_rebuilt_after_each_change_by_go(go_plugins: str, tmp_path: Path) -> None:
    """Alternating, nobody ever gets what the other has, whether it was taken or freed meanwhile."""
    conf = host_local(tmp_path, "10.1.2.0/29")
    given = []
    for name in "abcde":
        document = ours("host-local", "ADD", conf, name) if name in "ace" else go("host-local", "ADD", conf, name)[1]
        given += addresses(document)
    assert given == [f"10.1.2.{i}/29" for i in range(2, 7)]
    assert "no IP addresses available" in refused("host-local", "ADD", conf, "f").msg
    assert go("host-local", "DEL", conf, "b")[0]
    assert addresses(ours("host-local", "ADD", conf, "f")) == ["10.1.2.3/29"]


def one_process(number: int, conf: bytes) -> tuple[list[bytes], list[str]]:
    """ADD, DEL, ADD of one container, by ours or by Go's; what failing calls said, and the addresses it keeps."""
    argv = process("host-local") if number % 2 else [str(GO / "host-local")]
    failures: list[bytes] = []
    kept: list[str] = []
    for command in ("ADD", "DEL", "ADD"):
        done = subprocess.run(
            argv, input=conf, env=environment(command, f"c{number}"), capture_output=True, check=False
        )
        if done.returncode != 0:
            failures.append(done.stdout + done.stderr)
        if command == "ADD" and done.returncode == 0:
            kept = addresses(json.loads(done.stdout))
    return failures, kept


def test_64_processes_at_once_never_share_an_address_nor_lose_one(go_plugins: str, tmp_path: Path) -> None:
    """Half of them Go's; the range has exactly one address for each, so each must get one, down to the last."""
    whole = host_local(tmp_path, [{"subnet": "10.1.2.0/25", "rangeEnd": "10.1.2.65"}])
    conf = json.dumps(whole).encode()
    with ThreadPoolExecutor(PROCESSES) as pool:
        outcomes = list(pool.map(lambda n: one_process(n, conf), range(PROCESSES)))
    assert [f for failures, _ in outcomes for f in failures] == []
    given = [address for _, kept in outcomes for address in kept]
    assert len(given) == len(set(given)) == PROCESSES
    assert len(leases(tmp_path)) == PROCESSES
    assert "no IP addresses available" in refused("host-local", "ADD", whole, "late").msg
    for number in range(PROCESSES):
        ours("host-local", "DEL", whole, f"c{number}")
    assert leases(tmp_path) == {}


def test_a_lock_that_is_never_given_back_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fcntl import LOCK_EX, flock

    from cni_ptp.ipam import leases as module

    conf = host_local(tmp_path, "10.1.2.0/24")
    ours("host-local", "ADD", conf)
    holder = os.open(tmp_path / "net1" / "lock", os.O_RDONLY)
    flock(holder, LOCK_EX)
    monkeypatch.setattr(module.Leases.__init__, "__defaults__", (0.05,))
    try:
        assert refused("host-local", "DEL", conf).code == 11
    finally:
        os.close(holder)
    ours("host-local", "DEL", conf)


def test_state_files_are_for_root_alone(tmp_path: Path) -> None:
    ours("host-local", "ADD", host_local(tmp_path, "10.1.2.0/24"))
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "net1").iterdir()}
    assert modes == {"10.1.2.2": 0o600, "last_reserved_ip.0": 0o600, "lock": 0o600}


def test_an_unwritable_directory_is_reported_with_its_errno(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    e = refused("host-local", "ADD", host_local(tmp_path / "file", "10.1.2.0/24"))
    assert e.code == 104
    assert "ENOTDIR" in e.details


def test_two_networks_share_nothing(tmp_path: Path) -> None:
    for name in ("n1", "n2"):
        given = ours("host-local", "ADD", host_local(tmp_path, "10.1.2.0/24", name=name))
        assert addresses(given) == ["10.1.2.2/24"]
    ours("host-local", "DEL", host_local(tmp_path, "10.1.2.0/24", name="n1"))
    assert leases(tmp_path, "n1") == {}
    assert set(leases(tmp_path, "n2")) == {"10.1.2.2"}


def test_without_an_index_directory_calls_still_work(tmp_path: Path) -> None:
    (tmp_path / ".cni-ptp").write_text("in the way")
    conf = host_local(tmp_path, "10.1.2.0/29")
    for name in "abcde":
        ours("host-local", "ADD", conf, name)
    with pytest.raises(CniError):
        ours("host-local", "ADD", conf, "f")
    ours("host-local", "DEL", conf, "c")
    assert addresses(ours("host-local", "ADD", conf, "f")) == ["10.1.2.4/29"]


def test_a_signal_ends_the_wait_of_an_add_but_not_of_what_takes_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fcntl import LOCK_EX, flock

    from cni_ptp.ipam import leases as module
    from cni_ptp.system import signals

    conf = host_local(tmp_path, "10.1.2.0/24")
    ours("host-local", "ADD", conf)
    holder = os.open(tmp_path / "net1" / "lock", os.O_RDONLY)
    flock(holder, LOCK_EX)
    monkeypatch.setattr(signals, "_noted", [15])
    monkeypatch.setattr(signals, "_ignored", [])
    try:
        assert refused("host-local", "ADD", conf, "c2").msg == "stopped by a signal"
        monkeypatch.setattr(module.Leases.__init__, "__defaults__", (0.05,))
        assert refused("host-local", "DEL", conf).msg.startswith("wait for the lock")
    finally:
        os.close(holder)
