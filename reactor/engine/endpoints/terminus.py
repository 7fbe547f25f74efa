"""Terminus: the source or target of a link [3.5.3, 3.5.4, 4.5.1].

It holds the fields of one side's attach, and reads and writes the composite; links own termini, not the reverse.
"""

from __future__ import annotations

from reactor.codec.definitions import COORDINATOR, SOURCE, TARGET
from reactor.codec.performatives import encode_composite
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, clipped, symbol
from reactor.engine.endpoints.fields import as_symbols, count, one_of, symbol_list
from reactor.engine.endpoints.held import Map, Values
from reactor.errors import INVALID_FIELD, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.shown import quoted

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.codec.types import AnyValue

_EXPIRY = {
    "link-detach": 0,
    "session-end": 1,
    "connection-close": 2,
    "never": 3,
}
_EXPIRY_NAMES = {number: symbol(name) for name, number in _EXPIRY.items()}
_MODES = {0: None, 1: symbol("copy"), 2: symbol("move")}
_DURABILITIES = (0, 1, 2)
_NONE = 0  # as a durability, a timeout or a mode
_LONGEST = 0xFFFFFFFF  # seconds, the largest value of the field timeout


class Terminus:
    """One end of a link.

    type: SOURCE, TARGET, COORDINATOR, or UNSPECIFIED when the wire had null here (an anonymous target, or the
        mark of a refused attach).
    address: str, or None.
    durability: NONDURABLE (default), CONFIGURATION or DELIVERIES.
    expiry_policy: EXPIRE_WITH_LINK, EXPIRE_WITH_SESSION (default), EXPIRE_WITH_CONNECTION or EXPIRE_NEVER.
    timeout: seconds that the terminus lives on once its expiry began; int, default 0.
    dynamic: whether the peer shall make the node; default False.
    distribution_mode: DIST_MODE_UNSPECIFIED (default), DIST_MODE_COPY or DIST_MODE_MOVE; of sources only.
    default_outcome: the outcome of a delivery settled without a state: a Described, or None; of sources only.
    capabilities, outcomes: lists of symbols; properties, filter: dicts with symbol keys.
    """

    __slots__ = (
        "type",
        "_address",
        "durability",
        "expiry_policy",
        "timeout",
        "dynamic",
        "distribution_mode",
        "default_outcome",
        "_properties",
        "_filter",
        "_outcomes",
        "_capabilities",
        "__dict__",
    )

    UNSPECIFIED, SOURCE, TARGET, COORDINATOR = 0, 1, 2, 3
    NONDURABLE, CONFIGURATION, DELIVERIES = 0, 1, 2
    EXPIRE_WITH_LINK, EXPIRE_WITH_SESSION, EXPIRE_WITH_CONNECTION, EXPIRE_NEVER = 0, 1, 2, 3
    DIST_MODE_UNSPECIFIED, DIST_MODE_COPY, DIST_MODE_MOVE = 0, 1, 2

    def __init__(self, type: int) -> None:
        self.type = type
        self._address: Optional[str] = None
        self.durability = self.NONDURABLE
        self.expiry_policy = self.EXPIRE_WITH_SESSION
        self.timeout = 0
        self.dynamic = False
        self.distribution_mode = self.DIST_MODE_UNSPECIFIED
        self.default_outcome: Optional[Described] = None
        # Made at first use: most links have none of these, and there may be thousands of links.
        self._properties: Optional[Map] = None
        self._filter: Optional[Map] = None
        self._outcomes: Optional[Values] = None
        self._capabilities: Optional[Values] = None

    @property
    def address(self) -> Optional[str]:
        """The name of the node, or None. TypeError for a value that is neither a str nor None."""
        return self._address

    @address.setter
    def address(self, address: Optional[str]) -> None:
        if address is not None and not isinstance(address, str):
            raise TypeError("address must be a str or None, not %r" % (address,))
        self._address = address

    @property
    def properties(self) -> Map:
        """Properties of a dynamic node."""
        if self._properties is None:
            self._properties = Map()
        return self._properties

    @property
    def filter(self) -> Map:
        """Filters of a source by name: symbol -> Described."""
        if self._filter is None:
            self._filter = Map()
        return self._filter

    @property
    def outcomes(self) -> Values:
        """The outcomes that the link's ends know, as symbols."""
        if self._outcomes is None:
            self._outcomes = Values()
        return self._outcomes

    @property
    def capabilities(self) -> Values:
        """The capabilities of the node, offered or desired, as symbols, such as ``symbol("queue")``."""
        if self._capabilities is None:
            self._capabilities = Values()
        return self._capabilities

    def copy(self, src: Terminus) -> None:
        """Become equal to `src`; the type too."""
        for name in Terminus.__slots__[:-1]:
            value = getattr(src, name)
            setattr(self, name, type(value)(value) if isinstance(value, (Values, Map)) else value)

    def __repr__(self) -> str:
        kind = ("Terminus", "Source", "Target", "Coordinator")[self.type]
        extras = ", dynamic" if self.dynamic else ""
        address = "None" if self._address is None else quoted(self._address)
        return "%s(%s%s)" % (kind, address, extras)

    # -- the wire ----------------------------------------------------------------------------------------

    def to_wire(self) -> Optional[Described]:
        """The composite, or None for a terminus of type UNSPECIFIED.

        It has at least one field: some peers take a terminus without fields for none.
        """
        if self.type == self.UNSPECIFIED:
            return None
        if self.has_address_alone():
            alone: list[Any] = [None, self.NONDURABLE] if self._address is None else [self._address]
            return Described(TARGET if self.type == self.TARGET else SOURCE, alone)
        if self.type == self.COORDINATOR:
            none = Array(UNDESCRIBED, Data.SYMBOL)
            return Described(COORDINATOR, [_multiple("capabilities", self._capabilities) or none])
        expiry = one_of("expiry_policy", self.expiry_policy, _EXPIRY_NAMES)
        fields: list[Any] = [
            self._address,
            one_of("durability", self.durability, _DURABILITIES) or None,
            None if expiry == self.EXPIRE_WITH_SESSION else _EXPIRY_NAMES[expiry],
            count("timeout", self.timeout, _LONGEST) or None,
            bool(self.dynamic) or None,
            as_symbols(self._properties),
        ]
        if self.type == self.TARGET:
            return Described(TARGET, _not_empty(fields + [_multiple("capabilities", self._capabilities)]))
        fields += [
            _MODES[one_of("distribution_mode", self.distribution_mode, _MODES)],
            as_symbols(self._filter),
            self.default_outcome,
            _multiple("outcomes", self._outcomes),
            _multiple("capabilities", self._capabilities),
        ]
        return Described(SOURCE, _not_empty(fields))

    def is_plain(self) -> bool:
        """Whether there is nothing in it that might not be written."""
        return self.has_address_alone() and (self._address is None or self._address.isascii())

    def has_address_alone(self) -> bool:
        """Whether nothing but the address is set, as with most. By identity: a value of another type is looked into."""
        return (
            self.type is not self.COORDINATOR
            and self.durability is _NONE
            and self.expiry_policy is self.EXPIRE_WITH_SESSION
            and self.timeout is _NONE
            and self.dynamic is False
            and self.distribution_mode is _NONE
            and self.default_outcome is None
            and not (self._properties or self._filter or self._outcomes or self._capabilities)
        )

    def check(self) -> None:
        """Raise DataException, naming the field, when a value cannot be written."""
        wire = self.to_wire()
        if wire is not None:
            encode_composite(wire.descriptor, wire.value)

    @classmethod
    def from_wire(cls, value: AnyValue, default: int) -> Terminus:
        """Read a composite, or null; `default` is the type that belongs here, SOURCE or TARGET."""
        if value is None:
            return cls(cls.UNSPECIFIED)
        if not isinstance(value, Described) or not isinstance(value.value, list):
            raise RemoteProtocolError(INVALID_FIELD, "a terminus is not a composite: %s" % clipped(value), "session")
        if value.descriptor == COORDINATOR:
            terminus = cls(cls.COORDINATOR)
            terminus._capabilities = _values(value.value[0] if value.value else None)
            return terminus
        if value.descriptor not in (SOURCE, TARGET):
            raise RemoteProtocolError(INVALID_FIELD, "an unknown terminus: %s" % clipped(value.descriptor), "session")
        terminus = cls(cls.SOURCE if value.descriptor == SOURCE else cls.TARGET)
        if len(value.value) == 1 and value.value[0] is not None:  # the address alone, as with most
            terminus._address = str(value.value[0])
            return terminus
        fields = value.value + [None] * 11
        address, durability, expiry, timeout, dynamic, properties = fields[:6]
        terminus._address = None if address is None else str(address)
        terminus.durability = durability if durability in _DURABILITIES else 0
        terminus.expiry_policy = _EXPIRY.get(str(expiry), cls.EXPIRE_WITH_SESSION)
        terminus.timeout = timeout or 0
        terminus.dynamic = bool(dynamic)
        terminus._properties = _map(properties)
        if terminus.type == cls.TARGET:
            terminus._capabilities = _values(fields[6])
            return terminus
        mode = fields[6]
        terminus.distribution_mode = 0 if mode is None else 1 if mode == "copy" else 2 if mode == "move" else 0
        terminus._filter = _map(fields[7])
        terminus.default_outcome = fields[8] if isinstance(fields[8], Described) else None
        terminus._outcomes = _values(fields[9])
        terminus._capabilities = _values(fields[10])
        return terminus


def _not_empty(fields: list[Any]) -> list[Any]:
    """The fields of a terminus; if all are null, the durability has its default instead."""
    if fields.count(None) == len(fields):
        fields[1] = Terminus.NONDURABLE
    return fields


def _multiple(name: str, values: Optional[Values]) -> Any:
    """The names as they were put: a single one as itself, else a list. None for none."""
    names = symbol_list(name, values)
    return names[0] if names and values and len(names) == 1 and not values.listed else names


def _values(value: Any) -> Optional[Values]:
    """Read a field of multiple symbols: one value or an array [1.4]; brokers send lists as well."""
    if value is None:
        return None
    values = Values()
    values.put_object(value)
    return values


def _map(value: Any) -> Optional[Map]:
    return Map(value) if isinstance(value, dict) and value else None
