"""Exercise "broker restart": every reading is in the queue in the end, though the broker is killed and started again.

The broker has a store on disk. It keeps messages that are durable there, and forgets all others when it is killed. A
reading may be in the queue twice; it must not be missing.

Run it:  python -m examples.lessons check broker_restart.py
"""

from handlers import MessagingHandler
from reactor import Message

EXERCISE = "broker-restart"


class Sensor(MessagingHandler):
    def __init__(self, readings):
        super().__init__()
        self.readings = readings  # "reading 1" ...

    def on_start(self, event):
        connection = event.container.connect("amqp://broker", reconnect=False)
        self.sender = event.container.create_sender(connection, "readings")
        event.container.schedule(0.05, self)

    def on_timer_task(self, event):
        self.sender.send(Message(self.readings.pop(0)))
        if self.readings:
            event.container.schedule(0.05, self)
