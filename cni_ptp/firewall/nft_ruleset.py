"""What our nf_tables table consists of.  Pure.

Two sets a family hold the containers' addresses, so that neither changing nor matching costs more with more of them:

    table inet cni_ptp {
        set masq4 { type ipv4_addr; elements = { 10.1.2.3 comment "mynet 4711 eth0 /24" } }
        set own4_24 { type ipv4_addr . ipv4_addr; elements = { 10.1.2.3 . 10.1.2.0 comment "mynet 4711 eth0 /24" } }
        chain postrouting { type nat hook postrouting priority 150; ip saddr @masq4 goto masquerade4; … }
        set nonmasquerade4 { type ipv4_addr; flags interval }
        chain masquerade4 {
            ip saddr . ip daddr & 255.255.255.0 @own4_24 return
            ip daddr 224.0.0.0/4 return
            ip daddr @nonmasquerade4 return
            masquerade
        }
    }

The third set is the operator's: nothing but the deletion of the table takes an element out of it, and a table with one
is not deleted.  There is one `own` set and one rule for each prefix length in use.  A verdict map whose elements lead
to a chain a subnet would do as well, but the kernel then walks the whole map each time an element is added
(nft_chain_validate).

Each combination of options, a variant (masquerade_options), has a set of its addresses, a chain and, if it spares
destinations, a set of them, all named by a hash; the containers of all networks with the same options share them:

        set masq4_0123456789ab { type ipv4_addr; comment "masquerade fully-random"; … }
        set nonmasquerade4_0123456789ab { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
        chain masquerade4 { …; ip saddr @masq4_0123456789ab goto masquerade4_0123456789ab; masquerade }
        chain masquerade4_0123456789ab {
            ip daddr @nonmasquerade4_0123456789ab return
            masquerade fully-random
        }

The comment of the set tells what the chain does, so that whoever mends the table can make it again.
"""

from __future__ import annotations

