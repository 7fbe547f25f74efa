"""Waiting: what a container that waits is waiting for, in sentences for a person.

The container enters. It knows endpoints by what they count, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Receiver
from reactor.loop.driver import ListenerDriver

if TYPE_CHECKING:  # the container enters; the types go round, the imports do not
    from reactor.container.system_handler import Keeping

#: Sentences about one connection, and connections that are told of: a person reads it.
MOST_LINKS, MOST_CONNECTIONS = 10, 20


def sentences(container: Keeping) -> list[str]:
    """What `container` waits for, connections first."""
    told: list[str] = []
    connections = container.connections()
    for connection in connections[:MOST_CONNECTIONS]:
        told += _of_connection(container, connection)
    if len(connections) > MOST_CONNECTIONS:
        told.append("%d more connections" % (len(connections) - MOST_CONNECTIONS))
    for watcher in list(container.loop.watchers):
        if isinstance(watcher, ListenerDriver):
            told.append("peers that connect to %s" % watcher.listener.address)
    now = container.loop.clock.now()
    for task in sorted(container.tasks, key=lambda task: task.timer.at if task.timer else 0.0):
        if not task.cancelled and task.timer is not None and task.timer.pending:
            told.append("a timer, due in %.3g s" % max(0.0, task.timer.at - now))
    others = len(container.watched)
    if others:
        told.append(_count(others, "descriptor or injector", "descriptors or injectors") + " of the application's own")
    return told


def _of_connection(container: Keeping, connection: Connection) -> Iterator[str]:
    where, supervisor = connection.describe(), container.supervisor_of(connection)
    if supervisor is not None and supervisor.due is not None:
        seconds = max(0.0, supervisor.due - container.loop.clock.now())
        failed = _count(supervisor.failures, "failure", "failures")
        yield "connection to %s: it is tried again in %.3g s, after %s" % (where, seconds, failed)
        return
    if not connection.state & Endpoint.LOCAL_ACTIVE:
        yield "%s to close the connection" % where
        return
    if connection.state & Endpoint.REMOTE_UNINIT:
        yield "%s to open the connection" % where
        return
    links = [link for link in connection.links(0) if not link.state & Endpoint.LOCAL_UNINIT]
    for link in links[:MOST_LINKS]:
        yield "%s: %s" % (where, _of_link(link))
    if len(links) > MOST_LINKS:
        yield "%s: %d more links" % (where, len(links) - MOST_LINKS)
    if not links:
        yield "%s: the connection is open and has no links; nobody closes it" % where


def _of_link(link: Any) -> str:
    what = link.describe()
    if link.held or link.session.held:
        return "%s is attached again, which the peer has detached" % what
    if not link.state & Endpoint.LOCAL_ACTIVE:
        return "%s is closed, and the peer has not answered" % what
    if link.state & Endpoint.REMOTE_UNINIT:
        return "%s is not attached by the peer" % what
    if isinstance(link, Receiver):
        unsettled = ""
        if link.unsettled:
            unsettled = ", %s not settled here" % _count(link.unsettled, "delivery is", "deliveries are")
        if link.credit <= 0:
            return "%s has no credit: receiver.flow(n) gives some%s" % (what, unsettled)
        return "%s has credit for %s%s" % (what, _count(link.credit, "message", "messages"), unsettled)
    left = link.unsettled - link.queued
    parts = []
    if link.queued > 0 and link.credit <= 0:
        parts.append("has no credit for %s" % _count(link.queued, "message that waits", "messages that wait"))
    if left > 0:
        parts.append("has %s without an outcome" % _count(left, "message", "messages"))
    if not parts:
        parts.append("has credit for %d and nothing to send" % link.credit if link.credit > 0 else "has no credit")
    return "%s %s" % (what, ", and ".join(parts))


def _count(number: int, one: str, many: str) -> str:
    return "%d %s" % (number, one if number == 1 else many)
