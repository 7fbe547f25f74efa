"""Teaches moving messages from one queue to another, each once, whatever dies in the meantime.

    python -m handlers.broker --store jobs.store                 (in another terminal)
    python -m examples.tx_send                                   (to have some messages)
    python -m examples.tx_move --from examples --to moved

A message is taken from the one queue and sent to the other in one transaction: both happen with the commit, or neither
does. Kill the program at any moment and run it again: no message is lost, and none is there twice. Where the connection
is lost between the commit and its answer, the broker has moved the whole batch or nothing of it, and this program need
not know which: what was not moved comes again.
"""

import argparse

from handlers import TransactionalClientHandler
from reactor import Container, ReactorException, environment_url

DEFAULT = "amqp://127.0.0.1:5672"


class TxMove(TransactionalClientHandler):
    """Moves all messages that there are, in batches, and leaves when the broker says that there are no more."""

    def __init__(self, url, source, target, batch, reconnect=False):
        super().__init__(prefetch=0)
        self.url = url
        self.source = source
        self.target = target
        self.batch = batch
        self.reconnect = reconnect
        self.transaction = None  # the one that messages are moved in
        self.taken = 0
        self.moved = 0
        self.done = False

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect(self.url, reconnect=self.reconnect)
        self.sender = event.container.create_sender(self.connection, self.target)
        self.receiver = event.container.create_receiver(self.connection, self.source)
        self.container.declare_transaction(self.connection)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        self.taken = 0
        self.receiver.drain(max(0, self.batch - self.receiver.credit))

    def on_message(self, event):
        if self.transaction is None:  # the one that it was meant for is gone
            self.release(event.delivery, delivered=False)
            return
        self.transaction.accept(event.delivery)
        self.transaction.send(self.sender, event.message)
        self.taken += 1
        if self.taken == self.batch:
            self.commit()

    def on_link_flow(self, event):
        """The broker has sent what it had, if that was asked for."""
        if event.receiver is None or self.transaction is None or self.receiver.draining():
            return
        if self.taken > 0:
            self.commit()
        else:
            self.finish()

    def commit(self):
        transaction, self.transaction = self.transaction, None
        transaction.commit()  # it waits until its messages have left

    def on_transaction_committed(self, event):
        self.moved += self.taken
        print(f"{self.moved} messages are moved", flush=True)
        self.container.declare_transaction(self.connection)

    def on_transaction_aborted(self, event):
        """The connection was lost, and the broker has the batch again; or this program leaves."""
        self.transaction = None
        if self.reconnect and not self.done:
            self.container.declare_transaction(self.connection)

    def on_transaction_commit_failed(self, event):
        print(f"A batch was not moved, or that is not known: {event.transaction.condition}", flush=True)
        if event.transaction.in_doubt and self.reconnect:
            self.container.declare_transaction(self.connection)
        else:
            self.connection.close()

    def finish(self):
        print("There are no more", flush=True)
        self.done = True
        self.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-f", "--from", dest="source", default="examples", help="queue (default: %(default)s)")
    parser.add_argument("-t", "--to", dest="target", default="moved", help="queue (default: %(default)s)")
    parser.add_argument("-b", "--batch", type=int, default=10, help="messages in a transaction (default: %(default)s)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    handler = TxMove(url, options.source, options.target, options.batch)
    try:
        Container(handler, raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong; run it again, and it goes on
    except KeyboardInterrupt:
        return 130
    return 0 if handler.done else 1


if __name__ == "__main__":
    raise SystemExit(main())
