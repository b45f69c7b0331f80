"""ptp doctor: each trouble provoked is named, with its remedy; a healthy host is called healthy; nothing changes."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.another_user import ANOTHER_USER, give_away
from tests.conftest import iptables_of
from tests.console.people import CONF, CONF_DIR, ask, attach, configure
from tests.namespaces import Host

OK, WARNING, PROBLEM = 0, 1, 2


class Doctor:
    """A host that is well: the plugin is installed and configured."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.plugin = directory / "ptp"
        directory.mkdir(mode=0o755)
        shutil.copy(host.plugin_file, self.plugin)
        configure()

    def says(self, state: int, *words: str, prefix: tuple[str, ...] = (), path: str = "") -> None:
        """One line and its remedy have all the words, and the exit status is 0 for OK, else 1."""
        argv = ["doctor", "--conf-dir", CONF_DIR, "--cni-path", f"{self.plugin.parent}{path}", "--quiet"]
        done = self.host.run(*prefix, str(self.host.plugin_file), *argv, check=False)
        assert done.stderr == ""
        findings = done.stdout.replace("\n   ", "").splitlines()
        word = ("ok", "warning", "problem")[state]
        matching = [line for line in findings if line.startswith(word) and all(w in line for w in words)]
        assert matching or state == OK, done.stdout
        assert state == OK or "remedy:" in matching[0]
        assert done.returncode == (state != OK), done.stdout


@pytest.fixture
def doctor(host: Host, tmp_path: Path) -> Doctor:
    return Doctor(host, tmp_path / "bin")


def uplink(host: Host, name: str = "up0", net: str = "192.0.2", mtu: int = 1500, metric: int = 0) -> None:
    """The host has a way out, by IPv4."""
    host.run("ip", "link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", f"{name}p")
    host.run("ip", "addr", "add", f"{net}.2/24", "dev", name)
    for end in (name, f"{name}p"):
        host.run("ip", "link", "set", end, "up")
    host.run("ip", "route", "add", "default", "via", f"{net}.1", "metric", str(metric))


def test_a_healthy_host_is_called_healthy_and_left_as_it_is(doctor: Doctor) -> None:
    uplink(doctor.host)
    attach(doctor.host, "c1")
    before = doctor.host.snapshot(), doctor.host.run("nft", "list", "ruleset").stdout
    doctor.says(OK)
    assert (doctor.host.snapshot(), doctor.host.run("nft", "list", "ruleset").stdout) == before


def test_missing_capabilities_are_named(doctor: Doctor) -> None:
    drop = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    doctor.says(PROBLEM, "capabilities", "CAP_NET_ADMIN is missing", "as root", prefix=drop)


def test_forwarding_that_was_turned_off(doctor: Doctor) -> None:
    attach(doctor.host, "c1")
    doctor.host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")
    doctor.says(PROBLEM, "forwarding IPv4", "off", "sysctl -w net.ipv4.ip_forward=1")
    doctor.host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
    doctor.says(PROBLEM, "forwarding IPv6", "off", "net.ipv6.conf.all.forwarding=1")


