"""The store of unsettled deliveries, as links see it: plain data.

Changes come one by one, and are kept by the next `commit`, together or not at all: the container commits before the
frames of a turn leave, so that no peer hears of a delivery that a crash could undo. It knows no link.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Protocol, Union


class Met(NamedTuple):
    """The peer has attached this link."""

    link: str


class Sent(NamedTuple):
    """A message was sent over this link, under this tag. counted: the last number that was given as a tag."""

    link: str
    tag: bytes
    payload: bytes
    counted: int


class Taken(NamedTuple):
    """A message that came over this link has an outcome: the encoded state."""

    link: str
    tag: bytes
    state: bytes


class Settled(NamedTuple):
    """The message of this link with this tag is settled, and forgotten."""

    link: str
    tag: bytes


class Forgotten(NamedTuple):
    """All of this link is forgotten, as if it had never been."""

    link: str


class Noted(NamedTuple):
    """The application's own note of this name; None for no more."""

    name: str
    value: Optional[str]


Change = Union[Met, Sent, Taken, Settled, Forgotten, Noted]


class Kept(NamedTuple):
    """A link, as it comes out of a store. attached: whether the peer has ever attached it. counted: as of Sent. sent:
    messages by their tags, in order. taken: encoded states by tags."""

    attached: bool
    counted: int
    sent: dict[bytes, bytes]
    taken: dict[bytes, bytes]


class UnsettledStore(Protocol):
    """Keeps the unsettled deliveries of links, by the names of the links."""

    def load(self, link: str) -> Kept:
        """All that is kept of a link. Raises UnsettledError if it cannot be read."""
        ...

    def links(self) -> list[str]:
        """The links of which a delivery is kept."""
        ...

    def forget(self, link: str) -> None:
        """Forget the deliveries of a link (one of `links()`), and commit: for a peer that has forgotten them too."""
        ...

    def add(self, change: Change) -> None:
        """A change, to be kept by the next commit."""
        ...

    def commit(self) -> None:
        """Keep all changes since the last one. When it returns they are safe. UnsettledError if that cannot be; none of
        them is kept then, and none forgotten."""
        ...

    def note(self, name: str, value: Optional[str]) -> None:
        """Keep a text of the application's, with the next commit: together with the messages that this turn sends, and
        with the outcomes that it gives. None for no more."""
        ...

    def noted(self, name: str) -> Optional[str]:
        """The note of that name, also one that is not committed yet; None if there is none."""
        ...

    def close(self) -> None:
        """Commit, and let go of the file. Harmless when repeated."""
        ...
