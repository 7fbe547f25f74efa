"""Transactions with a broker: what is done at the commit, what is undone, and who hears of it.

Clients are of this library, and by hand where they do what this library would not. The same by scripted brokers is in
tests/container/test_transactions.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from handlers.broker.nodes.policy import Policy
from handlers.broker.store.interface import AddMessage, AddNode, CountMessage, RemoveMessage, StoreError
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import (
    ACCEPTED,
    REJECTED,
    RELEASED,
    AtMostOnce,
    Described,
    Message,
    ModifiedDisposition,
    TransactionalDisposition,
    TransactionException,
    symbol,
)
from reactor.codec.types import UNDESCRIBED, Array, Data, ulong
from tests.broker.test_habits import Bare, attach
from tests.support.brokers import BrokerWorld, Capability, Client
from tests.support.frames import frame, source


class Party(Client):
    """A client that notes what becomes of its transactions."""

    def __init__(self, world: BrokerWorld, name: str = "party", **options: Any) -> None:
        self.told: list[str] = []
        super().__init__(world, name, **options)

    def begin(self, context: Any = None, early: bool = False) -> Any:
        """A transaction that is declared."""
        transaction = self.container.declare_transaction(context or self.connection, self, early)
        self.world.quiet()
        return transaction

    def post(self, transaction: Any, sender: Any, *bodies: Any, **attributes: Any) -> list[Any]:
        """Send messages in a transaction; their deliveries."""
        sent = [transaction.send(sender, Message(body, **attributes)) for body in bodies]
        self.world.quiet()
        return sent

    def commit(self, transaction: Any) -> Any:
        transaction.commit()
        self.world.quiet()
        return self.told[-1]

    def abort(self, transaction: Any) -> Any:
        transaction.abort()
        self.world.quiet()
        return self.told[-1]

    def take_from(self, address: str) -> list[Any]:
        """The messages of a queue."""
        self.receiver(address, 10)
        return self.take()

    def on_transaction_declared(self, event: Any) -> None:
        self.told.append("declared")

    def on_transaction_committed(self, event: Any) -> None:
        self.told.append("committed")

    def on_transaction_aborted(self, event: Any) -> None:
        self.told.append("aborted")

    def on_transaction_declare_failed(self, event: Any) -> None:
        self.told.append(f"declare failed: {event.transaction.condition.name}")

    def on_transaction_commit_failed(self, event: Any) -> None:
        doubt = " in doubt" if event.transaction.in_doubt else ""
        self.told.append(f"commit failed{doubt}: {event.transaction.condition.name}")


class Watched:
    """A store that keeps the groups of all commits; refuse: those with new messages cannot be written."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.commits: list[Any] = []
        self.refuse: Any = None

    def commit(self, groups: Any) -> Any:
        self.commits.append([list(group) for group in groups])
        if self.refuse is None:
            return self.store.commit(groups)
        refused = [any(isinstance(change, AddMessage) for change in group) for group in groups]
        kept = iter(self.store.commit([group for group, no in zip(groups, refused) if not no]))
        return [self.refuse if no else next(kept) for no in refused]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@pytest.fixture(params=["without a store", "memory", "sqlite"])
def world(request: Any, tmp_path: Any) -> Any:
    stores = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "store")}
    made = stores.get(request.param)
    world = BrokerWorld(store=None if made is None else made())
    yield world
    world.broker.close()
    assert world.broker.internal_errors == 0


@pytest.fixture
def party(world: BrokerWorld) -> Party:
    return Party(world)


def depths(world: BrokerWorld, *names: str) -> list[int]:
    return [world.node(name).depth for name in names]


def is_clean(world: BrokerWorld) -> bool:
    """Whether nothing is left of any transaction."""
    transactions = world.broker.transactions
    queued = sum(world.node(name).bytes for name in world.broker.names())
    return len(transactions) == transactions.bytes == 0 and world.broker.pool.bytes == queued


# -- what is in a transaction is there when it is committed ------------------------------------------------


@pytest.mark.parametrize("durable", [False, True])
def test_messages_are_there_when_the_transaction_is_committed(world, party, durable):
    sender = party.sender("jobs")
    transaction = party.begin()
    sent = party.post(transaction, sender, "a", "b", durable=durable)
    assert [one.remote.outcome_type for one in sent] == [ACCEPTED] * 2 and all(one.settled for one in sent)
    assert depths(world, "jobs") == [0] and party.outcomes == []
    party.send("jobs", "first", durable=durable)
    assert party.commit(transaction) == "committed" and is_clean(world)
    party.receiver("jobs", 10)
    assert party.bodies() == ["first", "a", "b"]


def test_nothing_is_there_when_it_is_aborted(world, party):
    sender = party.sender("jobs")
    transaction = party.begin()
    party.post(transaction, sender, "a", "b", durable=True)
    assert party.abort(transaction) == "aborted"
    assert depths(world, "jobs") == [0] and is_clean(world)
    with pytest.raises(TransactionException):
        transaction.send(sender, Message("c"))


