"""The CNI specification's versions: which are ours, how they compare, which verb needs which.  Pure.

Source: CNI SPEC.md; pkg/version and pkg/skel of containernetworking/cni, whose texts the errors keep.
"""

from __future__ import annotations

from ..base.errors import DECODING_FAILURE, INCOMPATIBLE_CNI_VERSION, CniError

SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT = "1.1.0"

SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def parse(text: str) -> tuple[int, int, int]:
    """Return (major, minor, micro); missing parts are 0.  ValueError as Go's ParseVersion words it."""
    parts = (text or "0.1.0").split(".")
    if len(parts) > 3:
        raise ValueError(f"invalid version {_quoted(text)}: too many parts")
    names = ("major", "minor", "micro")
    numbers = [0, 0, 0]
    for i, part in enumerate(parts):
        digits = part[1:] if part[:1] in ("+", "-") else part
        if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            raise ValueError(f"failed to convert {names[i]} version part {_quoted(part)} to int")
        numbers[i] = int(part)
    return numbers[0], numbers[1], numbers[2]


def at_least(version: str, least: str) -> bool:
    """Return whether `version` is `least` or later, both of them ours."""
    return SUPPORTED.index(version) >= SUPPORTED.index(least)


def gate(command: str, version: str) -> None:
    """Raise CniError 1 or 6 unless a configuration of `version` may ask for `command`."""
    least = SINCE.get(command)
    if least is not None:
        try:
            allowed = parse(version) >= parse(least)
        except ValueError as e:
            raise CniError(DECODING_FAILURE, str(e)) from None
        if not allowed:
            raise CniError(INCOMPATIBLE_CNI_VERSION, f"config version does not allow {command}")
        if parse(version) > parse(CURRENT):
            raise CniError(INCOMPATIBLE_CNI_VERSION, f"plugin version does not allow {command}")
    if version not in SUPPORTED:
        ours = " ".join([_quoted(v) for v in SUPPORTED])
        raise CniError(
            INCOMPATIBLE_CNI_VERSION,
            "incompatible CNI versions",
            f"config is {_quoted(version)}, plugin supports [{ours}]",
        )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
