"""Rows of security layers [5.1] and SASL [5.3], frame by frame."""

from __future__ import annotations

from typing import Any

from reactor.codec.types import UNDESCRIBED, Array, Data, symbol, ubyte
from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import AMQP, CLIENT, SASL, SERVER, Frame, Talk, frame, raw
from tests.support.frames import performative

ONLY_CLIENT, ONLY_SERVER = (CLIENT,), (SERVER,)
OK, AUTH, SYS, PERM, TEMP = range(5)


def sasl(name: str, /, **fields: Any) -> bytes:
    """A SASL frame."""
    return raw(performative(name, **fields), kind=1)


def mechanisms(*names: str) -> bytes:
    """A server's offer."""
    return sasl("sasl-mechanisms", sasl_server_mechanisms=Array(UNDESCRIBED, Data.SYMBOL, *map(symbol, names)))


def outcome(code: int) -> bytes:
    """A server's last word."""
    return sasl("sasl-outcome", code=ubyte(code))


def client(talk: Talk, names: str = "ANONYMOUS", **options: Any) -> Talk:
    """The engine is a client that does SASL."""
    talk.engine.sasl(names, host="broker.example", **options)
    talk.engine.open(hostname="broker.example")
    talk.turn()
    return talk


def server(talk: Talk, names: str = "ANONYMOUS", required: bool = True) -> Talk:
    """The engine is a server that asks for SASL."""
    talk.engine.sasl(names, required=required)
    talk.engine.open()
    talk.turn()
    return talk


def named(talk: Talk, name: str) -> list[Frame]:
    """The SASL frames of that name so far."""
    return talk.all(name)


# -- 5.1 -------------------------------------------------------------------------------------------------------


