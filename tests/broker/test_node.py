"""The broker's nodes alone: order, turns, credit, what comes back and where to, expiry, browsing, room."""

from __future__ import annotations

import random
import sys
from importlib.util import find_spec, module_from_spec

import pytest

from handlers.broker.nodes.consumer import Browser, Consumer
from handlers.broker.nodes.entry import ACKNOWLEDGED, EXPIRED, MOST_REFUSERS, REJECTED, WAITING
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.pool import Pool
from handlers.broker.nodes.topic import Topic

pytestmark = pytest.mark.usefixtures("folding")


class Reader(Consumer):
    """Keeps what it gets by the text of its body; `log` is what it got, in order."""

    def __init__(self, queue=None, credit=0):
        super().__init__()
        self.log = []
        self.queue = queue
        if queue is not None:
            queue.join(self)
            queue.grant(self, credit)

    def deliver(self, entry):
        self.log.append(entry.body.decode())
        self.held[entry.body.decode()] = entry

    def accept(self, text):
        self.queue.settle(self.held.pop(text))

    def reject(self, text):
        self.queue.settle(self.held.pop(text), REJECTED)

    def release(self, text, failed=False, again=True):
        self.queue.release(self.held.pop(text), failed, None if again else self)

    def counts(self):
        return {text: entry.delivery_count for text, entry in self.held.items()}


class Looker(Browser):
    def __init__(self, queue, credit=0):
        super().__init__()
        self.log = []
        self.queue = queue
        queue.join(self)
        queue.grant(self, credit)

    def deliver(self, entry):
        self.log.append(entry.body.decode())


class Presettled(Reader):
    def deliver(self, entry):
        self.log.append(entry.body.decode())
        self.queue.settle(entry)


class Filler:
    def __init__(self):
        self.resumed = 0

    def resume(self):
        self.resumed += 1


def fill(queue, *texts, expires=0.0):
    for text in texts:
        queue.put(None, text.encode(), expires)


def filled(*texts, capacity=0):
    queue = Queue("q", capacity)
    fill(queue, *texts)
    return queue


# -- order and turns


def test_messages_wait_until_a_consumer_has_credit():
    queue = filled("a", "b")
    reader = Reader(queue)
    assert reader.log == [] and queue.waiting == 2
    queue.grant(reader, 1)
    assert reader.log == ["a"] and queue.waiting == 1 and queue.acquired == 1
    queue.grant(reader, 5)
    assert reader.log == ["a", "b"]


def test_a_message_goes_at_once_to_a_consumer_that_waits():
    queue = Queue("q")
    reader = Reader(queue, 2)
    fill(queue, "a", "b", "c")
    assert reader.log == ["a", "b"] and queue.waiting == 1


def test_consumers_with_credit_take_turns():
    queue = Queue("q")
    one, two, three = Reader(queue, 3), Reader(queue, 3), Reader(queue, 3)
    fill(queue, *"abcdefg")
    assert (one.log, two.log, three.log) == (["a", "d", "g"], ["b", "e"], ["c", "f"])


def test_who_has_no_credit_is_passed_over_and_takes_part_again_afterwards():
    queue = Queue("q")
    one, two = Reader(queue, 1), Reader(queue, 4)
    fill(queue, *"abcd")
    assert (one.log, two.log) == (["a"], ["b", "c", "d"])
    queue.grant(one, 2)
    fill(queue, *"ef")
    assert (one.log, two.log) == (["a", "f"], ["b", "c", "d", "e"])


def test_a_backlog_is_shared_by_those_who_ask():
    queue = filled(*"abcdef")
    one, two = Reader(queue, 2), Reader(queue, 2)
    assert (one.log, two.log) == (["a", "b"], ["c", "d"])


def test_credit_is_absolute_and_can_be_taken_back():
    queue = Queue("q")
    reader = Reader(queue, 10)
    queue.grant(reader, 0)
    fill(queue, "a")
    assert reader.log == []
    queue.grant(reader, 1)
    assert reader.log == ["a"]


def test_a_settled_message_is_gone_for_good():
    queue = filled("a")
    reader = Reader(queue, 1)
    reader.accept("a")
    assert (queue.depth, queue.acquired, queue.bytes, queue.outcomes[ACKNOWLEDGED]) == (0, 0, 0, 1)
    queue.leave(reader)
    assert Reader(queue, 1).log == []


