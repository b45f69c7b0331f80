"""Our nf_tables table made whole: on the first ADD of a host, for a new prefix length, and after `nft flush table`."""

from __future__ import annotations

from . import errnos
from .errors import NetlinkError
from .ip import version_of
from .netlink import nft, nft_dump
from .nft_names import has_own_set
from .nft_ruleset import own_set_length, skeleton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .netlink.sock import Socket
    from .nlmsg import Request


def mending(sock: Socket, table: str, versions: tuple[int, ...], addresses: dict[bytes, int]) -> list[Request]:
    """What to send for the table to be whole, with the sets that {address: prefix length} need; elements stay."""
    lengths: dict[int, set[int]] = {version: set() for version in versions}
    for addr, length in addresses.items():
        if version_of(addr) in lengths and has_own_set(addr, length):
            lengths[version_of(addr)].add(length)
    for version, found in _own_sets(sock, table, versions):
        lengths[version].add(found)
    return skeleton(table, versions, lengths)


def _own_sets(sock: Socket, table: str, versions: tuple[int, ...]) -> list[tuple[int, int]]:
    """(IP version, prefix length) of each own set that the table has."""
    try:
        replies = sock.dump(nft_dump.dump_sets(table)).read()
    except NetlinkError as e:
        if e.errno != errnos.ENOENT:
            raise
        replies = []
    _, _, table_name = table.partition(" ")
    found = []
    for _, attrs in replies:
        # Kernels before 5.18 ignore the table in the request and list the sets of every table.
        if attrs.get(nft.NFTA_SET_TABLE) == table_name:
            for version in versions:
                length = own_set_length(attrs.get(nft.NFTA_SET_NAME, ""), version)
                if length is not None:
                    found.append((version, length))
    return found
