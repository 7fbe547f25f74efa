"""Teaches request and response: a reply address of one's own, made by the broker on demand.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.server                                    (in a third one)
    python -m examples.client "is anybody there?"

A receiver with dynamic=True asks the broker for a queue that lives as long as the receiver does. Its name
comes back in receiver.remote_source.address, and travels with each request as the message's reply_to.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, Message, ReactorException, Url, environment_url

REQUESTS = ["is anybody there?", "say it louder", "thank you"]
DEFAULT = "amqp://127.0.0.1:5672/requests"


class Client(MessagingHandler):
    """Asks one question after the other, each when the answer to the one before has come."""

    def __init__(self, url, requests):
        super().__init__()
        self.url = url
        self.requests = list(requests)

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        self.receiver = event.container.create_receiver(connection, None, dynamic=True)

    def on_link_opened(self, event):
        if event.receiver == self.receiver:
            # Only now is the reply address known. What is sent before there is credit waits for it.
            self.sender = event.container.create_sender(event.connection, Url(self.url).path)
            self.ask()

    def ask(self):
        # How many questions are left tells the answers apart.
        reply_to = self.receiver.remote_source.address
        self.sender.send(Message(self.requests[0], reply_to=reply_to, correlation_id=len(self.requests)))

    def on_message(self, event):
        if event.message.correlation_id != len(self.requests):
            return  # an answer to something else
        print(f"{self.requests.pop(0)} => {event.message.body}", flush=True)
        if self.requests:
            self.ask()
        else:
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("requests", nargs="*", metavar="request", default=REQUESTS, help="what to ask")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        Container(Client(url, options.requests), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # nobody answered


if __name__ == "__main__":
    main()
