"""Which programs the repository's own files start: tests, tools, the Makefile, CI.  Read off their text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house import shell

ROOT = Path(__file__).parents[2]
# The functions and methods that start the program which is their first argument, or the first of that list.
RUNNERS = {"run", "start", "Popen", "check_call", "check_output", "call", "execvp", "which"}


def files() -> list[Path]:
    """The Makefile, CI's script, and whatever lies in tests and tools."""
    found = [
        path for folder in ("tests", "tools") for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh")
    ]
    return [ROOT / "Makefile", ROOT / ".ci" / "run", *sorted(found)]


def programs(path: Path) -> set[str]:
    """The programs that a file starts; with a question mark before it what is perhaps none."""
    text = path.read_text()
    if path.suffix == ".py":
        return _of_python(text)
    return _of_makefile(text) if path.name == "Makefile" else shell.programs(text)


def packages() -> dict[str, list[str]]:
    """The PACKAGES of each target of the Makefile, "test" for those of every one."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    common = re.findall(r"^PACKAGES := (.*)$", text, re.MULTILINE)[0].split()
    more = {target: words.split() for target, words in re.findall(r"^(\w+): PACKAGES \+= (.*)$", text, re.MULTILINE)}
    return {"test": common, **{target: common + words for target, words in more.items()}}


def _of_makefile(text: str) -> set[str]:
    text = text.replace("\\\n", " ")
    found: set[str] = set()
    for line in text.splitlines():
        for inner in _shell_functions(line):
            found |= shell.programs(inner)
        if line.startswith("\t"):
            recipe = re.sub(r"\$\((shell[^()]*(\([^()]*\)[^()]*)*|\w+)\)", "$x", line.strip().lstrip("@-"))
            found |= shell.programs(recipe.replace("$$", "$"))
    return found


def _shell_functions(line: str) -> Iterator[str]:
    for match in re.finditer(r"\$\(shell ", line):
        depth = 1
        for end in range(match.end(), len(line)):
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            if not depth:
                yield line[match.end() : end].replace("$$", "$")
                break


def _of_python(text: str) -> set[str]:
    tree = ast.parse(text)
    texts: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts.update({target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)})
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in RUNNERS:
                found |= _started([_word(argument, texts) for argument in node.args], sure=True)
        elif isinstance(node, (ast.List, ast.Tuple)):
            found |= _started([_word(element, texts) for element in node.elts], sure=False)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("#!/bin/sh\n"):
            found |= shell.programs(node.value)
    return found


def _word(node: ast.AST, texts: dict[str, str]) -> str:
    """The word that an expression stands for; "$" where only running it would tell."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join([str(part.value) if isinstance(part, ast.Constant) else "$" for part in node.values])
    return texts.get(node.id, "$") if isinstance(node, ast.Name) else "$"


def _started(words: list[str], sure: bool) -> set[str]:
    if not words or words[0] == "$":
        return set()
    if sure and re.search(r"\s", words[0]):  # a function of a test's own that takes a script
        return shell.programs(words[0])
    found = {name for name in shell.started(words) if name.lstrip("?") not in shell.BUILTINS}
    return found if sure else {"?" + name.lstrip("?") for name in found}
