"""When something is down, hangs or is slow."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from simlib import Environment, Exponential, Outage, Replay
from simlib.processes import Faults
from simlib.processes.faults import faults_of_each
from simlib.values import ParameterError


def down(start: float, duration: float, **fields: Any) -> Outage:
    return Outage(of="consumers", start=start, duration=duration, **fields)


def test_an_outage_lasts_from_its_start_up_to_its_end() -> None:
    faults = Faults([down(10.0, 5.0)])
    assert [faults.up_at(time) for time in (9.9, 10.0, 14.9, 15.0)] == [9.9, 15.0, 15.0, 15.0]
    assert [faults.down_at(time) for time in (0, 10.0, 12.0, 15.0)] == [10.0, 10.0, 12.0, inf]


def test_several_outages_may_be_given_in_any_order() -> None:
    faults = Faults([down(30, 5), down(10, 5)])
    assert [faults.down_at(time) for time in (0, 15, 31, 35)] == [10, 30, 31, inf]
    assert [faults.up_at(time) for time in (10, 20, 34)] == [15, 20, 35]


@pytest.mark.parametrize("start", [15, 12])
def test_outages_that_touch_or_overlap_are_one_long_one(start: float) -> None:
    faults = Faults([down(start, 20 - start), down(10, 5)])
    assert faults.up_at(12) == 20
    assert faults.down_at(15) == 15


def test_a_crash_of_what_is_down_changes_nothing() -> None:
    faults = Faults([down(10, 5), down(11, 1)])
    assert faults.up_at(12) == 15


def test_without_faults_nothing_is_ever_down_or_slow() -> None:
    faults = Faults()
    assert (faults.down_at(0), faults.up_at(7), faults.factor(7)) == (inf, 7, 1.0)


def test_slowness_holds_from_its_start_up_to_its_end_and_factors_multiply() -> None:
    faults = Faults([down(10, 10, kind="slow", factor=2), down(15, 10, kind="slow", factor=0.25)])
    factors = [faults.factor(time) for time in (9.9, 10, 14.9, 15, 19.9, 20, 25)]
    assert factors == [1, 2, 2, 0.5, 0.5, 0.25, 1]


def test_what_hangs_goes_on_where_it_was() -> None:
    faults = Faults([down(10, 5, kind="hang"), down(20, 1, kind="hang")])
    # Begun before, in the middle of, and after the first; long enough to meet both; over before.
    assert [faults.done_at(*work) for work in ((8, 4), (12, 1), (15, 2), (9, 7), (1, 9))] == [
        *(17, 16, 17, 22, 10)
    ]
    assert faults.end_of_work(8, 4) == (17, False)
    assert faults.goes_on_at(12) == 15


def test_a_share_is_at_least_one_and_the_first_ones() -> None:
    env = Environment(1)
    assert [down(1, 1, share=share).affected(4) for share in (0.01, 0.5, 1.0)] == [1, 2, 4]
    faults = faults_of_each(3, [down(1, 1, share=0.5), down(5, 1)], env)
    assert [each.down_at(0) for each in faults] == [1, 1, 5]


def test_a_duration_by_chance_is_drawn_once() -> None:
    outage = Outage(of="consumers", start=1, duration=Exponential(3.0))
    ends = {Faults([outage], Environment(seed)).up_at(1) for seed in (1, 1, 2)}
    assert len(ends) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start": -1}, ["start", ">= 0", "-1"]),
        ({"start": 0, "duration": -1}, ["duration", ">= 0", "-1"]),
        ({"start": 0, "duration": inf}, ["duration", "finite", "inf"]),
        ({"start": inf}, ["start", "finite", "inf"]),
        ({"start": 0, "length": 1}, ["length", "there is no"]),
        ({"of": "disk", "start": 0}, ["of", "'consumers'", "disk"]),
        ({}, ["either start or every", "None"]),
        ({"start": 1, "every": 1}, ["either start or every", "start=1"]),
        ({"every": 0}, ["every", ">= 0.001 s", "0"]),
        ({"every": Replay([1.0])}, ["every", "ends"]),
        ({"start": 1, "duration": Replay([1.0])}, ["duration", "ends"]),
        ({"start": 0, "kind": "slow"}, ["factor", "slow"]),
        ({"start": 0, "factor": 2}, ["factor", "crash"]),
        ({"start": 0, "kind": "slow", "factor": 0}, ["factor", "> 0", "0"]),
        ({"start": 0, "share": 0}, ["share", "> 0", "0"]),
        ({"start": 0, "share": 1.5}, ["share", "<= 1", "1.5"]),
        ({"of": "service", "start": 0, "share": 0.5}, ["share", "0.5", "service"]),
        ({"start": 0, "kind": "power"}, ["broker", "power", "consumers"]),
    ],
)
def test_a_bad_outage_is_refused_by_the_name_of_its_value(
    fields: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ParameterError) as caught:
        Outage(**{"of": "consumers", **fields})
    for word in words:
        assert word in str(caught.value)


def test_faults_of_a_process_have_a_start() -> None:
    with pytest.raises(ValueError, match="from a start"):
        Faults([Outage(of="consumers", every=5)])


def test_an_outage_is_a_value() -> None:
    outage = down(1, 2)
    assert outage == Outage.model_validate_json(outage.model_dump_json())
    assert len({outage, down(1, 2)}) == 1
    with pytest.raises(ParameterError, match="frozen"):
        outage.start = 3
