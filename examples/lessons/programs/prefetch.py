"""Ten jobs wait. Each takes the worker a second, and it accepts a job when it is done."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 4.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
PREFETCH = 2  # the credit that the worker keeps with the broker
MAX_UNSETTLED = None  # how many messages it may have in hand; None: no bound


class Producer(MessagingHandler):
    def on_start(self, event):
        sender = event.container.create_sender("amqp://broker/jobs")
        for number in range(1, 11):
            sender.send(Message(f"job {number}"))


class Worker(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=PREFETCH, auto_accept=False)
        self.hand = []  # the jobs that came and are not done, oldest first

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs", max_unsettled=MAX_UNSETTLED)

    def on_message(self, event):
        self.hand.append(event.delivery)
        print("worker: got", event.message.body, "and has", len(self.hand), "in hand")
        if len(self.hand) == 1:
            event.container.schedule(1.0, self)

    def on_timer_task(self, event):
        """A second of work is over: the oldest job is done."""
        self.accept(self.hand.pop(0))
        if self.hand:
            event.container.schedule(1.0, self)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Producer, name="producer")
    world.after(0.2, lambda: world.start(Worker, name="worker"))
