"""Keeps the promise: the bound is for all that is not answered, on its way or in hand."""

from handlers import MessagingHandler

EXERCISE = "at-most-five"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__(auto_accept=False)
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders", max_unsettled=5)

    def on_message(self, event):
        delivery = event.delivery
        self.shop.ship(event, event.message.body, lambda: self.accept(delivery))
