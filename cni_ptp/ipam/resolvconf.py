"""The dns part of a result, read from a resolv.conf.

Source: plugins/ipam/host-local/dns.go of containernetworking/plugins; resolv.conf(5).
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
from stat import S_ISREG

from ..base.errors import INVALID_NETWORK_CONFIG, CniError, words_of
from ..cni.result import Dns

_MOST = 65536  # bytes; glibc reads far less of it


def read(path: str) -> Dns:
    """Return the settings in the file.  CniError 7 if it cannot be read, is no regular file or is over 64 KiB."""
    about = f"read ipam.resolvConf {path}"
    try:
        # O_NONBLOCK: a FIFO in its place must not keep us.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not S_ISREG(os.fstat(fd).st_mode):
                raise CniError(INVALID_NETWORK_CONFIG, about, "not a regular file")
            raw = os.read(fd, _MOST + 1)
        finally:
            os.close(fd)
    except OSError as e:
        raise CniError(INVALID_NETWORK_CONFIG, about, words_of(e)) from None
    if len(raw) > _MOST:
        raise CniError(INVALID_NETWORK_CONFIG, about, f"longer than {_MOST} bytes")
    return parse(raw)


def parse(raw: bytes) -> Dns:
    """Return the settings in the text.  Pure."""
    lists: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    domain = ""
    for line in raw.decode("utf-8", "replace").split("\n"):
        fields = line.split()
        if len(fields) < 2 or fields[0][0] in "#;":
            continue
        if fields[0] == "nameserver":
            lists["nameserver"].append(fields[1])
        elif fields[0] == "domain":
            domain = fields[1]
        elif fields[0] in lists:
            lists[fields[0]] += fields[1:]
    return Dns(lists["nameserver"], domain, lists["search"], lists["options"])
