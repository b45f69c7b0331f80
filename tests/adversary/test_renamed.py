"""A host end that was renamed, and a name of ours that another link has: the alias tells (reports.md A4, A5)."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.adversary.world import FAMILIES, GO, Attached, Operators, Victim, World, network
from tests.console.people import CONF_DIR, ask, configure
from tests.namespaces import Host, entered

NAMES = ("lan7", "veth77777777777", "a-very-long-nam")
_NETNS = {"its own namespace": "/run/netns/a", "no namespace": "", "a path that vanished": "/run/netns/gone"}


def rename(host: Host, old: str, new: str) -> None:
    """Give a link another name, as an operator or udev does it; before Linux 6.2 it must be down meanwhile."""
    if host.run("ip", "link", "set", old, "name", new, check=False).returncode == 0:
        return
    families = ("-4", "-6")
    saved = [host.run("ip", family, "route", "show", "dev", old).stdout.splitlines() for family in families]
    host.run("ip", "link", "set", old, "down")
    host.run("ip", "link", "set", old, "name", new)
    host.run("ip", "link", "set", new, "up")
    for family, routes in zip(families, saved):
        for route in routes:
            host.run("ip", family, "route", "replace", *route.split(), "dev", new, check=False)


def attached(world: World, families: str = "dual", backend: str = "nftables", name: str = "a") -> Attached:
    """A container with masquerading, guard and lease."""
    conf = network("mynet", 1, FAMILIES[families], ipMasq=True, antiSpoof=True, ipMasqBackend=backend)
    return world.attach(conf, name)


def first_seen(a: Attached, gateway: str, spoofed: str, own: str) -> str:
    """Return the source of the first datagram that the host takes, when an honest one follows a spoofed one."""
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((gateway, 0))
        receiver.settimeout(60)
        for source in (spoofed, own):
            with entered(a.container.path), socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                sender.sendto(b"x", receiver.getsockname()[:2])
        return str(receiver.recvfrom(1)[1][0])


@pytest.mark.parametrize("netns", _NETNS)
@pytest.mark.parametrize("with_result", [True, False], ids=["with prevResult", "without prevResult"])
@pytest.mark.parametrize("name", NAMES)
def test_del_removes_all_of_an_attachment_whose_host_end_was_renamed(
    world: World, name: str, with_result: bool, netns: str
) -> None:
    a = attached(world)
    rename(world.host, a.host_end, name)
    a.call("DEL", with_result=with_result, netns=_NETNS[netns]).ok()
    a.is_detached()


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("families", FAMILIES)
def test_del_removes_it_whatever_family_and_backend(world: World, families: str, backend: str) -> None:
    a = attached(world, families, backend)
    before = world.host.snapshot()["nftables"]
    rename(world.host, a.host_end, "lan7")
    a.call("DEL", netns="").ok()
    a.is_detached()
    assert all(address in before for address in a.addresses)
    assert not [address for address in a.addresses if address in world.host.run("nft", "list", "ruleset").stdout]


@pytest.mark.parametrize("netns", _NETNS)
def test_del_takes_the_renamed_link_and_not_an_operators_that_has_its_name_now(world: World, netns: str) -> None:
    a = attached(world)
    rename(world.host, a.host_end, "lan7")
    pair = Operators(world.host, world.host.container("third"), name=a.host_end)
    before = pair.picture()
    a.call("DEL", netns=_NETNS[netns]).ok()
    pair.is_untouched(before)
    a.is_detached()


@pytest.mark.parametrize("netns", _NETNS)
def test_del_takes_its_own_link_when_two_of_ours_have_swapped_names(world: World, netns: str) -> None:
    a, b = attached(world), attached(world, name="b")
    for old, new in ((a.host_end, "tmp0"), (b.host_end, a.host_end), ("tmp0", b.host_end)):
        rename(world.host, old, new)
    before = b.picture()
    a.call("DEL", netns=_NETNS[netns]).ok()
    b.is_untouched(before)
    a.is_detached()
    b.call("DEL", netns=b.container.path).ok()
    b.is_detached()


def test_check_says_that_it_was_renamed_or_finds_all_well(world: World) -> None:
    a = attached(world)
    rename(world.host, a.host_end, "lan7")
    before = a.picture()
    reply = a.call("CHECK", with_result=True)
    assert reply.status == 0 or "lan7" in reply.error(105)["details"]
    a.is_untouched(before)


def test_check_finds_that_two_of_ours_have_swapped_names(world: World) -> None:
    """Each name of prevResult exists, and is the other's."""
    a, b = attached(world), attached(world, name="b")
    for old, new in ((a.host_end, "tmp0"), (b.host_end, a.host_end), ("tmp0", b.host_end)):
        rename(world.host, old, new)
    for one, other in ((a, b), (b, a)):
        assert other.host_end in one.call("CHECK", with_result=True).error(105)["details"]


