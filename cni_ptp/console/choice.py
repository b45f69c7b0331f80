"""Which attachments a person means: by name, by the beginning of one, by address, by interface, by pod.  Pure."""

from __future__ import annotations

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from ..base.ip import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .inventory import Found

HELP = "NET/CONTAINER/IFNAME, an address, a host interface, or how the name of a container or a pod begins"


def chosen(every: list[Found], names: list[str], verb: str) -> list[Found]:
    """Return the attachments that the names mean, all without names, each once and in order.

    verb: of the command, for the error.  CniError 4 for a name that means none.
    """
    if not names:
        return every
    meant = {id(found) for name in names for found in meant_by(every, name, verb)}
    return [found for found in every if id(found) in meant]


def meant_by(every: list[Found], name: str, verb: str) -> list[Found]:
    """Return the attachments that are called so; if none is, those whose names begin so.  CniError 4 if none does."""
    found = [f for f in every if name in _names(f) or name in _also(f)]
    found = found or [f for f in every if any(n.startswith(name) for n in _names(f))]
    if not found:
        about = f"{verb} {name}"
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, "this host has no such attachment, see ptp list")
    return found


def _names(found: Found) -> list[str]:
    pod = found.pod()
    return [found.attachment.containerid] + ([pod, pod.partition("/")[2]] if pod else [])


def _also(found: Found) -> list[str]:
    link = [found.link.name] if found.link is not None else []
    return ["/".join(found.attachment.identity()), *link, *[text_of(address) for address in found.addresses()]]
