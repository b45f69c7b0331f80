"""The leases on this host as their files say, read without a lock: looking at them must not stop a container.

The format is Go host-local's (see ipam/leases.py); DATA_DIR/NETWORK/ADDRESS.
"""

from __future__ import annotations

import os
from stat import S_ISREG

from ..base.ip import parse_ip, text_of

_MOST = 4096
_ASIDE = "."  # what begins so is no network: our own index


class LeaseFile:
    """One lease.  address: packed.  containerid and ifname: "" if the file does not say.  made: s since 1970."""

    __slots__ = ("network", "address", "containerid", "ifname", "path", "made", "incomplete")

    def __init__(self, network: str, address: bytes, content: str, path: str, made: float) -> None:
        text = content.strip()
        self.network = network
        self.address = address
        self.incomplete = not text or "\0" in text
        self.containerid, _, self.ifname = ("", "", "") if self.incomplete else text.partition("\r\n")
        self.path = path
        self.made = made

    def identity(self) -> tuple[str, str, str]:
        """Return (network, container, ifname)."""
        return self.network, self.containerid, self.ifname


def networks(data_dir: str) -> list[str]:
    """Return the networks that have a directory there; [] if there is none.  OSError if it cannot be read."""
    try:
        with os.scandir(data_dir) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(_ASIDE))
    except FileNotFoundError:
        return []


def of_network(data_dir: str, network: str) -> list[LeaseFile]:
    """Return the network's leases in the order of their addresses.  OSError if its directory cannot be read."""
    directory = os.path.join(data_dir, network)
    found = []
    for name in os.listdir(directory):
        address = _address(name)
        if address is None:
            continue
        path = os.path.join(directory, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # gone meanwhile, or no file
        try:
            state = os.fstat(fd)
            if S_ISREG(state.st_mode):
                content = os.read(fd, _MOST).decode("utf-8", "surrogateescape")
                found.append(LeaseFile(network, address, content, path, state.st_mtime))
        finally:
            os.close(fd)
    return sorted(found, key=lambda lease: (len(lease.address), lease.address))


def _address(name: str) -> bytes | None:
    try:
        address = parse_ip(name)
    except ValueError:
        return None
    return address if text_of(address) == name else None
