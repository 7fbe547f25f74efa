"""How fast `reactor.aio` is: beside the plain loop, and beside other clients of asyncio at the same RabbitMQ.

    python -m tests.benchmarks.aio
    python -m tests.benchmarks.aio --rabbitmq 4.3      (or 4.0, 3.10)

The second one measures aio-pika and rabbitmq-amqp-python-client, too, where they are installed.

The programs take turns, and the median of each is shown: the machine may have other work.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Callable

from handlers import MessagingHandler
from reactor import Container, Message, aio
from reactor.aio import AsyncContainer
from tests.support.rabbitmq import RabbitMQ, missing

BODY = "x" * 100
PREFETCH = 1000

Rate = Callable[[], float]


# -- beside the plain loop -------------------------------------------------------------------------------


class Peer(MessagingHandler):
    """Sends so many messages to each receiver, and accepts those of each sender."""

    def __init__(self, count: int) -> None:
        super().__init__(prefetch=PREFETCH)
        self.count = count
        self.left: dict[Any, int] = {}

    def on_start(self, event: Any) -> None:
        print(event.container.listen("127.0.0.1:0").url, flush=True)

    def on_sendable(self, event: Any) -> None:
        sender = event.sender
        left = self.left.get(sender, self.count)
        while left and sender.credit > 0:
            sender.send(Message(BODY))
            left -= 1
        self.left[sender] = left

    def on_message(self, event: Any) -> None:
        pass


class Receive(MessagingHandler):
    """Takes so many messages, and looks at each."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__(prefetch=PREFETCH)
        self.url, self.count, self.seen, self.seconds = url, count, 0, 0.0

    def on_start(self, event: Any) -> None:
        event.container.create_receiver(event.container.connect(self.url), "q")

    def on_message(self, event: Any) -> Any:
        event.message.body  # noqa: B018  # an application looks at it
        self.seen += 1
        if self.seen == 1:
            self.seconds = time.perf_counter()
        elif self.seen == self.count:
            self.seconds = time.perf_counter() - self.seconds
            event.connection.close()


class ReceiveLater(Receive):
    """The same by a coroutine."""

    async def on_message(self, event: Any) -> None:
        event.message.body  # noqa: B018
        self.seen += 1
        if self.seen == 1:
            self.seconds = time.perf_counter()
        elif self.seen == self.count:
            self.seconds = time.perf_counter() - self.seconds
            event.connection.close()


