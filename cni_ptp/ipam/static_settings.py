"""The configuration of static, validated: addresses that it or the runtime names.  Pure.

Source: plugins/ipam/static/main.go of containernetworking/plugins, whose texts the errors keep.
"""

from __future__ import annotations

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from ..base.ip import contains, parse_cidr, parse_ip
from ..cni.args import known_cni_args
from ..cni.conf import unusable
from ..cni.result import MOST_IPS, Address, parse_dns
from .data_dir import ipam_of
from .settings import one_per_family, routes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix
    from ..base.jsonio import JsonObject
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Dns, Route

_IPS_TEXT = "an entry in the 'ips' field is NOT in CIDR notation, got: '{}'"


class StaticSettings:
    """What static is to give.

    requested: those of `ips` that the runtime gave.  configured: those of ipam.addresses.
    """

    __slots__ = ("ips", "requested", "configured", "routes", "dns")

    def __init__(
        self, ips: list[Address], requested: list[Address], configured: list[Address], routes: list[Route], dns: Dns
    ) -> None:
        self.ips = ips
        self.requested = requested
        self.configured = configured
        self.routes = routes
        self.dns = dns


def read(conf: NetConf, args: Args) -> StaticSettings:
    """Return all of the configuration.  CniError 4, 6 or 7 before anything is done."""
    ipam = ipam_of(conf)
    ips, requested, configured = _addresses(conf, ipam, args)
    one_per_family(conf.cni_version, [len(ip.address) for ip in ips])
    return StaticSettings(ips, requested, configured, routes_of(ipam), parse_dns(ipam.object("dns")))


def known_addresses(conf: NetConf, args: Args) -> list[bytes]:
    """Return the packed addresses that are named; [] if they cannot be read."""
    try:
        return [ip.address for ip in _addresses(conf, ipam_of(conf), args)[0]]
    except CniError:
        return []


def _addresses(conf: NetConf, ipam: JsonObject, args: Args) -> tuple[list[Address], list[Address], list[Address]]:
    """Return (what is given, what of it was requested, what is configured).

    Given is runtimeConfig.ips, else args.cni.ips, else the configured ones with those of CNI_ARGS.
    """
    configured = [_Configured(fields) for fields in ipam.objects("addresses")]
    from_args = _from_cni_args(args.args)
    for overriding in (conf.runtime_config().texts("ips"), conf.cni_conf_args().texts("ips")):
        if overriding:
            requested = [_overriding(text, configured) for text in overriding]
            return requested, requested, [one.judged() for one in configured if one.cidr is not None]
    judged = [one.judged() for one in configured]
    return judged + from_args, from_args, judged


class _Configured:
    """An entry of ipam.addresses.  cidr: None if its text is none, which only matters when it is used."""

    __slots__ = ("text", "cidr", "gateway")

    def __init__(self, fields: JsonObject) -> None:
        self.text = fields.text("address")
        self.cidr: Prefix | None = None
        try:
            self.cidr = parse_cidr(self.text)
        except ValueError:
            pass
        gateway = fields.text("gateway")
        self.gateway = _ip(gateway, "invalid IP address: {}") if gateway else None

    def judged(self) -> Address:
        if self.cidr is None:
            raise unusable(f"the 'address' field is expected to be in CIDR notation, got: '{self.text}'")
        return Address(*self.cidr, self.gateway)


def _overriding(text: str, configured: list[_Configured]) -> Address:
    """Return an address of the runtime.

    A configured subnet around it gives the length and the gateway that it lacks.
    """
    try:
        address, length = parse_cidr(text) if "/" in text else (parse_ip(text), -1)
    except ValueError:
        raise unusable(_IPS_TEXT.format(text)) from None
    gateway = None
    for one in configured:
        if one.cidr is not None and contains(*one.cidr, address):
            gateway = one.gateway if one.gateway != address else None
            length = one.cidr[1] if length < 0 else length
            break
    if length < 0:
        raise unusable(_IPS_TEXT.format(text), "and no address of ipam.addresses has a subnet around it")
    return Address(address, length, gateway)


def _from_cni_args(text: str) -> list[Address]:
    """Return the addresses of IP=, each with the gateway of GATEWAY= that is in its subnet; the last such one counts.

    CniError 4 for more of either than a container can have, as each gateway is compared with each address; 7 for a bad
    text.
    """
    values = known_cni_args(text, ("IP", "GATEWAY"))
    ips = []
    for item in _listed(values, "IP"):
        try:
            ips.append(Address(*parse_cidr(item), None))
        except ValueError:
            raise unusable(f"the 'ip' field is expected to be in CIDR notation, got: '{item}'") from None
    for item in _listed(values, "GATEWAY"):
        gateway = _ip(item, "invalid gateway address: {}")
        for ip in ips:
            if contains(ip.address, ip.length, gateway):
                ip.gateway = gateway
    return ips


def _listed(values: dict[str, str], key: str) -> list[str]:
    """Return the items of a list with commas in CNI_ARGS.  CniError 4 if they are too many."""
    items = [item.strip() for item in values[key].split(",")] if values.get(key) else []
    if len(items) > MOST_IPS:
        words = f"{len(items)} entries, {MOST_IPS} are allowed"
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"{key} of CNI_ARGS is too long", words)
    return items


def _ip(text: str, words: str) -> bytes:
    try:
        return parse_ip(text)
    except ValueError:
        raise unusable(words.format(text)) from None
