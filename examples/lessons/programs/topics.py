"""Two readers have the same address. It is a queue, or a topic."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 1.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
ADDRESS = "jobs"  # a queue; "news" is a topic
PREFETCH = 10  # the credit that each reader keeps with the broker


class Editor(MessagingHandler):
    def on_start(self, event):
        sender = event.container.create_sender(f"amqp://broker/{ADDRESS}")
        for number in range(1, 5):
            sender.send(Message(f"page {number}"))


class Reader(MessagingHandler):
    def __init__(self, name):
        super().__init__(prefetch=PREFETCH)
        self.name = name

    def on_start(self, event):
        event.container.create_receiver(f"amqp://broker/{ADDRESS}")

    def on_message(self, event):
        print(f"{self.name}: reads {event.message.body}")


def scene(world):
    world.start(Broker, "amqp://broker", name="broker", topics=["news"])
    world.start(Reader, "anna", name="anna")
    world.start(Reader, "ben", name="ben")
    world.after(0.2, lambda: world.start(Editor, name="editor"))
