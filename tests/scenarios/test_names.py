"""One name for each thing: the parameters of all scenarios are those of docs/names.md."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from simlib import scenarios
from simlib.distributions import Distribution
from simlib.scenarios import Scenario
from simlib.values import Value
from simlib.values.parameters import unit_of

PAGE = Path(__file__).parents[2] / "docs" / "names.md"


class Declared(NamedTuple):
    """Where a parameter is declared, and in which unit."""

    scenario: str
    unit: str


def _parts(annotation: Any) -> Iterator[type[Value]]:
    """The values that a parameter of this type is made of. A distribution's are its own affair."""
    named = isinstance(annotation, type) and issubclass(annotation, Value)
    if named and not issubclass(annotation, Distribution):
        yield annotation
    for each in get_args(annotation):
        yield from _parts(each)


def _parameters(kind: type[Value]) -> Iterator[tuple[str, str]]:
    """Names and units, those of its parts included."""
    for name, info in kind.parameters().items():
        yield name, unit_of(info)
        for part in _parts(info.annotation):
            yield from _parameters(part)


SCENARIOS: list[type[Scenario]] = [
    each
    for each in map(vars(scenarios).__getitem__, scenarios.__all__)
    if isinstance(each, type) and issubclass(each, Scenario) and not each.__abstractmethods__
]

DECLARED: dict[str, list[Declared]] = defaultdict(list)
for _scenario in SCENARIOS:
    for _name, _unit in _parameters(_scenario):
        DECLARED[_name].append(Declared(_scenario.__name__, _unit))


def _table() -> Iterator[tuple[str, str | None]]:
    """Each name of the page's tables, with its unit; None where the table has no such column."""
    header: list[str] = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif names := re.findall(r"`(\w+)`", cells[0]):
            units = cells[1].split(", ") if "unit" in header else []
            # The last names are those that have a unit; one unit is that of all.
            units = units * len(names) if len(units) == 1 else units
            blank = "" if units else None
            yield from zip(names, [blank] * (len(names) - len(units)) + units, strict=True)


TABLE: dict[str, set[str]] = defaultdict(set)
"""The units that the page gives each name."""
for _name, _said in _table():
    TABLE[_name] |= set() if _said is None else {_said}


def test_all_scenarios_are_looked_at() -> None:
    assert {"PointToPoint", "PublishSubscribe", "ClosedLoop"} <= {
        scenario.__name__ for scenario in SCENARIOS
    }
    assert {"share", "overflow", "size"} <= DECLARED.keys()  # of an Outage, a Station, a Linger


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_parameter_is_in_the_table_or_of_one_scenario(name: str) -> None:
    assert name in TABLE or len({each.scenario for each in DECLARED[name]}) == 1


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_name_has_one_unit(name: str) -> None:
    assert len({each.unit for each in DECLARED[name]} | TABLE.get(name, set())) == 1


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_names_only_what_there_is(name: str) -> None:
    assert name in DECLARED or any(hasattr(scenario, name) for scenario in SCENARIOS)
