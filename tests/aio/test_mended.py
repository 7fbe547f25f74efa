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


# -- the ends of connections, sessions and links ---------------------------------------------------------------------


def test_two_closes_of_a_connection_at_once(broker):
    async def program():
        connection = await aio.connect(broker.url)
        await connection.sender("jobs")
        assert await asyncio.gather(*(connection.close(timeout=None) for _ in range(3))) == [None] * 3
        assert connection.closed

    run(program)


def test_links_that_are_made_at_once_share_the_session_of_the_connection(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            senders = await asyncio.gather(*(connection.sender("jobs") for _ in range(5)))
            assert len({sender.link.session for sender in senders}) == 1

    run(program)


def giving(**methods):
    """A peer that sends a message to each receiver."""

    def give(event):
        if event.sender.credit:
            event.sender.send(Message("one"))

    return Peer(on_sendable=give, **methods)


@pytest.mark.parametrize(("how", "told"), [("close", [False]), ("detach", [True])])
def test_a_cancelled_close_leaves_no_receiver_that_is_open_and_paused(how, told):
    async def program(url):
        async with aio.connect(url) as connection:
            receiver = await connection.receiver("jobs", prefetch=1)
            await until(lambda: receiver.available)
            closing = asyncio.ensure_future(getattr(receiver, how)())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            with pytest.raises(LinkException, match=r"receive\(\): the link is closed"):
                await receiver.receive()
            await until(lambda: ended)

    ended = []
    methods = {
        "on_link_remote_detach": lambda event: ended.append(True),
        "on_link_remote_close": lambda event: ended.append(False),
    }
    with giving(**methods) as peer:
        run(lambda: program(peer.url))
    assert ended == told


def test_a_cancelled_close_leaves_no_session_with_receivers_that_are_paused():
    async def program(url):
        async with aio.connect(url) as connection:
            session = await connection.session()
            receiver = await session.receiver("jobs", prefetch=1)
            await until(lambda: receiver.available)
            closing = asyncio.ensure_future(session.close())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            with pytest.raises(SessionException, match=r"receive\(\): the session is closed"):
                await receiver.receive()

    with giving() as peer:
        run(lambda: program(peer.url))


async def forgotten(references):
    """Wait until nothing holds what these refer to."""

    def gone():
        gc.collect()
        return not any(one() for one in references)

    await until(gone)


def test_what_was_closed_is_forgotten(broker):
    async def make(connection):
        session = await connection.session()
        made = [await session.sender("jobs"), await session.receiver("jobs"), await connection.sender("jobs"), session]
        for one in made:
            await one.close()
        return [weakref.ref(one) for one in made]

    async def program():
        async with aio.connect(broker.url) as connection:
            await connection.sender("others")
            await forgotten(await make(connection))

    run(program)


def test_what_was_closed_is_forgotten_when_the_close_was_cancelled(broker):
    async def make(connection):
        made = [await connection.sender("jobs"), await connection.session()]
        for one in made:
            closing = asyncio.ensure_future(one.close())
            await asyncio.sleep(0)  # now it waits for the peer
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
        return [weakref.ref(one) for one in made]

    async def program():
        async with aio.connect(broker.url) as connection:
            await connection.sender("others")
            await forgotten(await make(connection))

    run(program)


# -- requests --------------------------------------------------------------------------------------------------------


def test_requests_that_are_refused_leave_no_receiver_behind():
    async def program(url):
        async with aio.connect(url) as connection:
            with pytest.raises(NotFound, match="no such node"):
                await connection.requests("jobs")
            assert not [link for link in connection.conn.links(0) if link.state & Endpoint.LOCAL_ACTIVE]

    def open_dynamic(event):
        if event.link.is_sender:
            event.link.source.address = "responses"
        else:
            event.link.condition = Condition("amqp:not-found", "no such node")
            event.link.close()

    with Peer(on_link_opening=open_dynamic) as peer:
        run(lambda: program(peer.url))


WRONG = (
    b"\x00\x53\x75\xff",  # no message
    b"\x00\x53\x73\xc0\x07\x06\x40\x40\x40\x40\x40\x45\x00\x53\x77\xa1\x01x",  # its correlation-id is a list
)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_response_that_cannot_be_read_ends_no_call(broker, wrong):
    async def answer(connection):
        receiver = await connection.receiver("jobs")
        async for request in receiver:
            async with connection.sender(request.reply_to) as sender:
                sender.link.transmit(wrong)
                await sender.send(Message(request.body * 2, correlation_id=request.correlation_id))
            await request.accept()

    async def program():
        async with aio.connect(broker.url) as other, aio.connect(broker.url) as connection:
            answering = asyncio.ensure_future(answer(other))
            async with connection.requests("jobs") as requests:
                assert [(await requests.call(number)).body for number in range(3)] == [0, 2, 4]
            await other.close()
            await answering

    run(program)


def test_a_call_whose_wire_is_lost_ends_and_the_next_one_is_answered():
    """By a server that does not answer while the first wire is there."""
    url = "amqp://broker:5672"

    async def serve():
        async with aio.connect(url) as connection:
            receiver, sender = await connection.receiver("jobs"), await connection.sender()
            await (await receiver.receive()).accept()
            taken.append(True)
            request = await receiver.receive()
            await sender.send(Message("yes", address=request.reply_to, correlation_id=request.correlation_id))
            await request.accept()

    async def ask():
        async with aio.connect(url, reconnect=True) as connection, connection.requests("jobs") as requests:
            with pytest.raises(ConnectionException, match="the address for its response went with the wire"):
                await requests.call("first")
            return (await requests.call("second")).body

    taken = []
    with World(1) as world:
        world.start(Broker, url, name="broker")
        world.start(serve, name="server")
        asking = world.start(ask, name="client")
        world.run_until(lambda: taken)
        world.run_for(1)  # its acknowledgement comes, and the call waits for the response
        world.cut("client")
        world.run_until(lambda: not asking.running)
    assert asking.result == "yes"
