"""A world: programs that start, crash, stand still and come back; time in steps; failures that tell the seed."""

from __future__ import annotations

import logging
import math

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message
from reactor.simulation import NeverHappens, Observer, SettledOnce, World, explore
from tests.support.tls import file

URL = "amqp://server:5672"


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


class Server(MessagingHandler):
    def __init__(self, url=URL, store=None):
        super().__init__()
        self.url = url
        self.store = store
        self.bodies = []
        self.told = []

    def on_start(self, event):
        event.container.listen(self.url)

    def on_message(self, event):
        self.bodies.append(event.message.body)
        if self.store is not None:
            self.store.append(event.message.body)

    def on_transport_error(self, event):
        self.told.append(event.transport.condition)

    def on_disconnected(self, event):
        self.told.append("disconnected")


class Client(MessagingHandler):
    def __init__(self, url=URL, count=3, **options):
        super().__init__()
        self.url = url
        self.count = count
        self.options = options
        self.told = []

    def on_start(self, event):
        self.connection = event.container.connect(self.url, reconnect=False, **self.options)
        self.sender = event.container.create_sender(self.connection, "jobs")

    def on_connection_opened(self, event):
        self.told.append("opened")

    def on_sendable(self, event):
        while self.count and event.sender.credit:
            event.sender.send(Message(f"body {self.count}"))
            self.count -= 1

    def on_accepted(self, event):
        self.told.append("accepted")

    def on_transport_error(self, event):
        self.told.append(event.transport.condition.description)

    def on_disconnected(self, event):
        self.told.append("disconnected")


def pair(world, **options):
    return world.start(Server), world.start(Client, **options)


# -- programs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_programs_find_each_other_whatever_the_network_is_like(seed):
    with World(seed) as world:
        server, client = pair(world)
        world.run_until(lambda: client.handler.told.count("accepted") == 3)
        assert server.handler.bodies == ["body 3", "body 2", "body 1"]
        client.handler.connection.close()
        world.run_until(lambda: not client.running)
        assert server.running and world.now < 60


def test_programs_have_names_and_machines():
    world = World(1, latency=0)
    first, second = world.start(Server), world.start(Server, "amqp://server-2")
    third = world.start(Server, "amqp://:5672", name="third")
    assert [program.name for program in (first, second, third)] == ["server", "server-2", "third"]
    clients = {name: world.start(Client, f"amqp://{name}") for name in ("server", "server-2", "third")}
    world.run_until(lambda: all("accepted" in client.handler.told for client in clients.values()))
    assert all(program.handler.bodies for program in (first, second, third))
    assert list(world.programs) == ["server", "server-2", "third", "client", "client-2", "client-3"]
    with pytest.raises(ValueError, match="there is a program 'third' already"):
        world.start(Server, name="third")


def test_a_program_may_be_several_handlers_or_one_that_was_made_before():
    world = World(1, latency=0)
    server = Server()
    watcher = Server("amqp://server:5673")
    world.start(lambda: [server, watcher], name="server")
    client = world.start(Client(), options={"container_id": "me"})
    world.run_until(lambda: client.handler.told.count("accepted") == 3)
    assert len(server.bodies) == 3
    assert [listener.port for listener in world.network.listeners] == [5672, 5673]
    assert client.container.container_id == "me" and client.name == "client"


def test_a_container_can_be_used_from_outside():
    world = World(1)
    server = world.start(Server)
    container = world.container(name="outside")
    sender = container.create_sender(container.connect(URL, reconnect=False), "jobs")
    sender.send(Message("hello"))
    world.run_until(lambda: server.handler.bodies)
    assert server.handler.bodies == ["hello"]
    sender.connection.close()
    server.container.stop()
    world.run_until()
    container.connect(URL, reconnect=False)
    world.run_for(1.0)
    assert "outside cannot connect to server:5672: Connection refused" in world.trace()


def test_the_broker_is_a_program_like_any_other():
    world = World(2)
    broker = world.start(Broker, "amqp://broker:5672")
    client = world.start(Client, "amqp://broker:5672")
    world.run_until(lambda: broker.handler.statistics("jobs").depth == 3)
    assert "accepted" in client.handler.told or world.settle() is None


