"""Connections that are kept: attempts and their delays, failover, being sent elsewhere, and when it is given up.

What comes back over another wire is in test_container_recovery.py.
"""

from __future__ import annotations

import random
from typing import Any, Callable

import pytest

from reactor import Backoff, Condition, Container, Endpoint, Message, symbol
from reactor.container.reconnect.redirects import MAX_REDIRECTS
from reactor.errors import CONNECTION_FORCED, CONNECTION_REDIRECT, IO_ERROR, NOT_ALLOWED, TIMED_OUT
from tests.support.stage import Stage, Witness

NOBODY = "amqp://server:7777"  #: where nobody listens
FAILED = ["on_transport_error", "on_transport_tail_closed", "on_transport_head_closed", "on_transport_closed"]
LOST = [*FAILED, "on_disconnected"]


class Kept(Witness):
    """A client that notes when each of its attempts failed, and why."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(on_transport_error=self.note)
        self.stage = stage
        self.start = stage.clock.now()
        self.failures: list[tuple[float, Condition]] = []

    def note(self, event: Any) -> None:
        self.failures.append((round(self.stage.clock.now() - self.start, 6), event.transport.condition))

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.failures]

    @property
    def reasons(self) -> list[str]:
        return ["%s: %s" % (condition.name, condition.description) for _, condition in self.failures]


def connect(stage: Stage, url: Any = NOBODY, **options: Any) -> tuple[Kept, Container, Any]:
    client = Kept(stage)
    container = stage.container(client)
    return client, container, container.connect(url, **options)


def over(stage: Stage, container: Container) -> Callable[[], bool]:
    """Whether the container has nothing left to do."""
    return lambda: container not in stage.stepper.containers


# -- attempts and delays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"reconnect": None}, {"reconnect": True}])
def test_an_attempt_that_fails_is_made_again_without_being_asked(options: Any) -> None:
    stage = Stage()
    client, _, connection = connect(stage, **options)
    stage.run(lambda: len(client.failures) == 12)
    pauses = [b - a for a, b in zip(client.times, client.times[1:])]
    for pause, longest in zip(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10, 10]):
        assert longest / 2 <= pause + 1e-6 and pause <= longest + 1e-6
    assert client.times[0] == 0
    assert client.told[1:] == FAILED * 11 + FAILED[: len(client.told) - 1 - 44]
    assert connection.state & Endpoint.LOCAL_ACTIVE


def test_a_server_that_comes_late_is_found() -> None:
    stage = Stage()
    stage.acceptor.close()
    client, container, connection = connect(stage, stage.url)
    sent = container.create_sender(connection, "q").send(Message("patient"))
    stage.run(lambda: len(client.failures) == 5)
    stage.come_back()
    stage.run(lambda: client.count("on_accepted"))
    assert client.last("on_accepted").delivery is sent
    assert client.count("on_disconnected") == client.count("on_in_doubt") == 0
    assert client.count("on_connection_reconnected") == 0, "it was never lost"


def test_chance_comes_from_the_container_s_random_source() -> None:
    def times(seed: int) -> list[float]:
        stage = Stage()
        client = Kept(stage)
        node = stage.network.node()
        container = Container(client, clock=stage.clock, network=node, random=random.Random(seed))
        stage.stepper.add(container)
        container.connect(NOBODY)
        stage.run(lambda: len(client.failures) == 6)
        return client.times

    assert times(1) == times(1) != times(2)


def test_a_list_is_taken_as_it_stands_and_then_it_is_given_up() -> None:
    stage = Stage()
    client, container, connection = connect(stage, reconnect=[1, 2, 4])
    sent = container.create_sender(connection, "q").send(Message("x"))
    stage.run(over(stage, container))
    assert client.times == [0, 1, 3, 7]
    end = ["on_disconnected", "on_connection_error", "on_connection_closed"]
    assert client.told[1:] == [*FAILED * 3, FAILED[0], "on_in_doubt", *FAILED[1:], *end]
    condition = client.last("on_connection_error").connection.remote_condition
    assert condition.name == IO_ERROR
    assert "given up after 4 attempts" in condition.description and "refused" in condition.description
    assert connection.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
    assert client.last("on_in_doubt").delivery is sent


def test_a_backoff_tries_so_many_times() -> None:
    stage = Stage()
    backoff = Backoff(initial=1, factor=3, max_tries=4, jitter=0)
    client, container, _ = connect(stage, reconnect=backoff)
    stage.run(over(stage, container))
    assert client.times == [0, 1, 4, 13], "the first of its delays is 0, and has been had"
    client, container, _ = connect(stage, stage.url, reconnect=backoff)
    stage.run()
    stage.clock.advance(100)
    stage.leave()
    stage.run(over(stage, container))
    assert client.times == [100, 100, 101, 104, 113], "the loss, then all of them"
    assert client.told[-2:] == ["on_connection_error", "on_connection_closed"]
    assert client.count("on_disconnected") == 1


def test_a_backoff_goes_on_for_so_long() -> None:
    stage = Stage()
    backoff = Backoff(initial=1, factor=2, jitter=0, max_time=20)
    client, container, _ = connect(stage, stage.url, reconnect=backoff)
    stage.run()
    stage.acceptor.close()
    stage.clock.advance(100)
    stage.cut()
    stage.run(over(stage, container))
    assert client.times == [100, 100, 101, 103, 107, 115]
    assert client.told[-2:] == ["on_connection_error", "on_connection_closed"]


class Own:
    """Delays of an application's own, as the original takes them."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.delay = 0.0

    def reset(self) -> None:
        self.log.append("reset")
        self.delay = 0.0

    def next(self) -> float:
        self.delay += 1.0
        self.log.append(self.delay)
        return self.delay


