"""ptp list, show and gc: they agree with the kernel, and remove what nobody owns."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.bounds import until
from tests.console.people import CONF, CONF_DIR, ask, attach, configure, listed, make_old
from tests.namespaces import Host

_F_SETPIPE_SZ = 1031  # include/uapi/linux/fcntl.h; the module fcntl has it since Python 3.10


def vanish(host: Host, name: str) -> None:
    """The container's namespace is gone, and its interface with it; nobody called DEL."""
    host.run("ip", "netns", "del", name)
    until(lambda: not _has_veth(host, name), "the end of the namespace, which the kernel takes down in its own time")


def _has_veth(host: Host, name: str) -> bool:
    return any(link.get("ifalias", "") == f"cni-ptp mynet {name} eth0" for link in host.ip("link"))


def test_list_tells_what_the_result_told(host: Host) -> None:
    configure()
    result = attach(host, "c1")
    (found,) = listed(host)
    assert (found["network"], found["containerID"], found["ifname"]) == ("mynet", "c1", "eth0")
    addresses = [ip["address"].split("/")[0] for ip in result["ips"]]
    assert found["addresses"] == found["routed"] == found["masqueraded"] == addresses
    assert found["hostInterface"] == result["interfaces"][0]["name"]
    assert [os.path.basename(p) for p in found["leases"]] == addresses
    assert found["healthy"] and found["wrong"] == []


def test_list_for_people_is_a_table_without_colour(host: Host) -> None:
    attach(host, "c1")
    done = ask(host, "list", "--conf-dir", CONF_DIR)
    heading, line = done.stdout.splitlines()
    assert heading.split()[:3] == ["NETWORK", "CONTAINER", "INTERFACE"]
    assert line.split()[:4] == ["mynet", "c1", "eth0", "10.9.0.2,fd09::2"] and line.endswith("healthy")
    assert done.returncode == 0 and "\x1b" not in done.stdout


def test_a_host_without_attachments_says_so(host: Host) -> None:
    done = ask(host, "list", "--conf-dir", CONF_DIR)
    assert (done.returncode, done.stdout) == (0, "no attachments of this plugin on this host\n")


def test_list_names_what_is_wrong(host: Host) -> None:
    configure()
    for i in range(1, 7):
        attach(host, f"c{i}")
    ends = {a["containerID"]: a["hostInterface"] for a in listed(host)}
    host.run("ip", "link", "set", ends["c1"], "down")
    host.run("ip", "netns", "exec", "c2", "ip", "link", "set", "eth0", "down")
    host.run("ip", "route", "del", "10.9.0.4/32")
    os.unlink("/var/lib/cni/networks/mynet/10.9.0.5")
    host.run("nft", "delete", "element", "inet", "cni_ptp", "masq4", "{ 10.9.0.6 }")
    vanish(host, "c6")
    wrong = {a["containerID"]: " ".join(a["wrong"]) for a in listed(host)}
    assert f"host interface {ends['c1']} is down" in wrong["c1"]
    assert "interface eth0 is down" in wrong["c2"]
    assert "the host has no route 10.9.0.4/32" in wrong["c3"]
    assert "10.9.0.5 is not leased to container c4" in wrong["c4"]
    assert "10.9.0.6 is not in nf_tables set" in wrong["c5"]
    assert "only its lease and masquerading" in wrong["c6"]
    assert ask(host, "list", "--conf-dir", CONF_DIR).returncode == 1


def test_a_long_identity_is_named_by_its_lease(host: Host) -> None:
    """Its alias has only a hash."""
    long = "x" * 245
    attach(host, "c1", containerid=long)
    (found,) = listed(host)
    assert found["containerID"] == long and found["healthy"]


def test_leases_of_other_plugins_networks_are_none_of_ours(host: Host) -> None:
    os.makedirs("/var/lib/cni/networks/bridged")
    with open("/var/lib/cni/networks/bridged/10.1.1.1", "w", encoding="ascii") as f:
        f.write("other\r\neth0")
    assert listed(host) == []
    ask(host, "gc", "--none-valid", "--conf-dir", CONF_DIR)
    assert os.path.exists("/var/lib/cni/networks/bridged/10.1.1.1")


MOST_CALLS = {("list",): 180, ("show", "c77"): 25}  # 167 and 15: an attachment is compared, or its leases are read


def calls_made(host: Host, *argv: str) -> int:
    """How many system calls `ptp` makes with these arguments."""
    host.run("strace", "-f", "-qq", "-o", "/run/trace", str(host.plugin_file), *argv, "--conf-dir", CONF_DIR)
    return Path("/run/trace").read_text().count("\n")


