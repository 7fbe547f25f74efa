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
