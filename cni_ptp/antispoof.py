"""`"antiSpoof": true`: the host drops what a container sends from an address that is not its own.

    table inet cni_ptp_antispoof {
        set guarded { type ifname; elements = { "veth0123456789a" comment "mynet 4711 eth0" } }
        set source4 { type ifname . ipv4_addr; elements = { "veth0123456789a" . 10.1.2.3 } }
        set source6 { type ifname . ipv6_addr }
        chain prerouting { type filter hook prerouting priority raw; iifname @guarded goto check }
        chain check {
            iifname . ip saddr @source4 return
            iifname . ip6 saddr @source6 return
            ip6 saddr fe80::/10 return
            ip6 saddr :: meta l4proto ipv6-icmp return
            drop
        }
    }

Link-local sources, and the unspecified one of ICMPv6, are what neighbour discovery and MLD are spoken from (RFC 4861,
RFC 3810); the kernel forwards neither.  Each packet costs one or two lookups, however many containers there are.
What belongs to an attachment is keyed by the name of its host end, which is derived from it.
"""

from __future__ import annotations

import errno

from .attachment import Attachment, digest, go_network_hash
from .errors import KERNEL_REFUSED, CniError, NetlinkError
from .ip import text_of, version_of
from .netlink import nft, nft_define, nft_dump, nft_rule
from .netlink.nft import is_there
from .netlink.nft_element import delete_element
from .netlink.nft_expr import (
    NFT_REG_1,
    NFT_REG_2,
    bitwise_and,
    cmp_eq,
    drop,
    goto,
    lookup,
    meta_iifname,
    meta_l4proto,
    meta_nfproto,
    payload_network,
    return_,
)
from .netlink.sock import NETLINK_NETFILTER, Socket
from .nft_names import GUARD as TABLE
from .nft_transaction import commit, generation, retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .nlmsg import Request

_COMMENT = "drops what containers send from addresses that are not theirs; kept by the CNI plugin ptp"
_GUARDED, _CHECK, _PREROUTING = "guarded", "check", "prerouting"
_SOURCE = {4: "source4", 6: "source6"}
_TYPES = {
    _GUARDED: [nft_define.TYPE_IFNAME],
    _SOURCE[4]: [nft_define.TYPE_IFNAME, nft_define.TYPE_IPADDR],
    _SOURCE[6]: [nft_define.TYPE_IFNAME, nft_define.TYPE_IP6ADDR],
}
_IFNAMSIZ = 16  # include/uapi/linux/if.h
_IPPROTO_ICMPV6 = 58
_MOST_DELETIONS = 256  # the batch must fit the send buffer


def open_socket() -> Socket:
    """CniError 100 if the kernel has no nf_tables."""
    try:
        return Socket(NETLINK_NETFILTER)
    except OSError as e:
        words = f"the kernel has none: {e.strerror}"
        raise CniError(KERNEL_REFUSED, "antiSpoof needs nf_tables", words) from None


def add(sock: Socket, attachment: Attachment, addresses: list[bytes]) -> None:
    """From the attachment's host end only packets from its (packed) addresses are taken.

    NetlinkError, CniError 11: then nothing has changed.
    """
    retry("guard against spoofed addresses", lambda: _try_add(sock, attachment, addresses))


def _try_add(sock: Socket, attachment: Attachment, addresses: list[bytes]) -> None:
    veth = attachment.host_veth()
    genid, whole, guarded = _look(sock, veth)
    changes = [] if whole else _skeleton()
    if guarded:
        changes += _deletions(sock, {_key(veth)})
    changes.append(nft.new_element(TABLE, _GUARDED, _key(veth), _comment(attachment)))
    for address in addresses:
        name = _SOURCE[version_of(address)]
        changes.append(nft.new_element(TABLE, name, _key(veth) + address, _comment(attachment)))
    commit(sock, changes, genid)


def remove(sock: Socket, attachment: Attachment) -> None:
    """The attachment's host end is not guarded any more.  Nothing there is success, and found out by one request."""
    retry("take back the guard against spoofing", lambda: _try_remove(sock, _key(attachment.host_veth())))


