"""A link deleted, without the wait for the kernel to free it.

RTM_DELLINK takes both ends of a pair out of their namespaces, with their addresses and routes, within a millisecond and
under the RTNL lock.  Then, the lock released, it waits 10 to 40 ms for RCU grace periods to free the memory
(net/core/dev.c netdev_run_todo), when nobody can see the link any more.  A child process waits in our place: it holds
nothing of the caller's, and leaves when the kernel lets it.  docs/decisions/deletion.md tells why.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
import time

from ..base import errnos
from ..netlink.rt_link import Link, del_link, get_link_by_index
from ..netlink.sock import NETLINK_ROUTE, Socket

_GONE = (errnos.ENODEV,)  # DEL is idempotent, SPEC "DEL"
_PAUSE_S = 0.0002


class Deletion:
    """A link on its way out: `wait` until it is gone.  What the process has open stays open until the link is freed."""

    __slots__ = ("host", "link", "child")

    def __init__(self, host: Socket, link: Link) -> None:
        """Begin the deletion.  Without a child process it ends here; NetlinkError if the kernel refused then."""
        self.host = host
        self.link = link
        self.child = 0
        with Socket(NETLINK_ROUTE) as sock:
            request = del_link(link.ifindex, link.name).pack(1)
            try:
                self.child = os.fork()
            except OSError:
                self._delete()
                return
            if not self.child:
                _send_and_leave(sock, request)

    def wait(self) -> None:
        """Wait until the link, its other end, their addresses and routes have disappeared.

        NetlinkError if they do not.
        """
        while self.child and self._exists():
            if self._child_has_left():
                break  # killed, or refused: we shall hear why
            time.sleep(_PAUSE_S)
        # The name goes first: this is answered when the lock is free, and with it all the rest is gone.
        self._delete()

    def _child_has_left(self) -> bool:
        try:
            return os.waitpid(self.child, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True  # the runtime ignores SIGCHLD, and so do we: then nothing of a child is kept

    def _exists(self) -> bool:
        refused = self.host.ask(get_link_by_index(self.link.ifindex))[0].error
        if refused is not None and refused.errno not in _GONE:
            raise refused
        return refused is None

    def _delete(self) -> None:
        refused = self.host.ask(del_link(self.link.ifindex, self.link.name))[0].error
        if refused is not None and refused.errno not in _GONE:
            raise refused


def _send_and_leave(sock: Socket, request: bytes) -> None:
    """Close what the caller gave us, so that nobody waits for our end, and send; this is the child.

    Ours are close-on-exec, so the caller's are the others.  Ours stay open: to close an nf_tables socket takes as long
    as to delete the link.  The child touches, and so copies, little memory.
    """
    try:
        for name in os.listdir("/proc/self/fd"):
            fd = int(name)
            try:
                if os.get_inheritable(fd):
                    os.close(fd)
            except OSError:  # EBADF: it was the directory's own
                pass
        sock.socket.send(request)
    finally:
        os._exit(0)
