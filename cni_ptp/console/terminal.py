"""What people read: the one way out of the commands for people, with colour where it helps, tables, and signs of life.

Names, paths and messages come from anybody: whatever is printed is made printable here.  Colour only on a terminal that
wants it (https://no-color.org); what the text says never depends on it.
"""

from __future__ import annotations

import os
import re
import sys
import time

from ..base import jsonio
from ..base.printable import escape, printable

try:
    import unicodedata
except ImportError:  # a Python without its extension modules: then tables of unusual names are a little crooked
    unicodedata = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_QUIET_S = 2.0
_MOST_MARKS = 2  # accents on one letter: more would paint over the lines above
# Where a colour begins or ends: nobody whose words we print knows this number.
_SECRET = os.urandom(8).hex()
_COLOUR = re.compile(f"\x1b{_SECRET}:([0-9]+)m")


class Terminal:
    """One output stream and whether it shows colour.  stream: None if the caller closed it."""

    def __init__(self, stream: TextIO | None = None, *, errors: bool = False) -> None:
        """Write to `stream`, by default to stdout, or to stderr for errors."""
        self.stream = stream or (sys.stderr if errors else sys.stdout)
        self.colour = self.is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def is_terminal(self) -> bool:
        """Return whether a person sees the stream at once."""
        return self.stream is not None and self.stream.isatty()

    def say(self, text: str = "") -> None:
        """Print one line at once; escape what it has besides readable characters and the colours of `paint`."""
        self._write(_coloured(text) + "\n")

    def text(self, text: str) -> None:
        """Print several lines of our own words, such as help; of what was put into them all but newlines is escaped."""
        self._write(printable(text, keep="\n"))

    def document(self, value: object) -> None:
        """Print JSON, in ASCII."""
        self._write(jsonio.dumps(value).decode() + "\n")

    def _write(self, text: str) -> None:
        if self.stream is not None:
            encoding = self.stream.encoding or "ascii"
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()

    def paint(self, style: str, text: str) -> str:
        """Return the text marked for `say`: bold, dim, red, green, yellow or cyan where there is colour."""
        return f"\x1b{_SECRET}:{_CODES[style]}m{text}\x1b{_SECRET}:0m" if self.colour and text else text

    def table(self, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print columns as wide as their widest cell; the last one as wide as it likes."""
        widths = [max(_width(row[i]) for row in (heading, *rows)) for i in range(len(heading))]
        widths[-1] = 0
        self.say(self.paint("bold", _line(heading, widths)))
        for row in rows:
            self.say(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths)]).rstrip()


def _coloured(text: str) -> str:
    """Return the line as a terminal gets it: our colours as its codes, everything between them readable."""
    parts = _COLOUR.split(text)
    parts[::2] = map(_readable, parts[::2])
    parts[1::2] = [f"\x1b[{code}m" for code in parts[1::2]]
    return "".join(parts)


def _readable(text: str) -> str:
    """Return the text printable, and with few accents on a letter."""
    text = printable(text)
    if text.isascii() or unicodedata is None:
        return text
    found, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        found.append(character if marks <= _MOST_MARKS else escape(character))
    return "".join(found)


def _width(text: str) -> int:
    """Return how many columns of a terminal the text takes, without its colours."""
    text = _readable(_COLOUR.sub("", text))
    return len(text) if text.isascii() or unicodedata is None else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Progress:
    """Says on stderr how far it is, once it has taken two seconds; only to a terminal."""

    def __init__(self, about: str, total: int) -> None:
        self.about = about
        self.total = total
        self.done = 0
        self.since = self.last = time.monotonic()
        self.shown = False
        self.terminal = Terminal(errors=True)

    def step(self) -> None:
        """Count one more of the total."""
        self.done += 1
        now = time.monotonic()
        stream = self.terminal.stream
        if stream is not None and stream.isatty() and now - self.since >= _QUIET_S and now - self.last >= 0.2:
            self.last, self.shown = now, True
            stream.write(f"\r{self.about}: {self.done} of {self.total}")
            stream.flush()

    def finish(self) -> None:
        """Erase the line of progress."""
        if self.shown and self.terminal.stream is not None:
            self.terminal.stream.write("\r\x1b[K")
            self.terminal.stream.flush()
