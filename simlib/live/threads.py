"""A producer and its consumers as threads around a real queue, timed on this machine.

Work is slept, not computed, as when a consumer waits for a database: Python's threads would take
turns in computing, and consumers would slow each other down. Sending and consuming are those of
:class:`simlib.live.LiveRun`; what there is beside them is a third thread that looks into the queue.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..queues import Full, MessageQueue
from .consuming import consume
from .open_loop import Sending, clock
from .queue_ends import QueueReceiver
from .target import PATIENCE, Taken, pack

__all__ = ["ThreadedRun", "run_threads"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThreadedRun:
    """What was measured in one run; every instant is in seconds since its start."""

    created: Floats = field(repr=False)
    """When each message was due to be put, shape (messages,)."""
    enqueued: Floats = field(repr=False)
    """When its put had returned, or a consumer had it if that was sooner, shape (messages,)."""
    started: Floats = field(repr=False)
    """When a consumer had got it, shape (messages,)."""
    finished: Floats = field(repr=False)
    """When its ack had returned, shape (messages,)."""
    consumer: NDArray[np.int64] = field(repr=False)
    """Number of the consumer that took it, from 0, shape (messages,)."""
    sampled: Floats = field(repr=False)
    """When the queue was looked at, shape (samples,)."""
    ready: NDArray[np.int64] = field(repr=False)
    """Messages that waited then, shape (samples,)."""
    unacked: NDArray[np.int64] = field(repr=False)
    """Messages that were delivered and not acked then, shape (samples,)."""
    consumers: int
    """How many consumers there were."""

    @property
    def duration(self) -> float:
        """From the start until the last ack (s)."""
        return float(self.finished.max())

    def summary(self) -> pd.Series[float]:
        """Figures under the names that a simulated run's summary has.

        ``utilisation`` is the part of the consumers' time between a get and the end of its ack.
        ``queue_mean`` and ``in_system_mean`` are averages of the samples: of what the queue said,
        and not of the messages' own times.
        """
        latency, waited = self.finished - self.created, self.started - self.enqueued
        busy = float((self.finished - self.started).sum())
        return pd.Series(
            {
                "throughput": len(self.created) / self.duration,
                "latency_mean": latency.mean(),
                "latency_p99": np.percentile(latency, 99),
                "wait_mean": waited.mean(),
                "utilisation": busy / self.duration / self.consumers,
                "queue_mean": self.ready.mean(),
                "in_system_mean": (self.ready + self.unacked).mean(),
                "duration": self.duration,
            },
            name="measured",
            dtype=float,
        )


def run_threads(
    queue: MessageQueue,
    gaps: ArrayLike,
    works: ArrayLike,
    consumers: int = 1,
    *,
    sample_every: float = 0.002,
) -> ThreadedRun:
    """Put messages into a queue from one thread, and consume them in others.

    The producer keeps to its timetable: a put that was held up, because the queue was full, makes
    no later message due any later.

    Parameters
    ----------
    queue : MessageQueue
        A real queue, empty; it stays open.
    gaps : array_like, shape (messages,)
        Time before each message is due, counted from when the one before was (s).
    works : array_like, shape (messages,)
        How long a consumer sleeps over each message (s).
    consumers : int
        How many threads compete for the messages.
    sample_every : float
        Time between two looks at how many messages are in the queue (s).
    """
    due, durations = np.cumsum(_seconds("gaps", gaps)), _seconds("works", works)
    if len(due) != len(durations):
        raise ValueError(
            f"gaps and works must be equally many, got {len(due)} and {len(durations)}"
        )
    if isinstance(consumers, bool) or not isinstance(consumers, int) or consumers < 1:
        raise ValueError(f"consumers must be a whole number >= 1, got {consumers!r}")
    if not 0 < sample_every < np.inf:
        raise ValueError(f"sample_every must be > 0 s, got {sample_every!r}")
    if queue.lease is not None and queue.lease <= durations.max():
        raise ValueError(
            f"the queue's lease of {queue.lease:g} s must be longer than the longest work, "
            f"got {durations.max():g} s"
        )
    waiting = queue.qsize() + queue.delayed + queue.unacked
    if waiting:
        raise ValueError(f"the queue must be empty, and holds {waiting} messages")
    return _Run(queue, due, durations, consumers, sample_every).measure()


def _seconds(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, float)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{name} must be a row of at least one number, got shape {array.shape}")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(f"{name} must be >= 0 s and finite, got {array[place]} at index {place}")
    return array


class _Run:
    """The threads of one run, and what they write down. No two write to the same place."""

    def __init__(
        self,
        queue: MessageQueue,
        due: Floats,
        works: Floats,
        consumers: int,
        sample_every: float,
    ) -> None:
        self.queue = queue
        self.due = due
        self.works = works
        self.consumers = consumers
        self.sample_every = sample_every
        self.enqueued, self.started, self.finished = np.full((3, len(due)), np.nan)
        self.consumer = np.full(len(due), -1)
        self.samples: list[tuple[float, int, int]] = []
        self.over = threading.Event()
        self._unfinished = len(due)
        self._count = threading.Lock()
        self._start = 0.0

    def measure(self) -> ThreadedRun:
        """Let all threads run until the last message is acked, or one of them fails."""
        with ThreadPoolExecutor(self.consumers + 2) as pool:
            self._start = clock()
            threads = [
                pool.submit(self._sample),
                *(pool.submit(self._consume, number) for number in range(self.consumers)),
                pool.submit(self._produce),
            ]
            try:
                wait(threads, return_when=FIRST_EXCEPTION)
            finally:
                self.over.set()  # Whoever still waits gives up, when interrupted, too.
        for thread in threads:
            thread.result()
        sampled, ready, unacked = zip(*self.samples, strict=True)
        return ThreadedRun(
            created=self.due,
            enqueued=np.minimum(self.enqueued, self.started),
            started=self.started,
            finished=self.finished,
            consumer=self.consumer,
            sampled=np.array(sampled),
            ready=np.array(ready),
            unacked=np.array(unacked),
            consumers=self.consumers,
        )

    def _now(self) -> float:
        return clock() - self._start

    def _put(self, number: int, seconds: float) -> None:
        """Put a message, however long there is no room for it."""
        body = pack(number, seconds)
        while not self.over.is_set():
            try:
                self.queue.put(body, timeout=PATIENCE)
            except Full:
                continue
            return

    def _produce(self) -> None:
        def note(number: float, sent: float, returned: float) -> None:
            self.enqueued[int(number)] = returned - self._start

        Sending(self.due.tolist(), self.works.tolist(), note, self.over).run(self._put, self._start)

    def _consume(self, name: int) -> None:
        def note(number: int, started: float, finished: float, acked: float, _: Taken) -> None:
            self.started[number], self.finished[number] = started - self._start, acked - self._start
            self.consumer[number] = name
            with self._count:
                self._unfinished -= 1
                if not self._unfinished:
                    self.over.set()

        consume(QueueReceiver(self.queue), 1, time.sleep, note, self.over)

    def _sample(self) -> None:
        while True:
            self.samples.append((self._now(), self.queue.qsize(), self.queue.unacked))
            if self.over.wait(self.sample_every):
                return
