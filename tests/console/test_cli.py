"""The commands' common manners: help, versions, what is not understood."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import cni_ptp
from cni_ptp.console.cli import COMMANDS

WITH_OPTIONS = [name for name in COMMANDS if name not in ("help", "version")]


def ptp(plugin_file: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"]}
    return subprocess.run([str(plugin_file), *argv], text=True, capture_output=True, check=False, env=environ)


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command_on_stdout(plugin_file: Path, argv: list[str]) -> None:
    done = ptp(plugin_file, *argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("argv", [["--version"], ["version"], ["-V"]])
def test_the_version_is_told(plugin_file: Path, argv: list[str]) -> None:
    done = ptp(plugin_file, *argv)
    assert (done.returncode, done.stdout) == (0, f"ptp {cni_ptp.__version__}\n")


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_every_command_explains_itself(plugin_file: Path, name: str) -> None:
    done = ptp(plugin_file, name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: ptp {name}" in done.stdout and "Exit status: 0" in done.stdout
    assert done.stdout == ptp(plugin_file, "help", name).stdout


def test_an_unknown_command_gets_the_usage_on_stderr_and_status_2(plugin_file: Path) -> None:
    done = ptp(plugin_file, "frobnicate")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such command: frobnicate" in done.stderr and "usage: ptp" in done.stderr


def test_an_unknown_option_gets_status_2(plugin_file: Path) -> None:
    done = ptp(plugin_file, "list", "--frobnicate")
    assert (done.returncode, done.stdout) == (2, "")


def test_the_man_page_tells_of_every_command_and_option(plugin_file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "man" / "ptp.8").read_text().replace("\\-", "-")
    for name in WITH_OPTIONS:
        assert f".SS {name}" in page, name
        options = [word.strip("[],.;:`") for word in ptp(plugin_file, name, "--help").stdout.split()]
        missing = {o for o in options if o.startswith("--") and o not in ("--help",)} - set(
            page.replace(",", " ").split()
        )
        assert not missing, (name, missing)
