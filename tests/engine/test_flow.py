"""Credit and windows: granted, honoured, enforced, drained, echoed; and the arithmetic at the wrap of 32 bits."""

from __future__ import annotations

import pytest

from reactor.codec.types import symbol
from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.disposition import ACCEPTED
from reactor.engine.events import Event
from reactor.engine.handler import INCOMING, Dispatcher, Handler
from reactor.engine.serial import MASK, serial_difference
from reactor.engine.wire.transport import Transport
from reactor.errors import DataException
from tests.support.frames import Peer, source, target
from tests.support.frames import frame as said
from tests.support.pair import PIECES, Pair, received


@pytest.fixture(params=PIECES, ids=["whole", "bytewise", "by-7"])
def pair(request):
    return Pair(request.param)


@pytest.fixture(params=[True, False], ids=["forth", "back"])
def forth(request):
    return request.param


def settle_all(receiver, state=ACCEPTED):
    for delivery, _ in received(receiver):
        delivery.update(state)
        delivery.settle()


# -- credit --------------------------------------------------------------------------------------------------


def test_credit_is_honoured(pair, forth):
    sender, receiver = pair.way(forth)
    for number in range(10):
        sender.transmit(b"%d" % number)
    pair.pump()
    assert receiver.queued == 0
    for credit, there in ((3, 3), (1, 4), (4, 8), (5, 10)):
        receiver.flow(credit)
        pair.pump()
        assert receiver.queued == there
    assert [data for _, data in received(receiver)] == [b"%d" % number for number in range(10)]
    assert sender.credit == receiver.credit == 3


def test_credit_counts_what_is_queued_and_what_was_not_read():
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    sender.transmit(b"1")
    sender.transmit(b"2")
    assert (sender.credit, sender.queued) == (3, 2)
    pair.pump()
    assert (sender.credit, sender.queued) == (3, 0)
    assert (receiver.credit, receiver.queued) == (5, 2)
    received(receiver)
    assert (receiver.credit, receiver.queued) == (3, 0)


def test_each_flow_is_an_event_for_the_sender(pair):
    sender, receiver = pair.way(True)
    before = pair.client.of(Event.LINK_FLOW).count(sender)
    receiver.flow(1)
    pair.pump()
    receiver.flow(1)
    pair.pump()
    assert pair.client.of(Event.LINK_FLOW).count(sender) == before + 2


def test_a_sender_hears_that_it_may_go_on_when_its_messages_have_left(pair):
    sender, _ = pair.way(True, 5)
    before = pair.client.of(Event.LINK_FLOW).count(sender)
    sender.transmit(b"x")
    pair.pump()
    assert pair.client.of(Event.LINK_FLOW).count(sender) == before + 1


def test_credit_given_before_the_link_is_open(pair, forth):
    pair.open()
    side, other = (pair.server, pair.client) if forth else (pair.client, pair.server)
    session = side.connection.session()
    receiver = session.receiver("r")
    receiver.flow(7)
    session.open()
    receiver.open()
    pair.pump()
    assert next(other.connection.links(0)).credit == 7


def test_credit_of_the_wrong_kind():
    pair = Pair()
    _, receiver = pair.way(True)
    for bad in (-1, 1.5, "3", True, None):
        with pytest.raises(ValueError):
            receiver.flow(bad)
        with pytest.raises(ValueError):
            receiver.drain(bad)
    receiver.flow(MASK)
    with pytest.raises(ValueError, match="4294967295"):
        receiver.flow(1)
    pair.pump()
    assert receiver.credit == MASK


def test_a_window_that_no_flow_can_tell():
    _, receiver = Pair().way(True)
    for bad in (-1, 1.5, "3", True, MASK + 1):
        with pytest.raises(ValueError, match="prefetch"):
            receiver.prefetch = bad
    receiver.prefetch = MASK


def test_a_large_prefetch_is_filled_again_long_before_half_of_it_is_used(pair, forth):
    sender, receiver = pair.way(forth)
    receiver.prefetch = 1000
    pair.pump()
    for count, left in ((255, (745,)), (1, (999, 1000)), (490, (999, 1000)), (250, (749, 750))):
        for _ in range(count):
            sender.transmit(b"x")
        pair.pump()
        settle_all(receiver)
        pair.pump()
        assert sender.credit in left, "a flow that is due fills it, as far as they were read by then"


def test_prefetch_is_filled_again_when_half_is_used(pair, forth):
    sender, receiver = pair.way(forth)
    receiver.prefetch = 10
    pair.pump()
    assert sender.credit == 10
    name = "server" if forth else "client"
    pair.said(name)
    for _ in range(4):
        sender.transmit(b"x")
    pair.pump()
    settle_all(receiver)
    pair.pump()
    assert [frame.name for frame in pair.said(name) if frame.name == "flow"] == []
    sender.transmit(b"x")
    pair.pump()
    assert sender.credit in (5, 9), "half is used: the next flow fills it, as far as they were read"
    settle_all(receiver)
    for _ in range(sender.credit):
        sender.transmit(b"x")
    pair.pump()
    settle_all(receiver)
    for _ in range(30):
        sender.transmit(b"x")
        pair.pump()
        settle_all(receiver)
    assert sender.queued == 0
    assert 0 <= sender.credit <= 10


