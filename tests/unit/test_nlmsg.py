"""Netlink messages as bytes."""

from __future__ import annotations

import random
from struct import Struct, pack

import pytest

from cni_ptp import nlmsg
from cni_ptp.errors import DecodeError
from cni_ptp.nlmsg import BE32, BYTES, FLAG, STRZ, U8, U32, Array, Attr, Message, Nest, Request, Table, read_ack, split

NAME = Attr(3, "NAME", STRZ)
MTU = Attr(4, "MTU", U32)
INNER = Attr(1, "INNER", U8)
NEST = Attr(5, "NEST", Nest(INNER, NAME))
TABLE = Table(NAME, MTU, NEST, header=Struct("=I"))


def test_an_attribute_is_padded_to_four_bytes() -> None:
    assert NAME("eth0") == b"\x09\0\x03\0eth0\0\0\0\0"


def test_an_integer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        MTU(1 << 32)


def test_a_string_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        NAME("eth\0")


def test_a_payload_beyond_an_attributes_length_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        Attr(1, "BIG", BYTES)(bytes(65532))


def test_network_order_is_part_of_the_kind() -> None:
    assert Attr(1, "X", BE32)(1) == b"\x08\0\x01\0\0\0\0\x01"


def test_a_nested_attribute_carries_the_flag_where_nf_tables_wants_it() -> None:
    assert NEST([INNER(7)])[2:4] == b"\x05\x80"


def test_a_table_reads_what_it_packed() -> None:
    payload = b"\x01\0\0\0" + TABLE.pack([NAME("a"), MTU(5), NEST([INNER(7), NAME("b")])])
    header, found = TABLE.read(payload)
    assert header == (1,)
    assert found == {NAME: "a", MTU: 5, NEST: {INNER: 7, NAME: "b"}}


def test_unknown_attributes_are_passed_over_and_the_last_of_several_counts() -> None:
    payload = bytes(4) + Attr(99, "NEW", U32)(1) + MTU(1) + MTU(2)
    assert TABLE.read(payload)[1] == {MTU: 2}


def test_a_list_keeps_its_order() -> None:
    element = Attr(1, "ELEMENT", U32)
    assert Array(element).read(element(3) + element(1)) == [3, 1]


def test_a_flag_is_there_or_not() -> None:
    flag = Attr(9, "SET", FLAG)
    assert Table(flag).read(flag(True)) == {flag: True}


def test_an_integer_of_a_short_attribute_is_malformed_and_named() -> None:
    with pytest.raises(DecodeError, match="MTU"):
        TABLE.read(bytes(4) + b"\x06\0\x04\0\1\2\0\0")


def test_a_missing_header_is_malformed() -> None:
    with pytest.raises(DecodeError, match="header"):
        TABLE.read(b"\1\2")


def test_an_offset_is_told_as_a_path_of_names() -> None:
    payload = bytes(4) + MTU(1) + NEST([INNER(7), NAME("b")])
    assert TABLE.path(payload, 4) == "MTU"
    assert TABLE.path(payload, 12) == "NEST"
    assert TABLE.path(payload, 16) == "NEST.INNER"
    assert TABLE.path(payload, 24) == "NEST.NAME"
    assert TABLE.path(payload, 400) == ""


def test_two_messages_of_a_datagram_are_told_apart_and_the_last_needs_no_padding() -> None:
    one = Request(20, 0, b"abc", "one", TABLE).pack(1)
    two = pack("=IHHII", 17, 21, 0, 2, 0) + b"x"
    assert [(m.type, m.seq, m.payload) for m in split(one + two)] == [(20, 1, b"abc"), (21, 2, b"x")]


@pytest.mark.parametrize("length", [0, 15, 17, 1 << 31])
def test_a_message_length_that_can_not_be_is_malformed(length: int) -> None:
    with pytest.raises(DecodeError):
        split(pack("=IHHII", length, 20, 0, 1, 0))


def error(number: int, flags: int, tail: bytes) -> Message:
    """An NLMSG_ERROR as the kernel sends it."""
    return Message(nlmsg.NLMSG_ERROR, flags, 1, 0, pack("=i", -number) + tail)


REQUEST = Request(16, 0, bytes(4) + MTU(1) + NEST([INNER(7)]), "ask", TABLE)
HEADER = pack("=IHHII", 16 + len(REQUEST.body), 16, 5, 1, 0)
CAPPED = nlmsg.NLM_F_CAPPED | nlmsg.NLM_F_ACK_TLVS


def test_an_ack_is_no_error() -> None:
    assert read_ack(error(0, nlmsg.NLM_F_CAPPED, HEADER), REQUEST) == (0, "", "")


def test_the_extended_ack_of_a_capped_error_has_words_and_place() -> None:
    tail = nlmsg.NLMSGERR_ATTR_MSG("no") + nlmsg.NLMSGERR_ATTR_OFFS(16 + 16)
    assert read_ack(error(22, CAPPED, HEADER + tail), REQUEST) == (22, "no", "NEST.INNER")


def test_the_extended_ack_stands_behind_the_whole_request_if_it_is_not_capped() -> None:
    tail = REQUEST.body + nlmsg.NLMSGERR_ATTR_MSG("no")
    assert read_ack(error(22, nlmsg.NLM_F_ACK_TLVS, HEADER + tail), REQUEST) == (22, "no", "")


def test_a_missing_attribute_is_named() -> None:
    tail = nlmsg.NLMSGERR_ATTR_MISS_TYPE(4)
    assert read_ack(error(22, CAPPED, HEADER + tail), REQUEST) == (22, "", "missing MTU")


def test_a_malformed_extended_ack_does_not_hide_the_error() -> None:
    assert read_ack(error(22, CAPPED, HEADER + b"\xff\xff\1\0"), REQUEST) == (22, "", "")


@pytest.mark.parametrize("payload", [b"", b"\1\2\3", pack("=i", 5)])
def test_an_error_that_is_none_is_malformed(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        read_ack(Message(nlmsg.NLMSG_ERROR, 0, 1, 0, payload), REQUEST)


def test_random_bytes_are_read_or_refused_and_nothing_else() -> None:
    seeded = random.Random(20261124)
    for _ in range(20000):
        noise = bytes(seeded.choices((0, 1, 4, 5, 8, 16, 255), k=seeded.randrange(64)))
        for read in (split, TABLE.read, lambda b: TABLE.path(b, 12)):
            try:
                read(noise)
            except DecodeError:
                pass
