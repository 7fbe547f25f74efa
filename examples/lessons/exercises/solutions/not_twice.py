"""Keeps the promise: what is in doubt is sent again, with the id that it had."""

from handlers import MessagingHandler
from reactor import Message

EXERCISE = "not-twice"


class Customer(MessagingHandler):
    def __init__(self, orders):
        super().__init__()
        self.orders = orders  # names, such as "order 1"

    def on_start(self, event):
        self.sender = event.container.create_sender("amqp://broker/orders", resend=True)
        event.container.schedule(0.02, self)

    def on_timer_task(self, event):
        order = self.orders.pop(0)
        self.sender.send(Message(order, id=order))
        if self.orders:
            event.container.schedule(0.02, self)
