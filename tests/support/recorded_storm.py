"""A recording for tests: a run of a world with much in it."""

from __future__ import annotations

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message
from reactor.simulation import World
from reactor.tracing import Recording


class Sends(MessagingHandler):
    def __init__(self, number=20, size=10):
        super().__init__()
        self.number = number
        self.size = size

    def on_start(self, event):
        event.container.create_sender("amqp://broker/q")

    def on_sendable(self, event):
        while event.sender.credit and self.number:
            event.sender.send(Message("x" * self.size))
            self.number -= 1


class Receives(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/q")

    def on_message(self, event):
        pass


def recorded_storm() -> Recording:
    """A run with several connections, a crash, and messages of several frames."""
    with World(3, record=True) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        world.start(Sends, name="sender")
        world.start(Sends, 1, 100_000, name="large")
        world.start(Receives, name="receiver")
        world.run_for(10)
        broker.crash()
        world.run_for(2)
        broker.restart()
        world.run_for(10)
        return world.recording
