"""Connections, senders and receivers that are awaited: over real sockets, with a broker in a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from handlers.broker import EmbeddedBroker
from handlers.broker.nodes.policy import Policy
from reactor import ACCEPTED, REJECTED, AtMostOnce, Condition, Message, aio
from reactor.errors import (
    ConnectionException,
    LinkException,
    LocalProtocolError,
    NotFound,
    ReactorException,
    SendException,
    Timeout,
)
from tests.support.aio import PATIENCE, run, times_out
from tests.support.blocking import Peer, eventually
from tests.support.processes import unused_port


@pytest.fixture
def broker():
    with EmbeddedBroker(queues={"small": Policy(max_length=1, overflow="reject")}, auto_create=True) as broker:
        yield broker
    assert not broker.overview().internal_errors


def test_a_message_there_and_back(broker):
    async def program():
        connection = await aio.connect(broker.url)
        sender = await connection.sender("jobs")
        delivery = await sender.send(Message("one", subject="first"))
        assert delivery.remote_state is ACCEPTED
        receiver = await connection.receiver("jobs")
        message = await receiver.receive(timeout=PATIENCE)
        assert (message.body, message.subject) == ("one", "first")
        await message.accept()
        assert repr(connection) == "<AsyncConnection %s open>" % broker.url
        await connection.close()
        await connection.close()
        assert connection.closed
        assert "closed" in repr(connection)

    run(program)
    assert broker.overview().depth == 0


def test_all_of_it_by_async_with(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session() as session:
            async with session.sender("jobs") as sender:
                await sender.send("one")
            async with session.receiver("jobs") as receiver:
                await (await receiver.receive()).accept()

    run(program)
    eventually(lambda: (broker.overview().connections, broker.overview().depth) == (0, 0))


def test_concurrent_sends_are_under_way_together_and_arrive_in_order(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs", capacity=7)
            deliveries = await asyncio.gather(*(sender.send(number) for number in range(50)))
            assert {delivery.remote_state for delivery in deliveries} == {ACCEPTED}
            assert sender.unsettled == 0
            bodies = []
            async with connection.receiver("jobs") as receiver:
                async for message in receiver:
                    bodies.append(message.body)
                    await message.accept()
                    if len(bodies) == 50:
                        break
            return bodies

    assert run(program) == list(range(50))


def test_a_rejected_message_raises_and_the_state_can_be_asked_for(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("small")
            await sender.send("fits")
            with pytest.raises(SendException, match="REJECTED") as caught:
                await sender.send("too many")
            assert caught.value.state is REJECTED
            assert (await sender.send("too many", error_states=[])).remote_state is REJECTED

    run(program)


def test_outcomes_of_the_receiver_reach_the_queue(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")
            for body in ("accepted", "released", "modified", "rejected"):
                await sender.send(body)
            async with connection.receiver("jobs") as receiver:
                taken = [await receiver.receive() for _ in range(4)]
                await taken[0].accept()
                await taken[0].accept()  # once more changes nothing
                with pytest.raises(LocalProtocolError, match="is settled; it cannot be REJECTED"):
                    taken[0].reject()
                await taken[1].release()
                await taken[2].modify()
                await taken[3].reject(Condition("app:no", "not this one"))
                again = [await receiver.receive() for _ in range(2)]
                counts = {message.body: message.delivery_count for message in again}
                for message in again:
                    message.accept()  # not awaited: the outcome is given all the same
            return counts

    assert run(program) == {"released": 0, "modified": 1}
    eventually(lambda: broker.overview().depth == 0)


def test_a_receive_in_time_or_not(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            receiver = await connection.receiver("jobs")
            with pytest.raises(Timeout, match="waiting for a message from 'jobs' timed out"):
                await receiver.receive(timeout=0.01)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receiver.receive(), 0.01)
            for wrong, error in (("1", TypeError), (-1, ValueError), (True, TypeError)):
                with pytest.raises(error):
                    await receiver.receive(timeout=wrong)
            sender = await connection.sender("jobs")
            await sender.send("late")
            assert (await receiver.receive()).body == "late"

    run(program)


@pytest.mark.parametrize("prefetch", [0, 1, 10])
def test_a_cancelled_receive_loses_no_message(broker, prefetch):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")
            async with connection.receiver("jobs", prefetch=prefetch) as receiver:
                bodies = []
                for number in range(20):
                    waiting = asyncio.ensure_future(receiver.receive())
                    sent = asyncio.ensure_future(sender.send(number))
                    for _ in range(number % 7):
                        await asyncio.sleep(0)
                    waiting.cancel()
                    await sent
                    try:
                        message = await waiting
                    except asyncio.CancelledError:
                        message = await receiver.receive()
                    bodies.append(message.body)
                    await message.accept()
            return bodies

    assert run(program) == list(range(20))


def test_without_prefetch_a_cancelled_receive_gives_its_credit_back(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            async with connection.receiver("jobs", prefetch=0) as receiver:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(receiver.receive(), 0.01)
                while receiver.link.credit:
                    await asyncio.sleep(0.001)
                sender = await connection.sender("jobs")
                await sender.send("for others")
                async with connection.receiver("jobs") as other:
                    message = await other.receive()
                    assert message.body == "for others"
                    await message.accept()

    run(program)


def test_messages_that_were_not_taken_go_back(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")
            for number in range(5):
                await sender.send(number)
            async with connection.receiver("jobs") as receiver:
                await (await receiver.receive()).accept()
                while receiver.available < 4:
                    await asyncio.sleep(0.001)
            async with connection.receiver("jobs") as receiver:
                message = await receiver.receive()
                assert (message.body, message.delivery_count) == (1, 0)

    run(program)


def test_a_send_that_is_cancelled_before_it_has_left_never_leaves():
    async def program(url):
        async with aio.connect(url) as connection:
            sender = await connection.sender("jobs")
            sending = asyncio.ensure_future(_send(sender, "never"))
            while sender.unsettled == 0:
                await asyncio.sleep(0)
            sending.cancel()
            assert "has not left, and will not: 'jobs' gives no credit" in await sending
            with pytest.raises(Timeout, match="has not left, and will not"):
                await sender.send("nor this", timeout=0.01)
            assert sender.unsettled == 0

    received = []
    with Peer(on_message=lambda event: received.append(event.message.body)) as peer:
        run(lambda: program(peer.url))
    assert received == []


def test_a_send_that_is_cancelled_after_it_has_left_is_in_doubt():
    async def program(url):
        async with aio.connect(url) as connection:
            sender = await connection.sender("jobs")
            sending = asyncio.ensure_future(_send(sender, "on its way"))
            while not came:
                await asyncio.sleep(0.001)
            sending.cancel()
            assert "has left, and is in doubt" in await sending

    came = []

    def take_one(event):
        event.receiver.auto_accept = False
        event.receiver.flow(1)

    with Peer(on_link_opening=take_one, on_message=came.append) as peer:
        run(lambda: program(peer.url))


async def _send(sender, body):
    """The text of the cancellation: of Python's own that is not kept by the task before 3.11."""
    try:
        await sender.send(body)
    except asyncio.CancelledError as error:
        return str(error)


