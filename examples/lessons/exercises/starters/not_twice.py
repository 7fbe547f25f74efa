"""Exercise "not twice": every order of the customer is shipped, and none is shipped twice.

The connection of the customer may be cut, with orders and answers on their way. So some orders have to be sent again.
The shop throws an order away if it has had one with the same id before.

Run it:  python -m examples.lessons check not_twice.py
"""

from handlers import MessagingHandler
from reactor import Message

EXERCISE = "not-twice"


class Customer(MessagingHandler):
    def __init__(self, orders):
        super().__init__()
        self.orders = orders  # names, such as "order 1"

    def on_start(self, event):
        self.sender = event.container.create_sender("amqp://broker/orders")
        event.container.schedule(0.02, self)

    def on_timer_task(self, event):
        order = self.orders.pop(0)
        self.sender.send(Message(order))
        if self.orders:
            event.container.schedule(0.02, self)
