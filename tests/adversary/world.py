"""A host with an outside, attachments on it as victims, and pictures of what each of them has.

A picture holds everything of a victim that another's call could take: the host end, the routes over it, elements and
rules, leases, and the container's own side.  It is compared as a whole; beside it, real traffic is tried.
"""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.namespaces import REFERENCE, Container, Host, Place, Reply, entered, settled

GO = REFERENCE / "ptp"
OWN = "/proc/thread-self/ns/net"
OUTSIDE = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8:ffff::1", "2001:db8:ffff::2")}
FAMILIES = {"v4": (4,), "v6": (6,), "dual": (4, 6)}
_DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}
_TIMEOUT_S = 60


def network(name: str, number: int, versions: tuple[int, ...] = (4,), **more: Any) -> dict[str, Any]:
    """The configuration of a network with subnets of its own, 10.NUMBER.2.0/24 and 2001:db8:NUMBER::/64."""
    subnets = {4: f"10.{number}.2.0/24", 6: f"2001:db8:{number}::/64"}
    return {
        "cniVersion": "1.0.0",
        "name": name,
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": subnets[v]}] for v in versions],
            "routes": [{"dst": _DEFAULT[v]} for v in versions],
        },
        **more,
    }


def static(conf: dict[str, Any], *addresses: str) -> dict[str, Any]:
    """The configuration with static IPAM: these addresses (with prefix length), gateways as host-local chooses them."""
    entries = []
    for address in addresses:
        stem, dot = (address.rpartition(":")[0] + ":", "") if ":" in address else (address.rpartition(".")[0], ".")
        entries.append({"address": address, "gateway": f"{stem}{dot}1"})
    routes = [{"dst": _DEFAULT[6 if ":" in address else 4]} for address in addresses]
    return {**conf, "ipam": {"type": "static", "addresses": entries, "routes": routes}}


def answers(there: str, address: str, here: str) -> str:
    """The source address that a TCP server at `address` in namespace `there` sees of a client in `here`.

    The connection must come about.  Both are paths of namespaces.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with entered(there), socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        server.settimeout(_TIMEOUT_S)
        with entered(here):
            client = socket.create_connection((address, port), timeout=_TIMEOUT_S)
        with client:
            accepted, peer = server.accept()
            accepted.close()
    return str(peer[0])


class Victim:
    """A pair of which one end is the host's: ifindex, whose other end has the ifindex `peer`."""

    def __init__(self, host: Host, host_end: str) -> None:
        self.host = host
        self.host_end = host_end
        (link,) = host.ip("-d", "link", "show", "dev", host_end)
        self.ifindex: int = link["ifindex"]
        self.peer: int = link["link_index"] if "link_index" in link else _ifindex(host, link["link"])

    def link(self) -> list[Any]:
        """The host end, [] if it was deleted; and the routes over it."""
        links = [link for link in self.host.ip("-d", "link") if link["ifindex"] == self.ifindex]
        keys = ("ifname", "ifalias", "address", "link_index", "link_netnsid", "master", "mtu")
        routes = routes_over(self.host, {link["ifname"] for link in links})
        return [({k: link.get(k) for k in keys}, "UP" in link["flags"], routes) for link in links]

    def picture(self) -> dict[str, Any]:
        """All that it has, comparable."""
        return {"link": self.link()}

    def works(self) -> None:
        """Its traffic flows."""

    def is_untouched(self, before: dict[str, Any], how: object = "") -> None:
        """It has all that it had, and its traffic flows."""
        now = self.picture()
        changed = [k for k in now if now[k] != before[k]]
        words = [f"{k}: {before[k]} became {now[k]}" for k in changed]
        assert not changed, f"{' and '.join(changed)} changed; {how}; " + "; ".join(words)
        self.works()


class Operators(Victim):
    """A veth pair that somebody made by hand, 10.77.0.1 on the host; its other end on the host, or in a namespace."""

    def __init__(self, host: Host, container: Container | None = None, name: str = "vethop", peer: str = "p0") -> None:
        self.container = container
        there = ["netns", container.name] if container else []
        host.run("ip", "link", "add", name, "type", "veth", "peer", "name", peer, *there)
        host.run("ip", "addr", "add", "10.77.0.1/24", "dev", name)
        host.run("ip", "link", "set", name, "up")
        other: Place = container or host
        other.run("ip", "addr", "add", "10.77.0.2/24", "dev", peer)
        other.run("ip", "link", "set", peer, "up")
        super().__init__(host, name)

    def works(self) -> None:
        """The host answers, where the pair leads to a namespace."""
        if self.container:
            assert answers(OWN, "10.77.0.1", self.container.path) == "10.77.0.2"


