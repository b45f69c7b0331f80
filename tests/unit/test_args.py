"""The CNI_* environment.  Source: pkg/skel/skel_test.go, pkg/types/args_test.go of containernetworking/cni."""

from __future__ import annotations

from string import ascii_letters, digits
from unicodedata import category

import pytest

from cni_ptp.base.errors import CniError
from cni_ptp.cni import args

FULL = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "some-container-id",
    "CNI_NETNS": "/some/netns/path",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "some;extra;args",
    "CNI_PATH": "/some/cni/path",
}
TOO_LONG = ("interface name is too long", "interface name should be less than 16 characters")
CHARACTERS = ("interface name contains / or : or whitespace characters", "")
DOTS = ("interface name is . or ..", "")


def refused(**changed: str) -> tuple[int, str, str]:
    """Code, msg and details of the error for FULL with some variables changed."""
    with pytest.raises(CniError) as caught:
        args.parse({**FULL, **changed})
    return caught.value.code, caught.value.msg, caught.value.details


def test_every_variable_arrives() -> None:
    parsed = args.parse({**FULL, "CNI_NETNS_OVERRIDE": "true"})
    assert [getattr(parsed, name) for name in args.Args.__slots__] == [*FULL.values(), True]


@pytest.mark.parametrize("command", ["ADD", "CHECK", "DEL"])
def test_all_missing_names_are_reported_together_in_order(command: str) -> None:
    with pytest.raises(CniError) as caught:
        args.parse({"CNI_COMMAND": command, "CNI_CONTAINERID": ""})
    netns = "" if command == "DEL" else "CNI_NETNS,"
    assert caught.value.code == 4
    assert caught.value.msg == f"required env variables [CNI_CONTAINERID,{netns}CNI_IFNAME] missing"