@pytest.mark.parametrize("prefetch", [1, 2, 3, 10])
def test_prefetch_never_runs_dry(prefetch, forth):
    pair = Pair()
    sender, receiver = pair.way(forth)
    receiver.prefetch = prefetch
    for _ in range(100):
        sender.transmit(b"x")
    seen = 0
    for _ in range(300):
        pair.pump()
        assert receiver.queued <= prefetch
        for delivery, _ in received(receiver):
            seen += 1
            delivery.update(ACCEPTED)
            delivery.settle()
    assert seen == 100
    assert sender.unsettled == receiver.unsettled == 0


def test_prefetch_does_not_exceed_what_was_not_read():
    pair = Pair()
    sender, receiver = pair.way(True)
    receiver.prefetch = 5
    for _ in range(50):
        sender.transmit(b"x")
    pair.pump()
    assert receiver.queued == 5
    assert sender.queued == 45


def test_max_unsettled_bounds_credit_and_unsettled(forth):
    pair = Pair()
    sender, receiver = pair.way(forth)
    receiver.prefetch = 10
    receiver.max_unsettled = 4
    for _ in range(20):
        sender.transmit(b"x")
    pair.pump()
    held = []
    seen = 0
    while seen < 20:
        held += [delivery for delivery, _ in received(receiver)]
        assert len(held) <= 4
        assert held, "it never starves while there is something to settle"
        held.pop(0).settle()
        seen += 1
        pair.pump()
    assert sender.queued == 0


@pytest.mark.parametrize("name", ["prefetch", "max_unsettled"])
def test_bounds_of_the_wrong_kind(name):
    _, receiver = Pair().way(True)
    for bad in (-1, 2.5, "7", True):
        with pytest.raises(ValueError):
            setattr(receiver, name, bad)
    setattr(receiver, name, None)


def test_a_transfer_without_credit_ends_the_link(pair):
    peer = Peer.server(pair.piece)
    peer.attach("greedy", 0, role=False)
    peer.attach("honest", 1, role=False)
    greedy, honest = peer.connection.links(0)
    for link in (greedy, honest):
        link.flow(1)
        link.open()
    peer.heard()
    peer.transfer(b"1", 0).transfer(b"2", 1).transfer(b"3", 2)
    peer.transfer(b"h", 3, handle=1)
    heard = peer.heard_one("detach")
    assert heard.error == "amqp:link:transfer-limit-exceeded"
    assert heard.closed
    assert greedy.condition.name == greedy.remote_condition.name == "amqp:link:transfer-limit-exceeded"
    assert greedy.queued == 1, "what came within the credit is there"
    assert honest.current.take() == b"h"
    assert honest.state == honest.LOCAL_ACTIVE | honest.REMOTE_ACTIVE


def test_new_credit_may_be_overrun_by_as_much_as_there_was_before(pair):
    """RabbitMQ counts what is on its way through itself as not sent when new credit comes."""
    peer = Peer.client(pair.piece)
    link = peer.receiver(credit=4)
    numbers = iter(range(100))

    def come(count):
        for _ in range(count):
            peer.transfer(b"x", next(numbers))

    come(2)
    peer.heard()
    link.flow(2)  # told to be 4 again
    assert peer.heard_one("flow").link_credit == 4
    come(4 + 4)
    assert (link.wire_credit, link.queued, link.delivery_count) == (-4, 10, 10)
    assert link.state == link.LOCAL_ACTIVE | link.REMOTE_ACTIVE
    peer.flow(0, delivery_count=12)
    assert (link.wire_credit, link.drained()) == (-4, 0), "there is no credit to give back"
    peer.heard()
    link.flow(5)
    heard = peer.heard_one("flow")
    assert (heard.delivery_count, heard.link_credit) == (12, 1), "what came beyond is not granted once more"
    come(1 + 4 + 1)
    assert peer.heard_one("detach").error == "amqp:link:transfer-limit-exceeded"


def test_a_credit_window_is_filled_again_after_an_overrun():
    peer = Peer.client()
    link = peer.receiver()
    link.prefetch = 10
    peer.heard()
    for number in range(5):
        peer.transfer(b"x", number)
        link.current.take()
    assert [frame.link_credit for frame in peer.heard() if frame.name == "flow"] == [9]
    for number in range(5, 20):
        peer.transfer(b"x", number)
    assert link.wire_credit == -5
    while link.current is not None:
        link.current.take()
    heard = [frame for frame in peer.heard() if frame.name == "flow"]
    assert (heard[-1].delivery_count, heard[-1].link_credit) == (20, 10)


def test_an_overrun_is_forgotten_with_its_wire():
    peer = Peer.client()
    link = peer.receiver(credit=4)
    peer.transfer(b"x", 0)
    link.flow(1)
    peer.heard()
    for number in range(1, 7):
        peer.transfer(b"x", number)
    assert link.wire_credit == -2
    peer.connection.lasting = True
    link.leave_wire(True)
    assert (link.wire_credit, link.overdraft, link.told) == (0, 0, 0)


def test_lowered_credit(forth):
    """A peer may take back credit that was not used [2.6.7]."""
    peer = Peer.client()
    sender = peer.sender(credit=10)
    sender.transmit(b"1")
    peer.heard()
    peer.flow(3, delivery_count=1)
    assert sender.credit == 3
    peer.flow(3, delivery_count=0)
    assert sender.credit == 2, "one is on its way to it"
    peer.flow(0, delivery_count=0)
    sender.transmit(b"waits")
    assert peer.heard() == []
    assert sender.queued == 1
    peer.flow(1, delivery_count=1)
    assert peer.heard_one("transfer").payload == b"waits"


