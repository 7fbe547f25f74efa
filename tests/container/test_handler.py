"""A container's own handler, replaced after the container was made."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Container, Message
from tests.support.stage import Stage, Witness


def test_another_handler_takes_the_place_of_the_first_from_the_next_event_on() -> None:
    stage = Stage()
    first, other = Witness(), Witness()
    container = stage.container(first)
    container.handler = other
    assert container.handler is other
    connection = container.connect(stage.url)
    container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert first.told == []
    assert (other.count("on_start"), other.count("on_accepted")) == (1, 1)
    third = Witness()

    def replace(event: Any) -> None:
        container.handler = third

    other.on_link_closing = replace  # type: ignore[method-assign]
    stage.server.last("on_link_opened").link.close()
    stage.run()
    assert other.count("on_link_closed") == 0 and third.count("on_link_closed") == 1
    connection.close()
    stage.run()
    assert other.count("on_connection_closed") == 0 and third.count("on_connection_closed") == 1


def test_children_may_be_added_to_it_at_any_time() -> None:
    stage = Stage()
    container = stage.container()
    late = Witness()
    container.handler.add(late)
    container.connect(stage.url)
    stage.run()
    assert late.count("on_connection_opened") == 1


@pytest.mark.parametrize("wrong", [None, "handler", 7, Witness])
def test_what_is_no_handler_is_refused(wrong: Any) -> None:
    container = Stage().container()
    before = container.handler
    with pytest.raises(TypeError):
        container.handler = wrong
    assert container.handler is before


def test_the_global_handler_is_not_set_in_vain() -> None:
    container = Container()
    with pytest.raises(AttributeError, match=r"container\.global_handler\.add\(handler\)"):
        container.global_handler = Witness()
    with pytest.raises(TypeError, match="global_handler"):
        Container(global_handler=Witness())


class Everything:
    """Notes each event, by name."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_unhandled(self, name: str, event: Any) -> None:
        self.seen.append(name)


def test_the_global_handler_sees_what_has_a_handler_of_its_own() -> None:
    stage = Stage()
    container, own, everything = stage.container(), Witness(), Everything()
    connection = container.connection(own)
    connection.open()
    container.process()
    container.global_handler.add(everything)
    connection.close()
    container.process()
    assert everything.seen[0] == "on_connection_local_close"