def test_run_until_without_a_condition_runs_to_the_end():
    world = World(3)
    world.peer("nobody:1")
    _, client = pair(world, count=0)
    world.run_until(lambda: "opened" in client.handler.told)
    client.handler.connection.close()
    world.programs["server"].container.stop()
    world.run_until()
    assert not client.running and not world.programs["server"].running
    assert repr(client) == "<Program client, not running>"


def test_what_a_handler_raises_leaves_run_until():
    class Failing(Client):
        def on_sendable(self, event):
            raise ZeroDivisionError("mine")

    world = World(3)
    world.start(Server)
    world.start(Failing)
    with pytest.raises(ZeroDivisionError, match="mine"):
        world.run_until()


def test_tls_goes_through_a_world_and_nobody_reads_it():
    class Secure(Server):
        def on_start(self, event):
            event.container.ssl.server.set_credentials(file("server.pem"), file("server.key"), None)
            super().on_start(event)

    class Careful(Client):
        def on_start(self, event):
            event.container.ssl.client.set_trusted_ca_db(file("authority.pem"))
            super().on_start(event)

    world = World(3)
    never = world.when("transfer").cut()
    server = world.start(Secure, "amqps://server:5671")
    world.start(Careful, "amqps://server:5671", sni="localhost")
    world.run_until(lambda: len(server.handler.bodies) == 3)
    assert never.happened == 0 and "@transfer" not in world.trace()


# -- crash and restart ------------------------------------------------------------------------------------------


def test_a_program_that_crashes_is_told_nothing_and_its_peer_hears_of_it():
    world = World(4)
    server, client = pair(world)
    world.run_until(lambda: client.handler.told.count("accepted") == 3)
    server.crash()
    server.crash()
    assert not server.running
    world.run_until(lambda: "disconnected" in client.handler.told)
    assert server.handler.told == []
    assert world.faults == 1


def test_a_program_is_started_again_with_its_store_or_with_another():
    world = World(4, latency=0.01)
    store = []
    server = world.start(Server, store=store)
    first = server.handler
    world.start(Client, count=1)
    world.run_until(lambda: store)
    ids = [server.container.container_id]
    server.crash()
    server.restart()
    assert server.running and server.handler is not first and server.handler.store is store
    world.start(Client, count=1)
    world.run_until(lambda: len(store) == 2)
    ids.append(server.container.container_id)
    server.crash()
    server.restart(store=None)
    assert server.handler.store is None and server.starts == 3
    assert len(set(ids)) == 2
    with pytest.raises(RuntimeError, match="server is running: crash it before"):
        server.restart()


def test_a_handler_cannot_be_started_again():
    world = World(4)
    server = world.start(Server())
    server.crash()
    with pytest.raises(RuntimeError, match="start it with a factory"):
        server.restart()


def test_a_machine_that_goes_down_is_silent_until_it_is_back():
    world = World(5, latency=0.01)
    server, client = pair(world, heartbeat=10.0)
    world.run_until(lambda: client.handler.told.count("accepted") == 3)
    server.crash(silent=True)
    late = world.start(Client)
    world.run_for(4.0)
    assert client.handler.told[-1] == "accepted" and late.handler.told == []
    world.run_for(8.0)
    assert "idle" in client.handler.told[-2]
    server.restart()
    world.run_until(lambda: "accepted" in late.handler.told)


def test_it_may_crash_in_its_own_turn_and_says_no_more():
    class Crashing(Server):
        def on_message(self, event):
            super().on_message(event)
            if len(self.bodies) == 2:
                self.crash()

    world = World(5, latency=0.01)
    server = world.start(Crashing)
    server.handler.crash = server.crash
    client = world.start(Client)
    world.run_until(lambda: "disconnected" in client.handler.told)
    assert client.handler.told.count("accepted") <= 1
    assert not server.running and world.wires("crashing") == []


def test_a_program_that_crashes_while_others_connect_to_it_resets_them():
    world = World(6, latency=0.01)
    server, client = pair(world)
    server.pause()
    world.run_for(1.0)
    assert client.handler.told == [] and world.wires("client", "server")
    server.crash()
    world.run_until(lambda: "disconnected" in client.handler.told)


def test_what_stands_still_goes_on_where_it_stood():
    world = World(6)
    server, _ = pair(world, heartbeat=60.0)
    server.pause()
    server.pause()
    world.run_for(20.0)
    assert server.running and server.handler.bodies == []
    server.resume()
    server.resume()
    world.run_until(lambda: len(server.handler.bodies) == 3)