@row("5.1", MUST, "A layer that fails ends the outgoing stream", roles=ONLY_CLIENT)
def failed_layer(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS") + outcome(AUTH))
    assert talk.engine.has_ended


@row("5.1", MUST, "A peer that is not let in gets no AMQP", roles=ONLY_SERVER)
def nothing_behind_a_failure(talk: Talk) -> None:
    server(talk).bytes(SASL + sasl("sasl-init", mechanism=symbol("NONE-SUCH")))
    talk.bytes(AMQP + frame("open", container_id="peer"))
    assert not talk.all("open") and not talk.happened("connection_remote_open")
    assert talk.engine.has_ended


# -- 5.3 SASL: header ------------------------------------------------------------------------------------------


@row("5.3", MUST, "SASL begins with its header: AMQP, protocol id 3, version 1.0.0", roles=ONLY_CLIENT)
def client_header(talk: Talk) -> None:
    client(talk)
    assert bytes(talk.output[:8]) == b"AMQP\x03\x01\x00\x00"


@row("5.3", MUST, "The client's SASL header is answered with the same", roles=ONLY_SERVER)
def server_header(talk: Talk) -> None:
    server(talk).bytes(SASL)
    assert talk.headers() == [SASL]


@row("5.3", MUST, "A server that asks for SASL answers AMQP's header with SASL's, and closes", POLICING, ONLY_SERVER)
def amqp_where_sasl_is_asked_for(talk: Talk) -> None:
    server(talk).bytes(AMQP + frame("open", container_id="peer"))
    assert talk.headers() == [SASL] and talk.engine.has_ended
    assert not talk.happened("connection_remote_open")


@row("5.3", MUST, "A client that does SASL does not go on when AMQP's header comes instead", POLICING, ONLY_CLIENT)
def amqp_instead(talk: Talk) -> None:
    client(talk).bytes(AMQP + frame("open", container_id="peer"))
    assert talk.engine.has_ended and not talk.happened("connection_remote_open")


# -- 5.3.1 frames ----------------------------------------------------------------------------------------------


@row("5.3.1", IS, "A SASL frame has type 1")
def frame_type(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS")) if talk.is_client else server(talk).bytes(SASL)
    assert talk.parts()[1][5] == 1


@row("5.3.1", SHOULD, "Octets 6 and 7 are 0, and there is no extended header")
def frame_header(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS")) if talk.is_client else server(talk).bytes(SASL)
    part = talk.parts()[1]
    assert part[4] == 2 and part[6:8] == b"\x00\x00"


@row("5.3.1", IS, "Octets 6 and 7 of a peer's are passed over", TOLERANCE)
def channel_of_a_sasl_frame(talk: Talk) -> None:
    said = "sasl-mechanisms" if talk.is_client else "sasl-init"
    fields = {"sasl_server_mechanisms": symbol("ANONYMOUS")} if talk.is_client else {"mechanism": symbol("ANONYMOUS")}
    (client if talk.is_client else server)(talk).bytes(SASL + raw(performative(said, **fields), 513, 1))
    assert named(talk, "sasl-init" if talk.is_client else "sasl-outcome")


@row("5.3.1", IS, "So is an extended header", TOLERANCE)
def extended_header(talk: Talk) -> None:
    said = "sasl-mechanisms" if talk.is_client else "sasl-init"
    fields = {"sasl_server_mechanisms": symbol("ANONYMOUS")} if talk.is_client else {"mechanism": symbol("ANONYMOUS")}
    body = b"\xff" * 4 + performative(said, **fields)
    (client if talk.is_client else server)(talk).bytes(SASL + raw(body, 0, 1, 3))
    assert named(talk, "sasl-init" if talk.is_client else "sasl-outcome")


@row("5.3.1", MUST, "An empty frame cannot be gone on from", POLICING)
def empty_frame(talk: Talk) -> None:
    (client if talk.is_client else server)(talk).bytes(SASL + raw(kind=1))
    assert talk.engine.has_ended and talk.happened("transport_error")


@row("5.3.1", MUST, "A frame of AMQP has no place in SASL", POLICING)
def amqp_frame(talk: Talk) -> None:
    (client if talk.is_client else server)(talk).bytes(SASL + frame("open", container_id="peer"))
    assert talk.engine.has_ended and not talk.happened("connection_remote_open")


@row("5.3.1", MUST, "A body that is no SASL performative cannot be gone on from", POLICING)
def other_body(talk: Talk) -> None:
    (client if talk.is_client else server)(talk).bytes(SASL + raw(performative("open", container_id="peer"), kind=1))
    assert talk.engine.has_ended and not talk.happened("connection_remote_open")


@row("5.3.1", MUST, "No SASL frame is longer than 512 octets", roles=ONLY_CLIENT)
def short_frames(talk: Talk) -> None:
    client(talk, "PLAIN", user="u" * 400, password="p" * 400, insecure=True).bytes(SASL + mechanisms("PLAIN"))
    assert talk.headers() == [SASL]
    assert all(len(part) <= 512 for part in talk.parts())


@row("5.3.1", IS, "SASL frames may come octet by octet", TOLERANCE)
def in_pieces(talk: Talk) -> None:
    said = mechanisms("ANONYMOUS") if talk.is_client else sasl("sasl-init", mechanism=symbol("ANONYMOUS"))
    (client if talk.is_client else server)(talk)
    for octet in SASL + said:
        talk.bytes(bytes((octet,)))
    assert named(talk, "sasl-init" if talk.is_client else "sasl-outcome")


# -- 5.3.2 negotiation -----------------------------------------------------------------------------------------


@row("5.3.2", MUST, "The server announces its mechanisms", roles=ONLY_SERVER)
def announced(talk: Talk) -> None:
    server(talk).bytes(SASL)
    (said,) = named(talk, "sasl-mechanisms")
    offered = said.fields["sasl-server-mechanisms"]
    assert offered == "ANONYMOUS" or list(getattr(offered, "elements", offered)) == ["ANONYMOUS"]


@row("5.3.2", MUST, "The client waits for the mechanisms, or names one that it was not refused", roles=ONLY_CLIENT)
def client_waits(talk: Talk) -> None:
    client(talk).bytes(SASL)
    assert talk.headers() == [SASL]
    assert all(one.mechanism == "ANONYMOUS" for one in named(talk, "sasl-init"))


@row("5.3.2", MUST, "The client chooses one of them", roles=ONLY_CLIENT)
def one_of_them(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("X-ODD", "ANONYMOUS", "X-OTHER"))
    (said,) = named(talk, "sasl-init")
    assert said.mechanism == "ANONYMOUS"


@row("5.3.2", MUST, "Where it can do none of them it does not go on", roles=ONLY_CLIENT)
def none_of_them(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("X-ODD", "X-OTHER"))
    assert not named(talk, "sasl-init") and talk.engine.has_ended and talk.happened("transport_error")


@row("5.3.2", IS, "After an outcome of ok both begin AMQP with its header")
def amqp_follows(talk: Talk) -> None:
    if talk.is_client:
        client(talk).bytes(SASL + mechanisms("ANONYMOUS") + outcome(OK))
        talk.bytes(AMQP + frame("open", container_id="peer"))
    else:
        server(talk).bytes(SASL + sasl("sasl-init", mechanism=symbol("ANONYMOUS")))
        talk.bytes(AMQP + frame("open", container_id="peer"))
    assert talk.headers() == [SASL, AMQP] and talk.all("open")
    assert talk.engine.connection.remote_container == "peer"
    assert talk.engine.transport.authenticated


@row("5.3.2", IS, "A client may say all of it in one piece, before it has heard anything", TOLERANCE, ONLY_SERVER)
def pipelined(talk: Talk) -> None:
    server(talk).bytes(SASL + sasl("sasl-init", mechanism=symbol("ANONYMOUS")) + AMQP + frame("open", container_id="p"))
    assert talk.headers() == [SASL, AMQP] and talk.all("open")


@row("5.3.2", IS, "A server may say all of it in one piece", TOLERANCE, ONLY_CLIENT)
def pipelined_by_the_server(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS") + outcome(OK) + AMQP + frame("open", container_id="peer"))
    assert talk.engine.connection.remote_container == "peer"
    talk.lives()


# -- 5.3.3 performatives ---------------------------------------------------------------------------------------


@row("5.3.3.1", IS, "An offer of no mechanism is refused", POLICING, ONLY_CLIENT)
def empty_offer(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms())
    assert talk.engine.has_ended and not named(talk, "sasl-init")


@row("5.3.3.1", IS, "An offer that is null is refused", POLICING, ONLY_CLIENT)
def null_offer(talk: Talk) -> None:
    client(talk).bytes(SASL + raw(b"\x00\x53\x40\xc0\x02\x01\x40", kind=1))
    assert talk.engine.has_ended and not named(talk, "sasl-init")


@row("5.3.3.1", IS, "An offer of one may be a symbol by itself", TOLERANCE, ONLY_CLIENT)
def single_offer(talk: Talk) -> None:
    client(talk).bytes(SASL + sasl("sasl-mechanisms", sasl_server_mechanisms=symbol("ANONYMOUS")))
    assert named(talk, "sasl-init")


@row("5.3.3.2", IS, "The init names the mechanism and has what that needs at first", roles=ONLY_CLIENT)
def init(talk: Talk) -> None:
    client(talk, "PLAIN", user="ann", password="s3cret", insecure=True).bytes(SASL + mechanisms("PLAIN"))
    (said,) = named(talk, "sasl-init")
    assert said.mechanism == "PLAIN" and bytes(said.initial_response) == b"\x00ann\x00s3cret"


@row("5.3.3.2", IS, "It says the host that is wanted", roles=ONLY_CLIENT)
def init_hostname(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS"))
    (said,) = named(talk, "sasl-init")
    assert said.hostname == "broker.example"


@row("5.3.3.2", MUST, "A mechanism that was not offered lets nobody in, and the connection closes", POLICING,
     ONLY_SERVER)
def mechanism_not_offered(talk: Talk) -> None:
    server(talk).bytes(SASL + sasl("sasl-init", mechanism=symbol("PLAIN"), initial_response=b"\0a\0b"))
    assert all(one.code != OK for one in named(talk, "sasl-outcome"))
    assert talk.engine.has_ended and not talk.engine.transport.authenticated


@row("5.3.3.2", MUST, "The strongest of the mechanisms that both can do is chosen", roles=ONLY_CLIENT)
def strongest(talk: Talk) -> None:
    client(talk, "ANONYMOUS PLAIN", user="ann", password="s3cret", insecure=True)
    talk.bytes(SASL + mechanisms("ANONYMOUS", "PLAIN"))
    (said,) = named(talk, "sasl-init")
    assert said.mechanism == "PLAIN"


@row("5.3.3.2", MAY, "No password goes out in the clear unless that was allowed", roles=ONLY_CLIENT)
def no_password_in_the_clear(talk: Talk) -> None:
    client(talk, "PLAIN", user="ann", password="s3cret").bytes(SASL + mechanisms("PLAIN"))
    assert talk.headers() == [SASL]
    assert b"s3cret" not in talk.output


@row("5.3.3.2", IS, "An init before the offer was read is one", TOLERANCE, ONLY_SERVER)
def early_init(talk: Talk) -> None:
    server(talk).bytes(SASL + sasl("sasl-init", mechanism=symbol("ANONYMOUS"), initial_response=b"me"))
    (said,) = named(talk, "sasl-outcome")
    assert said.code == OK


@row("5.3.3.2", MUST, "An init without mechanism is refused", POLICING, ONLY_SERVER)
def init_without_mechanism(talk: Talk) -> None:
    server(talk).bytes(SASL + raw(b"\x00\x53\x41\xc0\x02\x01\x40", kind=1))
    assert talk.engine.has_ended and not talk.engine.transport.authenticated


@row("5.3.3.2", IS, "A second init is refused", POLICING, ONLY_SERVER)
def second_init(talk: Talk) -> None:
    said = sasl("sasl-init", mechanism=symbol("ANONYMOUS"))
    server(talk).bytes(SASL + said + said)
    assert talk.engine.has_ended and not talk.happened("connection_remote_open")


@row("5.3.3.3", IS, "A challenge that nobody asked for is refused", POLICING, ONLY_CLIENT)
def odd_challenge(talk: Talk) -> None:
    client(talk).bytes(SASL + sasl("sasl-challenge", challenge=b"x"))
    assert talk.engine.has_ended


@row("5.3.3.4", IS, "A response before an init is refused", POLICING, ONLY_SERVER)
def early_response(talk: Talk) -> None:
    server(talk).bytes(SASL + sasl("sasl-response", response=b"x"))
    assert talk.engine.has_ended and not talk.engine.transport.authenticated


@row("5.3.3.5", IS, "An outcome before the init is refused", POLICING, ONLY_CLIENT)
def early_outcome(talk: Talk) -> None:
    client(talk).bytes(SASL + outcome(OK))
    assert talk.engine.has_ended and not talk.engine.transport.authenticated


@row("5.3.3.5", IS, "An outcome without a code is refused", POLICING, ONLY_CLIENT)
def outcome_without_code(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS") + raw(b"\x00\x53\x44\xc0\x02\x01\x40", kind=1))
    assert talk.engine.has_ended and not talk.engine.transport.authenticated


@row("5.3.3.5", IS, "An outcome has its code, and additional data only where it is ok", roles=ONLY_SERVER)
def outcome_is_said(talk: Talk) -> None:
    server(talk).bytes(SASL + sasl("sasl-init", mechanism=symbol("ANONYMOUS")))
    (said,) = named(talk, "sasl-outcome")
    assert said.code == OK


def _code(code: int, name: str, text: str) -> None:
    def show(talk: Talk) -> None:
        client(talk).bytes(SASL + mechanisms("ANONYMOUS") + outcome(code) + AMQP + frame("open", container_id="peer"))
        assert talk.engine.transport.sasl().outcome == code
        assert talk.engine.has_ended and talk.happened("transport_error")
        assert not talk.engine.transport.authenticated and not talk.happened("connection_remote_open")

    show.__name__ = name
    row("5.3.3.6", IS, text, roles=ONLY_CLIENT)(show)


_code(AUTH, "code_auth", "Code 1, wrong credentials, reaches the application, and nobody goes on")
_code(SYS, "code_sys", "Code 2, a fault of the system, does the same")
_code(PERM, "code_sys_perm", "Code 3, a fault of the system that lasts, does the same")
_code(TEMP, "code_sys_temp", "Code 4, a fault of the system that passes, does the same")


@row("5.3.3.6", IS, "A code that there is none of lets nobody in", POLICING, ONLY_CLIENT)
def unknown_code(talk: Talk) -> None:
    client(talk).bytes(SASL + mechanisms("ANONYMOUS") + outcome(9))
    assert talk.engine.has_ended and not talk.engine.transport.authenticated