def test_an_object_with_next_is_asked_for_each_delay_and_reset_when_the_connection_is_open() -> None:
    stage = Stage()
    own = Own()
    client, _, _ = connect(stage, stage.url, reconnect=own)
    stage.acceptor.close()
    stage.run(lambda: len(client.failures) == 3)
    assert client.times == [0, 1, 3]
    assert own.log[0] == "reset"
    stage.come_back()
    stage.run(lambda: client.count("on_connection_opened"))
    assert own.log.count("reset") == 2 and own.log[-2:] == ["reset", 1.0]
    stage.cut()
    before = stage.clock.now()
    stage.run(lambda: client.count("on_connection_opened") == 2)
    assert stage.clock.now() == before + 1


def test_an_object_whose_delays_end_gives_up() -> None:
    class Ends:
        def __init__(self) -> None:
            self.left = [1.0, 2.0]

        def next(self) -> Any:
            return self.left.pop(0) if self.left else None

    stage = Stage()
    client, container, _ = connect(stage, reconnect=Ends())
    stage.run(over(stage, container))
    assert client.times == [0, 1, 3]


def test_a_peer_that_lets_everybody_in_and_throws_them_out_is_not_called_in_a_hurry() -> None:
    stage = Stage(Witness(on_connection_opened=lambda event: throw_out(event.connection)))

    def throw_out(connection: Any) -> None:
        connection.condition = Condition(CONNECTION_FORCED, "too many")
        connection.close()

    client, _, _ = connect(stage, stage.url)
    start = stage.clock.now()
    stage.run(lambda: client.count("on_connection_opened") == 12)
    assert stage.clock.now() - start > 20


def test_after_a_while_the_delays_begin_anew() -> None:
    stage = Stage()
    client, _, _ = connect(stage, stage.url)
    for number in range(1, 6):
        stage.run(lambda number=number: client.count("on_connection_opened") == number)
        stage.clock.advance(60)
        before = stage.clock.now()
        stage.cut()
    stage.run(lambda: client.count("on_connection_opened") == 6)
    assert stage.clock.now() == before


def test_without_reconnect_every_address_is_tried_once() -> None:
    stage = Stage()
    client = Kept(stage)
    container = stage.container(client)
    connection = container.connect(urls=[NOBODY, NOBODY], reconnect=False)
    stage.run(over(stage, container))
    assert client.times == [0, 0]
    assert client.told[1:] == FAILED + LOST
    assert connection.state & Endpoint.LOCAL_CLOSED


def test_a_connection_that_is_closed_while_it_waits_is_not_tried_again_and_the_container_ends() -> None:
    stage = Stage()
    client, container, connection = connect(stage, reconnect=[10])
    sent = container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    connection.close()
    start = stage.clock.now()
    stage.run(over(stage, container))
    assert stage.clock.now() == start
    assert len(client.failures) == 1
    assert client.last("on_in_doubt").delivery is sent


