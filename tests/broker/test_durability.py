"""A broker with a store: what survives a restart, what does not, and what a sender hears when it cannot be kept."""

from __future__ import annotations

import sqlite3
import sys

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from handlers.broker.nodes import directory
from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED, Container, Endpoint, Link, Message, symbol
from tests.support.brokers import BrokerWorld, Capability
from tests.support.processes import CHECKOUT, Script, run


class Kept:
    """A broker and its store, which is opened again for each start."""

    def __init__(self, open_it, **options):
        self.world = BrokerWorld(store=open_it(), **options)
        self.open_it = open_it

    def restart(self):
        """The broker crashes and starts again; returns a new client of it."""
        self.world.crash()
        self.world.options["store"] = self.open_it()
        self.world.start()
        return self.world.client()


@pytest.fixture(params=["memory", "sqlite"])
def kept(request, tmp_path):
    memory = MemoryStore()
    kept = Kept((lambda: memory) if request.param == "memory" else (lambda: SqliteStore(tmp_path / "store")))
    yield kept
    kept.world.broker.close()


def received(client, address, credit=10, **options):
    """The bodies that a new receiver gets."""
    return client.bodies(client.receiver(address, credit, **options))


def test_durable_messages_are_there_after_a_crash_in_their_order_and_others_are_not(kept):
    client = kept.world.client()
    client.send("jobs", "a", "b", durable=True)
    client.send("jobs", "gone")
    client.send("jobs", "c", durable=True)
    assert client.outcomes == [ACCEPTED] * 4
    client = kept.restart()
    assert received(client, "jobs") == ["a", "b", "c"]
    assert [one.message.first_acquirer for one in client.inbox] == [False] * 3
    assert [one.message.delivery_count for one in client.inbox] == [0] * 3
    assert [one.message.durable for one in client.inbox] == [True] * 3


def test_what_was_consumed_does_not_come_again(kept):
    client = kept.world.client()
    client.send("jobs", "a", "b", "c", durable=True)
    client.receiver("jobs", 3)
    a, b, _ = client.take()
    a.settle()
    b.settle(REJECTED)
    kept.world.quiet()
    assert received(kept.restart(), "jobs") == ["c"]


def test_failed_deliveries_stay_counted(kept):
    client = kept.world.client()
    client.send("jobs", "a", "b", "c", durable=True)
    client.receiver("jobs", 3)
    first, second, _ = client.take()
    first.delivery.local.failed = True
    first.settle(MODIFIED)
    second.settle(RELEASED)
    kept.world.quiet()
    client = kept.restart()
    client.receiver("jobs", 10)
    assert [(one.body, one.message.delivery_count) for one in client.inbox] == [("a", 1), ("b", 0), ("c", 0)]


def test_annotations_of_an_outcome_stay(kept):
    client = kept.world.client()
    client.send("jobs", "a", durable=True)
    client.receiver("jobs", 1)
    (one,) = client.take()
    one.delivery.local.annotations = {symbol("x-why"): "busy"}
    one.settle(MODIFIED)
    kept.world.quiet()
    client = kept.restart()
    client.receiver("jobs", 1)
    assert client.inbox[0].message.annotations == {symbol("x-why"): "busy"}


def test_time_to_live_goes_on_while_the_broker_is_down(kept):
    client = kept.world.client()
    client.send("jobs", "short", durable=True, ttl=10.0)
    client.send("jobs", "long", durable=True, ttl=100.0)
    kept.world.crash()
    kept.world.network.clock.advance(20.0)
    kept.world.options["store"] = kept.open_it()
    kept.world.start()
    client = kept.world.client()
    client.receiver("jobs", 1)
    (one,) = client.inbox
    assert one.body == "long" and 79 < one.message.ttl <= 80
    one.settle(RELEASED)
    kept.world.quiet()
    kept.world.pass_time(81.0)
    assert kept.world.node("jobs").depth == 0
    assert received(kept.restart(), "jobs") == []


def test_a_message_that_is_not_durable_waits_behind_one_that_is(kept):
    client = kept.world.client()
    receiver = client.receiver("jobs", 10)
    sender = client.sender("jobs")
    for number in range(6):
        sender.send(Message(number, durable=number % 2 == 0))
    kept.world.quiet()
    assert client.bodies(receiver) == [0, 1, 2, 3, 4, 5]
    assert client.outcomes == [ACCEPTED] * 6


