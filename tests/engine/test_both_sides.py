"""Bounds from both sides: windows, credit, ids, what may be unsettled; the last that is good, the first that is not.

All of it over bytes, so that it says nothing of how the engine counts.
"""

from __future__ import annotations

import pytest

from reactor import Limits
from reactor.codec.types import Described
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import ACCEPTED, RELEASED, RejectedDisposition
from reactor.engine.events import Event
from reactor.engine.wire.transport import Transport
from reactor.errors import LocalProtocolError
from tests.support.frames import Peer, frame, raw, target

MASK = 0xFFFFFFFF


def windowed(frames=0, limits=None, start=0, most=None, **begin):
    """An engine that is a client and takes so many frames unread, 0 for its own choice. start: its first ids. most: the
    largest frame of its peer."""
    peer = Peer(Transport.CLIENT)
    if limits is not None:
        peer.transport.limits = limits
    peer.connection.open()
    session = peer.connection.session()
    session.incoming_capacity = frames * peer.transport.max_frame_size
    session.first_outgoing_id = start
    session.open()
    peer.flush()
    peer.hello(max_frame_size=most).begin(remote_channel=0, **begin)
    peer.heard()
    peer.events()
    return peer


def names(peer, but=()):
    return [one.name for one in peer.heard() if one.name not in but]


def take(receiver, number):
    for _ in range(number):
        receiver.current.take()


# -- the incoming window -------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_window_is_used_to_its_last_frame(frames):
    peer = windowed(frames)
    receiver = peer.receiver(credit=100)
    for number in range(frames):
        peer.transfer(b"x", number)
    assert names(peer, ["flow"]) == [] and receiver.queued == frames
    peer.transfer(b"x", frames)
    assert peer.heard_one("end").error == "amqp:session:window-violation"


@pytest.mark.parametrize(("frames", "half"), [(1, 1), (2, 1), (5, 3), (6, 3), (7, 4)])
def test_a_window_is_told_again_when_half_of_it_is_used(frames, half):
    """Where the application reads; not before, and not again and again."""
    peer = windowed(frames)
    receiver = peer.receiver(credit=100)
    for number in range(3 * half):
        peer.transport.receive(frame("transfer", handle=0, delivery_id=number, delivery_tag=b"t", payload=b"x"))
        receiver.current.take()
        assert [one.incoming_window for one in peer.heard()] == ([frames] if (number + 1) % half == 0 else [])


def test_a_window_is_told_again_when_what_holds_it_back_is_read():
    peer = windowed(6)
    receiver = peer.receiver(credit=100)
    for number in range(5):
        peer.transfer(b"x", number)
    assert [one.incoming_window for one in peer.heard()] == [3], "half of it: nothing of that was read"
    receiver.current.take()
    assert [one.incoming_window for one in peer.heard()] == [2], "less than half is left to the peer"
    take(receiver, 4)
    assert [one.incoming_window for one in peer.heard()] == [6]
    peer.transfer(b"x", 5).transfer(b"x", 6)
    take(receiver, 2)
    assert names(peer) == [], "more than half is left to the peer"


@pytest.mark.parametrize("factor", [0.5, 1, 2])
def test_a_capacity_that_is_set_anew_is_told_where_it_makes_room(factor):
    peer = windowed(8)
    receiver = peer.receiver(credit=100)
    for number in range(3):
        peer.transfer(b"x", number)
    assert names(peer) == []
    size = peer.transport.max_frame_size
    peer.session.incoming_capacity = int(8 * factor) * size
    assert [one.incoming_window for one in peer.heard()] == ([13] if factor == 2 else [])
    assert receiver.queued == 3


def test_a_window_of_this_or_that_size_where_messages_have_parts():
    """Beyond the capacity the parts of one message use the window up, and reading them opens it again."""
    peer = windowed(4)
    receiver = peer.receiver(credit=100)
    peer.transfer(b"a", 0, more=True).transfer(b"b", None, more=True)
    assert receiver.recv(10) == b"ab"
    peer.transfer(b"c", None, more=True).transfer(b"d", None)
    assert receiver.recv(10) == b"cd" and receiver.recv(10) is None and receiver.advance()
    for number in range(1, 5):
        peer.transfer(b"x", number)
    assert receiver.queued == 4 and names(peer, ["flow"]) == []


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5])
def test_a_message_in_parts_fills_the_window_by_its_frames_when_it_is_complete(parts):
    peer = windowed()
    receiver = peer.receiver(credit=100)
    room = peer.session.incoming_frames(None)
    for part in range(parts):
        peer.transfer(b"x", None if part else 0, more=part < parts - 1)
    peer.flow(echo=True)
    assert peer.heard_one("flow").incoming_window == room - parts
    receiver.current.take()
    peer.flow(echo=True)
    assert peer.heard_one("flow").incoming_window == room


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_a_message_that_come_at_once_are_one_event(parts):
    peer = windowed()
    receiver = peer.receiver(credit=5)
    first = {"handle": 0, "delivery_id": 0, "delivery_tag": b"t"}
    frames = [frame("transfer", payload=b"x", **(first if not part else {"handle": 0}), more=part < parts - 1)
              for part in range(parts)]  # fmt: skip
    peer.say_bytes(b"".join(frames))
    assert peer.event_names() == ["pn_delivery"] and receiver.current.take() == b"x" * parts


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_as_many_transfers_as_may_be_in_flight_are_passed_over_when_a_link_is_detached(frames):
    peer = windowed(frames)
    receiver = peer.receiver(credit=100)
    receiver.detach()
    assert names(peer) == ["detach"]
    for number in range(2 * frames):
        peer.transfer(b"x", number)
    assert names(peer, ["flow"]) == [] and "pn_delivery" not in peer.event_names()
    peer.transfer(b"x", 2 * frames)
    end = peer.heard_one("end")
    assert end.error == "amqp:session:errant-link"
    assert end.fields["error"].value[1] == f"{2 * frames + 1} transfers on {receiver.label()}, which was detached"


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_as_many_transfers_as_may_be_in_flight_are_passed_over_when_a_session_is_ended(frames):
    peer = windowed(frames)
    peer.receiver(credit=100)
    peer.session.condition = Condition("x:y", "enough")
    peer.session.close()
    assert names(peer) == ["end"]
    for number in range(2 * frames):
        peer.transfer(b"x", number)
    assert peer.transport.condition is None
    peer.transfer(b"x", 2 * frames).transfer(b"x", 2 * frames + 1)
    assert peer.transport.condition.name == "amqp:session:window-violation"


