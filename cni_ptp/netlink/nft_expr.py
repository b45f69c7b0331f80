"""The nf_tables expressions that rules are made of.  Pure.

Over each stands the line by which `nft --debug=netlink` shows it.
Source: include/uapi/linux/netfilter/{nf_tables,nf_nat}.h;
net/netfilter/nft_{meta,cmp,payload,bitwise,lookup,immediate,masq,nat}.c.
"""

from __future__ import annotations

from ..nlmsg import BE32, BYTES, STRZ, Attr
from .nft import NFTA_DATA_VALUE, NFTA_LIST_ELEM, Nest
from .nft_array import Array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFT_REG_VERDICT, NFT_REG_1, NFT_REG_2 = 0, 1, 2  # registers of 16 bytes
NFT_REG32_01 = 9  # the second 4 bytes of NFT_REG_1
NFT_META_IIFNAME, NFT_META_NFPROTO, NFT_META_L4PROTO = 6, 15, 16
NFT_CMP_EQ = 0
NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER = 1, 2
NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR = 3, 1 << 1
NFT_BITWISE_MASK_XOR = 0  # NFT_BITWISE_BOOL until Linux 6.12
NF_DROP, NF_ACCEPT = 0, 1
NFT_JUMP, NFT_GOTO, NFT_RETURN = 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFB  # -3 to -5 as the u32 they travel as

NFTA_EXPR_NAME = Attr(1, "NFTA_EXPR_NAME", STRZ)
NFTA_EXPR_DATA = Attr(2, "NFTA_EXPR_DATA", Nest())
_RAW_EXPR_DATA = NFTA_EXPR_DATA.of(BYTES)  # read later, by the expression's name
_EXPRESSION = NFTA_LIST_ELEM.of(Nest(NFTA_EXPR_NAME, _RAW_EXPR_DATA))
EXPRESSIONS = Array(_EXPRESSION)

NFTA_VERDICT_CODE = Attr(1, "NFTA_VERDICT_CODE", BE32)
NFTA_VERDICT_CHAIN = Attr(2, "NFTA_VERDICT_CHAIN", STRZ)
NFTA_DATA_VERDICT = Attr(2, "NFTA_DATA_VERDICT", Nest(NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN))
_DATA = Nest(NFTA_DATA_VALUE, NFTA_DATA_VERDICT)

NFTA_META_DREG = Attr(1, "NFTA_META_DREG", BE32)
NFTA_META_KEY = Attr(2, "NFTA_META_KEY", BE32)
META = Nest(NFTA_META_DREG, NFTA_META_KEY)

NFTA_CMP_SREG = Attr(1, "NFTA_CMP_SREG", BE32)
NFTA_CMP_OP = Attr(2, "NFTA_CMP_OP", BE32)
NFTA_CMP_DATA = Attr(3, "NFTA_CMP_DATA", _DATA)
CMP = Nest(NFTA_CMP_SREG, NFTA_CMP_OP, NFTA_CMP_DATA)

NFTA_PAYLOAD_DREG = Attr(1, "NFTA_PAYLOAD_DREG", BE32)
NFTA_PAYLOAD_BASE = Attr(2, "NFTA_PAYLOAD_BASE", BE32)
NFTA_PAYLOAD_OFFSET = Attr(3, "NFTA_PAYLOAD_OFFSET", BE32)
NFTA_PAYLOAD_LEN = Attr(4, "NFTA_PAYLOAD_LEN", BE32)
PAYLOAD = Nest(NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_LEN)

NFTA_BITWISE_SREG = Attr(1, "NFTA_BITWISE_SREG", BE32)
NFTA_BITWISE_DREG = Attr(2, "NFTA_BITWISE_DREG", BE32)
NFTA_BITWISE_LEN = Attr(3, "NFTA_BITWISE_LEN", BE32)
NFTA_BITWISE_MASK = Attr(4, "NFTA_BITWISE_MASK", _DATA)
NFTA_BITWISE_XOR = Attr(5, "NFTA_BITWISE_XOR", _DATA)
NFTA_BITWISE_OP = Attr(6, "NFTA_BITWISE_OP", BE32)
BITWISE = Nest(
    NFTA_BITWISE_SREG, NFTA_BITWISE_DREG, NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_XOR, NFTA_BITWISE_OP
)

NFTA_LOOKUP_SET = Attr(1, "NFTA_LOOKUP_SET", STRZ)
NFTA_LOOKUP_SREG = Attr(2, "NFTA_LOOKUP_SREG", BE32)
NFTA_LOOKUP_DREG = Attr(3, "NFTA_LOOKUP_DREG", BE32)
NFTA_LOOKUP_SET_ID = Attr(4, "NFTA_LOOKUP_SET_ID", BE32)
LOOKUP = Nest(NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG, NFTA_LOOKUP_DREG, NFTA_LOOKUP_SET_ID)

