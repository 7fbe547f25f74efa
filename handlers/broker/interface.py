"""The broker and its links, as the parts of a broker see them.

A broker makes its links, its net and its alarms, and each of these also needs the broker. The arrows back end here,
so that no module imports the one above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional, Protocol

from handlers.broker.bounds import Bounds
from handlers.broker.nodes.directory import Directory, Node, Record
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.pool import Pool
from handlers.broker.nodes.subscriptions import Subscription
from handlers.broker.nodes.topic import Topic
from reactor import Handler


class LinkView(Protocol):
    """A BrokerLink, as the net sees it. struck: it has failed, and is about to be ended."""

    link: Any
    struck: bool

    def describe(self) -> str: ...
    def leave(self) -> None: ...


class AlarmsView(Protocol):
    """Alarms, as links see them."""

    def watch(self, node: Node, expires: float) -> None: ...
    def unwatch(self, queue: Queue) -> None: ...
    def attend(self, queue: Queue) -> None: ...


class NetView(Protocol):
    """The safety net, as links see it."""

    def strike(self, handler: LinkView, error: Exception) -> None: ...


class DoorsView(Protocol):
    """The doors, as links see them."""

    def identity(self, connection: Any) -> str: ...
    def permit(self, connection: Any, permission: str) -> Optional[Callable[[str, bool], None]]: ...
    def require(self, connection: Any, *choices: str) -> None: ...
    def require_dynamic(self, connection: Any) -> None: ...
    def require_manage(self, connection: Any) -> None: ...


class DurabilityView(Protocol):
    """Durability, as links see it."""

    def wants(self, node: Node, envelope: Any) -> bool: ...
    def put(
        self,
        queue: Any,
        envelope: Any,
        body: bytes,
        expires: float,
        done: Callable[[Any], None],
        replaces: int = 0,
        due: float = 0.0,
    ) -> None: ...
    def removed(self, number: int) -> None: ...
    def then(self, action: Callable[[], None]) -> None: ...
    def keep(self, queue: Any, kind: str, settings: Mapping[str, Any], instead: int = 0) -> None: ...
    def closed(self, queue: Any) -> None: ...


class SubscribingView(Protocol):
    """Subscribing, as links and the store see it."""

    def subscribe(self, link: Any, record: Record, topic: Topic) -> Subscription: ...
    def find(self, link: Any) -> Optional[Subscription]: ...
    def describe(self, subscription: Subscription, source: Any) -> None: ...
    def join(self, subscription: Subscription, link: Any) -> None: ...
    def leave(self, subscription: Subscription, link: Any, closed: bool) -> None: ...
    def restore(self, stored: Any) -> Optional[Queue]: ...


class DeskView(Protocol):
    """The management nodes, as attaching sees them."""

    def requests(self, link: Any) -> Any: ...
    def answers(self, link: Any) -> Any: ...


class BrokerView(Protocol):
    """A Broker, as its parts see it; each name is explained there."""

    capacity: int
    max_message_size: int
    refused: int
    bounds: Bounds
    pool: Pool
    directory: Directory

    @property
    def alarms(self) -> AlarmsView: ...

    @property
    def doors(self) -> DoorsView: ...

    @property
    def durability(self) -> Optional[DurabilityView]: ...

    @property
    def subscribing(self) -> SubscribingView: ...

    @property
    def desk(self) -> DeskView: ...

    @property
    def net(self) -> NetView: ...

    def now(self) -> float: ...
    def today(self) -> float: ...
    def call(self, timer: Handler, delay: float = 0.0) -> Any: ...
    def connections(self) -> list[Any]: ...
    def links_of(self, connection: Any) -> list[Any]: ...
    def forget_connection(self, connection: Any) -> None: ...
    def forget_link(self, handler: Any) -> None: ...