def test_stopping_ends_the_attempts() -> None:
    stage = Stage()
    client, container, _ = connect(stage)
    stage.run(lambda: len(client.failures) == 3)
    container.stop()
    stage.run(over(stage, container))
    assert len(client.failures) == 3 and not container.loop.busy


# -- failover ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"urls": [NOBODY, Stage.url]},
        {"url": "amqp://server:7777,amqp://server:5672"},
        {"url": "server:7777, server:5672"},
        {"address": "amqp://server:7777,server:5672"},
    ],
)
def test_J1_Q16_every_address_is_tried_after_each_delay(given: Any) -> None:
    stage = Stage()
    client = Kept(stage)
    connection = stage.container(client).connect(**given, reconnect=[0, 3])
    stage.run()
    assert len(client.failures) == 1
    assert connection.connected_address.endswith("server:5672")
    stage.leave()
    stage.run()
    stage.come_back()
    stage.run(lambda: client.count("on_connection_opened") == 2)
    assert client.times == [0, 0, 0, 0, 3], "the first address; the loss, both; and the first again"
    assert connection.connected_address.endswith("server:5672")


def test_a_name_that_cannot_be_looked_up_is_an_attempt_that_failed() -> None:
    stage = Stage()
    stage.network.fail_lookup("server")
    client, _, _ = connect(stage, stage.url)
    stage.run(lambda: len(client.failures) == 3)
    assert all(IO_ERROR in reason and "server" in reason for reason in client.reasons)
    stage.network.fail_lookup("server", False)
    stage.run(lambda: client.count("on_connection_opened"))


@pytest.mark.parametrize(
    ("trouble", "absent"), [("refused", True), ("silent", True), ("unknown", False), ("lost", False)]
)
def test_a_container_knows_whether_an_address_has_answered(trouble: str, absent: bool) -> None:
    found: list[bool] = []
    stage = Stage()
    if trouble == "silent":
        stage.network.silence("server")
    elif trouble == "unknown":
        stage.network.fail_lookup("server")
    elif trouble == "refused":
        stage.acceptor.close()
    client = Witness(on_transport_error=lambda event: found.append(event.container.found_no_peer(event.connection)))
    container, connection = stage.connect(client, connect_timeout=5)
    stage.cut()
    stage.run(lambda: found)
    assert found == [absent]
    stage.run()
    assert not container.found_no_peer(connection), "it has ended"


# -- deadlines of an attempt -------------------------------------------------------------------------------


def test_a_peer_that_does_not_answer_is_given_so_much_time() -> None:
    stage = Stage()
    stage.network.silence("server")
    client, _, _ = connect(stage, stage.url, connect_timeout=5, reconnect=[1])
    stage.run(lambda: len(client.failures) == 2)
    assert client.times == [5, 11]
    assert client.reasons[0] == IO_ERROR + ": cannot connect to server:5672: timed out after 5 s"


def test_J18_a_peer_that_does_not_open_is_given_so_much_time() -> None:
    stage = Stage()
    stage.stepper.containers.remove(stage.host)  # its system lets us in, and that is all
    client, container, _ = connect(stage, stage.url, open_timeout=7, reconnect=False)
    stage.run(over(stage, container))
    assert client.times == [7]
    assert client.reasons == [TIMED_OUT + ": server:5672 has not opened the connection within 7 s"]
    assert client.told[1:] == LOST


def test_the_container_says_how_long_where_the_call_does_not() -> None:
    stage = Stage()
    stage.network.silence("server")
    client = Kept(stage)
    container = stage.container(client)
    assert (container.connect_timeout, container.open_timeout) == (15, 30)
    container.connect_timeout = 3
    container.connect(stage.url, reconnect=False)
    stage.run(over(stage, container))
    container = stage.container(client)
    container.connect_timeout = container.open_timeout = None
    container.connect(stage.url, reconnect=False)
    stage.run()
    assert client.times == [3]


def test_a_connection_that_is_open_in_time_is_left_alone() -> None:
    stage = Stage()
    client, container, _ = connect(stage, stage.url, connect_timeout=5, open_timeout=5)
    done: list[Any] = []

    class Later:
        def on_timer_task(self, event: Any) -> None:
            done.append(event)

    container.schedule(60, Later())
    stage.run(lambda: done)
    assert client.failures == [] and client.count("on_connection_opened") == 1


