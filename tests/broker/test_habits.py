"""What legal clients do to a broker, and what once ended it: odd contents, odd outcomes, modes, small frames."""

from __future__ import annotations

import pytest

from handlers.broker.nodes.envelope import annotated
from handlers.broker.outlets import MOST_ANNOTATED
from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    Copy,
    Filter,
    Link,
    Message,
    ModifiedDisposition,
    symbol,
)
from reactor.codec.frames import AMQP_HEADER
from reactor.codec.types import Described, ubyte, ulong
from tests.support.brokers import BrokerWorld
from tests.support.frames import frame, read, source, target


@pytest.fixture
def world():
    return BrokerWorld()


class Bare:
    """A client by hand: bytes to the broker, and the frames that it answers with."""

    def __init__(self, world, name="bare", **opens):
        self.world = world
        self.node = world.network.node()
        self.wire = self.node.connect("broker", 5672)
        self.heard = b""
        self.say(AMQP_HEADER, frame("open", container_id=name, **opens), frame("begin", next_outgoing_id=0,
                 incoming_window=1000, outgoing_window=1000))  # fmt: skip

    def say(self, *pieces):
        """Send the frames in one piece; returns all that was answered so far."""
        self.world.quiet()
        self.wire.connected()
        self.wire.write(b"".join(pieces))
        self.world.quiet()
        data = self.wire.read(1 << 20)
        while data:
            self.heard += data
            self.world.quiet()
            data = self.wire.read(1 << 20)
        return read(self.heard)

    def names(self):
        return [answer.name for answer in read(self.heard)]


def attach(handle=0, role=True, address="jobs", name=None, **fields):
    """An attach of a receiver (role) or sender."""
    ends = {"source": source(address if role else None), "target": target(None if role else address)}
    name = name or f"link-{handle}"
    fields = {"name": name, "handle": handle, "role": role, **ends, **fields}
    if not role:
        fields.setdefault("initial_delivery_count", 0)
    return frame("attach", **fields)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_delivery_count_at_its_limit_stays_there(world, leaves):
    client, other = world.client(), world.client()
    client.send("jobs", "a", delivery_count=0xFFFFFFFF)
    receiver = client.receiver("jobs", 1)
    if leaves:
        client.vanish()
    else:
        client.take()[0].settle(ModifiedDisposition(failed=True))
        world.quiet()
        receiver.close()
    other.receiver("jobs", 1)
    assert other.inbox[0].message.delivery_count == 0xFFFFFFFF


ODD = {
    "no message": b"hello",
    "a body cut short": b"\x00\x53\x77\xa1\x50abc",
    "a footer before the body": b"\x00\x53\x78\xc1\x07\x02\xa3\x01k\xa1\x01v\x00\x53\x77\x41",
    "annotations that are a list": b"\x00\x53\x72\xc0\x03\x02\x41\x42\x00\x53\x77\x41",
    "annotations that are a number": b"\x00\x53\x72\x54\x05\x00\x53\x77\x41",
    "nothing": b"",
}


@pytest.mark.parametrize("payload", ODD.values(), ids=ODD)
@pytest.mark.parametrize("annotations", [{symbol("x-opt-a"): 1}, {ulong(5): 1}, {ulong(0): 1}], ids=repr)
def test_odd_contents_meet_annotating_outcomes(world, payload, annotations):
    client = world.client()
    client.on_decode_error = lambda event: None
    sender = client.sender("jobs")
    sender.transmit(payload)
    world.quiet()
    assert client.outcomes == [ACCEPTED]
    consumer = Bare(world)
    answers = consumer.say(attach(), frame("flow", next_incoming_id=0, incoming_window=100, next_outgoing_id=0,
                           outgoing_window=100, handle=0, delivery_count=0, link_credit=5))  # fmt: skip
    assert [answer.name for answer in answers].count("transfer") == 1
    state = Described(ulong(0x27), [True, False, annotations])
    outcome = frame("disposition", role=True, first=0, last=0, settled=True, state=state)
    answers = consumer.say(outcome.replace(b"\x44", b"\x40"))  # a key of 0 becomes one of null
    again = [answer for answer in answers if answer.name == "transfer"]
    assert len(again) == 2 and consumer.names()[-1] == "transfer", "it comes again, annotated or not"


def test_a_refusal_fits_the_smallest_frame(world):
    sender = Bare(world, max_frame_size=512)
    address = "\u20ac" * 1000
    message = bytes(Message("a", address="topic://" + address * 2).encode())
    ends = {"source": source("me"), "target": target()}
    sender.say(frame("attach", name="relay", handle=0, role=False, initial_delivery_count=0, **ends))
    answers = sender.say(*(
        frame("transfer", payload=message[at : at + 400], handle=0, delivery_id=0, delivery_tag=b"0",
              more=at + 400 < len(message))
        for at in range(0, len(message), 400)
    ))  # fmt: skip
    [told] = [answer for answer in answers if answer.name == "disposition"]
    assert told.state.descriptor == REJECTED and told.settled
    assert told.state.value[0].value[1].startswith("an address of 2008 characters")


