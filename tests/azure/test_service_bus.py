"""Our client at the stand-in of Azure Service Bus: idle detach over hours, locks, sessions, `$management`."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import AtMostOnce, Condition, Message, symbol
from reactor.azure import (
    CONDITIONS,
    Batch,
    Locked,
    Management,
    ManagementError,
    SessionFilter,
    abandon,
    abandon_deferred,
    cancel_scheduled,
    complete_deferred,
    dead_letter,
    dead_letter_deferred,
    defer,
    defer_again,
    lock_token,
    peek,
    receive_deferred,
    renew_lock,
    renew_session_lock,
    schedule,
    scheduled,
    session_id_of,
    session_locked_until,
    tag_of,
)
from reactor.errors import DecodeError
from reactor.reasons import passes
from reactor.simulation import World
from reactor.tokens import Claims, SharedAccessKey
from tests.support.service_bus import ServiceBus

URL = "amqp://bus:5672"
KEY = "c2VjcmV0IGtleSBvZiB0aGUgYnVz"


class Client(MessagingHandler):
    """Keeps the events of the messages that come; they wait for the test's outcome."""

    def __init__(self) -> None:
        super().__init__(auto_accept=False)
        self.come: list[Any] = []
        self.errors: list[Condition] = []
        self.outcomes: list[str] = []

    def on_message(self, event: Any) -> None:
        self.come.append(event)

    def on_connection_error(self, event: Any) -> None:
        self.errors.append(event.connection.remote_condition)

    def on_link_error(self, event: Any) -> None:
        self.errors.append(event.link.remote_condition)

    def on_accepted(self, event: Any) -> None:
        self.outcomes.append("accepted")

    def take(self) -> Any:
        return self.come.pop(0)


