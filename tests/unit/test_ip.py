"""Addresses as packed bytes, against the standard library's ipaddress."""

from __future__ import annotations

import ipaddress
import random

import pytest

from cni_ptp import ip

GOOD = ["0.0.0.0", "255.255.255.255", "10.1.2.3", "::", "::1", "fd00::2", "2001:db8:1:2:3:4:5:6", "::102:304", "1::8"]
BAD = [
    "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "fe80::1%eth0", "1:2:3:4:5:6:7:8:9",
    "1::2::3", ":::", "12345::", "g::", "1.2.3.4/24", "١.2.3.4", "1.2.3.4\0", "10", "0x10.1.1.1", "1:2:3:4:5:6:7:8::",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_packed_and_printed(text: str) -> None:
    assert ip.parse_ip(text) == ipaddress.ip_address(text).packed
    assert ip.text_of(ip.parse_ip(text)) == text


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid IP address"):
        ip.parse_ip(text)


def test_a_mapped_address_is_the_ipv4_address_as_in_go() -> None:
    assert ip.parse_ip("::ffff:1.2.3.4") == bytes((1, 2, 3, 4))


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/+8",
                                  "10.0.0/8", "10.0.0.0/8/8", "10.0.0.0/٨", "/8"])  # fmt: skip
def test_what_is_no_cidr_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid CIDR address"):
        ip.parse_cidr(text)


def test_it_agrees_with_the_standard_library_on_random_networks() -> None:
    seeded = random.Random(20261124)
    for _ in range(2000):
        size = seeded.choice((4, 16))
        addr = bytes(seeded.choices((0, 0, 1, 127, 255), k=size))
        length = seeded.randrange(8 * size + 1)
        theirs = ipaddress.ip_interface((addr, length))
        if isinstance(theirs, ipaddress.IPv6Interface) and theirs.ip.ipv4_mapped is not None:
            continue
        assert ip.cidr_text(addr, length) == str(theirs)
        assert ip.parse_cidr(str(theirs)) == (addr, length)
        assert ip.network_of(addr, length) == theirs.network.network_address.packed
        other = bytes(seeded.choices((0, 1, 255), k=size))
        assert ip.contains(addr, length, other) == (ipaddress.ip_address(other) in theirs.network)


def test_families_do_not_contain_each_other() -> None:
    assert not ip.contains(bytes(4), 0, bytes(16))


@pytest.mark.parametrize("text", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"])
def test_an_address_no_container_can_have(text: str) -> None:
    assert not ip.is_usable_by_a_container(ip.parse_ip(text))


@pytest.mark.parametrize("text", ["10.0.0.0", "192.168.1.255", "169.254.1.1", "fe80::1", "fd00::", "2001:db8::1"])
def test_an_address_a_container_can_have(text: str) -> None:
    assert ip.is_usable_by_a_container(ip.parse_ip(text))
