"""Writes a result as the JSON object of a specification version, and joins the results of a chain.  Pure.

Source: CNI SPEC.md "Success"; pkg/types/100/types.go of containernetworking/cni for the order of keys.
"""

from __future__ import annotations

from .result import Result, present, render_ip, render_route
from .versions import at_least

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def render(result: Result, version: str) -> dict[str, Any]:
    """Return the result as the JSON object of a specification version, keys in the order Go prints them.

    CniError 6 if the version cannot express it: 0.1.0 and 0.2.0 need an address.
    """
    if not at_least(version, "1.0.0"):
        from . import result_old

        return result_old.render(result, version)
    return _render_100(result, version)


def _render_100(result: Result, version: str) -> dict[str, Any]:
    document: dict[str, Any] = {"cniVersion": version}
    if result.dns.render():
        document["dns"] = result.dns.render()
    if result.interfaces:
        document["interfaces"] = [
            present(
                {"mac": i.mac, "mtu": i.mtu, "name": i.name, "pciID": i.pci_id, "sandbox": i.sandbox,
                 "socketPath": i.socket_path}, "name"
            )
            for i in result.interfaces
        ]  # fmt: skip
    if result.ips:
        document["ips"] = [render_ip(ip) for ip in result.ips]
    if result.routes:
        document["routes"] = [render_route(r) for r in result.routes]
    ordered: dict[str, Any] = _sorted(document)
    return ordered


def _sorted(value: Any) -> Any:
    """Return the value with its keys in alphabetical order at every level, as Go prints 1.x results."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def merged(previous: Result | None, ours: Result) -> Result:
    """Return the result of a chain: what earlier plugins made, and ours behind it."""
    if previous is None:
        return ours
    for ip in ours.ips:
        ip.interface = len(previous.interfaces) + 1
    dns = ours.dns if ours.dns.given() else previous.dns
    return Result(previous.interfaces + ours.interfaces, previous.ips + ours.ips, previous.routes + ours.routes, dns)
