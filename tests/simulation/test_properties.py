"""Properties: they hold over many seeds, and a run that breaks one is refused where it does."""

from __future__ import annotations

import logging
import os
import sys
from types import SimpleNamespace

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import ACCEPTED, RELEASED, Message
from reactor.codec.types import Described
from reactor.simulation import (
    AtMostOnce,
    CreditNeverNegative,
    EverySendEndsOnce,
    MemoryReturns,
    NothingLost,
    Observer,
    Property,
    PropertyViolated,
    Seen,
    SettledOnce,
    World,
    explore,
)
from tests.support.clients import Bystander, Client
from tests.support.scenarios import SCENARIOS, URL

#: Seeds of each scenario: a few, and more in portions that each end long before the patience of conftest.py does.
#: Other ones for each Python, so that a run over all of them looks at more.
FEW = 10
PORTION = 50
PORTIONS = 6 if os.environ.get("CI") else 2
FIRST = sys.version_info[1] * 100_000
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def holds(scenario, seeds, each):
    """each: how many faults there have to be for each seed, or nothing is proved."""
    faults = []
    assert explore(scenario, seeds, finished=lambda world: faults.append(world.faults)) == len(faults)
    assert sum(faults) > each * len(faults)


@each_scenario
def test_they_hold_whatever_goes_wrong(scenario):
    holds(scenario, range(FIRST, FIRST + FEW), 1)


@pytest.mark.slow
@pytest.mark.parametrize("portion", range(PORTIONS))
@each_scenario
def test_they_hold_for_many_seeds(scenario, portion):
    first = FIRST + FEW + portion * PORTION
    holds(scenario, range(first, first + PORTION), 3)


@pytest.mark.slow
@pytest.mark.parametrize("by_the_container", [False, True])
def test_a_thousand_reconnects_leave_nothing_behind(by_the_container):
    class Reconnecting(Client):
        opened = 0
        reconnect = [0.0] if by_the_container else False

        def attach(self):
            self.losses = 0
            self.container.create_sender(self.connection, "jobs")
            self.container.create_receiver(self.connection, "others")

        def on_connection_opened(self, event):
            self.opened += 1

    world = World(1, latency=0.001, pieces=0, keep=100)
    memory = MemoryReturns()
    world.start(Bystander, URL, name="broker")
    client = world.start(Reconnecting, URL)
    for count in range(1001):
        world.run_until(lambda: client.handler.opened > count)  # noqa: B023  # it is called here and now
        world.settle()
        if count == 100:
            memory.begin()
        if count < 1000:
            world.cut()
    memory.check()
    assert client.handler.opened == 1001


def test_what_is_kept_is_found():
    memory = MemoryReturns()
    with pytest.raises(RuntimeError, match="begin"):
        memory.check()
    memory.begin()
    memory.check()
    kept = [Message("kept") for _ in range(10)]
    with pytest.raises(PropertyViolated, match=r"memory returns: 10 more of reactor\.codec\.message\.Message"):
        memory.check()
    kept.clear()
    memory.check()


@pytest.mark.skipif(not hasattr(sys, "getallocatedblocks"), reason="this Python does not count blocks of memory")
def test_blocks_that_are_kept_are_found():
    memory = MemoryReturns()
    memory.begin()
    kept = [[number] for number in range(2000)]
    with pytest.raises(PropertyViolated, match=r"more blocks of memory, 1000 are allowed"):
        memory.check()
    kept.clear()
    memory.check()


# -- frames that break one ------------------------------------------------------------------------------------


class Receiver(MessagingHandler):
    def __init__(self, credit=1):
        super().__init__(prefetch=0, auto_accept=False)
        self.credit = credit
        self.held = []

    def on_start(self, event):
        connection = event.container.connect("amqp://peer:5672", reconnect=False)
        self.receiver = event.container.create_receiver(connection, "jobs")
        self.receiver.flow(self.credit)

    def on_message(self, event):
        self.held.append(event.delivery)


def watched(*properties, credit=1):
    """A world with a receiver in it, and the peer that sends to it."""
    world = World(1)
    world.watch(*properties)
    peer = world.peer("peer:5672").open().begin().attach().ignore("disposition", "flow", "close", "detach")
    receiver = world.start(Receiver, credit)
    world.settle()
    return world, peer, receiver.handler


