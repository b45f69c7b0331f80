"""The network namespaces that have a path on this host, found by the numbers by which the host knows them."""

from __future__ import annotations

import os

from ..base.errors import CniError
from ..netlink.rt_nsid import NETNSA_NSID, get_nsid
from ..system.netns import open_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..netlink.sock import Socket

_NAMED = ("/run/netns", "/var/run/netns", "/run/docker/netns")


class Namespaces:
    """The paths of namespaces by number.  Each path is opened once, and no path before a number needs it."""

    def __init__(self, sock: Socket) -> None:
        """Take a socket in the host's namespace."""
        self._sock = sock
        self._paths: dict[int, str] = {}
        self._left = _candidates()

    def path_of(self, nsid: int | None) -> str:
        """Return a path of the namespace with that number, a named one before a process's; "" if none leads there."""
        if nsid is None:
            return ""
        while nsid not in self._paths:
            path = next(self._left, "")
            if not path:
                return ""
            number = self._number_of(path)
            if number is not None:
                self._paths.setdefault(number, path)
        return self._paths[nsid]

    def _number_of(self, path: str) -> int | None:
        try:
            with open_netns(path, True) as netns:
                answer = self._sock.ask(get_nsid(netns.fd))[0]
        except CniError:
            return None
        return answer.one()[1].get(NETNSA_NSID) if answer.error is None else None


def _candidates() -> Iterator[str]:
    seen = set()
    for directory in _NAMED:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        yield from [f"{directory}/{name}" for name in names]
    for name in os.listdir("/proc"):
        path = f"/proc/{name}/ns/net"
        try:
            inode = os.stat(path).st_ino if name.isdigit() else 0
        except OSError:
            continue
        if inode and inode not in seen:
            seen.add(inode)
            yield path
