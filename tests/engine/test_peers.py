"""What real brokers were seen to do that breaks a naive client, one test for each, by the frames that they sent.

The numbers are those of the list these were taken from; what concerns transactions and SCRAM comes with them.
"""

from __future__ import annotations

import pytest

from reactor.codec.types import UNDESCRIBED, Array, Data, Described, symbol, ulong
from reactor.engine.endpoints.disposition import ACCEPTED, MODIFIED, REJECTED, RELEASED, ModifiedDisposition
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.engine.wire.transport import Transport
from tests.support.frames import AMQP, Peer, error, frame, raw, source, target

OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE
CLOSED = LOCAL_CLOSED | REMOTE_CLOSED
ACCEPTED_STATE = Described(ulong(0x24), [])
RABBITMQ_OUTCOMES = ["amqp:accepted:list", "amqp:rejected:list", "amqp:released:list"]


@pytest.fixture(params=[None, 1, 7], ids=["whole", "bytewise", "by-7"])
def peer(request):
    return Peer.client(request.param)


def rabbitmq_source(default=0x26, outcomes=RABBITMQ_OUTCOMES):
    """A source as RabbitMQ answers: outcomes named, released by default."""
    return source("q", *[None] * 7, Described(default, []), [symbol(name) for name in outcomes])


def test_1_close_is_answered_by_a_plain_detach(peer):
    """RabbitMQ: detach(closed=true) is answered by detach(handle) alone, every time."""
    link = peer.sender()
    link.close()
    peer.heard()
    peer.say("detach", handle=0)
    assert link.state == CLOSED
    assert not link.remote_detached
    names = peer.event_names()
    assert "pn_link_remote_close" in names
    assert "pn_link_remote_detach" not in names
    assert list(peer.session.links()) == []


def test_2_an_attach_is_refused_by_an_end(peer):
    """RabbitMQ: no attach, no detach; everything of the session fails with that condition."""
    session = peer.session
    link = session.sender("L")
    link.target.address = "no/such/address"
    link.open()
    other = session.receiver("M")
    other.open()
    sent = link.transmit(b"waits for credit")
    peer.heard()
    peer.say("end", error=error("amqp:invalid-field", "Attach rejected: {unknown_destination,\"no/such/address\"}"))
    assert session.remote_condition.name == "amqp:invalid-field"
    assert link.remote_condition.name == other.remote_condition.name == "amqp:invalid-field"
    events = peer.events()
    ended = [event.context for event in events if event.type in (Event.LINK_REMOTE_CLOSE, Event.SESSION_REMOTE_CLOSE)]
    assert ended == [link, other, session], "those who wait for an attach hear of it, too"
    assert link.state & REMOTE_CLOSED and other.state & REMOTE_CLOSED
    assert [event.context for event in events if event.type is Event.DELIVERY_IN_DOUBT] == [sent]
    other.flow(1)
    link.close()
    assert peer.heard() == [], "nobody listens there any more"
    session.close()
    assert [heard.name for heard in peer.heard()] == ["end"]
    assert list(peer.connection.links(0)) == []
    another = peer.connection.session()
    another.open()
    peer.heard()
    peer.begin(0, remote_channel=1)
    assert another.state == OPEN


@pytest.mark.parametrize("bare", [True, False], ids=["Broker-J", "qpidd"])
@pytest.mark.parametrize("sender", [True, False])
def test_3_an_attach_is_refused_by_an_attach_of_nothing_and_a_detach(peer, bare, sender):
    session = peer.session
    link = session.sender("L") if sender else session.receiver("L")
    link.target.address = link.source.address = "nowhere"
    link.open()
    peer.heard()
    nothing = {"source": None, "target": None} if bare else {"target" if sender else "source": None}
    fields = {"source": source("nowhere"), "target": target("nowhere"), **nothing}
    peer.say("attach", name="L", handle=0, role=sender, initial_delivery_count=None if sender or bare else 0, **fields)
    assert "pn_link_remote_open" not in peer.event_names(), "not open before the next frame"
    assert (link.remote_target if sender else link.remote_source).address is None
    assert (link.remote_target if sender else link.remote_source).type == Terminus.UNSPECIFIED
    peer.say("detach", handle=0, closed=True, error=error("amqp:not-found", "Could not find destination"))
    names = [name for name in peer.event_names() if name.startswith("pn_link_remote")]
    assert names == ["pn_link_remote_open", "pn_link_remote_close"], "by hand, each attach is told of"
    assert link.remote_condition.name == "amqp:not-found"
    assert link.remote_condition.description == "Could not find destination"


