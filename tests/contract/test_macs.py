"""The MAC addresses of both ends are ours, whatever IPAM gave, and the same at every ADD."""

from __future__ import annotations

from typing import Any

import pytest

from tests.configurations import static
from tests.contract.traffic import listening, lost_packets
from tests.namespaces import Host, Place

NET_ADDR_RANDOM = "1"  # include/uapi/linux/netdevice.h: what systemd-udevd's MACAddressPolicy=persistent replaces
FAMILIES: dict[str, list[tuple[str, str | None]]] = {
    "v4": [("10.0.0.5/24", "10.0.0.1")],
    "v6": [("fd00::5/64", "fd00::1")],
    "v6, link-local gateway": [("fd00::5/64", "fe80::1")],
    "v4 and v6": [("10.0.0.5/24", "10.0.0.1"), ("fd00::5/64", "fd00::1")],
    "v6 and v4": [("fd00::5/64", "fd00::1"), ("10.0.0.5/24", "10.0.0.1")],
}
WISHES: dict[str, dict[str, Any]] = {"none": {}, "a wish": {"runtimeConfig": {"mac": "02:42:00:00:00:07"}}}


def macs(result: Any) -> list[str]:
    """Of the host end, and of the container's."""
    return [interface["mac"] for interface in result["interfaces"]]


def addr_assign_type(place: Place, name: str) -> str:
    """How the link got its address, which udev asks before it replaces it."""
    command = f"mkdir -p /run/sys && mount -t sysfs s /run/sys && cat /run/sys/class/net/{name}/addr_assign_type"
    return place.run("unshare", "-m", "sh", "-c", command).stdout.strip()


@pytest.mark.parametrize("wish", list(WISHES))
@pytest.mark.parametrize("family", list(FAMILIES))
def test_udev_leaves_both_ends_alone(host: Host, family: str, wish: str) -> None:
    container = host.container()
    result = host.plugin("ADD", static(FAMILIES[family], **WISHES[wish])).ok()
    assert addr_assign_type(host, result["interfaces"][0]["name"]) != NET_ADDR_RANDOM
    assert addr_assign_type(container, "eth0") != NET_ADDR_RANDOM


@pytest.mark.parametrize("wish", list(WISHES))
@pytest.mark.parametrize("family", list(FAMILIES))
def test_an_attachment_has_the_same_macs_at_every_add(host: Host, family: str, wish: str) -> None:
    host.container()
    configuration = static(FAMILIES[family], **WISHES[wish])
    first = host.plugin("ADD", configuration).ok()
    host.plugin("DEL", configuration).ok()
    again = host.plugin("ADD", configuration).ok()
    assert macs(again) == macs(first)
    assert len(set(macs(first))) == 2
    host.plugin("CHECK", {**configuration, "prevResult": again}).ok()


def test_attachments_without_ipv4_have_macs_of_their_own(host: Host) -> None:
    seen: list[str] = []
    for i, name in enumerate(("c1", "c2")):
        made = host.container(name)
        for ifname in ("eth0", "eth1"):
            address = f"fd00::{i}:{ifname[3]}:5/64"
            reply = host.plugin("ADD", static([(address, "fd00::1")]), container=name, netns=made.path, ifname=ifname)
            seen += macs(reply.ok())
    assert len(set(seen)) == 8


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_wish_for_the_host_ends_mac_gives_the_host_end_another(host: Host, family: str) -> None:
    container = host.container()
    plain = static(FAMILIES[family])
    taken = macs(host.plugin("ADD", plain).ok())[0]
    host.plugin("DEL", plain).ok()
    result = host.plugin("ADD", static(FAMILIES[family], runtimeConfig={"mac": taken})).ok()
    assert macs(result)[1] == taken
    assert macs(result)[0] != taken
    gateway = result["ips"][0]["gateway"]
    if not gateway.startswith("fe80"):
        with listening(host, gateway) as port:
            assert lost_packets(container, gateway, port) == 0


def test_what_udev_does_to_random_macs_costs_a_container_without_ipv4_nothing(host: Host) -> None:
    """Its rule, applied to each end: one that is random is replaced."""
    container = host.container()
    configuration = static(FAMILIES["v6"])
    result = host.plugin("ADD", configuration).ok()
    ends = ((host, result["interfaces"][0]["name"]), (container, "eth0"))
    for i, (place, name) in enumerate(ends):
        if addr_assign_type(place, name) == NET_ADDR_RANDOM:
            place.run("ip", "link", "set", name, "address", f"02:00:00:00:00:0{i}")
    host.plugin("CHECK", {**configuration, "prevResult": result}).ok()
