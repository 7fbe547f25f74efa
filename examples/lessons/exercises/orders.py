"""Exercises of a worker that ships orders."""

from examples.lessons.exercises.exercise import Customers, Exercise, Shop, at, name_all
from handlers.broker import Broker, Policy

URL = "amqp://broker/orders"


class Orders(Exercise):
    """The scene of all these: customers, a broker, the worker, and a shop which it calls."""

    count = 20
    pace = 0.05
    seconds = 0.04
    bad = ()
    policy = Policy()

    def begin(self):
        world = self.world
        self.orders = [f"order {number}" for number in range(1, self.count + 1)]
        self.shop = Shop(world, self.seconds, self.bad)
        world.start(Broker, "amqp://broker", name="broker", policies={"orders": self.policy})
        world.start(Customers, URL, self.orders, self.pace, name="customers")
        world.start(self.make, self.shop, name=self.subject)

    def done(self):
        return all(order in self.shop.shipped for order in self.orders if order not in self.bad)

    def missing(self):
        """The sentence about the first order that was not shipped."""
        for order in self.orders:
            if order not in self.shop.shipped and order not in self.bad:
                self.about = order
                return self._why(order)
        return None

    def _why(self, order):
        diary = self.diary
        begin = f"{order} was never shipped: "
        if diary.times(order, "sent settled"):
            return begin + (
                "it was sent settled (at most once), so nobody has to answer for it, and nobody sends it again. Leave "
                "the settle mode alone, and answer each order."
            )
        if not diary.times(order, "came"):
            return begin + "it still lies in the queue. The worker takes no more; does it come back after a loss?"
        for outcome in ("accepted", "rejected", "settled"):
            for time in diary.times(order, outcome):
                return begin + self._given_away(order, outcome, time)
        return begin + "it came to the worker, and never got an answer."

    def _given_away(self, order, outcome, time):
        killed = next((kill for kill in self.diary.kills if kill >= time), None)
        what = f"it was {outcome} at {at(time)}"
        if outcome == "rejected":
            return f"{what}. Reject only what can never be done."
        if killed is None or not self.shop.begun.get(order):
            return f"{what}, though it was not shipped. Accept an order when then() is called, and not otherwise."
        return (
            f"{what}, before it was shipped, and the worker was killed at {at(killed)}. The broker had forgotten it by "
            "then. Accept an order when it is shipped: in the function that you hand to ship()."
        )


class LoseNothing(Orders):
    name = "lose-nothing"
    promise = "Every order in the queue is shipped, whatever happens to the worker."

    def breach(self):
        return self.missing()


class AtMostFive(Orders):
    name = "at-most-five"
    promise = "The worker never has more than five orders in hand, and all are shipped."
    kinds = [("stand still", "worker", ""), ("cut", "worker", ""), ("stand still", "broker", "")]
    count, pace, seconds = 40, 0.005, 0.1

    def breach(self):
        diary = self.diary
        if diary.most > 5:
            self.about = diary.most_of[-1]
            return (
                f"at {at(diary.most_at)} the worker had {diary.most} orders in hand, from {diary.most_of[0]} to "
                f"{diary.most_of[-1]}. Prefetch bounds the orders that are on their way, and each that reaches "
                "on_message makes room for another one. create_receiver(..., max_unsettled=5) bounds both: on "
                "their way, and not yet answered."
            )
        return self.missing()


class Poison(Orders):
    name = "poison"
    promise = "Good orders are shipped; a bad one ends among the dead letters, after three attempts at most."
    kinds = [("cut", "worker", ""), ("kill", "worker", ""), ("stand still", "worker", "")]
    bad = ("order 4", "order 11")
    policy = Policy(dead_letter="dead-letters")

    def after_an_exception(self):
        return (
            "An exception that leaves a method ends the program, and the order comes again, to end the next one. Catch "
            "it, and reject the order: raise Reject, or self.reject(delivery)."
        )

    def done(self):
        rejected = all(self.diary.times(order, "rejected") for order in self.bad)
        return (super().done() and rejected) or any(len(self.shop.begun.get(order, ())) > 30 for order in self.bad)

    def breach(self):
        for order in self.bad:
            self.about = order
            tried = len(self.shop.begun.get(order, ()))
            if tried > 3 + len(self.diary.kills):
                return (
                    f"{order} was tried {tried} times, and failed each time. Whoever gives such an order back gets it "
                    "again. Reject what can never be done: raise Reject, or self.reject(delivery)."
                )
            for time in self.diary.times(order, "accepted"):
                return (
                    f"{order} cannot be shipped, and was accepted at {at(time)}: it is gone, and nobody will ever see "
                    "it. Reject it, and the broker keeps it among the dead letters."
                )
        return self.missing() or self._left()

    def _left(self):
        for order in self.bad:
            if not self.diary.times(order, "rejected") and not self.diary.times(order, "modified"):
                self.about = order
                return f"{order} cannot be shipped, and was not rejected: it will come again for ever."
        self.about = None
        return None


class Sigterm(Orders):
    name = "sigterm"
    promise = "At SIGTERM the worker ends within ten seconds, and no order that it has begun is left half done."
    kinds = [("stand still", "broker", ""), ("stand still", "worker", "")]
    seconds, pace, span = 0.3, 0.03, 0.5

    def begin(self):
        super().begin()
        self.halves, self.late = [], None
        self.turn = 0
        self.world.after(self.world.random.uniform(0.3, 0.8), self._term)

    def _term(self):
        """SIGTERM; ten seconds later SIGKILL, as a service manager does; then the next worker."""
        program = self.world.programs[self.subject]
        self.turn += 1
        program.handler.terminate(program.container)
        program.container.wakeup()
        self._look(program, self.world.now)

    def _look(self, program, since):
        if program.running and self.world.now < since + 10.0:
            self.world.after(0.05, lambda: self._look(program, since))
            return
        if program.running:
            self.late = since
            program.crash()
        half = [order for order, times in self.shop.begun.items() if len(times) > len(self.shop.shipped.get(order, ()))]
        self.halves += [(order, since) for order in half if order not in dict(self.halves)]
        program.restart()
        if self.turn < 3:
            self.world.after(self.world.random.uniform(0.3, 0.8), self._term)

    def done(self):
        return self.turn == 3 and super().done()

    def breach(self):
        if self.late is not None:
            return (
                f"SIGTERM came at {at(self.late)}, and ten seconds later the worker was still running: it was killed. "
                "container.stop(drain=5) takes no new orders, waits for those in hand, and ends."
            )
        if self.halves:
            order, since = self.halves[0]
            self.about = order
            others = [name for name, time in self.halves if time == since]
            return (
                f"SIGTERM came at {at(since)}, and the worker ended at once: {name_all(others)} had been begun, and "
                "lay half done. container.stop() ends now; container.stop(drain=5) first waits until the orders in "
                "hand are answered."
            )
        return self.missing()
