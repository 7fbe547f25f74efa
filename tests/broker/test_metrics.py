"""The metrics: the text form of Prometheus, version 0.0.4, and counters that only grow."""

from __future__ import annotations

import re

import pytest

from handlers.broker import EmbeddedBroker
from handlers.broker.nodes.statistics import COUNTERS, BrokerStatistics, NodeStatistics
from handlers.broker.web.metrics import HELP, exposition
from handlers.broker.web.survey import Node, Picture, Survey
from reactor.telemetry import CONTENT_TYPE
from tests.broker.test_web import ask, fill
from tests.support.brokers import BrokerWorld

SAMPLE = re.compile(r'^([a-z_]+)(?:\{([a-z]+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"\})? (\d+)$')
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def read(text):
    """{(name, label value or None): number} of an exposition; AssertionError where it breaks the format."""
    assert text.endswith("\n")
    samples, kinds, helped, group = {}, {}, set(), ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, group, about = line.split(" ", 3)
            assert group not in helped and about
            helped.add(group)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == group and kind in ("gauge", "counter")
            kinds[name] = kind
            assert (kind == "counter") == name.endswith("_total")
        else:
            found = SAMPLE.match(line)
            assert found, line
            name, label, value, number = found.groups()
            assert name == group and name in kinds
            assert label in (None, "version", "queue", "topic")
            plain = None if value is None else re.sub(r"\\[\\\"n]", lambda m: UNESCAPED[m.group()], value)
            assert (name, plain) not in samples
            samples[name, plain] = int(number)
    return samples


def shown(*nodes, dynamic=False):
    numbers = BrokerStatistics(1, 2, 3, 4, 5, 6, 7)
    picture = Picture(numbers, dict.fromkeys(COUNTERS, 9), [Node(node, dynamic, None) for node in nodes], 0.0)
    return "".join(exposition("1.2", picture))


def test_the_numbers_of_the_broker_are_exact():
    assert shown().splitlines()[:6] == [
        "# HELP amqp_broker_info 1, with the version of the program.",
        "# TYPE amqp_broker_info gauge",
        'amqp_broker_info{version="1.2"} 1',
        "# HELP amqp_broker_enqueued_total Messages that came in.",
        "# TYPE amqp_broker_enqueued_total counter",
        "amqp_broker_enqueued_total 9",
    ]
    samples = read(shown())
    assert samples["amqp_broker_refused_total", None] == 6  # the broker's own, not the sum of those of full queues
    assert samples["amqp_broker_bytes", None] == 5 and samples["amqp_broker_internal_errors_total", None] == 7
    assert samples["amqp_broker_enqueued_total", None] == 9


def test_each_node_has_a_sample_in_each_group():
    samples = read(shown(NodeStatistics("jobs", depth=3), NodeStatistics("mail"), NodeStatistics("news", "topic")))
    assert samples["amqp_broker_queue_messages", "jobs"] == 3
    assert samples["amqp_broker_queue_messages", "mail"] == 0
    assert samples["amqp_broker_topic_enqueued_total", "news"] == 0
    assert ("amqp_broker_queue_messages", "news") not in samples


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", 'a\\"\n\\n"', "é\u2028{}=,", "\r\x00"])
def test_a_label_is_escaped(name):
    assert read(shown(NodeStatistics(name, depth=1)))["amqp_broker_queue_messages", name] == 1


def test_dynamic_nodes_have_no_samples_of_their_own():
    assert "queue=" not in shown(NodeStatistics("a1b2c3"), dynamic=True)