def transfer(peer, number, body="hello", **fields):
    tag = b"%d" % number
    payload = Message(body).encode()
    peer.say("transfer", handle=0, delivery_id=number, delivery_tag=tag, message_format=0, payload=payload, **fields)


def test_credit():
    credit = CreditNeverNegative()
    world, peer, _ = watched(credit, credit=2)
    transfer(peer, 0)
    transfer(peer, 1)
    world.settle()
    assert credit.checked == 2
    transfer(peer, 2)
    with pytest.raises(PropertyViolated, match=r"peer, on its wire 1 to receiver, link '.*' has -1"):
        world.settle()


def test_credit_that_was_given_back_is_gone():
    world, peer, receiver = watched(CreditNeverNegative(), credit=5)
    transfer(peer, 0)
    windows = {"incoming_window": 100, "next_outgoing_id": 1, "outgoing_window": 100, "next_incoming_id": 0}
    peer.say("flow", handle=0, delivery_count=5, link_credit=0, **windows)
    world.settle()
    receiver.receiver.flow(1)
    world.settle()
    transfer(peer, 1)
    world.settle()
    transfer(peer, 2)
    with pytest.raises(PropertyViolated, match="has -1 left"):
        world.settle()


def test_credit_that_is_taken_back_is_gone_with_the_senders_next_flow():
    """What a sender had written when it heard of that may still be on its way to the wire."""
    world, peer, _ = watched(CreditNeverNegative(), credit=5)
    transfer(peer, 0)
    world.settle()
    world.programs["receiver"].container.stop(drain=5.0)  # with a flow of no credit
    world.settle()
    transfer(peer, 1)
    world.settle()
    windows = {"incoming_window": 100, "next_outgoing_id": 2, "outgoing_window": 100, "next_incoming_id": 0}
    peer.say("flow", handle=0, delivery_count=2, link_credit=0, **windows)
    transfer(peer, 2)
    with pytest.raises(PropertyViolated, match="has -1 left"):
        world.settle()


@pytest.mark.internal_errors
def test_a_violation_that_a_program_has_caught_is_raised_in_the_end():
    """A broker goes on, whatever is raised in it."""

    class Wrong(Observer):
        def wrote(self, wire, frame):
            if frame.performative == "open" and wire.node.name == "broker":
                raise PropertyViolated("no open of a broker")

    class Client(MessagingHandler):
        def on_start(self, event):
            event.container.connect("amqp://broker", reconnect=False)

    with pytest.raises(PropertyViolated, match="no open of a broker"), World(7) as world:
        world.watch(Wrong())
        world.start(Broker, "amqp://broker", idle_timeout=1)
        world.start(Client)
        world.run_for(5)


def test_messages_of_many_frames_use_one_credit_each():
    credit = CreditNeverNegative()
    world, peer, receiver = watched(credit)
    peer.say("transfer", handle=0, delivery_id=0, delivery_tag=b"0", more=True, payload=b"\x00Sw")
    peer.say("transfer", handle=0, more=True, payload=b"\xa1\x02h")
    peer.say("transfer", handle=0, payload=b"i")
    world.settle()
    assert credit.checked == 1 and len(receiver.held) == 1


def test_a_delivery_that_is_settled_twice():
    settled = SettledOnce()
    world, peer, _ = watched(settled)
    transfer(peer, 0)
    peer.say("disposition", role=False, first=0, settled=True)
    world.settle()
    assert settled.checked == 1
    peer.say("disposition", role=False, first=0, settled=True)
    with pytest.raises(PropertyViolated, match="disposition of delivery 0, which was settled already"):
        world.settle()


@pytest.mark.parametrize(
    "fields, why",
    [({"settled": True}, "delivery 0, which was sent settled"), (None, "delivery 0, which does not exist")],
)
def test_a_delivery_that_nobody_waits_for(fields, why):
    world, peer, _ = watched(SettledOnce())
    if fields is not None:
        transfer(peer, 0, **fields)
    peer.say("disposition", role=False, first=0, settled=True)
    with pytest.raises(PropertyViolated, match=why):
        world.settle()


def test_a_range_may_promise_more_than_there_is():
    settled = SettledOnce()
    world, peer, _ = watched(settled, credit=3)
    for number in range(3):
        transfer(peer, number)
    peer.say("disposition", role=False, first=0, last=0xFFFFFFF0, settled=True)
    world.settle()
    assert settled.checked == 3


