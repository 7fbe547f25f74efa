"""Condition: the reason for which an endpoint was closed or a delivery rejected [2.8.14].

It knows its composite, and no endpoint or delivery.
"""

from __future__ import annotations

from reactor.codec.definitions import ERROR
from reactor.codec.frames import MIN_MAX_FRAME_SIZE
from reactor.codec.performatives import encode_composite
from reactor.codec.types import Described, clipped, symbol
from reactor.errors import DataException
from reactor.lazily import TYPE_CHECKING
from reactor.shown import LONGEST, quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable, Optional

    from reactor.codec.types import AnyValue


class Condition:
    """An error condition.

    name: its symbol, such as ``"amqp:not-found"``.
    description: the event, for a person; or None.
    info: further data, a dict with symbol keys; or None.
    """

    __slots__ = ("name", "description", "info", "__dict__")

    def __init__(
        self, name: str, description: Optional[str] = None, info: Optional[Mapping[AnyValue, AnyValue]] = None
    ) -> None:
        self.name = name
        self.description = description
        self.info = info

    def __repr__(self) -> str:
        given = [quoted(part, LONGEST) for part in (self.name, self.description) if part is not None]
        if self.info is not None:
            given.append(shown(self.info))
        return "Condition(%s)" % ", ".join(given)

    @property
    def text(self) -> str:
        """The name and the description, if there is one, in one line for a person. A peer's text is escaped."""
        name = shown(self.name)
        return "%s: %s" % (name, shown(self.description)) if self.description else name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return (self.name, self.description, self.info) == (other.name, other.description, other.info)

    def __hash__(self) -> int:
        return hash((self.name, self.description))

    def to_wire(self) -> Described:
        """The error composite [2.8.14]. DataException when its name is no str."""
        if not isinstance(self.name, str):
            raise DataException("the name of a condition is a str such as 'amqp:not-found', not %r" % (self.name,))
        info = self.info
        if isinstance(info, dict):
            info = {symbol(key) if isinstance(key, str) else key: value for key, value in info.items()}
        return Described(ERROR, [symbol(self.name), self.description, info])

    def without(self, hide: Callable[[str], str]) -> Condition:
        """The same, each of its texts by way of `hide`: a peer may quote a secret in a reason."""
        description = None if self.description is None else hide(self.description)
        return Condition(hide(self.name), description, _hidden(self.info, hide))

    def check(self) -> None:
        """Raise DataException, with the name of the field, when it cannot be written."""
        encode_composite(ERROR, self.to_wire().value)

    def fitted(self, frame: int) -> Described:
        """The error composite for a frame of at most `frame` bytes: a shorter error is better than a frame beyond the
        peer's limit. The info goes first, then the end of the description."""
        wire = self.to_wire()
        room = max(frame, MIN_MAX_FRAME_SIZE) - 48  # around it: the frame's header, performative, list, other fields
        if len(encode_composite(ERROR, wire.value)) <= room:
            return wire
        room -= len(self.name) + 20
        description = (self.description or "").encode()[: max(0, room)].decode("utf-8", "ignore")
        return Described(ERROR, [wire.value[0], description])

    @classmethod
    def from_wire(cls, value: AnyValue) -> Optional[Condition]:
        """The condition in an error composite; None for null. Another value becomes an internal-error with the value
        as its description: a malformed error of the peer is still an error."""
        if value is None:
            return None
        if isinstance(value, Described) and value.descriptor == ERROR and isinstance(value.value, list) and value.value:
            name, description, info = (value.value + [None, None])[:3]
            return cls(str(name), None if description is None else str(description), info)
        return cls("amqp:internal-error", "the peer's error is no error composite: %s" % clipped(value))


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        found = hide(value)
        return value if found == value else found
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        found = hide(text)
        return value if found == text else found.encode("latin-1")
    if isinstance(value, dict):
        return {_hidden(key, hide): _hidden(each, hide) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(each, hide) for each in value]
    return value


def as_condition(value: Any) -> Optional[Condition]:
    """The condition of a value that an application has set: a Condition, None, or the name alone.

    Raises TypeError for anything else.
    """
    if value is None or isinstance(value, Condition):
        return value
    if isinstance(value, str):
        return Condition(value)
    raise TypeError("condition must be a Condition or None, not %r" % (value,))
