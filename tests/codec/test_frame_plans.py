"""Frames of a known shape: found by their first bytes, read by one Struct, and never more than that."""

from __future__ import annotations

import pytest

from reactor.codec.decode import ACCEPTED_STATE
from reactor.codec.definitions import DISPOSITION, FLOW, TRANSFER
from reactor.codec.frame_plans import plans, remember
from reactor.codec.types import Described
from tests.fuzz.plans import as_taken, at_length, in_short
from tests.support.frames import frame


@pytest.fixture(autouse=True)
def none_known():
    plans.clear()
    yield
    plans.clear()


def known(data):
    """The frame was read the long way, and its shape is remembered."""
    code, fields, end = at_length(data, 8, len(data))
    remember(data, 8, end, code, fields)
    return in_short(data, 8, len(data))


def transfer(**fields):
    fields = {"handle": 3, "delivery_id": 70000, "delivery_tag": b"tag", "message_format": 0, "settled": False} | fields
    return frame("transfer", payload=b"payload", **fields)


@pytest.mark.parametrize("handle", [0, 3, 70000])
def test_a_transfer_with_another_number_and_another_tag(handle):
    first = transfer(handle=handle)
    assert in_short(first, 8, len(first)) is None
    assert known(first) == (TRANSFER, [handle, 70000, b"tag", 0, False, None], len(first) - len(b"payload"))
    other = transfer(handle=handle, delivery_id=80000, delivery_tag=b"gat")
    assert in_short(other, 8, len(other)) == (
        TRANSFER, [handle, 80000, b"gat", 0, False, None], len(other) - len(b"payload")
    )  # fmt: skip


def test_a_transfer_over_another_link():
    assert known(transfer())
    other = transfer(handle=4)
    assert in_short(other, 8, len(other))[1][0] == 4


@pytest.mark.parametrize("message_format", [7, 0x80013700])
def test_a_transfer_of_a_format(message_format):
    code, fields, _ = known(transfer(message_format=message_format))
    assert (code, fields) == (TRANSFER, [3, 70000, b"tag", message_format, False, None])
    for another in (None, 0, 8, 0x80013701):
        other = transfer(message_format=another)
        assert in_short(other, 8, len(other)) is None


def test_the_first_transfer_of_several():
    code, fields, _ = known(transfer(more=True))
    assert (code, fields) == (TRANSFER, [3, 70000, b"tag", 0, False, True])


def test_a_disposition_with_the_very_state_that_all_have():
    assert known(frame("disposition", role=True, first=70000, settled=True, state=Described(0x24, [])))
    other = frame("disposition", role=True, first=80000, settled=True, state=Described(0x24, []))
    code, fields, end = in_short(other, 8, len(other))
    assert (code, fields, end) == (DISPOSITION, [True, 80000, None, True, ACCEPTED_STATE], len(other))
    assert fields[4] is ACCEPTED_STATE


def test_a_flow():
    def flow(count, drain=False):
        numbers = [1, 2000, 70000, 2000, 1, count, 100]
        names = "next_incoming_id incoming_window next_outgoing_id outgoing_window handle delivery_count link_credit"
        return frame("flow", **dict(zip(names.split(), numbers)), drain=drain)

    assert known(flow(70000))
    other = flow(90000)
    assert in_short(other, 8, len(other)) == at_length(other, 8, len(other))
    assert in_short(other, 8, len(other))[0] == FLOW


@pytest.mark.parametrize("change", [{"settled": True}, {"delivery_tag": b"longer"}, {"more": True}, {"handle": 300}])
def test_what_differs_in_anything_else_is_read_the_long_way(change):
    assert known(transfer())
    other = transfer(**change)
    assert in_short(other, 8, len(other)) is None


def test_shapes_that_differ_in_a_flag_are_known_beside_each_other():
    assert known(transfer()) and known(transfer(settled=True))
    for one in (transfer(), transfer(settled=True)):
        assert as_taken(in_short(one, 8, len(one))[1]) == as_taken(at_length(one, 8, len(one))[1])


@pytest.mark.parametrize(
    "fields",
    [
        {"state": Described(0x34, [b"txn"])},  # content that would be shared
        {"rcv_settle_mode": 1},  # one byte, which a uint could come for
        {"delivery_tag": None},
        {"delivery_tag": None, "message_format": 7},
        {"resume": True},
        {"aborted": True},
        {"delivery_id": None, "delivery_tag": None, "message_format": None, "more": True},  # it goes on with a delivery
    ],
    ids=["a transaction", "a settle mode", "no tag", "a format and no tag", "resumed", "aborted", "rest"],
)
def test_other_shapes_have_no_plan(fields):
    assert known(transfer(**fields)) is None
    assert not plans


def test_a_frame_that_ends_too_early_matches_nothing():
    data = transfer()
    assert known(data)
    for stop in range(9, len(data) - len(b"payload")):
        assert in_short(data, 8, stop) is None


def test_a_peer_that_invents_shapes_makes_us_keep_few():
    for size in range(1, 200):
        for handle in (0, 1, 300):
            for settled in (True, False):
                known(transfer(handle=handle, delivery_tag=b"x" * size, settled=settled))
    assert 0 < len(plans) <= 256
    assert max(map(len, plans.values())) <= 4