def test_3_a_link_that_was_attached_to_nothing_and_then_gets_credit_is_open(peer):
    link = peer.session.sender("L")
    link.target.address = "q"
    link.open()
    peer.heard()
    peer.attach("L", target=None)
    peer.events()
    peer.flow(5)
    assert peer.event_names()[:2] == ["pn_link_remote_open", "pn_link_flow"]


def test_4_the_connection_drops_without_a_close(peer):
    """RabbitMQ after an internal error, ActiveMQ on an unknown transaction."""
    link = peer.sender(credit=5)
    sent = link.transmit(b"x")
    peer.heard()
    peer.hang_up()
    assert peer.transport.condition.name == "amqp:connection:framing-error"
    assert "without a close" in peer.transport.condition.description
    events = peer.events()
    assert [event.context for event in events if event.type is Event.DELIVERY_IN_DOUBT] == [sent]
    assert peer.transport.closed


def test_5_the_first_flow_has_no_delivery_count(peer):
    link = peer.sender()
    peer.say(
        "flow",
        next_incoming_id=0,
        incoming_window=0xFFFF,
        next_outgoing_id=0,
        outgoing_window=0xFFFF,
        handle=0,
        link_credit=0x10000,
        drain=False,
        echo=False,
    )
    assert link.wire_credit == 0x10000
    link.transmit(b"x")
    assert peer.heard_one("transfer").payload == b"x"


def test_6_the_peer_s_handles_and_channels_are_its_own():
    peer = Peer(Transport.CLIENT)
    peer.connection.open()
    first, second = peer.connection.session(), peer.connection.session()
    first.open()
    second.open()
    peer.flush()
    peer.hello().begin(40, remote_channel=1).begin(30, remote_channel=0)
    assert (first.channel.remote_number, second.channel.remote_number) == (30, 40)
    sender, receiver = first.sender("s"), first.receiver("r")
    sender.open()
    receiver.flow(5)
    receiver.open()
    peer.flush()
    peer.attach("r", 900, role=False, channel=30).attach("s", 7, role=True, channel=30)
    peer.flow(5, 7, 30)
    peer.heard()
    sender.transmit(b"out")
    heard = peer.heard_one("transfer")
    assert (heard.channel, heard.handle, heard.payload) == (0, 0, b"out")
    peer.transfer(b"in", 0, 900, 30)
    assert receiver.current.take() == b"in"
    peer.say("disposition", 30, role=True, first=0, settled=True, state=ACCEPTED_STATE)
    assert sender.unsettled == 0
    peer.say("detach", 30, handle=900, closed=True)
    assert receiver.state & REMOTE_CLOSED
    assert sender.state == OPEN
    receiver.close()
    assert peer.heard_one("detach").handle == 1


def test_7_a_delivery_tag_comes_again_at_once(peer):
    """ActiveMQ has one tag for every message, qpidd another."""
    link = peer.receiver(credit=20)
    deliveries = []
    for number in range(10):
        peer.transfer(b"%d" % number, number, delivery_tag=b"\x00")
        delivery = link.current
        assert delivery.take() == b"%d" % number
        deliveries.append(delivery)
        if number % 2:
            delivery.update(ACCEPTED)
            delivery.settle()
    assert link.unsettled == 5
    assert list(link.unsettled_deliveries) == deliveries[::2]
    assert peer.transport.condition is None


def test_8_our_own_credit_comes_back_and_is_none_of_ours(peer):
    """RabbitMQ answers each flow of a receiver with one of its own, and sends flows without a handle."""
    link = peer.receiver(credit=5)
    for available in (0, 7):
        peer.say(
            "flow",
            next_incoming_id=0,
            incoming_window=0xFFFF,
            next_outgoing_id=0,
            outgoing_window=0xFFFF,
            handle=0,
            delivery_count=0,
            link_credit=500,
            available=available,
            drain=False,
        )
        assert link.credit == 5
        assert link.available == available
    peer.say("flow", next_incoming_id=0, incoming_window=17, next_outgoing_id=0, outgoing_window=0xFFFF)
    assert peer.session.channel.outgoing.remote_incoming_window == 17
    assert peer.heard() == []


