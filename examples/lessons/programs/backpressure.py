"""A producer has eight jobs, the queue has room for three, and the worker takes its time."""

from handlers import MessagingHandler
from handlers.broker import Broker, Policy
from reactor import Message

SECONDS = 3.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
PREFETCH = 1  # the credit that the worker keeps with the broker
OVERFLOW = "hold"  # or "reject", or "drop-oldest": what a full queue does
ROOM = 3  # messages in the queue


class Producer(MessagingHandler):
    made = 0

    def on_start(self, event):
        event.container.create_sender("amqp://broker/jobs")

    def on_sendable(self, event):
        while event.sender.credit and self.made < 8:
            self.made += 1
            event.sender.send(Message(f"job {self.made}"))
        if self.made < 8:
            print("producer: no credit; the next one is job", self.made + 1)

    def on_rejected(self, event):
        print("producer: a job was rejected:", event.delivery.remote.condition.name)


class Worker(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=PREFETCH, auto_accept=False)

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs", max_unsettled=1)

    def on_message(self, event):
        self.job, self.delivery = event.message.body, event.delivery
        event.container.schedule(0.25, self)

    def on_timer_task(self, event):
        """A job takes a quarter of a second."""
        print("worker: has done", self.job)
        self.accept(self.delivery)


def scene(world):
    jobs = Policy(max_length=ROOM, overflow=OVERFLOW)
    world.start(Broker, "amqp://broker", name="broker", policies={"jobs": jobs})
    world.start(Worker, name="worker")
    world.start(Producer, name="producer")
