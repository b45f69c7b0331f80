"""What README.md and docs/ tell a newcomer to do with containerd and podman, done as it is written there."""

from __future__ import annotations

import re

from busybox_image import NAME as IMAGE

from tests.docs.blocks import Block, blocks
from tests.e2e.containerd import start
from tests.e2e.machine import PLUGINS, ROOT, Machine
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
    """The machine has neither our plugin nor a directory for it; containerd runs as Debian's package starts it."""
    machine.run("rm", "-r", f"{PLUGINS}/ptp", "/opt/cni", "/etc/containerd")
    machine.run("env", "HOME=/tmp", "sh", "-euc", f"cd {ROOT}; {_AS_REPOSITORY}", "sh", REPOSITORY)
    start(machine)


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

    text = block("README.md", "sh", "git clone").text
    # There is no outside to get packages from; that they are enough is seen by tests/hosts/newcomer.sh.
    text = re.sub(r".*apt-get .*\n", "", text).replace("REPOSITORY", REPOSITORY)
    said = do(machine, text, "/tmp")

    assert "inet 10.85.0.2/16" in said and "inet6 fd" in said
    assert "3 packets received" in said
    expect_outside_sees_the_host(machine, OneCommand(machine))
    assert machine.traces("10.85.0.") == ""


def test_the_commands_of_the_page_on_containerd(machine: Machine) -> None:
    without_plugin(machine)
    machine.write("/etc/cni/net.d/10-ptp.conflist", block("docs/containerd.md", "json").text)

    do(machine, block("docs/containerd.md", "sh", "make").text, REPOSITORY)
    said = do(machine, block("docs/containerd.md", "sh", "ctr run").text, REPOSITORY)

    assert "inet 10.88.0.2/16" in said and "inet6 2001:db8:4860::2/64" in said
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
