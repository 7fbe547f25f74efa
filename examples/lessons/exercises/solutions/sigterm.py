"""Keeps the promise: it takes nothing more, and ends when the orders in hand are answered."""

from handlers import MessagingHandler

EXERCISE = "sigterm"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__(auto_accept=False)
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders", max_unsettled=5)

    def on_message(self, event):
        delivery = event.delivery
        self.shop.ship(event, event.message.body, lambda: self.accept(delivery))

    def terminate(self, container):
        container.stop(drain=5)