def test_who_stops_reading_is_bounded_by_the_wire():
    world = World(6, latency=0.001, capacity=2000)
    server, _ = pair(world, count=2000)
    world.run_until(lambda: server.handler.bodies)
    server.stop_reading()
    world.run_for(5.0)
    count = len(server.handler.bodies)
    (wire,) = world.wires("server")
    world.run_for(5.0)
    assert len(server.handler.bodies) == count
    assert "bytes unread" in repr(wire)
    server.start_reading()
    world.run_until(lambda: len(server.handler.bodies) == 2000)


# -- the network ------------------------------------------------------------------------------------------------


def test_cut_resets_those_that_are_meant():
    world = World(7)
    world.start(Server)
    one, other = world.start(Client, name="one"), world.start(Client, name="other")
    world.run_until(lambda: all(len(client.handler.told) == 4 for client in (one, other)))
    assert len(world.wires()) == 2
    assert [wire.node.name for wire in world.wires("one")] == ["one"]
    assert world.wires("one", "other") == []
    assert world.cut("server", "one") == 1
    world.run_until(lambda: "disconnected" in one.handler.told)
    assert "disconnected" not in other.handler.told
    assert world.cut() == 1


def test_a_partition_heals():
    world = World(7)
    _, client = pair(world)
    world.partition("client", "server")
    world.run_for(20.0)
    assert client.handler.told == []
    world.heal()
    world.run_until(lambda: client.handler.told.count("accepted") == 3)


@pytest.mark.parametrize("pair", [("far", "server"), ("server", "far"), ("far", "")])
def test_the_way_between_two_machines_may_be_another_one(pair):
    world = World(7, latency=0.01, bandwidth=math.inf)
    server = world.start(Server)
    clients = [world.start(Client, count=0, name=name) for name in ("near", "far")]
    world.between(*pair, latency=1.0, bandwidth=1000)
    came = {}
    server.handler.on_message = lambda event: came.setdefault(event.message.id, world.now)
    world.run_until(lambda: all(client.handler.told == ["opened"] for client in clients))
    assert world.now > 4.0, "a round trip for the connection, and those of SASL and open"
    world.settle()
    sent = world.now
    for client in clients:
        client.handler.sender.send(Message(bytes(3000), id=client.name))
    world.run_until(lambda: len(came) == 2)
    assert 0.009 < came["near"] - sent < 0.1
    assert 4.0 <= came["far"] - sent < 5.0


def test_the_latest_word_about_a_way_holds():
    world = World(7, latency=0.01, bandwidth=1000)
    client = pair(world)[1]
    world.between("client", latency=(5.0, 6.0))
    world.between("client", "server", latency=0.0, bandwidth=math.inf)
    world.run_until(lambda: client.handler.told.count("accepted") == 3)
    assert world.now < 0.03, "it was connecting already"
    assert "** between client and server: latency (0.0, 0.0), bandwidth None\n" in world.trace()


def test_actions_are_planned():
    world = World(7, latency=0)
    times = []
    for seconds in (3.0, 1.0, 2.0):
        world.after(seconds, lambda: times.append(world.now))
    world.run_for(2.5)
    assert times == [1.0, 2.0] and world.now == 2.5
    world.run_for(0.5)
    assert times == [1.0, 2.0, 3.0]


# -- steps ------------------------------------------------------------------------------------------------------


def test_events_come_one_by_one():
    world = World(8)
    _, client = pair(world)
    seen = []
    while not seen or seen[-1].method != "on_connection_remote_open":
        seen.append(world.step_event())
        assert sum(told == "opened" for told in client.handler.told) <= 1
    assert "opened" not in client.handler.told or seen[-1].program == "client"
    names = [f"{one.program}.{one.method}" for one in seen]
    assert names[-1] in ("client.on_connection_remote_open", "server.on_connection_remote_open")
    world.run_until(lambda: client.handler.told.count("accepted") == 3)


