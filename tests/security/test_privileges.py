"""Two capabilities are enough, and each of them is needed: docs/security.md, "Privileges"."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.namespaces import Host

NEEDED = ("net_admin", "sys_admin")
CONF: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "type": "ptp",
    "ipMasq": True,
    "antiSpoof": True,
    "logFile": "/run/ptp.log",
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/66"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    },
}


def restricted(host: Host, scratch: Path, *capabilities: str) -> Path:
    """The plugin, executed with these capabilities and no others, and without a way to gain more."""
    wrapper = scratch / "-".join(["with", *capabilities])
    kept = "".join([f",+{name}" for name in capabilities])
    options = f"--bounding-set=-all{kept} --inh-caps=-all{kept} --no-new-privs"
    wrapper.write_text(f"#!/bin/sh\nexec setpriv {options} {host.plugin_file}\n")
    wrapper.chmod(0o755)
    return wrapper


def test_every_verb_works_with_net_admin_and_sys_admin_alone(host: Host, tmp_path: Path) -> None:
    host.container()
    exe = restricted(host, tmp_path, *NEEDED)
    before = host.snapshot()
    host.plugin("STATUS", CONF, exe=exe).ok()
    added = host.plugin("ADD", CONF, exe=exe).ok()
    host.plugin("CHECK", {**CONF, "prevResult": added}, exe=exe).ok()
    host.plugin("DEL", CONF, exe=exe).ok()
    host.plugin("GC", {**CONF, "cni.dev/valid-attachments": []}, exe=exe).ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("missing", NEEDED)
def test_without_either_add_fails_and_leaves_nothing(host: Host, tmp_path: Path, missing: str) -> None:
    host.container()
    exe = restricted(host, tmp_path, *[name for name in NEEDED if name != missing])
    before = host.snapshot()
    error = host.plugin("ADD", CONF, exe=exe)
    assert error.status == 1 and "EPERM" in error.json["details"]
    assert error.json["code"] in (8, 100), "neither is worth trying again"
    assert host.snapshot() == before
    unserved = host.plugin("STATUS", CONF, exe=exe).error(50)
    assert f"CAP_{missing.upper()} is missing" in unserved["details"]


def test_a_umask_of_0_gives_nobody_else_a_way_in(host: Host) -> None:
    host.container()
    before = os.umask(0)
    try:
        host.plugin("ADD", CONF).ok()
    finally:
        os.umask(before)
    made = [Path("/run/ptp.log"), *Path("/run/cni-ptp").rglob("*"), *Path("/var/lib/cni").rglob("*")]
    assert len(made) > 8
    assert [str(p) for p in made if not p.is_symlink() and p.stat().st_mode & 0o022] == []
