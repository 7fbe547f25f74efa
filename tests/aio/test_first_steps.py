"""Coroutines of handlers: the first step is where the method is called; what waits goes on in the same task."""

from __future__ import annotations

import asyncio
import contextvars
import sys

import pytest

from handlers import MessagingHandler, Release
from handlers.broker.broker import Broker
from reactor import ACCEPTED, MODIFIED, RELEASED, Message
from reactor.aio import AsyncContainer
from reactor.aio.coroutines import Coroutines
from reactor.simulation import World
from tests.support.aio import kinds, run

MARK = contextvars.ContextVar("mark", default="nothing")


class Host:
    """The container of coroutines, with nothing else."""

    def __init__(self):
        self.event_loop = asyncio.get_running_loop()
        self.failures = []
        self.coroutines = Coroutines(self)

    def coroutine_failed(self, error, event):
        self.failures.append((event, error))

    def coroutines_ended(self):
        pass


class Delivery:
    """What coroutines see of one."""

    prefetch = most_unsettled = None

    def __init__(self):
        self.link = self.context = self
        self.outcomes = []

    def settle_with(self, outcome):
        self.outcomes.append(outcome)

    def over(self, event, error):
        self.outcomes.append(ACCEPTED if error is None else MODIFIED)


async def idle_worker(host):
    """Have one."""

    async def nothing():
        pass

    before = asyncio.all_tasks()
    host.coroutines.start(nothing(), None, None)
    await some_turns()
    (task,) = asyncio.all_tasks() - before
    return task


async def idle_workers(host, count):
    """Have so many."""
    await from_a_callback(lambda: [host.coroutines.start(asyncio.sleep(0), None, None) for _ in range(count)])
    await some_turns()


async def some_turns():
    for _ in range(5):
        await asyncio.sleep(0)


