"""Masquerading by nf_tables: an address whose element has another owner, which is taken over, or given back by undo.

How races are met: nft_transaction.
"""

from __future__ import annotations

from ..base.errors import KERNEL_REFUSED, CniError
from ..netlink.nft import exists, get_element, get_generation, get_set, new_element
from ..netlink.nft_element import comment_in, delete_element
from ..netlink.rt_link import Link, get_link
from ..netlink.sock import NETLINK_ROUTE, Socket
from .nft_table import element_places
from .nft_transaction import commit, generation, retry
from .owner_mark import host_veth_of, parse_comment, variant_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..netlink.exchange import Answer
    from ..nlmsg import Request
    from .nft_table import Element


def take_over(sock: Socket, wanted: Element, answer: Answer, addresses: dict[bytes, int]) -> list[Element] | None:
    """Return the elements that must go so that the wanted one can be added; None if it exists.

    answer: to get_element, which found one of the key.  addresses: {address: prefix length} of the new owner.
    CniError 100 if the owner of the element is attached.
    """
    table, name, key, comment = wanted
    found = comment_in(answer)
    assert found is not None
    if found == comment:
        return None
    _refuse_attached(wanted, found)
    return [(table, name, key, found), *_strays(sock, wanted, found, addresses)]


def _refuse_attached(wanted: Element, found: str) -> None:
    """Raise CniError 100 if an element's comment names another attachment whose host end exists and is up.

    The host's route has been looked at; this holds also where policy rules hide it, or somebody flushed it.  The host
    end is up from the moment when ADD gives it its routes; its carrier depends on the container.
    """
    owner = found.rpartition(" /")[0]
    veth = host_veth_of(found)
    if not veth or owner == wanted[3].rpartition(" /")[0]:
        return
    with Socket(NETLINK_ROUTE) as host:
        answer = host.ask(get_link(veth))[0]
    if answer.error is None and Link(answer.one()).up:
        raise CniError(
            KERNEL_REFUSED,
            "masquerade an address that is in use",
            f"it is masqueraded for {owner}, which is attached by {veth}: detach that one first",
        )


def _strays(sock: Socket, wanted: Element, found: str, addresses: dict[bytes, int]) -> list[Element]:
    """Return what else must go when an address is taken over: its elements in sets where the new owner has none.

    wanted: of the new owner.  found: the comment of the element that has its place.
    """
    table, _, key, comment = wanted
    if key not in addresses:  # the key of an own set; its masq element was or will be looked at by itself
        return []
    try:
        _, length, _ = parse_comment(found)
    except ValueError:
        return []
    kept = element_places(key, addresses[key], variant_of(comment))
    places = [place for place in element_places(key, length, variant_of(found)) if place not in kept]
    answers = sock.ask(*[get_element(table, *place) for place in places]) if places else []
    comments = [comment_in(answer) for answer in answers]
    return [(table, *place, stray) for place, stray in zip(places, comments) if stray is not None]


def remove_elements(elements: list[Element]) -> list[Request]:
    """Return the requests that remove the elements."""
    return [delete_element(table, name, key) for table, name, key, _ in elements]


def put_back(sock: Socket, elements: list[Element]) -> None:
    """Add the elements that were taken over again, but for keys that have an element or whose set was deleted."""

    def attempt() -> None:
        present, *answers = sock.ask(
            get_generation(),
            *[get_set(table, name) for table, name, _, _ in elements],
            *[get_element(table, name, key) for table, name, key, _ in elements],
        )
        sets, found = answers[: len(elements)], answers[len(elements) :]
        changes = [new_element(*e) for e, s, f in zip(elements, sets, found) if exists(s) and not exists(f)]
        if changes:
            commit(sock, changes, generation(present))

    retry("give back what was taken over", attempt)
