"""The options of masquerading: what is refused, in which words, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.base.ip import parse_cidr, parse_ip
from cni_ptp.cni import conf
from cni_ptp.cni.masquerade_options import Options, Variant
from cni_ptp.netlink.nft_interval import bounds
from tests.unit.configuration import asked, read, refused


def options(**members: Any) -> Options | None:
    """The options of a configuration with these members."""
    return conf.ptp_settings(read(ipMasq=True, **members), asked()).ip_masq_options


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"nonMasqueradeCIDRs": "10.0.0.0/8"}, 6, "nonMasqueradeCIDRs must be a list, not a string"),
    ({"nonMasqueradeCIDRs": {"a": 1}}, 6, "nonMasqueradeCIDRs must be a list, not an object"),
    ({"nonMasqueradeCIDRs": [7]}, 6, "nonMasqueradeCIDRs[0] must be a string, not an integer"),
    ({"nonMasqueradeCIDRs": ["10.0.0.0/8", "x"]}, 7, "invalid CIDR address: x"),
    ({"nonMasqueradeCIDRs": [""]}, 7, "invalid CIDR address: "),
    ({"nonMasqueradeCIDRs": [None]}, 7, "invalid CIDR address: "),
    ({"nonMasqueradeCIDRs": ["10.0.0.1"]}, 7, "invalid CIDR address: 10.0.0.1"),
    ({"nonMasqueradeCIDRs": ["10.0.0.0/33"]}, 7, "invalid CIDR address: 10.0.0.0/33"),
    ({"nonMasqueradeCIDRs": ["fe80::1%eth0/64"]}, 7, "invalid CIDR address: fe80::1%eth0/64"),
    ({"nonMasqueradeCIDRs": ["10.1.2.3/8"]}, 7, "the network is 10.0.0.0/8"),
    ({"nonMasqueradeCIDRs": ["fd00::1/64"]}, 7, "the network is fd00::/64"),
    ({"nonMasqueradeCIDRs": ["10.0.0.0/8"] * 1001}, 7, "1001 entries, 1000 are allowed"),
    ({"ipMasqSource": 7}, 6, "ipMasqSource must be a string or a list of strings, not an integer"),
    ({"ipMasqSource": {"ipv4": "192.0.2.1"}}, 6, "ipMasqSource must be a string or a list of strings, not an object"),
    ({"ipMasqSource": [7]}, 6, "ipMasqSource[0] must be a string, not an integer"),
    ({"ipMasqSource": ""}, 7, "invalid IP address: "),
    ({"ipMasqSource": "192.0.2.1/24"}, 7, "invalid IP address: 192.0.2.1/24"),
    ({"ipMasqSource": ["192.0.2.1", "192.0.2.2"]}, 7, "it has two addresses of IPv4"),
    ({"ipMasqSource": ["2001:db8::1", "2001:db8::2"]}, 7, "it has two addresses of IPv6"),
    ({"ipMasqSource": "127.0.0.1"}, 7, "127.0.0.1 is no address that others can answer to"),
    ({"ipMasqSource": "0.0.0.0"}, 7, "0.0.0.0 is no address that others can answer to"),
    ({"ipMasqSource": "224.0.0.1"}, 7, "224.0.0.1 is no address that others can answer to"),
    ({"ipMasqSource": "255.255.255.255"}, 7, "255.255.255.255 is no address that others can answer to"),
    ({"ipMasqSource": "::1"}, 7, "::1 is no address that others can answer to"),
    ({"ipMasqSource": "ff02::1"}, 7, "ff02::1 is no address that others can answer to"),
    ({"ipMasqSource": "fe80::1"}, 7, "fe80::1 is no address that others can answer to"),
    ({"ipMasqRandomFully": "yes"}, 6, "ipMasqRandomFully must be true or false, not a string"),
    ({"ipMasqRandomFully": 1}, 6, "ipMasqRandomFully must be true or false, not an integer"),
    ({"ipMasqFamilies": "ipv4"}, 6, "ipMasqFamilies must be a list, not a string"),
    ({"ipMasqFamilies": [4]}, 6, "ipMasqFamilies[0] must be a string, not an integer"),
    ({"ipMasqFamilies": []}, 7, 'it is empty; "ipMasq": false masquerades nothing'),
    ({"ipMasqFamilies": ["ipv4", "ipv5"]}, 7, 'unknown family "ipv5", one of ipv4, ipv6'),
]


@pytest.mark.parametrize("is_masqueraded", [True, False])
@pytest.mark.parametrize(("members", "code", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_used_is_refused_in_words_that_name_the_key(
    members: dict[str, Any], code: int, words: str, is_masqueraded: bool
) -> None:
    found, msg, details = refused(conf.ptp_settings, read(ipMasq=is_masqueraded, **members), asked())
    assert found == code
    assert words in details
    assert next(iter(members)) in f"{msg}: {details}"


@pytest.mark.parametrize("key", ["nonMasqueradeCIDRs", "ipMasqSource", "ipMasqRandomFully", "ipMasqFamilies"])
def test_a_key_that_is_null_is_as_if_absent(key: str) -> None:
    assert options(**{key: None}) is None


def test_what_says_what_ip_masq_alone_means_needs_no_variant() -> None:
    found = options(nonMasqueradeCIDRs=[], ipMasqSource=[], ipMasqRandomFully=False, ipMasqFamilies=["ipv6", "ipv4"])
    assert found is not None
    assert (found.versions, found.variants) == ((4, 6), {})


def test_a_family_has_a_variant_only_for_what_is_said_of_it() -> None:
    found = options(nonMasqueradeCIDRs=["10.0.0.0/8"], ipMasqSource="2001:db8::1")
    assert found is not None
    assert [(v.source, v.networks) for v in (found.variants[4], found.variants[6])] == [
        (None, [parse_cidr("10.0.0.0/8")]),
        (parse_ip("2001:db8::1"), []),
    ]


def test_networks_inside_others_and_repeated_ones_are_left_out_and_their_order_is_all_one() -> None:
    one = options(nonMasqueradeCIDRs=["10.1.0.0/16", "10.0.0.0/8", "192.0.2.0/24", "10.0.0.0/8", "::ffff:10.2.0.0/112"])
    other = options(nonMasqueradeCIDRs=["192.0.2.0/24", "10.0.0.0/8"])
    assert one is not None and other is not None
    assert one.variants[4].networks == [parse_cidr("10.0.0.0/8"), parse_cidr("192.0.2.0/24")]
    assert one.variants[4].name == other.variants[4].name


def test_different_settings_have_different_names() -> None:
    source = parse_ip("192.0.2.1")
    network = parse_cidr("10.0.0.0/8")
    variants = [
        Variant(4, None, True, []),
        Variant(6, None, True, []),
        Variant(4, source, True, []),
        Variant(4, source, False, []),
        Variant(4, source, False, [network]),
        Variant(4, None, False, [network]),
        Variant(4, None, False, [parse_cidr("10.0.0.0/9")]),
    ]
    assert len({variant.name for variant in variants}) == len(variants)


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["10.0.0.0/8"], [("10.0.0.0", False), ("11.0.0.0", True)]),
        (["255.0.0.0/8"], [("255.0.0.0", False)]),
        (["0.0.0.0/0"], [("0.0.0.0", False)]),
        (["192.0.2.7/32"], [("192.0.2.7", False), ("192.0.2.8", True)]),
        (
            ["10.0.0.0/24", "10.0.1.0/24"],
            [("10.0.0.0", False), ("10.0.1.0", True), ("10.0.1.0", False), ("10.0.2.0", True)],
        ),
        (["::/0"], [("::", False)]),
        (["fd00::/8"], [("fd00::", False), ("fe00::", True)]),
    ],
)
def test_a_network_is_two_bounds_unless_it_reaches_the_last_address(
    networks: list[str], expected: list[tuple[str, bool]]
) -> None:
    assert bounds([parse_cidr(text) for text in networks]) == [(parse_ip(text), is_end) for text, is_end in expected]
