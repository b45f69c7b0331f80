"""The rules of docs/architecture.md on how modules may depend on each other, proven on the sources."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.sources import MODULES, ROOT, TREES, circles, imports, ours, says_pure

# From top to bottom; what lies in a folder may import what lies in the same or in a lower line.  iptables_cmd and nlmsg
# have their places by the user's wish at the package's top level.
LAYERS = (
    ("__main__", "main", "skel"),
    ("commands", "chained", "console"),
    ("veth", "ipam", "firewall", "shaping", "iptables_cmd"),
    ("netlink", "nlmsg"),
    ("cni", "system"),
    ("base", "__init__"),
)
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}
# The built file's launch starts the program; the rest of bundle/ reads and makes such files.
LAUNCH = "bundle/launch"
BELOW_BUNDLE = LEVEL["cni"]

# What a pure module may take of the standard library: nothing that does input or output.  _socket serves for inet_pton
# and its constants, sys for a type.
HARMLESS = {"__future__", "_struct", "errno", "_socket", "_json", "json", "json.encoder", "_sha512", "_sha2", "hashlib"}
HARMLESS |= {"typing", "collections.abc", "sys"}

MOST_LINES, MOST_FUNCTION_LINES, MOST_AT_THE_TOP = 300, 40, 18


def folder_of(name: str) -> str:
    """Return the folder in which a module lies, its own name at the top level."""
    return name.partition("/")[0]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down(name: str) -> None:
    up = set()
    for other in ours(name, typed=False):
        if name == LAUNCH or folder_of(name) == folder_of(other):
            continue
        level = BELOW_BUNDLE - 1 if folder_of(name) == "bundle" else LEVEL[folder_of(name)]
        if folder_of(other) == "bundle":
            if other == LAUNCH or folder_of(name) not in ("console", "bundle"):
                up.add(other)
        elif LEVEL[folder_of(other)] < level:
            up.add(other)
    assert up == set()


def test_only_main_imports_the_console() -> None:
    importers = {name for name in MODULES if any(folder_of(other) == "console" for other in ours(name, typed=False))}
    assert {name for name in importers if folder_of(name) != "console"} == {"main"}


@pytest.mark.parametrize("typed", [False, True], ids=["run time", "types included"])
def test_no_modules_import_each_other_not_even_within_functions(typed: bool) -> None:
    assert circles({name: ours(name, typed) for name in MODULES}) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


@pytest.mark.parametrize("name", sorted(filter(says_pure, MODULES)))
def test_a_module_that_says_pure_imports_nothing_that_does_input_or_output(name: str) -> None:
    used = imports(name, typed=False)
    impure = {other for other in used if other in MODULES and not other.endswith("__init__") and not says_pure(other)}
    assert impure == set()
    assert used - set(MODULES) <= HARMLESS


def test_what_encodes_decodes_plans_and_compares_is_pure() -> None:
    """The sans-IO core: if one of these loses the word, the rule above no longer covers it."""
    folders = ("base", "cni", "netlink")
    impure = {name for name in MODULES if folder_of(name) in folders and not name.endswith("__init__")}
    impure = {name for name in impure if not says_pure(name)}
    assert impure == {"base/undo", "netlink/sock", "netlink/bounded"}
    assert all(map(says_pure, ("nlmsg", "veth/plan", "firewall/nft_ruleset", "ipam/ranges", "ipam/settings")))


# Who reads JSON: the protocol, what decides by it, and the modules that turn it into settings.
READERS: tuple[str, ...] = ("cni/", "commands/", "chained/", "console/", "base/jsonio", "skel")
READERS += ("ipam/source", "ipam/standalone", "ipam/data_dir", "ipam/settings", "ipam/static_settings")


@pytest.mark.parametrize("name", sorted(name for name in MODULES if not name.startswith(READERS)))
def test_the_configuration_is_decoded_before_it_gets_here(name: str) -> None:
    arguments = [
        arg.annotation for node in ast.walk(TREES[name]) if isinstance(node, ast.arguments) for arg in node.args
    ]
    types = {ast.unparse(annotation) for annotation in arguments if annotation is not None}
    assert {kind for kind in types if re.search(r"\b(NetConf|JsonObject)\b", kind)} == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_can_be_read_in_one_sitting(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_function_fits_on_a_screen(name: str) -> None:
    functions = [node for node in ast.walk(TREES[name]) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {f.name: lines for f in functions if (lines := (f.end_lineno or 0) - f.lineno + 1) > MOST_FUNCTION_LINES}
    assert long == {}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_each_module_says_what_it_holds(name: str) -> None:
    assert ast.get_docstring(TREES[name])


@pytest.mark.parametrize("name", sorted(n for n in MODULES if folder_of(n) == "bundle" and not n.endswith("__init__")))
def test_each_trick_of_the_bundle_says_how_long_it_is_needed(name: str) -> None:
    assert "Needed " in (ast.get_docstring(TREES[name]) or "")


def test_few_things_lie_at_the_top() -> None:
    entries = {name.partition("/")[0] for name in MODULES}
    assert len(entries) <= MOST_AT_THE_TOP
    assert {name for name in MODULES if "/" not in name} == {
        "__init__", "__main__", "main", "skel", "nlmsg", "iptables_cmd"
    }  # fmt: skip


def test_the_architecture_names_every_module_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    listed = re.findall(r"^ *(\S+)\.py  ", text.split("```")[1], re.MULTILINE)
    assert sorted(listed) == sorted(name for name in MODULES if not name.endswith("/__init__"))
