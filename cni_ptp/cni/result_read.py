"""CNI results read: what a delegated plugin prints, or a runtime passes as prevResult, in any version.  Pure.

Source: CNI SPEC.md "Success"; pkg/types/{020,040,100}/types.go of containernetworking/cni for the conversions.
"""

from __future__ import annotations

from ..base.jsonio import JsonObject
from .result import MOST_IPS, Address, Dns, Interface, Result, cidr_of, ip_of, parse_dns, parse_route, undecodable
from .versions import SUPPORTED, at_least

_MOST_ROUTES = 1000


def parse(fields: JsonObject, default_version: str) -> Result:
    """Return the result in a JSON object, whose version is its cniVersion or else `default_version`.

    CniError 6 if the version is not ours or a value cannot be read.
    """
    version = fields.text("cniVersion") or default_version
    if version not in SUPPORTED:
        raise undecodable(f'unsupported CNI result version "{version}"')
    dns = parse_dns(fields.object("dns"))
    if not at_least(version, "0.3.0"):
        return _parse_020(fields, dns)
    return Result(
        [_parse_interface(f) for f in fields.objects("interfaces", MOST_IPS)],
        [_parse_address(f) for f in fields.objects("ips", MOST_IPS)],
        [parse_route(f) for f in fields.objects("routes", _MOST_ROUTES)],
        dns,
    )


def _parse_020(fields: JsonObject, dns: Dns) -> Result:
    ips, routes = [], []
    for key in ("ip4", "ip6"):
        part = fields.object(key)
        if part is not None:
            address, length = cidr_of(part, "ip")
            ips.append(Address(address, length, ip_of(part, "gateway")))
            routes += [parse_route(f) for f in part.objects("routes", _MOST_ROUTES)]
    return Result([], ips, routes, dns)


def _parse_interface(fields: JsonObject) -> Interface:
    return Interface(
        fields.text("name"),
        fields.text("mac"),
        fields.number("mtu") or 0,
        fields.text("sandbox"),
        fields.text("socketPath"),
        fields.text("pciID"),
    )


def _parse_address(fields: JsonObject) -> Address:
    address, length = cidr_of(fields, "address")
    return Address(address, length, ip_of(fields, "gateway"), fields.number("interface"))
