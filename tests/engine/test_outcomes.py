"""What becomes of deliveries: every state both ways with its content, runs and ranges, settle modes, and the
acknowledgement contract as far as the engine keeps it."""

from __future__ import annotations

import pytest

from reactor.codec.types import Described, symbol, ulong
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import SETTLED_NOW, Delivery
from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    EMPTY,
    MODIFIED,
    RECEIVED,
    REJECTED,
    RELEASED,
    CustomDisposition,
    DeclaredDisposition,
    Disposition,
    DispositionType,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
)
from reactor.engine.events import Event
from reactor.engine.handler import Dispatcher
from reactor.engine.limits import Limits
from reactor.engine.wire.transport import Transport
from reactor.errors import DataException, LocalProtocolError
from tests.support.frames import Peer, raw
from tests.support.pair import PIECES, Pair, received

MASK = 0xFFFFFFFF
ACCEPTED_STATE = Described(0x24, [])


@pytest.fixture(params=PIECES, ids=["whole", "bytewise", "by-7"])
def pair(request):
    return Pair(request.param)


@pytest.fixture(params=[True, False], ids=["forth", "back"])
def forth(request):
    return request.param


def exchange(pair, forth=True, count=1, setup=None):
    """(what was sent, what has come): deliveries of one link."""
    sender, receiver = pair.way(forth, count, setup)
    sent = [sender.transmit(b"%d" % number) for number in range(count)]
    pair.pump()
    return sent, [delivery for delivery, _ in received(receiver)]


def updates(pair, delivery):
    return pair.side(delivery).of(Event.DELIVERY).count(delivery)


# -- states --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [ACCEPTED, REJECTED, RELEASED, MODIFIED])
def test_an_outcome_and_its_settlement_in_one_turn(pair, forth, state):
    [sent], [come] = exchange(pair, forth)
    assert (sent.remote_state, sent.settled, sent.updated) == (EMPTY, False, False)
    come.update(state)
    come.settle()
    pair.pump()
    assert sent.remote_state is state
    assert sent.settled
    assert sent.updated
    assert updates(pair, sent) == 1
    sent.clear()
    assert not sent.updated
    assert sent.link.unsettled == come.link.unsettled == 0
    assert sent.remote.type is state


@pytest.mark.parametrize("state", [ACCEPTED, REJECTED, RELEASED, MODIFIED, RECEIVED, 0x4242])
def test_an_outcome_first_and_settled_by_the_sender(pair, forth, state):
    [sent], [come] = exchange(pair, forth)
    come.update(state)
    pair.pump()
    assert sent.remote_state == state
    assert not sent.settled
    assert sent.link.unsettled == come.link.unsettled == 1
    sent.settle()
    pair.pump()
    assert come.settled
    assert sent.link.unsettled == come.link.unsettled == 0
    assert come in pair.side(come).of(Event.DELIVERY)


def test_the_types_are_ints_with_names():
    assert (EMPTY, RECEIVED, ACCEPTED, REJECTED, RELEASED, MODIFIED) == (0, 0x23, 0x24, 0x25, 0x26, 0x27)
    assert str(ACCEPTED) == "ACCEPTED"
    assert DispositionType.or_int(0x24) is ACCEPTED
    assert DispositionType.or_int(0x99) == 0x99
    assert Delivery.ACCEPTED is Disposition.ACCEPTED is ACCEPTED


@pytest.mark.parametrize("way", ["object", "local"])
def test_rejected_with_a_condition(pair, way):
    [sent], [come] = exchange(pair)
    condition = Condition("amqp:precondition-failed", "because", {symbol("n"): 5, "list": [1, None]})
    if way == "object":
        come.update(RejectedDisposition(condition))
    else:
        come.local.condition = condition
        come.update(REJECTED)
    come.settle()
    pair.pump()
    told = sent.remote.condition
    assert (told.name, told.description) == ("amqp:precondition-failed", "because")
    assert told.info == {"n": 5, "list": [1, None]}
    assert all(isinstance(key, symbol) for key in told.info)


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize("undeliverable", [True, False])
@pytest.mark.parametrize("annotations", [None, {"x-opt-a": 1, symbol("x-opt-b"): ["b"]}])
def test_modified_with_all_it_can_say(failed, undeliverable, annotations):
    pair = Pair(7)
    [sent], [come] = exchange(pair)
    pair.said("server")
    come.update(ModifiedDisposition(failed, undeliverable, annotations))
    come.settle()
    pair.pump()
    assert sent.remote_state is MODIFIED
    assert sent.remote.failed is failed
    assert sent.remote.undeliverable is undeliverable
    assert (sent.remote.annotations or None) == annotations
    state = pair.said("server")[-1].state
    if annotations:
        assert all(isinstance(key, symbol) for key in state.value[2]), "a broker refuses string keys"


