"""ptp verify: a built file is what the sources inside it make, or it is said where not; nothing of it is executed."""

from __future__ import annotations

import copy
import hashlib
import io
import re
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from cni_ptp.bundle import built_file, pack
from tests.build.checkouts import built_by, interpreters
from tests.namespaces import Host

VERIFIED, DIFFERS, USAGE, NOT_TOLD = 0, 1, 2, 3
SYSTEM_PYTHON = "/usr/bin/python3"


def verify(plugin_file: Path, file: Path, *options: str, python: str = "") -> subprocess.CompletedProcess[str]:
    """`ptp verify`, finished."""
    prefix = [python, "-I", "-S"] if python else []
    argv = [*prefix, str(plugin_file), "verify", *options, str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={})
    assert "Traceback" not in done.stderr, done.stderr
    return done


def verdict(plugin_file: Path, tmp_path: Path, content: bytes, *options: str) -> tuple[int, str]:
    """(exit status, output) for a file of this content."""
    file = tmp_path / "file"
    file.write_bytes(content)
    done = verify(plugin_file, file, *options)
    return done.returncode, done.stdout


def repacked(content: bytes, changes: dict[str, bytes | None], interpreter: str = SYSTEM_PYTHON) -> bytes:
    """The file that somebody makes who changes sources and builds again, in the same Python; None removes one."""
    sources: dict[str, bytes | None] = {**pack.sources_of(content), **changes}
    kept = {name: source for name, source in sources.items() if source is not None}
    return built_file.packed(kept, interpreter, SYSTEM_PYTHON)


def test_the_built_file_is_verified_by_one_line(plugin_file: Path) -> None:
    done = verify(plugin_file, plugin_file)
    assert (done.returncode, done.stderr) == (VERIFIED, "")
    assert re.fullmatch(rf"verified: {plugin_file} is what the \d+ files .*\n", done.stdout)


def test_verbose_prints_the_sums_of_the_file_and_of_each_source(plugin_file: Path) -> None:
    lines = verify(plugin_file, plugin_file, "--verbose").stdout.splitlines()
    content = plugin_file.read_bytes()
    sums = {name: hashlib.sha256(source).hexdigest() for name, source in pack.sources_of(content).items()}
    assert lines[:-2] == [f"{digest}  {name}" for name, digest in sorted(sums.items())]
    assert lines[-2] == f"{hashlib.sha256(content).hexdigest()}  {plugin_file}"


