"""Six jobs wait in a queue, and a worker takes them as its credit allows."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 1.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
PREFETCH = 4  # the credit that the worker keeps with the broker


class Producer(MessagingHandler):
    def on_start(self, event):
        sender = event.container.create_sender("amqp://broker/jobs")
        for number in range(1, 7):
            sender.send(Message(f"job {number}"))


class Worker(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=PREFETCH)

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs")

    def on_message(self, event):
        print("worker: got", event.message.body)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Producer, name="producer")
    world.after(0.2, lambda: world.start(Worker, name="worker"))
