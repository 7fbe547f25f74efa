"""Messages of another message-format, such as batches: they go on with it, whatever way they take in the broker."""

from __future__ import annotations

import pytest

from handlers.broker import Policy
from handlers.broker.nodes.envelope import kept_envelope, read_envelope
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import ACCEPTED, MODIFIED, REJECTED, AtMostOnce, Copy, DecodeError, ExactlyOnce, Message
from reactor.azure import BATCH_FORMAT, Batch, messages_of
from tests.support.brokers import BrokerWorld

SENT = [(0, ["before"]), (BATCH_FORMAT, ["one", "two"]), (0, ["after"])]


def batch(durable=False):
    return Batch([Message("one"), Message("two", durable=durable)])


def sent(client, address, durable=False, **options):
    """Send a batch, between two messages of the usual format."""
    sender = client.sender(address, **options)
    for message in (Message("before", durable=durable), batch(durable), Message("after", durable=durable)):
        sender.send(message)
        client.world.quiet()
    sender.close()
    client.world.quiet()


def came(client, address, state=ACCEPTED, failed=False, **options):
    """The format, and the bodies, of each delivery that a receiver has; it settles them with this outcome."""
    receiver = client.receiver(address, 10, **options)
    taken = client.take(receiver)
    for one in taken:
        if not one.delivery.settled and not one.delivery.fate:
            one.delivery.local.failed = failed
            one.settle(state)
    client.world.quiet()
    receiver.close()
    client.world.quiet()
    return [(one.delivery.message_format, [each.body for each in messages_of(one.message)]) for one in taken]


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    """Makes a store, or opens it again."""
    memory = MemoryStore()
    return lambda: memory if request.param == "memory" else SqliteStore(tmp_path / "store")


@pytest.mark.parametrize("options", [{}, {"options": AtMostOnce()}], ids=["settled later", "at most once"])
def test_a_batch_passes_through_a_queue(options, folding):
    client = BrokerWorld().client()
    sent(client, "jobs")
    assert client.outcomes == [ACCEPTED] * 3
    assert came(client, "jobs", **options) == SENT


def test_a_batch_comes_again_and_is_looked_at():
    client = BrokerWorld().client()
    sent(client, "jobs")
    assert came(client, "jobs", options=Copy()) == SENT
    assert came(client, "jobs", MODIFIED, failed=True) == SENT
    assert came(client, "jobs") == SENT


def test_a_batch_is_copied_by_a_topic():
    world = BrokerWorld(topics={"news": Policy()})
    client, other = world.client(), world.client()
    receivers = [each.receiver("news", 10) for each in (client, other)]
    sent(client, "news")
    for each, receiver in zip((client, other), receivers):
        taken = each.take(receiver)
        assert [one.delivery.message_format for one in taken] == [0, BATCH_FORMAT, 0]


def test_a_batch_that_waits_for_its_time_to_live(store):
    client = BrokerWorld(queues={"jobs": Policy(ttl=100.0)}, store=store()).client()
    sent(client, "jobs", durable=True)
    assert came(client, "jobs") == SENT


def test_a_dead_letter_is_a_batch_still(store):
    client = BrokerWorld(queues={"jobs": Policy(dead_letter="dead")}, store=store()).client()
    sent(client, "jobs", durable=True)
    assert came(client, "jobs", REJECTED) == SENT
    assert came(client, "dead") == SENT


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_batch_survives_a_crash(store, durable):
    world = BrokerWorld(store=store())
    sent(world.client(), "jobs", durable)
    world.crash()
    world.options["store"] = store()
    world.start()
    assert came(world.client(), "jobs") == (SENT if durable else [])
    world.broker.close()


def test_a_durable_batch_at_most_once(store):
    world = BrokerWorld(store=store())
    client = world.client()
    sent(client, "jobs", durable=True)
    assert came(client, "jobs", options=AtMostOnce()) == SENT
    world.broker.close()


def test_a_batch_over_a_link_that_resumes(store):
    world = BrokerWorld(store=store())
    client = world.client()
    sent(client, "jobs", durable=True)
    assert came(client, "jobs", name="mine", options=ExactlyOnce()) == SENT
    world.broker.close()


def test_a_batch_is_durable_where_one_of_its_messages_is():
    plain, durable = batch(), batch(durable=True)
    assert Message.from_bytes(plain.to_bytes()).durable is False
    assert Message.from_bytes(durable.to_bytes()).durable is True
    for each in (plain, durable):
        assert each.size == len(each.to_bytes())
    bounded = Batch([Message("one")], max_size=plain.size)
    assert not bounded.add(Message("two", durable=True))  # it makes the header longer
    assert bounded.add(Message("two"))


def test_the_envelope_keeps_the_format():
    payload = batch(durable=True).to_bytes()
    one, other = read_envelope(payload, BATCH_FORMAT), read_envelope(payload)
    assert one is not other
    assert (one.format, other.format) == (BATCH_FORMAT, 0)
    assert one.header == other.header == other.kept == payload[: one.length]
    assert kept_envelope(one.kept) is one
    assert kept_envelope(other.kept) is other
    assert kept_envelope(b"") is read_envelope(b"")
    with pytest.raises(DecodeError, match="less than four bytes"):
        kept_envelope(one.kept[:3])
