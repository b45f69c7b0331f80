"""All attachments of a host, put together from what the kernel, nf_tables, the leases and the configurations say.

Nothing is locked and nothing changed; a container that comes or goes meanwhile may be seen by half.
"""

from __future__ import annotations

import os

from .. import masquerade, sysctl
from ..attachment import ALIAS_PREFIX, Attachment, parse_alias
from ..ip import bits, parse_cidr, text_of
from ..ipam.settings import DATA_DIR
from ..netlink.rt_link import Link, dump_veths
from ..netlink.sock import NETLINK_ROUTE, Socket
from . import conflist, iproute, lease_files
from .lease_files import LeaseFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IFF_LOWER_UP = 1 << 16
_FORWARDING = {4: ("IPv4", "ipv4/ip_forward"), 16: ("IPv6", "ipv6/conf/all/forwarding")}


class Network:
    """What a configuration says of one of our networks.  path: of its file.  conf: the plugin's own object."""

    __slots__ = ("name", "path", "conf")

    def __init__(self, name: str, path: str, conf: dict[str, Any]) -> None:
        self.name = name
        self.path = path
        self.conf = conf

    def data_dir(self) -> str:
        """Where its leases are."""
        ipam = self.conf.get("ipam")
        found = ipam.get("datadir") if isinstance(ipam, dict) else None
        return found if isinstance(found, str) and found else DATA_DIR

    def has_leases(self) -> bool:
        """Whether its addresses come from host-local."""
        ipam = self.conf.get("ipam")
        return isinstance(ipam, dict) and ipam.get("type") == "host-local"

    def subnets(self) -> list[tuple[bytes, int]]:
        """(packed address, prefix length) of each subnet its addresses come from, as far as they can be read."""
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

    def masquerades_by_nf_tables(self) -> bool:
        """Whether each address must be in our table."""
        return self.conf.get("ipmasq") is True and self.conf.get("ipmasqbackend", "") in ("", "nftables")


class Found:
    """One attachment, or what is left of one.

    link: its host end, or None.  routed, masqueraded: packed addresses.  leases: its lease files.  wrong: in words.
    """

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment
        self.link: Link | None = None
        self.routed: list[bytes] = []
        self.masqueraded: list[bytes] = []
        self.leases: list[LeaseFile] = []
        self.wrong: list[str] = []

    def is_named(self) -> bool:
        """Whether it is known whose it is: of a long identity the interface may tell no more than a hash."""
        return self.link is None or self.link.alias == self.attachment.alias()

    def addresses(self) -> list[bytes]:
        """All that it has anywhere, IPv4 first."""
        every = {*self.routed, *self.masqueraded, *[lease.address for lease in self.leases]}
        return sorted(every, key=lambda a: (len(a), a))


class Survey:
    """The host's attachments.  found: by (network, container, ifname).  networks: our configured ones, by name."""

    def __init__(self, conf_dir: str = conflist.DIRECTORY, data_dir: str = DATA_DIR) -> None:
        self.networks = configured(conf_dir)
        self.data_dirs = sorted({data_dir, *[n.data_dir() for n in self.networks.values() if n.has_leases()]})
        self.found: dict[tuple[str, str, str], Found] = {}
        self.strangers: list[bytes] = []
        for owner, address in masquerade.owners():
            if owner is None:
                self.strangers.append(address)
            else:
                self._of(owner).masqueraded.append(address)
        self._links()
        self._leases()
        for found in self.found.values():
            found.wrong = self._wrong(found)

    def _of(self, attachment: Attachment) -> Found:
        return self.found.setdefault(attachment.key(), Found(attachment))

    def attachments(self) -> list[Found]:
        """All, in the order of network, container and interface."""
        return [self.found[key] for key in sorted(self.found)]

    def _links(self) -> None:
        with Socket(NETLINK_ROUTE) as sock:
            links = {}
            for reply in sock.dump(dump_veths()).read():
                link = Link(reply)
                if link.kind == "veth" and link.alias.startswith(ALIAS_PREFIX + " "):
                    found = self._of(self._owner(link))
                    found.link = link
                    links[link.ifindex] = found
                    if link.up and not reply[0][3] & _IFF_LOWER_UP:
                        found.wrong.append("no carrier")
            for family in (iproute.AF_INET, iproute.AF_INET6):
                for route in iproute.routes(sock, family) if links else ():
                    if route.ifindex in links and route.length == bits(route.dst):
                        links[route.ifindex].routed.append(route.dst)

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
                candidate = Attachment(*lease.key())
                if candidate.alias() == link.alias:
                    return candidate
        return Attachment(network, mark, "?")

    def _leases(self) -> None:
        """Of our networks only: a network that a bridge serves has its leases in the same place."""
        ours = set(self.networks) | {key[0] for key in self.found}
        for data_dir in self.data_dirs:
            for network in lease_files.networks(data_dir):
                for lease in self._leases_of(data_dir, network) if network in ours else ():
                    if lease.ifname:
                        self._of(Attachment(*lease.key())).leases.append(lease)

    def _leases_of(self, data_dir: str, network: str) -> list[LeaseFile]:
        try:
            return lease_files.of_network(data_dir, network)
        except OSError:
            return []

    def _wrong(self, found: Found) -> list[str]:
        link = found.link
        if link is None:
            left = [word for word, there in (("lease", found.leases), ("masquerading", found.masqueraded)) if there]
            return [f"no interface, only its {' and '.join(left)}: ptp gc removes it"]
        words = [] if link.up else ["the host end is down"]
        if "no carrier" in found.wrong:
            words.append("the container end is down")
        routed = set(found.routed)
        words += [f"the host has no route to {text_of(a)}" for a in found.addresses() if a not in routed]
        words += [] if routed else ["the host has no route to it"] if not found.addresses() else []
        words += self._against_configuration(found)
        for size, (family, name) in _FORWARDING.items():
            if any(len(a) == size for a in routed) and sysctl.read(name) == "0":
                words.append(f"the host does not forward {family}")
        return words

    def _against_configuration(self, found: Found) -> list[str]:
        network = self.networks.get(found.attachment.network)
        words = []
        if network is not None and network.has_leases():
            leased = {lease.address for lease in found.leases}
            words += [f"no lease for {text_of(a)}" for a in found.routed if a not in leased]
        if network is not None and network.masquerades_by_nf_tables():
            words += [f"{text_of(a)} is not masqueraded" for a in found.routed if a not in found.masqueraded]
        return words


def configured(directory: str) -> dict[str, Network]:
    """The networks whose configurations name us, by name; what can not be read is passed over."""
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
