"""The fields of a message that a selector can ask for: application properties by their names, header and properties by
JMS's names or by AMQP's.

    colour               the application property "colour"
    JMSPriority          as a JMS client sees it (the AMQP JMS mapping): the header's priority
    amqp.subject         the field of the specification, as it is [3.2.1, 3.2.4]; times in milliseconds

Links enter, and queues by `selects`. The language itself is selector.py's. Here are also the filters of a source that
the broker applies.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Callable, Optional

from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.sections import APPLICATION_PROPERTIES, MOST_READ, PROPERTIES, opened
from handlers.broker.nodes.selector import Selector, SelectorError
from reactor import Described, Message, ReactorException

Getter = Callable[[Message], Any]

SELECTOR, SELECTOR_CODE = "apache.org:selector-filter:string", 0x0000_468C_0000_0004
"""The descriptor of a selector among the filters of a source, in both its forms."""

NO_LOCAL, NO_LOCAL_CODE = "apache.org:no-local-filter:list", 0x0000_468C_0000_0003
"""The same of the filter that leaves out the messages of the receiver's own container."""


class Selection:
    """A selector for messages. text: in the language of JMS selectors; raises SelectorError."""

    __slots__ = ("text", "_selector", "_getters")

    def __init__(self, text: str) -> None:
        self.text = text
        self._selector = Selector(text)
        self._getters = {name: _getter(name, text) for name in self._selector.names}

    def selects(self, entry: Entry) -> bool:
        """Whether the message in a queue fulfils the condition. Bytes that are no message do not, nor does one
        with properties that are too large to be looked into."""
        message = _message_of(entry)
        return message is not None and self.fits(message)

    def fits(self, message: Message) -> bool:
        """Whether the message fulfils the condition. One that cannot be decoded does not."""
        getters = self._getters
        try:
            return self._selector.selects(lambda name: getters[name](message))
        except ReactorException:
            return False


_seen: tuple[Any, Any, int, Optional[Message]] = (None, None, 0, None)
# The message that was looked at last: many selections look at a new one, in turn, and it is decoded once.


def _message_of(entry: Entry) -> Optional[Message]:
    """The message in a queue; None for bytes that are none, or that are not looked into."""
    global _seen
    count = entry.delivery_count if entry.redelivered else -1
    last, body, times, message = _seen
    if last is entry and body is entry.body and times == count:
        return message
    header = entry.envelope.first if count < 0 else entry.envelope.again(count, None, False)
    try:
        message = opened(header + entry.body, PROPERTIES, APPLICATION_PROPERTIES)
    except ReactorException:
        message = None
    if len(entry.body) <= MOST_READ:  # a larger one is not to be kept
        _seen = entry, entry.body, count, message
    return message


def selection_of(filters: Mapping[Any, Any]) -> tuple[Optional[Selection], dict[Any, Any]]:
    """The selection that a source asks for by its filters [3.5.8], and those filters that it is made of, as they came.

    The first selector counts. Raises SelectorError for one that is none.
    """
    for name, value in filters.items():
        if isinstance(value, Described) and value.descriptor in (SELECTOR, SELECTOR_CODE):
            if not isinstance(value.value, str):
                raise SelectorError("a selector is a string", repr(value.value), 0)
            return Selection(value.value), {name: value}
    return None, {}


def no_local_of(filters: Mapping[Any, Any]) -> dict[Any, Any]:
    """The filter of a source, as it came, that keeps messages of the receiver's own container from it; {} if none."""
    for name, value in filters.items():
        if isinstance(value, Described) and value.descriptor in (NO_LOCAL, NO_LOCAL_CODE):
            return {name: value}
    return {}


def _getter(name: str, text: str) -> Getter:
    """The function that reads an identifier."""
    getter = _FIELDS.get(name)
    if getter is not None:
        return getter
    if name.startswith("amqp."):
        known = ", ".join(sorted(field for field in _FIELDS if field.startswith("amqp.")))
        raise SelectorError(f"{name!r} is no field; there are {known}", text, text.find(name))
    if name in _CLOSED:
        why = f"JMS lets no selector ask for {name!r}; {_CLOSED[name]} is its AMQP name"
        raise SelectorError(why, text, text.find(name))
    return lambda message: (message.properties or {}).get(name)


def _milliseconds(seconds: float) -> Any:
    """A time as it travels; Message gives 0.0 for one that is not there."""
    return round(seconds * 1000) if seconds else None


def _sequence(message: Message) -> Any:
    """The number in a group, which nothing has that is in no group."""
    return None if message.group_id is None else message.group_sequence


def _identifier(value: Any, prefix: str) -> Any:
    """A message id as JMS writes it: a string, with its AMQP type in the prefix."""
    if value is None:
        return None
    if isinstance(value, uuid.UUID):
        return f"ID:AMQP_UUID:{value}"
    if isinstance(value, bytes):
        return f"ID:AMQP_BINARY:{value.hex().upper()}"
    if isinstance(value, int):
        return f"ID:AMQP_ULONG:{int(value)}"
    return value if value.startswith("ID:") or not prefix else prefix + value


def _user(message: Message) -> Any:
    user = message.user_id
    return user.decode("utf-8", "replace") if user else None


_FIELDS: dict[str, Getter] = {
    "JMSDeliveryMode": lambda message: "PERSISTENT" if message.durable else "NON_PERSISTENT",
    "JMSPriority": lambda message: message.priority,
    "JMSMessageID": lambda message: _identifier(message.id, "ID:AMQP_NO_PREFIX:"),
    "JMSTimestamp": lambda message: _milliseconds(message.creation_time),
    "JMSCorrelationID": lambda message: _identifier(message.correlation_id, ""),
    "JMSType": lambda message: message.subject,
    "JMSXGroupID": lambda message: message.group_id,
    "JMSXGroupSeq": _sequence,
    "JMSXUserID": _user,
    "JMSXDeliveryCount": lambda message: message.delivery_count + 1,
    "amqp.durable": lambda message: message.durable,
    "amqp.priority": lambda message: message.priority,
    "amqp.ttl": lambda message: _milliseconds(message.ttl),
    "amqp.first_acquirer": lambda message: message.first_acquirer,
    "amqp.delivery_count": lambda message: message.delivery_count,
    "amqp.message_id": lambda message: _plain(message.id),
    "amqp.user_id": _user,
    "amqp.to": lambda message: message.address,
    "amqp.subject": lambda message: message.subject,
    "amqp.reply_to": lambda message: message.reply_to,
    "amqp.correlation_id": lambda message: _plain(message.correlation_id),
    "amqp.content_type": lambda message: message.content_type,
    "amqp.content_encoding": lambda message: message.content_encoding,
    "amqp.absolute_expiry_time": lambda message: _milliseconds(message.expiry_time),
    "amqp.creation_time": lambda message: _milliseconds(message.creation_time),
    "amqp.group_id": lambda message: message.group_id,
    "amqp.group_sequence": _sequence,
    "amqp.reply_to_group_id": lambda message: message.reply_to_group_id,
}


def _plain(value: Any) -> Any:
    """An id as a string or a number, which is all that a selector can write."""
    return str(value) if isinstance(value, uuid.UUID) else value


#: Header fields that JMS has and keeps out of selectors (3.8.1.1) -> the name that works.
_CLOSED = {
    "JMSDestination": "amqp.to",
    "JMSReplyTo": "amqp.reply_to",
    "JMSExpiration": "amqp.absolute_expiry_time",
    "JMSRedelivered": "amqp.first_acquirer",
}
