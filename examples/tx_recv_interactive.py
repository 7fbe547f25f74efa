"""Teaches transactions by hand: fetch messages, and see what commit and abort do with them.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.tx_send                                   (to have some messages)
    python -m examples.tx_recv_interactive

Commands, one a line: fetch (or: fetch 5), commit, abort, quit. After an abort the messages are in the queue again.
A thread reads the commands, and hands each to the container as an event.
"""

import argparse
import sys
import threading

from handlers import TransactionalClientHandler
from reactor import ApplicationEvent, Container, EventInjector, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


class Interactive(TransactionalClientHandler):
    """Does what it is told to: fetches in a transaction, and ends that one way or the other."""

    def __init__(self, url):
        super().__init__(prefetch=0)
        self.url = url
        self.commands = None
        self.transaction = None

    def on_start(self, event):
        self.connection = event.container.connect(self.url, reconnect=False)
        self.receiver = event.container.create_receiver(self.connection, Url(self.url).path)
        event.container.declare_transaction(self.connection)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        print("A transaction is declared", flush=True)
        if self.commands is None:
            self.commands = event.container.selectable(EventInjector())
            threading.Thread(target=read, args=(self.commands,), daemon=True).start()

    def on_message(self, event):
        print(event.message.body, flush=True)
        self.accept(event.delivery, self.transaction)

    def on_command(self, event):
        word, number = event.subject
        if self.transaction is None:
            print("The transaction is not there yet", flush=True)
        elif word == "fetch":
            self.receiver.flow(number)
        else:
            transaction, self.transaction = self.transaction, None
            transaction.commit() if word == "commit" else transaction.abort()

    def on_quit(self, event):
        self.connection.close()  # what was not committed is rolled back with it

    def on_transport_closed(self, event):
        if self.commands is not None:
            self.commands.close()

    def on_transaction_committed(self, event):
        print("Committed: the messages are gone", flush=True)
        event.container.declare_transaction(self.connection)

    def on_transaction_aborted(self, event):
        if event.transaction.condition is None:  # it was asked for
            print("Aborted: the messages are in the queue again", flush=True)
            event.container.declare_transaction(self.connection)

    def on_transaction_commit_failed(self, event):
        print(f"Not committed: {event.transaction.condition}", flush=True)
        event.container.declare_transaction(self.connection)


def read(commands):
    """The thread: one event for each line of stdin."""
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "fetch" and (number.isdigit() or not number):
            commands.trigger(ApplicationEvent("command", subject=(word, int(number or 1))))
        elif line.strip() in ("commit", "abort"):
            commands.trigger(ApplicationEvent("command", subject=(word, 0)))
        elif line.strip() == "quit":
            break
        else:
            print("fetch (or: fetch 5), commit, abort, quit", flush=True)
    commands.trigger(ApplicationEvent("quit"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        Container(Interactive(url), raise_errors=True).run()
    except ReactorException:
        raise SystemExit(1) from None  # the log has said what is wrong
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
