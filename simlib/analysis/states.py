"""When messages entered and left each state of theirs, and how many were in it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..processes.record import instants
from .attempts import InVain, at_each_station

__all__ = ["DIED", "OUTCOMES", "States", "known", "time_in"]

Floats = NDArray[np.float64]

OUTCOMES = ("waiting", "in service", "acked", "dropped", "lost", "dead-lettered", "expired")

DIED = [OUTCOMES.index(name) for name in ("dropped", "lost", "dead-lettered", "expired")]


class States:
    """Every instant (s) at which a message entered or left a state, in no particular order.

    Parameters
    ----------
    columns, labels : mapping
        What is known of each message by name, each of shape (messages,).
    outcomes : ndarray of shape (messages,)
        Index into :data:`OUTCOMES`.
    in_vain : InVain
        Attempts that came to nothing.
    moves : mapping
        Instants at which messages came or went otherwise (s), as in the record.
    """

    def __init__(
        self,
        columns: Mapping[str, Floats],
        labels: Mapping[str, NDArray[np.int64]],
        outcomes: NDArray[np.int8],
        in_vain: InVain,
        moves: Mapping[str, Floats],
    ) -> None:
        self._columns = columns
        self._labels = labels
        self._outcomes = outcomes
        self._in_vain = in_vain
        self._moves = moves

    def series(self, until: float) -> pd.DataFrame:
        """How many messages are in each state, from each instant (s, the index) to the next."""
        changes = {
            name: _in_order(getattr(self, name))
            for name in ("created", "arrived", "delivered", "started", "ended", "released", "left")
        }
        # Where nothing is refused, crashes or is batched, most of them are the same instants.
        different: list[Floats] = []
        place = {}
        for name, instants_of in changes.items():
            same = (n for n, seen in enumerate(different) if np.array_equal(seen, instants_of))
            place[name] = next(same, len(different))
            if place[name] == len(different):
                different.append(instants_of)
        times = np.concatenate((np.zeros(1), *different))
        times.sort(kind="stable")  # Each is in order already: they are merged.
        times = times[np.append(True, times[1:] != times[:-1]) & (times <= until)]
        before = [np.searchsorted(each, times, side="right") for each in different]

        def between(entered: str, left: str) -> NDArray[np.int64]:
            return before[place[entered]] - before[place[left]]

        return pd.DataFrame(
            {
                "queue_length": between("arrived", "delivered"),
                "in_flight": between("delivered", "released"),
                "busy_consumers": between("started", "ended"),
                "in_system": between("created", "left"),
            },
            index=pd.Index(times, name="time"),
        )

    def in_system_at(self, times: Floats) -> NDArray[np.int64]:
        """How many messages are created and neither finished nor lost at these instants (s)."""
        created, left = map(_in_order, (self.created, self.left))
        entered = np.searchsorted(created, times, side="right")
        return entered - np.searchsorted(left, times, side="right")

    def queue_max(self, since: float) -> int:
        """The most messages that waited at once, from an instant on (s)."""
        arrived, delivered = _in_order(self.arrived), _in_order(self.delivered)
        first = int(np.searchsorted(arrived, since))
        delivered = np.append(delivered, np.full(len(arrived) - len(delivered), np.inf))

        def reached(length: int) -> bool:
            """Whether so many waited when some message came: the first of them was not out yet."""
            message = max(first, length - 1)
            head = delivered[message - length + 1 : len(arrived) - length + 1]
            return bool(np.any(head > arrived[message:]))

        # Counting at every instant would cost more than all the rest of a summary.
        most = 1
        while most <= len(arrived) and reached(most):
            most *= 2
        lengths = range(min(most, len(arrived) + 1))
        return bisect_left(lengths, True, most // 2 + 1, key=lambda n: not reached(n)) - 1

    @cached_property
    def created(self) -> Floats:
        """Of those that entered the system, or came back into it."""
        created = self._columns["created"]
        admitted = ~np.isnan(self._columns["enqueued"])
        return known(created if admitted.all() else created[admitted], self._at_moves("revived"))

    @cached_property
    def arrived(self) -> Floats:
        """Entered a queue: from outside, or back from a consumer."""
        return self._all("enqueued", self._at_moves("requeued"))

    @cached_property
    def delivered(self) -> Floats:
        """Left a queue: for a consumer, or for good."""
        handed_over = self._all("delivered", self._in_vain.delivered)
        return known(handed_over, self._at_moves("vanished"), self._died)

    @cached_property
    def _died(self) -> Floats:
        """Left a queue for good, and for no consumer."""
        if "left" not in self._columns or "delivered" not in self._columns:
            return np.empty(0)
        died = np.isin(self._outcomes, DIED) & np.isnan(self._columns["delivered"])
        return known(self._columns["left"][died])

    @cached_property
    def started(self) -> Floats:
        """Began to be worked on."""
        return self._all("started", self._in_vain.start, self._once)

    @cached_property
    def ended(self) -> Floats:
        """Was not worked on any more, done or not."""
        worked_on = ~np.isnan(self._in_vain.start)
        return self._all("finished", self._in_vain.end[worked_on], self._once)

    def _once(self, column: Floats) -> Floats:
        """Of messages that a consumer worked on together, only one: it is one consumer at work."""
        if "batch" not in self._labels:
            return column
        return column[np.unique(self._labels["batch"], return_index=True)[1]]

    @cached_property
    def released(self) -> Floats:
        """Was acked or given back; or its delivery was void, or there was none."""
        # At a station in a line, what can't go on is held after it is finished.
        over = self._all("left" if "left_1" in self._columns else "acked", self._in_vain.released)
        return known(over, self._at_moves("vanished"), self._died)

    @cached_property
    def left(self) -> Floats:
        """Left the system."""
        return known(instants(self._columns, "left"), self._at_moves("departed"))

    def _at_moves(self, name: str) -> Floats:
        return self._moves.get(name, np.empty(0))

    def _all(
        self,
        name: str,
        in_vain: Floats,
        chosen: Callable[[Floats], Floats] = lambda column: column,
    ) -> Floats:
        """The instants called so at every station, and those of attempts that came to nothing."""
        return known(*map(chosen, at_each_station(self._columns, name)), in_vain)


def time_in(entered: Floats, left: Floats, start: float, end: float) -> float:
    """The integral from ``start`` to ``end`` of how many have entered and not left (s)."""
    return float(
        np.sum(end - np.clip(entered, start, end)) - np.sum(end - np.clip(left, start, end))
    )


def known(*columns: Floats) -> Floats:
    """All instants that came to pass."""
    columns = tuple(column for column in columns if len(column)) or (np.empty(0),)
    together = columns[0] if len(columns) == 1 else np.concatenate(columns)
    unknown = np.isnan(together)
    return together[~unknown] if unknown.any() else together


def _in_order(times: Floats) -> Floats:
    # Most columns are in order already, and looking is cheaper than sorting.
    return times if np.all(times[1:] >= times[:-1]) else np.sort(times)
