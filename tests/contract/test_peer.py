"""The same configurations through the Go plugin and through ours: what differs is in one table, the rest is equal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import VERSIONS, conf
from tests.contract.traffic import listening, lost_packets
from tests.namespaces import Host

GO = Path("/usr/lib/cni")

# Field of a result -> why it differs.  Nothing else may.
DIFFERENCES = {
    "interfaces[0].name": "random there, derived from the attachment here",
    "interfaces[0].mac": "random there, 0a:58 and the gateway's address here",
    "interfaces[1].mac": "random there, 0a:58 and the container's address here",
    "interfaces[0].mtu": "missing there, a key of 1.1.0",
    "interfaces[1].mtu": "missing there, a key of 1.1.0",
}
GO_VERSIONS = tuple(v for v in VERSIONS if v != "1.1.0")  # Debian's is from before it

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "v4": {"ranges": [[{"subnet": "10.1.2.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
    "old range": {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.20", "gateway": "10.1.2.254"},
    "no routes": {"ranges": [[{"subnet": "10.1.2.0/24"}]]},
    "routes": {
        "ranges": [[{"subnet": "10.1.2.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.77"}, {"dst": "1.2.3.4/32"}],
    },
    "two pools": {"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}]]},
    "/29": {"ranges": [[{"subnet": "10.1.2.8/29"}]]},
}


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """The leaves of a document by their paths."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{path}.{key}" if path else key).items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{path}[{i}]").items()}
    return {path: value}


def state(container: Any) -> dict[str, Any]:
    """What the container has: addresses and routes, without what the kernel and the plugins choose by themselves."""
    addresses = [
        (a["local"], a["prefixlen"], a.get("broadcast"))
        for link in container.ip("addr", "show", "eth0")
        for a in link["addr_info"]
        if a["scope"] == "global"
    ]
    routes = [
        (r["dst"], r.get("gateway"), r.get("prefsrc"), r.get("scope"), r.get("metric"))
        for r in container.ip("-4", "route", "show")
    ]
    mtu = container.ip("link", "show", "eth0")[0]["mtu"]
    return {"addresses": addresses, "routes": sorted(map(str, routes)), "mtu": mtu}


@pytest.mark.parametrize("version", GO_VERSIONS)
@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_the_same_configuration_gives_the_same(host: Host, name: str, version: str) -> None:
    ours, theirs = host.container("c1"), host.container("c2")
    ipam = {"type": "host-local", **CONFIGURATIONS[name]}
    dns = {"nameservers": ["192.0.2.1"], "search": ["example.org"]}
    found = {}
    for plugin, container in ((None, ours), (GO / "ptp", theirs)):
        configuration = {
            **conf(version, ["v4"], mtu=1400, dns=dns),
            "ipam": {**ipam, "dataDir": f"/var/lib/cni/{container.name}"},
        }
        reply = host.plugin("ADD", configuration, netns=container.path, exe=plugin, path=str(GO))
        assert reply.status == 0, reply.stdout
        document = json.loads(reply.stdout.replace(container.path.encode(), b"NETNS"))
        found[container.name] = (flat(document), state(container))
        assert host.plugin("DEL", configuration, netns=container.path, exe=plugin, path=str(GO)).status == 0
    (our_result, our_state), (their_result, their_state) = found["c1"], found["c2"]
    different = {key for key in our_result.keys() | their_result.keys() if our_result.get(key) != their_result.get(key)}
    assert different <= DIFFERENCES.keys(), {k: (our_result.get(k), their_result.get(k)) for k in different}
    assert our_state == their_state


def test_dual_stack_is_the_same_but_for_the_time_it_takes(host: Host) -> None:
    ours, theirs = host.container("c1"), host.container("c2")
    found = []
    for plugin, container in ((None, ours), (GO / "ptp", theirs)):
        configuration = conf("1.0.0", ["v4", "v6"])
        configuration["ipam"]["dataDir"] = f"/var/lib/cni/{container.name}"
        host.plugin("ADD", configuration, netns=container.path, exe=plugin, path=str(GO)).ok()
        six = [(r["dst"], r.get("gateway"), r["metric"]) for r in container.ip("-6", "route") if "fe80" not in r["dst"]]
        found.append((state(container), sorted(map(str, six))))
        host.plugin("DEL", configuration, netns=container.path, exe=plugin, path=str(GO)).ok()
    assert found[0] == found[1]


