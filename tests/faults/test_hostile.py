"""Malformed input: each has its code and no effect."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.faults.hostile import GROUPS, Case
from tests.namespaces import Host, refuse_initial_namespace

PARTS = 4
_MOST_S = 60  # for an answer, on the busiest machine


def refused(host: Host, case: Case) -> str:
    """What was wrong with the answer; "" if it was the right error document."""
    refuse_initial_namespace()
    env = {**host.environment(case.command, "c1", "/run/netns/c1", "eth0", "/usr/lib/cni", ""), **case.env}
    raw = case.conf if isinstance(case.conf, bytes) else json.dumps(case.conf).encode()
    done = subprocess.run([host.plugin_file], input=raw, env=env, capture_output=True, check=False, timeout=_MOST_S)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return f"{case}: status {done.returncode}, {done.stdout!r}, {done.stderr.decode()[-500:]}"
    if (done.returncode, document.get("code"), done.stderr) != (1, case.code, b""):
        return f"{case}: status {done.returncode}, {str(document)[:300]} {done.stderr.decode()[-500:]}"
    return "" if document["msg"] and "cniVersion" in document else f"{case}: {document}"


def test_there_are_at_least_300_cases() -> None:
    assert sum(len(list(group())) for group in GROUPS.values()) >= 300


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("group", list(GROUPS))
def test_malformed_input_has_its_code_and_no_effect(host: Host, group: str, part: int) -> None:
    host.container()
    before = host.snapshot()
    problems = [refused(host, case) for case in list(GROUPS[group]())[part::PARTS]]
    assert not any(problems), "\n".join(p for p in problems if p)
    assert host.snapshot() == before
    assert not os.path.exists("/var/lib/cni/networks")
