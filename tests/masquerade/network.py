"""A host with a network outside, and what its packet filter counts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.configurations import conf
from tests.namespaces import Container, Host

OUTSIDE = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8:ffff::1", "2001:db8:ffff::2")}


def masq(backend: str = "", families: tuple[str, ...] = ("v4", "v6"), **more: Any) -> dict[str, Any]:
    """A configuration that masquerades."""
    chosen = {"ipMasqBackend": backend} if backend else {}
    return conf("1.0.0", list(families), ipMasq=True, **chosen, **more)


def outside(host: Host) -> Container:
    """A machine beyond the host, which knows no way back to containers."""
    out = host.container("out")
    host.run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "out")
    for version, (near, far) in OUTSIDE.items():
        length = "24" if version == 4 else "64"
        host.run("ip", "addr", "add", f"{near}/{length}", "dev", "uplink", *(["nodad"] if version == 6 else []))
        out.run("ip", "addr", "add", f"{far}/{length}", "dev", "eth0", *(["nodad"] if version == 6 else []))
    host.run("ip", "link", "set", "uplink", "up")
    out.run("ip", "link", "set", "eth0", "up")
    return out


def base_chains(host: Host) -> None:
    """iptables has its base chains, which stay for ever."""
    for program in ("iptables", "ip6tables"):
        for verb in ("-A", "-D"):
            host.run(program, "-t", "nat", verb, "POSTROUTING", "-j", "ACCEPT")


def traced(host: Host, command: str, configuration: dict[str, Any], **where: str) -> list[str]:
    """The programs that a call executes, its own start among them."""
    environ = host.environment(command, "c1", where.get("netns", "/run/netns/c1"), "eth0", "", "")
    argv = ["strace", "-f", "-qq", "-o", "/run/trace", "-e", "trace=execve", "-e", "status=successful"]
    done = subprocess.run(
        [*argv, str(host.plugin_file)], input=json.dumps(configuration).encode(), env=environ, capture_output=True
    )
    assert done.returncode == 0, done.stdout
    return re.findall(r'execve\("([^"]+)"', Path("/run/trace").read_text())


RULESET = """\
table inet cni_ptp {
	comment "masquerading of containers, kept by the CNI plugin ptp"
	set masq4 {
		type ipv4_addr
		comment "addresses of containers to be masqueraded"
		elements = { 10.1.2.2 comment "mynet c1 eth0 /24" }
	}

	set own4_24 {
		type ipv4_addr . ipv4_addr
		comment "each with its own subnet: not masqueraded"
		elements = { 10.1.2.2 . 10.1.2.0 comment "mynet c1 eth0 /24" }
	}

	set nonmasquerade4 {
		type ipv4_addr
		flags interval
		comment "destinations that are not masqueraded; yours to fill"
	}

	set masq6 {
		type ipv6_addr
		comment "addresses of containers to be masqueraded"
	}

	set nonmasquerade6 {
		type ipv6_addr
		flags interval
		comment "destinations that are not masqueraded; yours to fill"
	}

	chain postrouting {
		type nat hook postrouting priority 150; policy accept;
		ip saddr @masq4 goto masquerade4
		ip6 saddr @masq6 goto masquerade6
	}

	chain masquerade4 {
		ip saddr . ip daddr & 255.255.255.0 @own4_24 return
		ip daddr 224.0.0.0/4 return
		ip daddr @nonmasquerade4 return
		masquerade
	}

	chain masquerade6 {
		ip6 daddr ff00::/8 return
		ip6 daddr @nonmasquerade6 return
		masquerade
	}
}
"""


GO_NFTABLES = """
table inet cni_plugins_masquerade {
	chain masq_checks {
		ip saddr 10.1.2.9 ip daddr != 10.1.2.0/24 masquerade comment "%s-%s, net: mynet, if: eth0, id: c1"
		ip saddr 10.1.2.8 ip daddr != 10.1.2.0/24 masquerade comment "%s-%s, net: mynet, if: eth0, id: c2"
	}
}
"""


class Counted:
    """A netlink socket's connection; what was sent through it and received."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.datagrams: list[tuple[str, int]] = []

    def send(self, datagram: bytes) -> int:
        """As a socket's."""
        self.datagrams.append(("sent", len(datagram)))
        return int(self.sock.send(datagram))

    def recvmsg(self, *arguments: int) -> Any:
        """As a socket's."""
        received = self.sock.recvmsg(*arguments)
        self.datagrams.append(("received", len(received[0])))
        return received

    def close(self) -> None:
        """As a socket's."""
        self.sock.close()
