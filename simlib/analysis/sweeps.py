"""One scenario over many values of its parameters."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from hashlib import sha256
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, TypeAdapter
from tqdm.auto import tqdm

from .arguments import checked, whole
from .doubts import DoubtWarning, Signs, copies, doubts, signs
from .parallel import spread
from .replications import interval
from .result import Experiment
from .seeds import run_seeds

__all__ = ["intervals", "sweep"]

Point = dict[str, Any]

Done = dict[str, Any]
"""A run's summary, and under "signs" what it shows of itself; or an "error"."""


class _Run(NamedTuple):
    """One run of a sweep."""

    point: Point
    replication: int
    seed: int


def sweep(
    scenario: Experiment,
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
        A file that keeps each run as it is finished, a JSON object a line, and each scenario once.
        A sweep that was interrupted goes on from there when it is started again.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    DataFrame
        A row per point and replication: the parameters, ``replication``, ``seed``, and the
        figures of ``summary()``; and ``doubts``, why the run can't be trusted as one of its point's
        replications, empty if it can. A :class:`DoubtWarning` says the doubts about every other
        run of a point or more. A run that failed has its reason in the column ``error``, which is
        there only if one did, and the rest go on; a warning names its parameters.
    """
    _check(checked(scenario), values, points)
    runs = [
        _Run(point, replication, run_seed)
        for point in _points(values, points, seed)
        for replication, run_seed in enumerate(run_seeds(replications, seed))
    ]
    kept = _Store(Path(store), scenario) if store is not None else None
    summaries = {} if kept is None else kept.load(runs)
    missing = [place for place in range(len(runs)) if place not in summaries]
    jobs = ((scenario, runs[place], place) for place in missing)
    results = spread(_try, jobs, n_jobs, ordered=False)
    bar = tqdm(results, total=len(runs), initial=len(summaries), disable=not progress, unit="run")
    for place, done in bar:
        summaries[place] = done
        if kept is not None and "error" not in done:
            kept.append(runs[place], done)
    return _table(scenario, runs, summaries, replications)


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
    for given in (by, metrics):
        if isinstance(given, str) or not set(given) <= set(table):
            raise ValueError(
                f"by and metrics must be lists of columns of the table, got {given!r}; there are "
                f"{', '.join(map(str, table))}"
            )
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        row = dict(zip(by, key, strict=True))
        for metric in metrics:
            mean, low, high, _ = interval(group[metric])
            row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _check(scenario: Experiment, values: Mapping[str, Any], points: int | None) -> None:
    """Refuse values that are none, and parameters that the scenario doesn't have."""
    if not isinstance(values, Mapping):
        raise TypeError(f"values must give the values to try by parameter, got {values!r}")
    known = scenario.parameters()
    for name, choices in values.items():
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"{type(scenario).__name__} has no parameter {name!r}; {hint}"
                f"there are {', '.join(known)}"
            )
        if isinstance(choices, str | bytes | Mapping) or not (
            isinstance(choices, Collection) and hasattr(choices, "__getitem__")
        ):
            raise TypeError(f"{name} must be a list of the values to try, got {choices!r}")
    if not values or not all(len(choices) for choices in values.values()):
        raise ValueError(f"every swept parameter needs at least one value, got {dict(values)!r}")
    if points is None:
        return
    whole("points", points)
    for name, choices in values.items():
        if _is_range(choices) and not choices[0] <= choices[1]:
            raise ValueError(f"{name} must be a range (low, high), got {choices!r}")


def _try(scenario: Experiment, run: _Run, place: int) -> tuple[int, Done]:
    """One run's summary and signs, or why there are none."""
    try:
        result = scenario.replace(**run.point).run(run.seed)
        summary = {str(name): float(value) for name, value in result.summary().items()}
        return place, {**summary, "signs": signs(result)}
    except Exception as error:  # One bad point must not cost the others.
        return place, {"error": f"{type(error).__name__}: {error}"}


def _points(values: Mapping[str, Sequence[Any]], points: int | None, seed: int) -> Iterator[Point]:
    if points is None:
        for combination in product(*values.values()):
            yield dict(zip(values, combination, strict=True))
        return
    rng = np.random.default_rng(seed)
    strata = {name: (rng.permutation(points) + rng.random(points)) / points for name in values}
    for place in range(points):
        yield {name: _between(values[name], strata[name][place]) for name in values}


def _is_range(choices: Sequence[Any]) -> bool:
    return (
        isinstance(choices, tuple)
        and len(choices) == 2
        and all(isinstance(end, int | float) and not isinstance(end, bool) for end in choices)
    )


def _between(choices: Sequence[Any], part: float) -> Any:
    """What lies at this part, from 0 to 1, of a range or a list."""
    if _is_range(choices):
        low, high = choices
        if isinstance(low, int) and isinstance(high, int):
            return low + int(part * (high - low + 1))
        return low + part * (high - low)
    return choices[int(part * len(choices))]


