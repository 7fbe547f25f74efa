"""Conditions: the parts of a selector, compiled, each a function of a row.

The parser (selector.py) enters. A row is a look-up from identifiers to values. None is unknown; Python's own True,
False and numbers are the rest: of the AMQP types all integers are ints, float and double are floats, symbols and chars
are strings. Values of other types (binary, lists) are like nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from typing import Any, Callable, Optional

Row = Callable[[str], Any]
Value = Callable[[Row], Any]


def constant(value: Any) -> Value:
    """A literal."""
    return lambda row: value


def looked_up(name: str) -> Value:
    """An identifier."""
    return lambda row: row(name)


def is_null(value: Value, wanted: bool) -> Value:
    """IS NULL; wanted: False for IS NOT NULL."""
    return lambda row: (value(row) is None) is wanted


def negated(condition: Value) -> Value:
    """NOT: unknown stays unknown."""
    def outcome(row: Row) -> Optional[bool]:
        value = condition(row)
        return not value if isinstance(value, bool) else None

    return outcome


def all_of(conditions: Sequence[Value]) -> Value:
    """AND: false if one is false, else unknown if one is unknown."""
    def outcome(row: Row) -> Optional[bool]:
        known = True
        for condition in conditions:
            value = condition(row)
            if value is False:
                return False
            known = known and value is True
        return True if known else None

    return outcome


def any_of(conditions: Sequence[Value]) -> Value:
    """OR: true if one is true, else unknown if one is unknown."""
    def outcome(row: Row) -> Optional[bool]:
        known = True
        for condition in conditions:
            value = condition(row)
            if value is True:
                return True
            known = known and value is False
        return False if known else None

    return outcome


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def compared(left: Value, sign: str, right: Value) -> Value:
    """A comparison: numbers with numbers of any type, else like with like."""
    compare = _COMPARISONS[sign]
    ordered = sign not in ("=", "<>")

    def outcome(row: Row) -> Optional[bool]:
        one, other = left(row), right(row)
        if one is None or other is None:
            return None
        if _is_number(one):
            return compare(one, other) if _is_number(other) else False
        if ordered:
            return False  # strings and booleans have no order
        if isinstance(one, str):
            return compare(str(one), str(other)) if isinstance(other, str) else False
        if isinstance(one, bool):
            return compare(one, other) if isinstance(other, bool) else False
        return False  # values of types that are unlike are never equal, and never unequal

    return outcome


def member(value: Value, values: Sequence[Any]) -> Value:
    """IN."""
    strings = frozenset(item for item in values if isinstance(item, str))
    numbers = frozenset(item for item in values if not isinstance(item, str))

    def outcome(row: Row) -> Optional[bool]:
        one = value(row)
        if one is None:
            return None
        if isinstance(one, str):
            return str(one) in strings
        return _is_number(one) and one in numbers

    return outcome


def _divided(one: Any, other: Any) -> Any:
    if isinstance(one, int) and isinstance(other, int):
        if not other:
            return None
        quotient = abs(one) // abs(other)
        return quotient if (one < 0) is (other < 0) else -quotient
    if other:
        return one / other
    if not one or one != one or other != other:
        return math.nan
    return math.inf if math.copysign(1.0, one) == math.copysign(1.0, other) else -math.inf


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
}

_LARGEST = 1 << 63
"""Integers stay within 64 bits, as Java's do; a result outside is unknown. It keeps a product from growing for ever."""


def calculated(first: Value, steps: Sequence[tuple[Callable[[Any, Any], Any], Value]]) -> Value:
    def outcome(row: Row) -> Any:
        result = first(row)
        for step, value in steps:
            other = value(row)
            if not (_is_number(result) and _is_number(other)):
                return None
            try:
                result = step(result, other)
            except OverflowError:  # of an integer that no float can hold
                return None
            if isinstance(result, int) and not -_LARGEST <= result < _LARGEST:
                return None
        return result

    return outcome


# -- LIKE ---------------------------------------------------------------------------------------------------


def segments_of(pattern: str, escape: str) -> list[list[Optional[str]]]:
    """The pattern between its % signs: each segment a list of characters, None for _ which is any one."""
    segments: list[list[Optional[str]]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            character = next(characters, "")
            if character not in (escape, "%", "_"):
                raise ValueError(f"in a pattern {escape!r} stands before %, _ or itself")
            segments[-1].append(character)
        elif character == "%":
            segments.append([])
        else:
            segments[-1].append(None if character == "_" else character)
    return segments


def like(value: Value, segments: Sequence[Sequence[Optional[str]]]) -> Value:
    """The first segment begins the text, the last one ends it, those between follow each other: the leftmost place of
    each is the best one, so that no place is tried twice for one segment."""
    sizes = [len(segment) for segment in segments]
    shapes = [
        re.compile("".join("." if one is None else re.escape(one) for one in segment), re.DOTALL)
        for segment in segments
    ]
    first, last, between = shapes[0], shapes[-1], shapes[1:-1]
    alone = len(segments) == 1
    least = sum(sizes)

    def outcome(row: Row) -> Optional[bool]:
        text = value(row)
        if text is None:
            return None
        if not isinstance(text, str) or len(text) < least or not first.match(text):
            return False
        if alone:
            return len(text) == least
        at, end = sizes[0], len(text) - sizes[-1]
        if not last.match(text, end):
            return False
        for shape in between:
            match = shape.search(text, at, end)
            if match is None:
                return False
            at = match.end()
        return True

    return outcome
