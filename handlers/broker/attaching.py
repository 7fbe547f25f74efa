"""Attaching: the answer to each attach of a peer, and the handler that a link gets.

The broker enters when a link opens. A link that may not be is refused: an attach without terminus, and then a detach
with the reason [2.6.3]. The node that an address means is decided in directory.py.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any, Optional, Union

from handlers.broker.access.permissions import RECEIVE, SEND
from handlers.broker.ending import SHUTTING_DOWN
from handlers.broker.interface import BrokerView
from handlers.broker.links import BrokerLink, Intake, Relay
from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.directory import (
    LIFETIME_NAMES,
    ON_CLOSE,
    ON_NO_LINKS,
    ON_NO_LINKS_OR_MESSAGES,
    ON_NO_MESSAGES,
    Record,
    Refused,
)
from handlers.broker.nodes.exchange import Route
from handlers.broker.nodes.label import label_of
from handlers.broker.nodes.names import RESERVED, node_name
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.selection import selection_of
from handlers.broker.nodes.selector import SelectorError
from handlers.broker.nodes.subscriptions import Subscription
from handlers.broker.nodes.topic import Topic
from handlers.broker.once import outlet
from handlers.broker.outlets import Outlet, Viewer
from handlers.broker.resuming import ResumedIntake
from handlers.broker.transactions.coordinator import LARGEST, Coordinator, capabilities
from reactor import Condition, Described, Link, Terminus, symbol
from reactor.telemetry import log_fields

log = logging.getLogger("handlers.broker")

LIFETIME = symbol("lifetime-policy")

PRIORITIES = ("rabbitmq:priority", "priority")
"""Properties of a link by which a consumer has a priority: RabbitMQ's, which its clients for AMQP 1.0 write [builder of
consumers in com.rabbitmq.client.amqp], and that of Qpid Broker-J, which answers with it (SendingLinkEndpoint)."""
UNAUTHORIZED = "amqp:unauthorized-access"


class Attaching:
    """The attached links of one broker.

    named: by container, name and direction, over all connections.
    """

    def __init__(self, broker: BrokerView) -> None:
        self.broker = broker
        self.named: dict[Any, BrokerLink] = {}

    def attach(self, link: Any, links: dict[BrokerLink, None]) -> None:
        """Decide, answer, and give `link` its handler, which is added to `links`."""
        try:
            handler = self._handler(link)
        except Refused as refusal:
            level = logging.WARNING if refusal.condition == UNAUTHORIZED else logging.INFO
            text, fields = "link %r of %r refused: %s", log_fields(link, refusal.condition)
            log.log(level, text, link.name, link.connection.remote_container, refusal, extra=fields)
            link.source.type = link.target.type = Terminus.UNSPECIFIED
            link.condition = Condition(refusal.condition, refusal.description)
            link.open()
            link.close()
            return
        self._steal(link, handler)
        if log.isEnabledFor(logging.INFO):
            does = "sends to" if handler.produces else "receives from"
            log.info("%s %s %s", handler.describe(), does, handler.where(), extra=log_fields(link))
        links[handler] = None
        link.handler = handler
        if link.remote_snd_settle_mode in (Link.SND_UNSETTLED, Link.SND_SETTLED, Link.SND_MIXED):
            link.snd_settle_mode = link.remote_snd_settle_mode
        # The broker does wait for a receiver that settles second. It waits for a sender only if
        # its link stays (resuming.py): else a message is accepted and settled at once, and the attach shows it.
        if link.is_sender and link.remote_rcv_settle_mode == Link.RCV_SECOND:
            link.rcv_settle_mode = Link.RCV_SECOND
        handler.begin()
        link.open()
        handler.open()

    def forget(self, handler: BrokerLink) -> None:
        """`handler` has left its node."""
        if self.named.get(handler.key) is handler:
            del self.named[handler.key]

    def _steal(self, link: Any, handler: BrokerLink) -> None:
        """A link has one name between two containers [2.6.1]: a client that comes again over another connection,
        before its old one is known to be lost, takes the link over."""
        container = handler.identity
        if not container:
            return
        handler.key = container, link.name, link.is_sender
        ghost = self.named.get(handler.key)
        self.named[handler.key] = handler
        if ghost is not None and ghost.link.connection is not link.connection:
            ghost.evict("amqp:link:stolen", f"{container} has attached it again over another connection")

    def _handler(self, link: Any) -> BrokerLink:
        """The handler of a link. Refused."""
        if self.broker.ending.begun:
            raise Refused("amqp:link:detach-forced", SHUTTING_DOWN)
        wanted = link.remote_source if link.is_sender else link.remote_target
        if wanted.address and node_name(wanted.address) in RESERVED:
            self.broker.doors.require_manage(link.connection)
            desk = self.broker.desk
            found: BrokerLink = desk.answers(link) if link.is_sender else desk.requests(link)
            return found
        return self._outlet(link) if link.is_sender else self._intake(link)

    def _coordinator(self, link: Any) -> Coordinator:
        """A peer that wants transactions [4.2]."""
        self.broker.doors.require(link.connection, SEND, RECEIVE)
        link.target.type = Terminus.COORDINATOR
        link.target.capabilities.put_object(capabilities())
        link.source.address = link.remote_source.address
        link.max_message_size = LARGEST
        return Coordinator(self.broker, link)

    def _intake(self, link: Any) -> Union[Intake, Coordinator]:
        """A peer that sends."""
        wanted, target = link.remote_target, link.target
        doors = self.broker.doors
        if wanted.type == Terminus.COORDINATOR:
            return self._coordinator(link)
        link.source.address = link.remote_source.address
        link.max_message_size = self.broker.max_message_size
        if not wanted.address and not wanted.dynamic:
            doors.require(link.connection, SEND)
            return Relay(self.broker, link, doors.permit(link.connection, SEND))
        record = self._record(link.connection, wanted, SEND)
        stay = self.broker.resuming.stay_for(link)
        handler = Intake(self.broker, link, record) if stay is None else ResumedIntake(self.broker, link, record, stay)
        handler.label = label_of(wanted.address)
        self._answer(target, wanted, record, handler)
        return handler

    def _outlet(self, link: Any) -> Outlet:
        """A peer that receives. An extension that it asked for and does not get is not in the answer."""
        wanted, source = link.remote_source, link.source
        link.target.address = link.remote_target.address
        if not wanted.address and not wanted.dynamic:
            found = self._lookup(link)
            if found is not None:
                return found
        record = self._record(link.connection, wanted, RECEIVE)
        if record.owner is not None and not self._may_receive(link.connection, record):
            text = "a dynamic node is received from over the connection that it was made for"
            raise Refused(UNAUTHORIZED, text)
        node = record.node
        if isinstance(node, Route):
            raise Refused("amqp:not-implemented", f"{node.name!r} holds no messages: receive from a queue bound to it")
        handler: Outlet
        if isinstance(node, Topic):
            handler = self._subscriber(link, record, self.broker.subscribing.subscribe(link, record, node))
            if wanted.distribution_mode == Terminus.DIST_MODE_COPY:
                source.distribution_mode = Terminus.DIST_MODE_COPY
        else:
            try:
                selection, applied = selection_of(wanted.filter)
            except SelectorError as error:
                raise Refused("amqp:invalid-field", str(error)) from None
            source.filter.put_dict(applied)
            source.expiry_policy = Terminus.EXPIRE_WITH_LINK
            if wanted.distribution_mode == Terminus.DIST_MODE_COPY:
                source.distribution_mode = Terminus.DIST_MODE_COPY
                handler = Viewer(self.broker, link, record, node, selection)
            else:
                source.distribution_mode = wanted.distribution_mode
                self._check_exclusive(node, link)
                handler = outlet(self.broker, link, record, node, selection)
                _rank(link, handler)
        self._answer(source, wanted, record, handler)
        return handler

    def _subscriber(self, link: Any, record: Record, subscription: Subscription) -> Outlet:
        """A receiver of a topic."""
        self._check_exclusive(subscription.queue, link)
        handler = outlet(self.broker, link, record, subscription.queue)
        handler.subscription = subscription
        _rank(link, handler)
        self.broker.subscribing.describe(subscription, link.source)
        self.broker.subscribing.join(subscription, handler)
        return handler

    def _check_exclusive(self, queue: Queue, link: Any) -> None:
        """Refuse a second consumer of an exclusive queue; one that takes over the link of the first is none."""
        if not queue.policy.exclusive:
            return
        mine = self.broker.doors.identity(link.connection), link.name, True
        for other in queue.consumers:
            if not other.browsing and not (mine[0] and getattr(other, "key", None) == mine):
                raise Refused("amqp:resource-locked", f"{queue.name!r} is exclusive, and has a consumer")

    def _lookup(self, link: Any) -> Optional[Outlet]:
        """A peer that attaches without a source resumes the subscription that the link had, or asks whether there is
        one [2.6.3]. Refused, if there is none; None for a source that has no address only."""
        subscription = self.broker.subscribing.find(link)
        record = None if subscription is None else self.broker.directory.records.get(subscription.topic.name)
        if subscription is None or record is None:
            if link.remote_source.type == Terminus.UNSPECIFIED:
                raise Refused("amqp:not-found", f"no subscription of the link {link.name!r}")
            return None
        permit = self.broker.doors.permit(link.connection, RECEIVE)
        if permit is not None:
            permit(subscription.topic.name, False)
        handler = self._subscriber(link, record, subscription)
        handler.looks_up = True
        source = link.source
        source.type = Terminus.SOURCE
        source.address = subscription.topic.name
        source.capabilities.put_object([symbol("topic")])
        self.broker.directory.attach(record, handler)
        return handler

    def _may_receive(self, connection: Any, record: Record) -> bool:
        """Whether a dynamic node is of this connection, or of a lost one of the same container, which has come back."""
        known, container = record.owner
        owner = known()
        if owner is not connection and (
            owner in self.broker.connections() or self.broker.doors.identity(connection) != container
        ):
            return False
        record.owner = weakref.ref(connection), container
        return True

    def _record(self, connection: Any, wanted: Any, permission: str) -> Record:
        """The node that is wanted, or a new one with an address of its own. Refused without the permission."""
        capabilities = [str(capability) for capability in wanted.capabilities]
        maker = self.broker.bounds.maker(connection)
        if not wanted.dynamic:
            permit = self.broker.doors.permit(connection, permission)
            return self.broker.directory.find(wanted.address, capabilities, permit, maker)
        self.broker.doors.require_dynamic(connection)
        return self.broker.directory.make_dynamic(capabilities, _lifetime(wanted.properties.get(LIFETIME)), maker)

    def _answer(self, terminus: Any, wanted: Any, record: Record, handler: BrokerLink) -> None:
        """Describe the node to the peer."""
        node = record.node
        kinds = [node.kind]
        if wanted.dynamic and f"temporary-{node.kind}" in wanted.capabilities:
            kinds.append(f"temporary-{node.kind}")
        terminus.capabilities.put_object([symbol(kind) for kind in kinds])
        if wanted.dynamic:
            record.creator = handler
            connection = handler.link.connection
            record.owner = weakref.ref(connection), self.broker.doors.identity(connection)
            terminus.address = node.name
            terminus.dynamic = True
            kind = LIFETIME_NAMES[record.lifetime or ON_CLOSE]
            terminus.properties.put_dict({LIFETIME: Described(symbol(kind), [])})
        else:
            terminus.address = wanted.address
        self.broker.directory.attach(record, handler)


def _rank(link: Any, consumer: Consumer) -> None:
    """Give `consumer` the priority that its peer asks for by a property of the link, and say so in the answer."""
    for name in PRIORITIES:
        value = (link.remote_properties or {}).get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            consumer.priority = int(value)
            link.properties = {**(link.properties or {}), symbol(name): value}
            return


def _lifetime(policy: Any) -> int:
    """The lifetime that a peer asks for by the dynamic-node-properties [3.5.9]; delete-on-close if none."""
    descriptor = getattr(policy, "descriptor", None)
    for code in (ON_NO_LINKS, ON_NO_MESSAGES, ON_NO_LINKS_OR_MESSAGES):
        if descriptor == code or descriptor == LIFETIME_NAMES[code]:
            return code
    return ON_CLOSE
