"""All attachments of a host, put together from what the kernel, nf_tables, the leases and the configurations say.

Nothing is locked and nothing changed; a container that comes or goes meanwhile may be seen by half.
"""

from __future__ import annotations

import os
from collections import Counter

from ..base.errors import KERNEL_REFUSED, CniError, NetlinkError
from ..base.ip import bits, parse_cidr
from ..cni.attachment import ALIAS_PREFIX, Attachment, parse_alias
from ..commands import status
from ..firewall import antispoof
from ..firewall.portmap_list import ports
from ..ipam.data_dir import DATA_DIR
from ..netlink.rt_link import Link
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..veth.mark import is_anothers
from . import conflist, iproute, lease_files
from .lease_files import LeaseFile
from .masquerading import Masquerading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..base.ip import Prefix
    from ..firewall.portmap_list import Port
    from .result_cache import Remembered

_FAMILIES = (iproute.AF_INET, iproute.AF_INET6)


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

    def sizes(self) -> set[int]:
        """Return the sizes (bytes) of its addresses, as far as they can be read."""
        ipam = self.conf.get("ipam")
        addresses = ipam.get("addresses") if isinstance(ipam, dict) else None
        texts = [str(a.get("address")) for a in addresses if isinstance(a, dict)] if isinstance(addresses, list) else []
        return {16 if ":" in text else 4 for text in texts} | {len(subnet) for subnet, _ in self.subnets()}


class Found:
    """One attachment, or what is left of one.

    link: its host end, or None.  routed, masqueraded: packed addresses.  backends: what masquerades.
    guarded: the packed addresses it may send from, None if it is not kept from spoofing.  leases: its lease files.
    ports: those of the host that lead to it.
    contested: whether another has a lease for its address as well, which the host routes: it may be alive.
    remembered: its call, once it was compared or a runtime remembers it.  wrong: each difference in words.
    unseen: why it could not be compared, "" if it was.
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
        self.remembered: Remembered | None = None
        self.wrong: list[str] = []
        self.unseen = ""

    def is_named(self) -> bool:
        """Return whether its owner is known: of a long identity the interface may give no more than a hash."""
        return self.link is None or not self.is_ours() or self.link.alias == self.attachment.alias()

    def is_ours(self) -> bool:
        """Return whether this plugin made its host end; the Go plugin gives no alias."""
        return self.link is None or _is_ours(self.link)

    def pod(self) -> str:
        """Return "NAMESPACE/NAME" if the runtime remembers a pod of Kubernetes, else ""."""
        return self.remembered.pod if self.remembered is not None else ""

    def remains(self) -> str:
        """Return what the host has of it but an interface, in words."""
        parts = (("lease", self.leases), ("masquerading", self.masqueraded), ("port mappings", self.ports))
        return " and ".join([word for word, there in parts if there])

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

    def add(self, attachment: Attachment) -> Found:
        """Return the attachment, which is added if the host has nothing of it."""
        return self._of(attachment)

    def rename(self, found: Found, attachment: Attachment) -> None:
        """Give an attachment that was known by a hash its name."""
        del self.found[found.attachment.identity()]
        found.attachment = attachment
        self.found[attachment.identity()] = found

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


def _is_ours(link: Link) -> bool:
    return link.alias.startswith(ALIAS_PREFIX + " ")


def _guarded() -> dict[str, list[bytes]]:
    try:
        return antispoof.guarded()
    except (CniError, NetlinkError):
        return {}


def places(parser: argparse.ArgumentParser) -> None:
    """Declare the options for where configurations and leases are looked for."""
    help_conf = f"network configurations ({conflist.DIRECTORY})"
    parser.add_argument("--conf-dir", metavar="DIR", default=conflist.DIRECTORY, help=help_conf)
    help_data = f"leases, besides where configurations say ({DATA_DIR})"
    parser.add_argument("--data-dir", metavar="DIR", default=DATA_DIR, help=help_data)


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
