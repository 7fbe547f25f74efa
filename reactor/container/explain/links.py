"""Links explained: why no message moves over a sender or a receiver, or that nothing stands in the way.

The state of the link, its session's windows and its deliveries is read, and nothing is changed: not even by
`Sender.credit`, which notes that there was a bound.
"""

from __future__ import annotations

from reactor.container.agreement import lacks
from reactor.container.explain.look import Look, place_of
from reactor.container.explain.sentences import Sentence, counted, lasting
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.modes import CLIENT, INDIVIDUAL
from reactor.engine.public import Link, Receiver, Sender
from reactor.lazily import TYPE_CHECKING
from reactor.reasons import ended, reason_of
from reactor.shown import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Optional

#: Seconds after which an outcome that does not come counts as an obstacle. It is a wait as usual before.
PATIENCE = 1.0


def of_link(look: Look, link: Link) -> list[Sentence]:
    """Sentences about one link of an open session."""
    where = "%s: %s" % (link.connection.describe(), link.describe())
    kind, text = _of_its_life(look, link)
    if kind:
        return [Sentence(kind, "%s %s" % (where, text))]
    found = _of_sender(look, link) if isinstance(link, Sender) else _of_receiver(look, link)  # type: ignore[arg-type]
    return [Sentence(kind, "%s %s" % (where, text)) for kind, text in found]


def _of_its_life(look: Look, link: Link) -> tuple[str, str]:
    """Why it is not open on both sides; ("", "") when it is."""
    state = link.state
    if look.retries(link) or link.held or link.session.held:
        return "comes back", "was detached by the peer%s, and is attached again" % reason_of(link)
    if state & Endpoint.REMOTE_CLOSED:
        return ended(link)
    if state & Endpoint.LOCAL_CLOSED:
        if state & Endpoint.REMOTE_UNINIT and link.channel is None:
            return "ended", "was closed here"
        return "closing", "was closed here, and the peer has not answered"
    if state & Endpoint.LOCAL_UNINIT:
        return "not opened", "is not opened here: link.open() attaches it"
    if state & Endpoint.REMOTE_UNINIT or link.doubtful:
        return "not attached", "is not attached by the peer: it has not answered our attach"
    return "", ""


# -- senders ---------------------------------------------------------------------------------------------------------


def _of_sender(look: Look, link: Sender) -> Iterator[tuple[str, str]]:
    outgoing: Any = link.channel.outgoing if link.channel is not None else None
    waiting, still = link.queued, look.unmoved(link)
    begun = [delivery for delivery in link.pending if not delivery.queued]
    if begun:
        yield "not complete", "has %s begun by delivery() and not finished: stream() its bytes, then advance()" % (
            counted(len(begun), "message")
        )
    undeclared = sum(delivery.awaits_transaction for delivery in link.waiting)
    if undeclared:
        yield "awaits transaction", "keeps %s for a transaction that the peer has not declared" % (
            counted(undeclared, "message")
        )
    elif link.drain_asked:
        yield "draining", _drained(link, waiting)
    elif link.wire_credit <= 0:
        yield "no credit", _without_credit(look, link, waiting, still)
    elif waiting and outgoing is not None and outgoing.remote_incoming_window <= 0:
        text = "has credit for %d, and %s waiting: the peer's session window is full; it opens as the peer reads"
        yield "window full", text % (link.wire_credit, counted(waiting, "message is", "messages are"))
    elif outgoing is not None and len(outgoing.unsettled) >= outgoing.most_unsettled:
        text = "sends nothing: %s sent over the session without an outcome, and Limits.max_unsettled is %d"
        many = counted(len(outgoing.unsettled), "message was", "messages were")
        yield "bound on unsettled", text % (many, outgoing.most_unsettled)
    elif waiting:
        yield "leaves", "has %s, which leave as the wire takes them" % counted(waiting, "message")
    elif not begun:
        yield "may send", "has credit for %s, and nothing to send" % counted(link.wire_credit, "message")
    left = link.unsettled - waiting - len(begun)
    if left > 0:
        stuck = still is not None and still >= PATIENCE
        text = "has sent %s without an outcome of the peer%s" % (counted(left, "message"), for_at_least(still, stuck))
        yield ("no outcome" if stuck else "under way"), text


def _drained(link: Sender, waiting: int) -> str:
    if link.wire_credit > 0:
        text = "is to use up its credit of %d (the peer drains it): send, or give it back by sender.drained()"
        return text % link.wire_credit
    waits = ", and %s for new credit" % counted(waiting, "message waits", "messages wait") if waiting else ""
    return "was drained by the peer, which has its credit back%s" % waits


def _without_credit(look: Look, link: Sender, waiting: int, still: Optional[float]) -> str:
    wants = "for %s" % counted(waiting, "message that waits", "messages that wait") if waiting else "and nothing waits"
    granter = "the peer (container %s)" % quoted(link.connection.remote_container)
    attached = look.ago(link.attached_at)
    if link.delivery_count == link.first_delivery_count and attached is not None:
        return "has no credit %s: %s has granted none since it attached the link, %s ago" % (
            wants, granter, lasting(attached),
        )  # fmt: skip
    return "has no credit %s: all that %s has granted is used up%s" % (wants, granter, for_at_least(still))


