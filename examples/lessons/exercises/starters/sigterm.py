"""Exercise "sigterm": at SIGTERM the worker ends within ten seconds, and no order that it has begun is left half done.

There are no signals in a simulated world: terminate(container) is called in their place. (A program of your own calls
container.run(signals=True), or does the same in a signal handler.) After ten seconds the worker is killed. Then the
next one is started. Shipping takes 0.3 seconds: shop.ship(event, order, then).

Run it:  python -m examples.lessons check sigterm.py
"""

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
        container.stop()
