"""connect.json: where it is looked for, what its keys do, and what is said when something is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reactor import Endpoint, SSLDomain
from reactor.container.settings.config import find_config, read_config
from reactor.errors import UNAUTHORIZED_ACCESS
from tests.support.stage import Stage, Witness
from tests.support.tls import ALICE, file, server_domain


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is also where we are, with nothing in it; no variable names a file."""
    monkeypatch.delenv("MESSAGING_CONNECT_FILE", raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(settings if isinstance(settings, str) else json.dumps(settings), encoding="utf-8")
    return path


# -- where it is ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="there it is looked for in the working directory only")
def test_it_is_looked_for_here_then_at_home_and_the_variable_goes_before_both(home: Path, monkeypatch: Any) -> None:
    write(home / ".config" / "messaging" / "connect.json", {"host": "home"})
    assert find_config().url.host == "home"
    write(home / "connect.json", {"host": "here"})
    assert find_config().url.host == "here"
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(write(home / "named.json", {"host": "named"})))
    assert find_config().url.host == "named"


def test_without_any_the_error_says_where_it_was_looked_for(home: Path) -> None:
    with pytest.raises(ValueError) as caught:
        Stage().container().connect()
    for text in ("give a url", "connect.json", "MESSAGING_CONNECT_FILE"):
        assert text in str(caught.value)
    if os.name != "nt":
        assert "/etc/messaging/connect.json" in str(caught.value)
        assert str(home / ".config" / "messaging" / "connect.json") in str(caught.value)


def test_a_file_that_the_variable_names_must_be_there(home: Path, monkeypatch: Any) -> None:
    write(home / "connect.json", {})
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(home / "nowhere.json"))
    with pytest.raises(ValueError, match=r"nowhere\.json cannot be read"):
        find_config()


@pytest.mark.parametrize("given", [{"url": "amqp://server"}, {"urls": ["amqp://server"]}, {"address": "amqp://server"}])
def test_with_an_address_no_file_is_read(home: Path, given: Any) -> None:
    write(home / "connect.json", "nonsense")
    assert Stage().container().connect(**given)


# -- what it says --------------------------------------------------------------------------------------------


def test_all_that_is_missing_has_its_default(home: Path) -> None:
    config = read_config(write(home / "connect.json", {}))
    assert str(config.url) == "amqps://localhost:amqps" and int(config.url.port or 0) == 5671
    assert list(config[1:]) == [None] * 7


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"scheme": "amqp"}, "amqp://localhost:5672"),
        ({"scheme": "amqp", "host": "broker.example"}, "amqp://broker.example:5672"),
        ({"host": "::1", "port": 7}, "amqps://[::1]:7"),
        ({"port": "7"}, "amqps://localhost:7"),
        ({"port": "amqp"}, "amqps://localhost:5672"),
        ({"port": ""}, "amqps://localhost:5671"),
        ({"scheme": None, "host": None, "port": None, "sasl": None, "tls": None}, "amqps://localhost:5671"),
    ],
)
def test_where_to(home: Path, settings: Any, url: str) -> None:
    assert read_config(write(home / "connect.json", settings)).url.redacted == url


@pytest.mark.parametrize("switch", ["enable", "enabled"])
def test_sasl(home: Path, switch: str) -> None:
    sasl = {switch: False, "mechanisms": ["PLAIN", "ANONYMOUS"], "allow_insecure": True}
    settings = {"user": "kim", "password": "secret", "sasl": sasl}
    config = read_config(write(home / "connect.json", settings))
    assert (config.user, config.password) == ("kim", "secret")
    assert config.sasl_enabled is False
    assert config.allowed_mechs == ["PLAIN", "ANONYMOUS"]
    assert config.allow_insecure_mechs is True
    assert "secret" not in repr(config)
    sasl["mechanisms"] = "PLAIN ANONYMOUS"  # type: ignore[assignment]
    assert read_config(write(home / "connect.json", settings)).allowed_mechs == "PLAIN ANONYMOUS"


def test_both_spellings_of_the_switch_may_stand_there_when_they_agree(home: Path) -> None:
    assert read_config(write(home / "f", {"sasl": {"enable": True, "enabled": True}})).sasl_enabled is True


