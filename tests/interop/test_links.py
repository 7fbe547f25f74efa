"""Frames, credit, nodes, links and sessions: what the two must agree on beneath the messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.interop.original import Direction
from tests.interop.roles import Players, direct, receiving, role, sending
from tests.support.processes import unused_port

SIZES = [0, 1, 400, 512, 5000, 70_000, 300_000]


@pytest.mark.parametrize("max_frame_size", [512, 600, 4096, 65536])
def test_messages_of_many_frames(direction: Direction, sender_listens: bool, max_frame_size: int) -> None:
    """Whoever connects takes no larger frames than that; the other one's messages come in pieces."""
    sender_api, receiver_api = direction
    bodies = [bytes(index % 251 for index in range(size)) for size in SIZES]

    def sender(url: str, listen: bool) -> Any:
        one = sending(sender_api)(url, listen, max_frame_size=max_frame_size)
        one.messages = [sender_api.Message(body) for body in bodies]
        return one

    def receiver(url: str, listen: bool) -> Any:
        return receiving(receiver_api)(url, listen, max_frame_size=max_frame_size)

    sent, received = direct(sender, receiver, sender_listens)
    assert [bytes(message.body) for message in received.messages] == bodies
    assert [outcome["state"] for outcome in sent.outcomes] == [0x24] * len(bodies)


def test_drain(direction: Direction, sender_listens: bool) -> None:
    """Ten are asked for, three are there: the receiver learns that there is no more, and may ask again.

    There is something to send each time: the original's sender keeps a bare drained() to itself until something
    else makes it write. test_broker drains an empty queue.
    """
    sender_api, receiver_api = direction

    class Sender(sending(sender_api)):  # type: ignore[misc]
        def on_sendable(self, event: Any) -> None:
            if event.sender.drain_mode and event.sender.credit > 0:
                for _ in range(3):
                    self.deliveries.append(event.sender.send(sender_api.Message(len(self.deliveries))))
                event.sender.drained()

        def on_settled(self, event: Any) -> None:
            pass

    class Receiver(receiving(receiver_api, prefetch=0)):  # type: ignore[misc]
        rounds = 0

        def on_link_opened(self, event: Any) -> None:
            event.receiver.drain(10)

        def on_link_flow(self, event: Any) -> None:
            if not event.receiver.draining():
                self.rounds += 1
                assert event.receiver.credit == 0
                if self.rounds == 2:
                    event.connection.close()
                else:
                    event.receiver.drain(5)

    _, received = direct(Sender, Receiver, sender_listens)
    assert [message.body for message in received.messages] == [0, 1, 2, 3, 4, 5]
    assert received.rounds == 2


def test_credit_one_by_one(direction: Direction, sender_listens: bool) -> None:
    """The sender sends no more than it was asked for."""
    sender_api, receiver_api = direction

    class Receiver(receiving(receiver_api, prefetch=0)):  # type: ignore[misc]
        def on_link_opened(self, event: Any) -> None:
            event.receiver.flow(1)

        def on_message(self, event: Any) -> None:
            super().on_message(event)
            assert event.receiver.credit == 0 and event.receiver.queued == 0
            event.receiver.flow(1)

    def sender(url: str, listen: bool) -> Any:
        one = sending(sender_api)(url, listen)
        one.messages = [sender_api.Message(number) for number in range(20)]
        return one

    _, received = direct(sender, Receiver, sender_listens)
    assert [message.body for message in received.messages] == list(range(20))


def many_links(api: SimpleNamespace, sessions: int, links: int, credit: int) -> Any:
    """A client that opens sessions with links of both directions by the engine's own names."""

    class Client(role(api, prefetch=credit)):  # type: ignore[misc]
        def connected(self, connection: Any) -> None:
            self.accepted = 0
            self.received: list[Any] = []
            for number in range(sessions):
                session = connection.session()
                session.open()
                for index in range(links):
                    sender = session.sender(f"s-{number}-{index}")
                    sender.target.address = f"in-{number}-{index}"
                    sender.open()
                    receiver = session.receiver(f"r-{number}-{index}")
                    receiver.source.address = f"out-{number}-{index}"
                    receiver.open()
            self.sent: set[str] = set()

        def on_sendable(self, event: Any) -> None:
            if event.sender.name not in self.sent:
                self.sent.add(event.sender.name)
                event.sender.send(api.Message(event.sender.name))

        def on_accepted(self, event: Any) -> None:
            self.accepted += 1
            self.close_when_complete(event)

        def on_message(self, event: Any) -> None:
            self.received.append((event.receiver.name, event.message.body))
            self.close_when_complete(event)

        def close_when_complete(self, event: Any) -> None:
            if self.accepted == len(self.received) == sessions * links:
                event.connection.close()

    return Client


