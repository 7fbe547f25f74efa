"""Disposition: the state of a delivery, ours or the peer's, and its encoding [3.4, 4.5].

States without content (accepted, released, a bare rejected) are plain members of DispositionType and cost
nothing; only a state with content is an object. It knows no delivery and no link.
"""

from __future__ import annotations

from enum import IntEnum

from reactor.codec.encode import encode_value
from reactor.codec.types import Described, clipped, symbol, ulong
from reactor.engine.endpoints.condition import Condition
from reactor.errors import DECODE_ERROR, DataException, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from reactor.codec.types import AnyValue


class DispositionType(IntEnum):
    """The states of a delivery by the code of their composite; EMPTY while there is none."""

    EMPTY = 0
    RECEIVED = 0x23
    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27
    TRANSACTION_DECLARED = 0x33
    TRANSACTIONAL_STATE = 0x34

    def __str__(self) -> str:
        return self.name

    @classmethod
    def or_int(cls, value: int) -> Union[DispositionType, int]:
        """The member with this code, or the code itself when no member has it (a custom state)."""
        return _MEMBERS.get(value, value)


_MEMBERS: dict[int, DispositionType] = {int(member): member for member in DispositionType}

EMPTY = DispositionType.EMPTY
RECEIVED = DispositionType.RECEIVED
ACCEPTED = DispositionType.ACCEPTED
REJECTED = DispositionType.REJECTED
RELEASED = DispositionType.RELEASED
MODIFIED = DispositionType.MODIFIED
DECLARED = DispositionType.TRANSACTION_DECLARED
TRANSACTIONAL_STATE = DispositionType.TRANSACTIONAL_STATE

#: The terminal states, the outcomes: the side that sets one has finished with the delivery [3.4].
TERMINAL = frozenset((ACCEPTED, REJECTED, RELEASED, MODIFIED))

#: The states with their content in attributes of its names.
_OF_FIELDS = frozenset((RECEIVED, *TERMINAL))


