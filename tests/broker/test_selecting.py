"""Consumers that select: what they get of a queue or a topic, in which order, and what it costs the others."""

from __future__ import annotations

import random

import pytest

from handlers.broker.nodes.browsing import LOOKS
from handlers.broker.nodes.consumer import Browser, Consumer
from handlers.broker.nodes.node import Queue
from reactor import MODIFIED, RELEASED, Copy, Described, Filter, Message, Selector, symbol, ulong
from tests.support.brokers import BrokerWorld, Capability

NUMERIC = Filter({symbol("mine"): Described(ulong(0x468C00000004), "n = 1")})

pytestmark = pytest.mark.usefixtures("folding")


@pytest.fixture
def world():
    return BrokerWorld()


def coloured(client, address, *rows):
    """Send messages: body, colour."""
    sender = client.sender(address)
    for body, colour in rows:
        sender.send(Message(body, properties={"colour": colour}))
        client.world.quiet()
    sender.close()
    client.world.quiet()


MIXED = [("a", "red"), ("b", "green"), ("c", "red"), ("d", "green"), ("e", None)]
GREEN, RED = Selector("colour = 'green'"), Selector("colour = 'red'")


# -- over links


def test_a_consumer_gets_what_it_selects_and_the_rest_stays(world):
    client = world.client()
    coloured(client, "jobs", *MIXED)
    greens = client.receiver("jobs", 10, options=GREEN)
    assert client.bodies(greens) == ["b", "d"]
    rest = client.receiver("jobs", 10)
    assert client.bodies(rest) == ["a", "c", "e"]


def test_a_consumer_that_waits_gets_what_comes_if_it_selects_it(world):
    client = world.client()
    greens = client.receiver("jobs", 10, options=GREEN)
    coloured(client, "jobs", *MIXED)
    assert client.bodies(greens) == ["b", "d"]
    assert world.node("jobs").depth == 5


def test_who_selects_comes_before_who_takes_anything(world):
    client = world.client()
    anything = client.receiver("jobs", 10)
    greens = client.receiver("jobs", 1, options=GREEN)
    coloured(client, "jobs", ("a", "green"), ("b", "green"), ("c", "red"))
    assert client.bodies(greens) == ["a"]
    assert client.bodies(anything) == ["b", "c"]


def test_consumers_with_the_same_selector_take_turns(world):
    client = world.client()
    one, other = client.receiver("jobs", 5, options=GREEN), client.receiver("jobs", 5, options=GREEN)
    coloured(client, "jobs", *[(str(number), "green") for number in range(4)])
    assert client.bodies(one) == ["0", "2"] and client.bodies(other) == ["1", "3"]


@pytest.mark.parametrize("how", ["drain", "pause"])
def test_who_selects_may_take_its_credit_back(world, how):
    client = world.client()
    greens, anything = client.receiver("jobs", 5, options=GREEN), client.receiver("jobs", 5)
    greens.drain(0) if how == "drain" else greens.pause()
    world.quiet()
    coloured(client, "jobs", ("a", "green"))
    assert client.bodies(greens) == [] and client.bodies(anything) == ["a"]
    if how == "drain":
        greens.flow(1)
        world.quiet()
        coloured(client, "jobs", ("b", "green"), ("c", "green"))
        assert client.bodies(greens) == ["b"] and client.bodies(anything) == ["a", "c"]


def test_the_selector_is_echoed_as_it_came(world):
    client = world.client()
    for options in (GREEN, NUMERIC):
        receiver = client.receiver("jobs", options=options)
        assert receiver.remote_source.filter == receiver.source.filter
        (described,) = receiver.remote_source.filter.values()
        assert type(described.descriptor) is type(next(iter(receiver.source.filter.values())).descriptor)


def test_other_filters_are_left_out_of_the_answer(world):
    client = world.client()
    both = {symbol("x"): Described(symbol("other:filter"), 1), symbol("s"): GREEN.filter_set[symbol("selector")]}
    receiver = client.receiver("jobs", options=Filter(both))
    assert list(receiver.remote_source.filter) == ["s"]


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (Selector("colour = "), "selector: expected a value, found the end, at character 9"),
        (Selector("amqp.colour = 1"), "'amqp.colour' is no field"),
        (Filter({symbol("s"): Described(symbol("apache.org:selector-filter:string"), 5)}), "a selector is a string"),
    ],
)
def test_a_bad_selector_refuses_the_link_and_shows_where(world, selector, why):
    client = world.client()
    receiver = client.receiver("jobs", 1, options=selector)
    assert client.errors == ["amqp:invalid-field"]
    assert why in receiver.remote_condition.description
    assert receiver.remote_source.address is None
    client.send("jobs", "still there")
    assert client.bodies(client.receiver("jobs", 1)) == ["still there"]


