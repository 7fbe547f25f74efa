"""Deliveries explained: how far one message has come, and what its outcome waits for."""

from __future__ import annotations

from reactor.container.explain.connections import of_connection
from reactor.container.explain.links import of_link
from reactor.container.explain.look import Look, place_of
from reactor.container.explain.sentences import Sentence, lasting
from reactor.engine.endpoints.delivery import LOST, OPEN, PRE_SETTLED, SETTLED_BY_PEER
from reactor.engine.endpoints.disposition import EMPTY, TERMINAL, TRANSACTIONAL_STATE
from reactor.engine.public import Delivery
from reactor.shown import quoted, shown


def of_delivery(look: Look, delivery: Delivery) -> list[Sentence]:
    """Sentences about one delivery, and about its link where it waits for that."""
    link = delivery.link
    where = "%s: delivery %s of %s" % (link.connection.describe(), quoted(delivery.tag), link.describe())
    kind, text = _sent(delivery) if link.is_sender else _received(look, delivery)
    told = [Sentence(kind, "%s %s" % (where, text))]
    if kind != "done" and delivery.fate == OPEN:
        above = of_connection(look, link.connection, links=False)
        told += above if above and above[0].stuck else of_link(look, link)
    return told


def _outcome(state: object) -> str:
    return str(getattr(state, "name", state))


def _sent(delivery: Delivery) -> tuple[str, str]:
    if delivery.remote_state in TERMINAL:
        condition = delivery.remote.condition if delivery.remote_content is not None else None
        why = ": %s" % shown(condition.description or condition.name) if condition is not None else ""
        return "done", "is %s by the peer%s" % (_outcome(delivery.remote_state), why)
    if delivery.fate == LOST:
        doubt = delivery.doubt
        if delivery.aborted:
            return "done", "was aborted"
        why = "" if doubt is None else ": %s" % shown(doubt.description or doubt.name)
        return "in doubt", "is in doubt, and no outcome of it will come%s" % why
    if delivery.fate == SETTLED_BY_PEER:
        return "done", "is settled by the peer, without an outcome"
    if delivery.partial:
        return "not complete", "is not finished here: stream() its bytes, then advance()"
    if not delivery.has_left:
        if delivery.awaits_transaction:
            return "awaits transaction", "has not left: the peer has not declared its transaction"
        return "under way", "has not left"
    if delivery.fate != OPEN:
        return "done", "has left, settled: no outcome comes"
    if delivery.local_state is TRANSACTIONAL_STATE:
        return "under way", "has left, and has its outcome when its transaction is committed"
    return "under way", "has left, and has no outcome of the peer yet"


def _received(look: Look, delivery: Delivery) -> tuple[str, str]:
    if delivery.aborted:
        return "done", "was aborted by its sender"
    if delivery.fate == LOST:
        return "in doubt", "was lost with its link before it was settled: the peer gives it again, or to others"
    if delivery.partial:
        return "under way", "has not come as a whole"
    if delivery.fate == PRE_SETTLED:
        return "done", "came settled: the peer waits for no outcome"
    if delivery.fate == SETTLED_BY_PEER:
        return "done", "is settled by its sender"
    if delivery.fate != OPEN:
        if delivery.local_state == EMPTY:
            return "done", "is settled, without an outcome"
        return "done", "is %s, and settled" % _outcome(delivery.local_state)
    if delivery.local_state is TRANSACTIONAL_STATE:
        return "not settled here", "has its outcome when the transaction is committed"
    if delivery.local_state != EMPTY:
        return "not settled here", "is %s, and not settled: delivery.settle() ends it" % _outcome(delivery.local_state)
    if delivery.payload is not None:
        return "unread", "has come, and the application has not read it"
    place = place_of(look.handler_of(delivery.link), "on_message")
    still = look.unmoved(delivery.link)
    since = "; for at least %s" % lasting(still) if still else ""
    text = "has no outcome of this side: delivery.accept(), or another one%s%s"
    return "not settled here", text % (since, "; received in %s" % place if place else "")
