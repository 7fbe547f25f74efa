"""Explained: why nothing moves in blocking objects. Their threads' part is added to the state of the engine, which is
read on the thread that serves the connection."""

from __future__ import annotations

from typing import Any

from reactor.container.explain.sentences import Explanation, Sentence, counted, lasting


def explained(endpoint: Any, patience: float, *own: Sentence) -> Explanation:
    """Why nothing moves over a Connection, Session or Link, with sentences of the blocking object before."""
    connection = getattr(endpoint, "connection", endpoint)
    explainer = connection.explainer
    told: Explanation = explainer.ask(lambda: explainer.of(endpoint), patience)
    return Explanation.of([*own, *told])


def not_taken(where: str, number: int, seconds: float) -> list[Sentence]:
    """About messages that have come, the first so many seconds ago, and that no call has taken."""
    if not number:
        return []
    text = "%s: %s come, the first %s ago, and no receive() has taken them"
    return [Sentence("unread", text % (where, counted(number, "message has", "messages have"), lasting(seconds)))]


def without_outcome(where: str, number: int, capacity: int) -> list[Sentence]:
    """About a sender that has sent as many messages as may wait for their outcome."""
    if number < capacity:
        return []
    text = "%s: send() waits: %s for the outcome, and capacity is %d"
    return [Sentence("bound on unsettled", text % (where, counted(number, "message waits", "messages wait"), capacity))]
