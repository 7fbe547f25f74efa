"""Batches of messages in one delivery, in the message-format 0x80013700."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Backoff, ExactlyOnce, LocalProtocolError, Message, symbol
from reactor.azure import BATCH_FORMAT, Batch, messages_of
from reactor.simulation import World
from tests.support.stage import Stage, Witness


def bodies(batch: Any) -> list[Any]:
    return [message.body for message in batch]


def test_a_batch_has_an_encoded_message_in_each_data_section() -> None:
    first = Message("one", id="1", group_id="s", annotations={symbol("x-opt-partition-key"): "p"}, properties={"a": 1})
    batch = Batch([first, Message(b"x" * 300, inferred=True)])
    envelope = Message.from_bytes(batch.to_bytes())
    assert [Message.from_bytes(part).body for part in envelope.data_sections] == ["one", b"x" * 300]
    assert (envelope.id, envelope.group_id) == ("1", "s")
    assert dict(envelope.annotations or {}) == {"x-opt-partition-key": "p"}
    assert not envelope.properties and len(batch) == 2 and bodies(batch) == ["one", b"x" * 300]
    assert batch.size == len(batch.to_bytes()) and repr(batch) == f"<Batch of 2 messages, {batch.size} bytes>"


def test_a_batch_takes_no_more_than_its_size() -> None:
    whole = Batch([Message("a" * 100), Message("b" * 300)])
    again = Batch(max_size=whole.size)
    assert again.add(Message("a" * 100)) and again.add(Message("b" * 300)) and not again.add(Message(""))
    assert bodies(again) == ["a" * 100, "b" * 300]
    with pytest.raises(ValueError, match="message 2 does not fit: a batch is 200 bytes at most"):
        Batch([Message("a" * 100), Message("b" * 100)], max_size=200)
    with pytest.raises(ValueError, match="the batch is empty"):
        Batch().to_bytes()
    with pytest.raises(TypeError, match="a batch has Messages, not 'text'"):
        Batch(["text"])  # type: ignore[list-item]


def test_the_messages_of_any_delivery() -> None:
    batch = Batch([Message("one"), Message("two")])
    delivery = SimpleNamespace(message_format=BATCH_FORMAT)
    event = SimpleNamespace(delivery=delivery, message=Message.from_bytes(batch.to_bytes()))
    assert [message.body for message in messages_of(event)] == ["one", "two"]
    event = SimpleNamespace(delivery=SimpleNamespace(message_format=0), message=Message("one"))
    assert [message.body for message in messages_of(event)] == ["one"]


class Taking(Witness):
    def __init__(self) -> None:
        super().__init__(on_message=self.take, on_in_doubt=lambda event: None)
        self.formats: list[int] = []
        self.bodies: list[Any] = []

    def take(self, event: Any) -> None:
        self.formats.append(event.delivery.message_format)
        self.bodies.append([message.body for message in messages_of(event)])


@pytest.mark.parametrize("size", [10, 100000])
def test_a_batch_travels_as_one_delivery_of_its_format(size: int) -> None:
    server = Taking()
    stage = Stage(server)
    client = Witness()
    container, connection = stage.connect(client)
    sender = container.create_sender(connection, "q")
    stage.run()
    sender.send(Message("before"))
    delivery = sender.send(Batch([Message("x" * size), Message("two")]), tag="mine")
    sender.send(Message("after"))
    stage.run()
    assert server.formats == [0, BATCH_FORMAT, 0] and delivery.tag == "mine"
    assert server.bodies == [["before"], ["x" * size, "two"], ["after"]]
    assert client.count("on_accepted") == 3


def test_a_batch_that_is_sent_again_keeps_its_format() -> None:
    """It has left, its outcome has not come, and the wire is lost."""
    server = Taking()
    server.auto_accept = False
    with World(seed=3) as world:
        machine = world.container(server, name="server")
        acceptor = machine.listen("amqp://server:5672")
        container = world.container(MessagingHandler(), name="client")
        options: Any = {"reconnect": Backoff(initial=0.1), "resend": True}
        connection = container.connect("amqp://server:5672", **options)
        sender = container.create_sender(connection, "q")
        sender.send(Batch([Message("one"), Message("two")]))
        world.run_until(lambda: len(server.formats) == 1)
        for wire in list(world.network.wires):
            wire.reset()
        world.run_until(lambda: len(server.formats) == 2)
        assert server.formats == [BATCH_FORMAT] * 2 and server.bodies == [["one", "two"]] * 2
        acceptor.close()
        connection.close()


def test_a_link_that_resumes_takes_no_batch() -> None:
    stage = Stage(Taking())
    container, connection = stage.connect(Witness())
    sender = container.create_sender(connection, "q", name="mine", options=ExactlyOnce())
    with pytest.raises(LocalProtocolError, match="those of a batch cannot be resumed"):
        sender.send(Batch([Message("one")]))
