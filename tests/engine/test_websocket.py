"""WebSocket below AMQP: the handshake, the frames of RFC 6455 in good order and in bad, and two engines through it."""

from __future__ import annotations

import random
from typing import Any, Optional

import pytest

from reactor import Message, SSLException, Transport
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED
from reactor.engine.http import LARGEST_HEAD, Refusal, find_end
from reactor.engine.websocket.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameParser,
    FramingTrouble,
    close_content,
    masked,
    read_close,
    write_frame,
)
from reactor.engine.websocket.handshake import (
    Opening,
    accept_of,
    read_answer,
    read_request,
    write_answer,
    write_refusal,
    write_request,
)
from reactor.engine.websocket.layer import WebSocketLayer
from tests.support.pair import PIECES, Pair
from tests.support.tls import client_domain, server_domain

KEY = bytes.fromhex("37fa213d")


def frame(opcode: int, content: bytes = b"", key: Optional[bytes] = None, final: bool = True) -> bytes:
    output = bytearray()
    write_frame(output, opcode, content, key)
    if not final:
        output[0] &= 0x7F
    return bytes(output)


# -- frames --------------------------------------------------------------------------------------------------


def test_the_examples_of_the_rfc() -> None:
    # [RFC 6455, 5.7]; the text frame there is a binary one here.
    assert frame(TEXT, b"Hello").hex() == "810548656c6c6f"
    assert frame(TEXT, b"Hello", KEY).hex() == "818537fa213d7f9f4d5158"
    assert frame(PING, b"Hello").hex() == "890548656c6c6f"
    assert frame(PONG, b"Hello", KEY).hex() == "8a8537fa213d7f9f4d5158"
    assert frame(BINARY, b"x" * 256)[:4].hex() == "827e0100"
    assert frame(BINARY, b"x" * 65536)[:10].hex() == "827f0000000000010000"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 127, 65535, 65536, 70001])
def test_what_is_written_is_read_whatever_the_pieces(size: int) -> None:
    content = random.Random(size).randbytes(size)
    for server, key in ((True, KEY), (False, None)):
        data = frame(BINARY, content, key) + frame(PING, b"?", key) + frame(BINARY, b"end", key)
        for piece in (len(data), 1 if size < 1000 else 4099, 7 if size < 1000 else 1001):
            parser, controls = FrameParser(server), []  # type: ignore[var-annotated]
            read = b"".join(
                parser.receive(data[start : start + piece], controls) for start in range(0, len(data), piece)
            )
            assert read == content + b"end" and controls == [(PING, b"?")]


def test_a_mask_may_begin_anywhere() -> None:
    content = bytes(range(23))
    whole = masked(content, KEY)
    for cut in range(len(content)):
        assert masked(content[:cut], KEY) + masked(content[cut:], KEY, cut) == whole
    assert masked(whole, KEY) == content


def test_a_message_in_fragments_with_a_control_frame_between() -> None:
    controls: list[Any] = []
    data = frame(BINARY, b"a", final=False) + frame(PING, b"!") + frame(CONTINUATION, b"b", final=False)
    data += frame(CONTINUATION, b"", final=False) + frame(CONTINUATION, b"c") + frame(BINARY, b"d")
    assert FrameParser(False).receive(data, controls) == b"abcd"
    assert controls == [(PING, b"!")]


def test_nothing_is_read_behind_a_close() -> None:
    controls: list[Any] = []
    data = frame(BINARY, b"last") + frame(CLOSE, close_content(1000, "bye")) + frame(BINARY, b"too late")
    assert FrameParser(False).receive(data, controls) == b"last"
    assert [read_close(content) for _, content in controls] == [(1000, "bye")]


