"""What happened to every message: a column per fact, a row per message."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, fields
from math import nan

__all__ = ["Ledger", "LedgerError", "Record"]


class LedgerError(RuntimeError):
    """Messages appeared or vanished: a defect of the simulation, never of its input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Where every published message is at the end of a run, in messages.

    ``published == acked + ready + unacked + dead_lettered + expired + dropped + lost``. Duplicates
    stand apart: they are deliveries that came to nothing and have to be repeated.
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

    def __post_init__(self) -> None:
        accounted = sum(self[name] for name in self.keys()[1:-1])
        if accounted != self.published:
            raise LedgerError(f"{accounted} messages accounted for of {self.published}: {self}")

    def __getitem__(self, name: str) -> int:
        if name not in self.keys():
            raise KeyError(name)
        return int(getattr(self, name))

    def keys(self) -> tuple[str, ...]:
        """The names of the accounts, which make ``dict(ledger)`` work."""
        return tuple(field.name for field in fields(self))


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
        self.interrupted = (array("q"), array("d"), array("d"), array("d"))
        """Attempts that came to nothing: message number, delivery, start and end (s).

        The start is NaN where a message was delivered and never worked on."""

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

    def interrupt(self, number: int, delivered: float, started: float, ended: float) -> None:
        """Note an attempt that came to nothing."""
        numbers, *instants = self.interrupted
        numbers.append(number)
        for column, instant in zip(instants, (delivered, started, ended), strict=True):
            column.append(instant)
