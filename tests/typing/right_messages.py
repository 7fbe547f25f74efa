# pyright: strict
"""A right program: messages, their attributes, and values of AMQP's types."""

from typing import Optional, Union
from uuid import UUID, uuid4

from typing_extensions import assert_type

from reactor import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Data,
    Described,
    Message,
    Pairs,
    PropertyDict,
    SymbolList,
    byte,
    char,
    decimal32,
    float32,
    int32,
    symbol,
    timestamp,
    ubyte,
    ulong,
)

message = Message(
    "text",
    id=uuid4(),
    correlation_id="other",
    address="queue",
    subject="order",
    reply_to="answers",
    properties={"colour": "green", "weight": 2, "tags": None},
    annotations={symbol("x-opt-delay"): ulong(5)},
    instructions=AnnotationDict(hop=1),
    durable=True,
    priority=9,
    ttl=2.5,
    user_id="guest",
    content_type="text/plain",
    expiry_time=5,
    group_id="group",
    group_sequence=1,
)
assert_type(message.durable, bool)
assert_type(message.priority, int)
assert_type(message.ttl, float)
assert_type(message.id, Union[str, int, UUID, bytes, None])
assert_type(message.user_id, bytes)
assert_type(message.subject, Optional[str])
assert_type(message.content_type, Optional[symbol])
assert_type(message.inferred, bool)
assert_type(message.data_sections, list[bytes])
assert_type(message.encode(), bytes)
assert_type(Message.from_bytes(b""), Message)

print(message.body.upper(), message.properties)

message.durable = False
message.ttl = 5
message.id = 7
message.id = None
message.user_id = "somebody"
message.content_type = "application/json"
message.subject = None
message.properties = {"a": 1}
message.body = [1, 2.0, b"bytes", {"key": uuid4()}]
message.inferred = True
message.data_sections = [b"one", b"two"]

values = [ubyte(1), byte(-1), int32(5), timestamp(0), decimal32(1)]
assert_type(ulong(5), ulong)
assert_type(ubyte(5), ubyte)
assert_type(char("c"), char)
assert_type(symbol("name"), symbol)
assert_type(float32(1), float32)
array = Array(UNDESCRIBED, Data.INT, 1, 2, 3)
assert_type(len(array), int)
described = Described(symbol("filter"), "value")
pairs = Pairs([(1, "a"), (True, "b")])
for key, value in pairs:
    print(key, value)
names = SymbolList(["one", "two"])
names.append("three")
properties = PropertyDict(product="x", version=1)
properties["name"] = [1]