def test_list_and_show_agree_with_the_kernel_for_200_attachments(host: Host) -> None:
    netns = host.container("all").path  # one for all: namespaces take longer to make than attachments
    configure(
        conf := {**CONF, "ipam": {**CONF["ipam"], "ranges": [[{"subnet": "10.9.0.0/16"}], [{"subnet": "fd09::/64"}]]}}
    )
    for i in range(200):
        if i == 100:
            half = {argv: calls_made(host, *argv) for argv in (("list",), ("show", "c77"))}
        host.plugin("ADD", conf, container=f"c{i}", ifname=f"eth{i}", netns=netns).ok()
    found = listed(host)
    shown = ask(host, "show", "c77", "--conf-dir", CONF_DIR)
    assert len(found) == 200 and all(a["healthy"] for a in found)
    links = {link["ifalias"].split()[2]: (link["ifname"], link["mtu"]) for link in host.ip("link") if "ifalias" in link}
    assert {a["containerID"]: (a["hostInterface"], a["mtu"]) for a in found} == links
    kernel = host.ip("-4", "route") + [r for r in host.ip("-6", "route") if r["dst"].startswith("fd09::")]
    assert {(to, a["hostInterface"]) for a in found for to in a["routed"]} == {(r["dst"], r["dev"]) for r in kernel}
    masqueraded = [(to, a["containerID"]) for a in found for to in a["masqueraded"]]
    assert sorted(masqueraded) == sorted(owned(host, "masq4") + owned(host, "masq6"))
    leases = "/var/lib/cni/networks/mynet"
    assert {p for a in found for p in a["leases"]} == {f"{leases}/{n}" for n in os.listdir(leases) if n[0] in "1f"}
    one = next(a for a in found if a["containerID"] == "c77")
    assert shown.returncode == 0 and "container c77 on" in shown.stdout and one["hostInterface"] in shown.stdout
    assert all(f"route {to} " in shown.stdout and f"lease       {to} " in shown.stdout for to in one["addresses"])
    for argv, calls in half.items():
        each = (calls_made(host, *argv) - calls) / 100
        assert each < MOST_CALLS[argv], (argv, each)


def owned(host: Host, name: str) -> list[tuple[str, str]]:
    """(address, container) of each element of a set of ours."""
    parts = json.loads(host.run("nft", "-j", "list", "set", "inet", "cni_ptp", name).stdout)["nftables"]
    (found,) = [part["set"] for part in parts if "set" in part]
    return [(e["elem"]["val"], e["elem"]["comment"].split()[1]) for e in found["elem"]]


def test_show_draws_host_and_container(host: Host) -> None:
    attach(host, "c1")
    attach(host, "c2")
    done = ask(host, "show", "c2", "--conf-dir", CONF_DIR)
    assert done.returncode == 0, done.stderr
    for words in (
        "healthy",
        "in /run/netns/c2",
        "inet  10.9.0.1/32",
        "inet  10.9.0.3/24",
        "default via fd09::1",
        "lease",
    ):
        assert words in done.stdout, words
    assert "10.9.0.2" not in done.stdout


def test_show_takes_the_beginning_of_a_name_if_only_one_begins_so(host: Host) -> None:
    attach(host, "abc1")
    attach(host, "abd2")
    assert ask(host, "show", "abd").returncode == 0
    several = ask(host, "show", "ab")
    assert several.returncode == 3 and "abc1, abd2" in several.stderr
    none = ask(host, "show", "zz")
    assert none.returncode == 3 and none.stdout == ""


