# pyright: strict
"""A right program: calls that are awaited, and handlers with coroutines."""

import asyncio
from typing import Optional

from typing_extensions import assert_type

from handlers import MessagingHandler
from reactor import ACCEPTED, Backoff, Condition, Delivery, Event, Message
from reactor.aio import (
    AsyncConnection,
    AsyncContainer,
    AsyncReceiver,
    AsyncRequests,
    AsyncSender,
    AsyncSession,
    ReceivedMessage,
    connect,
)


class Worker(MessagingHandler):
    async def on_start(self, event: Event) -> None:
        await asyncio.sleep(0)
        event.container.connect("amqp://localhost")

    async def on_message(self, event: Event) -> None:
        await asyncio.sleep(1)
        event.delivery.accept()

    def on_accepted(self, event: Event) -> None:
        event.connection.close()


async def send(url: str) -> None:
    connection = await connect(url, reconnect=Backoff(), timeout=5, user="guest", password="guest")
    assert_type(connection, AsyncConnection)
    sender = await connection.sender("jobs", capacity=10)
    assert_type(sender, AsyncSender)
    delivery = await sender.send(Message("one"), timeout=3.0, error_states=[])
    assert_type(delivery, Delivery)
    if delivery.remote_state is ACCEPTED:
        await sender.flush(timeout=1)
    await connection.close()


async def receive(url: str) -> Optional[str]:
    async with connect(url) as connection, connection.session() as session:
        assert_type(session, AsyncSession)
        async with session.receiver("jobs", prefetch=10) as receiver:
            assert_type(receiver, AsyncReceiver)
            async for message in receiver:
                assert_type(message, ReceivedMessage)
                await message.accept()
                await message.reject(Condition("app:no"))
                await message.modify(undeliverable=True)
                if message.subject:
                    break
            message = await receiver.receive(timeout=1.5)
            await message.release()
            return message.subject


async def ask(url: str) -> None:
    async with connect(url) as connection, connection.requests("server") as requests:
        assert_type(requests, AsyncRequests)
        response = await requests.call(Message("2 + 2"), timeout=5)
        assert_type(response, ReceivedMessage)


async def run() -> None:
    async with AsyncContainer(Worker(), container_id="worker") as container:
        assert_type(container, AsyncContainer)
        container.stop(drain=5)
        await container.wait()
