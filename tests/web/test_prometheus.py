"""The metrics, read by prometheus_client, Prometheus's own library for Python; `tox -e web` runs this."""

from __future__ import annotations

import pytest

from handlers.broker import EmbeddedBroker
from tests.broker.test_web import ask, fill

parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client: tox -e web has it")

NAMES = ["jobs", 'a"b\\c\nd', "é \u2028 ü", "{}=,"]


def test_its_parser_reads_all_of_it():
    with EmbeddedBroker(web=True, queues=NAMES, topics=["news"]) as broker:
        for name in NAMES:
            fill(broker, name, 2)
        families = {family.name: family for family in parser.text_string_to_metric_families(ask(broker, "/metrics")[2])}
    depths = {sample.labels["queue"]: sample.value for sample in families["amqp_broker_queue_messages"].samples}
    assert depths == dict.fromkeys(NAMES, 2.0)
    assert families["amqp_broker_queue_messages"].type == "gauge"
    assert families["amqp_broker_enqueued"].type == "counter"  # without _total, which is that of the sample
    assert families["amqp_broker_enqueued"].samples[0].value == 2.0 * len(NAMES)
    assert all(family.type in ("gauge", "counter") and family.documentation for family in families.values())