def test_R8_nothing_is_delivered_or_confirmed_before_it_is_in_the_store(kept):
    client = kept.world.client()
    receiver = client.receiver("jobs", 10)
    store, seen = kept.world.broker.durability.store, []
    commit = store.commit
    store.commit = lambda groups: seen.append((client.bodies(receiver), client.outcomes[:])) or commit(groups)
    client.send("jobs", "a", durable=True)
    assert seen == [([], [])]
    assert client.bodies(receiver) == ["a"] and client.outcomes == [ACCEPTED]


def test_many_messages_of_a_turn_are_one_commit(kept):
    client = kept.world.client()
    sender = client.sender("jobs")
    store, sizes = kept.world.broker.durability.store, []
    commit = store.commit
    store.commit = lambda groups: sizes.append(len(groups)) or commit(groups)
    for number in range(10):
        sender.send(Message(number, durable=True))
    kept.world.quiet()
    assert client.outcomes == [ACCEPTED] * 10
    assert sizes == [10]


@pytest.mark.parametrize("how", ["close", "detach"])
def test_who_sends_and_leaves_in_one_breath_hears_the_outcome(kept, how):
    client = kept.world.client()
    sender = client.sender("jobs")
    sender.send(Message("a", durable=True))
    getattr(sender, how)()
    kept.world.quiet()
    assert client.outcomes == [ACCEPTED]
    assert sender.state & Endpoint.REMOTE_CLOSED
    assert received(kept.restart(), "jobs") == ["a"]


def test_who_hangs_up_behind_a_message_has_it_kept(kept):
    client = kept.world.client()
    sender = client.sender("jobs")
    sender.send(Message("a", durable=True))
    client.connection.close()
    kept.world.quiet()
    assert received(kept.restart(), "jobs") == ["a"]


def test_the_relay_keeps_them_too(kept):
    client = kept.world.client()
    sender = client.sender(None)
    sender.send(Message("a", address="jobs", durable=True))
    kept.world.quiet()
    assert received(kept.restart(), "jobs") == ["a"]


def test_a_dynamic_queue_goes_with_the_broker(kept):
    client = kept.world.client()
    receiver = client.receiver(None, dynamic=True)
    client.send(receiver.remote_source.address, "a", durable=True)
    assert client.outcomes == [ACCEPTED]
    store = kept.world.broker.durability.store
    assert (store.nodes(), list(store.messages())) == ([], [])


def test_a_topic_accepts_at_once_and_keeps_nothing(kept):
    client = kept.world.client()
    receiver = client.receiver("news", 10, options=Capability("topic"))
    client.send("news", "a", durable=True)
    assert client.outcomes == [ACCEPTED] and client.bodies(receiver) == ["a"]
    assert list(kept.world.broker.durability.store.messages()) == []


def test_who_settles_second_hears_when_the_store_has_heard(kept):
    client = kept.world.client()
    client.send("jobs", "a", durable=True)

    class Second:
        def apply(self, link):
            link.rcv_settle_mode = Link.RCV_SECOND

        def test(self, link):
            return True

    client.receiver("jobs", 1, options=Second())
    (one,) = client.take()
    one.delivery.update(ACCEPTED)
    kept.world.quiet()
    assert one.delivery.settled
    assert received(kept.restart(), "jobs") == []


def test_a_presettled_receiver_empties_the_store(kept):
    client = kept.world.client()
    client.send("jobs", "a", durable=True)

    class AtMostOnce:
        def apply(self, link):
            link.snd_settle_mode = Link.SND_SETTLED

        def test(self, link):
            return True

    assert received(client, "jobs", options=AtMostOnce()) == ["a"]
    assert received(kept.restart(), "jobs") == []


# -- stores that fail


class Failing(MemoryStore):
    def __init__(self):
        super().__init__()
        self.error = None

    def commit(self, groups):
        return super().commit(groups) if self.error is None else [self.error] * len(groups)


@pytest.mark.parametrize(
    ("full", "condition"), [(True, "amqp:resource-limit-exceeded"), (False, "amqp:internal-error")]
)
def test_what_cannot_be_written_is_rejected_with_the_reason_and_the_broker_goes_on(full, condition, caplog):
    store = Failing()
    world = BrokerWorld(store=store)
    client = world.client()
    waiting = client.receiver("jobs", 10)
    store.error = StoreError("the disk: no", full)
    client.send("jobs", "lost", durable=True)
    assert client.outcomes == [REJECTED] and client.conditions[0].name == condition
    client.send("jobs", "light")
    assert client.outcomes[1:] == [ACCEPTED] and client.bodies(waiting) == ["light"]
    assert "a message is refused: the disk: no" in caplog.text
    store.error = None
    client.send("jobs", "heavy", durable=True)
    assert client.bodies(waiting) == ["light", "heavy"]
    world.crash()
    world.start()
    assert received(world.client(), "jobs") == ["heavy"]


