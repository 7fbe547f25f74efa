"""Every situation in which nothing moves is explained by its own sentence, and by none of the others'."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest

import reactor
from handlers import MessagingHandler
from reactor import Condition, EventInjector, Limits, Message, Selector
from reactor.container.explain.sentences import OBSTACLES
from reactor.simulation import World
from tests.support.stage import Stage, Witness

#: A situation sets up a container, and returns it, or its explanation.
Situation = Callable[[], Any]
SITUATIONS: dict[str, tuple[set[str], str, Situation]] = {}


def situation(kind: str, text: str, *beside: str) -> Callable[[Situation], Situation]:
    """A situation that has a sentence of this kind, and of this text. beside: kinds that are there as well, each the
    usual wait of something else."""

    def keep(function: Situation) -> Situation:
        SITUATIONS[function.__name__] = ({kind, *beside}, text, function)
        return function

    return keep


def refusing(name: str, description: str) -> Callable[[Any], None]:
    def refuse(event: Any) -> None:
        event.link.condition = Condition(name, description)
        event.link.close()

    return refuse


class Goes(Witness):
    """A client that goes on when a link is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(on_link_error=lambda event: None, **options)


def of_server(**options: Any) -> Stage:
    return Stage(Witness(**{"prefetch": 0, "auto_accept": False, **options}))


def sender_with(credit: int, **options: Any) -> tuple[Stage, Any, Any]:
    """A stage, the container of a client, and its sender, which has so much credit."""
    stage = of_server(on_link_opened=lambda event: event.receiver and event.receiver.flow(credit))
    container, connection = stage.connect(Goes(), **options)
    sender = container.create_sender(connection, "jobs")
    stage.run()
    return stage, container, sender


def of_sender_that_waits(messages: int, credit: int, **options: Any) -> Any:
    """The container of a sender of so many messages, which have waited for 12 seconds, with so much credit before."""
    stage, container, sender = sender_with(credit, **options)
    for _ in range(messages):
        sender.send(Message("x"))
    stage.run()
    container.explain()
    passing(stage, container, 12)
    return container


def passing(stage: Stage, container: Any, seconds: float) -> None:
    """Let time pass in which nothing else happens."""
    rung: list[Any] = []

    class Bell:
        def on_timer_task(self, event: Any) -> None:
            rung.append(event)

    container.schedule(seconds, Bell())
    stage.run(lambda: rung)
    stage.run()


# -- senders ---------------------------------------------------------------------------------------------------------


@situation("no credit", r"server:5672: sender to jobs has no credit for 2 messages that wait: the peer \(container "
           r"'[^']+'\) has granted none since it attached the link, 12 s ago")  # fmt: skip
def a_sender_without_credit() -> Any:
    stage = of_server()
    container, connection = stage.connect(Goes())
    sender = container.create_sender(connection, "jobs")
    stage.run()
    for _ in range(2):
        sender.send(Message("x"))
    passing(stage, container, 12)
    return container


@situation("no credit", r"sender to jobs has no credit for 1 message that waits: all that the peer \(container "
           r"'[^']+'\) has granted is used up, for at least 12 s", "no outcome")  # fmt: skip
def a_sender_that_has_used_up_its_credit() -> Any:
    return of_sender_that_waits(2, 1)


@situation("draining", r"sender to jobs was drained by the peer, which has its credit back, and 1 message waits")
def a_sender_that_was_drained() -> Any:
    stage = of_server(on_link_opened=lambda event: event.receiver and event.receiver.drain(3))
    container, connection = stage.connect(Goes())
    sender = container.create_sender(connection, "jobs")
    stage.run()
    sender.drained()
    stage.run()
    sender.send(Message("x"))
    stage.run()
    return container


@situation("window full", r"sender to jobs has credit for \d+, and \d+ messages? (is|are) waiting: the peer's session "
           "window is full", "under way")  # fmt: skip
def a_session_window_that_is_full() -> Any:
    world = World(latency=0, pieces=0)
    container, peer = scripted(world, incoming_window=2)
    peer.expect("attach").answer("attach", name=lambda seen: seen.name, handle=0, role=True)
    peer.say("flow", next_incoming_id=0, incoming_window=2, next_outgoing_id=0, outgoing_window=9, handle=0,
             delivery_count=0, link_credit=10)  # fmt: skip
    sender = container.create_sender(container.connections()[0], "jobs")
    world.settle()
    for _ in range(5):
        sender.send(Message("x"))
    world.settle()
    return container


