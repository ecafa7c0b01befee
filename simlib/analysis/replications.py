"""Many runs instead of one: replications, intervals and paired comparisons."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from math import floor, inf, log10
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from ..theory.checks import positive
from ..values import html_table
from .arguments import checked, level, whole
from .doubts import DoubtWarning, Signs, copies, doubts, signs
from .metrics import shown_as
from .parallel import spread
from .result import Experiment
from .seeds import run_seeds

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
        """The mean to the place of the second digit of the half-width: 2,390 ± 500."""
        if self.half_width == 0:
            return f"{self.mean:,.6g} in every run"
        if not 1e-9 * abs(self.mean) < self.half_width < inf:  # or it is NaN
            return f"{self.mean:.4g} ± {self.half_width:.2g}"
        places = 1 - floor(log10(self.half_width))
        return " ± ".join(
            f"{round(value, places):,.{max(places, 0)}f}" for value in (self.mean, self.half_width)
        )


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

    Examples
    --------
    >>> print(interval([1.0, 2.0, 3.0]))
    2.0 ± 2.5
    >>> print(interval([1.0, 2.0, 3.0], confidence=0.9))
    2.0 ± 1.7
    """
    level(confidence)
    values = np.asarray(values, float)
    if values.size < 2:
        raise ValueError(f"an interval needs at least 2 values, got {values.size}")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / np.sqrt(values.size)
    half_width = float(stdtrit(values.size - 1, (1 + confidence) / 2)) * error
    return Interval(mean, mean - half_width, mean + half_width, half_width)


@dataclass(frozen=True, eq=False, repr=False)
class Replications:
    """Independent runs of one scenario."""

    scenario: Experiment
    """What was run."""
    table: pd.DataFrame
    """A row per replication, indexed by its seed; the columns are those of ``summary()``."""
    doubts: tuple[str, ...] = ()
    """Why the intervals can't be trusted, with the number of runs in doubt; empty if they can."""

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        doubts = f", {len(self.doubts)} doubts" if self.doubts else ""
        return f"<{len(self)} replications of {self.scenario!r}{doubts}>"

    def _repr_html_(self) -> str:
        rows = [self._written(name) for name in map(str, self.table)]
        caption = f"{len(self)} replications of {self.scenario!r}"
        return html_table(
            caption, [("figure", "mean", "95 % interval"), *rows], _in_words(self.doubts)
        )

    def _written(self, name: str) -> tuple[str, str, str]:
        """What a figure is called, its mean with its unit, and the interval."""
        shown, values = shown_as(name, self.scenario.figures), self[name]
        if len(self) < 2:
            return shown.label, shown.written(float(values.mean())), ""
        mean, low, high = (shown.written(each) for each in interval(values)[:3])
        return shown.label, mean, f"{low} to {high}"

    def __getitem__(self, metric: str) -> pd.Series[float]:
        """The values of one metric, one per replication."""
        _known(metric, self.table)
        return self.table[metric]

    def interval(self, metric: str, confidence: float = 0.95) -> Interval:
        """Student's interval for the mean of a metric over the replications.

        For a percentile this is the interval of the mean of the runs' percentiles. When there are
        doubts about the runs, a :class:`DoubtWarning` says them.
        """
        values = self[metric]
        _warn(self.doubts)
        return interval(values, confidence)


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
    if not isinstance(metric, str):
        raise TypeError(f"metric must be the name of a figure of the summary, got {metric!r}")
    return HalfWidth(metric, positive("relative", relative), level(confidence))


LOOK_AHEAD = 5
"""How many further replications must agree that an interval is narrow enough."""


