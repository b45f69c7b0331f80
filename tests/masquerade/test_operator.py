"""What the operator of a host says about source NAT comes before us, however it is said, and outlives our calls."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from cni_ptp.firewall import nft_add, nft_del, nft_socket
from cni_ptp.firewall.nft_table import INET
from tests.masquerade.beyond import FAR, NEAR, OTHER, SPARED, SPARED_NETWORK, beyond, own, seen
from tests.masquerade.network import RULESET, Counted, masq
from tests.namespaces import Host

VERSIONS = [4, 6]
# The table as version 1.0.0 made it.
EARLY = "\n".join(line for line in RULESET.replace("priority 150", "priority srcnat").split("\n") if "@non" not in line)
for _version in VERSIONS:
    _start = EARLY.index(f"\tset nonmasquerade{_version}")
    EARLY = EARLY[:_start] + EARLY[EARLY.index("}\n", _start) + 2 :]


def snat_by_iptables(host: Host, version: int) -> None:
    host.run(
        "iptables" if version == 4 else "ip6tables",
        *("-t", "nat", "-A", "POSTROUTING", "-d", FAR[version], "-j", "SNAT", "--to-source", OTHER[version]),
    )


def snat_by_nftables(host: Host, version: int) -> None:
    family = "ip" if version == 4 else "ip6"
    host.run(
        *("nft", "-f", "-"),
        input=f"""table {family} operator {{
    chain out {{
        type nat hook postrouting priority srcnat; policy accept;
        {family} daddr {FAR[version]} snat to {OTHER[version]}
    }}
}}
""",
    )


OPERATORS = {"iptables": snat_by_iptables, "nftables": snat_by_nftables}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by", list(OPERATORS))
@pytest.mark.parametrize("first", ["operator", "plugin"])
def test_the_operators_own_snat_wins_whichever_of_the_two_was_first(
    host: Host, version: int, by: str, first: str
) -> None:
    out, container = beyond(host), host.container()
    if first == "operator":
        OPERATORS[by](host, version)
    host.plugin("ADD", masq("nftables")).ok()
    if first == "plugin":
        OPERATORS[by](host, version)
    assert seen(out, container, FAR[version]) == OTHER[version]
    assert seen(out, container, SPARED[version]) == NEAR[version]


def early(host: Host) -> None:
    """The host has the table of version 1.0.0, with an element of another container."""
    host.run("nft", "-f", "-", input=EARLY.replace("10.1.2.2", "10.1.2.99").replace("c1", "c99"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_table_of_version_1_0_0_is_put_behind_the_operators_snat_by_the_next_add(host: Host, version: int) -> None:
    out, container = beyond(host), host.container()
    OPERATORS["iptables"](host, version)
    early(host)
    configuration = masq("nftables")
    checked = {**configuration, "prevResult": host.plugin("ADD", configuration).ok()}
    assert seen(out, container, FAR[version]) == OTHER[version]
    assert seen(out, container, SPARED[version]) == NEAR[version]
    assert "10.1.2.99 comment" in host.run("nft", "list", "set", "inet", "cni_ptp", "masq4").stdout
    assert host.plugin("CHECK", checked).ok() is None


def test_check_of_what_version_1_0_0_attached_passes_before_the_next_add(host: Host) -> None:
    host.container()
    configuration = masq("nftables", ("v4",))
    result = host.plugin("ADD", configuration).ok()
    host.run("nft", "-f", "-", input="delete table inet cni_ptp\n" + EARLY)
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    assert host.run("nft", "list", "ruleset").stdout.count("srcnat") == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_sent_to_the_operators_set_keeps_the_containers_address(host: Host, version: int) -> None:
    out, container = beyond(host), host.container()
    result = host.plugin("ADD", masq("nftables")).ok()
    assert seen(out, container, SPARED[version]) == NEAR[version]
    fill(host, version)
    assert seen(out, container, SPARED[version]) == own(result, version)
    assert seen(out, container, FAR[version]) == NEAR[version]


def fill(host: Host, version: int, network: str = "") -> None:
    """The operator adds a network to the set."""
    name = f"nonmasquerade{version}"
    host.run("nft", "add", "element", "inet", "cni_ptp", name, f"{{ {network or SPARED_NETWORK[version]} }}")


def filled(host: Host, version: int) -> str:
    """Return the elements of the set, as nft prints them."""
    done = host.run("nft", "list", "set", "inet", "cni_ptp", f"nonmasquerade{version}")
    return done.stdout.partition("elements = ")[2].partition("}")[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_call_takes_anything_out_of_the_operators_set(host: Host, version: int) -> None:
    configuration: dict[str, Any] = {**masq("nftables"), "cniVersion": "1.1.0"}
    host.container()
    host.container("c2")
    host.plugin("ADD", configuration).ok()
    fill(host, version)
    there = filled(host, version)
    assert SPARED_NETWORK[version] in there
    host.plugin("ADD", configuration, container="c2", netns="/run/netns/c2").ok()
    assert filled(host, version) == there
    host.run("nft", "flush", "chain", "inet", "cni_ptp", "postrouting")  # so that the next ADD makes the table whole
    host.plugin("DEL", configuration, container="c2", netns="/run/netns/c2").ok()
    host.plugin("ADD", configuration, container="c2", netns="/run/netns/c2").ok()
    assert filled(host, version) == there
    for name in ("c1", "c2"):
        host.plugin("DEL", configuration, container=name, netns=f"/run/netns/{name}").ok()
    host.plugin("GC", {**configuration, "cni.dev/valid-attachments": []}).ok()
    assert filled(host, version) == there


def test_gc_deletes_the_table_once_the_operator_has_emptied_the_set(host: Host) -> None:
    configuration: dict[str, Any] = {**masq("nftables"), "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    host.container()
    host.plugin("ADD", configuration).ok()
    fill(host, 4)
    host.plugin("DEL", configuration).ok()
    host.run("nft", "delete", "element", "inet", "cni_ptp", "nonmasquerade4", f"{{ {SPARED_NETWORK[4]} }}")
    host.plugin("GC", configuration).ok()
    assert "cni_ptp" not in host.run("nft", "list", "ruleset").stdout


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("flags", ["interval", "interval; auto-merge", "interval,timeout"])
def test_a_set_that_the_operator_made_before_the_first_add_is_taken_as_it_is(
    host: Host, version: int, flags: str
) -> None:
    out, container = beyond(host), host.container()
    text = f"set nonmasquerade{version} {{ type ipv{version}_addr; flags {flags}; elements = {{ %s }} }}"
    host.run("nft", "-f", "-", input=f"table inet cni_ptp {{\n{text % SPARED_NETWORK[version]}\n}}\n")
    result = host.plugin("ADD", masq("nftables")).ok()
    assert seen(out, container, SPARED[version]) == own(result, version)
    assert seen(out, container, FAR[version]) == NEAR[version]
    assert SPARED_NETWORK[version] in filled(host, version)
    assert host.plugin("CHECK", {**masq("nftables"), "prevResult": result}).ok() is None


def test_a_change_exchanges_the_same_with_five_thousand_networks_in_the_operators_set_as_with_one(host: Host) -> None:
    def change(sock: Any) -> list[tuple[str, int]]:
        attachment, address = Attachment("n", "probe", "eth0"), bytes((10, 200, 0, 1))
        before = len(sock.socket.datagrams)
        nft_add.add(sock, attachment, [(address, 16)])
        nft_del.remove(sock, attachment, [address], INET)
        return list(sock.socket.datagrams[before:])

    with nft_socket.open_socket() as sock:
        sock.socket = Counted(sock.socket)  # type: ignore[assignment]
        nft_add.add(sock, Attachment("n", "first", "eth0"), [(bytes((10, 200, 0, 2)), 16)])
        fill(host, 4)
        change(sock)
        few = change(sock)
        fill(host, 4, ", ".join(f"100.{i >> 7}.{(i & 127) << 1}.0/24" for i in range(5000)))
        assert few and change(sock) == few