NFTA_FIB_DREG = Attr(1, "NFTA_FIB_DREG", BE32)
NFTA_FIB_RESULT = Attr(2, "NFTA_FIB_RESULT", BE32)
NFTA_FIB_FLAGS = Attr(3, "NFTA_FIB_FLAGS", BE32)
FIB = Nest(NFTA_FIB_DREG, NFTA_FIB_RESULT, NFTA_FIB_FLAGS)

NFTA_IMMEDIATE_DREG = Attr(1, "NFTA_IMMEDIATE_DREG", BE32)
NFTA_IMMEDIATE_DATA = Attr(2, "NFTA_IMMEDIATE_DATA", _DATA)
IMMEDIATE = Nest(NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA)

NFT_NAT_SNAT, NFT_NAT_DNAT = 0, 1
NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED, NF_NAT_RANGE_PROTO_RANDOM_FULLY = 1 << 0, 1 << 1, 1 << 4
NFTA_MASQ_FLAGS = Attr(1, "NFTA_MASQ_FLAGS", BE32)
MASQ = Nest(NFTA_MASQ_FLAGS)
NFTA_NAT_TYPE = Attr(1, "NFTA_NAT_TYPE", BE32)
NFTA_NAT_FAMILY = Attr(2, "NFTA_NAT_FAMILY", BE32)
NFTA_NAT_REG_ADDR_MIN = Attr(3, "NFTA_NAT_REG_ADDR_MIN", BE32)
NFTA_NAT_REG_PROTO_MIN = Attr(5, "NFTA_NAT_REG_PROTO_MIN", BE32)
NFTA_NAT_FLAGS = Attr(7, "NFTA_NAT_FLAGS", BE32)
NAT = Nest(NFTA_NAT_TYPE, NFTA_NAT_FAMILY, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_FLAGS)

# The "match" expression carries a match of iptables, as iptables-nft writes it (nf_tables_compat.h).
NFTA_MATCH_NAME = Attr(1, "NFTA_MATCH_NAME", STRZ)
NFTA_MATCH_INFO = Attr(3, "NFTA_MATCH_INFO", BYTES)
MATCH = Nest(NFTA_MATCH_NAME, NFTA_MATCH_INFO)
# And the "target" expression a target.
NFTA_TARGET_NAME = Attr(1, "NFTA_TARGET_NAME", STRZ)
NFTA_TARGET_INFO = Attr(3, "NFTA_TARGET_INFO", BYTES)
TARGET = Nest(NFTA_TARGET_NAME, NFTA_TARGET_INFO)

KINDS = {
    "meta": META,
    "cmp": CMP,
    "payload": PAYLOAD,
    "bitwise": BITWISE,
    "lookup": LOOKUP,
    "fib": FIB,
    "immediate": IMMEDIATE,
    "masq": MASQ,
    "nat": NAT,
    "match": MATCH,
    "target": TARGET,
}


def _expression(name: str, *parts: bytes) -> bytes:
    return _EXPRESSION([NFTA_EXPR_NAME(name), NFTA_EXPR_DATA(parts)])


def meta_nfproto(dreg: int) -> bytes:
    """Encode [ meta load nfproto => reg D ]"""
    return _expression("meta", NFTA_META_KEY(NFT_META_NFPROTO), NFTA_META_DREG(dreg))


def meta_iifname(dreg: int) -> bytes:
    """Encode [ meta load iifname => reg D ]: 16 bytes"""
    return _expression("meta", NFTA_META_KEY(NFT_META_IIFNAME), NFTA_META_DREG(dreg))


def meta_l4proto(dreg: int) -> bytes:
    """Encode [ meta load l4proto => reg D ]: 1 byte, behind IPv6's extension headers"""
    return _expression("meta", NFTA_META_KEY(NFT_META_L4PROTO), NFTA_META_DREG(dreg))


def cmp_eq(sreg: int, value: bytes) -> bytes:
    """Encode [ cmp eq reg S VALUE ]"""
    return _expression("cmp", NFTA_CMP_SREG(sreg), NFTA_CMP_OP(NFT_CMP_EQ), NFTA_CMP_DATA([NFTA_DATA_VALUE(value)]))


def payload_network(dreg: int, offset: int, length: int) -> bytes:
    """Encode [ payload load LENGTHb @ network header + OFFSET => reg D ]"""
    return _expression(
        "payload",
        NFTA_PAYLOAD_DREG(dreg),
        NFTA_PAYLOAD_BASE(NFT_PAYLOAD_NETWORK_HEADER),
        NFTA_PAYLOAD_OFFSET(offset),
        NFTA_PAYLOAD_LEN(length),
    )


def payload_transport(dreg: int, offset: int, length: int) -> bytes:
    """Encode [ payload load LENGTHb @ transport header + OFFSET => reg D ]"""
    return _expression(
        "payload",
        NFTA_PAYLOAD_DREG(dreg),
        NFTA_PAYLOAD_BASE(NFT_PAYLOAD_TRANSPORT_HEADER),
        NFTA_PAYLOAD_OFFSET(offset),
        NFTA_PAYLOAD_LEN(length),
    )