@pytest.mark.parametrize("command", ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"])
@pytest.mark.parametrize("name", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"])
def test_each_command_needs_just_its_variables(command: str, name: str) -> None:
    required = name in ("CNI_CONTAINERID", "CNI_IFNAME") or (name == "CNI_NETNS" and command != "DEL")
    environ = {**FULL, "CNI_COMMAND": command}
    for missing in ({k: v for k, v in environ.items() if k != name}, {**environ, name: ""}):
        if required and command in ("ADD", "CHECK", "DEL"):
            with pytest.raises(CniError, match=rf"^required env variables \[{name}\] missing$"):
                args.parse(missing)
        else:
            assert args.parse(missing).command == command


@pytest.mark.parametrize(
    "text", ["some-%%container-id", "-a", ".a", "_a", "a b", "a/b", "a\n", "é", "a\udcff", "٣", "../x", "a:b"]
)
def test_a_container_id_of_other_characters_is_refused_with_itself_in_the_details(text: str) -> None:
    assert refused(CNI_CONTAINERID=text) == (4, "invalid characters in containerID", text)


@pytest.mark.parametrize("text", ["a", "A", "0", "a_.-", "0.-_Z", "x" * 300])
def test_a_container_id_may_be_of_any_length(text: str) -> None:
    assert args.parse({**FULL, "CNI_CONTAINERID": text}).containerid == text


@pytest.mark.parametrize(
    ("ifname", "error"),
    [
        ("1234567890123456", TOO_LONG),
        ("é" * 8, TOO_LONG),
        (".", DOTS),
        ("..", DOTS),
        ("test/test", CHARACTERS),
        ("test:test", CHARACTERS),
        ("test test", CHARACTERS),
        ("test\n", CHARACTERS),
        ("\ttest", CHARACTERS),
        ("a\u00a0b", CHARACTERS),
        ("a\u2003b", CHARACTERS),
        ("eth%d", ("interface name contains characters that the kernel does not take", "eth%d")),
        ("p%", ("interface name contains characters that the kernel does not take", "p%")),
        ("\u00e0b", ("interface name contains characters that the kernel does not take", "\u00e0b")),
    ],
)
def test_an_interface_name_the_kernel_can_not_take_is_refused(ifname: str, error: tuple[str, str]) -> None:
    assert refused(CNI_IFNAME=ifname) == (4, *error)


SPECIAL = [*range(0x600, 0x620), *range(0x2000, 0x2070), *range(0xDC80, 0xDD00)]
SPECIAL += [*range(0xE000, 0xF8FF, 0xFF), 0xFEFF, *range(0xFFF0, 0x10000), *range(0xE0000, 0xE0080), 0x10FFFF]
SPECIAL += [0x34F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x180E, 0x3000, 0x3164, 0xFE0F, 0xFFA0, 0xE0100]
INVISIBLE = {0x34F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x3164, 0xFE0F, 0xFFA0, 0xE0100}


def is_taken(ifname: str, command: str) -> bool:
    """Whether a call may have the name; else it is refused with code 4."""
    try:
        return args.parse({**FULL, "CNI_COMMAND": command, "CNI_IFNAME": ifname}).ifname == ifname
    except CniError as e:
        assert e.code == 4 and e.msg.startswith("interface name contains")
        return False


def test_an_interface_name_has_readable_characters_only() -> None:
    """docs/security.md, "Names"."""
    for number in [*range(1, 0x300), *SPECIAL]:
        character = chr(number)
        readable = category(character)[0] not in "CZ" and number not in INVISIBLE
        kernels = character not in "/:%" and b"\xa0" not in character.encode("utf-8", "surrogateescape")
        goes = character not in "/:" and not character.isspace()
        name = f"e{character}0"
        taken = {command: is_taken(name, command) for command in ("ADD", "CHECK", "DEL")}
        assert taken == {"ADD": readable and kernels, "CHECK": readable and kernels, "DEL": goes}, hex(number)


@pytest.mark.parametrize("ifname", ["all", "default"])
def test_the_names_of_all_interfaces_name_none(ifname: str) -> None:
    assert refused(CNI_IFNAME=ifname)[:2] == (4, "interface name is all or default")
    assert args.parse({**FULL, "CNI_IFNAME": ifname, "CNI_COMMAND": "DEL"}).ifname == ifname


def test_a_container_and_a_network_are_named_in_ascii() -> None:
    """docs/security.md, "Names"."""
    for number in [*range(1, 0x300), *SPECIAL, 0xFF10, 0x1D7CE]:
        letter = chr(number) in ascii_letters + digits
        assert args.is_name(chr(number)) == letter, hex(number)
        assert args.is_name(f"a{chr(number)}b") == (letter or chr(number) in "_.-"), hex(number)


@pytest.mark.parametrize("ifname", ["eth0", "eth0.100", "123456789012345", "...", "a-b_c@d", "é" * 7])
def test_an_interface_name_of_15_bytes_is_taken(ifname: str) -> None:
    assert args.parse({**FULL, "CNI_IFNAME": ifname}).ifname == ifname


def test_a_bad_value_is_reported_before_a_missing_one() -> None:
    assert refused(CNI_CONTAINERID="", CNI_IFNAME="..")[1] == "interface name is . or .."
    assert refused(CNI_CONTAINERID="a b", CNI_IFNAME="..")[1] == "invalid characters in containerID"


@pytest.mark.parametrize("command", ["GC", "STATUS", "VERSION"])
def test_commands_that_need_no_attachment_do_not_judge_one(command: str) -> None:
    parsed = args.parse({**FULL, "CNI_COMMAND": command, "CNI_CONTAINERID": "a b", "CNI_IFNAME": ".."})
    assert (parsed.containerid, parsed.ifname) == ("a b", "..")


@pytest.mark.parametrize(
    ("text", "on"),
    [("true", True), ("TRUE", True), ("True", True), ("1", True), ("", False), ("0", False), ("yes", False)],
)
def test_the_override_is_true_or_1(text: str, on: bool) -> None:
    assert args.parse({**FULL, "CNI_NETNS_OVERRIDE": text}).netns_override is on


def test_an_unknown_command_is_named() -> None:
    error = args.unknown_command("NOPE")
    assert (error.code, error.msg) == (4, "unknown CNI_COMMAND: NOPE")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [("", []), ("A=b", [("A", "b")]), ("IP=10.0.0.1;K=", [("IP", "10.0.0.1"), ("K", "")]), ("=", [("", "")])],
)
def test_cni_args_are_pairs(text: str, pairs: list[tuple[str, str]]) -> None:
    assert args.cni_args(text) == pairs


@pytest.mark.parametrize(("text", "bad"), [("A=b;", ""), (";", ""), ("A", "A"), ("A=b=c", "A=b=c"), ("A=b;;C=d", "")])
def test_a_pair_without_exactly_one_equals_sign_is_refused(text: str, bad: str) -> None:
    with pytest.raises(CniError) as caught:
        args.cni_args(text)
    assert (caught.value.code, caught.value.msg) == (4, f'ARGS: invalid pair "{bad}"')


KUBELET = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2"


def test_what_kubelet_sends_is_taken() -> None:
    assert args.known_cni_args(KUBELET, ("IP",)) == {}
    assert args.known_cni_args(KUBELET + ";IP=10.0.0.9", ("IP",)) == {"IP": "10.0.0.9"}


@pytest.mark.parametrize("value", ["1", "true", "True", "TRUE", "tRuE", "0;IgnoreUnknown=true"])
def test_unknown_keys_are_passed_over_if_that_is_asked_for(value: str) -> None:
    assert args.known_cni_args(f"X=1;IgnoreUnknown={value}", ("IP",)) == {}


@pytest.mark.parametrize(
    "prefix", ["", "IgnoreUnknown=0;", "IgnoreUnknown=false;", "IgnoreUnknown=False;", "IgnoreUnknown=fALSE;"]
)
def test_unknown_keys_are_refused_together_otherwise(prefix: str) -> None:
    with pytest.raises(CniError) as caught:
        args.known_cni_args(f"{prefix}X=1;IP=10.0.0.9;ip=2", ("IP",))
    assert (caught.value.code, caught.value.msg) == (4, 'ARGS: unknown args ["X=1" "ip=2"]')


@pytest.mark.parametrize("value", ["", "2", "yes", "t", " true", "true;IgnoreUnknown=2", "2;IgnoreUnknown=1"])
def test_ignore_unknown_is_a_boolean(value: str) -> None:
    with pytest.raises(CniError) as caught:
        args.known_cni_args(f"IgnoreUnknown={value}", ("IP",))
    assert caught.value.code == 4
