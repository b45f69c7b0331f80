"""Masquerading by nf_tables: looks at what our table holds, and changes it in one transaction.

Each try reads the ruleset's generation first, then by key what it is about to change; the kernel refuses the
transaction (ERESTART) if anything changed in between, and the next try looks again.  So an element is only deleted
while it is known to be ours, however many plugins are at work.
"""

from __future__ import annotations

import errno
from time import sleep

from .errors import TRY_AGAIN_LATER, CniError, NetlinkError
from .ip import version_of
from .netlink import nft
from .netlink.nft import is_there
from .netlink.sock import NETLINK_NETFILTER, Socket
from .nft_names import (
    LAYOUTS,
    POSTROUTING,
    element_comment,
    element_places,
    has_own_set,
    masq_set,
    own_key,
    own_set,
    own_set_length,
    owner_marks,
    parse_comment,
    table_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .attachment import Attachment
    from .netlink.exchange import Answer
    from .nft_names import Layout
    from .nlmsg import Message, Request

_TRIES = 200
_TRIES_AT_ONCE = 10  # then each waits a little: someone is rewriting the ruleset
_PAUSE_S = 0.005


class LostRace(Exception):
    """The ruleset changed while it was being looked at."""


def open_socket() -> Socket:
    """The nf_tables socket of the present network namespace.  OSError EPROTONOSUPPORT if the kernel has none."""
    return Socket(NETLINK_NETFILTER)


def retry(about: str, attempt: Callable[..., None], *arguments: object) -> None:
    """`attempt` has run without losing a race.  CniError 11 if it lost one each time."""
    for number in range(_TRIES):
        try:
            return attempt(*arguments)
        except LostRace:
            if number >= _TRIES_AT_ONCE:
                sleep(_PAUSE_S)
    raise CniError(TRY_AGAIN_LATER, about, f"the nf_tables ruleset changed during each of {_TRIES} tries")


def commit(sock: Socket, changes: list[Request], genid: int | None) -> None:
    """The changes have been made, all of them.  LostRace or NetlinkError: none of them."""
    for answer in sock.batch(nft.batch(changes, genid)):
        if answer.error is not None:
            if answer.error.errno == errno.ERESTART:
                raise LostRace
            raise answer.error


def generation(answer: Answer) -> int:
    """The number in the answer to get_generation."""
    if answer.error is not None:
        raise answer.error
    number: int = answer.one()[1][nft.NFTA_GEN_ID]
    return number


def comment_in(answer: Answer) -> str | None:
    """The comment of the element that was asked for; None if it is not there."""
    if not is_there(answer):
        return None
    return nft.read_elements(answer.one())[0][1]


# --- ADD ------------------------------------------------------------------------------------------------------------


def add(
    sock: Socket, attachment: Attachment, addresses: list[tuple[bytes, int]], layouts: tuple[Layout, ...] = LAYOUTS
) -> None:
    """Each (packed address, prefix length) is masqueraded and belongs to the attachment, whosesoever it was.

    NetlinkError if the kernel refuses; EINVAL or EOPNOTSUPP without nf_tables.
    """
    retry("masquerade the container's addresses", _try_add, sock, attachment, dict(addresses), layouts)


def _try_add(sock: Socket, attachment: Attachment, addresses: dict[bytes, int], layouts: tuple[Layout, ...]) -> None:
    for layout in layouts:
        genid, changes, existed = _changes_to_add(sock, layout, attachment, addresses)
        if existed:
            return commit(sock, changes, genid) if changes else None
    for layout in layouts:
        genid, changes, _ = _changes_to_add(sock, layout, attachment, addresses)
        try:
            return commit(sock, changes, genid)
        except NetlinkError as e:
            # No NAT in tables of family inet before 5.2 (nf_tables_chain_type_lookup): the next layout has it.
            if layout is layouts[-1] or e.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
                raise


def _changes_to_add(
    sock: Socket, layout: Layout, attachment: Attachment, addresses: dict[bytes, int]
) -> tuple[int, list[Request], bool]:
    """(generation looked at, what to send, whether the table existed) for the addresses to be the attachment's."""
    wanted = []  # (table, set, key, comment)
    for addr, length in addresses.items():
        comment = element_comment(attachment, length, len(addresses))
        table = table_of(layout, version_of(addr))
        wanted += [(table, name, key, comment) for name, key in element_places(addr, length)]
    tables = _tables_in_use(layout, addresses)
    asked = [nft.get_generation()]
    asked += [nft.get_chain(table, POSTROUTING) for table, _ in tables]
    asked += [nft.get_set(table, name) for table, name, _, _ in wanted]
    asked += [nft.get_element(table, name, key) for table, name, key, _ in wanted]
    answers = iter(sock.ask(*asked))
    genid = generation(next(answers))
    changes: list[Request] = []
    rules = [_uses(next(answers)) for _ in tables]
    sets_there = [is_there(next(answers)) for _ in wanted]
    if not all(sets_there) or any(used < len(versions) for used, (_, versions) in zip(rules, tables)):
        from .nft_ruleset import skeleton  # once a host, as a rule

        for table, versions in tables:
            changes += skeleton(table, versions, _lengths(sock, table, versions, addresses))
    for table, name, key, comment in wanted:
        found = comment_in(next(answers))
        if found == comment:
            continue
        if found is not None:
            changes.append(nft.delete_element(table, name, key))
            changes += _strays(sock, table, key, found, addresses)
        changes.append(nft.new_element(table, name, key, comment))
    return genid, changes, any(used >= 0 for used in rules)


def _tables_in_use(layout: Layout, addresses: Iterable[bytes]) -> Layout:
    used = {version_of(addr) for addr in addresses}
    return tuple((table, versions) for table, versions in layout if used.intersection(versions))


def _uses(answer: Answer) -> int:
    """How many rules a base chain has; -1 if it is not there.  After `nft flush table` it is 0."""
    if not is_there(answer):
        return -1
    uses: int = answer.one()[1].get(nft.NFTA_CHAIN_USE, 0)
    return uses


def _lengths(
    sock: Socket, table: nft.TableName, versions: tuple[int, ...], addresses: dict[bytes, int]
) -> dict[int, set[int]]:
    """The prefix lengths that have an own set already or need one now."""
    lengths: dict[int, set[int]] = {version: set() for version in versions}
    for addr, length in addresses.items():
        if version_of(addr) in lengths and has_own_set(addr, length):
            lengths[version_of(addr)].add(length)
    for version, found in own_sets(sock, table, versions):
        lengths[version].add(found)
    return lengths


def own_sets(sock: Socket, table: nft.TableName, versions: tuple[int, ...]) -> list[tuple[int, int]]:
    """(IP version, prefix length) of each own set that the table has."""
    try:
        replies = sock.dump(nft.dump_sets(table)).read()
    except NetlinkError as e:
        if e.errno != errno.ENOENT:
            raise
        replies = []
    found = []
    for _, attrs in replies:
        # Kernels before 5.18 ignore the table in the request and list the sets of every table.
        if attrs.get(nft.NFTA_SET_TABLE) == table.name:
            for version in versions:
                length = own_set_length(attrs.get(nft.NFTA_SET_NAME, ""), version)
                if length is not None:
                    found.append((version, length))
    return found


def _strays(sock: Socket, table: nft.TableName, key: bytes, comment: str, addresses: dict[bytes, int]) -> list[Request]:
    """What else must go when an address is taken over: its element among the subnets of another prefix length."""
    if key not in addresses:  # the key of an own set; its masq element was or will be looked at by itself
        return []
    try:
        _, length, _ = parse_comment(comment)
    except ValueError:
        return []
    if length == addresses[key] or not has_own_set(key, length):
        return []
    name = own_set(version_of(key), length)
    if not is_there(sock.ask(nft.get_element(table, name, own_key(key, length)))[0]):
        return []
    return [nft.delete_element(table, name, own_key(key, length))]


# --- DEL ------------------------------------------------------------------------------------------------------------


def remove(sock: Socket, attachment: Attachment, hints: Iterable[bytes], layout: Layout) -> None:
    """No address is masqueraded for the attachment by these tables, which are there.

    hints: addresses it may have had; if they do not lead to all of them, the whole table is searched.  Kernel errors as
    NetlinkError.
    """
    removal = _Removal(sock, layout, attachment, set(hints))
    retry("remove the container's masquerading", removal.attempt)


class _Removal:
    """The search for an attachment's elements; what searching found is kept from try to try."""

    __slots__ = ("sock", "layout", "marks", "candidates", "searched")

    def __init__(self, sock: Socket, layout: Layout, attachment: Attachment, hints: set[bytes]) -> None:
        self.sock = sock
        self.layout = layout
        self.marks = owner_marks(attachment)
        versions = [v for _, versions in layout for v in versions]
        self.candidates = {addr for addr in hints if version_of(addr) in versions}
        self.searched = False

    def attempt(self) -> None:
        genid, found = self.look()
        if not self.searched and not _complete(found):
            self.searched = True
            more = {addr for _, addr, _ in search(self.sock, self.layout, self.marks)}
            if not more <= self.candidates:
                self.candidates |= more
                genid, found = self.look()
        if found:
            commit(self.sock, deletions(self.sock, self.layout, found), genid)

    def look(self) -> tuple[int, dict[bytes, str]]:
        """(generation, {address: comment}) for the candidates that belong to the attachment now."""
        candidates = sorted(self.candidates)
        asked = [nft.get_element(_of(self.layout, a), masq_set(version_of(a)), a) for a in candidates]
        answers = iter(self.sock.ask(nft.get_generation(), *asked))
        genid = generation(next(answers))
        comments = [comment_in(next(answers)) for _ in candidates]
        return genid, {a: c for a, c in zip(candidates, comments) if c is not None and c.startswith(self.marks)}


def _of(layout: Layout, addr: bytes) -> nft.TableName:
    return table_of(layout, version_of(addr))


def _complete(found: dict[bytes, str]) -> bool:
    """Whether these are as many as their comments say the attachment has."""
    return bool(found) and all(parse_comment(comment)[2] <= len(found) for comment in found.values())


def deletions(sock: Socket, layout: Layout, found: dict[bytes, str]) -> list[Request]:
    """The requests that take out the elements of {address: comment}; looks which of them are there."""
    places = []
    for addr, comment in found.items():
        _, length, _ = parse_comment(comment)
        places += [(_of(layout, addr), name, key) for name, key in element_places(addr, length)]
    answers = sock.ask(*[nft.get_element(*place) for place in places])
    return [nft.delete_element(*place) for place, answer in zip(places, answers) if is_there(answer)]


def search(sock: Socket, layout: Layout, marks: tuple[str, ...]) -> list[tuple[nft.TableName, bytes, str]]:
    """(table, address, comment) of each masqueraded address whose comment begins with one of the marks.

    The replies are searched as they are: reading thousands of elements would take a hundred times as long.
    """
    raw_marks = [mark.encode("utf-8", "surrogateescape") for mark in marks]
    found = []
    for table, versions in layout:
        for version in versions:
            for message in _dump(sock, table, masq_set(version)):
                if any(mark in message.payload for mark in raw_marks):
                    elements = nft.read_elements(nft.ELEMENTS.read(message.payload))
                    found += [(table, key, comment) for key, comment in elements if comment.startswith(marks)]
    return found


def _dump(sock: Socket, table: nft.TableName, name: str) -> list[Message]:
    request = nft.dump_elements(table, name)
    for _ in range(_TRIES // 10):
        try:
            return sock.dump(request).messages
        except NetlinkError as e:
            if e.errno == errno.ENOENT:
                return []
            if e.errno != errno.EINTR:
                raise
            sleep(_PAUSE_S)
    raise CniError(TRY_AGAIN_LATER, request.about, "the list changed each time it was being read")
