"""Spec versions and gates.  Source: cni.md sections 1.3 and 7.4, 7.6."""

from __future__ import annotations

import pytest

from cni_ptp.errors import CniError
from cni_ptp.versions import SUPPORTED, at_least, gate, parse

SUPPORTS = 'plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'


def refused(command: str, version: str) -> CniError:
    """The error of a gate that must be shut."""
    with pytest.raises(CniError) as caught:
        gate(command, version)
    return caught.value


@pytest.mark.parametrize("version", SUPPORTED)
def test_add_and_del_are_for_every_version(version: str) -> None:
    gate("ADD", version)
    gate("DEL", version)


@pytest.mark.parametrize("version", ["0.4", "1.0", "1", "0.3.2", "9.9.9", "garbage", "1.0.0 "])
def test_a_version_must_be_exactly_one_of_ours(version: str) -> None:
    error = refused("ADD", version)
    assert (error.code, error.msg) == (1, "incompatible CNI versions")
    assert error.details == f'config is "{version}", {SUPPORTS}'


@pytest.mark.parametrize(("command", "since"), [("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")])
@pytest.mark.parametrize("version", SUPPORTED)
def test_younger_verbs_need_a_younger_configuration(command: str, since: str, version: str) -> None:
    if at_least(version, since):
        gate(command, version)
    else:
        error = refused(command, version)
        assert (error.code, error.msg) == (1, f"config version does not allow {command}")


def test_check_with_a_version_later_than_ours_is_refused() -> None:
    assert refused("CHECK", "1.2.0").msg == "plugin version does not allow CHECK"


def test_check_with_a_version_between_ours_is_refused_as_add_would() -> None:
    assert refused("CHECK", "0.4.5").msg == "incompatible CNI versions"


@pytest.mark.parametrize("version", ["adsfsadf", "1.x", "1.0.0.0", "", "1..0"])
def test_check_with_a_version_that_is_none(version: str) -> None:
    error = refused("CHECK", version)
    assert error.code == (1 if version == "" else 6)


def test_versions_are_numbers() -> None:
    assert parse("") == (0, 1, 0)
    assert parse("1") == (1, 0, 0)
    assert parse("1.2") == (1, 2, 0)
    assert parse("0.10.0") > parse("0.9.9")
