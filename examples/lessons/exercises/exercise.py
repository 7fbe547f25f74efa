"""Exercise: a promise, the scene in which it has to be kept, and the sentence when it is broken."""

from examples.lessons.exercises.diary import Diary
from examples.lessons.exercises.storm import draw
from examples.lessons.stage import Broken, explained, quiet
from handlers import MessagingHandler
from reactor import Message
from reactor.simulation import NeverHappens, World

#: Seconds of the world's time after which it is given up.
PATIENCE = 40.0


class Exercise:
    """One exercise. Its subclasses have the promises: begin() starts the programs, done() is true when all has come
    about that was promised, as far as can be seen, and breach() is the sentence about a broken promise, or None.

    name: in files and commands. promise: in one sentence. wants: the class that a file has to have; it is the program
    `subject` of the scene. kinds: rows of its storm: kind, victim, frame. span: seconds in which the storm rages.
    about: the order that the breach is about, for the picture.
    """

    name = ""
    promise = ""
    wants = "Worker"
    subject = "worker"
    lanes = ("broker", "worker")
    kinds = [("kill", "worker", ""), ("cut", "worker", ""), ("lose", "worker", "disposition")]
    span = 1.5

    def __init__(self, world, make):
        self.world, self.make = world, make
        self.about = None
        self.diary = Diary(world, self.subject)
        world.watch(self.diary)

    def after_an_exception(self):
        """A sentence more, when an exception has ended the program."""
        return self.breach() or "An exception that leaves a method ends the program."


class Result:
    """Of one run. breach: None, or the sentence. recording: all that happened, if it was asked for."""

    def __init__(self, breach, about, lanes, recording):
        self.breach, self.about, self.lanes, self.recording = breach, about, lanes, recording


def run(kind, names, seed, faults, watch=False):
    """One world. kind: the exercise. names: those of the student's file. faults: its storm."""
    world = World(seed, latency=(0.002, 0.01), bandwidth=1e9, pieces=0, record=watch)
    world.__enter__()  # then failures are told by this function
    exercise = kind(world, names[kind.wants])
    breach = None
    with quiet():
        try:
            with explained(names["__file__"]):
                _play(exercise, world, faults)
            breach = exercise.breach()
        except NeverHappens:
            breach = exercise.breach() or "it never came to an end"
        except Broken as broken:
            breach = f"{broken}\n{exercise.after_an_exception()}"
    return Result(breach, exercise.about, exercise.lanes, world.recording if watch else None)


def _play(exercise, world, faults):
    exercise.begin()
    for fault in faults:
        fault.plan(world)
    calm = max([fault.at + fault.seconds for fault in faults], default=0.0)
    world.run_until(lambda: world.now > calm and exercise.done(), limit=PATIENCE)
    world.run_for(1.0)  # for what comes too late, or once more


def storm_of(kind, seed):
    """The faults of that seed."""
    return draw(seed, kind.kinds, kind.span)


class Shop:
    """Ships orders, and each takes a while. It is outside of all programs: what is shipped stays shipped.

    shipped: by order, when. begun: by order, when. bad: orders that cannot be shipped: ValueError.
    """

    def __init__(self, world, seconds=0.04, bad=()):
        self.world, self.seconds, self.bad = world, seconds, bad
        self.shipped, self.begun = {}, {}

    def ship(self, event, order, then=None):
        """Ship it, and call then() when it is done. event: the one that your method got."""
        if order in self.bad:
            self.begun.setdefault(order, []).append(self.world.now)
            raise ValueError(f"{order} has no address")
        self.begun.setdefault(order, []).append(self.world.now)
        event.container.schedule(self.seconds, _Work(self, order, then))


class _Work:
    def __init__(self, shop, order, then):
        self.shop, self.order, self.then = shop, order, then

    def on_timer_task(self, event):
        self.shop.shipped.setdefault(self.order, []).append(self.shop.world.now)
        if self.then is not None:
            self.then()


class Customers(MessagingHandler):
    """Put orders into the queue, one after the other, and keep at it."""

    def __init__(self, address, orders, pace):
        super().__init__()
        self.address, self.orders, self.pace = address, list(orders), pace
        self.sender = None

    def on_start(self, event):
        self.sender = event.container.create_sender(self.address, resend=True)
        event.container.schedule(self.pace, self)

    def on_timer_task(self, event):
        order = self.orders.pop(0)
        self.sender.send(Message(order, id=order, durable=True))
        if self.orders:
            event.container.schedule(self.pace, self)


def at(time):
    return f"{time:.3f} s"


def name_all(things):
    """a, b and c."""
    things = list(things)
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)
