"""The sequence diagram as SVG: one document that needs nothing else, the same bytes each time, and safe."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from reactor.look import diagram
from reactor.look.diagram import folded, unfoldable
from reactor.tracing.recording import Record, Recording
from reactor.tracing.sequence import sequence
from reactor.tracing.timeline import Timeline
from tests.support.recordings import recorded
from tests.tracing.test_timeline import UP, accepted, credit, frames, transfer

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</svg>", "]]>", "&amp;", "\x00\x1b"]


def read(recording, **options):
    return ElementTree.fromstring(recording.svg(**options))


def texts(root, kind="w"):
    return [each.text for each in root.iter(SVG + "text") if kind in each.get("class", "").split()]


def test_a_small_run():
    root = read(recorded(3))
    assert texts(root, "name") == ["3 jobs", "sender", "broker", "receiver"]
    assert texts(root)[-4:] == ["#0  job 0", "#1  job 1", "#2  job 2", "accepted #0-2"]
    assert next(each for each in texts(root) if each.startswith("attach")) == "attach (from jobs)"


def test_the_same_recording_gives_the_same_bytes_and_a_large_one_is_as_small():
    assert recorded(300).svg() == recorded(300).svg()
    assert len(recorded(2000).svg()) < 2 * len(recorded(3).svg())


def test_lanes_stand_apart():
    root = read(recorded(3))
    boxes = [(float(each.get("x")), float(each.get("width"))) for each in root.iter(SVG + "rect")
             if each.get("class") == "box"]  # fmt: skip
    assert all(left + width < later for (left, width), (later, _) in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_peers_stay_texts(text):
    raw = text.encode()
    payload = b"\x00\x53\x77\xb1" + len(raw).to_bytes(4, "big") + raw
    records = frames(*UP, ("in", credit(9)), transfer(0, payload), wire=text + "#1")
    records = [record._replace(program=text) for record in records]
    records.append(Record(99.0, "lost", text, text + "#1", text=text))
    root = read(Recording({"title": text}, records))
    tags = "svg title style rect g text path circle".split()
    assert {each.tag for each in root.iter()} == {SVG + tag for tag in tags}
    assert not [name for each in root.iter() for name in each.keys() if name.startswith("on")]


def test_nothing_comes_from_elsewhere():
    text = recorded(3).svg()
    assert set(re.findall(r"https?://[^\"']*", text)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in text and "@import" not in text and "href" not in text


def test_groups_unfold_as_deep_as_there_is_room():
    many = [each for number in range(3000) for each in (transfer(number), ("in", accepted(number)))]
    nodes = sequence(Timeline(frames(*UP, ("in", credit(9999)), *many)))
    shallow, deep = unfoldable(nodes, 60), unfoldable(nodes, 9000)
    assert len(folded(nodes)) < len(shallow) <= 200 < len(deep)
    assert [item.whole for item in shallow if item.group >= 0].count(False) > 0
    assert all(item.whole for item in deep if item.group >= 0)
    rows = [item.row for item in deep if item.row is not None and not item.summary and item.group < 0]
    assert sum(row.count for row in rows) == 3000 * 2 + 1 + 6


def test_an_empty_recording_has_a_picture_that_says_so():
    assert "nothing was recorded" in Recording().svg()


def test_notebooks_show_it():
    assert recorded(3)._repr_svg_().startswith("<svg ")


@pytest.mark.parametrize("names", [diagram.LIGHT, diagram.DARK], ids=["light", "dark"])
def test_every_colour_of_a_text_stands_out_from_its_ground(names):
    """Web Content Accessibility Guidelines 2.2, 1.4.3: 4.5 to 1."""
    found = dict(re.findall(r"--(\w+):(#\w+)", names))
    grounds = [found.pop("paper"), found.pop("box")]
    del found["rule"]  # lines alone
    assert not {name for name, colour in found.items() for ground in grounds if ratio(colour, ground) < 4.5}


def ratio(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
