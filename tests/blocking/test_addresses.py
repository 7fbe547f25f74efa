"""Addresses with options, as in qpid.messaging (rows Q4, Q5, Q6, Q7)."""

from __future__ import annotations

import pytest

from handlers.broker import EmbeddedBroker
from reactor import AcknowledgeMode, Link, Message, Terminus
from reactor.blocking.address_text import DEEPEST, has_options, read_address
from reactor.blocking.addresses import read_source, read_target
from reactor.errors import LinkDetached
from reactor.utils import (
    AddressError,
    AssertionFailed,
    BlockingConnection,
    Empty,
    InvalidOption,
    MalformedAddress,
    NotFound,
)
from tests.support.blocking import PATIENCE, eventually, fill


@pytest.mark.parametrize(
    "text, read",
    [
        ("jobs; {}", ("jobs", "", {})),
        ("jobs;", ("jobs", "", {})),
        (" jobs / red ; {create: always}", ("jobs", "red", {"create": "always"})),
        ("'/queues/jobs'; {mode: browse,}", ("/queues/jobs", "", {"mode": "browse"})),
        (r'"a\"b"; {node: {durable: True, type: "queue"}}', ('a"b', "", {"node": {"durable": True, "type": "queue"}})),
        ("a; {'x': [1, -2.5, false, None, [], x-y]}", ("a", "", {"x": [1, -2.5, False, None, [], "x-y"]})),
        ("a;{link:{selector:\"colour = 'red; green'\"}}", ("a", "", {"link": {"selector": "colour = 'red; green'"}})),
    ],
)  # fmt: skip
def test_Q5_the_grammar(text, read):
    assert read_address(text) == read


@pytest.mark.parametrize(
    "text, why",
    [
        ("; {}", "no name"),
        ("/queues/jobs; {}", "more than one '/'"),
        ("a; {}; {}", "more than one ';'"),
        ("a; b", "options are in braces"),
        ("a; [1]", "options are in braces"),
        ("a; {} b", "nothing stands behind"),
        ("a; {create always}", "a colon stands behind 'create'"),
        ("a; {create: }", "a value stands there"),
        ("a; {create: always", "at its end: a comma or '}'"),
        ("a; {create: always mode: browse}", "at 'mode: browse}': a comma"),
        ("a; {1: 2}", "the name of an option"),
        ("a; {create: always, create: never}", "'create' is there twice"),
        ("a; {create: ?}", r"at '\?}': a word, a number"),
        ("a; {create: 'always}", "a word, a number"),
        ("a; {x: [1 2]}", r"a comma or '\]'"),
        ("a; {x: " + "[" * 5000, "at most %d levels" % DEEPEST),
    ],
)
def test_Q5_a_text_that_cannot_be_read_is_malformed_and_the_place_is_named(text, why):
    with pytest.raises(MalformedAddress, match=why) as caught:
        read_address(text)
    assert isinstance(caught.value, (AddressError, ValueError))


def test_Q5_an_address_without_options_is_that_of_a_node():
    for address in ("jobs", "/queues/jobs", "topic://news", "a/b", "jobs'; {}'", None):
        assert not (address and has_options(address))
        assert read_source(address).address == address and read_target(address).options == []


@pytest.mark.parametrize(
    "text, why",
    [
        ("a; {creat: always}", "creat is no option, did you mean 'create'"),
        ("a; {colour: red}", "colour is no option; known are create, delete, assert, mode, node, link"),
        (
            "a; {create: alwyas}",
            "create is one of always, sender, receiver, never, not 'alwyas', did you mean 'always'",
        ),
        ("a; {mode: brwose}", "did you mean 'browse'"),
        ("a; {node: queue}", "node is a map in braces, not 'queue'"),
        ("a; {node: {typ: queue}}", r"node\.typ is no option, did you mean 'type'"),
        ("a; {node: {durable: 1}}", r"node\.durable is True or False, not 1"),
        ("a; {link: {reliabilty: unreliable}}", r"link\.reliabilty is no option, did you mean 'reliability'"),
        ("a; {link: {name: 1}}", r"link\.name is a text"),
        ("a; {link: {reliability: exactly-once}}", "exactly-once is not offered"),
        ("a; {link: {x-bindings: []}}", "is of AMQP 0-10"),
        ("a; {node: {x-declare: {}}}", "is of AMQP 0-10"),
        ("a; {link: {filter: {name: x}}}", "has a name, a descriptor and a value"),
        ("a; {link: {filter: 5}}", "link.filter is a map in braces"),
    ],
)
def test_Q5_Q6_an_option_with_a_typo_names_the_known_ones(text, why):
    for read in (read_source, read_target):
        if "filter" in text and read is read_target:
            why = "are for receivers"
        with pytest.raises(InvalidOption, match=why):
            read(text)
    with pytest.raises(InvalidOption, match="are for receivers"):
        read_target("a; {link: {selector: x}}")
    with pytest.raises(InvalidOption, match="is for receivers"):
        read_target("#; {}")


# -- at a broker --------------------------------------------------------------------------------------------------