def test_credit_that_is_used_up_by_what_is_on_its_way_is_no_negative_credit():
    peer = Peer.client()
    sender = peer.sender(credit=3)
    for _ in range(3):
        sender.transmit(b"x")
    peer.heard()
    peer.flow(1, delivery_count=0)
    assert sender.credit == 0
    peer.flow(4, delivery_count=3)
    assert sender.credit == 4


@pytest.mark.parametrize("start", [0, 7])
def test_a_flow_without_a_delivery_count_counts_from_the_start(start):
    """Which is not 0 for a sender that has sent over another wire before."""
    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.delivery_count = start
    sender.open()
    peer.flush()
    assert peer.heard_one("attach").initial_delivery_count == start
    peer.attach("link")
    peer.flow(5, delivery_count=None)
    assert sender.credit == 5
    sender.transmit(b"1")
    peer.heard()
    peer.flow(5, delivery_count=None)
    assert sender.credit == 4


# -- drain, echo, available ----------------------------------------------------------------------------------


def test_drain_with_nothing_to_send(pair, forth):
    sender, receiver = pair.way(forth)
    receiver.drain(10)
    assert receiver.draining()
    pair.pump()
    assert sender.drain_mode
    assert sender.credit == 10
    assert receiver.draining(), "until the sender says that there is nothing"
    assert sender.drained() == 10
    assert sender.drained() == 0
    pair.pump()
    assert not receiver.draining()
    assert (sender.credit, receiver.credit) == (0, 0)
    assert receiver.drained() == 10
    assert receiver.drained() == 0
    assert receiver in pair.side(receiver).of(Event.LINK_FLOW)


def test_P6_drain_with_less_to_send_than_credit(pair, forth):
    sender, receiver = pair.way(forth)
    for _ in range(3):
        sender.transmit(b"x")
    receiver.drain(10)
    pair.pump()
    assert sender.drained() == 7
    pair.pump()
    assert not receiver.draining()
    assert receiver.queued == 3
    assert receiver.drained() == 7
    settle_all(receiver)
    receiver.flow(2)
    sender.transmit(b"y")
    pair.pump()
    assert not sender.drain_mode
    assert [data for _, data in received(receiver)] == [b"y"]
    assert sender.credit == receiver.credit == 1


def test_drained_in_the_turn_of_the_last_message(forth):
    """What is queued uses credit; only the rest is given back, and the messages leave before that is told."""
    pair = Pair()
    sender, receiver = pair.way(forth)
    receiver.drain(5)
    pair.pump()
    sender.transmit(b"last")
    assert sender.drained() == 4
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"last"]
    assert not receiver.draining()
    assert receiver.drained() == 4


def test_drain_with_more_to_send_than_credit(pair):
    sender, receiver = pair.way(True)
    for _ in range(10):
        sender.transmit(b"x")
    receiver.drain(4)
    pair.pump()
    assert not receiver.draining()
    assert receiver.queued == 4
    assert sender.drained() == 0
    assert receiver.drained() == 0


def test_drained_without_being_asked_does_nothing():
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    assert sender.drained() == 0
    assert sender.credit == 5
    assert receiver.drained() == 0


def test_a_drained_prefetch_is_filled_again(pair):
    sender, receiver = pair.way(True)
    receiver.prefetch = 10
    pair.pump()
    receiver.drain(0)
    pair.pump()
    assert sender.drained() == 10
    pair.pump()
    assert not receiver.draining()
    assert sender.credit == 10
    assert not sender.drain_mode


def test_what_a_peer_answers_to_a_drain_on_the_wire():
    peer = Peer.client()
    sender = peer.sender()
    peer.flow(10, drain=True)
    sender.drained()
    heard = peer.heard_one("flow")
    assert (heard.handle, heard.delivery_count, heard.link_credit, heard.drain) == (0, 10, 0, True)


def test_a_drain_whose_credit_is_used_up_by_messages_is_answered(forth):
    """Who asked is told that it has come to its end, though nothing is given back [2.6.7]."""
    peer = Peer.client()
    sender = peer.sender()
    for _ in range(3):
        sender.transmit(b"x")
    peer.flow(2, drain=True)
    heard = peer.heard()
    assert [frame.name for frame in heard] == ["transfer", "transfer", "flow"]
    assert (heard[2].handle, heard[2].delivery_count, heard[2].link_credit, heard[2].drain) == (0, 2, 0, True)
    peer.flow(2, drain=True)  # it crossed the messages
    assert peer.heard_one("flow").delivery_count == 2
    peer.flow(3)
    assert [frame.name for frame in peer.heard()] == ["transfer"], "nobody asked"


def test_a_drain_is_answered_when_the_last_message_is_complete():
    peer = Peer.client(open={"max_frame_size": 512})
    sender = peer.sender()
    sender.delivery("t")
    peer.flow(1, drain=True)
    sender.stream(b"x" * 1000)
    assert {frame.name for frame in peer.heard()} == {"transfer"}
    sender.stream(b"y")
    sender.advance()
    assert [frame.name for frame in peer.heard()][-1] == "flow"


