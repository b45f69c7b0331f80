"""Names derived from an attachment.  The vectors are Go's: utils_test.go, ipmasq_nftables_linux_test.go."""

from __future__ import annotations

import re

import pytest

from cni_ptp.cni.attachment import Attachment, go_network_hash, parse_alias


@pytest.mark.parametrize(
    ("network", "container", "chain"),
    [
        ("test", "1234", "CNI-2bbe0c48b91a7d1b8a6753a8"),
        ("testalongnamethatdoesnotmakesense", "1234", "CNI-374f33fe84ab0ed84dcdebe3"),
    ],
)
def test_the_iptables_chain_is_go_s(network: str, container: str, chain: str) -> None:
    assert Attachment(network, container, "eth0").go_chain() == chain
    assert Attachment(network, container, "net1").go_chain() == chain


@pytest.mark.parametrize(
    ("ifname", "container", "hashed"),
    [
        ("eth0", "one", "287fc69eff0574a2"),
        ("eth0", "two", "d750b2c8f0f25d5f"),
        ("eth0", "three", "a4d4adb82b669cfe"),
        ("eth0", "four", "e766de567ef6c543"),
        ("net1", "three", "acb19d111858e348"),
    ],
)
def test_the_nftables_hash_is_go_s(ifname: str, container: str, hashed: str) -> None:
    assert Attachment("unit-test", container, ifname).go_nft_hash() == f"6fd94d501e58f0aa-{hashed}"
    assert go_network_hash("alternate") == "82783ef24bdc7036"


def test_the_iptables_comment_is_go_s() -> None:
    assert Attachment("net", "c1", "eth0").go_comment() == 'name: "net" id: "c1"'


def test_the_host_end_s_name_is_the_same_each_time_and_fits_ifnamsiz() -> None:
    name = Attachment("net", "c1", "eth0").host_veth()
    assert name == Attachment("net", "c1", "eth0").host_veth()
    assert re.fullmatch("veth[0-9a-f]{11}", name)


def test_each_part_of_the_identity_makes_another_name() -> None:
    parts = [
        ("net", "c1", "eth0"),
        ("net2", "c1", "eth0"),
        ("net", "c2", "eth0"),
        ("net", "c1", "eth1"),
        ("netc", "1", "eth0"),
    ]
    assert len({Attachment(*p).host_veth() for p in parts}) == len(parts)
    assert len({Attachment(*p) for p in parts + parts}) == len(parts)


def test_a_thousand_containers_have_a_thousand_names() -> None:
    assert len({Attachment("net", f"c{i}", "eth0").host_veth() for i in range(1000)}) == 1000


def test_an_alias_tells_the_attachment_in_clear() -> None:
    attachment = Attachment("net", "c1", "eth0")
    assert attachment.alias() == "cni-ptp net c1 eth0"
    assert parse_alias(attachment.alias()) == attachment


@pytest.mark.parametrize("container", ["c" * 227, "c" * 228, "c" * 229, "c" * 300, "c" * 5000])
@pytest.mark.parametrize("network", ["n", "n" * 200])
def test_an_alias_never_exceeds_255_bytes_and_names_the_network(network: str, container: str) -> None:
    alias = Attachment(network, container, "eth0").alias()
    assert len(alias.encode()) <= 255
    assert alias.split(" ")[1] == network
    assert parse_alias(alias) in (None, Attachment(network, container, "eth0"))


def test_an_alias_counts_bytes_not_characters() -> None:
    alias = Attachment("n", "c" * 230, "é" * 7).alias()
    assert len(alias.encode()) <= 255


@pytest.mark.parametrize(
    "alias",
    [
        "",
        "uplink",
        "cni-ptp",
        "cni-ptp net",
        "cni-ptp net c1",
        "cni-ptp net #abc",
        "other net c1 eth0",
        "cni-ptp net c1 eth0 x",
    ],
)
def test_an_alias_of_somebody_else_is_not_ours(alias: str) -> None:
    assert parse_alias(alias) is None


def test_an_attachment_is_told_in_words_and_is_not_equal_to_other_things() -> None:
    attachment = Attachment("net", "c1", "eth0")
    assert str(attachment) == "interface eth0 of container c1 on network net"
    assert attachment != ("net", "c1", "eth0")


def test_identities_too_long_for_an_alias_are_still_told_apart() -> None:
    one, other = Attachment("n" * 200, "c" * 300, "eth0"), Attachment("n" * 200, "c" * 301, "eth0")
    assert one.alias().startswith("cni-ptp " + "n" * 200 + " #")
    assert one.alias() != other.alias()
    assert parse_alias(one.alias()) is None
