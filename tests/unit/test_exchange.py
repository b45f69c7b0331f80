"""One netlink conversation, fed with scripted datagrams."""

from __future__ import annotations

import errno
from struct import pack

import pytest

from cni_ptp.base.errors import DecodeError, NetlinkError
from cni_ptp.netlink.exchange import Exchange
from cni_ptp.nlmsg import NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTI, STRZ, U32, Attr, Request, Table, split

MTU = Attr(4, "IFLA_MTU", U32)
NAME = Attr(3, "IFLA_IFNAME", STRZ)
TABLE = Table(MTU)
ADD = Request(16, NLM_F_ACK, MTU(1500), "add it", TABLE)
SET = Request(19, NLM_F_ACK, MTU(9000), "set it", TABLE)
DUMP = Request(18, NLM_F_DUMP, b"", "list them", TABLE)
BEGIN = Request(20, 0, b"", "begin", TABLE)
NOOP, ERROR, DONE, OVERRUN = 1, 2, 3, 4


def nlmsg(type: int, seq: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """One message from the kernel."""
    return pack("=IHHII", 16 + len(payload), type, flags, seq, 1234) + payload


def ack(seq: int, number: int = 0) -> bytes:
    """An acknowledgement with a capped echo."""
    return nlmsg(ERROR, seq, pack("=i", -number) + bytes(16))


def test_all_requests_go_out_in_one_datagram_with_numbers_in_order() -> None:
    messages = split(Exchange([ADD, SET], 7).datagram())
    assert [(m.type, m.flags, m.seq) for m in messages] == [(16, 5, 7), (19, 5, 8)]


def test_acks_may_come_in_several_datagrams_and_in_any_order() -> None:
    exchange = Exchange([ADD, SET], 1)
    exchange.feed(ack(2))
    assert not exchange.done
    exchange.feed(ack(1))
    assert exchange.done
    assert [a.error for a in exchange.answers] == [None, None]


def test_acks_may_come_in_one_datagram() -> None:
    exchange = Exchange([ADD, SET], 1)
    exchange.feed(ack(1) + ack(2))
    assert exchange.done


def test_a_refusal_belongs_to_its_request_and_the_others_are_still_waited_for() -> None:
    exchange = Exchange([ADD, SET], 1)
    exchange.feed(ack(1, errno.EEXIST))
    assert not exchange.done
    exchange.feed(ack(2))
    first, second = exchange.answers
    assert isinstance(first.error, NetlinkError)
    assert (first.error.errno, first.error.operation, second.error) == (errno.EEXIST, "add it", None)


@pytest.mark.parametrize("seq", [0, 3, 99, 0xFFFFFFFF])
def test_messages_of_other_conversations_are_passed_over(seq: int) -> None:
    exchange = Exchange([ADD, SET], 1)
    exchange.feed(ack(seq, errno.EPERM) + nlmsg(16, seq, MTU(1)))
    assert not exchange.done
    assert all(not a.messages and a.error is None for a in exchange.answers)


def test_a_reply_may_come_before_its_ack() -> None:
    exchange = Exchange([ADD], 1)
    exchange.feed(nlmsg(16, 1, MTU(1400)))
    assert not exchange.done
    exchange.feed(ack(1))
    assert exchange.done
    assert exchange.answers[0].one() == {MTU: 1400}


def test_a_dump_ends_with_done_wherever_it_is_cut() -> None:
    parts = [nlmsg(16, 1, MTU(i), NLM_F_MULTI) for i in range(5)] + [nlmsg(DONE, 1, bytes(4), NLM_F_MULTI)]
    for cut in range(len(parts) + 1):
        exchange = Exchange([DUMP], 1)
        exchange.feed(b"".join(parts[:cut]))
        exchange.feed(b"".join(parts[cut:]))
        assert exchange.done
        assert [r[MTU] for r in exchange.answers[0].read()] == [0, 1, 2, 3, 4]


def test_a_dump_without_entries_is_an_empty_list() -> None:
    exchange = Exchange([DUMP], 1)
    exchange.feed(nlmsg(DONE, 1))
    assert exchange.done
    assert exchange.answers[0].read() == []


def test_a_dump_may_end_with_an_errno() -> None:
    exchange = Exchange([DUMP], 1)
    exchange.feed(nlmsg(DONE, 1, pack("=i", -errno.EINTR), NLM_F_MULTI))
    assert exchange.done
    error = exchange.answers[0].error
    assert error is not None and error.errno == errno.EINTR


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interrupted_dump_is_noticed_on_any_of_its_messages(at: int) -> None:
    flags = [NLM_F_MULTI | (NLM_F_DUMP_INTR if i == at else 0) for i in range(3)]
    exchange = Exchange([DUMP], 1)
    exchange.feed(nlmsg(16, 1, MTU(1), flags[0]) + nlmsg(16, 1, MTU(2), flags[1]) + nlmsg(DONE, 1, bytes(4), flags[2]))
    assert exchange.interrupted


def test_an_overrun_is_told_as_enobufs() -> None:
    exchange = Exchange([DUMP], 1)
    exchange.feed(nlmsg(OVERRUN, 1))
    error = exchange.answers[0].error
    assert exchange.done and error is not None and error.errno == errno.ENOBUFS


def test_a_noop_says_nothing() -> None:
    exchange = Exchange([ADD], 1)
    exchange.feed(nlmsg(NOOP, 1))
    assert not exchange.done


def test_a_refused_frame_of_a_batch_ends_the_waiting() -> None:
    exchange = Exchange([BEGIN, ADD, SET], 1)
    exchange.feed(ack(1, errno.EPERM))
    assert exchange.done
    assert exchange.answers[0].error is not None


def test_the_first_refusal_of_a_request_wins() -> None:
    exchange = Exchange([ADD], 1)
    exchange.feed(ack(1, errno.EEXIST))
    exchange.feed(ack(1, errno.EPERM))
    error = exchange.answers[0].error
    assert error is not None and error.errno == errno.EEXIST


def test_one_reply_is_wanted_where_there_are_none_or_two() -> None:
    exchange = Exchange([ADD], 1)
    with pytest.raises(DecodeError, match="0 replies .* add it"):
        exchange.answers[0].one()
    exchange.feed(nlmsg(16, 1, MTU(1)) + nlmsg(16, 1, MTU(2)))
    with pytest.raises(DecodeError, match="2 replies"):
        exchange.answers[0].one()


def test_an_unaligned_last_message_is_taken() -> None:
    exchange = Exchange([Request(18, NLM_F_ACK, b"", "x", Table(NAME))], 1)
    exchange.feed(ack(1) + nlmsg(16, 1, NAME("e")[:6]))
    assert exchange.answers[0].one() == {NAME: "e"}


def test_a_datagram_cut_anywhere_inside_a_message_is_refused() -> None:
    whole = ack(1) + ack(2)
    for length in range(1, len(whole)):
        if length != len(ack(1)):
            with pytest.raises(DecodeError):
                Exchange([ADD, SET], 1).feed(whole[:length])


def test_an_ack_without_its_errno_is_refused() -> None:
    with pytest.raises(DecodeError):
        Exchange([ADD], 1).feed(nlmsg(ERROR, 1, b"\0"))
