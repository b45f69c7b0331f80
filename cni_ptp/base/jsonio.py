"""JSON as the Go plugins read it, and a lean writer.  Pure.

Go matches object keys whatever their case, so every key is folded to lower case as it is read: look keys up in lower
case.  Of several values for one key the last counts, but objects are joined, and null takes nothing back.  Nothing here
does I/O.
"""

from __future__ import annotations

import sys

from .errors import DECODING_FAILURE, INVALID_NETWORK_CONFIG, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# A 64-bit integer has at most 20 characters; int() of a longer one would cost quadratic time.
_MOST_INTEGER_TEXT = 20
_HUGE = 1 << 80  # stands for any integer of more characters, which only matters where it is used, as in Go
_MOST_ITEMS = 1000
_INT64 = 1 << 63
_SPACE = " \t\n\r"


def _fold(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    folded = {key.lower(): value for key, value in pairs}
    return folded if len(folded) == len(pairs) else _join(pairs)


def _join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Merge as Go decodes a second value into the same variable: encoding/json decode.go object(), literalStore()."""
    joined: dict[str, Any] = {}
    for key, value in pairs:
        key = key.lower()
        before = joined.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            joined[key] = _join([*before.items(), *value.items()])
        elif value is not None or isinstance(before, list):
            joined[key] = value
        else:
            joined.setdefault(key, None)
    return joined


def _integer(text: str) -> int:
    return int(text) if len(text) <= _MOST_INTEGER_TEXT else _HUGE


def _constant(text: str) -> float:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")


def loads(raw: bytes) -> Any:
    """Return the value that `raw` spells, keys folded.  ValueError in the standard library's words if it spells none.

    Invalid UTF-8 and lone surrogates become U+FFFD, NaN and trailing text are refused, as in Go.
    """
    text = raw.decode("utf-8", "replace")
    try:
        value = _scan(text)
        return _sound(value) if "\\ud" in text or "\\uD" in text else value
    except RecursionError:
        raise ValueError("exceeded the depth to which values may be nested") from None
    except Exception:  # noqa: BLE001  whatever the private scanner stumbled on, the public module is the judge
        return _judge(text)


def _sound(value: Any) -> Any:
    """Return the value without lone surrogates, which no file name, link or UTF-8 can hold."""
    if isinstance(value, str):
        return "".join(["\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value])
    if isinstance(value, list):
        return [_sound(item) for item in value]
    if isinstance(value, dict):
        return {_sound(key): _sound(item) for key, item in value.items()}
    return value


def _scan(text: str, of_pairs: Callable[[list[tuple[str, Any]]], Any] = _fold) -> Any:
    # The C module under json: json itself costs 8 ms, as it loads re, enum and collections.
    from _json import make_scanner

    # What the scanner wants to know, json.decoder.JSONDecoder's attributes, in a types.SimpleNamespace.
    namespace: Any = type(sys.implementation)
    settings = namespace(
        strict=True,
        object_hook=None,
        object_pairs_hook=of_pairs,
        array_hook=None,  # since Python 3.15
        parse_float=float,
        parse_int=_integer,
        parse_constant=_constant,
        memo={},
    )
    scan: Callable[[str, int], tuple[Any, int]] = make_scanner(settings)
    start = len(text) - len(text.lstrip(_SPACE))
    value, end = scan(text, start)
    if text[end:].strip(_SPACE):
        raise ValueError("invalid character after top-level value")
    return value


def members_as_written(raw: bytes, *path: str) -> list[tuple[str, Any]]:
    """Return the members of the object at a path of keys, their own keys as they are written, repeated ones too.

    [] if there is no object.  For what `loads` has read.
    """
    text = raw.decode("utf-8", "replace")
    try:
        value = _scan(text, tuple)
    except Exception:  # noqa: BLE001  as in `loads`
        import json

        value = json.loads(text, object_pairs_hook=tuple, parse_int=_integer)
    for key in path:
        found = [member for name, member in value if name.lower() == key] if isinstance(value, tuple) else []
        value = tuple([inner for member in found if isinstance(member, tuple) for inner in member])  # joined, as in Go
    return [(_sound(key), _sound(member)) for key, member in value] if isinstance(value, tuple) else []


def _judge(text: str) -> Any:
    import json

    try:
        return _sound(json.loads(text, object_pairs_hook=_fold, parse_int=_integer, parse_constant=_constant))
    except RecursionError:
        raise ValueError("exceeded the depth to which values may be nested") from None


def dumps(value: Any) -> bytes:
    """Return JSON of dicts, lists, strings, numbers, booleans and None, indented by 4 spaces as Go plugins print.

    Nothing but printable ASCII and newlines: whatever a terminal would obey, and a lone surrogate, is an escape.
    """
    try:
        from _json import encode_basestring_ascii as quoted
    except ImportError:
        from json.encoder import encode_basestring_ascii as quoted
    return _written(value, "\n", quoted).encode("ascii")


def _written(value: Any, newline: str, quoted: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).replace("inf", "1e999")
    inner = newline + "    "
    if isinstance(value, dict):
        if not value:
            return "{}"
        members = [f"{inner}{quoted(key)}: {_written(item, inner, quoted)}" for key, item in value.items()]
        return "{" + ",".join(members) + newline + "}"
    if not value:
        return "[]"
    return "[" + ",".join([inner + _written(item, inner, quoted) for item in value]) + newline + "]"


class JsonObject:
    """One object of the configuration: typed access to its members, each failure named by its path.

    A member that is absent or null has its default.  Source: encoding/json of Go (cni.md section 1.8).
    """

    __slots__ = ("members", "path")

    def __init__(self, value: object, path: str) -> None:
        """Raise CniError 6 if `value` is no object.  `path` is "" for the top level, else such as "ipam"."""
        if not isinstance(value, dict):
            raise wrong_type(path or "the configuration", "an object", value)
        self.members: dict[str, Any] = value
        self.path = path

    def name(self, key: str) -> str:
        """Return the path of a member, as messages give it."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Return whether the member exists and is not null."""
        return self.members.get(key.lower()) is not None

    def text(self, key: str) -> str:
        """Return a string member, "" by default."""
        value = self.members.get(key.lower())
        if value is None:
            return ""
        if not isinstance(value, str):
            raise wrong_type(self.name(key), "a string", value)
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a boolean member."""
        value = self.members.get(key.lower())
        if value is None:
            return default
        if not isinstance(value, bool):
            raise wrong_type(self.name(key), "true or false", value)
        return value

    def number(self, key: str) -> int | None:
        """Return an integer member of 64 bits, None by default."""
        value = self.members.get(key.lower())
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(self.name(key), "an integer", value)
        if not -_INT64 <= value < _INT64:
            text = str(value) if value != _HUGE else f"an integer of more than {_MOST_INTEGER_TEXT} characters"
            raise CniError(DECODING_FAILURE, "failed to load netconf", f"{self.name(key)}: {text} is out of range")
        return value

    def object(self, key: str) -> JsonObject | None:
        """Return an object member, None by default."""
        value = self.members.get(key.lower())
        return None if value is None else JsonObject(value, self.name(key))

    def items(self, key: str, most: int = _MOST_ITEMS) -> list[Any] | None:
        """Return a list member, None by default.  CniError 7 if it is longer than `most`."""
        value = self.members.get(key.lower())
        if value is None:
            return None
        if not isinstance(value, list):
            raise wrong_type(self.name(key), "a list", value)
        if len(value) > most:
            raise CniError(
                INVALID_NETWORK_CONFIG, f"{self.name(key)} is too long", f"{len(value)} entries, {most} are allowed"
            )
        return value

    def objects(self, key: str, most: int = _MOST_ITEMS) -> list[JsonObject]:
        """Return a list member of objects, [] by default; a null entry is an empty object."""
        items = self.items(key, most) or []
        return [JsonObject({} if item is None else item, f"{self.name(key)}[{i}]") for i, item in enumerate(items)]

    def texts(self, key: str, most: int = _MOST_ITEMS) -> list[str] | None:
        """Return a list member of strings, None by default; a null entry is the empty string."""
        items = self.items(key, most)
        if items is None:
            return None
        for i, item in enumerate(items):
            if item is not None and not isinstance(item, str):
                raise wrong_type(f"{self.name(key)}[{i}]", "a string", item)
        return [item or "" for item in items]


def wrong_type(path: str, wanted: str, value: object) -> CniError:
    """Return the error for a JSON value of the wrong type."""
    return CniError(DECODING_FAILURE, "failed to load netconf", f"{path} must be {wanted}, not {_kind(value)}")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "an integer", float: "a fraction", str: "a string", list: "a list"}
    return kinds.get(type(value), "an object")
