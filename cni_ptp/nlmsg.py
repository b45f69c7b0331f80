"""Netlink messages as bytes: headers, attributes, requests, kernel errors.  Pure.

An attribute is declared once, with its number, the kernel's name and its kind; building, reading and the path in an
error message all come from that declaration.  Whatever is malformed raises DecodeError and is never read past its end.
Source: include/uapi/linux/netlink.h; lib/nlattr.c; net/netlink/af_netlink.c netlink_ack().
"""

from __future__ import annotations

# The C module under struct: struct itself is a file to be found and read, 0.1 ms.
import _struct

from .base.errors import DecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

Struct = _struct.Struct

NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 1, 2, 3, 4
NLMSG_MIN_TYPE = 16

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_ECHO, NLM_F_DUMP_INTR, NLM_F_DUMP_FILTERED = 1, 2, 4, 8, 16, 32
NLM_F_DUMP = 0x300  # NLM_F_ROOT | NLM_F_MATCH
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800
NLM_F_NONREC = 0x100
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200

NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_TYPE_MASK = 1 << 15, 1 << 14, 0x3FFF

NLMSGHDR = Struct("=IHHII")  # nlmsg_len, nlmsg_type, nlmsg_flags, nlmsg_seq, nlmsg_pid
NLATTR = Struct("=HH")  # nla_len, nla_type
NLMSG_HDRLEN, NLA_HDRLEN = NLMSGHDR.size, NLATTR.size
NLMSGERR = Struct("=i")  # error; behind it the request's header, and what the flags say
_MOST_ATTR = 0xFFFF


def align(length: int) -> int:
    """Round up to the next multiple of 4: NLMSG_ALIGN and NLA_ALIGN."""
    return (length + 3) & ~3


# --- attributes -----------------------------------------------------------------------------------------------------


class Kind:
    """How an attribute's payload spells a value; the base class is raw bytes."""

    __slots__ = ()

    nested = 0

    def pack(self, value: Any) -> bytes:
        """Return the payload for a value."""
        return bytes(value)

    def read(self, payload: bytes) -> Any:
        """Return the value of a payload; DecodeError if it cannot be one."""
        return payload


class Integer(Kind):
    """A fixed-size integer."""

    __slots__ = ("struct",)

    def __init__(self, layout: str) -> None:
        self.struct = Struct(layout)

    def pack(self, value: Any) -> bytes:
        """Raise ValueError if the value does not fit."""
        try:
            return self.struct.pack(value)
        except _struct.error as e:  # type: ignore[attr-defined]
            raise ValueError(f"{value!r} does not fit {self.struct.format}: {e}") from None

    def read(self, payload: bytes) -> Any:
        """Read the head: longer payloads are the kernel's right (nla_get_u32), shorter ones are malformed."""
        if len(payload) < self.struct.size:
            raise DecodeError(f"integer of {self.struct.size} bytes in an attribute of {len(payload)}")
        return self.struct.unpack_from(payload)[0]


class Text(Kind):
    """A string with its terminating NUL, as the kernel sends and wants it."""

    __slots__ = ()

    def pack(self, value: Any) -> bytes:
        """Encode as UTF-8; undecodable bytes that Python smuggled in are passed on as they were."""
        raw = str(value).encode("utf-8", "surrogateescape")
        if b"\0" in raw:
            raise ValueError(f"NUL inside {value!r}")
        return raw + b"\0"

    def read(self, payload: bytes) -> Any:
        """Read up to the first NUL; some kernel strings come without one."""
        return payload.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


class Attr:
    """One attribute: `IFLA_MTU(1500)` is its bytes, padded, ready to be joined to others."""

    __slots__ = ("number", "name", "kind")

    def __init__(self, number: int, name: str, kind: Kind) -> None:
        self.number = number
        self.name = name
        self.kind = kind

    def __call__(self, value: Any) -> bytes:
        """Return nlattr header, payload and padding.

        ValueError beyond 65,535 bytes or if the value is not of the kind.
        """
        payload = self.kind.pack(value)
        length = NLA_HDRLEN + len(payload)
        if length > _MOST_ATTR:
            raise ValueError(f"{self.name} of {len(payload)} bytes is too long for an attribute")
        return NLATTR.pack(length, self.number | self.kind.nested) + payload + b"\0" * (-length & 3)

    def __repr__(self) -> str:
        return self.name

    def of(self, kind: Kind) -> Attr:
        """Return the same attribute as it is read or written where its payload is of another kind."""
        return Attr(self.number, self.name, kind)


