"""DEL whose CNI_NETNS is another container's by now: a path or a process id was used again (reports.md A2)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.adversary.world import FAMILIES, GO, Attached, Operators, Victim, World, network, static
from tests.namespaces import Container

_THEIRS = network("theirs", 2, ipMasq=True)
OWNERS: dict[str, Callable[[World], Victim]] = {
    "Go": lambda world: world.attach(_THEIRS, "b", GO),
    "Go, on the same network": lambda world: world.attach(network("mynet", 1, ipMasq=True), "b", GO),
    "Go, with static addresses": lambda world: world.attach(static(_THEIRS, "10.2.2.9/24"), "b", GO),
    "ours": lambda world: world.attach(_THEIRS, "b"),
    "an operator": lambda world: Operators(world.host, world.host.container("b"), peer="eth0"),
}
RESULTS = pytest.mark.parametrize("with_result", [True, False], ids=["with prevResult", "without prevResult"])


def container_that_died(world: World, conf: dict[str, Any], exe: Any = None) -> Attached:
    """An attachment whose namespace is no more, and with it the pair; nobody called DEL."""
    died = world.attach(conf, "a", exe)
    world.host.run("ip", "link", "del", died.host_end)
    world.host.run("ip", "netns", "del", "a")
    return died


@RESULTS
@pytest.mark.parametrize("families", FAMILIES)
@pytest.mark.parametrize("owner", OWNERS)
def test_del_leaves_the_container_that_has_the_namespace_now(
    world: World, owner: str, families: str, with_result: bool
) -> None:
    died = container_that_died(world, network("mynet", 1, FAMILIES[families], ipMasq=True, antiSpoof=True))
    victim = OWNERS[owner](world)
    before = victim.picture()
    for _ in range(2):
        reply = died.call("DEL", with_result=with_result, netns="/run/netns/b")
        victim.is_untouched(before, reply.stdout)
        reply.ok()
        died.is_detached()


@RESULTS
def test_del_of_what_go_attached_leaves_it_as_well(world: World, with_result: bool) -> None:
    died = container_that_died(world, network("mynet", 1, ipMasq=True), GO)
    victim = OWNERS["Go"](world)
    before = victim.picture()
    died.call("DEL", ours=True, with_result=with_result, netns="/run/netns/b").ok()
    victim.is_untouched(before)
    died.is_detached()


@RESULTS
def test_del_of_one_that_lives_takes_its_own_link_whosever_the_namespace_is(world: World, with_result: bool) -> None:
    """Both attached by Go and alive, and the runtime gives the other's namespace."""
    victim = OWNERS["Go, on the same network"](world)
    wanted = world.attach(network("mynet", 1, ipMasq=True), "a", GO)
    before = victim.picture()
    wanted.call("DEL", ours=True, with_result=with_result, netns="/run/netns/b").ok()
    victim.is_untouched(before)
    wanted.is_detached()


@pytest.mark.parametrize("what", ["host end", "MAC", "host end of another", "address of another"])
def test_a_prev_result_that_names_something_else_gives_no_right_to_what_is_there(world: World, what: str) -> None:
    """The attachment is another interface of the same container, of which nothing but prevResult is left."""
    victim = world.attach(_THEIRS, "b", GO)
    other = world.attach(network("thirdnet", 3), "c", GO)
    before, others = victim.picture(), other.picture()
    result = {**victim.result, "interfaces": [dict(i) for i in victim.result["interfaces"]]}
    if what == "host end":
        result["interfaces"][0]["name"] = "veth12345678"
    elif what == "MAC":
        result["interfaces"][0]["mac"] = "02:00:00:00:00:01"
        result["interfaces"][1]["mac"] = "02:00:00:00:00:02"
    elif what == "host end of another":
        result["interfaces"][0].update(other.result["interfaces"][0])
    else:
        result["ips"] = other.result["ips"]
    conf = {**network("mynet", 1), "prevResult": result}
    world.host.plugin("DEL", conf, container="a", netns=victim.container.path).ok()
    victim.is_untouched(before)
    other.is_untouched(others)


def test_a_prev_result_that_is_stale_in_every_word_takes_nothing(world: World) -> None:
    """Another container of the same network was given the address, by a host that had lost its leases."""
    died = container_that_died(world, network("mynet", 1, ipMasq=True))
    died.call("DEL").ok()
    again = {"rangeStart": "10.1.2.2", "rangeEnd": "10.1.2.2", "subnet": "10.1.2.0/24"}
    conf = network("mynet", 1, ipMasq=True)
    conf["ipam"]["ranges"] = [[again]]
    for exe in (GO, None):
        victim = world.attach(conf, "b", exe)
        assert victim.addresses == died.addresses
        before = victim.picture()
        for netns in ("/run/netns/b", "", "/run/netns/a"):
            died.call("DEL", with_result=True, netns=netns).ok()
            victim.is_untouched(before, (exe, netns))
        victim.call("DEL").ok()


@RESULTS
def test_a_process_id_that_was_used_again_leads_to_nobody_elses_link(world: World, with_result: bool) -> None:
    """CNI_NETNS of /proc/PID/ns/net, which is how containerd and podman give it."""
    process = world.host.start("unshare", "-n", "sh", "-c", "echo ready; exec sleep infinity")
    world.processes.append(process)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    world.host.run("ip", "netns", "attach", "b", str(process.pid))
    world.host.containers.append(Container("b"))
    died = container_that_died(world, network("mynet", 1, ipMasq=True))
    victim = OWNERS["Go"](world)
    before = victim.picture()
    died.call("DEL", with_result=with_result, netns=f"/proc/{process.pid}/ns/net").ok()
    victim.is_untouched(before)
    os.kill(process.pid, signal.SIGKILL)
    died.call("DEL", with_result=with_result, netns=f"/proc/{process.pid}/ns/net").ok()
    died.is_detached()
