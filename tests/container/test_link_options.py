"""Options for links: what each does to the link, and to what the peer sees of it."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import (
    AtLeastOnce,
    AtMostOnce,
    Copy,
    Described,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    Link,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
    Terminus,
    symbol,
)
from tests.support.stage import Stage

SELECTOR = "apache.org:selector-filter:string"


def receiver(options: Any, **arguments: Any) -> Any:
    """The server's end of a receiver that was made with these options."""
    return _attach("create_receiver", options, arguments)


def sender(options: Any, **arguments: Any) -> Any:
    """The server's end of a sender that was made with these options."""
    return _attach("create_sender", options, arguments)


def _attach(method: str, options: Any, arguments: Any) -> Any:
    stage = Stage()
    container, connection = stage.connect()
    getattr(container, method)(connection, **{"options": options, **arguments})
    stage.run()
    return stage.server.last("on_link_opened").link


@pytest.mark.parametrize(
    ("option", "mode"),
    [(None, Link.SND_MIXED), (AtMostOnce(), Link.SND_SETTLED), (AtLeastOnce(), Link.SND_UNSETTLED)],
)
def test_settle_modes(option: Any, mode: int) -> None:
    for make in (sender, receiver):
        link = make(option)
        assert link.remote_snd_settle_mode == mode
        assert link.remote_rcv_settle_mode == Link.RCV_FIRST


def test_selector() -> None:
    link = receiver(Selector("colour = 'green'"))
    assert link.remote_source.filter == {
        symbol("selector"): Described(symbol(SELECTOR), "colour = 'green'")
    }
    assert list(receiver(Selector("a = 1", name="mine")).remote_source.filter) == ["mine"]


def test_filter() -> None:
    link = receiver(Filter({symbol("mine"): Described(symbol("x:y"), [1, 2])}))
    assert link.remote_source.filter == {symbol("mine"): Described(symbol("x:y"), [1, 2])}
    assert receiver(Filter()).remote_source.filter == {}


def test_filters_add_up() -> None:
    link = receiver([Selector("a = 1"), Filter({"other": Described(symbol("x"), True)})])
    assert set(link.remote_source.filter) == {"selector", "other"}


@pytest.mark.parametrize(("option", "mode"), [(Copy(), Terminus.DIST_MODE_COPY), (Move(), Terminus.DIST_MODE_MOVE)])
def test_distribution_mode(option: Any, mode: int) -> None:
    assert receiver(option).remote_source.distribution_mode == mode


def test_durable_subscription() -> None:
    source = receiver(DurableSubscription(), source="topic", name="mine").remote_source
    assert source.durability == Terminus.DELIVERIES
    assert source.expiry_policy == Terminus.EXPIRE_NEVER


def test_dynamic_node_properties() -> None:
    properties = {"lifetime-policy": Described(symbol("x"), []), symbol("y"): 1}
    expected = {symbol("lifetime-policy"): Described(symbol("x"), []), symbol("y"): 1}
    assert receiver(DynamicNodeProperties(properties), dynamic=True).remote_source.properties == expected
    assert sender(DynamicNodeProperties(properties)).remote_target.properties == expected
    assert DynamicNodeProperties().properties == {}


def test_an_option_for_the_other_kind_of_link_says_nothing() -> None:
    class Named(SenderOption):
        def apply(self, sender: Any) -> None:
            sender.target.capabilities.put_object(symbol("queue"))

    class Shared(ReceiverOption):
        def apply(self, receiver: Any) -> None:
            receiver.source.capabilities.put_object(symbol("shared"))

    both = [Named(), Shared()]
    assert sender(both).remote_target.capabilities == ["queue"]
    assert sender(both).remote_source.capabilities == []
    assert receiver(both).remote_source.capabilities == ["shared"]
    assert receiver(both).remote_target.capabilities == []


def test_an_option_decides_by_test_whether_it_applies() -> None:
    class Never(LinkOption):
        def apply(self, link: Any) -> None:
            raise AssertionError

        def test(self, link: Any) -> bool:
            return False

    assert sender([Never()]) is not None


def test_options_are_objects_of_which_one_can_be_given_alone() -> None:
    class Plain:
        def apply(self, link: Any) -> None:
            link.properties = {symbol("by"): "plain"}

    assert sender(Plain()).remote_properties == {symbol("by"): "plain"}
    assert sender((Plain(),)).remote_properties == {symbol("by"): "plain"}


@pytest.mark.parametrize("option", ["AtMostOnce", AtMostOnce, [AtMostOnce]])
def test_what_is_no_option_is_refused_and_leaves_no_link(option: Any) -> None:
    stage = Stage()
    container, connection = stage.connect()
    with pytest.raises(TypeError, match="LinkOption"):
        container.create_sender(connection, "q", options=option)
    stage.run()
    assert list(connection.links(0)) == []
    assert stage.server.count("on_link_opening") == 0
