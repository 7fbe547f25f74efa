"""Teaches the four outcomes of a message, as the receiver says them and as the sender hears them.

    python -m examples.acknowledge

accept    I have it, it is mine now.
reject    it is wrong, nobody should try again; with a condition that says why.
release   not me, not now: as if it had never been sent here.
modify    I tried and failed: count it, and, if wanted, do not send it to me again.

The two ends are in one program, with no broker between, so that every outcome comes back to the sender. With
a broker between, the sender hears that the broker accepted, and the receiver's outcome is for the broker.
"""

import argparse

from handlers import MessagingHandler
from reactor import Condition, Container, Delivery, Message, symbol


class Receiver(MessagingHandler):
    """Does to each message what its body says. auto_accept=False: nothing is said unless we say it."""

    def __init__(self):
        super().__init__(auto_accept=False)

    def on_start(self, event):
        self.acceptor = event.container.listen("amqp://127.0.0.1:0")
        sender = Sender(["accept", "reject", "release", "modify"])
        connection = event.container.connect(self.acceptor.url, handler=sender)
        event.container.create_sender(connection, "work")

    def on_message(self, event):
        work, delivery = event.message.body, event.delivery
        print(f"Receiver: got '{work}', so I {work} it")
        if work == "accept":
            self.accept(delivery)
        elif work == "reject":
            delivery.local.condition = Condition("example:bad-work", "this work makes no sense")
            self.reject(delivery)
        elif work == "release":
            self.release(delivery, delivered=False)
        elif work == "modify":
            delivery.local.failed = True
            delivery.local.undeliverable = True
            delivery.local.annotations = {symbol("x-opt-tried-by"): "examples.acknowledge"}
            self.settle(delivery, Delivery.MODIFIED)

    def on_connection_closing(self, event):
        self.acceptor.close()


class Sender(MessagingHandler):
    """Sends one message after the other and tells what became of each."""

    def __init__(self, work):
        super().__init__()
        self.work = work
        self.sent = []
        self.settled = 0

    def on_sendable(self, event):
        if len(self.sent) < len(self.work):
            self.sent.append(event.sender.send(Message(self.work[len(self.sent)])))

    def name(self, delivery):
        """send() returned the delivery that the outcome is about."""
        return self.work[self.sent.index(delivery)]

    def on_accepted(self, event):
        print(f"Sender:   '{self.name(event.delivery)}' is accepted")

    def on_rejected(self, event):
        print(f"Sender:   '{self.name(event.delivery)}' is rejected: {event.delivery.remote.condition}")

    def on_released(self, event):
        """Released and modified both end here: nobody took the message, it is ours again."""
        work, remote = self.name(event.delivery), event.delivery.remote
        if event.delivery.remote_state == Delivery.RELEASED:
            print(f"Sender:   '{work}' is released")
        else:
            print(f"Sender:   '{work}' is modified, annotated with {dict(remote.annotations or {})}")
            print(f"Sender:   and marked failed={remote.failed}, undeliverable={remote.undeliverable}")

    def on_settled(self, event):
        """Comes after the outcome: both sides have forgotten the delivery now."""
        self.settled += 1
        if self.settled == len(self.work):
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    Container(Receiver(), raise_errors=True).run()


if __name__ == "__main__":
    main()