def test_a_browser_sees_what_it_selects_now_and_later(world):
    client = world.client()
    coloured(client, "jobs", *MIXED)
    viewer = client.receiver("jobs", 10, options=[GREEN, Copy()])
    assert client.bodies(viewer) == ["b", "d"]
    coloured(client, "jobs", ("f", "red"), ("g", "green"))
    assert client.bodies(viewer) == ["b", "d", "g"]
    assert world.node("jobs").depth == 7


def test_a_subscription_keeps_what_it_selects_and_nothing_else(world):
    client = world.client()
    greens = client.receiver("colours", options=[Capability("topic"), GREEN])
    everything = client.receiver("colours", 10)
    coloured(client, "colours", *MIXED)
    assert client.bodies(everything) == ["a", "b", "c", "d", "e"]
    greens.flow(10)
    world.quiet()
    assert client.bodies(greens) == ["b", "d"]
    assert greens.remote_source.filter == greens.source.filter
    greens.close()
    world.quiet()
    assert not world.broker.directory.records["colours"].node.selections


def test_what_is_given_back_comes_again_in_its_place(world):
    client = world.client()
    coloured(client, "jobs", *MIXED)
    greens = client.receiver("jobs", 2, options=GREEN)
    first, second = client.take(greens)
    second.settle(RELEASED)
    first.settle(RELEASED)
    world.quiet()
    greens.flow(2)
    world.quiet()
    assert client.bodies(greens) == ["b", "d"]
    assert [received.message.first_acquirer for received in client.inbox] == [False, False]


def test_a_selector_sees_the_delivery_count_of_here(world):
    client = world.client()
    client.send("jobs", "x")
    tried = client.receiver("jobs", 1, options=Selector("amqp.delivery_count > 0"))
    assert not client.bodies(tried)
    (received,) = client.take(client.receiver("jobs", 1)) or client.inbox
    received.delivery.local.failed = True
    received.settle(MODIFIED)
    world.quiet()
    assert client.bodies(tried) == ["x"]


def test_undeliverable_here_goes_to_another_with_the_same_selector(world):
    client = world.client()
    one = client.receiver("jobs", 1, options=GREEN)
    coloured(client, "jobs", ("a", "green"))
    (received,) = client.take(one)
    received.delivery.local.undeliverable = True
    received.settle(MODIFIED)
    one.flow(1)
    world.quiet()
    assert not client.bodies(one)
    other = client.receiver("jobs", 1, options=GREEN)
    assert client.bodies(other) == ["a"]


def test_who_vanishes_leaves_what_it_held_to_others_with_its_selector(world):
    client, other = world.client(), world.client()
    client.receiver("jobs", 5, options=GREEN)
    coloured(other, "jobs", *MIXED)
    waiting = other.receiver("jobs", 5, options=GREEN)
    client.vanish()
    assert other.bodies(waiting) == ["b", "d"]
    assert [received.message.delivery_count for received in other.inbox] == [1, 1]


def test_a_drain_is_answered_when_all_has_been_read(world):
    client = world.client()
    sender = client.sender("jobs")
    for number in range(2 * LOOKS + 10):
        sender.send(Message(number))
        if not number % 100:
            world.quiet()
    world.quiet()
    sender.send(Message("last", properties={"colour": "green"}))
    world.quiet()
    receiver = client.receiver("jobs", options=GREEN)
    receiver.drain(5)
    world.quiet()
    assert client.bodies(receiver) == ["last"]
    assert receiver.credit == 0


@pytest.mark.parametrize("kind", ["picker", "browser"])
def test_a_long_queue_is_read_a_piece_at_a_time(kind):
    """Others are served between the pieces."""
    queue = Queue("q")
    for _ in range(3 * LOOKS):
        queue.put(None, b"x")
    reader = Picker(queue, "y") if kind == "picker" else Looking(queue, "y")
    queue.grant(reader, 1)
    turns = 0
    while reader.rests:
        reader.rests = 0
        looks = reader.selection.looks
        queue.wake(reader)
        assert reader.selection.looks - looks <= LOOKS
        turns += 1
    assert turns == 2 and not reader.log
    queue.put(None, b"y")
    assert reader.log == ["y"]


# -- against a plain list


class Letter:
    """Selects bodies that have a letter."""

    def __init__(self, text):
        self.text = text
        self.looks = 0

    def selects(self, entry):
        self.looks += 1
        return self.text.encode() in entry.body


