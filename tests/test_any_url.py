"""Any text as an address: it is one, or it is refused; and a password does not show."""

from __future__ import annotations

from reactor.url import Url
from tests.support.properties import needs_hypothesis

hypothesis = needs_hypothesis()
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies

PIECES = ["amqp://", "amqps://", "u", ":", "@", "/", "?", "#", "[", "]", "::1", "%25", "%", ",", "h", "5672", "0", " "]


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "***", ":s3cret"]), max_size=12).map("".join))
def test_any_text_is_an_address_or_none_and_a_password_does_not_show(text):
    try:
        url = Url(text, defaults=False)
    except ValueError as error:
        assert "@" not in text or "s3cret" not in str(error) or "s3cret" in text.rpartition("@")[2]
        return
    password = url.password or ""
    assert Url(url.full, defaults=False) == Url(url, defaults=False, password=password or None)
    shown = Url(url, defaults=False, username=None, host="h", path=None)
    shown.rest = ""
    if "s3cret" in password:
        assert not [text for text in (str(shown), repr(shown), shown.redacted) if "s3cret" in text]
