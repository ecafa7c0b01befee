"""Theory beside observation: what a formula predicts, and whether the runs agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from .arguments import checked
from .metrics import METRICS, quantity
from .replications import Replications, interval

if TYPE_CHECKING:
    from ..scenarios.base import Scenario

__all__ = ["Explanation", "Forecast", "explain"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What theory has to say about a scenario before it is run."""

    model: str
    """The model in the field's notation, such as M/M/1; "none" if no formula applies."""
    why: str
    """Why this formula applies, and how good it is; or why none does."""
    predicted: Mapping[str, float] = field(default_factory=dict)
    """Figures of the summary by name."""
    exact: bool = True
    """Whether the formula is exact, or an approximation."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A forecast, and what was observed."""

    scenario: Scenario
    forecast: Forecast
    observed: Replications | None

    @property
    def table(self) -> pd.DataFrame:
        """A row per predicted figure: ``predicted``, and after runs ``observed`` with its interval
        ``low`` to ``high`` (95 %) and a ``verdict``."""
        rows = {}
        for metric, predicted in self.forecast.predicted.items():
            row: dict[str, float | str] = {"predicted": predicted}
            if self.observed is not None:
                found = interval(self.observed[metric])
                row |= {"observed": found.mean, "low": found.low, "high": found.high}
                row["verdict"] = self._verdict(predicted, *found[:3])
            rows[metric] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def _verdict(self, predicted: float, mean: float, low: float, high: float) -> str:
        if low <= predicted <= high:
            return "agrees"
        off = f"{100 * (mean / predicted - 1):+.1f} %" if predicted else "differs"
        return f"{off} from the {'formula' if self.forecast.exact else 'approximation'}"

    def __str__(self) -> str:
        lines = [f"{self.forecast.model}: {self.forecast.why}"]
        for metric, row in self.table.iterrows():
            label, unit = METRICS.get(str(metric), (str(metric), ""))
            line = f"  {label}: {quantity(row['predicted'], unit)} predicted"
            if self.observed is not None:
                line += f", {quantity(row['observed'], unit)} observed: {row['verdict']}"
            lines.append(line)
        if self.observed is not None:
            lines += [f"  in doubt: {doubt}" for doubt in self.observed.doubts]
        return "\n".join(lines)


def explain(scenario: Scenario, observed: Replications | None = None) -> Explanation:
    """What theory predicts for a scenario, which formula applies, or why none does.

    Parameters
    ----------
    scenario : Scenario
        What is to be run.
    observed : Replications, optional
        What came of it, to be set beside the prediction.
    """
    if observed is not None and observed.scenario != scenario:
        raise ValueError("observed belongs to another scenario than the one to explain")
    return Explanation(scenario=scenario, forecast=checked(scenario).forecast(), observed=observed)
