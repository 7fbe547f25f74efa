"""Links of one name: detach before attach, however it comes about; stealing; what is not yet known of a peer."""

from __future__ import annotations

import pytest

from reactor import Connection
from reactor.codec.types import ubyte
from reactor.engine.endpoints.condition import Condition
from reactor.engine.events import Event
from reactor.engine.wire.transport import Transport
from reactor.errors import LocalProtocolError
from tests.support.frames import Peer, frame, source, target
from tests.support.pair import PIECES, Pair


@pytest.fixture(params=PIECES, ids=["whole", "bytewise", "by-7"])
def pair(request):
    return Pair(request.param)


def named(peer):
    return [(one.name, one.fields.get("handle")) for one in peer.heard() if one.name in ("attach", "detach", "end")]


def again(link, session=None):
    session = session or link.session
    other = session.sender(link.name) if link.is_sender else session.receiver(link.name)
    other.source.address, other.target.address = link.source.address, link.target.address
    other.open()
    return other


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("detaches", [True, False])
def test_the_detach_leaves_before_the_attach_of_the_same_name(sends, detaches):
    peer = Peer.client()
    link = peer.sender() if sends else peer.receiver()
    link.detach() if detaches else link.close()
    again(link)
    assert named(peer) == [("detach", 0), ("attach", 1)]


def test_again_and_again_in_one_turn():
    peer = Peer.client()
    link = peer.sender()
    for _ in range(3):
        link.close()
        link = again(link)
    assert [name for name, _ in named(peer)] == ["detach", "attach"] * 3


def test_the_name_on_another_session(pair):
    link, _ = pair.link()
    other = pair.client.connection.session()
    other.open()
    link.close()
    moved = again(link, other)
    pair.pump()
    assert pair.client.count(Event.SESSION_REMOTE_CLOSE) == 0
    assert moved in pair.client.of(Event.LINK_REMOTE_OPEN) and link in pair.client.of(Event.LINK_REMOTE_CLOSE)
    other.close()
    third = again(moved, link.session)
    pair.pump()
    assert third in pair.client.of(Event.LINK_REMOTE_OPEN)


def test_a_close_that_waits_for_credit_keeps_the_name(pair):
    sender, receiver = pair.way(True)
    sender.transmit(b"late")
    sender.close()
    other = again(sender)
    pair.pump()
    assert other.handle_out is None
    receiver.flow(1)
    pair.pump()
    assert receiver.queued == 1 and other in pair.client.of(Event.LINK_REMOTE_OPEN)
    assert pair.client.count(Event.SESSION_REMOTE_CLOSE) == 0


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("sends", [True, False])
def test_an_attached_link_is_stolen(pair, sends, elsewhere, monkeypatch):
    first, far = pair.link("link", sends)
    session = first.session
    if elsewhere:
        session = pair.client.connection.session()
        session.open()
    else:
        # A peer that is not so careful.
        monkeypatch.setattr("reactor.engine.endpoints.link.Link._check_name", lambda link: None)
    second = again(first, session)
    pair.pump()
    assert far.remote_condition.name == first.remote_condition.name == "amqp:link:stolen"
    assert second in pair.client.of(Event.LINK_REMOTE_OPEN) and second.remote_condition is None
    assert pair.client.count(Event.SESSION_REMOTE_CLOSE) == pair.server.count(Event.SESSION_REMOTE_CLOSE) == 0
    near, other = (second, pair.server.of(Event.LINK_INIT)[-1])
    sender, receiver = (near, other) if sends else (other, near)
    receiver.flow(1)
    pair.pump()
    sender.transmit(b"x")
    pair.pump()
    assert receiver.queued == 1


