"""What was asked for in an attach, and the peer's answer lacks: one warning for each link, or its end."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handlers.broker import Broker
from reactor import (
    Copy,
    Described,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    Message,
    Move,
    Selector,
    Terminus,
    symbol,
)
from tests.support.stage import Stage, Witness

FILTERS = {symbol("a\n"): Described(symbol("x"), 1), symbol("b"): Described(symbol("y"), 2)}


def answer(event: Any, **terminus: Any) -> None:
    """The server answers with a source and a target of its own."""
    link = event.link
    link.source.address, link.target.address = link.remote_source.address, link.remote_target.address
    for name, value in terminus.items():
        for end in (link.source, link.target):
            setattr(end, name, value)


def echo(event: Any) -> None:
    """The server answers with what it was asked for, as many do."""
    link = event.link
    link.source.copy(link.remote_source)
    link.target.copy(link.remote_target)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("agreement")]


def attach(server: Any, options: Any = None, strict: bool = False, sends: bool = False, set_up: Any = None) -> Any:
    stage = Stage(server)
    client = Witness()
    container, connection = stage.connect(client)
    if set_up is not None:
        options = [type("SetUp", (), {"apply": staticmethod(set_up)})()]
    create = container.create_sender if sends else container.create_receiver
    link = create(connection, "q", options=options, strict=strict)
    stage.run()
    return stage, client, link


ASKED = [
    (Filter(FILTERS), r"the filter 'a\n', the filter 'b'"),
    (Selector("a = 1"), "the filter 'selector'"),
    (Copy(), "the distribution mode copy"),
    (DurableSubscription(), "the durability 2, the expiry policy never"),
]


@pytest.mark.parametrize("option, words", ASKED)
def test_what_is_not_applied_is_named_once(option: Any, words: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _, client, link = attach(Witness(on_link_opening=answer), option)
    (told,) = warnings(caplog)
    assert words in told and "receiver from q" in told and "server:5672" in told
    assert client.count("on_link_opened") == 1 and client.count("on_link_error") == 0 and link.credit == 10


@pytest.mark.parametrize("option, words", ASKED)
@pytest.mark.parametrize("of_link", [True, False])
def test_strict_closes_the_link_and_tells_both_sides(option: Any, words: str, of_link: bool) -> None:
    option.strict = not of_link
    server = Witness(on_link_opening=answer)
    try:
        _stage, client, _link = attach(server, option, of_link)
    finally:
        option.strict = False
    condition = client.last("on_link_error").link.remote_condition
    assert condition.name == "amqp:not-implemented"
    assert words.split(",")[0] in condition.description
    assert client.count("on_link_closed") == 1 and client.count("on_message") == 0
    told = server.last("on_link_error").link.remote_condition
    assert told.name == "amqp:not-implemented"
    assert told.description.startswith("link ") and "receiver from" not in told.description, "there it is a sender"


@pytest.mark.parametrize("option", [option for option, _ in ASKED] + [Move()])
def test_an_answer_that_repeats_all_is_not_warned_of(option: Any, caplog: pytest.LogCaptureFixture) -> None:
    _, client, _ = attach(Witness(on_link_opening=echo), option, strict=True)
    assert warnings(caplog) == [] and client.count("on_link_error") == 0


def test_strict_of_one_option_says_nothing_of_another(caplog: pytest.LogCaptureFixture) -> None:
    _, client, _ = attach(Witness(on_link_opening=answer), [Copy(strict=False), Move(strict=False)], strict=False)
    assert warnings(caplog) == [], "to move messages is what everybody does"
    both = [Selector("a = 1"), DurableSubscription(strict=True)]
    _, client, _ = attach(Witness(on_link_opening=lambda event: answer(event, durability=2, expiry_policy=3)), both)
    assert client.count("on_link_error") == 0 and "'selector'" in warnings(caplog)[-1]


@pytest.mark.parametrize("sends", [True, False])
def test_the_ordinary_case_does_not_warn(sends: bool, caplog: pytest.LogCaptureFixture) -> None:
    for server in (None, Witness(on_link_opening=echo), Witness(on_link_opening=answer), Broker()):
        if isinstance(server, Broker):
            stage = Stage(Witness())
            stage.host.listen("amqp://broker:5672", handler=server)
            container = stage.container(Witness())
            connection = container.connect("amqp://broker:5672", reconnect=False)
            (container.create_sender if sends else container.create_receiver)(connection, "q", strict=True)
            stage.run()
        else:
            _, client, _ = attach(server, sends=sends, strict=True)
            assert client.count("on_link_error") == 0
    assert warnings(caplog) == []


@pytest.mark.parametrize("sends", [True, False])
def test_capabilities_and_properties_of_the_node(sends: bool, caplog: pytest.LogCaptureFixture) -> None:
    def set_up(link: Any) -> None:
        end = link.target if sends else link.source
        end.capabilities.put_object([symbol("queue"), symbol("topic")])
        end.dynamic, end.address = True, None
        end.properties.put_dict({symbol("x-kept"): 1, symbol("x-lost"): 2})

    def partly(event: Any) -> None:
        answer(event)
        for end in (event.link.source, event.link.target):
            end.capabilities.put_object(symbol("queue"))
            end.properties.put_dict({symbol("x-kept"): 1})
            end.address = "made"

    attach(Witness(on_link_opening=partly), sends=sends, set_up=set_up)
    (told,) = warnings(caplog)
    assert "the capability topic, the property x-lost" in told and "queue" not in told and "x-kept" not in told


def test_properties_are_insisted_on_by_their_option() -> None:
    def set_up(link: Any) -> None:
        link.source.dynamic, link.source.address = True, None
        DynamicNodeProperties({"x": 1}, strict=True).apply(link)

    _, client, _ = attach(Witness(on_link_opening=lambda event: answer(event, address="made")), set_up=set_up)
    assert "the property x" in client.last("on_link_error").link.remote_condition.description


def test_one_warning_however_often_the_link_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(Witness(on_link_opening=answer))
    client = Witness()
    container, connection = stage.connect(client, reconnect=True)
    container.create_receiver(connection, "q", options=Copy())
    stage.run()
    stage.cut()
    stage.run(lambda: client.count("on_connection_reconnected"))
    assert client.count("on_link_opened") == 2 and len(warnings(caplog)) == 1


def test_what_a_peer_asks_for_is_not_ours_to_warn_of(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(Witness(on_link_opening=echo, on_connection_opened=lambda event: ask(event)))

    def ask(event: Any) -> None:
        event.container.create_receiver(event.connection, "q", options=Copy())

    stage.connect(Witness(on_link_opening=echo))
    assert warnings(caplog) == []


def test_messages_that_were_on_their_way_to_a_strict_link_stay_with_the_peer() -> None:
    def send(event: Any) -> None:
        if event.link.is_sender:
            event.sender.send(Message("x"))

    server = Witness(on_link_opening=answer, on_sendable=send)
    _, client, _ = attach(server, Copy(strict=True))
    assert client.count("on_message") == client.count("on_accepted") == server.count("on_accepted") == 0
    assert Terminus.DIST_MODE_COPY == 1


def test_strict_is_a_truth_value() -> None:
    container, connection = Stage().connect()
    for create in (container.create_sender, container.create_receiver):
        with pytest.raises(TypeError, match="strict"):
            create(connection, "q", strict="yes")
