"""Stores: the one in memory says how; the one in a file does the same, also after a restart, a kill and a failure."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from handlers.broker.__main__ import main
from handlers.broker.store.interface import (
    AddMessage,
    AddNode,
    Change,
    CountMessage,
    DelayMessage,
    RemoveMessage,
    RemoveNode,
    RewriteMessage,
    Store,
    StoredMessage,
    StoreError,
)
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import APPLICATION, RESERVED, VERSION, SqliteStore
from tests.support.processes import CHECKOUT, Script

HEADER = b"\x00\x53\x70\xc0\x02\x01\x41"


class Kept:
    """A store that can be closed and opened again."""

    def __init__(self, open_it: Callable[[], Store]) -> None:
        self.open_it = open_it
        self.store = open_it()

    def again(self) -> Store:
        self.store.close()
        self.store = self.open_it()
        return self.store


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: Any, tmp_path: Path) -> Any:
    memory = MemoryStore()
    kept = Kept((lambda: memory) if request.param == "memory" else (lambda: SqliteStore(tmp_path / "store")))
    yield kept
    kept.store.close()


def done(store: Store, *changes: Change) -> None:
    """Commit one group, which has to be written."""
    assert list(store.commit([changes])) == [None]


def contents(store: Store) -> tuple[list[Any], list[Any]]:
    return store.nodes(), list(store.messages())


def test_a_new_store_is_empty(kept: Kept) -> None:
    assert contents(kept.store) == ([], [])
    assert list(kept.store.commit([])) == []


def test_nodes_and_messages_are_there_after_a_restart_in_the_order_of_their_numbers(kept: Kept) -> None:
    store = kept.store
    jobs, news = store.new_number(), store.new_number()
    first, second, third = (store.new_number() for _ in range(3))
    done(store, AddNode(news, "topic", "news", {}), AddNode(jobs, "queue", "jobs", {"max": 5, "names": ["a", "ö"]}))
    done(store, AddMessage(second, jobs, HEADER, b"two", 0, 7), AddMessage(third, news, b"", b"", 2**53))
    done(store, AddMessage(first, jobs, b"", bytes(range(256)), 5))
    store = kept.again()
    assert [tuple(node) for node in store.nodes()] == [
        (jobs, "queue", "jobs", {"max": 5, "names": ["a", "ö"]}),
        (news, "topic", "news", {}),
    ]
    assert [tuple(message) for message in store.messages()] == [
        (first, jobs, b"", bytes(range(256)), 5, 0, 0),
        (second, jobs, HEADER, b"two", 0, 0, 7),
        (third, news, b"", b"", 2**53, 0, 0),
    ]


def test_messages_go_are_counted_and_rewritten(kept: Kept) -> None:
    store = kept.store
    a, b, c = (store.new_number() for _ in range(3))
    done(store, *[AddMessage(number, 1, HEADER, b"x", 0) for number in (a, b, c)])
    done(store, RemoveMessage(a), CountMessage(b, 3), RewriteMessage(c, b"y"), DelayMessage(b, 12))
    left = [(message.number, message.body, message.failures, message.due) for message in kept.again().messages()]
    assert left == [(b, b"x", 3, 12), (c, b"y", 0, 0)]


def test_a_node_takes_its_messages_with_it(kept: Kept) -> None:
    store = kept.store
    jobs, news, one, other = (store.new_number() for _ in range(4))
    done(store, AddNode(jobs, "queue", "jobs", {}), AddNode(news, "queue", "news", {}))
    done(store, AddMessage(one, jobs, HEADER, b"x", 0), AddMessage(other, news, HEADER, b"y", 0))
    done(store, RemoveNode(jobs))
    nodes, messages = contents(kept.again())
    assert [node.number for node in nodes] == [news] and [message.number for message in messages] == [other]


def test_changes_of_what_is_not_there_change_nothing(kept: Kept) -> None:
    done(kept.store, RemoveMessage(7), CountMessage(7, 1), RewriteMessage(7, b"x"), DelayMessage(7, 1), RemoveNode(7))
    assert contents(kept.again()) == ([], [])


def test_what_comes_and_goes_within_one_commit_leaves_nothing(kept: Kept) -> None:
    store = kept.store
    node, message = store.new_number(), store.new_number()
    outcomes = store.commit(
        [
            [AddNode(node, "queue", "q", {})],
            [AddMessage(message, node, HEADER, b"x", 0)],
            [CountMessage(message, 1), RewriteMessage(message, b"y")],
            [RemoveMessage(message)],
            [RemoveNode(node)],
        ]
    )
    assert list(outcomes) == [None] * 5
    assert contents(kept.again()) == ([], [])


def test_a_number_is_given_once_also_after_a_restart(kept: Kept) -> None:
    given = [kept.store.new_number() for _ in range(5)]
    for _ in range(3):
        store = kept.again()
        given += [store.new_number() for _ in range(5)]
    assert given == sorted(set(given))


def test_numbers_go_on_beyond_those_set_aside(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    last = [store.new_number() for _ in range(RESERVED + 10)][-1]
    store.close()
    store = SqliteStore(tmp_path / "store")
    assert store.new_number() > last
    store.close()


@pytest.mark.parametrize("seed", range(10))
def test_any_history_is_the_same_in_both(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    memory, file = MemoryStore(), SqliteStore(tmp_path / "store")
    numbers: list[int] = []

    def change() -> Change:
        kind = rng.randrange(8)
        old = rng.choice(numbers) if numbers else 1
        if kind < 4:
            numbers.append(number := memory.new_number())
            assert file.new_number() == number
            if kind == 0:
                return AddNode(number, rng.choice(["queue", "topic"]), str(number), {"n": number})
            return AddMessage(number, old, HEADER, bytes([number % 256]) * rng.randrange(50), rng.randrange(3))
        if kind == 4:
            return CountMessage(old, rng.randrange(9)) if rng.random() < 0.5 else DelayMessage(old, rng.randrange(9))
        if kind == 5:
            return RewriteMessage(old, b"again")
        return RemoveMessage(old) if kind == 6 or rng.random() < 0.8 else RemoveNode(old)

    for _ in range(30):
        groups = [[change()] for _ in range(rng.randrange(5))]
        # The kinds of change in one commit are independent of their order, or come in the order of their lives.
        order = [AddNode, AddMessage, DelayMessage, CountMessage, RewriteMessage, RemoveMessage, RemoveNode]
        groups.sort(key=lambda group: order.index(type(group[0])))
        memory.commit(groups)
        assert not any(file.commit(groups))
        if rng.random() < 0.3:
            file.close()
            file = SqliteStore(tmp_path / "store")
            ahead = file.new_number()  # a restart skips numbers
            while memory.new_number() < ahead:
                pass
        assert contents(file) == contents(memory)
    file.close()


# -- files that cannot be taken


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "other")
    base.execute("CREATE TABLE mine (x)")
    base.commit()
    base.close()
    before = (tmp_path / "other").read_bytes()
    with pytest.raises(StoreError, match="other is a file of another program: name a new one"):
        SqliteStore(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"hello " * 1000)
    with pytest.raises(StoreError, match="text is damaged, or no store: file is not a database"):
        SqliteStore(tmp_path / "text")


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "old")
    base.executescript(
        f"""
        PRAGMA application_id = {APPLICATION};
        PRAGMA user_version = 1;
        CREATE TABLE node (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL);
        CREATE TABLE message (
            number INTEGER PRIMARY KEY, queue INTEGER NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL,
            expires INTEGER NOT NULL, failures INTEGER NOT NULL);
        CREATE TABLE used (number INTEGER NOT NULL);
        INSERT INTO used VALUES (100);
        INSERT INTO node VALUES (1, 'queue', 'jobs', '{{}}');
        INSERT INTO message VALUES (2, 1, x'', x'78', 5, 3);
        """
    )
    base.close()
    for _ in range(2):
        store = SqliteStore(tmp_path / "old")
        assert contents(store) == ([AddNode(1, "queue", "jobs", {})], [StoredMessage(2, 1, b"", b"x", 5, 3, 0)])
        assert store.new_number() > 100 and store.ids() == []
        store.close()
    base = sqlite3.connect(tmp_path / "old")
    assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
    base.close()


def test_a_file_of_the_second_version_is_brought_up_to_date(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    done(store, AddNode(1, "queue", "jobs", {"max_length": 5}))
    store.close()
    base = sqlite3.connect(tmp_path / "store")
    base.execute("PRAGMA user_version = 2")
    base.close()
    store = SqliteStore(tmp_path / "store")
    assert store.nodes() == [AddNode(1, "queue", "jobs", {"max_length": 5})]
    store.close()
    base = sqlite3.connect(tmp_path / "store")
    assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
    base.close()


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store").close()
    base = sqlite3.connect(tmp_path / "store")
    base.execute(f"PRAGMA user_version = {VERSION + 1}")
    base.close()
    text = rf"written by a later release \(format {VERSION + 1}, this one knows {VERSION}\)"
    with pytest.raises(StoreError, match=text):
        SqliteStore(tmp_path / "store")


def test_no_file_is_needed_beside_the_store_and_its_log(tmp_path: Path) -> None:
    """A full disk would have no room for it, so that what is in the store could not be read."""
    path = tmp_path / "store"
    for _ in range(2):
        store = SqliteStore(path)
        done(store, AddMessage(store.new_number(), 1, HEADER, b"x", 0))
        assert sorted(file.name for file in tmp_path.iterdir()) == ["store", "store-wal"]
        store.close()


def test_a_large_message_is_written_once_and_not_again_to_delete_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    done(store, AddNode(1, "queue", "jobs", {}))
    done(store, AddMessage(2, 1, HEADER, b"x" * 1_000_000, 0))
    written = (tmp_path / "store-wal").stat().st_size
    done(store, RemoveMessage(2))
    assert written > 1_000_000 > 10 * ((tmp_path / "store-wal").stat().st_size - written)
    store.close()


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store").close()
    base = sqlite3.connect(tmp_path / "store")
    assert base.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    base.close()


def test_a_damaged_file_is_named_when_it_is_read(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    for _ in range(50):
        done(store, *[AddMessage(store.new_number(), 1, HEADER, b"x" * 500, 0) for _ in range(20)])
    store.close()
    data = bytearray((tmp_path / "store").read_bytes())
    for at in range(3 * 4096, len(data), 4096):
        data[at : at + 200] = b"\xff" * 200
    (tmp_path / "store").write_bytes(data)
    with pytest.raises(StoreError, match=r"store is damaged, or no store: .*Move it away, or bring back a copy"):
        store = SqliteStore(tmp_path / "store")
        try:
            list(store.messages())
        finally:
            store.close()


def test_a_second_broker_on_the_same_file_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    with pytest.raises(StoreError, match="in use by another process: each broker has a store of its own"):
        SqliteStore(tmp_path / "store")
    done(store, AddMessage(store.new_number(), 1, HEADER, b"x", 0))
    store.close()


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere.store cannot be made: its directory is not there; make it first"):
        SqliteStore(tmp_path / "nowhere" / "store")


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is a directory: name a file in it$"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize(
    "locked, words",
    [
        ("store", "store is read-only for this user: a store is written to"),
        ("", "needs a directory that this user may write to, for the log beside it: .* is read-only"),
        (None, "store: (disk I/O error|attempt to write a readonly database|.*open database.*)$"),
    ],
)
def test_a_store_that_cannot_be_written_says_why(tmp_path: Path, monkeypatch: Any, locked: Any, words: str) -> None:
    SqliteStore(tmp_path / "store").close()
    connect, access = sqlite3.connect, os.access

    def read_only(path: str, **options: Any) -> Any:
        return connect(f"{Path(path).as_uri()}?mode=ro", uri=True, **options)

    def may(path: Any, mode: int) -> bool:
        return (locked is None or Path(path) != tmp_path / locked) and access(path, mode)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    monkeypatch.setattr(os, "access", may)  # the superuser may write everywhere
    with pytest.raises(StoreError, match=words):
        SqliteStore(tmp_path / "store")


def test_the_program_ends_with_a_line_where_its_store_cannot_be_opened(tmp_path: Path, capsys: Any) -> None:
    assert main(["--listen", "amqp://127.0.0.1:0", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", f"amqp-broker: {tmp_path} is a directory: name a file in it\n")


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="store is closed"):
        store.nodes()


# -- commits that fail


@pytest.mark.parametrize(
    "odd",
    [
        AddMessage(1, 2**63, HEADER, b"x", 0),
        AddMessage(1, 1, HEADER, b"x", -(2**64)),
        AddNode(1, "queue", "\ud800", {}),
    ],
)
def test_a_value_that_no_column_has_room_for_is_the_fault_of_its_group_alone(tmp_path: Path, odd: Change) -> None:
    store = SqliteStore(tmp_path / "store")
    error, other = store.commit([[odd], [AddMessage(2, 1, HEADER, b"x", 0)]])
    assert isinstance(error, StoreError) and not error.full and other is None
    assert [message.number for message in store.messages()] == [2] and store.nodes() == []
    store.close()


def test_a_full_store_refuses_what_needs_room_takes_what_makes_some_and_goes_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store", most_bytes=200_000)
    kept = []
    while True:
        number = store.new_number()
        (error,) = store.commit([[AddMessage(number, 1, HEADER, b"x" * 10_000, 0)]])
        if error is not None:
            break
        kept.append(number)
    assert error.full and str(error).endswith("store: no room on the disk") and len(kept) > 10
    mixed = store.commit(
        [
            [RemoveMessage(kept[0])],
            [AddMessage(store.new_number(), 1, HEADER, b"x" * 100_000, 0), RemoveMessage(kept[1])],
            [CountMessage(kept[2], 1)],
        ]
    )
    assert [error and error.full for error in mixed] == [None, True, None]
    done(store, AddMessage(store.new_number(), 1, HEADER, b"small", 0))
    store.close()
    store = SqliteStore(tmp_path / "store")
    left = [message.number for message in store.messages()]
    assert left[:-1] == kept[1:], "the group that failed has removed nothing"
    store.close()


class Failing:
    """A connection whose statements fail from the nth on."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self.base = base
        self.left = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def execute(self, statement: str, *rest: Any) -> Any:
        self.step(statement)
        return self.base.execute(statement, *rest)

    def executemany(self, statement: str, *rest: Any) -> Any:
        self.step(statement)
        return self.base.executemany(statement, *rest)

    def step(self, statement: str) -> None:
        if statement == "ROLLBACK":
            return
        self.left -= 1
        if self.left == 0:
            raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("nth", range(1, 40))
