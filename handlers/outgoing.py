"""Outgoing messages: credit becomes `on_sendable`, and the outcomes of the peer become `on_accepted` and its kin.

It knows deliveries of senders and their states, and nothing of messages or frames.
"""

from __future__ import annotations

import weakref

from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED, Endpoint, Event, Handler, Link
from reactor.engine.endpoints.delivery import SETTLED_NOW, STATE_CHANGED
from reactor.engine.endpoints.disposition import TRANSACTIONAL_STATE
from reactor.engine.events import heard
from reactor.engine.handler import OUTGOING
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger
from reactor.shown import shown

from .endpoint import call, tell
from .incoming import take_changes

log = logger(__name__)

BOTH_ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE

OUTCOMES: dict[int, str] = {
    ACCEPTED: "on_accepted",
    REJECTED: "on_rejected",
    RELEASED: "on_released",
    MODIFIED: "on_released",
}

FAILURES: dict[int, str] = {REJECTED: "rejected", RELEASED: "released", MODIFIED: "modified"}

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    Calls = tuple[Callable[[Any], Any], ...]


class OutgoingMessageHandler(Handler):
    """Calls `on_sendable` when a sender has credit; `on_delivery_updated`, then `on_accepted`,
    `on_rejected` or `on_released`, then `on_settled` as the peer acknowledges; `on_in_doubt` when it never
    will.

    auto_settle: a delivery with an outcome is settled here, when the methods above returned (True). With False the
        application calls `delivery.settle()` itself; one that the peer has settled is settled here in any case.
    delegate: the object with those methods; without one they are looked for on this object: override them in a
        subclass.
    """

    def __init__(self, auto_settle: bool = True, delegate: object = None) -> None:
        self.auto_settle = auto_settle
        self.delegate = delegate
        # The methods to call by state and occasion, looked up once: outcomes come as often as messages go.
        self._calls: dict[Any, Calls] = {}
        self._unheard: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    # -- the engine's events -----------------------------------------------------------------------------

    def on_link_flow(self, event: Event) -> None:
        """The peer granted credit, or messages that were queued went out."""
        link = event.context
        if link.is_sender and link.state & BOTH_ACTIVE == BOTH_ACTIVE and link.credit > 0:
            calls = self._calls.get("on_sendable")
            if calls is None:
                calls = self._calls["on_sendable"] = self._find("on_sendable")
            session = link.session
            if (session.state | session.connection.state) & Endpoint.LOCAL_CLOSED:
                return  # it takes nothing any more
            for tell in calls:
                tell(event)

    on_link_flow.needed = lambda self: bool(self._find("on_sendable"))  # type: ignore[attr-defined]  # for its plan

    @OUTGOING
    def on_delivery(self, event: Event) -> None:
        """The peer changed or settled something."""
        delivery = event.context
        if not delivery.link.is_sender:
            return
        changes = take_changes(event, delivery)
        if changes & STATE_CHANGED:
            state = delivery.remote_state
            calls = self._calls.get(state)
            if calls is None:
                calls = self._find("on_delivery_updated", OUTCOMES.get(state))
                if state is TRANSACTIONAL_STATE:
                    calls += (self._in_transaction,)
                if state in FAILURES and not calls and not self._find("on_settled"):
                    calls = (self._unheard_of,)
                self._calls[state] = calls
            for tell in calls:
                tell(event)
        if changes & SETTLED_NOW:
            calls = self._calls.get("on_settled")
            if calls is None:
                calls = self._calls["on_settled"] = self._find("on_settled")
            for tell in calls:
                tell(event)
        if self.auto_settle and not delivery.fate and delivery.remote_state in OUTCOMES:
            delivery.settle()  # the outcome is known: a receiver that waits for us to settle first may forget too

    def _in_transaction(self, event: Event) -> None:
        """The peer has answered to a message of a transaction with the outcome that it will have. It is news where the
        peer will not take it: if it will, that is so when the transaction is committed."""
        name = OUTCOMES.get(event.delivery.remote.outcome_type)
        if name is not None and name != "on_accepted":
            calls = self._find(name) or (self._unheard_of,)
            for tell in calls:
                tell(event)

    def on_delivery_in_doubt(self, event: Event) -> None:
        """The connection or the link went away before its outcome came."""
        tell(self.on_in_doubt, event)
        link = event.delivery.link
        closed = (link.state | link.session.state | link.session.connection.state) & Endpoint.LOCAL_CLOSED
        # An application that closes before the outcome has come does not ask for it.
        if not closed and not self._find("on_in_doubt"):
            self._unheard_of(event)

    def on_link_final(self, event: Event) -> None:
        """Nothing more is heard of the link."""
        count = self._unheard.pop(event.link, 0)
        if count > 1:
            text, fields = "%s: %d messages were not accepted, and no method listens for that", log_fields(event.link)
            log.info(text, event.link.describe(), count, extra=fields)

    def unheard(self, link: Link) -> int:
        """How many messages of a sender were rejected, released, modified or in doubt, and no method listens for it."""
        return self._unheard.get(link, 0)

    def _unheard_of(self, event: Event) -> None:
        """A message was not accepted, and no method listens: one warning for each link, then they are counted."""
        delivery = event.delivery
        link = delivery.link
        count = self._unheard[link] = self._unheard.get(link, 0) + 1
        if count > 1:
            return
        state = delivery.remote_state
        if state is TRANSACTIONAL_STATE:
            state = delivery.remote.outcome_type
        end, why = "is in doubt", delivery.doubt
        if state in FAILURES:
            end, why = "was " + FAILURES[state], delivery.remote.condition
        text = "%s: %s: message %s %s%s, and no %s listens for it; others like it are only counted"
        reason = ": " + why.text if why is not None else ""
        method = OUTCOMES.get(state, "on_in_doubt")
        tag = shown(delivery.tag)
        fields = log_fields(delivery, why)
        log.warning(text, link.connection.describe(), link.describe(), tag, end, reason, method, extra=fields)

    def _find(self, *methods: Optional[str]) -> Calls:
        """The methods that do something: this object's if a subclass defines them, else the delegate's."""
        found = []
        for method in methods:
            if method is None:
                continue
            own = getattr(type(self), method) is not getattr(OutgoingMessageHandler, method)
            tell = getattr(self if own else self.delegate, method, None) or getattr(self, method)
            if not getattr(tell, "does_nothing", False):
                found.append(heard(tell))
        return tuple(found)

    # -- the application's methods: the delegate's, unless a subclass overrides them ---------------------

    def on_sendable(self, event: Event) -> None:
        """The sender has credit: at least one message can go out now."""
        call(self.delegate, "on_sendable", event)

    def on_delivery_updated(self, event: Event) -> None:
        """The peer changed the state of a delivery: an outcome, or another state,
        `event.delivery.remote_state`."""
        call(self.delegate, "on_delivery_updated", event)

    def on_accepted(self, event: Event) -> None:
        """The peer accepted a message."""
        call(self.delegate, "on_accepted", event)

    def on_rejected(self, event: Event) -> None:
        """The peer rejected a message: it can never be processed; `event.delivery.remote.condition` may have
        the reason."""
        call(self.delegate, "on_rejected", event)

    def on_released(self, event: Event) -> None:
        """The peer gave a message back. `event.delivery.remote_state` is RELEASED (never tried) or
        MODIFIED."""
        call(self.delegate, "on_released", event)

    def on_settled(self, event: Event) -> None:
        """The peer settled a delivery: it has forgotten it, and no update follows."""
        call(self.delegate, "on_settled", event)

    def on_in_doubt(self, event: Event) -> None:
        """The outcome of a message will never be known: it may or may not have been processed."""
        call(self.delegate, "on_in_doubt", event)
