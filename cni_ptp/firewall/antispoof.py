"""`"antiSpoof": true`: the host drops what a container sends from an address that is not its own.

What the two tables hold stands in antispoof_ruleset.  Each packet costs one or two lookups, however many containers
there are.  What belongs to an attachment is keyed by the name of its host end, which is derived from it.
"""

from __future__ import annotations

import errno

from ..base.errors import KERNEL_REFUSED, CniError, NetlinkError, words_of
from ..cni.attachment import Attachment
from ..netlink import nft, nft_define, nft_dump
from ..netlink.nft import exists
from ..netlink.nft_element import delete_element
from ..netlink.sock import NETLINK_NETFILTER, Socket
from .antispoof_ruleset import (
    BASE_CHAIN,
    CHECK,
    GUARDED,
    PLACE,
    SETS,
    SOURCE,
    check_rules,
    link_local,
    source_keys,
    table_requests,
)
from .nft_table import GUARD
from .nft_transaction import commit, generation, retry
from .owner_mark import mark, marks, network_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Attr, Request

IFNAMSIZ = 16  # include/uapi/linux/if.h
_MOST_DELETIONS = 150  # the batch must fit the send buffer


def open_socket() -> Socket:
    """Open the nf_tables socket.  CniError 100 if the kernel has no nf_tables."""
    try:
        return Socket(NETLINK_NETFILTER)
    except OSError as e:
        raise without_nf_tables(e) from None


def without_nf_tables(e: OSError) -> CniError:
    """Return the error for a kernel that has no nf_tables socket."""
    return CniError(KERNEL_REFUSED, "antiSpoof needs nf_tables", f"the kernel has none: {words_of(e)}")


def add(sock: Socket, attachment: Attachment, addresses: list[bytes], mac: bytes) -> None:
    """Let the attachment's host end take packets only from its (packed) addresses, whatever it took before.

    mac: of the container's end, 6 bytes.  NetlinkError, CniError 11: then nothing has changed.
    """
    local = [link_local(mac)] if any(len(address) == 16 for address in addresses) else []
    retry("guard against spoofed addresses", lambda: _try_add(sock, attachment, addresses + local))


def _try_add(sock: Socket, attachment: Attachment, addresses: list[bytes]) -> None:
    key = key_of(attachment.host_veth())
    genid, whole, guarded, misplaced = look(sock, key)
    changes = [] if whole else table_requests(misplaced)
    if guarded:
        changes += _deletions(sock, {key})
    for table in SETS:
        changes.append(nft.new_element(table, GUARDED, key, mark(attachment)))
        for name, source in source_keys(table, key, addresses):
            changes.append(nft.new_element(table, name, source, mark(attachment)))
    commit(sock, changes, genid)


def remove(sock: Socket, attachment: Attachment) -> None:
    """Guard the attachment's host end no more.  Nothing there is success, and found out by one question."""
    retry("take back the guard against spoofing", lambda: _try_remove(sock, key_of(attachment.host_veth())))


def _try_remove(sock: Socket, key: bytes) -> None:
    present, *found = sock.ask(nft.get_generation(), *[nft.get_element(table, GUARDED, key) for table in SETS])
    if any(map(exists, found)):
        commit(sock, _deletions(sock, {key}), generation(present))


def gc(network: str, valid: list[Attachment]) -> None:
    """Remove the guards of host ends of the network but those of valid attachments; delete a table that guards none."""
    keep = {text for attachment in valid for text in marks(attachment)}
    try:
        sock = open_socket()
    except CniError:
        return  # a kernel without nf_tables has nothing of ours
    with sock:
        retry("collect stale guards against spoofing", lambda: _collect(sock, network_marks(network), keep))


def _collect(sock: Socket, network: tuple[str, ...], keep: set[str]) -> None:
    while True:
        genid = generation(sock.ask(nft.get_generation())[0])
        tables = [table for table in SETS if exists(sock.ask(nft.get_table(table))[0])]
        listed = {element for table in tables for element in _elements(sock, table, GUARDED)}
        stale = sorted({key for key, comment in listed if comment.startswith(network) and comment not in keep})
        if stale:
            commit(sock, _deletions(sock, set(stale[:_MOST_DELETIONS])), genid)
            continue
        empty = [table for table in tables if _is_empty(sock, table)]
        if empty:
            commit(sock, [nft_define.delete_table(table) for table in empty], genid)
        return