def _try_remove(sock: Socket, key: bytes) -> None:
    present, found = sock.ask(nft.get_generation(), nft.get_element(TABLE, _GUARDED, key))
    if is_there(found):
        commit(sock, _deletions(sock, {key}), generation(present))


def gc(network: str, valid: list[Attachment]) -> None:
    """No host end of the network is guarded but those of valid attachments; a table that guards none is gone."""
    keep = {_comment(attachment) for attachment in valid}
    marks = (f"{network} ", f"#{go_network_hash(network)} ")
    try:
        sock = open_socket()
    except CniError:
        return  # a kernel without nf_tables has nothing of ours
    with sock:
        retry("collect stale guards against spoofing", lambda: _collect(sock, marks, keep))


def _collect(sock: Socket, marks: tuple[str, ...], keep: set[str]) -> None:
    while True:
        genid, whole, _ = _look(sock, "")
        if not whole and not is_there(sock.ask(nft.get_table(TABLE))[0]):
            return
        listed = _elements(sock, _GUARDED)
        stale = [key for key, comment in listed if comment.startswith(marks) and comment not in keep]
        if not stale:
            if not listed and _is_empty(sock):
                commit(sock, [nft_define.delete_table(TABLE)], genid)
            return
        commit(sock, _deletions(sock, set(stale[:_MOST_DELETIONS])), genid)


def _is_empty(sock: Socket) -> bool:
    """Return whether the table holds no element, and nothing that somebody else put there."""
    from .nft_upkeep import holds_only  # GC has loaded it

    return not any(_elements(sock, name) for name in _TYPES) and holds_only(
        sock, TABLE, [_PREROUTING, _CHECK], lambda name: name in _TYPES
    )


def findings(attachment: Attachment, addresses: list[bytes]) -> list[str]:
    """What is missing of the guard, in words."""
    veth = attachment.host_veth()
    with open_socket() as sock:
        _, whole, guarded = _look(sock, veth)
        if not guarded:
            return [f"{veth} is not in nf_tables set {TABLE} {_GUARDED}: nothing keeps it from spoofing"]
        words = [] if whole else [f"nf_tables {TABLE} lacks rules: nothing keeps {veth} from spoofing"]
        allowed = {key for name in _SOURCE.values() for key, _ in _elements(sock, name, {_key(veth)})}
    for address in addresses:
        if _key(veth) + address not in allowed:
            words.append(
                f"{text_of(address)} is not in {TABLE} {_SOURCE[version_of(address)]}: its packets are dropped"
            )
    return words


def guarded() -> dict[str, list[bytes]]:
    """The (packed) addresses that each guarded link is let send from, by the link's name."""
    with open_socket() as sock:
        found: dict[str, list[bytes]] = {_name(key): [] for key, _ in _elements(sock, _GUARDED)}
        for name in _SOURCE.values():
            for key, _ in _elements(sock, name):
                found.get(_name(key), []).append(key[_IFNAMSIZ:])
    return found


def refusal() -> str:
    """Why the kernel would not guard, "" if it would: a transaction that is never ended is tried and undone."""
    try:
        with open_socket() as sock:
            refused = [a.error for a in sock.batch(nft.batch(_skeleton(), None)[:-1]) if a.error is not None]
    except (CniError, OSError) as e:
        return str(e)
    return str(refused[0]) if refused else ""


# --- the table ------------------------------------------------------------------------------------------------------


def _key(veth: str) -> bytes:
    return veth.encode().ljust(_IFNAMSIZ, b"\0")


def _name(key: bytes) -> str:
    """The link that a key begins with."""
    return key[:_IFNAMSIZ].rstrip(b"\0").decode("utf-8", "replace")


def _comment(attachment: Attachment) -> str:
    """Whose an element is: in clear, or by hashes if nft would not take the text back."""
    text = attachment.owner()
    if len(text) < nft.MOST_COMMENT and text.isascii() and text.isprintable() and '"' not in text:
        return text
    return f"#{go_network_hash(attachment.network)} #{digest(text)[:64]}"


