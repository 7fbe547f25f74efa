"""What is fuzzed, and what must hold whatever comes in.

A transport takes any bytes: it parses them, or ends with one of the specification's conditions, says so in
well-formed frames, and raises nothing. A message decodes, or raises DecodeError. Work and memory are bounded by
the size of the input.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any, Callable, NamedTuple

from reactor.codec.decode import read_value
from reactor.codec.encode import encode_value
from reactor.codec.message import Message
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.disposition import ACCEPTED, REJECTED, RELEASED
from reactor.engine.endpoints.endpoint import LOCAL_UNINIT, Endpoint
from reactor.engine.endpoints.receiver import Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.endpoints.session import Session
from reactor.engine.events import Collector, Event
from reactor.engine.wire.transport import Transport
from reactor.errors import DataException, DecodeError, LocalProtocolError, MessageException, RemoteProtocolError
from tests.fuzz import mutate, seeds
from tests.fuzz.holds import check
from tests.fuzz.openings import config_case, tls_case, url_case
from tests.fuzz.plans import plan_case
from tests.fuzz.recordings import exchange_case, frame_case
from tests.fuzz.speaking import broker_case, client_case, copier_case
from tests.support.frames import AMQP, SASL, frame, source, target


class Application:
    """What sits on a fuzzed transport: it answers, reads, accepts, and sends a little when it may."""

    def __init__(self, dice: Random, mode: int) -> None:
        self.dice = dice
        self.transport = Transport(mode)
        self.connection = Connection()
        self.collector = Collector()
        self.connection.collect(self.collector)
        self.connection.container = "fuzzed"
        self.output = bytearray()
        self.checked = 0  # bytes of it that were read back
        self.sends = 20
        self.held: list[Any] = []
        self.reads = dice.random() < 0.8

    def turn(self) -> None:
        """Look at what happened, and write what there is to write."""
        for _ in range(200):
            events = self.collector.events
            while events:
                event = self.collector.peek()
                self.collector.pop()
                if event is not None:
                    self.react(event)
            size = self.transport.pending()
            if size > 0:
                taken = size if self.dice.random() < 0.8 else self.dice.randrange(1, size + 1)
                self.output += self.transport.output[:taken]
                self.transport.pop(taken)
            elif not events:
                return
        raise AssertionError("the transport does not come to rest")

    def react(self, event: Event) -> None:
        context = event.context
        name = event.type.name
        if name.endswith("_remote_open"):
            if context.state & LOCAL_UNINIT:
                if isinstance(context, Session):
                    context.incoming_capacity = self.dice.choice((0, 1500))
                if isinstance(context, Receiver):
                    context.prefetch = self.dice.choice((1, 10, 100))
                    context.max_message_size = self.dice.choice((0, 0, 300))
                context.open()
        elif name.endswith(("_remote_close", "_remote_detach")):
            context.close()
        elif event.type is Event.DELIVERY:
            self.delivered(context)
        elif event.type is Event.LINK_FLOW and isinstance(context, Sender):
            if context.credit > 0 and self.sends and context.state & Endpoint.LOCAL_ACTIVE:
                self.sends -= 1
                try:
                    context.transmit(bytes(self.dice.choice((0, 10, 3000))))
                except LocalProtocolError:
                    pass  # it is too late for that, or too large, and the engine said so
            if context.drain_mode:
                context.drained()
        elif name.startswith("pn_transport_error"):
            assert self.transport.condition is not None

    def delivered(self, delivery: Any) -> None:
        if delivery.link.is_sender:
            delivery.settle()
            return
        if not self.reads:
            return
        if delivery.readable and not delivery.partial:
            payload = delivery.take()
            decoded(payload)
            if self.dice.random() < 0.3:
                self.held.append(delivery)
                return
        elif delivery.partial and self.dice.random() < 0.2:
            delivery.link.recv(100)
        if delivery.fate == 0 and self.dice.random() < 0.9:
            delivery.update(self.dice.choice((ACCEPTED, REJECTED, RELEASED)))
            delivery.settle()

    def feed(self, data: bytes) -> None:
        for piece in mutate.in_pieces(self.dice, data):
            self.transport.receive(piece)
            self.turn()

    def finish(self) -> None:
        """The peer hangs up; everything must end."""
        self.check()
        for delivery in self.held:
            delivery.settle()
        self.turn()
        self.check()
        self.transport.close_tail()
        self.turn()
        assert self.transport.closed
        self.transport.unbind()
        for link in self.connection.links(0):
            assert link.unsettled == 0, link

    def check(self) -> None:
        check(self.transport, self.connection, bytes(self.output[self.checked :]))
        self.checked = len(self.output)


def transport_case(dice: Random) -> int:
    """Mutated frames over a transport in some stage. Returns how many bytes were fed."""
    mode = dice.choice((Transport.CLIENT, Transport.SERVER))
    app = Application(dice, mode)
    app.transport.max_frame_size = dice.choice((512, 65536))
    app.transport.bind(app.connection)
    app.connection.open()
    stage = dice.randrange(5)
    if mode == Transport.CLIENT and stage:
        session = app.connection.session()
        session.incoming_capacity = dice.choice((0, 1500))
        session.open()
        session.sender("s").open()
        receiver = session.receiver("r")
        receiver.prefetch = 10
        receiver.open()
    app.turn()
    if stage:
        app.feed(AMQP + frame("open", container_id="fuzz", max_frame_size=dice.choice((512, 65536))))
    if stage > 1:
        answer = {"remote_channel": 0} if mode == Transport.CLIENT else {}
        window = dice.choice((1, 50, 0x7FFFFFFF))
        app.feed(frame("begin", next_outgoing_id=0, incoming_window=window, outgoing_window=100, **answer))
    if stage > 2:
        count = {"initial_delivery_count": dice.choice((0, 0xFFFFFFFE))}
        app.feed(frame("attach", name="s", handle=0, role=True, source=source("q"), target=target("q")))
        app.feed(frame("attach", name="r", handle=1, role=False, source=source("q"), target=target("q"), **count))
    if stage > 3:
        flow = {"incoming_window": 50, "next_outgoing_id": 0, "outgoing_window": 50, "handle": 0}
        app.feed(frame("flow", link_credit=20, delivery_count=0, **flow))
    frames = seeds.frames()
    fed = 0
    inventive = dice.random() < 0.6  # such a case goes further: what it says is in order, one by one
    for _ in range(dice.choice((1, 1, 3, 10, 40))):
        way = dice.random() if not inventive or dice.random() < 0.03 else 0.25
        if way < 0.05:
            data = mutate.garbage(dice)
        elif way < 0.2:
            data = dice.choice(frames)
        elif way < 0.3 or inventive:
            data = mutate.invented(dice)
        else:
            data = mutate.mutated_frame(dice, dice.choice(frames), frames)
        fed += len(data)
        app.feed(data)
        app.check()
    app.finish()
    return fed


def sasl_case(dice: Random) -> int:
    """Mutated SASL exchanges."""
    mode = dice.choice((Transport.CLIENT, Transport.SERVER))
    app = Application(dice, mode)
    sasl = app.transport.sasl()
    if mode == Transport.SERVER:
        sasl.authenticator = lambda mech, user, password: user == "guest"
    else:
        sasl.user, sasl.password, sasl.allow_insecure_mechs = "guest", "guest", True
    app.transport.bind(app.connection)
    app.connection.open()
    app.turn()
    others = [*seeds.sasl()["client"], *seeds.sasl()["broker"]]
    data = SASL if dice.random() < 0.9 else mutate.mutated(dice, SASL, others)
    for _ in range(dice.randrange(1, 4)):
        said = dice.choice(seeds.sasl()["client" if mode == Transport.SERVER else "broker"])
        data += said if dice.random() < 0.4 else mutate.mutated_frame(dice, said, others)
    if dice.random() < 0.5:
        data += AMQP + dice.choice(seeds.frames())
    app.feed(data)
    app.finish()
    return len(data)


def decoded(payload: bytes) -> None:
    """A message decodes as a whole and can be written again, or it says that it does not decode."""
    try:
        message = Message.from_bytes(payload)
        message.check()
    except DecodeError:
        return
    repr(message)
    message.delivery_count = 1
    try:
        again = Message.from_bytes(message.encode())
    except (MessageException, DataException):
        return  # such as a ttl that is out of range
    again.check()
    assert repr(again.body) == repr(message.body)


def message_case(dice: Random) -> int:
    """Mutated messages."""
    data = mutate.mutated(dice, dice.choice(seeds.messages()), seeds.messages())
    decoded(data)
    return len(data)


def value_case(dice: Random) -> int:
    """Any value, out of anywhere: what can be read can be written, and reads the same again."""
    data = mutate.mutated(dice, dice.choice(seeds.messages()), seeds.messages()) + mutate.garbage(dice, 50)
    start = dice.randrange(len(data) or 1)
    try:
        value, end = read_value(data, start, len(data))
    except RemoteProtocolError as error:
        assert error.condition == "amqp:decode-error"
        return len(data)
    assert start < end <= len(data)
    written = encode_value(value)
    again, size = read_value(written, 0, len(written))
    assert size == len(written)
    assert repr(again) == repr(value)
    return len(data)


class Target(NamedTuple):
    """A kind of case.

    run: runs one, and returns how many bytes it fed. share: of the time of a campaign, beside the other targets.
    suite: how many of them the suite runs: most of what is cheap.
    """

    run: Callable[[Random], int]
    share: int
    suite: int


TARGETS = {
    "transport": Target(transport_case, 5, 3_000),
    "exchange": Target(exchange_case, 5, 3_000),
    "broker": Target(broker_case, 5, 250),
    "copier": Target(copier_case, 3, 250),
    "client": Target(client_case, 4, 250),
    "frame": Target(frame_case, 2, 24_000),
    "plan": Target(plan_case, 2, 6_000),
    "sasl": Target(sasl_case, 2, 6_000),
    "tls": Target(tls_case, 1, 2_000),
    "message": Target(message_case, 2, 24_000),
    "value": Target(value_case, 1, 20_000),
    "url": Target(url_case, 1, 16_000),
    "config": Target(config_case, 1, 2_000),
}


def run(name: str, number: int) -> int:
    """One case; returns how many bytes it fed. Target and number say all there is to know about it."""
    return TARGETS[name].run(Random(number))


def counted(name: str, number: int) -> tuple[int, int]:
    """One case, its Python and C calls counted: (bytes fed, calls)."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1

    sys.setprofile(count)
    try:
        fed = run(name, number)
    finally:
        sys.setprofile(None)
    return fed, calls
