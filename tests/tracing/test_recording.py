"""Recordings and their files: a round trip, and clear errors for files that are none."""

from __future__ import annotations

import json

import pytest

from reactor.tracing.recording import Record, Recording, RecordingError

RECORDS = [
    Record(0.0, "began", "worker", text="worker-1", values={"handler": "Worker"}),
    Record(0.25, "connected", "worker", "worker#1", values={"peer": "broker:5672", "side": "client"}),
    Record(0.5, "frame", "worker", "worker#1", "out", b"AMQP\x00\x01\x00\x00"),
    Record(1.5, "lost", "worker", "worker#1", text="the peer is gone: ä"),
]
HEADER = {"clock": "world", "began": 1.5, "title": "a title", "dropped": 3}


def test_a_recording_is_written_and_read_as_json_lines(tmp_path):
    path = tmp_path / "run.jsonl"
    Recording(HEADER, RECORDS).write(path)
    assert Recording.read(str(path)) == Recording(HEADER, RECORDS)
    first, *lines = map(json.loads, path.read_text("utf-8").splitlines())
    assert first == {"amqp-reactor": 1, **HEADER}
    assert lines[2] == {"t": 0.5, "k": "frame", "p": "worker", "w": "worker#1", "d": "out", "b": "QU1RUAABAAA="}
    assert len(lines) == 4


def test_an_empty_recording_is_one(tmp_path):
    Recording().write(tmp_path / "run.jsonl")
    recording = Recording.read(tmp_path / "run.jsonl")
    assert recording and len(recording) == 0
    assert recording.header == {"amqp-reactor": 1, "clock": "real", "began": None, "title": "", "dropped": 0}
    assert repr(recording) == "<Recording: 0 records>"
    assert repr(Recording({"title": "x"})) == "<Recording 'x': 0 records>"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "is empty: a recording begins with"),
        (b"{}\n", r"line 1: no recording begins like this; one begins with a line such as \{"),
        (b"hello\n", "line 1: no recording begins like this"),
        (b'["amqp-reactor"]\n', "line 1: no recording begins like this"),
        (b'{"amqp-reactor":2}\n', "line 1: this recording has version 2, and version 1 can be read"),
        (b'{"amqp-reactor":1}\n\n{"k":"note"}\n', 'line 3: "t", the time, is a number of seconds, not None'),
        (b'{"amqp-reactor":1}\n{"t":true,"k":"note"}\n', 'line 2: "t", the time'),
        (b'{"amqp-reactor":1}\n{"t":NaN,"k":"note"}\n', "line 2: this is no JSON: NaN is no number"),
        (b'{"amqp-reactor":1}\n{"t":1%s,"k":"note"}\n' % (b"0" * 400), 'line 2: "t", the time'),
        (b'{"amqp-reactor":1}\n{"t":1}\n', 'line 2: "k", the kind, is missing'),
        (b'{"amqp-reactor":1}\n{"t":1,"k":7}\n', 'line 2: "k", the kind, is a text, not 7'),
        (b'{"amqp-reactor":1}\n{"t":1,"k":"frame","d":"up"}\n', 'line 2: "d", the direction, is "in" or "out"'),
        (b'{"amqp-reactor":1}\n{"t":1,"k":"frame","b":"?"}\n', 'line 2: "b", the bytes, is base64'),
        (b'{"amqp-reactor":1}\n{"t":1,"k":"frame","b":7}\n', 'line 2: "b", the bytes, is base64'),
        (b'{"amqp-reactor":1}\n{"t":1,"k":"note","v":[]}\n', 'line 2: "v", the values, is an object'),
        (b'{"amqp-reactor":1}\n{"t":1,"k":"note","q":1,"a":2}\n', "line 2: no record has a, q"),
        (b'{"amqp-reactor":1}\n[1]\n', r"line 2: a JSON object is wanted, not \[1\]"),
        (b'{"amqp-reactor":1}\n{"t":1,\n{"t":1,"k":"note"}\n', "line 2: this is no JSON"),
        (b'{"amqp-reactor":1}\n\xff\n', "line 2: this is no JSON"),
        (b'{"amqp-reactor":1,"cut":"yes"}\n', 'line 1: "cut" is a list of sentences'),
        (b'{"amqp-reactor":1,"ti', "line 1 is cut off: nothing is left"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_place(tmp_path, content, error):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=error) as raised:
        Recording.read(path)
    assert str(path) in str(raised.value)


def test_of_a_file_that_was_cut_off_the_whole_lines_are_read(tmp_path):
    path = tmp_path / "run.jsonl"
    Recording(HEADER, RECORDS).write(path)
    path.write_bytes(path.read_bytes()[:-20])
    recording = Recording.read(path)
    assert recording.records == RECORDS[:3]
    assert recording.header["cut"] == [f"{path}: line 5 is cut off: the recording ends with the line before"]
    recording.write(path)
    assert Recording.read(path) == recording


def test_a_last_line_that_lacks_its_newline_alone_is_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    Recording(HEADER, RECORDS).write(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert Recording.read(path) == Recording(HEADER, RECORDS)


def test_the_ending_of_the_name_is_the_format(tmp_path):
    for call in (Recording.read, Recording().write):
        with pytest.raises(RecordingError, match=r"run.html: recordings have names that end in \.jsonl"):
            call(tmp_path / "run.html")


@pytest.mark.parametrize("value", [b"x", float("nan"), {1, 2}])
def test_values_that_json_does_not_know_are_refused(tmp_path, value):
    with pytest.raises(RecordingError, match="none of JSON's values"):
        Recording({}, [Record(0.0, "note", values={"x": value})]).write(tmp_path / "run.jsonl")
