"""Where two built files differ, in words.  Nothing of the file in question is executed or unmarshalled.

Needed as long as a built file has bytecode, which nobody can read: see launch.
"""

from __future__ import annotations

import ast
import io
import marshal
import zipfile

from . import pack

PACK = pack.PACKAGE + "/bundle/pack.py"
_MANIFEST = pack.PACKAGE + "/bundle/manifest.py"
# What zipfile raises at an archive that somebody damaged.
UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
)


def compared(built: bytes, expected: bytes) -> list[str]:
    """Return where two built files differ, in words; [] if nowhere.

    Every byte counts: launch code, index, bytecode, and the archive with its headers.  Must be called in a process that
    packs (pack.OPTIONS), else the names of modules are wrong.
    """
    if built == expected:
        return []
    found = [_place(expected, next((i for i, (a, b) in enumerate(zip(built, expected)) if a != b), len(expected)))]
    try:
        ours, theirs = pack.sources_of(expected), pack.sources_of(built)
    except UNREADABLE as e:
        return [*found, f"its archive cannot be read: {e}"]
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            found.append(
                f"{name}: " + ("missing" if name not in theirs else "not ours" if name not in ours else "other content")
            )
    return found


def unlisted(sources: dict[str, bytes]) -> list[str]:
    """Return what the archive holds besides the files that the manifest in it lists, and what it lacks, in words.

    A module outside the package would be found before the standard library's, by a Python that runs the sources.
    """
    try:
        tree = ast.parse(sources[_MANIFEST])
        [listed] = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    except (KeyError, SyntaxError, ValueError, RecursionError, MemoryError):
        return [f"it has no list of its files, {_MANIFEST}"]
    names = {name for name in listed if isinstance(name, str)} | {pack.LICENCE}
    return [f"{name}: not in its list of files" for name in sorted(sources) if name not in names] + [
        f"{name}: missing, though in its list of files" for name in sorted(names - {pack.LICENCE} - sources.keys())
    ]


def _place(expected: bytes, offset: int) -> str:
    """Return what an offset of a built file belongs to."""
    blob = pack.blob_of(expected)
    if offset < pack.HEAD_SIZE:
        return f"byte {offset}, in the head"
    if offset >= pack.HEAD_SIZE + len(blob):
        return f"byte {offset}, in the archive"
    stream = io.BytesIO(blob)
    launch = marshal.load(stream)  # noqa: S302  it was made by this process
    if offset < pack.HEAD_SIZE + stream.tell():
        return f"byte {offset}, in the launch code with the index of the bytecode"
    # Which constant comes first varies: the index is by far the longest.
    index = max([value for value in launch.co_consts if isinstance(value, bytes)], key=len)
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
    return f"byte {offset}, in the bytecode"
