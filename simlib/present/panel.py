"""Panels: move a slider, and the scenario runs again."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf, isfinite
from typing import Any

import ipywidgets as widgets

from ..analysis.doubts import DoubtWarning
from ..analysis.metrics import Metric, quantity, shown_as
from ..analysis.replications import replicate
from ..analysis.result import Result
from ..scenarios.base import PublishingScenario, Scenario
from .board import Board
from .controls import Choice, Control, Number
from .figures import queue_over_time
from .parameters import MOST, Choices, control_for
from .pictures import Picture
from .redrawn import Draw, Redrawn
from .verdicts import mean

__all__ = ["Panel", "panel"]

Steps = Mapping[str, Mapping[str, Any]]

TRAFFIC = frozenset({"load", "arrival_rate"})
"""Parameters that are two names for the messages' arrivals."""


class Panel(Board):
    """Controls made from a scenario's own parameters, over the picture and table of its runs.

    Changing a control runs the scenario again, with each of the variants on the same random
    numbers. What is wrong with a value is said in place of the result, in the scenario's own words.

    Messages go on arriving as they did when something else is changed: a consumer added or slowed
    down changes the load, and not the traffic. ``load`` and ``arrival_rate`` change the traffic
    when they are moved themselves; else their controls follow, and the table tells both.
    """

    def __init__(
        self,
        base: Scenario,
        controls: Mapping[str, Choices],
        steps: Mapping[str, Steps],
        variants: Mapping[str, Mapping[str, Any]],
        draw: Draw,
        table: Sequence[str],
        seed: int,
        runs: int,
    ) -> None:
        self.base = base
        self.results: dict[str, Result] = {}
        """Results of the last run, by variant; empty after an error."""
        self._variants = variants
        self._drawing = Redrawn(draw)
        self._metrics = table
        self._runs = runs
        self._arrivals = getattr(base, "interarrival", None)
        self._touched: set[str] = set()
        self._steps = steps
        shown: dict[str, Control] = {
            name: control_for(base, name, choices) for name, choices in controls.items()
        }
        for name, positions in steps.items():
            first = next(iter(positions))
            shown[name] = Choice(name.replace("_", " "), "", positions, first, slides=True)
        shown["seed"] = Number("seed", "another seed, another run of luck", seed, low=0)
        self.table = widgets.HTML()
        self.table.add_class("panel-table")
        super().__init__("panel", shown, below=[self.table])
        self.run()

    def __repr__(self) -> str:
        return f"Panel({type(self.base).__name__}: {', '.join(self.controls)})"

    def set(self, **values: Any) -> None:
        """Move several controls at once, by name; the scenario runs once.

        A ``load`` counts on the other parameters given.
        """
        if {"load", "arrival_rate"} <= values.keys():
            raise ValueError("give only one of load and arrival_rate: each sets the arrivals")
        super().set(**values)

    def reset(self) -> None:
        """Put every control back to where it stood, and forget the run before."""
        self._arrivals = getattr(self.base, "interarrival", None)
        self._touched.clear()
        self._drawing.clear()
        super().reset()

    def _results(self) -> dict[str, Result]:
        scenario = self._scenario()
        seed = self.controls["seed"].value
        return {
            name: scenario.replace(**changes).run(seed, progress=partial(self._advance, place))
            for place, (name, changes) in enumerate(self._variants.items())
        }

    def _forget(self) -> None:
        self.results = {}
        self.table.add_class("panel-gone")

    def _still(self) -> Picture | None:
        return self._drawing.picture

    def _moved(self, name: str) -> None:
        self._touched.add(name)

    def _advance(self, finished: int, part: float) -> None:
        self.status.advance((finished + part) / len(self._variants))

    def _scenario(self) -> Scenario:
        """What the controls stand for, with the arrivals as they were if nothing moved them."""
        changes: dict[str, Any] = {}
        moved: set[str] = set()
        for name, control in self.controls.items():
            if name != "seed":
                meant = self._meaning(name, control)
                changes |= meant
                moved |= meant.keys() if name in self._touched else set()
        traffic = {name: changes.pop(name) for name in TRAFFIC if name in changes}
        asked = {name: value for name, value in traffic.items() if name in moved}
        if "interarrival" not in moved and isinstance(self.base, PublishingScenario):
            changes["interarrival"] = self._arrivals
        changes |= _warmup(self.base, changes)
        scenario = self.base.replace(**changes).replace(**asked)
        if isinstance(scenario, PublishingScenario):
            _check_size(scenario)
            self._arrivals = scenario.interarrival
            self._put({name: getattr(scenario, name) for name in TRAFFIC & self.controls.keys()})
        self._touched.clear()
        return scenario

    def _meaning(self, name: str, control: Control) -> dict[str, Any]:
        """The parameters that a control sets."""
        if not isinstance(control, Choice):
            return {name: control.value}
        meaning = control.meanings[control.value]
        return dict(meaning) if name in self._steps else {name: meaning}

    def _show(self) -> str:
        self.results = self._results()
        picture = self._drawing.show(self.results)
        self._draw(picture.svg(self.model_id), picture.alt)
        beside: dict[str, Callable[[str, Metric], str]] = {}
        if self._runs > 1:
            for name, result in self.results.items():
                beside |= _held_against(name if len(self.results) > 1 else "", result, self._runs)
        self.table.value = _table(self.results, self._metrics, beside) + _doubts(self.results)
        self.table.remove_class("panel-gone")
        return ""


