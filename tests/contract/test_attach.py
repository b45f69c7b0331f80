"""The built file as a runtime calls it: attach, traffic, check, detach.  Source: cni.md section 7.1 (ptp_test.go)."""

from __future__ import annotations

import pytest

from tests.configurations import VERSIONS, conf
from tests.contract.traffic import listening, lost_packets
from tests.namespaces import Host

GATEWAYS = {"v4": "10.1.2.1", "v6": "2001:db8:1::1"}


@pytest.mark.parametrize("families", [["v4"], ["v6"], ["v4", "v6"]], ids=["v4", "v6", "dual"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_container_is_attached_reaches_its_gateway_and_is_detached(
    host: Host, version: str, families: list[str]
) -> None:
    container = host.container()
    before = host.snapshot()
    configuration = conf(version, families, mtu=5000)

    result = host.plugin("ADD", configuration).ok()

    assert result["cniVersion"] == version
    for family in families:
        with listening(host, GATEWAYS[family]) as port:
            assert lost_packets(container, GATEWAYS[family], port) == 0
    if version >= "0.4.0":
        assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    else:
        error = host.plugin("CHECK", {**configuration, "prevResult": result}).error(1)
        assert error["msg"] == "config version does not allow CHECK"
    assert host.plugin("DEL", configuration).ok() is None
    assert host.snapshot() == before
    assert host.plugin("DEL", configuration).ok() is None


def test_no_ipv6_address_waits_for_duplicate_address_detection(host: Host) -> None:
    container = host.container()
    host.plugin("ADD", conf("1.0.0", ["v4", "v6"])).ok()
    for place in (host, container):
        (address,) = [i for a in place.ip("-6", "addr", "show", "up") for i in a["addr_info"] if i["local"][0] == "2"]
        assert address["nodad"] and "tentative" not in address, address


def test_the_result_names_both_ends_as_the_kernel_has_them(host: Host) -> None:
    container = host.container()
    result = host.plugin("ADD", conf("1.1.0", ["v4", "v6"], mtu=1400)).ok()
    outside, inside = result["interfaces"]
    link = host.ip("link", "show", outside["name"])[0]
    assert (link["address"], link["mtu"]) == (outside["mac"], outside["mtu"])
    assert outside["name"].startswith("veth") and "sandbox" not in outside
    link = container.ip("link", "show", "eth0")[0]
    assert (link["address"], link["mtu"]) == (inside["mac"], inside["mtu"])
    assert inside["mtu"] == 1400 and inside["sandbox"] == container.path
    assert [ip["interface"] for ip in result["ips"]] == [1, 1]


def test_mtu_is_in_results_of_1_1_0_only(host: Host) -> None:
    host.container()
    result = host.plugin("ADD", conf("1.0.0", ["v4"], mtu=1400)).ok()
    assert all("mtu" not in interface for interface in result["interfaces"])


@pytest.mark.parametrize("version", VERSIONS)
def test_del_of_an_interface_that_never_was_succeeds(host: Host, version: str) -> None:
    host.container()
    assert host.plugin("DEL", conf(version, ["v4"])).ok() is None
