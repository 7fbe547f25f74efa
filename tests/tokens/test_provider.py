"""Providers and their answers: shared access signatures, and what is no token."""

from __future__ import annotations

import base64
import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from reactor.tokens import Bearer, Claims, SharedAccessKey, Token
from reactor.tokens.provider import TokenError, failure_of, read_token

KEY = "c2VjcmV0IGtleSBvZiB0aGUgYnVz"
NOW = 1700000000.0


def jwt(**claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"


# -- shared access signatures --------------------------------------------------------------------------------


def test_a_shared_access_signature_is_that_of_the_document() -> None:
    """The signature was made by ``openssl dgst -sha256 -hmac KEY -binary | base64`` of the string to sign."""
    token = SharedAccessKey("all keys", KEY).token_at(NOW, "sb://bus/jobs")
    signature = "81kzdAT60WjAvvN3mXOG%2F2ZtVECkbA8nJEK2sIZj7lM%3D"
    assert token.token == (
        "SharedAccessSignature sr=sb%3A%2F%2Fbus%2Fjobs&sig=" + signature + "&se=1700003600&skn=all%20keys"
    )
    assert (token.expires_on, token.kind) == (NOW + 3600, "servicebus.windows.net:sastoken")


def test_a_shared_access_key_has_the_date_of_the_system_where_there_is_no_container() -> None:
    key = SharedAccessKey("all", KEY, lifetime=60)
    assert key.get_token("sb://bus").expires_on > NOW + 60
    with pytest.raises(ValueError, match="name the resource"):
        key.get_token()


def test_a_shared_access_key_of_a_connection_string() -> None:
    text = f"Endpoint=sb://bus.example/;SharedAccessKeyName=all;SharedAccessKey={KEY}=;EntityPath=jobs"
    key = SharedAccessKey.from_connection_string(text)
    assert key.name == "all"
    assert key.token_at(NOW, "x").token == SharedAccessKey("all", KEY + "=").token_at(NOW, "x").token


@pytest.mark.parametrize("text", ["Endpoint=sb://bus/", f"SharedAccessKey={KEY}", f"{KEY};x=y", ""])
def test_a_wrong_connection_string_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="connection string") as info:
        SharedAccessKey.from_connection_string(text)
    assert KEY not in str(info.value)


@pytest.mark.parametrize(
    ("name", "key", "lifetime"),
    [("", KEY, 60), ("all", "", 60), (b"all", KEY, 60), ("all", KEY.encode(), 60), ("all", KEY, 1)],
)
def test_a_wrong_key_is_not_quoted(name: Any, key: Any, lifetime: float) -> None:
    with pytest.raises((TypeError, ValueError), match=r"SharedAccessKey\(\)") as info:
        SharedAccessKey(name, key, lifetime)
    assert KEY not in str(info.value)


# -- answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text", "end", "kind"),
    [
        (SimpleNamespace(token="abc", expires_on=NOW + 5), "abc", NOW + 5, "jwt"),
        (SimpleNamespace(token=b"abc", expires_on=NOW + 5), "abc", NOW + 5, "jwt"),
        (Token("abc", NOW + 5, "custom"), "abc", NOW + 5, "custom"),
        (jwt(exp=NOW + 7), jwt(exp=NOW + 7), NOW + 7, "jwt"),
        (f"SharedAccessSignature sr=x&sig=y&se={NOW:.0f}9", None, NOW * 10 + 9, "servicebus.windows.net:sastoken"),
    ],
)
def test_answers_that_are_tokens(answer: Any, text: Any, end: float, kind: str) -> None:
    token = read_token(answer, NOW)
    assert (token.token, token.expires_on, token.kind) == (answer if text is None else text, end, kind)
    assert token.token not in repr(token)


