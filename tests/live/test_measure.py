"""Measuring queues: what is measured is what was asked for, and nothing is left behind."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

import pytest

from simlib.costs import Cost, CostProfile, Operation, Sync
from simlib.live.machine import filesystem, machine
from simlib.live.measure import (
    main,
    measure,
    measure_all,
    measure_opening,
    measure_postgres,
    measure_threads,
    own_schema,
)
from simlib.queues import FileQueue, MemoryQueue, Message, QueueClosedError, QueueError


class Watched(MemoryQueue):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int]] = []
        self.closed = False

    def put(self, body: bytes, *args: Any, **options: Any) -> int:
        self.calls.append(("put", len(body)))
        return super().put(body, *args, **options)

    def get_many(self, most: int, *args: Any, **options: Any) -> list[Message]:
        self.calls.append(("get_many", most))
        return super().get_many(most, *args, **options)

    def ack(self, message: Message) -> None:
        self.calls.append(("ack", 1))
        super().ack(message)

    def close(self) -> None:
        assert self.qsize() == self.unacked == 0
        self.closed = True
        super().close()


def test_each_batch_size_has_a_queue_of_its_own_that_is_emptied_and_closed(tmp_path: Path) -> None:
    made: list[Watched] = []

    def make(place: Path) -> Watched:
        assert place.parent == tmp_path
        assert list(place.iterdir()) == []
        made.append(Watched())
        return made[-1]

    costs = measure(
        make, name="mine", sync="never", batch_sizes=(1, 5), messages=20, size=7, where=tmp_path
    )
    assert [(cost.operation, cost.batch_size, cost.samples) for cost in costs] == [
        ("put", 1, 18), ("get", 1, 18), ("ack", 1, 18),
        ("put", 5, 90), ("get", 5, 90), ("ack", 5, 90),
    ]  # fmt: skip
    assert {(cost.queue, cost.sync) for cost in costs} == {("mine", "never")}
    assert all(0 < cost.p50 <= cost.p95 <= cost.p99 for cost in costs)
    assert made[0].calls == [("put", 7)] * 20 + [("ack", 1)] * 20
    assert made[1].calls == [("get_many", 5)] * 100
    assert all(queue.closed for queue in made)
    assert list(tmp_path.iterdir()) == []


def test_what_waits_is_put_before_the_clock_runs_and_stays(tmp_path: Path) -> None:
    class Waiting(MemoryQueue):
        def put(self, body: bytes, *args: Any, **options: Any) -> int:
            assert self.qsize() >= 2_500
            return super().put(body, *args, **options)

        def close(self) -> None:
            if not self.closing:
                assert self.qsize() == 2_500
            self.closing = True
            super().close()

        closing = False

    measure(
        lambda _: Waiting(),
        name="m",
        sync="never",
        batch_sizes=(1,),
        messages=20,
        waiting=2_500,
        where=tmp_path,
    )


def test_a_server_is_measured_and_left_as_it_was(
    missing: Callable[[str, str], NoReturn],
) -> None:
    psycopg = pytest.importorskip("psycopg")
    try:
        costs = measure_postgres(messages=10)
    except QueueError:
        missing("PostgreSQL", "start a server on port 5432 with a database called test")
    assert [(each.queue, each.operation, each.samples) for each in costs] == [
        ("postgres", operation, 9) for operation in ("put", "get", "ack")
    ]
    server = "host=127.0.0.1 port=5432 dbname=test user=postgres"

    def schemas() -> set[str]:
        with closing(psycopg.connect(server)) as connection:
            rows = connection.execute("SELECT nspname FROM pg_namespace").fetchall()
        return {name for (name,) in rows}

    killed, living = (psycopg.connect(server, autocommit=True) for _ in range(2))
    with closing(living), own_schema(living, "simlib_measure") as in_use:
        with own_schema(killed, "simlib_measure") as left:
            killed.close()
        end = time.monotonic() + 60.0
        while left in schemas():  # Until the server has noticed that the session has ended.
            assert time.monotonic() < end
            measure_postgres(messages=1)
        assert in_use in schemas()
    assert in_use not in schemas()


def test_without_a_server_the_error_says_where_nobody_answers() -> None:
    with pytest.raises(QueueError, match=r"no PostgreSQL server answers: .*port 1"):
        measure_postgres("host=127.0.0.1 port=1")


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_put_their_share_at_the_same_time(threads: int, tmp_path: Path) -> None:
    putters = set()

    class Noted(FileQueue):
        def put(self, body: bytes, *args: Any, **options: Any) -> int:
            putters.add(threading.get_ident())
            assert len(body) == 9
            return super().put(body, *args, **options)

    with Noted(tmp_path / "q") as queue:
        assert measure_threads(queue, threads, messages=100, size=9) > 0
        assert queue.qsize() == 100 // threads * threads
    assert len(putters) == threads


def test_a_put_that_fails_in_a_thread_is_heard_of() -> None:
    with MemoryQueue() as queue:
        queue.close()
        with pytest.raises(QueueClosedError):
            measure_threads(queue, 2, messages=4)


@pytest.mark.parametrize(("threads", "messages"), [(0, 5), (3, 2)])
def test_threads_without_work_are_refused(threads: int, messages: int) -> None:
    with MemoryQueue() as queue, pytest.raises(ValueError, match="must be >= "):
        measure_threads(queue, threads, messages=messages)


def test_opening_a_killed_queue_is_timed(tmp_path: Path) -> None:
    opened = []

    def make(place: Path) -> FileQueue:
        opened.append(place)
        return FileQueue(place / "q", sync="never")

    assert 0 < measure_opening(make, 1_500, where=tmp_path) < 60
    assert len(opened) == 2
    assert len(set(opened)) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_queue_that_forgets_has_nothing_to_open_again() -> None:
    with pytest.raises(ValueError, match="with 5 messages; it has 0"):
        measure_opening(lambda _: MemoryQueue(), 5)


def test_the_figures_are_those_of_the_calls_after_the_first_tenth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each look at the clock comes a second later than the one before; a put looks twice.
    times = iter(range(10**6))
    monkeypatch.setattr("simlib.live.measure.time.perf_counter", lambda: float(next(times)))
    put, get, ack, *batched = measure(
        lambda _: MemoryQueue(), name="m", sync="never", batch_sizes=(1, 4), messages=10
    )
    assert (put.mean, get.mean, ack.mean) == (1.0, 1.0, 1.0)
    assert [cost.mean for cost in batched] == [0.25, 0.25, 0.25]


def test_synced_acks_are_filed_apart(tmp_path: Path) -> None:
    make = partial(FileQueue, sync_acks=True)
    costs = measure(make, name="file", sync="always", sync_acks=True, messages=5, where=tmp_path)
    assert {cost.operation for cost in costs} == {"put", "get", "synced ack"}
    assert list(tmp_path.iterdir()) == []


def test_a_queue_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    class Failing(FileQueue):
        def get(self, *_: Any) -> Message:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        measure(Failing, name="file", sync="always", messages=2, where=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"messages": 0}, "messages must be >= 1, got 0"),
        ({"size": -1}, "size must be >= 0 bytes, got -1"),
        ({"waiting": -1}, "waiting must be >= 0, got -1"),
        ({"batch_sizes": ()}, "batch_sizes must be"),
        ({"batch_sizes": (1, 0)}, r"batch_sizes must be .* got \(1, 0\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        measure(lambda _: MemoryQueue(), name="m", sync="never", **options)


def test_a_whole_machine_is_measured_into_a_profile(tmp_path: Path) -> None:
    out, disk = tmp_path / "profile.csv", tmp_path / "disk"
    disk.mkdir()
    main([str(out), "--in", str(disk), "--messages", "10", "--rounds", "2"])
    profile = CostProfile.read(out)
    for queue in ("file", "sqlite"):
        for sync in get_args(Sync):
            for operation in get_args(Operation):
                assert profile.timing(queue, sync, operation)(1) > 0
    assert profile.timing("memory", "never", "put")(1) > 0
    assert list(disk.iterdir()) == []


def test_of_several_rounds_the_quietest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    means = iter([3.0, 1.0, 2.0])

    def rounds(make_queue: Any, **options: Any) -> tuple[Cost, ...]:
        if options["name"] != "memory":
            return ()
        figures = dict.fromkeys(("p50", "p95", "p99", "mean"), next(means))
        return (
            Cost(queue="memory", sync="never", operation="put", batch_size=1, samples=1, **figures),
        )

    monkeypatch.setattr("simlib.live.measure.measure", rounds)
    profile = measure_all(rounds=3)
    assert [cost.mean for cost in profile.costs] == [1.0]
    with pytest.raises(ValueError, match="rounds must be >= 1, got 0"):
        measure_all(rounds=0)


def test_a_machine_is_described_without_telling_whose_it_is() -> None:
    facts = machine()
    assert facts["Python"].endswith(platform.python_version())
    assert "cores" in facts["CPU"]
    text = " ".join(facts.values())
    for name in (platform.node(), str(Path.home())):
        assert name not in text


def test_a_file_system_is_called_by_its_kind() -> None:
    if not Path("/proc/self/mounts").is_file():
        assert filesystem("/") == "unknown"
        return
    assert filesystem("/proc") == "proc"
    assert "/" not in filesystem(Path.cwd())
