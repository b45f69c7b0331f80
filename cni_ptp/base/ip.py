"""IP addresses as packed bytes: 4 or 16, network order.  The length tells the family.  Pure.

Accepts and prints what Go's net package does, since configurations and state files are shared with Go plugins:
an IPv4-mapped IPv6 address is the IPv4 address, zones and leading zeros are refused.
"""

from __future__ import annotations

# The C module under socket: socket itself costs 10 ms for its enums.  Both have had these names since Python 2.
import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    Prefix = tuple[bytes, int]  # packed address, prefix length

AF_INET, AF_INET6 = _socket.AF_INET, _socket.AF_INET6
_MAPPED = bytes(10) + b"\xff\xff"


def parse_ip(text: str) -> bytes:
    """Return the packed address that `text` spells.  ValueError if it spells none."""
    if ":" in text:
        packed = _pton(AF_INET6, text)
        return packed[12:] if packed[:12] == _MAPPED else packed
    return _pton(AF_INET, text)


def _pton(family: int, text: str) -> bytes:
    try:
        # inet_pton stops at a NUL and takes non-ASCII digits for an encoding error: both are simply not addresses.
        if not text.isascii() or "\0" in text:
            raise OSError
        return _socket.inet_pton(family, text)
    except OSError:
        raise ValueError(f"invalid IP address: {text}") from None


def parse_cidr(text: str) -> Prefix:
    """Return (packed address with its host bits, prefix length) of "ADDRESS/LENGTH".  ValueError if it is not that."""
    addr_text, slash, length_text = text.partition("/")
    # As Go: decimal digits only, no sign; leading zeros are taken.
    if not slash or not length_text.isdigit() or not length_text.isascii() or len(length_text) > 8:
        raise ValueError(f"invalid CIDR address: {text}")
    try:
        addr = parse_ip(addr_text)
    except ValueError:
        raise ValueError(f"invalid CIDR address: {text}") from None
    length = int(length_text)
    if ":" in addr_text and len(addr) == 4:
        # Go measures the length in the 16-byte form and keeps the low 32 bits of the mask.
        length = length - 96 if length >= 96 else 0
    if length > 8 * len(addr):
        raise ValueError(f"invalid CIDR address: {text}")
    return addr, length


def text_of(addr: bytes) -> str:
    """Return the canonical text of a packed address (RFC 5952, as Go prints it)."""
    if len(addr) == 4:
        return _socket.inet_ntop(AF_INET, addr)
    text = _socket.inet_ntop(AF_INET6, addr)
    if "." in text:  # ::1.2.3.4: glibc prints the deprecated IPv4-compatible form dotted, Go in hex
        high, low = int.from_bytes(addr[12:14], "big"), int.from_bytes(addr[14:], "big")
        return f"{text.rpartition(':')[0]}:{high:x}:{low:x}"
    return text


def cidr_text(addr: bytes, length: int) -> str:
    """Return the text ADDRESS/LENGTH."""
    return f"{text_of(addr)}/{length}"


def bits(addr: bytes) -> int:
    """Return 32 or 128: how many bits the address has, which is its full prefix length."""
    return 8 * len(addr)


def version_of(addr: bytes) -> int:
    """Return 4 or 6."""
    return 4 if len(addr) == 4 else 6


def family_of(addr: bytes) -> int:
    """Return AF_INET or AF_INET6."""
    return AF_INET if len(addr) == 4 else AF_INET6


def network_of(addr: bytes, length: int) -> bytes:
    """Return the address with all bits behind `length` cleared."""
    host_bits = 8 * len(addr) - length
    return (int.from_bytes(addr, "big") >> host_bits << host_bits).to_bytes(len(addr), "big")


def contains(network: bytes, length: int, addr: bytes) -> bool:
    """Return whether `addr` is of the network's family and inside it."""
    return len(network) == len(addr) and network_of(addr, length) == network_of(network, length)


def is_usable_by_a_container(addr: bytes) -> bool:
    """Return whether a host may have this address: not unspecified, loopback, multicast or (IPv4) limited broadcast.

    The rest of 0.0.0.0/8 and of 240.0.0.0/4 is like any other to the kernel.  Source: include/linux/in.h
    ipv4_is_zeronet(), since Linux 5.3; net/ipv4/route.c ip_route_input_slow().
    """
    if len(addr) == 4:
        return addr[0] != 127 and addr[0] & 0xF0 != 224 and addr not in (bytes(4), b"\xff\xff\xff\xff")
    return addr != bytes(16) and addr != bytes(15) + b"\1" and addr[0] != 0xFF