class Disposition:
    """A state with its content. Fields that do not belong to the type are ignored.

    type: a DispositionType, or the code of a custom state.
    condition: rejected: the reason, a Condition or None.
    failed: modified: whether the failed attempt counts (delivery-failed).
    undeliverable: modified: not to this link again (undeliverable-here).
    annotations: modified: a dict to merge into the message's annotations; keys become symbols.
        The peer's transactional state has those of the outcome within it.
    section_number, section_offset: received: the position up to which the message has come.
    data: the raw fields of a custom, declared or transactional state.
    """

    __slots__ = (
        "type",
        "condition",
        "failed",
        "undeliverable",
        "annotations",
        "section_number",
        "section_offset",
        "data",
    )

    EMPTY = EMPTY
    RECEIVED = RECEIVED
    ACCEPTED = ACCEPTED
    REJECTED = REJECTED
    RELEASED = RELEASED
    MODIFIED = MODIFIED
    DECLARED = DECLARED
    TRANSACTIONAL_STATE = TRANSACTIONAL_STATE

    def __init__(self, type: Union[DispositionType, int] = EMPTY) -> None:
        self.type = DispositionType.or_int(type)
        self.condition: Optional[Condition] = None
        self.failed = False
        self.undeliverable = False
        self.annotations: Optional[dict[AnyValue, AnyValue]] = None
        self.section_number = 0
        self.section_offset = 0
        self.data: AnyValue = None

    @property
    def id(self) -> Optional[bytes]:
        """The transaction's id, in a declared or transactional state."""
        data = self.data
        return data[0] if isinstance(data, list) and data else None

    @property
    def outcome_type(self) -> Union[DispositionType, int]:
        """The type of the outcome within a transactional state; EMPTY when there is none."""
        data = self.data
        if isinstance(data, list) and len(data) > 1 and isinstance(data[1], Described):
            if not isinstance(data[1].descriptor, int):
                return EMPTY
            return DispositionType.or_int(data[1].descriptor)
        return EMPTY

    def apply_to(self, local_disposition: Disposition) -> None:
        """Make `local_disposition` equal to this one."""
        for name in Disposition.__slots__:
            setattr(local_disposition, name, getattr(self, name))

    def __repr__(self) -> str:
        shown = [str(getattr(self.type, "name", self.type))]
        for name in Disposition.__slots__[1:]:
            value = getattr(self, name)
            if value:
                shown.append("%s=%r" % (name, value))
        return "Disposition(%s)" % ", ".join(shown)

    def to_wire(self) -> Optional[Described]:
        """The composite of this state; None for EMPTY."""
        kind = self.type
        fields: Any = []
        if kind is EMPTY:
            return None
        if kind is REJECTED:
            fields = [] if self.condition is None else [self.condition.to_wire()]
        elif kind is MODIFIED:
            annotations = self.annotations
            if annotations:
                # Brokers refuse annotations with strings as keys [3.2.10], or do worse.
                for key in annotations:
                    if not isinstance(key, (str, ulong)):
                        text = "the keys of the annotations of MODIFIED are symbols or str, not %s"
                        raise DataException(text % clipped(key))
                annotations = {symbol(key) if type(key) is str else key: value for key, value in annotations.items()}
            fields = [self.failed or None, self.undeliverable or None, annotations or None]
        elif kind is RECEIVED:
            fields = [self.section_number, self.section_offset]
        elif self.data is not None and kind not in TERMINAL:
            fields = self.data
        return Described(int(kind), fields)

    @classmethod
    def from_wire(cls, state: Described) -> Disposition:
        """Read a delivery state, as an object of the class of its type; a field that is not as specified keeps its
        default."""
        kind = state.descriptor if isinstance(state.descriptor, int) else EMPTY
        self: Disposition = object.__new__(_CLASSES.get(kind, Disposition))
        Disposition.__init__(self, kind)
        fields = state.value
        if self.type not in _OF_FIELDS:
            self.data = fields
        if not isinstance(fields, list):
            return self
        first, second, third = (fields + [None, None, None])[:3]
        if self.type is REJECTED:
            self.condition = Condition.from_wire(first)
        elif self.type is MODIFIED:
            self.failed, self.undeliverable = bool(first), bool(second)
            self.annotations = third if isinstance(third, dict) else None
        elif self.type is RECEIVED:
            self.section_number, self.section_offset = first or 0, second or 0
        elif (
            self.type is TRANSACTIONAL_STATE
            and isinstance(second, Described)
            and second.descriptor in (REJECTED, MODIFIED)
        ):
            outcome = cls.from_wire(second)
            self.condition, self.annotations = outcome.condition, outcome.annotations
            self.failed, self.undeliverable = outcome.failed, outcome.undeliverable
        return self


LocalDisposition = Disposition
RemoteDisposition = Disposition


class ReceivedDisposition(Disposition):
    """The message has come up to a position [3.4.1]: a section number, and an offset in that section."""

    __slots__ = ()

    def __init__(self, section_number: Optional[int] = None, section_offset: Optional[int] = None) -> None:
        super().__init__(RECEIVED)
        self.section_number = section_number or 0
        self.section_offset = section_offset or 0


class RejectedDisposition(Disposition):
    """The message cannot be processed, because of `condition` [3.4.3]."""

    __slots__ = ()

    def __init__(self, condition: Optional[Condition] = None) -> None:
        super().__init__(REJECTED)
        self.condition = condition


class ModifiedDisposition(Disposition):
    """The message was not processed and may be tried again, changed [3.4.5]."""

    __slots__ = ()

    def __init__(
        self,
        failed: bool = True,
        undeliverable: Optional[bool] = None,
        annotations: Optional[dict[AnyValue, AnyValue]] = None,
    ) -> None:
        super().__init__(MODIFIED)
        self.failed = bool(failed)
        self.undeliverable = bool(undeliverable)
        self.annotations = annotations


