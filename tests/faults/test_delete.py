"""DEL removes what is ours however often it is asked, and nothing else; and so does GC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import conf
from tests.namespaces import Host

CONF = conf("1.1.0", ["v4", "v6"], ipMasq=True, antiSpoof=True)
LEASES = Path("/var/lib/cni/networks/mynet")


def veth_of(host: Host, result: dict[str, Any]) -> dict[str, Any]:
    """The host end of an attachment as `ip` shows it."""
    link: dict[str, Any] = host.ip("link", "show", result["interfaces"][0]["name"])[0]
    return link


@pytest.mark.parametrize("netns", ["/run/netns/c1", "/run/netns/gone", ""], ids=["alive", "gone", "unnamed"])
def test_twenty_dels_in_a_row_are_twenty_successes(host: Host, netns: str) -> None:
    host.container()
    host.plugin("ADD", CONF).ok()
    host.plugin("DEL", CONF).ok()
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    for _ in range(20):
        assert host.plugin("DEL", CONF, netns=netns).ok() is None
    assert host.snapshot() == before


def test_del_of_what_never_was_is_a_success_and_makes_nothing(host: Host) -> None:
    host.container()
    before = host.snapshot()
    assert host.plugin("DEL", CONF).ok() is None
    assert host.snapshot() == before
    assert host.run("nft", "list", "ruleset").stdout == ""


# What else may stand in a container under the name of the interface; the link that must survive in the host.
FOREIGN = {
    "a bridge's port": (
        "ip link add br0 type bridge; ip link add port0 type veth peer name eth0 netns c1;"
        " ip link set port0 master br0",
        "port0",
    ),
    "another's veth": (
        "ip link add veth0ther type veth peer name eth0 netns c1; ip link set veth0ther alias cni-ptp\\ n\\ c\\ i",
        "veth0ther",
    ),
    "a veth of another name": ("ip link add up0 type veth peer name eth0 netns c1", "up0"),
    "no veth": ("ip -n c1 link add eth0 type bridge", ""),
    "both ends inside": ("ip -n c1 link add eth0 type veth peer name eth1", ""),
}


@pytest.mark.parametrize("kind", list(FOREIGN))
def test_del_leaves_a_foreign_interface_of_the_same_name_alone(host: Host, kind: str) -> None:
    container = host.container()
    commands, survivor = FOREIGN[kind]
    host.run("sh", "-c", commands)
    before = host.snapshot()
    host.plugin("DEL", CONF)
    assert host.snapshot() == before
    assert container.ip("link", "show", "eth0")
    assert not survivor or host.ip("link", "show", survivor)


@pytest.mark.parametrize("damage", ["ip link set VETH alias cni-ptp\\ other\\ c9\\ eth0", "type"])
def test_del_refuses_a_link_of_its_name_that_is_not_its_own(host: Host, damage: str) -> None:
    host.container()
    name = host.plugin("ADD", CONF).ok()["interfaces"][0]["name"]
    if damage == "type":
        host.run("ip", "link", "del", name)
        host.run("ip", "link", "add", name, "type", "bridge")
    else:
        host.run("sh", "-c", damage.replace("VETH", name))
    error = host.plugin("DEL", CONF).error(100)
    assert error["msg"] == f"delete link {name}"
    assert host.ip("link", "show", name)
    assert list(LEASES.glob("10.*")), "the address is in use"
    assert "10.1.2.2" in host.run("nft", "list", "ruleset").stdout


def test_del_with_the_plugins_own_namespace_removes_what_needs_none_and_says_so(host: Host) -> None:
    host.container()
    host.run("ip", "link", "add", "eth0", "type", "bridge")
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    for _ in range(2):
        host.plugin("DEL", CONF, netns="/proc/self/ns/net").error(8)
        assert host.snapshot() == before


def test_another_containers_and_another_interfaces_attachments_survive(host: Host) -> None:
    host.container("c1")
    host.container("c2")
    host.plugin("ADD", CONF, container="c2", netns="/run/netns/c2").ok()
    host.plugin("ADD", CONF, ifname="eth1").ok()
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    for netns in ("/run/netns/c1", ""):
        host.plugin("DEL", CONF, netns=netns).ok()
    after = host.snapshot()
    assert after == before


def test_every_step_is_tried_and_every_failure_told(host: Host) -> None:
    """The namespace is our own, the leases' directory is a file: both are reported, the masquerading is removed."""
    host.container()
    host.plugin("ADD", CONF).ok()
    host.run("sh", "-c", f"rm -r {LEASES}; touch {LEASES}")
    error = host.plugin("DEL", CONF, netns="/proc/self/ns/net").error(8)
    assert f"{LEASES} as the plugin's state" in error["details"], error
    assert "10.1.2.2" not in host.run("nft", "list", "ruleset").stdout