class Attached(Victim):
    """A container that was attached, by ours or by the Go plugin (`exe`)."""

    def __init__(self, host: Host, container: Container, conf: dict[str, Any], exe: Path | None, ifname: str) -> None:
        self.host = host
        self.container = container
        self.conf = conf
        self.exe = exe
        self.ifname = ifname
        self.result = self.call("ADD").ok()
        super().__init__(host, self.result["interfaces"][0]["name"])
        self.addresses: list[str] = [ip["address"].split("/")[0] for ip in self.result["ips"]]
        self.gateways: list[str] = [ip["gateway"] for ip in self.result["ips"]]

    def call(self, command: str, ours: bool = False, with_result: bool = False, **changed: Any) -> Reply:
        """A call for this attachment, by the plugin that made it or (`ours`) by ours.

        changed: what is another than usual, of `Host.plugin` or (`conf`) of the configuration.
        """
        conf = {**self.conf, **changed.pop("conf", {})}
        if with_result:
            conf["prevResult"] = self.result
        exe = None if ours else self.exe
        where = {"container": self.container.name, "netns": self.container.path, "ifname": self.ifname, **changed}
        return self.host.plugin(command, conf, exe=exe, path=str(REFERENCE), **where)

    def on_host(self) -> dict[str, Any]:
        """What the host has for it, comparable: host end and routes over it, elements and rules, leases."""
        return {
            "link": self.link(),
            "elements": sorted(e for e in elements(self.host) if self._owner() in e),
            "rules": [r for r in iptables_rules(self.host) if self._is_in(r)],
            "leases": leases_of(self.conf["name"], self.container.name),
        }

    def _owner(self) -> str:
        """How the comment of each element begins that ours makes for it."""
        return f'"comment": "{self.conf["name"]} {self.container.name} {self.ifname}'

    def _is_in(self, rule: str) -> bool:
        """Whether an iptables rule names the container or one of its addresses."""
        comment = f'name: \\"{self.conf["name"]}\\" id: \\"{self.container.name}\\"'
        return comment in rule or any(f" {a}/" in rule for a in self.addresses)

    def picture(self) -> dict[str, Any]:
        """What the host has for it, and its own side."""
        there = self.container.run("ip", "-j", "addr", "show", "dev", self.ifname, check=False).stdout
        links = [{**link, "addr_info": settled(link["addr_info"])} for link in json.loads(there or "[]")]
        routes = [self.container.ip(family, "route", "show") for family in ("-4", "-6")]
        return {**self.on_host(), "inside": links, "routes inside": routes}

    def works(self) -> None:
        """Its gateways answer, and with ipMasq the outside does, seeing the host's address."""
        for address, gateway in zip(self.addresses, self.gateways):
            assert answers(OWN, gateway, self.container.path) == address
            if self.conf.get("ipMasq"):
                near, far = OUTSIDE[6 if ":" in address else 4]
                assert answers("/run/netns/out", far, self.container.path) == near, f"{address} is not masqueraded"

    def is_detached(self) -> None:
        """The host has nothing of it any more."""
        left = {k: v for k, v in self.on_host().items() if v}
        assert not left, f"{' and '.join(left)} left: {left}"


class World:
    """A host, an outside, and whoever is attached."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.processes: list[subprocess.Popen[str]] = []

    def outside(self) -> None:
        """The host has an uplink to a machine that knows no way back to containers."""
        out = self.host.container("out")
        self.host.run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "out")
        for version, (near, far) in OUTSIDE.items():
            length, more = ("24", []) if version == 4 else ("64", ["nodad"])
            self.host.run("ip", "addr", "add", f"{near}/{length}", "dev", "uplink", *more)
            out.run("ip", "addr", "add", f"{far}/{length}", "dev", "eth0", *more)
        self.host.run("ip", "link", "set", "uplink", "up")
        out.run("ip", "link", "set", "eth0", "up")

    def attach(self, conf: dict[str, Any], name: str = "c1", exe: Path | None = None, ifname: str = "eth0") -> Attached:
        """A container of this name, new unless it exists, attached by ours or (exe) by another plugin."""
        known = {container.name: container for container in self.host.containers}
        return Attached(self.host, known.get(name) or self.host.container(name), conf, exe, ifname)

    def end(self) -> None:
        """Every process of the containers is over."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def _ifindex(host: Host, name: str) -> int:
    (link,) = host.ip("link", "show", "dev", name)
    index: int = link["ifindex"]
    return index


def routes_over(host: Host, names: set[str]) -> list[str]:
    """The routes over the links of these names, but for those that the kernel makes by itself."""
    found = [r for family in ("-4", "-6") for r in host.ip(family, "route", "show", "table", "all")]
    kept = [r for r in found if r.get("dev") in names and not r["dst"].startswith(("fe80", "ff00", "multicast"))]
    return sorted(str({**r, "flags": []}) for r in kept)


def elements(host: Host) -> list[str]:
    """Each element of each set and map of nf_tables with the name of its table and set, as JSON."""
    parts: list[Any] = []
    # `nft -j list ruleset` is no JSON where a table has flags (nft 1.0.6, table_print_json).
    for kinds in ("sets", "maps"):
        parts += json.loads(host.run("nft", "-j", "list", kinds).stdout)["nftables"]
    sets = [part[kind] for part in parts for kind in ("set", "map") if kind in part]
    return [f"{s['table']} {s['name']} {json.dumps(e)}" for s in sets for e in s.get("elem", [])]


def iptables_rules(host: Host) -> list[str]:
    """The rules of the nat tables, as iptables-save prints them."""
    programs = ("iptables-save", "ip6tables-save")
    saved = [line for p in programs for line in host.run(p, "-t", "nat").stdout.splitlines()]
    return [line for line in saved if line.startswith("-A")]


def leases_of(name: str, containerid: str) -> dict[str, bytes]:
    """The contents of the leases that a container has of a network, by their files' names."""
    files = [p for p in Path("/var/lib/cni/networks", name).glob("*[.:]*") if not p.name.startswith("last_")]
    found = {p.name: p.read_bytes() for p in sorted(files) if p.is_file()}
    return {k: v for k, v in found.items() if v.partition(b"\r\n")[0] == containerid.encode()}