@pytest.mark.parametrize("late", [False, True], ids=["in one piece with the attach", "behind it"])
@pytest.mark.parametrize("start", [0, MASK])
@pytest.mark.parametrize("queued", [0, 1, 3])
def test_a_drain_that_comes_before_our_attach_has_left_is_answered(late, start, queued):
    peer = Peer.server()
    peer.piece = None
    known = {"next_incoming_id": 0, "incoming_window": 1000, "next_outgoing_id": 0, "outgoing_window": 1000}
    flow = said("flow", handle=0, link_credit=3, drain=True, **known)
    attach = said("attach", name="link", handle=0, role=True, source=source("q"), target=target("q"))
    peer.say_bytes(attach if late else attach + flow)
    sender = peer.session.connection.link_head(0)
    sender.delivery_count = start
    sender.open()
    if late:
        peer.say_bytes(flow)
    for _ in range(queued):
        sender.transmit(b"x")
    assert sender.drained() == 3 - queued
    heard = peer.heard()
    assert [one.name for one in heard if one.name != "transfer"] == ["attach", "flow"]
    assert heard[0].initial_delivery_count == start
    assert sum(one.name == "transfer" for one in heard) == queued
    assert (heard[-1].delivery_count, heard[-1].link_credit, heard[-1].drain) == ((start + 3) & MASK, 0, True)


def test_what_was_given_back_before_our_attach_is_not_there_to_be_given_back_again():
    peer = Peer.server()
    peer.attach()
    sender = peer.connection.link_head(0)
    sender.open()
    windows = {"next_incoming_id": 0, "incoming_window": 1000, "next_outgoing_id": 0, "outgoing_window": 1000}
    for credit, left in ((3, 3), (3, 0), (5, 2)):
        peer.transport.receive(said("flow", handle=0, link_credit=credit, drain=True, **windows))
        assert sender.drained() == left
    heard = peer.heard()
    assert [one.name for one in heard] == ["attach", "flow"]
    assert (heard[-1].delivery_count, heard[-1].link_credit) == (5, 0)


@pytest.mark.parametrize("prefetch", [None, 10])
@pytest.mark.parametrize("left", [1, 2, 10])
def test_a_drain_goes_on_until_no_credit_is_left(prefetch, left):
    peer = Peer.client()
    receiver = peer.receiver()
    receiver.prefetch = prefetch
    peer.heard()
    receiver.drain(0 if prefetch else 10)
    peer.heard()
    peer.flow(left, delivery_count=10 - left, drain=True)
    assert receiver.draining() and receiver.drain_mode and receiver.credit == left
    assert peer.heard() == [] and receiver.drained() == 10 - left


@pytest.mark.parametrize("prefetch", [None, 10])
def test_a_flow_of_the_sender_s_that_changes_nothing_is_not_answered(prefetch):
    peer = Peer.client()
    receiver = peer.receiver(credit=0 if prefetch else 10)
    receiver.prefetch = prefetch
    peer.heard()
    peer.flow(10)
    assert peer.heard() == [] and receiver.credit == 10


def test_a_drain_that_was_set_stays_when_it_is_done():
    peer = Peer.client()
    receiver = peer.receiver()
    receiver.drain(3)
    peer.heard()
    peer.flow(0, delivery_count=3, drain=True)
    assert receiver.drain_mode and not receiver.draining()
    assert peer.heard() == []


def test_a_flow_that_crossed_messages_gives_no_credit_back():
    """The sender counted fewer when it wrote it."""
    peer = Peer.client()
    receiver = peer.receiver(credit=5)
    peer.transfer(b"x", 0).transfer(b"x", 1)
    peer.flow(4, delivery_count=1)
    assert (receiver.wire_credit, receiver.delivery_count, receiver.drained()) == (3, 2, 0)


def test_credit_that_is_given_back_may_reach_the_last_count():
    peer = Peer.client()
    receiver = peer.receiver(credit=10, initial_delivery_count=MASK - 3)
    peer.flow(7, delivery_count=MASK)
    receiver.flow(1)
    flow = peer.heard_one("flow")
    assert (flow.delivery_count, flow.link_credit) == (MASK, 8)


def test_a_link_that_looks_refused_gets_no_credit_before_it_is_open():
    """A detach with the reason may follow: until then nothing is known from which credit could be counted."""
    peer = Peer.client()
    receiver = peer.session.receiver("link")
    receiver.source.address = "q"
    receiver.open()
    peer.flush()
    peer.heard()
    peer.attach(role=False, source=None, initial_delivery_count=7)
    receiver.flow(3)
    assert peer.heard() == []
    peer.flow(0, handle=0, delivery_count=7)
    flow = peer.heard_one("flow")
    assert (flow.link_credit, flow.delivery_count) == (3, 7)


def test_a_link_that_goes_keeps_no_other_from_its_credit():
    peer = Peer.client()
    first = peer.receiver("first")
    second = peer.receiver("second", handle=1)
    first.flow(1)
    second.flow(2)
    peer.say("detach", handle=0, closed=True)
    flow = peer.heard_one("flow")
    assert (flow.handle, flow.link_credit) == (1, 2)


