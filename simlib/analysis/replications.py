"""Many runs instead of one: replications, intervals and paired comparisons."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from .doubts import DoubtWarning, Signs, doubts, signs
from .seeds import run_seeds

if TYPE_CHECKING:
    from ..scenarios.base import Scenario

__all__ = [
    "Comparison",
    "HalfWidth",
    "Interval",
    "Replications",
    "compare",
    "half_width",
    "interval",
    "replicate",
]


class Interval(NamedTuple):
    """A mean and the confidence interval around it, in the unit of what was averaged."""

    mean: float
    low: float
    high: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.half_width:.2g}"


def interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's interval for the mean of independent values.

    Parameters
    ----------
    values : array_like, shape (n,)
        n >= 2 independent values; nearly normal, as means of long runs are.
    confidence : float
        Probability that the interval covers the true mean, 0 < confidence < 1.

    Returns
    -------
    Interval
        mean ± t(n - 1, (1 + confidence) / 2) s / sqrt(n) ("Student" 1908, "The probable error of
        a mean"; Law 2015, "Simulation Modeling and Analysis", eq. 4.12).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    values = np.asarray(values, float)
    if values.size < 2:
        raise ValueError(f"an interval needs at least 2 values, got {values.size}")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / np.sqrt(values.size)
    half_width = float(stdtrit(values.size - 1, (1 + confidence) / 2)) * error
    return Interval(mean, mean - half_width, mean + half_width, half_width)


@dataclass(frozen=True, eq=False)
class Replications:
    """Independent runs of one scenario."""

    scenario: Scenario
    """What was run."""
    table: pd.DataFrame = field(repr=False)
    """A row per replication, indexed by its seed; the columns are those of ``summary()``."""
    doubts: tuple[str, ...] = ()
    """Why the intervals can't be trusted, with the number of runs in doubt; empty if they can."""

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, metric: str) -> pd.Series[float]:
        """The values of one metric, one per replication."""
        if metric not in self.table:
            raise KeyError(f"no metric {metric!r}; there are {', '.join(map(str, self.table))}")
        return self.table[metric]

    def interval(self, metric: str, confidence: float = 0.95) -> Interval:
        """Student's interval for the mean of a metric over the replications.

        For a percentile this is the interval of the mean of the runs' percentiles. When there are
        doubts about the runs, a :class:`DoubtWarning` says them.
        """
        if self.doubts:
            warnings.warn("; ".join(self.doubts), DoubtWarning, stacklevel=2)
        return interval(self[metric], confidence)


class HalfWidth(NamedTuple):
    """How narrow an interval shall be."""

    metric: str
    relative: float
    confidence: float

    def reached(self, values: ArrayLike) -> bool:
        """Whether the interval of these values is narrow enough."""
        found = interval(values, self.confidence)
        return found.half_width <= self.relative * abs(found.mean)


