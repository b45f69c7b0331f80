"""A person at the built file's command line, and the host that person has."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.namespaces import Host

CONF_DIR = "/run/net.d"
CONF: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "mynet",
    "type": "ptp",
    "ipMasq": True,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "fd09::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    },
}


def configure(conf: dict[str, Any] | str = CONF, name: str = "10-mynet.conf") -> Path:
    """The host has this network configuration."""
    path = Path(CONF_DIR, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(conf if isinstance(conf, str) else json.dumps(conf))
    return path


def attach(host: Host, name: str, conf: dict[str, Any] = CONF, containerid: str = "") -> Any:
    """The result of attaching a new container."""
    container = host.container(name)
    return host.plugin("ADD", conf, container=containerid or name, netns=container.path).ok()


def ask(host: Host, *argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """`ptp` with these arguments, finished, whatever its exit status."""
    environ = {"PATH": os.environ["PATH"]}
    return host.run(str(host.plugin_file), *argv, check=False, env=environ, **more)


class Screen:
    """A terminal at which `ptp` was started.  text: what is on it so far."""

    def __init__(self, host: Host, *argv: str, **environ: str) -> None:
        self._terminal, theirs = pty.openpty()
        environ = {"PATH": os.environ["PATH"], "TERM": "xterm", **environ}
        # A shell starts what runs in the background with SIGINT ignored, the tests perhaps.
        words = ["env", "--default-signal=INT", str(host.plugin_file), *argv]
        self._process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
        os.close(theirs)
        self.text = ""

    def read(self, until: str = "") -> str:
        """What is on it when the words appear, or when the command is over."""
        while not until or until not in self.text:
            try:
                self.text += os.read(self._terminal, 4096).decode()
            except OSError:  # EIO: nobody has the other side open any more
                break
        return self.text

    def interrupt(self) -> None:
        """Control-C was pressed."""
        self._process.send_signal(signal.SIGINT)

    def status(self) -> int:
        """The exit status of the command, once it is over."""
        self.read()
        os.close(self._terminal)
        return self._process.wait(30)


def listed(host: Host) -> list[dict[str, Any]]:
    done = ask(host, "list", "--json", "--conf-dir", CONF_DIR)
    assert done.stderr == ""
    documents: list[dict[str, Any]] = json.loads(done.stdout)
    return documents


def make_old(directory: str = "/var/lib/cni/networks/mynet") -> None:
    """The leases are from before any ADD that may be at work."""
    then = time.time() - 600
    for name in os.listdir(directory):
        os.utime(os.path.join(directory, name), (then, then))