def _table(
    scenario: Experiment, runs: Sequence[_Run], summaries: Mapping[int, Done], replications: int
) -> pd.DataFrame:
    rows, warned = [], []
    # The runs of a point lie together, and share a scenario and what it needs.
    for first in range(0, len(runs), replications):
        point, said = runs[first].point, []
        changed = None
        places = range(first, first + replications)
        copied = copies([summaries[place] for place in places])
        for place in places:
            run, done = runs[place], dict(summaries[place])
            if (seen := done.pop("signs", None)) is not None:
                changed = changed or scenario.replace(**point)
                said.append((*copied, *doubts(changed, seen, replications)))
                done["doubts"] = "; ".join(said[-1])
            rows.append({**point, "replication": run.replication, "seed": run.seed, **done})
        everything = [doubt for each in said for doubt in each]
        # Now and then a good run looks doubtful; when every other one does, something is wrong.
        counts = {doubt: everything.count(doubt) for doubt in dict.fromkeys(everything)}
        warned += [(point, d) for d, count in counts.items() if count >= replications / 2][:1]
    table = pd.DataFrame(rows)
    if warned:
        point, doubt = warned[0]
        warnings.warn(
            f"{len(warned)} of {len(runs) // replications} points are in doubt; the first at "
            f"{point}: {doubt}. The column doubts has them all",
            DoubtWarning,
            stacklevel=3,
        )
    if "error" in table:
        failed = table[table["error"].notna()]
        names = runs[int(failed.index[0])].point
        warnings.warn(
            f"{len(failed)} of {len(table)} runs failed; the first at {names}: "
            f"{failed['error'].iloc[0]}",
            stacklevel=3,
        )
    return table


class _Store:
    """Finished runs in a file, a JSON object a line.

    A line is either a scenario, by the hash of its JSON form, or a run of it: by the hash of the
    scenario, the point and the seed, with its summary and its signs.
    """

    def __init__(self, path: Path, scenario: Experiment) -> None:
        self.path = path
        self._scenario = f"{type(scenario).__name__}{scenario.model_dump_json()}"
        self._hash = _hash(self._scenario)
        self._described = False

    def load(self, runs: Sequence[_Run]) -> dict[int, Done]:
        """The summaries of those runs that the file has."""
        if not self.path.exists():
            return {}
        content = self.path.read_bytes()
        # A line without its end was being written when the sweep was killed.
        end = content.rfind(b"\n") + 1
        if end < len(content):
            with self.path.open("r+b") as file:
                file.truncate(end)
        known: dict[str, Done] = {}
        for number, line in enumerate(content[:end].splitlines(), 1):
            try:
                entry = json.loads(line)
                if "scenario" in entry:
                    self._described |= entry["scenario"] == self._hash
                    continue
                if isinstance(entry["run"], str) and "signs" not in entry:
                    raise ValueError(
                        f"{self.path}, line {number} is from an earlier version, which kept no "
                        "signs of doubt; give a new file"
                    )
                known[entry["run"]] = _sound(entry)
            except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError):
                raise ValueError(f"{self.path}, line {number} is no run of a sweep") from None
        return {
            place: known[key] for place, run in enumerate(runs) if (key := self._key(run)) in known
        }

    def append(self, run: _Run, done: Done) -> None:
        """Keep a finished run, and before the first one its scenario."""
        lines: list[dict[str, Any]] = []
        if not self._described:
            lines.append({"scenario": self._hash, "is": self._scenario})
            self._described = True
        summary = {name: value for name, value in done.items() if name != "signs"}
        lines.append({"run": self._key(run), "summary": summary, "signs": done["signs"]})
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))

    def _key(self, run: _Run) -> str:
        """What was run: the scenario, the point and the seed."""
        point = _json(run.point)
        return f"{self._hash} {point if len(point) <= LONG else _hash(point)} {run.seed}"


LONG = 200
"""A point with more letters than that, such as a trace, is stored by its hash."""


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


def _sound(entry: Mapping[str, Any]) -> Done:
    """The summary and the signs of a stored run; KeyError or TypeError if they are none."""
    summary, seen = entry["summary"], Signs(*entry["signs"])
    figures = [summary["duration"], *summary.values()]
    if not all(type(figure) in (int, float) for figure in figures) or not isfinite(figures[0]):
        raise TypeError("a figure is no number")
    if type(entry["run"]) is not str or type(seen.observed) is not int:
        raise TypeError("nobody knows which run this was, or how long")
    return {**summary, "signs": seen}


def _json(point: Point) -> str:
    plain = {
        name: value.model_dump() if isinstance(value, BaseModel) else value
        for name, value in point.items()
    }
    return TypeAdapter(dict[str, Any]).dump_json(plain).decode()
