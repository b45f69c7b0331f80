"""MAC addresses as people write them.  Pure."""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from .args import Args


def parse(text: str) -> bytes:
    """Return the 6 bytes of a MAC, written as Go's net.ParseMAC takes it: 02:aa:bb:cc:dd:ee, -, or 02aa.bbcc.ddee.

    CniError 7 if it is none or may not be an interface's.
    """
    separator, size = (".", 4) if text[4:5] == "." else (text[2:3], 2)
    parts = text.split(separator) if size == 4 or separator in (":", "-") else []
    digits = "".join(parts)
    if len(digits) != 12 or any(len(part) != size for part in parts) or not _is_hex(digits):
        raise CniError(INVALID_NETWORK_CONFIG, f'invalid MAC address "{text}"')
    mac = bytes.fromhex(digits)
    if mac[0] & 1 or not any(mac):  # include/linux/etherdevice.h is_valid_ether_addr
        raise CniError(INVALID_NETWORK_CONFIG, f'MAC address "{text}" cannot be an interface\'s', "multicast or zero")
    return mac


def _is_hex(text: str) -> bool:
    return text.isascii() and all(c in "0123456789abcdefABCDEF" for c in text)


def without_mac(args: Args) -> Args:
    """Return the environment without the MAC of CNI_ARGS, which is for ptp and which no IPAM knows."""
    pairs = ";".join([pair for pair in args.args.split(";") if not pair.startswith("MAC=")])
    return Args(args.command, args.containerid, args.netns, args.ifname, pairs, args.path, args.netns_override)
