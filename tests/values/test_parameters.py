"""What a kind of value says of its parameters, whoever asks."""

from typing import Any

import pytest

from simlib import Exponential, Linger, Outage
from simlib.scenarios import DeliveryGuarantees, Pipeline, PointToPoint, PublishSubscribe
from simlib.scenarios.pipeline import Station
from simlib.values import parameters_of


def test_bounds_unit_and_default_of_a_number() -> None:
    consumers = parameters_of(PointToPoint)["consumers"]
    assert (consumers.low, consumers.high, consumers.default) == (1, 1000, 1)
    assert (consumers.least, consumers.greatest, consumers.step) == (1, 1000, 1)
    assert consumers.number
    assert consumers.whole
    assert consumers.allowed == "1 to 1,000"
    put_cost = parameters_of(PointToPoint)["put_cost"]
    assert (put_cost.unit, put_cost.low, put_cost.high) == ("s", 0, 1e6)
    assert put_cost.number
    assert not put_cost.whole


def test_an_open_bound_is_not_to_be_chosen_itself() -> None:
    load = parameters_of(PointToPoint)["load"]
    assert load.derived
    assert (load.low, load.open_low, load.least) == (0, True, 0.05)
    assert (load.high, load.open_high, load.greatest) == (2, False, 2)
    assert load.allowed == "> 0, <= 2"
    sync_time = parameters_of(PointToPoint)["sync_time"]
    assert (sync_time.low, sync_time.open_low, sync_time.least) == (0, True, None)


def test_choices_are_those_of_the_type() -> None:
    assert parameters_of(PointToPoint)["queue"].choices == ("memory", "file", "sqlite")
    assert parameters_of(DeliveryGuarantees)["confirms"].choices == (True, False)
    assert parameters_of(PointToPoint)["consumers"].choices == ()


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (Outage, "share", {"low": 0, "high": 1, "open_low": True, "unit": ""}),
        (Outage, "start", {"low": 0, "unit": "s", "default": None, "number": True}),
        (Linger, "size", {"required": True, "unit": "messages", "whole": True, "low": 1}),
        (Linger, "time", {"required": True, "unit": "s", "number": True}),
        (Station, "service", {"kind": "Distribution", "unit": "s", "number": False}),
        (Station, "consumers", {"low": 1, "whole": True}),
        (Exponential, "mean", {"low": 0, "open_low": True, "required": True}),
    ],
)
def test_what_is_inside_of_a_scenario_says_it_as_well(
    kind: Any, name: str, expected: dict[str, Any]
) -> None:
    told = parameters_of(kind)[name]
    assert {field: getattr(told, field) for field in expected} == expected


@pytest.mark.parametrize("kind", [PointToPoint, Pipeline, PublishSubscribe, Outage, Station])
def test_all_parameters_are_read_and_described(kind: Any) -> None:
    told = parameters_of(kind)
    assert list(told) == list(kind.parameters())
    assert all(each.description for each in told.values())