def test_tls(home: Path) -> None:
    tls: dict[str, Any] = {"cert": file("client.pem"), "key": file("client.key"), "ca": file("authority.pem")}
    domain = read_config(write(home / "connect.json", {"tls": tls})).ssl_domain
    assert domain is not None and domain.certificate is not None and domain.certificate.subject == ALICE
    assert domain.verify_mode == SSLDomain.VERIFY_PEER_NAME
    tls["verify"] = False
    domain = read_config(write(home / "connect.json", {"tls": tls})).ssl_domain
    assert domain is not None and domain.verify_mode == SSLDomain.ANONYMOUS_PEER
    assert read_config(write(home / "connect.json", {"tls": {}})).ssl_domain is not None


COMMENTED = r"""
// where to
{ "scheme": /* not "amqps" */ "amqp", // until there is a certificate
  "host": "h", /* a
     "host": "other",
  comment of several lines, with " in it */
  "user": "/* k//m */", "password": "p\"//w\\"
}
// the end, of a line that does not end"""


def test_comments(home: Path) -> None:
    config = read_config(write(home / "connect.json", "\ufeff" + COMMENTED))
    assert (config.url.host, config.user, config.password) == ("h", "/* k//m */", 'p"//w\\')


# -- what is wrong with it -----------------------------------------------------------------------------------

