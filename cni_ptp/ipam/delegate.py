"""Another plugin's binary as the IPAM: found in CNI_PATH, given our own input, its words passed on whole.

Source: pkg/invoke of containernetworking/cni, whose texts the errors keep; CNI SPEC.md "Plugin delegation".
"""

from __future__ import annotations

import os
import sys
from stat import S_ISREG

from .. import IPAM_ROLES
from ..base import jsonio
from ..base.errors import DELEGATE_FAILED, INVALID_ENVIRONMENT_VARIABLES, CniError, words_of
from ..base.jsonio import JsonObject
from ..cni.attachment import Attachment
from ..cni.conf import unusable
from ..cni.result import Result
from ..cni.result_read import parse
from ..cni.versions import at_least
from ..system import signals
from ..system.spawn import Finished, LimitExceeded, run
from ..system.trusted import distrust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.result import Address
    from .protocol import Held, Ipam

_OURS = ("ptp",)
_MOST_WORDS = 2000  # characters of a child's diagnostics that go into an error


class Delegate:
    """The IPAM plugin of the configuration, for one call.

    path: its file.  raw: our own input.  like: makes the IPAM of this file of the same kind, which can read the state
    of CNI's own plugin; None if there is none.
    """

    __slots__ = ("kind", "path", "raw", "cni_version", "like")
    is_program = True

    def __init__(
        self, kind: str, raw: bytes, cni_version: str, ourselves: str, cni_path: str, like: Callable[[], Ipam | None]
    ) -> None:
        """Find the file and see that it may be run.  CniError 7, or 4 without a CNI_PATH."""
        self.kind = kind
        self.path = find(kind, cni_path, ourselves)
        self.raw = raw
        self.cni_version = cni_version
        self.like = like

    def add(self, held: Held) -> Result:
        """Return what the plugin allocated.  If it fails, or its answer cannot be read, it is told to release."""
        try:
            out = self._call("ADD")
            try:
                result = parse(JsonObject(jsonio.loads(out), ""), self.cni_version)
            except ValueError as e:
                raise CniError(DELEGATE_FAILED, f"read the result of IPAM plugin {self.kind}", str(e)) from None
        except CniError as e:
            # SPEC "Plugin delegation": a failed ADD is followed by a DEL, for something may be allocated.
            signals.undoing()
            try:
                self._call("DEL")
            except CniError as second:
                e.add(f"could not release what IPAM plugin {self.kind} may have allocated: {second}")
            raise
        for ip in result.ips:
            ip.interface = None  # it knows of no interfaces
        return result

    def delete(self) -> None:
        """Have the plugin release what it gave."""
        self._call("DEL")

    def held(self) -> list[bytes]:
        """Return []: only the plugin knows."""
        return []

    def known(self) -> list[bytes]:
        """Return what the plugin's leases or its configuration tell, if it is the host-local or static of CNI."""
        try:
            ipam = self.like()
            return ipam.known() if ipam is not None else []
        except CniError:
            return []  # it has its own way with the configuration

    def check(self, prev: Result) -> None:
        """Have the plugin check; it has the result with our input."""
        self._call("CHECK")

    def stale(self, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
        """Return what its leases tell, if it is the host-local of CNI."""
        ipam = self.like()
        return ipam.stale(valid) if ipam is not None else {}

    def gc(self, valid: list[Attachment]) -> None:
        """Have the plugin keep only what is valid; it has the list with our input."""
        self._call("GC")

    def restore(self, prev: Result) -> None:
        """Do nothing: only the plugin could."""

    def foreseen(self) -> list[list[Address]]:
        """Return []: only the plugin knows."""
        return []

    def status(self) -> None:
        """Return if the plugin can serve ADD, or if its configuration's version does not let us ask."""
        if at_least(self.cni_version, "1.1.0"):
            self._call("STATUS")

    def _call(self, command: str) -> bytes:
        """Return what the plugin printed.  CniError: its own error, or 102."""
        about = f"run IPAM plugin {self.kind} for {command}"
        try:
            finished = run(self.path, [self.path], {**os.environ, "CNI_COMMAND": command}, self.raw)
        except LimitExceeded as e:
            raise CniError(DELEGATE_FAILED, about, str(e)) from None
        except OSError as e:
            raise CniError(DELEGATE_FAILED, about, words_of(e)) from None
        if finished.status != 0:
            raise _failure(about, finished)
        if finished.err:
            _forward(finished.err)
        return finished.out


def find(kind: str, path: str, ourselves: str) -> str:
    """Return the file of a plugin: the first regular file of that name in the absolute directories of CNI_PATH.

    ourselves: our own type, never to be called by us.  CniError 7 if there is none or it must not be run, 4 if CNI_PATH
    is missing.  Source: FindInPath in pkg/invoke/find.go; CVE-2021-20206.
    """
    if "/" in kind or "\0" in kind or kind in (".", ".."):
        raise unusable(f"invalid plugin name: {kind}")
    if kind in _OURS or kind == ourselves:
        raise unusable(f"invalid plugin name: {kind}", "a plugin cannot be its own IPAM plugin")
    if not path:
        raise CniError(
            INVALID_ENVIRONMENT_VARIABLES,
            "required env variables [CNI_PATH] missing",
            f"IPAM plugin {kind} is to be found there",
        )
    entries = path.split(":")
    # An empty one would be the working directory, a relative one below it: whoever chose that would choose the program.
    directories = [entry for entry in entries if entry.startswith("/")]
    for directory in directories:
        candidate = f"{directory}/{kind}"
        try:
            status = os.stat(candidate)
        except (OSError, ValueError):
            continue
        if S_ISREG(status.st_mode):
            _may_run(candidate, kind, status)
            return candidate
    passed_over = [repr(entry) for entry in entries if entry not in directories]
    details = f"not looked for in {', '.join(passed_over)}: no absolute path" if passed_over else ""
    raise unusable(f'failed to find plugin "{kind}" in path [{" ".join(directories)}]', details)


def _may_run(path: str, kind: str, status: os.stat_result) -> None:
    try:
        refusal = distrust(path)
    except OSError as e:  # it was removed meanwhile
        refusal = words_of(e)
    if refusal:
        raise unusable(f"refuse to run IPAM plugin {kind}", refusal)
    if not os.access(path, os.X_OK):
        raise unusable(f"refuse to run IPAM plugin {kind}", f"{path} is not executable")
    try:
        own = os.stat(sys.argv[0])
    except (OSError, ValueError):
        return
    if (own.st_dev, own.st_ino) == (status.st_dev, status.st_ino) and kind not in IPAM_ROLES:
        raise unusable(f"refuse to run IPAM plugin {kind}", f"{path} is this very plugin")


def _failure(about: str, finished: Finished) -> CniError:
    """Return the error of a child that failed: its own words whole, if they are a CNI error."""
    if not finished.out.strip():
        words = _words(finished.err)
        said = f'"{words}"' if words else "with no error message"
        return CniError(
            DELEGATE_FAILED,
            f"netplugin failed: {said}" if words else f"netplugin failed {said}",
            f"{about}: {_ending(finished.status)}",
        )
    try:
        fields = JsonObject(jsonio.loads(finished.out), "")
        code, msg, details = fields.number("code") or 0, fields.text("msg"), fields.text("details")
        if not code and not msg:
            raise ValueError("it is no error")  # a result perhaps, and then a crash
    except (ValueError, CniError) as e:
        return CniError(
            DELEGATE_FAILED,
            f'netplugin failed but error parsing its diagnostic message "{_words(finished.out)}": {e}',
            f"{about}: {_ending(finished.status)}",
        )
    return CniError(code, msg, details, document={"code": code, "msg": msg})


def _ending(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"killed by signal {-status}"


def _words(said: bytes) -> str:
    """Return the beginning of a child's words; whoever answers makes them printable."""
    text = said.decode("utf-8", "replace").strip()
    return text if len(text) <= _MOST_WORDS else text[:_MOST_WORDS] + "..."


def _forward(said: bytes) -> None:
    """Hand on what a successful child wrote on stderr, made printable.  There may be no stderr."""
    from ..base.printable import printable

    try:
        os.write(2, printable(said.decode("utf-8", "replace"), keep="\n\t").encode())
    except OSError:
        pass  # words for people: no reason to fail a call that succeeded
