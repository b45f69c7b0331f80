"""What any IPAM must have given before anything is created with it.  Pure."""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from ..base.ip import is_usable_by_a_container, text_of, version_of
from ..cni.result import Address, Result, Route
from ..netlink.rt_route import RT_SCOPE_HOST, RT_SCOPE_LINK

# What each has room for in a message: include/uapi/linux/rtnetlink.h rtm_scope, and attributes of 32 bits.
_MOST = {"mtu": 0xFFFFFFFF, "advmss": 0xFFFFFFFF, "priority": 0xFFFFFFFF, "table": 0xFFFFFFFF, "scope": 0xFF}
_IPV6_MIN_MTU = 1280  # include/linux/ipv6.h


def validate(result: Result, ipam: str) -> None:
    """Return if an interface can have the result's addresses; else raise CniError 7 that names what to configure.

    ipam: the type of the plugin the result is from.
    """
    if not result.ips:
        raise CniError(INVALID_NETWORK_CONFIG, "IPAM plugin returned missing IP config", _hint(ipam, "addresses"))
    addresses = [ip.address for ip in result.ips]
    for ip in result.ips:
        if not is_usable_by_a_container(ip.address):
            raise _bad(ip, ipam, "is no address that a container can have")
        if addresses.count(ip.address) > 1:
            raise _bad(ip, ipam, "is there twice")
        _validate_gateway(ip, addresses, ipam)
    for route in result.routes:
        validate_route(route)


def refuse_small_mtu(mtu: int, ips: list[Address]) -> None:
    """Raise CniError 7 for IPv6 on an interface too small for it: the kernel would only say EINVAL.

    mtu: bytes, 0 for the kernel's default.
    """
    if 0 < mtu < _IPV6_MIN_MTU and any(len(ip.address) == 16 for ip in ips):
        hint = f"IPv6 needs {_IPV6_MIN_MTU} (RFC 8200), and IPAM gave an IPv6 address"
        raise CniError(INVALID_NETWORK_CONFIG, f"mtu {mtu} cannot be used", hint)


def validate_route(route: Route) -> None:
    """Return if the kernel could be asked for the route; else raise CniError 7."""
    for name, most in _MOST.items():
        value = getattr(route, name)
        if value is not None and not 0 <= value <= most:
            raise CniError(
                INVALID_NETWORK_CONFIG, f"route {route} cannot have {name} {value}", f"it is to be from 0 to {most}"
            )
    if route.gw is not None and len(route.gw) != len(route.dst):
        raise _bad_gateway(route, route.gw, "it is of another family")
    if len(route.dst) == 4 and route.scope is not None and route.scope >= RT_SCOPE_LINK:  # IPv6 has no scopes of routes
        if route.scope > RT_SCOPE_HOST:
            raise CniError(INVALID_NETWORK_CONFIG, f"route {route} cannot have scope {route.scope}", "it leads nowhere")
        if route.gw is not None and any(route.gw):
            raise _bad_gateway(route, route.gw, f"scope {route.scope} is for what is reached without one")


def _bad_gateway(route: Route, gw: bytes, why: str) -> CniError:
    return CniError(INVALID_NETWORK_CONFIG, f"route {route} cannot have gateway {text_of(gw)}", why)


def _validate_gateway(ip: Address, addresses: list[bytes], ipam: str) -> None:
    if ip.gateway is None:
        raise _bad(ip, ipam, "has no gateway", _hint(ipam, "gateway"))
    gateway = text_of(ip.gateway)
    if version_of(ip.gateway) != version_of(ip.address):
        raise _bad(ip, ipam, f"has a gateway of another family, {gateway}")
    if ip.gateway in addresses:
        raise _bad(ip, ipam, f"has the gateway {gateway}, which is an address of the container itself")
    if not is_usable_by_a_container(ip.gateway):
        raise _bad(ip, ipam, f"has the gateway {gateway}, which no host can have")


def _bad(ip: Address, ipam: str, what: str, hint: str = "") -> CniError:
    return CniError(INVALID_NETWORK_CONFIG, f"address {ip} from IPAM plugin {ipam} {what}", hint)


def _hint(ipam: str, what: str) -> str:
    if ipam == "static" and what == "gateway":
        return "ptp routes through a gateway: give each of ipam.addresses a gateway"
    if ipam == "static":
        return "give ipam.addresses, or addresses by runtimeConfig.ips, args.cni.ips or CNI_ARGS IP="
    return f"configure {ipam} so that it gives {'each address a gateway' if what == 'gateway' else 'an address'}"
