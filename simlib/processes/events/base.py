"""Who publishes events, and what carries them to those who work on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple

from simpy.events import Event

from ...calls import Outcome
from ..calls.front import FrontService
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..network import Link
from ..point_to_point.queue import SimQueue
from ..record import Ledger, Record

__all__ = ["Copies", "EventPublisher", "Setting", "Way"]


class Setting(NamedTuple):
    """What is the same whatever carries the events."""

    env: Environment
    door: SimQueue
    """Where events wait for a thread of the publisher. Its record has a column ``answered``."""
    threads: int
    """How many events are published at once."""
    network: Link
    """The way between any two services."""
    works: Sequence[Draws]
    """The work that each event brings to each subscriber (s)."""
    faults: Sequence[Faults]
    """When each subscriber is down."""

    @property
    def events(self) -> Record:
        """A row for each event."""
        return self.door.record


class Copies:
    """A record with a row for each event and subscriber: those of the first event come first."""

    def __init__(self, subscribers: int) -> None:
        self.subscribers = subscribers
        self.record = Record("answered")
        for name in ("event", "subscriber"):
            self.record.label(name)

    def rows(self, number: int) -> range:
        """The rows of event ``number``, the subscribers in turn."""
        return range(number * self.subscribers, (number + 1) * self.subscribers)

    def prepare(self, events: int) -> None:
        """Have rows for so many events."""
        self.record.prepare(events * self.subscribers - len(self.record.created))

    def complete(self, events: Record) -> Record:
        """The record with what is known of the events themselves, at the end of a run."""
        record, labels = self.record, self.record.labels
        self.prepare(len(events.created))
        for number, instants in enumerate(
            zip(events.created, events.extra["answered"], strict=True)
        ):
            for place, row in enumerate(self.rows(number)):
                record.created[row], record.extra["answered"][row] = instants
                labels["event"][row], labels["subscriber"][row] = number, place
        record.attempts.by = array("q", (row % self.subscribers for row in record.attempts.message))
        return record


class EventPublisher(FrontService):
    """Threads that publish events, each one event at a time; the others wait at the door.

    Parameters
    ----------
    setting : Setting
    copies : Copies, optional
        Where it is noted when each copy is stored, unless somebody else does.
    """

    def __init__(self, setting: Setting, copies: Copies | None = None) -> None:
        super().__init__(setting.env, setting.door, setting.threads, setting.network)
        self.calls = 0
        """How many times it has asked somebody for something."""
        self.sending: set[int] = set()
        """Events in its hands."""
        self.copies = copies
        self._events = setting.events

    @abstractmethod
    def publish(self, number: int, timer: Timer) -> Generator[Event, Any, None]:
        """Publish event ``number``; the thread is busy until it returns."""

    def send(self, number: int, timer: Timer) -> Generator[Event, Any, Outcome]:
        self.sending.add(number)
        self._events.started[number] = self.env.now
        if self.copies is not None:
            self.copies.prepare(len(self._events.created))
        yield from self.publish(number, timer)
        self.sending.remove(number)
        return Outcome.OK


class Way(ABC):
    """What carries events to the subscribers: the publisher, and whoever else takes part.

    Parameters
    ----------
    setting : Setting
    """

    publisher: EventPublisher

    def __init__(self, setting: Setting) -> None:
        self.env = setting.env
        self.door = setting.door
        self.events = setting.events
        self.subscribers = len(setting.works)

    @abstractmethod
    def record(self) -> Record:
        """A row for each event and subscriber, at the end of a run.

        Labels ``event`` and ``subscriber`` say which, from 0, and ``answered`` when the publisher
        was done with the event (s).
        """

    @abstractmethod
    def ledger(self) -> Ledger:
        """Where every copy is; to be asked when the record is complete."""

    def reads(self) -> int:
        """How many times subscribers have looked for events."""
        return 0

    def stored_max(self) -> int:
        """The most that was kept at once, outside of publisher and subscribers."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """Release what is real."""

    def account(
        self, record: Record, *, ready: int, unacked: int, acked: int, lost: Iterable[int] = ()
    ) -> Ledger:
        """The ledger of copies, from where those are that have left the door."""
        copies = self.subscribers
        return Ledger(
            published=self.door.published * copies,
            acked=acked,
            ready=ready + self.door.real.qsize() * copies,
            unacked=unacked,
            lost=len(list(lost)),
            duplicates=len(record.attempts),
            redelivered=record.redelivered(),
            redone=record.redone(),
        )
