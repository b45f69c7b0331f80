"""The file called as tuning, beside Go's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chained.calls import as_role, attached, call, chained, without_dns
from tests.namespaces import Container, Host, empty_directory, release_directory

BACKUP = Path("/run/cni/tuning/c1_eth0.json")
TUNED: dict[str, dict[str, Any]] = {
    "mtu": {"mtu": 1400},
    "mac": {"mac": "c2:11:22:33:44:55"},
    "promisc": {"promisc": True},
    "allmulti": {"allmulti": True},
    "all": {"mtu": 1400, "mac": "c2:11:22:33:44:55", "promisc": True, "allmulti": True},
}


def state(container: Container) -> dict[str, Any]:
    """What of eth0 can be tuned."""
    link = container.ip("link", "show", "eth0")[0]
    flags = [flag for flag in link["flags"] if flag in ("PROMISC", "ALLMULTI")]
    return {"mtu": link["mtu"], "mac": link["address"], "txqlen": link["txqlen"], "flags": flags}


@pytest.mark.parametrize("case", list(TUNED))
def test_it_does_what_the_go_plugin_does_and_either_takes_back_what_the_other_did(host: Host, case: str) -> None:
    container = host.container()
    conf = chained("tuning", attached(host), **TUNED[case])
    before = state(container)
    theirs = call(host, "tuning", "ADD", conf, go=True).ok()
    tuned, backup = state(container), json.loads(BACKUP.read_text())
    assert tuned != before
    call(host, "tuning", "DEL", conf).ok()
    assert state(container) == before and not BACKUP.exists()
    assert call(host, "tuning", "ADD", conf).ok() == without_dns(theirs)
    assert (state(container), json.loads(BACKUP.read_text())) == (tuned, {**backup, "network": "mynet"})
    call(host, "tuning", "CHECK", {**conf, "prevResult": theirs}).ok()
    call(host, "tuning", "CHECK", {**conf, "prevResult": theirs}, go=True).ok()
    call(host, "tuning", "DEL", conf, go=True).ok()
    assert state(container) == before


def test_the_queue_is_set_and_set_back(host: Host) -> None:
    """Debian 12's Go plugin does not know the key."""
    container = host.container()
    conf = chained("tuning", attached(host), txQLen=20000)
    before = state(container)
    call(host, "tuning", "ADD", conf).ok()
    assert state(container) == {**before, "txqlen": 20000}
    call(host, "tuning", "CHECK", conf).ok()
    call(host, "tuning", "DEL", conf).ok()
    assert state(container) == before


def test_a_second_add_keeps_what_was_before_the_first(host: Host) -> None:
    container = host.container()
    conf = chained("tuning", attached(host), mtu=1400)
    for _ in range(2):
        call(host, "tuning", "ADD", conf).ok()
    call(host, "tuning", "DEL", conf).ok()
    assert state(container)["mtu"] == 1500


def test_a_second_add_keeps_what_it_changes_besides(host: Host) -> None:
    container = host.container()
    previous = attached(host)
    before = state(container)
    call(host, "tuning", "ADD", chained("tuning", previous, mtu=1400)).ok()
    more = chained("tuning", previous, **TUNED["all"])
    call(host, "tuning", "ADD", more).ok()
    call(host, "tuning", "DEL", more).ok()
    assert state(container) == before


def test_a_second_add_that_fails_leaves_what_the_first_set(host: Host) -> None:
    container = host.container()
    previous = attached(host)
    conf = chained("tuning", previous, mtu=1400, sysctl={"net.ipv4.ip_default_ttl": "77"})
    before = state(container)
    call(host, "tuning", "ADD", conf).ok()
    tuned, backup = state(container), BACKUP.read_text()
    worse = chained("tuning", previous, promisc=True, mtu=70000, sysctl={"net.ipv4.ip_default_ttl": "78"})
    call(host, "tuning", "ADD", worse).error(100)
    assert (state(container), BACKUP.read_text(), container.sysctl("ipv4/ip_default_ttl")) == (tuned, backup, "77")
    call(host, "tuning", "DEL", conf).ok()
    assert state(container) == before


