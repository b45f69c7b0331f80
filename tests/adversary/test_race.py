"""A container that renames, moves, deletes and makes interfaces during ADD, CHECK and DEL (reports.md A1 to A3)."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.hostile_container import OWNERS, Hostile
from tests.adversary.world import GO, Operators, Victim, World, elements, iptables_rules, network, routes_over
from tests.namespaces import Host

ROUNDS = 200 if os.environ.get("CNI_PTP_FAULTS") == "all" else 12
_SCRIPTS, _COMMANDS = 40, 12
_PAUSE_S = 0.01  # between two scripts: else no ADD would ever find the interface's name free
_CONF = network("mynet", 1, (4, 6), ipMasq=True, antiSpoof=True)


def race(world: World, container: Hostile, victims: list[Victim], seed: int) -> None:
    """From now on the container does something to its interfaces all the time, and so does its child namespace."""
    rng = random.Random(seed)
    child, parent = str(container.child), str(container.pid)
    inside = [
        "link set eth0 name e1", "link set e1 name eth0", "link set eth0 up", "link set eth0 down",
        f"link set eth0 netns {child}", f"link set e1 netns {child}", "link del eth0", "link del e1", "link del y",
        "link add name eth0 type veth peer name y", "link set y name eth0", "link set eth0 address 02:00:00:00:00:07",
        "addr flush dev eth0", "link property add dev eth0 altname other", "addr add 10.2.2.2/24 dev eth0",
    ]  # fmt: skip
    inside += [
        f"link add name {name} index {victim.peer} type veth peer name x index {victim.ifindex} netns {child}"
        for victim in victims
        for name in ("eth0", "e1", "eth0")
    ]
    beside = ["link del x", *[f"link set {name} netns {parent}" for name in ("eth0", "e1", "x")], "link set x up"]
    beyond = [*container.prefix[:-1], f"--net=/proc/{child}/ns/net"]
    for name, prefix, choices in (("inside", container.prefix, inside), ("beside", beyond, beside)):
        directory = Path(f"/run/{name}")
        directory.mkdir()
        for number in range(_SCRIPTS):
            commands = [*rng.choices(choices, k=_COMMANDS), "link del eth0", "link del e1", "link del y"]
            (directory / str(number)).write_text("\n".join(commands) + "\n")
        each = f"for script in {directory}/*; do ip -force -batch $script; sleep {_PAUSE_S}; done"
        world.processes.append(world.host.start(*prefix, "sh", "-c", f"while :; do {each}; done >/dev/null 2>&1"))


def everything(host: Host) -> dict[str, Any]:
    """All links of the host, routes, elements, rules and leases, comparable."""
    keys = ("ifindex", "ifname", "ifalias", "address", "link_index", "link_netnsid", "master")
    links = host.ip("-d", "link")
    return {
        "links": [{k: link.get(k) for k in keys} for link in links],
        "routes": routes_over(host, {link["ifname"] for link in links}),
        "elements": sorted(elements(host)),
        "rules": iptables_rules(host),
        "leases": sorted(str(p) for p in Path("/var/lib/cni/networks").glob("[a-z]*/*[.:]*") if "last" not in p.name),
    }


@pytest.mark.parametrize("owner", OWNERS)
def test_a_racing_container_touches_nobody_and_one_del_leaves_nothing(world: World, owner: str) -> None:
    ours = world.attach(network("theirs", 2, ipMasq=True), "b")
    nameless = world.attach(network("theirs", 2), "c")
    world.host.run("ip", "link", "set", nameless.host_end, "alias", "")
    victims = [ours, nameless, world.attach(network("theirs", 2, ipMasq=True), "d", GO), Operators(world.host)]
    container = Hostile(world, owner)
    first = world.attach(_CONF, "bad")  # so that what is made once a host is there
    first.call("DEL").ok()
    race(world, container, victims, len(owner))
    before, pictures = everything(world.host), [victim.picture() for victim in victims]
    outcomes = []
    for number in range(ROUNDS):
        call: dict[str, Any] = {"container": "bad", "netns": container.path}
        added = world.host.plugin("ADD", _CONF, **call)
        outcomes.append(added.status)
        assert not added.status or added.json["code"] in (100, 103), (number, added.json)
        if not added.status:
            checked = world.host.plugin("CHECK", {**_CONF, "prevResult": added.json}, **call)
            assert not checked.status or checked.json["code"] in (100, 105), (number, checked.json)
        previous = {"prevResult": added.json} if number % 2 and not added.status else {}
        deleted = world.host.plugin("DEL", {**_CONF, **previous}, **call)
        assert everything(world.host) == before, (number, added.stdout, deleted.stdout)
        deleted.ok()
    for victim, picture in zip(victims, pictures):
        victim.is_untouched(picture)
    print(f"{owner}: {outcomes.count(0)} of {ROUNDS} ADDs succeeded")
