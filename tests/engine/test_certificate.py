"""Certificates: subjects as OpenSSL and the original write them, and bytes that are none."""

from __future__ import annotations

import hashlib
import random
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from reactor.engine.tls.certificate import Attribute, Certificate
from tests.support.tls import ALICE, DATA, file

#: Subjects that need care -> as RFC 2253 writes them. From a run of the original.
SUBJECTS = {
    "/CN=a,b\\+c\"d;e<f>g\\\\h #x": "CN=a\\,b\\+c\\\"d\\;e\\<f\\>g\\\\h #x",
    "/CN=čárka": "CN=\\C4\\8D\\C3\\A1rka",
    "/DC=com/DC=example/UID=u7/emailAddress=x@y.z/CN=m": "CN=m,emailAddress=x@y.z,UID=u7,DC=example,DC=com",
    "/C=CZ/CN=one+OU=two": "OU=two+CN=one,C=CZ",
    "/CN=#lead/O= space /OU=trail ": "OU=trail\\ ,O=\\ space\\ ,CN=\\#lead",
    "/CN=first/OU=o1/OU=o2/CN=second": "CN=second,OU=o2,OU=o1,CN=first",
    "/": "",
}

#: How it is signed -> the hash that stands for it.
SIGNATURES = {
    ("ec", "-sha256"): "sha256",
    ("ec", "-sha384"): "sha384",
    ("ec", "-sha512"): "sha512",
    ("rsa", "-sha224"): "sha224",
    ("rsa", "-sha256"): "sha256",
    ("rsa", "-sha512"): "sha512",
    ("rsa", "-sha384", "-sigopt", "rsa_padding_mode:pss"): "sha384",
    ("ed25519",): None,
}


def read(name: str) -> Certificate:
    return Certificate(ssl.PEM_cert_to_DER_cert(Path(file(name)).read_text(encoding="ascii")))


def make(tmp_path: Path, subject: str, key: tuple[str, ...] = ("ec",)) -> Certificate:
    """A certificate by the program of OpenSSL."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no program openssl")
    kind = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"], "ed25519": ["ed25519"]}
    command = [openssl, "req", "-x509", "-utf8", "-nodes", "-newkey", *kind[key[0]], *key[1:], "-subj", subject]
    out = tmp_path / "certificate.pem"
    if "+" in subject.replace("\\+", ""):
        command.append("-multivalue-rdn")
    result = subprocess.run([*command, "-keyout", str(tmp_path / "key"), "-out", str(out)], capture_output=True)
    if result.returncode:
        pytest.skip("this openssl cannot make it: %s" % result.stderr.decode(errors="replace"))
    return Certificate(ssl.PEM_cert_to_DER_cert(out.read_text(encoding="ascii")))


def test_a_subject_of_many_parts():
    certificate = read("client.pem")
    assert certificate.subject == ALICE
    assert certificate.parts[0] == [Attribute("C", "CZ")]
    assert certificate.first("CN") == "alice"
    assert certificate.first("DC") is None
    assert repr(certificate) == f"<Certificate of {ALICE}>"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects_are_written_as_the_original_writes_them(tmp_path, subject):
    assert make(tmp_path, subject).subject == SUBJECTS[subject]


def test_of_several_attributes_of_a_kind_the_first_is_taken(tmp_path):
    certificate = make(tmp_path, "/CN=first/OU=o1/OU=o2/CN=second")
    assert (certificate.first("CN"), certificate.first("OU")) == ("first", "o1")


@pytest.mark.parametrize("key", SIGNATURES, ids=" ".join)
def test_the_end_point_is_the_hash_of_its_signature(tmp_path, key):
    certificate = make(tmp_path, "/CN=x", key)
    name = SIGNATURES[key]
    expected = None if name is None else hashlib.new(name, certificate.der).digest()
    assert certificate.end_point == expected


def patched(old: bytes, new: bytes) -> Certificate:
    der = read("server.pem").der
    assert old in der and len(old) == len(new)
    return Certificate(der.replace(old, new))


def test_an_attribute_that_nobody_knows_is_shown_by_number_and_bytes():
    certificate = patched(b"\x06\x03\x55\x04\x03\x0c\x09localhost", b"\x06\x03\x55\x04\x7f\x0c\x09localhost")
    assert certificate.subject == "2.5.4.127=#0C09" + b"localhost".hex().upper()
    assert certificate.first("2.5.4.127") is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\x04\x09localhost", "#0409" + b"localhost".hex().upper()),  # of a kind that is no text
        (b"\x0c\x09localhos\xff", "#0C09" + b"localhos\xff".hex().upper()),  # said to be UTF-8
        (b"\x13\x09local\x00\r\nx", "local\\00\\0D\\0Ax"),
        (b"\x14\x09localhos\xfc", "localhos\\C3\\BC"),
        (b"\x1e\x04\x00l\x00\xe9" + b"\x04\x03abc", "l\\C3\\A9"),  # two letters, and something behind them
    ],
)
def test_values_of_other_kinds(value, shown):
    old = b"\x06\x03\x55\x04\x03\x0c\x09localhost"
    assert patched(old, b"\x06\x03\x55\x04\x03" + value).subject == "CN=" + shown


def test_bytes_that_are_no_certificate_are_refused():
    der = read("client.pem").der
    refused = 0
    broken = [b"", b"0", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff", b"x" * 500]
    for data in (*broken, *(der[:cut] for cut in range(len(der)))):
        with pytest.raises(ValueError, match="no certificate"):
            Certificate(data)
        refused += 1
    assert refused == 5 + len(der)


def test_mutated_certificates_are_read_or_refused():
    source = random.Random(7)
    for name in ("client.pem", "server.pem"):
        der = read(name).der
        for _ in range(3000):
            data = bytearray(der)
            for _ in range(source.randint(1, 4)):
                data[source.randrange(len(data))] = source.randrange(256)
            try:
                certificate = Certificate(bytes(data))
            except ValueError as error:
                assert "no certificate" in str(error)
            else:
                assert certificate.subject.isascii() and certificate.subject.isprintable()
                assert certificate.end_point is None or certificate.end_point


def test_the_certificates_of_the_tests_are_valid_for_long():
    for name in ("authority", "server", "client", "elsewhere", "stranger", "self-signed"):
        assert b"21000101000000Z" in read(name + ".pem").der
    assert b"210101000000Z" in read("expired.pem").der
    assert (DATA / "make.sh").is_file()
