"""When a process is down, and when it is slow."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from simlib import Outage, Slowdown
from simlib.processes import Faults
from simlib.values import ParameterError


def test_an_outage_lasts_from_its_start_up_to_its_end() -> None:
    outage = Outage(start=10.0, duration=5.0)
    assert outage.end == 15.0
    faults = Faults([outage])
    assert [faults.up_at(time) for time in (9.9, 10.0, 14.9, 15.0)] == [9.9, 15.0, 15.0, 15.0]
    assert [faults.down_at(time) for time in (0, 10.0, 12.0, 15.0)] == [10.0, 10.0, 12.0, inf]


def test_several_outages_may_be_given_in_any_order() -> None:
    faults = Faults([Outage(start=30, duration=5), Outage(start=10, duration=5)])
    assert [faults.down_at(time) for time in (0, 15, 31, 35)] == [10, 30, 31, inf]
    assert [faults.up_at(time) for time in (10, 20, 34)] == [15, 20, 35]


def test_outages_that_touch_are_one_long_one() -> None:
    faults = Faults([Outage(start=10, duration=5), Outage(start=15, duration=5)])
    assert faults.up_at(12) == 20
    assert faults.down_at(15) == 15


def test_outages_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must not overlap.*start=10.*start=14"):
        Faults([Outage(start=14, duration=5), Outage(start=10, duration=5)])


def test_without_faults_nothing_is_ever_down_or_slow() -> None:
    faults = Faults()
    assert (faults.down_at(0), faults.up_at(7), faults.factor(7)) == (inf, 7, 1.0)


def test_a_slowdown_holds_from_its_start_up_to_its_end_and_factors_multiply() -> None:
    faults = Faults(
        slowdowns=[
            Slowdown(start=10, duration=10, factor=2),
            Slowdown(start=15, duration=10, factor=0.25),
        ]
    )
    factors = [faults.factor(time) for time in (9.9, 10, 14.9, 15, 19.9, 20, 25)]
    assert factors == [1, 2, 2, 0.5, 0.5, 0.25, 1]


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (Outage, {"start": -1, "duration": 1}, ["start", ">= 0", "-1"]),
        (Outage, {"start": 0, "duration": 0}, ["duration", "> 0", "0"]),
        (Outage, {"start": 0, "duration": inf}, ["duration", "finite", "inf"]),
        (Outage, {"start": 0}, ["duration", "missing"]),
        (Outage, {"start": 0, "duration": 1, "length": 1}, ["length", "there is no"]),
        (Slowdown, {"start": 0, "duration": 1, "factor": 0}, ["factor", "> 0", "0"]),
        (Slowdown, {"start": 0, "duration": 1}, ["factor", "missing"]),
    ],
)
def test_a_bad_fault_is_refused_by_the_name_of_its_value(
    kind: Any, values: dict[str, float], words: list[str]
) -> None:
    with pytest.raises(ParameterError) as caught:
        kind(**values)
    for word in words:
        assert word in str(caught.value)


def test_a_fault_is_a_value() -> None:
    outage = Outage(start=1, duration=2)
    assert outage == Outage.model_validate_json(outage.model_dump_json())
    assert len({outage, Outage(start=1, duration=2)}) == 1
    with pytest.raises(ParameterError, match="frozen"):
        outage.start = 3
