"""AsyncContainer: handlers on a running event loop, with methods that are coroutines or not."""

from __future__ import annotations

import asyncio
import contextvars
from functools import partial

import pytest

from handlers import MessagingHandler, Reject, Release
from handlers.broker import EmbeddedBroker
from reactor import Container, Message
from reactor.aio import AsyncContainer
from tests.support.aio import run
from tests.support.blocking import eventually


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker() as broker:
        yield broker
    assert not broker.overview().internal_errors


class Loopback(MessagingHandler):
    """Sends so many messages to a queue, and takes them from there."""

    def __init__(self, url, address, bodies, **options):
        super().__init__(**options)
        self.url = url
        self.address = address
        self.bodies = list(bodies)
        self.count = len(self.bodies)
        self.began = []
        self.ended = []

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, self.address)

    def on_sendable(self, event):
        while self.bodies and event.sender.credit:
            event.sender.send(Message(self.bodies.pop(0)))

    def on_accepted(self, event):
        self.count -= 1
        if not self.count:
            self.receiver = event.container.create_receiver(event.connection, self.address)

    def done(self, event):
        self.ended.append(event.message.body)

    def on_settled(self, event):
        pass


def test_a_handler_of_plain_methods_runs_as_it_does_elsewhere(broker):
    class Plain(Loopback):
        def on_message(self, event):
            self.done(event)
            if len(self.ended) == 3:
                event.connection.close()

    handler = Plain(broker.url, "plain", range(3))

    async def program():
        async with AsyncContainer(handler) as container:
            await container.wait()
            assert container.ended_by is None

    run(program)
    assert handler.ended == [0, 1, 2]


def test_methods_may_be_coroutines_and_run_beside_each_other(broker):
    class Later(Loopback):
        async def on_start(self, event):
            await asyncio.sleep(0)
            super().on_start(event)

        async def on_accepted(self, event):
            await asyncio.sleep(0)
            super().on_accepted(event)

        async def on_message(self, event):
            self.began.append(event.message.body)
            if len(self.began) == 5:
                everyone.set()
            await everyone.wait()
            self.done(event)
            if len(self.ended) == 5:
                event.connection.close()

    handler = Later(broker.url, "later", range(5))

    async def program():
        nonlocal everyone
        everyone = asyncio.Event()
        async with AsyncContainer(handler) as container:
            await container.wait()

    everyone = None
    run(program)
    assert handler.began == sorted(handler.ended) == list(range(5))
    eventually(lambda: broker.overview().depth == 0)


@pytest.mark.parametrize(("options", "bound"), [({"prefetch": 3}, 3), ({"prefetch": 10, "most": 2}, 2)])
def test_max_unsettled_bounds_how_many_run(broker, options, bound):
    class Bounded(Loopback):
        running = most_running = 0

        async def on_message(self, event):
            if "most" in options:
                event.receiver.max_unsettled = options["most"]
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            for _ in range(5):
                await asyncio.sleep(0.001)
            self.running -= 1
            self.done(event)
            if len(self.ended) == 30:
                event.connection.close()

        def on_accepted(self, event):
            self.count -= 1
            if not self.count:
                event.container.create_receiver(event.connection, self.address, max_unsettled=options.get("most"))

    handler = Bounded(broker.url, "bounded", range(30), prefetch=options["prefetch"])

    async def program():
        async with AsyncContainer(handler) as container:
            await container.wait()

    run(program)
    assert handler.most_running == bound


def test_the_outcome_is_that_of_the_coroutine(broker):
    class Choosing(Loopback):
        async def on_message(self, event):
            body, count = event.message.body, event.message.delivery_count
            self.began.append((body, count))
            await asyncio.sleep(0)
            if body == "reject":
                raise Reject("not this one")
            if body == "release" and not count:
                raise Release
            if body == "own":
                event.delivery.accept()
            self.done(event)
            if len(self.ended) == 3:
                event.connection.close()

    handler = Choosing(broker.url, "choosing", ["reject", "release", "own", "plain"])

    async def program():
        async with AsyncContainer(handler) as container:
            await container.wait()

    run(program)
    assert sorted(handler.began) == [("own", 0), ("plain", 0), ("reject", 0), ("release", 0), ("release", 1)]
    eventually(lambda: broker.overview().depth == 0)