# -- peers that close --------------------------------------------------------------------------------------


def close(stage: Stage, name: Any, **info: Any) -> None:
    """The server closes the client's connection."""
    theirs = stage.server.last("on_connection_opened").connection
    if name is not None:
        theirs.condition = Condition(name, "because", {symbol(key.replace("_", "-")): info[key] for key in info})
    theirs.close()


def test_a_peer_that_closes_by_force_is_left_and_found_again() -> None:
    stage = Stage()
    client, _, _ = connect(stage, stage.url)
    stage.run()
    close(stage, CONNECTION_FORCED)
    stage.run(lambda: client.count("on_connection_reconnected"))
    assert client.count("on_connection_error") == client.count("on_connection_closed") == 0
    assert client.failures == []
    assert client.count("on_disconnected") == 1
    assert stage.server.count("on_connection_closed") == 1, "its close was answered"
    assert stage.server.count("on_transport_error") == 0


@pytest.mark.parametrize("name", [None, NOT_ALLOWED])
def test_a_peer_that_closes_for_another_reason_is_not_called_again(name: Any) -> None:
    stage = Stage()
    client, container, _ = connect(stage, stage.url)
    stage.run()
    close(stage, name)
    stage.run(over(stage, container))
    assert client.count("on_connection_opened") == client.count("on_connection_closed") == 1
    assert client.count("on_connection_error") == (1 if name else 0)
    assert client.count("on_disconnected") == 0
    assert stage.server.count("on_connection_opened") == 1


class Elsewhere(Stage):
    """Two servers, of which the first sends its clients to the second."""

    def __init__(self, **info: Any) -> None:
        super().__init__(Witness(on_connection_opened=lambda event: self.send_away(event.connection)))
        self.info = info
        self.other = Witness()
        self.container(self.other).listen("amqp://other:6000")

    def send_away(self, connection: Any) -> None:
        info = {symbol(key.replace("_", "-")): value for key, value in self.info.items()}
        connection.condition = Condition(CONNECTION_REDIRECT, "not here", info)
        connection.close()


def test_a_client_goes_where_it_is_sent() -> None:
    stage = Elsewhere(network_host="other", hostname="shop.example", port=6000)
    client, container, connection = connect(stage, stage.url)
    sender = container.create_sender(connection, "q")
    sent = sender.send(Message("x"))
    start = stage.clock.now()
    stage.run(lambda: client.count("on_accepted"))
    assert stage.clock.now() == start
    assert client.last("on_accepted").delivery is sent
    assert client.count("on_connection_error") == client.count("on_connection_closed") == 0
    assert connection.connected_address == "amqp://other:6000"
    assert stage.other.last("on_connection_opened").connection.remote_hostname == "shop.example"


def test_what_the_application_asked_for_goes_before_what_it_is_sent_to() -> None:
    stage = Elsewhere(network_host="other", hostname="shop.example", port=6000)
    connect(stage, stage.url, virtual_host="mine")
    stage.run(lambda: stage.other.count("on_connection_opened"))
    assert stage.other.last("on_connection_opened").connection.remote_hostname == "mine"


def test_a_loss_there_leads_back_to_where_it_began() -> None:
    stage = Elsewhere(network_host="other", port=6000)
    connect(stage, stage.url)
    stage.run(lambda: stage.other.count("on_connection_opened"))
    stage.clock.advance(60)
    stage.cut()
    stage.run(lambda: stage.other.count("on_connection_opened") == 2)
    assert stage.server.count("on_connection_opened") == 2


def test_whoever_is_sent_round_in_circles_gives_up() -> None:
    stage = Elsewhere(network_host="server", port=5672)
    client, container, _ = connect(stage, stage.url)
    stage.run(over(stage, container))
    assert client.count("on_connection_opened") == MAX_REDIRECTS + 1
    assert client.last("on_connection_error").connection.remote_condition.name == CONNECTION_REDIRECT
    assert client.count("on_connection_closed") == 1


@pytest.mark.parametrize("info", [{}, {"network_host": 7}, {"network_host": "other", "port": "http"}])
def test_a_redirect_that_leads_nowhere_is_an_error(info: Any) -> None:
    stage = Elsewhere(**info)
    client, container, _ = connect(stage, stage.url)
    stage.run(over(stage, container))
    assert client.last("on_connection_error").connection.remote_condition.name == CONNECTION_REDIRECT


