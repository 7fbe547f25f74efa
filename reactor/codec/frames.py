"""Frames: protocol headers, the frame header, and hand-tuned writers for the frames that are sent per message.

The engine enters. Transfer, disposition and flow are written here from prepared structures, because they are
written for every message; all other performatives go through `performatives`, driven by the specification's
own tables. It knows no state: the caller decides.
"""

from __future__ import annotations

from struct import Struct

from reactor.codec.definitions import DISPOSITION, FLOW, TRANSFER
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"

#: No peer may refuse a frame of this size [2.3.1].
MIN_MAX_FRAME_SIZE = 512

#: The most that a transfer frame has around its payload, a state and a format left aside: header 8, descriptor 3,
#: list 3, handle 5, delivery-id 5, tag 34, message-format 1, settled 1, more 1.
TRANSFER_OVERHEAD = 61

_HEADER = Struct(">IHH")  # as `read_header`
read_header = Struct(">IHH").unpack_from  #: size; form: data offset in words and type together; channel
#: The form of an AMQP frame without an extended header: its data offset of two words, and its type 0.
PLAIN_FORM = 0x0200
_UINT = Struct(">I")

_FLOW_FRAME = Struct(">IHH3sBBB" + "BI" * 8 + "BB")
_SESSION_FLOW_FRAME = Struct(">IHH3sBBB" + "BI" * 4)
_DISPOSITION_OF_ONE = Struct(">IHH3sBBBBBIBB").pack
_DISPOSITION_OF_MANY = Struct(">IHH3sBBBBBIBIB").pack
_FLOW_DESCRIPTOR = bytes((0x00, 0x53, FLOW))
_DISPOSITION_DESCRIPTOR = bytes((0x00, 0x53, DISPOSITION))
_TRANSFER_DESCRIPTOR = bytes((0x00, 0x53, TRANSFER))
_TRUE, _FALSE, _NULL = b"\x41", b"\x42", b"\x40"
_SHORT_STATE = 200  #: bytes of a state that fit, with all that is around it, into a list of less than 256


def write_frame(out: bytearray, channel: int, body: bytes, payload: bytes = b"") -> None:
    """Append an AMQP frame with the performative `body`."""
    out += _HEADER.pack(8 + len(body) + len(payload), PLAIN_FORM, channel)
    out += body
    out += payload


#: A frame with nothing in it, to show that one is alive [2.4.5].
EMPTY_FRAME = _HEADER.pack(8, PLAIN_FORM, 0)


def write_uint(value: int) -> bytes:
    """A uint in its shortest form [1.6.4]."""
    if value == 0:
        return b"\x43"
    if value < 256:
        return bytes((0x52, value))
    return b"\x70" + _UINT.pack(value)


def transfer_writer(
    channel: int, handle: int, tag_size: int, settled: bool
) -> tuple[Callable[..., bytes], bytes, bytes, bytes, int]:
    """The common part of all transfers of a link, prepared once per link.

    Returns (pack, head, tag_field, tail, size): a single-frame transfer is ``pack(size + len(payload), head, id,
    tag_field, tag, tail)`` and then the payload. The delivery-id has its wide form, so that the size is constant.
    """
    handle_field = write_uint(handle)
    tag_field = bytes((0xA0, tag_size))
    tail = b"\x43" + (_TRUE if settled else _FALSE)
    size = len(handle_field) + 5 + len(tag_field) + tag_size + len(tail)
    head = (
        Struct(">HH").pack(PLAIN_FORM, channel)
        + _TRANSFER_DESCRIPTOR
        + bytes((0xC0, size + 1, 5))
        + handle_field
        + b"\x70"
    )
    pack = Struct(">I%dsI2s%ds2s" % (len(head), tag_size)).pack
    return pack, head, tag_field, tail, 14 + size


