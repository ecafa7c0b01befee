"""The answers that one run gives."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..processes.record import Ledger, Record
from ..values import html_table
from .arguments import whole
from .doubts import doubts, signs
from .metrics import figure

if TYPE_CHECKING:
    from ..scenarios.base import Scenario

__all__ = ["Result", "at_each_station", "time_in"]

Floats = NDArray[np.float64]

OUTCOMES = ("waiting", "in service", "acked", "dropped", "lost", "dead-lettered", "expired")

DIED = [OUTCOMES.index(name) for name in ("dropped", "lost", "dead-lettered", "expired")]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """What happened in one run, and what it amounts to.

    Every instant is in seconds of simulated time since the start of the run.
    """

    scenario: Scenario
    """What was run."""
    seed: int
    """The seed it was run with."""
    engine: str
    """What ran it."""
    duration: float
    """Simulated time at the end of the run (s)."""
    warmup: int
    """How many messages at the start are left out of averages."""
    servers: int | None
    """How many consumers there are to work; None where that is not known, as of a part."""
    ledger: Ledger
    """Where every message is at the end."""
    columns: Mapping[str, Floats]
    """Instants by name, each of shape (messages,), in the order of creation."""
    outcomes: NDArray[np.int8]
    """Index into :data:`OUTCOMES`, shape (messages,)."""
    interrupted: tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]
    """Attempts that came to nothing: message; begin and end of the delivery, and of the work (s),
    each of shape (attempts,)."""
    moves: Mapping[str, Floats] = field(default_factory=dict)
    """Instants at which messages came or went otherwise than by being published, delivered and
    done (s): ``requeued``, ``vanished``, ``departed`` and ``revived`` as in the record."""
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """What else is known of each message by name, each of shape (messages,); -1: nothing."""
    extras: Mapping[str, float] = field(default_factory=dict)
    """What a scenario adds to the summary."""
    observed_until: float = np.inf
    """When averages end (s), if that is before the end of the run: where callers wait for their
    replies, when the first of them has nothing left to ask."""

    def __repr__(self) -> str:
        ledger = self.ledger
        return (
            f"<Result of {self.scenario!r}, seed {self.seed}, {self.engine}: "
            f"{ledger.acked:,} of {ledger.published:,} done in {self.duration:g} s>"
        )

    def _repr_html_(self) -> str:
        caption = f"{self.scenario!r}, seed {self.seed}, {self.engine}"
        figures = [figure(str(name), value) for name, value in self.summary().items()]
        doubted = [f"In doubt: {doubt}." for doubt in self.doubts()]
        return html_table(caption, [("figure", "value"), *figures], doubted)

    @classmethod
    def from_record(cls, record: Record, *, duration: float | None, **facts: Any) -> Result:
        """The result of a run that the processes wrote down.

        Without a ``duration`` (s) the run ended with the last thing that happened to a message.
        """
        columns = {
            name: np.frombuffer(column, float)
            for name, column in {
                "created": record.created,
                "enqueued": record.enqueued,
                "started": record.started,
                "finished": record.finished,
                **record.extra,
            }.items()
        }
        labels = {name: np.frombuffer(label, np.int64) for name, label in record.labels.items()}
        outcomes = np.zeros(len(record.created), np.int8)
        delivered = ~np.isnan(columns.get("delivered", columns["started"]))
        outcomes[delivered] = OUTCOMES.index("in service")
        acked = ~np.isnan(columns.get("acked", columns["finished"]))
        outcomes[acked] = OUTCOMES.index("acked")
        fates = {
            "dropped": record.dropped,
            "lost": record.lost,
            "dead-lettered": record.dead_lettered,
            "expired": record.expired,
        }
        for outcome, numbers in fates.items():
            outcomes[np.frombuffer(numbers, np.int64)] = OUTCOMES.index(outcome)
        number = np.array(record.interrupted[0])
        taken, released, start, end = (np.array(column) for column in record.interrupted[1:])
        moves = {
            name: np.array(getattr(record, name))
            for name in ("requeued", "vanished", "departed", "revived")
        }
        if duration is None:
            instants = (released, end, *moves.values(), *columns.values())
            duration = max(np.nanmax(column, initial=0.0) for column in instants)
        # Rows were prepared ahead; several producers leave such rows between their messages.
        known = ~np.isnan(columns["created"])
        if not known.all() or np.any(np.diff(columns["created"]) < 0):
            rows = np.flatnonzero(known)
            rows = rows[np.argsort(columns["created"][rows], kind="stable")]
            columns = {name: column[rows] for name, column in columns.items()}
            labels = {name: label[rows] for name, label in labels.items()}
            outcomes = outcomes[rows]
            places = np.zeros(len(known), np.int64)
            places[rows] = np.arange(len(rows))
            number = places[number]
        return cls(
            duration=float(duration),
            columns=columns,
            outcomes=outcomes,
            labels=labels,
            interrupted=(number, taken, released, start, end),
            moves=moves,
            **facts,
        )

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Floats],
        refused: NDArray[np.bool_],
        *,
        cut_off: Callable[[Ledger], float | None],
        ledger: Ledger | None = None,
        **facts: Any,
    ) -> Result:
        """The result of a run in which nothing was lost or interrupted.

        Parameters
        ----------
        columns : mapping
            Instants by name (s), each of shape (messages,), in the order of creation.
        refused : ndarray of shape (messages,)
            Which messages found no room.
        cut_off : callable
            Tells from the ledger when time ended the run (s); None if the last message did.
        ledger : Ledger, optional
            Where the messages are, if somebody else has counted.
        """
        outcomes = np.zeros(len(refused), np.int8)
        stations = zip(
            at_each_station(columns, "enqueued"), at_each_station(columns, "started"), strict=True
        )
        for enqueued, started in stations:
            np.copyto(outcomes, OUTCOMES.index("waiting"), where=~np.isnan(enqueued))
            np.copyto(outcomes, OUTCOMES.index("in service"), where=~np.isnan(started))
        if "delivered" in columns:
            np.copyto(outcomes, OUTCOMES.index("in service"), where=~np.isnan(columns["delivered"]))
        acked = ~np.isnan(columns.get("acked", columns["finished"]))
        np.copyto(outcomes, OUTCOMES.index("acked"), where=acked)
        outcomes[refused] = OUTCOMES.index("dropped")
        if ledger is None:
            ready, unacked, done, dropped = np.bincount(outcomes, minlength=4).tolist()
            ledger = Ledger(
                published=len(outcomes), acked=done, ready=ready, unacked=unacked, dropped=dropped
            )
        duration = cut_off(ledger)
        if duration is None:
            duration = max(np.nanmax(column, initial=0.0) for column in columns.values())
        nothing = np.empty(0)
        return cls(
            duration=float(duration),
            columns=columns,
            outcomes=outcomes,
            interrupted=(np.empty(0, np.int64), nothing, nothing, nothing, nothing),
            ledger=ledger,
            **facts,
        )

    @cached_property
    def messages(self) -> pd.DataFrame:
        """A row per published message, in the order of creation.

        ``id`` counts from 0. ``created``, ``enqueued``, ``started``, ``finished`` (s) are NaN where
        a message did not get that far; ``started`` is the start of the latest attempt.
        ``attempts`` counts deliveries; ``outcome`` is where the message is at the end; ``wait`` is
        enqueued to started, ``latency`` created to finished (s). Where a scenario has them,
        ``priority`` is the class of the message, 0 the most urgent, and ``batch`` numbers the
        pieces of work that were done on several messages together.
        """
        delivered = self.columns.get("delivered", self.columns["started"])
        attempts = (~np.isnan(delivered)).astype(np.int32)
        if len(self.interrupted[0]):
            started_again = np.bincount(self.interrupted[0], minlength=len(attempts))
            attempts += started_again.astype(np.int32)
        return pd.DataFrame(
            {
                "id": np.arange(len(attempts)),
                **self.columns,
                **self.labels,
                "attempts": attempts,
                "outcome": pd.Categorical.from_codes(self.outcomes, pd.Index(OUTCOMES)),
                "wait": self.wait,
                "latency": self.latency,
            },
            copy=False,
        )

    @cached_property
    def series(self) -> pd.DataFrame:
        """How many messages are where, from each instant (s, the index) to the next.

        ``queue_length``: waiting. ``in_flight``: delivered and not acked. ``busy_consumers``:
        consumers at work. ``in_system``: created and neither finished nor lost. In a line of
        stations, each counts the messages at all of them.
        """
        arrived, delivered, left = map(_in_order, (self._arrived, self._delivered, self._left))
        started, ended, released = map(_in_order, (self._started, self._ended, self._released))
        created = _in_order(self._created)
        instants = (np.zeros(1), created, arrived, delivered, started, ended, released, left)
        times = np.unique(np.concatenate(instants))
        times = times[times <= self.duration]

        def before(instants: Floats) -> NDArray[np.int64]:
            return np.searchsorted(instants, times, side="right")

        return pd.DataFrame(
            {
                "queue_length": before(arrived) - before(delivered),
                "in_flight": before(delivered) - before(released),
                "busy_consumers": before(started) - before(ended),
                "in_system": before(created) - before(left),
            },
            index=pd.Index(times, name="time"),
        )

    def in_system_at(self, times: ArrayLike) -> NDArray[np.int64]:
        """How many messages are created and neither finished nor lost at these instants (s)."""
        instants = np.asarray(times, float)
        wrong = ~((instants >= 0) & (instants <= self.duration))
        if wrong.any():
            raise ValueError(
                f"times must lie between 0 s and the end of the run at {self.duration:g} s, "
                f"got {instants[wrong][0]:g}"
            )
        created, left = map(_in_order, (self._created, self._left))
        entered = np.searchsorted(created, instants, side="right")
        return entered - np.searchsorted(left, instants, side="right")

    def summary(self) -> pd.Series[float]:
        """The figures of the run, by name.

        Customer averages (``latency_*``, ``wait_*``, ``p_wait``: the fraction that waits at all)
        are over the messages after the warm-up that finished or started; percentiles are NumPy's
        linear ones. Time averages (``throughput`` in messages/s, ``utilisation`` per consumer,
        ``queue_mean``, ``queue_max``, ``in_system_mean`` in messages) are integrals over the time
        from the creation of the first message after the warm-up to the end of the run, or to
        ``observed_until``, and no later message counts for customer averages. ``published``,
        ``completed``, ``dropped``, ``lost``, ``unfinished``, ``redelivered``, ``redone`` (messages)
        and ``duration`` (s) are those of the whole run, as in the ledger. The series is called
        "unfinished" when messages are still in the system: their latency is unknown, and as a rule
        long.
        """
        ledger = self.ledger
        start, end = self.observed_from, min(self.duration, self.observed_until)
        time = end - start if end > start else np.nan
        finished = self.columns["finished"]
        latency, wait = _known(self.latency[self.observed]), _known(self.wait[self.observed])
        p50, p95, p99 = np.percentile(latency, [50, 95, 99]) if len(latency) else [np.nan] * 3
        busy = time_in(self._started, self._ended, start, end)
        waiting = time_in(self._arrived, self._delivered, start, end)
        unfinished = ledger.ready + ledger.unacked
        return pd.Series(
            {
                "throughput": int(np.count_nonzero((finished > start) & (finished <= end))) / time,
                "latency_mean": np.mean(latency) if len(latency) else np.nan,
                "latency_p50": p50,
                "latency_p95": p95,
                "latency_p99": p99,
                "wait_mean": np.mean(wait) if len(wait) else np.nan,
                "wait_p95": np.percentile(wait, 95) if len(wait) else np.nan,
                "p_wait": np.count_nonzero(wait > 0) / len(wait) if len(wait) else np.nan,
                "utilisation": busy / time / self.servers if self.servers else np.nan,
                "queue_mean": waiting / time,
                "queue_max": self._queue_max(),
                "in_system_mean": time_in(self._created, self._left, start, end) / time,
                "published": ledger.published,
                "completed": ledger.acked,
                "dropped": ledger.dropped,
                "lost": ledger.lost,
                "unfinished": unfinished,
                "redelivered": ledger.redelivered,
                "redone": ledger.redone,
                "duration": self.duration,
                **self.extras,
            },
            name="unfinished" if unfinished else "finished",
            dtype=float,
        )

    def part(self, chosen: NDArray[np.bool_], servers: int | None = None) -> Result:
        """The same run, as if only the chosen messages had been there to be looked at.

        Parameters
        ----------
        chosen : ndarray of shape (messages,)
            Which messages, such as those with a label.
        servers : int, optional
            How many consumers there are for these messages, >= 1. Nobody wrote down who would have
            worked on what, so without it the utilisation of a part is NaN.
        """
        if servers is not None:
            whole("servers", servers)
        chosen = np.asarray(chosen, bool)
        if chosen.shape != self.outcomes.shape:
            raise ValueError(
                f"chosen must have shape {self.outcomes.shape}, got {chosen.shape}: one per message"
            )
        outcomes = self.outcomes[chosen]
        counts = np.bincount(outcomes, minlength=len(OUTCOMES)).tolist()
        accounts = ("ready", "unacked", "acked", "dropped", "lost", "dead_lettered", "expired")
        numbers = np.cumsum(chosen) - 1
        vain, delivered, released, started, ended = self.interrupted
        kept = chosen[vain]
        return replace(
            self,
            servers=servers,
            warmup=int(np.count_nonzero(chosen[: self.warmup])),
            columns={name: column[chosen] for name, column in self.columns.items()},
            labels={name: label[chosen] for name, label in self.labels.items()},
            outcomes=outcomes,
            interrupted=(
                numbers[vain[kept]],
                delivered[kept],
                released[kept],
                started[kept],
                ended[kept],
            ),
            # Where a queue crashes nobody knows which message a move is about; a broker gives back
            # what was delivered in vain.
            moves={"requeued": released[kept]},
            ledger=Ledger(
                published=len(outcomes),
                duplicates=int(np.count_nonzero(kept)),
                **dict(zip(accounts, counts, strict=True)),
            ),
            extras={},
        )

    def doubts(self) -> tuple[str, ...]:
        """Why the averages can't be trusted; empty if nothing speaks against them."""
        return doubts(self.scenario, signs(self))

    @cached_property
    def latency(self) -> Floats:
        """Created to finished (s), shape (messages,); NaN for those that did not finish."""
        return self.columns["finished"] - self.columns["created"]

    @cached_property
    def wait(self) -> Floats:
        """Enqueued to started (s), shape (messages,); NaN for those that did not start."""
        return self.columns["started"] - self.columns["enqueued"]

    @property
    def observed_from(self) -> float:
        """When the warm-up is over (s): the creation of the first message after it."""
        if not self.warmup:
            return 0.0
        created = self.columns["created"]
        return float(created[self.warmup]) if self.warmup < len(created) else self.duration

    @property
    def observed(self) -> slice:
        """Which messages averages are over: those between the warm-up and ``observed_until``."""
        if self.observed_until >= self.duration:
            return slice(self.warmup, None)
        created = self.columns["created"]
        return slice(self.warmup, int(np.searchsorted(created, self.observed_until, "right")))

    def _queue_max(self) -> int:
        arrived, delivered = _in_order(self._arrived), _in_order(self._delivered)
        first = int(np.searchsorted(arrived, self.observed_from))
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

    # Every instant at which a message entered or left a state, in no particular order.

    @cached_property
    def _created(self) -> Floats:
        """Of those that entered the system, or came back into it."""
        created = self.columns["created"]
        admitted = ~np.isnan(self.columns["enqueued"])
        return _known(created if admitted.all() else created[admitted], self._moves("revived"))

    @cached_property
    def _arrived(self) -> Floats:
        """Entered a queue: from outside, or back from a consumer."""
        return self._all("enqueued", self._moves("requeued"))

    @cached_property
    def _delivered(self) -> Floats:
        """Left a queue: for a consumer, or for good."""
        name = "delivered" if "delivered" in self.columns else "started"
        return _known(self._all(name, self.interrupted[1]), self._moves("vanished"), self._died)

    @cached_property
    def _died(self) -> Floats:
        """Left a queue for good, and for no consumer."""
        if "left" not in self.columns or "delivered" not in self.columns:
            return np.empty(0)
        died = np.isin(self.outcomes, DIED) & np.isnan(self.columns["delivered"])
        return _known(self.columns["left"][died])

    @cached_property
    def _started(self) -> Floats:
        """Began to be worked on."""
        return self._all("started", self.interrupted[3], self._once)

    @cached_property
    def _ended(self) -> Floats:
        """Was not worked on any more, done or not."""
        worked_on = ~np.isnan(self.interrupted[3])
        return self._all("finished", self.interrupted[4][worked_on], self._once)

    def _once(self, column: Floats) -> Floats:
        """Of messages that a consumer worked on together, only one: it is one consumer at work."""
        if "batch" not in self.labels:
            return column
        return column[np.unique(self.labels["batch"], return_index=True)[1]]

    @cached_property
    def _released(self) -> Floats:
        """Was acked or given back; or its delivery was void, or there was none."""
        # At a station in a line, what can't go on is held after it is finished.
        last = "left" if "left_1" in self.columns else "finished"
        name = "acked" if "acked" in self.columns else last
        over = self._all(name, self.interrupted[2])
        return _known(over, self._moves("vanished"), self._died)

    @cached_property
    def _left(self) -> Floats:
        """Left the system."""
        return _known(self.columns.get("left", self.columns["finished"]), self._moves("departed"))

    def _moves(self, name: str) -> Floats:
        return self.moves.get(name, np.empty(0))

    def _all(
        self,
        name: str,
        interrupted: Floats,
        chosen: Callable[[Floats], Floats] = lambda column: column,
    ) -> Floats:
        """The instants called so at every station, and those of attempts that came to nothing."""
        return _known(*map(chosen, at_each_station(self.columns, name)), interrupted)


def at_each_station(columns: Mapping[str, Floats], name: str) -> list[Floats]:
    """The column called so; in a line of stations, those called ``name_1``, ``name_2``, ..."""
    numbered = [column for key, column in columns.items() if re.fullmatch(rf"{name}_\d+", key)]
    return numbered or [columns[name]]


def time_in(entered: Floats, left: Floats, start: float, end: float) -> float:
    """The integral from ``start`` to ``end`` of how many have entered and not left (s)."""
    return float(
        np.sum(end - np.clip(entered, start, end)) - np.sum(end - np.clip(left, start, end))
    )


def _known(*columns: Floats) -> Floats:
    """All instants that came to pass."""
    columns = tuple(column for column in columns if len(column)) or (np.empty(0),)
    together = columns[0] if len(columns) == 1 else np.concatenate(columns)
    unknown = np.isnan(together)
    return together[~unknown] if unknown.any() else together


def _in_order(instants: Floats) -> Floats:
    # Most columns are in order already, and looking is cheaper than sorting.
    return instants if np.all(instants[1:] >= instants[:-1]) else np.sort(instants)
