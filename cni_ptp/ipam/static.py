"""static, embedded: the addresses that the configuration or the runtime names.  It keeps no state.

Source: plugins/ipam/static/main.go of containernetworking/plugins, whose texts the errors keep.
"""

from __future__ import annotations

from ..args import known_cni_args
from ..attachment import Attachment
from ..errors import CHECK_FAILED, CniError
from ..ip import contains, parse_cidr, parse_ip, text_of
from ..result import Address, Dns, Result, parse_dns
from .ranges import unusable
from .settings import ipam_of, one_per_family, routes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..args import Args
    from ..conf import Conf
    from ..jsonio import Fields
    from ..result import Route

_IPS_TEXT = "an entry in the 'ips' field is NOT in CIDR notation, got: '{}'"


class Static:
    """static for one call."""

    __slots__ = ("containerid", "ips", "routes", "dns")

    def __init__(self, conf: Conf, args: Args) -> None:
        """Everything that the command needs is validated.  CniError 4, 6 or 7; DEL and GC need nothing."""
        self.containerid = args.containerid
        self.ips: list[Address] = []
        self.routes: list[Route] = []
        self.dns = Dns()
        if args.command not in ("DEL", "GC"):
            ipam = ipam_of(conf)
            self.ips = _addresses(conf, ipam, args)
            one_per_family(conf.cni_version, [len(ip.address) for ip in self.ips])
            self.routes = routes_of(ipam)
            self.dns = parse_dns(ipam.object("dns"))

    def add(self) -> Result:
        """What is configured."""
        return Result([], self.ips, self.routes, self.dns)

    def delete(self) -> None:
        """There is nothing to release."""

    def held(self) -> list[bytes]:
        """[]: nobody keeps what a container got."""
        return []

    def check(self, prev: Result) -> None:
        """Each configured address is in the result, with its gateway.  CniError 105 if not."""
        for wanted in self.ips:
            found = [ip for ip in prev.ips if ip.address == wanted.address and ip.length == wanted.length]
            if not found:
                raise CniError(CHECK_FAILED, f"static: Failed to match addr {wanted}", "it is not in prevResult")
            if wanted.gateway is not None and all(ip.gateway != wanted.gateway for ip in found):
                gateway = text_of(wanted.gateway)
                raise CniError(CHECK_FAILED, f"static: Failed to match addr {wanted}", f"its gateway is not {gateway}")

    def gc(self, valid: list[Attachment]) -> None:
        """There is nothing to collect."""

    def status(self) -> None:
        """Always ready."""


def _addresses(conf: Conf, ipam: Fields, args: Args) -> list[Address]:
    """runtimeConfig.ips, else args.cni.ips, else the configured ones with those of CNI_ARGS."""
    from_args = _from_cni_args(args.args)
    configured = ipam.objects("addresses")
    for overriding in (conf.runtime_config().texts("ips"), conf.cni_conf_args().texts("ips")):
        if overriding:
            return [_overriding(text, configured) for text in overriding]
    return [_configured(fields) for fields in configured] + from_args


def _configured(fields: Fields) -> Address:
    gateway = fields.text("gateway")
    address, length = _cidr(fields.text("address"), "the 'address' field is expected to be in CIDR notation, got: '{}'")
    return Address(address, length, _ip(gateway, "invalid IP address: {}") if gateway else None)


def _overriding(text: str, configured: list[Fields]) -> Address:
    """An address of the runtime.  What it does not say (its length, its gateway) a configured subnet around it does."""
    around = None
    try:
        address = parse_cidr(text)[0] if "/" in text else parse_ip(text)
    except ValueError:
        raise unusable(_IPS_TEXT.format(text)) from None
    for one in map(_configured, [f for f in configured if "/" in f.text("address")]):
        if contains(one.address, one.length, address):
            around = one
            break
    if around is None and "/" not in text:
        raise unusable(_IPS_TEXT.format(text), "and no address of ipam.addresses has a subnet around it")
    length = parse_cidr(text)[1] if "/" in text or around is None else around.length
    gateway = around.gateway if around is not None and around.gateway != address else None
    return Address(address, length, gateway)


def _from_cni_args(text: str) -> list[Address]:
    """The addresses of IP=, each with the gateway of GATEWAY= that is in its subnet; the last such one counts."""
    values = known_cni_args(text, ("IP", "GATEWAY"))
    ips = []
    for item in values.get("IP", "").split(",") if values.get("IP") else []:
        address, length = _cidr(item.strip(), "the 'ip' field is expected to be in CIDR notation, got: '{}'")
        ips.append(Address(address, length, None))
    for item in values.get("GATEWAY", "").split(",") if values.get("GATEWAY") else []:
        gateway = _ip(item.strip(), "invalid gateway address: {}")
        for ip in ips:
            if contains(ip.address, ip.length, gateway):
                ip.gateway = gateway
    return ips


def _cidr(text: str, words: str) -> tuple[bytes, int]:
    try:
        return parse_cidr(text)
    except ValueError:
        raise unusable(words.format(text)) from None


def _ip(text: str, words: str) -> bytes:
    try:
        return parse_ip(text)
    except ValueError:
        raise unusable(words.format(text)) from None
