"""The recipe for a scenario, followed to the letter."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from simlib import Exponential, ParameterError
from simlib.analysis import compare, explain, replicate, sweep
from simlib.present import figures_over, panel

RECIPE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def scenario() -> Iterator[Any]:
    """The class that the recipe makes."""
    (code,) = re.findall(r"^```python\n(.*?)^```", RECIPE.read_text("utf-8"), re.M | re.S)
    module = ModuleType("rate_limited")
    sys.modules["rate_limited"] = module
    exec(code, module.__dict__)
    yield module.__dict__["RateLimited"]
    del sys.modules["rate_limited"]


def test_a_run_is_as_worked_out_by_hand(scenario: Any) -> None:
    # Due at 0.1, 0.2, 0.3 s, and one every 2 s is taken.
    messages = scenario(interarrival=0.1, service=0.5, limit=0.5, messages=3).run().messages
    assert messages["started"].tolist() == pytest.approx([0.1, 2.1, 4.1])
    assert messages["finished"].tolist() == pytest.approx([0.6, 2.6, 4.6])


@pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")
def test_it_has_all_that_the_others_have(scenario: Any) -> None:
    limited = scenario(service=Exponential(0.5), messages=200)
    table = sweep(limited, {"limit": [1.0, 4.0], "load": [0.2, 0.5]}, replications=2)
    assert len(table) == 8
    better = compare(limited, limited.replace(limit=10.0), replications=5)
    assert better.interval("latency_mean").high < 0
    assert scenario.model_validate_json(limited.model_dump_json()) == limited
    assert "RateLimited" in explain(limited).forecast.why
    shown = panel(scenario, {"limit": (0.5, 5.0)}, messages=50)
    shown.set(limit=3.0)
    assert shown.results["run"].scenario.limit == 3.0
    assert scenario(messages=100, duration=5.0).run().duration == 5.0


@pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")
def test_its_figure_is_known_wherever_figures_are_shown(scenario: Any) -> None:
    # Due at 0.1, 0.2, 0.3 s; 0.5 s of work, and 1.5 s until another may start.
    given = scenario(interarrival=0.1, service=0.5, limit=0.5, messages=3)
    result = given.run()
    assert result.summary()["held_back"] == pytest.approx(4.5)
    assert re.search(r"held back by the limit</th><td[^>]*>4\.50 s</td>", result._repr_html_())
    assert "held back by the limit" in replicate(given, 2)._repr_html_()
    shown = panel(given, {"limit": (0.5, 5.0)}, table=["held_back"]).table.value
    assert "held back by the limit" in shown
    table = sweep(given, {"limit": [0.5, 1.0]}, replications=2, progress=False)
    axes = figures_over(table, "limit", "held_back")
    assert axes.get_ylabel() == "held back by the limit (s)"
    assert re.search(r"^held_back +s +held back by the limit", scenario.__doc__, re.M)


def test_it_says_what_it_takes(scenario: Any) -> None:
    with pytest.raises(ParameterError, match="limit must be > 0 1/s, got 0"):
        scenario(messages=1, limit=0)
    assert re.search(r"^limit +2 +1/s +> 0 +messages per second", scenario.__doc__, re.M)
