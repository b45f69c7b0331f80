"""Nothing of the working directory, the environment or the caller's descriptors gets into what root executes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.console.cli import COMMANDS
from tests.build.checkouts import interpreters
from tests.console.people import CONF, CONF_DIR, attach, configure
from tests.console.runtime import remember
from tests.descriptors import INHERITED, with_descriptors
from tests.namespaces import Host
from tests.security.hostile_directory import PROGRAMS, ROOT, HostileDirectory

SYSTEM_PYTHON = "/usr/bin/python3"
# A command line for each command, with {to} for a directory of plugins and {file} for the built file.
LINES = {
    "demo": ["demo"],
    "doctor": ["doctor", "--conf-dir", CONF_DIR, "--cni-path", "{to}"],
    "list": ["list", "--conf-dir", CONF_DIR],
    "check": ["check"],
    "metrics": ["metrics", "--output", "{to}/ptp.prom"],
    "completion": ["completion", "bash"],
    "repair": ["repair"],
    "show": ["show", "c1", "--conf-dir", CONF_DIR],
    "gc": ["gc", "--dry-run", "--conf-dir", CONF_DIR],
    "install": ["install", "--to", "{to}", "--with-ipam", "--conflist", "other", "--conf-dir", "{to}", "--force"],
    "uninstall": ["uninstall", "--to", "{to}", "--force"],
    "verify": ["verify", "--verbose", "{file}"],
    "version": ["version"],
    "help": ["help"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> HostileDirectory:
    path = tmp_path_factory.mktemp("hostile") / "directory"
    path.mkdir()
    return HostileDirectory(path)


def run(hostile: HostileDirectory, argv: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """The program, finished, in the hostile directory with the hostile environment."""
    every = {**hostile.environ, **environ}
    return subprocess.run(argv, cwd=hostile.path, env=every, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def ways(hostile: HostileDirectory, file: Path) -> dict[str, list[str]]:
    """How a person starts the file there."""
    copy, link = hostile.path / "ptp", hostile.path / "link"
    if not copy.exists():
        shutil.copy(file, copy)
        link.symlink_to(file)
    return {
        "by its path": [str(file)],
        "a copy there": ["./ptp"],
        "a link there": ["./link"],
        "a copy there by the Python": [SYSTEM_PYTHON, "-I", "-S", "./ptp"],
        "by another Python": [list(interpreters())[-1], "-I", "-S", str(file)],
    }


WAYS = ["by its path", "a copy there", "a link there", "a copy there by the Python", "by another Python"]


def test_the_traps_work(hostile: HostileDirectory) -> None:
    for line in ("ast", "cni_ptp.console", "usercustomize"):
        subprocess.run([SYSTEM_PYTHON, "-c", f"import {line}"], cwd=hostile.path, env={"HOME": hostile.environ["HOME"]})
        assert hostile.executed(), line
    for name in PROGRAMS:
        run(hostile, ["/usr/bin/env", name, "--version"])
        assert f"program {name}" in hostile.executed()
    script = "import _imp, sys; _imp.create_dynamic(sys.implementation.__class__(name='_json', origin='./_json.so'))"
    subprocess.run([SYSTEM_PYTHON, "-I", "-c", script], cwd=hostile.path, capture_output=True)
    assert "a C module" in hostile.executed()


def test_every_command_is_tried() -> None:
    assert set(LINES) == set(COMMANDS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", list(LINES))
def test_a_command_executes_nothing_of_the_directory_it_is_called_in(
    host: Host, hostile: HostileDirectory, tmp_path: Path, name: str, way: str
) -> None:
    configure()
    remember("c1", attach(host, "c1"), CONF)
    to = tmp_path / "bin"
    to.mkdir(mode=0o755)
    shutil.copy(host.plugin_file, to / "ptp")
    words = [word.format(to=to, file=host.plugin_file) for word in LINES[name]]

    done = run(hostile, [*ways(hostile, host.plugin_file)[way], *words])

    assert hostile.executed() == []
    usual = {"doctor": (0, 1, 2), "verify": (0, 3) if way == "by another Python" else (0,)}
    assert done.returncode in usual.get(name, (0,)), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_a_verb_executes_nothing_of_the_directory_it_is_called_in(
    host: Host, hostile: HostileDirectory, tmp_path: Path, way: str
) -> None:
    """With iptables and another IPAM plugin, so that programs are started."""
    container = host.container()
    plugin = tmp_path / "other"
    plugin.write_text(
        '#!/bin/sh\n[ $CNI_COMMAND != ADD ] || echo \'{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}]}\'\n'
    )
    plugin.chmod(0o755)
    conf: dict[str, Any] = {**CONF, "cniVersion": "1.1.0", "ipMasqBackend": "iptables", "ipam": {"type": "other"}}
    for command in ("VERSION", "STATUS", "ADD", "CHECK", "DEL", "GC"):
        if command == "GC":
            conf["cni.dev/valid-attachments"] = []
        variables = host.environment(command, "c1", container.path, "eth0", f":.:bin:{tmp_path}", "")
        del variables["PATH"]
        done = subprocess.run(
            ways(hostile, host.plugin_file)[way],
            cwd=hostile.path,
            env={**hostile.environ, **variables, "PATH": "/usr/sbin:/usr/bin"},
            input=json.dumps(conf),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if command == "ADD":
            conf["prevResult"] = json.loads(done.stdout)
    assert hostile.executed() == []


TOOLS = [
    ["tools/build_ptp.py", "build", "--to", "{to}"],
    ["tools/build_ptp.py", "verify"],
    ["tools/busybox_image.py"],
    ["tools/readme_figures.py", "--check"],
    ["tools/demo_output.py", "--check"],
    ["tools/bench.py", "--help"],
    ["tools/bench_flat.py", "--help"],
    ["tools/bench_masquerade.py", "--help"],
]


@pytest.mark.parametrize("words", TOOLS, ids=lambda words: " ".join(words[:2]))
def test_a_tool_as_it_is_documented_executes_nothing_of_the_directory_it_is_called_in(
    host: Host, hostile: HostileDirectory, tmp_path: Path, words: list[str]
) -> None:
    argv = [SYSTEM_PYTHON, "-I", "-S", str(ROOT / words[0]), *[word.format(to=tmp_path) for word in words[1:]]]
    done = subprocess.run(argv, cwd=hostile.path, env=hostile.environ, capture_output=True)
    assert hostile.executed() == []
    assert b"Traceback" not in done.stderr, done.stderr.decode()


def test_the_build_isolates_itself_where_its_caller_did_not(hostile: HostileDirectory, tmp_path: Path) -> None:
    tool = str(ROOT / "tools/build_ptp.py")
    argv = [SYSTEM_PYTHON, "-I", tool, "build", "--interpreter", SYSTEM_PYTHON, "--to", str(tmp_path)]
    assert run(hostile, argv).returncode == 0
    assert hostile.executed() == []
    assert subprocess.run([tmp_path / "ptp", "version"], capture_output=True).returncode == 0


DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "tools/prepare.sh")]
DOCUMENTS += sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs/man").iterdir(), *(ROOT / "deploy").rglob("*.yaml")]
)
# A Python with something to execute: `python3 dist/ptp`, "$(PYTHON)" tools/x.py, [python3, /opt/x.py], python3 -m json.
_PYTHON = r"""(?:\bpython3?[\d.]*"?,?|"?\$\(PYTHON\)"?|"?\$(?:PYTHON|python)\b"?)"""
_STARTS = re.compile(_PYTHON + r"\s+(-[^\s`]+(?:,? -[^\s`]+)*|[\w/]+\.py|dist/ptp|/opt/[\w/.-]+)")


def _starts(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        for match in _STARTS.finditer(line):
            yield match[1]


def test_the_starts_of_a_python_in_documents_are_found() -> None:
    found = [start for path in DOCUMENTS for start in _starts(path)]
    assert "-I -S" in [start[:5] for start in found]
    assert len(found) > 10


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_start_a_python_isolated(path: Path) -> None:
    # pytest needs the checkout; nothing of the product's is started so.
    assert [s for s in _starts(path) if not s.startswith("-I") and s not in ("-m", "-m pytest")] == []


def test_every_example_in_the_help_starts_a_python_isolated() -> None:
    sources = "".join([path.read_text() for path in (ROOT / "cni_ptp/console").glob("*.py")])
    assert re.findall(r"(?:\| |[=`])python3 (?!-I ).*", sources) == []


# --- descriptors ----------------------------------------------------------------------------------------------------


def listed(log: Path) -> set[int]:
    """The descriptors that a Python found open in itself when it listed them."""
    return {int(word) for word in log.read_text().split()}


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "STATUS", "GC"])
def test_an_ipam_plugin_gets_descriptors_0_1_and_2_only(host: Host, tmp_path: Path, command: str) -> None:
    log = tmp_path / "log"
    script = "import os\nopen({log!r}, 'w').write(' '.join(os.listdir('/proc/self/fd')))\n"
    plugin = tmp_path / "other"
    plugin.write_text(f"#!{SYSTEM_PYTHON} -IS\n{script.format(log=str(log))}print('{{}}')\n")
    plugin.chmod(0o755)
    container = host.container()
    conf: dict[str, Any] = {**CONF, "cniVersion": "1.1.0", "ipMasq": False, "ipam": {"type": "other"}}
    conf["cni.dev/valid-attachments"] = []
    conf["prevResult"] = {"cniVersion": "1.1.0", "interfaces": [], "ips": []}

    # close_fds is subprocess's default, and would hide what a runtime leaves open.
    with_descriptors(lambda: host.plugin(command, conf, netns=container.path, path=str(tmp_path), pass_fds=INHERITED))

    # 3 is the listing's own; 4 the log's.
    assert listed(log) <= {0, 1, 2, 3, 4}


