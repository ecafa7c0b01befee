"""The answers that one run gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..processes.attempts import Attempts
from ..processes.record import Ledger, Moves, Record, instants
from ..processes.visits import Visits
from ..tracing import Parties, Span, spans_of
from ..values import html_table
from .arguments import whole
from .attempts import InVain, at_each_station, every_attempt
from .doubts import Loaded, doubts, signs
from .forecast import Forecast
from .metrics import Metric, shown_as
from .states import OUTCOMES, States, known, time_in

__all__ = ["Experiment", "Result"]

Floats = NDArray[np.float64]


class Experiment(Loaded, Protocol):
    """What can be run and varied: a scenario, seen from here."""

    figures: ClassVar[Mapping[str, Metric]]
    """How figures are shown that only its summaries have."""

    @property
    def parties(self) -> Parties:
        """What the services are called that a message passes."""

    def run(self, seed: int = 0) -> Result:
        """Run once; the same seed gives the same result."""

    def replace(self, **changes: Any) -> Self:
        """The same with other parameters."""

    def forecast(self) -> Forecast:
        """What theory predicts, which formula applies, or why none does."""

    @classmethod
    def parameters(cls) -> Mapping[str, Any]:
        """Everything that ``replace`` takes, by name."""

    def model_dump_json(self) -> str:
        """All parameters as JSON."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """What happened in one run, and what it amounts to.

    Every instant is in seconds of simulated time since the start of the run.
    """

    scenario: Experiment
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
    in_vain: InVain
    """Deliveries and calls that came to nothing, by columns; ``attempts`` has all of them."""
    moves: Mapping[str, Floats] = field(default_factory=dict)
    """Instants at which messages came or went otherwise than by being published, delivered and
    done (s): ``requeued``, ``vanished``, ``departed`` and ``revived`` as in the record."""
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """What else is known of each message by name, each of shape (messages,); -1: nothing."""
    visits: Visits = field(default_factory=Visits)
    """Who did what for each message, where a scenario tells that step by step; ``spans`` shows
    it."""
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
        shown = ((shown_as(str(n), self.scenario.figures), v) for n, v in self.summary().items())
        figures = [(each.label, each.written(value)) for each, value in shown]
        doubted = [f"In doubt: {doubt}." for doubt in self.doubts()]
        return html_table(caption, [("figure", "value"), *figures], doubted)

    @classmethod
    def from_record(cls, record: Record, *, duration: float | None, **facts: Any) -> Result:
        """The result of a run that the processes wrote down.

        Without a ``duration`` (s) the run ended with the last thing that happened to a message.
        """
        columns = {name: np.frombuffer(column, float) for name, column in record.columns.items()}
        labels = {name: np.frombuffer(label, np.int64) for name, label in record.labels.items()}
        outcomes = np.zeros(len(record.created), np.int8)
        delivered = ~np.isnan(instants(columns, "delivered"))
        outcomes[delivered] = OUTCOMES.index("in service")
        acked = ~np.isnan(instants(columns, "acked"))
        outcomes[acked] = OUTCOMES.index("acked")
        fates = {
            "dropped": record.dropped,
            "lost": record.lost,
            "dead-lettered": record.dead_lettered,
            "expired": record.expired,
        }
        for outcome, numbers in fates.items():
            outcomes[np.frombuffer(numbers, np.int64)] = OUTCOMES.index(outcome)
        in_vain, visits = InVain.of(record.attempts), record.visits
        moves = {each.name: np.array(getattr(record.moves, each.name)) for each in fields(Moves)}
        if duration is None:
            noted = (in_vain.released, in_vain.end, *moves.values(), *columns.values())
            duration = max(np.nanmax(column, initial=0.0) for column in noted)
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
            in_vain = in_vain.renumbered(places)
            visits = visits.of(rows.tolist())
        return cls(
            duration=float(duration),
            columns=columns,
            outcomes=outcomes,
            labels=labels,
            in_vain=in_vain,
            moves=moves,
            visits=visits,
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
        lost: NDArray[np.bool_] | None = None,
        **facts: Any,
    ) -> Result:
        """The result of a run in which nothing was interrupted.

        Parameters
        ----------
        columns : mapping
            Instants by name (s), each of shape (messages,), in the order of creation.
        refused : ndarray of shape (messages,)
            Which messages found no room.
        lost : ndarray of shape (messages,), optional
            Which messages came to nothing; none if not given.
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
        acked = ~np.isnan(instants(columns, "acked"))
        np.copyto(outcomes, OUTCOMES.index("acked"), where=acked)
        outcomes[refused] = OUTCOMES.index("dropped")
        if lost is not None:
            outcomes[lost] = OUTCOMES.index("lost")
        if ledger is None:
            counts = np.bincount(outcomes, minlength=5).tolist()
            accounts = ("ready", "unacked", "acked", "dropped", "lost")
            ledger = Ledger(published=len(outcomes), **dict(zip(accounts, counts, strict=True)))
        duration = cut_off(ledger)
        if duration is None:
            duration = max(np.nanmax(column, initial=0.0) for column in columns.values())
        return cls(
            duration=float(duration),
            columns=columns,
            outcomes=outcomes,
            in_vain=InVain.of(Attempts()),
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
        attempts = (~np.isnan(self.column("delivered"))).astype(np.int32)
        if len(self.in_vain):
            started_again = np.bincount(self.in_vain.message, minlength=len(attempts))
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
    def attempts(self) -> pd.DataFrame:
        """A row per delivery or call, those in vain and those that succeeded.

        Sorted by ``message`` (its ``id``) and ``attempt`` (1, 2, ... in the order of delivery).
        ``delivered`` and ``released`` are begin and end of the delivery, ``start`` and ``end``
        those of the work (s), NaN where there was none, or it goes on. ``outcome``: ``acked``;
        ``in service`` at the end of the run, or how the message died; ``interrupted``: work cut
        short or never begun; ``failed``; ``done``: finished in vain, for nobody was told. ``by``:
        which consumer or subscriber, counted from 0, NA where nobody wrote that down. ``cause``:
        why it was in vain, such as ``crash``, ``ack lost`` or ``lease lost``. In a line of stations
        there is a delivery at each ``station``, counted from 1.
        """
        names = np.array(OUTCOMES, object)[self.outcomes]
        return every_attempt(self.columns, self.labels, names, self.in_vain)

    def spans(self, share: float = 1.0) -> list[Span]:
        """The run as spans, a trace for each message; see :func:`simlib.tracing.spans_of`.

        Parameters
        ----------
        share : float
            The fraction of the traces that is made, 0 to 1 (head sampling).
        """
        return spans_of(self, self.scenario.parties, share)

    @cached_property
    def series(self) -> pd.DataFrame:
        """How many messages are where, from each instant (s, the index) to the next.

        ``queue_length``: waiting. ``in_flight``: delivered and not acked. ``busy_consumers``:
        consumers at work. ``in_system``: created and neither finished nor lost. In a line of
        stations, each counts the messages at all of them.
        """
        return self._states.series(self.duration)

    def in_system_at(self, times: ArrayLike) -> NDArray[np.int64]:
        """How many messages are created and neither finished nor lost at these instants (s)."""
        instants = np.asarray(times, float)
        wrong = ~((instants >= 0) & (instants <= self.duration))
        if wrong.any():
            raise ValueError(
                f"times must lie between 0 s and the end of the run at {self.duration:g} s, "
                f"got {instants[wrong][0]:g}"
            )
        return self._states.in_system_at(instants)

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
        ledger, states = self.ledger, self._states
        start, end = self.observed_from, min(self.duration, self.observed_until)
        time = end - start if end > start else np.nan
        finished = self.columns["finished"]
        latency, wait = known(self.latency[self.observed]), known(self.wait[self.observed])
        p50, p95, p99 = np.percentile(latency, [50, 95, 99]) if len(latency) else [np.nan] * 3
        busy = time_in(states.started, states.ended, start, end)
        waiting = time_in(states.arrived, states.delivered, start, end)
        unfinished = ledger.unfinished
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
                "queue_max": states.queue_max(start),
                "in_system_mean": time_in(states.created, states.left, start, end) / time,
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
        in_vain = self.in_vain.part(chosen)
        return replace(
            self,
            servers=servers,
            warmup=int(np.count_nonzero(chosen[: self.warmup])),
            columns={name: column[chosen] for name, column in self.columns.items()},
            labels={name: label[chosen] for name, label in self.labels.items()},
            outcomes=outcomes,
            in_vain=in_vain,
            visits=self.visits.of(np.flatnonzero(chosen).tolist()),
            # Where a queue crashes nobody knows which message a move is about; a broker gives back
            # what was delivered in vain.
            moves={"requeued": in_vain.released},
            ledger=Ledger(
                published=len(outcomes),
                duplicates=len(in_vain),
                **dict(zip(accounts, counts, strict=True)),
            ),
            extras={},
        )

    def doubts(self) -> tuple[str, ...]:
        """Why the averages can't be trusted; empty if nothing speaks against them."""
        return doubts(self.scenario, signs(self))

    def column(self, name: str) -> Floats:
        """The instants called so (s), or those that stand for them: ``delivered`` for ``started``,
        ``acked`` and ``left`` for ``finished``, where nobody tells the two apart."""
        return instants(self.columns, name)

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

    @cached_property
    def _states(self) -> States:
        return States(self.columns, self.labels, self.outcomes, self.in_vain, self.moves)