@pytest.mark.parametrize("key", [None, 5, b"x", True])
def test_annotations_of_modified_with_keys_that_nobody_may_send_are_refused_at_the_call(pair, key):
    [_], [come] = exchange(pair)
    pair.said("server")
    with pytest.raises(DataException, match="the keys of the annotations of MODIFIED are symbols or str, not "):
        come.update(ModifiedDisposition(annotations={key: 1}))
    pair.pump()
    assert not pair.said("server")


def test_received_tells_how_far(pair):
    [sent], [come] = exchange(pair)
    come.update(ReceivedDisposition(1, 1 << 40))
    pair.pump()
    assert sent.remote_state is RECEIVED
    assert (sent.remote.section_number, sent.remote.section_offset) == (1, 1 << 40)
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED
    assert updates(pair, sent) == 2


@pytest.mark.parametrize("data", [None, [1, "two", None, symbol("x")], {symbol("a"): 1}, "text"])
def test_custom_states(data):
    pair = Pair(1)
    [sent], [come] = exchange(pair)
    come.update(CustomDisposition(0x4321, data))
    come.settle()
    pair.pump()
    assert sent.remote_state == 0x4321
    assert sent.remote.data == ([] if data is None else data)


def test_a_plain_outcome_takes_the_place_of_one_in_a_transaction():
    pair = Pair()
    [sent], [come] = exchange(pair)
    come.update(TransactionalDisposition(b"txn", ACCEPTED))
    pair.pump()
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED and sent.settled and sent.remote_content is None


def test_transactional_states():
    pair = Pair()
    [sent], [come] = exchange(pair)
    come.update(TransactionalDisposition(b"txn", ACCEPTED))
    pair.pump()
    assert sent.remote_state is DispositionType.TRANSACTIONAL_STATE
    assert sent.remote.id == b"txn"
    assert sent.remote.outcome_type is ACCEPTED
    come.update(TransactionalDisposition(b"txn", RejectedDisposition(Condition("app:no", "because"))))
    pair.pump()
    assert sent.remote.outcome_type is REJECTED and sent.remote.condition == Condition("app:no", "because")
    come.update(TransactionalDisposition(b"txn", TransactionalDisposition(b"other", REJECTED)))
    pair.pump()
    assert sent.remote.condition is None
    come.update(DeclaredDisposition(b"t2"))
    pair.pump()
    assert sent.remote_state is DispositionType.TRANSACTION_DECLARED
    assert sent.remote.id == b"t2"


def test_a_state_that_leaves_with_the_message(pair):
    """A sender's state, such as the transaction it belongs to, is on the transfer itself."""
    sender, receiver = pair.way(True, 3)
    pair.said("client")
    sent = sender.transmit(b"x")
    sent.update(TransactionalDisposition(b"txn"))
    large = sender.transmit(bytes(200000))
    large.update(TransactionalDisposition(b"txn"))
    streamed = sender.delivery("t")
    streamed.update(TransactionalDisposition(b"txn"))
    sender.stream(b"x")
    sender.advance()
    pair.pump()
    frames = pair.said("client")
    assert all(frame.name == "transfer" and frame.state.value == [b"txn"] for frame in frames)
    for delivery, _ in received(receiver):
        assert delivery.remote_state is DispositionType.TRANSACTIONAL_STATE
        assert delivery.remote.id == b"txn"


def test_the_content_that_a_sender_adds_does_not_make_a_frame_too_large():
    pair = Pair()
    pair.server.transport.max_frame_size = 512
    sender, receiver = pair.way(True, 3)
    sent = sender.transmit(bytes(1000))
    sent.update(CustomDisposition(0x99, [b"x" * 300]))
    pair.pump()
    assert [data for _, data in received(receiver)] == [bytes(1000)]
    assert pair.server.transport.condition is None