def test_an_aborted_delivery_counts_for_nothing():
    once = AtMostOnce()
    world, peer, _ = watched(once, SettledOnce())
    peer.say("transfer", handle=0, delivery_id=0, delivery_tag=b"0", more=True, settled=True, payload=b"\x00Sw")
    peer.say("transfer", handle=0, aborted=True)
    world.settle()
    assert once.checked == 0


def test_at_most_once():
    once = AtMostOnce()
    world, peer, _ = watched(once, credit=3)
    transfer(peer, 0, "one", settled=True)
    transfer(peer, 1, "other", settled=True)
    world.settle()
    assert once.checked == 2
    transfer(peer, 2, "one", settled=True)
    with pytest.raises(PropertyViolated, match="at most once: peer, on its wire 1 to receiver, sends 'one'"):
        world.settle()


def test_links_of_the_same_name_begin_anew():
    credit = CreditNeverNegative()
    world, peer, receiver = watched(credit)
    transfer(peer, 0)
    world.settle()
    name = receiver.receiver.name
    receiver.receiver.close()
    peer.say("detach", handle=0, closed=True)
    world.settle()
    other = world.programs["receiver"].container.create_receiver(receiver.receiver.connection, "jobs", name=name)
    other.flow(1)
    peer.expect("attach").answer(
        "attach", name=name, handle=0, role=False, source=Described(0x28, ["jobs"]), initial_delivery_count=7
    )
    world.settle()
    transfer(peer, 1)
    world.settle()
    assert credit.checked == 2


# -- ends of a run that break one -------------------------------------------------------------------------------


class Sending(Client):
    def attach(self):
        self.sender = self.container.create_sender(self.connection, "jobs")
        for number in range(3):
            self.sender.send(Message(id=f"m{number}"))

    def begin_anew(self):
        pass


def test_what_was_accepted_and_is_not_consumed_is_lost():
    lost = NothingLost("broker")
    world = World(1)
    world.watch(lost)
    broker = world.start(Broker, URL)
    world.start(Sending, URL)
    world.run_until(lambda: len(lost.accepted) == 3)
    assert lost.lost == ["m0", "m1", "m2"]
    broker.crash()
    with pytest.raises(PropertyViolated, match="'m0' was accepted, and no consumer got it; 'm1' was"):
        world.check()


def test_a_broker_that_was_not_there_has_lost_nothing_and_proves_nothing():
    with pytest.raises(PropertyViolated, match="program is called 'brokr'; did you mean 'broker'"), World(1) as world:
        world.watch(NothingLost("brokr"))
        world.start(Broker, URL)
        world.start(Sending, URL)
        world.settle()


def test_a_world_checks_at_its_end(capsys):
    lost = NothingLost("broker")
    with pytest.raises(PropertyViolated), World(1) as world:
        world.watch(lost)
        world.start(Broker, URL)
        world.start(Sending, URL)
        world.run_until(lambda: len(lost.accepted) == 3)
    assert "simulation: seed 1 failed" in capsys.readouterr().err


def test_a_send_that_is_told_nothing():
    world = World(1)
    sends = EverySendEndsOnce()
    world.watch(sends)
    world.when("disposition", count=None, first=lambda first: first == 1).drop()
    world.when("disposition", count=None, last=lambda last: last is not None).drop()
    world.start(Broker, URL)
    sending = world.start(Sending, URL)
    world.settle()
    with pytest.raises(PropertyViolated, match=r"every send ends once: sending: <Delivery .* has no outcome"):
        world.check()
    world.cut()
    world.settle()
    world.check()
    assert sends.checked == 3 and sends.doubtful > 0
    assert sending.running is False


def test_a_send_of_a_program_that_crashed_is_told_nothing():
    world = World(1, latency=0.01)
    world.watch(EverySendEndsOnce())
    world.start(Broker, URL)
    sending = world.start(Sending, URL)
    world.when("disposition", count=None).drop()
    world.settle()
    sending.crash()
    world.check()


def test_a_send_that_is_given_up_is_told_nothing():
    class GivingUp(Sending):
        def attach(self):
            super().attach()
            for delivery in list(self.sender.unsettled_deliveries):
                delivery.settle()

    world = World(1, latency=0.01)
    world.watch(EverySendEndsOnce())
    peer = world.peer("broker:5672").open().begin().attach(credit=10)
    world.start(GivingUp, URL)
    world.settle()
    assert peer.done
    world.check()


