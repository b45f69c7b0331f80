"""The fenced blocks of the documents, and the comment before each that says what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
SHELL = ("sh", "bash", "console")


class Block:
    """One block.  mark: the comment before it, or ""."""

    def __init__(self, document: Path, language: str, text: str, mark: str) -> None:
        self.document = str(document.relative_to(ROOT))
        self.name = f"{self.document}: {text.strip().splitlines()[0][:40] if text.strip() else ''}"
        self.language = language
        self.text = text
        self.mark = mark

    @property
    def commands(self) -> list[str]:
        """The lines, without comments and without sudo: a test is root in a namespace of its own."""
        lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in self.text.splitlines()]
        return [line.replace("sudo ", "") for line in lines if line]


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages in all documents."""
    found = []
    for document in DOCUMENTS:
        for match in _FENCE.finditer(document.read_text()):
            if match["language"] in languages:
                found.append(Block(document, match["language"], match["text"], match["mark"] or ""))
    return found
