"""What a put, a get and an ack of a real queue cost on this machine.

``python -m simlib.live.measure profile.csv --in some/directory`` measures all queues in all sync
modes, on the disk that has the directory, and writes a profile for ``PointToPoint(costs=...)``.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args
from uuid import uuid4

import numpy as np

from ..costs import Cost, CostProfile, Operation, Sync
from ..queues import MessageQueue, QueueError, SQLiteQueue
from ..queues.crash import kill
from ..queues.kinds import KINDS, open_queue
from ..queues.postgres import PostgresQueue
from .machine import filesystem, machine

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "main",
    "measure",
    "measure_all",
    "measure_opening",
    "measure_postgres",
    "measure_threads",
    "own_schema",
    "sqlite_queue",
]

WARM_UP = 0.1
"""The fraction of the calls, at the start, that doesn't count."""
SCHEMAS = 0x73514D72
"""The space of the advisory locks that say which schemas are in use."""


def measure(
    make_queue: Callable[[Path], MessageQueue],
    *,
    name: str,
    sync: Sync,
    sync_acks: bool = False,
    batch_sizes: Sequence[int] = (1, 100),
    messages: int = 2_000,
    size: int = 256,
    waiting: int = 0,
    where: str | Path | None = None,
) -> tuple[Cost, ...]:
    """Measure a queue by the clock on the wall, call by call, in one thread.

    For each batch size a new queue is filled, and then emptied message by message: taken and acked.
    The first tenth of the calls doesn't count.

    Parameters
    ----------
    make_queue : callable
        Makes the queue in an empty directory that it is given; it is closed afterwards.
    name, sync, sync_acks
        What the costs are filed under. They don't change the queue: ``make_queue`` has to agree.
    batch_sizes : sequence of int
        How many messages one call deals with: 1 for ``put``, ``get`` and ``ack``, more for
        ``put_many``, ``get_many`` and ``ack_many``.
    messages : int
        How many messages are put for each batch size; of batches a hundred at least.
    size : int
        Bytes of each message's body.
    waiting : int
        How many messages wait in the queue before the first call.
    where : path, optional
        The directory on the disk in question, in which a temporary one is made and removed; by
        default the system's place for temporary files, which may be in memory.
    """
    if messages < 1:
        raise ValueError(f"messages must be >= 1, got {messages}")
    if size < 0:
        raise ValueError(f"size must be >= 0 bytes, got {size}")
    if waiting < 0:
        raise ValueError(f"waiting must be >= 0, got {waiting}")
    if not batch_sizes or min(batch_sizes) < 1:
        raise ValueError(f"batch_sizes must be whole numbers >= 1, got {tuple(batch_sizes)}")
    ack: Operation = "synced ack" if sync_acks else "ack"
    costs = []
    for batch_size in batch_sizes:
        calls = messages if batch_size == 1 else max(100, messages // batch_size)
        with (
            TemporaryDirectory(prefix="simlib-", dir=where) as place,
            make_queue(Path(place)) as queue,
        ):
            _fill(queue, waiting, size)
            times = _times(queue, calls, batch_size, bytes(size))
        for operation, seconds in zip(("put", "get", ack), times, strict=True):
            costs.append(_cost(name, sync, operation, batch_size, seconds))
    return tuple(costs)


def sqlite_queue(place: Path, *, sync: Sync = "always", sync_acks: bool = False) -> SQLiteQueue:
    """A queue in a database in this directory, made as :func:`measure` asks for it."""
    return SQLiteQueue(place / str(KINDS["sqlite"].path), sync=sync, sync_acks=sync_acks)


def measure_all(
    where: str | Path | None = None, *, messages: int = 2_000, rounds: int = 5
) -> CostProfile:
    """The profile of this machine: the queues in memory, in files and in a database.

    Parameters
    ----------
    where, messages
        As for :func:`measure`.
    rounds : int
        How often everything is measured, all kinds in turn. Of each cost the round with the least
        mean is kept, as ``timeit`` does: what makes another one slower is somebody else's work.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be >= 1, got {rounds}")
    costs: dict[object, Cost] = {}
    for _ in range(rounds):
        for name, sync, sync_acks, make_queue in _kinds():
            found = measure(
                make_queue,
                name=name,
                sync=sync,
                sync_acks=sync_acks,
                messages=messages,
                where=where,
            )
            for cost in found:
                # Puts and gets don't depend on how acks are synced.
                if not sync_acks or cost.operation == "synced ack":
                    key = (cost.queue, cost.sync, cost.operation, cost.batch_size)
                    costs[key] = min(cost, costs.get(key, cost), key=lambda each: each.mean)
    with TemporaryDirectory(dir=where) as place:
        facts = {**machine(), "File system": filesystem(place)}
    facts["Date"] = f"{datetime.now(UTC):%Y-%m-%d}"
    facts["How"] = (
        f"the quietest of {rounds} rounds of {messages:,} messages of 256 bytes, in one thread, by "
        "the clock on the wall"
    )
    return CostProfile(machine=tuple(facts.items()), costs=tuple(costs.values()))


def measure_postgres(
    server: str = "host=127.0.0.1 port=5432 dbname=test user=postgres connect_timeout=5",
    *,
    messages: int = 2_000,
    size: int = 256,
) -> tuple[Cost, ...]:
    """Measure a queue in a PostgreSQL server, in a schema that is removed afterwards; if this
    process is killed meanwhile, by the next measurement.

    Parameters
    ----------
    server : str
        Where it is, as in libpq.
    messages, size
        As for :func:`measure`.

    Raises
    ------
    ImportError
        psycopg is not installed.
    QueueError
        No server answers there.
    """
    try:
        import psycopg
    except ImportError as error:
        raise ImportError("PostgreSQL needs psycopg 3: pip install 'simlib[live]'") from error
    try:
        connection = psycopg.connect(server, autocommit=True)
    except psycopg.OperationalError as error:
        raise QueueError(f"no PostgreSQL server answers: {str(error).strip()}") from error
    with closing(connection), own_schema(connection, "simlib_measure") as schema:
        return measure(
            lambda place: PostgresQueue(f"{server} options='-c search_path={schema}'", place.name),
            name="postgres",
            sync="always",
            batch_sizes=(1,),
            messages=messages,
            size=size,
        )


@contextmanager
def own_schema(connection: psycopg.Connection[Any], name: str) -> Iterator[str]:
    """A schema that nobody else has, and that is removed; as are those of sessions that are gone.

    Parameters
    ----------
    connection : psycopg.Connection
        A session without a transaction. As long as it lives, the schema is in use.
    name : str
        How the names of such schemas begin.
    """
    schema = f"{name}_{uuid4().hex}"
    # Seen by others only once it is locked.
    with connection.transaction():
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SELECT pg_advisory_lock({SCHEMAS}, hashtext(%s))", (schema,))
    try:
        for (left,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname <> %s AND nspname ~ %s "
            "AND pg_has_role(nspowner, 'USAGE')",
            (schema, f"^{name}_[0-9a-f]{{32}}$"),
        ).fetchall():
            if connection.execute(
                f"SELECT pg_try_advisory_lock({SCHEMAS}, hashtext(%s))", (left,)
            ).fetchall() == [(True,)]:
                _drop(connection, left)
        yield schema
    finally:
        if not connection.closed:
            _drop(connection, schema)


def _drop(connection: psycopg.Connection[Any], schema: str) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    connection.execute(f"SELECT pg_advisory_unlock({SCHEMAS}, hashtext(%s))", (schema,))


def measure_threads(queue: MessageQueue, threads: int, *, messages: int, size: int = 256) -> float:
    """How many puts return per second when so many threads put at the same time (1/s).

    Parameters
    ----------
    queue : MessageQueue
        The queue; the messages stay in it.
    threads : int
        How many there are.
    messages : int
        How many are put by all of them together, or some fewer if they can't be shared evenly.
    size : int
        Bytes of each message's body.
    """
    for name, value, least in (("threads", threads, 1), ("messages", messages, threads)):
        if value < least:
            raise ValueError(f"{name} must be >= {least}, got {value}")
    each = messages // threads
    body = bytes(size)
    start = threading.Barrier(threads + 1)

    def put() -> None:
        start.wait()
        for _ in range(each):
            queue.put(body)

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(put) for _ in range(threads)]
        start.wait()
        begun = time.perf_counter()
        for one in running:
            one.result()
        return threads * each / (time.perf_counter() - begun)


def measure_opening(
    make_queue: Callable[[Path], MessageQueue],
    waiting: int,
    *,
    size: int = 256,
    where: str | Path | None = None,
) -> float:
    """How long it takes to open a queue whose process was killed (s).

    Parameters
    ----------
    make_queue, where
        As for :func:`measure`.
    waiting : int
        How many messages are in it.
    size : int
        Bytes of each message's body.
    """
    with TemporaryDirectory(prefix="simlib-", dir=where) as place:
        queue = make_queue(Path(place))
        _fill(queue, waiting, size)
        kill(queue)
        begun = time.perf_counter()
        with make_queue(Path(place)) as queue:
            taken = time.perf_counter() - begun
            if queue.qsize() != waiting:
                raise ValueError(
                    f"make_queue must open the same queue again, with {waiting} messages; it has "
                    f"{queue.qsize()}"
                )
    return taken


def _fill(queue: MessageQueue, waiting: int, size: int) -> None:
    """Put so many messages, a thousand at a time."""
    for put in range(0, waiting, 1_000):
        queue.put_many([bytes(size)] * min(1_000, waiting - put))


def _kinds() -> Iterator[tuple[str, Sync, bool, Callable[[Path], MessageQueue]]]:
    """Every kind of queue: its name, sync mode, whether acks are synced, and how it is made."""
    yield "memory", "never", False, partial(open_queue, "memory")
    for sync in get_args(Sync):
        for sync_acks in (False, True):
            for name in ("file", "sqlite"):
                opened = partial(open_queue, name, sync=sync, sync_acks=sync_acks)
                yield name, sync, sync_acks, opened


def _times(
    queue: MessageQueue, calls: int, batch_size: int, body: bytes
) -> tuple[list[float], list[float], list[float]]:
    """How long each put, get and ack took (s)."""
    puts, gets, acks = [], [], []
    clock = time.perf_counter
    bodies = [body] * batch_size
    for _ in range(calls):
        begun = clock()
        if batch_size == 1:
            queue.put(body)
        else:
            queue.put_many(bodies)
        puts.append(clock() - begun)
    for _ in range(calls):
        begun = clock()
        taken = [queue.get(False)] if batch_size == 1 else queue.get_many(batch_size)
        got = clock()
        if batch_size == 1:
            queue.ack(taken[0])
        else:
            queue.ack_many(taken)
        acked = clock()
        gets.append(got - begun)
        acks.append(acked - got)
    return puts, gets, acks


def _cost(
    queue: str, sync: Sync, operation: Operation, batch_size: int, seconds: list[float]
) -> Cost:
    counted = np.array(seconds[int(WARM_UP * len(seconds)) :]) / batch_size
    p50, p95, p99 = np.percentile(counted, [50, 95, 99])
    figures = {"p50": p50, "p95": p95, "p99": p99, "mean": counted.mean()}
    return Cost(
        queue=queue,
        sync=sync,
        operation=operation,
        batch_size=batch_size,
        samples=len(counted),
        # More digits than can be measured would only make the file hard to read.
        **{name: float(f"{value:.4g}") for name, value in figures.items()},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure this machine, and write the profile to a file."""
    parser = argparse.ArgumentParser(
        prog="python -m simlib.live.measure",
        description="Measure what real queues cost on this machine.",
    )
    parser.add_argument("profile", type=Path, help="the CSV file to write")
    parser.add_argument("--in", dest="where", type=Path, help="a directory on the disk in question")
    parser.add_argument("--messages", type=int, default=2_000, help="how many in a round")
    parser.add_argument("--rounds", type=int, default=5, help="of which the quietest counts")
    options = parser.parse_args(arguments)
    profile = measure_all(options.where, messages=options.messages, rounds=options.rounds)
    profile.write(options.profile)


if __name__ == "__main__":
    main()
