"""A change of nf_tables that is refused if anything changed since it was looked at, and then tried again.

Each try reads the ruleset's generation first, then by key what it is about to change; the kernel refuses the
transaction (ERESTART) if anything changed in between, and the next try looks again.  So an element is only deleted
while it is known to be ours, however many plugins are at work.
"""

from __future__ import annotations

import time

from ..base.errors import TRY_AGAIN_LATER, CniError, NetlinkError
from ..netlink.nft import NFTA_GEN_ID, batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..netlink.exchange import Answer
    from ..netlink.sock import Socket
    from ..nlmsg import Request

_TRIES = 200
_TRIES_AT_ONCE = 10  # then each waits a little: someone is rewriting the ruleset
_PAUSE_S = 0.005


def retry(about: str, attempt: Callable[..., None], *arguments: object) -> None:
    """Run `attempt` until it has lost no race (NetlinkError ERESTART).  CniError 11 if it lost one each time."""
    for number in range(_TRIES):
        try:
            return attempt(*arguments)
        except NetlinkError as e:
            import errno

            if e.errno != errno.ERESTART:
                raise
            if number >= _TRIES_AT_ONCE:
                time.sleep(_PAUSE_S)
    raise CniError(TRY_AGAIN_LATER, about, f"the nf_tables ruleset changed during each of {_TRIES} tries")


def commit(sock: Socket, changes: list[Request], genid: int | None) -> None:
    """Make the changes, all of them or none.

    NetlinkError: none of them; ERESTART if the ruleset changed since its generation was `genid`.
    """
    for answer in sock.batch(batch(changes, genid)):
        if answer.error is not None:
            raise answer.error


def generation(answer: Answer) -> int:
    """Return the number in the answer to get_generation."""
    if answer.error is not None:
        raise answer.error
    number: int = answer.one()[1][NFTA_GEN_ID]
    return number
