"""What four documents promise of acknowledgement, as tests that any broker can be put to: the embedded one, in memory
and with a store (tests/test_documents.py), and RabbitMQ in its versions (tests/interop/test_documents.py).

Each document in its own terms: qpid.messaging and RabbitMQ's confirms by the blocking API, the AMQ Python book by its
callbacks, the AMQ JMS book by both. The sentences, and how they are said here, are the second table of
reactor/ACKNOWLEDGEMENT.md.
"""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest

from handlers import MessagingHandler
from reactor import ACCEPTED, REJECTED, RELEASED, AtMostOnce, Container, LocalProtocolError, Message, SessionException
from reactor.utils import BlockingConnection, Empty, Timeout

LIMIT = 60.0  #: seconds for what happens at once where nothing else runs


class Place:
    """A broker. durable: whether messages are to be on its disk. counts: whether it counts, and says, that a lost
    connection has not acknowledged a message. patience: seconds for the answer to a drain."""

    patience = LIMIT

    def __init__(self, url: str, new_queue: Callable[[], str], durable: bool = False, counts: bool = True) -> None:
        self.url = url
        self.new_queue = new_queue
        self.durable = durable
        self.counts = counts

    def connect(self, timeout: float = LIMIT) -> BlockingConnection:
        return BlockingConnection(self.url, timeout=timeout)

    def fill(self, address: str, *bodies: Any) -> None:
        with self.connect() as connection, connection.session() as session, session.sender(address) as sender:
            for body in bodies:
                sender.send(Message(body, durable=self.durable))

    def left(self, address: str) -> list[Any]:
        """What is in a queue, taken out of it."""
        for _ in range(6):
            with self.connect(self.patience) as connection, connection.session() as session:
                receiver = session.receiver(address)
                bodies = []
                try:
                    while True:
                        bodies.append(receiver.fetch(timeout=0).body)
                except Empty:
                    session.acknowledge()
                    return bodies
                except Timeout:
                    pass  # RabbitMQ 3.10 does not answer each drain; to be asked again
        raise AssertionError(f"{address}: no drain was answered")

    def left_at_last(self, address: str, wanted: list[Any]) -> None:
        """That this is in a queue, when its broker has heard of the ends of others; it is taken out."""
        with self.connect() as connection, connection.session() as session:
            receiver = session.receiver(address)
            assert sorted(receiver.fetch(timeout=LIMIT).body for _ in wanted) == sorted(wanted)
            session.acknowledge()
        assert self.left(address) == []


class Actor(MessagingHandler):
    """A program with callbacks on one connection, which it closes when `enough()`."""

    def __init__(self, place: Place, **options: Any) -> None:
        super().__init__(**options)
        self.place = place
        self.told: list[Any] = []
        self.enough: Callable[[], Any] = lambda: False

    def play(self, reconnect: Any = False) -> None:
        container = Container(self)
        self.connection = container.connect(self.place.url, reconnect=reconnect)
        self.begin(container)
        deadline = time.monotonic() + LIMIT
        while container.do_work(0.2):
            assert time.monotonic() < deadline, self.told
            if self.enough():
                self.connection.close()

    def begin(self, container: Container) -> None:
        """Make the links."""

    def on_accepted(self, event: Any) -> None:
        self.told.append((event.delivery, "accepted"))

    def on_rejected(self, event: Any) -> None:
        self.told.append((event.delivery, "rejected"))

    def on_in_doubt(self, event: Any) -> None:
        self.told.append((event.delivery, "in doubt"))

    def on_transport_error(self, event: Any) -> None:
        """It was lost on purpose."""


class Sends(Actor):
    """Sends these bodies from on_sendable. lose: whether the connection is lost when they have left."""

    def __init__(self, place: Place, address: str, *bodies: Any, lose: bool = False, **options: Any) -> None:
        super().__init__(place)
        self.address = address
        self.bodies = list(bodies)
        self.lose = lose
        self.options = options
        self.sent: list[Any] = []
        self.enough = lambda: len(self.told) == len(bodies)

    def begin(self, container: Container) -> None:
        container.create_sender(self.connection, self.address, **self.options)

    def on_sendable(self, event: Any) -> None:
        assert event.sender.credit > 0
        while event.sender.credit > 0 and self.bodies:
            body = self.bodies.pop(0)
            self.sent.append(event.sender.send(Message(body, id=str(body), durable=self.place.durable)))
            if self.lose and not self.bodies:
                self.lose = False
                event.container.schedule(0, self)

    def on_timer_task(self, event: Any) -> None:
        self.connection.transport.unbind()


class Takes(Actor):
    """Takes messages; act(event) is on_message. It goes when `number` have come."""

    def __init__(self, place: Place, address: str, act: Callable[[Any], Any], number: int, **options: Any) -> None:
        super().__init__(place)
        self.address = address
        self.act = act
        self.options = options
        self.seen: list[Message] = []
        self.enough = lambda: len(self.seen) >= number

    def begin(self, container: Container) -> None:
        self.receiver = container.create_receiver(self.connection, self.address, **self.options)

    def on_message(self, event: Any) -> None:
        self.seen.append(event.message)
        self.act(event)


