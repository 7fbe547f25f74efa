"""The model of a recording: links by name, deliveries with their times and outcomes, curves, and what is missing."""

from __future__ import annotations

import pytest

from reactor.simulation.wiretap.frames import composite, make_frame
from reactor.tracing.recording import Record
from reactor.tracing.timeline import Timeline
from tests.support.recordings import recorded, stormy


def timeline(recording):
    return Timeline(recording.records, recording.header)


def frames(*sent, wire="me#1", direction="out"):
    """Records of frames of one end, a second from one to the next; ("in", raw) for those that it reads."""
    records = []
    for number, raw in enumerate(sent):
        way, raw = raw if isinstance(raw, tuple) else (direction, raw)
        records.append(Record(float(number), "frame", "me", wire, way, raw))
    return records


HELLO = b"\x00\x53\x77\xa1\x05hello"
OPEN = make_frame("open", container_id="me")
BEGIN = make_frame("begin", next_outgoing_id=0, incoming_window=100, outgoing_window=100)
BEGUN = make_frame("begin", remote_channel=0, next_outgoing_id=0, incoming_window=9999, outgoing_window=100)
SMALL = make_frame("begin", remote_channel=0, next_outgoing_id=0, incoming_window=3, outgoing_window=100)
ATTACH = make_frame("attach", name="L", handle=0, role=False, initial_delivery_count=0,
                    source=composite("source"), target=composite("target", address="jobs"))  # fmt: skip
ATTACHED = make_frame("attach", name="L", handle=5, role=True, target=composite("target", address="jobs"))
UP = [OPEN, ("in", make_frame("open", container_id="peer")), BEGIN, ("in", BEGUN), ATTACH, ("in", ATTACHED)]


def credit(number, count=0, window=9999, **fields):
    return make_frame("flow", next_incoming_id=count, incoming_window=window, next_outgoing_id=0, outgoing_window=100,
                      handle=5, delivery_count=count, link_credit=number, **fields)  # fmt: skip


def transfer(number, payload=HELLO, **fields):
    return make_frame("transfer", payload=payload, handle=0, delivery_id=number, delivery_tag=b"t%d" % number, **fields)


def accepted(first, last=None, state="accepted", **fields):
    return make_frame("disposition", role=True, first=first, last=last, settled=True, state=composite(state, **fields))


def test_a_world_of_three_is_three_lanes_with_the_broker_in_the_middle_and_two_links():
    seen = timeline(recorded(3))
    assert [lane.name for lane in seen.lanes] == ["sender", "broker", "receiver"]
    links = {(link.sender.name, link.receiver.name): link for link in seen.links}
    assert {ends: link.address for ends, link in links.items()} == {
        ("sender", "broker"): "jobs", ("broker", "receiver"): "jobs"}  # fmt: skip
    assert all(len(link.deliveries) == 3 for link in seen.links)
    assert seen.missing == []


def test_each_delivery_has_its_label_its_times_and_its_outcome():
    first, *_ = timeline(recorded(3, latency=0.25)).deliveries
    assert (first.number, first.label, first.outcome, first.redelivered) == (0, "job 0", "accepted", 0)
    assert first.latency == pytest.approx(0.25)
    assert first.settled - first.decided == pytest.approx(0.25)  # the outcome had to come back


def test_credit_and_unsettled_are_curves_as_the_sender_knows_them():
    seen = Timeline(frames(*UP, ("in", credit(2)), transfer(0), transfer(1), ("in", accepted(0, 1))))
    (link,) = seen.links
    assert (link.name, link.target, link.view) == ("L", "jobs", "sender")
    assert link.credit.points == [(6, 2), (7, 1), (8, 0)]
    assert link.unsettled.points == [(7, 1), (8, 2), (9, 0)]
    assert [delivery.settled for delivery in link.deliveries] == [9, 9]


def test_as_the_receiver_knows_them_where_it_alone_was_recorded():
    other = [(("in" if way == "out" else "out"), raw) for way, raw in
             (each if isinstance(each, tuple) else ("out", each) for each in
              [*UP, ("in", credit(2)), transfer(0), ("in", accepted(0))])]  # fmt: skip
    seen = Timeline(frames(*other))
    (link,) = seen.links
    assert link.view == "receiver"
    assert link.credit.points == [(6, 2), (7, 1)]
    assert (link.deliveries[0].sent, link.deliveries[0].received, link.deliveries[0].decided) == (None, 7, 8)
    assert any("only one end" in sentence for sentence in seen.missing)


