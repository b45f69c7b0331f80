"""All attachments of a host, put together from what the kernel, nf_tables, the leases and the configurations say.

Nothing is locked and nothing changed; a container that comes or goes meanwhile may be seen by half.
"""

from __future__ import annotations

import os
from collections import Counter

from ..base.errors import KERNEL_REFUSED, CniError, NetlinkError
from ..base.ip import bits, parse_cidr, text_of, version_of
from ..cni.attachment import ALIAS_PREFIX, Attachment, parse_alias
from ..cni.masquerade_options import FAMILIES
from ..commands import status
from ..firewall import antispoof
from ..firewall.portmap_list import ports
from ..ipam.data_dir import DATA_DIR
from ..netlink.rt_link import Link
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..veth.mark import is_anothers
from . import conflist, iproute, lease_files
from .lease_files import LeaseFile
from .masquerading import Masquerading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.ip import Prefix
    from ..firewall.portmap_list import Port

_FAMILIES = (iproute.AF_INET, iproute.AF_INET6)
_FAMILY_NAMES = {4: "IPv4", 16: "IPv6"}


class Network:
    """What a configuration says of one of our networks.  path: of its file.  conf: the plugin's own object."""

    __slots__ = ("name", "path", "conf")

    def __init__(self, name: str, path: str, conf: dict[str, Any]) -> None:
        self.name = name
        self.path = path
        self.conf = conf

    def data_dir(self) -> str:
        """Return the directory of its leases."""
        ipam = self.conf.get("ipam")
        found = ipam.get("datadir") if isinstance(ipam, dict) else None
        return found if isinstance(found, str) and found else DATA_DIR

    def has_leases(self) -> bool:
        """Return whether its addresses come from host-local."""
        ipam = self.conf.get("ipam")
        return isinstance(ipam, dict) and ipam.get("type") == "host-local"

    def subnets(self) -> list[Prefix]:
        """Return (packed address, prefix length) of each subnet its addresses come from, as far as they can be read."""
        ipam = self.conf.get("ipam")
        if not isinstance(ipam, dict):
            return []
        sets = ipam.get("ranges")
        entries = [ipam] + [r for s in (sets if isinstance(sets, list) else []) if isinstance(s, list) for r in s]
        found = []
        for entry in entries:
            try:
                found.append(parse_cidr(str(entry.get("subnet"))))
            except (AttributeError, ValueError):
                continue
        return found

    def masquerades(self, address: bytes) -> bool:
        """Return whether the address must be masqueraded."""
        families = self.conf.get("ipmasqfamilies")
        if self.conf.get("ipmasq") is not True or not isinstance(families, list):
            return self.conf.get("ipmasq") is True
        return version_of(address) in [FAMILIES.get(family) for family in families if isinstance(family, str)]

    def sizes(self) -> set[int]:
        """Return the sizes (bytes) of its addresses, as far as they can be read."""
        ipam = self.conf.get("ipam")
        addresses = ipam.get("addresses") if isinstance(ipam, dict) else None
        texts = [str(a.get("address")) for a in addresses if isinstance(a, dict)] if isinstance(addresses, list) else []
        return {16 if ":" in text else 4 for text in texts} | {len(subnet) for subnet, _ in self.subnets()}

    def guards(self) -> bool:
        """Return whether each host end must be guarded against spoofing."""
        return self.conf.get("antispoof") is True