def test_without_reconnect_a_redirect_is_for_the_application_to_follow() -> None:
    stage = Elsewhere(network_host="other", port=6000)
    client, container, _ = connect(stage, stage.url, reconnect=False)
    stage.run(over(stage, container))
    condition = client.last("on_connection_error").connection.remote_condition
    assert condition.info == {"network-host": "other", "port": 6000}
    assert stage.other.count("on_connection_opened") == 0


# -- what another attempt would only meet again --------------------------------------------------------------


class Guarded(Stage):
    """A stage whose server lets in those who know the password."""

    def __init__(self) -> None:
        super().__init__()
        self.acceptor.close()
        self.asked: list[str] = []
        self.acceptor = self.host.listen(self.url, authenticator=self.check, allowed_mechs="PLAIN")

    def check(self, mechanism: str, user: str, password: str) -> bool:
        self.asked.append(password)
        return password == "right"


@pytest.mark.parametrize("with_default", [True, False])
def test_a_wrong_password_stops_the_attempts(with_default: bool) -> None:
    stage = Guarded()
    client = Kept(stage)
    if with_default:
        client = Witness()  # type: ignore[assignment]
    container = stage.container(client)
    container.connect("amqp://kim:wrong@server", allow_insecure_mechs=True)
    stage.run(over(stage, container))
    assert stage.asked == ["wrong"]
    assert client.count("on_transport_error") == 1
    assert client.count("on_connection_error") == (0 if with_default else 1)


# -- closed while nobody is there --------------------------------------------------------------------------


def closed_at_once(stage: Stage, client: Witness, connection: Any) -> None:
    """Before the container has run."""


def closed_before_it_was_ever_open(stage: Stage, client: Witness, connection: Any) -> None:
    stage.acceptor.close()
    stage.run(lambda: client.count("on_transport_error") == 3 and connection.transport is None)


def closed_between_two_wires(stage: Stage, client: Witness, connection: Any) -> None:
    stage.run(lambda: client.count("on_connection_opened"))
    stage.leave()
    stage.run(lambda: connection.transport is None)


def cut_before_the_answer(stage: Stage, client: Witness, connection: Any) -> None:
    stage.run(lambda: client.count("on_connection_opened"))
    stage.leave()


@pytest.mark.parametrize(
    "when", [closed_at_once, closed_before_it_was_ever_open, closed_between_two_wires, cut_before_the_answer]
)
def test_who_closes_a_connection_is_told_that_it_is_closed_although_nobody_answers(when: Any) -> None:
    stage = Stage()
    client, container, connection = connect(stage, Stage.url)
    when(stage, client, connection)
    connection.close()
    stage.run(over(stage, container))
    assert client.count("on_connection_closed") == 1
    assert client.count("on_connection_error") == 0
    assert connection.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


# -- what is logged ----------------------------------------------------------------------------------------


def test_a_peer_that_is_not_there_is_logged_as_an_error_once_each_time_it_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    stage.acceptor.close()
    connection = container.connect(stage.url)

    def errors() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "WARNING")]

    stage.run(lambda: client.count("on_transport_error") == 6)
    assert len(errors()) == 1 and "refused" in errors()[0]
    stage.come_back()
    stage.run(lambda: client.count("on_connection_opened"))
    stage.leave()
    stage.run(lambda: client.count("on_transport_error") == 13)
    ours = [text for text in errors() if "127.0.0.1:49" not in text]  # the server tells of its own loss
    assert len(ours) == 2
    connection.close()


def test_a_close_by_force_is_logged_as_a_warning_once_unless_somebody_else_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for client, times in ((Witness(), 1), (Witness(on_disconnected=lambda event: None), 0)):
        stage = Stage()
        caplog.clear()
        stage.connect(client, reconnect=True)
        end = stage.server.last("on_connection_opened").connection
        end.condition = Condition(CONNECTION_FORCED, "we close for the night")
        end.close()
        stage.run(lambda client=client: client.count("on_connection_reconnected"))
        told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert [text for text in told if "we close for the night" in text] == told and len(told) == times
        assert client.count("on_disconnected") == 1
