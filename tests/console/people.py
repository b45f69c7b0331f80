"""A person at the built file's command line, and the host that person has."""

from __future__ import annotations

import json
import os
import subprocess
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
