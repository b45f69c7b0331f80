"""Masquerading by nf_tables: looks at what our table holds, and adds an attachment's addresses in one transaction.

What takes them away is nft_del; what takes an address over from an earlier owner, nft_take_over; what makes or
repairs the table, nft_repair; how races are met, nft_transaction.
"""

from __future__ import annotations

from ..base.errors import NetlinkError
from ..base.ip import version_of
from ..netlink.nft import (
    NFTA_CHAIN_HOOK,
    NFTA_CHAIN_USE,
    NFTA_HOOK_PRIORITY,
    exists,
    get_chain,
    get_element,
    get_generation,
    get_set,
    new_element,
)
from .nft_table import LAYOUTS, POSTROUTING, PRIORITY, element_places, table_of
from .nft_transaction import commit, generation, retry
from .owner_mark import element_comment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix
    from ..cni.attachment import Attachment
    from ..cni.masquerade_options import Variant
    from ..netlink.exchange import Answer
    from ..netlink.sock import Socket
    from ..nlmsg import Request
    from .nft_table import Element, Layout


def add(
    sock: Socket,
    attachment: Attachment,
    addresses: list[Prefix],
    layouts: tuple[Layout, ...] = LAYOUTS,
    taken: list[Element] | None = None,
    variants: dict[int, Variant] | None = None,
) -> None:
    """Masquerade each (packed address, prefix length) for the attachment.

    taken: takes the elements of earlier owners, which are no longer attached.  variants: how, by IP version, where it
    is not as "ipMasq" alone would.  CniError 100 if an owner still is; NetlinkError if the kernel refuses; EINVAL or
    EOPNOTSUPP without nf_tables.
    """
    taken = [] if taken is None else taken
    wanted = dict(addresses), variants or {}
    retry("masquerade the container's addresses", _try_add, sock, attachment, *wanted, layouts, taken)


def _try_add(
    sock: Socket,
    attachment: Attachment,
    addresses: dict[bytes, int],
    variants: dict[int, Variant],
    layouts: tuple[Layout, ...],
    taken: list[Element],
) -> None:
    for layout in layouts:
        genid, changes, existed = _changes_to_add(sock, layout, attachment, addresses, variants, taken)
        if existed:
            return commit(sock, changes, genid) if changes else None
    for layout in layouts:
        genid, changes, _ = _changes_to_add(sock, layout, attachment, addresses, variants, taken)
        try:
            return commit(sock, changes, genid)
        except NetlinkError as e:
            import errno

            # No NAT in tables of family inet before 5.2 (nf_tables_chain_type_lookup): the next layout has it.
            if layout is layouts[-1] or e.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
                raise


def _changes_to_add(
    sock: Socket,
    layout: Layout,
    attachment: Attachment,
    addresses: dict[bytes, int],
    variants: dict[int, Variant],
    taken: list[Element],
) -> tuple[int, list[Request], bool]:
    """Return (generation looked at, what to send, whether the table existed) for the addresses to be the attachment's.

    taken: holds the elements of earlier owners afterwards, and no others.
    """
    taken.clear()
    wanted = _elements(layout, attachment, addresses, variants)
    used_versions = {version_of(addr) for addr in addresses}
    varied = [variants[version] for version in used_versions if version in variants]
    tables = [(table, versions) for table, versions in layout if used_versions.intersection(versions)]
    asked = [get_generation(), *[get_chain(table, POSTROUTING) for table, _ in tables]]
    asked += [get_set(table, name) for table, name, _, _ in wanted]
    asked += [get_element(table, name, key) for table, name, key, _ in wanted]
    if varied:
        from .nft_variant import is_whole, questions

        asked += questions(layout, varied)
    answers = iter(sock.ask(*asked))
    genid = generation(next(answers))
    rules = [_uses(next(answers)) for _ in tables]
    sets_there = [exists(next(answers)) for _ in wanted]
    present = [next(answers) for _ in wanted]
    whole = all(sets_there) and all(used >= len(versions) for used, (_, versions) in zip(rules, tables))
    changes: list[Request] = []
    if not whole or (varied and not is_whole(varied, answers)):
        from .nft_repair import repair_requests  # once a host, as a rule

        for table, versions in tables:
            changes += repair_requests(sock, table, versions, addresses, varied)
    for element, answer in zip(wanted, present):
        changes += _changes_for(sock, element, answer, addresses, taken)
    return genid, changes, any(used >= 0 for used in rules)


def _changes_for(
    sock: Socket, element: Element, answer: Answer, addresses: dict[bytes, int], taken: list[Element]
) -> list[Request]:
    """Return what makes the element the attachment's; `answer` tells whether there is one of its key."""
    changes: list[Request] = []
    if exists(answer):
        from .nft_take_over import remove_elements, take_over

        removed = take_over(sock, element, answer, addresses)
        if removed is None:
            return []
        taken += removed
        changes += remove_elements(removed)
    return [*changes, new_element(*element)]


def _elements(
    layout: Layout, attachment: Attachment, addresses: dict[bytes, int], variants: dict[int, Variant]
) -> list[Element]:
    """Return the elements that the addresses are to have."""
    wanted = []
    for addr, length in addresses.items():
        variant = variants[version_of(addr)].name if version_of(addr) in variants else ""
        comment = element_comment(attachment, length, len(addresses), variant)
        table = table_of(layout, version_of(addr))
        wanted += [(table, name, key, comment) for name, key in element_places(addr, length, variant)]
    return wanted


def _uses(answer: Answer) -> int:
    """Return how many rules our base chain has; -1 if it is not there, 0 after `nft flush table`.

    0 also if it has another place among the NAT chains, as version 1.0.0 made it.
    """
    if not exists(answer):
        return -1
    found = answer.one()[1]
    if found.get(NFTA_CHAIN_HOOK, {}).get(NFTA_HOOK_PRIORITY) != PRIORITY:
        return 0
    uses: int = found.get(NFTA_CHAIN_USE, 0)
    return uses