def test_content_that_cannot_be_written_raises_at_the_call():
    pair = Pair()
    [sent], [come] = exchange(pair)
    with pytest.raises(DataException):
        come.update(CustomDisposition(0x99, [object()]))
    with pytest.raises(DataException):
        come.update(ModifiedDisposition(True, False, {"x": object()}))
    with pytest.raises(TypeError):
        come.local = 5
    pair.pump()
    assert sent.remote_state is EMPTY
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED


def test_content_that_does_not_fit_the_peer_s_frames_raises_at_the_call():
    pair = Pair()
    pair.client.transport.max_frame_size = 512
    [sent], [come] = exchange(pair)
    with pytest.raises(DataException, match="does not fit"):
        come.update(RejectedDisposition(Condition("x:y", "z" * 500)))
    come.update(RejectedDisposition(Condition("x:y", "z" * 400)))
    come.settle()
    pair.pump()
    assert sent.remote.condition.description == "z" * 400


def test_the_last_of_several_updates_counts(pair):
    [sent], [come] = exchange(pair)
    come.update(RELEASED)
    come.update(REJECTED)
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED
    assert updates(pair, sent) == 1


def test_update_with_nothing_sends_what_local_holds(pair):
    [sent], [come] = exchange(pair)
    come.local = ModifiedDisposition(True, True)
    come.update()
    come.settle()
    pair.pump()
    assert sent.remote_state is MODIFIED
    assert sent.remote.undeliverable


def test_a_disposition_can_be_passed_on(pair):
    """As a broker or router does: what one side said is said to the other."""
    [sent], [come] = exchange(pair, count=1)
    come.update(RejectedDisposition(Condition("x:y", "z")))
    come.settle()
    pair.pump()
    copy = Disposition()
    sent.remote.apply_to(copy)
    assert copy.type is REJECTED
    assert copy.condition.name == "x:y"
    assert "x:y" in repr(copy)


# -- runs and ranges -----------------------------------------------------------------------------------------


def test_outcomes_of_a_turn_go_out_in_runs():
    pair = Pair()
    sent, come = exchange(pair, True, 12)
    pair.said("server")
    for number, delivery in enumerate(come):
        delivery.update(RELEASED if number in (5, 6) else ACCEPTED)
        delivery.settle()
    pair.pump()
    frames = [frame for frame in pair.said("server") if frame.name == "disposition"]
    assert [(f.first, f.last, f.state.descriptor) for f in frames] == [(0, 4, 0x24), (5, 6, 0x26), (7, 11, 0x24)]
    assert all(frame.role and frame.settled for frame in frames)
    assert [delivery.remote_state.name for delivery in sent] == ["ACCEPTED"] * 5 + ["RELEASED"] * 2 + ["ACCEPTED"] * 5
    assert pair.client.count(Event.DELIVERY) == 12


def test_runs_break_where_deliveries_are_missing_or_out_of_order():
    pair = Pair()
    sent, come = exchange(pair, True, 8)
    pair.said("server")
    for number in (0, 1, 3, 4, 7, 6, 5):
        come[number].update(ACCEPTED)
        come[number].settle()
    pair.pump()
    frames = [frame for frame in pair.said("server") if frame.name == "disposition"]
    covered = [number for f in frames for number in range(f.first, (f.first if f.last is None else f.last) + 1)]
    assert sorted(covered) == [0, 1, 3, 4, 5, 6, 7]
    assert not sent[2].updated
    assert all(delivery.settled for number, delivery in enumerate(sent) if number != 2)


def test_runs_of_a_sender_that_settles_are_those_of_a_sender():
    peer, _, sent = sending(6)
    for number in (0, 1, 3, 4):
        sent[number].settle()
    told = [(one.role, one.first, one.last, one.settled) for one in peer.heard() if one.name == "disposition"]
    assert told == [(False, 0, 1, True), (False, 3, 4, True)]


def test_each_content_is_a_frame_of_its_own():
    pair = Pair()
    sent, come = exchange(pair, True, 4)
    for number, delivery in enumerate(come):
        if number != 2:
            delivery.update(RejectedDisposition(Condition("c:%d" % number)))
        else:
            delivery.update(REJECTED)
        delivery.settle()
    pair.pump()
    assert [d.remote.condition and d.remote.condition.name for d in sent] == ["c:0", "c:1", None, "c:3"]