def test_a_presettled_delivery_never_comes_back():
    queue = filled("a", "b")
    reader = Presettled(queue, 2)
    queue.leave(reader)
    assert reader.log == ["a", "b"] and queue.depth == 0


def test_settling_twice_is_harmless():
    queue = filled("a", "b")
    reader = Reader(queue, 1)
    entry = reader.held["a"]
    queue.settle(entry)
    queue.settle(entry)
    queue.release(entry)
    assert queue.depth == 1 and sum(queue.outcomes) == 1


# -- what comes back


def test_what_a_leaving_consumer_held_comes_back_in_its_place_and_counts_as_failed():
    queue = filled(*"abcd")
    gone, stays = Reader(queue, 3), Reader(queue)
    gone.accept("b")
    queue.leave(gone)
    assert stays.log == [] and queue.waiting == 3
    queue.grant(stays, 9)
    assert stays.log == ["a", "c", "d"]
    assert stays.counts() == {"a": 1, "c": 1, "d": 0}
    assert [entry.redelivered for entry in stays.held.values()] == [True, True, False]
    assert queue.requeued == 2


def test_a_consumer_that_left_gets_nothing_and_may_leave_twice():
    queue = Queue("q")
    reader = Reader(queue, 5)
    queue.leave(reader)
    queue.leave(reader)
    fill(queue, "a")
    assert reader.log == [] and queue.waiting == 1


def test_released_comes_back_in_its_place_without_counting():
    queue = filled(*"abc")
    reader = Reader(queue, 2)
    reader.release("b")
    reader.release("a")
    queue.grant(reader, 3)
    assert reader.log == ["a", "b", "a", "b", "c"]
    assert reader.counts() == {"a": 0, "b": 0, "c": 0}
    assert reader.held["a"].redelivered and not reader.held["c"].redelivered


def test_failed_counts():
    queue = filled("a")
    reader = Reader(queue, 1)
    for attempt in range(1, 4):
        reader.release("a", failed=True)
        queue.grant(reader, 1)
        assert reader.counts() == {"a": attempt}


def test_released_goes_to_another_consumer_that_waits():
    queue = filled("a")
    one, two = Reader(queue, 1), Reader(queue, 1)
    one.release("a")
    assert two.log == ["a"]


def test_rejected_is_dropped_and_counted():
    queue = filled("a")
    reader = Reader(queue, 1)
    reader.reject("a")
    assert queue.depth == 0 and queue.outcomes[REJECTED] == 1


# -- not to this link again


def test_refused_goes_to_others_only():
    queue = filled("a", "b")
    one, two = Reader(queue, 1), Reader(queue)
    one.release("a", failed=True, again=False)
    queue.grant(one, 5)
    assert one.log == ["a", "b"]
    queue.grant(two, 5)
    assert two.log == ["a"] and two.counts() == {"a": 1}


def test_the_first_consumer_there_ever_is_may_have_what_nobody_has_refused():
    spec = find_spec("handlers.broker.nodes.entry")
    anew = module_from_spec(spec)
    spec.loader.exec_module(anew)
    assert anew.Entry(1, None, b"x", 0.0).may_go_to(next(anew.serials))


def test_refused_by_all_waits_for_a_newcomer_in_its_place():
    queue = filled(*"abc")
    one = Reader(queue, 1)
    one.release("a", again=False)
    queue.grant(one, 1)
    one.release("b", again=False)
    assert queue.waiting == 3
    newcomer = Reader(queue, 9)
    assert newcomer.log == ["a", "b", "c"]


def test_refused_is_remembered_through_later_returns():
    queue = filled("a")
    one, two = Reader(queue, 1), Reader(queue, 1)
    one.release("a", again=False)
    two.release("a", again=False)
    queue.grant(one, 1)
    queue.grant(two, 1)
    assert one.log == ["a"] and two.log == ["a"] and queue.waiting == 1
    queue.leave(two)
    assert one.log == ["a"]
    assert Reader(queue, 1).log == ["a"]


def test_refused_messages_keep_their_order_among_the_others():
    queue = filled(*"abcde")
    one, two = Reader(queue, 4), Reader(queue)
    one.release("b", again=False)
    one.release("d", again=False)
    one.release("c")
    one.release("a")
    queue.grant(two, 9)
    assert two.log == list("abcde")