def test_a_namespace_that_can_not_be_opened_does_not_keep_del_from_the_rest(host: Host) -> None:
    host.container()
    host.plugin("ADD", CONF).ok()
    Path("/run/loop").symlink_to("/run/loop")
    error = host.plugin("DEL", CONF, netns="/run/loop").error(8)
    assert "ELOOP" in error["details"]
    assert not [link for link in host.ip("link") if link["ifname"].startswith("veth")]
    assert not list(LEASES.glob("10.*"))


def test_the_lease_goes_last(host: Host) -> None:
    """Between the end of the link and that of the lease nobody may get the address."""
    host.container()
    veth = host.plugin("ADD", CONF).ok()["interfaces"][0]["name"]
    env = host.environment("DEL", "c1", "/run/netns/c1", "eth0", "", "")
    # The removal of the first lease begins three seconds late.
    delayed = ["strace", "-qq", "-o", "/run/trace", "--inject=unlinkat:delay_enter=3000000:when=1"]
    Path("/run/conf.json").write_text(json.dumps(CONF))
    with open("/run/conf.json") as stdin:
        call = host.start(*delayed, str(host.plugin_file), stdin=stdin, env=env)
    seen = []
    while call.poll() is None:
        # First, so that nothing which is seen after it can have gone before it.
        leased = sorted(path.name for path in LEASES.glob("*[.:]*2"))
        links, routes = [link["ifname"] for link in host.ip("link")], [route["dst"] for route in host.ip("route")]
        masqueraded = "10.1.2.2" in host.run("nft", "list", "ruleset").stdout
        seen.append((leased, veth in links, "10.1.2.2" in routes, masqueraded))
    assert call.wait() == 0
    both = ["10.1.2.2", "2001:db8:1::2"]
    assert (both, False, False, False) in seen
    assert [look for look in seen if look[0] != both and look[1:] != (False, False, False)] == []
    assert not list(LEASES.glob("*[.:]*2"))


def test_gc_removes_what_is_stale_of_its_own_network_and_nothing_else(host: Host) -> None:
    other = {**CONF, "name": "othernet", "ipam": {"type": "host-local", "subnet": "10.7.0.0/24"}}
    for name in ("c1", "c2"):
        host.container(name)
    kept = host.plugin("ADD", CONF).ok()
    foreign = host.plugin("ADD", other, ifname="eth1").ok()
    before = host.snapshot()
    stale = host.plugin("ADD", CONF, container="c2", netns="/run/netns/c2").ok()
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    assert host.plugin("GC", {**CONF, "cni.dev/valid-attachments": valid}).ok() is None
    assert host.snapshot() == before
    for result in (kept, foreign):
        assert veth_of(host, result)
    assert host.run("ip", "link", "show", stale["interfaces"][0]["name"], check=False).returncode
    assert host.plugin("GC", {**CONF, "cni.dev/attachments": []}).ok() is None
    assert [i["name"] for i in (foreign["interfaces"][0],)] == [
        link["ifname"] for link in host.ip("link") if link["ifname"].startswith("veth")
    ]


def test_gc_without_a_list_collects_nothing(host: Host) -> None:
    host.container()
    result = host.plugin("ADD", CONF).ok()
    before = host.snapshot()
    assert host.plugin("GC", CONF).ok() is None
    after = host.snapshot()
    for part in ("links", "nftables", "leases"):
        assert after[part] == before[part]
    assert host.plugin("CHECK", {**CONF, "prevResult": result}).ok() is None


def test_gc_goes_on_after_a_failure_and_reports_it(host: Host) -> None:
    host.container()
    name = host.plugin("ADD", CONF).ok()["interfaces"][0]["name"]
    host.run("sh", "-c", f"rm -r {LEASES}; touch {LEASES}")
    error = host.plugin("GC", {**CONF, "cni.dev/valid-attachments": []}).error(104)
    assert str(LEASES) in error["msg"]
    assert host.run("ip", "link", "show", name, check=False).returncode
    assert "10.1.2.2" not in host.run("nft", "list", "ruleset").stdout
