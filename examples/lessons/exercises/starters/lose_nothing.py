"""Exercise "lose nothing": every order in the queue is shipped, whatever happens to the worker.

The worker may be killed at any moment; it is started again a little later, as a new object. Its connection may be
cut. Shipping takes a while: shop.ship(event, order, then) returns at once, and calls then() when the order is shipped.
If the worker is killed before that, the order is not shipped.

Run it:  python -m examples.lessons check lose_nothing.py
"""

from handlers import MessagingHandler

EXERCISE = "lose-nothing"


class Worker(MessagingHandler):
    def __init__(self, shop):
        super().__init__()
        self.shop = shop

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders")

    def on_message(self, event):
        self.shop.ship(event, event.message.body)
