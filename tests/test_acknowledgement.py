"""The acknowledgement contract: one test for each of its rows (reactor/ACKNOWLEDGEMENT.md), and for its options.

In all of them the server's handler is the one that receives, unless the name says that it is about a sender.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import pytest

from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    AtMostOnce,
    AutoAccept,
    Condition,
    DataException,
    LocalProtocolError,
    MaxUnsettled,
    Message,
    ModifiedDisposition,
    Prefetch,
    ReceivedDisposition,
    Reject,
    Release,
    Resend,
    symbol,
)
from reactor.errors import DECODE_ERROR, TIMED_OUT
from tests.support.stage import Stage, Witness

EMPTY = 0


class Scene:
    """A client that sends to a server whose handler does what the test is about.

    on_message: what the server's handler does with each message.
    """

    def __init__(
        self,
        on_message: Optional[Callable[[Any], None]] = None,
        send_options: Any = None,
        reconnect: bool = False,
        max_frame_size: Optional[int] = None,
        send_timeout: Optional[float] = None,
        **options: Any,
    ) -> None:
        self.stage = Stage(Witness(on_message=on_message, **options) if on_message else Witness(**options))
        self.server = self.stage.server
        self.client = Witness()
        container, self.connection = self.stage.connect(
            self.client, reconnect=reconnect, max_frame_size=max_frame_size
        )
        self.sender = container.create_sender(
            self.connection, "q", options=send_options, send_timeout=send_timeout
        )
        self.stage.run()

    def lose(self) -> None:
        """The wire breaks, and the client makes another."""
        times = self.client.count("on_connection_reconnected")
        self.stage.cut()
        self.stage.run(lambda: self.client.count("on_connection_reconnected") > times)
        self.stage.run()

    def send(self, *bodies: Any) -> list[Any]:
        """Send messages and let everything come of them; returns the sender's deliveries."""
        deliveries = [self.sender.send(Message(body)) for body in bodies or ("hello",)]
        self.stage.run()
        return deliveries

    @property
    def received(self) -> list[Any]:
        """The receiver's deliveries, in the order in which on_message was called."""
        return [event.delivery for event in self.server.events.get("on_message", [])]

    @property
    def receiver(self) -> Any:
        """The server's end of the link."""
        return self.server.last("on_link_opened").link


def outcome(delivery: Any) -> tuple[int, bool]:
    """What the sender has learned: the outcome, and whether the receiver has settled."""
    return delivery.remote_state, delivery.settled


# -- on_message returns, nothing said, auto_accept on: ACCEPTED and settled ------------------------------


def test_nothing_said_with_auto_accept_is_accepted_and_settled() -> None:
    scene = Scene()
    (sent,) = scene.send()
    assert outcome(sent) == (ACCEPTED, True)
    assert scene.receiver.unsettled == 0 and scene.sender.unsettled == 0
    assert scene.client.told[-3:] == ["on_delivery_updated", "on_accepted", "on_settled"]


# -- on_message returns after an explicit outcome: it stands and is settled --------------------------------


@pytest.mark.parametrize("state", [ACCEPTED, REJECTED, RELEASED, MODIFIED])
def test_updated_in_on_message_stands_and_is_settled(state: Any) -> None:
    scene = Scene(lambda event: event.delivery.update(state))
    (sent,) = scene.send()
    assert outcome(sent) == (state, True)
    assert scene.receiver.unsettled == 0


@pytest.mark.parametrize("auto_accept", [True, False])
@pytest.mark.parametrize(
    ("helper", "arguments", "state", "failed", "undeliverable"),
    [
        ("accept", {}, ACCEPTED, False, False),
        ("reject", {}, REJECTED, False, False),
        ("release", {}, MODIFIED, True, False),
        ("release", {"failed": False}, MODIFIED, False, False),
        ("release", {"undeliverable": True}, MODIFIED, True, True),
        ("release", {"delivered": False}, RELEASED, False, False),
    ],
)
def test_a_helper_called_in_on_message_stands_and_is_settled(
    auto_accept: bool, helper: str, arguments: Any, state: Any, failed: bool, undeliverable: bool
) -> None:
    scene = Scene(lambda event: act(event), auto_accept=auto_accept)

    def act(event: Any) -> None:
        getattr(scene.server, helper)(event.delivery, **arguments)

    (sent,) = scene.send()
    assert outcome(sent) == (state, True)
    assert (sent.remote.failed, sent.remote.undeliverable) == (failed, undeliverable)


