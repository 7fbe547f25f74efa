"""What awaited calls do in the moments in which they once went wrong: a cancellation or an error in between."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from handlers.broker.broker import Broker
from reactor import ACCEPTED, Condition, Message, aio
from reactor.aio import AsyncContainer
from reactor.azure import Batch, messages_of
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.errors import ConnectionException, LinkException, LocalProtocolError, NotFound, SessionException
from reactor.simulation import World
from tests.support.aio import PATIENCE, run
from tests.support.blocking import Peer


@pytest.fixture
def broker():
    with EmbeddedBroker() as broker:
        yield broker
    assert not broker.overview().internal_errors


async def until(condition):
    """Wait for what comes about in another task, or thread."""
    while not condition():
        await asyncio.sleep(0.001)


async def some_turns():
    for _ in range(10):
        await asyncio.sleep(0)


def taking(bodies, **methods):
    """A peer that accepts what comes."""

    def take(event):
        event.receiver.max_message_size = 100
        event.receiver.flow(10)

    return Peer(on_link_opening=take, on_message=lambda event: bodies.append(event.message.body), **methods)


# -- the container ---------------------------------------------------------------------------------------------------


class Surviving(MessagingHandler):
    """Its coroutine does not end by its cancellation."""

    error = None

    async def on_start(self, event):
        self.began.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if self.error is not None:
                raise self.error from None


def test_the_block_ends_when_a_handler_survives_its_cancellation():
    async def program():
        handler = Surviving()
        handler.began = asyncio.Event()
        async with AsyncContainer(handler):
            await handler.began.wait()

    run(program)


def test_the_block_ends_when_a_handler_fails_at_its_cancellation():
    async def program():
        handler = Surviving()
        handler.began, handler.error = asyncio.Event(), ZeroDivisionError("in its cleanup")
        async with AsyncContainer(handler):
            await handler.began.wait()

    with pytest.raises(ZeroDivisionError, match="in its cleanup"):
        run(program)


def fail():
    raise ZeroDivisionError("a mistake in the handler")


def test_an_exception_leaves_the_block_when_another_task_waits_for_the_end():
    async def program():
        with pytest.raises(ZeroDivisionError, match="a mistake in the handler"):
            async with AsyncContainer() as container:
                container.listen("127.0.0.1:0")
                waiting = asyncio.ensure_future(container.wait())
                await some_turns()
                assert not waiting.done()
                container.call_soon_threadsafe(fail)
                await asyncio.Event().wait()
        with pytest.raises(ZeroDivisionError, match="a mistake in the handler"):
            await waiting

    run(program)


def test_an_exception_leaves_the_block_that_waits_for_the_end_for_a_while():
    """`wait_for` makes a task of it, or does not, as the version of Python has it."""

    async def program():
        with pytest.raises(ZeroDivisionError, match="a mistake in the handler"):
            async with AsyncContainer() as container:
                container.listen("127.0.0.1:0")
                container.call_soon_threadsafe(fail)
                await asyncio.wait_for(container.wait(), PATIENCE)

    run(program)


def test_after_an_exception_no_turn_is_made_whatever_comes():
    class Counting(AsyncContainer):
        turns = 0

        def _turn(self):
            self.turns += 1
            super()._turn()

    async def program():
        with pytest.raises(ZeroDivisionError):
            async with Counting() as container:
                container.listen("127.0.0.1:0")
                container.call_soon_threadsafe(fail)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
                turns = container.turns
                container.call_soon_threadsafe(fail)
                await some_turns()
                assert container.turns == turns
                raise asyncio.CancelledError

    run(program)


# -- senders ---------------------------------------------------------------------------------------------------------


def test_a_message_that_cannot_be_sent_leaves_its_room_to_the_next():
    async def program(url):
        async with aio.connect(url) as connection:
            sender = await connection.sender("jobs", capacity=1)
            calls = [sender.send(body) for body in ("one", b"x" * 1000, "two")]
            first, long, last = await asyncio.gather(*calls, return_exceptions=True)
            assert (first.remote_state, last.remote_state) == (ACCEPTED, ACCEPTED)
            assert isinstance(long, LocalProtocolError)
            assert sender.unsettled == 0

    bodies = []
    with taking(bodies) as peer:
        run(lambda: program(peer.url))
    assert bodies == ["one", "two"]


def test_flush_returns_when_the_last_send_is_cancelled_as_it_is_called_to_its_room(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs", capacity=1)

            async def first():
                await sender.send("one")
                second.cancel()

            sending = asyncio.ensure_future(first())
            second = asyncio.ensure_future(sender.send("two"))
            await asyncio.sleep(0)
            await sender.flush()
            await sending
            assert sender.unsettled == 0
            assert (await asyncio.gather(second, return_exceptions=True))[0].__class__ is asyncio.CancelledError

    run(program)
    assert broker.queue("jobs").depth == 1


def test_flush_waits_for_a_send_that_was_called_to_its_room(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs", capacity=1)

            async def first():
                await sender.send("one")
                await sender.flush()
                return second.done()

            sending = asyncio.ensure_future(first())
            second = asyncio.ensure_future(sender.send("two"))
            assert await sending
            await second

    run(program)


def test_sends_have_their_room_in_the_order_of_their_calls(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs", capacity=1)

            async def first():
                await sender.send(1)
                await sender.send(3)

            sending = asyncio.ensure_future(first())
            await asyncio.gather(sending, sender.send(2))
            receiver = await connection.receiver("jobs")
            return [(await receiver.receive()).body for _ in range(3)]

    assert run(program) == [1, 2, 3]


def test_a_sender_that_waits_to_be_closed_is_when_the_last_send_is_cancelled():
    async def program(url):
        async with aio.connect(url) as connection:
            sender = await connection.sender("jobs")
            sending = asyncio.ensure_future(sender.send("never"))
            await until(lambda: sender.unsettled)
            closing = asyncio.ensure_future(sender.close())
            await some_turns()
            assert not closing.done()
            sending.cancel()
            await closing
            await asyncio.gather(sending, return_exceptions=True)

    with Peer() as peer:
        run(lambda: program(peer.url))


def test_a_send_that_is_cancelled_as_its_outcome_comes_tells_which(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")

            async def send():
                try:
                    await sender.send("one")
                except asyncio.CancelledError as error:
                    return str(error)

            class Cancelling:
                def on_delivery(self, event):
                    sending.cancel()

            sender.link.handler.handlers.append(Cancelling())
            sending = asyncio.ensure_future(send())
            return await sending

    assert "send() was cancelled: the message has left, and is ACCEPTED" in run(program)


def test_a_batch_sends_itself():
    async def program(url):
        async with aio.connect(url) as connection:
            sender = await connection.sender("jobs")
            delivery = await sender.send(Batch([Message("one"), Message("two")]))
            assert delivery.remote_state is ACCEPTED

    bodies = []
    with Peer(
        on_link_opening=lambda event: event.receiver.flow(1),
        on_message=lambda event: bodies.extend(message.body for message in messages_of(event)),
    ) as peer:
        run(lambda: program(peer.url))
    assert bodies == ["one", "two"]
