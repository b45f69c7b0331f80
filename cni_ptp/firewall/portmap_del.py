"""Port mappings removed by their owner, whether or not the call names them."""

from __future__ import annotations

from ..base import errnos
from ..base.errors import NetlinkError
from ..netlink import nft
from ..netlink.nft import exists, get_generation
from ..netlink.nft_define import delete_table
from ..netlink.nft_element import delete_element
from ..netlink.nft_map import MAPPED, dump_mappings, get_mapping, mapping_in, mappings_in
from .nft_table import PORTMAP as TABLE
from .nft_transaction import commit, generation, retry
from .owner_mark import network_marks, owner_marks, parse_comment
from .portmap_elements import GUARDED, IPPROTO_UDP, MAPS, SETS, index_keys, map_key, mapping_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..cni.attachment import Attachment
    from ..cni.port_mappings import PortMappings
    from ..netlink.sock import Socket

    Place = tuple[str, bytes]  # a map or a set, and a key in it

_MOST_DELETIONS = 500
_MAPPED = ("mapped4", "mapped6")


def remove(
    sock: Socket, attachment: Attachment, known_addresses: list[bytes], ports: Callable[[], PortMappings | None]
) -> None:
    """Remove the mappings of the attachment from the table, which exists.

    known_addresses: packed, those that the attachment may have had.  ports: tells the mappings of the call, if it has
    any; where these do not lead to all of its elements, the maps are searched.
    """
    marks = owner_marks(attachment)
    removed: list[Place] = []

    def attempt() -> None:
        genid = generation(sock.ask(get_generation())[0])
        index = index_keys(attachment, known_addresses)
        found = _owned(sock, marks, index)
        if found or not known_addresses:
            hairpins = [(name.replace("mapped", "hairpin"), key + key) for name, key in found if name in _MAPPED]
            found.update(_owned(sock, marks, [*_named(ports(), known_addresses), *hairpins]))
            if not _complete(found):
                found.update({(name, key): text for name, key, text in search(sock, marks)})
        if found:
            commit(sock, [delete_element(TABLE, *place) for place in sorted(found)], genid)
            removed.extend(found)

    retry("remove the port mappings", attempt)
    mappings = [mapping_of(name, key) for name, key in removed if name in MAPS]
    if any(mapping.protocol == IPPROTO_UDP for mapping in mappings):
        from .stale_flows import forget_flows_to

        forget_flows_to(mappings, [key for name, key in removed if name in _MAPPED])


def remove_if_any(
    sock: Socket,
    attachment: Attachment,
    known_addresses: Iterable[bytes] = (),
    ports: Callable[[], PortMappings | None] = lambda: None,
) -> None:
    """Remove the mappings of the attachment; the table may not exist.  Else as `remove`."""
    if exists(sock.ask(nft.get_table(TABLE))[0]):
        remove(sock, attachment, list(known_addresses), ports)


def _named(ports: PortMappings | None, addresses: list[bytes]) -> list[Place]:
    versions = {4 if len(address) == 4 else 6 for address in addresses} or {4, 6}
    mappings = ports.mappings if ports is not None else []
    return list(dict.fromkeys([map_key(m, v) for m in mappings for v in m.versions if v in versions]))


def _complete(found: dict[Place, str]) -> bool:
    """Return whether these are as many as their comments tell, and the address of each family is among them."""
    of_maps = [name for name, _ in found if name in MAPS]
    addresses = {name for name, _ in found if name in _MAPPED}
    count = max([parse_comment(text)[1] for text in found.values()], default=0)
    whole = len(of_maps) >= count and {_MAPPED[MAPS[name] == 6] for name in of_maps} <= addresses
    # With a hairpin there is a guarded link, by another name where another plugin made it.
    names = {name for name, _ in found}
    return bool(found) and whole and ("hairpin4" not in names or GUARDED in names)


def _owned(sock: Socket, marks: tuple[str, ...], places: list[Place]) -> dict[Place, str]:
    """Return {place: comment} of those places whose element begins with one of the marks."""
    found = {}
    for place, answer in zip(places, sock.ask(*[get_mapping(TABLE, *place) for place in places]) if places else []):
        there = mapping_in(answer)
        if there is not None and there[1].startswith(marks):
            found[place] = there[1]
    return found


def search(sock: Socket, marks: tuple[str, ...]) -> list[tuple[str, bytes, str]]:
    """Return (map or set, key, comment) of each element whose comment begins with one of the marks.

    The replies are searched as they are: reading thousands of elements would take a hundred times as long.
    """
    raw_marks = [mark.encode("utf-8", "surrogateescape") for mark in marks]
    found = []
    for name in SETS:
        try:
            messages = sock.dump(dump_mappings(TABLE, name)).messages
        except NetlinkError as e:
            if e.errno != errnos.ENOENT:
                raise
            continue
        for message in messages:
            if any(mark in message.payload for mark in raw_marks):
                listed = mappings_in(MAPPED.read(message.payload))
                found += [(name, key, text) for key, _, text in listed if text.startswith(marks)]
    return found


def gc(sock: Socket, network: str, valid: list[Attachment]) -> None:
    """Remove the mappings of the network's other attachments, and the table if it maps nothing any more."""
    keep = tuple([mark for attachment in valid for mark in owner_marks(attachment)])
    retry("collect stale port mappings", _collect, sock, network_marks(network), keep)


def _collect(sock: Socket, network: tuple[str, ...], keep: tuple[str, ...]) -> None:
    from .nft_check import holds_only  # GC has loaded it
    from .portmap_ruleset import CHAINS

    while exists(sock.ask(nft.get_table(TABLE))[0]):
        genid = generation(sock.ask(get_generation())[0])
        stale = [(name, key) for name, key, text in search(sock, network) if not text.startswith(keep)]
        if stale:
            commit(sock, [delete_element(TABLE, *place) for place in stale[:_MOST_DELETIONS]], genid)
            continue
        if not search(sock, ("",)) and holds_only(sock, TABLE, list(CHAINS), lambda name: name in SETS):
            commit(sock, [delete_table(TABLE)], genid)
        return
