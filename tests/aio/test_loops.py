"""Event loops of several kinds: the system's own, one that watches no descriptors, uvloop where it is installed."""

from __future__ import annotations

import asyncio
import os

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import ConnectionException, Message, aio
from reactor.aio import AsyncContainer
from tests.support.aio import PATIENCE, kinds, run
from tests.support.processes import unused_port

each_kind = pytest.mark.parametrize("make", kinds().values(), ids=kinds())


def test_uvloop_is_there_where_it_is_asked_for():
    if os.environ.get("AMQP_REACTOR_UVLOOP") != "required":
        pytest.skip("AMQP_REACTOR_UVLOOP is not set, as it is by tox -e uvloop")
    assert "uvloop" in kinds()


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker() as broker:
        yield broker
    assert not broker.overview().internal_errors


@each_kind
def test_messages_there_and_back(broker, make):
    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("jobs")
            await asyncio.gather(*(sender.send(number) for number in range(300)))
            async with connection.receiver("jobs") as receiver:
                bodies = []
                async for message in receiver:
                    bodies.append(message.body)
                    await message.accept()
                    if len(bodies) == 300:
                        return bodies

    assert run(program, make) == list(range(300))


@each_kind
def test_long_messages_fill_the_wire_and_go_on(broker, make):
    body = bytes(range(256)) * 20_000

    async def program():
        async with aio.connect(broker.url) as connection:
            sender = await connection.sender("long")
            await asyncio.gather(*(sender.send(Message(body)) for _ in range(2)))
            receiver = await connection.receiver("long")
            for _ in range(2):
                message = await receiver.receive(timeout=PATIENCE)
                assert message.body == body
                await message.accept()

    run(program, make)


@each_kind
def test_a_server_and_its_client_on_one_loop(make):
    class Server(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.listening.set_result(self.acceptor.url)

        async def on_message(self, event):
            await asyncio.sleep(0)
            self.received.append(event.message.body)

    async def program():
        server = Server()
        server.received = []
        server.listening = asyncio.get_running_loop().create_future()
        async with AsyncContainer(server):
            url = await server.listening
            async with aio.connect(url) as connection:
                sender = await connection.sender("anywhere")
                for number in range(3):
                    await sender.send(number)
        return server.received

    assert run(program, make) == [0, 1, 2]


@each_kind
def test_nobody_listens(make):
    async def program():
        with pytest.raises(ConnectionException, match="refused"):
            await aio.connect("127.0.0.1:%d" % unused_port())
        async with AsyncContainer() as container:
            acceptor = container.listen("127.0.0.1:0")
            with pytest.raises(OSError, match="cannot listen on"):
                container.listen(acceptor.url)

    run(program, make)


@each_kind
def test_what_is_no_host_name(make):
    async def program():
        with pytest.raises(ConnectionException, match="a" * 70):
            await aio.connect("amqp://%s.example" % ("a" * 70))  # a label has at most 63 characters
        await asyncio.get_running_loop().shutdown_default_executor()

    run(program, make)


@each_kind
def test_a_broker_that_goes_away_and_comes_back(make):
    port = unused_port()
    url = "amqp://127.0.0.1:%d" % port

    async def program():
        first = await asyncio.get_running_loop().run_in_executor(None, EmbeddedBroker(url).__enter__)
        async with aio.connect(url, reconnect=True) as connection:
            sender = await connection.sender("jobs")
            await sender.send("one")
            await asyncio.get_running_loop().run_in_executor(None, first.__exit__, None, None, None)
            waiting = asyncio.ensure_future(sender.send("two"))
            await asyncio.sleep(0)
            second = await asyncio.get_running_loop().run_in_executor(None, EmbeddedBroker(url).__enter__)
            await waiting
            receiver = await connection.receiver("jobs")
            body = (await receiver.receive(timeout=PATIENCE)).body
        await asyncio.get_running_loop().run_in_executor(None, second.__exit__, None, None, None)
        await asyncio.get_running_loop().shutdown_default_executor()
        return body

    assert run(program, make) == "two"
