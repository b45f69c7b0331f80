"""Whatever the bytes: a reader gives a value or raises DecodeError."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from cni_ptp.base.errors import DecodeError
from cni_ptp.netlink import (
    nft,
    nft_define,
    nft_dump,
    nft_element,
    rt_addr,
    rt_addr_dump,
    rt_link,
    rt_route,
    rt_route_dump,
    rt_route_read,
    tc,
)
from cni_ptp.netlink.exchange import Exchange
from cni_ptp.netlink.extended_ack import path
from cni_ptp.nlmsg import Request, Table, split
from tests.bounds import little_work
from tests.fuzz.mutate import damaged
from tests.golden import HERE, datagrams

ROUNDS = 150
CORPUS = [(f.stem, d) for f in sorted(HERE.glob("*.hex")) for d in datagrams(f.stem)]
TABLES = {
    name: value
    for module in (nft, nft_define, nft_dump, rt_addr, rt_link, rt_route, tc)
    for name, value in vars(module).items()
    if isinstance(value, Table) and value.header is not None
}
# What callers make of a reply.
READERS: dict[str, list[Callable[[Any], object]]] = {
    "LINK": [rt_link.Link],
    "ADDR": [rt_addr_dump.Addr],
    "ROUTE": [rt_route_read.read_route, rt_route_dump.nexthops],
    "QDISC": [tc.tbf_in],
    "FILTER": [tc.redirects_in],
    "LISTED": [nft_dump.read_elements],
}


def read_all(datagram: bytes) -> int:
    """How many values the readers make of a datagram; DecodeError is the only exception let through by none of them."""
    values = 0
    for name, table in TABLES.items():
        request = Request(16, 5, b"".join([m.payload for m in _messages(datagram)]), "ask", table)
        exchange = Exchange([request], _messages(datagram)[0].seq if _messages(datagram) else 0)
        try:
            exchange.feed(datagram)
            if exchange.answers[0].error is not None:
                exchange.answers[0].error.explanation()
            for reply in exchange.answers[0].read():
                for reader in READERS.get(name, []):
                    reader(reply)
                    values += 1
        except DecodeError:
            pass
    return values


def _messages(datagram: bytes) -> list[Any]:
    try:
        return split(datagram)
    except DecodeError:
        return []


def test_the_corpus_is_read_when_it_is_whole() -> None:
    assert len(CORPUS) > 25
    assert sum(read_all(datagram) for _, datagram in CORPUS) > 50


@pytest.mark.parametrize(("name", "datagram"), CORPUS, ids=[f"{i}-{name}" for i, (name, _) in enumerate(CORPUS)])
def test_a_damaged_datagram_is_read_or_refused(name: str, datagram: bytes) -> None:
    rng = random.Random(name)
    for _ in range(ROUNDS):
        broken = damaged(datagram, rng)
        with little_work(broken):
            read_all(broken)


def test_noise_is_read_or_refused() -> None:
    rng = random.Random(20261124)
    for _ in range(3000):
        noise = bytes(rng.choices((0, 1, 2, 4, 5, 8, 16, 17, 24, 255), k=rng.randrange(80)))
        read_all(noise)
        for table in TABLES.values():
            for call in (table.read, lambda b, t=table: path(t, b, rng.randrange(80))):
                try:
                    call(noise)
                except DecodeError:
                    pass


def test_user_data_of_any_bytes_has_a_comment_or_none() -> None:
    rng = random.Random(5)
    for _ in range(3000):
        raw = bytes(rng.choices((0, 1, 2, 3, 65, 255), k=rng.randrange(20)))
        assert isinstance(nft_element.comment_of(raw), str)
    assert nft_element.comment_of(nft.comment("x")) == "x"