def test_frames_come_one_by_one():
    world = World(8, pieces=0)
    server, client = pair(world, count=3)
    seen = []
    while "accepted" not in client.handler.told:
        before = len(server.handler.bodies)
        frame = world.step_frame()
        seen.append(frame.performative)
        assert len(server.handler.bodies) - before == (frame.performative == "transfer")
    assert seen[:4] == ["header", "header", "sasl-mechanisms", "sasl-init"]
    assert seen.count("transfer") >= 1 and seen[-1] == "disposition"
    world.run_until(lambda: len(server.handler.bodies) == 3)


def test_stepping_changes_nothing_of_what_happens():
    def outcome(step):
        world = World(9, latency=0.01, pieces=0)
        server, client = pair(world)
        while client.handler.told.count("accepted") < 3:
            step(world)
        return server.handler.bodies, client.handler.told

    steps = [World.step, World.step_event, World.step_frame, lambda world: world.run_for(0.001)]
    assert len({str(outcome(step)) for step in steps}) == 1


def test_a_step_jumps_to_the_next_moment():
    world = World(9, latency=1.0)
    world.start(Server)
    world.start(Client)
    times = []
    for _ in range(30):
        world.step()
        times.append(world.now)
    assert times == sorted(times) and {2.0, 3.0} <= set(times)


def test_to_settle_is_to_wait_for_what_is_under_way_and_for_nothing_else():
    world = World(9, latency=0.5)
    _, client = pair(world, heartbeat=100.0)
    world.settle()
    assert client.handler.told == ["opened", *["accepted"] * 3]
    now = world.now
    world.settle()
    assert world.now == now < 25.0


def test_what_never_happens_is_told_with_how_things_stand():
    world = World(9)
    pair(world)
    with pytest.raises(NeverHappens) as caught:
        world.run_until(lambda: False)
    assert "every container waits, and none has a deadline" in str(caught.value)
    assert "listening: server:5672" in str(caught.value)
    with pytest.raises(NeverHappens, match=r"0\.5 s of virtual time were not enough"):
        world.start(Client, name="late", heartbeat=10.0)
        world.run_until(lambda: world.now > 100, limit=0.5)


def test_what_never_happens_is_told_in_words_of_the_test(capsys):
    world = World(9, latency=0.001)
    world.start(Server, URL + "1")
    world.start(Client)
    with pytest.raises(NeverHappens) as caught:
        world.run_until(lambda: world.now < 0)  # one cannot know
    text = str(caught.value)
    assert "the condition at test_world.py:" in text and "(world.run_until(lambda: world.now < 0)  #" in text
    assert "still running: server\n" in text
    assert "could not connect: client to server:5672: Connection refused" in text
    world.start(Client, URL + "1", name="other", heartbeat=1.0)
    with pytest.raises(NeverHappens) as caught:
        world.run_until(lambda: False, limit=300)
    assert "@attach" in capsys.readouterr().err.rpartition("the last events")[2], "not only heartbeats"


MISTAKES = [
    (lambda world: World(None), TypeError, "a seed is a whole number, and not None"),
    (lambda world: World(1, latency=-1), ValueError, "latency is the least and the most seconds"),
    (lambda world: World(1, latency="slow"), ValueError, "the least and the most of them, and not 'slow'"),
    (lambda world: World(1, bandwidth=0), ValueError, "bandwidth is bytes per second, and not 0"),
    (lambda world: World(1, capacity=0), ValueError, "pieces and capacity are bytes, and not .* and 0"),
    (lambda world: world.run_until(world.now > 5), TypeError, "takes a function, such as .*, and not False"),
    (lambda world: world.run_for(-1), ValueError, "time does not go back"),
    (lambda world: world.cut("servr"), ValueError, r"'servr'; did you mean 'server'\? \(there is client, server\)"),
    (lambda world: world.partition("client", "srv"), ValueError, "no program is called 'srv'"),
    (lambda world: world.between("me", latency=1), ValueError, "no program is called 'me'"),
    (lambda world: world.between("client", bandwidth=-1), ValueError, "bytes per second, and not -1"),
    (lambda world: world.peer("amqp://peer:5672"), ValueError, "is host:port, such as 'peer:5672', and not 'amqp:"),
    (lambda world: world.peer("peer"), ValueError, "is host:port, such as 'peer:5672', and not 'peer'"),
    (lambda world: world.watch(SettledOnce), TypeError, r"takes observers, such as SettledOnce\(\), and not <class"),
    (lambda world: explore(lambda world: None, 7), TypeError, r"takes the seeds, such as range\(7\)"),
    (lambda world: explore(never_awaited, range(7)), TypeError, "it must be an ordinary function"),
]


