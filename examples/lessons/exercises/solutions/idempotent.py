"""Keeps the promise: a payment is booked, and its id remembered, in one commit, and accepted behind that."""

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
        if not self.book.seen(event.message.id):
            self.book.add(event.message.body)
            self.book.remember(event.message.id)
        self.book.commit(event, lambda: self.accept(delivery))
