"""ptp completion: bash loads what it prints and completes by it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cni_ptp.console.cli import COMMANDS
from tests.console.people import ask, attach
from tests.namespaces import PATH, Host

COMPLETE = """
set -e
source {file}
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_ptp || true
printf '%s\n' "${{COMPREPLY[@]}}"
"""


def completed(host: Host, tmp_path: Path, words: str) -> list[str]:
    """What bash offers for the last of the words; "" is one that was not begun."""
    file = tmp_path / "ptp.bash"
    file.write_text(ask(host, "completion", "bash").stdout)
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    shutil.copy(host.plugin_file, programs / "ptp")
    script = COMPLETE.format(file=file, words=words)
    done = host.run("bash", "--norc", "-c", script, env={"PATH": f"{programs}:{PATH}"})
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_are_completed(host: Host, tmp_path: Path) -> None:
    assert completed(host, tmp_path, "ptp ''") == list(COMMANDS)
    assert completed(host, tmp_path, "ptp re") == ["repair"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ptp list --un", ["--unhealthy"]),
        ("ptp repair --dr", ["--dry-run"]),
        ("ptp completion z", ["zsh"]),
        ("ptp help doc", ["doctor"]),
    ],
)
def test_options_are_completed(host: Host, tmp_path: Path, words: str, offered: list[str]) -> None:
    assert completed(host, tmp_path, words) == offered


def test_every_option_of_help_is_offered(host: Host, tmp_path: Path) -> None:
    offered = completed(host, tmp_path, "ptp gc --")
    assert {"--dry-run", "--none-valid", "--valid", "--network", "--help"} <= set(offered)


def test_names_of_containers_are_completed(host: Host, tmp_path: Path) -> None:
    attach(host, "web1")
    attach(host, "db1")
    assert completed(host, tmp_path, "ptp show w") == ["web1"]


def test_a_name_that_a_shell_would_expand_is_not_offered(host: Host, tmp_path: Path) -> None:
    """Anybody who makes a link chooses what its alias says; the shell expands what it is offered."""
    mark = tmp_path / "executed"
    host.run("ip", "link", "add", "v0", "alias", f"cni-ptp mynet $(touch${{IFS}}{mark}) eth0", "type", "veth")
    assert completed(host, tmp_path, "ptp show ''") == [] and not mark.exists()


def test_directories_are_completed_for_an_option_that_takes_one(host: Host, tmp_path: Path) -> None:
    (tmp_path / "net.d").mkdir()
    assert completed(host, tmp_path, f"ptp list --conf-dir {tmp_path}/ne") == [f"{tmp_path}/net.d"]


def test_zsh_gets_a_file_with_every_command(host: Host) -> None:
    text = ask(host, "completion", "zsh").stdout
    assert text.startswith("#compdef ptp\n") and all(f"        {name}) _arguments" in text for name in COMMANDS)
    assert subprocess.run(["bash", "-n"], input=text.split("_ptp() {")[0], text=True, check=False).returncode in (0, 2)
