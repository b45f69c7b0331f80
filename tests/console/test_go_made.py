"""ptp list, show, gc and doctor after the swap: what the Go plugin attached is there as well, and is let live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.console.people import CONF, CONF_DIR, ask, attach, configure, listed, make_old
from tests.masquerade.network import GO_NFTABLES
from tests.namespaces import Host


@pytest.fixture
def go_made(host: Host, go_plugins: str) -> Any:
    """The result of the Go plugin for a container g1, some time ago; the host's configuration names ours as well."""
    configure()
    container = host.container("g1")
    exe = Path(go_plugins) / "ptp"
    result = host.plugin("ADD", CONF, container="g1", netns=container.path, exe=exe, path=go_plugins).ok()
    make_old()
    return result


def test_list_tells_of_an_attachment_that_the_go_plugin_made(host: Host, go_made: Any) -> None:
    attach(host, "c1")
    ours, theirs = listed(host)
    addresses = [ip["address"].split("/")[0] for ip in go_made["ips"]]
    assert (theirs["network"], theirs["containerID"], theirs["ifname"]) == ("mynet", "g1", "eth0")
    assert theirs["addresses"] == theirs["routed"] == theirs["masqueraded"] == addresses
    assert theirs["hostInterface"] == go_made["interfaces"][0]["name"]
    assert (theirs["healthy"], theirs["wrong"]) == (True, [])
    assert (ours["madeBy"], theirs["madeBy"]) == ("cni-ptp", "another ptp")


def test_gc_keeps_what_the_go_plugin_attached_while_it_is_there(host: Host, go_made: Any) -> None:
    before = listed(host)
    done = ask(host, "gc", "--conf-dir", CONF_DIR)
    assert "nothing is stale" in done.stdout
    assert listed(host) == before and before[0]["leases"] != []


def test_gc_removes_all_of_it_when_it_is_told_that_nothing_is_valid(host: Host, go_made: Any) -> None:
    assert ask(host, "gc", "--none-valid", "--conf-dir", CONF_DIR).returncode == 0
    assert host.ip("link", "show", "type", "veth") == []
    assert host.snapshot()["leases"] == []
    assert "g1" not in host.run("iptables-save").stdout + host.run("ip6tables-save").stdout


def test_show_draws_it(host: Host, go_made: Any) -> None:
    done = ask(host, "show", "g1", "--conf-dir", CONF_DIR)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("another ptp", "in /run/netns/g1", "inet  10.9.0.2/24", "by iptables"):
        assert words in done.stdout, words


def test_the_doctor_calls_its_leases_no_stale_ones(host: Host, go_made: Any) -> None:
    assert "containers that are gone" not in ask(host, "doctor", "--conf-dir", CONF_DIR).stdout


def test_list_tells_of_masquerading_by_iptables(host: Host, iptables_flavour: str) -> None:
    conf = {**CONF, "ipMasqBackend": "iptables"}
    configure(conf)
    attach(host, "c1", conf)
    (found,) = listed(host)
    assert found["masqueraded"] == ["10.9.0.2", "fd09::2"] and found["masqueradedBy"] == "iptables"
    assert found["healthy"]
    host.run("iptables", "-t", "nat", "-F", "POSTROUTING")
    (found,) = listed(host)
    assert len(found["wrong"]) == 1 and "does not lead 10.9.0.2 to CNI-" in found["wrong"][0]


def test_list_tells_of_masquerading_by_nftables_of_the_go_plugin(host: Host) -> None:
    attach(host, "c1", {**CONF, "ipMasq": False})
    configure()
    hashes = [h for c in ("c1", "c2") for h in Attachment("mynet", c, "eth0").go_nft_hash().split("-")]
    rules = GO_NFTABLES % tuple(hashes)
    rules6 = rules.replace("ip saddr", "ip6 saddr").replace("ip daddr != 10.1.2.0/24", "ip6 daddr != fd09::/64")
    host.run("nft", "-f", "-", input=rules.replace("10.1.2.9", "10.9.0.2"))
    (found,) = listed(host)
    assert found["masqueradedBy"] == "nftables of the Go plugin" and found["wrong"] != []
    host.run("nft", "-f", "-", input=rules6.replace("10.1.2.9", "fd09::2").replace("10.1.2.8", "fd09::8"))
    (found,) = listed(host)
    assert found["healthy"]


