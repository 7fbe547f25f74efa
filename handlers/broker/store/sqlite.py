"""A store in one file, by the standard library's SQLite: write-ahead log, one sync for each commit.

With `synchronous=FULL` SQLite syncs its log at every commit; with less, a commit could be lost with the machine's power
[sqlite.org/pragma.html#pragma_synchronous]. The file has a mark and a version of its own: a file of another program is
refused, and so is one of a later version. The broker holds it alone: a second broker on the same file is refused.
It may be opened in one thread and used in another, one at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import count, starmap
from os import PathLike, fspath
from typing import Any, Callable, Optional, Union

from handlers.broker.store.interface import (
    AddMessage,
    AddNode,
    CountMessage,
    DelayMessage,
    ForgetId,
    Group,
    RememberId,
    RemoveMessage,
    RemoveNode,
    RewriteMessage,
    StoredMessage,
    StoreError,
)

APPLICATION = 0x414D5152
"""The mark of the file: "AMQR"."""

VERSION = 3
"""Of the tables below, and of the settings in them. A change is a new version, and a way from the one before: 2 has the
due times and ids, 3 queues that say in their settings that they were declared."""

_TABLES = """
CREATE TABLE node (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE message (
    number INTEGER PRIMARY KEY, queue INTEGER NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL,
    expires INTEGER NOT NULL, failures INTEGER NOT NULL, due INTEGER NOT NULL);
CREATE TABLE id (number INTEGER PRIMARY KEY, queue INTEGER NOT NULL, key BLOB NOT NULL);
CREATE TABLE used (number INTEGER NOT NULL);
INSERT INTO used VALUES (0);
"""

_SECOND = """
ALTER TABLE message ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
CREATE TABLE id (number INTEGER PRIMARY KEY, queue INTEGER NOT NULL, key BLOB NOT NULL);
"""
"""The way from version 1 to version 2."""

_INSERT = "INSERT INTO message (number, queue, header, body, expires, due, failures) VALUES (?, ?, ?, ?, ?, ?, 0)"

RESERVED = 100_000
"""Numbers set aside at once. A number is used once, also when its message was gone before the restart."""


class SqliteStore:
    """A Store. path: of the file, made where there is none, beside which SQLite keeps its log. most_bytes: how
    large the file may become, 0 for as large as the disk allows.

    Raises StoreError for a file that is no store, is damaged, of a later version, or in use.
    """

    def __init__(self, path: Union[str, PathLike[str]], most_bytes: int = 0) -> None:
        self.path = fspath(path)
        self.most_bytes = most_bytes
        self._base: Optional[sqlite3.Connection] = None
        options: dict[str, Any] = dict(isolation_level=None, timeout=0.0, check_same_thread=False)
        base: sqlite3.Connection = self._opened(lambda: sqlite3.connect(self.path, **options))
        self._base = base
        try:
            self._opened(lambda: self._prepare(base))
        except BaseException:
            self.close()
            raise

    def new_number(self) -> int:
        """As Store.new_number."""
        number = next(self._numbers)
        if number > self._reserved:
            self._reserve(number)
        return number

    def nodes(self) -> list[AddNode]:
        """As Store.nodes."""
        return list(self._read("SELECT * FROM node ORDER BY number", self._node))

    def messages(self) -> Iterator[StoredMessage]:
        """As Store.messages."""
        return self._read("SELECT * FROM message ORDER BY number", StoredMessage)

    def ids(self) -> list[RememberId]:
        """As Store.ids."""
        return list(self._read("SELECT * FROM id ORDER BY number", RememberId))

    def commit(self, groups: Sequence[Group]) -> Sequence[Optional[StoreError]]:
        """As Store.commit. All groups in one transaction; where that fails, each in one of its own, so that those which
        need no room, or make some, are written all the same."""
        try:
            self._write(groups)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:  # or a value that no column has room for
            if len(groups) == 1:
                return [self._error(error)]
            return [outcome for group in groups for outcome in self.commit([group])]
        return [None] * len(groups)

    def close(self) -> None:
        """As Store.close."""
        base, self._base = self._base, None
        if base is not None:
            base.close()

    # -- opening

    def _prepare(self, base: sqlite3.Connection) -> None:
        # Before the file is first read: there is no index of the log in a file of its own then, for which a full disk
        # has no room [sqlite.org/wal.html#use_of_wal_without_shared_memory].
        _value(base, "PRAGMA locking_mode = EXCLUSIVE")
        mark = _value(base, "PRAGMA application_id")
        version = _value(base, "PRAGMA user_version")
        tables = _value(base, "SELECT count(*) FROM sqlite_master")
        if tables and mark != APPLICATION:
            raise StoreError(f"{self.path} is a file of another program: name a new one")
        if version > VERSION:
            raise StoreError(f"{self.path} was written by a later release (format {version}, this one knows {VERSION})")
        _value(base, "PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        # Some builds write zeros over what is deleted, by default: a message of 1 MB is written twice then. Where that
        # costs no page more it is done everywhere [sqlite.org/pragma.html#pragma_secure_delete].
        _value(base, "PRAGMA secure_delete = FAST")
        if self.most_bytes:
            size = _value(base, "PRAGMA page_size")
            _value(base, f"PRAGMA max_page_count = {max(1, self.most_bytes // size)}")
        base.execute("BEGIN IMMEDIATE")  # the lock, which stays
        if not tables:
            base.execute(f"PRAGMA application_id = {APPLICATION}")
        for statement in (_TABLES if not tables else _SECOND if version < 2 else "").split(";")[:-1]:
            base.execute(statement)
        if version < VERSION:
            base.execute(f"PRAGMA user_version = {VERSION}")
        base.execute("COMMIT")
        rows = base.execute("SELECT number FROM used").fetchall()
        if len(rows) != 1 or not isinstance(rows[0][0], int):
            raise StoreError(f"{self.path} is damaged: the number that is used last is missing. Bring back a copy")
        used = rows[0][0]
        self._numbers: Iterator[int] = count(used + 1)
        self._reserved = used

    def _reserve(self, number: int) -> None:
        """Before numbers are given away, it is on disk that they are used."""
        reserved = number + RESERVED
        self._opened(lambda: self._connection.execute("UPDATE used SET number = ?", (reserved,)))
        self._reserved = reserved

    # -- reading and writing

    def _node(self, number: int, kind: str, name: str, settings: str) -> AddNode:
        try:
            return AddNode(number, kind, name, json.loads(settings))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{self.path} is damaged: the settings of {name!r} are no JSON: {error}") from None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._base is None:
            raise StoreError(f"{self.path} is closed")
        return self._base

    def _read(self, query: str, made: Callable[..., Any]) -> Iterator[Any]:
        try:
            # Not the cursor itself: a reader that gives up would close it, perhaps after the file.
            yield from starmap(made, self._connection.execute(query))
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _write(self, groups: Sequence[Group]) -> None:
        """One transaction. Kinds of change go together, in an order in which none needs a later one."""
        by_kind: dict[type, list[Any]] = {kind: [] for kind in _STATEMENTS}
        for group in groups:
            for change in group:
                by_kind[type(change)].append(change)
        base = self._connection
        base.execute("BEGIN IMMEDIATE")
        try:
            for kind, (statement, row) in _STATEMENTS.items():
                rows = by_kind[kind]
                if rows:
                    base.executemany(statement, rows if row is None else map(row, rows))
            if by_kind[RemoveNode]:
                base.executemany("DELETE FROM message WHERE queue = ?", by_kind[RemoveNode])
                base.executemany("DELETE FROM id WHERE queue = ?", by_kind[RemoveNode])
            base.execute("COMMIT")
        except BaseException:
            if base.in_transaction:  # SQLite has ended it itself, where that was all it could do
                base.execute("ROLLBACK")
            raise

    def _error(self, error: Exception) -> StoreError:
        text = str(error)
        if "full" in text:
            return StoreError(f"{self.path}: no room on the disk", full=True)
        if "locked" in text:
            return StoreError(f"{self.path} is in use by another process: each broker has a store of its own")
        if "not a database" in text or "malformed" in text:
            return StoreError(f"{self.path} is damaged, or no store: {text}. Move it away, or bring back a copy")
        hindrance = self._hindrance()
        if hindrance and any(words in text for words in ("readonly", "open database", "I/O")):
            return StoreError(f"{self.path} {hindrance}")
        return StoreError(f"{self.path}: {text}")

    def _hindrance(self) -> str:
        """Why the file cannot be opened for writing, as far as can be seen; "" for no reason."""
        folder = os.path.dirname(os.path.abspath(self.path))
        if os.path.isdir(self.path):
            return "is a directory: name a file in it"
        if not os.path.isdir(folder):
            return "cannot be made: its directory is not there; make it first"
        if os.path.exists(self.path) and not os.access(self.path, os.W_OK):
            return "is read-only for this user: a store is written to"
        if not os.access(folder, os.W_OK):
            return f"needs a directory that this user may write to, for the log beside it: {folder} is read-only"
        return ""

    def _opened(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except sqlite3.Error as error:
            raise self._error(error) from error


def _node_row(node: AddNode) -> tuple[Any, ...]:
    return node.number, node.kind, node.name, json.dumps(node.settings, sort_keys=True)


def _value(base: sqlite3.Connection, query: str) -> Any:
    """The one value that a query has. It is read to its end: a query that still has rows forbids a commit on PyPy."""
    [(value,)] = base.execute(query).fetchall()
    return value


#: In the order in which they are executed; the second is how a change becomes a row, None for as it is.
_STATEMENTS: dict[type, tuple[str, Optional[Callable[[Any], tuple[Any, ...]]]]] = {
    AddNode: ("INSERT OR REPLACE INTO node (number, kind, name, settings) VALUES (?, ?, ?, ?)", _node_row),
    AddMessage: (_INSERT, None),
    DelayMessage: ("UPDATE message SET due = ? WHERE number = ?", lambda change: change[::-1]),
    CountMessage: ("UPDATE message SET failures = ? WHERE number = ?", lambda change: change[::-1]),
    RewriteMessage: ("UPDATE message SET body = ? WHERE number = ?", lambda change: change[::-1]),
    RemoveMessage: ("DELETE FROM message WHERE number = ?", None),
    RememberId: ("INSERT OR REPLACE INTO id (number, queue, key) VALUES (?, ?, ?)", None),
    ForgetId: ("DELETE FROM id WHERE number = ?", None),
    RemoveNode: ("DELETE FROM node WHERE number = ?", None),
}
