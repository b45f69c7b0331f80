"""The specification's versions.  Source: pkg/version, pkg/skel of containernetworking/cni."""

from __future__ import annotations

import pytest

from cni_ptp.base.errors import CniError
from cni_ptp.cni import versions

OURS = '["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", (0, 1, 0)),
        ("0.1.0", (0, 1, 0)),
        ("1", (1, 0, 0)),
        ("1.0", (1, 0, 0)),
        ("1.1.0", (1, 1, 0)),
        ("01.+2.3", (1, 2, 3)),
        ("10.20.30", (10, 20, 30)),
    ],
)
def test_missing_parts_are_zero_and_nothing_is_0_1_0(text: str, numbers: tuple[int, int, int]) -> None:
    assert versions.parse(text) == numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1.x", 'failed to convert minor version part "x" to int'),
        ("1.1.2.3", 'invalid version "1.1.2.3": too many parts'),
        ("x", 'failed to convert major version part "x" to int'),
        ("1.1.", 'failed to convert micro version part "" to int'),
        ("1. 1", 'failed to convert minor version part " 1" to int'),
        ("1.1_0", 'failed to convert minor version part "1_0" to int'),
        ("٣", 'failed to convert major version part "٣" to int'),
        ("+", 'failed to convert major version part "+" to int'),
        ("9" * 5000, 'failed to convert major version part "9'),
    ],
)
def test_a_malformed_version_is_refused_in_go_s_words(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        versions.parse(text)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("version", "least", "is_at_least"),
    [
        ("1.0.0", "1.0.0", True),
        ("1.1.0", "1.0.0", True),
        ("0.4.0", "1.0.0", False),
        ("0.3.1", "0.3.0", True),
        ("1.0.0", "0.4.0", True),
    ],
)
def test_later_versions_are_at_least_earlier_ones(version: str, least: str, is_at_least: bool) -> None:
    assert versions.at_least(version, least) is is_at_least


ALLOWED = {
    "ADD": versions.SUPPORTED,
    "DEL": versions.SUPPORTED,
    "CHECK": ("0.4.0", "1.0.0", "1.1.0"),
    "GC": ("1.1.0",),
    "STATUS": ("1.1.0",),
}


@pytest.mark.parametrize("version", versions.SUPPORTED)
@pytest.mark.parametrize("command", ALLOWED)
def test_each_verb_has_its_versions(command: str, version: str) -> None:
    if version in ALLOWED[command]:
        versions.gate(command, version)
        return
    with pytest.raises(CniError) as caught:
        versions.gate(command, version)
    assert (caught.value.code, caught.value.msg) == (1, f"config version does not allow {command}")


@pytest.mark.parametrize("version", ["1.2.0", "0.4", "1.0", "1", "x", "0.4.0 ", "9.9.9"])
@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_add_and_del_want_one_of_ours_to_the_letter(command: str, version: str) -> None:
    with pytest.raises(CniError) as caught:
        versions.gate(command, version)
    wanted = (1, "incompatible CNI versions", f'config is "{version}", plugin supports {OURS}')
    assert (caught.value.code, caught.value.msg, caught.value.details) == wanted


@pytest.mark.parametrize("command", ["CHECK", "GC", "STATUS"])
@pytest.mark.parametrize(
    ("version", "code", "msg"),
    [
        ("1.1", 1, "incompatible CNI versions"),
        ("1.2.0", 1, "plugin version does not allow {}"),
        ("0.1.0", 1, "config version does not allow {}"),
        ("garbage", 6, 'failed to convert major version part "garbage" to int'),
        ("1.1.0.0", 6, 'invalid version "1.1.0.0": too many parts'),
    ],
)
def test_newer_verbs_tell_who_is_too_old(command: str, version: str, code: int, msg: str) -> None:
    with pytest.raises(CniError) as caught:
        versions.gate(command, version)
    assert (caught.value.code, caught.value.msg) == (code, msg.format(command))


def test_the_version_quoted_back_can_not_break_out_of_its_quotes() -> None:
    with pytest.raises(CniError) as caught:
        versions.gate("ADD", 'x"\\')
    assert caught.value.details.startswith('config is "x\\"\\\\", ')


@pytest.mark.parametrize(("version", "code"), [("", 1), ("0.4.5", 1), ("1..0", 6), ("adsfsadf", 6)])
def test_check_with_a_version_that_is_none_of_ours(version: str, code: int) -> None:
    with pytest.raises(CniError) as caught:
        versions.gate("CHECK", version)
    assert caught.value.code == code
