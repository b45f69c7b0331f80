"""An attachment, and what single damages to it are called."""

from __future__ import annotations

from typing import Any

CONF: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "type": "ptp",
    "mtu": 1400,
    "ipMasq": True,
    "ipMasqBackend": "nftables",
    "antiSpoof": True,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "::/0"},
            {"dst": "192.0.2.0/24", "mtu": 1300, "advmss": 1200},
            {"dst": "198.51.100.0/24", "table": 100},
            {"dst": "203.0.113.0/24", "priority": 50},
        ],
    },
}
LEASES = "/var/lib/cni/networks/mynet"

# Where, what is done there, and words of the finding.  VETH stands for the host end's name.
DAMAGES = [
    ("container", "ip link set eth0 down", "interface eth0 is down"),
    ("container", "ip link set eth0 address 02:00:00:00:00:99", "interface eth0 has MAC 02:00:00:00:00:99"),
    ("container", "ip link set eth0 mtu 1399", "interface eth0 has mtu 1399, not 1400"),
    ("container", "ip addr del 10.1.2.2/24 dev eth0", "interface eth0 has no address 10.1.2.2/24"),
    ("container", "ip addr del 2001:db8:1::2/64 dev eth0", "interface eth0 has no address 2001:db8:1::2/64"),
    ("container", "ip addr flush dev eth0", "interface eth0 has no address"),
    ("container", "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1", "interface eth0 has no address 2001:db8:1::2/64"),
    ("container", "ip route del default", "no route 0.0.0.0/0 via 10.1.2.1"),
    ("container", "ip -6 route del default", "no route ::/0 via 2001:db8:1::1"),
    ("container", "ip route replace default via 10.1.2.9 onlink dev eth0", "no route 0.0.0.0/0 via 10.1.2.1"),
    ("container", "ip route replace blackhole default", "no route 0.0.0.0/0 via 10.1.2.1"),
    ("container", "ip route del 10.1.2.1", "no route 10.1.2.1/32"),
    ("container", "ip route del 10.1.2.0/24", "no route 10.1.2.0/24 via 10.1.2.1"),
    ("container", "ip -6 route del 2001:db8:1::/64", "no route 2001:db8:1::/64"),
    ("container", "ip route change 192.0.2.0/24 via 10.1.2.1 mtu 1250 advmss 1200", "no route 192.0.2.0/24"),
    ("container", "ip route change 192.0.2.0/24 via 10.1.2.1 mtu 1300", "no route 192.0.2.0/24"),
    ("container", "ip route del 198.51.100.0/24 table 100", "no route 198.51.100.0/24"),
    ("container", "ip route del 203.0.113.0/24", "no route 203.0.113.0/24"),
    ("container", "ip route flush table main", "no route"),
    ("container", "ip link set eth0 name eth9", "interface eth0 is not in the container"),
    ("container", "ip link del eth0", "interface eth0 is not in the container"),
    ("host", "ip link set VETH netns c1", "the other end of eth0 is not in the host's network namespace"),
    ("host", "ip link set VETH down", "VETH is down"),
    ("host", "ip link set VETH address 02:00:00:00:00:98", "VETH has MAC 02:00:00:00:00:98"),
    ("host", "ip link set VETH mtu 1398", "VETH has mtu 1398, not 1400"),
    ("host", "ip link set VETH alias gone", 'alias "gone"'),
    ("host", "ip link set VETH name other", "host interface other is not the one of prevResult"),
    ("host", "ip addr del 10.1.2.1/32 dev VETH", "VETH has no address 10.1.2.1/32"),
    ("host", "ip addr del 2001:db8:1::1/128 dev VETH", "VETH has no address 2001:db8:1::1/128"),
    ("host", "ip route del 10.1.2.2", "the host has no route 10.1.2.2/32"),
    ("host", "ip -6 route del 2001:db8:1::2", "the host has no route 2001:db8:1::2/128"),
    ("host", "ip route replace 10.1.2.2 dev lo", "the host routes 10.1.2.2 to lo"),
    ("host", "ip route replace blackhole 10.1.2.2", "the host has no route 10.1.2.2/32"),
    ("host", "ip link add br0 type bridge && ip link set VETH master br0", "VETH is a port of br0"),
    ("host", "sysctl -qw net.ipv4.ip_forward=0", "net/ipv4/ip_forward is not 1"),
    ("host", "sysctl -qw net.ipv6.conf.all.forwarding=0", "net/ipv6/conf/all/forwarding is not 1"),
    ("host", "nft delete table inet cni_ptp", "nothing is masqueraded"),
    ("host", "nft flush chain inet cni_ptp postrouting", "chain inet cni_ptp postrouting has not all the rules"),
    ("host", "nft flush chain inet cni_ptp masquerade6", "chain inet cni_ptp masquerade6 has not all the rules"),
    ("host", "nft delete element inet cni_ptp masq4 { 10.1.2.2 }", "10.1.2.2 is not in nf_tables set"),
    ("host", "nft delete element inet cni_ptp masq6 { 2001:db8:1::2 }", "2001:db8:1::2 is not in nf_tables set"),
    ("host", "nft delete element inet cni_ptp own4_24 { 10.1.2.2 . 10.1.2.0 }", "10.1.2.2 is not in nf_tables set"),
    ("host", "nft delete element inet cni_ptp_antispoof guarded { VETH }", "nothing keeps it from spoofing"),
    ("host", "nft delete element inet cni_ptp_antispoof source4 { VETH . 10.1.2.2 }", "its packets are dropped"),
    ("host", f"rm {LEASES}/10.1.2.2", "10.1.2.2"),
    ("host", f"rm {LEASES}/2001:db8:1::2", "2001:db8:1::2"),
    ("host", f"printf 'c2\\r\\neth0' > {LEASES}/10.1.2.2", "10.1.2.2"),
    ("host", f"rm -r {LEASES}", "Failed to find address added by container c1"),
]  # fmt: skip
