"""Which sysctls the host allows: /etc/cni/tuning/allowlist.conf, a regular expression of Go's a line.

Python's are another language in places: what means something else there is translated, or refused, so that a line never
allows more than it says.
Source: plugins/meta/tuning/tuning.go validateSysctlConf(); regexp/syntax of Go.
"""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

PATH = "/etc/cni/tuning/allowlist.conf"
_ESCAPES = "AaftnrvBbDdWwSsx"
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": r"0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


def refuse_forbidden(keys: list[str]) -> None:
    """Raise CniError 7 for a key that the host's list does not allow.  Without a list, everything is allowed."""
    try:
        with open(PATH, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.strip() for line in file.read().split("\n") if line.strip()]
    except FileNotFoundError:
        return
    except OSError as e:
        raise CniError(INVALID_NETWORK_CONFIG, f"read {PATH}", str(e)) from None
    patterns = [_compiled(line) for line in lines]
    for key in keys:
        if not any(pattern.search(key) for pattern in patterns):
            words = f"Sysctl {key} is not allowed. Only the following sysctls are allowed: [{' '.join(lines)}]"
            raise CniError(INVALID_NETWORK_CONFIG, words)


def _compiled(line: str) -> re.Pattern[str]:
    import re  # 10 ms, of a host that has a list

    try:
        return re.compile(translated(line), re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError) as e:
        raise CniError(INVALID_NETWORK_CONFIG, f"{PATH} has a line that cannot be used: {line}", str(e)) from None


def translated(text: str) -> str:
    """Return Python's expression that matches what Go's matches.  ValueError if there may be none."""
    made, at = ("(?i)", 4) if text.startswith("(?i)") else ("", 0)
    while at < len(text):
        if text[at] == "\\":
            part, length = _escape(text[at + 1 : at + 2], in_class=False), 2
        elif text[at] == "[":
            part, length = _class(text[at:])
        elif text[at] == "$":
            part, length = r"\Z", 1  # Python's also matches before a newline at the end
        elif text[at : at + 2] == "(?":
            part, length = _group(text[at:])
        elif text[at] in "*+?}" and text[at + 1 : at + 2] == "+":
            raise ValueError("a repeated repetition")  # Python 3.11 on: possessive
        elif text[at : at + 2] == "{,":
            part, length = r"\{,", 2  # Python: at most
        else:
            part, length = text[at], 1
        made, at = made + part, at + length
    return made


def _escape(letter: str, in_class: bool) -> str:
    if letter == "z" and not in_class:
        return r"\Z"
    if not letter or (letter.isalnum() and (letter not in _ESCAPES or (in_class and letter in "AbB"))):
        raise ValueError(f"the escape \\{letter}")
    return "\\" + letter


def _group(text: str) -> tuple[str, int]:
    for start in ("(?:", "(?P<"):
        if text.startswith(start):
            return start, len(start)
    raise ValueError("a group that is neither (?: nor (?P<")


def _class(text: str) -> tuple[str, int]:
    """Return the bracket expression that the text begins with, and its length."""
    made, at = "[", 1
    if text[at : at + 1] == "^":
        made, at = made + "^", at + 1
    first = at
    while at < len(text) and (text[at] != "]" or at == first):
        if text.startswith("[:", at) and ":]" in text[at:]:
            end = text.index(":]", at)
            name = text[at + 2 : end]
            if name not in _CLASSES:
                raise ValueError(f"the class [:{name}:]")
            made, at = made + _CLASSES[name], end + 2
        elif text[at] == "\\":
            made, at = made + _escape(text[at + 1 : at + 2], in_class=True), at + 2
        elif text.startswith("--", at):
            raise ValueError("a range to -")  # Python may take it for a difference of sets one day
        else:
            # What Python warns of, or may take for an operation on sets one day.
            made, at = made + ("\\" + text[at] if text[at] in "[]&|~" else text[at]), at + 1
    if at == len(text):
        raise ValueError("a bracket expression without its end")
    return made + "]", at + 1
