"""Exercises of a customer, a sensor, a server and a bookkeeper."""

from examples.lessons.exercises.exercise import Exercise, Shop, at, name_all
from handlers import MessagingHandler
from handlers.broker import Broker
from handlers.broker.store.memory import MemoryStore
from reactor import Message


class KnowingShop(MessagingHandler):
    """Ships what comes, and throws an order away whose id it has had."""

    def __init__(self, address, shipped):
        super().__init__()
        self.address, self.shipped = address, shipped

    def on_start(self, event):
        self.known = set()
        event.container.create_receiver(self.address)

    def on_message(self, event):
        message = event.message
        if message.id is None or message.id not in self.known:
            self.known.add(message.id)
            self.shipped.setdefault(message.body, []).append((event.container.now, message.id))


class NotTwice(Exercise):
    name = "not-twice"
    promise = "Every order of the customer is shipped, and none is shipped twice."
    wants, subject = "Customer", "customer"
    lanes = ("customer", "broker")
    kinds = [("cut", "customer", ""), ("lose", "broker", "disposition"), ("lose", "customer", "transfer")]
    span = 0.6

    def begin(self):
        self.orders = [f"order {number}" for number in range(1, 21)]
        self.shipped = {}
        self.world.start(Broker, "amqp://broker", name="broker")
        self.world.start(KnowingShop, "amqp://broker/orders", self.shipped, name="shop")
        self.world.start(self.make, list(self.orders), name="customer")

    def done(self):
        return all(order in self.shipped for order in self.orders)

    def breach(self):
        diary = self.diary
        for order in self.orders:
            self.about = order
            times = self.shipped.get(order, ())
            if len(times) > 1:
                ids = {name for _, name in times}
                if ids == {None}:
                    why = "It has no id, so the shop could not see that it was the same one. Give each order an id."
                elif len(ids) > 1:
                    why = (
                        f"The copies have different ids, {name_all(map(repr, sorted(map(str, ids))))}: to the shop "
                        "they are different orders. Give an order its id once, and send it with that one again."
                    )
                else:
                    why = "The shop knew its id, and shipped it all the same."
                return f"{order} was shipped {len(times)} times: it was sent again when its answer was lost. {why}"
            if not times:
                if not diary.times(order, "left"):
                    return f"{order} was never sent. Does the customer come back when its connection is lost?"
                if diary.times(order, "got accepted"):
                    return f"{order} was accepted by the broker, and another order with its id had been shipped before."
                return (
                    f"{order} left at {at(diary.times(order, 'left')[-1])}, its connection was lost, and it was not "
                    "sent again: it was in doubt (on_in_doubt). resend=True sends such orders again."
                )
        self.about = None
        return None


class Collector(MessagingHandler):
    """Takes what there is in the queue, when all is over."""

    def __init__(self, address, found):
        super().__init__(prefetch=1000)
        self.address, self.found = address, found

    def on_start(self, event):
        event.container.create_receiver(self.address)

    def on_message(self, event):
        self.found[event.message.body] = self.found.get(event.message.body, 0) + 1


STAYS_AWAY = (
    "The sensor lost its connection, and did not come back. A connection is made again by itself, unless "
    "reconnect=False says no, or the program closes it."
)


