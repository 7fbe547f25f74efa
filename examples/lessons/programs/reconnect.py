"""An order leaves, and before the answer comes back the connection is cut."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Backoff, Message

SECONDS = 2.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
LOST = "transfer"  # or "disposition": which frame is lost with the connection
RESEND = False  # whether the shop sends an order in doubt again


class Shop(MessagingHandler):
    def on_start(self, event):
        connection = event.container.connect("amqp://broker", reconnect=Backoff(max_delay=0.2))
        sender = event.container.create_sender(connection, "orders", resend=RESEND)
        sender.send(Message("pizza"))

    def on_transport_error(self, event):
        print("shop: the connection is lost")

    def on_in_doubt(self, event):
        print("shop: nobody will ever answer for the pizza")

    def on_connection_reconnected(self, event):
        print("shop: connected again")

    def on_accepted(self, event):
        print("shop: the pizza is accepted")


class Kitchen(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/orders")

    def on_message(self, event):
        print("kitchen: makes a", event.message.body)


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Kitchen, name="kitchen")
    world.start(Shop, name="shop")
    if LOST == "transfer":
        world.when("transfer", sender="shop").cut(lost=True)
    else:
        world.when("disposition", sender="broker", receiver="shop").cut(lost=True)
