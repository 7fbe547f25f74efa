"""One stream of events: it shows a page of the nodes, one node in detail, or a page of the connections.

The reader chooses filter, order and page; of that it gets all at first, and then the changes alone. A broker with
10,000 queues costs it one page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import parse_qsl

from handlers.broker.management.interface import Failed
from handlers.broker.web.interface import WatchedBroker
from handlers.broker.web.sampling import Row, Sample

ROWS = 50
MOST_ROWS = 200

MOST_LINKS = 100
"""Consumers, and producers, of the one node that are shown."""

MOST_TEXT = 1100
"""Characters of a parameter: an address has 1,024 at most."""

SORTED_BY = ("name", "kind", "depth", "waiting", "acquired", "bytes", "consumers", "producers", "in", "out")


class BadRequest(ValueError):
    """A parameter that has no meaning here."""


class Choice(NamedTuple):
    """The parameters of a stream. text: in the names that are shown. page: from 0 on. node: shown in detail, too.
    connections: the page of connections that is shown, or None for none."""

    text: str = ""
    sort: str = "name"
    descending: bool = False
    page: int = 0
    rows: int = ROWS
    node: Optional[str] = None
    connections: Optional[int] = None


def parse_choice(query: str) -> Choice:
    """The choice of a query string such as `text=jobs&sort=depth&descending=1&page=2`. BadRequest."""
    values = parameters(query)
    sort = values.pop("sort", "name")
    if sort not in SORTED_BY:
        raise BadRequest(f"no order {sort!r}: {', '.join(SORTED_BY)}")
    choice = Choice(
        values.pop("text", "").lower(),
        sort,
        values.pop("descending", "") not in ("", "0"),
        number("page", values.pop("page", "0")),
        min(MOST_ROWS, max(1, number("rows", values.pop("rows", str(ROWS))))),
        values.pop("node", None),
        number("connections", values.pop("connections")) if "connections" in values else None,
    )
    if values:
        raise BadRequest(f"no parameter {next(iter(values))!r}: {', '.join(Choice.__annotations__)}")
    return choice


def parameters(query: str) -> dict[str, str]:
    """The parameters of a query string, each of them once. BadRequest."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise BadRequest(f"no query: {error}") from None
    for name, value in pairs:
        if len(value) > MOST_TEXT:
            raise BadRequest(f"{name!r} has {len(value)} characters; the most is {MOST_TEXT}")
    return dict(pairs)


def number(name: str, text: str) -> int:
    """A number from 0 on. BadRequest."""
    if not text.isdigit() or not text.isascii() or len(text) > 12:
        raise BadRequest(f"{name} is a number from 0 on, not {text!r}")
    return int(text)


class Watch:
    """One stream: `changes` gives its events. ask: calls a function in the broker's thread."""

    def __init__(self, broker: WatchedBroker, ask: Callable[..., Any], choice: Choice) -> None:
        self.choice = choice
        self._broker = broker
        self._ask = ask
        self._sent: dict[str, Any] = {}
        self._rows: dict[str, Row] = {}

    def changes(self, sample: Sample) -> Iterator[tuple[str, Any]]:
        """The events of this sample: (name, data)."""
        yield from self._changed("overview", sample.overview)
        yield from self._nodes(sample)
        if self.choice.node is not None or self.choice.connections is not None:
            node, connections = self._ask(self._details)
            if node is not None:
                row = sample.rows.get(str(self.choice.node), {})
                node["in"], node["out"] = row.get("in"), row.get("out")
                yield from self._changed("node", node)
            if connections is not None:
                yield from self._changed("connections", connections)

    def _changed(self, name: str, data: Any) -> Iterator[tuple[str, Any]]:
        if self._sent.get(name) != data:
            self._sent[name] = data
            yield name, data

    def _nodes(self, sample: Sample) -> Iterator[tuple[str, Any]]:
        """Which rows there are, in order, if that has changed; and the rows that have."""
        choice = self.choice
        rows = [row for name, row in sample.rows.items() if choice.text in name.lower()]
        rows.sort(key=lambda row: row["name"], reverse=choice.descending and choice.sort == "name")
        if choice.sort == "kind":
            rows.sort(key=lambda row: row["kind"], reverse=choice.descending)
        elif choice.sort != "name":
            rows.sort(key=lambda row: row[choice.sort] or 0, reverse=choice.descending)  # equal ones: by name
        last = max(0, (len(rows) - 1) // choice.rows)
        start = min(choice.page, last) * choice.rows
        shown = {row["name"]: row for row in rows[start : start + choice.rows]}
        changed = {name: row for name, row in shown.items() if self._rows.get(name) != row}
        self._rows = shown
        order = {"names": list(shown), "start": start, "found": len(rows), "all": len(sample.rows)}
        data: dict[str, Any] = {"rows": changed} if changed else {}
        if self._sent.get("order") != order:
            self._sent["order"] = data["order"] = order
        if data:
            yield "nodes", data

    # -- in the broker's thread

    def _details(self) -> tuple[Optional[Row], Optional[Row]]:
        view, choice = self._broker.actions.view, self.choice
        node: Optional[Row] = None
        if choice.node is not None:
            try:
                node = dict(view.node(choice.node))
                node["consuming"] = view.consumers(choice.node, 0, MOST_LINKS)
                node["producing"] = view.producers(choice.node, 0, MOST_LINKS)
                node["policy"] = view.record(choice.node).node.policy.to_json()
            except Failed:
                node = {"name": choice.node, "gone": True}
        connections = None
        if choice.connections is not None:
            connections = view.connections(choice.connections * choice.rows, choice.rows)
        return node, connections
