"""TaskGroup and asyncio.timeout, which Python has since 3.11."""

from __future__ import annotations

import asyncio
import sys

import pytest

from handlers.broker import EmbeddedBroker
from reactor import ACCEPTED, Message, aio
from tests.support.aio import PATIENCE, run
from tests.support.blocking import eventually

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup and asyncio.timeout are of 3.11")


@pytest.fixture
def broker():
    with EmbeddedBroker() as broker:
        yield broker
    assert not broker.overview().internal_errors


def test_sends_in_a_task_group(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(sender.send(Message(number))) for number in range(20)]
            assert {task.result().remote_state for task in tasks} == {ACCEPTED}

    run(program)
    assert broker.queue("jobs").depth == 20


def test_an_error_in_a_task_group_cancels_a_receive_and_its_message_comes_to_the_next(broker):
    async def fail():
        raise LookupError("no such thing")

    async def program():
        async with aio.connect(broker.url) as connection:
            receiver = await connection.receiver("jobs", prefetch=0)
            with pytest.raises(BaseExceptionGroup) as caught:  # noqa: F821  # of 3.11
                async with asyncio.TaskGroup() as group:
                    group.create_task(receiver.receive())
                    group.create_task(fail())
            assert [type(error) for error in caught.value.exceptions] == [LookupError]
            await (await connection.sender("jobs")).send(Message("later"))
            message = await receiver.receive(timeout=PATIENCE)
            assert message.body == "later"
            await message.accept()

    run(program)
    eventually(lambda: broker.queue("jobs").depth == 0)


def test_a_timeout_of_asyncio_ends_a_receive_and_loses_nothing(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            receiver = await connection.receiver("jobs")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await receiver.receive()
            await (await connection.sender("jobs")).send(Message("later"))
            async with asyncio.timeout(PATIENCE):
                assert (await receiver.receive()).body == "later"

    run(program)
