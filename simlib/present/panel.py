"""Panels: move a slider, and the scenario runs again."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import ipywidgets as widgets
from matplotlib.axes import Axes

from ..analysis.metrics import quantity, shown_as
from ..analysis.result import Result
from ..scenarios.base import PublishingScenario, Scenario
from ..values import ParameterError
from .controls import Choice, Control, Number, Status
from .ghost import compared
from .parameters import MOST, Choices, control_for
from .pictures import Picture, axes, fit, show
from .plots import queue_over_time

__all__ = ["Panel", "error_in_words", "panel", "with_picture"]

Draw = Callable[[Mapping[str, Result], Axes], object]
Steps = Mapping[str, Mapping[str, Any]]

ERROR = '<p class="panel-error" role="alert">{}</p>'

FROZEN = "A picture of the panel: run this cell to get the controls."

TRAFFIC = frozenset({"load", "arrival_rate"})
"""Parameters that are two names for the messages' arrivals."""


class Panel(widgets.VBox):  # type: ignore[misc]
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
    ) -> None:
        self.base = base
        self.results: dict[str, Result] = {}
        """Results of the last run, by variant; empty after an error."""
        self.error: BaseException | None = None
        """What went wrong in the last run."""
        self.alt = ""
        """What is to be seen in the picture."""
        self._variants = variants
        self._draw = draw
        self._metrics = table
        self._paused = False
        self._arrivals = getattr(base, "interarrival", None)
        self._moved: set[str] = set()
        self._last: dict[str, Result] = {}
        self._picture: Picture | None = None
        self._steps = steps
        self.controls: dict[str, Control] = {
            name: control_for(base, name, choices) for name, choices in controls.items()
        }
        """By name of their parameter, those of several parameters, and ``seed``."""
        for name, positions in steps.items():
            first = next(iter(positions))
            self.controls[name] = Choice(name.replace("_", " "), "", positions, first, slides=True)
        self.controls["seed"] = Number("seed", "another seed, another run of luck", seed, low=0)
        self._initial = {name: control.value for name, control in self.controls.items()}
        for name, control in self.controls.items():
            control.add_class(f"control-{name.replace('_', '-')}")
            control.observe(partial(self._changed, name), "value")
        self.status = Status()
        self.status.on_msg(lambda *_: self.reset())
        self.picture = widgets.HTML()
        self.picture.add_class("panel-picture")
        self.table = widgets.HTML()
        self.table.add_class("panel-table")
        grid = widgets.Box(list(self.controls.values()))
        grid.add_class("panel-controls")
        super().__init__([grid, self.status, self.picture, self.table])
        self.add_class("panel")
        self.add_class("simlib")
        self.run()

    def __repr__(self) -> str:
        return f"Panel({type(self.base).__name__}: {', '.join(self.controls)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """With the picture beside the widget, for readers that can't show widgets."""
        return with_picture(super()._repr_mimebundle_(**options), self._picture)

    def set(self, **values: Any) -> None:
        """Move several controls at once, by name; the scenario runs once.

        A ``load`` counts on the other parameters given.
        """
        if {"load", "arrival_rate"} <= values.keys():
            raise ValueError("give only one of load and arrival_rate: each sets the arrivals")
        for name, value in values.items():
            if name not in self.controls:
                raise ValueError(f"there is no control {name!r}: {', '.join(self.controls)}")
            self.controls[name].check(value)
        self._put(values)
        self._moved |= values.keys()
        self.run()

    def reset(self) -> None:
        """Put every control back to where it stood, and forget the run before."""
        self._put(self._initial)
        self._arrivals = getattr(self.base, "interarrival", None)
        self._moved.clear()
        self._last = self.results = {}
        self.run()

    def _put(self, values: Mapping[str, Any]) -> None:
        """Let controls show these values, without a run."""
        self._paused = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
                self.controls[name].settle()
        finally:
            self._paused = False

    def run(self) -> None:
        """Run the scenario as the controls stand, and show what comes of it.

        A run that is interrupted, by the Stop button or from the kernel's menu, shows nothing new.
        """
        begun = time.perf_counter()
        self.status.tell("running …", running=True)
        self.status.part = 0.0
        if self.error is not None:
            self.error = None
            self._say("")
        try:
            results = self._results()
            self._last, self.results = self.results or self._last, results
            self._show()
        except Exception as error:  # Nothing that a callback raises would be seen otherwise.
            self._fail(error, error_in_words(error), "stopped by an error")
        except KeyboardInterrupt as interrupt:
            self._fail(interrupt, "Stopped. Move a control to run it again.", "stopped")
            raise
        else:
            took = quantity(time.perf_counter() - begun, "s", 2)
            self.status.tell(f"done in {took}")

    def _results(self) -> dict[str, Result]:
        scenario = self._scenario()
        seed = self.controls["seed"].value
        return {
            name: scenario.replace(**changes).run(seed, progress=partial(self._advance, place))
            for place, (name, changes) in enumerate(self._variants.items())
        }

    def _fail(self, error: BaseException, words: str, status: str) -> None:
        self._last, self.results = self.results or self._last, {}
        self.error = error
        self._say(words)
        self.status.tell(status)

    def _say(self, words: str) -> None:
        """What to read in place of the result, which goes on taking its place on the page."""
        drawn = "" if self._picture is None else self._picture.svg(self.model_id)
        place = f'<div class="panel-gone" aria-hidden="true">{drawn}</div>' if drawn else ""
        error = ERROR.format(words) if words else ""
        self.picture.value = f'<div class="panel-place">{place}{error}</div>'
        self.table.add_class("panel-gone")

    def _changed(self, name: str, _: Any) -> None:
        if self._paused:
            return
        self._moved.add(name)
        with suppress(KeyboardInterrupt):  # It was for the run alone.
            self.run()

    def _advance(self, finished: int, part: float) -> None:
        self.status.part = (finished + part) / len(self._variants)

    def _scenario(self) -> Scenario:
        """What the controls stand for, with the arrivals as they were if nothing moved them."""
        changes: dict[str, Any] = {}
        moved: set[str] = set()
        for name, control in self.controls.items():
            if name != "seed":
                meant = self._meaning(name, control)
                changes |= meant
                moved |= meant.keys() if name in self._moved else set()
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
        self._moved.clear()
        return scenario

    def _meaning(self, name: str, control: Control) -> dict[str, Any]:
        """The parameters that a control sets."""
        if not isinstance(control, Choice):
            return {name: control.value}
        meaning = control.meanings[control.value]
        return dict(meaning) if name in self._steps else {name: meaning}

    def _show(self) -> None:
        ax = axes(8, 3.6, layout=None)
        assert isinstance(ax, Axes)
        compared(self._draw, self.results, self._last, ax)
        ax.minorticks_off()
        fit(ax)
        self._picture = show(ax)
        if self._last:
            self._picture.alt += " In grey: the run before."
        self.alt = self._picture.alt
        self.picture.value = f'<div class="panel-place">{self._picture.svg(self.model_id)}</div>'
        self.table.value = _table(self.results, self._metrics) + _doubts(self.results)
        self.table.remove_class("panel-gone")


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
    return Panel(base, controls, steps or {}, variants or {"run": {}}, draw, table, seed)


