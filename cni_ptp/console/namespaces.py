"""The network namespaces that have a path on this host, found by the numbers by which the host knows them."""

from __future__ import annotations

import os

from ..base.errors import CniError
from ..netlink.rt_nsid import NETNSA_NSID, get_nsid
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system.netns import open_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = ("/run/netns", "/var/run/netns", "/run/docker/netns")


class Namespaces:
    """What was found so far; each path is looked at once, when the first number that is not known yet is asked for."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}
        self._left = _candidates()

    def path_of(self, nsid: int | None) -> str:
        """Return a path of the namespace with that number, a named one before a process's; "" if none leads there."""
        if nsid is None:
            return ""
        with Socket(NETLINK_ROUTE) as sock:
            while nsid not in self._paths:
                path = next(self._left, "")
                if not path:
                    return ""
                number = _nsid_of(sock, path)
                if number is not None:
                    self._paths.setdefault(number, path)
        return self._paths[nsid]


def _nsid_of(sock: Socket, path: str) -> int | None:
    try:
        with open_netns(path, True) as netns:
            answer = sock.ask(get_nsid(netns.fd))[0]
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