def test_available_and_drain_are_seen():
    said = make_frame("flow", next_incoming_id=0, incoming_window=3, next_outgoing_id=0, outgoing_window=100,
                      handle=0, delivery_count=0, link_credit=2, available=40)  # fmt: skip
    seen = Timeline(frames(*UP, ("in", credit(2)), said, ("in", credit(2, drain=True))))
    assert seen.links[0].available.points == [(7, 40)]
    assert [(mark.at, mark.kind, mark.link) for mark in seen.marks] == [(8, "drain", 0)]


def test_a_full_session_window_is_a_mark_and_a_curve():
    up = [("in", SMALL) if each == ("in", BEGUN) else each for each in UP]
    seen = Timeline(frames(*up, ("in", credit(9, window=3)), *map(transfer, range(3)), ("in", credit(9, 3, window=3))))
    assert [(mark.at, mark.kind) for mark in seen.marks] == [(9, "window full")]
    window = seen.links[0].curves[-1]
    assert (window.name, window.points[-2:]) == ("window", [(9, 0), (10, 0)][:1] + [(10, 3)])


def test_a_message_of_several_frames_is_one_delivery():
    seen = Timeline(frames(*UP, ("in", credit(2)), transfer(0, HELLO[:5], more=True), transfer(0, HELLO[5:])))
    (delivery,) = seen.deliveries
    assert (delivery.label, delivery.frames, delivery.size, delivery.sent) == ("hello", 2, len(HELLO), 7)


@pytest.mark.parametrize("state", ["released", "modified"])
def test_a_message_that_went_back_and_comes_again_is_redelivered(state):
    again = [transfer(0), ("in", accepted(0, state=state)), transfer(1), ("in", accepted(1)), transfer(2)]
    seen = Timeline(frames(*UP, ("in", credit(9)), *again))
    assert [(each.outcome, each.redelivered) for each in seen.deliveries] == [(state, 0), ("accepted", 1), ("", 0)]


def test_the_header_of_a_message_counts_its_deliveries_too():
    payload = bytes.fromhex("005370 c00705 40 40 40 40 5203") + HELLO
    seen = Timeline(frames(*UP, ("in", credit(9)), transfer(0, payload)))
    assert seen.deliveries[0].redelivered == 3


def test_a_loss_leaves_deliveries_lost_and_a_mark():
    lost = Record(20.0, "lost", "me", "me#1", text="reset by peer")
    seen = Timeline([*frames(*UP, ("in", credit(9)), transfer(0)), lost])
    assert (seen.deliveries[0].outcome, seen.links[0].unsettled.points[-1]) == ("lost", (20.0, 0))
    assert [(mark.kind, mark.lane, mark.text) for mark in seen.marks] == [
        ("lost", "me", "connection lost: reset by peer")]  # fmt: skip


def test_a_link_goes_on_over_the_next_wire():
    first = frames(*UP, ("in", credit(2)), transfer(0))
    records = [*first, Record(20.0, "lost", "me", "me#1")]
    records += [each._replace(at=each.at + 30, wire="me#2") for each in first]
    (link,) = Timeline(records).links
    assert link.attaches == 2
    assert [(each.outcome, each.redelivered) for each in link.deliveries] == [("lost", 0), ("", 1)]


def test_why_a_message_was_rejected_is_kept():
    error = composite("error", condition="amqp:not-allowed", description="no <b>\n")
    seen = Timeline(frames(*UP, ("in", credit(9)), transfer(0), ("in", accepted(0, state="rejected", error=error))))
    assert (seen.deliveries[0].outcome, seen.deliveries[0].reason) == ("rejected", "amqp:not-allowed: no <b>\\n")


def test_a_message_sent_settled_has_no_outcome_to_wait_for():
    seen = Timeline(frames(*UP, ("in", credit(9)), transfer(0, settled=True)))
    assert (seen.deliveries[0].outcome, seen.deliveries[0].settled) == ("settled", 7)
    assert seen.links[0].unsettled.points == []