def test_a_half_written_backup_is_written_anew(host: Host) -> None:
    container = host.container()
    previous = attached(host)
    BACKUP.parent.mkdir(parents=True)
    BACKUP.write_text('{"mtu": 1')
    BACKUP.with_name(BACKUP.name + ".new").write_text("{")
    conf = chained("tuning", previous, mtu=1400)
    call(host, "tuning", "ADD", conf).ok()
    call(host, "tuning", "DEL", conf).ok()
    assert state(container)["mtu"] == 1500 and list(BACKUP.parent.iterdir()) == []


def test_a_failed_add_puts_the_interface_back(host: Host) -> None:
    container = host.container()
    conf = chained("tuning", attached(host), mac="c2:11:22:33:44:55", mtu=70000)
    before = state(container)
    call(host, "tuning", "ADD", conf).error(100)
    assert state(container) == before and not BACKUP.exists()


@pytest.mark.parametrize("bad", [{"net.ipv4.nothing": "1"}, {"net.ipv4.ip_forward": "nonsense"}])
def test_a_failed_add_puts_the_sysctls_back(host: Host, bad: dict[str, str]) -> None:
    container = host.container()
    before = container.sysctl("ipv4/ip_default_ttl")
    conf = chained("tuning", attached(host), mtu=1400, sysctl={"net.ipv4.ip_default_ttl": "77", **bad})
    call(host, "tuning", "ADD", conf).error(100)
    assert container.sysctl("ipv4/ip_default_ttl") == before


def test_a_sysctl_that_can_only_be_written_is_written(host: Host) -> None:
    host.container()
    conf = chained("tuning", attached(host), sysctl={"net.ipv4.route.flush": "1"})
    call(host, "tuning", "ADD", conf).ok()


@pytest.mark.parametrize(
    "key", ["net.ipv4.conf.eth0.arp_filter", "net/ipv4/conf/eth0/arp_filter", "net.ipv4.conf.IFNAME.arp_filter"]
)
def test_a_sysctl_is_set_in_the_container_alone(host: Host, key: str) -> None:
    container = host.container()
    conf = chained("tuning", attached(host), sysctl={key: "1", "net.ipv4.ip_default_ttl": "77"})
    before = host.sysctl("ipv4/ip_default_ttl")
    call(host, "tuning", "ADD", conf).ok()
    assert container.sysctl("ipv4/conf/eth0/arp_filter") == "1" and container.sysctl("ipv4/ip_default_ttl") == "77"
    assert host.sysctl("ipv4/ip_default_ttl") == before and not BACKUP.exists()
    call(host, "tuning", "CHECK", conf).ok()
    container.run("sysctl", "-qw", "net.ipv4.ip_default_ttl=64")
    assert "ip_default_ttl is 77, current value is 64" in call(host, "tuning", "CHECK", conf).error(105)["msg"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("kernel.shmmax", 7),
        ("net", 7),
        ("", 7),
        ("netx.ipv4.ip_forward", 7),
        # Dots are slashes: nothing leads upwards, and the kernel has no such setting.
        ("net/../kernel/shmmax", 100),
        ("../net/x", 100),
        ("net.ipv4./../../../kernel.x", 100),
    ],
)
def test_a_key_that_is_not_of_the_network_is_refused(host: Host, key: str, code: int) -> None:
    host.container()
    conf = chained("tuning", attached(host), sysctl={key: "1"})
    msg = f'invalid net sysctl key: "{key}"' if code == 7 else f"set sysctl {key}"
    assert call(host, "tuning", "ADD", conf).error(code)["msg"] == msg


def test_the_list_of_the_host_allows_and_denies(host: Host) -> None:
    host.container()
    empty_directory("/etc/cni")
    try:
        allowed = Path("/etc/cni/tuning/allowlist.conf")
        allowed.parent.mkdir()
        allowed.write_text("^net.ipv4.conf.[a-z0-9]*$\n^net\\.ipv4\\.ip_default_ttl$\n")
        previous = attached(host)
        call(host, "tuning", "ADD", chained("tuning", previous, sysctl={"net.ipv4.ip_default_ttl": "77"})).ok()
        denied = chained("tuning", previous, sysctl={"net.ipv4.tcp_sack": "0"})
        assert "Sysctl net.ipv4.tcp_sack is not allowed." in call(host, "tuning", "ADD", denied).error(7)["msg"]
    finally:
        release_directory("/etc/cni")


