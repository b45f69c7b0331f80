"""What port mappings have in the maps and sets of their table: names, keys, data, and whose each element is.  Pure.

What the table consists of stands in portmap_ruleset.
"""

from __future__ import annotations

import _struct as struct

from ..base.ip import version_of
from .owner_mark import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.port_mappings import PortMapping, PortMappings

GUARDED = "guarded"
IPPROTO_UDP = 17
# Each with the IP version that it serves.
MAPS = {name: version for version in (4, 6) for name in (f"specific{version}", f"any{version}")}
SETS = (*MAPS, "mapped4", "hairpin4", "mapped6", "hairpin6", GUARDED)
_IFNAMSIZ = 16  # include/uapi/linux/if.h


class Element:
    """One element of a map or a set.  data: b"" in a set."""

    __slots__ = ("name", "key", "data", "comment")

    def __init__(self, name: str, key: bytes, data: bytes, comment: str) -> None:
        self.name = name
        self.key = key
        self.data = data
        self.comment = comment


def map_key(mapping: PortMapping, version: int) -> tuple[str, bytes]:
    """Return (map, key) of a mapping for an IP version."""
    port = bytes((mapping.protocol, 0, 0, 0)) + struct.pack(">H", mapping.host_port) + bytes(2)
    if mapping.host_ip is None:
        return f"any{version}", port
    return f"specific{version}", mapping.host_ip + port


def mapping_of(name: str, key: bytes) -> PortMapping:
    """Return the mapping that an element of a map stands for, but for the container's end of it."""
    from ..cni.port_mappings import PortMapping

    address, port = key[:-8], key[-8:]
    return PortMapping(int.from_bytes(port[4:6], "big"), 0, port[0], address or None, (MAPS[name],))


def elements(
    attachment: Attachment, wanted: PortMappings, addresses: dict[int, bytes], link: str | None = None
) -> list[Element]:
    """Return the elements that the mappings make.  addresses: packed, the container's, one for each IP version.

    A mapping of a family in which the container has no address makes none.  link: the host end's name where another
    plugin made it, "" if there is none of the container's own.
    """
    name_of_link = attachment.host_veth() if link is None else link
    translated = {}
    for mapping in wanted.mappings:
        for version in mapping.versions:
            if version in addresses:
                port = struct.pack(">H", mapping.container_port) + bytes(2)
                translated[map_key(mapping, version)] = addresses[version] + port
    text = mark(attachment, f"/{len(translated)}")
    found = [Element(name, key, data, text) for (name, key), data in translated.items()]
    for version in sorted({MAPS[name] for name, _ in translated}):
        address = addresses[version]
        found.append(Element(f"mapped{version}", address, b"", text))
        if wanted.snat:
            found.append(Element(f"hairpin{version}", address + address, b"", text))
    if name_of_link and needs_loopback(wanted, found):
        found.append(Element(GUARDED, link_key(name_of_link), b"", text))
    return found


def needs_loopback(wanted: PortMappings, found: list[Element]) -> bool:
    """Return whether the host end must route 127.0.0.0/8, so that the host reaches a mapping by it."""
    return wanted.snat and any(MAPS.get(element.name) == 4 for element in found)


def link_key(name: str) -> bytes:
    """Return the key of a host end."""
    return name.encode().ljust(_IFNAMSIZ, b"\0")


def index_keys(attachment: Attachment, addresses: list[bytes]) -> list[tuple[str, bytes]]:
    """Return (set, key) of the elements by which it is found out quickly whether an attachment has mappings."""
    return [(f"mapped{version_of(a)}", a) for a in addresses] + [(GUARDED, link_key(attachment.host_veth()))]
