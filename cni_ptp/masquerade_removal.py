"""The masquerading of one attachment taken back, whatever backend, ours or the Go plugin's, keeps it."""

from __future__ import annotations

from .errors import KERNEL_REFUSED, CniError
from .iptables_legacy import has_nat
from .netlink.nft import get_chain, get_table, is_there
from .nft_names import GUARD, LAYOUTS, others_chains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .masquerade import Masquerade
    from .nft_names import Layout


def remove(masquerade: Masquerade, hints: list[bytes]) -> None:
    """As Masquerade.remove."""
    failures: list[Exception] = []
    for step in (*_steps_in_nf_tables(masquerade, failures), remove_from_iptables_legacy):
        try:
            step(masquerade, hints)
        except OSError as e:
            if not _kernel_has_none(e, masquerade):
                failures.append(e)
        except CniError as e:
            failures.append(e)
    if failures:
        words = "; ".join([str(e) for e in failures])
        code = failures[0].code if isinstance(failures[0], CniError) else KERNEL_REFUSED
        raise CniError(code, f"remove the masquerading of {masquerade.attachment}", words)


def _kernel_has_none(refused: OSError, masquerade: Masquerade) -> bool:
    from .nft_socket import kernel_has_none

    return kernel_has_none(refused, masquerade.sock)


def _steps_in_nf_tables(
    masquerade: Masquerade, failures: list[Exception]
) -> list[Callable[[Masquerade, list[bytes]], None]]:
    """How to take back what nf_tables holds; one question tells what there can be.  What failed is put to the list.

    A host where nobody masquerades has nothing, and then none of the modules that would take it back is loaded.
    """
    ours = [part for layout in LAYOUTS for part in layout]
    asked = [get_table(GUARD), *[get_chain(*place) for place in others_chains(masquerade.attachment)]]
    asked += [get_table(table) for table, _ in ours]
    try:
        guard, *there = [is_there(answer) for answer in masquerade.socket().ask(*asked)]
    except OSError as e:
        if not _kernel_has_none(e, masquerade):
            failures.append(e)
        return []
    others = there[: -len(ours)]
    present = [part for part, exists in zip(ours, there[-len(ours) :]) if exists]
    own: list[Layout] = [tuple([part for part in layout if part in present]) for layout in LAYOUTS]
    steps: list[tuple[bool, Callable[[Masquerade, list[bytes]], None]]] = [
        (bool(present), lambda m, hints: _remove_ours(m, hints, own)),
        (any(others), _remove_others),
        (guard, _remove_guard),
    ]
    return [step for wanted, step in steps if wanted]


def _remove_ours(masquerade: Masquerade, hints: list[bytes], layouts: list[Layout]) -> None:
    from .nft_removal import remove as remove_from_tables

    for layout in layouts:
        if layout:
            remove_from_tables(masquerade.socket(), masquerade.attachment, hints, layout)


def _remove_others(masquerade: Masquerade, hints: list[bytes]) -> None:
    from . import iptables_nft

    iptables_nft.remove(masquerade.socket(), masquerade.attachment, hints)


def _remove_guard(masquerade: Masquerade, hints: list[bytes]) -> None:
    """Of "antiSpoof": it is in nf_tables as well, and so is asked about on the same socket."""
    from . import antispoof

    antispoof.remove(masquerade.socket(), masquerade.attachment)


def remove_from_iptables_legacy(masquerade: Masquerade, hints: list[bytes]) -> None:
    """What the old interface of iptables keeps for the attachment is gone; if it has no table, no program runs."""
    if has_nat(4) or has_nat(6):
        from . import iptables_cmd

        likely = masquerade.backend == "iptables" or masquerade.sock is None
        iptables_cmd.remove_legacy(masquerade.attachment, hints, likely)
