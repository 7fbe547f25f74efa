"""Teaches at-least-once receiving: the same message may come twice, so remember what was seen.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.simple_recv --messages 100

A sender that hears nothing sends again, and a broker hands out again what nobody accepted. The id tells.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class Recv(MessagingHandler):
    """Prints each new message once, and leaves when it has seen as many as expected; 0 is for ever."""

    def __init__(self, url, expected):
        super().__init__()
        self.url = url
        self.expected = expected
        self.seen = set()

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, Url(self.url).path)

    def on_message(self, event):
        message = event.message
        if message.id is not None and message.id in self.seen:
            return  # handled before; returning accepts it, and so it will not come a third time
        self.seen.add(message.id if message.id is not None else event.delivery)
        print(message.body, flush=True)
        if len(self.seen) == self.expected:
            event.receiver.close()
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=100, help="(default: %(default)s; 0: no end)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        Container(Recv(url, options.messages), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
