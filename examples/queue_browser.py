"""Teaches browsing: look at what is in a queue, take nothing away, and know when the end is reached.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.queue_browser

The option Copy asks for copies. Draining finds the end: "send what you have, up to so many, then tell me that
there is no more". The broker's answer is a flow with no credit left.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, Copy, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class Browser(MessagingHandler):
    """Prints every message of the queue. It gives credit itself (prefetch=0) and acknowledges nothing."""

    BATCH = 100

    def __init__(self, url):
        super().__init__(prefetch=0, auto_accept=False)
        self.url = url
        self.seen = 0

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, Url(self.url).path, options=Copy())

    def on_link_opened(self, event):
        event.receiver.drain(self.BATCH)

    def on_message(self, event):
        self.seen += 1
        print(event.message.body)
        if event.receiver.credit == 0:
            event.receiver.drain(self.BATCH)  # a whole batch came: there may be more

    def on_link_flow(self, event):
        if not event.receiver.draining():
            print(f"Messages in the queue: {self.seen}")
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        Container(Browser(url), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
