"""Receivers that are made in `on_start`, before anything is known of the other side, at each RabbitMQ: on a new session
and on one that is open, for each way to give credit, from each kind of queue.

RabbitMQ 4.0 counts its transfers and deliveries from just below 2^32, so that whoever guesses where they begin loses
the link or the session.
"""

from __future__ import annotations

import uuid
from typing import Any, Callable

import pytest

from reactor import Described, Filter, Message, symbol
from tests.support.desk import Desk
from tests.support.management import Management
from tests.support.rabbitmq import RabbitMQ

TOTAL = 12
OFFSET = symbol("rabbitmq:stream-offset-spec")
#: What a receiver of a stream says: from its beginning.
FIRST = Filter({OFFSET: Described(OFFSET, "first")})

#: How credit is given -> the receiver's options, what is done once it is made, and how many messages come.
WAYS: dict[str, tuple[dict[str, Any], Callable[[Any], Any], int]] = {
    **{f"prefetch {n}": ({"prefetch": n}, lambda receiver: None, TOTAL) for n in (1, 2, 5, 10)},
    "flow(1)": ({"prefetch": 0}, lambda receiver: receiver.flow(1), 1),
    "drain(1)": ({"prefetch": 0}, lambda receiver: receiver.drain(1), 1),
    "drain(20)": ({"prefetch": 0}, lambda receiver: receiver.drain(20), TOTAL),
    "max_unsettled 1": ({"max_unsettled": 1}, lambda receiver: None, TOTAL),
}


class Early(Desk):
    """Makes its receiver in `on_start`, or as soon as there is a session that is open."""

    def __init__(self, url: str, address: str, way: str, opened: bool, options: list[Any]) -> None:
        self.options, self.act, _ = WAYS[way]
        self.options = {**self.options, "options": options}
        self.address = address
        super().__init__(url)
        self.receiver: Any = None
        if opened:
            session = self.container.create_session(self.connection)
            self.until("on_session_opened", 1)
            self.receive(session)
        else:
            self.receive(self.connection)

    def receive(self, context: Any) -> None:
        self.receiver = self.container.create_receiver(context, self.address, **self.options)
        self.act(self.receiver)


def fill(desk: Desk, address: str) -> None:
    sender = desk.container.create_sender(desk.connection, address)
    for number in range(TOTAL):
        sender.send(Message(number, durable=True))
    desk.until("on_accepted", TOTAL)


def takes(url: str, address: str, way: str, opened: bool, options: list[Any]) -> None:
    """What is asked for comes, and no more."""
    expected = WAYS[way][2]
    with Early(url, address, way, opened, options) as early:
        early.until("on_message", expected)
        early.until(lambda: not early.receiver.draining())
        early.turn()
        bodies = [event.message.body for event in early.client.events["on_message"]]
        assert bodies == list(range(expected))
        assert early.client.count("on_link_error") == early.client.count("on_session_error") == 0
        if early.receiver.prefetch == 0:
            assert early.receiver.drained() == (20 - TOTAL if way == "drain(20)" else 0)
            assert early.receiver.credit == 0


@pytest.mark.parametrize("opened", [False, True], ids=["new session", "open session"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["classic", "quorum", "stream"])
def test_a_receiver_made_in_on_start_at_rabbitmq_4(rabbitmq4: RabbitMQ, kind: str, way: str, opened: bool) -> None:
    queue = f"early-{uuid.uuid4()}"
    with Desk(rabbitmq4.url) as desk:
        Management(desk).declare(queue, kind)
        fill(desk, rabbitmq4.address(queue))
    takes(rabbitmq4.url, rabbitmq4.address(queue), way, opened, [FIRST] if kind == "stream" else [])


@pytest.mark.parametrize("opened", [False, True], ids=["new session", "open session"])
@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("drain")])
def test_a_receiver_made_in_on_start_at_rabbitmq_3(rabbitmq: RabbitMQ, way: str, opened: bool) -> None:
    """On a classic queue without a drain, which that does not survive."""
    address = f"/queue/{uuid.uuid4()}"
    with Desk(rabbitmq.url) as desk:
        fill(desk, address)
    takes(rabbitmq.url, address, way, opened, [])
