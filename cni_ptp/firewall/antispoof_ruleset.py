"""What the tables of "antiSpoof" hold: sets, chains and rules, and the requests that make them.  Pure.

    table inet cni_ptp_antispoof {
        set guarded { type ifname; elements = { "veth0123456789a" comment "mynet 4711 eth0" } }
        set source4 { type ifname . ipv4_addr; elements = { "veth0123456789a" . 10.1.2.3 } }
        set source6 { type ifname . ipv6_addr }
        chain prerouting { type filter hook prerouting priority -450; iifname @guarded goto check }
        chain check {
            iifname . ip saddr @source4 return
            iifname . ip6 saddr @source6 return
            ip6 saddr :: meta l4proto ipv6-icmp return
            drop
        }
    }
    table arp cni_ptp_antispoof {
        set guarded { type ifname }
        set source4 { type ifname . ipv4_addr }
        chain input { type filter hook input priority filter; iifname @guarded goto check }
        chain check {
            arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . arp saddr ip @source4 return
            drop
        }
    }

The guard comes before the kernel puts fragments together (priority -400): else a container could fill the one store of
fragments with false senders, and put pieces of its own into what a neighbour sends.  Each sender that the host hears
makes an entry in its neighbour table, which is one for the whole kernel: so ARP is guarded, and of the link-local
addresses of IPv6 only the one that the kernel derives from the container's MAC is let pass.  A container that chooses
another one is still reached by its own addresses.  The unspecified source of ICMPv6 is what duplicate address detection
and MLD are spoken from (RFC 4861, RFC 3810); it makes no entry.
"""

from __future__ import annotations

from ..netlink import nft, nft_define, nft_rule
from ..netlink.nft_expr import (
    NFT_REG_1,
    NFT_REG_2,
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
from .nft_table import GUARD, GUARD_ARP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..nlmsg import Request

GUARDED, CHECK = "guarded", "check"
SOURCE = {4: "source4", 6: "source6"}
BASE_CHAIN = {GUARD: "prerouting", GUARD_ARP: "input"}
# Hook and priority of the base chains.
PLACE = {
    GUARD: (nft_define.NF_INET_PRE_ROUTING, nft_define.NF_IP_PRI_RAW_BEFORE_DEFRAG),
    GUARD_ARP: (nft_define.NF_ARP_IN, nft_define.NF_IP_PRI_FILTER),
}
_GUARDED_TYPE = {GUARDED: [nft_define.TYPE_IFNAME]}
_SOURCE4_TYPE = {SOURCE[4]: [nft_define.TYPE_IFNAME, nft_define.TYPE_IPADDR]}
_SOURCE6_TYPE = {SOURCE[6]: [nft_define.TYPE_IFNAME, nft_define.TYPE_IP6ADDR]}
# The sets of each table, with the types of their keys.
SETS = {GUARD: {**_GUARDED_TYPE, **_SOURCE4_TYPE, **_SOURCE6_TYPE}, GUARD_ARP: {**_GUARDED_TYPE, **_SOURCE4_TYPE}}

_COMMENT = "drops what containers send from addresses that are not theirs; kept by the CNI plugin ptp"
_IPPROTO_ICMPV6 = 58
# ar_hrd Ethernet, ar_pro IPv4, ar_hln 6, ar_pln 4; then ar_op, 2 bytes, and the sender's MAC, 6 (if_arp.h).
_ARP_OF_IPV4 = b"\x00\x01\x08\x00\x06\x04"
_ARP_SADDR = 14


def table_requests(misplaced: list[str]) -> list[Request]:
    """Return the requests that give both tables their sets and exactly the rules they must have; elements stay.

    misplaced: tables whose base chain has another hook or priority; the kernel moves no chain.
    """
    requests = []
    first = 1
    for table, sets in SETS.items():
        numbers = {name: first + i for i, name in enumerate(sets)}  # unique in the batch
        first += len(sets)
        base = BASE_CHAIN[table]
        if table in misplaced:
            requests += [nft_rule.flush_chain(table, base), nft_define.delete_chain(table, base)]
        requests += [
            nft_define.new_table(table, _COMMENT),
            nft_define.new_chain(table, CHECK),
            nft_define.new_filter_chain(table, base, *PLACE[table]),
            *[nft_define.new_set(table, name, types, numbers[name], "") for name, types in sets.items()],
            nft_rule.flush_chain(table, base),
            nft_rule.flush_chain(table, CHECK),
            *[nft_rule.add_rule(table, CHECK, rule) for rule in check_rules(table, numbers)],
            nft_rule.add_rule(table, base, base_rule(numbers)),
        ]
    return requests


def base_rule(numbers: dict[str, int]) -> list[bytes]:
    """Return the one rule of a base chain.  numbers: of the sets made in the same batch."""
    return [meta_iifname(NFT_REG_1), lookup(NFT_REG_1, GUARDED, numbers.get(GUARDED, 0)), goto(CHECK)]


def check_rules(table: str, numbers: dict[str, int]) -> list[list[bytes]]:
    """Return the rules of the chain `check`, see above.  numbers: of the sets made in the same batch."""
    name4, name6 = SOURCE[4], SOURCE[6]
    known4 = [lookup(NFT_REG_1, name4, numbers.get(name4, 0)), return_()]
    if table == GUARD_ARP:
        is_ipv4 = [payload_network(NFT_REG_1, 0, len(_ARP_OF_IPV4)), cmp_eq(NFT_REG_1, _ARP_OF_IPV4)]
        saddr = payload_network(NFT_REG_2, _ARP_SADDR, 4)
        return [[*is_ipv4, meta_iifname(NFT_REG_1), saddr, *known4], [drop()]]
    ipv4 = [meta_nfproto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((nft.NFPROTO_IPV4,)))]
    ipv6 = [meta_nfproto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((nft.NFPROTO_IPV6,)))]
    saddr4, saddr6 = payload_network(NFT_REG_2, 12, 4), payload_network(NFT_REG_2, 8, 16)
    is_icmpv6 = [meta_l4proto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((_IPPROTO_ICMPV6,)))]
    return [
        [*ipv4, meta_iifname(NFT_REG_1), saddr4, *known4],
        [*ipv6, meta_iifname(NFT_REG_1), saddr6, lookup(NFT_REG_1, name6, numbers.get(name6, 0)), return_()],
        [*ipv6, saddr6, cmp_eq(NFT_REG_2, bytes(16)), *is_icmpv6, return_()],
        [drop()],
    ]


def source_keys(table: str, veth: bytes, addresses: list[bytes]) -> list[tuple[str, bytes]]:
    """Return (set, key) of each element that lets the link, given by its key, send from the packed addresses."""
    versions = {4: 4, 16: 6}
    named = [(SOURCE[versions[len(address)]], veth + address) for address in addresses]
    return [(name, key) for name, key in named if name in SETS[table]]


def link_local(mac: bytes) -> bytes:
    """Return the link-local address that the kernel derives from a MAC of 6 bytes, packed: RFC 4291 appendix A."""
    return b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