def test_an_outcome_travels_with_what_it_says() -> None:
    def refuse(event: Any) -> None:
        event.delivery.local.condition = Condition("my:reason", "too blue", {symbol("hue"): 240})
        event.delivery.update(REJECTED)

    scene = Scene(refuse)
    (sent,) = scene.send()
    assert sent.remote.condition == Condition("my:reason", "too blue", {symbol("hue"): 240})
    scene = Scene(lambda event: event.delivery.update(ModifiedDisposition(True, True, {"why": "blue"})))
    (sent,) = scene.send()
    assert sent.remote.annotations == {symbol("why"): "blue"}


# -- auto_accept off, nothing said: unsettled until the application settles, from any later event --------


def test_nothing_said_without_auto_accept_stays_unsettled_until_settled_later() -> None:
    scene = Scene(auto_accept=False)
    (sent,) = scene.send()
    assert outcome(sent) == (EMPTY, False)
    assert scene.receiver.unsettled == 1

    class Later:
        def on_timer_task(self, event: Any) -> None:
            scene.server.accept(scene.received[0])

    scene.stage.host.schedule(60, Later())
    scene.stage.run(lambda: sent.settled)
    assert outcome(sent) == (ACCEPTED, True)
    assert scene.receiver.unsettled == 0


def test_updated_without_auto_accept_is_settled_by_the_sender_and_leaks_nowhere() -> None:
    scene = Scene(lambda event: event.delivery.update(ACCEPTED), auto_accept=False)
    (sent,) = scene.send()
    assert outcome(sent) == (ACCEPTED, False)
    assert scene.client.count("on_accepted") == 1
    assert scene.server.count("on_settled") == 1  # the sender had what it wanted to know, and said so
    assert scene.sender.unsettled == scene.receiver.unsettled == 0


# -- raise Reject / raise Release ------------------------------------------------------------------------


@pytest.mark.parametrize("auto_accept", [True, False])
@pytest.mark.parametrize(("error", "state", "failed"), [(Reject, REJECTED, False), (Release, MODIFIED, True)])
def test_raising_reject_or_release_is_an_outcome(
    auto_accept: bool, error: Any, state: Any, failed: bool
) -> None:
    def refuse(event: Any) -> None:
        raise error("not this one")

    scene = Scene(refuse, auto_accept=auto_accept)
    (sent,) = scene.send()
    assert outcome(sent) == (state, True)
    assert sent.remote.failed is failed
    assert scene.receiver.unsettled == 0


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ((), None),
        (("no such order",), Condition("amqp-reactor:rejected", "no such order")),
        (("no such order", 5), Condition("amqp-reactor:rejected", "('no such order', 5)")),
        ((Condition("shop:no-order", "it is gone"),), Condition("shop:no-order", "it is gone")),
    ],
)
def test_what_reject_is_raised_with_is_told_to_the_sender(why: Any, told: Any) -> None:
    def refuse(event: Any) -> None:
        raise Reject(*why)

    scene = Scene(refuse)
    (sent,) = scene.send()
    assert outcome(sent) == (REJECTED, True)
    assert sent.remote.condition == told


def test_a_condition_that_was_set_comes_before_the_text_of_reject() -> None:
    def refuse(event: Any) -> None:
        event.delivery.local.condition = Condition("shop:no-order")
        raise Reject("in other words")

    (sent,) = Scene(refuse).send()
    assert sent.remote.condition == Condition("shop:no-order")


def test_a_reason_is_cut_to_what_the_sender_can_take() -> None:
    def refuse(event: Any) -> None:
        raise Reject("\u20ac" * 5000 + "\ud800")

    scene = Scene(refuse, max_frame_size=512)
    (sent,) = scene.send()
    assert outcome(sent) == (REJECTED, True)
    text = sent.remote.condition.description
    assert set(text) == {"\u20ac"} and 300 < len(text.encode()) < 512


@pytest.mark.parametrize("why", [Condition(5), Condition("a:b", "x" * 70_000)])  # type: ignore[arg-type]
def test_a_reject_that_cannot_be_written_is_an_exception_like_others(why: Condition) -> None:
    def refuse(event: Any) -> None:
        raise Reject(why)

    scene = Scene(refuse, max_frame_size=65536)
    sent = scene.sender.send(Message("x"))
    with pytest.raises(DataException):
        scene.stage.run()
    scene.stage.run()
    assert outcome(sent) == (MODIFIED, True) and sent.remote.failed


