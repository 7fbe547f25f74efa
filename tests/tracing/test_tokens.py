"""The trace of frames shows no message to the node for tokens, in either direction, on whatever handle."""

from __future__ import annotations

from reactor.codec.message import Message
from reactor.simulation.wiretap.frames import composite, make_frame
from reactor.tracing.text import TextTrace

SECRET = Message("secret-token").encode()


def attach(address: str, handle: int, channel: int = 1) -> bytes:
    target = composite("target", address=address)
    return make_frame("attach", channel=channel, name="x", handle=handle, role=False, target=target)


def transfer(handle: int, channel: int = 1) -> bytes:
    return make_frame("transfer", channel=channel, payload=SECRET, handle=handle, delivery_id=0, delivery_tag=b"1")


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


def test_other_messages_are_shown() -> None:
    start = ("out", attach("$cbs", 3))
    assert "secret" in traced(start, ("in", transfer(3))), "of the other direction"
    assert "secret" in traced(start, ("out", transfer(4))), "of another link"
    assert "secret" in traced(start, ("out", transfer(3, 2))), "of another session"
    assert "secret" in traced(start, ("out", attach("jobs", 3)), ("out", transfer(3))), "of a later link"
