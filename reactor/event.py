"""The events as applications know them: for type checkers, with the classes that their attributes lead to.

The engine makes events and knows no container, which is far above it; and no endpoint, because endpoints make events.
This room stands above all of them. As in reactor/engine/public.py, each class below is the class of that name and
nothing else, completed for type checkers: imports stay a tree, and at run time the names are the classes themselves.

The types are those of the methods that have something to do with them: `event.message` is a Message because it is one
in `on_message`, although it is None elsewhere.
"""

from __future__ import annotations

from reactor.engine import events
from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from typing import Optional

    from reactor.codec.message import Message
    from reactor.container.container import Container
    from reactor.container.sources import injector
    from reactor.container.transactions.transaction import Transaction
    from reactor.engine.public import Connection, Delivery, Link, Receiver, Sender, Session, Transport

    class EventBase(events.EventBase):
        container: Container

        @property
        def reactor(self) -> Container: ...

    class Event(EventBase, events.Event):
        message: Message

        @property
        def handler(self) -> Optional[object]: ...
        @property
        def transport(self) -> Transport: ...
        @property
        def connection(self) -> Connection: ...
        @property
        def session(self) -> Session: ...
        @property
        def link(self) -> Link: ...
        @property
        def sender(self) -> Sender: ...
        @property
        def receiver(self) -> Receiver: ...
        @property
        def delivery(self) -> Delivery: ...
        @property
        def transaction(self) -> Transaction: ...

    class ApplicationEvent(EventBase, injector.ApplicationEvent): ...

    class Collector(events.Collector):
        def peek(self) -> Optional[Event]: ...


if not TYPE_CHECKING:
    EventBase = events.EventBase
    Event = events.Event
    Collector = events.Collector
    __getattr__ = members(__name__, ApplicationEvent="reactor.container.sources.injector")