def test_what_comes_back_goes_round_as_what_arrives_does():
    queue = filled(*"abcdefg")
    gone = Reader(queue, 7)
    readers = [Reader(queue, credit) for credit in (3, 1, 5)]
    queue.leave(gone)
    assert [reader.log for reader in readers] == [["a", "d", "f"], ["b"], ["c", "e", "g"]]
    assert [reader.credit for reader in readers] == [0, 0, 2] and [reader.hungry for reader in readers] == [0, 0, 1]


def test_what_the_next_in_turn_has_refused_goes_to_the_one_behind():
    queue = Queue("q")
    refuser, following, last = Reader(queue, 1), Reader(queue), Reader(queue)
    fill(queue, "a")
    refuser.release("a", again=False)
    holder = Reader(queue, 1)
    for reader in (refuser, following, last):
        queue.grant(reader, 1)
    holder.release("a")
    assert (refuser.log, following.log, last.log, holder.log) == (["a"], ["a"], [], ["a"])


def test_those_who_find_nothing_keep_their_turns():
    queue = Queue("q")
    readers = [Reader(queue, 9) for _ in range(3)]
    fill(queue, "no")
    for reader in readers:
        reader.release("no", again=False)
    fill(queue, *"abcd")
    readers[0].release("d")
    fill(queue, *"efg")
    assert [reader.log for reader in readers] == [["no", *"adf"], ["no", *"bdg"], ["no", *"ce"]]


@pytest.mark.parametrize("refusers", [1, MOST_REFUSERS - 1, MOST_REFUSERS])
def test_as_many_as_a_message_remembers_may_stand_before_the_one_that_gets_it(refusers):
    queue = filled("a")
    readers = [Reader(queue) for _ in range(refusers)]
    for reader in readers:
        queue.grant(reader, 2)
        reader.release("a", again=False)
    last = Reader(queue, 2)
    last.release("a")
    assert last.log == ["a", "a"] and all(reader.log == ["a"] for reader in readers)
    assert next(queue.backlog.entries()).bar == 0, "it knows them one by one"


def test_those_who_are_gone_are_not_counted_among_those_who_refused():
    queue = filled("a")
    for _ in range(MOST_REFUSERS):
        reader = Reader(queue, 1)
        reader.release("a", again=False)
        queue.leave(reader)
    stays = Reader(queue, 1)
    stays.release("a", again=False)
    entry = next(queue.backlog.entries())
    assert entry.refused == {stays.serial} and entry.bar == 0


@pytest.mark.parametrize("gone", [0, 1])
def test_as_many_as_are_remembered_are_those_that_are_there(gone):
    queue = filled("a")
    readers = [Reader(queue) for _ in range(MOST_REFUSERS + 1)]
    for number, reader in enumerate(readers):
        queue.grant(reader, 1)
        reader.release("a", again=False)
        if number < gone:
            queue.leave(reader)
    entry = next(queue.backlog.entries())
    assert entry.refused == ({reader.serial for reader in readers[1:]} if gone else None)
    assert (entry.bar > 0) is not bool(gone)
    for reader in readers[gone:]:
        queue.grant(reader, 1)
    assert all(reader.log == ["a"] for reader in readers) and Reader(queue, 1).log == ["a"]


def test_after_one_that_is_lucky_all_the_others_are_asked_again():
    queue = filled("a", "b")
    refusers = [Reader(queue) for _ in range(MOST_REFUSERS)]
    for reader in refusers:
        queue.grant(reader, 2)
        reader.release("a")
        reader.release("b", again=False)
    holder = Reader(queue, 2)
    assert holder.log == ["a", "b"]
    lucky = Reader(queue, 1)
    for reader in refusers:
        queue.grant(reader, 1)
    last = Reader(queue, 1)
    queue.leave(holder)
    assert (lucky.log, last.log) == (["a"], ["b"])


@pytest.mark.parametrize("gone", [["a"], ["b"], ["a", "b"], ["c"], ["a", "c"], ["a", "b", "c"]])
@pytest.mark.parametrize("held", [3, 2, 0])
def test_what_is_gone_while_it_waits_is_given_to_nobody(gone, held):
    queue = filled("a", "b", "c")
    reader = Reader(queue, held)
    for text in list(reader.held):
        reader.release(text)
    for entry in list(queue.backlog.entries()):
        if entry.body.decode() in gone:
            queue.settle(entry)
    assert Reader(queue, 5).log == [text for text in "abc" if text not in gone]
    assert queue.waiting == 0 and queue.index.stale == 0


