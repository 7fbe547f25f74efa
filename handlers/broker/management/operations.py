"""The operations of AMQP Management, on plain data: a request in, a status, a text and a body out.

After the working draft "AMQP Management Version 1.0" of OASIS, WD 14 [docs.oasis-open.org/amqp/amqp-management]: an
operation is done to an entity, which has a type and a name; those of type `org.amqp.management` are the node's own:
QUERY lists entities, GET-... lists what there is to be asked for. Arguments are application properties of the request;
CREATE and UPDATE take a map as its body.

The node `$management` enters (desk.py). Here are no links and no messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from handlers.broker.management.actions import Actions
from handlers.broker.management.interface import ROWS, Failed
from handlers.broker.management.peeking import CLIP
from handlers.broker.management.view import COUNTERS
from handlers.broker.nodes.statistics import BrokerStatistics, NodeStatistics

NODE = "org.amqp.management"
"""The type of the management node itself, its name is `self`."""


class Answer(NamedTuple):
    """status: as in HTTP. text: of an error, or "OK". body: a value for AMQP. properties: application properties beside
    these."""

    status: int
    text: str
    body: Any = None
    properties: Mapping[str, Any] = {}


Done = Callable[[Answer], None]


class Request(NamedTuple):
    """A request. arguments: its application properties. body: the value of its body."""

    arguments: Mapping[str, Any]
    body: Any

    def text(self, name: str, default: Optional[str] = None) -> str:
        """The argument `name`, a text. Failed (400)."""
        value = self.arguments.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            given = "is missing" if value is None else f"is {value!r}"
            raise Failed(400, f"the application property {name!r} {given}: a text is wanted")
        return str(value)

    def number(self, name: str, default: Optional[int]) -> Optional[int]:
        """The argument `name`, a number from 0 on. Failed (400)."""
        value = self.arguments.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit():  # many a client sends texts alone
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Failed(400, f"the application property {name!r} is {value!r}: a number from 0 on is wanted")
        return int(value)

    def entity(self, kind: str) -> str:
        """The name of the entity, from `name`, or from `identity`, which is TYPE:NAME. Failed (400)."""
        if self.arguments.get("name") is not None:
            return self.text("name")
        if self.arguments.get("identity") is None:
            raise Failed(400, f"which {kind}? The request has neither `name` nor `identity`")
        there, _, name = self.text("identity").partition(":")
        if there != kind:
            raise Failed(404, f"no {kind} has the identity {self.arguments['identity']!r}")
        return name

    def map(self) -> dict[str, Any]:
        """The body, a map with texts for keys. Failed (400)."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict) or not all(isinstance(key, str) for key in self.body):
            raise Failed(400, "the body is no map with texts for keys")
        return {str(key): value for key, value in self.body.items()}


_LINK = ("name", "connection", "container", "user", "role", "node", "credit", "unsettled", "queued")
_COMMON = ("type", "identity")
_NODE = (*NodeStatistics.__annotations__, "dynamic", "lifetime", "stored", "policy")

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    NODE: (),
    "broker": ("name", "product", "version", *BrokerStatistics.__annotations__, *COUNTERS),
    "node": _NODE,
    "queue": _NODE,
    "topic": (*_NODE, "subscriptions"),
    "subscription": ("name", "topic", "depth", "waiting", "acquired", "bytes", "enqueued", "consumers", "selector"),
    "consumer": (*_LINK, "serial", "selector"),
    "producer": (*_LINK, "held_back_by"),
    "connection": ("name", "number", "container", "user", "address", "encrypted", "product", "sessions", "links",
                   "producers", "consumers", "unsettled", "frames_in", "frames_out"),
    "exchange": ("name", "kind", "durable", "auto_delete", "enqueued", "unrouted", "bindings"),
    "session": ("name", "number", "connection", "links", "unsettled", "incoming_bytes", "outgoing_bytes"),
}  # fmt: skip
"""The attributes of each type, beside `type` and `identity`, which all have."""

EXTENDS = {"queue": ["node"], "topic": ["node"]}

_IN_QUERY = ("entityType", "offset", "count", "pattern", "node", "connection")
_ANY = ("name", "identity")