def test_an_acknowledgement_that_cannot_be_written_is_tried_again_and_confirmed_then():
    store = Failing()
    world = BrokerWorld(store=store)
    client = world.client()
    client.send("jobs", "a", durable=True)
    client.receiver("jobs", 1)
    (one,) = client.take()
    store.error = StoreError("the disk: no")
    one.delivery.update(ACCEPTED)
    world.quiet()
    assert not one.delivery.settled and len(list(store.messages())) == 1
    store.error = None
    world.pass_time(1.5)
    assert one.delivery.settled and not list(store.messages())


def test_a_store_that_gives_no_numbers_refuses_the_message():
    class Exhausted(MemoryStore):
        def new_number(self):
            raise StoreError("no more", full=True)

    world = BrokerWorld(store=Exhausted())
    client = world.client()
    client.send("jobs", "a", durable=True)
    assert client.outcomes == [REJECTED]
    client.send("jobs", "b")
    assert client.outcomes == [REJECTED, ACCEPTED]


# -- with files, threads and processes


def test_an_embedded_broker_keeps_its_messages_in_a_file(tmp_path):
    path = tmp_path / "jobs.store"
    for number in (1, 2):
        with EmbeddedBroker(store=path) as broker:
            assert broker.queue("jobs").depth == number - 1
            Container(Sending(broker.url, number, 1, lambda confirmed: None)).run()


def test_a_store_that_cannot_be_had_is_named(tmp_path):
    (tmp_path / "text").write_text("hello " * 1000, encoding="ascii")
    with pytest.raises(StoreError, match="text is damaged, or no store"):
        EmbeddedBroker(store=tmp_path / "text")
    status, out, err = run([sys.executable, "-m", "handlers.broker", "--store", str(tmp_path / "text")], CHECKOUT)
    assert status == 1 and not out
    assert err.startswith("amqp-broker: ") and "text is damaged, or no store: " in err and len(err.splitlines()) == 1


def test_a_killed_broker_has_what_it_had_confirmed(tmp_path):
    """SIGKILL while messages come and go; then the same file again."""
    path, confirmed = tmp_path / "store", []
    command = [sys.executable, "-m", "handlers.broker", "--listen", "amqp://127.0.0.1:0", "--store", str(path)]
    for start in (0, 1000):
        with Script(command, CHECKOUT) as broker:
            url = broker.wait_for("Listening on").split()[-1]
            confirmed += sent_until_killed(url, start, broker.process)
    base = sqlite3.connect(path)
    there = [body for (body,) in base.execute("SELECT body FROM message ORDER BY number")]
    base.close()
    numbers = [Message.from_bytes(body).body for body in there]
    assert [number for number in confirmed if number not in numbers] == []
    assert numbers == sorted(set(numbers)), "each once, in the order in which they were sent"


def sent_until_killed(url, start, process):
    """The numbers that the broker has confirmed until it was killed, in the middle of it."""
    handler = Sending(url, start, 1000, lambda confirmed: confirmed == 300 and process.kill())
    Container(handler).run()
    assert len(handler.confirmed) >= 300
    return handler.confirmed


class Sending(MessagingHandler):
    """Sends so many numbers from `start` on; `heard` is called with the number of those that are confirmed."""

    def __init__(self, url, start, count, heard):
        super().__init__()
        self.url = url
        self.todo = list(range(start, start + count))
        self.under_way = {}
        self.confirmed = []
        self.heard = heard

    def on_start(self, event):
        event.container.create_sender(event.container.connect(self.url, reconnect=False), "jobs")

    def on_sendable(self, event):
        while event.sender.credit and self.todo:
            number = self.todo.pop(0)
            self.under_way[event.sender.send(Message(number, durable=True))] = number

    def on_accepted(self, event):
        self.confirmed.append(self.under_way.pop(event.delivery))
        self.heard(len(self.confirmed))
        if not self.todo and not self.under_way:
            event.connection.close()


