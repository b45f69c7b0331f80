"""ptp install and uninstall: whole files, foreign ones kept, and a configuration a runtime can use."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from tests.console.people import ask, attach
from tests.namespaces import Host

FOREIGN = b"#!/bin/sh\necho foreign\n"


@pytest.fixture
def to(host: Host, tmp_path: Path) -> Path:
    """A directory of plugins."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def foreign(path: Path) -> None:
    path.write_bytes(FOREIGN)
    path.chmod(0o755)


def test_the_installed_file_is_the_one_that_was_built(host: Host, to: Path) -> None:
    done = ask(host, "install", "--to", str(to))
    assert done.returncode == 0, done.stderr
    assert (to / "ptp").read_bytes() == host.plugin_file.read_bytes()
    assert [p.name for p in to.iterdir()] == ["ptp"] and (to / "ptp").stat().st_mode & 0o7777 == 0o755


def test_a_directory_that_is_not_there_is_made(host: Host, to: Path) -> None:
    assert ask(host, "install", "--to", str(to / "a" / "b")).returncode == 0
    assert os.access(to / "a" / "b" / "ptp", os.X_OK)


def test_the_installed_file_serves_another_python_from_its_bytecode(host: Host, to: Path) -> None:
    python = os.path.realpath(sys.executable)
    done = ask(host, "install", "--to", str(to), "--python", python)
    assert done.returncode == 0, done.stderr
    assert (to / "ptp").read_bytes().startswith(f"#!{python} ".encode())
    container = host.container("c1")
    conf = {"cniVersion": "1.0.0", "name": "n", "type": "ptp"}
    ipam = {"type": "host-local", "subnet": "10.9.0.0/24"}
    host.plugin("ADD", {**conf, "ipam": ipam}, netns=container.path, exe=to / "ptp").ok()


def test_a_file_made_for_another_python_installs_one_for_this_host(host: Host, to: Path, tmp_path: Path) -> None:
    content = host.plugin_file.read_bytes()
    at = content.index(b"MAGIC_NUMBER == b'") + 18
    (tmp_path / "ptp").write_bytes(content[:at] + b"?" + content[at + 1 :])
    (tmp_path / "ptp").chmod(0o755)
    done = host.run(str(tmp_path / "ptp"), "install", "--to", str(to), check=False)
    assert done.returncode == 0, done.stderr
    assert (to / "ptp").read_bytes() == content


def test_the_package_alone_installs_the_file(host: Host, to: Path, tmp_path: Path) -> None:
    """As pip installs it."""
    root = Path(__file__).parents[2]
    shutil.copytree(root / "cni_ptp", tmp_path / "site" / "cni_ptp", ignore=shutil.ignore_patterns("__pycache__"))
    done = host.run(
        "/usr/bin/env", "-C", str(tmp_path / "site"), sys.executable, "-m", "cni_ptp", "install", "--to", str(to)
    )
    assert done.returncode == 0, done.stderr
    assert b"supportedVersions" in host.plugin("VERSION", b"", exe=to / "ptp").stdout


@pytest.mark.parametrize("python", ["/bin/true", "/nonexistent/python3"])
def test_what_is_no_python_is_refused_before_anything_is_written(host: Host, to: Path, python: str) -> None:
    done = ask(host, "install", "--to", str(to), "--python", python)
    assert done.returncode == 3 and python in done.stderr
    assert list(to.iterdir()) == []