def test_a_default_route_that_forwarding_lets_expire(doctor: Doctor) -> None:
    uplink(doctor.host)
    doctor.host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/up0/accept_ra")
    doctor.host.run("ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "up0", "proto", "ra")
    doctor.says(PROBLEM, "accept_ra", "up0", "accept_ra=2")


def test_a_strict_reverse_path_filter_with_two_ways_out(doctor: Doctor) -> None:
    uplink(doctor.host)
    uplink(doctor.host, "up1", "198.51.100", metric=9)
    doctor.host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/up0/rp_filter")
    doctor.says(WARNING, "rp_filter", "up0", "loose")


def test_packets_larger_than_the_way_out(doctor: Doctor) -> None:
    uplink(doctor.host, mtu=1400)
    doctor.says(WARNING, "MTU", "1400 of up0", "network mynet (1500)", '"mtu": 1400')


def test_an_mtu_of_auto_fits_until_the_way_out_shrinks(doctor: Doctor) -> None:
    configure({**CONF, "mtu": "auto"})
    doctor.says(WARNING, "MTU", "network mynet", "no default route")
    uplink(doctor.host, mtu=1400)
    doctor.says(OK)
    attach(doctor.host, "c1", {**CONF, "mtu": "auto"})
    doctor.says(OK)
    doctor.host.run("ip", "link", "set", "up0", "mtu", "1300")
    doctor.says(WARNING, "MTU", "larger than the 1300 of up0: c1 (1400)", "containers that run keep theirs")


def test_a_subnet_that_the_host_uses_otherwise(doctor: Doctor) -> None:
    uplink(doctor.host, net="10.9.0")
    doctor.says(PROBLEM, "subnets", "10.9.0.0/24 overlaps")


def test_a_forward_chain_that_drops(doctor: Doctor) -> None:
    doctor.host.run(
        "nft", "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"
    )
    doctor.says(WARNING, "forward chain", "ip filter FORWARD", "accept")


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
@pytest.mark.parametrize("six", ["", "6"])
@pytest.mark.parametrize("verdict", ["ACCEPT", "RETURN"])
def test_destinations_that_iptables_spares_without_effect(doctor: Doctor, flavour: str, six: str, verdict: str) -> None:
    network = "fd77::/16" if six else "10.64.0.0/11"
    source = "fd77::1" if six else "10.9.0.2"
    iptables = f"ip{six}tables-{flavour}"
    rule = ("POSTROUTING", "-s", source, "-d", network, "-j", verdict)
    with iptables_of(doctor.host, flavour):
        doctor.host.run(iptables, "-t", "nat", "-A", "POSTROUTING", "!", "-d", network, "-j", verdict)
        doctor.host.run(iptables, "-t", "nat", "-A", "POSTROUTING", "-j", verdict)
        doctor.says(OK)
        doctor.host.run(iptables, "-t", "nat", "-A", *rule)
        doctor.says(WARNING, "iptables nat", network, "nonMasqueradeCIDRs", "nonmasquerade4")
        attach(doctor.host, "c1")
        element = f"{{ {network} }}"
        doctor.host.run("nft", "add", "element", "inet", "cni_ptp", f"nonmasquerade{six or 4}", element)
        doctor.says(OK)


def test_the_go_plugins_table_and_firewalls(doctor: Doctor) -> None:
    doctor.host.run("nft", "add table inet cni_plugins_masquerade; add table inet firewalld")
    doctor.says(WARNING, "other tables", "cni_plugins_masquerade")
    doctor.says(WARNING, "other tables", "firewalld", "trusted")


def test_legacy_iptables_in_use_beside_nf_tables(doctor: Doctor) -> None:
    doctor.host.run("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-j", "ACCEPT")
    doctor.says(WARNING, "iptables", "legacy tables are in use", "iptables-legacy-save")


def test_a_plugin_that_is_not_there(doctor: Doctor) -> None:
    doctor.plugin.unlink()
    doctor.says(PROBLEM, "plugin", "there is no ptp", "ptp install")


def test_a_plugin_that_is_not_executable(doctor: Doctor) -> None:
    doctor.plugin.chmod(0o644)
    doctor.says(PROBLEM, "plugin", "no executable", "chmod 755")


def test_a_plugin_that_anybody_can_change(doctor: Doctor) -> None:
    doctor.plugin.chmod(0o757)
    doctor.says(PROBLEM, "plugin", "can be written by others", "chmod go-w")


def test_another_plugin_of_the_name(doctor: Doctor) -> None:
    doctor.plugin.write_bytes(b"#!/bin/sh\n")
    doctor.says(WARNING, "plugin", "another plugin", "--force")


def test_another_plugin_of_the_name_elsewhere(doctor: Doctor, tmp_path: Path) -> None:
    other = tmp_path / "lib" / "ptp"
    other.parent.mkdir(mode=0o755)
    other.write_bytes(b"#!/bin/sh\n")
    other.chmod(0o755)
    doctor.says(WARNING, "plugin", f"{other} is another plugin", f"--to {other.parent}", path=f":{other.parent}")


def test_an_interpreter_that_is_gone(doctor: Doctor) -> None:
    line, rest = doctor.plugin.read_bytes().split(b" ", 1)
    doctor.plugin.write_bytes(b"#!/gone/python3 " + rest)
    doctor.says(PROBLEM, "python", "/gone/python3", "not there", "--python")


def test_an_interpreter_that_was_upgraded(doctor: Doctor) -> None:
    content = doctor.plugin.read_bytes()
    at = content.index(b"MAGIC_NUMBER == b'") + 18
    doctor.plugin.write_bytes(content[:at] + b"?" + content[at + 1 :])
    doctor.says(WARNING, "python", "slower", "ptp install")


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ("{", "cannot be read"),
        ({**CONF, "mtu": "big"}, "mtu must be an integer"),
        ({**CONF, "ipam": {"type": "host-local", "subnet": "10.9.0.0/33"}}, "10.9.0.0/33"),
        ({**CONF, "ipam": {}}, "ipam.type is missing"),
        ({**CONF, "ipam": {"type": "host-local", "subnet": "127.9.0.0/16"}}, "no address that a container can have"),
        ({**CONF, "ipam": {"type": "static", "addresses": [{"address": "10.9.0.2/24"}]}}, "has no gateway"),
        ({**CONF, "ipam": {"type": "static", "addresses": [{"address": "10.9.0/24"}]}}, "CIDR notation"),
        ({"cniVersion": "1.0.0", "name": "mynet", "plugins": [CONF, {"type": "portmap"}]}, "needs the plugin portmap"),
    ],
)
def test_a_configuration_that_add_would_refuse(doctor: Doctor, conf: dict[str, Any] | str, words: str) -> None:
    configure(conf)
    doctor.says(PROBLEM, "configuration", words)


