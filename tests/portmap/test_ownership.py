"""Whose a port is: refused to others while its owner lives, taken over when it is gone, given back by DEL and GC."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.masquerade.network import OUTSIDE, outside
from tests.namespaces import Host
from tests.portmap.ports import answering, ask, mapped, mapping

VETH = Attachment("mynet", "c1", "eth0").host_veth()


def elements(host: Host) -> list[str]:
    """The elements of the table, as nft prints them, by owner and map."""
    listed = json.loads(host.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
    found = []
    for entry in listed:
        for kind in ("map", "set"):
            one = entry.get(kind, {})
            if one.get("table") == "cni_ptp_portmap":
                found += [f"{one['name']} {json.dumps(element)}" for element in one.get("elem", [])]
    return found


def test_a_port_of_a_living_container_is_refused_and_its_owner_named(host: Host) -> None:
    out, c1, c2 = outside(host), host.container("c1"), host.container("c2")
    host.plugin("ADD", mapped()).ok()
    before = host.snapshot()
    error = host.plugin("ADD", mapped(), container="c2", netns=c2.path).error(100)
    assert error["msg"] == "map tcp port 8080 of the host"
    assert "mynet c1 eth0" in error["details"] and VETH in error["details"]
    assert host.snapshot() == before
    with answering(c1.path, "c1"):
        assert ask(out.path, OUTSIDE[4][0]).startswith("c1 ")


def test_a_port_of_a_container_that_is_gone_is_taken_over(host: Host) -> None:
    out = outside(host)
    host.container("c1")
    c2 = host.container("c2")
    host.plugin("ADD", mapped()).ok()
    host.run("ip", "link", "del", VETH)
    host.plugin("ADD", mapped(), container="c2", netns=c2.path).ok()
    with answering(c2.path, "c2"):
        assert ask(out.path, OUTSIDE[4][0]).startswith("c2 ")


def test_the_same_port_over_tcp_and_udp_is_two(host: Host) -> None:
    host.container("c1")
    c2 = host.container("c2")
    host.plugin("ADD", mapped(mapping("tcp"))).ok()
    host.plugin("ADD", mapped(mapping("udp")), container="c2", netns=c2.path).ok()


def test_a_mapping_that_is_given_twice_is_one(host: Host) -> None:
    host.container("c1")
    host.plugin("ADD", mapped(mapping(), mapping())).ok()
    assert len([e for e in elements(host) if e.startswith("any")]) == 2  # of each family


@pytest.mark.parametrize("kind", ["as given", "without prevResult", "without mappings", "with nothing", "with others"])
def test_del_removes_every_mapping_of_the_attachment_and_no_other(host: Host, kind: str) -> None:
    host.container("c1")
    c2 = host.container("c2")
    conf = mapped(mapping(), mapping("udp", 53), mapping("tcp", 8443, hostIP="192.0.2.1"))
    host.plugin("ADD", mapped(mapping("tcp", 9999)), container="c2", netns=c2.path).ok()
    others = elements(host)
    result = host.plugin("ADD", conf).ok()
    given: dict[str, Any] = {**conf, "prevResult": result}
    if kind in ("without prevResult", "with nothing"):
        del given["prevResult"]
    if kind in ("without mappings", "with nothing"):
        del given["runtimeConfig"]
    if kind == "with others":
        given["runtimeConfig"] = {"portMappings": [mapping("tcp", 9999), mapping("tcp", 1)]}
    host.plugin("DEL", given).ok()
    assert elements(host) == others


def test_del_with_a_mapping_that_cannot_be_read_removes_them_all_the_same(host: Host) -> None:
    host.container("c1")
    host.plugin("ADD", mapped()).ok()
    host.plugin("DEL", {**mapped(), "runtimeConfig": {"portMappings": [{"hostPort": "x"}]}}).ok()
    assert elements(host) == []


def test_gc_removes_the_mappings_of_others_than_the_valid_and_then_the_table(host: Host) -> None:
    for name in ("c1", "c2"):
        netns = host.container(name).path
        host.plugin("ADD", mapped(mapping("tcp", 8000 + int(name[1]))), container=name, netns=netns).ok()
    valid = [{"containerID": "c2", "ifname": "eth0"}]
    host.plugin("GC", {**mapped(), "cni.dev/valid-attachments": valid, "cniVersion": "1.1.0"}).ok()
    assert {json.dumps("c1") in e or "c1" in e for e in elements(host)} == {False}
    host.plugin("GC", {**mapped(), "cni.dev/valid-attachments": [], "cniVersion": "1.1.0"}).ok()
    assert "cni_ptp_portmap" not in host.run("nft", "list", "ruleset").stdout


def test_gc_leaves_a_table_alone_in_which_somebody_else_has_something(host: Host) -> None:
    host.container("c1")
    host.plugin("ADD", mapped()).ok()
    host.run("nft", "add chain inet cni_ptp_portmap theirs")
    host.plugin("GC", {**mapped(), "cni.dev/valid-attachments": [], "cniVersion": "1.1.0"}).ok()
    assert "chain theirs" in host.run("nft", "list", "ruleset").stdout


DAMAGES = {
    "element": "delete element inet cni_ptp_portmap any4 { tcp . 8080 }",
    "elsewhere": "delete element inet cni_ptp_portmap any4 { tcp . 8080 }; add element inet cni_ptp_portmap any4 "
    '{ tcp . 8080 comment "mynet c1 eth0 /2" : 10.9.9.9 . 80 }',
    "hairpin": "delete element inet cni_ptp_portmap hairpin4 { 10.1.2.2 . 10.1.2.2 }",
    "guard of localhost": f'delete element inet cni_ptp_portmap guarded {{ "{VETH}" }}',
    "rules": "flush chain inet cni_ptp_portmap translate",
    "hole": "insert rule inet cni_ptp_portmap loopback accept",
    "table": "delete table inet cni_ptp_portmap",
    "dormant": "add table inet cni_ptp_portmap { flags dormant; }",
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_check_names_each_damage(host: Host, damage: str) -> None:
    host.container("c1")
    result = host.plugin("ADD", mapped()).ok()
    checked = {**mapped(), "prevResult": result}
    host.plugin("CHECK", checked).ok()
    host.run("nft", DAMAGES[damage])
    details = host.plugin("CHECK", checked).error(105)["details"]
    assert "cni_ptp_portmap" in details or "8080" in details


def test_check_names_a_host_end_that_lost_its_way_to_localhost(host: Host) -> None:
    host.container("c1")
    result = host.plugin("ADD", mapped()).ok()
    host.run("sysctl", "-qw", f"net/ipv4/conf/{VETH}/route_localnet=0")
    assert "route_localnet" in host.plugin("CHECK", {**mapped(), "prevResult": result}).error(105)["details"]


@pytest.mark.parametrize("damage", ["rules", "hole", "table"])
def test_the_next_add_repairs_the_table(host: Host, damage: str) -> None:
    host.container("c1")
    c2 = host.container("c2")
    host.plugin("ADD", mapped()).ok()
    host.run("nft", DAMAGES[damage])
    conf = mapped(mapping("tcp", 8081))
    result = host.plugin("ADD", conf, container="c2", netns=c2.path).ok()
    host.plugin("CHECK", {**conf, "prevResult": result}, container="c2", netns=c2.path).ok()


def test_a_container_of_one_family_is_mapped_in_that_family(host: Host) -> None:
    host.container("c1")
    host.plugin("ADD", mapped(families=("v4",))).ok()
    assert {e.split()[0] for e in elements(host)} == {"any4", "mapped4", "hairpin4", "guarded"}


def test_without_mappings_there_is_no_table(host: Host) -> None:
    host.container("c1")
    runtimes: list[dict[str, Any]] = [{}, {"portMappings": []}, {"portMappings": None}]
    for runtime in runtimes:
        host.plugin("ADD", {**mapped(), "runtimeConfig": runtime}).ok()
        assert "cni_ptp_portmap" not in host.run("nft", "list", "ruleset").stdout
        host.plugin("DEL", mapped()).ok()