#: As in the table of the Autobahn test suite: what a peer must not send, the code that answers it, and the reason.
BROKEN = [
    ("a reserved bit", bytes([0xC2, 0]), 1002, "reserved bits"),
    ("all reserved bits", bytes([0xF2, 0]), 1002, "reserved bits"),
    ("a text frame", frame(TEXT, b"Hello"), 1003, "a text frame"),
    *((f"the opcode {opcode}", bytes([0x80 | opcode, 0]), 1002, f"kind {opcode}") for opcode in (3, 4, 5, 6, 7)),
    *((f"the opcode {opcode}", bytes([0x80 | opcode, 0]), 1002, f"kind {opcode}") for opcode in range(11, 16)),
    ("a mask of a server", frame(BINARY, b"x", KEY), 1002, "a server's frame with a mask"),
    ("a ping in pieces", frame(PING, b"x", final=False), 1002, "in pieces"),
    ("a close in pieces", frame(CLOSE, b"", final=False), 1002, "in pieces"),
    ("a long ping", bytes([0x89, 126, 0, 126]) + b"x" * 126, 1002, "more than 125"),
    ("a continuation of nothing", frame(CONTINUATION, b"x"), 1002, "continuation of no message"),
    ("a message in a message", frame(BINARY, b"x", final=False) + frame(BINARY, b"y"), 1002, "within another"),
    ("a size of 5 in two bytes", bytes([0x82, 126, 0, 5]), 1002, "a size of 5"),
    ("a size of 5 in eight bytes", bytes([0x82, 127]) + bytes(7) + b"\x05", 1002, "a size of 5"),
    ("a size of 65535 in eight bytes", bytes([0x82, 127]) + bytes(6) + b"\xff\xff", 1002, "a size of 65535"),
    ("a size of 64 bits", bytes([0x82, 127]) + b"\xff" * 8, 1002, "in eight bytes"),
]