class BrokerRestart(Exercise):
    name = "broker-restart"
    promise = "Every reading of the sensor is in the queue in the end, though the broker is killed and started again."
    wants, subject = "Sensor", "sensor"
    lanes = ("sensor", "broker")
    kinds = [("kill", "broker", ""), ("lose", "broker", "disposition"), ("cut", "sensor", "")]
    span = 1.2

    def begin(self):
        self.readings = [f"reading {number}" for number in range(1, 21)]
        self.found = {}
        self.collects = False
        self.world.start(Broker, "amqp://broker", name="broker", store=MemoryStore())
        self.world.start(self.make, list(self.readings), name="sensor")

    def done(self):
        """The queue is looked at when the sensor has had all its answers, or a good while later."""
        answered = all(self.diary.times(one, "got accepted") for one in self.readings)
        if not self.collects and self.world.programs["broker"].running and (answered or self.world.now > 20.0):
            self.collects = True
            self.world.start(Collector, "amqp://broker/readings", self.found, name="collector")
        return self.collects and (answered or len(self.found) == len(self.readings))

    def after_an_exception(self):
        return STAYS_AWAY if len(self.diary.entries) < len(self.readings) else super().after_an_exception()

    def breach(self):
        for reading in self.readings:
            if reading in self.found:
                continue
            self.about = reading
            accepted = self.diary.times(reading, "got accepted")
            left = self.diary.times(reading, "left")
            if accepted:
                return (
                    f"{reading} was accepted at {at(accepted[0])}, and is gone: the broker was killed later, and has "
                    "on disk only messages that are durable. Send them with durable=True."
                )
            if left:
                return (
                    f"{reading} left at {at(left[-1])}, the connection was lost before its answer came, and it was not "
                    "sent again. It was in doubt (on_in_doubt): resend=True sends such messages again."
                )
            return f"{reading} was never sent. {STAYS_AWAY}"
        self.about = None
        return None


class Desk(Shop):
    """Answers questions, and each takes a while."""

    def look_up(self, event, question, then):
        """Find the answer, and call then(answer). event: the one that your method got."""
        self.ship(event, question, lambda: then(question.upper()))


class Asking(MessagingHandler):
    """Asks, and remembers the answers."""

    def __init__(self, questions, answers):
        super().__init__()
        self.questions, self.answers = list(questions), answers

    def on_start(self, event):
        self.count = 0
        connection = event.container.connect("amqp://broker")
        self.sender = event.container.create_sender(connection, "questions", resend=True)
        event.container.create_receiver(connection, None, dynamic=True)

    def on_link_opened(self, event):
        if event.receiver:
            self.mine = event.receiver.remote_source.address
            event.container.schedule(0.05, self)

    def on_timer_task(self, event):
        question = self.questions[self.count]
        self.count += 1
        self.sender.send(Message(question, id=self.count, reply_to=self.mine))
        if self.count < len(self.questions):
            event.container.schedule(0.05, self)

    def on_message(self, event):
        self.answers.append((event.message.correlation_id, event.message.body))


class AnswerAll(Exercise):
    name = "answer-all"
    promise = "Every question gets its answer, with its number, whatever happens to the server."
    wants, subject = "Server", "server"
    lanes = ("broker", "server")
    kinds = [("kill", "server", ""), ("cut", "server", ""), ("lose", "server", "transfer")]
    kinds += [("lose", "server", "disposition")]

    def begin(self):
        self.questions = [f"question {number}" for number in range(1, 16)]
        self.answers = []
        self.desk = Desk(self.world)
        self.world.start(Broker, "amqp://broker", name="broker")
        self.world.start(Asking, self.questions, self.answers, name="client")
        self.world.start(self.make, self.desk, name="server")

    def done(self):
        return {number for number, _ in self.answers} >= set(range(1, len(self.questions) + 1))

    def breach(self):
        diary = self.diary
        for number, answer in self.answers:
            if number is None:
                self.about = answer
                return (
                    f"the answer {answer!r} came without a number: the client cannot know which question it is for. "
                    "Copy the id of the question to the correlation_id of the answer."
                )
            wrong = not (isinstance(number, int) and 0 < number <= len(self.questions))
            if wrong or self.questions[number - 1].upper() != answer:
                self.about = answer
                return f"the answer {answer!r} came with the number {number!r}, which belongs to another question."
        numbers = {number for number, _ in self.answers}
        for number, question in enumerate(self.questions, 1):
            if number in numbers:
                continue
            self.about = question
            begin = f"{question} was never answered: "
            accepted = diary.times(question, "accepted")
            left = diary.times(question.upper(), "left")
            if not diary.times(question, "came"):
                return begin + "it still lies in the queue. Does the server come back after a loss?"
            if accepted and not left:
                return (
                    begin + f"it was accepted at {at(accepted[0])}, before the answer was sent, and then the server "
                    "was killed. Accept a question when the broker has accepted its answer: in on_accepted."
                )
            if accepted:
                return (
                    begin + f"it was accepted at {at(accepted[-1])}, its answer left at {at(left[-1])} and was lost "
                    "with the connection. Accept a question when the broker has accepted its answer: in on_accepted."
                )
            return begin + "it came to the server, and no answer reached the broker."
        self.about = None
        return None


