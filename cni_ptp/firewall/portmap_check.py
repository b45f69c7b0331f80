"""Port mappings compared with what ADD makes of them: the table, the elements, the setting of the host end."""

from __future__ import annotations

from ..base.ip import text_of
from ..netlink import nft_define
from ..netlink.nft import NFTA_CHAIN_HOOK, NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY, exists
from ..netlink.nft_map import get_mapping, mapping_in
from ..system import sysctl
from .nft_compare import facts_of, is_dormant, rules_of
from .nft_table import PORTMAP as TABLE
from .owner_mark import owner_marks
from .portmap import first_of_each
from .portmap_add import port_of
from .portmap_elements import GUARDED, MAPS, elements
from .portmap_ruleset import BASE_CHAINS, CHAINS, rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.port_mappings import PortMappings
    from ..netlink.sock import Socket
    from .nft_view import Firewall
    from .portmap_elements import Element


def differences(
    firewall: Firewall, attachment: Attachment, wanted: PortMappings, addresses: list[bytes], link: str | None = None
) -> list[str]:
    """Return the differences between the mappings and what they should be, one sentence each.

    addresses: packed, those of the container.  link: see portmap_elements.elements.  NetlinkError; OSError without
    nf_tables.
    """
    ours = elements(attachment, wanted, first_of_each(addresses), link)
    if not ours:
        return []
    words = list(firewall.once("port mappings", lambda: _of_table(firewall.sock())))
    answers = firewall.sock().ask(*[get_mapping(TABLE, element.name, element.key) for element in ours])
    for element, answer in zip(ours, answers):
        words += _of_element(attachment, element, mapping_in(answer))
    for guarded in [element for element in ours if element.name == GUARDED]:
        setting = f"ipv4/conf/{_name(guarded)}/route_localnet"
        if sysctl.is_on(setting):
            continue
        words.append(f"the host does not reach its mapped ports by 127.0.0.1: sysctl net/{setting} is not 1")
    return words


def _of_table(sock: Socket) -> list[str]:
    if is_dormant(sock, TABLE):
        return [f"nf_tables table {TABLE} is dormant: no port is mapped"]
    words = []
    for name in CHAINS:
        answer = sock.ask(nft_define.get_whole_chain(TABLE, name))[0]
        if not exists(answer):
            words.append(f"nf_tables table {TABLE} has no chain {name}")
            continue
        found = answer.one()[1]
        hook = found.get(NFTA_CHAIN_HOOK, {})
        place = (found.get(nft_define.NFTA_CHAIN_TYPE), hook.get(NFTA_HOOK_HOOKNUM), hook.get(NFTA_HOOK_PRIORITY))
        if name in BASE_CHAINS and place != _as_read(*BASE_CHAINS[name]):
            words.append(f"nf_tables chain {TABLE} {name} is at another hook or priority")
        if rules_of(sock, TABLE, name) != [facts_of(rule) for rule in rules(name, {})]:
            words.append(f"nf_tables chain {TABLE} {name} has other rules than ADD writes")
    return words


def _as_read(kind: str, hook: int, priority: int) -> tuple[str, int, int]:
    return kind, hook, priority & 0xFFFFFFFF


def _of_element(attachment: Attachment, element: Element, found: tuple[bytes, str] | None) -> list[str]:
    what = port_of(element) if element.name in MAPS else _name(element)
    if found is None:
        return [f"{what} is not in nf_tables {TABLE} {element.name}"]
    data, comment = found
    if not comment.startswith(owner_marks(attachment)):
        return [f"{what} in nf_tables {TABLE} {element.name} belongs to another: {comment}"]
    return [f"{what} leads elsewhere than to the container"] if data != element.data else []


def _name(element: Element) -> str:
    if element.name.startswith(("mapped", "hairpin")):
        return text_of(element.key[: 4 if element.name.endswith("4") else 16])
    return element.key.rstrip(b"\0").decode("utf-8", "replace")