def test_runs_over_several_links_of_a_session():
    pair = Pair()
    ways = [pair.link("a"), pair.link("b")]
    for _, receiver in ways:
        receiver.flow(10)
    pair.pump()
    pair.said("server")
    sent = [ways[number % 2][0].transmit(b"x") for number in range(10)]
    pair.pump()
    come = sorted((d for _, receiver in ways for d, _ in received(receiver)), key=lambda delivery: delivery.id)
    for delivery in come:
        delivery.update(ACCEPTED)
        delivery.settle()
    pair.pump()
    [frame] = [frame for frame in pair.said("server") if frame.name == "disposition"]
    assert (frame.first, frame.last) == (0, 9)
    assert all(delivery.settled for delivery in sent)
    assert all(link.unsettled == 0 for way in ways for link in way)


def sending(count=5, **options):
    peer = Peer.client(**options)
    sender = peer.sender(credit=count)
    sent = [sender.transmit(b"%d" % number) for number in range(count)]
    peer.heard()
    peer.events()
    return peer, sender, sent


def test_a_range_with_last_absent_is_one_delivery():
    peer, _, sent = sending()
    peer.say("disposition", role=True, first=2, settled=True, state=Described(ulong(0x24), []))
    assert [delivery.settled for delivery in sent] == [False, False, True, False, False]


def test_a_range_with_last_the_first():
    peer, _, sent = sending()
    peer.say("disposition", role=True, first=2, last=2, settled=True, state=Described(ulong(0x24), []))
    assert [delivery.settled for delivery in sent] == [False, False, True, False, False]


def test_a_range_that_promises_billions_settles_what_is_there():
    peer, sender, sent = sending()
    peer.say("disposition", role=True, first=1, last=0x7FFFFFFF, settled=True, state=Described(ulong(0x24), []))
    assert [delivery.settled for delivery in sent] == [False, True, True, True, True]
    assert sender.unsettled == 1
    assert peer.transport.condition is None


@pytest.mark.parametrize("gone", [[0, 1, 2], [1], [2, 3], [4]])
@pytest.mark.parametrize(("first", "last"), [(first, last) for last in range(5) for first in range(last + 1)])
def test_a_range_settles_what_of_it_is_there_and_nothing_beside_it(first, last, gone):
    """Some were settled before, so that it may be longer than all that are left."""
    peer, _, sent = sending()
    for number in gone:
        peer.say("disposition", role=True, first=number, settled=True)
    peer.say("disposition", role=True, first=first, last=last, settled=True)
    assert [delivery.settled for delivery in sent] == [one in gone or first <= one <= last for one in range(5)]


def test_a_range_that_ends_before_it_begins_settles_nothing():
    peer, sender, sent = sending()
    peer.say("disposition", role=True, first=3, last=1, settled=True, state=Described(ulong(0x24), []))
    assert not any(delivery.settled for delivery in sent)
    assert sender.unsettled == 5
    assert [frame.error for frame in peer.heard() if frame.name == "end"] == ["amqp:invalid-field"]


def test_ids_that_nobody_knows_are_passed_over():
    peer, _, sent = sending()
    peer.say("disposition", role=True, first=100, last=200, settled=True, state=Described(ulong(0x24), []))
    peer.say("disposition", role=False, first=0, last=4, settled=True, state=Described(ulong(0x24), []))
    assert not any(delivery.settled for delivery in sent)
    assert peer.event_names() == []
    assert peer.transport.condition is None


def test_an_outcome_again_says_nothing_new():
    peer, _, sent = sending(1)
    accepted = Described(ulong(0x24), [])
    peer.say("disposition", role=True, first=0, state=accepted)
    peer.say("disposition", role=True, first=0, state=accepted)
    assert peer.event_names() == ["pn_delivery"]
    peer.say("disposition", role=True, first=0, settled=True)
    peer.say("disposition", role=True, first=0, settled=True)
    assert peer.event_names() == ["pn_delivery"]
    assert sent[0].remote_state is ACCEPTED, "a settlement without a state leaves the state"
    assert sent[0].settled


def test_a_range_of_a_sender_s_settlements():
    peer = Peer.client()
    receiver = peer.receiver(credit=10)
    for number in range(5):
        peer.transfer(b"x", number)
    peer.say("disposition", role=False, first=1, last=3, settled=True)
    deliveries = [delivery for delivery, _ in received(receiver)]
    assert [delivery.settled for delivery in deliveries] == [False, True, True, True, False]
    assert receiver.unsettled == 2


