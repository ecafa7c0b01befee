"""The least that a persistent queue must do, and queues that people install today.

Each is a pair of calls, to put and to take a number of messages, on files of its own.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import litequeue
import localqueue
import persistqueue

from simlib.queues import FileQueue, MessageQueue, SQLiteQueue

BODY = bytes(range(256))
TEXT = BODY.hex()[:256]  # for those that take only text
CLAIM = bytes(40)

Calls = tuple[Callable[[int], None], Callable[[int], None]]
"""Puts so many messages; takes so many and says that they are done."""


def append(folder: Path, *, each: int = 0) -> Calls:
    """Append a message to a file; read it, and append 40 bytes. Sync after ``each`` of them."""
    folder.mkdir()
    handle = os.open(folder / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    position = 0

    def write(data: bytes, count: int) -> None:
        for number in range(1, count + 1):
            os.write(handle, data)
            if each and number % each == 0:
                os.fdatasync(handle)

    def put(count: int) -> None:
        write(BODY, count)

    def take(count: int) -> None:
        nonlocal position
        for number in range(1, count + 1):
            os.pread(handle, len(BODY), position)
            position += len(BODY)
            os.write(handle, CLAIM)
            if each and number % each == 0:
                os.fdatasync(handle)

    return put, take


def wal(folder: Path, *, synchronous: str, each: int = 1) -> Calls:
    """Insert a row into SQLite's write-ahead log; read and delete it. ``each`` to a commit."""
    folder.mkdir()
    database = sqlite3.connect(folder / "queue.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    execute = database.execute

    def transact(count: int, statement: Callable[[], object]) -> None:
        for _ in range(0, count, each):
            if each == 1:
                statement()
                continue
            execute("BEGIN IMMEDIATE")
            for _ in range(each):
                statement()
            execute("COMMIT")

    def put(count: int) -> None:
        transact(count, lambda: execute("INSERT INTO messages (body) VALUES (?)", (BODY,)))

    def take(count: int) -> None:
        statement = "DELETE FROM messages WHERE id = (SELECT min(id) FROM messages) RETURNING body"
        transact(count, lambda: execute(statement).fetchall())

    return put, take


def ours(queue: MessageQueue, *, batch: int = 1) -> Calls:
    """One of simlib's queues, one by one or in batches."""

    def put(count: int) -> None:
        if batch == 1:
            for _ in range(count):
                queue.put(BODY)
        else:
            for _ in range(0, count, batch):
                queue.put_many([BODY] * batch)

    def take(count: int) -> None:
        if batch == 1:
            for _ in range(count):
                queue.ack(queue.get(block=False))
        else:
            for _ in range(0, count, batch):
                queue.ack_many(queue.get_many(batch))

    return put, take


def file_queue(folder: Path, *, batch: int = 1, **options: object) -> Calls:
    """Ours in files."""
    return ours(FileQueue(folder, **options), batch=batch)  # type: ignore[arg-type]


def sqlite_queue(folder: Path, *, batch: int = 1, **options: object) -> Calls:
    """Ours in SQLite."""
    folder.mkdir()
    return ours(SQLiteQueue(folder / "queue.db", **options), batch=batch)  # type: ignore[arg-type]


def persist_queue(folder: Path) -> Calls:
    """persist-queue's Queue, in files."""
    queue = persistqueue.Queue(str(folder), autosave=True)

    def put(count: int) -> None:
        for _ in range(count):
            queue.put(BODY)

    def take(count: int) -> None:
        for _ in range(count):
            queue.get(block=False)
            queue.task_done()

    return put, take


def persist_queue_sqlite(folder: Path) -> Calls:
    """persist-queue's SQLiteAckQueue."""
    queue = persistqueue.SQLiteAckQueue(str(folder), auto_commit=True, multithreading=True)

    def put(count: int) -> None:
        for _ in range(count):
            queue.put(BODY)

    def take(count: int) -> None:
        for _ in range(count):
            queue.ack(queue.get(block=False))

    return put, take


def lite_queue(folder: Path, *, synchronous: str) -> Calls:
    """litequeue, with its own or with SQLite's full synchronisation."""
    folder.mkdir()
    queue = litequeue.LiteQueue(folder / "queue.db")
    queue.conn.execute(f"PRAGMA synchronous={synchronous}")

    def put(count: int) -> None:
        for _ in range(count):
            queue.put(TEXT)

    def take(count: int) -> None:
        for _ in range(count):
            message = queue.pop()
            assert message is not None
            queue.done(message.message_id)

    return put, take


def local_queue(folder: Path, *, durable: bool, batch: int = 1) -> Calls:
    """localqueue, durable or relaxed."""
    folder.mkdir()
    mode = localqueue.DurabilityMode.DURABLE if durable else localqueue.DurabilityMode.RELAXED
    queue: localqueue.SimpleQueue[str] = localqueue.SimpleQueue(
        str(folder / "queue.db"), durability=mode
    )

    def put(count: int) -> None:
        if batch == 1:
            for _ in range(count):
                queue.put(TEXT)
        else:
            for _ in range(0, count, batch):
                queue.put_many([TEXT] * batch)

    def take(count: int) -> None:
        for _ in range(count):
            queue.ack(queue.get(block=False))

    return put, take
