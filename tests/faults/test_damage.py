"""CHECK finds each single damage done to an attachment, and none where there is none; STATUS gives every reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.damages import CONF, DAMAGES, LEASES
from tests.namespaces import REFERENCE, Container, Host


def attached(host: Host, conf: dict[str, Any] = CONF) -> tuple[Container, dict[str, Any], str]:
    """A container, the configuration that its CHECK gets, and the host end's name."""
    container = host.container()
    result = host.plugin("ADD", conf).ok()
    checked = {**conf, "prevResult": result}
    assert host.plugin("CHECK", checked).ok() is None
    return container, checked, result["interfaces"][0]["name"]


def test_there_are_at_least_25_damages() -> None:
    assert len(DAMAGES) >= 25


@pytest.mark.parametrize(("where", "damage", "finding"), DAMAGES, ids=[d[1][:60] for d in DAMAGES])
def test_check_finds_and_names_a_single_damage(host: Host, where: str, damage: str, finding: str) -> None:
    container, checked, veth = attached(host)
    (container if where == "container" else host).run("sh", "-c", damage.replace("VETH", veth))
    error = host.plugin("CHECK", checked)
    document = error.json
    assert error.status == 1 and error.stderr == b"", error.stdout
    assert document["code"] in (105, 103), document
    assert finding.replace("VETH", veth) in f"{document['msg']} {document.get('details')}", document


def test_check_names_every_damage_at_once(host: Host) -> None:
    container, checked, veth = attached(host)
    container.run("sh", "-c", "ip route del default; ip link set eth0 mtu 1350")
    host.run("sh", "-c", f"ip addr del 10.1.2.1/32 dev {veth}; sysctl -qw net.ipv4.ip_forward=0; rm {LEASES}/10.1.2.2")
    details = host.plugin("CHECK", checked).error(105)["details"]
    for words in ("no route 0.0.0.0/0", "mtu 1350", "no address 10.1.2.1/32", "ip_forward", "10.1.2.2"):
        assert words in details, details


def test_an_interface_of_another_kind_is_named(host: Host) -> None:
    container, checked, _ = attached(host)
    container.run("sh", "-c", "ip link del eth0; ip link add eth0 type bridge; ip link set eth0 up")
    assert "not of type veth, but bridge" in host.plugin("CHECK", checked).error(105)["details"]


def test_what_later_plugins_may_add_is_let_pass(host: Host) -> None:
    container, checked, veth = attached(host)
    container.run(
        "sh", "-c", "ip addr add 10.77.0.1/24 dev eth0; ip route add 10.78.0.0/16 dev eth0; ip link add d0 type bridge"
    )
    host.run(
        "sh",
        "-c",
        f"ip route add 10.77.0.1/32 dev {veth}; tc qdisc add dev {veth} root tbf rate 1mbit burst 32kbit latency 9ms",
    )
    host.run("sh", "-c", "iptables -t nat -A POSTROUTING -j RETURN; nft add table inet another")
    assert host.plugin("CHECK", checked).ok() is None


CHAINS: dict[str, list[dict[str, Any]]] = {
    "portmap": [
        {
            "type": "portmap",
            "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
        }
    ],
    "bandwidth": [{"type": "bandwidth", "ingressRate": 1000000, "ingressBurst": 100000}],
    "tuning": [
        {"type": "tuning", "mac": "02:00:00:00:00:42", "promisc": True, "sysctl": {"net.ipv4.conf.eth0.rp_filter": "2"}}
    ],
    "mtu": [{"type": "tuning", "mtu": 1300}],
}
CHAINS["all"] = CHAINS["portmap"] + CHAINS["bandwidth"] + CHAINS["tuning"]


def without_mtu(**more: Any) -> dict[str, Any]:
    """CONF without an MTU of its own."""
    return {**{key: value for key, value in CONF.items() if key != "mtu"}, **more}


@pytest.mark.parametrize("mtu", [1280, 1400, 1499])
def test_a_later_plugin_may_lower_the_mtu_of_the_container(host: Host, mtu: int) -> None:
    container, checked, _ = attached(host, without_mtu())
    assert checked["prevResult"]["interfaces"][1]["mtu"] == 1500
    container.run("ip", "link", "set", "eth0", "mtu", str(mtu))
    assert host.plugin("CHECK", checked).ok() is None


