"""One conversation, with scripted datagrams."""

from __future__ import annotations

import errno
from struct import Struct, pack

import pytest

from cni_ptp.errors import DecodeError
from cni_ptp.netlink.exchange import Exchange
from cni_ptp.nlmsg import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_MULTI,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_NOOP,
    NLMSG_OVERRUN,
    Request,
    Table,
)

TABLE = Table(header=Struct("=I"))


def message(type: int, seq: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """One message of the kernel, padded."""
    length = 16 + len(payload)
    return pack("=IHHII", length, type, flags, seq, 0) + payload + b"\0" * (-length & 3)


def ack(seq: int, number: int = 0) -> bytes:
    """An ack or a refusal."""
    return message(NLMSG_ERROR, seq, pack("=i", -number) + bytes(16))


def asking(*flags: int) -> Exchange:
    """An exchange of requests with these flags, numbered from 7."""
    return Exchange([Request(20, f, b"", f"ask {i}", TABLE) for i, f in enumerate(flags)], 7)


def test_requests_travel_in_one_datagram_with_rising_numbers() -> None:
    assert asking(NLM_F_ACK, NLM_F_ACK).datagram() == pack("=IHHII", 16, 20, 5, 7, 0) + pack("=IHHII", 16, 20, 5, 8, 0)


def test_acks_may_come_in_several_datagrams() -> None:
    exchange = asking(NLM_F_ACK, NLM_F_ACK)
    exchange.feed(ack(7))
    assert not exchange.done
    exchange.feed(ack(8))
    assert exchange.done and [a.error for a in exchange.answers] == [None, None]


def test_a_refusal_is_given_to_its_request_and_the_others_are_still_waited_for() -> None:
    exchange = asking(NLM_F_ACK, NLM_F_ACK, NLM_F_ACK)
    exchange.feed(ack(8, errno.EEXIST) + ack(7))
    assert not exchange.done
    exchange.feed(ack(9))
    refused = exchange.answers[1].error
    assert refused is not None and refused.errno == errno.EEXIST and refused.about == "ask 1"
    assert exchange.answers[0].error is None and exchange.answers[2].error is None


def test_a_reply_may_come_before_its_ack() -> None:
    exchange = asking(NLM_F_ACK)
    exchange.feed(message(16, 7, b"\5\0\0\0") + ack(7))
    assert exchange.done and exchange.answers[0].one() == ((5,), {})


def test_messages_of_other_conversations_are_passed_over() -> None:
    exchange = asking(NLM_F_ACK)
    exchange.feed(ack(6, errno.EPERM) + ack(8, errno.EPERM) + message(NLMSG_NOOP, 7))
    assert not exchange.done and exchange.answers[0].error is None


def test_a_dump_ends_with_done_however_it_is_cut() -> None:
    exchange = asking(NLM_F_DUMP)
    exchange.feed(message(16, 7, b"\1\0\0\0", NLM_F_MULTI))
    exchange.feed(message(16, 7, b"\2\0\0\0", NLM_F_MULTI) + message(NLMSG_DONE, 7, bytes(4), NLM_F_MULTI))
    assert exchange.done and exchange.answers[0].read() == [((1,), {}), ((2,), {})]


def test_the_errno_of_done_is_an_error() -> None:
    exchange = asking(NLM_F_DUMP)
    exchange.feed(message(NLMSG_DONE, 7, pack("=i", -errno.EINTR)))
    error = exchange.answers[0].error
    assert exchange.done and error is not None and error.errno == errno.EINTR


def test_an_interrupted_dump_is_noticed_on_any_of_its_messages() -> None:
    exchange = asking(NLM_F_DUMP)
    exchange.feed(message(16, 7, bytes(4), NLM_F_MULTI | NLM_F_DUMP_INTR) + message(NLMSG_DONE, 7))
    assert exchange.done and exchange.interrupted


def test_an_overrun_ends_the_request() -> None:
    exchange = asking(NLM_F_ACK)
    exchange.feed(message(NLMSG_OVERRUN, 7))
    error = exchange.answers[0].error
    assert exchange.done and error is not None and error.errno == errno.ENOBUFS


def test_the_refusal_of_a_batchs_frame_ends_it() -> None:
    exchange = asking(0, NLM_F_ACK, 0)
    exchange.feed(ack(7, errno.ERESTART))
    assert exchange.done and exchange.answers[0].error is not None and exchange.answers[1].error is None


def test_one_reply_is_demanded_where_one_is_needed() -> None:
    exchange = asking(NLM_F_ACK)
    exchange.feed(ack(7))
    with pytest.raises(DecodeError, match="0 replies"):
        exchange.answers[0].one()


def test_a_malformed_datagram_is_refused() -> None:
    with pytest.raises(DecodeError):
        asking(NLM_F_ACK).feed(b"\1\2\3")
