"""The router advertisements that links of the host take.

Source: net/ipv6/ndisc.c ndisc_router_discovery, include/net/ipv6.h ipv6_accept_ra; net/ipv6/route.c rt6_do_redirect.
"""

from __future__ import annotations

from . import sysctl

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
