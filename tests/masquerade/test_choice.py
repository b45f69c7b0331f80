"""Which backend is taken, what a lost race does, and owners too long for a comment."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator

import pytest

from cni_ptp import iptables_cmd
from cni_ptp.base.errors import CniError, NetlinkError
from cni_ptp.base.ip import parse_ip
from cni_ptp.cni.attachment import Attachment
from cni_ptp.firewall import (
    masquerade_add,
    masquerade_check,
    masquerade_del,
    nft_add,
    nft_check,
    nft_del,
    nft_socket,
    nft_transaction,
)
from cni_ptp.firewall import (
    session as session_module,
)
from cni_ptp.firewall.nft_table import INET
from cni_ptp.firewall.nft_view import Firewall
from cni_ptp.firewall.session import Session
from cni_ptp.netlink import nft, nft_define
from cni_ptp.netlink.sock import Socket
from tests.namespaces import Host

ONE = Attachment("n", "one", "eth0")
ADDRESSES = [(parse_ip("10.0.0.2"), 24), (parse_ip("fd00::2"), 64)]


def without_nf_tables(protocol: int) -> Socket:
    """As the kernel answers socket(2) if it has no nf_tables."""
    raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))


@pytest.fixture
def old_kernel(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host without nf_tables, whose iptables works on the old interface."""
    for module in (nft_socket, session_module):
        monkeypatch.setattr(module, "Socket", without_nf_tables)
    os.mkdir("/run/alternatives")
    for name in ("iptables-restore", "ip6tables-restore"):
        os.symlink(f"/usr/sbin/{name.replace('tables-', 'tables-legacy-')}", f"/run/alternatives/{name}")
    host.run("mount", "--bind", "/run/alternatives", "/etc/alternatives")
    yield host
    host.run("umount", "/etc/alternatives")


def legacy(host: Host) -> str:
    """What iptables-legacy has of containers, both families."""
    saved = [host.run(f"{program}-legacy-save", "-t", "nat").stdout for program in ("iptables", "ip6tables")]
    return "".join(line for text in saved for line in text.splitlines(keepends=True) if "CNI-" in line)


def test_a_kernel_without_nf_tables_is_served_by_iptables(old_kernel: Host) -> None:
    with Session(ONE, "") as session:
        masquerade_add.add(session, ADDRESSES, {}, [])
        rules = legacy(old_kernel)
        assert "10.0.0.2/32" in rules and "fd00::2/128" in rules
        with Firewall() as firewall:
            assert masquerade_check.differences(firewall, ONE, "", ADDRESSES, None) == []
        masquerade_del.remove(session, [])
        assert legacy(old_kernel) == ""
        assert masquerade_check.why_unavailable("") == []


def test_that_neither_can_be_had_is_told_with_both_reasons(old_kernel: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iptables_cmd, "_DIRECTORIES", ("/nonexistent",))
    with Session(ONE, "") as session:
        with pytest.raises(CniError, match="neither nf_tables nor iptables") as caught:
            masquerade_add.add(session, ADDRESSES, {}, [])
        assert caught.value.code == 100
        assert "Protocol not supported" in caught.value.details and "find iptables-restore" in caught.value.details
        assert len(masquerade_check.why_unavailable("")) == 2


def test_nftables_that_was_asked_for_is_not_replaced_by_iptables(old_kernel: Host) -> None:
    with Session(ONE, "nftables") as session, pytest.raises(CniError, match="masquerade by nf_tables"):
        masquerade_add.add(session, ADDRESSES, {}, [])
    assert legacy(old_kernel) == ""


def test_gc_and_list_of_a_host_without_nf_tables_find_nothing(old_kernel: Host) -> None:
    assert masquerade_check.gc("n", []) == []
    assert nft_check.owners() == []


def test_status_leaves_no_trace(host: Host) -> None:
    assert masquerade_check.why_unavailable("nftables") == []
    assert host.run("nft", "list", "ruleset").stdout == ""


def test_a_transaction_on_an_older_generation_changes_nothing(host: Host) -> None:
    with nft_socket.open_socket() as sock:
        looked_at = nft_transaction.generation(sock.ask(nft.get_generation())[0])
        host.run("nft", "add", "table", "inet", "foreign")
        with pytest.raises(NetlinkError, match="ERESTART"):
            nft_transaction.commit(sock, [nft_define.new_table(INET[0][0], "late")], looked_at)
    assert "cni_ptp" not in host.run("nft", "list", "ruleset").stdout


def test_others_that_keep_changing_the_ruleset_delay_and_do_not_fail_it(host: Host) -> None:
    script = "while :; do nft add table inet foreign; nft delete table inet foreign; done"
    foreigner = subprocess.Popen(["sh", "-c", script])
    try:
        with nft_socket.open_socket() as sock:
            for i in range(100):
                attachment = Attachment("n", f"c{i}", "eth0")
                nft_add.add(sock, attachment, ADDRESSES)
                nft_del.remove(sock, attachment, [], INET)
    finally:
        foreigner.kill()
        foreigner.wait()
    assert "elements" not in host.run("nft", "list", "table", "inet", "cni_ptp").stdout


@pytest.mark.parametrize(
    "owner",
    [
        Attachment("n" * 100, "c" * 64, "eth0"),
        Attachment("net", "c" * 200, "eth0"),
        Attachment("net", "one", 'e"0'),
        Attachment("net", "one", "ethé"),
    ],
    ids=["long network", "long container", "quote", "not ASCII"],
)
def test_an_owner_that_nft_could_not_take_back_is_kept_as_hashes(host: Host, owner: Attachment) -> None:
    neighbour = Attachment(owner.network, owner.containerid + "x", owner.ifname)
    with nft_socket.open_socket() as sock:
        nft_add.add(sock, owner, ADDRESSES)
        nft_add.add(sock, neighbour, [(parse_ip("10.0.0.3"), 24)])
        printed = host.run("nft", "list", "ruleset").stdout
        host.run("nft", "-f", "-", input="flush ruleset\n" + printed)
        assert masquerade_check.gc("other", []) == []
        assert host.run("nft", "list", "ruleset").stdout == printed
        assert masquerade_check.gc(owner.network, [owner]) == []
        left = host.run("nft", "list", "ruleset").stdout
        assert "10.0.0.2" in left and "10.0.0.3" not in left
        nft_del.remove(sock, owner, [], INET)
    assert "elements" not in host.run("nft", "list", "ruleset").stdout


def test_an_address_taken_over_with_another_prefix_length_leaves_nothing_of_its_former_owner(host: Host) -> None:
    address = parse_ip("10.1.2.3")
    with nft_socket.open_socket() as sock:
        nft_add.add(sock, ONE, [(address, 24), (parse_ip("10.1.2.4"), 24)])
        nft_add.add(sock, Attachment("n", "two", "eth0"), [(address, 16)])
        assert "10.1.2.3 . 10.1.2.0" not in host.run("nft", "list", "ruleset").stdout
        nft_del.remove(sock, ONE, [address], INET)  # the hint is wrong by now: the other address is searched for
        left = host.run("nft", "list", "ruleset").stdout
        assert "n one" not in left and "10.1.2.3 . 10.1.0.0" in left


def test_rules_that_were_flushed_are_mended_by_the_next_add(host: Host) -> None:
    with nft_socket.open_socket() as sock:
        nft_add.add(sock, ONE, ADDRESSES)
        whole = host.run("nft", "list", "ruleset").stdout
        host.run("nft", "flush", "table", "inet", "cni_ptp")
        nft_add.add(sock, ONE, ADDRESSES)
    assert host.run("nft", "list", "ruleset").stdout == whole