def test_giving_back_twice_is_harmless():
    queue = filled("a", "b")
    reader = Reader(queue, 1)
    entry = reader.held["a"]
    queue.release(entry, True)
    queue.release(entry, True)
    assert (queue.acquired, queue.waiting, queue.requeued, entry.delivery_count) == (0, 2, 1, 1)
    queue.release(entry, True, reader)
    assert Reader(queue, 5).log == ["a", "b"], "what waits cannot be refused"


def test_a_consumer_that_comes_back_starts_anew():
    queue = filled("a")
    reader = Reader(queue, 3)
    queue.leave(reader)
    assert (reader.credit, reader.held, queue.waiting) == (0, {}, 1)
    queue.join(reader)
    assert reader.log == ["a"], "nothing before it is granted credit"
    fill(queue, "b")
    queue.grant(reader, 3)
    fill(queue, "c")
    assert reader.log == ["a", "a", "b", "c"] and reader.credit == 0


@pytest.mark.parametrize("take_back", [True, False])
def test_credit_that_was_taken_back_or_used_up_is_granted_anew(take_back):
    queue = Queue("q")
    reader, other = Reader(queue, 1), Reader(queue)
    if take_back:
        queue.grant(reader, 0)
        queue.grant(reader, 0)
    else:
        fill(queue, "0")
    fill(queue, "a")
    queue.grant(other, 1)
    queue.grant(reader, 2)
    fill(queue, "b", "c")
    assert other.log == ["a"] and reader.log[-2:] == ["b", "c"]


def test_one_consumer_that_refuses_does_not_hold_up_another():
    queue = filled("a")
    one, two = Reader(queue, 5), Reader(queue, 5)
    for holder in (one, two):
        if "a" in holder.held:
            holder.release("a", again=False)
    fill(queue, *"bcde")
    assert sorted(one.log + two.log) == list("aabcde")
    assert abs(len(one.log) - len(two.log)) <= 1


def test_refusals_do_not_pile_up_at_a_consumer_without_credit():
    queue = filled("a")
    idle, refuser = Reader(queue), Reader()
    for _ in range(1000):
        refuser = Reader(queue, 1)
        refuser.release("a", again=False)
        queue.leave(refuser)
    assert len(queue.index.picky._falls) < 200
    queue.grant(idle, 1)
    assert idle.log == ["a"]


def calls(function, *arguments):
    """How many Python calls it takes."""
    made = 0

    def count(_frame, event, _argument):
        nonlocal made
        made += event == "call"

    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return made


def test_refusals_cost_what_they_say_however_many_consumers_there_are():
    def refuse(number):
        queue = Queue("q")
        idle = [Reader(queue) for _ in range(number)]
        hungry = [Reader(queue) for _ in range(number)]
        refuser = Reader(queue)
        fill(queue, *map(str, range(number)))
        queue.grant(refuser, number)
        for text in reversed(list(refuser.held)):
            refuser.release(text, again=False)
        assert refuser.log == [str(index) for index in range(number)] and queue.waiting == number
        for reader in hungry:
            queue.grant(reader, 1)
            assert len(reader.log) == 1
        assert [reader.log[0] for reader in hungry] == refuser.log, "the oldest first"
        for reader in idle:
            queue.leave(reader)

    assert calls(refuse, 1000) < 14 * calls(refuse, 100)


def test_what_very_many_have_refused_waits_for_newcomers():
    queue = filled("a", "b")
    readers = [Reader(queue) for _ in range(200)]
    for reader in readers:
        queue.grant(reader, 2)
        if not reader.log:
            break
        for text in list(reader.held):
            reader.release(text, again=False)
    refusers = sum(bool(reader.log) for reader in readers)
    assert 30 < refusers < 40 and queue.waiting == 2
    assert not any(entry.refused for entry in queue.backlog.entries()), "they are not remembered one by one"
    for reader in readers:
        queue.grant(reader, 5)
    assert queue.waiting == 2
    newcomer = Reader(queue, 1)
    assert newcomer.log == ["a"]
    newcomer.release("a")
    queue.grant(newcomer, 1)
    assert newcomer.log == ["a", "a"]
    newcomer.release("a", again=False)
    queue.grant(newcomer, 2)
    assert newcomer.log == ["a", "a", "b"]
    assert Reader(queue, 5).log == ["a"] and len(queue.index.picky) == 0
    newcomer.release("b", again=False)
    queue.settle(next(entry for entry in queue.backlog.entries() if entry.body == b"b"))
    assert len(queue.index.picky) == 0 and Reader(queue, 5).log == []


