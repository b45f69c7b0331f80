"""The edge of the protocol, on the built file.  Source: cni.md sections 1 and 7.4 (skel_test.go)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import VERSIONS, conf
from tests.namespaces import Host

VERSION_REPLY = (
    b'{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n'
)


def run(plugin: Path, environ: dict[str, str], *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """The built file with just this environment."""
    more.setdefault("input", b"")
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([str(plugin), *arguments], env=environ, stderr=subprocess.PIPE, check=False, **more)


@pytest.mark.parametrize("environ", [{}, {"CNI_COMMAND": ""}])
@pytest.mark.parametrize(("name", "role"), [("ptp", "ptp"), ("host-local", "host-local"), ("static", "static")])
def test_without_a_command_the_about_text_is_on_stderr(
    plugin_file: Path, tmp_path: Path, environ: dict[str, str], name: str, role: str
) -> None:
    (tmp_path / name).symlink_to(plugin_file)
    done = run(tmp_path / name, environ)
    assert (done.returncode, done.stdout) == (0, b"")
    first, second = done.stderr.decode().splitlines()
    assert first.startswith(f"CNI {role} plugin cni-ptp ")
    assert second == "CNI protocol versions supported: " + ", ".join(VERSIONS)


def test_version_needs_nothing_but_its_name_and_does_not_read_stdin(plugin_file: Path) -> None:
    reading, writing = os.pipe()  # nobody writes and nobody closes: a read would wait for ever
    done = run(plugin_file, {"CNI_COMMAND": "VERSION"}, input=None, stdin=reading, timeout=60)
    os.close(reading)
    os.close(writing)
    assert (done.returncode, done.stdout, done.stderr) == (0, VERSION_REPLY, b"")


def test_version_is_answered_with_a_dummy_environment_as_libcni_gives_it(host: Host) -> None:
    reply = host.plugin("VERSION", {"cniVersion": "1.1.0"}, netns="dummy", ifname="dummy", path="dummy")
    assert (reply.status, reply.stdout) == (0, VERSION_REPLY)


def test_an_unknown_command_is_judged_after_the_configuration(host: Host) -> None:
    assert host.plugin("NOPE", conf("1.0.0", ["v4"])).error(4)["msg"] == "unknown CNI_COMMAND: NOPE"
    assert host.plugin("NOPE", b"{").error(6)["msg"].startswith("error unmarshall network config: ")


def test_missing_variables_are_named_together(plugin_file: Path) -> None:
    done = run(plugin_file, {"CNI_COMMAND": "ADD"})
    document = json.loads(done.stdout)
    assert (done.returncode, document["code"], document["cniVersion"]) == (1, 4, "1.1.0")
    assert document["msg"] == "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing"


def test_cni_path_is_not_needed_where_no_plugin_must_be_found(host: Host) -> None:
    host.container()
    host.plugin("ADD", conf("1.0.0", ["v4"]), path="").ok()


def test_cni_path_is_asked_for_where_a_plugin_must_be_found(host: Host) -> None:
    host.container()
    assert (
        "CNI_PATH" in host.plugin("ADD", {**conf("1.0.0", ["v4"]), "ipam": {"type": "dhcp"}}, path="").error(4)["msg"]
    )


def test_errors_carry_the_configurations_version(host: Host) -> None:
    host.container()
    assert host.plugin("ADD", {**conf("0.3.1", ["v4"]), "mtu": "x"}).error(6)["cniVersion"] == "0.3.1"
    error = host.plugin("ADD", conf("9.9.9", ["v4"])).error(1)
    assert error["cniVersion"] == "1.1.0"
    assert error["details"].startswith('config is "9.9.9", plugin supports ["0.1.0" "0.2.0"')


def test_stdin_that_can_not_be_read_is_error_5(host: Host) -> None:
    environ = host.environment("ADD", "c1", "/run/netns/c1", "eth0", "", "")
    with open("/dev/null", "wb") as unreadable:
        done = run(host.plugin_file, environ, input=None, stdin=unreadable)
    assert json.loads(done.stdout)["code"] == 5
    assert json.loads(done.stdout)["msg"].startswith("error reading from stdin: ")


def test_a_configuration_beyond_a_mebibyte_is_refused(host: Host) -> None:
    host.container()
    assert host.plugin("ADD", b" " * (1 << 20) + b"{}").error(7)["msg"] == "network configuration is too long"


@pytest.mark.parametrize("where", ["/dev/full", "closed"])
def test_an_add_whose_result_can_not_be_written_is_taken_back(host: Host, where: str) -> None:
    host.container()
    before = host.snapshot()
    environ = host.environment("ADD", "c1", "/run/netns/c1", "eth0", "", "")
    stdin = json.dumps({**conf("1.0.0", ["v4", "v6"]), "ipMasq": True}).encode()
    if where == "closed":
        done = run(host.plugin_file, environ, input=stdin, stdout=None, preexec_fn=lambda: os.close(1))
    else:
        with open(where, "wb") as full:
            done = run(host.plugin_file, environ, input=stdin, stdout=full)
    assert (done.returncode, done.stderr) == (1, b"")
    assert host.snapshot() == before


def test_an_older_configuration_has_no_status_and_no_gc(host: Host) -> None:
    for command in ("STATUS", "GC"):
        assert host.plugin(command, conf("1.0.0", ["v4"])).error(1)["msg"] == f"config version does not allow {command}"
        assert host.plugin(command, conf("1.1.0", ["v4"])).ok() is None


def test_check_needs_a_prev_result(host: Host) -> None:
    host.container()
    assert host.plugin("CHECK", conf("1.0.0", ["v4"])).error(7)["msg"] == "ptp: Required prevResult missing"


def test_what_earlier_plugins_made_is_passed_on(host: Host) -> None:
    host.container()
    previous = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "lo", "sandbox": "/run/netns/c1"}],
        "ips": [{"address": "127.0.0.1/8", "interface": 0}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"domain": "example.org"},
    }
    result = host.plugin("ADD", {**conf("1.0.0", ["v4"]), "prevResult": previous}).ok()
    assert [i["name"] for i in result["interfaces"]][0::2] == ["lo", "eth0"]
    assert [ip["interface"] for ip in result["ips"]] == [0, 2]
    assert result["routes"][0] == {"dst": "192.0.2.0/24"} and len(result["routes"]) == 4
    assert result["dns"] == {"domain": "example.org"}


DNS = [{"nameservers": ["192.0.2.1"]}, {"domain": "d.example"}, {"search": ["s.example"]}, {"options": ["ndots:2"]}]


@pytest.mark.parametrize("dns", [*DNS, {"nameservers": [], "domain": "", "search": [], "options": []}])
def test_any_dns_of_ours_replaces_that_of_ipam(host: Host, dns: dict[str, Any]) -> None:
    host.container()
    Path("/run/resolv.conf").write_text("nameserver 192.0.2.9\nsearch ipam.example\n")
    with_ipam_dns = conf("1.0.0", ["v4"])
    with_ipam_dns["ipam"]["resolvConf"] = "/run/resolv.conf"
    kept = host.plugin("ADD", with_ipam_dns).ok()
    assert kept["dns"] == {"nameservers": ["192.0.2.9"], "search": ["ipam.example"]}
    replaced = host.plugin("ADD", {**with_ipam_dns, "dns": dns}, ifname="eth1").ok()
    assert replaced.get("dns", {}) == {k: v for k, v in dns.items() if v}
