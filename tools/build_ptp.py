"""Builds dist/ptp, its SHA256SUMS and its SBOM; or verifies a built file against the sources.

    build_ptp.py build  [--interpreter PATH] [--to DIRECTORY]
    build_ptp.py verify [--interpreter PATH] [FILE]

Run it by the Python that shall run the plugin: bytecode is bound to one version of it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import marshal
import os
import shutil
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import sbom  # noqa: E402

import cni_ptp  # noqa: E402
from cni_ptp.console import pack  # noqa: E402

SUMS = "SHA256SUMS"
SBOM = "ptp.spdx.json"


def main() -> int:
    """Exit status: 0, or 1 if a verified file is not what the sources make."""
    parser = argparse.ArgumentParser(description="Builds and verifies the plugin's one file.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    build_verb = verbs.add_parser("build")
    build_verb.add_argument("--to", default=os.path.join(ROOT, "dist"), help="the directory of the three files")
    verify_verb = verbs.add_parser("verify")
    for verb in (build_verb, verify_verb):
        verb.add_argument("--interpreter", default=sys.executable, help="what the shebang line names")
    verify_verb.add_argument("file", nargs="?", default=os.path.join(ROOT, "dist", "ptp"))
    arguments = parser.parse_args()
    interpreter = interpreter_path(arguments.interpreter)
    if arguments.verb == "verify":
        return verify(arguments.file, interpreter)
    build(interpreter, arguments.to)
    return 0


def in_a_process_of_its_own() -> None:
    """This program starts anew unless nothing but the sources and the Python version can shape what it makes.

    The order of constant sets depends on the hash seed (before 3.11), the sharing inside marshalled code on the strings
    that the process holds, and these on whether a module came from a cached .pyc file.
    """
    if os.environ.get("PYTHONHASHSEED") != "0" or sys.pycache_prefix != "/nonexistent":
        environ = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", os.defpath)}
        os.execve(sys.executable, [sys.executable, *pack.OPTIONS, *sys.argv], environ)


def interpreter_path(wanted: str) -> str:
    """The absolute path for the shebang line; for a script that only finds a Python (pyenv's), the Python it found."""
    path = os.path.abspath(shutil.which(wanted) or wanted)
    with open(path, "rb") as f:
        is_script = f.read(2) == b"#!"
    return os.path.realpath(sys.executable) if is_script else path


def build(interpreter: str, directory: str) -> None:
    """The directory holds ptp, SHA256SUMS and the SBOM, each replaced at once."""
    sources = pack.sources_in(ROOT)
    os.makedirs(directory, exist_ok=True)
    files = made(sources, interpreter)
    for name, content in files.items():
        _replace(os.path.join(directory, name), content, 0o755 if name == "ptp" else 0o644)
    size = len(files["ptp"]) // 1024
    print(f"{os.path.join(directory, 'ptp')}: {size} KiB, for {interpreter} ({python_version()})")


def made(sources: dict[str, bytes], interpreter: str) -> dict[str, bytes]:
    """The contents of the files that a build writes, by name."""
    ptp = pack.pack(sources, interpreter, python_version())
    files = {"ptp": ptp, SBOM: sbom.spdx(cni_ptp.__version__, ptp, sources)}
    sums = [f"{_sha256(content)}  {name}\n" for name, content in files.items()]
    return {**files, SUMS: "".join(sums).encode()}


def python_version() -> str:
    """The version that bytecode is bound to."""
    return "{}.{}".format(*sys.version_info)


def verify(path: str, interpreter: str) -> int:
    """The verdict is printed, in one line if it is good; 0 if every byte is what the sources of this checkout make.

    The interpreter is not taken from the file: its first line could name any program.
    """
    built = _content(path)
    sources = pack.sources_in(ROOT)
    expected = made(sources, interpreter)
    differences = compared(built, expected["ptp"])
    directory = os.path.dirname(path)
    for name in (SBOM, SUMS):
        beside = os.path.join(directory, name)
        if os.path.exists(beside) and _content(beside) != expected[name]:
            differences.append(f"{name} is not this build's")
    if differences:
        print(f"{path} is NOT what these sources make for {interpreter} ({python_version()}):")
        print("".join([f"  {difference}\n" for difference in differences]), end="")
        return 1
    made_of = f"what these {len(sources)} sources make for {interpreter} ({python_version()})"
    print(f"verified: {path} is {made_of}, byte for byte; SHA-256 {_sha256(built)}")
    return 0


def compared(built: bytes, expected: bytes) -> list[str]:
    """Where two built files differ, in words; [] if nowhere.  Nothing of `built` is executed or unmarshalled."""
    if built == expected:
        return []
    found = [_place(expected, next((i for i, (a, b) in enumerate(zip(built, expected)) if a != b), len(expected)))]
    try:
        ours, theirs = pack.sources_of(expected), pack.sources_of(built)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as e:
        return [*found, f"its archive can not be read: {e}"]
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            found.append(
                f"{name}: " + ("missing" if name not in theirs else "not ours" if name not in ours else "other content")
            )
    return found


def _place(expected: bytes, offset: int) -> str:
    """What an offset of a built file belongs to."""
    blob = pack.blob_of(expected)
    if offset < pack.HEAD_SIZE:
        return f"byte {offset}, in the head"
    if offset >= pack.HEAD_SIZE + len(blob):
        return f"byte {offset}, in the archive"
    stream = io.BytesIO(blob)
    launch = marshal.load(stream)  # noqa: S302  it was made by this process
    index = max([value for value in launch.co_consts if isinstance(value, bytes)], key=len)  # which comes first, varies
    _, groups, [rest] = marshal.loads(index)  # noqa: S302
    at = offset - pack.HEAD_SIZE - stream.tell()
    sources = pack.sources_of(expected)
    for start, size, _, names, packages, _ in groups + marshal.loads(rest)[1]:  # noqa: S302
        if start <= at < start + size:
            paths = [name.replace(".", "/") + ("/__init__.py" if name in packages else ".py") for name in names]
            # Of fewer modules a group is as long as these are in the whole of it.
            for number, name in enumerate(names, 1):
                if at - start < len(pack.marshalled([(path, sources[path]) for path in paths[:number]])):
                    return f"byte {offset}, in the bytecode of {name}"
    return f"byte {offset}, in the index of the bytecode"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()


def _replace(path: str, content: bytes, mode: int) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as f:
        f.write(content)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


if __name__ == "__main__":
    in_a_process_of_its_own()
    sys.exit(main())
