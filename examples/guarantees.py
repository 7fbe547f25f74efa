"""Teaches the three guarantees, at most once, at least once and exactly once, by counting what each of them loses.

    python -m examples.guarantees

A sender counts, a receiver writes the numbers down, a broker with a store stands between them. All three, and their
network, are in a simulated world, where connections are cut and programs are killed, each time at another frame. Each
program keeps in its store what it has to know when it is started again. In the end the numbers are counted. The seed
decides on all that happens: the same seed gives the same table.
"""

import argparse
import logging

from handlers import MessagingHandler
from handlers.broker import Broker
from handlers.broker.store.memory import MemoryStore
from reactor import AtLeastOnce, AtMostOnce, Backoff, ExactlyOnce, Message, UnsettledMemory
from reactor.simulation import World

URL = "amqp://broker:5672"
SOON = Backoff(max_delay=0.2)


class Client(MessagingHandler):
    """Comes back whenever it has lost its connection. make_options: of its link, of its store."""

    def __init__(self, make_options, store):
        super().__init__()
        store.roll_back()  # what was not committed is gone with the program that had noted it
        self.make_options, self.store = make_options, store

    def on_start(self, event):
        connection = event.container.connect(URL, reconnect=SOON)
        options = ExactlyOnce(self.store) if self.make_options is ExactlyOnce else self.make_options()
        self.attach(event.container, connection, options)

    def note(self, name, number):
        """Exactly once leaves it to the link to commit: the note and the message are kept together."""
        self.store.note(name, str(number))
        if self.make_options is not ExactlyOnce:
            self.store.commit()

    def noted(self, name):
        return int(self.store.noted(name) or 0)

    def on_transport_error(self, event):
        """It is lost, and comes back."""

    def on_in_doubt(self, event):
        """Nobody will tell: at least once sends it again, at most once does not."""


class Sender(Client):
    """Sends the numbers below `count`."""

    def __init__(self, make_options, count, store):
        super().__init__(make_options, store)
        self.count = count
        self.next = self.noted("sent")

    def attach(self, container, connection, options):
        again = self.make_options is AtLeastOnce
        container.create_sender(connection, "numbers", name="sender", options=options, resend=again)

    def on_sendable(self, event):
        while event.sender.credit and self.next < self.count and event.sender.unsettled < 5:
            event.sender.send(Message(self.next, durable=True))
            self.next += 1
            if self.make_options is not AtLeastOnce:
                self.note("sent", self.next)

    def on_accepted(self, event):
        if self.make_options is AtLeastOnce:  # after a restart it begins with the first one that was not accepted
            self.note("sent", self.noted("sent") + 1)

    def on_settled(self, event):
        self.on_sendable(event)


class Receiver(Client):
    """Counts how often each number has come."""

    def attach(self, container, connection, options):
        container.create_receiver(connection, "numbers", name="receiver", options=options)

    def on_message(self, event):
        name = str(event.message.body)
        self.note(name, self.noted(name) + 1)


def accident(world, broker, sender, receiver):
    """One of them is killed, and started again a moment later; or every connection is cut."""
    victim = world.random.choice([broker, sender, receiver, None])
    if victim is None:
        world.cut()
    elif victim.running:
        victim.crash()
        world.after(0.2, victim.restart)


def run(make_options, count, accidents, seed):
    """How often each number has come."""
    with World(seed, latency=0.001, bandwidth=1e9, pieces=0) as world:
        broker = world.start(Broker, URL, name="broker", store=MemoryStore())
        sender = world.start(
            Sender, make_options, count, name="sender", store=UnsettledMemory(), options={"container_id": "sender"}
        )
        receiver = world.start(
            Receiver, make_options, name="receiver", store=UnsettledMemory(), options={"container_id": "receiver"}
        )
        for _ in range(accidents):
            for _ in range(world.random.randrange(20, 60)):
                world.step_frame()
            accident(world, broker, sender, receiver)
        world.run_for(10.0)
        return [receiver.handler.noted(str(number)) for number in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100, help="how many are sent (100)")
    parser.add_argument("--accidents", type=int, default=20, help="how often something breaks (20)")
    parser.add_argument("--seed", type=int, default=1, help="of all chances (1)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the broker's own view of the accidents
    print(f"{options.messages} messages, {options.accidents} accidents")
    print(f"{'':15}{'once':>6}{'lost':>6}{'twice or more':>15}")
    for name, make_options in (
        ("at most once", AtMostOnce),
        ("at least once", AtLeastOnce),
        ("exactly once", ExactlyOnce),
    ):
        counts = run(make_options, options.messages, options.accidents, options.seed)
        more = sum(count > 1 for count in counts)
        print(f"{name:15}{counts.count(1):6}{counts.count(0):6}{more:15}")


if __name__ == "__main__":
    main()
