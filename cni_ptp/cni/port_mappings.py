"""The port mappings that a runtime asks for, `runtimeConfig.portMappings`, and the keys for them, validated.  Pure.

Loaded only if there are any.  Source: CNI CONVENTIONS.md "Well-known Capabilities"; docs/portmap.md.
"""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from ..base.ip import parse_ip, text_of, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.jsonio import JsonObject

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}  # include/uapi/linux/in.h
_MOST = 500  # one transaction takes them all
_MOST_PORT = 65535
# Of Go's portmap, which applies them by rules of its own for each container.
_NOT_SERVED = ("conditionsV4", "conditionsV6", "externalSetMarkChain", "masqAll")


class PortMapping:
    """One port of the host that leads to one of the container.

    protocol: IPPROTO_*.  host_ip: packed, the only address of the host that is mapped; None for every one.
    versions: the IP versions that it is for.
    """

    __slots__ = ("host_port", "container_port", "protocol", "host_ip", "versions")

    def __init__(
        self, host_port: int, container_port: int, protocol: int, host_ip: bytes | None, versions: tuple[int, ...]
    ) -> None:
        self.host_port = host_port
        self.container_port = container_port
        self.protocol = protocol
        self.host_ip = host_ip
        self.versions = versions

    def protocol_name(self) -> str:
        """Return such as "tcp"."""
        return next((name for name, number in PROTOCOLS.items() if number == self.protocol), str(self.protocol))

    def __str__(self) -> str:
        address = f" of {text_of(self.host_ip)}" if self.host_ip is not None else ""
        return f"{self.protocol_name()} port {self.host_port}{address}"


class PortMappings:
    """All mappings of a call.  snat: whether the host itself, by 127.0.0.1, and the container reach them too."""

    __slots__ = ("mappings", "snat")

    def __init__(self, mappings: list[PortMapping], snat: bool) -> None:
        self.mappings = mappings
        self.snat = snat


def parse(runtime: JsonObject, fields: JsonObject) -> PortMappings | None:
    """Return the mappings; None if the runtime asks for none.

    runtime: the object runtimeConfig.  fields: the whole configuration.  CniError 6 for a wrong type, 7
    for a value or a key that cannot be used.
    """
    listed = runtime.objects("portMappings", _MOST)
    if not listed:
        return None
    for key in _NOT_SERVED:
        if fields.members.get(key.lower()):
            raise CniError(
                INVALID_NETWORK_CONFIG,
                f"{key} cannot be served by ptp",
                "take portMappings out of the capabilities of ptp and chain the plugin portmap",
            )
    mappings = [_mapping(fields) for fields in listed]
    _refuse_contradiction(mappings)
    return PortMappings(mappings, fields.flag("snat", True))


def _mapping(fields: JsonObject) -> PortMapping:
    name = fields.text("protocol")
    protocol = PROTOCOLS.get(name.lower())
    if protocol is None:
        raise CniError(INVALID_NETWORK_CONFIG, f'unknown protocol "{name}" of a port mapping', ", ".join(PROTOCOLS))
    host_port, container_port = fields.number("hostPort") or 0, fields.number("containerPort") or 0
    for about, port in (("host", host_port), ("container", container_port)):
        if not 0 < port <= _MOST_PORT:
            raise CniError(INVALID_NETWORK_CONFIG, f"Invalid {about} port number: {port}")
    address, versions = _host_ip(fields.text("hostIP"))
    return PortMapping(host_port, container_port, protocol, address, versions)


def _host_ip(text: str) -> tuple[bytes | None, tuple[int, ...]]:
    """Return (the one address or None, IP versions); 0.0.0.0 and :: stand for every address of their family."""
    if not text:
        return None, (4, 6)
    try:
        address = parse_ip(text)
    except ValueError as e:
        raise CniError(INVALID_NETWORK_CONFIG, f"hostIP of a port mapping: {e}") from None
    return (address if any(address) else None), (version_of(address),)


def _refuse_contradiction(mappings: list[PortMapping]) -> None:
    """Raise CniError 7 if one port of the host is to lead to two of the container."""
    there: dict[tuple[int, int, bytes | None, int], int] = {}
    for mapping in mappings:
        for version in mapping.versions:
            key = (mapping.protocol, mapping.host_port, mapping.host_ip, version)
            if there.setdefault(key, mapping.container_port) != mapping.container_port:
                raise CniError(
                    INVALID_NETWORK_CONFIG,
                    f"{mapping} is mapped twice",
                    f"to {there[key]} and to {mapping.container_port}",
                )
