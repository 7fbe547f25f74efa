"""Teaches the least that sending takes: connect, wait until the sender has credit, send, close.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.send amqp://127.0.0.1 jobs hello

It closes at once after sending; what was sent before is written first. simple_send waits for the outcome.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, Message, ReactorException, Url


class SendHandler(MessagingHandler):
    """Sends one message and leaves."""

    def __init__(self, url, address, body):
        super().__init__()
        self.url = url
        self.address = address
        self.body = body

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(connection, self.address)

    def on_link_opened(self, event):
        print(f"SEND: Opened sender for target address '{event.sender.target.address}'", flush=True)

    def on_sendable(self, event):
        message = Message(self.body)
        event.sender.send(message)
        print(f"SEND: Sent message '{message.body}'", flush=True)
        event.sender.close()
        event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url", type=Url, help="where the broker is, such as amqp://127.0.0.1:5672")
    parser.add_argument("address", help="the queue or topic to send to")
    parser.add_argument("body", help="the text to send")
    options = parser.parse_args()
    try:
        Container(SendHandler(options.url, options.address, options.body), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # the broker gave no credit


if __name__ == "__main__":
    main()
