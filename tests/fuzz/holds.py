"""What must hold of a transport and its connection, whatever has come in."""

from __future__ import annotations

from reactor import errors
from reactor.engine.endpoints.connection import Connection
from reactor.engine.wire.transport import Transport
from tests.support.frames import read

CONDITIONS = {value for name, value in vars(errors).items() if name.isupper() and str(value).startswith("amqp:")}


def check(transport: Transport, connection: Connection, output: bytes) -> None:
    """output: what was said since the last check; it is well-formed, and ends with a whole frame."""
    read(output)
    condition = transport.condition
    assert condition is None or condition.name in CONDITIONS, condition
    for session in connection.sessions(0):
        channel = session.channel
        if channel is not None:
            assert channel.incoming.unread_frames >= 0
            assert 0 <= channel.incoming.incoming_window <= 0xFFFFFFFF
            assert 0 <= channel.outgoing.next_outgoing_id <= 0xFFFFFFFF
    for link in connection.links(0):
        assert link.wire_credit >= (-link.overdraft if link.is_receiver else 0), link
        assert link.queued >= 0, link
        assert link.unsettled >= 0, link
        assert 0 <= link.delivery_count <= 0xFFFFFFFF
