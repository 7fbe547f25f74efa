"""The door: everything that can be explained, from inside and from another thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import reactor
from handlers import MessagingHandler
from reactor import ACCEPTED, Condition, Connection, Container, Message
from reactor.container.explain.sentences import Explanation, Sentence
from tests.explain.test_sentences import Goes, fed, feeding, of_server, sender_with
from tests.support.holding import Serves
from tests.support.processes import DEADLINE
from tests.support.stage import Stage, Witness


def test_an_explanation_has_the_obstacles_first_and_each_sentence_once() -> None:
    usual, stuck = Sentence("timer", "b"), Sentence("no credit", "a")
    told = Explanation.of([usual, stuck, Sentence("no credit", "a")])
    assert told == (stuck, usual) and str(told) == repr(told) == "a\nb"
    assert told.stuck and told.kinds == {"timer", "no credit"} and not Explanation.of([usual]).stuck


def test_one_link_session_or_connection_is_explained_alone() -> None:
    stage = of_server()
    container, connection = stage.connect(Goes())
    sender = container.create_sender(connection, "out")
    other = container.create_receiver(connection, "in", prefetch=4)
    stage.run()
    assert reactor.explain(sender).kinds == {"no credit"}
    assert str(reactor.explain(other)) == (
        "nothing stands in the way\nserver:5672: receiver from in has credit for 4 messages"
    )
    assert reactor.explain(connection).kinds == reactor.explain(sender.session).kinds == {"no credit", "may receive"}
    assert reactor.explain(container) == container.explain()


def test_a_link_of_a_connection_that_is_not_there_is_explained_by_that() -> None:
    stage = of_server()
    stage.leave()
    container = stage.container(Goes())
    sender = container.create_sender(container.connect(stage.url, reconnect=[5]), "jobs")
    stage.run(lambda: container.failures(sender.connection))
    stage.run(lambda: "reconnecting" in reactor.explain(sender).kinds)
    assert reactor.explain(sender).kinds == reactor.explain(sender.session).kinds == {"reconnecting"}


def test_sent_deliveries() -> None:
    stage, _, sender = sender_with(2)
    accepted, waits, unsent = (sender.send(Message("x"), tag=tag) for tag in "abc")
    stage.run()
    stage.server.accept(stage.server.events["on_message"][0].delivery)
    stage.run()
    where = "server:5672: delivery %r of sender to jobs "
    assert reactor.explain(accepted) == (where % "a" + "is ACCEPTED by the peer",)
    assert str(reactor.explain(waits)).splitlines()[1] == where % "b" + "has left, and has no outcome of the peer yet"
    assert [sentence.kind for sentence in reactor.explain(unsent)] == ["no credit", "under way", "under way"]
    rejected = stage.server.events["on_message"][1].delivery
    rejected.local.condition = Condition("a:b", "no room")
    stage.server.reject(rejected)
    stage.run()
    assert str(reactor.explain(waits)) == where % "b" + "is REJECTED by the peer: no room"
    stage.cut()
    stage.run()
    assert "is in doubt, and no outcome of it will come" in str(reactor.explain(unsent))


def test_received_deliveries() -> None:
    stage = feeding()
    receiver = fed(stage, prefetch=2)[1]
    held, other = list(receiver.unsettled_deliveries)[:2]
    where = "server:5672: delivery %r of receiver from jobs " % held.tag
    assert where + "has no outcome of this side: delivery.accept(), or another one" in str(reactor.explain(held))
    held.update(ACCEPTED)
    assert where + "is ACCEPTED, and not settled: delivery.settle() ends it" in str(reactor.explain(held))
    held.settle()
    assert reactor.explain(held) == (where + "is ACCEPTED, and settled",)
    stage.cut()
    stage.run()
    assert "was lost with its link before it was settled" in str(reactor.explain(other))


def test_events_and_messages_lead_to_what_they_are_about() -> None:
    told: list[Any] = []

    class Asks(MessagingHandler):
        def on_message(self, event: Any) -> None:
            told.extend([event.container.explain(), reactor.explain(event), reactor.explain(event.message)])

    stage = of_server(on_sendable=lambda event: event.sender.unsettled or event.sender.send(Message("x")))
    container, connection = stage.connect(Asks(auto_accept=True))
    container.create_receiver(connection, "jobs")
    stage.run()
    whole, event, message = told
    assert not whole.stuck and "holds 1 delivery that this side has not settled" in str(whole)
    assert event == message and "has no outcome of this side" in str(event)


def test_a_connection_of_no_container_is_explained_by_its_own_state() -> None:
    connection = Connection()
    assert str(reactor.explain(connection)) == "'nobody': the connection is not opened: connection.open()"
    connection.open()
    assert reactor.explain(connection).kinds == {"connecting"}


@pytest.mark.parametrize("thing", [None, 7, "amqp://x", Container, object(), Message("x")])
def test_what_cannot_be_explained(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"explain\(\) takes a container"):
        reactor.explain(thing)


def test_a_person_is_not_flooded() -> None:
    stage = Stage()
    container = stage.container(Witness())
    for _ in range(25):
        connection = container.connect(stage.url)
    for number in range(30):
        container.create_receiver(connection, "q%d" % number, prefetch=0)
    stage.run()
    told = container.explain()
    assert len(told) < 60 and "5 more connections, and nothing stands in the way of their wires" in told
    assert "10 more links, and 10 of them cannot go on" in str(reactor.explain(connection))


# -- from other threads ----------------------------------------------------------------------------------------------


@pytest.fixture
def serving() -> Any:
    handler = Serves()
    container = Container(handler)
    thread = threading.Thread(target=container.run, name="the-loop")
    thread.start()
    assert handler.ready.wait(DEADLINE)
    yield container, handler
    handler.go_on.set()
    container.stop()
    thread.join(DEADLINE)


def test_another_thread_asks_on_the_container_s_thread(serving: Any) -> None:
    container, _ = serving
    told = reactor.explain(container, patience=DEADLINE)
    assert told.kinds == {"listening", "well"}


def test_a_handler_that_holds_the_loop_is_named(serving: Any) -> None:
    container, handler = serving
    container.call_soon_threadsafe(handler.hold)
    assert handler.holds.wait(DEADLINE)
    told = container.explain(patience=0.1)
    assert told.kinds == {"loop held"}
    assert "the handler holding.py:Serves.hold has held the loop for at least" in told[0]
    assert "and stands at holding.py:" in told[0] and "in thread 'the-loop'" in told[0]


def test_what_has_ended_the_run_is_not_taken_for_the_peer_s_doing() -> None:
    stage = of_server()
    stage.leave()
    container = stage.container(Goes())
    container.connect(stage.url, reconnect=False)
    stage.run()
    assert "a connection was given up: no connection to " in str(container.explain())

    class Fails(MessagingHandler):
        def on_start(self, event: Any) -> None:
            raise ValueError("no\nroom")

    failing = Container(Fails())
    with pytest.raises(ValueError, match="no"):
        failing.run()
    assert "run() was left by an error: no\\nroom" in failing.explain()
    failing.close()


def test_refusals_are_few_and_keep_no_connection() -> None:
    def refuse(event: Any) -> None:
        event.link.condition = Condition("a:b", "no")
        event.link.close()

    stage = of_server(on_link_opening=refuse)
    container, connection = stage.connect(Goes())
    for number in range(20):
        container.create_sender(connection, "q%d" % number).close()
    for number in range(20):
        link = container.create_sender(connection, "r%d" % number)
        stage.run()
        link.close()
    stage.run()
    told = container.explain()
    assert [sentence.kind for sentence in told] == ["refused"] * 8
    assert "sender to r19 was closed by the peer: a:b: no" in told[-1]