def half_width(metric: str, relative: float, confidence: float = 0.95) -> HalfWidth:
    """A goal for ``replicate``: an interval of mean ± ``relative`` × mean.

    Parameters
    ----------
    metric : str
        Which figure of the summary.
    relative : float
        Half the width of the interval, as a fraction of the mean, > 0.
    confidence : float
        Of the interval, 0 < confidence < 1.
    """
    if not 0 < relative < np.inf:
        raise ValueError(f"relative must be > 0, got {relative!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return HalfWidth(metric, relative, confidence)


LOOK_AHEAD = 5
"""How many further replications must agree that an interval is narrow enough."""


def replicate(
    scenario: Scenario,
    replications: int = 20,
    seed: int = 1,
    n_jobs: int = 1,
    *,
    until: HalfWidth | None = None,
    most: int = 1000,
) -> Replications:
    """Run a scenario several times with independent seeds.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    replications : int
        How often; intervals need at least 2. With ``until``: how often to begin with.
    seed : int
        From which the seeds of the runs are spawned. Two scenarios replicated with the same seed
        meet the same random numbers, run by run.
    n_jobs : int
        Processes to run in; -1 for as many as there are cores. The numbers don't depend on it.
    until : HalfWidth, optional
        Add replications until the interval is so narrow, and stays so for another five
        (Hoad, Robinson & Davies 2010, "Automated selection of the number of replications").
    most : int
        With ``until``: give up after so many, which is one of the ``doubts``.
    """
    done = _run_all(scenario, run_seeds(replications, seed), n_jobs)
    gave_up: tuple[str, ...] = ()
    if until is not None:
        while len(done) < most and not _narrow(done, until):
            more = min(most, len(done) + max(LOOK_AHEAD, len(done) // 4))
            done += _run_all(scenario, run_seeds(more, seed)[len(done) :], n_jobs)
        if not _narrow(done, until):
            wanted = f"{until.metric} ± {100 * until.relative:g} %"
            gave_up = (f"gave up on {wanted} after {len(done)} replications",)
    index = pd.Index(run_seeds(len(done), seed), name="seed")
    return Replications(
        scenario,
        pd.DataFrame([summary for summary, _ in done], index=index),
        (*gave_up, *_counted(scenario, done)),
    )


Done = tuple[dict[str, float], Signs]
"""A run's summary, and what it shows of itself."""


def _run_all(scenario: Scenario, seeds: Sequence[int], n_jobs: int) -> list[Done]:
    done: list[Done] = Parallel(n_jobs=n_jobs)(delayed(_run)(scenario, seed) for seed in seeds)
    return done


def _run(scenario: Scenario, seed: int) -> Done:
    result = scenario.run(seed)
    return {str(name): value for name, value in result.summary().items()}, signs(result)


def _counted(scenario: Scenario, done: Sequence[Done]) -> Iterator[str]:
    """The doubts about the runs, with their numbers."""
    said = [doubt for _, seen in done for doubt in doubts(scenario, seen, len(done))]
    # Now and then a good run looks doubtful; when every other one does, something is wrong.
    for doubt in dict.fromkeys(said):
        if said.count(doubt) >= len(done) / 2:
            yield f"{said.count(doubt)} of {len(done)} runs: {doubt}"


def _narrow(done: Sequence[Done], goal: HalfWidth) -> bool:
    """Whether the interval has been narrow enough for the last few replications."""
    values = [summary[goal.metric] for summary, _ in done]
    first = max(2, len(values) - LOOK_AHEAD)
    return len(values) >= 2 and all(
        goal.reached(values[:count]) for count in range(first, len(values) + 1)
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scenarios that were run side by side on common random numbers."""

    runs: tuple[Replications, ...]
    """The replications of each, in the order of the scenarios."""

    @property
    def a(self) -> Replications:
        """The first scenario's replications."""
        return self.runs[0]

    @property
    def b(self) -> Replications:
        """The second scenario's replications."""
        return self.runs[1]

    def interval(
        self, metric: str, confidence: float = 0.95, *, a: int = 0, b: int = 1
    ) -> Interval:
        """Interval of the mean difference b - a of a metric, from the differences pair by pair.

        ``a`` and ``b`` are places among the scenarios: the first and the second unless given.
        """
        return interval(self._differences(metric, a, b), confidence)

    def narrowing(self, metric: str, *, a: int = 0, b: int = 1) -> float:
        """How many times wider the interval would be without pairing, about; no unit.

        The ratio of the standard errors of the difference, independent over paired.
        """
        paired = float(np.std(self._differences(metric, a, b), ddof=1))
        independent = float(np.hypot(self.runs[a][metric].std(), self.runs[b][metric].std()))
        return independent / paired if paired else np.inf

    @property
    def table(self) -> pd.DataFrame:
        """A row per metric: the means of the first two scenarios, and their mean difference b - a
        with its 95 % interval."""
        rows = {}
        for metric in self.a.table.columns.intersection(self.b.table.columns):
            difference = self.interval(metric)
            rows[metric] = {
                "a": self.a[metric].mean(),
                "b": self.b[metric].mean(),
                "difference": difference.mean,
                "low": difference.low,
                "high": difference.high,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def pairs(self, metric: str, confidence: float = 0.95) -> pd.DataFrame:
        """All pairs of scenarios, with Holm's correction for their number.

        Returns
        -------
        DataFrame
            A row per pair: ``a`` and ``b`` (places), the mean ``difference`` b - a, ``p`` of the
            paired t test, ``p_holm`` (Holm 1979, "A simple sequentially rejective multiple test
            procedure"), and whether the two are ``different`` at this confidence.
        """
        rows = []
        for a, b in combinations(range(len(self.runs)), 2):
            values = self._differences(metric, a, b)
            mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
            error = spread / np.sqrt(len(values))
            t = abs(mean) / error if error else np.inf if mean else 0.0
            p = 2 * float(stdtr(len(values) - 1, -t))
            rows.append({"a": a, "b": b, "difference": mean, "p": p})
        table = pd.DataFrame(rows)
        order = np.argsort(table["p"].to_numpy(), kind="stable")
        factors = np.arange(len(rows), 0, -1)
        adjusted = np.empty(len(rows))
        adjusted[order] = np.maximum.accumulate(table["p"].to_numpy()[order] * factors)
        table["p_holm"] = np.minimum(adjusted, 1.0)
        table["different"] = table["p_holm"] < 1 - confidence
        return table

    def _differences(self, metric: str, a: int, b: int) -> NDArray[np.float64]:
        return self.runs[b][metric].to_numpy() - self.runs[a][metric].to_numpy()


def compare(
    *scenarios: Scenario, replications: int = 20, seed: int = 1, n_jobs: int = 1
) -> Comparison:
    """Run two or more scenarios side by side on common random numbers.

    Within a replication all meet the same arrivals and the same work, so a difference is due to
    what differs between them. Arguments as for :func:`replicate`.
    """
    if len(scenarios) < 2:
        raise ValueError(f"a comparison is of 2 or more scenarios, got {len(scenarios)}")
    return Comparison(tuple(replicate(each, replications, seed, n_jobs) for each in scenarios))
