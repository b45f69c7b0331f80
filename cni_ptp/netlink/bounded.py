"""A list of which no more than a bound is read: whoever owns a container's namespace decides how long its lists are.

Source: net/netlink/af_netlink.c netlink_dump(): the next part of a list is made when the one before has been received.
"""

from __future__ import annotations

from ..base import errnos
from ..base.errors import DecodeError, NetlinkError
from .exchange import Exchange
from .sock import MOST_ROOM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..nlmsg import Request
    from .sock import Socket

_TRIES = 8


def search(opened: Callable[[], Socket], request: Request, take: Callable[[Any], bool], most: int) -> bool:
    """Give each reply to a dump, read, to `take` until it returns True or `most` replies were read.

    opened: makes a socket, which serves one try: a dump that is left before its end occupies it.
    Returns whether the search came to its end: False if there are more replies than `most`.
    NetlinkError EINTR if the list changed during each of 8 tries; `take` sees the replies of every try.
    """
    for _ in range(_TRIES):
        with opened() as sock:
            exchange = Exchange([request], sock.seq)
            sock.send(exchange.datagram(), request)
            answer = exchange.answers[0]
            read = 0
            while not exchange.done:
                datagram, whole = sock.receive(request, MOST_ROOM)
                if not whole:
                    raise DecodeError(f"a reply of more than {MOST_ROOM} bytes to: {request.operation}")
                exchange.feed(datagram)
                for reply in answer.read():
                    if take(reply):
                        return True
                read += len(answer.messages)
                answer.messages.clear()
                if read > most:
                    return False
            if answer.error is not None and answer.error.errno != errnos.EINTR:
                raise answer.error
            if answer.error is None and not exchange.interrupted:
                return True
    raise NetlinkError(errnos.EINTR, request.operation, "the list changed each time it was being read")
