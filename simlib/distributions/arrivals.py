"""When messages arrive, where independent gaps don't say it: traces, bursts, days, batches.

Each is a distribution of gaps as far as that goes: it has a mean gap and can be scaled to another.
Its arrival instants are what it is for, and gaps in their order are not independent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from math import nan, pi
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BeforeValidator, Field, field_validator, model_validator

from .durations import (
    BLOCK,
    Distribution,
    Durations,
    Floats,
    Seconds,
    distribution,
)
from .traces import read_times

__all__ = ["Arrivals", "Batches", "Bursty", "Trace", "VaryingPoisson"]

LATEST = 1_000_000_000
"""The latest arrival in a trace (s): some 30 years, and before any date of this century."""

MOST = 1000
"""The most messages in a batch."""


def _batch_size(given: Any) -> Any:
    """Refuse what is neither a size nor two of them."""
    sizes = given if isinstance(given, tuple) and len(given) == 2 else (given,)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST:
            raise ValueError(
                f"must be a whole number from 1 to {MOST:,}, or (fewest, most), got {given!r}"
            )
    return given


class Trace(Distribution):
    """Recorded arrival instants, taken in their order until they are used up.

    Parameters
    ----------
    times : sequence of float
        Seconds since the start of the run, >= 0 and never decreasing. Equal instants are allowed:
        those messages arrive together, in their order.
    """

    kind: Literal["trace"] = Field(default="trace", repr=False)
    times: tuple[float, ...] = Field(min_length=1, repr=False)

    if TYPE_CHECKING:

        def __init__(self, times: ArrayLike) -> None: ...

    @field_validator("times")
    @classmethod
    def _in_order(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if times[0] < 0:
            raise ValueError(f"times must be >= 0 s, got {times[0]:g} at index 0")
        for place, (before, after) in enumerate(pairwise(times), 1):
            if after < before:
                raise ValueError(
                    f"times must not decrease, got {after:g} s after {before:g} s at index {place}"
                )
        if times[-1] > LATEST:
            raise ValueError(
                f"times must be <= {LATEST:,} s after the start of the run, got {times[-1]:g}; "
                "are they seconds, and was the first one subtracted?"
            )
        return times

    @classmethod
    def from_csv(cls, path: str | Path, column: str | int = 0) -> Self:
        """Read arrival instants from a CSV file; see :func:`~.traces.read_times`."""
        return cls(times=read_times(path, column))

    def __repr__(self) -> str:
        return f"Trace({len(self.times)} arrivals in {self.times[-1] - self.times[0]:g} s)"

    def __str__(self) -> str:
        return repr(self)

    @property
    def length(self) -> int | None:
        return len(self.times)

    @property
    def average(self) -> float:
        """Mean gap between arrivals (s); the time of the only arrival when there is just one."""
        if len(self.times) == 1:
            return self.times[0]
        return (self.times[-1] - self.times[0]) / (len(self.times) - 1)

    @property
    def scv(self) -> float:
        """Squared coefficient of variation of the gaps, no unit; 0 without any gap."""
        mean = self.average
        return float(np.var(np.diff(self.times))) / mean**2 if len(self.times) > 1 and mean else 0.0

    def scaled(self, mean: float) -> Self:
        """The same trace, played slower or faster so that the mean gap is ``mean`` seconds."""
        if not self.average:
            raise ValueError("a trace whose arrivals all come at once cannot be scaled")
        return type(self)(times=np.array(self.times) * (mean / self.average))

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """The gaps before the first ``size`` arrivals, from the start again when they run out."""
        return np.resize(np.diff(self.times, prepend=0.0), size)

    def instants(self, rng: np.random.Generator) -> Iterator[Floats]:
        for start in range(0, len(self.times), BLOCK):
            yield np.array(self.times[start : start + BLOCK])


class _Process(Distribution, ABC):
    """An arrival process without end, given by how its instants are drawn."""

    def __str__(self) -> str:
        return repr(self)

    @abstractmethod
    def instants(self, rng: np.random.Generator) -> Iterator[Floats]:
        """Arrival instants (s), block by block."""

    def blocks(self, rng: np.random.Generator) -> Iterator[Floats]:
        last = 0.0
        for times in self.instants(rng):
            if len(times):
                yield np.diff(times, prepend=last)
                last = times[-1]

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """The gaps (s) before the first ``size`` arrivals."""
        gaps = np.empty(0)
        for block in self.blocks(rng):
            if len(gaps) >= size:
                break
            gaps = np.concatenate((gaps, block))
        return gaps[:size]


class Bursty(_Process):
    """A Poisson process that switches between two rates by chance.

    It stays with each rate for exponential times. At instant 0 it has been going on for ever: each
    rate holds with the share of time that it has. Called MMPP(2), a Markov-modulated Poisson
    process (Fischer & Meier-Hellstern 1993, "The Markov-modulated Poisson process (MMPP)
    cookbook").

    Parameters
    ----------
    rates : (float, float)
        Arrivals per second with each rate, >= 0, not both 0.
    mean_sojourns : (float, float)
        Seconds, > 0, that each rate holds on average.
    """

    kind: Literal["bursty"] = Field(default="bursty", repr=False)
    rates: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]
    mean_sojourns: tuple[Seconds, Seconds]

    if TYPE_CHECKING:

        def __init__(
            self, rates: tuple[float, float], mean_sojourns: tuple[float, float]
        ) -> None: ...

    @model_validator(mode="after")
    def _some_arrive(self) -> Self:
        if not any(self.rates):
            raise ValueError("rates must not both be 0 per second")
        return self

    @property
    def average(self) -> float:
        return sum(self.mean_sojourns) / float(np.dot(self.rates, self.mean_sojourns))

    @property
    def scv(self) -> float:
        """Squared coefficient of variation of a gap; it leaves out that gaps are correlated."""
        (fast, slow), (leave_fast, leave_slow) = self.rates, 1 / np.array(self.mean_sojourns)
        spread = 2 * leave_fast * leave_slow * (fast - slow) ** 2
        mixing = fast * slow + fast * leave_slow + slow * leave_fast
        return float(1 + spread / ((leave_fast + leave_slow) ** 2 * mixing))

    def scaled(self, mean: float) -> Self:
        """The same bursts, played slower or faster so that the mean gap is ``mean`` seconds."""
        factor = mean / self.average
        (first, second), (first_sojourn, second_sojourn) = self.rates, self.mean_sojourns
        return type(self)(
            rates=(first / factor, second / factor),
            mean_sojourns=(first_sojourn * factor, second_sojourn * factor),
        )

    def instants(self, rng: np.random.Generator) -> Iterator[Floats]:
        # Counted in expected arrivals instead of seconds, it is a Poisson process of rate 1. How
        # many are expected up to an instant rises in straight lines; `times` and `expected` are
        # the ends of those lines, from the one in which the last block ended.
        sojourns, rates = np.array(self.mean_sojourns), np.array(self.rates)
        mood = int(rng.random() >= sojourns[0] / sojourns.sum())
        per_sojourn = float(sojourns @ rates) / 2
        times = expected = np.zeros(1)
        last = 0.0
        while True:
            arrivals = last + np.cumsum(rng.exponential(1.0, BLOCK))
            last = arrivals[-1]
            while expected[-1] <= last:
                # An even number, so that what follows starts like the first.
                count = BLOCK + 2 * int((last - expected[-1]) / per_sojourn / 2)
                moods = (mood + np.arange(count)) % 2
                held = rng.exponential(sojourns[moods])
                times = np.append(times, times[-1] + np.cumsum(held))
                expected = np.append(expected, expected[-1] + np.cumsum(held * rates[moods]))
            yield np.interp(arrivals, expected, times)
            current = int(np.searchsorted(expected, last, side="right")) - 1
            times, expected = times[current:], expected[current:]


class VaryingPoisson(_Process):
    """A Poisson process whose rate rises and falls, as traffic does over a day.

    At instant t the rate is ``mean_rate + amplitude * sin(2 pi t / period)``.

    Parameters
    ----------
    mean_rate : float
        Arrivals per second on average, > 0.
    amplitude : float
        How far the rate rises and falls (per second), 0 <= amplitude <= mean_rate.
    period : float
        Seconds, > 0, from one peak to the next.
    """

    kind: Literal["varying_poisson"] = Field(default="varying_poisson", repr=False)
    mean_rate: float = Field(gt=0)
    amplitude: float = Field(ge=0)
    period: float = Field(gt=0)

    if TYPE_CHECKING:

        def __init__(self, mean_rate: float, amplitude: float, period: float) -> None: ...

    @model_validator(mode="after")
    def _never_negative(self) -> Self:
        if self.amplitude > self.mean_rate:
            raise ValueError(
                f"amplitude must be <= mean_rate={self.mean_rate:g} per second, "
                f"got {self.amplitude:g}"
            )
        return self

    @property
    def average(self) -> float:
        return 1 / self.mean_rate

    @property
    def scv(self) -> float:
        """NaN: gaps differ with the time of the day, and no one figure says how."""
        return nan

    def scaled(self, mean: float) -> Self:
        """The same course of the day with so many more or fewer arrivals at each hour."""
        factor = mean / self.average
        return type(self)(
            mean_rate=self.mean_rate / factor,
            amplitude=self.amplitude / factor,
            period=self.period,
        )

    def rate(self, time: Floats) -> Floats:
        """Arrivals per second at each instant (s)."""
        return self.mean_rate + self.amplitude * np.sin(2 * pi / self.period * time)

    def instants(self, rng: np.random.Generator) -> Iterator[Floats]:
        # Thinning (Lewis & Shedler 1979): candidates at the highest rate, of which each stays with
        # the probability that the rate at its instant has to the highest.
        highest = self.mean_rate + self.amplitude
        last = 0.0
        while True:
            candidates = last + np.cumsum(rng.exponential(1 / highest, BLOCK))
            last = candidates[-1]
            yield candidates[rng.random(BLOCK) * highest < self.rate(candidates)]


class Batches(_Process):
    """Several messages at once, each time.

    Parameters
    ----------
    interarrival : Distribution
        Seconds between one batch and the next.
    size : int or (int, int)
        Messages per batch, >= 1; or the fewest and the most, each number between equally likely.
    """

    kind: Literal["batches"] = Field(default="batches", repr=False)
    interarrival: Durations
    size: Annotated[int | tuple[int, int], BeforeValidator(_batch_size)]

    if TYPE_CHECKING:

        def __init__(
            self, interarrival: Distribution | float, size: int | tuple[int, int]
        ) -> None: ...

    @model_validator(mode="after")
    def _ordered_and_endless(self) -> Self:
        fewest, most = self._sizes
        if fewest > most:
            raise ValueError(f"size must be (fewest, most), got {self.size}")
        if self.interarrival.length is not None:
            raise ValueError(
                f"interarrival={self.interarrival} ends; give a Trace with equal instants instead"
            )
        return self

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    @property
    def average(self) -> float:
        return 2 * self.interarrival.average / sum(self._sizes)

    @property
    def scv(self) -> float:
        """Squared coefficient of variation of a gap, those of 0 s inside a batch included."""
        return sum(self._sizes) / 2 * (1 + self.interarrival.scv) - 1

    def scaled(self, mean: float) -> Self:
        """Batches of the same size, more or less often."""
        gap = mean * sum(self._sizes) / 2
        return type(self)(interarrival=self.interarrival.scaled(gap), size=self.size)

    def instants(self, rng: np.random.Generator) -> Iterator[Floats]:
        fewest, most = self._sizes
        for times in self.interarrival.instants(rng):
            yield np.repeat(times, rng.integers(fewest, most + 1, len(times)))


if TYPE_CHECKING:
    Arrivals = Durations
else:
    from .durations import KINDS

    _KINDS = KINDS | Trace | Bursty | VaryingPoisson | Batches
    Arrivals = Annotated[
        _KINDS, Field(discriminator="kind"), BeforeValidator(distribution(*get_args(_KINDS)))
    ]
    """Any distribution of gaps between arrivals, or arrival process, as a field of a value."""
