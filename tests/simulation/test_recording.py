"""The recording of a world: both ends, crashes and faults; and a run is the same without it."""

from __future__ import annotations

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Message
from reactor.simulation import World
from reactor.tracing import Recorder, Recording
from reactor.tracing.text import describe


class Sends(MessagingHandler):
    def __init__(self, number=5):
        super().__init__()
        self.number = number

    def on_start(self, event):
        event.container.create_sender("amqp://broker/q")

    def on_sendable(self, event):
        while event.sender.credit and self.number:
            event.sender.send(Message("message"))
            self.number -= 1


class Receives(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/q")

    def on_message(self, event):
        pass


def frames(recording, program, direction):
    those = [r for r in recording.records if (r.kind, r.program, r.direction) == ("frame", program, direction)]
    return [(record.wire, record.raw) for record in those]


def agree(recording, writer, reader):
    written = [raw for _, raw in frames(recording, writer, "out")]
    assert written and written == [raw for _, raw in frames(recording, reader, "in")]


def words(parts):
    return [describe(raw)[2].partition("(")[0] for _, raw in parts]


def test_both_ends_of_a_wire_are_recorded():
    with World(3, record=True) as world:
        world.start(Broker, "amqp://broker:5672", name="broker")
        world.start(Sends, name="sender")
        world.run_for(60)
        recording = world.recording
    assert recording.header["clock"] == "world" and recording.header["title"] == "seed 3"
    assert recording.header["dropped"] == 0
    ends = {record.program: record for record in recording.records if record.kind == "connected"}
    assert ends["sender"].wire == ends["broker"].values["other"] and ends["sender"].wire.startswith("sender#")
    assert ends["broker"].wire == ends["sender"].values["other"] and ends["broker"].values["side"] == "server"
    agree(recording, "sender", "broker")
    agree(recording, "broker", "sender")
    assert words(frames(recording, "sender", "out")).count("@transfer") == 5
    times = [record.at for record in recording.records]
    assert times == sorted(times)
    began = [(record.kind, record.values["handler"]) for record in recording.records if record.kind == "began"]
    assert began == [("began", "Broker"), ("began", "Sends")]


def test_a_frame_that_is_never_read_was_lost():
    with World(3, record=True) as world:
        world.start(Broker, "amqp://broker:5672", name="broker")
        world.when("transfer", nth=2, count=1).drop()
        world.start(Sends, name="sender")
        world.run_for(60)
        recording = world.recording
    assert words(frames(recording, "sender", "out")).count("@transfer") == 5
    assert words(frames(recording, "broker", "in")).count("@transfer") == 4


def test_crashes_restarts_ends_and_faults():
    class Stops(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(1, self)

        def on_timer_task(self, event):
            event.container.stop()

    with World(3, record=True) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        world.start(Sends, name="sender")
        world.start(Stops, name="stops")
        world.run_for(5)
        broker.crash()
        world.run_for(5)
        broker.restart()
        world.run_for(30)
        recording = world.recording
    kinds = [record.kind for record in recording.records if record.program == "broker" and record.kind != "frame"]
    assert kinds.count("began") == kinds.count("crashed") == kinds.count("restarted") == 1
    assert [r.program for r in recording.records if r.kind == "ended"] == ["stops"]
    assert [r.program for r in recording.records if r.kind == "lost"] == ["sender"]
    notes = [record.text for record in recording.records if record.kind == "note"]
    assert notes[0].startswith("seed 3: ") and "broker crashes" in notes and "broker starts again" in notes
    assert world.recording.records == recording.records, "to look at it changes nothing"


def test_a_scripted_peer_is_recorded_by_its_wires():
    with World(3, record=True) as world:
        peer = world.peer("broker:5672")
        peer.expect("open").say("open", container_id="peer").say("close").expect("close")
        world.start(MessagingHandlerThatConnects, name="client")
        world.run_until(lambda: peer.done)
        recording = world.recording
    [end] = [r for r in recording.records if r.kind == "connected" and r.program == "broker"]
    assert end.values["side"] == "server" and end.wire == "broker#1" and end.values["other"] == "client#1"
    agree(recording, "client", "broker")
    agree(recording, "broker", "client")


class MessagingHandlerThatConnects(MessagingHandler):
    def on_start(self, event):
        event.container.connect("amqp://broker", reconnect=False)


def storm(seed, **options):
    with World(seed, **options) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        world.start(Sends, 30, name="sender")
        world.start(Receives, name="receiver")
        world.storm(15, every=2, crashing=[broker])
        world.run_for(60)
    return world


@pytest.mark.parametrize("seed", range(3))
def test_a_run_is_the_same_with_a_recording(seed, tmp_path):
    world = storm(seed, record=True)
    assert world.digest == storm(seed).digest
    again = storm(seed, record=True)
    assert again.recording == world.recording, "and so are its recordings"
    assert len(world.recording) > 100
    world.recording.write(tmp_path / "run.jsonl")
    assert len(Recording.read(tmp_path / "run.jsonl")) == len(world.recording)


def test_a_recorder_with_bounds_of_its_own():
    world = storm(1, record=Recorder(ring=20))
    assert len(world.recording) == 20 and world.recording.header["dropped"] > 100
    assert world.recording.header["clock"] == "world"


def test_the_observers_of_a_program_look_on_as_well():
    seen = Recorder()
    with World(1, record=True) as world:
        world.start(Broker, "amqp://broker:5672", name="broker")
        world.start(Sends, name="sender", options={"observers": [seen]})
        world.run_for(30)
    assert len(seen.recording) > 10 and len(world.recording) > 20


def test_a_world_that_is_not_recorded_says_so():
    with World(1) as world:
        with pytest.raises(RuntimeError, match=r"World\(seed, record=True\)"):
            world.recording  # noqa: B018
