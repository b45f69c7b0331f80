"""The AF_NETLINK socket: the one place that sends and receives netlink datagrams.

Source: include/uapi/linux/netlink.h; net/netlink/af_netlink.c.
"""

from __future__ import annotations

# The C module under socket: socket itself costs 10 ms for its enums.
import _socket

from ..base import errnos
from ..base.errors import DecodeError, NetlinkError
from ..nlmsg import Request
from .exchange import Answer, Exchange

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12

# The kernel's replies to a dump fill at most 32 KiB (netlink_dump), an ack repeats at most one of our messages, and a
# link with a few alternative names has 1 KiB.  More is for one who made its link so: one attribute has at most
# 64 KiB, and a link has three that its owner can fill (IFLA_PROP_LIST, IFLA_LINKINFO, IFLA_AF_SPEC).
_ROOM = 65536
MOST_ROOM = 1 << 19
# An ack takes about 1 KiB of the receive buffer, whose default is 208 KiB.
_MOST_AT_ONCE = 64
_DUMP_TRIES = 8


class Socket:
    """A netlink socket in the network namespace that the process was in when it was made."""

    __slots__ = ("socket", "seq")

    def __init__(self, protocol: int) -> None:
        """Open the socket, close-on-exec, with extended acks and strict checking where the kernel has them."""
        self.socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
        self.seq = 1
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            try:
                self.socket.setsockopt(SOL_NETLINK, option, 1)
            except OSError as e:
                import errno

                if e.errno != errno.ENOPROTOOPT:  # strict checking: since Linux 4.20
                    raise

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; twice is harmless."""
        self.socket.close()

    def ask(self, *requests: Request) -> list[Answer]:
        """Send the requests and return one answer each, in order; a refusal of the kernel stands in `Answer.error`.

        NetlinkError ENOBUFS if answers got lost: then it is unknown which requests took effect.
        """
        answers: list[Answer] = []
        for start in range(0, len(requests), _MOST_AT_ONCE):
            answers += self._converse(list(requests[start : start + _MOST_AT_ONCE])).answers
        return answers

    def do(self, *requests: Request) -> list[Answer]:
        """Ask, and raise the first refusal after all answers were read."""
        answers = self.ask(*requests)
        for answer in answers:
            if answer.error is not None:
                raise answer.error
        return answers

    def batch(self, requests: list[Request]) -> list[Answer]:
        """Ask, all in one datagram whatever their number: nf_tables takes it as one transaction."""
        return self._converse(requests).answers

    def dump(self, request: Request) -> Answer:
        """Return the answer to a dump that no change interrupted; NetlinkError EINTR if none of 8 tries was such."""
        for _ in range(_DUMP_TRIES):
            try:
                exchange = self._converse([request])
            except NetlinkError as e:
                import errno

                if e.errno != errno.ENOBUFS:
                    raise
                continue
            answer = exchange.answers[0]
            # A kernel may also end an interrupted nf_tables dump with EINTR itself.
            if answer.error is not None and answer.error.errno != errnos.EINTR:
                raise answer.error
            if answer.error is None and not exchange.interrupted:
                return answer
        raise NetlinkError(errnos.EINTR, request.operation, "the list changed each time it was being read")

    def _converse(self, requests: list[Request], room: int = _ROOM) -> Exchange:
        exchange = Exchange(requests, self.seq)
        self.seq += len(requests)
        self.send(exchange.datagram(), requests[0])
        while not exchange.done:
            try:
                datagram, whole = self.receive(requests[0], room)
                if whole:
                    exchange.feed(datagram)
                else:
                    exchange.feed_cut(datagram)
            except NetlinkError as e:
                import errno

                if e.errno == errno.ENOBUFS and exchange.is_cut:
                    break  # the long reply left no room for its ack
                # Without CAP_NET_ADMIN nfnetlink_rcv() refuses the first message and never looks at the others.
                refused = exchange.answers[0].error
                if e.errno == errno.ENOBUFS and refused is not None and refused.errno == errnos.EPERM:
                    raise refused from None
                raise
        if exchange.is_cut:
            for answer in exchange.answers:
                if answer.cut:
                    self._ask_with_room(answer, exchange, room)
        return exchange

    def _ask_with_room(self, answer: Answer, exchange: Exchange, room: int) -> None:
        """Ask again what had a reply too long for the room: only a question has such a reply, so it can be repeated.

        DecodeError if the reply is longer than 512 KiB.
        """
        if room == MOST_ROOM:
            raise DecodeError(f"a reply of more than {MOST_ROOM} bytes to: {answer.request.operation}")
        self.socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, MOST_ROOM)  # else there may be none for the ack
        again = self._converse([answer.request], MOST_ROOM)
        answer.messages, answer.error = again.answers[0].messages, again.answers[0].error
        exchange.interrupted = exchange.interrupted or again.interrupted

    def send(self, datagram: bytes, request: Request) -> None:
        """Send the datagram; NetlinkError, in the words of the request, if the kernel does not take it."""
        try:
            self.socket.send(datagram)
        except OSError as e:
            raise NetlinkError(e.errno or errnos.EIO, request.operation, "send failed") from None

    def receive(self, request: Request, room: int = _ROOM) -> tuple[bytes, bool]:
        """Return the kernel's next datagram, at most `room` bytes of it, and whether that is all of it.

        NetlinkError ENOBUFS if there is none.
        """
        while True:
            try:
                # The kernel answers within send (netlink_unicast_kernel) and prepares the next part of a dump within
                # recvmsg, so there is nothing to wait for: an answer that is not there now is lost.
                datagram, _, flags, sender = self.socket.recvmsg(room, 0, _socket.MSG_DONTWAIT)
            except OSError as e:
                import errno

                if e.errno == errno.EAGAIN:
                    raise NetlinkError(errno.ENOBUFS, request.operation, "no answer came") from None
                self.drain()
                raise NetlinkError(e.errno or errnos.EIO, request.operation, "receive failed") from None
            if sender[0] == 0:  # the kernel; any process may send to our port
                return datagram, not flags & _socket.MSG_TRUNC

    def drain(self) -> None:
        """Throw away what is left of a broken conversation."""
        try:
            while True:
                self.socket.recvmsg(_ROOM, 0, _socket.MSG_DONTWAIT)
        except OSError:
            pass
