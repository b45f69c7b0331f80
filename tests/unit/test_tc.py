"""Traffic control as bytes: what Go's plugin bandwidth sends, what the kernel answers, and the sizes of buckets."""

from __future__ import annotations

import pytest

from cni_ptp.cni.bandwidth import Limit
from cni_ptp.netlink import rt_ifb, tc
from cni_ptp.nlmsg import NLMSG_HDRLEN, Request, split
from cni_ptp.shaping.buckets import bucket, go_bucket
from tests.golden import datagram

VETH, IFB = 2, 3  # their indexes when the files were made
_EMPTY_OPTIONS = bytes.fromhex("04000200")
_IFB = "bwpf0bca4ac77cd"


def body(name: str) -> bytes:
    """What stands behind the header of a captured request."""
    return datagram(name)[NLMSG_HDRLEN:]


def test_the_bucket_is_what_go_sends() -> None:
    request = tc.add_tbf(VETH, "vethA", bucket(Limit(1_250_000, 125_000), 1400))
    assert request.pack(4) == datagram("go_tbf")


def test_the_ingress_qdisc_is_what_go_sends_but_for_its_empty_options() -> None:
    assert tc.add_ingress(VETH, "vethA").pack(11)[NLMSG_HDRLEN:] + _EMPTY_OPTIONS == body("go_ingress")


def test_the_redirection_is_what_go_sends_but_for_the_order_and_the_second_action() -> None:
    ours, theirs = [
        tc.FILTER.read(raw) for raw in (tc.redirect_all(VETH, "vethA", IFB).pack(1)[NLMSG_HDRLEN:], body("go_redirect"))
    ]
    assert ours[0] == theirs[0] and tc.redirects_in(ours) == tc.redirects_in(theirs) == [IFB]
    options = [tc._U32_OPTIONS.kind.read(found[1][tc.TCA_OPTIONS]) for found in (ours, theirs)]
    assert options[0] == options[1]


def test_the_ifb_is_what_go_sends_but_for_the_end_of_its_kind() -> None:
    go_kind, kind = bytes.fromhex("07000100") + b"ifb", bytes.fromhex("08000100") + b"ifb"
    assert rt_ifb.new_ifb(_IFB, 1400).pack(6)[NLMSG_HDRLEN:] == body("go_ifb").replace(go_kind, kind)


def replies(name: str, request: Request) -> list[object]:
    """The captured answer to a request, read."""
    return [request.reply.read(m.payload) for m in split(datagram(name)) if m.type >= 16]


def test_a_bucket_is_read_as_the_kernel_sends_it() -> None:
    found = tc.tbf_in(*replies("reply_tbf", tc.get_root(VETH, "vethA")))
    assert found is not None
    assert (found.rate, found.limit, found.buffer) == (1_250_000, 156_250, 1_562_500)


def test_a_rate_above_32_bits_is_read() -> None:
    found = tc.tbf_in(*replies("reply_tbf64", tc.get_root(IFB, "bwpA")))
    assert found is not None and found.rate == 5_000_000_000


def test_another_qdisc_is_no_bucket() -> None:
    (found,) = replies("reply_ingress", tc.get_ingress(VETH, "vethA"))
    assert tc.tbf_in(found) is None


def test_the_target_of_a_redirection_is_read_as_the_kernel_sends_it() -> None:
    listed = replies("reply_filters", tc.dump_filters(VETH, "vethA"))
    assert len(listed) > 1 and [to for one in listed for to in tc.redirects_in(one)] == [3]


@pytest.mark.parametrize(
    ("rate", "burst", "as_go"),
    [
        (1_250_000, 125_000, True),
        (1_250_000, 312_500, True),  # a quarter of a second
        (1_250_000, 312_501, False),
        (1_250_000, 1_513, False),  # a byte less than a packet
        (1_250_000, 1_600, True),
        (1, 1, False),
        (125_000, 536_870_911, False),  # containerd's
    ],
)
def test_the_bucket_is_gos_where_that_works(rate: int, burst: int, as_go: bool) -> None:
    limit = Limit(rate, burst)
    ours, theirs = bucket(limit, 1500), go_bucket(limit)
    same = (ours.rate, ours.limit, ours.buffer, ours.burst) == (theirs.rate, theirs.limit, theirs.buffer, 0)
    assert same == as_go


@pytest.mark.parametrize("rate", [1, 5, 7, 1000, 333_333, 10**7, 2**32, 2**60])
@pytest.mark.parametrize("burst", [1, 1_513, 1_514, 10**6, 2**32 - 2])
def test_a_packet_always_fits_and_nothing_is_too_large_for_the_kernel(rate: int, burst: int) -> None:
    made = bucket(Limit(rate, burst), 1500)
    bytes_at_once = made.burst or made.buffer * 64 * rate // 10**9
    assert 1_514 <= bytes_at_once <= 2**32 - 1
    assert made.limit < 2**32 and made.buffer < 2**32
    tc.add_tbf(1, "x", made).pack(1)
