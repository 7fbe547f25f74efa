"""Waiting: the events that a container waits for, in sentences for a person.

The container enters. It knows endpoints by their counters, and changes nothing.
"""

from __future__ import annotations

import sys

from reactor.container.sources.selectable import Selectable
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Receiver
from reactor.lazily import TYPE_CHECKING
from reactor.loop.driver import ListenerDriver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from reactor.container.connections import Connections
    from reactor.container.sources.task import Task
    from reactor.container.turns import Turns

#: Sentences about one connection, and connections with sentences: a person reads it.
MOST_LINKS, MOST_CONNECTIONS = 10, 20


def sentences(turns: Turns, connections: Connections, tasks: Iterable[Task]) -> list[str]:
    """The events that a container waits for, connections first."""
    told: list[str] = []
    listed = connections.all()
    for connection in listed[:MOST_CONNECTIONS]:
        told += _of_connection(connections, connection)
    if len(listed) > MOST_CONNECTIONS:
        told.append("%d more connections" % (len(listed) - MOST_CONNECTIONS))
    watchers = list(turns.loop.watchers)
    for watcher in watchers:
        if isinstance(watcher, ListenerDriver):
            told.append("peers that connect to %s" % watcher.listener.address)
    now = turns.loop.clock.now()
    for task in sorted(tasks, key=lambda task: task.timer.at if task.timer else 0.0):
        if not task.cancelled and task.timer is not None and task.timer.pending:
            told.append("a timer, due in %.3g s" % max(0.0, task.timer.at - now))
    others = len(turns.injectors) + sum(isinstance(watcher, Selectable) for watcher in watchers)
    if others:
        told.append(_count(others, "descriptor or injector", "descriptors or injectors") + " of the application's own")
    return told


def print_interrupted(waits: list[str]) -> None:
    """Print the sentences about a container that Ctrl-C has interrupted; nothing when there is none."""
    if waits:
        sys.stderr.write("\n  ".join(["interrupted; the container was waiting for:", *waits]) + "\n")


def _of_connection(connections: Connections, connection: Connection) -> Iterator[str]:
    where, supervisor = connection.describe(), connections.supervisor_of(connection)
    if supervisor is not None and supervisor.due is not None:
        seconds = max(0.0, supervisor.due - connections.loop.clock.now())
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
        yield "%s: the connection is open and has no links, and neither side closes it" % where


def _of_link(link: Any) -> str:
    what = link.describe()
    if link.held or link.session.held:
        return "%s is attached again, which the peer has detached" % what
    if not link.state & Endpoint.LOCAL_ACTIVE:
        return "%s is closed, and the peer has not answered" % what
    if link.state & Endpoint.REMOTE_UNINIT and link.handle_out is None and link.connection.admission is not None:
        return "%s waits for its token" % what
    if link.state & Endpoint.REMOTE_UNINIT:
        return "%s is not attached by the peer" % what
    if isinstance(link, Receiver):
        unsettled = ""
        if link.unsettled:
            unsettled = ", %s not settled here" % _count(link.unsettled, "delivery is", "deliveries are")
        if link.credit <= 0 and link.max_unsettled is not None and link.unsettled >= link.max_unsettled:
            return "%s has no credit%s, and max_unsettled is %d: accept some" % (what, unsettled, link.max_unsettled)
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