@pytest.mark.parametrize("masq", [False, True])
@pytest.mark.parametrize(("first", "second"), [(None, GO / "ptp"), (GO / "ptp", None)], ids=["ours-go", "go-ours"])
def test_either_detaches_what_the_other_attached(
    host: Host, first: Path | None, second: Path | None, masq: bool
) -> None:
    for program in ("iptables", "ip6tables"):  # its base chains stay, as iptables itself leaves them
        for verb in ("-A", "-D"):
            host.run(program, "-t", "nat", verb, "POSTROUTING", "-j", "ACCEPT")
    container = host.container()
    before = host.snapshot()
    backend = {"ipMasq": True, "ipMasqBackend": "iptables"} if masq else {}
    configuration = conf("0.4.0", ["v4"], **backend)
    # Debian's 1.1.1 fails its own CHECK of a route without a gateway, unless it is a default route.
    configuration["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}]
    result = host.plugin("ADD", configuration, exe=first, path=str(GO)).ok()
    checked = {**configuration, "prevResult": result}
    for plugin in (None, GO / "ptp"):
        assert host.plugin("CHECK", checked, exe=plugin, path=str(GO)).ok() is None
    with listening(host, "10.1.2.1") as port:
        assert lost_packets(container, "10.1.2.1", port) == 0
    assert host.plugin("DEL", checked, exe=second, path=str(GO)).ok() is None
    assert host.snapshot() == before


@pytest.mark.parametrize("ipam", ["host-local", "static"])
def test_with_debians_ipam_beside_it_the_binary_is_used_if_asked_for(host: Host, ipam: str) -> None:
    container = host.container()
    directory = Path("/run/plugins")
    directory.mkdir()
    shutil.copy(host.plugin_file, directory / "ptp")
    shutil.copy(GO / ipam, directory / ipam)
    configuration = conf("1.0.0", ["v4"], embeddedIPAM=False)
    if ipam == "static":
        configuration["ipam"] = {"type": "static", "addresses": [{"address": "10.1.2.9/24", "gateway": "10.1.2.1"}]}
    before = host.snapshot()
    result = host.plugin("ADD", configuration, exe=directory / "ptp", path=str(directory)).ok()
    with listening(host, "10.1.2.1") as port:
        assert lost_packets(container, "10.1.2.1", port) == 0
    checked = {**configuration, "prevResult": result}
    assert host.plugin("CHECK", checked, exe=directory / "ptp", path=str(directory)).ok() is None
    assert host.plugin("DEL", configuration, exe=directory / "ptp", path=str(directory)).ok() is None
    assert host.snapshot() == before


def test_the_file_alone_in_a_directory_works(host: Host) -> None:
    host.container()
    directory = Path("/run/alone")
    directory.mkdir()
    shutil.copy(host.plugin_file, directory / "ptp")
    before = host.snapshot()
    nothing = {"PATH": "/nowhere"}
    configuration = conf("1.0.0", ["v4", "v6"], ipMasq=True)
    host.plugin("ADD", configuration, exe=directory / "ptp", path=str(directory), env=nothing).ok()
    assert host.plugin("DEL", configuration, exe=directory / "ptp", path=str(directory), env=nothing).ok() is None
    assert host.snapshot() == before


def test_a_delegates_error_is_passed_on_whole(host: Host) -> None:
    host.container()
    before = host.snapshot()
    bad = {**conf("1.0.0", ["v4"], embeddedIPAM=False), "ipam": {"type": "host-local"}}
    reply = host.plugin("ADD", bad, path=str(GO))
    theirs = host.plugin("ADD", bad, exe=GO / "host-local", path=str(GO))
    assert (reply.json["code"], reply.json["msg"]) == (theirs.json["code"], theirs.json["msg"])
    assert host.snapshot() == before


def test_go_and_ours_side_by_side_never_give_an_address_twice(host: Host) -> None:
    import concurrent.futures

    ours = Path("/run/host-local")
    ours.symlink_to(host.plugin_file)
    configuration = conf("0.4.0", ["v4"])

    def add(i: int) -> str:
        exe = ours if i % 2 else GO / "host-local"
        reply = host.plugin("ADD", configuration, container=f"c{i}", netns="/x", exe=exe, path=str(GO))
        assert reply.status == 0, reply.stdout
        address: str = reply.json["ips"][0]["address"]
        return address

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        given = list(pool.map(add, range(60)))
    assert len(set(given)) == 60
    for i in range(60):  # each releases what the other gave
        exe = GO / "host-local" if i % 2 else ours
        assert host.plugin("DEL", configuration, container=f"c{i}", netns="/x", exe=exe, path=str(GO)).status == 0
    assert host.snapshot()["leases"] == []
