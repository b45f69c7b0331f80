"""What is where in nf_tables: our tables, the sets and elements in them and how each says whose it is; others' chains.

What our table for masquerading consists of, and why, stands in nft_ruleset.  Pure.
"""

from __future__ import annotations

from .attachment import Attachment, digest, go_network_hash
from .ip import bits, network_of, version_of
from .netlink import nft
from .netlink.nft import NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, TableName

TYPE_CHECKING = False
if TYPE_CHECKING:
    Layout = tuple[tuple[TableName, tuple[int, ...]], ...]

NAME = "cni_ptp"
POSTROUTING = "postrouting"

# Each table with the IP versions it serves.  Kernels before 5.2 have NAT only in the tables of one family.
INET = ((TableName(NFPROTO_INET, NAME), (4, 6)),)
SPLIT = ((TableName(NFPROTO_IPV4, NAME), (4,)), (TableName(NFPROTO_IPV6, NAME), (6,)))
LAYOUTS = (INET, SPLIT)
_BITS = {4: 32, 6: 128}

# Of "antiSpoof".
GUARD = TableName(NFPROTO_INET, "cni_ptp_antispoof")

# Where iptables-nft and the Go plugin keep what they make for a container.
IPTABLES_NAT = {4: TableName(NFPROTO_IPV4, "nat"), 6: TableName(NFPROTO_IPV6, "nat")}
GO_TABLE, GO_CHAIN = TableName(NFPROTO_INET, "cni_plugins_masquerade"), "masq_checks"


def masq_set(version: int) -> str:
    """The set of all masqueraded addresses of an IP version."""
    return f"masq{version}"


def own_set(version: int, length: int) -> str:
    """The set of (address, its subnet) for the addresses whose subnet has this prefix length."""
    return f"own{version}_{length}"


def own_set_length(name: str, version: int) -> int | None:
    """The prefix length in the name of an own set; None if the name is not of one."""
    text = name[len(f"own{version}_") :]
    if not name.startswith(f"own{version}_") or not text.isdigit() or int(text) >= _BITS[version]:
        return None
    return int(text)


def has_own_set(addr: bytes, length: int) -> bool:
    """Whether the subnet holds more than the address itself; what a container sends to itself never leaves it."""
    return length < bits(addr)


def own_key(addr: bytes, length: int) -> bytes:
    """The key of an address in its own set."""
    return addr + network_of(addr, length)


def table_of(layout: Layout, version: int) -> TableName:
    """The table of the layout that serves an IP version."""
    for table, versions in layout:
        if version in versions:
            return table
    raise ValueError(f"no table for IP version {version}")


# --- whose an element is --------------------------------------------------------------------------------------------


def element_comment(attachment: Attachment, length: int, count: int) -> str:
    """The owner in clear, the prefix length, and how many addresses the attachment has if it has several.

    Hashes stand for an owner that is too long or has characters that nft would not take back.
    """
    tail = f"/{length} of {count}" if count > 1 else f"/{length}"
    text = f"{attachment.owner()} {tail}"
    if len(text) <= nft.MOST_COMMENT and text.isascii() and text.isprintable() and '"' not in text:
        return text
    return f"#{go_network_hash(attachment.network)} #{digest(attachment.owner())[:64]} {tail}"


def owner_marks(attachment: Attachment) -> tuple[str, str]:
    """How the comment of an element begins if the attachment owns it: in clear, or by its hashes."""
    hashes = f"#{go_network_hash(attachment.network)} #{digest(attachment.owner())[:64]}"
    return f"{attachment.owner()} /", f"{hashes} /"


def network_marks(network: str) -> tuple[str, str]:
    """How the comment of an element begins if it belongs to the network."""
    return f"{network} ", f"#{go_network_hash(network)} "


def parse_comment(comment: str) -> tuple[Attachment | None, int, int]:
    """(owner, prefix length, count of the owner's addresses) of an element's comment; the owner is None if hashed.

    ValueError if it is not one of ours.
    """
    owner, slash, tail = comment.rpartition(" /")
    length, _, count = tail.partition(" of ")
    parts = owner.split(" ")
    if not slash or len(parts) not in (2, 3):
        raise ValueError(f"not the comment of an element of {NAME}: {comment}")
    attachment = Attachment(parts[0], parts[1], parts[2]) if len(parts) == 3 else None
    return attachment, int(length), int(count or "1")


def element_places(addr: bytes, length: int) -> list[tuple[str, bytes]]:
    """(set, key) of each element that an address of a subnet has."""
    version = version_of(addr)
    places = [(masq_set(version), addr)]
    if has_own_set(addr, length):
        places.append((own_set(version, length), own_key(addr, length)))
    return places
