"""The log that a configuration asks for with "logFile": one line of JSON for each call.

Loaded only then.  What a line may hold is listed in docs/security.md: names, durations and codes, of errors only the
words that are ours; nothing of the environment but TRACEPARENT, of CNI_ARGS or of the configuration.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
from stat import S_ISREG
from sys import version_info
from time import gmtime, monotonic, process_time, strftime, time

from .. import __version__
from ..base import jsonio
from ..base.errors import (
    DELEGATE_FAILED,
    INVALID_NETNS,
    INVALID_NETWORK_CONFIG,
    KERNEL_REFUSED,
    TRY_AGAIN_LATER,
    CniError,
)
from ..system.state_files import opened
from . import checkpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..cni.args import Args
    from ..cni.conf import NetConf

LEVELS = ("error", "info", "debug")
_MOST_TRACEPARENT = 128  # characters; W3C Trace Context's has 55
_TRACEPARENT = frozenset("0123456789abcdef-")


class Log:
    """The log line of one call, in the making."""

    def __init__(self, path: str, level: str, args: Args, conf: NetConf, environ: Mapping[str, str]) -> None:
        self.path = path
        self.level = level
        self.args = args
        self.conf = conf
        self.traceparent = environ.get("TRACEPARENT", "")
        self.started = self.step_started = monotonic()
        self.steps: dict[str, float] = {}

    def step(self, name: str) -> None:
        """Record that the step of that name ended just now."""
        now = monotonic()
        self.steps[name] = self.steps.get(name, 0.0) + now - self.step_started
        self.step_started = now

    def write(self, failure: CniError | None) -> None:
        """Append the call's line to the file; whatever prevents that is no reason to fail."""
        if failure is None and self.level == "error":
            return
        try:
            append(self.path, line(self._record(failure)))
        except Exception:  # noqa: BLE001, S110  the call is done and answered
            pass

    def _record(self, failure: CniError | None) -> dict[str, Any]:
        now = time()
        record: dict[str, Any] = {
            "time": strftime("%Y-%m-%dT%H:%M:%S", gmtime(now)) + f".{int(now % 1 * 1000):03}Z",
            "level": "error" if failure is not None else "info",
            "command": self.args.command,
            "network": self.conf.name,
            "container": self.args.containerid,
            "ifname": self.args.ifname,
            "code": failure.code if failure is not None else 0,
            "ms": monotonic() - self.started,
            "steps": self.steps,
        }
        if failure is not None and _is_ours(failure):
            record["msg"] = failure.msg
        if 0 < len(self.traceparent) <= _MOST_TRACEPARENT and _TRACEPARENT.issuperset(self.traceparent):
            record["traceparent"] = self.traceparent
        if self.level == "debug":
            record.update(
                netns=self.args.netns,
                cniVersion=self.conf.cni_version,
                pid=os.getpid(),
                cpu_ms=process_time(),
                plugin=__version__,
                python=f"{version_info[0]}.{version_info[1]}.{version_info[2]}",
            )
        return record


def _is_ours(failure: CniError) -> bool:
    """Return whether the words of a failure are ours.

    Those of a delegated plugin or about the input might quote secrets.
    """
    ours = failure.code >= KERNEL_REFUSED or failure.code in (INVALID_NETNS, TRY_AGAIN_LATER)
    return ours and failure.document is None and failure.code != DELEGATE_FAILED


def asked_for(args: Args, conf: NetConf, environ: Mapping[str, str]) -> Log | None:
    """Return the log that the configuration requests.  CniError 6 or 7 if its keys are not right.

    With DEL and GC such keys are no log: what cannot be cleaned up is worse than a line that is missing.
    """
    try:
        path, level = conf.fields.text("logFile"), conf.fields.text("logLevel") or "info"
        if level not in LEVELS:
            raise CniError(INVALID_NETWORK_CONFIG, f'unknown logLevel "{level}"', f"one of {', '.join(LEVELS)}")
        if path and (path[0] != "/" or path[-1] == "/" or "\0" in path):
            raise CniError(INVALID_NETWORK_CONFIG, f'logFile "{path}" cannot be used', "it must be an absolute path")
    except CniError:
        if args.command in ("DEL", "GC"):
            return None
        raise
    if not path:
        return None
    log = Log(path, level, args, conf, environ)
    checkpoint.watcher = log.step
    return log


def line(record: dict[str, Any]) -> bytes:
    """Return the record as one line of JSON; fractions are seconds, and written as milliseconds."""
    return (_json(record) + "\n").encode("ascii")


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_json(name)}: {_json(item)}" for name, item in value.items()]) + "}"
    if isinstance(value, float):
        return f"{value * 1000:.3f}"
    return jsonio.dumps(value).decode()


def append(path: str, content: bytes) -> None:
    """Append `content` to the regular file at `path` at once; make it with mode 0600 if it does not exist.

    OSError if it cannot be opened, CniError 104 if it is something else or somebody else's: a device or a FIFO is not
    even opened.
    """
    try:
        if not S_ISREG(os.lstat(path).st_mode):
            raise OSError(f"{path} is no regular file")
    except FileNotFoundError:
        pass
    fd = opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)
