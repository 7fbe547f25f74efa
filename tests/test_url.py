"""Url: every part may be missing, nothing of a password ever shows."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from reactor.url import Url

# text -> scheme, username, password, host, port, path, and what `full` gives back; seen at the original, where str()
# does.
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
    assert url.full == Url(whole).full == whole
    assert Url(url.full) == Url(url, password=url.password or None)


def test_nothing_is_filled_in_when_defaults_are_not_wanted():
    assert str(Url(None, defaults=False)) == ""
    assert str(Url("h", defaults=False)) == "//h"
    assert Url("u:p@h", defaults=False).full == "//u:p@h"
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
    assert Url("h", username="u", password="p/@:").full == "amqp://u:p%2F%40%3A@h:amqp"


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
        ("http://h", "none of amqp, amqps, amqpws, amqpwss"),
        ("ampq://h", "none of amqp, amqps, amqpws, amqpwss"),
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
    assert str(url) == f"{url}" == "%s" % url == "amqps://ann:***@h:amqps/jobs"
    assert url.redacted == "amqps://ann:***@h:5671/jobs"
    assert url.full == "amqps://ann:s3cret@h:amqps/jobs"
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
        "amqp://ann:12/s3cret@h",
        "amqp://ann:12?s3cret@h",
        "amqp://ann:12#s3cret@h",
        "amqp://ann:/s3cret@h:5672/q",
        "ann:12/s3cret@h",
        "amqp://a,amqp://ann:s3cret@h",
        "amqp://a/q, AMQPS://ann:s3cret@h",
        "amqp://ann:s3cret@a,amqp://ann:s3cret@h",
        "amqp://ann:s3cret@a,h",
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


@pytest.mark.parametrize(
    "text", ["amqp://h/ann@example", "h:5672/ann@example", "amqps://h:amqps/a@b", "u:p@h:12/a@b", "[::1]:12/a@b"]
)
def test_a_path_may_have_an_at_sign_where_it_is_no_part_of_a_password(text):
    assert Url(text).path in ("ann@example", "a@b")


def test_a_path_with_an_at_sign_can_be_given_apart():
    url = Url("amqp://h:12", path="a@b")
    assert (url.host, url.port, url.path, Url(url)) == ("h", 12, "a@b", url)


def test_a_masked_password_is_not_sent_to_anybody():
    with pytest.raises(ValueError, match=r"masked.*full"):
        Url(str(Url("amqp://ann:s3cret@h")))
    stars = Url("h", username="u", password="***")
    assert Url(stars.full) == stars


@pytest.mark.parametrize(
    "text, host, whole",
    [
        ("[fe80::1%25eth0]:1", "fe80::1%eth0", "amqp://[fe80::1%25eth0]:1"),
        ("[FE80::1%25Eth0]:1", "fe80::1%Eth0", "amqp://[fe80::1%25Eth0]:1"),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", "amqp://[fe80::1%25eth0]:1"),
        ("[fe80::1%25]:1", "fe80::1%25", "amqp://[fe80::1%2525]:1"),
        ("[fe80::1%2525]:1", "fe80::1%25", "amqp://[fe80::1%2525]:1"),
    ],
)
def test_the_zone_of_an_address(text, host, whole):
    url = Url(text)
    assert (url.host, str(url), url.redacted, Url(whole)) == (host, whole, whole, url)


@pytest.mark.parametrize("host", ["a b", "a\n", "\x1b[1m", "a/b", "a?b", "a#b", "u@a", "a,b", "[::1]", "a\\b", "a:1"])
def test_a_host_that_is_none_cannot_be_set(host):
    url = Url("h")
    with pytest.raises(ValueError, match=r"host|brackets"):
        url.host = host
    with pytest.raises(ValueError, match=r"host|brackets"):
        Url(host=host)
    assert url.host == "h"


def test_a_zone_with_a_percent_sign_in_it_reads_the_same_again():
    url = Url("amqp://[fe80::1%25a%25b]:5672")
    assert Url(url.full) == url and Url(url.full).host == url.host


def test_it_equals_the_text_that_it_is_written_as():
    assert Url("h") == "amqp://h:amqp" and Url("bob:pw@h") == "amqp://bob:pw@h:amqp"
    assert Url("h") != "amqp://h" and Url("h") != 5