class Book:
    """A little database, outside of all programs: what is committed stays, the rest is gone with the program.

    All changes since the last commit are kept together, or not at all.
    """

    def __init__(self, world):
        self.world = world
        self.booked = {}  # committed: when each payment was booked
        self.remembered = set()  # committed ids
        self.asked, self.noted = set(), set()
        self.begin()

    def begin(self):
        """A program begins: no change of the one before is left."""
        self._added, self._ids, self._known = [], [], set(self.remembered)

    def seen(self, number):
        """Whether that id was remembered: in a commit of before, or by this program."""
        self.asked.add(number)
        return number in self._known

    def add(self, payment):
        """Book it."""
        self._added.append(payment)

    def remember(self, number):
        """Remember an id."""
        self.noted.add(number)
        self._known.add(number)
        self._ids.append(number)

    def commit(self, event, then=None):
        """Keep all changes, in one; when that is done, then() is called. event: the one that your method got."""
        event.container.schedule(0.02, _Commit(self, self._added, self._ids, then))
        self._added, self._ids = [], []


class _Commit:
    def __init__(self, book, added, ids, then):
        self.book, self.added, self.ids, self.then = book, added, ids, then

    def on_timer_task(self, event):
        for payment in self.added:
            self.book.booked.setdefault(payment, []).append(self.book.world.now)
        self.book.remembered.update(self.ids)
        if self.then is not None:
            self.then()


class Payers(MessagingHandler):
    """Send payments; every fourth one twice, as a payer who was in doubt."""

    def __init__(self, payments):
        super().__init__()
        self.payments = list(payments)

    def on_start(self, event):
        self.sender = event.container.create_sender("amqp://broker/payments", resend=True)
        event.container.schedule(0.05, self)

    def on_timer_task(self, event):
        payment = self.payments.pop(0)
        for _ in range(2 if payment.endswith(("4", "8")) else 1):
            self.sender.send(Message(payment, id=payment))
        if self.payments:
            event.container.schedule(0.05, self)


class Idempotent(Exercise):
    name = "idempotent"
    promise = "Every payment is booked once, however often it comes, and whenever the bookkeeper is killed."
    wants, subject = "Bookkeeper", "bookkeeper"
    lanes = ("broker", "bookkeeper")
    kinds = [("kill", "bookkeeper", ""), ("cut", "bookkeeper", ""), ("lose", "bookkeeper", "disposition")]

    def begin(self):
        self.payments = [f"payment {number}" for number in range(1, 21)]
        self.book = Book(self.world)
        self.world.start(Broker, "amqp://broker", name="broker")
        self.world.start(Payers, self.payments, name="payers")
        self.world.start(self._make, name="bookkeeper")

    def _make(self):
        self.book.begin()
        return self.make(self.book)

    def done(self):
        return all(payment in self.book.booked for payment in self.payments)

    def breach(self):
        book = self.book
        for payment in self.payments:
            self.about = payment
            times = book.booked.get(payment, ())
            if len(times) > 1:
                begin = (
                    f"{payment} was booked {len(times)} times, at {name_all(map(at, times))}: it came more than once. "
                )
                if payment not in book.noted:
                    return begin + (
                        "Nothing that outlives the program knew its id: a set in memory is gone when the program is "
                        "killed. Ask book.seen(id), and book.remember(id) it."
                    )
                if payment not in book.asked:
                    return begin + "It was remembered, and book.seen(id) was not asked."
                return begin + (
                    "It was booked in one commit, and remembered in another, and the bookkeeper was killed between the "
                    "two. Call add() and remember() before one commit()."
                )
            if not times:
                accepted = self.diary.times(payment, "accepted")
                if accepted:
                    return (
                        f"{payment} was never booked: it was accepted at {at(accepted[0])}, before it was committed, "
                        "and the bookkeeper was killed. Accept a payment when the commit is done: in then()."
                    )
                return f"{payment} was never booked: it came to no end. Was each payment answered?"
        self.about = None
        return None
