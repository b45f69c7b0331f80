"""Forwarding is on for the host, and off for new links or for a way out: nothing is lost without a word."""

from __future__ import annotations

import pytest

from tests.configurations import conf
from tests.console.people import CONF, CONF_DIR, ask, attach, configure
from tests.contract.traffic import listening, seen_source
from tests.namespaces import Host
from tests.sysctls import FAMILIES, read_only, turn_on

ALL = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
DEFAULT = ("ipv4/conf/default/forwarding", "ipv6/conf/default/forwarding")


def forward_but_new_links(host: Host) -> None:
    """The host forwards, and new links do not."""
    turn_on(host, *ALL)
    turn_on(host, *DEFAULT, value="0")


def uplink(host: Host, name: str, net: str, metric: int) -> None:
    """The host has a way out, by IPv4."""
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
    host.run("ip", "addr", "add", f"{net}.2/24", "dev", name)
    for end in (name, f"{name}p"):
        host.run("ip", "link", "set", end, "up")
    host.run("ip", "route", "add", "default", "via", f"{net}.1", "metric", str(metric))


def veth_of(host: Host, containerid: str) -> str:
    """The name of the host end."""
    aliases = {link.get("ifalias", ""): link["ifname"] for link in host.ip("link")}
    return str(next(name for alias, name in aliases.items() if f" {containerid} " in alias))


@pytest.mark.parametrize("mount", ["writable", "read-only"])
@pytest.mark.parametrize("families", FAMILIES, ids="+".join)
def test_containers_reach_each_other_over_the_host(host: Host, families: list[str], mount: str) -> None:
    forward_but_new_links(host)
    if mount == "read-only":
        turn_on(host, "ipv6/conf/default/accept_ra", "ipv6/conf/default/accept_redirects", value="0")
    first, second = host.container("c1"), host.container("c2")
    results = []
    for container in (first, second):
        argv = ("ADD", conf("1.0.0", families), container.name, container.path)
        if mount == "read-only":
            with read_only(host):
                results.append(host.plugin(*argv).ok())
        else:
            results.append(host.plugin(*argv).ok())
    for mine, its in zip(results[0]["ips"], results[1]["ips"]):
        source, address = (ip["address"].split("/")[0] for ip in (mine, its))
        with listening(second, address) as port:
            assert seen_source(first, address, port) == source
    host.plugin("CHECK", {**conf("1.0.0", families), "prevResult": results[0]}).ok()


def test_check_list_show_and_doctor_find_a_host_end_that_does_not_forward(host: Host) -> None:
    configure()
    result = attach(host, "c1", CONF)
    name = veth_of(host, "c1")
    turn_on(host, f"ipv4/conf/{name}/forwarding", value="0")
    error = host.plugin("CHECK", {**CONF, "prevResult": result}).error(105)
    assert error["details"] == f"the host does not forward: sysctl net/ipv4/conf/{name}/forwarding is not 1"
    for command in (["list"], ["doctor"]):
        found = " ".join(ask(host, *command, "--conf-dir", CONF_DIR).stdout.split())
        assert error["details"] in found
    assert "IPv4 OFF, IPv6 on" in ask(host, "show", "c1", "--conf-dir", CONF_DIR).stdout


def test_check_names_a_host_that_does_not_forward_once(host: Host) -> None:
    result = attach(host, "c1", CONF)
    turn_on(host, "ipv4/ip_forward", value="0")
    error = host.plugin("CHECK", {**CONF, "prevResult": result}).error(105)
    assert error["details"] == "the host does not forward: sysctl net/ipv4/ip_forward is not 1"


def diagnosis(host: Host) -> list[str]:
    """The doctor's lines about forwarding IPv4."""
    lines = ask(host, "doctor", "--conf-dir", CONF_DIR).stdout.replace("\n   ", "").splitlines()
    return [line for line in lines if "forwarding IPv4" in line]


@pytest.mark.parametrize("off", ["up0", "up1"])
def test_the_doctor_reads_the_forwarding_of_each_way_out(host: Host, off: str) -> None:
    configure()
    uplink(host, "up0", "192.0.2", 0)
    uplink(host, "up1", "198.51.100", 9)
    turn_on(host, "ipv4/ip_forward")
    assert [line.split()[0] for line in diagnosis(host)] == ["ok"]
    turn_on(host, f"ipv4/conf/{off}/forwarding", value="0")
    problems = [line for line in diagnosis(host) if line.startswith("problem")]
    assert len(problems) == 1
    assert f"sysctl -w net.ipv4.conf.{off}.forwarding=1" in problems[0]


def test_the_doctor_is_silent_where_the_first_add_turns_it_on(host: Host) -> None:
    configure()
    uplink(host, "up0", "192.0.2", 0)
    assert [line.split()[0] for line in diagnosis(host)] == ["ok"]
    attach(host, "c1", CONF)
    assert host.sysctl("ipv4/conf/up0/forwarding") == "1"
    assert [line.split()[0] for line in diagnosis(host)] == ["ok"]
