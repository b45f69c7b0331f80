"""MAC addresses as people write them.  Pure."""

from __future__ import annotations

from .errors import INVALID_NETWORK_CONFIG, CniError


def parse(text: str) -> bytes:
    """The 6 bytes of a MAC written with colons or hyphens.  CniError 7 if it is none or may not be an interface's."""
    parts = text.replace("-", ":").split(":")
    digits = "".join(parts)
    if len(parts) != 6 or len(digits) != 12 or any(len(p) != 2 for p in parts) or not _is_hex(digits):
        raise CniError(INVALID_NETWORK_CONFIG, f'invalid MAC address "{text}"')
    mac = bytes.fromhex(digits)
    if mac[0] & 1 or not any(mac):  # include/linux/etherdevice.h is_valid_ether_addr
        raise CniError(INVALID_NETWORK_CONFIG, f'MAC address "{text}" can not be an interface\'s', "multicast or zero")
    return mac


def _is_hex(text: str) -> bool:
    return text.isascii() and all(c in "0123456789abcdefABCDEF" for c in text)
