"""Frames that are alike and share a read: transfers of one shape are read one after the other, and what stands between
them, or is wrong with one of them, is dealt with as if each had come alone."""

from __future__ import annotations

from typing import Any, Callable, Optional

import pytest

from reactor.codec.frame_plans import plans
from reactor.engine.events import Event
from tests.support.frames import Peer, error, frame, raw
from tests.support.pair import PIECES

#: Links of the engine's, by the handles of the peer: constructors of no, one and four bytes.
HANDLES = (0, 7, 300)


@pytest.fixture(params=[True, False], ids=["known", "new"])
def known(request):
    """Whether the shapes were read before."""
    plans.clear()
    if request.param:
        receiving(None)[0].say_bytes(b"".join(alike(number) for number in range(6)))
    yield
    plans.clear()


def receiving(piece: Optional[int]) -> tuple[Peer, dict[int, Any]]:
    """(The peer, the engine's receivers by handle, each with credit for four.)"""
    peer = Peer.client(piece)
    return peer, {handle: peer.receiver("link %d" % handle, credit=4, handle=handle) for handle in HANDLES}


def alike(number: int, handle: int = 0, **fields: Any) -> bytes:
    known = {"delivery_id": number + 1000, "delivery_tag": b"%04d" % number, "message_format": 0, "settled": False}
    channel, payload = fields.pop("channel", 0), fields.pop("payload", b"%d" % number)
    return frame("transfer", channel, payload, handle=handle, **known, **fields)


def taken(link: Any) -> list[bytes]:
    return [delivery.take() for delivery in list(link.incoming)]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.usefixtures("known")
def test_over_several_links(piece):
    peer, links = receiving(piece)
    order = [(number, HANDLES[number // 2 % 3]) for number in range(12)]
    peer.say_bytes(b"".join(alike(number, handle, payload=b"x" * (number * 50)) for number, handle in order))
    for handle, link in links.items():
        mine = [number for number, other in order if other == handle]
        assert [delivery.id for delivery in link.incoming] == [number + 1000 for number in mine]
        assert [delivery.tag for delivery in link.incoming] == ["%04d" % number for number in mine]
        assert taken(link) == [b"x" * (number * 50) for number in mine]
    assert peer.session.channel.incoming.next_incoming_id == 12
    assert peer.transport.frames_input == 2 + len(HANDLES) + 12
    assert len(peer.events()) >= 12


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.usefixtures("known")
def test_with_others_between_them(piece):
    peer, links = receiving(piece)
    outcome = frame("disposition", role=False, first=1000, settled=True)
    flow = frame("flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=2, outgoing_window=9)
    rest = frame("transfer", payload=b"st", handle=7)
    begun, heartbeat = alike(2, 7, payload=b"fir", more=True), raw()
    peer.say_bytes(b"".join([alike(0), outcome, alike(1), flow, begun, rest, heartbeat, alike(3)]))
    first, second, third = links[0].incoming
    assert (first.settled, second.settled, third.settled) == (True, False, False)
    assert taken(links[0]) == [b"0", b"1", b"3"]
    assert taken(links[7]) == [b"first"]


@pytest.mark.usefixtures("known")
def test_a_link_that_goes_beyond_its_credit_does_not_stop_the_others():
    peer, links = receiving(None)
    peer.say_bytes(b"".join(alike(number) for number in range(6)) + alike(6, 7))
    assert peer.heard_one("detach").error == "amqp:link:transfer-limit-exceeded"
    assert taken(links[7]) == [b"6"]


@pytest.mark.usefixtures("known")
def test_a_delivery_without_credit_ends_its_link_and_not_the_session_though_its_id_is_in_use():
    peer, links = receiving(None)
    peer.say_bytes(b"".join(alike(number) for number in (0, 1, 2, 3, 0)) + alike(6, 7))
    assert peer.heard_one("detach").error == "amqp:link:transfer-limit-exceeded"
    assert taken(links[7]) == [b"6"]


Ends = Callable[[Peer], bytes]
ENDS: dict[str, tuple[Ends, Optional[str], Optional[str]]] = {
    "an id that is in use": (lambda peer: alike(0), "end", "amqp:invalid-field"),
    "a handle without a link": (lambda peer: alike(5, 5), "end", "amqp:session:unattached-handle"),
    "a channel without a session": (lambda peer: alike(5, channel=5), "close", "amqp:not-allowed"),
    "more than a frame may have": (lambda peer: alike(5, payload=b"x" * 600), "close", "amqp:connection:framing-error"),
    "a size that is too small": (lambda peer: b"\0\0\0\x12" + alike(5)[4:], "close", None),
    "a close": (lambda peer: frame("close", error=error("amqp:internal-error")), None, None),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.usefixtures("known")
def test_what_ends_a_session_or_a_connection_among_them(end):
    bad, name, why = ENDS[end]
    peer = Peer(piece=None)
    peer.transport.max_frame_size = 512
    peer.connection.open()
    peer.connection.session().open()
    peer.flush()
    peer.hello().begin(remote_channel=0)
    link = peer.receiver("link", credit=20)
    peer.say_bytes(b"".join([alike(0), alike(1), bad(peer), alike(2), alike(3)]))
    assert [delivery.id for delivery in link.incoming] == [1000, 1001]
    if name is not None:
        said = peer.heard_one(name)
        assert why is None or said.error == why


def test_of_several_formats():
    plans.clear()
    peer, links = receiving(None)
    formats = [7, 7, 7, 0, 0, 8]
    links[0].flow(len(formats))
    numbered = [
        frame("transfer", handle=0, delivery_id=number, delivery_tag=b"tag", message_format=one, settled=True)
        for number, one in enumerate(formats)
    ]
    peer.say_bytes(b"".join(numbered))
    assert [delivery.message_format for delivery in links[0].incoming] == formats


@pytest.mark.usefixtures("known")
def test_a_session_that_was_ended_here_takes_none():
    peer, links = receiving(None)
    channel = peer.session.channel
    peer.session.condition = "broken"  # so that what is on its way is not heard
    peer.session.close()
    peer.flush()
    peer.say_bytes(b"".join(alike(number) for number in range(4)))
    assert channel.discarding
    assert not links[0].incoming
    assert Event.DELIVERY not in [event.type for event in peer.events()]


@pytest.mark.parametrize("most", range(1, 8))
def test_a_read_that_ends_within_one_of_them(most):
    peer, links = receiving(None)
    data = b"".join(alike(number, payload=b"y" * number) for number in range(4))
    cut = len(data) * most // 8
    peer.say_bytes(data[:cut])
    assert len(links[0].incoming) == sum(cut >= size for size in sizes(data))
    peer.say_bytes(data[cut:])
    assert taken(links[0]) == [b"y" * number for number in range(4)]


def sizes(data: bytes) -> list[int]:
    """Where each frame ends."""
    ends, pos = [], 0
    while pos < len(data):
        pos += int.from_bytes(data[pos : pos + 4], "big")
        ends.append(pos)
    return ends
