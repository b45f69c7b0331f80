"""list, show, doctor, check and CHECK tell the same of every single damage, word for word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.console.people import CONF_DIR, ask, configure
from tests.console.runtime import remember, told
from tests.faults.damages import CONF, DAMAGES
from tests.namespaces import Host

# What only the runtime knew: what is put together without it tells nothing of these.
ONLY_REMEMBERED = ("ip link set eth0 address", "ip link set eth0 mtu 1399", "ip link set VETH address")


def damaged(host: Host, where: str, damage: str, remembered: bool) -> Any:
    """CHECK's error after the damage."""
    configure(CONF)
    container = host.container("c1")
    result = host.plugin("ADD", CONF, container="c1", netns=container.path).ok()
    if remembered:
        remember("c1", result, CONF)
    assert json.loads(ask(host, "check", "--json").stdout)[0]["differences"] == []
    veth = result["interfaces"][0]["name"]
    (container if where == "container" else host).run("sh", "-c", damage.replace("VETH", veth))
    return host.plugin("CHECK", {**CONF, "prevResult": result}, container="c1", netns=container.path).json


def of_c1(host: Host, command: str) -> Any:
    """What the command tells of the container; a lease that was given away makes another."""
    documents = json.loads(ask(host, command, "--json", "--conf-dir", CONF_DIR).stdout)
    (found,) = [one for one in documents if one["containerID"] == "c1"]
    return found


@pytest.mark.parametrize(("where", "damage", "finding"), DAMAGES, ids=[d[1][:60] for d in DAMAGES])
def test_all_that_tell_of_a_damage_use_the_words_of_check(host: Host, where: str, damage: str, finding: str) -> None:
    words = told(damaged(host, where, damage, True))
    checked, listed = of_c1(host, "check"), of_c1(host, "list")
    shown = ask(host, "show", "c1", "--conf-dir", CONF_DIR)
    doctor = ask(host, "doctor", "--conf-dir", CONF_DIR)
    assert checked["differences"] == listed["wrong"] == words
    assert shown.returncode == 1 and "; ".join(words) in shown.stdout
    assert f"c1: {words[0]}" in doctor.stdout


@pytest.mark.parametrize(("where", "damage", "finding"), DAMAGES, ids=[d[1][:60] for d in DAMAGES])
def test_without_a_runtime_s_memory_the_damage_is_found_as_well(
    host: Host, where: str, damage: str, finding: str
) -> None:
    if damage.startswith(ONLY_REMEMBERED):
        finding = ""
    words = told(damaged(host, where, damage, False))
    listed = of_c1(host, "list")
    if not finding:
        assert listed["wrong"] == []
    elif listed["hostInterface"] is None:
        assert listed["wrong"] != []
    else:
        assert set(words) & set(listed["wrong"]), listed["wrong"]


def test_nothing_is_wrong_with_what_nobody_damaged(host: Host) -> None:
    configure(CONF)
    for name in ("c1", "c2"):
        container = host.container(name)
        result = host.plugin("ADD", CONF, container=name, netns=container.path).ok()
        if name == "c1":
            remember(name, result, CONF)
    assert ask(host, "check").returncode == 0
    assert ask(host, "list", "--conf-dir", CONF_DIR).stdout.count("healthy") == 2