def test_a_link_that_is_not_attached_yet_keeps_no_other_from_its_credit():
    """The peer asks it to drain before our attach has left: that waits, and nothing else does."""
    peer = Peer.server()
    peer.attach("theirs", handle=1)
    theirs = peer.connection.link_head(0)
    ours = peer.receiver("ours")
    peer.transport.receive(said("flow", handle=1, link_credit=3, drain=True, next_incoming_id=0, incoming_window=9,
                                next_outgoing_id=0, outgoing_window=9))  # fmt: skip
    assert theirs.drained() == 3
    ours.flow(2)
    flow = peer.heard_one("flow")
    assert (flow.handle, flow.link_credit) == (ours.handle_out, 2)
    theirs.open()
    assert [one.name for one in peer.heard()] == ["attach", "flow"]


def test_a_flow_without_credit_confirms_no_pause():
    peer = Peer.client()
    receiver = peer.receiver(credit=3)
    receiver.pause()
    windows = {"next_incoming_id": 0, "incoming_window": 1000, "next_outgoing_id": 0, "outgoing_window": 1000}
    peer.say("flow", handle=0, available=5, **windows)
    assert not receiver.is_paused and receiver.available == 5
    peer.flow(0)
    assert receiver.is_paused


def test_a_receiver_says_how_much_is_available_as_far_as_it_knows():
    """[2.6.7]: the sender says it; who receives repeats what was said last."""
    peer = Peer.client()
    receiver = peer.receiver(credit=2)
    peer.flow(2, available=17)
    receiver.flow(1)
    assert peer.heard_one("flow").available == 17


def test_drain_mode_can_be_set(pair, forth):
    """As in the original: the sender hears of it at once."""
    sender, receiver = pair.way(forth, 5)
    receiver.drain_mode = True
    assert receiver.draining()
    pair.pump()
    assert sender.drain_mode
    assert sender.drained() == 5
    pair.pump()
    assert not receiver.draining() and receiver.drained() == 5
    receiver.drain_mode = False
    pair.pump()
    assert not sender.drain_mode


def test_a_drain_mode_that_was_set_stays():
    """As in the original: `flow` ends the drain of `drain(n)`, and not one that was set; the next `drain(n)` takes
    the place of either."""
    peer = Peer.client()
    receiver = peer.receiver()

    def told():
        flow = peer.heard_one("flow")
        return flow.link_credit, flow.drain

    receiver.drain_mode = True
    receiver.flow(3)
    assert told() == (3, True)
    receiver.drain_mode = False
    receiver.flow(1)
    assert told() == (4, False)
    receiver.drain(1)
    assert told() == (5, True)
    receiver.flow(1)
    assert told() == (6, False)
    receiver.drain_mode = True
    receiver.drain(1)
    receiver.flow(1)
    assert told() == (8, False)


def test_the_capacity_of_a_session_can_be_set_when_it_has_begun():
    peer = Peer.server()
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.open()
    receiver.flow(100)
    peer.heard()
    frame_size = peer.transport.max_frame_size
    peer.session.incoming_capacity = 3000 * frame_size
    assert peer.heard_one("flow").incoming_window == 3000, "more is told at once"
    peer.session.incoming_capacity = 4 * frame_size
    assert peer.heard() == [], "less cannot be taken back"
    for number in range(4):
        peer.transfer(b"x", number)
    receiver.flow(1)
    assert peer.heard_one("flow").incoming_window == 2996, "it is used up"
    for number in range(4, 100):
        peer.transfer(b"x", number)
    received(receiver)
    assert receiver.channel.incoming.renew_at == 2 and receiver.channel.incoming.counts_every_frame
    for delivery in range(100, 102):
        peer.transfer(b"x", delivery)


def test_a_capacity_that_is_set_while_a_message_comes_in_counts_it_once():
    peer = Peer.server()
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.open()
    receiver.flow(100)
    size = peer.transport.max_frame_size
    for number, capacity in enumerate((100 * size, 0, 100 * size)):
        peer.transfer(b"x", number, more=True)
        peer.transfer(b"x", None, more=True)
        peer.session.incoming_capacity = capacity
        peer.transfer(b"x", None, more=True)
        peer.transfer(b"x", None)
        receiver.current.take()
        assert receiver.channel.incoming.unread_frames == 0


def test_echo_is_answered():
    peer = Peer.client()
    peer.sender(credit=3)
    peer.flow(3, echo=True)
    heard = peer.heard_one("flow")
    assert (heard.handle, heard.link_credit, heard.delivery_count) == (0, 3, 0)
    assert not heard.echo, "an echo of an echo would never end"
    peer.flow(None, echo=True)
    heard = peer.heard_one("flow")
    assert heard.handle is None
    assert heard.next_incoming_id == 0


def test_an_echo_about_a_receiver():
    peer = Peer.client()
    peer.receiver(credit=5)
    peer.say(
        "flow",
        next_incoming_id=0,
        incoming_window=10,
        next_outgoing_id=0,
        outgoing_window=10,
        handle=0,
        delivery_count=0,
        link_credit=5,
        available=7,
        echo=True,
    )
    heard = peer.heard_one("flow")
    assert (heard.handle, heard.link_credit) == (0, 5)


def test_available_is_told(pair, forth):
    sender, receiver = pair.way(forth)
    sender.offered(42)
    receiver.drain(1)
    pair.pump()
    sender.drained()
    pair.pump()
    assert receiver.available == 42
    for number in (-1, True, 1.5, "3"):
        with pytest.raises(ValueError, match="offered must be a number of messages"):
            sender.offered(number)