class Picker(Consumer):
    def __init__(self, queue, letter):
        super().__init__()
        self.selection = Letter(letter) if letter else None
        self.queue = queue
        self.log = []
        self.rests = 0
        self.refused = set()
        queue.join(self)

    def deliver(self, entry):
        text = entry.body.decode()
        self.log.append(text)
        self.held[text] = entry

    def rest(self):
        self.rests += 1


class Looking(Browser):
    def __init__(self, queue, letter):
        super().__init__()
        self.selection = Letter(letter)
        self.log = []
        self.rests = 0
        queue.join(self)

    def deliver(self, entry):
        self.log.append(entry.body.decode())

    def rest(self):
        self.rests += 1


def may_have(picker, text):
    wanted = picker.selection is None or picker.selection.text in text
    return wanted and text not in picker.refused


@pytest.mark.parametrize("seed", range(300))
def test_any_history_of_consumers_that_select_is_that_of_a_list(seed):
    """The model: a list of what waits. Who has credit and could have something has been given it, the oldest first."""
    rng = random.Random(seed)
    queue = Queue("q")
    pickers, waiting, made = [], [], 0

    def settle_up():
        """What was delivered since: it was waiting, and the oldest that the consumer could have."""
        held = {text for picker in pickers for text in picker.held}
        gone = [text for text in waiting if text in held]
        for text in gone:
            waiting.remove(text)
        for picker in pickers:
            if picker.credit > 0:
                left = [text for text in waiting if may_have(picker, text)]
                assert not left, (seed, picker.selection and picker.selection.text, left)

    for _ in range(120):
        act = rng.randrange(10)
        if act < 3:
            made += 1
            text = f"{made:03}{rng.choice(['r', 'g', 'b', 'rg'])}"
            waiting.append(text)
            queue.put(None, text.encode())
        elif act == 3 and len(pickers) < 6:
            pickers.append(Picker(queue, rng.choice(["r", "g", "", "g"])))
        elif pickers and act in (4, 5):
            picker = rng.choice(pickers)
            before = [text for text in waiting if may_have(picker, text)]
            start, credit = len(picker.log), rng.randrange(4)
            hungry = picker.credit > 0
            queue.grant(picker, credit)
            if not hungry:
                assert picker.log[start:] == before[:credit], seed
        elif pickers and act in (6, 7, 8):
            picker = rng.choice(pickers)
            if picker.held:
                text = rng.choice(list(picker.held))
                entry = picker.held.pop(text)
                if act == 6:
                    queue.settle(entry)
                else:
                    waiting.append(text)
                    waiting.sort()
                    if act == 8:
                        picker.refused.add(text)
                    queue.release(entry, bool(rng.randrange(2)), picker if act == 8 else None)
        elif pickers and act == 9 and rng.random() < 0.3:
            picker = pickers.pop(rng.randrange(len(pickers)))
            waiting.extend(picker.held)
            waiting.sort()
            queue.leave(picker)
        settle_up()
    for picker in pickers:
        for entry in picker.held.values():
            queue.settle(entry)
    last = Picker(queue, "")
    queue.grant(last, 1000)
    assert last.log == waiting, seed
    for entry in last.held.values():
        queue.settle(entry)
    assert queue.depth == queue.bytes == queue.acquired == 0


def test_what_views_have_taken_and_settled_leaves_nothing_behind():
    queue = Queue("q")
    picker = Picker(queue, "g")
    queue.grant(picker, 100_000)
    for number in range(5000):
        queue.put(None, b"g%d" % number)
        queue.settle(picker.held.popitem()[1])
    assert queue.depth == 0
    assert len(queue.index.fresh) <= 2


@pytest.mark.parametrize("address", ["jobs", "news"])
@pytest.mark.parametrize("length", [1, 3, 10, 20, -1])
def test_bytes_that_are_no_message_are_selected_by_no_consumer_and_harm_none(address, length):
    world = BrokerWorld(queues=["jobs"], topics=["news"])
    client = world.client()
    receiver = client.receiver(address, 10, options=Selector("colour IS NULL OR colour = 'red'"))
    sender = client.sender(address)
    sender.transmit(bytes(Message("cut", properties={"colour": "red"}).encode())[:length])
    sender.transmit(b"\x00\x53\x72\xd1\x00\x00\xff\xff\x00")
    world.quiet()
    coloured(client, address, ("whole", "red"))
    late = client.receiver("jobs", 10, options=Selector("colour = 'red'"))
    assert client.errors == [] and client.bodies(receiver) == ["whole"] and client.bodies(late) == []
    assert world.broker.internal_errors == 0
