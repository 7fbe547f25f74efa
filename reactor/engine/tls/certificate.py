"""Certificate: the fields of an X.509 certificate, read from its bytes.

Python's `ssl` takes a certificate apart only where it has verified it, and never our own. The subject of the
peer's is asked for in any case, and channel binding needs to know how a certificate was signed; so the few
fields of the outermost structure [RFC 5280, 4.1] are read here. OpenSSL has parsed the same bytes before: this
is a reader, not a judge. TLS enters; nothing else is known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

from reactor.lazily import Lazily
from reactor.shown import shown

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = Lazily("hashlib")

_OBJECT_ID, _VERSION, _PSS_HASH = 0x06, 0xA0, 0xA0

# The names of attributes as OpenSSL writes them, and with it the original.
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}

# The kinds of strings in a name, by tag.
_ENCODINGS = dict.fromkeys((18, 19, 20, 22), "latin-1")
_ENCODINGS.update({12: "utf-8", 28: "utf-32-be", 30: "utf-16-be"})

# How it was signed, or only hashed -> the hash of its bytes that stands for it [RFC 5929, 4.1]: that of the
# signature, but nothing weaker than SHA-256. A signature that goes with no single hash (Ed25519) has none.
_HASHES = {
    "1.2.840.113549.1.1.4": "sha256",  # RSA with MD5
    "1.2.840.113549.1.1.5": "sha256",  # RSA with SHA-1
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.10045.4.1": "sha256",  # ECDSA with SHA-1
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    "1.3.14.3.2.26": "sha256",  # SHA-1, in the parameters of RSA-PSS, where the others are, too
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.4": "sha224",
}
_PSS = "1.2.840.113549.1.1.10"


class Attribute(NamedTuple):
    """One attribute of a subject: its short name, such as CN (dotted numbers when it has none), and its value.

    value: text; the bytes of the element as they stand where it is of a kind that is no text.
    """

    name: str
    value: Union[str, bytes]


class Certificate:
    """A certificate in DER form. ValueError when the bytes are none.

    der: those bytes.
    parts: the subject, in order; each element holds the attributes that stand together, mostly one.
    """

    __slots__ = ("der", "parts", "_hash")

    def __init__(self, der: bytes) -> None:
        self.der = der
        try:
            signed, signature = list(_within(der, next(_elements(der, 0, len(der)))))[:2]
            fields = list(_within(der, signed))
            # version (missing in the oldest), serial number, signature, issuer, validity, subject
            subject = fields[5 if fields[0].tag == _VERSION else 4]
            self.parts = [[_attribute(der, one) for one in _within(der, part)] for part in _within(der, subject)]
            self._hash = _hash_of(der, signature)
        except (IndexError, StopIteration, ValueError):
            raise ValueError("these bytes are no certificate") from None

    @property
    def subject(self) -> str:
        """The whole subject as RFC 2253 writes it, the last part first: ``CN=alice,O=Example,C=CZ``; "" for none."""
        parts = ["+".join("%s=%s" % (name, _escape(value)) for name, value in reversed(part)) for part in self.parts]
        return ",".join(reversed(parts))

    def first(self, name: str) -> Optional[str]:
        """The first attribute of that name, such as ``"CN"``; None when there is none."""
        for part in self.parts:
            for attribute in part:
                if attribute.name == name and isinstance(attribute.value, str):
                    return attribute.value
        return None

    @property
    def end_point(self) -> Optional[bytes]:
        """The channel binding of this certificate, ``tls-server-end-point`` [RFC 5929]; None: it has none."""
        return hashlib.new(self._hash, self.der).digest() if self._hash else None

    def __repr__(self) -> str:
        return "<Certificate of %s>" % shown(self.subject or "nobody")


# -- DER [X.690] -----------------------------------------------------------------------------------------


class _Element(NamedTuple):
    """Where an element stands: its tag, its first byte, and its content."""

    tag: int
    head: int
    start: int
    stop: int


def _elements(data: bytes, pos: int, end: int) -> Iterator[_Element]:
    while pos < end:
        head, tag, size = pos, data[pos], data[pos + 1]
        pos += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(data[pos : pos + digits], "big")
            pos += digits
        if pos + size > end:
            raise ValueError
        yield _Element(tag, head, pos, pos + size)
        pos += size


def _within(data: bytes, element: _Element) -> Iterator[_Element]:
    return _elements(data, element.start, element.stop)


def _attribute(data: bytes, element: _Element) -> Attribute:
    name, value = list(_within(data, element))[:2]
    dotted = _object_id(data, name)
    short = _ATTRIBUTES.get(dotted)
    try:
        if short is not None and value.tag in _ENCODINGS:
            return Attribute(short, data[value.start : value.stop].decode(_ENCODINGS[value.tag]))
    except UnicodeDecodeError:
        pass  # then it stands for itself: two different subjects must not come to look alike
    return Attribute(short or dotted, data[value.head : value.stop])


def _object_id(data: bytes, element: _Element) -> str:
    if element.tag != _OBJECT_ID:
        raise ValueError
    numbers, number = [], 0
    for byte in data[element.start : element.stop]:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _hash_of(data: bytes, algorithm: _Element) -> Optional[str]:
    """The hash that goes with the algorithm of a signature."""
    name, *parameters = _within(data, algorithm)
    dotted = _object_id(data, name)
    if dotted != _PSS:
        return _HASHES.get(dotted)
    for parameter in _within(data, parameters[0]):
        if parameter.tag == _PSS_HASH:
            return _HASHES.get(_object_id(data, next(_within(data, next(_within(data, parameter))))))
    return "sha256"  # SHA-1, where nothing is said


def _escape(value: Union[str, bytes]) -> str:
    """A value as RFC 2253 writes it: UTF-8, and everything escaped that is not plain ASCII."""
    if isinstance(value, bytes):
        return "#" + value.hex().upper()
    written = ""
    last = len(value) - 1
    for place, sign in enumerate(value):
        if sign in ',+"<>;\\' or (sign in " #" and place == 0) or (sign == " " and place == last):
            written += "\\" + sign
        elif " " <= sign <= "~":
            written += sign
        else:
            written += "".join("\\%02X" % byte for byte in sign.encode("utf-8"))
    return written