def test_what_is_held_retried_and_restarted_are_marks():
    records = [
        Record(1.0, "retry", "me", values={"attempt": 7, "delay": 3.25}),
        Record(2.0, "held", "me", values={"seconds": 0.5, "handler": "Worker", "method": "on_message"}),
        Record(3.0, "crashed", "me"),
        Record(4.0, "restarted", "me"),
    ]
    assert [mark.text for mark in Timeline(records).marks] == [
        "attempt 7, next in 3.2 s", "held the loop 0.500 s: Worker.on_message", "crashed", "restarted"]  # fmt: skip


def test_the_handler_that_is_slow_has_messages_waiting():
    incoming = [("in" if way == "out" else "out", raw) for way, raw in
                (each if isinstance(each, tuple) else ("out", each) for each in UP)]  # fmt: skip
    records = frames(*incoming, credit(9), ("in", transfer(0)), ("in", transfer(1)))
    call = Record(20.0, "call", "me", text="on_message", values={"handler": "H", "seconds": 0.0, "link": "L"})
    (link,) = Timeline([*records, call]).links
    assert link.queued.points == [(20.0, 1)]


def test_a_ring_that_has_dropped_the_beginning_is_read_and_says_so():
    whole = frames(*UP, ("in", credit(2)), transfer(0), transfer(1), ("in", accepted(0, 1)))
    for cut in range(1, len(whole)):
        seen = Timeline(whole[cut:], {"dropped": cut})
        assert seen.missing[0].startswith("the beginning: %d records" % cut)
        assert len(seen.deliveries) == min(2, len(whole) - 1 - cut)
    assert "the attach of handle 0" in " ".join(Timeline(whole[7:]).missing)
    assert Timeline(whole[7:]).links[0].name == "handle 0 of me#1"
    assert [each.outcome for each in Timeline(whole[7:]).deliveries] == ["accepted"] * 2


@pytest.mark.parametrize(
    "raw", [b"", b"\x00", b"AMQ", b"GET / HTTP/1.1\r\n", b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x14\xff",
            transfer(0)[:17], OPEN[:12], b"\x00\x00\x00\x09\xff\x00\x00\x00\x00", b"\xff" * 40])  # fmt: skip
def test_frames_that_cannot_be_read_are_counted_and_nothing_fails(raw):
    seen = Timeline(frames(*UP, ("in", credit(2)), raw, transfer(1)))
    assert [each.number for each in seen.deliveries] == [1]
    broken = [sentence for sentence in seen.missing if "cannot be read" in sentence]
    assert len(broken) == 1


def test_any_part_of_a_recording_in_any_order_is_read():
    records = recorded(5).records
    for step in (2, 3, 5, 7):
        Timeline(records[::step])
        Timeline(records[::-step])
    assert Timeline([]).lanes == []


def test_values_of_a_file_may_be_anything():
    odd = {"seconds": "x", "attempt": [1], "delay": None, "link": 7, "credit": "many", "peer": 3, "other": {}}
    kinds = "connected frame lost closed retry call timer held note summary began ended crashed restarted odd".split()
    seen = Timeline([Record(1.0, kind, "me", "me#1", "sideways", values=odd, text="on_message") for kind in kinds],
                    {"dropped": "x", "cut": "y", "title": None})  # fmt: skip
    assert [mark.kind for mark in seen.marks] == ["lost", "retry", "held", "note", "crashed", "restarted"]


def test_two_ends_of_a_real_connection_are_found_by_their_open_frames():
    peer = make_frame("open", container_id="peer")
    records = [
        Record(0.0, "frame", "me", "me#1", "out", OPEN),
        Record(0.1, "frame", "srv", "srv#1", "in", OPEN),
        Record(0.2, "frame", "srv", "srv#1", "out", peer),
        Record(0.3, "frame", "me", "me#1", "in", peer),
    ]
    seen = Timeline(records)
    assert [(passage.sent, passage.read) for passage in seen.passages] == [(0.0, 0.1), (0.2, 0.3)]
    assert [lane.name for lane in seen.lanes] == ["me", "srv"]


