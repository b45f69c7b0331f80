"""The guard of "antiSpoof" compared with exactly what ADD writes: rules, hook, priority, flags, and the elements."""

from __future__ import annotations

from ..base.ip import text_of
from ..netlink import nft, nft_define
from ..netlink.nft import exists
from .antispoof import IFNAMSIZ, key_of, place_of, without_nf_tables
from .antispoof_ruleset import BASE_CHAIN, CHECK, GUARDED, PLACE, SETS, base_rule, check_rules, source_keys
from .nft_compare import facts_of, is_dormant, rules_of
from .nft_table import GUARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket
    from .nft_view import Firewall


def differences(firewall: Firewall, attachment: Attachment, addresses: list[bytes]) -> list[str]:
    """Return the differences between the guard and what it should be, one sentence each.

    addresses: packed, those that the attachment has.  NetlinkError; CniError 100 without nf_tables.
    """
    veth = attachment.host_veth()
    key = key_of(veth)
    sock = _sock(firewall)
    guarded = {table: exists(sock.ask(nft.get_element(table, GUARDED, key))[0]) for table in SETS}
    if not any(guarded.values()):
        return [f"{veth} is not in the set {GUARDED} of nf_tables {GUARD}: nothing keeps it from spoofing"]
    words = []
    for table in SETS:
        if not guarded[table]:
            words.append(f"{veth} is not in the set {GUARDED} of nf_tables {table}: nothing keeps it from spoofing")
        for reason in _weaknesses(firewall, table):
            words.append(f"nf_tables {table} {reason}: nothing keeps {veth} from spoofing")
        wanted = source_keys(table, key, addresses)
        answers = sock.ask(*[nft.get_element(table, name, source) for name, source in wanted])
        for (name, source), answer in zip(wanted, answers):
            if not exists(answer):
                address = text_of(source[IFNAMSIZ:])
                words.append(f"{address} is not in {table} {name}: its packets are dropped")
    return words


def _sock(firewall: Firewall) -> Socket:
    try:
        return firewall.sock()
    except OSError as e:
        raise without_nf_tables(e) from None


def _weaknesses(firewall: Firewall, table: str) -> list[str]:
    return firewall.once(("guard", table), lambda: list(filter(None, [_weakness(firewall.sock(), table)])))


def _weakness(sock: Socket, table: str) -> str:
    """Return in what the table is not as ADD writes it, "" if in nothing."""
    base = BASE_CHAIN[table]
    answer = sock.ask(nft_define.get_whole_chain(table, base))[0]
    if not exists(answer):
        return f"has no chain {base}"
    if is_dormant(sock, table):
        return "is dormant"
    chain = answer.one()[1]
    if chain.get(nft_define.NFTA_CHAIN_TYPE) != "filter" or place_of(chain) != PLACE[table]:
        return f"has its chain {base} at another hook or priority"
    if rules_of(sock, table, base) != [facts_of(base_rule({}))]:
        return f"has other rules in {base} than ADD writes"
    if rules_of(sock, table, CHECK) != [facts_of(rule) for rule in check_rules(table, {})]:
        return f"has other rules in {CHECK} than ADD writes"
    return ""
