"""Teaches the least that receiving takes: connect, make a receiver, and messages come to on_message.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.receive amqp://127.0.0.1 jobs 1

The library asks for ten messages in advance and accepts each one when on_message returns.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, ReactorException, Url


class ReceiveHandler(MessagingHandler):
    """Prints messages until it has seen as many as wanted; 0 is for ever."""

    def __init__(self, url, address, wanted):
        super().__init__()
        self.url = url
        self.address = address
        self.wanted = wanted
        self.received = 0

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, self.address)

    def on_link_opened(self, event):
        print(f"RECEIVE: Opened receiver for source address '{event.receiver.source.address}'", flush=True)

    def on_message(self, event):
        print(f"RECEIVE: Received message '{event.message.body}'", flush=True)
        self.received += 1
        if self.received == self.wanted:
            # Messages that came in advance and were not handed out go back to the queue.
            event.receiver.close()
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url", type=Url, help="where the broker is, such as amqp://127.0.0.1:5672")
    parser.add_argument("address", help="the queue or topic to receive from")
    parser.add_argument("count", nargs="?", type=int, default=0, help="stop after this many (default: never)")
    options = parser.parse_args()
    try:
        Container(ReceiveHandler(options.url, options.address, options.count), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
