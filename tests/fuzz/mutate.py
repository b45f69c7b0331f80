"""Damage as a confused or hostile other side does it, to bytes and to JSON values; seeded, so that it can be redone."""

from __future__ import annotations

import random
from typing import Any

_LENGTHS = (0, 1, 3, 4, 5, 15, 16, 17, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF)
_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1 << 31,
    1 << 32,
    -(1 << 63),
    1 << 63,
    1.5,
    "",
    "\0",
    "x",
    "é\ud800",
    "%d",
    "../..",
    "/",
    "a" * 300,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": None},
    "10.0.0.1/8",
    "::/0",
    "::ffff:1.2.3.4/96",
    "0.0.0.0/0",
    "255.255.255.255/32",
    "10.0.0.1",
    "fe80::1%1",
]


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """`raw` with one to four damages: bytes changed, cut, doubled or moved, lengths falsified."""
    body = bytearray(raw)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(body) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(body):
            body[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del body[at : at + rng.choice((1, 2, 4, 16, len(body)))]
        elif kind == 2:
            body[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16)))
        elif kind == 3:
            body[at:at] = body[at : at + rng.choice((4, 16, 64))]
        elif kind == 4:  # where a length may stand: at a multiple of four
            at &= ~3
            body[at : at + 2] = rng.choice(_LENGTHS).to_bytes(2, "little")
        else:
            body[at : at + 4] = rng.choice((b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f"))
    return bytes(body)


def changed(value: Any, rng: random.Random) -> Any:
    """The value with something in it replaced by something of another kind, left out, or put in twice."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        rest = {k: v for k, v in value.items() if k != key}
        kind = rng.random()
        if kind < 0.1:
            return rest
        if kind < 0.2:
            return {**value, key.swapcase(): rng.choice(_VALUES)}
        return {**rest, key: changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value[:at] + value[at : at + 1] * rng.choice((0, 2, 300)) + value[at + 1 :]
        return [*value[:at], changed(value[at], rng), *value[at + 1 :]]
    if isinstance(value, str) and rng.random() < 0.5:
        at = rng.randrange(len(value) + 1)
        return (
            value[:at] + rng.choice(("", "0", ".", ":", "/", "%", "\0", "é", "f" * 20)) + value[at + rng.randrange(2) :]
        )
    return rng.choice(_VALUES)
