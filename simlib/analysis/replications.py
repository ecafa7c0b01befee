"""Many runs instead of one: replications, intervals and paired comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from scipy.special import stdtrit

if TYPE_CHECKING:
    from ..scenarios.base import Scenario

__all__ = ["Comparison", "Interval", "Replications", "compare", "replicate", "run_seeds"]


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


def run_seeds(replications: int, seed: int) -> list[int]:
    """The seeds of replications 0, 1, 2, …: the same for every scenario, however many there are."""
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise ValueError(f"replications must be a whole number >= 1, got {replications!r}")
    sequences = (np.random.SeedSequence(seed, spawn_key=(k,)) for k in range(replications))
    # 53 bits: so many survive in a table of floats, and in JSON.
    return [
        int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(11)) for sequence in sequences
    ]


@dataclass(frozen=True, eq=False)
class Replications:
    """Independent runs of one scenario."""

    scenario: Scenario
    """What was run."""
    table: pd.DataFrame = field(repr=False)
    """A row per replication, indexed by its seed; the columns are those of ``summary()``."""

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, metric: str) -> pd.Series[float]:
        """The values of one metric, one per replication."""
        if metric not in self.table:
            raise KeyError(f"no metric {metric!r}; there are {', '.join(map(str, self.table))}")
        return self.table[metric]

    def interval(self, metric: str, confidence: float = 0.95) -> Interval:
        """Student's interval for the mean of a metric over the replications.

        For a percentile this is the interval of the mean of the runs' percentiles.
        """
        return interval(self[metric], confidence)


def replicate(
    scenario: Scenario, replications: int = 20, seed: int = 1, n_jobs: int = 1
) -> Replications:
    """Run a scenario several times with independent seeds.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    replications : int
        How often; intervals need at least 2.
    seed : int
        From which the seeds of the runs are spawned. Two scenarios replicated with the same seed
        meet the same random numbers, run by run.
    n_jobs : int
        Processes to run in; -1 for as many as there are cores. The numbers don't depend on it.
    """
    chosen = run_seeds(replications, seed)
    rows = Parallel(n_jobs=n_jobs)(delayed(_summary)(scenario, number) for number in chosen)
    return Replications(scenario, pd.DataFrame(rows, index=pd.Index(chosen, name="seed")))


def _summary(scenario: Scenario, seed: int) -> dict[str, float]:
    return {str(name): value for name, value in scenario.run(seed).summary().items()}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two scenarios, run in pairs on common random numbers."""

    a: Replications
    b: Replications

    def interval(self, metric: str, confidence: float = 0.95) -> Interval:
        """Interval of the mean difference b - a of a metric, from the differences pair by pair."""
        return interval(self.b[metric].to_numpy() - self.a[metric].to_numpy(), confidence)

    def narrowing(self, metric: str) -> float:
        """How many times wider the interval would be without pairing, about; no unit.

        The ratio of the standard errors of the difference, independent over paired.
        """
        a, b = self.a[metric], self.b[metric]
        paired = float(np.std(b.to_numpy() - a.to_numpy(), ddof=1))
        independent = float(np.hypot(a.std(), b.std()))
        return independent / paired if paired else np.inf

    @property
    def table(self) -> pd.DataFrame:
        """A row per metric: both means, and the mean difference b - a with its 95 % interval."""
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


def compare(
    a: Scenario, b: Scenario, replications: int = 20, seed: int = 1, n_jobs: int = 1
) -> Comparison:
    """Run two scenarios in pairs on common random numbers.

    Within a pair both meet the same arrivals and the same work, so the difference is due to what
    differs between them. Arguments as for :func:`replicate`.
    """
    return Comparison(
        replicate(a, replications, seed, n_jobs), replicate(b, replications, seed, n_jobs)
    )