@pytest.mark.parametrize("data, code, text", [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("piece", [1, 1000])
def test_a_frame_that_must_not_be(data: bytes, code: int, text: str, piece: int) -> None:
    parser = FrameParser(False)
    with pytest.raises(FramingTrouble, match=text) as caught:
        for start in range(0, len(data), piece):
            parser.receive(data[start : start + piece], [])
    assert caught.value.code == code


def test_a_client_has_to_mask() -> None:
    with pytest.raises(FramingTrouble, match="without a mask"):
        FrameParser(True).receive(frame(BINARY, b"x"), [])


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_close_with_a_code_that_is_never_sent(code: int) -> None:
    with pytest.raises(FramingTrouble, match=f"the code {code}"):
        read_close(close_content(code))


def test_other_closes() -> None:
    assert read_close(b"") == (1000, "")
    assert read_close(close_content(4000, "x" * 200)) == (4000, "x" * 123)
    assert read_close(close_content(1001, "é" * 100))[1] == "é" * 61, "no character is cut in two"
    with pytest.raises(FramingTrouble, match="half a code"):
        read_close(b"\x03")
    with pytest.raises(FramingTrouble, match="no UTF-8") as caught:
        read_close(b"\x03\xe8\xff")
    assert caught.value.code == 1007


# -- the handshake -------------------------------------------------------------------------------------------

NONCE = b"the sample nonce"


def test_the_handshake_of_the_rfc() -> None:
    # [RFC 6455, 1.3]
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    request, key = write_request(Opening("server.example.com", "/chat"), NONCE)
    assert key == "dGhlIHNhbXBsZSBub25jZQ=="
    assert request.startswith(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n")
    assert b"\r\nSec-WebSocket-Protocol: amqp\r\n" in request and request.endswith(b"\r\n\r\n")
    assert find_end(request) == len(request)
    assert read_request(request, Opening()) == key
    read_answer(write_answer(key), Opening(), key)


def request(opening: Optional[Opening] = None, drop: str = "", **fields: Optional[str]) -> bytes:
    """A good request, with other fields, or without one."""
    text = write_request(opening or Opening("h", "/"), NONCE)[0].decode()
    lines = [line for line in text[:-4].split("\r\n") if not drop or not line.startswith(drop + ":")]
    for name, value in fields.items():
        name = name.replace("_", "-")
        lines = [line for line in lines if not line.startswith(name + ":")] + [f"{name}: {value}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


TAKEN = [
    request(Connection="keep-alive, Upgrade"),
    request(Upgrade="WebSocket"),
    request(Sec_WebSocket_Protocol="mqtt, amqp"),
    request(Sec_WebSocket_Extensions="permessage-deflate"),
    request(Opening("h", "/any?thing=1")),
    request().replace(b"Upgrade: websocket", b"UPGRADE:websocket\r\nX-Other: 1"),
    request(Origin="https://shop.example"),
]


@pytest.mark.parametrize("head", TAKEN)
def test_a_request_that_is_taken(head: bytes) -> None:
    assert read_request(head, Opening(origins=["https://shop.example"]))


REFUSED = [
    (b"GET / HTTP/1.1\r\n\r\n", 426, "here is AMQP 1.0 over WebSocket"),
    (request(drop="Upgrade"), 426, "version 13"),
    (request(Sec_WebSocket_Version="8"), 426, "version 13"),
    (request().replace(b"GET ", b"POST ", 1), 405, "by GET"),
    (b"GET /\r\n\r\n", 400, "no HTTP/1.1"),
    (request().replace(b"HTTP/1.1", b"HTTP/2", 1), 400, "no HTTP/1.1"),
    (request(drop="Sec-WebSocket-Protocol"), 400, "subprotocol"),
    (request(Sec_WebSocket_Protocol="mqtt"), 400, "subprotocol"),
    (request(drop="Sec-WebSocket-Key"), 400, "16 bytes"),
    (request(Sec_WebSocket_Key="c2hvcnQ="), 400, "16 bytes"),
    (request(Sec_WebSocket_Key="!!!!"), 400, "16 bytes"),
    (request(Opening("h", "/other")), 404, "nothing is at this path"),
    (request(Origin="https://evil.example"), 403, "https://evil.example"),
    (request(Origin="null"), 403, "null"),
    (request().replace(b"Host: h", b"no field"), 400, "a field of HTTP that is none"),
    (request().replace(b"Host: h", b"Host : h"), 400, "a field of HTTP that is none"),
]


@pytest.mark.parametrize("head, status, text", REFUSED)
def test_a_request_that_is_refused(head: bytes, status: int, text: str) -> None:
    with pytest.raises(Refusal, match=text) as caught:
        read_request(head, Opening(path="/", origins=["https://shop.example"]))
    assert caught.value.status == status
    answer = write_refusal(caught.value).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ") and "\r\nConnection: close\r\n" in answer
    assert answer.partition("\r\n\r\n")[2].endswith("\n")
    assert ("Sec-WebSocket-Version: 13" in answer) is (status == 426)


GOOD = write_answer(accept_of("x")).replace(accept_of(accept_of("x")).encode(), accept_of("x").encode())

ANSWERS = [
    (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", "answers 404 Not Found, and not 101: is '/here' the right path"),
    (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "answers 401 Unauthorized, and not 101"),
    (b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example\r\n\r\n", "sends us to 'https://elsewhere.example'"),
    (b"HTTP/1.1 200 OK\r\n\r\n", "answers 200 OK"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "not for WebSocket"),
    (GOOD.replace(accept_of("x").encode(), accept_of("y").encode()), "something between us has answered"),
    (GOOD.replace(b"Protocol: amqp", b"Protocol: mqtt"), "its subprotocol is 'mqtt', not amqp"),
    (GOOD.replace(b"Sec-WebSocket-Protocol: amqp\r\n", b""), "its subprotocol is none"),
    (GOOD.replace(b"Upgrade: w", b"Sec-WebSocket-Extensions: deflate\r\nUpgrade: w"), "extension"),
]


@pytest.mark.parametrize("head, text", ANSWERS)
def test_an_answer_that_is_refused(head: bytes, text: str) -> None:
    read_answer(GOOD, Opening("h", "/here"), "x")
    with pytest.raises(Refusal, match=text):
        read_answer(head, Opening("h", "/here"), "x")


def test_a_head_has_an_end() -> None:
    assert find_end(b"GET / HTTP/1.1\r\n" + b"x" * 100) == 0
    with pytest.raises(Refusal, match="not ended within 16384 bytes") as caught:
        find_end(b"x" * LARGEST_HEAD)
    assert b"431 Request Header Fields Too Large" in write_refusal(caught.value)


# -- two engines ---------------------------------------------------------------------------------------------


def pair(piece: Optional[int] = None, tls: bool = False) -> Pair:
    """Two engines with WebSocket between them, over TLS or not."""
    pair = Pair(piece, bind=False)
    client, server = pair.client.transport, pair.server.transport
    if tls:
        client.ssl(client_domain()).peer_hostname = "localhost"
        server.ssl(server_domain())
    client.layers.put_in_websocket(random.Random(1).randbytes, "localhost", "/")
    server.layers.put_in_websocket(random.Random(2).randbytes)
    pair.client.bind()
    pair.server.bind()
    return pair


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_messages_pass_and_both_sides_close(piece: Optional[int], tls: bool) -> None:
    ends = pair(piece, tls).open()
    assert ends.client.transport.encrypted is ends.server.transport.encrypted is tls
    sender, receiver = ends.way(True, credit=10)
    for size in (0, 1, 200, 70000):
        sender.send(Message(b"x" * size))
        ends.pump()
    assert receiver.queued == 4
    ends.client.connection.close()
    ends.pump()
    for side in (ends.client, ends.server):
        assert side.transport.closed and side.transport.condition is None
        assert side.connection.state & LOCAL_CLOSED and side.connection.state & REMOTE_CLOSED
    if not tls:
        assert ends.sent["client"].startswith(b"GET / HTTP/1.1\r\n")
        assert ends.sent["server"].startswith(b"HTTP/1.1 101 ")
        assert ends.sent["server"].endswith(frame(CLOSE, close_content(1000)))


@pytest.mark.parametrize("piece", PIECES)
def test_a_server_that_refuses(piece: Optional[int]) -> None:
    ends = Pair(piece, bind=False)
    ends.client.transport.layers.put_in_websocket(random.Random(1).randbytes, "localhost", "/other")
    ends.server.transport.layers.put_in_websocket(random.Random(2).randbytes, path="/amqp")
    ends.client.bind()
    ends.server.bind()
    ends.client.connection.open()
    ends.pump()
    assert "answers 404 Not Found, and not 101: is '/other' the right path?" in str(ends.client.transport.condition)
    assert "WebSocket: the handshake failed: nothing is at this path" in str(ends.server.transport.condition)
    assert ends.client.transport.closed and ends.server.transport.closed


def opened(server: bool) -> Any:
    """A layer with its handshake done, and nothing unsent."""
    layer = WebSocketLayer(server, random.Random(3).randbytes, "h", "/")
    output = bytearray()
    layer.seal(bytearray(), output, False)
    if server:
        layer.receive(request())
    else:
        key = bytes(output).partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        layer.receive(write_answer(key))
    layer.seal(bytearray(), bytearray(), False)
    assert layer.established and layer.trouble is None
    return layer


def said(layer: Any, last: bool = False, plain: bytes = b"") -> list[tuple[int, bytes]]:
    """The frames that it writes now."""
    output = bytearray()
    layer.seal(bytearray(plain), output, last)
    controls: list[tuple[int, bytes]] = []
    content = FrameParser(not layer.server).receive(bytes(output), controls)
    return ([(BINARY, content)] if content else []) + controls


def key_of(layer: Any) -> Optional[bytes]:
    return KEY if layer.server else None


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_a_ping_is_answered_and_a_pong_is_not(server: bool) -> None:
    layer = opened(server)
    many = b"".join(frame(PING, b"%d" % number, key_of(layer)) for number in range(1000))
    assert layer.receive(many + frame(PONG, b"?", key_of(layer))) == b""
    assert layer.has_to_say
    assert said(layer) == [(PONG, b"999")], "the last one is enough [5.5.3]"
    assert not layer.has_to_say and said(layer) == []


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_the_end_is_said_once(server: bool) -> None:
    layer = opened(server)
    assert said(layer, True, b"last words") == [(BINARY, b"last words"), (CLOSE, close_content(1000))]
    assert said(layer, True, b"too late") == []
    layer.receive(frame(CLOSE, close_content(1000), key_of(layer)))
    assert layer.ended and layer.trouble is None and said(layer, True) == []


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_a_close_of_the_peer_is_answered(server: bool) -> None:
    layer = opened(server)
    data = frame(BINARY, b"bye", key_of(layer)) + frame(CLOSE, close_content(1001, "restart"), key_of(layer))
    assert layer.receive(data) == b"bye"
    assert layer.ended and layer.trouble is None
    assert said(layer, True, b"too late") == [(CLOSE, close_content(1001))]
    assert layer.receive(frame(BINARY, b"x", key_of(layer))) == b""


def test_a_close_for_a_reason_is_an_error_that_names_it() -> None:
    layer = opened(False)
    layer.receive(frame(CLOSE, close_content(1008, "no credit card")))
    assert "closed it with code 1008: no credit card" in str(layer.trouble)


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_a_broken_frame_is_answered_with_its_code(server: bool) -> None:
    layer = opened(server)
    assert layer.receive(frame(BINARY, b"good", key_of(layer)) + bytes([0xF2, 0x80 if server else 0])) in (b"", b"good")
    assert "reserved bits" in str(layer.trouble)
    ((opcode, content),) = said(layer, True, b"never sent")
    assert opcode == CLOSE and read_close(content)[0] == 1002


OTHERS = [
    (True, b"AMQP\x00\x01\x00\x00", "it should use amqp://"),
    (True, b"AMQP\x03\x01\x00\x00", "it should use amqp://"),
    (True, b"\x16\x03\x01\x02\x00", "it should use amqpwss://"),
    (True, b"\x00\x00\x00\x00", "this is no HTTP"),
    (False, b"AMQP\x03\x01\x00\x00", "use amqp:// for it"),
    (False, b"\x15\x03\x01\x00\x02", "use amqpwss:// for it"),
    (False, b"\xff\x00", "this is no HTTP"),
]


@pytest.mark.parametrize("server, data, text", OTHERS)
def test_another_protocol_is_named(server: bool, data: bytes, text: str) -> None:
    layer = WebSocketLayer(server, random.Random(3).randbytes, "h", "/")
    layer.seal(bytearray(), bytearray(), False)
    for start in range(len(data)):
        layer.receive(data[start : start + 1])
    assert text in str(layer.trouble)
    output = bytearray()
    layer.seal(bytearray(b"AMQP"), output, True)
    assert output.startswith(b"HTTP/1.1 400 Bad Request\r\n") is server
    assert server or not output


def test_a_peer_that_hangs_up_in_the_handshake() -> None:
    for server, who in ((True, "client"), (False, "server")):
        layer = WebSocketLayer(server, random.Random(3).randbytes, "h", "/")
        assert layer.hung_up() == f"WebSocket: the {who} hung up during the handshake"
    assert opened(True).hung_up() == ""


def test_tls_goes_below_it() -> None:
    transport = Transport(Transport.CLIENT)
    transport.layers.put_in_websocket(random.Random(3).randbytes, "h", "/")
    with pytest.raises(SSLException, match="TLS goes below it"):
        transport.ssl()


def test_random_bytes_do_no_harm() -> None:
    dice = random.Random(7)
    for number in range(3000):
        server = bool(number % 2)
        layer = opened(server) if number % 3 else WebSocketLayer(server, dice.randbytes, "h", "/")
        data = bytearray(
            frame(dice.choice([BINARY, PING, CLOSE]), dice.randbytes(dice.randrange(200)), KEY if server else None)
            if number % 3
            else (request() if server else GOOD)
        )
        for _ in range(dice.randrange(4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        layer.receive(bytes(data))
        output = bytearray()
        layer.seal(bytearray(b"content"), output, bool(dice.randrange(2)))
        assert layer.trouble is None or layer.receive(b"more") == b""
