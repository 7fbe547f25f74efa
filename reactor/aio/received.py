"""ReceivedMessage: a message that a receiver has taken, with the outcomes that it can be given."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from reactor.codec.message import Message
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    EMPTY,
    RELEASED,
    Disposition,
    DispositionType,
    ModifiedDisposition,
    RejectedDisposition,
)
from reactor.errors import REJECTED_BY_APPLICATION

if TYPE_CHECKING:
    from reactor.codec.types import AnyValue


class _Done:
    """An awaitable with nothing to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return _NOTHING


_NOTHING = cast("Generator[Any, Any, None]", iter(()))
_DONE: Awaitable[None] = _Done()


class ReceivedMessage(Message):
    """A Message that can be given an outcome. delivery: its Delivery.

    Each method here acts at once, and what it returns may be awaited: the outcome leaves with the next turn of the
    event loop. They raise LocalProtocolError for a message that has another outcome already. For one that came over a
    connection that is lost they do nothing: it comes again.
    """

    origin: Any

    def accept(self) -> Awaitable[None]:
        """It was processed: ACCEPTED, and settled."""
        delivery = self.origin
        if delivery.fate or delivery.local_state is not EMPTY:
            delivery.finish(ACCEPTED)
        else:
            delivery.settle_with(ACCEPTED)
        return _DONE

    def reject(self, condition: Union[Condition, str, None] = None) -> Awaitable[None]:
        """No receiver can ever process it: REJECTED, and settled. condition: why, a Condition or a text."""
        self.origin.reject(condition)
        return _DONE

    def release(self) -> Awaitable[None]:
        """It was not looked at, and goes back: RELEASED, and settled."""
        self.origin.release()
        return _DONE

    def modify(
        self, failed: bool = True, undeliverable: bool = False, annotations: Optional[dict[AnyValue, AnyValue]] = None
    ) -> Awaitable[None]:
        """It goes back, changed: MODIFIED, and settled. The arguments are those of ModifiedDisposition."""
        self.origin.modify(failed, undeliverable, annotations)
        return _DONE

    def settle(self, outcome: Union[Disposition, DispositionType]) -> Awaitable[None]:
        """Give it this outcome, and settle it."""
        self.origin.finish(outcome)
        return _DONE


class TransactedMessage(ReceivedMessage):
    """One of a transacted session: its outcome is a part of the transaction, and has effect when that is committed. One
    that is rolled back makes it MODIFIED, delivery-failed: it comes again. transactions: those of its session."""

    transactions: Any

    def accept(self) -> Awaitable[None]:
        return self.settle(ACCEPTED)

    def reject(self, condition: Union[Condition, str, None] = None) -> Awaitable[None]:
        if isinstance(condition, str):
            condition = Condition(REJECTED_BY_APPLICATION, condition)
        return self.settle(RejectedDisposition(condition))

    def release(self) -> Awaitable[None]:
        return self.settle(RELEASED)

    def modify(
        self, failed: bool = True, undeliverable: bool = False, annotations: Optional[dict[AnyValue, AnyValue]] = None
    ) -> Awaitable[None]:
        return self.settle(ModifiedDisposition(failed, undeliverable, annotations))

    def settle(self, outcome: Union[Disposition, DispositionType]) -> Awaitable[None]:
        self.transactions.give(self, outcome)
        return _DONE
