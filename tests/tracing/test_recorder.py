"""The Recorder: all that happens in a container, bounded, without the secrets, and a summary for production."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Backoff, Container, Message
from reactor.codec.definitions import SASL_CHALLENGE, SASL_INIT, SASL_MECHANISMS, SASL_OUTCOME, SASL_RESPONSE
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.simulation import World
from reactor.tracing.recorder import Recorder
from reactor.tracing.recording import Recording, RecordingError
from reactor.tracing.secrets import Secrets
from reactor.tracing.text import describe
from tests.support.processes import CHECKOUT


class Sends(MessagingHandler):
    def __init__(self, number=3, body="hello"):
        super().__init__()
        self.number = number
        self.body = body
        self.done = 0

    def on_start(self, event):
        event.container.create_sender("amqp://broker/q")

    def on_sendable(self, event):
        while event.sender.credit and self.number:
            event.sender.send(Message(self.body))
            self.number -= 1

    def on_accepted(self, event):
        self.done += 1
        if self.done == 3:
            event.container.schedule(1, self)

    def on_timer_task(self, event):
        event.container.stop()


class Receives(MessagingHandler):
    def on_start(self, event):
        event.container.create_receiver("amqp://broker/q")

    def on_message(self, event):
        if event.message.body == "bad":
            self.reject(event.delivery)


def run(recorder, handler=Sends, seconds=30, **options):
    with World(1, latency=0.001, bandwidth=1e9, pieces=0) as world:
        world.start(Broker, "amqp://broker:5672", name="broker")
        if handler is Receives:
            world.start(Sends, 2)
            world.start(Sends, 1, body="bad")
        world.start(handler, name="program", options={"observers": [recorder], **options})
        world.run_for(seconds)
    recorder.flush()
    return recorder.recording


def of_kind(recording, *kinds):
    return [record for record in recording.records if record.kind in kinds]


def test_a_run_is_recorded_with_its_frames_and_its_calls():
    recording = run(Recorder(title="a run"))
    assert recording.header == {
        "amqp-reactor": 1, "clock": "real", "began": 1e9 + 1000.0, "title": "a run", "dropped": 0,
    }  # fmt: skip
    first = recording.records[0]
    assert (first.at, first.kind, first.program, first.values) == (0.0, "began", "sends", {"handler": "Sends"})
    [connected] = of_kind(recording, "connected")
    assert connected.wire == "sends#1" and connected.values["side"] == "client"
    assert connected.values["peer"] == "broker:5672"
    frames = of_kind(recording, "frame")
    words = [(frame.direction, describe(frame.raw)[2].partition("(")[0]) for frame in frames if len(frame.raw) > 8]
    assert words.count(("out", "@transfer")) == 3 and ("in", "@disposition") in words
    assert all(frame.wire == "sends#1" and frame.program == "sends" for frame in frames)
    calls = [record.text for record in of_kind(recording, "call")]
    assert calls[0] == "on_start" and calls.count("on_accepted") == 3 and "on_timer_task" in calls
    call = next(record for record in recording.records if record.text == "on_accepted")
    assert call.values["handler"] == "Sends" and call.values["seconds"] == 0.0 and call.values["delivery"] == 0
    assert call.wire == "sends#1" and call.values["link"].endswith("-q")
    assert [record.text for record in of_kind(recording, "timer")] == ["Sends"]
    times = [record.at for record in recording.records]
    assert times == sorted(times) and times[-1] > 1


def test_a_name_that_the_application_has_chosen_is_that_of_the_program():
    recorder = Recorder()
    run(recorder, container_id="worker-7")
    assert {record.program for record in recorder.recording.records} == {"worker-7"}


def test_several_containers_are_told_apart():
    recorder = Recorder()
    for _ in range(3):
        Container(MessagingHandler(), observers=[recorder]).run()
    names = [record.program for record in of_kind(recorder.recording, "began")]
    assert names == ["messaginghandler", "messaginghandler 2", "messaginghandler 3"]
    assert len(of_kind(recorder.recording, "ended")) == 3


def test_a_loss_and_attempts():
    class Connects(MessagingHandler):
        def on_start(self, event):
            event.container.connect("amqp://broker", reconnect=Backoff(initial=1, factor=1, jitter=0))

    recorder = Recorder()
    with World(1, latency=0.001, bandwidth=1e9, pieces=0) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        world.start(Connects, options={"observers": [recorder]})
        world.run_for(5)
        broker.crash()
        world.run_for(2.5)
        broker.restart()
        world.run_for(5)
    kinds = [(record.kind, record.wire) for record in of_kind(recorder.recording, "connected", "lost", "retry")]
    assert [record.wire for record in of_kind(recorder.recording, "connected")] == ["connects#1", "connects#2"]
    assert kinds[0] == ("connected", "connects#1") and kinds[1] == ("lost", "connects#1")
    assert kinds[-1][0] == "connected" and kinds[-2] == ("retry", "")
    [lost] = of_kind(recorder.recording, "lost")
    failed = of_kind(recorder.recording, "note")
    assert "hung up" in lost.text and lost.values["condition"] == "amqp:connection:framing-error"
    assert "cannot connect" in failed[0].text and failed[0].values == {"condition": "proton.pythonio"}
    assert of_kind(recorder.recording, "retry")[0].values == {"attempt": 2, "delay": 1}


# -- bounds ------------------------------------------------------------------------------------------------


def test_in_memory_the_newest_records_are_kept():
    recorder = Recorder(ring=10)
    whole = run(Recorder())
    recording = run(recorder)
    assert len(recording) == 10
    assert recording.header["dropped"] == recorder.dropped == len(whole) - 10
    assert [record.kind for record in recording.records] == [record.kind for record in whole.records[-10:]]
    assert "%d dropped" % recorder.dropped in repr(recorder)


def test_without_a_bound_all_are_kept():
    assert len(run(Recorder(ring=None))) == len(run(Recorder()))


def test_of_a_long_frame_the_beginning_is_kept_and_its_size():
    def program():
        return Sends(1, "x" * 10_000)

    frames = of_kind(run(Recorder(frame_bytes=100), program), "frame")
    frame = max(frames, key=lambda frame: frame.values.get("size", 0))
    assert len(frame.raw) == 100 and frame.values["size"] > 10_000
    whole = max(of_kind(run(Recorder(frame_bytes=None), program), "frame"), key=lambda frame: len(frame.raw))
    assert len(whole.raw) == frame.values["size"] and "size" not in whole.values


def test_a_file_is_written_as_the_run_goes_on(tmp_path):
    path = tmp_path / "run.jsonl"
    with Recorder(file=path, title="in a file") as recorder:
        recording = run(recorder)
    assert Recording.read(path) == recording
    assert recording.header["title"] == "in a file" and recording.header["dropped"] == 0
    whole = run(Recorder())
    assert [record[1:6] for record in recording.records] == [record[1:6] for record in whole.records]


def test_what_a_file_has_no_room_for_is_counted(tmp_path):
    path = tmp_path / "run.jsonl"
    recorder = Recorder(file=path, file_bytes=1500)
    recording = run(recorder)
    assert 0 < recorder.dropped == recording.header["dropped"] == Recording.read(path).header["dropped"]
    assert len(path.read_bytes()) < 1700
    assert recording.records[-1].text == "the file is full"
    kept = [record for record in recording.records if record.text != "the file is full"]
    assert len(kept) + recorder.dropped == len(run(Recorder()))


def test_memory_and_a_file(tmp_path):
    recorder = Recorder(ring=5, file=tmp_path / "run.jsonl")
    assert len(run(recorder)) == 5
    assert len(Recording.read(tmp_path / "run.jsonl")) > 20


def test_a_program_that_comes_to_its_end_leaves_its_file_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    program = (
        "from reactor.tracing import Recorder; recorder = Recorder(file=%r);"
        "recorder.program('somewhere', lambda: 1.0, 1e9).add('note', text='the last words')" % str(path)
    )
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True, timeout=60)
    assert Recording.read(path).records[-1].text == "the last words"


@pytest.mark.parametrize(
    ("options", "kind", "error"),
    [
        (dict(level="all"), ValueError, "the level of a recorder is 'frames' or 'summary', not 'all'"),
        (dict(ring=-2), ValueError, "ring is a number that is not below 0"),
        (dict(frame_bytes="x"), ValueError, "frame_bytes is a number"),
        (dict(file="run.pcapng"), RecordingError, r"names that end in \.jsonl"),
        (dict(file="/no/such/folder/run.jsonl"), OSError, "folder"),
    ],
)
def test_a_recorder_with_wrong_settings(options, kind, error):
    with pytest.raises(kind, match=error):
        Recorder(**options)


# -- the summary -------------------------------------------------------------------------------------------


def test_the_summary_has_the_counters_of_the_links():
    recording = run(Recorder(level="summary"), Receives)
    assert not of_kind(recording, "frame", "call")
    summaries = of_kind(recording, "summary")
    total = {}
    for record in summaries:
        assert record.program == "receives" and record.wire == "receives#1" and record.values["role"] == "receiver"
        for name in ("received", "accepted", "rejected", "sent"):
            total[name] = total.get(name, 0) + record.values.get(name, 0)
    assert total == {"received": 3, "accepted": 2, "rejected": 1, "sent": 0}
    last = summaries[-1].values
    assert last["credit"] > 0 and last["queued"] == 0 and last["unsettled"] == 0
    assert of_kind(recording, "connected") and of_kind(recording, "began")


def test_the_summary_of_a_sender():
    recording = run(Recorder(level="summary"))
    [*_, last] = of_kind(recording, "summary")
    assert last.values["role"] == "sender" and last.values["unsettled"] == 0
    assert sum(record.values.get("accepted", 0) for record in of_kind(recording, "summary")) == 3
    assert sum(record.values.get("sent", 0) for record in of_kind(recording, "summary")) == 3


def test_a_summary_is_written_once_in_each_interval():
    class Trickles(MessagingHandler):
        def on_start(self, event):
            self.sender = event.container.create_sender("amqp://broker/q")
            event.container.schedule(0.1, self)

        def on_timer_task(self, event):
            self.sender.send(Message("x"))
            event.container.schedule(0.1, self)

    recording = run(Recorder(level="summary", interval=5), Trickles, 30)
    summaries = of_kind(recording, "summary")
    assert 5 <= len(summaries) <= 8
    assert all(b.at - a.at > 4.5 for a, b in zip(summaries, summaries[1:-1]))
    assert sum(record.values["sent"] for record in summaries) in range(290, 301)


# -- secrets -----------------------------------------------------------------------------------------------

PASSWORD = b"swordfish"


def sasl(code, values):
    body = encode_composite(code, values)
    return (8 + len(body)).to_bytes(4, "big") + b"\x02\x01\x00\x00" + body


@pytest.mark.parametrize(
    ("code", "values"),
    [
        (SASL_INIT, ["PLAIN", b"\0user\0" + PASSWORD, "host"]),
        (SASL_CHALLENGE, [PASSWORD]),
        (SASL_RESPONSE, [PASSWORD]),
        (SASL_OUTCOME, [0, PASSWORD]),
    ],
)
def test_the_secrets_of_sasl_are_hidden(code, values):
    frame = sasl(code, values)
    hidden = Secrets().hide(frame)
    assert PASSWORD not in hidden and len(hidden) == len(frame)
    assert decode_composite(hidden, 8, len(hidden))[0] == code
    assert describe(hidden) == describe(frame), "the trace shows the same of both"


def test_other_frames_stay_as_they_are():
    for part in (sasl(SASL_MECHANISMS, [["PLAIN"]]), b"AMQP\3\1\0\0", b"\0\0\0\x08\2\0\0\0", b"\0\0\0\x0c\2\0\0\0junk"):
        assert Secrets().hide(part) == part


@pytest.mark.parametrize("size", range(9, 38))
def test_frames_of_sasl_that_cannot_be_read_are_hidden(size):
    frame = sasl(SASL_INIT, ["PLAIN", b"\0user\0" + PASSWORD])[:size]
    hidden = Secrets().hide(frame)
    assert hidden == frame[:8] + b"*" * (size - 8)


def test_a_password_is_in_no_recording(tmp_path):
    class Logs(MessagingHandler):
        def on_start(self, event):
            connection = event.container.connect(
                "amqp://broker", user="me", password="swordfish", allowed_mechs="PLAIN", allow_insecure_mechs=True
            )
            event.container.create_sender(connection, "$cbs").send(Message("swordfish"))
            event.container.create_sender(connection, "q").send(Message("a body"))

    class Lets(MessagingHandler):
        def on_start(self, event):
            event.container.listen("broker:5672", authenticator=lambda *login: True, allowed_mechs="PLAIN")

    recorder = Recorder(ring=None)
    with World(1, latency=0.001, bandwidth=1e9, pieces=0) as world:
        world.start(Lets, name="broker")
        world.start(Logs, options={"observers": [recorder]})
        world.run_for(10)
    path = tmp_path / "run.jsonl"
    recorder.write(path)
    records = Recording.read(path).records
    raw = b"".join(record.raw for record in records)
    assert b"a body" in raw and b"PLAIN" in raw and b"$cbs" in raw
    assert PASSWORD not in raw and "swordfish" not in json.dumps([record._replace(raw="") for record in records])
