"""The CNI_* environment, validated.  Pure.

Source: CNI SPEC.md "Parameters"; getCmdArgsFromEnv in pkg/skel/skel.go of containernetworking/cni, whose texts the
errors keep.  CNI_PATH is asked for only when a delegate must be found: the specification calls it optional.
"""

from __future__ import annotations

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS = ("ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION")
_ATTACHMENT_COMMANDS = ("ADD", "CHECK", "DEL")
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
# Runtimes give 64 to 128.  A lease file holds it and the interface's name, and ipam/leases.py reads 4,096 bytes of it.
MOST_CONTAINERID = 1024
_MOST_IFNAME = 15  # IFNAMSIZ - 1, bytes


class Args:
    """What the runtime asks for.  Variables that the command does not need may be empty."""

    __slots__ = ("command", "containerid", "netns", "ifname", "args", "path", "netns_override")

    def __init__(
        self, command: str, containerid: str, netns: str, ifname: str, args: str, path: str, netns_override: bool
    ) -> None:
        self.command = command
        self.containerid = containerid
        self.netns = netns
        self.ifname = ifname
        self.args = args
        self.path = path
        self.netns_override = netns_override


def parse(environ: Mapping[str, str]) -> Args:
    """Return the environment as Args.

    CniError 4 for what is missing or invalid; an unknown command is not judged here.
    Needs CNI_COMMAND to be set and not empty.
    """
    args = Args(
        environ.get("CNI_COMMAND", ""),
        environ.get("CNI_CONTAINERID", ""),
        environ.get("CNI_NETNS", ""),
        environ.get("CNI_IFNAME", ""),
        environ.get("CNI_ARGS", ""),
        environ.get("CNI_PATH", ""),
        environ.get("CNI_NETNS_OVERRIDE", "").lower() in ("true", "1"),
    )
    if args.command in _ATTACHMENT_COMMANDS:
        # As in Go, a bad value is reported before a missing one.
        if len(args.containerid) > MOST_CONTAINERID:  # before it is repeated: ASCII is all that is allowed
            limit = f"{len(args.containerid)} characters, {MOST_CONTAINERID} are allowed"
            raise _invalid("containerID is too long", limit)
        if args.containerid and not is_name(args.containerid):
            raise _invalid("invalid characters in containerID", args.containerid)
        if args.ifname:
            _check_ifname(args.ifname, made=args.command != "DEL")
        missing = _missing(args)
        if missing:
            raise _invalid(f"required env variables [{','.join(missing)}] missing")
    return args


def unknown_command(command: str) -> CniError:
    """Return the error for a CNI_COMMAND that is none of the six."""
    return _invalid(f"unknown CNI_COMMAND: {command}")


def _missing(args: Args) -> list[str]:
    missing = []
    if not args.containerid:
        missing.append("CNI_CONTAINERID")
    if not args.netns and args.command != "DEL":
        missing.append("CNI_NETNS")
    if not args.ifname:
        missing.append("CNI_IFNAME")
    return missing


def is_name(text: str) -> bool:
    """Return whether `text` may name a container or a network.

    A letter or digit, then letters, digits, `_`, `.`, `-`.
    """
    return bool(text) and _NAME_CHARACTERS.issuperset(text) and text[0] not in "_.-"


def _check_ifname(ifname: str, made: bool) -> None:
    """Refuse what no interface is called.  made: whether one of this name is to be made or checked, not deleted.

    DEL is as lenient as Go: it must not fail for ever after an ADD that refused the name, or an older ADD that did not.
    """
    raw = ifname.encode("utf-8", "surrogateescape")
    if len(raw) > _MOST_IFNAME:
        raise _invalid("interface name is too long", "interface name should be less than 16 characters")
    if ifname in (".", ".."):
        raise _invalid("interface name is . or ..")
    if any(c in "/:" or c.isspace() for c in ifname):
        raise _invalid("interface name contains / or : or whitespace characters")
    if not made:
        return
    # Not in Go, where "%d" makes an interface of another name: net/core/dev.c __dev_alloc_name() puts a number there,
    # and to dev_valid_name() the byte A0 is a space, also inside a UTF-8 character such as U+00E0.
    if b"%" in raw or b"\xa0" in raw:
        raise _invalid("interface name contains characters that the kernel does not take", ifname)
    if not (ifname.isascii() and ifname.isprintable()):
        from ..base.printable import printable

        if printable(ifname) != ifname:
            raise _invalid("interface name contains characters that cannot be printed", ifname)
    # net/ipv4/devinet.c devinet_sysctl_register(): the directories of these names hold the settings of all interfaces.
    if ifname in ("all", "default"):
        raise _invalid("interface name is all or default", "the kernel keeps them for the settings of all interfaces")


def _invalid(msg: str, details: str = "") -> CniError:
    return CniError(INVALID_ENVIRONMENT_VARIABLES, msg, details)


def cni_args(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a CNI_ARGS text.

    CniError 4 if it is not `K=V;K=V`.  Source: LoadArgs in pkg/types/args.go.
    """
    pairs = []
    for pair in text.split(";") if text else []:
        parts = pair.split("=")
        if len(parts) != 2:
            raise _invalid(f'ARGS: invalid pair "{pair}"')
        pairs.append((parts[0], parts[1]))
    return pairs


def known_cni_args(text: str, known: tuple[str, ...]) -> dict[str, str]:
    """Return the values of the `known` keys of a CNI_ARGS text; CniError 4 for others, unless IgnoreUnknown is true."""
    pairs = cni_args(text)
    values = {key: value for key, value in pairs if key in known}
    ignored = False
    for key, value in pairs:  # as UnmarshallableBool of pkg/types/args.go reads each of them
        if key == "IgnoreUnknown":
            if value.lower() not in ("1", "true", "0", "false"):
                words = f"boolean unmarshal error: invalid input {value}"
                raise _invalid('ARGS: error parsing value of pair "IgnoreUnknown"', words)
            ignored = value.lower() in ("1", "true")
    unknown = [f"{key}={value}" for key, value in pairs if key not in known and key != "IgnoreUnknown"]
    if unknown and not ignored:
        listed = " ".join([f'"{pair}"' for pair in unknown])
        raise _invalid(f"ARGS: unknown args [{listed}]")
    return values
