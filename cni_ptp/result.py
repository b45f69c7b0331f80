"""CNI results: one model, read from and written in every version of the specification.  Pure.

Source: CNI SPEC.md "Success"; pkg/types/{020,040,100}/types.go of containernetworking/cni for order and conversions.
"""

from __future__ import annotations

from .errors import DECODING_FAILURE, CniError
from .ip import cidr_text, parse_cidr, parse_ip, text_of, version_of
from .jsonio import Fields
from .versions import SUPPORTED, at_least

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_IPS = 256
_MOST_ROUTES = 1000


class Interface:
    """One interface of a result.  mac: text.  sandbox: namespace path, "" on the host.  mtu: bytes, 0 unknown."""

    __slots__ = ("name", "mac", "mtu", "sandbox", "socket_path", "pci_id")

    def __init__(
        self, name: str, mac: str = "", mtu: int = 0, sandbox: str = "", socket_path: str = "", pci_id: str = ""
    ) -> None:
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.sandbox = sandbox
        self.socket_path = socket_path
        self.pci_id = pci_id


class Address:
    """One address of a result.  address, gateway: packed.  interface: index into Result.interfaces, or None."""

    __slots__ = ("address", "length", "gateway", "interface")

    def __init__(self, address: bytes, length: int, gateway: bytes | None, interface: int | None = None) -> None:
        self.address = address
        self.length = length
        self.gateway = gateway
        self.interface = interface

    def __str__(self) -> str:
        return cidr_text(self.address, self.length)


class Route:
    """One route of a result.  dst, gw: packed.  mtu, advmss, priority: 0 is unset; table, scope: None is unset."""

    __slots__ = ("dst", "length", "gw", "mtu", "advmss", "priority", "table", "scope")

    def __init__(
        self,
        dst: bytes,
        length: int,
        gw: bytes | None = None,
        mtu: int = 0,
        advmss: int = 0,
        priority: int = 0,
        table: int | None = None,
        scope: int | None = None,
    ) -> None:
        self.dst = dst
        self.length = length
        self.gw = gw
        self.mtu = mtu
        self.advmss = advmss
        self.priority = priority
        self.table = table
        self.scope = scope

    def __str__(self) -> str:
        return cidr_text(self.dst, self.length)


class Dns:
    """DNS settings of a result; a list that is None was not given, [] was given empty."""

    __slots__ = ("nameservers", "domain", "search", "options")

    def __init__(
        self,
        nameservers: list[str] | None = None,
        domain: str = "",
        search: list[str] | None = None,
        options: list[str] | None = None,
    ) -> None:
        self.nameservers = nameservers
        self.domain = domain
        self.search = search
        self.options = options

    def given(self) -> bool:
        """Whether any part was given, be it empty: then it replaces another Dns wholesale."""
        return bool(self.domain) or any(part is not None for part in (self.nameservers, self.search, self.options))

    def render(self) -> dict[str, Any]:
        """As JSON, empty parts left out."""
        parts = {
            "nameservers": self.nameservers, "domain": self.domain, "search": self.search, "options": self.options,
        }  # fmt: skip
        return {key: value for key, value in parts.items() if value}


class Result:
    """What ADD made: interfaces, ips, routes, dns."""

    __slots__ = ("interfaces", "ips", "routes", "dns")

    def __init__(
        self, interfaces: list[Interface], ips: list[Address], routes: list[Route], dns: Dns | None = None
    ) -> None:
        self.interfaces = interfaces
        self.ips = ips
        self.routes = routes
        self.dns = dns or Dns()


# --- reading --------------------------------------------------------------------------------------------------------


def parse(fields: Fields, default_version: str) -> Result:
    """The result of a JSON object, whose version is its cniVersion or else `default_version`.

    CniError 6 if the version is not ours or a value can not be read.
    """
    version = fields.text("cniVersion") or default_version
    if version not in SUPPORTED:
        raise _undecodable(f'unsupported CNI result version "{version}"')
    dns = parse_dns(fields.object("dns"))
    if not at_least(version, "0.3.0"):
        return _parse_020(fields, dns)
    return Result(
        [_parse_interface(f) for f in fields.objects("interfaces", _MOST_IPS)],
        [_parse_address(f) for f in fields.objects("ips", _MOST_IPS)],
        [parse_route(f) for f in fields.objects("routes", _MOST_ROUTES)],
        dns,
    )


