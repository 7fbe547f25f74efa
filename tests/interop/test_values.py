"""What is sent is what arrives: bodies, ids and properties of every type, over every route."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from tests.interop.original import Direction
from tests.interop.roles import Players, direct, receiving, sending
from tests.interop.values import compounds, identifiers, plain, primitives

Route = Callable[[list[Any]], list[Any]]


@pytest.fixture(params=["sender listens", "receiver listens"])
def route(request: pytest.FixtureRequest, direction: Direction) -> Route:
    """Takes messages there; returns what came."""
    sender_api, receiver_api = direction

    def carry(messages: list[Any]) -> list[Any]:
        def sender(url: str, listen: bool) -> Any:
            one = sending(sender_api)(url, listen)
            one.messages = messages
            return one

        _, receiver = direct(sender, receiving(receiver_api), request.param == "sender listens")
        return list(receiver.messages)

    return carry


@pytest.fixture
def broker_route(direction: Direction, broker: str) -> Route:
    """Takes messages through a broker; returns what came."""
    sender_api, receiver_api = direction

    def carry(messages: list[Any]) -> list[Any]:
        sender = sending(sender_api)(broker)
        sender.messages = messages
        Players(sender).run()
        receiver = receiving(receiver_api)(broker)
        receiver.expected = len(messages)
        receiver.close_when_received = True
        Players(receiver).run()
        return list(receiver.messages)

    return carry


def check_bodies(route: Route, direction: Direction) -> None:
    sender_api, receiver_api = direction
    bodies = {**primitives(sender_api), **compounds(sender_api)}
    expected = {**primitives(receiver_api), **compounds(receiver_api)}
    received = route([sender_api.Message(body) for body in bodies.values()])
    assert dict(zip(bodies, (plain(message.body) for message in received))) == {
        name: plain(body) for name, body in expected.items()
    }


def test_bodies(route: Route, direction: Direction) -> None:
    check_bodies(route, direction)


def test_bodies_through_a_broker(broker_route: Route, direction: Direction) -> None:
    check_bodies(broker_route, direction)


def test_data_and_sequence_sections(route: Route, direction: Direction) -> None:
    sender_api, _ = direction
    received = route(
        [
            sender_api.Message(b"data section", inferred=True),
            sender_api.Message(b"value section", inferred=False),
            sender_api.Message(["sequence", 1], inferred=True),
            sender_api.Message(["value", 2], inferred=False),
        ]
    )
    assert [(message.inferred, plain(message.body)) for message in received] == [
        (True, ("binary", b"data section")),
        (False, ("binary", b"value section")),
        (True, ("list", [("str", "sequence"), ("int", 1)])),
        (False, ("list", [("str", "value"), ("int", 2)])),
    ]


def test_ids(route: Route, direction: Direction) -> None:
    sender_api, _ = direction
    kinds = identifiers()
    received = route(
        [sender_api.Message(kind, id=value, correlation_id=value) for kind, value in kinds.items()]
    )
    assert {message.body: plain_id(message.id) for message in received} == kinds
    assert {message.body: plain_id(message.correlation_id) for message in received} == kinds


def plain_id(value: Any) -> Any:
    """An id in built-in types: the bytes of the original are memoryviews, its ulongs ints."""
    return bytes(value) if isinstance(value, memoryview) else value


ATTRIBUTES = {
    "durable": True,
    "priority": 7,
    "ttl": 12.5,
    "first_acquirer": True,
    "delivery_count": 3,
    "user_id": b"me",
    "address": "there",
    "subject": "greeting",
    "reply_to": "here",
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "expiry_time": 4102444800.5,  # a broker drops what has expired
    "creation_time": 1700000000.25,
    "group_id": "group",
    "group_sequence": 4294967295,
    "reply_to_group_id": "other-group",
}


def full_message(api: SimpleNamespace) -> Any:
    message = api.Message("body", **ATTRIBUTES)
    message.instructions = {api.symbol("x-opt-instruction"): 1}
    message.annotations = {api.symbol("x-opt-annotation"): [1, "two", None]}
    message.properties = {
        "int": 1,
        "str": "s",
        "none": None,
        "bool": True,
        "double": 0.5,
        "uint": api.uint(7),
        "symbol": api.symbol("sym"),
        "uuid": uuid.UUID(int=1),
        "timestamp": api.timestamp(1),
        "bytes": b"b",
    }
    return message


def check_full_message(route: Route, direction: Direction, next_hop: bool = True) -> None:
    sender_api, receiver_api = direction
    (received,) = route([full_message(sender_api)])
    seen = {name: getattr(received, name) for name in ATTRIBUTES}
    seen["user_id"] = bytes(seen["user_id"])
    # A broker has the message for a while, and may take that off its time to live.
    assert 0 < seen["ttl"] <= ATTRIBUTES["ttl"]
    assert {**seen, "ttl": ATTRIBUTES["ttl"]} == ATTRIBUTES
    expected = full_message(receiver_api)
    # They are for the next hop alone [3.2.2].
    assert plain(received.instructions) == plain(expected.instructions if next_hop else None)
    assert plain(received.annotations) == plain(expected.annotations)
    assert plain(received.properties) == plain(expected.properties)


def test_every_attribute_of_a_message(route: Route, direction: Direction) -> None:
    check_full_message(route, direction)


def test_every_attribute_of_a_message_through_a_broker(
    broker_route: Route, direction: Direction, request: pytest.FixtureRequest
) -> None:
    theirs = "their broker" in request.node.callspec.params.values()  # it passes on what was meant for it
    check_full_message(broker_route, direction, next_hop=theirs)


def test_a_message_without_anything(route: Route, direction: Direction) -> None:
    sender_api, _ = direction
    (received,) = route([sender_api.Message()])
    assert received.body is None and received.id is None and received.address is None
    assert (received.durable, received.priority, received.ttl) == (False, 4, 0)
    assert (received.first_acquirer, received.delivery_count) == (False, 0)
