"""The CNI edge: environment and stdin in, exactly one JSON document out, and the exit status.

Source: CNI SPEC.md "Execution protocol"; pkg/skel/skel.go of containernetworking/cni for the order of the checks.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from . import __version__
from .base import jsonio
from .base.errors import (
    INVALID_NETWORK_CONFIG,
    IO_FAILURE,
    PLUGIN_NOT_AVAILABLE,
    TRY_AGAIN_LATER,
    CniError,
    to_cni,
    words_of,
)
from .cni import args, conf, versions
from .system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .commands.logfile import Log

_MOST_STDIN = 1 << 20
_S_IFMT, _S_IFIFO = 0o170000, 0o010000  # include/uapi/linux/stat.h
_FIONREAD = 0x541B  # include/uapi/asm-generic/ioctls.h: bytes that a reader of the pipe has not read
_PIPE_BUF = 4096  # include/uapi/linux/limits.h: one write, and what an empty pipe takes at the least


def about(role: str) -> int:
    """Print the about text to stderr, as the Go plugins have it; a person at a terminal is told more.

    Exit status 0.
    """
    supported = ", ".join(versions.SUPPORTED)
    text = f"CNI {role} plugin cni-ptp {__version__}\nCNI protocol versions supported: {supported}\n"
    if role == "ptp" and os.isatty(2):
        text += "A container runtime executes it; ptp --help says what it does for people.\n"
    os.write(2, text.encode())
    return 0


def serve(role: str, environ: Mapping[str, str]) -> int:
    """Serve one CNI call.  Return the exit status: 0, or 1 after an error document."""
    answering = Responder()
    failure = None
    try:
        answering.is_pipe = _guard_standard_descriptors()
        _serve(role, environ, answering)
    except Exception as e:  # noqa: BLE001  the last line of defence: whatever happened, the caller gets a document
        failure = to_cni(e)
        answering.fail(failure)
    if answering.log is not None:
        answering.log.write(failure)
    return 0 if failure is None else 1


def _serve(role: str, environ: Mapping[str, str], answering: Responder) -> None:
    parsed = args.parse(environ)
    if parsed.command == "VERSION":
        # The specification wants one line; neither stdin nor any other variable is looked at.
        supported = ",".join([f'"{v}"' for v in versions.SUPPORTED])
        write_all(1, f'{{"cniVersion":"{versions.CURRENT}","supportedVersions":[{supported}]}}\n'.encode())
        return
    network = conf.read(_read_stdin())
    if network.cni_version in versions.SUPPORTED:
        answering.version = network.cni_version
    if parsed.command not in args.COMMANDS:
        raise args.unknown_command(parsed.command)
    versions.gate(parsed.command, network.cni_version)
    if role == "ptp":
        if network.fields.has("logFile") or network.fields.has("logLevel"):
            from .commands.logfile import asked_for

            answering.log = asked_for(parsed, network, environ)
        signals.note()
        _dispatch(parsed, network, answering)
    else:
        signals.note()
        if role in ("host-local", "static"):
            from .ipam.standalone import run
        else:
            from .chained.role import run
        run(role, parsed, network, answering.reply)


def _dispatch(parsed: args.Args, network: conf.NetConf, answering: Responder) -> None:
    """Run the verb; each is a module of its own, so that only one is loaded."""
    if parsed.command == "ADD":
        from .commands.add import add

        add(parsed, network, answering.reply)
    elif parsed.command == "DEL":
        from .commands.delete import delete

        delete(parsed, network)
    elif parsed.command == "CHECK":
        from .commands.check import check

        check(parsed, network)
    elif parsed.command == "STATUS":
        from .commands.status import status

        status(parsed, network)
    else:
        from .commands.gc import gc

        gc(parsed, network)


class Responder:
    """Our side of stdout: at most one document, in the configuration's version.  log: or None.

    answered: whether any of it was written.  is_pipe: whether stdout is known to be one.
    """

    __slots__ = ("version", "answered", "log", "is_pipe")

    def __init__(self) -> None:
        self.version = versions.CURRENT
        self.answered = False
        self.is_pipe = False
        self.log: Log | None = None

    def reply(self, document: dict[str, Any]) -> None:
        """Write the document to stdout.  CniError 5 if stdout takes none, 11 if a signal came while it was full."""
        raw = jsonio.dumps(document)
        self.answered = True
        try:
            self._write(raw)
        except CniError as e:
            self.answered = e.code != TRY_AGAIN_LATER  # then nothing was written
            raise

    def _write(self, raw: bytes) -> None:
        if signals.noted_from_now() and not (self.is_pipe and len(raw) <= _PIPE_BUF and _is_empty(1)):
            from .system.stoppable_write import write_stoppably

            write_stoppably(1, raw)
        else:  # an empty pipe takes it at once; before the first effect a signal just ends the process
            write_all(1, raw)

    def fail(self, failure: CniError) -> None:
        """Write the error document to stdout, unless another one is there already."""
        if not self.answered:
            document: dict[str, Any] = {"cniVersion": self.version}
            if failure.document is not None:
                document.update(failure.document)
            else:
                document.update(code=failure.code, msg=failure.msg)
            # Also behind a delegate's own details: what could not be taken back must be known.
            if failure.details:
                document["details"] = failure.details
            _make_printable(document)
            try:
                self._write(self._spelled(document))
            except (CniError, ImportError):
                pass

    def _spelled(self, document: dict[str, Any]) -> bytes:
        try:
            return jsonio.dumps(document)
        except ImportError:  # python3-minimal of Debian 11 and 12 has neither _json nor json
            words = f'"code": {PLUGIN_NOT_AVAILABLE}, "msg": "this Python has no module json: install the whole of it"'
            return f'{{"cniVersion": "{self.version}", {words}}}'.encode()


def _make_printable(document: dict[str, Any]) -> None:
    """Escape what a terminal would obey in the words of an error: runtimes print them as they are."""
    for key in ("msg", "details"):
        text = document.get(key)
        # Loaded only where needed: the error may be that our file was cut short, and modules cannot be loaded any more.
        if isinstance(text, str) and not (text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()):
            from .base.printable import printable

            document[key] = printable(text, keep="\n\t")


def _guard_standard_descriptors() -> bool:
    """Take the descriptors 0, 1 and 2 if they are closed, and return whether 1 is a pipe.

    Were one left closed, the next file we open would get its number, and our output.
    """
    is_pipe = False
    for fd in (0, 1, 2):
        try:
            mode = os.fstat(fd).st_mode
            if fd == 1:
                is_pipe = mode & _S_IFMT == _S_IFIFO
        except OSError:
            # The wrong way round: what is read from or written to it fails, as it should where there is none.
            os.open("/dev/null", os.O_RDONLY if fd else os.O_WRONLY)
    return is_pipe


def _is_empty(fd: int) -> bool:
    """Return whether a pipe holds nothing."""
    from fcntl import ioctl

    return ioctl(fd, _FIONREAD, b"\0\0\0\0") == b"\0\0\0\0"


def _read_stdin() -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while size <= _MOST_STDIN:
            part = os.read(0, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
    except OSError as e:
        raise CniError(IO_FAILURE, f"error reading from stdin: {words_of(e)}") from None
    raise CniError(INVALID_NETWORK_CONFIG, "network configuration is too long", f"more than {_MOST_STDIN} bytes")


def write_all(fd: int, raw: bytes) -> None:
    """Write all of `raw`.  CniError 5 if the other side has closed."""
    try:
        while raw:
            raw = raw[os.write(fd, raw) :]
    except OSError as e:
        raise CniError(IO_FAILURE, f"error writing to stdout: {words_of(e)}") from None
