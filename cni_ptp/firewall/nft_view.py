"""The firewall as comparisons see it: they read and compare only once what all attachments share."""

from __future__ import annotations

from .nft_socket import open_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..netlink.sock import Socket


class Firewall:
    """One look at nf_tables and iptables, for one attachment or many."""

    __slots__ = ("_sock", "_read")

    def __init__(self) -> None:
        self._sock: Socket | None = None
        self._read: dict[object, list[str]] = {}

    def sock(self) -> Socket:
        """Return the socket of nf_tables.  OSError without nf_tables."""
        if self._sock is None:
            self._sock = open_socket()
        return self._sock

    def once(self, what: object, read: Callable[[], list[str]]) -> list[str]:
        """Return what `read` returns, or returned before.  what: its name, with all that it depends on."""
        if what not in self._read:
            self._read[what] = read()
        return self._read[what]

    def forget(self) -> None:
        """Read everything anew from now on."""
        self._read.clear()

    def __enter__(self) -> Firewall:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket."""
        if self._sock is not None:
            self._sock.__exit__()
