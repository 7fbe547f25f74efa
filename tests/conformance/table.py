"""What a row of the table is, and how one is run.

A row is a statement of the specification in our own words, with its section, how strongly it is said, its kind, and
a function that shows it. The function gets a Talk (talk.py) or, for what concerns encodings alone, a Codec
(engine.py); it returns when the statement holds and raises when it does not. It knows no engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

from tests.conformance.engine import Engine
from tests.conformance.talk import CLIENT, SERVER, Talk

#: How strongly a statement is said. IS: said without any of the words, as a definition; MAY: a promise of ours.
MUST, SHOULD, MAY, IS = "MUST", "SHOULD", "MAY", "IS"

#: Kinds. A duty is ours whatever the peer does; a tolerance is that a peer's fault or freedom does no harm; policing
#: is that a peer's fault is answered as the specification says.
DUTY, TOLERANCE, POLICING = "duty", "tolerance", "policing"
KINDS = (DUTY, TOLERANCE, POLICING)

#: The engine plays no part: values and messages alone.
CODEC = "codec"
BOTH = (CLIENT, SERVER)


class Row(NamedTuple):
    """One statement."""

    section: str
    strength: str
    text: str
    kind: str
    roles: tuple[str, ...]
    show: Callable[[Any], None]

    @property
    def id(self) -> str:
        """What exceptions call it."""
        return f"{self.section}-{self.show.__name__}"

    @property
    def group(self) -> str:
        """The section that the report counts it under: the first two numbers."""
        return ".".join(self.section.split(".")[:2])


ROWS: list[Row] = []


def row(
    section: str, strength: str, text: str, kind: str = DUTY, roles: tuple[str, ...] = BOTH
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Put a function into the table as the one that shows this statement."""

    def put(show: Callable[[Any], None]) -> Callable[[Any], None]:
        ROWS.append(Row(section, strength, text, kind, roles, show))
        return show

    return put


def codec(section: str, strength: str, text: str, kind: str = DUTY) -> Any:
    """The same for what is shown by encoding and decoding alone."""
    return row(section, strength, text, kind, (CODEC,))


class Fault(NamedTuple):
    """A row that does not hold, in which role, and why."""

    row: Row
    role: str
    reason: BaseException


def try_row(one: Row, role: str, engine: type[Engine]) -> Optional[Fault]:
    """Run one row in one role; None when it holds."""
    try:
        one.show(engine.codec() if role == CODEC else Talk(engine, role))
    except Exception as reason:
        return Fault(one, role, reason)
    return None


def try_all(engine: type[Engine]) -> Iterator[tuple[Row, list[Fault]]]:
    """Every row with its faults, none when it holds in all its roles."""
    for one in ROWS:
        yield one, [fault for role in one.roles if (fault := try_row(one, role, engine)) is not None]
