"""Endpoint: the common part of connection, session and link, above all their life cycle.

An endpoint has two halves, local and remote. Each goes from uninitialized over active to closed. The table LIFE is
the whole life cycle: a step that it lacks is a protocol error of the side that took it. Only `change` sets a state.
Endpoints hold the wishes of the application. The state of one wire (handles, channels, windows) lives in wire/ and is
replaced with the wire.
"""

from __future__ import annotations

from reactor.engine.endpoints.condition import Condition, as_condition
from reactor.engine.handler import Handler, PlanTable, changes, check_handler
from reactor.errors import ILLEGAL_STATE, LocalProtocolError, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.listing import Listed

if TYPE_CHECKING:
    from typing import Optional, Union

    from reactor.engine.interface import ParentInterface

# The numbers are the original's: programs print them, and mask them.
LOCAL_UNINIT, LOCAL_ACTIVE, LOCAL_CLOSED = 1, 2, 4
REMOTE_UNINIT, REMOTE_ACTIVE, REMOTE_CLOSED = 8, 16, 32

LOCAL_MASK = LOCAL_UNINIT | LOCAL_ACTIVE | LOCAL_CLOSED
REMOTE_MASK = REMOTE_UNINIT | REMOTE_ACTIVE | REMOTE_CLOSED

# The inputs of the life cycle: calls of the application, frames of the peer, and the end of either side without them.
LOCAL_OPEN, LOCAL_CLOSE, REMOTE_OPEN, REMOTE_CLOSE = "local open", "local close", "remote open", "remote close"
#: The local half closes without a call of the application: the endpoint has ended with the wire, or was made for a
#: handshake alone.
LOCAL_GONE = "local gone"
#: No answer of the peer will come any more: the endpoint counts as closed by the peer.
REMOTE_GONE = "remote gone"
#: The wire is lost, and with it the peer's half: another wire may come.
WIRE_LOST = "wire lost"

# (the half's state, the input) -> the half's next state. Equal to the first: allowed, and nothing happens.
# A passive side refuses an endpoint by a close without an open: the answer on the wire is an open and a close.
LIFE: dict[tuple[int, str], int] = {
    (LOCAL_UNINIT, LOCAL_OPEN): LOCAL_ACTIVE,
    (LOCAL_ACTIVE, LOCAL_OPEN): LOCAL_ACTIVE,
    (LOCAL_UNINIT, LOCAL_CLOSE): LOCAL_CLOSED,
    (LOCAL_ACTIVE, LOCAL_CLOSE): LOCAL_CLOSED,
    (LOCAL_CLOSED, LOCAL_CLOSE): LOCAL_CLOSED,
    (LOCAL_UNINIT, LOCAL_GONE): LOCAL_CLOSED,
    (LOCAL_ACTIVE, LOCAL_GONE): LOCAL_CLOSED,
    (LOCAL_CLOSED, LOCAL_GONE): LOCAL_CLOSED,
    (REMOTE_UNINIT, REMOTE_OPEN): REMOTE_ACTIVE,
    (REMOTE_ACTIVE, REMOTE_CLOSE): REMOTE_CLOSED,
    (REMOTE_UNINIT, REMOTE_GONE): REMOTE_CLOSED,
    (REMOTE_ACTIVE, REMOTE_GONE): REMOTE_CLOSED,
    (REMOTE_CLOSED, REMOTE_GONE): REMOTE_CLOSED,
    (REMOTE_UNINIT, WIRE_LOST): REMOTE_UNINIT,
    (REMOTE_ACTIVE, WIRE_LOST): REMOTE_UNINIT,
    (REMOTE_CLOSED, WIRE_LOST): REMOTE_UNINIT,
}

_LOCAL_INPUTS = (LOCAL_OPEN, LOCAL_CLOSE, LOCAL_GONE)


class Endpoint(Listed):
    """A connection, session or link. `state` is one int of LOCAL_* and REMOTE_* bits."""

    __slots__ = ("state", "plans", "parent", "held", "_condition", "remote_condition", "__dict__", "__weakref__")

    LOCAL_UNINIT = LOCAL_UNINIT
    REMOTE_UNINIT = REMOTE_UNINIT
    LOCAL_ACTIVE = LOCAL_ACTIVE
    REMOTE_ACTIVE = REMOTE_ACTIVE
    LOCAL_CLOSED = LOCAL_CLOSED
    REMOTE_CLOSED = REMOTE_CLOSED

    def __init__(self, parent: Optional[ParentInterface]) -> None:
        self.state = LOCAL_UNINIT | REMOTE_UNINIT
        self.plans: Optional[PlanTable] = None
        self.parent = parent
        self.held = False  # a session or a link: it has lost its place on the wire, and does not ask for a new one yet
        self._condition: Optional[Condition] = None
        self.remote_condition: Optional[Condition] = None

    def change(self, what: str) -> bool:
        """Take a step of the life cycle; returns whether the state changed.

        Raises LocalProtocolError or RemoteProtocolError when the table lacks the step.
        """
        mask = LOCAL_MASK if what in _LOCAL_INPUTS else REMOTE_MASK
        if what in (LOCAL_OPEN, LOCAL_CLOSE):
            self.check()
        before = self.state & mask
        after = LIFE.get((before, what))
        if after is None:
            if mask == LOCAL_MASK:
                raise LocalProtocolError(ILLEGAL_STATE, "%r was closed and cannot be opened again" % (self,))
            word = "opened twice" if what == REMOTE_OPEN else "closed without being open"
            raise RemoteProtocolError(ILLEGAL_STATE, "%s was %s by the peer" % (self.label(), word))
        self.state = self.state & ~mask | after
        return after != before

    def label(self) -> str:
        """The endpoint in a few words that are true on both sides: for texts that go to the peer."""
        return "the " + type(self).__name__.lower()

    def check(self) -> None:
        """Ask the connection's guard whether the application may make a call now; the guard raises if not."""
        if self.parent is not None:
            self.parent.check()

    @property
    def handler(self) -> Optional[object]:
        """The handler for the events of this endpoint and of those in it, instead of the container's. None (the
        default) leaves them to the next outer endpoint. TypeError for an object without `on_...` methods. A
        bare `object()` becomes a Handler, to which others can be added."""
        return None if self.plans is None else self.plans.handler

    @handler.setter
    def handler(self, handler: Optional[object]) -> None:
        if type(handler) is object:
            handler = Handler()
        self.plans = None if check_handler(handler, coroutines=True) is None else PlanTable(handler)
        changes[0] += 1

    @property
    def condition(self) -> Optional[Condition]:
        """The reason of this side's close, set before close(); None for no error."""
        return self._condition

    @condition.setter
    def condition(self, condition: Union[Condition, str, None]) -> None:
        self._condition = as_condition(condition)

    @property
    def is_blamed(self) -> bool:
        """Whether this side has closed it for an error of the peer. The application had the event at once, so the
        peer's own close makes none."""
        return self._condition is not None and self._condition is self.remote_condition

    @property
    def is_given_up(self) -> bool:
        """Whether the peer has closed it for an error of ours: it reads nothing more of this endpoint."""
        return self.remote_condition is not None and self.remote_condition is not self._condition

    def matches(self, mask: int) -> bool:
        """Whether the state agrees with `mask`; a half without a bit in the mask does not count."""
        local, remote = mask & LOCAL_MASK, mask & REMOTE_MASK
        return (not local or bool(self.state & local)) and (not remote or bool(self.state & remote))