def test_a_symbolic_state_and_one_that_is_nobody_s():
    peer, _, sent = sending(3)
    state = b"\x00\xa3\x12amqp:accepted:list\x45"
    fields = b"\x41\x43\x40\x41" + state
    peer.say_bytes(raw(b"\x00\x53\x15\xc0" + bytes([len(fields) + 1, 5]) + fields))
    assert sent[0].remote_state is ACCEPTED
    state = b"\x00\xa3\x0bx:odd:state\xc0\x04\x01\xa1\x01z"
    fields = b"\x41\x52\x01\x40\x42" + state
    peer.say_bytes(raw(b"\x00\x53\x15\xc0" + bytes([len(fields) + 1, 5]) + fields))
    assert peer.transport.condition is None or peer.transport.condition.name == "amqp:decode-error"


# -- settle modes --------------------------------------------------------------------------------------------


def test_P1_J11_at_most_once(pair, forth):
    sender, receiver = pair.way(forth, 5, lambda link: setattr(link, "snd_settle_mode", link.SND_SETTLED))
    assert sender.snd_settle_mode == sender.SND_SETTLED
    sent = sender.transmit(b"x")
    streamed = sender.delivery("t")
    sender.stream(b"y")
    sender.advance()
    assert sender.unsettled == 0
    pair.pump()
    come = [delivery for delivery, _ in received(receiver)]
    assert all(delivery.settled for delivery in come)
    assert receiver.unsettled == 0
    for delivery in come:
        delivery.update(ACCEPTED)
        with pytest.raises(LocalProtocolError, match="settled"):
            delivery.update(RELEASED)
        delivery.settle()
    pair.pump()
    assert not sent.updated
    assert not streamed.updated


def test_a_delivery_is_sent_pre_settled_by_settling_it_at_once(pair):
    sender, receiver = pair.way(True, 5)
    sender.transmit(b"x").settle()
    pair.pump()
    [(come, _)] = received(receiver)
    assert come.settled
    assert sender.unsettled == receiver.unsettled == 0


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("second", [0, 1])
def test_modes_are_told_and_answered(mode, second):
    pair = Pair()

    def setup(link):
        link.snd_settle_mode, link.rcv_settle_mode = mode, second

    near, far = pair.link("l", True, setup)
    assert (far.remote_snd_settle_mode, far.remote_rcv_settle_mode) == (mode, second)
    assert near.remote_snd_settle_mode in (mode, 2)


def test_a_receiver_that_asks_for_settled_transfers_gets_them():
    pair = Pair()
    receiver, sender = pair.link("l", False, lambda link: setattr(link, "snd_settle_mode", link.SND_SETTLED))
    receiver.flow(5)
    pair.pump()
    sender.transmit(b"x")
    pair.pump()
    assert receiver.current.settled


# -- receivers that settle second [2.8.3] ---------------------------------------------------------------------


def second(link):
    link.rcv_settle_mode = link.RCV_SECOND


@pytest.mark.parametrize("state", [ACCEPTED, REJECTED, RELEASED])
def test_a_receiver_that_settles_second_says_the_outcome_and_settles_when_the_sender_has(state):
    peer = Peer.client()
    link = peer.session.receiver("link")
    second(link)
    link.open()
    link.flow(3)
    peer.flush()
    peer.attach("link", role=False, rcv_settle_mode=1)
    for number in range(3):
        peer.transfer(b"x", number)
    peer.heard()
    for delivery, _ in received(link):
        delivery.settle_with(state) if delivery.id else (delivery.update(state), delivery.settle())
    said = peer.heard_one("disposition")
    assert (said.first, said.last, said.settled, said.state.descriptor) == (0, 2, False, int(state))
    assert link.unsettled == 0, "for the application it is done"
    assert len(link.channel.incoming.unsettled) == 3
    peer.events()
    peer.say("disposition", role=False, first=0, last=2, settled=True, state=Described(int(state), []))
    assert [event.delivery.settled for event in peer.events() if event.type is Event.DELIVERY] == [True] * 3
    assert not link.channel.incoming.unsettled
    assert peer.heard() == []


def test_two_that_settle_second_come_to_an_end():
    pair = Pair()
    sender, receiver = pair.way(False, 2, second)
    assert receiver.remote_rcv_settle_mode == sender.remote_rcv_settle_mode == 1
    sent = sender.transmit(b"x")
    pair.pump()
    [(come, _)] = received(receiver)
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED and not sent.settled, "it has the word, and decides when to forget"
    sent.settle()
    pair.pump()
    assert come.settled
    assert not receiver.channel.incoming.unsettled and not sender.channel.outgoing.unsettled


