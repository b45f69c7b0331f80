"""JSON as Go reads and prints it (encoding/json); the standard library judges what is JSON at all."""

from __future__ import annotations

import _json
import json
import random
from typing import Any

import pytest

from cni_ptp.base import jsonio
from cni_ptp.base.errors import CniError
from cni_ptp.base.jsonio import JsonObject, dumps, loads
from tests.bounds import little_work


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"null", None),
        (b" \t\r\n{}\n ", {}),
        (b"[1,-2,true,false,null]", [1, -2, True, False, None]),
        (b'"\\u00e9\\ud83d\\ude00"', "é😀"),
        (b"1.5e3", 1500.0),
        (b'{"a":{"b":[{"C":1}]}}', {"a": {"b": [{"c": 1}]}}),
    ],
)
def test_json_is_read(raw: bytes, value: object) -> None:
    assert loads(raw) == value


def test_the_fast_path_gives_the_scanner_whatever_a_decoder_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each call would load `json`, which doubles the time of an ADD: Python 3.15 asks for `array_hook` anew."""
    of_the_decoder_itself = {"parse_object", "parse_array", "parse_string", "scan_once"}
    wanted = {*vars(json.JSONDecoder()), "array_hook"} - of_the_decoder_itself
    asked: list[object] = []
    real: Any = _json.make_scanner

    def make_scanner(settings: object) -> Any:
        asked.extend([getattr(settings, name) for name in wanted])
        return real(settings)

    def judge(text: str) -> object:
        raise AssertionError("the slow path")

    monkeypatch.setattr(_json, "make_scanner", make_scanner)
    monkeypatch.setattr(jsonio, "_judge", judge)
    assert loads(b'{"A": [1, {"B": 2.5}]}') == {"a": [1, {"b": 2.5}]}
    assert len(asked) == len(wanted)


def test_keys_match_whatever_their_case_and_the_last_of_several_wins() -> None:
    assert loads(b'{"RuntimeConfig":1,"IPMASQ":true,"runtimeconfig":2}') == {"runtimeconfig": 2, "ipmasq": True}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"ipam":{"type":"x"},"ipam":{"subnet":"y"}}', {"ipam": {"type": "x", "subnet": "y"}}),
        (b'{"ipam":{"type":"x"},"IPAM":{"Type":"y","a":1}}', {"ipam": {"type": "y", "a": 1}}),
        (b'{"a":{"b":{"c":1}},"a":{"b":{"d":2}},"a":{"e":3}}', {"a": {"b": {"c": 1, "d": 2}, "e": 3}}),
        (b'{"a":1,"a":null}', {"a": 1}),
        (b'{"a":null,"a":1}', {"a": 1}),
        (b'{"a":null,"A":null}', {"a": None}),
        (b'{"a":{"b":1},"a":null}', {"a": {"b": 1}}),
        (b'{"a":[1],"a":null}', {"a": None}),
        (b'{"a":[1,2],"a":[3]}', {"a": [3]}),
        (b'{"a":{"b":1},"a":2}', {"a": 2}),
        (b'{"a":{"b":1,"B":null},"a":{}}', {"a": {"b": 1}}),
    ],
)
def test_of_several_objects_of_one_key_all_members_count_as_in_go(raw: bytes, value: object) -> None:
    assert loads(raw) == value


@pytest.mark.parametrize("digits", [21, 30, 400, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_any_length_is_refused_only_where_it_is_used(digits: int, sign: str) -> None:
    with little_work():
        fields = JsonObject(loads(f'{{"mtu": {sign}{"9" * digits}, "other": 5}}'.encode()), "")
    assert fields.number("other") == 5
    assert refused(fields.number, "mtu") == (6, "mtu: an integer of more than 20 characters is out of range")


@pytest.mark.parametrize("value", [1.5, -0.25, 1e300, float("inf"), float("-inf"), 1 << 80])
def test_every_number_that_is_read_can_be_written(value: float) -> None:
    assert loads(dumps({"a": [value]})) == {"a": [value]}


def test_invalid_utf_8_becomes_the_replacement_character() -> None:
    assert loads(b'{"name":"a\xff"}') == {"name": "a\ufffd"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"[",
        b"{]",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b"[1,]",
        b"{} {}",
        b"{}x",
        b"nul",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'{"a":NaN}',
        b"'a'",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'"\n"',
        b'"\x00"',
        b'"\\x"',
        b'"abc',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"/*c*/{}",
        b"{}\0",
        b"{a:1}",
        b"{1:1}",
    ],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        loads(raw)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("depth", [500_000, 100_000, 5_000])
def test_nesting_without_end_is_refused_not_followed(opening: bytes, depth: int) -> None:
    with little_work():
        with pytest.raises(ValueError):
            loads(opening * depth)
        if depth > 10_000:  # Go's limit; what is below, CPython 3.12 and later may read
            with pytest.raises(ValueError):
                loads(b"[" * depth + b"]" * depth)


def test_the_fast_path_and_the_standard_library_agree() -> None:
    rng = random.Random(3)
    pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"a"',
        '"B"',
        "1",
        "-1",
        "1.5",
        "true",
        "null",
        " ",
        "NaN",
        '"\\u00e9"',
        "\n",
        "e1",
        '"',
    ]
    outcomes = {True: 0, False: 0}
    for _ in range(3000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 8)))
        if rng.random() < 0.5:
            text = '{"a":' + text + "}"
        try:
            wanted: Any = json.loads(text, parse_constant=lambda c: 1 // 0)
        except (ValueError, ZeroDivisionError):
            with pytest.raises(ValueError):
                loads(text.encode())
            outcomes[False] += 1
            continue
        assert folded(wanted) == loads(text.encode()), text
        outcomes[True] += 1
    assert min(outcomes.values()) > 100


def folded(value: Any) -> Any:
    """The value with its keys in lower case."""
    if isinstance(value, dict):
        return {k.lower(): folded(v) for k, v in value.items()}
    return [folded(v) for v in value] if isinstance(value, list) else value


VALUES: list[Any] = [
    {},
    [],
    {"a": []},
    {"a": {"b": [1, {"c": None}], "d": True}},
    [[[]], [False]],
    'é😀"\\\n\x00\x1f<>&',
    -(1 << 63),
    {'key "quoted"': "x"},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_it_prints_as_the_standard_library_with_four_spaces(value: Any) -> None:
    assert dumps(value) == json.dumps(value, indent=4, ensure_ascii=True).encode()


def test_a_lone_surrogate_is_read_as_in_go() -> None:
    assert loads(b'{"a\\ud800":["\\uDFFFb","\\ud83d\\ude00"]}') == {"a\ufffd": ["\ufffdb", "\U0001f600"]}


def test_a_lone_surrogate_is_printed_as_its_escape() -> None:
    assert json.loads(dumps("/run/\udcff")) == "/run/\udcff"


def test_the_public_module_takes_over_where_the_private_one_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "_json", None)
    assert loads(b'{"A":[1]}') == {"a": [1]}
    assert dumps({"a": "b"}) == b'{\n    "a": "b"\n}'
    with pytest.raises(ValueError):
        loads(b"NaN")


# --- Fields ---------------------------------------------------------------------------------------------------------

CONF = JsonObject(
    {
        "text": "t",
        "yes": True,
        "number": 7,
        "nothing": None,
        "object": {"inner": 5},
        "list": [1],
        "texts": ["a", None],
        "objects": [{"x": "y"}, None],
        "fraction": 1500.0,
        "huge": 1 << 63,
        "least": -(1 << 63),
        "mixedcase": "m",
    },
    "",
)


def refused(call: Any, *arguments: Any) -> tuple[int, str]:
    """Code and details of the error that a call must raise."""
    with pytest.raises(CniError) as caught:
        call(*arguments)
    return caught.value.code, caught.value.details


def test_members_are_read_by_type() -> None:
    assert CONF.text("text") == "t"
    assert CONF.flag("yes") is True
    assert CONF.number("number") == 7
    assert CONF.number("least") == -(1 << 63)
    assert CONF.items("list") == [1]
    assert CONF.texts("texts") == ["a", ""]
    assert CONF.text("mixedCase") == "m"
    inner = CONF.object("object")
    assert inner is not None and inner.number("inner") == 5
    assert [f.text("x") for f in CONF.objects("objects")] == ["y", ""]


@pytest.mark.parametrize("key", ["nothing", "absent"])
def test_null_is_as_good_as_absent(key: str) -> None:
    assert not CONF.has(key)
    assert CONF.text(key) == ""
    assert (CONF.flag(key), CONF.flag(key, True)) == (False, True)
    assert CONF.number(key) is None
    assert CONF.object(key) is None
    assert CONF.items(key) is None
    assert CONF.texts(key) is None
    assert CONF.objects(key) == []


@pytest.mark.parametrize(
    ("reader", "key", "details"),
    [
        (CONF.text, "number", "number must be a string, not an integer"),
        (CONF.text, "yes", "yes must be a string, not a boolean"),
        (CONF.flag, "number", "number must be true or false, not an integer"),
        (CONF.flag, "text", "text must be true or false, not a string"),
        (CONF.number, "text", "text must be an integer, not a string"),
        (CONF.number, "yes", "yes must be an integer, not a boolean"),
        (CONF.number, "fraction", "fraction must be an integer, not a fraction"),
        (CONF.number, "huge", "huge: 9223372036854775808 is out of range"),
        (CONF.object, "list", "list must be an object, not a list"),
        (CONF.items, "object", "object must be a list, not an object"),
        (CONF.texts, "list", "list[0] must be a string, not an integer"),
        (CONF.objects, "list", "list[0] must be an object, not an integer"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(reader: Any, key: str, details: str) -> None:
    assert refused(reader, key) == (6, details)


def test_the_path_leads_to_the_inner_member() -> None:
    inner = JsonObject({"ipam": {"ranges": [{"subnet": 5}]}}, "").object("ipam")
    assert inner is not None
    assert refused(inner.objects("ranges")[0].text, "subnet") == (
        6,
        "ipam.ranges[0].subnet must be a string, not an integer",
    )


@pytest.mark.parametrize(
    ("value", "kind"), [([], "a list"), ("x", "a string"), (1, "an integer"), (True, "a boolean"), (None, "null")]
)
def test_the_top_level_must_be_an_object(value: object, kind: str) -> None:
    assert refused(JsonObject, value, "") == (6, f"the configuration must be an object, not {kind}")


def test_a_list_beyond_its_limit_is_a_bad_configuration() -> None:
    long = JsonObject({"l": [0] * 1001}, "")
    assert refused(long.items, "l") == (7, "1001 entries, 1000 are allowed")
    assert refused(long.items, "l", 5) == (7, "1001 entries, 5 are allowed")
    assert len(JsonObject({"l": [0] * 1000}, "").items("l") or []) == 1000


def test_an_error_of_a_wrong_type_begins_with_what_was_being_done() -> None:
    assert jsonio.wrong_type("mtu", "an integer", "1500").msg == "failed to load netconf"


def test_random_values_survive_reading_and_printing() -> None:
    rng = random.Random(20261124)

    def value(depth: int) -> Any:
        kind = rng.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 6:
            return {rng.choice("abcdef") * rng.randrange(1, 4): value(depth - 1) for _ in range(3)}
        return [None, True, rng.randrange(-(1 << 63), 1 << 63), 'ä\n"\\\u2028\U0001f600', ""][kind]

    for _ in range(300):
        original = value(4)
        assert loads(json.dumps(original, ensure_ascii=rng.random() < 0.5).encode()) == original
        assert dumps(original) == json.dumps(original, indent=4, ensure_ascii=True).encode()
