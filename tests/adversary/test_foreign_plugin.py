"""Somebody else made tables, chains and links under our names: nothing of his is deleted by any verb."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.world import GO, World, elements, iptables_rules, network
from tests.namespaces import REFERENCE, Host

CONF = network("mynet", 1, (4, 6), ipMasq=True, antiSpoof=True, ipMasqBackend="nftables")
STALE: dict[str, Any] = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}

# What stands there before our first ADD, and words of it that `nft` must print for ever after.
TABLES = {
    "another chain": (
        "inet cni_ptp { chain theirs { type filter hook forward priority 5; policy accept; counter } }",
        "chain theirs",
    ),
    "another set": ("inet cni_ptp { set theirs { type ipv4_addr; elements = { 10.99.0.1 } } }", "10.99.0.1"),
    "another chain beside the guard": (
        "inet cni_ptp_antispoof { chain theirs { type filter hook forward priority 5; policy accept; counter } }",
        "chain theirs",
    ),
    "another set beside the guard": (
        "inet cni_ptp_antispoof { set theirs { type ipv4_addr; elements = { 10.99.0.1 } } }",
        "10.99.0.1",
    ),
    "our set of another type": ("inet cni_ptp { set masq4 { type inet_service; elements = { 77 } } }", "77"),
    "our set as a map": (
        "inet cni_ptp { map masq4 { type ipv4_addr : ipv4_addr; elements = { 10.99.0.1 : 10.99.0.2 } } }",
        "10.99.0.2",
    ),
    "the guard's set of another type": (
        "inet cni_ptp_antispoof { set guarded { type inet_service; elements = { 77 } } }",
        "77",
    ),
    "the guard's set as a map": (
        "inet cni_ptp_antispoof { map source4 { type ipv4_addr : ipv4_addr; elements = { 10.99.0.1 : 10.99.0.2 } } }",
        "10.99.0.2",
    ),
    "our chain without a hook": (
        "inet cni_ptp { chain postrouting { ip saddr 10.99.0.1 accept } }",
        "",
    ),
    "our chain at another hook": (
        "inet cni_ptp { chain postrouting { type filter hook input priority 7; ip saddr 10.99.0.1 accept } }",
        "",
    ),
    "a table of another family": ("ip cni_ptp { chain theirs { ip saddr 10.99.0.1 accept } }", "10.99.0.1"),
    "a table of a longer name": ("inet cni_ptp2 { set masq4 { type ipv4_addr; elements = { 10.1.2.2 } } }", "cni_ptp2"),
}  # fmt: skip


def ruleset(host: Host) -> str:
    """All of nf_tables as `nft` prints it."""
    return host.run("nft", "list", "ruleset").stdout


def lives_beside(world: World, words: str, conf: dict[str, Any] = CONF) -> None:
    """ADD works or says why; DEL, GC and a second network's GC leave what the words name; a victim lives through it."""
    victim = world.attach(network("theirs", 2, ipMasq=True), "victim", GO)
    before = victim.picture()
    container = world.host.container("a")
    reply = world.host.plugin("ADD", conf, container="a", netns=container.path)
    victim.is_untouched(before, reply.stdout)
    assert words in ruleset(world.host), "ADD deleted it"
    if reply.status:
        assert reply.json["code"] in (100, 101), reply.json
        assert reply.json["details"], reply.json
        veths = {link["ifname"] for link in world.host.ip("link", "show", "type", "veth")}
        assert veths == {victim.host_end, "uplink"}
    else:
        checked = world.host.plugin("CHECK", {**conf, "prevResult": reply.json}, container="a", netns=container.path)
        assert checked.status == 0 or checked.json["code"] == 105, checked.json
    for command, more in (("DEL", {}), ("DEL", {}), ("GC", STALE)):
        done = world.host.plugin(command, {**conf, **more}, container="a", netns=container.path)
        victim.is_untouched(before, (command, done.stdout))
        assert words in ruleset(world.host), f"{command} deleted it"
        assert done.status == 0 or done.json["code"] == 100, done.json
    assert [e for e in elements(world.host) if "mynet a eth0" in e] == []


@pytest.mark.parametrize("what", TABLES)
def test_what_stands_under_our_names_before_us_stays(world: World, what: str) -> None:
    table, words = TABLES[what]
    lines = re.sub(r"([{}])", r"\n\1\n", f"table {table}").replace("\n{\n", " {\n").replace("; ", "\n")
    world.host.run("nft", "-f", "-", input=lines)
    lives_beside(world, words)


@pytest.mark.parametrize("table", ["cni_ptp", "cni_ptp_antispoof"])
@pytest.mark.parametrize("flag", ["dormant", "owner"])
def test_a_table_that_we_cannot_use_is_left_and_add_says_so(world: World, table: str, flag: str) -> None:
    """A dormant one drops and masquerades nothing; one with an owner can be changed by nobody else."""
    owner = world.host.start("nft", "-i", stdin=-1)
    world.processes.append(owner)
    assert owner.stdin is not None
    owner.stdin.write(f"add table inet {table} {{ flags {flag}; }}\nadd chain inet {table} theirs\n")
    owner.stdin.flush()
    for _ in range(200):
        if "theirs" in ruleset(world.host):
            break
    lives_beside(world, "chain theirs")


@pytest.mark.parametrize("flag", ["dormant"])
@pytest.mark.parametrize("table", ["cni_ptp", "cni_ptp_antispoof"])
def test_an_add_beside_a_dormant_table_either_fails_or_has_what_was_asked_for(
    world: World, table: str, flag: str
) -> None:
    world.host.run("nft", "add", "table", "inet", table, f"{{ flags {flag}; }}")
    container = world.host.container("a")
    reply = world.host.plugin("ADD", CONF, container="a", netns=container.path)
    if reply.status:
        reply.error(100)
        return
    checked = world.host.plugin("CHECK", {**CONF, "prevResult": reply.json}, container="a", netns=container.path)
    assert checked.status == 0 and "dormant" not in ruleset(world.host), "success, and the table does nothing"


