"""What the doctor says: one line a subject, ok, warning or problem, with the remedy."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OK, WARNING, PROBLEM = 0, 1, 2
WORDS = ("ok", "warning", "problem")
COLOURS = ("green", "yellow", "red")


class Line:
    """One line.  state: OK, WARNING or PROBLEM.  remedy: what to do, "" if nothing."""

    __slots__ = ("state", "subject", "found", "remedy")

    def __init__(self, state: int, subject: str, found: str, remedy: str = "") -> None:
        self.state = state
        self.subject = subject
        self.found = found
        self.remedy = remedy

    def document(self) -> dict[str, str | None]:
        """Return it for programs."""
        return {
            "severity": WORDS[self.state],
            "subject": self.subject,
            "finding": self.found,
            "remedy": self.remedy or None,
        }


def ok(subject: str, found: str) -> Line:
    """Return a line for something that needs nothing to be done."""
    return Line(OK, subject, found)


def warning(subject: str, found: str, remedy: str) -> Line:
    """Return a line for something that may become trouble, or is trouble for some."""
    return Line(WARNING, subject, found, remedy)


def problem(subject: str, found: str, remedy: str) -> Line:
    """Return a line for something that does not work."""
    return Line(PROBLEM, subject, found, remedy)


def or_ok(lines: Iterator[Line], subject: str, found: str) -> list[Line]:
    """Return the lines; if there are none, one line that tells that all is well."""
    return list(lines) or [ok(subject, found)]