class Table(Kind):
    """A set of attributes, behind a fixed header if there is one; also the kind of a nested attribute.

    Packs a list of ready parts (bytes).  Reads into {Attr: value}: unknown attributes are left out, of repeated ones
    the last counts; with a header, into (header tuple, {Attr: value}).
    """

    __slots__ = ("attrs", "header")

    def __init__(self, *attrs: Attr, header: Struct | None = None) -> None:
        self.attrs = {a.number: a for a in attrs}
        self.header = header

    def pack(self, value: Any) -> bytes:
        """Return the parts joined."""
        return b"".join(value)

    def read(self, payload: bytes) -> Any:
        """Return what the class describes; DecodeError names the attribute that is malformed."""
        found: dict[Attr, Any] = {}
        attrs, start, end, unpack_from = self.attrs, self.start(payload), len(payload), NLATTR.unpack_from
        # As `attributes`, without touching the many that a link has and nobody asked for.
        while end - start >= NLA_HDRLEN:
            length, number = unpack_from(payload, start)
            if length < NLA_HDRLEN or length > end - start:
                raise _misfit(number, length, end - start)
            attr = attrs.get(number & NLA_TYPE_MASK)
            if attr is not None:
                try:
                    found[attr] = attr.kind.read(payload[start + NLA_HDRLEN : start + length])
                except DecodeError as e:
                    raise DecodeError(f"{attr.name}: {e}") from None
            start += (length + 3) & ~3
        if self.header is None:
            return found
        return self.header.unpack_from(payload), found

    def start(self, payload: bytes) -> int:
        """Return where the attributes begin, in bytes.  DecodeError if the header is not whole."""
        if self.header is None:
            return 0
        if len(payload) < self.header.size:
            raise DecodeError(f"{len(payload)} bytes where a header of {self.header.size} must be")
        return align(self.header.size)


BYTES = Kind()
STRZ = Text()
U8, U16, U32, U64, S32 = Integer("=B"), Integer("=H"), Integer("=I"), Integer("=Q"), Integer("=i")
BE16, BE32, BE64 = Integer(">H"), Integer(">I"), Integer(">Q")


def attributes(payload: bytes, start: int = 0) -> Iterator[tuple[int, bytes, int]]:
    """Yield (number without flag bits, payload, offset of its header) from `start` on; DecodeError if one does not fit.

    Fewer than 4 bytes behind the last one are padding (nla_ok).
    """
    end = len(payload)
    while end - start >= NLA_HDRLEN:
        length, number = NLATTR.unpack_from(payload, start)
        if length < NLA_HDRLEN or length > end - start:
            raise _misfit(number, length, end - start)
        yield number & NLA_TYPE_MASK, payload[start + NLA_HDRLEN : start + length], start
        start += align(length)


def _misfit(number: int, length: int, left: int) -> DecodeError:
    return DecodeError(f"attribute {number & NLA_TYPE_MASK} of {length} bytes with {left} left")


# --- messages -------------------------------------------------------------------------------------------------------


class Request:
    """One message to the kernel, and how to read what comes back.

    about: what is asked, in words, for error messages.  reply: the table of its replies (and of its own attributes:
    the kernel's error offsets are looked up in it).
    """

    __slots__ = ("type", "flags", "body", "operation", "reply")

    def __init__(self, type: int, flags: int, body: bytes, operation: str, reply: Table) -> None:
        self.type = type
        self.flags = flags | NLM_F_REQUEST
        self.body = body
        self.operation = operation
        self.reply = reply

    def pack(self, seq: int) -> bytes:
        """Return the message with its header, padded for another one to follow."""
        length = NLMSG_HDRLEN + len(self.body)
        return NLMSGHDR.pack(length, self.type, self.flags, seq, 0) + self.body + b"\0" * (-length & 3)

    def __repr__(self) -> str:
        return f"<{self.operation}>"


class Message:
    """One message from the kernel."""

    __slots__ = ("type", "flags", "seq", "pid", "payload")

    def __init__(self, type: int, flags: int, seq: int, pid: int, payload: bytes) -> None:
        self.type = type
        self.flags = flags
        self.seq = seq
        self.pid = pid
        self.payload = payload


def split(datagram: bytes) -> list[Message]:
    """Yield the messages of one datagram; DecodeError if one does not fit.  The last may lack its padding."""
    messages = []
    start, end = 0, len(datagram)
    while start < end:
        if end - start < NLMSG_HDRLEN:
            raise DecodeError(f"{end - start} bytes where a netlink header must be")
        length, type, flags, seq, pid = NLMSGHDR.unpack_from(datagram, start)
        if length < NLMSG_HDRLEN or length > end - start:
            raise DecodeError(f"netlink message of {length} bytes with {end - start} left")
        messages.append(Message(type, flags, seq, pid, datagram[start + NLMSG_HDRLEN : start + length]))
        start += align(length)
    return messages


# --- kernel errors --------------------------------------------------------------------------------------------------


def read_errno(message: Message) -> int:
    """Return the errno, positive, of an NLMSG_ERROR; 0 for an ack.  netlink/extended_ack.py reads the rest of it.

    DecodeError if it is not there.
    """
    if len(message.payload) < NLMSGERR.size:
        raise DecodeError(f"NLMSG_ERROR of {len(message.payload)} bytes")
    number: int = -NLMSGERR.unpack_from(message.payload)[0]
    if number < 0:
        raise DecodeError(f"NLMSG_ERROR with a positive value {-number}")
    return number
