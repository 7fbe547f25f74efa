"""Types of arguments that several commands share: addresses, sizes, limits; and settings made of several arguments.

A type takes the text of a command line and raises argparse.ArgumentTypeError for one that it cannot read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Optional

from handlers.broker.nodes.directory import is_unicode
from reactor import Limits, SSLDomain, Url

PLACE = "amqp://127.0.0.1:5672"
"""Where a broker listens without options."""

LONGEST_LABEL = 256


def url(text: str) -> str:
    """The address of a broker, as it was given."""
    try:
        Url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def size(text: str) -> int:
    """Bytes; K, M and G stand for the powers of 1024."""
    number, unit = text, 1
    if text[-1:].upper() in ("K", "M", "G"):
        number, unit = text[:-1], 1024 ** ("KMG".index(text[-1].upper()) + 1)
    try:
        read = int(number) * unit
    except ValueError:
        read = -1
    if read < 0:
        raise argparse.ArgumentTypeError(f"not a size: {text!r} (a number of bytes, or 64K, 256M, 1G)")
    return read


def label(text: str) -> str:
    """A text that each client is shown in the open of its connection, which has to fit the first frame [2.7.1]."""
    if not 0 < len(text) <= LONGEST_LABEL or not is_unicode(text):
        raise argparse.ArgumentTypeError(f"not a name: {text!a:.60} (1 to {LONGEST_LABEL} characters, in UTF-8)")
    return text


def limit(text: str) -> tuple[str, int]:
    """A name of Limits, and its value."""
    name, _, number = text.partition("=")
    if name not in Limits.__slots__:
        raise argparse.ArgumentTypeError(f"no limit {name!r}; there are {', '.join(Limits.__slots__)}")
    return name, size(number)


def tls(
    listen: Sequence[str], cert: Optional[str], key: Optional[str], ca: Optional[str], required: bool
) -> Optional[SSLDomain]:
    """The settings of TLS of a listener; None where no certificate is given. ValueError for options that do not go
    together, SSLException for a file that cannot be read.

    listen: where the broker does. cert, key: of the broker. ca: the authorities that sign certificates of clients.
    required: whether clients need one.
    """
    if cert is None:
        if key is not None or ca is not None or required:
            raise ValueError("--tls-key, --tls-ca and --tls-require-client-cert go with --tls-cert")
        for place in listen:
            if Url(place).uses_tls:
                raise ValueError(f"to listen at {place} takes a certificate: --tls-cert FILE, --tls-key FILE")
        return None
    if ca is not None and not required:
        raise ValueError("--tls-ca goes with --tls-require-client-cert: else no certificate is asked for")
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    domain.set_credentials(cert, key)
    if ca is not None:
        domain.set_trusted_ca_db(ca)
    if required:
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    return domain


def trusting(place: str, ca: Optional[str]) -> Optional[SSLDomain]:
    """The settings of TLS of a client that trusts the authorities in the file `ca`, or the certificate in it; None for
    those of the system. ValueError where `place`, the address of the broker, is one without TLS; SSLException for a
    file that cannot be read."""
    if ca is None:
        return None
    if not Url(place).uses_tls:
        raise ValueError(f"--tls-ca goes with a URL that begins with amqps://, not {Url(place).redacted}")
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(ca)
    return domain
