"""Our engine under the table."""

from __future__ import annotations

from typing import Any

import reactor
from reactor.codec.decode import read_value
from reactor.codec.encode import encode_value
from tests.conformance.engine import Codec, Engine
from tests.support.libraries import OURS, load


class OurCodec(Codec):
    """Values and messages by our codec."""

    types = load(OURS)

    def encode(self, value: Any) -> bytes:
        return encode_value(value)

    def decode(self, data: bytes) -> Any:
        value, end = read_value(data, 0, len(data))
        if end != len(data):
            raise ValueError(f"{len(data) - end} bytes behind the value")
        return value

    def message(self, data: bytes) -> Any:
        message = reactor.Message.from_bytes(data)
        for name in ("body", "properties", "annotations", "instructions", "footer", "id", "durable"):
            getattr(message, name)  # sections are decoded when they are looked at
        return message


class Ours(Engine):
    """Our engine, by its public names."""

    library = load(OURS)
    name = "amqp-reactor"
    codec = OurCodec

    def sasl(self, mechanisms: str, host: str = "", **options: Any) -> Any:
        layer = super().sasl(mechanisms, **options)
        layer.hostname = host or None
        return layer
