"""A store of unsettled deliveries in memory: for a loss of the connection. It is gone with the process."""

from __future__ import annotations

from typing import Optional

from reactor.container.unsettled.changes import Change, Forgotten, Kept, Met, Noted, Sent, Settled, Taken


class UnsettledMemory:
    """Unsettled deliveries, and notes of the application, in memory: they outlive connections and containers, and not
    the process. One store may serve many links."""

    def __init__(self) -> None:
        self._links: dict[str, Kept] = {}
        self._notes: dict[str, str] = {}
        self._pending: list[Change] = []

    def load(self, link: str) -> Kept:
        """As UnsettledStore.load."""
        kept = self._links.get(link)
        return Kept(False, 0, {}, {}) if kept is None else Kept(*kept[:2], dict(kept.sent), dict(kept.taken))

    def links(self) -> list[str]:
        """As UnsettledStore.links."""
        return [name for name, kept in self._links.items() if kept.sent or kept.taken]

    def forget(self, link: str) -> None:
        """As UnsettledStore.forget."""
        self.add(Forgotten(link))
        self.commit()

    def add(self, change: Change) -> None:
        """As UnsettledStore.add."""
        self._pending.append(change)

    def commit(self) -> None:
        """As UnsettledStore.commit; nothing here can fail."""
        pending, self._pending = self._pending, []
        for change in pending:
            self._apply(change)

    def note(self, name: str, value: Optional[str]) -> None:
        """As UnsettledStore.note."""
        self.add(Noted(name, _checked(value)))

    def noted(self, name: str) -> Optional[str]:
        """As UnsettledStore.noted."""
        for change in reversed(self._pending):
            if isinstance(change, Noted) and change.name == name:
                return change.value
        return self._notes.get(name)

    def roll_back(self) -> None:
        """Forget the changes since the last commit, as a crash would."""
        self._pending.clear()

    def close(self) -> None:
        """As UnsettledStore.close."""
        self.commit()

    def _apply(self, change: Change) -> None:
        if isinstance(change, Noted):
            if change.value is None:
                self._notes.pop(change.name, None)
            else:
                self._notes[change.name] = change.value
            return
        if isinstance(change, Forgotten):
            self._links.pop(change.link, None)
            return
        attached, counted, sent, taken = kept = self._links.get(change.link) or Kept(False, 0, {}, {})
        if isinstance(change, Met):
            kept = Kept(True, counted, sent, taken)
        elif isinstance(change, Sent):
            sent[change.tag] = change.payload
            kept = Kept(attached, change.counted, sent, taken)
        elif isinstance(change, Taken):
            kept.taken[change.tag] = change.state
        elif isinstance(change, Settled):
            kept.sent.pop(change.tag, None)
            kept.taken.pop(change.tag, None)
        self._links[change.link] = kept


def _checked(value: Optional[str]) -> Optional[str]:
    if value is not None and not isinstance(value, str):
        raise TypeError("a note is a str, not %r: json.dumps() makes one of other values" % (value,))
    return value
