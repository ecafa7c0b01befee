"""Deliveries and calls that came to nothing: a row each, a column per fact."""

from __future__ import annotations

from array import array
from collections import Counter
from math import nan

__all__ = ["DONE", "FAILED", "INTERRUPTED", "Attempts"]

INTERRUPTED = "interrupted"
"""The work was cut short, or never begun."""
DONE = "done"
"""The work was finished, and whoever gave it was not told: it will be done again."""
FAILED = "failed"
"""The work was finished without success."""


class Attempts:
    """What was tried in vain.

    Only that is written down here. The attempt that succeeded, or that is under way, stands in the
    columns of its message, so a run without mishaps has no rows and costs nothing. All attempts
    together are ``Result.attempts``. A row keeps its number, which is what other rows may refer to.
    """

    def __init__(self) -> None:
        self.message = array("q")
        """Rows of their messages in the record."""
        self.delivered = array("d")
        """When each was handed over to whoever was to work on it (s)."""
        self.released = array("d")
        """When the delivery was over: given back, or void (s)."""
        self.start = array("d")
        """When the work began (s); NaN: it did not."""
        self.end = array("d")
        """When the work was over (s); NaN: there was none, or it goes on."""
        self.by = array("q")
        """Whose attempt it was, counted from 0: consumer, subscriber or worker; -1: not known."""
        self.outcome: list[str] = []
        """What became of each: ``interrupted``, ``done``, ``failed``, or an outcome of a call."""
        self.cause: list[str] = []
        """Why, such as ``crash`` or ``ack lost``; empty where that is not known."""

    def __len__(self) -> int:
        return len(self.message)

    def add(
        self,
        message: int,
        delivered: float,
        start: float,
        end: float,
        released: float | None = None,
        *,
        outcome: str = INTERRUPTED,
        by: int = -1,
        cause: str = "",
    ) -> int:
        """Note an attempt that came to nothing; the number of its row.

        Instants are in seconds. Its delivery is over when the work is, or was ``released`` before.
        """
        self.message.append(message)
        self.delivered.append(delivered)
        self.released.append(end if released is None else released)
        self.start.append(start)
        self.end.append(end)
        self.by.append(by)
        self.outcome.append(outcome)
        self.cause.append(cause)
        return len(self.message) - 1

    def extend(self, others: Attempts, first: int, by: int) -> None:
        """Take over the attempts of another record, whose messages begin at row ``first`` here."""
        self.message.extend(first + message for message in others.message)
        self.by.extend([by] * len(others))
        for name in ("delivered", "released", "start", "end", "outcome", "cause"):
            getattr(self, name).extend(getattr(others, name))

    def in_vain(self) -> Counter[int]:
        """How many times the work on each message was finished and nobody was told."""
        pairs = zip(self.message, self.outcome, strict=True)
        return Counter(message for message, outcome in pairs if outcome == DONE)

    def released_last(self, message: int) -> float:
        """When the last delivery of a message was over (s); NaN if there was none in vain."""
        pairs = zip(self.message, self.released, strict=True)
        return max((time for each, time in pairs if each == message), default=nan)
