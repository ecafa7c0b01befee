"""Scenarios that are computed, and have no processes."""

from __future__ import annotations

from ..analysis.result import Result
from ..processes import Environment
from .base import Progress, Scenario

__all__ = ["Calculated"]


class Calculated(Scenario):
    """A scenario whose instants follow from one another, so that there is nothing for SimPy."""

    def obstacle(self) -> str | None:
        """None: there is nothing that can't be computed."""
        return None

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        raise ValueError(
            f"engine must be 'auto' or 'vector' for {type(self).__name__}, which is computed and "
            "has no processes, got 'simpy'"
        )
