"""Connections and sessions explained: the wire, its handshakes, attempts to have it again, and all links."""

from __future__ import annotations

from typing import Any

from reactor.container.explain.links import of_link
from reactor.container.explain.look import FAR, Look
from reactor.container.explain.sentences import Sentence, counted, lasting
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Session
from reactor.engine.wire.stages import EXPECT_HEADER, EXPECT_SASL
from reactor.reasons import ended, reason_of
from reactor.shown import shown

#: Links of one connection that have sentences of their own: a person reads it.
MOST_LINKS = 20


def of_connection(look: Look, connection: Connection, links: bool = True) -> list[Sentence]:
    """Sentences about one connection. links: and about its sessions and links."""
    where = connection.describe()
    kind, text = _of_its_life(look, connection)
    if kind:
        return [Sentence(kind, "%s: %s" % (where, text))]
    told = []
    driver = look.driver(connection)
    if driver is not None and driver.full_since is not None:
        size = counted(len(getattr(connection.transport, "output", b"")), "byte")
        since = lasting(look.ago(driver.full_since) or 0.0)
        text = "%s: the peer does not read: %s wait to be written, and the wire has been full for %s"
        told.append(Sentence("peer not reading", text % (where, size, since)))
    if not links:
        return told
    for session in connection.sessions(0):
        told += _of_session(look, session)
    chosen = [link for link in connection.links(0) if _has_its_session(link) and link.session.context is not FAR]
    for link in chosen[:MOST_LINKS]:
        told += of_link(look, link)
    if len(chosen) > MOST_LINKS:
        told += _of_the_rest(look, where, chosen[MOST_LINKS:])
    refused = look.refusals(connection)
    if not chosen and not refused and not any(sentence.stuck for sentence in told):
        text = "%s: the connection is open and has no links, and neither side closes it"
        told.append(Sentence("no links", text % where))
    told += refused
    return told


def of_session(look: Look, session: Session, links: bool = True) -> list[Sentence]:
    """Sentences about one session. links: and about its links."""
    told = of_connection(look, session.connection, links=False)
    if not told or told[0].kind == "peer not reading":
        told += _of_session(look, session)
        if links and _is_open(session):
            chosen = list(session.links())
            for link in chosen[:MOST_LINKS]:
                told += of_link(look, link)
            if not chosen:
                told.append(Sentence("no links", "%s: the session has no links" % session.connection.describe()))
    return told


def _of_the_rest(look: Look, where: str, links: list[Any]) -> list[Sentence]:
    """Links beyond those that have sentences: only how many of them stand still."""
    stuck = sum(any(sentence.stuck for sentence in of_link(look, link)) for link in links)
    more = counted(len(links), "more link")
    if stuck:
        return [Sentence("more", "%s: %s, and %d of them cannot go on" % (where, more, stuck))]
    return [Sentence("more of it", "%s: %s, and nothing stands in their way" % (where, more))]


def _of_session(look: Look, session: Session) -> list[Sentence]:
    where, state = "%s: a session" % session.connection.describe(), session.state
    kind, text = "", ""
    if session.context is FAR:
        return []
    if look.retries(session) or session.held:
        kind, text = "comes back", "was ended by the peer%s, and is begun again" % reason_of(session)
    elif state & Endpoint.REMOTE_CLOSED and state & Endpoint.LOCAL_ACTIVE:
        kind, text = ended(session)
    elif state & Endpoint.LOCAL_UNINIT:
        kind, text = "not opened", "is not opened here: session.open() begins it"
    elif state & Endpoint.LOCAL_ACTIVE and state & Endpoint.REMOTE_UNINIT:
        kind, text = "not begun", "is not begun by the peer"
    return [Sentence(kind, "%s %s" % (where, text))] if kind else []


def _is_open(session: Any) -> bool:
    return bool(session.state & Endpoint.LOCAL_ACTIVE and session.state & Endpoint.REMOTE_ACTIVE)


def _has_its_session(link: Any) -> bool:
    """Whether the session of a link is open, so that the link can have a sentence of its own."""
    return _is_open(link.session) or link.session.held


def _of_its_life(look: Look, connection: Connection) -> tuple[str, str]:
    """Why it is not open on both sides; ("", "") when it is."""
    supervisor, state = look.supervisor(connection), connection.state
    if supervisor is not None and supervisor.due is not None and look.now is not None:
        why = connection.error
        text = "it is reconnecting: attempt %d, in %s%s"
        reason = "; before: %s" % shown(why.description or why.name) if why is not None and why.name else ""
        return "reconnecting", text % (supervisor.failures + 1, lasting(max(0.0, supervisor.due - look.now)), reason)
    if state & Endpoint.REMOTE_CLOSED:
        return ended(connection)
    if state & Endpoint.LOCAL_CLOSED:
        return ("closing", "it was closed here, and the peer has not answered") if connection.transport else (
            "ended", "it was closed here")  # fmt: skip
    if state & Endpoint.LOCAL_UNINIT:
        text = "the peer has opened the connection, and this side has not: connection.open() answers"
        if state & Endpoint.REMOTE_UNINIT:
            text = "the connection is not opened: connection.open()"
        return "not opened", text
    if state & Endpoint.REMOTE_UNINIT:
        return _handshakes(look, connection)
    return "", ""


def _handshakes(look: Look, connection: Connection) -> tuple[str, str]:
    """How far an opening connection has come."""
    supervisor, driver = look.supervisor(connection), look.driver(connection)
    since = look.ago(supervisor.tried_at) if supervisor is not None else None
    after = ", for %s" % lasting(since) if since is not None else ""
    attempt = ""
    if supervisor is not None and supervisor.failures:
        attempt = " (attempt %d)" % (supervisor.failures + 1)
    if connection.transport is None:
        return "connecting", "the connection has no wire yet%s" % attempt
    if driver is not None and not driver.connected:
        return "connecting", "it is connecting%s, and nothing has answered%s" % (attempt, after)
    transport: Any = connection.transport
    sasl = transport.layers.sasl
    if transport.stages.input == EXPECT_HEADER and transport.frames_input == 0:
        text = "the wire is there, and no AMQP has come%s; does the peer speak AMQP 1.0, and TLS where we do not?"
        return "not open", text % after
    if transport.stages.input == EXPECT_SASL and sasl is not None and sasl.mech:
        return "not open", "the peer has not answered the log-in by %s%s" % (shown(sasl.mech, 60), after)
    return "not open", "the peer has not opened the connection%s%s" % (attempt, after)