class Scene:
    """A bus, and a connection to it."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.bus = ServiceBus(URL, **options)
        self.bus.keys["all"] = KEY
        world.start(self.bus, name="bus")
        self.client = Client()
        self.container = world.container(self.client, name="client")
        tokens = Claims(SharedAccessKey("all", KEY))
        self.connection = self.container.connect(URL, tokens=tokens, allow_insecure_mechs=True)
        self.sender = self.container.create_sender(self.connection, "jobs")

    def receive(self, **options: Any) -> Any:
        return self.container.create_receiver(self.connection, "jobs", **options)

    def send(self, *messages: Message) -> None:
        before = len(self.client.outcomes)
        for message in messages:
            self.sender.send(message)
        self.until(lambda: len(self.client.outcomes) == before + len(messages))

    def until(self, condition: Any) -> None:
        self.world.run_until(condition)

    def next(self) -> Any:
        self.until(lambda: self.client.come)
        return self.client.take()

    def ask(self, operation: Any, management: Any = None) -> Any:
        if management is None:
            management = self.__dict__.setdefault("management", None) or Management(
                self.container, self.connection, "jobs"
            )
            self.management = management
        answers: list[Any] = []
        management.ask(operation, lambda result, error: answers.append((result, error)))
        self.until(lambda: answers)
        result, error = answers[0]
        if error is not None:
            raise error
        return result

    @property
    def state(self) -> list[str]:
        return [one.state for one in self.bus.entity("jobs").messages.values()]


@pytest.fixture
def scene():
    with World(seed=21) as world:
        yield Scene(world)


# -- idle detach ---------------------------------------------------------------------------------------------


def test_links_come_back_after_each_idle_detach_for_hours(scene: Scene) -> None:
    """Both links of the application, and those to $cbs, are detached every ten minutes without traffic."""
    receiver = scene.receive()
    scene.send(Message("before"))
    scene.client.accept(scene.next().delivery)
    scene.world.run_for(6 * 3600)
    detached = scene.bus.detached
    assert detached.count("jobs amqp:link:detach-forced") >= 60
    assert detached.count("$cbs amqp:link:detach-forced") >= 60
    assert {reason.split()[1] for reason in detached} == {"amqp:link:detach-forced"}
    scene.send(Message("after six hours"))
    assert scene.next().message.body == "after six hours"
    assert scene.client.errors == [] and receiver in list(scene.connection.links(0))


def test_a_link_with_traffic_is_not_detached(scene: Scene) -> None:
    for number in range(20):
        scene.send(Message(str(number)))
        scene.world.run_for(300)
    assert "jobs amqp:link:detach-forced" not in scene.bus.detached


def test_a_connection_that_is_not_made_again_keeps_its_links_to_cbs() -> None:
    with World(seed=5) as world:
        bus = ServiceBus(URL)
        bus.keys["all"] = KEY
        world.start(bus, name="bus")
        client = Client()
        container = world.container(client, name="client")
        tokens = Claims(SharedAccessKey("all", KEY))
        connection = container.connect(URL, tokens=tokens, allow_insecure_mechs=True, reconnect=False)
        sender = container.create_sender(connection, "jobs")

        class Often:
            def on_timer_task(self, event: Any) -> None:
                sender.send(Message("x"))
                container.schedule(300, self)

        container.schedule(300, Often())
        world.run_for(4 * 3600 - 100)
        assert bus.detached.count("$cbs amqp:link:detach-forced") > 5 and len(bus.tokens.taken) == 5
        assert client.errors == [] and len(client.outcomes) == 47


# -- locks and outcomes --------------------------------------------------------------------------------------


def test_the_delivery_tag_is_the_lock_token(scene: Scene) -> None:
    scene.receive()
    scene.send(Message("one"))
    event = scene.next()
    token = lock_token(event.delivery)
    assert token == scene.bus.entity("jobs").messages[1].token and tag_of(token) == event.delivery.tag_bytes
    assert event.message.annotations["x-opt-sequence-number"] == 1
    known = uuid.UUID("01020304-0506-0708-090a-0b0c0d0e0f10")
    assert tag_of(known) == bytes([4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16])


def test_messages_that_come_settled_have_no_lock(scene: Scene) -> None:
    scene.receive(options=AtMostOnce())
    scene.send(Message("one"), Message("two"))
    events = [scene.next(), scene.next()]
    assert [event.message.body for event in events] == ["one", "two"] and scene.state == ["gone", "gone"]
    with pytest.raises(ValueError, match="is no lock token"):
        lock_token(events[0].delivery)


def test_outcomes_are_complete_abandon_defer_and_dead_letter(scene: Scene) -> None:
    scene.receive()
    scene.send(*(Message(body) for body in "abcd"))
    scene.until(lambda: len(scene.client.come) == 4)
    done, again, aside, bad = (event.delivery for event in scene.client.come)
    scene.client.come.clear()
    scene.client.accept(done)
    abandon(again)
    defer(aside)
    dead_letter(bad, "bad", "no such job")
    event = scene.next()
    assert (event.message.body, event.message.delivery_count) == ("b", 1)
    scene.until(lambda: scene.state == ["gone", "locked", "deferred", "dead"])
    ((message, condition),) = scene.bus.entity("jobs").dead
    assert message.body == "d" and condition.name == "com.microsoft:dead-letter"
    assert condition.info == {"DeadLetterReason": "bad", "DeadLetterErrorDescription": "no such job"}


def test_a_lock_ends_and_is_renewed(scene: Scene) -> None:
    scene.receive()
    scene.send(Message("one"))
    token = lock_token(scene.next().delivery)
    for _ in range(5):
        scene.world.run_for(45)
        (end,) = scene.ask(renew_lock(token))
        assert end == pytest.approx(scene.container.today() + 60, abs=5)
    assert scene.client.come == [] and scene.state == ["locked"]
    scene.world.run_for(75)
    assert scene.next().message.delivery_count == 1, "the lock has ended, and it came again"
    lost = "com.microsoft:message-lock-lost"
    with pytest.raises(ManagementError, match=f"renew-lock at jobs was refused: 410 {lost}") as info:
        scene.ask(renew_lock(token))
    assert (info.value.status, info.value.condition, info.value.passes) == (410, lost, False)


def test_a_batch_is_taken_apart(scene: Scene) -> None:
    scene.receive()
    scene.send(Batch([Message(str(number)) for number in range(5)]))  # type: ignore[arg-type]
    assert [scene.next().message.body for _ in range(5)] == list("01234")


# -- sessions ------------------------------------------------------------------------------------------------


def test_a_session_filter_gives_the_session_that_was_asked_for_or_the_next(scene: Scene) -> None:
    scene.send(Message("a1", group_id="a"), Message("b1", group_id="b"), Message("a2", group_id="a"))
    mine = scene.receive(options=SessionFilter("a"))
    assert [scene.next().message.body for _ in range(2)] == ["a1", "a2"]
    assert session_id_of(mine) == "a"
    end = session_locked_until(mine)
    assert end is not None and 0 < end - scene.container.today() <= 60
    other = scene.receive(options=SessionFilter())
    assert scene.next().message.body == "b1" and session_id_of(other) == "b"
    assert scene.ask(renew_session_lock("b")) == pytest.approx(scene.container.today() + 60, abs=5)


def test_a_session_that_another_receiver_has_is_an_error(scene: Scene) -> None:
    scene.send(Message("a1", group_id="a"))
    scene.receive(options=SessionFilter("a"))
    scene.next()
    scene.receive(name="second", options=SessionFilter("a"))
    scene.until(lambda: scene.client.errors)
    assert scene.client.errors[0].name == "com.microsoft:session-cannot-be-locked"
    with pytest.raises(TypeError, match="a session id is a str, or None"):
        SessionFilter(7)  # type: ignore[arg-type]


def test_a_receiver_without_a_session_has_none(scene: Scene) -> None:
    receiver = scene.receive()
    scene.send(Message("one"))
    scene.next()
    assert session_id_of(receiver) is None and session_locked_until(receiver) is None


# -- scheduled and deferred messages -------------------------------------------------------------------------


def test_a_scheduled_message_appears_at_its_time(scene: Scene) -> None:
    scene.receive()
    when = datetime.fromtimestamp(scene.container.today() + 7200, timezone.utc)
    scene.send(scheduled(Message("later", annotations={symbol("mine"): 1}), when), Message("now"))
    event = scene.next()
    assert event.message.body == "now"
    scene.client.accept(event.delivery)
    scene.world.run_for(7000)
    assert scene.client.come == []
    scene.world.run_for(300)
    event = scene.next()
    assert event.message.body == "later" and event.message.annotations["mine"] == 1
    with pytest.raises(ValueError, match="no time zone"):
        scheduled(Message("x"), datetime(2026, 1, 1))


def test_scheduled_messages_are_taken_back(scene: Scene) -> None:
    scene.receive()
    messages = [Message("one", id="1", group_id="s"), Message("two", id="2")]
    numbers = scene.ask(schedule(messages, scene.container.today() + 60))
    assert numbers == [1, 2]
    assert scene.ask(cancel_scheduled(numbers[0])) is None
    with pytest.raises(ManagementError, match=r"404 com\.microsoft:message-not-found"):
        scene.ask(cancel_scheduled(numbers[0]))
    scene.world.run_for(90)
    assert [event.message.body for event in scene.client.come] == ["two"]
    with pytest.raises(ValueError, match="each message has an id"):
        schedule([Message("x")], 0)
    with pytest.raises(ValueError, match="there is no message"):
        schedule([], 0)
    with pytest.raises(ValueError, match="name the sequence number"):
        cancel_scheduled()


def test_deferred_messages_are_had_by_their_numbers(scene: Scene) -> None:
    scene.receive()
    scene.send(*(Message(body) for body in "abcde"))
    scene.until(lambda: len(scene.client.come) == 5)
    for event in scene.client.come:
        defer(event.delivery)
    scene.client.come.clear()
    scene.until(lambda: scene.state == ["deferred"] * 5)
    found = scene.ask(receive_deferred(1, 2, 3, 4))
    assert [one.message.body for one in found] == list("abcd") and all(isinstance(one, Locked) for one in found)
    tokens = [one.lock_token for one in found]
    scene.ask(complete_deferred(tokens[0]))
    scene.ask(abandon_deferred(tokens[1]))
    scene.ask(defer_again(tokens[2]))
    scene.ask(dead_letter_deferred(tokens[3], reason="bad", description="no"))
    assert scene.next().message.body == "b"
    assert scene.state == ["gone", "locked", "deferred", "dead", "deferred"]
    (gone,) = scene.ask(receive_deferred(5, locked=False))
    assert (gone.message.body, gone.lock_token) == ("e", None) and scene.state[4] == "gone"
    with pytest.raises(ManagementError, match="message-not-found"):
        scene.ask(receive_deferred(1))
    with pytest.raises(TypeError, match="a lock token is a UUID"):
        complete_deferred("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="name the lock token"):
        renew_lock()


def test_messages_are_peeked_without_being_taken(scene: Scene) -> None:
    assert scene.ask(peek()) == []
    scene.send(Message("a", group_id="s"), Message("b"), Message("c", group_id="s"))
    assert [message.body for message in scene.ask(peek(count=10))] == ["a", "b", "c"]
    assert [message.body for message in scene.ask(peek(2, count=1))] == ["b"]
    assert [message.body for message in scene.ask(peek(count=10, session_id="s"))] == ["a", "c"]
    assert scene.state == ["active"] * 3


# -- $management in trouble ----------------------------------------------------------------------------------


def test_a_request_whose_answer_is_lost_with_the_wire_fails(scene: Scene) -> None:
    scene.ask(peek())
    entity: Any = scene.bus.entity("jobs")
    entity.manage = lambda event: [wire.reset() for wire in list(scene.world.network.wires)]
    with pytest.raises(ManagementError, match="the link was lost before the answer"):
        scene.ask(peek())
    del entity.manage
    assert scene.ask(peek()) == []


def test_a_request_without_an_answer_fails_in_time(scene: Scene) -> None:
    entity: Any = scene.bus.entity("jobs")
    entity.manage = lambda event: None
    before = scene.world.clock.now()
    with pytest.raises(ManagementError, match=r"peek-message at jobs: no answer within 60 s") as info:
        scene.ask(peek())
    assert scene.world.clock.now() - before == pytest.approx(60, abs=5) and not info.value.passes


def test_requests_that_were_given_up_are_not_kept(scene: Scene) -> None:
    management = Management(scene.container, scene.connection, "jobs", timeout=5)
    entity: Any = scene.bus.entity("jobs")
    entity.manage = lambda event: None
    for _ in range(5):
        with pytest.raises(ManagementError, match="no answer within 5 s"):
            scene.ask(peek(), management)
    assert management._links._waiting == {}


def test_a_closed_management_fails_its_requests(scene: Scene) -> None:
    management = Management(scene.container, scene.connection, "jobs")
    answers: list[Any] = []
    management.ask(peek(), lambda result, error: answers.append(error))
    management.close()
    assert "the links were closed here" in str(answers[0]) and repr(management) == "<Management of 'jobs'>"
    with pytest.raises(ManagementError, match="the links were closed here"):
        management.ask(peek(), answers.append)


@pytest.mark.parametrize("body", [{"messages": 7}, {}, {"messages": [{"message": "text"}]}])
def test_an_answer_of_another_form_is_an_error_of_its_own(scene: Scene, body: Any) -> None:
    entity: Any = scene.bus.entity("jobs")
    entity.peek_message = lambda asked: (200, body, "")
    with pytest.raises(DecodeError, match=r"the reply of \$management"):
        scene.ask(peek())


@pytest.mark.parametrize("values", [[None], ["x"], [True], [1.5], [[1]], ["1" * 5000]])
def test_numbers_that_are_none_are_an_error_of_the_same_kind(scene: Scene, values: list[Any]) -> None:
    entity: Any = scene.bus.entity("jobs")
    entity.schedule_message = lambda asked: (200, {"sequence-numbers": values}, "")
    entity.renew_lock = lambda asked: (200, {"expirations": values}, "")
    for operation in (schedule([Message("x", id="1")], 0), renew_lock(uuid.uuid4())):
        with pytest.raises(DecodeError, match=r"in the reply of \$management are no whole numbers"):
            scene.ask(operation)


def test_an_error_of_the_application_is_not_taken_for_one_of_the_answer(scene: Scene) -> None:
    management = Management(scene.container, scene.connection, "jobs")
    answers: list[Any] = []

    def done(result: Any, error: Any) -> None:
        answers.append((result, error))
        raise DecodeError("what the application read meanwhile")

    management.ask(peek(), done)
    with pytest.raises(DecodeError, match="what the application read"):
        scene.until(lambda: False)
    assert answers == [([], None)]


# -- conditions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_the_table_of_conditions_agrees_with_the_reasons(name: str) -> None:
    meaning = CONDITIONS[name]
    assert meaning.retry == passes(Condition(name)) and meaning.text
