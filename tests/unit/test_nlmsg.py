"""Netlink messages as bytes.  Source of the layouts: include/uapi/linux/netlink.h."""

from __future__ import annotations

from struct import Struct, pack

import pytest

from cni_ptp.base.errors import DecodeError
from cni_ptp.netlink.extended_ack import path, read_words
from cni_ptp.netlink.nft import Nest
from cni_ptp.netlink.nft_array import Array
from cni_ptp.nlmsg import (
    BE16,
    BE32,
    BYTES,
    NLA_F_NESTED,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLMSG_ERROR,
    S32,
    STRZ,
    U8,
    U16,
    U32,
    U64,
    Attr,
    Kind,
    Message,
    Request,
    Table,
    align,
    attributes,
    read_errno,
    split,
)

NAME = Attr(3, "IFLA_IFNAME", STRZ)
MTU = Attr(4, "IFLA_MTU", U32)
INNER_KIND = Attr(1, "IFLA_INFO_KIND", STRZ)
LINKINFO = Attr(18, "IFLA_LINKINFO", Table(INNER_KIND))
HEADER = Struct("=BxHiII")
LINK = Table(NAME, MTU, LINKINFO, header=HEADER)
BODY = HEADER.pack(0, 0, 0, 0, 0) + NAME("veth1") + LINKINFO([INNER_KIND("veth")]) + MTU(1500)
REQUEST = Request(16, 0, BODY, "create veth1", LINK)


def nlmsg(type: int, payload: bytes, flags: int = 0, seq: int = 1, pid: int = 7) -> bytes:
    """A message, its length without padding."""
    return pack("=IHHII", 16 + len(payload), type, flags, seq, pid) + payload


@pytest.mark.parametrize(("length", "aligned"), [(0, 0), (1, 4), (3, 4), (4, 4), (5, 8), (16, 16), (65533, 65536)])
def test_align_goes_up_to_the_next_multiple_of_four(length: int, aligned: int) -> None:
    assert align(length) == aligned


@pytest.mark.parametrize(
    ("kind", "value", "payload"),
    [
        (U8, 0xFE, b"\xfe"),
        (U16, 0x1234, pack("=H", 0x1234)),
        (U32, 0x12345678, pack("=I", 0x12345678)),
        (U64, 1 << 40, pack("=Q", 1 << 40)),
        (S32, -1, b"\xff\xff\xff\xff"),
        (BE16, 0x1234, b"\x12\x34"),
        (BE32, 0x12345678, b"\x12\x34\x56\x78"),
        (BYTES, b"\x0a\x01\x02\x03", b"\x0a\x01\x02\x03"),
        (STRZ, "eth0", b"eth0\0"),
        (STRZ, "", b"\0"),
        (STRZ, "é", b"\xc3\xa9\0"),
        (STRZ, "\udcff", b"\xff\0"),
    ],
)
def test_a_kind_packs_and_reads_back_its_value(kind: Kind, value: object, payload: bytes) -> None:
    assert kind.pack(value) == payload
    assert kind.read(payload) == value


@pytest.mark.parametrize(("kind", "value"), [(U8, 256), (U16, -1), (U32, 1 << 32), (S32, 1 << 31), (U32, "1500")])
def test_an_integer_that_does_not_fit_is_refused(kind: Kind, value: object) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        kind.pack(value)


@pytest.mark.parametrize(("kind", "size"), [(U8, 1), (U16, 2), (U32, 4), (U64, 8), (S32, 4), (BE16, 2), (BE32, 4)])
def test_an_integer_cut_short_is_malformed_and_a_longer_one_is_read_at_its_head(kind: Kind, size: int) -> None:
    for length in range(size):
        with pytest.raises(DecodeError):
            kind.read(bytes(length))
    assert kind.read(bytes(size) + b"\xff") == 0


def test_a_text_with_a_nul_inside_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        STRZ.pack("eth\0")


@pytest.mark.parametrize(("payload", "text"), [(b"eth0", "eth0"), (b"eth0\0junk", "eth0"), (b"", "")])
def test_a_text_ends_at_its_first_nul_or_at_its_end(payload: bytes, text: str) -> None:
    assert STRZ.read(payload) == text


@pytest.mark.parametrize(
    ("attr", "value", "raw"),
    [
        (MTU, 1500, b"\x08\x00\x04\x00\xdc\x05\x00\x00"),
        (NAME, "e", b"\x06\x00\x03\x00e\0\0\0"),
        (NAME, "eth0", b"\x09\x00\x03\x00eth0\0\0\0\0"),
    ],
)
def test_an_attribute_is_padded_but_its_length_does_not_count_the_padding(
    attr: Attr, value: object, raw: bytes
) -> None:
    assert attr(value) == raw


