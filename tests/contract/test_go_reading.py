"""The built file reads configurations and CNI_ARGS as the Go plugins do.  Source: cni.md sections 1.7 and 1.8."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import conf, static
from tests.namespaces import Host

MAC = "02:00:00:00:00:07"
LONG = "123456789012345678901234567890"
EMBEDDED = {"host-local": conf("1.0.0", ["v4"]), "static": static([("10.1.2.2/24", "10.1.2.1")])}


@pytest.mark.parametrize("args", [f"MAC={MAC}", f"MAC={MAC};IP=10.1.2.2/24", f"IP=10.1.2.2/24;MAC={MAC}"])
@pytest.mark.parametrize("ipam", list(EMBEDDED))
def test_a_mac_of_cni_args_needs_no_ignore_unknown_with_the_embedded_ipam(host: Host, ipam: str, args: str) -> None:
    container = host.container()
    before = host.snapshot()
    configuration = EMBEDDED[ipam]
    if ipam == "static" and "IP=" in args:
        args, configuration = f"{args};GATEWAY=10.1.2.1", static([])
    result = host.plugin("ADD", configuration, args=args).ok()
    assert container.ip("link", "show", "eth0")[0]["address"] == MAC
    assert host.plugin("CHECK", {**configuration, "prevResult": result}, args=args).ok() is None
    assert host.plugin("STATUS", {**configuration, "cniVersion": "1.1.0"}, args=args).ok() is None
    assert host.plugin("DEL", configuration, args=args).ok() is None
    assert host.snapshot() == before


@pytest.mark.parametrize("ipam", list(EMBEDDED))
def test_other_keys_of_cni_args_need_ignore_unknown_in_any_case(host: Host, ipam: str) -> None:
    host.container()
    error = host.plugin("ADD", EMBEDDED[ipam], args=f"MAC={MAC};X=1").error(4)
    assert error["msg"] == 'ARGS: unknown args ["X=1"]'
    host.plugin("ADD", EMBEDDED[ipam], args=f"MAC={MAC};X=1;IgnoreUnknown=tRuE").ok()


@pytest.mark.parametrize("role", ["host-local", "static"])
def test_an_ipam_of_its_own_does_not_know_the_mac(host: Host, role: str) -> None:
    exe = Path("/run", role)
    exe.symlink_to(host.plugin_file)
    error = host.plugin("ADD", EMBEDDED[role], exe=exe, args=f"MAC={MAC}").error(4)
    assert error["msg"] == f'ARGS: unknown args ["MAC={MAC}"]'


def test_a_mac_may_be_written_with_dots(host: Host) -> None:
    container = host.container()
    host.plugin("ADD", {**EMBEDDED["static"], "runtimeConfig": {"mac": "02aa.bbcc.ddee"}}).ok()
    assert container.ip("link", "show", "eth0")[0]["address"] == "02:aa:bb:cc:dd:ee"


@pytest.mark.parametrize("where", ["top", "ipam", "list", "prevResult", "runtimeConfig"])
def test_an_integer_of_any_length_under_an_unknown_key_is_passed_over(host: Host, where: str) -> None:
    host.container()
    unknown: dict[str, Any] = {"unknown": "LONG"}
    places = {
        "top": unknown,
        "ipam": {"ipam": {**EMBEDDED["host-local"]["ipam"], **unknown}},
        "list": {"unknown": [{"inner": ["LONG"]}]},
        "prevResult": {"prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": "x", **unknown}]}},
        "runtimeConfig": {"runtimeConfig": unknown},
    }
    text = json.dumps({**EMBEDDED["host-local"], **places[where]}).replace('"LONG"', f"-{LONG}")
    host.plugin("ADD", text.encode()).ok()
    host.plugin("DEL", text.encode()).ok()


@pytest.mark.parametrize("key", ["mtu", "ipam.routes[0].mtu"])
def test_an_integer_of_any_length_under_a_known_key_is_refused(host: Host, key: str) -> None:
    host.container()
    configuration: dict[str, Any] = json.loads(json.dumps(EMBEDDED["host-local"]))
    (configuration if key == "mtu" else configuration["ipam"]["routes"][0])["mtu"] = "LONG"
    error = host.plugin("ADD", json.dumps(configuration).replace('"LONG"', LONG).encode()).error(6)
    assert error["details"] == f"{key}: an integer of more than 20 characters is out of range"


def test_all_members_of_several_ipam_objects_count(host: Host) -> None:
    host.container()
    raw = b'{"cniVersion":"1.0.0","name":"n","type":"ptp","ipam":{"type":"host-local"},"IPAM":{"subnet":"10.9.0.0/24"}}'
    assert host.plugin("ADD", raw).ok()["ips"][0]["address"] == "10.9.0.2/24"


@pytest.mark.parametrize("more", [{"ipMasq": True}, {}])
@pytest.mark.parametrize("command", ["ADD", "STATUS"])
def test_an_empty_backend_is_refused_before_anything_is_made(host: Host, command: str, more: dict[str, Any]) -> None:
    host.container()
    before = host.snapshot()
    configuration = conf("1.1.0", ["v4"], ipMasqBackend="", **more)
    assert host.plugin(command, configuration).error(7)["msg"] == 'unknown ipmasq backend ""'
    assert host.snapshot() == before
    assert host.plugin("DEL", configuration).ok() is None


def test_a_backend_of_null_is_none(host: Host) -> None:
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v4"], ipMasq=True, ipMasqBackend=None)).ok()
