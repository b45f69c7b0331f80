"""The masquerading of one attachment: which backend, and whatever any backend, ours or the Go plugin's, left of it.

nf_tables over netlink where the kernel has it, else iptables; "ipMasqBackend" decides otherwise.  That nf_tables can
not be had is found out by the transaction itself.  Source: docs/masquerade.md.
"""

from __future__ import annotations

import errno

from .errors import KERNEL_REFUSED, CniError, NetlinkError
from .netlink import nft
from .netlink.nft import is_there
from .netlink.sock import NETLINK_NETFILTER, Socket
from .nft_names import GO_CHAIN, GO_TABLE, GUARD, IPTABLES_NAT, LAYOUTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .attachment import Attachment
    from .nft_names import Layout
    from .nlmsg import Request

# What a kernel without nf_tables, or without its NAT, answers.
_NO_NAT = (errno.EOPNOTSUPP, errno.ENOENT)
_NO_NF_TABLES = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
# Where the old iptables interface says which of its tables this network namespace has.
_LEGACY_TABLES = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")


class Masquerade:
    """backend: "nftables", "iptables", or "" for the first that works.  sock: an nf_tables socket, if one is open.

    Close it after the other work is done: the kernel makes the closing of an nf_tables socket wait for what was deleted
    to be freed, one grace period, and holds up whoever deletes a link meanwhile (nf_tables_api.c nft_rcv_nl_event,
    since Linux 5.2).
    """

    __slots__ = ("attachment", "backend", "sock")

    def __init__(self, attachment: Attachment, backend: str, sock: Socket | None = None) -> None:
        self.attachment = attachment
        self.backend = backend
        self.sock = sock

    def __enter__(self) -> Masquerade:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _socket(self) -> Socket:
        """OSError EPROTONOSUPPORT if the kernel has no nf_tables."""
        if self.sock is None:
            self.sock = Socket(NETLINK_NETFILTER)
        return self.sock

    def _kernel_has_none(self, refused: OSError) -> bool:
        """Whether that is what a refusal means.  EINVAL may mean other things: then nf_tables answers a question.

        Without it nfnetlink refuses whatever is asked (nfnetlink_rcv_msg).
        """
        if refused.errno not in _NO_NF_TABLES:
            return False
        return self.sock is None or self.sock.ask(nft.get_generation())[0].error is not None

    def add(self, addresses: list[tuple[bytes, int]]) -> None:
        """Each (packed address, prefix length) is masqueraded; what was left of the attachment before is gone.

        CniError 100 or 101, NetlinkError: then nothing has changed.
        """
        if self.backend == "iptables":
            from . import iptables_cmd

            try:
                self._remove_from_iptables_nft([a for a, _ in addresses])
            except OSError as e:
                if not self._kernel_has_none(e):
                    raise
            iptables_cmd.add(self.attachment, addresses)
            return
        from . import nft_masquerade

        try:
            nft_masquerade.add(self._socket(), self.attachment, addresses)
        except OSError as refused:  # NetlinkError is one
            if refused.errno not in _NO_NAT and not self._kernel_has_none(refused):
                raise
            if self.backend:
                raise CniError(KERNEL_REFUSED, "masquerade by nf_tables", f"the kernel has none: {refused}") from None
            self._add_by_iptables(addresses, refused)
            return
        self._remove_from_iptables_nft([a for a, _ in addresses])
        self._remove_from_iptables_legacy([a for a, _ in addresses])

    def _add_by_iptables(self, addresses: list[tuple[bytes, int]], refused: OSError) -> None:
        from . import iptables_cmd

        try:
            iptables_cmd.add(self.attachment, addresses)
        except CniError as e:
            details = f"nf_tables: {refused}; iptables: {e}"
            raise CniError(KERNEL_REFUSED, "masquerade: neither nf_tables nor iptables can be used", details) from None

    def remove(self, hints: list[bytes]) -> None:
        """Nothing is masqueraded for the attachment by any backend, ours or the Go plugin's.

        hints: packed addresses it may have had.  Every part is tried; the first failure is raised, with the others.
        """
        failures: list[Exception] = []
        for step in (*self._steps_in_nf_tables(failures), self._remove_from_iptables_legacy):
            try:
                step(hints)
            except OSError as e:
                if not self._kernel_has_none(e):
                    failures.append(e)
            except CniError as e:
                failures.append(e)
        if failures:
            words = "; ".join([str(e) for e in failures])
            code = failures[0].code if isinstance(failures[0], CniError) else KERNEL_REFUSED
            raise CniError(code, f"remove the masquerading of {self.attachment}", words)

    def _steps_in_nf_tables(self, failures: list[Exception]) -> list[Callable[[list[bytes]], None]]:
        """How to take back what nf_tables holds; one question tells what there can be.  What failed is put to the list.

        A host where nobody masquerades has nothing, and then none of the modules that would take it back is loaded.
        """
        ours = [part for layout in LAYOUTS for part in layout]
        asked = [nft.get_table(GUARD), *self._others_chains(), *[nft.get_table(table) for table, _ in ours]]
        try:
            guard, *there = [is_there(answer) for answer in self._socket().ask(*asked)]
        except OSError as e:
            if not self._kernel_has_none(e):
                failures.append(e)
            return []
        others = there[: -len(ours)]
        present = [part for part, exists in zip(ours, there[-len(ours) :]) if exists]
        own: list[Layout] = [tuple([part for part in layout if part in present]) for layout in LAYOUTS]
        steps: list[tuple[bool, Callable[[list[bytes]], None]]] = [
            (bool(present), lambda hints: self._remove_ours(hints, own)),
            (any(others), self._remove_others),
            (guard, self._remove_guard),
        ]
        return [step for wanted, step in steps if wanted]

    def _others_chains(self) -> list[Request]:
        """Questions for the chains in which iptables-nft and the Go plugin keep what is the attachment's."""
        chain = self.attachment.go_chain()
        return [*[nft.get_chain(table, chain) for table in IPTABLES_NAT.values()], nft.get_chain(GO_TABLE, GO_CHAIN)]

    def _remove_ours(self, hints: list[bytes], layouts: list[Layout]) -> None:
        from . import nft_masquerade

        for layout in layouts:
            if layout:
                nft_masquerade.remove(self._socket(), self.attachment, hints, layout)

    def _remove_guard(self, hints: list[bytes]) -> None:
        """Of "antiSpoof": it is in nf_tables as well, and so is asked about on the same socket."""
        from . import antispoof

        antispoof.remove(self._socket(), self.attachment)

    def _remove_from_iptables_nft(self, hints: list[bytes]) -> None:
        """What iptables-nft and the Go plugin's nftables backend keep for the attachment is gone."""
        if any(is_there(answer) for answer in self._socket().ask(*self._others_chains())):
            self._remove_others(hints)

    def _remove_others(self, hints: list[bytes]) -> None:
        from . import iptables_nft

        iptables_nft.remove(self._socket(), self.attachment, hints)

    def _remove_from_iptables_legacy(self, hints: list[bytes]) -> None:
        """What the old interface of iptables keeps for the attachment is gone; if it has no table, no program runs."""
        if any(map(_has_nat, _LEGACY_TABLES)):
            from . import iptables_cmd

            likely = self.backend == "iptables" or self.sock is None
            iptables_cmd.remove_legacy(self.attachment, hints, likely)

    def check(self, addresses: list[tuple[bytes, int]]) -> list[str]:
        """What is missing, in words; [] if each address is masqueraded, by the backend or (none given) by any."""
        words: list[str] = []
        if self.backend != "iptables":
            words = _nft_findings(self.attachment, addresses)
            if not words or self.backend:
                return words
        from . import iptables_cmd

        try:
            by_iptables = iptables_cmd.findings(self.attachment, addresses)
        except (OSError, CniError) as e:
            by_iptables = [str(e)]
        return by_iptables if self.backend or not by_iptables else words

    def status(self) -> list[str]:
        """Why `add` would fail, in words; [] if it can be expected to work."""
        from . import iptables_cmd, nft_upkeep

        by_nft = "" if self.backend == "iptables" else nft_upkeep.refusal()
        if self.backend != "iptables" and not by_nft:
            return []
        by_iptables = "" if self.backend == "nftables" else iptables_cmd.unusable()
        if self.backend != "nftables" and not by_iptables:
            return []
        return [f"ipMasq can not be had: {words}" for words in (by_nft, by_iptables) if words]


def _nft_findings(attachment: Attachment, addresses: list[tuple[bytes, int]]) -> list[str]:
    from . import nft_upkeep

    try:
        return nft_upkeep.findings(attachment, addresses)
    except OSError as e:
        return [f"nf_tables: {e}"]


def _has_nat(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as names:
            return "nat\n" in names.read()
    except OSError:
        return False


def gc(network: str, valid: list[Attachment]) -> list[str]:
    """No backend has anything of the network's attachments but of the valid ones; returns what failed, in words."""
    from . import iptables_nft, nft_upkeep

    steps = [nft_upkeep.gc, iptables_nft.gc]
    if any(map(_has_nat, _LEGACY_TABLES)):
        from . import iptables_cmd

        steps.append(iptables_cmd.gc)
    words = []
    for step in steps:
        try:
            step(network, valid)
        except (NetlinkError, CniError) as e:
            words.append(str(e))
    return words


def owners() -> list[tuple[Attachment | None, bytes]]:
    """(owner or None, packed address) of each address that our table masquerades."""
    from . import nft_upkeep

    return nft_upkeep.owners()
