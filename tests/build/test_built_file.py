"""The one file: the same from the same sources, started by any Python, under any name, from any place."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from cni_ptp.bundle import pack
from tests.build.checkouts import ROOT, built_by, checkout, interpreters, launch_code

VERSION = {"CNI_COMMAND": "VERSION"}


def run(*argv: str | Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """The finished program; nothing but `environ` in its environment."""
    return subprocess.run([str(a) for a in argv], env=environ, capture_output=True, check=False)


@pytest.fixture
def reply(plugin_file: Path) -> bytes:
    """What a VERSION call prints."""
    done = run(plugin_file, **VERSION)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["cniVersion"] == "1.1.0"
    return done.stdout


def test_the_same_sources_make_the_same_files_wherever_they_lie(tmp_path: Path) -> None:
    python = next(interpreters())
    one = checkout(tmp_path / "one")
    other = checkout(tmp_path / "another with spaces")

    built_by(python, tmp_path / "1", one)
    built_by(python, tmp_path / "2", other, PYTHONHASHSEED="7", PYTHONOPTIMIZE="1", TZ="Asia/Tokyo")

    for name in ("ptp", "ptp.spdx.json", "SHA256SUMS"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_another_python_runs_the_same_program_from_the_sources(plugin_file: Path, reply: bytes) -> None:
    for python in interpreters():
        by_shebang = run(python, "-I", "-S", "-c", launch_code(plugin_file), plugin_file, **VERSION)
        by_name = run(python, plugin_file, **VERSION)

        for done in (by_shebang, by_name):
            assert (done.returncode, done.stdout, done.stderr) == (0, reply, b""), python


def test_each_python_builds_a_file_that_runs_from_its_own_bytecode(tmp_path: Path, reply: bytes) -> None:
    for number, python in enumerate(interpreters()):
        built = built_by(python, tmp_path / str(number))
        content = built.read_bytes()
        archive = content.index(b"PK\x03\x04", len(content) // 4)
        without_sources = tmp_path / f"{number}-bytecode-only"
        without_sources.write_bytes(content[:archive])
        without_sources.chmod(0o755)

        for file in (built, without_sources):
            done = run(file, **VERSION)
            assert (done.returncode, done.stdout, done.stderr) == (0, reply, b""), python


@pytest.mark.parametrize("name", ["host-local", "static", "a name with spaces", "ptp.new"])
def test_it_runs_as_a_copy_and_as_a_link_under_any_name(
    plugin_file: Path, reply: bytes, tmp_path: Path, name: str
) -> None:
    (tmp_path / "copy in a place with spaces").mkdir()
    copy = tmp_path / "copy in a place with spaces" / name
    shutil.copy(plugin_file, copy)
    link = tmp_path / name
    link.symlink_to(plugin_file)

    role = name if name in ("host-local", "static") else "ptp"
    for file in (copy, link):
        assert run(file, **VERSION).stdout == reply
        assert run(file).stderr.startswith(f"CNI {role} plugin".encode())


def test_it_runs_by_a_relative_path_and_through_path(plugin_file: Path, reply: bytes) -> None:
    directory, name = os.path.split(plugin_file)
    for argv in (["./" + name], ["/usr/bin/env", name]):
        done = subprocess.run(argv, cwd=directory, env={**VERSION, "PATH": directory}, capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (0, reply)


def test_neither_environment_nor_directory_can_put_code_into_it(
    plugin_file: Path, reply: bytes, tmp_path: Path
) -> None:
    for name in ("posix", "marshal", "cni_ptp", "os", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('foreign code ran')\n")

    hostile = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "os.py"), "PYTHONHOME": str(tmp_path)}
    command = [str(plugin_file)]
    done = subprocess.run(command, cwd=tmp_path, env={**VERSION, **hostile}, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, reply, b"")


def test_a_file_cut_short_during_a_call_answers_with_a_document_as_soon_as_it_can(
    plugin_file: Path, tmp_path: Path
) -> None:
    """As when somebody overwrites it in place: what an ADD loads first is there, what it loads next is not."""
    whole = plugin_file.read_bytes()
    size = re.search(rb"f\.read\((\d+)\)\)\)", whole[: pack.HEAD_SIZE])
    assert size is not None
    start = pack.HEAD_SIZE + int(size[1])
    conf = {"cniVersion": "1.0.0", "name": "n", "type": "ptp", "ipam": {"type": "host-local", "subnet": "10.0.0.0/24"}}
    environ = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/nonexistent", "CNI_IFNAME": "eth0", "CNI_COMMAND": "ADD"}
    codes = set()
    for end in range(start, start + 300_000, 10_000):
        cut = tmp_path / f"cut{end}"
        cut.write_bytes(whole[:end])
        cut.chmod(0o755)
        if run(cut, **VERSION).returncode == 0:
            stdin = json.dumps(conf).encode()
            done = subprocess.run([cut], env=environ, input=stdin, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (1, b"")
            codes.add(json.loads(done.stdout)["code"])
    assert codes == {999, 8}  # some cut off what ADD needs; some did not, and then there is no such namespace


def test_the_shebang_line_fits_any_build_and_any_kernel(plugin_file: Path) -> None:
    """The kernel may read the line of one build and Python open the next, so it must say nothing of what follows."""
    assert launch_code(plugin_file) == 'import sys;f=open(sys.argv[1],"rb",0);exec(f.read(1024))'
    head = plugin_file.read_bytes()[: pack.HEAD_SIZE]
    assert head.rstrip(b"#\n").endswith(b'run()")')
    assert len(head.split(b"\n", 1)[0]) < 127  # BINPRM_BUF_SIZE was 128 before Linux 5.1


def test_an_interpreter_that_no_shebang_line_can_name_is_refused() -> None:
    for interpreter in ("python3", "/opt/my python/bin/python3", "/" + "long/" * 30 + "python3"):
        with pytest.raises(ValueError, match="cannot be named in a shebang line"):
            pack.pack({pack.LAUNCH: b'INDEX = b""'}, interpreter, "3.11")


def test_a_script_that_looks_for_a_python_is_replaced_by_what_it_finds(tmp_path: Path) -> None:
    """As pyenv's python3, which takes 80 ms; found through PATH, as in `make PYTHON=python3`."""
    python = next(interpreters())
    script = tmp_path / "python3"
    script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    script.chmod(0o755)
    command = ["python3", str(ROOT / "tools/build_ptp.py"), "build", "--interpreter", "python3", "--to", str(tmp_path)]

    subprocess.run(command, check=True, capture_output=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    assert (tmp_path / "ptp").read_bytes().startswith(f"#!{python} -IS".encode())


def test_the_archive_holds_the_sources_and_nothing_else(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")

    with zipfile.ZipFile(built_by(next(interpreters()), tmp_path, root)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist()) - {"__main__.py", "LICENSE"}
        assert names == {str(path.relative_to(root)) for path in (root / "cni_ptp").rglob("*.py")}
        for name in names:
            assert archive.read(name) == (root / name).read_bytes()


def test_the_sbom_and_the_sums_name_every_file_by_its_hash(tmp_path: Path) -> None:
    built = built_by(next(interpreters()), tmp_path)

    document = json.loads((tmp_path / "ptp.spdx.json").read_text())
    listed = {f["fileName"]: f["checksums"][1]["checksumValue"] for f in document["files"]}

    with zipfile.ZipFile(built) as archive:
        hashes = {f"./{n}": hashlib.sha256(archive.read(n)).hexdigest() for n in archive.namelist()}
    del hashes["./__main__.py"]
    assert listed == hashes
    assert document["packages"][0]["checksums"][0]["checksumValue"] == hashlib.sha256(built.read_bytes()).hexdigest()
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path, check=False).returncode == 0