# -- windows -------------------------------------------------------------------------------------------------


def windowed(frames, piece=None):
    """A pair whose server takes so many frames at a time."""
    pair = Pair(piece)
    pair.client.transport.max_frame_size = pair.server.transport.max_frame_size = 512
    pair.server.polite = False
    pair.server.connection.open()
    pair.client.connection.open()
    session = pair.client.connection.session()
    session.open()
    pair.pump()
    far = pair.server.connection.session_head(0)
    far.incoming_capacity = frames * 512
    far.open()
    sender = session.sender("s")
    sender.open()
    pair.pump()
    receiver = next(far.links())
    receiver.flow(100)
    receiver.open()
    pair.pump()
    return pair, sender, receiver


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("frames", [1, 2, 3, 10])
def test_the_peer_s_window_is_honoured_and_goes_on(frames, piece):
    pair, sender, receiver = windowed(frames, piece)
    for number in range(25):
        sender.transmit(b"%d" % number)
    pair.pump()
    assert receiver.queued == frames, "nothing more comes until it is read"
    got = []
    for _ in range(200):
        got += [data for _, data in received(receiver)]
        pair.pump()
    assert got == [b"%d" % number for number in range(25)]
    assert pair.server.transport.condition is None


def test_a_message_larger_than_the_window_is_read_while_it_comes():
    pair, sender, receiver = windowed(3)
    payload = bytes(range(256)) * 40
    sender.transmit(payload)
    sender.transmit(b"next")
    got = b""
    for _ in range(200):
        pair.pump()
        data = receiver.recv(10000)
        got += data or b""
        if data is None:
            break
    assert got == payload
    receiver.advance()
    pair.pump()
    assert receiver.current.take() == b"next"


def test_a_window_is_not_kept_by_what_nobody_will_read():
    """A link that is closed with messages unread gives the room back."""
    pair, sender, receiver = windowed(4)
    pair.server.polite = True
    for _ in range(10):
        sender.transmit(b"x")
    pair.pump()
    assert receiver.queued == 4
    sender.session.sender("other").open()
    receiver.close()
    pair.pump()
    other = next(receiver.session.links())
    other.flow(10)
    pair.pump()
    near = next(sender.session.links())
    for _ in range(8):
        near.transmit(b"y")
    got = 0
    for _ in range(20):
        pair.pump()
        got += len(received(other))
    assert got == 8


def test_overrunning_the_window_ends_the_session(pair):
    peer = Peer(Transport.SERVER, pair.piece)
    peer.connection.open()
    peer.transport.max_frame_size = 512
    peer.hello().begin(0).begin(1)
    session, other = peer.connection.sessions(0)
    session.incoming_capacity = 1024
    session.open()
    other.open()
    assert [frame.incoming_window for frame in peer.heard() if frame.name == "begin"] == [2, 2048]
    peer.attach(role=False)
    receiver = next(session.links())
    receiver.flow(10)
    receiver.open()
    peer.heard()
    for number in range(3):
        peer.transfer(b"x", number)
    assert peer.heard_one("end").error == "amqp:session:window-violation"
    assert session.condition.name == session.remote_condition.name == "amqp:session:window-violation"
    peer.transfer(b"passed over", 3).flow(0, handle=99)
    assert peer.event_names().count("pn_session_remote_close") == 1
    peer.attach("on the other session", 0, role=False, channel=1)
    assert peer.event_names() == ["pn_link_init", "pn_link_remote_open"]
    peer.say("end")
    assert "pn_session_remote_close" not in peer.event_names()
    assert session.remote_condition.name == "amqp:session:window-violation"
    assert peer.connection.state == peer.connection.LOCAL_ACTIVE | peer.connection.REMOTE_ACTIVE
    assert peer.transport.condition is None


def test_the_window_is_told_again_before_it_is_used_up():
    peer = Peer.server()
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.flow(5000)
    receiver.open()
    begun = peer.session.channel.incoming.incoming_window
    peer.heard()
    told = begun
    for number in range(5000):
        peer.transfer(b"x", number, settled=True)
        told -= 1
        assert told >= 0, "the peer would have had to stop"
        received(receiver)
        for frame in peer.heard():
            assert frame.name == "flow"
            told = frame.incoming_window - (number + 1 - frame.next_incoming_id)
    assert receiver.credit == 0


def test_the_window_that_begin_names_is_honoured():
    peer = Peer.client(incoming_window=3)
    sender = peer.sender()
    for number in range(8):
        sender.transmit(b"%d" % number)
    peer.say(
        "flow",
        next_incoming_id=0,
        incoming_window=3,
        next_outgoing_id=0,
        outgoing_window=0,
        handle=0,
        link_credit=100,
        delivery_count=0,
    )
    assert [frame.payload for frame in peer.heard()] == [b"0", b"1", b"2"]
    assert sender.queued == 5
    peer.say("flow", next_incoming_id=1, incoming_window=3, next_outgoing_id=0, outgoing_window=0)
    assert [frame.payload for frame in peer.heard()] == [b"3"], "two more are on their way"
    peer.say("flow", next_incoming_id=4, incoming_window=0, next_outgoing_id=0, outgoing_window=0)
    assert peer.heard() == []
    peer.say("flow", next_incoming_id=4, incoming_window=100, next_outgoing_id=0, outgoing_window=0)
    assert [frame.payload for frame in peer.heard()] == [b"4", b"5", b"6", b"7"]