def for_at_least(seconds: Optional[float], known: bool = True) -> str:
    """For how long nothing has moved, at least; "" where that is not known."""
    return ", for at least %s" % lasting(seconds) if known and seconds is not None and seconds >= PATIENCE else ""


# -- receivers -------------------------------------------------------------------------------------------------------


def _of_receiver(look: Look, link: Receiver) -> Iterator[tuple[str, str]]:
    if not link.passive and link.ledger is None:
        missing = lacks(link)
        if missing:
            text = "does not get what it asked for: the peer does not apply %s"
            yield "filter not applied", text % ", ".join(words for _, words in missing)
    incoming: Any = link.channel.incoming if link.channel is not None else None
    still = look.unmoved(link)
    if link.transfer_in_progress is not None:
        size = counted(link.received, "byte")
        stuck = still is not None and still >= PATIENCE
        text = "gets a message of several parts: %s so far%s" % (size, for_at_least(still, stuck))
        yield ("not complete" if stuck else "under way"), text
    if incoming is not None and incoming.incoming_window <= 0:
        text = "gets nothing: our session window is shut, with %s unread"
        yield "window shut", text % counted(incoming.unread_frames, "frame")
    elif link.queued:
        yield "unread", "has %s which the application has not read" % counted(link.queued, "message")
    kept = 0 if link.ledger is None else len(link.ledger.deliveries)
    held = link.unsettled + kept
    most = link.most_unsettled
    if link.draining():
        text = "has asked the peer for all that is there (drain), and waits for its answer; %d of credit are open"
        yield "draining", text % link.wire_credit
    elif link.paused:
        if not look.stopping:
            yield "paused", "takes nothing: pause() has taken its credit back"
    elif link.wire_credit > 0:
        said = ", of the %d that the peer has announced" % link.available if link.available else ""
        text = "has credit for %s%s%s"
        yield "may receive", text % (counted(link.wire_credit, "message"), said, _nothing_came(still))
    elif most is not None and held >= most:
        yield "bound on unsettled", _bound(look, link, held, still)
        return
    elif incoming is not None and len(incoming.unsettled) >= incoming.most_unsettled:
        text = "gets no credit: %s of the session not settled here, and Limits.max_unsettled is %d"
        many = counted(len(incoming.unsettled), "delivery is", "deliveries are")
        yield "bound on unsettled", text % (many, incoming.most_unsettled)
    elif link.queued:
        pass  # read, they make room for more
    elif not link.prefetch:
        yield "nothing asked", _nothing_asked(link)
    else:
        yield "leaves", "gets credit for %s with the end of this turn" % counted(link.prefetch, "message")
    if held:
        yield "not settled here", "holds %s that this side has not settled%s%s" % (
            counted(held, "delivery", "deliveries"), _oldest(still), _received_in(look, link),
        )  # fmt: skip


def _nothing_came(still: Optional[float]) -> str:
    return ", and none has come for at least %s" % lasting(still) if still is not None and still >= PATIENCE else ""


_WAYS_TO_ASK = "receiver.flow(n), or receive() of a blocking receiver, asks"


def _nothing_asked(link: Receiver) -> str:
    if link.delivery_count == 0 and not link.told:
        return "has no credit: prefetch is 0, and flow() has asked for nothing: %s for some" % _WAYS_TO_ASK
    return "has no credit: prefetch is 0, and all that flow() has asked for has come: %s for more" % _WAYS_TO_ASK


def _bound(look: Look, link: Receiver, held: int, still: Optional[float]) -> str:
    bound = "max_unsettled is %d" % (link.max_unsettled or 0)
    if link.max_unsettled is None or link.max_unsettled > (link.most_unsettled or 0):
        text = "its share of the session's max_unsettled of %d is %d"
        bound = text % (link.session.max_unsettled or 0, link.most_unsettled or 0)
    if not link.most_unsettled:
        return "gets no credit, ever: %s" % bound
    way = "accept some"
    if link.acknowledge_mode in (CLIENT, INDIVIDUAL):
        way = "acknowledge some (acknowledge_mode is %s)" % link.acknowledge_mode
    text = "gets no credit: %s not settled, and %s: %s, by delivery.accept() or another outcome%s%s"
    many = counted(held, "delivery is", "deliveries are")
    return text % (many, bound, way, _oldest(still), _received_in(look, link))


def _oldest(still: Optional[float]) -> str:
    return "; the oldest for at least %s" % lasting(still) if still is not None and still >= PATIENCE else ""


def _received_in(look: Look, link: Receiver) -> str:
    place = place_of(look.handler_of(link), "on_message")
    return "; received in %s" % place if place else ""
