"""Users: the file of verifiers, the command that changes it, and the answers to log-ins."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from handlers.broker.__main__ import main
from handlers.broker.access import users as users_room
from handlers.broker.access.userfile import UsersError, derive, read_users, user_name
from handlers.broker.access.users import Users
from reactor import ScramSecret
from tests.support.processes import CHECKOUT, Script

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
SALT = bytes(16)
STORED = ScramSecret.derive("SCRAM-SHA-256", "s3cret", SALT, 4096).export()
OLD = ScramSecret.derive("SCRAM-SHA-1", "s3cret", SALT, 4096).export()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "users"


class Typed:
    """A standard input that is no terminal."""

    def __init__(self, text):
        self.text = text

    def isatty(self):
        return False

    def readline(self):
        return self.text


def command(monkeypatch, *arguments, password="s3cret\n"):
    monkeypatch.setattr(sys, "stdin", Typed(password))
    return main(["user", *map(str, arguments)])


# -- the command -----------------------------------------------------------------------------------------


def test_a_user_comes_changes_and_goes(file, monkeypatch, capsys):
    assert command(monkeypatch, "add", "alice", "--file", file) == 0
    assert command(monkeypatch, "add", "two words", "--file", file, "--iterations", "5000") == 0
    first = read_users(file)
    assert list(first) == ["alice", "two words"]
    assert {s.iterations for s in first["two words"].values()} == {5000}
    assert all(secret.matches("s3cret") for secret in first["alice"].values())
    assert len({secret.salt for secrets in first.values() for secret in secrets.values()}) == 4
    assert command(monkeypatch, "change", "alice", "--file", file, password="other\r\n") == 0
    assert [secret.matches("other") for secret in read_users(file)["alice"].values()] == [True, True]
    assert command(monkeypatch, "remove", "two words", "--file", file) == 0
    capsys.readouterr()
    assert command(monkeypatch, "list", "--file", file) == 0
    assert capsys.readouterr().out == "alice  SCRAM-SHA-256 SCRAM-SHA-1\n"


@posix
def test_the_file_is_its_owners_alone_and_has_no_password(file, monkeypatch):
    before = os.umask(0)
    try:
        command(monkeypatch, "add", "alice", "--file", file)
        file.chmod(0o644)
        command(monkeypatch, "add", "bob", "--file", file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "s3cret" not in file.read_text()
    assert os.listdir(file.parent) == ["users"]


def test_comments_and_other_users_stay(file, monkeypatch):
    file.write_text(f"# ours\n\nbob {STORED}\nalice {STORED}")
    assert command(monkeypatch, "change", "alice", "--file", file) == 0
    lines = file.read_text().splitlines()
    assert lines[:3] == ["# ours", "", f"bob {STORED}"] and len(lines) == 5


@posix
def test_a_link_stays_a_link(file, monkeypatch):
    file.write_text("")
    link = file.with_name("link")
    link.symlink_to(file)
    assert command(monkeypatch, "add", "alice", "--file", link) == 0
    assert link.is_symlink() and list(read_users(file)) == ["alice"]


@pytest.mark.parametrize(
    ("arguments", "password", "words"),
    [
        (["add", "alice"], "x\n", "there is a user 'alice' already"),
        (["change", "bob"], "x\n", "there is no user 'bob'"),
        (["remove", "bob"], "", "there is no user 'bob'"),
        (["add", "bob"], "", "the password is empty"),
        (["add", "bob"], "a\x07b\n", "the password cannot be used: it has a character that RFC 4013 prohibits"),
        (["add", ""], "x\n", "the name '' cannot be used: it is empty"),
        (["add", "\u00ad"], "x\n", "it is empty"),
        (["add", "a\nb"], "x\n", "cannot be used: it has a character"),
        (["add", "anonymous"], "x\n", "it is the name of clients without a user"),
        (["add", "*"], "x\n", "it means all users in permissions"),
        (["add", "#1"], "x\n", "begins with '#'"),
        (["add", " bob"], "x\n", "begins or ends with a space"),
        (["add", "a" * 2000], "x\n", "longer than 1024 characters"),
    ],
)
def test_what_the_command_refuses_leaves_the_file_as_it_is(arguments, password, words, file, monkeypatch, capsys):
    file.write_text(f"alice {STORED}\n")
    assert command(monkeypatch, *arguments, "--file", file, password=password) == 1
    out, err = capsys.readouterr()
    assert words in err and err.startswith("amqp-broker user: ") and len(err.splitlines()) == 1 and not out
    assert file.read_text() == f"alice {STORED}\n" and os.listdir(file.parent) == ["users"]


@pytest.mark.parametrize("number, words", [("4095", "4,096 to 1,000,000"), ("1000001", "4,096"), ("-1", "no number")])
def test_bad_iterations_are_refused(number, words, file, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        command(monkeypatch, "add", "alice", "--file", file, f"--iterations={number}")
    assert caught.value.code == 2 and words in capsys.readouterr().err and not file.exists()


@pytest.mark.parametrize("arguments, words", [(["list", "alice"], "list takes no name"),
                                              (["add"], "add takes the NAME"), (["grant", "alice"], "invalid choice"),
                                              (["add", "alice"], "--file")])  # fmt: skip
def test_a_wrong_call_is_explained(arguments, words, file, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        command(monkeypatch, *arguments, *([] if "--file" in words else ["--file", file]))
    assert caught.value.code == 2 and words in capsys.readouterr().err


def test_two_commands_at_once_do_not_mix(file, monkeypatch, capsys):
    other = file.with_name("users.new")
    other.write_text("half")
    assert command(monkeypatch, "add", "alice", "--file", file) == 1
    assert "another command changes the users" in capsys.readouterr().err
    assert other.read_text() == "half"


@pytest.mark.parametrize("action", ["list", "remove", "change"])
def test_a_file_that_is_not_there(action, file, monkeypatch, capsys):
    name = [] if action == "list" else ["alice"]
    assert command(monkeypatch, action, *name, "--file", file) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_directory_that_is_not_there(file, monkeypatch, capsys):
    assert command(monkeypatch, "add", "alice", "--file", file / "below") == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="asks a terminal of Linux")
@pytest.mark.parametrize("again, status", [("s3cret", 0), ("another", 1)])
def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(again, status, file):
    ours, theirs = os.openpty()
    code = (
        "import os, sys; os.setsid(); import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "from handlers.broker.__main__ import main; sys.exit(main(['user', 'add', 'alice', '--file', sys.argv[1]]))"
    )
    try:
        with Script([sys.executable, "-c", code, str(file)], CHECKOUT, stdin=theirs) as script:
            shown = b""
            for asked, answer in ((b"Password of alice: ", "s3cret"), (b"again: ", again)):
                while asked not in shown:
                    shown += os.read(ours, 1000)
                os.write(ours, f"{answer}\n".encode())
            found, out, err = script.finish()
    finally:
        os.close(theirs)
        os.close(ours)
    assert found == status and file.exists() is (status == 0)
    assert b"s3cret" not in shown and "s3cret" not in out + err
    assert "two different passwords" in err if status else out == "user 'alice' added\n"


# -- the file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"alice {STORED}\n\n# x\nalice {STORED}", ":4: user 'alice' has its SCRAM-SHA-256 in line 1 already"),
        ("alice", ":1: a line has a name, a space and a verifier"),
        ("alice s3cret", ":1: the verifier is not of the form SCRAM-SHA-256$"),
        (f"alice {STORED.replace('4096', '1')}", ":1: 1 iterations; there are to be 4,096 to 1,000,000"),
        (f"alice {STORED.replace('4096', '9999999')}", ":1: 9999999 iterations"),
        (f"alice {STORED[:-9]}", "the verifier is not"),
        (f"anonymous {STORED}", "it is the name of clients without a user"),
        (f"* {STORED}", "it means all users"),
        (f" {STORED}", "the name '' cannot be used: it is empty"),
        (f"\u2168 {STORED}", "the name '\u2168' is stored as 'IX'"),
        (f"al\u0007ice {STORED}", "cannot be used"),
        (f"alice\u2028 {STORED}", "cannot be used"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(text, words, file):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsersError) as caught:
        read_users(file)
    assert words in str(caught.value) and "users:" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_text(file):
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsersError, match="no text in UTF-8"):
        read_users(file)


def test_one_that_is_a_directory(tmp_path):
    with pytest.raises(UsersError, match="cannot be read"):
        read_users(tmp_path)


# -- log-ins ---------------------------------------------------------------------------------------------


def test_a_change_is_noticed_at_the_next_log_in_and_a_broken_one_changes_nothing(file, caplog):
    file.write_text(f"alice {STORED}\n")
    file.chmod(0o600)
    users = Users(file)
    assert users.credentials("SCRAM-SHA-256", "alice").export() == STORED
    assert not users.credentials("PLAIN", "bob").matches("s3cret")
    file.write_text(f"bob {STORED}\n# changed\n")
    assert users.credentials("PLAIN", "bob").matches("s3cret")
    assert not users.credentials("PLAIN", "alice").matches("s3cret")
    file.write_text("bob s3cret\n")
    for _ in range(2):
        assert users.credentials("PLAIN", "bob").matches("s3cret")
    file.unlink()
    assert users.credentials("PLAIN", "bob").matches("s3cret")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 3 and "1 users from now on" in texts[0]
    assert all("the users stay as they were" in text for text in texts[1:]) and "s3cret" not in str(texts)


@posix
def test_a_file_that_others_can_read_is_noted(file, caplog):
    file.write_text(f"alice {STORED}\n")
    file.chmod(0o640)
    Users(file)
    assert "chmod 600" in caplog.text


def test_users_of_a_program():
    secret = ScramSecret.parse(OLD)
    given = {"a": "s3cret", "b": STORED, "c": secret, "d": [STORED, secret], "\u2168": "x"}
    users = Users(given)
    assert users.credentials("PLAIN", "a").matches("s3cret") and users.credentials("PLAIN", "IX").matches("x")
    assert users.credentials("SCRAM-SHA-1", "d").export() == OLD
    assert "s3cret" not in str(vars(users))
    assert users.mechanisms == []  # no kind that all of them have
    assert Users({"d": [STORED, secret]}).mechanisms == ["SCRAM-SHA-256", "SCRAM-SHA-1"]
    assert Users({"d": STORED, "e": [STORED, secret]}).mechanisms == ["SCRAM-SHA-256"]
    assert Users({}).mechanisms == ["SCRAM-SHA-256", "SCRAM-SHA-1"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"a": "SCRAM-SHA-256$1"}, "user 'a': the verifier is not"),
        ({"a": 7}, "user 'a': a ScramSecret, its text or a password, not int"),
        ({"a": []}, "user 'a' has no verifier"),
        ({"a": ["s3cret"]}, "user 'a': the verifier is not"),
        ({"a": [STORED, STORED]}, "user 'a' has two verifiers for SCRAM-SHA-256"),
        ({"a": ""}, "the password is empty"),
        ({"": "x"}, "cannot be used: it is empty"),
        ({"anonymous": "x"}, "cannot be used"),
    ],
)
def test_users_of_a_program_that_cannot_be_had(given, words):
    with pytest.raises(UsersError) as caught:
        Users(given)
    assert words in str(caught.value) and "s3cret" not in str(caught.value)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"])
def test_a_user_that_does_not_exist_looks_like_one_that_does(mechanism):
    users = Users({"a": list(derive("s3cret", [bytes(20)] * 2, 5000).values())}, chance=lambda size: b"k" * size)
    there, gone = (users.credentials(mechanism, name) for name in ("a", "b"))
    assert (gone.mechanism, gone.iterations, len(gone.salt)) == (there.mechanism, 5000, 20)
    assert gone.salt == users.credentials(mechanism, "b").salt != users.credentials(mechanism, "c").salt
    assert not gone.matches("") and not gone.matches("s3cret")


def test_both_cost_the_same_work(monkeypatch):
    users = Users({"a": STORED})
    digests = []
    real = users_room.hmac.digest
    monkeypatch.setattr(users_room.hmac, "digest", lambda *given: digests.append(1) or real(*given))
    counts = []
    for name in ("a", "b"):
        users.credentials("SCRAM-SHA-256", name)
        counts.append(len(digests))
        digests.clear()
    assert counts[0] == counts[1] > 0


def test_names_are_stored_prepared():
    assert user_name("\u2168") == "IX"


def test_every_name_that_can_be_had_is_read_back(file):
    """Characters that end a line, or look like another one, are refused or stored as that one."""
    names = []
    for code in [*range(0x3100), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10010), 0x1F600, 0xE0001]:
        try:
            names.append(user_name(f"a{chr(code)}b"))
        except UsersError as error:
            assert "cannot be used" in str(error)
    names = list(dict.fromkeys(names))
    assert len(names) > 5000
    file.write_text("".join(f"{name} {STORED}\n" for name in names), encoding="utf-8")
    assert list(read_users(file)) == names


def test_users_that_are_neither_a_file_nor_passwords():
    with pytest.raises(UsersError, match=r"passwords by name such as .*, not \['alice'\]"):
        Users(["alice"])
