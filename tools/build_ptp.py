"""Builds dist/ptp, its SHA256SUMS and its SBOM; verifies a built file against the sources; writes the list of sources.

    build_ptp.py build  [--interpreter PATH] [--to DIRECTORY]
    build_ptp.py verify [--interpreter PATH] [FILE]
    build_ptp.py manifest

Run it by the Python that shall run the plugin: bytecode is bound to one version of it.  A file is packed and verified
if git lists it, or where there is no git repository if cni_ptp/bundle/manifest.py does; never because it lies there.
"""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ISOLATED = ("-I", "-S", "-B", "-X", "pycache_prefix=/nonexistent", "-X", "no_debug_ranges")
if __name__ == "__main__" and not (sys.flags.isolated and sys.pycache_prefix == "/nonexistent"):
    # Anew, before anything is imported that the working directory or the environment may have chosen.
    os.execve(sys.executable, [sys.executable, *_ISOLATED, *sys.argv], {"PATH": os.environ.get("PATH", os.defpath)})
# The checkout comes last: the standard library is never looked for in it.
sys.path += [os.path.join(ROOT, "tools"), ROOT]

import argparse  # noqa: E402
import hashlib  # noqa: E402
import shutil  # noqa: E402

import sbom  # noqa: E402

import cni_ptp  # noqa: E402
from cni_ptp.bundle import built_file, comparison, manifest, pack  # noqa: E402
from cni_ptp.console import atomic_file  # noqa: E402
from cni_ptp.system import spawn  # noqa: E402

SUMS = "SHA256SUMS"
SBOM = "ptp.spdx.json"
MANIFEST = os.path.join(ROOT, "cni_ptp", "bundle", "manifest.py")
_GITS = ("/usr/bin/git", "/usr/local/bin/git", "/bin/git")


def main() -> int:
    """Exit status: 0, or 1 if a verified file is not what the sources make."""
    parser = argparse.ArgumentParser(description="Builds and verifies the plugin's one file.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    build_verb = verbs.add_parser("build")
    build_verb.add_argument("--to", default=os.path.join(ROOT, "dist"), help="the directory of the three files")
    verify_verb = verbs.add_parser("verify")
    verbs.add_parser("manifest")
    for verb in (build_verb, verify_verb):
        verb.add_argument("--interpreter", default=sys.executable, help="what the shebang line names")
    verify_verb.add_argument("file", nargs="?", default=os.path.join(ROOT, "dist", "ptp"))
    arguments = parser.parse_args()
    if arguments.verb == "manifest":
        return write_manifest()
    interpreter = interpreter_path(arguments.interpreter)
    if arguments.verb == "verify":
        return verify(arguments.file, interpreter)
    build(interpreter, arguments.to)
    return 0


def interpreter_path(wanted: str) -> str:
    """The absolute path for the shebang line; for a script that only finds a Python (pyenv's), the Python it found."""
    path = os.path.abspath(shutil.which(wanted) or wanted)
    with open(path, "rb") as f:
        is_script = f.read(2) == b"#!"
    return os.path.realpath(sys.executable) if is_script else path


def build(interpreter: str, directory: str) -> None:
    """The directory holds ptp, SHA256SUMS and the SBOM, each replaced at once."""
    names, lister = listed()
    sources = pack.sources_in(ROOT, names)
    os.makedirs(directory, exist_ok=True)
    files = made(sources, interpreter)
    atomic_file.sweep(directory)
    for name, content in files.items():
        path = os.path.join(directory, name)
        with atomic_file.Aside(path, content, 0o755 if name == "ptp" else 0o644) as aside:
            aside.move_to(path)
    size = len(files["ptp"]) // 1024
    print(f"{os.path.join(directory, 'ptp')}: {size} KiB, for {interpreter} ({python_version()})")
    stray = unlisted(names)
    if stray:
        print(f"left out, not in the list of {lister}: {', '.join(stray)}")


def listed() -> tuple[tuple[str, ...], str]:
    """Return (the files that are packed, who lists them): git's list of the checkout, else the manifest's."""
    names = git_list()
    return (names, "git") if names else (manifest.FILES, "cni_ptp/bundle/manifest.py")


def git_list() -> tuple[str, ...]:
    """Return the sources that git knows of; () where this is not a repository, or git will not or cannot tell."""
    git = next(filter(os.path.exists, _GITS), "")
    if not git or not os.path.lexists(os.path.join(ROOT, ".git")):
        return ()
    # A file system monitor would be a program of the repository's choice.
    argv = [git, "-c", "core.fsmonitor=false", "-C", ROOT, "ls-files", "-z", "--", pack.PACKAGE, pack.LICENCE]
    try:
        done = spawn.run(git, argv, spawn.ENVIRONMENT, b"")
    except (OSError, spawn.LimitExceeded):
        return ()
    names = [name for name in done.out.decode("utf-8", "surrogateescape").split("\0") if pack.is_source(name)]
    return tuple(sorted(names)) if done.status == 0 else ()


def unlisted(names: tuple[str, ...]) -> list[str]:
    """Return what lies in the package's directory and is not listed: files, and with a slash directories."""
    stray = set()
    for folder, folders, files in os.walk(os.path.join(ROOT, pack.PACKAGE)):
        here = os.path.relpath(folder, ROOT)
        for name in list(folders):
            if not any(listed_name.startswith(f"{here}/{name}/") for listed_name in names):
                stray.add(f"{name}/" if name == "__pycache__" else f"{here}/{name}/")
                folders.remove(name)
        stray.update([f"{here}/{name}" for name in files if f"{here}/{name}" not in names])
    return sorted(stray)


def write_manifest() -> int:
    """Write the manifest from git's list; 1 if there is none."""
    names = git_list()
    if not names:
        print("build_ptp.py: git does not list the sources here", file=sys.stderr)
        return 1
    with open(MANIFEST, encoding="utf-8") as f:
        head = f.read().partition("FILES = (")[0]
    content = head + "FILES = (\n" + "".join([f'    "{name}",\n' for name in names]) + ")\n"
    with atomic_file.Aside(MANIFEST, content.encode(), 0o644) as aside:
        aside.move_to(MANIFEST)
    return 0


def made(sources: dict[str, bytes], interpreter: str) -> dict[str, bytes]:
    """The contents of the files that a build writes, by name."""
    ptp = built_file.packed(sources, interpreter, sys.executable)
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
    sources = pack.sources_in(ROOT, listed()[0])
    expected = made(sources, interpreter)
    differences = comparison.compared(built, expected["ptp"])
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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()


if __name__ == "__main__":
    sys.exit(main())
