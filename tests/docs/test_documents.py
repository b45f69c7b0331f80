"""What the documents say is so: their commands run, their configurations attach, their links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import DOCUMENTS, SHELL, Block, blocks
from tests.namespaces import Host, empty_directory, release_directory

CONFIGURATIONS = blocks("json")
COMMANDS = [block for block in blocks(*SHELL) if not block.mark.startswith("not run")]
README = (ROOT / "README.md").read_text()


def name(block: Block) -> str:
    """The test's id."""
    return block.name


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=name)
def test_each_configuration_attaches_and_detaches_a_container(host: Host, block: Block) -> None:
    document = json.loads(block.text)
    plugins = [p for p in document.get("plugins", [document]) if p.get("type") == "ptp"]
    assert plugins, "a configuration without ptp"
    host.container()
    before = host.snapshot()
    for plugin in plugins:
        conf = {"cniVersion": document["cniVersion"], "name": document["name"], **plugin}
        result = host.plugin("ADD", conf).ok()
        assert len(result["ips"]) == len(conf["ipam"]["ranges"])
        host.plugin("CHECK", {**conf, "prevResult": result}).ok()
        host.plugin("DEL", conf).ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("document", sorted({block.document for block in COMMANDS}))
def test_each_command_of_a_document_runs_in_order(host: Host, document: str) -> None:
    empty_directory("/opt")
    try:
        for command in [c for block in COMMANDS if block.document == document for c in block.commands]:
            if command == "make" or command.startswith("make "):
                # `make test` would be us: that the target is there, and what it needs, is what can be told.
                command = command.replace("make", "make -n", 1)
            done = subprocess.run(["sh", "-ec", command], cwd=ROOT, capture_output=True, text=True, check=False)
            if "doctor" not in command:  # its exit status tells of this machine
                assert done.returncode == 0, (command, done.stdout, done.stderr)
    finally:
        release_directory("/opt")


def test_every_shell_block_is_run_or_says_why_not() -> None:
    for block in blocks(*SHELL):
        if block.mark.startswith("not run"):
            assert len(block.mark.partition(":")[2]) > 10, f"{block.name}: no reason given"
    assert COMMANDS
    plain = [block for block in blocks("") if re.search(r"^(sudo|make|kubectl|ptp) ?", block.text, re.MULTILINE)]
    assert [block.name for block in plain] == [], "commands in a block that is not marked ```sh"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_between_documents_resolve(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text()), target


def anchors(text: str) -> set[str]:
    """The anchors that headings have on a code host."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_page_shows_what_the_demo_prints(plugin_file: Path) -> None:
    done = subprocess.run(["python3", ROOT / "tools" / "demo_output.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_has_the_figures_that_were_measured() -> None:
    done = subprocess.run(["python3", ROOT / "tools" / "readme_figures.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# Members of objects that are read as a whole, named in the text of docs/configuration.md: of routes, dns, prevResult.
_READERS = ("text", "flag", "number", "object", "objects", "texts", "items", "has")
_SOURCES = (
    "cni/conf.py",
    "skel.py",
    "commands/logfile.py",
    "ipam/source.py",
    "ipam/settings.py",
    "ipam/static_settings.py",
    "ipam/ranges.py",
)


def keys_in_code() -> set[str]:
    """Every key that a configuration is asked for."""
    found = set()
    for source in _SOURCES:
        for node in ast.walk(ast.parse((ROOT / "cni_ptp" / source).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _READERS:
                first: Any = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


def configuration_section() -> str:
    """Return the page on keys."""
    return (ROOT / "docs" / "configuration.md").read_text()


def test_every_key_that_the_code_reads_is_on_its_page() -> None:
    spans = " ".join(re.findall(r"`([^`]+)`", configuration_section()))
    words = set(re.split(r"[ .=,]+", spans)) | set(re.findall(r"cni\.dev/[a-z-]+", spans))
    assert sorted(keys_in_code() - words) == []


def test_every_key_on_that_page_is_read_by_the_code() -> None:
    code = "".join([p.read_text() for p in (ROOT / "cni_ptp").rglob("*.py") if "console" not in p.parts])
    for row in re.findall(r"^\| (`[^|]*) \|", configuration_section(), re.MULTILINE):
        for key in re.findall(r"`([^`]+)`", row):
            if key.isupper() or key.endswith("="):
                assert key in code, key
            else:
                last = key if "/" in key else key.split(".")[-1]
                assert f'"{last}"' in code, key
