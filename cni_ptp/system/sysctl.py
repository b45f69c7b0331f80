"""/proc/sys/net of the network namespace this thread is in.

Source: Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base import errnos
from ..base.errors import KERNEL_REFUSED, CniError, words_of

# A name such as eth0.100 has a dot, so names are joined by slashes.
_ROOT = "/proc/sys/net/"
_ABSENT = (errnos.ENOENT, errnos.ENOTDIR)
# Whether the host forwards, by the size of an address in bytes.
FORWARDING = {4: "ipv4/ip_forward", 16: "ipv6/conf/all/forwarding"}


def read(name: str, most: int = 256) -> str | None:
    """Return the value of a setting such as "ipv4/ip_forward"; None if the kernel has no such setting.

    most: bytes that are read.
    """
    try:
        fd = os.open(_ROOT + name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        if e.errno in _ABSENT:
            return None
        raise _refused("read", name, e) from None
    try:
        return os.read(fd, most).decode("ascii", "replace").strip()
    finally:
        os.close(fd)


def write(name: str, value: str) -> bool:
    """Write the setting; False if the kernel has no such setting.  CniError 100 if it cannot be written."""
    try:
        fd = os.open(_ROOT + name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as e:
        if e.errno in _ABSENT:
            return False
        raise _refused(f"write {value} to", name, e) from None
    return True


def ensure(name: str, value: str) -> bool:
    """Write the setting unless it has the value already: /proc/sys may be read-only."""
    found = read(name)
    return found is not None and (found == value or write(name, value))


def put(name: str, value: str) -> bool:
    """Set a setting that seldom has the value before; False if the kernel has no such setting.

    CniError 100 if it cannot be written and has another value: then `ensure` would have failed as well.
    """
    try:
        return write(name, value)
    except CniError:
        if read(name) == value:
            return True
        raise


def is_on(name: str) -> bool:
    """Return whether a switch is on: to the kernel every number but 0 is on.  False if there is no such setting."""
    return read(name) not in (None, "0")


def does_not_forward(size: int, link: str) -> str:
    """Return the setting that keeps the host from forwarding what comes in by the link, "" if none does.

    size: of the addresses, in bytes.  IPv6 looks at the whole host's setting alone (net/ipv6/ip6_output.c ip6_forward).
    """
    if not is_on(FORWARDING[size]):
        return FORWARDING[size]
    of_link = f"ipv4/conf/{link}/forwarding"
    return of_link if size == 4 and read(of_link) == "0" else ""


def refusal(name: str) -> str:
    """Return why the setting cannot be written, "" if it can or does not exist.  Nothing is written."""
    try:
        os.close(os.open(_ROOT + name, os.O_WRONLY | os.O_CLOEXEC))
    except OSError as e:
        return "" if e.errno in _ABSENT else words_of(e).partition(": /")[0]
    return ""


def _refused(doing: str, name: str, e: OSError) -> CniError:
    return CniError(KERNEL_REFUSED, f"{doing} sysctl net/{name}", words_of(e))
