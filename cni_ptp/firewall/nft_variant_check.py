"""The variants of our nf_tables table looked after: what CHECK and GC do about masquerading with options."""

from __future__ import annotations

from ..netlink.nft import get_generation
from ..netlink.nft_define import delete_chain
from ..netlink.nft_dump import dump_bounds, dump_elements, read_bounds, read_elements
from ..netlink.nft_interval import bounds, delete_set
from ..netlink.nft_rule import flush_chain
from .nft_repair import repair_requests, sets_of
from .nft_ruleset import variant_rules
from .nft_table import table_of, variant_chain, variant_set, variant_spared_set
from .nft_transaction import commit, generation, retry
from .nft_variant import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.masquerade_options import Variant
    from ..netlink.sock import Socket
    from ..nlmsg import Request
    from .nft_table import Layout


def differences(
    sock: Socket,
    layout: Layout,
    variants: list[Variant],
    lacks: Callable[[Socket, str, str, list[list[bytes]]], list[str]],
) -> list[str]:
    """Return what is missing of the variants but for their addresses, in words.

    lacks: tells, in words, that a chain of a table lacks one of some rules.
    """
    words = []
    for variant in variants:
        table = table_of(layout, variant.version)
        words += lacks(sock, table, variant_chain(variant.version, variant.name), variant_rules(table, variant, {}))
        name = variant_spared_set(variant.version, variant.name)
        if variant.networks and _bounds(sock, table, name) != bounds(variant.networks):
            words.append(f"nf_tables set {table} {name} has not the networks of nonMasqueradeCIDRs")
    return words


def _bounds(sock: Socket, table: str, name: str) -> list[tuple[bytes, bool]]:
    """Return the bounds in a set, ascending, without the end at zero that nft puts before the first interval."""
    if name not in sets_of(sock, table):
        return []
    found = read_bounds(sock.dump(dump_bounds(table, name)).read())
    ascending = sorted(found, key=lambda bound: (bound[0], not bound[1]))
    return [(key, is_end) for key, is_end in ascending if any(key) or not is_end]


def collect(sock: Socket, table: str, versions: tuple[int, ...]) -> None:
    """Delete the variants that no address has any more."""

    def attempt() -> None:
        genid = generation(sock.ask(get_generation())[0])
        there = sets_of(sock, table)
        variants = [variant for version in versions for variant in listed(version, there)]
        unused = tuple([variant for variant in variants if not _has_addresses(sock, table, variant)])
        if unused:
            changes = repair_requests(sock, table, versions, {}, [], unused)
            for variant in unused:
                changes += _deletion(table, variant)
            commit(sock, changes, genid)

    retry(f"delete what nobody uses of table {table}", attempt)


def _has_addresses(sock: Socket, table: str, variant: Variant) -> bool:
    replies = sock.dump(dump_elements(table, variant_set(variant.version, variant.name))).read()
    return any(read_elements(reply) for reply in replies)


def _deletion(table: str, variant: Variant) -> list[Request]:
    """Return what deletes a variant that nothing leads to."""
    chain = variant_chain(variant.version, variant.name)
    requests = [flush_chain(table, chain), delete_chain(table, chain)]
    requests.append(delete_set(table, variant_set(variant.version, variant.name)))
    if variant.spares:
        requests.append(delete_set(table, variant_spared_set(variant.version, variant.name)))
    return requests
