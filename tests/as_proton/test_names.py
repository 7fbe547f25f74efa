"""The names of python-qpid-proton 0.40, as tests/support/original_names.py has read them there, held against ours.

Inherited members and the values of constants are in the list. tests/test_exports.py has the parameters, and the names
of the next release.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from reactor.as_proton import names
from reactor.as_proton.modules import make
from tests.test_exports import ABSENT, Member, has_member

LIST = Path(__file__).resolve().parents[1] / "data" / "original-names.txt"
ROWS = [(row.split(" ", 2) + [""])[:3] for row in LIST.read_text(encoding="utf-8").splitlines()]
MODULES = make()

_INTERNAL = "an internal of the C binding"
_NO_HANDLER = "a handler of the original; here its events go to parts of its own, on the thread that serves it"
_WRAPPED = "Connection Session Link Sender Receiver Delivery Transport Event".split()
_OF_HANDLERS = "accept add handlers on_aborted on_delivery on_settled on_unhandled reject release settle".split()


def short(path: str) -> str:
    """A name without its module."""
    module = next(name for name in sorted(names.PUBLIC, key=len, reverse=True) if path.startswith(name + "."))
    return path[len(module) + 1 :]


#: Names of the list that are not here, and why: a class or constant, or `Class.member`; in any module.
MISSING = {
    **{short(key): why for key, why in ABSENT.items() if short(key) not in ("IOHandler", "PythonIO")},
    **{f"{name}.wrap": _INTERNAL for name in _WRAPPED},
    **{f"BlockingConnection.{name}": _NO_HANDLER for name in ("add", "handlers", "on_unhandled")},
    **{f"SyncRequestResponse.{name}": _NO_HANDLER for name in _OF_HANDLERS},
    "Link.drained": "of receivers and senders, which every link is",
    "logconfigfile": "a variable of its logging",
}
#: Bases that are not here, and why; the others are.
BASES = {
    "Wrapper": _INTERNAL,
    "RestrictedKeyDict": "an internal of dicts",
    "BlockingLink": "an internal of the blocking API",
    "Reactor": "Container has all of it",
    "ProtonException": "",
}


def ours(path: str) -> tuple[Any, str]:
    """Our class or constant of the module that the path begins with, and the path without the module."""
    name = short(path)
    return vars(MODULES[path[: -len(name) - 1]]).get(name.partition(".")[0]), name


def is_missing(name: str) -> bool:
    return name in MISSING or name.partition(".")[0] in MISSING


def of_class(row: list[str]) -> str:
    """The class, or constant, that a row is about, with its module."""
    return row[0][: len(row[0]) - len(short(row[0]))] + short(row[0]).partition(".")[0]


GROUPS = {name: list(rows) for name, rows in groupby(ROWS, of_class)}


@pytest.mark.parametrize("group", GROUPS)
def test_the_names_of_the_original_are_here(group: str) -> None:
    for path, kind, detail in GROUPS[group]:
        check(path, kind, detail)


def check(path: str, kind: str, detail: str) -> None:
    value, name = ours(path)
    member = name.partition(".")[2]
    if is_missing(name):
        assert value is None or (member and not hasattr(value, member)), f"{name} is here: take it off the list"
        return
    assert value is not None, f"{name} is missing"
    if kind == "class":
        mro = {base.__name__ for base in value.__mro__} | {"ProtonException"} | set(BASES)
        lacking = set(detail.split(",")) - mro - {"-"}
        blocking = name in ("BlockingConnection", "SyncRequestResponse")  # tests/test_exports.py: NO_HANDLERS
        assert not lacking or blocking, f"{name} derives from {lacking} there"
    elif member:
        assert member == "__init__" or has_member(value, Member(kind, member)), f"{name} is missing"
        value = getattr(value, member, None)
    if kind == "constant" and detail.lstrip("-").isdigit():
        assert value == int(detail)


def test_the_list_is_that_of_the_original() -> None:
    """Made anew where it is installed: tests/interop/test_names.py."""
    assert len(ROWS) > 900 and len({row[0] for row in ROWS}) == len(ROWS)
    assert sum(map(len, GROUPS.values())) == len(ROWS)


def test_each_module_lists_its_names_and_has_them() -> None:
    for name, module in MODULES.items():
        if name in names.PUBLIC:
            assert all(hasattr(module, word) for word in module.__dict__["__all__"])
        for word in {**names.PUBLIC, **names.PRIVATE}[name].split():
            assert hasattr(module, word), f"{name}.{word}"
        if name != "proton":
            assert getattr(MODULES["proton"], name.partition(".")[2]) is module


def test_missing_names_have_a_reason_and_are_in_the_list_or_in_that_of_the_next_release() -> None:
    assert all(MISSING.values())
    known = {short(row[0]) for row in ROWS} | {short(key) for key in ABSENT}
    assert set(MISSING) - known == set()
