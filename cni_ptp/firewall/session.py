"""What the work on one attachment's packet filter shares: whose it is, which backend, and the nf_tables socket."""

from __future__ import annotations

from ..netlink.sock import NETLINK_NETFILTER, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment


class Session:
    """backend: "nftables", "iptables", or "" for the first that works.  sock: an nf_tables socket, if one is open.

    Close it after the other work is done: the kernel makes the closing of an nf_tables socket wait for what was deleted
    to be freed, one grace period, and holds up whoever deletes a link meanwhile (nf_tables_api.c nft_rcv_nl_event,
    since Linux 5.2).
    """

    __slots__ = ("attachment", "backend", "sock")

    def __init__(self, attachment: Attachment, backend: str, sock: Socket | None = None) -> None:
        self.attachment = attachment
        self.backend = backend
        self.sock = sock

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def socket(self) -> Socket:
        """Return the nf_tables socket, open until the end; OSError EPROTONOSUPPORT if the kernel has no nf_tables."""
        if self.sock is None:
            self.sock = Socket(NETLINK_NETFILTER)
        return self.sock
