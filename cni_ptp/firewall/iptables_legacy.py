"""The old interface of iptables: whether this network namespace has anything in it, which is all that can be read."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

# Where it says which of its tables this network namespace has, by IP version.
_TABLES = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}


def has_nat(version: int) -> bool:
    """Return whether this network namespace has a nat table of the old interface."""
    try:
        fd = os.open(_TABLES[version], os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        names = part = os.read(fd, 4096)
        while part:  # a read may end before the list does (fs/seq_file.c)
            part = os.read(fd, 4096)
            names += part
        return b"nat\n" in names
    except OSError:
        return False
    finally:
        os.close(fd)
