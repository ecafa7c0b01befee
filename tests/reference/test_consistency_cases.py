"""Writes to two places, held against known answers by the acceptance rule of cases.json."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from acceptance import CASES, Experiment, check

from simlib.scenarios import Consistency

EACH = 1_500
"""Orders in each of 20 runs."""


def _orders(case: dict[str, Any], **changes: Any) -> Consistency:
    assert case["parameters"]["messages"] >= EACH
    return Consistency(messages=EACH, polling=None, restart=0.0, **changes)


def _dual_write(case: dict[str, Any]) -> Experiment:
    scenario = _orders(
        case,
        pattern="commit, publish",
        crash_after="commit",
        crashing=case["parameters"]["crash_between"],
    )
    return Experiment(
        scenario, {"lost_fraction_dual_write": lambda result: result.summary()["missing"] / EACH}
    )


def _outbox(case: dict[str, Any]) -> Experiment:
    scenario = _orders(
        case,
        crash_after="publish",
        crashing=case["parameters"]["relay_crash_after_publish_before_mark"],
    )
    return Experiment(
        scenario,
        {
            "lost_with_outbox": lambda result: float(result.summary()["missing"]),
            "duplicates_fraction_with_outbox": lambda result: result.summary()["events"] / EACH - 1,
        },
    )


EXPRESSED: dict[str, tuple[Callable[[dict[str, Any]], Experiment], ...]] = {
    "dual-write-vs-outbox": (_dual_write, _outbox),
}
"""The experiments that answer a case."""

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {
    "dual-write-vs-outbox": {
        "lost_fraction_dual_write": 0.25,
        "duplicates_fraction_with_outbox": 0.13,
    },
}
"""Metrics whose standard error is still above a quarter of the tolerance in the runs above, and
about how many million messages they would take: each is twenty statements to real databases."""

PAIRS = [(case_id, metric) for case_id in EXPRESSED for metric in CASES[case_id]["expected"]]


@cache
def _measured(case_id: str) -> dict[str, np.ndarray]:
    runs = [experiment(CASES[case_id]).run() for experiment in EXPRESSED[case_id]]
    return {name: values for run in runs for name, values in run.items()}


@pytest.mark.parametrize(("case_id", "metric"), PAIRS)
def test_the_simulation_agrees_with_the_known_answer(case_id: str, metric: str) -> None:
    excused = metric in NOT_WITHIN_BUDGET.get(case_id, {})
    check(case_id, metric, _measured(case_id)[metric], long_enough=not excused)
