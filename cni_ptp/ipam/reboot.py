"""What a reboot did to leases: no network namespace outlives one, so a lease from before it is void.

Only when the leases are read anew is this asked, once a boot as a rule.  Source: proc_pid_stat(5) btime.
"""

from __future__ import annotations

import errno
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..netlink.sock import Socket

# A device node that the kernel makes early at boot and nobody touches later.
_MADE_AT_BOOT = "/dev/full"
_SECOND = 1_000_000_000
_MARGIN = 60 * _SECOND


def began_ns() -> int:
    """Return a time (ns since 1970) before which nothing of this boot was made, whatever happened to the clock since.

    btime moves with the clock: where it was set forward after the boot, files made before that look older than the
    boot.  A file from the boot itself shows what the clock said then; the earlier of the two counts.  0 if unknown.
    """
    try:
        # UTF-8 is the one codec that Python has loaded already.
        with open("/proc/stat", encoding="utf-8", errors="replace") as lines:
            seconds = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), 0)
        witness = os.stat(_MADE_AT_BOOT).st_mtime_ns
    except (OSError, ValueError, IndexError):
        return 0
    return max(min(seconds * _SECOND, witness) - _MARGIN, 0)


class Use:
    """Answers whether an address is in use on this host; it opens one netlink socket, when first asked."""

    __slots__ = ("socket",)

    def __init__(self) -> None:
        self.socket: Socket | None = None

    def of(self, address: bytes) -> bool:
        """Return whether the host has a route to just this address, as ptp makes, or has the address itself.

        True also if the kernel does not say: what may be in use is not void.
        """
        # Only a lease from before the boot leads here: once a boot, if ever.
        from ..base.errors import DecodeError, NetlinkError
        from ..base.ip import bits
        from ..netlink import sock
        from ..netlink.rt_route import get_route
        from ..netlink.rt_route_read import read_route

        try:
            if self.socket is None:
                self.socket = sock.Socket(sock.NETLINK_ROUTE)
            answer = self.socket.ask(get_route(address))[0]
            if answer.error is not None:
                return answer.error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH)
            return read_route(answer.one()).length == bits(address)
        except (OSError, NetlinkError, DecodeError):
            return True

    def close(self) -> None:
        """Give the socket back."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
