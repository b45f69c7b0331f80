"""docs/performance.md's tables, and the picture of ADD's time over the containers attached, from bench.py's figures.

bench_report.py docs/performance.json   rewrites docs/performance.md between its markers, and docs/performance.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 60, 30, 20, 50
COLOURS = {"ours": "#1f6feb", "peer": "#d1242f"}
DASHES = {"none": "", "masq": "6 3"}


def main() -> None:
    """Write both files."""
    source = Path(sys.argv[1])
    figures = json.loads(source.read_text())
    document = source.with_suffix(".md")
    head, _, rest = document.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    document.write_text(f"{head}{BEGIN}\n{tables(figures)}\n{END}{tail}")
    source.with_suffix(".svg").write_text(picture(figures["rows"]))


def tables(figures: dict[str, Any]) -> str:
    """Markdown."""
    pairs = [r for r in figures["rows"] if "fill" in r]
    lines = [
        f"{figures['machine']}; medians of {pairs[0]['pairs']} interleaved pairs, whole processes.",
        "",
        "| mode | verb | attached | interpreter alone, ms | ours, ms | peer, ms | ratio | CPU ratio | peaks, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in pairs:
        peer = [f"{r['peer_ms']:.1f}", f"{r['ratio']:.2f}", f"{r['cpu_ratio']:.2f}"] if "ratio" in r else ["–"] * 3
        peaks = [f"{r[side] / 1024:.1f}" if side in r else "–" for side in ("ours_rss_kib", "peer_rss_kib")]
        floor = f"{r['floor_ms']:.1f}" if "floor_ms" in r else ""
        cells = [r["mode"], r["verb"], str(r["fill"]), floor, f"{r['ours_ms']:.1f}", *peer, ", ".join(peaks)]
        lines.append(f"| {' | '.join(cells)} |")
    bursts = [r for r in figures["rows"] if "burst" in r]
    if bursts:
        lines += ["", "| mode | verb | burst | ours, per s | peer, per s | ratio |", "|---|---|---|---|---|---|"]
        for r in bursts:
            lines.append(
                f"| {r['mode']} | {r['verb']} | {r['burst']}, {r['at_once']} at once | {r['ours']:.0f} "
                f"| {r['peer']:.0f} | {r['ours'] / r['peer']:.2f} |"
            )
    return "\n".join(lines)


def picture(rows: list[dict[str, Any]]) -> str:
    """An SVG: milliseconds of one ADD over the number of containers attached."""
    lines = {
        (mode, side): [(r["fill"], r[side + "_ms"]) for r in rows if r["verb"] == "ADD" and r["mode"] == mode
                       and side + "_ms" in r]
        for mode in DASHES
        for side in COLOURS
    }  # fmt: skip
    points = [p for line in lines.values() for p in line]
    widest, highest = max(x for x, _ in points) or 1, max(y for _, y in points) * 1.1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">ADD, milliseconds, over containers attached to the host</text>',
    ]
    for i in range(6):
        y = _y(highest * i / 5, highest)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{highest * i / 5:.0f}</text>')
    for fill in sorted({x for x, _ in points}):
        parts.append(f'<text x="{_x(fill, widest):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{fill}</text>')
    names = {"ours": "cni-ptp", "peer": "Go plugin"}
    modes = {"none": "no masquerade", "masq": "ipMasq, default backend"}
    for n, ((mode, side), line) in enumerate(lines.items()):
        path = "M" + "L".join(f"{_x(x, widest):.1f} {_y(y, highest):.1f}" for x, y in sorted(line))
        style = f'stroke="{COLOURS[side]}" stroke-width="2" stroke-dasharray="{DASHES[mode]}"'
        parts.append(f'<path d="{path}" fill="none" {style}/>')
        x = LEFT + n % 2 * 290
        y = HEIGHT - 16 + n // 2 * 14 - 6
        parts.append(
            f'<path d="M{x} {y - 4}h24" {style}/><text x="{x + 30}" y="{y}">{names[side]}, {modes[mode]}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _x(value: float, widest: float) -> float:
    return LEFT + value / widest * (WIDTH - LEFT - RIGHT)


def _y(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - value / highest * (HEIGHT - TOP - BOTTOM)


if __name__ == "__main__":
    main()
