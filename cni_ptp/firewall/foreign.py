"""What iptables-nft and the Go plugin's nftables backend keep for an attachment, removed before ours takes effect."""

from __future__ import annotations

from ..netlink.nft import exists, get_chain
from .nft_table import foreign_chains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .session import Session


def remove_foreign(session: Session, known_addresses: list[bytes]) -> None:
    """Remove what they keep for the attachment; one question finds out whether there is anything.

    known_addresses: packed, those that the attachment may have had.  NetlinkError if the kernel refuses.
    """
    sock = session.socket()
    if any(map(exists, sock.ask(*[get_chain(*place) for place in foreign_chains(session.attachment)]))):
        from . import iptables_nft

        iptables_nft.remove(sock, session.attachment, known_addresses)