def test_Q5_nothing_is_attached_for_an_address_with_a_typo(broker, connection):
    session = connection.session()
    for make in (session.sender, session.receiver):
        with pytest.raises(InvalidOption):
            make("jobs; {crate: always}")
    assert "jobs" not in broker.names()


def test_Q4_unreliable_is_settled_by_the_source_and_by_the_sender(broker, connection):
    session = connection.session()
    for word in ("unreliable", "at-most-once"):
        sender = session.sender("jobs; {link: {reliability: %s}}" % word)
        assert sender.send("x").settled or sender.link.snd_settle_mode == Link.SND_SETTLED
        receiver = session.receiver("jobs; {link: {reliability: %s}}" % word)
        assert receiver.acknowledge_mode is AcknowledgeMode.NONE
        assert receiver.fetch(timeout=PATIENCE).delivery.settled
        receiver.close()
    assert session.receiver("jobs; {link: {reliability: at-least-once}}").link.snd_settle_mode == Link.SND_UNSETTLED


def test_Q5_a_subject_is_that_of_messages_without_one(connection):
    session = connection.session()
    with session.sender("jobs/red; {create: always}") as sender:
        message = Message("x")
        sender.send(message)
        sender.send(Message("y", subject="green"))
        assert sender.subject == "red" and message.subject is None
    receiver = session.receiver("jobs; {}")
    assert [receiver.fetch(timeout=PATIENCE).subject for _ in range(2)] == ["red", "green"]


def test_Q5_Q7_browse_durable_name_and_selector_are_options_of_the_link(broker, connection):
    with connection.session() as session, session.sender("jobs") as sender:
        for colour in ("red", "green"):
            sender.send(Message(colour, properties={"colour": colour}))
    with connection.session() as session:
        browser = session.receiver("jobs; {mode: browse, link: {selector: \"colour = 'green'\"}}")
        assert browser.fetch(timeout=PATIENCE).body == "green"
        with pytest.raises(Empty):
            browser.fetch(timeout=0)
        session.acknowledge()
        assert broker.queue("jobs").depth == 2
        subscription = session.receiver("jobs; {link: {durable: True, name: mine}}")
        assert subscription.link.name == "mine"
        assert subscription.link.source.durability == Terminus.DELIVERIES
    assert read_source("news; {mode: browse, node: {type: topic}}").options[0].__class__.__name__ == "_Capabilities"


def test_Q5_create_type_and_filter_are_wishes_of_the_attach(connection):
    session = connection.session()
    link = "{filter: [{name: x, descriptor: 'a:b', value: 1}]}"
    text = "jobs; {create: receiver, node: {type: queue, durable: True}, link: %s}" % link
    source = session.receiver(text).link.source
    assert [str(one) for one in source.capabilities] == ["queue", "create-on-demand", "durable"]
    assert source.filter["x"].descriptor == "a:b"
    assert [str(one) for one in session.sender("jobs; {create: receiver}").link.target.capabilities] == []


def test_Q5_a_subject_of_a_source_is_a_filter_of_it(connection):
    source = connection.session().receiver("jobs/red.*; {}").link.source
    assert source.filter["subject"].value == "red.*"


def test_Q5_a_node_that_the_peer_names(connection):
    receiver = connection.session().receiver("#; {}")
    fill(connection, receiver.address, "to you")
    assert receiver.fetch(timeout=PATIENCE).body == "to you"


def test_Q5_a_node_that_is_not_there_is_not_found():
    with EmbeddedBroker(auto_create=False) as broker, BlockingConnection(broker.url, timeout=PATIENCE) as connection:
        with pytest.raises(NotFound, match="not-found"):
            connection.session().sender("nowhere; {create: never}")


def test_Q5_a_node_that_is_not_as_asserted(connection):
    session = connection.session()
    with pytest.raises(AssertionFailed, match="does not apply the filter"):
        session.receiver("jobs; {assert: always, link: {filter: {name: x, descriptor: 'no:such', value: 1}}}")
    session.receiver("jobs; {assert: always, mode: browse}").close()
    session.receiver("jobs; {assert: sender, link: {filter: {name: x, descriptor: 'no:such', value: 1}}}")


def test_Q5_a_node_of_another_type_than_asserted(connection):
    session = connection.session()
    session.sender("jobs; {node: {type: queue}}")
    for make in (session.sender, session.receiver):
        with pytest.raises(AssertionFailed, match="'jobs' is a queue, not a topic"):
            make("jobs; {assert: always, node: {type: topic}}")
        with pytest.raises(LinkDetached, match="'jobs' is a queue, not a topic"):
            make("jobs; {node: {type: topic}}")


def test_Q5_what_no_link_can_do_is_in_the_log(connection, caplog):
    connection.session().sender("jobs; {create: always, delete: always}")
    assert "deletes no node" in caplog.text


def test_Q12_the_capacity_of_a_sender_can_be_set(broker, connection):
    sender = connection.session().sender("jobs")
    assert (sender.capacity, sender.available()) == (1000, 1000)
    sender.capacity = 3
    for number in range(10):
        sender.send(number, sync=False)
        assert sender.unsettled() <= 3
    with pytest.raises(ValueError, match="from 1 on"):
        sender.capacity = 0
    eventually(lambda: broker.queue("jobs").depth == 10)
