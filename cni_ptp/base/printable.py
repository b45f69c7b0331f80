"""Foreign words made fit to be read: names, paths and messages that somebody else chose.  Pure.

Escaped is what a terminal would obey, what turns or hides the text around it, and what nobody can see: control, format
(bidirectional, zero width), private, unassigned and surrogate characters, separators other than the space, and the
characters that Unicode calls default ignorable.  Source: str.isprintable; Unicode's DerivedCoreProperties.txt.
"""

from __future__ import annotations

_IGNORABLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0").union(
    map(chr, range(0x180B, 0x1810)), map(chr, range(0xFE00, 0xFE10)), map(chr, range(0xE0100, 0xE01F0))
)


def printable(text: str, keep: str = "") -> str:
    """Return the text with each character that cannot be read spelled as an escape; those of `keep` stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join([c if c in keep or _is_readable(c) else escape(c) for c in text])


def escape(character: str) -> str:
    """Return the character as Python spells it in ASCII, such as \\x1b or \\u202e."""
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _is_readable(character: str) -> bool:
    return character.isprintable() and character not in _IGNORABLE
