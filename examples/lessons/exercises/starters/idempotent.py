"""Exercise "idempotent": every payment is booked once, however often it comes, and whenever the bookkeeper is killed.

The book is a small database. book.add(payment) books, book.remember(id) remembers an id, book.seen(id) asks for it, and
book.commit(event, then) keeps all that was changed since the last commit, together or not at all; then() is called when
that is done. What was not committed is gone when the bookkeeper is killed. The id of a payment is message.id.

Run it:  python -m examples.lessons check idempotent.py
"""

from handlers import MessagingHandler

EXERCISE = "idempotent"


class Bookkeeper(MessagingHandler):
    def __init__(self, book):
        super().__init__(auto_accept=False)
        self.book = book

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/payments")

    def on_message(self, event):
        delivery = event.delivery
        self.book.add(event.message.body)
        self.book.commit(event, lambda: self.accept(delivery))
