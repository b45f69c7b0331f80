"""What people read: colour where it helps, tables, and a sign of life when something takes long.

Colour only on a terminal that wants it (https://no-color.org); what is said never depends on it.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_QUIET_S = 2.0


class Terminal:
    """One output stream and whether it shows colour."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.colour = self.is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def is_terminal(self) -> bool:
        """Whether a person sees the stream at once."""
        return self.stream.isatty()

    def say(self, text: str = "") -> None:
        """The line is printed at once; what the stream's encoding lacks, or a terminal would obey, is escaped."""
        encoding = self.stream.encoding or "ascii"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self.stream.flush()

    def paint(self, style: str, text: str) -> str:
        """The text, in the style where there is colour: bold, dim, red, green, yellow or cyan."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def table(self, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their widest cell; the last one as wide as it likes."""
        widths = [max(len(row[i]) for row in (heading, *rows)) for i in range(len(heading))]
        widths[-1] = 0
        self.say(self.paint("bold", _line(heading, widths)))
        for row in rows:
            self.say(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([cell.ljust(width) for cell, width in zip(cells, widths)]).rstrip()


def printable(text: str) -> str:
    """The text without characters a terminal would obey: names on a host may come from anybody."""
    return "".join([c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text])


class Progress:
    """Says on stderr how far it is, once it has taken two seconds; only to a terminal."""

    def __init__(self, about: str, total: int) -> None:
        self.about = about
        self.total = total
        self.done = 0
        self.since = self.last = time.monotonic()
        self.shown = False
        self.terminal = Terminal(sys.stderr)

    def step(self) -> None:
        """One more of the total is done."""
        self.done += 1
        now = time.monotonic()
        if self.terminal.is_terminal() and now - self.since >= _QUIET_S and now - self.last >= 0.2:
            self.last, self.shown = now, True
            self.terminal.stream.write(f"\r{self.about}: {self.done} of {self.total}")
            self.terminal.stream.flush()

    def finish(self) -> None:
        """The line of progress is gone."""
        if self.shown:
            self.terminal.stream.write("\r\x1b[K")
            self.terminal.stream.flush()
