"""Faults of frames: the nth of a kind is dropped, delayed, held back; behind another one the wire is cut."""

from __future__ import annotations

import logging

import pytest

from handlers import MessagingHandler
from reactor import Message
from reactor.simulation import NeverHappens, World

URL = "amqp://server:5672"


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


class Server(MessagingHandler):
    def __init__(self):
        super().__init__()
        self.bodies = []
        self.told = []

    def on_start(self, event):
        event.container.listen(URL)

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_transport_error(self, event):
        self.told.append(event.transport.condition.description)


class Client(MessagingHandler):
    def __init__(self, count=5):
        super().__init__()
        self.count = count
        self.accepted = []
        self.doubtful = []
        self.told = []

    def on_start(self, event):
        self.connection = event.container.connect(URL, reconnect=False)
        self.sender = event.container.create_sender(self.connection, "jobs")

    def on_sendable(self, event):
        while self.count and event.sender.credit:
            event.sender.send(Message(self.count), tag=str(self.count))
            self.count -= 1

    def on_accepted(self, event):
        self.accepted.append(int(event.delivery.tag))

    def on_in_doubt(self, event):
        self.doubtful.append(int(event.delivery.tag))

    def on_transport_error(self, event):
        self.told.append(event.transport.condition.description)

    def on_connection_error(self, event):
        condition = event.connection.remote_condition
        self.told.append(f"{condition.name}: {condition.description}")


class Scene:
    """A world of short distances, where only what a test does goes wrong."""

    def __init__(self, count=5, **options):
        self.world = World(1, **{"latency": 0.01, "bandwidth": float("inf"), "pieces": 0, **options})
        self.count = count

    def start(self):
        self.server = self.world.start(Server)
        self.client = self.world.start(Client, self.count)
        return self

    @property
    def bodies(self):
        return self.server.handler.bodies

    @property
    def accepted(self):
        return self.client.handler.accepted


@pytest.fixture
def scene():
    return Scene()


def test_the_wire_is_cut_behind_the_second_attach(scene):
    fault = scene.world.when("attach", nth=2).cut()
    scene.start()
    scene.world.settle()
    assert fault.happened == 1 and scene.world.wires() == []
    assert scene.bodies == [] and scene.client.handler.doubtful == []
    for told in (scene.client.handler.told, scene.server.handler.told):
        assert len(told) == 1 and "reset by peer" in told[0]
    attaches = [line for line in scene.world.trace().splitlines() if "@attach" in line]
    assert len(attaches) == 3 and "** fault at server, wire 1: @attach: the wire is cut behind it" in attaches[2]


def test_a_frame_that_is_lost_with_its_wire(scene):
    scene.world.when("transfer", nth=3).cut(lost=True)
    scene.start()
    scene.world.settle()
    assert scene.bodies == [] or len(scene.bodies) <= 2
    assert sorted(scene.client.handler.doubtful + scene.accepted) == [1, 2, 3, 4, 5]


def test_the_nth_disposition_is_dropped(scene):
    scene.world.when("disposition", sender="server", nth=1).drop()
    scene.start()
    scene.client.handler.count = 1
    scene.world.run_for(10)
    assert scene.bodies == [1] and scene.accepted == []
    assert scene.client.handler.sender.unsettled == 1
    scene.client.handler.sender.send(Message("more"), tag="9")
    scene.world.run_for(10)
    assert scene.accepted == [9]


def test_a_disposition_that_is_delayed_is_overtaken(scene):
    scene.world.when("disposition").delay(5.0)
    scene.start()
    scene.client.handler.count = 1
    scene.world.run_until(lambda: scene.bodies)
    scene.client.handler.sender.send(Message("more"), tag="9")
    scene.world.run_until(lambda: scene.accepted)
    assert scene.accepted == [9] and scene.world.now < 1
    scene.world.run_until(lambda: len(scene.accepted) == 2)
    assert scene.accepted == [9, 1] and scene.world.now > 5


def test_flows_are_held_back_until_they_are_released(scene):
    flows = scene.world.when("flow", sender="server", link_credit=lambda credit: credit > 0).hold()
    scene.start()
    scene.world.run_for(10)
    assert scene.bodies == [] and flows.happened == 1
    flows.release()
    scene.world.settle()
    assert len(scene.accepted) == 5
    assert flows.happened == 1, "it holds back nothing more"


def test_the_receiver_is_told_that_the_connection_is_closed(scene):
    scene.world.when("transfer", nth=2).close("amqp:connection:forced", "by the test")
    scene.start()
    scene.world.settle()
    assert scene.server.handler.told == []
    trace = scene.world.trace()
    assert 'condition=:"amqp:connection:forced"' not in trace, "nobody wrote it"
    assert scene.client.handler.connection.state & scene.client.handler.connection.REMOTE_CLOSED
    assert len(scene.bodies) == 2