# -- the outgoing window -------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 1, MASK - 2, MASK])
@pytest.mark.parametrize("window", [0, 1, 3])
def test_a_peer_s_window_is_used_to_its_last_frame(window, start):
    peer = windowed(start=start, incoming_window=window)
    sender = peer.sender()
    for number in range(5):
        sender.transmit(b"%d" % number)
    peer.flow(5, next_incoming_id=start, incoming_window=window)
    assert [one.payload for one in peer.heard()] == [b"%d" % number for number in range(window)]
    assert sender.queued == 5 - window
    peer.flow(None, next_incoming_id=start, incoming_window=window + 1)
    assert [one.payload for one in peer.heard()] == [b"%d" % window], "those that left are not in it any more"


@pytest.mark.parametrize("start", [0, 1, MASK - 1, MASK])
@pytest.mark.parametrize("size", [10, 1500])
def test_frames_are_counted_as_they_leave(start, size):
    peer = windowed(start=start)
    before = peer.transport.frames_output
    assert before == 2, "open, begin"
    sender = peer.sender(credit=100)
    receiver = peer.session.receiver("back")
    receiver.source.address = "q"
    receiver.prefetch = 2
    receiver.open()
    peer.flush()
    peer.attach("back", 1, role=False)
    heard = len(peer.heard()) + 1  # the attach of the sender
    for turn in range(3):
        for _ in range(2):
            sender.transmit(b"x" * size)
        if turn:
            peer.transfer(b"y", 2 * turn, handle=1).transfer(b"y", 2 * turn + 1, handle=1)
            for delivery in list(receiver.incoming):
                delivery.take()
                delivery.update(ACCEPTED)
                delivery.settle()
        heard += len(peer.heard())
    peer.session.incoming_capacity = 0
    peer.session.close()
    heard += len(peer.heard())
    assert peer.transport.frames_output - before == heard


@pytest.mark.parametrize("start", [0, 1, 5, MASK - 3])
def test_transfers_in_one_frame_and_in_several_are_counted_alike(start):
    peer = windowed(start=start)
    sender = peer.sender(credit=100)
    for number in range(1, 5):
        sent = [sender.transmit(b"x") for _ in range(number)] + [sender.transmit(b"x" * 300_000)]
    frames = [one for one in peer.heard() if one.name == "transfer"]
    ids = [one.delivery_id for one in frames if one.delivery_id is not None]
    assert ids == [(start + number) & MASK for number in range(14)] and sent[-1].id == ids[-1]
    assert len(frames) > 14
    peer.flow(None, echo=True, next_incoming_id=start)
    assert peer.heard_one("flow").next_outgoing_id == (start + len(frames)) & MASK


# -- which delivery is meant ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [b"t", None], ids=["with a tag", "without"])
@pytest.mark.parametrize("number", [0, 1, MASK, -1, MASK + 1, None])
def test_ids_of_deliveries_have_32_bits(number, tag):
    peer = windowed()
    receiver = peer.receiver(credit=5)
    peer.say_bytes(settled_transfer(number, tag))
    if number in (0, 1, MASK):
        assert names(peer) == [] and receiver.current.id == number
    else:
        assert peer.heard()[-1].error in ("amqp:invalid-field", "amqp:decode-error") and receiver.queued == 0


def settled_transfer(number, tag):
    """Whatever the number is: nothing, a uint, or of a type that it must not have."""
    if number is None:
        encoded = b"\x40"
    elif number < 0:
        encoded = b"\x54" + bytes([number & 0xFF])
    else:
        encoded = b"\x70" + number.to_bytes(4, "big") if number <= MASK else b"\x80" + number.to_bytes(8, "big")
    values = [b"\x43", encoded, b"\x40" if tag is None else b"\xa0\x01" + tag, b"\x43", b"\x41"]
    fields = b"".join(values)
    return raw(b"\x00\x53\x14\xc0" + bytes([len(fields) + 1, len(values)]) + fields + b"x")