@pytest.mark.parametrize("end", ["detach", "close", "end", "both"])
@pytest.mark.parametrize("sends", [True, False])
def test_a_link_that_is_about_to_go_is_not_stolen(sends, end):
    """The peer attaches the name anew, on another session, before it can have heard that we let go of it."""
    peer = Peer.client()
    peer.connection.session().open()
    peer.flush()
    peer.begin(1, remote_channel=1)
    link = peer.sender() if sends else peer.receiver()
    if end in ("detach", "close"):
        getattr(link, end)()
    else:
        link.session.close()
        if end == "both":
            link.close()
    peer.attach("link", role=sends, channel=1)
    assert "pn_link_remote_close" not in peer.event_names() and link.remote_condition is link.condition is None
    other = next(one for one in peer.connection.links(0) if one is not link)
    other.open()
    assert named(peer) == {"detach": [("detach", 0)], "close": [("detach", 0)], "end": [("end", None)]}.get(
        end, [("detach", 0), ("end", None)]
    ) + [("attach", 0)]


@pytest.mark.parametrize("sends", [True, False])
def test_a_link_that_is_not_attached_yet_is_not_stolen(sends):
    """It has asked for the name on another session, and may yet have it."""
    peer = Peer.client()
    peer.connection.session().open()
    peer.flush()
    peer.begin(1, remote_channel=1)
    first = peer.session.sender("link") if sends else peer.session.receiver("link")
    first.source.address = first.target.address = "q"
    first.open()
    peer.flush()
    peer.attach("link", role=sends, channel=1)
    assert first.remote_condition is None and "pn_link_remote_close" not in peer.event_names()
    peer.attach("link", role=sends)
    assert first.state & first.REMOTE_ACTIVE


@pytest.mark.parametrize("ended", ["link", "session", "both"])
def test_the_name_is_free_on_another_session_when_the_end_of_it_has_left(ended):
    peer = Peer.client()
    other = peer.connection.session()
    other.open()
    peer.flush()
    peer.begin(1, remote_channel=1)
    link = peer.sender()
    if ended != "session":
        link.close()
    if ended != "link":
        link.session.close()
    again(link, other)
    written = [name for name, _ in named(peer)]
    assert written == {"link": ["detach"], "session": ["end"], "both": ["detach", "end"]}[ended] + ["attach"]


@pytest.mark.parametrize("sends", [True, False])
def test_answers_to_attaches_of_one_name_go_to_each_in_turn(sends):
    peer = Peer.client()
    links = [peer.session.sender("link") if sends else peer.session.receiver("link")]
    links[0].source.address = links[0].target.address = "q"
    links[0].open()
    peer.flush()
    for _ in range(2):
        links[-1].close()
        links.append(again(links[-1]))
        peer.flush()
    assert [name for name, _ in named(peer)] == ["attach", "detach", "attach", "detach", "attach"]
    for link in links:
        before = [one.state & one.REMOTE_UNINIT for one in links]
        assert before[links.index(link) :] == [link.REMOTE_UNINIT] * len(before[links.index(link) :])
        peer.attach("link", links.index(link), sends)
        assert link.state & link.REMOTE_ACTIVE
        if link is not links[-1]:
            peer.say("detach", handle=links.index(link), closed=True)
    assert links[-1].state & links[-1].LOCAL_ACTIVE and links[-1].remote_condition is None


