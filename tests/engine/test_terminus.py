"""Termini: every field both ways, dynamic nodes, the coordinator, and how programs for the original fill them."""

from __future__ import annotations

import pytest

from reactor.codec.dicts import SymbolList
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, symbol, ulong
from reactor.engine.endpoints.terminus import Terminus
from reactor.errors import DataException, RemoteProtocolError
from tests.support.frames import Peer
from tests.support.pair import PIECES, Pair

SELECTOR = Described(symbol("apache.org:selector-filter:string"), "colour = 'green'")


@pytest.fixture(params=PIECES, ids=["whole", "bytewise", "by-7"])
def pair(request):
    return Pair(request.param)


def test_every_field_of_a_source(pair):
    def setup(link):
        source = link.source
        source.address = "q"
        source.durability = Terminus.DELIVERIES
        source.expiry_policy = Terminus.EXPIRE_NEVER
        source.timeout = 17
        source.distribution_mode = Terminus.DIST_MODE_COPY
        source.filter.put_dict({symbol("selector"): SELECTOR, "named": Described(ulong(0x468C00000004), "x")})
        source.capabilities.put_object(symbol("queue"))
        source.capabilities.put_object(symbol("shared"))
        source.outcomes.put_object([symbol("amqp:accepted:list"), symbol("amqp:rejected:list")])
        source.default_outcome = Described(0x26, [])

    _, far = pair.link("l", False, setup)
    source = far.remote_source
    assert source.type == Terminus.SOURCE
    assert source.address == "q"
    assert source.durability == Terminus.DELIVERIES
    assert source.expiry_policy == Terminus.EXPIRE_NEVER
    assert source.timeout == 17
    assert source.distribution_mode == Terminus.DIST_MODE_COPY
    assert source.filter == {"selector": SELECTOR, "named": Described(ulong(0x468C00000004), "x")}
    assert all(isinstance(key, symbol) for key in source.filter)
    assert list(source.capabilities) == ["queue", "shared"]
    assert list(source.outcomes) == ["amqp:accepted:list", "amqp:rejected:list"]
    assert source.default_outcome.descriptor == 0x26
    assert not source.dynamic


def test_every_field_of_a_target(pair):
    def setup(link):
        target = link.target
        target.address = "q"
        target.durability = Terminus.CONFIGURATION
        target.expiry_policy = Terminus.EXPIRE_WITH_LINK
        target.timeout = 5
        target.capabilities.put_object(symbol("topic"))

    _, far = pair.link("l", True, setup)
    target = far.remote_target
    assert target.type == Terminus.TARGET
    assert (target.durability, target.expiry_policy, target.timeout) == (1, 0, 5)
    assert list(target.capabilities) == ["topic"]
    assert target.distribution_mode == Terminus.DIST_MODE_UNSPECIFIED


@pytest.mark.parametrize("policy", range(4))
def test_every_expiry_policy(policy):
    pair = Pair()
    _, far = pair.link("l", True, lambda link: setattr(link.source, "expiry_policy", policy))
    assert far.remote_source.expiry_policy == policy


@pytest.mark.parametrize("sender", [True, False], ids=["target", "source"])
def test_a_dynamic_node(pair, sender):
    """The peer makes the node and says its name."""
    pair.server.polite = False
    pair.server.connection.open()
    pair.open()
    session = pair.client.connection.session()
    session.open()
    link = session.sender("l") if sender else session.receiver("l")
    asked = link.target if sender else link.source
    asked.dynamic = True
    asked.properties.put_dict({symbol("lifetime-policy"): Described(ulong(0x2B), [])})
    link.open()
    pair.pump()
    far = next(pair.server.connection.links(0))
    far.session.open()
    seen = far.remote_target if sender else far.remote_source
    assert seen.dynamic
    assert seen.address is None
    assert seen.properties["lifetime-policy"].descriptor == 0x2B
    answer = far.target if sender else far.source
    answer.copy(seen)
    answer.address = "temp-1"
    far.open()
    pair.pump()
    given = link.remote_target if sender else link.remote_source
    assert given.address == "temp-1"
    assert given.dynamic


def test_an_anonymous_target(pair):
    """A target without an address; and none at all is something else."""
    def setup(link):
        link.target.address = None

    near, far = pair.link("relay", True, setup)
    assert far.remote_target.type == Terminus.TARGET
    assert far.remote_target.address is None
    assert near.remote_target.address is None


def test_a_terminus_that_is_not_there():
    pair = Pair()
    _, far = pair.link("l", True, lambda link: setattr(link.target, "type", Terminus.UNSPECIFIED))
    assert far.remote_target.type == Terminus.UNSPECIFIED
    assert far.remote_target.address is None


def test_the_coordinator_of_transactions(pair):
    def setup(link):
        link.target.type = Terminus.COORDINATOR
        link.target.capabilities.put_object(symbol("amqp:local-transactions"))

    near, far = pair.link("txn", True, setup)
    assert far.remote_target.type == Terminus.COORDINATOR
    assert list(far.remote_target.capabilities) == ["amqp:local-transactions"]
    assert near.remote_target.type == Terminus.COORDINATOR


def test_what_a_peer_may_send_for_several_symbols():
    """One symbol, or an array of them [1.4]; both are met."""
    peer = Peer.server()
    peer.attach("one", 0, source=Described(0x28, ["q"] + [None] * 8 + [symbol("a"), [symbol("x")]]))
    peer.attach("two", 1, source=Described(0x28, ["q"] + [None] * 8 + [[symbol("a"), symbol("b")], ["x", "y"]]))
    one, two = peer.connection.links(0)
    assert (list(one.remote_source.outcomes), list(one.remote_source.capabilities)) == (["a"], ["x"])
    assert (list(two.remote_source.outcomes), list(two.remote_source.capabilities)) == (["a", "b"], ["x", "y"])