def fib_daddr_type(dreg: int) -> bytes:
    """Encode [ fib daddr type => reg D ]: RTN_*, 4 bytes in the order of the host"""
    parts = [NFTA_FIB_DREG(dreg), NFTA_FIB_RESULT(NFT_FIB_RESULT_ADDRTYPE), NFTA_FIB_FLAGS(NFTA_FIB_F_DADDR)]
    return _expression("fib", *parts)


def bitwise_and(reg: int, mask: bytes) -> bytes:
    """Encode [ bitwise reg R = ( reg R & MASK ) ^ 0x00000000 ]"""
    return _expression(
        "bitwise",
        NFTA_BITWISE_SREG(reg),
        NFTA_BITWISE_DREG(reg),
        NFTA_BITWISE_OP(NFT_BITWISE_MASK_XOR),
        NFTA_BITWISE_LEN(len(mask)),
        NFTA_BITWISE_MASK([NFTA_DATA_VALUE(mask)]),
        NFTA_BITWISE_XOR([NFTA_DATA_VALUE(bytes(len(mask)))]),
    )


def lookup(sreg: int, set_name: str, set_id: int) -> bytes:
    """Encode [ lookup reg S set NAME ]; set_id: the number of the set if the same batch makes it."""
    return _expression("lookup", NFTA_LOOKUP_SREG(sreg), NFTA_LOOKUP_SET(set_name), NFTA_LOOKUP_SET_ID(set_id))


def lookup_in_map(sreg: int, dreg: int, name: str, set_id: int) -> bytes:
    """Encode [ lookup reg S set NAME dreg D ]; set_id: as for `lookup`."""
    parts = [NFTA_LOOKUP_SREG(sreg), NFTA_LOOKUP_SET(name), NFTA_LOOKUP_DREG(dreg), NFTA_LOOKUP_SET_ID(set_id)]
    return _expression("lookup", *parts)


def jump(chain: str) -> bytes:
    """Encode [ immediate reg 0 jump -> CHAIN ]"""
    return _verdict(NFTA_VERDICT_CODE(NFT_JUMP), NFTA_VERDICT_CHAIN(chain))


def goto(chain: str) -> bytes:
    """Encode [ immediate reg 0 goto -> CHAIN ]"""
    return _verdict(NFTA_VERDICT_CODE(NFT_GOTO), NFTA_VERDICT_CHAIN(chain))


def return_() -> bytes:
    """Encode [ immediate reg 0 return ]"""
    return _verdict(NFTA_VERDICT_CODE(NFT_RETURN))


def drop() -> bytes:
    """Encode [ immediate reg 0 drop ]"""
    return _verdict(NFTA_VERDICT_CODE(NF_DROP))


def _verdict(*parts: bytes) -> bytes:
    data = NFTA_IMMEDIATE_DATA([NFTA_DATA_VERDICT(parts)])
    return _expression("immediate", NFTA_IMMEDIATE_DREG(NFT_REG_VERDICT), data)


def masq() -> bytes:
    """Encode [ masq ]"""
    return _expression("masq")


def masq_fully_random() -> bytes:
    """Encode [ masq flags 0x10 ]: from a port that is chosen at random"""
    return _expression("masq", NFTA_MASQ_FLAGS(NF_NAT_RANGE_PROTO_RANDOM_FULLY))


def immediate(dreg: int, value: bytes) -> bytes:
    """Encode [ immediate reg D VALUE ]"""
    return _expression("immediate", NFTA_IMMEDIATE_DREG(dreg), NFTA_IMMEDIATE_DATA([NFTA_DATA_VALUE(value)]))


def snat(nfproto: int, reg: int, flags: int) -> bytes:
    """Encode [ nat snat ip addr_min reg R flags FLAGS ].

    The kernel adds NF_NAT_RANGE_MAP_IPS, and newer ones report it.
    """
    parts = [NFTA_NAT_TYPE(NFT_NAT_SNAT), NFTA_NAT_FAMILY(nfproto), NFTA_NAT_REG_ADDR_MIN(reg)]
    return _expression("nat", *parts, NFTA_NAT_FLAGS(flags | NF_NAT_RANGE_MAP_IPS))


def dnat(nfproto: int, addr_reg: int, proto_reg: int) -> bytes:
    """Encode [ nat dnat ip addr_min reg A proto_min reg P ]"""
    parts = [NFTA_NAT_TYPE(NFT_NAT_DNAT), NFTA_NAT_FAMILY(nfproto), NFTA_NAT_REG_ADDR_MIN(addr_reg)]
    flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED
    return _expression("nat", *parts, NFTA_NAT_REG_PROTO_MIN(proto_reg), NFTA_NAT_FLAGS(flags))


def read(expressions: list[dict[Attr, Any]]) -> list[tuple[str, dict[Attr, Any]]]:
    """Return (name, its attributes) of each expression of a rule; of those not declared here, only the name."""
    found = []
    for expression in expressions:
        name = expression.get(NFTA_EXPR_NAME, "")
        kind = KINDS.get(name)
        found.append((name, kind.read(expression.get(_RAW_EXPR_DATA, b"")) if kind is not None else {}))
    return found