@pytest.mark.parametrize("name", NAMES)
def test_check_finds_that_a_renamed_link_is_not_guarded(world: World, name: str) -> None:
    """The guard is keyed by the derived name."""
    a = attached(world)
    a.container.run("ip", "addr", "add", "10.1.2.200/32", "dev", "eth0")
    assert first_seen(a, a.gateways[0], "10.1.2.200", a.addresses[0]) == a.addresses[0]
    rename(world.host, a.host_end, name)
    assert (
        f"{name} was renamed: nothing keeps it from spoofing" in a.call("CHECK", with_result=True).error(105)["details"]
    )
    rename(world.host, name, a.host_end)
    assert first_seen(a, a.gateways[0], "10.1.2.200", a.addresses[0]) == a.addresses[0]


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_gc_keeps_a_renamed_one_that_is_valid_and_removes_one_that_is_not(world: World, backend: str) -> None:
    a, b = attached(world, backend=backend), attached(world, backend=backend, name="b")
    rename(world.host, a.host_end, "lan7")
    rename(world.host, b.host_end, "lan8")
    before = a.picture()
    valid = [{"containerID": "a", "ifname": "eth0"}]
    a.call("GC", conf={"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}).ok()
    a.is_untouched(before)
    b.is_detached()


def test_commands_for_people_know_a_renamed_one(world: World) -> None:
    a = attached(world)
    configure(a.conf)
    rename(world.host, a.host_end, "lan7")
    before = a.picture()
    done = ask(world.host, "list", "--json", "--conf-dir", CONF_DIR)
    (found,) = json.loads(done.stdout)
    assert (found["containerID"], found["hostInterface"], found["antiSpoof"]) == ("a", "lan7", False)
    assert found["wrong"] == ["host interface lan7 was renamed: nothing keeps it from spoofing"]
    assert "lan7" in ask(world.host, "show", "a", "--conf-dir", CONF_DIR).stdout
    assert ask(world.host, "gc", "--conf-dir", CONF_DIR).returncode == 0
    a.is_untouched(before)
    assert ask(world.host, "gc", "--none-valid", "--conf-dir", CONF_DIR).returncode == 0
    a.is_detached()


@pytest.mark.parametrize("netns", _NETNS)
@pytest.mark.parametrize("with_result", [True, False], ids=["with prevResult", "without prevResult"])
def test_del_removes_what_go_attached_under_another_name(world: World, with_result: bool, netns: str) -> None:
    """It has no alias: the lease and the host's route to its address tell."""
    a = world.attach(network("mynet", 1, ipMasq=True), "a", GO)
    rename(world.host, a.host_end, "lan7")
    a.call("DEL", ours=True, with_result=with_result, netns=_NETNS[netns]).ok()
    a.is_detached()


# --- A5: alternative names ------------------------------------------------------------------------------------------


class Bridge(Victim):
    """A bridge of an operator's."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.host_end = "br0"
        host.run("ip", "link", "add", "br0", "type", "bridge")
        (link,) = host.ip("link", "show", "dev", "br0")
        self.ifindex, self.peer = link["ifindex"], 0


HOLDERS: dict[str, Callable[[World], Victim]] = {
    "a bridge": lambda world: Bridge(world.host),
    "an operator's pair": lambda world: Operators(world.host),
    "a container of Go's": lambda world: world.attach(network("theirs", 2, ipMasq=True), "victim", GO),
    "one of ours": lambda world: world.attach(network("theirs", 2, ipMasq=True), "victim"),
}


def with_altname(world: World, kind: str, name: str) -> tuple[Victim, Any]:
    """(a link that has the name as an alternative one, the picture of it)."""
    victim = HOLDERS[kind](world)
    world.host.run("ip", "link", "property", "add", "dev", victim.host_end, "altname", name)
    return victim, victim.picture()


@pytest.mark.parametrize("netns", _NETNS)
@pytest.mark.parametrize("kind", HOLDERS)
def test_del_leaves_a_link_that_has_our_name_as_an_alternative_one(world: World, kind: str, netns: str) -> None:
    """Ours was renamed, or deleted with its container."""
    a = attached(world)
    rename(world.host, a.host_end, "lan7")
    victim, before = with_altname(world, kind, a.host_end)
    for number in range(2):
        reply = a.call("DEL", netns=_NETNS[netns])
        victim.is_untouched(before, (number, reply.stdout))
        reply.ok()
        a.is_detached()


@pytest.mark.parametrize("kind", HOLDERS)
def test_an_add_that_meets_our_name_as_an_alternative_one_leaves_that_link(world: World, kind: str) -> None:
    """ADD may fail, since the kernel gives no name twice; what it made is taken back, and nothing else."""
    a = attached(world)
    a.call("DEL").ok()
    victim, before = with_altname(world, kind, a.host_end)
    links = world.host.ip("link")
    reply = a.call("ADD")
    victim.is_untouched(before, reply.stdout)
    if reply.status:
        assert a.host_end in json.dumps(reply.error(100))
        a.is_detached()
        assert [link["ifindex"] for link in world.host.ip("link")] == [link["ifindex"] for link in links]
    a.call("DEL").ok()
    victim.is_untouched(before, "DEL")
    a.is_detached()


@pytest.mark.parametrize("kind", HOLDERS)
def test_gc_and_check_leave_it_as_well(world: World, kind: str) -> None:
    a = attached(world)
    rename(world.host, a.host_end, "lan7")
    victim, before = with_altname(world, kind, a.host_end)
    a.call("CHECK", with_result=True)
    victim.is_untouched(before, "CHECK")
    a.call("GC", conf={"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}).ok()
    victim.is_untouched(before, "GC")
    a.is_detached()
