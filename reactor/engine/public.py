"""The engine's classes as applications know them: one name for each, complete for type checkers.

A connection leads to its sessions, a session to its links, a link to its deliveries; and each of them back to its owner
and to the transport. Types that form a ring need modules that import one another in a ring, if only for type checkers
(TYPE_CHECKING), and imports are a tree here. A Protocol for each owner would break the ring, and give users a type that
is not the class they know: no isinstance, and no argument for a function of theirs that takes a Session. So the
modules below declare the types that lead downwards, and this room, which knows all of them, adds those that lead
upwards: for a type checker each class here is a subclass that redeclares a few attributes, and at run time it is the
class itself.

The container and everything above it import these names from here. The event, which leads to the container too, is
completed in the same way in reactor/event.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional, Union, overload

from reactor import errors
from reactor.codec.message import Message
from reactor.engine.endpoints import connection, delivery, link, receiver, sender, session
from reactor.engine.endpoints.disposition import DispositionType
from reactor.engine.wire import transport

if TYPE_CHECKING:

    class Connection(connection.Connection):
        transport: Optional[Transport]

        @property
        def connection(self) -> Connection: ...
        def session(self) -> Session: ...
        def sessions(self, mask: int) -> Iterator[Session]: ...
        def session_head(self, mask: int) -> Optional[Session]: ...
        def links(self, mask: int) -> Iterator[Link]: ...
        def link_head(self, mask: int) -> Optional[Link]: ...

    class Session(session.Session):
        connection: Connection

        @property
        def transport(self) -> Optional[Transport]: ...
        def sender(self, name: str) -> Sender: ...
        def receiver(self, name: str) -> Receiver: ...
        def links(self) -> Iterator[Link]: ...
        def next(self, mask: int) -> Optional[Session]: ...

    class Link(link.Link):
        session: Session

        @property
        def connection(self) -> Connection: ...
        @property
        def transport(self) -> Optional[Transport]: ...
        @property
        def current(self) -> Optional[Delivery]: ...
        @property
        def unsettled_deliveries(self) -> Iterator[Delivery]: ...
        @property
        def unsettled_head(self) -> Optional[Delivery]: ...
        def delivery(self, tag: Union[str, bytes]) -> Delivery: ...
        def next(self, mask: int) -> Optional[Link]: ...

    class Sender(Link, sender.Sender):
        @overload
        def send(self, obj: Message, tag: Union[str, bytes, None] = None) -> Delivery: ...
        @overload
        def send(self, obj: Union[bytes, bytearray, memoryview], tag: Union[str, bytes, None] = None) -> int: ...
        def send(
            self, obj: Union[Message, bytes, bytearray, memoryview], tag: Union[str, bytes, None] = None
        ) -> Union[Delivery, int]: ...

    class Receiver(Link, receiver.Receiver):
        incoming: deque[Delivery]  # type: ignore[assignment]  # to a checker a deque of other deliveries

    class Delivery(delivery.Delivery):
        link: Link

        @property
        def session(self) -> Session: ...
        @property
        def connection(self) -> Connection: ...
        @property
        def transport(self) -> Optional[Transport]: ...
        @property
        def unsettled_next(self) -> Optional[Delivery]: ...

    class Transport(transport.Transport):
        connection: Optional[Connection]

    class ConnectionClosed(errors.ConnectionClosed):
        connection: Connection

    class LinkDetached(errors.LinkDetached):
        link: Link

    class SendException(errors.SendException):
        state: Union[DispositionType, int]


if not TYPE_CHECKING:
    Connection = connection.Connection
    Session = session.Session
    Link = link.Link
    Sender = sender.Sender
    Receiver = receiver.Receiver
    Delivery = delivery.Delivery
    Transport = transport.Transport
    ConnectionClosed = errors.ConnectionClosed
    LinkDetached = errors.LinkDetached
    SendException = errors.SendException
