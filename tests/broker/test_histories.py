"""Any history, whatever its clients do to each other: no message is lost, and none is there that nobody sent."""

from __future__ import annotations

import random

import pytest

from reactor import ACCEPTED, RELEASED, AtMostOnce, Message, ModifiedDisposition
from tests.support.brokers import BrokerWorld

pytestmark = pytest.mark.usefixtures("folding")


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost(seed):
    """Clients send, consume, give back, stall and vanish at random; at the end everything has been consumed."""
    rng = random.Random(seed)
    world = BrokerWorld(max_queue_bytes=rng.choice([0, 10_000, 1_000_000]))
    world.network.split([rng.randrange(1, 300) for _ in range(7)] if seed % 2 else None)
    sent, done, tried = set(), set(), {}
    clients = [world.client() for _ in range(4)]
    links = {}

    def link(client, kind):
        if (client, kind) not in links:
            make = client.sender if kind == "sender" else client.receiver
            options = AtMostOnce() if kind == "sender" and rng.random() < 0.2 else None
            links[client, kind] = make("jobs", options=options)
        return links[client, kind]

    def finish(received, state):
        number = received.body["n"]
        count = received.message.delivery_count
        assert count >= tried.get(number, 0), "the count never falls"
        tried[number] = count
        received.settle(state)
        if state == ACCEPTED:
            assert number not in done, "accepted, and delivered again"

    def vanish(client):
        client.vanish()
        for received in client.take():
            tried[received.body["n"]] = received.message.delivery_count
        for kind in ("sender", "receiver"):
            links.pop((client, kind), None)
        clients.remove(client)
        clients.append(world.client())

    for _ in range(300):
        client = rng.choice(clients)
        action = rng.choice(["send"] * 4 + ["flow"] * 3 + ["settle"] * 4 + ["detach", "close", "vanish", "wait"])
        if action == "send":
            for _ in range(rng.randrange(1, 6)):
                number = len(sent)
                sent.add(number)
                body = {"n": number, "filling": "x" * rng.choice([0, 10, 500, 5000])}
                link(client, "sender").send(Message(body, durable=bool(number % 2)))
            world.quiet()
            if link(client, "sender").queued:
                # What waits for credit would be lost with its client, as it should: let it go out first.
                for other in clients:
                    for received in other.take():
                        finish(received, ACCEPTED)
                        done.add(received.body["n"])
                drain(world, clients, links, link, finish, done)
        elif action == "flow":
            link(client, "receiver").flow(rng.randrange(1, 8))
        elif action == "settle" and client.inbox:
            received = client.inbox.pop(rng.randrange(len(client.inbox)))
            state = rng.choice([ACCEPTED, ACCEPTED, RELEASED, ModifiedDisposition(failed=True)])
            finish(received, state)
            if state == ACCEPTED:
                done.add(received.body["n"])
        elif action in ("detach", "close") and (client, "receiver") in links:
            world.quiet()
            getattr(links.pop((client, "receiver")), action)()
            client.take()
        elif action == "vanish":
            world.quiet()
            vanish(client)
        if rng.random() < 0.7:
            world.quiet()
    drain(world, clients, links, link, finish, done)
    assert done == sent
    node = world.node("jobs")
    assert (node.depth, node.bytes, node.acknowledged) == (0, 0, len(sent))
    assert all(client.errors == [] for client in clients)


def drain(world, clients, links, link, finish, done):
    """Consume until nothing is left, and no sender waits."""
    for _ in range(1000):
        world.quiet()
        for client in clients:
            for received in client.take():
                finish(received, ACCEPTED)
                done.add(received.body["n"])
        world.quiet()
        waiting = any(sender.queued for (_, kind), sender in links.items() if kind == "sender")
        if not world.node("jobs").depth and not waiting:
            return
        link(clients[0], "receiver").flow(50)
    raise AssertionError("the queue never gets empty")
