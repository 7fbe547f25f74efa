"""Exercise "at most five": the worker never has more than five orders in hand, and all are shipped.

An order is in hand from the moment that it comes until it is answered. Shipping takes a tenth of a second:
shop.ship(event, order, then) returns at once, and calls then() when the order is shipped. Several may be shipped at the
same time. Now and then the worker stands still, and its connection may be cut.

Run it:  python -m examples.lessons check at_most_five.py
"""

from handlers import MessagingHandler

EXERCISE = "at-most-five"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__(auto_accept=False)
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders")

    def on_message(self, event):
        delivery = event.delivery
        self.shop.ship(event, event.message.body, lambda: self.accept(delivery))