@pytest.mark.parametrize("credit", [1, 2])
def test_a_newcomer_that_asks_again_gets_what_came_back_while_very_many_stood_before_it(credit):
    queue = filled("a", "b")
    for _ in range(2 * MOST_REFUSERS):
        reader = Reader(queue, 2)
        for text in list(reader.held):
            reader.release(text, again=False)
        queue.grant(reader, 2)
    holder, newcomer = Reader(queue, 2), Reader(queue, 1)
    assert holder.log == ["a", "b"]
    queue.leave(holder)
    queue.grant(newcomer, credit)
    assert newcomer.log == ["a", "b"][:credit] and newcomer.hungry == 0 and queue.waiting == 2 - credit
    newcomer.accept("a")
    queue.grant(newcomer, 5)
    assert newcomer.log == ["a", "b"]
    fill(queue, *"c" * (2 * MOST_REFUSERS + 1))
    assert newcomer.log == ["a", "b", "c"], "it has its turn once"


@pytest.mark.parametrize("first", [True, False])
def test_what_waits_for_newcomers_and_is_gone_meanwhile_is_given_to_nobody(first):
    queue = filled("a", "b")
    for _ in range(MOST_REFUSERS + 1):
        reader = Reader(queue, 2)
        for text in list(reader.held):
            reader.release(text, again=False)
    gone, stays = queue.backlog.entries() if first else reversed(list(queue.backlog.entries()))
    assert gone.bar and stays.bar
    queue.settle(gone)
    assert Reader(queue, 5).log == [stays.body.decode()] and queue.waiting == 0


