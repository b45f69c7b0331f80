"""A container that is an adversary: root in its own network namespace, and in those that it makes within.

It chooses ifindexes, names, peers, MACs, addresses and namespace ids on its side; the host's side is out of its reach.
"""

from __future__ import annotations

import subprocess
from typing import Any

from tests.adversary.world import Victim, World
from tests.namespaces import Container

OWNERS = ("root's", "an unprivileged user's")
_WAITING = "echo ready; exec sleep infinity"


class Hostile(Container):
    """The container `bad`, with a child namespace.  owner: whose user namespace it is root of."""

    def __init__(self, world: World, owner: str = OWNERS[0]) -> None:
        super().__init__("bad")
        self.world = world
        own_user = ["-U", "-r"] if owner != OWNERS[0] else []
        self.pid = self._start("unshare", *own_user, "-n", "sh", "-c", _WAITING).pid
        world.host.run("ip", "netns", "attach", self.name, str(self.pid))
        user = [f"--user=/proc/{self.pid}/ns/user", "--preserve-credentials"] if own_user else []
        self.prefix = ["nsenter", *user, f"--net=/proc/{self.pid}/ns/net"]
        world.host.containers.append(self)
        self.child = self._start(*self.prefix, "unshare", "-n", "sh", "-c", _WAITING).pid

    def _start(self, *argv: str) -> subprocess.Popen[str]:
        process = self.world.host.start(*argv)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        self.world.processes.append(process)
        return process

    def in_child(self, *argv: str) -> Any:
        """A program run in the child namespace."""
        return self.run("nsenter", f"--net=/proc/{self.child}/ns/net", *argv)

    def pretend(self, peer: int, host_end: int, kind: str = "veth", name: str = "eth0") -> None:
        """An interface of this name is made to look as if it were the other end of a link of the host.

        peer: the ifindex that the host's link gives for its other end; host_end: the ifindex of the host's link.
        """
        x = ["name", "x", "index", str(host_end)]
        if kind == "veth":
            veth = ["type", "veth", "peer", *x, "netns", str(self.child)]
            self.run("ip", "link", "add", "name", name, "index", str(peer), *veth)
        elif kind == "bridge port":
            self.pretend(peer, host_end, "veth", name)
            self.run("ip", "link", "add", "br0", "type", "bridge")
            self.run("ip", "link", "set", name, "master", "br0")
        elif kind == "bridge":
            self.run("ip", "link", "add", "name", name, "index", str(peer), "type", "bridge")
        else:
            self.run("ip", "link", "add", *x, "type", "bridge")
            self.run("ip", "link", "add", "link", "x", "name", name, "index", str(peer), "type", kind)
        self.run("ip", "link", "set", name, "up")

    def pretend_to_be(self, victim: Victim, kind: str = "veth") -> None:
        """Its eth0 is deleted and made anew, to look like the other end of the victim's host end."""
        self.run("ip", "link", "del", "eth0")
        self.pretend(victim.peer, victim.ifindex, kind)
