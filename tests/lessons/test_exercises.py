"""The exercises: solutions keep their promise, classic mistakes break it, each with the sentence that explains it."""

from __future__ import annotations

import signal
import sys

import pytest

from examples.lessons import __main__ as command
from examples.lessons.exercises import catalogue, checking
from examples.lessons.exercises.checking import check, results
from examples.lessons.exercises.exercise import run, storm_of
from examples.lessons.exercises.inmate import Check
from examples.lessons.exercises.storm import Fault, draw, shrink
from examples.lessons.limits import TooLong, computing, explain
from examples.lessons.stage import Broken, load

each_exercise = pytest.mark.parametrize("name", catalogue.BY_NAME)

ACCEPTS = "        self.shop.ship(event, event.message.body, lambda: self.accept(delivery))\n"
BEFORE = "self.book.commit(event)\n        self.accept(delivery)"

#: Exercise, changes to its solution, and a part of the sentence about the first world that breaks.
MISTAKES = {
    "accepts when it comes": (
        "lose-nothing",
        [(ACCEPTS, "        self.accept(delivery)\n        self.shop.ship(event, event.message.body)\n")],
        "before it was shipped, and the worker was killed",
    ),
    "has the library accept": (
        "lose-nothing",
        [("auto_accept=False", "auto_accept=True")],
        "Accept an order when it is shipped",
    ),
    "takes orders at most once": (
        "lose-nothing",
        [
            ('"amqp://broker/orders")', '"amqp://broker/orders", options=AtMostOnce())'),
            ("import MessagingHandler\n", "import MessagingHandler\nfrom reactor import AtMostOnce\n"),
        ],
        "it was sent settled (at most once)",
    ),
    "does not come back": (
        "lose-nothing",
        [
            (
                'event.container.create_receiver("amqp://broker/orders")',
                'event.container.create_receiver(event.container.connect("amqp://broker", reconnect=False), "orders")',
            )
        ],
        "it still lies in the queue",
    ),
    "rejects in place of accepting": (
        "lose-nothing",
        [(ACCEPTS, "        self.reject(delivery)\n")],
        "Reject only what can never be done",
    ),
    "has no id": ("not-twice", [(", id=order", "")], "It has no id"),
    "has another id each time": (
        "not-twice",
        [
            ("from handlers", "from uuid import uuid4\n\nfrom handlers"),
            (", resend=True", ""),
            ("        self.sender.send(Message(order, id=order))\n", "        self.send(order)\n"),
            (
                "    def on_start",
                "    sent = {}\n\n    def send(self, order):\n"
                "        self.sent[self.sender.send(Message(order, id=str(uuid4())))] = order\n\n"
                "    def on_in_doubt(self, event):\n        self.send(self.sent[event.delivery])\n\n    def on_start",
            ),
        ],
        "The copies have different ids",
    ),
    "does not send again": ("not-twice", [(", resend=True", "")], "it was in doubt (on_in_doubt)"),
    "has one id for all": (
        "not-twice",
        [("id=order", 'id="order"')],
        "another order with its id had been shipped before",
    ),
    "has an unbounded prefetch": (
        "at-most-five",
        [(", max_unsettled=5", ""), ("auto_accept=False", "prefetch=1000, auto_accept=False")],
        "Prefetch bounds the orders that are on their way",
    ),
    "bounds prefetch alone": (
        "at-most-five",
        [(", max_unsettled=5", ""), ("auto_accept=False", "prefetch=5, auto_accept=False")],
        "max_unsettled=5) bounds both",
    ),
    "forgets the number": ("answer-all", [(", correlation_id=question.id", "")], "came without a number"),
    "accepts a question when it comes": (
        "answer-all",
        [("auto_accept=False", "auto_accept=True")],
        "Accept a question when the broker has accepted its answer",
    ),
    "numbers wrongly": (
        "answer-all",
        [("correlation_id=question.id", "correlation_id=1")],
        "belongs to another question",
    ),
    "stays away": ("broker-restart", [('"amqp://broker")', '"amqp://broker", reconnect=False)')], "did not come back"),
    "is not durable": ("broker-restart", [(", durable=True", "")], "Send them with durable=True"),
    "forgets what is in doubt": ("broker-restart", [(", resend=True", "")], "resend=True sends such messages again"),
    "lets the exception out": (
        "poison",
        [("raise Reject(str(error)) from error", "raise")],
        "An exception that leaves a method ends the program",
    ),
    "gives it back": (
        "poison",
        [("raise Reject(str(error)) from error", "self.release(delivery)")],
        "Reject what can never be done",
    ),
    "accepts it": (
        "poison",
        [("raise Reject(str(error)) from error", "self.accept(delivery)")],
        "it is gone, and nobody will ever see it",
    ),
    "forgets it": ("poison", [("raise Reject(str(error)) from error", "pass")], "was not rejected"),
    "stops at once": ("sigterm", [("container.stop(drain=5)", "container.stop()")], "the worker ended at once"),
    "does not stop": (
        "sigterm",
        [("container.stop(drain=5)", "pass")],
        "ten seconds later the worker was still running",
    ),
    "remembers nothing": (
        "idempotent",
        [("if not self.book.seen(event.message.id):", "if True:"), ("self.book.remember(event.message.id)", "pass")],
        "Ask book.seen(id), and book.remember(id) it",
    ),
    "remembers in memory": (
        "idempotent",
        [
            ("if not self.book.seen(event.message.id):", "if event.message.id not in self.known:"),
            ("self.book.remember(event.message.id)", "self.known.add(event.message.id)"),
            ("        self.book = book\n", "        self.book, self.known = book, set()\n"),
        ],
        "a set in memory is gone when the program is killed",
    ),
    "commits twice": (
        "idempotent",
        [
            (
                "            self.book.remember(event.message.id)\n",
                "            self.book.commit(event)\n            event.container.schedule(0.05, Later(self, event))\n"
                "            return\n",
            ),
            (
                "class Bookkeeper",
                "class Later:\n    def __init__(self, keeper, event):\n"
                "        self.keeper, self.message, self.delivery = keeper, event.message, event.delivery\n\n"
                "    def on_timer_task(self, event):\n"
                "        self.keeper.book.remember(self.message.id)\n"
                "        self.keeper.book.commit(event, lambda: self.keeper.accept(self.delivery))\n\n\n"
                "class Bookkeeper",
            ),
        ],
        "between the two",
    ),
    "accepts before the commit": (
        "idempotent",
        [("self.book.commit(event, lambda: self.accept(delivery))", BEFORE)],
        "Accept a payment when the commit is done",
    ),
}


