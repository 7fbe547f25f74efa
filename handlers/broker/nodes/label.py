"""Labels: the annotations by which RabbitMQ 4 says how a message was routed, `x-exchange` and `x-routing-key`.

Messages that are sent to an address in its form (v2) get them, as its clients read them without asking whether they are
there [rabbitmq.com/docs/amqp#message-annotations]. Others pass as they came.
"""

from __future__ import annotations

from typing import Optional
from urllib.parse import unquote

from handlers.broker.nodes.envelope import annotated
from handlers.broker.nodes.sections import PROPERTIES, TooLarge, opened
from reactor import Message, ReactorException, symbol

_EMPTY = b"\x00\x53\x77\x40"
"""The body that a message without one has."""

_ANNOTATIONS = b"\x00\x53\x72"


class Label:
    """The label of messages for one address. key: None for the subject of each."""

    __slots__ = ("exchange", "key", "_section")

    def __init__(self, exchange: str, key: Optional[str]) -> None:
        self.exchange = exchange
        self.key = key
        self._section = b"" if key is None else _section(exchange, key)

    def on(self, body: bytes) -> bytes:
        """`body`, a message without its header, with the label. Raises TooLarge where its key is not looked for."""
        key = self.key
        if key is None:
            try:
                key = opened(body, PROPERTIES).subject or ""
            except TooLarge:  # it goes nowhere else than it should
                raise
            except ReactorException:  # it is no message, and gets no label
                return body
        if body.startswith(_ANNOTATIONS):
            return annotated(body, _annotations(self.exchange, key)) or body
        return (self._section or _section(self.exchange, key)) + body


def label_of(address: Optional[str]) -> Optional[Label]:
    """The label for an address: `/queues/NAME`, `/exchanges/NAME`, `/exchanges/NAME/KEY`; None for any other."""
    if not address or not address.startswith(("/queues/", "/exchanges/")):
        return None
    _, kind, name, *key = address.split("/", 3)
    if kind == "queues":
        return Label("", unquote("/".join([name, *key])))
    return Label(unquote(name), unquote(key[0]) if key else None)


def _annotations(exchange: str, key: str) -> dict[str, str]:
    return {"x-exchange": exchange, "x-routing-key": key}


def _section(exchange: str, key: str) -> bytes:
    annotations = {symbol(name): value for name, value in _annotations(exchange, key).items()}
    message = bytes(Message(annotations=annotations).encode())
    start = message.index(_ANNOTATIONS)
    return message[start : message.rindex(_EMPTY)]
