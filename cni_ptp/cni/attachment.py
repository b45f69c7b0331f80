"""One attachment's identity and every name derived from it, so that each kernel object says whose it is.

An attachment is a network, a container and an interface name.  Pure.
"""

from __future__ import annotations

import sys

# The C modules under hashlib: hashlib itself costs 1 to 5 ms (it loads OpenSSL).  The one of another version of Python
# is not tried: the import system would look through its directories for it.
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha512  # type: ignore[import-not-found]
    else:
        from _sha512 import sha512  # type: ignore[import-not-found]
except ImportError:  # not CPython
    from hashlib import sha512

ALIAS_PREFIX = "cni-ptp"
_IFALIASZ = 256  # include/uapi/linux/if.h, with the terminating NUL


def digest(text: str) -> str:
    """Return the SHA-512 of a text, 128 hex digits."""
    hexadecimal: str = sha512(text.encode("utf-8", "surrogateescape")).hexdigest()
    return hexadecimal


class Attachment:
    """Who an interface, a lease or a masquerade rule belongs to."""

    __slots__ = ("network", "containerid", "ifname")

    def __init__(self, network: str, containerid: str, ifname: str) -> None:
        self.network = network
        self.containerid = containerid
        self.ifname = ifname

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attachment) and self.identity() == other.identity()

    def __hash__(self) -> int:
        return hash(self.identity())

    def __str__(self) -> str:
        return f"interface {self.ifname} of container {self.containerid} on network {self.network}"

    def identity(self) -> tuple[str, str, str]:
        """Return (network, container, ifname)."""
        return self.network, self.containerid, self.ifname

    def owner(self) -> str:
        """Return the identity in clear, unambiguous: a network's and a container's name have no space and no slash."""
        return f"{self.network} {self.containerid} {self.ifname}"

    def host_veth(self) -> str:
        """Return the host end's name: 15 characters, the most that IFNAMSIZ allows.

        NetworkManager leaves veth* alone.
        """
        return "veth" + digest(self.owner())[:11]

    def alias(self) -> str:
        """Return the IFLA_IFALIAS of the host end, for people and for finding ours again; at most 255 bytes.

        Of an identity too long for it the network is given in clear, the rest by a hash.
        """
        text = f"{ALIAS_PREFIX} {self.owner()}"
        if len(text.encode("utf-8", "surrogateescape")) < _IFALIASZ:
            return text
        return f"{ALIAS_PREFIX} {self.network} #{digest(self.owner())[:32]}"

    # --- what the Go plugin derives (plugins pkg/utils/utils.go, pkg/ip/ipmasq_nftables_linux.go, meta/bandwidth) ---

    def go_chain(self) -> str:
        """Return the name of its iptables chain: 28 characters; it knows no interface name."""
        return "CNI-" + digest(self.network + self.containerid)[:24]

    def go_ifb(self) -> str:
        """Return the name of the ifb of its plugin bandwidth: 15 characters; it knows no interface name either."""
        return "bwp" + digest(self.network + self.containerid)[:12]

    def go_comment(self) -> str:
        """Return the comment of its iptables rules."""
        return f'name: "{self.network}" id: "{self.containerid}"'

    def go_nft_hash(self) -> str:
        """Return how the comment of its nftables rules begins."""
        return go_network_hash(self.network) + "-" + digest(f"{self.ifname}:{self.containerid}")[:16]


def go_network_hash(network: str) -> str:
    """Return how the comments of all nftables rules that the Go plugin made for a network begin."""
    return digest(network)[:16]


def parse_alias(alias: str) -> Attachment | None:
    """Return the attachment that an IFLA_IFALIAS of ours names; None if it is not ours or gives only a hash."""
    parts = alias.split(" ")
    if len(parts) != 4 or parts[0] != ALIAS_PREFIX:
        return None
    return Attachment(parts[1], parts[2], parts[3])
