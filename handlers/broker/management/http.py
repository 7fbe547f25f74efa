"""RabbitMQ 4's management over AMQP: requests in the manner of HTTP, on queues, exchanges and bindings.

After rabbit_amqp_management of RabbitMQ 4 [github.com/rabbitmq/rabbitmq-server, deps/rabbit/src]: a method, a path that
is percent-encoded, and a map or nothing as the body; a status and a body come back. Where that server ends the session
(for a path that is none) or answers 400 (for a binding to a queue that is not there), this one answers 404.

The link pair `/management` enters (pair.py). Here are no links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable, NamedTuple
from urllib.parse import parse_qs, quote, unquote

from handlers.broker.management.actions import Actions
from handlers.broker.management.arguments import TYPES, arguments_of, policy_of
from handlers.broker.management.interface import MOST_ROWS, Failed
from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.exchange import KINDS, PREDECLARED, Binding, Exchange, Exchanges
from handlers.broker.nodes.names import LONGEST_NAME
from handlers.broker.nodes.node import Queue
from reactor import UNDESCRIBED, Array, Data, uint, ulong

Done = Callable[[int, Any], None]

_BINDING = re.compile(r"src=([^;]+);dst([eq])=([^;]+);key=([^;]*);args=([\w-]*)")


class Asker(NamedTuple):
    """The client of a request. connection: the one that exclusive queues are for."""

    connection: Any


class HttpOperations:
    """The operations on one broker."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        self._kinds: dict[str, str] = {}  # of queues, as they were declared
        #: By method, first part of the path, and the number of parts.
        self._known: dict[tuple[str, str, int], Callable[..., None]] = {
            ("PUT", "queues", 2): self._put_queue,
            ("GET", "queues", 2): self._get_queue,
            ("DELETE", "queues", 2): self._delete_queue,
            ("DELETE", "queues", 3): self._purge_queue,
            ("PUT", "exchanges", 2): self._put_exchange,
            ("DELETE", "exchanges", 2): self._delete_exchange,
            ("POST", "bindings", 1): self._post_binding,
            ("GET", "bindings", 1): self._get_bindings,
            ("DELETE", "bindings", 2): self._delete_binding,
        }

    @property
    def _exchanges(self) -> Exchanges:
        return self.actions.broker.directory.exchanges

    def perform(self, method: Any, target: Any, body: Any, asker: Asker, done: Done) -> None:
        """Do it, and call `done` with status and body, at once or later."""
        try:
            path, _, query = str(target or "").partition("?")
            parts = path.split("/")[1:]
            known = self._known.get((str(method), parts[0], len(parts))) if parts else None
            if known is None or (len(parts) == 3 and parts[2] != "messages"):
                raise Failed(404, f"no {method} {path!r} here")
            if method in ("GET", "DELETE") and body is not None:
                raise Failed(400, f"a {method} has no body")
            known([unquote(part) if parts[0] != "bindings" else part for part in parts[1:]], query, body, asker, done)
        except Failed as failure:
            done(failure.status, failure.text)
        except Refused as refusal:  # the store has no room
            done(503, refusal.description)

    # -- queues

    def _put_queue(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        name = _checked_name(parts[0], "queue")
        given = _fields(body, "queue", {"durable": True, "exclusive": False, "auto_delete": False})
        arguments = _arguments(given.pop("arguments", {}))
        kind = str(arguments.get("x-queue-type", TYPES[0]))
        exclusive = given.pop("exclusive")
        policy = policy_of(arguments, durable=given["durable"] and not exclusive, auto_delete=given["auto_delete"])
        record = self.actions.broker.directory.records.get(name)
        if record is not None:
            self._same_queue(name, record.node, policy, kind)
        new = self.actions.create(name, "queue", policy)
        if new:
            self._kinds[name] = kind
            if exclusive:
                self.actions.belongs(name, asker.connection)
        self.actions.written(partial(done, 201 if new else 200, self._queue(name)))

    def _same_queue(self, name: str, node: Any, policy: Any, kind: str) -> None:
        if not isinstance(node, Queue):
            raise Failed(409, f"{name!r} is a {node.kind}")
        for what, here, asked in (
            *((setting, getattr(node.policy, setting), getattr(policy, setting)) for setting in sorted(vars(policy))),
            ("x-queue-type", self._kinds.get(name, kind), kind),
        ):
            if here != asked:
                raise Failed(409, f"inequivalent arg '{what}' for queue {name!r}: asked for {asked!r}, it is {here!r}")

    def _get_queue(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        done(200, self._queue(parts[0]))

    def _queue(self, name: str) -> dict[str, Any]:
        queue = self.actions.view.queue(name)
        record = self.actions.view.record(name)
        here = "amqp-reactor"
        kind = self._kinds.get(name, TYPES[0])
        return {
            "message_count": ulong(queue.waiting),
            "consumer_count": uint(len(queue.consumers)),
            "name": name,
            "vhost": "/",
            "durable": queue.policy.durable,
            "auto_delete": queue.policy.auto_delete,
            "exclusive": record.owner is not None,
            "type": kind,
            "arguments": arguments_of(queue.policy, kind),
            "leader": here,
            "replicas": Array(UNDESCRIBED, Data.STRING, here),
        }

    def _delete_queue(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        count = 0
        if parts[0] in self.actions.broker.directory.records:  # as there: one that is not there is deleted
            self.actions.view.queue(parts[0])
            count = self.actions.delete(parts[0])["messages"]
        self._kinds.pop(parts[0], None)
        self.actions.written(partial(done, 200, {"message_count": ulong(count)}))

    def _purge_queue(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        def purged(row: Mapping[str, Any]) -> None:
            done(200, {"message_count": ulong(row["messages"])})

        self.actions.purge(parts[0], purged)

    # -- exchanges

    def _put_exchange(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        name = _checked_name(parts[0], "exchange")
        flags = {"durable": True, "auto_delete": False, "internal": False}
        given = _fields(body, "exchange", {**flags, "type": "direct"})
        kind = given.pop("type")
        if kind not in KINDS:
            raise Failed(400, f"invalid exchange type {kind!r}: this broker has {', '.join(KINDS)}")
        if _arguments(given.pop("arguments", {})):
            raise Failed(400, "this broker knows no arguments of exchanges")
        there = self._exchanges.named.get(name)
        if there is None:
            if given["internal"]:
                raise Failed(400, "this broker has no internal exchanges")
            self._exchanges.declare(name, kind, given)
        else:
            asked = {"type": kind, **given}
            for field, value in {"type": there.kind, **flags, **there.settings}.items():
                if asked[field] != value:
                    text = f"asked for {asked[field]!r}, it is {value!r}"
                    raise Failed(409, f"inequivalent arg '{field}' for exchange {name!r}: {text}")
        self.actions.written(partial(done, 204, None))

    def _delete_exchange(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        name = parts[0]
        if name in PREDECLARED or not name:
            raise Failed(403, f"the exchange {name!r} is always there")
        if name in self._exchanges.named:
            self._exchanges.delete(name)
        self.actions.written(partial(done, 204, None))

    # -- bindings

    def _post_binding(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        where = "destination_queue", "destination_exchange"
        given = _fields(body, "binding", {"source": "", "binding_key": ""}, where)
        if _arguments(given.pop("arguments", {})):
            raise Failed(400, "this broker knows no arguments of bindings")
        to_exchange = "destination_exchange" in given
        destination = given.get("destination_exchange" if to_exchange else "destination_queue")
        if destination is None or ("destination_queue" in given) == to_exchange:
            raise Failed(400, "a binding has one of destination_queue and destination_exchange")
        self._exchange(given["source"])
        if to_exchange:
            self._exchange(destination)
        else:
            self.actions.keep(destination)
        if len(given["binding_key"]) > LONGEST_NAME:
            raise Failed(400, f"a binding key of {len(given['binding_key'])} characters; the most is {LONGEST_NAME}")
        self._exchanges.bind(Binding(given["source"], destination, to_exchange, given["binding_key"]))
        self.actions.written(partial(done, 204, None))

    def _delete_binding(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        match = _BINDING.fullmatch(parts[0])
        if match is None:
            raise Failed(400, f"bad binding path segment {parts[0]!r}: src=A;dstq=B;key=C;args= is wanted")
        source, kind, destination, key = (unquote(part) for part in match.groups()[:4])
        if not match[5]:
            self._exchanges.unbind(Binding(source, destination, kind == "e", key))
        self.actions.written(partial(done, 204, None))

    def _get_bindings(self, parts: list[str], query: str, body: Any, asker: Asker, done: Done) -> None:
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        kind = "dste" if "dste" in asked else "dstq"
        if not {"src", "key", kind} <= set(asked):
            raise Failed(400, "src, key, and dste or dstq are wanted")
        binding = Binding(asked["src"], asked[kind], kind == "dste", asked["key"])
        there = self._exchanges.named.get(binding.source)
        done(200, [_row(binding)] if there is not None and binding in there.bindings else [])

    def _exchange(self, name: str) -> Exchange:
        if not name:
            raise Failed(403, "operation not permitted on the default exchange")
        exchange = self._exchanges.named.get(name)
        if exchange is None:
            raise Failed(404, f"no exchange {name!r}")
        return exchange


def _row(binding: Binding) -> dict[str, Any]:
    source, destination, key = (quote(text, safe="") for text in (binding.source, binding.destination, binding.key))
    kind = "e" if binding.to_exchange else "q"
    return {
        "source": binding.source,
        "destination_exchange" if binding.to_exchange else "destination_queue": binding.destination,
        "binding_key": binding.key,
        "arguments": {},
        "location": f"/bindings/src={source};dst{kind}={destination};key={key};args=",
    }


def _checked_name(name: str, kind: str) -> str:
    """Failed (400, 403) for a name that no queue or exchange is given."""
    if not name:
        raise Failed(403 if kind == "exchange" else 400, f"declare {kind} with empty name not allowed")
    if len(name) > LONGEST_NAME or "\n" in name or "\r" in name:
        raise Failed(400, f"bad name {name[:50]!r}: at most {LONGEST_NAME} characters, in one line")
    if name.startswith("amq.") and name not in PREDECLARED:
        raise Failed(403, f"{kind} {name!r} starts with reserved prefix 'amq.'")
    return name


def _fields(body: Any, kind: str, defaults: Mapping[str, Any], more: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a request, each of the kind of its default, those in `more` texts. Failed (400)."""
    if not isinstance(body, dict):
        raise Failed(400, f"the body is no map of {kind} properties")
    fields = dict(defaults)
    for name, value in body.items():
        wanted = type(defaults.get(name, "")) if name in defaults or name in more else dict
        if (name not in defaults and name not in more and name != "arguments") or not isinstance(value, wanted):
            raise Failed(400, f"bad {kind} property {name!r}: {value!r}")
        fields[str(name)] = str(value) if wanted is str else value
    return fields


def _arguments(given: Mapping[Any, Any]) -> dict[str, Any]:
    if len(given) > MOST_ROWS or not all(isinstance(name, str) for name in given):
        raise Failed(400, "arguments are named by texts")
    return {str(name): value for name, value in given.items()}