def test_the_longest_attribute_has_65535_bytes() -> None:
    raw = Attr(1, "X", BYTES)
    assert raw(bytes(65531))[:2] == b"\xff\xff"
    with pytest.raises(ValueError, match="too long"):
        raw(bytes(65532))


def test_only_a_nest_carries_the_nested_flag() -> None:
    assert Attr(2, "X", Nest())([])[2:4] == pack("=H", 2 | NLA_F_NESTED)
    assert Attr(2, "X", Table())([])[2:4] == pack("=H", 2)


def test_a_table_reads_what_was_built() -> None:
    header, attrs = LINK.read(BODY)
    assert header == (0, 0, 0, 0, 0)
    assert attrs == {NAME: "veth1", MTU: 1500, LINKINFO: {INNER_KIND: "veth"}}


def test_unknown_attributes_are_left_out_and_the_last_of_repeated_ones_counts() -> None:
    raw = Attr(99, "IFLA_NEW", U32)(1) + MTU(1) + MTU(2)
    assert Table(MTU).read(raw) == {MTU: 2}


def test_flag_bits_are_no_part_of_an_attribute_s_number() -> None:
    flagged = pack("=HH", 8, 4 | NLA_F_NESTED | 1 << 14) + pack("=I", 9)
    assert Table(MTU).read(flagged) == {MTU: 9}


def test_an_array_reads_its_elements_in_order_and_passes_over_others() -> None:
    element = Attr(1, "NFTA_LIST_ELEM", U32)
    array = Array(element)
    assert array.read(element(1) + MTU(7) + element(2)) == [1, 2]
    assert array.read(b"") == []
    assert array.nested == NLA_F_NESTED


def test_a_table_without_room_for_its_header_is_malformed() -> None:
    for length in range(HEADER.size):
        with pytest.raises(DecodeError, match="header"):
            LINK.read(BODY[:length])


def test_every_prefix_that_cuts_an_attribute_is_refused() -> None:
    inner = BODY[HEADER.size :]
    # Up to 3 bytes behind an attribute are padding (nla_ok in include/net/netlink.h).
    whole = {at for _, _, at in attributes(inner)} | {len(inner)}
    ends = {at + extra for at in whole for extra in range(4)}
    ends |= {at - pad for at in whole for pad in range(1, 4) if at and inner[at - pad : at] == bytes(pad)}
    for length in range(len(inner)):
        if length not in ends:
            with pytest.raises(DecodeError):
                LINK.read(BODY[: HEADER.size + length])


@pytest.mark.parametrize("length", [0, 1, 2, 3, 9, 12, 0xFFFF])
def test_an_attribute_length_below_four_or_beyond_the_end_is_refused(length: int) -> None:
    with pytest.raises(DecodeError, match="attribute 4"):
        list(attributes(pack("=HHI", length, 4, 0)))


def test_a_malformed_attribute_is_named() -> None:
    with pytest.raises(DecodeError, match="^IFLA_MTU: integer of 4 bytes in an attribute of 1$"):
        Table(MTU).read(pack("=HHB", 5, 4, 1))
    short = pack("=HHHH", 8, 18, 9, 1)
    with pytest.raises(DecodeError, match="^IFLA_LINKINFO: attribute 1 of 9 bytes"):
        Table(LINKINFO).read(short)


def test_the_last_attribute_may_lack_its_padding() -> None:
    assert Table(NAME).read(NAME("e")[:6]) == {NAME: "e"}


@pytest.mark.parametrize(
    ("offset", "names"),
    [
        (HEADER.size, "IFLA_IFNAME"),
        (HEADER.size + 4, "IFLA_IFNAME"),
        (HEADER.size + 12, "IFLA_LINKINFO"),
        (HEADER.size + 16, "IFLA_LINKINFO.IFLA_INFO_KIND"),
        (HEADER.size + 20, "IFLA_LINKINFO.IFLA_INFO_KIND"),
        (0, ""),
        (9999, ""),
        (-1, ""),
    ],
)
def test_an_offset_is_told_as_a_path_of_kernel_names(offset: int, names: str) -> None:
    assert path(LINK, BODY, offset) == names


def test_an_offset_in_an_undeclared_attribute_is_told_by_its_number() -> None:
    assert path(Table(MTU), NAME("veth1") + MTU(1), 0) == "attribute 3"