def test_an_outcome_that_was_given_stands_when_reject_is_raised() -> None:
    def accept_then_refuse(event: Any) -> None:
        scene.server.accept(event.delivery)
        raise Reject

    scene = Scene(accept_then_refuse)
    (sent,) = scene.send()
    assert outcome(sent) == (ACCEPTED, True)


# -- any other exception: MODIFIED with delivery-failed, settled; then it leaves run() --------------------


class Trouble(Exception):
    """What goes wrong in an application."""


def test_J7_another_exception_is_modified_failed_and_leaves_run() -> None:
    def fail(event: Any) -> None:
        if event.message.body == "bad":
            raise Trouble

    scene = Scene(fail)
    deliveries = [scene.sender.send(Message(body)) for body in ("good", "bad", "better")]
    with pytest.raises(Trouble):
        scene.stage.run()
    scene.stage.run()
    assert [outcome(sent) for sent in deliveries] == [(ACCEPTED, True), (MODIFIED, True), (ACCEPTED, True)]
    assert deliveries[1].remote.failed
    assert [event.message.body for event in scene.server.events["on_message"]] == ["good", "bad", "better"]


def test_what_the_exception_caused_is_written_before_it_leaves_run() -> None:
    def fail(event: Any) -> None:
        raise Trouble

    scene = Scene(fail)
    sent = scene.sender.send(Message("bad"))
    with pytest.raises(Trouble):
        scene.stage.run()
    scene.stage.stepper.containers.remove(scene.stage.host)  # the server never runs again
    scene.stage.run()
    assert outcome(sent) == (MODIFIED, True)


# -- the body cannot be decoded --------------------------------------------------------------------------

UNDECODABLE = {
    "no section at all": b"\x01\x02\x03",
    "a section cut short": b"\x00\x53\x77\xb1\x00\x00\x00\x10abc",
    "a string that is no UTF-8": b"\x00\x53\x77\xa1\x02\xff\xfe",
    "a list that promises more than it has": b"\x00\x53\x77\xc0\x03\x05\x40\x40",
    "an unknown constructor in a map": b"\x00\x53\x77\xc1\x04\x02\x40\x1f\x00",
}


@pytest.mark.parametrize("payload", UNDECODABLE.values(), ids=UNDECODABLE.keys())
def test_a_body_that_cannot_be_decoded_is_rejected_and_the_loop_goes_on(payload: bytes) -> None:
    scene = Scene()
    bad = scene.sender.transmit(payload)
    (good,) = scene.send("good")
    assert outcome(bad) == (REJECTED, True)
    assert bad.remote.condition.name == DECODE_ERROR
    assert outcome(good) == (ACCEPTED, True)
    assert [event.message.body for event in scene.server.events["on_message"]] == ["good"]


def test_a_body_that_cannot_be_decoded_is_reported() -> None:
    scene = Scene()
    scene.sender.transmit(b"\x00\x53\x77\xa1\x02\xff\xfe")
    scene.stage.run()
    told = scene.server.last("on_decode_error")
    assert told.delivery.local.condition.name == DECODE_ERROR
    assert told.link is scene.receiver


