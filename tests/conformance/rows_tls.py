"""Rows of TLS [5.2], with the interpreter's own as the peer."""

from __future__ import annotations

import ssl
from typing import Any

from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import AMQP, CLIENT, SASL, SERVER, TLS, Talk, frame
from tests.support.tls import file

ONLY_CLIENT, ONLY_SERVER = (CLIENT,), (SERVER,)


# -- 5.2 TLS ---------------------------------------------------------------------------------------------------


class TLSPeer:
    """The interpreter's TLS as the engine's peer, over bytes."""

    def __init__(self, talk: Talk, certificate: str = "server") -> None:
        self.talk = talk
        self.names: list[Any] = []
        self.taken = 0
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if talk.is_client:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file(certificate + ".pem"), file(certificate + ".key"))
            context.sni_callback = lambda _, name, __: self.names.append(name)
            self.layer = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
            talk.engine.tls("localhost", file("authority.pem"))
        else:
            context = ssl.create_default_context(cafile=file("authority.pem"))
            self.layer = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
            talk.engine.tls(certificate=file(certificate + ".pem"), key=file(certificate + ".key"))
        talk.engine.open()
        talk.turn()

    def shake(self) -> bool:
        """Let both talk until the handshake is over or has failed; returns whether it is over."""
        for _ in range(10):
            self.move()
            try:
                self.layer.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
            self.move()
            return True
        return False

    def move(self) -> None:
        """Carry what each has to say to the other."""
        self.talk.turn()
        self.incoming.write(bytes(self.talk.output[self.taken :]))
        self.taken = len(self.talk.output)
        self.talk.bytes(self.outgoing.read())
        self.incoming.write(bytes(self.talk.output[self.taken :]))
        self.taken = len(self.talk.output)

    def say(self, data: bytes) -> None:
        """Say something to the engine."""
        self.layer.write(data)
        self.move()

    def hear(self) -> bytes:
        """What the engine has said."""
        self.move()
        found = b""
        while True:
            try:
                piece = self.layer.read(65536)
            except ssl.SSLError:
                return found
            if not piece:
                return found
            found += piece


@row("5.2", MUST, "The client validates the server's certificate: its own authority, its own name", roles=ONLY_CLIENT)
def certificate(talk: Talk) -> None:
    peer = TLSPeer(talk)
    assert peer.shake()
    assert AMQP in peer.hear()


@row("5.2", MUST, "A server of another authority is refused, and told nothing", roles=ONLY_CLIENT)
def strange_certificate(talk: Talk) -> None:
    peer = TLSPeer(talk, "self-signed")
    peer.shake()
    assert AMQP not in peer.hear()
    assert talk.engine.has_ended and talk.happened("transport_error")


@row("5.2", MUST, "A server of another name is refused, and told nothing", roles=ONLY_CLIENT)
def certificate_of_another(talk: Talk) -> None:
    peer = TLSPeer(talk, "elsewhere")
    peer.shake()
    assert AMQP not in peer.hear()
    assert talk.engine.has_ended and talk.happened("transport_error")


@row("5.2", MUST, "A server whose certificate is too old is refused, and told nothing", roles=ONLY_CLIENT)
def expired_certificate(talk: Talk) -> None:
    peer = TLSPeer(talk, "expired")
    peer.shake()
    assert AMQP not in peer.hear()
    assert talk.engine.has_ended


@row("5.2", SHOULD, "The client names the server that it wants", roles=ONLY_CLIENT)
def server_name(talk: Talk) -> None:
    peer = TLSPeer(talk)
    peer.shake()
    assert peer.names == ["localhost"]


@row("5.2", IS, "Who is the client in TCP is the client in TLS")
def tls_roles(talk: Talk) -> None:
    peer = TLSPeer(talk)
    assert bool(talk.output) is talk.is_client  # the client has the first word
    assert peer.shake()


@row("5.2", IS, "In TLS AMQP goes as it would without")
def amqp_in_tls(talk: Talk) -> None:
    peer = TLSPeer(talk)
    assert peer.shake()
    peer.say(AMQP + frame("open", container_id="peer"))
    assert peer.hear().startswith(AMQP)
    assert talk.engine.connection.remote_container == "peer"


@row("5.2", MAY, "The end of TLS need not be waited for", TOLERANCE)
def one_sided_end(talk: Talk) -> None:
    peer = TLSPeer(talk)
    assert peer.shake()
    peer.say(AMQP + frame("open", container_id="peer") + frame("close"))
    peer.hear()
    try:
        peer.layer.unwrap()
    except ssl.SSLError:
        pass  # the engine's answer need not come
    peer.move()
    talk.hang_up()
    assert talk.happened("connection_remote_close") and talk.engine.has_ended


@row("5.2", IS, "A stream that ends without the end of TLS is a loss", POLICING)
def cut_off(talk: Talk) -> None:
    peer = TLSPeer(talk)
    assert peer.shake()
    peer.say(AMQP + frame("open", container_id="peer"))
    talk.hang_up()
    assert talk.happened("transport_error")


@row("5.2", MUST, "TLS's header is answered with one that is right, and the close, where that is not spoken", POLICING,
     ONLY_SERVER)
def tls_header(talk: Talk) -> None:
    talk.engine.open()
    talk.bytes(TLS)
    assert talk.headers() and talk.headers()[0] in (AMQP, SASL)
    assert not talk.all() and talk.engine.has_ended


@row("5.2.1", MAY, "A pure TLS is spoken, with no header before it", roles=ONLY_CLIENT)
def pure_tls(talk: Talk) -> None:
    TLSPeer(talk)
    assert talk.output[:2] == b"\x16\x03"


@row("5.2.1", MUST, "A server that speaks pure TLS takes nothing in the clear", POLICING, ONLY_SERVER)
def clear_text(talk: Talk) -> None:
    TLSPeer(talk)
    talk.bytes(AMQP + frame("open", container_id="peer"))
    assert not talk.happened("connection_remote_open")
    assert talk.engine.has_ended