@pytest.mark.parametrize("value", [1.5, 1 << 80, {"inner": [1e300]}])
def test_a_configuration_with_any_number_under_an_unknown_key_is_no_trouble(doctor: Doctor, value: object) -> None:
    configure({**CONF, "unknown": value})
    doctor.says(OK)


def test_a_host_without_a_configuration_is_told_so(doctor: Doctor) -> None:
    (Path(CONF_DIR) / "10-mynet.conf").unlink()
    doctor.says(WARNING, "configuration", "names ptp", "--conflist")


def test_two_configurations_of_one_network(doctor: Doctor) -> None:
    configure(CONF, "20-again.conf")
    doctor.says(WARNING, "configuration", "both name the network mynet", "keep one")


def test_a_state_directory_that_anybody_can_write(doctor: Doctor) -> None:
    os.makedirs("/var/lib/cni/networks")
    os.chmod("/var/lib/cni/networks", 0o777)
    doctor.says(PROBLEM, "leases", "everybody can write", "chmod o-w")


def test_a_state_directory_that_can_not_be_written(doctor: Doctor) -> None:
    read_only = ("unshare", "-m", "sh", "-c", 'mount -o remount,bind,ro /var/lib/cni && exec "$0" "$@"')
    doctor.says(PROBLEM, "leases", "cannot be written", "ipam.dataDir", prefix=read_only)


def test_leases_of_containers_that_are_gone(doctor: Doctor) -> None:
    lease = _lease("10.9.0.7", "gone\r\neth0")
    os.utime(lease, (time.time() - 600,) * 2)
    doctor.says(PROBLEM, "attachments", "gone: no interface, only its lease")
    doctor.says(PROBLEM, "attachments", "ptp list")
    argv = ["doctor", "--conf-dir", CONF_DIR, "--quiet"]
    assert "of containers that are gone" in ask(doctor.host, *argv).stdout


