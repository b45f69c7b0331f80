"""What ADD does to the host's own ways out when it turns forwarding on: nothing."""

from __future__ import annotations

import pytest

from tests.bounds import until
from tests.configurations import conf
from tests.console.people import CONF, CONF_DIR, ask, configure
from tests.namespaces import Host, Place
from tests.router import advertise
from tests.sysctls import turn_on

ACCEPT_RA = "ipv6/conf/up0/accept_ra"


def uplink(host: Host, name: str = "up0") -> Place:
    """The router at the other end of a new link of the host, which takes advertisements there."""
    router = host.container(f"r-{name}")
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", router.name)
    host.run("ip", "link", "set", name, "up")
    router.run("ip", "link", "set", "eth0", "up")
    return router


def learn_default_route(host: Host, router: Place) -> None:
    """The router advertises itself, and the host has its default route and an address."""
    advertise(router, "eth0")
    until(lambda: learnt(host), "a default route by the router's advertisement")


def learnt(host: Host) -> bool:
    """Whether a router has advertised the IPv6 default route."""
    return [r["protocol"] for r in host.ip("-6", "route", "show", "default")] == ["ra"]


def diagnosis(host: Host) -> list[str]:
    """The first word, and the rest, of the doctor's line about advertisements."""
    lines = ask(host, "doctor", "--conf-dir", CONF_DIR).stdout.replace("\n   ", "").splitlines()
    return next(line for line in lines if " accept_ra " in line).split(None, 1)


@pytest.mark.parametrize("families", [["v6"], ["v4", "v6"]], ids="+".join)
def test_the_host_keeps_the_default_route_that_it_learnt(host: Host, families: list[str]) -> None:
    router = uplink(host)
    learn_default_route(host, router)
    host.container()
    host.plugin("ADD", conf("1.0.0", families)).ok()
    assert learnt(host)
    host.run("ip", "-6", "route", "flush", "default")
    learn_default_route(host, router)
    host.plugin("DEL", conf("1.0.0", families)).ok()
    assert learnt(host)


def test_a_link_that_has_not_heard_a_router_yet_goes_on_listening(host: Host) -> None:
    router = uplink(host)
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v6"])).ok()
    assert host.sysctl(ACCEPT_RA) == "2"
    learn_default_route(host, router)


@pytest.mark.parametrize("value", ["0", "2"])
def test_a_link_keeps_any_other_value(host: Host, value: str) -> None:
    uplink(host)
    turn_on(host, ACCEPT_RA, value=value)
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v6"])).ok()
    assert host.sysctl(ACCEPT_RA) == value


@pytest.mark.parametrize("name", ["lo", "all", "default"])
def test_what_is_no_uplink_keeps_its_value(host: Host, name: str) -> None:
    before = host.sysctl(f"ipv6/conf/{name}/accept_ra")
    host.container()
    result = host.plugin("ADD", conf("1.0.0", ["v6"])).ok()
    assert host.sysctl(f"ipv6/conf/{name}/accept_ra") == before
    assert host.sysctl(f"ipv6/conf/{result['interfaces'][0]['name']}/accept_ra") == "0"


@pytest.mark.parametrize("setting", ["disable_ipv6", "forwarding"])
def test_a_link_that_takes_no_advertisements_now_takes_none_afterwards(host: Host, setting: str) -> None:
    uplink(host)
    turn_on(host, f"ipv6/conf/up0/{setting}")
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v6"])).ok()
    assert host.sysctl(ACCEPT_RA) == "1"


def test_a_container_without_ipv6_changes_nothing_of_the_hosts(host: Host) -> None:
    uplink(host)
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v4"])).ok()
    assert host.sysctl(ACCEPT_RA) == "1"


def test_a_host_that_forwards_already_keeps_its_settings(host: Host) -> None:
    uplink(host)
    turn_on(host, "ipv6/conf/all/forwarding")
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v6"])).ok()
    assert host.sysctl(ACCEPT_RA) == "1"


def test_forwarding_that_is_refused_leaves_the_links_as_they_were(host: Host) -> None:
    uplink(host)
    host.container()
    path = "/proc/sys/net/ipv6/conf/all/forwarding"
    host.run("mount", "--bind", path, path)
    host.run("mount", "-o", "remount,bind,ro", path)
    try:
        error = host.plugin("ADD", conf("1.0.0", ["v6"])).error(100)
    finally:
        host.run("umount", path)
    assert "net/ipv6/conf/all/forwarding" in error["msg"]
    assert host.sysctl(ACCEPT_RA) == "1"


def test_the_doctor_finds_the_damage_that_somebody_else_did(host: Host) -> None:
    configure()
    learn_default_route(host, uplink(host))
    turn_on(host, "ipv6/conf/all/forwarding")
    assert not learnt(host)
    state, found = diagnosis(host)
    assert state == "problem"
    assert "up0" in found
    assert "net.ipv6.conf.up0.accept_ra=2" in found


def test_the_doctor_finds_no_damage_after_add(host: Host) -> None:
    configure()
    learn_default_route(host, uplink(host))
    host.container()
    host.plugin("ADD", CONF).ok()
    assert diagnosis(host)[0] == "ok"


@pytest.mark.parametrize("forwarding", ["0", "1"])
def test_the_doctor_raises_no_alarm_where_only_ipv4_is_configured(host: Host, forwarding: str) -> None:
    configure({**CONF, "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}})
    learn_default_route(host, uplink(host))
    turn_on(host, "ipv6/conf/all/forwarding", value=forwarding)
    assert diagnosis(host)[0] == "ok"
