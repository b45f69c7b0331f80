"""Results in every version.  Source: cni.md sections 1.6 and 7.6 (types020, types040, types100 tests)."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.errors import CniError
from cni_ptp.jsonio import Fields
from cni_ptp.result import Result, parse, render

# The result of types100_test.go, as 1.1.0 prints it: keys sorted at every level.
FULL: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "dns": {
        "domain": "acompany.com",
        "nameservers": ["1.2.3.4", "1::cafe"],
        "options": ["foo"],
        "search": ["somedomain.com"],
    },
    "interfaces": [
        {
            "mac": "00:11:22:33:44:55",
            "mtu": 1500,
            "name": "eth0",
            "pciID": "8086:9a01",
            "sandbox": "/proc/3553/ns/net",
            "socketPath": "/path/to/vhost/fd",
        }
    ],
    "ips": [
        {"address": "1.2.3.30/24", "gateway": "1.2.3.1", "interface": 0},
        {"address": "abcd:1234:ffff::cdde/64", "gateway": "abcd:1234:ffff::1", "interface": 0},
    ],
    "routes": [
        {"dst": "15.5.6.0/24", "gw": "15.5.6.8"},
        {
            "advmss": 1400,
            "dst": "1111:dddd::/80",
            "gw": "1111:dddd::aaaa",
            "mtu": 1450,
            "priority": 10,
            "scope": 0,
            "table": 0,
        },
    ],
}
OLD = ("0.1.0", "0.2.0")
MIDDLE = ("0.3.0", "0.3.1", "0.4.0")
NEW = ("1.0.0", "1.1.0")


def read(document: dict[str, Any], default: str = "1.1.0") -> Result:
    """A document, keys folded as jsonio folds them."""

    def fold(value: Any) -> Any:
        if isinstance(value, dict):
            return {k.lower(): fold(v) for k, v in value.items()}
        return [fold(v) for v in value] if isinstance(value, list) else value

    return parse(Fields(fold(document), "prevResult"), default)


@pytest.mark.parametrize("version", NEW)
def test_one_x_prints_everything_sorted(version: str) -> None:
    printed = render(read(FULL), version)
    assert printed == {**FULL, "cniVersion": version}
    assert list(printed) == sorted(printed) and list(printed["interfaces"][0]) == sorted(printed["interfaces"][0])


@pytest.mark.parametrize("version", MIDDLE)
def test_zero_three_and_four_have_a_family_and_no_new_interface_keys(version: str) -> None:
    printed = render(read(FULL), version)
    assert list(printed) == ["cniVersion", "interfaces", "ips", "routes", "dns"]
    assert printed["interfaces"] == [{"name": "eth0", "mac": "00:11:22:33:44:55", "sandbox": "/proc/3553/ns/net"}]
    assert [ip["version"] for ip in printed["ips"]] == ["4", "6"]
    assert printed["ips"][0]["interface"] == 0
    assert printed["routes"] == [
        {"dst": "15.5.6.0/24", "gw": "15.5.6.8"},
        {
            "dst": "1111:dddd::/80",
            "gw": "1111:dddd::aaaa",
            "mtu": 1450,
            "advmss": 1400,
            "priority": 10,
            "table": 0,
            "scope": 0,
        },
    ]


@pytest.mark.parametrize("version", OLD)
def test_zero_one_and_two_keep_one_address_a_family_and_plain_routes(version: str) -> None:
    document = {**FULL, "ips": FULL["ips"] + [{"address": "9.9.9.9/32"}]}
    assert render(read(document), version) == {
        "cniVersion": version,
        "ip4": {"ip": "1.2.3.30/24", "gateway": "1.2.3.1", "routes": [{"dst": "15.5.6.0/24", "gw": "15.5.6.8"}]},
        "ip6": {
            "ip": "abcd:1234:ffff::cdde/64",
            "gateway": "abcd:1234:ffff::1",
            "routes": [{"dst": "1111:dddd::/80", "gw": "1111:dddd::aaaa"}],
        },
        "dns": FULL["dns"],
    }


@pytest.mark.parametrize("version", OLD)
def test_routes_of_a_family_without_an_address_are_dropped_in_old_versions(version: str) -> None:
    printed = render(read({**FULL, "ips": FULL["ips"][1:]}), version)
    assert "ip4" not in printed and len(printed["ip6"]["routes"]) == 1


@pytest.mark.parametrize("version", OLD)
def test_old_versions_can_not_say_that_there_is_no_address(version: str) -> None:
    with pytest.raises(CniError, match="cannot convert: no valid IP addresses"):
        render(read({**FULL, "ips": []}), version)


@pytest.mark.parametrize("source", OLD)
@pytest.mark.parametrize("target", OLD + MIDDLE + NEW)
def test_an_old_result_becomes_any_other(source: str, target: str) -> None:
    document = {
        "cniVersion": source,
        "ip4": {"ip": "1.2.3.30/24", "gateway": "1.2.3.1", "routes": [{"dst": "15.5.6.0/24"}]},
        "ip6": {"ip": "abcd::2/64", "routes": [{"dst": "1111::/80", "gw": "1111::a"}]},
        "dns": {"domain": "x"},
    }
    printed = render(read(document), target)
    if target in OLD:
        assert printed == {**document, "cniVersion": target}
    else:
        assert [ip["address"] for ip in printed["ips"]] == ["1.2.3.30/24", "abcd::2/64"]
        assert all("interface" not in ip for ip in printed["ips"])
        assert printed["routes"] == [{"dst": "15.5.6.0/24"}, {"dst": "1111::/80", "gw": "1111::a"}]
        assert printed["dns"] == {"domain": "x"}


@pytest.mark.parametrize("source", MIDDLE + NEW)
@pytest.mark.parametrize("target", MIDDLE + NEW)
def test_a_result_survives_a_journey_through_another_version(source: str, target: str) -> None:
    first = render(read(FULL), source)
    there = render(read(first), target)
    back = render(read(there), source)
    if source in NEW and target in MIDDLE:
        first = {**first, "interfaces": [{"mac": "00:11:22:33:44:55", "name": "eth0", "sandbox": "/proc/3553/ns/net"}]}
    assert back == first


def test_empty_parts_are_left_out_but_for_dns_before_one_x() -> None:
    empty = Result([], [], [], None)
    assert render(empty, "1.0.0") == {"cniVersion": "1.0.0"}
    assert render(empty, "0.4.0") == {"cniVersion": "0.4.0", "dns": {}}


def test_an_empty_gateway_is_none() -> None:
    assert read({"ips": [{"address": "1.2.3.4/24", "gateway": ""}]}).ips[0].gateway is None


def test_host_bits_of_an_address_are_kept() -> None:
    assert str(read({"ips": [{"address": "1.2.3.4/24"}]}).ips[0]) == "1.2.3.4/24"


def test_a_missing_version_is_the_default() -> None:
    assert read({"ip4": {"ip": "1.2.3.4/24"}}, "0.2.0").ips


UNREADABLE: list[dict[str, Any]] = [
    {"cniVersion": "9.9.9"},
    {"ips": [{"address": "1.2.3.4"}]},
    {"ips": [{}]},
    {"ips": "x"},
    {"ips": [5]},
    {"ips": [{"address": "1.2.3.4/24", "interface": "0"}]},
    {"ips": [{"address": "1.2.3.4/24", "gateway": "x"}]},
    {"routes": [{"dst": "x"}]},
    {"routes": [{}]},
    {"routes": [{"dst": "1.2.3.0/24", "mtu": "x"}]},
    {"interfaces": [{"name": 5}]},
    {"dns": {"nameservers": [5]}},
]


@pytest.mark.parametrize("document", UNREADABLE)
def test_what_can_not_be_read_is_error_6(document: dict[str, Any]) -> None:
    with pytest.raises(CniError) as caught:
        read(document)
    assert caught.value.code == 6