@pytest.mark.parametrize("extra", [{}, {"available": 0, "echo": False}], ids=["qpidd", "Broker-J"])
def test_9_a_drain_is_done_when_the_count_says_so(peer, extra):
    link = peer.receiver()
    link.drain(10)
    assert peer.heard_one("flow").drain
    for number in range(3):
        peer.transfer(b"x", number)
    assert link.draining()
    peer.say(
        "flow",
        next_incoming_id=3,
        incoming_window=0x7FFFFFFF,
        next_outgoing_id=3,
        outgoing_window=0x7FFFFFFF,
        handle=0,
        delivery_count=10,
        link_credit=0,
        drain=True,
        **extra,
    )
    assert not link.draining()
    assert link.queued == 3
    assert link.credit == 3
    assert link.drained() == 7
    link.flow(2)
    heard = peer.heard_one("flow")
    assert (heard.delivery_count, heard.link_credit, heard.drain) == (10, 2, False)


def test_10_the_coordinator_is_answered_as_a_plain_target(peer):
    """qpidd does, and settles what belongs to a transaction with a plain accepted."""
    link = peer.session.sender("txn")
    link.target.type = Terminus.COORDINATOR
    link.open()
    assert peer.heard_one("attach").target.descriptor == 0x30
    peer.attach("txn", target=target()).flow(10)
    link.transmit(b"declare")
    peer.heard()
    peer.say("disposition", role=True, first=0, settled=True, state=Described(ulong(0x33), [b"id"]))
    delivery = next(event.delivery for event in peer.events() if event.type is Event.DELIVERY)
    assert delivery.remote.id == b"id"
    assert delivery.settled


def test_12_limits_as_brokers_name_them():
    peer = Peer(Transport.CLIENT)
    peer.transport.max_frame_size = 65536
    peer.connection.open()
    peer.hello(idle_time_out=0, channel_max=255, max_frame_size=4096)
    transport = peer.transport
    assert transport.remote_idle_timeout == 0
    assert transport.tick(1.0) == 0
    assert transport.remote_channel_max == 255
    session = peer.connection.session()
    session.open()
    peer.flush()
    peer.begin(remote_channel=0)
    link = peer.sender(credit=1)
    link.transmit(bytes(10000))
    assert len(peer.heard()) == 3


def test_13_a_begin_without_a_handle_max():
    peer = Peer.client(next_outgoing_id=1, incoming_window=0x3FFF)
    assert peer.session.channel.attachments.remote_handle_max == 0xFFFFFFFF
    assert peer.session.channel.incoming.next_incoming_id == 1
    link = peer.sender()
    peer.say(
        "flow", next_incoming_id=0, incoming_window=0x3FFF, next_outgoing_id=1, outgoing_window=0, handle=0,
        link_credit=50000, delivery_count=0,
    )  # fmt: skip
    for _ in range(0x3FFF + 10):
        link.transmit(b"x")
    assert len(peer.heard()) == 0x3FFF, "the next one would overrun it"


def test_14_annotations_have_symbols_for_keys(peer):
    """Broker-J closes the connection on a string."""
    link = peer.receiver(credit=1)
    peer.transfer(b"x")
    link.current.update(ModifiedDisposition(True, False, {"key": "value", "x-opt-other": {"inner": 1}}))
    link.current.settle()
    annotations = peer.heard_one("disposition").state.value[2]
    assert list(annotations) == ["key", "x-opt-other"]
    assert all(type(key) is symbol for key in annotations)
    peer.connection.properties = {"p": 1}
    assert all(type(key) is symbol for key in peer.connection.open_fields(0, 0, 0)[9])


def test_15_released_is_said_to_a_peer_that_did_not_name_modified(peer):
    """RabbitMQ ends the session on modified; it names accepted, rejected and released."""
    link = peer.receiver(credit=5, source=rabbitmq_source())
    for number in range(3):
        peer.transfer(b"x", number)
    first, second, third = (link.incoming[number] for number in range(3))
    first.update(ModifiedDisposition(True, True, {"a": 1}))
    first.settle()
    second.take()
    second.settle_with(MODIFIED)
    third.update(REJECTED)
    third.settle()
    heard = [frame for frame in peer.heard() if frame.name == "disposition"]
    assert [(f.first, f.last, f.state.descriptor) for f in heard] in (
        [(0, 1, 0x26), (2, None, 0x25)],
        [(0, None, 0x26), (1, None, 0x26), (2, None, 0x25)],
    )
    assert first.local_state is RELEASED