async def never_awaited(world):
    """Nobody would ever run this."""


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_are_told_where_they_are_made(number):
    call, error, text = MISTAKES[number]
    world = World(7, pieces=0)
    pair(world)
    with pytest.raises(error, match=text):
        call(world)


def test_a_fault_of_somebody_who_never_was_is_told_at_the_end():
    with pytest.raises(ValueError, match="no program is called 'sever'; did you mean 'server'"), World(7) as world:
        world.when("attach", sender="sever").drop()
        pair(world)
        world.settle()
    with World(7) as world:
        world.when("attach", nth=2, sender="server").drop()  # it does not come to that
        pair(world)
        world.settle()


# -- who looks on -----------------------------------------------------------------------------------------------


class Spy(Observer):
    def __init__(self):
        self.seen = []
        self.checked = 0

    def wrote(self, wire, frame):
        self.seen.append(("wrote", wire.node.name, frame.performative))

    def read(self, wire, frame):
        self.seen.append(("read", wire.node.name, frame.performative))

    def happened(self, seen):
        self.seen.append(("event", seen.program, seen.method))

    def turned(self, program, container):
        self.seen.append(("turn", program, ""))

    def gone(self, program):
        self.seen.append(("gone", program, ""))

    def check(self):
        self.checked += 1


def test_an_observer_refuses_an_event_in_its_own_words():
    class Refusing(Observer):
        def happened(self, seen):
            raise AssertionError(f"not {seen.method}")

    world = World(3)
    world.watch(Refusing())
    with pytest.raises(AssertionError, match="not on_reactor_init"):
        world.start(Server)


def test_observers_are_told_everything():
    spy = Spy()
    with World(10) as world:
        world.watch(spy)
        server, client = pair(world, count=1)
        with pytest.raises(RuntimeError, match="before the first program"):
            world.watch(Spy())
        world.run_until(lambda: "accepted" in client.handler.told)
        server.crash()
        assert spy.checked == 0
    assert spy.checked == 1
    for expected in [
        ("wrote", "client", "transfer"),
        ("read", "server", "transfer"),
        ("event", "server", "on_delivery"),
        ("event", "client", "on_delivery"),
        ("turn", "client", ""),
        ("gone", "server", ""),
    ]:
        assert expected in spy.seen
    wrote = [one[2] for one in spy.seen if one[:2] == ("wrote", "client")]
    read = [one[2] for one in spy.seen if one[:2] == ("read", "server")]
    assert wrote[: len(read)] == read


# -- what a failure tells ---------------------------------------------------------------------------------------


def test_a_failure_tells_the_seed_what_happened_and_what_to_type(capsys):
    with pytest.raises(AssertionError), World(11) as world:
        pair(world)
        world.settle()
        assert world.programs["client"].handler.told == []
    told = capsys.readouterr().err
    assert told.startswith("simulation: seed 11 failed after ")
    assert "@transfer" in told
    test = "tests/simulation/test_world.py::test_a_failure_tells_the_seed_what_happened_and_what_to_type"
    assert f"to run it again: python -m pytest '{test}'" in told


def test_it_is_told_without_a_with_statement_too_and_once(capsys):
    world = World(12)
    pair(world)
    for _ in range(2):
        with pytest.raises(NeverHappens):
            world.run_until(lambda: False, limit=5.0)
    assert capsys.readouterr().err.count("seed 12 failed") == 2
    with pytest.raises(NeverHappens), World(13) as other:
        other.run_until(lambda: False)
    assert capsys.readouterr().err.count("seed 13 failed") == 1


def test_what_is_expected_to_fail_within_is_not_told(capsys):
    with World(13) as world:
        with pytest.raises(NeverHappens):
            world.run_until(lambda: False)
    assert capsys.readouterr().err == ""


def test_the_history_is_kept_as_far_as_it_is_wanted():
    whole, short = World(14, keep=None), World(14, keep=5)
    for world in (whole, short):
        pair(world)
        world.settle()
    assert whole.digest == short.digest
    assert short.trace() == "".join(line + "\n" for line in whole.history.lines(5))
    assert len(short.trace().splitlines()) == 5 < whole.history.count
    assert repr(whole).startswith("<World of seed 14, at ")
