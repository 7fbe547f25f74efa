"""Five numbers go from a sender to a receiver. At some moment the connection of one of them is cut, or it is killed."""

from handlers import MessagingHandler
from handlers.broker import Broker
from handlers.broker.store.memory import MemoryStore
from reactor import AtLeastOnce, AtMostOnce, Backoff, ExactlyOnce, Message, UnsettledMemory

SECONDS = 4.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
SEED = 17
MODE = "at most once"  # or "at least once", or "exactly once"
NUMBERS = 5
PACE = 0.02  # seconds from one number to the next


class Client(MessagingHandler):
    """What sender and receiver have in common: a notebook that outlives them, and a link that comes back."""

    def __init__(self, store):
        super().__init__()
        store.roll_back()  # a note that was not committed is gone with the program that made it
        self.store = store

    def connect(self, event):
        self.connection = event.container.connect("amqp://broker", reconnect=Backoff(max_delay=0.2))
        choices = {"at most once": AtMostOnce, "at least once": AtLeastOnce}
        return choices[MODE]() if MODE in choices else ExactlyOnce(self.store)

    def note(self, name, number):
        self.store.note(name, str(number))
        if MODE != "exactly once":  # there the link commits: its message and the note together
            self.store.commit()

    def noted(self, name):
        return int(self.store.noted(name) or 0)


class Sender(Client):
    def on_start(self, event):
        options = self.connect(event)
        again = MODE == "at least once"
        event.container.create_sender(self.connection, "numbers", name="sender", options=options, resend=again)
        self.next = self.noted("sent")
        self.running = False

    def on_link_opened(self, event):
        if not self.running:  # and not again when the link is back
            self.running, self.sender = True, event.sender
            event.container.schedule(PACE, self)

    def on_timer_task(self, event):
        if self.next < NUMBERS:
            self.next += 1
            self.sender.send(Message(self.next, durable=True))
            if MODE != "at least once":
                self.note("sent", self.next)
            event.container.schedule(PACE, self)

    def on_accepted(self, event):
        if MODE == "at least once":  # a sender that is started again begins behind the last one accepted
            self.note("sent", self.noted("sent") + 1)


class Receiver(Client):
    def on_start(self, event):
        options = self.connect(event)
        event.container.create_receiver(self.connection, "numbers", name="receiver", options=options)

    def on_message(self, event):
        name = str(event.message.body)
        self.note(name, self.noted(name) + 1)
        print("receiver: got", name)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker", store=MemoryStore())
    for kind, name in ((Sender, "sender"), (Receiver, "receiver")):
        world.start(kind, name=name, store=UnsettledMemory(), options={"container_id": name})
    world.after(world.random.uniform(0.08, 0.25), lambda: accident(world))
    return lambda: count(world.programs["receiver"].handler)


def accident(world):
    victim = world.random.choice(["sender", "receiver"])
    if world.random.random() < 0.5:
        world.cut(victim)
    elif world.programs[victim].running:
        world.programs[victim].crash()
        world.after(0.2, world.programs[victim].restart)


def count(receiver):
    """The result of the run."""
    times = [receiver.noted(str(number)) for number in range(1, NUMBERS + 1)]
    return {"lost": times.count(0), "once": times.count(1), "more than once": sum(one > 1 for one in times)}
