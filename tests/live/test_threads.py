"""Threads around a real queue: nothing is lost, and what is measured adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simlib.live.threads import ThreadedRun, run_threads
from simlib.queues import MemoryQueue, Message

NOTHING = np.zeros(60)


@pytest.mark.parametrize("maxsize", [0, 2])
@pytest.mark.parametrize("consumers", [1, 3])
def test_every_message_is_put_taken_and_acked_in_this_order(consumers: int, maxsize: int) -> None:
    with MemoryQueue(maxsize) as queue:
        run = run_threads(queue, NOTHING, NOTHING + 0.0005, consumers, sample_every=0.001)
        assert (queue.qsize(), queue.unacked) == (0, 0)
    assert (run.created <= run.enqueued).all()
    assert (run.enqueued <= run.started).all()
    assert (run.started < run.finished).all()
    assert set(run.consumer.tolist()) <= set(range(consumers))
    assert run.duration == run.finished.max()
    assert run.unacked.max() <= consumers
    if maxsize:
        assert run.ready.max() <= maxsize
    for name in range(consumers):  # A consumer finishes one message before it takes the next.
        mine = run.consumer == name
        assert (run.started[mine][1:] >= run.finished[mine][:-1]).all()


def test_a_message_is_not_put_before_it_is_due_nor_finished_before_its_work_is_done() -> None:
    gaps, works = np.full(10, 0.003), np.full(10, 0.002)
    with MemoryQueue() as queue:
        run = run_threads(queue, gaps, works)
    np.testing.assert_allclose(run.created, np.cumsum(gaps))
    assert (run.started >= run.created).all()
    assert (run.finished - run.started >= works).all()


def test_the_samples_show_the_queue_while_a_message_is_worked_on() -> None:
    with MemoryQueue() as queue:
        run = run_threads(queue, [0, 0, 0], [0.1, 0.1, 0.1], sample_every=0.001)
    assert (np.diff(run.sampled) > 0).all()
    assert ((run.ready == 2) & (run.unacked == 1)).any()
    assert run.unacked.max() == 1


def test_the_summary_adds_up() -> None:
    run = ThreadedRun(
        created=np.array([0.0, 1.0]),
        enqueued=np.array([0.0, 1.5]),
        started=np.array([0.0, 2.0]),
        finished=np.array([2.0, 4.0]),
        consumer=np.array([0, 0]),
        sampled=np.array([1.0, 1.75, 3.0]),
        ready=np.array([0, 1, 0]),
        unacked=np.array([1, 1, 1]),
        consumers=2,
    )
    figures = run.summary()
    assert figures["duration"] == 4
    assert figures["throughput"] == 0.5
    assert figures["latency_mean"] == 2.5
    assert figures["wait_mean"] == 0.25
    assert figures["utilisation"] == 0.5
    assert figures["queue_mean"] == pytest.approx(1 / 3)
    assert figures["in_system_mean"] == pytest.approx(4 / 3)


class Broken(MemoryQueue):
    """A queue that fails where it is told to."""

    def __init__(self, where: str, **options: Any) -> None:
        super().__init__(**options)
        self.where = where

    def put(self, *args: Any, **options: Any) -> int:
        if self.where == "put":
            raise OSError("no more puts")
        return super().put(*args, **options)

    def ack(self, message: Message) -> None:
        if self.where == "ack":
            raise OSError("no more acks")
        super().ack(message)


@pytest.mark.parametrize("where", ["put", "ack"])
def test_a_failure_in_any_thread_ends_the_run_and_is_raised(where: str) -> None:
    # With room for one message the producer would wait for ever behind a consumer that is gone.
    with Broken(where, maxsize=1) as queue, pytest.raises(OSError, match=f"no more {where}s"):
        run_threads(queue, NOTHING, NOTHING)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gaps": []}, "gaps must be a row of at least one number, got shape \\(0,\\)"),
        ({"works": [[0.1]]}, "works must be a row of at least one number, got shape \\(1, 1\\)"),
        ({"gaps": [0.1, -0.2]}, "gaps must be >= 0 s and finite, got -0.2 at index 1"),
        ({"works": [np.nan, 1]}, "works must be >= 0 s and finite, got nan at index 0"),
        ({"works": [0.1]}, "equally many, got 2 and 1"),
        ({"consumers": 0}, "consumers must be a whole number >= 1, got 0"),
        ({"consumers": True}, "consumers must be a whole number >= 1, got True"),
        ({"sample_every": 0}, "sample_every must be > 0 s, got 0"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_put(
    changes: dict[str, Any], words: str
) -> None:
    given: dict[str, Any] = {"gaps": [0.1, 0.1], "works": [0.1, 0.1], **changes}
    with MemoryQueue() as queue:
        with pytest.raises(ValueError, match=words):
            run_threads(queue, **given)
        assert queue.put(b"") == 1


def test_a_lease_that_the_work_outlasts_is_refused() -> None:
    with (
        MemoryQueue(lease=0.1) as queue,
        pytest.raises(ValueError, match=r"lease of 0.1 s must be longer than .* got 0.2 s"),
    ):
        run_threads(queue, [0.0], [0.2])


def test_a_queue_that_is_not_empty_is_refused() -> None:
    with MemoryQueue() as queue:
        queue.put(b"")
        with pytest.raises(ValueError, match="must be empty, and holds 1 messages"):
            run_threads(queue, [0.0], [0.0])
