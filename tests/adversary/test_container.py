"""A container that makes its side look as if it were another's: no call for it touches the other (reports.md A1)."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.adversary.hostile_container import OWNERS, Hostile
from tests.adversary.world import FAMILIES, GO, Attached, Operators, Victim, World, network
from tests.console.people import CONF_DIR, ask, configure

_VICTIMS = network("theirs", 2, ipMasq=True)
_NETNS = {"its own namespace": "/run/netns/bad", "no namespace": "", "a path that vanished": "/run/netns/gone"}


def _before_its_alias(world: World) -> Victim:
    victim = world.attach(_VICTIMS, "victim")
    world.host.run("ip", "link", "set", victim.host_end, "alias", "")
    return victim


VICTIMS: dict[str, Callable[[World], Victim]] = {
    "a container of Go's": lambda world: world.attach(_VICTIMS, "victim", GO),
    "an operator's pair": lambda world: Operators(world.host),
    "an operator's pair to a third namespace": lambda world: Operators(world.host, world.host.container("third")),
    "one of ours before its alias": _before_its_alias,
    "one of ours": lambda world: world.attach(_VICTIMS, "victim"),
}


def attacker(world: World, versions: tuple[int, ...] = (4,), owner: str = OWNERS[0], exe: object = None) -> Attached:
    """A container of ours, or of Go's, that is about to turn hostile."""
    Hostile(world, owner)
    conf = network("mynet", 1, versions, ipMasq=True, antiSpoof=True)
    return world.attach(conf, "bad", GO if exe else None)


def hostile(attached: Attached) -> Hostile:
    """The container of an attachment, which is a hostile one."""
    assert isinstance(attached.container, Hostile)
    return attached.container


def detach_in_every_way(bad: Attached, victim: Victim, before: dict[str, object]) -> None:
    """DEL with every combination of what a runtime may give; the victim is looked at after each."""
    for with_result, netns in itertools.product((True, False), _NETNS):
        reply = bad.call("DEL", with_result=with_result, netns=_NETNS[netns])
        victim.is_untouched(before, ("DEL", netns, with_result, reply.stdout))
        reply.ok()
    bad.is_detached()


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("kind", VICTIMS)
def test_del_touches_nobody_whose_ifindexes_a_container_chose(world: World, kind: str, owner: str) -> None:
    victim = VICTIMS[kind](world)
    before = victim.picture()
    bad = attacker(world, owner=owner)
    hostile(bad).pretend_to_be(victim)
    detach_in_every_way(bad, victim, before)


@pytest.mark.parametrize("families", ["v6", "dual"])
def test_del_touches_nobody_whatever_the_address_families(world: World, families: str) -> None:
    victim = VICTIMS["one of ours before its alias"](world)
    before = victim.picture()
    bad = attacker(world, FAMILIES[families])
    hostile(bad).pretend_to_be(victim)
    detach_in_every_way(bad, victim, before)


def test_del_touches_nobody_when_an_attachment_of_go_is_swapped_for_ours(world: World) -> None:
    """Go's has no alias and a random name: the ways to find it are the very ones that an adversary would use."""
    victim = VICTIMS["a container of Go's"](world)
    before = victim.picture()
    bad = attacker(world, exe=GO)
    hostile(bad).pretend_to_be(victim)
    for with_result, netns in itertools.product((True, False), _NETNS.values()):
        bad.call("DEL", ours=True, with_result=with_result, netns=netns).ok()
        victim.is_untouched(before, (with_result, netns))
    bad.is_detached()


@pytest.mark.parametrize("kind", ["macvlan", "macvtap", "bridge", "bridge port"])
def test_del_touches_nobody_whatever_kind_of_link_points_at_him(world: World, kind: str) -> None:
    victim = VICTIMS["a container of Go's"](world)
    before = victim.picture()
    bad = attacker(world)
    hostile(bad).pretend_to_be(victim, kind)
    detach_in_every_way(bad, victim, before)


def test_del_touches_nobody_whose_namespace_ids_macs_and_addresses_a_container_copied(world: World) -> None:
    """The child namespace gets every id in turn, and the false interface all that the victim's own end has."""
    victim = VICTIMS["a container of Go's"](world)
    assert isinstance(victim, Attached)
    before = victim.picture()
    bad = attacker(world)
    container = hostile(bad)
    container.run("ip", "link", "del", "eth0")
    for number in range(4):
        container.run("ip", "netns", "set", str(container.child), str(number), check=False)
    container.pretend(victim.peer, victim.ifindex)
    mac = victim.result["interfaces"][1]["mac"]
    container.run("ip", "link", "set", "eth0", "address", mac)
    container.run("ip", "addr", "add", f"{victim.addresses[0]}/24", "dev", "eth0")
    container.run("ip", "route", "add", "default", "via", victim.gateways[0])
    detach_in_every_way(bad, victim, before)


def test_del_finds_its_own_link_wherever_the_container_put_the_other_end(world: World) -> None:
    """Moved to a namespace of the container's own making, renamed, and replaced by a false one."""
    victim = VICTIMS["a container of Go's"](world)
    before = victim.picture()
    bad = attacker(world)
    container = hostile(bad)
    container.run("ip", "link", "set", "eth0", "netns", str(container.child))
    container.in_child("ip", "link", "set", "eth0", "name", "hidden")
    container.pretend(victim.peer, victim.ifindex)
    bad.call("DEL").ok()
    bad.is_detached()
    victim.is_untouched(before)


