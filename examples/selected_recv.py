"""Teaches selectors: let the broker choose which messages come, by their properties.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.selected_recv --selector "colour = 'green'"

A broker may not know selectors, and then it sends everything. It tells by what it leaves out: filters that it
applies come back in receiver.remote_source.filter. A careful program looks there before it takes a message.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container, ReactorException, Selector, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class SelectedRecv(MessagingHandler):
    """Prints the messages that the selector chooses, and leaves after so many; 0 is for ever."""

    def __init__(self, url, selector, wanted):
        super().__init__(prefetch=0)
        self.url = url
        self.selector = selector
        self.wanted = wanted
        self.received = 0

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, Url(self.url).path, options=Selector(self.selector))

    def on_link_opened(self, event):
        source = event.receiver.remote_source
        if source.address is None:
            return  # a link without a source is a refusal: on_link_error is next, and says why
        if "selector" not in source.filter:
            raise SystemExit(f"The broker at {self.url} does not apply selectors: no message was taken.")
        print(f"The broker applies the selector {self.selector}", flush=True)
        event.receiver.flow(10)

    def on_message(self, event):
        print(event.message.body, flush=True)
        event.receiver.flow(1)
        self.received += 1
        if self.received == self.wanted:
            event.receiver.close()
            event.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-s", "--selector", default="colour = 'green'", help="(default: %(default)s)")
    parser.add_argument("-m", "--messages", type=int, default=0, help="stop after this many (default: never)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        Container(SelectedRecv(url, options.selector, options.messages), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
