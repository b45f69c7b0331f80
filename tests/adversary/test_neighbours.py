"""ADD of an address that a living neighbour has: the neighbour keeps everything (reports.md B1)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.world import FAMILIES, GO, Attached, World, elements, network, static
from tests.namespaces import Reply

STATE = Path("/var/lib/cni/networks")
BACKENDS = ("nftables", "iptables")
_ADDRESSES = {4: "10.1.2.2/24", 6: "2001:db8:1::2/64"}
_UNREACHABLE = {4: {"dst": "198.51.100.0/24", "gw": "203.0.113.1"}, 6: {"dst": "2001:db8:aaaa::/48", "gw": "fd77::1"}}

# How the second comes by the address of the first; whether it could pass over to another.
IPAMS: dict[str, tuple[Callable[[dict[str, Any], tuple[int, ...]], dict[str, Any]], bool]] = {
    "host-local": (lambda conf, versions: conf, True),
    "static": (lambda conf, versions: static(conf, *[_ADDRESSES[v] for v in versions]), False),
    "delegated host-local": (lambda conf, versions: {**conf, "embeddedIPAM": False}, False),
    "delegated static": (
        lambda conf, versions: {**static(conf, *[_ADDRESSES[v] for v in versions]), "embeddedIPAM": False},
        False,
    ),
}


def conf_of(name: str, versions: tuple[int, ...], backend: str, **more: Any) -> dict[str, Any]:
    """One of several networks that have the same subnets, as two installations on one host may."""
    return network(name, 1, versions, ipMasq=True, antiSpoof=True, ipMasqBackend=backend, **more)


def add(world: World, conf: dict[str, Any], name: str = "b", **more: Any) -> Reply:
    """What ADD gave for a new container."""
    container = world.host.container(name)
    return world.host.plugin("ADD", conf, container=name, netns=container.path, path=str(GO.parent), **more)


def one_address(conf: dict[str, Any]) -> dict[str, Any]:
    """The configuration with a single address to give of each family, the second of its subnet."""
    ranges = [
        [{**r, "rangeStart": start, "rangeEnd": start}]
        for ((r,), start) in zip(conf["ipam"]["ranges"], [_ADDRESSES[6 if ":" in r[0]["subnet"] else 4].split("/")[0]
                                                        for r in conf["ipam"]["ranges"]])
    ]  # fmt: skip
    return {**conf, "ipam": {**conf["ipam"], "ranges": ranges}}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("families", FAMILIES)
@pytest.mark.parametrize("ipam", IPAMS)
def test_the_first_keeps_all_it_has_when_a_second_network_has_its_subnet(
    world: World, ipam: str, families: str, backend: str
) -> None:
    versions = FAMILIES[families]
    first = world.attach(conf_of("first", versions, backend), "a")
    before = first.picture()
    changed, passes_over = IPAMS[ipam]
    conf = changed(conf_of("second", versions, backend), versions)
    reply = add(world, conf)
    first.is_untouched(before, reply.stdout)
    if passes_over:
        given = {ip["address"].split("/")[0] for ip in reply.ok()["ips"]}
        assert not given & set(first.addresses)
        world.host.plugin("DEL", conf, container="b", netns="").ok()
        first.is_untouched(before, "DEL of the second")
    else:
        error = reply.error(100)
        assert first.host_end in error["msg"] + error["details"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_second_has_the_next_address_and_works(world: World, backend: str) -> None:
    world.attach(conf_of("first", (4, 6), backend), "a")
    second = world.attach(conf_of("second", (4, 6), backend), "b")
    assert second.addresses == ["10.1.2.3", "2001:db8:1::3"]
    second.works()
    second.call("CHECK", with_result=True).ok()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ipam", ["host-local", "static", "delegated host-local"])
def test_the_first_keeps_all_it_has_when_go_attached_it(world: World, ipam: str, backend: str) -> None:
    first = world.attach(network("first", 1, ipMasq=True), "a", GO)
    before = first.picture()
    reply = add(world, IPAMS[ipam][0](conf_of("second", (4,), backend), (4,)))
    first.is_untouched(before, reply.stdout)
    if reply.status:
        error = reply.error(100)
        assert first.host_end in error["msg"] + error["details"]
    else:
        assert reply.json["ips"][0]["address"] != "10.1.2.2/24"


@pytest.mark.parametrize("mixed", [BACKENDS, BACKENDS[::-1]], ids=" then ".join)
def test_the_first_keeps_all_it_has_though_the_second_masquerades_otherwise(
    world: World, mixed: tuple[str, str]
) -> None:
    first = world.attach(conf_of("first", (4, 6), mixed[0]), "a")
    before = first.picture()
    reply = add(world, static(conf_of("second", (4, 6), mixed[1]), *_ADDRESSES.values()))
    first.is_untouched(before, reply.stdout)
    reply.error(100)


@pytest.mark.parametrize("version", [4, 6])
def test_the_first_keeps_all_it_has_when_only_one_of_two_addresses_is_taken(world: World, version: int) -> None:
    """The second's other address is free: what was done for that one is taken back as well."""
    first = world.attach(conf_of("first", (version,), "nftables"), "a")
    before, elements_before = first.picture(), elements(world.host)
    reply = add(world, static(conf_of("second", (4, 6), "nftables"), *_ADDRESSES.values()))
    first.is_untouched(before, reply.stdout)
    reply.error(100)
    assert elements(world.host) == elements_before


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("families", FAMILIES)
def test_the_first_keeps_all_it_has_when_its_lease_files_were_removed(
    world: World, families: str, backend: str
) -> None:
    """On the same network; the address is passed over."""
    first = world.attach(conf_of("first", FAMILIES[families], backend), "a")
    shutil.rmtree(STATE)
    before = first.picture()
    second = world.attach(first.conf, "b")
    first.is_untouched(before)
    second.works()
    assert not set(second.addresses) & set(first.addresses)
    second.call("DEL").ok()
    first.is_untouched(before, "DEL of the second")
    first.call("DEL").ok()
    first.is_detached()