@pytest.mark.parametrize("with_result", [True, False], ids=["with prevResult", "without prevResult"])
@pytest.mark.parametrize("netns", _NETNS)
@pytest.mark.parametrize("hide", ["moved", "renamed", "with another MAC", "without addresses"])
def test_del_finds_a_link_of_gos_by_what_the_host_knows(world: World, hide: str, netns: str, with_result: bool) -> None:
    bad = attacker(world, exe=GO)
    container = hostile(bad)
    if hide == "moved":
        container.run("ip", "link", "set", "eth0", "netns", str(container.child))
    elif hide == "renamed":
        container.run("ip", "link", "set", "eth0", "down")
        container.run("ip", "link", "set", "eth0", "name", "hidden")
    elif hide == "with another MAC":
        container.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:77")
    else:
        container.run("ip", "addr", "flush", "dev", "eth0")
    bad.call("DEL", ours=True, with_result=with_result, netns=_NETNS[netns]).ok()
    bad.is_detached()


@pytest.mark.parametrize("netns", _NETNS)
def test_a_container_that_swaps_two_interfaces_loses_the_one_that_del_is_about(world: World, netns: str) -> None:
    """Both attached by Go: eth1's name is eth0 now, and the other way round."""
    bad = attacker(world, exe=GO)
    other = world.attach(network("othernet", 3), "bad", GO, ifname="eth1")
    container = hostile(bad)
    for old, new in (("eth0", "tmp"), ("eth1", "eth0"), ("tmp", "eth1")):
        container.run("ip", "link", "set", old, "down")
        container.run("ip", "link", "set", old, "name", new)
    before = other.on_host()
    bad.call("DEL", ours=True, netns=_NETNS[netns]).ok()
    assert other.on_host() == before
    bad.is_detached()


@pytest.mark.parametrize("with_result", [True, False], ids=["with prevResult", "without prevResult"])
def test_del_leaves_a_pair_that_an_operator_made_into_the_container(world: World, with_result: bool) -> None:
    """It is a veth pair between this namespace and the host, as ptp makes them, but the host routes nothing leased."""
    bad = attacker(world)
    bad.container.run("ip", "link", "del", "eth0")
    pair = Operators(world.host, bad.container, peer="eth0")
    before = pair.picture()
    bad.call("DEL", with_result=with_result).ok()
    pair.is_untouched(before)
    bad.is_detached()


@pytest.mark.parametrize("kind", VICTIMS)
def test_check_believes_no_ifindexes_and_touches_nobody(world: World, kind: str) -> None:
    victim = VICTIMS[kind](world)
    before = victim.picture()
    bad = attacker(world)
    hostile(bad).pretend_to_be(victim)
    details = bad.call("CHECK", with_result=True).error(105)["details"]
    assert victim.host_end not in details, "the container learnt a name by an ifindex that it chose"
    victim.is_untouched(before)


def test_check_finds_that_the_interface_is_another_pairs(world: World) -> None:
    """The real end was moved away, and one made in its place that has all its looks: nothing reaches the host."""
    bad = attacker(world)
    container = hostile(bad)
    (link,) = container.ip("link", "show", "dev", "eth0")
    assert bad.call("CHECK", with_result=True).ok() is None
    container.run("ip", "link", "set", "eth0", "netns", str(container.child))
    container.in_child("ip", "link", "set", "eth0", "up")
    container.pretend(bad.peer, bad.ifindex)
    container.in_child("ip", "link", "set", "x", "up")
    container.run("ip", "link", "set", "eth0", "address", link["address"])
    container.run("ip", "addr", "add", f"{bad.addresses[0]}/24", "dev", "eth0", "noprefixroute")
    container.run("ip", "route", "add", bad.gateways[0], "dev", "eth0", "src", bad.addresses[0])
    container.run("ip", "route", "add", "10.1.2.0/24", "via", bad.gateways[0], "src", bad.addresses[0])
    container.run("ip", "route", "add", "default", "via", bad.gateways[0])
    bad.call("CHECK", with_result=True).error(105)
    bad.call("DEL").ok()
    bad.is_detached()


@pytest.mark.parametrize("kind", VICTIMS)
def test_gc_touches_nobody_whose_ifindexes_a_container_chose(world: World, kind: str) -> None:
    victim = VICTIMS[kind](world)
    before = victim.picture()
    bad = attacker(world)
    hostile(bad).pretend_to_be(victim)
    for valid in ([{"containerID": "bad", "ifname": "eth0"}], []):
        bad.call("GC", conf={"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}).ok()
        victim.is_untouched(before, valid)
    bad.is_detached()


def test_commands_for_people_take_no_link_for_a_containers_because_it_says_so(world: World) -> None:
    victim = VICTIMS["a container of Go's"](world)
    assert isinstance(victim, Attached)
    before = victim.picture()
    bad = attacker(world)
    configure(bad.conf, "10-mynet.conf")
    configure(victim.conf, "20-theirs.conf")
    hostile(bad).pretend_to_be(victim)
    shown = ask(world.host, "show", "bad", "--conf-dir", CONF_DIR).stdout
    assert victim.host_end not in shown and victim.addresses[0] not in shown
    ask(world.host, "list", "--conf-dir", CONF_DIR)
    ask(world.host, "gc", "--network", "mynet", "--none-valid", "--conf-dir", CONF_DIR)
    victim.is_untouched(before)
    bad.is_detached()


@pytest.mark.parametrize("kind", VICTIMS)
def test_add_after_the_false_interface_was_made_touches_nobody(world: World, kind: str) -> None:
    """The interface is there: ADD refuses; after DEL it attaches the container anew."""
    victim = VICTIMS[kind](world)
    before = victim.picture()
    bad = attacker(world)
    container = hostile(bad)
    container.pretend_to_be(victim)
    bad.call("ADD").error(100)
    victim.is_untouched(before, "ADD")
    bad.call("DEL").ok()
    container.run("ip", "link", "del", "eth0")
    world.attach(bad.conf, "bad").works()
    victim.is_untouched(before, "ADD again")
