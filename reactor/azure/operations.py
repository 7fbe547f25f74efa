"""The operations of the node `$management` of an entity of Azure Service Bus: requests, and the reading of replies [1].

Each function makes an Operation, which a Management or a BlockingManagement asks for; its result is what the function
describes. It knows no link.

[1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-request-response
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from reactor.azure.settling import When, scheduled
from reactor.codec.data import Data
from reactor.codec.message import Message
from reactor.codec.types import UNDESCRIBED, Array, int32, long, uint
from reactor.errors import DecodeError
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import uuid
else:
    uuid = Lazily("uuid")

#: The receiver-settle-mode of messages that are locked, and of those that are gone when they have come.
_LOCKED, _GONE = 1, 0


class Operation(NamedTuple):
    """A request.

    name: such as ``"com.microsoft:peek-message"``. body: a dict. read: makes the result of the body of a reply, None
    for one without. may_be_empty: whether 204, no content, is a result.
    """

    name: str
    body: dict[str, Any]
    read: Callable[[Any], Any]
    may_be_empty: bool = False


class Locked(NamedTuple):
    """A deferred message, and its lock token (None where it was received for good)."""

    message: Message
    lock_token: Optional[uuid.UUID]


def peek(from_sequence_number: int = 1, count: int = 1, session_id: Optional[str] = None) -> Operation:
    """Look at messages without taking them. The result is a list of Messages, from that sequence number on."""
    body: dict[str, Any] = {"from-sequence-number": long(from_sequence_number), "message-count": int32(count)}
    if session_id is not None:
        body["session-id"] = session_id
    return Operation("com.microsoft:peek-message", body, _messages, True)


def schedule(messages: Iterable[Message], when: When) -> Operation:
    """Send messages that appear at a time. The result is the list of their sequence numbers, for `cancel_scheduled`.

    Each message has to have an id, a str: ValueError."""
    entries = []
    for message in messages:
        if not isinstance(message.id, str):
            raise ValueError("schedule(): each message has an id, a str: %r has none" % (message,))
        scheduled(message, when)
        entry: dict[str, Any] = {"message-id": message.id}
        if message.group_id is not None:
            entry["session-id"] = message.group_id
        for key in ("partition-key", "via-partition-key"):
            value = (message.annotations or {}).get("x-opt-" + key)
            if value is not None:
                entry[key] = value
        entry["message"] = message.encode()
        entries.append(entry)
    if not entries:
        raise ValueError("schedule(): there is no message")
    return Operation("com.microsoft:schedule-message", {"messages": entries}, _sequence_numbers)


def cancel_scheduled(*sequence_numbers: int) -> Operation:
    """Take scheduled messages back. The result is None."""
    return Operation("com.microsoft:cancel-scheduled-message", _numbers(sequence_numbers), _nothing)


def receive_deferred(*sequence_numbers: int, locked: bool = True, session_id: Optional[str] = None) -> Operation:
    """Take deferred messages by their sequence numbers. The result is a list of Locked. locked: whether they stay until
    they are completed; False: they are gone from the entity."""
    # The document says ubyte, and the client library of Microsoft sends a uint, which the service takes.
    body = {**_numbers(sequence_numbers), "receiver-settle-mode": uint(_LOCKED if locked else _GONE)}
    if session_id is not None:
        body["session-id"] = session_id
    return Operation("com.microsoft:receive-by-sequence-number", body, _locked, True)


def complete_deferred(*tokens: uuid.UUID, session_id: Optional[str] = None) -> Operation:
    """Messages with these lock tokens are done. The result is None."""
    return _disposition("completed", tokens, session_id)


def abandon_deferred(*tokens: uuid.UUID, session_id: Optional[str] = None) -> Operation:
    """Give locked messages back. The result is None."""
    return _disposition("abandoned", tokens, session_id)


def defer_again(*tokens: uuid.UUID, session_id: Optional[str] = None) -> Operation:
    """Defer locked messages. The result is None."""
    # So it is spelt: azure-sdk-for-python, .../azure/servicebus/_common/constants.py, SETTLEMENT_DEFER.
    return _disposition("defered", tokens, session_id)


def dead_letter_deferred(
    *tokens: uuid.UUID, reason: str = "", description: str = "", session_id: Optional[str] = None
) -> Operation:
    """Send locked messages to the dead-letter queue. The result is None."""
    operation = _disposition("suspended", tokens, session_id)
    operation.body.update({"deadletter-reason": reason, "deadletter-description": description})
    return operation


def renew_lock(*tokens: uuid.UUID) -> Operation:
    """Have more time for locked messages. The result is the list of their new ends, in seconds since 1970-01-01 UTC."""
    return Operation("com.microsoft:renew-lock", _tokens(tokens), _expirations)


def renew_session_lock(session_id: str) -> Operation:
    """Have more time for a session. The result is its new end, in seconds since 1970-01-01 UTC."""
    return Operation("com.microsoft:renew-session-lock", {"session-id": session_id}, _expiration)


# -- bodies ----------------------------------------------------------------------------------------------------


def _numbers(sequence_numbers: tuple[int, ...]) -> dict[str, Any]:
    if not sequence_numbers:
        raise ValueError("name the sequence number of a message, at least one")
    return {"sequence-numbers": Array(UNDESCRIBED, Data.LONG, *map(int, sequence_numbers))}


def _tokens(tokens: tuple[uuid.UUID, ...]) -> dict[str, Any]:
    if not tokens:
        raise ValueError("name the lock token of a message, at least one")
    for token in tokens:
        if not isinstance(token, uuid.UUID):
            raise TypeError("a lock token is a UUID, as lock_token(delivery) gives it, not %r" % (token,))
    return {"lock-tokens": Array(UNDESCRIBED, Data.UUID, *tokens)}


def _disposition(status: str, tokens: tuple[uuid.UUID, ...], session_id: Optional[str]) -> Operation:
    body = {"disposition-status": status, **_tokens(tokens)}
    if session_id is not None:
        body["session-id"] = session_id
    return Operation("com.microsoft:update-disposition", body, _nothing)


# -- replies: each raises DecodeError for a body of another form -----------------------------------------------


def _nothing(body: Any) -> None:
    return None


def _part(body: Any, key: str) -> list[Any]:
    """The values under a key, in a list or an array."""
    found = body.get(key) if isinstance(body, dict) else None
    if not isinstance(found, (list, tuple, Array)):
        raise DecodeError("the reply of $management has no %s" % key)
    return list(found)


def _whole_numbers(body: Any, key: str) -> list[int]:
    found = _part(body, key)
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in found):
        raise DecodeError("the %s in the reply of $management are no whole numbers" % key)
    return [int(one) for one in found]


def _entry(entry: Any) -> Message:
    payload = entry.get("message") if isinstance(entry, dict) else None
    if not isinstance(payload, (bytes, memoryview)):
        raise DecodeError("an entry of the reply of $management has no message")
    return Message.from_bytes(bytes(payload))


def _messages(body: Any) -> list[Message]:
    return [] if body is None else [_entry(entry) for entry in _part(body, "messages")]


def _locked(body: Any) -> list[Locked]:
    return [] if body is None else [Locked(_entry(one), one.get("lock-token")) for one in _part(body, "messages")]


def _sequence_numbers(body: Any) -> list[int]:
    return _whole_numbers(body, "sequence-numbers")


def _expirations(body: Any) -> list[float]:
    return [end / 1000 for end in _whole_numbers(body, "expirations")]


def _expiration(body: Any) -> float:
    end = body.get("expiration") if isinstance(body, dict) else None
    if not isinstance(end, int):
        raise DecodeError("the reply of $management has no expiration")
    return int(end) / 1000