def test_a_request_is_a_padded_message_that_asks() -> None:
    raw = Request(18, 4, b"\1\2\3\4\5", "x", Table()).pack(9)
    assert raw == pack("=IHHII", 21, 18, 5, 9, 0) + b"\1\2\3\4\5\0\0\0"
    assert repr(REQUEST) == "<create veth1>"


def test_a_datagram_is_split_into_its_messages_the_last_without_padding() -> None:
    datagram = nlmsg(16, b"12345", 2, 5) + bytes(3) + nlmsg(17, b"6", 0, 6)
    first, second = split(datagram)
    assert (first.type, first.flags, first.seq, first.pid, first.payload) == (16, 2, 5, 7, b"12345")
    assert (second.type, second.seq, second.payload) == (17, 6, b"6")


def test_an_empty_datagram_has_no_message() -> None:
    assert split(b"") == []


def test_every_proper_prefix_of_a_message_is_refused() -> None:
    raw = nlmsg(16, b"1234")
    for length in range(1, len(raw)):
        with pytest.raises(DecodeError):
            split(raw[:length])


@pytest.mark.parametrize("length", [0, 1, 15, 21, 0xFFFFFFFF])
def test_a_message_length_below_a_header_or_beyond_the_end_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        split(pack("=IHHII", length, 16, 0, 1, 0) + b"1234")


def error(number: int, flags: int = 0, tail: bytes = b"") -> Message:
    """An NLMSG_ERROR for REQUEST; tail: what follows the errno."""
    return Message(NLMSG_ERROR, flags, 1, 0, pack("=i", number) + tail)


ECHO = REQUEST.pack(1)
MSG, OFFS = Attr(1, "NLMSGERR_ATTR_MSG", STRZ), Attr(2, "NLMSGERR_ATTR_OFFS", U32)
MISS_TYPE, MISS_NEST = Attr(5, "NLMSGERR_ATTR_MISS_TYPE", U32), Attr(6, "NLMSGERR_ATTR_MISS_NEST", U32)
WORDS = MSG("Attribute failed policy validation") + OFFS(16 + HEADER.size + 16)
SAID = "Attribute failed policy validation"


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (error(0), (0, "", "")),
        (error(0, NLM_F_ACK_TLVS | NLM_F_CAPPED, ECHO[:16] + WORDS), (0, "", "")),
        (error(-17), (17, "", "")),
        (error(-17, 0, ECHO), (17, "", "")),
        (error(-34, NLM_F_ACK_TLVS | NLM_F_CAPPED, ECHO[:16] + WORDS), (34, SAID, "IFLA_LINKINFO.IFLA_INFO_KIND")),
        (error(-34, NLM_F_ACK_TLVS, ECHO + WORDS), (34, SAID, "IFLA_LINKINFO.IFLA_INFO_KIND")),
        (error(-22, NLM_F_ACK_TLVS | NLM_F_CAPPED, ECHO[:16] + MISS_TYPE(18)), (22, "", "missing IFLA_LINKINFO")),
        (error(-22, NLM_F_ACK_TLVS | NLM_F_CAPPED, ECHO[:16] + MISS_TYPE(77)), (22, "", "missing attribute 77")),
        (error(-22, NLM_F_ACK_TLVS | NLM_F_CAPPED, ECHO[:16] + MISS_TYPE(1) + MISS_NEST(40)), (22, "", "")),
    ],
)
def test_an_ack_gives_errno_words_and_path(message: Message, read: tuple[int, str, str]) -> None:
    number = read_errno(message)
    assert (number, *(read_words(message, REQUEST) if number else ("", ""))) == read


@pytest.mark.parametrize(
    "tail",
    [b"", b"\0\0", ECHO[:8], ECHO[:16], ECHO[:16] + b"\xff\xff\1\0", ECHO[:16] + MSG("x") + pack("=HHH", 6, 2, 0)],
)
@pytest.mark.parametrize("capped", [0, NLM_F_CAPPED])
def test_a_malformed_extended_ack_is_dropped_and_the_errno_kept(tail: bytes, capped: int) -> None:
    refused = error(-17, NLM_F_ACK_TLVS | capped, tail)
    assert (read_errno(refused), read_words(refused, REQUEST)[1]) == (17, "")


def test_an_ack_without_its_errno_or_with_a_positive_one_is_malformed() -> None:
    for payload in (b"", b"\0\0\0"):
        with pytest.raises(DecodeError):
            read_errno(Message(NLMSG_ERROR, 0, 1, 0, payload))
    with pytest.raises(DecodeError, match="positive"):
        read_errno(error(17))
