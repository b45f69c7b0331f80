"""One conversation with the kernel, without I/O: requests become datagrams, datagrams become answers.  Pure.

The kernel goes on with the later messages of a datagram after one of them failed (netlink_rcv_skb), so every answer is
waited for, and a caller that undoes must assume that any of the others took effect.  nf_tables batches are the
exception: all or nothing.
"""

from __future__ import annotations

from ..base.errors import DecodeError, NetlinkError
from ..nlmsg import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_HDRLEN,
    NLMSG_MIN_TYPE,
    NLMSG_OVERRUN,
    NLMSGHDR,
    Message,
    Request,
    read_errno,
    split,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Answer:
    """What came back for one request: its reply messages, and the refusal if there was one.

    cut: whether a reply was longer than the room for it, so that it is not among the messages.
    """

    __slots__ = ("request", "messages", "error", "cut")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.messages: list[Message] = []
        self.error: NetlinkError | None = None
        self.cut = False

    def read(self) -> list[Any]:
        """Return each reply read by the request's table: (header tuple, {Attr: value}).

        DecodeError if one is malformed.
        """
        return [self.request.reply.read(m.payload) for m in self.messages]

    def one(self) -> Any:
        """Return the only reply.  DecodeError if there are none or several."""
        if len(self.messages) != 1:
            raise DecodeError(f"{len(self.messages)} replies where one was expected, to: {self.request.operation}")
        return self.request.reply.read(self.messages[0].payload)


class Exchange:
    """Requests on their way: feed it what the socket receives until it is done.  is_cut: whether any answer is."""

    __slots__ = ("answers", "first_seq", "waiting", "interrupted", "is_cut")

    def __init__(self, requests: list[Request], first_seq: int) -> None:
        """Number the requests from `first_seq` on; those that ask for an ack or a dump are waited for."""
        self.answers = [Answer(r) for r in requests]
        self.first_seq = first_seq
        self.waiting = {
            first_seq + i for i, r in enumerate(requests) if r.flags & NLM_F_ACK or r.flags & NLM_F_DUMP == NLM_F_DUMP
        }
        self.interrupted = False
        self.is_cut = False

    @property
    def done(self) -> bool:
        """Return whether every answer that was asked for has come."""
        return not self.waiting

    def datagram(self) -> bytes:
        """Return all requests, ready to be sent at once."""
        return b"".join([a.request.pack(self.first_seq + i) for i, a in enumerate(self.answers)])

    def feed(self, datagram: bytes) -> None:
        """Take in one datagram; messages of other conversations are passed over.  DecodeError if it is malformed."""
        for message in split(datagram):
            index = message.seq - self.first_seq
            if 0 <= index < len(self.answers):
                self._take(message, self.answers[index])

    def feed_cut(self, datagram: bytes) -> None:
        """Note whose reply the kernel had to cut: all messages of one datagram answer the same request."""
        if len(datagram) >= NLMSG_HDRLEN:
            index = NLMSGHDR.unpack_from(datagram)[3] - self.first_seq
            if 0 <= index < len(self.answers):
                self.answers[index].cut = self.is_cut = True

    def _take(self, message: Message, answer: Answer) -> None:
        if message.flags & NLM_F_DUMP_INTR:
            self.interrupted = True
        if message.type >= NLMSG_MIN_TYPE:
            answer.messages.append(message)
        elif message.type in (NLMSG_ERROR, NLMSG_DONE):
            self._finish(message, answer)
        elif message.type == NLMSG_OVERRUN:
            import errno

            answer.error = NetlinkError(errno.ENOBUFS, answer.request.operation)
            self.waiting.discard(message.seq)

    def _finish(self, message: Message, answer: Answer) -> None:
        # The payload of NLMSG_DONE begins with an errno as well (netlink_dump_done).
        number = read_errno(message) if message.payload or message.type != NLMSG_DONE else 0
        if number and answer.error is None:
            request = answer.request
            answer.error = NetlinkError(number, request.operation, ext_ack=lambda: _words(message, request))
        if message.seq in self.waiting:
            self.waiting.discard(message.seq)
        elif number:
            # Nobody asked for this one: the frame of a batch was refused, so nothing in it will be answered.
            self.waiting.clear()


def _words(message: Message, request: Request) -> tuple[str, str]:
    from .extended_ack import read_words

    return read_words(message, request)
