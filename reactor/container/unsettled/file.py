"""A store of unsettled deliveries in one file, by the standard library's SQLite: for a restart of the program.

Changes are written in one transaction, which is committed, and synced to the disk, before the frames of a turn leave.
The file has a mark and a version of its own: a file of another program is refused, and so is one of a later version or
one that is damaged. The program holds it alone.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from reactor.container.unsettled.changes import Change, Forgotten, Kept, Met, Noted, Sent, Settled, Taken
from reactor.errors import UnsettledError
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import sqlite3
else:
    sqlite3 = Lazily("sqlite3")

#: The mark of the file: "AMQU".
APPLICATION = 0x414D5155

#: Of the tables below. A change of them is a new version, and a way from the one before.
VERSION = 1

_TABLES = (
    "CREATE TABLE link (name TEXT PRIMARY KEY, attached INTEGER NOT NULL, counted INTEGER NOT NULL)",
    "CREATE TABLE sent (number INTEGER PRIMARY KEY, link TEXT NOT NULL, tag BLOB NOT NULL, payload BLOB NOT NULL)",
    "CREATE UNIQUE INDEX sent_tag ON sent (link, tag)",
    "CREATE TABLE taken (number INTEGER PRIMARY KEY, link TEXT NOT NULL, tag BLOB NOT NULL, state BLOB NOT NULL)",
    "CREATE UNIQUE INDEX taken_tag ON taken (link, tag)",
    "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "PRAGMA application_id = %d" % APPLICATION,
    "PRAGMA user_version = %d" % VERSION,
)

_LINK = "INSERT INTO link VALUES (?, 0, 0) ON CONFLICT (name) DO NOTHING"


class UnsettledFile:
    """Unsettled deliveries, and notes of the application, in a file, which is made where there is none. One store may
    serve many links of one program. It is a context manager: its end commits and lets go of the file.

    path: of the file; SQLite keeps its log beside it. Raises UnsettledError for a file that is no such store, is
    damaged, of a later version, or in use.
    """

    def __init__(self, path: Union[str, PathLike[str]]) -> None:
        self.path = fspath(path)
        self._base: Optional[sqlite3.Connection] = None
        self._pending: list[Change] = []
        options: dict[str, Any] = dict(isolation_level=None, timeout=0.0, check_same_thread=False)
        self._base = self._attempt(lambda: sqlite3.connect(self.path, **options))
        try:
            self._attempt(self._prepare)
        except BaseException:
            self.roll_back()
            self.close()
            raise

    def __enter__(self) -> UnsettledFile:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def load(self, link: str) -> Kept:
        """As UnsettledStore.load."""
        rows = self._query("SELECT attached, counted FROM link WHERE name = ?", link)
        attached, counted = rows[0] if rows else (0, 0)
        sent = self._query("SELECT tag, payload FROM sent WHERE link = ? ORDER BY number", link)
        taken = self._query("SELECT tag, state FROM taken WHERE link = ? ORDER BY number", link)
        numbers = type(attached) is int and type(counted) is int
        if not numbers or any(type(value) is not bytes for row in sent + taken for value in row):
            raise UnsettledError("%s is damaged: a value is of another type. Bring back a copy" % self.path)
        return Kept(attached > 0, counted, dict(sent), dict(taken))

    def links(self) -> list[str]:
        """As UnsettledStore.links."""
        return [name for (name,) in self._query("SELECT link FROM sent UNION SELECT link FROM taken")]

    def forget(self, link: str) -> None:
        """As UnsettledStore.forget."""
        self.add(Forgotten(link))
        self.commit()

    def add(self, change: Change) -> None:
        """As UnsettledStore.add."""
        self._pending.append(change)

    def commit(self) -> None:
        """As UnsettledStore.commit."""
        if self._pending:
            self._attempt(self._write)
            self._pending.clear()

    def note(self, name: str, value: Optional[str]) -> None:
        """As UnsettledStore.note."""
        if value is not None and not isinstance(value, str):
            raise TypeError("a note is a str, not %r: json.dumps() makes one of other values" % (value,))
        self.add(Noted(name, value))

    def noted(self, name: str) -> Optional[str]:
        """As UnsettledStore.noted."""
        for change in reversed(self._pending):
            if isinstance(change, Noted) and change.name == name:
                return change.value
        rows = self._query("SELECT value FROM note WHERE name = ?", name)
        return rows[0][0] if rows else None

    def roll_back(self) -> None:
        """Forget the changes since the last commit, as a crash would."""
        self._pending.clear()

    def close(self) -> None:
        """As UnsettledStore.close."""
        try:
            self.commit()
        finally:
            base, self._base = self._base, None
            if base is not None:
                base.close()

    # -- the file

    def _attempt(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            text = str(error)
            if "locked" in text:
                text = "it is open elsewhere: one program has it at a time, and one store serves all of its links"
            elif "not a database" in text or "malformed" in text:
                text = "it is damaged, or no store: bring back a copy, or name a new file (%s)" % text
            raise UnsettledError("%s: %s" % (self.path, text)) from error

    def _open(self) -> sqlite3.Connection:
        if self._base is None:
            raise UnsettledError("%s is closed" % self.path)
        return self._base

    def _query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._attempt(lambda: self._open().execute(query, values).fetchall())
        return rows

    def _prepare(self) -> None:
        base = self._open()
        base.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        mark, version, tables = (
            base.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        if tables and mark != APPLICATION:
            raise UnsettledError("%s is a file of another program: name a new one" % self.path)
        if version > VERSION:
            text = "%s was written by a later release (format %d, this one knows %d)"
            raise UnsettledError(text % (self.path, version, VERSION))
        base.execute("PRAGMA journal_mode = WAL").fetchall()
        base.execute("PRAGMA synchronous = FULL")
        base.execute("BEGIN IMMEDIATE")  # the lock, which stays
        if not tables:
            for statement in _TABLES:
                base.execute(statement)
        base.execute("COMMIT")
        [(found,)] = base.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise UnsettledError("%s is damaged: %s. Bring back a copy" % (self.path, found))

    def _write(self) -> None:
        base = self._open()
        base.execute("BEGIN IMMEDIATE")
        try:
            for change in self._pending:
                for statement, values in _statements(change):
                    base.execute(statement, values)
            base.execute("COMMIT")
        except BaseException:
            if base.in_transaction:
                base.execute("ROLLBACK")
            raise


def _statements(change: Change) -> list[tuple[str, tuple[Any, ...]]]:
    if isinstance(change, Sent):
        return [
            (_LINK, (change.link,)),
            ("INSERT INTO sent (link, tag, payload) VALUES (?, ?, ?)", change[:3]),
            ("UPDATE link SET counted = ? WHERE name = ?", (change.counted, change.link)),
        ]
    if isinstance(change, Taken):
        return [("INSERT OR REPLACE INTO taken (link, tag, state) VALUES (?, ?, ?)", tuple(change))]
    if isinstance(change, Settled):
        return [("DELETE FROM %s WHERE link = ? AND tag = ?" % table, tuple(change)) for table in ("sent", "taken")]
    if isinstance(change, Forgotten):
        tables = ("sent", "link"), ("taken", "link"), ("link", "name")
        return [("DELETE FROM %s WHERE %s = ?" % table, tuple(change)) for table in tables]
    if isinstance(change, Met):
        return [(_LINK, (change.link,)), ("UPDATE link SET attached = 1 WHERE name = ?", (change.link,))]
    if change.value is None:
        return [("DELETE FROM note WHERE name = ?", (change.name,))]
    return [("INSERT OR REPLACE INTO note VALUES (?, ?)", tuple(change))]
