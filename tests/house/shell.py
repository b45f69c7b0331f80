"""Which programs a shell script starts, read off its text.  A part of the shell's grammar: what our scripts use."""

from __future__ import annotations

import re
from collections.abc import Iterator

BUILTINS = set(
    ". : [ alias break cd command continue echo eval exec exit export false getopts hash kill local printf pwd read"
    " return set shift source test times trap true type ulimit umask unset wait".split()
)
_BEFORE_A_COMMAND = set("if then else elif do while until ! { time exec command".split())
_NO_COMMAND = set("for case in fi done esac }".split())
# They start the program that stands among their arguments.
WRAPPERS = set("env nice timeout setpriv unshare chroot nsenter strace prlimit xargs find ip exec command sudo".split())
SHELLS = {"sh", "bash", "/bin/sh", "/bin/bash"}
_NAME = re.compile(r"^[a-z][a-z0-9_.+-]*$")
_ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\+?=")
_HERE = re.compile(r"<<-?\s*(['\"]?)(\w+)\1.*?\n(.*?\n)?\s*\2\n", re.DOTALL)


def is_program(word: str) -> bool:
    """Whether a word can be the name of a program, or the path of one of the system's."""
    return bool(_NAME.match(word.rpartition("/")[2])) and (
        "/" not in word or word.startswith(("/bin/", "/usr/", "/sbin/"))
    )


def programs(script: str) -> set[str]:
    """The programs that the script starts, without the shell's own commands and the functions that it defines."""
    script = _HERE.sub("\n", script)
    functions = set(re.findall(r"^\s*(\w+)\(\)", script, re.MULTILINE))
    found: set[str] = set()
    for words in commands(script, found):
        found |= started(words)
    return {name for name in found if name.lstrip("?") not in BUILTINS | functions}


def started(words: list[str]) -> set[str]:
    """The programs of one command: its own, and those among its arguments if it starts another."""
    if not words:
        return set()
    found = {words[0]} if is_program(words[0]) else set()
    if words[0] in SHELLS:
        options = [i for i, word in enumerate(words) if re.match(r"^-[a-z]*c$", word)]
        if options and len(words) > options[0] + 1:
            found |= programs(words[options[0] + 1])
    elif words[0] in WRAPPERS or words[0].startswith("$"):
        first = 1
        if words[0] == "ip":  # ip netns exec NAME PROGRAM
            first = words.index("exec") + 2 if "exec" in words else len(words)
        for i, word in enumerate(words[first:], first):
            if word in SHELLS or word in WRAPPERS:
                return found | started(words[i:])
            if is_program(word) and not words[i - 1].startswith("--"):
                found.add("?" + word)  # perhaps: an option's value looks the same
    return found


def commands(script: str, inner: set[str]) -> Iterator[list[str]]:
    """The words of each command, unquoted.  inner: gets the programs of what stands in $(...)."""
    words: list[str] = []
    for token in _tokens(script, inner):
        if token is None:
            yield _command(words)
            words = []
        else:
            words.append(token)
    yield _command(words)


def _command(words: list[str]) -> list[str]:
    words = [word for word in words if word != ""]
    while words and (words[0] in _BEFORE_A_COMMAND or _ASSIGNMENT.match(words[0])):
        del words[0]
    return [] if words and words[0] in _NO_COMMAND else words


def _tokens(script: str, inner: set[str]) -> Iterator[str | None]:
    """Words, and None where a command ends."""
    at, word, begun = 0, "", False
    while at < len(script):
        char = script[at]
        if char == "\\":
            word, begun, at = word + script[at + 1 : at + 2].replace("\n", ""), True, at + 2
        elif char == "'":
            end = (script + "'").index("'", at + 1)  # not closed where it is no script, but any text
            word, begun, at = word + script[at + 1 : end], True, end + 1
        elif char == '"':
            text, at = _double_quoted(script, at + 1, inner)
            word, begun = word + text, True
        elif script.startswith("$(", at):
            end = _closing(script, at + 2)
            inner |= programs(script[at + 2 : end])
            word, begun, at = word + "$()", True, end + 1
        elif char == "`":
            end = (script + "`").index("`", at + 1)
            inner |= programs(script[at + 1 : end])
            word, begun, at = word + "$()", True, end + 1
        elif char == "#" and not begun:
            at = (script + "\n").index("\n", at)
        elif char in " \t":
            if begun:
                yield word
            word, begun, at = "", False, at + 1
        elif char in "<>":
            at = re.compile(r"[<>&|]+\s*(&?[0-9-]|[^\s;|&<>()]+)?").match(script, at).end()  # type: ignore[union-attr]
            word, begun = "", False
        elif char in "\n;|&()":
            if begun and not (char == ")" or script.startswith("()", at)):  # a pattern of case, a function's name
                yield word
            word, begun, at = "", False, at + 1
            yield None
        else:
            word, begun, at = word + char, True, at + 1
    if begun:
        yield word


def _double_quoted(script: str, at: int, inner: set[str]) -> tuple[str, int]:
    """(the text, where it goes on behind the quote)."""
    text = ""
    while script[at] != '"':
        if script[at] == "\\":
            text, at = text + script[at + 1], at + 2
        elif script.startswith("$(", at):
            end = _closing(script, at + 2)
            inner |= programs(script[at + 2 : end])
            text, at = text + "$()", end + 1
        else:
            text, at = text + script[at], at + 1
    return text, at + 1


def _closing(script: str, at: int) -> int:
    """Where the bracket closes that was opened before `at`."""
    depth, quote = 1, ""
    while True:
        char = script[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return at
        at += 1