def changed(name, changes):
    source = catalogue.solution(name)
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return source


def first_breach(source, seeds):
    """The seed and the sentence of the first world that breaks; None, None without one."""
    kind, names = catalogue.read(source, "mine.py")
    for seed in seeds:
        breach = run(kind, names, seed, storm_of(kind, seed)).breach
        if breach is not None:
            return seed, breach
    return None, None


@each_exercise
def test_the_solution_keeps_its_promise(name):
    assert first_breach(catalogue.solution(name), range(3)) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 40))
@each_exercise
def test_the_solution_keeps_its_promise_in_all_worlds(name, first):
    assert first_breach(catalogue.solution(name), range(first, first + 40)) == (None, None)


@each_exercise
def test_the_file_to_begin_with_breaks_it(name):
    source = catalogue.starter(name)
    assert f"check {name.replace('-', '_')}.py" in source
    assert first_breach(source, range(20))[1]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_classic_mistake_is_explained(mistake):
    name, changes, sentence = MISTAKES[mistake]
    assert sentence in first_breach(changed(name, changes), range(40))[1]


def test_a_storm_is_shrunk_to_the_faults_that_matter():
    found = []
    tell = found.append
    source = changed("lose-nothing", [("auto_accept=False", "auto_accept=True")])
    Check(source, "mine.py", tell, 60.0).all(range(1, 3))
    (shown,) = [one for one in found if "shown" in one]
    assert len(shown["faults"]) == 1 < shown["of"] and "the worker is killed" in shown["faults"][0]
    assert any("worker crashes" in line for line in shown["picture"])
    order = shown["breach"].partition(" was never")[0]
    assert any(order in line for line in shown["picture"]) and max(map(len, shown["picture"])) <= 80
    assert sum("job" in line or "order" in line for line in shown["picture"]) < 6, "of that order alone"


def test_of_what_breaks_in_fair_weather_no_fault_matters():
    found = []
    Check(catalogue.starter("at-most-five"), "mine.py", found.append, 60.0).show(3)
    assert found[0]["faults"] == [] and found[0]["of"] > 0


@pytest.mark.parametrize(
    ("needed", "all_of_them"), [({3}, range(6)), ({0, 5}, range(6)), ({1, 2, 4}, range(9)), (set(range(7)), range(7))]
)
def test_shrinking_finds_the_smallest(needed, all_of_them):
    assert set(shrink(list(all_of_them), lambda some: needed <= set(some))) == needed


