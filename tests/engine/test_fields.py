"""What an application may set: values that only the peer would complain of are refused by name, where they are sent."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Array, Condition, DataException, Described, symbol
from reactor.codec.types import UNDESCRIBED, Data
from reactor.engine.endpoints.fields import as_symbols, count, one_of, symbol_keys, symbol_list
from reactor.engine.endpoints.terminus import Map, Terminus
from tests.support.pair import Pair


def link_of(pair: Pair) -> Any:
    session = pair.client.connection.session()
    session.open()
    return session.receiver("link")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("snd_settle_mode", 7, "snd_settle_mode cannot be 7: it is one of 0, 1, 2"),
        ("snd_settle_mode", True, "snd_settle_mode cannot be True"),
        ("rcv_settle_mode", 9, "rcv_settle_mode cannot be 9: it is one of 0, 1"),
        ("rcv_settle_mode", None, "rcv_settle_mode cannot be None"),
        ("max_message_size", -1, "max_message_size cannot be -1: it takes an int from 0"),
        ("max_message_size", 1.5, "max_message_size cannot be 1.5"),
        ("properties", 5, "properties is a dict or None, not 5"),
        ("properties", {1: 2}, "the keys of properties are symbols or str, not 1"),
        ("offered_capabilities", 5, "offered_capabilities is a name, a list of names or None, not 5"),
        ("desired_capabilities", ["a", 5], "desired_capabilities is a name, a list of names or None"),
        ("source.durability", 9, "durability cannot be 9: it is one of 0, 1, 2"),
        ("source.expiry_policy", [], r"expiry_policy cannot be \[\]: it is one of 0, 1, 2, 3"),
        ("source.distribution_mode", "copy", "distribution_mode cannot be 'copy': it is one of 0, 1, 2"),
        ("target.timeout", -1, "timeout cannot be -1: it takes an int from 0"),
    ],
)
def test_a_link_with_a_value_that_means_nothing_is_not_attached(name: str, value: Any, told: str) -> None:
    pair = Pair().open()
    link = link_of(pair)
    pair.pump()
    pair.said("client")
    owner, _, attribute = name.rpartition(".")
    setattr(getattr(link, owner) if owner else link, attribute, value)
    with pytest.raises(DataException, match=told):
        link.open()
    assert link.state & link.LOCAL_UNINIT
    pair.pump()
    assert pair.said("client") == []


@pytest.mark.parametrize("kind", ["connection", "session"])
@pytest.mark.parametrize("name", ["properties", "offered_capabilities", "desired_capabilities"])
def test_connections_and_sessions_are_held_to_the_same(kind: str, name: str) -> None:
    connection = Pair().client.connection
    endpoint = connection if kind == "connection" else connection.session()
    setattr(endpoint, name, 5)
    with pytest.raises(DataException, match="%s is a .* not 5" % name):
        endpoint.open()
    setattr(endpoint, name, {1: 2})
    with pytest.raises(DataException, match=name):
        endpoint.open()
    setattr(endpoint, name, None)
    endpoint.open()


def test_a_value_that_is_spoilt_later_is_told_as_a_refusal() -> None:
    """The second attach is made when there is nobody to raise at."""
    pair = Pair().open()
    link = link_of(pair)
    link.open()
    link.snd_settle_mode = 7
    pair.pump()
    assert link.state & link.REMOTE_CLOSED and "snd_settle_mode" in link.remote_condition.description


def test_filters_and_node_properties_have_names_for_keys() -> None:
    source = Terminus(Terminus.SOURCE)
    for entries in (source.filter, source.properties):
        for put in (entries.put_dict, entries.put_object):
            with pytest.raises(DataException, match="the keys of filters and properties are symbols or str, not 1"):
                put({1: 2})
        with pytest.raises(DataException):
            entries[1] = 2
        entries.put_dict({"a": 1, symbol("b"): 2})
        entries["c"] = 3
        assert entries == {"a": 1, "b": 2, "c": 3}


def test_what_a_peer_has_sent_can_be_sent_back() -> None:
    """However odd it is: to answer with it must not fail at somebody who only copies it."""
    given = Described(0x28, ["q", 9, None, None, None, {1: 2}, None, {3: 4}])
    terminus = Terminus.from_wire(given, Terminus.SOURCE)
    copy = Terminus(Terminus.SOURCE)
    copy.copy(terminus)
    copy.check()
    assert (copy.durability, copy.properties, copy.filter) == (0, {1: 2}, {3: 4})


def test_names_and_numbers() -> None:
    assert symbol_list("x", Array(UNDESCRIBED, Data.SYMBOL, symbol("a"))) == symbol_list("x", "a") == ["a"]
    assert symbol_list("x", None) is symbol_list("x", []) is symbol_keys("x", None) is symbol_keys("x", {}) is None
    assert as_symbols(Map({1: 2})) == {1: 2} and as_symbols(None) is None
    assert {type(key) for key in symbol_keys("x", {"a": 1, symbol("b"): 2}) or ()} == {symbol}
    assert one_of("x", 2, (1, 2)) == count("x", 2, 2) == 2


@pytest.mark.parametrize("kind", ["connection", "session", "link"])
def test_a_condition_has_a_name(kind: str) -> None:
    pair = Pair()
    link, _ = pair.link()
    endpoint = getattr(link, kind, link)
    endpoint.condition = Condition(5)  # type: ignore[arg-type]
    with pytest.raises(DataException, match="the name of a condition is a str"):
        endpoint.close()
    assert endpoint.state & endpoint.LOCAL_ACTIVE


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_only_bytes_are_streamed(data: Any) -> None:
    pair = Pair()
    sender, _ = pair.way(True, 1)
    sender.delivery("t")
    with pytest.raises(TypeError, match=r"stream\(\) takes bytes"):
        sender.stream(data)
    for good in (b"a", bytearray(b"b"), memoryview(b"c")):
        assert sender.stream(good) == 1


@pytest.mark.parametrize("n", ["1", -1, 1.5, True])
def test_what_is_offered_is_a_number_of_messages(n: Any) -> None:
    with pytest.raises(ValueError, match="offered must be a number of messages"):
        Pair().way(True)[0].offered(n)
