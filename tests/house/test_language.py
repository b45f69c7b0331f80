"""Plain English: what docstrings begin with, and phrases that nobody says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.sources import FILES, MODULES, ROOT, TREES

# A phrase, and an example that it must find.
BANNED = {
    r"\bcan not\b": "it can not be",
    r"\b(to|can|could|cannot) be had\b": "where none can be had",
    r"\blet be\b": "rules are let be",
    r"\bwhosesoever\b": "whosesoever comment",
    r"\b(wherewith|whereof|thereof|therefor)\b": "the name thereof",
    r"^What .{0,60} says\b": "What the kernel says",
    r"\bhints:": "hints: addresses",
}
VERBS = set(
    """Add Append Ask Begin Build Call Check Close Collect Compare Count Declare Decode Delete Do Draw Drop
    Empty Encode End Erase Escape Exit Find Forget Give Guard Hand Have Import Install Keep Let Lead Limit List Load Log
    Look Make Map Masquerade Merge Move Note Number Open Prepare Print Put Raise Read Record Refuse Release Remove
    Repair Report Reserve Restore Return Round Run See Send Serve Set Start Take Tell Throw Try Turn Undo Unpack
    Validate Wait Wake Write Yield""".split()
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.1")])


def found_in(text: str) -> list[str]:
    """Return the banned phrases in a text."""
    return [phrase for phrase in BANNED if re.search(phrase, text, re.MULTILINE | re.IGNORECASE)]


@pytest.mark.parametrize("phrase", list(BANNED))
def test_a_banned_phrase_is_found(phrase: str) -> None:
    assert phrase in found_in(BANNED[phrase])


@pytest.mark.parametrize("path", [*FILES, *DOCUMENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_has_to_read_a_sentence_twice(path: Path) -> None:
    assert found_in(path.read_text()) == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_docstring_begins_with_its_verb(name: str) -> None:
    functions = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.FunctionDef)]
    first = {f.name: text.split()[0].rstrip(",.:") for f in functions if (text := ast.get_docstring(f))}
    assert {function: word for function, word in first.items() if word not in VERBS} == {}
