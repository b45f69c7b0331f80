"""What iptables made of a container's masquerading, found and removed through netlink: no binary is run.

iptables-nft keeps its rules in the nf_tables tables `ip nat` and `ip6 nat`.  A container's chain, the Go plugin's or
ours, is named by a hash; POSTROUTING has a jump to it for each address.  The same looking serves the iptables backend.
"""

from __future__ import annotations

import errno

from ..base.errors import NetlinkError
from ..base.ip import bits, text_of
from ..cni.attachment import Attachment, go_network_hash
from ..netlink import nft, nft_expr, nft_rule
from ..netlink.nft import NFTA_DATA_VALUE, exists
from ..netlink.nft_define import delete_chain
from ..netlink.nft_element import comment_of
from .nft_socket import open_socket
from .nft_table import GO_CHAIN, GO_TABLE, IPTABLES_NAT
from .nft_transaction import commit, generation, retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..base.ip import Prefix
    from ..cni.masquerade_options import Variant
    from ..netlink.sock import Socket
    from ..nlmsg import Message

POSTROUTING = "POSTROUTING"
_COMMENT_BEGINS = b'name: "'
# The source address in the header: offset and length.
SADDR = {4: (12, 4), 6: (8, 16)}


class Jump:
    """A rule of POSTROUTING that leads to a container's chain.

    source: packed, None if the rule has none.  is_anothers: its comment names another container.  The name of a chain
    is a hash of network and container without a separator, so that two containers may share one.
    """

    __slots__ = ("handle", "source", "is_anothers")

    def __init__(self, handle: int, source: bytes | None, is_anothers: bool) -> None:
        self.handle = handle
        self.source = source
        self.is_anothers = is_anothers


def remove(sock: Socket, attachment: Attachment, known_addresses: list[bytes]) -> None:
    """Remove the attachment's chains, jumps and rules that iptables-nft or the Go plugin made.

    known_addresses: the attachment's, packed, as far as they are known.  A jump for another address stays while the
    host routes that to a container: the chain may serve another interface of it.
    """
    for version in IPTABLES_NAT:
        retry("remove the rules that iptables made", _try_remove, sock, version, attachment, known_addresses)
    prefix = attachment.go_nft_hash()
    retry("remove the rules that the Go plugin made", _try_remove_go_rules, sock, prefix, (), False)


def chain_rules(sock: Socket, version: int, attachment: Attachment) -> list[Message] | None:
    """Return the rules of the container's chain as they came; None if there is no such chain."""
    table = IPTABLES_NAT[version]
    if not exists(sock.ask(nft.get_chain(table, attachment.go_chain()))[0]):
        return None
    return sock.dump(nft_rule.dump_rules(table, attachment.go_chain())).messages


def jumps(sock: Socket, version: int, attachment: Attachment) -> list[Jump]:
    """Return the jumps to the container's chain.  Only rules that name the chain are read."""
    table, (offset, length) = IPTABLES_NAT[version], SADDR[version]
    chain = attachment.go_chain().encode() + b"\0"
    own = attachment.go_comment().encode("utf-8", "surrogateescape")
    found = []
    for message in sock.dump(nft_rule.dump_rules(table, POSTROUTING)).messages:
        if chain in message.payload:
            attrs = nft_rule.RULE.read(message.payload)[1]
            is_anothers = _COMMENT_BEGINS in message.payload and own not in message.payload
            found.append(Jump(attrs[nft_rule.NFTA_RULE_HANDLE], source_of(attrs, offset, length), is_anothers))
    return found


def source_of(attrs: dict[object, object], offset: int, length: int) -> bytes | None:
    """Return the value with which a rule's match of the source address compares."""
    expressions = nft_expr.read(attrs.get(nft_rule.NFTA_RULE_EXPRESSIONS, []))  # type: ignore[arg-type]
    for (name, load), (compare, data) in zip(expressions, expressions[1:]):
        if name == "payload" and compare == "cmp" and load.get(nft_expr.NFTA_PAYLOAD_OFFSET) == offset:
            value: bytes = data.get(nft_expr.NFTA_CMP_DATA, {}).get(NFTA_DATA_VALUE, b"")
            if len(value) == length:
                return value
    return None


def _try_remove(sock: Socket, version: int, attachment: Attachment, known_addresses: Iterable[bytes]) -> None:
    table = IPTABLES_NAT[version]
    genid_answer, chain_answer = sock.ask(nft.get_generation(), nft.get_chain(table, attachment.go_chain()))
    if not exists(chain_answer):
        return
    there = jumps(sock, version, attachment)
    known = set(known_addresses)
    gone = [jump for jump in there if not jump.is_anothers and (jump.source in known or not is_routed(jump.source))]
    changes = [nft_rule.delete_rule(table, POSTROUTING, jump.handle) for jump in gone]
    if len(gone) == len(there):
        changes += [nft_rule.flush_chain(table, attachment.go_chain()), delete_chain(table, attachment.go_chain())]
    if changes:
        commit(sock, changes, generation(genid_answer))


