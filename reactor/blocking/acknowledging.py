"""Acknowledgements: the messages of a session that were taken and not acknowledged, and the outcomes on their way.

A blocking session owns one. A message is taken in the mode of its receiver, which says when it is acknowledged (rows
J6, Q1). Outcomes are kept here in their order, and given on the service's thread. It knows deliveries, and no link.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.engine.endpoints.delivery import PRE_SETTLED
from reactor.engine.endpoints.disposition import ACCEPTED, TERMINAL, Disposition, DispositionType
from reactor.engine.modes import AcknowledgeMode
from reactor.errors import ReactorException, SessionException
from reactor.loop.loggers import logger

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView
    from reactor.blocking.received import Outcome, ReceivedMessage
    from reactor.blocking.service import Service

log = logger(__name__)

BATCH = 64
"""Messages that DUPS_OK acknowledges at a time, at most."""
DELAY = 0.5
"""Seconds that it may leave them unacknowledged, while the program takes no other."""

_EXPLICIT = (AcknowledgeMode.CLIENT, AcknowledgeMode.INDIVIDUAL, AcknowledgeMode.TRANSACTED)


class Acknowledgements:
    """Those of one session.

    give: gives a message its outcome, on the service's thread.
    held: whether outcomes are kept here, until there is a transaction for them.
    unsettled: the messages that were taken and not acknowledged, in the order of their taking.
    """

    def __init__(
        self, session: SessionView, service: Service, give: Callable[[ReceivedMessage, Outcome], None]
    ) -> None:
        self.held = False
        self.unsettled: dict[ReceivedMessage, None] = {}
        self._session = session
        self._service = service
        self._give = give
        self._outcomes: deque[tuple[ReceivedMessage, Outcome]] = deque()
        self._lazy: list[ReceivedMessage] = []
        self._lock = threading.Lock()

    def taken(self, message: ReceivedMessage, mode: AcknowledgeMode) -> None:
        """A message was taken from a receiver of this mode."""
        if mode in _EXPLICIT:
            if message.origin.fate != PRE_SETTLED:
                with self._lock:
                    self.unsettled[message] = None
        elif mode is AcknowledgeMode.DUPS_OK:
            with self._lock:
                self._lazy.append(message)
                number = len(self._lazy)
            if number == 1:
                self._service.post(self._flush_later)
            elif number >= BATCH:
                self.flush()
        elif message.origin.fate != PRE_SETTLED:  # a peer may not settle as it was asked to (NONE)
            self._outcomes.append((message, ACCEPTED))
            self._service.post_soon(self.settle_in_passing)

    def flush(self) -> None:
        """Acknowledge what DUPS_OK has left."""
        if self._lazy:
            with self._lock:
                lazy, self._lazy = self._lazy, []
            self._outcomes.extend((message, ACCEPTED) for message in lazy)
            self._service.post(self.settle_in_passing)

    def acknowledge(
        self, message: Optional[ReceivedMessage], outcome: Optional[Outcome], multiple: bool
    ) -> list[ReceivedMessage]:
        """Acknowledge it, or all. Returns the messages: their outcomes are not given yet."""
        given = _checked(outcome)
        if message is None:
            self.flush()
        with self._lock:
            chosen = self._chosen(message, multiple)
            for one in chosen:
                del self.unsettled[one]
                self._outcomes.append((one, given))
        return chosen

    def of_message(self, message: ReceivedMessage, outcome: Optional[Outcome]) -> Optional[list[ReceivedMessage]]:
        """`message.acknowledge()`: as `acknowledge`, of the messages that its mode names. None: there is nothing to be
        done, for the mode does it. Another outcome than ACCEPTED is for that message alone, as in a callback."""
        mode, accepts = message.acknowledge_mode, outcome in (None, ACCEPTED)
        if (
            mode is AcknowledgeMode.INDIVIDUAL
            or (mode is AcknowledgeMode.TRANSACTED and outcome is not None)
            or (mode is AcknowledgeMode.CLIENT and not accepts)
        ):
            return self.acknowledge(message, outcome, False)
        if mode is AcknowledgeMode.CLIENT:
            return self.acknowledge(None, outcome, False)
        if mode is AcknowledgeMode.NONE or not accepts:
            raise SessionException("acknowledge(%r): %s" % (message, _reason(message)))
        return None

    def _chosen(self, message: Optional[ReceivedMessage], multiple: bool) -> list[ReceivedMessage]:
        if message is None:
            return list(self.unsettled)
        if message not in self.unsettled:
            mine = getattr(message, "session", None) is self._session
            why = _reason(message) if mine else "it is none of this session's"
            raise SessionException("acknowledge(%r): %s" % (message, why))
        if not multiple:
            return [message]
        taken = list(self.unsettled)
        return taken[: taken.index(message) + 1]

    def acknowledge_first(self, link: Any, outcome: Optional[Outcome]) -> bool:
        """As `acknowledge`, of the first of the unsettled messages that came over `link`. Returns whether there is
        one."""
        given = _checked(outcome)
        with self._lock:
            for message in self.unsettled:
                if message.origin.link is link:
                    del self.unsettled[message]
                    self._outcomes.append((message, given))
                    break
            else:
                return False
        self._service.post_soon(self.settle_in_passing)
        return True

    def of_link(self, link: Any) -> list[ReceivedMessage]:
        """The unsettled messages that came over `link`, in the order of their taking."""
        with self._lock:
            return [message for message in self.unsettled if message.origin.link is link]

    # -- on the service's thread -------------------------------------------------------------------------

    def settle(self) -> Optional[ReactorException]:
        """Give the outcomes. Returns an error: its message is unsettled, as it was before."""
        outcomes, failed = self._outcomes, None
        while outcomes and not self.held:
            message, outcome = outcomes.popleft()
            try:
                self._give(message, outcome)
            except ReactorException as error:
                with self._lock:
                    self.unsettled[message] = None
                failed = error
        return failed

    def settle_in_passing(self) -> None:
        """Give the outcomes; the log has an error."""
        error = self.settle()
        if error is not None:
            log.error("%s: a message was not acknowledged: %s", self._session.session.connection.describe(), error)

    def take_all(self) -> list[ReceivedMessage]:
        """All that are unsettled: they are the caller's to settle now."""
        with self._lock:
            messages = list(self.unsettled)
            self.unsettled.clear()
        return messages

    def give_all(self, outcome: Outcome, messages: Iterable[ReceivedMessage]) -> None:
        """Give all of `messages` that are unsettled the same outcome."""
        with self._lock:
            for message in messages:
                if message in self.unsettled:
                    del self.unsettled[message]
                    self._outcomes.append((message, outcome))
        self.settle_in_passing()

    def _flush_later(self) -> None:
        self._service.later(DELAY, self.flush)


def _checked(outcome: Optional[Outcome]) -> Outcome:
    if outcome is None or outcome is ACCEPTED:
        return ACCEPTED
    kind = outcome.type if isinstance(outcome, Disposition) else outcome
    if not isinstance(kind, DispositionType) or kind not in TERMINAL:
        raise ValueError("an outcome is ACCEPTED, REJECTED, RELEASED or MODIFIED, not %r" % (outcome,))
    return outcome


def _reason(message: ReceivedMessage) -> str:
    """Why it cannot be acknowledged, although it is of this session."""
    mode = message.acknowledge_mode
    if mode is AcknowledgeMode.NONE:
        return "its sender has settled it (NONE): there is nothing to acknowledge"
    if mode in _EXPLICIT:
        return "it is settled already"
    return "it is ACCEPTED already, by the acknowledge mode %s" % mode
