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
[6] Messages that are settled when they leave have no delivery-tag: https://github.com/Azure/go-amqp/issues/33 (as the
    makers of the service have it), https://github.com/vcabbage/amqp/pull/165 (Event Hubs)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import Any, Optional
from urllib.parse import parse_qs, quote

from handlers import MessagingHandler
from reactor import (
    MODIFIED,
    REJECTED,
    RELEASED,
    UNDESCRIBED,
    Array,
    Condition,
    Data,
    Endpoint,
    Message,
    symbol,
    timestamp,
)
from reactor.azure import messages_of

#: Seconds for which a message is locked: a setting of each entity [2, "Message Renew Lock"].
LOCK = 60.0
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
        self.bus.reply(event.link, request.reply_to, reply)

    def _examined(self, kind: str, audience: str, token: str, today: float) -> tuple[Any, float]:
        """(None or (status, description), the end of the token)."""
        # The client of Microsoft calls a shared access signature a jwt, too: [5, _transport/_pyamqp_transport.py,
        # create_token_auth, and _pyamqp/authentication.py, JWTTokenAuth]. So the service looks at the token itself.
        signed = token.startswith("SharedAccessSignature ")
        if kind == "jwt" and not signed:  # [5, _common/constants.py, TOKEN_TYPE_JWT]
            end = self.bus.jwts.get(token, 0.0)
        elif kind in ("jwt", "servicebus.windows.net:sastoken"):  # [1]
            fields = {name: values[0] for name, values in parse_qs(token.partition(" ")[2]).items()}
            end = float(fields["se"])
            key = self.bus.keys.get(fields["skn"], "")
            # The string to sign is the encoded resource, a line feed, and the end [4].
            to_sign = "%s\n%s" % (quote(fields["sr"], safe=""), fields["se"])
            digest = hmac.new(key.encode(), to_sign.encode(), hashlib.sha256).digest()
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

    authorized: by connection and audience, the end of the token. entities: by address. asked: the operations of
    $management. lock: seconds for which a message is locked.
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
        self.entities: dict[str, Entity] = {}
        self.held: dict[Any, Stored] = {}
        self.session_of: dict[Any, str] = {}
        self.lock = LOCK
        self.asked: list[str] = []
        self.detached: list[str] = []
        self.attached: list[str] = []
        self.dropped: list[str] = []
        self.busy: dict[Any, float] = {}  # by link: when it was used last
        self.cbs_pairs = 0

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.acceptor = self.container.listen(self.url, handler=self)

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

    def reply(self, link: Any, address: Optional[str], message: Message) -> None:
        """To the link with that target; a request without one comes over a pair of links in a session [5, cbs.py]."""
        self.replies[link.session, address or entity_of(link)].send(message)

    def answers_over(self, link: Any) -> None:
        """The link is the other one of such a pair."""
        for name in (entity_of(link), link.remote_target.address):
            self.replies[link.session, name] = link

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
                self.answers_over(link)
            link.open()
            self.use(link)
            return
        if link.remote_snd_settle_mode == link.SND_SETTLED:
            link.snd_settle_mode = link.SND_SETTLED
        if link.is_sender and symbol("com.microsoft:session-filter") in (link.remote_source.filter.get_dict() or {}):
            if not self._open_session(link, self.entity(address)):
                return
        link.open()
        if address.endswith("/$management") and link.is_sender:
            self.answers_over(link)
        if not self._may(event.connection, address):
            text = "Unauthorized access. '%s' claim(s) are required" % ("Listen" if link.is_sender else "Send")
            self.detach(link, "amqp:unauthorized-access", text)
            return
        if link.is_receiver:
            link.flow(100)
        self.use(link)

    def _open_session(self, link: Any, entity: Entity) -> bool:
        """The answer to a receiver that asks for a session: its own filter has the id, and a property of the link the
        end of the lock, in ticks of .NET [5, on_attach]."""
        name = entity.grant(link)
        if name is None:
            link.open()
            self.detach(link, "com.microsoft:session-cannot-be-locked", "the session is locked, or there is none")
            return False
        self.session_of[link] = name
        link.source.filter.put_dict({symbol("com.microsoft:session-filter"): name})
        end = round((self.container.today() + self.lock) * 10000000) + 621355968000000000
        link.properties = {symbol("com.microsoft:locked-until-utc"): end}
        return True

    def use(self, link: Any) -> None:
        """A link has traffic; it is looked at again when its time may be over."""
        known = link in self.busy
        self.busy[link] = self.container.now
        if not known and self.idle is not None:
            self.later(self.idle, lambda: self._look(link))

    def _look(self, link: Any) -> None:
        if link not in self.busy:
            return  # it was detached
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
        name = self.session_of.pop(event.link, None)
        if name is not None:
            self.entity(entity_of(event.link)).sessions.pop(name, None)
        event.link.close()

    # -- messages ----------------------------------------------------------------------------------------

    def entity(self, address: str) -> Entity:
        return self.entities.setdefault(address, Entity(self, address))

    def on_message(self, event: Any) -> None:
        self.use(event.link)
        event.link.flow(1)
        address = entity_of(event.link)
        if address.endswith("/$management"):
            self.accept(event.delivery)
            self.entity(address[: -len("/$management")]).manage(event)
            return
        for message in messages_of(event):  # a batch is taken apart
            self.entity(address).put(message)
        self.accept(event.delivery)
        self.serve()

    def on_sendable(self, event: Any) -> None:
        self.serve()

    def serve(self) -> None:
        """Give what there is to those that have credit."""
        for connection in list(self.authorized):
            for link in connection.links(Endpoint.LOCAL_ACTIVE):
                address = entity_of(link)
                if link.is_sender and link.handler is None and not address.endswith("/$management"):
                    while link.credit > 0 and self.entity(address).give(link):
                        self.use(link)

    def on_delivery_updated(self, event: Any) -> None:
        self.use(event.link)
        held = self.held.pop(event.delivery, None)
        if held is not None:
            held.settled(event.delivery)
        if not event.delivery.settled:
            # The answer has the outcome that was taken [5, _pyamqp/receiver.py, settle_messages with await_outcome].
            event.delivery.update(event.delivery.remote_state)
        event.delivery.settle()
        self.serve()

    def on_disconnected(self, event: Any) -> None:
        """It was the client's doing, or the network's."""
        self._gone(event.connection)

    def on_connection_closed(self, event: Any) -> None:
        self._gone(event.connection)

    def _gone(self, connection: Any) -> None:
        self.authorized.pop(connection, None)
        for entity in self.entities.values():
            kept = {name: link for name, link in entity.sessions.items() if link.connection is not connection}
            entity.sessions = kept

    def on_in_doubt(self, event: Any) -> None:
        """The message is locked for as long as it was to be, and then comes again."""


