"""Which command for people is asked for; every one is a module with ABOUT, EXAMPLES, `arguments` and `run`.

Exit status: 0 done, and all is well; 1 something is wrong; 2 the command line is not understood; 3 not done or not
seen, the reason on stderr; 130 interrupted; 141 nobody reads the output.
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module

from .. import __version__
from ..base.errors import to_cni
from ..base.printable import printable
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

COMMANDS = {
    "demo": "see it work, between a host and a container of its own",
    "doctor": "what this host offers, what is wrong with it, and the remedy",
    "list": "the attachments on this host, and whether they are healthy",
    "show": "one attachment, drawn from host to container",
    "check": "compare attachments with what their ADD made",
    "repair": "make again what attachments of running containers have lost",
    "metrics": "numbers for a monitoring system",
    "gc": "remove what no valid attachment owns",
    "install": "put the plugin where the container runtime looks for it",
    "uninstall": "take it away again, and put back what was there before",
    "verify": "tell whether a built file is what the sources in it make",
    "completion": "what bash or zsh needs to complete command lines",
    "version": "print the version",
    "help": "print this, or what one command does",
}
_MODULES = {"list": "listing"}
_ABOUT = """\
ptp is a CNI plugin: a container runtime executes it with CNI_COMMAND set.
Called by a person it does one of these:

"""
_END = """
`ptp COMMAND --help` tells more about each, with examples.
Exit status: 0 done and well, 1 something is wrong, 2 usage, 3 not done or not
seen, the reason on stderr.
First steps: ptp demo; ptp install --conflist NAME; ptp doctor.
"""
_NOT_DONE = 3
_INTERRUPTED = 130
_CLOSED_PIPE = 141


class _Parser(argparse.ArgumentParser):
    """One command's options.  Its words, which repeat what was typed, leave by the terminal as all others do."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.color = False  # since CPython 3.14 its help has colours of its own

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            Terminal(file, errors=True).text(message)

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what is wrong, in one line; exit status 2."""
        super().error(printable(message))


def run(argv: list[str]) -> int:
    """Do the command in `argv` (without the program's name); return the exit status."""
    try:
        return _done(argv)
    except BrokenPipeError:  # `ptp list | head`: nobody wants the rest; nor shall a later flush stumble over it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _CLOSED_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as e:  # noqa: BLE001  whatever happened, a person gets a sentence and no traceback
        Terminal(errors=True).say(f"ptp: {to_cni(e)}")
        return _NOT_DONE


def _done(argv: list[str]) -> int:
    try:
        return _run(argv)
    except SystemExit as e:  # argparse ends so, after its words
        return e.code if isinstance(e.code, int) else 2


def _run(argv: list[str]) -> int:
    if argv[0] in ("-h", "--help", "help"):
        return _help(argv[1:])
    if argv[0] in ("-V", "--version", "version"):
        Terminal().say(f"ptp {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        terminal = Terminal(errors=True)
        terminal.say(f"ptp: no such command: {argv[0]}")
        terminal.text("\n" + usage())
        return 2
    name = argv[0]
    parser = parser_of(name)
    assert parser is not None
    status: int = _module(name).run(parser.parse_args(argv[1:]))
    return status


def _module(name: str) -> Any:
    return import_module(f".{_MODULES.get(name, name)}", __package__)


def parser_of(name: str) -> argparse.ArgumentParser | None:
    """Return the parser of a command's options; None for those that have none."""
    if name in ("version", "help"):
        return None
    module = _module(name)
    parser = _Parser(
        prog=f"ptp {name}",
        description=module.ABOUT,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    return parser


def _help(argv: list[str]) -> int:
    if argv and argv[0] in COMMANDS and argv[0] not in ("help", "version"):
        return _run([argv[0], "--help"])
    Terminal().text(usage())
    return 0


def usage() -> str:
    """Return all commands, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}\n" for name, about in COMMANDS.items()]
    return "usage: ptp COMMAND [OPTION...]\n\n" + _ABOUT + "".join(lines) + _END
