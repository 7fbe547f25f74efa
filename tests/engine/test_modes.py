"""The modes of acknowledgement, by name and by number."""

from __future__ import annotations

import pytest

from reactor import AcknowledgeMode

NUMBERS = {"AUTO": 1, "CLIENT": 2, "DUPS_OK": 3, "TRANSACTED": 0, "INDIVIDUAL": 101, "NONE": 100}


def test_J6_each_mode_has_the_number_that_it_has_in_jms():
    assert {mode.name: int(mode) for mode in AcknowledgeMode} == NUMBERS
    assert AcknowledgeMode.of(257) is AcknowledgeMode.NONE


@pytest.mark.parametrize("mode", AcknowledgeMode)
def test_J6_a_mode_is_named_by_itself_its_name_or_its_number(mode):
    for name in (mode, mode.name, mode.name.lower(), mode.name.title(), mode.name + "_ACKNOWLEDGE", int(mode)):
        assert AcknowledgeMode.of(name) is mode
    assert str(mode) == mode.name


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("dups-ok", "DUPS_OK"),
        (" dups ok ", "DUPS_OK"),
        ("SESSION_TRANSACTED", "TRANSACTED"),
        ("NO_ACKNOWLEDGE", "NONE"),
        ("pre_acknowledge", "NONE"),
    ],
)
def test_names_that_jms_and_its_providers_use(name, mode):
    assert AcknowledgeMode.of(name) is AcknowledgeMode[mode]


@pytest.mark.parametrize("wrong", ["clinet", "", 4, -1, 256])
def test_J6_another_name_or_number_is_an_error_that_lists_the_modes(wrong):
    with pytest.raises(ValueError, match=r"acknowledge_mode is one of AUTO \(1\), CLIENT \(2\),.* 257") as error:
        AcknowledgeMode.of(wrong)
    assert str(error.value).endswith("not %r" % (wrong,))
    assert all(name in str(error.value) for name in NUMBERS)


@pytest.mark.parametrize("wrong", [None, True, 1.0, b"AUTO", ["AUTO"], AcknowledgeMode])
def test_another_type_is_an_error_that_names_the_argument(wrong):
    with pytest.raises(TypeError, match=r"^mode is one of AUTO"):
        AcknowledgeMode.of(wrong, "mode")
