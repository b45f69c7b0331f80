"""The ports of the host that lead to containers, for people: by whom each is owned, and where it leads."""

from __future__ import annotations

from ..base.errors import CniError
from ..base.ip import text_of
from ..netlink import nft
from ..netlink.nft import exists
from ..netlink.nft_map import MAPPED, dump_mappings, mappings_in
from .nft_socket import open_socket
from .nft_table import PORTMAP as TABLE
from .owner_mark import parse_comment
from .portmap_elements import MAPS, mapping_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment


class Port:
    """One mapped port.  protocol: such as "tcp".  host_ip: packed, None for every address.  address: packed."""

    __slots__ = ("protocol", "host_ip", "host_port", "address", "port")

    def __init__(self, protocol: str, host_ip: bytes | None, host_port: int, address: bytes, port: int) -> None:
        self.protocol = protocol
        self.host_ip = host_ip
        self.host_port = host_port
        self.address = address
        self.port = port

    def __str__(self) -> str:
        of = f" of {text_of(self.host_ip)}" if self.host_ip is not None else ""
        return f"{self.protocol} port {self.host_port}{of} leads to {text_of(self.address)} port {self.port}"

    def document(self) -> dict[str, object]:
        """Return it for programs, with the keys of a runtime's mapping."""
        return {
            "protocol": self.protocol,
            "hostIP": text_of(self.host_ip) if self.host_ip is not None else None,
            "hostPort": self.host_port,
            "containerIP": text_of(self.address),
            "containerPort": self.port,
        }


def ports() -> dict[Attachment, list[Port]]:
    """Return the mapped ports by their owners, those of a hashed owner left out; {} if nothing is mapped."""
    found: dict[Attachment, list[Port]] = {}
    try:
        with open_socket() as sock:
            if not exists(sock.ask(nft.get_table(TABLE))[0]):
                return {}
            for name in MAPS:
                for message in sock.dump(dump_mappings(TABLE, name)).messages:
                    for key, data, comment in mappings_in(MAPPED.read(message.payload)):
                        owner = _owner(comment)
                        if owner is not None:
                            found.setdefault(owner, []).append(_port(name, key, data))
    except (OSError, CniError):
        return {}
    return {
        owner: sorted(some, key=lambda p: (p.host_port, p.protocol, len(p.address))) for owner, some in found.items()
    }


def _owner(comment: str) -> Attachment | None:
    try:
        return parse_comment(comment)[0]
    except ValueError:
        return None


def _port(name: str, key: bytes, data: bytes) -> Port:
    mapping = mapping_of(name, key)
    size = 4 if MAPS[name] == 4 else 16
    address, port = data[:size], int.from_bytes(data[size : size + 2], "big")
    return Port(mapping.protocol_name(), mapping.host_ip, mapping.host_port, address, port)
