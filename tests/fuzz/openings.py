"""What comes before any frame: how TLS begins, a connect.json, an address. Each is taken, or refused in its own way.

Handshakes are recorded ones: a real one is another one each time, and a case has to be the same one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

from reactor import SSLDomain, Url
from reactor.container.settings.config import parse_config
from reactor.engine.wire.transport import Transport
from reactor.errors import FRAMING_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS
from tests.fuzz import mutate
from tests.support.frames import AMQP, SASL
from tests.support.tls import DATA, client_domain, file, server_domain

CONFIG = """{
    // where to
    "scheme": "amqps", "host": "localhost", "port": 5671, "user": "kim", "password": "se\\"cr\\u00e9t",
    "sasl": {"enable": true, "enabled": true, "mechanisms": ["PLAIN", "ANONYMOUS"], "allow_insecure": false},
    "tls": {"cert": "%s", "key": "%s", "ca": "%s", "verify": true} /* the end */
}"""

URLS = (
    "amqp://localhost",
    "amqps://kim:se%20cret@broker.example:5671/jobs/a?b#c",
    "//user@[::1]:amqp/",
    "[fe80::1%25eth0]:5672",
    "127.0.0.1:0/q",
)


@cache
def handshakes() -> dict[str, tuple[bytes, ...]]:
    """What clients and servers said, by side."""
    said: dict[str, list[str]] = {}
    for line in (DATA / "openings.txt").read_text(encoding="ascii").splitlines():
        if "," in line and not line.startswith("#"):
            lines = said.setdefault(line, [])
        elif not line.startswith("#"):
            lines.append(line)
    return {
        side: tuple(bytes.fromhex("".join(lines)) for name, lines in said.items() if name.endswith(side))
        for side in ("client", "server")
    }


@cache
def domain(server: bool, unsecured: bool) -> SSLDomain:
    return server_domain(unsecured=unsecured) if server else client_domain()


def tls_case(dice: Random) -> int:
    """The peer's first words, mutated: they lead nowhere, and the transport says why."""
    server = dice.random() < 0.5
    unsecured = dice.random() < 0.2
    transport = Transport(Transport.SERVER if server else Transport.CLIENT)
    transport.ssl(domain(server, unsecured)).peer_hostname = "localhost"
    transport.pop(max(transport.pending(), 0))
    others = [*handshakes()["client"], *handshakes()["server"], AMQP, SASL]
    data = mutate.mutated(dice, dice.choice(handshakes()["client" if server else "server"]), others)
    if dice.random() < 0.1:
        data = mutate.garbage(dice)
    for piece in mutate.in_pieces(dice, data):
        transport.receive(piece)
        if transport.pending() > 0:
            transport.pop(transport.pending())
    assert not transport.authenticated and transport.frames_input == 0
    transport.close_tail()
    while transport.pending() > 0:
        transport.pop(transport.pending())
    assert transport.closed
    condition = transport.condition
    assert condition is not None and condition.name in (FRAMING_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS), condition
    return len(data)


def config_case(dice: Random) -> int:
    """A connect.json, mutated: settings, or a ValueError that tells the file and no secret."""
    names = tuple(file(name).replace("\\", "/") for name in ("client.pem", "client.key", "authority.pem"))
    text = (CONFIG % names).encode("utf-8")
    data = mutate.mutated(dice, text, [text, b"{}", b'"tls": null, ', b"/*", b"//"])
    try:
        config = parse_config(Path("connect.json"), data.decode("utf-8", "replace"))
    except ValueError as error:
        assert str(error).startswith("connect.json, line ") and "cr" + "\u00e9t" not in str(error)
    else:
        assert config.url.scheme in ("amqp", "amqps")
        assert str(config.password) not in repr(config) or not config.password
    return len(data)


def url_case(dice: Random) -> int:
    """An address, mutated: one that reads the same again once it is written, or a ValueError without its password."""
    data = mutate.mutated(dice, dice.choice(URLS).encode(), [one.encode() for one in URLS])
    try:
        url = Url(data.decode("utf-8", "replace"), defaults=False)
    except ValueError as error:
        assert "se%20cret@" not in str(error)
    else:
        url.password = url.password or None  # an empty one is not written
        assert Url(url.full, defaults=False) == url
        if url.password:
            assert repr(url) == repr(Url(url, defaults=False, password="another")), "it does not depend on the password"
    return len(data)
