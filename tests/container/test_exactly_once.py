"""ExactlyOnce(): peers that cannot resume, the store of the client, and mistakes."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import (
    AtLeastOnce,
    Container,
    Described,
    ExactlyOnce,
    LocalProtocolError,
    Message,
    UnsettledError,
    UnsettledFile,
    UnsettledMemory,
    ulong,
)
from reactor.container.unsettled.changes import Kept, Met, Sent, Settled, Taken
from reactor.simulation import World, composite
from tests.support.exact import SOON
from tests.support.stage import Stage, Witness

URL = "amqp://peer:5672"


class Client(Witness):
    """Has one link with ExactlyOnce(), and notes why it is closed."""

    def __init__(
        self, sends: bool, store: Any = None, reconnect: Any = False, auto_accept: bool = True, **options: Any
    ) -> None:
        methods: dict[str, Any] = {"on_link_error": self.note, "on_session_error": self.note}
        super().__init__(auto_accept=auto_accept, on_start=self.start, on_transport_error=self.lost, **methods)
        self.sends = sends
        self.options = ExactlyOnce(store, **options)
        self.reconnect = reconnect
        self.reasons: list[str] = []

    def start(self, event: Any) -> None:
        self.connection = event.container.connect(URL, reconnect=self.reconnect)
        make = event.container.create_sender if self.sends else event.container.create_receiver
        self.link = make(self.connection, "jobs", name="link", options=self.options)
        if self.sends:
            self.link.send(Message("work"))

    def note(self, event: Any) -> None:
        self.reasons.append(event.context.remote_condition.text)

    def lost(self, event: Any) -> None:
        pass


def attach(peer: Any, sends: bool, mode: int, expiry: Any = "never", **fields: Any) -> Any:
    """The peer answers the attach of the client, with a terminus of its own making."""
    terminus = composite("target" if sends else "source", address="jobs", expiry_policy=expiry)
    other = composite("source" if sends else "target")
    answer = {"target": terminus, "source": other} if sends else {"source": terminus, "target": other}
    count = None if sends else 0
    return peer.expect("attach").answer(
        "attach", name="link", handle=0, role=sends, rcv_settle_mode=mode, initial_delivery_count=count,
        **answer, **fields,
    )  # fmt: skip


# -- peers that cannot -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("expiry", ["never", None])
def test_a_peer_that_answers_with_the_mode_first_is_refused_before_a_message_has_left(sends: bool, expiry: Any) -> None:
    """ActiveMQ, Artemis and qpidd do; they leave the expiry policy out, too."""
    with World(seed=1) as world:
        peer = attach(world.peer("peer:5672").ignore("flow").open().begin(), sends, 0, expiry)
        if sends:
            peer.say("flow", handle=0, link_credit=10, next_incoming_id=0, incoming_window=100,
                     next_outgoing_id=0, outgoing_window=100)  # fmt: skip
        peer.expect("detach", closed=True, error=composite("error", condition="amqp:not-implemented"))
        client = world.start(Client, sends, name="client")
        world.run_until(lambda: peer.done, limit=10)
        [reason] = client.handler.reasons
        assert "does not apply the settle mode second of receivers" in reason and "AtLeastOnce()" in reason
        assert ("expiry policy never" in reason) == (expiry is None)
        assert not [frame for frame in peer.heard if frame.performative == "transfer"]
        assert client.handler.count("on_in_doubt") == sends


def test_a_peer_that_ends_the_session_for_the_mode_second_says_so() -> None:
    """RabbitMQ does."""
    error = composite("error", condition="amqp:not-implemented", description="rcv-settle-mode second not supported")
    with World(seed=1) as world:
        peer = world.peer("peer:5672").ignore("flow").open().begin().expect("attach", rcv_settle_mode=1)
        peer.say("end", error=error).expect("end")
        client = world.start(Client, True, name="client")
        world.run_until(lambda: peer.done, limit=10)
        world.settle()
        assert client.handler.reasons
        assert all("rcv-settle-mode second not supported" in reason for reason in client.handler.reasons)


@pytest.mark.parametrize("strict", [False, True])
def test_a_peer_that_does_not_outlive_its_restart_is_taken_unless_strict(strict: bool) -> None:
    with World(seed=1) as world:
        peer = attach(world.peer("peer:5672").ignore("flow").open().begin(), True, 1)
        if strict:
            peer.expect("detach", error=composite("error", condition="amqp:not-implemented"))
        client = world.start(Client, True, None, strict=strict, name="client")
        world.run_until(lambda: peer.done, limit=10)
        world.settle()
        assert len(client.handler.reasons) == strict


@pytest.mark.parametrize("sends", [True, False])
def test_a_peer_that_has_forgotten_the_link_leaves_its_deliveries_in_doubt(sends: bool) -> None:
    """Its map is null, although it had attached the link before."""
    store = UnsettledMemory()
    key = ("to" if sends else "from") + " client link"
    store.add(Met(key))
    store.add(Sent(key, b"7", Message("old").encode(), 7) if sends else Taken(key, b"7", b"\x00\x53\x24\x45"))
    with World(seed=1) as world:
        peer = attach(world.peer("peer:5672").ignore("flow").open().begin(), sends, 1)
        peer.expect("detach", closed=True, error=composite("error", condition="amqp-reactor:forgotten"))
        client = world.start(Client, sends, store, name="client", options={"container_id": "client"})
        world.run_until(lambda: peer.done, limit=10)
        [reason] = client.handler.reasons
        assert f"store.forget({key!r})" in reason and "1 of its deliveries" in reason
        assert not [frame for frame in peer.heard if frame.performative == "transfer"]
    assert key in store.links(), "it is for the application to decide"
    store.forget(key)
    assert store.links() == [] and store.load(key) == Kept(False, 0, {}, {})


# -- the table of 2.6.13, frame by frame -----------------------------------------------------------------------


def test_a_sender_resumes_settles_or_sends_anew_by_the_map_of_the_receiver() -> None:
    store = UnsettledMemory()
    key = "to client link"
    store.add(Met(key))
    for number in range(1, 5):
        store.add(Sent(key, b"%d" % number, Message(number).encode(), number))
    states = {b"1": Described(ulong(0x24), []), b"2": Described(ulong(0x25), []), b"3": None, b"9": None}
    with World(seed=1) as world:
        peer = world.peer("peer:5672").ignore("flow").open().begin()
        attach(peer, True, 1, unsettled=states)
        peer.say("flow", handle=0, link_credit=10, next_incoming_id=0, incoming_window=100,
                 next_outgoing_id=0, outgoing_window=100)  # fmt: skip
        peer.expect("transfer", delivery_tag=b"1", resume=True, settled=True, state=composite("accepted"), payload=b"")
        peer.expect("transfer", delivery_tag=b"2", resume=True, settled=True, state=composite("rejected"), payload=b"")
        peer.expect("transfer", delivery_tag=b"3", resume=True, settled=False, payload=Message(3).encode())
        peer.expect("transfer", delivery_tag=b"4", resume=None, settled=False, payload=Message(4).encode())
        peer.expect("transfer", delivery_tag=b"5", resume=None, payload=Message("work").encode())
        client = world.start(Client, True, store, name="client", options={"container_id": "client"})
        world.run_until(lambda: peer.done, limit=10)
        attached = next(frame for frame in peer.heard if frame.performative == "attach")
        assert set(attached.unsettled) == {b"1", b"2", b"3", b"4"}, "that which has not left is no secret to be shown"
        assert client.handler.count("on_accepted") == client.handler.count("on_rejected") == 1
        assert list(store.load(key).sent) == [b"3", b"4", b"5"]


def test_a_receiver_gives_its_outcome_again_and_forgets_what_the_sender_has_settled() -> None:
    store = UnsettledMemory()
    key = "from client link"
    store.add(Met(key))
    for tag in (b"1", b"2", b"3"):
        store.add(Taken(key, tag, b"\x00\x53\x24\x45"))
    accepted = composite("accepted")
    with World(seed=1) as world:
        peer = world.peer("peer:5672").ignore("flow").open().begin()
        attach(peer, False, 1, unsettled={b"1": None, b"2": None})
        peer.say("transfer", handle=0, delivery_id=0, delivery_tag=b"1", resume=True, payload=Message("x").encode())
        peer.say("transfer", handle=0, delivery_id=1, delivery_tag=b"2", resume=True, settled=True, state=accepted)
        peer.say("transfer", handle=0, delivery_id=2, delivery_tag=b"8", resume=True, payload=Message("y").encode())
        peer.say("transfer", handle=0, delivery_id=3, delivery_tag=b"4", payload=Message("new").encode())
        peer.expect("disposition", role=True, first=0, settled=False, state=accepted)
        peer.expect("disposition", role=True, first=3, settled=False, state=accepted)
        peer.say("disposition", role=False, first=0, last=3, settled=True)
        client = world.start(Client, False, store, name="client", options={"container_id": "client"})
        world.run_until(lambda: peer.done, limit=10)
        world.settle()
        assert [event.message.body for event in client.handler.events["on_message"]] == ["new"]
        store.commit()
        assert store.links() == []


def test_a_delivery_without_an_outcome_can_be_accepted_when_the_connection_is_back() -> None:
    accepted = composite("accepted")
    payload = Message("slow").encode()
    with World(seed=1) as world:
        peer = world.peer("peer:5672").ignore("flow").open().begin()
        attach(peer, False, 1)
        peer.say("transfer", handle=0, delivery_id=0, delivery_tag=b"1", payload=payload).pause(1.0).cut()
        peer.open().begin()
        attach(peer, False, 1, unsettled={b"1": None})
        peer.say("transfer", handle=0, delivery_id=5, delivery_tag=b"1", resume=True, payload=payload)
        peer.expect("disposition", role=True, first=5, settled=False, state=accepted)
        client = world.start(Client, False, None, SOON, auto_accept=False, name="client")
        world.run_until(lambda: len([f for f in peer.heard if f.performative == "attach"]) == 2, limit=10)
        world.settle()
        assert client.handler.count("on_message") == 1
        client.handler.last("on_message").delivery.accept()
        world.run_until(lambda: peer.done, limit=10)


# -- maps that do not fit a frame [2.7.3 incomplete-unsettled] --------------------------------------------------


@pytest.mark.parametrize("sends", [True, False])
def test_a_link_whose_peer_has_an_incomplete_map_is_closed_with_the_reason(sends: bool) -> None:
    """Nothing new may be sent to such a receiver, and what is not in its map is not known."""
    with World(seed=1) as world:
        peer = attach(world.peer("peer:5672").ignore("flow").open().begin(), sends, 1, incomplete_unsettled=True)
        if sends:
            peer.say("flow", handle=0, link_credit=10, next_incoming_id=0, incoming_window=100,
                     next_outgoing_id=0, outgoing_window=100)  # fmt: skip
        peer.expect("detach", closed=True, error=composite("error", condition="amqp:not-implemented"))
        client = world.start(Client, sends, name="client")
        world.run_until(lambda: peer.done, limit=10)
        [reason] = client.handler.reasons
        assert "a map of all unsettled deliveries, which is too large for its frames," in reason
        assert "ExactlyOnce() needs" in reason
        assert not [frame for frame in peer.heard if frame.performative == "transfer"]


def test_a_receiver_whose_own_map_does_not_fit_is_closed_with_the_reason_and_keeps_its_outcomes() -> None:
    store = UnsettledMemory()
    key = "from client link"
    store.add(Met(key))
    for number in range(100):
        store.add(Taken(key, b"%d" % number, b"\x00\x53\x24\x45"))
    with World(seed=1) as world:
        peer = world.peer("peer:5672").ignore("flow").open(max_frame_size=512).begin()
        attach(peer, False, 1, unsettled={})
        peer.expect("detach", closed=True, error=composite("error", condition="amqp:not-implemented"))
        client = world.start(Client, False, store, name="client", options={"container_id": "client"})
        world.run_until(lambda: peer.done, limit=10)
        attached = next(frame for frame in peer.heard if frame.performative == "attach")
        assert attached.incomplete_unsettled is True and 0 < len(attached.unsettled) < 100
        [reason] = client.handler.reasons
        assert "a map of all unsettled deliveries, which is too large for its frames," in reason
    assert len(store.load(key).taken) == 100


def test_a_sender_whose_own_map_does_not_fit_resumes_what_the_receiver_has_in_its_map() -> None:
    store = UnsettledMemory()
    key = "to client link"
    store.add(Met(key))
    for number in range(1, 101):
        store.add(Sent(key, b"%d" % number, Message(number).encode(), number))
    accepted = {b"%d" % number: Described(ulong(0x24), []) for number in range(2, 101)}
    with World(seed=1) as world:
        peer = world.peer("peer:5672").ignore("flow").open(max_frame_size=512).begin()
        attach(peer, True, 1, unsettled=accepted)
        peer.say("flow", handle=0, link_credit=200, next_incoming_id=0, incoming_window=500,
                 next_outgoing_id=0, outgoing_window=500)  # fmt: skip
        peer.expect("transfer", delivery_tag=b"1", resume=None, settled=False, payload=Message(1).encode())
        for number in range(2, 101):
            peer.expect("transfer", delivery_tag=b"%d" % number, resume=True, settled=True, payload=b"")
        peer.expect("transfer", delivery_tag=b"101", resume=None, payload=Message("work").encode())
        client = world.start(Client, True, store, name="client", options={"container_id": "client"})
        world.run_until(lambda: peer.done, limit=10)
        attached = next(frame for frame in peer.heard if frame.performative == "attach")
        assert attached.incomplete_unsettled is True and 0 < len(attached.unsettled) < 100
        assert client.handler.reasons == [] and client.handler.count("on_accepted") == 99
        assert list(store.load(key).sent) == [b"1", b"101"]


# -- bounds ----------------------------------------------------------------------------------------------------


def test_a_receiver_has_at_most_1000_deliveries_that_the_sender_has_not_settled() -> None:
    """They have their outcomes. Credit for another one is given when the sender settles."""
    payload = Message("x").encode()
    with World(seed=1) as world:
        peer = attach(world.peer("peer:5672").ignore("flow", "disposition").open().begin(), False, 1)
        for number in range(1000):
            peer.say("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, payload=payload)
        client = world.start(Client, False, name="client")
        world.run_until(lambda: client.handler.count("on_message") == 1000, limit=10)
        world.settle()
        link = client.handler.link
        assert (link.credit, len(link.ledger.deliveries)) == (0, 1000)
        peer.say("disposition", role=False, first=0, last=2, settled=True)
        world.run_until(lambda: peer.done, limit=10)
        world.settle()
        assert (link.credit, len(link.ledger.deliveries)) == (3, 997)
        assert client.handler.reasons == []


# -- the store -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "file"])
def store(request: Any, tmp_path: Any) -> Any:
    made = UnsettledMemory() if request.param == "memory" else UnsettledFile(tmp_path / "store")
    yield made
    made.close()


def test_a_store_keeps_what_was_committed_and_only_that(store: Any) -> None:
    for change in (Met("a"), Sent("a", b"1", b"x", 1), Sent("a", b"2", b"y", 2), Taken("b", b"1", b"s")):
        store.add(change)
    store.note("next", "3")
    assert store.noted("next") == "3" and store.links() == []
    store.commit()
    assert store.load("a") == Kept(True, 2, {b"1": b"x", b"2": b"y"}, {})
    assert store.load("b").taken == {b"1": b"s"} and sorted(store.links()) == ["a", "b"]
    store.add(Settled("a", b"1"))
    store.note("next", None)
    assert store.noted("next") is None
    store.roll_back()
    assert store.noted("next") == "3" and list(store.load("a").sent) == [b"1", b"2"]
    store.add(Settled("a", b"1"))
    store.add(Settled("a", b"2"))
    store.note("next", None)
    store.commit()
    assert store.load("a") == Kept(True, 2, {}, {}) and store.links() == ["b"] and store.noted("next") is None
    store.forget("b")
    assert store.links() == []
    with pytest.raises(TypeError, match=r"a note is a str, not 3: json.dumps"):
        store.note("next", 3)


def test_a_file_is_found_again_and_held_by_one_program_alone(tmp_path: Any) -> None:
    path = tmp_path / "store"
    with UnsettledFile(path) as store:
        store.add(Sent("a", b"1", b"x", 1))
        store.note("n", "1")
        with pytest.raises(UnsettledError, match="open elsewhere"):
            UnsettledFile(path)
    with UnsettledFile(path) as store:
        assert store.load("a").sent == {b"1": b"x"} and store.noted("n") == "1"
    with pytest.raises(UnsettledError, match="is closed"):
        store.load("a")


def test_a_file_that_is_no_store_is_damaged_or_of_a_later_release_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "store"
    path.write_bytes(b"no database, but long enough to be looked at as if it were one " * 20)
    with pytest.raises(UnsettledError, match="damaged, or no store"):
        UnsettledFile(path)
    path.unlink()
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE other (x)")
    base.commit()
    base.close()
    with pytest.raises(UnsettledError, match="file of another program"):
        UnsettledFile(path)
    path.unlink()
    UnsettledFile(path).close()
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(UnsettledError, match="later release"):
        UnsettledFile(path)
    with pytest.raises(UnsettledError, match=r"[uU]nable to open|[cC]ould not open"):
        UnsettledFile(tmp_path / "nowhere" / "store")


def test_nothing_is_written_when_the_store_cannot_keep_it() -> None:
    class Full(UnsettledMemory):
        def commit(self) -> None:
            if any(isinstance(change, Sent) for change in self._pending):
                raise UnsettledError("the disk is full")
            super().commit()

    stage = Stage()
    container = stage.container(Witness())
    connection = container.connect(stage.url, reconnect=False)
    connection.open()
    sender = container.create_sender(connection, "jobs", name="link", options=ExactlyOnce(Full()))
    sender.send(Message("work"))
    with pytest.raises(UnsettledError, match="the disk is full"):
        stage.run()
    assert stage.server.count("on_message") == 0


# -- mistakes --------------------------------------------------------------------------------------------------


@pytest.fixture
def linked() -> Any:
    stage = Stage()
    container, connection = stage.connect()
    return container, connection


def test_the_wrong_settings_are_refused_by_name(linked: Any) -> None:
    container, connection = linked
    with pytest.raises(TypeError, match=r"store is an UnsettledMemory\(\) or an UnsettledFile\(path\), not 'a.file'"):
        ExactlyOnce("a.file")  # type: ignore[arg-type]
    for timeout in (0, 1.5, True):
        with pytest.raises(ValueError, match="timeout is a whole number of seconds"):
            ExactlyOnce(timeout=timeout)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"ExactlyOnce\(\) waits for each outcome, and has no use for a send_timeout"):
        container.create_sender(connection, "jobs", send_timeout=3.0, options=ExactlyOnce())
    store = UnsettledMemory()
    store.add(Sent("to other link", b"1", b"", 1))
    store.commit()
    with pytest.raises(UnsettledError, match="give this one container_id='other'"):
        container.create_sender(connection, "jobs", name="link", options=ExactlyOnce(store))


def test_messages_in_parts_are_refused_and_tags_are_used_once(linked: Any) -> None:
    container, connection = linked
    sender = container.create_sender(connection, "jobs", options=ExactlyOnce())
    with pytest.raises(LocalProtocolError, match=r"ExactlyOnce\(\) takes each message as a whole"):
        sender.delivery("1")
    sender.send(Message("work"), tag="mine")
    with pytest.raises(LocalProtocolError, match="'mine' is that of a delivery that is not settled"):
        sender.send(Message("work"), tag="mine")
    plain = container.create_sender(connection, "jobs", options=AtLeastOnce())
    plain.send(Message("work"))
    with pytest.raises(LocalProtocolError, match="has deliveries already"):
        plain.keep()
    assert isinstance(container, Container)


class Transacting(MessagingHandler):
    """Sends in a transaction over a link with ExactlyOnce(), and over one without."""

    def __init__(self, encoded: bool) -> None:
        super().__init__()
        self.encoded = encoded
        self.committed = False
        self.error: Any = None

    def on_start(self, event: Any) -> None:
        connection = event.container.connect("amqp://broker:5672", reconnect=False)
        self.sender = event.container.create_sender(connection, "jobs", options=ExactlyOnce())
        self.plain = event.container.create_sender(connection, "jobs")
        event.container.declare_transaction(connection, handler=self)

    def on_transaction_declared(self, event: Any) -> None:
        with pytest.raises(LocalProtocolError) as caught:
            if self.encoded:
                event.transaction.transmit(self.sender, Message("work").encode())
            else:
                event.transaction.send(self.sender, Message("work"))
        self.error = caught.value
        event.transaction.send(self.plain, Message("other work"))
        event.transaction.commit()

    def on_transaction_committed(self, event: Any) -> None:
        self.committed = True


@pytest.mark.parametrize("encoded", [False, True])
def test_a_send_in_a_transaction_is_refused_and_the_rest_of_the_transaction_goes_on(encoded: bool) -> None:
    with World(seed=1) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        client = world.start(Transacting, encoded, name="client")
        world.run_until(lambda: client.handler.committed, limit=10)
        world.settle()
        assert "a link with ExactlyOnce() takes no part in transactions" in client.handler.error.description
        assert client.handler.sender.unsettled == client.handler.sender.queued == 0
        assert client.handler.sender.ledger.deliveries == {}
        assert broker.handler.statistics("jobs").enqueued == 1, "the other one"


class Accepting(MessagingHandler):
    """Accepts the first message in a transaction, and any other by itself."""

    def __init__(self, commits: bool) -> None:
        super().__init__(auto_accept=False, auto_settle=False)
        self.commits = commits
        self.seen: list[str] = []

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect("amqp://broker:5672")
        self.receiver = event.container.create_receiver(self.connection, "jobs", options=ExactlyOnce())

    def on_message(self, event: Any) -> None:
        self.seen.append("message")
        if len(self.seen) > 1:
            event.delivery.accept()
            return
        self.delivery = event.delivery
        event.container.declare_transaction(self.connection, handler=self)

    def on_transaction_declared(self, event: Any) -> None:
        event.transaction.accept(self.delivery)
        event.transaction.commit() if self.commits else event.transaction.abort()

    def on_transaction_committed(self, event: Any) -> None:
        self.seen.append("committed")

    def on_transaction_aborted(self, event: Any) -> None:
        self.seen.append("aborted")


@pytest.mark.parametrize("commits", [True, False])
def test_an_outcome_in_a_transaction_is_given_with_its_commit_and_not_when_it_is_aborted(commits: bool) -> None:
    with World(seed=1) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        world.container().create_sender("amqp://broker:5672/jobs").send(Message("work"))
        world.settle()
        client = world.start(Accepting, commits, name="client")
        world.settle()
        assert client.handler.seen == (["message", "committed"] if commits else ["message", "aborted", "message"])
        statistics = broker.handler.statistics("jobs")
        assert (statistics.depth, statistics.acknowledged, statistics.requeued) == (0, 1, not commits)
        assert client.handler.receiver.ledger.deliveries == {} and client.handler.receiver.unsettled == 0


def test_a_refused_send_leaves_nothing_behind(linked: Any) -> None:
    """Nothing is kept for the peer, and the next message goes its way."""
    container, connection = linked
    with pytest.raises(ValueError, match="send_timeout"):
        container.create_sender(connection, "jobs", name="link", send_timeout=3.0, options=ExactlyOnce())
    sender = container.create_sender(connection, "jobs", name="other", options=ExactlyOnce())
    with pytest.raises(LocalProtocolError, match="takes each message as a whole"):
        sender.delivery("1")
    assert sender.unsettled == sender.queued == 0 and sender.ledger.deliveries == {}