@pytest.mark.parametrize("order", ["open, given up", "given up, open"])
def test_an_attach_of_the_peer_s_goes_to_the_link_that_is_open(order):
    """Both have the name, and the attach of neither has left."""
    peer = Peer.client()
    links = {}
    for what in order.split(", "):
        links[what] = peer.session.sender("link")
    links["given up"].close()
    links["open"].target.address = "q"
    links["open"].open()
    peer.transport.receive(frame("attach", name="link", handle=0, role=True, target=target("q")))
    assert [links[what].state & peer.session.REMOTE_ACTIVE for what in ("open", "given up")] == [16, 0]


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("sends", [True, False])
def test_a_second_one_of_the_name_is_an_error_at_the_call(pair, sends, answered):
    if answered:
        first, _ = pair.link("link", sends)
    else:
        first = pair.way(True)[0].session.sender("new") if sends else pair.way(True)[0].session.receiver("new")
        first.open()
    with pytest.raises(LocalProtocolError, match="choose another name") as caught:
        again(first)
    assert caught.value.scope == "link"
    other = first.session.receiver(first.name) if sends else first.session.sender(first.name)
    other.open()  # the other direction has names of its own
    first.open()  # harmless, as ever
    first.close()
    again(first)


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("older", ["the other direction", "closed"])
def test_an_older_link_of_the_name_does_not_hide_the_one_that_has_it(sends, older):
    peer = Peer.client()
    make = {True: peer.session.sender, False: peer.session.receiver}
    first = make[sends is (older == "closed")]("link")
    first.open()
    if older == "closed":
        first.close()
    second = make[sends]("link")
    second.open()
    third = make[sends]("link")
    with pytest.raises(LocalProtocolError, match="choose another name"):
        third.open()


@pytest.mark.parametrize("sends", [True, False])
def test_an_attach_of_the_peer_s_is_no_answer_to_a_link_of_the_other_direction(sends):
    peer = Peer.client()
    ours = peer.session.sender("link") if sends else peer.session.receiver("link")
    ours.open()
    peer.flush()
    peer.attach("link", role=not sends)
    other = next(link for link in peer.connection.links(0) if link is not ours)
    assert other.is_sender is not sends and not ours.state & ours.REMOTE_ACTIVE
    peer.attach("link", 1, role=sends)
    assert ours.state & ours.REMOTE_ACTIVE and len(list(peer.connection.links(0))) == 2


def test_what_comes_over_a_stolen_link_right_behind_the_thief_is_passed_over():
    peer = Peer.client()
    link = peer.receiver(credit=1)
    peer.say_bytes(
        frame("attach", name="link", handle=1, role=False, initial_delivery_count=0, source=source("q"))
        + frame("transfer", handle=0, delivery_id=0, delivery_tag=b"0", payload=b"in flight")
        + frame("transfer", handle=0, delivery_id=1, delivery_tag=b"1", payload=b"in flight")
    )
    assert "pn_delivery" not in peer.event_names() and link.queued == 0
    assert link.remote_condition.name == "amqp:link:stolen" == peer.heard_one("detach").error


@pytest.mark.parametrize("name", ["a:b", "amqp:link:stolen-not", "x:y", None])
def test_the_handle_of_a_link_that_was_closed_here_is_in_use_until_the_peer_has_closed_it(name):
    peer = Peer.server()
    peer.attach("x", handle=0)
    link = next(peer.connection.links(0))
    link.open()
    link.condition = None if name is None else Condition(name)
    link.close()
    assert [one.error for one in peer.heard() if one.name == "detach"] == [name]
    peer.attach("y", handle=0)
    assert peer.heard_one("end").error == "amqp:session:handle-in-use"


@pytest.mark.parametrize("sends", [True, False])
def test_the_name_is_free_when_the_peer_has_closed_the_link(pair, sends):
    first, far = pair.link("link", sends)
    far.close()
    pair.pump()
    second = again(first)
    first.close()
    pair.pump()
    assert second in pair.client.of(Event.LINK_REMOTE_OPEN)


def test_attach_and_then_detach_of_one_name_in_one_piece():
    """rhea writes them in this order when it opens a named link again."""
    peer = Peer.server()
    peer.attach(role=False)
    link = peer.session.connection.link_head(0)
    link.open()
    peer.heard()
    peer.say_bytes(
        frame("attach", name="link", handle=1, role=False, initial_delivery_count=0, source=source("q"))
        + frame("detach", handle=0, closed=True)
    )
    link.close()
    other = next(one for one in peer.session.links() if one is not link)
    other.open()
    assert named(peer) == [("detach", 0), ("attach", 0)]
    assert peer.session.remote_condition is None