def test_with_nothing_to_say_or_a_sender_that_settles_first_it_settles_at_once():
    for mode, state in ((0, ACCEPTED), (1, EMPTY), (1, RECEIVED)):
        peer = Peer.client()
        link = peer.session.receiver("link")
        second(link)
        link.open()
        link.flow(1)
        peer.flush()
        peer.attach("link", role=False, rcv_settle_mode=mode)
        peer.transfer(b"x")
        peer.heard()
        if state is not EMPTY:
            link.current.update(state)
        link.current.settle()
        assert peer.heard_one("disposition").settled is True


def test_a_link_that_ends_leaves_nothing_behind_that_waits_for_its_sender():
    pair = Pair()
    sender, receiver = pair.way(False, 2, second)
    sender.transmit(b"x")
    pair.pump()
    [(come, _)] = received(receiver)
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    window = receiver.channel.incoming
    assert window.unsettled
    receiver.close()
    pair.pump()
    assert not window.unsettled


# -- the acknowledgement contract ----------------------------------------------------------------------------


def test_update_after_settle_with_another_outcome_raises():
    pair = Pair()
    [sent], [come] = exchange(pair)
    come.update(ACCEPTED)
    come.settle()
    with pytest.raises(LocalProtocolError, match="cannot be REJECTED") as raised:
        come.update(REJECTED)
    assert raised.value.condition == "amqp:illegal-state"
    assert "ACCEPTED" in str(raised.value), "it names the delivery and its outcome"
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED
    with pytest.raises(LocalProtocolError):
        come.update(RELEASED)


def test_accepting_what_was_settled_on_arrival_does_nothing_and_anything_else_raises():
    """Its sender has chosen that mode: whoever accepts must not fail for it."""
    peer = Peer.client()
    receiver = peer.receiver(credit=1)
    peer.transfer(b"x", settled=True)
    delivery = receiver.current
    delivery.update(ACCEPTED)
    delivery.settle()
    assert peer.heard() == []
    for state in (REJECTED, RELEASED, MODIFIED):
        with pytest.raises(LocalProtocolError, match="pre-settled"):
            delivery.update(state)


@pytest.mark.parametrize("settled", [False, True])
def test_an_outcome_stands_when_the_peer_says_another_one(settled):
    peer = Peer.client()
    sender = peer.sender(credit=1)
    sent = sender.transmit(b"x")
    peer.flush()
    peer.say("disposition", role=True, first=0, state=Described(0x24, []))
    assert sent.remote_state is ACCEPTED
    peer.events()
    sent.clear()
    peer.say("disposition", role=True, first=0, settled=settled, state=Described(0x26, []))
    assert sent.remote_state is ACCEPTED
    assert sent.settled is settled and sent.changes == (SETTLED_NOW if settled else 0)
    assert peer.event_names() == (["pn_delivery"] if settled else [])


def test_a_state_that_is_no_outcome_may_change():
    peer = Peer.client()
    sender = peer.sender(credit=1)
    sent = sender.transmit(b"x")
    peer.flush()
    for offset in (1, 2):
        peer.say("disposition", role=True, first=0, state=Described(0x23, [0, offset]))
        assert sent.remote.section_offset == offset
        assert peer.event_names() == ["pn_delivery"]
    peer.say("disposition", role=True, first=0, settled=True, state=Described(0x25, []))
    assert sent.remote_state is REJECTED


# -- more updates than anybody reads --------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False], ids=["of what we sent", "of what we received"])
def test_a_delivery_has_one_event_of_updates_in_the_queue(ours):
    peer = Peer.client()
    link = peer.sender(credit=100) if ours else peer.receiver(credit=100)
    for number in range(100):
        if ours:
            link.transmit(b"x")
        else:
            peer.transfer(b"x", number)
    peer.flush()
    peer.events()
    for offset in range(20):
        peer.say("disposition", role=ours, first=0, last=99, state=Described(0x23, [0, offset]))
    events = [event for event in peer.events() if event.type is Event.DELIVERY]
    assert len(events) == 100
    assert all(event.delivery.remote.section_offset == 19 for event in events), "it tells of the last"
    peer.say("disposition", role=ours, first=0, last=99, settled=True, state=Described(0x24, []))
    assert peer.event_names().count("pn_delivery") == 100, "what was read is not in the way of what comes after"