def test_a_seed_draws_the_same_storm_each_time():
    kinds = [("kill", "worker", ""), ("lose", "worker", "flow")]
    assert draw(7, kinds, 1.0) == draw(7, kinds, 1.0) != draw(8, kinds, 1.0)
    assert str(Fault(0.5, "lose", "worker", 0.1, "flow")) == (
        "0.500 s: the next flow of the worker is lost, and its connection with it"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\n", "mine.py has no EXERCISE. It needs a line such as EXERCISE ="),
        ('EXERCISE = "poisson"\n', "mine.py is about 'poisson', which is no exercise"),
        ('EXERCISE = "poison"\n', "mine.py has no class Worker, which the exercise poison starts"),
        ("EXERCISE =\n", "mine.py, line 1: EXERCISE =\nSyntaxError"),
    ],
)
def test_a_file_that_is_none(source, said):
    with pytest.raises(Broken) as broken:
        catalogue.read(source, "mine.py")
    assert said in str(broken.value)


# -- the child process -------------------------------------------------------------------------------------


#: Ends a test that would never end; nothing is judged by it.
DEADLINE = 600.0


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a machine with much else to do a child is silent for long."""
    monkeypatch.setattr(checking, "PATIENCE", DEADLINE)


def checked(tmp_path, source, **options):
    file = tmp_path / "mine.py"
    file.write_text(source, encoding="utf-8")
    lines = []
    held = check(file, write=lines.append, **options)
    return held, "\n".join(lines)


@pytest.mark.slow
def test_a_report_of_a_kept_promise(tmp_path):
    held, report = checked(tmp_path, catalogue.solution("poison"), seeds="0-2", seconds=60)
    assert held and report.endswith("The promise held in all 3 worlds.")


def test_a_report_of_a_broken_one(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["copy", "lose-nothing"]) == 0
    assert command.main(["check", "lose_nothing.py", "--seed", "1-2"]) == 1
    out = capsys.readouterr().out
    assert "In 2 stormy worlds the promise held 1 times, and broke 1 times." in out
    assert "before it was\n  shipped, and the worker was killed" in out
    assert "faults of its storm one matters:\n\n  0.174 s: the worker is killed" in out
    assert "python -m examples.lessons check lose_nothing.py --seed 1" in out


needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers of the processor's time here")


@needs_timers
def test_a_loop_without_end_is_stopped_at_its_line():
    names = load("def loop():\n    while True:\n        pass\n", "mine.py")
    with pytest.raises(TooLong) as stopped, computing(0.2):
        names["loop"]()
    assert explain(stopped.value, "mine.py", 0.2).startswith("mine.py, line ")
    assert "in loop: " in explain(stopped.value, "mine.py", 0.2)


@needs_timers
@pytest.mark.slow
def test_a_loop_without_end_in_a_method_is_told_by_its_line(tmp_path):
    loop = "        while True:\n            pass\n"
    held, report = checked(tmp_path, changed("lose-nothing", [(ACCEPTS, loop)]), seeds="0", seconds=10.0)
    assert not held
    assert "in on_message" in report and "It computed for 10 s without an end. While a method runs" in report


@pytest.mark.slow
def test_one_that_sleeps_is_given_up(tmp_path):
    sleeps = changed("lose-nothing", [(ACCEPTS, "        __import__('time').sleep(1000)\n")])
    held, report = checked(tmp_path, sleeps, seeds="0", patience=1.0)
    assert not held and "Is there a time.sleep(), or an input(), in a method?" in report


@pytest.mark.slow
def test_one_that_ends_its_process(tmp_path):
    ends = changed("lose-nothing", [(ACCEPTS, "        __import__('os')._exit(7)\n")])
    held, report = checked(tmp_path, ends, seeds="0")
    assert not held and "ended with status 7" in report


@pytest.mark.slow
def test_one_that_takes_all_memory_is_told_so(tmp_path):
    takes = changed("lose-nothing", [(ACCEPTS, "        self.all = bytearray(1 << 45)\n")])
    held, report = checked(tmp_path, takes, seeds="0")
    assert not held and "MemoryError" in report and "in on_message" in report


@pytest.mark.slow
def test_what_the_file_prints_is_no_part_of_the_report(tmp_path):
    source = catalogue.solution("poison") + "\nprint('loading')\n"
    held, report = checked(tmp_path, source, seeds="0")
    assert held and "loading" not in report


def test_a_child_that_writes_nothing_is_no_success():
    assert list(results([sys.executable, "-c", "raise SystemExit('no way')"])) == [{"died": 1, "error": "no way"}]


def test_a_setting_is_put_in_where_the_name_stands():
    assert load("N = 1\n\n\ndef f(n=N):\n    return n\n", "mine.py", {"N": 5})["f"]() == 5