def _warmup(base: Scenario, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A warm-up that nobody can turn keeps its part of the messages, however many these are."""
    messages = changes.get("messages")
    if "warmup" in changes or not isinstance(base, PublishingScenario):
        return {}
    if not base.warmup or not base.messages or not messages:
        return {}
    return {"warmup": base.warmup * messages // base.messages}


def _check_size(scenario: PublishingScenario) -> None:
    """Refuse a run that nobody would wait for."""
    expected = min(
        scenario.messages or inf,
        scenario.interarrival.length or inf,
        scenario.arrival_rate * (scenario.duration or inf),
    )
    if expected > MOST:
        raise ValueError(
            f"that would be about {expected:,.0f} messages, and a panel runs {MOST:,} at most"
        )


def panel(
    scenario: type[Scenario] | Scenario,
    controls: Mapping[str, Choices] | Sequence[str],
    *,
    steps: Mapping[str, Steps] | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    draw: Draw = queue_over_time,
    table: Sequence[str] = ("throughput", "latency_mean", "latency_p99", "utilisation"),
    seed: int = 1,
    runs: int = 1,
    **parameters: Any,
) -> Panel:
    """A panel for a scenario.

    Parameters
    ----------
    scenario : Scenario, or a class of it
        What to run.
    controls : sequence of str, or mapping
        The parameters to turn. A mapping may narrow them: (low, high) or (low, high, step) for a
        number, a list of values or a mapping from labels to values for a choice, None to leave the
        parameter's own range.
    steps : mapping, optional
        Sliders that each set several parameters: by the slider's name its positions from left to
        right, by label, and the parameters that each of them sets.
    variants : mapping, optional
        Parameters by name of the variant: all are run and drawn together.
    draw : callable
        Called with the results by name of the variant, and the Axes to draw on.
    table : sequence of str
        Figures of the summary to show below.
    seed : int
        Where the seed starts.
    runs : int
        With several, the table also has the mean of so many runs with its 95 % interval, and what
        a formula says, where there is one. Their seeds are spawned from that of the one shown.
    **parameters
        Fixed parameters of the scenario, and where the controls start.
    """
    if isinstance(scenario, type):
        fields = scenario.model_fields.keys() & parameters.keys()
        scenario = scenario(**{name: parameters.pop(name) for name in fields})
    base = scenario.replace(**parameters)
    if not isinstance(controls, Mapping):
        controls = dict.fromkeys(controls)
    known = type(base).parameters()
    for name in controls:
        if name not in known:
            raise ValueError(f"{type(base).__name__} has no parameter {name!r}: {', '.join(known)}")
    for slider, positions in (steps or {}).items():
        if slider in known:
            raise ValueError(f"{slider} is a parameter; give the slider of several another name")
        for name in {name for changes in positions.values() for name in changes}:
            if name not in known:
                raise ValueError(f"{slider}: {type(base).__name__} has no parameter {name!r}")
    return Panel(base, controls, steps or {}, variants or {"run": {}}, draw, table, seed, runs)


Beside = Mapping[str, Callable[[str, Metric], str]]
"""Further columns of a table, by what is at their head: they write the figure of a name."""


def _held_against(name: str, result: Result, runs: int) -> Beside:
    """Columns that say how far a run can be trusted: other runs, and a formula."""
    repeated = replicate(result.scenario, runs, result.seed)
    predicted = result.scenario.forecast().predicted

    def in_runs(figure: str, shown: Metric) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DoubtWarning)  # The panel says its doubts itself.
            found = repeated.interval(figure)
        varies = isfinite(found.mean) and found.half_width > 1e-9 * abs(found.mean)
        return str(mean(found, shown.unit)) if varies else shown.written(found.mean)

    def by_formula(figure: str, shown: Metric) -> str:
        return shown.written(predicted[figure]) if figure in predicted else "–"

    of = f"{name}: " if name else ""
    return {f"{of}mean of {runs} runs": in_runs, f"{of}theory": by_formula}


def _table(results: Mapping[str, Result], metrics: Sequence[str], beside: Beside) -> str:
    rows: dict[str, list[str]] = {}
    scenarios = [result.scenario for result in results.values()]
    publishing = [each for each in scenarios if isinstance(each, PublishingScenario)]
    if len(publishing) == len(scenarios):
        given = ["" for _ in beside]
        rates = [quantity(each.arrival_rate, "1/s") for each in publishing]
        rows["messages that arrive"] = rates + given
        rows["load"] = [quantity(each.load, "%") for each in publishing] + given
    summaries = [result.summary() for result in results.values()]
    unfinished = any(summary["unfinished"] for summary in summaries)
    figures = scenarios[0].figures
    for name in dict.fromkeys([*metrics, *(["unfinished"] if unfinished else [])]):
        shown = shown_as(name, figures)
        rows[shown.label] = [shown.written(summary[name]) for summary in summaries]
        rows[shown.label] += [write(name, shown) for write in beside.values()]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in (*results, *beside))
    body = "".join(
        f'<tr><th scope="row">{html.escape(label)}</th>'
        + "".join(f"<td>{html.escape(said)}</td>" for said in row)
        + "</tr>"
        for label, row in rows.items()
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _doubts(results: Mapping[str, Result]) -> str:
    """Why the figures can't be trusted, if they can't."""
    said = dict.fromkeys(doubt for result in results.values() for doubt in result.doubts())
    return "".join(f"<p>In doubt: {html.escape(doubt)}.</p>" for doubt in said)
