"""ptp completion: what a shell needs to complete commands and options, made from the commands themselves."""

from __future__ import annotations

import argparse

from . import cli
from .terminal import Terminal

ABOUT = """\
Prints completions of commands, options and the names of containers, which come
from ptp list, for a shell that reads them at its start.
Exit status: 0.
"""
EXAMPLES = """\
examples:
  ptp completion bash > /etc/bash_completion.d/ptp
  ptp completion zsh > /usr/share/zsh/vendor-completions/_ptp
"""
_NAMED = ("show", "check", "repair")  # that take the names of attachments
_BASH = """\
# Completions of ptp for bash: `ptp completion bash` printed this.
_ptp_names() {{  # the shell expands them: no name with anything else in it is taken
    ptp list --json 2>/dev/null | grep -Eo '"containerID": ?"[A-Za-z0-9_.-]+"' | cut -d'"' -f4
}}
_ptp() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "$before" in
        {directories}) COMPREPLY=($(compgen -d -- "$word")); return ;;
        {files}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    case "$word" in
        -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
        *)
            case "${{COMP_WORDS[1]}}" in
                {named}) COMPREPLY=($(compgen -W "$(_ptp_names)" -- "$word")) ;;
                verify) COMPREPLY=($(compgen -f -- "$word")) ;;
                help) COMPREPLY=($(compgen -W "{commands}" -- "$word")) ;;
                completion) COMPREPLY=($(compgen -W "bash zsh" -- "$word")) ;;
            esac ;;
    esac
}}
complete -F _ptp ptp
"""
_ZSH = """\
#compdef ptp
# Completions of ptp for zsh: `ptp completion zsh` printed this.
_ptp_names() {{
    local -a names
    names=(${{(f)"$(ptp list --json 2>/dev/null | grep -Eo '"containerID": ?"[A-Za-z0-9_.-]+"' | cut -d'"' -f4)"}})
    compadd -a names
}}
_ptp() {{
    local -a commands
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case "$words[2]" in
{cases}
    esac
}}
_ptp "$@"
"""
_METAVARS = {"DIR": "directories", "DIRS": "directories", "FILE": "files", "PATH": "files"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh"), help="bash or zsh")


def run(options: argparse.Namespace) -> int:
    """Print the completions; return the exit status."""
    Terminal().text((_bash if options.shell == "bash" else _zsh)())
    return 0


def _options(name: str) -> list[argparse.Action]:
    parser = cli.parser_of(name)
    return [action for action in (parser._actions if parser is not None else []) if action.option_strings]


def _bash() -> str:
    cases = []
    kinds: dict[str, set[str]] = {"directories": set(), "files": set()}
    for name in cli.COMMANDS:
        options = _options(name)
        words = " ".join([string for action in options for string in action.option_strings])
        cases.append(f'        {name}) words="{words}" ;;')
        for action in options:
            kind = _METAVARS.get(str(action.metavar))
            if kind:
                kinds[kind].update(action.option_strings)
    return _BASH.format(
        commands=" ".join(cli.COMMANDS),
        cases="\n".join(cases),
        named="|".join(_NAMED),
        directories="|".join(sorted(kinds["directories"])),
        files="|".join(sorted(kinds["files"])),
    )


def _zsh() -> str:
    listed = [f"        '{name}:{_quoted(about)}'" for name, about in cli.COMMANDS.items()]
    cases = []
    for name in cli.COMMANDS:
        specs = []
        for action in _options(name):
            value = {"directories": ":directory:_directories", "files": ":file:_files"}.get(
                _METAVARS.get(str(action.metavar), ""), f":{action.metavar}:" if action.metavar else ""
            )
            specs += [f"'{string}[{_quoted(action.help or '')}]{value}'" for string in action.option_strings]
        if name in _NAMED:
            specs.append("'*:name:_ptp_names'")
        elif name == "verify":
            specs.append("'*:file:_files'")
        cases.append(f"        {name}) _arguments {' '.join(specs) or ':'} ;;")
    return _ZSH.format(commands="\n".join(listed), cases="\n".join(cases))


def _quoted(text: str) -> str:
    """Return a help text as it can stand between brackets and single quotes."""
    for character, written in (("'", "'\\''"), ("[", "("), ("]", ")"), (":", "\\:"), ("%", "%%")):
        text = text.replace(character, written)
    return text
