"""The acceptance rule that cases.json states, for the tables of cases in this folder.

A metric agrees when its mean over at least 20 independent replications is within 4 standard errors
of the known answer, and the standard error is at most a quarter of the tolerance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlib.analysis import Result
from simlib.scenarios import Scenario

FILE = Path(__file__).with_name("cases.json")
CASES = {case["id"]: case for case in json.loads(FILE.read_text(encoding="utf-8"))["cases"]}

REPLICATIONS = 20

Metric = Callable[[Result], float]


@dataclass(frozen=True)
class Experiment:
    """A scenario and what to read off its results; without randomness one run tells all."""

    scenario: Scenario
    metrics: Mapping[str, Metric]
    random: bool = True

    def run(self) -> dict[str, np.ndarray]:
        """Each metric's values, one per replication."""
        rows = []
        for seed in range(1, (REPLICATIONS if self.random else 1) + 1):
            result = self.scenario.run(seed)
            rows.append([metric(result) for metric in self.metrics.values()])
        return dict(zip(self.metrics, np.array(rows).T, strict=True))


def tolerances(case_id: str, metric: str) -> Iterator[float]:
    """How far off a metric may be, in its own unit; one of these will do."""
    case = CASES[case_id]
    expected, tolerance = case["expected"][metric], case["tolerance"]
    if isinstance(tolerance, dict):
        tolerance = tolerance.get(metric, tolerance.get("default"))
    # Either a number, or in words: "absolute 0.0005 or relative 0.03".
    for choice in tolerance.split(" or ") if isinstance(tolerance, str) else [f"is {tolerance}"]:
        kind, number = choice.split()
        yield float(number) * (1.0 if kind == "absolute" else abs(expected) or 1.0)


def check(case_id: str, metric: str, values: np.ndarray, long_enough: bool = True) -> None:
    """Hold the replications' values against the known answer.

    Where the run is known not to be ``long_enough`` for the second half of the rule, the first
    half still holds it, and the excuse has to go when it is not needed any more.
    """
    expected, tolerance = CASES[case_id]["expected"][metric], max(tolerances(case_id, metric))
    if len(values) == 1:
        assert abs(values[0] - expected) <= tolerance
        return
    assert len(values) >= 20
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    print(f"{mean:.6g} ± {error:.2g}, known {expected:.6g}, error allowed {tolerance / 4:.2g}")
    assert abs(mean - expected) <= 4 * error
    if long_enough:
        assert error <= tolerance / 4
    else:
        assert error > tolerance / 4, "the run is long enough: the excuse can go"