def test_a_torn_lease(doctor: Doctor) -> None:
    _lease("10.9.0.7", "")
    doctor.says(WARNING, "leases", "say no owner", "10.9.0.7")


def test_an_exhausted_range(doctor: Doctor) -> None:
    conf = {**CONF, "ipam": {"type": "host-local", "subnet": "10.9.0.0/30"}}
    configure(json.dumps(conf))
    attach(doctor.host, "c1", conf)
    doctor.says(PROBLEM, "leases", "1 of 1 addresses", "larger range")


def test_an_attachment_that_is_damaged(doctor: Doctor) -> None:
    attach(doctor.host, "c1")
    doctor.host.run("ip", "route", "del", "10.9.0.2/32")
    doctor.says(PROBLEM, "attachments", "c1: the host has no route 10.9.0.2/32 dev veth", "ptp show")


def _lease(name: str, content: str) -> str:
    directory = "/var/lib/cni/networks/mynet"
    os.makedirs(directory)
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii", newline="") as f:
        f.write(content)
    return path


def trap(path: Path) -> Path:
    """An interpreter that leaves a file beside itself when somebody executes it."""
    path.parent.mkdir(exist_ok=True, mode=0o755)
    path.write_text(f'#!/bin/sh\ntouch {path.parent}/executed\nexec /usr/bin/python3 "$@"\n')
    path.chmod(0o755)
    return path


def named(doctor: Doctor, interpreter: str) -> None:
    """The installed plugin names that interpreter."""
    rest = doctor.plugin.read_bytes().split(b" ", 1)[1]
    doctor.plugin.write_bytes(f"#!{interpreter} ".encode() + rest)


@ANOTHER_USER(place="owner")
@ANOTHER_USER(place="owner of the directory")
@pytest.mark.parametrize("place", ["file", "directory", "sticky directory", "owner", "owner of the directory"])
def test_an_interpreter_is_not_executed_on_the_word_of_a_file_that_others_can_write(
    doctor: Doctor, tmp_path: Path, place: str
) -> None:
    interpreter = trap(tmp_path / "python" / "python3")
    named(doctor, str(interpreter))
    spoil(doctor.plugin, place)
    words = "belongs to user" if place.startswith("owner") else "can be written by others"
    doctor.says(PROBLEM, "plugin", words, "chown root" if place.startswith("owner") else "chmod go-w")
    doctor.says(PROBLEM, "plugin", words)
    assert not (tmp_path / "python" / "executed").exists()


@ANOTHER_USER(place="owner")
@ANOTHER_USER(place="owner of the directory")
@pytest.mark.parametrize("place", ["file", "directory", "sticky directory", "owner", "owner of the directory"])
def test_an_interpreter_that_others_can_write_is_not_executed(doctor: Doctor, tmp_path: Path, place: str) -> None:
    interpreter = trap(tmp_path / "python" / "python3")
    named(doctor, str(interpreter))
    spoil(interpreter, place)
    words = "belongs to user" if place.startswith("owner") else "can be written by others"
    doctor.says(PROBLEM, "python", "was not tried", words)
    assert not (tmp_path / "python" / "executed").exists()


def test_an_interpreter_with_a_relative_path_is_not_looked_for(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap(tmp_path / "python" / "python3")
    named(doctor, "python3")
    monkeypatch.chdir(tmp_path / "python")
    monkeypatch.setenv("PATH", f"{tmp_path}/python:{os.environ['PATH']}")
    doctor.says(PROBLEM, "python", "not an absolute path")
    assert not (tmp_path / "python" / "executed").exists()


def spoil(path: Path, place: str) -> None:
    """Somebody else can replace the file."""
    if place.startswith("owner"):
        give_away(path.parent if "directory" in place else path)
    elif place == "file":
        path.chmod(0o757)
    else:
        path.parent.chmod(0o1777 if "sticky" in place else 0o777)
