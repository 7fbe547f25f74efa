"""Batches: several messages in one delivery, in the message-format 0x80013700.

Each data section of the body is one encoded message; the envelope has the message-id, the group-id and the partition
key of the first one [1]. Service Bus and Event Hubs take a batch apart when it arrives.

[1] azure-sdk-for-python, sdk/servicebus/azure-servicebus/azure/servicebus: _pyamqp/message.py (BatchMessage),
    _transport/_pyamqp_transport.py (set_batch_envelope_properties)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from reactor.codec.message import Message
from reactor.engine.public import Delivery, Sender
from reactor.errors import ILLEGAL_STATE, LocalProtocolError

#: The message-format of a batch.
BATCH_FORMAT = 0x80013700

_PARTITION_KEY = "x-opt-partition-key"
#: A data section has 5 bytes before its content, and 8 where that has 256 bytes or more [3.2.6, 1.6.19].
_SHORT, _LONG = 5, 8
#: The body of an empty message, an amqp-value of null.
_NO_BODY = 4


class Batch:
    """Messages for one delivery: ``sender.send(Batch(messages))``. One outcome is for all of them.

    messages: the first ones. max_size: bytes of the batch at most, such as `sender.remote_max_message_size`; 0
        (default) for no bound.

    It is durable where one of its messages is.

    ValueError for messages that are larger together; `add` returns False instead. `len()` counts the messages.
    """

    def __init__(self, messages: Iterable[Message] = (), max_size: int = 0) -> None:
        self.max_size = max_size
        self._parts: list[bytes] = []
        self._first: Optional[Message] = None
        self._size = self._envelope_size = 0
        self._durable = False
        for message in messages:
            if not self.add(message):
                text = "message %d does not fit: a batch is %d bytes at most; add() fills one as far as it goes"
                raise ValueError(text % (len(self) + 1, max_size))

    def add(self, message: Message) -> bool:
        """Add a message, as it is now; returns whether there was room for it."""
        if not isinstance(message, Message):
            raise TypeError("a batch has Messages, not %r" % (message,))
        part = message.encode()
        size = len(part) + (_SHORT if len(part) < 256 else _LONG)
        first = message if self._first is None else self._first
        durable, envelope = self._durable or bool(message.durable), self._envelope_size
        if not self._parts or durable is not self._durable:
            envelope = len(_envelope(first, durable).encode()) - _NO_BODY
        if 0 < self.max_size < self._size + size + envelope:
            return False
        self._first, self._durable, self._envelope_size = first, durable, envelope
        self._parts.append(part)
        self._size += size
        return True

    @property
    def size(self) -> int:
        """Bytes of the batch, as it is sent."""
        return self._size + self._envelope_size

    def to_bytes(self) -> bytes:
        """The batch in the format 0x80013700. ValueError for an empty one."""
        if self._first is None:
            raise ValueError("the batch is empty")
        envelope = _envelope(self._first, self._durable)
        envelope.data_sections = self._parts
        return envelope.encode()

    def send(self, sender: Sender, tag: Union[str, bytes, None] = None) -> Delivery:
        """Send it over a sender, as `sender.send(batch)` does. Raises as that does."""
        if sender.ledger is not None:
            text = "%r resumes its deliveries, and those of a batch cannot be resumed: send the messages one by one"
            raise LocalProtocolError(ILLEGAL_STATE, text % (sender,), "link")
        delivery: Any = sender.transmit(self.to_bytes(), tag)
        delivery.in_format(BATCH_FORMAT)
        sent: Delivery = delivery
        return sent

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Message]:
        return (Message.from_bytes(part) for part in self._parts)

    def __repr__(self) -> str:
        return "<Batch of %d messages, %d bytes>" % (len(self), self.size)


def messages_of(received: Any) -> Iterator[Message]:
    """The messages of a delivery: those of a batch, one after the other, and the one of any other delivery.

    received: the event of `on_message`; or a Message that came, as a blocking receiver returns it. DecodeError for a
    part that is no message.
    """
    message: Message = received if isinstance(received, Message) else received.message
    if getattr(received.delivery, "message_format", 0) != BATCH_FORMAT:
        yield message
        return
    for part in message.data_sections:
        yield Message.from_bytes(part)


def _envelope(first: Message, durable: bool) -> Message:
    """The sections before the bodies."""
    message = Message()
    if durable:
        message.durable = True
    if first.id is not None:
        message.id = first.id
    if first.group_id is not None:
        message.group_id = first.group_id
    key = (first.annotations or {}).get(_PARTITION_KEY)
    if key is not None:
        message.annotations = {_PARTITION_KEY: key}
    return message

