"""Opening, keeping alive and closing a connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.interop.original import Direction
from tests.interop.roles import Players, role
from tests.support.processes import unused_port


def client_and_server(
    client_api: SimpleNamespace, server_api: SimpleNamespace, client: Any = None, **connect_options: Any
) -> tuple[Any, Any]:
    """A client that closes once its connection is open, and a server; both remember what the other said."""

    class Server(role(server_api)):  # type: ignore[misc]
        def on_connection_opened(self, event: Any) -> None:
            self.seen = remote(event.connection)

    class Client(client or role(client_api)):  # type: ignore[misc]
        def on_connection_opened(self, event: Any) -> None:
            self.seen = remote(event.connection)
            if client is None:
                event.connection.close()
            else:
                super().on_connection_opened(event)

    url = f"127.0.0.1:{unused_port()}"
    pair = Client(url, **connect_options), Server(url, listen=True)
    Players(*pair).run()
    return pair


def remote(connection: Any) -> dict[str, Any]:
    return {
        "container": connection.remote_container,
        "hostname": connection.remote_hostname,
        "properties": dict(connection.remote_properties or {}),
        "offered": list(connection.remote_offered_capabilities or []),
        "desired": list(connection.remote_desired_capabilities or []),
    }


def test_what_the_client_says_of_itself(direction: Direction) -> None:
    client_api, server_api = direction
    _, server = client_and_server(
        client_api,
        server_api,
        container_id="me",
        virtual_host="there",
        properties={client_api.symbol("product"): "test", client_api.symbol("number"): 7},
        offered_capabilities=[client_api.symbol("a"), client_api.symbol("b")],
        desired_capabilities=[client_api.symbol("c")],
    )
    assert server.seen == {
        "container": "me",
        "hostname": "there",
        "properties": {"product": "test", "number": 7},
        "offered": ["a", "b"],
        "desired": ["c"],
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"allowed_mechs": "ANONYMOUS"}, {"sasl_enabled": False}],
    ids=["default", "anonymous", "no sasl"],
)
def test_security_layers(direction: Direction, options: dict[str, Any]) -> None:
    client, server = client_and_server(*direction, **options)
    assert client.seen and server.seen


def test_a_connection_closed_with_an_error_tells_why(direction: Direction) -> None:
    client_api, server_api = direction

    class Server(role(server_api)):  # type: ignore[misc]
        def on_connection_opened(self, event: Any) -> None:
            event.connection.condition = server_api.Condition("my:error", "go away")
            event.connection.close()

    class Client(role(client_api)):  # type: ignore[misc]
        def on_connection_error(self, event: Any) -> None:
            condition = event.connection.remote_condition
            self.closed = (condition.name, condition.description)

    url = f"127.0.0.1:{unused_port()}"
    client = Client(url)
    Players(Server(url, listen=True), client).run()
    assert client.closed == ("my:error", "go away")


def quiet(api: SimpleNamespace) -> Any:
    """A client that sends nothing, and closes when so many frames have come by themselves."""

    class Quiet(role(api)):  # type: ignore[misc]
        heartbeats = 5

        def on_connection_opened(self, event: Any) -> None:
            self.connection = event.connection
            self.before = event.connection.transport.frames_input
            self.container.schedule(0.02, self)

        def on_timer_task(self, event: Any) -> None:
            if self.connection.transport.frames_input >= self.before + self.heartbeats:
                self.connection.close()
            else:
                self.container.schedule(0.02, self)

    return Quiet


def test_an_idle_connection_is_kept_alive(direction: Direction) -> None:
    """The client asks for a heartbeat: the server sends empty frames in time, or the client would give up."""
    client_api, server_api = direction
    client, server = client_and_server(client_api, server_api, quiet(client_api), heartbeat=0.4)
    assert client.errors == server.errors == []
