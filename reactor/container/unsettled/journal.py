"""The journal of one link: the words of its ledger, as changes of a store of unsettled deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from reactor.codec.decode import read_value
from reactor.codec.encode import encode_value
from reactor.codec.types import Described
from reactor.container.unsettled.changes import Met, Sent, Settled, Taken, UnsettledStore
from reactor.errors import DecodeError, UnsettledError

if TYPE_CHECKING:
    from reactor.codec.types import AnyValue


class LinkJournal:
    """Implements the Journal of reactor/engine/endpoints/ledger.py.

    store: where the changes go. key: the link there. attached: whether the peer has ever attached it.
    """

    def __init__(self, store: UnsettledStore, key: str, attached: bool) -> None:
        self.store = store
        self.key = key
        self.attached = attached

    def met(self) -> None:
        """The peer has attached the link."""
        self.attached = True
        self.store.add(Met(self.key))

    def sent(self, tag: bytes, payload: bytes, counted: int) -> None:
        """A message was sent."""
        self.store.add(Sent(self.key, tag, payload, counted))

    def taken(self, tag: bytes, state: Optional[Described]) -> None:
        """A message that came has an outcome."""
        self.store.add(Taken(self.key, tag, encode_value(state)))

    def settled(self, tag: bytes) -> None:
        """A message is forgotten."""
        self.store.add(Settled(self.key, tag))

    def commit(self) -> None:
        """Keep all that, before a frame leaves."""
        self.store.commit()


def read_stored_state(state: bytes) -> AnyValue:
    """The state of a Taken. UnsettledError when it is none."""
    try:
        value, _ = read_value(state, 0, len(state))
    except DecodeError as error:
        raise UnsettledError("the store is damaged: an outcome in it cannot be read: %s" % error) from None
    return value
