"""The trace of frames shows no message to the node for tokens, in either direction, on whatever handle."""

from __future__ import annotations

from typing import Any

from handlers import MessagingHandler
from reactor.codec.message import Message
from reactor.simulation import World
from reactor.simulation.wiretap.frames import composite, make_frame
from reactor.tokens import Claims, Token
from reactor.tracing.recorder import Recorder
from reactor.tracing.text import TextTrace

SECRET = Message("secret-token").encode()


def attach(address: str, handle: int, channel: int = 1, name: str = "x") -> bytes:
    target = composite("target", address=address)
    return make_frame("attach", channel=channel, name=name, handle=handle, role=False, target=target)


def transfer(handle: int, channel: int = 1, payload: bytes = SECRET, **fields: Any) -> bytes:
    fields = {"handle": handle, "delivery_id": 0, "delivery_tag": b"1", **fields}
    return make_frame("transfer", channel=channel, payload=payload, **fields)


def refusal(performative: str, **fields: Any) -> bytes:
    error = composite("error", condition="amqp:unauthorized-access", description="who knows secret-token?")
    return make_frame(performative, channel=1, error=error, **fields)


def traced(*steps: tuple[str, bytes]) -> str:
    lines: list[str] = []
    trace = TextTrace(lines.append)
    for direction, data in steps:
        trace(direction, data)
    return "\n".join(lines)


def test_messages_to_the_node_are_not_shown() -> None:
    for direction in ("in", "out"):
        text = traced((direction, attach("$cbs", 3)), (direction, transfer(3)), (direction, transfer(3)))
        assert "secret" not in text and text.count("(%d) \"***" % len(SECRET)) == 2 and 'address="$cbs"' in text


def test_messages_over_a_link_with_the_name_of_those_for_tokens_are_not_shown() -> None:
    for direction in ("in", "out"):
        text = traced((direction, attach("tokens", 3, name="$cbs-1-requests")), (direction, transfer(3)))
        assert "secret" not in text and 'address="tokens"' in text


def test_tokens_for_a_node_of_another_name_are_in_no_recording() -> None:
    class Node(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.come: list[Any] = []

        def on_start(self, event: Any) -> None:
            event.container.listen("amqp://bus:5672")

        def on_link_opening(self, event: Any) -> None:
            event.link.source.copy(event.link.remote_source)
            event.link.target.copy(event.link.remote_target)

        def on_message(self, event: Any) -> None:
            self.come.append((event.link.remote_target.address, event.message.body))

    class Client(MessagingHandler):
        def on_start(self, event: Any) -> None:
            tokens = Claims(lambda *scopes: Token("secret-token", 2e10), node="tokens")
            connection = event.container.connect("amqp://bus:5672", tokens=tokens, allow_insecure_mechs=True)
            event.container.create_sender(connection, "jobs")

    node, recorder = Node(), Recorder(ring=None)
    with World(1, pieces=0) as world:
        world.start(node, name="bus")
        world.start(Client(), name="client", options={"observers": [recorder]})
        world.run_until(lambda: node.come)
    assert node.come == [("tokens", "secret-token")]
    raw = b"".join(record.raw for record in recorder.recording.records)
    assert b"tokens" in raw and b"put-token" not in raw and b"secret" not in raw


def test_other_messages_are_shown() -> None:
    start = ("out", attach("$cbs", 3))
    assert "secret" in traced(start, ("in", transfer(3))), "of the other direction"
    assert "secret" in traced(start, ("out", transfer(4))), "of another link"
    assert "secret" in traced(start, ("out", transfer(3, 2))), "of another session"
    assert "secret" in traced(start, ("out", attach("jobs", 3)), ("out", transfer(3))), "of a later link"


REFUSALS = [refusal("detach", handle=3), refusal("detach", handle=9), refusal("end"), refusal("close")]


def test_a_token_that_the_peer_quotes_in_a_reason_is_not_shown() -> None:
    for one, other in (("in", "out"), ("out", "in")):
        for quoting in REFUSALS:
            for direction in (one, other):
                text = traced((one, attach("$cbs", 3)), (one, transfer(3)), (direction, quoting))
                assert "secret" not in text and 'who knows ************?' in text


def test_nor_one_that_has_gone_in_several_frames() -> None:
    first, last = SECRET[:-9], SECRET[-9:]
    begun = [("out", attach("$cbs", 3)), ("out", transfer(3, payload=first, more=True))]
    steps = [*begun, ("out", transfer(3, payload=last))]
    assert "secret" not in traced(*steps, ("in", REFUSALS[0]))
    given_up = [*begun, ("out", transfer(3, payload=b"", aborted=True)), ("out", transfer(3))]
    assert "secret" not in traced(*given_up, ("in", REFUSALS[0]))


def test_what_is_no_token_is_shown_in_reasons() -> None:
    start = ("out", attach("$cbs", 3))
    assert "secret" in traced(start, ("in", REFUSALS[0]))
    for body in (None, b"secret-token", "token", 7, "secret" * 20000):
        message = ("out", transfer(3, payload=Message(body).encode()))
        assert "who knows secret-token?" in traced(start, message, ("in", REFUSALS[0]))
