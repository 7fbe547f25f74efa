"""The configuration file: every option by its name, nodes with policies, and errors that name the place."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from handlers.broker.__main__ import main
from handlers.broker.access.userfile import derive
from handlers.broker.commands import serve
from handlers.broker.commands.options import ConfigError
from handlers.broker.nodes.policy import Policy
from tests.broker.test_access import knock
from tests.support.processes import CHECKOUT, Script
from tests.support.tls import client_domain
from tests.support.tls import file as pem

COMMAND = [sys.executable, "-m", "handlers.broker"]
SECRETS = [secret.export() for secret in derive("s3cret", [bytes(16)] * 2).values()]


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "broker.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def parse(*arguments):
    return serve.parser("").parse(arguments)


def check(path, *arguments):
    return main(["--config", path, "--check-config", *arguments])


def test_every_option_of_the_command_line_is_a_key():
    parser = serve.parser("")
    known = set(parser.settings) | set(parser.readers)
    options = {name for action in parser.settings for name in [action]}
    assert options <= known
    assert {"listen", "store", "queues", "topics", "policies", "users", "permissions", "anonymous", "limits"} <= known
    assert {"topic_prefix", "no_auto_create", "max_nodes", "idle_timeout", "tls_cert", "verbose", "port_file"} <= known
    assert not known & {"config", "check_config", "help", "version", "queue", "topic", "limit"}


def test_values_of_a_file(write):
    path = write({
        "listen": ["amqp://127.0.0.1:0", "amqp://localhost:0"],
        "queues": {"jobs": {"max_length": 10, "overflow": "reject"}, "plain": {}},
        "topics": ["news"],
        "policies": {"tmp.*": {"auto_delete": True}},
        "topic_prefix": "topic/",
        "no_auto_create": True,
        "max_queue_bytes": "64M",
        "max_nodes": 7,
        "idle_timeout": 2.5,
        "limits": {"max_links": 5, "max_buffered_connection_bytes": "1M"},
        "permissions": {"*": {"send": ["jobs"]}},
        "anonymous": True,
        "users": {"alice": SECRETS, "bob": SECRETS[0]},
        "verbose": False,
    })  # fmt: skip
    options = parse("--config", path)
    assert options.listen == ["amqp://127.0.0.1:0", "amqp://localhost:0"]
    assert options.queues == {"jobs": Policy(max_length=10, overflow="reject"), "plain": Policy()}
    assert (options.topics, options.topic_prefix) == (["news"], ["topic/"])
    assert options.policies == {"tmp.*": Policy(auto_delete=True)}
    assert (options.no_auto_create, options.anonymous, options.verbose) == (True, True, False)
    assert (options.max_queue_bytes, options.max_nodes, options.idle_timeout) == (64 * 2**20, 7, 2.5)
    assert options.limits == [("max_links", 5), ("max_buffered_connection_bytes", 2**20)]
    assert options.users == {"alice": SECRETS, "bob": SECRETS[:1]}
    assert (options.max_message_size, options.store, options.port_file) == (100 * 2**20, None, None)


def test_the_command_line_wins(write):
    path = write({"listen": "amqp://127.0.0.1:1", "queues": ["a"], "max_nodes": 7, "idle_timeout": 1, "verbose": True})
    options = parse("--config", path, "--listen", "amqp://127.0.0.1:2", "--queue", "b", "--max-nodes=8")
    assert (options.listen, options.queues, options.max_nodes) == (["amqp://127.0.0.1:2"], ["b"], 8)
    assert (options.idle_timeout, options.verbose) == (1, True)


def test_without_a_file_all_is_as_before():
    options = parse()
    assert options.listen == ["amqp://127.0.0.1:5672"] and options.queues == [] and options.permissions is None
    assert options.max_queue_bytes == 256 * 2**20 and options.anonymous is None and options.check_config is False


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"quues": []}, ": no option 'quues'; there are anonymous, "),
        ({"queues": "jobs", "config": "x"}, ": no option 'config'"),
        ({"queues": 7}, ": queues: 7 is no list of texts"),
        ({"queues": ["jobs", ""]}, ': queues[1]: "" is no text'),
        ({"queues": {"jobs": 7}}, ": queues.jobs: 7 is no object with settings"),
        ({"queues": {"jobs": {"max_lenght": 1}}}, ": queues.jobs: no setting 'max_lenght'; there are max_length, "),
        ({"topics": {"news": {"max_length": "1"}}}, ": topics.news: max_length is '1'; it is a whole number"),
        ({"policies": ["x"]}, ': policies: ["x"] is no object'),
        ({"policies": {"tmp.*": {"overflow": "drop"}}}, ": policies.tmp.*: overflow is 'drop'; it is one of hold"),
        ({"listen": "amqp://host:port"}, ": listen: "),
        ({"listen": ["amqp://a", 5672]}, ": listen[1]: 5672 is no text"),
        ({"listen": []}, ": listen: [] has no address; leave the key out for amqp://127.0.0.1:5672"),
        ({"queues": {"a": {"dead_letter": "$management"}}}, ": queues.a: dead_letter is '$management', which is the"),
        ({"policies": {"a*": {"dead_letter": "/queues/%24management"}}}, ": policies.a*: dead_letter is '/queues/%24"),
        ({"topics": {"a": {"dead_letter": "/management"}}}, ": topics.a: dead_letter is '/management', which is the"),
        ({"max_nodes": "many"}, ": max_nodes: not a size: 'many'"),
        ({"max_nodes": True}, ": max_nodes: true is no text"),
        ({"max_nodes": -1}, ": max_nodes: not a size: '-1'"),
        ({"idle_timeout": "soon"}, ': idle_timeout: "soon" is no seconds'),
        ({"idle_timeout": None}, ": idle_timeout: null is no text"),
        ({"store": 7}, ": store: 7 is no text"),
        ({"store": "a\0b"}, ': store: "a\\u0000b" has a character that cannot be written'),
        ({"queues": ["a\ud800"]}, ': queues[0]: "a\\ud800" has a character that'),
        ({"permissions": "\ud800"}, ": permissions: "),
        ({"max_nodes": ["\ud800"]}, ': max_nodes: ["\\ud800"] is no text'),
        ({"name": "n" * 257}, ": name: not a name: 'nnn"),
        ({"product": "n" * 257}, ": product: not a name: 'nnn"),
        ({"verbose": "no"}, ': verbose: "no" is neither true nor false'),
        ({"anonymous": 1}, ": anonymous: 1 is neither"),
        ({"limits": {"max_link": 1}}, ": limits.max_link: no limit 'max_link'; there are"),
        ({"limits": {"max_links": [1]}}, ": limits.max_links: not a size"),
        ({"limits": []}, ": limits: [] is no object"),
        ({"users": {"alice": "s3cret"}}, ": users.alice: the verifier is not of the form"),
        ({"users": {"alice": SECRETS[0].replace("10000", "1")}}, ": users.alice: 1 iterations"),
        ({"users": {"anonymous": SECRETS}}, ": users: the name 'anonymous' cannot be used"),
        ({"users": 7}, ": users: 7 is no text"),
        ({"permissions": {"alice": {"send": "jobs"}}}, ": permissions.alice.send: 'jobs' is no list of patterns"),
        ({"permissions": []}, ": permissions: [] is no object with users"),
        ([], ": [] is no object with options"),
        ("", ":1:1: Expecting value"),
        ('{"queues": []\n"x": 1}', "broker.json:2:1: Expecting ',' delimiter"),
        ('{"max_nodes": 1, "max_nodes": 2}', ": the key 'max_nodes' is there twice"),
        ('{"idle_timeout": NaN}', ": NaN is no number of JSON"),
        ("[" * 100_000, "broker.json: "),
    ],
)
def test_a_fault_is_one_line_with_its_place(content, words, write, capsys):
    path = write(content)
    with pytest.raises(SystemExit) as caught:
        check(path)
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and not out
    assert len(err.splitlines()) == 1 and err.startswith(f"amqp-broker: {path}") and words in err
    assert "s3cret" not in err


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="none: it cannot be read: No such file"):
        parse("--config", str(tmp_path / "none"))
    odd = tmp_path / "odd"
    odd.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="odd: it is no text in UTF-8"):
        parse("--config", str(odd))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"listen": "amqp://0.0.0.0"}, "every client that can reach it could connect; give users"),
        ({"limits": {"max_buffered_delivery_bytes": 10}}, "max_message_size is"),
        ({"tls_key": "x"}, "go with --tls-cert"),
        ({"tls_cert": "nowhere.pem", "listen": "amqps://127.0.0.1"}, "nowhere.pem"),
        ({"tls_cert": pem("server.pem"), "tls_key": pem("server.key"), "tls_ca": "x"}, "--tls-ca goes with"),
        ({"users": "nowhere"}, "the file of users 'nowhere' cannot be read"),
        ({"idle_timeout": -1}, "idle_timeout is -1.0; it is a number of seconds, from 0 to 8589934"),
        ({"idle_timeout": 8589935}, "idle_timeout is 8589935.0"),
        ({"stop_timeout": "nan"}, "stop_timeout is nan"),
        ({"open_timeout": "-1"}, "open_timeout is -1.0"),
        ({"write_timeout": "inf"}, "write_timeout is inf"),
        ({"transaction_timeout": "-inf"}, "transaction_timeout is -inf"),
        ({"queues": ["$management"]}, "the name '$management' is the broker's own"),
        ({"topics": {"/management": {}}}, "the name '/management' is the broker's own"),
        ({"queues": {"": {}}}, "the name of a queue or topic is ''"),
        ({"queues": {"\ud800": {}}}, "has half of a character"),
        ({"topics": ["n" * 1025]}, "a name of 1025 characters: 1 to 1024"),
        ({"queues": ["a"], "topics": ["a"]}, "'a' cannot be a queue and a topic"),
        ({"queues": ["a", "b"], "max_nodes": 1}, "the queue 'b': no node 'b': there are 1, and all in use"),
    ],
)
def test_what_does_not_go_together(content, words, write, capsys):
    with pytest.raises(SystemExit) as caught:
        check(write(content))
    err = capsys.readouterr().err
    assert caught.value.code == 2 and words in err and len(err.splitlines()) == 1


def test_a_check_shows_what_would_be_served_and_touches_nothing(write, tmp_path, capsys):
    store = tmp_path / "jobs.store"
    path = write({
        "listen": ["amqp://127.0.0.1:5672", "amqps://0.0.0.0"],
        "tls_cert": pem("server.pem"), "tls_key": pem("server.key"),
        "users": {"alice": SECRETS}, "anonymous": True,
        "store": str(store),
        "queues": {"jobs": {"max_length": 10}}, "topics": ["news"], "policies": {"tmp.*": {"auto_delete": True}},
        "permissions": {"alice": {"send": ["*"]}}, "limits": {"max_links": 5}, "max_nodes": 50,
    })  # fmt: skip
    assert check(path, "--idle-timeout", "5") == 0
    out, err = capsys.readouterr()
    scram = "SCRAM-SHA-256, SCRAM-SHA-1, PLAIN"
    every = "every client that can reach it may connect; others log in by"
    assert out.splitlines() == [
        f"listen amqp://127.0.0.1:5672: {every} {scram}",
        f"listen amqps://0.0.0.0: {every} SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, {scram}",
        f"store: {store}",
        'queue jobs: {"max_length": 10}',
        "topic news: {}",
        'policy tmp.*: {"auto_delete": true}',
        "users: 1",
        'permissions of alice: {"send": ["*"]}',
        "limits.max_links: 5",
        "anonymous: true",
        "idle_timeout: 5.0",
        "max_nodes: 50",
        f'tls_cert: "{pem("server.pem")}"',
        f'tls_key: "{pem("server.key")}"',
    ]
    assert not err and not store.exists() and SECRETS[0] not in out


def test_it_serves_what_the_file_says(write, tmp_path):
    path = write({
        "listen": "amqp://127.0.0.1:0",
        "users": {"alice": SECRETS},
        "permissions": {"alice": {"send": ["jobs"]}},
        "queues": {"jobs": {"max_length": 1, "overflow": "reject"}},
    })  # fmt: skip
    with Script([*COMMAND, "--config", path], CHECKOUT) as broker:
        assert broker.wait_for("log in") == "Clients log in by SCRAM-SHA-256, SCRAM-SHA-1, PLAIN"
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        assert knock(url, user="alice", password="s3cret").mechanism == "SCRAM-SHA-256"
        assert knock(url, user="alice", password="guess").mechanism is None


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals between processes there")
def test_it_reads_users_and_permissions_again_when_it_is_hung_up(write):
    settings = {"listen": "amqp://127.0.0.1:0", "users": {"alice": SECRETS}, "queues": ["jobs"],
                "permissions": {"alice": {"send": ["*"]}}}  # fmt: skip
    path = write(settings)
    with Script([*COMMAND, "--config", path], CHECKOUT) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]

        def said(words):
            broker.process.send_signal(signal.SIGHUP)
            line = broker.process.stderr.readline()
            while "SIGHUP" not in line:
                assert line, "it has ended"
                line = broker.process.stderr.readline()
            assert words in line

        write({**settings, "users": {"bob": SECRETS}, "permissions": {"bob": {"send": ["*"], "create": ["*"]}}})
        assert knock(url, user="alice", password="s3cret").mechanism
        said("SIGHUP: read again: 1 users and permissions; clients that are connected stay")
        assert knock(url, user="bob", password="s3cret").mechanism
        assert knock(url, user="alice", password="s3cret").mechanism is None
        write({**settings, "users": {"bob": ["no verifier"]}})
        said("; all stays as it was")
        write({name: value for name, value in settings.items() if name != "permissions"})
        said("users or permissions that were not there before, or no longer, need a restart; all stays as it was")
        assert knock(url, user="bob", password="s3cret").mechanism
        broker.process.send_signal(signal.SIGTERM)
        assert broker.finish()[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals between processes there")
def test_a_broker_without_users_has_nothing_to_read_again_and_goes_on():
    with Script([*COMMAND, "--listen", "amqp://127.0.0.1:0"], CHECKOUT) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        broker.process.send_signal(signal.SIGHUP)
        assert "SIGHUP: there are neither users nor permissions to be read again" in broker.process.stderr.readline()
        assert knock(url).mechanism == "ANONYMOUS"


def test_tls_on_the_command_line_and_in_the_file(write):
    files = ["--tls-cert", pem("server.pem"), "--tls-key", pem("server.key"), "--tls-ca", pem("authority.pem")]
    path = write({"listen": "amqps://127.0.0.1:0", "tls_require_client_cert": True})
    with Script([*COMMAND, "--config", path, *files], CHECKOUT) as broker:
        assert broker.wait_for("log in") == "Clients log in by EXTERNAL"
        url = broker.wait_for("Listening on").rpartition(" ")[2].replace("127.0.0.1", "localhost")
        assert url.startswith("amqps://")
        assert knock(url, ssl_domain=client_domain("client")).mechanism == "EXTERNAL"
        assert knock(url, ssl_domain=client_domain()).refusal
