"""Tags: no two unsettled deliveries of a link have the same delivery tag [2.6.12].

The numbers that a sender counts are unique by themselves, and cost nothing here; only the tags that an application
chooses are checked. Senders enter. It knows deliveries by their tag and their fate.
"""

from __future__ import annotations

from reactor.engine.endpoints.delivery import OPEN, Delivery
from reactor.errors import NOT_ALLOWED, LocalProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional, Union

    from reactor.engine.interface import SenderInterface

#: Digits of the largest number that is checked: a sender does not get there by counting.
_DIGITS = 18


class GivenTags:
    """The tags that the application has chosen for the open deliveries of one sender."""

    __slots__ = ("_given", "_jumped_to", "_mixed")

    def __init__(self) -> None:
        self._given: dict[bytes, Delivery] = {}
        self._jumped_to = 0  # the number from which the sender counts on, because of a chosen tag
        self._mixed = False  # whether it has counted before that

    def claim(self, sender: SenderInterface, tag: bytes) -> None:
        """Make sure that `tag` is free, and that the sender will not come to it by counting. Raises
        LocalProtocolError for the tag of an unsettled delivery."""
        other = self._given.get(tag)
        if other is None or other.fate != OPEN:
            other = self._counted(sender, tag)
        if other is not None:
            text = "the tag %r is that of a delivery that is not settled: %r" % (tag.decode("utf-8", "replace"), other)
            raise LocalProtocolError(NOT_ALLOWED, text, "link")

    def keep(self, sender: SenderInterface, delivery: Delivery) -> None:
        """Keep the tag of a new delivery, which was free."""
        given = self._given
        given[delivery.tag_bytes] = delivery
        if len(given) > 64 and len(given) > 2 * sender.unsettled:
            self._given = {tag: one for tag, one in given.items() if one.fate == OPEN}

    def _counted(self, sender: SenderInterface, tag: bytes) -> Optional[Delivery]:
        """The open delivery to which the sender has given this number by counting, or None."""
        if not tag.isdigit() or tag.startswith(b"0") or len(tag) > _DIGITS:
            return None
        number, last = int(tag), sender.counted
        self._mixed = self._mixed or last != self._jumped_to
        if number > last:
            sender.counted = self._jumped_to = number
        elif number == sender.drawn:
            sender.drawn = 0  # delivery_tag() has returned it, and it is used now
        elif self._mixed:
            return next((one for one in sender.unsettled_deliveries if one.tag_bytes == tag), None)
        return None


def tag_bytes(tag: Union[str, bytes]) -> bytes:
    """A delivery tag is binary of at most 32 bytes [2.8.7]."""
    raw = tag.encode("utf-8", "surrogateescape") if isinstance(tag, str) else tag
    if not isinstance(raw, bytes):
        raise TypeError("a delivery tag must be str or bytes, not %r" % (tag,))
    if len(raw) > 32:
        raise ValueError("a delivery tag has at most 32 bytes: %r" % (tag,))
    return raw
