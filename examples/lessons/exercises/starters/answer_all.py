"""Exercise "answer all": every question gets its answer, with its number, whatever happens to the server.

The server may be killed at any moment, and its connection may be cut. Answering takes a while:
desk.look_up(event, question, then) returns at once, and calls then(answer) when the answer is found. The number of a
question is its id; an answer has it as its correlation_id.

Run it:  python -m examples.lessons check answer_all.py
"""

from handlers import MessagingHandler
from reactor import Message

EXERCISE = "answer-all"


class Server(MessagingHandler):
    def __init__(self, desk):
        super().__init__()
        self.desk = desk

    def on_start(self, event):
        connection = event.container.connect("amqp://broker")
        event.container.create_receiver(connection, "questions")
        self.answers = event.container.create_sender(connection, None)

    def on_message(self, event):
        question = event.message
        self.desk.look_up(event, question.body, lambda answer: self.answer(question, answer))

    def answer(self, question, answer):
        self.answers.send(Message(answer, address=question.reply_to, correlation_id=question.id))
