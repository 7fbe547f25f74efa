"""Keeps the promise: the sensor comes back, its readings are durable, and those in doubt are sent again."""

from handlers import MessagingHandler
from reactor import Message

EXERCISE = "broker-restart"


class Sensor(MessagingHandler):
    def __init__(self, readings):
        super().__init__()
        self.readings = readings  # "reading 1" ...

    def on_start(self, event):
        connection = event.container.connect("amqp://broker")
        self.sender = event.container.create_sender(connection, "readings", resend=True)
        event.container.schedule(0.05, self)

    def on_timer_task(self, event):
        self.sender.send(Message(self.readings.pop(0), durable=True))
        if self.readings:
            event.container.schedule(0.05, self)
