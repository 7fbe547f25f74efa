"""python-qpid-proton's engine under the table. Importing this needs it to be installed."""

from __future__ import annotations

from typing import Any

from tests.conformance.engine import Codec, Engine
from tests.support.libraries import THEIRS, load, version


class OriginalCodec(Codec):
    """Values and messages by the original's codec."""

    types = load(THEIRS)

    def __init__(self) -> None:
        self._kept: list[Any] = []  # what it has decoded is a view into memory of a message that must live on

    def encode(self, value: Any) -> bytes:
        data = self.types.Data()
        data.put_object(value)
        return bytes(data.encode())

    def decode(self, data: bytes) -> Any:
        store = self.types.Data()
        taken = store.decode(data)
        if taken != len(data):
            raise ValueError(f"{len(data) - taken} bytes behind the value")
        store.rewind()
        store.next()
        return _plain(store.get_object())

    def message(self, data: bytes) -> Any:
        message = self.types.Message()
        message.decode(data)
        self._kept.append(message)
        return message


def _plain(value: Any) -> Any:
    """Views of octets as octets."""
    if isinstance(value, memoryview):
        return value.tobytes()
    return [_plain(item) for item in value] if type(value) is list else value


class Original(Engine):
    """The original's engine, by its public names."""

    library = load(THEIRS)
    name = f"{THEIRS} {version(THEIRS)}"
    codec = OriginalCodec