@situation("bound on unsettled", r"sender to jobs sends nothing: 3 messages were sent over the session without an "
           "outcome, and Limits.max_unsettled is 3", "no outcome")  # fmt: skip
def a_sender_at_the_bound_of_the_limits() -> Any:
    return of_sender_that_waits(5, 10, limits=Limits(max_unsettled=3))


@situation("no outcome",
           r"sender to jobs has sent 1 message without an outcome of the peer, for at least 12 s", "may send")
def an_outcome_that_does_not_come() -> Any:
    return of_sender_that_waits(1, 10)


@situation("not complete", r"sender to jobs has 1 message begun by delivery\(\) and not finished")
def a_message_that_is_begun() -> Any:
    _, container, sender = sender_with(10)
    sender.delivery("1")
    return container


# -- receivers -------------------------------------------------------------------------------------------------------


def fed(stage: Any, **options: Any) -> Any:
    """A client with a receiver, to which the server sends as much as it takes."""
    container, connection = stage.connect(Goes(prefetch=0, auto_accept=False))
    receiver = container.create_receiver(connection, "jobs", **options)
    stage.run()
    return container, receiver


def feeding() -> Stage:
    def feed(event: Any) -> None:
        while event.sender.credit > 0 and event.sender.unsettled < 20:
            event.sender.send(Message("x"))

    return of_server(on_sendable=feed)


class Forgetful(MessagingHandler):
    def on_message(self, event: Any) -> None:
        pass


@situation("bound on unsettled",
           r"receiver from jobs gets no credit: 5 deliveries are not settled, and max_unsettled is "
           r"5: accept some, by delivery.accept\(\) or another outcome; the oldest for at least 12 s; received in "
           r"test_sentences.py:\d+, Forgetful.on_message")  # fmt: skip
def deliveries_that_are_not_accepted() -> Any:
    stage = feeding()
    container, connection = stage.connect(Forgetful(prefetch=10, auto_accept=False))
    container.create_receiver(connection, "jobs", max_unsettled=5)
    stage.run()
    container.explain()
    passing(stage, container, 12)
    return container


@situation("bound on unsettled",
           r"receiver from jobs gets no credit: 2 deliveries are not settled, and its share of the "
           r"session's max_unsettled of 3 is 2")  # fmt: skip
def a_share_that_is_used_up() -> Any:
    stage = feeding()
    container, connection = stage.connect(Goes(prefetch=10, auto_accept=False))
    session = container.create_session(connection, max_unsettled=3)
    container.create_receiver(session, "jobs")
    container.create_receiver(session, "none")
    stage.run()
    return container


@situation("nothing asked", r"receiver from jobs has no credit: prefetch is 0, and flow\(\) has asked for nothing")
def a_prefetch_of_0() -> Any:
    return fed(feeding(), prefetch=0)[0]


@situation("nothing asked", r"receiver from jobs has no credit: prefetch is 0, and all that flow\(\) has asked for has "
           "come: receiver.flow", "not settled here")  # fmt: skip
def a_receiver_that_has_all_it_has_asked_for() -> Any:
    stage = feeding()
    container, receiver = fed(stage, prefetch=0)
    receiver.flow(3)
    stage.run()
    return container


@situation("draining",
           r"receiver from jobs has asked the peer for all that is there \(drain\), and waits for its answer; "
           "4 of credit are open")  # fmt: skip
def a_drain_that_is_not_answered() -> Any:
    world = World(latency=0, pieces=0)
    container, peer = scripted(world)
    peer.expect("attach").answer("attach", name=lambda seen: seen.name, handle=0, role=False,
                                 initial_delivery_count=0, source=lambda seen: seen.source)  # fmt: skip
    peer.ignore("flow")
    receiver = container.create_receiver(container.connections()[0], "jobs", prefetch=0)
    world.settle()
    receiver.drain(4)
    world.settle()
    return container


@situation("paused", r"receiver from jobs takes nothing: pause\(\) has taken its credit back")
def a_receiver_that_is_paused() -> Any:
    stage = of_server()
    container, receiver = fed(stage, prefetch=5)
    receiver.pause()
    stage.run()
    return container