class Stored:
    """A message in an entity. state: one of "active", "locked", "deferred", "scheduled", "dead", "gone"."""

    def __init__(self, entity: Entity, message: Message, number: int) -> None:
        self.entity = entity
        self.message = message
        self.number = number
        self.state = "active"
        self.count = 0
        self.token: Optional[uuid.UUID] = None
        self.until = 0.0

    def lock(self) -> uuid.UUID:
        self.state = "locked"
        bus = self.entity.bus
        token = self.token = uuid.UUID(int=bus.container.random.getrandbits(128))
        self.until = bus.container.today() + bus.lock

        def expire() -> None:
            if self.token == token and self.state == "locked":
                rest = self.until - bus.container.today()
                if rest > 0.001:
                    bus.later(rest, expire)
                else:
                    self.free()

        bus.later(bus.lock, expire)
        return token

    def free(self) -> None:
        """The lock is over, or was given back: it comes again, and is counted [1, "header"]."""
        self.token, self.state = None, "active"
        self.count += 1
        self.entity.bus.serve()

    def settled(self, delivery: Any) -> None:
        """By its receiver [5, _transport/_pyamqp_transport.py, settle_message_via_receiver_link]."""
        if self.token is None or self.token.bytes_le != delivery.tag_bytes:
            return  # the lock was lost
        outcome = delivery.remote_state
        if outcome in (MODIFIED, RELEASED):
            if outcome == MODIFIED and delivery.remote.undeliverable:
                self.state, self.token = "deferred", None
            else:
                self.free()
        elif outcome == REJECTED:
            self.state = "dead"
            self.entity.dead.append((self.message, delivery.remote.condition))
        else:
            self.state = "gone"

    def stamped(self) -> Message:
        """As it is sent: the annotations of the service [1, "Message annotations"]."""
        message = Message.from_bytes(self.message.encode())
        annotations = dict(message.annotations or {})
        annotations[symbol("x-opt-sequence-number")] = self.number
        annotations[symbol("x-opt-enqueued-time")] = timestamp(round(self.entity.bus.container.today() * 1000))
        if self.state == "locked":
            annotations[symbol("x-opt-locked-until")] = timestamp(round(self.until * 1000))
        message.annotations = annotations
        message.delivery_count = self.count
        return message