class Found:
    """One attachment, or what is left of one.

    link: its host end, or None.  routed, masqueraded: packed addresses.  backends: what masquerades.
    guarded: the packed addresses it may send from, None if it is not kept from spoofing.  leases: its lease files.
    ports: those of the host that lead to it.
    contested: whether another has a lease for its address as well, which the host routes: it may be alive.
    wrong: in words.
    """

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment
        self.link: Link | None = None
        self.routed: list[bytes] = []
        self.masqueraded: list[bytes] = []
        self.backends: set[str] = set()
        self.guarded: list[bytes] | None = None
        self.leases: list[LeaseFile] = []
        self.ports: list[Port] = []
        self.contested = False
        self.wrong: list[str] = []

    def is_named(self) -> bool:
        """Return whether its owner is known: of a long identity the interface may give no more than a hash."""
        return self.link is None or not self.is_ours() or self.link.alias == self.attachment.alias()

    def is_ours(self) -> bool:
        """Return whether this plugin made its host end; the Go plugin gives no alias."""
        return self.link is None or _is_ours(self.link)

    def addresses(self) -> list[bytes]:
        """Return all addresses that it has anywhere, IPv4 first."""
        every = {*self.routed, *self.masqueraded, *[lease.address for lease in self.leases]}
        return sorted(every, key=lambda a: (len(a), a))