def test_pieces_of_two_messages_by_turns_are_one_event_each_until_they_are_read():
    peer = Peer.client()
    first = peer.receiver("a", 1)
    second = peer.session.receiver("b")
    second.source.address = "b"
    second.open()
    peer.flush()
    peer.attach("b", 1, role=False)
    second.flow(1)
    peer.flush()
    peer.events()
    for handle in (0, 1):
        peer.transfer(b"x", handle, handle, more=True)
    for _ in range(10):
        for handle in (0, 1):
            peer.transfer(b"x", None, handle, more=True)
    assert first.current.pending == second.current.pending == 11
    assert peer.event_names().count("pn_delivery") <= 4
    peer.transfer(b"x", None, 0)
    assert peer.event_names().count("pn_delivery") == 1


def test_dispatched_events_make_room_for_others():
    pair = Pair()
    sender, receiver = pair.way(True, 1)
    sent = sender.transmit(b"x")
    pair.pump()
    dispatcher = Dispatcher(pair.client.collector, None, object())
    for offset in (1, 2):
        receiver.current.update(ReceivedDisposition(0, offset))
        pair.move(pair.server, pair.client, "server")
        assert sent.noted and len(pair.client.collector.events) <= 2
        dispatcher.run()
        assert not sent.noted


def test_who_speaks_of_all_deliveries_again_and_again_loses_the_session():
    """A frame of thirty bytes costs as much as the deliveries that it speaks of."""
    peer = Peer(Transport.CLIENT)
    peer.transport.limits = Limits(max_unsettled=1000)
    peer.connection.open()
    peer.connection.session().open()
    peer.flush()
    peer.hello().begin(remote_channel=0, incoming_window=5000)
    sender = peer.sender(credit=3000)
    for _ in range(1000):
        sender.transmit(b"x")
    peer.flush()
    peer.heard()
    for turn in range(8):
        peer.say("disposition", role=True, first=0, last=999, state=Described(0x23, [0, turn]))
        assert peer.heard() == []
        peer.events()
    peer.say("disposition", role=True, first=2**31, last=2**32 - 1, state=Described(0x23, [0, 9]))
    assert peer.heard_one("end").error == "amqp:resource-limit-exceeded"


def test_who_settles_may_speak_of_them_for_ever():
    peer = Peer(Transport.CLIENT)
    peer.transport.limits = Limits(max_unsettled=1000)
    peer.connection.open()
    peer.connection.session().open()
    peer.flush()
    peer.hello().begin(remote_channel=0, incoming_window=2**31)
    sender = peer.sender()
    peer.flow(100000, incoming_window=2**31)
    for turn in range(30):
        for _ in range(1000):
            sender.transmit(b"x")
        peer.flush()
        for settled in (False, True):
            first = 1000 * turn
            peer.say("disposition", role=True, first=first, last=first + 999, settled=settled, state=ACCEPTED_STATE)
    assert not [frame for frame in peer.heard() if frame.name != "transfer"]
    assert sender.unsettled == 0


def test_after_the_connection_is_lost_update_and_settle_do_nothing(forth):
    pair = Pair()
    [sent], [come] = exchange(pair, forth)
    for side in (pair.client, pair.server):
        side.transport.close_tail()
        side.take()
    come.update(ACCEPTED)
    come.settle()
    come.update(REJECTED)
    sent.update(ACCEPTED)
    sent.settle()
    for side in (pair.client, pair.server):
        assert side.transport.pending() == -1
    assert sent in pair.side(sent).of(Event.DELIVERY_IN_DOUBT)


def test_the_peer_settles_first(pair):
    """The local delivery is settled too; what we would have said is nobody's business any more."""
    sent, come = exchange(pair, True, 3)
    for delivery in sent:
        delivery.settle()
    pair.pump()
    assert all(delivery.settled and delivery.updated for delivery in come)
    assert come[0].link.unsettled == 0
    pair.said("server")
    come[0].update(ACCEPTED)
    come[1].settle()
    come[2].update(REJECTED)
    come[2].settle()
    pair.pump()
    assert [frame for frame in pair.said("server") if frame.name == "disposition"] == []


def test_both_settle_at_once(pair):
    [sent], [come] = exchange(pair)
    sent.settle()
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.link.unsettled == come.link.unsettled == 0
    assert not sent.link.session.channel.outgoing.unsettled
    assert not come.link.session.channel.incoming.unsettled


