"""podman in a machine, with its CNI backend."""

from __future__ import annotations

from busybox_image import NAME as IMAGE

from tests.e2e.machine import PLUGINS, Machine
from tests.e2e.network import NAME
from tests.e2e.reach import serving

CONTAINERS_CONF = f"""
[containers]
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["{PLUGINS}"]
default_network = "{NAME}"
"""

# The driver that needs nothing of the kernel.
STORAGE_CONF = """
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""


class Podman:
    """podman that knows the image."""

    def __init__(self, machine: Machine, image: bytes) -> None:
        self.machine = machine
        machine.write("/etc/containers/containers.conf", CONTAINERS_CONF)
        machine.write("/etc/containers/storage.conf", STORAGE_CONF)
        machine.write("/etc/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
        machine.write("/run/image.tar", image)
        self("load", "-q", "-i", "/run/image.tar")

    def __call__(self, *argv: str) -> str:
        return self.machine.run("podman", *argv)

    def container(self, name: str, *options: str) -> Container:
        """A container that serves its own name by HTTP."""
        self("run", "-d", "--name", name, *options, IMAGE, *serving(name))
        return Container(self, name)


class Container:
    """A running container."""

    def __init__(self, podman: Podman, name: str) -> None:
        self.name = name
        self._podman = podman

    def exec(self, *argv: str) -> str:
        """What the program prints in the container."""
        return self._podman("exec", self.name, *argv)

    def end(self) -> None:
        """The container is gone."""
        self._podman("rm", "-f", "-t", "0", self.name)
