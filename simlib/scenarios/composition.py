"""One request, several calls: one after another, all at once, or handed on by queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator
from scipy.special import gammaincinv

from ..analysis.forecast import Forecast
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..distributions import Distribution, Durations, Exponential, LogNormal
from ..processes import Environment
from ..theory import fan_out_mean, fan_out_percentile, hedge, lognormal_survival
from ..theory.results import percentile
from .base import parameter
from .calculated import Calculated

__all__ = ["Composition"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CHUNK = 1 << 18
"""How many calls are computed at a time."""

MOST_CALLS = 200_000_000
"""The most calls that a run makes."""

PERCENTILES = (50, 95, 99)


class Composition(Calculated):
    """A user's request that takes several calls to services that have time for it.

    "chain": each service calls the next one and waits, so latencies add up, and all must be up.
    "fan-out": all are called at once, and the slowest is waited for. "pipeline": each hands the
    request on by a queue; it is accepted if the first one is up, and done in the end: what is down
    later delays it, and by how long is not told here.

    A call that takes longer than ``hedge_after`` is made again to another server, and the first
    answer counts. Nothing queues here: calls are independent, and a copy slows nobody down. Where
    it does, see ``Hedging``.

    A row of the result is a request, made when the one before was over. One that fails is lost:
    in a chain, the calls after the one that failed are never made.
    """

    settles: ClassVar[bool] = False

    figures: ClassVar = {
        "available": Metric("requests that are answered", "%", 4),
        "calls_per_request": Metric("calls per request, copies included"),
        "hedged": Metric("calls with a copy", "%"),
        "work_mean": Metric("servers' time for a request, mean", "s"),
    }

    shape: Literal["chain", "fan-out", "pipeline"] = parameter(
        "chain", "one after another, all at once, or by queues"
    )
    calls: int = parameter(5, "calls that a request takes", step=1, ge=1, le=1000)
    latency: Durations = parameter(Exponential(mean=0.02), "time that a call takes", unit="s")
    hedge_after: float | None = parameter(
        None, "when a call is made again; none: never", unit="s", step=0.001, gt=0
    )
    cancel: bool = parameter(True, "whether the slower copy stops when the faster one is done")
    availability: float = parameter(
        0.999, "part of the calls that the service is up for", step=0.001, ge=0, le=1
    )
    messages: int = parameter(
        10_000, "how many requests are made", unit="messages", step=1000, ge=1
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        most = self.messages * self.calls
        if most > MOST_CALLS:
            raise ValueError(
                f"messages x calls must be <= {MOST_CALLS:,}, got {self.messages} x {self.calls}"
            )
        if self.latency.length is not None and self.latency.length < most:
            raise ValueError(
                f"latency must hold a value for each of {most} calls, got {self.latency.length}"
            )
        if self.hedge_after is not None and self.shape == "pipeline":
            raise ValueError(
                "hedge_after is for calls, and in a pipeline nobody waits for an answer, got "
                f"{self.hedge_after:g}"
            )
        return self

    def _calculate(self, env: Environment) -> Result:
        part = _Part(*map(np.concatenate, zip(*self._parts(env), strict=True)))
        finished = np.cumsum(part.time)
        created = finished - part.time
        made = int(part.made.sum())
        up = ~part.failed
        return self.calculated(
            env,
            {
                "created": created,
                "enqueued": created,
                "started": created,
                "finished": np.where(up, finished, np.nan),
                "left": finished,
            },
            lost=part.failed,
            figures={
                "available": float(np.mean(up)),
                "calls_per_request": (made + int(part.hedged.sum())) / self.messages,
                "hedged": float(part.hedged.sum() / made) if made else np.nan,
                "work_mean": float(np.mean(part.work)),
            },
        )

    def _parts(self, env: Environment) -> Iterator[_Part]:
        """The requests, some at a time."""
        latencies = _rows(self.latency.blocks(env.stream("latency")), self.calls)
        copies = _rows(self.latency.blocks(env.stream("copies")), self.calls)
        luck = env.stream("availability")
        rows = max(1, CHUNK // self.calls)
        for first in range(0, self.messages, rows):
            count = min(rows, self.messages - first)
            took = latencies(count)
            down = luck.random((count, self.calls)) >= self.availability
            copied = np.zeros(took.shape, bool)
            work = took
            if self.hedge_after is not None:
                copied = took > self.hedge_after
                again = copies(count)
                faster = np.where(copied, np.minimum(took, self.hedge_after + again), took)
                both = 2 * faster - self.hedge_after if self.cancel else took + again
                took, work = faster, np.where(copied, both, took)
            yield self._composed(took, work, down, copied)

    def _composed(self, took: Floats, work: Floats, down: Flags, copied: Flags) -> _Part:
        """What calls amount to, given for each of them: arrays of shape (requests, calls)."""
        if self.shape == "fan-out":
            made = np.full(len(took), self.calls)
            counted = copied.sum(axis=1)
            failed = np.count_nonzero(down, axis=1) > 0
            return _Part(took.max(axis=1), work.sum(axis=1), failed, made, counted)
        if self.shape == "pipeline":
            # What isn't accepted takes no time.
            down = down[:, :1]
            there = np.broadcast_to(~down, took.shape)
        else:
            there = np.cumsum(down, axis=1) - down == 0
        return _Part(
            np.sum(took, axis=1, where=there),
            np.sum(work, axis=1, where=there),
            np.count_nonzero(down, axis=1) > 0,
            there.sum(axis=1),
            np.sum(copied, axis=1, where=there),
        )

    def forecast(self) -> Forecast:
        up = self.availability if self.shape == "pipeline" else self.availability**self.calls
        predicted = {"available": up}
        survival = _survival(self.latency)
        hedged = None
        if self.hedge_after is not None and survival is not None:
            hedged = hedge(survival, self.hedge_after)
            predicted["hedged"] = hedged.extra_requests
        known = survival if hedged is None else hedged.latency_tail
        if not up:
            return Forecast(model="none answers", why="no call is up", predicted=predicted)
        if self.hedge_after is not None and hedged is None:
            why = f"{self.shape}: how often {self.latency} takes longer than that has no formula"
            return Forecast(model=self.shape, why=f"{why} here", predicted=predicted)
        mean = self.latency.average if hedged is None else hedged.mean
        if self.shape == "fan-out" and self.calls > 1:
            predicted |= self._slowest(known, mean, plain=hedged is None)
            return Forecast(
                model="the slowest of several",
                why=f"{self.calls} independent calls at once",
                predicted=predicted,
            )
        predicted["latency_mean"] = self.calls * mean
        if isinstance(self.latency, Exponential) and hedged is None:
            for q in PERCENTILES:
                predicted[f"latency_p{q}"] = mean * float(gammaincinv(self.calls, q / 100))
        elif self.calls == 1 and known is not None:
            for q in PERCENTILES:
                predicted[f"latency_p{q}"] = percentile(known, q, mean)
        why = f"{self.calls} independent calls, one after another"
        return Forecast(model="a sum of latencies", why=why, predicted=predicted)

    def _slowest(
        self, tail: Callable[[float], float] | None, mean: float, plain: bool
    ) -> dict[str, float]:
        """What is known of the slowest call, given how often one takes longer than so long."""
        found = {}
        if isinstance(self.latency, Exponential) and plain:
            found["latency_mean"] = fan_out_mean(mean, self.calls)
        if tail is not None:
            for q in PERCENTILES:
                one = fan_out_percentile(q, self.calls)
                found[f"latency_p{q}"] = percentile(tail, one, mean)
        return found


class _Part(NamedTuple):
    """Some requests, each column of shape (requests,)."""

    time: Floats
    """Until the user knows what became of it (s)."""
    work: Floats
    """Time that servers spent on it (s)."""
    failed: Flags
    """Whether it failed."""
    made: NDArray[np.int64]
    """Calls, copies left out."""
    hedged: NDArray[np.int64]
    """Copies."""


def _rows(blocks: Iterator[Floats], width: int) -> Callable[[int], Floats]:
    """Takes the numbers of a stream in their order, as many rows of them as asked for."""
    left = np.empty(0)

    def take(count: int) -> Floats:
        nonlocal left
        parts, missing = [left], count * width - len(left)
        while missing > 0:
            parts.append(next(blocks))
            missing -= len(parts[-1])
        taken = np.concatenate(parts)
        left = taken[count * width :]
        return taken[: count * width].reshape(count, width)

    return take


def _survival(latency: Distribution) -> Callable[[float], float] | None:
    """Probability that a call takes longer than t seconds, where it has a formula here."""
    if isinstance(latency, Exponential):
        return lambda t: float(np.exp(-t / latency.mean))
    if isinstance(latency, LogNormal):
        return lognormal_survival(latency.mean, latency.cv)
    return None
