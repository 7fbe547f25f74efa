"""A worker has four jobs in hand when it is killed. Then it is started again."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 3.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
ACCEPT = "when done"  # or "at once": before the work


class Producer(MessagingHandler):
    def on_start(self, event):
        sender = event.container.create_sender("amqp://broker/jobs")
        for number in range(1, 5):
            sender.send(Message(f"job {number}"))


class Worker(MessagingHandler):
    def __init__(self):
        super().__init__(auto_accept=False)
        self.hand = []

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs")

    def on_message(self, event):
        if event.message.redelivered:
            print("worker:", event.message.body, "comes again")
        self.hand.append((event.message.body, event.delivery))
        if ACCEPT == "at once":
            self.accept(event.delivery)
        if len(self.hand) == 1:
            event.container.schedule(0.2, self)

    def on_timer_task(self, event):
        """A job takes 0.2 seconds."""
        job, delivery = self.hand.pop(0)
        print("worker: has done", job)
        if ACCEPT == "when done":
            self.accept(delivery)
        if self.hand:
            event.container.schedule(0.2, self)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Producer, name="producer")
    world.after(0.2, lambda: world.start(Worker, name="worker"))
    world.after(0.6, lambda: world.programs["worker"].crash())
    world.after(1.0, lambda: world.programs["worker"].restart())