def test_list_tells_who_is_kept_from_spoofing(host: Host) -> None:
    conf = {**CONF, "antiSpoof": True}
    configure(conf)
    attach(host, "c1", conf)
    attach(host, "c2", CONF)
    first, second = listed(host)
    assert (first["antiSpoof"], first["healthy"]) == (True, True)
    assert not second["antiSpoof"] and "nothing keeps it from spoofing" in second["wrong"][0]
    assert "may send from 10.9.0.2, fd09::2 only" in ask(host, "show", "c1", "--conf-dir", CONF_DIR).stdout
    element = f'{{ "{first["hostInterface"]}" . 10.9.0.2 }}'
    host.run("nft", "delete", "element", "inet", "cni_ptp_antispoof", "source4", element)
    assert listed(host)[0]["wrong"] == ["10.9.0.2 is not in inet cni_ptp_antispoof source4: its packets are dropped"]


def test_a_long_identity_is_known_to_be_masqueraded(host: Host) -> None:
    """Its owner stands in the table as a hash."""
    configure()
    attach(host, "c1", containerid="x" * 245)
    (found,) = listed(host)
    assert found["masqueraded"] == ["10.9.0.2", "fd09::2"] and found["wrong"] == []


def test_a_network_of_ours_and_a_foreign_link_that_has_no_lease_are_not_mixed_up(host: Host) -> None:
    configure()
    host.run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    host.run("ip", "link", "set", "v0", "up")
    host.run("ip", "route", "add", "10.9.0.77/32", "dev", "v0")
    assert listed(host) == []
    assert json.loads(ask(host, "list", "--json").stdout) == []
    assert ask(host, "gc", "--none-valid", "--conf-dir", CONF_DIR).returncode == 0
    assert [link["ifname"] for link in host.ip("link", "show", "type", "veth")] == ["v1", "v0"]


STATIC = {
    **CONF,
    "ipam": {"type": "static", "addresses": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}]},
}
GO_RULES = """
table inet cni_plugins_masquerade {
	chain masq_checks {
		ip saddr 10.9.0.7 ip daddr != 10.9.0.0/24 masquerade comment "%s, net: mynet, if: eth0, id: g1"
		ip saddr 10.9.0.8 ip daddr != 10.9.0.0/24 masquerade comment "%s, net: mynet, if: eth0, id: g2"
	}
}
"""


def rules(host: Host, text: str) -> list[str]:
    """The rules of any backend that have the text."""
    programs = (["nft", "list", "ruleset"], ["iptables-legacy-save"], ["iptables-save"])
    return [line.strip() for p in programs for line in host.run(*p).stdout.splitlines() if text in line]


@pytest.mark.parametrize("words", [(), ("--valid", "mynet/c1/eth0"), ("--network", "mynet")], ids=" ".join)
def test_gc_keeps_the_masquerading_of_a_container_of_the_go_plugin_that_has_no_lease(
    host: Host, go_plugins: str, iptables_flavour: str, words: tuple[str, ...]
) -> None:
    """Its address is static: `ptp list` cannot know of it, but the host routes its address to a link."""
    configure(STATIC)
    attach(host, "c1", {**CONF, "ipam": {**CONF["ipam"], "ranges": [[{"subnet": "10.8.0.0/24"}]]}})
    container, exe = host.container("g1"), Path(go_plugins) / "ptp"
    host.plugin("ADD", STATIC, container="g1", netns=container.path, exe=exe, path=go_plugins).ok()
    host.run(
        "nft", "-f", "-", input=GO_RULES % tuple(Attachment("mynet", c, "eth0").go_nft_hash() for c in ("g1", "g2"))
    )
    before = rules(host, "10.9.0.7")
    assert ask(host, "gc", *words, "--conf-dir", CONF_DIR).returncode == 0
    assert len(before) > 1
    assert rules(host, "10.9.0.7") == before
    assert rules(host, "10.9.0.8") == []


def test_gc_of_a_runtime_removes_the_masquerading_of_what_it_does_not_name(
    host: Host, go_plugins: str, iptables_flavour: str
) -> None:
    container, exe = host.container("g1"), Path(go_plugins) / "ptp"
    host.plugin("ADD", STATIC, container="g1", netns=container.path, exe=exe, path=go_plugins).ok()
    host.run(
        "nft", "-f", "-", input=GO_RULES % tuple(Attachment("mynet", c, "eth0").go_nft_hash() for c in ("g1", "g2"))
    )
    host.plugin("GC", {**STATIC, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}, container="", netns="").ok()
    assert rules(host, "10.9.0.7") == rules(host, "10.9.0.8") == []
