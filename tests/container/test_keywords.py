"""The keywords of the calls: each is described where `help()` shows it, checked by one table, and passed on whole."""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable

import pytest

from reactor import Container, Url
from reactor.container.settings import keywords
from reactor.container.settings.connect import ConnectSettings
from reactor.container.settings.keywords import CHECKS, check_keywords, explained_by
from reactor.container.settings.listen import ListenSettings

CALLS: list[Callable[..., Any]] = [
    Container.connect,
    Container.listen,
    Container.create_sender,
    Container.create_receiver,
]


def names_of(call: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(call).parameters if name not in ("self", "unknown")]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_help_describes_every_keyword(call: Callable[..., Any]) -> None:
    doc = inspect.getdoc(call) or ""
    described = re.findall(r"(?:^|\. |, )([a-z_]+)(?=:|,(?: [a-z_]+,)* [a-z_]+:)", doc, re.M)
    assert set(names_of(call)) <= set(described)
    assert not doc.split("\n\n")[-1].startswith(" "), "the two parts have one margin"


def test_every_check_is_of_a_keyword() -> None:
    known = {name for call in (*CALLS, Container.__init__) for name in names_of(call)}
    assert set(CHECKS) <= known


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, -1) for name, check in CHECKS.items() if check is keywords.check_seconds),
        *((name, 1) for name, check in CHECKS.items() if check is not keywords.check_seconds),
        ("max_frame_size", 1 << 32),
        ("heartbeat", -1),
    ],
)
def test_a_wrong_value_names_its_keyword(name: str, wrong: Any) -> None:
    if name in ("acknowledge_mode", "heartbeat", "max_frame_size") and wrong == 1:
        check_keywords("connect()", Container.connect, {name: wrong})
        return
    with pytest.raises((TypeError, ValueError), match=name):
        check_keywords("connect()", Container.connect, {name: wrong})
    check_keywords("connect()", Container.connect, {name: None})


def test_without_docstrings_there_is_nothing_to_append() -> None:
    """As with python -OO."""

    def call() -> None: ...

    assert explained_by(ConnectSettings)(call).__doc__ is None


def test_the_settings_of_a_connection_hold_all_that_was_asked_for() -> None:
    given: dict[str, Any] = dict.fromkeys(names_of(Container.connect))
    container = Container()
    container.write_timeout, container.user = 7.0, "ann"
    settings = ConnectSettings({**given, "urls": ["a", "amqps://b:1"], "heartbeat": 5}, container)
    assert [url.host for url in settings.addresses] == ["a", "b"]
    assert (settings.heartbeat, settings.write_timeout, settings.user) == (5, 7.0, "ann")
    missing = [name for name in ConnectSettings.__slots__ if not hasattr(settings, name)]
    assert missing == []
    other = settings.redirected_to(Url("amqp://c:2"), "see")
    assert (other.virtual_host, other.redirected, other.heartbeat) == ("see", True, 5)
    assert settings.virtual_host is None and not settings.redirected and len(settings.addresses) == 2
    container.close()


def test_the_settings_of_a_listener_are_the_attributes_of_its_acceptor() -> None:
    container = Container()
    acceptor = container.listen("127.0.0.1:0", open_timeout=3)
    assert acceptor.open_timeout == acceptor.settings.open_timeout == 3
    assert acceptor.write_timeout == container.write_timeout
    acceptor.allowed_mechs = "ANONYMOUS"
    assert acceptor.settings.allowed_mechs == "ANONYMOUS"
    assert [name for name in ListenSettings.__slots__ if not hasattr(acceptor.settings, name)] == []
    container.close()