def test_a_window_of_nothing_before_anything_was_received():
    """A flow without next-incoming-id: the peer has not seen our begin [2.7.4]."""
    peer = Peer.client(incoming_window=0)
    sender = peer.sender(credit=0)
    sender.transmit(b"0")
    peer.say(
        "flow",
        incoming_window=1,
        next_outgoing_id=0,
        outgoing_window=0,
        handle=0,
        link_credit=5,
        delivery_count=0,
    )
    assert peer.heard_one("transfer").payload == b"0"


def test_a_window_in_frames_and_not_in_messages():
    peer = Peer.client(open={"max_frame_size": 512}, incoming_window=2)
    sender = peer.sender()
    sender.transmit(bytes(1000))
    peer.say("flow", next_incoming_id=0, incoming_window=2, next_outgoing_id=0, outgoing_window=0,
             handle=0, link_credit=5, delivery_count=0)  # fmt: skip
    first = peer.heard()
    assert len(first) == 2
    assert all(frame.more for frame in first)
    peer.say("flow", next_incoming_id=2, incoming_window=2, next_outgoing_id=0, outgoing_window=0)
    last = peer.heard_one("transfer")
    assert not last.more
    assert b"".join(frame.payload for frame in [*first, last]) == bytes(1000)


def test_P7_what_a_flow_of_ours_tells():
    peer = Peer.client(next_outgoing_id=100)
    receiver = peer.receiver(credit=5)
    peer.transfer(b"a", 7).transfer(b"b", 8)
    receiver.flow(2)
    heard = peer.heard_one("flow")
    assert heard.next_incoming_id == 102
    assert heard.next_outgoing_id == 0
    assert heard.delivery_count == 2
    assert heard.link_credit == 5
    assert heard.handle == 0


# -- wrap-around ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        (0, 0, 0),
        (5, 3, 2),
        (3, 5, -2),
        (0, MASK, 1),
        (MASK, 0, -1),
        (0x7FFFFFFF, 0, 0x7FFFFFFF),
        (0, 0x80000001, 0x7FFFFFFF),
        (0x80000000, 0, -0x80000000),
    ],
)
def test_serial_numbers(a, b, difference):
    assert serial_difference(a, b) == difference


@pytest.mark.parametrize("start", [0xFFFFFFFE, 0xFFFFFFFF, 0x7FFFFFFE])
def test_ids_and_counts_wrap(pair, forth, start):
    pair.client.transport.max_frame_size = pair.server.transport.max_frame_size = 512
    if forth:
        pair.open()
        session = pair.client.connection.session()
        session.first_outgoing_id = start
        session.open()
        sender = session.sender("s")
        sender.delivery_count = start
        sender.open()
        pair.pump()
        receiver = next(pair.server.connection.links(0))
    else:
        pair.server.polite = False
        pair.open()
        pair.server.connection.open()
        session = pair.client.connection.session()
        session.open()
        receiver = session.receiver("s")
        receiver.open()
        pair.pump()
        far = pair.server.connection.session_head(0)
        far.first_outgoing_id = start
        far.channel.outgoing.next_outgoing_id = far.channel.outgoing.next_delivery_id = start
        far.open()
        sender = next(far.links())
        sender.delivery_count = start
        sender.open()
        pair.pump()
    receiver.flow(6)
    pair.pump()
    assert sender.credit == 6
    sent = [sender.transmit(b"%d" % number * 300) for number in range(9)]
    pair.pump()
    assert sender.queued == 3
    first = received(receiver)
    assert [data for _, data in first] == [b"%d" % number * 300 for number in range(6)]
    for delivery, _ in first:
        delivery.update(ACCEPTED)
        delivery.settle()
    receiver.flow(4)
    pair.pump()
    assert sender.credit == receiver.credit - receiver.queued == 1
    second = received(receiver)
    for delivery, _ in second:
        delivery.update(Delivery.RELEASED)
        delivery.settle()
    pair.pump()
    assert [delivery.remote_state.name for delivery in sent] == ["ACCEPTED"] * 6 + ["RELEASED"] * 3
    assert all(delivery.settled for delivery in sent)
    assert [delivery.id for delivery in sent] == [(start + number) & MASK for number in range(9)]
    receiver.drain(0)
    pair.pump()
    assert sender.drained() == 1
    pair.pump()
    assert not receiver.draining()
    assert receiver.drained() == 1
    assert receiver.delivery_count == sender.delivery_count == (start + 10) & MASK


def test_a_range_of_outcomes_over_the_wrap():
    pair = Pair()
    pair.open()
    session = pair.client.connection.session()
    session.first_outgoing_id = 0xFFFFFFFD
    session.open()
    sender, receiver = pair.link_in(session)
    receiver.flow(10)
    pair.pump()
    sent = [sender.transmit(b"x") for _ in range(6)]
    pair.pump()
    pair.said("server")
    settle_all(receiver)
    pair.pump()
    [frame] = [frame for frame in pair.said("server") if frame.name == "disposition"]
    assert (frame.first, frame.last) == (0xFFFFFFFD, 2)
    assert all(delivery.remote_state is ACCEPTED and delivery.settled for delivery in sent)


