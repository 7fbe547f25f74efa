"""What links have of their session, their connection and their container: `resend`, `prefetch`, `max_unsettled`."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import TransactionHandler
from reactor import ACCEPTED, Container, Message
from tests.support.brokers import BrokerWorld
from tests.support.stage import Stage, Witness

# -- resend ------------------------------------------------------------------------------------------------------


class Forgetful(Witness):
    """A server that accepts nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__(10, False)
        self.bodies: list[Any] = []
        self.accepts = False

    def on_message(self, event: Any) -> None:
        self.bodies.append(event.message.body)
        if self.accepts:
            event.delivery.accept()


def scene(container: Any = None, connect: Any = None, sender: Any = None, **more: Any) -> Any:
    """(stage, server, client, sender): `resend` as it is given to each of the three; None: it is not."""
    server = Forgetful()
    del server.__dict__["on_message"]  # Witness would only write it down
    stage = Stage(server)
    client = Witness()
    options = {} if container is None else {"resend": container}
    there = stage.container(client, **options)
    connection = there.connect(stage.url, **({} if connect is None else {"resend": connect}))
    link = there.create_sender(connection, "q", **({} if sender is None else {"resend": sender}), **more)
    stage.run()
    return stage, server, client, link


@pytest.mark.parametrize(
    ("given", "resend"),
    [
        ((None, None, None), False),
        ((True, None, None), True),
        ((None, True, None), True),
        ((None, None, True), True),
        ((True, False, None), False),
        ((True, None, False), False),
        ((False, True, None), True),
        ((True, False, True), True),
    ],
)
def test_J2_the_nearest_word_decides_whether_a_sender_sends_again(given: Any, resend: bool) -> None:
    *_, sender = scene(*given)
    assert sender.resend is resend


@pytest.mark.parametrize("given", [(True,), (None, True)])
def test_J2_a_send_without_an_outcome_is_repeated_when_the_connection_is_back(given: Any) -> None:
    stage, server, client, sender = scene(*given)
    sent = [sender.send(Message(number)) for number in range(2)]
    stage.run(lambda: server.bodies == [0, 1])
    stage.cut()
    server.accepts = True
    stage.run(lambda: client.count("on_accepted") == 2)
    assert server.bodies == [0, 1, 0, 1]
    assert [event.delivery for event in client.events["on_accepted"]] == sent
    assert client.count("on_in_doubt") == 0


def test_J2_its_send_timeout_ends_it() -> None:
    stage, server, client, sender = scene(None, True, send_timeout=60)
    sender.send(Message(0))
    stage.run(lambda: server.bodies)
    stage.leave()
    start = stage.clock.now()
    stage.run(lambda: client.told and client.told[-1] == "on_in_doubt")
    assert 59 < stage.clock.now() - start <= 60
    server.accepts = True
    stage.come_back()
    stage.run(lambda: client.count("on_connection_reconnected"))
    stage.run()
    assert server.bodies == [0], "it is given up, and not sent again"
    assert client.count("on_in_doubt") == 1
    assert client.events["on_in_doubt"][0].delivery.doubt.name == "amqp-reactor:timed-out"


def test_a_request_for_a_transaction_is_not_sent_again() -> None:
    world = BrokerWorld()
    client = world.client()
    client.connection.resend = True
    client.container.declare_transaction(client.connection, TransactionHandler())
    world.quiet()
    (control,) = [link for link in client.connection.links(0) if link.is_sender]
    assert not control.resend


@pytest.mark.parametrize("call", ["Container", "connect"])
def test_resend_is_true_or_false(call: str) -> None:
    with pytest.raises(TypeError, match="resend is True, False or None, not 'yes'"):
        if call == "Container":
            Container(resend="yes")  # type: ignore[arg-type]
        else:
            Stage().container().connect(Stage.url, resend="yes")  # type: ignore[arg-type]


# -- prefetch and max_unsettled of a session -----------------------------------------------------------------------


class Source(Witness):
    """A server that sends over all its links as long as it has credit."""

    def __init__(self) -> None:
        super().__init__(0, on_sendable=self._feed)
        self.sent: dict[str, list[Any]] = {}

    def _feed(self, event: Any) -> None:
        sent = self.sent.setdefault(event.sender.remote_source.address, [])
        while event.sender.credit > 0:
            sent.append(event.sender.send(Message(len(sent))))

    def counts(self) -> list[int]:
        return [len(self.sent[name]) for name in sorted(self.sent)]


