"""SSLConfig: the TLS settings of a container, for its connections and for those that come in.

`container.ssl` is one. It is used where a call is not given an SSLDomain of its own.
"""

from __future__ import annotations

from reactor.engine.tls.domain import SSLDomain
from reactor.errors import SSLException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional


class SSLConfig:
    """client: the SSLDomain of connections that the container makes. server: that of connections that come in."""

    def __init__(self) -> None:
        self.client = SSLDomain(SSLDomain.MODE_CLIENT)
        self.server = SSLDomain(SSLDomain.MODE_SERVER)

    def set_credentials(self, cert_file: str, key_file: Optional[str] = None, password: Optional[str] = None) -> None:
        """Show this certificate in both directions; see SSLDomain."""
        self.client.set_credentials(cert_file, key_file, password)
        self.server.set_credentials(cert_file, key_file, password)

    def set_trusted_ca_db(self, certificate_db: str) -> None:
        """Trust these authorities in both directions; see SSLDomain. A server looks at certificates only after
        `server.set_peer_authentication(SSLDomain.VERIFY_PEER)`."""
        self.client.set_trusted_ca_db(certificate_db)
        self.server.set_trusted_ca_db(certificate_db)

    def of_client(self, domain: Optional[SSLDomain]) -> SSLDomain:
        """The settings of a connection for which `domain` was given. SSLException when they are a server's."""
        domain = self.client if domain is None else domain
        _check(domain)
        if domain.mode != SSLDomain.MODE_CLIENT:
            raise SSLException("to connect takes an SSLDomain(SSLDomain.MODE_CLIENT), not that of a server")
        return domain

    def of_server(self, domain: Optional[SSLDomain]) -> SSLDomain:
        """The settings of a listener for which `domain` was given. SSLException when they are a client's, or
        without a certificate, so that no client could be let in."""
        domain = self.server if domain is None else domain
        _check(domain)
        if domain.mode != SSLDomain.MODE_SERVER:
            raise SSLException("to listen takes an SSLDomain(SSLDomain.MODE_SERVER), not that of a client")
        if domain.certificate is None:
            raise SSLException("to listen with TLS takes a certificate: SSLDomain.set_credentials()")
        return domain


def _check(domain: Any) -> None:
    if not isinstance(domain, SSLDomain):
        raise TypeError("ssl_domain is an SSLDomain or None, not %r" % (domain,))
