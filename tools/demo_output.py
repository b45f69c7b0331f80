"""Puts the output of `dist/ptp demo` into docs/demo.md, between its markers.

    demo_output.py [--check]      1 if docs/demo.md is not as it should be

Times, namespace numbers and paths differ from run to run: the page keeps those of its run, `--check` masks them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "demo.md"
BEGIN, END = "<!-- demo-output -->\n", "<!-- /demo-output -->"
_VARYING = (
    (re.compile(r"net:\[\d+\]"), "net:[N]"),
    (re.compile(r"\d+(\.\d+)? (ms|s)\b"), r"T \2"),
    (re.compile(r"\S*/dist\b"), "dist"),
)


def main() -> int:
    """docs/demo.md has the demo's output; with --check: 0 if it had it."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    there, after = rest.split(END)
    wanted = block(demo())
    if "--check" in sys.argv[1:]:
        same = masked(there) == masked(wanted)
        print("docs/demo.md shows what the demo prints" if same else "docs/demo.md shows another demo: make readme")
        return 0 if same else 1
    PAGE.write_text(before + BEGIN + wanted + END + after)
    return 0


def demo() -> str:
    """What the demo prints, without colour, as if started in the project's directory."""
    done = subprocess.run([ROOT / "dist" / "ptp", "demo"], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return done.stdout.replace(f"{ROOT}/dist", "/opt/cni/bin")


def block(output: str) -> str:
    """The lines between the markers."""
    return f"```text\n{output}```\n\n"


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


if __name__ == "__main__":
    sys.exit(main())
