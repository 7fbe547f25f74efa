"""What is mutated: frames of real brokers and of our own engines, messages, and SASL exchanges."""

from __future__ import annotations

from functools import cache

from reactor.codec.message import Message
from reactor.codec.performatives import decode_composite
from reactor.codec.types import Array, Data, Described, symbol, ulong
from reactor.engine.endpoints.disposition import ACCEPTED, RELEASED, ModifiedDisposition, RejectedDisposition
from reactor.tracing.splitter import Splitter
from tests.support import corpus
from tests.support.frames import split
from tests.support.pair import Pair, received
from tests.support.replay import whole

SIDES = ("client", "broker")
Pieces = list[tuple[str, bytes]]  # who said it, and what


@cache
def frames() -> tuple[bytes, ...]:
    """AMQP frames of all kinds, each once, headers and all."""
    found: dict[bytes, None] = {}
    for peer in corpus.PEERS:
        for _, _, stream in corpus.streams(peer):
            for part in whole(stream):
                if part[:4] != b"AMQP" and part[5] == 0 and len(part) < 2000:
                    found[part] = None
    for stream in own_streams():
        for part in split(stream):
            if part[:4] != b"AMQP":
                found[part] = None
    return tuple(found)


@cache
def own_streams() -> tuple[bytes, ...]:
    """What each side said in a conversation of two engines that does a little of everything."""
    pair = Pair()
    pair.client.transport.max_frame_size = pair.server.transport.max_frame_size = 512
    pair.client.transport.idle_timeout = 10
    pair.client.connection.properties = {"product": "fuzz"}
    sender, receiver = pair.way(True, 20)
    back_sender, back = pair.way(False, 5)
    sender.transmit(Message("small").encode())
    sender.transmit(bytes(2000))
    sender.delivery("streamed")
    sender.stream(b"x" * 600)
    pair.pump()
    sender.current.abort()
    back_sender.transmit(everything().encode())
    pair.pump()
    states = [ACCEPTED, RELEASED, ModifiedDisposition(True, True, {"a": 1}), RejectedDisposition()]
    for number, (delivery, _) in enumerate(received(receiver) + received(back)):
        delivery.update(states[number % 4])
        delivery.settle()
    receiver.drain(1)
    pair.pump()
    sender.drained()
    pair.pump()
    sender.detach()
    back.close()
    back.session.close()
    pair.client.connection.close()
    pair.pump()
    return bytes(pair.sent["client"]), bytes(pair.sent["server"])


def everything() -> Message:
    """A message in which every section is there."""
    message = Message({"list": [1, None, 2.5, [True]], symbol("map"): {"k": b"v"}})
    message.durable, message.priority, message.ttl, message.delivery_count = True, 7, 12.5, 3
    message.id, message.correlation_id, message.user_id = ulong(5), "correlation", b"me"
    message.address, message.subject, message.reply_to = "q", "subject", "reply"
    message.content_type, message.creation_time, message.group_id = symbol("text/plain"), 5.0, "group"
    message.properties = {"a": 1, "b": "two"}
    message.annotations = {symbol("x-opt-a"): Array(Described, Data.INT, 1, 2).elements}
    message.instructions = {symbol("x-opt-i"): "i"}
    return message


@cache
def messages() -> tuple[bytes, ...]:
    """Encoded messages: payloads of recorded transfers, and one with everything."""
    found = {everything().encode(): None, Message("x").encode(): None, Message(b"x").encode(): None}
    for peer in corpus.PEERS:
        for frame in corpus.frames(peer):
            if frame.type == 0 and frame.body[:3] == b"\x00\x53\x14":
                _, _, end = decode_composite(frame.body, 0, len(frame.body))
                if 0 < len(frame.body) - end < 1000:
                    found[frame.body[end:]] = None
    return tuple(found)


@cache
def sasl() -> dict[str, tuple[bytes, ...]]:
    """SASL frames by the side that said them."""
    found: dict[str, dict[bytes, None]] = {"client": {}, "broker": {}}
    for peer in corpus.PEERS:
        for _, side, stream in corpus.streams(peer):
            for part in whole(stream):
                if part[:4] != b"AMQP" and part[5] == 1:
                    found[side][part] = None
    return {side: tuple(parts) for side, parts in found.items()}


@cache
def exchanges() -> tuple[tuple[Pieces, dict[str, tuple[int, ...]]], ...]:
    """Every recorded connection cut into headers and frames, and where in it each side speaks."""
    found = []
    for peer in corpus.PEERS:
        for _, pieces in corpus.connections(peer):
            cut = _cut(pieces)
            places = {side: tuple(at for at, (who, _) in enumerate(cut) if who == side) for side in SIDES}
            if all(places.values()):
                found.append((cut, places))
    return tuple(found)


def _cut(pieces: Pieces) -> Pieces:
    """The same in the same order, a frame at a time: each where its last byte came."""
    splitters = {side: Splitter() for side in SIDES}
    return [(side, part) for side, data in pieces for part in splitters[side].feed(data)]


def load() -> None:
    """Read all of it now, and not within the first case that needs it."""
    frames(), messages(), sasl(), exchanges()
