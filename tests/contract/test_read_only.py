"""A read-only /proc/sys: ADD needs it only where a setting makes a difference, and STATUS and the doctor tell which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bounds import until
from tests.configurations import conf
from tests.console.people import CONF, CONF_DIR, ask, configure
from tests.contract.traffic import listening, lost_packets
from tests.namespaces import Host
from tests.router import advertise
from tests.sysctls import FAMILIES, FORWARDING, read_only, turn_on


@pytest.mark.parametrize("masq", ["none", "nftables"])
@pytest.mark.parametrize("families", FAMILIES, ids="+".join)
def test_a_host_that_forwards_attaches_checks_and_detaches(host: Host, families: list[str], masq: str) -> None:
    container = host.container()
    turn_on(host, *[FORWARDING[f] for f in families])
    configuration = conf("1.1.0", families)
    if masq != "none":
        configuration.update(ipMasq=True, ipMasqBackend=masq)
    before = host.snapshot()
    with read_only(host):
        host.plugin("STATUS", configuration).ok()
        result = host.plugin("ADD", configuration).ok()
    for ip in result["ips"]:
        with listening(host, ip["gateway"]) as port:
            assert lost_packets(container, ip["gateway"], port) == 0
    with read_only(host):
        host.plugin("CHECK", {**configuration, "prevResult": result}).ok()
        host.plugin("DEL", configuration).ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("family", list(FORWARDING))
def test_forwarding_is_on_whatever_number_but_0_it_is(host: Host, family: str) -> None:
    host.container()
    turn_on(host, FORWARDING[family], value="2")
    with read_only(host):
        host.plugin("STATUS", conf("1.1.0", [family])).ok()
        result = host.plugin("ADD", conf("1.1.0", [family])).ok()
        host.plugin("CHECK", {**conf("1.1.0", [family]), "prevResult": result}).ok()
    assert host.sysctl(FORWARDING[family]) == "2"


@pytest.mark.parametrize("families", FAMILIES, ids="+".join)
def test_a_host_that_does_not_forward_refuses_and_status_tells_before(host: Host, families: list[str]) -> None:
    host.container()
    before = host.snapshot()
    with read_only(host):
        details = host.plugin("STATUS", conf("1.1.0", families)).error(50)["details"]
        for family in families:
            assert f"sysctl net/{FORWARDING[family]} cannot be written: EROFS" in details
        assert "EROFS" in host.plugin("ADD", conf("1.1.0", families)).error(100)["details"]
    assert host.snapshot() == before


@pytest.mark.parametrize("setting", ["accept_ra", "accept_redirects"])
def test_a_host_end_without_ipv6_that_would_take_advertisements_is_guarded(host: Host, setting: str) -> None:
    host.container()
    turn_on(host, "ipv4/ip_forward")
    for other in {"accept_ra", "accept_redirects"} - {setting}:
        turn_on(host, f"ipv6/conf/default/{other}", value="0")
    before = host.snapshot()
    with read_only(host):
        name = host.plugin("ADD", conf("1.1.0", ["v4"])).ok()["interfaces"][0]["name"]
        assert name in host.run("nft", "list", "set", "inet", "cni_ptp_antispoof", "guarded").stdout
        host.plugin("DEL", conf("1.1.0", ["v4"])).ok()
    assert host.snapshot() == before


def test_the_guard_keeps_a_container_from_becoming_the_hosts_router(host: Host) -> None:
    """CVE-2020-10749: what the setting cannot prevent, nf_tables drops; without the table the host has a new router."""
    container = host.container()
    turn_on(host, "ipv4/ip_forward")
    with read_only(host):
        host.plugin("ADD", conf("1.1.0", ["v4"])).ok()
    advertise(container, "eth0")
    assert host.ip("-6", "route", "show", "default") == []
    host.run("nft", "flush", "ruleset")
    advertise(container, "eth0")
    until(lambda: host.ip("-6", "route", "show", "default"), "the container as the host's router")


def test_an_add_that_fails_after_the_guard_takes_it_back(host: Host) -> None:
    host.container()
    turn_on(host, "ipv4/ip_forward")
    before = host.snapshot()
    with read_only(host), open("/dev/full", "wb") as full:
        host.plugin("ADD", conf("1.1.0", ["v4"]), stdout=full)
    assert host.snapshot() == before


@pytest.mark.parametrize(
    "safe", [{"accept_ra": "0", "accept_redirects": "0"}, {"disable_ipv6": "1"}, {"forwarding": "1"}], ids=str
)
def test_a_host_end_that_takes_no_advertisements_is_not_guarded(host: Host, safe: dict[str, str]) -> None:
    host.container()
    turn_on(host, "ipv4/ip_forward")
    for name, value in safe.items():
        turn_on(host, f"ipv6/conf/default/{name}", value=value)
    with read_only(host):
        host.plugin("ADD", conf("1.1.0", ["v4"])).ok()
    assert "antispoof" not in host.run("nft", "list", "tables").stdout


REFUSED = {
    "IPv6 off on new links": [("disable_ipv6", "1")],
    "advertisements taken even by routers": [("accept_ra", "2")],
    "new links do not forward": [("forwarding", "0")],
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_makes_a_difference_to_ipv6_is_refused_and_status_tells_before(host: Host, case: str) -> None:
    host.container()
    turn_on(host, "ipv6/conf/all/forwarding")
    for name, value in REFUSED[case]:
        turn_on(host, f"ipv6/conf/default/{name}", value=value)
    before = host.snapshot()
    with read_only(host):
        assert "/proc/sys cannot be written: EROFS" in host.plugin("STATUS", conf("1.1.0", ["v6"])).error(50)["details"]
        assert "EROFS" in host.plugin("ADD", conf("1.1.0", ["v6"])).error(100)["details"]
        assert host.snapshot() == before


def test_status_tells_of_a_kernel_without_ipv6(host: Host) -> None:
    host.run("mount", "-t", "tmpfs", "t", "/proc/sys/net/ipv6")
    try:
        assert "the kernel has no IPv6" in host.plugin("STATUS", conf("1.1.0", ["v4", "v6"])).error(50)["details"]
        host.plugin("STATUS", conf("1.1.0", ["v4"])).ok()
    finally:
        host.run("umount", "/proc/sys/net/ipv6")


def diagnosis(host: Host) -> list[str]:
    """The doctor's lines about forwarding and settings."""
    lines = ask(host, "doctor", "--conf-dir", CONF_DIR).stdout.replace("\n   ", "").splitlines()
    return [line for line in lines if "forwarding" in line or "sysctls" in line]


def test_the_doctor_tells_what_add_cannot_set(host: Host) -> None:
    configure()
    with read_only(host):
        found = diagnosis(host)
        assert [line.split()[0] for line in found if "sysctls" in line] == ["problem", "problem"]
        assert not [line for line in found if "the first ADD turns it on" in line]
        configure({**CONF, "ipam": {"type": "static", "addresses": [{"address": "10.0.0.5/24"}]}})
        found = diagnosis(host)
        assert [line for line in found if "net/ipv4/ip_forward" in line and line.startswith("problem")]
        assert not [line for line in found if "net/ipv6" in line]
        Path(CONF_DIR, "10-mynet.conf").unlink()
        assert not [line for line in diagnosis(host) if line.startswith("problem")]


def test_the_doctor_finds_a_read_only_host_that_forwards_well(host: Host) -> None:
    configure()
    turn_on(host, *FORWARDING.values())
    with read_only(host):
        assert [line.split()[0] for line in diagnosis(host)] == ["ok"] * 3