class Bounded:
    """A client with a session of these bounds, and receivers that accept nothing by themselves."""

    def __init__(self, receivers: int = 2, **session: Any) -> None:
        self.server = Source()
        self.stage = Stage(self.server)
        self.client = Witness(100, False)
        self.container, self.connection = self.stage.connect(self.client)
        self.session = self.container.create_session(self.connection, **session)
        self.receivers: list[Any] = []
        for _ in range(receivers):
            self.attach()

    def attach(self, **options: Any) -> Any:
        receiver = self.container.create_receiver(self.session, "q%d" % len(self.receivers), **options)
        self.receivers.append(receiver)
        self.stage.run()
        return receiver

    def settle(self, count: int, receiver: int = 0) -> None:
        link = self.receivers[receiver]
        for delivery in list(link.unsettled_deliveries)[:count]:
            delivery.accept()
        self.stage.run()

    def held(self) -> list[int]:
        """How many messages each receiver has and has not settled."""
        return [receiver.unsettled for receiver in self.receivers]


def test_R7_the_prefetch_of_a_session_is_that_of_its_receivers() -> None:
    there = Bounded(0, prefetch=7)
    there.server.on_sendable = lambda event: None  # without a bound it would go on and on
    there.attach(), there.attach()
    assert [receiver.prefetch for receiver in there.receivers] == [7, 7]
    assert there.attach(prefetch=3).prefetch == 3, "its own goes first"
    other = there.container.create_receiver(there.connection, "other")
    there.stage.run()
    assert other.prefetch == 100, "else that of the handler"


def test_R7_a_session_bounds_the_unsettled_messages_of_all_its_receivers() -> None:
    there = Bounded(max_unsettled=10)
    assert there.held() == [10, 0], "the second came when the first had them all"
    there.settle(10)
    assert there.held() == [5, 5]
    assert there.server.counts() == [15, 5]
    there.settle(2, 1)
    assert there.server.counts() == [15, 7]
    there.settle(1, 0)
    assert there.server.counts() == [16, 7]
    assert sum(there.held()) == 10


@pytest.mark.parametrize("most", [7, 10, 12])
def test_R7_each_receiver_has_an_equal_part(most: int) -> None:
    there = Bounded(0, max_unsettled=most)
    for number in range(3):
        there.receivers.append(there.container.create_receiver(there.session, "q%d" % number))
    there.stage.run()
    assert sum(there.held()) == most
    assert max(there.held()) - min(there.held()) <= 1


def test_R7_both_bounds_apply() -> None:
    there = Bounded(0, max_unsettled=10)
    there.container.create_receiver(there.session, "q0", max_unsettled=2)
    there.container.create_receiver(there.session, "q1", prefetch=3)
    there.stage.run()
    assert there.server.counts() == [2, 5]
    for link, own in zip(there.session.links(), (2, None)):
        assert link.max_unsettled == own, "what was asked for does not change"


def test_R7_a_receiver_that_waits_for_messages_gives_back_what_is_not_its_part() -> None:
    there = Bounded(0, max_unsettled=10)
    there.server.on_sendable = lambda event: None
    first = there.attach()
    assert first.credit == 10
    second = there.attach()
    assert (first.credit, second.credit) == (5, 5)
    senders = [link for link in there.stage.host.connections()[0].links(0) if link.is_sender]
    assert [link.credit for link in senders] == [5, 5]


def test_R7_the_part_of_a_receiver_that_is_closed_falls_to_the_others() -> None:
    there = Bounded(0, max_unsettled=10)
    there.server.on_sendable = lambda event: None
    first, second = there.attach(), there.attach()
    second.close()
    there.stage.run()
    assert first.credit == 10
    there.session.max_unsettled = 4
    there.stage.run()
    assert first.credit == 4
    there.session.max_unsettled = None
    there.stage.run()
    assert first.credit == 100


def test_R7_each_receiver_has_one_at_least() -> None:
    there = Bounded(3, max_unsettled=2)
    assert there.attach()
    there.settle(2)
    assert there.held() == [1, 1, 1, 1]


def test_R7_messages_under_way_when_a_part_becomes_smaller_still_come() -> None:
    there = Bounded(1, max_unsettled=6)
    first = there.receivers[0]
    there.settle(6)
    second = there.container.create_receiver(there.session, "q1")
    there.stage.run()
    there.settle(6)
    assert (first.unsettled, second.unsettled) == (3, 3)
    assert there.client.count("on_link_error") == 0


@pytest.mark.parametrize("name", ["prefetch", "max_unsettled"])
@pytest.mark.parametrize("wrong", [-1, "10", 1.5, True])
def test_a_bound_is_a_number_of_messages(name: str, wrong: Any) -> None:
    there = Bounded(0)
    before = len(list(there.connection.sessions(0)))
    with pytest.raises(ValueError, match=f"{name} must be a number of messages"):
        there.container.create_session(there.connection, **{name: wrong})
    assert len(list(there.connection.sessions(0))) == before


def test_an_outcome_is_known_for_messages_of_all_receivers_of_a_bounded_session() -> None:
    there = Bounded(2, max_unsettled=4)
    there.session.acknowledge()
    there.stage.run()
    sent = [delivery for name in there.server.sent for delivery in there.server.sent[name]]
    assert sum(delivery.remote_state == ACCEPTED for delivery in sent) == 4
