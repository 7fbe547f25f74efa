"""Teaches transactions: messages that come together, or not at all.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.tx_send --messages 20 --batch 10

A transaction is there when on_transaction_declared is called. What is sent in it is in no queue before its commit, so
a receiver never sees half a batch, whatever fails. tx_recv is the other half.
"""

import argparse

from handlers import TransactionalClientHandler
from reactor import Container, Message, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class TxSend(TransactionalClientHandler):
    """Sends in batches, each in a transaction of its own, and leaves when all are committed."""

    def __init__(self, url, total, batch):
        super().__init__()
        self.url = url
        self.total = total
        self.batch = batch
        self.transaction = None
        self.sent = 0
        self.committed = 0

    def on_start(self, event):
        self.connection = event.container.connect(self.url, reconnect=False)
        self.sender = event.container.create_sender(self.connection, Url(self.url).path)
        event.container.declare_transaction(self.connection)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        self.send()

    def on_sendable(self, event):
        self.send()

    def send(self):
        due = min(self.committed + self.batch, self.total)
        while self.transaction is not None and self.sender.credit > 0 and self.sent < due:
            self.sent += 1
            self.transaction.send(self.sender, Message(id=self.sent, body={"sequence": self.sent}))
            if self.sent == due:
                self.transaction.commit()
                self.transaction = None

    def on_transaction_committed(self, event):
        self.committed = self.sent
        print(f"{self.committed} of {self.total} messages are committed", flush=True)
        if self.committed < self.total:
            event.container.declare_transaction(self.connection)
        else:
            self.connection.close()

    def on_transaction_commit_failed(self, event):
        # Nothing of it has happened; or, if the connection was lost at the wrong moment, that is not known.
        doubt = "in doubt" if event.transaction.in_doubt else "rolled back"
        print(f"{self.sent - self.committed} messages are {doubt}: {event.transaction.condition}", flush=True)
        self.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("-b", "--batch", type=int, default=10, help="messages in a transaction (default: %(default)s)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    handler = TxSend(url, options.messages, options.batch)
    try:
        Container(handler, raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        return 130
    return 0 if handler.committed == handler.total else 1


if __name__ == "__main__":
    raise SystemExit(main())
