"""Stations in series: whoever finishes a message hands it to the next station's queue."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

from ...distributions import Distribution
from ...queues import Empty, MessageQueue
from ..arrivals import first
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..record import Record
from .queue import SimQueue

__all__ = ["StationQueue", "Workers", "feed"]


class StationQueue(SimQueue):
    """The queue before a station.

    Parameters
    ----------
    env : Environment
    real : MessageQueue
        The real queue, with ``maxsize=capacity``.
    record : Record
        Has columns ``enqueued_n``, ``started_n``, ``finished_n`` and ``left_n`` for station n.
    station : int
        The station's number, from 1.
    capacity : int or None
        The most messages that may wait; None for no bound.
    blocks : bool
        Whether senders wait while there is no room, instead of being refused.
    """

    def __init__(
        self,
        env: Environment,
        real: MessageQueue,
        record: Record,
        station: int,
        *,
        capacity: int | None,
        blocks: bool,
    ) -> None:
        super().__init__(
            env, real, capacity=capacity, record=record, stored=record.extra[f"enqueued_{station}"]
        )
        self.station = station
        self.blocks = blocks
        self._senders: deque[tuple[int, Timer]] = deque()

    def send(self, number: int, sender: Timer) -> bool:
        """Store message ``number``, or refuse it; False if its sender has to wait for room.

        The sender's timer is then fired when the message is stored.
        """
        if self.blocks and self._is_full():
            self._senders.append((number, sender))
            return False
        self.publish(number)
        return True

    def wait(self, timer: Timer) -> Timer:
        super().wait(timer)
        self.let_in()
        return timer

    def let_in(self) -> None:
        """Store what senders wait with, first come first served, as long as there is room."""
        while self._senders and not self._is_full():
            number, sender = self._senders.popleft()
            self.publish(number)
            sender.fire()

    def _is_full(self) -> bool:
        return not self._idle if self.capacity == 0 else self.real.full()


class Workers:
    """The consumers of one station.

    A message that doesn't fit into the next queue stays with its consumer, who does nothing else
    until there is room: blocking after service, known to programmers as backpressure.

    Parameters
    ----------
    env : Environment
    queue : StationQueue
        Where messages come from.
    following : StationQueue or None
        Where they go; None if they are done.
    work : Draws
        The work that each message brings here (s).
    faults : sequence of Faults
        For each message that is worked on at once, when whoever does it hangs or is slow.
    priority : int
        Which of the events at one instant come first; the line's last station has 0, so that
        departures make room before the next messages arrive.
    """

    def __init__(
        self,
        env: Environment,
        queue: StationQueue,
        following: StationQueue | None,
        work: Draws,
        *,
        faults: Sequence[Faults],
        priority: int,
    ) -> None:
        self.env = env
        self.queue = queue
        self.following = following
        for each in faults:
            env.process(self._work(work, each, priority))

    def _column(self, name: str) -> array[float]:
        return self.queue.record.extra[f"{name}_{self.queue.station}"]

    def _work(self, work: Draws, faults: Faults, priority: int) -> Generator[Timer, Any, None]:
        env, queue, following = self.env, self.queue, self.following
        started, finished, left = map(self._column, ("started", "finished", "left"))
        timer = Timer(env, priority)
        while True:
            try:
                message = queue.real.get(False)
                queue.let_in()
            except Empty:
                message = yield queue.wait(timer)
            number = queue.numbers[message.id]
            started[number] = env.now
            yield timer.at(faults.done_at(env.now, work[number]))
            finished[number] = env.now
            if following is not None and not following.send(number, timer):
                yield timer
            left[number] = env.now
            queue.ack(message)


def feed(
    env: Environment,
    queue: StationQueue,
    interarrival: Distribution,
    *,
    messages: int | None,
    priority: int,
) -> Generator[Timer, Any, None]:
    """A process that publishes messages into a line's first queue when they are due.

    When it has to wait for room, later messages are late; ``created`` says when they were due.
    """
    record = queue.record
    timer = Timer(env, priority)
    # At instant 0, too, the consumers are there before the first message.
    yield timer.at(env.now)
    for due in first(messages, interarrival.instants(env.stream("producer"))):
        for number, created in enumerate(due, record.prepare(len(due))):
            if created > env.now:
                yield timer.at(created)
            if not queue.send(number, timer):
                yield timer
            record.created[number] = created
