"""Panels: move a slider, and the scenario runs again."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil, floor, log10
from typing import Any, Literal, get_args, get_origin

import ipywidgets as widgets
import pandas as pd
from annotated_types import Ge, Gt, Le, Lt
from matplotlib.axes import Axes
from pydantic.fields import FieldInfo

from ..analysis.metrics import METRICS, Metric, quantity
from ..analysis.result import Result
from ..scenarios.base import PublishingScenario, Scenario
from ..values import ParameterError
from .pictures import axes, show
from .plots import queue_over_time

__all__ = ["Panel", "panel"]

Draw = Callable[[Mapping[str, Result], Axes], object]
Choices = Mapping[str, Any] | Sequence[Any] | None
Steps = Mapping[str, Mapping[str, Any]]


TRAFFIC = frozenset({"load", "arrival_rate"})
"""Parameters that are two names for the messages' arrivals."""

ERROR = '<p role="alert" style="color: #a00000; border-left: 4px solid; padding: 1em">{}</p>'


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
        self.error: Exception | None = None
        """What went wrong in the last run."""
        self.alt = ""
        """What is to be seen in the picture."""
        self._variants = variants
        self._draw = draw
        self._metrics = table
        self._paused = False
        self._arrivals = getattr(base, "interarrival", None)
        self._moved: set[str] = set()
        self.controls: dict[str, widgets.Widget] = {
            name: _control(base, name, choices) for name, choices in controls.items()
        }
        """The widgets by name of their parameter, those of several parameters, and ``seed``."""
        for name, positions in steps.items():
            self.controls[name] = _labelled(_Steps(positions), name, "", "")
        self.controls["seed"] = _labelled(
            widgets.IntText(value=seed), "seed", "another seed, another run of luck", ""
        )
        self._initial = {name: control.value for name, control in self.controls.items()}
        for name, control in self.controls.items():
            control.add_class(f"control-{name.replace('_', '-')}")
            control.observe(partial(self._changed, name), "value")
        reset = widgets.Button(description="Reset", tooltip="back to where the controls stood")
        reset.add_class("panel-reset")
        reset.on_click(lambda _: self.reset())
        self.status = widgets.Label("")
        self.status.add_class("panel-status")
        self.progress = widgets.IntProgress(max=100, layout={"width": "8em"})
        self.picture = widgets.HTML()
        self.picture.add_class("panel-picture")
        self.table = widgets.HTML()
        self.table.add_class("panel-table")
        grid = widgets.Box(
            list(self.controls.values()), layout={"display": "flex", "flex_flow": "row wrap"}
        )
        below = widgets.HBox([reset, self.progress, self.status])
        super().__init__([grid, below, self.picture, self.table])
        self.add_class("panel")
        self.run()

    def __repr__(self) -> str:
        return f"Panel({type(self.base).__name__}: {', '.join(self.controls)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """With the picture beside the widget, for readers that can't show widgets."""
        return with_picture(super()._repr_mimebundle_(**options), self.picture.value)

    def set(self, **values: Any) -> None:
        """Move several controls at once, by name; the scenario runs once.

        A ``load`` counts on the other parameters given.
        """
        if {"load", "arrival_rate"} <= values.keys():
            raise ValueError("give only one of load and arrival_rate: each sets the arrivals")
        self._put(values)
        self._moved |= values.keys()
        self.run()

    def reset(self) -> None:
        """Put every control back to where it stood."""
        self._put(self._initial)
        self._arrivals = getattr(self.base, "interarrival", None)
        self._moved.clear()
        self.run()

    def _put(self, values: Mapping[str, Any]) -> None:
        """Let controls show these values, without a run."""
        self._paused = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._paused = False

    def run(self) -> None:
        """Run the scenario as the controls stand, and show what comes of it."""
        self.status.value = "running …"
        self.progress.value = 0
        begun = time.perf_counter()
        try:
            scenario = self._scenario()
            self.results = {
                name: scenario.replace(**changes).run(
                    self.controls["seed"].value,
                    progress=partial(self._advance, place),
                )
                for place, (name, changes) in enumerate(self._variants.items())
            }
            self.error = None
            self._show()
        except Exception as error:  # Nothing that a callback raises would be seen otherwise.
            self.results = {}
            self.error = error
            self.picture.value = ERROR.format(error_in_words(error))
            self.table.value = ""
            self.status.value = "stopped by an error"
            return
        self.status.value = f"done in {quantity(time.perf_counter() - begun, 's', 2)}"

    def _changed(self, name: str, _: Any) -> None:
        if not self._paused:
            self._moved.add(name)
            self.run()

    def _advance(self, finished: int, part: float) -> None:
        self.progress.value = int(100 * (finished + part) / len(self._variants))

    def _scenario(self) -> Scenario:
        """What the controls stand for, with the arrivals as they were if nothing moved them."""
        changes: dict[str, Any] = {}
        moved: set[str] = set()
        for name, control in self.controls.items():
            if name == "seed":
                continue
            meant = (
                control.meanings[control.value]
                if isinstance(control, _Steps)
                else {name: _meaning(control)}
            )
            changes |= meant
            if name in self._moved:
                moved |= meant.keys()
        traffic = {name: changes.pop(name) for name in TRAFFIC if name in changes}
        asked = {name: value for name, value in traffic.items() if name in moved}
        if self._arrivals is not None:
            if "interarrival" not in moved:
                changes["interarrival"] = self._arrivals
            scenario = self.base.replace(**changes).replace(**asked)
            self._arrivals = scenario.interarrival  # type: ignore[attr-defined]
            self._put({name: getattr(scenario, name) for name in TRAFFIC & self.controls.keys()})
        else:
            scenario = self.base.replace(**changes)
        self._moved.clear()
        return scenario

    def _show(self) -> None:
        ax = axes(8, 3.6)
        assert isinstance(ax, Axes)
        self._draw(self.results, ax)
        picture = show(ax)
        self.alt = picture.alt
        self.picture.value = picture._repr_html_()
        self.table.value = _table(self.results, self._metrics) + _doubts(self.results)


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


