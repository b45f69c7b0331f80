"""The CNI_* environment.  Source: cni.md sections 1.1, 1.7 and 7.4 (skel_test.go, args_test.go)."""

from __future__ import annotations

import pytest

from cni_ptp.args import Args, cni_args, is_name, known_cni_args, parse
from cni_ptp.errors import CniError

FULL = {
    "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "some-container-id", "CNI_NETNS": "/some/netns", "CNI_IFNAME": "eth0",
    "CNI_ARGS": "some;extra;args", "CNI_PATH": "/some/cni/path",
}  # fmt: skip


def refused(environ: dict[str, str]) -> CniError:
    """The error of an environment that must be refused with code 4."""
    with pytest.raises(CniError) as caught:
        parse(environ)
    assert caught.value.code == 4
    return caught.value


def test_the_whole_environment_is_taken() -> None:
    args = parse(FULL)
    assert [getattr(args, name) for name in Args.__slots__] == [
        "ADD", "some-container-id", "/some/netns", "eth0", "some;extra;args", "/some/cni/path", False,
    ]  # fmt: skip


REQUIRED = [
    ("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
    ("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
    ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME"]),
    ("GC", []),
    ("STATUS", []),
]


@pytest.mark.parametrize(("command", "required"), REQUIRED)
def test_all_missing_names_are_reported_together(command: str, required: list[str]) -> None:
    if required:
        assert refused({"CNI_COMMAND": command}).msg == f"required env variables [{','.join(required)}] missing"
    else:
        assert parse({"CNI_COMMAND": command}).command == command


@pytest.mark.parametrize(("command", "required"), REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_each_required_variable_is_missed_also_when_empty(command: str, required: list[str], value: str | None) -> None:
    for name in required:
        environ = {k: v for k, v in {**FULL, "CNI_COMMAND": command, name: value}.items() if v is not None}
        assert refused(environ).msg == f"required env variables [{name}] missing"


@pytest.mark.parametrize("name", ["CNI_ARGS", "CNI_PATH"])
def test_optional_variables_may_be_missing(name: str) -> None:
    assert parse({k: v for k, v in FULL.items() if k != name}).command == "ADD"


def test_a_bad_value_is_reported_before_a_missing_one() -> None:
    assert refused({"CNI_COMMAND": "ADD", "CNI_IFNAME": "a/b"}).msg.startswith("interface name contains")


@pytest.mark.parametrize("id_", ["some-%%container-id", "-a", ".a", "_a", "a b", "a\n", "ä", "a/b", "a\0"])
def test_a_container_id_of_other_characters_is_refused(id_: str) -> None:
    error = refused({**FULL, "CNI_CONTAINERID": id_})
    assert (error.msg, error.details) == ("invalid characters in containerID", id_)


@pytest.mark.parametrize("id_", ["a", "0", "A-b_c.d", "x" * 300])
def test_a_container_id_may_have_any_length(id_: str) -> None:
    assert parse({**FULL, "CNI_CONTAINERID": id_}).containerid == id_


IFNAMES = [
    ("1234567890123456", "interface name is too long", "interface name should be less than 16 characters"),
    ("ääääääää", "interface name is too long", "interface name should be less than 16 characters"),
    (".", "interface name is . or ..", ""),
    ("..", "interface name is . or ..", ""),
    ("test/test", "interface name contains / or : or whitespace characters", ""),
    ("test:test", "interface name contains / or : or whitespace characters", ""),
    ("test test", "interface name contains / or : or whitespace characters", ""),
    ("test\u2003", "interface name contains / or : or whitespace characters", ""),
]


@pytest.mark.parametrize(("ifname", "msg", "details"), IFNAMES)
def test_an_interface_name_the_kernel_would_refuse_is_refused(ifname: str, msg: str, details: str) -> None:
    error = refused({**FULL, "CNI_IFNAME": ifname})
    assert (error.msg, error.details) == (msg, details)


def test_fifteen_bytes_are_an_interface_name() -> None:
    assert parse({**FULL, "CNI_IFNAME": "123456789012345"}).ifname == "123456789012345"


@pytest.mark.parametrize(
    ("value", "taken"), [("TRUE", True), ("true", True), ("True", True), ("1", True), ("yes", False), ("", False)]
)
def test_the_own_namespace_may_be_allowed(value: str, taken: bool) -> None:
    assert parse({**FULL, "CNI_NETNS_OVERRIDE": value}).netns_override is taken


@pytest.mark.parametrize("text", ["a", "A0", "a.b-c_d"])
def test_names_of_networks_and_containers(text: str) -> None:
    assert is_name(text)


def test_cni_args_are_pairs() -> None:
    assert cni_args("") == []
    assert cni_args("A=1;B=") == [("A", "1"), ("B", "")]


@pytest.mark.parametrize(("text", "pair"), [("A=1;", ""), ("A", "A"), ("A=1=2", "A=1=2"), ("A=1;;B=2", "")])
def test_other_cni_args_are_refused(text: str, pair: str) -> None:
    with pytest.raises(CniError) as caught:
        cni_args(text)
    assert (caught.value.code, caught.value.msg) == (4, f'ARGS: invalid pair "{pair}"')


def test_unknown_cni_args_are_refused_unless_they_are_to_be_ignored() -> None:
    with pytest.raises(CniError, match=r'ARGS: unknown args \["K=V" "ip=1"\]'):
        known_cni_args("K=V;IP=1.2.3.4;ip=1", ("IP",))
    for yes in ("1", "true", "True", "TRUE"):
        assert known_cni_args(f"IgnoreUnknown={yes};K=V;IP=1.2.3.4", ("IP",)) == {"IP": "1.2.3.4"}
    with pytest.raises(CniError):
        known_cni_args("IgnoreUnknown=0;K=V", ("IP",))
    with pytest.raises(CniError, match="invalid input yes"):
        known_cni_args("IgnoreUnknown=yes;K=V", ("IP",))
