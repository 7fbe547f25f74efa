"""The edges of a queue: at its bounds, beyond them, and what the store and the broker hear of a message."""

from __future__ import annotations

import pytest

from handlers.broker import Policy
from handlers.broker.nodes.entry import ENTRY_COST, EXPIRED
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.pool import Pool
from tests.broker.test_node import Filler, Reader

pytestmark = pytest.mark.usefixtures("folding")


class Keeper:
    """A store, as a queue sees it."""

    def __init__(self):
        self.heard = []

    def left(self, entry):
        self.heard.append(entry.number)


class Host:
    """A broker, as a queue sees it."""

    def __init__(self):
        self.buried = []
        self.emptied_queues = 0

    def bury(self, queue, entry, outcome):
        self.buried.append((entry.body, outcome))

    def emptied(self, queue):
        self.emptied_queues += 1

    def attend(self, queue):
        pass

    def now(self):
        return 0.0


@pytest.mark.parametrize("most", [3, 300])
def test_it_is_full_at_its_most_and_beyond(most):
    queue = Queue("q", 0, None, Policy(max_length=most))
    rooms = [queue.put(None, b"x") for _ in range(most + 2)]
    assert rooms == [True] * (most - 1) + [False] * 3
    assert queue.full and queue.depth == most + 2


def test_a_pool_that_is_more_than_full_has_no_room():
    pool = Pool(2 * ENTRY_COST)
    queue = Queue("q", 0, pool)
    assert [queue.put(None, b"x" * size) for size in (0, 1, 0, 0)] == [True, False, False, False]


def test_a_store_hears_of_its_own_messages_alone():
    queue = Queue("q")
    queue.keeper = keeper = Keeper()
    queue.put(None, b"in memory")
    queue.put(None, b"kept", 0.0, 7)
    reader = Reader(queue, 2)
    reader.accept("in memory")
    assert keeper.heard == []
    reader.accept("kept")
    assert keeper.heard == [7]


def test_what_comes_is_a_first_delivery_and_what_is_restored_is_none():
    queue = Queue("q")
    for number in range(4):
        queue.put(None, b"%d" % number, 50.0)
    queue.restore(None, b"never tried", 50.0, 5, 0)
    queue.restore(None, b"failed twice", 50.0, 6, 2)
    reader = Reader(queue, 10)
    assert reader.log == ["0", "1", "2", "3", "never tried", "failed twice"]
    told = {text: (entry.redelivered, entry.delivery_count) for text, entry in reader.held.items()}
    assert [told[str(number)] for number in range(4)] == [(False, 0)] * 4
    assert (told["never tried"], told["failed twice"]) == ((True, 0), (True, 2))


def test_priorities_of_consumers_hold_where_none_has_the_usual_one():
    queue = Queue("q")
    low, high = Reader(), Reader()
    low.priority, high.priority = 1, 2
    for reader in (low, high):
        queue.join(reader)
        queue.grant(reader, 1)
    queue.put(None, b"a")
    queue.put(None, b"b")
    assert (high.log, low.log) == (["a"], ["b"])


def test_its_host_hears_once_that_the_last_message_has_left():
    queue = Queue("q")
    queue.host = host = Host()
    queue.ends_empty = True
    queue.put(None, b"a")
    queue.put(None, b"b")
    reader = Reader(queue, 2)
    reader.accept("a")
    assert host.emptied_queues == 0
    reader.accept("b")
    assert host.emptied_queues == 1


def test_what_expires_while_it_waits_for_its_next_try_goes_to_the_dead_letter_address():
    queue = Queue("q", 0, None, Policy(retry_delay=100.0, dead_letter="dead"))
    queue.host = host = Host()
    queue.put(None, b"a", 10.0)
    reader = Reader(queue, 1)
    reader.release("a", failed=True)
    assert queue.expire(9.0) == 0 and not host.buried
    assert queue.expire(10.0) == 1
    assert host.buried == [(b"a", EXPIRED)] and queue.depth == 0


def test_another_policy_holds_at_once():
    queue, filler = Queue("q"), Filler()
    for number in range(6):
        queue.put(None, b"%d" % number)
    queue.adopt(Policy(max_bytes=4 * (ENTRY_COST + 1)))
    assert queue.full
    queue.block(filler)
    reader = Reader(queue, 6)
    for number in range(3):
        reader.accept(str(number))
    assert not filler.resumed, "half of it is not free yet"
    reader.accept("3")
    assert filler.resumed == 1
    reader.release("4")
    reader.release("5")
    queue.leave(reader)
    queue.put(None, b"6")
    queue.adopt(Policy(max_length=2, overflow="drop-oldest"))
    assert Reader(queue, 10).log == ["5", "6"]