def test_the_condition_is_the_clients_to_see(scene):
    scene.world.when("open", sender="server").close("amqp:unauthorized-access", "not you")
    scene.start()
    scene.world.settle()
    assert scene.client.handler.told == ["amqp:unauthorized-access: not you"]


def test_the_receiver_reads_no_more(scene):
    scene.world.when("transfer", nth=2, receiver="server").stop_reading()
    scene.start()
    scene.world.run_for(10)
    assert len(scene.bodies) <= 1
    scene.server.start_reading()
    scene.world.settle()
    assert len(scene.bodies) == 5


def test_a_direction_ends_behind_a_frame(scene):
    scene.world.when("transfer", nth=2).half_close()
    scene.start()
    scene.world.settle()
    assert len(scene.bodies) == 2
    assert "hung up" in scene.server.handler.told[0]
    assert len(scene.accepted) + len(scene.client.handler.doubtful) == 5


def test_anything_else_can_follow_a_frame(scene):
    scene.start()
    scene.world.when("transfer", nth=3).then(scene.server.crash)
    scene.world.settle()
    assert not scene.server.running
    assert "Program.crash" in scene.world.trace()


def test_several_things_follow_a_frame():
    scene = Scene(count=2)
    scene.world.when("transfer").drop().then(lambda: seen.append(scene.world.now))
    seen = []
    scene.start()
    scene.world.settle()
    assert len(seen) == 1


@pytest.mark.parametrize("count, lost", [(1, 1), (2, 2), (None, 4)])
def test_it_happens_to_so_many(scene, count, lost):
    fault = scene.world.when("transfer", nth=2, count=count).drop()
    scene.start()
    scene.world.settle()
    assert fault.happened == lost == scene.world.faults


def test_fields_say_which_frames_are_meant(scene):
    fault = scene.world.when("transfer", delivery_tag=b"3").drop()
    scene.start()
    scene.world.settle()
    assert fault.happened == 1
    assert scene.client.handler.sender.unsettled_head is None or 3 not in scene.accepted


def test_so_do_programs():
    scene = Scene()
    nobody = scene.world.when("transfer", sender="server").drop()
    other = scene.world.when("transfer", receiver="client").drop()
    anything = scene.world.when(nth=7, sender="client").delay(1.0)
    header = scene.world.when("header", layer="AMQP", sender="server").then(lambda: None)
    scene.start()
    scene.client.handler.count = 1
    scene.world.run_until(lambda: scene.accepted)
    assert (nobody.happened, other.happened, anything.happened, header.happened) == (0, 0, 1, 1)
    assert scene.world.now > 1


def test_heartbeats_are_frames_too():
    world = World(1, latency=0.01)
    server = world.start(Server)

    class Listener(Client):
        def on_start(self, event):
            self.connection = event.container.connect(URL, reconnect=False, heartbeat=10.0)

    world.when("empty", sender="server", count=None).drop()
    client = world.start(Listener)
    world.run_until(lambda: client.handler.told, limit=60)
    assert "idle" in client.handler.told[0]
    assert server.running


def test_what_was_cancelled_does_not_happen(scene):
    fault = scene.world.when("transfer").drop()
    fault.cancel()
    fault.cancel()
    scene.start()
    scene.world.settle()
    assert fault.happened == 0 and len(scene.accepted) == 5


@pytest.mark.parametrize(
    "arguments, fields, error",
    [
        (["transfr"], {}, "no performative 'transfr'; did you mean 'transfer'?"),
        (["transfer"], {"delivery_tagg": 1}, "no field 'delivery_tagg'; did you mean 'delivery_tag'?"),
        ([], {"handle": 1}, "name the performative"),
        (["header"], {"version": 1}, "header has no field 'version'"),
    ],
)
def test_what_there_is_not_is_refused(scene, arguments, fields, error):
    with pytest.raises(TypeError, match=error.replace("?", r"\?")):
        scene.world.when(*arguments, **fields)


def test_frames_are_counted_from_one(scene):
    for wrong in ({"nth": 0}, {"count": 0}):
        with pytest.raises(ValueError, match="counted from 1"):
            scene.world.when("transfer", **wrong)


def test_one_thing_can_be_done_with_a_frame(scene):
    with pytest.raises(ValueError, match="it is dropped already"):
        scene.world.when("transfer").drop().delay(1.0)


def test_a_fault_tells_what_it_is(scene):
    fault = scene.world.when("flow", nth=2, sender="a", receiver="b", link_credit=0).hold()
    assert repr(fault) == "<Fault of number 2, @flow [link-credit=0] of a to b: held back>"
    assert str(scene.world.when()) == "any frame: nothing"


def test_a_fault_that_waits_in_vain_is_no_harm(scene):
    scene.world.when("end").cut()
    scene.start()
    with pytest.raises(NeverHappens):
        scene.world.run_until(lambda: not scene.client.running, limit=60)
    assert len(scene.accepted) == 5
