"""Requests of odd values to both management nodes: each gets an answer; no link, connection or handler of the broker
ends by one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from handlers.broker.management.operations import ATTRIBUTES, NODE
from reactor import UNDESCRIBED, Array, Data, Described, Message, symbol, timestamp, ulong
from tests.broker.test_management_node import To
from tests.broker.test_management_pair import Paired
from tests.support.brokers import BrokerWorld

OPERATIONS = """CREATE READ UPDATE DELETE PURGE PEEK MOVE STATS RELEASE QUERY GET-TYPES GET-ATTRIBUTES GET-OPERATIONS
GET-ANNOTATIONS GET-MGMT-NODES""".split()
ARGUMENTS = """name identity entityType offset count pattern node connection to clip reason if_unused if_empty locales
operation type""".split()
TEXTS = ["", "jobs", "news", "none", "queue:jobs", "queue:", ":", "1", "-1", "\n", "é" * 9, "x" * 2000, "[", "*", "/"]
SETTINGS = "ttl max_length overflow dead_letter durable priority colour attributeNames max_bytes".split()
PATHS = """/queues/jobs /queues/ /queues/%FF%00 /queues/jobs/messages /exchanges/x /exchanges/ /bindings // x
/bindings/src=x;dstq=jobs;key=k;args= /bindings?src=x&dstq=jobs&key=k /bindings?%""".split()
FIELDS = """durable auto_delete exclusive internal type arguments source destination_queue destination_exchange
binding_key""".split()
X_ARGUMENTS = """x-max-length x-overflow x-message-ttl x-delivery-limit x-dead-letter-exchange x-queue-type
x-other""".split()
STATUSES = {200, 201, 204, 400, 403, 404, 409, 501}


def value(chance: random.Random, depth: int = 2) -> Any:
    kinds = [
        lambda: None, lambda: chance.random() < 0.5, lambda: chance.choice([0, 1, 5, -1, 1 << 40, -(1 << 63)]),
        lambda: chance.choice(TEXTS), lambda: chance.choice([0.5, -1.0, float("nan"), float("inf")]),
        lambda: b"\xff\x00", lambda: symbol("s"), lambda: ulong(1 << 63), lambda: timestamp(1 << 60),
        lambda: Described(symbol("d"), 1), lambda: Array(UNDESCRIBED, Data.INT, 1, 2),
    ]  # fmt: skip
    if depth:
        kinds += [
            lambda: [value(chance, depth - 1) for _ in range(chance.randint(0, 3))],
            lambda: {chance.choice([*SETTINGS, *FIELDS, 5]): value(chance, depth - 1) for _ in range(3)},
            lambda: {"arguments": {chance.choice(X_ARGUMENTS): value(chance, 0) for _ in range(2)}},
        ]
    return chance.choice(kinds)()


def simple(chance: random.Random) -> Any:
    """A value that an application property may have."""
    return chance.choice([0, 3, -1, True, 1.5, b"\xff", symbol("s"), *TEXTS, *ATTRIBUTES])


@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_odd_requests(seed, store, tmp_path):
    chance = random.Random(seed)
    world = BrokerWorld(store=tmp_path / "store" if store else None)
    client = world.client()
    for name in ("jobs", "other"):
        client.send(name, "a", "b", durable=True)
    client.receiver("jobs", 1)
    replies = client.receiver("$management", 10_000, options=To("mine"))
    standard = client.sender("$management")
    pair = client.receiver("/management", 10_000, name="pair", options=Paired())
    http = client.sender("/management", name="pair", options=Paired())
    asked = 0
    for number in range(400):
        arguments = {chance.choice(ARGUMENTS): simple(chance) for _ in range(chance.randint(0, 4))}
        arguments.setdefault("operation", chance.choice(OPERATIONS))
        arguments.setdefault("type", chance.choice(["queue", NODE, *ATTRIBUTES]))
        if arguments["type"] == "connection" and arguments["operation"] == "DELETE":
            continue  # it would be its own end
        asked += 1
        standard.send(Message(value(chance), id=number, reply_to="mine", properties=arguments, inferred=False))
        method = chance.choice(["GET", "PUT", "DELETE", "POST", "HEAD", ""])
        body = chance.choice([None, value(chance), {chance.choice(FIELDS): value(chance) for _ in range(3)}])
        where = {"subject": method, "address": chance.choice(PATHS)}
        http.send(Message(body, id=number, reply_to="$me", inferred=False, **where))
        world.quiet()
    answers = client.take(replies)
    assert len(answers) == asked and len(client.take(pair)) == asked
    assert {200, 400, 404, 501} <= {answer.message.properties["statusCode"] for answer in answers} <= STATUSES
    assert client.errors in ([], ["amqp:resource-deleted"]) and world.broker.internal_errors == 0
