"""The file called as loopback."""

from __future__ import annotations

import pytest

from tests.chained.calls import attached, call, chained
from tests.configurations import VERSIONS
from tests.namespaces import Host


@pytest.mark.parametrize("version", VERSIONS)
def test_lo_is_up_and_the_result_has_its_addresses_in_the_configurations_version(host: Host, version: str) -> None:
    container = host.container()
    conf = chained("loopback", version=version)
    result = call(host, "loopback", "ADD", conf, ifname="lo").ok()
    assert result["cniVersion"] == version
    assert "UP" in container.ip("link", "show", "lo")[0]["flags"]
    if version in ("0.1.0", "0.2.0"):
        assert result["ip4"]["ip"] == "127.0.0.1/8"
    else:
        assert [ip["address"] for ip in result["ips"]] == ["127.0.0.1/8", "::1/128"]
        assert result["interfaces"] == [{"mac": "00:00:00:00:00:00", "name": "lo", "sandbox": "/run/netns/c1"}]


@pytest.mark.parametrize("version", ["1.0.0", "0.3.1"])
def test_the_result_says_what_the_go_plugins_says(host: Host, version: str) -> None:
    host.container()
    conf = chained("loopback", version=version)
    theirs = call(host, "loopback", "ADD", conf, go=True, ifname="lo").ok()
    ours = call(host, "loopback", "ADD", conf, ifname="lo").ok()
    for ip in ours["ips"]:
        ip.pop("version", None)  # which Go's forgets in a result of an old version
    assert {k: v for k, v in ours.items() if k != "dns"} == {k: v for k, v in theirs.items() if k != "dns"}


def test_del_sets_lo_down_and_succeeds_twice_and_without_a_namespace(host: Host) -> None:
    container = host.container()
    conf = chained("loopback")
    call(host, "loopback", "ADD", conf, ifname="lo").ok()
    call(host, "loopback", "CHECK", {**conf, "prevResult": {"cniVersion": "1.0.0"}}, ifname="lo").ok()
    for netns in ("/run/netns/c1", "/run/netns/c1", "", "/run/netns/gone"):
        call(host, "loopback", "DEL", conf, ifname="lo", netns=netns).ok()
    assert "UP" not in container.ip("link", "show", "lo")[0]["flags"]
    assert call(host, "loopback", "CHECK", conf, ifname="lo").error(105)["msg"] == "loopback interface is down"


def test_an_address_of_another_net_is_refused(host: Host) -> None:
    container = host.container()
    container.run("ip", "addr", "add", "10.1.1.1/24", "dev", "lo")
    error = call(host, "loopback", "ADD", chained("loopback"), ifname="lo").error(100)
    assert error["msg"] == 'loopback interface found with non-loopback address "10.1.1.1"'
    assert "UP" not in container.ip("link", "show", "lo")[0]["flags"]


def test_prevresult_is_passed_on(host: Host) -> None:
    host.container()
    previous = attached(host)
    assert call(host, "loopback", "ADD", chained("loopback", previous), ifname="lo").ok() == previous


def test_of_several_addresses_the_result_has_the_first_as_the_go_plugins(host: Host) -> None:
    host.container().run("ip", "addr", "add", "127.0.0.2/8", "dev", "lo")
    conf = chained("loopback")
    theirs = call(host, "loopback", "ADD", conf, go=True, ifname="lo").ok()
    assert call(host, "loopback", "ADD", conf, ifname="lo").ok()["ips"] == theirs["ips"]


def test_the_namespace_of_the_plugin_itself_is_refused(host: Host) -> None:
    call(host, "loopback", "ADD", chained("loopback"), ifname="lo", netns="/proc/self/ns/net").error(8)


def test_status_and_gc_succeed(host: Host) -> None:
    conf = chained("loopback", version="1.1.0")
    call(host, "loopback", "STATUS", conf).ok()
    call(host, "loopback", "GC", {**conf, "cni.dev/valid-attachments": []}).ok()