def test_elements_of_somebody_else_in_our_sets_stay(world: World) -> None:
    first = world.attach(CONF, "first")
    for element in (
        "cni_ptp masq4 { 10.99.0.1 }",
        'cni_ptp masq4 { 10.99.0.2 comment "mine" }',
        "cni_ptp masq6 { 2001:db8:99::1 }",
        'cni_ptp_antispoof guarded { "lan0" }',
        'cni_ptp_antispoof guarded { "lan1" comment "mynet" }',
        'cni_ptp_antispoof source4 { "lan0" . 10.99.0.1 }',
    ):
        world.host.run("nft", "add", "element", "inet", element)
    theirs = [e for e in elements(world.host) if "mynet first eth0" not in e]
    assert len(theirs) == 6
    before = first.picture()
    second = world.attach(CONF, "second")
    second.call("DEL").ok()
    first.is_untouched(before)
    first.call("DEL").ok()
    first.call("GC", conf=STALE).ok()
    assert elements(world.host) == theirs


@pytest.mark.parametrize("comment", ["", ' comment "mine"', ' comment "mynet"', ' comment "mynet a eth0"'])
def test_an_element_of_somebody_else_for_our_address_is_no_bug_of_ours(world: World, comment: str) -> None:
    """Nobody has a link for it: it is taken over, or refused in clear words."""
    world.attach(CONF, "first").call("DEL").ok()
    world.host.run("nft", "add", "element", "inet", "cni_ptp", "masq4", f"{{ 10.1.2.3{comment} }}")
    had = elements(world.host)
    container = world.host.container("a")
    reply = world.host.plugin("ADD", CONF, container="a", netns=container.path)
    if reply.status:
        assert reply.json["code"] in (100, 103) and "10.1.2.3" in json.dumps(reply.json), reply.json
        assert elements(world.host) == had
    call = world.host.plugin("DEL", CONF, container="a", netns=container.path)
    call.ok()


def test_an_add_that_fails_gives_somebody_elses_element_back(world: World) -> None:
    world.attach(CONF, "first").call("DEL").ok()
    world.host.run("nft", "add", "element", "inet", "cni_ptp", "masq4", '{ 10.1.2.3 comment "mine" }')
    had = elements(world.host)
    conf = json.loads(json.dumps(CONF))
    conf["ipam"]["routes"].append({"dst": "198.51.100.0/24", "gw": "203.0.113.1"})
    container = world.host.container("a")
    world.host.plugin("ADD", conf, container="a", netns=container.path).error(100)
    assert elements(world.host) == had


def test_portmaps_rules_are_not_ours(world: World) -> None:
    """The Go portmap writes chains and comments that look like those of ptp, for the same container."""
    conf = network("mynet", 1, ipMasq=True, ipMasqBackend="iptables")
    a = world.attach(conf, "a")
    mappings = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    portmap = {
        "cniVersion": "1.0.0",
        "name": "mynet",
        "type": "portmap",
        "capabilities": {"portMappings": True},
        "runtimeConfig": mappings,
        "prevResult": a.result,
    }
    world.host.plugin("ADD", portmap, container="a", netns=a.container.path, exe=REFERENCE / "portmap", path="/x").ok()
    theirs = [rule for rule in iptables_rules(world.host) if "HOSTPORT" in rule or "CNI-DN" in rule]
    assert theirs
    b = world.attach(conf, "b")
    for attached in (b, a):
        attached.call("DEL").ok()
        attached.call("GC", conf=STALE).ok()
        left = [rule for rule in iptables_rules(world.host) if "HOSTPORT" in rule or "CNI-DN" in rule]
        assert left == theirs


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_iptables_chains_of_others_stay(world: World, backend: str) -> None:
    """Their names begin as ours do, their comments read like ours."""
    for program in ("iptables", "ip6tables"):
        for chain in ("CNI-", "CNI-mine", "CNI-0123456789abcdef01234567"):
            world.host.run(program, "-t", "nat", "-N", chain)
            source = "10.99.0.1" if program == "iptables" else "2001:db8:99::1"
            comment = ["-m", "comment", "--comment", 'name: "mynet2" id: "a"']
            world.host.run(program, "-t", "nat", "-A", chain, "-s", source, *comment, "-j", "ACCEPT")
            world.host.run(program, "-t", "nat", "-A", "POSTROUTING", "-s", source, *comment, "-j", chain)
    before = iptables_rules(world.host)
    a = world.attach({**CONF, "ipMasqBackend": backend}, "a")
    a.works()
    a.call("DEL").ok()
    a.call("GC", conf=STALE).ok()
    assert iptables_rules(world.host) == before


@pytest.mark.parametrize("kind", ["bridge", "veth"])
def test_a_link_of_our_name_that_was_there_before_is_left_by_add(world: World, kind: str) -> None:
    a = world.attach(CONF, "a")
    a.call("DEL").ok()
    peer = ["peer", "name", "p0"] if kind == "veth" else []
    world.host.run("ip", "link", "add", a.host_end, "type", kind, *peer)
    before = world.host.ip("link")
    error = a.call("ADD").error(100)
    assert a.host_end in json.dumps(error)
    assert world.host.ip("link") == before
    assert not list(Path("/var/lib/cni/networks/mynet").glob("10.1.2.[0-9]"))
