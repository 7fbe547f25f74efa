"""Acknowledge modes of sessions and receivers, as their handlers and their peers see them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from reactor import (
    REJECTED,
    RELEASED,
    Acknowledge,
    AcknowledgeMode,
    AutoAccept,
    Endpoint,
    LocalProtocolError,
    Message,
    ModifiedDisposition,
    TransactionException,
)
from tests.support.brokers import BrokerWorld, Client
from tests.support.stage import Stage, Witness

WAYS = ["receiver", "option", "session"]


class Scene:
    """A client with receivers of one session, and a server that sends over them what the test says.

    way: where the mode is given. act: called with each event of a message.
    """

    def __init__(self, mode: Any, act: Any = None, way: str = "session", prefetch: int = 10, **options: Any) -> None:
        self.server = Witness(0)
        self.stage = Stage(self.server)
        self.messages: list[Message] = []
        self.client = Witness(prefetch, on_message=self._take)
        self.act = act
        self.container, self.connection = self.stage.connect(self.client)
        self.session = self.container.create_session(self.connection, mode if way == "session" else None)
        keywords: dict[str, Any] = {"acknowledge_mode": mode} if way == "receiver" else {}
        if way == "option":
            keywords = {"options": Acknowledge(mode)}
        self.receivers = [
            self.container.create_receiver(self.session, name, **keywords, **options) for name in ("one", "two")
        ]
        self.stage.run()
        self.senders = [
            link for link in self.stage.host.connections()[0].links(Endpoint.LOCAL_ACTIVE) if link.is_sender
        ]
        self.sent: list[Any] = []

    def _take(self, event: Any) -> None:
        self.messages.append(event.message)
        if self.act is not None:
            self.act(event)

    def send(self, count: int = 1, over: int = 0) -> None:
        self.sent += [self.senders[over].send(Message(number)) for number in range(count)]
        self.stage.run()

    def wait(self, seconds: float) -> None:
        self.stage.stepper.run_for(seconds)

    def states(self) -> list[str]:
        """What the server has heard of each message."""
        self.stage.run()
        assert all(delivery.settled for delivery in self.sent if delivery.remote_state)
        return [delivery.remote_state.name for delivery in self.sent]


# -- where a mode is given -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["individual", AcknowledgeMode.INDIVIDUAL, 101])
@pytest.mark.parametrize("way", WAYS)
def test_J6_a_mode_is_given_to_a_receiver_or_its_session(way: str, mode: Any) -> None:
    scene = Scene(mode, way=way)
    assert {receiver.acknowledge_mode for receiver in scene.receivers} == {AcknowledgeMode.INDIVIDUAL}
    assert scene.session.acknowledge_mode == (AcknowledgeMode.INDIVIDUAL if way == "session" else None)


def test_the_mode_of_a_receiver_goes_before_that_of_its_session() -> None:
    scene = Scene("client")
    other = scene.container.create_receiver(scene.session, "three", acknowledge_mode="auto")
    assert other.acknowledge_mode is AcknowledgeMode.AUTO
    assert other.auto_accept is True


@pytest.mark.parametrize("call", ["create_session", "create_receiver"])
@pytest.mark.parametrize(("wrong", "error"), [("clinet", ValueError), (7, ValueError), (True, TypeError)])
def test_J6_an_unknown_mode_is_refused_at_the_call_and_nothing_is_made(call: str, wrong: Any, error: Any) -> None:
    scene = Scene(None)
    before = len(list(scene.connection.links(0))), len(list(scene.connection.sessions(0)))
    with pytest.raises(error, match=r"acknowledge_mode is one of AUTO \(1\).*not %r" % (wrong,)):
        getattr(scene.container, call)(scene.connection, acknowledge_mode=wrong)
    with pytest.raises(error, match=r"mode is one of"):
        Acknowledge(wrong)
    assert (len(list(scene.connection.links(0))), len(list(scene.connection.sessions(0)))) == before


@pytest.mark.parametrize(
    ("mode", "auto_accept"), [("auto", False), ("dups_ok", False), ("client", True), ("transacted", True)]
)
@pytest.mark.parametrize("way", ["receiver", "session"])
def test_auto_accept_that_contradicts_the_mode_is_refused(way: str, mode: str, auto_accept: bool) -> None:
    scene = Scene(None)
    session = scene.container.create_session(scene.connection, mode if way == "session" else None)
    keywords = {"acknowledge_mode": mode} if way == "receiver" else {}
    for more in ({"auto_accept": auto_accept}, {"options": [AutoAccept(auto_accept)]}):
        if way == "receiver" and "options" in more:
            continue  # its keyword comes after its options, and is the last word
        with pytest.raises(ValueError, match=f"auto_accept={auto_accept} contradicts acknowledge_mode {mode.upper()}"):
            scene.container.create_receiver(session, "three", **keywords, **more)
    assert not list(session.links())
    assert scene.container.create_receiver(session, "three", **keywords, auto_accept=not auto_accept)


def test_a_mode_is_for_good_once_the_link_is_opened() -> None:
    scene = Scene("client")
    with pytest.raises(LocalProtocolError, match="was opened with acknowledge_mode CLIENT"):
        scene.receivers[0].acknowledge_mode = "auto"
    scene.receivers[0].acknowledge_mode = "client"


# -- what becomes of messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("auto_accept", [True, False])
def test_J6_AUTO_accepts_when_on_message_returns_whatever_the_handler_says(auto_accept: bool) -> None:
    scene = Scene("auto")
    scene.client.handlers[2].auto_accept = auto_accept
    scene.send(2)
    assert scene.states() == ["ACCEPTED", "ACCEPTED"]


@pytest.mark.parametrize("mode", ["auto", "dups_ok"])
def test_J6_acknowledge_does_nothing_where_that_is_done_by_itself(mode: str) -> None:
    def act(event: Any) -> None:
        event.message.acknowledge()
        assert event.delivery.local_state == 0
        raise RuntimeError("it failed")

    scene = Scene(mode, act)
    with pytest.raises(RuntimeError):
        scene.send(1)
    assert scene.states() == ["MODIFIED"]


@pytest.mark.parametrize("mode", ["auto", "dups_ok", "client", "individual", None])
def test_an_outcome_that_is_named_is_of_that_message_in_each_mode(mode: Any) -> None:
    scene = Scene(mode, lambda event: event.message.body == 1 and event.message.acknowledge(REJECTED))
    scene.send(2)
    assert scene.states()[1] == "REJECTED"
    assert scene.states()[0] != "REJECTED"


def test_J6_CLIENT_acknowledges_all_that_the_session_has_taken() -> None:
    scene = Scene("client")
    scene.send(3)
    scene.send(2, over=1)
    assert scene.states() == ["EMPTY"] * 5
    scene.messages[0].acknowledge()
    assert scene.states() == ["ACCEPTED"] * 5
    scene.send(1)
    assert scene.states() == ["ACCEPTED"] * 5 + ["EMPTY"]
    scene.session.acknowledge()
    assert scene.states() == ["ACCEPTED"] * 6


@pytest.mark.parametrize("multiple", [True, False])
def test_Q1_a_session_takes_a_message_for_its_delivery(multiple: bool) -> None:
    scene = Scene("individual")
    scene.send(3)
    assert scene.session.acknowledge(scene.messages[1], multiple=multiple) == 1 + multiple
    assert scene.states() == ["ACCEPTED" if multiple else "EMPTY", "ACCEPTED", "EMPTY"]
    with pytest.raises(LocalProtocolError, match="is settled already"):
        scene.session.acknowledge(scene.messages[1], REJECTED, multiple)
    with pytest.raises(LocalProtocolError, match=r"acknowledge\(\): Message\('x'\) has come over no link"):
        scene.session.acknowledge(Message("x"), REJECTED, multiple)
    with pytest.raises(TypeError, match="a message that came is named, not 'x'"):
        scene.session.acknowledge("x", REJECTED, multiple)  # type: ignore[arg-type]
    assert scene.states()[2] == "EMPTY"


def test_J6_INDIVIDUAL_acknowledges_that_message_alone() -> None:
    scene = Scene("individual")
    scene.send(3)
    scene.messages[1].acknowledge()
    assert scene.states() == ["EMPTY", "ACCEPTED", "EMPTY"]
    with pytest.raises(LocalProtocolError, match="is settled already"):
        scene.messages[1].acknowledge()


def test_J6_without_a_mode_acknowledge_is_for_that_message() -> None:
    scene = Scene(None)
    scene.client.handlers[2].auto_accept = False
    scene.send(2)
    scene.messages[0].acknowledge()
    assert scene.states() == ["ACCEPTED", "EMPTY"]


@pytest.mark.parametrize("number", [100, 257, "none"])
def test_J6_NONE_asks_for_messages_that_their_sender_has_settled(number: Any) -> None:
    scene = Scene(number)
    assert {sender.remote_snd_settle_mode for sender in scene.senders} == {scene.senders[0].SND_SETTLED}
    scene.send(2)
    assert scene.states() == ["EMPTY", "EMPTY"]
    assert [receiver.unsettled for receiver in scene.receivers] == [0, 0]
    assert len(scene.messages) == 2
    for outcome in (None, REJECTED):
        with pytest.raises(LocalProtocolError, match="with acknowledge_mode NONE its sender has settled it"):
            scene.messages[0].acknowledge(outcome)
    with pytest.raises(LocalProtocolError, match="came settled: with acknowledge_mode NONE its sender hears of no"):
        scene.session.acknowledge(scene.messages[0])
    assert scene.session.acknowledge() == 0


def test_NONE_accepts_what_comes_unsettled_all_the_same() -> None:
    scene = Scene("none")
    for sender in scene.senders:
        sender.snd_settle_mode = sender.SND_UNSETTLED
    scene.send(1)
    assert scene.states() == ["ACCEPTED"]


# -- CLIENT: what was not acknowledged ---------------------------------------------------------------------------


def close_receiver(scene: Scene) -> None:
    scene.receivers[0].close()


def detach_receiver(scene: Scene) -> None:
    scene.receivers[0].detach()


def close_session(scene: Scene) -> None:
    scene.session.close()


def close_connection(scene: Scene) -> None:
    scene.connection.close()


def close_container(scene: Scene) -> None:
    scene.stage.stepper.containers.remove(scene.container)
    scene.container.close()


ENDS = [close_receiver, detach_receiver, close_session, close_connection, close_container]


@pytest.mark.parametrize("close", ENDS)
def test_J8_what_was_not_acknowledged_goes_back_as_failed(close: Any) -> None:
    scene = Scene("client")
    scene.send(2)
    scene.messages[0].acknowledge()
    scene.send(2)
    close(scene)
    assert scene.states() == ["ACCEPTED"] * 2 + ["MODIFIED"] * 2
    assert all(sent.remote.failed for sent in scene.sent[2:])


def test_J8_an_outcome_that_was_given_before_the_close_stands() -> None:
    scene = Scene("client", lambda event: event.delivery.update(RELEASED))
    scene.sent = [scene.senders[0].send(Message(0))]
    scene.stage.run(lambda: scene.messages)
    scene.session.close()
    scene.stage.run()
    assert scene.sent[0].remote_state is RELEASED


def test_J8_other_modes_give_nothing_back() -> None:
    scene = Scene("individual")
    scene.send(1)
    scene.session.close()
    assert scene.states() == ["EMPTY"]


def test_acknowledging_after_the_close_is_an_error_and_nothing_is_sent() -> None:
    scene = Scene("client")
    scene.send(1)
    scene.session.close()
    with pytest.raises(LocalProtocolError, match="is settled already"):
        scene.messages[0].acknowledge(REJECTED)
    scene.messages[0].acknowledge()  # there is nothing left in the session
    assert scene.states() == ["MODIFIED"]


# -- DUPS_OK -----------------------------------------------------------------------------------------------------


def test_J6_DUPS_OK_accepts_when_there_are_enough() -> None:
    scene = Scene("dups_ok", prefetch=8)
    scene.send(3)
    assert scene.states() == ["EMPTY"] * 3
    scene.send(1)
    assert scene.states() == ["ACCEPTED"] * 4, "half of its credit"


def test_J6_DUPS_OK_accepts_when_none_has_come_for_a_while() -> None:
    scene = Scene("dups_ok")
    scene.send(2)
    scene.wait(0.09)
    assert scene.states() == ["EMPTY"] * 2
    scene.wait(0.02)
    assert scene.states() == ["ACCEPTED"] * 2


def test_J6_DUPS_OK_accepts_after_a_second_though_more_come() -> None:
    scene = Scene("dups_ok", prefetch=1000)
    for _ in range(12):
        scene.send(1)
        scene.wait(0.08)
    assert scene.states() == ["EMPTY"] * 12
    scene.send(1)
    scene.wait(0.06)
    assert scene.states() == ["ACCEPTED"] * 13


@pytest.mark.parametrize("close", ENDS)
def test_DUPS_OK_accepts_what_was_processed_before_it_closes(close: Any) -> None:
    scene = Scene("dups_ok")
    scene.send(2)
    close(scene)
    assert scene.states() == ["ACCEPTED"] * 2


def test_DUPS_OK_accepts_the_message_in_which_the_connection_is_closed() -> None:
    scene = Scene("dups_ok", lambda event: event.message.body == 1 and event.connection.close())
    scene.send(2)
    assert scene.states() == ["ACCEPTED"] * 2


def test_DUPS_OK_puts_nothing_off_while_it_drains() -> None:
    scene = Scene("dups_ok")
    scene.send(1)
    scene.receivers[0].drain(1)
    assert scene.states() == ["ACCEPTED"]
    scene.send(1)
    assert scene.states() == ["ACCEPTED"] * 2


def test_DUPS_OK_puts_nothing_off_when_the_container_stops() -> None:
    scene = Scene("dups_ok")
    scene.send(2)
    scene.container.stop(drain=5)
    assert scene.states() == ["ACCEPTED"] * 2
    scene.stage.finish()
    assert scene.stage.clock.now() < 1002, "it did not wait for the end of its time"


def test_DUPS_OK_holds_fewer_than_would_stop_the_sender() -> None:
    scene = Scene("dups_ok", max_unsettled=2)
    scene.send(6)
    assert scene.states() == ["ACCEPTED"] * 6


def test_DUPS_OK_leaves_an_outcome_of_the_application_alone() -> None:
    def act(event: Any) -> None:
        if event.message.body == 0:
            event.delivery.update(RELEASED)
        elif event.message.body == 1:
            event.delivery.reject()

    scene = Scene("dups_ok", act)
    scene.send(3)
    assert scene.states() == ["RELEASED", "REJECTED", "EMPTY"]


def test_DUPS_OK_is_not_a_word_about_what_was_lost() -> None:
    scene = Scene("dups_ok")
    scene.send(2)
    scene.stage.cut()
    scene.wait(2)
    assert scene.states() == ["EMPTY"] * 2


# -- TRANSACTED --------------------------------------------------------------------------------------------------


class Party(Client):
    """A client of transactions. after: what it does in each callback of a transaction, by name."""

    def __init__(self, world: BrokerWorld, name: str = "party", **options: Any) -> None:
        super().__init__(world, name, **options)
        self.failures: list[str] = []

    def receive(self, *addresses: str, **options: Any) -> Any:
        """A session in mode TRANSACTED with receivers from these addresses."""
        session = self.container.create_session(self.connection, "transacted")
        for address in addresses:
            self.container.create_receiver(session, address, **options).flow(10)
        return session

    def begin(self, context: Any) -> Any:
        transaction = self.container.declare_transaction(context, self)
        self.world.quiet()
        return transaction

    def end(self, transaction: Any, how: str = "commit") -> None:
        getattr(transaction, how)()
        self.world.quiet()

    on_transaction_declared = on_transaction_committed = on_transaction_aborted = lambda self, event: None


@pytest.mark.parametrize("scope", ["session", "connection"])
@pytest.mark.parametrize("how", ["commit", "abort"])
def test_J6_TRANSACTED_accepts_in_the_transaction_of_the_session(how: str, scope: str) -> None:
    world = BrokerWorld()
    party = Party(world)
    party.send("a", 1, 2)
    party.send("b", 3)
    session = party.receive("a", "b")
    transaction = party.begin(session if scope == "session" else party.connection)
    assert sorted(party.bodies()) == [1, 2, 3]
    for received in party.take():
        received.message.acknowledge()  # ignored, as JMS has it
    assert session.acknowledge() == 0, "they are of the transaction"
    world.quiet()
    assert world.node("a").depth + world.node("b").depth == 3
    party.end(transaction, how)
    assert world.node("a").depth + world.node("b").depth == (0 if how == "commit" else 3)


def test_TRANSACTED_puts_what_comes_between_two_transactions_into_the_next() -> None:
    world = BrokerWorld()
    party = Party(world)
    session = party.receive("a")
    party.end(party.begin(session))
    party.send("a", 1)
    assert party.bodies() == [1]
    transaction = party.begin(session)
    assert party.take()[0].delivery.local.id == transaction.id
    party.end(transaction)
    assert world.node("a").depth == 0


def test_TRANSACTED_gives_back_what_no_transaction_has_taken() -> None:
    world = BrokerWorld()
    party = Party(world)
    session = party.receive("a")
    party.end(party.begin(session))
    party.send("a", 1)
    session.close()
    world.quiet()
    assert world.node("a").depth == 1
    other = world.client()
    other.receiver("a", 1)
    assert other.bodies() == [1]


def test_TRANSACTED_without_a_transaction_says_what_to_do() -> None:
    world = BrokerWorld()
    party = Party(world)
    party.receive("a")
    sender = party.container.create_sender(party.connection, "a")
    sender.send(Message(1))
    with pytest.raises(TransactionException, match=r"no transaction was declared .*: call declare_transaction"):
        world.quiet()


def test_TRANSACTED_with_two_transactions_says_what_to_do() -> None:
    world = BrokerWorld()
    party = Party(world)
    session = party.receive("a")
    party.begin(session)
    party.begin(session)
    sender = party.container.create_sender(party.connection, "a")
    sender.send(Message(1))
    with pytest.raises(TransactionException, match="has 2 active transactions"):
        world.quiet()


def test_TRANSACTED_takes_an_outcome_from_the_transaction_alone() -> None:
    world = BrokerWorld()
    party = Party(world)
    transaction = party.begin(session := party.receive("a"))
    assert session
    party.send("a", 1)
    received = party.take()[0]
    with pytest.raises(LocalProtocolError, match=r"transaction.reject\(delivery\)"):
        received.message.acknowledge(REJECTED)
    party.end(transaction)
    assert world.node("a").depth == 0


# -- messages ----------------------------------------------------------------------------------------------------


def test_J6_a_message_knows_whether_it_was_delivered_before() -> None:
    world = BrokerWorld()
    client = world.client()
    client.send("a", 1)
    client.receiver("a", 5)
    assert [received.message.redelivered for received in client.inbox] == [False]
    client.take()[0].settle(ModifiedDisposition(failed=True))
    world.quiet()
    assert [received.message.redelivered for received in client.inbox] == [True]


def test_a_message_made_here_cannot_be_acknowledged() -> None:
    message = Message("x")
    assert message.delivery is None
    assert not message.redelivered
    with pytest.raises(LocalProtocolError, match=r"acknowledge\(\): Message\('x'\) has come over no link"):
        message.acknowledge()


def test_a_delivery_that_was_sent_cannot_be_acknowledged() -> None:
    scene = Scene("client")
    scene.send(1)
    with pytest.raises(LocalProtocolError, match="was sent from here: its receiver gives the outcome"):
        scene.sent[0].acknowledge()


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda message: pickle.loads(pickle.dumps(message))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_a_message_is_one_made_here(copied: Any) -> None:
    scene = Scene("individual")
    scene.send(1)
    scene.messages[0].note = "mine"
    other = copied(scene.messages[0])
    assert (other.body, other.id, other.note, other.delivery) == (0, None, "mine", None)
    assert scene.messages[0].delivery is not None
    assert other.encode() == scene.messages[0].encode()
    made = copied(Message("x", id=5, annotations={"x-a": 1}))
    assert (made.body, made.id, made.annotations) == ("x", 5, {"x-a": 1})