A_SYMBOL, AN_ARRAY = b"\xa3\x01x", b"\xf0\x00\x00\x00\x0a\x00\x00\x00\x01\xb3\x00\x00\x00\x01x"


@pytest.mark.parametrize("kind", [Terminus.SOURCE, Terminus.TARGET, Terminus.COORDINATOR])
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (symbol("x"), A_SYMBOL),
        ("x", A_SYMBOL),
        (Array(UNDESCRIBED, Data.SYMBOL, symbol("x")), AN_ARRAY),
        (["x"], AN_ARRAY),
        (("x",), AN_ARRAY),
        (SymbolList("x"), AN_ARRAY),
    ],
    ids=lambda v: type(v).__name__,
)
def test_one_symbol_goes_out_in_the_form_in_which_it_was_put(kind, value, written):
    terminus = Terminus(kind)
    terminus.capabilities.put_object(value)
    wire = terminus.to_wire()
    assert encode_composite(wire.descriptor, wire.value).endswith(written)
    _, fields, _ = decode_composite(encoded := encode_composite(wire.descriptor, wire.value), 0, len(encoded))
    again = Terminus(kind)
    again.copy(Terminus.from_wire(Described(wire.descriptor, fields), kind))
    assert again.capabilities == ["x"]
    assert again.capabilities.listed is (written is AN_ARRAY)
    assert again.capabilities.next() == (Data.ARRAY if written is AN_ARRAY else Data.SYMBOL)
    assert again.capabilities.get_object() == (
        Array(UNDESCRIBED, Data.SYMBOL, "x") if written is AN_ARRAY else "x"
    )
    wire = again.to_wire()
    assert encode_composite(wire.descriptor, wire.value).endswith(written)


@pytest.mark.parametrize("kind", [Terminus.SOURCE, Terminus.TARGET, Terminus.COORDINATOR])
def test_a_terminus_that_is_there_has_a_field(kind):
    wire = Terminus(kind).to_wire()
    encoded = encode_composite(wire.descriptor, wire.value)
    assert encoded[3] != 0x45
    _, fields, _ = decode_composite(encoded, 0, len(encoded))
    assert any(field is not None for field in fields)
    again = Terminus.from_wire(Described(wire.descriptor, fields), kind)
    assert (again.type, again.address, again.durability, list(again.capabilities)) == (kind, None, 0, [])


def test_values_are_filled_and_read_as_the_original_s():
    terminus = Terminus(Terminus.SOURCE)
    capabilities = terminus.capabilities
    assert capabilities.next() is None
    assert capabilities.get_object() is None
    capabilities.put_object(symbol("a"))
    capabilities.rewind()
    assert capabilities.next() == Data.SYMBOL
    assert capabilities.get_object() == symbol("a")
    capabilities.put_object(Array(UNDESCRIBED, Data.SYMBOL, symbol("b"), symbol("c")))
    capabilities.put_symbol(symbol("d"))
    assert capabilities.next() is None  # until it begins again: programs loop while there is something
    capabilities.rewind()
    assert capabilities.next() == Data.ARRAY and capabilities.next() is None
    assert list(capabilities.get_object()) == ["a", "b", "c", "d"]
    found = terminus.filter
    assert found.next() is None
    assert found.get_object() is None
    found.put_dict({"x": 1})
    found.rewind()
    assert found.next() == Data.MAP and found.next() is None
    assert found.get_dict() == found.get_object() == {"x": 1}


def test_a_copy_is_equal_and_its_own():
    one, other = Terminus(Terminus.SOURCE), Terminus(Terminus.TARGET)
    one.address = "q"
    one.capabilities.put_object(symbol("a"))
    one.properties.put_dict({"p": 1})
    other.copy(one)
    assert other.type == Terminus.SOURCE
    assert other.address == "q"
    other.capabilities.append(symbol("b"))
    other.properties["p"] = 2
    assert one.capabilities == ["a"]
    assert one.properties == {"p": 1}
    assert repr(other) == "Source('q')"


@pytest.mark.parametrize("address", [5, b"q", ["q"]])
def test_an_address_is_a_str(address):
    with pytest.raises(TypeError):
        Terminus(Terminus.SOURCE).address = address


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("durability", -1, "durability cannot be -1"),
        ("timeout", -5, "timeout cannot be -5"),
        ("timeout", 1 << 40, "timeout cannot be 1099511627776"),
        ("expiry_policy", 9, "expiry_policy cannot be 9: it is one of 0, 1, 2, 3"),
        ("distribution_mode", 7, "distribution_mode cannot be 7: it is one of 0, 1, 2"),
    ],
)
def test_bad_values_are_told_when_the_link_opens(name, value, told):
    session = Pair().client.connection.session()
    session.open()
    link = session.receiver("l")
    setattr(link.source, name, value)
    with pytest.raises(DataException, match=told.replace(".", "[.]")):
        link.open()
    assert link.state & link.LOCAL_UNINIT


def test_what_is_no_terminus():
    with pytest.raises(RemoteProtocolError):
        Terminus.from_wire("text", Terminus.SOURCE)
    with pytest.raises(RemoteProtocolError):
        Terminus.from_wire(Described(0x24, []), Terminus.SOURCE)
