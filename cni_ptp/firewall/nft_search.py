"""Our nf_tables table searched for what a network or an attachment has in it, where no address is known."""

from __future__ import annotations

from time import sleep

from ..base import errnos
from ..base.errors import TRY_AGAIN_LATER, CniError, NetlinkError
from ..netlink.nft_dump import LISTED, dump_elements, read_elements
from .nft_table import masq_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..netlink.sock import Socket
    from ..nlmsg import Message
    from .nft_table import Layout

_TRIES = 20
_PAUSE_S = 0.005


def search(sock: Socket, layout: Layout, marks: tuple[str, ...]) -> list[tuple[str, bytes, str]]:
    """Return (table, address, comment) of each masqueraded address whose comment begins with one of the marks.

    The replies are searched as they are: reading thousands of elements would take a hundred times as long.
    """
    raw_marks = [mark.encode("utf-8", "surrogateescape") for mark in marks]
    found = []
    for table, versions in layout:
        for version in versions:
            for message in _dump(sock, table, masq_set(version)):
                if any(mark in message.payload for mark in raw_marks):
                    elements = read_elements(LISTED.read(message.payload))
                    found += [(table, key, comment) for key, comment in elements if comment.startswith(marks)]
    return found


def _dump(sock: Socket, table: str, name: str) -> list[Message]:
    request = dump_elements(table, name)
    for _ in range(_TRIES):
        try:
            return sock.dump(request).messages
        except NetlinkError as e:
            if e.errno == errnos.ENOENT:
                return []
            if e.errno != errnos.EINTR:
                raise
            sleep(_PAUSE_S)
    raise CniError(TRY_AGAIN_LATER, request.operation, "the list changed each time it was being read")
