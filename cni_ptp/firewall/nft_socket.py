"""Whether this host's kernel has nf_tables: the socket, and how a refusal is judged."""

from __future__ import annotations

import errno

from ..netlink import nft
from ..netlink.sock import NETLINK_NETFILTER, Socket

# What a kernel without nf_tables answers.
NO_NF_TABLES = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)


def open_socket() -> Socket:
    """Open the nf_tables socket of the present network namespace.  OSError EPROTONOSUPPORT if the kernel has none."""
    return Socket(NETLINK_NETFILTER)


def kernel_has_none(refused: OSError, sock: Socket | None) -> bool:
    """Return whether a refusal means that.  EINVAL may mean other things: then nf_tables answers a question.

    sock: an nf_tables socket, if the kernel gave one.  Without nf_tables nfnetlink refuses whatever is asked
    (nfnetlink_rcv_msg).
    """
    if refused.errno not in NO_NF_TABLES:
        return False
    return sock is None or sock.ask(nft.get_generation())[0].error is not None