def test_work_over_several_queues_links_and_sessions_is_done_together(world, party):
    party.send("one", "a", "b", durable=True)
    party.send("two", "c")
    session = party.connection.session()
    session.open()
    party.receiver("one", 2)
    party.receiver("two", 1)
    senders = [
        party.sender("three"),
        party.container.create_sender(session, "four"),
        party.container.create_sender(session, None),
    ]
    world.quiet()
    transaction = party.begin()
    for received in party.take():
        transaction.accept(received.delivery)
    for sender in senders:
        transaction.send(sender, Message("x", address="five", durable=sender is senders[0]))
    world.quiet()
    assert depths(world, "one", "two", "three", "four", "five") == [2, 1, 0, 0, 0]
    assert world.node("one").acquired == 2
    assert party.commit(transaction) == "committed"
    assert depths(world, "one", "two", "three", "four", "five") == [0, 0, 1, 1, 1] and is_clean(world)
    assert world.node("one").acknowledged == 2


def test_several_transactions_on_one_connection_are_apart(world, party):
    sender = party.sender("jobs")
    first, second, third = (party.begin() for _ in range(3))
    for transaction, body in ((first, "a"), (second, "b"), (third, "c"), (first, "d")):
        party.post(transaction, sender, body)
    assert party.abort(second) == "aborted"
    assert party.commit(third) == "committed"
    assert party.commit(first) == "committed"
    party.receiver("jobs", 10)
    assert party.bodies() == ["c", "a", "d"]


def test_a_topic_gives_copies_at_the_commit(world, party):
    party.receiver("news", 10, name="one", options=Capability("topic"))
    sender = party.sender("news", options=Capability("topic"))
    transaction = party.begin()
    party.post(transaction, sender, "a")
    party.receiver("news", 10, name="two", options=Capability("topic"))
    assert party.bodies() == []
    assert party.commit(transaction) == "committed"
    assert party.bodies() == ["a", "a"]


def test_pre_settled_messages_are_in_it_too(world, party):
    sender = party.sender("jobs", options=AtMostOnce())
    transaction = party.begin()
    party.post(transaction, sender, "a")
    assert depths(world, "jobs") == [0]
    assert party.commit(transaction) == "committed" and depths(world, "jobs") == [1]


def test_a_message_of_many_frames(world):
    party = Party(world, max_frame_size=512)
    sender = party.sender("jobs")
    transaction = party.begin()
    party.post(transaction, sender, b"x" * 5000)
    assert depths(world, "jobs") == [0]
    assert party.commit(transaction) == "committed" and depths(world, "jobs") == [1]


def test_the_time_to_live_goes_on(world, party):
    sender = party.sender("jobs")
    transaction = party.begin()
    party.post(transaction, sender, "a", ttl=5)
    world.pass_time(4)
    assert party.commit(transaction) == "committed" and depths(world, "jobs") == [1]
    world.pass_time(2)
    assert depths(world, "jobs") == [0] and world.node("jobs").expired == 1


# -- outcomes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
def test_outcomes_are_applied_at_the_commit(world, party, early):
    party.send("jobs", "a", "b", "c", "d", durable=True)
    party.receiver("jobs", 4)
    a, b, c, d = party.take()
    transaction = party.begin(early=early)
    transaction.accept(a.delivery)
    transaction.reject(b.delivery)
    transaction.release(c.delivery, delivered=False)
    transaction.release(d.delivery)
    world.quiet()
    assert world.node("jobs").acquired == 4
    assert party.commit(transaction) == "committed"
    party.receiver("jobs", 4)
    assert [(one.body, one.message.delivery_count) for one in party.inbox] == [("c", 0), ("d", 1)]
    node = world.node("jobs")
    assert (node.acknowledged, node.rejected, node.depth) == (1, 1, 2)
    for received in (a, b, c, d):
        assert received.delivery.fate and received.receiver.unsettled == 0


def test_annotations_of_an_outcome_are_merged_at_the_commit(world, party):
    party.send("jobs", "a", durable=True)
    receiver = party.receiver("jobs", 1)
    transaction = party.begin()
    transaction.update(party.take()[0].delivery, ModifiedDisposition(True, True, {symbol("x-opt-why"): "busy"}))
    world.quiet()
    assert party.commit(transaction) == "committed"
    receiver.flow(1)
    world.quiet()
    assert party.bodies() == [], "it is undeliverable here"
    party.receiver("jobs", 1)
    assert party.inbox[0].message.annotations == {symbol("x-opt-why"): "busy"}


