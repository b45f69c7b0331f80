"""The networks that the runtimes are given: ptp with masquerading, alone or in front of Debian's other plugins."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "ptpnet"
CONFLIST = "/etc/cni/net.d/10-ptp.conflist"

# Debian 12's and 13's runtimes speak these; 1.1.0 came with libcni 1.2, and containerd 2.
VERSIONS = tuple(os.environ.get("VERSIONS", "0.3.1 0.4.0 1.0.0").split())

SUBNET4, GATEWAY4 = "10.88.77.0/24", "10.88.77.1"
SUBNET6, GATEWAY6 = "2001:db8:77::/64", "2001:db8:77::1"

# What every trace of a container's addresses has in common.
TRACES = ("10.88.77.", "2001:db8:77:", NAME + " ")

PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
OTHERS: tuple[Mapping[str, object], ...] = (
    PORTMAP,
    {"type": "bandwidth", "ingressRate": 80_000_000, "ingressBurst": 8_000_000, "egressRate": 80_000_000,
     "egressBurst": 8_000_000},
    {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.log_martians": "1"}, "mtu": 1400},
    {"type": "firewall", "backend": "iptables"},
)  # fmt: skip


def conflist(version: str, *others: Mapping[str, object]) -> str:
    """A configuration list: ptp, dual stack with ipMasq, then the others."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": SUBNET4}], [{"subnet": SUBNET6}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    }
    ptp = {"type": "ptp", "ipMasq": True, "ipam": ipam, "capabilities": {"ips": True, "mac": True}}
    return json.dumps({"cniVersion": version, "name": NAME, "plugins": [ptp, *others]})
