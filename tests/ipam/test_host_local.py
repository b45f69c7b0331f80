"""host-local as a plugin: upstream's acceptance list (host_local_test.go, allocator_test.go), and what is ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.cni.versions import at_least
from tests.ipam.calls import ALL_VERSIONS, addresses, descriptors, files, host_local, leases, ours, refused

EVERY_VERSION = pytest.mark.parametrize("version", ALL_VERSIONS)
ROUTES: list[dict[str, Any]] = [
    {"dst": "0.0.0.0/0"},
    {"dst": "::/0"},
    {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
    {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"},
]


def gateways(document: Any) -> list[str]:
    """The gateways of a result of any version."""
    if "ips" in document:
        return [ip["gateway"] for ip in document["ips"]]
    return [document[key]["gateway"] for key in ("ip4", "ip6") if key in document]


@EVERY_VERSION
def test_addresses_of_both_families_with_routes_and_dns(tmp_path: Path, version: str) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.3\n")
    sets = [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::0/64"}]]
    conf = host_local(tmp_path / "d", *sets, version=version, routes=ROUTES, resolvConf=str(resolv_conf))
    document = ours("host-local", "ADD", conf, "dummy")
    assert addresses(document) == ["10.1.2.2/24", "2001:db8:1::2/64"]
    assert gateways(document) == ["10.1.2.1", "2001:db8:1::1"]
    given = document["routes"] if "routes" in document else document["ip4"]["routes"] + document["ip6"]["routes"]
    wanted = [{**r, "dst": r["dst"].replace("2::0/", "2::/")} for r in ROUTES]
    assert sorted(map(str, given)) == sorted(map(str, wanted))
    assert document["dns"] == {"nameservers": ["192.0.2.3"]}
    assert all(("version" in ip) == (not at_least(version, "1.0.0")) for ip in document.get("ips", []))
    assert files(tmp_path / "d") == {
        "10.1.2.2": b"dummy\r\neth0",
        "2001:db8:1::2": b"dummy\r\neth0",
        "last_reserved_ip.0": b"10.1.2.2",
        "last_reserved_ip.1": b"2001:db8:1::2",
    }
    ours("host-local", "DEL", conf, "dummy")
    assert leases(tmp_path / "d") == {}


@EVERY_VERSION
def test_two_interfaces_of_one_container_are_independent(tmp_path: Path, version: str) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", version=version)
    assert addresses(ours("host-local", "ADD", conf, "dummy", "eth0")) == ["10.1.2.2/24"]
    assert addresses(ours("host-local", "ADD", conf, "dummy", "eth1")) == ["10.1.2.3/24"]
    ours("host-local", "DEL", conf, "dummy", "eth0")
    assert leases(tmp_path) == {"10.1.2.3": b"dummy\r\neth1"}


@EVERY_VERSION
def test_a_second_add_is_refused_and_says_how_to_go_on(tmp_path: Path, version: str) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", version=version)
    ours("host-local", "ADD", conf, "dummy")
    wanted = "failed to allocate for range 0: 10.1.2.2 has been allocated to dummy, duplicate allocation is not allowed"
    for other in (None, "10.1.2.3/24"):
        e = refused("host-local", "ADD", conf, "dummy")
        assert (e.code, e.msg) == (103, wanted)
        assert "interface eth0 of container dummy for 0 s; a DEL" in e.details
        if other is None:
            assert addresses(ours("host-local", "ADD", conf, "dummy1")) == ["10.1.2.3/24"]
    ours("host-local", "DEL", conf, "dummy")
    ours("host-local", "DEL", conf, "dummy1")
    assert leases(tmp_path) == {}


@pytest.mark.parametrize("content", [b"dummy", b" dummy \r\neth0 \n", b"\ndummy\r\neth0"])
def test_a_lease_of_old_or_with_spaces_around_is_released(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net1").mkdir()
    (tmp_path / "net1" / "10.1.2.7").write_bytes(content.replace(b" \r\n", b"\r\n"))
    conf = host_local(tmp_path, "10.1.2.0/24")
    assert "10.1.2.7 has been allocated to dummy" in refused("host-local", "ADD", conf, "dummy").msg
    ours("host-local", "DEL", conf, "dummy")
    assert leases(tmp_path) == {}


@EVERY_VERSION
def test_del_of_what_is_not_there_succeeds(tmp_path: Path, version: str) -> None:
    conf = host_local(tmp_path / "d", "10.1.2.0/24", version=version)
    ours("host-local", "DEL", conf, "dummy")
    assert not (tmp_path / "d").exists()  # nor does it make anything
    ours("host-local", "ADD", conf, "other")
    ours("host-local", "DEL", conf, "dummy")
    assert len(leases(tmp_path / "d")) == 1


def test_del_works_however_the_ranges_were_changed_since(tmp_path: Path) -> None:
    ours("host-local", "ADD", host_local(tmp_path, "10.1.2.0/24"))
    changed = host_local(tmp_path, "10.1.2.3/24", resolvConf="/no/such/file")
    ours("host-local", "DEL", changed, args="IP=nonsense;=")
    assert leases(tmp_path) == {}


@EVERY_VERSION
def test_a_requested_address_is_given(tmp_path: Path, version: str) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", version=version)
    assert addresses(ours("host-local", "ADD", {**conf, "args": {"cni": {"ips": ["10.1.2.88"]}}})) == ["10.1.2.88/24"]
    e = refused("host-local", "ADD", conf, "c2", args="IP=10.1.2.88")
    assert e.code == 103
    assert e.msg.endswith("requested IP address 10.1.2.88 is not available in range set 10.1.2.1-10.1.2.254")
    assert "container c1" in e.details
    assert "requested ip 10.1.2.1 is subnet's gateway" in refused("host-local", "ADD", conf, args="IP=10.1.2.1/24").msg


@EVERY_VERSION
def test_requested_addresses_of_two_sets_are_given(tmp_path: Path, version: str) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", "10.1.3.0/24", version=version)
    conf["args"] = {"cni": {"ips": ["10.1.2.88", "10.1.3.77"]}}
    if at_least(version, "0.3.0"):
        assert addresses(ours("host-local", "ADD", conf)) == ["10.1.2.88/24", "10.1.3.77/24"]
    else:
        e = refused("host-local", "ADD", conf)
        assert e.msg == f"CNI version {version} does not support more than 1 address per family"
        assert e.code == 7


@EVERY_VERSION
def test_requested_addresses_of_two_families_are_given(tmp_path: Path, version: str) -> None:
    sets = ["10.1.2.0/24", [{"subnet": "10.1.3.0/24"}]][:1] + [[{"subnet": "2001:db8:1::/48"}]]
    conf = host_local(tmp_path, *sets, version=version)
    conf["args"] = {"cni": {"ips": ["10.1.2.88", "2001:db8:1::999"]}}
    assert addresses(ours("host-local", "ADD", conf)) == ["10.1.2.88/24", "2001:db8:1::999/48"]


def test_a_wish_that_no_set_can_meet_leaves_nothing(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", "fd00::/64")
    e = refused("host-local", "ADD", {**conf, "runtimeConfig": {"ips": ["10.1.2.8", "10.1.2.9/24"]}})
    assert e.msg == "failed to allocate all requested IPs: 10.1.2.9"
    assert leases(tmp_path) == {}


def test_a_failing_add_takes_back_its_own_leases_only(tmp_path: Path) -> None:
    """Go frees whatever the attachment holds, also what an earlier ADD gave."""
    conf = host_local(tmp_path, "10.1.2.0/24", "fd00::/64")
    ours("host-local", "ADD", conf)
    refused("host-local", "ADD", conf, args="IP=10.1.2.9")
    assert set(leases(tmp_path)) == {"10.1.2.2", "fd00::2"}


# --- the order of addresses (allocator_test.go) ---


def test_round_robin_never_gives_broadcast_nor_gateway_and_ends(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.0.0.0/29")
    assert [addresses(ours("host-local", "ADD", conf, f"c{i}")) for i in range(5)] == [
        [f"10.0.0.{i}/29"] for i in range(2, 7)
    ]
    e = refused("host-local", "ADD", conf, "c9")
    assert e.msg == "failed to allocate for range 0: no IP addresses available in range set: 10.0.0.1-10.0.0.6"
    assert e.code == 103


def test_a_released_address_comes_last(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.0.0.0/29")
    ours("host-local", "ADD", conf, "a")
    ours("host-local", "DEL", conf, "a")
    given = [addresses(ours("host-local", "ADD", conf, name))[0] for name in "bcdef"]
    assert given == ["10.0.0.3/29", "10.0.0.4/29", "10.0.0.5/29", "10.0.0.6/29", "10.0.0.2/29"]


@pytest.mark.parametrize(
    ("sets", "taken", "last", "wanted"),
    [
        (["10.0.0.0/29"], [], "", "10.0.0.2/29"),
        (["2001:db8:1::0/64"], [], "", "2001:db8:1::2/64"),
        (["10.0.0.0/30"], [], "", "10.0.0.2/30"),
        (["10.0.0.0/29"], ["10.0.0.2"], "", "10.0.0.3/29"),
        (["10.0.0.0/29"], ["10.0.0.2", "10.0.0.3"], "10.0.0.3", "10.0.0.4/29"),
        (["10.0.0.0/29"], ["10.0.0.4"], "10.0.0.3", "10.0.0.5/29"),
        (["10.0.0.0/29"], ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"], "10.0.0.6", "10.0.0.3/29"),
        (["10.0.0.0/29"], [], "10.0.0.128", "10.0.0.2/29"),
        (["10.0.0.0/29"], ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6"], "10.0.0.5", "10.0.0.5/29"),
        ([[{"subnet": "10.0.0.0/30"}, {"subnet": "10.0.1.0/30"}]], [], "", "10.0.0.2/30"),
        ([[{"subnet": "10.0.0.0/30"}, {"subnet": "10.0.1.0/30"}]], ["10.0.0.2"], "10.0.0.2", "10.0.1.2/30"),
        ([[{"subnet": "10.0.0.0/30"}, {"subnet": "10.0.1.0/30"}]], ["10.0.1.2"], "10.0.1.2", "10.0.0.2/30"),
        ([[{"subnet": "10.0.0.0/29", "rangeStart": "10.0.0.0"}]], [], "", "10.0.0.0/29"),
        (["10.0.0.0/29"], [], "torn", "10.0.0.2/29"),
    ],
)
def test_the_next_address(tmp_path: Path, sets: list[Any], taken: list[str], last: str, wanted: str) -> None:
    """The round-robin table of allocator_test.go; `last` is what last_reserved_ip.0 holds."""
    (tmp_path / "net1").mkdir()
    for name in taken:
        (tmp_path / "net1" / name).write_bytes(b"somebody\r\neth0")
    if last:
        (tmp_path / "net1" / "last_reserved_ip.0").write_text(last)
    assert addresses(ours("host-local", "ADD", host_local(tmp_path, *sets))) == [wanted]


@pytest.mark.parametrize(
    ("subnet", "wanted"),
    [("10.0.0.4/31", ["10.0.0.4/31"]), ("fd00::4/127", ["fd00::4/127"])],
)
def test_a_pool_of_two_gives_one_beside_its_gateway(tmp_path: Path, subnet: str, wanted: list[str]) -> None:
    conf = host_local(tmp_path, subnet)
    assert addresses(ours("host-local", "ADD", conf)) == wanted
    assert "no IP addresses available" in refused("host-local", "ADD", conf, "c2").msg


def test_pools_with_their_gateway_elsewhere_give_every_address(tmp_path: Path) -> None:
    pools = [[{"subnet": "10.0.0.4/31", "gateway": "10.9.9.9"}, {"subnet": "10.0.0.9/32", "gateway": "10.9.9.9"}]]
    conf = host_local(tmp_path, *pools)
    given = [addresses(ours("host-local", "ADD", conf, name))[0] for name in "abc"]
    assert given == ["10.0.0.4/31", "10.0.0.5/31", "10.0.0.9/32"]
    assert "needs a gateway" in refused("host-local", "ADD", host_local(tmp_path, "10.0.0.9/32")).details


# --- the configuration (config_test.go, range_test.go) ---


@pytest.mark.parametrize(
    ("sets", "msg"),
    [
        ([[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.2.0/24"}]], "range set 0 overlaps with 1"),
        (
            [[{"subnet": "10.1.0.0/22"}, {"subnet": "10.1.2.0/24"}]],
            "invalid range set 0: subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap",
        ),
        ([[{"subnet": "10.1.0.0/22"}, {"subnet": "fd00::/64"}]], "invalid range set 0: mixed address families"),
        ([[]], "invalid range set 0: empty range set"),
        ([], "no IP ranges specified"),
        ([[{"rangeStart": "10.0.0.1"}]], "invalid range set 0: IP <nil> not v4 nor v6"),
        (
            ["192.0.2.5/24"],
            "invalid range set 0: Network has host bits set. "
            "For a subnet mask of length 24 the network address is 192.0.2.0",
        ),
        (
            ["2001:db8::1:0:0:1/63"],
            "invalid range set 0: Network has host bits set. "
            "For a subnet mask of length 63 the network address is 2001:db8::",
        ),
        (
            [[{"subnet": "192.0.2.0/24", "rangeStart": "192.0.3.0"}]],
            "invalid range set 0: RangeStart 192.0.3.0 not in network 192.0.2.0/24",
        ),
        (
            [[{"subnet": "192.0.2.0/24", "rangeEnd": "192.0.4.0"}]],
            "invalid range set 0: RangeEnd 192.0.4.0 not in network 192.0.2.0/24",
        ),
        (
            [[{"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.50", "rangeEnd": "192.0.2.40"}]],
            "invalid range set 0: RangeStart 192.0.2.50 not in network 192.0.2.0/24",
        ),
    ],
)
def test_ranges_that_can_not_be_used(tmp_path: Path, sets: list[Any], msg: str) -> None:
    e = refused("host-local", "ADD", host_local(tmp_path / "d", *sets))
    assert (e.code, e.msg) == (7, msg)
    assert not (tmp_path / "d").exists()


def test_ranges_come_from_the_runtime_then_inline_then_the_list(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.4.0/24", subnet="10.1.2.0/24", gateway="10.1.2.30")
    conf["runtimeConfig"] = {"unknown": 1, "ipRanges": [[{"subnet": "11.1.2.0/24"}]]}
    assert addresses(ours("host-local", "ADD", conf)) == ["11.1.2.2/24", "10.1.2.1/24", "10.1.4.2/24"]


def test_a_missing_ipam_object_is_named(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24")
    del conf["ipam"]
    assert refused("host-local", "ADD", conf).msg == "IPAM config missing 'ipam' key"


def test_a_resolv_conf_that_is_no_file_does_not_keep_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in ("fifo", "absent", "."):
        e = refused("host-local", "ADD", host_local(tmp_path / "d", "10.1.2.0/24", resolvConf=str(tmp_path / path)))
        assert e.code == 7
        assert not (tmp_path / "d").exists()


# --- CHECK, GC, STATUS ---


def test_check_wants_the_very_address_of_the_result(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24")
    conf["prevResult"] = ours("host-local", "ADD", conf)
    ours("host-local", "CHECK", conf)
    (tmp_path / "net1" / "10.1.2.2").rename(tmp_path / "net1" / "10.1.2.3")
    e = refused("host-local", "CHECK", conf)
    assert e.code == 105
    assert "10.1.2.2 is not leased to container c1" in e.msg
    (tmp_path / "net1" / "10.1.2.3").unlink()
    assert refused("host-local", "CHECK", conf).msg == "host-local: Failed to find address added by container c1"
    del conf["prevResult"]
    assert refused("host-local", "CHECK", conf).msg == "Required prevResult missing"


def test_gc_frees_what_is_not_valid_and_nothing_of_other_networks(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.1.2.0/24", version="1.1.0")
    for name in "abc":
        ours("host-local", "ADD", conf, name)
    ours("host-local", "ADD", {**conf, "name": "net2"}, "a")
    (tmp_path / "net1" / "10.1.2.9").write_text("b")  # of old, without an interface's name
    (tmp_path / "net1" / "10.1.2.10").write_text("kept by hand")
    for key in ("absent", None):
        ours("host-local", "GC", conf if key else {**conf, "cni.dev/valid-attachments": None})
        assert len(leases(tmp_path)) == 5
    ours("host-local", "GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "b", "ifname": "eth0"}]})
    assert set(leases(tmp_path)) == {"10.1.2.3", "10.1.2.9", "10.1.2.10"}
    ours("host-local", "GC", {**conf, "cni.dev/attachments": []})
    assert set(leases(tmp_path)) == {"10.1.2.10"}
    assert len(leases(tmp_path, "net2")) == 1


def test_status_names_the_exhausted_range(tmp_path: Path) -> None:
    conf = host_local(tmp_path / "d", "10.0.0.0/30", "fd00::/64", version="1.1.0")
    ours("host-local", "STATUS", conf)
    assert not (tmp_path / "d").exists()
    ours("host-local", "ADD", conf)
    e = refused("host-local", "STATUS", conf)
    assert (e.code, e.msg) == (50, "no IP addresses available in range set: 10.0.0.1-10.0.0.2")
    ours("host-local", "DEL", conf)
    ours("host-local", "STATUS", conf)


def test_status_says_that_the_directory_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused("host-local", "STATUS", host_local(tmp_path / "file", "10.0.0.0/30", version="1.1.0")).code == 50
    below = host_local(tmp_path / "file" / "below", "10.0.0.0/30", version="1.1.0")
    assert refused("host-local", "STATUS", below).code == 50


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    conf = host_local(tmp_path, "10.0.0.0/30", version="1.1.0")
    before = descriptors()
    for _ in range(3):
        ours("host-local", "ADD", conf)
        refused("host-local", "ADD", conf)
        refused("host-local", "STATUS", conf)
        ours("host-local", "DEL", conf)
    assert descriptors() == before


def test_cost_does_not_grow_with_the_leases(tmp_path: Path) -> None:
    """Counted, not timed: a full /16 but one address takes as many system calls on files as an empty one."""
    conf = host_local(tmp_path, "10.1.0.0/16")
    directory = tmp_path / "net1"
    directory.mkdir()
    seed = directory / "10.1.0.2"
    seed.write_bytes(b"full\r\neth0")
    for number in range(3, 65535):
        if number != 40000:
            os.symlink("10.1.0.2", directory / f"10.1.{number >> 8}.{number & 255}")
    reads: list[Any] = []
    ours("host-local", "ADD", conf)  # reads them all, once
    ours("host-local", "DEL", conf)
    opened = os.open

    def counting(*arguments: Any, **more: Any) -> int:
        reads.append(arguments[0])
        return opened(*arguments, **more)

    os.open = counting
    try:
        assert addresses(ours("host-local", "ADD", conf)) == ["10.1.156.64/16"]
    finally:
        os.open = opened
    assert len(reads) < 20, reads
