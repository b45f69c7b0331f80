"""ptp check: what CHECK of a runtime finds, without the runtime."""

from __future__ import annotations

import json

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.console.people import CONF, ask, attach
from tests.console.runtime import LISTED, PORTS, RESULTS, attached, remember, told
from tests.namespaces import Host


def test_a_host_where_all_is_as_add_left_it_has_exit_status_0(host: Host) -> None:
    for name in ("c1", "c2"):
        attached(host, name)
    done = ask(host, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as ADD left it") == 2 and "default/web-c1" in done.stdout


DAMAGES = {
    "masquerading": ("nft", "delete element inet cni_ptp masq4 { 10.9.0.2 }"),
    "guard": ("nft", "flush chain inet cni_ptp_antispoof check"),
    "port": ("nft", "delete element inet cni_ptp_portmap any4 { tcp . 8081 }"),
    "route": ("ip", "route", "del", "10.9.0.2"),
    "lease": ("rm", "/var/lib/cni/networks/mynet/10.9.0.2"),
    "link": ("ip", "link", "set", Attachment("mynet", "c1", "eth0").host_veth(), "down"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_it_names_what_check_names_word_for_word(host: Host, damage: str) -> None:
    result = attached(host, "c1")
    attached(host, "c2")
    host.run(*DAMAGES[damage])
    port = {"portMappings": [{**PORTS["portMappings"][0], "hostPort": 8081}]}
    error = host.plugin("CHECK", {**LISTED, "runtimeConfig": port, "prevResult": result}).error(105)
    done = ask(host, "check", "--json")
    assert done.returncode == 1
    first, second = json.loads(done.stdout)
    assert first["differences"] == told(error)
    assert second["differences"] == [] or damage == "guard"


@pytest.mark.parametrize("name", ["c1", "mynet/c1/eth0", "web-c1"])
def test_one_is_chosen_by_container_by_pod_or_by_its_whole_name(host: Host, name: str) -> None:
    attached(host, "c1")
    attached(host, "c2")
    found = json.loads(ask(host, "check", "--json", name).stdout)
    assert [one["containerID"] for one in found] == ["c1"]


def test_a_name_that_means_nothing_is_refused(host: Host) -> None:
    attached(host, "c1")
    done = ask(host, "check", "zz")
    assert done.returncode == 3 and "this host has no such attachment" in done.stderr


def test_a_namespace_that_is_gone_is_a_difference(host: Host) -> None:
    attached(host, "c1")
    host.run("ip", "netns", "del", "c1")
    done = ask(host, "check")
    assert done.returncode == 1 and "1 difference" in done.stdout


def test_what_only_a_runtime_remembers_is_a_difference_of_check_and_no_line_of_list(host: Host) -> None:
    """Such as after a boot: what libcni wrote down is there, and nothing else."""
    remember("c1", attach(host, "c1"), LISTED)
    host.plugin("DEL", LISTED, container="c1", netns="/run/netns/c1").ok()
    host.run("ip", "netns", "del", "c1")
    done = ask(host, "check")
    assert done.returncode == 1 and "its network namespace cannot be used" in done.stdout
    assert "no attachments" in ask(host, "list").stdout


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"kind":"cniCacheV1","config":"!"}', '{"kind":"cniCacheV1"}', "null"]
)
def test_a_damaged_file_hides_no_other(host: Host, content: str) -> None:
    attached(host, "c1")
    damaged = RESULTS / "mynet-c0-eth0"
    damaged.write_text(content)
    damaged.chmod(0o600)
    done = ask(host, "check")
    assert "Traceback" not in done.stderr and "as ADD left it" in done.stdout
    assert done.returncode == (0 if content in ("[]", "null") else 3)


def test_a_file_that_others_can_write_is_not_believed(host: Host) -> None:
    attached(host, "c1")
    host.run("ln", "-s", "/etc/passwd", str(RESULTS / "mynet-c0-eth0"))
    done = ask(host, "check")
    assert done.returncode == 3 and "mynet-c0-eth0" in done.stdout


def test_another_plugins_attachments_are_left_out(host: Host) -> None:
    remember("c9", {"cniVersion": "1.0.0"}, {**CONF, "type": "bridge"})
    assert json.loads(ask(host, "check", "--json").stdout) == []


def test_it_changes_nothing(host: Host) -> None:
    attached(host, "c1")
    before = host.snapshot()
    ask(host, "check")
    assert host.snapshot() == before
