"""What the table of the port mappings holds: maps, sets, chains and rules.  Pure.

    table inet cni_ptp_portmap {
        map specific4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
        map any4 { type inet_proto . inet_service : ipv4_addr . inet_service }
        set mapped4 { type ipv4_addr }              # containers, each with the count of its mappings
        set hairpin4 { type ipv4_addr . ipv4_addr } # the same address twice: a container that speaks to itself
        …6 likewise
        set guarded { type ifname }                 # host ends that route 127.0.0.0/8
        chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local jump translate }
        chain output { type nat hook output priority -100; fib daddr type local jump translate }
        chain translate {
            dnat ip to ip daddr . meta l4proto . th dport map @specific4
            dnat ip to meta l4proto . th dport map @any4
            … ip6 likewise
        }
        chain postrouting { type nat hook postrouting priority 99;
            ip saddr . ip daddr @hairpin4 masquerade
            ip saddr 127.0.0.0/8 ip daddr @mapped4 masquerade
            ip6 saddr . ip6 daddr @hairpin6 masquerade
        }
        chain loopback { type filter hook prerouting priority -450;
            iifname @guarded ip saddr 127.0.0.0/8 drop
            iifname @guarded ip daddr 127.0.0.0/8 drop
        }
    }

A packet costs two lookups, however many containers and ports there are.  A port of one address of the host comes before
the same port of all.  What a container sends to the host's 127.0.0.0/8 never gets in, though its host end routes that
net for the sake of the answers (CVE-2020-8558 was of this kind).
"""

from __future__ import annotations

import _struct as struct

from ..netlink import nft_define, nft_rule
from ..netlink.nft import NFPROTO_IPV4, NFPROTO_IPV6
from ..netlink.nft_define import TYPE_IFNAME, TYPE_INET_PROTOCOL, TYPE_INET_SERVICE, TYPE_IP6ADDR, TYPE_IPADDR
from ..netlink.nft_expr import (
    NFT_REG32_01,
    NFT_REG_1,
    NFT_REG_2,
    cmp_eq,
    dnat,
    drop,
    fib_daddr_type,
    jump,
    lookup,
    lookup_in_map,
    masq,
    meta_iifname,
    meta_l4proto,
    meta_nfproto,
    payload_network,
    payload_transport,
)
from ..netlink.rt_route import RTN_LOCAL
from .nft_table import PORTMAP as TABLE
from .portmap_elements import GUARDED, SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..nlmsg import Request

TRANSLATE = "translate"
_TABLE_COMMENT = "ports of the host that lead to containers; kept by the CNI plugin ptp"
_TYPE = {4: TYPE_IPADDR, 6: TYPE_IP6ADDR}
_PORT = [TYPE_INET_PROTOCOL, TYPE_INET_SERVICE]
_NFPROTO = {4: NFPROTO_IPV4, 6: NFPROTO_IPV6}
# offset of the source and of the destination address in the header, length of an address
_HEADER = {4: (12, 16, 4), 6: (8, 24, 16)}
_DPORT = (2, 2)  # of TCP, UDP and SCTP: offset and length
# NFT_REG32_02 and NFT_REG32_05: the 4 bytes behind an IPv4 address and a protocol, and behind an IPv6 address and one.
_REG32_02, _REG32_05 = 10, 13
_LOOPBACK = b"\x7f"