from ..base.ip import network_of
from ..netlink import nft_define, nft_rule
from ..netlink.nft import NFPROTO_IPV4, NFPROTO_IPV6
from ..netlink.nft_expr import (
    NF_NAT_RANGE_PROTO_RANDOM_FULLY,
    NFT_REG32_01,
    NFT_REG_1,
    NFT_REG_2,
    bitwise_and,
    cmp_eq,
    goto,
    immediate,
    lookup,
    masq,
    masq_fully_random,
    meta_nfproto,
    payload_network,
    return_,
    snat,
)
from .nft_table import (
    POSTROUTING,
    PRIORITY,
    masq_set,
    masquerade_chain,
    operators_set,
    subnet_set,
    variant_chain,
    variant_set,
    variant_spared_set,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.masquerade_options import Variant
    from ..nlmsg import Request

_TABLE_COMMENT = "masquerading of containers, kept by the CNI plugin ptp"

# offset of the source and of the destination address in the header, length of an address, register of the second
# part of a concatenation
_HEADER = {4: (12, 16, 4, NFT_REG32_01), 6: (8, 24, 16, NFT_REG_2)}
_TYPE = {4: nft_define.TYPE_IPADDR, 6: nft_define.TYPE_IP6ADDR}
_NFPROTO = {4: NFPROTO_IPV4, 6: NFPROTO_IPV6}
_BITS = {4: 32, 6: 128}


# --- the table ------------------------------------------------------------------------------------------------------


def table_requests(
    table: str,
    versions: tuple[int, ...],
    lengths: dict[int, set[int]],
    operators: tuple[int, ...] = (),
    variants: tuple[Variant, ...] = (),
) -> list[Request]:
    """Return the requests that give the table its sets, its chains, and exactly the rules they must have.

    Elements stay.
    lengths: for each IP version the prefix lengths that have an own set or are to have one.  operators: the IP versions
    whose operator's set is there, as the operator may have made it.  variants: of all these versions.
    """
    requests = [nft_define.new_table(table, _TABLE_COMMENT)]
    requests.append(nft_define.new_nat_postrouting_chain(table, POSTROUTING, PRIORITY))
    requests += [nft_define.new_chain(table, masquerade_chain(v)) for v in versions]
    numbers: dict[str, int] = {}
    for version in versions:
        requests += _sets(table, version, lengths[version], numbers)
        if version not in operators:
            requests.append(_operators_set(table, version, numbers))
    for variant in variants:
        requests += _variant_sets(table, variant, numbers)
        requests.append(nft_define.new_chain(table, variant_chain(variant.version, variant.name)))
        requests += _refilled(
            table, variant_chain(variant.version, variant.name), variant_rules(table, variant, numbers)
        )
    for chain in chains(versions):
        requests += _refilled(table, chain, rules(table, chain, versions, lengths, numbers, variants=variants))
    return requests


def _refilled(table: str, chain: str, wanted: list[list[bytes]]) -> list[Request]:
    flushed = nft_rule.flush_chain(table, chain)
    return [flushed, *[nft_rule.add_rule(table, chain, rule) for rule in wanted]]


def chains(versions: tuple[int, ...]) -> list[str]:
    """Return the chains of a table, those that others lead to first."""
    return [*[masquerade_chain(v) for v in versions], POSTROUTING]


def _sets(table: str, version: int, lengths: set[int], numbers: dict[str, int]) -> list[Request]:
    wanted = [(masq_set(version), [_TYPE[version]], "addresses of containers to be masqueraded")]
    for length in sorted(lengths, reverse=True):
        wanted.append((subnet_set(version, length), [_TYPE[version]] * 2, "each with its own subnet: not masqueraded"))
    requests = []
    for name, types, text in wanted:
        numbers[name] = len(numbers) + 1
        requests.append(nft_define.new_set(table, name, types, numbers[name], text))
    return requests


def _operators_set(table: str, version: int, numbers: dict[str, int]) -> Request:
    name = operators_set(version)
    numbers[name] = len(numbers) + 1
    text = "destinations that are not masqueraded; yours to fill"
    return nft_define.new_set(table, name, [_TYPE[version]], numbers[name], text, nft_define.NFT_SET_INTERVAL)


def _variant_sets(table: str, variant: Variant, numbers: dict[str, int]) -> list[Request]:
    types = [_TYPE[variant.version]]
    name = variant_set(variant.version, variant.name)
    numbers[name] = len(numbers) + 1
    requests = [nft_define.new_set(table, name, types, numbers[name], variant.statement())]
    if variant.spares:
        name, text = variant_spared_set(variant.version, variant.name), "destinations that are not masqueraded"
        numbers[name] = len(numbers) + 1
        requests.append(nft_define.new_set(table, name, types, numbers[name], text, nft_define.NFT_SET_INTERVAL))
    return requests


def subnet_set_length(name: str, version: int) -> int | None:
    """Return the prefix length in the name of an own set; None if the name is not of one."""
    text = name[len(f"own{version}_") :]
    if not name.startswith(f"own{version}_") or not text.isdigit() or int(text) >= _BITS[version]:
        return None
    return int(text)


def rules(
    table: str,
    chain: str,
    versions: tuple[int, ...],
    lengths: dict[int, set[int]],
    numbers: dict[str, int],
    spares: bool = True,
    variants: tuple[Variant, ...] = (),
) -> list[list[bytes]]:
    """Return the rules of one chain, each a list of expressions.  numbers: of the sets that the same batch makes.

    spares: whether the destinations of the operator's set are spared.
    """
    if chain == POSTROUTING:
        return [_goto(table, v, masq_set(v), masquerade_chain(v), numbers) for v in versions]
    version = 4 if chain == masquerade_chain(4) else 6
    own = [
        _own(table, version, n, numbers.get(subnet_set(version, n), 0)) for n in sorted(lengths[version], reverse=True)
    ]
    spared = [_spared(table, version, operators_set(version), numbers)] if spares else []
    varied = [
        _goto(table, version, variant_set(version, v.name), variant_chain(v.version, v.name), numbers)
        for v in variants
        if v.version == version
    ]
    return [*own, _multicast(table, version), *spared, *varied, [masq()]]


def variant_rules(table: str, variant: Variant, numbers: dict[str, int]) -> list[list[bytes]]:
    """Return the rules of the chain of a variant, as `rules` does."""
    version = variant.version
    found = []
    if variant.spares:
        found.append(_spared(table, version, variant_spared_set(version, variant.name), numbers))
    flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY if variant.random_fully else 0
    if variant.source is not None:
        translated = [immediate(NFT_REG_1, variant.source), snat(_NFPROTO[version], NFT_REG_1, flags)]
        found.append([*_family(table, version), *translated])
    else:
        found.append([masq_fully_random() if flags else masq()])
    return found


def _goto(table: str, version: int, name: str, chain: str, numbers: dict[str, int]) -> list[bytes]:
    """Encode: ip saddr @masq4 goto masquerade4"""
    saddr, _, size, _ = _HEADER[version]
    return [
        *_family(table, version),
        payload_network(NFT_REG_1, saddr, size),
        lookup(NFT_REG_1, name, numbers.get(name, 0)),
        goto(chain),
    ]


def _own(table: str, version: int, length: int, number: int) -> list[bytes]:
    """Encode: ip saddr . ip daddr & 255.255.255.0 @own4_24 return"""
    saddr, daddr, size, second = _HEADER[version]
    return [
        *_family(table, version),
        payload_network(NFT_REG_1, saddr, size),
        payload_network(second, daddr, size),
        bitwise_and(second, network_of(b"\xff" * size, length)),
        lookup(NFT_REG_1, subnet_set(version, length), number),
        return_(),
    ]


def _multicast(table: str, version: int) -> list[bytes]:
    """Encode: ip daddr 224.0.0.0/4 return; ip6 daddr ff00::/8 return"""
    daddr = _HEADER[version][1]
    if version == 6:
        match = [payload_network(NFT_REG_1, daddr, 1), cmp_eq(NFT_REG_1, b"\xff")]
    else:
        match = [
            payload_network(NFT_REG_1, daddr, 4),
            bitwise_and(NFT_REG_1, b"\xf0\0\0\0"),
            cmp_eq(NFT_REG_1, b"\xe0\0\0\0"),
        ]
    return [*_family(table, version), *match, return_()]


def _spared(table: str, version: int, name: str, numbers: dict[str, int]) -> list[bytes]:
    """Encode: ip daddr @nonmasquerade4 return"""
    _, daddr, size, _ = _HEADER[version]
    load = payload_network(NFT_REG_1, daddr, size)
    return [*_family(table, version), load, lookup(NFT_REG_1, name, numbers.get(name, 0)), return_()]


def _family(table: str, version: int) -> list[bytes]:
    """Return the question for the family with which each rule begins in a table of both families."""
    if not table.startswith("inet "):
        return []
    return [meta_nfproto(NFT_REG_1), cmp_eq(NFT_REG_1, bytes((_NFPROTO[version],)))]
