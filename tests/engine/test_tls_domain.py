"""SSLDomain: what is refused, and that it says which file is wrong and why; what holds by default."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from reactor import SSLDomain, SSLException, SSLSessionDetails
from reactor.engine.tls import domain as tls_domain
from tests.support.tls import client_domain, file, server_domain, show, tls_pair

PASSWORD = "open sesame"


def client() -> SSLDomain:
    return SSLDomain(SSLDomain.MODE_CLIENT)


def server() -> SSLDomain:
    return SSLDomain(SSLDomain.MODE_SERVER)


def test_the_constants_are_the_original_s():
    assert (SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER) == (1, 2)
    assert (SSLDomain.VERIFY_PEER, SSLDomain.ANONYMOUS_PEER, SSLDomain.VERIFY_PEER_NAME) == (1, 2, 3)


def test_a_client_verifies_the_name_by_default_and_a_server_nobody():
    context = client().context
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert server().context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("mode", [SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER])
def test_older_versions_of_tls_and_renegotiation_are_off(mode):
    context = SSLDomain(mode).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & 0x40000000  # ssl.OP_NO_RENEGOTIATION, which PyPy does not name


def test_the_system_s_authorities_are_trusted_until_others_are_named(monkeypatch):
    loaded = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda self, purpose: loaded.append(purpose))
    assert client().context and loaded == [ssl.Purpose.SERVER_AUTH]
    for domain in (client_domain(), client_domain(verify=SSLDomain.ANONYMOUS_PEER), server_domain()):
        assert domain.context and len(loaded) == 1
    domain = server_domain()
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    assert domain.context and loaded[1:] == [ssl.Purpose.CLIENT_AUTH]


def test_modes_of_verifying():
    domain = client_domain(verify=SSLDomain.VERIFY_PEER)
    assert domain.context.verify_mode == ssl.CERT_REQUIRED and not domain.context.check_hostname
    domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    assert domain.context.verify_mode == ssl.CERT_NONE
    domain = server_domain()
    assert domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME, file("authority.pem")) == 0
    assert domain.context.verify_mode == ssl.CERT_REQUIRED and not domain.context.check_hostname


def test_setters_return_0():
    domain = server()
    assert domain.set_credentials(file("server.pem"), file("server.key"), None) == 0
    assert domain.set_trusted_ca_db(file("authority.pem")) == 0
    assert domain.set_peer_authentication(SSLDomain.VERIFY_PEER) == 0
    assert domain.allow_unsecured_client() == 0


def test_certificate_and_key_may_stand_in_one_file(tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(Path(file("client.key")).read_bytes() + Path(file("client.pem")).read_bytes())
    domain = client()
    domain.set_credentials(str(both), None, None)
    assert domain.certificate is not None and domain.certificate.first("CN") == "alice"
    assert domain.context


def test_a_directory_of_authorities():
    assert client().set_trusted_ca_db(str(Path(file("authority.pem")).parent)) == 0


def test_a_locked_key():
    domain = client()
    domain.set_credentials(file("client.pem"), file("client-locked.key"), PASSWORD)
    assert domain.context
    assert PASSWORD not in repr(domain)


REFUSED = {
    "mode": (lambda: SSLDomain(7), "MODE_CLIENT or SSLDomain.MODE_SERVER, not 7"),
    "verify mode": (lambda: client().set_peer_authentication(9), "VERIFY_PEER"),
    "no certificate": (
        lambda: client().set_credentials("/no/such.pem", file("client.key"), None),
        "certificate /no/such.pem cannot be read: No such file",
    ),
    "no key": (
        lambda: client().set_credentials(file("client.pem"), "/no/such.key", None),
        "key /no/such.key cannot be read: No such file",
    ),
    "a key for the certificate": (
        lambda: client().set_credentials(file("client.key"), file("client.key"), None),
        "client.key holds no certificate in PEM form",
    ),
    "a certificate for the key": (
        lambda: client().set_credentials(file("client.pem"), None, None),
        "client.pem holds no private key in PEM form",
    ),
    "another key": (
        lambda: client().set_credentials(file("client.pem"), file("server.key"), None),
        "server.key does not belong to the certificate in",
    ),
    "a locked key without a password": (
        lambda: client().set_credentials(file("client.pem"), file("client-locked.key"), None),
        "client-locked.key is locked with a password, and none was given",
    ),
    "a locked key with another password": (
        lambda: client().set_credentials(file("client.pem"), file("client-locked.key"), "secret-mistake"),
        "client-locked.key is locked with a password, and the one that was given does not open it",
    ),
    "an endless password": (
        lambda: client().set_credentials(file("client.pem"), file("client-locked.key"), "secret-mistake" * 100),
        "client-locked.key",
    ),
    "a name that is none": (lambda: client().set_credentials("a\0b", None, None), "cannot be read: embedded null byte"),
    "a name of authorities that is none": (lambda: client().set_trusted_ca_db("a\0b"), "cannot be read: embedded null"),
    "no name of a key": (lambda: client().set_credentials(file("client.pem"), "a\0b", None), "cannot be read"),
    "no authorities": (lambda: client().set_trusted_ca_db("/no/such.pem"), "authorities /no/such.pem cannot be read"),
    "a key for the authorities": (lambda: client().set_trusted_ca_db(file("client.key")), "holds no certificate"),
    "verifying without a certificate": (
        lambda: server().set_peer_authentication(SSLDomain.VERIFY_PEER),
        "needs a certificate itself",
    ),
    "no authorities to name": (
        lambda: server_domain().set_peer_authentication(SSLDomain.VERIFY_PEER, "/no/such.pem"),
        "/no/such.pem cannot be read",
    ),
    "unsecured clients of a client": (lambda: client().allow_unsecured_client(), "only a server"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_the_reason(case):
    call, told = REFUSED[case]
    with pytest.raises(SSLException) as caught:
        call()
    assert told in str(caught.value)
    error = caught.value
    while error is not None:  # nor does what stands behind it hold the password
        assert "secret" not in repr(error)
        error = error.__context__ if not error.__suppress_context__ else error.__cause__


def test_a_refused_file_changes_nothing():
    domain, trusting = server_domain(), client_domain()
    with pytest.raises(SSLException):
        domain.set_credentials(file("client.pem"), file("server.key"), None)
    with pytest.raises(SSLException):
        trusting.set_trusted_ca_db(file("client.key"))
    assert domain.certificate.first("CN") == "localhost"
    assert tls_pair(trusting, domain).open().client.transport.condition is None


def test_files_may_be_gone_once_they_were_read(tmp_path):
    for name in ("server.pem", "server.key", "authority.pem"):
        (tmp_path / name).write_bytes(Path(file(name)).read_bytes())
    domain, trusting = server(), client()
    domain.set_credentials(str(tmp_path / "server.pem"), str(tmp_path / "server.key"), None)
    trusting.set_trusted_ca_db(str(tmp_path / "authority.pem"))
    for name in ("server.pem", "server.key", "authority.pem"):
        (tmp_path / name).unlink()
    domain.set_trusted_ca_db(file("authority.pem"))
    trusting.set_credentials(file("client.pem"), file("client.key"), None)
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    assert tls_pair(trusting, domain).open().server.transport.condition is None


def test_whom_the_system_trusts_is_no_longer_trusted_when_others_are_named():
    domain = show(client(), "client")
    assert domain.context.verify_mode == ssl.CERT_REQUIRED  # used, with the system's authorities
    domain.set_trusted_ca_db(file("authority.pem"))
    (authority,) = domain.context.get_ca_certs()
    assert "authority for tests" in str(authority["subject"])
    pair = tls_pair(domain, server_domain(verify=True)).open()
    assert pair.server.transport.condition is None, "and what it shows is still there"


def test_what_is_set_holds_for_tls_that_begins_later():
    domain = client_domain()
    pair = tls_pair(domain, server_domain("stranger")).open()
    assert pair.client.transport.condition is not None
    domain.set_trusted_ca_db(file("stranger.pem"))
    domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    pair = tls_pair(domain, server_domain("stranger")).open()
    assert pair.client.transport.condition is None


def test_repr_says_what_it_is():
    assert repr(server_domain()) == "<SSLDomain of a server, verifies nobody, as CN=localhost>"
    assert repr(client()) == "<SSLDomain of a client, verifies peers and their names>"
    assert repr(SSLSessionDetails("me")) == "SSLSessionDetails('me')"
    assert SSLSessionDetails("me").get_session_id() == "me"


def test_only_so_many_sessions_are_kept(monkeypatch):
    monkeypatch.setattr(tls_domain, "MAX_SESSIONS", 3)
    domain = client()
    sessions = [object() for _ in range(5)]
    for number, session in enumerate(sessions):
        domain.keep_session("id", "host-%d" % number, session)
    domain.keep_session("id", "host-2", sessions[2])
    assert [domain.session("id", "host-%d" % number) for number in range(5)] == [None, None, *sessions[2:]]
    domain.keep_session("id", "host-9", sessions[0])
    assert domain.session("id", "host-3") is None, "the oldest goes"
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
    assert domain.session("id", "host-9") is None, "what was verified by other settings is not resumed"
