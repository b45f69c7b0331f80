"""CNI results: one model for all versions of the specification, and the parts that several versions share.  Pure.

result_write writes a result in any version, result_old in those before 1.0.0, and result_read reads one.
Source: CNI SPEC.md "Success".
"""

from __future__ import annotations

from ..base.errors import DECODING_FAILURE, CniError
from ..base.ip import cidr_text, parse_cidr, parse_ip, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.ip import Prefix
    from ..base.jsonio import JsonObject

MOST_IPS = 256  # of one attachment


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
        """Return whether any part was given, be it empty: then it replaces another Dns wholesale."""
        return bool(self.domain) or any(part is not None for part in (self.nameservers, self.search, self.options))

    def render(self) -> dict[str, Any]:
        """Return it as JSON, empty parts left out."""
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


# --- reading its parts, which configurations have as well ------------------------------------------------------------


def parse_route(fields: JsonObject) -> Route:
    """Return one route object of a result or of an IPAM configuration.  CniError 6 if a value cannot be read."""
    dst, length = cidr_of(fields, "dst")
    return Route(
        dst,
        length,
        ip_of(fields, "gw"),
        fields.number("mtu") or 0,
        fields.number("advmss") or 0,
        fields.number("priority") or 0,
        fields.number("table"),
        fields.number("scope"),
    )


def parse_dns(fields: JsonObject | None) -> Dns:
    """Return the dns object of a configuration or result, empty if there is none."""
    if fields is None:
        return Dns()
    return Dns(fields.texts("nameservers"), fields.text("domain"), fields.texts("search"), fields.texts("options"))


def cidr_of(fields: JsonObject, key: str) -> Prefix:
    """Return (packed address, prefix length) of a member.  CniError 6 if it is not that."""
    try:
        return parse_cidr(fields.text(key))
    except ValueError as e:
        raise undecodable(f"{fields.name(key)}: {e}") from None


def ip_of(fields: JsonObject, key: str) -> bytes | None:
    """Return the packed address of a member, None by default.  CniError 6 if it is none."""
    text = fields.text(key)
    if not text:
        return None
    try:
        return parse_ip(text)
    except ValueError as e:
        raise undecodable(f"{fields.name(key)}: {e}") from None


def undecodable(details: str) -> CniError:
    """Return the error for a part of a result that cannot be read."""
    return CniError(DECODING_FAILURE, "could not parse result", details)


# --- the parts that versions share ------------------------------------------------------------------------------------


def render_ip(ip: Address) -> dict[str, Any]:
    """Return one address, as all versions from 0.3.0 on have it."""
    part: dict[str, Any] = {}
    if ip.interface is not None:
        part["interface"] = ip.interface
    part["address"] = str(ip)
    if ip.gateway is not None:
        part["gateway"] = text_of(ip.gateway)
    return part


def render_route(route: Route) -> dict[str, Any]:
    """Return one route, with every attribute that is set."""
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


def present(document: dict[str, Any], required: str) -> dict[str, Any]:
    """Return the document without its empty members, but for the required one."""
    return {key: value for key, value in document.items() if value or key == required}