def test_a_body_that_cannot_be_decoded_is_logged_where_nobody_asks(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    del scene.server.on_decode_error
    scene.sender.transmit(b"\x00\x53\x77\xa1\x02\xff\xfe")
    scene.stage.run()
    (record,) = [record for record in caplog.records if record.name == "handlers.incoming"]
    assert DECODE_ERROR in record.getMessage() and scene.sender.name in record.getMessage()


def test_another_section_that_cannot_be_decoded_is_found_when_it_is_touched() -> None:
    scene = Scene(lambda event: event.message.properties)
    # application-properties with a key that is no UTF-8, then a good body
    bad = scene.sender.transmit(b"\x00\x53\x74\xc1\x06\x02\xa1\x02\xff\xfe\x41\x00\x53\x77\xa1\x01x")
    scene.stage.run()
    assert outcome(bad) == (REJECTED, True)
    assert scene.server.count("on_decode_error") == 1


def test_a_fault_of_another_message_that_the_application_decodes_is_its_own() -> None:
    scene = Scene(lambda event: Message().decode(b"\x01\x02\x03"))
    sent = scene.sender.send(Message("good"))
    with pytest.raises(Exception, match="decode"):
        scene.stage.run()
    scene.stage.run()
    assert outcome(sent) == (MODIFIED, True)


# -- update after settle, with another outcome --------------------------------------------------------------


def test_R6_update_after_settle_with_another_outcome_raises_and_names_both() -> None:
    scene = Scene()
    (sent,) = scene.send()
    delivery = scene.received[0]
    with pytest.raises(LocalProtocolError, match=r"Delivery 1 .*ACCEPTED.*REJECTED"):
        delivery.update(REJECTED)
    delivery.update(ACCEPTED)
    delivery.settle()
    scene.stage.run()
    assert outcome(sent) == (ACCEPTED, True)


# -- connection lost before the acknowledgement -------------------------------------------------------------


def test_J3_acknowledging_after_the_connection_is_lost_does_nothing() -> None:
    scene = Scene(auto_accept=False)
    scene.send()
    scene.stage.cut()
    scene.stage.run()
    assert scene.server.count("on_disconnected") == 1
    delivery = scene.received[0]
    delivery.update(ACCEPTED)
    delivery.settle()
    scene.server.reject(delivery)
    scene.stage.run()
    assert scene.receiver.unsettled == 0


def test_J3_acknowledging_over_another_wire_does_nothing_and_the_peer_delivers_again() -> None:
    sent: list[Any] = []

    def feed(event: Any) -> None:
        if not sent or sent[-1].fate:  # a broker's way: what was not settled when its link went comes again
            sent.append(event.sender.send(Message("job")))

    stage = Stage(Witness(on_sendable=feed))
    client = Witness(auto_accept=False)
    container, connection = stage.connect(client, reconnect=True)
    receiver = container.create_receiver(connection, "q")
    stage.run()
    stage.cut()
    stage.run(lambda: client.count("on_message") == 2)
    old, new = (event.delivery for event in client.events["on_message"])
    client.accept(old)
    old.update(ACCEPTED)
    stage.run()
    assert outcome(sent[1]) == (EMPTY, False) and receiver.unsettled == 1
    client.reject(new)
    stage.run()
    assert outcome(sent[1]) == (REJECTED, True)


# -- connection lost before the outcome of a send ---------------------------------------------------------


def test_a_send_whose_connection_comes_back_is_in_doubt_all_the_same() -> None:
    scene = Scene(auto_accept=False, reconnect=True)
    (sent,) = scene.send("one")
    scene.lose()
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == [sent]
    assert sent.doubt is not None and sent.has_left
    assert len(scene.received) == 1, "it was not sent again"


def test_J2_Q13_a_send_whose_sender_sends_again_has_one_outcome() -> None:
    scene = Scene(auto_accept=False, reconnect=True, send_options=Resend())
    first, second = scene.send("one", "two")
    scene.server.accept(scene.received[0])
    scene.stage.run()
    scene.lose()
    scene.lose()
    assert [event.message.body for event in scene.server.events["on_message"]] == ["one", "two", "two", "two"]
    scene.server.accept(scene.received[-1])
    scene.stage.run()
    accepted = [event.delivery for event in scene.client.events["on_accepted"]]
    assert accepted == [first, second] and accepted[1] is second
    assert scene.client.count("on_in_doubt") == 0
    assert scene.sender.unsettled == 0


def test_a_send_that_never_left_is_sent_when_the_connection_is_back() -> None:
    scene = Scene(prefetch=0, reconnect=True)
    (sent,) = scene.send("one")
    scene.lose()
    scene.server.last("on_link_opened").link.flow(1)
    scene.stage.run()
    assert outcome(sent) == (ACCEPTED, True)
    assert scene.client.count("on_in_doubt") == 0


def test_a_send_whose_connection_does_not_come_back_is_in_doubt() -> None:
    for policy in (None, Resend()):
        scene = Scene(auto_accept=False, reconnect=True, send_options=policy)
        (sent,) = scene.send("one")
        scene.stage.leave()
        scene.stage.run()
        scene.connection.close()
        scene.stage.run()
        assert [event.delivery for event in scene.client.events["on_in_doubt"]] == [sent]


def test_a_send_without_an_outcome_in_time_is_in_doubt() -> None:
    scene = Scene(auto_accept=False, send_timeout=5)
    (sent,) = scene.send("one")
    scene.stage.run(lambda: scene.client.count("on_in_doubt"))
    assert sent.doubt.name == TIMED_OUT
    scene.server.accept(scene.received[0])
    scene.stage.run()
    assert scene.client.count("on_accepted") == scene.client.count("on_settled") == 0


def test_a_send_whose_connection_is_lost_is_in_doubt() -> None:
    scene = Scene(auto_accept=False)
    _, second = scene.send("one", "two")
    scene.server.accept(scene.received[0])
    scene.stage.run()
    scene.stage.cut()
    scene.stage.run()
    doubts = [event.delivery for event in scene.client.events["on_in_doubt"]]
    assert doubts == [second]
    assert doubts[0] is second
    assert scene.client.count("on_accepted") == 1
    assert scene.sender.unsettled == 0


def test_a_send_that_never_left_is_in_doubt_too() -> None:
    scene = Scene(prefetch=1, auto_accept=False)
    first, second = scene.send("one", "two")
    scene.stage.cut()
    scene.stage.run()
    assert {event.delivery for event in scene.client.events["on_in_doubt"]} == {first, second}


def test_a_send_whose_link_the_peer_ends_is_in_doubt() -> None:
    scene = Scene(auto_accept=False)
    (sent,) = scene.send()
    scene.receiver.close()
    scene.stage.run()
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == [sent]


def test_in_doubt_is_told_to_the_handler_of_the_link() -> None:
    scene = Scene(auto_accept=False)
    own = Witness()
    scene.sender.handler = own
    scene.send()
    scene.stage.cut()
    scene.stage.run()
    assert own.count("on_in_doubt") == 1
    assert scene.client.count("on_in_doubt") == 0


@pytest.mark.parametrize("end", ["lost", "closed here", "closed there", "session ended there"])
def test_a_send_after_the_end_is_refused_and_never_kept_for_ever(end: str) -> None:
    scene = Scene()
    theirs = scene.server.last("on_link_opened")
    if end == "lost":
        scene.stage.cut()
    elif end == "closed here":
        scene.connection.close()
    elif end == "closed there":
        theirs.connection.close()
    else:
        theirs.session.close()
    scene.stage.run()
    with pytest.raises(LocalProtocolError, match=r"ended|closed"):
        scene.sender.send(Message("x"))
    assert scene.sender.queued == scene.sender.unsettled == 0


def test_a_send_over_a_link_that_the_peer_has_just_closed_is_in_doubt() -> None:
    scene = Scene()
    sent: list[Any] = []
    scene.client.on_link_closing = lambda event: sent.append(scene.sender.send(Message("x")))
    scene.receiver.close()
    scene.stage.run()
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == sent
    assert scene.sender.unsettled == 0


def test_what_is_sent_while_the_connection_ends_is_in_doubt() -> None:
    scene = Scene()
    sent: list[Any] = []
    scene.client.on_connection_closing = lambda event: sent.append(scene.sender.send(Message("x")))
    scene.server.last("on_link_opened").connection.close()
    scene.stage.run()
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == sent


def test_what_is_sent_over_a_new_link_while_the_connection_ends_is_in_doubt() -> None:
    scene = Scene()
    sent: list[Any] = []

    def send(event: Any) -> None:
        late = event.container.create_sender(event.connection, "late")
        sent.append(late.send(Message("x")))

    scene.client.on_connection_closing = send
    scene.server.last("on_link_opened").connection.close()
    scene.stage.run()
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == sent


# -- the peer settles first ---------------------------------------------------------------------------------


def test_what_the_peer_settles_first_is_settled_here_too() -> None:
    scene = Scene(auto_accept=False)
    (sent,) = scene.send()
    sent.settle()
    scene.stage.run()
    assert scene.server.count("on_settled") == 1
    assert scene.received[0].settled
    assert scene.receiver.unsettled == 0
    assert list(scene.receiver.unsettled_deliveries) == []
    scene.server.accept(scene.received[0])  # too late to matter, and harmless
    scene.stage.run()
    assert sent.remote_state == EMPTY


def test_a_sender_without_auto_settle_settles_by_itself() -> None:
    stage = Stage()
    client = Witness(auto_settle=False)
    container, connection = stage.connect(client)
    sender = container.create_sender(connection, "q")
    stage.run()
    sent = sender.send(Message("x"))
    stage.run()
    assert client.told[-2:] == ["on_accepted", "on_settled"]
    sent.settle()
    assert sender.unsettled == 0


# -- pre-settled transfer ------------------------------------------------------------------------------------


def test_a_pre_settled_transfer_is_settled_on_arrival_and_cannot_be_refused() -> None:
    def try_to_refuse(event: Any) -> None:
        assert event.delivery.settled
        scene.server.accept(event.delivery)  # its sender has chosen that mode, and no consumer must fail for it
        with pytest.raises(LocalProtocolError):
            scene.server.reject(event.delivery)
        with pytest.raises(LocalProtocolError):
            scene.server.release(event.delivery)
        with pytest.raises(LocalProtocolError):
            event.delivery.update(REJECTED)

    scene = Scene(try_to_refuse, send_options=AtMostOnce())
    scene.send()
    assert scene.server.count("on_message") == 1
    assert scene.receiver.unsettled == 0 and scene.sender.unsettled == 0
    for name in ("on_accepted", "on_settled", "on_in_doubt"):
        assert scene.client.count(name) == 0


# -- message arrives on a link closed locally ----------------------------------------------------------------


@pytest.mark.parametrize("auto_accept", [True, False])
def test_P5_what_arrives_on_a_link_closed_locally_is_released_and_settled(auto_accept: bool) -> None:
    def close(event: Any) -> None:
        scene.server.accept(event.delivery)
        event.receiver.close()

    scene = Scene(close, auto_accept=auto_accept)
    deliveries = scene.send("one", "two", "three")
    assert scene.server.count("on_message") == 1
    assert [outcome(sent) for sent in deliveries] == [(ACCEPTED, True), (RELEASED, True), (RELEASED, True)]


def test_what_arrives_when_the_connection_is_closed_locally_is_not_dispatched() -> None:
    scene = Scene(lambda event: event.connection.close())
    first, second = scene.send("one", "two")
    assert scene.server.count("on_message") == 1
    assert outcome(first) == (ACCEPTED, True)
    assert second.remote_state in (EMPTY, RELEASED)


# -- the options of a receiver ---------------------------------------------------------------------------------


class Pull:
    """A client that receives from a server which sends `count` messages as soon as it may."""

    def __init__(self, count: int = 30, handler: Any = None, **options: Any) -> None:
        self.sent: list[Any] = []
        self.count = count
        self.stage = Stage(Witness(on_sendable=self.feed))
        self.client = Witness(on_message=handler) if handler else Witness(**options.pop("client", {}))
        container, connection = self.stage.connect(self.client)
        self.receiver = container.create_receiver(connection, "q", **options)
        self.stage.run()

    def feed(self, event: Any) -> None:
        while event.sender.credit > 0 and len(self.sent) < self.count:
            self.sent.append(event.sender.send(Message(len(self.sent))))


@pytest.mark.parametrize("way", [{"auto_accept": False}, {"options": AutoAccept(False)}])
def test_auto_accept_of_the_receiver_goes_before_the_handlers(way: Any) -> None:
    pull = Pull(3, **way)
    assert pull.client.count("on_message") == 3
    assert pull.receiver.unsettled == 3
    assert Pull(3, client={"auto_accept": False}).receiver.unsettled == 3
    assert Pull(3, client={"auto_accept": False}, auto_accept=True).receiver.unsettled == 0


@pytest.mark.parametrize("way", [{"prefetch": 4}, {"options": Prefetch(4)}])
def test_J10_prefetch_of_the_receiver_goes_before_the_handlers(way: Any) -> None:
    pull = Pull(0, **way)
    assert pull.receiver.credit == 4
    assert Pull(0).receiver.credit == 10
    assert Pull(0, client={"prefetch": 7}).receiver.credit == 7
    assert Pull(0, client={"prefetch": 7}, prefetch=0).receiver.credit == 0


def test_prefetch_bounds_what_is_on_its_way_and_not_what_is_unsettled() -> None:
    pull = Pull(30, prefetch=5, auto_accept=False)
    assert pull.client.count("on_message") == 30


@pytest.mark.parametrize("way", [{"max_unsettled": 8}, {"options": [Prefetch(10), MaxUnsettled(8)]}])
def test_R7_max_unsettled_bounds_credit_and_unsettled_deliveries(way: Any) -> None:
    pull = Pull(30, auto_accept=False, **way)
    assert len(pull.sent) == pull.client.count("on_message") == 8
    for event in pull.client.events["on_message"][:5]:
        pull.client.accept(event.delivery)
    pull.stage.run()
    assert len(pull.sent) == pull.client.count("on_message") == 13


def test_an_option_that_is_no_number_of_messages_is_refused_at_the_call() -> None:
    stage = Stage()
    container, connection = stage.connect()
    for options in ({"prefetch": -1}, {"max_unsettled": -1}, {"prefetch": "ten"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            container.create_receiver(connection, "q", **options)
    stage.run()
    assert stage.server.count("on_link_opening") == 0


def test_received_is_no_outcome_and_auto_accept_goes_on_from_there() -> None:
    scene = Scene(lambda event: event.delivery.update(ReceivedDisposition(0, 3)))
    (sent,) = scene.send()
    assert outcome(sent) == (ACCEPTED, True)
