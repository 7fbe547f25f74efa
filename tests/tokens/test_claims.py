"""Claims-based security in worlds: links wait for their token, it is renewed for days, refusals name the claim."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Message
from reactor.simulation import World
from reactor.tokens import Claims, SharedAccessKey
from tests.support.service_bus import ServiceBus

URL = "amqp://bus:5672"
KEY = "c2VjcmV0IGtleSBvZiB0aGUgYnVz"


class Client(MessagingHandler):
    """Sends, receives, and writes down what comes."""

    def __init__(self, tokens: Any, addresses: tuple[str, ...] = ("jobs",), **options: Any) -> None:
        super().__init__()
        self.tokens = tokens
        self.addresses = addresses
        self.options = options
        self.senders: list[Any] = []
        self.received: list[Any] = []
        self.errors: list[Any] = []
        self.opened: list[str] = []

    def on_start(self, event: Any) -> None:
        options = {"allow_insecure_mechs": True, "tokens": self.tokens, **self.options}
        self.container = event.container
        self.connection = event.container.connect(URL, **options)
        for address in self.addresses:
            event.container.create_receiver(self.connection, address)
            self.senders.append(event.container.create_sender(self.connection, address))

    def on_link_opened(self, event: Any) -> None:
        self.opened.append(event.link.name)

    def on_message(self, event: Any) -> None:
        self.received.append(event.message.body)

    def on_connection_error(self, event: Any) -> None:
        self.errors.append(event.connection.remote_condition)

    def on_link_error(self, event: Any) -> None:
        self.errors.append(event.link.remote_condition)


def key(**options: Any) -> SharedAccessKey:
    return SharedAccessKey("all", KEY, **options)


@pytest.fixture
def world():
    with World(seed=13) as world:
        yield world


def start(world: World, client: Client, **options: Any) -> ServiceBus:
    bus = ServiceBus(URL, **options)
    bus.keys["all"] = KEY
    world.start(bus, name="bus")
    world.start(client, name="client")
    return bus


def test_links_wait_for_their_token_and_then_carry_messages(world: World) -> None:
    client = Client(Claims(key()), ("jobs", "mails"))
    bus = start(world, client)
    world.run_until(lambda: len(client.opened) == 4)
    for sender in client.senders:
        sender.send(Message("one"))
    world.run_until(lambda: len(client.received) == 2)
    assert [taken[:2] for taken in bus.tokens.taken] == [
        ("sb://bus/jobs", "servicebus.windows.net:sastoken"),
        ("sb://bus/mails", "servicebus.windows.net:sastoken"),
    ]
    assert (bus.cbs_pairs, bus.detached, client.errors) == (1, [], [])
    assert bus.attached.index("jobs") >= 2, "the links to $cbs come first"


def test_tokens_are_renewed_for_days(world: World) -> None:
    client = Client(Claims(key()))
    bus = start(world, client, idle=None)
    world.run_until(lambda: len(client.opened) == 2)
    world.run_for(3 * 24 * 3600)
    client.senders[0].send(Message("still there"))
    world.run_until(lambda: client.received)
    assert len(bus.tokens.taken) == 1 + 3 * 24 * 3600 // 2880
    assert (bus.detached, client.errors, len(client.opened)) == ([], [], 2)
