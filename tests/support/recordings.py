"""Recordings of small worlds, for tests of the pictures."""

from __future__ import annotations

import logging

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message
from reactor.simulation import World
from reactor.tracing.recorder import Recorder


def world_of(seed, title, latency):
    """A world with no chances in its network, recorded."""
    recorder = Recorder(ring=None, frame_bytes=None, title=title)
    return World(seed, latency=latency, bandwidth=float("inf"), pieces=0, capacity=262144, record=recorder)


class Producer(MessagingHandler):
    """Sends some messages."""

    def __init__(self, count):
        super().__init__()
        self.count = count
        self.accepted = 0

    def on_start(self, event):
        self.sender = event.container.create_sender("amqp://broker/jobs", resend=True)
        for number in range(self.count):
            self.sender.send(Message("job %d" % number))

    def on_accepted(self, event):
        self.accepted += 1


class Worker(MessagingHandler):
    """Takes them."""

    def __init__(self, prefetch=10):
        super().__init__(prefetch=prefetch)
        self.bodies = []

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs")

    def on_message(self, event):
        self.bodies.append(event.message.body)


def recorded(count=3, prefetch=10, seed=1, latency=0.01):
    """A world of a sender, a broker and a receiver, and the recording of it."""
    with world_of(seed, "%d jobs" % count, latency) as world:
        world.start(Broker, "amqp://broker", name="broker")
        world.start(Producer, count, name="sender")
        worker = world.start(Worker, prefetch, name="receiver")
        world.run_until(lambda: len(worker.handler.bodies) == count)
        world.settle()
    return world.recording


class Choosy(Worker):
    """Rejects one, releases one once, and crashes in the middle of another."""

    def __init__(self, done):
        super().__init__(prefetch=5)
        self.auto_accept = False
        self.done = done

    def on_message(self, event):
        body = event.message.body
        if body == "job 4":
            self.reject(event.delivery)
        elif body == "job 6" and body not in self.done:
            self.release(event.delivery)
        else:
            self.accept(event.delivery)
        self.done.append(body)


def stormy(count=24):
    """A world in which a worker crashes and comes back, a connection is lost, and outcomes differ."""
    done = []
    logging.disable()
    try:
        with world_of(7, "A worker that crashes, and a connection that is lost", 0.02) as world:
            world.start(Broker, "amqp://broker", name="broker")
            world.start(Producer, count, name="producer")
            worker = world.start(Choosy, done, name="worker")
            world.run_until(lambda: len(done) >= 8)
            worker.crash()
            world.run_for(1.5)
            worker.restart()
            world.run_until(lambda: len(done) >= 16)
            world.cut("worker", "broker")
            world.run_until(lambda: len(set(done)) == count)
            world.settle()
    finally:
        logging.disable(logging.NOTSET)
    return world.recording
