"""What the documents must not leave out."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READERS = {"text", "flag", "number", "object", "items", "texts", "objects"}
SETTINGS = [
    "cni/conf.py",
    "cni/masquerade_options.py",
    "ipam/source.py",
    "ipam/data_dir.py",
    "ipam/settings.py",
    "ipam/ranges.py",
    "ipam/static_settings.py",
]


def keys(path: Path) -> set[str]:
    """The configuration keys that a module reads: literal arguments of Fields' methods, and of what calls them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            method = isinstance(node.func, ast.Attribute) and node.func.attr in READERS
            if method or (isinstance(node.func, ast.Name) and node.func.id == "_configured_sets"):
                found |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


KEYS = sorted(set().union(*[keys(ROOT / "cni_ptp" / name) for name in SETTINGS]))


def test_the_keys_are_found() -> None:
    assert {"name", "mtu", "ipMasq", "ipMasqBackend", "embeddedIPAM", "dataDir", "ranges", "addresses"} <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_each_configuration_key_is_documented(key: str) -> None:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    forms = (f"`{key}`", f"`{key}.", f".{key}`", f'"{key}"')
    assert any(form in document.read_text() for document in documents for form in forms)
