"""SSL: TLS on a transport as applications see it: the agreement, and the identity of the peer.

`transport.ssl()` makes it. The bytes pass through layer.py, the settings are in domain.py; here
are questions and their answers, under the names of the original.
"""

from __future__ import annotations

from reactor.engine.tls.domain import SSLDomain, SSLSessionDetails
from reactor.engine.tls.layer import TLSLayer
from reactor.errors import SSLException
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.shown import shown

if TYPE_CHECKING:
    import hashlib
    from typing import Optional

    from reactor.engine.interface import TLSCarrier
else:
    hashlib = Lazily("hashlib")


class SSL(TLSLayer):
    """TLS on one transport: the first one puts it in, and has to come before anything is said; later ones give the
    same object.

    transport: its transport. domain: the settings; None: those of a new SSLDomain of the transport's side.
    session_details: the name under which a client's session is kept, to be resumed. The first call decides both.

    SSLException for the domain of the other side, when it is too late, and for another domain or other details than
    those of the first one.
    """

    SHA1, SHA256, SHA512, MD5 = 0, 1, 2, 3
    CERT_COUNTRY_NAME, CERT_STATE_OR_PROVINCE, CERT_CITY_OR_LOCALITY = 0, 1, 2
    CERT_ORGANIZATION_NAME, CERT_ORGANIZATION_UNIT, CERT_COMMON_NAME = 3, 4, 5
    RESUME_UNKNOWN, RESUME_NEW, RESUME_REUSED = 0, 1, 2

    def __new__(
        cls,
        transport: TLSCarrier,
        domain: Optional[SSLDomain] = None,
        session_details: Optional[SSLSessionDetails] = None,
    ) -> SSL:
        if transport.tls is None:
            server = transport.mode == transport.SERVER
            mode = SSLDomain.MODE_SERVER if server else SSLDomain.MODE_CLIENT
            if domain is not None and domain.mode != mode:
                raise SSLException("the SSLDomain of a %s is of no use here" % ("client" if server else "server"))
            layer: SSL = object.__new__(cls)
            TLSLayer.__init__(layer, domain or SSLDomain(mode), server, session_details)
            transport.secure(layer)
            return layer
        layer = transport.tls
        if domain not in (None, layer.domain) or session_details not in (None, layer.details):
            raise SSLException("the transport has TLS already, with other settings, which cannot be changed")
        return layer

    def __init__(
        self,
        transport: TLSCarrier,
        domain: Optional[SSLDomain] = None,
        session_details: Optional[SSLSessionDetails] = None,
    ) -> None:
        """Done: it may be the object that was there before."""

    @staticmethod
    def present() -> bool:
        """Whether TLS can be had: always."""
        return True

    # -- the agreement -----------------------------------------------------------------------------------

    def cipher_name(self) -> Optional[str]:
        """How it is encrypted, as OpenSSL calls it; None before the handshake."""
        cipher = self.tls_object.cipher() if self.tls_object is not None and self.established else None
        return cipher and cipher[0]

    def protocol_name(self) -> Optional[str]:
        """The version, such as ``"TLSv1.3"``; None before the handshake."""
        return self.tls_object.version() if self.tls_object is not None and self.established else None

    def resume_status(self) -> int:
        """RESUME_REUSED: an earlier session goes on. RESUME_NEW: it does not. RESUME_UNKNOWN: before the
        handshake."""
        if self.tls_object is None or not self.established:
            return self.RESUME_UNKNOWN
        return self.RESUME_REUSED if self.tls_object.session_reused else self.RESUME_NEW

    # -- the identity of the peer ------------------------------------------------------------------------

    @property
    def remote_subject(self) -> Optional[str]:
        """The subject of the peer's certificate, such as ``"CN=alice,O=Example,C=CZ"``; None when it has shown
        none. Believe it only where the domain verifies."""
        return None if self.remote_certificate is None else self.remote_certificate.subject

    def get_cert_subject(self) -> Optional[str]:
        """`remote_subject`, under its other name."""
        return self.remote_subject

    def get_cert_subject_subfield(self, subfield_name: int) -> Optional[str]:
        """One part of the peer's subject, the first of its kind: CERT_COUNTRY_NAME and so on. None for one that is
        not there."""
        name = _SUBFIELDS.get(subfield_name)
        return None if self.remote_certificate is None or name is None else self.remote_certificate.first(name)

    def get_cert_common_name(self) -> Optional[str]:
        """CN of the peer's subject, or None."""
        return self.get_cert_subject_subfield(self.CERT_COMMON_NAME)

    def get_cert_organization(self) -> Optional[str]:
        """O of the peer's subject, or None."""
        return self.get_cert_subject_subfield(self.CERT_ORGANIZATION_NAME)

    def get_cert_organization_unit(self) -> Optional[str]:
        """OU of the peer's subject, or None."""
        return self.get_cert_subject_subfield(self.CERT_ORGANIZATION_UNIT)

    def get_cert_locality_or_city(self) -> Optional[str]:
        """L of the peer's subject, or None."""
        return self.get_cert_subject_subfield(self.CERT_CITY_OR_LOCALITY)

    def get_cert_state_or_province(self) -> Optional[str]:
        """ST of the peer's subject, or None."""
        return self.get_cert_subject_subfield(self.CERT_STATE_OR_PROVINCE)

    def get_cert_country(self) -> Optional[str]:
        """C of the peer's subject, or None."""
        return self.get_cert_subject_subfield(self.CERT_COUNTRY_NAME)

    def get_cert_fingerprint(self, fingerprint_length: int, digest_name: int) -> Optional[str]:
        """The hash of the peer's certificate, in hexadecimal digits.

        fingerprint_length: one more than it has digits, or more than that. digest_name: SHA1, SHA256, SHA512 or
        MD5. None when there is no certificate, or no such hash, or it is longer.
        """
        algorithm = _DIGESTS.get(digest_name)
        if self.remote_certificate is None or algorithm is None:
            return None
        # To distinguish certificates, not to trust them; and some systems have MD5 for such ends only.
        digest = hashlib.new(algorithm, self.remote_certificate.der, usedforsecurity=False).hexdigest()
        return digest if fingerprint_length > len(digest) else None

    def get_cert_fingerprint_sha1(self) -> Optional[str]:
        """The SHA-1 hash of the peer's certificate in hexadecimal digits, or None."""
        return self.get_cert_fingerprint(41, self.SHA1)

    def get_cert_fingerprint_sha256(self) -> Optional[str]:
        """The SHA-256 hash of the peer's certificate in hexadecimal digits, or None."""
        return self.get_cert_fingerprint(65, self.SHA256)

    def get_cert_fingerprint_sha512(self) -> Optional[str]:
        """The SHA-512 hash of the peer's certificate in hexadecimal digits, or None."""
        return self.get_cert_fingerprint(129, self.SHA512)

    def get_cert_fingerprint_md5(self) -> Optional[str]:
        """The MD5 hash of the peer's certificate in hexadecimal digits, or None."""
        return self.get_cert_fingerprint(33, self.MD5)

    def __repr__(self) -> str:
        if self.absent:
            return "<SSL, not used>"
        if not self.established:
            return "<SSL, not established>"
        return "<SSL %s with %s, peer %s>" % (
            self.protocol_name(),
            self.cipher_name(),
            "unknown" if self.remote_certificate is None else shown(self.remote_subject),
        )


_SUBFIELDS = {
    SSL.CERT_COUNTRY_NAME: "C",
    SSL.CERT_STATE_OR_PROVINCE: "ST",
    SSL.CERT_CITY_OR_LOCALITY: "L",
    SSL.CERT_ORGANIZATION_NAME: "O",
    SSL.CERT_ORGANIZATION_UNIT: "OU",
    SSL.CERT_COMMON_NAME: "CN",
}
_DIGESTS = {SSL.SHA1: "sha1", SSL.SHA256: "sha256", SSL.SHA512: "sha512", SSL.MD5: "md5"}
