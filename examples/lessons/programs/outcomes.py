"""Four goods come to a kitchen, and each has another end."""

from handlers import MessagingHandler
from handlers.broker import Broker, Policy
from reactor import Message

SECONDS = 1.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
GLUE = "reject"  # or "modify": what the kitchen does with it
GOODS = Policy(dead_letter="rubbish", max_deliveries=3)  # the settings of the queue


class Shop(MessagingHandler):
    def on_start(self, event):
        sender = event.container.create_sender("amqp://broker/goods")
        for name in ("tea", "glue", "rice", "milk"):
            sender.send(Message(name))


class Kitchen(MessagingHandler):
    def on_start(self, event):
        self.seen = set()
        event.container.create_receiver("amqp://broker/goods")

    def on_message(self, event):
        name, delivery = event.message.body, event.delivery
        again = name in self.seen
        self.seen.add(name)
        print(f"kitchen: got {name}; deliveries that failed before: {event.message.delivery_count}")
        if name == "glue" and GLUE == "reject":
            delivery.reject("not for eating")  # never again
        elif name == "glue":
            delivery.modify()  # I have tried, and failed
        elif name == "rice" and not again:
            delivery.release()  # I have not even looked at it
        elif name == "milk" and not again:
            delivery.modify()
        else:
            delivery.accept()  # done


def scene(world):
    world.start(Broker, "amqp://broker", name="broker", policies={"goods": GOODS})
    world.start(Shop, name="shop")
    world.after(0.2, lambda: world.start(Kitchen, name="kitchen"))
