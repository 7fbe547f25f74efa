"""The links that a message is sent and received over, as a message sees them: they stand far above it.

Messages enter; the endpoints of the engine look like this.
"""

from __future__ import annotations

from typing import Any, Optional, Protocol, TypeVar, Union


class Acknowledgeable(Protocol):
    """A delivery that a message came in."""

    def acknowledge(self, outcome: Any = None) -> None: ...


class Outgoing(Protocol):
    """A delivery that is being written."""

    def abort(self) -> None: ...

    def settle(self) -> None: ...


class Incoming(Protocol):
    """A delivery that can be read."""

    partial: bool

    @property
    def pending(self) -> int: ...

    def settle(self) -> None: ...


OutgoingDelivery = TypeVar("OutgoingDelivery", bound=Outgoing, covariant=True)
IncomingDelivery = TypeVar("IncomingDelivery", bound=Incoming, covariant=True)


class SendingLink(Protocol[OutgoingDelivery]):
    """A sender."""

    snd_settle_mode: int

    @property
    def SND_SETTLED(self) -> int: ...

    def delivery(self, tag: Union[str, bytes]) -> OutgoingDelivery: ...

    def delivery_tag(self) -> Union[str, bytes]: ...

    def stream(self, data: bytes) -> int: ...

    def advance(self) -> bool: ...


class ReceivingLink(Protocol[IncomingDelivery]):
    """A receiver."""

    remote_snd_settle_mode: int

    @property
    def SND_SETTLED(self) -> int: ...

    @property
    def is_sender(self) -> bool: ...

    @property
    def current(self) -> Optional[IncomingDelivery]: ...

    def recv(self, limit: int) -> Optional[bytes]: ...

    def advance(self) -> bool: ...
