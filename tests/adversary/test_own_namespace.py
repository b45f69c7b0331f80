"""DEL whose CNI_NETNS is the plugin's own namespace by now: what needs no namespace is cleaned (reports.md B4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.adversary.world import FAMILIES, GO, Attached, Operators, World, network


def _process(world: World) -> str:
    """That of another process of the host, as after a process id was used again."""
    process = world.host.start("sleep", "infinity")
    world.processes.append(process)
    return f"/proc/{process.pid}/ns/net"


def _named(world: World) -> str:
    """A name that was given to it."""
    world.host.run("ip", "netns", "attach", "again", _process(world).split("/")[2])
    return "/run/netns/again"


PATHS: dict[str, Callable[[World], str]] = {
    "its own": lambda world: "/proc/self/ns/net",
    "another process's": _process,
    "a named one": _named,
}


def attached(world: World, families: str = "dual", exe: Any = None, backend: str = "nftables") -> Attached:
    """A container, and an interface eth0 of the host that has a veth pair's looks."""
    more = {} if exe else {"antiSpoof": True, "ipMasqBackend": backend}
    return world.attach(network("mynet", 1, FAMILIES[families], ipMasq=True, **more), "a", exe)


def detach_twice(world: World, a: Attached, path: str, **more: Any) -> None:
    """DEL with the plugin's own namespace cleans, and reports code 8; a second one finds nothing, and reports it."""
    eth0 = Operators(world.host, name="veth0ps", peer="eth0")
    before = eth0.picture()
    for number in range(2):
        reply = a.call("DEL", ours=True, netns=path, **more)
        eth0.is_untouched(before, (number, reply.stdout))
        reply.error(8)
        a.is_detached()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("families", FAMILIES)
def test_del_cleans_what_needs_no_namespace_and_reports_it(world: World, families: str, path: str) -> None:
    a = attached(world, families)
    detach_twice(world, a, PATHS[path](world))
    a.call("DEL").ok()


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("with_result", [True, False])
def test_del_cleans_both_backends_with_and_without_prev_result(world: World, with_result: bool, backend: str) -> None:
    detach_twice(world, attached(world, backend=backend), "/proc/self/ns/net", with_result=with_result)


@pytest.mark.parametrize("with_result", [True, False])
def test_del_cleans_what_go_attached(world: World, with_result: bool) -> None:
    detach_twice(world, attached(world, "v4", GO), "/proc/self/ns/net", with_result=with_result)


def test_del_cleans_what_is_left_of_a_container_whose_namespace_is_no_more(world: World) -> None:
    a = attached(world)
    world.host.run("ip", "link", "del", a.host_end)
    world.host.run("ip", "netns", "del", "a")
    detach_twice(world, a, "/proc/self/ns/net")


@pytest.mark.parametrize("with_result", [True, False])
def test_with_the_override_del_succeeds_and_touches_no_interface_of_the_host(world: World, with_result: bool) -> None:
    a = attached(world)
    eth0 = Operators(world.host, name="veth0ps", peer="eth0")
    before = eth0.picture()
    for _ in range(2):
        override = {"CNI_NETNS_OVERRIDE": "true"}
        reply = a.call("DEL", netns="/proc/self/ns/net", env=override, with_result=with_result)
        eth0.is_untouched(before, reply.stdout)
        reply.ok()
        a.is_detached()


@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_the_other_verbs_refuse_it_and_touch_nothing(world: World, command: str) -> None:
    a = attached(world)
    eth0 = Operators(world.host, name="veth0ps", peer="eth0")
    before, own = eth0.picture(), a.picture()
    a.call(command, netns="/proc/self/ns/net", with_result=True).error(8)
    eth0.is_untouched(before)
    a.is_untouched(own)
