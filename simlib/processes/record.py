"""What happened to every message: a column per fact, a row per message."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isnan, nan
from typing import TypeVar

from .attempts import Attempts
from .visits import Visits

__all__ = ["Ledger", "LedgerError", "Moves", "Record", "instants"]

Column = TypeVar("Column")

STANDS_FOR = {"delivered": "started", "acked": "finished", "left": "finished"}
"""What an instant is at the same time as, where a scenario doesn't tell the two apart."""


def instants(columns: Mapping[str, Column], name: str) -> Column:
    """The column called so, or what stands for it where nobody tells the two apart."""
    return columns[name] if name in columns else columns[STANDS_FOR[name]]


class LedgerError(RuntimeError):
    """Messages appeared or vanished: a defect of the simulation, never of its input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Where every published message is at the end of a run, in messages.

    ``published == acked + ready + unacked + dead_lettered + expired + dropped + lost``, each
    message counted once, by its final fate. What had to be repeated stands apart: ``duplicates``
    are deliveries that came to nothing while their message was kept, ``redelivered`` are deliveries
    of a message beyond its first, and ``redone`` is work that was finished again.

    Examples
    --------
    >>> ledger = Ledger(published=3, acked=2, ready=1)
    >>> ledger.kept
    3
    >>> Ledger(published=3, acked=2).lost
    Traceback (most recent call last):
        ...
    simlib.processes.record.LedgerError: 2 messages accounted for of 3: Ledger(published=3, ...)
    """

    published: int
    acked: int = 0
    ready: int = 0
    unacked: int = 0
    dead_lettered: int = 0
    expired: int = 0
    dropped: int = 0
    lost: int = 0
    duplicates: int = 0
    redelivered: int = 0
    redone: int = 0

    def __post_init__(self) -> None:
        accounted = self.kept + self.dead_lettered + self.expired + self.dropped + self.lost
        if accounted != self.published:
            raise LedgerError(f"{accounted} messages accounted for of {self.published}: {self}")

    @property
    def kept(self) -> int:
        """Messages that were done, or still can be."""
        return self.acked + self.ready + self.unacked

    @property
    def unfinished(self) -> int:
        """Messages that are still in the system."""
        return self.ready + self.unacked

    def __add__(self, other: Ledger) -> Ledger:
        """The accounts of two parts together; what passed from one to the other counts in both."""
        if not isinstance(other, Ledger):
            return NotImplemented
        return Ledger(**{name: self[name] + other[name] for name in self.keys()})

    def __getitem__(self, name: str) -> int:
        if name not in self.keys():
            raise KeyError(name)
        return int(getattr(self, name))

    def keys(self) -> tuple[str, ...]:
        """The names of the accounts, which make ``dict(ledger)`` work."""
        return tuple(field.name for field in fields(self))


@dataclass(frozen=True, slots=True)
class Moves:
    """Instants (s) at which messages came or went otherwise than by being published, delivered
    and done. They are about how many messages were where, and not about which."""

    requeued: array[float] = field(default_factory=lambda: array("d"))
    """When a message came into a queue again."""
    vanished: array[float] = field(default_factory=lambda: array("d"))
    """When a message was lost while it waited."""
    departed: array[float] = field(default_factory=lambda: array("d"))
    """When a message left the system by being lost, or done although it came back."""
    revived: array[float] = field(default_factory=lambda: array("d"))
    """When a message that was done came back into the system."""


class Record:
    """The instants of every message (s), NaN where it did not get that far.

    ``created``: when it was due to be sent; a row without it stands for no message. ``enqueued``:
    stored by the queue. ``started`` and ``finished``: the work of the attempt that succeeded, or
    that is under way.

    Parameters
    ----------
    extra : names
        Further instants that a scenario notes.
    """

    def __init__(self, *extra: str) -> None:
        self.created = array("d")
        self.enqueued = array("d")
        self.started = array("d")
        self.finished = array("d")
        self.extra: dict[str, array[float]] = {}
        self.labels: dict[str, array[int]] = {}
        """What else is known of each message, as a whole number >= 0, by name; -1: not yet."""
        self.dropped = array("q")
        """Numbers of the messages that the queue refused."""
        self.lost = array("q")
        """Numbers of the messages that are gone without having been done."""
        self.dead_lettered = array("q")
        """Numbers of the messages that were put aside as dead letters."""
        self.expired = array("q")
        """Numbers of the messages that waited for longer than they were to."""
        self.attempts = Attempts()
        """Deliveries and calls that came to nothing."""
        self.visits = Visits()
        """Who did what for each message, where a scenario tells that step by step."""
        self.moves = Moves()
        """When messages came or went otherwise than by being published, delivered and done."""

        for name in extra:
            self.add(name)

    def add(self, name: str) -> None:
        """Note one more kind of instant."""
        self.extra[name] = array("d", [nan]) * len(self.created)

    def label(self, name: str) -> None:
        """Note one more thing that is no instant, such as a priority."""
        self.labels[name] = array("q", [-1]) * len(self.created)

    def prepare(self, rows: int) -> int:
        """Make blank rows for messages to come; the number of the first of them."""
        first = len(self.created)
        blank = array("d", [nan]) * rows
        columns = (self.created, self.enqueued, self.started, self.finished)
        for column in (*columns, *self.extra.values()):
            column.extend(blank)
        for label in self.labels.values():
            label.extend(array("q", [-1]) * rows)
        return first

    def column(self, name: str) -> array[float]:
        """The instants called so, or those that stand for them where nobody tells the two apart."""
        if name in self.extra:
            return self.extra[name]
        found: array[float] = getattr(self, STANDS_FOR.get(name, name))
        return found

    @property
    def columns(self) -> dict[str, array[float]]:
        """All instants (s) by name, those that every record has first."""
        return {
            "created": self.created,
            "enqueued": self.enqueued,
            "started": self.started,
            "finished": self.finished,
            **self.extra,
        }

    def redelivered(self) -> int:
        """How many deliveries of a message there were beyond its first."""
        delivered = self.column("delivered")
        attempts = Counter(self.attempts.message)
        return sum(times - isnan(delivered[number]) for number, times in attempts.items())

    def redone(self) -> int:
        """How many times work was finished that had been finished before."""
        acked = self.column("acked")
        in_vain = self.attempts.in_vain()
        return sum(times - isnan(acked[number]) for number, times in in_vain.items())