def test_an_exception_of_a_coroutine_leaves_the_block_and_its_message_goes_back(broker):
    class Failing(Loopback):
        async def on_message(self, event):
            self.began.append(event.message.delivery_count)
            await asyncio.sleep(0)
            raise ZeroDivisionError("a mistake in the handler")

    async def waiting():
        async with AsyncContainer(Failing(broker.url, "failing", ["one"])) as container:
            await container.wait()

    async def busy():
        async with AsyncContainer(Failing(broker.url, "failing", ["two"])):
            await asyncio.sleep(3600)

    for program in (waiting, busy):
        with pytest.raises(ZeroDivisionError, match="a mistake in the handler"):
            run(program)
    with EmbeddedBroker() as other:

        class Plain(Loopback):
            def on_message(self, event):
                raise ZeroDivisionError("in a plain method")

        async def plain():
            async with AsyncContainer(Plain(other.url, "failing", ["one"])):
                await asyncio.sleep(3600)

        with pytest.raises(ZeroDivisionError, match="in a plain method"):
            run(plain)


def test_the_end_of_the_block_cancels_and_messages_go_back(broker):
    class Slow(Loopback):
        async def on_message(self, event):
            self.began.append((event.message.body, event.message.delivery_count))
            if len(self.began) == 2:
                both.set()
            try:
                await asyncio.sleep(3600)
            finally:
                self.done(event)

    class Again(Slow):
        def on_start(self, event):
            connection = event.container.connect(self.url, reconnect=False)
            event.container.create_receiver(connection, self.address)

    both = None

    async def program(handler):
        nonlocal both
        both = asyncio.Event()
        async with AsyncContainer(handler):
            await both.wait()

    for handler in (Slow(broker.url, "cancelled", range(2)), Again(broker.url, "cancelled", [])):
        run(partial(program, handler))
        assert sorted(handler.began) == [(0, 0), (1, 0)]  # released: no failure is counted
        assert sorted(handler.ended) == [0, 1]


def test_each_coroutine_has_a_context_of_its_own(broker):
    seen = contextvars.ContextVar("seen", default="nothing")

    class Marking(Loopback):
        async def on_message(self, event):
            self.began.append(seen.get())
            seen.set(event.message.body)
            self.done(event)
            if len(self.ended) == 3:
                event.connection.close()

    handler = Marking(broker.url, "contexts", range(3))

    async def program():
        async with AsyncContainer(handler) as container:
            await container.wait()

    run(program)
    assert handler.began == ["nothing"] * 3


def test_coroutines_are_for_an_async_container():
    class Later(MessagingHandler):
        async def on_message(self, event):
            pass

    with pytest.raises(TypeError, match=r"make it a plain def, or use reactor\.aio\.AsyncContainer"):
        Container(Later())

    class Hidden(MessagingHandler):
        def on_start(self, event):
            return self.later()

        async def later(self):
            pass

    with pytest.raises(TypeError, match="the method for on_reactor_init is a coroutine, which this container"):
        Container(Hidden()).run()


def test_what_an_async_container_is_not_for():
    with pytest.raises(RuntimeError, match=r"AsyncContainer\(\) is made in a coroutine"):
        AsyncContainer()
    kept = []

    async def program():
        container = AsyncContainer()
        kept.append(container)
        with pytest.raises(RuntimeError, match=r"await container\.wait"):
            container.run()
        with pytest.raises(TypeError, match="async with"), container:
            pass
        with pytest.raises(RuntimeError, match="does not run"):
            await container.wait()
        async with container:
            await container.wait()  # nothing to do
        with pytest.raises(RuntimeError, match="has come to its end"):
            container.connect("127.0.0.1:1")
        with pytest.raises(RuntimeError, match="make another one"):
            async with container:
                pass
        kept.append(AsyncContainer())

    run(program)

    async def other():
        with pytest.raises(RuntimeError, match="belongs to another event loop, which is closed"):
            kept[1].connect("127.0.0.1:1")

    run(other)
    kept[1].loop.network.close()


def test_stop_from_another_thread_ends_the_wait(broker):
    class Idle(MessagingHandler):
        def on_start(self, event):
            event.container.connect(broker.url)

    async def program():
        async with AsyncContainer(Idle()) as container:
            asyncio.get_running_loop().run_in_executor(None, container.stop)
            await container.wait()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(program)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("late", [True, False])
def test_an_interrupt_in_a_coroutine_stops_the_loop_once_and_the_block_is_left(kind, late):
    ended = []

    class Interrupted(MessagingHandler):
        count = 0

        def on_start(self, event):
            event.container.schedule(0, self)

        async def on_timer_task(self, event):
            self.count += 1
            if self.count < 3:
                event.container.schedule(0, self)
                try:
                    await asyncio.Event().wait()
                finally:
                    for _ in range(5):  # the block has to wait for it
                        await asyncio.sleep(0)
                    ended.append("coroutine")
            elif late:
                await asyncio.sleep(0)
            raise kind("now")

    async def main():
        try:
            async with AsyncContainer(Interrupted()) as container:
                await container.wait()
        finally:
            ended.append("block")

    with pytest.raises(kind, match="now"):
        asyncio.run(main())
    assert ended == ["coroutine", "coroutine", "block"]
