"""Access: which clients are let in, as which users, and what permissions keep from them."""

from __future__ import annotations

import threading

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker, EmbeddedBroker
from handlers.broker.access.doors import AccessError, Doors
from handlers.broker.access.permissions import Permissions, PermissionsError
from handlers.broker.access.userfile import UserFile, derive
from reactor import (
    Container,
    Described,
    DurableSubscription,
    DynamicNodeProperties,
    Message,
    ScramSecret,
    Terminus,
    symbol,
)
from tests.broker.test_subscriptions import NoSource
from tests.support.brokers import BrokerWorld, Capability
from tests.support.tls import ALICE, client_domain, server_domain

USERS = {"alice": "s3cret", "bob": "other"}
ALICES = {"user": "alice", "password": "s3cret"}
REFUSED = "amqp:unauthorized-access"
KEPT = Described(symbol("amqp:delete-on-no-messages:list"), [])


class Knock(MessagingHandler):
    """Connects once, and notes how that goes."""

    def __init__(self, url, **options):
        super().__init__()
        self.url, self.options = url, options
        self.user = self.mechanism = self.refusal = None
        self.errors = []

    def on_start(self, event):
        self.connection = event.container.connect(self.url, **{"reconnect": False, **self.options})
        event.container.create_sender(self.connection, "jobs").send(Message("hello"))

    def on_settled(self, event):
        self.mechanism = event.transport.sasl().mech
        event.connection.close()

    def on_transport_error(self, event):
        self.refusal = event.transport.condition.description

    def on_link_error(self, event):
        self.errors.append(event.link.remote_condition)
        event.connection.close()


def knock(url, **options):
    client = Knock(url, **options)
    Container(client).run()
    return client


# -- log-ins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"])
def test_users_log_in_by_each_mechanism(mechanism):
    with EmbeddedBroker(users=USERS) as broker:
        assert knock(broker.url, allowed_mechs=mechanism, **ALICES).mechanism == mechanism
        for pair in ("alice other", "alice ", "carol s3cret", " s3cret", "ALICE s3cret", "alice S3CRET"):
            user, password = pair.split(" ")
            client = knock(broker.url, allowed_mechs=mechanism, user=user, password=password)
            assert client.mechanism is None and client.refusal
        assert broker.queue("jobs").enqueued == 1


def test_the_strongest_is_taken_and_anonymous_is_not_offered():
    with EmbeddedBroker(users=USERS) as broker:
        assert knock(broker.url, **ALICES).mechanism == "SCRAM-SHA-256"
        assert "the server offers SCRAM-SHA-256 SCRAM-SHA-1 PLAIN," in knock(broker.url).refusal
        assert "SASL" in knock(broker.url, sasl_enabled=False).refusal


def test_nobody_acts_as_another_user():
    with EmbeddedBroker(users=USERS) as broker:

        class Other(Knock):
            def on_connection_bound(self, event):
                event.transport.sasl().authorization = "bob"

        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            client = Other(broker.url, allowed_mechs=mechanism, **ALICES)
            Container(client).run()
            assert client.mechanism is None and "refused" in client.refusal


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_names_that_look_the_same_are_the_same_user(mechanism):
    given = {"IX": "s3cret"}
    may = {"IX": {"send": ["jobs"], "create": ["jobs"]}}
    with EmbeddedBroker(users=given, permissions=may) as broker:
        assert knock(broker.url, user="\u2168", password="s3cret", allowed_mechs=mechanism).mechanism == mechanism


def test_anonymous_where_it_is_asked_for():
    with EmbeddedBroker(users=USERS, anonymous=True) as broker:
        assert knock(broker.url).mechanism == "ANONYMOUS"
        assert knock(broker.url, **ALICES).mechanism == "SCRAM-SHA-256"
        assert knock(broker.url, user="alice", password="guess").mechanism is None


def test_users_of_a_file_that_changes(tmp_path):
    path = tmp_path / "users"
    file = UserFile(path)
    file.change("alice", derive("s3cret", [bytes(16)] * 2), there=False)
    with EmbeddedBroker(users=path) as broker:
        assert knock(broker.url, **ALICES).mechanism == "SCRAM-SHA-256"
        file.change("carol", derive("new", [bytes(16)] * 2), there=False)
        file.change("alice", {}, there=True)
        assert knock(broker.url, user="carol", password="new").mechanism == "SCRAM-SHA-256"
        assert knock(broker.url, **ALICES).mechanism is None