def test_a_flipped_bit_is_found_wherever_it_is(plugin_file: Path, tmp_path: Path) -> None:
    """In the first line, head, launch code, index, bytecode of each part, sources, headers, directory, and its end."""
    content = plugin_file.read_bytes()
    archive = content.index(b"PK\x03\x04", len(content) // 4)
    directory = content.rindex(b"PK\x01\x02")
    places = [0, 3, 40, 70, 500, pack.HEAD_SIZE - 1, pack.HEAD_SIZE, pack.HEAD_SIZE + 3000]
    places += list(range(pack.HEAD_SIZE + 8000, archive, (archive - pack.HEAD_SIZE) // 8))
    places += [archive - 1, archive + 4, archive + 10, archive + 14, archive + 31, archive + 200]
    places += [directory + 8, directory + 16, directory + 38, directory + 42, directory + 47]
    places += list(range(len(content) - 22, len(content), 4))
    for place in places:
        for bit in (0, 7):
            flipped = content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
            status, output = verdict(plugin_file, tmp_path, flipped)
            assert (status, output.split(":")[0], output.count("\n")) == (DIFFERS, "NOT verified", 1), (place, output)


@pytest.mark.parametrize(
    "module", ["cni_ptp/commands/delete.py", "cni_ptp/bundle/launch.py", "cni_ptp/console/show.py"]
)
def test_a_swapped_module_is_found_and_named(plugin_file: Path, tmp_path: Path, module: str) -> None:
    """Its bytecode is another's, its source is what an auditor expects; and the other way round."""
    content = plugin_file.read_bytes()
    source = pack.sources_of(content)[module]
    other = repacked(content, {module: source + b"\nimport os\n"})
    archive = content.index(b"PK\x03\x04", len(content) // 4)
    other_archive = other.index(b"PK\x03\x04", len(content) // 4)

    status, output = verdict(plugin_file, tmp_path, moved(other[:other_archive], content[archive:], archive))
    assert status == DIFFERS
    if module != "cni_ptp/bundle/launch.py":
        assert f"in the bytecode of {module[:-3].replace('/', '.')}" in output or "index" in output
    status, output = verdict(plugin_file, tmp_path, moved(content[:archive], other[other_archive:], other_archive))
    assert status == DIFFERS


def moved(before: bytes, archive: bytes, began: int) -> bytes:
    """The archive, which began elsewhere in its file, behind these bytes: its offsets follow."""
    at = archive.rindex(b"PK\x05\x06")
    entries, size, offset = struct.unpack_from("<HLL", archive, at + 10)
    by = len(before) - began
    content = bytearray(archive)
    place = offset - began
    for _ in range(entries):
        name, extra, comment = struct.unpack_from("<HHH", content, place + 28)
        struct.pack_into("<L", content, place + 42, struct.unpack_from("<L", content, place + 42)[0] + by)
        place += 46 + name + extra + comment
    struct.pack_into("<L", content, at + 16, offset + by)
    return before + bytes(content)


def appended(content: bytes, name: str, source: bytes) -> bytes:
    """The file with one more member in its archive."""
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(name, source)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "name", ["json.py", "cni_ptp/evil.py", "cni_ptp/main.pyc", "evil/__init__.py", "../evil", "a\n\x1b[2J.py"]
)
def test_a_member_that_is_not_listed_is_found(plugin_file: Path, tmp_path: Path, name: str) -> None:
    """Added by an archiver, or by the build itself."""
    content = plugin_file.read_bytes()
    made = [appended(content, name, b"print()\n")]
    made += [repacked(content, {name: b"print()\n"})] if name.endswith(".py") and name.isprintable() else []
    for file in made:
        status, output = verdict(plugin_file, tmp_path, file)
        assert status == DIFFERS and "\x1b" not in output and output.count("\n") == 1, output


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["cni_ptp/main.py", "__main__.py"])
def test_a_member_that_is_there_twice_is_found(plugin_file: Path, tmp_path: Path, name: str) -> None:
    content = plugin_file.read_bytes()
    with zipfile.ZipFile(plugin_file) as archive:
        same = archive.read(name)
    for source in (b"print()\n", same):
        assert verdict(plugin_file, tmp_path, appended(content, name, source))[0] == DIFFERS


def test_a_missing_module_is_found_though_all_else_fits(plugin_file: Path, tmp_path: Path) -> None:
    content = repacked(plugin_file.read_bytes(), {"cni_ptp/console/show.py": None})
    status, output = verdict(plugin_file, tmp_path, content)
    assert status == DIFFERS and "cni_ptp/console/show.py: missing" in output


def test_a_directory_of_the_archive_that_disagrees_with_a_header_is_found(plugin_file: Path, tmp_path: Path) -> None:
    content = plugin_file.read_bytes()
    name = b"cni_ptp/main.py"
    with zipfile.ZipFile(plugin_file) as archive:
        at = archive.getinfo(name.decode()).header_offset + 30
    assert content[at - 30 : at - 26] == b"PK\x03\x04"
    status, output = verdict(plugin_file, tmp_path, content[:at] + b"cni_ptp/mainX.p"[: len(name)] + content[at + 15 :])
    assert status == DIFFERS, output


@pytest.mark.parametrize("more", [b"\n", b"\0" * 100, b"PK\x05\x06" + bytes(18)])
def test_bytes_behind_or_before_are_found(plugin_file: Path, tmp_path: Path, more: bytes) -> None:
    content = plugin_file.read_bytes()
    for file in (content + more, more + content, content[:-1], content[: len(content) // 2]):
        assert verdict(plugin_file, tmp_path, file)[0] == DIFFERS


_MOST_RSS_KIB = 200 << 10


@pytest.mark.parametrize("kind", ["deflated", "overlapping"])
def test_an_archive_that_claims_more_than_the_file_has_is_not_unpacked(
    plugin_file: Path, tmp_path: Path, kind: str
) -> None:
    """A gigabyte of zeroes in a megabyte, or a thousand members that are the same bytes."""
    stream = io.BytesIO(plugin_file.read_bytes())
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        if kind == "deflated":
            with archive.open("cni_ptp/evil.py", "w", force_zip64=True) as member:
                for _ in range(1024):
                    member.write(bytes(1 << 20))
        else:
            first = archive.getinfo("cni_ptp/bundle/manifest.py")
            for i in range(2000):
                copied = copy.copy(first)
                copied.filename = copied.orig_filename = f"cni_ptp/m{i}.py"
                copied.file_size = copied.compress_size = 1 << 20
                archive.filelist.append(copied)
                archive.NameToInfo[copied.filename] = copied
            archive.comment = b"x"
    file = tmp_path / "file"
    file.write_bytes(stream.getvalue())
    argv = ["/usr/bin/python3", "-I", "-S", "-c", _PEAK, str(plugin_file), "verify", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={})
    status, peak = map(int, done.stdout.splitlines()[-1].split())
    assert status == DIFFERS and "archive cannot be read" in done.stdout, done.stdout + done.stderr
    assert peak < _MOST_RSS_KIB


_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
"""


def test_a_comment_of_the_archive_is_found(plugin_file: Path, tmp_path: Path) -> None:
    stream = io.BytesIO(plugin_file.read_bytes())
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = b"hello"
    assert verdict(plugin_file, tmp_path, stream.getvalue())[0] == DIFFERS


@pytest.mark.parametrize("interpreter", ["/tmp/evil/python3", "/usr/bin/python3.11", "/usr/local/bin/python3"])
def test_another_interpreter_in_the_first_line_is_found_unless_it_is_expected(
    plugin_file: Path, tmp_path: Path, interpreter: str
) -> None:
    """In the line alone, and in a file that was built for it."""
    content = plugin_file.read_bytes()
    line, rest = content.split(b" ", 1)
    for file in (f"#!{interpreter} ".encode() + rest, repacked(content, {}, interpreter)):
        status, output = verdict(plugin_file, tmp_path, file)
        assert status == DIFFERS and f"its first line names '{interpreter}', not {SYSTEM_PYTHON}" in output
    status, output = verdict(plugin_file, tmp_path, repacked(content, {}, interpreter), "--python", interpreter)
    assert status == VERIFIED and f"for {interpreter}" in output


def test_nothing_of_the_file_is_executed(host: Host, tmp_path: Path) -> None:
    """Neither its modules, nor what stands for them, nor the Python that it names."""
    plugin_file = host.plugin_file
    content = plugin_file.read_bytes()
    trap = f"import posix; posix.mkdir({str(tmp_path / 'executed')!r})\n".encode()
    python = Path("/run/python3")
    python.write_text(f"#!/bin/sh\nmkdir {tmp_path}/executed\n")
    python.chmod(0o755)
    sources = pack.sources_of(content)
    every = {name: source + b"\n" + trap for name, source in sources.items() if name.endswith(".py")}
    for options in ([], ["--python", str(python)]):
        verdict(plugin_file, tmp_path, repacked(content, dict(every), str(python)), *options)
        verdict(plugin_file, tmp_path, appended(content, "ast.py", trap), *options)
    assert subprocess.run([python], check=False).returncode == 0 and (tmp_path / "executed").is_dir(), "the trap works"
    (tmp_path / "executed").rmdir()
    head, rest = content[: pack.HEAD_SIZE], content[pack.HEAD_SIZE :]
    verdict(plugin_file, tmp_path, head + b"c" + rest)
    assert not (tmp_path / "executed").exists()


def test_a_file_for_another_python_is_not_judged_and_the_one_that_is_needed_is_named(
    plugin_file: Path, tmp_path: Path
) -> None:
    """As the head tells; and where there is another Python, with a file that it built, which it can verify."""
    ours = version_of(SYSTEM_PYTHON)
    head = plugin_file.read_bytes()[: pack.HEAD_SIZE]
    other_head = head.replace(f"Python {ours}, then".encode(), b"Python 3.8, then").replace(
        b"NUMBER == b'", b"NUMBER == b'?"
    )
    status, output = verdict(plugin_file, tmp_path, other_head + plugin_file.read_bytes()[pack.HEAD_SIZE :])
    assert status == NOT_TOLD and f"was built for Python 3.8, and this is Python {ours}: python3.8 -I -S " in output
    for other in [python for python in interpreters() if version_of(python) != ours]:
        file = built_by(other, tmp_path)
        assert verify(plugin_file, file).returncode == NOT_TOLD
        by_it = verify(plugin_file, file, "--python", other, python=other)
        assert by_it.returncode == VERIFIED, by_it.stdout


def version_of(python: str) -> str:
    """Such as 3.11."""
    argv = [python, "-I", "-S", "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_each_python_verifies_what_it_built(tmp_path: Path) -> None:
    for number, python in enumerate(interpreters()):
        file = built_by(python, tmp_path / str(number))
        done = verify(file, file)
        assert done.returncode == VERIFIED, (python, done.stdout)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_built_file_is_not_verified(plugin_file: Path, tmp_path: Path, content: bytes) -> None:
    assert verdict(plugin_file, tmp_path, content)[0] == DIFFERS


def test_what_is_no_file_is_refused(plugin_file: Path, tmp_path: Path) -> None:
    assert verify(plugin_file, tmp_path / "none").returncode == NOT_TOLD
    done = verify(plugin_file, Path("/dev/zero"))
    assert done.returncode == NOT_TOLD and "not a regular file" in done.stderr


@pytest.mark.parametrize("source", [b"def f(:\n", b"\0", b"(" * 5000 + b")" * 5000, b"\xff\xfe"])
def test_a_source_that_cannot_be_compiled_is_no_crash(plugin_file: Path, tmp_path: Path, source: bytes) -> None:
    content = plugin_file.read_bytes()
    old = pack.sources_of(content)["cni_ptp/iptables_cmd.py"]
    changed = source.ljust(len(old), b"#")[: len(old)]
    stream = io.BytesIO(content[: content.index(b"PK\x03\x04", len(content) // 4)])
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(plugin_file) as archive, zipfile.ZipFile(stream, "a") as other:
        for name in archive.namelist():
            other.writestr(name, changed if name == "cni_ptp/iptables_cmd.py" else archive.read(name))
    status, output = verdict(plugin_file, tmp_path, stream.getvalue())
    assert status == DIFFERS and output.count("\n") == 1, output
