"""The built file called by the name of another plugin, beside the Go plugin of that name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.configurations import conf
from tests.namespaces import REFERENCE, Host, Reply

ASKED: dict[str, dict[str, Any]] = {
    "portmap": {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}},
    "bandwidth": {"ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000},
    "tuning": {"mtu": 1400, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}},
    "loopback": {},
}


def as_role(host: Host, role: str) -> Path:
    """The path of a link to the built file by that name."""
    directory = Path("/run/roles")
    directory.mkdir(exist_ok=True)
    path = directory / role
    if not path.exists():
        os.symlink(host.plugin_file, path)
    return path


def call(host: Host, role: str, command: str, configuration: dict[str, Any], go: bool = False, **more: Any) -> Reply:
    """One call of the plugin `role`, ours or Go's."""
    exe = REFERENCE / role if go else as_role(host, role)
    return host.plugin(command, configuration, exe=exe, path=str(REFERENCE), **more)


def without_dns(result: Any) -> Any:
    """The result without an empty dns, which Go prints."""
    return {key: value for key, value in result.items() if key != "dns" or value}


def attached(host: Host, version: str = "1.0.0", families: tuple[str, ...] = ("v4", "v6"), **where: Any) -> Any:
    """The result of ptp for a container, as the next plugin of the chain gets it."""
    return host.plugin("ADD", conf(version, list(families)), **where).ok()


def chained(role: str, previous: Any = None, /, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    """A configuration of the plugin `role` behind ptp."""
    found = {"cniVersion": version, "name": "mynet", "type": role, **more}
    return found if previous is None else {**found, "prevResult": previous}


def everything(host: Host) -> Any:
    """Whatever a role may change."""
    commands = [("tc", "qdisc", "show"), ("ip", "link", "show", "type", "ifb")]
    inside = host.containers[0]
    flags = [link["flags"] for link in inside.ip("link")]
    mtus = [(link["ifname"], link["mtu"]) for link in inside.ip("link")]
    filters = host.run("nft", "list", "ruleset").stdout
    kept = sorted(path.name for path in Path("/run/cni/tuning").glob("*"))
    return [host.run(*command).stdout for command in commands], flags, mtus, "8080" in filters, kept
