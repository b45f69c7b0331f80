"""Addresses as packed bytes, compared with the standard library and with what Go's net package does."""

from __future__ import annotations

import ipaddress
import random

import pytest

from cni_ptp.base import ip

A = ip.parse_ip


@pytest.mark.parametrize(
    ("text", "packed", "canonical"),
    [
        ("0.0.0.0", bytes(4), "0.0.0.0"),
        ("10.1.2.3", b"\x0a\1\2\3", "10.1.2.3"),
        ("255.255.255.255", b"\xff" * 4, "255.255.255.255"),
        ("::", bytes(16), "::"),
        ("::1", bytes(15) + b"\1", "::1"),
        ("2001:DB8::1", bytes.fromhex("20010db8") + bytes(11) + b"\1", "2001:db8::1"),
        ("1:2:3:4:5:6:7::", bytes.fromhex("0001000200030004000500060007") + bytes(2), "1:2:3:4:5:6:7:0"),
        ("::ffff:10.1.2.3", b"\x0a\1\2\3", "10.1.2.3"),
        ("::ffff:a01:203", b"\x0a\1\2\3", "10.1.2.3"),
        ("::1.2.3.4", bytes(12) + b"\1\2\3\4", "::102:304"),
        ("fe80::1", b"\xfe\x80" + bytes(13) + b"\1", "fe80::1"),
    ],
)
def test_an_address_is_read_and_printed_as_go_does(text: str, packed: bytes, canonical: str) -> None:
    assert A(text) == packed
    assert ip.text_of(packed) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.04",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4/24",
        "0x1.2.3.4",
        "1.2.3.4\n",
        "1.2.3.4\0",
        "１.2.3.4",
        "٣.2.3.4",
        "fe80::1%eth0",
        "fe80::1%1",
        "[::1]",
        ":",
        ":::",
        "1::2::3",
        "12345::",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "g::",
        "::1\0",
        "::é",
        "1:2",
        "::1/64",
        "::1.2.3",
        "-1.2.3.4",
        "+1.2.3.4",
    ],
)
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="^invalid IP address: "):
        A(text)


def _mutations(rng: random.Random) -> str:
    if rng.random() < 0.5:
        text = str(ipaddress.IPv4Address(rng.getrandbits(32)))
    else:
        text = str(ipaddress.IPv6Address(rng.getrandbits(128) & rng.getrandbits(128) & rng.getrandbits(128)))
        if rng.random() < 0.3:
            text = text.replace("0", "", 1)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice("0123456789abcdef:.:.:") + text[at + rng.randrange(2) :]
    return text


def test_it_agrees_with_the_standard_library_on_thousands_of_texts() -> None:
    rng = random.Random(20_260_101)
    agreed = {True: 0, False: 0}
    for _ in range(5000):
        text = _mutations(rng)
        try:
            wanted = ipaddress.ip_address(text)
        except ValueError:
            with pytest.raises(ValueError, match="invalid IP address"):
                A(text)
            agreed[False] += 1
            continue
        mapped = getattr(wanted, "ipv4_mapped", None)
        expected = mapped or wanted
        assert A(text) == expected.packed, text
        printed = ip.text_of(expected.packed)
        assert ipaddress.ip_address(printed) == expected, text
        assert "." in printed or printed == str(ipaddress.IPv6Address(expected.packed).compressed), text
        agreed[True] += 1
    assert min(agreed.values()) > 500


@pytest.mark.parametrize(
    ("text", "addr", "length"),
    [
        ("10.1.2.3/24", "10.1.2.3", 24),
        ("10.1.2.3/0", "10.1.2.3", 0),
        ("10.1.2.3/32", "10.1.2.3", 32),
        ("10.1.2.3/024", "10.1.2.3", 24),
        ("2001:db8::5/64", "2001:db8::5", 64),
        ("::/0", "::", 0),
        ("::1/128", "::1", 128),
        ("::ffff:10.0.0.1/120", "10.0.0.1", 24),
    ],
)
def test_a_cidr_keeps_its_host_bits(text: str, addr: str, length: int) -> None:
    assert ip.parse_cidr(text) == (A(addr), length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "10.1.2.3",
        "10.1.2.3/",
        "/24",
        "10.1.2.3/33",
        "::/129",
        "10.1.2.3/-1",
        "10.1.2.3/+1",
        "10.1.2.3/ 1",
        "10.1.2.3/1 ",
        "10.1.2.3/24/24",
        "10.1.2.3/a",
        "10.1.2.3/٣",
        "10.1.2/24",
        "x/24",
        "10.1.2.3/255.255.255.0",
        "10.1.2.3/" + "9" * 5000,
    ],
)
def test_what_is_no_cidr_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="^invalid CIDR address: "):
        ip.parse_cidr(text)


def test_networks_agree_with_the_standard_library() -> None:
    rng = random.Random(7)
    for _ in range(500):
        size = rng.choice((4, 16))
        addr, other, length = rng.randbytes(size), rng.randbytes(size), rng.randrange(size * 8 + 1)
        wanted = ipaddress.ip_network((addr, length), strict=False)
        assert ip.network_of(addr, length) == wanted.network_address.packed
        assert ip.contains(addr, length, other) is (ipaddress.ip_address(other) in wanted)
        assert ip.contains(addr, length, addr)
        assert ip.cidr_text(ip.network_of(addr, length), length).endswith(f"/{length}")


def test_no_network_contains_an_address_of_the_other_family() -> None:
    assert not ip.contains(bytes(4), 0, bytes(16))
    assert not ip.contains(bytes(16), 0, bytes(4))


def test_the_length_tells_the_family() -> None:
    assert [ip.bits(A(t)) for t in ("1.2.3.4", "::1")] == [32, 128]
    assert [ip.version_of(A(t)) for t in ("1.2.3.4", "::1")] == [4, 6]
    assert [ip.family_of(A(t)) for t in ("1.2.3.4", "::1")] == [2, 10]  # AF_INET, AF_INET6


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("10.0.0.1", True),
        ("169.254.1.1", True),
        ("223.255.255.255", True),
        ("0.0.0.0", False),
        ("0.1.2.3", True),
        ("127.0.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", True),
        ("255.255.255.255", False),
        ("2001:db8::1", True),
        ("fe80::1", True),
        ("::", False),
        ("::1", False),
        ("ff02::1", False),
        ("fd00::1", True),
    ],
)
def test_only_a_unicast_address_is_for_a_container(text: str, usable: bool) -> None:
    assert ip.is_usable_by_a_container(A(text)) is usable
