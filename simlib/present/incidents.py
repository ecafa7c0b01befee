"""A panel for incidents: put a fault somewhere, and see whom totals accuse, and whom self time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from ..analysis.metrics import quantity
from ..scenarios import Incident
from ..scenarios.incident import Cause, Service
from ..tracing import rises
from .board import Board
from .controls import Choice, Control, Number
from .figures.spans import self_time_bars
from .parameters import control_for
from .pictures import Picture, show

__all__ = ["IncidentPanel"]

BY_LOT = "by the seed"


class IncidentPanel(Board):
    """An incident, and who is named by two figures: the 95th percentile, and self time.

    Parameters
    ----------
    incident : Incident
        Where the controls stand at first; ``traces`` stay as they are.
    seed : int
        The seed at first.
    """

    def __init__(self, incident: Incident, seed: int = 1) -> None:
        self.named: dict[str, str] = {}
        """The service whose figure rose most, by the figure; empty after an error, too."""
        self._incident = incident
        self._picture: Picture | None = None
        controls: dict[str, Control] = {
            "share": control_for(incident, "share", (0.02, 1.0, 0.02)),
            "size": control_for(incident, "size", (0.5, 4.0, 0.5)),
            "service": _choice("service", "which has the fault", get_args(Service)),
            "cause": _choice("cause", "what takes longer there", get_args(Cause)),
            "seed": Number("seed", "another seed is another run of luck", seed, 0),
        }
        super().__init__("incident", controls, stops=False)
        self.run()

    def _forget(self) -> None:
        self.named = {}

    def _still(self) -> Picture | None:
        return self._picture

    def _show(self) -> str:
        told: dict[str, Any] = {
            name: control.meanings[control.value] if isinstance(control, Choice) else control.value
            for name, control in self.controls.items()
        }
        seed = told.pop("seed")
        case = Incident(**{**dict(self._incident), **told}).run(seed)
        rose = {
            figure: rises(case.spans, case.healthy, figure)[0]
            for figure in ("duration_p95", "self_time")
        }
        self.named = {figure: rise.service for figure, rise in rose.items()}
        bars = self_time_bars({"before": case.healthy, "incident": case.spans})
        self._picture = show(bars, f"Self time rises most in {self.named['self_time']}")
        self._draw(self._picture.svg("incident"), self._picture.alt)
        said = [f"{rise.service}, by {quantity(rise.by, 's')}" for rise in rose.values()]
        return (
            f"The 95th percentile rose most in {said[0]}; self time in {said[1]}. "
            f"The fault is in {case.service}: {case.cause}."
        )


def _choice(name: str, hint: str, known: Sequence[str]) -> Choice:
    """One of several that are known, or whatever the seed says."""
    return Choice(name, hint, {BY_LOT: None, **{each: each for each in known}}, BY_LOT)