def test_an_unsettled_delivery_needs_its_tag_and_a_settled_one_does_not():
    for settled in (True, False):
        peer = windowed()
        receiver = peer.receiver(credit=5)
        peer.transfer(b"x", 0, delivery_tag=None, settled=settled)
        assert receiver.queued == int(settled)
        assert names(peer) == ([] if settled else ["end"])


@pytest.mark.parametrize("number", [0, 7, MASK])
def test_an_id_is_free_again_when_its_delivery_is_settled(number):
    peer = windowed()
    receiver = peer.receiver(credit=5)
    peer.transfer(b"x", number)
    receiver.current.settle()
    assert names(peer) == ["disposition"]
    peer.transfer(b"y", number)
    assert names(peer) == [] and receiver.queued == 1
    peer.transfer(b"z", number)
    assert peer.heard_one("end").error == "amqp:invalid-field"


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("last", range(6))
def test_a_range_of_outcomes_settles_what_is_in_it_over_the_wrap(first, last):
    """One that goes backwards is none."""
    peer = windowed(start=MASK - 2)
    sender = peer.sender(credit=10)
    sent = [sender.transmit(b"x") for _ in range(6)]
    peer.flush()
    assert [delivery.id for delivery in sent] == [MASK - 2, MASK - 1, MASK, 0, 1, 2]
    peer.heard()
    peer.say("disposition", role=True, first=sent[first].id, last=sent[last].id, settled=True)
    assert [delivery.settled for delivery in sent] == [first <= number <= last for number in range(6)]
    assert names(peer) == ([] if first <= last else ["end"])


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("last", range(6))
def test_a_run_of_outcomes_names_what_is_in_it_over_the_wrap(first, last):
    peer = windowed()
    receiver = peer.receiver(credit=10)
    ids = [MASK - 2, MASK - 1, MASK, 0, 1, 2]
    for number in ids:
        peer.transfer(b"x", number)
    deliveries = list(receiver.incoming)
    for delivery in deliveries[first : last + 1]:
        delivery.update(ACCEPTED)
        delivery.settle()
    for delivery in deliveries[last + 1 :][1:]:
        delivery.update(RELEASED)
        delivery.settle()
    told = [(one.first, one.first if one.last is None else one.last, one.state.descriptor) for one in peer.heard()]
    expected = [(ids[first], ids[last], 0x24)] if first <= last else []
    if ids[last + 2 :]:
        expected.append((ids[last + 2], ids[-1], 0x26))
    assert told == expected


@pytest.mark.parametrize(("fields", "changes"), [
    ({"state": Described(0x24, [])}, 1), ({"settled": True}, 2), ({"state": Described(0x24, []), "settled": True}, 3),
    ({"settled": False}, 0),
])  # fmt: skip
def test_a_disposition_changes_what_it_says_and_nothing_else(fields, changes):
    peer = windowed()
    sender = peer.sender(credit=1)
    delivery = sender.transmit(b"x")
    peer.flush()
    peer.say("disposition", role=True, first=0, **fields)
    assert delivery.changes == changes and delivery.settled is bool(fields.get("settled"))


