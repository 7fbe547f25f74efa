"""The page of a recording: self-contained, safe, bounded, and the same for the same recording."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from reactor.look.details import frame_details
from reactor.look.page import page
from reactor.look.specification import SECTIONS, TYPES, glossary
from reactor.look.table import table
from reactor.simulation.wiretap.frames import composite, make_frame
from reactor.tracing.recording import Record, Recording
from reactor.tracing.timeline import Timeline
from tests.look.test_diagram import HOSTILE
from tests.support.recordings import recorded
from tests.tracing.test_timeline import HELLO, UP, accepted, credit, frames, transfer

MOST = 3_000_000  # bytes of a page


class Seen(HTMLParser):
    """The elements of a page, and the text in its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.scripts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and len(self.scripts) < sum(t == "script" for t, _ in self.tags):
            self.scripts.append(data)

    @property
    def data(self):
        return json.loads(self.scripts[0])


def busy(count, label=b"x" * 20):
    """A connection of which both ends were recorded, with so many messages one by one."""
    records = [Record(0.0, "connected", "me", "me#1", values={"other": "you#1"}),
               Record(0.0, "connected", "you", "you#1", values={"other": "me#1"})]  # fmt: skip

    def passes(at, raw, back=False):
        ends = ("you", "me") if back else ("me", "you")
        records.append(Record(at, "frame", ends[0], ends[0] + "#1", "out", raw))
        records.append(Record(at + 0.001, "frame", ends[1], ends[1] + "#1", "in", raw))

    for number, each in enumerate(UP):
        passes(number / 1000, *((each[1], True) if isinstance(each, tuple) else (each,)))
    for number in range(count):
        at = 1.0 + number / 100
        if number % 10 == 0:
            passes(at, credit(10, number), True)
        body = b"%s %d" % (label, number)
        passes(at, transfer(number, b"\x00\x53\x77\xa1" + bytes([len(body)]) + body))
        passes(at + 0.002, accepted(number, state="released" if number % 1000 == 7 else "accepted"), True)
    return Recording({"title": "busy"}, records)


def test_it_has_its_parts_and_nothing_is_loaded_from_elsewhere():
    text = recorded(3).html()
    seen = Seen(text)
    assert {attributes.get("id") for tag, attributes in seen.tags if tag == "section"} == {
        "sequence", "time", "deliveries"}  # fmt: skip
    links = [value for tag, attributes in seen.tags for name, value in attributes.items()
             if name in ("src", "href", "srcset", "action", "data", "poster")]  # fmt: skip
    assert set(links) == {"data:,", "#sequence", "#time", "#deliveries"}
    assert "url(" not in text and "@import" not in text and "fetch(" not in text
    assert not re.findall(r"https?://", text)