class Inventory:
    """The host's attachments.  found: by (network, container, ifname).  networks: our configured ones, by name.

    blind: why not all of it can be seen, "" if it can: a firewall that cannot be read looks like one without rules.
    """

    def __init__(self, conf_dir: str = conflist.DIRECTORY, data_dir: str = DATA_DIR) -> None:
        self.blind = "; ".join(status.missing_capabilities())
        self.networks = configured(conf_dir)
        self.data_dirs = sorted({data_dir, *[n.data_dir() for n in self.networks.values() if n.has_leases()]})
        self.found: dict[tuple[str, str, str], Found] = {}
        masquerading = Masquerading()
        for owner in masquerading.ours:
            if owner is not None:
                self._of(owner)
        others = self._links()
        self._leases(others)
        guarded, mapped = _guarded(), ports()
        for found in self.found.values():
            by = masquerading.of(found.attachment, found.addresses())
            found.masqueraded, found.backends = sorted(by, key=lambda a: (len(a), a)), set(by.values())
            found.guarded = guarded.get(found.link.name) if found.link is not None else None
            found.ports = mapped.get(found.attachment, [])
            found.wrong = self._wrong(found)

    def _of(self, attachment: Attachment) -> Found:
        return self.found.setdefault(attachment.identity(), Found(attachment))

    def attachments(self) -> list[Found]:
        """Return all, in the order of network, container and interface."""
        return [self.found[key] for key in sorted(self.found)]

    def _links(self) -> dict[bytes, Link]:
        """Find our host ends and what is routed over them.

        Return the other veths, by the addresses routed over them.
        """
        with Socket(NETLINK_ROUTE) as sock:
            veths = iproute.veths(sock)
            routes = [r for family in _FAMILIES for r in iproute.routes(sock, family)] if veths else []
        ours, others = {}, {}
        for link in veths:
            if _is_ours(link):
                found = ours[link.ifindex] = self._of(self._owner(link))
                found.link = link
            elif not is_anothers(link) and not link.master:
                others[link.ifindex] = link
        routed = {}
        for route in routes:
            if route.length == bits(route.dst):
                if route.ifindex in ours:
                    ours[route.ifindex].routed.append(route.dst)
                elif route.ifindex in others:
                    routed[route.dst] = others[route.ifindex]
        return routed

    def _owner(self, link: Link) -> Attachment:
        attachment = parse_alias(link.alias)
        if attachment is not None:
            return attachment
        # A long identity stands there as a hash: whoever has a lease or is masqueraded may be it.
        _, network, mark = (link.alias + "  ").split(" ")[:3]
        for found in self.found.values():
            if found.attachment.alias() == link.alias:
                return found.attachment
        for data_dir in self.data_dirs:
            for lease in self._leases_of(data_dir, network):
                candidate = Attachment(*lease.identity())
                if candidate.alias() == link.alias:
                    return candidate
        return Attachment(network, mark, "?")

    def _leases(self, others: dict[bytes, Link]) -> None:
        """Read the leases of our networks only: a network that a bridge serves has its leases in the same place.

        others: see _links.  A veth over which the host routes to a leased address is what the Go plugin attached,
        unless two leases give the address away.
        """
        ours = set(self.networks) | {key[0] for key in self.found}
        leases = [
            lease
            for data_dir in self.data_dirs
            for network in lease_files.networks(data_dir)
            for lease in self._leases_of(data_dir, network)
        ]
        owners = Counter(lease.address for lease in leases)
        for lease in leases:
            if lease.ifname and lease.network in ours:
                found = self._of(Attachment(*lease.identity()))
                found.leases.append(lease)
                link = others.get(lease.address)
                if link is not None and owners[lease.address] > 1:
                    found.contested, link = True, None
                if link is not None and found.link in (None, link):
                    found.link = link
                    found.routed.append(lease.address)

    def _leases_of(self, data_dir: str, network: str) -> list[LeaseFile]:
        try:
            return lease_files.of_network(data_dir, network)
        except OSError:
            return []

    def _wrong(self, found: Found) -> list[str]:
        link = found.link
        if link is None:
            if found.contested:
                return ["two leases give its address away, and the host routes that to a link without an owner's name"]
            left = [word for word, there in (("lease", found.leases), ("masquerading", found.masqueraded)) if there]
            return [f"no interface, only its {' and '.join(left)}: ptp gc removes it"]
        words = [] if link.up else ["the host end is down"]
        if link.up and not link.carrier:
            words.append("the container end is down")
        routed = set(found.routed)
        words += [f"the host has no route to {text_of(a)}" for a in found.addresses() if a not in routed]
        words += [] if routed else ["the host has no route to it"] if not found.addresses() else []
        words += self._against_configuration(found)
        for size, family in _FAMILY_NAMES.items():
            off = sysctl.does_not_forward(size, link.name) if any(len(a) == size for a in routed) else ""
            if off:
                of_link = f" that comes in by {link.name}" if off != sysctl.FORWARDING[size] else ""
                words.append(f"the host does not forward {family}{of_link}")
        return words

    def _against_configuration(self, found: Found) -> list[str]:
        network = self.networks.get(found.attachment.network)
        words = []
        if network is not None and network.has_leases():
            leased = {lease.address for lease in found.leases}
            words += [f"no lease for {text_of(a)}" for a in found.routed if a not in leased]
        if network is not None:
            expected = [a for a in found.routed if network.masquerades(a)]
            words += [f"{text_of(a)} is not masqueraded" for a in expected if a not in found.masqueraded]
        if found.guarded is not None:
            words += [f"packets from {text_of(a)} are dropped" for a in found.routed if a not in found.guarded]
        elif network is not None and network.guards() and found.is_ours():
            words.append("nothing keeps it from spoofing")
        return words


def _is_ours(link: Link) -> bool:
    return link.alias.startswith(ALIAS_PREFIX + " ")


def _guarded() -> dict[str, list[bytes]]:
    try:
        return antispoof.guarded()
    except (CniError, NetlinkError):
        return {}


def inventory(conf_dir: str, data_dir: str) -> Inventory:
    """Return the host's attachments, wholly seen; else raise CniError 100."""
    seen = Inventory(conf_dir, data_dir)
    if seen.blind:
        raise CniError(KERNEL_REFUSED, "look at this host's attachments", f"{seen.blind}: run it as root")
    return seen


def configured(directory: str) -> dict[str, Network]:
    """Return the networks whose configurations name us, by name; what cannot be read is passed over."""
    networks: dict[str, Network] = {}
    for path in conflist.files(directory):
        try:
            conf = conflist.read(path)
        except (OSError, ValueError):
            continue
        name = conf.get("name")
        for plugin in conflist.plugins_of(conf):
            if plugin.get("type") == "ptp" and isinstance(name, str) and name and "/" not in name:
                networks.setdefault(name, Network(name, os.path.abspath(path), plugin))
    return networks
