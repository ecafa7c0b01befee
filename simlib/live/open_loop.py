"""An open-loop driver: messages are sent when they are due, whatever became of those before.

It never sleeps the gap between two messages, for then each delay would shift all that follow, and
the load would sink where it hurts. What is late is sent at once, and latency counts from when it
was due. Whoever waits for a reply before the next call measures a hundred times less (coordinated
omission; G. Tene, "How not to measure latency", 2015).

It waits by ``time.sleep``: on a machine with few cores, spinning keeps others from their work, and
is late more often than a sleeper.
"""

from __future__ import annotations

import struct
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Full

from .target import Sender

__all__ = ["Log", "Sending", "clock", "drive", "fastest", "wait_until"]

clock = time.perf_counter
"""The clock of all instants; on one machine it is the same in every process."""

SLICE = 0.05
"""The longest sleep (s): so soon a run that is broken off ends."""


class Log:
    """Rows of numbers in a file, which others may read while it grows.

    What one party of a run writes down stands in a file of its own, so that nobody waits for
    anyone, and what was written survives whoever wrote it.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._row = struct.Struct(f"<{width}d")

    def add(self, *row: float) -> None:
        """Append a row."""
        self._file.write(self._row.pack(*row))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Sending:
    """What becomes of the messages that one driver sends.

    Parameters
    ----------
    due : sequence of float
        When each message is due (s), never decreasing.
    works : sequence of float
        The work that each brings (s).
    note : callable
        Called with number, when it was sent and when the send had returned (NaN: no room).
    over : Event
        Set when there is to be an end.
    """

    def __init__(
        self,
        due: Sequence[float],
        works: Sequence[float],
        note: Callable[[float, float, float], object],
        over: threading.Event,
    ) -> None:
        self.due, self.works, self.note, self.over = due, works, note, over
        self.processor_time = 0.0
        """What the threads have computed (s)."""
        self._numbers = iter(range(len(due)))
        self._turn = threading.Lock()

    def run(self, send: Sender, start: float) -> None:
        """Send until there is nothing left: one thread of as many as there are.

        Each takes the next message and waits until it is due. So long as one of them is free, none
        is sent late.
        """
        begun = time.thread_time()
        try:
            while not self.over.is_set():
                with self._turn:
                    number = next(self._numbers, None)
                if number is None or not wait_until(start + self.due[number], self.over):
                    return
                sent = clock()
                try:
                    send(number, self.works[number])
                except Full:
                    self.note(number, sent, float("nan"))
                else:
                    self.note(number, sent, clock())
        finally:
            with self._turn:
                self.processor_time += time.thread_time() - begun


def wait_until(instant: float, over: threading.Event) -> bool:
    """Sleep until an instant, not at all if it is past; False if the run is over before."""
    while (pause := instant - clock()) > 0:
        if over.is_set():
            return False
        time.sleep(min(pause, SLICE))
    return True


def drive(
    sending: Sending,
    sender: Callable[[], AbstractContextManager[Sender]],
    senders: int,
    ready: Callable[[], float],
    warm: int = 0,
) -> None:
    """Send from so many threads, each with a sender of its own.

    Parameters
    ----------
    sending : Sending
        What is sent, and when.
    sender : callable
        Opens what one thread sends with.
    senders : int
        How many threads.
    ready : callable
        Called when all have opened theirs; tells the instant at which time begins.
    warm : int
        How many messages each sends before, which are numbered -1 and bring no work.
    """
    opened = threading.Barrier(senders + 1)
    start = threading.Event()
    instant = array("d", [0.0])
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with sender() as send:
                for _ in range(warm):
                    sent = clock()
                    send(-1, 0.0)
                    sending.note(-1, sent, clock())
                opened.wait()
                start.wait()
                sending.run(send, instant[0])
        except BaseException as error:
            failed.append(error)
            sending.over.set()
            opened.abort()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(senders)]
    for thread in threads:
        thread.start()
    try:
        opened.wait()
        instant[0] = ready()
    except threading.BrokenBarrierError:
        sending.over.set()
    start.set()
    for thread in threads:
        thread.join()
    if failed:
        errors = [each for each in failed if not isinstance(each, threading.BrokenBarrierError)]
        raise errors[0] if errors else failed[0]


def fastest(calls: int = 2_000) -> float:
    """How many messages per second the loop sends at most, to a target that does nothing (1/s)."""
    nothing = array("d", bytes(8 * calls))
    sending = Sending(nothing, nothing, lambda *_: None, threading.Event())
    begun = clock()
    sending.run(lambda number, seconds: None, begun)
    return calls / (clock() - begun)