def test_a_window_is_told_once():
    peer = Peer.client()
    receiver = peer.receiver(credit=100)
    peer.flow(echo=True)
    assert [one.name for one in peer.heard()] == ["flow"]
    peer.transfer(b"x")
    receiver.current.update(Delivery.ACCEPTED)
    receiver.current.settle()
    assert [one.name for one in peer.heard()] == ["disposition"]


def test_a_window_over_the_wrap():
    peer = Peer(1)
    peer.connection.open()
    session = peer.connection.session()
    session.first_outgoing_id = 0xFFFFFFFE
    session.open()
    peer.flush()
    peer.hello().begin(remote_channel=0, incoming_window=4, next_outgoing_id=0xFFFFFFFF)
    sender = peer.sender()
    for number in range(8):
        sender.transmit(b"%d" % number)
    wide = {"outgoing_window": 0, "next_outgoing_id": 0xFFFFFFFF}
    peer.say("flow", next_incoming_id=0xFFFFFFFE, incoming_window=4, handle=0, link_credit=50, delivery_count=0, **wide)
    assert len(peer.heard()) == 4
    peer.say("flow", next_incoming_id=0, incoming_window=4, **wide)
    assert len(peer.heard()) == 2
    peer.say("flow", next_incoming_id=4, incoming_window=4, **wide)
    assert len(peer.heard()) == 2
    receiver = session.receiver("r")
    receiver.flow(5)
    receiver.open()
    peer.attach("r", 1, role=False, initial_delivery_count=0xFFFFFFFF)
    peer.heard()
    for number in range(3):
        peer.transfer(b"x", number, handle=1)
    receiver.flow(1)
    heard = peer.heard_one("flow")
    assert heard.next_incoming_id == 2
    assert heard.delivery_count == 2
    assert heard.link_credit == 3


# -- properties --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forth", [True, False])
@pytest.mark.parametrize("of_sender", [True, False])
def test_properties_of_a_flow_come_once_with_all_else_it_says(forth, of_sender):
    pair = Pair()
    sender, receiver = pair.way(forth, 5)
    near, far = (sender, receiver) if of_sender else (receiver, sender)
    assert far.flow_properties is None
    if of_sender:
        near.offered(7)
    else:
        near.flow(2)
    near.send_flow_properties({"x:mood": "good"})
    pair.pump()
    assert far.flow_properties == {symbol("x:mood"): "good"} and type(next(iter(far.flow_properties))) is symbol
    assert sender.credit == receiver.credit == (5 if of_sender else 7)
    assert not of_sender or receiver.available == 7
    sender.transmit(b"x")
    receiver.flow(1)
    if of_sender:
        receiver.drain(0)
        pair.pump()
        sender.drained()
    pair.pump()
    assert far.flow_properties is None, "the next flow has none"


def test_properties_that_cannot_be_told():
    pair = Pair()
    sender, receiver = pair.way(True)
    for wrong in ({1: 2}, ["a"], {"a": object()}):
        with pytest.raises(DataException):
            sender.send_flow_properties(wrong)
    loose = pair.client.connection.session().sender("not open")
    loose.send_flow_properties({"a": 1})
    pair.pump()
    assert receiver.flow_properties is None


# -- credit in the middle of a batch -------------------------------------------------------------------------


class Reads(Handler):
    """Takes each delivery, and settles it or not."""

    def __init__(self, settles=True):
        self.settles = settles

    @INCOMING
    def on_delivery(self, event):
        event.context.take()
        if self.settles:
            event.context.settle()


def said_in_batch(handles, handler, prefetch=10, **bounds):
    """The flows, as handle and credit, of each write while deliveries of these handles are handled that came at
    once."""
    peer = Peer.client()
    for handle in sorted(set(handles)):
        link = peer.session.receiver("link %d" % handle)
        link.prefetch = prefetch
        for name, value in bounds.items():
            setattr(link, name, value)
        link.open()
        peer.attach("link %d" % handle, handle, role=False)
    peer.heard()
    peer.events()
    known = [{"handle": handle, "delivery_id": number, "delivery_tag": b"x"} for number, handle in enumerate(handles)]
    peer.transport.receive(b"".join(said("transfer", payload=b"x", message_format=0, **fields) for fields in known))
    dispatcher, flows = Dispatcher(peer.collector, None, handler), []
    while peer.collector.events:
        dispatcher.run()
        flows.append([(one.handle, one.link_credit) for one in peer.heard() if one.name == "flow"])
    return flows


def test_a_flow_in_the_middle_of_a_batch_leaves_out_links_that_get_nothing():
    flows = said_in_batch([0] * 10 + [1] * 10 + [2] * 10, Reads())
    assert flows == [[(0, 4)], [(0, 10), (1, 10), (2, 10)]]


def test_links_that_share_a_batch_all_get_what_is_handled_of_theirs():
    assert said_in_batch([0, 1] * 10, Reads()) == [[(0, 4), (1, 4)], [(0, 10), (1, 10)]]


def test_nothing_is_written_in_the_middle_of_a_batch_while_no_credit_can_be_given():
    assert said_in_batch([0] * 10, Reads(settles=False), max_unsettled=10) == [[(0, 0)]]