def test_an_unusable_list_allows_nothing_and_status_tells(host: Host) -> None:
    host.container()
    empty_directory("/etc/cni")
    try:
        Path("/etc/cni/tuning").mkdir()
        Path("/etc/cni/tuning/allowlist.conf").write_text("net\n(?=x)\n")
        network = chained("tuning", version="1.1.0", sysctl={"net.ipv4.tcp_sack": "1"})
        assert "(?=x)" in call(host, "tuning", "STATUS", network).error(7)["msg"]
        call(host, "tuning", "ADD", {**network, "prevResult": attached(host, "1.1.0")}).error(7)
    finally:
        release_directory("/etc/cni")


def test_gc_forgets_the_networks_others_and_keeps_what_go_kept(host: Host) -> None:
    previous = {}
    for name in ("c1", "c2"):
        container = host.container(name)
        previous[name] = attached(host, container=name, netns=container.path)
        conf = chained("tuning", previous[name], mtu=1400)
        call(host, "tuning", "ADD", conf, container=name, netns=container.path).ok()
    go_kept = BACKUP.with_name("c3_eth0.json")
    go_kept.write_text('{"mtu": 1500}')
    network = chained("tuning", version="1.1.0")
    call(host, "tuning", "GC", {**network, "name": "other", "cni.dev/valid-attachments": []}).ok()
    assert len(list(BACKUP.parent.iterdir())) == 3
    valid = [{"containerID": "c2", "ifname": "eth0"}]
    call(host, "tuning", "GC", {**network, "cni.dev/valid-attachments": valid}).ok()
    assert sorted(path.name for path in BACKUP.parent.iterdir()) == ["c2_eth0.json", "c3_eth0.json"]


def test_the_result_of_1_1_0_has_the_new_mtu(host: Host) -> None:
    host.container()
    conf = chained("tuning", attached(host, "1.1.0"), "1.1.0", mtu=1400)
    assert [i.get("mtu") for i in call(host, "tuning", "ADD", conf).ok()["interfaces"]] == [1500, 1400]


def test_a_repeated_key_is_refused(host: Host) -> None:
    host.container()
    raw = json.dumps(chained("tuning", attached(host), sysctl={"net.ipv4.tcp_sack": "1"}))
    for twice in (
        raw.replace('"net.ipv4.tcp_sack": "1"', '"net.ipv4.tcp_sack": "1", "net.ipv4.tcp_sack": "0"'),
        raw.replace('"sysctl"', '"SYSCTL": {"net.ipv4.tcp_sack": "0"}, "sysctl"'),
    ):
        error = host.plugin("ADD", twice.encode(), exe=as_role(host, "tuning")).error(7)
        assert error["msg"] == "duplicated sysctl keys are not allowed"


@pytest.mark.parametrize(
    ("more", "args", "mac"),
    [
        ({"mac": "c2:11:22:33:44:01"}, "", "c2:11:22:33:44:01"),
        ({"mac": "c2:11:22:33:44:01"}, "MAC=c2:11:22:33:44:02", "c2:11:22:33:44:02"),
        ({"runtimeConfig": {"mac": "c2:11:22:33:44:03"}}, "MAC=c2:11:22:33:44:02", "c2:11:22:33:44:03"),
        (
            {"args": {"cni": {"mac": "c2:11:22:33:44:04"}}, "runtimeConfig": {"mac": "c2:11:22:33:44:03"}},
            "",
            "c2:11:22:33:44:04",
        ),
    ],
)
def test_the_last_of_several_macs_wins(host: Host, more: dict[str, Any], args: str, mac: str) -> None:
    container = host.container()
    result = call(host, "tuning", "ADD", chained("tuning", attached(host), **more), args=args).ok()
    assert state(container)["mac"] == mac
    assert [i["mac"] for i in result["interfaces"] if i["name"] == "eth0"] == [mac]


def test_del_succeeds_without_a_namespace_and_forgets(host: Host) -> None:
    host.container()
    conf = chained("tuning", attached(host), mtu=1400)
    call(host, "tuning", "ADD", conf).ok()
    call(host, "tuning", "DEL", conf, netns="").ok()
    assert not BACKUP.exists()
    call(host, "tuning", "DEL", conf, netns="/run/netns/gone").ok()