class FakeDelivery:
    """A delivery of which a handler is told more than it should be."""

    aborted = False
    fate = 0
    link = SimpleNamespace(is_sender=True)

    def __init__(self, state=ACCEPTED, changes=1):
        self.remote_state = state
        self.changes = changes

    def __repr__(self):
        return "<Delivery>"


def test_a_send_that_is_told_two_things():
    sends = EverySendEndsOnce()
    delivery = FakeDelivery()
    sends.happened(Seen("p", "on_delivery", delivery))
    delivery.remote_state = RELEASED
    with pytest.raises(PropertyViolated, match="p: <Delivery> ended more than once: ACCEPTED and RELEASED"):
        sends.happened(Seen("p", "on_delivery", delivery))


def test_a_send_that_is_told_the_same_thing_twice():
    sends = EverySendEndsOnce()
    delivery = FakeDelivery()
    sends.happened(Seen("p", "on_delivery", delivery))
    sends.happened(Seen("p", "on_delivery", delivery))  # nobody has taken note of it yet
    assert sends.checked == 1
    delivery.changes = 0
    sends.turned("p", None)
    delivery.changes = 1
    with pytest.raises(PropertyViolated, match="ended more than once: ACCEPTED and ACCEPTED"):
        sends.happened(Seen("p", "on_delivery", delivery))


def test_a_send_that_is_told_something_and_then_in_doubt():
    sends = EverySendEndsOnce()
    delivery = FakeDelivery(state=0, changes=2)
    sends.happened(Seen("p", "on_delivery", delivery))
    with pytest.raises(PropertyViolated, match="ended more than once: settled without an outcome and in doubt"):
        sends.happened(Seen("p", "on_delivery_in_doubt", delivery))


def test_of_many_some_are_named():
    lost = NothingLost("broker")
    lost.accepted.update(range(30))
    with pytest.raises(PropertyViolated, match=r"9 was accepted, and no consumer got it, and 20 more$"):
        lost.check()


def test_messages_are_told_apart_by_their_id_or_else_by_their_body():
    once = AtMostOnce()
    world, peer, _ = watched(once, credit=10)
    for number, message in enumerate([Message("a", id=1), Message("a", id=2), Message({"b": 1}), Message({"b": 2})]):
        peer.say("transfer", handle=0, delivery_id=number, delivery_tag=b"x", settled=True, payload=message.encode())
    world.settle()
    assert once.checked == 4
    peer.say("transfer", handle=0, delivery_id=4, delivery_tag=b"x", settled=True, payload=Message({"b": 1}).encode())
    with pytest.raises(PropertyViolated, match="'b'"):
        world.settle()


def test_a_consumer_may_accept_what_was_sent_settled_by_taking_it():
    lost = NothingLost("peer")
    world, peer, _ = watched(lost)
    transfer(peer, 0, "one", settled=True)
    world.settle()
    assert list(lost.consumed) == ["one"]


def test_frames_that_belong_to_nothing_are_the_engines_business():
    class Seeing(Property):
        def __init__(self):
            self.seen = []

        def credit_used(self, end, link):
            self.seen.append(str(end))

        def received(self, end, delivery):
            self.seen.append("received")

        def disposed(self, end, delivery, said, state, settled):
            self.seen.append("disposed")

    seeing = Seeing()
    world = World(1)
    world.watch(seeing)
    peer = world.peer("peer:5672").open().begin().attach()
    world.start(Receiver)
    world.settle()
    for channel in (9, 0):
        peer.say("begin", channel=8, remote_channel=77, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
        peer.say("attach", channel=channel + 9, name="x", handle=5, role=False)
        peer.say("flow", channel=channel, handle=7, incoming_window=1, next_outgoing_id=0, outgoing_window=1)
        peer.say("transfer", channel=channel, handle=7, delivery_id=0)
        peer.say("disposition", channel=channel + 9, role=False, first=0)
        peer.say("detach", channel=channel, handle=7)
        peer.say("end", channel=channel + 9)
    peer.say("transfer", handle=0)
    peer.say_bytes(b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x14\x99")
    world.settle()
    assert seeing.seen == []