# Base chains: type, hook, priority.
NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST = 3, -100
BASE_CHAINS = {
    "prerouting": ("nat", nft_define.NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST),
    "output": ("nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST),
    "postrouting": ("nat", nft_define.NF_INET_POST_ROUTING, nft_define.NF_IP_PRI_NAT_SRC - 1),
    "loopback": ("filter", nft_define.NF_INET_PRE_ROUTING, nft_define.NF_IP_PRI_RAW_BEFORE_DEFRAG),
}
CHAINS = (TRANSLATE, *BASE_CHAINS)


def table_requests() -> list[Request]:
    """Return the requests that give the table its maps, sets, chains and exactly the rules it must have."""
    numbers = {name: number for number, name in enumerate(SETS, 1)}
    requests = [nft_define.new_table(TABLE, _TABLE_COMMENT)]
    for version in (4, 6):
        address = _TYPE[version]
        for name, types in ((f"specific{version}", [address, *_PORT]), (f"any{version}", _PORT)):
            data = [address, TYPE_INET_SERVICE]
            requests.append(nft_define.new_map(TABLE, name, types, data, numbers[name], ""))
        for name, types in ((f"mapped{version}", [address]), (f"hairpin{version}", [address, address])):
            requests.append(nft_define.new_set(TABLE, name, types, numbers[name], ""))
    requests.append(nft_define.new_set(TABLE, GUARDED, [TYPE_IFNAME], numbers[GUARDED], ""))
    requests.append(nft_define.new_chain(TABLE, TRANSLATE))
    requests += [nft_define.new_base_chain(TABLE, name, *place) for name, place in BASE_CHAINS.items()]
    for chain in CHAINS:
        requests.append(nft_rule.flush_chain(TABLE, chain))
        requests += [nft_rule.add_rule(TABLE, chain, rule) for rule in rules(chain, numbers)]
    return requests


def rules(chain: str, numbers: dict[str, int]) -> list[list[bytes]]:
    """Return the rules of a chain, see above.  numbers: of the maps and sets made in the same batch."""
    if chain == TRANSLATE:
        return [rule for version in (4, 6) for rule in _translations(version, numbers)]
    if chain == "postrouting":
        source, destination, _ = _HEADER[4]
        from_loopback = [payload_network(NFT_REG_1, source, 1), cmp_eq(NFT_REG_1, _LOOPBACK)]
        to_mapped = [payload_network(NFT_REG_1, destination, 4), _lookup(NFT_REG_1, "mapped4", numbers)]
        return [
            _hairpin(4, NFT_REG32_01, numbers),
            [*_is_of(4), *from_loopback, *to_mapped, masq()],
            _hairpin(6, NFT_REG_2, numbers),
        ]
    if chain == "loopback":
        guarded = [meta_iifname(NFT_REG_1), _lookup(NFT_REG_1, GUARDED, numbers), *_is_of(4)]
        ends = _HEADER[4][:2]
        return [[*guarded, payload_network(NFT_REG_1, at, 1), cmp_eq(NFT_REG_1, _LOOPBACK), drop()] for at in ends]
    return [[fib_daddr_type(NFT_REG_1), cmp_eq(NFT_REG_1, struct.pack("=I", RTN_LOCAL)), jump(TRANSLATE)]]


def _is_of(version: int) -> list[bytes]:
    return [meta_nfproto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((_NFPROTO[version],)))]


def _lookup(register: int, name: str, numbers: dict[str, int]) -> bytes:
    return lookup(register, name, numbers.get(name, 0))


def _hairpin(version: int, second: int, numbers: dict[str, int]) -> list[bytes]:
    source, destination, size = _HEADER[version]
    ends = [payload_network(NFT_REG_1, source, size), payload_network(second, destination, size)]
    return [*_is_of(version), *ends, _lookup(NFT_REG_1, f"hairpin{version}", numbers), masq()]


def _translations(version: int, numbers: dict[str, int]) -> list[list[bytes]]:
    """Return the rules that give a packet its new destination: by address and port, then by port."""
    _, destination, size = _HEADER[version]
    behind = NFT_REG32_01 if version == 4 else NFT_REG_2  # the first register behind an address
    to = dnat(_NFPROTO[version], NFT_REG_1, behind)
    by_address = [
        payload_network(NFT_REG_1, destination, size),
        meta_l4proto(behind),
        payload_transport(_REG32_02 if version == 4 else _REG32_05, *_DPORT),
    ]
    by_port = [meta_l4proto(NFT_REG_1), payload_transport(NFT_REG32_01, *_DPORT)]
    return [
        [*_is_of(version), *loads, lookup_in_map(NFT_REG_1, NFT_REG_1, name, numbers.get(name, 0)), to]
        for loads, name in ((by_address, f"specific{version}"), (by_port, f"any{version}"))
    ]
