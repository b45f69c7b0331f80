"""The router advertisements that links of the host take.

Source: net/ipv6/ndisc.c ndisc_router_discovery, include/net/ipv6.h ipv6_accept_ra; net/ipv6/route.c rt6_do_redirect.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import KERNEL_REFUSED, CniError, words_of
from ..system import sysctl

_LINKS = "/proc/sys/net/ipv6/conf"
_NOT_LINKS = ("all", "default", "lo")

EXPOSED = (
    "the host end would take router advertisements from the container (CVE-2020-10749), since /proc/sys cannot be "
    "written: only nf_tables could drop them, or a host that forwards IPv6, or one with "
    "net.ipv6.conf.default.accept_ra and accept_redirects 0"
)


def taken_by(link: str) -> bool:
    """Return whether a link takes router advertisements or redirects.  link: a name, or "default" for new links."""
    conf = f"ipv6/conf/{link}/"
    if sysctl.read(conf + "disable_ipv6") != "0":
        return False
    accept_ra = sysctl.read(conf + "accept_ra")
    if sysctl.is_on(conf + "forwarding"):
        return accept_ra not in (None, "0", "1")  # a router takes them only if it is 2, and no redirects
    return accept_ra not in (None, "0") or sysctl.is_on(conf + "accept_redirects")


def keep_taking() -> list[str]:
    """Let the links that take router advertisements go on when the host forwards: accept_ra 1 becomes 2.

    Returns the names of these links.  To be called before forwarding is on: the kernel then deletes the default routes
    that it learnt, but those of links whose accept_ra is 2 (net/ipv6/route.c rt6_purge_dflt_routers).  A link that
    forwards already, or has no IPv6, loses nothing.  CniError 100; then no link has changed.
    """
    changed: list[str] = []
    try:
        for link in _links():
            conf = f"ipv6/conf/{link}/"
            loses = sysctl.read(conf + "accept_ra") == "1" and sysctl.read(conf + "forwarding") == "0"
            if loses and sysctl.read(conf + "disable_ipv6") == "0" and sysctl.write(conf + "accept_ra", "2"):
                changed.append(link)
    except CniError:
        give_back(changed)
        raise
    return changed


def give_back(links: list[str]) -> None:
    """Undo `keep_taking`, as far as the kernel lets us: while the host does not forward, 1 and 2 mean the same."""
    for link in links:
        try:
            sysctl.write(f"ipv6/conf/{link}/accept_ra", "1")
        except CniError:
            pass


def _links() -> list[str]:
    try:
        return [name for name in os.listdir(_LINKS) if name not in _NOT_LINKS]
    except OSError as e:
        raise CniError(KERNEL_REFUSED, "list the host's links that have IPv6", words_of(e)) from None
