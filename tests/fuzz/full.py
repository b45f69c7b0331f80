"""An environment and configurations that have every key, to be damaged."""

from __future__ import annotations

ENVIRON = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;IP=10.1.2.9/24;MAC=02:00:00:00:00:01;GATEWAY=10.1.2.1",
    "CNI_PATH": "/opt/cni/bin",
}


ROUTES = [
    {"dst": "0.0.0.0/0", "gw": "10.1.2.1", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 100, "scope": 0},
    {"dst": "::/0"},
]


RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"}],
    "ips": [{"address": "10.1.2.5/24", "gateway": "10.1.2.1", "interface": 0}],
    "routes": ROUTES,
    "dns": {"nameservers": ["10.1.2.1"], "domain": "d", "search": ["s"], "options": ["o"]},
}


COMMON = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "ptp",
    "ipMasq": True,
    "ipMasqBackend": "nftables",
    "mtu": 1400,
    "dns": {"nameservers": [], "domain": "d"},
    "args": {"cni": {"mac": "02:00:00:00:00:02", "ips": ["10.1.2.7/24"]}},
    "runtimeConfig": {"mac": "02:00:00:00:00:03", "ips": ["10.1.2.8/24"], "ipRanges": [[{"subnet": "10.3.0.0/24"}]]},
    "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}],
    "prevResult": RESULT,
}


STATIC = {
    "type": "static",
    "addresses": [{"address": "10.1.2.5/24", "gateway": "10.1.2.1"}, {"address": "fd00::5/64", "gateway": "fd00::1"}],
    "routes": ROUTES,
    "dns": {"search": ["s"]},
}


HOST_LOCAL = {
    "type": "host-local",
    "subnet": "10.4.0.0/24",
    "rangeStart": "10.4.0.5",
    "rangeEnd": "10.4.0.9",
    "gateway": "10.4.0.1",
    "ranges": [[{"subnet": "10.5.0.0/16"}], [{"subnet": "fd00::/64", "rangeStart": "fd00::10"}]],
    "routes": ROUTES,
    "dataDir": "/d",
    "resolvConf": "/etc/resolv.conf",
}
