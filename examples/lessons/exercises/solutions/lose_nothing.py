"""Keeps the promise: an order is accepted when it is shipped, and not when it comes."""

from handlers import MessagingHandler

EXERCISE = "lose-nothing"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__(auto_accept=False)
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders")

    def on_message(self, event):
        delivery = event.delivery
        self.shop.ship(event, event.message.body, lambda: self.accept(delivery))
