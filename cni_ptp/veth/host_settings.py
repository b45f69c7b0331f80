"""Settings of the whole host: made by the first ADD; those that ADD could not make, told by STATUS and ptp doctor."""

from __future__ import annotations

from ..base.errors import CniError
from ..system import sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_LINKS = "ipv6/conf/default/"


def forward(size: int) -> None:
    """Make a host forward that does not: addresses of this size in bytes.  CniError 100; then nothing has changed."""
    if size == 4:
        sysctl.write(sysctl.FORWARDING[4], "1")
        return
    from . import advertisements

    links = advertisements.keep_taking()
    try:
        sysctl.write(sysctl.FORWARDING[16], "1")
    except CniError:
        advertisements.give_back(links)
        raise


def refusals(sizes: set[int]) -> list[str]:
    """Return why ADD would fail for addresses of these sizes (bytes), one sentence each."""
    reasons = [reason for size in sorted(sizes) for reason in _not_forwarding(size)]
    if 16 in sizes:
        reasons += _no_ipv6()
    return reasons or (_exposed(16 in sizes) if sizes else [])


def cannot_forward(size: int) -> str:
    """Return why ADD could not make the host forward, "" if it could or if the host forwards already."""
    name = sysctl.FORWARDING[size]
    return "" if sysctl.is_on(name) else sysctl.refusal(name)


def _not_forwarding(size: int) -> Iterator[str]:
    family, name = {4: "IPv4", 16: "IPv6"}[size], sysctl.FORWARDING[size]
    refusal = cannot_forward(size)
    if refusal:
        yield f"the host does not forward {family}, and sysctl net/{name} cannot be written: {refusal}"
    if sysctl.read(name) is None:
        yield f"the kernel has no {family}, or it is off: there is no sysctl net/{name}"


def _no_ipv6() -> Iterator[str]:
    name = _NEW_LINKS + "disable_ipv6"
    refusal = sysctl.refusal(name) if sysctl.is_on(name) else ""
    if refusal:
        yield f"new links have no IPv6 (sysctl net/{name} is on), and /proc/sys cannot be written: {refusal}"


def _exposed(uses_ipv6: bool) -> list[str]:
    refusal = sysctl.refusal(_NEW_LINKS + "accept_ra")
    if not refusal:
        return []
    from ..firewall import antispoof
    from . import advertisements

    if not advertisements.taken_by("default"):
        return []
    if uses_ipv6:
        return [f"new links take router advertisements, and /proc/sys cannot be written: {refusal}"]
    unguarded = antispoof.why_unavailable()
    return [f"{advertisements.EXPOSED}: {unguarded}"] if unguarded else []