def is_routed(address: bytes | None) -> bool:
    """Return whether the host has a route of full length to the address, as to a container that is attached."""
    if address is None:
        return False
    from ..netlink.rt_route import get_route
    from ..netlink.rt_route_read import read_route
    from ..netlink.sock import NETLINK_ROUTE, Socket

    with Socket(NETLINK_ROUTE) as sock:
        answer = sock.ask(get_route(address))[0]
        return answer.error is None and read_route(answer.one()).length == bits(address)


def _try_remove_go_rules(sock: Socket, prefix: str, keep: tuple[str, ...], routed_stay: bool) -> None:
    """Delete the rules of the Go plugin's own table whose comment begins with `prefix`, but not with one of `keep`.

    routed_stay: whether a rule stays while the host routes its source to a container.
    """
    genid_answer, chain_answer = sock.ask(nft.get_generation(), nft.get_chain(GO_TABLE, GO_CHAIN))
    if not exists(chain_answer):
        return
    changes = []
    for message in sock.dump(nft_rule.dump_rules(GO_TABLE, GO_CHAIN)).messages:
        if prefix.encode() in message.payload:
            attrs = nft_rule.RULE.read(message.payload)[1]
            comment = comment_of(attrs.get(nft_rule.NFTA_RULE_USERDATA, b""))
            stays = (keep and comment.startswith(keep)) or (routed_stay and _is_of_a_container(attrs))
            if comment.startswith(prefix) and not stays:
                changes.append(nft_rule.delete_rule(GO_TABLE, GO_CHAIN, attrs[nft_rule.NFTA_RULE_HANDLE]))
    if changes:
        commit(sock, changes, generation(genid_answer))


def _is_of_a_container(attrs: dict[object, object]) -> bool:
    """Return whether the host routes the source address of a rule to a container."""
    return any(is_routed(source_of(attrs, *place)) for place in SADDR.values())


def gc(network: str, valid: list[Attachment], is_complete: bool) -> None:
    """Delete the network's rules of other attachments: the Go plugin's own, and those that iptables-nft made.

    is_complete: whether `valid` names every attachment; if not, a rule stays while the host routes its source to a
    container.
    """
    try:
        sock = open_socket()
    except OSError as e:
        if e.errno == errno.EPROTONOSUPPORT:
            return
        raise
    with sock:
        prefix = go_network_hash(network) + "-"
        keep = tuple(attachment.go_nft_hash() for attachment in valid)
        retry("collect rules of the Go plugin", _try_remove_go_rules, sock, prefix, keep, not is_complete)
        kept = {attachment.containerid for attachment in valid}
        for version in IPTABLES_NAT:
            for containerid in _containers(sock, version, network):
                stale = Attachment(network, containerid, "")
                if containerid not in kept:
                    own = [jump for jump in jumps(sock, version, stale) if not jump.is_anothers]
                    sources = [jump.source for jump in own if jump.source is not None and is_complete]
                    retry("collect rules of iptables", _try_remove, sock, version, stale, sources)


def _containers(sock: Socket, version: int, network: str) -> list[str]:
    """Return the containers of the network that a jump in POSTROUTING names in its comment."""
    table = IPTABLES_NAT[version]
    if not exists(sock.ask(nft.get_chain(table, POSTROUTING))[0]):
        return []
    messages = sock.dump(nft_rule.dump_rules(table, POSTROUTING)).messages
    return sorted({containerid for m in messages for containerid in [container_in(m.payload, network)] if containerid})


def container_in(raw: bytes, network: str) -> str:
    """Return the container that a comment as the Go plugin writes it names, wherever in `raw` it is; "" if none."""
    mark = f'name: "{network}" id: "'.encode()
    start = raw.find(mark)
    end = raw.find(b'"', start + len(mark))
    return raw[start + len(mark) : end].decode("utf-8", "replace") if start >= 0 and end > 0 else ""


def differences(attachment: Attachment, addresses: list[Prefix], variants: dict[int, Variant]) -> list[str]:
    """Return what is missing of the masquerading by iptables-nft of each (packed address, prefix length), in words."""
    words = []
    with open_socket() as sock:
        for version in sorted({4 if len(a) == 4 else 6 for a, _ in addresses}):
            there = chain_rules(sock, version, attachment)
            if not there:
                words.append(f"{IPTABLES_NAT[version]} has no chain {attachment.go_chain()}, or an empty one")
                continue
            if version in variants:
                from .iptables_variant import lacks_of_rules

                lacks = lacks_of_rules(there, variants[version])
                words += [f"{IPTABLES_NAT[version]} chain {attachment.go_chain()} {lack}" for lack in lacks]
            try:
                sources = {jump.source for jump in jumps(sock, version, attachment)}
            except NetlinkError as e:
                words.append(str(e))
                continue
            for address, _ in addresses:
                if (len(address) == 4) == (version == 4) and address not in sources:
                    words.append(f"{IPTABLES_NAT[version]} does not lead {text_of(address)} to {attachment.go_chain()}")
    return words
