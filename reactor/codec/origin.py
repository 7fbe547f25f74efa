"""Origin: what a message knows about its coming: the delivery that it came in.

For `message` only. The engine's deliveries stand far above: a message calls one of them, and knows no more of it.
"""

from __future__ import annotations

from reactor.errors import ILLEGAL_STATE, LocalProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.codec.interface import Acknowledgeable
    from reactor.codec.types import AnyValue


class Origin:
    """The part of a message that is about its delivery.

    origin: that delivery. It is not there for a message that came in none, which costs nothing.
    """

    __slots__ = ("origin",)

    origin: Acknowledgeable
    delivery_count: Any

    @property
    def delivery(self) -> Optional[Acknowledgeable]:
        """The Delivery that it came in; None for one that was made here."""
        return getattr(self, "origin", None)

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, and that failed: its delivery count is above 0 (JMSRedelivered)."""
        return bool(self.delivery_count)

    def acknowledge(self, outcome: AnyValue = None) -> None:
        """Acknowledge this message, as the acknowledge mode of its receiver says (row J6): `Delivery.acknowledge`.

        outcome: None for ACCEPTED in that way; REJECTED, RELEASED, MODIFIED, or a Disposition, for this one.
        LocalProtocolError for a message that did not come over a link.
        """
        if self.delivery is None:
            raise LocalProtocolError(ILLEGAL_STATE, "acknowledge(): %r has come over no link" % (self,), "link")
        self.delivery.acknowledge(outcome)

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        """For `copy` and `pickle`: all but the delivery. A copy is a message of its own, made here."""
        slots: dict[str, Any] = {}
        for cls in type(self).__mro__:
            for name in getattr(cls, "__slots__", ()):
                if not name.startswith("__") and name != "origin" and hasattr(self, name):
                    slots[name] = getattr(self, name)
        return self.__dict__ or None, slots
