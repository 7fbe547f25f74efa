"""TLS for tests: the certificates of tests/data/tls, settings made of them, and a pair of engines that speak TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Optional

from reactor import SSLDomain
from tests.support.pair import Pair

DATA = Path(__file__).parents[1] / "data" / "tls"

#: The subject of client.pem, as it is written.
ALICE = "CN=alice,OU=Unit,O=amqp-reactor tests,L=Brno,ST=Moravia,C=CZ"

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


def file(name: str) -> str:
    """The path of a file of tests/data/tls."""
    return str(DATA / name)


def show(domain: SSLDomain, name: str) -> SSLDomain:
    """Give `domain` the certificate of that name, and its key."""
    domain.set_credentials(file(name + ".pem"), file(name + ".key"))
    return domain


def client_domain(
    certificate: Optional[str] = None, trust: str = "authority", verify: Optional[int] = None
) -> SSLDomain:
    """A client that trusts the authority of the tests, or another certificate."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(file(trust + ".pem"))
    if certificate is not None:
        show(domain, certificate)
    if verify is not None:
        domain.set_peer_authentication(verify)
    return domain


def server_domain(certificate: Optional[str] = "server", verify: bool = False, unsecured: bool = False) -> SSLDomain:
    """A server with that certificate, which demands one of its clients (`verify`), or lets some in without TLS."""
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    if certificate is not None:
        show(domain, certificate)
    if verify:
        domain.set_trusted_ca_db(file("authority.pem"))
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    if unsecured:
        domain.allow_unsecured_client()
    return domain


def tls_pair(
    client: Optional[SSLDomain] = None,
    server: Optional[SSLDomain] = None,
    piece: Optional[int] = None,
    host: Optional[str] = "localhost",
    details: Any = None,
) -> Pair:
    """Two engines with TLS between them; nothing is said yet."""
    pair = Pair(piece, bind=False)
    pair.client.transport.ssl(client or client_domain(), details).peer_hostname = host
    pair.server.transport.ssl(server or server_domain())
    pair.client.bind()
    pair.server.bind()
    return pair