def test_the_first_nodes_alone_have_samples_of_their_own_and_the_others_are_counted():
    nodes = [Node(NodeStatistics(f"q{number}"), False, None) for number in (3, 1, 2)]
    picture = Picture(BrokerStatistics(1, 2, 3, 4, 5, 6, 7), dict.fromkeys(COUNTERS, 9), nodes, 0.0)
    samples = read("".join(exposition("1.2", picture, 2)))
    listed = [label for name, label in samples if name == "amqp_broker_queue_messages"]
    assert listed == ["q3", "q1"] and samples["amqp_broker_nodes_left_out", None] == 1
    assert samples["amqp_broker_enqueued_total", None] == 9  # of all
    assert read("".join(exposition("1.2", picture)))["amqp_broker_nodes_left_out", None] == 0


def test_the_option_bounds_them():
    with EmbeddedBroker(web=True, metrics_nodes=1, queues=["a", "b"]) as broker:
        samples = read(ask(broker, "/metrics")[2])
        assert ("amqp_broker_queue_messages", "a") in samples and ("amqp_broker_queue_messages", "b") not in samples
        assert samples["amqp_broker_nodes_left_out", None] == 1 and samples["amqp_broker_nodes", None] == 2


def test_transactions_are_counted():
    numbers = BrokerStatistics(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
    samples = read("".join(exposition("1.2", Picture(numbers, dict.fromkeys(COUNTERS, 0), [], 0.0))))
    names = ("transactions", "transactions_committed_total", "transactions_rolled_back_total",
             "transactions_timed_out_total")  # fmt: skip
    assert [samples[f"amqp_broker_{name}", None] for name in names] == [8, 9, 10, 11]


def test_every_counter_is_explained():
    assert set(COUNTERS) <= set(HELP)


def test_they_are_at_metrics():
    with EmbeddedBroker(web=True, topics=["news"]) as broker:
        fill(broker, "jobs", 3)
        status, headers, text = ask(broker, "/metrics")
        assert (status, headers["Content-Type"]) == (200, CONTENT_TYPE)
        samples = read(text)
        assert samples["amqp_broker_queue_messages", "jobs"] == 3
        assert samples["amqp_broker_queue_enqueued_total", "jobs"] == 3 == samples["amqp_broker_enqueued_total", None]
        assert samples["amqp_broker_nodes", None] == 2


class Here:
    """A bridge in one thread."""

    def ask(self, function, *arguments):
        return function(*arguments)


def counters(survey):
    return survey.take().counters


def test_counters_of_the_broker_do_not_fall_when_a_node_goes():
    world = BrokerWorld()
    survey = Survey(world.broker, Here())
    client = world.client()
    client.send("jobs", "a", "b")
    receiver = client.receiver("jobs", credit=1)
    client.inbox.pop().settle()
    world.quiet()
    before = counters(survey)
    assert (before["enqueued"], before["acknowledged"]) == (2, 1)
    receiver.close()
    world.quiet()
    world.broker.actions.delete("jobs")
    assert counters(survey) == before and survey.take().nodes == []
    client.send("jobs", "c")
    assert counters(survey)["enqueued"] == 3


def test_counters_of_a_topic_do_not_fall_when_a_subscription_ends():
    world = BrokerWorld(topics=["news"])
    client = world.client()
    receiver = client.receiver("news", credit=5)
    client.send("news", "a", "b")
    for received in client.inbox:
        received.settle()
    world.quiet()
    before = world.broker.statistics("news")
    assert (before.enqueued, before.acknowledged) == (2, 2)
    receiver.close()
    world.quiet()
    after = world.broker.statistics("news")
    assert (after.enqueued, after.acknowledged, after.consumers) == (2, 2, 0)


def test_a_node_that_goes_while_the_picture_is_taken_makes_no_counter_fall():
    world = BrokerWorld()
    world.client().send("jobs", "a", "b")

    class Late(Here):
        def ask(self, function, *arguments):
            result = function(*arguments)
            world.broker.directory.records.pop("jobs", None)  # as if it went, and was not counted yet
            return result

    first = counters(Survey(world.broker, Here()))
    survey = Survey(world.broker, Here())
    assert counters(survey) == first
    survey._bridge = Late()
    assert counters(survey)["enqueued"] == first["enqueued"] == 2
