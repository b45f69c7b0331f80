"""Our nf_tables table looked after: what CHECK, STATUS, GC and `ptp list` ask of it."""

from __future__ import annotations

import errno

from ..base.errors import NetlinkError, words_of
from ..base.ip import text_of, version_of
from ..netlink import nft
from ..netlink.nft import exists
from ..netlink.nft_define import NF_IP_PRI_NAT_SRC, delete_table
from ..netlink.nft_dump import NFTA_TABLE_USE, dump_bounds, dump_sets, get_table_use, read_bounds, read_sets
from ..netlink.nft_element import comment_in
from .nft_compare import facts_of, is_dormant, rules_of
from .nft_del import deletions
from .nft_ruleset import chains, rules, subnet_set_length, table_requests
from .nft_search import search
from .nft_socket import open_socket
from .nft_table import (
    LAYOUTS,
    POSTROUTING,
    element_places,
    has_subnet_set,
    masq_set,
    masquerade_chain,
    operators_set,
    table_of,
    variant_set,
)
from .nft_transaction import commit, generation, retry
from .owner_mark import network_marks, owner_marks, parse_comment, variant_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..base.ip import Prefix
    from ..cni.attachment import Attachment
    from ..cni.masquerade_options import Variant
    from ..netlink.sock import Socket
    from .nft_table import Layout
    from .nft_view import Firewall

_MOST_DELETIONS = 128  # an address has two elements of about 100 bytes: the batch must fit the send buffer


def differences(
    firewall: Firewall, attachment: Attachment, addresses: list[Prefix], variants: dict[int, Variant]
) -> list[str]:
    """Return what is missing of the masquerading of each (packed address, prefix length), in words.

    variants: as for nft_add.add.
    """
    sock = firewall.sock()
    layout = _layout(sock)
    if not layout:
        return ["nf_tables has no table cni_ptp: nothing is masqueraded"]
    varied = [variants[v] for v in sorted({version_of(a) for a, _ in addresses}) if v in variants]
    subnets = frozenset([(version_of(a), n if has_subnet_set(a, n) else 0) for a, n in addresses])
    shared = ("masquerading", subnets, *[variant.name for variant in varied])
    words = list(firewall.once(shared, lambda: _of_tables(sock, layout, subnets, varied)))
    for address, length in addresses:
        variant = variants[version_of(address)].name if version_of(address) in variants else ""
        words += _element_missing(sock, layout, attachment, (address, length), variant)
    return words


def _of_tables(sock: Socket, layout: Layout, subnets: Iterable[tuple[int, int]], varied: list[Variant]) -> list[str]:
    """Return what the tables lack that addresses of these (IP version, prefix length or 0) need."""
    words = []
    for table, versions in layout:
        if is_dormant(sock, table):
            words.append(f"nf_tables table {table} is dormant: nothing is masqueraded")
        words += _rules_missing(sock, table, versions, subnets, tuple(varied))
    if varied:
        from .nft_variant_check import differences as findings_of_variants

        words += findings_of_variants(sock, layout, varied, _lacks)
    return words


def _layout(sock: Socket) -> Layout:
    """Return the tables that exist."""
    for layout in LAYOUTS:
        answers = sock.ask(*[nft.get_table(table) for table, _ in layout])
        there = tuple(part for part, answer in zip(layout, answers) if exists(answer))
        if there:
            return there
    return ()


def _rules_missing(
    sock: Socket,
    table: str,
    versions: tuple[int, ...],
    subnets: Iterable[tuple[int, int]],
    variants: tuple[Variant, ...],
) -> list[str]:
    """Return the chains that lost a rule which one of the addresses needs.

    Rules that somebody put between them may stay.
    A table of version 1.0.0, whose base chain is at srcnat, is whole without the rule for the operator's set.
    """
    lengths = {v: {length for version, length in subnets if version == v and length} for v in versions}
    wanted = [v for v in versions if any(version == v for version, _ in subnets)]
    words = []
    spares = not _is_early(sock, table)
    for chain in [masquerade_chain(v) for v in wanted] + [POSTROUTING] * bool(wanted):
        words += _lacks(sock, table, chain, rules(table, chain, versions, lengths, {}, spares, variants))
    return words


def _lacks(sock: Socket, table: str, chain: str, needed: list[list[bytes]]) -> list[str]:
    """Tell that the chain lacks one of the rules, if it does."""
    there = iter(rules_of(sock, table, chain))
    if all(facts_of(rule) in there for rule in needed):  # in this order: each search goes on where the last one ended
        return []
    return [f"nf_tables chain {table} {chain} has not all the rules it must have"]


def _is_early(sock: Socket, table: str) -> bool:
    answer = sock.ask(nft.get_chain(table, POSTROUTING))[0]
    hook = answer.one()[1].get(nft.NFTA_CHAIN_HOOK, {}) if exists(answer) else {}
    return hook.get(nft.NFTA_HOOK_PRIORITY) == NF_IP_PRI_NAT_SRC