def test_show_and_list_tell_the_mapped_ports(host: Host) -> None:
    mappings = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"}]
    mappings.append({"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "0.0.0.0"})
    attach(host, "c1", {**CONF, "runtimeConfig": {"portMappings": mappings}})
    shown = ask(host, "show", "c1").stdout
    assert "tcp port 8080 of 192.0.2.1 leads to 10.9.0.2 port 80" in shown
    assert "udp port 53 leads to 10.9.0.2 port 5353" in shown
    assert [
        (port["protocol"], port["hostIP"], port["hostPort"], port["containerPort"]) for port in listed(host)[0]["ports"]
    ] == [
        ("udp", None, 53, 5353),
        ("tcp", "192.0.2.1", 8080, 80),
    ]


def test_gc_removes_what_is_left_of_containers_that_are_gone(host: Host) -> None:
    attach(host, "c1")
    after_one = host.snapshot()
    attach(host, "c2")
    vanish(host, "c2")
    make_old()
    done = ask(host, "gc", "--conf-dir", CONF_DIR)
    assert done.returncode == 0 and "container c2" in done.stdout and "c1" not in done.stdout
    assert host.snapshot() == after_one
    assert listed(host)[0]["healthy"]


def test_gc_lets_an_add_finish_that_has_only_its_lease_yet(host: Host) -> None:
    attach(host, "c1")
    vanish(host, "c1")
    assert "nothing is stale" in ask(host, "gc").stdout
    assert os.path.exists("/var/lib/cni/networks/mynet/10.9.0.2")


@pytest.mark.parametrize("which", [(), ("--valid", "mynet/c1/eth0")], ids=["default", "valid ones named"])
@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_gc_harms_no_container_that_comes_while_it_is_at_work(host: Host, which: tuple[str, ...], backend: str) -> None:
    """What it removes is what it has seen and named; here it cannot go on until its words are read."""
    conf = {**CONF, "ipMasqBackend": backend, "antiSpoof": True}
    attach(host, "c1", conf)
    attach(host, "c2", conf)
    vanish(host, "c2")
    make_old()
    reader, writer = os.pipe()
    fcntl.fcntl(writer, _F_SETPIPE_SZ, 4096)
    os.write(writer, b" " * 4096)
    gc = subprocess.Popen([host.plugin_file, "gc", "--conf-dir", CONF_DIR, *which], stdout=writer, env={})
    os.close(writer)
    until(lambda: Path(f"/proc/{gc.pid}/syscall").read_text().startswith("1 0x1 "), "gc writes")
    result = attach(host, "c3", conf)
    make_old()
    with open(reader, "rb") as stream:
        words = stream.read()
    assert gc.wait() == 0 and b"container c2" in words and b"c3" not in words
    host.plugin("CHECK", {**conf, "prevResult": result}, container="c3", netns="/run/netns/c3").ok()
    assert [a["containerID"] for a in listed(host)] == ["c1", "c3"]


def test_gc_leaves_an_attachment_alone_that_came_back_meanwhile(host: Host) -> None:
    attach(host, "c1")
    vanish(host, "c1")
    make_old()
    lock = os.open("/run/cni-ptp/lock", os.O_RDWR)
    fcntl.lockf(lock, fcntl.LOCK_EX, 1, int(Attachment("mynet", "c1", "eth0").host_veth()[4:], 16))
    gc = subprocess.Popen([host.plugin_file, "gc", "--conf-dir", CONF_DIR], stdout=subprocess.PIPE, env={})
    assert gc.stdout is not None and b"removing" in gc.stdout.readline()
    veth = Attachment("mynet", "c1", "eth0").host_veth()
    host.ip("link", "add", veth, "type", "veth")
    os.close(lock)
    words = gc.stdout.read()
    assert gc.wait() == 0 and b"came back meanwhile" in words
    assert os.path.exists("/var/lib/cni/networks/mynet/10.9.0.2")


def test_gc_dry_run_removes_nothing(host: Host) -> None:
    attach(host, "c1")
    before = host.snapshot()
    done = ask(host, "gc", "--none-valid", "--dry-run")
    assert done.returncode == 0 and "would remove interface eth0 of container c1" in done.stdout
    assert host.snapshot() == before


def test_gc_keeps_only_what_it_is_told_is_valid(host: Host) -> None:
    for name in ("c1", "c2", "c3"):
        attach(host, name)
    assert ask(host, "gc", "--valid", "mynet/c1/eth0", "--valid", "mynet/c3/eth0").returncode == 0
    assert [a["containerID"] for a in listed(host)] == ["c1", "c3"]


def test_gc_of_everything_leaves_the_host_as_it_was_before(host: Host) -> None:
    host.container("c1")
    host.container("c2")
    before = host.snapshot()
    for container in host.containers:
        host.plugin("ADD", CONF, container=container.name, netns=container.path).ok()
    assert host.snapshot() != before
    assert ask(host, "gc", "--none-valid").returncode == 0
    assert host.snapshot() == before
    assert "cni_ptp" not in host.run("nft", "list", "ruleset").stdout


def test_gc_refuses_what_it_does_not_understand(host: Host) -> None:
    done = ask(host, "gc", "--valid", "mynet-c1-eth0")
    assert done.returncode == 3 and "NET/CONTAINER/IFNAME" in done.stderr
