"""Who publishes events, and who works on them, whatever carries them from the one to the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from math import nan
from typing import Any

from simpy.events import Event

from ...calls import Outcome
from ..calls.front import FrontService
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..network import Link
from ..point_to_point.queue import SimQueue
from ..record import Record

__all__ = ["EventPublisher", "EventWorker"]


class EventPublisher(FrontService):
    """Threads that publish events, each one event at a time; the others wait at the door.

    Parameters
    ----------
    env : Environment
    door : SimQueue
        Where events wait for a thread. Its record has a column ``answered``.
    records : sequence of Record
        Of each subscriber, with a row for each event.
    threads : int
        How many events are published at once.
    network : float or Link
        The way from or to the publisher; a number is its latency (s).
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        records: Sequence[Record],
        *,
        threads: int,
        network: float | Link,
    ) -> None:
        super().__init__(env, door, threads, network)
        self.calls = 0
        """How many times it has asked somebody for something."""
        self.sending: set[int] = set()
        """Events in its hands."""
        self.records = records
        self._events = door.record

    @abstractmethod
    def publish(self, number: int, timer: Timer) -> Generator[Event, Any, None]:
        """Publish event ``number``; the thread is busy until it returns."""

    def send(self, number: int, timer: Timer) -> Generator[Event, Any, Outcome]:
        self.sending.add(number)
        self._events.started[number] = self.env.now
        for record in self.records:
            record.prepare(len(self._events.created) - len(record.created))
        yield from self.publish(number, timer)
        self.sending.remove(number)
        return Outcome.OK

    def note_stored(self, number: int) -> None:
        """Note that event ``number`` is now stored for every subscriber."""
        for record in self.records:
            record.enqueued[number] = self.env.now


class EventWorker:
    """A subscriber that works on events one at a time, and may be down.

    Parameters
    ----------
    env : Environment
    record : Record
        A row for each event.
    work : Draws
        The work that each event brings (s).
    faults : Faults
        When it is down.
    """

    def __init__(self, env: Environment, record: Record, work: Draws, faults: Faults) -> None:
        self.env = env
        self.record = record
        self.work = work
        self.faults = faults
        self.in_hand = 0
        """How many events it works on: 1 or 0."""

    def wait_until_up(self, timer: Timer) -> Generator[Timer, Any, None]:
        """Wait out an outage, if there is one now."""
        up = self.faults.up_at(self.env.now)
        if up > self.env.now:
            yield timer.at(up)

    def deliver_in_vain(self, number: int) -> None:
        """Note a delivery of event ``number`` that nobody has begun to work on, and nobody will."""
        self.record.attempts.add(number, self.env.now, nan, nan, self.env.now, cause="outage")
        self.record.moves.requeued.append(self.env.now)

    def work_on(self, number: int, timer: Timer) -> Generator[Timer, Any, bool]:
        """Do the work of event ``number``; False if an outage cut it short."""
        record, start = self.record, self.env.now
        end, down = self.faults.end_of_work(start, self.work[number])
        record.started[number] = start
        self.in_hand = 1
        yield timer.at(end)
        self.in_hand = 0
        if down:
            record.started[number] = nan
            record.attempts.add(number, start, start, end, cause="outage")
            record.moves.requeued.append(end)
            return False
        record.finished[number] = end
        return True