def from_a_callback(function):
    """Call it as the loop does, with no task at hand, and wait for its result."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def call():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    loop.call_soon(call)
    return future


def with_an_idle_worker(test):
    async def program():
        host = Host()
        task = await idle_worker(host)
        await test(host, task)
        await host.coroutines.cancel()
        assert not host.failures

    for make in kinds().values():
        run(program, make)


def test_what_does_not_wait_has_returned_where_it_was_called():
    async def test(host, task):
        seen = []

        async def short():
            seen.append(asyncio.current_task())

        delivery = Delivery()
        assert await from_a_callback(lambda: host.coroutines.start(short(), delivery, delivery.over)) is False
        assert seen == [task]
        assert delivery.outcomes == []  # its caller gives it one
        assert await from_a_callback(asyncio.current_task) is None  # it is the current one no more
        assert not host.coroutines

    with_an_idle_worker(test)


def test_what_waits_goes_on_in_the_same_task_and_context():
    async def test(host, task):
        seen = []

        async def long(name):
            seen.append((name, asyncio.current_task(), MARK.get()))
            MARK.set(name)
            await asyncio.sleep(0)
            seen.append((name, asyncio.current_task(), MARK.get()))

        def start():
            going_on = [host.coroutines.start(long(name), None, None) for name in "ab"]
            return going_on, list(seen), bool(host.coroutines)

        assert await from_a_callback(start) == ([True, True], [("a", task, "nothing")], True)
        await some_turns()
        other = next(found for name, found, _ in seen if name == "b")
        assert other is not task
        assert sorted(seen, key=lambda one: one[0]) == [
            ("a", task, "nothing"), ("a", task, "a"), ("b", other, "nothing"), ("b", other, "b"),
        ]  # fmt: skip
        assert not host.coroutines

    with_an_idle_worker(test)


def test_coroutines_begin_in_their_order_whether_a_worker_is_idle_or_not():
    async def test(host, task):
        began = []

        async def job(number):
            began.append(number)
            if number % 3:
                await asyncio.sleep(0)

        for first in range(0, 100, 10):
            await from_a_callback(
                lambda first=first: [host.coroutines.start(job(first + one), None, None) for one in range(10)]
            )
        while host.coroutines:
            await asyncio.sleep(0)
        assert began == list(range(100))

    with_an_idle_worker(test)


def test_one_that_is_started_from_a_task_waits_for_its_turn():
    async def test(host, task):
        seen = []

        async def short():
            seen.append(asyncio.current_task())

        assert host.coroutines.start(short(), None, None) is True
        assert seen == []
        await some_turns()
        assert seen == [task]

    with_an_idle_worker(test)


@pytest.mark.parametrize("idle", [1, 3])
def test_several_may_wait_for_the_same_future(idle):
    async def test(host, task):
        shared = asyncio.get_running_loop().create_future()
        await idle_workers(host, idle)
        got = []

        async def waits():
            got.append(await shared)

        deliveries = [Delivery() for _ in range(4)]
        await from_a_callback(lambda: [host.coroutines.start(waits(), each, each.over) for each in deliveries])
        other = asyncio.get_running_loop().create_task(waits())  # and a task of the application
        await some_turns()
        shared.set_result("the result")
        await some_turns()
        assert got == ["the result"] * 5
        assert [each.outcomes for each in deliveries] == [[ACCEPTED]] * 4
        await other

    with_an_idle_worker(test)


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("idle", [1, 3])
def test_a_first_step_may_start_another_coroutine(idle, waits):
    async def test(host, task):
        await idle_workers(host, idle)
        seen = []

        async def inner():
            seen.append("inner")

        async def outer():
            assert host.coroutines.start(inner(), None, None)
            seen.append(asyncio.current_task())
            if waits:
                await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        for _ in range(3):
            assert await from_a_callback(lambda: host.coroutines.start(outer(), None, None)) is waits
            await some_turns()
            seen.remove("inner")
            assert len(seen) == 2
            assert seen[0] is seen[1]
            seen.clear()
            assert not host.coroutines

    with_an_idle_worker(test)


def test_an_exception_before_anything_is_waited_for_is_one_of_the_method():
    async def test(host, task):
        async def fails():
            raise ZeroDivisionError("at once")

        delivery = Delivery()
        with pytest.raises(ZeroDivisionError, match="at once"):
            await from_a_callback(lambda: host.coroutines.start(fails(), delivery, delivery.over))
        assert delivery.outcomes == []

        async def gives_up():
            raise asyncio.CancelledError

        assert await from_a_callback(lambda: host.coroutines.start(gives_up(), delivery, delivery.over)) is True
        assert delivery.outcomes == [RELEASED]

    with_an_idle_worker(test)


@pytest.mark.parametrize("kind", [GeneratorExit, StopAsyncIteration, ZeroDivisionError, KeyError])
@pytest.mark.parametrize("place", ["at once", "after it was waited for", "in the queue"])
def test_no_exception_of_a_coroutine_is_silent(kind, place):
    """GeneratorExit as well, which a coroutine gets, too, where its loop is closed."""

    async def test(host, task):
        async def fails():
            if place != "at once":
                await asyncio.sleep(0)
            raise kind("its own")

        def start():
            try:
                return host.coroutines.start(fails(), delivery, delivery.over)
            except kind:
                return kind

        delivery = Delivery()
        goes_on = start() if place == "in the queue" else await from_a_callback(start)
        assert goes_on is (kind if place == "at once" else True)
        await some_turns()
        assert delivery.outcomes == ([] if place == "at once" else [MODIFIED])
        assert not host.coroutines, "it has ended"

    with_an_idle_worker(test)


@pytest.mark.parametrize("waits", [True, False])
def test_a_coroutine_that_cancels_its_own_task_ends_no_other(waits):
    async def test(host, task):
        ended = []

        async def cancels():
            asyncio.current_task().cancel()
            if waits:
                await asyncio.sleep(3600)

        async def good(number):
            await asyncio.sleep(0)
            ended.append(number)

        mine, others = Delivery(), [Delivery() for _ in range(3)]

        def start():
            goes_on = host.coroutines.start(cancels(), mine, mine.over)
            for number, other in enumerate(others):
                host.coroutines.start(good(number), other, other.over)
            return goes_on

        assert await from_a_callback(start) is waits
        await some_turns()
        assert mine.outcomes == ([RELEASED] if waits else [])
        assert ended == [0, 1, 2]
        assert [other.outcomes for other in others] == [[ACCEPTED]] * 3
        assert not host.coroutines

    with_an_idle_worker(test)


def test_in_the_queue_as_well_a_coroutine_that_cancels_its_own_task_ends_no_other():
    async def program():
        host = Host()
        ended = []

        async def cancels():
            asyncio.current_task().cancel()

        async def good():
            await asyncio.sleep(0)
            ended.append(True)

        host.coroutines.start(cancels(), None, None)
        host.coroutines.start(good(), None, None)
        await some_turns()
        assert ended == [True]
        await host.coroutines.cancel()

    run(program)


def test_an_idle_worker_that_is_cancelled_from_outside_is_replaced():
    async def test(host, task):
        ended = []

        async def job():
            await asyncio.sleep(0)
            ended.append(asyncio.current_task())

        task.cancel()
        await from_a_callback(lambda: host.coroutines.start(job(), None, None))
        await some_turns()
        assert len(ended) == 1
        assert ended != [task]
        assert task.cancelled()

    with_an_idle_worker(test)


def test_a_worker_that_is_cancelled_from_outside_before_it_has_begun_leaves_its_coroutine_to_another():
    async def program():
        host = Host()
        ended = []

        async def job():
            ended.append(True)

        before = asyncio.all_tasks()
        host.coroutines.start(job(), None, None)
        (task,) = asyncio.all_tasks() - before
        task.cancel()
        await some_turns()
        assert ended == [True]
        assert not host.coroutines
        await host.coroutines.cancel()

    run(program)


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_task_that_is_cancelled_from_outside_cancels_its_coroutine_and_what_that_waits_for(turns):
    async def test(host, task):
        deliveries = [Delivery(), Delivery()]
        inner = asyncio.get_running_loop().create_task(asyncio.sleep(3600))

        async def waits():
            await inner

        async def next_one():
            await asyncio.sleep(0)

        await from_a_callback(lambda: host.coroutines.start(waits(), deliveries[0], deliveries[0].over))
        for _ in range(turns):  # 0: the worker has not got it yet
            await asyncio.sleep(0)
        task.cancel("enough")
        await some_turns()
        assert inner.cancelled()
        assert deliveries[0].outcomes == [RELEASED]
        await from_a_callback(lambda: host.coroutines.start(next_one(), deliveries[1], deliveries[1].over))
        await some_turns()
        assert deliveries[1].outcomes == [ACCEPTED]
        assert not host.coroutines

    with_an_idle_worker(test)


def test_a_coroutine_may_survive_its_cancellation():
    async def test(host, task):
        delivery = Delivery()

        async def survives():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(0)

        await from_a_callback(lambda: host.coroutines.start(survives(), delivery, delivery.over))
        task.cancel()
        await some_turns()
        assert delivery.outcomes == [ACCEPTED]
        assert not host.coroutines

    with_an_idle_worker(test)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout and TaskGroup are of Python 3.11")
@pytest.mark.parametrize("seconds", [0, -1, 0.001])
def test_a_timeout_and_a_task_group_in_the_first_step(seconds):
    async def test(host, task):
        ended = []

        async def times_out():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.Event().wait()
            ended.append("timeout")

        async def fails():
            raise ZeroDivisionError

        async def groups():
            with pytest.raises(ExceptionGroup):  # noqa: F821  # of Python 3.11
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    await asyncio.Event().wait()
            ended.append("group")

        for job in (times_out, groups):
            await from_a_callback(lambda job=job: host.coroutines.start(job(), None, None))
            while host.coroutines:
                await asyncio.sleep(0)
        assert ended == ["timeout", "group"]
        assert not task.done()  # both have taken their cancellations back
        assert task.cancelling() == 0

    with_an_idle_worker(test)


def test_wait_for_in_the_first_step():
    async def test(host, task):
        ended = []

        async def times_out():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.001)
            ended.append(True)

        await from_a_callback(lambda: host.coroutines.start(times_out(), None, None))
        while host.coroutines:
            await asyncio.sleep(0)
        assert ended == [True]

    with_an_idle_worker(test)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are of Python 3.12")
def test_on_a_loop_whose_tasks_begin_at_once():
    async def program():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        host = Host()
        ended = []

        async def job(number):
            if number % 2:
                await asyncio.sleep(0)
            ended.append(number)

        await from_a_callback(lambda: [host.coroutines.start(job(number), None, None) for number in range(6)])
        await some_turns()
        assert sorted(ended) == list(range(6))
        assert not host.coroutines
        await host.coroutines.cancel()

    run(program)


# -- with messages -----------------------------------------------------------------------------------------------------


class Several(MessagingHandler):
    """Sends messages to itself, with pauses, so that later ones find an idle worker."""

    def __init__(self, url, count=12):
        super().__init__()
        self.url = url
        self.left = self.count = count
        self.seen = []
        self.tasks = set()

    def on_start(self, event):
        self.container = event.container
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, "q")
        self.sender = event.container.create_sender(connection, "q")

    def on_sendable(self, event):
        if not self.seen and self.left == self.count:
            self.next()

    def next(self):
        self.left -= 1
        self.sender.send(Message(self.left))

    async def on_message(self, event):
        self.tasks.add(asyncio.current_task())
        self.seen.append((event.message.body, event.message.delivery_count, MARK.get()))
        MARK.set("left over")
        if event.message.body % 3 == 0:
            await asyncio.sleep(0.01)
        if event.message.body == 4 and not event.message.delivery_count:
            raise Release
        if self.left:
            self.next()
        else:
            event.connection.close()


async def runs(url, handler_class=Several):
    MARK.set("of the container")
    handler = handler_class(url)
    async with AsyncContainer(handler) as container:
        MARK.set("of the block")
        await container.wait()
    return handler


def test_messages_of_coroutines_that_wait_and_that_do_not():
    with World(1) as world:
        world.start(Broker, "amqp://broker", name="broker")
        program = world.start(runs, "amqp://broker")
        world.run_until(lambda: not program.running, limit=60)
        handler = program.result
    bodies = [body for body, _, _ in handler.seen]
    assert bodies == [11, 10, 9, 8, 7, 6, 5, 4, 4, 3, 2, 1, 0]
    assert (4, 1) in [(body, count) for body, count, _ in handler.seen]
    assert {mark for _, _, mark in handler.seen} == {"of the container"}
    assert len(handler.tasks) == 1  # one at a time needs no more


def test_an_exception_in_the_first_step_leaves_the_block():
    class Failing(Several):
        async def on_message(self, event):
            self.tasks.add(asyncio.current_task())
            if event.message.body == self.count - 3:  # the first one has called for a worker
                raise ZeroDivisionError("in the first step")
            self.next()

    with World(1) as world:
        world.start(Broker, "amqp://broker", name="broker")
        world.start(runs, "amqp://broker", Failing)
        with pytest.raises(ZeroDivisionError, match="in the first step"):
            world.run_for(60)