def test_the_ipam_names_are_plugins_of_their_own(host: Host, to: Path) -> None:
    assert ask(host, "install", "--to", str(to), "--with-ipam").returncode == 0
    conf = {"cniVersion": "1.0.0", "name": "n", "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}}
    reply = host.plugin("ADD", conf, exe=to / "host-local").ok()
    assert reply["ips"][0]["address"] == "10.9.0.2/24"
    assert sorted(p.name for p in to.iterdir()) == ["host-local", "ptp", "static"]


def test_a_foreign_plugin_is_never_touched_unasked(host: Host, to: Path) -> None:
    foreign(to / "static")
    done = ask(host, "install", "--to", str(to), "--with-ipam")
    assert done.returncode == 3 and "--force" in done.stderr
    assert [p.name for p in to.iterdir()] == ["static"] and (to / "static").read_bytes() == FOREIGN


def test_uninstall_puts_back_what_force_replaced(host: Host, to: Path) -> None:
    foreign(to / "ptp")
    assert ask(host, "install", "--to", str(to), "--with-ipam", "--force").returncode == 0
    assert (to / "ptp").read_bytes() == host.plugin_file.read_bytes()
    # A second time: what is replaced now is ours, and no reason to lose the backup.
    assert ask(host, "install", "--to", str(to), "--with-ipam").returncode == 0
    assert ask(host, "uninstall", "--to", str(to)).returncode == 0
    assert [p.name for p in to.iterdir()] == ["ptp"] and (to / "ptp").read_bytes() == FOREIGN
    assert os.access(to / "ptp", os.X_OK)


def test_uninstall_leaves_foreign_plugins_alone(host: Host, to: Path) -> None:
    foreign(to / "ptp")
    assert ask(host, "uninstall", "--to", str(to)).returncode == 0
    assert (to / "ptp").read_bytes() == FOREIGN


def test_uninstall_waits_for_the_containers(host: Host, to: Path) -> None:
    ask(host, "install", "--to", str(to))
    attach(host, "c1")
    assert ask(host, "uninstall", "--to", str(to)).returncode == 1
    assert (to / "ptp").exists()
    assert ask(host, "uninstall", "--to", str(to), "--force").returncode == 0
    assert not (to / "ptp").exists()


def test_a_runtime_that_executes_it_meanwhile_never_meets_half_a_file(host: Host, to: Path) -> None:
    ask(host, "install", "--to", str(to))
    over = threading.Event()
    failures: list[bytes] = []
    calls = 0

    def call() -> None:
        nonlocal calls
        while not over.is_set():
            reply = host.plugin("VERSION", b"", exe=to / "ptp")
            calls += 1
            if reply.status:
                failures.append(reply.stdout + reply.stderr)

    # The thread of a test is in the test's namespaces; a new thread inherits them.
    thread = threading.Thread(target=call)
    thread.start()
    for _ in range(10):
        assert ask(host, "install", "--to", str(to)).returncode == 0
    over.set()
    thread.join()
    assert calls > 5 and failures == []


def test_the_conflist_attaches_a_container(host: Host, to: Path, tmp_path: Path) -> None:
    net_d = tmp_path / "net.d"
    argv = ["install", "--to", str(to), "--conflist", "mynet", "--conf-dir", str(net_d)]
    assert ask(host, *argv).returncode == 0
    listed = json.loads((net_d / "10-mynet.conflist").read_text())
    assert [p["type"] for p in listed["plugins"]] == ["ptp"]
    assert listed["plugins"][0]["capabilities"] == {"portMappings": True}
    conf = {**listed["plugins"][0], "name": listed["name"], "cniVersion": listed["cniVersion"]}
    reply = host.plugin("ADD", conf, netns=host.container("c1").path, exe=to / "ptp").ok()
    assert len(reply["ips"]) == 2


def test_all_the_plugins_of_a_node_are_links_to_one_file(host: Host, to: Path) -> None:
    assert ask(host, "install", "--to", str(to), "--all").returncode == 0
    names = ["bandwidth", "host-local", "loopback", "portmap", "ptp", "static", "tuning"]
    assert sorted(path.name for path in to.iterdir()) == names
    for name in names:
        about = host.run(str(to / name), env={}).stderr
        assert about.startswith(f"CNI {name} plugin cni-ptp ")
    assert ask(host, "uninstall", "--to", str(to)).returncode == 0
    assert list(to.iterdir()) == []


def test_a_conflist_is_not_overwritten_unasked(host: Host, to: Path, tmp_path: Path) -> None:
    net_d = tmp_path / "net.d"
    argv = ["install", "--to", str(to), "--conflist", "mynet", "--conf-dir", str(net_d)]
    ask(host, *argv)
    before = (net_d / "10-mynet.conflist").read_bytes()
    assert ask(host, *argv).returncode == 3
    assert (net_d / "10-mynet.conflist").read_bytes() == before
    assert ask(host, *argv, "--force").returncode == 0
    assert (net_d / "10-mynet.conflist").read_bytes() != before  # another random IPv6 subnet
    assert [p.read_bytes() for p in net_d.iterdir() if p.name.startswith(".")] == [before]


def test_a_conflist_over_the_hosts_own_network_is_refused(host: Host, to: Path, tmp_path: Path) -> None:
    host.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    host.run("ip", "link", "set", "up0", "up")
    host.run("ip", "addr", "add", "10.85.3.1/24", "dev", "up0")
    argv = ["install", "--to", str(to), "--conflist", "mynet", "--conf-dir", str(tmp_path / "net.d")]
    done = ask(host, *argv)
    assert done.returncode == 3 and "10.85.3.0/24" in done.stderr
    assert list(to.iterdir()) == []
    assert ask(host, *argv, "--subnet", "10.86.0.0/24").returncode == 0


def test_a_conflist_names_the_destinations_that_are_not_masqueraded(host: Host, to: Path, tmp_path: Path) -> None:
    net_d = tmp_path / "net.d"
    argv = ["install", "--to", str(to), "--conflist", "mynet", "--conf-dir", str(net_d)]
    done = ask(host, *argv, "--non-masquerade", "10.0.0.1/8")
    assert done.returncode == 3 and "the network is 10.0.0.0/8" in done.stderr
    assert list(to.iterdir()) == [] and not net_d.exists()
    assert ask(host, *argv, "--non-masquerade", "10.0.0.0/8", "--non-masquerade", "fd00::/8").returncode == 0
    plugin = json.loads((net_d / "10-mynet.conflist").read_bytes())["plugins"][0]
    assert plugin["nonMasqueradeCIDRs"] == ["10.0.0.0/8", "fd00::/8"]


def test_make_does_both_as_well(host: Host, to: Path, tmp_path: Path) -> None:
    make = ("make", "-s", "-C", str(Path(__file__).parents[2]))
    conflist = f"INSTALL_ARGS=--with-ipam --conflist mynet --conf-dir {tmp_path}/net.d"
    host.run(*make, "install", f"TO={to}", conflist)
    assert sorted(p.name for p in to.iterdir()) == ["host-local", "ptp", "static"]
    assert (tmp_path / "net.d" / "10-mynet.conflist").exists()
    host.run(*make, "uninstall", f"TO={to}")
    assert list(to.iterdir()) == []