def replicate(
    scenario: Experiment,
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
    if until is not None:
        if not isinstance(until, HalfWidth):
            raise TypeError(f"until must be made by half_width(metric, relative), got {until!r}")
        whole("most", most, max(2, replications))
    done = _run_all(checked(scenario), run_seeds(replications, seed), n_jobs)
    gave_up: tuple[str, ...] = ()
    if until is not None:
        _known(until.metric, done[0][0])
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


def _run_all(scenario: Experiment, seeds: Sequence[int], n_jobs: int) -> list[Done]:
    return list(spread(_run, ((scenario, seed) for seed in seeds), n_jobs))


def _run(scenario: Experiment, seed: int) -> Done:
    result = scenario.run(seed)
    return {str(name): value for name, value in result.summary().items()}, signs(result)


def _counted(scenario: Experiment, done: Sequence[Done]) -> Iterator[str]:
    """The doubts about the runs, with their numbers."""
    yield from copies([summary for summary, _ in done])
    said = [doubt for _, seen in done for doubt in doubts(scenario, seen, len(done))]
    # Now and then a good run looks doubtful; when every other one does, something is wrong.
    for doubt in dict.fromkeys(said):
        if said.count(doubt) >= len(done) / 2:
            yield f"{said.count(doubt)} of {len(done)} runs: {doubt}"


def _known(metric: str, figures: Iterable[Any]) -> None:
    """Refuse a figure that is not among these."""
    names = list(map(str, figures))
    if metric not in names:
        near = get_close_matches(str(metric), names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise KeyError(f"no metric {metric!r}; {hint}there are {', '.join(names)}")


def _warn(said: Iterable[str]) -> None:
    """Say the doubts, if there are any, where the caller was called."""
    if text := "; ".join(dict.fromkeys(said)):
        warnings.warn(text, DoubtWarning, stacklevel=3)


def _narrow(done: Sequence[Done], goal: HalfWidth) -> bool:
    """Whether the interval has been narrow enough for the last few replications."""
    values = [summary[goal.metric] for summary, _ in done]
    first = max(2, len(values) - LOOK_AHEAD)
    return len(values) >= 2 and all(
        goal.reached(values[:count]) for count in range(first, len(values) + 1)
    )


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Scenarios that were run side by side on common random numbers."""

    runs: tuple[Replications, ...]
    """The replications of each, in the order of the scenarios."""

    def __repr__(self) -> str:
        scenarios = ", ".join(repr(each.scenario) for each in self.runs)
        return f"<Comparison of {scenarios}, {len(self.a)} replications>"

    def _repr_html_(self) -> str:
        rows = []
        for name, row in zip(self.table.index, self.table.to_numpy().tolist(), strict=True):
            shown = shown_as(name, self.a.scenario.figures)
            rows.append((shown.label, *map(shown.written, row)))
        header = ("figure", "a", "b", "b - a", "from", "to (95 %)")
        both = {"a": self.a, "b": self.b}
        caption = "; ".join(f"{name}: {each.scenario!r}" for name, each in both.items())
        doubted = [f"{name}: {doubt}" for name, each in both.items() for doubt in each.doubts]
        return html_table(caption, [header, *rows], _in_words(doubted))

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

        ``a`` and ``b`` are places among the scenarios: the first and the second unless given. When
        there are doubts about their runs, a :class:`DoubtWarning` says them. So it does where two
        throughputs differ by no more than the end of the runs makes up: a run ends with its last
        message, which the faster one reaches sooner.
        """
        values = self._differences(metric, a, b)
        _warn((*self._doubts(a, b), *self._by_the_end(metric, a, b)))
        return interval(values, confidence)

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
        with its 95 % interval. Doubts are said as by :meth:`interval`."""
        _warn(self._doubts(0, 1))
        rows = {}
        for metric in self.a.table.columns.intersection(self.b.table.columns):
            difference = interval(self._differences(metric, 0, 1))
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
            procedure"), and whether the two are ``different`` at this confidence. Doubts are said
            as by :meth:`interval`.
        """
        level(confidence)
        places = list(combinations(range(len(self.runs)), 2))
        ends = (said for a, b in places for said in self._by_the_end(metric, a, b))
        _warn((*self._doubts(*range(len(self.runs))), *ends))
        rows = []
        for a, b in places:
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

    def _doubts(self, *places: int) -> Iterator[str]:
        """The doubts about some scenarios' runs, each with the place of its scenario."""
        for place in dict.fromkeys(places):
            for said in self.runs[place].doubts:
                yield f"scenario {place}, {said}"

    def _by_the_end(self, metric: str, a: int, b: int) -> Iterator[str]:
        """Whether the end of the runs alone could make two throughputs differ so much."""
        if metric != "throughput":
            return
        more = self._differences("in_system_mean", a, b) / self.runs[a]["duration"].to_numpy()
        if 0 < abs(np.mean(self._differences(metric, a, b))) <= 2 * abs(np.mean(more)):
            yield (
                f"scenarios {a} and {b} end with their last messages, and that alone makes their "
                f"throughputs differ by about {abs(np.mean(more)):.1g} per second"
            )

    def _differences(self, metric: str, a: int, b: int) -> NDArray[np.float64]:
        for place in (a, b):
            if not 0 <= whole("place", place, 0) < len(self.runs):
                raise ValueError(
                    f"there are {len(self.runs)} scenarios, counted from 0, and none at {place}"
                )
        return self.runs[b][metric].to_numpy() - self.runs[a][metric].to_numpy()


def _in_words(doubts: Sequence[str]) -> list[str]:
    return [f"In doubt: {doubt}." for doubt in doubts]


def compare(
    *scenarios: Experiment, replications: int = 20, seed: int = 1, n_jobs: int = 1
) -> Comparison:
    """Run two or more scenarios side by side on common random numbers.

    Within a replication all meet the same arrivals and the same work, so a difference is due to
    what differs between them. Arguments as for :func:`replicate`.
    """
    if len(scenarios) < 2:
        raise ValueError(f"a comparison is of 2 or more scenarios, got {len(scenarios)}")
    for each in scenarios:
        checked(each)
    return Comparison(tuple(replicate(each, replications, seed, n_jobs) for each in scenarios))