def test_a_password_is_in_no_log_line(caplog):
    caplog.set_level("DEBUG")
    with EmbeddedBroker(users=USERS) as broker:
        for mechanism in ("PLAIN", "SCRAM-SHA-1"):
            knock(broker.url, user="alice", password="pa55w0rd", allowed_mechs=mechanism)
            knock(broker.url, allowed_mechs=mechanism, **ALICES)
    assert "pa55w0rd" not in caplog.text and "s3cret" not in caplog.text
    why = "Authentication failed [mech=PLAIN]: wrong user or password for 'alice'"
    assert f"failed: amqp:unauthorized-access: {why}" in caplog.text
    assert "at 127.0.0.1:" in caplog.text and ": user 'alice' by PLAIN, no TLS" in caplog.text


def test_a_broken_file_of_users_is_the_error_of_the_call(tmp_path):
    with pytest.raises(ValueError, match=r"users' cannot be read: No such file"):
        Broker(users=tmp_path / "users")


# -- TLS -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
def test_users_over_tls(mechanism, caplog):
    caplog.set_level("INFO")
    with EmbeddedBroker(users=USERS, ssl_domain=server_domain()) as broker:
        assert broker.url.startswith("amqps://127.0.0.1:")
        url = broker.url.replace("127.0.0.1", "localhost")
        options = {"ssl_domain": client_domain(), **ALICES}
        assert knock(url, **options).mechanism == "SCRAM-SHA-256-PLUS"
        assert knock(url, allowed_mechs=mechanism, **options).mechanism == mechanism
        assert knock(url, **{**options, "password": "x"}).mechanism is None
    assert f"user 'alice' by {mechanism}, TLSv1.3" in caplog.text


def test_a_certificate_is_a_user():
    may = {ALICE: {"send": ["jobs"], "create": ["jobs"]}}
    with EmbeddedBroker(ssl_domain=server_domain(verify=True), permissions=may) as broker:
        url = broker.url.replace("127.0.0.1", "localhost")
        client = knock(url, ssl_domain=client_domain("client"))
        assert (client.mechanism, client.errors) == ("EXTERNAL", [])
        assert knock(url, ssl_domain=client_domain("client"), sasl_enabled=False).errors == []
        assert knock(url, ssl_domain=client_domain("stranger")).refusal
        assert knock(url, ssl_domain=client_domain()).refusal
        assert broker.queue("jobs").enqueued == 2


def test_a_certificate_and_a_password():
    with EmbeddedBroker(ssl_domain=server_domain(verify=True), users=USERS) as broker:
        url = broker.url.replace("127.0.0.1", "localhost")
        assert knock(url, ssl_domain=client_domain("client")).mechanism == "EXTERNAL"
        options = {"ssl_domain": client_domain("client"), "allowed_mechs": "SCRAM-SHA-256", **ALICES}
        assert knock(url, **options).mechanism == "SCRAM-SHA-256"


def test_tls_without_an_address_that_has_it():
    with pytest.raises(AccessError, match="none of the addresses begins with amqps://"):
        Broker("amqp://127.0.0.1", ssl_domain=server_domain())


# -- doors that were not meant to be open ------------------------------------------------------------------


@pytest.mark.parametrize("url", ["amqp://0.0.0.0:0", "amqp://[::]:0", "amqp://192.0.2.1", "amqp://:5672", ":5672"])
def test_for_others_than_this_machine_anonymous_has_to_be_asked_for(url):
    with pytest.raises(AccessError, match=r"every client that can reach it could connect; give users .* or let"):
        Broker(url)
    Broker(url, anonymous=True)
    Broker(url, users=USERS)


def test_a_name_of_another_address_is_noticed_when_it_listens(monkeypatch):
    class Acceptor:
        address, closed = "192.0.2.1:5672", False

        def close(self):
            self.closed = True

    class Listens:
        acceptor = Acceptor()

        def listen(self, url, ssl_domain, **bounds):
            return self.acceptor

    container = Listens()
    with pytest.raises(AccessError, match=r"to listen at 192\.0\.2\.1: every client"):
        Doors(urls=["amqp://myhost"]).open(container, "amqp://myhost", {})
    assert container.acceptor.closed


