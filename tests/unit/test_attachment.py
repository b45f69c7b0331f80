"""An attachment's names.  Vectors of the Go plugin: cni.md sections 3.1, 3.4, 7.5."""

from __future__ import annotations

import pytest

from cni_ptp.attachment import Attachment, go_network_hash, parse_alias

CHAINS = [("test", "1234", "CNI-2bbe0c48b91a7d1b8a6753a8"),
          ("testalongnamethatdoesnotmakesense", "1234", "CNI-374f33fe84ab0ed84dcdebe3")]  # fmt: skip
HASHES = [
    ("eth0", "one", "287fc69eff0574a2"),
    ("eth0", "two", "d750b2c8f0f25d5f"),
    ("eth0", "three", "a4d4adb82b669cfe"),
    ("eth0", "four", "e766de567ef6c543"),
    ("net1", "three", "acb19d111858e348"),
]


@pytest.mark.parametrize(("network", "containerid", "chain"), CHAINS)
def test_the_chain_is_the_one_of_the_go_plugin(network: str, containerid: str, chain: str) -> None:
    assert Attachment(network, containerid, "eth0").go_chain() == chain


@pytest.mark.parametrize(("ifname", "containerid", "digest"), HASHES)
def test_the_nftables_comment_is_the_one_of_the_go_plugin(ifname: str, containerid: str, digest: str) -> None:
    assert Attachment("unit-test", containerid, ifname).go_nft_hash() == f"6fd94d501e58f0aa-{digest}"
    assert go_network_hash("alternate") == "82783ef24bdc7036"


def test_the_host_veths_name_fits_and_tells_attachments_apart() -> None:
    names = {Attachment("n", f"c{i}", "eth0").host_veth() for i in range(1000)}
    assert len(names) == 1000
    assert all(len(name) == 15 and name.startswith("veth") for name in names)


def test_names_that_join_to_the_same_text_are_told_apart() -> None:
    assert Attachment("a", "bc", "eth0").host_veth() != Attachment("ab", "c", "eth0").host_veth()


def test_the_alias_gives_the_attachment_back() -> None:
    attachment = Attachment("net", "c" * 64, "eth0")
    assert parse_alias(attachment.alias()) == attachment


def test_an_alias_too_long_for_the_kernel_is_shortened_and_still_names_the_network() -> None:
    attachment = Attachment("n" * 200, "c" * 300, "eth0")
    assert len(attachment.alias()) < 256
    assert attachment.alias().startswith("cni-ptp " + "n" * 200 + " #")
    assert parse_alias(attachment.alias()) is None
    assert attachment.alias() != Attachment("n" * 200, "c" * 301, "eth0").alias()


@pytest.mark.parametrize("alias", ["", "uplink", "cni-ptp", "cni-ptp a b", "other a b c", "cni-ptp a b c d"])
def test_what_is_no_alias_of_ours(alias: str) -> None:
    assert parse_alias(alias) is None
