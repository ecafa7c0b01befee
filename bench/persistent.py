"""FileQueue and SQLiteQueue beside what the disk can do, and beside their peers."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from simlib.queues import FileQueue, MessageQueue
from simlib.queues.kinds import open_queue

from . import limits
from .limits import BODY, Calls
from .measure import Comparison, Slice, alternate
from .report import Table, at_least, at_most, figure, times

SLICES = 15
BATCH = 100

FILE = "FileQueue beside bare appends"
SQLITE = "SQLiteQueue beside bare SQLite"


class Goal(NamedTuple):
    """The least ratio of a put and of a get with its ack; 0: none."""

    put: float = 0.0
    get: float = 0.0


class Contender(NamedTuple):
    """Something to measure."""

    name: str
    make: Callable[[Path], Calls]
    goal: Goal = Goal()


class Mode(NamedTuple):
    """Contenders that promise the same, beside the limit for it."""

    title: str
    messages: int
    """How many are put and taken in a slice."""
    limit: Contender
    contenders: tuple[Contender, ...]


def _modes() -> dict[str, tuple[Mode, ...]]:
    file, sqlite = limits.file_queue, limits.sqlite_queue
    wal, append = limits.wal, limits.append
    return {
        FILE: (
            Mode(
                "each put on disk",
                200,
                Contender("append + fdatasync, each", partial(append, each=1)),
                (
                    Contender("FileQueue", file, Goal(1.1, 15)),
                    Contender(
                        "FileQueue, sync_acks", partial(file, sync_acks=True), Goal(1.1, 1.0)
                    ),
                    Contender("persist-queue Queue", limits.persist_queue),
                ),
            ),
            Mode(
                f"{BATCH} puts on disk together",
                2000,
                Contender(f"append, fdatasync every {BATCH}", partial(append, each=BATCH)),
                (Contender("FileQueue, put_many", partial(file, batch=BATCH), Goal(0.65)),),
            ),
            Mode(
                "no sync",
                4000,
                Contender("append", append),
                (
                    Contender(
                        'FileQueue, sync="never"', partial(file, sync="never"), Goal(0.32, 0.26)
                    ),
                ),
            ),
        ),
        SQLITE: (
            Mode(
                "each put on disk",
                200,
                Contender("WAL, synchronous=FULL", partial(wal, synchronous="FULL")),
                (
                    Contender("SQLiteQueue", sqlite, Goal(0.85, 2.5)),
                    Contender(
                        "SQLiteQueue, sync_acks", partial(sqlite, sync_acks=True), Goal(0.85, 0.45)
                    ),
                    Contender("persist-queue SQLiteAckQueue", limits.persist_queue_sqlite),
                    Contender("litequeue, FULL", partial(limits.lite_queue, synchronous="FULL")),
                    Contender("localqueue, durable", partial(limits.local_queue, durable=True)),
                ),
            ),
            Mode(
                f"{BATCH} puts on disk together",
                2000,
                Contender(
                    f"WAL, FULL, {BATCH} to a commit", partial(wal, synchronous="FULL", each=BATCH)
                ),
                (
                    Contender("SQLiteQueue, put_many", partial(sqlite, batch=BATCH), Goal(0.75)),
                    Contender(
                        "localqueue, put_many",
                        partial(limits.local_queue, durable=True, batch=BATCH),
                    ),
                ),
            ),
            Mode(
                "no sync",
                1000,
                Contender("WAL, synchronous=OFF", partial(wal, synchronous="OFF")),
                (
                    Contender(
                        'SQLiteQueue, sync="never"', partial(sqlite, sync="never"), Goal(0.65, 0.5)
                    ),
                    Contender("litequeue, OFF", partial(limits.lite_queue, synchronous="OFF")),
                ),
            ),
        ),
    }


def tables() -> Iterator[Table]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for title, modes in _modes().items():
            place = folder / title.split()[0]
            place.mkdir()
            yield _beside_limits(title, modes, place)
        yield _threads(folder)
        yield _flat(folder)
        yield _space(folder)


def _beside_limits(title: str, modes: tuple[Mode, ...], folder: Path) -> Table:
    rows: list[tuple[object, ...]] = []
    for mode in modes:
        for place, contender in enumerate(mode.contenders):
            # The limit takes turns with each; its time / theirs says how fast they are.
            own = _slice(contender.make(folder / f"own-{len(rows)}"), mode.messages)
            limit = _slice(mode.limit.make(folder / f"limit-{len(rows)}"), mode.messages)
            parts = alternate(own, limit, SLICES)
            if not place:
                rows.append(_limit_row(mode, parts))
            rows.append(_row(mode, contender, parts))
    return Table(
        title=title,
        about=(
            f"Messages of {len(BODY)} bytes in one thread, put and then taken in bursts: how many "
            "times as fast as the least that must be done. *Get* is a get and its ack. Where the "
            "disk is waited for, times are *wall* times; goals are those of the design."
        ),
        columns=("", "mode", "put", "get", "puts/s", "gets/s", "slices", "goal"),
        rows=rows,
    )


def _limit_row(mode: Mode, parts: Mapping[str, Comparison]) -> tuple[object, ...]:
    rates = (figure(1 / parts[part].contender) for part in ("put", "get"))
    return (mode.limit.name, mode.title, "1", "1", *rates, "", "")


def _row(mode: Mode, contender: Contender, parts: Mapping[str, Comparison]) -> tuple[object, ...]:
    goals = [
        f"{part} {at_least(goal, parts[part].ratio.median)}"
        for part, goal in zip(("put", "get"), contender.goal, strict=True)
        if goal
    ]
    return (
        contender.name,
        mode.title,
        *(times(parts[part].ratio) for part in ("put", "get")),
        *(figure(1 / parts[part].baseline) for part in ("put", "get")),
        parts["put"].ratio.count,
        ", ".join(goals),
    )


def _slice(calls: Calls, messages: int) -> Slice:
    put, take = calls

    def measured() -> Mapping[str, float]:
        begun = time.perf_counter()
        put(messages)
        filled = time.perf_counter()
        take(messages)
        done = time.perf_counter()
        return {"put": (filled - begun) / messages, "get": (done - filled) / messages}

    return measured


def _threads(folder: Path) -> Table:
    rows: list[tuple[object, ...]] = []
    for threads in (8, 32):
        one, many = (FileQueue(folder / f"threads-{threads}-{count}") for count in (1, threads))
        parts = alternate(_together(many, threads), _together(one, 1), SLICES)
        ratio = parts["put"].ratio
        goal = at_least(2.5, ratio.median) if threads == 8 else ""
        rows.append((threads, times(ratio), figure(1 / parts["put"].baseline), ratio.count, goal))
        one.close()
        many.close()
    return Table(
        title="Group commit",
        about=(
            "Threads that put into one `FileQueue`, each put on disk before it returns: puts per "
            "second (wall) beside those of one thread."
        ),
        columns=("threads", "× one thread", "puts/s", "slices", "goal"),
        rows=rows,
    )


def _together(queue: MessageQueue, threads: int) -> Slice:
    each = 400 // threads

    def put() -> None:
        for _ in range(each):
            queue.put(BODY)

    def measured() -> Mapping[str, float]:
        workers = [threading.Thread(target=put) for _ in range(threads)]
        begun = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        spent = time.perf_counter() - begun
        queue.ack_many(queue.get_many(each * threads))
        return {"put": spent / (each * threads)}

    return measured


ACKED = 200_000
WAITING = 50_000


def _flat(folder: Path) -> Table:
    rows: list[tuple[object, ...]] = []
    for kind, name in (("file", "FileQueue"), ("sqlite", "SQLiteQueue")):
        opened = []
        for age in ("fresh", "old"):
            place = folder / f"{age}-{name}"
            place.mkdir()
            opened.append(open_queue(kind, place, sync="never"))
        fresh, old = opened
        for _ in range(0, ACKED, 1000):
            old.put_many([BODY] * 1000)
            old.ack_many(old.get_many(1000))
        for _ in range(0, WAITING, 1000):
            old.put_many([BODY] * 1000)
        parts = alternate(_slice(limits.ours(old), 500), _slice(limits.ours(fresh), 500), SLICES)
        rows.append(
            (
                name,
                times(parts["put"].ratio),
                times(parts["get"].ratio),
                parts["get"].ratio.count,
                f"get {at_least(0.8, parts['get'].ratio.median)}",
            )
        )
        fresh.close()
        old.close()
    return Table(
        title="After many messages",
        about=(
            f"A queue with {ACKED:,} messages done and {WAITING:,} waiting, beside an empty one "
            '(`sync="never"`, wall time): how many times as fast a put and a get with its ack are.'
        ),
        columns=("queue", "put", "get", "slices", "goal"),
        rows=rows,
    )


def _space(folder: Path) -> Table:
    rows: list[tuple[object, ...]] = []
    for kind, name in (("file", "FileQueue"), ("sqlite", "SQLiteQueue")):
        for kept in (1_000, 20_000):
            path = folder / f"space-{name}-{kept}"
            path.mkdir()
            queue = open_queue(kind, path, sync="never")
            for _ in range(100):
                queue.put_many([BODY] * 1000)
            for _ in range(100_000 - kept):
                queue.ack(queue.get(block=False))
            queue.close()
            used = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            ratio = used / (kept * len(BODY))
            rows.append((name, f"{kept:,}", figure(ratio), at_most(2, ratio)))
            shutil.rmtree(path)
    return Table(
        title="Space on disk",
        about=(
            "100,000 messages put and all but some done, one by one; bytes on disk after the queue "
            "was closed, beside those of the bodies that still wait."
        ),
        columns=("queue", "waiting", "× their bodies", "goal"),
        rows=rows,
    )
