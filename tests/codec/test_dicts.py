"""Dicts and lists that hold what AMQP allows."""

from __future__ import annotations

import pytest

from reactor.codec.dicts import AnnotationDict, PropertyDict, SymbolList, of_symbols
from reactor.codec.types import UNDESCRIBED, Array, Data, symbol, uint, ulong

DICTS = [PropertyDict, AnnotationDict]


@pytest.mark.parametrize("cls", DICTS)
def test_strings_become_symbols_however_they_come_in(cls):
    made = cls({"a": 1}, b=2)
    made["c"] = 3
    made.setdefault("d", 4)
    made.update({"e": 5}, f=6)
    made.update([("g", 7)])
    made |= {"h": 8}
    assert made == dict(a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=8)
    assert {type(key) for key in made} == {symbol}
    assert made["a"] == made[symbol("a")] == 1
    assert type(made.copy()) is cls
    assert made.copy() == made


@pytest.mark.parametrize("cls", DICTS)
@pytest.mark.parametrize("key", [1, 1.5, b"a", uint(1), None, (1,)], ids=repr)
def test_another_key_is_refused_by_every_way_in(cls, key):
    made = cls()
    with pytest.raises(KeyError, match="invalid non-symbol key"):
        cls({key: 1})
    with pytest.raises(KeyError, match="invalid non-symbol key"):
        made[key] = 1
    with pytest.raises(KeyError, match="invalid non-symbol key"):
        made.setdefault(key, 1)
    with pytest.raises(KeyError, match="invalid non-symbol key"):
        made.update({key: 1})
    assert not made


def test_annotations_may_have_ulong_keys_and_properties_may_not():
    assert AnnotationDict({ulong(1): 2}) == {1: 2}
    with pytest.raises(KeyError):
        PropertyDict({ulong(1): 2})


@pytest.mark.parametrize("cls", DICTS)
def test_what_a_peer_sent_is_taken_as_it_is(cls):
    assert cls({1: 2, "a": 3}, raise_on_error=False) == {1: 2, symbol("a"): 3}


def test_repr_can_be_read_back():
    assert repr(PropertyDict(a=1)) == "PropertyDict({symbol('a'): 1})"
    assert repr(AnnotationDict()) == "AnnotationDict({})"
    assert repr(SymbolList(["a"])) == "SymbolList([symbol('a')])"


def test_a_symbol_list_holds_symbols_however_they_come_in():
    names = SymbolList("abc")
    names.append("b")
    names.extend(["c", symbol("d")])
    names.insert(0, "z")
    names[0] = "y"
    names[1:2] = ["w", "v"]
    names += ["e"]
    assert names == ["y", "w", "v", "b", "c", "d", "e"]
    assert {type(name) for name in names} == {symbol}
    assert type(names + ["f"]) is SymbolList
    assert SymbolList() == SymbolList(None) == []


def test_what_is_no_string_is_refused_by_every_way_in():
    names = SymbolList(["a"])
    with pytest.raises(TypeError, match="Non-symbol type"):
        SymbolList([1])
    with pytest.raises(TypeError, match="Non-symbol type"):
        names.append(1)
    with pytest.raises(TypeError, match="Non-symbol type"):
        names.extend(["b", 1])
    with pytest.raises(TypeError, match="Non-symbol type"):
        names.insert(0, b"x")
    with pytest.raises(TypeError, match="Non-symbol type"):
        names[0] = 1
    assert names == ["a"]
    assert SymbolList([1], raise_on_error=False) == [1]


def test_a_symbol_list_as_an_array():
    assert SymbolList(["a", "b"]).to_array() == Array(UNDESCRIBED, Data.SYMBOL, "a", "b")


def test_none_one_or_many_symbols_from_a_peer():
    assert of_symbols(None) is None
    assert of_symbols(symbol("a")) == ["a"]
    assert of_symbols(Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b"))) == ["a", "b"]
    assert of_symbols([symbol("a")]) == ["a"]
