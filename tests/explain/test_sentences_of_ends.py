"""More situations, each with its own sentence and no other: what was not begun, has ended, comes back, or is too much
to be told one by one. And no kind of sentence is without a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import reactor
from reactor import Message, TransactionalDisposition
from reactor.container.explain.connections import MOST_LINKS
from reactor.container.explain.sentences import OBSTACLES, USUAL
from tests.explain.test_sentences import SITUATIONS, Deaf, Goes, of_server, refusing

HERE = Path(__file__).parent


def a_message_for_a_transaction_that_is_not_declared() -> Any:
    stage = of_server(on_link_opened=lambda event: event.receiver and event.receiver.flow(5))
    _, connection = stage.connect(Goes())
    session = connection.session()
    session.open()
    sender = session.sender("jobs")
    sender.target.address = "jobs"
    sender.open()
    stage.run()
    sender.send(Message("x")).hold(TransactionalDisposition(None))
    stage.run()
    return sender


def a_session_that_is_not_opened() -> Any:
    _, connection = of_server().connect(Goes())
    return connection.session()


def a_link_that_is_not_opened() -> Any:
    stage = of_server()
    _, connection = stage.connect(Goes())
    session = connection.session()
    session.open()
    stage.run()
    return session.sender("jobs")


def a_link_that_the_peer_closes_without_a_reason() -> Any:
    stage = of_server(on_link_opened=lambda event: event.link.close())
    _, connection = stage.connect(Goes())
    session = connection.session()
    session.open()
    sender = session.sender("jobs")
    sender.target.address = "jobs"
    sender.handler = Deaf()
    sender.open()
    stage.run()
    return sender


def a_link_that_comes_back() -> Any:
    stage = of_server(on_link_opened=refusing("amqp:link:detach-forced", "idle for too long"))
    container = stage.container(Goes())
    connection = container.connect(stage.url)
    receiver = container.create_receiver(connection, "jobs")
    stage.run(lambda: "comes back" in reactor.explain(receiver).kinds)
    return receiver


def many_links_that_cannot_go_on() -> Any:
    stage = of_server()
    container, connection = stage.connect(Goes())
    for number in range(MOST_LINKS + 3):
        container.create_sender(connection, "jobs-%d" % number)
    stage.run()
    return container


def many_links_that_go_on() -> Any:
    stage = of_server()
    container, connection = stage.connect(Goes())
    for number in range(MOST_LINKS + 3):
        container.create_receiver(connection, "jobs-%d" % number, prefetch=5)
    stage.run()
    return container


def a_link_that_was_refused_while_another_goes_on() -> Any:
    def refuse(event: Any) -> None:
        if event.link.remote_source.address == "jobs":
            refusing("amqp:not-found", "no queue 'jobs'")(event)

    stage = of_server(on_link_opening=refuse)
    container, connection = stage.connect(Goes())
    refused = container.create_receiver(connection, "jobs")
    container.create_receiver(connection, "others", prefetch=5)
    stage.run()
    refused.close()
    stage.run()
    return container


def sent(stage: Any) -> Any:
    """A delivery that the server has."""
    container, connection = stage.connect(Goes())
    sender = container.create_sender(connection, "jobs")
    stage.run()
    delivery = sender.send(Message("x"))
    stage.run()
    return delivery


def a_delivery_with_its_outcome() -> Any:
    return sent(of_server(auto_accept=True, on_link_opened=lambda event: event.receiver and event.receiver.flow(5)))


def a_delivery_that_was_lost_with_its_wire() -> Any:
    stage = of_server(on_link_opened=lambda event: event.receiver and event.receiver.flow(5))
    delivery = sent(stage)
    stage.cut()
    stage.run()
    return delivery


ENDS = [
    ({"awaits transaction"}, "sender to jobs keeps 1 message for a transaction that the peer has not declared",
     a_message_for_a_transaction_that_is_not_declared),
    ({"not opened"}, r"a session is not opened here: session.open\(\) begins it", a_session_that_is_not_opened),
    ({"not opened"}, r"is not opened here: link.open\(\) attaches it", a_link_that_is_not_opened),
    ({"ended"}, "sender to jobs was closed by the peer, which gave no reason",
     a_link_that_the_peer_closes_without_a_reason),
    ({"comes back"}, "receiver from jobs was detached by the peer.*, and is attached again", a_link_that_comes_back),
    ({"no credit", "more"}, "3 more links, and 3 of them cannot go on", many_links_that_cannot_go_on),
    ({"may receive", "more of it", "well"}, "3 more links, and nothing stands in their way", many_links_that_go_on),
    ({"may receive", "was refused", "well"}, "receiver from jobs was closed by the peer: amqp:not-found",
     a_link_that_was_refused_while_another_goes_on),
    ({"done"}, "is ACCEPTED by the peer", a_delivery_with_its_outcome),
    ({"in doubt"}, "is in doubt, and no outcome of it will come", a_delivery_that_was_lost_with_its_wire),
]  # fmt: skip


@pytest.mark.parametrize("kinds, text, make", ENDS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_end_has_its_own_sentence_and_no_other(kinds: Any, text: str, make: Any) -> None:
    explanation = reactor.explain(make())
    assert any(re.search(text, sentence) for sentence in explanation), explanation
    assert explanation.kinds - {"timer"} == kinds, explanation
    assert explanation.stuck == bool(kinds & set(OBSTACLES))


def test_no_kind_of_sentence_is_without_a_test() -> None:
    told = {kind for kinds, _, _ in [*SITUATIONS.values(), *ENDS] for kind in kinds}
    others = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py") if path != Path(__file__))
    missing = {kind for kind in {**OBSTACLES, **USUAL} if kind not in told and '"%s"' % kind not in others}
    assert not missing
