"""What programs for the original expect of values: errors by their class, arrays of symbols that are lists of them."""

from __future__ import annotations

import pytest

from reactor import UNDESCRIBED, Array, Data, DataException, SymbolList, byte, int32, symbol, ubyte, uint, ulong, ushort


@pytest.mark.parametrize("kind", [ubyte, ushort, uint, ulong, byte, int32])
def test_a_number_that_does_not_fit_is_an_assertion_error_too(kind: type) -> None:
    for wrong in (-(2**70), 2**70):
        with pytest.raises(AssertionError, match="cannot hold"):
            kind(wrong)
        with pytest.raises(DataException, match="cannot hold"):
            kind(wrong)


def test_an_array_of_symbols_is_equal_to_a_list_of_the_same() -> None:
    array, listed = Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b")), SymbolList(["a", "b"])
    assert array == listed and listed == array and array != SymbolList(["a"]) and array != SymbolList(["b", "a"])
    assert SymbolList(["a", "b", "c"]) != array and array != SymbolList([])


@pytest.mark.parametrize(
    "other",
    [
        Array(UNDESCRIBED, Data.STRING, "a"),
        Array(symbol("described"), Data.SYMBOL, symbol("a")),
    ],
)
def test_another_array_is_no_list_of_symbols(other: Array) -> None:
    assert other != SymbolList(["a"]) and SymbolList(["a"]) != other


def test_a_list_of_strings_is_no_array_of_symbols() -> None:
    assert Array(UNDESCRIBED, Data.SYMBOL, symbol("a")) != ["a"]
