"""The directory: which node an address means, which nodes are made on demand, and when they go again.

It knows names, kinds and lifetimes; links are things in a set here. Whether an
address is a queue or a topic is decided in this order: by the node that is already there; by the capability
that the peer asks for (`queue` or `topic`); by the topic prefixes of the broker; else it is a queue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Callable, Optional, Union
from urllib.parse import unquote

from handlers.broker.nodes.exchange import Exchanges
from handlers.broker.nodes.host import Host
from handlers.broker.nodes.names import EXCHANGES, LONGEST_ADDRESS, LONGEST_NAME, RESERVED, node_name
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import PLAIN, Policies, Policy, checked_pattern
from handlers.broker.nodes.pool import Pool
from handlers.broker.nodes.topic import Topic

log = logging.getLogger("handlers.broker")

Node = Union[Queue, Topic]

# Lifetimes of dynamic nodes by the codes of their composites [3.5.10 - 3.5.13].
ON_CLOSE, ON_NO_LINKS, ON_NO_MESSAGES, ON_NO_LINKS_OR_MESSAGES = range(0x2B, 0x2F)

LIFETIME_NAMES = {
    ON_CLOSE: "amqp:delete-on-close:list",
    ON_NO_LINKS: "amqp:delete-on-no-links:list",
    ON_NO_MESSAGES: "amqp:delete-on-no-messages:list",
    ON_NO_LINKS_OR_MESSAGES: "amqp:delete-on-no-links-or-messages:list",
}

LIFETIMES_OF_USE = (ON_NO_LINKS, ON_NO_MESSAGES, ON_NO_LINKS_OR_MESSAGES)
"""Nodes that go with the last link; with the last message, when the link that they were made for is gone; with both."""

MANY = 10_000
"""Nodes made on demand are kept, for their counters; beyond this number those without use are forgotten."""


LONGEST_TEXT = 300
"""Bytes of a text in an outcome: it has to fit the smallest frame [2.3.1], whatever names it quotes."""


def clipped(text: str) -> str:
    """`text`, as much of it as fits LONGEST_TEXT."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= LONGEST_TEXT else data[:LONGEST_TEXT].decode("utf-8", "ignore") + "..."


