"""The tables of the chapters, held against the code: nothing is missing, nothing is invented."""

from __future__ import annotations

import inspect
from typing import Any, Callable

import pytest

import handlers
import reactor
from tests.support.chapters import CHAPTERS, in_code

USING = CHAPTERS["reactor/README.md"]

CALLS: dict[str, Callable[..., Any]] = {
    "Container": reactor.Container,
    "connect": reactor.Container.connect,
    "listen": reactor.Container.listen,
    "create_sender": reactor.Container.create_sender,
    "create_receiver": reactor.Container.create_receiver,
    "MessagingHandler": handlers.MessagingHandler,
}


def keywords(call: str) -> dict[str, Any]:
    """Each keyword and its default; None for one that has to be given."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = [p for p in inspect.signature(CALLS[call]).parameters.values() if p.kind in kinds and p.name != "self"]
    return {p.name: None if p.default is p.empty else p.default for p in found}


# -- keywords --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_every_keyword_is_in_the_table(call: str) -> None:
    listed = [name for names, of, *_ in USING.table("keywords") if call in in_code(of) for name in in_code(names)]
    assert sorted(listed) == sorted(keywords(call))


def test_the_table_of_keywords_shows_their_defaults() -> None:
    for names, of, default, _ in USING.table("keywords"):
        assert set(in_code(of)) <= CALLS.keys()
        for name in in_code(names):
            known = {keywords(call)[name] for call in in_code(of)} - {None}
            assert {repr(value) for value in known} == ({default.strip("`")} if default else set()), name


@pytest.mark.parametrize("row", [row for row in USING.table("keywords") if "`container." in row[3]], ids=lambda r: r[0])
def test_the_table_of_keywords_names_attributes_of_the_container(row: list[str]) -> None:
    container = reactor.Container()
    for code in in_code(row[3]):
        if code.startswith("container."):
            value: Any = container
            for name in code.split(".")[1:]:
                value = getattr(value, name)
            _, _, said = row[3].partition(f"`{code}`: ")
            if said:
                shown = said.split()[0].strip("`.")
                assert shown == {None: "no"}.get(value, f"{value:g}" if type(value) is float else str(value))


def test_every_option_of_links_is_in_the_table() -> None:
    bases = {reactor.LinkOption, reactor.SenderOption, reactor.ReceiverOption}
    options = {name for name in reactor.__all__ if _is_option(getattr(reactor, name))}
    listed = [code.partition("(")[0] for option, _ in USING.table("options") for code in in_code(option)]
    assert sorted(listed) == sorted(options - {base.__name__ for base in bases})


def _is_option(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, reactor.LinkOption)