def test_a_certificate_suffices_for_others():
    Broker("amqps://0.0.0.0", ssl_domain=server_domain(verify=True))
    with pytest.raises(AccessError, match="could connect"):
        Broker("amqps://0.0.0.0", ssl_domain=server_domain())


def test_without_any_way_in():
    with pytest.raises(AccessError, match="no client could connect"):
        Broker("amqp://127.0.0.1", anonymous=False)
    mixed = {"a": [one.export() for one in derive("x", [bytes(16)]).values()],
             "b": ScramSecret.derive("SCRAM-SHA-512", "x", bytes(16))}  # fmt: skip
    Broker("amqp://127.0.0.1", users=mixed)  # by PLAIN
    with pytest.raises(AccessError, match="no kind of verifier in common"):
        Broker("amqp://0.0.0.0", users=mixed)


def test_a_name_that_is_not_checked_gives_no_permission():
    with EmbeddedBroker(permissions={"alice": {"send": ["jobs"], "create": ["jobs"]}}) as broker:
        [condition] = knock(broker.url, allowed_mechs="PLAIN", **ALICES).errors
        assert condition.description == "user 'anonymous' may not send to 'jobs'"


def test_a_program_that_listens_by_itself_proves_names_by_itself():
    class Own(Broker):
        def on_start(self, event):
            super().on_start(event)
            self.acceptor = event.container.listen(
                "amqp://127.0.0.1:0", authenticator=lambda mechanism, user, password: password == "s3cret"
            )

    broker = Own(permissions={"alice": {"send": ["jobs"], "create": ["jobs"]}})
    container = Container(broker)
    container.process()
    client = Knock(broker.acceptor.url, allowed_mechs="PLAIN", **ALICES)
    thread = threading.Thread(target=Container(client).run)
    thread.start()
    while thread.is_alive():
        container.do_work(0.05)
    assert (client.mechanism, client.errors) == ("PLAIN", [])
    container.close()


# -- permissions -------------------------------------------------------------------------------------------

TABLE = {
    "alice": {"send": ["jobs", "news.*"], "receive": ["results"], "create": ["jobs", "results"], "dynamic": True},
    "bob": {"receive": ["jobs"]},
    "*": {"receive": ["news.*"]},
}


@pytest.fixture
def world():
    return BrokerWorld(users={**USERS, "carol": "third"}, permissions=TABLE, queues=["old", "news.now"])


@pytest.fixture
def alice(world):
    return world.client(**ALICES)


@pytest.fixture
def bob(world):
    return world.client(user="bob", password="other")


def test_an_attach_needs_the_permission_for_its_address(world, alice, bob):
    alice.sender("jobs")
    alice.receiver("results")
    bob.receiver("jobs")
    for client in (alice, bob):
        client.receiver("news.now")
        assert client.errors == []
    alice.sender("old")
    alice.receiver("jobs")
    bob.sender("jobs")
    assert alice.errors == [REFUSED] * 2 and bob.errors == [REFUSED]


def test_to_make_a_node_is_a_permission_of_its_own(world, alice, bob):
    sender = alice.sender("news.sport")
    assert sender.remote_condition.description == "there is no 'news.sport', and user 'alice' may not create it"
    receiver = bob.receiver("jobs")
    assert receiver.remote_condition.description == "there is no 'jobs', and user 'bob' may not create it"
    assert world.broker.names() == ["old", "news.now"]
    alice.sender("jobs")
    bob.receiver("jobs")
    assert bob.errors == [REFUSED]


