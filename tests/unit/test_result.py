"""CNI results in every version, both ways.  Source: pkg/types/{020,040,100} of containernetworking/cni."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from cni_ptp.base.errors import CniError
from cni_ptp.base.jsonio import JsonObject, dumps, loads
from cni_ptp.cni.result import Address, Dns, Interface, Result, Route, parse_dns, render_route
from cni_ptp.cni.result_read import parse
from cni_ptp.cni.result_write import render
from cni_ptp.cni.versions import SUPPORTED

OLD, MIDDLE, NEW = SUPPORTED[:2], SUPPORTED[2:5], SUPPORTED[5:]
DNS = {
    "nameservers": ["1.2.3.4", "1::cafe"],
    "domain": "acompany.com",
    "search": ["somedomain.com"],
    "options": ["foo"],
}
ROUTE = {"dst": "15.5.6.0/24", "gw": "15.5.6.8", "mtu": 1400, "advmss": 1360, "priority": 7, "table": 0, "scope": 0}


def doc_020(version: str) -> dict[str, Any]:
    """What 0.1.0 and 0.2.0 can say."""
    return {
        "cniVersion": version,
        "ip4": {
            "ip": "1.2.3.30/24",
            "gateway": "1.2.3.1",
            "routes": [{"dst": "15.5.6.0/24", "gw": "15.5.6.8"}, {"dst": "0.0.0.0/0"}],
        },
        "ip6": {
            "ip": "abcd:1234:ffff::cdde/64",
            "gateway": "abcd:1234:ffff::1",
            "routes": [{"dst": "1111:dddd::/80", "gw": "1111:dddd::aaaa"}],
        },
        "dns": DNS,
    }


def doc_040(version: str) -> dict[str, Any]:
    """What 0.3.0 to 0.4.0 can say."""
    return {
        "cniVersion": version,
        "interfaces": [
            {"name": "veth0", "mac": "00:11:22:33:44:55"},
            {"name": "eth0", "mac": "00:11:22:33:44:66", "sandbox": "/proc/3553/ns/net"},
        ],
        "ips": [
            {"version": "4", "interface": 0, "address": "1.2.3.30/24", "gateway": "1.2.3.1"},
            {"version": "6", "interface": 1, "address": "abcd:1234:ffff::cdde/64", "gateway": "abcd:1234:ffff::1"},
            {"version": "4", "address": "1.2.3.31/24"},
        ],
        "routes": [
            ROUTE,
            {"dst": "0.0.0.0/0"},
            {"dst": "1111:dddd::/80", "gw": "1111:dddd::aaaa", "table": 5000, "scope": 253},
        ],
        "dns": DNS,
    }


def doc_100(version: str) -> dict[str, Any]:
    """What 1.0.0 and 1.1.0 can say; keys in alphabetical order."""
    return {
        "cniVersion": version,
        "dns": {k: DNS[k] for k in sorted(DNS)},
        "interfaces": [
            {"mac": "00:11:22:33:44:55", "mtu": 1500, "name": "veth0", "pciID": "8086:9a01", "socketPath": "/p"},
            {"mac": "00:11:22:33:44:66", "name": "eth0", "sandbox": "/proc/3553/ns/net"},
        ],
        "ips": [
            {"address": "1.2.3.30/24", "gateway": "1.2.3.1", "interface": 0},
            {"address": "abcd:1234:ffff::cdde/64", "gateway": "abcd:1234:ffff::1", "interface": 1},
            {"address": "1.2.3.31/24"},
        ],
        "routes": [
            {k: ROUTE[k] for k in sorted(ROUTE)},
            {"dst": "0.0.0.0/0"},
            {"dst": "1111:dddd::/80", "gw": "1111:dddd::aaaa", "scope": 253, "table": 5000},
        ],
    }


def document(version: str) -> dict[str, Any]:
    """The fullest result of a version."""
    return (doc_020 if version in OLD else doc_040 if version in MIDDLE else doc_100)(version)


def read(value: dict[str, Any], default_version: str = "") -> Result:
    """The result of a document as it comes from stdin, keys folded."""
    return parse(JsonObject(loads(json.dumps(value).encode()), "prevResult"), default_version)


def without(value: Any, *keys: str) -> Any:
    """The value without these keys at any level."""
    if isinstance(value, dict):
        return {k: without(v, *keys) for k, v in value.items() if k not in keys}
    return [without(v, *keys) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_result_goes_round_in_its_own_version_with_keys_in_go_s_order(version: str) -> None:
    assert dumps(render(read(document(version)), version)) == dumps(document(version))


@pytest.mark.parametrize(("source", "target"), list(itertools.product(OLD, OLD)))
def test_old_versions_convert_by_copy(source: str, target: str) -> None:
    assert render(read(doc_020(source)), target) == doc_020(target)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(OLD, MIDDLE + NEW)))
def test_an_old_result_gains_a_list_of_ips_v4_first_without_interface(source: str, target: str) -> None:
    found = render(read(doc_020(source)), target)
    wanted = document(target)
    assert "interfaces" not in found
    assert without(found["ips"], "interface") == without(wanted["ips"][:2], "interface")
    assert all("interface" not in ip for ip in found["ips"])
    v4, v6 = doc_020(source)["ip4"]["routes"], doc_020(source)["ip6"]["routes"]
    assert found["routes"] == v4 + v6
    assert found["dns"] == DNS


@pytest.mark.parametrize(("source", "target"), list(itertools.product(MIDDLE, MIDDLE)))
def test_middle_versions_convert_by_copy(source: str, target: str) -> None:
    assert render(read(doc_040(source)), target) == doc_040(target)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(MIDDLE, NEW)))
def test_a_middle_result_loses_the_ip_version_going_up(source: str, target: str) -> None:
    wanted = without(doc_100(target), "mtu", "pciID", "socketPath")
    wanted["routes"] = doc_100(target)["routes"]
    assert render(read(doc_040(source)), target) == wanted


@pytest.mark.parametrize(("source", "target"), list(itertools.product(NEW, MIDDLE)))
def test_a_new_result_loses_what_is_new_of_interfaces_and_gains_the_ip_version_going_down(
    source: str, target: str
) -> None:
    assert render(read(doc_100(source)), target) == doc_040(target)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(NEW, NEW)))
def test_new_versions_convert_by_copy(source: str, target: str) -> None:
    assert render(read(doc_100(source)), target) == doc_100(target)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(MIDDLE + NEW, OLD)))
def test_a_result_going_down_keeps_the_first_address_of_each_family_and_plain_routes(source: str, target: str) -> None:
    assert render(read(document(source)), target) == doc_020(target)


@pytest.mark.parametrize("target", OLD)
def test_routes_of_a_family_without_address_are_dropped_going_down(target: str) -> None:
    found = render(
        read({"cniVersion": "0.4.0", "ips": [{"address": "::5/64"}], "routes": [{"dst": "0.0.0.0/0"}]}), target
    )
    assert found == {"cniVersion": target, "ip6": {"ip": "::5/64"}, "dns": {}}


@pytest.mark.parametrize("target", OLD)
def test_a_result_without_addresses_can_not_go_down(target: str) -> None:
    with pytest.raises(CniError) as caught:
        render(read({"cniVersion": "1.0.0"}), target)
    assert (caught.value.code, caught.value.msg) == (6, "cannot convert: no valid IP addresses")


@pytest.mark.parametrize("version", SUPPORTED)
def test_dns_is_always_there_before_1_0_0_and_only_when_it_says_something_since(version: str) -> None:
    found = render(Result([], [Address(b"\x0a\0\0\2", 24, None)], []), version)
    assert found.get("dns") == (None if version in NEW else {})


def test_no_version_is_the_default_s_else_not_ours() -> None:
    assert len(read({"ips": [{"address": "10.0.0.2/24"}]}, "1.0.0").ips) == 1
    assert len(read({"ip4": {"ip": "10.0.0.2/24"}}, "0.1.0").ips) == 1
    for version in ("9.9.9", "1.0", "x"):
        with pytest.raises(CniError) as caught:
            read({"cniVersion": version}, "1.0.0")
        assert (caught.value.code, caught.value.details) == (6, f'unsupported CNI result version "{version}"')


def test_interface_index_0_survives_and_a_missing_one_stays_missing() -> None:
    ips = read({"ips": [{"address": "10.0.0.2/24", "interface": 0}, {"address": "10.0.0.3/24"}]}, "1.0.0").ips
    assert [ip.interface for ip in ips] == [0, None]


def test_an_empty_gateway_is_no_gateway() -> None:
    found = read({"ips": [{"address": "10.0.0.2/24", "gateway": ""}], "routes": [{"dst": "::/0", "gw": ""}]}, "1.0.0")
    assert (found.ips[0].gateway, found.routes[0].gw) == (None, None)


def test_a_mapped_address_is_the_ipv4_address() -> None:
    found = read({"ips": [{"address": "::ffff:10.0.0.2/120", "gateway": "::ffff:10.0.0.1"}]}, "0.4.0")
    assert render(found, "0.4.0")["ips"] == [{"version": "4", "address": "10.0.0.2/24", "gateway": "10.0.0.1"}]


@pytest.mark.parametrize(
    ("value", "details"),
    [
        ({"ips": [{"address": "10.0.0.2"}]}, "prevResult.ips[0].address: invalid CIDR address: 10.0.0.2"),
        ({"ips": [{}]}, "prevResult.ips[0].address: invalid CIDR address: "),
        ({"ips": [{"address": "10.0.0.2/24", "gateway": "x"}]}, "prevResult.ips[0].gateway: invalid IP address: x"),
        ({"routes": [{"dst": "10.0.0.0"}]}, "prevResult.routes[0].dst: invalid CIDR address: 10.0.0.0"),
        (
            {"routes": [{"dst": "::/0", "gw": "fe80::1%eth0"}]},
            "prevResult.routes[0].gw: invalid IP address: fe80::1%eth0",
        ),
    ],
)
def test_an_address_that_is_none_is_named_by_its_path(value: dict[str, Any], details: str) -> None:
    with pytest.raises(CniError) as caught:
        read(value, "1.0.0")
    assert (caught.value.code, caught.value.details) == (6, details)


@pytest.mark.parametrize(
    "value",
    [
        {"ips": {}},
        {"ips": [5]},
        {"ips": [{"address": 5}]},
        {"ips": [{"address": "::1/64", "interface": "0"}]},
        {"interfaces": "x"},
        {"interfaces": [{"name": 1}]},
        {"interfaces": [{"mtu": "1"}]},
        {"routes": 1},
        {"routes": [{"dst": "::/0", "mtu": 1.5}]},
        {"dns": 1},
        {"dns": {"options": {}}},
        {"cniVersion": 1},
    ],
)
def test_a_value_of_the_wrong_type_is_a_decoding_failure(value: dict[str, Any]) -> None:
    with pytest.raises(CniError) as caught:
        read(value, "1.0.0")
    assert caught.value.code == 6


@pytest.mark.parametrize(("key", "most"), [("ips", 256), ("routes", 1000), ("interfaces", 256)])
def test_a_result_may_not_be_endless(key: str, most: int) -> None:
    entry = {"ips": {"address": "10.0.0.2/24"}, "routes": {"dst": "::/0"}, "interfaces": {"name": "x"}}[key]
    read({key: [entry] * most}, "1.0.0")
    with pytest.raises(CniError) as caught:
        read({key: [entry] * (most + 1)}, "1.0.0")
    assert caught.value.code == 7


def test_table_and_scope_0_are_said_and_other_zeros_are_not() -> None:
    route = Route(bytes(4), 0, None, 0, 0, 0, 0, 0)
    assert render_route(route) == {"dst": "0.0.0.0/0", "table": 0, "scope": 0}
    assert str(route) == "0.0.0.0/0"


def test_a_host_s_interface_without_mac_is_told_by_its_name_alone() -> None:
    assert render(Result([Interface("x")], [], []), "1.1.0")["interfaces"] == [{"name": "x"}]


@pytest.mark.parametrize(
    ("members", "given"),
    [
        ({}, False),
        ({"domain": ""}, False),
        ({"domain": "d"}, True),
        ({"nameservers": []}, True),
        ({"search": []}, True),
        ({"options": []}, True),
        ({"options": None}, False),
    ],
)
def test_an_explicit_empty_list_counts_as_dns_given(members: dict[str, Any], given: bool) -> None:
    assert parse_dns(JsonObject(members, "dns")).given() is given
    assert parse_dns(None).given() is False
    assert Dns(nameservers=[], domain="d").render() == {"domain": "d"}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(MIDDLE + NEW, MIDDLE + NEW)))
def test_a_result_survives_a_journey_through_another_version(source: str, target: str) -> None:
    first = document(source)
    back = render(read(render(read(first), target)), source)
    lost = ("mtu", "pciID", "socketPath") if source in NEW and target in MIDDLE else ()
    wanted = {**first, "interfaces": without(first["interfaces"], *lost)}
    assert back == wanted


def test_an_empty_result_is_its_version_and_before_1_0_0_its_dns() -> None:
    assert render(Result([], [], []), "1.0.0") == {"cniVersion": "1.0.0"}
    assert render(Result([], [], []), "0.4.0") == {"cniVersion": "0.4.0", "dns": {}}
