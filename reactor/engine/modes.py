"""AcknowledgeMode: how the messages of a session, or of a receiver, are acknowledged: the modes of JMS.

Plain data. Settings and sessions enter here, and both APIs, to read a mode that an application has named. It knows no
link and no delivery.
"""

from __future__ import annotations

from enum import IntEnum

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Union


class AcknowledgeMode(IntEnum):
    """How messages are acknowledged; each has the number that it has in JMS (row J6).

    AUTO: each is accepted when `on_message` returns, or when a call has given it to the application.
    CLIENT: `message.acknowledge()` accepts all messages that the session has taken so far.
    DUPS_OK: as AUTO, several at a time and later: after a loss more messages may come twice.
    TRANSACTED: acknowledgements are part of the session's transaction.
    INDIVIDUAL: `message.acknowledge()` accepts that message alone.
    NONE: the sender settles what it sends (JMS has two numbers for it, 100 and 257). Each message comes once or never.
    """

    AUTO = 1
    CLIENT = 2
    DUPS_OK = 3
    TRANSACTED = 0
    INDIVIDUAL = 101
    NONE = 100

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, mode: Any, name: str = "acknowledge_mode") -> AcknowledgeMode:
        """The mode that `mode` stands for: a member, its name in any case (also that of JMS, such as
        ``"CLIENT_ACKNOWLEDGE"``), or its number.

        name: of the argument, for the error: a ValueError for a name or number of none, a TypeError for another type.
        """
        found: Any = None
        if isinstance(mode, str):
            found = _NAMES.get(mode.strip().upper().replace("-", "_").replace(" ", "_"))
        elif isinstance(mode, int) and not isinstance(mode, bool):
            found = _NUMBERS.get(mode)
        if found is None:
            error = ValueError if isinstance(mode, (str, int)) and not isinstance(mode, bool) else TypeError
            raise error("%s is one of %s, not %r" % (name, _POSSIBLE, mode))
        return found  # type: ignore[no-any-return]  # a member


if TYPE_CHECKING:
    #: A mode as applications may give it; None for none.
    Mode = Union[None, AcknowledgeMode, str, int]

AUTO = AcknowledgeMode.AUTO
CLIENT = AcknowledgeMode.CLIENT
DUPS_OK = AcknowledgeMode.DUPS_OK
TRANSACTED = AcknowledgeMode.TRANSACTED
INDIVIDUAL = AcknowledgeMode.INDIVIDUAL
NONE = AcknowledgeMode.NONE

_NUMBERS = {int(mode): mode for mode in AcknowledgeMode}
_NUMBERS[257] = AcknowledgeMode.NONE  # NO_ACKNOWLEDGE of Qpid JMS; 100 is that of Artemis [JMS, Configuration]

_NAMES = {mode.name: mode for mode in AcknowledgeMode}
_NAMES.update({mode.name + "_ACKNOWLEDGE": mode for mode in AcknowledgeMode})
_NAMES["SESSION_TRANSACTED"] = AcknowledgeMode.TRANSACTED
_NAMES["NO_ACKNOWLEDGE"] = _NAMES["PRE_ACKNOWLEDGE"] = AcknowledgeMode.NONE

_POSSIBLE = ", ".join("%s (%d)" % (mode.name, mode) for mode in AcknowledgeMode) + " and 257, which is NONE"