def test_a_detach_that_is_answered_by_a_close_is_closed():
    peer = Peer.client()
    link = peer.receiver()
    link.detach()
    assert named(peer) == [("detach", 0)]
    peer.say("detach", handle=0, closed=True)
    attach, detach = [one for one in peer.heard() if one.name in ("attach", "detach")]
    assert (attach.name, attach.fields["name"], detach.name, detach.closed) == ("attach", "link", "detach", True)
    peer.events()
    peer.attach(role=False).transfer(b"in flight", handle=0).say("detach", handle=0, closed=True)
    assert list(peer.session.links()) == [] and peer.heard() == []
    assert "pn_delivery" not in peer.event_names()


def test_what_the_peer_attaches_right_behind_its_close_is_answered_by_ours_and_nothing_else():
    """It took our detach for less than it was; what it sends over the new attachment was in flight."""
    peer = Peer.client()
    peer.receiver().detach()
    assert named(peer) == [("detach", 0)]
    peer.events()
    peer.say_bytes(
        frame("detach", handle=0, closed=True)
        + frame("attach", name="link", handle=0, role=False, initial_delivery_count=0, source=source("q"))
        + frame("transfer", payload=b"in flight", handle=0, delivery_id=0, delivery_tag=b"t")
    )
    attach, detach = peer.heard()
    assert (attach.name, detach.name, detach.closed, detach.error) == ("attach", "detach", True, None)
    assert "pn_delivery" not in peer.event_names()


def test_few_sessions_and_links_go_ahead_of_what_the_peer_takes():
    peer = Peer()
    peer.connection.open()
    sessions = [peer.connection.session() for _ in range(100)]
    for session in sessions:
        session.open()
    links = [sessions[0].sender("%d" % number) for number in range(300)]
    for link in links:
        link.target.address = "q"
        link.open()
    names = [one.name for one in peer.heard()]
    assert names.count("begin") == 4 and names.count("attach") == 16
    peer.hello(channel_max=63)
    assert [one.name for one in peer.heard()].count("begin") == 60
    refused = [event.session for event in peer.events() if event.type is Event.SESSION_REMOTE_CLOSE]
    assert refused == sessions[64:]
    assert "channel-max is 63" in refused[0].remote_condition.description
    peer.begin(remote_channel=0, handle_max=255)
    assert [one.name for one in peer.heard()].count("attach") == 240
    refused = [event.link for event in peer.events() if event.type is Event.LINK_REMOTE_CLOSE]
    assert refused == links[256:]
    assert "no handle is left" in refused[0].remote_condition.description


def test_a_large_attach_waits_for_the_peer_s_open():
    peer = Peer()
    peer.connection.open()
    session = peer.connection.session()
    session.open()
    links = [session.sender(name) for name in ("small", "large", "huge")]
    for link, size in zip(links, (10, 700, 5000)):
        link.target.address = "q" * size
        link.open()
    assert [one.fields["name"] for one in peer.heard() if one.name == "attach"] == ["small"]
    peer.hello(max_frame_size=2000)
    assert [one.fields["name"] for one in peer.heard() if one.name == "attach"] == ["large"]
    assert links[2].remote_condition.name == "amqp:frame-size-too-small"
    links[2].close()
    assert peer.heard() == []


