"""One message goes from a producer to a broker, and from there to a worker."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 1.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
WORKER_COMES = 0.2  # when the worker is started, in seconds


class Producer(MessagingHandler):
    def on_start(self, event):
        sender = event.container.create_sender("amqp://broker/letters")
        sender.send(Message("Hello"))

    def on_accepted(self, event):
        print("producer: somebody has accepted the message")
        event.connection.close()


class Worker(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/letters")

    def on_message(self, event):
        print("worker: got", event.message.body)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Producer, name="producer")
    world.after(WORKER_COMES, lambda: world.start(Worker, name="worker"))