class Operations:
    """The operations on one broker."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        self.view = actions.view
        #: By type and name of the operation; with the arguments that it takes.
        self._known: dict[tuple[str, str], tuple[Callable[[Request, Done], None], tuple[str, ...]]] = {
            (NODE, "QUERY"): (self._query, _IN_QUERY),
            (NODE, "GET-TYPES"): (self._get_types, ("entityType",)),
            (NODE, "GET-ATTRIBUTES"): (self._get_attributes, ("entityType",)),
            (NODE, "GET-OPERATIONS"): (self._get_operations, ("entityType",)),
            (NODE, "GET-ANNOTATIONS"): (self._get_annotations, ("entityType",)),
            (NODE, "GET-MGMT-NODES"): (self._get_management_nodes, ()),
            ("broker", "READ"): (self._read_broker, _ANY),
            ("broker", "STATS"): (self._read_broker, _ANY),
            ("connection", "READ"): (self._read_connection, _ANY),
            ("connection", "DELETE"): (self._close_connection, (*_ANY, "reason")),
            ("consumer", "RELEASE"): (self._release, _ANY),
            ("subscription", "DELETE"): (self._unsubscribe, (*_ANY, "node")),
            ("queue", "UPDATE"): (self._update, _ANY),
            ("queue", "PURGE"): (self._purge, (*_ANY, "count")),
            ("queue", "MOVE"): (self._move, (*_ANY, "to", "count")),
            ("queue", "PEEK"): (self._peek, (*_ANY, "offset", "count", "clip")),
        }
        for kind in ("queue", "topic"):
            self._known[kind, "CREATE"] = self._create, ("name",)
            self._known[kind, "READ"] = self._read, _ANY
            self._known[kind, "STATS"] = self._stats, _ANY
            self._known[kind, "DELETE"] = self._delete, (*_ANY, "if_unused", "if_empty")

    def perform(self, request: Request, done: Done) -> None:
        """Do it, and call `done` with the answer, at once or later. Nothing that a request has in it raises an
        exception."""
        try:
            operation, kind = request.text("operation"), request.text("type", NODE)
            if kind not in ATTRIBUTES:
                raise Failed(404, f"no type {kind!r}; there are {', '.join(sorted(ATTRIBUTES))}")
            found = self._known.get((kind, operation))
            if found is None:
                names = ", ".join(sorted(name for of, name in self._known if of == kind))
                raise Failed(501, f"no operation {operation!r} of {kind!r}; there are {names or 'none'}")
            found[0](request, done)
        except Failed as failure:
            done(Answer(failure.status, failure.text))

    # -- the node's own operations

    def _query(self, request: Request, done: Done) -> None:
        kind = self._kind(request) or "node"
        wanted = request.map().get("attributeNames") or []
        if not isinstance(wanted, (list, tuple)) or not all(isinstance(name, str) for name in wanted):
            raise Failed(400, "`attributeNames` is no list of texts")
        names = [str(name) for name in wanted] or [*_COMMON, *self._attributes(kind)]
        page = self._page(kind, request)
        rows = [self._entity(kind, row) for row in page["items"]]
        body = {"attributeNames": names, "results": [[row.get(name) for name in names] for row in rows]}
        counts = {"count": len(rows), "offset": page["offset"], "total": page["total"]}
        done(Answer(200, "OK", body, counts))

    def _page(self, kind: str, request: Request) -> dict[str, Any]:
        offset, count = request.number("offset", 0) or 0, request.number("count", ROWS)
        part: Any = (offset, ROWS if count is None else count)
        view = self.view
        if kind in ("node", "queue", "topic"):
            return view.nodes(None if kind == "node" else kind, request.text("pattern", ""), *part)
        if kind == "subscription":
            return view.subscriptions(request.text("node"), *part)
        if kind in ("consumer", "producer"):
            roles = ("consumer", "browser") if kind == "consumer" else ("producer",)
            node = request.text("node", "") or None
            return view.links(request.number("connection", None), *part, roles=roles, node=node)
        if kind == "connection":
            return view.connections(*part)
        if kind == "session":
            number = request.number("connection", None)
            if number is None:
                raise Failed(400, "the sessions of which `connection`? Its number is wanted")
            return view.sessions(number, *part)
        if kind == "exchange":
            return view.exchanges(*part)
        if kind == "broker":
            return {"total": 1, "offset": 0, "items": [view.overview()]}
        return {"total": 0, "offset": 0, "items": []}

    def _get_types(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", {kind: EXTENDS.get(kind, []) for kind in self._kinds(request)}))

    def _get_attributes(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", {kind: [*_COMMON, *self._attributes(kind)] for kind in self._kinds(request)}))

    def _get_operations(self, request: Request, done: Done) -> None:
        body = {
            kind: {name: list(arguments) for (of, name), (_, arguments) in self._known.items() if of == kind}
            for kind in self._kinds(request)
        }
        done(Answer(200, "OK", body))

    def _get_annotations(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", {kind: [] for kind in self._kinds(request)}))

    def _get_management_nodes(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", []))

    def _kind(self, request: Request) -> str:
        kind = request.text("entityType", "")
        if kind and kind not in ATTRIBUTES:
            raise Failed(404, f"no type {kind!r}; there are {', '.join(sorted(ATTRIBUTES))}")
        return kind

    def _kinds(self, request: Request) -> Iterable[str]:
        """The type that is asked for, and those that extend it; without one, all."""
        kind = self._kind(request)
        return [each for each in ATTRIBUTES if not kind or each == kind or kind in EXTENDS.get(each, ())]

    @staticmethod
    def _attributes(kind: str) -> list[str]:
        return list(dict.fromkeys(ATTRIBUTES[kind]))

    # -- entities

    def _entity(self, kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the view, with type, name and identity."""
        entity = dict(row)
        if kind == "node":
            kind = entity["kind"]
        if kind in ("connection", "session"):
            entity["name"] = str(entity["number"])
        elif kind == "broker":
            entity["name"] = "broker"
        name = entity["serial"] if kind == "consumer" else entity["name"]
        entity.update(type=kind, identity=f"{kind}:{name}")
        return entity

    def _node(self, request: Request) -> str:
        """The name of a node that is there, and of the type of the request."""
        kind = request.text("type")
        name = request.entity(kind)
        record = self.view.broker.directory.records.get(name)
        if record is None:
            raise Failed(404, f"no {kind} {name!r}")
        if record.node.kind != kind:
            raise Failed(404, f"no {kind} {name!r}: it is a {record.node.kind}")
        return name

    def _create(self, request: Request, done: Done) -> None:
        kind, name = request.text("type"), request.text("name")

        new = self.actions.create(name, kind, request.map())
        entity = self._entity(kind, self.view.node(name))
        self.actions.written(partial(done, Answer(201 if new else 200, "Created" if new else "OK", entity)))

    def _update(self, request: Request, done: Done) -> None:
        name = self._node(request)
        self.actions.update(name, request.map())
        self.actions.written(partial(done, Answer(200, "OK", self._entity("node", self.view.node(name)))))

    def _read(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", self._entity("node", self.view.node(self._node(request)))))

    def _stats(self, request: Request, done: Done) -> None:
        row = self.view.node(self._node(request))
        done(Answer(200, "OK", {name: row[name] for name in NodeStatistics.__annotations__}))

    def _delete(self, request: Request, done: Done) -> None:
        flags = {name: request.arguments.get(name) is True for name in ("if_unused", "if_empty")}
        done(Answer(204, "No Content", {}, self.actions.delete(self._node(request), **flags)))

    def _unsubscribe(self, request: Request, done: Done) -> None:
        row = self.actions.unsubscribe(request.text("node"), request.entity("subscription"))
        done(Answer(204, "No Content", {}, row))

    def _purge(self, request: Request, done: Done) -> None:
        name, count = self._node(request), request.number("count", None)
        self.actions.purge(name, lambda row: done(Answer(200, "OK", row)), count)

    def _move(self, request: Request, done: Done) -> None:
        name, to, count = self._node(request), request.text("to"), request.number("count", None)
        self.actions.move(name, to, lambda row: done(Answer(200, "OK", row)), count)

    def _peek(self, request: Request, done: Done) -> None:
        name = self._node(request)
        bounds = {
            word: request.number(word, default) for word, default in (("offset", 0), ("count", 10), ("clip", CLIP))
        }
        done(Answer(200, "OK", self.actions.peek(name, **bounds)))  # type: ignore[arg-type]  # each has a default

    def _read_broker(self, request: Request, done: Done) -> None:
        self.actions.overview(lambda row: done(Answer(200, "OK", self._entity("broker", row))))

    def _read_connection(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", self._entity("connection", self.view.connection_row(_count(request, "connection")))))

    def _close_connection(self, request: Request, done: Done) -> None:
        self.actions.close_connection(_count(request, "connection"), request.text("reason", ""))
        done(Answer(204, "No Content", {}))

    def _release(self, request: Request, done: Done) -> None:
        done(Answer(200, "OK", self.actions.release(None, _count(request, "consumer"))))


def _count(request: Request, kind: str) -> int:
    """The name of an entity that is known by a number. Failed (404)."""
    name = request.entity(kind)
    if not name.isascii() or not name.isdigit():
        raise Failed(404, f"no {kind} {name!r}: they are known by numbers")
    return int(name)
