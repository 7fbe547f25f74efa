"""The broker: its connections, its nodes, and the parts that serve them.

An application on the public API, like any other: a MessagingHandler that accepts connections and gives each
link that it accepts a handler of its own (links.py), which does the work from then on. Links are accepted or refused
in attaching.py; the node of an address is decided in directory.py, the consumer of a message in node.py.

Its promises:

* A message is accepted when it is in its queue, and leaves it when a consumer has accepted it. A restart loses it,
  unless it is durable and there is a store: then it is accepted when it is on disk (durability.py).
* A queue delivers in the order of arrival, or by its policy in that of priorities, groups or last values.
* Released messages come back uncounted; failed ones, and those of a consumer that is gone, with their delivery
  count raised; each in its original place, at once or after the delay of the policy. A consumer that settles without
  an outcome has accepted, unless the default-outcome of its source is another one.
* A message to a topic without subscriptions is accepted and dropped. A subscription ends when its link is closed, or
  when its terminus expires (subscribing.py).
* Rejected and expired messages, and others by the policy of their queue, go to its dead letter address, or are dropped;
  they are counted.
* A selector among the filters of a source is applied: to waiting messages, and at a topic to new ones. A bad one
  refuses the link. At a topic no-local is, too (subscribing.py). Any other filter is not applied and therefore not
  echoed: the client can see that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Callable, Optional, Union

from handlers import MessagingHandler
from handlers.broker.access.doors import Doors
from handlers.broker.access.failures import Failures
from handlers.broker.access.users import UserSource
from handlers.broker.alarms import Alarms
from handlers.broker.attaching import UNAUTHORIZED, Attaching
from handlers.broker.bounds import Bounds, check_times
from handlers.broker.dead_letters import DeadLetters
from handlers.broker.durability import Durability
from handlers.broker.ending import SHUTTING_DOWN, Ending
from handlers.broker.links import BrokerLink
from handlers.broker.management.actions import Actions
from handlers.broker.management.desk import Desk
from handlers.broker.net import BrokerTimer, Net
from handlers.broker.nodes.directory import Directory, Record, Refused
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import Names, Policies, Policy, named
from handlers.broker.nodes.pool import Pool
from handlers.broker.nodes.statistics import BrokerStatistics, NodeStatistics, Past, overview, statistics
from handlers.broker.resuming import Resuming
from handlers.broker.store.interface import Store
from handlers.broker.store.sqlite import SqliteStore
from handlers.broker.subscribing import Subscribing
from handlers.broker.transactions.transactions import Transactions
from handlers.broker.web.server import WebServer
from reactor import Condition, Handler, Limits, SSLDomain, Transport, __version__, symbol
from reactor.telemetry import log_fields

log = logging.getLogger("handlers.broker")

MEBIBYTE = 1024 * 1024

TOO_MANY = "amqp:resource-limit-exceeded"

PRODUCT = f"amqp-reactor broker {__version__}"

OFFERED = ("ANONYMOUS-RELAY", "SHARED-SUBS", "DELAYED_DELIVERY", "LINK_PAIR_V1_0")
"""Capabilities of its connections."""

TOKEN_SIZE = 16
"""Bytes of chance in the address of a dynamic node."""


class Broker(MessagingHandler):
    """Serves queues and topics to its clients: `Container(Broker("amqp://127.0.0.1:5672")).run()`.

    urls: where to listen: one or several; none if the program listens by itself.
    queues, topics: nodes that are there from the beginning: their names, or their policies by name.
    policies: of the other nodes, by the pattern of the name (`jobs.*`); the first that fits holds.
    auto_create: whether attaching or sending to an unknown address makes a queue (True); else it is refused
        with amqp:not-found.
    topic_prefixes: unknown addresses that begin with one of these, or fit one that is a pattern (`*.events`, `log.?`),
        become topics, without the capability `topic` being asked for.
    max_queue_bytes: bytes that a queue holds before its producers get no more credit; 0 for no bound. They go on
        when half of it is free. Default 256 MiB.
    max_message_size: bytes; a larger one ends its link with amqp:link:message-size-exceeded; 0 for no bound.
        Default 100 MiB.
    max_total_bytes: bytes that all queues hold together before no producer gets any more credit; 0 for no bound.
        Default 1 GiB.
    max_partial_bytes: bytes of messages that have come in part, of all connections; a link that exceeds it ends with
        amqp:resource-limit-exceeded; 0 for no bound. Default 256 MiB.
    max_connections: one more is refused with amqp:resource-limit-exceeded; 0 for no bound. Default 2,000.
    max_connections_per_user: the same for those of one user (clients without a name are one); 0 (default) for no bound.
    max_nodes: queues and topics; if all are in use, another one is refused with amqp:resource-limit-exceeded; 0 for no
        bound. Default 20,000.
    max_nodes_per_connection: those of them that one connection has had made by attaching or sending to them; one more
        is refused in the same way; 0 (default) for no bound.
    max_failed_logins: log-ins of one user that may fail at once from one address, and then one each six seconds; more
        fail without a look at the password. 0 for no bound. Default 10.
    product: its name and its version, as clients are shown them. Those of RabbitMQ refuse servers of other names: for
        them it is "RabbitMQ 4.1.0".
    idle_timeout: seconds without a byte after which a connection counts as lost; 0 for never. Default 60.
    stop_timeout: seconds for messages under way to get their outcomes, when it is asked to stop (an application event
        `shutdown`); producers have no credit then, and consumers get no more. Default 0: it stops at once.
    open_timeout, write_timeout: seconds for a client to open its connection, and for it to read some of the waiting
        bytes; None (default) for the container's own: 30 and 60.
    limits: the most that is taken of a client. `max_message_size` may not be larger than the buffer of one delivery.
    users: the file of the users, as `amqp-broker user` makes it, or a mapping of names to their passwords or verifiers
        (ScramSecret); clients then have to log in. None (default): there are none. ValueError for a file that cannot be
        read. It is read again when it has changed.
    permissions: by user (`*`: every one) and permission: {"alice": {"send": ["jobs"], "receive": ["news.*"]}}; see the
        README. None (default): a client that is let in may do all.
    anonymous: whether clients that prove no name are let in. None (default): where there are neither users nor client
        certificates, on loopback addresses alone. ValueError if it listens for others, and can tell no client from
        another: it has to be asked for.
    ssl_domain: the settings of TLS for the urls with `amqps`; one that verifies lets clients in by their certificates
        (EXTERNAL). None: those of the container, `container.ssl.server`.
    transaction_timeout: seconds after which a transaction that was not discharged is rolled back; 0 for never. Default
        300.
    max_transactions: one more is refused with amqp:resource-limit-exceeded; 0 for no bound. Default 1,000.
    max_transaction_bytes: bytes of the messages that wait in all transactions together; one more is rejected, and its
        transaction can only be rolled back; 0 for no bound. Default 256 MiB.
    store: the file in which durable messages of queues and durable subscriptions are kept, made where there is none,
        or a Store; None (default): all is in memory, and gone with the process. StoreError if it cannot be opened.
        `close` lets go of it.
    web: where the web page and the metrics are: HOST:PORT of this machine, or True for a free port; None (default):
        nowhere. `web_url` is its URL. It has threads of its own (web/server.py).
    metrics_nodes: how many queues and topics have numbers of their own among the metrics. Default 1,000.
    on_listening: called with (url, acceptor) for each place it listens on.
    """

    def __init__(
        self,
        urls: Iterable[str] = (),
        *,
        queues: Names = (),
        topics: Names = (),
        policies: Optional[Mapping[str, Policy]] = None,
        auto_create: bool = True,
        topic_prefixes: Sequence[str] = (),
        max_queue_bytes: int = 256 * MEBIBYTE,
        max_message_size: int = 100 * MEBIBYTE,
        max_total_bytes: int = 1024 * MEBIBYTE,
        max_partial_bytes: int = 256 * MEBIBYTE,
        max_connections: int = 2000,
        max_connections_per_user: int = 0,
        max_nodes: int = 20_000,
        max_nodes_per_connection: int = 0,
        max_failed_logins: int = 10,
        idle_timeout: float = 60.0,
        stop_timeout: float = 0.0,
        product: str = PRODUCT,
        open_timeout: Optional[float] = None,
        write_timeout: Optional[float] = None,
        limits: Optional[Limits] = None,
        users: Optional[UserSource] = None,
        permissions: Optional[Mapping[str, Any]] = None,
        anonymous: Optional[bool] = None,
        ssl_domain: Optional[SSLDomain] = None,
        transaction_timeout: float = 300.0,
        max_transactions: int = 1000,
        max_transaction_bytes: int = 256 * MEBIBYTE,
        store: Union[Store, str, PathLike[str], None] = None,
        web: Union[str, bool, None] = None,
        metrics_nodes: int = 1000,
        on_listening: Optional[Callable[[str, Any], None]] = None,
    ) -> None:
        super().__init__(prefetch=0, auto_accept=False, auto_settle=False)
        self.urls = [urls] if isinstance(urls, str) else list(urls)
        self.capacity, self.max_message_size = max_queue_bytes, max_message_size
        check_times(idle_timeout=idle_timeout, stop_timeout=stop_timeout, transaction_timeout=transaction_timeout)
        check_times(open_timeout=open_timeout, write_timeout=write_timeout)
        self.idle_timeout = idle_timeout
        self.stop_timeout = stop_timeout
        self.product = product
        self.doors = Doors(users, permissions, anonymous, ssl_domain, self.urls, max_failed_logins)
        self._bounds = {"open_timeout": open_timeout, "write_timeout": write_timeout, "limits": limits}
        buffered = (limits or Limits()).max_buffered_delivery_bytes
        if 0 < buffered < max_message_size:
            text = "max_message_size is %d, and limits.max_buffered_delivery_bytes allows %d"
            raise ValueError(text % (max_message_size, buffered))
        self.refused = 0  # messages that reached no node
        self.past = Past()
        self.acceptors: list[Any] = []
        self.bounds = Bounds(max_connections, max_partial_bytes, max_connections_per_user)
        self.pool = Pool(max_total_bytes)
        self.dead_letters = DeadLetters(self)
        among = self._evict, self.pool, max_nodes, Policies(policies), self.dead_letters, max_nodes_per_connection
        self.directory = Directory(max_queue_bytes, auto_create, topic_prefixes, *among)
        self._declare("queue", queues)
        self._declare("topic", topics)
        self._on_listening = on_listening
        self._container: Any = None
        # By connection, in the order of their coming: a run shall be repeatable.
        self._links: dict[Any, dict[BrokerLink, None]] = {}
        self.resuming = Resuming(self)
        self.subscribing = Subscribing(self)
        self.transactions = Transactions(self, transaction_timeout, max_transactions, max_transaction_bytes)
        self.attaching = Attaching(self)
        self.alarms = Alarms(self)
        self.actions = Actions(self)
        self.desk = Desk(self, self.actions)
        self.failures = Failures(self.now, lambda tell, delay: self.call(BrokerTimer("log-ins that fail", tell), delay))
        self.ending = Ending(self)
        self.net = Net(self)
        self.metrics_nodes = metrics_nodes
        self.web = WebServer(self, web) if web else None
        self.durability: Optional[Durability] = None
        if store is not None:
            opened = SqliteStore(store) if isinstance(store, (str, PathLike)) else store
            self.durability = Durability(self, opened)

    def _declare(self, kind: str, nodes: Names) -> None:
        for name, policy in named(nodes):
            try:
                self.directory.declare(name, kind, policy)
            except Refused as refusal:
                raise ValueError(f"the {kind} {name!r}: {refusal}") from None

    # -- for the program around it

    def statistics(self, name: str) -> NodeStatistics:
        """The node `name` at this moment. May be asked from any thread; the numbers may be a turn apart."""
        return statistics(name, self.directory.records.get(name))

    @property
    def internal_errors(self) -> int:
        """How often a handler of the broker, or the library under it, has raised an unexpected exception: each was
        logged, and ended a link or a connection with amqp:internal-error. 0, if all is well."""
        return self.net.errors

    def overview(self, records: Optional[Sequence[Record]] = None) -> BrokerStatistics:
        """The whole broker at this moment. May be asked from any thread; the numbers may be a turn apart.

        records: those that are counted, all by default.
        """
        links = sum(len(links) for links in list(self._links.values()))
        counted = list(self.directory.records.values()) if records is None else records
        return overview(counted, len(self._links), links, self.refused, self.net.errors, self.transactions.counts)

    def now(self) -> float:
        """The time by which messages expire."""
        return float(self._container.mark())

    def today(self) -> float:
        """The date, in seconds since 1970, by which stored messages expire."""
        return float(self._container.today())

    def names(self) -> list[str]:
        """The names of the nodes, from any thread."""
        return list(self.directory.records)

    @property
    def web_url(self) -> str:
        """Where the web page is; "" without one, and before the broker runs."""
        return "" if self.web is None else self.web.url

    def shut_down(self, patience: float = 1.0) -> bool:
        """Listen no more, close every connection with amqp:connection:forced, and stop the container then.

        patience: seconds to wait for peers that do not answer. Returns whether there are any.
        """
        self.stop_listening()
        self.ending.begun = True
        self.failures.tell()
        if self.web is not None:
            self.web.stop()
        self.dead_letters.finish()
        if self.durability is not None:
            self.durability.commit()  # the senders get their outcomes
        for connection in list(self._links):
            connection.condition = Condition("amqp:connection:forced", SHUTTING_DOWN)
            connection.close()
        if self._links:
            self._container.schedule(patience, BrokerTimer("end of patience", self._container.stop))
        return bool(self._links)

    def close(self) -> None:
        """Let go of the store, and end the web page, when the container has stopped. Harmless when repeated."""
        if self.web is not None:
            self.web.stop()
        if self.durability is not None:
            self.durability.store.close()

    def on_shutdown(self, event: Any) -> None:
        """The application event by which another thread asks for it: in good order, see `stop_timeout`."""
        self.ending.begin(self.stop_timeout)

    def on_abandon(self, event: Any) -> None:
        """The application event by which it stops at once, whatever is under way."""
        self.ending.begin(0.0)

    def stop_listening(self) -> None:
        """No further client comes in. Harmless when repeated."""
        for acceptor in self.acceptors:
            acceptor.close()
        self.acceptors = []

    def finish(self) -> None:
        """`shut_down`, and stop at once where no client is connected."""
        if not self.shut_down():
            self._container.stop()

    # -- connections and sessions

    def on_start(self, event: Any) -> None:
        """Listen. A second run of the same container comes here again: the broker goes on with its nodes."""
        if self._container is not None:
            return
        self._container = event.container
        if event.container.rescue is None:
            event.container.rescue = self.net.catch
        chance = event.container.random
        prefix = f"{event.container.container_id}/"
        self.directory.exchanges.now, self.directory.exchanges.watch = self.now, self.alarms.watch
        self.directory.name_dynamic_nodes(prefix, lambda: chance.randbytes(TOKEN_SIZE).hex())
        self.transactions.name_with(chance.randbytes(TOKEN_SIZE))
        if self.durability is not None:
            self.durability.restore()
        if self.web is not None:
            self.web.start(event.container)
        for url in self.urls:
            acceptor = self.doors.open(event.container, url, self._bounds)
            self.acceptors.append(acceptor)
            if self._on_listening is not None:
                self._on_listening(url, acceptor)

    def on_connection_bound(self, event: Any) -> None:
        """A client connects: from now on it is to be heard of, or is lost."""
        if event.transport.mode == Transport.SERVER:
            self.bounds.came(event.connection)
            self.doors.watch(event.transport, event.connection.connected_address, self.now)
        if self.idle_timeout:
            event.transport.idle_timeout = self.idle_timeout

    def on_connection_opening(self, event: Any) -> None:
        """Answer with the properties and capabilities of this broker."""
        connection = event.connection
        refusal = self._refusal(connection)
        if refusal is not None:
            self.bounds.gone(connection)  # it takes no place: those that came with it are counted without it
            fields = log_fields(connection, refusal)
            log.warning("connection from %r refused: %s", connection.remote_container, refusal.text, extra=fields)
            connection.open()
            connection.condition = refusal
            connection.close()
            return
        self._links[connection] = {}
        connection.offered_capabilities = [symbol(name) for name in OFFERED]
        connection.properties = {
            symbol("product"): self.product.rpartition(" ")[0] or self.product,
            symbol("version"): self.product.rpartition(" ")[2],
        }
        place, fields = self.doors.introduce(connection), log_fields(connection)
        log.info("connection from %r at %s", connection.remote_container, place, extra=fields)

    def _refusal(self, connection: Any) -> Optional[Condition]:
        """Why a client is not let in, for now; None if it is."""
        if self.ending.begun:
            return Condition("amqp:connection:forced", SHUTTING_DOWN)
        if self.bounds.crowded:
            most = self.bounds.max_connections
            return Condition(TOO_MANY, f"there are {most} connections, and no more are taken")
        most = self.bounds.most_of_user
        user = self.doors.user(connection)
        if most and sum(user == self.doors.user(other) for other in self._links) >= most:
            return Condition(TOO_MANY, f"user {user!r} has {most} connections, and no more are taken")
        return None

    def on_connection_remote_close(self, event: Any) -> None:
        """The peer closes: the messages that it held wait again."""
        self._release(event.connection)

    def on_transport_closed(self, event: Any) -> None:
        """The wire is gone, with or without a good-bye."""
        connection = event.connection
        self.bounds.gone(connection)
        self._release(connection)
        self.forget_connection(connection)
        if self.ending.begun and not self._links:
            self._container.stop()

    def on_session_remote_close(self, event: Any) -> None:
        """The peer ended a session, and with it the links in it."""
        for link in self.links_of(event.connection):
            if link.link.session == event.session:
                link.leave()
        self.subscribing.session_ended(event.session)

    def _release(self, connection: Any) -> None:
        for link in self.links_of(connection):
            link.leave()
        self.subscribing.connection_ended(connection)
        self.actions.connection_ended(connection)

    def connections(self) -> list[Any]:
        """The connections that are open."""
        return list(self._links)

    def links_of(self, connection: Any) -> list[BrokerLink]:
        """The links of `connection`, in the order of their coming."""
        return list(self._links.get(connection, ()))

    def forget_connection(self, connection: Any) -> None:
        """`connection` is gone, and its links have left."""
        self.subscribing.connection_ended(connection)
        self.actions.connection_ended(connection)
        if self._links.pop(connection, None) is not None:
            log.info("connection from %r is gone", connection.remote_container, extra=log_fields(connection))

    def call(self, timer: Handler, delay: float = 0.0) -> Any:
        """Have the container call `timer` after the present event, and `delay` seconds. Returns the task, which can be
        cancelled."""
        return self._container.schedule(delay, timer)

    def on_connection_error(self, event: Any) -> None:
        """A peer closes with a reason: its business, and no reason to close anything else."""
        self._note_error(event, "the connection", event.connection)

    def on_session_error(self, event: Any) -> None:
        """As above."""
        self._note_error(event, "a session", event.session)

    def on_link_error(self, event: Any) -> None:
        """As above."""
        self._note_error(event, f"link {event.link.name!r}", event.link)

    def _note_error(self, event: Any, name: str, endpoint: Any) -> None:
        condition = endpoint.remote_condition
        fields = log_fields(endpoint, condition)
        log.info("%r closed %s: %s", event.connection.remote_container, name, condition, extra=fields)

    def on_transport_error(self, event: Any) -> None:
        """A peer that broke the protocol, fell silent, or could not log in."""
        condition = event.transport.condition
        level = logging.INFO
        if condition.name == UNAUTHORIZED:
            level = logging.WARNING
            user = self.doors.failed(event.transport)
            if not self.failures.admits(event.connection.connected_address or "", user):
                return
        where, fields = event.connection.connected_address, log_fields(event.connection, condition)
        log.log(level, "connection from %s failed: %s", where, condition.text, extra=fields)

    # -- links

    def on_link_opening(self, event: Any) -> None:
        """A peer attaches: decide, answer, and hand over to the link's own handler."""
        link = event.link
        links = self._links.get(event.connection)
        if links is None:
            return
        self.attaching.attach(link, links)

    def forget_link(self, handler: BrokerLink) -> None:
        """`handler` has left its node."""
        links = self._links.get(handler.link.connection)
        if links is not None:
            links.pop(handler, None)
        self.attaching.forget(handler)

    def _evict(self, record: Record) -> None:
        """A node was deleted: end the links that still use it."""
        for link in list(record.links):
            link.evict("amqp:resource-deleted", f"the {record.node.kind} {record.node.name!r} was deleted")
        node = record.node
        self.past.keep(record)
        self.resuming.node_ended(node)
        if isinstance(node, Queue):
            self.alarms.unwatch(node)
            if self.durability is not None and node.number:
                self.durability.closed(node)
        else:
            self.subscribing.topic_ended(node)