def test_15_modified_is_said_to_whoever_names_it_or_names_nothing():
    for outcomes in ([], [*RABBITMQ_OUTCOMES, "amqp:modified:list"]):
        peer = Peer.client()
        link = peer.receiver(credit=1, source=rabbitmq_source(outcomes=outcomes))
        peer.transfer(b"x")
        link.current.update(MODIFIED)
        link.current.settle()
        assert peer.heard_one("disposition").state.descriptor == 0x27


@pytest.mark.parametrize(("default", "said"), [(0x26, 0x26), (0x27, 0x27)], ids=["RabbitMQ", "Broker-J"])
def test_15_a_bare_settlement_says_the_default_outcome(peer, default, said):
    """RabbitMQ ends the session on a settlement without a state; what it named as default means the same."""
    fields = [True] if default == 0x27 else []
    named = source("q", *[None] * 7, Described(default, fields), None)
    link = peer.receiver(credit=1, source=named)
    peer.transfer(b"x")
    link.current.settle()
    heard = peer.heard_one("disposition")
    assert heard.settled
    assert heard.state.descriptor == said
    assert heard.state.value == fields


def test_15_a_bare_settlement_stays_bare_where_nothing_was_named(peer):
    link = peer.receiver(credit=1)
    peer.transfer(b"x")
    link.current.settle()
    assert peer.heard_one("disposition").state is None


def test_16_sparse_and_wide_lists(peer):
    """ActiveMQ's target is list0, headers have nulls inside; list8 and list32 are both met."""
    link = peer.session.receiver("l")
    link.source.address = "q"
    link.flow(3)
    link.open()
    peer.heard()
    fields = b"\xa1\x01l\x43\x42\x50\x02\x50\x00\x00\x53\x28\x45\x00\x53\x29\x45\x40\x42\x43"
    peer.say_bytes(raw(b"\x00\x53\x12\xd0" + (len(fields) + 4).to_bytes(4, "big") + b"\x00\x00\x00\x0a" + fields))
    assert link.state == OPEN
    assert link.remote_source.type == Terminus.SOURCE
    assert link.remote_source.address is None
    peer.transfer(b"\x00\x53\x70\x45\x00\x53\x77\xa1\x01x")
    assert peer.transport.condition is None
    assert link.current.take().endswith(b"x")


def test_17_a_filter_comes_back_under_a_number(peer):
    link = peer.session.receiver("l")
    link.source.address = "q"
    asked = Described(symbol("apache.org:selector-filter:string"), "a = 1")
    link.source.filter[symbol("selector")] = asked
    link.open()
    peer.heard()
    answered = Described(ulong(0x468C00000004), "a = 1")
    peer.attach("l", role=False, source=source("q", *[None] * 6, {symbol("selector"): answered}))
    assert link.remote_source.filter == {"selector": answered}


@pytest.mark.parametrize(
    "given",
    [symbol("queue"), [symbol("queue")], Array(UNDESCRIBED, Data.SYMBOL, symbol("queue"))],
    ids=["symbol", "list", "array"],
)
def test_17_a_single_capability_as_symbol_or_array(peer, given):
    peer.attach("theirs", 0, role=True, source=source("q", *[None] * 9, given), offered_capabilities=given)
    link = next(peer.connection.links(0))
    assert list(link.remote_source.capabilities) == ["queue"]
    assert list(link.remote_offered_capabilities) == ["queue"]


@pytest.mark.parametrize("last", [None, 0], ids=["qpidd", "others"])
def test_18_a_disposition_of_one(peer, last):
    link = peer.sender(credit=2)
    first, second = link.transmit(b"1"), link.transmit(b"2")
    peer.heard()
    peer.say("disposition", role=True, first=0, last=last, settled=True, state=ACCEPTED_STATE)
    assert first.settled
    assert not second.settled


