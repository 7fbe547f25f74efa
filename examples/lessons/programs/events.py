"""A caller and an office, without a broker between them. Each prints the events that it is called for."""

from handlers import MessagingHandler
from reactor import Message

SECONDS = 3.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another


class Caller(MessagingHandler):
    def on_start(self, event):
        print("caller: on_start")
        event.container.create_sender("amqp://office/desk")

    def on_connection_opened(self, event):
        print("caller: on_connection_opened")

    def on_link_opened(self, event):
        print("caller: on_link_opened")

    def on_sendable(self, event):
        print("caller: on_sendable")
        event.sender.send(Message("Good morning"))
        print("caller: send() has returned")
        event.sender.close()

    def on_accepted(self, event):
        print("caller: on_accepted")

    def on_link_closed(self, event):
        print("caller: on_link_closed")
        event.connection.close()


class Office(MessagingHandler):
    def on_start(self, event):
        event.container.listen("amqp://office")

    def on_message(self, event):
        print("office: on_message:", event.message.body)


def scene(world):
    world.start(Office, name="office")
    world.start(Caller, name="caller")
