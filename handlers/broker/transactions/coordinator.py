"""The coordinator: the handler of a link over which a client declares and discharges transactions [4.2, 4.3]."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from handlers.broker.interface import BrokerView
from handlers.broker.links import BrokerLink
from handlers.broker.nodes.directory import Refused, clipped
from handlers.broker.transactions.transactions import ROLLBACK
from handlers.broker.transactions.work import OPEN, Work
from reactor import (
    ACCEPTED,
    REJECTED,
    Condition,
    DeclaredDisposition,
    DecodeError,
    Described,
    Message,
    symbol,
)

log = logging.getLogger("handlers.broker")

CREDIT = 100

LARGEST = 64 * 1024
"""Bytes of a declaration or discharge, at most."""

CAPABILITIES = ("amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn")

DECLARE = (0x31, "amqp:declare:list")
DISCHARGE = (0x32, "amqp:discharge:list")
_REJECTED = "amqp:rejected:list"


class Coordinator(BrokerLink):
    """The coordinator, as one link has it. Its transactions end with the link."""

    produces = True

    def __init__(self, broker: BrokerView, link: Any) -> None:
        super().__init__(broker, link, None)
        self.transactions = broker.transactions
        self.works: dict[bytes, Work] = {}  # that were declared here, and are not discharged
        self.expected = 0  # commits that are on their way to the disk
        self.end: Optional[Callable[[], None]] = None

    def where(self) -> str:
        """As BrokerLink.where."""
        return "the coordinator of transactions"

    def open(self) -> None:
        """Take declarations."""
        self.link.prefetch = CREDIT

    def answer(self, end: Callable[[], None]) -> None:
        """As BrokerLink.answer: the outcome of a commit comes first."""
        if self.expected:
            self.end = end
        else:
            end()

    def let_go(self) -> None:
        """The link ends, and what was not discharged over it is rolled back [4.2]."""
        works, self.works = self.works, {}
        for work in works.values():
            if work.stage == OPEN:
                log.info("%s: %r is rolled back: the link has ended", self.describe(), work)
                self.transactions.roll_back(work)

    def on_delivery(self, event: Any) -> None:
        """A declaration or a discharge."""
        delivery = event.context
        if delivery.aborted:
            delivery.settle()
        if delivery.payload is None or delivery.partial or delivery.aborted:
            return
        payload = delivery.take()
        if not self.attached:
            return
        if delivery.settled:
            self.evict("amqp:not-allowed", "what is said to a coordinator has an outcome, and is not sent settled")
            return
        try:
            body = Message.from_bytes(payload).body
        except DecodeError as error:
            self.evict("amqp:decode-error", clipped(str(error)))
            return
        fields = body.value if isinstance(body, Described) else None
        if not isinstance(body, Described) or not isinstance(fields, list):
            self.evict("amqp:invalid-field", "a coordinator takes declare and discharge")
        elif body.descriptor in DECLARE:
            self._declare(delivery, *fields[:1])
        elif body.descriptor in DISCHARGE and fields:
            self._discharge(delivery, fields[0], bool(fields[1:] and fields[1]))
        else:
            self.evict("amqp:invalid-field", "a coordinator takes declare and discharge, with the id of a transaction")

    def _declare(self, delivery: Any, global_id: Any = None) -> None:
        if global_id is not None:
            self._refuse(delivery, Refused("amqp:not-implemented", "there are no distributed transactions here"))
            return
        try:
            work = self.transactions.declare(self)
        except Refused as refused:
            self._refuse(delivery, refused)
            return
        self.works[work.id] = work
        delivery.update(DeclaredDisposition(work.id))
        delivery.settle()

    def _discharge(self, delivery: Any, id: Any, fail: bool) -> None:
        try:
            work = self.transactions.find(self.link.connection, id)
            work.control.works.pop(work.id, None)
            if fail:
                self.transactions.roll_back(work)
                delivery.settle_with(ACCEPTED)
                return
            if work.torn:  # [4.4.1]
                self.transactions.roll_back(work)
                self.evict(ROLLBACK, "a transaction was to be committed with a message in it that has come in part")
                return

            def done(error: Optional[Refused]) -> None:
                self.expected -= 1
                if error is not None:
                    self._refuse(delivery, error)
                else:
                    delivery.settle_with(ACCEPTED)
                if self.end is not None and not self.expected:
                    self.end()

            self.expected += 1
            try:
                self.transactions.commit(work, done)
            except Refused:
                self.expected -= 1
                raise
        except Refused as refused:
            self._refuse(delivery, refused)

    def _refuse(self, delivery: Any, error: Refused) -> None:
        log.info("%s: refused: %s", self.describe(), error)
        outcomes = self.link.remote_source.outcomes
        if outcomes and _REJECTED not in outcomes:  # [4.2]
            self.evict(error.condition, error.description)
            return
        delivery.local.condition = Condition(error.condition, clipped(error.description))
        delivery.settle_with(REJECTED)


def capabilities() -> list[symbol]:
    """What transactions can be here [4.5.7]."""
    return [symbol(name) for name in CAPABILITIES]
