"""Why TLS failed, in words: the event, its probable cause, and the remedy.

TLS (layer.py) enters, with an error of OpenSSL. Nothing else is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from reactor.engine.headers import name_protocol
from reactor.errors import FRAMING_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS, RemoteProtocolError
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import ssl
else:
    ssl = Lazily("ssl")

_TRUST = "SSLDomain.set_trusted_ca_db() (tls.ca in connect.json)"
_SHOW = "SSLDomain.set_credentials() (tls.cert and tls.key in connect.json)"

# Faults of the peer's certificate, by OpenSSL's number; %s is its owner.
_CERTIFICATES = {
    9: "%s is not valid yet; is the clock of this machine right?",
    10: "%s has expired and has to be renewed; or is the clock of this machine wrong?",
    18: "%s is signed by itself alone; if it is to be trusted, give it to " + _TRUST,
    19: "%s is signed by an authority that is not known here; if it is to be trusted, give its certificate to "
    + _TRUST,
    23: "%s has been revoked",
    26: "%s is not meant for this use; its extendedKeyUsage says for which it is",
}
_CERTIFICATES[2] = _CERTIFICATES[20] = _CERTIFICATES[21] = _CERTIFICATES[19]
_OTHER_NAME = (
    "the server's certificate is not for the name %r; connect under a name that it is for, give that one by sni=, or, "
    "where any name will do, SSLDomain.set_peer_authentication(SSLDomain.VERIFY_PEER)"
)

# Alerts of the peer, by the end of OpenSSL's name for them: as a client hears it from its server, and a server from
# its client. The first that fits.
_ALERTS: tuple[tuple[Union[str, tuple[str, ...]], str, str], ...] = (
    (
        "CERTIFICATE_EXPIRED",
        "the server says that this client's certificate has expired",
        "the client says that this server's certificate has expired; it has to be renewed",
    ),
    (
        "UNKNOWN_CA",
        "the server does not know the authority that signed this client's certificate",
        "the client does not know the authority that signed this server's certificate; it has to be given to it",
    ),
    (
        "CERTIFICATE_REQUIRED",
        "the server demands a certificate of this client: " + _SHOW,
        "the client says that a certificate is missing",
    ),
    (
        "BAD_CERTIFICATE",
        "the server refuses this client's certificate",
        "the client refuses this server's certificate; most often because it is for another name than the one under "
        "which the client looks for it",
    ),
    (
        ("CERTIFICATE_UNKNOWN", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED", "ACCESS_DENIED", "DECRYPT_ERROR"),
        "the server refuses this client's certificate",
        "the client refuses this server's certificate",
    ),
)
_CERTIFICATE_ALERTS = len(_ALERTS)
_ALERTS += (
    (
        ("UNRECOGNIZED_NAME", "UNRECOGNISED_NAME"),
        "the server does not go by the name that it was asked for; give the right one by sni=",
        "the client does not accept the name of this server",
    ),
    (
        ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"),
        "no version of TLS in common: this side takes 1.2 and later",
        "no version of TLS in common: this side takes 1.2 and later",
    ),
    (
        ("HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "INSUFFICIENT_SECURITY"),
        "no way to encrypt in common; or the server has no certificate itself, or demands one of this client: " + _SHOW,
        "no way to encrypt in common; most often because this server has no certificate: " + _SHOW,
    ),
    (
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "the server has shown no certificate",
        "the client has shown no certificate, which this server demands",
    ),
    (
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG"),
        "what the server sends is not TLS",
        "what the client sends is not TLS",
    ),
)


def failed(text: str, condition: str = FRAMING_ERROR) -> RemoteProtocolError:
    """An error of TLS, in the form that the transport answers. The first words are the original's."""
    return RemoteProtocolError(condition, "SSL Failure: " + text)


def explain(error: Exception, server: bool, host: str) -> RemoteProtocolError:
    """An error of `ssl`, in words. server: this side is the server. host: the peer's name, where it is known.

    A certificate that is refused, on either side, is amqp:unauthorized-access as a wrong password is: to try
    again does not help. Everything else is amqp:connection:framing-error.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        whose = "the client's certificate" if server else "the certificate of %s" % (host or "the server")
        code = error.verify_code
        if code in (62, 64):
            text = _OTHER_NAME % host
        elif code in _CERTIFICATES:
            text = _CERTIFICATES[code] % whose
        else:
            text = "%s cannot be trusted: %s" % (whose, error.verify_message)
        return failed(text, UNAUTHORIZED_ACCESS)
    if not isinstance(error, ssl.SSLError):
        return failed(str(error))  # such as a name that cannot be asked for
    reason = error.reason or ""
    for number, (ends, client_hears, server_hears) in enumerate(_ALERTS):
        if reason.endswith(ends):
            condition = UNAUTHORIZED_ACCESS if number < _CERTIFICATE_ALERTS and "ALERT" in reason else FRAMING_ERROR
            return failed(server_hears if server else client_hears, condition)
    return failed(reason.replace("_", " ").lower() or "it broke off")


def explain_opening(opening: bytes, server: bool) -> RemoteProtocolError:
    """The first bytes of the peer, which are no TLS."""
    protocol = name_protocol(opening)
    if not server:
        what = "the server speaks %s without TLS" % protocol if protocol else "this is not TLS: %r" % opening[:8]
        hint = "; use amqp:// for it, or the port where it takes TLS (5671 for most)" if opening[:4] == b"AMQP" else ""
        return failed(what + hint)
    if opening[:4] == b"AMQP":
        text = "the client speaks %s without TLS, which this server insists on; it should use amqps://" % protocol
        return failed(text, POLICY_ERROR)
    return failed("the client speaks %s, not TLS" % protocol if protocol else "this is not TLS: %r" % opening[:8])


def explain_hangup(heard: bool, server: bool) -> str:
    """The peer hung up in the middle of the handshake. heard: after it had said something."""
    if server:
        return "SSL Failure: the client hung up during the TLS handshake" + (
            "; it may not trust this server's certificate" if heard else ""
        )
    if heard:
        return "SSL Failure: the server hung up during the TLS handshake; it may demand a certificate: " + _SHOW
    return "SSL Failure: the server hung up instead of beginning TLS; perhaps this port is without: try amqp://"