def test_whichever_statement_fails_a_group_is_written_whole_or_not_at_all(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Failing] = []
    connect = sqlite3.connect

    def failing(*args: Any, **options: Any) -> Any:
        made.append(Failing(connect(*args, **options)))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", failing)
    store = SqliteStore(tmp_path / "store")
    old = [store.new_number() for _ in range(4)]
    done(store, AddNode(1, "queue", "q", {}), *[AddMessage(number, 1, HEADER, b"old", 0) for number in old])
    groups: list[list[Change]] = [
        [AddMessage(store.new_number(), 1, HEADER, b"new", 0), RemoveMessage(old[group]), CountMessage(old[3], group)]
        for group in range(3)
    ]
    made[-1].left = nth
    outcomes = store.commit(groups)
    assert len(outcomes) == 3
    store.close()
    monkeypatch.setattr(sqlite3, "connect", connect)
    store = SqliteStore(tmp_path / "store")
    there = {message.number for message in store.messages()}
    for group, outcome in zip(groups, outcomes):
        added, removed = group[0].number, group[1].number  # type: ignore[union-attr]
        if outcome is None:
            assert added in there and removed not in there
        else:
            assert "disk I/O error" in str(outcome) and not outcome.full
            assert added not in there and removed in there
    store.close()


WRITER = """
from handlers.broker.store.interface import AddMessage, RemoveMessage
from handlers.broker.store.sqlite import SqliteStore

store = SqliteStore({path!r})
before = None
while True:
    number = store.new_number()
    group = [AddMessage(number, 1, b"", b"x" * 200, 0)] + ([RemoveMessage(before)] if before else [])
    assert store.commit([group]) == [None]
    print(number, flush=True)
    before = number
"""


def test_what_was_committed_is_there_after_a_kill(tmp_path: Path) -> None:
    for _ in range(3):
        program = tmp_path / "writer.py"
        program.write_text(WRITER.format(path=str(tmp_path / "store")), encoding="utf-8")
        with Script([sys.executable, str(program)], CHECKOUT) as writer:
            lines = writer.lines()
            told = [next(lines) for _ in range(20)]
            writer.process.kill()
            told += lines
        last = int(told[-1])
        store = SqliteStore(tmp_path / "store")
        newest = [message.number for message in store.messages()][-1]
        assert newest in (last, last + 1), "the last one may have been written, and not told"
        store.close()
