"""What README.md and docs/ tell a newcomer to do with containerd and podman, done as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

from busybox_image import NAME as IMAGE

from tests.docs.blocks import Block, blocks
from tests.e2e.containerd import CRI, HERE, Containerd, start
from tests.e2e.cri import Cri
from tests.e2e.machine import PLUGINS, ROOT, Machine, wait_for
from tests.e2e.podman import CONTAINERS_CONF, Podman
from tests.e2e.reach import expect_outside_sees_the_host

REPOSITORY = "/tmp/repository"
# What is here, committed or not, as a repository to clone.
_AS_REPOSITORY = """
git config --global user.name test; git config --global user.email test@localhost
git config --global --add safe.directory "*"
mkdir "$1"
git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$1"
cd "$1"; git init -q; git add .; git commit -qm test
"""


def block(document: str, language: str, words: str = "") -> Block:
    """The one block of that language in a document that has the words."""
    (found,) = [b for b in blocks(language) if b.document == document and words in b.text]
    return found


def do(machine: Machine, text: str, directory: str = "/") -> str:
    """What the commands print, run by one shell that ends at the first failure; here everybody is root."""
    return machine.run("sh", "-euc", f"cd {directory}\n" + re.sub(r"\bsudo ", "", text))


def without_plugin(machine: Machine) -> None:
    """The machine has neither our plugin nor a directory for it; what is here is a repository at REPOSITORY."""
    machine.run("rm", "-r", f"{PLUGINS}/ptp", "/opt/cni", "/etc/containerd")
    machine.run("env", "HOME=/tmp", "sh", "-euc", f"cd {ROOT}; {_AS_REPOSITORY}", "sh", REPOSITORY)


class OneCommand:
    """A container of ctr for each command."""

    name = "one"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def exec(self, *argv: str) -> str:
        """What it prints."""
        return self._machine.run("ctr", "run", "--rm", "--cni", IMAGE, self.name, *argv)


def test_a_newcomer_has_a_container_on_the_network(machine: Machine) -> None:
    without_plugin(machine)
    start(machine)  # as the package does it

    text = block("README.md", "sh", "git clone").text
    # There is no outside to get packages from; that they are enough is seen by tests/hosts/newcomer.sh.
    text = re.sub(r".*apt-get .*\n", "", text).replace("REPOSITORY", REPOSITORY)
    said = do(machine, text, "/tmp")

    assert "inet 10.85.0.2/16" in said and "inet6 fd" in said
    assert "3 packets received" in said
    expect_outside_sees_the_host(machine, OneCommand(machine))
    diagnosis = machine.run("/opt/cni/bin/ptp", "doctor", ok=False)
    assert "configuration" in diagnosis and "problem" not in diagnosis, diagnosis
    assert machine.traces("10.85.0.") == ""


def test_the_commands_of_the_page_on_containerd(machine: Machine) -> None:
    without_plugin(machine)
    start(machine)
    machine.write("/etc/cni/net.d/10-ptp.conflist", block("docs/containerd.md", "json").text)

    do(machine, block("docs/containerd.md", "sh", "make").text, REPOSITORY)
    said = do(machine, block("docs/containerd.md", "sh", "ctr run").text, REPOSITORY)

    assert "inet 10.88.0.2/16" in said and "inet6 2001:db8:4860::2/64" in said
    assert machine.traces("10.88.0.", "2001:db8:4860:") == ""


def test_pods_of_debians_containerd_get_what_the_page_says(machine: Machine, image: bytes) -> None:
    """Its package's configuration has another directory of plugins than containerd by itself."""
    without_plugin(machine)
    do(machine, "make\n" + block("docs/containerd.md", "sh", "/usr/lib/cni").text, REPOSITORY)
    machine.write("/etc/cni/net.d/10-ptp.conflist", block("docs/containerd.md", "json").text)

    config = Path("/etc/containerd/config.toml").read_text()
    assert config.count(CRI + "\n") == 1
    Containerd(machine, image, config.replace(CRI + "\n", "") + HERE)
    cri = Cri(machine)
    wait_for("the network is ready", cri.network_ready)
    a = cri.pod("a")

    assert a.reported_addresses() == ["10.88.0.2", "2001:db8:4860::2"]
    assert "0a:58:0a:58:00:02" in a.exec("ip", "link", "show", "dev", "eth0"), "another plugin attached it"
    a.end()
    assert machine.traces("10.88.0.", "2001:db8:4860:") == ""


def test_the_commands_of_the_page_on_podman(machine: Machine, image: bytes) -> None:
    podman = Podman(machine, image)
    network = block("docs/podman.md", "toml").text
    machine.write("/etc/containers/containers.conf", CONTAINERS_CONF.partition("[network]")[0] + network)
    machine.write("/etc/cni/net.d/10-ptp.conflist", block("docs/podman.md", "json").text)

    said = do(machine, block("docs/podman.md", "sh").text, str(ROOT))

    assert "hello" in said
    assert podman("ps", "-aq") == ""
    assert machine.traces("10.88.0.") == ""
