"""What the examples in the docstrings say, comes out."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import simlib

NAMES = ["simlib", *(each.name for each in pkgutil.walk_packages(simlib.__path__, "simlib."))]
EXAMPLES = [
    test
    for name in NAMES
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if test.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_the_examples_in_the_docstrings(example: doctest.DocTest) -> None:
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    result = runner.run(example, out=said.append)
    assert result.failed == 0, "".join(said)


def test_what_people_begin_with_has_an_example() -> None:
    names = {test.name.rpartition(".")[2] for test in EXAMPLES}
    assert names >= {
        *("topic_matches", "Ledger", "interval", "quantity", "FileQueue", "SQLiteQueue", "Broker"),
        *("PointToPoint", "Outage", "Retry", "CircuitBreaker", "resilience"),
    }