WRONG = {
    "nothing": ("", "line 1: an object is expected"),
    "a list": ("\n[1]", "line 2: an object is expected"),
    "no end": ('{"host": "h"', "line 1: host: ',' is expected"),
    "no key": ("{\n host: 1}", "line 2: a key is expected"),
    "no colon": ('{\n "host" "h"}', "line 2: host: ':' is expected"),
    "no comma": ('{"host": "h"\n "port": 1}', "line 2: host: ',' is expected"),
    "a comma too many": ('{"host": "h",\n}', "line 1: host: a comma with nothing behind it"),
    "no value": ('{"host":\n}', "line 2: this is no JSON: Expecting value"),
    "something behind": ('{}\n{}', "line 2: something follows"),
    "a comment without an end": ('{\n\n/* "host": "h"}', "line 3: this comment does not end"),
    "a comment that is too short": ("{ /*/ }", "line 1: this comment does not end"),
    "a text without an end": ('{\n"host": "h}', "line 2: this is no JSON"),
    "a key twice": ('{"host": "h",\n"user": "u",\n"host": "g"}', "line 3: host: it stands in line 1 already"),
    "an unknown key": ('{\n"hots": "h"}', "line 2: hots: this key is not known; did you mean host?"),
    "an unknown key of sasl": ('{"sasl": {\n"mechanism": 1}}', "line 2: sasl.mechanism: this key is not known; did"),
    "an unknown key of tls": ('{"tls": {"x": 1}}', "line 1: tls.x: this key is not known; known are cert, key"),
    "a number for a text": ('{\n\n"host": 7}', "line 3: host: a text is expected"),
    "a scheme": ('{"scheme": "http"}', 'line 1: scheme: "amqp" or "amqps" is expected'),
    "a host": ('{"host": "h/q"}', "line 1: host: the host has a character that no host has"),
    "a port": ('{"port": 70000}', "line 1: port: a number from 0 to 65535"),
    "a port that is true": ('{"port": true}', "line 1: port: a number from 0 to 65535"),
    "a port that is none": ('{"port": 5.5}', "line 1: port: a number from 0 to 65535"),
    "a huge number": ('{"port": %s}' % ("9" * 5000), "line 1: "),
    "sasl that is none": ('{"sasl": true}', "line 1: sasl: an object"),
    "tls that is none": ('{"tls": [1]}', "line 1: tls: an object"),
    "a switch": ('{"sasl": {\n"enable": "yes"}}', "line 2: sasl.enable: true or false is expected"),
    "switches": ('{"sasl": {"enable": true,\n"enabled": false}}', "line 2: sasl.enabled: it contradicts sasl.enable"),
    "mechanisms": ('{"sasl": {"mechanisms": 7}}', "line 1: sasl.mechanisms: names of mechanisms"),
    "mechanisms in a list": ('{"sasl": {"mechanisms": [7]}}', "line 1: sasl.mechanisms: names of mechanisms"),
    "tls without tls": ('{"scheme": "amqp",\n"tls": {}}', "line 2: tls: the scheme is \"amqp\""),
    "a certificate": ('{"tls": {\n"cert": "/no/such"}}', "line 2: tls.cert: the certificate /no/such cannot be read"),
    "authorities": ('{"tls": {\n"ca": "/no/such"}}', "line 2: tls.ca: the authorities /no/such cannot be read"),
    "a key alone": ('{"tls": {"key": "x"}}', "line 1: tls.key: a key is of no use without tls.cert"),
    "endless lists": ('{"host": ' + "[" * 100000, "line 1: this value cannot be read"),
    "endless objects": ('{"host": ' + '{"a":' * 100000, "line 1: this value cannot be read"),
    "a control character in a key": ('{"a\\u000ab": 1}', "line 1: a\\nb: this key is not known"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_file_line_and_key(home: Path, case: str) -> None:
    text, told = WRONG[case]
    path = write(home / "connect.json", text)
    with pytest.raises(ValueError) as caught:
        read_config(path)
    assert str(caught.value).startswith(str(path)) and told in str(caught.value)


def test_bytes_that_are_no_text(home: Path) -> None:
    (home / "connect.json").write_bytes(b'{"password": "\xff"}')
    with pytest.raises(ValueError, match="not in UTF-8"):
        find_config()


QUOTING = ['{"password": "secret', '{"password": "secret" x', '{"password": ["secret"]}', '{"x": "secret"}']


@pytest.mark.parametrize("text", QUOTING)
def test_no_error_quotes_a_value(home: Path, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_config(write(home / "connect.json", text))
    error: Any = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__ if error.__suppress_context__ else error.__context__


# -- through a container -------------------------------------------------------------------------------------


def test_a_container_connects_as_the_file_says(home: Path) -> None:
    asked: list[Any] = []
    stage = Stage()
    stage.host.listen("amqps://server", server_domain(), authenticator=lambda *given: not asked.append(given))
    tls = {"ca": file("authority.pem")}
    write(home / "connect.json", {"host": "server", "user": "kim", "password": "secret", "tls": tls})
    connection = stage.container().connect()
    stage.run()
    assert connection.state & Endpoint.REMOTE_ACTIVE and connection.transport is not None
    assert connection.transport.encrypted
    assert asked == [("PLAIN", "kim", "secret")]


def test_what_the_call_says_goes_before_the_file_and_the_file_before_the_container(home: Path) -> None:
    asked: list[Any] = []
    stage = Stage()
    stage.host.listen("amqp://server:1", authenticator=lambda *given: not asked.append(given[1:]))
    settings = {"scheme": "amqp", "host": "server", "port": 1, "user": "kim", "password": "one"}
    write(home / "connect.json", {**settings, "sasl": {"allow_insecure": True, "mechanisms": "PLAIN"}})
    for options in ({}, {"user": "joe", "password": "two"}, {"sasl_enabled": False}):
        container = stage.container()
        container.user, container.password = "ann", "three"
        container.connect(**options)
        stage.run()
    assert asked == [("kim", "one"), ("joe", "two")]
    assert stage.server.count("on_connection_opened") == 2
    assert "without SASL" in stage.server.last("on_transport_error").transport.condition.description


@pytest.mark.parametrize("allowed", [None, False, True])
def test_whether_a_password_may_go_in_the_clear(home: Path, allowed: Any) -> None:
    stage = Stage()
    stage.host.listen("amqp://server:1", authenticator=lambda *given: True, allowed_mechs="PLAIN")
    settings = {"scheme": "amqp", "host": "server", "port": 1, "user": "kim", "password": "one"}
    write(home / "connect.json", {**settings, "sasl": {"allow_insecure": allowed}})
    reasons: list[Any] = []
    client = Witness(on_transport_error=lambda event: reasons.append(event.transport.condition.name))
    stage.container(client).connect()
    stage.run()
    assert reasons == ([] if allowed else [UNAUTHORIZED_ACCESS])
