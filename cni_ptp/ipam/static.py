"""static, embedded: the addresses that the configuration or the runtime names.  It keeps no state.  Pure.

Source: plugins/ipam/static/main.go of containernetworking/plugins, whose texts the errors keep.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, CniError
from ..base.ip import text_of
from ..cni.result import Dns, Result
from .static_settings import StaticSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.result import Address
    from .protocol import Held


class Static:
    """static for one call.

    settings: None for DEL and GC, which need none.  known: the packed addresses, [] if they are not known.
    """

    __slots__ = ("settings", "_known")
    is_program = False

    def __init__(self, settings: StaticSettings | None, known: list[bytes]) -> None:
        self.settings = settings or StaticSettings([], [], [], [], Dns())
        self._known = known

    def add(self, held: Held) -> Result:
        """Return what is configured, whether or not it is in use: another address would be of no use."""
        return Result([], self.settings.ips, self.settings.routes, self.settings.dns)

    def delete(self) -> None:
        """Do nothing: there is nothing to release."""

    def held(self) -> list[bytes]:
        """Return []: nobody keeps what a container got."""
        return []

    def known(self) -> list[bytes]:
        """Return the configured addresses; [] if they cannot be read, which DEL does not judge."""
        return self._known

    def check(self, prev: Result) -> None:
        """Raise CniError 105 unless each configured address is in the result, with its gateway."""
        for wanted in self.settings.ips:
            found = [ip for ip in prev.ips if ip.address == wanted.address and ip.length == wanted.length]
            if not found:
                raise CniError(CHECK_FAILED, f"static: Failed to match addr {wanted}", "it is not in prevResult")
            if wanted.gateway is not None and all(ip.gateway != wanted.gateway for ip in found):
                gateway = text_of(wanted.gateway)
                raise CniError(CHECK_FAILED, f"static: Failed to match addr {wanted}", f"its gateway is not {gateway}")

    def stale(self, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
        """Return {}: there are no leases."""
        return {}

    def gc(self, valid: list[Attachment]) -> None:
        """Do nothing: there is nothing to collect."""

    def restore(self, prev: Result) -> None:
        """Do nothing: there are no leases."""

    def foreseen(self) -> list[list[Address]]:
        """Return the configured addresses; [] where the runtime must give some."""
        return [self.settings.ips] if self.settings.ips else []

    def status(self) -> None:
        """Return: it is always ready."""