class Refused(Exception):
    """The peer cannot have what it asks for. condition: the AMQP symbol of the refusal."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description


class Maker:
    """A connection, as the directory sees it. made: the nodes that were made for it, on demand, and that are there.
    in_vain: refusals until it is worth while to look again for unused nodes."""

    __slots__ = ("in_vain", "made")

    def __init__(self) -> None:
        self.made = self.in_vain = 0


class Record:
    """A node in the directory: its links, and its lifetime.

    links: the attached. lifetime: None for a node that stays, else one of ON_...; creator: the link that a
    dynamic node was made for. owner: None, or the connection and the container that it was made for: no other
    receives from it. declared: named when the broker was started, so never forgotten. configured: whether its policy
    was given for this name. maker: that it was made for on demand, None for none.
    """

    __slots__ = ("node", "links", "lifetime", "creator", "owner", "declared", "configured", "maker")

    def __init__(self, node: Node, lifetime: Optional[int] = None, declared: bool = False) -> None:
        self.node = node
        self.links: dict[Any, None] = {}  # in the order of their coming
        self.lifetime = lifetime
        self.creator: Any = None
        self.owner: Any = None
        self.declared = declared
        self.configured = False
        self.maker: Optional[Maker] = None


class Directory:
    """Addresses and their nodes.

    capacity: bytes that each queue, and each subscription of a topic, holds before its producers must wait.
    auto_create: whether an unknown address makes a node. topic_prefixes: addresses that begin so are topics, or
    that fit it, if it is a pattern as of file names; ValueError for a bad one.
    forget: called with the record of each node that was deleted, after it left the directory.
    pool: the bytes of all queues together. most: how many nodes there may be, 0 for any number. most_of_maker: how many
    of them made on demand for one connection. policies: of the nodes
    that get none when they are declared. host: of the queues.
    """

    def __init__(
        self,
        capacity: int,
        auto_create: bool,
        topic_prefixes: Iterable[str],
        forget: Callable[[Record], None],
        pool: Optional[Pool] = None,
        most: int = 0,
        policies: Optional[Policies] = None,
        host: Optional[Host] = None,
        most_of_maker: int = 0,
    ) -> None:
        self.capacity = capacity
        self.auto_create = auto_create
        self._topic_patterns = [
            checked_pattern(one if set(one) & set("*?[") else f"{one}*") for one in topic_prefixes
        ]
        self.records: dict[str, Record] = {}
        self.pool = Pool() if pool is None else pool
        self.most = most
        self.most_of_maker = most_of_maker
        self.policies = policies or Policies()
        self.host = host
        self.exchanges = Exchanges(self._queue)
        self._forget = forget
        self._dynamic_prefix = ""
        self._token: Callable[[], str] = _no_token
        self._tidy_at = MANY
        self.in_vain = 0  # refusals until it is worth while to look again for unused nodes

    def name_dynamic_nodes(self, prefix: str, token: Callable[[], str]) -> None:
        """Have the addresses of dynamic nodes begin with `prefix`, which no other broker may use, and go on with the
        result of `token`, which cannot be guessed: a client that knows an address may send to it."""
        self._dynamic_prefix = prefix
        self._token = token

    # -- finding and making

    def declare(self, name: str, kind: str, policy: Optional[Policy] = None) -> None:
        """Make a node that is always there. policy: None for that of its name; one that is given stays that of the
        name, also when the node has been deleted and is made again. ValueError for a name that cannot be; Refused, if
        there are too many."""
        checked_name(name)
        record = self.records.get(name)
        if record is not None and record.node.kind != kind:
            raise ValueError(f"{name!r} cannot be a {record.node.kind} and a {kind}")
        if policy is not None:
            self.policies.remember(name, policy)
        self._make(name, kind, policy).declared = True

    def restore(self, name: str, kind: str, policy: Policy = PLAIN, declared: bool = False) -> Node:
        """The node of this name, made if it is not there. `kind` is that of a new one; `policy` is its last one, and
        holds unless it has been given another one since. However many there are: the nodes are in no use yet, their
        messages come later, and to forget one for another would lose them. declared: whether management has made it."""
        record = self.records.get(name)
        if record is None:
            record = self._add(name, kind, self.policies.of(name) or policy)
        elif record.node.kind == kind and not record.configured and record.node.policy != policy:
            record.node = self._new(name, kind, policy)  # nothing has used the declared one yet
        node = record.node
        if declared and isinstance(node, Queue):
            record.declared = node.declared = True
        return node

    def find(
        self,
        address: Optional[str],
        capabilities: Iterable[str] = (),
        permit: Optional[Callable[[str, bool], None]] = None,
        maker: Optional[Maker] = None,
    ) -> Record:
        """The record of the node at `address`, made if need be. Raises Refused.

        permit: called with the name of the node and whether it would be made; raises Refused for a client that may not
        have it. Addresses of dynamic nodes are not asked for: to know one is to be permitted. maker: that a new node
        is made for.
        """
        if address and len(address) > LONGEST_ADDRESS:
            raise Refused("amqp:invalid-field", f"an address of {len(address)} characters; a name has {LONGEST_NAME}")
        if address and address.startswith(EXCHANGES):
            return self._exchange(address[len(EXCHANGES) :], permit)
        if not address:
            raise Refused("amqp:invalid-field", "to attach, name an address or ask for a dynamic node")
        name = node_name(address)
        if len(name) > LONGEST_NAME:
            raise Refused("amqp:invalid-field", f"an address of {len(name)} characters; the most is {LONGEST_NAME}")
        asked = next((kind for kind in ("topic", "queue") if kind in capabilities), None)
        record = self.records.get(name)
        dynamic = bool(self._dynamic_prefix) and name.startswith(self._dynamic_prefix)
        if permit is not None and not dynamic:
            permit(name, record is None and self.auto_create)
        if record is None:
            if dynamic:
                raise Refused("amqp:not-found", f"the dynamic node {name!r} went with its creator")
            if name in RESERVED:
                raise Refused("amqp:not-allowed", f"{name!r} is the broker's own: attach a link to it")
            if not self.auto_create:
                raise Refused("amqp:not-found", f"no node {name!r}, and none is made on demand here")
            return self._make(name, asked or ("topic" if self._is_topic(name) else "queue"), maker=maker)
        if asked is not None and asked != record.node.kind:
            raise Refused("amqp:precondition-failed", f"{name!r} is a {record.node.kind}, not a {asked}")
        return record

    def _exchange(self, address: str, permit: Optional[Callable[[str, bool], None]]) -> Record:
        route = self.exchanges.find(address)
        if permit is not None:
            permit(EXCHANGES + unquote(address.partition("/")[0]), False)
        if route is None:
            raise Refused("amqp:not-found", f"no exchange {unquote(address.partition('/')[0])!r}")
        return Record(route)

    def _queue(self, name: str) -> Optional[Queue]:
        record = self.records.get(name)
        return record.node if record is not None and isinstance(record.node, Queue) else None

    def make_dynamic(self, capabilities: Iterable[str], lifetime: int, maker: Optional[Maker] = None) -> Record:
        """A node with an address of its own. The caller sets its creator and owner."""
        topic = any(capability in ("topic", "temporary-topic") for capability in capabilities)
        record = self._make(f"{self._dynamic_prefix}{self._token()}", "topic" if topic else "queue", maker=maker)
        record.lifetime = lifetime
        record.node.ends_empty = lifetime in (ON_NO_MESSAGES, ON_NO_LINKS_OR_MESSAGES)
        return record

    def _is_topic(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._topic_patterns)

    def _make(self, name: str, kind: str, policy: Optional[Policy] = None, maker: Optional[Maker] = None) -> Record:
        if len(self.records) >= self._tidy_at:
            self._tidy()
        if self._is_crowded(maker):
            self._make_room(name, maker)
        record = self._add(name, kind, policy)
        if maker is not None:
            record.maker = maker
            maker.made += 1
        return record

    def _is_crowded(self, maker: Optional[Maker]) -> bool:
        return 0 < self.most <= len(self.records) or (maker is not None and 0 < self.most_of_maker <= maker.made)

    def _add(self, name: str, kind: str, policy: Optional[Policy]) -> Record:
        fitting = self.policies.of(name) if policy is None else policy
        record = self.records[name] = Record(self._new(name, kind, PLAIN if fitting is None else fitting))
        record.configured = fitting is not None
        log.info("%s %r made", kind, name)
        return record

    def _new(self, name: str, kind: str, policy: Policy) -> Node:
        kinds: dict[str, Callable[..., Node]] = {"topic": Topic, "queue": Queue}
        node = kinds[kind](name, self.capacity, self.pool, policy)
        node.host = self.host
        return node

    # -- coming and going

    def attach(self, record: Record, link: Any) -> None:
        """`link` uses the node from now on."""
        record.links[link] = None

    def detach(self, record: Record, link: Any) -> None:
        """`link` does not any more; a dynamic node may go with it."""
        record.links.pop(link, None)
        lifetime = record.lifetime
        created = link is record.creator
        if created:
            record.creator = None
        if lifetime == ON_CLOSE:
            if created:
                self.delete(record)
        elif lifetime is not None:
            self.consider(record)
        else:
            self.unused(record)

    def unused(self, record: Record) -> None:
        """A link or a subscription of the node is gone: delete it if that was the last, and its policy says so."""
        if record.node.policy.auto_delete and not record.links and not record.node.is_kept:
            self.delete(record)

    def consider(self, record: Record) -> None:
        """Delete a dynamic node if its lifetime is over by now."""
        lifetime = record.lifetime
        used = record.links if lifetime in (ON_NO_LINKS, ON_NO_LINKS_OR_MESSAGES) else record.creator
        if lifetime in LIFETIMES_OF_USE and not used and (lifetime == ON_NO_LINKS or not record.node.depth):
            self.delete(record)

    def emptied(self, name: str) -> Optional[Record]:
        """The last message of a dynamic node has gone: its record, if it may be time to `consider` it."""
        record = self.records.get(name)
        waits = record is not None and (not record.links or record.creator is None)
        return record if waits else None

    def delete(self, record: Record) -> None:
        """The node goes, with its messages."""
        if self.records.get(record.node.name) is record:
            del self.records[record.node.name]
            if record.maker is not None:
                record.maker.made -= 1
            log.info("%s %r deleted", record.node.kind, record.node.name)
            self._forget(record)
            record.node.close()
            self.exchanges.forget(record.node.name)

    def _make_room(self, name: str, maker: Optional[Maker]) -> None:
        """There are as many nodes as there may be: forget the unused ones. Refused, if there are none."""
        full = 0 < self.most <= len(self.records)
        where: Union[Directory, Maker] = self if full or maker is None else maker
        if where.in_vain > 0:
            where.in_vain -= 1
        else:
            self._tidy()
            where.in_vain = 100 if self._is_crowded(maker) else 0
        if 0 < self.most <= len(self.records):
            raise Refused("amqp:resource-limit-exceeded", f"no node {name!r}: there are {self.most}, and all in use")
        if maker is not None and self._is_crowded(maker):
            text = f"no node {name!r}: this connection has had {maker.made} made, and all are in use"
            raise Refused("amqp:resource-limit-exceeded", text)

    def _tidy(self) -> None:
        for record in list(self.records.values()):
            node = record.node
            idle = not record.links and not node.depth and not node.is_kept and not self.exchanges.is_bound(node.name)
            if idle and record.lifetime is None and not record.declared:
                self.delete(record)
        self._tidy_at = max(MANY, 2 * len(self.records))


def checked_name(name: str) -> str:
    """`name`, if a node can have it; ValueError says why not."""
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"a name of {len(name)} characters: 1 to {LONGEST_NAME}")
    if name in RESERVED:
        raise ValueError(f"the name {name!r} is the broker's own")
    if not is_unicode(name):
        raise ValueError(f"the name {name!r} is no text that a client could write: it has half of a character")
    return name


def is_unicode(text: str) -> bool:
    """Whether `text` has a form in UTF-8, as all texts of AMQP do [1.6.20]."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_token() -> str:
    raise RuntimeError("a broker that does not run makes no dynamic nodes")
