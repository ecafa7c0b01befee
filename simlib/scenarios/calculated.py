"""Scenarios that are computed, and have no processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..analysis.result import OUTCOMES, Result
from ..processes import Environment, Ledger
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

    def _computed(
        self,
        env: Environment,
        columns: Mapping[str, NDArray[np.float64]],
        figures: Mapping[str, float],
        lost: NDArray[np.bool_] | None = None,
        servers: int | None = None,
    ) -> Result:
        """The result of a run in which every message is done or lost.

        Parameters
        ----------
        env : Environment
            Where it was run.
        columns : mapping
            Instants by name (s), each of shape (messages,).
        figures : mapping
            What this scenario adds to the summary.
        lost : ndarray of shape (messages,), optional
            Which messages came to nothing; none if not given.
        servers : int, optional
            How many messages can be worked on at once, if that is known.
        """
        published = len(columns["created"])
        lost = np.zeros(published, bool) if lost is None else lost
        gone = int(np.count_nonzero(lost))
        result = Result.from_columns(
            columns,
            np.zeros(published, bool),
            cut_off=lambda ledger: None,
            ledger=Ledger(published=published, acked=published - gone, lost=gone),
            scenario=self,
            seed=env.seed,
            engine="vector",
            warmup=0,
            servers=servers,
            extras=figures,
        )
        outcomes = np.where(lost, OUTCOMES.index("lost"), result.outcomes).astype(np.int8)
        return replace(result, outcomes=outcomes)
