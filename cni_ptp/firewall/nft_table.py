"""What is where in nf_tables: our tables, the sets and elements in them and how each says whose it is; others' chains.

What our table for masquerading consists of, and why, stands in nft_ruleset, whose an element is in owner_mark.  Pure.
"""

from __future__ import annotations

from ..base.ip import bits, network_of, version_of
from ..cni.attachment import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    Layout = tuple[tuple[str, tuple[int, ...]], ...]
    Element = tuple[str, str, bytes, str]  # table, set, key, comment

NAME = "cni_ptp"
POSTROUTING = "postrouting"
# Behind srcnat (100) and what firewalls put close to it: the first chain that translates a connection decides.
PRIORITY = 150

# Each table with the IP versions it serves.  Kernels before 5.2 have NAT only in the tables of one family.
INET = (("inet " + NAME, (4, 6)),)
SPLIT = (("ip " + NAME, (4,)), ("ip6 " + NAME, (6,)))
LAYOUTS = (INET, SPLIT)

# Of "antiSpoof".
GUARD, GUARD_ARP = "inet cni_ptp_antispoof", "arp cni_ptp_antispoof"

# Of port mappings.
PORTMAP = "inet cni_ptp_portmap"

# Where iptables-nft and the Go plugin keep what they make for a container.
IPTABLES_NAT = {4: "ip nat", 6: "ip6 nat"}
GO_TABLE, GO_CHAIN = "inet cni_plugins_masquerade", "masq_checks"


def foreign_chains(attachment: Attachment) -> list[tuple[str, str]]:
    """Return (table, chain) of each chain in which iptables-nft and the Go plugin keep what is the attachment's."""
    chain = attachment.go_chain()
    return [(IPTABLES_NAT[4], chain), (IPTABLES_NAT[6], chain), (GO_TABLE, GO_CHAIN)]


def masq_set(version: int) -> str:
    """Return the name of the set of all masqueraded addresses of an IP version."""
    return f"masq{version}"


def operators_set(version: int) -> str:
    """Return the name of the set of destinations that are not masqueraded, which is the operator's to fill."""
    return f"nonmasquerade{version}"


def subnet_set(version: int, length: int) -> str:
    """Return the name of the set of (address, its subnet) for the addresses whose subnet has this prefix length."""
    return f"own{version}_{length}"


def has_subnet_set(addr: bytes, length: int) -> bool:
    """Return whether the subnet holds more than the address; what a container sends to itself never leaves it."""
    return length < bits(addr)


def masquerade_chain(version: int) -> str:
    """Return the name of the chain that decides by the destination."""
    return f"masquerade{version}"


def variant_chain(version: int, variant: str) -> str:
    """Return the name of the chain that translates what the addresses of a variant send."""
    return f"{masquerade_chain(version)}_{variant}"


def variant_set(version: int, variant: str) -> str:
    """Return the name of the set of the addresses of a variant (masquerade_options)."""
    return f"{masq_set(version)}_{variant}"


def variant_spared_set(version: int, variant: str) -> str:
    """Return the name of the set of the destinations that a variant spares."""
    return f"{operators_set(version)}_{variant}"


def own_key(addr: bytes, length: int) -> bytes:
    """Return the key of an address in its own set."""
    return addr + network_of(addr, length)


def table_of(layout: Layout, version: int) -> str:
    """Return the table of the layout that serves an IP version."""
    for table, versions in layout:
        if version in versions:
            return table
    raise ValueError(f"no table for IP version {version}")


def element_places(addr: bytes, length: int, variant: str = "") -> list[tuple[str, bytes]]:
    """Return (set, key) of each element that an address of a subnet has."""
    version = version_of(addr)
    places = [(masq_set(version), addr)]
    if has_subnet_set(addr, length):
        places.append((subnet_set(version, length), own_key(addr, length)))
    if variant:
        places.append((variant_set(version, variant), addr))
    return places