def test_eight_neighbours_without_lease_files_are_all_passed_over(world: World) -> None:
    conf = conf_of("first", (4, 6), "nftables")
    firsts = [world.attach(conf, f"a{i}") for i in range(8)]
    shutil.rmtree(STATE)
    before = [first.picture() for first in firsts]
    second = world.attach(conf, "b")
    assert second.addresses == ["10.1.2.10", "2001:db8:1::a"]
    for first, had in zip(firsts, before):
        first.is_untouched(had)


@pytest.mark.parametrize("families", FAMILIES)
def test_where_no_other_address_is_left_add_fails_and_the_first_keeps_all_it_has(world: World, families: str) -> None:
    conf = one_address(conf_of("first", FAMILIES[families], "nftables"))
    first = world.attach(conf, "a")
    for lost in (False, True):
        if lost:
            shutil.rmtree(STATE)
        before = first.picture()
        reply = add(world, {**conf, "name": "first" if lost else "second"}, f"b{lost}")
        first.is_untouched(before, reply.stdout)
        assert reply.json["code"] in (100, 103), reply.json
        assert first.host_end in reply.json["msg"] + reply.json.get("details", ""), reply.json
        name = "first" if lost else "second"
        assert [n for n in os.listdir(STATE / name) if n[0] in "12" and "reserved" not in n] == []


def test_the_first_keeps_all_it_has_when_the_second_asks_for_its_address(world: World) -> None:
    """By CNI_ARGS, by runtimeConfig, and by its host-local configuration."""
    first = world.attach(conf_of("first", (4,), "nftables"), "a")
    before = first.picture()
    conf = conf_of("second", (4,), "nftables")
    asked: list[tuple[dict[str, Any], str]] = [
        (conf, "IP=10.1.2.2"),
        ({**conf, "runtimeConfig": {"ips": ["10.1.2.2/24"]}}, ""),
        ({**conf, "args": {"cni": {"ips": ["10.1.2.2"]}}}, ""),
    ]
    for number, (wish, args) in enumerate(asked):
        reply = add(world, wish, f"b{number}", args=args)
        first.is_untouched(before, (number, reply.stdout))
        assert reply.json["code"] in (100, 103), (number, reply.json)


# --- an owner that is dead: his address may be taken over, and is given back if that comes to nothing ---------------


def _die(first: Attached) -> None:
    """End the namespace, and with it the pair; its leases and elements stay."""
    first.host.run("ip", "link", "del", first.host_end)
    first.host.run("ip", "netns", "del", first.container.name)


@pytest.mark.parametrize("families", FAMILIES)
def test_the_address_of_a_dead_owner_is_taken_over_and_works(world: World, families: str) -> None:
    versions = FAMILIES[families]
    first = world.attach(conf_of("first", versions, "nftables"), "a")
    _die(first)
    second = world.attach(static(conf_of("second", versions, "nftables"), *[_ADDRESSES[v] for v in versions]), "b")
    before = second.picture()
    second.works()
    first.call("DEL", netns="").ok()
    second.is_untouched(before, "DEL of the dead owner")


FAILURES = ("a route by an unreachable gateway", "a result that cannot be written")


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("families", FAMILIES)
def test_an_add_that_fails_gives_a_dead_owner_back_what_it_took_over(world: World, families: str, failure: str) -> None:
    versions = FAMILIES[families]
    first = world.attach(conf_of("first", versions, "nftables"), "a")
    _die(first)
    before, elements_before = first.on_host(), elements(world.host)
    conf = static(conf_of("second", versions, "nftables"), *[_ADDRESSES[v] for v in versions])
    if failure == FAILURES[0]:
        conf["ipam"]["routes"] += [_UNREACHABLE[v] for v in versions]
        add(world, conf).error(100)
    else:
        with open("/dev/full", "w") as full:
            assert add(world, conf, stdout=full).status == 1
    assert elements(world.host) == elements_before
    assert first.on_host() == before


@pytest.mark.parametrize("families", FAMILIES)
def test_a_neighbour_of_the_same_name_in_another_network_is_told_apart(world: World, families: str) -> None:
    """Same container, same subnets, two networks: the second interface of one container."""
    versions = FAMILIES[families]
    first = world.attach(conf_of("first", versions, "nftables"), "a")
    before = first.picture()
    conf = static(conf_of("second", versions, "nftables"), *[_ADDRESSES[v] for v in versions])
    netns = first.container.path
    error = world.host.plugin("ADD", conf, container="a", netns=netns, ifname="eth1").error(100)
    assert first.host_end in error["msg"] + error["details"]
    first.is_untouched(before)
