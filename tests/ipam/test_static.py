"""static as a plugin: upstream's acceptance list (static_test.go), and what is ours."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.cni.versions import at_least
from tests.ipam.calls import ALL_VERSIONS, addresses, ours, refused

EVERY_VERSION = pytest.mark.parametrize("version", ALL_VERSIONS)
V4, V6 = "10.10.0.1/24", "3ffe:ffff:0:1ff::1/64"


def static(version: str = "1.0.0", **ipam: Any) -> dict[str, Any]:
    """A configuration of static."""
    return {"cniVersion": version, "name": "mynet", "type": "ptp", "ipam": {"type": "static", **ipam}}


def with_gateways(version: str = "1.0.0") -> dict[str, Any]:
    """An address and a gateway of each family."""
    return static(
        version,
        addresses=[
            {"address": V4, "gateway": "10.10.0.254"},
            {"address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1"},
        ],
        routes=[{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"}],
        dns={"nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"]},
    )


@EVERY_VERSION
def test_what_is_configured_is_given(version: str) -> None:
    document = ours("static", "ADD", with_gateways(version))
    assert addresses(document) == [V4, V6]
    parts = document["ips"] if "ips" in document else [document["ip4"], document["ip6"]]
    assert [p["gateway"] for p in parts] == ["10.10.0.254", "3ffe:ffff::1"]
    routes = document["routes"] if "routes" in document else document["ip4"]["routes"]
    assert routes == [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1"}]
    assert document["dns"] == {"nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"]}
    ours("static", "DEL", with_gateways(version))


@EVERY_VERSION
def test_two_default_routes_stay_in_their_order(version: str) -> None:
    routes = [{"dst": "0.0.0.0/0", "gw": "10.10.0.3"}, {"dst": "0.0.0.0/0", "gw": "10.10.0.2"}]
    document = ours("static", "ADD", static(version, addresses=[{"address": V4}], routes=routes))
    assert (document["routes"] if "routes" in document else document["ip4"]["routes"]) == routes


@EVERY_VERSION
def test_del_of_anything_succeeds(version: str) -> None:
    ours("static", "DEL", static(version, addresses=[{"address": "nonsense"}]), "unknown-id")


@EVERY_VERSION
def test_cni_args_add_an_address_with_its_gateway(version: str) -> None:
    document = ours("static", "ADD", static(version), args=f"IP={V4};GATEWAY=10.10.0.254")
    part = document["ips"][0] if "ips" in document else document["ip4"]
    assert part["gateway"] == "10.10.0.254"


@EVERY_VERSION
def test_several_addresses_of_cni_args_get_the_gateway_in_their_subnet(version: str) -> None:
    args = f"IP={V4},11.11.0.1/24;GATEWAY=10.10.0.254"
    if at_least(version, "0.3.0"):
        ips = ours("static", "ADD", static(version), args=args)["ips"]
        assert [ip.get("gateway") for ip in ips] == ["10.10.0.254", None]
    else:
        e = refused("static", "ADD", static(version), args=args)
        assert e.msg == f"CNI version {version} does not support more than 1 address per family"


@pytest.mark.parametrize("key", ["runtimeConfig", "RuntimeConfig"])
def test_the_runtimes_addresses_win_over_args_over_cni_args(key: str) -> None:
    conf = static(addresses=[{"address": "10.9.0.1/24"}])
    assert addresses(ours("static", "ADD", conf, args=f"IP={V4}")) == ["10.9.0.1/24", V4]
    conf["args"] = {"cni": {"ips": ["10.10.0.2/24"]}}
    assert addresses(ours("static", "ADD", conf, args=f"IP={V4}")) == ["10.10.0.2/24"]
    conf[key] = {"ips": ["10.10.0.3/24", V6]}
    assert addresses(ours("static", "ADD", conf, args=f"IP={V4}")) == ["10.10.0.3/24", V6]


def test_a_bare_address_of_the_runtime_takes_length_and_gateway_of_the_subnet_around_it() -> None:
    conf = static(addresses=[{"address": V4, "gateway": "10.10.0.254"}])
    conf["runtimeConfig"] = {"ips": ["10.10.0.7"]}
    assert ours("static", "ADD", conf)["ips"] == [{"address": "10.10.0.7/24", "gateway": "10.10.0.254"}]


@pytest.mark.parametrize(
    ("conf", "args", "msg"),
    [
        (static(addresses=[{"address": "10.0.0.1"}]), "",
         "the 'address' field is expected to be in CIDR notation, got: '10.0.0.1'"),
        (static(), "IP=10.0.0.1", "the 'ip' field is expected to be in CIDR notation, got: '10.0.0.1'"),
        (static(), f"IP={V4};GATEWAY=x", "invalid gateway address: x"),
        ({**static(), "args": {"cni": {"ips": ["10.0.0.1"]}}}, "",
         "an entry in the 'ips' field is NOT in CIDR notation, got: '10.0.0.1'"),
        ({**static(), "runtimeConfig": {"ips": ["10.0.0.1"]}}, "",
         "an entry in the 'ips' field is NOT in CIDR notation, got: '10.0.0.1'"),
        ({"cniVersion": "1.0.0", "name": "n", "type": "ptp"}, f"IP={V4}", "IPAM config missing 'ipam' key"),
        ({"cniVersion": "1.0.0", "name": "n", "type": "ptp", "runtimeConfig": {"ips": [V4]}}, "",
         "IPAM config missing 'ipam' key"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_named(conf: dict[str, Any], args: str, msg: str) -> None:
    e = refused("static", "ADD", conf, args=args)
    assert (e.code, e.msg) == (7, msg)


@pytest.mark.parametrize("text", ["IP=" + ",".join([V4] * 257), f"IP={V4};GATEWAY=" + ",".join(["10.10.0.254"] * 257)])
def test_a_list_of_cni_args_with_more_than_256_entries_is_refused_before_they_are_compared(text: str) -> None:
    e = refused("static", "ADD", static(), args=text)
    assert (e.code, e.details) == (4, "257 entries, 256 are allowed")


def test_check_compares_addresses_and_gateways() -> None:
    conf = with_gateways()
    result = ours("static", "ADD", conf)
    ours("static", "CHECK", {**conf, "prevResult": result})
    changed = {**result, "ips": [{**result["ips"][0], "gateway": "10.10.0.9"}, result["ips"][1]]}
    e = refused("static", "CHECK", {**conf, "prevResult": changed})
    assert e.code == 105
    assert "static: Failed to match addr 10.10.0.1/24" in e.msg
    assert refused("static", "CHECK", {**conf, "prevResult": {**result, "ips": result["ips"][:1]}}).code == 105
    assert refused("static", "CHECK", conf).msg == "Required prevResult missing"


def test_gc_and_status_succeed() -> None:
    conf = with_gateways("1.1.0")
    ours("static", "STATUS", conf)
    ours("static", "GC", {**conf, "cni.dev/valid-attachments": []})