def test_many_sessions_and_links(direction: Direction) -> None:
    client_api, server_api = direction
    sessions, links = 8, 12

    class Server(role(server_api)):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            self.received: list[Any] = []
            self.sent: set[str] = set()
            super().on_start(event)

        def on_link_opening(self, event: Any) -> None:
            event.link.source.copy(event.link.remote_source)
            event.link.target.copy(event.link.remote_target)

        def on_sendable(self, event: Any) -> None:
            if event.sender.name not in self.sent:
                self.sent.add(event.sender.name)
                event.sender.send(server_api.Message(event.sender.source.address))

        def on_message(self, event: Any) -> None:
            self.received.append((event.receiver.target.address, event.message.body))

    url = f"127.0.0.1:{unused_port()}"
    server = Server(url, listen=True)
    client = many_links(client_api, sessions, links, credit=10)(url)
    Players(server, client).run()
    numbers = [f"{number}-{index}" for number in range(sessions) for index in range(links)]
    assert sorted(server.received) == sorted((f"in-{number}", f"s-{number}") for number in numbers)
    assert sorted(client.received) == sorted((f"r-{number}", f"out-{number}") for number in numbers)


def test_links_come_and_go(direction: Direction) -> None:
    """A handle is used again as soon as its link is gone."""
    client_api, server_api = direction

    class Server(receiving(server_api)):  # type: ignore[misc]
        pass

    class Client(role(client_api)):  # type: ignore[misc]
        closed = 0

        def connected(self, connection: Any) -> None:
            self.container.create_sender(connection, "again", name="again-0")

        def on_sendable(self, event: Any) -> None:
            event.sender.send(client_api.Message(event.sender.name))
            event.sender.close()

        def on_link_closed(self, event: Any) -> None:
            self.closed += 1
            if self.closed == 30:
                event.connection.close()
            else:
                self.container.create_sender(event.connection, "again", name=f"again-{self.closed}")

    url = f"127.0.0.1:{unused_port()}"
    server = Server(url, listen=True)
    Players(server, Client(url)).run()
    assert [message.body for message in server.messages] == [f"again-{number}" for number in range(30)]


def test_options_of_a_link_reach_the_peer(direction: Direction) -> None:
    client_api, server_api = direction
    seen: dict[str, Any] = {}

    class Server(role(server_api)):  # type: ignore[misc]
        def on_link_opening(self, event: Any) -> None:
            source = event.link.remote_source
            seen["filter"] = remote_value(source.filter)["selector"]
            seen["mode"] = source.distribution_mode
            seen["durability"] = source.durability
            seen["expiry"] = source.expiry_policy
            seen["capabilities"] = remote_value(source.capabilities)
            event.link.source.copy(source)
            event.link.target.copy(event.link.remote_target)

    class Client(role(client_api)):  # type: ignore[misc]
        def connected(self, connection: Any) -> None:
            class Capability(client_api.ReceiverOption):  # type: ignore[misc,name-defined]
                def apply(self, receiver: Any) -> None:
                    receiver.source.capabilities.put_object(client_api.symbol("queue"))

            options = [client_api.Selector("a = 1"), client_api.Copy(), client_api.DurableSubscription()]
            self.container.create_receiver(connection, "node", options=[*options, Capability()])

        def on_link_opened(self, event: Any) -> None:
            self.echoed = remote_value(event.link.remote_source.filter)["selector"]
            event.connection.close()

    url = f"127.0.0.1:{unused_port()}"
    client = Client(url)
    Players(Server(url, listen=True), client).run()
    for selector in (seen.pop("filter"), client.echoed):
        assert (selector.descriptor, selector.value) == ("apache.org:selector-filter:string", "a = 1")
    terminus = server_api.Terminus
    assert seen == {
        "mode": terminus.DIST_MODE_COPY,
        "durability": terminus.DELIVERIES,
        "expiry": terminus.EXPIRE_NEVER,
        "capabilities": "queue",
    }


def remote_value(data: Any) -> Any:
    """What the peer sent as filter or capabilities: the original hands out a cursor that stands before it."""
    if hasattr(data, "rewind"):
        data.rewind()
        data.next()
    return data.get_object()


def test_a_refused_link_tells_why(direction: Direction) -> None:
    client_api, server_api = direction

    class Server(role(server_api)):  # type: ignore[misc]
        def on_link_opened(self, event: Any) -> None:
            event.link.condition = server_api.Condition("amqp:not-found", "no such node")
            event.link.close()

    class Client(role(client_api)):  # type: ignore[misc]
        def connected(self, connection: Any) -> None:
            self.container.create_receiver(connection, "nowhere")

        def on_link_error(self, event: Any) -> None:
            condition = event.link.remote_condition
            self.refused = (condition.name, condition.description)
            event.connection.close()

    url = f"127.0.0.1:{unused_port()}"
    client = Client(url)
    Players(Server(url, listen=True), client).run()
    assert client.refused == ("amqp:not-found", "no such node")


def test_an_ended_session_tells_why(direction: Direction) -> None:
    client_api, server_api = direction

    class Server(role(server_api)):  # type: ignore[misc]
        def on_link_opened(self, event: Any) -> None:
            event.session.condition = server_api.Condition("my:session", "enough")
            event.session.close()

    class Client(role(client_api)):  # type: ignore[misc]
        def connected(self, connection: Any) -> None:
            self.container.create_sender(connection, "node")

        def on_session_error(self, event: Any) -> None:
            condition = event.session.remote_condition
            self.ended = (condition.name, condition.description)
            event.connection.close()

    url = f"127.0.0.1:{unused_port()}"
    client = Client(url)
    Players(Server(url, listen=True), client).run()
    assert client.ended == ("my:session", "enough")
