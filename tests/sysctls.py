"""The host's settings below /proc/sys/net, changed, or such that nobody can change them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.namespaces import Host

FORWARDING = {"v4": "ipv4/ip_forward", "v6": "ipv6/conf/all/forwarding"}
FAMILIES = (["v4"], ["v6"], ["v4", "v6"])


def turn_on(host: Host, *names: str, value: str = "1") -> None:
    """The settings below /proc/sys/net have the value."""
    for name in names:
        host.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")


@contextlib.contextmanager
def read_only(host: Host) -> Iterator[None]:
    """/proc/sys is as it is in a container that is not privileged."""
    host.run("mount", "-o", "bind,ro", "/proc/sys", "/proc/sys")
    host.run("mount", "-o", "remount,bind,ro", "/proc/sys")
    try:
        yield
    finally:
        host.run("umount", "/proc/sys")