class Entity:
    """A queue. messages: those that are there, by sequence number. sessions: the links that have one, by its id."""

    def __init__(self, bus: ServiceBus, address: str) -> None:
        self.bus = bus
        self.address = address
        self.messages: dict[int, Stored] = {}
        self.dead: list[Any] = []
        self.sessions: dict[str, Any] = {}
        self.number = 0

    def put(self, message: Message) -> Stored:
        self.number += 1
        stored = self.messages[self.number] = Stored(self, message, self.number)
        due = (message.annotations or {}).get("x-opt-scheduled-enqueue-time")
        if due is not None:
            stored.state = "scheduled"

            def appear() -> None:
                if stored.state == "scheduled":
                    stored.state = "active"
                    self.bus.serve()

            self.bus.later(max(0.0, due / 1000 - self.bus.container.today()), appear)
        return stored

    def give(self, link: Any) -> bool:
        """The first message that this link can have; whether there was one."""
        session = self.bus.session_of.get(link)
        for stored in list(self.messages.values()):
            if stored.state == "active" and (session is None or stored.message.group_id == session):
                if link.snd_settle_mode == link.SND_SETTLED:
                    stored.state = "gone"
                    # Without a tag [6]; none is not to be had here, and an empty one is the nearest.
                    link.send(stored.stamped(), tag=b"")
                else:
                    # The delivery-tag is the lock token, in the order of .NET [2; 5, _common/message.py, lock_token].
                    tag = stored.lock().bytes_le
                    self.bus.held[link.send(stored.stamped(), tag=tag)] = stored
                return True
        return False

    def grant(self, link: Any) -> Optional[str]:
        """Give a session to a link; None when there is none for it [5, create_source and on_attach]."""
        asked = link.remote_source.filter.get_dict()[symbol("com.microsoft:session-filter")]
        there = dict.fromkeys(one.message.group_id for one in self.messages.values() if one.state == "active")
        free = [name for name in there if name is not None and name not in self.sessions]
        name = (free[0] if free else None) if asked is None else asked
        if name is None or name in self.sessions:
            return None
        self.sessions[name] = link
        return str(name)

    # -- $management [2] ---------------------------------------------------------------------------------

    def manage(self, event: Any) -> None:
        request = event.message
        name = request.properties["operation"].partition(":")[2].replace("-", "_")
        assert request.properties["com.microsoft:server-timeout"] > 0
        self.bus.asked.append(name)
        status, body, condition = getattr(self, name)(request.body)
        said = {"statusCode": status, "statusDescription": "OK" if status == 200 else condition or "No Content"}
        if condition:
            said["errorCondition"] = symbol(condition)
        reply = Message(body, correlation_id=request.id, properties=said)
        self.bus.reply(event.link, request.reply_to, reply)
        self.bus.serve()

    def peek_message(self, body: Any) -> Any:
        found = [one for number, one in self.messages.items() if number >= body["from-sequence-number"]]
        session = body.get("session-id")
        found = [one for one in found if one.state not in ("gone", "dead")]
        found = [one for one in found if session is None or one.message.group_id == session]
        if not found:
            return 204, None, ""
        return 200, {"messages": [{"message": one.stamped().encode()} for one in found[: body["message-count"]]]}, ""

    def schedule_message(self, body: Any) -> Any:
        numbers = [self.put(Message.from_bytes(bytes(entry["message"]))).number for entry in body["messages"]]
        return 200, {"sequence-numbers": Array(UNDESCRIBED, Data.LONG, *numbers)}, ""

    def _named(self, body: Any, state: str) -> list[Stored]:
        found = [self.messages.get(int(number)) for number in body["sequence-numbers"]]
        return [one for one in found if one is not None and one.state == state]

    def cancel_scheduled_message(self, body: Any) -> Any:
        found = self._named(body, "scheduled")
        if len(found) != len(list(body["sequence-numbers"])):
            return 404, None, "com.microsoft:message-not-found"
        for one in found:
            one.state = "gone"
        return 200, None, ""

    def receive_by_sequence_number(self, body: Any) -> Any:
        found = self._named(body, "deferred")
        if not found:
            return 404, None, "com.microsoft:message-not-found"
        entries = []
        for one in found:
            entry: dict[str, Any] = {}
            if body["receiver-settle-mode"] == 1:
                entry["lock-token"] = one.lock()
            else:
                one.state = "gone"
            entry["message"] = one.stamped().encode()
            entries.append(entry)
        return 200, {"messages": entries}, ""

    def _locked(self, body: Any) -> list[Stored]:
        tokens = list(body["lock-tokens"])
        return [one for one in self.messages.values() if one.state == "locked" and one.token in tokens]

    def update_disposition(self, body: Any) -> Any:
        found = self._locked(body)
        if not found:
            return 410, None, "com.microsoft:message-lock-lost"
        for one in found:
            status = body["disposition-status"]
            one.state = {"completed": "gone", "defered": "deferred", "suspended": "dead"}.get(status, "")
            if status == "abandoned":
                one.free()
            elif status == "suspended":
                self.dead.append((one.message, body["deadletter-reason"]))
        return 200, None, ""

    def renew_lock(self, body: Any) -> Any:
        found = self._locked(body)
        if not found:
            return 410, None, "com.microsoft:message-lock-lost"
        for one in found:
            one.until = self.bus.container.today() + self.bus.lock
        ends = [round(one.until * 1000) for one in found]
        return 200, {"expirations": Array(UNDESCRIBED, Data.TIMESTAMP, *ends)}, ""

    def renew_session_lock(self, body: Any) -> Any:
        if body["session-id"] not in self.sessions:
            return 410, None, "com.microsoft:session-lock-lost"
        return 200, {"expiration": timestamp(round((self.bus.container.today() + self.bus.lock) * 1000))}, ""


def entity_of(link: Any) -> str:
    """The address of the entity that a link of a client is for."""
    address = str((link.remote_source if link.is_sender else link.remote_target).address or "")
    if "://" in address:  # as the client library of Microsoft has it
        address = address.partition("://")[2].partition("/")[2]
    return address.lstrip("/")