@situation("filter not applied",
           "receiver from jobs does not get what it asked for: the peer does not apply the filter "
           "'selector'", "may receive")  # fmt: skip
def a_filter_that_the_peer_does_not_apply() -> Any:
    def attach(event: Any) -> None:
        event.link.source.address = event.link.remote_source.address
        event.link.open()

    stage = of_server(on_link_opening=attach)
    return fed(stage, prefetch=5, options=Selector("a = 1"))[0]


class Deaf:
    """Gets messages, and reads none."""

    def on_delivery(self, event: Any) -> None:
        pass


@situation("unread", "receiver from jobs has 5 messages which the application has not read", "not settled here")
def messages_that_are_not_read() -> Any:
    return fed(feeding(), prefetch=5, handler=Deaf())[0]


@situation("window shut", "receiver from jobs gets nothing: our session window is shut, with 1 frame unread",
           "may receive", "not settled here")  # fmt: skip
def a_window_of_ours_that_is_shut() -> Any:
    stage = feeding()
    container, connection = stage.connect(Goes())
    session = connection.session()
    session.incoming_capacity = 65536
    session.open()
    receiver = session.receiver("jobs")
    receiver.source.address = "jobs"
    receiver.handler = Deaf()
    receiver.prefetch = 5
    receiver.open()
    stage.run()
    return container


# -- links, sessions, connections ------------------------------------------------------------------------------------


def scripted(world: World, **begin: Any) -> Any:
    """A container that is connected to a peer by script; it has opened the connection and begun a session."""
    peer = world.peer("peer:5672")
    peer.expect("open").answer("open", container_id="peer")
    peer.expect("begin").answer("begin", remote_channel=0, next_outgoing_id=0, outgoing_window=100,
                                **{"incoming_window": 100, **begin})  # fmt: skip
    container = world.container(Goes())
    container.connect("amqp://peer:5672", reconnect=False)
    return container, peer


@situation("not attached", "peer:5672: sender to jobs is not attached by the peer: it has not answered our attach")
def a_peer_that_does_not_attach() -> Any:
    world = World(latency=0, pieces=0)
    container, peer = scripted(world)
    peer.expect("attach")
    container.create_sender(container.connections()[0], "jobs")
    world.settle()
    return container


@situation("not begun", "peer:5672: a session is not begun by the peer")
def a_peer_that_does_not_begin() -> Any:
    world = World(latency=0, pieces=0)
    world.peer("peer:5672").expect("open").answer("open", container_id="peer").expect("begin")
    container = world.container(Goes())
    container.create_sender(container.connect("amqp://peer:5672", reconnect=False), "jobs")
    world.settle()
    return container


@situation("refused",
           "server:5672: receiver from jobs was closed by the peer: amqp:not-found: no queue 'jobs', 12 s ago")
def a_wrong_address() -> Any:
    stage = of_server(on_link_opening=refusing("amqp:not-found", "no queue 'jobs'"))
    container, _ = fed(stage)
    for link in list(container.connections()[0].links(0)):
        link.close()
    passing(stage, container, 12)
    return container


@situation("refused", "receiver from jobs was closed by the peer: amqp:not-found: no queue 'jobs'")
def a_wrong_address_that_is_left_open() -> Any:
    stage = of_server(on_link_opening=refusing("amqp:not-found", "no queue 'jobs'"))
    return fed(stage)[0]


@situation("closing", "peer:5672: sender to jobs was closed here, and the peer has not answered")
def a_link_whose_close_is_not_answered() -> Any:
    world = World(latency=0, pieces=0)
    container, peer = scripted(world)
    peer.expect("attach").answer("attach", name=lambda seen: seen.name, handle=0, role=True).expect("detach")
    sender = container.create_sender(container.connections()[0], "jobs")
    world.settle()
    sender.close()
    world.settle()
    return container


@situation("no links", "server:5672: the connection is open and has no links, and neither side closes it")
def a_connection_without_links() -> Any:
    return of_server().connect(Goes())[0]


@situation("reconnecting",
           "server:5672: it is reconnecting: attempt 7, in 3.2 s; before: cannot connect to server:5672")
def a_connection_that_is_tried_again() -> Any:
    stage = of_server()
    stage.leave()
    container = stage.container(Goes())
    container.connect(stage.url, reconnect=[1, 1, 1, 1, 1, 5])
    stage.run(lambda: container.failures(container.connections()[0]) == 6)
    stage.clock.advance(1.8)
    return container