def test_a_later_plugin_may_raise_the_mtu_of_both_ends(host: Host) -> None:
    container, checked, veth = attached(host, without_mtu())
    host.run("ip", "link", "set", veth, "mtu", "9000")
    container.run("ip", "link", "set", "eth0", "mtu", "9000")
    assert host.plugin("CHECK", checked).ok() is None


@pytest.mark.parametrize("end", ["container", "host"])
def test_an_end_whose_packets_the_other_drops_is_named(host: Host, end: str) -> None:
    container, checked, veth = attached(host, without_mtu())
    if end == "container":
        container.run("ip", "link", "set", "eth0", "mtu", "9000")
    else:
        host.run("ip", "link", "set", veth, "mtu", "1400")
    details = host.plugin("CHECK", checked).error(105)["details"]
    assert f"of host interface {veth}: longer packets are dropped" in details


def test_the_plugin_tuning_may_change_a_configured_mtu_and_nobody_else(host: Host, go_plugins: str) -> None:
    container, checked, _ = attached(host)
    later = {"cniVersion": "1.0.0", "name": "mynet", "type": "tuning", "mtu": 1350}
    chained = {**later, "prevResult": {**checked["prevResult"], "cniVersion": "1.0.0"}}
    host.plugin("ADD", chained, path=go_plugins, exe=f"{REFERENCE}/tuning").ok()
    assert container.ip("link", "show", "eth0")[0]["mtu"] == 1350
    assert host.plugin("CHECK", checked).ok() is None
    host.plugin("DEL", later, path=go_plugins, exe=f"{REFERENCE}/tuning").ok()
    container.run("ip", "link", "set", "eth0", "mtu", "1350")
    assert "interface eth0 has mtu 1350, not 1400" in host.plugin("CHECK", checked).error(105)["details"]


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("chain", list(CHAINS))
def test_an_undamaged_attachment_passes_behind_other_plugins(
    host: Host, go_plugins: str, chain: str, backend: str
) -> None:
    conf = {**CONF, "cniVersion": "1.0.0", "ipMasqBackend": backend}
    container, checked, _ = attached(host, conf)
    clean = {k: v for k, v in checked.items() if k != "prevResult"}
    result = checked["prevResult"]
    for plugin in CHAINS[chain]:
        later = {"cniVersion": "1.0.0", "name": "mynet", **plugin, "prevResult": result}
        result = host.plugin("ADD", later, path=go_plugins, exe=f"{REFERENCE}/{plugin['type']}").ok()
    assert host.plugin("CHECK", {**clean, "prevResult": result}).ok() is None
    container.run("ip", "route", "del", "default")
    assert "no route 0.0.0.0/0" in host.plugin("CHECK", {**clean, "prevResult": result}).error(105)["details"]


def test_status_gives_every_reason_at_once(host: Host) -> None:
    Path(LEASES).mkdir(parents=True)
    for i in range(1, 7):
        Path(f"{LEASES}/10.5.0.{i}").write_text(f"c{i}\r\neth0")
    conf = json.loads(json.dumps(CONF))
    conf["ipam"] = {"type": "host-local", "ranges": [[{"subnet": "10.5.0.0/29"}]]}
    conf["ipMasqBackend"] = "nftables"
    bare = ["setpriv", "--bounding-set=-all,+dac_override", "--inh-caps=-all"]
    error = host.run(
        *bare,
        str(host.plugin_file),
        input=json.dumps(conf),
        env=host.environment("STATUS", "", "", "", "", ""),
        check=False,
    )
    document = json.loads(error.stdout)
    assert document["code"] == 50, document
    for words in ("CAP_NET_ADMIN", "CAP_SYS_ADMIN", "ipMasq needs nf_tables", "antiSpoof needs nf_tables", "10.5.0"):
        assert words in document["details"], document


def test_status_succeeds_where_add_would(host: Host) -> None:
    assert host.plugin("STATUS", CONF).ok() is None
    assert host.run("nft", "list", "ruleset").stdout == ""


@pytest.mark.parametrize("kind", ["no-such-plugin", "plain-file", "world-writable"])
def test_status_asks_after_the_ipam_plugin(host: Host, kind: str) -> None:
    Path("/run/bin").mkdir()
    path = Path("/run/bin") / kind
    if kind != "no-such-plugin":
        path.write_text("#!/bin/sh\n")
        path.chmod(0o644 if kind == "plain-file" else 0o777)
    conf = {**CONF, "ipam": {"type": kind}}
    assert kind in str(host.plugin("STATUS", conf, path="/run/bin").json)
    assert host.plugin("STATUS", conf, path="/run/bin").json["code"] in (7, 50)