def test_idle_browsers_cost_a_queue_nothing():
    def pass_by(browsers):
        queue = filled("0")
        lookers = [Looker(queue, number % 2) for number in range(browsers)]
        reader = Reader(queue, 1000)

        def exchange():
            for number in range(100):
                reader.accept(str(number))
                fill(queue, str(number + 1))

        made = calls(exchange)
        queue.grant(reader, 0)
        fill(queue, "last")
        for looker in lookers:
            queue.grant(looker, 5)
        assert [looker.log for looker in lookers] == [["last"], ["0", "last"]] * (browsers // 2)
        fill(queue, "more")
        assert all(looker.log[-1] == "more" for looker in lookers)
        return made

    assert pass_by(400) < 1.2 * pass_by(4)


# -- expiry


def test_expired_messages_are_dropped_and_counted():
    queue = Queue("q")
    fill(queue, "a", expires=5.0)
    fill(queue, "b")
    fill(queue, "c", expires=3.0)
    assert queue.deadline == 3.0
    assert queue.expire(4.0) == 1 and queue.deadline == 5.0
    assert queue.expire(5.0) == 1 and queue.deadline is None
    assert Reader(queue, 9).log == ["b"]
    assert queue.outcomes[EXPIRED] == 2


def test_what_somebody_holds_expires_only_when_it_comes_back():
    queue = Queue("q")
    reader = Reader(queue, 2)
    fill(queue, "a", "b", expires=1.0)
    assert queue.expire(2.0) == 0
    reader.accept("a")
    reader.release("b")
    assert queue.depth == 0 and queue.outcomes[:3] == [1, 0, 1]


def test_memory_is_given_back_although_nobody_ever_consumes():
    queue = Queue("q")
    for second in range(10000):
        fill(queue, "x", expires=second + 10.0)
        queue.expire(float(second))
    assert queue.depth <= 11
    assert len(queue.index.fresh) < 100 and len(queue.deadlines) < 100


def test_deadlines_of_what_was_consumed_in_time_are_forgotten():
    queue = Queue("q")
    reader = Presettled(queue, 100000)
    for _ in range(10000):
        fill(queue, "x", expires=1e9)
    assert len(reader.log) == 10000
    assert len(queue.deadlines) <= 1001


def sweeps(function):
    """How often `function` has a list put in order anew."""
    made = 0

    def count(frame, event, argument):
        nonlocal made
        name = frame.f_code.co_name if event == "call" else getattr(argument, "__name__", "")
        made += event in ("call", "c_call") and name == "heapify"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return made


def test_deadlines_of_what_waits_are_not_looked_through_time_and_again():
    queue = Queue("q")
    assert sweeps(lambda: fill(queue, *"x" * 5000, expires=1e9)) == 0
    reader = Presettled(queue, 4000)
    assert (queue.depth, len(reader.log)) == (1000, 4000)
    assert sweeps(lambda: fill(queue, "x", expires=1e9)) == 1
    assert sweeps(lambda: fill(queue, *"x" * 5000, expires=1e9)) == 0
    assert queue.expire(1e9) == queue.outcomes[EXPIRED] == 6001 and queue.depth == 0 and queue.deadline is None


@pytest.mark.parametrize(("consumed", "swept"), [(1900, 0), (1999, 0), (2000, 1), (2100, 1)])
def test_deadlines_are_looked_through_when_those_of_the_consumed_are_the_most(consumed, swept):
    """Behind 1,000 that wait: twice as many, and 1,000 more, are remembered."""
    queue = Queue("q")
    fill(queue, *"x" * (1000 + consumed), expires=1e9)
    Presettled(queue, consumed)
    assert sweeps(lambda: fill(queue, "x", expires=1e9)) == swept
    assert queue.depth == 1001 and len(queue.deadlines) == (1001 if swept else 1001 + consumed)


@pytest.mark.parametrize("folding", ["entries"], indirect=True)
def test_what_is_gone_is_swept_when_it_is_most_of_what_is_remembered():
    queue = Queue("q")
    fill(queue, *"x" * 100, expires=1.0)
    fill(queue, *"y" * 100, expires=2.0)
    assert sweeps(lambda: queue.expire(1.0)) == 0 and len(queue.index.fresh) == 200
    fill(queue, "z", expires=2.0)
    assert sweeps(lambda: queue.expire(2.0)) == 1 and not queue.index.fresh
    fill(queue, "a", "b")
    assert Reader(queue, 5).log == ["a", "b"]


# -- browsing


def test_a_browser_sees_what_is_there_and_takes_nothing():
    queue = filled("a", "b")
    looker = Looker(queue, 10)
    assert looker.log == ["a", "b"] and queue.waiting == 2
    assert Reader(queue, 10).log == ["a", "b"]


def test_a_browser_goes_on_with_what_arrives_within_its_credit():
    queue = filled("a")
    looker = Looker(queue, 2)
    fill(queue, "b", "c")
    assert looker.log == ["a", "b"]
    queue.grant(looker, 1)
    assert looker.log == ["a", "b", "c"]


def test_a_browser_steps_over_what_others_hold_and_what_is_gone():
    queue = filled(*"abcde")
    looker = Looker(queue, 1)
    reader = Reader(queue, 3)
    reader.accept("b")
    queue.grant(looker, 9)
    assert looker.log == ["a", "d", "e"]


def test_a_browser_whose_place_vanishes_goes_on_behind_it():
    queue = filled(*"abc")
    looker = Looker(queue, 1)
    reader = Reader(queue, 3)
    for text in "abc":
        reader.accept(text)
    fill(queue, "d")
    queue.grant(looker, 9)
    assert looker.log == ["a", "d"]


def test_a_browser_does_not_hold_up_a_message_that_is_consumed_at_once():
    queue = Queue("q")
    looker = Looker(queue, 9)
    Presettled(queue, 9)
    fill(queue, "a", "b")
    assert looker.log == [] and queue.depth == 0


def test_a_browser_may_leave():
    queue = filled("a")
    looker = Looker(queue)
    queue.leave(looker)
    fill(queue, "b")
    assert looker.log == [] and not queue.consumers


# -- room


def test_put_says_when_it_is_enough_and_producers_resume_at_half():
    queue = Queue("q", capacity=4000)
    body = "x" * 400  # 1000 bytes each with what an entry costs
    room = [queue.put(None, body.encode()) for _ in range(4)]
    assert room == [True, True, True, False] and queue.full
    filler = Filler()
    queue.block(filler)
    reader = Reader(queue, 4)
    assert filler.resumed == 0
    entries = list(queue.backlog.entries())
    queue.settle(entries[0])
    assert filler.resumed == 0
    queue.settle(entries[1])
    assert filler.resumed == 1
    queue.settle(entries[2])
    assert filler.resumed == 1 and reader.log


@pytest.mark.parametrize("more", [0, 1, 400])
@pytest.mark.parametrize("share", ["settle", "close"])
def test_producers_that_wait_for_the_pool_resume_at_half_of_it(share, more):
    pool = Pool(4000)
    one, two = Queue("one", pool=pool), Queue("two", pool=pool)
    body = "x" * 400  # 1000 bytes each with what an entry costs
    fill(one, body, body + "x" * more)
    fill(two, "x" * (400 - more))
    assert not two.full and not two.put(None, body.encode()) and one.full and two.full
    filler = Filler()
    two.block(filler)
    entries = list(one.backlog.entries())
    one.settle(entries[0])
    assert filler.resumed == 0 and not two.full
    if share == "settle":
        one.settle(entries[1])
    else:
        one.close()
    assert filler.resumed == 1 and pool.bytes == 2000 - more
    two.settle(next(two.backlog.entries()))
    assert filler.resumed == 1, "once for each block()"


def test_closing_a_small_queue_does_not_make_room_in_a_pool_that_is_full_of_others():
    pool = Pool(4000)
    one, two = Queue("one", pool=pool), Queue("two", pool=pool)
    body = "x" * 400
    fill(one, body)
    fill(two, body, body, body)
    filler = Filler()
    two.block(filler)
    one.close()
    assert filler.resumed == 0 and pool.bytes == 3000
    two.settle(next(two.backlog.entries()))
    assert filler.resumed == 1


def test_a_producer_that_is_gone_is_not_called_and_what_it_waits_for_is_the_tighter_bound():
    queue = Queue("q", capacity=1200, pool=Pool(1800))
    stays, gone = Filler(), Filler()
    fill(queue, "", "")
    for filler in (stays, gone):
        queue.block(filler)
    queue.forget(gone)
    queue.settle(next(queue.backlog.entries()))
    assert (stays.resumed, gone.resumed) == (1, 0)
    assert queue.full is False and queue.pool.full is False


def test_another_body_changes_what_is_counted():
    queue = Queue("q", capacity=2000)
    assert queue.put(None, b"x" * 400)
    entry = next(queue.backlog.entries())
    queue.rewrite(entry, b"y" * 1400)
    assert (queue.bytes, queue.pool.bytes, entry.size, entry.body) == (2000, 2000, 2000, b"y" * 1400) and queue.full
    queue.rewrite(entry, b"z")
    assert (queue.bytes, queue.pool.bytes, queue.full) == (601, 601, False)
    queue.settle(entry)
    queue.rewrite(entry, b"gone")
    assert (queue.bytes, queue.pool.bytes) == (0, 0)


def test_closing_lets_producers_go():
    queue = Queue("q", capacity=1)
    filler = Filler()
    assert not queue.put(None, b"") and queue.full and queue.bytes > 1
    queue.block(filler)
    queue.close()
    assert filler.resumed == 1


def test_a_queue_without_bound_always_has_room():
    queue = Queue("q")
    assert queue.put(None, b"x" * 10_000_000) and not queue.full


# -- topics


def test_each_subscription_gets_its_copy():
    topic = Topic("t")
    fill(topic, "before")
    one, two = topic.subscribe("one"), topic.subscribe("two")
    readers = Reader(one, 9), Reader(two, 9)
    fill(topic, "a", "b")
    assert [reader.log for reader in readers] == [["a", "b"], ["a", "b"]]
    assert (topic.enqueued, topic.dropped) == (3, 1)


def test_copies_share_the_body():
    topic = Topic("t")
    one, two = topic.subscribe("one"), topic.subscribe("two")
    fill(topic, "a")
    assert next(one.backlog.entries()).body is next(two.backlog.entries()).body


def test_a_subscription_that_ended_gets_nothing_more():
    topic = Topic("t")
    subscription = topic.subscribe("one")
    reader = Reader(subscription, 9)
    topic.unsubscribe(subscription)
    fill(topic, "a")
    assert reader.log == [] and topic.dropped == 1


def test_the_slowest_subscription_holds_back_the_producers():
    topic = Topic("t", capacity=1200)
    slow, quick = topic.subscribe("slow"), topic.subscribe("quick")
    Presettled(quick, 100)
    assert topic.put(None, b"") and not topic.put(None, b"") and topic.full
    filler = Filler()
    topic.block(filler)
    reader = Presettled(slow)
    slow.grant(reader, 1)
    assert filler.resumed == 1 and not topic.full
    topic.block(filler)
    assert filler.resumed == 2, "nothing is full any more: do not wait for ever"


def test_closing_a_topic_ends_its_subscriptions():
    topic = Topic("t", capacity=1)
    subscription = topic.subscribe("one")
    filler = Filler()
    assert not topic.put(None, b"")
    topic.block(filler)
    topic.close()
    assert filler.resumed == 1 and not topic.subscriptions and not subscription.consumers


# -- anything in any order, against the simplest model that could be right


@pytest.mark.parametrize("seed", range(20))
def test_any_history_agrees_with_a_naive_model(seed):
    """The model keeps one sorted list and scans it; the queue must never differ in what is where."""
    rng = random.Random(seed)
    queue = Queue("q")
    readers = [Reader(queue) for _ in range(3)]
    waiting, held, refused, counts = [], {}, {}, {}
    place = 0

    def settle_model():
        """Move from `waiting` to `held` whatever the queue has delivered meanwhile, checking that it may."""
        for reader in readers:
            for text in reader.log:
                number = int(text)
                assert number in waiting and reader.serial not in refused.get(number, ())
                older = [n for n in waiting if n < number and reader.serial not in refused.get(n, ())]
                assert not [n for n in older if n not in moved], "an older message was there to be had"
                moved.add(number)
                held[number] = reader
            reader.log.clear()
        for number in moved:
            waiting.remove(number)

    for _ in range(400):
        moved = set()
        reader = rng.choice(readers)
        action = rng.choice(["put", "put", "put", "grant", "accept", "release", "fail", "refuse", "leave"])
        if action == "put":
            place += 1
            waiting.append(place)
            counts[place] = 0
            fill(queue, str(place))
        elif action == "grant":
            queue.grant(reader, rng.randrange(4))
        elif action == "leave":
            for text in reader.held:
                held.pop(int(text))
                waiting.append(int(text))
                counts[int(text)] += 1
            queue.leave(reader)
            readers.remove(reader)
            readers.append(Reader(queue))
        elif reader.held:
            text = rng.choice(sorted(reader.held))
            number = int(text)
            held.pop(number)
            if action == "accept":
                reader.accept(text)
            else:
                waiting.append(number)
                if action == "refuse":
                    refused.setdefault(number, set()).add(reader.serial)
                counts[number] += action == "fail"
                reader.release(text, action == "fail", action != "refuse")
        settle_model()
        assert queue.waiting == len(waiting) and queue.acquired == len(held)
        assert [int(entry.body) for entry in queue.backlog.entries()] == sorted(waiting + list(held))
        for reader in readers:
            if reader.credit > 0:
                assert not [n for n in waiting if reader.serial not in refused.get(n, ())], "hungry, and food"
            for text, count in reader.counts().items():
                assert count == counts[int(text)]


def test_a_hundred_thousand_messages_cost_no_more_steps_each_than_a_hundred():
    """Counted in calls, not in seconds: a consumer takes them, goes, and another takes them again."""
    def calls(number):
        queue = Queue("q")
        first, second = Reader(queue), Reader(queue)
        made = 0

        def count(_frame, event, _argument):
            nonlocal made
            made += event == "call"

        sys.setprofile(count)
        try:
            for index in range(number):
                queue.put(None, b"%d" % index)
            queue.grant(first, number)
            queue.leave(first)
            queue.grant(second, number)
            for text in list(second.held):
                second.accept(text)
        finally:
            sys.setprofile(None)
        assert second.log == first.log and queue.depth == 0
        return made / number

    assert calls(100_000) <= calls(100) + 1


def test_reports_name_the_node():
    queue = filled("a", "b")
    Reader(queue, 1)
    assert (queue.enqueued, queue.requeued, any(queue.outcomes)) == (2, 0, False)
    assert repr(queue) == "<queue 'q': 1 waiting, 1 acquired>"
    assert repr(Topic("t")) == "<topic 't': 0 subscriptions>"
    assert next(filled("a").backlog.entries()).state == WAITING
