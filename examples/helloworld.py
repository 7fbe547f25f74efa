"""Teaches the whole journey of one message: sent, received, accepted.

    python -m examples.helloworld

It starts a broker inside this process, on a port that is free, and talks to it over a real AMQP connection.
There is nothing to install and nothing to start.
"""

import argparse

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Container, Message


class HelloWorld(MessagingHandler):
    """Sends a greeting to a queue, receives it from there, and waits to hear that it was accepted."""

    def __init__(self, url):
        super().__init__()
        self.url = url
        self.missing = {"accepted", "received"}

    def on_start(self, event):
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, "greetings")
        event.container.create_sender(connection, "greetings")

    def on_sendable(self, event):
        message = Message("Hello World!")
        event.sender.send(message)
        print(f"Sent:     {message.body}")
        event.sender.close()

    def on_accepted(self, event):
        print("Accepted: the broker has the message")
        self.done("accepted", event)

    def on_message(self, event):
        print(f"Received: {event.message.body}")
        # When this method returns, the message is accepted: the broker may forget it.
        self.done("received", event)

    def done(self, what, event):
        self.missing.discard(what)
        if not self.missing:
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    with EmbeddedBroker() as broker:
        print(f"A broker listens on {broker.url}")
        Container(HelloWorld(broker.url), raise_errors=True).run()


if __name__ == "__main__":
    main()