SECRET = "eyJzZWNyZXQ"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "it returned NoneType"),
        (7, "it returned int"),
        (SimpleNamespace(token=None, expires_on=NOW + 5), "it returned SimpleNamespace"),
        (SimpleNamespace(token="", expires_on=NOW + 5), "a token that is empty"),
        (SimpleNamespace(token=SECRET + "\n", expires_on=NOW + 5), "not printable ASCII"),
        (SimpleNamespace(token=SECRET + "é", expires_on=NOW + 5), "not printable ASCII"),
        (SimpleNamespace(token=SECRET, expires_on="soon"), "whose expires_on is str, not a number"),
        (SimpleNamespace(token=SECRET, expires_on=math.nan), "whose expires_on is float, not a number"),
        (SimpleNamespace(token=SECRET, expires_on=True), "whose expires_on is bool, not a number"),
        (SimpleNamespace(token=SECRET, expires_on=NOW - 7), "that ended 7 s ago; is the clock of this machine right"),
        (SimpleNamespace(token=SECRET, expires_on=-(10**400)), "that ended inf s ago"),
        (SimpleNamespace(token=SECRET, expires_on=math.inf), "whose expires_on is inf: seconds since 1970 are wanted"),
        (SimpleNamespace(token=SECRET, expires_on=1e20), r"whose expires_on is 1e\+20: seconds since 1970 are wanted"),
        (SimpleNamespace(token=SECRET, expires_on=NOW * 1000), r"whose expires_on is 1.7e\+12: seconds since 1970"),
        (SimpleNamespace(token=SECRET, expires_on=10**400), "whose expires_on is inf: seconds since 1970 are wanted"),
        (SECRET, "without an end to its time"),
        (jwt(exp=10**400), "without an end to its time"),
        (jwt(exp=math.inf), "whose expires_on is inf"),
        (f"{SECRET}.{SECRET}.x", "without an end to its time"),
        (jwt(sub=SECRET), "without an end to its time"),
        (f"SharedAccessSignature sr=x&sig={SECRET}", "without an end to its time"),
    ],
)
def test_answers_that_are_none_are_not_quoted(answer: Any, why: str) -> None:
    with pytest.raises(TokenError, match=why) as info:
        read_token(answer, NOW)
    assert SECRET not in str(info.value) and info.value.__cause__ is None


def test_a_log_in_takes_a_token_without_an_end() -> None:
    assert read_token("opaque", NOW, endless=True).expires_on == math.inf
    for end in (math.inf, 10**400):
        assert read_token(SimpleNamespace(token="opaque", expires_on=end), NOW, endless=True).expires_on == math.inf


def test_a_failure_is_one_line() -> None:
    assert failure_of(OSError("no\nroute")) == "it raised OSError: no\\nroute"
    assert failure_of(TokenError("it returned int")) == "it returned int"


# -- settings ------------------------------------------------------------------------------------------------


class Provider:
    def get_token(self, *scopes: str) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"Provider({SECRET})"


@pytest.mark.parametrize("way", [Claims, Bearer])
@pytest.mark.parametrize("wrong", [SECRET, SECRET.encode(), 7, object(), Provider])
def test_what_is_no_provider_is_refused_and_not_quoted(way: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match=way.__name__) as info:
        way(wrong)
    assert SECRET not in str(info.value)


def test_settings_are_checked_and_show_no_secret() -> None:
    for way in (Claims, Bearer):
        assert repr(way(Provider())) == f"{way.__name__}(Provider)"
        with pytest.raises(ValueError, match="timeout is a number of seconds above 0"):
            way(Provider(), timeout=0)
    with pytest.raises(TypeError, match="audience is a str, a function of the link, or None"):
        Claims(Provider(), audience=7)  # type: ignore[arg-type]
    assert Claims(Provider(), scopes="one").scopes == ("one",)
    assert Bearer(Provider(), scopes=["a", "b"]).scopes == ("a", "b")
    assert repr(SharedAccessKey("all", KEY)) == "SharedAccessKey('all', key not shown)"
    assert KEY not in repr(Claims(SharedAccessKey("all", KEY)))
