"""The definitions are those of the specification: held against its own XML, where that is installed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from reactor import errors
from reactor.codec import definitions
from reactor.codec.definitions import BY_CODE, BY_NAME, CODE_OF_SYMBOL, COMPOSITES, RESTRICTED, SECTIONS, Field

SPECIFICATION = Path("/usr/share/amqp/specs/1-0")
PARTS = ("transport", "messaging", "security", "transactions")
PRIMITIVES = set("boolean ubyte ushort uint ulong binary string symbol timestamp map list *".split())


def types_of_the_specification():
    """Every type element of the XML, with the prefix of its namespace taken off."""
    if not SPECIFICATION.is_dir():
        pytest.skip("the specification's XML is not installed: apt-get install amqp-specs")
    for part in PARTS:
        tree = ElementTree.parse(SPECIFICATION / ("%s.bare.xml" % part))
        for element in tree.iter():
            element.tag = element.tag.split("}")[-1]
        yield from tree.iter("type")


def code_of(element):
    high, low = element.find("descriptor").get("code").split(":")
    return int(high, 16) << 32 | int(low, 16)


def described_types():
    return [element for element in types_of_the_specification() if element.find("descriptor") is not None]


def default_of(field, choices):
    """The default of a field as a Python value: numbers and booleans spelled out, choices resolved."""
    text = choices.get((field.get("type"), field.get("default")), field.get("default"))
    if text is None:
        return None
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text


def test_every_described_type_is_there_and_no_other():
    specified = {(e.get("name"), code_of(e), e.find("descriptor").get("name")) for e in described_types()}
    defined = {(d.name, d.code, d.symbol) for d in (*COMPOSITES, *SECTIONS)}
    assert defined == specified


def test_every_field_is_as_specified():
    choices = {
        (element.get("name"), choice.get("name")): choice.get("value")
        for element in types_of_the_specification()
        for choice in element.iter("choice")
    }
    for element in described_types():
        if element.get("class") != "composite":
            continue
        specified = [
            (
                field.get("name"),
                field.get("type"),
                field.get("mandatory") == "true",
                field.get("multiple") == "true",
                default_of(field, choices),
                field.get("requires"),
            )
            for field in element.iter("field")
        ]
        fields = BY_NAME[element.get("name")].fields
        found = [tuple(getattr(field, name) for name in Field.__slots__) for field in fields]
        assert found == specified, element.get("name")


def test_sections_that_are_no_composites_have_their_type():
    specified = {
        element.get("name"): element.get("source")
        for element in described_types()
        if element.get("class") == "restricted"
    }
    for section in SECTIONS:
        kind = specified.pop(section.name)
        assert section.type == RESTRICTED.get(kind, kind)
    assert not specified


def test_restricted_types_are_made_of_what_the_specification_says():
    specified = {
        element.get("name"): element.get("source")
        for element in types_of_the_specification()
        if element.get("class") == "restricted"
    }
    assert {name: specified[name] for name in RESTRICTED} == RESTRICTED


def test_every_condition_of_the_specification_has_a_name():
    names = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}
    for element in types_of_the_specification():
        if element.get("provides") == "error-condition":
            assert {choice.get("value") for choice in element.iter("choice")} <= names


def test_constants_are_the_codes():
    for composite in (*COMPOSITES, *SECTIONS):
        assert getattr(definitions, re.sub("-", "_", composite.name).upper()) == composite.code
        assert CODE_OF_SYMBOL[composite.symbol] == composite.code
    assert len(BY_CODE) == len(BY_NAME) == len(COMPOSITES)


def test_every_field_is_written_as_a_primitive_or_a_composite():
    for composite in COMPOSITES:
        for field in composite.fields:
            assert field.primitive in PRIMITIVES or field.primitive in BY_NAME, (composite.name, field.name)