@pytest.mark.parametrize("settled", [[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]])
def test_each_run_says_itself_whether_it_is_settled(settled):
    peer = windowed()
    receiver = peer.receiver(credit=6)
    for number in range(6):
        peer.transfer(b"x", number)
    before = peer.transport.frames_output
    rejected = RejectedDisposition(Condition("x:y", "why"))
    for number, delivery in enumerate(list(receiver.incoming)):
        delivery.update([ACCEPTED, RELEASED, rejected][number // 2])
        if settled[number // 2]:
            delivery.settle()
    told = [(one.first, bool(one.settled), one.state.descriptor) for one in peer.heard() if one.name == "disposition"]
    expected = [(0, 0x24), (2, 0x26), (4, 0x25), (5, 0x25)]  # each content is a frame of its own
    assert told == [(first, bool(settled[first // 2]), state) for first, state in expected]
    assert peer.transport.frames_output - before == 4


@pytest.mark.parametrize("number", [255, 256, 257])
def test_who_speaks_of_few_deliveries_may_do_so_again_and_again(number):
    peer = windowed(limits=Limits(max_unsettled=257))
    sender = peer.sender(credit=1000)
    for _ in range(257):
        sender.transmit(b"x")
    peer.heard()
    for turn in range(40):
        peer.say("disposition", role=True, first=0, last=number - 1, state=Described(0x23, [0, turn]))
        peer.events()
    assert names(peer) == (["end"] if number > 256 else [])


@pytest.mark.parametrize(("last", "ends"), [(300, False), (301, True)])
def test_who_settles_some_of_the_deliveries_may_speak_of_the_others_for_longer(last, ends):
    """Eight times for each that may be unsettled, and no more, however many were settled before; eight times more for
    each that is settled."""
    peer = windowed(limits=Limits(max_unsettled=600), incoming_window=2000)
    sender = peer.sender()
    peer.flow(2000, incoming_window=2000)

    def speak(number, settled=False):
        for one in names(peer, ["transfer"]):
            assert one == "end", "it is over before its time"
        first = min(peer.session.channel.outgoing.unsettled)
        peer.say("disposition", role=True, first=first, last=first + number - 1, settled=settled,
                 state=Described(0x23, [0, next(turns)]))  # fmt: skip
        peer.events()

    turns = iter(range(1000))
    for _ in range(2000):
        sender.transmit(b"x")
    peer.flush()
    speak(257, settled=True)
    for _ in range(6):
        speak(600)  # 4800 were left: now it is 1200
    speak(257, settled=True)  # 2999
    for _ in range(4):
        speak(600)  # 599
    speak(299)
    assert names(peer, ["transfer"]) == []
    speak(last)
    assert names(peer, ["transfer"]) == (["end"] if ends else [])


# -- credit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credit", [0, 1, 3])
def test_credit_is_used_to_its_last_message(credit):
    peer = windowed()
    receiver = peer.receiver(credit=credit)
    for number in range(credit):
        peer.transfer(b"x", number)
    assert names(peer) == [] and receiver.queued == credit and receiver.wire_credit == 0
    peer.transfer(b"x", credit)
    assert peer.heard_one("detach").error == "amqp:link:transfer-limit-exceeded"


def test_a_prefetch_that_waits_for_reading_is_told_when_half_of_it_is_read():
    peer = windowed()
    receiver = peer.receiver()
    receiver.prefetch = 10
    assert peer.heard_one("flow").link_credit == 10
    for number in range(10):
        peer.transfer(b"x", number)
    peer.heard()
    for _ in range(2):
        take(receiver, 4)
        assert names(peer) == [], "not for less than half"
        receiver.current.take()
        assert [one.link_credit for one in peer.heard()] == [5]
        for _ in range(5):
            number += 1
            peer.transfer(b"x", number)
        peer.heard()
        assert receiver.queued == 10


@pytest.mark.parametrize("unread", range(5, 11))
def test_credit_and_what_is_read_are_counted_together(unread):
    """The window is filled again when both together are half of it."""
    peer = windowed()
    receiver = peer.receiver()
    receiver.prefetch = 10
    peer.flush()
    for number in range(unread):
        peer.transfer(b"x", number)
    peer.heard()
    left, read = unread, 0
    while not (told := [one.link_credit for one in peer.heard()]) and left:
        receiver.current.take()
        left, read = left - 1, read + 1
    assert told == [read + 10 - unread] and read == 5


def test_credit_that_is_not_filled_again_is_not_told_again():
    peer = windowed()
    receiver = peer.receiver()
    receiver.prefetch = 10
    receiver.prefetch = None
    receiver.max_unsettled = 5
    receiver.flow(2)
    assert peer.heard_one("flow").link_credit == 2
    peer.transfer(b"x", 0).transfer(b"x", 1)
    take(receiver, 2)
    assert names(peer) == [] and receiver.credit == 0


def test_a_prefetch_is_filled_by_what_is_settled_as_far_as_it_may_be_unsettled():
    peer = windowed()
    receiver = peer.receiver()
    receiver.prefetch, receiver.max_unsettled = 10, 6
    assert peer.heard_one("flow").link_credit == 6
    for number in range(3):
        peer.transfer(b"x", number)
    deliveries = list(receiver.incoming)
    take(receiver, 3)
    peer.heard()
    for settled, delivery in enumerate(deliveries):
        delivery.settle()
        assert [one.link_credit for one in peer.heard() if one.name == "flow"] == [4 + settled]


@pytest.mark.parametrize("how", ["close", "detach"])
def test_a_receiver_that_is_closed_takes_no_more_credit_and_has_none_in_the_end(how):
    peer = windowed()
    receiver = peer.receiver()
    receiver.prefetch = 10
    peer.heard()
    for number in range(6):
        peer.transport.receive(frame("transfer", handle=0, delivery_id=number, delivery_tag=b"t", payload=b"x"))
    take(receiver, 6)
    getattr(receiver, how)()
    heard = peer.heard()
    assert heard[-1].name == "detach" and all(one.link_credit == 4 for one in heard if one.name == "flow")
    peer.say("detach", handle=0, closed=how == "close")
    assert receiver.credit == 0


@pytest.mark.parametrize("most", [2, 5])
def test_a_prefetch_does_not_exceed_what_may_be_unsettled(most):
    peer = windowed(limits=Limits(max_unsettled=most))
    receiver = peer.receiver()
    receiver.prefetch = 3
    assert peer.heard_one("flow").link_credit == min(3, most)
    other = peer.session.receiver("other")
    other.prefetch = 100
    other.open()
    peer.flush()
    peer.attach("other", 1, role=False)
    assert next(one.link_credit for one in peer.heard() if one.name == "flow") == most
    for number in range(min(3, most)):
        peer.transfer(b"x", number)
    take(receiver, min(3, most))
    assert [one.link_credit for one in peer.heard() if one.handle == 0][-1] == max(0, most - 3) == receiver.wire_credit


def test_room_for_unsettled_ones_is_given_again_when_some_are_settled():
    peer = windowed(limits=Limits(max_unsettled=4))
    receiver = peer.receiver()
    receiver.prefetch = 4
    peer.heard()
    for number in range(4):
        peer.transfer(b"x", number)
    deliveries = list(receiver.incoming)
    take(receiver, 4)
    assert [one.link_credit for one in peer.heard()][-1] == receiver.wire_credit == 0
    deliveries[0].settle()
    assert [(one.name, one.link_credit) for one in peer.heard() if one.name == "flow"] == [("flow", 1)]
    deliveries[1].settle()
    deliveries[2].settle()
    assert [one.link_credit for one in peer.heard() if one.name == "flow"] == [3]


@pytest.mark.parametrize("how", ["closed", "lost", "session closed"])
def test_a_link_that_is_over_gets_no_credit_when_there_is_room_again(how):
    peer = windowed(limits=Limits(max_unsettled=2))
    receiver = peer.receiver()
    receiver.prefetch = 2
    peer.flush()
    peer.transfer(b"x", 0).transfer(b"x", 1)
    deliveries = list(receiver.incoming)
    take(receiver, 2)
    peer.heard()
    if how == "lost":
        peer.hang_up()
    else:
        (receiver if how == "closed" else receiver.session).close()
    peer.flush()
    for delivery in deliveries:
        delivery.settle()
    assert "flow" not in names(peer)


def test_a_flow_in_numbers_that_none_can_have_says_which():
    receiver = windowed().receiver(credit=MASK - 1)
    receiver.flow(1)
    with pytest.raises(ValueError, match=r"at most 4294967295, not 4294967297$"):
        receiver.flow(2)
    assert receiver.wire_credit == MASK


def test_a_receiver_is_paused_when_the_sender_has_heard_of_it():
    peer = windowed()
    receiver = peer.receiver(credit=5)
    assert not receiver.is_paused
    receiver.pause()
    flow = peer.heard_one("flow")
    assert (flow.link_credit, flow.echo) == (0, True) and not receiver.is_paused
    peer.flow(1)
    peer.transfer(b"on its way", 0)
    assert not receiver.is_paused and receiver.queued == 1
    receiver.pause()
    assert names(peer) == [], "once is enough"
    peer.flow(0, delivery_count=1)
    assert receiver.is_paused
    peer.flow(1)
    assert receiver.is_paused
    receiver.drain_mode = True
    flow = peer.heard_one("flow")
    assert (flow.link_credit, flow.echo) == (0, None) or not flow.echo


@pytest.mark.parametrize("queued", [0, 1])
def test_a_drain_is_not_answered_twice(queued):
    """Nothing is left to give back where all credit is used, or was given back."""
    peer = windowed()
    sender = peer.sender()
    peer.flow(queued + 1, drain=True)
    peer.heard()
    for _ in range(queued + 1):
        sender.transmit(b"x")
    assert sender.drained() == 0, "what waits uses it up"
    assert names(peer) == ["transfer"] * (queued + 1) + ["flow"]
    assert sender.drained() == 0
    assert names(peer) == []
    peer.flow(2, drain=True, delivery_count=queued + 1)
    assert sender.drained() == 2 and sender.drained() == 0
    assert names(peer) == ["flow"]


def test_credit_beyond_what_was_used_is_credit():
    """A receiver that lowers its credit below what is on its way has granted none, not less than none."""
    peer = windowed()
    sender = peer.sender(credit=4)
    for _ in range(3):
        sender.transmit(b"x")
    peer.heard()
    for credit, left in ((3, 0), (2, 0), (4, 1), (0, 0), (MASK, MASK - 3)):
        peer.flow(credit)
        assert sender.wire_credit == left


@pytest.mark.parametrize("order", ["sent, closed", "closed"])
def test_a_sender_that_was_closed_is_not_told_to_go_on(order):
    peer = windowed()
    sender = peer.sender(credit=5)
    if "sent" in order:
        sender.transmit(b"x")
    sender.close()
    assert names(peer) == (["transfer"] if "sent" in order else []) + ["detach"]
    assert "pn_link_flow" not in peer.event_names()


# -- what may be unsettled -----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 3])
def test_as_many_as_may_be_unsettled_leave(most):
    peer = windowed(limits=Limits(max_unsettled=most))
    sender = peer.sender(credit=10)
    assert sender.credit == most
    sent = [sender.transmit(b"x") for _ in range(most + 2)]
    assert names(peer) == ["transfer"] * most and sender.credit == -2
    peer.events()
    peer.say("disposition", role=True, first=0, settled=True)
    assert names(peer) == ["transfer"] and not sent[-1].has_left
    peer.say("disposition", role=True, first=1, settled=True)
    assert names(peer) == ["transfer"] and sent[-1].has_left
    assert sender.credit == 0
    peer.say("disposition", role=True, first=2, settled=True)
    assert sender.credit == 1 and names(peer) == []


@pytest.mark.parametrize("granted", range(8))
def test_a_sender_may_send_what_is_granted_and_may_be_unsettled(granted):
    peer = windowed(limits=Limits(max_unsettled=4))
    sender = peer.sender(credit=granted)
    for sent in range(4):
        assert sender.credit == max(0, min(granted, 4) - sent)
        if sender.credit:
            sender.transmit(b"x")
            peer.flush()
            assert sender.credit == min(granted, 4) - sent - 1


def test_while_as_many_are_unsettled_as_may_be_nothing_is_said_of_credit():
    peer = windowed(limits=Limits(max_unsettled=3))
    receiver = peer.receiver()
    receiver.prefetch = 5
    peer.flush()
    for number in range(3):
        peer.transfer(b"x", number)
    deliveries = list(receiver.incoming)
    take(receiver, 3)
    peer.heard()
    other = peer.session.sender("other")
    other.open()
    assert names(peer) == ["attach"]
    peer.attach("other", 1, source=None).flow(1, 1)
    other.transmit(b"x")
    assert names(peer) == ["transfer"]
    deliveries[0].settle()
    assert names(peer) == ["disposition", "flow"]


@pytest.mark.parametrize("asked", [{"echo": True}, {"drain": True, "link_credit": 0}])
def test_what_is_asked_before_our_attach_has_left_is_answered_when_it_has(asked):
    peer = Peer.server()
    peer.say_bytes(
        frame("attach", name="link", handle=0, role=True, target=target("q"))
        + frame("flow", handle=0, **{"link_credit": 5, **asked}, incoming_window=9, next_outgoing_id=0,
                outgoing_window=9)
    )  # fmt: skip
    link = next(peer.connection.links(0))
    assert names(peer) == []
    peer.flow(None, echo=True)
    assert [(one.name, one.handle) for one in peer.heard()] == [("flow", None)], "of the session"
    link.open()
    assert [(one.name, one.handle) for one in peer.heard()] == [("attach", 0), ("flow", 0)]
    peer.flow(None, echo=True)
    assert [(one.name, one.handle) for one in peer.heard()] == [("flow", None)], "once"


@pytest.mark.parametrize("size", [10, 300_000])
def test_no_more_leave_than_may_be_unsettled_in_however_many_frames(size):
    peer = windowed(limits=Limits(max_unsettled=4))
    sender = peer.sender(credit=100)
    for number in range(10):
        sender.transmit(b"x" * (size if number % 2 else 10))
    begun = [one.delivery_id for one in peer.heard() if one.delivery_id is not None]
    assert begun == [0, 1, 2, 3]
    peer.say("disposition", role=True, first=0, last=1, settled=True)
    assert [one.delivery_id for one in peer.heard() if one.delivery_id is not None] == [4, 5]


@pytest.mark.parametrize("most", [1, 2, 4, 7])
def test_no_more_leave_in_one_turn_than_may_be_unsettled_where_some_take_several_frames(most):
    peer = windowed(limits=Limits(max_unsettled=most), most=512)
    sender = peer.sender(credit=100)
    for number in range(20):
        sender.transmit(b"x" * (10 if number % 3 else 700))
    peer.flush()
    assert [one.delivery_id for one in peer.heard() if one.delivery_id is not None] == list(range(most))


@pytest.mark.parametrize("start", [0, MASK])
@pytest.mark.parametrize("size", [10, 700])
def test_deliveries_are_counted_as_they_leave_in_one_frame_or_in_several(size, start):
    peer = windowed(most=512)
    sender = peer.session.sender("link")
    sender.target.address = "q"
    sender.delivery_count = start
    sender.open()
    peer.flush()
    peer.attach()
    peer.flow(5, delivery_count=start)
    for number in range(3):
        sender.transmit(b"x" * size)
        peer.flush()
        assert (sender.credit, sender.delivery_count) == (4 - number, (start + number + 1) & MASK)
    peer.heard()
    peer.flow(7, delivery_count=(start + 2) & MASK, drain=True)
    assert sender.credit == 6 and sender.drained() == 6
    flow = peer.heard_one("flow")
    assert (flow.delivery_count, flow.link_credit) == ((start + 9) & MASK, 0)


@pytest.mark.parametrize("early", ["sent", "begun", None])
def test_what_was_sent_before_the_link_was_there_is_settled_as_all_are(early):
    peer = windowed()
    sender = peer.session.sender("link")
    sender.target.address = "q"
    sender.open()
    sent = [sender.transmit(b"x")] if early == "sent" else [sender.delivery("t")] if early else []
    peer.flush()
    peer.attach()
    sent = sent or [sender.transmit(b"x")]
    peer.flow(1)
    if early == "begun":
        sender.stream(b"x")
        sender.advance()
    peer.heard()
    sent[0].settle()
    told = peer.heard_one("disposition")
    assert (told.role, told.first, told.settled) == (False, 0, True)


def test_the_application_is_told_once_that_there_is_room_again():
    peer = windowed(limits=Limits(max_unsettled=3))
    sender = peer.sender(credit=100)
    for _ in range(4):
        sender.transmit(b"x")
    peer.heard()
    peer.events()
    peer.say("disposition", role=True, first=0, last=1, settled=True)
    assert names(peer) == ["transfer"] and peer.event_names().count("pn_link_flow") == 2, "it has room; and it has left"
    for number in (2, 3):
        peer.say("disposition", role=True, first=number, settled=True)
        assert "pn_link_flow" not in peer.event_names(), "nobody waits"
    assert sender.credit == 3


def test_room_is_told_to_senders_that_may_use_it_and_to_no_other_link():
    peer = windowed(limits=Limits(max_unsettled=3))
    sender = peer.sender("able", credit=100)
    spent = peer.sender("spent", handle=1)
    peer.flow(1, handle=1)
    idle = peer.sender("idle", handle=2)
    idle.transmit(b"x")
    peer.receiver("in", credit=5, handle=3)
    for _ in range(4):
        sender.transmit(b"x")
    spent.transmit(b"x")
    peer.heard()
    peer.events()
    peer.say("disposition", role=True, first=0, settled=True)
    assert names(peer) == ["transfer"]
    assert {event.context for event in peer.events() if event.type is Event.LINK_FLOW} == {sender}


# -- tags and settlement in the frames -----------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 2, 3, 8, 31, 32])
def test_each_message_says_itself_whether_it_is_settled(length):
    peer = windowed()
    sender = peer.sender(credit=20)
    tags = [bytes([number]) * length if length else b"" for number in range(8)]
    settled = [False, True, True, False, False, True, False, True]
    for tag, at_once in zip(tags, settled):
        delivery = sender.delivery(tag)
        sender.stream(b"x")
        if at_once:
            delivery.settle()
        else:
            sender.advance()
        if not length:
            peer.flush()
            peer.say("disposition", role=True, first=delivery.id, settled=True)
    sent = [one for one in peer.heard() if one.name == "transfer"]
    assert [bool(one.settled) for one in sent] == settled
    assert [one.delivery_tag for one in sent] == tags


@pytest.mark.parametrize("length", range(33))
def test_plain_messages_and_those_settled_on_their_way_leave_as_they_are(length):
    """Both by the short way, over one link that has just sent the other kind with a tag as long."""
    peer = windowed()
    sender = peer.sender(credit=20)
    told = []
    for number in range(6):
        sender.snd_settle_mode = sender.SND_SETTLED if number % 2 else sender.SND_UNSETTLED
        delivery = sender.transmit(b"x", bytes([number]) * length)
        told += peer.heard()
        if not delivery.fate:
            peer.say("disposition", role=True, first=delivery.id, settled=True)
    assert [(bool(one.settled), one.delivery_tag) for one in told] == [
        (bool(number % 2), bytes([number]) * length) for number in range(6)
    ]


def test_a_stream_that_begins_with_nothing_begins_with_its_first_byte():
    peer = windowed()
    sender = peer.sender(credit=5)
    delivery = sender.delivery("t")
    assert sender.stream(b"") == 0
    assert names(peer) == [] and not delivery.has_left
    sender.stream(b"a")
    assert [(one.payload, one.more) for one in peer.heard()] == [(b"a", True)]
    sender.stream(b"")
    assert names(peer) == []
    sender.stream(b"b")
    sender.advance()
    assert [(one.payload, bool(one.more)) for one in peer.heard()] == [(b"b", False)]
    assert sender.queued == 0 and sender.credit == 4
    sender.transmit(b"next")
    assert [one.payload for one in peer.heard()] == [b"next"]


# -- what is not open ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["link", "session", "connection", "link session", "session connection", "all"])
@pytest.mark.parametrize("flushed", [True, False])
def test_nothing_is_sent_over_what_was_closed_here(closed, flushed):
    peer = windowed()
    sender = peer.sender(credit=5)
    ends = {"link": sender, "session": sender.session, "connection": sender.connection}
    for name in ends if closed == "all" else closed.split():
        ends[name].close()
    if flushed:
        peer.flush()
    why = "is closed" if "link" in closed or closed == "all" else "on a session or a connection that has ended"
    for attempt in (sender.transmit, sender.delivery):
        with pytest.raises(LocalProtocolError, match=why):
            attempt(b"x")
    assert sender.unsettled == sender.queued == 0 and "transfer" not in names(peer)


@pytest.mark.parametrize("session_closed", [True, False])
def test_over_a_link_that_the_peer_has_closed_no_delivery_begins(session_closed):
    peer = windowed()
    sender = peer.sender(credit=5)
    peer.say("detach", handle=0, closed=True)
    if session_closed:
        sender.session.close()
    with pytest.raises(LocalProtocolError, match="is closed"):
        sender.delivery(b"x")
    if session_closed:
        with pytest.raises(LocalProtocolError, match="is closed"):
            sender.transmit(b"x")
    else:
        assert sender.transmit(b"x").doubt is not None


def test_nothing_is_sent_over_what_was_not_opened():
    peer = windowed()
    sender = peer.session.sender("link")
    with pytest.raises(LocalProtocolError, match="is not open"):
        sender.transmit(b"x")


def test_all_that_is_not_settled_is_known_wherever_it_is():
    peer = windowed()
    sender = peer.sender(credit=2)
    other = peer.session.sender("other")
    other.open()
    left = [sender.transmit(b"left") for _ in range(2)]
    peer.flush()
    peer.say("disposition", role=True, first=0, settled=True)
    waits = [sender.transmit(b"waits") for _ in range(2)]
    elsewhere = other.transmit(b"elsewhere")
    assert list(sender.unsettled_deliveries) == [left[1], *waits], "in the queue of the turn"
    peer.flush()
    begun = sender.delivery(b"begun")
    assert list(sender.unsettled_deliveries) == [left[1], *waits, begun], "where it waits for credit"
    assert list(other.unsettled_deliveries) == [elsewhere]
    waits[0].settle()
    assert list(sender.unsettled_deliveries) == [left[1], waits[1], begun] and sender.unsettled == 3


# -- the wire is lost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["unsettled", "settled"])
@pytest.mark.parametrize("how", ["lost", "detached", "ended"])
def test_what_has_left_in_part_is_in_doubt_once(mode, how):
    peer = windowed(incoming_window=3)
    peer.connection.session_head(0)
    sender = peer.session.sender("link")
    sender.snd_settle_mode = sender.SND_SETTLED if mode == "settled" else sender.SND_UNSETTLED
    sender.target.address = "q"
    sender.open()
    peer.flush()
    peer.attach("link").flow(5, incoming_window=2)
    peer.heard()
    peer.events()
    delivery = sender.transmit(b"x" * 3 * 300_000)
    assert [bool(one.more) for one in peer.heard()] == [True, True]
    if how == "lost":
        peer.transport.fail("x:y", "broken")
        peer.transport.unbind()
    elif how == "detached":
        peer.say("detach", handle=0, closed=True)
    else:
        peer.say("end")
    told = [event.delivery for event in peer.events() if event.type.name == "pn_delivery_in_doubt"]
    assert told == [delivery] and sender.queued == sender.unsettled == 0


@pytest.mark.parametrize("resend", [True, False])
@pytest.mark.parametrize("size", [10, 700])
def test_what_is_being_written_when_the_wire_is_lost_does_not_leave_again(size, resend):
    """Its end was not written: nothing of it is sent as a message."""
    peer = windowed(most=512)
    peer.connection.lasting = True
    sender = peer.session.sender("link")
    sender.target.address = "q"
    sender.resend = resend
    sender.open()
    peer.flush()
    peer.attach()
    peer.flow(5)
    delivery = sender.delivery("t")
    sender.stream(b"x" * size)
    assert peer.heard()[-1].more
    peer.events()
    peer.transport.fail("x:y", "broken")
    peer.transport.unbind()
    told = [event.delivery for event in peer.events() if event.type is Event.DELIVERY_IN_DOUBT]
    assert told == [delivery] and sender.queued == sender.unsettled == 0


@pytest.mark.parametrize("taken", [True, False])
def test_the_rest_of_what_was_dropped_half_way_is_not_missed_when_the_wire_is_lost(taken):
    peer = windowed()
    receiver = peer.receiver(credit=5)
    peer.transfer(b"a", 0).transfer(b"b", 1, more=True)
    whole, half = list(receiver.incoming)
    if taken:
        half.take()
    peer.transport.fail("x:y", "broken")
    peer.transport.unbind()
    assert list(receiver.incoming) == [whole] and whole.take() == b"a" and receiver.current is None


def rewired(peer):
    """The wire is lost, and the connection goes on over another one, to a peer that has heard of nothing yet."""
    peer.transport.fail("x:y", "broken")
    peer.transport.unbind()
    peer.events()
    peer.transport = Transport(Transport.CLIENT)
    peer.transport.bind(peer.connection)
    peer.flush()
    peer.hello().begin(remote_channel=0)
    return peer


@pytest.mark.parametrize("queued", [True, False])
def test_a_link_that_was_closed_with_a_message_to_send_is_attached_once_more(queued):
    peer = windowed()
    peer.connection.lasting = True
    sender = peer.sender(credit=0)
    if queued:
        sender.transmit(b"still to go")
    sender.close()
    assert names(peer) == ([] if queued else ["detach"])
    assert ("attach" in names(rewired(peer))) is queued
    if queued:
        peer.attach("link").flow(1)
        assert [(one.name, one.payload) for one in peer.heard()] == [("transfer", b"still to go"), ("detach", b"")]


def test_a_sender_of_the_new_wire_knows_nothing_of_the_old_handles():
    """It is attached on another handle than before, and its messages go there."""
    peer = windowed()
    first, second = peer.session.sender("first"), peer.session.sender("second")
    for handle, link in enumerate((first, second)):
        link.target.address = "q"
        link.open()
        peer.flush()
        peer.attach(link.name, handle).flow(5, handle)
    second.transmit(b"x", b"1")
    assert [one.handle for one in peer.heard() if one.name == "transfer"] == [1]
    first.close()
    rewired(peer).attach("second", 0, target=target("q")).flow(5)
    second.transmit(b"y", b"2")
    assert [(one.handle, one.payload) for one in peer.heard() if one.name == "transfer"] == [(0, b"y")]


def test_a_delivery_whose_outcome_is_no_more_waited_for_makes_room_for_another():
    peer = windowed(limits=Limits(max_unsettled=2))
    sender = peer.sender(credit=5)
    sent = [sender.transmit(b"x") for _ in range(3)]
    assert names(peer) == ["transfer"] * 2
    sender.expire(sent[1], Condition("x:y", "too late"))
    assert names(peer) == ["transfer"] and sent[2].has_left
    assert list(sender.unsettled_deliveries) == [sent[0], sent[2]]


def test_nothing_may_be_available():
    sender = windowed().sender()
    sender.offered(3)
    sender.offered(0)
    assert sender.available == 0


def test_a_peer_may_take_messages_of_one_byte():
    peer = windowed()
    sender = peer.sender(credit=5, max_message_size=1)
    sender.delivery("t")
    assert sender.stream(b"x") == 1
    with pytest.raises(LocalProtocolError, match="takes at most 1"):
        sender.stream(b"y")
