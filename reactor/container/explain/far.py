"""FarView: the other end's view of our links, where the peer is a broker that has our management node.

It asks the node `$management` over a session of its own on the connection that is there, so that no other log-in is
needed, and hands the answers over as sentences. It reads, and asks for nothing that changes anything. A peer that names
another product is not asked: its `$management` may be anything, or a queue that it would make.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Callable, Optional

from reactor.codec.message import Message
from reactor.container.explain.look import FAR
from reactor.container.explain.sentences import Sentence, counted
from reactor.engine.endpoints.disposition import ACCEPTED
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection
from reactor.loop.loop import Loop
from reactor.reasons import reason_of
from reactor.shown import quoted, shown

NODE, OURS = "$management", "amqp-reactor broker"

#: Rows of one answer, nodes that are asked about, and links of others that have a sentence.
MOST_ROWS, MOST_NODES, MOST_LINKS = 500, 10, 20


def unknown(connection: Connection) -> Optional[Sentence]:
    """Why a peer is not asked; None when it is one of ours."""
    product = (connection.remote_properties or {}).get("product")
    if product is not None and str(product) == OURS:
        return None
    named = "names itself %s" % shown(product, 60) if product is not None else "names no product"
    text = "%s: the peer's own view is not known: it %s, and has no management node of ours"
    return Sentence("far end unknown", text % (connection.describe(), named))


class FarView:
    """Asks one peer, and calls `done` once, with the sentences.

    connection: open. loop: of its container. addresses: of the nodes to ask about; None: those of our own links.
    patience: seconds for all answers.
    """

    def __init__(
        self,
        connection: Connection,
        loop: Loop,
        done: Callable[[list[Sentence]], None],
        addresses: Optional[Sequence[str]] = None,
        patience: float = 2.0,
    ) -> None:
        self._where = connection.describe()
        self._connection = connection
        self._done: Optional[Callable[[list[Sentence]], None]] = done
        self._addresses = addresses
        self._told: list[Sentence] = []
        self._asked = 0
        self._answers: dict[str, Callable[[Message], None]] = {}
        self._ready = False
        self._rows: list[dict[str, Any]] = []
        self._left = 0  # answers that are to come before the next question
        self._timer = loop.schedule(patience, self._too_late)
        session = self._session = connection.session()
        session.context = FAR
        session.handler = self
        session.open()
        name = "explain-%d" % id(self)
        self._reply_to = name
        receiver = session.receiver(name)
        receiver.source.address, receiver.target.address = NODE, name
        receiver.prefetch = 50
        receiver.open()
        self._sender = session.sender(name)
        self._sender.source.address, self._sender.target.address = name, NODE
        self._sender.open()

    # -- events of the session ---------------------------------------------------------------------------

    def on_link_flow(self, event: Any) -> None:
        if not self._ready and self._sender.credit > 0 and self._done is not None:
            self._ready = True
            if self._addresses is None:
                self._query("connection", self._find_connection)
            else:
                self._ask_nodes(self._addresses)

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        if not delivery.link.is_receiver:
            if delivery.updated:
                if delivery.remote_state != ACCEPTED and delivery.remote_state:
                    condition = delivery.remote.condition
                    self._end("the peer does not answer: %s" % shown(condition or delivery.remote_state))
                delivery.settle()
            return
        if delivery.partial or delivery.payload is None:
            return
        message = Message.from_bytes(delivery.take())
        if not delivery.settled:
            delivery.settle_with(ACCEPTED)
        take = self._answers.pop(str(message.correlation_id), None)
        if take is not None and self._done is not None:
            take(message)

    def on_link_remote_close(self, event: Any) -> None:
        self._end("the peer does not let us ask its management node%s" % reason_of(event.context))

    def on_session_remote_close(self, event: Any) -> None:
        self._end("the peer has ended the session by which it was asked%s" % reason_of(event.context))

    # -- questions ---------------------------------------------------------------------------------------

    def _query(self, kind: str, take: Callable[[list[dict[str, Any]]], None], **arguments: Any) -> None:
        """Ask for the entities of a kind; `take` gets their attributes."""
        self._asked += 1
        number = "%d" % self._asked

        def rows(message: Message) -> None:
            facts: Any = message.properties or {}
            if facts.get("statusCode") != 200:
                self._end("the peer does not tell about it: %s" % shown(facts.get("statusDescription")))
                return
            body: Any = message.body
            names = [str(name) for name in body["attributeNames"]]
            take([dict(zip(names, row)) for row in body["results"]])

        self._answers[number] = rows
        properties = {"operation": "QUERY", "type": "org.amqp.management", "entityType": kind, "count": MOST_ROWS}
        properties.update(arguments)
        self._sender.send(Message(None, id=number, reply_to=self._reply_to, properties=properties, inferred=False))

    def _find_connection(self, rows: list[dict[str, Any]]) -> None:
        own = [row["number"] for row in rows if row["container"] == self._connection.container]
        if not own:
            self._end("the peer does not list this connection among its first %d" % MOST_ROWS)
            return
        self._left = 2 * len(own)
        for number in own:
            for kind in ("consumer", "producer"):
                self._query(kind, self._take_links, connection=number)

    def _take_links(self, rows: list[dict[str, Any]]) -> None:
        self._rows += rows
        self._left -= 1
        if not self._left:
            nodes = [row["node"] for row in self._rows if row["node"] not in (None, NODE)]
            self._ask_nodes(list(dict.fromkeys(nodes))[:MOST_NODES])

    def _ask_nodes(self, names: Sequence[str]) -> None:
        self._left = len(names)
        for name in names:
            pattern = "".join("[%s]" % sign if sign in "*?[" else sign for sign in name)
            self._query("node", partial(self._take_node, name), pattern=pattern)
        if not names:
            self._end()

    def _take_node(self, name: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._told += self._of_node(row, [link for link in self._rows if link["node"] == row["name"]])
            if self._addresses is not None:
                self._left += 2
                for kind in ("consumer", "producer"):
                    self._query(kind, self._take_others, node=row["name"])
        if not rows:
            text = "%s: the peer has no queue or topic %s"
            self._told.append(Sentence("far end", text % (self._where, quoted(name))))
        self._left -= 1
        if not self._left:
            self._end()

    def _take_others(self, rows: list[dict[str, Any]]) -> None:
        self._told += [self._of_link(link) for link in rows[:MOST_LINKS]]
        if len(rows) > MOST_LINKS:
            self._told.append(Sentence("peer", "and %s" % counted(len(rows) - MOST_LINKS, "more link")))
        self._left -= 1
        if not self._left:
            self._end()

    # -- answers -----------------------------------------------------------------------------------------

    def _of_node(self, node: dict[str, Any], links: list[dict[str, Any]]) -> list[Sentence]:
        name = "%s %s" % (node["kind"], shown(node["name"], 100))
        text = "%s: the peer's view: %s has %s (%d to be had, %d held by consumers), %s, %s" % (
            self._where, name, counted(node["depth"], "message"), node["waiting"], node["acquired"],
            counted(node["consumers"], "consumer"), counted(node["producers"], "sender"),
        )  # fmt: skip
        consumes = any(link["role"] == "consumer" for link in links)
        kind = "peer"
        if consumes and not node["depth"] and not node["producers"]:
            kind, text = "far end", text + ": nothing is in it, and nothing sends to it; is the address right?"
        elif consumes and not node["waiting"] and node["acquired"]:
            kind, text = "far end", text + ": all that is in it waits for the outcomes of consumers"
        elif self._addresses is not None and node["waiting"] and not node["consumers"]:
            kind, text = "far end", text + ": nothing takes from it"
        elif self._addresses is not None and not node["waiting"] and node["acquired"]:
            kind, text = "far end", text + ": all that is in it waits for the outcomes of consumers"
        told = [Sentence(kind, text)]
        for link in links:
            told.append(self._of_link(link))
        return told

    def _of_link(self, link: dict[str, Any]) -> Sentence:
        role = "sender" if link["role"] == "producer" else link["role"]
        whose = "our %s to %s" % (role, shown(link["node"], 100))
        if self._addresses is not None:
            whose = "a %s, of container %s," % (role, quoted(link["container"]))
        text = "%s: the peer's view: %s has %d of credit, and %s unsettled" % (
            self._where, whose, link["credit"], counted(link["unsettled"], "delivery", "deliveries"),
        )  # fmt: skip
        held_back_by = link.get("held_back_by")
        if held_back_by is None:
            return Sentence("peer", text)
        return Sentence("far end", "%s: it waits for room in %s" % (text, shown(held_back_by, 100)))

    # -- the end -----------------------------------------------------------------------------------------

    def _too_late(self) -> None:
        self._end("the peer has not answered about itself in time")

    def _end(self, why: str = "") -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._timer.cancel()
        self._answers.clear()
        if why:
            self._told.append(Sentence("far end unknown", "%s: %s" % (self._where, why)))
        if self._session.state & Endpoint.LOCAL_ACTIVE:
            self._session.close()
        done(self._told)
