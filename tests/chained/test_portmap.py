"""The file called as portmap, behind ptp, ours and Go's."""

from __future__ import annotations

import pytest

from tests.chained.calls import attached, call, chained, without_dns
from tests.configurations import conf
from tests.masquerade.network import OUTSIDE, outside
from tests.namespaces import REFERENCE, Host
from tests.portmap.ports import answering, ask, is_refused, mapping

HERE = "/proc/self/ns/net"
RUNTIME = {"portMappings": [mapping(), mapping("udp", 53)]}


@pytest.mark.parametrize("go_ptp", [False, True], ids=["our ptp", "Go's ptp"])
def test_the_port_leads_to_the_container_from_outside_and_from_localhost(host: Host, go_ptp: bool) -> None:
    out, c1 = outside(host), host.container("c1")
    host.run("ip", "link", "set", "lo", "up")
    exe, path = (REFERENCE / "ptp", str(REFERENCE)) if go_ptp else (None, "")
    previous = without_dns(host.plugin("ADD", conf("1.0.0", ["v4"]), exe=exe, path=path).ok())
    configuration = chained("portmap", previous, runtimeConfig=RUNTIME)
    assert call(host, "portmap", "ADD", configuration).ok() == previous
    call(host, "portmap", "CHECK", configuration).ok()
    with answering(c1.path, "c1"):
        assert ask(out.path, OUTSIDE[4][0]) == f"c1 {OUTSIDE[4][1]}"
        assert ask(HERE, "127.0.0.1").startswith("c1 ")
    call(host, "portmap", "DEL", configuration).ok()
    assert is_refused(out.path, OUTSIDE[4][0])
    assert "c1" not in host.run("nft", "list", "table", "inet", "cni_ptp_portmap").stdout


@pytest.mark.parametrize("kind", ["without mappings", "without prevResult", "with nothing"])
def test_del_removes_the_mappings_whatever_it_is_told(host: Host, kind: str) -> None:
    host.container()
    previous = attached(host)
    configuration = chained("portmap", previous, runtimeConfig=RUNTIME)
    call(host, "portmap", "ADD", configuration).ok()
    if kind in ("without mappings", "with nothing"):
        del configuration["runtimeConfig"]
    if kind in ("without prevResult", "with nothing"):
        del configuration["prevResult"]
    call(host, "portmap", "DEL", configuration).ok()
    assert "c1" not in host.run("nft", "list", "table", "inet", "cni_ptp_portmap").stdout


def test_behind_a_ptp_that_maps_the_same_ports_it_changes_nothing(host: Host) -> None:
    host.container()
    previous = host.plugin("ADD", {**conf("1.0.0", ["v4"]), "runtimeConfig": RUNTIME}).ok()
    before = host.run("nft", "list", "ruleset").stdout
    call(host, "portmap", "ADD", chained("portmap", previous, runtimeConfig=RUNTIME)).ok()
    assert host.run("nft", "list", "ruleset").stdout == before


def test_without_prevresult_it_is_refused_in_gos_words(host: Host) -> None:
    host.container()
    assert call(host, "portmap", "ADD", chained("portmap")).error(7)["msg"] == "must be called as chained plugin"
    assert call(host, "portmap", "CHECK", chained("portmap")).error(7)["msg"] == "Required prevResult missing"


def test_without_mappings_it_passes_the_result_on(host: Host) -> None:
    host.container()
    previous = attached(host)
    assert call(host, "portmap", "ADD", chained("portmap", previous)).ok() == previous
    assert "portmap" not in host.run("nft", "list", "ruleset").stdout


def test_gc_keeps_the_valid_and_status_succeeds(host: Host) -> None:
    host.container()
    configuration = chained("portmap", attached(host), runtimeConfig=RUNTIME)
    call(host, "portmap", "ADD", configuration).ok()
    network = chained("portmap", version="1.1.0")
    call(host, "portmap", "STATUS", network).ok()
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    call(host, "portmap", "GC", {**network, "cni.dev/valid-attachments": valid}).ok()
    call(host, "portmap", "CHECK", configuration).ok()
    call(host, "portmap", "GC", {**network, "cni.dev/valid-attachments": []}).ok()
    assert "cni_ptp_portmap" not in host.run("nft", "list", "ruleset").stdout