def test_the_room_of_a_cancelled_send_is_that_of_the_next():
    async def program(url):
        async with aio.connect(url) as connection:
            sender = await connection.sender("jobs", capacity=1)
            first, second, third = (asyncio.ensure_future(sender.send(n)) for n in range(3))
            await asyncio.sleep(0.01)
            second.cancel()
            first.cancel()
            await asyncio.sleep(0.01)
            assert sender.unsettled == 1
            with pytest.raises(Timeout, match="no room for another message, 1 wait for their outcome"):
                await sender.send("no room", timeout=0.01)
            third.cancel()
            await asyncio.gather(first, second, third, return_exceptions=True)

    with Peer() as peer:
        run(lambda: program(peer.url))


def test_at_most_once_returns_at_once(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs", options=AtMostOnce())
            await sender.send("one")
            async with connection.receiver("jobs", options=AtMostOnce()) as receiver:
                assert (await receiver.receive()).body == "one"

    run(program)


# -- what goes wrong ---------------------------------------------------------------------------------------------


def test_nobody_listens():
    async def program():
        with pytest.raises(ConnectionException, match="refused"):
            await aio.connect("127.0.0.1:%d" % unused_port())

    run(program)


def test_a_peer_that_does_not_answer_is_waited_for_as_long_as_asked():
    import socket

    async def program():
        with socket.create_server(("127.0.0.1", 0)) as server:
            with pytest.raises(Timeout, match="opening the connection timed out"):
                await aio.connect("127.0.0.1:%d" % server.getsockname()[1], timeout=0.01)

    run(program)


def test_an_unknown_keyword_is_found_before_anything_is_made(broker):
    async def program():
        with pytest.raises(TypeError, match="heartbeat"):
            await aio.connect(broker.url, heart_beat=3)
        async with aio.connect(broker.url) as connection:
            with pytest.raises(TypeError, match="max_unsettled"):
                await connection.receiver("jobs", max_unsetled=3)

    run(program)


def test_a_link_that_the_peer_refuses():
    async def program():
        async with aio.connect(peer.url) as connection:
            with pytest.raises(NotFound, match="no such node"):
                await connection.sender("jobs")

    with Peer(on_link_opening=_refuse) as peer:
        run(program)


def _refuse(event):
    event.link.condition = Condition("amqp:not-found", "no such node")
    event.link.close()


def test_a_broker_that_goes_away_ends_every_call():
    async def program():
        with EmbeddedBroker() as broker:
            connection = await aio.connect(broker.url)
            receiver = await connection.receiver("jobs")
            waiting = asyncio.ensure_future(receiver.receive())
            looping = asyncio.ensure_future(_all(await connection.receiver("others")))
            await asyncio.sleep(0.01)
        for call in (waiting, looping):
            with pytest.raises(ReactorException):
                await call
        with pytest.raises(ReactorException):
            await connection.sender("jobs")
        with pytest.raises(ReactorException):
            await connection.wait_closed()
        assert connection.closed
        await connection.close()

    run(program)


async def _all(receiver):
    return [message async for message in receiver]


def test_the_iteration_ends_when_this_side_closes(broker):
    async def program():
        connection = await aio.connect(broker.url)
        ends = [asyncio.ensure_future(_all(await connection.receiver(name))) for name in ("one", "two")]
        await asyncio.sleep(0.01)
        await connection.close()
        assert await asyncio.gather(*ends) == [[], []]
        with pytest.raises(ConnectionException, match="the connection is closed"):
            await connection.sender("jobs")

    run(program)


def test_a_closed_link_is_of_no_use(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")
            await sender.close()
            await sender.close()
            with pytest.raises(LinkException, match=r"send\(\): the link is closed"):
                await sender.send("one")
            receiver = await connection.receiver("jobs")
            await receiver.detach()
            with pytest.raises(LinkException, match=r"receive\(\): the link is closed"):
                await receiver.receive()

    run(program)


def test_another_event_loop_and_another_thread_are_told_so(broker):
    kept = []

    async def first():
        connection = await aio.connect(broker.url)
        kept.append(connection)
        kept.append(await connection.sender("jobs"))
        errors = []

        def other():
            async def send():
                await kept[1].send("one")

            try:
                asyncio.run(send())
            except RuntimeError as error:
                errors.append(str(error))

        thread = threading.Thread(target=other, name="another")
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
        thread.join()
        assert "'another'" in errors[0]
        await connection.close()

    run(first)

    async def second():
        with pytest.raises(ConnectionException, match="closed"):
            await kept[1].send("two")

    run(second)


# -- requests ----------------------------------------------------------------------------------------------------


async def _serve(url, count):
    """Answers so many requests with the double, in the other order of two and two."""
    async with aio.connect(url) as connection:
        receiver = await connection.receiver("numbers")
        sender = await connection.sender()
        for _ in range(count // 2):
            taken = [await receiver.receive() for _ in range(2)]
            for request in reversed(taken):
                response = Message(request.body * 2, address=request.reply_to, correlation_id=request.correlation_id)
                await sender.send(response)
                await request.accept()


def test_requests_and_their_responses(broker):
    async def program():
        server = asyncio.ensure_future(_serve(broker.url, 10))
        async with aio.connect(broker.url) as connection, connection.requests("numbers") as requests:
            responses = await asyncio.gather(*(requests.call(number) for number in range(10)))
            assert [response.body for response in responses] == [2 * number for number in range(10)]
            await server
            late = "waiting for the response from 'numbers' timed out"
            await times_out(lambda timeout: requests.call(5, timeout=timeout), late)
            waiting = asyncio.ensure_future(requests.call(6))
            await asyncio.sleep(0.01)
        with pytest.raises(ReactorException):
            await waiting
        with pytest.raises(ReactorException):
            await requests.call(7)

    run(program)


def test_a_request_without_an_address(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.requests() as requests:
            with pytest.raises(ValueError, match="the request has no address"):
                await requests.call("hello")

    run(program)
