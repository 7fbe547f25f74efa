"""Recordings of small worlds, for tests of the pictures."""

from __future__ import annotations

import logging

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message
from reactor.simulation import Observer, World
from reactor.tracing.recording import Record, Recording


class Watch(Observer):
    """Records the frames of a world at both ends of each wire."""

    def __init__(self, world):
        self.world = world
        self.records = []
        self.known = set()

    def _name(self, wire):
        return "%s#%d" % (wire.node.name, wire.number)

    def _frame(self, wire, direction, frame):
        name = self._name(wire)
        if name not in self.known:
            self.known.add(name)
            values = {"peer": wire.peer.node.name, "other": self._name(wire.peer)} if wire.peer is not None else {}
            self.records.append(Record(self.world.now, "connected", wire.node.name, name, values=values))
        self.records.append(Record(self.world.now, "frame", wire.node.name, name, direction, frame.raw))

    def wrote(self, wire, frame):
        self._frame(wire, "out", frame)

    def read(self, wire, frame):
        self._frame(wire, "in", frame)

    def gone(self, program):
        self.records.append(Record(self.world.now, "crashed", program))
        for name in sorted(self.known):
            if name.startswith(program + "#"):
                self.records.append(Record(self.world.now, "lost", program, name))

    def cut(self, one, other):
        """Reset the wires between two programs."""
        for wire in self.world.wires(one, other):
            for end in (wire, wire.peer):
                name = self._name(end)
                self.records.append(Record(self.world.now, "lost", end.node.name, name, text="reset by peer"))
        self.world.cut(one, other)

    def recording(self, title=""):
        return Recording({"clock": "world", "title": title}, self.records)


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
    world = World(seed, latency=latency, bandwidth=float("inf"), pieces=0, capacity=262144)
    watch = Watch(world)
    world.watch(watch)
    with world:
        world.start(Broker, "amqp://broker", name="broker")
        world.start(Producer, count, name="sender")
        worker = world.start(Worker, prefetch, name="receiver")
        world.run_until(lambda: len(worker.handler.bodies) == count)
        world.settle()
    return watch.recording("%d jobs" % count)


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
    world = World(7, latency=0.02, bandwidth=float("inf"), pieces=0, capacity=262144)
    watch = Watch(world)
    world.watch(watch)
    done = []
    logging.disable()
    try:
        with world:
            world.start(Broker, "amqp://broker", name="broker")
            world.start(Producer, count, name="producer")
            worker = world.start(Choosy, done, name="worker")
            world.run_until(lambda: len(done) >= 8)
            worker.crash()
            world.run_for(1.5)
            worker.restart()
            watch.records.append(Record(world.now, "restarted", "worker"))
            world.run_until(lambda: len(done) >= 16)
            watch.cut("worker", "broker")
            world.run_until(lambda: len(set(done)) == count)
            world.settle()
    finally:
        logging.disable(logging.NOTSET)
    return watch.recording("A worker that crashes, and a connection that is lost")
