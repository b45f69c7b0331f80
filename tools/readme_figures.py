"""Puts the figures of docs/performance.json, which `make bench` measures, into README.md, between its markers.

readme_figures.py [--check]      1 if README.md has others
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
FIGURES = ROOT / "docs" / "performance.json"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
# (mode, containers attached already): what that is.
_LINES = {
    ("none", 0): "no masquerading",
    ("none", 1000): "the same, 1,000 containers attached",
    ("masq", 0): "`ipMasq`",
    ("masq", 1000): "the same, 1,000 containers attached",
    ("iptables", 0): "`ipMasq` by iptables",
    ("dual", 0): "IPv4 and IPv6",
}


def main() -> int:
    """README.md has the figures; with --check: 0 if it had them."""
    text = README.read_text()
    before, rest = text.split(BEGIN)
    there, after = rest.split(END)
    wanted = table(json.loads(FIGURES.read_text()))
    if "--check" in sys.argv[1:]:
        print("README.md has the figures of docs/" if there == wanted else "README.md has other figures: make readme")
        return 0 if there == wanted else 1
    README.write_text(before + BEGIN + wanted + END + after)
    return 0


def table(figures: dict[str, Any]) -> str:
    """Markdown."""
    rows = {(r["mode"], r["fill"], r["verb"]): r for r in figures["rows"] if "fill" in r and "ratio" in r}
    lines = [
        f"Milliseconds a call, whole process; {figures['machine']}; medians of interleaved pairs.",
        "",
        "| | ADD: Go plugin | ours | ratio | DEL: Go plugin | ours | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for (mode, fill), words in _LINES.items():
        cells = [words]
        for verb in ("ADD", "DEL"):
            row = rows[mode, fill, verb]
            cells += [f"{row['peer_ms']:,.1f}", f"{row['ours_ms']:,.1f}", f"{row['ratio']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
