"""The lists and maps of a terminus as a cursor: programs for the original write and read them so."""

from __future__ import annotations

import pytest

from reactor import UNDESCRIBED, Array, Data, Described, Terminus, symbol


@pytest.fixture
def source() -> Terminus:
    return Terminus(Terminus.SOURCE)


def test_a_filter_is_written_and_read_by_the_cursor(source: Terminus) -> None:
    filters = source.filter
    filters.put_map()
    assert filters.enter()
    filters.put_symbol("selector")
    filters.put_described()
    filters.enter()
    filters.put_symbol("apache.org:selector-filter:string")
    filters.put_string("colour = 'green'")
    filters.exit()
    filters.exit()
    wanted = {symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "colour = 'green'")}
    assert filters == wanted and filters.get_dict() == wanted
    filters.rewind()
    assert filters.next() == Data.MAP and filters.get_object() == wanted and filters.next() is None
    assert filters.enter() and filters.next() == Data.SYMBOL and filters.get_object() == "selector"
    assert filters.next() == Data.DESCRIBED and filters.is_described() and filters.exit()
    assert filters.enter() and filters.lookup("selector") and filters.get_object() == wanted[symbol("selector")]


def test_a_dict_that_changed_is_what_the_cursor_reads(source: Terminus) -> None:
    source.properties.put_dict({symbol("a"): 1})
    assert source.properties.next() == Data.MAP and source.properties.next() is None
    source.properties[symbol("b")] = 2
    assert source.properties.next() is None and source.properties.get_map() == 4, "until it is rewound"
    source.properties.enter()
    source.properties.put_object(symbol("c"))
    assert source.properties == {symbol("c"): 1, symbol("b"): 2}, "it writes over the first key"
    source.properties.clear()
    assert source.properties.next() is None and source.properties.get_object() is None


def test_capabilities_are_put_one_by_one_or_as_an_array(source: Terminus) -> None:
    capabilities = source.capabilities
    capabilities.put_symbol("queue")
    assert list(capabilities) == ["queue"] and capabilities.get_object() == "queue"
    assert capabilities.next() == Data.SYMBOL and capabilities.get_symbol() == "queue"
    capabilities.put_symbol("shared")
    assert capabilities.get_object() == Array(UNDESCRIBED, Data.SYMBOL, "queue", "shared")
    del capabilities[:]
    capabilities.put_array(False, Data.SYMBOL)
    capabilities.enter()
    capabilities.put_symbol("topic")
    capabilities.put_object(symbol("global"))
    assert capabilities.get_object() == "global"
    capabilities.exit()
    assert capabilities == ["topic", "global"] and capabilities.listed
    assert capabilities.format() == "@PN_SYMBOL[:topic, :global]"


def test_they_are_copied_both_ways(source: Terminus) -> None:
    source.filter.put_dict({symbol("a"): 1})
    source.outcomes.put_object([symbol("x")])
    other = Terminus(Terminus.SOURCE)
    other.filter.copy(source.filter)
    other.outcomes.copy(source.outcomes)
    assert (other.filter, other.outcomes, other.outcomes.listed) == ({symbol("a"): 1}, ["x"], True)
    assert type(other.filter.copy()) is dict and type(other.outcomes.copy()) is list
    other.filter.decode(b"\xd1\0\0\0\x04\0\0\0\0")
    assert other.filter == {}, "decoded in place of the first value"


@pytest.mark.parametrize("name", ["nothing", "_root", "put_nothing"])
def test_other_names_are_not_there(source: Terminus, name: str) -> None:
    for held in (source.filter, source.capabilities):
        with pytest.raises(AttributeError, match=f"of a terminus has no attribute '{name}'"):
            getattr(held, name)
