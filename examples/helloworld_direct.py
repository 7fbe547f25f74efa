"""Teaches that AMQP needs no broker: any two peers can talk, and here both are in one program.

    python -m examples.helloworld_direct

The container listens, and connects to itself. The outcome comes from the receiver, not from a broker between.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, Message


class HelloWorldDirect(MessagingHandler):
    """Both ends of one link: `event.sender` and `event.receiver` tell which of them is called."""

    def on_start(self, event):
        # Port 0 is any port that is free; the acceptor knows which one it became.
        self.acceptor = event.container.listen("amqp://127.0.0.1:0")
        event.container.create_sender(f"{self.acceptor.url}/greetings")

    def on_sendable(self, event):
        event.sender.send(Message("Hello World!"))
        print("The sending end sent:          Hello World!")
        event.sender.close()

    def on_message(self, event):
        print(f"The receiving end received:    {event.message.body}")

    def on_accepted(self, event):
        print("The sending end was told:      accepted")
        event.connection.close()
        # With no listener and no connection left, run() returns.
        self.acceptor.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    Container(HelloWorldDirect(), raise_errors=True).run()


if __name__ == "__main__":
    main()