def test_settling_twice_is_settling_once(pair):
    [sent], [come] = exchange(pair)
    come.settle()
    come.settle()
    pair.pump()
    assert come.link.unsettled == 0
    assert sent.settled
    assert sent.remote_state is EMPTY
    assert updates(pair, sent) == 1


def test_settling_what_was_not_read_drops_it(pair):
    sender, receiver = pair.way(True, 5)
    for number in range(3):
        sender.transmit(b"%d" % number)
    pair.pump()
    receiver.current.update(RELEASED)
    receiver.current.settle()
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"1", b"2"]
    assert receiver.credit == 2


def test_unsettled_deliveries_in_their_order(pair):
    sent, come = exchange(pair, True, 4)
    sender, receiver = sent[0].link, come[0].link
    assert list(sender.unsettled_deliveries) == sent
    assert list(receiver.unsettled_deliveries) == come
    assert receiver.unsettled_head is come[0]
    assert come[0].unsettled_next is come[1]
    come[1].settle()
    sent[1].settle()
    assert list(sender.unsettled_deliveries) == [sent[0], sent[2], sent[3]], "before anything is written, too"
    assert list(receiver.unsettled_deliveries) == [come[0], come[2], come[3]]
    assert come[3].unsettled_next is None
    pair.pump()
    assert list(sender.unsettled_deliveries) == [sent[0], sent[2], sent[3]]


def test_outcomes_leave_before_the_link_closes(pair):
    sent, come = exchange(pair, True, 3)
    for delivery in come:
        delivery.update(ACCEPTED)
        delivery.settle()
    come[0].link.close()
    come[0].session.close()
    pair.server.connection.close()
    pair.pump()
    assert all(delivery.remote_state is ACCEPTED for delivery in sent)


def test_outcomes_leave_when_the_peer_closes_its_end_first(pair):
    sent, come = exchange(pair, True, 2)
    pair.server.polite = False
    sent[0].link.close()
    pair.pump()
    for delivery in come:
        delivery.update(ACCEPTED)
        delivery.settle()
    come[0].link.close()
    pair.pump()
    assert all(delivery.remote_state is ACCEPTED and delivery.settled for delivery in sent)


# -- in doubt ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["detach", "end", "close", "hang up"])
def test_what_has_no_outcome_is_in_doubt(how):
    """When the peer goes first, everything that was sent and has no outcome is told; nothing else is."""
    peer, sender, sent = sending(4)
    peer.say("disposition", role=True, first=0, settled=True, state=Described(ulong(0x24), []))
    peer.say("disposition", role=True, first=1, state=Described(ulong(0x24), []))
    queued = sender.transmit(b"without credit")
    peer.events()
    if how == "hang up":
        peer.hang_up()
    elif how == "detach":
        peer.say("detach", handle=0, closed=True)
    else:
        peer.say(how)
    doubtful = [event.delivery for event in peer.events() if event.type is Event.DELIVERY_IN_DOUBT]
    assert set(doubtful) >= {sent[2], sent[3], queued}
    assert sent[0] not in doubtful
    assert len(doubtful) == len(set(doubtful))
    assert sender.unsettled == sender.queued == 0


def test_received_deliveries_are_not_in_doubt():
    peer = Peer.client()
    receiver = peer.receiver(credit=3)
    peer.transfer(b"x")
    peer.hang_up()
    names = peer.event_names()
    assert "pn_delivery_in_doubt" not in names
    assert receiver.current.take() == b"x", "what has come can still be read"


@pytest.mark.parametrize("state", ["accepted", 1.5, object()])
def test_what_is_no_state_is_refused_at_the_call(state):
    pair = Pair()
    [sent], [come] = exchange(pair)
    with pytest.raises(TypeError, match="ACCEPTED"):
        come.update(state)
    come.update(ACCEPTED)
    come.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED


def test_a_tag_that_cannot_be_shown_is_shown_as_bytes():
    """RabbitMQ counts in eight of them."""
    peer = Peer.client()
    link = peer.receiver(credit=2)
    peer.transfer(b"x", 0, delivery_tag=b"\0\0\0\x01").transfer(b"x", 1, delivery_tag=b"tag-1")
    assert [repr(delivery).split(" of ")[0] for delivery in link.incoming] == [
        r"<Delivery b'\x00\x00\x00\x01'",
        "<Delivery tag-1",
    ]
