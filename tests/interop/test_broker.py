"""Clients of either library at a broker of either side, and what only the embedded broker can do."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.broker import EmbeddedBroker, Policy
from tests.interop.original import Direction
from tests.interop.roles import Players, receiving, role, sending
from tests.interop.test_tls import domain
from tests.support.libraries import THEIRS
from tests.support.tls import ALICE, server_domain


@pytest.fixture
def embedded() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield broker.url


def put(api: SimpleNamespace, url: str, *bodies: Any, address: str = "interop") -> Any:
    """Send messages with these bodies, and wait for their outcomes."""
    sender = sending(api)(url)
    sender.address = address
    sender.messages = [api.Message(body) for body in bodies]
    Players(sender).run()
    return sender


def take(api: SimpleNamespace, url: str, count: int, judge: Any = None, **options: Any) -> Any:
    """Receive so many messages, and close."""
    receiver = receiving(api, **options)(url)
    receiver.expected = count
    receiver.judge = judge
    receiver.close_when_received = True
    Players(receiver).run()
    return receiver


def test_send_and_receive(direction: Direction, broker: str) -> None:
    sender_api, receiver_api = direction
    sender = put(sender_api, broker, *range(300))
    assert sender.outcomes == [{"state": 0x24}] * 300
    receiver = take(receiver_api, broker, 300)
    assert [message.body for message in receiver.messages] == list(range(300))


def test_large_messages(direction: Direction, broker: str) -> None:
    sender_api, receiver_api = direction
    body = bytes(range(256)) * 4096
    put(sender_api, broker, body)
    (message,) = take(receiver_api, broker, 1).messages
    assert bytes(message.body) == body


def test_request_and_response_over_a_dynamic_node(direction: Direction, broker: str) -> None:
    client_api, server_api = direction

    class Server(role(server_api)):  # type: ignore[misc]
        served = 0

        def connected(self, connection: Any) -> None:
            self.receiver = self.container.create_receiver(connection, "requests")
            self.sender = self.container.create_sender(connection, None)

        def on_message(self, event: Any) -> None:
            request = event.message
            reply = server_api.Message(request.body.upper(), address=request.reply_to)
            reply.correlation_id = request.correlation_id
            self.sender.send(reply)
            self.served += 1

        def on_accepted(self, event: Any) -> None:
            if self.served == 3:
                event.connection.close()

    class Client(role(client_api)):  # type: ignore[misc]
        def connected(self, connection: Any) -> None:
            self.replies: list[Any] = []
            self.sender = self.container.create_sender(connection, "requests")
            self.receiver = self.container.create_receiver(connection, None, dynamic=True)

        def on_link_opened(self, event: Any) -> None:
            if event.receiver == self.receiver:
                for number, body in enumerate(("one", "two", "three")):
                    request = client_api.Message(body, reply_to=self.receiver.remote_source.address)
                    request.correlation_id = number
                    self.sender.send(request)

        def on_message(self, event: Any) -> None:
            self.replies.append((event.message.correlation_id, event.message.body))
            if len(self.replies) == 3:
                event.connection.close()

    client = Client(broker)
    Players(Server(broker), client).run()
    assert client.replies == [(0, "ONE"), (1, "TWO"), (2, "THREE")]


def test_drain_an_empty_and_a_filled_queue(embedded: str, theirs: SimpleNamespace) -> None:
    class Drainer(receiving(theirs, prefetch=0)):  # type: ignore[misc]
        def on_link_opened(self, event: Any) -> None:
            event.receiver.drain(10)

        def on_link_flow(self, event: Any) -> None:
            if not event.receiver.draining():
                event.connection.close()

    empty = Drainer(embedded)
    Players(empty).run()
    assert empty.messages == []
    put(theirs, embedded, "a", "b", "c")
    filled = Drainer(embedded)
    Players(filled).run()
    assert [message.body for message in filled.messages] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("how", "delivery_count"), [("release", 0), ("modify", 1)], ids=["released", "modified, failed"]
)
def test_what_is_not_accepted_comes_back(
    embedded: str, direction: Direction, how: str, delivery_count: int
) -> None:
    """The one library gives it back, the other one gets it again."""
    first_api, second_api = direction

    def give_back(role: Any, event: Any) -> None:
        if how == "release":
            role.release(event.delivery, delivered=False)
        else:
            event.delivery.local.failed = True
            role.settle(event.delivery, first_api.Delivery.MODIFIED)

    put(first_api, embedded, "again")
    take(first_api, embedded, 1, judge=give_back, auto_accept=False)
    (message,) = take(second_api, embedded, 1).messages
    assert (message.body, message.delivery_count) == ("again", delivery_count)
    assert not message.first_acquirer


def test_what_was_not_settled_comes_back_when_the_consumer_goes(embedded: str, direction: Direction) -> None:
    first_api, second_api = direction
    put(first_api, embedded, *"abc")
    # All three are taken; nothing is said about any of them before the connection closes.
    take(first_api, embedded, 3, auto_accept=False)
    messages = take(second_api, embedded, 3).messages
    assert [message.body for message in messages] == list("abc")


def test_rejected_is_gone(embedded: str, direction: Direction) -> None:
    first_api, second_api = direction

    def judge(role: Any, event: Any) -> None:
        if event.message.body == "bad":
            role.reject(event.delivery)
        else:
            role.release(event.delivery, delivered=False)

    put(first_api, embedded, "bad", "good")
    receiver = receiving(first_api, prefetch=0, auto_accept=False)

    class Two(receiver):  # type: ignore[misc,valid-type]
        def on_link_opened(self, event: Any) -> None:
            event.receiver.flow(2)

    two = Two(embedded)
    two.expected, two.judge, two.close_when_received = 2, judge, True
    Players(two).run()
    (message,) = take(second_api, embedded, 1).messages
    assert message.body == "good"


def test_browsing_takes_nothing_away(embedded: str, direction: Direction) -> None:
    first_api, second_api = direction
    put(first_api, embedded, *range(5))
    for _ in range(2):
        browser = receiving(first_api)(embedded)
        browser.options = first_api.Copy()
        browser.expected, browser.close_when_received = 5, True
        Players(browser).run()
        assert [message.body for message in browser.messages] == list(range(5))
    assert [message.body for message in take(second_api, embedded, 5).messages] == list(range(5))


def test_a_selector_takes_what_it_selects(embedded: str, direction: Direction) -> None:
    first_api, second_api = direction
    sender = sending(first_api)(embedded)
    colours = ["red", "blue", "red", "green"]
    sender.messages = [first_api.Message(at, properties={"colour": colour}) for at, colour in enumerate(colours)]
    Players(sender).run()
    receiver = receiving(second_api)(embedded)
    receiver.options = second_api.Selector("colour = 'red' OR colour LIKE 'gr%'")
    receiver.expected, receiver.close_when_received = 3, True
    Players(receiver).run()
    assert [message.body for message in receiver.messages] == [0, 2, 3]
    assert [message.body for message in take(first_api, embedded, 1).messages] == [1]


def test_pre_settled_through_the_broker(embedded: str, direction: Direction) -> None:
    sender_api, receiver_api = direction
    sender = sending(sender_api)(embedded)
    sender.messages = [sender_api.Message(number) for number in range(30)]
    sender.options = sender_api.AtMostOnce()
    sender.close_when_sent = True
    Players(sender).run()
    receiver = receiving(receiver_api)(embedded)
    receiver.options = receiver_api.AtMostOnce()
    receiver.expected, receiver.close_when_received = 30, True
    Players(receiver).run()
    assert [message.body for message in receiver.messages] == list(range(30))


# -- access: the original's wheel has PLAIN and EXTERNAL; SCRAM only where it is built with Cyrus SASL -----------------

USERS = {"alice": "s3cret"}
MAY = {name: {"send": ["interop"], "create": ["interop"]} for name in ("alice", ALICE)}


def knock(api: SimpleNamespace, url: str, address: str = "interop", **options: Any) -> Any:
    """Send one message, and note how that goes."""

    class Knock(sending(api)):  # type: ignore[misc]
        failure = ""

        def on_transport_error(self, event: Any) -> None:
            self.failure = event.transport.condition.name
            self.finish()

        def on_link_error(self, event: Any) -> None:
            self.failure = event.link.remote_condition.name
            event.connection.close()

    sender = Knock(url)
    sender.address, sender.messages = address, [api.Message("x")]
    sender.connect_options.update(options)
    Players(sender).run()
    return sender


@pytest.mark.parametrize("sealed", [False, True])
def test_users_and_their_permissions(direction: Direction, sealed: bool) -> None:
    api, _ = direction
    with EmbeddedBroker(users=USERS, permissions=MAY, ssl_domain=server_domain() if sealed else None) as broker:
        url = broker.url.replace("127.0.0.1", "localhost")
        options: dict[str, Any] = {"user": "alice", "allowed_mechs": "PLAIN"}
        if sealed:
            options["ssl_domain"] = domain(api, server=False)
        else:
            options["allow_insecure_mechs"] = True  # the original takes loopback for any other wire
        assert knock(api, url, password="s3cret", **options).outcomes == [{"state": 0x24}]
        assert knock(api, url, password="guess", **options).failure == "amqp:unauthorized-access"
        refused = knock(api, url, "other", password="s3cret", **options)
        assert (refused.outcomes, refused.failure) == ([], "amqp:unauthorized-access")


def test_a_certificate_is_a_user(direction: Direction) -> None:
    api, _ = direction
    with EmbeddedBroker(permissions=MAY, ssl_domain=server_domain(verify=True)) as broker:
        url = broker.url.replace("127.0.0.1", "localhost")
        shown = domain(api, server=False, certificate="client")
        assert knock(api, url, ssl_domain=shown).outcomes == [{"state": 0x24}]
        assert knock(api, url, "other", ssl_domain=shown).failure == "amqp:unauthorized-access"
        assert knock(api, url, ssl_domain=domain(api, server=False)).outcomes == []


def subscribe(api: SimpleNamespace, url: str, expected: int, end: str, name: str = "sub", options: Any = ()) -> Any:
    """A durable subscriber that gets so many messages, and detaches or closes then."""

    class Subscriber(role(api)):  # type: ignore[misc]
        def connected(self, connection: Any) -> None:
            self.bodies: list[Any] = []
            self.receiver = self.container.create_receiver(
                connection, "news", name=name, options=[api.DurableSubscription(), *options]
            )

        def on_link_opened(self, event: Any) -> None:
            self.answer = event.receiver.remote_source
            self.answer.capabilities.rewind()
            self.answer.capabilities.next()
            granted = self.answer.capabilities.get_object()
            self.capabilities = {str(one) for one in getattr(granted, "elements", [granted])}
            if not expected:
                self.leave()

        def on_message(self, event: Any) -> None:
            self.bodies.append(event.message.body)
            if len(self.bodies) == expected:
                self.leave()

        def leave(self) -> None:
            getattr(self.receiver, end)()

        def on_link_closed(self, event: Any) -> None:
            event.connection.close()

        def on_link_remote_detach(self, event: Any) -> None:
            event.connection.close()

    subscriber = Subscriber(url, container_id="subscriber")
    Players(subscriber).run()
    assert subscriber.errors == []
    return subscriber


def test_a_durable_subscription(direction: Direction) -> None:
    publisher_api, api = direction
    with EmbeddedBroker(topics=["news"]) as broker:
        first = subscribe(api, broker.url, 0, "detach")
        assert first.answer.expiry_policy == api.Terminus.EXPIRE_NEVER
        put(publisher_api, broker.url, "a", "b", address="news")
        assert subscribe(api, broker.url, 2, "detach").bodies == ["a", "b"]
        put(publisher_api, broker.url, "c", address="news")
        assert broker.topic("news").depth == 1
        assert subscribe(api, broker.url, 1, "close").bodies == ["c"]
        put(publisher_api, broker.url, "d", address="news")
        assert broker.topic("news").depth == 0 and broker.topic("news").dropped == 1


def test_a_shared_subscription(direction: Direction) -> None:
    publisher_api, api = direction

    class Shared(api.ReceiverOption):  # type: ignore[misc,name-defined]
        def apply(self, receiver: Any) -> None:
            receiver.source.capabilities.put_array(False, api.Data.SYMBOL)
            receiver.source.capabilities.enter()
            for name in ("shared", "global"):
                receiver.source.capabilities.put_symbol(api.symbol(name))
            receiver.source.capabilities.exit()

    class Listed(api.ReceiverOption):  # type: ignore[misc,name-defined]
        def apply(self, receiver: Any) -> None:
            receiver.source.capabilities.put_object([api.symbol("shared"), api.symbol("global")])

    option = Shared() if api.library == THEIRS else Listed()
    with EmbeddedBroker(topics=["news"]) as broker:
        subscribe(api, broker.url, 0, "detach", "all|global", [option])
        put(publisher_api, broker.url, "a", "b", address="news")
        again = subscribe(api, broker.url, 2, "detach", "all|global2", [option])
        assert again.bodies == ["a", "b"] and broker.topic("news").depth == 0
        assert {"shared", "global", "topic"} <= again.capabilities


def test_policies_of_the_embedded_broker(direction: Direction) -> None:
    """A full queue rejects, a message that comes again is dropped, a rejected one has the annotations of RabbitMQ 4."""
    sender_api, receiver_api = direction

    def reject(role: Any, event: Any) -> None:
        event.delivery.update(event.delivery.REJECTED)
        event.delivery.settle()

    policy = Policy(max_length=2, overflow="reject", duplicate_window=10, dead_letter="dead")
    with EmbeddedBroker(queues={"interop": policy}) as broker:
        sender = sending(sender_api)(broker.url)
        sender.messages = [sender_api.Message(body, id=body) for body in ("a", "a", "b", "c")]
        Players(sender).run()
        assert [outcome["state"] for outcome in sender.outcomes] == [0x24, 0x24, 0x24, 0x25]
        take(receiver_api, broker.url, 2, judge=reject, auto_accept=False)
        receiver = receiving(receiver_api)(broker.url)
        receiver.address, receiver.expected, receiver.close_when_received = "dead", 2, True
        Players(receiver).run()
        assert [message.body for message in receiver.messages] == ["a", "b"]
        annotations = receiver.messages[0].annotations
        (death,) = annotations["x-opt-deaths"]
        assert (death["queue"], death["reason"], death["count"]) == ("interop", "rejected", 1)
        assert annotations["x-first-death-queue"] == annotations["x-last-death-queue"] == "interop"
        numbers = broker.queue("interop")
        assert (numbers.refused, numbers.duplicates, numbers.dead_lettered) == (1, 1, 2)
