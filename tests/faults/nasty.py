"""Texts that no path, name or address can be, put in the place of every string that a call is given."""

from __future__ import annotations

import json
from typing import Any

TEXTS = {
    "lone surrogate": "/run/\ud800",
    "surrogate alone": "\ud800",
    "NUL": "/run/a\0b",
    "part too long": "/run/" + "x" * 256,
    "too long": "/run/" + "x/" * 2500,
    "long": "x" * 5000,
    "no directory can be made there": "/proc/cni",
    "below a file": "/etc/passwd/x",
    "a file": "/etc/passwd",
    "a loop": "/run/loop/x",
    "a device": "/dev/full",
    "not ASCII": "/run/é\u202e\U0010ffff",
    "line": "a\nb\r\n",
}
# What the environment can hold of it: no NUL, and bytes.
RAW = {
    "not UTF-8": b"/run/\xff\xfe",
    "part too long": b"/run/" + b"x" * 256,
    "too long": b"/run/" + b"x/" * 2500,
    "long": b"x" * 5000,
    "many": b"/run/x:" * 15000,
    "multi-byte": "é".encode() * 9,
    "a loop": b"/run/loop/x",
    "line": b"a\nb\r\n",
    "pair": b"IgnoreUnknown=1;MAC=\xff;IP=\xff",
}
VARIABLES = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "TRACEPARENT", "CNI_NETNS_OVERRIDE")


def configuration(verb: str) -> dict[str, Any]:
    """Return a configuration with every key that holds a string, in the way that ADD, or another verb, takes it."""
    previous = {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "veth0", "mac": "02:00:00:00:00:01", "socketPath": "/run/s", "pciID": "0000:00:1f.6"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/c1"},
        ],
        "ips": [{"address": "10.9.0.2/24", "gateway": "10.9.0.1", "interface": 1}],
        "routes": [{"dst": "192.0.2.0/24", "gw": "10.9.0.1"}],
        "dns": {"nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"]},
    }
    conf: dict[str, Any] = {
        "cniVersion": "1.1.0",
        "name": "mynet",
        "type": "ptp",
        "logFile": "/run/log",
        "logLevel": "debug",
        "ipMasqBackend": "nftables",
        "dns": {"nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"]},
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/leases",
            "resolvConf": "/etc/hosts",
            "subnet": "10.1.2.0/24",
            "rangeStart": "10.1.2.9",
            "rangeEnd": "10.1.2.90",
            "gateway": "10.1.2.1",
            "routes": [{"dst": "192.0.2.0/24", "gw": "10.1.2.1"}],
            "ranges": [[{"subnet": "2001:db8::/64", "rangeStart": "2001:db8::9", "gateway": "2001:db8::1"}]],
        },
        "runtimeConfig": {"mac": "02:00:00:00:00:03", "ips": ["10.1.2.11"], "ipRanges": []},
        "args": {"cni": {"mac": "02:00:00:00:00:04", "ips": ["10.1.2.11"]}},
        "unknown": {"key": "text"},
        "prevResult": previous,
    }
    if verb == "GC":
        conf["cni.dev/valid-attachments"] = [{"containerID": "c2", "ifname": "eth0"}]
    return conf


def static(verb: str) -> dict[str, Any]:
    """Return the same with `static`."""
    addresses = [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}]
    dns = {"nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"]}
    routes = [{"dst": "192.0.2.0/24", "gw": "10.9.0.1"}]
    ipam = {"type": "static", "addresses": addresses, "routes": routes, "dns": dns}
    return {**configuration(verb), "ipam": ipam, "runtimeConfig": {}, "args": {}, "antiSpoof": True, "ipMasq": True}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where the value has strings, each as keys and indexes from the outside in."""
    if isinstance(value, str):
        return [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in pairs for place in places(item, (*path, key))]


def replaced(conf: dict[str, Any], place: tuple[Any, ...], text: str) -> dict[str, Any]:
    """Return the configuration with another text in one place."""
    copy: dict[str, Any] = json.loads(json.dumps(conf))
    at: Any = copy
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = text
    return copy