def _is_empty(sock: Socket, table: str) -> bool:
    """Return whether the table holds no element, and nothing that somebody else put there."""
    from .nft_check import holds_only  # GC has loaded it

    chains = [BASE_CHAIN[table], CHECK]
    return not any(_elements(sock, table, name) for name in SETS[table]) and holds_only(
        sock, table, chains, lambda name: name in SETS[table]
    )


def guarded() -> dict[str, list[bytes]]:
    """Return the (packed) addresses that each guarded link may send from, by the link's name."""
    with open_socket() as sock:
        found: dict[str, list[bytes]] = {_name(key): [] for key, _ in _elements(sock, GUARD, GUARDED)}
        for name in SOURCE.values():
            for key, _ in _elements(sock, GUARD, name):
                found.get(_name(key), []).append(key[IFNAMSIZ:])
    return {name: [a for a in sources if a[:2] != b"\xfe\x80"] for name, sources in found.items()}


def why_unavailable() -> str:
    """Return why the kernel would not guard, "" if it would: a transaction without its end is tried and undone."""
    try:
        with open_socket() as sock:
            refused = [a.error for a in sock.batch(nft.batch(table_requests([]), None)[:-1]) if a.error is not None]
    except (CniError, OSError) as e:
        return words_of(e)
    return str(refused[0]) if refused else ""


# --- the tables -----------------------------------------------------------------------------------------------------


def key_of(veth: str) -> bytes:
    """Return the key of a link in the sets: its name, padded as the kernel has it."""
    return veth.encode().ljust(IFNAMSIZ, b"\0")


def _name(key: bytes) -> str:
    """Return the link that a key begins with."""
    return key[:IFNAMSIZ].rstrip(b"\0").decode("utf-8", "replace")


def look(sock: Socket, key: bytes) -> tuple[int, bool, bool, list[str]]:
    """Return (generation, whether both tables are whole, whether either guards the link, tables whose chain must move).

    key: of the link.
    """
    asked = [nft.get_generation()]
    for table, sets in SETS.items():
        asked += [nft.get_chain(table, name) for name in (BASE_CHAIN[table], CHECK)]
        asked += [nft.get_set(table, name) for name in sets]
        asked.append(nft.get_element(table, GUARDED, key))
    answers = iter(sock.ask(*asked))
    genid = generation(next(answers))
    whole, guarded, misplaced = True, False, []
    for table, sets in SETS.items():
        # A chain's use counts its rules and what leads to it; after `nft flush table` there are none.
        for uses in (1, len(check_rules(table, {})) + 1):
            chain = next(answers)
            whole = exists(chain) and chain.one()[1].get(nft.NFTA_CHAIN_USE, 0) == uses and whole
            if uses == 1 and exists(chain) and place_of(chain.one()[1]) != PLACE[table]:
                misplaced.append(table)
        for _ in sets:
            whole = exists(next(answers)) and whole
        guarded = exists(next(answers)) or guarded
    return genid, whole and not misplaced, guarded, misplaced


def place_of(chain: dict[Attr, Any]) -> tuple[int, int]:
    """Return (hook, priority) of a chain that was asked about; (-1, 0) if it has none."""
    hook = chain.get(nft.NFTA_CHAIN_HOOK, {})
    priority: int = hook.get(nft.NFTA_HOOK_PRIORITY, 0)
    return hook.get(nft.NFTA_HOOK_HOOKNUM, -1), priority - (1 << 32) if priority >> 31 else priority


def _elements(sock: Socket, table: str, name: str, links: set[bytes] | None = None) -> list[tuple[bytes, str]]:
    """Return (key, comment) of each element of a set, of those of the links (given by their keys) if any are given.

    [] if there is no such set.  Replies without the links are not read: of thousands of elements that takes long.
    """
    try:
        answer = sock.dump(nft_dump.dump_elements(table, name))
    except NetlinkError as e:
        if e.errno != errno.ENOENT:
            raise
        return []
    found = []
    for message in answer.messages:
        if links is None or any(link in message.payload for link in links):
            found += nft_dump.read_elements(nft_dump.LISTED.read(message.payload))
    return [(key, comment) for key, comment in found if links is None or key[:IFNAMSIZ] in links]


def _deletions(sock: Socket, links: set[bytes]) -> list[Request]:
    """Return the requests that remove every element of the links, given by their keys."""
    return [
        delete_element(table, name, key)
        for table, sets in SETS.items()
        for name in sets
        for key, _ in _elements(sock, table, name, links)
    ]
