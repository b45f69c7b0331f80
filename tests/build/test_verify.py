"""`make verify` finds whatever is not what the sources make, and executes nothing of what it looks at."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from cni_ptp.bundle import comparison, pack
from tests.build.checkouts import built_by, checkout, interpreters


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout."""
    return checkout(tmp_path_factory.mktemp("verify") / "checkout")


@pytest.fixture(scope="module")
def built(root: Path) -> bytes:
    """What it builds."""
    return built_by(next(interpreters()), root / "dist", root).read_bytes()


def verified(content: bytes, root: Path) -> tuple[int, str]:
    """(exit status, output) of verifying a file of this content against the checkout."""
    file = root / "ptp"
    file.write_bytes(content)
    python = next(interpreters())
    command = [python, str(root / "tools/build_ptp.py"), "verify", "--interpreter", python, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def flipped(content: bytes, offset: int) -> bytes:
    """One bit of it changed."""
    return content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :]


def test_one_line_says_that_the_built_file_is_what_the_sources_make(built: bytes, root: Path) -> None:
    status, output = verified(built, root)

    assert status == 0, output
    (verdict,) = output.splitlines()
    assert verdict.startswith("verified: ") and hashlib.sha256(built).hexdigest() in verdict


def test_one_changed_bit_of_a_modules_bytecode_is_found_and_the_module_named(built: bytes, root: Path) -> None:
    """The name lies in the code object: co_filename."""
    status, output = verified(flipped(built, built.index(b"cni_ptp/commands/delete.py")), root)

    assert status == 1
    assert "in the bytecode of cni_ptp.commands.delete\n" in output


def test_one_changed_bit_of_a_modules_source_is_found_and_the_module_named(built: bytes, root: Path) -> None:
    source = (root / "cni_ptp/commands/delete.py").read_bytes()

    status, output = verified(flipped(built, built.index(source) + 10), root)

    assert status == 1
    assert "cni_ptp/commands/delete.py" in output or "archive cannot be read" in output


@pytest.mark.parametrize("where", ["interpreter", "head", "end"])
def test_one_changed_bit_elsewhere_is_found(built: bytes, root: Path, where: str) -> None:
    offset = {"interpreter": 6, "head": pack.HEAD_SIZE - 1, "end": len(built) - 1}[where]

    assert verified(flipped(built, offset), root)[0] == 1


def test_added_and_missing_bytes_are_found(built: bytes) -> None:
    for content in (built + b"\n", built[:-1], b""):
        assert comparison.compared(content, built) != []


def test_a_changed_bit_of_any_module_is_found(built: bytes) -> None:
    """Through the function that `verify` calls, for all modules."""
    sources = pack.sources_of(built)

    for name in [n for n in sources if n.endswith(".py")]:
        for offset in (built.index(name.encode()), built.rindex(sources[name])):
            assert comparison.compared(flipped(built, offset), built) != [], name
    assert comparison.compared(built, built) == []
