"""Teaches at-least-once sending: a message counts as delivered when its outcome has come back, not before.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.simple_send --messages 100

Each message has an id, so that a receiver can tell one that was sent again. simple_recv is the other half.
"""

import argparse

from handlers import MessagingHandler
from reactor import AtLeastOnce, Container, Message, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class Send(MessagingHandler):
    """Sends while there is credit, counts the outcomes, and leaves when there is one for each message."""

    def __init__(self, url, total):
        super().__init__()
        self.url = url
        self.total = total
        self.sent = 0
        self.confirmed = 0
        self.failed = 0

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, Url(self.url).path, options=AtLeastOnce())

    def on_sendable(self, event):
        # Credit is how many messages the receiver is ready to take. More of it calls this method again.
        while event.sender.credit > 0 and self.sent < self.total:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent}))

    def on_accepted(self, event):
        self.confirmed += 1

    def on_rejected(self, event):
        self.failed += 1
        print(f"Message {event.delivery.tag} was rejected: {event.delivery.remote.condition}", flush=True)

    def on_released(self, event):
        self.failed += 1
        print(f"Message {event.delivery.tag} was not taken", flush=True)

    def on_settled(self, event):
        if self.confirmed + self.failed == self.total:
            print(f"{self.confirmed} of {self.total} messages were accepted")
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=100, help="(default: %(default)s)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    handler = Send(url, options.messages)
    try:
        Container(handler, raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        return 130  # the broker gave no credit, or no outcome
    return 1 if handler.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
