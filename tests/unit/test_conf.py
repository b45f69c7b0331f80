"""The network configuration, validated before any effect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp import conf
from cni_ptp.args import Args
from cni_ptp.attachment import Attachment
from cni_ptp.errors import CniError

BASE = {"cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipam": {"type": "static"}}
ARGS = Args("ADD", "c", "/n", "eth0", "", "", False)


def read(**more: Any) -> conf.Conf:
    """BASE with more keys, read."""
    return conf.read(json.dumps({**BASE, **more}).encode())


def refused(raw: bytes) -> CniError:
    """The error of a configuration that must be refused."""
    with pytest.raises(CniError) as caught:
        conf.ptp(conf.read(raw), ARGS)
    return caught.value


@pytest.mark.parametrize("raw", [b"", b"[]", b'"x"', b"5", b"{", b'{"name":5}', b'{"name":"n","ipam":5}'])
def test_what_is_no_configuration_is_error_6(raw: bytes) -> None:
    assert refused(raw).code == 6


@pytest.mark.parametrize("raw", [b"null", b"{}", b'{"name":""}', b'{"name":null}'])
def test_a_network_needs_a_name(raw: bytes) -> None:
    error = refused(raw)
    assert (error.code, error.msg) == (7, "missing network name")


@pytest.mark.parametrize("name", ["te%%st", "-a", "a/b", "..", "a\n", "ä"])
def test_a_name_of_other_characters_is_refused(name: str) -> None:
    error = refused(json.dumps({"name": name}).encode())
    assert (error.code, error.msg, error.details) == (7, "invalid characters found in network name", name)


def test_a_name_too_long_for_a_directory_is_refused() -> None:
    assert refused(json.dumps({"name": "n" * 201}).encode()).code == 7


def test_a_missing_version_is_the_first_one() -> None:
    assert conf.read(b'{"name":"n"}').cni_version == "0.1.0"
    assert conf.read(b'{"name":"n","cniVersion":""}').cni_version == "0.1.0"


def test_keys_match_in_any_case() -> None:
    settings = conf.ptp(read(IPMASQ=True, Mtu=1400, ipmasqbackend="nftables"), ARGS)
    assert (settings.ip_masq, settings.mtu, settings.ip_masq_backend) == (True, 1400, "nftables")


BAD_VALUES: list[tuple[dict[str, Any], int]] = [
    ({"mtu": "1500"}, 6),
    ({"mtu": 1500.0}, 6),
    ({"mtu": True}, 6),
    ({"mtu": 67}, 7),
    ({"mtu": 65536}, 7),
    ({"ipMasq": "true"}, 6),
    ({"ipMasq": 1}, 6),
    ({"ipMasqBackend": "pf"}, 7),
    ({"ipMasqBackend": 1}, 6),
    ({"dns": []}, 6),
    ({"dns": {"nameservers": "1.1.1.1"}}, 6),
    ({"dns": {"search": [1]}}, 6),
    ({"runtimeConfig": {"mac": "nonsense"}}, 7),
    ({"runtimeConfig": {"mac": "01:00:5e:00:00:01"}}, 7),
    ({"runtimeConfig": {"mac": "00:00:00:00:00:00"}}, 7),
    ({"runtimeConfig": []}, 6),
    ({"args": 5}, 6),
    ({"args": {"cni": {"mac": "aa:bb"}}}, 7),
]


@pytest.mark.parametrize(("more", "code"), BAD_VALUES)
def test_a_bad_value_has_its_code(more: dict[str, Any], code: int) -> None:
    assert refused(json.dumps({**BASE, **more}).encode()).code == code


def test_a_negative_mtu_is_no_mtu_as_in_go() -> None:
    assert conf.ptp(read(mtu=-1), ARGS).mtu == 0


@pytest.mark.parametrize("text", ["0A:58:0a:01:02:03", "0a-58-0a-01-02-03"])
def test_a_mac_may_be_written_in_two_ways(text: str) -> None:
    assert conf.mac_text(conf.parse_mac(text)) == "0a:58:0a:01:02:03"


def test_the_first_wish_for_a_mac_counts() -> None:
    a, b, c = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
    args = Args("ADD", "c", "/n", "eth0", f"IgnoreUnknown=1;MAC={c}", "", False)
    both = read(runtimeConfig={"mac": a}, args={"cni": {"mac": b}})
    assert conf.ptp(both, args).mac == conf.parse_mac(a)
    assert conf.ptp(read(args={"cni": {"mac": b}}), args).mac == conf.parse_mac(b)
    assert conf.ptp(read(), args).mac == conf.parse_mac(c)


@pytest.mark.parametrize("dns", [{"nameservers": []}, {"domain": "x"}, {"search": ["x"]}, {"options": []}])
def test_any_part_of_dns_counts_as_given_be_it_empty(dns: dict[str, Any]) -> None:
    assert conf.ptp(read(dns=dns), ARGS).dns.given()


def test_no_dns_is_none_given() -> None:
    assert not conf.ptp(read(dns={"domain": "", "search": None}), ARGS).dns.given()


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_valid_attachments_are_read_under_both_keys(key: str) -> None:
    listed = [{"containerID": "c1", "ifname": "eth0"}]
    assert read(**{key: listed}).valid_attachments() == [Attachment("net", "c1", "eth0")]
    assert read(**{key: []}).valid_attachments() == []
    assert read(**{key: None}).valid_attachments() is None
    assert read().valid_attachments() is None


def test_prev_result_is_read_in_its_own_version_or_the_configurations() -> None:
    previous = read(cniVersion="0.4.0", prevResult={"ips": [{"version": "4", "address": "10.0.0.2/24"}]}).prev_result()
    assert previous is not None and str(previous.ips[0]) == "10.0.0.2/24"
    old = read(prevResult={"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24"}}).prev_result()
    assert old is not None and str(old.ips[0]) == "10.0.0.2/24"


@pytest.mark.parametrize("previous", [[], "x", {"cniVersion": "9.9.9"}, {"ips": [{"address": "10.0.0.2"}]}])
def test_a_prev_result_that_can_not_be_read_is_error_6(previous: object) -> None:
    with pytest.raises(CniError) as caught:
        read(prevResult=previous).prev_result()
    assert caught.value.code == 6