def write_transfer(
    out: bytearray,
    channel: int,
    handle: int,
    payload: Any,
    delivery_id: Any = None,
    tag: Any = None,
    settled: bool = False,
    more: bool = False,
    state: bytes = _NULL,
    aborted: bool = False,
    resume: bool = False,
    message_format: int = 0,
) -> None:
    """Append any transfer frame [2.7.5]. Without `delivery_id` it continues a delivery, and has no tag."""
    first = delivery_id is not None
    parts = [
        write_uint(handle),
        write_uint(delivery_id) if first else _NULL,
        bytes((0xA0, len(tag))) + tag if first else _NULL,
        write_uint(message_format) if first else _NULL,
        _TRUE if settled else _FALSE,
        _TRUE if more else _NULL if aborted else _FALSE,
        _NULL,
        state,
        _TRUE if resume else _NULL,
        _TRUE if aborted else _NULL,
    ]
    while parts[-1] == _NULL:
        parts.pop()
    body = write_list(_TRANSFER_DESCRIPTOR, parts)
    out += _HEADER.pack(8 + len(body) + len(payload), PLAIN_FORM, channel)
    out += body
    out += payload


def write_disposition(
    out: bytearray, channel: int, receiver: bool, first: int, last: int, settled: bool, state: bytes
) -> None:
    """Append a disposition frame for the deliveries first..last [2.7.6]; `last` is left out when equal.

    The ids have their wide form, so that the size depends on the state alone.
    """
    size = len(state)
    role = 0x41 if receiver else 0x42
    settling = 0x41 if settled else 0x42
    if size > _SHORT_STATE:  # a large outcome
        ids = b"\x70" + _UINT.pack(first) + b"\x70" + _UINT.pack(last)
        body = write_list(_DISPOSITION_DESCRIPTOR, [bytes((role,)), ids[:5], ids[5:], bytes((settling,)), state])
        out += _HEADER.pack(8 + len(body), PLAIN_FORM, channel)
        out += body
    elif first == last:
        out += _DISPOSITION_OF_ONE(
            22 + size, PLAIN_FORM, channel, _DISPOSITION_DESCRIPTOR, 0xC0, 9 + size, 5,
            role, 0x70, first, 0x40, settling,
        )  # fmt: skip
        out += state
    else:
        out += _DISPOSITION_OF_MANY(
            26 + size, PLAIN_FORM, channel, _DISPOSITION_DESCRIPTOR, 0xC0, 13 + size, 5,
            role, 0x70, first, 0x70, last, settling,
        )  # fmt: skip
        out += state


def write_flow(
    out: bytearray,
    channel: int,
    next_incoming_id: int,
    incoming_window: int,
    next_outgoing_id: int,
    outgoing_window: int,
    handle: int,
    delivery_count: int,
    link_credit: int,
    available: int,
    drain: bool,
    echo: bool,
) -> None:
    """Append a flow frame about a link [2.7.4]."""
    out += _FLOW_FRAME.pack(
        56, PLAIN_FORM, channel, _FLOW_DESCRIPTOR, 0xC0, 43, 10,
        0x70, next_incoming_id, 0x70, incoming_window, 0x70, next_outgoing_id, 0x70, outgoing_window,
        0x70, handle, 0x70, delivery_count, 0x70, link_credit, 0x70, available,
        0x41 if drain else 0x42, 0x41 if echo else 0x42,
    )  # fmt: skip


def write_session_flow(
    out: bytearray,
    channel: int,
    next_incoming_id: int,
    incoming_window: int,
    next_outgoing_id: int,
    outgoing_window: int,
) -> None:
    """Append a flow frame about a session alone [2.7.4]."""
    out += _SESSION_FLOW_FRAME.pack(
        34, PLAIN_FORM, channel, _FLOW_DESCRIPTOR, 0xC0, 21, 4,
        0x70, next_incoming_id, 0x70, incoming_window, 0x70, next_outgoing_id, 0x70, outgoing_window,
    )  # fmt: skip


def write_list(descriptor: bytes, parts: list[bytes]) -> bytes:
    """A described list of encoded fields, in its shortest form."""
    fields = b"".join(parts)
    if len(fields) < 255:
        return descriptor + bytes((0xC0, len(fields) + 1, len(parts))) + fields
    return descriptor + b"\xd0" + _UINT.pack(len(fields) + 4) + _UINT.pack(len(parts)) + fields