@pytest.mark.parametrize("behind", ["", "credit", "detach", "both"])
@pytest.mark.parametrize("receives", [True, False])
def test_an_attach_that_cannot_be_answered_is_refused(receives, behind):
    peer = Peer.server(max_frame_size=512)
    peer.attach("link", role=receives, source=source("q" * 600), target=target("q" * 600))
    link = peer.session.connection.link_head(0)
    link.source.copy(link.remote_source)
    link.target.copy(link.remote_target)
    link.open()
    link.flow(5) if link.is_receiver else link.transmit(b"x")
    if behind in ("credit", "both") and receives:
        peer.transport.receive(
            frame("flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9, handle=0,
                  delivery_count=0, link_credit=5, drain=True)
        )  # fmt: skip
    if behind in ("detach", "both"):
        peer.transport.receive(frame("detach", handle=0, closed=True))
        link.close()
    attach, detach = [one for one in peer.heard() if one.name in ("attach", "detach")]
    assert attach.source is attach.target is None and detach.error == "amqp:frame-size-too-small"
    assert attach.fields.get("initial-delivery-count") == (0 if receives else None)
    assert set(attach.fields) <= {"name", "handle", "role", "initial-delivery-count"} and attach.role is not receives
    told = [event.link for event in peer.events() if event.type in (Event.LINK_REMOTE_CLOSE, Event.LINK_REMOTE_DETACH)]
    assert told == [link], "the application hears of the end once"
    assert peer.session.state & peer.session.REMOTE_ACTIVE and peer.session.remote_condition is None
    if "detach" not in (behind,) and behind != "both":
        peer.say("detach", handle=0, closed=True)
        link.close()
    assert list(peer.session.links()) == []


def test_a_full_session_ends_for_an_attach_with_more_behind_it():
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.hello().begin(handle_max=0)
    peer.session.open()
    for handle in (0, 1):
        peer.transport.receive(frame("attach", name="%d" % handle, handle=handle, role=True, source=source("q")))
    flow = {"next_incoming_id": 0, "incoming_window": 9, "next_outgoing_id": 0, "outgoing_window": 9}
    peer.transport.receive(frame("flow", handle=1, delivery_count=0, link_credit=5, **flow))
    for link in list(peer.session.links()):
        link.open()
        link.transmit(b"x")
    assert [one.error for one in peer.heard() if one.name == "end"] == ["amqp:resource-limit-exceeded"]


@pytest.mark.parametrize("fields", [{"snd_settle_mode": ubyte(3)}, {"rcv_settle_mode": ubyte(2)}])
def test_settle_modes_that_there_are_not(fields):
    peer = Peer.server()
    peer.attach(**fields)
    assert peer.heard_one("end").error == "amqp:invalid-field"
    assert list(peer.session.links()) == []


def test_a_delivery_of_a_link_that_is_not_open_yet_leaves_when_it_is():
    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.target.address = "q"
    sender.delivery("t")
    sender.stream(b"early")
    sender.advance()
    assert peer.heard() == []
    sender.open()
    peer.flush()
    peer.attach(role=True).flow(1)
    assert peer.heard()[-1].payload == b"early"


def test_the_handle_of_a_stolen_link_is_free_to_the_thief():
    """rhea never detaches the link whose name it has given to another, and takes its handle for the next but one."""
    peer = Peer.server()
    peer.attach("x", handle=0)
    first = next(peer.connection.links(0))
    first.open()
    peer.attach("x", handle=1)
    second = next(link for link in peer.connection.links(0) if link is not first)
    second.open()
    peer.heard()
    peer.events()
    peer.attach("x", handle=0)
    (detach,) = peer.heard()
    assert (detach.name, detach.handle, detach.error) == ("detach", 1, "amqp:link:stolen")
    assert [event.link for event in peer.events() if event.type is Event.LINK_REMOTE_CLOSE] == [second]
    third = next(link for link in peer.connection.links(0) if link not in (first, second))
    third.open()
    assert peer.heard_one("attach").handle == 0
    peer.attach("y", handle=0)
    assert peer.heard_one("end").error == "amqp:session:handle-in-use"


@pytest.mark.parametrize("count", [1, 8, 9, 30])
def test_links_are_found_by_their_names_however_many_there_are(count):
    session = Connection().session()
    left = [make("link %d" % number) for number in range(count) for make in (session.sender, session.receiver)]

    def assert_found():
        for number in range(count):
            name = "link %d" % number
            assert session.named(name) == [link for link in left if link.name == name]

    assert_found()
    while left:
        assert session.take_out(left[len(left) // 2])
        assert not session.take_out(left.pop(len(left) // 2))
        assert_found()
    left = [session.sender("link %d" % number) for number in range(count)]
    assert_found()