def lose(event: Any) -> None:
    """Lose the connection without a word."""
    if event.connection.transport is not None:
        event.connection.transport.unbind()


def nothing(event: Any) -> None:
    """Say nothing about it."""


class Sentences:
    """The tests. The fixture `place` is that of the module which has them."""

    @pytest.fixture
    def address(self, place: Place) -> str:
        return place.new_queue()

    # -- qpid.messaging: "Asynchronously Acknowledging Received Messages" ------------------------------------

    def test_MRG_a_receiver_is_reliable_by_default(self, place: Place, address: str) -> None:
        place.fill(address, "a")
        with place.connect() as connection, connection.session() as session:
            message = session.receiver(address).fetch(timeout=LIMIT)
            assert message.body == "a" and len(session.unsettled) == 1
        place.left_at_last(address, ["a"])

    def test_MRG_an_acquired_message_is_not_visible_to_others(self, place: Place, address: str) -> None:
        place.fill(address, "a", "b")
        with place.connect() as connection, connection.session() as session:
            session.receiver(address).fetch(timeout=LIMIT)
            assert place.left(address) == ["b"]
            session.acknowledge()
        assert place.left(address) == []

    def test_MRG_an_unacknowledged_message_is_available_again_after_a_disconnect(
        self, place: Place, address: str
    ) -> None:
        place.fill(address, "a")
        taker = Takes(place, address, lose, 1, auto_accept=False, prefetch=1)
        taker.enough = lambda: False
        taker.play()
        assert [message.body for message in taker.seen] == ["a"] and taker.seen[0].first_acquirer
        with place.connect() as connection, connection.session() as session:
            again = session.receiver(address).fetch(timeout=LIMIT)
            assert again.body == "a"
            assert again.redelivered is place.counts and again.delivery_count == int(place.counts)
            session.acknowledge()

    def test_MRG_acknowledge_without_arguments_is_for_all_of_the_session(self, place: Place, address: str) -> None:
        place.fill(address, "a", "b")
        with place.connect() as connection, connection.session() as session:
            for _ in range(2):  # over two receivers
                session.receiver(address).fetch(timeout=LIMIT)
            assert len(session.unsettled) == 2
            session.acknowledge()
            assert len(session.unsettled) == 0
        place.left_at_last(address, [])

    def test_MRG_acknowledge_with_a_message_is_for_that_message(self, place: Place, address: str) -> None:
        place.fill(address, "a", "b")
        with place.connect() as connection, connection.session() as session:
            receiver = session.receiver(address)
            _, second = receiver.fetch(timeout=LIMIT), receiver.fetch(timeout=LIMIT)
            session.acknowledge(second)
            with pytest.raises(SessionException):
                session.acknowledge(second)
        place.left_at_last(address, ["a"])

    @pytest.mark.parametrize("sync", [True, False])
    def test_MRG_acknowledge_waits_or_returns_at_once(self, place: Place, address: str, sync: bool) -> None:
        place.fill(address, "a")
        with place.connect() as connection, connection.session() as session:
            session.acknowledge(session.receiver(address).fetch(timeout=LIMIT), sync=sync)
        place.left_at_last(address, [])

    def test_MRG_an_unreliable_link_acknowledges_by_itself(self, place: Place, address: str) -> None:
        place.fill(address, "a")
        with place.connect() as connection, connection.session() as session:
            message = session.receiver(address, acknowledge_mode="NONE").fetch(timeout=LIMIT)
            assert message.body == "a" and len(session.unsettled) == 0
            for outcome in (RELEASED, REJECTED):
                with pytest.raises(SessionException):
                    session.acknowledge(message, outcome)
        assert place.left(address) == []

    # -- AMQ Python: "Message delivery" ------------------------------------------------------------------------

    def test_AMQ_Python_sendable_means_credit_for_a_message(self, place: Place, address: str) -> None:
        Sends(place, address, "a").play()
        assert place.left(address) == ["a"]

    def test_AMQ_Python_the_outcome_is_that_of_the_delivery_that_send_returned(
        self, place: Place, address: str
    ) -> None:
        sender = Sends(place, address, "a", "b", "c")
        sender.play()
        assert dict(sender.told) == dict.fromkeys(sender.sent, "accepted")
        assert place.left(address) == ["a", "b", "c"]

    @pytest.mark.parametrize("outcome", [ACCEPTED, REJECTED], ids=["accepted", "rejected"])
    def test_AMQ_Python_update_in_on_message_is_the_outcome(self, place: Place, address: str, outcome: Any) -> None:
        place.fill(address, "a")
        Takes(place, address, lambda event: event.delivery.update(outcome), 1).play()
        assert place.left(address) == []

    def test_AMQ_Python_a_message_without_an_outcome_is_accepted_after_on_message(
        self, place: Place, address: str
    ) -> None:
        place.fill(address, "a")
        Takes(place, address, nothing, 1).play()
        assert place.left(address) == []

    def test_AMQ_Python_auto_accept_can_be_disabled(self, place: Place, address: str) -> None:
        place.fill(address, "a")
        Takes(place, address, nothing, 1, auto_accept=False).play()
        place.left_at_last(address, ["a"])

    # -- AMQ JMS: "Message delivery" ---------------------------------------------------------------------------

    def test_AMQ_JMS_a_message_in_flight_is_sent_again_after_a_reconnect(self, place: Place, address: str) -> None:
        sender = Sends(place, address, "a", lose=True, resend=True)
        sender.play(reconnect=True)
        assert [told for _, told in sender.told] == ["accepted"] and len(sender.sent) == 1
        assert set(place.left(address)) == {"a"}, "once or twice"

    def test_AMQ_JMS_a_late_acknowledgement_is_no_error_and_the_message_comes_again(
        self, place: Place, address: str
    ) -> None:
        place.fill(address, "a")
        held: list[Any] = []

        def act(event: Any) -> None:
            held.append(event.delivery)
            if len(held) == 1:
                lose(event)
            else:
                held[0].accept()  # of the lost connection: nothing happens
                event.delivery.accept()

        taker = Takes(place, address, act, 2, auto_accept=False)
        taker.play(reconnect=True)
        assert [message.body for message in taker.seen] == ["a", "a"]
        place.left_at_last(address, [])

    def test_AMQ_JMS_duplicates_are_known_by_the_message_id(self, place: Place, address: str) -> None:
        sender = Sends(place, address, "a", lose=True, resend=True)
        sender.play(reconnect=True)
        taker = Takes(place, address, nothing, 1)
        taker.play()
        assert {message.id for message in taker.seen} == {"a"}

    def test_AMQ_JMS_individual_acknowledge_is_for_the_target_message_only(self, place: Place, address: str) -> None:
        place.fill(address, "a", "b")
        with place.connect() as connection, connection.session(101) as session:
            receiver = session.receiver(address)
            first, _ = receiver.fetch(timeout=LIMIT), receiver.fetch(timeout=LIMIT)
            first.acknowledge()
        place.left_at_last(address, ["b"])

    @pytest.mark.parametrize("number", [100, 257])
    def test_AMQ_JMS_no_acknowledge_is_accepted_at_the_server(self, place: Place, address: str, number: int) -> None:
        place.fill(address, "a")
        with place.connect() as connection, connection.session(number) as session:
            assert session.receiver(address).fetch(timeout=LIMIT).body == "a"
        assert place.left(address) == []

    # -- RabbitMQ: "Consumer Acknowledgement Modes and Data Safety Considerations" ---------------------------------

    def test_RabbitMQ_the_mode_is_decided_when_the_consumer_subscribes(self, place: Place, address: str) -> None:
        place.fill(address, "a", "b")
        with place.connect() as connection, connection.session() as session:
            session.receiver(address, acknowledge_mode="NONE").fetch(timeout=LIMIT)
            session.receiver(address, acknowledge_mode="CLIENT").fetch(timeout=LIMIT)
            assert len(session.unsettled) == 1
        place.left_at_last(address, ["b"])

    @pytest.mark.parametrize("outcome", [ACCEPTED, REJECTED], ids=["ack", "reject"])
    def test_RabbitMQ_an_acknowledged_message_is_discarded(self, place: Place, address: str, outcome: Any) -> None:
        place.fill(address, "a")
        with place.connect() as connection, connection.session() as session:
            session.acknowledge(session.receiver(address).fetch(timeout=LIMIT), outcome)
        place.left_at_last(address, [])

    def test_RabbitMQ_an_automatic_acknowledgement_loses_what_a_lost_consumer_had(
        self, place: Place, address: str
    ) -> None:
        place.fill(address, "a", "b")
        taker = Takes(place, address, lose, 9, options=AtMostOnce())
        taker.play()
        left = place.left(address)
        assert "a" not in left, "it was sent, and is gone"

    def test_RabbitMQ_a_bounded_prefetch_bounds_what_is_outstanding(self, place: Place, address: str) -> None:
        place.fill(address, *range(10))
        held: list[Any] = []

        def act(event: Any) -> None:
            held.append(event.delivery)
            assert sum(not delivery.settled and delivery.local_state == 0 for delivery in held) <= 3
            if len(held) % 3 == 0:
                for delivery in held[-3:]:
                    delivery.accept()

        taker = Takes(place, address, act, 9, auto_accept=False, max_unsettled=3)
        taker.play()
        assert [message.body for message in taker.seen] == list(range(9))
        place.left_at_last(address, [9])

    def test_RabbitMQ_a_delivery_is_acknowledged_once(self, place: Place, address: str) -> None:
        place.fill(address, "a")
        raised: list[Exception] = []

        def act(event: Any) -> None:
            event.delivery.accept()
            with pytest.raises(LocalProtocolError) as caught:
                event.delivery.reject()
            raised.append(caught.value)

        Takes(place, address, act, 1).play()
        assert "is settled" in str(raised[0])
        assert place.left(address) == []