def _control(base: Scenario, name: str, choices: Choices) -> widgets.Widget:
    """The widget for one parameter, made from what the parameter says of itself."""
    info = type(base).parameters()[name]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    unit, step = str(extra.get("unit") or ""), extra.get("step")
    value = getattr(base, name)
    low, high = _bounds(info, step)
    if name == "arrival_rate":
        low, high, step = _rates(base)
    if choices is None and get_origin(info.annotation) is Literal:
        choices = get_args(info.annotation)
    if isinstance(choices, tuple) and len(choices) in (2, 3) and not isinstance(value, str):
        low, high, step = (*choices, step)[:3]
        choices = None
    if choices is not None:
        control = _Choice(choices, value)
    elif isinstance(value, int | float):
        control = _number(value, low, high, step)
    else:
        raise ValueError(f"{name} is no number; give the values to choose from")
    return _labelled(control, name, info.description, unit)


class _Choice(widgets.Dropdown):  # type: ignore[misc]
    """A dropdown whose options may stand for anything, None included."""

    def __init__(self, choices: Mapping[str, Any] | Sequence[Any], value: Any) -> None:
        if not isinstance(choices, Mapping):
            choices = {"none" if choice is None else str(choice): choice for choice in choices}
        self.meanings = dict(choices)
        chosen = next((label for label, meant in choices.items() if meant == value), None)
        super().__init__(options=list(choices), value=chosen or next(iter(choices)))


class _Steps(widgets.SelectionSlider):  # type: ignore[misc]
    """A slider each of whose positions stands for several parameters."""

    def __init__(self, positions: Steps) -> None:
        self.meanings = dict(positions)
        super().__init__(options=list(positions), continuous_update=False)


def _meaning(control: widgets.Widget) -> Any:
    """What a control stands for."""
    return control.meanings[control.value] if isinstance(control, _Choice) else control.value


