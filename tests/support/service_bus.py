"""A stand-in of Azure Service Bus: its habits that clients have to live with, each with the public source of it.

It is a program on the public API, for worlds with virtual time and for loopback. No Azure was at hand: what stands here
is what the documents say. They are, by number:

[1] AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide,
    https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide
[2] AMQP request/response operations,
    https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-request-response
[3] AMQP errors in Azure Service Bus,
    https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-troubleshoot
[4] Shared access signatures,
    https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-sas
[5] azure-sdk-for-python, sdk/servicebus/azure-servicebus/azure/servicebus (package azure-servicebus 7.15.0)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Optional
from urllib.parse import parse_qs, quote

from handlers import MessagingHandler
from reactor import Condition, Endpoint, Message

#: Seconds without traffic after which a link is detached [3, "Link is closed"].
IDLE = 600.0
#: Seconds within which a connection has to bring a token [1, "Claims-based authorization"].
FIRST_TOKEN = 20.0


class Tokens(MessagingHandler):
    """The node $cbs of one bus.

    taken: (audience, type, expiration) of each token that was accepted. refuse: called with (audience, token), returns
    (status, description) for a refusal; None (default) accepts what is signed and not over. mute: it does not answer.
    """

    def __init__(self, bus: ServiceBus) -> None:
        super().__init__(prefetch=100)
        self.bus = bus
        self.taken: list[tuple[str, str, float]] = []
        self.links: list[int] = []
        self.refuse: Any = None
        self.mute = False
        self.asked = 0

    def on_message(self, event: Any) -> None:
        self.asked += 1
        request = event.message
        asked = request.properties
        assert asked["operation"] == "put-token" and isinstance(request.body, str)
        audience, token = asked["name"], request.body
        today = event.container.today()
        refusal = self.refuse and self.refuse(audience, token)
        end = 0.0
        if not refusal:
            refusal, end = self._examined(asked["type"], audience, token, today)
        if not refusal:
            self.taken.append((audience, asked["type"], end))
            self.bus.authorize(event.connection, audience, end)
        if self.mute:
            return
        status, description = refusal or (202, "Accepted")
        # The names of the properties have hyphens here [1].
        said = {"status-code": status, "status-description": description}
        reply = Message(None, correlation_id=request.id, properties=said)
        self.bus.reply(event.connection, request.reply_to, reply)

    def _examined(self, kind: str, audience: str, token: str, today: float) -> tuple[Any, float]:
        """(None or (status, description), the end of the token)."""
        if kind == "jwt":  # [5, _common/constants.py, TOKEN_TYPE_JWT]
            end = self.bus.jwts.get(token, 0.0)
        elif kind == "servicebus.windows.net:sastoken":  # [1]
            fields = {name: values[0] for name, values in parse_qs(token.partition(" ")[2]).items()}
            end = float(fields["se"])
            key = self.bus.keys.get(fields["skn"], "")
            # The string to sign is the encoded resource, a line feed, and the end [4].
            signed = "%s\n%s" % (quote(fields["sr"], safe=""), fields["se"])
            digest = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
            if base64.b64encode(digest).decode() != fields["sig"]:
                return (401, "InvalidSignature: The token has an invalid signature."), 0.0
            if not audience.startswith(fields["sr"]):  # good for all below the resource [4]
                return (401, "InvalidAudience"), 0.0
        else:
            return (400, "unknown type of token"), 0.0
        if end <= today:
            return (401, "ExpiredToken"), 0.0
        return None, end


class ServiceBus(MessagingHandler):
    """One namespace.

    url: where it listens. keys: the keys of its policies by name. jwts: the ends of the JWT that it knows, by token.
    idle: seconds without traffic until a link is detached; None for never.

    authorized: by connection and audience, the end of the token. queues: the messages of each entity.
    """

    def __init__(self, url: str = "amqp://bus:5672", idle: Optional[float] = IDLE) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self.url = url
        self.idle = idle
        self.keys: dict[str, str] = {}
        self.jwts: dict[str, float] = {}
        self.tokens = Tokens(self)
        self.authorized: dict[Any, dict[str, float]] = {}
        self.replies: dict[tuple[Any, str], Any] = {}
        self.queues: dict[str, list[Any]] = {}
        self.detached: list[str] = []
        self.attached: list[str] = []
        self.dropped: list[str] = []
        self.busy: dict[Any, float] = {}  # by link: when it was used last
        self.cbs_pairs = 0

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.acceptor = self.container.listen(self.url)

    # -- tokens ------------------------------------------------------------------------------------------

    def on_connection_opened(self, event: Any) -> None:
        connection = event.connection
        self.authorized[connection] = {}

        def look() -> None:
            if not self.authorized.get(connection, True) and connection.state & Endpoint.LOCAL_ACTIVE:
                # "otherwise the connection is unilaterally dropped" [1]
                connection.condition = Condition("amqp:unauthorized-access", "no token within 20 s")
                self.dropped.append("no token")
                connection.close()

        self.later(FIRST_TOKEN, look)

    def later(self, seconds: float, call: Any) -> None:
        class Alarm:
            def on_timer_task(self, event: Any) -> None:
                call()

        self.container.schedule(seconds, Alarm())

    def authorize(self, connection: Any, audience: str, end: float) -> None:
        granted = self.authorized[connection]
        granted[audience] = end

        def expire() -> None:
            if self.authorized.get(connection, {}).get(audience) != end:
                return
            del granted[audience]
            # "When a token expires, Service Bus promptly drops all links ... to the respective entity" [1]
            for link in list(connection.links(Endpoint.LOCAL_ACTIVE)):
                if not self._may(connection, entity_of(link)):
                    self.detach(link, "amqp:unauthorized-access", "ExpiredToken: the token has expired")

        self.later(max(0.0, end - self.container.today()), expire)

    def _may(self, connection: Any, address: str) -> bool:
        place = "/" + address
        granted = self.authorized.get(connection, {})
        return address == "$cbs" or any(
            (place + "/").startswith("/" + audience.partition("://")[2].partition("/")[2].rstrip("/") + "/")
            or not audience.partition("://")[2].partition("/")[2]
            for audience in granted
        )

    def reply(self, connection: Any, address: str, message: Message) -> None:
        self.replies[connection, address].send(message)

    # -- links -------------------------------------------------------------------------------------------

    def on_link_opening(self, event: Any) -> None:
        link = event.link
        address = entity_of(link)
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        self.attached.append(address)
        if address == "$cbs":
            link.handler = self.tokens
            if link.is_sender:
                self.cbs_pairs += 1
                self.replies[event.connection, link.remote_target.address] = link
            link.open()
            self.use(link)
            return
        link.open()
        if not self._may(event.connection, address):
            text = "Unauthorized access. '%s' claim(s) are required" % ("Listen" if link.is_sender else "Send")
            self.detach(link, "amqp:unauthorized-access", text)
            return
        if link.is_receiver:
            link.flow(100)
        self.use(link)

    def use(self, link: Any) -> None:
        """A link has traffic; it is looked at again when its time may be over."""
        known = link in self.busy
        self.busy[link] = self.container.now
        if not known and self.idle is not None:
            self.later(self.idle, lambda: self._look(link))

    def _look(self, link: Any) -> None:
        rest = self.busy[link] + (self.idle or 0.0) - self.container.now
        if not link.state & Endpoint.LOCAL_ACTIVE or link.connection.state & Endpoint.LOCAL_CLOSED:
            del self.busy[link]
        elif rest > 0:
            self.later(rest, lambda: self._look(link))
        else:
            text = "The link '%s' is force detached by the broker. IdleTimerExpired: Idle timeout: 00:10:00."
            self.detach(link, "amqp:link:detach-forced", text % link.name)  # [3]

    def detach(self, link: Any, condition: str, description: str) -> None:
        self.busy.pop(link, None)
        self.detached.append(entity_of(link) + " " + condition)
        link.condition = Condition(condition, description)
        link.close()

    def on_link_closing(self, event: Any) -> None:
        event.link.close()

    # -- messages ----------------------------------------------------------------------------------------

    def on_message(self, event: Any) -> None:
        self.use(event.link)
        event.link.flow(1)
        self.queues.setdefault(entity_of(event.link), []).append(event.message)
        self.accept(event.delivery)
        self.serve()

    def on_sendable(self, event: Any) -> None:
        self.serve()

    def serve(self) -> None:
        """Give what there is to those that have credit."""
        for connection in list(self.authorized):
            for link in connection.links(Endpoint.LOCAL_ACTIVE):
                if link.is_sender and link.handler is None:
                    queue = self.queues.get(entity_of(link), [])
                    while queue and link.credit > 0:
                        self.use(link)
                        link.send(queue.pop(0))

    def on_disconnected(self, event: Any) -> None:
        """It was the client's doing, or the network's."""
        self.authorized.pop(event.connection, None)

    def on_connection_closed(self, event: Any) -> None:
        self.authorized.pop(event.connection, None)

    def on_in_doubt(self, event: Any) -> None:
        """The message goes back to its queue."""


def entity_of(link: Any) -> str:
    """The address of the entity that a link of a client is for."""
    return str((link.remote_source if link.is_sender else link.remote_target).address or "").lstrip("/")
