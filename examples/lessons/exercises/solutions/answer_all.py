"""Keeps the promise: a question is accepted when the broker has accepted its answer."""

from handlers import MessagingHandler
from reactor import Message

EXERCISE = "answer-all"


class Server(MessagingHandler):
    def __init__(self, desk):
        super().__init__(auto_accept=False)
        self.desk = desk
        self.waiting = {}  # by the delivery of an answer: the delivery of its question

    def on_start(self, event):
        connection = event.container.connect("amqp://broker")
        event.container.create_receiver(connection, "questions")
        self.answers = event.container.create_sender(connection, None)

    def on_message(self, event):
        question, delivery = event.message, event.delivery
        self.desk.look_up(event, question.body, lambda answer: self.answer(question, delivery, answer))

    def answer(self, question, delivery, answer):
        message = Message(answer, address=question.reply_to, correlation_id=question.id)
        self.waiting[self.answers.send(message)] = delivery

    def on_accepted(self, event):
        self.accept(self.waiting.pop(event.delivery))

    def on_in_doubt(self, event):
        """The question was not accepted: it comes again."""
        self.waiting.pop(event.delivery)
