"""containerd in a machine, and its own client `ctr`."""

from __future__ import annotations

import subprocess

from busybox_image import NAME as IMAGE

from tests.e2e.machine import PLUGINS, Machine, wait_for
from tests.e2e.reach import serving

SOCKET = "/run/containerd/containerd.sock"
LOG = "/run/containerd.log"

# runc without systemd and AppArmor; the snapshotter that needs nothing of the kernel.
CRI = '[plugins."io.containerd.grpc.v1.cri"]'
HERE = f"""
{CRI}
  sandbox_image = "{IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""
CONFIG = f"""
version = 2
{HERE}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "/etc/cni/net.d"
"""


def start(machine: Machine) -> subprocess.Popen[bytes]:
    """containerd serves."""
    daemon = machine.start("containerd", log=LOG)
    wait_for("containerd answers", lambda: "Server:" in machine.run("ctr", "version", ok=False))
    return daemon


class Containerd:
    """A running containerd that knows the image, in its namespaces `default` (ctr) and `k8s.io` (CRI)."""

    def __init__(self, machine: Machine, image: bytes, config: str = CONFIG) -> None:
        self.machine = machine
        machine.write("/etc/containerd/config.toml", config)
        machine.write("/run/image.tar", image)
        self._daemon = start(machine)
        # From 2.0 on the daemon imports, into the snapshotter of its own configuration, unless ctr is to do it.
        local = ["--local"] if "--local" in self.ctr("image", "import", "--help") else []
        for namespace in ("default", "k8s.io"):
            self.ctr("-n", namespace, "image", "import", *local, "--snapshotter", "native", "/run/image.tar")

    def restart(self) -> None:
        """containerd was killed, as by a crash, and serves again; containers go on meanwhile."""
        self.machine.run("pkill", "-KILL", "-x", "containerd")
        self._daemon.wait()
        self._daemon = start(self.machine)

    def ctr(self, *argv: str) -> str:
        return self.machine.run("ctr", *argv)


class Container:
    """A container that `ctr run --cni` started; it serves its own name by HTTP.

    ctr waits for it, unless it is detached: then nobody ever calls DEL.
    """

    def __init__(self, containerd: Containerd, name: str, detached: bool = False) -> None:
        self.name = name
        self._containerd = containerd
        how = "--detach" if detached else "--rm"
        run = ("ctr", "run", how, "--cni", "--snapshotter", "native", IMAGE, name)
        self._log = f"/run/{name}.log"
        self._ctr: subprocess.Popen[bytes] = containerd.machine.start(*run, *serving(name), log=self._log)
        wait_for(f"{name} runs: {self._log}", lambda: self._pid() != "")
        self._root = f"/proc/{self._pid()}/root"
        self._calls = 0

    def _pid(self) -> str:
        """The machine's number of the container's first process; "" if it does not run yet."""
        assert not self._ctr.poll(), self._containerd.machine.read(self._log)
        lines = [line.split() for line in self._containerd.ctr("task", "ls").splitlines()]
        return next((pid for name, pid, state in lines if name == self.name and state == "RUNNING"), "")

    def exec(self, *argv: str) -> str:
        """What the program prints in the container; AssertionError if it fails."""
        # Into a file: ctr stops copying when the program ends, and now and then misses its last words.
        self._calls += 1
        name = f"exec-{self._calls}"
        to_file = ("/bin/sh", "-c", f'exec "$@" >/{name}', "sh", *argv)
        self._containerd.ctr("task", "exec", "--exec-id", name, self.name, *to_file)
        return self._containerd.machine.read(f"{self._root}/{name}")

    def end(self) -> None:
        """The container was killed, and `ctr run` saw it off: with DEL, as it does when it waits in the foreground."""
        self._containerd.ctr("task", "kill", "-s", "KILL", self.name)
        assert self._ctr.wait(timeout=30) is not None
