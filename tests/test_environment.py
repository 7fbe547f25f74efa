"""AMQP_URL, AMQP_USER, AMQP_PASSWORD and their files: which goes first, and what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Optional

import pytest

from handlers.broker.__main__ import main
from reactor import Url, environment_secret, environment_url
from tests.support.processes import CHECKOUT, Script, run

DEFAULT = "amqp://127.0.0.1:5672/examples"


@pytest.fixture
def files(tmp_path: Path) -> Any:
    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


def full(given: Optional[str] = None, **variables: str) -> str:
    return environment_url(given, DEFAULT, variables).full


@pytest.mark.parametrize(
    "given, variables, url",
    [
        (None, {}, "amqp://127.0.0.1:5672/examples"),
        (None, {"AMQP_URL": ""}, "amqp://127.0.0.1:5672/examples"),
        (None, {"AMQP_URL": "amqps://broker"}, "amqps://broker/examples"),
        (None, {"AMQP_URL": "amqps://broker/jobs"}, "amqps://broker/jobs"),
        ("amqp://other", {"AMQP_URL": "amqps://broker"}, "amqp://other/examples"),
        (None, {"AMQP_URL": "amqp://bob:pw@broker"}, "amqp://bob:pw@broker/examples"),
        (None, {"AMQP_USER": "bob", "AMQP_PASSWORD": "p@w"}, "amqp://bob:p%40w@127.0.0.1:5672/examples"),
        (None, {"AMQP_URL": "amqp://bob@broker", "AMQP_PASSWORD": "pw"}, "amqp://bob:pw@broker/examples"),
        ("amqp://other", {"AMQP_USER": "bob", "AMQP_PASSWORD": "pw"}, "amqp://bob:pw@other/examples"),
        ("amqp://al:own@other", {"AMQP_USER": "bob", "AMQP_PASSWORD": "pw"}, "amqp://al:own@other/examples"),
        ("amqp://al@other", {"AMQP_USER": "bob", "AMQP_PASSWORD": "pw"}, "amqp://al@other/examples"),
        ("amqp://bob@other", {"AMQP_USER": "bob", "AMQP_PASSWORD": "pw"}, "amqp://bob:pw@other/examples"),
        (None, {"AMQP_PASSWORD": "pw"}, "amqp://127.0.0.1:5672/examples"),
    ],
)
def test_which_goes_first(given: Any, variables: dict[str, str], url: str) -> None:
    assert full(given, **variables) == url


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_files(files: Any, end: bytes) -> None:
    url, user, password = files("url", b"amqps://broker" + end), files("user", b"bob" + end), files("pw", b"p w " + end)
    found = full(AMQP_URL_FILE=url, AMQP_USER_FILE=user, AMQP_PASSWORD_FILE=password)
    assert found == "amqps://bob:p%20w%20@broker/examples"


@pytest.mark.parametrize(
    "variables, text",
    [
        ({"AMQP_URL": "amqp://a", "AMQP_URL_FILE": "@good"}, "AMQP_URL and AMQP_URL_FILE are both set: leave one out"),
        ({"AMQP_PASSWORD": "secret", "AMQP_PASSWORD_FILE": "@good"}, "AMQP_PASSWORD and AMQP_PASSWORD_FILE are both"),
        ({"AMQP_PASSWORD_FILE": "/nowhere/at all"}, "AMQP_PASSWORD_FILE: /nowhere/at all cannot be read: No such file"),
        ({"AMQP_PASSWORD_FILE": "@"}, "cannot be read: Is a directory"),
        ({"AMQP_PASSWORD_FILE": "@empty"}, "empty is empty"),
        ({"AMQP_PASSWORD_FILE": "@blank"}, "blank is empty"),
        ({"AMQP_PASSWORD_FILE": "@lines"}, "lines has more than one line"),
        ({"AMQP_PASSWORD_FILE": "@long"}, "long has more than one line"),
        ({"AMQP_PASSWORD_FILE": "@binary"}, "binary is not in UTF-8"),
        ({"AMQP_URL": "amqp://bob:secret@broker", "AMQP_PASSWORD": "x"}, "AMQP_URL has a password, and AMQP_PASSWORD"),
        ({"AMQP_URL": "amqp://bob@broker", "AMQP_USER_FILE": "@good"}, "AMQP_URL has a user, and AMQP_USER_FILE gives"),
        ({"AMQP_URL": "http://bob:secret@broker"}, "AMQP_URL: the scheme of"),
        ({"AMQP_URL_FILE": "@good"}, "AMQP_URL_FILE: "),
    ],
)
def test_what_is_wrong_is_named(files: Any, tmp_path: Path, variables: dict[str, str], text: str) -> None:
    for name, content in (
        ("good", b"secret:secret:secret"),
        ("empty", b""),
        ("blank", b"\n\r\n"),
        ("lines", b"secret\nmore"),
        ("long", b"s" * 70000),
        ("binary", b"secret\xff"),
    ):
        files(name, content)
    given = {name: value.replace("@", f"{tmp_path}{os.sep}", 1) if value[0] == "@" else value
             for name, value in variables.items()}  # fmt: skip
    with pytest.raises(ValueError) as caught:
        environment_url(None, DEFAULT, given)
    assert text in str(caught.value) and "secret" not in str(caught.value)


def test_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URL", "amqp://broker")
    for name in ("AMQP_URL_FILE", "AMQP_USER", "AMQP_USER_FILE", "AMQP_PASSWORD", "AMQP_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert environment_url() == Url("amqp://broker", defaults=False)
    assert environment_secret("AMQP_PASSWORD") is None


# -- the broker and the examples ---------------------------------------------------------------------------


def test_a_broker_with_one_user_and_examples_that_log_in(files: Any, tmp_path: Path) -> None:
    """As in containers: the password is in a file that both have mounted."""
    password = files("password", b"s3cret\n")
    command = [sys.executable, "-m", "handlers.broker", "--listen", "amqp://127.0.0.1:0"]
    with Script(command, tmp_path, AMQP_USER="bob", AMQP_PASSWORD_FILE=password) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        login = {"AMQP_URL": url, "AMQP_USER": "bob", "AMQP_PASSWORD_FILE": password}
        sending = [sys.executable, "-m", "examples.simple_send", "-m", "3"]
        assert run(sending, CHECKOUT, **login)[0] == 0
        status, out, _ = run([sys.executable, "-m", "handlers.broker", "queues", "--json"], CHECKOUT, **login)
        assert status == 0 and '"examples"' in out
        status, _, err = run(sending, CHECKOUT, AMQP_URL=url, AMQP_USER="bob", AMQP_PASSWORD="wrong")
        assert status == 1 and "amqp:unauthorized-access" in err and "wrong" not in err


@pytest.mark.parametrize(
    "variables, text",
    [
        ({"AMQP_USER": "bob"}, "amqp-broker: AMQP_USER has no password: set AMQP_PASSWORD, or AMQP_PASSWORD_FILE"),
        ({"AMQP_USER": "bob", "AMQP_PASSWORD_FILE": "/nowhere"}, "amqp-broker: AMQP_PASSWORD_FILE: /nowhere cannot be"),
    ],
)
def test_a_broker_that_cannot_have_its_user(
    variables: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        main(["--listen", "amqp://127.0.0.1:0"])
    assert end.value.code == 2 and text in capsys.readouterr().err


def test_a_command_that_cannot_have_its_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMQP_URL", "amqp://127.0.0.1")
    monkeypatch.setenv("AMQP_URL_FILE", "/nowhere")
    with pytest.raises(SystemExit) as end:
        main(["status"])
    assert end.value.code == 2 and "AMQP_URL and AMQP_URL_FILE are both set" in capsys.readouterr().err
