"""JSON for people: a line for each member, and no more lines than are needed.  Pure."""

from __future__ import annotations

from ..base import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def compact(value: Any) -> str:
    """Return JSON with a line for each member, and for each member's member where one line is not enough."""
    if not isinstance(value, dict):
        return _flat(value)
    lines = []
    for key, item in value.items():
        text = _flat(item)
        if len(text) > 90 and isinstance(item, list):
            text = "[\n    " + ",\n    ".join([_flat(one) for one in item]) + "\n  ]"
        elif len(text) > 90:
            text = "{\n    " + ",\n    ".join([f'"{k}": {_flat(one)}' for k, one in item.items()]) + "\n  }"
        lines.append(f'  "{key}": {text}')
    return "{\n" + ",\n".join(lines) + "\n}"


def _flat(value: Any) -> str:
    """Return it on one line.  No string in a configuration or result holds a newline: JSON escapes it."""
    lines = jsonio.dumps(value).decode().split("\n")
    flat = ""
    for line in lines:
        part = line.strip()
        flat += f" {part}" if flat.endswith(",") else part
    return flat