@pytest.mark.parametrize("role", [True, False])
@pytest.mark.parametrize("mode", [{"snd_settle_mode": 5}, {"rcv_settle_mode": 7}], ids=repr)
def test_a_settle_mode_that_there_is_not(world, role, mode):
    client = Bare(world)
    client.say(attach(role=role, **{name: ubyte(value) for name, value in mode.items()}))
    assert client.names()[-1] in ("detach", "end", "close", "attach", "flow")
    other = world.client()
    other.send("jobs", "fine")
    assert world.node("jobs").depth == 1


@pytest.mark.parametrize("mode", [Link.RCV_FIRST, Link.RCV_SECOND])
def test_a_pre_settled_transfer_whatever_the_receivers_mode(world, mode):
    client = Bare(world)
    client.say(attach(role=False, rcv_settle_mode=ubyte(mode)))
    payload = bytes(Message("a").encode())
    client.say(frame("transfer", payload=payload, handle=0, delivery_id=0, delivery_tag=b"0", settled=True))
    assert world.node("jobs").depth == 1 and "disposition" not in client.names()


@pytest.mark.internal_errors  # or the engine refuses it: in either case the broker lives
def test_a_queue_whose_attach_does_not_fit_the_consumers_frames(world):
    client = Bare(world, max_frame_size=512)
    flow = frame("flow", next_incoming_id=0, incoming_window=100, next_outgoing_id=0, outgoing_window=100, handle=0,
                 delivery_count=0, link_credit=5)  # fmt: skip
    client.say(attach(address="x" * 600), flow, frame("detach", handle=0, closed=True))
    other = world.client()
    other.send("jobs", "fine")
    assert world.node("jobs").depth == 1


def test_a_link_that_does_not_fit_the_consumers_handles(world):
    client = Bare(world)
    client.say(frame("begin", channel=1, next_outgoing_id=0, incoming_window=10, outgoing_window=10, handle_max=0))
    for handle in (0, 1):
        body = attach(handle=handle)
        client.say(body[:6] + b"\x00\x01" + body[8:])
    other = world.client()
    other.send("jobs", "fine")
    assert world.node("jobs").depth == 1


# -- what it has not


def test_what_is_not_applied_is_not_in_the_answer(world):
    client = world.client()
    unknown = Filter({symbol("x"): Described(symbol("y"), "z")})
    receiver = client.receiver("jobs", options=unknown)
    assert receiver.source.filter and not receiver.remote_source.filter
    both = client.receiver("jobs", options=[unknown, Copy()], name="both")
    assert not both.remote_source.filter and both.remote_source.distribution_mode == both.source.DIST_MODE_COPY


def test_no_more_than_a_little_is_added_to_a_message_by_outcomes(world):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1)
    for number in range(50):
        client.take()[0].settle(ModifiedDisposition(annotations={symbol(f"x-opt-{number}"): "x" * 1000}))
        receiver.flow(1)
        world.quiet()
    added = client.inbox[0].message.annotations
    assert 10 < len(added) < 17 and added["x-opt-0"] and client.bodies() == ["a"]
    assert world.node("jobs").bytes < 20_000


@pytest.mark.parametrize("too_much", [0, 1])
def test_what_outcomes_may_add_is_added_to_the_last_byte(world, too_much):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1)
    body = client.inbox[0].message.encode()
    added = len(annotated(body, {symbol("x-opt-a"): "x" * 1000})) - len(body)
    for name, size in zip("ab", (1000, 15_000)):
        known = client.inbox[0].message.encode()
        if name == "b":  # so large that with it the bound is reached exactly, or exceeded by one
            longer = len(annotated(known, {symbol("x-opt-b"): "x" * size})) - len(known)
            size += MOST_ANNOTATED + too_much - added - longer
        client.take()[0].settle(ModifiedDisposition(annotations={symbol("x-opt-" + name): "x" * size}))
        receiver.flow(1)
        world.quiet()
    assert set(client.inbox[0].message.annotations) == ({"x-opt-a"} if too_much else {"x-opt-a", "x-opt-b"})


def test_a_header_that_is_larger_than_headers_are_is_refused(world):
    client = world.client()
    sender = client.sender("jobs")
    sender.transmit(b"\x00\x53\x70\xd0" + (504).to_bytes(4, "big") + (500).to_bytes(4, "big") + b"\x40" * 500)
    world.quiet()
    assert client.outcomes == [REJECTED] and client.conditions[0].name == "amqp:decode-error"


@pytest.mark.parametrize("state", [RELEASED, MODIFIED, ACCEPTED])
def test_second_is_really_done_for_receivers(world, state):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1, options=Second())
    assert receiver.remote_rcv_settle_mode == Link.RCV_SECOND
    received = client.take()[0]
    received.delivery.update(state)
    world.quiet()
    assert received.delivery.settled and world.node("jobs").acquired == 0


class Second:
    """A link option: rcv-settle-mode second."""

    def test(self, link):
        return True

    def apply(self, link):
        link.rcv_settle_mode = link.RCV_SECOND