def test_a_refusal_is_the_same_whether_the_node_is_there_or_not(bob):
    texts = [bob.sender(name).remote_condition.description.replace(name, "") for name in ("old", "new")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("address", ["amqp://broker/old", "amqps://x:1/old"])
def test_another_way_to_write_an_address_is_no_way_in(alice, address):
    alice.sender(address)
    assert alice.errors == [REFUSED]


def test_each_message_over_the_relay_needs_the_permission(world, alice):
    sender = alice.sender(None)
    for address in ("jobs", "old", "news.now", "news.not", "jobs"):
        sender.send(Message("x", address=address))
    world.quiet()
    refused = [condition and condition.name for condition in alice.conditions]
    assert refused == [None, REFUSED, None, REFUSED, None]
    assert (world.node("jobs").depth, world.node("old").depth) == (2, 0)


def test_clients_without_a_name_have_permissions_under_a_name_of_their_own(world):
    may = {"anonymous": {"send": ["jobs"], "create": ["jobs"]}, "alice": {"receive": ["jobs"]}}
    world = BrokerWorld(users=USERS, anonymous=True, permissions=may)
    client, alice = world.client(), world.client(**ALICES)
    client.sender("jobs")
    client.receiver("jobs")
    alice.receiver("jobs")
    alice.sender("jobs")
    assert client.errors == alice.errors == [REFUSED]


def test_without_any_address_there_is_no_relay(bob):
    bob.sender(None)
    assert bob.errors == [REFUSED]


def test_dynamic_nodes_are_a_permission_and_their_address_is_another(world, alice, bob):
    reply = alice.receiver(None, credit=1, dynamic=True)
    carol = world.client(user="carol", password="third")
    carol.send(reply.remote_source.address, "answer")
    assert alice.bodies() == ["answer"]
    bob.receiver(None, dynamic=True)
    bob.sender(None, options=[Dynamic()])
    assert bob.errors == [REFUSED] * 2


def test_a_coordinator_is_for_those_who_send_or_receive(world):
    carol = BrokerWorld(users={"carol": "x"}, permissions={"alice": {}}).client(user="carol", password="x")
    carol.sender(None, options=[Coordinator()])
    assert carol.errors == [REFUSED]


class Dynamic:
    """A sender asks for a node of its own."""

    def apply(self, link):
        link.target.dynamic = True

    def test(self, link):
        return True


class Coordinator:
    """A sender asks for transactions."""

    def apply(self, link):
        link.target.type = Terminus.COORDINATOR

    def test(self, link):
        return True


def test_the_node_of_management_is_a_permission():
    users = {"ops": "x", "carol": "y"}
    world = BrokerWorld(users=users, permissions={"ops": {"manage": True}, "carol": {"send": ["*"], "receive": ["*"]}})
    ops, carol = world.client(user="ops", password="x"), world.client(user="carol", password="y")
    for client in (ops, carol):
        for address in ("$management", "amqp://broker/$management"):
            client.sender(address)
            client.receiver(address)
    assert (ops.errors, carol.errors) == ([], [REFUSED] * 4)


# -- a container id is no proof ------------------------------------------------------------------------------


def test_another_user_does_not_steal_a_link_by_its_names():
    world = BrokerWorld(users=USERS)
    mine = world.client("same", **ALICES)
    other = world.client("same", user="bob", password="other")
    mine.receiver("jobs", credit=1, name="link")
    other.receiver("jobs", name="link")
    assert mine.errors == other.errors == []
    world.client("same", **ALICES).receiver("jobs", name="link")
    assert mine.errors == ["amqp:link:stolen"] and other.errors == []


def test_another_user_does_not_get_a_subscription_by_its_names():
    world = BrokerWorld(users=USERS, topics=["news"])
    alice = world.client("same", **ALICES)
    alice.receiver("news", name="sub", options=[DurableSubscription()]).detach()
    world.quiet()
    alice.send("news", "secret")
    bob = world.client("same", user="bob", password="other")
    bob.receiver("news", credit=5, name="sub", options=[DurableSubscription()])
    assert bob.bodies() == []
    alice.receiver("news", credit=5, name="sub", options=[DurableSubscription()])
    assert alice.bodies() == ["secret"]


@pytest.mark.parametrize("scope", ["mine", "global"])
def test_without_the_permission_a_subscription_is_not_looked_up(scope):
    world = BrokerWorld(users=USERS, topics=["news"], permissions={"alice": {"receive": ["news"]}})
    everywhere = [Capability("global")] if scope == "global" else []
    alice = world.client("same", **ALICES)
    alice.receiver("news", name="sub", options=[DurableSubscription(), *everywhere]).detach()
    world.quiet()
    bob = world.client("same", user="bob", password="other")
    bob.receiver(None, credit=5, name="sub", options=NoSource(*(["global"] if everywhere else [])))
    assert bob.errors == [REFUSED if scope == "global" else "amqp:not-found"]


def test_a_dynamic_node_of_a_lost_connection_stays_its_users():
    world = BrokerWorld(users=USERS)
    alice = world.client("same", **ALICES)
    receiver = alice.receiver(None, dynamic=True, options=[DynamicNodeProperties({"lifetime-policy": KEPT})])
    address = receiver.remote_source.address
    alice.send(address, "kept")
    alice.vanish()
    bob = world.client("same", user="bob", password="other")
    bob.receiver(address)
    assert bob.errors == [REFUSED]
    back = world.client("same", **ALICES)
    back.receiver(address)
    assert back.errors == []


def test_without_a_table_a_user_may_do_all():
    client = BrokerWorld(users=USERS).client(**ALICES)
    client.sender("jobs")
    client.receiver("jobs")
    client.receiver(None, dynamic=True)
    assert client.errors == []


def test_a_refusal_is_logged_with_the_user(alice, caplog):
    alice.sender("old", name="mine")
    [record] = [record for record in caplog.records if "refused" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert record.getMessage() == "link 'mine' of 'client-1' refused: user 'alice' may not send to 'old'"


@pytest.mark.parametrize(
    ("patterns", "fit", "do_not"),
    [
        (["jobs"], ["jobs"], ["job", "jobs2", "Jobs", "jobs\n", ""]),
        (["news.*"], ["news.", "news.a.b", "news.\n"], ["news", "xnews.a"]),
        (["?"], ["a", "*"], ["", "ab"]),
        (["[ab]c", "[!x]d"], ["ac", "bc", "yd"], ["cc", "xd"]),
        (["[[]x[]]"], ["[x]"], ["x"]),
        (["a", "*"], ["anything", ""], []),
        ([], [], ["a", ""]),
        (["a" + "*a" * 30], ["a" * 31], ["a" * 60 + "b"]),
    ],
)
def test_patterns(patterns, fit, do_not):
    permissions = Permissions({"u": {"send": patterns}})
    assert [permissions.may("u", "send", name) for name in fit + do_not] == [True] * len(fit) + [False] * len(do_not)
    assert not any(permissions.may("other", "send", name) or permissions.may("u", "receive", name) for name in fit)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([], "permissions: [] is no object with users"),
        ({"": {}}, "permissions: '' is no name of a user"),
        ({"a": ["send"]}, "permissions.a: ['send'] is no object"),
        ({"a": {"read": ["x"]}}, "permissions.a.read: no such permission; there are send, receive, create, dyn"),
        ({"a": {"send": "jobs"}}, "permissions.a.send: 'jobs' is no list of patterns"),
        ({"a": {"send": ["x", 7]}}, "permissions.a.send[1]: '7' is no pattern"),
        ({"a": {"send": [""]}}, "permissions.a.send[0]: '' is no pattern"),
        ({"a": {"send": ["x[1"]}}, "permissions.a.send[0]: 'x[1' has a '[' without ']'"),
        ({"a": {"send": ["x" * 1025]}}, "is no pattern: a text of 1 to 1024 characters"),
        ({"a": {"manage": ["x"]}}, "permissions.a.manage: ['x'] is neither true nor false"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(table, words):
    with pytest.raises(PermissionsError) as caught:
        Broker(permissions=table)
    assert words in str(caught.value)


def test_flags():
    permissions = Permissions({"a": {"manage": True, "dynamic": False, "send": []}, "*": {"dynamic": True}})
    assert permissions.has("a", "manage") and not permissions.has("b", "manage")
    assert permissions.has("a", "dynamic") and not permissions.has("a", "send")


def test_a_pattern_that_is_none_is_refused_or_fits_nothing():
    """`re` refuses it up to Python 3.10."""
    try:
        table = Permissions({"alice": {"send": ["[z-a]"]}})
    except PermissionsError as error:
        assert str(error).startswith("permissions.alice.send[0]: the pattern '[z-a]'")
    else:
        assert not table.may("alice", "send", "a")
