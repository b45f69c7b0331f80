"""Port mappings of one attachment made, all in one transaction, and found again by their keys or by their owner.

What the table holds stands in portmap_ruleset; how races are met, in nft_transaction.
"""

from __future__ import annotations

from ..base.errors import KERNEL_REFUSED, CniError
from ..netlink import nft
from ..netlink.nft import exists, get_generation
from ..netlink.nft_element import delete_element
from ..netlink.nft_map import get_mapping, mapping_in, new_mapping
from ..netlink.rt_link import Link, get_link
from ..netlink.sock import NETLINK_ROUTE, Socket
from .nft_table import PORTMAP as TABLE
from .nft_transaction import commit, generation, retry
from .owner_mark import host_veth_of, owner_marks
from .portmap_del import search
from .portmap_elements import MAPS, SETS
from .portmap_ruleset import BASE_CHAINS, CHAINS, rules, table_requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..nlmsg import Request
    from .portmap_elements import Element

_NAMES = {6: "tcp", 17: "udp", 132: "sctp"}


def add(sock: Socket, attachment: Attachment, wanted: list[Element]) -> None:
    """Give the attachment exactly these elements.

    CniError 100 if a port belongs to another attachment whose host end is up; NetlinkError if the kernel refuses; then
    nothing has changed.
    """
    retry("map ports of the host", _try_add, sock, attachment, wanted)


def _try_add(sock: Socket, attachment: Attachment, wanted: list[Element]) -> None:
    genid, whole, found = _look(sock, wanted)
    marks = owner_marks(attachment)
    differs = [(e, there) for e, there in zip(wanted, found) if there not in (None, (e.data, e.comment))]
    gone = set()
    for element, there in differs:
        if there is not None and not there[1].startswith(marks):
            _refuse_attached(element, there[1])  # else of an owner that is gone
            gone.add((element.name, element.key))
    if len(gone) < len(differs):  # ours, of an earlier ADD with other mappings
        gone.update((name, key) for name, key, _ in search(sock, marks))
    changes: list[Request] = [] if whole else table_requests()
    changes += [delete_element(TABLE, *place) for place in sorted(gone)]
    for element, there in zip(wanted, found):
        if there is None or (element.name, element.key) in gone:
            changes.append(new_mapping(TABLE, element.name, element.key, element.data, element.comment))
    if changes:
        commit(sock, changes, genid)


def _look(sock: Socket, wanted: list[Element]) -> tuple[int, bool, list[tuple[bytes, str] | None]]:
    """Return (generation, whether the table is whole, (data, comment) or None for each element)."""
    asked = [get_generation(), *[nft.get_chain(TABLE, name) for name in CHAINS]]
    asked += [nft.get_set(TABLE, name) for name in SETS]
    asked += [get_mapping(TABLE, element.name, element.key) for element in wanted]
    generated, *answers = sock.ask(*asked)
    chains, sets = answers[: len(CHAINS)], answers[len(CHAINS) : len(CHAINS) + len(SETS)]
    uses = [answer.one()[1].get(nft.NFTA_CHAIN_USE, 0) if exists(answer) else -1 for answer in chains]
    whole = uses == [_uses(name) for name in CHAINS] and all(map(exists, sets))
    return generation(generated), whole, [mapping_in(answer) for answer in answers[-len(wanted) :]]


def _uses(chain: str) -> int:
    """Return the use of a chain that is whole: its rules, and those that jump to it."""
    return len(rules(chain, {})) + (0 if chain in BASE_CHAINS else 2)


def _refuse_attached(element: Element, found: str) -> None:
    """Raise CniError 100 if the comment of an element with the key names an attachment whose host end is up."""
    owner, veth = found.rpartition(" /")[0], host_veth_of(found)
    with Socket(NETLINK_ROUTE) as host:
        answer = host.ask(get_link(veth))[0] if veth else None
    if answer is not None and answer.error is None and Link(answer.one()).up:
        about = f"map {port_of(element)}" if element.name in MAPS else "map ports to an address that is in use"
        details = f"it is mapped for {owner}, which is attached by {veth}: detach that one first"
        raise CniError(KERNEL_REFUSED, about, details)


def port_of(element: Element) -> str:
    """Return in words which port of the host an element of a map is for."""
    protocol, port = element.key[-8], int.from_bytes(element.key[-4:-2], "big")
    return f"{_NAMES.get(protocol, protocol)} port {port} of the host"
