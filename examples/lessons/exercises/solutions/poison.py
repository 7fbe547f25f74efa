"""Keeps the promise: an order that can never be shipped is rejected."""

from handlers import MessagingHandler, Reject

EXERCISE = "poison"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__(auto_accept=False)
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders")

    def on_message(self, event):
        delivery = event.delivery
        try:
            self.shop.ship(event, event.message.body, lambda: self.accept(delivery))
        except ValueError as error:
            raise Reject(str(error)) from error
