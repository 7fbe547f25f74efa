"""Long messages through blocking calls and awaited ones, by way of a broker and in a transaction."""

from __future__ import annotations

import pytest

from reactor import Message, aio
from tests.support.aio import run
from tests.support.blocking import PATIENCE

LONG = bytes(range(256)) * 20_000  # more than is gathered
FULL = {"id": "m1", "durable": True, "annotations": {"x-opt-key": "k"}, "footer": {"x-opt-sum": b"123"}}


class Own(Message):
    """A message that is encoded in another way."""

    __slots__ = ()

    def encode(self):
        return Message(self.body, subject="own").encode()


@pytest.mark.parametrize("inferred", [False, True])
@pytest.mark.parametrize("transacted", [False, True])
def test_a_long_message_there_and_back(connection, transacted, inferred):
    with connection.session(transacted=transacted) as session:
        session.sender("jobs").send(Message(LONG, inferred=inferred, **FULL))
        if transacted:
            session.commit()
        message = session.receiver("jobs").fetch(timeout=PATIENCE)
        assert message.body == LONG and message.inferred is inferred
        assert (message.id, message.annotations, message.footer) == ("m1", FULL["annotations"], FULL["footer"])
        message.acknowledge()
        session.sender("again").send(message)
        if transacted:
            session.commit()
        assert session.receiver("again").fetch(timeout=PATIENCE).encode().endswith(message.encode()[-len(LONG) :])


def test_a_class_with_an_encoding_of_its_own_is_encoded_by_it(connection):
    connection.create_sender("jobs").send(Own(LONG))
    assert connection.create_receiver("jobs").receive(timeout=PATIENCE).subject == "own"


def test_a_long_message_in_coroutines(broker):
    async def main():
        async with aio.connect(broker.url) as connection:
            async with connection.sender("jobs") as sender, connection.receiver("jobs") as receiver:
                await sender.send(Message(LONG, **FULL))
                await sender.send(Own(LONG))
                message = await receiver.receive(timeout=PATIENCE)
                assert message.body == LONG and message.footer == FULL["footer"]
                await message.accept()
                assert (await receiver.receive(timeout=PATIENCE)).subject == "own"

    run(main)
