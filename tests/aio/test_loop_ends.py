"""What becomes of connections when their event loop ends, in good order or not; and what is left to the collector."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from handlers.broker.broker import Broker
from reactor import aio
from reactor.aio import AsyncContainer
from reactor.aio.streams import StreamNetwork
from reactor.errors import ConnectionException
from reactor.loop.clock import MonotonicClock
from reactor.simulation import World
from tests.support.aio import kinds, run
from tests.support.blocking import eventually

WATCHING = {name: make for name, make in kinds().items() if name != "without readers"}


@pytest.fixture
def broker():
    with EmbeddedBroker() as broker:
        yield broker
    assert not broker.overview().internal_errors


def no_connection(broker):
    return broker.overview().connections == 0


@pytest.mark.parametrize("make", WATCHING.values(), ids=WATCHING)
def test_a_loop_that_is_closed_in_mid_connection(broker, make):
    async def opens():
        connection = await aio.connect(broker.url)
        return connection, await connection.sender("jobs"), await connection.receiver("jobs")

    loop = make()
    connection, sender, receiver = loop.run_until_complete(opens())
    loop.close()

    async def uses():
        for call in (lambda: sender.send("one"), lambda: connection.sender("jobs"), lambda: connection.session()):
            with pytest.raises(RuntimeError, match="another event loop, which is closed: connections"):
                await call()
        for _ in range(2):
            await connection.close()
        assert connection.closed
        with pytest.raises(ConnectionException, match="the connection is closed"):
            await receiver.receive()

    run(uses)
    eventually(lambda: no_connection(broker))


@pytest.mark.parametrize("make", WATCHING.values(), ids=WATCHING)
def test_a_container_whose_loop_is_closed_in_its_middle(broker, make):
    class Idle(MessagingHandler):
        def on_start(self, event):
            event.container.connect(broker.url)

        def on_connection_opened(self, event):
            opened.set()

    async def begins():
        nonlocal opened
        opened = asyncio.Event()
        container = AsyncContainer(Idle())
        container.begin()
        await opened.wait()
        return container

    opened = None
    loop = make()
    container = loop.run_until_complete(begins())
    loop.close()
    container.let_go()
    container.let_go()
    eventually(lambda: no_connection(broker))


@pytest.mark.parametrize("place", ["a callback", "a handler"])
def test_a_keyboard_interrupt_closes_in_good_order(broker, place):
    class Interrupted(MessagingHandler):
        def on_start(self, event):
            event.container.connect(broker.url)

        def on_connection_opened(self, event):
            interrupt()

    def interrupt():
        raise KeyboardInterrupt

    async def in_a_callback():
        async with aio.connect(broker.url) as connection:
            receiver = await connection.receiver("jobs")
            asyncio.get_running_loop().call_soon(interrupt)
            await receiver.receive()

    async def in_a_handler():
        async with AsyncContainer(Interrupted()) as container:
            await container.wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(in_a_callback() if place == "a callback" else in_a_handler())
    eventually(lambda: no_connection(broker))


def test_a_container_that_runs_is_held_by_its_loop(broker):
    """So the collector, which may run in any thread, finds none that a loop works on."""

    async def program():
        reference = weakref.ref(await begun())
        gc.collect()
        assert reference() is not None
        reference().let_go()

    async def begun():
        container = AsyncContainer()
        container.begin()
        container.connect(broker.url)
        return container

    run(program)


def test_a_network_that_is_closed_forgets_the_calls_that_nobody_has_begun():
    async def program():
        network = StreamNetwork(asyncio.get_running_loop(), MonotonicClock())
        go, called = threading.Event(), []

        def call(number):
            called.append(number)
            go.wait()

        for number in range(8):
            network.call_aside(lambda number=number: call(number), lambda outcome: None)
        for number in range(8, 12):
            network.call_aside(lambda number=number: call(number), lambda outcome: None)
        network.close()
        go.set()
        for thread in [one for one in threading.enumerate() if one.name == "amqp-reactor call aside"]:
            thread.join()
        assert sorted(called) == list(range(8))

    run(program)


def test_each_call_that_waits_has_an_exception_of_its_own():
    url = "amqp://broker:5672"

    async def ask():
        async with aio.connect(url) as connection, connection.requests("jobs") as requests:
            waiting = asyncio.gather(*(requests.call(number) for number in range(3)), return_exceptions=True)
            await asyncio.sleep(0)
            asked.append(True)
            errors = await waiting
            with pytest.raises(ConnectionException) as caught:
                await requests.call("later")
            return [*errors, caught.value]

    asked = []
    with World(1) as world:
        world.start(Broker, url, name="broker")
        asking = world.start(ask, name="client")
        world.run_until(lambda: asked)
        world.run_for(1)
        world.cut("client")
        world.run_until(lambda: not asking.running)
    errors = asking.result
    assert [type(error) for error in errors] == [ConnectionException] * 4
    assert len({id(error) for error in errors}) == 4
    assert len({str(error) for error in errors}) == 1


def test_calls_end_when_their_requests_are_closed(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            requests = await connection.requests("jobs")
            waiting = [asyncio.get_running_loop().create_task(requests.call(number)) for number in range(2)]
            await asyncio.sleep(0)
            await requests.close()
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            assert errors[0] is not errors[1]
            assert ["closed" in str(error) for error in errors] == [True, True]

    run(program)