def test_iptables_gets_descriptors_0_1_and_2_only(host: Host) -> None:
    container = host.container()
    conf = {**CONF, "ipMasqBackend": "iptables"}
    wrapper = Path("/run/traced")
    wrapper.write_text(
        f"#!/bin/sh\nexec strace -f -y -qq -e trace=execve,fcntl,dup2,close -o /run/trace {host.plugin_file}\n"
    )
    wrapper.chmod(0o755)

    with_descriptors(lambda: host.plugin("ADD", conf, netns=container.path, exe=wrapper, pass_fds=INHERITED).ok())

    lines = Path("/run/trace").read_text().splitlines()
    started = next(i for i, line in enumerate(lines) if "execve(" in line and "iptables-restore" in line)
    for number in INHERITED:
        closing = [line for line in lines[:started] if f"fcntl({number}<" in line and "FD_CLOEXEC" in line]
        assert closing, number


def test_the_interpreter_that_doctor_asks_gets_descriptors_0_1_and_2_only(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    python = tmp_path / "python3"
    listing = f"import os; open({str(log)!r}, 'w').write(' '.join(os.listdir('/proc/self/fd')))"
    python.write_text(f'#!/bin/sh\n{SYSTEM_PYTHON} -IS -c "{listing}"\nexec {SYSTEM_PYTHON} "$@"\n')
    python.chmod(0o755)
    plugin = tmp_path / "ptp"
    rest = host.plugin_file.read_bytes().partition(b" ")[2]
    plugin.write_bytes(f"#!{python} ".encode() + rest)
    plugin.chmod(0o755)
    argv = [str(host.plugin_file), "doctor", "--cni-path", str(tmp_path)]

    with_descriptors(lambda: host.run(*argv, check=False, pass_fds=INHERITED))

    assert listed(log) <= {0, 1, 2, 3, 4}
