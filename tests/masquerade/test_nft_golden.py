"""Our nf_tables messages against those that nft makes of the same text, and nft's bytes read by us."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.base.ip import parse_ip
from cni_ptp.firewall import nft_ruleset, nft_table
from cni_ptp.netlink import nft, nft_define, nft_dump, nft_element, nft_expr, nft_rule
from cni_ptp.nlmsg import Request, attributes, split
from tests.golden import datagram

TABLE = nft_table.INET[0][0]
ADDRESSES = [(parse_ip("10.1.2.3"), 24), (parse_ip("fd00::3"), 64)]
COMMENTS = {24: "mynet c1 eth0 /24", 64: "mynet c1 eth0 /64"}
THEIRS = split(datagram("nft_table"))
NFGENMSG_SIZE = 4
NFTA_SET_ELEM_LIST_SET_ID = 4


def ours() -> list[Request]:
    """What we send for the text in the file's head."""
    requests = nft_ruleset.table_requests(TABLE, (4, 6), {4: {24, 15}, 6: {64}})
    for address, length in ADDRESSES:
        for name, key in nft_table.element_places(address, length):
            requests.append(nft.new_element(TABLE, name, key, COMMENTS[length]))
    requests.append(nft_element.delete_element(TABLE, "masq4", ADDRESSES[0][0]))
    return nft.batch(requests, None)


def facts(type: int, body: bytes) -> tuple[int, bytes, dict[int, Any]]:
    """The header and the attributes by number, without those that the kernel or nft do not need.

    Left out: the number a set has in its batch, of elements (nft names the set twice); the user data of sets of
    concatenations, where nft has an empty "typeof"; the operation of a bitwise expression if it is the default.
    """
    found: dict[int, Any] = {number: payload for number, payload, _ in attributes(body, NFGENMSG_SIZE)}
    if type in (nft.NFT_MSG_NEWSETELEM, nft_element.NFT_MSG_DELSETELEM):
        found.pop(NFTA_SET_ELEM_LIST_SET_ID, None)
    if type == nft_define.NFT_MSG_NEWSET and found[nft.NFTA_SET_NAME.number].startswith(b"own"):
        found.pop(nft_define.NFTA_SET_USERDATA.number)
    if type == nft_rule.NFT_MSG_NEWRULE:
        listed = nft_expr.EXPRESSIONS.read(found[nft_rule.NFTA_RULE_EXPRESSIONS.number])
        default = (nft_expr.NFTA_BITWISE_OP, nft_expr.NFT_BITWISE_MASK_XOR)
        found[nft_rule.NFTA_RULE_EXPRESSIONS.number] = [
            (name, {attr: value for attr, value in attrs.items() if (attr, value) != default})
            for name, attrs in nft_expr.read(listed)
        ]
    return type, body[:NFGENMSG_SIZE], found


def kinds(type: int) -> tuple[list[Any], list[Any]]:
    """Our and nft's messages of a type, in the order they are sent."""
    return [facts(r.type, r.body) for r in ours() if r.type == type], [
        facts(m.type, m.payload) for m in THEIRS if m.type == type
    ]


def chain_of(message: Any) -> bytes:
    found: bytes = message[2][nft_rule.NFTA_RULE_CHAIN.number]
    return found


@pytest.mark.parametrize(
    "type",
    [
        nft.NFNL_MSG_BATCH_BEGIN,
        nft_define.NFT_MSG_NEWTABLE,
        nft_define.NFT_MSG_NEWCHAIN,
        nft_define.NFT_MSG_NEWSET,
        nft_rule.NFT_MSG_DELRULE,
        nft_rule.NFT_MSG_NEWRULE,
        nft.NFT_MSG_NEWSETELEM,
        nft_element.NFT_MSG_DELSETELEM,
        nft.NFNL_MSG_BATCH_END,
    ],
)
def test_a_message_is_as_nft_makes_it(type: int) -> None:
    mine, theirs = kinds(type)
    assert theirs
    if type == nft_rule.NFT_MSG_NEWRULE:  # nft has the chains in the order of the text; a chain's own order counts
        mine, theirs = sorted(mine, key=chain_of), sorted(theirs, key=chain_of)
    if type == nft_define.NFT_MSG_NEWCHAIN:
        mine, theirs = sorted(mine, key=repr), sorted(theirs, key=repr)
    assert mine == theirs


def test_no_message_is_of_a_type_that_nft_does_not_send_for_the_same_text() -> None:
    assert {r.type for r in ours()} == {m.type for m in THEIRS}


def test_most_bodies_are_byte_for_byte_nfts() -> None:
    bodies = [m.payload for m in THEIRS]
    different = [r.operation for r in ours() if r.body not in bodies]
    # The three sets and the four elements as said above, the deletion's set, and 224.0.0.0/4 in one rule.
    assert sorted(different) == sorted(
        [
            "add set inet cni_ptp own4_24",
            "add set inet cni_ptp own4_15",
            "add set inet cni_ptp own6_64",
            "add an element to set inet cni_ptp masq4",
            "add an element to set inet cni_ptp own4_24",
            "add an element to set inet cni_ptp masq6",
            "add an element to set inet cni_ptp own6_64",
            "add a rule to chain inet cni_ptp masquerade4",
        ]
    )


def test_elements_that_nft_wrote_are_read() -> None:
    found = [
        element
        for m in THEIRS
        if m.type == nft.NFT_MSG_NEWSETELEM
        for element in nft_dump.read_elements(nft_dump.LISTED.read(m.payload))
    ]
    (v4, _), (v6, _) = ADDRESSES
    assert found == [
        (v4, COMMENTS[24]),
        (v4 + parse_ip("10.1.2.0"), COMMENTS[24]),
        (v6, COMMENTS[64]),
        (v6 + parse_ip("fd00::"), COMMENTS[64]),
    ]


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_cut_message_is_refused_or_read_never_anything_else(cut: int) -> None:
    for message in THEIRS:
        table = nft_rule.RULE if message.type == nft_rule.NFT_MSG_NEWRULE else nft.ELEMENTS
        try:
            table.read(message.payload[:-cut])
        except ValueError:  # DecodeError is one
            continue
