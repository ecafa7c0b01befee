"""Theory beside observation: what a formula predicts, and whether the runs agree."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .arguments import checked
from .forecast import Forecast
from .metrics import shown_as
from .replications import Replications, interval
from .result import Experiment

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A forecast, and what was observed."""

    scenario: Experiment
    forecast: Forecast
    observed: Replications | None

    @property
    def table(self) -> pd.DataFrame:
        """A row per predicted figure: ``predicted``, and after runs ``observed`` with its interval
        ``low`` to ``high`` (95 %) and a ``verdict``."""
        rows = {}
        for name, predicted in self.forecast.predicted.items():
            row: dict[str, float | str] = {"predicted": predicted}
            if self.observed is not None:
                found = interval(self.observed[name])
                row |= {"observed": found.mean, "low": found.low, "high": found.high}
                row["verdict"] = self._verdict(predicted, *found[:3])
            rows[name] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def _verdict(self, predicted: float, mean: float, low: float, high: float) -> str:
        if low <= predicted <= high:
            return "agrees"
        off = f"{100 * (mean / predicted - 1):+.1f} %" if predicted else "differs"
        return f"{off} from the {'formula' if self.forecast.exact else 'approximation'}"

    def __str__(self) -> str:
        lines = [f"{self.forecast.model}: {self.forecast.why}"]
        for name, row in self.table.iterrows():
            shown = shown_as(str(name), self.scenario.figures)
            line = f"  {shown.label}: {shown.written(row['predicted'])} predicted"
            if self.observed is not None:
                line += f", {shown.written(row['observed'])} observed: {row['verdict']}"
            lines.append(line)
        if self.observed is not None:
            lines += [f"  in doubt: {doubt}" for doubt in self.observed.doubts]
        return "\n".join(lines)


def explain(scenario: Experiment, observed: Replications | None = None) -> Explanation:
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