def _element_missing(sock: Socket, layout: Layout, attachment: Attachment, subnet: Prefix, variant: str) -> list[str]:
    address, length = subnet
    table = table_of(layout, version_of(address))
    places = element_places(address, length, variant)
    for (name, _), answer in zip(places, sock.ask(*[nft.get_element(table, n, key) for n, key in places])):
        comment = comment_in(answer)
        if comment is None:
            return [f"{text_of(address)} is not in nf_tables set {table} {name}: not masqueraded as it should be"]
        if not comment.startswith(owner_marks(attachment)):
            return [f"{text_of(address)} in nf_tables set {table} {name} belongs to another: {comment}"]
        if variant_of(comment) != variant:
            return [f"{text_of(address)} is masqueraded with other options than these: {comment}"]
    return []


def why_unavailable() -> str:
    """Return why the kernel would not masquerade, "" if it would: a transaction without its end is tried and undone.

    Source: net/netfilter/nfnetlink.c nfnetlink_rcv_batch: without NFNL_MSG_BATCH_END everything is aborted.
    """
    try:
        with open_socket() as sock:
            words = ""
            for layout in LAYOUTS:
                words = ""
                for table, versions in layout:
                    requests = nft.batch(table_requests(table, versions, {v: set() for v in versions}), None)[:-1]
                    refused = [a.error for a in sock.batch(requests) if a.error is not None]
                    if refused:
                        words = str(refused[0])
                if not words:
                    return ""
            return words
    except NetlinkError as e:
        return str(e)
    except OSError as e:
        return f"the kernel has no nf_tables: {words_of(e)}"


def owners() -> list[tuple[Attachment | None, bytes]]:
    """Return (owner, or None if only its hash is known; packed address) of each masqueraded address."""
    found: list[tuple[Attachment | None, bytes]] = []
    try:
        with open_socket() as sock:
            for _, address, comment in search(sock, _layout(sock), ("",)):
                try:
                    owner = parse_comment(comment)[0]
                except ValueError:
                    owner = None
                found.append((owner, address))
    except (OSError, NetlinkError):
        return []
    return found


def gc(network: str, valid: list[Attachment]) -> None:
    """Remove the network's addresses of others than the valid attachments, and delete an empty table."""
    keep = tuple(mark for attachment in valid for mark in owner_marks(attachment))
    try:
        sock = open_socket()
    except OSError as e:
        if e.errno == errno.EPROTONOSUPPORT:
            return  # a kernel without nf_tables has nothing of ours
        raise
    with sock:
        for layout in LAYOUTS:
            there = tuple(part for part in layout if exists(sock.ask(nft.get_table(part[0]))[0]))
            retry("collect stale masquerading", _collect, sock, there, network, keep)
            for table, versions in there:
                if _has_variants(sock, table, versions):
                    from .nft_variant_check import collect

                    collect(sock, table, versions)
                delete_if_empty(sock, table, versions)


def _has_variants(sock: Socket, table: str, versions: tuple[int, ...]) -> bool:
    prefixes = tuple([variant_set(version, "") for version in versions])
    return any(name.startswith(prefixes) for name in read_sets(sock.dump(dump_sets(table)).read(), table))


def _collect(sock: Socket, layout: Layout, network: str, keep: tuple[str, ...]) -> None:
    while True:
        genid = generation(sock.ask(nft.get_generation())[0])
        stale = {
            address: comment
            for _, address, comment in search(sock, layout, network_marks(network))
            if not comment.startswith(keep)
        }
        if not stale:
            return
        some = dict(list(stale.items())[:_MOST_DELETIONS])
        commit(sock, deletions(sock, layout, some), genid)


def delete_if_empty(sock: Socket, table: str, versions: tuple[int, ...]) -> None:
    """Delete the table, unless it holds an address or something that somebody else put there, such as a destination."""

    def is_ours(name: str) -> bool:
        if name in [operators_set(v) for v in versions]:
            return not _is_filled(sock, table, name)
        return any(name == masq_set(v) or subnet_set_length(name, v) is not None for v in versions)

    def attempt() -> None:
        genid = generation(sock.ask(nft.get_generation())[0])
        if not search(sock, ((table, versions),), ("",)) and holds_only(sock, table, chains(versions), is_ours):
            commit(sock, [delete_table(table)], genid)

    retry(f"delete the empty table {table}", attempt)


def _is_filled(sock: Socket, table: str, name: str) -> bool:
    """Return whether a set of intervals has one.

    An end alone is none: nft writes one before the first interval, and leaves it there when it deletes the last.
    """
    return any(not is_end for _, is_end in read_bounds(sock.dump(dump_bounds(table, name)).read()))


def holds_only(sock: Socket, table: str, names: list[str], is_ours: Callable[[str], bool]) -> bool:
    """Return whether the table holds chains of these names, sets for which `is_ours`, and nothing else.

    The kernel deletes a table with all that it holds, whoever made it.
    """
    use, *answers = sock.ask(get_table_use(table), *[nft.get_chain(table, name) for name in names])
    if not exists(use):
        return False
    sets = read_sets(sock.dump(dump_sets(table)).read(), table)
    ours = len([answer for answer in answers if exists(answer)]) + len([name for name in sets if is_ours(name)])
    held: int = use.one()[1].get(NFTA_TABLE_USE, 0)
    return held <= ours
