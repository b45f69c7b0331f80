"""The call of CHECK for an attachment that no runtime remembers, from configuration, leases and kernel together.

What only the runtime knew is not compared: the container's MAC and MTU, limits of bandwidth.
"""

from __future__ import annotations

from ..base import jsonio
from ..base.errors import CniError
from ..base.ip import bits, cidr_text, text_of
from ..cni.args import Args
from ..cni.conf import mac_text, read
from ..ipam import settings, static_settings
from ..netlink.bounded import search
from ..netlink.rt_addr_dump import Addr, dump_addrs
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system.netns import open_netns
from .result_cache import Remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.ip import Prefix
    from ..netlink.rt_link import Link
    from .inventory import Found, Network

_VERSION = "1.1.0"
_MOST_ADDRESSES = 4096


def reconstructed(found: Found, link: Link, network: Network | None, netns: str) -> Remembered:
    """Return the call, as a runtime would remember it.  CniError if the configuration cannot be used.

    network: the configured one of that name.  netns: a path of the container's namespace.
    """
    name, containerid, ifname = found.attachment.identity()
    document: dict[str, Any] = {**(network.conf if network is not None else {"type": "ptp"})}
    document.update({"name": name, "cniversion": _VERSION})
    if network is None:
        document["antispoof"] = found.guarded is not None
    if found.ports:
        document["runtimeconfig"] = {"portmappings": _mappings(found)}
    args = Args("CHECK", containerid, netns, ifname, "", "", False)
    prefixes = _prefixes(found, link, document, args)
    if not isinstance(document.get("ipam"), dict):
        document["ipam"] = {"type": "static", "addresses": [{"address": p["address"]} for p in prefixes]}
    document["prevresult"] = {
        "cniversion": _VERSION,
        "interfaces": [{"name": link.name, "mac": mac_text(link.mac)}, {"name": ifname, "sandbox": netns}],
        "ips": prefixes,
        "routes": document["ipam"].get("routes") or [],
    }
    return Remembered(found.attachment, args, read(jsonio.dumps(document)), "", "")


def _mappings(found: Found) -> list[dict[str, Any]]:
    listed = []
    for port in found.ports:
        mapping = {"hostport": port.host_port, "containerport": port.port, "protocol": port.protocol}
        if port.host_ip is not None:
            mapping["hostip"] = text_of(port.host_ip)
        if mapping not in listed:
            listed.append(mapping)
    return listed


def _prefixes(found: Found, link: Link, document: dict[str, Any], args: Args) -> list[dict[str, Any]]:
    """Return the attachment's addresses as a result has them, with lengths and gateways as configured, if they are."""
    configured = _configured(document, args, found.addresses())
    listed: list[dict[str, Any]] = []
    for address in found.addresses():
        length, gateway = configured.get(address) or (_length_inside(args.netns, link, address), None)
        ip: dict[str, Any] = {"address": cidr_text(address, length), "interface": 1}
        listed.append({**ip, "gateway": text_of(gateway)} if gateway is not None else ip)
    return listed


def _configured(document: dict[str, Any], args: Args, addresses: list[bytes]) -> dict[bytes, tuple[int, bytes | None]]:
    """Return (prefix length, gateway) of those of the packed addresses that an IPAM of this file gives."""
    ipam = document.get("ipam")
    kind = ipam.get("type") if isinstance(ipam, dict) else None
    if kind == "static":
        given = static_settings.read(read(jsonio.dumps(document)), args).ips
        return {ip.address: (ip.length, ip.gateway) for ip in given}
    if kind != "host-local":
        return {}
    sets = settings.read(read(jsonio.dumps(document)), args).sets
    ranges = [(address, one.range_for(address)) for one in sets for address in addresses]
    return {address: (found.length, found.gateway) for address, found in ranges if found is not None}


def _length_inside(path: str, link: Link, address: bytes) -> int:
    """Return the prefix length with which the container's end has the address; the whole one if it has not."""
    there: list[Prefix] = []

    def take(reply: Any) -> bool:
        addr = Addr(reply)
        if addr.address == address and addr.ifindex == link.peer:
            there.append((address, addr.length))
        return bool(there)

    try:
        with open_netns(path, True) as netns:
            listing = dump_addrs(link.peer, link.name)
            search(lambda: netns.inside(lambda: Socket(NETLINK_ROUTE)), listing, take, _MOST_ADDRESSES)
    except CniError:
        pass  # the comparison tells what is wrong there
    return there[0][1] if there else bits(address)