def _table(results: Mapping[str, Result], metrics: Sequence[str]) -> str:
    rows: dict[str, list[str]] = {}
    scenarios = [result.scenario for result in results.values()]
    publishing = [each for each in scenarios if isinstance(each, PublishingScenario)]
    if len(publishing) == len(scenarios):
        rows["messages that arrive"] = [f"{quantity(each.arrival_rate)}/s" for each in publishing]
        rows["load"] = [quantity(each.load, "%") for each in publishing]
    summaries = [result.summary() for result in results.values()]
    unfinished = any(summary["unfinished"] for summary in summaries)
    figures = scenarios[0].figures
    for name in dict.fromkeys([*metrics, *(["unfinished"] if unfinished else [])]):
        shown = shown_as(name, figures)
        rows[shown.label] = [shown.written(summary[name]) for summary in summaries]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in results)
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


def with_picture(bundle: Any, picture: Picture | None) -> Any:
    """A widget's forms for the notebook, with a picture of it as one more."""
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    if data is not None and picture is not None:
        data["text/html"] = f"{picture._repr_html_()}<p><em>{FROZEN}</em></p>"
    return bundle


def error_in_words(error: Exception) -> str:
    """What a learner can do something about, escaped for HTML."""
    if isinstance(error, ParameterError):
        said = [str(problem) for problem in error.problems]
    else:
        said = [str(error) or type(error).__name__]
    return "<br>".join(map(html.escape, said))