def _look(sock: Socket, veth: str) -> tuple[int, bool, bool]:
    """(generation, whether the table is whole, whether the link is guarded)."""
    answers = iter(
        sock.ask(
            nft.get_generation(),
            *[nft.get_chain(TABLE, name) for name in (_PREROUTING, _CHECK)],
            *[nft.get_set(TABLE, name) for name in _TYPES],
            nft.get_element(TABLE, _GUARDED, _key(veth)),
        )
    )
    genid = generation(next(answers))
    whole = True
    # A chain's use counts its rules and what leads to it; after `nft flush table` there are none.
    for least in (1, len(_check_rules({})) + 1):
        chain = next(answers)
        whole = is_there(chain) and chain.one()[1].get(nft.NFTA_CHAIN_USE, 0) >= least and whole
    for _ in _TYPES:
        whole = is_there(next(answers)) and whole
    return genid, whole, is_there(next(answers))


def _skeleton() -> list[Request]:
    """The table has its sets and exactly the rules it must have; elements stay."""
    numbers = {name: i + 1 for i, name in enumerate(_TYPES)}
    requests = [
        nft_define.new_table(TABLE, _COMMENT),
        nft_define.new_chain(TABLE, _CHECK),
        nft_define.new_raw_prerouting_chain(TABLE, _PREROUTING),
        *[nft_define.new_set(TABLE, name, types, numbers[name], "") for name, types in _TYPES.items()],
        nft_rule.flush_chain(TABLE, _PREROUTING),
        nft_rule.flush_chain(TABLE, _CHECK),
        *[nft_rule.add_rule(TABLE, _CHECK, rule) for rule in _check_rules(numbers)],
    ]
    to_check = [meta_iifname(NFT_REG_1), lookup(NFT_REG_1, _GUARDED, numbers[_GUARDED]), goto(_CHECK)]
    return [*requests, nft_rule.add_rule(TABLE, _PREROUTING, to_check)]


def _check_rules(numbers: dict[str, int]) -> list[list[bytes]]:
    """The rules of the chain `check`, see the head of this file.  numbers: of the sets made in the same batch."""
    ipv4 = [meta_nfproto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((nft.NFPROTO_IPV4,)))]
    ipv6 = [meta_nfproto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((nft.NFPROTO_IPV6,)))]
    saddr4, saddr6 = payload_network(NFT_REG_2, 12, 4), payload_network(NFT_REG_2, 8, 16)
    name4, name6 = _SOURCE[4], _SOURCE[6]
    link_local, unspecified = b"\xfe\x80" + bytes(14), bytes(16)
    is_icmpv6 = [meta_l4proto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((_IPPROTO_ICMPV6,)))]
    return [
        [*ipv4, meta_iifname(NFT_REG_1), saddr4, lookup(NFT_REG_1, name4, numbers.get(name4, 0)), return_()],
        [*ipv6, meta_iifname(NFT_REG_1), saddr6, lookup(NFT_REG_1, name6, numbers.get(name6, 0)), return_()],
        [*ipv6, saddr6, bitwise_and(NFT_REG_2, b"\xff\xc0" + bytes(14)), cmp_eq(NFT_REG_2, link_local), return_()],
        [*ipv6, saddr6, cmp_eq(NFT_REG_2, unspecified), *is_icmpv6, return_()],
        [drop()],
    ]


def _elements(sock: Socket, name: str, links: set[bytes] | None = None) -> list[tuple[bytes, str]]:
    """(key, comment) of each element of a set, of those of the links (given by their keys) if any are given.

    [] if there is no such set.  Replies without the links are not read: of thousands of elements that takes long.
    """
    try:
        answer = sock.dump(nft_dump.dump_elements(TABLE, name))
    except NetlinkError as e:
        if e.errno != errno.ENOENT:
            raise
        return []
    found = []
    for message in answer.messages:
        if links is None or any(link in message.payload for link in links):
            found += nft_dump.read_elements(nft_dump.LISTED.read(message.payload))
    return [(key, comment) for key, comment in found if links is None or key[:_IFNAMSIZ] in links]


def _deletions(sock: Socket, links: set[bytes]) -> list[Request]:
    """The requests that take out every element of the links, given by their keys."""
    return [delete_element(TABLE, name, key) for name in _TYPES for key, _ in _elements(sock, name, links)]
