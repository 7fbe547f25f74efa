"""Teaches the answering side of request and response: one sender that reaches every reply address.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.server

A sender without a target leaves it to each message where to go: to the message's own address. The answer to a
request goes to the request's reply_to, with its correlation_id. client asks.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, Message, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/requests"


class Server(MessagingHandler):
    """Answers each request with its text in capitals; leaves after so many, 0 is never."""

    def __init__(self, url, wanted):
        super().__init__()
        self.url = url
        self.wanted = wanted
        self.served = 0

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        self.receiver = event.container.create_receiver(connection, Url(self.url).path)
        self.sender = event.container.create_sender(connection, None)

    def on_link_opened(self, event):
        if event.receiver == self.receiver:
            print("Waiting for requests", flush=True)

    def on_message(self, event):
        request = event.message
        print(f"Received {request.body}", flush=True)
        self.sender.send(
            Message(request.body.upper(), address=request.reply_to, correlation_id=request.correlation_id)
        )
        self.served += 1
        if self.served == self.wanted:
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=0, help="stop after this many (default: never)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        Container(Server(url, options.messages), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
