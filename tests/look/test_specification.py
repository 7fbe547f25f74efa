"""The numbers of sections that pages cite, held against the order of types in the specification's own XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from reactor.look.specification import SECTIONS, TYPES

FOLDER = Path("/usr/share/amqp/specs/1-0")  # Debian's package amqp-specs

#: File and section of the XML, and how the printed specification numbers its types: the number before, and that of the
#: first type; the SASL frames stand a level deeper.
PLACES = [
    ("transport", "performatives", "2.7.%d", 1),
    ("transport", "definitions", "2.8.%d", 1),
    ("messaging", "message-format", "3.2.%d", 1),
    ("messaging", "delivery-state", "3.4.%d", 1),
    ("messaging", "addressing", "3.5.%d", 3),
    ("transactions", "coordination", "4.5.%d", 1),
    ("security", "sasl", "5.3.3.%d", 1),
]


@pytest.mark.parametrize(("file", "section", "form", "first"), PLACES)
def test_the_numbers_follow_the_order_of_the_types(file, section, form, first):
    path = FOLDER / f"{file}.bare.xml"
    if not path.is_file():
        pytest.skip("no amqp-specs here")
    tree = ElementTree.parse(path).getroot()
    found = [part for part in tree.iter() if part.tag.endswith("section") and part.get("name") == section]
    assert len(found) == 1, [part.get("name") for part in tree.iter() if part.tag.endswith("section")]
    names = [part.get("name") for part in found[0] if part.tag.endswith("type")]
    numbers = {name: form % number for number, name in enumerate(names, first)}
    known = {**TYPES, **SECTIONS}
    assert {name: known[name] for name in names if name in known} == {
        name: number for name, number in numbers.items() if name in known}  # fmt: skip
    assert any(name in known for name in names)
