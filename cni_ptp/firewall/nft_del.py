"""Masquerading by nf_tables taken away: all that an attachment has.

What an address has of an earlier owner: nft_take_over.  How races are met: nft_transaction.
"""

from __future__ import annotations

from ..base.ip import version_of
from ..netlink.nft import exists, get_element, get_generation
from ..netlink.nft_element import comment_in, delete_element
from .nft_table import element_places, masq_set, table_of
from .nft_transaction import commit, generation, retry
from .owner_mark import owner_marks, parse_comment, variant_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket
    from ..nlmsg import Request
    from .nft_table import Layout


def remove(sock: Socket, attachment: Attachment, known_addresses: Iterable[bytes], layout: Layout) -> None:
    """Remove the attachment's addresses from these tables, which exist.

    known_addresses: those it may have had; if they do not lead to all of them, the whole table is searched.
    NetlinkError if the kernel refuses.
    """
    marks = owner_marks(attachment)
    versions = [v for _, versions in layout for v in versions]
    candidates = {addr for addr in known_addresses if version_of(addr) in versions}
    searched = False  # what searching found is kept from try to try

    def attempt() -> None:
        nonlocal searched
        genid, found = _look(sock, layout, marks, candidates)
        if not searched and not _complete(found):
            from .nft_search import search

            searched = True
            more = {addr for _, addr, _ in search(sock, layout, marks)}
            if not more <= candidates:
                candidates.update(more)
                genid, found = _look(sock, layout, marks, candidates)
        if found:
            commit(sock, deletions(sock, layout, found), genid)

    retry("remove the container's masquerading", attempt)


def _look(sock: Socket, layout: Layout, marks: tuple[str, ...], candidates: set[bytes]) -> tuple[int, dict[bytes, str]]:
    """Return (generation, {address: comment}) for the candidates that belong to the attachment now."""
    asked = sorted(candidates)
    elements = [get_element(table_of(layout, version_of(a)), masq_set(version_of(a)), a) for a in asked]
    present, *answers = sock.ask(get_generation(), *elements)
    genid = generation(present)
    comments = [comment_in(answer) for answer in answers]
    return genid, {a: c for a, c in zip(asked, comments) if c is not None and c.startswith(marks)}


def _complete(found: dict[bytes, str]) -> bool:
    """Return whether these are as many as their comments tell that the attachment has."""
    return bool(found) and all(parse_comment(comment)[2] <= len(found) for comment in found.values())


def deletions(sock: Socket, layout: Layout, found: dict[bytes, str]) -> list[Request]:
    """Return the requests that remove the elements of {address: comment}; looks which of them exist."""
    places = []
    for addr, comment in found.items():
        _, length, _ = parse_comment(comment)
        table = table_of(layout, version_of(addr))
        places += [(table, *place) for place in element_places(addr, length, variant_of(comment))]
    answers = sock.ask(*[get_element(*place) for place in places])
    return [delete_element(*place) for place, answer in zip(places, answers) if exists(answer)]
