"""A tenant that wishes for what others have, and leases that contradict each other: in doubt all is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.world import GO, Attached, World, network, static
from tests.console.people import CONF_DIR, ask, configure

EMPTY: dict[str, Any] = {**network("tenants", 9), "ipam": {"type": "static", "routes": [{"dst": "0.0.0.0/0"}]}}
WISHES = {
    "CNI_ARGS": (EMPTY, "IP={}/24;GATEWAY={}"),
    "runtimeConfig": ({**EMPTY, "runtimeConfig": {"ips": ["{}/24"]}}, ""),
    "args.cni": ({**EMPTY, "args": {"cni": {"ips": ["{}/24"]}}}, ""),
}


def wished(how: str, address: str, gateway: str) -> tuple[dict[str, Any], str]:
    """(configuration, CNI_ARGS) of a tenant that wishes for the address."""
    conf, args = WISHES[how]
    text = {"runtimeConfig": {"ips": [f"{address}/24"]}, "args": {"cni": {"ips": [f"{address}/24"]}}}
    more = {key: text[key] for key in text if key in conf}
    return {**conf, **more}, args.format(address, gateway) if args else ""


@pytest.mark.parametrize("how", WISHES)
@pytest.mark.parametrize("exe", [GO, None], ids=["Go's", "ours"])
def test_del_takes_nothing_from_a_neighbour_whose_address_a_tenant_wished_for(
    world: World, exe: Path | None, how: str
) -> None:
    """The runtime calls DEL after the ADD that failed, with and without the namespace."""
    victim = world.attach(static(network("prod", 1, ipMasq=True), "10.1.2.5/24"), "victim", exe)
    before = victim.picture()
    evil = world.host.container("evil")
    conf, args = wished(how, "10.1.2.5", "10.1.2.1")
    assert world.host.plugin("ADD", conf, container="evil", netns=evil.path, args=args).status == 1
    for netns in (evil.path, "", "/run/netns/gone"):
        world.host.plugin("DEL", conf, container="evil", netns=netns, args=args).ok()
        victim.is_untouched(before, netns)


@pytest.mark.parametrize("exe", [GO, None], ids=["Go's", "ours"])
def test_a_neighbours_address_is_no_gateway(world: World, exe: Path | None) -> None:
    victim = world.attach(network("prod", 1, ipMasq=True), "victim", exe)
    before = victim.picture()
    evil = world.host.container("evil")
    conf, args = wished("CNI_ARGS", "10.1.2.77", victim.addresses[0])
    error = world.host.plugin("ADD", conf, container="evil", netns=evil.path, args=args).error(100)
    assert victim.host_end in error["details"]
    victim.is_untouched(before)


@pytest.mark.parametrize("address", ["192.0.2.99", "10.1.2.1"], ids=["of an uplink", "a gateway"])
def test_an_address_of_the_host_itself_is_refused(world: World, address: str) -> None:
    victim = world.attach(network("prod", 1, ipMasq=True), "victim")
    world.host.run("ip", "addr", "add", "192.0.2.99/32", "dev", "lo")
    before = victim.picture()
    evil = world.host.container("evil")
    conf, args = wished("CNI_ARGS", address, address[:-1] + "7")
    error = world.host.plugin("ADD", conf, container="evil", netns=evil.path, args=args).error(100)
    assert "the host itself" in error["details"]
    victim.is_untouched(before)


BOUND: dict[str, Any] = static(network("tenants", 9), "10.1.9.5/24", "2001:db8:9::5/64")
UNBOUNDED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "everything": (EMPTY, {}, "IP=8.8.8.8/0;GATEWAY=169.254.169.254"),
    "everything of IPv6": (EMPTY, {}, "IP=2001:4860:4860::8888/0;GATEWAY=fe80::1"),
    "everything by a usual gateway": (EMPTY, {}, "IP=8.8.8.8/0;GATEWAY=10.1.2.1"),
    "a metadata service as gateway": (EMPTY, {}, "IP=169.254.1.1/16;GATEWAY=169.254.169.254"),
    "a metadata service": (EMPTY, {}, "IP=169.254.169.254/16;GATEWAY=169.254.0.1"),
    "half of everything by it": (EMPTY, {}, "IP=168.8.8.8/1;GATEWAY=169.254.169.254"),
    "link-local of IPv6": (EMPTY, {}, "IP=fe80::5/64;GATEWAY=fe80::1"),
    "another subnet": (BOUND, {}, "IP=8.8.8.8/24;GATEWAY=8.8.8.1"),
    "another subnet of IPv6": (BOUND, {}, "IP=2001:4860:4860::8888/64;GATEWAY=2001:4860:4860::1"),
    "a wider subnet": (BOUND, {}, "IP=10.1.9.8/8;GATEWAY=10.0.0.1"),
    "another gateway": (BOUND, {}, "IP=10.1.9.8/24;GATEWAY=10.1.9.77"),
    "another gateway of IPv6": (BOUND, {}, "IP=2001:db8:9::8/64;GATEWAY=2001:db8:9::77"),
    "a wider subnet by the runtime": (BOUND, {"runtimeConfig": {"ips": ["10.1.9.8/0"]}}, ""),
    "a wider subnet by args": (BOUND, {"args": {"cni": {"ips": ["2001:db8:9::8/0"]}}}, ""),
}


@pytest.mark.parametrize("case", UNBOUNDED)
def test_what_a_tenant_wishes_for_is_bounded_by_the_configuration(world: World, case: str) -> None:
    base, more, args = UNBOUNDED[case]
    conf = {**base, **more}
    evil = world.host.container("evil")
    before = world.host.snapshot()
    error = world.host.plugin("ADD", conf, container="evil", netns=evil.path, args=args).error(7)
    assert error["msg"].startswith("the wished address ") and "ipam.addresses" in error["details"]
    assert world.host.snapshot() == before
    assert world.host.plugin("DEL", conf, container="evil", netns=evil.path, args=args).ok() is None


ALLOWED: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str]]] = {
    "of CNI_ARGS": (BOUND, {}, "IP=10.1.9.8/24;GATEWAY=10.1.9.1", ["10.1.9.5/24", "2001:db8:9::5/64", "10.1.9.8/24"]),
    "of the runtime": (BOUND, {"runtimeConfig": {"ips": ["10.1.9.8", "2001:db8:9::8/64"]}}, "",
                       ["10.1.9.8/24", "2001:db8:9::8/64"]),
    "of args, without a subnet": (BOUND, {"args": {"cni": {"ips": ["10.1.9.8/32"]}}}, "", ["10.1.9.8/32"]),
    "where none is configured": (EMPTY, {}, "IP=10.7.7.7/24;GATEWAY=10.7.7.1", ["10.7.7.7/24"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED)
def test_a_wish_within_the_configuration_is_granted(world: World, case: str) -> None:
    base, more, args, addresses = ALLOWED[case]
    tenant = world.host.container("tenant")
    conf = {**base, **more}
    result = world.host.plugin("ADD", conf, container="tenant", netns=tenant.path, args=args).ok()
    assert [ip["address"] for ip in result["ips"]] == addresses
    checked = {**conf, "prevResult": result}
    assert world.host.plugin("CHECK", checked, container="tenant", netns=tenant.path, args=args).ok() is None


def test_two_leases_of_one_address_take_nothing_from_the_container_that_has_it(world: World) -> None:
    """One is stale, and `ptp gc` cannot know which."""
    victim = world.attach(network("mynet", 1, ipMasq=True), "victim", GO)
    configure({**victim.conf})
    other = Path("/var/lib/cni/networks/other")
    other.mkdir()
    (other / victim.addresses[0]).write_bytes(b"deadbeef\r\neth0")
    for lease in (other / victim.addresses[0], Path(f"/var/lib/cni/networks/mynet/{victim.addresses[0]}")):
        os.utime(lease, (1, 1))
    before = victim.picture()
    assert ask(world.host, "gc", "--conf-dir", CONF_DIR).returncode == 0
    victim.is_untouched(before)


def test_gc_deletes_no_link_without_an_alias_by_a_lease_alone(world: World) -> None:
    """A container that died long ago had the address of the one that Go attached with static IPAM."""
    victim = world.attach(static(network("prod", 1), "10.1.2.2/24"), "victim", GO)
    stale = Path("/var/lib/cni/networks/mynet/10.1.2.2")
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"deadbeef\r\neth0")
    before = victim.picture()
    conf = {**network("mynet", 1), "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    world.host.plugin("GC", conf).ok()
    victim.is_untouched(before)


@pytest.mark.parametrize("more", [{}, {"antiSpoof": True}, {"ipMasqBackend": "iptables"}], ids=str)
@pytest.mark.parametrize("kind", ["host-local", "static"])
@pytest.mark.parametrize("exe", [GO, None], ids=["Go's", "ours"])
def test_a_neighbour_that_sets_its_own_end_down_for_a_moment_loses_nothing(
    world: World, exe: Path | None, kind: str, more: dict[str, Any]
) -> None:
    conf = network("prod", 1, (4, 6), ipMasq=True, **more)
    victim = world.attach(static(conf, "10.1.2.5/24", "2001:db8:1::5/64") if kind == "static" else conf, "victim", exe)
    there = victim.container
    before = _kept(victim)
    evil = world.host.container("evil")
    for state in ("down", "up"):
        there.run("ip", "link", "set", "eth0", state)
        for address, gateway in zip(victim.addresses, victim.gateways):
            args = f"IP={address}/{64 if ':' in address else 24};GATEWAY={gateway}"
            wish = {**EMPTY, "ipMasq": True, **more, "ipam": {"type": "static"}}
            error = world.host.plugin("ADD", wish, container="evil", netns=evil.path, args=args).error(100)
            assert victim.host_end in error["details"], error
            world.host.plugin("DEL", wish, container="evil", netns=evil.path, args=args).ok()
    assert _kept(victim) == before


def _kept(victim: Attached) -> dict[str, Any]:
    """What the host has for it; of the routes those to its addresses: the kernel's own follow the carrier."""
    has = victim.on_host()
    to = [victim.host.ip("-6" if ":" in a else "-4", "route", "show", a)[0]["dev"] for a in victim.addresses]
    return {**has, "link": has["link"][0][:2], "to": to}
