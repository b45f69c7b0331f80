"""Masquerading by nf_tables with options: what ADD asks about a variant, and which variants our table has.  Pure.

What they consist of stands in nft_ruleset.
"""

from __future__ import annotations

from ..base.ip import parse_ip
from ..cni.masquerade_options import MASQUERADE, NAME_DIGITS, RANDOM_FULLY, SNAT, Variant
from ..netlink.nft import NFTA_CHAIN_USE, exists, get_chain, get_element
from .nft_table import masq_set, table_of, variant_chain, variant_spared_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..netlink.exchange import Answer
    from ..nlmsg import Request
    from .nft_table import Layout


def questions(layout: Layout, variants: list[Variant]) -> list[Request]:
    """Return what to ask about the variants, for `is_whole`: the chain, and the first of the spared destinations."""
    asked = []
    for variant in variants:
        table = table_of(layout, variant.version)
        asked.append(get_chain(table, variant_chain(variant.version, variant.name)))
        if variant.networks:
            name = variant_spared_set(variant.version, variant.name)
            asked.append(get_element(table, name, variant.networks[0][0]))
    return asked


def is_whole(variants: list[Variant], answers: Iterator[Answer]) -> bool:
    """Return whether the table has all that the variants need, but for the sets of their addresses."""
    whole = True
    for variant in variants:
        answer = next(answers)
        # Its own rules, and the one that leads to it.
        uses = 2 + bool(variant.networks)
        whole = exists(answer) and answer.one()[1].get(NFTA_CHAIN_USE, 0) >= uses and whole
        whole = (not variant.networks or exists(next(answers))) and whole
    return whole


def listed(version: int, sets: dict[str, str]) -> list[Variant]:
    """Return the variants that a table has, by its sets: {name: comment}."""
    found = []
    prefix = masq_set(version) + "_"
    for name, comment in sorted(sets.items()):
        variant = name[len(prefix) :]
        if name.startswith(prefix) and len(variant) == NAME_DIGITS:
            source, random_fully = _read_statement(comment)
            spares = variant_spared_set(version, variant) in sets
            found.append(Variant(version, source, random_fully, [], variant, spares))
    return found


def _read_statement(text: str) -> tuple[bytes | None, bool]:
    """Return (source, whether ports are random) as Variant.statement tells them; (None, False) of another text."""
    words, random_fully, _ = text.partition(RANDOM_FULLY)
    try:
        source = parse_ip(words[len(SNAT) :]) if words.startswith(SNAT) else None
    except ValueError:
        source = None
    return source, bool(random_fully) and words.startswith((MASQUERADE, SNAT))
