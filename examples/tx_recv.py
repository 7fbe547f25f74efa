"""Teaches receiving in transactions: messages that are taken together, or stay in the queue.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.tx_send                                   (to have some messages)
    python -m examples.tx_recv --messages 20 --batch 10

A message that is accepted in a transaction leaves its queue with the commit. If this program dies before, all messages
of the batch come again.
"""

import argparse

from handlers import TransactionalClientHandler
from reactor import Container, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class TxRecv(TransactionalClientHandler):
    """Takes messages in batches, each in a transaction of its own, and leaves when all are committed."""

    def __init__(self, url, total, batch):
        super().__init__(prefetch=0)
        self.url = url
        self.total = total
        self.batch = batch
        self.transaction = None
        self.taken = 0
        self.committed = 0

    def on_start(self, event):
        self.connection = event.container.connect(self.url, reconnect=False)
        self.receiver = event.container.create_receiver(self.connection, Url(self.url).path)
        event.container.declare_transaction(self.connection)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        # Credit for one batch: a message that came between two transactions would be in neither.
        self.receiver.flow(min(self.batch, self.total - self.committed))

    def on_message(self, event):
        print(event.message.body, flush=True)
        self.accept(event.delivery, self.transaction)
        self.taken += 1
        if self.taken in (self.committed + self.batch, self.total):
            self.transaction.commit()

    def on_transaction_committed(self, event):
        self.committed = self.taken
        print(f"{self.committed} of {self.total} messages are committed", flush=True)
        if self.committed < self.total:
            event.container.declare_transaction(self.connection)
        else:
            self.connection.close()

    def on_transaction_commit_failed(self, event):
        print(f"The messages come again: {event.transaction.condition}", flush=True)
        self.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("-b", "--batch", type=int, default=10, help="messages in a transaction (default: %(default)s)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    handler = TxRecv(url, options.messages, options.batch)
    try:
        Container(handler, raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        return 130  # there are fewer messages: the last batch is rolled back
    return 0 if handler.committed == handler.total else 1


if __name__ == "__main__":
    raise SystemExit(main())
