"""CNI results as the specification's versions before 1.0.0 write them.  Pure.

Source: pkg/types/{020,040}/types.go of containernetworking/cni for the order of keys and the conversions.
"""

from __future__ import annotations

from ..base.errors import DECODING_FAILURE, CniError
from ..base.ip import text_of, version_of
from .result import Result, Route, present, render_ip, render_route
from .versions import at_least

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def render(result: Result, version: str) -> dict[str, Any]:
    """Return the same as result_write.render, for a version before 1.0.0."""
    return _render_040(result, version) if at_least(version, "0.3.0") else _render_020(result, version)


def _render_020(result: Result, version: str) -> dict[str, Any]:
    document: dict[str, Any] = {"cniVersion": version}
    for key, family in (("ip4", 4), ("ip6", 6)):
        ip = next((ip for ip in result.ips if version_of(ip.address) == family), None)
        if ip is not None:
            part: dict[str, Any] = {"ip": str(ip)}
            if ip.gateway is not None:
                part["gateway"] = text_of(ip.gateway)
            routes = [_render_old_route(r) for r in result.routes if version_of(r.dst) == family]
            if routes:
                part["routes"] = routes
            document[key] = part
    if len(document) == 1:
        raise CniError(DECODING_FAILURE, "cannot convert: no valid IP addresses", f"to version {version}")
    document["dns"] = result.dns.render()
    return document


def _render_old_route(route: Route) -> dict[str, Any]:
    document = {"dst": str(route)}
    if route.gw is not None:
        document["gw"] = text_of(route.gw)
    return document


def _render_040(result: Result, version: str) -> dict[str, Any]:
    document: dict[str, Any] = {"cniVersion": version}
    if result.interfaces:
        names = ("name", "mac", "sandbox")
        document["interfaces"] = [present({n: getattr(i, n) for n in names}, "name") for i in result.interfaces]
    if result.ips:
        document["ips"] = [{"version": str(version_of(ip.address)), **render_ip(ip)} for ip in result.ips]
    if result.routes:
        document["routes"] = [render_route(r) for r in result.routes]
    document["dns"] = result.dns.render()
    return document
