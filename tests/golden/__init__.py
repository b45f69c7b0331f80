"""Bytes that the kernel or its tools made; each file says by which command, and how they were captured."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def datagrams(name: str) -> list[bytes]:
    """The captured datagrams of a file."""
    found: list[bytes] = []
    for line in (HERE / f"{name}.hex").read_text().splitlines():
        if line == "# datagram":
            found.append(b"")
        elif not line.startswith("#"):
            found[-1] += bytes.fromhex(line)
    return found


def datagram(name: str) -> bytes:
    """The last captured datagram of a file."""
    return datagrams(name)[-1]
