"""A client asks two questions. The first one takes the server longer."""

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message

SECONDS = 2.0  # how long the scene lasts, by the clock of its world
LATENCY = 0.01  # seconds from one machine to another
THINKING = 0.5  # seconds that a hard question takes


class Client(MessagingHandler):
    def on_start(self, event):
        self.asked = {1: "hard", 2: "easy"}
        connection = event.container.connect("amqp://broker")
        self.sender = event.container.create_sender(connection, "questions")
        event.container.create_receiver(connection, None, dynamic=True)  # an address of my own

    def on_link_opened(self, event):
        if event.receiver:
            mine = event.receiver.remote_source.address
            for number, question in self.asked.items():
                self.sender.send(Message(question, id=number, reply_to=mine))

    def on_message(self, event):
        question = self.asked[event.message.correlation_id]
        print("client: the", question, "question has the answer:", event.message.body)


class Server(MessagingHandler):
    def on_start(self, event):
        connection = event.container.connect("amqp://broker")
        event.container.create_receiver(connection, "questions")
        self.replies = event.container.create_sender(connection, None)  # to wherever a message says

    def on_message(self, event):
        seconds = THINKING if event.message.body == "hard" else 0.0
        event.container.schedule(seconds, Answer(self.replies, event.message))


class Answer:
    """One answer, when its time has come."""

    def __init__(self, replies, request):
        self.replies, self.request = replies, request

    def on_timer_task(self, event):
        request = self.request
        self.replies.send(Message(request.body.upper(), address=request.reply_to, correlation_id=request.id))


def scene(world):
    world.start(Broker, "amqp://broker", name="broker")
    world.start(Server, name="server")
    world.after(0.2, lambda: world.start(Client, name="client"))
