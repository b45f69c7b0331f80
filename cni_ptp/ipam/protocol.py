"""The methods that every IPAM has, embedded or a program: types alone, which no call loads."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ..cni.attachment import Attachment
    from ..cni.result import Address, Result

    Held = Callable[[Sequence[bytes]], set[bytes]]

    class Ipam(Protocol):
        """Where the addresses of one attachment come from.  is_program: whether another program is asked."""

        is_program: bool

        def add(self, held: Held) -> Result:
            """Return addresses, routes and dns for the attachment; a failure leaves nothing allocated.

            held: returns those of the packed addresses that are in use on the host; no such address is chosen.  Asked
            about gateways at the same time, it spares a question later.
            """

        def delete(self) -> None:
            """Release everything that is allocated to the attachment; twice is once."""

        def check(self, prev: Result) -> None:
            """Return if the addresses of the result are still allocated."""

        def held(self) -> list[bytes]:
            """Return the packed addresses that the attachment holds; [] if that is not known."""

        def known(self) -> list[bytes]:
            """Return `held`, or what the configuration or another plugin's leases tell; [] if that is not known."""

        def stale(self, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
            """Return the packed addresses that are leased to others than the valid attachments; {} if not known."""

        def gc(self, valid: list[Attachment]) -> None:
            """Release what is allocated of this network to any but the valid attachments."""

        def restore(self, prev: Result) -> None:
            """Reserve the addresses of the result again, if their leases were lost and nobody else has them."""

        def foreseen(self) -> list[list[Address]]:
            """Return results that `add` may come to, the addresses of each; [] if that is not known."""

        def status(self) -> None:
            """Return if `add` can be expected to work."""
