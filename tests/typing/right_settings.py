# pyright: strict
"""A right program: what connections, listeners and links can be told."""

from typing import Any, Optional

from typing_extensions import assert_type

from handlers import MessagingHandler
from reactor import (
    SSL,
    Acceptor,
    ApplicationEvent,
    AtLeastOnce,
    Backoff,
    Connection,
    Container,
    Copy,
    Event,
    EventInjector,
    Filter,
    Leftover,
    Limits,
    Link,
    LinkOption,
    Prefetch,
    Receiver,
    ScramSecret,
    Selector,
    Sender,
    SenderOption,
    SSLDomain,
    Url,
    symbol,
)


class Priority(SenderOption):
    """An option of the application's own."""

    def apply(self, sender: Sender) -> None:
        sender.properties = {symbol("priority"): 5}


class Named(LinkOption):
    def apply(self, link: Link) -> None:
        link.target.capabilities.put_object(symbol("queue"))


def rescue(error: Exception, event: Optional[Event]) -> bool:
    return event is not None and event.delivery.partial


def credentials(mechanism: str, user: str) -> Optional[ScramSecret]:
    return None


def authenticate(mechanism: str, user: str, password: str) -> bool:
    return user == password


class Server(MessagingHandler):
    def on_start(self, event: Event) -> None:
        domain = SSLDomain(SSLDomain.MODE_SERVER)
        domain.set_credentials("cert.pem", "key.pem", None)
        acceptor = event.container.listen("amqps://127.0.0.1:0", domain, authenticator=authenticate)
        assert_type(acceptor, Acceptor)
        assert_type(acceptor.port, int)
        event.container.listen(
            Url("amqp://127.0.0.1:0"), handler=self, credentials=credentials, allowed_mechs="PLAIN", limits=Limits()
        )
        connection = event.container.connect(
            urls=["amqp://one", Url("amqp://two")],
            reconnect=Backoff(initial=0.1, factor=2, max_delay=10, max_tries=5),
            allowed_mechs=["PLAIN", "SCRAM-SHA-256"],
            offered_capabilities=["a", "b"],
            desired_capabilities=symbol("c"),
            properties={"product": "x", symbol("version"): 1},
            connect_timeout=5,
            limits=Limits(max_links=5),
        )
        assert_type(connection, Connection)
        event.container.connect("amqp://one,amqp://two", reconnect=[0.1, 1, 10])
        event.container.connect("amqp://one", reconnect=False, virtual_host="", sni="one")
        container = event.container
        sender = container.create_sender(connection, "queue", options=[AtLeastOnce(), Priority(), Named()], resend=True)
        container.create_sender(connection, None, tags=iter(["one", "two"]), handler=self, send_timeout=5)
        container.create_sender("amqp://one/queue", tags=lambda: b"tag")
        container.create_receiver(connection, "queue", options=Selector("weight > 5"), max_unsettled=5, strict=True)
        receiver = container.create_receiver(sender.session, "queue", options=(Copy(), Prefetch(5), Filter({})))
        assert_type(receiver, Receiver)
        assert_type(receiver.prefetch, Optional[int])
        receiver.prefetch = 5
        receiver.max_unsettled = None
        some: dict[str, Any] = {"name": "link"}
        container.create_receiver(connection, "queue", **some)
        if connection.transport is not None:
            assert_type(connection.transport.ssl(), SSL)
            connection.transport.idle_timeout = 5
        container.call_soon_threadsafe(print, "called")

    def on_job_done(self, event: ApplicationEvent) -> None:
        assert_type(event.container, Container)
        assert_type(event.connection, Optional[Connection])
        print(event.subject)
        event.container.stop()

    def on_connection_opening(self, event: Event) -> None:
        event.connection.properties = {"product": "server"}
        event.connection.condition = None
        event.connection.close()


with Container(Server(), raise_errors=True) as container:
    injector = EventInjector()
    assert_type(container.selectable(injector), EventInjector)
    container.selectable(Server(), delegate=open("fifo")).update()
    container.rescue = rescue
    injector.trigger(ApplicationEvent("job_done", subject=5))
    container.user = "guest"
    container.allowed_mechs = "PLAIN"
    container.run()
    assert_type(container.stop(drain=5), Leftover)