def _number(value: float, low: float | None, high: float | None, step: Any) -> widgets.Widget:
    """A slider when both bounds are known, logarithmic when they are far apart; else a text."""
    common = {"value": value, "continuous_update": False}
    if low is None or high is None:
        text = widgets.IntText if isinstance(value, int) else widgets.FloatText
        return text(value=value)
    if isinstance(value, int):
        return widgets.IntSlider(min=int(low), max=int(high), step=int(step or 1), **common)
    if low > 0 and high / low >= 100:
        exponents = {"min": log10(low), "max": log10(high)}
        return widgets.FloatLogSlider(step=0.05, readout_format=".3g", **exponents, **common)
    step = step or (high - low) / 50
    places = max(0, -floor(log10(step)))
    return widgets.FloatSlider(min=low, max=high, step=step, readout_format=f".{places}f", **common)


def _bounds(info: FieldInfo, step: Any) -> tuple[float | None, float | None]:
    """The least and the greatest value a parameter may have, one step inside an open bound."""
    low: Any = None
    high: Any = None
    for bound in info.metadata:
        match bound:
            case Ge(ge=value):
                low = value
            case Gt(gt=value):
                low = value + step if step else None
            case Le(le=value):
                high = value
            case Lt(lt=value):
                high = value - step if step else None
    return low, high


def _rates(base: Scenario) -> tuple[float, float, float]:
    """Lowest and highest arrival rate to choose, and a step: up to one and a half times too much.

    In steps of 1, 2 or 5 times a power of ten, about thirty of them.
    """
    assert isinstance(base, PublishingScenario)
    most = 1.5 / base.slowest if base.slowest else 2 * base.arrival_rate
    power = 10.0 ** floor(log10(most / 20))
    step = next(size * power for size in (1, 2, 5, 10) if most / (size * power) <= 40)
    return step, step * ceil(most / step), step


def _labelled(control: widgets.Widget, name: str, tooltip: str | None, unit: str) -> widgets.Widget:
    control.description = name.replace("_", " ") + (f" ({unit})" if unit not in ("", name) else "")
    control.tooltip = tooltip or ""
    control.style.description_width = "11em"
    control.layout.width = "28em"
    return control


def _table(results: Mapping[str, Result], metrics: Sequence[str]) -> str:
    rows = {}
    scenarios = [result.scenario for result in results.values()]
    publishing = [each for each in scenarios if isinstance(each, PublishingScenario)]
    if len(publishing) == len(scenarios):
        rows["messages that arrive"] = [quantity(each.arrival_rate, "1/s") for each in publishing]
        rows["load"] = [quantity(each.load, "%") for each in publishing]
    summaries = {name: result.summary() for name, result in results.items()}
    for metric in metrics:
        label, unit = METRICS.get(metric, Metric(metric))
        rows[label] = [quantity(summary[metric], unit) for summary in summaries.values()]
    if any(summary["unfinished"] for summary in summaries.values()):
        label = METRICS["unfinished"].label
        rows[label] = [quantity(summary["unfinished"]) for summary in summaries.values()]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(summaries)).to_html(border=0)


def _doubts(results: Mapping[str, Result]) -> str:
    """Why the figures can't be trusted, if they can't."""
    said = dict.fromkeys(doubt for result in results.values() for doubt in result.doubts())
    return "".join(f"<p>In doubt: {html.escape(doubt)}.</p>" for doubt in said)


def with_picture(bundle: Any, picture: str) -> Any:
    """A widget's forms for the notebook, with its picture (HTML) as one more."""
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    if data is not None and picture:
        data["text/html"] = picture
    return bundle


def error_in_words(error: Exception) -> str:
    """What a learner can do something about, escaped for HTML."""
    if isinstance(error, ParameterError):
        said = [str(problem) for problem in error.problems]
    else:
        said = [str(error) or type(error).__name__]
    return "<br>".join(map(html.escape, said))
