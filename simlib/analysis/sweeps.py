"""One scenario over many values of its parameters."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from pydantic import BaseModel, TypeAdapter
from tqdm.auto import tqdm

from .replications import interval
from .seeds import run_seeds

if TYPE_CHECKING:
    from ..scenarios.base import Scenario

__all__ = ["intervals", "sweep"]

Point = dict[str, Any]


class _Run(NamedTuple):
    """One run of a sweep."""

    point: Point
    replication: int
    seed: int


def sweep(
    scenario: Scenario,
    values: Mapping[str, Sequence[Any]],
    *,
    replications: int = 5,
    seed: int = 1,
    points: int | None = None,
    n_jobs: int = 1,
    store: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Run a scenario at many points, several times each, with the same seeds at every point.

    Parameters
    ----------
    scenario : Scenario
        What to run; it keeps the parameters that are not swept.
    values : mapping
        By name of a parameter (anything that ``Scenario.replace`` takes) the values to try: all
        combinations. With ``points``, a pair of numbers (low, high) stands for all between them.
    replications : int
        Runs per point.
    seed : int
        From which the seeds of the runs are spawned.
    points : int, optional
        Take so many points that cover the ranges evenly, instead of all combinations: a Latin
        hypercube (McKay, Beckman & Conover 1979), drawn from ``seed``.
    n_jobs : int
        Processes to run in; -1 for as many as there are cores. The numbers don't depend on it.
    store : path, optional
        A file that keeps each run as it is finished, a JSON object a line. A sweep that was
        interrupted goes on from there when it is started again.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    DataFrame
        A row per point and replication: the parameters, ``replication``, ``seed``, and the
        figures of ``summary()``. A run that failed has its reason in the column ``error``, which
        is there only if one did, and the rest go on; a warning names its parameters.
    """
    runs = [
        _Run(point, replication, run_seed)
        for point in _points(values, points, seed)
        for replication, run_seed in enumerate(run_seeds(replications, seed))
    ]
    kept = _Store(Path(store), scenario) if store is not None else None
    summaries = {} if kept is None else kept.load(runs)
    missing = [place for place in range(len(runs)) if place not in summaries]
    results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_try)(scenario, runs[place], place) for place in missing
    )
    bar = tqdm(results, total=len(runs), initial=len(summaries), disable=not progress, unit="run")
    for place, summary in bar:
        summaries[place] = summary
        if kept is not None and "error" not in summary:
            kept.append(runs[place], summary)
    return _table(runs, summaries)


def intervals(table: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Means with Student's intervals over the replications of each point.

    Parameters
    ----------
    table : DataFrame
        What ``sweep`` returned.
    by : sequence of str
        The parameters that tell the points apart.
    metrics : sequence of str
        Which figures.

    Returns
    -------
    DataFrame
        A row per point: the parameters, and for each metric its mean, ``…_low`` and ``…_high`` at
        95 % confidence.
    """
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        row = dict(zip(by, key, strict=True))
        for metric in metrics:
            mean, low, high, _ = interval(group[metric])
            row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _try(scenario: Scenario, run: _Run, place: int) -> tuple[int, dict[str, Any]]:
    """One run's summary, or why there is none."""
    try:
        summary = scenario.replace(**run.point).run(run.seed).summary()
    except Exception as error:  # One bad point must not cost the others.
        return place, {"error": f"{type(error).__name__}: {error}"}
    return place, {str(name): float(value) for name, value in summary.items()}


def _points(values: Mapping[str, Sequence[Any]], points: int | None, seed: int) -> Iterator[Point]:
    if not values or not all(len(choices) for choices in values.values()):
        raise ValueError(f"every swept parameter needs at least one value, got {dict(values)!r}")
    if points is None:
        for combination in product(*values.values()):
            yield dict(zip(values, combination, strict=True))
        return
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise ValueError(f"points must be a whole number >= 1, got {points!r}")
    rng = np.random.default_rng(seed)
    strata = {name: (rng.permutation(points) + rng.random(points)) / points for name in values}
    for place in range(points):
        yield {name: _between(values[name], strata[name][place]) for name in values}


def _between(choices: Sequence[Any], part: float) -> Any:
    """What lies at this part, from 0 to 1, of a range or a list."""
    if isinstance(choices, tuple) and len(choices) == 2:
        low, high = choices
        if isinstance(low, int) and isinstance(high, int):
            return low + int(part * (high - low + 1))
        return low + part * (high - low)
    return choices[int(part * len(choices))]


def _table(runs: Sequence[_Run], summaries: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        {**run.point, "replication": run.replication, "seed": run.seed, **summaries[place]}
        for place, run in enumerate(runs)
    ]
    table = pd.DataFrame(rows)
    if "error" in table:
        failed = table[table["error"].notna()]
        first = rows[int(failed.index[0])]
        names = {name: first[name] for name in runs[0].point}
        warnings.warn(
            f"{len(failed)} of {len(table)} runs failed; the first at {names}: {first['error']}",
            stacklevel=3,
        )
    return table


class _Store:
    """Finished runs in a file, a JSON object a line."""

    def __init__(self, path: Path, scenario: Scenario) -> None:
        self.path = path
        self._scenario = f"{type(scenario).__name__}{scenario.model_dump_json()}"

    def load(self, runs: Sequence[_Run]) -> dict[int, dict[str, Any]]:
        """The summaries of those runs that the file has."""
        if not self.path.exists():
            return {}
        content = self.path.read_bytes()
        # A line without its end was being written when the sweep was killed.
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self.path.open("r+b") as file:
                file.truncate(whole)
        known = {}
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                entry = json.loads(line)
                known[entry["run"]] = entry["summary"]
            except (ValueError, TypeError, KeyError):
                raise ValueError(f"{self.path}, line {number} is no run of a sweep") from None
        return {
            place: known[key] for place, run in enumerate(runs) if (key := self._key(run)) in known
        }

    def append(self, run: _Run, summary: Mapping[str, Any]) -> None:
        """Keep a finished run."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"run": self._key(run), "summary": summary}) + "\n")

    def _key(self, run: _Run) -> str:
        """What was run: the scenario, the point and the seed."""
        return f"{self._scenario} {_json(run.point)} {run.seed}"


def _json(point: Point) -> str:
    plain = {
        name: value.model_dump() if isinstance(value, BaseModel) else value
        for name, value in point.items()
    }
    return TypeAdapter(dict[str, Any]).dump_json(plain).decode()