class Losing(MemoryStore):
    """Fails the groups of these numbers in its first commit."""

    def __init__(self, *numbers):
        super().__init__()
        self.numbers = set(numbers)

    def commit(self, groups):
        lost, self.numbers = self.numbers, set()
        super().commit([group for at, group in enumerate(groups) if at not in lost])
        return [StoreError("no") if at in lost else None for at in range(len(groups))]


@pytest.mark.parametrize("number", range(4))
def test_whichever_change_fails_an_accepted_message_is_there_after_a_restart(number):
    world = BrokerWorld(store=Losing(number))
    client = world.client()
    sender = client.sender("jobs")
    sent = [sender.send(Message(body, durable=True)) for body in "abc"]
    world.quiet()
    accepted = [body for body, delivery in zip("abc", sent) if delivery.remote_state == ACCEPTED]
    assert len(accepted) >= 2
    world.crash()
    world.start()
    assert received(world.client(), "jobs") == accepted


def test_a_message_does_not_wait_for_changes_that_are_tried_again_later():
    store = Failing()
    world = BrokerWorld(store=store)
    client = world.client()
    client.send("jobs", "a", durable=True)
    client.receiver("jobs", 1)
    (one,) = client.take()
    store.error = StoreError("the disk: no")
    one.delivery.update(ACCEPTED)
    world.quiet()
    store.error = None
    client.send("jobs", "b", durable=True)
    assert client.outcomes == [ACCEPTED, ACCEPTED], "and no time has passed"
    assert one.delivery.settled


def test_a_deleted_queue_leaves_nothing_in_the_store():
    store = MemoryStore()
    world = BrokerWorld(store=store)
    client = world.client()
    sender = client.sender("jobs")
    world.quiet()
    directory = world.broker.directory
    sender.send(Message("a", durable=True))
    client.container.do_work(0)
    world.container.do_work(0)
    directory.delete(directory.records["jobs"])
    world.quiet()
    world.pass_time(2.0)
    assert (store.nodes(), list(store.messages())) == ([], [])


@pytest.mark.parametrize(("most", "unused"), [(2, 10_000), (0, 2)])
def test_a_restart_forgets_no_queue_however_many_there_are(kept, most, unused, monkeypatch):
    client = kept.world.client()
    names = [f"jobs-{number}" for number in range(6)]
    for name in names:
        client.send(name, name, durable=True)
    assert client.outcomes == [ACCEPTED] * 6
    monkeypatch.setattr(directory, "MANY", unused)
    kept.world.options["max_nodes"] = most
    client = kept.restart()
    for name in names:
        assert received(client, name) == [name]
    assert client.errors == [] and kept.world.broker.internal_errors == 0
    client.sender("another")
    assert client.errors == ["amqp:resource-limit-exceeded"] * bool(most)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("INSERT INTO node VALUES (999, 'nonsense', 'odd', '{}')", "a node 'odd' .*: KeyError..nonsense"),
        ("INSERT INTO node VALUES (999, 'queue', 'odd', '{')", "the settings of 'odd' are no JSON"),
        ("INSERT INTO node VALUES (999, 'queue', 'odd', x'00')", "the settings of 'odd' are no JSON"),
        ("INSERT INTO node VALUES (999, 'queue', 'odd', '[]')", "a node 'odd' .*: policy: "),
        ("INSERT INTO node VALUES (999, 'exchange', 'odd', '{}')", "a node 'odd' .*: KeyError..type"),
        ("INSERT INTO node VALUES (999, 'binding', 'amq.fanout', '[]')", "a node 'amq.fanout' "),
        ("UPDATE message SET header = 'text'", "message 2 of 'jobs': TypeError"),
        ("UPDATE message SET body = 'text'", "message 2 of 'jobs': TypeError"),
        ("UPDATE message SET expires = 'text'", "message 2 of 'jobs': TypeError"),
        ("DELETE FROM used", "the number that is used last"),
        ("UPDATE used SET number = 'text'", "the number that is used last"),
    ],
)
def test_odd_values_in_the_file_are_one_clear_error(tmp_path, change, words):
    path = tmp_path / "odd.store"
    world = BrokerWorld(store=SqliteStore(path))
    world.client().send("jobs", "a", durable=True)
    world.crash()
    with sqlite3.connect(path) as base:
        base.execute(change)
    base.close()
    with pytest.raises(StoreError, match=words):
        EmbeddedBroker(store=path).start()