def test_its_policy_allows_its_own_script_alone():
    seen = Seen(recorded(3).html())
    policy = next(attributes["content"] for tag, attributes in seen.tags
                  if attributes.get("http-equiv") == "Content-Security-Policy")  # fmt: skip
    digest = base64.b64encode(hashlib.sha256(seen.scripts[1].encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_the_same_recording_gives_the_same_bytes():
    assert recorded(50).html() == recorded(50).html()


def everywhere(text):
    """A recording with this text wherever a peer can put one."""
    raw = text.encode()
    payload = b"\x00\x53\x77\xb1" + len(raw).to_bytes(4, "big") + raw
    error = composite("error", condition="a:b", description=text)
    answer = accepted(0, state="rejected", error=error)
    odd = make_frame("attach", name=text, handle=9, role=False, source=composite("source"),
                     target=composite("target", address=text), properties={text: text})  # fmt: skip
    records = frames(*UP, odd, ("in", credit(9)), transfer(0, payload), ("in", answer), text.encode(), wire=text + "#1")
    records = [record._replace(program=text) for record in records]
    records.append(Record(99.0, "lost", text, text + "#1", text=text))
    return Recording({"title": text, "cut": [text]}, records)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_peers_stay_texts(text):
    seen = Seen(everywhere(text).html())
    assert {tag for tag, _ in seen.tags} == {tag for tag, _ in Seen(everywhere("plain").html()).tags}
    assert sum(tag == "script" for tag, _ in seen.tags) == 2
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    assert len(seen.data["table"]["rows"]) == 1


def test_every_row_of_the_diagram_has_its_frame():
    seen = Seen(recorded(3).html())
    named = {attributes["data-i"] for tag, attributes in seen.tags if "data-i" in attributes}
    assert named <= set(seen.data["frames"])
    assert len(named) > 30


def test_a_frame_is_shown_field_by_field():
    found = frame_details(Record(0.0, "frame", raw=transfer(7, settled=False)))
    assert found["n"] == "transfer"
    assert found["f"] == [["handle", "0"], ["delivery-id", "7"], ["delivery-tag", "t7"], ["settled", "false"]]
    assert found["m"] == [["amqp-value", "hello"]]
    assert bytes.fromhex(found["b"]) == transfer(7, settled=False)


def test_composites_within_are_shown_by_field_too():
    found = frame_details(Record(0.0, "frame", raw=accepted(0, state="rejected", error=composite(
        "error", condition="amqp:not-found", description="no such queue"))))  # fmt: skip
    state = dict(found["f"])["state"]
    assert state == {"n": "rejected", "f": [["error", {
        "n": "error", "f": [["condition", "amqp:not-found"], ["description", "no such queue"]]}]]}  # fmt: skip


def test_passwords_are_not_shown():
    raw = make_frame("sasl-init", mechanism="PLAIN", initial_response=b"\x00guest\x00secret")
    text = json.dumps(frame_details(Record(0.0, "frame", raw=raw)))
    assert "secret" not in text and b"secret".hex() not in text and "not shown" in text


def test_a_frame_of_which_the_beginning_was_recorded_says_so():
    found = frame_details(Record(0.0, "frame", raw=transfer(0)[:-3], values={"size": 5000}))
    assert (found["z"], found["p"]) == (5000, "the recording has the beginning of this frame alone")


def test_large_values_are_clipped():
    body = b"\x00\x53\x75\xb0" + (100_000).to_bytes(4, "big") + bytes(100_000)
    assert len(json.dumps(frame_details(Record(0.0, "frame", raw=transfer(0, body))))) < 2_000


def test_the_specification_is_cited_by_its_own_numbers():
    found = glossary()
    assert found["transfer"][0] == "2.7.5"
    assert found["transfer"][2]["delivery-id"] == ["delivery-number (sequence-no)", "2.8.8", False]
    assert found["source"][0] == "3.5.3"
    assert all(re.fullmatch(r"[2-5](\.\d+){2,3}", section) for section in [*SECTIONS.values(), *TYPES.values()])


def test_many_deliveries_are_runs_and_odd_ones_are_not():
    found = table(Timeline(busy(3000).records), most=500)
    assert (found["folded"], found["all"]) == (True, 3000)
    assert len(found["rows"]) <= 500
    assert sum(row[3] for row in found["rows"]) == 3000
    assert [row[1] for row in found["rows"] if row[10] == "released"] == [7, 1007, 2007]


def test_a_page_of_some_thousand_messages_is_bounded():
    """By the same bounds as one of a hundred thousand."""
    text = busy(2000, b"\xe2\x82\xac<&>" * 20).html()
    assert len(text.encode()) < 2_000_000


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_messages_is_bounded():
    text = busy(100_000, b"\xe2\x82\xac<&>" * 20).html()
    assert len(text.encode()) < MOST
    assert "100,000 deliveries" in text


@pytest.mark.slow
def test_a_page_of_thousands_of_links_programs_and_losses_is_bounded():
    records = []
    for number in range(3000):
        name = "worker %d" % (number % 400)
        up = frames(*UP, ("in", credit(9)), transfer(0), wire="%s#%d" % (name, number))
        records += [record._replace(at=record.at + number, program=name) for record in up]
        records.append(Record(number + 20.0, "lost", name, "%s#%d" % (name, number), text="<reset>" * 40))
    records.sort(key=lambda record: record.at)
    assert len(Recording({}, records).html().encode()) < MOST


def test_notebooks_get_a_frame_that_cannot_reach_out():
    seen = Seen(recorded(3)._repr_html_())
    ((tag, attributes),) = seen.tags
    assert (tag, attributes["sandbox"]) == ("iframe", "allow-scripts")
    assert attributes["srcdoc"] == recorded(3).html()


def test_an_empty_recording_has_a_page():
    assert "nothing was recorded" in page(Timeline([]))


def test_the_last_delivery_of_two_frames_has_a_place_in_the_table():
    seen = Timeline(frames(*UP, ("in", credit(2)), transfer(0, HELLO[:5], more=True), transfer(0, HELLO[5:])))
    assert [row[5] for row in table(seen)["rows"]] == ["hello"]