def test_18_ids_are_the_session_s(peer):
    link = peer.sender(credit=5)
    other = peer.session.sender("other")
    other.open()
    peer.attach("other", 1).flow(5, 1)
    peer.heard()
    deliveries = [link.transmit(b"a"), other.transmit(b"b"), link.transmit(b"c")]
    assert [heard.delivery_id for heard in peer.heard()] == [0, 1, 2]
    peer.say("disposition", role=True, first=0, last=2, settled=True, state=ACCEPTED_STATE)
    assert all(delivery.settled for delivery in deliveries)


# -- what clients do, that a server must cope with -----------------------------------------------------------


def test_a_whole_url_as_address_and_modes_we_do_not_use():
    """uamqp: address amqps://localhost/q, rcv-settle-mode second, channel-max 65535, a random source address."""
    peer = Peer.server(channel_max=65535)
    peer.attach(
        "u", 0, role=False, rcv_settle_mode=1, snd_settle_mode=0, source=source("9d0c"), target=target("amqps://localhost/q")
    )
    link = next(peer.connection.links(0))
    assert link.remote_target.address == "amqps://localhost/q"
    link.open()
    link.flow(1)
    heard = [frame.name for frame in peer.heard()]
    assert heard == ["attach", "flow"]


def test_second_mode_is_settled_by_the_sender():
    """The receiver's outcome is not settled; the sender settles it."""
    peer = Peer.server()
    peer.attach("u", 0, role=False, rcv_settle_mode=1)
    link = next(peer.connection.links(0))
    link.flow(1)
    link.open()
    peer.transfer(b"x")
    delivery = link.current
    delivery.take()
    delivery.update(ACCEPTED)
    assert peer.heard()[-1].settled is False
    peer.say("disposition", role=False, first=0, settled=True)
    assert delivery.settled
    assert link.unsettled == 0


def test_an_open_with_nothing_but_a_container():
    """rhea: max-frame 4294967295, channel-max 65535, attaches without settle modes, a window of 0x800."""
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.say_bytes(AMQP + frame("open", container_id="rhea")).begin(incoming_window=0x800)
    peer.session.open()
    peer.attach("l", 0, role=True)
    link = next(peer.connection.links(0))
    assert (link.remote_snd_settle_mode, link.remote_rcv_settle_mode) == (2, 0)
    link.open()
    peer.flow(1, incoming_window=0x800)
    link.transmit(bytes(300000))
    assert sum(len(heard.payload) for heard in peer.heard()) == 300000


def test_everything_comes_before_our_answers():
    """Proton sends begin, attach and a receiver's flow before it has heard anything."""
    peer = Peer(Transport.SERVER)
    data = AMQP + frame("open", container_id="proton")
    data += frame("begin", next_outgoing_id=0, incoming_window=100, outgoing_window=100)
    data += frame("attach", name="r", handle=0, role=True, source=source("q"), target=target())
    data += frame(
        "flow", next_incoming_id=0, incoming_window=100, next_outgoing_id=0, outgoing_window=100,
        handle=0, link_credit=10, delivery_count=0,
    )  # fmt: skip
    peer.say_bytes(data)
    for event in peer.events():
        if event.type.name.endswith("_remote_open"):
            event.context.open()
    link = next(peer.connection.links(0))
    assert link.credit == 10
    link.transmit(b"x")
    assert [heard.name for heard in peer.heard()] == ["open", "begin", "attach", "transfer"]


def test_a_handle_comes_back_directly_after_its_detach(peer):
    """Proton does so without waiting for the answer."""
    server = Peer.server(peer.piece)
    for number in range(4):
        server.say_bytes(
            frame("attach", name=f"l{number}", handle=0, role=True, source=source("q"), target=target())
            + frame("detach", handle=0, closed=True)
        )
    assert server.transport.condition is None
    for event in server.events():
        if event.type is Event.LINK_REMOTE_OPEN:
            event.context.open()
        elif event.type is Event.LINK_REMOTE_CLOSE:
            event.context.close()
    heard = server.heard()
    assert sorted(frame.name for frame in heard) == ["attach"] * 4 + ["detach"] * 4
    assert list(server.session.links()) == []


def test_idle_frames_are_no_news(peer):
    for _ in range(5):
        peer.say_bytes(raw())
    assert peer.event_names() == []
    assert peer.heard() == []
