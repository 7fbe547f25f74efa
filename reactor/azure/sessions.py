"""Sessions of Azure Service Bus: messages of one group-id, which one receiver has at a time.

A receiver asks for a session by a filter on its source, `com.microsoft:session-filter`: the id of the session, or null
for the next one that is free. The answer has the id of that which it got in its own filter, and the end of its lock as
a property of the link [1].

[1] azure-sdk-for-python, sdk/servicebus/azure-servicebus/azure/servicebus/_transport/_pyamqp_transport.py
    (create_source, on_attach), _common/constants.py (SESSION_FILTER, SESSION_LOCKED_UNTIL, DATETIMEOFFSET_EPOCH)
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.types import symbol
from reactor.container.settings.options import Filter
from reactor.engine.public import Receiver

SESSION_FILTER = "com.microsoft:session-filter"
LOCKED_UNTIL = "com.microsoft:locked-until-utc"
#: The ticks of .NET, of 100 ns, from the year 1 to 1970.
_EPOCH, _TICKS = 621355968000000000, 10000000


class SessionFilter(Filter):
    """An option of a receiver: it gets the messages of one session, which it has alone.

    session_id: its id; None (default): that of the next session with messages and without a receiver.
    """

    def __init__(self, session_id: Optional[str] = None) -> None:
        if session_id is not None and not isinstance(session_id, str):
            raise TypeError("SessionFilter(): a session id is a str, or None for the next one, not %r" % (session_id,))
        super().__init__({symbol(SESSION_FILTER): session_id})


def session_id_of(receiver: Receiver) -> Optional[str]:
    """The id of the session that a receiver has got, as the peer's attach has it; None: none."""
    found = receiver.remote_source.filter.get_dict().get(symbol(SESSION_FILTER))
    return found if isinstance(found, str) else None


def session_locked_until(receiver: Receiver) -> Optional[float]:
    """The end of its lock, in seconds since 1970-01-01 UTC; None where the peer has not named it."""
    properties: dict[Any, Any] = receiver.remote_properties or {}
    ticks = properties.get(symbol(LOCKED_UNTIL))
    if isinstance(ticks, bool) or not isinstance(ticks, int):
        return None
    return (int(ticks) - _EPOCH) / _TICKS
