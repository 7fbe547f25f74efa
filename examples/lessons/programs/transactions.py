"""A clerk gets an order, and writes an invoice for it. It is killed right behind that, and started again."""

from handlers import MessagingHandler, TransactionalClientHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 2.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
TRANSACTION = False  # whether both are done in one transaction


class Customer(MessagingHandler):
    def on_start(self, event):
        event.container.create_sender("amqp://broker/orders").send(Message("order 1"))


class Clerk(TransactionalClientHandler):
    def __init__(self):
        super().__init__(prefetch=0, auto_accept=False)

    def on_start(self, event):
        connection = event.container.connect("amqp://broker")
        self.invoices = event.container.create_sender(connection, "invoices")
        self.orders = event.container.create_receiver(connection, "orders")
        if TRANSACTION:
            event.container.declare_transaction(connection)
        else:
            self.orders.flow(1)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        self.orders.flow(1)

    def on_message(self, event):
        print("clerk: writes an invoice for", event.message.body)
        invoice = Message(f"invoice for {event.message.body}")
        if TRANSACTION:
            self.transaction.accept(event.delivery)
            self.transaction.send(self.invoices, invoice)
            self.transaction.commit()
        else:
            self.order = event.delivery
            self.invoices.send(invoice)

    def on_accepted(self, event):
        """The broker has the invoice: then the order is done."""
        if not TRANSACTION:
            self.accept(self.order)

    def on_transaction_committed(self, event):
        print("clerk: both are done")


class Bookkeeper(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/invoices")

    def on_message(self, event):
        print("bookkeeper: got an", event.message.body)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Bookkeeper, name="bookkeeper")
    world.start(Customer, name="customer")
    world.after(0.2, lambda: world.start(Clerk, name="clerk"))
    world.when("transfer", nth=2 if TRANSACTION else 1, sender="clerk").then(lambda: kill(world.programs["clerk"]))
    world.after(0.6, lambda: world.programs["clerk"].restart())


def kill(clerk):
    clerk.crash()