class Send(MessagingHandler):
    """Sends so many messages, and has the outcome of each."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__()
        self.url, self.count, self.sent, self.seen, self.seconds = url, count, 0, 0, time.perf_counter()

    def on_start(self, event: Any) -> None:
        event.container.create_sender(event.container.connect(self.url), "q")

    def on_sendable(self, event: Any) -> None:
        while self.sent < self.count and event.sender.credit > 0:
            event.sender.send(Message(BODY))
            self.sent += 1

    def on_accepted(self, event: Any) -> None:
        self.seen += 1
        if self.seen == self.count:
            self.seconds = time.perf_counter() - self.seconds
            event.connection.close()


def plainly(handler: Any) -> float:
    """Messages a second of a handler in a Container."""
    Container(handler).run()
    return float(handler.count / handler.seconds)


async def on_a_loop(handler: Any) -> float:
    """The same in an AsyncContainer."""
    async with AsyncContainer(handler) as container:
        await container.wait()
    return float(handler.count / handler.seconds)


async def iterate(url: str, count: int) -> float:
    """Messages a second of `async for`."""
    async with aio.connect(url) as connection:
        receiver = await connection.receiver("q", prefetch=PREFETCH)
        seen, began = 0, 0.0
        async for message in receiver:
            message.body  # noqa: B018
            await message.accept()
            seen += 1
            if seen == 1:
                began = time.perf_counter()
            elif seen == count:
                break
        return count / (time.perf_counter() - began)


async def publish(url: str, address: str, count: int, at_once: int, **options: Any) -> float:
    """Confirmed messages a second, of so many coroutines that each await one send after the other."""
    async with aio.connect(url, **options) as connection:
        sender = await connection.sender(address)
        return await measure(lambda: sender.send(Message(BODY)), count, at_once)


async def measure(send: Callable[[], Awaitable[Any]], count: int, at_once: int) -> float:
    """Sends a second."""

    async def some() -> None:
        for _ in range(count // at_once):
            await send()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


def beside_the_loop(count: int, turns: int) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.aio", "--peer", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdout is not None
        url = peer.stdout.readline().strip()
        try:
            rates = take_turns(
                {
                    "receive, Container": lambda: plainly(Receive(url, count)),
                    "receive, coroutine on_message": lambda: asyncio.run(on_a_loop(ReceiveLater(url, count))),
                    "receive, async for": lambda: asyncio.run(iterate(url, count)),
                    "send, Container": lambda: plainly(Send(url, count)),
                    "send, handler on a loop": lambda: asyncio.run(on_a_loop(Send(url, count))),
                    "send, 1,000 awaits at once": lambda: asyncio.run(publish(url, "q", count, 1000)),
                },
                turns,
            )
        finally:
            peer.kill()
    for name, rate in rates.items():
        plain = rates[name.partition(",")[0] + ", Container"]
        print(f"{name:32} {rate:9,.0f} messages/s  {100 * rate / plain:4.0f} %")


def take_turns(programs: dict[str, Rate], turns: int) -> dict[str, float]:
    """The median of each."""
    rates: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(turns):
        for name, program in programs.items():
            rates[name].append(program())
    return {name: statistics.median(found) for name, found in rates.items()}


# -- beside others ---------------------------------------------------------------------------------------


async def publish_with_aio_pika(port: int, queue: str, count: int, at_once: int) -> float:
    """The same over AMQP 0-9-1, with publisher confirms."""
    aio_pika = importlib.import_module("aio_pika")
    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/")
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = channel.default_exchange
        body = BODY.encode()
        return await measure(lambda: exchange.publish(aio_pika.Message(body), routing_key=queue), count, at_once)


def publish_with_rabbitmqs(port: int, queue: str, count: int) -> float:
    """The same over AMQP 1.0 with RabbitMQ's client, which waits for each confirmation."""
    library = importlib.import_module("rabbitmq_amqp_python_client")
    connection = library.Environment(uri=f"amqp://guest:guest@127.0.0.1:{port}").connection()
    connection.dial()
    publisher = connection.publisher(library.AddressHelper.queue_address(queue))
    began = time.perf_counter()
    for _ in range(count):
        publisher.publish(library.Message(body=BODY.encode()))
    rate = count / (time.perf_counter() - began)
    connection.close()
    return rate


def installed(module: str) -> bool:
    """Whether it is, with a line where it is not."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(f"skipped: {error}")
        return False
    return True


def beside_others(version: str, count: int, turns: int) -> None:
    reason = missing(version)
    if reason:
        print(f"skipped: RabbitMQ {version}: {reason}")
        return
    with tempfile.TemporaryDirectory() as place, RabbitMQ(Path(place), version) as server:
        queue = server.address("well")
        programs: dict[str, Rate] = {
            f"reactor.aio, {at_once} at once": lambda at_once=at_once: asyncio.run(  # type: ignore[misc]
                publish(server.url, queue, count, at_once, user="guest", password="guest", allow_insecure_mechs=True)
            )
            for at_once in (1, 100)
        }
        if installed("aio_pika"):
            for at_once in (1, 100):
                programs[f"aio-pika, {at_once} at once"] = lambda at_once=at_once: asyncio.run(  # type: ignore[misc]
                    publish_with_aio_pika(server.port, "well", count, at_once)
                )
        if server.later and installed("rabbitmq_amqp_python_client"):
            programs["rabbitmq-amqp-python-client"] = lambda: publish_with_rabbitmqs(server.port, "well", count)
        for name, rate in take_turns(programs, turns).items():
            print(f"{name:32} {rate:9,.0f} confirmed/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rabbitmq", metavar="VERSION", help="beside other clients at this RabbitMQ")
    parser.add_argument("--count", type=int, help="messages of each turn")
    parser.add_argument("--turns", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    if options.peer is not None:
        Container(Peer(options.peer)).run()
    elif options.rabbitmq is not None:
        beside_others(options.rabbitmq, options.count or 5000, options.turns)
    else:
        beside_the_loop(options.count or 50_000, options.turns)


if __name__ == "__main__":
    main()
