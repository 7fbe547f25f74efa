"""Url: every part may be missing, nothing of a password ever shows."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from reactor.url import Url

# text -> scheme, username, password, host, port, path, and what str() gives back; seen at the original.
PARTS = {
    "": ("amqp", None, None, "0.0.0.0", 5672, None, "amqp://0.0.0.0:amqp"),
    "h": ("amqp", None, None, "h", 5672, None, "amqp://h:amqp"),
    "h:5672": ("amqp", None, None, "h", 5672, None, "amqp://h:5672"),
    "h:0": ("amqp", None, None, "h", 0, None, "amqp://h:0"),
    "h:amqps": ("amqp", None, None, "h", 5671, None, "amqp://h:amqps"),
    "//h": ("amqp", None, None, "h", 5672, None, "amqp://h:amqp"),
    "amqp://h": ("amqp", None, None, "h", 5672, None, "amqp://h:amqp"),
    "amqp://h:": ("amqp", None, None, "h", 5672, None, "amqp://h:amqp"),
    "AMQP://Host": ("amqp", None, None, "host", 5672, None, "amqp://host:amqp"),
    "  amqp://h  ": ("amqp", None, None, "h", 5672, None, "amqp://h:amqp"),
    "amqps://h": ("amqps", None, None, "h", 5671, None, "amqps://h:amqps"),
    "amqps://h:5671": ("amqps", None, None, "h", 5671, None, "amqps://h:5671"),
    "h/": ("amqp", None, None, "h", 5672, "", "amqp://h:amqp/"),
    "h/p/q": ("amqp", None, None, "h", 5672, "p/q", "amqp://h:amqp/p/q"),
    "/path": ("amqp", None, None, "0.0.0.0", 5672, "path", "amqp://0.0.0.0:amqp/path"),
    "amqp:///path": ("amqp", None, None, "0.0.0.0", 5672, "path", "amqp://0.0.0.0:amqp/path"),
    ":1234": ("amqp", None, None, "0.0.0.0", 1234, None, "amqp://0.0.0.0:1234"),
    "h/%20a": ("amqp", None, None, "h", 5672, "%20a", "amqp://h:amqp/%20a"),
    "h/p?x=1#f": ("amqp", None, None, "h", 5672, "p", "amqp://h:amqp/p?x=1#f"),
    "h?x=1": ("amqp", None, None, "h", 5672, None, "amqp://h:amqp?x=1"),
    "[::1]": ("amqp", None, None, "::1", 5672, None, "amqp://[::1]:amqp"),
    "amqp://u:p@[FE80::1]:1/q": ("amqp", "u", "p", "fe80::1", 1, "q", "amqp://u:p@[fe80::1]:1/q"),
    "u@h/p": ("amqp", "u", None, "h", 5672, "p", "amqp://u@h:amqp/p"),
    "u:@h": ("amqp", "u", "", "h", 5672, None, "amqp://u@h:amqp"),
    ":p@h": ("amqp", "", "p", "h", 5672, None, "amqp://:p@h:amqp"),
    "u@v@h": ("amqp", "u@v", None, "h", 5672, None, "amqp://u%40v@h:amqp"),
    "u:p:q@h": ("amqp", "u", "p:q", "h", 5672, None, "amqp://u:p%3Aq@h:amqp"),
    "u:pa ss@h": ("amqp", "u", "pa ss", "h", 5672, None, "amqp://u:pa%20ss@h:amqp"),
    "u%40x:p%2Fq@h": ("amqp", "u@x", "p/q", "h", 5672, None, "amqp://u%40x:p%2Fq@h:amqp"),
    "%C3%A9:%E2%82%AC@h": ("amqp", "é", "€", "h", 5672, None, "amqp://%C3%A9:%E2%82%AC@h:amqp"),
}


@pytest.mark.parametrize("text", PARTS)
def test_an_address_is_taken_apart_and_put_together(text):
    *parts, whole = PARTS[text]
    url = Url(text)
    assert [url.scheme, url.username, url.password, url.host, url.port, url.path] == parts
    assert str(url) == whole
    assert str(Url(whole)) == whole


def test_nothing_is_filled_in_when_defaults_are_not_wanted():
    assert str(Url(None, defaults=False)) == ""
    assert str(Url("h", defaults=False)) == "//h"
    assert str(Url("u:p@h", defaults=False)) == "//u:p@h"
    assert str(Url("////p", defaults=False)) == "////p", "a path that begins with a slash is no host"
    url = Url("h", defaults=False)
    assert (url.scheme, url.host, url.port) == (None, "h", None)
    assert url.defaults() is url
    assert str(url) == "amqp://h:amqp"


def test_parts_go_before_the_text():
    assert str(Url(host="a", port=5)) == "amqp://a:5"
    assert str(Url(host="::1")) == "amqp://[::1]:amqp"
    assert str(Url(path="q")) == "amqp://0.0.0.0:amqp/q"
    assert str(Url(port="amqps")) == "amqp://0.0.0.0:amqps"
    assert str(Url("amqp://h", scheme="amqps")) == "amqps://h:amqps"
    assert str(Url(Url("amqp://h"), scheme="amqps")) == "amqps://h:amqps"
    assert str(Url("amqp://h:7", scheme="amqps")) == "amqps://h:7"
    assert str(Url("h", username="u", password="p/@:")) == "amqp://u:p%2F%40%3A@h:amqp"


def test_a_copy_is_another_address():
    first = Url("amqp://u:p@h:1/q")
    for second in (Url(first), copy.copy(first), pickle.loads(pickle.dumps(first))):
        assert second == first
        second.host = "i"
        assert (first.host, second != first) == ("h", True)


def test_parts_can_be_set():
    url = Url("h")
    url.port = "amqps"
    assert (str(url), int(url.port)) == ("amqp://h:amqps", 5671)
    url.port = 7
    url.host = "x"
    url.path = "a/b"
    assert str(url) == "amqp://x:7/a/b"
    url.port = None
    assert str(url) == "amqp://x/a/b"
    with pytest.raises(ValueError):
        url.port = "seventy"


def test_equality_is_by_parts():
    assert Url("h") == Url("amqp://H:5672")
    assert Url("h") != Url("h:1")
    assert Url("h/p?x") != Url("h/p?y")
    assert Url("u:p@h") != Url("u:q@h")
    assert Url("h") != "amqp://h:amqp"
    with pytest.raises(TypeError):
        hash(Url("h"))  # it can change


def test_a_port_is_a_number_with_a_name():
    port = Url.Port("amqps")
    assert port == 5671 and port == "amqps" and port != "amqp" and port != 5672
    assert (str(port), f"{port}", repr(port), hash(port)) == ("amqps", "amqps", "5671", hash(5671))
    assert str(Url.Port(5671)) == "5671" and Url.Port("5671") == 5671
    for wrong in (-1, 65536, "", "http", "1.5", "\N{ARABIC-INDIC DIGIT FIVE}"):
        with pytest.raises(ValueError):
            Url.Port(wrong)


@pytest.mark.parametrize(
    "text, why",
    [
        ("http://h", "neither amqp nor amqps"),
        ("ampq://h", "neither amqp nor amqps"),
        ("h:http", "port"),
        ("h:65536", "port"),
        ("h:-1", "port"),
        ("amqp:h", "port"),
        ("h:12 34", "port"),
        ("::1", "brackets"),
        ("amqp://fe80::1:5672", "brackets"),
        ("amqp://[[::1]:5672", "one pair of them"),
        ("amqp://ho]st", "one pair of them"),
        ("amqp://[::1", "not closed"),
        ("amqp://[::1]x", "only a port"),
        ("amqp://ho st", "space"),
        ("amqp://ho\x00st", "control"),
        ("u%FF:p@h", "UTF-8"),
    ],
)
def test_what_is_no_address_is_refused_by_name(text, why):
    with pytest.raises(ValueError, match=why) as caught:
        Url(text)
    if "@" not in text:
        assert repr(text.strip()) in str(caught.value)


@pytest.mark.parametrize("wrong", [5672, b"h", ["h"]])
def test_what_is_no_text_is_a_type_error(wrong):
    with pytest.raises(TypeError, match=type(wrong).__name__):
        Url(wrong)


def test_an_unknown_part_is_a_type_error():
    with pytest.raises(TypeError, match="'user' is no part"):
        Url("h", user="u")


def test_the_password_shows_in_no_text_for_people():
    url = Url("amqps://ann:s3cret@h/jobs")
    assert repr(url) == "Url('amqps://ann:***@h:amqps/jobs')"
    assert url.redacted == "amqps://ann:***@h:5671/jobs"
    assert Url("ann@h").redacted == "amqp://ann@h:5672"
    assert Url("h", defaults=False).redacted == "//h"


@pytest.mark.parametrize(
    "text",
    [
        "http://ann:s3cret@h",
        "amqp://ann:s3cret@h:port",
        "amqp://ann:s3cret@h:1:2",
        "amqp://ann:s3cret@[::1",
        "amqp://ann:s3cret/and@more@h",  # the slash should be %2F: what follows looks like a path
        "amqp://ann:s3cret?@h",
        "amqp://ann:s3cret#@h",
        "ann:s3cret/@h",
        "amqp:/ann:s3cret@h/amqp://h",  # what stands before the slashes is no scheme
        "amqp://ann:s3cret%FF@h",
    ],
)
def test_an_error_does_not_show_the_password(text):
    with pytest.raises(ValueError) as caught:
        Url(text)
    assert "s3cret" not in str(caught.value)
    assert "***@" in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception_only(caught.type, caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
