"""The lines of allowlist.conf are Go's regular expressions, in Python."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cni_ptp.chained.tuning_allowlist import translated

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "allowlist.json").read_text())
# What RE2 takes and we refuse, and one repetition that we take and it refuses: no line allows more than with Go's.
REFUSED = {r"\Qnet.ipv4\E", r"\pLet", r"\x{6e}et", r"\156et", "[[:^alpha:]]tcp", "(?s)."}
TAKEN = {"a{1001}"}


def found(line: str) -> list[str] | None:
    """The keys that a line finds; None if it is refused."""
    try:
        pattern = re.compile(translated(line), re.ASCII)
    except (re.error, ValueError):
        return None
    return [key for key in GOLDEN["keys"] if pattern.search(key)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("line", list(GOLDEN["lines"]))
def test_a_line_finds_what_re2_finds(line: str) -> None:
    expected = None if line in REFUSED else [] if line in TAKEN else GOLDEN["lines"][line]
    assert found(line) == expected
