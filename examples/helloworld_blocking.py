"""Teaches calls that wait: no handler, one line after the other, as in a script.

    python -m examples.helloworld_blocking

It starts a broker inside this process, on a port that is free, and talks to it over a real AMQP connection.
There is nothing to install and nothing to start.
"""

import argparse

from handlers.broker import EmbeddedBroker
from reactor import Message
from reactor.utils import BlockingConnection


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    with EmbeddedBroker() as broker:
        connection = BlockingConnection(broker.url, timeout=30)
        receiver = connection.create_receiver("greetings")
        sender = connection.create_sender("greetings")

        delivery = sender.send(Message("Hello World!"))  # returns when the broker has it
        print(f"Sent:     {delivery.remote_state.name}")

        message = receiver.receive(timeout=30)
        print(f"Received: {message.body}")
        receiver.accept()  # the broker may forget it

        connection.close()


if __name__ == "__main__":
    main()
