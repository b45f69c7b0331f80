"""Our nf_tables table made whole: on the first ADD of a host, for a new prefix length, and after `nft flush table`."""

from __future__ import annotations

from . import errnos
from .errors import NetlinkError
from .ip import version_of
from .netlink import nft, nft_define, nft_dump, nft_rule
from .nft_names import POSTROUTING, has_own_set, operators_set
from .nft_ruleset import own_set_length, skeleton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .netlink.sock import Socket
    from .nlmsg import Request

_EARLY = (nft_define.NF_INET_POST_ROUTING, nft_define.NF_IP_PRI_NAT_SRC)


def mending(sock: Socket, table: str, versions: tuple[int, ...], addresses: dict[bytes, int]) -> list[Request]:
    """What to send for the table to be whole, with the sets that {address: prefix length} need; elements stay."""
    lengths: dict[int, set[int]] = {version: set() for version in versions}
    for addr, length in addresses.items():
        if version_of(addr) in lengths and has_own_set(addr, length):
            lengths[version_of(addr)].add(length)
    there = _sets(sock, table)
    for version in versions:
        lengths[version].update(n for n in [own_set_length(name, version) for name in there] if n is not None)
    operators = tuple([version for version in versions if operators_set(version) in there])
    return _early_chain_deleted(sock, table) + skeleton(table, versions, lengths, operators)


def _early_chain_deleted(sock: Socket, table: str) -> list[Request]:
    """Return what deletes the base chain as version 1.0.0 made it, at srcnat; the kernel moves no chain.

    A connection that is being made meets the old one or the new one, for both change at once.
    """
    answer = sock.ask(nft_define.get_whole_chain(table, POSTROUTING))[0]
    if not nft.is_there(answer):
        return []
    found = answer.one()[1]
    hook = found.get(nft.NFTA_CHAIN_HOOK, {})
    place = (hook.get(nft.NFTA_HOOK_HOOKNUM), hook.get(nft.NFTA_HOOK_PRIORITY))
    if found.get(nft_define.NFTA_CHAIN_TYPE) != "nat" or place != _EARLY:
        return []
    return [nft_rule.flush_chain(table, POSTROUTING), nft_define.delete_chain(table, POSTROUTING)]


def _sets(sock: Socket, table: str) -> list[str]:
    """Return the names of the table's sets."""
    try:
        replies = sock.dump(nft_dump.dump_sets(table)).read()
    except NetlinkError as e:
        if e.errno != errnos.ENOENT:
            raise
        replies = []
    _, _, table_name = table.partition(" ")
    # Kernels before 5.18 ignore the table in the request and list the sets of every table.
    listed = [attrs for _, attrs in replies if attrs.get(nft.NFTA_SET_TABLE) == table_name]
    return [attrs.get(nft.NFTA_SET_NAME, "") for attrs in listed]