def _parse_020(fields: Fields, dns: Dns) -> Result:
    ips, routes = [], []
    for key in ("ip4", "ip6"):
        part = fields.object(key)
        if part is not None:
            address, length = _cidr(part, "ip")
            ips.append(Address(address, length, _ip(part, "gateway")))
            routes += [parse_route(f) for f in part.objects("routes", _MOST_ROUTES)]
    return Result([], ips, routes, dns)


def _parse_interface(fields: Fields) -> Interface:
    return Interface(
        fields.text("name"),
        fields.text("mac"),
        fields.number("mtu") or 0,
        fields.text("sandbox"),
        fields.text("socketPath"),
        fields.text("pciID"),
    )


def _parse_address(fields: Fields) -> Address:
    address, length = _cidr(fields, "address")
    return Address(address, length, _ip(fields, "gateway"), fields.number("interface"))


def parse_route(fields: Fields) -> Route:
    """One route object of a result or of an IPAM configuration.  CniError 6 if a value can not be read."""
    dst, length = _cidr(fields, "dst")
    return Route(
        dst,
        length,
        _ip(fields, "gw"),
        fields.number("mtu") or 0,
        fields.number("advmss") or 0,
        fields.number("priority") or 0,
        fields.number("table"),
        fields.number("scope"),
    )


def parse_dns(fields: Fields | None) -> Dns:
    """The dns object of a configuration or result, empty if there is none."""
    if fields is None:
        return Dns()
    return Dns(fields.texts("nameservers"), fields.text("domain"), fields.texts("search"), fields.texts("options"))


def _cidr(fields: Fields, key: str) -> tuple[bytes, int]:
    try:
        return parse_cidr(fields.text(key))
    except ValueError as e:
        raise _undecodable(f"{fields.name(key)}: {e}") from None


def _ip(fields: Fields, key: str) -> bytes | None:
    text = fields.text(key)
    if not text:
        return None
    try:
        return parse_ip(text)
    except ValueError as e:
        raise _undecodable(f"{fields.name(key)}: {e}") from None


def _undecodable(details: str) -> CniError:
    return CniError(DECODING_FAILURE, "could not parse result", details)


# --- writing --------------------------------------------------------------------------------------------------------


def render(result: Result, version: str) -> dict[str, Any]:
    """The result as the JSON object of a specification version, keys in the order Go prints them.

    CniError 6 if the version can not express it: 0.1.0 and 0.2.0 need an address.
    """
    if not at_least(version, "0.3.0"):
        return _render_020(result, version)
    if not at_least(version, "1.0.0"):
        return _render_040(result, version)
    return _render_100(result, version)


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
        document["interfaces"] = [_present({n: getattr(i, n) for n in names}, "name") for i in result.interfaces]
    if result.ips:
        document["ips"] = [{"version": str(version_of(ip.address)), **_render_ip(ip)} for ip in result.ips]
    if result.routes:
        document["routes"] = [render_route(r) for r in result.routes]
    document["dns"] = result.dns.render()
    return document


def _render_ip(ip: Address) -> dict[str, Any]:
    part: dict[str, Any] = {}
    if ip.interface is not None:
        part["interface"] = ip.interface
    part["address"] = str(ip)
    if ip.gateway is not None:
        part["gateway"] = text_of(ip.gateway)
    return part


def render_route(route: Route) -> dict[str, Any]:
    """One route, every attribute that is set."""
    document: dict[str, Any] = {"dst": str(route)}
    if route.gw is not None:
        document["gw"] = text_of(route.gw)
    for key in ("mtu", "advmss", "priority"):
        if getattr(route, key):
            document[key] = getattr(route, key)
    for key in ("table", "scope"):  # 0 is a value here
        if getattr(route, key) is not None:
            document[key] = getattr(route, key)
    return document


def _render_100(result: Result, version: str) -> dict[str, Any]:
    document: dict[str, Any] = {"cniVersion": version}
    if result.dns.render():
        document["dns"] = result.dns.render()
    if result.interfaces:
        document["interfaces"] = [
            _present(
                {"mac": i.mac, "mtu": i.mtu, "name": i.name, "pciID": i.pci_id, "sandbox": i.sandbox,
                 "socketPath": i.socket_path}, "name"
            )
            for i in result.interfaces
        ]  # fmt: skip
    if result.ips:
        document["ips"] = [_render_ip(ip) for ip in result.ips]
    if result.routes:
        document["routes"] = [render_route(r) for r in result.routes]
    ordered: dict[str, Any] = _sorted(document)
    return ordered


def _present(document: dict[str, Any], required: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value or key == required}


def _sorted(value: Any) -> Any:
    """Keys in alphabetical order at every level, as Go prints 1.x results."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
