"""The links to a node that the peer detaches, for reasons that pass, where the connection is not made again."""

from __future__ import annotations

from typing import Any

from handlers import MessagingHandler
from reactor import Message
from reactor.azure import Management, ManagementError, peek
from reactor.simulation import World
from reactor.tokens import Claims
from tests.support.service_bus import ServiceBus, entity_of
from tests.tokens.test_claims import URL, Client, key, start

BUSY = "com.microsoft:server-busy"


class Detaches:
    """Has a bus detach the links to a node as soon as they are attached. times: of the attaches; most: it stops after
    so many of them."""

    def __init__(self, bus: ServiceBus, world: World, node: str, most: int = 10**6) -> None:
        self.times: list[float] = []
        self.most = most
        real: Any = bus.on_link_opening

        def opening(event: Any) -> None:
            link = event.link
            if entity_of(link) == node and link.is_receiver:  # the other one goes with it
                self.times.append(world.clock.now())
            if entity_of(link) != node or len(self.times) > self.most:
                real(event)
            elif link.is_sender:
                link.source.copy(link.remote_source)
                link.target.copy(link.remote_target)
                link.open()
                bus.detach(link, BUSY, "wait")

        bus.on_link_opening = opening  # type: ignore[method-assign]

    @property
    def gaps(self) -> list[float]:
        return [round(after - before, 1) for before, after in zip(self.times, self.times[1:])]


def test_links_that_are_detached_at_once_are_attached_again_after_longer_and_longer_times() -> None:
    with World(seed=13, latency=0.01, pieces=0) as world:
        client = Client(Claims(key(), timeout=1000), reconnect=False)
        bus = start(world, client, idle=None)
        bus.tokens.mute = True
        bus.on_connection_opened = lambda event: bus.authorized.setdefault(event.connection, {})  # type: ignore
        detaches = Detaches(bus, world, "$cbs")
        world.run_for(100)
        gaps = detaches.gaps
        assert gaps[0] < 0.2 and 0.5 <= gaps[1] <= 1.2 and 1 <= gaps[2] <= 2.2
        assert 10 < len(gaps) < 26 and max(gaps) <= 10.2 and min(gaps[6:]) >= 5
        bus.tokens.mute, detaches.most = False, 0
        world.run_until(lambda: len(client.opened) == 2)
        assert client.errors == []


def test_a_reply_is_the_end_of_the_longer_times_and_an_attach_is_not() -> None:
    with World(seed=13, latency=0.01, pieces=0) as world:
        client = Client(Claims(key(lifetime=30)), reconnect=False)
        bus = start(world, client, idle=None)
        detaches = Detaches(bus, world, "$cbs", 4)
        world.run_until(lambda: len(client.opened) == 2)
        assert detaches.gaps[1] >= 0.5
        before = world.clock.now()
        bus.detach(list(bus.replies.values())[-1], BUSY, "wait")
        world.run_until(lambda: len(detaches.times) == 6)
        assert world.clock.now() - before < 0.2
        world.run_for(200)
        assert client.errors == [] and len(bus.tokens.taken) > 6


def test_links_that_stood_for_long_are_attached_again_at_once() -> None:
    """As those that are detached as idle: no reply has come over them."""
    with World(seed=13, latency=0.01, pieces=0) as world:
        client = Client(Claims(key(lifetime=1e6), audience="sb://bus/"), (), reconnect=False)
        bus = start(world, client)
        detaches = Detaches(bus, world, "$cbs", 0)
        world.run_for(2 * 3600)
        assert len(detaches.times) == 12 and max(detaches.gaps) < 600.3 and client.errors == []


def test_a_management_is_attached_again_in_the_same_way_and_its_requests_fail_in_time() -> None:
    with World(seed=13, latency=0.01, pieces=0) as world:
        bus = ServiceBus(URL, idle=None)
        bus.keys["all"] = "c2VjcmV0IGtleSBvZiB0aGUgYnVz"
        detaches = Detaches(bus, world, "jobs/$management")
        world.start(bus, name="bus")
        container = world.container(MessagingHandler(), name="client")
        options: dict[str, Any] = {"tokens": Claims(key()), "allow_insecure_mechs": True, "reconnect": False}
        management = Management(container, container.connect(URL, **options), "jobs", 10)
        answers: list[Any] = []
        management.ask(peek(), lambda result, error: answers.append((result, error)))
        world.run_for(60)
        assert len(detaches.times) < 20
        assert isinstance(answers[0][1], ManagementError)
        detaches.most = 0
        world.run_for(15)
        management.ask(peek(), lambda result, error: answers.append((result, error)))
        world.run_until(lambda: len(answers) == 2)
        assert answers[1] == ([], None)


def test_links_that_wait_do_not_outlive_their_connection() -> None:
    with World(seed=13, latency=0.01, pieces=0) as world:
        client = Client(Claims(key()), reconnect=False)
        detaches = Detaches(start(world, client, idle=None), world, "$cbs")
        world.run_until(lambda: len(detaches.times) == 4)
        world.run_for(0.1)
        for wire in list(world.network.wires):
            wire.reset()
        world.run_for(0.1)
        assert not client.container.loop.busy, "it waits for no timer of theirs"
        world.run_for(60)
        assert len(detaches.times) == 4


def test_a_close_waits_for_messages_and_they_for_the_links() -> None:
    with World(seed=13, latency=0.01, pieces=0) as world:
        client = Client(Claims(key()), reconnect=False)
        bus = start(world, client, idle=None)
        detaches = Detaches(bus, world, "$cbs", 4)
        world.run_until(lambda: len(detaches.times) == 4)
        world.run_for(0.1)
        client.senders[0].send(Message("last words"))
        client.connection.close()
        world.run_until(lambda: bool(bus.entities) and bool(bus.entity("jobs").messages))
        assert client.errors == [] and client.doubtful == []


def test_links_that_wait_stay_away_from_a_peer_that_has_closed() -> None:
    with World(seed=13, latency=0.01, pieces=0) as world:
        bus = ServiceBus(URL, idle=None)
        detaches = Detaches(bus, world, "jobs/$management")
        world.start(bus, name="bus")
        container = world.container(MessagingHandler(), name="client")
        connection = container.connect(URL, reconnect=False)
        management = Management(container, connection, "jobs")
        world.run_until(lambda: len(detaches.times) == 4)
        world.run_for(0.1)
        session = management._links.session
        connection.close()
        world.run_for(60)
        assert len(detaches.times) == 4 and management._links.session is session
