"""Why nothing moves: `reactor.explain(anything)` in a program, and ``python -m reactor.explain PID-or-URL`` from
outside of it.

The function is here, for all programs import it. It knows the endpoints of the engine; all other things that can be
explained have a method `explain()`.
"""

from __future__ import annotations

from reactor.codec.message import Message
from reactor.container import explain as rooms
from reactor.container.explain.explainer import PATIENCE, of_endpoint
from reactor.engine.events import EventBase
from reactor.engine.public import Connection, Delivery, Link, Session
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from reactor.container.explain.sentences import Explanation


def explain(thing: Any, patience: float = PATIENCE) -> Explanation:
    """Why nothing moves, in sentences that `print` writes one a line: the obstacles first, and "nothing stands in the
    way" where there is none.

    thing: a Container, Connection, Session, Sender, Receiver or Delivery, a message that came, an event, an object of
        the blocking calls, a World or one of its programs. TypeError for anything else.

    patience: seconds for the loop of a thing that belongs to another thread (1); after that the answer is where that
        loop stands.

    The state is read, and not changed.
    """
    if isinstance(thing, EventBase):
        thing = thing.context if isinstance(getattr(thing, "context", None), _KNOWN) else thing.container  # type: ignore[attr-defined]
    if isinstance(thing, Message) and thing.delivery is not None:
        thing = thing.delivery
    if not isinstance(thing, _KNOWN):
        method = getattr(thing, "explain", None)
        if method is None or isinstance(thing, type):
            text = "explain() takes a container, an endpoint, a delivery, a blocking object or a world, not %r"
            raise TypeError(text % (thing,))
        return method(patience)  # type: ignore[no-any-return]
    connection = thing.link.session.connection if isinstance(thing, Delivery) else thing
    connection = connection if isinstance(connection, Connection) else connection.connection
    explainer = connection.explainer
    if explainer is None:
        return of_endpoint(rooms.Look(), thing)
    return explainer.ask(lambda: explainer.of(thing), patience)  # type: ignore[no-any-return]


_KNOWN = (Connection, Session, Link, Delivery)