def test_what_was_not_settled_stays_with_its_consumer_after_a_rollback(world, party):
    """[4.4.2]: the delivery is live, and remains acquired."""
    party.send("jobs", "a", durable=True)
    party.receiver("jobs", 1)
    received = party.take()[0]
    transaction = party.begin()
    transaction.update(received.delivery, ACCEPTED)
    world.quiet()
    assert party.abort(transaction) == "aborted"
    assert world.node("jobs").acquired == 1 and not received.delivery.settled
    second = party.begin()
    second.accept(received.delivery)
    world.quiet()
    assert party.commit(second) == "committed" and depths(world, "jobs") == [0]


def test_what_was_not_settled_can_be_accepted_outside_after_a_rollback(world, party):
    party.send("jobs", "a", durable=True)
    party.receiver("jobs", 1)
    received = party.take()[0]
    transaction = party.begin()
    transaction.update(received.delivery, ACCEPTED)
    world.quiet()
    party.abort(transaction)
    received.settle()
    world.quiet()
    assert depths(world, "jobs") == [0] and world.node("jobs").acknowledged == 1


def test_what_was_settled_comes_again_after_a_rollback(world, party):
    party.send("jobs", "a", durable=True)
    receiver = party.receiver("jobs", 1)
    transaction = party.begin(early=True)
    transaction.accept(party.take()[0].delivery)
    world.quiet()
    assert party.abort(transaction) == "aborted"
    receiver.flow(1)
    world.quiet()
    assert [(one.body, one.message.delivery_count) for one in party.inbox] == [("a", 1)]


def test_acknowledgements_stay_in_the_transaction_when_their_link_goes(world, party):
    party.send("jobs", "a", "b", durable=True)
    receiver = party.receiver("jobs", 2)
    a, _ = party.take()
    transaction = party.begin()
    transaction.accept(a.delivery)
    world.quiet()
    receiver.close()
    world.quiet()
    assert world.node("jobs").acquired == 1 and world.node("jobs").waiting == 1
    assert party.commit(transaction) == "committed"
    party.receiver("jobs", 2)
    assert party.bodies() == ["b"]


def test_acknowledgements_of_a_link_that_went_are_undone_by_a_rollback(world, party):
    party.send("jobs", "a", "b", durable=True)
    receiver = party.receiver("jobs", 2)
    a, _ = party.take()
    transaction = party.begin()
    transaction.accept(a.delivery)
    world.quiet()
    receiver.close()
    world.quiet()
    assert party.abort(transaction) == "aborted"
    party.receiver("jobs", 2)
    assert party.bodies() == ["a", "b"]


def test_an_outcome_can_be_changed_until_the_commit(world, party):
    party.send("jobs", "a")
    party.receiver("jobs", 1)
    delivery = party.take()[0].delivery
    transaction = party.begin()
    transaction.update(delivery, ACCEPTED)
    world.quiet()
    transaction.update(delivery, RELEASED)
    world.quiet()
    assert party.commit(transaction) == "committed"
    assert world.node("jobs").waiting == 1 and world.node("jobs").acknowledged == 0


def test_a_delivery_has_its_outcome_in_one_transaction(world, party):
    """[4.4.2]: the control link is ended."""
    party.send("jobs", "a")
    party.receiver("jobs", 1)
    delivery = party.take()[0].delivery
    first, second = party.begin(), party.begin()
    first.update(delivery, ACCEPTED)
    world.quiet()
    second.update(delivery, ACCEPTED)
    world.quiet()
    assert party.told[2:] == ["aborted", "aborted"]
    assert second.condition.name == "amqp:transaction:rollback"
    assert world.node("jobs").acquired == 1 and is_clean(world)


# -- rolled back without being asked -----------------------------------------------------------------------


def begun(party: Party) -> Any:
    """A transaction with a message and an acknowledgement in it."""
    party.send("in", "a", durable=True)
    party.receiver("in", 1)
    sender = party.sender("out")
    transaction = party.begin()
    transaction.accept(party.take()[0].delivery)
    party.post(transaction, sender, "b", durable=True)
    return transaction