def test_a_peer_that_was_not_recorded_is_a_lane_by_its_container_or_its_address():
    up = Record(0.0, "connected", "me", "me#1", values={"peer": "10.0.0.1:5672", "side": "client"})
    long = make_frame("open", container_id="5d0e5ae8-5a6c-4b0e-a1e1-2a3c9a4d7b11")
    named = Timeline([up, Record(0.1, "frame", "me", "me#1", "in", make_frame("open", container_id="peer"))])
    unnamed = Timeline([up, Record(0.1, "frame", "me", "me#1", "in", long)])
    assert [lane.name for lane in named.lanes] == ["me", "peer"]
    assert [lane.name for lane in unnamed.lanes] == ["me", "10.0.0.1:5672"]


def test_summaries_are_curves_where_no_frames_were_recorded():
    values = {"link": "L", "role": "sender", "credit": 5, "queued": 2, "unsettled": 1}
    (link,) = Timeline([Record(1.0, "summary", "me", "me#1", values=values)]).links
    assert [(curve.name, curve.points) for curve in link.curves] == [
        ("credit", [(1.0, 5)]), ("unsettled", [(1.0, 1)]), ("queued", [(1.0, 2)])]  # fmt: skip


def test_a_frame_may_be_recorded_as_read_before_it_is_recorded_as_written():
    records = [Record(0.0, "connected", "me", "me#1", values={"other": "you#1"}),
               Record(0.0, "connected", "you", "you#1", values={"other": "me#1"})]  # fmt: skip
    for number, each in enumerate([*UP, ("in", credit(9)), transfer(0), ("in", accepted(0))]):
        way, raw = each if isinstance(each, tuple) else ("out", each)
        writer, reader = ("me", "you") if way == "out" else ("you", "me")
        records.append(Record(number + 0.1, "frame", reader, reader + "#1", "in", raw))
        records.append(Record(number + 0.2, "frame", writer, writer + "#1", "out", raw))
    seen = Timeline(records)
    (delivery,) = seen.deliveries
    assert (delivery.outcome, delivery.latency) == ("accepted", 0)
    assert len(seen.passages) == len(UP) + 3
    assert not any(passage.lost for passage in seen.passages)


def test_a_part_of_the_time_is_looked_at_with_all_that_was_known_before():
    seen = Timeline(frames(*UP, ("in", credit(2)), transfer(0), ("in", accepted(0)), transfer(1)))
    seen.cut(9, 20)
    assert [passage.word for passage in seen.passages] == ["transfer"]
    assert [each.number for each in seen.deliveries] == [1]
    assert seen.links[0].credit.points == [(9, 1), (9, 0)]
    assert seen.missing[-1] == "this is the part from 9.000 to 20.000 s"


def test_a_program_that_is_connected_to_itself_has_two_lanes():
    peer = make_frame("open", container_id="me")
    records = [
        Record(0.0, "connected", "me", "me#1", values={"side": "client"}),
        Record(0.0, "connected", "me", "me#2", values={"side": "server"}),
        Record(0.0, "frame", "me", "me#1", "out", OPEN),
        Record(0.1, "frame", "me", "me#2", "in", OPEN),
        Record(0.2, "frame", "me", "me#2", "out", peer),
        Record(0.3, "frame", "me", "me#1", "in", peer),
    ]
    seen = Timeline(records)
    assert [(each.source.name, each.target.name) for each in seen.passages] == [
        ("me", "me (server)"), ("me (server)", "me")]  # fmt: skip


def test_what_a_world_notes_and_has_a_record_of_is_shown_once():
    notes = ["seed 1: latency 0.1", "me starts", "wire 2 made, me to you", "me crashes", "wire 2 cut",
             "me cannot connect to you:5672: refused"]  # fmt: skip
    records = [Record(0.0, "began", "me"), *[Record(1.0, "note", text=text) for text in notes]]
    assert [mark.text for mark in Timeline(records).marks] == ["wire 2 cut"]


def test_a_storm_leaves_no_delivery_without_an_end():
    seen = timeline(stormy())
    found = {(each.label, each.redelivered): (each.outcome, each.reason) for each in seen.deliveries
             if each.link.sender.name == "broker"}  # fmt: skip
    assert {outcome for outcome, _ in found.values()} == {"accepted", "rejected", "modified", "lost"}
    assert found["job 4", 0][0] == "rejected"
    assert found["job 10", 0] == ("lost", "")  # the worker has crashed
    assert found["job 14", 0] == ("accepted", "the sender did not hear of it")  # the connection was cut
    assert found["job 14", 1] == ("accepted", "")
    assert seen.missing == []
