"""Exercise "poison": good orders are shipped; a bad one ends among the dead letters, after three attempts at most.

shop.ship(event, order, then) raises ValueError, at once, for an order that cannot be shipped, each time. The queue
keeps rejected orders among its dead letters.

Run it:  python -m examples.lessons check poison.py
"""

from handlers import MessagingHandler

EXERCISE = "poison"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__(auto_accept=False)
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders")

    def on_message(self, event):
        delivery = event.delivery
        self.shop.ship(event, event.message.body, lambda: self.accept(delivery))
