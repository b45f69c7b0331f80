"""JSON as the Go plugins read it.  Source: cni.md section 1.8."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cni_ptp.errors import CniError
from cni_ptp.jsonio import Fields, dumps, loads


def test_keys_are_folded_and_the_last_of_several_counts() -> None:
    assert loads(b'{"ipMasq": false, "IPMASQ": true, "a": {"B": 1}}') == {"ipmasq": True, "a": {"b": 1}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}x",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b"\xef\xbb\xbf{}",
        b'"\x01"',
        b"{'a':1}",
        b"[1,]",
        b"01",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"a" 1}',
        b"nul",
        b'"abc',
        b'"\\x"',
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    assert loads(b'"a\xffb"') == "a\ufffdb"


def test_white_space_around_is_no_matter() -> None:
    assert loads(b" \t\r\n{}\n ") == {}


def test_it_agrees_with_the_standard_library_on_random_values() -> None:
    seeded = random.Random(20261124)

    def value(depth: int) -> Any:
        kind = seeded.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(seeded.randrange(4))]
        if kind == 6:
            return {seeded.choice("abcdef") * seeded.randrange(1, 4): value(depth - 1) for _ in range(3)}
        return [None, True, seeded.randrange(-(1 << 63), 1 << 63), 'ä\n"\\\u2028\U0001f600', ""][kind]

    for _ in range(300):
        original = value(4)
        raw = json.dumps(original, ensure_ascii=seeded.random() < 0.5).encode()
        assert loads(raw) == original
        assert json.loads(dumps(original)) == original


def test_it_prints_as_go_does() -> None:
    assert dumps({"a": [1, {"b": "x"}], "c": {}, "d": [], "e": None, "f": True}) == (
        b'{\n    "a": [\n        1,\n        {\n            "b": "x"\n        }\n    ],\n'
        b'    "c": {},\n    "d": [],\n    "e": null,\n    "f": true\n}'
    )


def test_a_lone_surrogate_survives_as_its_escape() -> None:
    assert dumps(loads(b'"\\ud800"')) == b'"\\ud800"'


def test_null_is_the_default() -> None:
    fields = Fields(loads(b'{"a":null}'), "")
    assert (fields.text("a"), fields.flag("a", True), fields.number("a"), fields.items("a"), fields.object("a")) == (
        "",
        True,
        None,
        None,
        None,
    )
    assert not fields.has("a")


WRONG = [
    ("text", b'{"x":1}', "x must be a string, not an integer"),
    ("flag", b'{"x":"yes"}', "x must be true or false, not a string"),
    ("flag", b'{"x":1}', "x must be true or false, not an integer"),
    ("number", b'{"x":"1500"}', "x must be an integer, not a string"),
    ("number", b'{"x":1500.0}', "x must be an integer, not a fraction"),
    ("number", b'{"x":true}', "x must be an integer, not a boolean"),
    ("number", b'{"x":9223372036854775808}', "x: 9223372036854775808 is out of range"),
    ("items", b'{"x":{}}', "x must be a list, not an object"),
    ("object", b'{"x":[]}', "x must be an object, not a list"),
    ("objects", b'{"x":[1]}', "x[0] must be an object, not an integer"),
    ("texts", b'{"x":["a",1]}', "x[1] must be a string, not an integer"),
]


@pytest.mark.parametrize(("getter", "raw", "details"), WRONG)
def test_a_value_of_the_wrong_type_is_error_6_and_named(getter: str, raw: bytes, details: str) -> None:
    with pytest.raises(CniError) as caught:
        getattr(Fields(loads(raw), ""), getter)("x")
    assert (caught.value.code, caught.value.details) == (6, details)


def test_the_path_of_an_inner_member_is_told() -> None:
    fields = Fields(loads(b'{"ipam":{"subnet":5}}'), "").object("ipam")
    assert fields is not None
    with pytest.raises(CniError) as caught:
        fields.text("subnet")
    assert caught.value.details == "ipam.subnet must be a string, not an integer"


def test_lists_are_bounded() -> None:
    with pytest.raises(CniError) as caught:
        Fields({"x": [1] * 11}, "").items("x", most=10)
    assert caught.value.code == 7
