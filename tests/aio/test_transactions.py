"""Transacted sessions whose calls are awaited: what is sent and taken has effect as a whole, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from handlers.broker import EmbeddedBroker
from handlers.broker.broker import Broker
from reactor import REJECTED, AtMostOnce, Condition, Message, Terminus, aio
from reactor.azure import Batch
from reactor.blocking.succession import End
from reactor.errors import (
    ConnectionException,
    LocalProtocolError,
    SendException,
    SessionException,
    Timeout,
    TransactionException,
    TransactionRolledBack,
)
from reactor.simulation import World
from tests.blocking.test_transacted import Coordinator, Stingy, drop, refuse
from tests.support.aio import run
from tests.support.blocking import PATIENCE, Peer


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker() as broker:
        yield broker
    assert not broker.overview().internal_errors


def depth(broker, address):
    return broker.queue(address).depth


async def fill(connection, address, *bodies):
    async with connection.sender(address) as sender:
        for body in bodies:
            await sender.send(body)


async def until(condition):
    """Wait for what comes about in another thread."""
    while not condition():
        await asyncio.sleep(0.001)


async def some_turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def heard(call):
    """The text of the cancellation of a call."""
    try:
        await call
    except asyncio.CancelledError as error:
        return error.args[-1]


# -- over sockets ------------------------------------------------------------------------------------------------------


def test_Q15_what_is_sent_is_there_when_it_is_committed(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            sender = await session.sender("sent")
            delivery = await sender.send(1)
            assert delivery.settled
            assert depth(broker, "sent") == 0
            await session.commit()
            assert depth(broker, "sent") == 1
            await sender.send(2)
            await session.rollback()
            await session.commit()  # nothing is in it
            assert depth(broker, "sent") == 1
            await asyncio.gather(*(sender.send(number) for number in range(10)))
            await session.commit()
            receiver = await connection.receiver("sent")
            assert [(await receiver.receive(PATIENCE)).body for _ in range(11)] == [1, *range(10)]

    run(program)


def test_Q15_what_is_taken_has_its_outcome_when_it_is_committed(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            await fill(connection, "taken", *range(5))
            receiver = await session.receiver("taken")
            messages = [await receiver.receive(PATIENCE) for _ in range(5)]
            await messages[0].accept()
            await messages[1].reject("not this one")
            await messages[2].modify()
            await messages[3].release()
            assert depth(broker, "taken") == 5
            await session.commit()
            again = [await receiver.receive(PATIENCE) for _ in range(2)]
            assert [(one.body, one.delivery_count) for one in again] == [(2, 1), (3, 0)]
            assert (depth(broker, "taken"), broker.queue("taken").rejected) == (3, 1)
            for message in (*again, messages[4]):  # which was in no transaction until now
                await message.accept()
            await session.commit()
            assert depth(broker, "taken") == 0

    run(program)


def test_Q15_a_rollback_gives_back_what_was_accepted_as_failed(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            await fill(connection, "back", 1, 2)
            receiver = await session.receiver("back")
            first, other = [await receiver.receive(PATIENCE) for _ in range(2)]
            await first.accept()
            await session.rollback()
            again = await receiver.receive(PATIENCE)
            assert (again.body, again.delivery_count) == (1, 1)
            await again.accept()
            await other.accept()
            await session.commit()
            assert depth(broker, "back") == 0

    run(program)


def test_a_block_commits_at_its_end_and_rolls_back_what_an_exception_leaves(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            await fill(connection, "jobs", "good", "bad")
            receiver, sender = await session.receiver("jobs"), await session.sender("results")
            for _ in range(2):
                message = await receiver.receive(PATIENCE)
                try:
                    async with session.transaction():
                        await message.accept()
                        await sender.send(message.body)
                        if message.body == "bad":
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    pass
            again = await receiver.receive(PATIENCE)
            assert (again.body, again.delivery_count) == ("bad", 1)
            assert depth(broker, "results") == 1
            with pytest.raises(asyncio.CancelledError):
                async with session.transaction():
                    await sender.send("of a task that is cancelled")
                    raise asyncio.CancelledError
            async with session.transaction():
                await sender.send("the last one")
            assert depth(broker, "results") == 2
            results = await connection.receiver("results")
            assert [(await results.receive(PATIENCE)).body for _ in range(2)] == ["good", "the last one"]

    run(program)


def test_outcomes_between_two_transactions_are_of_the_next_one(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            await fill(connection, "between", 1, 2)
            receiver = await session.receiver("between")
            one, two = [await receiver.receive(PATIENCE) for _ in range(2)]
            await session.commit()
            await one.accept()  # the next transaction is not declared yet
            assert depth(broker, "between") == 2
            await session.commit()
            assert depth(broker, "between") == 1
            with pytest.raises(ZeroDivisionError):
                async with session.transaction():
                    await two.accept()  # here neither
                    raise ZeroDivisionError
            again = await receiver.receive(PATIENCE)
            assert (again.body, again.delivery_count) == (2, 1)

    run(program)


def test_Q15_a_session_that_closes_rolls_back(broker):
    async def program():
        async with aio.connect(broker.url) as connection:
            await fill(connection, "closed", 1)
            async with connection.session(transacted=True) as session:
                sender, receiver = await session.sender("nothing"), await session.receiver("closed")
                await sender.send(1)
                await (await receiver.receive(PATIENCE)).accept()
            with pytest.raises(SessionException):
                await session.commit()
            await until(lambda: broker.queue("closed").waiting == 1)
            assert depth(broker, "nothing") == 0

    run(program)


def test_sends_at_once_and_commits_between_them_lose_nothing(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            sender = await session.sender("many", capacity=3)

            async def commits():
                for _ in range(10):
                    await session.commit()

            await asyncio.gather(*(sender.send(number) for number in range(50)), commits())
            await session.commit()
            receiver = await connection.receiver("many")
            assert [(await receiver.receive(PATIENCE)).body for _ in range(50)] == list(range(50))

    run(program)


def test_Q15_to_commit_outside_of_a_transaction_is_an_error(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session() as session:
            for call in (session.commit, session.rollback):
                with pytest.raises(TransactionException, match=r"not transacted: connection\.session\(transacted=True"):
                    await call()
            with pytest.raises(TransactionException, match=r"transaction\(\)"):
                session.transaction()
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            sender = await session.sender("batches")
            batch = Batch()
            batch.add(Message("one"))
            with pytest.raises(TypeError, match="a transaction sends a Message"):
                await sender.send(batch)

    run(program)


def test_a_message_that_is_not_taken_raises():
    async def program():
        with Coordinator(lambda event: event.delivery.accept()) as peer:
            async with aio.connect(peer.url) as connection, connection.session(transacted=True) as session:
                sender = await session.sender("jobs")
                with pytest.raises(SendException, match="there are no transactions here") as caught:
                    await sender.send("one")
                assert caught.value.state == REJECTED
                await session.commit()

    run(program)


def test_a_rollback_ends_sends_that_have_not_left():
    async def program():
        with Stingy(lambda event: event.delivery.accept()) as peer:
            async with aio.connect(peer.url) as connection, connection.session(transacted=True) as session:
                sender = await session.sender("jobs")
                for rolls_back in (session.rollback, left(session)):
                    task = asyncio.get_running_loop().create_task(sender.send(1))
                    await until(lambda: sender.unsettled)
                    await rolls_back()
                    with pytest.raises(TransactionRolledBack, match="the message has not left, and its transaction is"):
                        await task
                assert not sender.unsettled

    def left(session):
        async def call():
            with pytest.raises(ZeroDivisionError):
                async with session.transaction():
                    raise ZeroDivisionError

        return call

    run(program)


def test_messages_that_are_settled_have_no_other_outcome(broker):
    async def program():
        async with aio.connect(broker.url) as connection, connection.session(transacted=True) as session:
            await fill(connection, "settled", 1)
            receiver = await session.receiver("settled")
            message = await receiver.receive(PATIENCE)
            await message.reject("no")
            await message.accept()  # the last one before the commit is that which it has
            await session.commit()
            assert (depth(broker, "settled"), broker.queue("settled").rejected) == (0, 0)
            await message.accept()  # as it is
            await fill(connection, "presettled", 1)
            receiver = await session.receiver("presettled", options=AtMostOnce())
            message = await receiver.receive(PATIENCE)
            await message.accept()
            with pytest.raises(LocalProtocolError, match="is settled"):
                await message.reject("no")
            await session.commit()

    run(program)


def test_a_peer_that_refuses_the_commit():
    async def program():
        with Coordinator(refuse) as peer:
            async with aio.connect(peer.url) as connection, connection.session(transacted=True) as session:
                for _ in range(2):
                    with pytest.raises(TransactionRolledBack, match=r"rolled back: amqp:transaction:.*: not today"):
                        await session.commit()
                await session.rollback()

    run(program)


def test_a_commit_without_an_answer_ends_with_its_deadline_or_by_its_cancellation():
    async def program():
        with Coordinator(lambda event: None) as peer:
            async with aio.connect(peer.url) as connection, connection.session(transacted=True) as session:
                with pytest.raises(Timeout, match="the end is in doubt"):
                    await session.commit(timeout=0.01)
                with pytest.raises(Timeout, match=r"commit\(\) timed out"):
                    await session.commit(timeout=0.01)
            async with aio.connect(peer.url) as connection, connection.session(transacted=True) as session:
                task = asyncio.get_running_loop().create_task(heard(session.commit()))
                await some_turns()
                task.cancel()
                assert await task == "commit() was cancelled: the transaction is in doubt"

    run(program)


def test_J5_a_pending_commit_is_in_doubt_when_the_connection_is_lost():
    async def program():
        with Coordinator(drop) as peer:
            connection = await aio.connect(peer.url)
            session = await connection.session(transacted=True)
            with pytest.raises(TransactionRolledBack, match="in doubt") as caught:
                await session.commit()
            assert caught.value.in_doubt
            with pytest.raises(ConnectionException):
                await session.commit()
            await connection.close()

    run(program)


@pytest.mark.parametrize("ends", ["link", "session"])
def test_a_peer_without_transactions_says_so_when_the_session_is_made(ends):
    def on_link_opening(event):
        if event.link.remote_target.type == Terminus.COORDINATOR:
            ended = event.link if ends == "link" else event.session  # as RabbitMQ
            ended.condition = Condition("amqp:not-implemented", "no transactions here")
            ended.close()

    async def program():
        with Peer(on_link_opening=on_link_opening) as peer:
            async with aio.connect(peer.url) as connection:
                with pytest.raises(TransactionException, match="no transactions here"):
                    await connection.session(transacted=True)
                await connection.session()

    run(program)


# -- in worlds ---------------------------------------------------------------------------------------------------------

URL = "amqp://broker"


async def puts(count):
    async with aio.connect(URL) as connection:
        await fill(connection, "from", *range(count))


async def moves():
    """Moves messages from one queue to another, each in a transaction, until there are no more."""
    rolled_back = 0
    async with aio.connect(URL, reconnect=True) as connection, connection.session(transacted=True) as session:
        receiver, sender = await session.receiver("from", prefetch=1), await session.sender("to")
        while True:
            try:
                message = await receiver.receive(30)
                async with session.transaction():
                    await sender.send(message.body)
                    await message.accept()
            except Timeout:
                return rolled_back
            except TransactionRolledBack:
                rolled_back += 1
            except ConnectionException:  # of a send in doubt: `transaction` has rolled back
                pass


async def takes():
    bodies = []
    async with aio.connect(URL) as connection, connection.receiver("to") as receiver:
        while True:
            try:
                message = await receiver.receive(10)
            except Timeout:
                return bodies
            bodies.append(message.body)
            await message.accept()


def result_of(world, function, *arguments):
    program = world.start(function, *arguments)
    world.run_until(lambda: not program.running, limit=900)
    return program.result


@pytest.mark.parametrize("seed", range(5))
def test_each_message_is_moved_once_whatever_happens_to_the_wire(seed):
    with World(seed) as world:
        world.start(Broker, URL, name="broker")
        result_of(world, puts, 8)
        world.storm(15, ["cut", "partition"])
        result_of(world, moves)
        assert sorted(result_of(world, takes)) == list(range(8))


def cut_when(step):
    """A world whose client is cut off when its program has set `ready`, with the step after that. Its result."""
    with World(1) as world:
        world.start(Broker, URL, name="broker")
        ready = []
        program = world.start(step, ready, name="client")
        world.run_until(lambda: ready)
        world.run_for(1)
        world.cut("client")
        world.run_until(lambda: not program.running, limit=60)
        return program.result, result_of(world, takes)


def test_J5_with_work_in_it_a_transaction_is_rolled_back_when_the_connection_is_lost():
    async def step(ready):
        async with aio.connect(URL, reconnect=True) as connection, connection.session(transacted=True) as session:
            sender = await session.sender("to")
            await sender.send(1)
            await sender.send(2)
            ready.append(True)
            await asyncio.sleep(10)
            for _ in range(2):  # sends fail until the program has heard of it
                with pytest.raises(TransactionRolledBack, match=r"call rollback\(\)"):
                    await sender.send(3)
            with pytest.raises(TransactionRolledBack) as caught:
                await session.commit()
            await sender.send("in the next one")
            await session.commit()
            return caught.value.in_doubt

    assert cut_when(step) == (False, ["in the next one"])


def test_J5_a_message_taken_before_the_loss_rolls_the_transaction_back():
    async def step(ready):
        async with aio.connect(URL, reconnect=True) as connection, connection.session(transacted=True) as session:
            await fill(connection, "from", 1)
            receiver, sender = await session.receiver("from"), await session.sender("to")
            message = await receiver.receive()
            ready.append(True)
            await asyncio.sleep(10)
            with pytest.raises(TransactionRolledBack):
                async with session.transaction():
                    await sender.send(message.body)
                    await message.accept()
            async with session.transaction():
                message = await receiver.receive()
                await sender.send((message.body, message.delivery_count))
                await message.accept()

    _, taken = cut_when(step)
    assert [tuple(body) for body in taken] in ([(1, 0)], [(1, 1)])


def test_J5_a_transaction_without_work_goes_on():
    async def step(ready):
        async with aio.connect(URL, reconnect=True) as connection, connection.session(transacted=True) as session:
            sender = await session.sender("to")
            await sender.send(1)
            await session.commit()
            ready.append(True)
            await asyncio.sleep(10)
            await sender.send(2)
            await session.commit()

    assert cut_when(step) == (None, [1, 2])


def test_a_connection_that_is_lost_for_good_ends_the_session_and_what_waits():
    async def step(ready):
        connection = await aio.connect(URL)
        session = await connection.session(transacted=True)
        sender = await session.sender("to")
        await sender.send(1)
        ready.append(True)
        await connection._life.until(lambda: connection.closed, "the loss")
        for call in (session.commit, session.rollback, lambda: sender.send(2)):
            with pytest.raises(ConnectionException):
                await call()
        with pytest.raises(ConnectionException):
            async with session.transaction():
                pass
        await connection.close()

    assert cut_when(step) == (None, [])


@pytest.mark.parametrize(
    ("commits", "answered", "text"),
    [
        (True, False, "commit() was cancelled: the transaction is in doubt"),
        (True, True, "commit() was cancelled: the transaction was committed"),
        (False, True, "rollback() was cancelled: the transaction was rolled back"),
    ],
)
def test_a_call_that_is_cancelled_says_how_the_transaction_is(monkeypatch, commits, answered, text):
    async def step():
        async with aio.connect(URL) as connection, connection.session(transacted=True) as session:
            sender = await session.sender("to")
            await sender.send(1)
            task = asyncio.get_running_loop().create_task(heard(session.commit() if commits else session.rollback()))
            if answered:  # the cancellation comes in the turn of the answer
                answer.append(task.cancel)
            else:
                await asyncio.sleep(0)
                task.cancel()
            said = await task
            await sender.send(2)
            await session.commit()
            return said

    def over(end, failure):
        plainly(end, failure)
        while answer:
            answer.pop()()

    plainly, answer = End.over, []
    monkeypatch.setattr(End, "over", over)
    with World(1) as world:
        world.start(Broker, URL, name="broker")
        assert result_of(world, step) == text
        assert result_of(world, takes) == ([1, 2] if commits else [2])