@situation("connecting", "nowhere:5672: it is connecting, and nothing has answered, for 3.0 s")
def an_address_that_does_not_answer() -> Any:
    world = World(latency=0, pieces=0)
    world.network.silence("nowhere")
    container = world.container(Goes())
    container.connect("amqp://nowhere:5672", reconnect=False)
    world.run_for(3)
    return container


@situation("not open", "peer:5672: the wire is there, and no AMQP has come, for 3.0 s; does the peer speak AMQP 1.0")
def a_peer_that_says_nothing() -> Any:
    world = World(latency=0, pieces=0)
    world.peer("peer:5672").automatic = False
    container = world.container(Goes())
    container.connect("amqp://peer:5672", reconnect=False)
    world.run_for(3)
    return container


@situation("not open", "peer:5672: the peer has not opened the connection, for 3.0 s")
def a_peer_that_does_not_open() -> Any:
    world = World(latency=0, pieces=0)
    world.peer("peer:5672").expect("open")
    container = world.container(Goes())
    container.connect("amqp://peer:5672", reconnect=False)
    world.run_for(3)
    return container


@situation("closing", "server:5672: it was closed here, and the peer has not answered")
def a_connection_whose_close_is_not_answered() -> Any:
    container, connection = of_server().connect(Goes())
    connection.close()
    return container


@situation("peer not reading",
           r"server:5672: the peer does not read: \d+ bytes wait to be written, and the wire has been "
           r"full for 5.0 s", "leaves", "no outcome")  # fmt: skip
def a_peer_that_does_not_read() -> Any:
    class Server(MessagingHandler):
        def on_start(self, event: Any) -> None:
            event.container.listen("amqp://server:5672")

    world = World(latency=0, pieces=0, capacity=4096)
    server = world.start(Server, prefetch=100)
    container = world.container(Goes())
    connection = container.connect("amqp://server:5672", reconnect=False, write_timeout=None)
    sender = container.create_sender(connection, "jobs")
    world.settle()
    server.stop_reading()
    for _ in range(20):
        sender.send(Message(b"x" * 40_000))
    world.settle()
    container.explain()
    world.run_for(5)
    return container


# -- containers ------------------------------------------------------------------------------------------------------


@situation("only a timer", r"waits only for 1 timer, due in 30 s")
def a_container_that_waits_only_for_a_timer() -> Any:
    container = Stage().container(Witness())
    container.schedule(30, None)
    return container


@situation("stopping",
           r"the container is stopping, stop\(drain=...\): it takes nothing in, and waits for the outcomes of "
           "1 delivery", "not settled here")  # fmt: skip
def a_container_that_is_stopping() -> Any:
    stage = feeding()
    container, receiver = fed(stage, prefetch=0)
    receiver.flow(1)
    stage.run()
    container.stop(drain=60)
    stage.run()
    return container


@situation("not running", r"the container does not run: run\(\) is not called, or has come to its end")
def a_container_that_does_not_run() -> Any:
    return Stage().container(Witness())


@situation("own sources", "waits for 1 descriptor or injector of the application's own")
def a_container_with_an_injector() -> Any:
    container = Stage().container(Witness())
    container.selectable(EventInjector())
    return container


@situation("listening", "waits for peers that connect to server:5672")
def a_container_that_listens() -> Any:
    return of_server().host


@situation("well", "nothing stands in the way: 1 connection with 2 links", "may receive", "may send")
def all_goes_well() -> Any:
    stage = Stage()
    container, connection = stage.connect(Witness())
    sender = container.create_sender(connection, "jobs")
    container.create_receiver(connection, "jobs")
    stage.run()
    for _ in range(100):
        sender.send(Message("x"))
        stage.run()
    container.explain()
    passing(stage, container, 60)
    return container


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_situation_has_its_own_sentence_and_no_other(name: str) -> None:
    kinds, text, make = SITUATIONS[name]
    explanation = reactor.explain(make())
    assert any(re.search(text, sentence) for sentence in explanation), explanation
    assert explanation.kinds - {"timer", "well", "listening"} | (kinds & {"well", "listening"}) == kinds, explanation
    assert explanation.stuck == any(kind in OBSTACLES for kind in kinds)
    assert explanation.stuck != bool({"well", "only a timer"} & explanation.kinds)