class CustomDisposition(Disposition):
    """A state that both ends have agreed on: `type` is the code of its descriptor, `data` its value."""

    __slots__ = ()

    def __init__(self, type: int, data: AnyValue = None) -> None:
        super().__init__(type)
        self.data = data


class DeclaredDisposition(Disposition):
    """A transaction was declared and has this id [4.5.6]."""

    __slots__ = ()

    def __init__(self, id: bytes) -> None:
        super().__init__(DECLARED)
        self.data = [id]


class TransactionalDisposition(Disposition):
    """The delivery belongs to the transaction `id`; `outcome` (a type or a Disposition) takes effect when the
    transaction commits [4.5.8]. id: None for a message that waits until there is a transaction."""

    __slots__ = ()

    def __init__(self, id: Optional[bytes], outcome: Union[None, int, Disposition] = None) -> None:
        super().__init__(TRANSACTIONAL_STATE)
        if outcome is not None and not isinstance(outcome, Disposition):
            outcome = Disposition(outcome)
        self.data = [id, outcome.to_wire()] if outcome is not None else [id]


_CLASSES: dict[int, type[Disposition]] = {
    RECEIVED: ReceivedDisposition,
    REJECTED: RejectedDisposition,
    MODIFIED: ModifiedDisposition,
    DECLARED: DeclaredDisposition,
    TRANSACTIONAL_STATE: TransactionalDisposition,
}


class FirstOfTransaction(TransactionalDisposition):
    """The state of a message before which nothing was done in its transaction. When the wire is lost before the peer
    has spoken of it, it goes on in another transaction, over the next wire."""

    __slots__ = ()

    def __init__(self, id: Optional[bytes]) -> None:
        super().__init__(id)


def state_bytes(state: Union[DispositionType, int], content: Optional[Disposition]) -> bytes:
    """The encoding of a state for a transfer or disposition. Raises DataException if it cannot be encoded."""
    if content is None:
        known = _BARE.get(state)
        return encode_value(Described(ulong(state), [])) if known is None else known
    value = state_value(state, content)
    return b"\x40" if value is None else encode_value(value)


def state_value(state: Union[DispositionType, int], content: Optional[Disposition]) -> Optional[Described]:
    """The composite of a state, to be encoded; None for EMPTY."""
    if content is None:
        content = Disposition(state)
    content.type = state
    wire = content.to_wire()
    if wire is None:
        return None
    value = wire.value
    if isinstance(value, list):
        # Trailing nulls may be omitted [1.4].
        while value and value[-1] is None:
            value = value[:-1]
        value = [_wrapped(field) for field in value]
    return Described(ulong(wire.descriptor), value)


def _wrapped(field: Any) -> Any:
    """Composites inside a state carry plain int descriptors; on the wire a descriptor is a ulong."""
    if isinstance(field, Described) and type(field.descriptor) is int:
        return Described(ulong(field.descriptor), field.value)
    return field


_BARE: dict[int, bytes] = {
    int(state): bytes((0x00, 0x53, state, 0x45)) for state in (ACCEPTED, REJECTED, RELEASED, MODIFIED)
}
_BARE[0] = b"\x40"
_BARE[RECEIVED] = bytes((0x00, 0x53, RECEIVED, 0xC0, 0x03, 0x02, 0x43, 0x44))  # up to section 0, byte 0


def read_state(state: Any) -> tuple[Union[DispositionType, int], Optional[Disposition]]:
    """A state from a transfer or disposition: its type, and its content or None."""
    if not isinstance(state, Described):
        return EMPTY, None
    code = state.descriptor
    if not isinstance(code, (int, str)):
        raise RemoteProtocolError(DECODE_ERROR, "the descriptor of a delivery state is %.60r" % (code,))
    if not state.value and code in _MEMBERS:
        return _MEMBERS[code], None
    content = Disposition.from_wire(state)
    return content.type, content
