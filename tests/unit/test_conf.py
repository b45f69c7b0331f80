"""The network configuration.  Source: CNI SPEC.md, pkg/types/types.go and pkg/skel of containernetworking/cni."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp.cni import conf, mac
from cni_ptp.cni.attachment import Attachment
from tests.unit.configuration import asked, read, refused


@pytest.mark.parametrize("raw", [b"", b"{", b"not json", b'{"name":"net"} x', b'\xef\xbb\xbf{"name":"net"}'])
def test_what_is_no_json_is_a_decoding_failure(raw: bytes) -> None:
    code, msg, _ = refused(conf.read, raw)
    assert (code, msg[:32]) == (6, "error unmarshall network config:")


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"7", b"true"])
def test_what_is_no_object_is_a_decoding_failure(raw: bytes) -> None:
    assert refused(conf.read, raw)[0] == 6


@pytest.mark.parametrize("raw", [b"null", b"{}", b'{"name":""}', b'{"name":null}'])
def test_a_missing_name_is_a_bad_configuration(raw: bytes) -> None:
    assert refused(conf.read, raw) == (7, "missing network name", "")


@pytest.mark.parametrize("name", ["te%%st", ".", "..", "a/b", "-a", "a b", "a\n", "é", "a\x00"])
def test_a_name_of_other_characters_is_refused_with_itself_in_the_details(name: str) -> None:
    assert refused(conf.read, json.dumps({"name": name}).encode()) == (
        7,
        "invalid characters found in network name",
        name,
    )


def test_a_name_must_be_good_for_a_directory() -> None:
    assert conf.read(json.dumps({"name": "n" * 200}).encode()).name == "n" * 200
    assert refused(conf.read, json.dumps({"name": "n" * 201}).encode())[:2] == (7, "network name is too long")


def test_a_name_of_the_wrong_type_is_a_decoding_failure() -> None:
    assert refused(conf.read, b'{"name":5}') == (6, "failed to load netconf", "name must be a string, not an integer")


@pytest.mark.parametrize(
    ("members", "version"),
    [({}, "0.1.0"), ({"cniVersion": ""}, "0.1.0"), ({"cniVersion": None}, "0.1.0"), ({"CNIVERSION": "1.0.0"}, "1.0.0")],
)
def test_no_version_is_0_1_0(members: dict[str, Any], version: str) -> None:
    assert read(**members).cni_version == version


def test_the_raw_bytes_are_kept_for_delegates() -> None:
    raw = b' {"name": "net", "other": [1, 2.50]} '
    assert conf.read(raw).raw is raw


def test_a_configuration_without_ipam_has_none() -> None:
    assert read().ipam is None
    ipam = read(ipam={"type": "static"}).ipam
    assert ipam is not None and ipam.text("type") == "static"


def test_ptp_s_keys_have_defaults() -> None:
    settings = conf.ptp_settings(read(), asked())
    assert (settings.ip_masq, settings.ip_masq_backend, settings.mtu, settings.mac) == (False, "", 0, None)
    assert not settings.dns.given()


def test_ptp_s_keys_are_read_whatever_their_case() -> None:
    settings = conf.ptp_settings(read(IPMASQ=True, ipmasqbackend="iptables", Mtu=1400, DNS={"Domain": "d"}), asked())
    assert (settings.ip_masq, settings.ip_masq_backend, settings.mtu, settings.dns.domain) == (
        True,
        "iptables",
        1400,
        "d",
    )


@pytest.mark.parametrize("mtu", [68, 1500, 65535])
def test_an_mtu_that_a_veth_takes_is_taken(mtu: int) -> None:
    assert conf.ptp_settings(read(mtu=mtu), asked()).mtu == mtu


@pytest.mark.parametrize("mtu", [1, 67, 65536, 1 << 40])
def test_an_mtu_that_no_veth_takes_is_refused(mtu: int) -> None:
    assert refused(conf.ptp_settings, read(mtu=mtu), asked())[:2] == (7, f"mtu {mtu} cannot be used")


@pytest.mark.parametrize("mtu", [0, -1, None])
def test_a_negative_mtu_is_no_mtu_as_in_go(mtu: int | None) -> None:
    assert conf.ptp_settings(read(mtu=mtu), asked()).mtu == 0


@pytest.mark.parametrize(
    ("members", "details"),
    [
        ({"mtu": True}, "mtu must be an integer, not a boolean"),
        ({"args": 5}, "args must be an object, not an integer"),
        ({"mtu": "1500"}, "mtu must be an integer, not a string"),
        ({"mtu": 1500.0}, "mtu must be an integer, not a fraction"),
        ({"ipMasq": "true"}, "ipMasq must be true or false, not a string"),
        ({"ipMasq": 1}, "ipMasq must be true or false, not an integer"),
        ({"ipMasqBackend": []}, "ipMasqBackend must be a string, not a list"),
        ({"dns": []}, "dns must be an object, not a list"),
        ({"dns": {"nameservers": "1.1.1.1"}}, "dns.nameservers must be a list, not a string"),
        ({"dns": {"search": [1]}}, "dns.search[0] must be a string, not an integer"),
        ({"runtimeConfig": 5}, "runtimeConfig must be an object, not an integer"),
        ({"args": {"cni": []}}, "args.cni must be an object, not a list"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_decoding_failure(members: dict[str, Any], details: str) -> None:
    assert refused(conf.ptp_settings, read(**members), asked()) == (6, "failed to load netconf", details)


@pytest.mark.parametrize("backend", ["", "nft", "IPTABLES", "x"])
def test_an_unknown_backend_is_refused_even_without_ip_masq(backend: str) -> None:
    assert refused(conf.ptp_settings, read(ipMasqBackend=backend), asked())[:2] == (
        7,
        f'unknown ipmasq backend "{backend}"',
    )


MAC = "02:00:00:00:00:01"


@pytest.mark.parametrize(
    ("members", "cni_args", "mac"),
    [
        ({}, f"MAC={MAC}", MAC),
        ({}, f"IgnoreUnknown=1;MAC={MAC}", MAC),
        ({"args": {"cni": {"mac": "02-00-00-00-00-0A"}}}, f"MAC={MAC}", "02:00:00:00:00:0a"),
        ({"runtimeConfig": {"mac": "02:00:00:00:00:03"}, "args": {"cni": {"mac": MAC}}}, "", "02:00:00:00:00:03"),
        ({"RuntimeConfig": {"MAC": MAC}}, "", MAC),
        ({}, "MAC=0200.0000.0001", MAC),
        ({"runtimeConfig": {"mac": "02aa.bbcc.DDEE"}}, "", "02:aa:bb:cc:dd:ee"),
        ({}, "", None),
    ],
)
def test_the_mac_comes_from_the_capability_then_args_then_cni_args(
    members: dict[str, Any], cni_args: str, mac: str | None
) -> None:
    found = conf.ptp_settings(read(**members), asked(cni_args)).mac
    assert (conf.mac_text(found) if found else None) == mac


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "02:00:00:00:00",
        "02:00:00:00:00:01:02",
        "0200.0000.000",
        "0200.0000.0001.0002",
        "0200:0000:0001",
        "02.00.00.00.00.01",
        "0200.0000-0001",
        "02:00-00:00-00:01",
        "02 00 00 00 00 01",
        "2:0:0:0:0:1",
        "02:00:00:00:00:0g",
        "02:00:00:00:00:٣1",
        "020000000001",
    ],
)
def test_a_mac_that_is_none_is_refused(text: str) -> None:
    assert refused(mac.parse, text) == (7, f'invalid MAC address "{text}"', "")


@pytest.mark.parametrize("text", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_a_mac_that_no_interface_may_have_is_refused(text: str) -> None:
    assert refused(mac.parse, text)[::2] == (7, "multicast or zero")


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_what_gc_must_keep_is_read_under_either_key(key: str) -> None:
    listed = [{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "net1"}]
    assert read(**{key: listed}).valid_attachments() == [
        Attachment("net", "c1", "eth0"),
        Attachment("net", "c2", "net1"),
    ]


@pytest.mark.parametrize("members", [{}, {"cni.dev/valid-attachments": None}, {"cni.dev/attachments": None}])
def test_no_list_is_not_an_empty_list(members: dict[str, Any]) -> None:
    assert read(**members).valid_attachments() is None
    assert read(**{"cni.dev/valid-attachments": []}).valid_attachments() == []


def test_a_prev_result_is_read_in_its_own_version_or_in_the_configuration_s() -> None:
    previous = {"ips": [{"address": "10.0.0.2/24"}]}
    assert read().prev_result() is None
    for found in (read(cniVersion="1.0.0", prevResult=previous), read(prevResult={"cniVersion": "0.4.0", **previous})):
        result = found.prev_result()
        assert result is not None and [str(ip) for ip in result.ips] == ["10.0.0.2/24"]
    old = read(cniVersion="1.1.0", prevResult={"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24"}}).prev_result()
    assert old is not None and str(old.ips[0]) == "10.0.0.2/24"
    assert refused(read(cniVersion="1.0.0", prevResult={"ips": [{"address": "10.0.0.2"}]}).prev_result)[0] == 6
    assert refused(read(prevResult={"cniVersion": "9.9.9"}).prev_result)[0] == 6
    assert refused(read(prevResult=[]).prev_result)[0] == 6
