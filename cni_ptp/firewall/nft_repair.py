"""Our nf_tables table made whole: on the first ADD of a host, for a new prefix length, and after `nft flush table`."""

from __future__ import annotations

from ..base import errnos
from ..base.errors import NetlinkError
from ..base.ip import version_of
from ..netlink import nft, nft_define, nft_dump, nft_rule
from .nft_ruleset import subnet_set_length, table_requests
from .nft_table import POSTROUTING, has_subnet_set, masq_set, operators_set, variant_spared_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.masquerade_options import Variant
    from ..netlink.sock import Socket
    from ..nlmsg import Request

_EARLY = (nft_define.NF_INET_POST_ROUTING, nft_define.NF_IP_PRI_NAT_SRC)


def repair_requests(
    sock: Socket,
    table: str,
    versions: tuple[int, ...],
    addresses: dict[bytes, int],
    wanted: list[Variant],
    unwanted: tuple[Variant, ...] = (),
) -> list[Request]:
    """Return what makes the table whole, with the sets that {address: prefix length} need; elements stay.

    wanted: variants that it is to have besides those that it has.  unwanted: those that nothing is to lead to.
    """
    lengths: dict[int, set[int]] = {version: set() for version in versions}
    for addr, length in addresses.items():
        if version_of(addr) in lengths and has_subnet_set(addr, length):
            lengths[version_of(addr)].add(length)
    there = sets_of(sock, table)
    for version in versions:
        lengths[version].update(n for n in [subnet_set_length(name, version) for name in there] if n is not None)
    operators = tuple([version for version in versions if operators_set(version) in there])
    variants = _variants(versions, there, [v for v in wanted if v.version in versions], unwanted)
    requests = _early_chain_deleted(sock, table) + table_requests(table, versions, lengths, operators, variants)
    for variant in wanted:
        if variant.version in versions and variant.networks:
            requests += _networks(table, variant)
    return requests


def _networks(table: str, variant: Variant) -> list[Request]:
    """Return what fills the set of the spared destinations, which is there."""
    from ..netlink.nft_interval import add_bounds, bounds, flush_set

    name = variant_spared_set(variant.version, variant.name)
    return [flush_set(table, name), *add_bounds(table, name, bounds(variant.networks))]


def _variants(
    versions: tuple[int, ...], there: dict[str, str], wanted: list[Variant], unwanted: tuple[Variant, ...]
) -> tuple[Variant, ...]:
    """Return the variants that the table is to have, of which most tables have none."""
    if not wanted and not any(name.startswith(f"{masq_set(v)}_") for v in versions for name in there):
        return ()
    from .nft_variant import listed

    names = {variant.name for variant in (*wanted, *unwanted)}
    others = [variant for version in versions for variant in listed(version, there) if variant.name not in names]
    return (*others, *wanted)


def _early_chain_deleted(sock: Socket, table: str) -> list[Request]:
    """Return what deletes the base chain as version 1.0.0 made it, at srcnat; the kernel moves no chain.

    A connection that is being made meets the old one or the new one, for both change at once.
    """
    answer = sock.ask(nft_define.get_whole_chain(table, POSTROUTING))[0]
    if not nft.exists(answer):
        return []
    found = answer.one()[1]
    hook = found.get(nft.NFTA_CHAIN_HOOK, {})
    place = (hook.get(nft.NFTA_HOOK_HOOKNUM), hook.get(nft.NFTA_HOOK_PRIORITY))
    if found.get(nft_define.NFTA_CHAIN_TYPE) != "nat" or place != _EARLY:
        return []
    return [nft_rule.flush_chain(table, POSTROUTING), nft_define.delete_chain(table, POSTROUTING)]


def sets_of(sock: Socket, table: str) -> dict[str, str]:
    """Return {name: comment} of the table's sets."""
    try:
        replies = sock.dump(nft_dump.dump_sets(table)).read()
    except NetlinkError as e:
        if e.errno != errnos.ENOENT:
            raise
        replies = []
    return nft_dump.read_sets(replies, table)