ENDS = {
    "the connection is lost": lambda party, transaction: party.vanish(),
    "the connection is closed": lambda party, transaction: party.connection.close(),
    "the session is ended": lambda party, transaction: transaction.txn_ctrl.session.close(),
    "the control link is closed": lambda party, transaction: transaction.txn_ctrl.close(),
    "the control link is detached": lambda party, transaction: transaction.txn_ctrl.detach(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_it_is_rolled_back_with_its_control_link(world, party, end):
    transaction = begun(party)
    end(party, transaction)
    world.quiet()
    assert depths(world, "in", "out") == [1, 0] and is_clean(world)
    assert party.told == ["declared", "aborted"] and not transaction.active
    other = world.client()
    party.vanish()
    other.receiver("in", 1)
    assert other.bodies() == ["a"]


def test_it_is_rolled_back_when_it_takes_too_long():
    world = BrokerWorld(transaction_timeout=10)
    party = Party(world)
    transaction = begun(party)
    world.pass_time(9)
    assert world.node("in").acquired == 1 and len(world.broker.transactions) == 1
    world.pass_time(2)
    assert world.broker.transactions.bytes == 0 and depths(world, "in", "out") == [1, 0]
    [late] = party.post(transaction, party.sender("out"), "c")
    assert late.remote.outcome_type == REJECTED and party.outcomes[-1] == late.remote_state
    assert party.commit(transaction) == "commit failed: amqp:transaction:timeout"
    assert depths(world, "in", "out") == [1, 0] and is_clean(world)


def test_no_time_out(world):
    world = BrokerWorld(transaction_timeout=0)
    party = Party(world)
    transaction = begun(party)
    world.pass_time(1000)
    assert party.commit(transaction) == "committed"


def test_a_message_that_is_refused_makes_it_fail_as_a_whole():
    world = BrokerWorld(queues={"small": Policy(max_length=1, overflow="reject")})
    party = Party(world)
    small, other = party.sender("small"), party.sender("other")
    transaction = party.begin()
    party.post(transaction, other, "a")
    sent = party.post(transaction, small, "b", "c")
    assert [one.remote.outcome_type for one in sent] == [ACCEPTED, REJECTED], "the first has its place"
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"
    assert "resource-limit-exceeded" in transaction.condition.description
    assert depths(world, "small", "other") == [0, 0] and is_clean(world)
    second = party.begin()
    party.post(second, small, "d")
    assert party.commit(second) == "committed" and depths(world, "small") == [1]


def test_a_pre_settled_message_that_is_refused_makes_it_fail():
    world = BrokerWorld(queues={"small": Policy(max_length=1, overflow="reject")})
    party = Party(world)
    sender = party.sender("small", options=AtMostOnce())
    transaction = party.begin()
    party.post(transaction, sender, "b", "c")
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"
    assert depths(world, "small") == [0]


def test_a_queue_that_was_deleted_makes_it_fail(world, party):
    receiver = party.receiver(None, 1, dynamic=True)
    address = receiver.remote_source.address
    sender, other = party.sender(address), party.sender("other")
    transaction = party.begin()
    party.post(transaction, other, "a")
    party.post(transaction, sender, "b")
    receiver.close()
    world.quiet()
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"
    assert "was deleted" in transaction.condition.description
    assert depths(world, "other") == [0] and is_clean(world)


# -- limits ------------------------------------------------------------------------------------------------


def test_their_number_is_bounded():
    world = BrokerWorld(max_transactions=2)
    party = Party(world)
    first, _, third = party.begin(), party.begin(), party.begin()
    assert party.told == ["declared", "declared", "declare failed: amqp:resource-limit-exceeded"]
    party.commit(first)
    assert party.begin().active and not third.active


def test_the_bytes_of_their_messages_are_bounded():
    world = BrokerWorld(max_transaction_bytes=3000)
    party = Party(world)
    sender = party.sender("jobs")
    transaction, other = party.begin(), party.begin()
    sent = party.post(transaction, sender, b"x" * 1000, b"x" * 1000)
    assert [one.remote.outcome_type for one in sent] == [ACCEPTED, REJECTED]
    assert world.broker.transactions.bytes == 0, "it is rolled back at once"
    party.post(other, sender, b"y" * 1000)
    assert party.commit(other) == "committed"
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"
    assert depths(world, "jobs") == [1] and is_clean(world)


def test_messages_in_transactions_take_room_of_all_queues():
    world = BrokerWorld(max_total_bytes=20_000)
    party = Party(world)
    sender = party.sender("jobs")
    transaction = party.begin()
    party.post(transaction, sender, b"x" * 20_000)
    assert world.broker.pool.full and sender.credit < 10
    waits = [sender.send(Message("later")) for _ in range(20)]
    world.quiet()
    assert not all(one.settled for one in waits)
    party.abort(transaction)
    assert all(one.settled for one in waits) and is_clean(world)


# -- with a store ------------------------------------------------------------------------------------------


def test_a_commit_is_one_group_of_the_store_and_is_answered_when_it_is_written():
    store = Watched(MemoryStore())
    world = BrokerWorld(store=store)
    party = Party(world)
    party.send("in", "a", "b", "c", durable=True)
    party.receiver("in", 3)
    a, b, c = party.take()
    sender = party.sender("out")
    transaction = party.begin()
    transaction.accept(a.delivery)
    transaction.reject(b.delivery)
    transaction.release(c.delivery)
    party.post(transaction, sender, "d", "e", durable=True)
    store.commits.clear()
    seen: list[Any] = []
    inner = store.store.commit
    store.store.commit = lambda groups: (seen.append((list(party.told), depths(world, "in", "out"))), inner(groups))[1]
    assert party.commit(transaction) == "committed"
    [group] = store.commits[0]
    kinds = [type(change) for change in group if type(change) in (AddMessage, RemoveMessage, CountMessage)]
    assert sorted(kind.__name__ for kind in kinds) == ["AddMessage"] * 2 + ["CountMessage"] + ["RemoveMessage"] * 2
    assert seen[0] == (["declared"], [3, 0]), "nothing is done before it is written"


@pytest.mark.parametrize("full", [False, True])
def test_a_store_that_cannot_write_it_rolls_it_back(full):
    store = Watched(MemoryStore())
    world = BrokerWorld(store=store)
    party = Party(world)
    transaction = begun(party)
    store.refuse = StoreError("no room", full)
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"
    assert ("no room" in transaction.condition.description) == full
    assert depths(world, "in", "out") == [1, 0] and is_clean(world)
    store.refuse = None
    world.pass_time(10)
    assert depths(world, "in", "out") == [1, 0], "nothing of it is tried again"
    party.vanish()
    world.crash()
    world.start()
    other = world.client()
    other.receiver("in", 1)
    assert other.bodies() == ["a"] and depths(world, "out") == [0]


def test_a_client_that_leaves_in_one_breath_with_its_commit_has_committed():
    store = MemoryStore()
    world = BrokerWorld(store=store)
    party = Party(world)
    transaction = begun(party)
    transaction.commit()
    transaction.txn_ctrl.close()
    party.connection.close()
    world.quiet()
    assert depths(world, "in", "out") == [0, 1] and is_clean(world)


# -- everything can be cut at any moment -------------------------------------------------------------------


def transfer(world: BrokerWorld, party: Party, commits: bool, moments: int) -> bool:
    """Begin to move a message from "in" to "out", and stop after so many turns. Returns whether it was done."""
    transaction: Any = None
    sender = receiver = None
    party.on_transaction_declared = lambda event: move(event.transaction)

    def move(transaction: Any) -> None:
        transaction.accept(party.inbox[0].delivery)
        transaction.send(sender, Message(party.inbox[0].body, durable=True))
        (transaction.commit if commits else transaction.abort)()

    def arrived(event: Any) -> None:
        Party.on_message(party, event)
        party.container.declare_transaction(party.connection, party)

    party.on_message = arrived
    sender = party.container.create_sender(party.connection, "out")
    receiver = party.container.create_receiver(party.connection, "in")
    receiver.flow(1)
    for _ in range(moments):
        if world.stepper.round() is not None:
            return transaction is None
    return False


@pytest.mark.parametrize("crash", [False, True], ids=["the connection is cut", "the broker is killed"])
@pytest.mark.parametrize("commits", [True, False])
def test_a_transfer_that_is_cut_at_any_moment_is_whole(tmp_path, commits, crash):
    seen = set()
    for moments in range(200):
        path = tmp_path / f"{moments}"
        world = BrokerWorld(store=SqliteStore(path))
        world.client().send("in", "a", durable=True)
        party = Party(world)
        done = transfer(world, party, commits, moments)
        told = list(party.told)
        if crash:
            world.crash()
            world.options["store"] = SqliteStore(path)
            world.start()
        else:
            party.vanish()
        there = depths(world, "in", "out")
        assert there in ([1, 0], [0, 1]), f"after {moments} turns: {there}"
        if "committed" in told:
            assert there == [0, 1]
        if "aborted" in told or not commits:
            assert there == [1, 0]
        assert is_clean(world) and world.broker.internal_errors == 0
        seen.add((tuple(there), "committed" in told))
        world.broker.close()
        if done:
            break
    else:
        raise AssertionError("it never gets done")
    assert moments > 6
    assert len(seen) >= (2 if commits else 1)


# -- the wrong id, and states that are none ----------------------------------------------------------------


def test_a_discharge_of_an_unknown_id(world, party):
    transaction = party.begin()
    transaction.id = b"unknown"
    assert party.commit(transaction) == "commit failed: amqp:transaction:unknown-id"


def test_a_transaction_is_of_its_connection(world, party):
    other = Party(world, "other")
    theirs, ours = other.begin(), party.begin()
    ours.id = theirs.id
    [sent] = party.post(ours, party.sender("jobs"), "a")
    assert sent.remote_state == REJECTED and sent.remote.condition.name == "amqp:transaction:unknown-id"
    assert other.commit(theirs) == "committed" and depths(world, "jobs") == [0]


def test_a_pre_settled_message_with_an_unknown_id_ends_its_link(world, party):
    transaction = party.begin()
    transaction.id = b"unknown"
    party.post(transaction, party.sender("jobs", options=AtMostOnce()), "a")
    assert party.errors == ["amqp:transaction:unknown-id"] and depths(world, "jobs") == [0]


@pytest.mark.parametrize("settled", [False, True])
def test_an_outcome_with_an_unknown_id_ends_its_link(world, settled):
    client, other = world.client(), world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 1)
    received = client.take()[0]
    received.delivery.update(TransactionalDisposition(b"txn", ACCEPTED))
    if settled:
        received.delivery.settle()
    world.quiet()
    assert client.errors == ["amqp:transaction:unknown-id"]
    other.receiver("jobs", 1)
    assert other.bodies() == ["a"]


STATES = {
    "without an id": [],
    "with null": [None],
    "with a text": ["txn"],
    "with a list": [[1]],
    "with a map": [{"a": 1}],
}


@pytest.mark.parametrize("fields", STATES.values(), ids=STATES)
@pytest.mark.parametrize("settled", [False, True])
def test_a_message_with_a_state_that_is_none_is_none(world, fields, settled):
    """What cannot be a performative ends its connection, and nothing else."""
    client = Bare(world)
    client.say(attach(role=False))
    payload, state = bytes(Message("a").encode()), Described(ulong(0x34), fields)
    head = {"handle": 0, "delivery_id": 0, "delivery_tag": b"0", "settled": settled}
    client.say(frame("transfer", payload=payload, state=state, **head))
    assert client.names()[-1] in ("close", "detach") and depths(world, "jobs") == [0]


OUTCOMES = {
    "without an outcome": None,
    "received": Described(ulong(0x23), [0, 0]),
    "in another transaction": Described(ulong(0x34), [b"x"]),
    "of an unknown name": Described(symbol("a:b"), []),
}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_an_outcome_that_is_none_ends_only_its_link(world, party, outcome):
    party.send("jobs", "a")
    party.receiver("jobs", 1)
    delivery = party.take()[0].delivery
    transaction = party.begin()
    state = TransactionalDisposition(transaction.id)
    state.data = [transaction.id, outcome]
    delivery.update(state)
    world.quiet()
    assert party.errors == ["amqp:invalid-field"] and world.node("jobs").waiting == 1
    assert party.commit(transaction) == "committed"


def test_an_outcome_by_its_name(world, party):
    party.send("jobs", "a")
    party.receiver("jobs", 1)
    delivery = party.take()[0].delivery
    transaction = party.begin()
    state = TransactionalDisposition(transaction.id)
    state.data = [transaction.id, Described(symbol("amqp:accepted:list"), [])]
    delivery.update(state)
    world.quiet()
    assert party.commit(transaction) == "committed" and depths(world, "jobs") == [0]


def test_a_flow_in_a_transaction_ends_its_link(world, party):
    """[4.4.3]: messages are not acquired in transactions here."""
    client = Bare(world)
    client.say(attach())
    windows = {"next_incoming_id": 0, "incoming_window": 100, "next_outgoing_id": 0, "outgoing_window": 100}
    flow = frame("flow", handle=0, delivery_count=0, link_credit=1, properties={symbol("txn-id"): b"x"}, **windows)
    answers = client.say(flow)
    assert answers[-1].name == "detach" and answers[-1].error == "amqp:not-implemented"


# -- the coordinator, by hand ------------------------------------------------------------------------------


class Control(Bare):
    """A client by hand, with a control link."""

    def __init__(self, world: BrokerWorld, outcomes: Any = None) -> None:
        super().__init__(world)
        wanted = Described(ulong(0x30), [symbol("amqp:local-transactions")])
        outcomes = None if outcomes is None else Array(UNDESCRIBED, Data.SYMBOL, *outcomes)
        start = source(None, *[None] * 8, outcomes) if outcomes else source()
        self.number = 0
        answers = self.say(
            frame("attach", name="c", handle=0, role=False, source=start, target=wanted, initial_delivery_count=0)
        )
        self.attached = next(answer for answer in answers if answer.name == "attach")

    def tell(self, body: Any, settled: bool = False, **fields: Any) -> Any:
        """One message; the last frame that was answered."""
        payload = body if isinstance(body, bytes) else bytes(Message(body).encode())
        self.number += 1
        head = {"handle": 0, "delivery_id": self.number - 1, "delivery_tag": b"%d" % self.number, "settled": settled}
        return self.say(frame("transfer", payload=payload, **{**head, **fields}))[-1]

    def declare(self) -> bytes:
        answer = self.tell(Described(ulong(0x31), []))
        assert answer.name == "disposition" and answer.settled and answer.state.descriptor == 0x33
        id: bytes = answer.state.value[0]
        return id


def test_the_capabilities_that_it_has_are_in_the_answer(world):
    answer = Control(world).attached
    assert answer.target.descriptor == 0x30
    wanted = ["amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn"]
    assert list(answer.target.value[0]) == wanted


@pytest.mark.parametrize("declare", [ulong(0x31), symbol("amqp:declare:list")], ids=repr)
@pytest.mark.parametrize("discharge", [ulong(0x32), symbol("amqp:discharge:list")], ids=repr)
def test_declare_and_discharge_by_code_and_by_name(world, declare, discharge):
    control = Control(world)
    answer = control.tell(Described(declare, [None]))
    assert answer.state.descriptor == 0x33 and answer.settled
    answer = control.tell(Described(discharge, [answer.state.value[0]]))
    assert answer.state.descriptor == ACCEPTED and answer.settled


def test_a_global_id_is_refused(world):
    answer = Control(world).tell(Described(ulong(0x31), [b"xa"]))
    assert answer.state.descriptor == REJECTED and answer.state.value[0].value[0] == "amqp:not-implemented"


@pytest.mark.parametrize("body", ["hello", Described(ulong(0x99), []), Described(ulong(0x31), "x"), None], ids=repr)
def test_another_message_ends_the_link(world, body):
    control = Control(world)
    answer = control.tell(body)
    assert answer.name == "detach" and answer.error == "amqp:invalid-field"


def test_what_is_no_message_ends_the_link(world):
    answer = Control(world).tell(b"\xff\xff")
    assert answer.name == "detach" and answer.error == "amqp:decode-error"


def test_a_declaration_that_was_sent_settled_ends_the_link(world):
    answer = Control(world).tell(Described(ulong(0x31), []), settled=True)
    assert answer.name == "detach" and answer.error == "amqp:not-allowed"


def test_a_controller_that_does_not_know_rejected_gets_the_reason_by_a_detach(world):
    """[4.2], [4.3]"""
    control = Control(world, [symbol("amqp:accepted:list")])
    answer = control.tell(Described(ulong(0x32), [b"unknown", False]))
    assert answer.name == "detach" and answer.error == "amqp:transaction:unknown-id"


def test_a_discharge_with_a_message_that_has_come_in_part_ends_the_link(world):
    """[4.4.1]"""
    control = Control(world)
    id = control.declare()
    control.say(attach(1, role=False))
    state, payload = Described(ulong(0x34), [id]), bytes(Message(b"x" * 100).encode())
    part = {"handle": 1, "delivery_id": 1, "delivery_tag": b"p", "more": True, "state": state}
    control.say(frame("transfer", payload=payload[:50], **part))
    control.number = 2
    answer = control.tell(Described(ulong(0x32), [id, False]))
    assert answer.name == "detach" and answer.error == "amqp:transaction:rollback"
    assert is_clean(world)
    answer = control.say(frame("transfer", payload=payload[50:], handle=1, state=state))[-1]
    assert answer.name == "disposition" and answer.state.descriptor == REJECTED and depths(world, "jobs") == [0]


def test_a_message_that_was_given_up_half_way_does_not_matter(world):
    control = Control(world)
    id = control.declare()
    control.say(attach(1, role=False))
    state, payload = Described(ulong(0x34), [id]), bytes(Message(b"x" * 100).encode())
    part = {"handle": 1, "delivery_id": 1, "delivery_tag": b"p", "more": True, "state": state}
    control.say(frame("transfer", payload=payload[:50], **part))
    control.say(frame("transfer", handle=1, state=state, aborted=True))
    control.number = 2
    answer = control.tell(Described(ulong(0x32), [id, False]))
    assert answer.name == "disposition" and answer.state.descriptor == ACCEPTED


def test_an_id_is_not_used_again_after_a_restart(tmp_path):
    world = BrokerWorld(store=SqliteStore(tmp_path / "store"))
    first = Party(world).begin().id
    world.crash()
    world.options["store"] = SqliteStore(tmp_path / "store")
    world.start()
    assert Party(world).begin().id != first
    world.broker.close()



# -- with other properties of queues -----------------------------------------------------------------------


@pytest.mark.parametrize("durable", [False, True])
def test_ids_are_remembered_at_the_commit(durable):
    store = Watched(MemoryStore())
    world = BrokerWorld(store=store, queues={"jobs": Policy(duplicate_window=10)})
    party = Party(world)
    sender = party.sender("jobs")
    first, second = party.begin(), party.begin()
    party.post(first, sender, "a", id="1", durable=durable)
    party.post(second, sender, "b", id="2", durable=durable)
    party.send("jobs", "outside", id="1", durable=durable)
    assert party.abort(second) == "aborted"
    assert party.commit(first) == "committed", "what came meanwhile makes it a duplicate"
    third = party.begin()
    party.post(third, sender, "again", id="1", durable=durable)
    party.post(third, sender, "c", "d", id="2", durable=durable)
    store.refuse = StoreError("no")
    if durable:
        assert party.commit(third) == "commit failed: amqp:transaction:rollback"
        third = party.begin()
        party.post(third, sender, "c", "d", id="2", durable=durable)
    store.refuse = None
    assert party.commit(third) == "committed" and is_clean(world)
    party.receiver("jobs", 10)
    assert party.bodies() == ["outside", "c"]


def test_a_delayed_message_is_due_at_its_time(world, party):
    sender = party.sender("jobs")
    transaction = party.begin()
    when = int((world.broker.today() + 10) * 1000)
    party.post(transaction, sender, "a", annotations={symbol("x-opt-delivery-time"): when}, durable=True)
    assert party.commit(transaction) == "committed"
    receiver = party.receiver("jobs", 1)
    assert party.bodies() == []
    world.pass_time(11)
    assert party.bodies(receiver) == ["a"]


def test_a_rejection_in_a_transaction_makes_a_dead_letter(tmp_path):
    world = BrokerWorld(store=SqliteStore(tmp_path / "store"), queues={"jobs": Policy(dead_letter="dead")})
    party = Party(world)
    party.send("jobs", "a", "b", durable=True)
    party.receiver("jobs", 2)
    transaction = party.begin()
    a, b = party.take()
    transaction.reject(a.delivery)
    transaction.accept(b.delivery)
    world.quiet()
    assert party.commit(transaction) == "committed"
    assert depths(world, "jobs", "dead") == [0, 1]
    world.crash()
    world.options["store"] = SqliteStore(tmp_path / "store")
    world.start()
    assert depths(world, "jobs", "dead") == [0, 1]
    world.broker.close()


def rejected_in(world, party, *others):
    """A transaction with a rejection of the first message of `jobs`, and these messages to `other`."""
    party.receiver("jobs", 1)
    transaction = party.begin()
    [taken] = party.take()
    transaction.reject(taken.delivery)
    if others:
        party.post(transaction, party.sender("other"), *others, durable=True)
    world.quiet()
    return transaction


def test_a_dead_letter_of_a_transaction_is_in_its_group():
    store = Watched(MemoryStore())
    world = BrokerWorld(store=store, queues={"jobs": Policy(dead_letter="dead")})
    party = Party(world)
    party.send("jobs", "a", durable=True)
    transaction = rejected_in(world, party, "b")
    store.commits.clear()
    assert party.commit(transaction) == "committed"
    [[group]] = store.commits
    nodes = [change.name for change in group if isinstance(change, AddNode)]
    added = [change for change in group if isinstance(change, AddMessage)]
    removed = [change for change in group if isinstance(change, RemoveMessage)]
    assert (sorted(nodes), len(added), len(removed)) == (["dead", "other"], 2, 1)
    assert depths(world, "jobs", "dead", "other") == [0, 1, 1]
    assert (world.node("jobs").dead_lettered, world.node("jobs").rejected) == (1, 1)
    world.crash()
    world.start()
    assert depths(world, "jobs", "dead", "other") == [0, 1, 1]
    [letter] = Party(world).take_from("dead")
    assert letter.message.annotations["x-first-death-reason"] == "rejected" and letter.body == "a"


def test_a_dead_letter_that_cannot_be_written_rolls_back_its_transaction():
    store = Watched(MemoryStore())
    world = BrokerWorld(store=store, queues={"jobs": Policy(dead_letter="dead")})
    party = Party(world)
    party.send("jobs", "a", durable=True)
    transaction = rejected_in(world, party)
    store.refuse = StoreError("no room", full=True)
    assert party.commit(transaction).startswith("commit failed: amqp:transaction:rollback")
    assert depths(world, "jobs", "dead") == [1, 0] and world.node("jobs").dead_lettered == 0
    store.refuse = None
    world.crash()
    world.start()
    assert depths(world, "jobs", "dead") == [1, 0]


def test_a_dead_letter_that_its_address_does_not_take_goes_with_the_commit():
    store = Watched(MemoryStore())
    policies = {"jobs": Policy(dead_letter="dead"), "dead": Policy(max_length=1, overflow="reject")}
    world = BrokerWorld(store=store, queues=policies)
    party = Party(world)
    party.send("dead", "full", durable=True)
    party.send("jobs", "a", durable=True)
    assert party.commit(rejected_in(world, party)) == "committed"
    assert depths(world, "jobs", "dead") == [0, 1] and world.node("jobs").undelivered == 1
    world.crash()
    world.start()
    assert depths(world, "jobs", "dead") == [0, 1]


@pytest.mark.parametrize("durable", [True, False])
def test_a_dead_letter_for_a_queue_in_memory_leaves_the_store_with_the_commit(durable):
    policies = {"jobs": Policy(dead_letter="dead"), "dead": Policy(durable=False)}
    world = BrokerWorld(store=MemoryStore(), queues=policies)
    party = Party(world)
    party.send("jobs", "a", durable=durable)
    assert party.commit(rejected_in(world, party)) == "committed"
    assert depths(world, "jobs", "dead") == [0, 1] and world.node("jobs").dead_lettered == 1
    world.crash()
    world.start()
    assert depths(world, "jobs", "dead") == [0, 0]


def test_they_are_counted(world, party):
    sender = party.sender("jobs")
    first, second, third = party.begin(), party.begin(), party.begin()
    party.post(first, sender, "a", durable=True)
    assert world.broker.overview().transactions == 3
    party.commit(first)
    party.commit(second)
    party.abort(third)
    numbers = world.broker.overview()
    assert (numbers.transactions, numbers.committed, numbers.rolled_back) == (0, 2, 1)
