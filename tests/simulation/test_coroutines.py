"""Coroutines as programs of a World: time, order, faults and crashes, the same in each run of a seed."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from handlers import MessagingHandler
from handlers.broker.broker import Broker
from reactor import Message, aio
from reactor.errors import ConnectionException, ReactorException
from reactor.simulation import EverySendEndsOnce, SettledOnce, World, explore

URL = "amqp://broker:5672"


async def produce(url, count):
    """Sends each message until it is accepted."""
    sent = 0
    async with aio.connect(url, reconnect=True) as connection:
        sender = await connection.sender("jobs")
        while sent < count:
            try:
                await sender.send(Message(sent), timeout=30)
            except ReactorException:
                continue
            sent += 1
    return sent


async def consume(url, count):
    """Takes messages until it has seen so many different ones."""
    seen = set()
    async with aio.connect(url, reconnect=True) as connection:
        receiver = await connection.receiver("jobs", prefetch=5)
        while len(seen) < count:
            try:
                message = await receiver.receive()
            except ReactorException:
                receiver = await connection.receiver("jobs", prefetch=5)
                continue
            seen.add(message.body)
            await message.accept()
    return seen


def start_both(world, count):
    world.start(Broker, URL, name="broker")
    return world.start(produce, URL, count), world.start(consume, URL, count)


def test_time_is_that_of_the_world():
    async def main(steps):
        loop = asyncio.get_running_loop()
        began = loop.time()
        queue = asyncio.Queue()

        async def put():
            for number in range(3):
                await asyncio.sleep(5)
                await queue.put(number)

        task = asyncio.ensure_future(put())
        for _ in range(3):
            steps.append((await queue.get(), loop.time() - began))
        await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(3600), 100)
        results = await asyncio.gather(asyncio.sleep(1, "one"), asyncio.sleep(2, "two"))
        return results, loop.time() - began

    steps = []
    with World(1) as world:
        program = world.start(main, steps)
        with pytest.raises(RuntimeError, match="has no result"):
            _ = program.result
        world.run_until(limit=1000)
    assert steps == [(0, 5), (1, 10), (2, 15)]
    assert program.result == (["one", "two"], 117)
    assert not program.running


def test_messages_there_and_back():
    with World(2) as world:
        producer, consumer = start_both(world, 20)
        world.run_until(lambda: not producer.running)
        assert consumer.explain()
        world.run_until(lambda: not consumer.running)
    assert producer.result == 20
    assert consumer.result == set(range(20))


def test_handlers_with_coroutines_run_in_a_world():
    class Slow(MessagingHandler):
        def __init__(self, count):
            super().__init__(prefetch=3)
            self.count = count

        def on_start(self, event):
            connection = event.container.connect(URL)
            event.container.create_receiver(connection, "jobs")

        async def on_message(self, event):
            await asyncio.sleep(10)
            self.count -= 1
            if not self.count:
                event.connection.close()

    async def main():
        async with aio.AsyncContainer(Slow(6)) as container:
            await container.wait()

    with World(3, latency=0.0) as world:
        world.start(Broker, URL, name="broker")
        producer = world.start(produce, URL, 6)
        slow = world.start(main)
        world.run_until(lambda: not slow.running and not producer.running)
        assert 20 <= world.now < 30  # three at a time


def digest(seed):
    with World(seed) as world:
        world.storm(20, ["cut", "partition", "half-close", "pause"])
        producer, consumer = start_both(world, 10)
        world.run_until(lambda: not producer.running and not consumer.running)
        return world.digest


@pytest.mark.parametrize("seed", range(3))
def test_equal_seeds_give_equal_runs(seed):
    assert digest(seed) == digest(seed)


def scenario(world):
    """Every message arrives, whatever happens to the wires."""
    world.watch(SettledOnce(), EverySendEndsOnce())
    world.storm(20, ["cut", "cut behind", "partition", "half-close", "pause", "refuse"])
    producer, consumer = start_both(world, 10)
    world.run_until(lambda: not producer.running and not consumer.running)
    assert consumer.result == set(range(10))


def test_every_message_arrives_in_storms():
    explore(scenario, range(10))


def test_a_coroutine_crashes_and_is_started_again():
    done = []

    async def main(name):
        try:
            async with aio.connect(URL, reconnect=True) as connection:
                receiver = await connection.receiver("jobs")
                async for message in receiver:
                    done.append((name, message.body, message.delivery_count))
                    await asyncio.sleep(60)
                    await message.accept()
        finally:
            done.append("the end")

    with World(4) as world:
        world.start(Broker, URL, name="broker")
        producer = world.start(produce, URL, 1)
        worker = world.start(main, "worker")
        world.run_until(lambda: done)
        worker.crash()
        assert not worker.running
        worker.restart()
        world.run_until(lambda: len(done) == 3 and not producer.running)
    assert [entry for entry in done if entry != "the end"] == [("worker", 0, 0), ("worker", 0, 1)]


def test_the_exception_of_a_coroutine_leaves_the_world(capsys):
    async def main():
        await asyncio.sleep(1)
        raise ZeroDivisionError("a mistake")

    with pytest.raises(ZeroDivisionError, match="a mistake"), World(5) as world:
        world.start(main)
        world.run_until()
    assert "seed 5 failed after 1.0" in capsys.readouterr().err


def test_what_is_not_of_this_world():
    async def threads():
        await asyncio.get_running_loop().run_in_executor(None, print)

    with pytest.raises(RuntimeError, match="a program of a World has no threads"), World(6) as world:
        world.start(threads)
        world.run_until()


def test_no_peer_at_that_address():
    async def main():
        with pytest.raises(ConnectionException):
            await aio.connect("amqp://nobody:5672")
        return "done"

    with World(7) as world:
        program = world.start(main)
        world.run_until()
    assert program.result == "done"


async def _give_back(url):
    async with aio.connect(url) as connection:
        receiver = await connection.receiver("jobs", prefetch=10)
        await (await receiver.receive()).accept()
        while receiver.available < 3:
            await asyncio.sleep(1)


async def _count(url):
    async with aio.connect(url) as connection:
        receiver = await connection.receiver("jobs", prefetch=10)
        return [((await receiver.receive()).body, (await receiver.receive()).delivery_count) for _ in range(1)]


class _Sleeping(MessagingHandler):
    """Its coroutines never end."""

    began = 0

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs")

    async def on_message(self, event):
        self.began += 1
        await asyncio.sleep(10_000)


async def _cancel():
    handler = _Sleeping()
    async with aio.AsyncContainer(handler):
        while handler.began < 3:
            await asyncio.sleep(1)


def _goes_back_uncounted(world):
    broker = world.start(Broker, URL, name="broker")
    producer = world.start(produce, URL, 4)
    world.run_until(lambda: not producer.running)
    for program in (partial(_give_back, URL), _cancel):
        taker = world.start(program, name=world.random.choice("abc") + str(world.now))
        world.run_until(lambda: not taker.running)  # noqa: B023
    assert broker.handler.statistics("jobs").depth == 3
    counting = world.start(_count, URL)
    world.run_until(lambda: not counting.running)
    assert counting.result == [(1, 0)]


def test_what_was_not_taken_goes_back_and_is_not_counted_as_a_failure():
    explore(_goes_back_uncounted, range(10))
