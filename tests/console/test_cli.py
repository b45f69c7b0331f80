"""The commands' common manners: help, versions, what is not understood, what is not allowed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import cni_ptp
from cni_ptp.console.cli import COMMANDS
from tests.console.people import CONF_DIR, ask, attach, configure
from tests.namespaces import PATH, Host, empty_directory, release_directory

WITH_OPTIONS = [name for name in COMMANDS if name not in ("help", "version")]


def ptp(plugin_file: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"]}
    return subprocess.run([str(plugin_file), *argv], text=True, capture_output=True, check=False, env=environ)


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command_on_stdout(plugin_file: Path, argv: list[str]) -> None:
    done = ptp(plugin_file, *argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("argv", [["help"], ["version"], ["doctor"], ["list", "--help"]], ids=" ".join)
def test_who_stops_reading_is_no_failure_to_complain_about(plugin_file: Path, argv: list[str]) -> None:
    """Status 141, as a shell has it for a program that SIGPIPE ended."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        done = subprocess.run([str(plugin_file), *argv], stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("argv", [["help"], ["version"], ["doctor"], ["list", "--help"]], ids=" ".join)
def test_output_that_can_not_be_written_is_a_failure(plugin_file: Path, argv: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(plugin_file), *argv], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3 and b"ENOSPC" in done.stderr


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


MAN = Path(__file__).parents[2] / "docs" / "man" / "ptp.8"


def man_sections() -> dict[str, str]:
    """What the man page says under each command."""
    commands = MAN.read_text().replace("\\-", "-").split("\n.SH COMMANDS\n")[1].split("\n.SH ")[0]
    return {name: text for name, _, text in (part.partition("\n") for part in commands.split(".SS ")[1:])}


def test_the_man_page_has_every_command_and_no_other() -> None:
    assert list(man_sections()) == list(COMMANDS)


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_the_man_page_has_every_option_of_a_command_and_no_other(plugin_file: Path, name: str) -> None:
    usage = ptp(plugin_file, name, "--help").stdout.partition("\n\n")[0]
    in_code = set(re.findall(r"--[a-z-]+", usage))
    assert set(re.findall(r"--[a-z-]+", man_sections()[name])) == in_code


def test_the_man_page_is_well_formed() -> None:
    """The formatter under man says nothing against it."""
    argv = ["groff", "-man", "-Tutf8", "-ww", str(MAN)]
    done = subprocess.run(argv, text=True, capture_output=True, check=False, env={"PATH": PATH})
    assert (done.returncode, done.stderr) == (0, "")
    assert "gc --dry-run" in done.stdout


@pytest.mark.parametrize("argv", [["list"], ["show", "c1"], ["gc", "--dry-run"]])
def test_who_may_not_see_the_firewall_is_told_so_instead_of_that_there_is_none(host: Host, argv: list[str]) -> None:
    configure()
    attach(host, "c1")
    drop = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    done = host.run(*drop, str(host.plugin_file), *argv, "--conf-dir", CONF_DIR, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "CAP_NET_ADMIN is missing: run it as root" in done.stderr


@pytest.mark.parametrize("name", ["", *WITH_OPTIONS])
def test_help_fits_a_terminal_of_80_columns(plugin_file: Path, name: str) -> None:
    lines = ptp(plugin_file, *name.split(), "--help").stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []


def test_every_example_of_help_runs(host: Host) -> None:
    """In the order of a host's life; with the directories that are meant, empty but for what comes to be."""
    directories = ("/opt", "/etc/cni", "/usr/lib/cni")
    for directory in directories:
        empty_directory(directory)
    try:
        done = [line for name in ("demo", "install") for line in examples(host, name)]
        listed = json.loads(Path("/etc/cni/net.d/10-mynet.conflist").read_text())
        attach(host, "4711", {**listed["plugins"][0], "name": listed["name"], "cniVersion": listed["cniVersion"]})
        done += [line for name in ("doctor", "list", "show", "gc", "verify") for line in examples(host, name)]
        assert ask(host, "gc", "--none-valid").returncode == 0
        done += examples(host, "uninstall")
        assert len(done) > 10
    finally:
        for directory in directories:
            release_directory(directory)


def examples(host: Host, name: str) -> list[str]:
    """The command lines under `examples:` of a command's help, which were run."""
    text = ask(host, name, "--help").stdout.partition("\nexample")[2]
    lines = [line.strip().partition("   ")[0] for line in text.splitlines() if line.startswith("  ptp ")]
    for line in lines:
        done = host.run("sh", "-c", line.replace("ptp", str(host.plugin_file), 1), check=False)
        # doctor's status tells of the host, which has no plugins in one of the places; it is understood, though.
        assert done.returncode == 0 or (name == "doctor" and "usage" not in done.stderr), (line, done)
    return lines
